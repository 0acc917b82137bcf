"""The region that is measured: a segment after its slice rule and erosion, less the segments that are left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..measurement import Measurement
from ..rois import SliceRule, erode_in_plane_mm, select_slices
from .geometry import matrix_of, volume_scale
from .segments import SegmentMask, segment_id_by_name, segment_mask

# Less than this share of a segment outside the image is the rim of its voxels.
MIN_OUTSIDE_FRACTION = 0.005
MAX_GRID_VOLUME_CHANGE = 0.15
MM3_PER_ML = 1000.0
NATIVE_GRID = "voxels of the segmentation's own grid"
MAP_GRID = "voxels of the map's grid"


@dataclass(frozen=True)
class Region:
    """Masks on the grid of an image, KJI.

    Attributes:
        segment: the whole segment.
        exclusions: segments that are left out; they may be empty.
        mask: the segment after slice rule and erosion, before any exclusion.
        voxel_ml: volume of one voxel of the image in world coordinates.
    """

    segment: SegmentMask
    exclusions: tuple[SegmentMask, ...]
    mask: np.ndarray
    voxel_ml: float

    @property
    def exclusion_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(segment.name for segment in self.exclusions))

    def exclusion_masks(self) -> dict[str, np.ndarray]:
        """By name; segments of the same name are one."""
        masks: dict[str, np.ndarray] = {}
        for segment in self.exclusions:
            masks[segment.name] = masks.get(segment.name, False) | segment.mask
        return masks

    def warnings(self) -> list[str]:
        """What the grid of the image does to the segments."""
        segment, warnings = self.segment, []
        if segment.outside_fraction > MIN_OUTSIDE_FRACTION:
            warnings.append(
                f"{100 * segment.outside_fraction:.0f} % of segment {segment.name} lies outside the image and is not "
                "measured."
            )
        inside_ml = segment.volume_ml * (1 - segment.outside_fraction)
        change = np.count_nonzero(segment.mask) * self.voxel_ml / inside_ml - 1
        if abs(change) > MAX_GRID_VOLUME_CHANGE:
            warnings.append(
                f"On the voxels of this image segment {segment.name} is {abs(change):.0%} "
                f"{'larger' if change > 0 else 'smaller'} than drawn: it is small against them."
            )
        for other in self.exclusions:
            if not other.mask.any():
                warnings.append(f"Segment {other.name}, to be left out, holds no voxel of this image.")
        return warnings


@dataclass(frozen=True)
class Segments:
    """The segment to measure and those to leave out, as masks on the grid of one image."""

    segment: SegmentMask
    exclusions: tuple[SegmentMask, ...]
    where: str

    def on_grid(self, move: Callable[[np.ndarray], np.ndarray]) -> "Segments":
        """The same on another grid; ``move`` takes a mask there."""
        moved = [replace(segment, mask=move(segment.mask)) for segment in (self.segment, *self.exclusions)]
        return Segments(moved[0], tuple(moved[1:]), self.where)


def read_segments(segmentation, segment_id: str, exclusion_ids: Sequence[str], reference_volume) -> Segments | None:
    """Segments on the grid of a volume node; None without a segmentation.

    Args:
        segment_id: may be "" for a segmentation with one segment.

    Raises:
        InputError: segments without a segmentation, a segment that is empty, outside the image, or both measured and
            left out.
    """
    if segmentation is None:
        if segment_id or len(exclusion_ids):
            raise InputError("segments were named, but no segmentation was given", remedy="Choose the segmentation")
        return None
    segment_id = segment_id or segment_id_by_name(segmentation, "")
    if segment_id in exclusion_ids:
        name = segmentation.GetSegmentation().GetSegment(segment_id).GetName()
        raise InputError(f"segment {name} is both measured and left out", remedy="Take it off one of the two")
    segment = segment_mask(segmentation, segment_id, reference_volume)
    exclusions = tuple(
        segment_mask(segmentation, other, reference_volume, allow_empty=True) for other in dict.fromkeys(exclusion_ids)
    )
    return Segments(segment, exclusions, f"segmentation {segmentation.GetName()}")


def form_region(segments: Segments | None, volume, *, slice_rule: SliceRule, erosion_mm: float) -> Region | None:
    """The region that segments give by a slice rule and an erosion; None without segments.

    Args:
        segments: masks on the grid of ``volume``.

    Raises:
        InputError: nothing is left of the segment.
    """
    if segments is None:
        return None
    name = segments.segment.name
    if not segments.segment.mask.any():
        raise InputError(f"segment {name} holds no voxel of the image", where=segments.where, remedy="Draw it larger")
    axes = matrix_of(volume)[:3, :3]
    spacing_mm_kji = tuple(float(length) for length in np.linalg.norm(axes, axis=0)[::-1])
    mask = erode_in_plane_mm(select_slices(segments.segment.mask, slice_rule), spacing_mm_kji, erosion_mm)
    if not mask.any():
        raise InputError(
            f"nothing is left of segment {name} after eroding it by {erosion_mm:g} mm",
            where=segments.where,
            remedy="Erode less",
        )
    voxel_ml = float(abs(np.linalg.det(axes))) * volume_scale(volume) / MM3_PER_ML
    return Region(segments.segment, segments.exclusions, mask, voxel_ml)


# -- rows --


def volume_rows(region: Region, row: Callable[..., Measurement], n_used: int) -> tuple[Measurement, Measurement]:
    """Volumes of the voxels that were measured, and of the segment as it was drawn.

    Args:
        row: makes a row from what, value, unit, and whatever differs from the region's other rows.
    """
    return (
        row("Volume of the measured voxels", n_used * region.voxel_ml, "mL", method=MAP_GRID),
        row(
            "Volume of the segment",
            region.segment.volume_ml,
            "mL",
            roi_rule=SliceRule.WHOLE_VOLUME.label(),
            method=NATIVE_GRID,
            parameters="",
            n_used=region.segment.n_native_voxels,
            n_excluded=0,
            excluded_reasons="",
        ),
    )


def region_rule(settings) -> str:
    """In words, from settings with slice_rule and erosion_mm."""
    rule = settings.slice_rule.label()
    return f"{rule}, eroded by {settings.erosion_mm:g} mm" if settings.erosion_mm else rule
