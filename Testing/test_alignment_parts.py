"""What an alignment is made of: the metric, poses to look at, resampled scans, borders, pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from NPCRadiomicsRiskLib.alignment.edges import edge_match
from NPCRadiomicsRiskLib.alignment.images import WorkingImage, working_image
from NPCRadiomicsRiskLib.alignment.landmarks import carried
from NPCRadiomicsRiskLib.alignment.rigid_alignment import Box, box_around, comparison_slices
from NPCRadiomicsRiskLib.alignment.search import (
    distance_mm,
    distinct_best,
    motion,
    normalized_mutual_information,
    perturbations,
)
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid

CENTER = np.array([5.0, -10.0, 20.0])


def shift(*mm):
    return motion(np.array(mm, float), np.zeros(3), np.zeros(3))


# -- metric and poses --


def test_mutual_information_of_one_image_with_itself_of_any_contrast_and_with_another():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 32, 50_000) / 31  # bin centers: nothing is shared between bins
    assert normalized_mutual_information(image, image) == pytest.approx(2)
    assert normalized_mutual_information(image, 1 - image) == pytest.approx(2)
    assert normalized_mutual_information(image, rng.permutation(image)) == pytest.approx(1, abs=0.005)
    assert normalized_mutual_information(np.zeros(9), np.zeros(9)) == 1


@given(turn=st.tuples(*[st.floats(-2, 2)] * 3))
def test_a_motion_turns_about_its_center_as_scipy_does(turn):
    matrix = motion(np.array([1.0, 2, 3]), np.array(turn), CENTER)
    np.testing.assert_allclose(matrix[:3, :3], Rotation.from_rotvec(turn).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(carried(CENTER, matrix), CENTER + np.array([1, 2, 3]), atol=1e-9)


def test_distance_between_motions_is_seen_in_the_fixed_scan():
    points = np.random.default_rng(0).normal(size=(50, 3)) * 30
    base = motion(np.array([10.0, 0, 0]), np.array([0.2, 0, 0]), CENTER)
    assert distance_mm(base, shift(0, 3, 4) @ base, points) == pytest.approx(5)
    assert distance_mm(base, base, points) == pytest.approx(0, abs=1e-9)


def test_poses_to_look_at_depend_on_the_seed_alone_and_start_with_none():
    first, again, other = (perturbations(20, CENTER, 30, 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    np.testing.assert_array_equal(first[0], np.eye(4))
    assert np.abs([carried(CENTER, pose) - CENTER for pose in first]).max() <= 30


def test_the_best_poses_are_kept_apart():
    poses = [shift(0, 0, z) for z in (0, 1, 20, 21, 60)]
    kept = distinct_best(poses, np.array([1.0, 3, 2, 2.5, 0]), 5, 8.0, np.zeros((1, 3)))
    assert kept == [1, 3]  # 0 mm is near 1 mm, 20 near 21; a gain of nothing is no candidate


# -- scans --


def points_of(grid):
    return np.stack([grid.slice_points_ras(k) for k in range(grid.shape_kji[0])])


def ramp(grid):
    """A linear function of space."""
    return (points_of(grid) @ (1.0, 2.0, -1.0) + 1000).astype(np.float32)


def test_a_working_image_lies_where_the_scan_lay_and_leaves_it_alone():
    grid = PhantomGrid.axial((24, 90, 80), (5, 1, 1.2), center_ras=(3, 2, 1), tilt_deg=(20, -10, 30))
    at = np.array([6.0, -3.0, 4.0])
    distance = np.linalg.norm(points_of(grid) - at, axis=-1)
    volume = (1000.0 * (distance < 40) + 2000.0 * np.exp(-((distance / 7) ** 2))).astype(np.float32)
    volume.flags.writeable = False
    work = working_image(volume, grid.ijk_to_ras, 2.0, Box(at, (30, 30, 30)))
    everywhere = np.arange(work.array.size)
    points = work.points_ras(everywhere)
    assert work.covers(points).all() and not work.covers(points + 500).any()
    np.testing.assert_allclose(work.indices_kji(points).T, np.argwhere(np.ones(work.array.shape)), atol=1e-9)
    in_scan = carried(points, np.linalg.inv(grid.ijk_to_ras))
    assert in_scan.min() > -1e-6 and (in_scan < np.array(volume.shape[::-1]) - 1 + 1e-6).all()
    values = work.array.ravel()
    bright = np.where(np.linalg.norm(points - at, axis=1) < 12, values - values.min(), 0)
    np.testing.assert_allclose(np.average(points, axis=0, weights=bright), at, atol=0.2)
    np.testing.assert_allclose(work.whole_body_ras.mean(axis=0), at, atol=1.0)
    assert 0 <= values.min() < values.max() <= 1


def test_a_coils_shading_is_taken_out():
    """A body of one tissue, three times as bright on one side as on the other: at least halved, near enough."""
    grid = PhantomGrid.axial((30, 60, 60), (4, 3, 3), center_ras=(0, 0, 0))
    points = points_of(grid)
    body = np.linalg.norm(points, axis=-1) < 55
    volume = body * np.exp(points[..., 0] / 90) * 500
    shaded = volume[np.linalg.norm(points, axis=-1) < 40]
    work = working_image(volume, grid.ijk_to_ras, 3.0, Box((0, 0, 0), (90, 90, 90)))
    deep = np.linalg.norm(work.points_ras(np.arange(work.array.size)), axis=1) < 40
    evened = work.array.ravel()[deep]
    assert evened.std() / evened.mean() < 0.6 * shaded.std() / shaded.mean()


@pytest.mark.parametrize(
    ("center", "size"), [((0, 0, 0), (1, 1, 0)), ((0, 0, np.nan), (1, 1, 1)), ((0, 0), (1, 1)), ((0, 0, 0), (1, -1, 1))]
)
def test_a_region_without_extent_is_refused(center, size):
    with pytest.raises(InputError, match="region of interest: its middle and size"):
        Box(center, size)


def test_the_region_around_a_mask_holds_its_voxels_and_the_margin():
    mask = np.zeros((10, 20, 30), bool)
    mask[4:6, 5:10, 6:9] = True
    box = box_around(mask, np.diag([-2.0, -1.0, 5.0, 1.0]), 7.0)
    assert box.center_ras == pytest.approx((-14, -7, 22.5))
    assert box.size_mm == pytest.approx((3 * 2 + 14, 5 + 14, 2 * 5 + 14))
    with pytest.raises(InputError, match="the mask is empty"):
        box_around(np.zeros((3, 3, 3), bool), np.eye(4))


# -- borders --


def blobs(matrix=None, contrast=lambda x: x):
    """A working image of soft balls, carried by a motion."""
    rng = np.random.default_rng(3)
    n, spacing = 48, 1.5
    ijk_to_ras = np.diag([spacing] * 3 + [1.0])
    ijk_to_ras[:3, 3] = -spacing * (n - 1) / 2
    points = carried(np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)[..., ::-1], ijk_to_ras)
    at = points if matrix is None else carried(points, matrix)
    image = np.zeros((n, n, n))
    for center, radius in zip(rng.uniform(-26, 26, (20, 3)), rng.uniform(5, 11, 20), strict=True):
        image = np.maximum(image, rng.uniform(0.3, 1) / (1 + np.exp(np.linalg.norm(at - center, axis=-1) - radius)))
    return WorkingImage(contrast(image).astype(np.float32), np.ones((n, n, n), bool), ijk_to_ras, spacing, points)


@pytest.mark.parametrize("off_mm", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("contrast", [lambda x: x, lambda x: 1 - x], ids=["same", "inverted"])
def test_borders_tell_how_far_an_alignment_is_off(off_mm, contrast):
    truth = motion(np.array([3.0, -2, 1]), np.array([0.02, 0.03, -0.05]), np.zeros(3))
    fixed, moving = blobs(), blobs(truth, contrast)
    given_matrix = shift(0, 0.6 * off_mm, 0.8 * off_mm) @ truth
    found = edge_match(fixed, moving, given_matrix, Box((0, 0, 0), (56, 56, 56)), np.random.default_rng(0))
    assert found.matched > 0.8
    assert found.shift_mm == pytest.approx(off_mm, abs=0.2)
    assert found.residual_mm == pytest.approx(0.5 * off_mm, abs=0.3)  # of the cosine of a random angle: 0.5


def test_borders_that_the_other_scan_does_not_reach_tell_nothing():
    found = edge_match(blobs(), blobs(), shift(0, 0, 400), Box((0, 0, 0), (56, 56, 56)), np.random.default_rng(0))
    assert found.matched == 0 and np.isnan(found.residual_mm) and np.isnan(found.shift_mm)


# -- pictures --


@settings(max_examples=10, deadline=None)
@given(turn=st.tuples(*[st.floats(-30, 30)] * 3))
def test_the_planes_show_true_millimeters_at_the_point_asked_for(turn):
    """A linear function of space, on an oblique thick-sliced grid, is itself in every picture."""
    fixed_grid = PhantomGrid.axial((16, 60, 50), (5, 1.3, 1.2), center_ras=CENTER, tilt_deg=turn)
    moving_grid = PhantomGrid.axial((20, 50, 50), (4, 1.5, 1.5), center_ras=CENTER + np.array([2, -3, 4]))
    there = shift(2, -3, 4)
    pictures = comparison_slices(
        ramp(fixed_grid),
        fixed_grid.ijk_to_ras,
        ramp(moving_grid),
        moving_grid.ijk_to_ras,
        np.linalg.inv(there),
        center_ras=CENTER,
        size_mm=24,
        pixel_mm=1.0,
        field_mm=6,
    )
    assert list(pictures) == ["axial", "coronal", "sagittal"]
    for plane in pictures.values():
        rows, columns = np.indices(plane.fixed.shape)
        points = plane.origin_ras + rows[..., None] * plane.down_ras + columns[..., None] * plane.right_ras
        np.testing.assert_allclose(points.mean(axis=(0, 1)), CENTER, atol=1e-9)
        truth = points @ (1.0, 2.0, -1.0)
        assert plane.covered.all()
        low, high = np.percentile(truth, (1, 99))
        scaled = np.clip((truth - low) / (high - low), 0, 1)
        np.testing.assert_allclose(plane.fixed, scaled, atol=0.02)
        np.testing.assert_allclose(plane.moving, scaled, atol=0.02)
        odd = (rows // 6 + columns // 6) % 2 == 1
        np.testing.assert_array_equal(plane.checkerboard, np.where(odd, plane.moving, plane.fixed))


def test_edges_lie_on_the_border_and_not_on_the_rim_of_the_scan():
    grid = PhantomGrid.axial((30, 60, 60), (2, 1, 1), center_ras=(0, 0, 0))
    points = np.stack([grid.slice_points_ras(k) for k in range(30)])
    ball = 100 + 200.0 * (np.linalg.norm(points, axis=-1) < 15)
    pictures = comparison_slices(
        ball, grid.ijk_to_ras, ball, grid.ijk_to_ras, shift(4, 0, 0), center_ras=(0, 0, 0), size_mm=100
    )
    axial = pictures["axial"]
    assert not axial.covered.all()
    for edges, middle in ((axial.fixed_edges, 0.0), (axial.moving_edges, 4.0)):
        rows, columns = np.nonzero(edges)
        at = axial.origin_ras + rows[:, None] * 0.8 * axial.down_ras + columns[:, None] * 0.8 * axial.right_ras
        assert len(at) > 80
        np.testing.assert_allclose(np.hypot(at[:, 0] - middle, at[:, 1]), 15, atol=1.3)


def test_a_picture_where_no_scan_reaches_is_empty_and_one_without_size_is_refused():
    image = np.random.default_rng(0).random((6, 6, 6))
    far = comparison_slices(image, np.eye(4), image, np.eye(4), np.eye(4), center_ras=(900, 0, 0), size_mm=20)
    assert not any(plane.fixed.any() or plane.covered.any() or plane.fixed_edges.any() for plane in far.values())
    with pytest.raises(InputError, match="must be positive"):
        comparison_slices(image, np.eye(4), image, np.eye(4), np.eye(4), center_ras=(0, 0, 0), size_mm=0)
