"""Cumulative incidence when another event can come first, and Gray's test between groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from ..errors import InputError
from .model_data import categories, left_out, missing_cells, numbers
from .samples import check_confidence
from .survival import TIE_TOLERANCE, same_times


@dataclass(frozen=True)
class CumulativeIncidence:
    """Aalen-Johansen estimate for one cause.

    Attributes:
        method, cause, n, n_missing, events (of the cause), competing (events of other causes), confidence, warnings.
        times: distinct times at which any event happened; incidence, variance, low, high: at those. Limits are on the
            log(-log) scale, NaN while the incidence is 0 or 1. last_time: end of follow-up.
    """

    method: str
    cause: int
    n: int
    n_missing: int
    events: int
    competing: int
    times: tuple[float, ...]
    incidence: tuple[float, ...]
    variance: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    last_time: float
    confidence: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class IncidenceAt:
    """Read off at chosen times; NaN beyond the last follow-up."""

    times: tuple[float, ...]
    incidence: tuple[float, ...]
    variance: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class GrayTest:
    """Equality of the cumulative incidence of one cause between groups."""

    method: str
    cause: int
    groups: tuple[str, ...]
    n: tuple[int, ...]
    events: tuple[int, ...]
    chi2: float
    df: int
    p: float
    n_missing: int
    warnings: tuple[str, ...]


def cumulative_incidence(
    time: Sequence, status: Sequence, *, cause: int = 1, confidence: float = 0.95
) -> CumulativeIncidence:
    """F(t) = sum over events up to t of S(before) d/n, S being the survival free of any event.

    Variance by Aalen's formula (Aalen 1978, Ann Statist 6:534), the one R's cmprsk prints.

    Args:
        time: (n,); status: (n,) 0 censored, otherwise the number of the event; cause: the event of interest.

    Raises:
        InputError: no complete patient, negative time, status not a whole number from 0 on.
    """
    check_confidence(confidence)
    t, s, used = _time_and_status(time, status)
    of_cause, other = (s == cause).astype(float), ((s != cause) & (s > 0)).astype(float)
    times, risk, d1, d2 = _event_table(t, of_cause, other)
    incidence, variance = _incidence(risk, d1, d2)
    low, high = _limits(incidence, variance, confidence)
    notes = left_out(used)
    notes += () if of_cause.any() else (f"no event of cause {cause}",)
    return CumulativeIncidence(
        method=f"cumulative incidence (Aalen-Johansen), {100 * confidence:g} % limits on the log-log scale",
        cause=cause,
        n=t.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(of_cause.sum()),
        competing=int(other.sum()),
        times=tuple(times.tolist()),
        incidence=tuple(incidence.tolist()),
        variance=tuple(variance.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        last_time=float(t.max()),
        confidence=confidence,
        warnings=notes,
    )


def incidence_at(curve: CumulativeIncidence, times: Sequence[float]) -> IncidenceAt:
    """Values at chosen times (steps)."""
    wanted = np.asarray(times, dtype=np.float64)
    at = np.searchsorted(curve.times, wanted * (1 + TIE_TOLERANCE), side="right")
    beyond = wanted > curve.last_time * (1 + TIE_TOLERANCE)

    def read(start: float, values: Sequence[float]) -> tuple[float, ...]:
        return tuple(np.where(beyond, np.nan, np.append(start, values)[at]).tolist())

    return IncidenceAt(
        tuple(wanted.tolist()),
        read(0.0, curve.incidence),
        read(0.0, curve.variance),
        read(np.nan, curve.low),
        read(np.nan, curve.high),
    )


def gray_test(time: Sequence, status: Sequence, group: Sequence, *, cause: int = 1) -> GrayTest:
    """Gray 1988, Ann Statist 16:1141, with rho = 0: a log-rank test of the subdistribution hazards.

    A patient with a competing event stays in the risk set with the weight that censoring leaves:
    R_k(t) = Y_k(t) (1 - F_k(t-)) / S_k(t-).

    Raises:
        InputError: fewer than two groups, no event of the cause.
    """
    labels = categories(np.asarray(group))
    t, s, used = _time_and_status(time, status, ~missing_cells(labels))
    names, place = np.unique(labels[used], return_inverse=True)
    if names.size < 2:
        raise InputError(f"{names.size} group, two are needed", where="group")
    if not (s == cause).any():
        raise InputError(f"no event of cause {cause}", where="status")
    score, covariance = _gray_score(t, s == cause, (s != cause) & (s > 0), place, names.size)
    rank = np.linalg.matrix_rank(covariance, hermitian=True)
    statistic = float(score @ np.linalg.pinv(covariance, hermitian=True) @ score)
    counts = np.bincount(place)
    notes = list(left_out(used))
    notes += [f"group {names[i]} has only {counts[i]} patients" for i in np.flatnonzero(counts < 10)]
    return GrayTest(
        method="Gray's test (rho = 0)",
        cause=cause,
        groups=tuple(str(name) for name in names),
        n=tuple(counts.tolist()),
        events=tuple(np.bincount(place, weights=s == cause, minlength=names.size).astype(int).tolist()),
        chi2=statistic,
        df=int(rank),
        p=float(chi2.sf(statistic, rank)) if rank else np.nan,
        n_missing=int(np.count_nonzero(~used)),
        warnings=tuple(notes),
    )


def _time_and_status(time: Sequence, status: Sequence, *also: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t, s = numbers(time, "time"), numbers(status, "status")
    if t.size != s.size or any(flag.size != t.size for flag in also):
        raise InputError("columns of different lengths", remedy="Give one value per patient in each")
    used = ~np.isnan(t) & ~np.isnan(s)
    for flag in also:
        used &= flag
    if not used.any():
        raise InputError("no patient with time and status", where="time")
    if t[used].min() < 0:
        raise InputError("negative time", where="time", remedy="Correct it or leave it empty")
    if (s[used] < 0).any() or (s[used] % 1 != 0).any():
        raise InputError(
            "status must be a whole number from 0 on", where="status", remedy="Code 0 censored, 1 event, 2 competing"
        )
    return same_times(t[used]), s[used], used


def _event_table(
    t: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct times with any event, patients at risk, events of the cause and of others."""
    times = np.unique(t[(first + second) > 0])
    risk = t.size - np.searchsorted(np.sort(t), times, side="left")
    d1, d2 = (
        np.bincount(np.searchsorted(times, t[flag > 0]), minlength=times.size).astype(float) for flag in (first, second)
    )
    return times, risk.astype(float), d1, d2


def _incidence(risk: np.ndarray, d1: np.ndarray, d2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F and its variance at each time.

    Var F(t) = sum over s <= t of (S(s-)/n)^2 {d1 [1 - (F(t)-F(s))/S(s)]^2 + d2 [(F(t)-F(s))/S(s)]^2}, each number of
    events d times 1 - (d-1)/(n-1) for ties; expanded in powers of F(t) to run in one pass.
    """
    survival = np.cumprod(1 - (d1 + d2) / risk)
    before = np.append(1.0, survival[:-1])
    f = np.cumsum(before * d1 / risk)
    v1, v2 = ((before / risk) ** 2 * d * np.where(d > 1, 1 - _ratio(d - 1, risk - 1), 1.0) for d in (d1, d2))
    slope = _ratio(np.ones(f.size), survival)
    rest = 1 + f * slope  # 1 - (F(t)-F(s))/S(s) is rest - F(t) slope
    constant = np.cumsum(v1 * rest**2 + v2 * (f * slope) ** 2)
    linear = np.cumsum(v1 * rest * slope + v2 * f * slope**2)
    return f, np.maximum(constant - 2 * f * linear + f**2 * np.cumsum((v1 + v2) * slope**2), 0.0)


def _limits(incidence: np.ndarray, variance: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """F ** exp(+- z SE / (F log F)), which stays within 0 and 1 (Kalbfleisch & Prentice 2002, 8.2)."""
    low, high = np.full(incidence.size, np.nan), np.full(incidence.size, np.nan)
    inside = (incidence > 0) & (incidence < 1 - 1e-12)
    f = incidence[inside]
    turn = np.exp(norm.ppf(0.5 + confidence / 2) * np.sqrt(variance[inside]) / (f * np.log(f)))
    low[inside], high[inside] = f ** (1 / turn), f**turn
    return low, high


@dataclass(frozen=True)
class _GroupTable:
    """One group on the event times of all (m,): S and F after each time and ``_before`` it."""

    at_risk: np.ndarray
    first: np.ndarray
    second: np.ndarray
    survival: np.ndarray
    survival_before: np.ndarray
    incidence_before: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """Y/S: how many patients those at risk stand for."""
        return np.divide(
            self.at_risk, self.survival_before, out=np.zeros(self.at_risk.size), where=self.survival_before > 0
        )


def _group_table(times: np.ndarray, t: np.ndarray, first: np.ndarray, second: np.ndarray) -> _GroupTable:
    at_risk = (t.size - np.searchsorted(np.sort(t), times, side="left")).astype(float)
    d1, d2 = (
        np.bincount(np.searchsorted(times, t[flag]), minlength=times.size).astype(float) for flag in (first, second)
    )
    someone = np.maximum(at_risk, 1.0)
    survival = np.cumprod(1 - (d1 + d2) / someone)
    before = np.append(1.0, survival[:-1])
    incidence = np.cumsum(before * d1 / someone)
    return _GroupTable(at_risk, d1, d2, survival, before, np.append(0.0, incidence[:-1]))


def _gray_score(
    t: np.ndarray, first: np.ndarray, second: np.ndarray, place: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Score z_k = sum d1_k - R_k/R d1 of all groups, and its covariance (both of rank k - 1)."""
    times, _, d1, _ = _event_table(t, first.astype(float), second.astype(float))
    groups = [_group_table(times, t[place == g], first[place == g], second[place == g]) for g in range(k)]
    weighted = np.array([group.reach * (1 - group.incidence_before) for group in groups])  # R_k
    events = np.array([group.first for group in groups])
    score = (events - weighted * _ratio(d1, weighted.sum(axis=0))).sum(axis=1)
    return score, _gray_covariance(groups, d1)


def _gray_covariance(groups: Sequence[_GroupTable], d1: np.ndarray) -> np.ndarray:
    """Sum over groups r of the variance of their two martingales M1, M2, with F pooled as the hypothesis says.

    dM1 of group r moves score i directly by a_ir = [i = r] - (Y_i/S_i)/sum(Y/S). Both martingales also move the
    estimated S and F of the group and with them its later risk weights: by (S/Y) [1 - (1-F)/S] C_ir for dM1 and by
    -(S/Y) (1-F)/S C_ir for dM2, where C_ir(t) sums a_ir (Y_r/S_r) dF/(1-F) over times after t and dF = d1/sum(Y/S).
    """
    reach = np.array([group.reach for group in groups])
    total = reach.sum(axis=0)
    rise = _ratio(d1, total)
    pooled = np.cumsum(rise)
    hazard = _ratio(rise, 1 - np.append(0.0, pooled[:-1]))
    covariance = np.zeros((len(groups), len(groups)))
    for r, group in enumerate(groups):
        direct = (np.arange(len(groups)) == r)[:, None] - _ratio(reach, total)
        moved = direct * reach[r] * hazard
        later = moved.sum(axis=1, keepdims=True) - np.cumsum(moved, axis=1)
        odds = _ratio(1 - pooled, group.survival)
        own = direct + _ratio(1 - odds, reach[r]) * later
        other = _ratio(odds, reach[r]) * later
        ties1 = np.where(d1 > 1, 1 - _ratio(d1 - 1, total * group.survival_before - 1), 1.0)
        ties2 = np.where(group.second > 1, 1 - _ratio(group.second - 1, group.at_risk - 1), 1.0)
        covariance += (own * (ties1 * reach[r] * rise)) @ own.T + (other * (ties2 * group.second)) @ other.T
    return covariance


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, 0 where below is not positive."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.zeros(shape), where=np.broadcast_to(below > 0, shape))
