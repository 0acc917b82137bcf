"""Features under perturbed contours: shapes whose change is known, features whose answer is known, and agreement."""

import functools
import json
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from NPCRadiomicsRiskLib.robustness.cohort_stability import cohort_stability
from NPCRadiomicsRiskLib.robustness.contour_perturbation import (
    GTV_DILATION,
    GTV_EROSION,
    GTVR_DILATION,
    GTVR_EROSION,
    KINDS,
    NOISE,
    ROTATION,
    TRANSLATION,
    PerturbationSizes,
    _Outlines,
    perturbed_masks,
    signed_distance_mm,
)
from NPCRadiomicsRiskLib.robustness.stability import feature_stability, quantization_choices
from NPCRadiomicsRiskLib.robustness.stability_tables import stability_tables
from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.agreement import intraclass_correlation

THICK = (5.0, 0.7, 0.7)  # the paper's voxels
CUBE = (1.0, 1.0, 1.0)


def grid(shape, spacing):
    """Coordinates in mm of voxel centers, from the middle of the grid."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ball(shape, spacing, radius_mm, center_mm=(0.0, 0.0, 0.0)):
    return sum((x - c) ** 2 for x, c in zip(grid(shape, spacing), center_mm, strict=True)) < radius_mm**2


def tumor(spacing=THICK, shape=(12, 70, 70)):
    """A ball of 22 mm radius, and the part of it at larger i."""
    gtv = ball(shape, spacing, 22.0)
    return gtv, gtv & (grid(shape, spacing)[2] > 4.0)


@dataclass
class Region:
    values: dict
    refused: dict


def simple_panel(volume, regions, spacing, settings):
    """Mean, number of voxels, and a feature that is always refused."""
    return {
        name: Region(
            {"mean": float(volume[mask].mean()), "size": float(mask.sum()), "never": math.nan},
            {"never": "never defined"},
        )
        for name, mask in regions.items()
    }


# -- shapes --


def test_signed_distance_is_that_of_a_plane_and_of_a_ball():
    half = np.zeros((6, 20, 20), bool)
    half[:, :, 8:] = True
    expected = (np.arange(20) - 7.5) * 0.7
    np.testing.assert_allclose(signed_distance_mm(half, THICK), np.broadcast_to(expected, half.shape), atol=1e-12)
    upper = np.zeros((6, 20, 20), bool)
    upper[3:] = True
    np.testing.assert_allclose(signed_distance_mm(upper, THICK)[:, 5, 5], (np.arange(6) - 2.5) * 5.0, atol=1e-12)
    shape = (41, 41, 41)
    exact = 12.3 - np.sqrt(sum(x**2 for x in grid(shape, CUBE)))
    assert np.abs(signed_distance_mm(ball(shape, CUBE, 12.3), CUBE) - exact).max() < 1.0


def test_distance_between_thick_slices_is_to_the_nearest_face():
    # A corner region: beside a wall 2.1 mm away in plane, and under a face 2.5 mm away across slices.
    mask = np.zeros((5, 20, 20), bool)
    mask[:3, :, 3:] = True
    assert signed_distance_mm(mask, THICK)[2, 10, 12] == pytest.approx(2.5)
    assert signed_distance_mm(mask, THICK)[2, 10, 4] == pytest.approx(1.5 * 0.7)


def outlines_of(gtv, gtvr, spacing):
    return _Outlines(gtv, gtvr, spacing, PerturbationSizes())


def test_a_shift_by_whole_voxels_is_that_shift():
    shape = (12, 70, 70)
    gtv = ball(shape, THICK, 17.0)
    whole = ball(shape, THICK, 8.0, (0, 0, 6.0)) | ball(shape, THICK, 6.0, (0, 10.0, 13.0))
    outlines = outlines_of(gtv, whole, THICK)  # the whole recurrence, partly outside
    assert (whole & ~gtv).any()
    moved = outlines.moved(np.eye(3), np.array([-2.1, 1.4, 0.0]))
    np.testing.assert_array_equal(moved, outlines.box.cut(np.roll(whole, (2, -3), (1, 2))))


def test_a_shift_across_thick_slices_moves_an_oblique_border_in_them():
    """A border that rises 1 mm per mm: 1 mm across slices moves it by 1 mm in plane, though slices are 5 mm apart."""
    shape = (15, 160, 40)
    z, y, x = grid(shape, THICK)
    gtv = (np.abs(z) < 25) & (np.abs(y) < 50) & (np.abs(x) < 10)
    outlines = outlines_of(gtv, gtv & (y + 0.37 * x > z), THICK)
    inner = outlines.tumor & outlines.box.cut(np.abs(z) < 14)
    n_columns = np.count_nonzero(inner.any(axis=1))
    for shift in (1.0, 2.0, -2.0):
        before, after = (
            (outlines.side & inner).sum(),
            (outlines.moved(np.eye(3), np.array([0, 0, shift])) & inner).sum(),
        )
        assert (after - before) / n_columns * 0.7 == pytest.approx(shift, abs=0.2)


def test_a_turn_by_ninety_degrees_is_that_turn():
    shape = (21, 41, 41)
    spacing = (2.0, 1.0, 1.0)
    mask = np.zeros(shape, bool)
    mask[8:13, 18:23, 10:31] = True
    gtv = ball(shape, spacing, 16.0)
    outlines = outlines_of(gtv, mask & gtv, spacing)
    found = outlines.box.placed(outlines.moved(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.zeros(3)))
    np.testing.assert_array_equal(found, (mask & gtv).swapaxes(1, 2))


@pytest.mark.parametrize("kind", [GTVR_DILATION, GTVR_EROSION])
def test_dilation_moves_the_border_inside_the_tumor_by_the_margin(kind):
    shape = (30, 60, 60)
    gtv = ball(shape, CUBE, 14.0)
    gtvr = gtv & (grid(shape, CUBE)[2] > 3.0)
    sizes = PerturbationSizes(margin_mm=(2.0, 2.0))
    (found,) = perturbed_masks(gtv, gtvr, CUBE, [kind], n=1, sizes=sizes)
    moved = 3.0 - 2.0 if kind == GTVR_DILATION else 3.0 + 2.0
    # Where the border meets the outline of the tumor, what lies beyond is a guess.
    wrong = found.gtvr != (gtv & (grid(shape, CUBE)[2] > moved))
    assert wrong.sum() < 0.05 * np.pi * 14**2 * 2 and not wrong[ball(shape, CUBE, 11.0)].any()
    np.testing.assert_array_equal(found.gtvr | found.gtvnr, gtv)
    assert found.words == ("+2.00 mm" if kind == GTVR_DILATION else "-2.00 mm")


@pytest.mark.parametrize(("kind", "radius"), [(GTV_DILATION, 15.0), (GTV_EROSION, 11.0)])
def test_the_tumor_grows_and_shrinks_by_the_margin_and_its_division_goes_on(kind, radius):
    shape = (40, 40, 40)
    gtv, x = ball(shape, CUBE, 13.0), grid(shape, CUBE)[2]
    sizes = PerturbationSizes(margin_mm=(2.0, 2.0))
    (found,) = perturbed_masks(gtv, gtv & (x > 3.0), CUBE, [kind], n=1, sizes=sizes)
    volume = np.count_nonzero(found.gtvr | found.gtvnr)
    assert (3 * volume / (4 * math.pi)) ** (1 / 3) == pytest.approx(radius, abs=0.5)
    sides = x[found.gtvr].min(), x[found.gtvnr].max()
    assert sides[0] >= 2.5 and sides[1] <= 4.5  # the border between them stayed where it was


def test_noise_displaces_the_outline_by_its_standard_deviation_and_is_smooth():
    shape = (24, 90, 90)
    spacing = (2.0, 1.0, 1.0)
    outlines = outlines_of(ball(shape, spacing, 20.0), ball(shape, spacing, 10.0), spacing)
    fields = np.array([outlines._noise(np.random.default_rng(seed), 5.0) for seed in range(15)])
    assert fields.std() == pytest.approx(1.0, abs=0.05) and abs(fields.mean()) < 0.1
    for axis, step in ((1, 2.0), (3, 1.0)):  # correlation exp(-(d / 5)^2 / 2)
        n = 2
        first = np.take(fields, range(fields.shape[axis] - n), axis)
        second = np.take(fields, range(n, fields.shape[axis]), axis)
        assert np.mean(first * second) / np.mean(fields**2) == pytest.approx(
            math.exp(-((n * step / 5.0) ** 2) / 2), abs=0.03
        )


def test_a_region_that_reaches_the_outline_of_the_tumor_goes_on_beyond():
    """GTVr cut off at the GTV's outline: a shift inward opens no gap of GTVnr there."""
    gtv, gtvr = tumor()
    x = grid(gtv.shape, THICK)[2]
    for each in perturbed_masks(gtv, gtvr, THICK, [TRANSLATION], n=6, seed=3):
        assert each.gtvr[gtv & (x > 9.0)].all() and each.gtvnr[gtv & (x < -1.0)].all()
    # The whole recurrence is known: a ball inside stays a ball, so GTVnr goes all around it.
    inner = ball(gtv.shape, THICK, 8.0)
    for each in perturbed_masks(gtv, inner, THICK, [TRANSLATION], n=2):
        assert each.gtvr.sum() == pytest.approx(inner.sum(), rel=0.01) and (each.gtvr != inner).any()


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(list(KINDS)), shift=st.floats(-6, 6))
@example(seed=0, kind=NOISE, shift=0.0)  # goes beyond the image
def test_regions_are_disjoint_and_the_fraction_counts_what_changed(seed, kind, shift):
    gtv = ball((8, 50, 50), THICK, 15.0)
    gtvr = gtv & (grid(gtv.shape, THICK)[2] > shift)
    for each in perturbed_masks(gtv, gtvr, THICK, kind, n=2, seed=seed):
        assert not (each.gtvr & each.gtvnr).any()
        if kind not in (NOISE, GTV_DILATION, GTV_EROSION):
            np.testing.assert_array_equal(each.gtvr | each.gtvnr, gtv)
        changed = np.count_nonzero((each.gtvr != gtvr) | (each.gtvnr != (gtv & ~gtvr)))
        assert each.changed_fraction == pytest.approx(changed / gtv.sum())


def test_the_same_seed_gives_the_same_masks_whatever_else_is_asked():
    gtv, gtvr = tumor()
    alone = list(perturbed_masks(gtv, gtvr, THICK, [NOISE, ROTATION], n=2, seed=5))
    every = [each for each in perturbed_masks(gtv, gtvr, THICK, n=2, seed=5) if each.kind in (NOISE, ROTATION)]
    other = list(perturbed_masks(gtv, gtvr, THICK, [NOISE, ROTATION], n=2, seed=6))
    for one in alone:
        (same,) = (each for each in every if (each.kind, each.number) == (one.kind, one.number))
        np.testing.assert_array_equal(same.gtvr, one.gtvr)
        assert same.words == one.words
    assert any((a.gtvr != b.gtvr).any() for a, b in zip(alone, other, strict=True))


def test_sizes_are_spread_over_their_range_and_directions_come_in_opposite_pairs():
    gtv, gtvr = tumor()
    found = list(perturbed_masks(gtv, gtvr, THICK, [TRANSLATION], n=5, seed=4))
    moves = [np.array([float(n) for n in re.findall(r"[+-][\d.]+", each.words)]) for each in found]
    assert [np.linalg.norm(move) for move in moves] == pytest.approx([1.0, 1.25, 1.5, 1.75, 2.0], abs=0.02)
    directions = [move / np.linalg.norm(move) for move in moves]
    assert directions[0] @ directions[1] < -0.999 and directions[2] @ directions[3] < -0.999
    assert max(abs(directions[0] @ directions[n]) for n in (2, 4)) < 0.99


def test_a_region_that_vanishes_is_told_not_hidden():
    gtv = ball((20, 20, 20), CUBE, 8.0)
    gtvr = np.zeros_like(gtv)
    gtvr[10, 10, 9:12] = True
    (found,) = perturbed_masks(gtv, gtvr, CUBE, [GTVR_EROSION], n=1)
    assert found.problem == "GTVr has 0 voxels"
    stability = feature_stability(gtv * 1.0, gtv, gtvr, CUBE, kinds=[GTVR_EROSION], n=1, panel=simple_panel)
    assert stability.features[0].n == 0 and stability.features[0].n_without == 1
    assert stability.features[0].reason == "GTVr has 0 voxels" and stability.features[0].grade == "not defined"
    assert any("1 of 1 conditions gave no features" in warning for warning in stability.warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gtv": np.zeros((4, 4, 4))}, "GTV is empty"),
        ({"gtvr": np.zeros((4, 4, 4))}, "no voxel of GTVr lies in GTV"),
        ({"gtvr": np.ones((4, 4, 4))}, "covers the whole GTV"),
        ({"gtvr": np.ones((4, 4, 5))}, "shape"),
        ({"spacing_mm_kji": (1, 0, 1)}, "spacing"),
        ({"kinds": ["shear"]}, '"shear" is no perturbation'),
        ({"kinds": []}, "no perturbation was chosen"),
        ({"n": 0}, "0 perturbations of each kind"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    gtvr = np.zeros((4, 4, 4))
    gtvr[1:3, 1:3, 1:3] = 1
    arguments = {"gtv": np.ones((4, 4, 4)), "gtvr": gtvr, "spacing_mm_kji": CUBE} | change
    with pytest.raises(InputError) as caught:
        perturbed_masks(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("sizes", [{"translation_mm": (2, 1)}, {"noise_sd_mm": 0}, {"margin_mm": (-1, 1)}])
def test_sizes_check_themselves(sizes):
    with pytest.raises(InputError):
        PerturbationSizes(**sizes)


# -- features of one patient --


def test_a_clear_difference_survives_and_one_that_rests_on_the_border_does_not():
    gtv, gtvr = tumor()
    x = grid(gtv.shape, THICK)[2]
    clear = np.where(gtvr, 200.0, 100.0)
    # Only the voxels next to the border are bright: with the border moved outward they are on the other side.
    fragile = 100.0 + 60.0 * ((x > 3.3) & (x < 4.01)) + 1.0 * gtvr
    strong, weak = (
        feature_stability(volume, gtv, gtvr, THICK, panel=simple_panel, n=4, seed=1) for volume in (clear, fragile)
    )
    mean = strong.features[0]
    assert (mean.name, mean.grade, mean.same_sign) == ("mean", "survives", 1.0)
    assert mean.difference == pytest.approx(100.0) and mean.n == 4 * len(KINDS) and mean.n_without == 0
    assert 0 < mean.relative_spread < 0.3 and set(mean.by_kind) == set(KINDS)
    fragile = weak.features[0]
    assert fragile.grade == "does not survive" and fragile.by_kind[GTVR_DILATION] < 0.5
    assert fragile.by_kind[GTVR_EROSION] == 1.0
    never = strong.features[2]
    assert (never.grade, never.difference, never.reason) == ("not defined", None, "GTVnr: never defined")
    assert any("refused for the contours as drawn: never" in warning for warning in strong.warnings)


def test_spread_and_changes_are_root_mean_squares_about_the_contours_as_drawn():
    gtv, gtvr = tumor()
    volume = np.random.default_rng(0).normal(50, 5, gtv.shape) + 3.0 * gtvr
    found = feature_stability(volume, gtv, gtvr, THICK, panel=simple_panel, kinds=[NOISE, ROTATION], n=3, seed=2)
    masks = list(perturbed_masks(gtv, gtvr, THICK, [NOISE, ROTATION], n=3, seed=2))
    inside = np.array([volume[each.gtvr].mean() for each in masks])
    rest = np.array([volume[each.gtvnr].mean() for each in masks])
    drawn, other = volume[gtvr].mean(), volume[gtv & ~gtvr].mean()
    mean = found.features[0]
    assert mean.change_recurrent == pytest.approx(np.sqrt(np.mean((inside - drawn) ** 2)) / drawn)
    assert mean.change_nonrecurrent == pytest.approx(np.sqrt(np.mean((rest - other) ** 2)) / other)
    assert mean.spread == pytest.approx(np.sqrt(np.mean((inside - rest - drawn + other) ** 2)))
    assert mean.relative_spread == pytest.approx(mean.spread / (drawn - other))


def test_progress_ends_at_one_and_may_cancel():
    gtv, gtvr = tumor()
    told = []
    run = {"panel": simple_panel, "n": 1, "choices": {"other": None}}
    feature_stability(gtv * 1.0, gtv, gtvr, THICK, **run, progress=told.append)
    assert told[-1] == pytest.approx(1) and len(told) == 2 + len(KINDS) and told == sorted(told)

    class StopError(Exception):
        pass

    def cancel(fraction):
        raise StopError

    with pytest.raises(StopError):
        feature_stability(gtv * 1.0, gtv, gtvr, THICK, **run, progress=cancel)


def test_settings_are_compared_by_sign_and_a_refusal_is_a_result():
    gtv, gtvr = tumor()

    def panel(volume, regions, spacing, settings):
        if settings == "refuses":
            raise InputError("too many levels")
        return simple_panel(volume if settings != "turned" else -volume, regions, spacing, settings)

    choices = {"turned": "turned", "as is": "same", "impossible": "refuses"}
    found = feature_stability(
        gtv + 1.0 * gtvr, gtv, gtvr, THICK, panel=panel, kinds=[ROTATION], n=1, choices=choices
    )  # fmt: skip
    mean = found.features[0]
    assert (mean.n_choices, mean.n_choices_same_sign) == (2, 1)
    assert any("impossible: too many levels" in warning for warning in found.warnings)


def test_perturbations_too_small_for_the_grid_are_said_to_show_nothing():
    gtv, gtvr = tumor()
    sizes = PerturbationSizes(margin_mm=(0.1, 0.2))
    found = feature_stability(
        gtv * 1.0, gtv, gtvr, THICK, panel=simple_panel, kinds=[GTVR_DILATION], n=2, sizes=sizes
    )  # fmt: skip
    assert any(f"No voxel changed region by {GTVR_DILATION}" in warning for warning in found.warnings)


def test_columns_and_rows_are_whole():
    gtv, gtvr = tumor()
    found = feature_stability(gtv * 1.0, gtv, gtvr, THICK, panel=simple_panel, kinds=[ROTATION, NOISE], n=1)
    columns = found.columns()
    assert {len(column) for column in columns.values()} == {3}
    assert columns["feature"] == ["mean", "size", "never"] and "same_sign_boundary_noise" in columns
    json.dumps(columns, allow_nan=False)
    header, *rows = found.rows()
    assert all(len(row) == len(header) for row in rows) and rows[2][-1] == "not defined"
    assert any("Boundary noise" in sentence and "% of the GTV" in sentence for sentence in found.method)


def test_the_panel_of_47_features_is_the_default():
    from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings

    shape = (8, 24, 24)
    gtv = ball(shape, (2.0, 1.0, 1.0), 9.0)
    gtvr = gtv & (grid(shape, (2.0, 1.0, 1.0))[2] > 1.0)
    rng = np.random.default_rng(1)
    volume = rng.normal(100, 5, shape) + gtvr * rng.normal(30, 20, shape)
    settings = TextureSettings(n_levels=16, resampling="none")
    found = feature_stability(volume, gtv, gtvr, (2.0, 1.0, 1.0), settings, kinds=[TRANSLATION, NOISE], n=2)
    assert found.feature_names == FEATURE_NAMES
    variance = next(each for each in found.features if each.name == "Intensity_Variance")
    assert variance.grade == "survives" and variance.difference > 0
    assert variance.n_choices == len(quantization_choices(settings)) == 5


def test_choices_of_quantization_differ_from_the_settings_given():
    from NPCRadiomicsRiskLib.texture.panel47 import TextureSettings

    given_settings = TextureSettings(quantization="equal", n_levels=64, levels_shared=True)
    choices = quantization_choices(given_settings)
    assert {each.quantization for each in choices.values()} == {"lloyd", "equal", "uniform"}
    assert sorted({each.n_levels for each in choices.values()}) == [16, 32, 64]
    assert given_settings not in choices.values() and "levels of each region alone" in choices
    assert quantization_choices(None) == {}


# -- many patients --


@functools.cache
def cohort_of(n=6, kinds=(TRANSLATION, NOISE), seed=0, effect=30.0):
    rng = np.random.default_rng(seed)
    gtv, gtvr = tumor()
    found = {}
    for number in range(n):
        volume = rng.normal(100 + 20 * number, 5, gtv.shape) + (effect + 5 * number) * gtvr
        found[f"P{number}"] = feature_stability(volume, gtv, gtvr, THICK, panel=simple_panel, kinds=kinds, n=2, seed=1)
    return found


def test_agreement_over_the_perturbations_is_icc_2_1():
    patients = cohort_of()
    found = cohort_stability(patients, with_tests=False)
    mean = found.feature("mean")
    table = [[each.reference.differences[0], *(p.differences[0] for p in each.perturbed)] for each in patients.values()]
    expected = intraclass_correlation(table, grading="koo-li").form("ICC(2,1)", "generalized")
    assert mean.difference.value == pytest.approx(expected.value, rel=1e-9)
    assert mean.difference.low == pytest.approx(expected.low, rel=1e-9)
    assert mean.difference.grade_of_low == expected.grade_of_low
    # By hand: two-way table without replication.
    x = np.array(table)
    n, k = x.shape
    between = k * np.sum((x.mean(axis=1) - x.mean()) ** 2) / (n - 1)
    raters = n * np.sum((x.mean(axis=0) - x.mean()) ** 2) / (k - 1)
    rest = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    error = np.sum(rest**2) / ((n - 1) * (k - 1))
    by_hand = (between - error) / (between + (k - 1) * error + k * (raters - error) / n)
    assert mean.difference.value == pytest.approx(by_hand, rel=1e-9)
    assert mean.recurrent.value > 0.98 and set(mean.by_kind) == {TRANSLATION, NOISE}
    assert (mean.n, mean.n_without, mean.n_same_sign) == (6, 0, 6)
    never = found.feature("never")
    assert never.difference is None and never.n_without == 6 and never.by_kind == {}
    assert "ICC(2,1)" in found.method[0] and mean.significant is None


def test_tests_are_repeated_under_each_perturbation():
    found = cohort_stability(cohort_of(), with_tests=True, test="t")
    mean = found.feature("mean")
    assert mean.significant and mean.share_significant == 1.0
    nothing = cohort_stability(cohort_of(effect=-12.5), test="t").feature("mean")  # from -12.5 to 12.5
    assert nothing.significant is False and nothing.share_significant is None


def test_tables_of_stability():
    told = []
    first, second = stability_tables(cohort_stability(cohort_of(n=3), progress=told.append))
    assert told[-1] == pytest.approx(1)
    for table in (first, second):
        assert all(len(row) == len(table.columns) for row in table.rows)
        json.dumps([table.rows, table.notes], allow_nan=False)
    row = dict(zip(first.columns, first.rows[0], strict=True))
    assert (
        row["feature"] == "mean"
        and 0 < row["icc_difference"] <= 1
        and second.columns[1:] == ("translation", "boundary_noise")
    )
    assert any("ICC(2,1)" in note for note in first.notes)


def test_patients_must_have_been_perturbed_alike():
    patients = dict(cohort_of(n=3))
    with pytest.raises(InputError, match="needs 3"):
        cohort_stability(dict(list(patients.items())[:2]))
    patients["P1"] = cohort_of(n=1, kinds=(ROTATION,))["P0"]
    with pytest.raises(InputError, match='patients "P0" and "P1" have different perturbations'):
        cohort_stability(patients)
