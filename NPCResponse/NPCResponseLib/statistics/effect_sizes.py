"""How large a difference is, in units that compare across studies, each with its confidence interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from .delong import structural_components
from .roc import logit_interval
from .samples import check_confidence, paired_samples, percent, sample

SURE_T = 60.0  # beyond, the limits are found without SciPy's noncentral t
FARTHEST_Z = 9.0  # standard normal deviations that count
SQRT_8_PI = math.sqrt(8 * math.pi)


@dataclass(frozen=True)
class EffectSize:
    """Attributes:
    low, high: confidence limits; None where they are not defined (constant data, a single value).
    """

    name: str
    method: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float


def two_sample_effect_sizes(
    first: Sequence, second: Sequence, *, confidence: float = 0.95
) -> tuple[EffectSize, EffectSize, EffectSize]:
    """Cohen's d, Hedges' g and the rank-biserial correlation of two groups; positive if the first is larger.

    d = (mean1 - mean2) / pooled SD, its interval by the noncentral t distribution (Steiger & Fouladi 1997);
    g = J d with J = gamma(m/2) / (sqrt(m/2) gamma((m-1)/2)), m degrees of freedom (Hedges 1981);
    rank-biserial r = 2 AUC - 1 (Kerby 2014) with the logit interval of DeLong's AUC.

    Raises:
        InputError: an empty group or text.
    """
    check_confidence(confidence)
    x, y = sample(first, "first group").values, sample(second, "second group").values
    freedom = x.size + y.size - 2
    scale = math.sqrt(x.size * y.size / (x.size + y.size))
    d = low = high = None
    correction = None
    if freedom > 0:
        pooled = math.sqrt((sum_of_squares(x) + sum_of_squares(y)) / freedom)
        if pooled > 0:
            d = float(x.mean() - y.mean()) / pooled
            low, high = _noncentral_t_limits(d * scale, freedom, confidence)
            low, high = (None if limit is None else limit / scale for limit in (low, high))
            correction = _hedges_correction(freedom)
    words = f"{percent(confidence)} interval by the noncentral t distribution"
    g = tuple(None if value is None or correction is None else correction * value for value in (d, low, high))
    return (
        EffectSize("Cohen's d", f"difference of means / pooled SD, {words}", d, low, high, confidence),
        EffectSize("Hedges' g", f"Cohen's d without small-sample bias, {words}", *g, confidence),
        _rank_biserial(x, y, confidence),
    )


def paired_effect_sizes(
    first: Sequence, second: Sequence, *, confidence: float = 0.95
) -> tuple[EffectSize, EffectSize]:
    """Cohen's dz = mean difference / SD of the differences, and the matched-pairs rank-biserial correlation.

    The latter is (V - W-) / (V + W-) of the signed ranks (Kerby 2014); no interval.

    Raises:
        InputError: no pair, text, different lengths.
    """
    from .rank_tests import differences

    check_confidence(confidence)
    x, y, _ = paired_samples(first, second, ("first", "second"))
    d = differences(x, y)
    dz = low = high = None
    if d.size > 1 and np.ptp(d) > 0:
        dz = float(d.mean() / d.std(ddof=1))
        root = math.sqrt(d.size)
        limits = _noncentral_t_limits(dz * root, d.size - 1, confidence)
        low, high = (None if limit is None else limit / root for limit in limits)
    nonzero = d[d != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    matched = float(ranks @ np.sign(nonzero) / ranks.sum()) if nonzero.size else None
    words = f"mean difference / SD of the differences, {percent(confidence)} interval by the noncentral t distribution"
    return (
        EffectSize("Cohen's dz", words, dz, low, high, confidence),
        EffectSize("matched-pairs rank-biserial", "signed ranks, no interval", matched, None, None, confidence),
    )


def sum_of_squares(values: np.ndarray) -> float:
    return float(np.sum((values - values.mean()) ** 2))


def _hedges_correction(freedom: int) -> float | None:
    if freedom < 2:
        return None
    return math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)


def _rank_biserial(x: np.ndarray, y: np.ndarray, confidence: float) -> EffectSize:
    components = structural_components(x, y)
    auc, variance = components.auc, components.variance
    interval = logit_interval(auc, variance, confidence) if variance else None
    return EffectSize(
        "rank-biserial correlation",
        f"2 AUC - 1, {percent(confidence)} interval by DeLong on the logit scale",
        2 * auc - 1,
        2 * interval.low - 1 if interval else None,
        2 * interval.high - 1 if interval else None,
        confidence,
    )


def _noncentral_t_limits(t: float, freedom: int, confidence: float) -> tuple[float | None, float | None]:
    """Noncentralities for which the observed t is a tail value."""
    if t < 0:  # by symmetry: SciPy gives up far out, and on this side sooner
        low, high = _noncentral_t_limits(-t, freedom, confidence)
        return (None if high is None else -high), (None if low is None else -low)
    tail = (1 - confidence) / 2
    if t > max(SURE_T, math.sqrt(2 * freedom)):
        return _far_limit(t, freedom, tail), _far_limit(t, freedom, 1 - tail)

    def cumulative(noncentrality: float) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):  # SciPy 1.13 warns of its own series
            value = float(stats.nct.cdf(t, freedom, noncentrality))
        return value if np.isfinite(value) else float(noncentrality < t)  # where it gives up nothing is left of a tail

    def limit(probability: float) -> float | None:
        return _increasing_root(lambda noncentrality: probability - cumulative(noncentrality), t)

    return limit(1 - tail), limit(tail)


def _far_limit(t: float, freedom: int, probability: float) -> float:
    """The same where SciPy's series are slow or wrong: quantile of t S - Z, with Z normal, S^2 chi-squared / freedom.

    P(t S - Z < d) is the mean of P(S < (d + Z) / t) over Z, here by Gauss-Legendre quadrature.
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def surplus(d: float) -> float:
        start = max(-d, -FARTHEST_Z)
        z = start + (FARTHEST_Z - start) * (nodes + 1) / 2
        below = special.chdtr(freedom, freedom * ((d + z) / t) ** 2)
        return float(weights @ (np.exp(-(z**2) / 2) * below)) * (FARTHEST_Z - start) / SQRT_8_PI - probability

    farthest = t * math.sqrt(special.chdtri(freedom, 1e-9) / freedom) + FARTHEST_Z
    return float(optimize.brentq(surplus, 0.01 - FARTHEST_Z, farthest, xtol=1e-12, rtol=1e-12))


def _increasing_root(function: Callable[[float], float], start: float) -> float | None:
    """Root of an increasing function near ``start``; None if the distribution function gives up."""
    for reach in (5.0, 20.0, 80.0, 320.0):
        ends = (start - reach, start + reach)
        values = [function(end) for end in ends]
        if not np.isfinite(values).all():
            return None
        if values[0] < 0 < values[1]:
            try:
                return float(optimize.brentq(function, *ends, xtol=1e-12))
            except ValueError:  # not a number between the ends, far out in the tail
                return None
    return None
