"""Diameters of the phantom's lesions from their analytic shapes, no voxels involved.

The diameter of a set of points is its largest width, and the width of a union of ellipsoids in a direction is known in
closed form from its support function; so is that of its section by a plane, a union of ellipses. What remains is the
search for the best direction and slice: a grid that is refined around its best point until its steps are far below
0.01 mm. Like calipers, and like any measurement on a convex hull, a line may leave the lesion between its ends.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from ..diameters import Plane
from .anatomy import Anatomy, Ellipsoid, region_mask
from .grid import PhantomGrid

N_OFFSETS, N_ANGLES = 161, 121  # of the first search
N_REFINED, N_REFINEMENTS, KEPT_STEPS = 25, 4, 2
N_BOUNDARY_POINTS = 4000
VOLUME_STEP_MM = 0.4  # counting so fine is good to 0.1 % for lesions of a milliliter and more


@dataclass(frozen=True)
class TrueDiameters:
    """What a perfect reader would measure of a lesion; good to 0.01 mm.

    Attributes:
        longest_in_plane_mm, perpendicular_mm: per plane, the longest line in any of its slices (there is one at every
            offset), and in that slice the longest chord at right angles to it.
        longest_3d_mm: in any direction.
        volume_ml: of what belongs to the region, less what other regions cover.
    """

    longest_in_plane_mm: dict[Plane, float]
    perpendicular_mm: dict[Plane, float]
    longest_3d_mm: float
    volume_ml: float

    @property
    def mptd_mm(self) -> float:
        """Maximum primary tumor diameter of Liu et al. 2022: the largest of the three planes."""
        return max(self.longest_in_plane_mm.values())

    @property
    def short_axis_mm(self) -> float:
        """Of a node in RECIST: perpendicular to its longest axial diameter."""
        return self.perpendicular_mm[Plane.AXIAL]


def true_diameters(anatomy: Anatomy, region: str, axes_ras: np.ndarray | None = None) -> TrueDiameters:
    """Diameters of a region made of ellipsoids, "tumor" being viable tumor and necrosis together.

    Args:
        axes_ras: 3x3, unit columns: normals of the sagittal, coronal and axial slices of an image; default R, A, S.
    """
    axes = np.eye(3) if axes_ras is None else axes_ras
    shapes = anatomy.shapes_of(region)
    longest, perpendicular = {}, {}
    for plane in Plane:
        longest[plane], perpendicular[plane] = _in_plane(shapes, np.roll(axes, 2 - plane.normal_axis, axis=1))
    return TrueDiameters(longest, perpendicular, _in_space(shapes), _volume_ml(anatomy, region))


def _in_plane(shapes: tuple[Ellipsoid, ...], frame: np.ndarray) -> tuple[float, float]:
    """Longest line in a slice, and the chord across it; ``frame`` has two directions in the slice and its normal."""
    corners = np.concatenate([shape.bounding_corners_ras for shape in shapes]) @ frame[:, 2]

    def widths(offsets, angles):
        upper, lower = (_reach(shapes, frame, offsets, angles + turn) for turn in (0.0, np.pi))
        return upper + lower

    length, offset, angle = _largest(widths, (corners.min(), corners.max()), (0.0, np.pi))
    return length, _chord_across(shapes, frame, offset, angle)


def _reach(shapes, frame: np.ndarray, offsets: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """How far the section of a union of ellipsoids reaches in a direction; shape (offsets, angles), -inf if empty."""
    directions = np.stack([np.cos(angles), np.sin(angles)])
    best = np.full((len(offsets), len(angles)), -np.inf)
    for shape in shapes:
        centers, squares, inverse = _sections(shape, frame, offsets)
        radii = np.sqrt(np.einsum("ia,ij,ja->a", directions, inverse, directions))
        reach = centers @ directions + np.sqrt(np.maximum(squares, 0))[:, None] * radii
        best = np.maximum(best, np.where(squares[:, None] > 0, reach, -np.inf))
    return best


def _sections(shape: Ellipsoid, frame: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sections of an ellipsoid: (y - center)^T matrix (y - center) <= square, in coordinates of the plane.

    Returns:
        centers (n, 2), squares (n,), inverse of the matrix (2, 2).
    """
    if shape.exponent != 2:
        raise ValueError("only sections of an ellipsoid proper are known")
    to_unit = shape.ras_to_unit
    in_plane = to_unit[:, :3] @ frame[:, :2]
    base = offsets[:, None] * (to_unit[:, :3] @ frame[:, 2]) + to_unit[:, 3]
    inverse = np.linalg.inv(in_plane.T @ in_plane)
    projected = base @ in_plane
    centers = -projected @ inverse
    squares = 1 - np.sum(base**2, axis=1) - np.sum(projected * centers, axis=1)
    return centers, squares, inverse


def _chord_across(shapes, frame: np.ndarray, offset: float, angle: float) -> float:
    """Longest chord of a section's hull at right angles to a direction."""
    turns = np.linspace(0, 2 * np.pi, N_BOUNDARY_POINTS, endpoint=False)
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    points = []
    for shape in shapes:
        centers, squares, inverse = _sections(shape, frame, np.array([offset]))
        if squares[0] > 0:
            points.append(centers + np.sqrt(squares[0]) * circle @ np.linalg.cholesky(inverse).T)
    points = np.concatenate(points)
    hull = points[ConvexHull(points).vertices]
    along = hull @ [np.cos(angle), np.sin(angle)]
    across = hull @ [-np.sin(angle), np.cos(angle)]
    start = int(along.argmin())
    along, across = np.roll(along, -start), np.roll(across, -start)
    end = int(along.argmax())
    lower = np.interp(along, along[: end + 1], across[: end + 1])
    upper = np.interp(along, np.append(along[end:], along[0])[::-1], np.append(across[end:], across[0])[::-1])
    return float((upper - lower).max())


def _in_space(shapes: tuple[Ellipsoid, ...]) -> float:
    def widths(polar, azimuths):
        directions = np.stack(
            [
                np.multiply.outer(np.sin(polar), np.cos(azimuths)),
                np.multiply.outer(np.sin(polar), np.sin(azimuths)),
                np.multiply.outer(np.cos(polar), np.ones_like(azimuths)),
            ],
            axis=-1,
        )
        upper = lower = -np.inf
        for shape in shapes:
            middle = directions @ np.array(shape.center_ras)
            radius = np.linalg.norm(directions @ np.linalg.inv(shape.ras_to_unit[:, :3]), axis=-1)
            upper, lower = np.maximum(upper, radius + middle), np.maximum(lower, radius - middle)
        return upper + lower

    return _largest(widths, (0.0, np.pi), (0.0, np.pi))[0]


def _largest(function, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float, float]:
    """Maximum of a function of two variables that takes arrays of both, and where it is."""
    axes = [np.linspace(*first, N_OFFSETS), np.linspace(*second, N_ANGLES)]
    for _ in range(N_REFINEMENTS + 1):
        values = function(*axes)
        best = np.unravel_index(values.argmax(), values.shape)
        found = float(values[best]), *(float(axis[n]) for axis, n in zip(axes, best, strict=True))
        axes = [
            axis[n] + np.linspace(-1, 1, N_REFINED) * KEPT_STEPS * (axis[1] - axis[0])
            for axis, n in zip(axes, best, strict=True)
        ]
    return found


def _volume_ml(anatomy: Anatomy, region: str) -> float:
    corners = np.concatenate([shape.bounding_corners_ras for shape in anatomy.shapes_of(region)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    shape_kji = tuple(int(n) for n in np.ceil((high - low)[::-1] / VOLUME_STEP_MM) + 2)
    grid = PhantomGrid.axial(shape_kji, (VOLUME_STEP_MM,) * 3, center_ras=(low + high) / 2)
    return np.count_nonzero(region_mask(anatomy.labels_on(grid), region)) * grid.voxel_volume_mm3 / 1000
