"""Local neighborhood gray tone difference (NGTDM) features: each neighborhood is a region of its own.

A voxel's tone is compared with the mean of its neighbors that lie in the same box and in the tumor, so a voxel near the
side of the box has fewer of them. Which ones is the same for all boxes, and there are at most 27 ways to be near a
side: 27 images of differences serve all neighborhoods.

Two definitions (Amadasun & King 1989, IEEE Trans Syst Man Cybern 19:1264, in both):

* "pyradiomics": PyRadiomics 3.0.1, ngtdm.py. Neighbors weigh 1; a voxel without a neighbor counts with difference 0;
  1e6 for Coarseness, and 0 for the others, where a sum to divide by is 0. Busyness differs where i p_i = j p_j for all
  levels: 0 here, the inverse of a rounding error there.
* "toolbox": the software of the sub-region paper (shared research/radiomics.md, section 1.2). Neighbors weigh 1 over
  their distance in voxels; a voxel without a neighbor is left out; eps is added to the divisors of Coarseness and
  Strength, and where Busyness or Contrast is 0 / 0, or Coarseness has no voxel to go by, the value is
  missing.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from NPCResponseLib.errors import InputError

from .local_neighborhood import LocalFeatures, Neighborhoods, Radius, neighborhoods
from .local_pair_counts import ABSENT, runs_of_sorted

LOCAL_NGTDM_FEATURES = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")
DEFINITIONS = ("pyradiomics", "toolbox")
UNDEFINED = "neighborhoods of a single level or without neighbors, where 0 would be divided by 0"
EPSILON = np.spacing(1.0)
NEIGHBOR_STEPS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if any(step))


def local_ngtdm(
    levels: np.ndarray,
    tumor_mask: np.ndarray,
    radius: Radius = 1,
    features: Iterable[str] = LOCAL_NGTDM_FEATURES,
    *,
    definition: str = "pyradiomics",
    progress: Callable[[float], None] | None = None,
) -> LocalFeatures:
    """Local NGTDM features.

    Args:
        levels: gray levels KJI, whole numbers from 1.
        tumor_mask: boolean KJI.
        radius: half-width of the neighborhood in voxels.
        features: of LOCAL_NGTDM_FEATURES.
        definition: "pyradiomics" or "toolbox".
        progress: told the fraction done.

    Returns:
        Columns "NGTDM_<feature>"; with "toolbox" NaN where the definition has no value.

    Raises:
        InputError: unknown feature or definition, levels or mask that cannot be used.
    """
    names = tuple(dict.fromkeys(features))
    unknown = [name for name in names if name not in LOCAL_NGTDM_FEATURES]
    if unknown or definition not in DEFINITIONS:
        what = f"feature {unknown[0]!r}" if unknown else f"definition {definition!r}"
        raise InputError(f"there is no local NGTDM {what}", remedy=f"Known: {LOCAL_NGTDM_FEATURES}, {DEFINITIONS}")
    around = neighborhoods(tumor_mask, radius, levels)
    offsets = list(itertools.product(*(range(-r, r + 1) for r in around.radius_kji)))
    differences = _differences_near_sides(around, offsets, definition)
    flat = np.ravel_multi_index(tuple(around.coordinates), around.mask.shape)
    columns = {f"NGTDM_{name}": np.zeros(around.n_voxels) for name in names}
    # Differences, codes and their sorted copies: some 40 bytes for each place.
    for rows in around.chunks(40 * len(offsets)):
        tones = _Tones(around, flat[rows], offsets, differences)
        for name in names:
            columns[f"NGTDM_{name}"][rows] = tones.feature(name, definition)
        if progress:
            progress(rows.stop / around.n_voxels)
    undefined = {name: f"{np.sum(np.isnan(v))} {UNDEFINED}" for name, v in columns.items() if np.isnan(v).any()}
    return LocalFeatures(columns, np.asarray(tumor_mask) != 0, around.radius_kji, undefined)


def _sides(offset: tuple[int, ...], radius_kji: tuple[int, int, int]) -> tuple[tuple[bool, bool], ...]:
    """For each axis, whether there is a place before and one after this one in the box."""
    return tuple((along > -r, along < r) for along, r in zip(offset, radius_kji, strict=True))


def _differences_near_sides(
    around: Neighborhoods, offsets, definition: str
) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
    """For each way to be near sides of the box: flat images of |level - mean of neighbors| and of which voxels count.

    Means of differences, not differences of means: exactly 0 where all neighbors have the voxel's level.
    """
    by_step = {}
    for step in NEIGHBOR_STEPS:
        _, neighbor = around.pair_ends(around.levels, step)
        weight = 1.0 if definition == "pyradiomics" else 1 / np.sqrt(sum(abs(s) for s in step))
        weights = weight * ((neighbor > 0) & around.mask)
        by_step[step] = (weights * (neighbor - around.levels), weights)
    images = {}
    for sides in {_sides(offset, around.radius_kji) for offset in offsets}:
        total, weight_sum = np.zeros(around.mask.shape), np.zeros(around.mask.shape)
        for step, (weighted, weights) in by_step.items():
            if all(s == 0 or side[s > 0] for s, side in zip(step, sides, strict=True)):
                total += weighted
                weight_sum += weights
        difference = np.abs(total) / np.where(weight_sum > 0, weight_sum, 1)
        counts = around.mask if definition == "pyradiomics" else weight_sum > 0
        images[sides] = (difference.reshape(-1), np.ascontiguousarray(counts).reshape(-1))
    return images


class _Tones:
    """The NGTDM of a chunk of neighborhoods, as one row per neighborhood and level present (a "run").

    Attributes:
        i, n, s: level, number of voxels and sum of differences of each run; 0 in runs of absent voxels.
        total, n_levels, sum_s, sum_ns: of each neighborhood: counted voxels, levels, and sums of s and n s.
    """

    def __init__(self, around: Neighborhoods, flat: np.ndarray, offsets, differences):
        codes, spread = self._places(around, flat, offsets, differences)
        codes.sort(axis=1)
        bits = _bits(len(offsets))
        place = (codes & np.uint32(2**bits - 1)).astype(np.intp)
        place[codes == ABSENT] = 0
        runs = runs_of_sorted(codes >> np.uint32(bits), ABSENT >> bits)
        sums = np.add.reduceat(np.take_along_axis(spread, place, axis=1).reshape(-1), runs.starts)
        self._runs = runs
        self.n = runs.lengths
        self.i = np.where(self.n > 0, runs.codes.astype(np.int64), 0)
        self.s = np.where(self.n > 0, sums, 0)
        self.total = runs.row_sums(self.n)
        self.n_levels = runs.row_sums((self.n > 0).astype(np.int64))
        self.sum_s = runs.row_sums(self.s)
        self.sum_ns = runs.row_sums(self.n * self.s)

    @staticmethod
    def _places(around: Neighborhoods, flat, offsets, differences) -> tuple[np.ndarray, np.ndarray]:
        """Level and place of each voxel of the boxes as one code, and its difference from its neighbors."""
        bits = np.uint32(_bits(len(offsets)))
        levels = around.levels.reshape(-1).astype(np.uint32) << bits
        strides = np.array(around.mask.strides) // around.mask.itemsize
        codes = np.empty((len(flat), len(offsets)), np.uint32)
        spread = np.empty((len(flat), len(offsets)))
        for place, offset in enumerate(offsets):
            difference, counts = differences[_sides(offset, around.radius_kji)]
            at = flat + int(np.dot(offset, strides))
            codes[:, place] = np.where(counts[at], levels[at] | np.uint32(place), ABSENT)
            spread[:, place] = difference[at]
        return codes, spread

    def feature(self, name: str, definition: str) -> np.ndarray:
        """Values (neighborhoods,) by the definition; NaN where the toolbox divides 0 by 0."""
        above, below = getattr(self, f"_{name.lower()}")()
        if definition == "toolbox" and name in ("Coarseness", "Strength"):
            below = below + EPSILON
        # Without any voxel that counts, these two sums over pairs are 0 in both.
        if definition == "pyradiomics" or name in ("Complexity", "Strength"):
            in_their_place = 1e6 if name == "Coarseness" else 0.0
        else:
            in_their_place = np.nan
        missing = (below == 0) | (self.total == 0)
        return np.where(missing, in_their_place, above / np.where(missing, 1, below))

    def _coarseness(self):
        n = np.maximum(self.total, 1)
        return np.ones(len(n)), self.sum_ns / n

    def _contrast(self):
        """sum_ij p_i p_j (i - j)^2 is twice the variance of the levels, from whole numbers."""
        n = np.maximum(self.total, 1)
        first, second = self._runs.row_sums(self.n * self.i), self._runs.row_sums(self.n * self.i**2)
        spread = 2 * (n * second - first**2) / n**2.0
        return spread * self.sum_s / n, (self.n_levels * (self.n_levels - 1.0))

    def _busyness(self):
        """sum_ij |i p_i - j p_j| over sorted i n_i: added for each level below and taken away for each above."""
        products = self._padded(self.i * self.n, np.iinfo(np.int64).max)
        products.sort(axis=1)
        rank = np.arange(products.shape[1])
        times = 2 * rank - self.n_levels[:, None] + 1
        spread = 2 * np.sum(np.where(rank < self.n_levels[:, None], products, 0) * times, axis=1)
        return self.sum_ns / np.maximum(self.total, 1), spread / np.maximum(self.total, 1)

    def _strength(self):
        """sum_ij (p_i + p_j) (i - j)^2 = 2 sum_i p_i sum_j (i - j)^2 over the levels present, from whole numbers."""
        row_sums = self._runs.row_sums
        first, second = row_sums(self.n * self.i), row_sums(self.n * self.i**2)
        # Runs of absent voxels have level 0 and add nothing.
        spread = self.n_levels * second - 2 * first * row_sums(self.i) + self.total * row_sums(self.i**2)
        return 2 * spread / np.maximum(self.total, 1), self.sum_s

    def _complexity(self):
        """sum_ij |i - j| (n_i s_i + n_j s_j) / (n_i + n_j) / N, for all levels j of one count at a time.

        Levels are in order, so that sum_j |i - j| over such levels follows from running sums. There are few counts,
        for they add up to the size of the box.
        """
        level, n, ns = (self._padded(v.astype(float), 0.0) for v in (self.i, self.n, self.n * self.s))
        total = np.zeros(len(level))
        for count in np.unique(self.n[self.n > 0]):
            of_count = n == count
            number = np.cumsum(of_count, axis=1)
            levels = np.cumsum(of_count * level, axis=1)
            distances = level * (2 * number - number[:, -1:]) - (2 * levels - levels[:, -1:])
            total += np.sum(ns * distances / (n + count), axis=1)
        return 2 * total, self.total.astype(float)

    def _padded(self, values: np.ndarray, filling) -> np.ndarray:
        """Values of the runs of each neighborhood as a row, filled up to the largest number of levels."""
        row = np.repeat(np.arange(len(self.total)), np.diff(self._runs.first_of_row, append=len(values)))
        place = np.arange(len(values)) - self._runs.first_of_row[row]
        present = self.n > 0
        padded = np.full((len(self.total), max(1, int(self.n_levels.max()))), filling, values.dtype)
        padded[row[present], place[present]] = values[present]
        return padded


def _bits(n_places: int) -> int:
    return max(1, (n_places - 1).bit_length())
