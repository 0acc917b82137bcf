"""A shape known in parallel planes, in between and on any other grid: shape-based interpolation by signed distance.

In each plane the distance to the outline, positive inside, is computed; between two planes it is interpolated linearly,
and the shape is where it exceeds a level (Raya and Udupa, IEEE Trans Med Imaging 1990; 9: 32-42). The level, near 0, is
set so that the volume is that of the planes, each as thick as half the way to its neighbors. A part of a plane that
meets nothing in the next one ends in a cap half a plane spacing high.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Interpolated planes between two given ones: about as far apart as pixels, but not more than this.
MAX_SUBDIVISIONS = 16
# The level moves the outline by at most so many pixels; more would hide that the planes do not fit together.
MAX_LEVEL_PIXELS = 2.0
_FACES = ndimage.generate_binary_structure(2, 2)  # pixels that touch at a corner belong together, as voxels do in 3-D


@dataclass(frozen=True, eq=False)
class ShapeField:
    """The signed distance of a shape, sampled evenly along the normal of its planes.

    Attributes:
        distance_mm: (n, rows, columns) float32, positive inside.
        pixel_mm: distance of rows and of columns.
        first_mm, step_mm: position of the first sample along the normal, and distance of the samples.
        level_mm: the shape is where the distance exceeds this.
        volume_mm3: of the planes, and of the shape to within the sampling.
    """

    distance_mm: np.ndarray
    pixel_mm: tuple[float, float]
    first_mm: float
    step_mm: float
    level_mm: float
    volume_mm3: float

    def on_grid(
        self,
        plane_to_ras: np.ndarray,
        grid_shape_kji: tuple[int, int, int],
        grid_ijk_to_ras: np.ndarray,
        *,
        keep_volume: bool = False,
    ) -> tuple[np.ndarray, float]:
        """The shape as a mask, a voxel is inside if its center is; and the level that was used, in mm.

        Args:
            plane_to_ras: 4x4, takes (column, row, position along the normal in mm) to RAS.
            grid_shape_kji, grid_ijk_to_ras: the grid, any orientation.
            keep_volume: set the level anew so that the voxels of this grid have the volume. Thick slices meet a shape
                here or there; only for grids that hold all of it.
        """
        grid_to_plane = np.linalg.inv(plane_to_ras) @ grid_ijk_to_ras
        first, last = self._box(np.linalg.inv(grid_to_plane), grid_shape_kji)
        distance_mm = np.empty(last - first, np.float32)
        j, i = np.meshgrid(np.arange(first[1], last[1]), np.arange(first[2], last[2]), indexing="ij")
        for k in range(first[0], last[0]):
            points = np.stack([i, j, np.full_like(i, k)], axis=-1) @ grid_to_plane[:3, :3].T + grid_to_plane[:3, 3]
            at = np.stack([(points[..., 2] - self.first_mm) / self.step_mm, points[..., 1], points[..., 0]])
            distance_mm[k - first[0]] = ndimage.map_coordinates(
                self.distance_mm, at, order=1, mode="constant", cval=self.distance_mm.min() - 1
            )
        level_mm = self.level_mm
        if keep_volume:
            n_voxels = self.volume_mm3 / math.prod(self.pixel_mm) / abs(np.linalg.det(grid_to_plane[:3, :3]))
            level_mm = _counted_level(distance_mm, round(n_voxels), MAX_LEVEL_PIXELS * float(np.mean(self.pixel_mm)))
        mask = np.zeros(grid_shape_kji, bool)
        mask[tuple(slice(*ends) for ends in zip(first, last, strict=True))] = distance_mm > level_mm
        return mask, level_mm

    def _box(self, plane_to_grid: np.ndarray, grid_shape_kji) -> tuple[np.ndarray, np.ndarray]:
        """First and last-but-one index (k, j, i) of the voxels that can be inside."""
        n, rows, columns = self.distance_mm.shape
        ends = (0, columns - 1), (0, rows - 1), (self.first_mm, self.first_mm + (n - 1) * self.step_mm), (1,)
        kji = (plane_to_grid @ np.array(np.meshgrid(*ends)).reshape(4, -1))[2::-1]
        first = np.clip(np.floor(kji.min(axis=1)).astype(int), 0, grid_shape_kji)
        return first, np.clip(np.ceil(kji.max(axis=1)).astype(int) + 1, first, grid_shape_kji)


def shape_field(
    planes: np.ndarray, positions_mm: Sequence[float], pixel_mm: tuple[float, float], thickness_mm: float
) -> ShapeField:
    """Interpolate a shape between its planes.

    Args:
        planes: (n, rows, columns) masks with at least one pixel of margin all around; planes may be empty.
        positions_mm: of the planes along their normal, increasing.
        pixel_mm: distance of rows and of columns.
        thickness_mm: usual distance of the planes. The first and the last one are half as thick outward; a wider gap
            than the usual distance is bridged only by parts that overlap.
    """
    positions = np.asarray(positions_mm, float)
    signed = [_signed_distance(plane, pixel_mm) for plane in planes]
    positions = np.concatenate([[positions[0] - thickness_mm], positions, [positions[-1] + thickness_mm]])
    signed = [_NOTHING, *signed, _NOTHING]
    step_mm = thickness_mm / min(max(1, math.ceil(thickness_mm / min(pixel_mm) - 1e-6)), MAX_SUBDIVISIONS)
    n_samples = round((positions[-1] - positions[0]) / step_mm) + 1
    field = np.full((n_samples, *planes.shape[1:]), -np.hypot(*np.multiply(planes.shape[1:], pixel_mm)), np.float32)
    samples_mm = positions[0] + step_mm * np.arange(n_samples)
    after = np.clip(np.searchsorted(positions, samples_mm + 1e-6, side="right"), 1, len(positions) - 1)
    for n in range(1, len(positions)):
        lower, upper = signed[n - 1], signed[n]
        if lower is _NOTHING and upper is _NOTHING:
            continue
        gap_mm = positions[n] - positions[n - 1]
        for sample in np.flatnonzero(after == n):
            field[sample] = _between(lower, upper, samples_mm[sample] - positions[n - 1], gap_mm, thickness_mm)
    volume_mm3 = _volume_mm3(planes, positions[1:-1], pixel_mm, thickness_mm)
    level_mm = _level(field, volume_mm3, math.prod(pixel_mm) * step_mm, float(np.mean(pixel_mm)))
    return ShapeField(field, tuple(pixel_mm), float(positions[0]), float(step_mm), level_mm, volume_mm3)


@dataclass(frozen=True, eq=False)
class _Plane:
    """One plane: signed distance, and for each pixel the part (connected component) that is nearest to it."""

    mask: np.ndarray
    distance_mm: np.ndarray
    part: np.ndarray
    depth_mm: np.ndarray  # of each part, its largest distance; index 0 is unused


_NOTHING = None


def _signed_distance(plane: np.ndarray, pixel_mm: tuple[float, float]) -> _Plane | None:
    """Between pixel centers, less half a pixel: 0 on the line between a pixel inside and one outside."""
    mask = np.asarray(plane, bool)
    if not mask.any():
        return _NOTHING
    inside_mm = ndimage.distance_transform_edt(mask, sampling=pixel_mm)
    outside_mm, nearest = ndimage.distance_transform_edt(~mask, sampling=pixel_mm, return_indices=True)
    half_mm = float(np.mean(pixel_mm)) / 2
    distance_mm = np.where(mask, inside_mm - half_mm, half_mm - outside_mm)
    labels, n_parts = ndimage.label(mask, structure=_FACES)
    depth_mm = np.concatenate([[0.0], ndimage.maximum(distance_mm, labels, np.arange(1, n_parts + 1))])
    return _Plane(mask, distance_mm, labels[tuple(nearest)], np.maximum(depth_mm, half_mm / 2))


def _between(
    lower: _Plane | None, upper: _Plane | None, above_mm: float, gap_mm: float, thickness_mm: float
) -> np.ndarray:
    """The distances at a height between two neighboring planes, one of which may be empty."""
    height_mm = min(thickness_mm, gap_mm) / 2
    caps = [
        _cap(plane, other, way_mm / height_mm)
        for plane, other, way_mm in ((lower, upper, above_mm), (upper, lower, gap_mm - above_mm))
        if plane is not _NOTHING
    ]
    if lower is not _NOTHING and upper is not _NOTHING:
        t = above_mm / gap_mm
        caps.append((1 - t) * lower.distance_mm + t * upper.distance_mm)
    return np.maximum.reduce(caps)


def _cap(plane: _Plane, other: _Plane | None, height: float) -> np.ndarray:
    """The end of those parts that meet nothing in the other plane: a quarter of an ellipse in section, 1 high.

    For a ball cut at a random height such caps have, on average, the volume of what is beyond the last plane.
    """
    alone = np.ones(len(plane.depth_mm), bool)
    if other is not _NOTHING:
        alone[np.unique(plane.part[plane.mask & other.mask])] = False
    drop = 1 - math.sqrt(1 - height**2) if height < 1 else height
    drop_mm = np.where(alone, drop * plane.depth_mm, np.inf)
    return plane.distance_mm - drop_mm[plane.part]


def _volume_mm3(planes, positions_mm: np.ndarray, pixel_mm, thickness_mm: float) -> float:
    """Area times thickness. A gap wider than usual counts whole where both sides are filled, else as usual."""
    areas = np.array([np.count_nonzero(plane) for plane in planes]) * math.prod(pixel_mm)
    gaps = np.diff(positions_mm)
    bridged = [bool(np.any(planes[n] & planes[n + 1])) for n in range(len(gaps))]
    gaps = np.where(bridged, gaps, np.minimum(gaps, thickness_mm))
    edges = np.concatenate([[thickness_mm], gaps, [thickness_mm]]) / 2
    return float(np.sum(areas * (edges[:-1] + edges[1:])))


def _level(field: np.ndarray, volume_mm3: float, voxel_mm3: float, pixel_mm: float) -> float:
    """The level above which the volume is the wanted one; a voxel that the outline crosses counts in part."""
    near = field[np.abs(field) < (MAX_LEVEL_PIXELS + 1) * pixel_mm].astype(float)
    n_deep = np.count_nonzero(field >= (MAX_LEVEL_PIXELS + 1) * pixel_mm)
    low, high = -MAX_LEVEL_PIXELS * pixel_mm, MAX_LEVEL_PIXELS * pixel_mm
    for _ in range(40):
        level = (low + high) / 2
        n_voxels = n_deep + np.clip(0.5 + (near - level) / pixel_mm, 0, 1).sum()
        low, high = (level, high) if n_voxels * voxel_mm3 > volume_mm3 else (low, level)
    return (low + high) / 2


def _counted_level(distance_mm: np.ndarray, n_wanted: int, farthest_mm: float) -> float:
    """The level nearest to 0 above which as many voxels are as wanted, or as nearly as it may move."""
    n_deep = np.count_nonzero(distance_mm > farthest_mm)
    near = np.sort(distance_mm[np.abs(distance_mm) <= farthest_mm])[::-1].astype(float)
    rank = n_wanted - n_deep
    if not 0 < rank < len(near):
        return farthest_mm if rank <= 0 else -farthest_mm
    return float(near[rank - 1] + near[rank]) / 2
