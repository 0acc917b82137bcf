"""Gray values to gray levels 1..n: uniform, equal-probability and Lloyd-Max, as the TextureToolbox does it.

Source: the toolbox of Vallieres et al., Phys Med Biol 2015;60:5471, used by Akram et al. 2020; written from a
description of its behavior, and pinned to volumes that it quantized (Testing/reference_texture).
"""

import numpy as np

from NPCResponseLib.errors import InputError

ALGORITHMS = ("lloyd", "equal", "uniform")
N_HISTOGRAM_BINS = 256  # to which histogram equalization reduces gray values first
LLOYD_TOLERANCE = 1e-7
MOST_LLOYD_STEPS = 10_000
EPSILON = np.finfo(np.float64).eps


def quantize(values: np.ndarray, algorithm: str, n_levels: int) -> np.ndarray:
    """Levels 1..n_levels of gray values, int32, of their shape; not every level need occur.

    Args:
        values: finite.
        algorithm: one of ALGORITHMS.

    Raises:
        InputError: an unknown algorithm, fewer than two levels, values that are all the same.
    """
    check_choice(algorithm, n_levels)
    flat = np.asarray(values, dtype=np.float64).ravel()
    low, high = (flat.min(), flat.max()) if flat.size else (0.0, 0.0)
    if not high > low:
        raise InputError("all values are the same, so there are no gray levels to tell apart")
    if algorithm == "uniform":
        levels = _uniform(flat - low, high - low, n_levels)
    else:
        levels = {"equal": _equal, "lloyd": _lloyd}[algorithm]((flat - low) / (high - low), n_levels)
    return levels.reshape(np.shape(values))


def check_choice(algorithm: str, n_levels: int) -> None:
    """Raises InputError for an unknown algorithm or a number of levels that makes no sense."""
    if algorithm not in ALGORITHMS:
        raise InputError(f"there is no quantization {algorithm!r}", remedy=f"Choose one of {', '.join(ALGORITHMS)}")
    if not (isinstance(n_levels, (int, np.integer)) and 2 <= n_levels <= 65_535):
        raise InputError(f"the number of gray levels must be from 2 to 65535, found {n_levels}", remedy="Choose 256")


def _uniform(above_lowest: np.ndarray, extent: float, n: int) -> np.ndarray:
    """Rounded to n equally spaced values: the end levels are half as wide as the others.

    Multiplied before it is divided, so that a whole number in the middle of two levels is there exactly.
    """
    return _rounded((n - 1) * above_lowest / extent) + 1


def _rounded(x: np.ndarray) -> np.ndarray:
    """Numbers from 0 on, halves up; floor(x + 0.5) would also raise the largest number below a half."""
    whole = np.floor(x)
    return (whole + (x - whole >= 0.5)).astype(np.int32)


def _equal(x: np.ndarray, n: int) -> np.ndarray:
    """Histogram equalization of 256 bins, then levels without gaps.

    Each bin gets the level whose target cumulative count k N / n comes nearest from above, up to half of the bin's own
    count; the first and the last bin have no such tolerance.
    """
    bins = _rounded((N_HISTOGRAM_BINS - 1) * x)
    counts = np.bincount(bins, minlength=N_HISTOGRAM_BINS).astype(np.float64)
    tolerance = counts / 2
    tolerance[[0, -1]] = 0
    total = counts.sum()
    targets = total * np.arange(1, n + 1) / n
    error = targets[:, None] - np.cumsum(counts)[None, :] + tolerance[None, :]
    error[error < -total * np.sqrt(EPSILON)] = total
    levels = error.argmin(axis=0)[bins]
    return np.unique(levels, return_inverse=True)[1].astype(np.int32) + 1


def _lloyd(x: np.ndarray, n: int) -> np.ndarray:
    """Level k holds the values in (t(k-1), t(k)]; the borders are those of lloyd_borders."""
    return np.searchsorted(lloyd_borders(np.sort(x), n), x, side="left").astype(np.int32) + 1


def lloyd_borders(x: np.ndarray, n: int) -> np.ndarray:
    """The n - 1 borders between cells of the least mean squared error (Lloyd, IEEE Trans Inf Theory 1982;28:129).

    From the middles of n equal intervals on, borders are the middles between representatives, and these the means of
    their cells, until the error changes by less than 1e-7 of itself. An empty cell is represented by the middle between
    its borders, or by a sample that lies on one.

    Args:
        x: sorted samples in [0, 1].
    """
    low, high = x[0], x[-1]
    representatives = low + (np.arange(n) + 0.5) * (high - low) / n
    borders = (representatives[1:] + representatives[:-1]) / 2
    smallest = EPSILON * high
    cell = _cells(x, borders)
    last_error, error = 0.0, _mean_squared_error(x, representatives[cell])
    for _ in range(MOST_LLOYD_STEPS):
        change = abs(error - last_error) / error if error > smallest else error
        if change <= LLOYD_TOLERANCE or change <= smallest:
            break
        representatives = np.sort(_means(x, cell, borders))
        borders = (representatives[1:] + representatives[:-1]) / 2
        cell = _cells(x, borders)
        last_error, error = error, _mean_squared_error(x, representatives[cell])
    return borders


def _cells(x: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """The cell of each of the sorted samples; a sample on a border belongs to the cell below it."""
    ends = np.searchsorted(x, borders, side="right")
    return np.repeat(np.arange(len(borders) + 1), np.diff(ends, prepend=0, append=len(x)))


def _means(x: np.ndarray, cell: np.ndarray, borders: np.ndarray) -> np.ndarray:
    n = len(borders) + 1
    counts = np.bincount(cell, minlength=n)
    # Added one after the other, as bincount does: a sample may lie on a border to the last digit, and falls by it.
    means = np.bincount(cell, weights=x, minlength=n) / np.maximum(counts, 1)
    empty = counts == 0
    if not empty.any():
        return means
    outer = np.concatenate([[x[0]], borders, [x[-1]]])
    lower, upper = outer[:-1][empty], outer[1:][empty]
    # A cell is open below, so the one sample that an empty cell can have lies on its lower border.
    before = np.cumsum(counts)[empty] - 1
    on_border = (before >= 0) & (x[np.maximum(before, 0)] == lower)
    means[empty] = np.where(on_border, lower, (lower + upper) / 2)
    return means


def _mean_squared_error(x: np.ndarray, represented: np.ndarray) -> float:
    return float(np.mean((x - represented) ** 2))
