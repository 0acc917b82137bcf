"""Regions made ready, and what the panel does with regions and images that are not as they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCRadiomicsRiskLib.texture.panel47 import (
    FEATURE_NAMES,
    FEATURES,
    PUBLISHED_SIGNIFICANT,
    TextureSettings,
    intensity_histograms,
    texture_panel,
)
from NPCRadiomicsRiskLib.texture.preparation import prepare_regions
from NPCRadiomicsRiskLib.texture.resampling import cubic_weights, toolbox_coordinates
from NPCResponseLib.errors import InputError

ANISOTROPIC = (5.0, 0.7, 0.7)
SHAPE = (8, 24, 26)
K, J, I = np.indices(SHAPE)  # noqa: E741  the axes' names
BALL = ((K - 3.5) / 2.6) ** 2 + ((J - 11.5) / 9.3) ** 2 + ((I - 12.5) / 8.7) ** 2 <= 1
NOISE = np.random.default_rng(3).normal(400, 60, SHAPE)


def prepared(volume, mask=BALL, spacing=ANISOTROPIC, resampling="corrected", size=None, outliers=False):
    return prepare_regions(volume, {"r": mask}, spacing, resampling=resampling, voxel_size_mm=size, outliers=outliers)[
        "r"
    ]


def panel(volume=NOISE, mask=BALL, spacing=(1.0, 1.0, 1.0), **choices):
    plain = {"resampling": "none", "outliers": "none", "quantization": "uniform", "n_levels": 16}
    return texture_panel(volume, {"r": mask}, spacing, TextureSettings(**(plain | choices)))["r"]


# -- corrected resampling --


@pytest.mark.parametrize("size", [None, 0.5, 1.3, 2.0])
def test_a_constant_image_stays_constant(size):
    found = prepared(np.full(SHAPE, 1000 / 3), size=size)
    assert np.all(found.image == 1000 / 3)


@pytest.mark.parametrize("algorithm", ["uniform", "lloyd", "equal"])
def test_a_constant_image_has_no_texture_after_resampling(algorithm):
    """Rounding errors of the interpolation must not be told apart as gray levels."""
    found = panel(np.full(SHAPE, 0.1), spacing=ANISOTROPIC, resampling="corrected", quantization=algorithm)
    assert found.n_levels_present == 0
    assert set(found.refused.values()) == {"all voxels have one value"}


@pytest.mark.parametrize("size", [0.5, 0.7, 1.0])
def test_a_linear_ramp_stays_linear(size):
    """Where it was: the value at a new voxel is that of the ramp at its center in mm from the image's corner."""
    ramp = 3 * (K + 0.5) * 5.0 + 2 * (J + 0.5) * 0.7 - (I + 0.5) * 0.7
    # Not at the border of the image, beyond which its last slice goes on.
    one = prepared(ramp, BALL & (K >= 2) & (K <= 5), size=size)
    steps = [np.diff(one.image, axis=axis) for axis in range(3)]
    for step, slope in zip(steps, (3, 2, -1), strict=True):
        np.testing.assert_allclose(step, slope * size, rtol=1e-9)
    # A symmetric region, a linear ramp: its mean is that at the region's center.
    center = [4.0 * 5.0, 12.0 * 0.7, 13.0 * 0.7]
    assert one.values.mean() == pytest.approx(np.dot(center, (3, 2, -1)), rel=0.02)


@pytest.mark.parametrize("size", [None, 0.5, 0.9])
def test_volume_is_kept(size):
    found = prepared(NOISE, size=size)
    native_mm3 = BALL.sum() * np.prod(ANISOTROPIC)
    assert found.mask.sum() * np.prod(found.voxel_mm_kji) == pytest.approx(native_mm3, rel=0.02)


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (5.0, 0.5, 0.5), (1.0, 3.0, 3.0)])
def test_voxels_that_divide_the_old_ones_fill_a_box_exactly(spacing):
    box = np.zeros(SHAPE, bool)
    box[2:5, 4:10, 3:10] = True
    found = prepared(NOISE, box, spacing, size=0.5)
    assert found.mask.all()
    assert found.mask.shape == tuple(int(n * s / 0.5) for n, s in zip((3, 6, 7), spacing, strict=True))


@pytest.mark.parametrize("size", [0.3, 0.5, 0.9, 1.6])
def test_new_voxels_fill_a_box_as_well_as_they_can(size):
    box = np.zeros(SHAPE, bool)
    box[2:5, 4:10, 3:10] = True
    found = prepared(NOISE, box, size=size)
    assert found.mask.all()
    extent_mm = np.array([3 * 5.0, 6 * 0.7, 7 * 0.7])
    assert np.abs(np.array(found.mask.shape) * size - extent_mm).max() <= size / 2


def test_edges_are_not_darkened():
    """As the toolbox does: it takes what is outside the region's box for 0."""
    bright, box = NOISE + 2000, np.zeros(SHAPE, bool)
    box[2:6, 5:15, 5:15] = True
    native = bright[box]
    corrected, toolbox = prepared(bright, box), prepared(bright, box, resampling="toolbox")
    assert corrected.values.min() > native.min() - 0.25 * np.ptp(native)
    assert toolbox.values.min() < 0.9 * native.min()
    assert corrected.values.mean() == pytest.approx(native.mean(), rel=0.002)
    assert toolbox.values.mean() < 0.995 * native.mean()


def test_toolbox_resampling_shifts_and_darkens_as_described():
    """A constant box of 100: output index x samples x / f, with zeros outside; weights by the kernel's formula."""
    box = np.zeros(SHAPE, bool)
    box[2:5, 4:10, 4:10] = True
    found = prepared(np.full(SHAPE, 100.0), box, (2.0, 1.0, 1.0), "toolbox")
    assert found.image.shape == (6, 6, 6)
    # From 1: samples at 0.5, 1, ..., 3 of slices 1, 2, 3. At 0.5 half-way from 0: (-1/16, 9/16, 9/16, -1/16).
    expected = 100 * np.array([9 / 16 - 1 / 16, 1, 9 / 16 + 9 / 16 - 1 / 16, 1, 9 / 16 + 9 / 16 - 1 / 16, 1])
    np.testing.assert_allclose(found.image[:, 0, 0], expected, rtol=1e-12)
    assert found.mask.all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5))
def test_cubic_weights_keep_constants_and_ramps(fractions):
    t = np.array(fractions)
    weights = cubic_weights(t)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-13)
    np.testing.assert_allclose(np.arange(-1, 3) @ weights, t, atol=1e-13)


def test_toolbox_coordinates_round_the_size_half_away():
    assert len(toolbox_coordinates(5, 0.5)) == 3
    np.testing.assert_allclose(toolbox_coordinates(4, 2.0), np.arange(1, 9) / 2 - 1)


@pytest.mark.parametrize("size", [None, 0.35, 1.4, 2.0])
def test_results_do_not_depend_on_the_image_around(size):
    """Cropping the background changes nothing."""
    region = BALL & (K >= 3) & (K <= 5)
    whole, inner = prepared(NOISE, region, size=size), (slice(1, 8), slice(0, 23), slice(1, 25))
    cropped = prepared(NOISE[inner], region[inner], size=size)
    np.testing.assert_array_equal(cropped.mask, whole.mask)
    np.testing.assert_allclose(cropped.values, whole.values, rtol=1e-12)


@pytest.mark.parametrize("size", [None, 0.35, 1.4, 2.0])
def test_results_do_not_depend_on_the_end_from_which_voxels_are_counted(size):
    """Not even where a new voxel's center lies half-way between two old ones."""
    region = BALL & (K >= 2) & (K <= 5) & (I >= 6)
    expected = prepared(NOISE, region, size=size)
    for axis in range(3):
        turned = prepared(np.flip(NOISE, axis), np.flip(region, axis), size=size)
        np.testing.assert_array_equal(np.flip(turned.mask, axis), expected.mask)
        np.testing.assert_allclose(np.flip(turned.image, axis)[expected.mask], expected.values, rtol=1e-12)


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize(
    "choices",
    [{}, {"dimensions": 2}, {"resampling": "corrected"}, {"resampling": "toolbox"}, {"voxel_size_mm": 1.4}],
)
def test_axes_may_come_in_any_order(order, choices):
    """The pixel is the two equal lengths, not whatever the file's second axis is."""
    expected = panel(spacing=ANISOTROPIC, **choices).values
    spacing = tuple(ANISOTROPIC[axis] for axis in order)
    found = panel(NOISE.transpose(order), BALL.transpose(order), spacing, **choices)
    assert found.values == pytest.approx(expected, rel=1e-9)
    assert found.voxel_size_mm == panel(spacing=ANISOTROPIC, **choices).voxel_size_mm


def test_spacing_of_a_file_with_seven_digits_is_what_was_meant():
    expected = panel(spacing=ANISOTROPIC, resampling="corrected", quantization="lloyd").values
    rough = tuple(float(np.float32(length)) for length in ANISOTROPIC)
    assert panel(spacing=rough, resampling="corrected", quantization="lloyd").values == expected


def test_regions_share_one_grid():
    made = prepare_regions(
        NOISE, {"a": BALL & (I < 12), "b": BALL & (I >= 12)}, ANISOTROPIC, resampling="corrected",
        voxel_size_mm=None, outliers=False,
    )  # fmt: skip
    assert made["a"].image is made["b"].image
    assert not (made["a"].mask & made["b"].mask).any()
    np.testing.assert_array_equal(
        np.sort(prepared(NOISE).values), np.sort(np.concatenate([m.values for m in made.values()]))
    )


def test_tissue_outside_the_region_is_used():
    """An edge voxel is interpolated with what lies beyond it, not with zeros, nor with what lies far away."""
    far = NOISE.copy()
    far[:, 23, 25] = 1e5  # four voxels from the region's box
    box = np.zeros(SHAPE, bool)
    box[2:6, 5:15, 5:15] = True
    np.testing.assert_array_equal(prepared(far, box).image[prepared(far, box).mask], prepared(NOISE, box).values)


def test_same_spacing_is_left_alone():
    for resampling in ("corrected", "toolbox", "none"):
        found = prepared(NOISE, spacing=(1.0, 1.0, 1.0 + 1e-9), resampling=resampling)
        np.testing.assert_array_equal(found.values, NOISE[BALL])


def test_toolbox_takes_half_pixels_and_double_slices_for_isotropic():
    """Its test is that the three factors add up to 3: a quirk, kept."""
    found = prepared(NOISE, spacing=(2.0, 0.5, 0.5), resampling="toolbox", size=1.0)
    np.testing.assert_array_equal(found.values, NOISE[BALL])


# -- outliers --


def test_outliers_beyond_three_standard_deviations_are_left_out():
    volume = NOISE.copy()
    spike = (3, 11, 12)
    volume[spike] = 5000
    values = volume[BALL]
    limits = values.mean() + np.array([-3, 3]) * values.std(ddof=1)
    found = prepared(volume, resampling="none", outliers=True)
    expected = values[(values >= limits[0]) & (values <= limits[1])]
    np.testing.assert_array_equal(found.values, expected)
    assert found.n_outliers == len(values) - len(expected) >= 1
    assert found.n_native == len(values)


def test_limit_is_that_of_the_sample_standard_deviation():
    """2.86 of them with n - 1, which stays; 3.001 with n."""
    values = np.array([0.1, -0.1] * 5 + [1.0]).reshape(1, 1, -1)
    assert prepared(values, np.ones(values.shape, bool), resampling="none", outliers=True).n_outliers == 0


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_a_constant_region_has_no_outliers(value, n):
    """However its mean is rounded."""
    mask = np.zeros((1, 1, 60), bool)
    mask[..., :n] = True
    found = prepared(np.full(mask.shape, value), mask, resampling="none", outliers=True)
    assert found.n_outliers == 0


def test_rule_never_takes_all():
    """At most a ninth of any values lies beyond three standard deviations."""
    volume = np.zeros(SHAPE)
    volume[3, 11, 12] = 1e6
    found = panel(volume, outliers="3 sd")
    assert found.n_outliers == 1
    assert found.n_levels_present == 0


# -- images and masks of all kinds --


@pytest.mark.parametrize("resampling", ["corrected", "toolbox", "none"])
@pytest.mark.parametrize("kind", ["i1", "u1", "u2", ">i2", "i8", "u8", "f2", "f4"])
def test_any_type_of_number_gives_the_same(kind, resampling):
    values = np.clip(NOISE / 4, 0, 120).round()
    expected = panel(values, spacing=ANISOTROPIC, resampling=resampling, outliers="3 sd").values
    given_ = values.astype(kind)
    given_.flags.writeable = False
    mask = BALL.astype(np.uint8)
    mask.flags.writeable = False
    assert panel(given_, mask, ANISOTROPIC, resampling=resampling, outliers="3 sd").values == expected


def test_input_is_never_written_to():
    volume, mask = NOISE.copy(), BALL.copy()
    panel(volume, mask, ANISOTROPIC, resampling="toolbox", outliers="3 sd")
    panel(volume, mask, ANISOTROPIC, resampling="corrected", outliers="3 sd")
    np.testing.assert_array_equal(volume, NOISE)
    np.testing.assert_array_equal(mask, BALL)


def test_views_of_any_layout_give_the_same():
    volume, mask = NOISE.transpose(2, 0, 1)[::-1, :, ::2], BALL.transpose(2, 0, 1)[::-1, :, ::2]
    assert panel(volume, mask).values == panel(volume.copy(), mask.copy()).values


@pytest.mark.parametrize("factor,shift", [(1e-30, 0), (1e30, 0), (1, -5000), (-1, 0)])
def test_texture_does_not_depend_on_scale_and_offset(factor, shift):
    expected, found = panel(quantization="uniform"), panel(factor * NOISE + shift, quantization="uniform")
    assert not found.refused
    names = [name for name in FEATURE_NAMES if not name.startswith("Intensity")] + ["Intensity_Kurtosis"]
    if factor > 0:
        assert [found.values[n] for n in names] == pytest.approx([expected.values[n] for n in names], rel=1e-6)
    assert abs(found.values["Intensity_Skewness"]) == pytest.approx(
        abs(expected.values["Intensity_Skewness"]), rel=1e-6
    )


def test_region_may_fill_the_image():
    for resampling in ("corrected", "toolbox", "none"):
        assert not panel(NOISE, np.ones(SHAPE, bool), ANISOTROPIC, resampling=resampling).refused


@pytest.mark.parametrize("resampling", ["corrected", "toolbox", "none"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_one_slice(resampling, dimensions):
    """An image of one slice has the in-plane neighbors, in two dimensions and in three."""
    found = panel(NOISE[3:4], BALL[3:4], (1.0, 1.0, 1.0), resampling=resampling, dimensions=dimensions)
    assert not found.refused
    assert found.values == panel(NOISE[3:4], BALL[3:4], (1.0, 1.0, 1.0)).values


# -- degenerate regions: an answer or a reason --


def dots(*voxels):
    mask = np.zeros(SHAPE, bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


@pytest.mark.parametrize("resampling", ["corrected", "none"])
def test_one_voxel(resampling):
    found = panel(mask=dots((3, 3, 3)), resampling=resampling)
    assert found.values["Intensity_Mean"] == pytest.approx(NOISE[3, 3, 3])
    assert set(found.refused.values()) == {"the region is a single voxel"}
    assert "Only 1 voxel was analyzed: texture of so few tells little." in found.warnings


def test_voxels_without_neighbors():
    found = panel(mask=dots((1, 1, 1), (4, 9, 9), (6, 20, 3)))
    refused = {name for name in FEATURE_NAMES if name.startswith("GLCM")}
    refused |= {"NGTDM_Coarseness", "NGTDM_Contrast", "NGTDM_Busyness"}
    assert set(found.refused) == refused
    assert set(found.refused.values()) == {"no two voxels of the region are neighbors"}
    assert found.values["GLSZM_ZP"] == 1


def test_neighbors_of_one_level():
    volume = NOISE.copy()
    volume[1, 1, 1:3] = 400
    found = panel(volume, dots((1, 1, 1), (1, 1, 2), (6, 20, 3)))
    assert set(found.refused) == {"GLCM_Correlation", "NGTDM_Contrast", "NGTDM_Busyness"}
    assert set(found.refused.values()) == {"neighbors are all of one gray level"}


def test_busyness_of_levels_that_balance():
    """Level 1 twice, level 2 once: both have 2 / 3, their difference is 0 and the quotient none."""
    mask = dots((1, 1, 1), (1, 1, 2), (1, 1, 3))
    volume = NOISE.copy()
    volume[1, 1, 1:4] = [10, 20, 10]
    found = panel(volume, mask, n_levels=2)
    assert found.refused == {"NGTDM_Busyness": "gray level times frequency is the same for all levels"}


def test_levels_of_a_constant_region_beside_another():
    """With levels of its own there is no texture; with shared ones it has one level, and features that this gives."""
    volume = NOISE.copy()
    a, b = BALL & (I < 12), BALL & (I >= 12)
    volume[a] = 400
    own, shared = (
        texture_panel(
            volume, {"a": a, "b": b}, (1, 1, 1), TextureSettings(resampling="none", n_levels=8, levels_shared=levels)
        )["a"]
        for levels in (False, True)
    )
    assert len(own.refused) == 44
    assert own.n_levels_present == 0
    assert shared.n_levels_present == 1
    assert shared.refused["GLCM_Correlation"] == "neighbors are all of one gray level"
    assert shared.refused["Intensity_Skewness"] == "all voxels have one value"
    assert shared.values["GLCM_Energy"] == 1


@pytest.mark.parametrize("levels", [2, 1000, 65_535])
@pytest.mark.parametrize("quantization", ["lloyd", "uniform"])
def test_any_number_of_levels(levels, quantization):
    found = panel(NOISE[:, ::2, ::2], BALL[:, ::2, ::2], n_levels=levels, quantization=quantization)
    assert not found.refused
    assert found.levels.max() == levels


# -- shared levels, several regions --


def test_shared_levels_are_those_of_the_union():
    a, b = BALL & (I < 14), BALL & (I >= 10)  # they overlap, which must not count twice
    settings_ = TextureSettings(resampling="none", outliers="none", n_levels=16, levels_shared=True)
    found = texture_panel(NOISE, {"a": a, "b": b}, (1, 1, 1), settings_)
    union = texture_panel(NOISE, {"u": BALL}, (1, 1, 1), settings_)["u"]
    on_grid = np.zeros(SHAPE, int)
    on_grid[BALL] = union.levels
    np.testing.assert_array_equal(found["a"].levels, on_grid[a])
    np.testing.assert_array_equal(found["b"].levels, on_grid[b])


@pytest.mark.parametrize("resampling", ["corrected", "toolbox", "none"])
def test_several_regions_equal_each_alone(resampling):
    """Disjoint ones share passes, the one that overlaps them has its own."""
    regions = {"a": BALL & (I < 12), "whole": BALL, "b": BALL & (I >= 12)}
    choice = TextureSettings(resampling=resampling, n_levels=32)
    together = texture_panel(NOISE, regions, (2.0, 1.0, 1.0), choice)
    assert list(together) == list(regions)
    for name, mask in regions.items():
        alone = texture_panel(NOISE, {name: mask}, (2.0, 1.0, 1.0), choice)[name]
        assert together[name].values == pytest.approx(alone.values, rel=1e-9, abs=1e-12)


def test_histograms_on_one_scale():
    found = texture_panel(
        NOISE, {"a": BALL & (I < 12), "b": BALL & (I >= 12)}, (1, 1, 1), TextureSettings(resampling="none")
    )
    edges, densities = intensity_histograms(found, 20)
    assert edges.shape == (21,)
    assert edges[0] == min(f.intensities.min() for f in found.values())
    for density in densities.values():
        assert (density * np.diff(edges)).sum() == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e20])
def test_histogram_of_a_constant(value):
    edges, densities = intensity_histograms({"r": panel(np.full(SHAPE, value))})
    assert np.all(np.diff(edges) > 0)
    assert (densities["r"] * np.diff(edges)).sum() == pytest.approx(1)


def test_the_47_features():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 47
    families = [feature.family for feature in FEATURES]
    assert [families.count(f) for f in ("Intensity", "GLCM", "GLRLM", "GLSZM", "NGTDM")] == [7, 9, 13, 13, 5]
    assert set(PUBLISHED_SIGNIFICANT) <= set(FEATURE_NAMES)
    assert all(feature.label and feature.definition for feature in FEATURES)


def test_progress_rises_and_can_stop():
    told = []
    texture_panel(NOISE, {"r": BALL}, (1, 1, 1), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1

    def stop(_fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        texture_panel(NOISE, {"r": BALL}, (1, 1, 1), progress=stop)


# -- bad input --


def with_value(value, voxel=(3, 11, 12)):
    volume = NOISE.copy()
    volume[voxel] = value
    return volume


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        ({"mask": np.zeros(SHAPE, bool)}, "region r: the region is empty"),
        ({"mask": BALL[:3]}, "region r: the region has shape .3, 24, 26. and the image .8, 24, 26."),
        ({"mask": np.where(BALL, 1, np.nan)}, "region r: the region holds values that are no numbers"),
        ({"volume": NOISE[0], "mask": BALL[0]}, "must have slices, rows and columns, found shape"),
        ({"volume": NOISE[None]}, "must have slices, rows and columns"),
        ({"volume": NOISE + 0j}, "must hold gray values, found complex128"),
        ({"volume": NOISE.astype(str)}, "must hold gray values, found <U32"),
        ({"volume": with_value(np.nan)}, "region r: 1 of its voxels hold no number"),
        ({"volume": with_value(np.inf)}, "region r: 1 of its voxels hold no number"),
        ({"volume": with_value(np.nan, (3, 11, 3)), "resampling": "corrected"}, "around the regions holds values that"),
        ({"volume": with_value(1e200)}, "gray values reach 1e.200"),
        ({"spacing": (1, 1)}, "spacing must be three positive numbers"),
        ({"spacing": (1, 0, 1)}, "spacing must be three positive numbers"),
        ({"spacing": (1, np.nan, 1)}, "spacing must be three positive numbers"),
        ({"spacing": (1, 1.1, 1.2), "resampling": "toolbox"}, "square pixels only, found 1.1 x 1.2 mm"),
        ({"resampling": "corrected", "voxel_size_mm": 100}, "region r: it is lost between voxels of 100 mm"),
        ({"resampling": "toolbox", "voxel_size_mm": 100}, "region r: it is lost between voxels of 100 mm"),
        ({"mask": dots((3, 3, 3)), "resampling": "corrected", "voxel_size_mm": 3}, "lost between voxels of 3 mm"),
        ({"resampling": "corrected", "voxel_size_mm": 0.01}, "voxels of 0.01 mm would make .* of them"),
        ({"voxel_size_mm": 0}, "voxel size must be a positive number of mm, found 0"),
        ({"voxel_size_mm": "2"}, "voxel size must be a positive number of mm, found 2"),
        ({"resampling": "linear"}, "no resampling 'linear'. Choose one of corrected, toolbox, none"),
        ({"outliers": "2 sd"}, "no outlier rule '2 sd'"),
        ({"weights": "mine"}, "no set of distance weights 'mine'"),
        ({"dimensions": 4}, "no number of dimensions 4"),
        ({"quantization": "log"}, "no quantization 'log'"),
        ({"n_levels": 1}, "from 2 to 65535, found 1"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        panel(**arguments)


def test_no_region_is_refused():
    with pytest.raises(InputError, match="no region is given"):
        texture_panel(NOISE, {}, (1, 1, 1))


def test_values_far_from_the_region_may_be_no_numbers():
    """Background that a bias correction left without values."""
    box = dots((slice(3, 5), slice(8, 16), slice(8, 16)))
    for resampling in ("corrected", "toolbox", "none"):
        expected = panel(NOISE, box, (2.0, 1.0, 1.0), resampling=resampling).values
        found = panel(with_value(np.nan, (0, 0, 0)), box, (2.0, 1.0, 1.0), resampling=resampling).values
        assert found == (pytest.approx(expected) if resampling != "corrected" else pytest.approx(expected, rel=1e-9))
