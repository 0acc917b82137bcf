"""How well two segmentations of the same image agree: overlap and distance of their surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..errors import InputError


@dataclass(frozen=True)
class SegmentationOverlap:
    """Agreement of two masks on one grid.

    Attributes:
        dice: 2 |A and B| / (|A| + |B|); jaccard: |A and B| / |A or B|. None if both masks are empty.
        volume_difference_percent: (A - B) / mean of both.
        hausdorff_mm: the largest distance from a surface voxel of either mask to the other surface.
        hausdorff_95_mm: the larger of the two directed 95th percentiles.
        mean_surface_distance_mm: mean over the surface voxels of both. Distances are None if a mask is empty.
    """

    method: str
    n_voxels_first: int
    n_voxels_second: int
    volume_first_ml: float
    volume_second_ml: float
    dice: float | None
    jaccard: float | None
    volume_difference_percent: float | None
    hausdorff_mm: float | None
    hausdorff_95_mm: float | None
    mean_surface_distance_mm: float | None
    warnings: tuple[str, ...]


def compare_masks(first: np.ndarray, second: np.ndarray, spacing_mm: Sequence[float]) -> SegmentationOverlap:
    """Overlap and surface distances; distances run between centers of surface voxels.

    A surface voxel is one of the mask with a face neighbor outside it (the image's border counts as outside).

    Args:
        first, second: masks of equal shape, three axes, nonzero inside.
        spacing_mm: of the voxels, one per axis of the arrays (for Slicer's KJI arrays: slice spacing first).

    Raises:
        InputError: different shapes, spacing that does not fit.
    """
    a, b, spacing = _checked(first, second, spacing_mm)
    count_a, count_b = int(a.sum()), int(b.sum())
    both = int(np.count_nonzero(a & b))
    total = count_a + count_b
    voxel_ml = float(np.prod(spacing)) / 1000
    notes = [f"the {name} mask is empty" for name, count in (("first", count_a), ("second", count_b)) if not count]
    distances = None if notes else _surface_distances(a, b, spacing)
    return SegmentationOverlap(
        method="Dice and Jaccard of voxels; surface distances between centers of surface voxels (face neighbors)",
        n_voxels_first=count_a,
        n_voxels_second=count_b,
        volume_first_ml=count_a * voxel_ml,
        volume_second_ml=count_b * voxel_ml,
        dice=2 * both / total if total else None,
        jaccard=both / (total - both) if total else None,
        volume_difference_percent=200 * (count_a - count_b) / total if total else None,
        hausdorff_mm=None if distances is None else float(max(d.max() for d in distances)),
        hausdorff_95_mm=None if distances is None else float(max(np.quantile(d, 0.95) for d in distances)),
        mean_surface_distance_mm=None if distances is None else float(np.concatenate(distances).mean()),
        warnings=tuple(notes),
    )


def _checked(
    first: np.ndarray, second: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 3:
        raise InputError(
            f"masks of shapes {a.shape} and {b.shape}", remedy="Resample both to one three-dimensional grid"
        )
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise InputError(
            f"the spacing must be three positive numbers in millimeters, found {tuple(np.ravel(spacing_mm))}"
        )
    return a != 0, b != 0, spacing


def _surface_distances(a: np.ndarray, b: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) * spacing for mask in (a, b)]
    return cKDTree(points[1]).query(points[0])[0], cKDTree(points[0]).query(points[1])[0]
