"""From a map to a region that could be boosted, by a stated rule."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, label

from NPCResponseLib.errors import InputError

MM3_PER_CM3 = 1000.0
KERNEL_SDS = 3.0


@dataclass(frozen=True)
class BoostRule:
    """How a region is taken from a map.

    Attributes:
        volume_share: of the tumor's volume, that with the highest values (0 to 1).
        smoothing_mm: SD of the Gaussian that the map is smoothed with inside the tumor before; 0 for none.
        smallest_island_mm3: parts (touching by faces) below this volume are dropped.
    """

    volume_share: float = 0.2
    smoothing_mm: float = 2.0
    smallest_island_mm3: float = 100.0

    def __post_init__(self):
        if not 0 < self.volume_share < 1:
            raise InputError(f"a share of {self.volume_share} of the tumor is none", remedy="Give 0.01 to 0.99")
        if not (0 <= self.smoothing_mm < np.inf and 0 <= self.smallest_island_mm3 < np.inf):
            raise InputError("smoothing and smallest island must be 0 or more", remedy="Give mm and mm3")


@dataclass(frozen=True, eq=False)
class BoostSuggestion:
    """A suggested region.

    Attributes:
        mask: boolean KJI.
        volume_cm3, share: its volume, and that as a share of the tumor's.
        threshold: lowest smoothed value taken; NaN if the map has no highest part.
        n_islands, n_dropped: separate parts kept, and dropped as too small.
        dropped_cm3: volume of the latter.
        sentence: what was done, with the numbers.
        warnings: each a sentence.
    """

    mask: np.ndarray
    volume_cm3: float
    share: float
    threshold: float
    n_islands: int
    n_dropped: int
    dropped_cm3: float
    sentence: str
    warnings: tuple[str, ...]


def suggest_boost(
    values: np.ndarray,
    tumor_mask: np.ndarray,
    spacing_mm_kji: tuple[float, float, float],
    rule: BoostRule = BoostRule(),
) -> BoostSuggestion:
    """Take the part of a tumor where a map is highest.

    Args:
        values: of the map at the tumor's voxels (n,), in the order of ``image[tumor_mask]``.
        tumor_mask: boolean KJI.
        spacing_mm_kji: voxel size.

    Raises:
        InputError: empty mask, or a number of values that is not that of the mask's voxels.
    """
    inside = np.asarray(tumor_mask) != 0
    if not inside.any() or len(values) != inside.sum():
        raise InputError(f"{len(values)} values of a map do not fit a mask of {inside.sum()} voxels")
    spans = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    cut = tuple(slice(span[0], span[-1] + 1) for span in spans)
    tumor = inside[cut]
    smoothed = smoothed_inside(values, tumor, spacing_mm_kji, rule.smoothing_mm)
    voxel_cm3 = float(np.prod(spacing_mm_kji)) / MM3_PER_CM3
    mask = np.zeros(inside.shape, bool)
    # What rounding of the smoothing makes of a constant map is no difference.
    if np.ptp(smoothed) <= 1e-12 * np.abs(smoothed).max():
        sentence = "No region is suggested: the map has the same value in the whole tumor."
        return BoostSuggestion(mask, 0.0, 0.0, float("nan"), 0, 0, 0.0, sentence, ())
    n_wanted = max(1, round(rule.volume_share * len(smoothed)))
    threshold = float(np.partition(smoothed, -n_wanted)[-n_wanted])
    highest = np.zeros(tumor.shape, bool)
    highest[tumor] = smoothed >= threshold
    kept, n_kept, n_dropped = _large_islands(highest, rule.smallest_island_mm3 / MM3_PER_CM3 / voxel_cm3)
    mask[cut] = kept
    volume, dropped = kept.sum() * voxel_cm3, (highest.sum() - kept.sum()) * voxel_cm3
    share = kept.sum() / len(smoothed)
    sentence = _sentence(rule, volume, share, n_kept, n_dropped, dropped)
    warnings = []
    if highest.sum() > 1.5 * n_wanted:
        warnings.append("Many voxels share the lowest value that was taken, so more than the asked share was.")
    if not kept.any():
        warnings.append("All parts are smaller than the smallest island: smooth more, or allow smaller ones.")
    return BoostSuggestion(mask, volume, share, threshold, n_kept, n_dropped, dropped, sentence, tuple(warnings))


def smoothed_inside(values: np.ndarray, tumor: np.ndarray, spacing_mm_kji, smoothing_mm: float) -> np.ndarray:
    """Gaussian mean of the values (n,) over the tumor's voxels only: nothing outside is taken for a value."""
    if smoothing_mm == 0:
        return np.asarray(values, np.float64)
    sigma = [smoothing_mm / size for size in spacing_mm_kji]
    image = np.zeros(tumor.shape)
    image[tumor] = values
    weight = gaussian_filter(tumor.astype(np.float64), sigma, mode="constant", truncate=KERNEL_SDS)
    return (gaussian_filter(image, sigma, mode="constant", truncate=KERNEL_SDS)[tumor]) / weight[tumor]


def _large_islands(region: np.ndarray, fewest_voxels: float) -> tuple[np.ndarray, int, int]:
    """The parts of at least so many voxels, and the numbers of parts kept and dropped."""
    parts, n_parts = label(region)
    keep = np.bincount(parts.reshape(-1), minlength=n_parts + 1) >= fewest_voxels * (1 - 1e-9)
    keep[0] = False
    return keep[parts], int(keep.sum()), n_parts - int(keep.sum())


def _sentence(rule: BoostRule, volume: float, share: float, n_kept: int, n_dropped: int, dropped: float) -> str:
    smoothing = f" after smoothing by {rule.smoothing_mm:g} mm" if rule.smoothing_mm else ""
    less = f", less {n_dropped} islands below {rule.smallest_island_mm3:g} mm3 ({dropped:.2g} cm3)" if n_dropped else ""
    parts = "1 part" if n_kept == 1 else f"{n_kept} parts"
    return (
        f"The {100 * rule.volume_share:.3g} % of the tumor with the highest values{smoothing}{less}: "
        f"{volume:.2f} cm3 in {parts}, {100 * share:.1f} % of the tumor."
    )
