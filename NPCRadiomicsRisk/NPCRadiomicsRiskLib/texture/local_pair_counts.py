"""How often each pair of levels occurs in a neighborhood, without a matrix: sorted codes and lengths of their runs.

The cost is that of sorting the pairs of a neighborhood, whatever the number of gray levels. An unordered pair of two
levels that occurs n times of N fills two cells of the symmetric matrix with n / 2N each; one of equal levels fills one
cell with n / N.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .local_neighborhood import Neighborhoods

COUNT_FEATURES = ("JointEnergy", "JointEntropy", "MaximumProbability")
ABSENT = np.iinfo(np.uint32).max


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of equal codes in the sorted rows of a chunk.

    Attributes:
        lengths: how often each code occurs (n_runs,), 0 for the places without a value.
        codes: of each run.
        starts: where each run starts in the flattened rows.
        first_of_row: index of each row's first run.
    """

    lengths: np.ndarray
    codes: np.ndarray
    starts: np.ndarray
    first_of_row: np.ndarray

    def row_sums(self, values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, self.first_of_row)

    def row_maxima(self, values: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(values, self.first_of_row)


def runs_of_sorted(codes: np.ndarray, absent: int = ABSENT) -> Runs:
    """Runs of (rows, places) codes that are sorted along the rows; ``absent``, the largest, is no value."""
    rows, places = codes.shape
    is_start = np.empty(codes.shape, bool)
    is_start[:, 0] = True
    np.not_equal(codes[:, 1:], codes[:, :-1], out=is_start[:, 1:])
    starts = np.flatnonzero(is_start)
    lengths = np.diff(starts, append=codes.size)
    first_of_row = np.searchsorted(starts, np.arange(rows) * places)
    last_of_row = np.append(first_of_row[1:], len(starts)) - 1
    lengths[last_of_row[codes[:, -1] == absent]] = 0
    return Runs(lengths, codes.reshape(-1)[starts], starts, first_of_row)


def pair_codes(first: np.ndarray, second: np.ndarray, pairs: np.ndarray, n_levels: int) -> np.ndarray:
    """A number for each unordered pair of levels, those of equal levels first (their level); ABSENT outside."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    codes = np.where(low == high, low, n_levels + 1 + high * (high - 1) // 2 + low)
    return np.where(pairs, codes, ABSENT).astype(np.uint32)


def pair_count_features(
    around: Neighborhoods, step, first, second, pairs, n_pairs: np.ndarray, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """JointEntropy, JointEnergy and MaximumProbability (n_voxels,) of one direction; 0 where it has no pair."""
    if not names:
        return {}
    n_levels = around.largest_level
    boxes = around.boxes(pair_codes(first, second, pairs, n_levels), step)
    n_places = int(np.prod(boxes.shape[3:]))
    counts = np.arange(n_places + 1)
    count_log_count = counts * np.log2(np.maximum(counts, 1))
    found = {name: np.zeros(around.n_voxels) for name in names}
    # The sorted codes and the whole numbers of their runs: about four times their own 4 bytes.
    for rows in around.chunks(20 * n_places):
        codes = around.gather(boxes, rows, step)
        codes.sort(axis=1)
        runs = runs_of_sorted(codes)
        n = np.maximum(n_pairs[rows], 1)
        if "JointEntropy" in found:
            found["JointEntropy"][rows] = np.log2(n) - runs.row_sums(count_log_count[runs.lengths]) / n
        if {"JointEnergy", "MaximumProbability"} & set(names):
            equal = runs.codes <= n_levels
        if "JointEnergy" in found:
            found["JointEnergy"][rows] = runs.row_sums(runs.lengths**2 * (1 + equal)) / (2.0 * n**2)
        if "MaximumProbability" in found:
            found["MaximumProbability"][rows] = runs.row_maxima(runs.lengths * (1 + equal)) / (2.0 * n)
    if "JointEntropy" in found:
        unequal = around.box_sum((pairs & (first != second)).astype(np.int64), step)
        found["JointEntropy"] += unequal / np.maximum(n_pairs, 1)
    return found
