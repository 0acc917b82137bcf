"""Rigid registration against known motions, and the change of frames."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid, simulate_asl, simulate_t1ce
from NPCResponseLib.phantom.grid import rotation_about
from NPCResponseLib.registration import Level, image_of, register_rigid, resample, rotation_angle_deg

ASL_GRID = PhantomGrid.axial((16, 52, 40), (5.5, 4.2, 4.2), center_ras=(0, 4, -14))
T1_GRID = PhantomGrid.axial((30, 62, 46), (3.5, 3.5, 3.5), center_ras=(0, 4, -14), tilt_deg=(12, -5, 8))
QUICK = (Level(6.0, 8_000), Level(2.0, 15_000))
ANGLES, LENGTHS = st.floats(-90, 90), st.floats(-60, 60)


def rigid(turns_deg, shift_mm):
    """Rotation about the R axis, then A, then S, and a shift; 4x4."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation_about(*turns_deg), shift_mm
    return matrix


MOTION = rigid((2, -1.5, 2.5), (3, -2, 4))


def m0_image(position_ras=None, snr=100, grid=ASL_GRID):
    simulated = simulate_asl(grid=grid, n_pairs=1, snr=snr, position_ras=position_ras, seed=1)
    return simulated.series.volumes[0], simulated


@pytest.fixture(scope="module")
def m0():
    return m0_image()


@pytest.fixture(scope="module")
def moved_m0():
    return m0_image(MOTION)[0]


def mean_error_mm(found, true_fixed_to_moving_ras, simulated):
    """How far from home points of the head come when they are moved as the head was, then back as was found."""
    kji = np.argwhere(simulated.labels > 0)[::50]
    points = kji[:, ::-1] @ simulated.grid.ijk_to_ras[:3, :3].T + simulated.grid.ijk_to_ras[:3, 3]
    error = found.moving_to_fixed_ras @ true_fixed_to_moving_ras - np.eye(4)
    return np.linalg.norm(points @ error[:3, :3].T + error[:3, 3], axis=1).mean()


def as_plain_object(found):
    return found.moving_to_fixed_ras.tolist(), found.metric, found.iterations


# -- frames --


@pytest.mark.parametrize("handedness", [1, -1])
def test_voxels_of_an_oblique_image_lie_where_its_matrix_says(handedness):
    matrix = rigid((25, -40, 70), (11, -7, 5)) @ np.diag([2.0, 3.0, 4.0 * handedness, 1.0])
    image = image_of(np.arange(24.0).reshape(2, 3, 4), matrix)
    for ijk in itertools.product(range(4), range(3), range(2)):
        right, anterior, superior, _ = matrix @ [*ijk, 1]
        assert image.TransformIndexToPhysicalPoint(ijk) == pytest.approx((-right, -anterior, superior))
    assert image.GetPixel(3, 2, 1) == 23


@given(turns_deg=st.tuples(ANGLES, ANGLES, ANGLES), shift_mm=st.tuples(LENGTHS, LENGTHS, LENGTHS))
@settings(max_examples=25, deadline=None)
def test_resampling_puts_a_linear_function_of_space_where_the_motion_takes_it(turns_deg, shift_mm):
    """Linear interpolation is exact for one, so every voxel that the moving image reaches must agree."""
    motion = rigid(turns_deg, shift_mm)
    moving_grid = PhantomGrid.axial((12, 13, 14), (5, 4, 3), center_ras=(1, 2, 3), tilt_deg=(30, 10, -20))
    fixed_grid = PhantomGrid.axial((5, 6, 7), (3, 4, 5), center_ras=motion[:3, :3] @ (1, 2, 3) + shift_mm)
    slope = np.array([0.3, -0.7, 0.5])

    def points(grid):
        return np.stack([grid.slice_points_ras(k) for k in range(grid.shape_kji[0])])

    moving = (points(moving_grid) @ slope + 100).astype(np.float32)
    there = resample(moving, moving_grid.ijk_to_ras, fixed_grid.shape_kji, fixed_grid.ijk_to_ras, motion)
    home = (points(fixed_grid) - shift_mm) @ motion[:3, :3]
    inside = there != 0
    assert inside.mean() > 0.3
    np.testing.assert_allclose(there[inside], (home @ slope + 100)[inside], atol=1e-3)


def test_resampling_fills_with_zero_or_with_the_border():
    moving = np.full((4, 4, 4), 7, dtype=np.int16)
    shifted = rigid((0, 0, 0), (2, 0, 0))
    there = resample(moving, np.eye(4), (4, 4, 4), np.eye(4), shifted)
    assert there.dtype == np.float32
    assert there[0, 0].tolist() == [0, 0, 7, 7]
    assert resample(moving, np.eye(4), (4, 4, 4), np.eye(4), shifted, extend=True).tolist() == moving.tolist()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16])
def test_labels_keep_their_values_and_type(dtype):
    labels = np.zeros((4, 6, 8), dtype=dtype)
    labels[1:3, 2:5, 3:6] = 1
    fine = PhantomGrid.axial((8, 12, 16), (0.5, 0.5, 0.5)).ijk_to_ras
    coarse = PhantomGrid.axial((4, 6, 8), (1, 1, 1)).ijk_to_ras
    there = resample(labels, coarse, (8, 12, 16), fine, nearest=True)
    assert there.dtype == dtype
    assert there.sum() == 8 * labels.sum()


@given(angle_deg=st.floats(0, 180), axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1))
def test_angle_of_a_rotation(angle_deg, axis):
    from scipy.spatial.transform import Rotation

    matrix = Rotation.from_rotvec(np.radians(angle_deg) * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    assert rotation_angle_deg(matrix) == pytest.approx(angle_deg, abs=1e-4)


# -- known motions --


@pytest.mark.parametrize("metric", ["mutual information", "correlation"])
def test_motion_between_images_of_one_contrast_is_found_within_a_tenth_of_a_voxel(m0, moved_m0, metric):
    fixed, simulated = m0
    found = register_rigid(fixed, ASL_GRID.ijk_to_ras, moved_m0, ASL_GRID.ijk_to_ras, metric=metric)
    assert mean_error_mm(found, MOTION, simulated) < 0.1 * 4.2
    assert found.converged and not found.warnings
    assert found.rotation_deg == pytest.approx(rotation_angle_deg(MOTION), abs=0.3)
    assert found.overlap == pytest.approx(0.95, abs=0.05)


def test_asl_is_laid_over_an_oblique_t1_of_other_contrast_and_resolution(m0):
    moved, simulated = m0_image(MOTION)
    t1 = simulate_t1ce(grid=T1_GRID)
    found = register_rigid(t1.volume, T1_GRID.ijk_to_ras, moved, ASL_GRID.ijk_to_ras)
    assert mean_error_mm(found, MOTION, simulated) < 0.2 * 4.2


def test_a_head_that_lies_otherwise_at_the_next_visit_is_found_though_the_tumor_shrank():
    position = rigid((9, -6, 12), (10, -8, 12))
    before, after = simulate_t1ce("pre", grid=T1_GRID, position_ras=position), simulate_t1ce("post", grid=T1_GRID)
    found = register_rigid(after.volume, T1_GRID.ijk_to_ras, before.volume, T1_GRID.ijk_to_ras)
    assert mean_error_mm(found, position, after) < 0.1 * 3.5
    carried = resample(
        before.region_mask("tumor"),
        T1_GRID.ijk_to_ras,
        T1_GRID.shape_kji,
        T1_GRID.ijk_to_ras,
        found.moving_to_fixed_ras,
        nearest=True,
    )
    there = simulate_t1ce("pre", grid=T1_GRID).region_mask("tumor")
    assert 2 * np.sum(carried & there) / (carried.sum() + there.sum()) > 0.9


def test_it_starts_from_where_it_is_told(m0):
    """60 mm are too far from the geometry; the start brings the image near, and only the rest is found."""
    far = rigid((0, 0, 0), (60, 0, 0))
    fixed, simulated = m0
    moved = m0_image(MOTION)[0]
    matrix = far @ ASL_GRID.ijk_to_ras
    found = register_rigid(
        fixed,
        ASL_GRID.ijk_to_ras,
        moved,
        matrix,
        initial_moving_to_fixed_ras=rigid((0, 0, 0), (-59, 1, 0)),
        levels=QUICK,
    )
    assert mean_error_mm(found, far @ MOTION, simulated) < 0.1 * 4.2
    assert found.translation_mm < 8


def test_a_start_may_scale_and_shear(m0, moved_m0):
    fixed, simulated = m0
    stretch = np.diag([1.1, 0.95, 1.05, 1.0])
    stretched_grid = stretch @ ASL_GRID.ijk_to_ras
    found = register_rigid(
        fixed,
        ASL_GRID.ijk_to_ras,
        moved_m0,
        stretched_grid,
        initial_moving_to_fixed_ras=np.linalg.inv(stretch),
        levels=QUICK,
    )
    assert mean_error_mm(found, stretch @ MOTION, simulated) < 0.1 * 4.2


def test_a_mask_says_what_is_to_fit(m0, moved_m0):
    """The upper part of the image stays, the lower moves as a neck would."""
    fixed, simulated = m0
    below = np.broadcast_to((np.arange(16) < 10)[:, None, None], fixed.shape)
    moved = np.where(below, moved_m0, fixed)
    arguments = fixed, ASL_GRID.ijk_to_ras, moved, ASL_GRID.ijk_to_ras
    found = register_rigid(*arguments, fixed_mask=below, levels=QUICK)
    whole = register_rigid(*arguments, levels=QUICK)
    assert mean_error_mm(found, MOTION, simulated) < 0.5 * 4.2
    assert mean_error_mm(found, MOTION, simulated) < 0.5 * mean_error_mm(whole, MOTION, simulated)


def test_same_input_same_result_to_the_last_digit_and_input_untouched(m0, moved_m0):
    fixed, moving = m0[0].copy(), moved_m0.copy()
    fixed[0, 0, 0] = np.nan  # counts as 0
    fixed.flags.writeable = moving.flags.writeable = False
    first, again = (
        register_rigid(fixed, ASL_GRID.ijk_to_ras, moving, ASL_GRID.ijk_to_ras, levels=QUICK) for _ in range(2)
    )
    assert as_plain_object(first) == as_plain_object(again)


def test_a_far_motion_is_said(m0):
    fixed, _ = m0
    start = rigid((0, 0, 0), (45, 0, 0))
    found = register_rigid(fixed, ASL_GRID.ijk_to_ras, fixed, start @ ASL_GRID.ijk_to_ras, levels=QUICK)
    assert found.translation_mm == pytest.approx(45, abs=1)
    assert any("moved the image far (45 mm" in warning for warning in found.warnings)


# -- progress and mistakes --


def test_progress_rises_to_the_end_and_may_cancel(m0, moved_m0):
    class CancelledError(Exception):
        pass

    fractions = []
    arguments = m0[0], ASL_GRID.ijk_to_ras, moved_m0, ASL_GRID.ijk_to_ras
    register_rigid(*arguments, progress=fractions.append, levels=QUICK)
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.2 and 0.7 < fractions[-1] <= 1

    calls = 0

    def cancel(fraction):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise CancelledError

    with pytest.raises(CancelledError):
        register_rigid(*arguments, progress=cancel)
    assert calls == 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fixed": np.zeros((6, 6, 6))}, "fixed image: the image is empty"),
        ({"moving": np.full((6, 6, 6), np.nan)}, "moving image: the image is empty"),
        ({"moving": np.full((6, 6, 6), 5)}, "moving image: .*same value everywhere"),
        ({"moving": np.ones((3, 6, 6))}, r"at least 4 slices, rows and columns, found \(3, 6, 6\)"),
        ({"moving_ijk_to_ras": rigid((0, 0, 0), (500, 0, 0))}, "do not overlap"),
        ({"fixed_mask": np.zeros((6, 6, 6), bool)}, "mask is empty"),
        ({"fixed_mask": np.ones((6, 6, 5), bool)}, r"shape \(6, 6, 5\), the fixed image \(6, 6, 6\)"),
        ({"metric": "taste"}, "no metric 'taste'"),
        ({"moving_ijk_to_ras": np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])}, "right angles"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_a_sentence(change, sentence):
    image = np.random.default_rng(0).random((6, 6, 6))
    arguments = {"fixed": image, "fixed_ijk_to_ras": np.eye(4), "moving": image, "moving_ijk_to_ras": np.eye(4)}
    with pytest.raises(InputError, match=sentence):
        register_rigid(**(arguments | change))
