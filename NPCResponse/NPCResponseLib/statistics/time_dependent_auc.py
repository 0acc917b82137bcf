"""Area under the ROC curve at a time: does the marker tell who has had the event by then from who has not?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .decision_curve import bootstrap_words
from .model_data import left_out, numbers
from .samples import check_confidence
from .survival import risk_table, time_and_event


@dataclass(frozen=True)
class TimeDependentAuc:
    """Cumulative/dynamic AUC, weighted by the inverse probability of censoring.

    Attributes:
        method, n, n_missing, events, confidence, replicates, seed, warnings.
        times: at which; cases (events up to and at the time) and controls (followed beyond it).
        auc: NaN where cases or controls are lacking. low, high: bootstrap percentile limits, empty without bootstrap.
    """

    method: str
    n: int
    n_missing: int
    events: int
    times: tuple[float, ...]
    cases: tuple[int, ...]
    controls: tuple[int, ...]
    auc: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    confidence: float
    replicates: int
    seed: int | None
    warnings: tuple[str, ...]


def time_dependent_auc(
    time: Sequence,
    event: Sequence,
    marker: Sequence,
    times: Sequence[float],
    *,
    replicates: int = 0,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> TimeDependentAuc:
    """P(marker of a case > marker of a control), larger markers meaning earlier events, ties of the marker one half.

    Cases at t have their event at or before t, controls are followed beyond t. A case at T_i weighs 1/G(T_i-), with G
    the Kaplan-Meier curve of censoring; controls weigh alike (Uno et al. 2007, JASA 102:527; Hung & Chiang 2010, Can J
    Stat 38:8). Censoring must not depend on the marker.

    Args:
        time, event, marker: (n,); times: at which.
        replicates: bootstrap of patients for the limits; 0 for none.

    Raises:
        InputError: unusable columns.
    """
    check_confidence(confidence)
    values = numbers(marker, "marker")
    t, d, used = time_and_event(time, event, ~np.isnan(values))
    x, at = values[used], np.asarray(times, dtype=np.float64)
    if at.ndim != 1 or not at.size:
        raise InputError("name at least one time", where="times")
    auc = _areas(t, d, x, at)
    low, high = _bootstrap(t, d, x, at, replicates, seed, confidence)
    notes = list(left_out(used))
    notes += [f"no cases or no controls at {when:g}" for when in at[np.isnan(auc)]]
    return TimeDependentAuc(
        method="cumulative/dynamic AUC, cases weighted by inverse probability of censoring (Kaplan-Meier)"
        + bootstrap_words(replicates, seed, confidence),
        n=t.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(d.sum()),
        times=tuple(at.tolist()),
        cases=tuple(int(np.count_nonzero((t <= when) & (d == 1))) for when in at),
        controls=tuple(int(np.count_nonzero(t > when)) for when in at),
        auc=tuple(auc.tolist()),
        low=low,
        high=high,
        confidence=confidence,
        replicates=replicates,
        seed=seed if replicates else None,
        warnings=tuple(notes),
    )


def _areas(t: np.ndarray, d: np.ndarray, x: np.ndarray, at: np.ndarray) -> np.ndarray:
    weights = _case_weights(t, d)
    areas = np.full(at.size, np.nan)
    for index, when in enumerate(at):
        case, control = (t <= when) & (d == 1), np.sort(x[t > when])
        if case.any() and control.size:
            below = np.searchsorted(control, x[case], side="left")
            not_above = np.searchsorted(control, x[case], side="right")
            areas[index] = weights[case] @ ((below + not_above) / 2) / (weights[case].sum() * control.size)
    return areas


def _case_weights(t: np.ndarray, d: np.ndarray) -> np.ndarray:
    """1 / G just before each time; at a shared time events come before censorings."""
    times, n_risk, n_event, n_censor = risk_table(t, d)
    still_there = n_risk - n_event
    steps = 1 - np.divide(n_censor, still_there, out=np.zeros(times.size), where=still_there > 0)
    before = np.append(1.0, np.cumprod(steps)[:-1])[np.searchsorted(times, t)]
    return np.divide(1.0, before, out=np.zeros(t.size), where=before > 0)


def _bootstrap(
    t: np.ndarray, d: np.ndarray, x: np.ndarray, at: np.ndarray, replicates: int, seed: int, confidence: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not replicates:
        return (), ()
    rng = np.random.default_rng(seed)
    draws = np.empty((replicates, at.size))
    for replicate in range(replicates):
        drawn = rng.integers(0, t.size, t.size)
        draws[replicate] = _areas(t[drawn], d[drawn], x[drawn], at)
    tail = (1 - confidence) / 2
    limits = [
        np.quantile(column[~np.isnan(column)], [tail, 1 - tail]) if np.isfinite(column).any() else (np.nan, np.nan)
        for column in draws.T
    ]
    return tuple(float(low) for low, _ in limits), tuple(float(high) for _, high in limits)
