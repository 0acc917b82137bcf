"""Shapiro-Wilk test of normality, by Royston's algorithm AS R94 (Royston 1995, Appl Stat 44:547).

Own code because scipy's takes normal quantiles of limited precision (its p values differ from R's in the eighth digit)
and calls constant data normal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial
from scipy import special

from .samples import sample

SIZES = (3, 5000)  # for which the p value was fitted
# Royston's polynomials, lowest power first: corrections of the two outermost weights, in 1 / sqrt(n); mean and log SD
# of the transformed statistic, in n up to 11 values and in log n beyond; and the transform's bound up to 11 values.
OUTER_WEIGHT = Polynomial([0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056])
SECOND_WEIGHT = Polynomial([0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633])
SMALL_MEAN = Polynomial([0.544, -0.39978, 0.025054, -6.714e-4])
SMALL_LOG_SD = Polynomial([1.3822, -0.77857, 0.062767, -0.0020322])
SMALL_BOUND = Polynomial([-2.273, 0.459])
LARGE_MEAN = Polynomial([-1.5861, -0.31082, -0.083751, 0.0038915])
LARGE_LOG_SD = Polynomial([-0.4803, -0.082676, 0.0030302])
SMALL_UP_TO = 11


@dataclass(frozen=True)
class Normality:
    """Shapiro-Wilk test.

    Attributes:
        w, p: None where the test is not defined; ``note`` then says why.
    """

    n: int
    w: float | None
    p: float | None
    note: str = ""

    def departs(self, alpha: float) -> bool:
        """Not shown to be normal at this level; a test that is not defined shows nothing, so it departs."""
        return self.p is None or self.p < alpha


def shapiro_wilk(values: Sequence) -> Normality:
    """Shapiro-Wilk test; not defined for constant data, fewer than 3 or more than 5000 values.

    Args:
        values: column of numbers, NaN missing.

    Raises:
        InputError: no value or text.
    """
    x = np.sort(sample(values).values)
    spread = float(x[-1] - x[0])
    if x.size < SIZES[0]:
        return Normality(x.size, None, None, f"fewer than {SIZES[0]} values")
    if x.size > SIZES[1]:
        return Normality(x.size, None, None, f"more than {SIZES[1]} values: any departure would be found")
    if spread <= 1e-15 * max(abs(x[0]), abs(x[-1])):
        return Normality(x.size, None, None, "all values are equal")
    # The range as unit, or squares of very small values would vanish.
    centered = (x - np.median(x)) / spread
    centered -= centered.mean()
    weights = _weights(x.size)
    norms = math.sqrt(float(weights @ weights) * float(centered @ centered))
    correlation = float(weights @ centered) / norms
    one_minus_w = (1 - correlation) * (1 + correlation)
    return Normality(x.size, 1 - one_minus_w, _p_value(x.size, one_minus_w))


def _weights(n: int) -> np.ndarray:
    """(n,) antisymmetric weights of the ordered values."""
    half = n // 2
    if n == 3:
        upper = np.array([math.sqrt(0.5)])
    else:
        scores = -special.ndtri((np.arange(1, half + 1) - 0.375) / (n + 0.25))
        squares = 2 * float(scores @ scores)
        outer = [float(OUTER_WEIGHT(1 / math.sqrt(n)) + scores[0] / math.sqrt(squares))]
        if n > 5:
            outer.append(float(SECOND_WEIGHT(1 / math.sqrt(n)) + scores[1] / math.sqrt(squares)))
        corrected = len(outer)
        rest = squares - 2 * float(scores[:corrected] @ scores[:corrected])
        scale = math.sqrt(rest / (1 - 2 * sum(weight**2 for weight in outer)))
        upper = np.concatenate([outer, scores[corrected:] / scale])
    return np.concatenate([-upper, np.zeros(n % 2), upper[::-1]])


def _p_value(n: int, one_minus_w: float) -> float:
    if n == 3:
        exact = 6 / math.pi * (math.asin(math.sqrt(1 - one_minus_w)) - math.asin(math.sqrt(0.75)))
        return min(1.0, max(0.0, exact))
    if one_minus_w <= 0:
        return 1.0
    y = math.log(one_minus_w)
    if n <= SMALL_UP_TO:
        bound = float(SMALL_BOUND(n))
        if y >= bound:
            return 0.0
        y, mean, log_sd = -math.log(bound - y), SMALL_MEAN(n), SMALL_LOG_SD(n)
    else:
        mean, log_sd = LARGE_MEAN(math.log(n)), LARGE_LOG_SD(math.log(n))
    return float(special.ndtr((mean - y) / math.exp(log_sd)))
