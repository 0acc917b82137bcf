"""The cutoff of a marker that separates survival best, with a p that knows it was searched for.

Two rules are called "maximal log-rank" in print and can choose different cutoffs on the same data; the rule is a
parameter and stands in the result, beside the cutoff that the other rule would have chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import chi2, norm

from ..errors import InputError
from .model_data import left_out, numbers
from .survival import risk_table, time_and_event


class CutoffRule(Enum):
    """MAXSTAT: largest standardized log-rank score statistic, permutation variance (Lausen & Schumacher 1992,
    Biometrics 48:73; R's maxstat and survminer). LARGEST_CHI2: largest chi-squared of the ordinary log-rank test."""

    MAXSTAT = "maximally selected standardized log-rank statistic"
    LARGEST_CHI2 = "largest log-rank chi-squared"


@dataclass(frozen=True)
class SurvivalCutoff:
    """Groups are marker <= cutoff and marker > cutoff; the cutoff is an observed value.

    Attributes:
        method, rule, n, n_missing, events, n_low (patients at or below), minimum_share, warnings.
        cutoff, statistic: chosen value; M of MAXSTAT, or chi-squared.
        higher_risk: which side has more events than expected, "above" or "at or below".
        p_naive: as if the cutoff had been known before; never report it alone.
        p_lausen_94: corrected, improved Bonferroni (Lausen, Sauerbrei & Schumacher 1994); 1 at most.
        p_lausen_92: corrected, Brownian bridge (Miller & Siegmund 1982; Lausen & Schumacher 1992).
        p_permutation: corrected, share of permutations of the marker with at least this maximum (the exact answer up to
            simulation error); NaN without permutations.
        candidates, statistics: all cutoffs tried and their statistics.
        other_rule, other_cutoff: what the other rule chooses.
        permutations, seed.
    """

    method: str
    rule: str
    n: int
    n_missing: int
    events: int
    n_low: int
    minimum_share: float
    cutoff: float
    statistic: float
    higher_risk: str
    p_naive: float
    p_lausen_94: float
    p_lausen_92: float
    p_permutation: float
    candidates: tuple[float, ...]
    statistics: tuple[float, ...]
    other_rule: str
    other_cutoff: float
    permutations: int
    seed: int | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Scan:
    """Log-rank at every split of patients ordered by marker.

    Attributes:
        scores: (n,) event - cumulative hazard, so that sums over a group are observed - expected events.
        rank_scores: (n,) the same with tied patients counted as gone (Hothorn & Lausen 2003, Comput Stat Data Anal
            43:121), the scores of MAXSTAT; without ties they are equal.
        at_risk: (n, m) whether a patient is at risk at each event time; weights: (m,) d (n-d)/(n-1).
        risk: (m,) patients at risk.
    """

    scores: np.ndarray
    rank_scores: np.ndarray
    at_risk: np.ndarray
    weights: np.ndarray
    risk: np.ndarray

    def statistics(self, rule: CutoffRule, order: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """|Z| or chi-squared with the first ``splits`` patients of ``order`` in the low group; (len(splits),)."""
        if rule is CutoffRule.MAXSTAT:
            n, centered = order.size, self.rank_scores - self.rank_scores.mean()
            if np.ptp(centered) < 1e-12:  # all patients had their event at one time: no cutoff separates them
                return np.zeros(splits.size)
            variance = splits * (n - splits) / (n * (n - 1)) * np.sum(centered**2)
            return np.abs(np.cumsum(centered[order])[splits - 1]) / np.sqrt(variance)
        excess = np.cumsum(self.scores[order])[splits - 1]
        share = np.cumsum(self.at_risk[order], axis=0, dtype=np.float32)[splits - 1].astype(np.float64) / self.risk
        variance = (share * (1 - share)) @ self.weights
        return np.divide(excess**2, variance, out=np.zeros(splits.size), where=variance > 0)


def survival_cutoff(
    time: Sequence,
    event: Sequence,
    marker: Sequence,
    *,
    rule: CutoffRule | str = CutoffRule.MAXSTAT,
    minimum_share: float = 0.1,
    permutations: int = 0,
    seed: int = 20260101,
) -> SurvivalCutoff:
    """Find the cutoff of a marker by maximal log-rank.

    Args:
        time, event, marker: (n,).
        minimum_share: smallest share of the patients in either group, more than 0 and less than a half.
        permutations: for p_permutation; 0 for none.

    Raises:
        InputError: no event, or no value that leaves enough patients on both sides.
    """
    values = numbers(marker, "marker")
    t, d, used = time_and_event(time, event, ~np.isnan(values))
    x, chosen = values[used], CutoffRule(rule)
    if not d.any():
        raise InputError("no event", where="event", remedy="Check how events are coded: 1 happened, 0 censored")
    if not 0 < minimum_share < 0.5:
        raise InputError("minimum_share must be more than 0 and less than 0.5", where="minimum_share")
    scan, order = _scan(t, d), np.argsort(x, kind="stable")
    cuts, splits = _candidates(x, minimum_share, chosen)
    statistics = scan.statistics(chosen, order, splits)
    best = _first_largest(statistics)
    other = next(one for one in CutoffRule if one is not chosen)
    other_cuts, other_splits = _candidates(x, minimum_share, other)
    maximum = float(statistics[best])
    m = maximum if chosen is CutoffRule.MAXSTAT else float(np.sqrt(maximum))
    excess = float(np.cumsum(scan.scores[order])[splits[best] - 1])
    permuted = _permutation_p(scan, chosen, splits, maximum, permutations, seed)
    return SurvivalCutoff(
        method=f"{chosen.value}, at least {100 * minimum_share:g} % of the patients in each group",
        rule=chosen.value,
        n=x.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(d.sum()),
        n_low=int(splits[best]),
        minimum_share=minimum_share,
        cutoff=float(cuts[best]),
        statistic=maximum,
        higher_risk="at or below" if excess > 0 else "above",
        p_naive=float(chi2.sf(m**2, 1)),
        p_lausen_94=_lausen_94(m, splits, x.size),
        p_lausen_92=_lausen_92(m, minimum_share),
        p_permutation=permuted,
        candidates=tuple(cuts.tolist()),
        statistics=tuple(statistics.tolist()),
        other_rule=other.value,
        other_cutoff=float(other_cuts[_first_largest(scan.statistics(other, order, other_splits))]),
        permutations=permutations,
        seed=seed if permutations else None,
        warnings=_warnings(used, float(cuts[best])),
    )


def _scan(t: np.ndarray, d: np.ndarray) -> _Scan:
    times, n_risk, n_event, _ = risk_table(t, d)
    hazard = np.cumsum(n_event / n_risk)[np.searchsorted(times, t)]
    with_event = n_event > 0
    risk, died = n_risk[with_event].astype(float), n_event[with_event]
    weights = died * (risk - died) / np.maximum(risk - 1, 1)
    gone = np.searchsorted(np.sort(t), t, side="right")
    steps = np.bincount(np.searchsorted(times, t), weights=d / (t.size - gone + 1))
    rank_hazard = np.cumsum(steps)[np.searchsorted(times, t)]
    return _Scan(d - hazard, d - rank_hazard, t[:, None] >= times[with_event], weights, risk)


def _candidates(x: np.ndarray, share: float, rule: CutoffRule) -> tuple[np.ndarray, np.ndarray]:
    """Values and how many patients have them or less. maxstat rounds the smallest group down, the other rule up."""
    cuts = np.unique(x)
    splits = np.searchsorted(np.sort(x), cuts, side="right")
    n = x.size
    if rule is CutoffRule.MAXSTAT:
        allowed = (splits >= max(1, np.floor(n * share))) & (splits <= np.floor(n * (1 - share)))
    else:
        allowed = (splits >= n * share) & (n - splits >= n * share)
    allowed &= splits < n
    if not allowed.any():
        raise InputError(
            f"no value leaves {100 * share:g} % of the patients on both sides", where="marker",
            remedy="Lower the minimum share, or use a marker with more distinct values",
        )  # fmt: skip
    return cuts[allowed], splits[allowed]


def _first_largest(statistics: np.ndarray) -> int:
    """Rounding must not decide between cutoffs that are equally good: the smallest is taken."""
    return int(np.flatnonzero(statistics >= statistics.max() * (1 - 1e-12))[0])


def _lausen_92(m: float, share: float) -> float:
    """phi(m) (m - 1/m) log((1-e)^2/e^2) + 4 phi(m)/m, with e the smallest share; an approximation for large m."""
    if m <= 1:
        return 1.0
    density = norm.pdf(m)
    return float(min(1.0, density * (m - 1 / m) * 2 * np.log((1 - share) / share) + 4 * density / m))


def _lausen_94(m: float, splits: np.ndarray, n: int) -> float:
    """2 (1 - Phi(m)) + sum of the joint corrections of neighboring cutoffs, exp(-m^2/2)/pi (t - (m^2/4 - 1) t^3/6)."""
    low, high = splits[:-1], splits[1:]
    t = np.sqrt(1 - low * (n - high) / ((n - low) * high))
    return float(min(1.0, 2 * norm.sf(m) + np.sum(np.exp(-(m**2) / 2) / np.pi * (t - (m**2 / 4 - 1) * t**3 / 6))))


def _permutation_p(
    scan: _Scan, rule: CutoffRule, splits: np.ndarray, maximum: float, permutations: int, seed: int
) -> float:
    if not permutations:
        return np.nan
    rng = np.random.default_rng(seed)
    reached = sum(
        bool(scan.statistics(rule, rng.permutation(scan.scores.size), splits).max() >= maximum * (1 - 1e-9))
        for _ in range(permutations)
    )
    return (1 + reached) / (1 + permutations)


def _warnings(used: np.ndarray, cutoff: float) -> tuple[str, ...]:
    notes = list(left_out(used))
    notes.append(f"{cutoff:g} was chosen on these data: test it on others, and report a corrected p")
    return tuple(notes)
