"""Diameters of a segmented lesion: the longest in each plane, the one perpendicular to it, the longest of all.

What is measured is the outline of the mask's convex hull, as calipers on the image would: a line may bridge a notch. A
mask knows its lesion only to a voxel, so where its outline runs is a convention (:class:`Outline`).

* Through the outermost voxel centers, digitized ellipses come out 0.2 to 1 voxel too short.
* Through the midpoints between inside and outside neighbors, as PyRadiomics has it (its Maximum2DDiameter and
  Maximum3DDiameter take the vertices of a marching-cubes mesh, which lie there), up to 0.8 voxel too long, since the
  longest of many jagged chords is taken.
* Ours lies between: the hull of the centers, moved outward by as much as a straight border is on average off the
  outermost centers that it leaves inside. That is half the distance of two neighboring lattice lines along it: half a
  voxel along rows and columns, little at odd slopes. The margin is the mean of that over the outline, so that a box
  gets its half voxel and a smooth lesion a fifth to a third. Random ellipsoids come out 0.1 to 0.3 voxel too long on
  average, slender ones along a lattice direction up to 0.45 too short, nine of ten within half a voxel.

Planes are those of the image's own slices in its three index directions, each named after the anatomical plane that it
comes nearest to: what a reader sees, and what RECIST measures, on an oblique image, too. Lengths are true ones.
"""

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from .errors import InputError

MM3_PER_ML = 1000.0
N_DIRECTIONS = 16
# Margin of a mask without area (a point, a line), in voxels.
DEGENERATE_MARGIN = 0.5
# An end is off by a uniform error of one voxel along the line, a variance of 1/12; there are two.
END_VARIANCE = 2 / 12
# A chord at distance x from the widest of an ellipse of width W is 2 (x/W)^2 of its length short; with x uniform over a
# voxel t, the root mean square of that is 2 (t/W)^2 / sqrt(80).
SAMPLING_FACTOR = 2 / np.sqrt(80)
ROWS_PER_BLOCK = 1000
ROUNDING = 1e-9


class Plane(enum.Enum):
    """An anatomical plane."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    def label(self) -> str:
        return self.value.capitalize()

    @property
    def normal_axis(self) -> int:
        """Of R, A, S (0, 1, 2), the one that the plane is perpendicular to."""
        return {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}[self]


class Outline(enum.Enum):
    """Where the outline of a mask runs."""

    MEAN_BORDER = "mean-border"
    EDGE_MIDPOINTS = "edge-midpoints"  # PyRadiomics' definition

    def label(self) -> str:
        return {
            Outline.MEAN_BORDER: "Hull of the voxel centers plus the mean margin of a digitized border",
            Outline.EDGE_MIDPOINTS: "Midpoints between inside and outside voxels (PyRadiomics)",
        }[self]


@dataclass(frozen=True)
class Diameter:
    """A straight line across a lesion.

    Attributes:
        length_mm: distance of its ends.
        start_ras, end_ras: its ends, RAS in mm.
        plane: anatomical plane that it lies in; None for one in three dimensions.
        slice_offset_mm: distance of its slice from the RAS origin along the slices' normal (which points to R, A or S);
            None in three dimensions.
        standard_error_mm: from the digitization alone, see :func:`measure_diameters`; None for a line set by hand.
        manual: set or moved by hand.
    """

    length_mm: float
    start_ras: tuple[float, float, float]
    end_ras: tuple[float, float, float]
    plane: Plane | None
    slice_offset_mm: float | None
    standard_error_mm: float | None
    manual: bool = False


@dataclass(frozen=True)
class DiameterMeasurement:
    """All diameters of one lesion.

    Attributes:
        longest_in_plane: per plane, the longest line within one slice, over all slices.
        perpendicular: per plane, in the same slice, the longest chord at right angles to that line.
        longest_3d: in any direction; never shorter than those in the planes.
        short_axis: RECIST 1.1 for lymph nodes: the axial chord perpendicular to the longest axial diameter, in its
            slice; None if the axial plane was not asked for.
        volume_ml: sum of the voxels' volumes.
        n_voxels: of the mask.
        outline: the convention for the mask's outline.
    """

    longest_in_plane: dict[Plane, Diameter]
    perpendicular: dict[Plane, Diameter]
    longest_3d: Diameter
    short_axis: Diameter | None
    volume_ml: float
    n_voxels: int = 0
    outline: Outline = Outline.MEAN_BORDER

    @property
    def mptd(self) -> Diameter:
        """The maximum primary tumor diameter: the longest of the planes (Liu et al. 2022, Insights Imaging 13:114).

        Of planes alike but for rounding the first: the plane decides where the diameter is measured afterwards.
        """
        longest_mm = max(diameter.length_mm for diameter in self.longest_in_plane.values())
        alike = (each for each in self.longest_in_plane.values() if each.length_mm >= longest_mm * (1 - 1e-9))
        return next(alike)

    def in_plane(self, plane: Plane) -> Diameter:
        """The longest in a plane.

        Raises:
            InputError: it was not measured.
        """
        if plane not in self.longest_in_plane:
            raise InputError(f"no {plane.value} diameter was measured", remedy=f"Measure the {plane.value} plane, too")
        return self.longest_in_plane[plane]


def in_same_plane(pre: DiameterMeasurement, post: DiameterMeasurement) -> tuple[Diameter, Diameter]:
    """The maximum primary tumor diameter before treatment, and the longest one afterwards in the same plane.

    Raises:
        InputError: that plane was not measured afterwards.
    """
    return pre.mptd, post.in_plane(pre.mptd.plane)


def measure_diameters(
    mask_kji: np.ndarray,
    ijk_to_ras: np.ndarray,
    *,
    planes: Sequence[Plane] = tuple(Plane),
    outline: Outline = Outline.MEAN_BORDER,
) -> DiameterMeasurement:
    """Measure a mask.

    The standard error adds two parts of digitization. Each end is uncertain by a voxel's extent along the line; and the
    widest place may lie between two rows or slices, which shortens an ellipse of length L and width W by
    2 L (x/W)^2 at a distance x. It knows nothing of how well the mask was drawn.

    Args:
        mask_kji: 3-D array; nonzero is the lesion.
        ijk_to_ras: 4x4, voxel index (i, j, k, 1) to RAS in mm; may be oblique or sheared.
        planes: to measure.

    Raises:
        InputError: an empty mask, no plane, or a matrix that cannot be inverted.
    """
    mask = np.asarray(mask_kji)
    mask = mask if mask.dtype == bool else mask != 0
    matrix = np.asarray(ijk_to_ras, dtype=float)
    _check(mask, matrix, planes)
    mask, first_ijk = _cropped(mask)
    matrix = matrix.copy()
    matrix[:3, 3] += matrix[:3, :3] @ first_ijk
    axes = plane_axes(matrix)
    in_planes = {plane: _measure_plane(mask, matrix, axes[plane], plane, outline) for plane in dict.fromkeys(planes)}
    longest = {plane: found[0] for plane, found in in_planes.items()}
    perpendicular = {plane: found[1] for plane, found in in_planes.items()}
    # Both lie on the same lesion: the margin of the solid may be a trifle smaller than that of the slice.
    candidates = (_measure_3d(mask, matrix, outline), *(_without_plane(diameter) for diameter in longest.values()))
    n_voxels = int(np.count_nonzero(mask))
    return DiameterMeasurement(
        longest_in_plane=longest,
        perpendicular=perpendicular,
        longest_3d=max(candidates, key=lambda diameter: diameter.length_mm),
        short_axis=perpendicular.get(Plane.AXIAL),
        volume_ml=n_voxels * abs(float(np.linalg.det(matrix[:3, :3]))) / MM3_PER_ML,
        n_voxels=n_voxels,
        outline=outline,
    )


def plane_axes(ijk_to_ras: np.ndarray) -> dict[Plane, int]:
    """For each plane, the index direction (0: i, 1: j, 2: k) whose slices come nearest to it."""
    normals = np.abs([slice_normal(ijk_to_ras, axis) for axis in range(3)])
    best = max(itertools.permutations(range(3)), key=lambda order: sum(normals[order[ras], ras] for ras in range(3)))
    return {plane: best[plane.normal_axis] for plane in Plane}


def slice_normal(ijk_to_ras: np.ndarray, axis: int) -> np.ndarray:
    """(3,) unit normal in RAS of the slices in an index direction; points to R, A or S, where it has most."""
    columns = np.asarray(ijk_to_ras, dtype=float)[:3, :3]
    normal = np.cross(columns[:, (axis + 1) % 3], columns[:, (axis + 2) % 3])
    normal /= np.linalg.norm(normal)
    return normal * np.sign(normal[np.argmax(np.abs(normal))])


def _check(mask: np.ndarray, matrix: np.ndarray, planes: Sequence[Plane]) -> None:
    if mask.ndim != 3:
        raise InputError(
            f"a mask needs three dimensions, this one has {mask.ndim}", remedy="Give slices, rows, columns"
        )
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) == 0:
        raise InputError("the image's directions and spacing span no space", remedy="Give a 4 x 4 matrix, IJK to RAS")
    if not planes:
        raise InputError("no plane is named to measure in", remedy="Name axial, coronal or sagittal")
    if not mask.any():
        raise InputError("the mask is empty", remedy="Draw the lesion")


def _cropped(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a KJI mask that holds something, and the (i, j, k) of its first voxel."""
    k = _span(mask.reshape(len(mask), -1).any(axis=1))
    mask = mask[slice(*k)]
    j = _span(mask.any(axis=(0, 2)))
    mask = mask[:, slice(*j)]
    i = _span(mask.any(axis=(0, 1)))
    return mask[:, :, slice(*i)], np.array([i[0], j[0], k[0]])


def _span(present: np.ndarray) -> tuple[int, int]:
    inside = np.flatnonzero(present)
    return int(inside[0]), int(inside[-1]) + 1


# -- one plane --


def _measure_plane(
    mask: np.ndarray, matrix: np.ndarray, axis: int, plane: Plane, outline: Outline
) -> tuple[Diameter, Diameter]:
    """Longest diameter and its perpendicular over the slices in one index direction."""
    slices = np.moveaxis(mask, 2 - axis, 0)
    column_axis, row_axis = (other for other in range(3) if other != axis)  # of i, j, k; rows come first in KJI
    basis, to_plane = np.linalg.qr(matrix[:3, [column_axis, row_axis]])  # RAS = basis @ plane coordinates + slice
    number, polygon, longest = _longest_of_slices(slices, to_plane, outline)
    perpendicular = longest_chord_across(polygon, longest[1] - longest[0])
    origin = matrix[:3, 3] + number * matrix[:3, axis]  # coordinates in the plane are counted from here
    longest_ras, perpendicular_ras = (ends @ basis.T + origin for ends in (longest, perpendicular))
    normal = slice_normal(matrix, axis)
    thickness_mm = abs(float(normal @ matrix[:3, axis]))
    sampling = thickness_mm, thickness_mm * len(slices)
    widths = [_extent_and_width(perpendicular_ras, matrix), sampling]
    offset_mm = float(normal @ origin)
    return (
        _diameter(longest_ras, matrix, widths, plane, offset_mm),
        _diameter(perpendicular_ras, matrix, [sampling], plane, offset_mm),
    )


def _longest_of_slices(
    slices: np.ndarray, to_plane: np.ndarray, outline: Outline
) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of the slice with the longest line, its outline and the ends of that line in plane coordinates, mm."""
    best_mm, best = -1.0, None
    for number, bound_mm in _slices_by_size(slices, to_plane):
        if bound_mm <= best_mm:
            break  # those that follow are smaller still
        polygon = _outline_2d(hull_vertices(_row_ends(slices[number])), outline) @ to_plane.T
        if np.linalg.det(to_plane) < 0:
            polygon = polygon[::-1]  # counterclockwise again
        line = longest_line(polygon)
        if _length(line) > best_mm:
            best_mm, best = _length(line), (number, polygon, line)
    return best


def _slices_by_size(slices: np.ndarray, to_plane: np.ndarray) -> list[tuple[int, float]]:
    """Numbers of the slices that hold something, with the most that a line in them can measure (mm), longest first."""
    rows, columns = _widths(slices.any(axis=2)), _widths(slices.any(axis=1))
    diagonals = (
        np.hypot(*(to_plane @ np.array([columns, sign * rows]))) for sign in (1, -1)
    )  # of the box around all voxels, corners included
    bounds = np.maximum(*diagonals)
    order = np.argsort(-bounds, kind="stable")
    return [(int(number), float(bounds[number])) for number in order if rows[number]]


def _widths(present: np.ndarray) -> np.ndarray:
    """For each row, how many cells from its first to its last that is set; 0 if none is."""
    width = present.shape[1] - present[:, ::-1].argmax(axis=1) - present.argmax(axis=1)
    return np.where(present.any(axis=1), width, 0)


def _row_ends(mask: np.ndarray) -> np.ndarray:
    """(n, 2) integer (column, row) of the first and the last voxel of each row; all corners of the hull are there."""
    rows = np.flatnonzero(mask.any(axis=1))
    inside = mask[rows]
    first, last = inside.argmax(axis=1), mask.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([first, rows], axis=1), np.stack([last, rows], axis=1)])


def hull_vertices(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of (n, 2) points, counterclockwise; of points on a line, its two ends."""
    try:
        return points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # without area
        order = np.lexsort(points.T)
        return np.unique(points[order[[0, -1]]], axis=0)


def _outline_2d(vertices: np.ndarray, outline: Outline) -> np.ndarray:
    """The outline in voxel units from the corners of the hull of the voxel centers."""
    if outline is Outline.EDGE_MIDPOINTS:
        offsets = 0.5 * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    else:
        angles = 2 * np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
        offsets = _margin_2d(vertices) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _minkowski_sum(vertices, offsets)


def _minkowski_sum(polygon: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Corners of the sum of two convex polygons, counterclockwise: their edges, ordered by direction.

    Args:
        polygon: may be a line or a point.
        other: without horizontal edges.
    """
    edges = np.concatenate([np.roll(corners, -1, axis=0) - corners for corners in (polygon, other)])
    edges = edges[edges.any(axis=1)]
    order = np.argsort(np.arctan2(edges[:, 1], edges[:, 0]) % (2 * np.pi), kind="stable")
    lowest = sum(corners[np.lexsort(corners.T)[0]] for corners in (polygon, other))
    return lowest + np.cumsum(edges[order], axis=0)


def _margin_2d(vertices: np.ndarray) -> float:
    """Mean distance of a digitized border from the lattice polygon that it left inside, in voxels.

    Lattice lines along an edge (a, b) are gcd(a, b) / |edge| apart; the border lies on average half of that outside.
    """
    if len(vertices) < 3:
        return DEGENERATE_MARGIN
    edges = np.roll(vertices, -1, axis=0) - vertices
    return float(np.gcd(*np.abs(edges).T).sum() / (2 * np.hypot(*edges.T).sum()))


def longest_line(polygon: np.ndarray) -> np.ndarray:
    """(2, 2) ends of the longest line in a convex polygon, by rotating calipers.

    Args:
        polygon: (n, 2) corners, counterclockwise. The directions of its edges grow along it, so the corner farthest
            from each edge is found by sorted search: where the direction has turned by half a circle.
    """
    n = len(polygon)
    edges = np.roll(polygon, -1, axis=0) - polygon
    directions = np.unwrap(np.arctan2(edges[:, 1], edges[:, 0]))
    farthest = np.searchsorted(np.concatenate([directions, directions + 2 * np.pi]), directions + np.pi)
    # Both ends of the edge, and the neighbors of the farthest corner: parallel edges have two.
    start, other = np.broadcast_arrays(
        (np.arange(n)[:, None] + (0, 1))[:, :, None], (farthest[:, None] + (-1, 0, 1))[:, None, :]
    )
    start, other = start.ravel() % n, other.ravel() % n
    best = np.argmax(np.sum((polygon[start] - polygon[other]) ** 2, axis=1))
    return polygon[[start[best], other[best]]]


def longest_chord_across(polygon: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(2, 2) ends of the longest chord of a convex polygon at right angles to a direction, that of its longest line.

    The length of the chord is a concave function, linear between corners: one of those through a corner is longest.

    Args:
        polygon: (n, 2) corners, counterclockwise.
    """
    along = direction / np.linalg.norm(direction)
    across = np.array([-along[1], along[0]])
    u, v = polygon @ along, polygon @ across
    first = int(u.argmin())
    u, v = np.roll(u, -first), np.roll(v, -first)
    last = int(u.argmax())
    lower = np.interp(u, u[: last + 1], v[: last + 1])
    upper = np.interp(u, np.append(u[last:], u[0])[::-1], np.append(v[last:], v[0])[::-1])
    best = int((upper - lower).argmax())
    return u[best] * along + np.outer([lower[best], upper[best]], across)


# -- three dimensions --


def _measure_3d(mask: np.ndarray, matrix: np.ndarray, outline: Outline) -> Diameter:
    vertices = np.concatenate(
        [
            np.pad(hull_vertices(_row_ends(mask[k])), ((0, 0), (0, 1)), constant_values=k)
            for k in range(len(mask))
            if mask[k].any()
        ]
    )
    vertices, margin = _hull_3d(vertices)
    if outline is Outline.EDGE_MIDPOINTS:
        offsets = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
    else:
        offsets = margin * _sphere_directions()
    axes = matrix[:3, :3]
    far = _could_be_ends(vertices @ axes.T, np.linalg.norm(offsets @ axes.T, axis=1).max())
    points = (vertices[far][:, None] + offsets).reshape(-1, 3) @ axes.T
    ends = _farthest_pair(points)
    widths = _widths_across(vertices @ axes.T, ends, axes)
    return _diameter(ends + matrix[:3, 3], matrix, widths, None, None)


def _hull_3d(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Corners of the hull of (n, 3) integer points, and the mean margin of a digitized surface around it, in voxels.

    Lattice planes along a facet whose edges have the cross product c are gcd(c) / |c| apart.
    """
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):  # without volume
        return points, DEGENERATE_MARGIN
    corner, second, third = (points[hull.simplices[:, n]] for n in range(3))
    normals = np.cross(second - corner, third - corner).astype(np.int64)
    areas = np.linalg.norm(normals, axis=1)
    return points[hull.vertices], float(np.gcd.reduce(normals, axis=1).sum() / (2 * areas.sum()))


def _sphere_directions() -> np.ndarray:
    """(26, 3) unit vectors to the faces, edges and corners of a cube."""
    directions = np.array([d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)], dtype=float)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _could_be_ends(points: np.ndarray, reach_mm: float) -> np.ndarray:
    """Which of (n, 3) points can be an end of the longest line, if every point may still move by ``reach_mm``."""
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    radii = np.linalg.norm(points - center, axis=1)
    one = points[radii.argmax()]
    other = points[np.linalg.norm(points - one, axis=1).argmax()]
    at_least = np.linalg.norm(points - other, axis=1).max()
    return radii + radii.max() + 2 * reach_mm >= at_least * (1 - ROUNDING)


def _farthest_pair(points: np.ndarray) -> np.ndarray:
    """(2, 3) the two points that are farthest apart, of points that are not all in one plane."""
    points = points[ConvexHull(points).vertices]
    points = points[_could_be_ends(points, 0.0)]
    center = points.mean(axis=0)
    centered = points - center
    squares = np.sum(centered**2, axis=1)
    best, ends = -1.0, (0, 0)
    for start in range(0, len(points), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        distances = squares[block, None] + squares[None, start:] - 2 * centered[block] @ centered[start:].T
        row, column = np.unravel_index(distances.argmax(), distances.shape)
        if distances[row, column] > best:
            best, ends = distances[row, column], (start + row, start + column)
    return points[list(ends)]


def _widths_across(points: np.ndarray, ends: np.ndarray, axes: np.ndarray) -> list[tuple[float, float]]:
    """Voxel extent and width of the lesion along its two principal directions at right angles to a line."""
    along = (ends[1] - ends[0]) / _length(ends)
    across = points - points.mean(axis=0)
    across = across - np.outer(across @ along, along)
    _, vectors = np.linalg.eigh(across.T @ across - np.outer(along, along))  # the line itself comes first
    widths = []
    for direction in vectors.T[1:]:
        voxel = float(np.linalg.norm(axes.T @ direction))
        widths.append((voxel, float(np.ptp(points @ direction)) + voxel))
    return widths


# -- values --


def _length(ends: np.ndarray) -> float:
    return float(np.linalg.norm(ends[1] - ends[0]))


def _extent_and_width(ends_ras: np.ndarray, matrix: np.ndarray) -> tuple[float, float]:
    """How far a voxel extends along a line, and the line's length, in mm."""
    length = _length(ends_ras)
    return float(np.linalg.norm(matrix[:3, :3].T @ (ends_ras[1] - ends_ras[0]))) / length, length


def _diameter(
    ends_ras: np.ndarray,
    matrix: np.ndarray,
    widths: Sequence[tuple[float, float]],
    plane: Plane | None,
    slice_offset_mm: float | None,
) -> Diameter:
    """A measured diameter.

    Args:
        widths: voxel extent and width of the lesion across the line, in each direction that is sampled.
    """
    voxel_mm, length_mm = _extent_and_width(ends_ras, matrix)
    variance = END_VARIANCE * voxel_mm**2
    variance += sum((SAMPLING_FACTOR * length_mm * (extent / max(width, extent)) ** 2) ** 2 for extent, width in widths)
    start, end = (tuple(float(value) for value in point) for point in ends_ras)
    return Diameter(length_mm, start, end, plane, slice_offset_mm, float(np.sqrt(variance)))


def _without_plane(diameter: Diameter) -> Diameter:
    return Diameter(diameter.length_mm, diameter.start_ras, diameter.end_ras, None, None, diameter.standard_error_mm)
