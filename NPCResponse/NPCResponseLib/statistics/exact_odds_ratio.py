"""The conditional odds ratio of a 2 x 2 table and its exact limits, found by search as R's fisher.test finds them.

R stops its search within 1e-4 of the odds ratio or of its inverse, so that R's upper limit of 762 stands for 771. Its
tolerance repeats what R prints; without one the search is exact, as scipy's is, which takes seconds for large tables.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from .root_search import root_search

R_TOLERANCE = float(np.finfo(float).eps ** 0.25)  # of R's uniroot, 1.2e-4


def searched_odds_ratio(counts: np.ndarray, confidence: float, tolerance: float) -> tuple[float, float, float]:
    """(maximum likelihood estimate, lower limit, upper limit) given the margins of counts (2, 2), to a tolerance.

    The first cell follows Fisher's noncentral hypergeometric distribution (Cornfield 1956).
    """
    (a, b), (c, d) = counts.tolist()
    lowest, highest = max(0, a - d), min(a + b, a + c)
    cells = np.arange(lowest, highest + 1)
    central = stats.hypergeom.logpmf(cells, a + b + c + d, a + c, a + b)
    tail = (1 - confidence) / 2

    def chances(odds: float) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):  # odds 0 leaves the lowest cell only
            logs = central + np.where(cells == lowest, 0.0, (cells - lowest) * np.log(odds))
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()

    def solve(rising: Callable[[float], float]) -> float:
        """Odds at which a function that rises with the odds is zero: searched in 0..1, or their inverse there."""
        middle = rising(1.0)
        if middle > 0:
            return root_search((0.0, 1.0), lambda odds: -rising(odds), tolerance)
        if middle < 0:
            return 1 / root_search((np.finfo(float).eps, 1.0), lambda inverse: rising(1 / inverse), tolerance)
        return 1.0

    estimate = low = 0.0
    high = np.inf
    if a > lowest:
        low = solve(lambda odds: float(chances(odds)[cells >= a].sum()) - tail)
        estimate = np.inf if a == highest else solve(lambda odds: float(chances(odds) @ cells) - a)
    if a < highest:
        high = solve(lambda odds: tail - float(chances(odds)[cells <= a].sum()))
    return float(estimate), float(low), float(high)
