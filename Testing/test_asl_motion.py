"""Motion correction of ASL series whose motion is known."""

from dataclasses import replace

import numpy as np
import pytest

from NPCResponseLib.asl_motion import correct_motion, iter_correct_motion
from NPCResponseLib.asl_series import AslRole
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid, simulate_asl
from NPCResponseLib.registration import resample

GRID = PhantomGrid.axial((14, 46, 36), (5, 4.6, 4.4), center_ras=(0, 4, -12))
VOXEL_MM = 4.6


def residual_mm(correction, simulated):
    """(n,) mean distance over the head of where correction puts its points from where they were."""
    kji = np.argwhere(simulated.labels > 0)[::20]
    points = kji[:, ::-1] @ GRID.ijk_to_ras[:3, :3].T + GRID.ijk_to_ras[:3, 3]
    errors = [found - true for found, true in zip(correction.motion_ras, simulated.motion_ras, strict=True)]
    return np.array([np.linalg.norm(points @ e[:3, :3].T + e[:3, 3], axis=1).mean() for e in errors])


def mean_difference(series):
    control, label = (
        np.mean([series.volumes[n] for n in series.indices(role)], axis=0) for role in (AslRole.CONTROL, AslRole.LABEL)
    )
    return control - label


def some_volumes(series, first, last):
    part = slice(first, last)
    delays_ms = series.post_labeling_delays_ms[part]
    return replace(series, volumes=series.volumes[part], roles=series.roles[part], post_labeling_delays_ms=delays_ms)


@pytest.fixture(scope="module")
def moved():
    return simulate_asl(grid=GRID, n_pairs=3, motion_mm=2, snr=None)


@pytest.fixture(scope="module")
def correction(moved):
    for volume in moved.series.volumes:
        volume.flags.writeable = False
    return correct_motion(moved.series)


def test_found_motion_is_the_simulated_one(moved, correction):
    assert residual_mm(correction, moved).max() < 0.1 * VOXEL_MM
    shifts = [motion[:3, 3] for motion in moved.motion_ras]
    assert np.linalg.norm(shifts, axis=1).max() > 2  # there was something to find
    angles = [np.degrees(np.arccos((np.trace(motion[:3, :3]) - 1) / 2)) for motion in moved.motion_ras]
    np.testing.assert_allclose(correction.rotations_deg, angles, atol=0.25)
    middle = np.argwhere(moved.labels > 0).mean(axis=0)[::-1] @ GRID.ijk_to_ras[:3, :3].T + GRID.ijk_to_ras[:3, 3]
    np.testing.assert_allclose(
        correction.translations_mm,
        [motion[:3, :3] @ middle + motion[:3, 3] - middle for motion in moved.motion_ras],
        atol=0.4,
    )


def test_difference_of_control_and_label_is_mended(moved, correction):
    """Where motion does most harm, at all borders in the head."""
    still = simulate_asl(grid=GRID, n_pairs=1, snr=None, n_subvoxels=3)
    truth, inside = mean_difference(still.series), still.labels[1:-1] > 0

    def error(series):
        return np.sqrt(np.mean((mean_difference(series) - truth)[1:-1][inside] ** 2))

    assert error(correction.series) < 0.4 * error(moved.series)


def test_flow_of_a_tumor_is_mended_under_background_suppression():
    """Its mean, and voxel by voxel, where the error that is left is that of interpolation."""
    options = {"grid": GRID, "snr": None, "n_pairs": 3, "background_suppression": 0.1}
    moved, still = simulate_asl(motion_mm=2, seed=4, **options), simulate_asl(n_subvoxels=3, **options)
    corrected = correct_motion(moved.series)
    assert residual_mm(corrected, moved).max() < 0.2 * VOXEL_MM
    viable = still.region_mask("viable_tumor")
    truth = mean_difference(still.series)[viable]

    def relative_error(series):
        return np.sqrt(np.mean((mean_difference(series)[viable] - truth) ** 2)) / truth.mean()

    assert relative_error(moved.series) > 1
    assert relative_error(corrected.series) < 0.4 * relative_error(moved.series)
    assert mean_difference(moved.series)[viable].mean() != pytest.approx(truth.mean(), rel=0.1)
    assert mean_difference(corrected.series)[viable].mean() == pytest.approx(truth.mean(), rel=0.05)


def test_delays_with_contrasts_of_their_own_are_aligned_too():
    moved = simulate_asl(
        grid=GRID,
        n_pairs=1,
        motion_mm=2,
        background_suppression=0.1,
        post_labeling_delays_ms=(400, 1200, 2600),
        seed=3,
    )
    corrected = correct_motion(moved.series)
    assert residual_mm(corrected, moved).max() < 0.2 * VOXEL_MM


def test_the_series_keeps_its_facts_and_its_own_arrays(moved, correction):
    before, after = moved.series, correction.series
    assert repr(replace(after, volumes=())) == repr(replace(before, volumes=()))
    assert all(volume.dtype == np.float32 for volume in after.volumes)
    np.testing.assert_array_equal(after.volumes[0], before.volumes[0])
    assert not any(np.shares_memory(one, two) for one, two in zip(before.volumes, after.volumes, strict=True))


def test_each_volume_is_interpolated_once(moved, correction):
    """With the motion found, one interpolation gives the very same voxels."""
    n, matrix = 4, GRID.ijk_to_ras
    back = np.linalg.inv(correction.motion_ras[n])
    once = resample(moved.series.volumes[n], matrix, GRID.shape_kji, matrix, back, cubic=True)
    reached = once != 0
    np.testing.assert_array_equal(correction.series.volumes[n][reached], once[reached])


def test_volumes_beyond_the_limit_are_named(moved, correction):
    limit_mm = float(correction.mean_displacement_mm[1:3].min()) + 0.2
    found = correct_motion(some_volumes(moved.series, 0, 3), limit_mm=limit_mm)
    worst = int(correction.mean_displacement_mm[:3].argmax())
    assert found.exceeding == (worst,)
    assert f"in volume {worst + 1} ({moved.series.roles[worst].value})" in found.warnings[0]
    assert not correction.exceeding and not correction.warnings


def test_standard_error_factor_is_what_interpolation_takes_from_the_noise_of_a_voxel(correction):
    """White noise, interpolated as the volumes were. That of a mean over many voxels stays: weights add up to one."""
    rng, matrix = np.random.default_rng(0), GRID.ijk_to_ras
    variances = []
    for motion in correction.motion_ras[1:]:
        noise, back = rng.standard_normal(GRID.shape_kji), np.linalg.inv(motion)
        moved = resample(noise, matrix, GRID.shape_kji, matrix, back, cubic=True)
        variances.append(moved[2:-2, 4:-4, 4:-4].var())
    assert correction.standard_error_factor == pytest.approx(1 / np.sqrt(np.mean(variances)), rel=0.03)
    assert correction.standard_error_factor > 1.1


def test_voxels_without_a_value_stay_without_and_touch_only_their_neighbors(moved):
    series = some_volumes(moved.series, 0, 3)
    spoiled = series.volumes[1].copy()
    spoiled[7, 25, 17] = np.nan
    found = correct_motion(replace(series, volumes=(series.volumes[0], spoiled, series.volumes[2]))).series.volumes[1]
    missing = np.argwhere(np.isnan(found))
    assert 1 <= len(missing) <= 27
    assert np.abs(missing - (7, 25, 17)).max() <= 3
    assert np.nanmax(found) < 1.5 * spoiled[np.isfinite(spoiled)].max()


def test_without_m0_the_first_volume_is_the_reference(moved):
    found = correct_motion(some_volumes(moved.series, 1, 4))
    np.testing.assert_array_equal(found.motion_ras[0], np.eye(4))
    expected = moved.motion_ras[3] @ np.linalg.inv(moved.motion_ras[1])
    np.testing.assert_allclose(found.motion_ras[2][:3, :3], expected[:3, :3], atol=0.006)


def test_images_already_subtracted_are_left_alone_and_said():
    series = simulate_asl(grid=GRID, product_nex=3).series
    found = correct_motion(series)
    for before, after in zip(series.volumes, found.series.volumes, strict=True):
        np.testing.assert_array_equal(before, after)
    assert found.standard_error_factor == 1
    assert found.warnings == ("Motion could not be corrected in image 1: control and label were subtracted before.",)


def test_progress_rises_and_what_it_raises_ends_the_work(moved):
    series = some_volumes(moved.series, 0, 4)
    fractions = list(iter_correct_motion(series))
    assert fractions == sorted(fractions) and fractions[0] > 0 and fractions[-1] <= 1 and len(fractions) == 3

    def cancel(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        correct_motion(series, cancel)


@pytest.mark.parametrize(
    ("n", "volume", "sentence"),
    [
        (2, np.zeros(GRID.shape_kji), "volume 3 of the ASL series: the image is empty"),
        (0, np.full(GRID.shape_kji, 4.0), "volume 1 of the ASL series: .*same value everywhere"),
    ],
)
def test_a_volume_that_shows_nothing_is_named(moved, n, volume, sentence):
    volumes = list(moved.series.volumes)
    volumes[n] = volume
    with pytest.raises(InputError, match=sentence):
        correct_motion(replace(moved.series, volumes=tuple(volumes)))


def test_a_mask_of_another_shape_is_refused(moved):
    with pytest.raises(InputError, match="the mask has shape"):
        correct_motion(moved.series, mask=np.ones((3, 3, 3), dtype=bool))
