"""Time to event: Kaplan-Meier curves with the limits R offers, median, follow-up, and the log-rank test."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import chi2, norm

from ..errors import InputError
from .model_data import binary, categories, complete, left_out, missing_cells, numbers
from .samples import check_confidence

TIE_TOLERANCE = np.sqrt(np.finfo(float).eps)  # relative; 0.1 + 0.2 and 0.3 are the same month, as in R's survival


class SurvivalLimits(Enum):
    """Scale on which the limits of a survival curve are symmetric; R's default is LOG, most papers' is LOG_LOG."""

    LOG = "log"
    LOG_LOG = "log-log"
    PLAIN = "plain"


class LogRankWeights(Enum):
    """Plain log-rank, or Peto & Peto's, weighted with the survival before each event (Harrington-Fleming rho = 1)."""

    LOG_RANK = "log-rank"
    PETO_PETO = "Peto-Peto"


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier estimate at every observed time.

    Attributes:
        method, n, n_missing, events, confidence, limits, warnings.
        times, n_risk, n_event, n_censor: per distinct time.
        survival, standard_error: estimate with Greenwood's error; low, high: limits. Error and limits are NaN where
            nobody is left (survival 0), log-log limits also where survival is still 1.
        cumulative_hazard: Nelson-Aalen.
        median, median_ci: where curve and limits cross one half, the middle if they run along it; NaN if never.
        median_follow_up: median of the reverse Kaplan-Meier curve, in which censoring is the event.
    """

    method: str
    n: int
    n_missing: int
    events: int
    times: tuple[float, ...]
    n_risk: tuple[int, ...]
    n_event: tuple[int, ...]
    n_censor: tuple[int, ...]
    survival: tuple[float, ...]
    standard_error: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    cumulative_hazard: tuple[float, ...]
    median: float
    median_ci: tuple[float, float]
    median_follow_up: float
    confidence: float
    limits: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SurvivalAt:
    """Read off a curve at chosen times; n_risk counts patients with at least that time."""

    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n_risk: tuple[int, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class LogRank:
    """Test of equal survival: per group patients, observed and expected events (weighted ones for Peto-Peto)."""

    method: str
    groups: tuple[str, ...]
    n: tuple[int, ...]
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    chi2: float
    df: int
    p: float
    n_missing: int
    warnings: tuple[str, ...]


def kaplan_meier(
    time: Sequence,
    event: Sequence,
    *,
    limits: SurvivalLimits | str = SurvivalLimits.LOG_LOG,
    confidence: float = 0.95,
) -> SurvivalCurve:
    """Kaplan & Meier 1958 with Greenwood's error; times (n,) not negative, event (n,) 1 = happened, 0 = censored.

    Raises:
        InputError: no complete patient, a negative time, an event that is not 0/1.
    """
    check_confidence(confidence)
    t, d, used = time_and_event(time, event)
    kind = SurvivalLimits(limits)
    times, n_risk, n_event, n_censor = risk_table(t, d)
    survival, error = _product_limit(t, d, times)
    low, high = _limits(survival, error, kind, confidence)
    median_ci = tuple(sorted((crossing(times, low, 0.5), crossing(times, high, 0.5)), key=lambda x: (np.isnan(x), x)))
    notes = left_out(used)
    return SurvivalCurve(
        method=f"Kaplan-Meier, Greenwood error, {100 * confidence:g} % limits on the {kind.value} scale",
        n=t.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(d.sum()),
        times=tuple(times.tolist()),
        n_risk=tuple(n_risk.tolist()),
        n_event=tuple(n_event.tolist()),
        n_censor=tuple(n_censor.tolist()),
        survival=tuple(survival.tolist()),
        standard_error=tuple(np.where(survival > 0, error, np.nan).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        cumulative_hazard=tuple(np.cumsum(n_event / n_risk).tolist()),
        median=crossing(times, survival, 0.5),
        median_ci=median_ci,
        median_follow_up=crossing(times, _product_limit(t, 1 - d, times)[0], 0.5),
        confidence=confidence,
        limits=kind.value,
        warnings=notes + (() if d.any() else ("no event",)),
    )


def kaplan_meier_by_group(
    time: Sequence, event: Sequence, group: Sequence, **options
) -> tuple[tuple[str, SurvivalCurve], ...]:
    """One curve per group, groups in order; patients without a group are left out."""
    labels = categories(np.asarray(group))
    if len(time) != labels.size:
        raise InputError(f"{labels.size} groups for {len(time)} times", where="group")
    t, d = np.asarray(time), np.asarray(event)
    return tuple(
        (str(name), kaplan_meier(t[labels == name], d[labels == name], **options))
        for name in np.unique(labels[~missing_cells(labels)])
    )


def survival_at(curve: SurvivalCurve, times: Sequence[float]) -> SurvivalAt:
    """Survival, limits and patients at risk at chosen times (steps: the value of the last time not after)."""
    wanted = np.asarray(times, dtype=np.float64)
    at = np.searchsorted(curve.times, wanted * (1 + TIE_TOLERANCE), side="right")
    next_ = np.searchsorted(curve.times, wanted * (1 - TIE_TOLERANCE), side="left")
    beyond = wanted[wanted > curve.times[-1]]
    notes = (f"nobody was followed beyond {curve.times[-1]:g}: the last value is held",) if beyond.size else ()
    return SurvivalAt(
        times=tuple(wanted.tolist()),
        survival=tuple(np.append(1.0, curve.survival)[at].tolist()),
        low=tuple(np.append(1.0, curve.low)[at].tolist()),
        high=tuple(np.append(1.0, curve.high)[at].tolist()),
        n_risk=tuple(np.append(curve.n_risk, 0)[next_].astype(int).tolist()),
        warnings=notes,
    )


def log_rank(
    time: Sequence,
    event: Sequence,
    group: Sequence,
    *,
    weights: LogRankWeights | str = LogRankWeights.LOG_RANK,
) -> LogRank:
    """Log-rank test of two or more groups (Mantel 1966; Peto & Peto 1972), p NaN where the groups never compete.

    statsmodels' test does not end where all patients have their event at one time.

    Raises:
        InputError: fewer than two groups, no event.
    """
    labels = categories(np.asarray(group))
    t, d, used = time_and_event(time, event, ~missing_cells(labels))
    labels, kind = labels[used], LogRankWeights(weights)
    names, place = np.unique(labels, return_inverse=True)
    if names.size < 2:
        raise InputError(f"{names.size} group, two are needed", where="group")
    if not d.any():
        raise InputError("no event", where="event", remedy="Check how events are coded: 1 happened, 0 censored")
    observed, expected, covariance = _scores(t, d, place, kind)
    counts = np.bincount(place)
    followed = expected > 0  # a group that left before the first event takes no part
    excess, df = observed - expected, int(np.linalg.matrix_rank(covariance, hermitian=True))
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    notes = list(left_out(used))
    notes += [f"group {names[i]} left before the first event and takes no part" for i in np.flatnonzero(~followed)]
    notes += [f"group {names[i]} has only {counts[i]} patients" for i in np.flatnonzero(counts < 10)]
    return LogRank(
        method=f"{kind.value} test",
        groups=tuple(str(name) for name in names),
        n=tuple(counts.tolist()),
        observed=tuple(observed.tolist()),
        expected=tuple(expected.tolist()),
        chi2=statistic,
        df=df,
        p=float(chi2.sf(statistic, df)) if df > 0 else np.nan,
        n_missing=int(np.count_nonzero(~used)),
        warnings=tuple(notes),
    )


def time_and_event(time: Sequence, event: Sequence, *also: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and events of complete patients, and which those are (n,); ``also`` are further flags that must hold.

    Raises:
        InputError: no complete patient, a negative time, an event that is not 0/1.
    """
    t, d = numbers(time, "time"), binary(event, "event")
    used = complete(t, d, *(np.where(flag, 0.0, np.nan) for flag in also))
    if not used.any():
        raise InputError("no patient with time and event", where="time")
    if t[used].min() < 0:
        row = int(np.flatnonzero(used & (t < 0))[0]) + 1
        raise InputError("negative time", where=f"column time, row {row}", remedy="Correct it or leave it empty")
    return same_times(t[used]), d[used], used


def same_times(times: np.ndarray) -> np.ndarray:
    """Times that differ by rounding only become equal (the smallest of them)."""
    distinct, place = np.unique(times, return_inverse=True)
    apart = np.append(True, np.diff(distinct) > TIE_TOLERANCE * max(np.abs(distinct).mean(), np.finfo(float).tiny))
    return distinct[np.maximum.accumulate(np.where(apart, np.arange(distinct.size), 0))][place]


def risk_table(times: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct times with patients at risk just before, events, and censored, each (m,)."""
    distinct, place = np.unique(times, return_inverse=True)
    died = np.bincount(place, weights=events).astype(int)
    left = np.bincount(place)
    at_risk = times.size - np.append(0, np.cumsum(left)[:-1])
    return distinct, at_risk, died, left - died


def crossing(times: np.ndarray, curve: np.ndarray, level: float) -> float:
    """Time at which a falling curve reaches the level; the middle of the step if it runs along it; NaN if never."""
    known = ~np.isnan(curve)
    x, y = np.asarray(times)[known], np.asarray(curve)[known]
    reached = np.flatnonzero(y <= level + TIE_TOLERANCE)
    if not reached.size:
        return np.nan
    below = np.flatnonzero(y < level - TIE_TOLERANCE)
    end = x[below[0]] if below.size else (x[-1] if abs(y[-1] - level) <= TIE_TOLERANCE else x[reached[0]])
    return float((x[reached[0]] + end) / 2)


def _product_limit(t: np.ndarray, d: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Survival and Greenwood's error at the given times."""
    if not d.any():
        return np.ones(times.size), np.zeros(times.size)
    from statsmodels.duration.survfunc import SurvfuncRight  # here, because Slicer does not ship it

    with np.errstate(divide="ignore", invalid="ignore"):  # error of a curve that reaches 0
        estimate = SurvfuncRight(t, d)
    place = np.searchsorted(estimate.surv_times, times, side="right")
    return np.append(1.0, estimate.surv_prob)[place], np.append(0.0, estimate.surv_prob_se)[place]


def _limits(
    survival: np.ndarray, error: np.ndarray, kind: SurvivalLimits, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.full(survival.size, np.nan), np.full(survival.size, np.nan)
    inside = survival > 0 if kind is not SurvivalLimits.LOG_LOG else (survival > 0) & (survival < 1)
    s, half = survival[inside], norm.ppf(0.5 + confidence / 2) * error[inside]
    if kind is SurvivalLimits.PLAIN:
        limits = s - half, s + half
    elif kind is SurvivalLimits.LOG:
        limits = s * np.exp(-half / s), s * np.exp(half / s)
    else:
        turn = np.exp(half / (s * np.log(s)))
        limits = s ** (1 / turn), s**turn
    low[inside], high[inside] = np.clip(limits[0], 0, 1), np.clip(limits[1], 0, 1)
    return low, high


def _scores(
    t: np.ndarray, d: np.ndarray, place: np.ndarray, kind: LogRankWeights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observed and expected events of each group, weighted, and the covariance of their difference.

    With d of n patients at risk having their event at a time, those of a group are hypergeometric.
    """
    times, n_risk, n_event, _ = risk_table(t, d)
    weight = np.ones(times.size)
    if kind is LogRankWeights.PETO_PETO:
        weight = np.append(1.0, np.cumprod(1 - n_event / n_risk)[:-1])
    step = np.searchsorted(times, t)
    k = place.max() + 1
    at_risk = np.zeros((k, times.size))
    np.add.at(at_risk, (place, step), 1)
    at_risk = at_risk[:, ::-1].cumsum(axis=1)[:, ::-1]
    observed = np.bincount(place, weights=d * weight[step], minlength=k)
    share = at_risk / n_risk
    spread = weight**2 * n_event * (n_risk - n_event) / np.maximum(n_risk - 1, 1)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    return observed, share @ (weight * n_event), covariance
