"""What run-length and size-zone matrices have in common: emphases, non-uniformities and variances."""

import numpy as np

from .region_levels import Matrix


def emphases(matrix: Matrix, *, toolbox: bool) -> dict[str, float]:
    """The features of a matrix of levels g against lengths or sizes r, with p = matrix / sum, by neutral names.

    short = sum p / r^2; long = sum p r^2; low = sum p / g^2; high = sum p g^2, and their products;
    level_nonuniformity = sum over g of (sum over r of p)^2, and the same over r;
    percentage = entries over voxels = 1 / sum p r.

    Args:
        toolbox: variances are those of the cells g p and r p over all cells of the matrix, empty ones too; else those
            of the distribution (IBSI).
    """
    names = ("short", "long", "level_nonuniformity", "length_nonuniformity", "percentage", "low", "high", "short_low",
             "short_high", "long_low", "long_high", "level_variance", "length_variance")  # fmt: skip
    if not matrix.values.size:
        return dict.fromkeys(names, np.nan)
    g, r, p = matrix.rows.astype(np.float64), matrix.columns.astype(np.float64), matrix.probabilities
    g2, r2 = g * g, r * r
    if toolbox:
        level_variance, length_variance = matrix.cell_variance(g * p), matrix.cell_variance(r * p)
    else:
        level_variance, length_variance = (float((p * (x - (x * p).sum()) ** 2).sum()) for x in (g, r))
    found = (
        (p / r2).sum(), (p * r2).sum(), _uniformity(matrix.rows, p), _uniformity(matrix.columns, p), 1 / (p * r).sum(),
        (p / g2).sum(), (p * g2).sum(), (p / (r2 * g2)).sum(), (p * g2 / r2).sum(), (p * r2 / g2).sum(),
        (p * r2 * g2).sum(), level_variance, length_variance,
    )  # fmt: skip
    return dict(zip(names, map(float, found), strict=True))


def _uniformity(groups: np.ndarray, p: np.ndarray) -> float:
    return float((np.bincount(groups, weights=p) ** 2).sum())
