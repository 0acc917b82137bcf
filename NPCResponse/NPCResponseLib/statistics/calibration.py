"""Do predicted probabilities mean what they say? Slope, intercept, calibration curve, Brier score, Hosmer-Lemeshow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, xlogy
from scipy.stats import binomtest, chi2, norm

from ..errors import InputError
from .logistic_likelihood import Likelihood, maximize
from .lowess import lowess
from .model_data import binary, both_classes, complete, numbers
from .rank_indices import RankIndices, rank_indices
from .samples import check_confidence
from .separation import SeparationKind, find_separation

SMOOTHING_SPAN = 2 / 3  # of the lowess curve, share of the patients in each local fit
NO_INFORMATION = 1e-8  # of an intercept that could as well be another
LARGEST_EXPONENT = 700.0  # so that sure misses leave a very negative R2, not an infinite one
SMOOTHING_STEP = 0.01  # of the range, over which lowess interpolates


@dataclass(frozen=True)
class CalibrationBin:
    """Patients with similar predictions: mean prediction against observed share with its Wilson limits.

    An empty bin (ties can leave one) has NaN for its means.
    """

    low: float
    high: float
    n: int
    events: int
    expected_events: float
    mean_predicted: float
    observed: float
    observed_ci: tuple[float, float]


@dataclass(frozen=True)
class HosmerLemeshow:
    """The test over bins of the predictions; empty bins are dropped.

    ``df`` is bins - 2 on the patients that the model was developed with, and the number of bins on others; ``p`` goes
    with it. It says little alone: it depends on the bins and on the sample size.
    """

    method: str
    chi2: float
    df: int
    p: float
    groups_asked: int
    groups: int
    bins: tuple[CalibrationBin, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """Calibration and overall accuracy of given probabilities; numbers that do not exist are NaN (``warnings``).

    Attributes:
        method, n, n_missing, events, confidence, warnings.
        n_certain: predictions of exactly 0 or 1; they have no logit and are left out of slope, intercept and D, U, Q.
        in_the_large, in_the_large_se, in_the_large_ci: intercept of the logistic recalibration with slope 1; ideal 0.
        slope, slope_se, slope_ci, intercept: of y on logit(p); ideal 1 and 0.
        observed_expected_ratio: events over the sum of the predictions.
        brier, brier_scaled (1 - Brier / Brier of the prevalence), log_loss (per patient; infinite after a sure miss).
        spiegelhalter_z, spiegelhalter_p: test of the Brier score (Spiegelhalter 1986, Stat Med 5:421).
        indices: how the predictions rank the outcome.
        discrimination_d, discrimination_chi2, unreliability_u, unreliability_chi2, unreliability_p, quality_q: Miller's
            decomposition as in Harrell, Regression Modeling Strategies, 10.9: D = (LR - 1)/n of the predictions as they
            are, U = (LR of slope and intercept - 2)/n, Q = D - U.
        nagelkerke_r2: of the predictions as they are.
        curve: (predicted, smoothed observed) pairs, lowess with span 2/3; e_max, e_90, e_average: largest, 90th
            percentile and mean of |smoothed - predicted|.
        bins: tenths of the patients.
    """

    method: str
    n: int
    n_missing: int
    events: int
    n_certain: int
    in_the_large: float
    in_the_large_se: float
    in_the_large_ci: tuple[float, float]
    slope: float
    slope_se: float
    slope_ci: tuple[float, float]
    intercept: float
    observed_expected_ratio: float
    brier: float
    brier_scaled: float
    log_loss: float
    spiegelhalter_z: float
    spiegelhalter_p: float
    indices: RankIndices
    discrimination_d: float
    discrimination_chi2: float
    unreliability_u: float
    unreliability_chi2: float
    unreliability_p: float
    quality_q: float
    nagelkerke_r2: float
    curve: tuple[tuple[float, float], ...]
    e_max: float
    e_90: float
    e_average: float
    bins: tuple[CalibrationBin, ...]
    confidence: float
    warnings: tuple[str, ...]


def calibrate(outcome: Sequence, probability: Sequence, *, groups: int = 10, confidence: float = 0.95) -> Calibration:
    """Judge probabilities (n,) against outcomes (n,) of 0/1.

    Raises:
        InputError: a value outside 0 to 1, one class only, or all predictions equal to 0 or 1.
    """
    check_confidence(confidence)
    y, p, n_missing = _outcome_and_probability(outcome, probability)
    open_ = (p > 0) & (p < 1)
    logits, labels = logit(p[open_]), y[open_]
    if np.unique(labels).size < 2:
        raise InputError("too few predictions between 0 and 1", where="probability", remedy="Give probabilities")
    large, large_se = _recalibrated_intercept(logits, labels)
    (intercept, slope), slope_se, best, notes = _recalibration(logits, labels)
    if np.isnan(large):
        notes += ("the predictions are too sure: no calibration in the large",)
    n, m = y.size, labels.size
    as_given = float(labels @ logits - np.logaddexp(0, logits).sum())
    share = labels.mean()
    null = float(m * (xlogy(share, share) + xlogy(1 - share, 1 - share)))
    lr, unreliability = 2 * (as_given - null), 2 * (best - as_given)
    curve = _smooth_curve(p, y)
    errors = np.abs(np.interp(p, curve[:, 0], curve[:, 1]) - p)
    spread = np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    z = float(np.sum((y - p) * (1 - 2 * p)) / spread) if spread > 0 else np.nan
    brier, prevalence = float(np.mean((p - y) ** 2)), y.mean()
    quantile = float(norm.ppf(0.5 + confidence / 2))
    return Calibration(
        method="logistic recalibration on logit(p), lowess calibration curve (span 2/3), Brier score",
        n=n,
        n_missing=n_missing,
        events=int(y.sum()),
        n_certain=int(n - m),
        in_the_large=large,
        in_the_large_se=large_se,
        in_the_large_ci=(large - quantile * large_se, large + quantile * large_se),
        slope=slope,
        slope_se=slope_se,
        slope_ci=(slope - quantile * slope_se, slope + quantile * slope_se),
        intercept=intercept,
        observed_expected_ratio=float(y.sum() / p.sum()),
        brier=brier,
        brier_scaled=float(1 - brier / (prevalence * (1 - prevalence))),
        log_loss=float(-np.mean(_log_probability(y, p))),
        spiegelhalter_z=z,
        spiegelhalter_p=float(2 * norm.sf(abs(z))),
        indices=rank_indices(y, p),
        discrimination_d=(lr - 1) / m,
        discrimination_chi2=lr,
        unreliability_u=(unreliability - 2) / m,
        unreliability_chi2=unreliability,
        unreliability_p=float(chi2.sf(max(unreliability, 0.0), 2)),
        quality_q=(lr - 1) / m - (unreliability - 2) / m,
        nagelkerke_r2=float(np.expm1(min(-lr / m, LARGEST_EXPONENT)) / np.expm1(2 * null / m)),
        curve=tuple((float(x), float(s)) for x, s in curve),
        e_max=float(errors.max()),
        e_90=float(np.quantile(errors, 0.9)),
        e_average=float(errors.mean()),
        bins=_bins(y, p, groups, confidence),
        confidence=confidence,
        warnings=_warnings(n, m, n_missing, slope) + notes,
    )


def hosmer_lemeshow(
    outcome: Sequence, probability: Sequence, *, groups: int = 10, development: bool = True, confidence: float = 0.95
) -> HosmerLemeshow:
    """Hosmer-Lemeshow test over quantile bins (type 7, closed on the right): sum of (observed - expected)^2 / expected.

    Args:
        development: True if the model was fitted to these patients (bins - 2 degrees of freedom), False for others.

    Raises:
        InputError: as :func:`calibrate`; or too few bins are left for the degrees of freedom.
    """
    check_confidence(confidence)
    y, p, n_missing = _outcome_and_probability(outcome, probability)
    if groups < 3:
        raise InputError(f"{groups} groups are too few", remedy="Use 3 groups or more")
    bins = _bins(y, p, groups, confidence)
    filled = [one for one in bins if one.n]
    df = len(filled) - 2 if development else len(filled)
    if df < 1:
        raise InputError(
            f"ties leave only {len(filled)} groups", where="probability", remedy="The test needs three different ones"
        )
    statistic = sum(_cell(one.events, one.expected_events, one.n) for one in filled)
    notes = (f"{n_missing} patients left out for missing values",) if n_missing else ()
    if len(filled) < groups:
        notes += (f"ties leave {len(filled)} of {groups} groups",)
    return HosmerLemeshow(
        method=f"Hosmer-Lemeshow, {len(filled)} quantile groups, df = "
        f"{'groups - 2 (development data)' if development else 'groups (external data)'}",
        chi2=float(statistic),
        df=df,
        p=float(chi2.sf(statistic, df)),
        groups_asked=groups,
        groups=len(filled),
        bins=bins,
        warnings=notes,
    )


def _cell(events: int, expected: float, n: int) -> float:
    """(O-E)^2/E for events and others; a cell that expects none and has none adds nothing."""
    difference = (events - expected) ** 2
    parts = [difference / e if e > 0 else (np.inf if difference > 0 else 0.0) for e in (expected, n - expected)]
    return float(sum(parts))


def _outcome_and_probability(outcome: Sequence, probability: Sequence) -> tuple[np.ndarray, np.ndarray, int]:
    y, p = binary(outcome), numbers(probability, "probability")
    used = complete(y, p)
    y, p = y[used], p[used]
    both_classes(y)
    if p.min() < 0 or p.max() > 1:
        raise InputError("values outside 0 to 1", where="probability", remedy="Give predicted probabilities")
    return y, p, int(np.count_nonzero(~used))


def _recalibrated_intercept(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Maximum likelihood of a in logit(p) + a, with its standard error; NaN where predictions are too sure for any."""
    matrix = np.column_stack([np.ones(labels.size), logits])
    likelihood = Likelihood(matrix, labels)
    beta, _ = maximize(likelihood, np.array([0.0, 1.0]), np.array([True, False]))
    information = float(likelihood.information(beta)[0, 0])
    if information < NO_INFORMATION:
        return np.nan, np.nan
    return float(beta[0]), information**-0.5


def _recalibration(logits: np.ndarray, labels: np.ndarray) -> tuple[tuple[float, float], float, float, tuple[str, ...]]:
    """(intercept, slope), SE of the slope, log-likelihood; NaN with a note where they do not exist."""
    matrix = np.column_stack([np.ones(labels.size), logits])
    undefined = (np.nan, np.nan), np.nan, np.nan
    if np.ptp(logits) == 0:
        return *undefined, ("all predictions are equal: no calibration slope",)
    if find_separation(matrix, labels).kind is not SeparationKind.NONE:
        return *undefined, ("the predictions separate the classes: the calibration slope is infinite",)
    likelihood = Likelihood(matrix, labels)
    beta, _ = maximize(likelihood, np.array([0.0, 1.0]))
    covariance = np.linalg.inv(likelihood.information(beta))
    return (float(beta[0]), float(beta[1])), float(covariance[1, 1] ** 0.5), likelihood.value(beta), ()


def _log_probability(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return xlogy(y, p) + xlogy(1 - y, 1 - p)


def _smooth_curve(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Lowess without robustness steps (Cleveland 1979), the calibration curve of Harrell; rows (p, smoothed) by p."""
    if np.ptp(p) == 0:
        return np.array([[p[0], y.mean()]])
    order = np.argsort(p, kind="stable")
    x = p[order]
    smooth = lowess(x, y[order], span=SMOOTHING_SPAN, step=SMOOTHING_STEP * np.ptp(p))
    values, first = np.unique(x, return_index=True)
    return np.column_stack([values, smooth[first]])


def _bins(y: np.ndarray, p: np.ndarray, groups: int, confidence: float) -> tuple[CalibrationBin, ...]:
    edges = np.unique(_quantiles(np.sort(p), np.minimum(np.arange(groups + 1) * (1 / groups), 1.0)))
    if edges.size == 1:
        edges = np.append(edges, edges)
    place = np.clip(np.searchsorted(edges, p, side="left") - 1, 0, edges.size - 2)
    return tuple(_bin(edges[i], edges[i + 1], y[place == i], p[place == i], confidence) for i in range(edges.size - 1))


def _quantiles(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Type 7, but exact where both neighbors are equal, so that ties make no edges a rounding error apart."""
    place = 1 + (ordered.size - 1) * shares
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, ordered.size)
    rest = place - low
    below, above = ordered[low - 1], ordered[high - 1]
    return np.where(below == above, below, (1 - rest) * below + rest * above)


def _bin(low: float, high: float, y: np.ndarray, p: np.ndarray, confidence: float) -> CalibrationBin:
    n, events = y.size, int(y.sum())
    ci = binomtest(events, n).proportion_ci(confidence, method="wilson") if n else (np.nan, np.nan)
    return CalibrationBin(
        low=float(low),
        high=float(high),
        n=n,
        events=events,
        expected_events=float(p.sum()),
        mean_predicted=float(p.mean()) if n else np.nan,
        observed=events / n if n else np.nan,
        observed_ci=(float(ci[0]), float(ci[1])),
    )


def _warnings(n: int, m: int, n_missing: int, slope: float) -> tuple[str, ...]:
    notes = []
    if n_missing:
        notes.append(f"{n_missing} of {n + n_missing} patients left out for missing values")
    if n > m:
        notes.append(f"{n - m} predictions are exactly 0 or 1 and have no logit: left out of slope and intercept")
    if slope < 0:
        notes.append("negative slope: the predictions point the wrong way")
    return tuple(notes)


def recalibrated(calibration: Calibration, probability: Sequence) -> np.ndarray:
    """Probabilities (n,) after logistic recalibration: expit(intercept + slope logit(p))."""
    p = numbers(probability, "probability")
    with np.errstate(divide="ignore"):
        return expit(calibration.intercept + calibration.slope * logit(p))
