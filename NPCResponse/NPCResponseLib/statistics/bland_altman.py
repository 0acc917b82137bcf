"""Bland-Altman: by how much two ways of measuring the same thing differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from .normality import Normality, shapiro_wilk
from .samples import check_confidence, missing_note, paired_samples, percent

Pair = tuple[float, float]
FEW_PAIRS = 30


@dataclass(frozen=True)
class LimitIntervals:
    """Confidence intervals of the two limits of agreement, by one method."""

    method: str
    low: Pair | None
    high: Pair | None


@dataclass(frozen=True)
class ProportionalBias:
    """Regression of the differences on the means: a slope that is not 0 says that the bias grows with the value."""

    slope: float | None
    standard_error: float | None
    p: float | None
    intercept: float | None


@dataclass(frozen=True)
class BlandAltman:
    """Differences are first - second, in the unit of the values or in percent of the pair's mean.

    Attributes:
        bias: mean difference, with confidence limits (t distribution); p of the test against 0.
        sd: of the differences.
        low, high: limits of agreement, bias -+ multiplier sd.
        exact: their intervals by the noncentral t distribution (Carkeet 2015, Optom Vis Sci 92:e71); recommended.
        approximate_1999: with SE^2 = sd^2 (1/n + multiplier^2 / (2 (n - 1))) (Bland & Altman 1999);
        approximate_1986: with SE^2 = 3 sd^2 / n (Bland & Altman 1986), the ones that most software prints.
        coefficient_of_repeatability: multiplier x sd, as Bland & Altman 1986 define it from the differences.
        concordance: Lin's concordance correlation coefficient (1989); pearson_r beside it.
        means, differences: of each pair, for the plot.
    """

    method: str
    n: int
    n_missing: int
    bias: float
    bias_interval: Pair | None
    bias_p: float | None
    sd: float | None
    multiplier: float
    low: float | None
    high: float | None
    exact: LimitIntervals
    approximate_1999: LimitIntervals
    approximate_1986: LimitIntervals
    proportional_bias: ProportionalBias
    normality: Normality
    coefficient_of_repeatability: float | None
    n_outside: int
    concordance: float | None
    pearson_r: float | None
    means: tuple[float, ...]
    differences: tuple[float, ...]
    confidence: float
    warnings: tuple[str, ...]


def bland_altman(
    first: Sequence,
    second: Sequence,
    *,
    scale: Literal["difference", "percent"] = "difference",
    coverage: float = 0.95,
    confidence: float = 0.95,
    names: tuple[str, str] = ("first", "second"),
) -> BlandAltman:
    """Bias and limits of agreement of two columns; pairs lacking a value are left out and counted.

    Args:
        scale: "percent" divides each difference by its pair's mean (for spreads that grow with the value).
        coverage: share of the differences between the limits; 0.95 gives the multiplier 1.96.
        confidence: of the intervals.

    Raises:
        InputError: no pair, different lengths, text, a pair with mean 0 on the percent scale.
    """
    check_confidence(confidence)
    check_confidence(coverage)
    if scale not in ("difference", "percent"):
        raise InputError(f'"{scale}" is no scale', remedy='Choose "difference" or "percent"')
    x, y, n_missing = paired_samples(first, second, names)
    means, d = (x + y) / 2, x - y
    if scale == "percent":
        if (means == 0).any():
            raise InputError("a pair with mean 0 has no difference in percent", remedy='Choose the scale "difference"')
        d = 100 * d / means
    n = d.size
    # A spread that is floating-point noise beside the values is none.
    spread = np.ptp(d) > 1e-12 * np.abs(np.concatenate([x, y])).max() if n > 1 else False
    multiplier = float(stats.norm.ppf((1 + coverage) / 2))
    bias = float(d.mean())
    sd = (float(d.std(ddof=1)) if spread else 0.0) if n > 1 else None
    normality = shapiro_wilk(d) if spread else Normality(n, None, None, "the differences do not vary")
    low, high = (None, None) if sd is None else (bias - multiplier * sd, bias + multiplier * sd)
    bias_interval, bias_p = _bias_interval(bias, sd, n, confidence)
    proportional = _proportional_bias(means, d) if spread else ProportionalBias(None, None, None, None)
    unit = "percent of the mean" if scale == "percent" else "difference"
    return BlandAltman(
        method=f"Bland-Altman ({unit}), {names[0]} - {names[1]}, limits of agreement bias +- {multiplier:.4g} SD, "
        f"{percent(confidence)} intervals",
        n=n,
        n_missing=n_missing,
        bias=bias,
        bias_interval=bias_interval,
        bias_p=bias_p,
        sd=sd,
        multiplier=multiplier,
        low=low,
        high=high,
        exact=_exact_intervals(bias, sd, n, multiplier, confidence),
        approximate_1999=_approximate_intervals("Bland & Altman 1999", bias, sd, n, multiplier, confidence),
        approximate_1986=_approximate_intervals("Bland & Altman 1986", bias, sd, n, multiplier, confidence),
        proportional_bias=proportional,
        normality=normality,
        coefficient_of_repeatability=None if sd is None else multiplier * sd,
        n_outside=0 if sd is None or sd == 0 else int(np.count_nonzero((d < low) | (d > high))),
        concordance=_concordance(x, y),
        pearson_r=_pearson(x, y),
        means=tuple(means.tolist()),
        differences=tuple(d.tolist()),
        confidence=confidence,
        warnings=_notes(n, n_missing, sd, normality, proportional),
    )


def _bias_interval(bias: float, sd: float | None, n: int, confidence: float) -> tuple[Pair | None, float | None]:
    if sd is None:
        return None, None
    if sd == 0:
        return (bias, bias), None
    error = sd / math.sqrt(n)
    reach = float(stats.t.isf((1 - confidence) / 2, n - 1)) * error
    return (bias - reach, bias + reach), 2 * float(stats.t.sf(abs(bias / error), n - 1))


def _exact_intervals(bias: float, sd: float | None, n: int, multiplier: float, confidence: float) -> LimitIntervals:
    """Tolerance factors k with P(t_(n-1, multiplier sqrt(n)) < k sqrt(n)) = tail."""
    method = "exact (noncentral t)"
    if sd is None:
        return LimitIntervals(method, None, None)
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore"):  # SciPy 1.13 warns of its own search
        factors = stats.nct.ppf([tail, 1 - tail], n - 1, multiplier * math.sqrt(n)) / math.sqrt(n)
    near, far = factors.tolist()
    return LimitIntervals(method, (bias - far * sd, bias - near * sd), (bias + near * sd, bias + far * sd))


def _approximate_intervals(
    source: str, bias: float, sd: float | None, n: int, multiplier: float, confidence: float
) -> LimitIntervals:
    if sd is None:
        return LimitIntervals(source, None, None)
    squared = 3 / n if "1986" in source else 1 / n + multiplier**2 / (2 * (n - 1))
    reach = float(stats.t.isf((1 - confidence) / 2, n - 1)) * sd * math.sqrt(squared)
    low, high = bias - multiplier * sd, bias + multiplier * sd
    return LimitIntervals(source, (low - reach, low + reach), (high - reach, high + reach))


def _proportional_bias(means: np.ndarray, d: np.ndarray) -> ProportionalBias:
    if d.size < 3 or np.ptp(means) == 0:
        return ProportionalBias(None, None, None, None)
    fit = stats.linregress(means, d)
    return ProportionalBias(float(fit.slope), float(fit.stderr), float(fit.pvalue), float(fit.intercept))


def _concordance(x: np.ndarray, y: np.ndarray) -> float | None:
    """2 s_xy / (s_x^2 + s_y^2 + (mean x - mean y)^2), moments divided by n as in Lin 1989."""
    spread = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return 2 * float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else None


def _pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _notes(
    n: int, n_missing: int, sd: float | None, normality: Normality, proportional: ProportionalBias
) -> tuple[str, ...]:
    notes = list(missing_note(n_missing, "pairs"))
    if sd is None:
        notes.append("a single pair has no limits of agreement")
    elif sd == 0:
        notes.append("the differences do not vary")
    if n < FEW_PAIRS:
        notes.append(f"{n} pairs (fewer than {FEW_PAIRS}): read the intervals of the limits, not the limits alone")
    if normality.p is not None and normality.p < 0.05:
        notes.append(f"differences not normal (Shapiro-Wilk p = {normality.p:.3g}): the limits may mislead")
    if proportional.p is not None and proportional.p < 0.05:
        notes.append(f"the difference changes with the value (p = {proportional.p:.3g}): consider the percent scale")
    return tuple(notes)
