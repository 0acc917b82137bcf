"""Which voxels a number is taken from: slice rules, exclusions, erosion; and the statistics of what is left."""

import contextlib
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .errors import InputError
from .voxel_status import StatusCode

SMALL_ROI_VOXELS = 50
MANY_EXCLUDED_FRACTION = 0.25
MANY_FLAGGED_FRACTION = 0.1


class SliceRule(enum.Enum):
    """Slices of the segment that count. Values are the command line's words."""

    LARGEST_SLICE = "largest-slice"
    LARGEST_SLICE_AND_NEIGHBORS = "largest-slice-and-neighbors"
    WHOLE_VOLUME = "whole-volume"

    def label(self) -> str:
        return {
            SliceRule.LARGEST_SLICE: "Slice with the largest area",
            SliceRule.LARGEST_SLICE_AND_NEIGHBORS: "Largest slice and its two neighbors",
            SliceRule.WHOLE_VOLUME: "Whole volume",
        }[self]


@dataclass(frozen=True)
class RoiStatistics:
    """Statistics of a map over a region; in the map's unit.

    Attributes:
        mean_se: standard error of the mean. The larger of what the voxels' own standard errors imply and what their
            scatter implies (SD / sqrt(n)); 0 for a single voxel without a standard error.
        fit_se: the part of it that the fit's standard errors imply, sqrt(sum SE^2) / n, or None without them.
        n_roi: voxels of the region before any exclusion; n_used: voxels that the statistics rest on.
        n_excluded: voxels left out, per reason; each voxel is counted once, under the first reason that holds.
        slices_k: index of each slice that holds used voxels.
        warnings: sentences for the report.
    """

    mean: float
    sd: float
    median: float
    q1: float
    q3: float
    p5: float
    p95: float
    minimum: float
    maximum: float
    mean_se: float
    fit_se: float | None
    n_roi: int
    n_used: int
    n_excluded: dict[str, int]
    slices_k: tuple[int, ...]
    warnings: tuple[str, ...] = ()


def largest_slice(mask_kji: np.ndarray) -> int:
    """Index of the slice (first axis) with the largest area; of equal ones the first.

    Raises:
        InputError: the mask is empty.
    """
    area = np.count_nonzero(mask_kji, axis=(1, 2))
    if not area.any():
        raise InputError("the region of interest is empty", remedy="Draw it on this image")
    return int(area.argmax())


def select_slices(mask_kji: np.ndarray, rule: SliceRule) -> np.ndarray:
    """The part of a mask that a slice rule keeps.

    The largest slice is the ROI of Xu et al. 2023 (BMC Med Imaging 23:69); with its upper and lower neighbor it is that
    of Liu et al. 2022 (Insights Imaging 13:114).

    Args:
        mask_kji: boolean array (slice, row, column).
    """
    if rule is SliceRule.WHOLE_VOLUME:
        largest_slice(mask_kji)  # refuses an empty mask
        return mask_kji.astype(bool)
    reach = 1 if rule is SliceRule.LARGEST_SLICE_AND_NEIGHBORS else 0
    center = largest_slice(mask_kji)
    kept = np.zeros(mask_kji.shape, dtype=bool)
    slices = slice(max(0, center - reach), center + reach + 1)
    kept[slices] = mask_kji[slices]
    return kept


def erode_in_plane_mm(
    mask_kji: np.ndarray, spacing_mm_kji: tuple[float, float, float], distance_mm: float
) -> np.ndarray:
    """Take ``distance_mm`` off the rim of each slice's outline, to keep partial volume at the tumor's border out.

    In the plane only: slices are several millimeters thick, and a distance through the slice would remove whole
    slices. A voxel stays if its center is farther than the distance from the nearest voxel center outside. The edge of
    the image is no rim: what lies beyond it is unknown.
    """
    if distance_mm <= 0:
        return mask_kji.astype(bool)
    eroded = np.zeros(mask_kji.shape, dtype=bool)
    for k in np.flatnonzero(mask_kji.any(axis=(1, 2))):
        if mask_kji[k].all():
            eroded[k] = True
        else:
            eroded[k] = ndimage.distance_transform_edt(mask_kji[k], sampling=spacing_mm_kji[1:]) > distance_mm
    return eroded


def usable_voxels(
    roi: np.ndarray,
    status: np.ndarray | None = None,
    exclusions: Mapping[str, np.ndarray] | None = None,
    *,
    status_codes: type[StatusCode] | None = None,
    keep_flagged: bool = True,
) -> tuple[np.ndarray, dict[str, int]]:
    """The voxels of a region that statistics may use, and how many are left out for which reason.

    Arguments as in :func:`roi_statistics`. A voxel is counted once, under the first reason that holds: exclusions in
    their order, then the status.
    """
    used, n_excluded = roi.astype(bool), {}
    for name, mask in (exclusions or {}).items():
        used, n_excluded = _leave_out(used, n_excluded, f"segment {name}", mask.astype(bool))
    for reason in status_codes if status is not None else ():
        if not reason.is_fitted or (reason != 0 and not keep_flagged):
            used, n_excluded = _leave_out(used, n_excluded, reason.label(), status == reason)
    return used, n_excluded


def _leave_out(
    used: np.ndarray, n_excluded: dict[str, int], reason: str, mask: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    n = int(np.count_nonzero(used & mask))
    return (used & ~mask, {**n_excluded, reason: n_excluded.get(reason, 0) + n}) if n else (used, n_excluded)


def _flagged(
    used: np.ndarray, status: np.ndarray | None, status_codes: type[StatusCode] | None
) -> dict[StatusCode, int]:
    """Used voxels that carry a warning."""
    if status is None:
        return {}
    reasons = [reason for reason in status_codes if reason.is_fitted and reason != 0]
    return {reason: int(np.count_nonzero(used & (status == reason))) for reason in reasons}


def roi_statistics(
    values: np.ndarray,
    roi: np.ndarray,
    *,
    standard_errors: np.ndarray | None = None,
    status: np.ndarray | None = None,
    status_codes: type[StatusCode] | None = None,
    exclusions: Mapping[str, np.ndarray] | None = None,
    keep_flagged: bool = True,
) -> RoiStatistics:
    """Statistics of ``values`` over ``roi`` less the exclusions and the voxels that were not fitted.

    Args:
        values, standard_errors, status: maps of one shape.
        status_codes: the enumeration that ``status`` holds (VoxelStatus, PerfusionStatus).
        roi: boolean mask of that shape.
        exclusions: named masks to leave out (air, necrosis, vessels), applied in their order.
        keep_flagged: keep voxels that have a value and a remark, such as a poor fit (they are reported in a
            warning); False leaves them out.

    Raises:
        InputError: no voxel is left.
    """
    used, n_excluded = usable_voxels(roi, status, exclusions, status_codes=status_codes, keep_flagged=keep_flagged)
    n_roi = int(np.count_nonzero(roi))
    used, n_excluded = _leave_out(used, n_excluded, "not a number", ~np.isfinite(values))
    sample = values[used].astype(np.float64)
    if sample.size == 0:
        told = ", ".join(f"{n} {reason}" for reason, n in n_excluded.items()) or "the region is empty"
        raise InputError(f"no voxel of the region of interest is left ({told})", remedy="Redraw it or its exclusions")
    scatter_se = sample.std(ddof=1) / np.sqrt(sample.size) if sample.size > 1 else 0.0
    fit_se = None
    if standard_errors is not None:
        fit_se = float(np.sqrt(np.sum(standard_errors[used].astype(np.float64) ** 2)) / sample.size)
    p5, q1, median, q3, p95 = np.percentile(sample, [5, 25, 50, 75, 95])
    return RoiStatistics(
        mean=float(sample.mean()),
        sd=float(sample.std(ddof=1)) if sample.size > 1 else 0.0,
        median=float(median),
        q1=float(q1),
        q3=float(q3),
        p5=float(p5),
        p95=float(p95),
        minimum=float(sample.min()),
        maximum=float(sample.max()),
        mean_se=float(max(scatter_se, fit_se or 0.0)),
        fit_se=fit_se,
        n_roi=n_roi,
        n_used=int(sample.size),
        n_excluded=n_excluded,
        slices_k=tuple(int(k) for k in np.flatnonzero(used.any(axis=(1, 2)))) if used.ndim == 3 else (),
        warnings=_warnings(n_roi, sample.size, n_excluded, _flagged(used, status, status_codes)),
    )


@dataclass(frozen=True)
class SliceMeans:
    """The mean of the slices' means, in which each slice weighs the same, however large its region is.

    This is how Liu et al. 2022 (Insights Imaging 13:114) take a tumor's blood flow from three slices.

    Attributes:
        mean, mean_se: in the map's unit; the slices' errors are taken as independent.
        by_slice: statistics of each slice that has used voxels, in the order of the slices.
    """

    mean: float
    mean_se: float
    by_slice: tuple[RoiStatistics, ...]


def mean_of_slice_means(values: np.ndarray, roi: np.ndarray, **options) -> SliceMeans:
    """Average the means of the slices of a region.

    Args:
        values, roi: KJI.
        options: as in :func:`roi_statistics`.

    Raises:
        InputError: no voxel is left in any slice.
    """
    roi_statistics(values, roi, **options)  # refuses a region of which nothing is left
    by_slice = []
    for k in np.flatnonzero(roi.any(axis=(1, 2))):
        one_slice = np.zeros_like(roi, dtype=bool)
        one_slice[k] = roi[k]
        with contextlib.suppress(InputError):  # a slice that the exclusions use up does not count
            by_slice.append(roi_statistics(values, one_slice, **options))
    n = len(by_slice)
    mean_se = math.sqrt(sum(part.mean_se**2 for part in by_slice)) / n
    return SliceMeans(sum(part.mean for part in by_slice) / n, mean_se, tuple(by_slice))


def _warnings(n_roi: int, n_used: int, n_excluded: dict[str, int], flagged: dict[StatusCode, int]) -> tuple[str, ...]:
    warnings = []
    if n_used < SMALL_ROI_VOXELS:
        voxels = "1 voxel is" if n_used == 1 else f"{n_used} voxels are"
        warnings.append(f"Only {voxels} used (fewer than {SMALL_ROI_VOXELS}): the mean is uncertain.")
    n_unfit = sum(n for reason, n in n_excluded.items() if not reason.startswith("segment "))
    if n_unfit > MANY_EXCLUDED_FRACTION * n_roi:
        warnings.append(f"{n_unfit} of {n_roi} voxels of the region could not be fitted.")
    for reason, n in flagged.items():
        if n > _expected_by_chance(reason, n_used):
            remedy = f" {reason.remedy}" if reason.remedy else ""
            warnings.append(f"{n} of {n_used} used voxels: {reason.label()} (kept in the statistics).{remedy}")
    return tuple(warnings)


def _expected_by_chance(reason: StatusCode, n_used: int) -> float:
    """So many flagged voxels are no news: false alarms, which come nine together, and three times their SD."""
    rate = reason.false_alarm_rate
    if rate is None:
        return MANY_FLAGGED_FRACTION * n_used
    return rate * n_used + 3 * np.sqrt(9 * rate * (1 - rate) * n_used)
