"""Mann-Whitney and Wilcoxon signed-rank tests, each exact and asymptotic, and the shift with its interval.

"auto" is R's rule: exact when both groups (or the pairs) are fewer than 50 and there are no ties, else the normal
approximation with continuity correction. Exact p values with ties are those of the permutation distribution of the
midranks (Streitberg & Roehmel 1986); the asymptotic ones use the variance corrected for ties (Lehmann 1975).
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from .root_search import root_search
from .samples import check_confidence, missing_note, paired_samples, percent, sample

ExactOrAsymptotic = Literal["auto", "exact", "asymptotic"]
EXACT_BELOW = 50  # R's limit of its exact default
MOST_PAIRS = 4_000_000  # pairwise differences kept in memory; beyond, the shift is searched for
SEARCH_TOLERANCE = 1e-7  # of that search, relative to the range
EXACT_AT_MOST = 400  # patients; beyond, the exact distribution takes seconds and gains nothing
EXACT_SHOWN_TO = 120  # patients of both groups, or pairs: the exact p stands next to the reported one


@dataclass(frozen=True)
class Shift:
    """By how much one sample lies above the other (Hodges & Lehmann 1963).

    Attributes:
        estimate: median of all pairwise differences (two samples), or of all Walsh averages (pairs).
        low, high: interval belonging to the rank test; None when it is not defined.
    """

    method: str
    estimate: float
    low: float | None
    high: float | None
    confidence: float


@dataclass(frozen=True)
class MannWhitneyTest:
    """Attributes:
    u_first: pairs in which the first group is larger, ties half (R's W, scipy's statistic); u_second the others.
    u_min: the smaller one, as SPSS prints it.
    p: of ``method``; None when all values are equal.
    p_exact: by the permutation distribution, ties allowed; None where it was not computed (more than 120
        patients, unless asked for).
    z: without continuity correction, positive if the first group is larger.
    auc: u_first / (n_first n_second), the chance that a value of the first group is the larger.
    """

    method: str
    n_first: int
    n_second: int
    n_missing: tuple[int, int]
    u_first: float
    u_second: float
    u_min: float
    ties: bool
    p: float | None
    p_exact: float | None
    p_asymptotic: float | None
    p_asymptotic_without_continuity: float | None
    z: float | None
    auc: float
    shift: Shift
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class WilcoxonTest:
    """Attributes:
    v: sum of the ranks of positive differences (R's V); w_minus of the negative ones.
    n_pairs: pairs used; n_zero of them do not differ.
    p, z: of ``method``, zero differences dropped; None when no pair differs. z without continuity correction.
    p_pratt, z_pratt: asymptotic, zero differences ranked and then dropped (Pratt 1959), as SAS and SPSS do not.
    pseudomedian: of the differences.
    """

    method: str
    n_pairs: int
    n_missing: int
    n_zero: int
    v: float
    w_minus: float
    ties_or_zeros: bool
    p: float | None
    p_exact: float | None
    p_asymptotic: float | None
    p_asymptotic_without_continuity: float | None
    z: float | None
    p_pratt: float | None
    z_pratt: float | None
    pseudomedian: Shift | None
    warnings: tuple[str, ...] = ()


def mann_whitney(
    first: Sequence,
    second: Sequence,
    *,
    p_method: ExactOrAsymptotic = "auto",
    continuity: bool = True,
    confidence: float = 0.95,
    root_tolerance: float | None = None,
    names: tuple[str, str] = ("first group", "second group"),
) -> MannWhitneyTest:
    """Mann-Whitney U test (Wilcoxon rank-sum test) of two independent groups, two-sided.

    Args:
        first, second: columns of numbers, NaN missing.
        continuity: correction of the asymptotic p value and of the asymptotic interval.
        root_tolerance: None finds the limits of an asymptotic shift exactly; 1e-4 repeats R's root search.

    Raises:
        InputError: an empty group, text, or an exact p value asked for too many patients.
    """
    check_confidence(confidence)
    a, b = sample(first, names[0]), sample(second, names[1])
    x, y = a.values, b.values
    pooled = np.concatenate([x, y])
    ranks = stats.rankdata(pooled)
    u = float(ranks[: x.size].sum() - x.size * (x.size + 1) / 2)
    pairs = x.size * y.size
    ties = np.unique(pooled).size < pooled.size
    exact = _wants_exact(p_method, max(x.size, y.size), pooled.size, ties)
    sd = _rank_sum_sd(ranks, x.size)
    p_exact = _exact_rank_sum_p(ranks, x.size) if exact or pooled.size <= EXACT_SHOWN_TO else None
    corrected, plain, z = _normal_p_values(u - pairs / 2, sd)
    asymptotic = corrected if continuity else plain
    notes = () if sd > 0 else ("all values are equal: the test is not defined",)
    return MannWhitneyTest(
        method=f"Mann-Whitney U test, {_p_words(exact, continuity, ties)}",
        n_first=x.size,
        n_second=y.size,
        n_missing=(a.n_missing, b.n_missing),
        u_first=u,
        u_second=pairs - u,
        u_min=min(u, pairs - u),
        ties=bool(ties),
        p=(p_exact if exact else asymptotic) if sd > 0 else None,
        p_exact=p_exact if sd > 0 else None,
        p_asymptotic=corrected,
        p_asymptotic_without_continuity=plain,
        z=z,
        auc=u / pairs,
        shift=_two_sample_shift(x, y, exact and not ties, continuity, confidence, root_tolerance),
        warnings=notes,
    )


def wilcoxon_signed_rank(
    first: Sequence,
    second: Sequence,
    *,
    p_method: ExactOrAsymptotic = "auto",
    continuity: bool = True,
    confidence: float = 0.95,
    root_tolerance: float | None = None,
    names: tuple[str, str] = ("first", "second"),
) -> WilcoxonTest:
    """Wilcoxon signed-rank test of first - second, two-sided; arguments as ``mann_whitney``.

    Differences are rounded to 12 digits of the largest value, so that 0.3 - 0.1 ties with 0.2.

    Raises:
        InputError: no pair, columns of different lengths, text.
    """
    check_confidence(confidence)
    x, y, n_missing = paired_samples(first, second, names)
    d = differences(x, y)
    nonzero = d[d != 0]
    n_zero = int(d.size - nonzero.size)
    notes = missing_note(n_missing, "pairs")
    ranks = stats.rankdata(np.abs(nonzero))
    v = float(ranks[nonzero > 0].sum())
    total = float(ranks.sum())
    ties = n_zero > 0 or np.unique(np.abs(nonzero)).size < nonzero.size
    exact = _wants_exact(p_method, nonzero.size, nonzero.size, ties)
    corrected = plain = z = p_exact = None
    if nonzero.size:
        corrected, plain, z = _normal_p_values(v - total / 2, math.sqrt(float(np.sum(ranks**2)) / 4))
        if exact or nonzero.size <= EXACT_SHOWN_TO:
            p_exact = _exact_signed_rank_p(ranks, v)
    else:
        notes += ("no pair differs: the test is not defined",)
    p_pratt, z_pratt = _pratt(d)
    return WilcoxonTest(
        method=f"Wilcoxon signed-rank test of {names[0]} - {names[1]}, zero differences dropped, "
        + _p_words(exact, continuity, ties),
        n_pairs=d.size,
        n_missing=n_missing,
        n_zero=n_zero,
        v=v,
        w_minus=total - v,
        ties_or_zeros=bool(ties),
        p=p_exact if exact else (corrected if continuity else plain),
        p_exact=p_exact,
        p_asymptotic=corrected,
        p_asymptotic_without_continuity=plain,
        z=z,
        p_pratt=p_pratt,
        z_pratt=z_pratt,
        pseudomedian=_one_sample_shift(nonzero, exact and not ties, continuity, confidence, root_tolerance),
        warnings=notes,
    )


def differences(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - y without the floating-point noise that would hide ties: 12 digits of the largest value are kept."""
    largest = float(max(np.abs(x).max(), np.abs(y).max()))
    if largest == 0:
        return x - y
    return np.round(x - y, 11 - math.floor(math.log10(largest)))


def _wants_exact(p_method: str, n_larger: int, n_total: int, ties: bool) -> bool:
    if p_method not in ("auto", "exact", "asymptotic"):
        raise InputError(f'"{p_method}" is no way to a p value', remedy='Choose "auto", "exact" or "asymptotic"')
    if p_method == "exact" and n_total > EXACT_AT_MOST:
        raise InputError(f"an exact p value is offered up to {EXACT_AT_MOST} values", remedy='Choose "asymptotic"')
    return p_method == "exact" or (p_method == "auto" and n_larger < EXACT_BELOW and not ties)


def _p_words(exact: bool, continuity: bool, ties: bool) -> str:
    if exact:
        return "exact p (permutation of midranks)" if ties else "exact p"
    return (
        f"asymptotic p {'with' if continuity else 'without'} continuity correction{', ties corrected' if ties else ''}"
    )


def _rank_sum_sd(ranks: np.ndarray, n_first: int) -> float:
    """Of U, under exchangeability: n1 n2 / (N (N - 1)) times the sum of squares of the midranks about their mean."""
    n = ranks.size
    if n < 2:
        return 0.0
    return math.sqrt(n_first * (n - n_first) / (n * (n - 1)) * float(np.sum((ranks - ranks.mean()) ** 2)))


def _normal_p_values(deviation: float, sd: float) -> tuple[float | None, float | None, float | None]:
    """(p with continuity correction, p without, z without), two-sided."""
    if sd == 0:
        return None, None, None
    corrected = (deviation - math.copysign(0.5, deviation)) / sd if deviation else 0.0
    # R takes the smaller tail twice; a correction that passes the middle gives a p above 1, cut there.
    two_sided = min(1.0, 2 * min(float(stats.norm.cdf(corrected)), float(stats.norm.sf(corrected))))
    return two_sided, 2 * float(stats.norm.sf(abs(deviation / sd))), deviation / sd


def _exact_rank_sum_p(ranks: np.ndarray, n_first: int) -> float:
    """Share of all splits whose rank sum lies as far from the middle as the observed one."""
    doubled = np.rint(2 * ranks).astype(np.int64)
    size = min(n_first, ranks.size - n_first)
    chosen = doubled[:n_first] if size == n_first else doubled[n_first:]
    counts = _subset_sum_counts(tuple(np.sort(doubled).tolist()), size)
    return _two_sided(counts, int(chosen.sum()), size * (ranks.size + 1))


def _exact_signed_rank_p(ranks: np.ndarray, v: float) -> float:
    doubled = np.rint(2 * ranks).astype(np.int64)
    counts = np.ones(1)
    for rank in doubled:
        counts = np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))
    return _two_sided(counts, round(2 * v), int(doubled.sum()) / 2)


def _two_sided(counts: np.ndarray, observed: int, middle: float) -> float:
    distance = np.abs(np.arange(counts.size) - middle)
    return min(1.0, float(counts[distance >= abs(observed - middle) - 1e-9].sum() / counts.sum()))


@functools.lru_cache(maxsize=64)
def _subset_sum_counts(scores: tuple[int, ...], size: int) -> np.ndarray:
    """How many subsets of ``size`` scores have each sum: (largest sum + 1,) counts (shift algorithm)."""
    largest = sum(sorted(scores)[-size:]) if size else 0
    table = np.zeros((size + 1, largest + 1))
    table[0, 0] = 1
    for score in scores:
        table[1:, score:] += table[:-1, : largest + 1 - score]
    return table[size]


def _pratt(d: np.ndarray) -> tuple[float | None, float | None]:
    ranks = stats.rankdata(np.abs(d))[d != 0]
    if not ranks.size:
        return None, None
    signed = ranks * np.sign(d[d != 0])
    z = float(signed.sum() / np.sqrt(np.sum(ranks**2)))
    return 2 * float(stats.norm.sf(abs(z))), z


def _two_sample_shift(
    x: np.ndarray, y: np.ndarray, exact: bool, continuity: bool, confidence: float, root_tolerance: float | None
) -> Shift:
    pairwise = np.sort(np.subtract.outer(x, y), axis=None) if x.size * y.size <= MOST_PAIRS else None
    ends = float(x.min() - y.max()), float(x.max() - y.min())

    def z(shift: float, correction: float) -> float:
        ranks = stats.rankdata(np.concatenate([x - shift, y]))
        deviation = float(ranks[: x.size].sum()) - x.size * (x.size + 1) / 2 - x.size * y.size / 2
        sd = _rank_sum_sd(ranks, x.size)
        return (deviation - correction * np.sign(deviation)) / sd if sd else 0.0

    if exact:
        counts = _subset_sum_counts(tuple(range(2, 2 * (x.size + y.size) + 1, 2)), min(x.size, y.size))
        smaller = min(x.size, y.size)
        # Ranks 1..N doubled: every second count, from the smallest rank sum on, is that of U = 0, 1, ...
        distribution = counts[smaller * (smaller + 1) :: 2]
        return _exact_shift(pairwise, distribution, confidence)
    return _asymptotic_shift(pairwise, ends, z, continuity, confidence, root_tolerance)


def _one_sample_shift(
    d: np.ndarray, exact: bool, continuity: bool, confidence: float, root_tolerance: float | None
) -> Shift | None:
    if not d.size:
        return None
    walsh = np.sort((d[:, None] + d[None, :])[np.triu_indices(d.size)] / 2) if d.size**2 <= MOST_PAIRS else None
    ends = float(d.min()), float(d.max())

    def z(shift: float, correction: float) -> float:
        moved = d - shift
        ranks = stats.rankdata(np.abs(moved[moved != 0]))
        deviation = float(ranks[moved[moved != 0] > 0].sum()) - ranks.size * (ranks.size + 1) / 4
        sd = math.sqrt(float(np.sum(ranks**2)) / 4)
        return (deviation - correction * np.sign(deviation)) / sd if sd else 0.0

    if exact:
        distribution = np.ones(1)
        for rank in range(1, d.size + 1):
            distribution = np.pad(distribution, (0, rank)) + np.pad(distribution, (rank, 0))
        return _exact_shift(walsh, distribution, confidence)
    return _asymptotic_shift(walsh, ends, z, continuity, confidence, root_tolerance)


def _exact_shift(ordered: np.ndarray, distribution: np.ndarray, confidence: float) -> Shift:
    """Order statistics of the pairwise values whose ranks the exact distribution gives (Bauer 1972)."""
    cumulative = np.cumsum(distribution) / distribution.sum()
    tail = (1 - confidence) / 2
    rank = max(1, int(np.searchsorted(cumulative, tail * (1 - 64 * np.finfo(float).eps))))
    achieved = 1 - 2 * float(cumulative[rank - 1])
    return Shift(
        f"Hodges-Lehmann, exact interval that covers {100 * achieved:.2f} %",
        float(np.median(ordered)),
        float(ordered[rank - 1]),
        float(ordered[ordered.size - rank]),
        confidence,
    )


def _asymptotic_shift(
    ordered: np.ndarray | None,
    ends: tuple[float, float],
    z: Callable[[float, float], float],
    continuity: bool,
    confidence: float,
    root_tolerance: float | None,
) -> Shift:
    """Shifts at which the test statistic passes its critical values; ``ordered`` is None if the pairs are too many."""
    quantile = float(stats.norm.isf((1 - confidence) / 2))
    correction = 0.5 if continuity else 0.0
    words = f"Hodges-Lehmann, asymptotic {percent(confidence)} interval"
    reach = ends[1] - ends[0]
    if reach == 0:
        return Shift(words + " (all differences equal)", ends[0], None, None, confidence)
    if z(ends[0] - reach, correction) <= quantile or z(ends[1] + reach, correction) >= -quantile:
        words += " (too few values for this level: the whole range)"
    if ordered is None and root_tolerance is None:
        root_tolerance = SEARCH_TOLERANCE * reach
    if root_tolerance is None:
        estimate = float(np.median(ordered))
        low, high = (_crossing(ordered, lambda d, q=q: z(d, correction) - q) for q in (quantile, -quantile))
    else:
        words += f", root search to {root_tolerance:.2g}"
        estimate = root_search(ends, lambda d: z(d, 0.0), root_tolerance)
        low, high = (
            root_search(ends, lambda d, q=q: z(d, correction) - q, root_tolerance) for q in (quantile, -quantile)
        )
    return Shift(words, estimate, low, high, confidence)


def _crossing(ordered: np.ndarray, function: Callable[[float], float]) -> float:
    """The place where a decreasing step function that jumps at ``ordered`` passes zero."""
    jumps = np.unique(ordered)
    left, right = -1, jumps.size - 1  # the function is positive left of jump left + 1, not positive right of jump right
    while right - left > 1:
        middle = (left + right) // 2
        if function((jumps[middle] + jumps[middle + 1]) / 2) > 0:
            left = middle
        else:
            right = middle
    return float(jumps[right])
