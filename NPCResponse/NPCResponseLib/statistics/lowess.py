"""Locally weighted straight lines through a cloud of points, as R's lowess draws them (without robustness steps).

Own code, because the one of statsmodels gives 0 where more than the span's share of the points have the same x (a
score of few values), and interpolates over other points than R does.
"""

import numpy as np

FULL_WEIGHT, NO_WEIGHT = 0.001, 0.999  # of the bandwidth: nearer points weigh 1, farther ones 0 (Cleveland 1981)
LEAST_SPREAD = 0.001  # of the range: where neighbors spread less, their mean is taken instead of a line


def lowess(x: np.ndarray, y: np.ndarray, *, span: float, step: float) -> np.ndarray:
    """Tricube-weighted local lines (Cleveland 1979, J Am Stat Assoc 74:829; 1981, Am Stat 35:54).

    Args:
        x, y: (n,), x in rising order, two points at least.
        span: share of the points in each local fit.
        step: fits are made at points farther apart than this in x; the ones between are interpolated linearly.

    Returns:
        The smoothed y (n,).
    """
    n = x.size
    neighbors = max(min(n, int(span * n + 1e-7)), 2)
    fitted_at, values = [], []
    first, at = 0, 0
    while True:
        while first + neighbors < n and x[at] - x[first] > x[first + neighbors] - x[at]:
            first += 1
        fitted_at.append(at)
        values.append(_local_line(x, y, at, first, neighbors))
        last = int(np.searchsorted(x, x[at], side="right")) - 1  # the others with this x
        if last == n - 1:
            break
        within = int(np.searchsorted(x, x[at] + step, side="right"))
        at = max(last + 1, within - 1)
        # Points that share the x of the next fit wait for it, whichever of them is the one fitted.
    return np.interp(x, x[fitted_at], values)


def _local_line(x: np.ndarray, y: np.ndarray, at: int, first: int, neighbors: int) -> float:
    here = x[at]
    bandwidth = max(here - x[first], x[first + neighbors - 1] - here)
    distance = np.abs(x[first:] - here)
    used = slice(first, first + int(np.searchsorted(x[first:], here + NO_WEIGHT * bandwidth, side="right")))
    distance = distance[: used.stop - first]
    weight = np.ones(distance.size)
    if bandwidth > 0:
        weight = (1 - (distance / bandwidth) ** 3) ** 3
    weight[distance <= FULL_WEIGHT * bandwidth] = 1.0
    weight[distance > NO_WEIGHT * bandwidth] = 0.0
    weight /= weight.sum()
    center = float(weight @ x[used])
    spread = float(weight @ (x[used] - center) ** 2)
    if np.sqrt(spread) > LEAST_SPREAD * (x[-1] - x[0]):
        weight *= 1 + (here - center) * (x[used] - center) / spread
    return float(weight @ y[used])
