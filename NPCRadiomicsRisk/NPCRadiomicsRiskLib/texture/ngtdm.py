"""Neighborhood gray-tone difference: a level against the mean of its neighbors (Amadasun and King, IEEE SMC 1989)."""

from dataclasses import dataclass

import numpy as np

from .region_levels import RegionLevels, distance

EPSILON = np.finfo(np.float64).eps
MOST_PAIRS = 1 << 22  # of levels at a time, so that 65,535 levels need no more memory than 256


@dataclass(frozen=True, eq=False)
class ToneDifferences:
    """Attributes:
    sums: for each level from 1 to n, the sum over its voxels of |level - weighted mean of the neighbors|.
    counts: how many voxels of the level have a neighbor.
    """

    sums: np.ndarray
    counts: np.ndarray


def tone_differences(levels: RegionLevels, *, weighted: bool) -> list[ToneDifferences]:
    """One per region. Neighbors are the up to 26 voxels around that belong to the same region.

    Args:
        weighted: neighbors count by 1 over their distance, as in the TextureToolbox; else alike.
    """
    keys, inside = levels.keys, levels.inside
    region, level = levels.region_and_level(keys[inside])
    total, weight_sum = np.zeros((2, len(inside)))
    for step, direction in levels.steps:
        weight = 1 / distance(direction) if weighted else 1.0
        for signed in (step, -step):
            other_region, other = levels.region_and_level(keys[inside + signed])
            same = (other > 0) & (other_region == region)
            total += weight * np.where(same, other, 0)
            weight_sum += weight * same
    valid = weight_sum > 0
    difference = np.abs(level[valid] - total[valid] / weight_sum[valid])
    size = levels.n_levels + 1
    code = region[valid] * size + level[valid]
    sums = np.bincount(code, weights=difference, minlength=levels.n_regions * size).reshape(-1, size)
    counts = np.bincount(code, minlength=levels.n_regions * size).reshape(-1, size)
    return [ToneDifferences(s[1:], c[1:].astype(np.float64)) for s, c in zip(sums, counts, strict=True)]


def tone_difference_features(found: ToneDifferences) -> dict[str, float]:
    """The five features. With p = counts / N, s = sums, over levels that occur, of which there are n:

    Coarseness = 1 / sum p s; Contrast = sum_ij p_i p_j (i-j)^2 sum s / (n (n-1) N);
    Busyness = sum p s / sum_ij |i p_i - j p_j|; Complexity = sum_ij |i-j| (p_i s_i + p_j s_j) / (N (p_i + p_j));
    Strength = sum_ij (p_i + p_j) (i-j)^2 / sum s.

    Without any voxel that has a neighbor Complexity and Strength are 0, as in the TextureToolbox, the others NaN.
    """
    total = found.counts.sum()
    if not total:
        return {"Coarseness": np.nan, "Contrast": np.nan, "Busyness": np.nan, "Complexity": 0.0, "Strength": 0.0}
    level = np.flatnonzero(found.counts) + 1.0
    s, p = found.sums[found.counts > 0], found.counts[found.counts > 0] / total
    n = len(level)
    weighted = (p * s).sum()
    spread, busy, complexity, strength = _pair_sums(level, p, s)
    return {
        "Coarseness": float(1 / (weighted + EPSILON)),
        "Contrast": float(spread * s.sum() / (n * (n - 1) * total)) if n > 1 else np.nan,
        "Busyness": float(weighted / busy) if busy > 0 else np.nan,
        "Complexity": float(complexity / total),
        "Strength": float(strength / (EPSILON + s.sum())),
    }


def _pair_sums(level: np.ndarray, p: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Sums over all pairs of levels, for Contrast, Busyness, Complexity and Strength, less their constant factors."""
    sums, n_rows = np.zeros(4), max(1, MOST_PAIRS // len(level))
    for start in range(0, len(level), n_rows):
        rows = slice(start, start + n_rows)
        gap, both = np.abs(level[rows, None] - level), p[rows, None] + p
        sums[0] += (p[rows, None] * p * gap**2).sum()
        sums[1] += np.abs((level * p)[rows, None] - level * p).sum()
        sums[2] += (gap * ((p * s)[rows, None] + p * s) / both).sum()
        sums[3] += (both * gap**2).sum()
    return sums
