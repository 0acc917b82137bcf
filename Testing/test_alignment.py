"""Alignment of a recurrence scan of the phantom, on coarse grids. The bar is Testing/bench/alignment_accuracy.py."""

import numpy as np
import pytest

from NPCRadiomicsRiskLib.alignment import scan_pair
from NPCRadiomicsRiskLib.alignment.rigid_alignment import Box, align, assess_given, box_around, landmark_errors_mm
from NPCRadiomicsRiskLib.alignment.scan_pair import Level
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid
from NPCResponseLib.phantom.recurrence import simulate_recurrence

PRE_GRID = PhantomGrid.axial((20, 85, 60), (6, 2.8, 2.8), center_ras=(0, 4, -8))
RECURRENCE_GRID = PhantomGrid.axial((18, 80, 72), (6, 3, 3), center_ras=(6, 10, -2), tilt_deg=(4, -3, 5))


@pytest.fixture(scope="module")
def patient():
    return simulate_recurrence(
        seed=1, pose_deg=12, pose_mm=15, pre_grid=PRE_GRID, recurrence_grid=RECURRENCE_GRID, n_subslices=2
    )


@pytest.fixture
def quick(monkeypatch):
    """Fewer points and tries, where accuracy is not the question."""
    monkeypatch.setattr(scan_pair, "FINE", Level(2.8, 1.0, 8_000, 0.5))
    monkeypatch.setattr(scan_pair, "MEDIUM", Level(4.0, 2.0, 4_000, 1.5))
    monkeypatch.setattr(scan_pair, "N_PERTURBED", 64)
    monkeypatch.setattr(scan_pair, "N_FOLLOWED", 3)
    monkeypatch.setattr(scan_pair, "CAPTURE_RINGS", (5.0,))
    monkeypatch.setattr(scan_pair, "SWEEP_MM", np.zeros(1))


def scans(patient):
    return patient.pre, PRE_GRID.ijk_to_ras, patient.recurrence, RECURRENCE_GRID.ijk_to_ras


def region(patient):
    return box_around(patient.masks_pre["GTV"], PRE_GRID.ijk_to_ras)


def worst_error_mm(patient, matrix):
    return max(landmark_errors_mm(patient.landmarks_pre_ras, patient.landmarks_recurrence_ras, matrix).values())


def shifted(*mm):
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


# -- what is found --


@pytest.fixture(scope="module")
def found(patient):
    fractions = []
    untouched = [array.copy() for array in scans(patient)]
    result = align(
        *scans(patient),
        region_ras=region(patient),
        landmarks_fixed_ras=patient.landmarks_pre_ras,
        landmarks_moving_ras=patient.landmarks_recurrence_ras,
        starts=("geometry", "centers", "moments", "perturbed"),
        progress=fractions.append,
    )
    for before, after in zip(untouched, scans(patient), strict=True):
        np.testing.assert_array_equal(before, after)
    return result, fractions


def test_a_pose_between_scans_of_other_contrast_is_found(patient, found):
    result, _ = found
    assert worst_error_mm(patient, result.moving_to_fixed_ras) < 1.0  # a third of a pixel, a sixth of a slice
    np.testing.assert_allclose(
        result.moving_to_fixed_ras[:3, :3] @ result.moving_to_fixed_ras[:3, :3].T, np.eye(3), atol=1e-9
    )


def test_its_quality_says_that_it_can_be_trusted(patient, found):
    result, _ = found
    quality = result.quality
    assert result.reliable and not result.reasons
    assert quality.rotation_deg == pytest.approx(12, abs=0.7)
    assert quality.overlap > 0.9
    assert quality.inverse_consistency_mm < 1.0
    assert quality.edges.residual_mm < 1.2 and quality.edges.shift_mm < 1.0
    assert quality.capture_range_mm >= 5
    assert quality.landmark_errors_mm == pytest.approx(
        landmark_errors_mm(patient.landmarks_pre_ras, patient.landmarks_recurrence_ras, result.moving_to_fixed_ras)
    )
    assert result.metric == quality.nmi > quality.nmi_elsewhere + 0.05
    told = dict(quality.rows())
    assert told["Rotation from the scanner's position"] == f"{quality.rotation_deg:.1f}°"
    assert "Landmark error, sphenoid sinus" in told


def test_every_start_is_told_with_where_it_led(found):
    result, _ = found
    assert result.start == result.starts[0].name
    assert {"geometry", "centers"} <= {start.name for start in result.starts}
    agreeing = [start for start in result.starts if start.distance_to_best_mm <= 1.0]
    assert len(agreeing) == result.quality.agreeing_starts >= 3
    assert result.quality.n_starts == len(result.starts)


def test_progress_rises_to_the_end(found):
    _, fractions = found
    assert fractions == sorted(fractions) and fractions[0] < 0.1 and fractions[-1] == 1


def test_the_same_seed_gives_the_same_to_the_last_digit(patient, quick):
    first, again = (
        align(*scans(patient), region_ras=region(patient), starts=("geometry", "perturbed"), seed=3) for _ in range(2)
    )
    np.testing.assert_array_equal(first.moving_to_fixed_ras, again.moving_to_fixed_ras)
    assert first.quality.rows() == again.quality.rows()
    assert [start.metric for start in first.starts] == [start.metric for start in again.starts]


def test_landmarks_bring_a_scan_home_from_where_no_other_start_looks(patient, quick):
    """Turned upside down on the table of another scanner: far from everything that is looked at."""
    upside_down = np.diag([-1.0, 1.0, -1.0, 1.0])
    there = {name: upside_down[:3, :3] @ point for name, point in patient.landmarks_recurrence_ras.items()}
    crooked = {name: point + 4 * np.sin(np.arange(3) + len(name)) for name, point in there.items()}
    arguments = patient.pre, PRE_GRID.ijk_to_ras, patient.recurrence, upside_down @ RECURRENCE_GRID.ijk_to_ras
    found = align(
        *arguments,
        region_ras=region(patient),
        landmarks_fixed_ras=patient.landmarks_pre_ras,
        landmarks_moving_ras=crooked,
        starts=("landmarks", "geometry"),
    )
    assert found.start == "landmarks"
    assert worst_error_mm(patient, found.moving_to_fixed_ras @ upside_down) < 1.5
    assert 2 < found.quality.landmark_rms_mm < 8  # the crookedness is told, and does not bind


# -- transforms from elsewhere --


def test_a_given_transform_stays_as_it_is_and_is_called_reliable_if_it_is_right(patient, quick):
    given = patient.moving_to_fixed_ras
    found = assess_given(*scans(patient), given, region_ras=region(patient))
    np.testing.assert_array_equal(found.moving_to_fixed_ras, given)
    assert found.reliable, found.reasons
    assert found.start == "given" and found.starts[0].distance_to_best_mm < 0.7


def test_a_given_transform_that_is_off_is_called_so(patient, quick):
    found = assess_given(*scans(patient), shifted(0, 4, 3) @ patient.moving_to_fixed_ras, region_ras=region(patient))
    assert not found.reliable
    assert found.starts[0].distance_to_best_mm == pytest.approx(5, abs=1)
    assert any("the other way round" in reason for reason in found.reasons)
    assert any("ask for a shift" in reason for reason in found.reasons)


# -- failures are reported as failures --


@pytest.mark.parametrize("what", ["noise", "the head upside down"])
def test_scans_that_show_other_things_are_not_called_aligned(patient, quick, what):
    noise = np.random.default_rng(0).rayleigh(100, patient.recurrence.shape).astype(np.float32)
    moving = noise if what == "noise" else patient.recurrence[::-1]
    found = align(
        patient.pre,
        PRE_GRID.ijk_to_ras,
        moving,
        RECURRENCE_GRID.ijk_to_ras,
        region_ras=region(patient),
        starts=("geometry", "centers", "perturbed"),
    )
    assert not found.reliable
    assert any("may show different anatomy" in reason for reason in found.reasons)
    assert any("does not come back" in reason for reason in found.reasons)


def test_landmarks_that_contradict_the_images_are_a_reason(patient, quick):
    swapped = dict(patient.landmarks_recurrence_ras)
    left, right = "left pterygoid process", "right pterygoid process"
    swapped[left], swapped[right] = swapped[right], swapped[left]
    found = assess_given(
        *scans(patient),
        patient.moving_to_fixed_ras,
        region_ras=region(patient),
        landmarks_fixed_ras=patient.landmarks_pre_ras,
        landmarks_moving_ras=swapped,
    )
    assert any("The landmarks lie" in reason for reason in found.reasons)


def test_what_the_progress_raises_ends_the_search_and_passes_through(patient):
    class CanceledError(BaseException):
        pass

    fractions = []

    def cancel(fraction):
        fractions.append(fraction)
        if fraction > 0.3:
            raise CanceledError

    with pytest.raises(CanceledError):
        align(*scans(patient), region_ras=region(patient), progress=cancel)
    assert sum(fraction > 0.3 for fraction in fractions) == 1


def test_too_few_landmarks_and_values_that_are_not_finite_are_said(patient, quick):
    holed = patient.recurrence.copy()
    holed[3, 4, 5:9] = np.nan, np.inf, -np.inf, np.nan
    name = "sphenoid sinus"
    found = align(
        patient.pre,
        PRE_GRID.ijk_to_ras,
        holed,
        RECURRENCE_GRID.ijk_to_ras,
        landmarks_fixed_ras={name: patient.landmarks_pre_ras[name]},
        landmarks_moving_ras={name: patient.landmarks_recurrence_ras[name]},
        starts=("landmarks",),
    )
    warnings = " ".join(found.warnings)
    assert "4 values of the moving scan are not finite" in warnings
    assert "No region was given" in warnings
    assert "needs 3 landmarks" in warnings


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fixed": np.zeros((6, 6, 6))}, "fixed scan: the image is empty"),
        ({"moving": np.full((6, 6, 6), 5)}, "moving scan: .*same value everywhere"),
        ({"moving": np.ones((6, 6, 6, 3))}, r"at least 4 slices, rows and columns, found \(6, 6, 6, 3\)"),
        ({"region_ras": Box((300, 0, 0), (50, 50, 50))}, "region of interest: it lies outside"),
        ({"starts": ("dice",)}, r"no start \['dice'\]"),
        ({"landmarks_fixed_ras": {"a": np.zeros(3)}}, "landmarks are given in one scan only"),
        (
            {"landmarks_fixed_ras": {"a": np.zeros(3)}, "landmarks_moving_ras": {"b": np.zeros(3)}},
            "no landmark has the same name in both",
        ),
        ({"initial_moving_to_fixed_ras": np.zeros((4, 4))}, "transform: .*can be inverted"),
        ({"moving_ijk_to_ras": np.zeros((4, 4))}, "span no space"),
    ],
)
def test_what_cannot_be_aligned_is_refused_with_a_sentence(change, sentence):
    image = np.random.default_rng(0).random((6, 6, 6))
    arguments = {"fixed": image, "fixed_ijk_to_ras": np.eye(4), "moving": image, "moving_ijk_to_ras": np.eye(4)}
    arguments |= change
    positional = [arguments.pop(name) for name in ("fixed", "fixed_ijk_to_ras", "moving", "moving_ijk_to_ras")]
    with pytest.raises(InputError, match=sentence):
        align(*positional, **arguments)


def test_a_transform_under_which_nothing_overlaps_is_refused(patient):
    with pytest.raises(InputError, match=r"the scans do not overlap.* the other way round"):
        assess_given(*scans(patient), shifted(0, 0, 400), region_ras=region(patient))
