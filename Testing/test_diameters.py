"""Diameters of digitized shapes against their analytic truth, brute force, and PyRadiomics."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from NPCResponseLib.diameters import (
    Diameter,
    Outline,
    Plane,
    in_same_plane,
    longest_chord_across,
    longest_line,
    measure_diameters,
    plane_axes,
    slice_normal,
)
from NPCResponseLib.errors import InputError
from Testing import pyradiomics_diameters

REFERENCE = json.loads(pyradiomics_diameters.PATH.read_text())["diameters_mm"]
ISOTROPIC, THICK_SLICES = (1.0, 1.0, 1.0), (0.5, 0.5, 3.0)


@dataclass(frozen=True)
class Ellipsoid:
    """Points x with x' form x <= 1, digitized: a voxel is inside if its center is."""

    form: np.ndarray
    mask: np.ndarray
    ijk_to_ras: np.ndarray

    def in_plane(self, plane: Plane) -> tuple[float, float]:
        """Longest and shortest diameter of the largest section parallel to the slices of a plane, its central one."""
        normal = slice_normal(self.ijk_to_ras, plane_axes(self.ijk_to_ras)[plane])
        basis = np.linalg.svd(normal[None])[2][1:].T
        shortest, longest = 2 / np.sqrt(np.linalg.eigvalsh(basis.T @ self.form @ basis)[::-1])
        return longest, shortest

    @property
    def longest(self) -> float:
        return 2 / np.sqrt(np.linalg.eigvalsh(self.form)[0])


def digitize(semi_axes_mm, spacing_mm, rng, *, tilted_grid: bool, tilted_shape: bool = True) -> Ellipsoid:
    """Random sub-voxel position; random rotation of the shape, and of the grid, as asked for."""
    turn = Rotation.random(random_state=rng).as_matrix() if tilted_shape else np.eye(3)
    axes = (Rotation.random(random_state=rng).as_matrix() if tilted_grid else np.eye(3)) * spacing_mm
    form = turn @ np.diag(1 / np.square(semi_axes_mm)) @ turn.T
    index_form = axes.T @ form @ axes
    shape_ijk = (2 * np.sqrt(np.diag(np.linalg.inv(index_form))) + 5).astype(int)
    center = (shape_ijk - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
    ijk = np.moveaxis(np.indices(shape_ijk[::-1])[::-1], 0, -1) - center
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3], ijk_to_ras[:3, 3] = axes, -axes @ center + (11, -7, 30)
    return Ellipsoid(form, np.sum((ijk @ index_form) * ijk, axis=-1) <= 1, ijk_to_ras)


def voxel_along(diameter: Diameter, ijk_to_ras: np.ndarray) -> float:
    """How far a voxel extends along a line, mm."""
    direction = np.subtract(diameter.end_ras, diameter.start_ras) / diameter.length_mm
    return float(np.linalg.norm(ijk_to_ras[:3, :3].T @ direction))


def brute_force(mask: np.ndarray, ijk_to_ras: np.ndarray, axis: int) -> float:
    """Longest distance of edge midpoints within a slice, all pairs: PyRadiomics' definition without its mesh."""
    ijk = np.argwhere(mask)[:, ::-1]
    others = [n for n in range(3) if n != axis]
    offsets = 0.5 * np.concatenate([np.eye(3)[others], -np.eye(3)[others]])
    longest = 0.0
    for number in np.unique(ijk[:, axis]):
        points = (ijk[ijk[:, axis] == number][:, None] + offsets).reshape(-1, 3)
        longest = max(longest, pdist(points @ ijk_to_ras[:3, :3].T).max())
    return longest


# -- analytic truth --


@pytest.mark.parametrize("tilted_grid", [False, True], ids=["axis-aligned grid", "oblique grid"])
@pytest.mark.parametrize("spacing_mm", [ISOTROPIC, (0.7, 0.9, 1.3), THICK_SLICES], ids=str)
def test_ellipsoids_come_out_within_half_a_voxel(spacing_mm, tilted_grid):
    """Of 40 random ones: nearly without bias, nine of ten within half a voxel along the line, the rest close to it."""
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(40):
        true = digitize(rng.uniform(7, 20, 3), spacing_mm, rng, tilted_grid=tilted_grid)
        found = measure_diameters(true.mask, true.ijk_to_ras)
        pairs = [(found.longest_3d, true.longest)]
        pairs += [(found.in_plane(plane), true.in_plane(plane)[0]) for plane in Plane]
        pairs += [(found.perpendicular[plane], true.in_plane(plane)[1]) for plane in Plane]
        errors.append([(line.length_mm - truth) / voxel_along(line, true.ijk_to_ras) for line, truth in pairs])
    errors = np.array(errors)
    assert np.abs(errors.mean(axis=0)).max() < 0.33
    assert np.mean(np.abs(errors[:, :4]) < 0.5) >= 0.9
    assert np.abs(errors[:, :4]).max() < 0.8
    # The direction of a perpendicular is uncertain, too, where the section is nearly a circle.
    assert np.mean(np.abs(errors[:, 4:]) < 0.6) >= 0.9


@pytest.mark.parametrize("semi_axes_mm", [(10, 7, 7), (20, 14, 12), (30, 29, 28), (12, 12, 30)], ids=str)
def test_ellipsoids_along_the_axes_come_out_within_half_a_voxel(semi_axes_mm):
    """On average over sub-voxel positions; digitization is coherent here, the hardest case for any convention."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(20):
        true = digitize(semi_axes_mm, ISOTROPIC, rng, tilted_grid=False, tilted_shape=False)
        found = measure_diameters(true.mask, true.ijk_to_ras)
        pairs = [(found.in_plane(plane), true.in_plane(plane)[0]) for plane in Plane] + [
            (found.longest_3d, true.longest)
        ]
        errors.append([(line.length_mm - truth) / voxel_along(line, true.ijk_to_ras) for line, truth in pairs])
    assert np.abs(np.mean(errors, axis=0)).max() < 0.5


@pytest.mark.parametrize("tilted_grid", [False, True], ids=["axis-aligned grid", "oblique grid"])
@pytest.mark.parametrize("spacing_mm", [ISOTROPIC, THICK_SLICES, (1.0, 1.0, 6.0)], ids=str)
def test_stated_interval_covers_the_truth(spacing_mm, tilted_grid):
    rng = np.random.default_rng(8)
    longest, short = [], []
    for _ in range(60):
        true = digitize(rng.uniform(8, 25, 3), spacing_mm, rng, tilted_grid=tilted_grid)
        found = measure_diameters(true.mask, true.ijk_to_ras)
        longest.append((found.longest_3d, true.longest))
        longest += [(found.in_plane(plane), true.in_plane(plane)[0]) for plane in Plane]
        short += [(found.perpendicular[plane], true.in_plane(plane)[1]) for plane in Plane]
    for pairs in (longest, short):
        inside = [abs(line.length_mm - truth) <= 1.96 * line.standard_error_mm for line, truth in pairs]
        assert np.mean(inside) >= 0.93


@pytest.mark.parametrize("size_ijk", [(1, 1, 1), (7, 1, 1), (1, 6, 1), (10, 7, 4)])
def test_a_box_has_its_diagonals(size_ijk):
    """Within half a voxel, down to a single one: rows and columns get half a voxel at each end."""
    spacing_mm = (0.8, 1.1, 2.0)
    found = measure_diameters(np.ones(size_ijk[::-1], bool), np.diag([*spacing_mm, 1]))
    edges_mm = np.multiply(size_ijk, spacing_mm)
    assert found.volume_ml == pytest.approx(np.prod(edges_mm) / 1000)
    assert found.n_voxels == np.prod(size_ijk)
    for plane, axis in plane_axes(np.diag([*spacing_mm, 1])).items():
        pair = [n for n in range(3) if n != axis]
        diagonal_mm = np.linalg.norm(edges_mm[pair])
        assert abs(found.in_plane(plane).length_mm - diagonal_mm) < np.linalg.norm(np.take(spacing_mm, pair)) / 2
    assert abs(found.longest_3d.length_mm - np.linalg.norm(edges_mm)) < np.linalg.norm(spacing_mm) / 2


def test_lines_lie_where_the_lesion_is():
    """An ellipse of 40 x 20 mm in a known axial slice: ends, slice, direction of the perpendicular."""
    j, i = np.indices((60, 60)) - 30
    mask = np.zeros((5, 60, 60), bool)
    mask[3] = (i / 20) ** 2 + (j / 10) ** 2 <= 1
    mask[2] = (i / 15) ** 2 + (j / 10) ** 2 <= 1
    ijk_to_ras = np.diag([-1.0, -1.0, 4.0, 1.0])  # i to the left, j to the back, as most images
    ijk_to_ras[:3, 3] = 30, 35, -8
    found = measure_diameters(mask, ijk_to_ras)
    axial, short = found.in_plane(Plane.AXIAL), found.short_axis
    assert axial.slice_offset_mm == short.slice_offset_mm == 4
    ends = sorted([axial.start_ras, axial.end_ras])
    assert ends == [pytest.approx((-20, 5, 4), abs=0.5), pytest.approx((20, 5, 4), abs=0.5)]
    ends = sorted([short.start_ras, short.end_ras], key=lambda point: point[1])
    assert ends == [pytest.approx((0, -5, 4), abs=0.6), pytest.approx((0, 15, 4), abs=0.6)]
    assert short is found.perpendicular[Plane.AXIAL]
    assert axial.plane is Plane.AXIAL and not axial.manual
    assert found.longest_3d.plane is None and found.longest_3d.slice_offset_mm is None


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, (4, 6, 5)).filter(np.any),
    st.integers(0, 2**32 - 1),
    st.sampled_from([ISOTROPIC, (0.7, 1.4, 5.0)]),
)
def test_every_line_is_what_it_says(mask, seed, spacing_mm):
    """Any mask on any oblique grid: ends, length and slice agree; angles are right; 3-D is longest."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix() * spacing_mm
    matrix[:3, 3] = 5, -3, 60
    found = measure_diameters(mask, matrix)
    for plane, axis in plane_axes(matrix).items():
        longest, short = found.in_plane(plane), found.perpendicular[plane]
        normal = slice_normal(matrix, axis)
        for line in (longest, short):
            ends = np.array([line.start_ras, line.end_ras])
            assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(line.length_mm)
            assert ends @ normal == pytest.approx([line.slice_offset_mm] * 2)
            assert 0 < line.standard_error_mm < line.length_mm
        along, across = (np.subtract(line.end_ras, line.start_ras) for line in (longest, short))
        assert along @ across == pytest.approx(0, abs=1e-6)
        assert short.length_mm <= longest.length_mm * (1 + 1e-9)
        assert found.longest_3d.length_mm >= longest.length_mm
    to_unpadded = np.eye(4)
    to_unpadded[:3, 3] = -2
    padded = measure_diameters(np.pad(mask, 2), matrix @ to_unpadded)
    assert padded.longest_3d.length_mm == pytest.approx(found.longest_3d.length_mm)
    assert padded.mptd.length_mm == pytest.approx(found.mptd.length_mm)
    assert padded.mptd.plane is found.mptd.plane


# -- exactness --


@settings(max_examples=200, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(3, 30), st.just(2)), elements=st.integers(-9, 9)), st.floats(0.2, 5))
def test_calipers_find_the_longest_line(points, stretch):
    """Small integers make many parallel edges, where calipers go wrong first."""
    points = points * (1.0, stretch)
    if np.linalg.matrix_rank(points - points[0], tol=1e-9) < 2:
        return
    polygon = points[ConvexHull(points).vertices]
    assert np.linalg.norm(np.diff(longest_line(polygon), axis=0)) == pytest.approx(pdist(points).max())


def test_the_longest_chord_across_a_quadrilateral():
    """Longest line from (0, 0) to (10, 0); the chord up from the corner (3, -2) meets the upper side at height 4."""
    polygon = np.array([(0.0, 0.0), (3.0, -2.0), (10.0, 0.0), (5.0, 4.0), (3.0, 4.0)])
    line = longest_line(polygon)
    assert sorted(map(tuple, line)) == [(0, 0), (10, 0)]
    chord = longest_chord_across(polygon, line[1] - line[0])
    assert sorted(map(tuple, chord)) == [pytest.approx((3, -2)), pytest.approx((3, 4))]


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (3, 7, 6)).filter(np.any))
def test_edge_midpoints_agree_with_all_pairs(mask):
    spacing_mm = (0.7, 1.2, 2.5)
    matrix = np.diag([*spacing_mm, 1])
    found = measure_diameters(mask, matrix, outline=Outline.EDGE_MIDPOINTS)
    for plane, axis in plane_axes(matrix).items():
        assert found.in_plane(plane).length_mm == pytest.approx(brute_force(mask, matrix, axis))


# -- PyRadiomics --


@pytest.mark.parametrize("name", [name for name in REFERENCE if name != "scattered"])
def test_edge_midpoints_are_pyradiomics_definition(name):
    mask, spacing_mm = pyradiomics_diameters.masks()[name]
    found = measure_diameters(mask, np.diag([*spacing_mm, 1]), outline=Outline.EDGE_MIDPOINTS)
    for plane in Plane:
        assert found.in_plane(plane).length_mm == pytest.approx(REFERENCE[name][plane.value], rel=1e-9), plane
    assert found.longest_3d.length_mm == pytest.approx(REFERENCE[name]["3d"], rel=1e-9)


def test_pyradiomics_joins_neighboring_slices_of_scattered_voxels():
    """Between two slices its mesh has vertices over voxels of both, which count as one plane: never shorter."""
    mask, spacing_mm = pyradiomics_diameters.masks()["scattered"]
    found = measure_diameters(mask, np.diag([*spacing_mm, 1]), outline=Outline.EDGE_MIDPOINTS)
    differences = [REFERENCE["scattered"][plane.value] - found.in_plane(plane).length_mm for plane in Plane]
    assert min(differences) > -1e-9
    assert max(differences) == pytest.approx(0.3221, abs=1e-3)
    assert found.longest_3d.length_mm == pytest.approx(REFERENCE["scattered"]["3d"])


@pytest.mark.parametrize("name", ["box", "ball", "rotated ellipsoid, thick slices", "lobulated"])
def test_default_outline_differs_from_pyradiomics_by_less_than_half_a_voxel(name):
    mask, spacing_mm = pyradiomics_diameters.masks()[name]
    found = measure_diameters(mask, np.diag([*spacing_mm, 1]))
    diameters = {plane.value: found.in_plane(plane) for plane in Plane} | {"3d": found.longest_3d}
    for plane, diameter in diameters.items():
        assert abs(diameter.length_mm - REFERENCE[name][plane]) < np.linalg.norm(spacing_mm) / 2, plane


# -- planes and choices --


def test_planes_are_named_after_the_nearest_anatomical_one():
    """A sagittal acquisition, tilted by 20 degrees: slices along i are coronal, along k sagittal."""
    tilt = Rotation.from_euler("z", 20, degrees=True).as_matrix()
    sagittal = np.eye(4)
    sagittal[:3, :3] = tilt @ np.array([(0, 0, 3.0), (-1.0, 0, 0), (0, -1.0, 0)])
    assert plane_axes(sagittal) == {Plane.SAGITTAL: 2, Plane.CORONAL: 0, Plane.AXIAL: 1}
    assert plane_axes(np.eye(4)) == {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}


def test_sheared_voxels_are_measured_as_they_are():
    """i and j at 60 degrees: a rhombus of 20 x 20 voxels has the long diagonal 20 sqrt(3)."""
    matrix = np.eye(4)
    matrix[:3, 1] = 0.5, np.sqrt(0.75), 0
    found = measure_diameters(np.ones((1, 20, 20), bool), matrix, planes=(Plane.AXIAL,))
    assert found.in_plane(Plane.AXIAL).length_mm == pytest.approx(20 * np.sqrt(3), abs=0.6)
    assert found.short_axis.length_mm == pytest.approx(20, abs=0.6)


def test_afterwards_the_plane_is_that_of_before():
    """Before: longest in the coronal plane. Afterwards the axial plane would be longer, and is not taken."""
    before = measure_diameters(np.ones((30, 4, 10), bool), np.eye(4))
    after = measure_diameters(np.ones((5, 20, 10), bool), np.eye(4))
    assert after.mptd.plane is not Plane.CORONAL
    pre, post = in_same_plane(before, after)
    assert (pre, post) == (before.mptd, after.in_plane(Plane.CORONAL))
    assert (pre.plane, post.plane) == (Plane.CORONAL, Plane.CORONAL)
    assert post.length_mm == pytest.approx(np.hypot(5, 10), abs=0.5)


def test_only_the_planes_asked_for_are_measured():
    found = measure_diameters(np.ones((4, 5, 6), np.uint8), np.eye(4), planes=(Plane.CORONAL,))
    assert list(found.longest_in_plane) == list(found.perpendicular) == [Plane.CORONAL]
    assert found.short_axis is None
    with pytest.raises(InputError, match="no axial diameter was measured"):
        found.in_plane(Plane.AXIAL)


@pytest.mark.parametrize(
    ("mask", "matrix", "planes", "what"),
    [
        (np.zeros((3, 3, 3)), np.eye(4), tuple(Plane), "the mask is empty"),
        (np.ones((3, 3)), np.eye(4), tuple(Plane), "three dimensions, this one has 2"),
        (np.ones((3, 3, 3)), np.diag([1, 1, 0, 1]), tuple(Plane), "span no space"),
        (np.ones((3, 3, 3)), np.eye(4) * np.nan, tuple(Plane), "span no space"),
        (np.ones((3, 3, 3)), np.eye(4), (), "no plane is named"),
    ],
)
def test_what_cannot_be_measured_is_refused(mask, matrix, planes, what):
    with pytest.raises(InputError, match=what):
        measure_diameters(mask, matrix, planes=planes)
