"""A region made ready for texture: outliers left out, resampled to isotropic voxels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from .resampling import aligned_coordinates, interpolate, nearest, nearest_of_either_side, toolbox_coordinates

OUTLIER_SDS = 3.0
ALIKE = 1e-3  # relative; what headers say of square pixels differs by less
SAME_SIZE = 1e-6  # relative; spacings that differ less are the same
MARGIN = 3  # old voxels around a region that cubic interpolation needs


@dataclass(frozen=True, eq=False)
class PreparedRegion:
    """A region after preparation.

    Attributes:
        mask: bool KJI on a grid that may be cropped. With resampling "corrected" or "none" all regions share it.
        image: float64 KJI, the image on that grid.
        n_native: voxels as given; n_outliers: of them left out.
        voxel_mm_kji: size after preparation.
    """

    mask: np.ndarray
    image: np.ndarray
    n_native: int
    n_outliers: int
    voxel_mm_kji: tuple[float, float, float]

    @property
    def values(self) -> np.ndarray:
        return self.image[self.mask]


def prepare_regions(
    volume: np.ndarray,
    regions: Mapping[str, np.ndarray],
    spacing_mm_kji: tuple[float, float, float],
    *,
    resampling: str,
    voxel_size_mm: float | None,
    outliers: bool,
) -> dict[str, PreparedRegion]:
    """Every region, in the order in which TextureToolbox works: crop, outliers, resample.

    Args:
        resampling: "corrected" (one grid in the middle of the regions, the tissue around them as it is), "toolbox"
            (each region's box by itself, 0 around it, a shift of half a voxel) or "none".
        voxel_size_mm: isotropic; None for the in-plane pixel.
        outliers: leave out voxels beyond three standard deviations of the region's mean (Collewet et al., Magn Reson
            Imaging 2004;22:81).

    Raises:
        InputError: no voxel of a region is left, because it is smaller than the new voxels.
    """
    kept = {name: _without_outliers(volume, mask) if outliers else mask for name, mask in regions.items()}
    counts = {name: (int(np.count_nonzero(mask)), int(np.count_nonzero(kept[name]))) for name, mask in regions.items()}
    if resampling == "toolbox":
        made = {
            name: _as_toolbox(volume, kept[name], mask, spacing_mm_kji, voxel_size_mm) for name, mask in regions.items()
        }
    else:
        size = voxel_size_mm or spacing_mm_kji[1]
        target = spacing_mm_kji if resampling == "none" else (size, size, size)
        made = _aligned(volume, kept, regions, spacing_mm_kji, target)
    for name, (mask, _image, voxel) in made.items():
        if not mask.any():
            raise InputError(
                f"it is lost between voxels of {voxel[0]:g} mm, because it is smaller",
                where=f"region {name}",
                remedy="Choose smaller voxels, or no resampling",
            )
    return {
        name: PreparedRegion(mask, image, counts[name][0], counts[name][0] - counts[name][1], voxel)
        for name, (mask, image, voxel) in made.items()
    }


def slice_axis(spacing_mm: Sequence[float]) -> int:
    """The axis along which slices lie: its spacing differs from that of the others, which are alike; else the first.

    Files have their axes in any order: a coronal scan that was turned to right, anterior, superior has its slices
    along the second.
    """
    for axis in range(3):
        one, other = np.delete(spacing_mm, axis)
        if _are_alike(one, other) and not _are_alike(one, spacing_mm[axis]):
            return axis
    return 0


def _are_alike(one: float, other: float) -> bool:
    return abs(one / other - 1) <= ALIKE


def _without_outliers(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask less voxels outside mean +- 3 SD (n - 1); a value on the limit stays."""
    values = volume[mask].astype(np.float64)
    if len(values) < 2:
        return mask
    mean, sd = values.mean(), values.std(ddof=1)
    if not sd > 0:  # the mean of equal values may differ from them in its last digit
        return mask
    kept = mask.copy()
    kept[mask] = (values >= mean - OUTLIER_SDS * sd) & (values <= mean + OUTLIER_SDS * sd)
    return kept


def _as_toolbox(volume, kept, whole, spacing_mm_kji, voxel_size_mm):
    """Crop to the region before outliers were taken out, then resample the box alone."""
    box = box_of(whole, 0)
    image, mask = volume[box].astype(np.float64), kept[box]
    slice_mm, pixel_mm = spacing_mm_kji[0], spacing_mm_kji[1]
    size = voxel_size_mm or pixel_mm
    factors = (slice_mm / size, pixel_mm / size, pixel_mm / size)
    # The toolbox' own test, in its order: half-sized pixels and slices twice as thick pass for isotropic.
    if factors[1] + factors[2] + factors[0] == 3:
        return mask, image, tuple(spacing_mm_kji)
    coordinates = tuple(toolbox_coordinates(n, factor) for n, factor in zip(image.shape, factors, strict=True))
    return nearest(mask, coordinates), interpolate(image, coordinates, outside="zero"), (size, size, size)


def _aligned(volume, kept, whole, spacing_mm_kji, voxel_mm_kji):
    """All regions on one grid, cropped to what holds them all."""
    union = np.logical_or.reduce(list(whole.values()))
    same = np.allclose(spacing_mm_kji, voxel_mm_kji, rtol=SAME_SIZE)
    box = box_of(union, 0 if same else MARGIN)
    image = volume[box].astype(np.float64)
    masks = {name: mask[box] for name, mask in kept.items()}
    if same:
        return {name: (mask, image, tuple(spacing_mm_kji)) for name, mask in masks.items()}
    inner = box_of(union, 0)
    coordinates = tuple(
        aligned_coordinates(edge.start, edge.stop - 1, spacing, voxel) - outer.start
        for edge, outer, spacing, voxel in zip(inner, box, spacing_mm_kji, voxel_mm_kji, strict=True)
    )
    # About a gray value of the regions: weights add up to 1 but for rounding, and a constant must stay one.
    offset = float(volume[union].min())
    image = interpolate(image - offset, coordinates, outside="nearest") + offset
    return {name: (nearest_of_either_side(mask, coordinates), image, voxel_mm_kji) for name, mask in masks.items()}


def box_of(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    """The smallest box around a mask that is not empty, with a margin inside the array."""
    box, part = [], mask
    for axis, size in enumerate(mask.shape):
        # What is outside the axes done already is not looked at again.
        hit = np.flatnonzero(part.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        first, last = int(hit[0]), int(hit[-1])
        box.append(slice(max(first - margin, 0), min(last + 1 + margin, size)))
        part = part[(slice(None),) * axis + (slice(first, last + 1),)]
    return tuple(box)
