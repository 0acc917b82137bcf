"""Gray-level co-occurrence: how often two levels are neighbors (Haralick et al., IEEE Trans SMC 1973;3:610)."""

import numpy as np

from .region_levels import Matrix, RegionLevels, distance

# Below this number of cells pairs are counted in a table, above it by sorting: any number of levels can be had.
MOST_TABLE_CELLS = 1 << 23
REALMIN = np.finfo(np.float64).tiny


def cooccurrence_matrices(levels: RegionLevels, *, weighted: bool) -> list[Matrix]:
    """One symmetric matrix per region, all directions merged.

    Args:
        weighted: a pair counts its distance (1, square root of 2 or 3), as in the TextureToolbox; else 1.
    """
    n_keys = levels.n_regions * (levels.n_levels + 1)
    codes, weights = [], []
    table = np.zeros(n_keys * n_keys) if n_keys * n_keys <= MOST_TABLE_CELLS else None
    for own, other, direction in levels.pairs():
        weight = distance(direction) if weighted else 1.0
        code = own.astype(np.int64) * n_keys + other
        if table is not None:
            table += weight * np.bincount(code, minlength=table.size)
        else:
            unique, counts = np.unique(code, return_counts=True)
            codes.append(unique)
            weights.append(weight * counts)
    if table is not None:
        occupied = np.flatnonzero(table)
        values = table[occupied]
    else:
        occupied, where = np.unique(np.concatenate([*codes, np.zeros(0, np.int64)]), return_inverse=True)
        values = np.bincount(where, weights=np.concatenate([*weights, np.zeros(0)]), minlength=len(occupied))
    return _symmetric(levels, occupied, values, n_keys)


def _symmetric(levels: RegionLevels, codes: np.ndarray, values: np.ndarray, n_keys: int) -> list[Matrix]:
    """Both orders of each pair."""
    first, second = np.divmod(codes, n_keys)
    both = np.concatenate([codes, second * n_keys + first])
    codes, where = np.unique(both, return_inverse=True)
    values = np.bincount(where, weights=np.concatenate([values, values]), minlength=len(codes))
    first, second = np.divmod(codes, n_keys)
    region, row = levels.region_and_level(first)
    _, column = levels.region_and_level(second)
    shape = (levels.n_levels, levels.n_levels)
    return [Matrix(row[region == n], column[region == n], values[region == n], shape) for n in range(levels.n_regions)]


def cooccurrence_features(matrix: Matrix, *, toolbox: bool) -> dict[str, float]:
    """The nine features by name; NaN where there is no pair.

    With p = matrix / sum, i and j level numbers:
    Energy = sum p^2; Contrast = sum (i-j)^2 p; Entropy = -sum p log2 p; Homogeneity = sum p / (1 + |i-j|);
    Correlation = Pearson's, of the levels; Dissimilarity = sum |i-j| p; AutoCorrelation = sum i j p;
    SumAverage = sum (i+j) p; Variance = sum (i - mean)^2 p.

    Args:
        toolbox: the TextureToolbox' forms where they differ: Correlation of the matrix rounded to whole numbers,
            SumAverage = sum (i+j) p / 2 / n^2 and Variance = sum ((i-mi)^2 + (j-mj)^2) p / 2 / n^2, n declared levels.
            Else IBSI's (https://ibsi.readthedocs.io, joint variance and sum average).
    """
    names = ("Energy", "Contrast", "Entropy", "Homogeneity", "Correlation", "SumAverage", "Variance", "Dissimilarity",
             "AutoCorrelation")  # fmt: skip
    if not matrix.values.size:
        return dict.fromkeys(names, np.nan)
    i, j, p = matrix.rows.astype(np.float64), matrix.columns.astype(np.float64), matrix.probabilities
    gap, mean_i, mean_j = np.abs(i - j), (i * p).sum(), (j * p).sum()
    spread = (((i - mean_i) ** 2 + (j - mean_j) ** 2) * p).sum() / 2
    scale = matrix.shape[0] ** 2 if toolbox else 1.0
    weights = np.floor(matrix.values + 0.5) if toolbox else matrix.values
    return {
        "Energy": float((p**2).sum()),
        "Contrast": float((gap**2 * p).sum()),
        "Entropy": float(-(p * np.log2(p + REALMIN)).sum()),
        "Homogeneity": float((p / (1 + gap)).sum()),
        "Correlation": _correlation(i, j, weights),
        "SumAverage": float(((i + j) * p).sum() * (0.5 / scale if toolbox else 1.0)),
        "Variance": float(spread / scale),
        "Dissimilarity": float((gap * p).sum()),
        "AutoCorrelation": float((i * j * p).sum()),
    }


def _correlation(i: np.ndarray, j: np.ndarray, weights: np.ndarray) -> float:
    total = weights.sum()
    if not total:
        return np.nan
    p = weights / total
    di, dj = i - (i * p).sum(), j - (j * p).sum()
    spread = np.sqrt((di**2 * p).sum() * (dj**2 * p).sum())
    return float((di * dj * p).sum() / spread) if spread > 0 else np.nan
