"""How two measurements go together: Pearson, Spearman and Kendall, and a whole matrix masked by significance."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from .model_data import numbers
from .multiplicity import adjust_p_values
from .samples import check_alpha, check_confidence, missing_note, paired_samples, percent

ENUMERATE_UP_TO = 9  # R's limit for Spearman's exact distribution
EDGEWORTH_UP_TO = 1290  # beyond, R's sum of squared rank differences overflowed
KENDALL_EXACT_BELOW = 50  # R's default
# Best & Roberts 1975, Appl Stat 24:377 (algorithm AS 89), coefficients of the Edgeworth series.
EDGEWORTH = (0.2274, 0.2531, 0.1745, 0.0758, 0.1033, 0.3932, 0.0879, 0.0151, 0.0072, 0.0831, 0.0131, 0.00046)


@dataclass(frozen=True)
class Coefficient:
    """One correlation coefficient.

    Attributes:
        value, p, low, high: None where they are not defined (constant data, too few patients).
        statistic, degrees_of_freedom: t of Pearson and of Spearman's t approximation.
    """

    method: str
    value: float | None
    p: float | None
    low: float | None
    high: float | None
    confidence: float
    statistic: float | None = None
    degrees_of_freedom: int | None = None


@dataclass(frozen=True)
class Correlation:
    """Attributes:
    spearman: p as R's default: exact up to 9 patients, Edgeworth series beyond, t with ties.
    spearman_t: p by the t distribution, as SPSS.
    kendall: tau-b, p exact below 50 patients without ties, else normal; kendall_normal_p always normal.
    """

    n: int
    n_missing: int
    pearson: Coefficient
    spearman: Coefficient
    spearman_t: Coefficient
    kendall: Coefficient
    kendall_normal_p: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CorrelationMatrix:
    """Correlations of all pairs of columns.

    Attributes:
        r: (k, k); None where a column is constant in the patients of the pair.
        p: (k, k) raw p values; the diagonal is None.
        adjusted_p: for the k (k - 1) / 2 tests, by the adjustment in ``method``.
        n: (k, k) patients with both values.
        significant: (k, k), adjusted p below alpha: what a plot should show.
    """

    method: str
    names: tuple[str, ...]
    r: tuple[tuple[float | None, ...], ...]
    p: tuple[tuple[float | None, ...], ...]
    adjusted_p: tuple[tuple[float | None, ...], ...]
    n: tuple[tuple[int, ...], ...]
    significant: tuple[tuple[bool, ...], ...]
    alpha: float
    warnings: tuple[str, ...]


def correlate(
    first: Sequence, second: Sequence, *, confidence: float = 0.95, names: tuple[str, str] = ("first", "second")
) -> Correlation:
    """Pearson, Spearman and Kendall of two columns, two-sided; patients lacking a value are left out and counted.

    Intervals: Pearson by Fisher's z; Spearman by Fisher's z with variance (1 + rho^2 / 2) / (n - 3) (Bonett & Wright
    2000, Psychometrika 65:23); Kendall likewise with 0.437 / (n - 4) (Fieller, Hartley & Pearson 1957).

    Raises:
        InputError: no patient with both values, different lengths, text.
    """
    check_confidence(confidence)
    x, y, n_missing = paired_samples(first, second, names)
    notes = missing_note(n_missing)
    if x.size < 3:
        notes += (f"{x.size} patients: a correlation needs 3",)
    notes += tuple(f"{name} is constant" for name, v in zip(names, (x, y), strict=True) if np.ptp(v) == 0)
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        nothing = [Coefficient(name, None, None, None, None, confidence) for name in ("Pearson", "Spearman", "Kendall")]
        return Correlation(x.size, n_missing, nothing[0], nothing[1], nothing[1], nothing[2], None, notes)
    rank_x, rank_y = stats.rankdata(x), stats.rankdata(y)
    ties = min(np.unique(x).size, np.unique(y).size) < x.size
    rho = _product_moment(rank_x, rank_y)
    spearman_t = _by_t(rho, x.size)
    p, how = (spearman_t[1], "t approximation (ties)") if ties else _spearman_p(rank_x, rank_y, rho)
    spearman_limits = _fisher_limits(rho, (1 + rho**2 / 2) / (x.size - 3) if x.size > 3 else None, confidence)
    words = f"{percent(confidence)} interval by Fisher's z"
    r = _product_moment(x, y)
    t, pearson_p = _by_t(r, x.size)
    pearson_limits = _fisher_limits(r, 1 / (x.size - 3) if x.size > 3 else None, confidence)
    kendall, normal_p = _kendall(x, y, ties, confidence)
    return Correlation(
        n=x.size,
        n_missing=n_missing,
        pearson=Coefficient(f"Pearson's r, {words}", r, pearson_p, *pearson_limits, confidence, t, x.size - 2),
        spearman=Coefficient(f"Spearman's rho, p {how}, {words}", rho, p, *spearman_limits, confidence),
        spearman_t=Coefficient(
            f"Spearman's rho, p t approximation, {words}",
            rho,
            spearman_t[1],
            *spearman_limits,
            confidence,
            spearman_t[0],
            x.size - 2,
        ),
        kendall=kendall,
        kendall_normal_p=normal_p,
        warnings=notes,
    )


def correlation_matrix(
    columns: Mapping[str, Sequence],
    *,
    method: Literal["pearson", "spearman"] = "pearson",
    adjustment: Literal["none", "bonferroni", "holm", "benjamini_hochberg"] = "none",
    alpha: float = 0.05,
) -> CorrelationMatrix:
    """Correlations of all pairs of columns, each pair on the patients that have both values.

    Args:
        columns: name to (n,) values.
        adjustment: of the p values for the number of pairs; "none" is what the sub-region paper did.

    Raises:
        InputError: fewer than two columns, different lengths, text, unknown choice.
    """
    check_alpha(alpha)
    if method not in ("pearson", "spearman"):
        raise InputError(f'"{method}" is no correlation of a matrix', remedy='Choose "pearson" or "spearman"')
    if adjustment not in ("none", "bonferroni", "holm", "benjamini_hochberg"):
        raise InputError(f'"{adjustment}" is no adjustment', remedy="See the multiplicity module")
    names = tuple(columns)
    if len(names) < 2:
        raise InputError("a correlation matrix needs two columns")
    table = {name: numbers(column, name) for name, column in columns.items()}
    if len({column.size for column in table.values()}) > 1:
        raise InputError("columns of different lengths", where=", ".join(names))
    k = len(names)
    r, p = np.full((k, k), np.nan), np.full((k, k), np.nan)
    n = np.zeros((k, k), dtype=int)
    for i, j in itertools.combinations(range(k), 2):
        x, y = table[names[i]], table[names[j]]
        both = ~(np.isnan(x) | np.isnan(y))
        n[i, j] = n[j, i] = int(both.sum())
        r[i, j], p[i, j] = _pair(x[both], y[both], method)
        r[j, i], p[j, i] = r[i, j], p[i, j]
    for i, name in enumerate(names):
        present = ~np.isnan(table[name])
        n[i, i] = int(present.sum())
        r[i, i] = 1.0 if present.any() and np.ptp(table[name][present]) > 0 else np.nan
    adjusted = _adjusted(p, adjustment)
    notes = ()
    if n.min() < n.max():
        notes = (f"pairs of columns rest on {n.min()} to {n.max()} patients (missing values)",)
    return CorrelationMatrix(
        method=f"{method.capitalize()} correlations, adjustment of p: {adjustment.replace('_', '-')}",
        names=names,
        r=_rows(r),
        p=_rows(p),
        adjusted_p=_rows(adjusted),
        n=tuple(tuple(row) for row in n.tolist()),
        significant=tuple(tuple(row) for row in (adjusted < alpha).tolist()),
        alpha=alpha,
        warnings=notes,
    )


def _pair(x: np.ndarray, y: np.ndarray, method: str) -> tuple[float, float]:
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan, np.nan
    if method == "spearman":
        result = correlate(x, y).spearman
        return result.value, result.p
    r = _product_moment(x, y)
    return r, _by_t(r, x.size)[1]


def _adjusted(p: np.ndarray, adjustment: str) -> np.ndarray:
    upper = np.triu_indices(len(p), 1)
    raw = p[upper]
    if adjustment == "none" or np.isnan(raw).all():
        return p.copy()
    values = getattr(adjust_p_values(raw), adjustment)
    full = np.full(p.shape, np.nan)
    full[upper] = [np.nan if value is None else value for value in values]
    return np.fmin(full, full.T)


def _rows(matrix: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(cell) else float(cell) for cell in row) for row in matrix)


def _product_moment(x: np.ndarray, y: np.ndarray) -> float:
    # Scaled first, so that values of 1e-200 or 1e200 neither vanish nor overflow when squared.
    a, b = ((v - v.mean()) / np.abs(v - v.mean()).max() for v in (x, y))
    return float(np.clip(a @ b / math.sqrt(float(a @ a) * float(b @ b)), -1, 1))


def _by_t(r: float, n: int) -> tuple[float | None, float | None]:
    """(t, p) of a correlation with n - 2 degrees of freedom."""
    if abs(r) == 1:
        return (math.copysign(math.inf, r), 0.0) if n > 2 else (None, None)
    t = r * math.sqrt((n - 2) / (1 - r**2))
    return t, 2 * float(stats.t.sf(abs(t), n - 2))


def _fisher_limits(r: float, variance: float | None, confidence: float) -> tuple[float | None, float | None]:
    if variance is None:
        return None, None
    if abs(r) == 1:
        return r, r
    reach = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(variance)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def _spearman_p(rank_x: np.ndarray, rank_y: np.ndarray, rho: float) -> tuple[float, str]:
    """Two-sided p without ties: twice the smaller tail of S, the sum of squared rank differences."""
    n = rank_x.size
    if n > EDGEWORTH_UP_TO:
        return _by_t(rho, n)[1], "t approximation"
    s = round(float(np.sum((rank_x - rank_y) ** 2)))
    # The distribution of S is symmetric about its middle: the upper tail of one side is the lower one of the other.
    largest = n * (n * n - 1) // 3
    upper = max(s, largest - s)
    if n <= ENUMERATE_UP_TO:
        return min(1.0, 2 * _exact_spearman_tail(n, upper)), "exact"
    return min(1.0, 2 * _edgeworth_spearman_tail(n, upper)), "by Edgeworth series"


def _exact_spearman_tail(n: int, s: int) -> float:
    """P(S >= s) over all orders."""
    ordered = _spearman_distribution(n)
    return 1 - int(np.searchsorted(ordered, s)) / ordered.size


@functools.lru_cache(maxsize=ENUMERATE_UP_TO)
def _spearman_distribution(n: int) -> np.ndarray:
    """S of all n! orders, sorted."""
    orders = np.array(list(itertools.permutations(range(n))), dtype=np.int16)
    return np.sort(((orders - np.arange(n)) ** 2).sum(axis=1))


def _edgeworth_spearman_tail(n: int, s: int) -> float:
    """P(S >= s) by algorithm AS 89."""
    c = (0.0, *EDGEWORTH)
    b = 1 / n
    x = (6 * (s - 1) * b / (n * n - 1) - 1) * math.sqrt(n - 1)
    y = x * x
    inner = c[7] + c[8] * b - y * (c[9] - c[10] * b + y * b * (c[11] - c[12] * y))
    series = c[1] + b * (c[2] + c[3] * b) + y * (-c[4] + b * (c[5] + c[6] * b) - y * b * inner)
    return float(np.clip(x * b * series / math.exp(y / 2) + stats.norm.sf(x), 0, 1))


def _kendall(x: np.ndarray, y: np.ndarray, ties: bool, confidence: float) -> tuple[Coefficient, float]:
    normal = stats.kendalltau(x, y, method="asymptotic")
    exact = not ties and x.size < KENDALL_EXACT_BELOW
    p = stats.kendalltau(x, y, method="exact").pvalue if exact else normal.pvalue
    tau = float(normal.statistic)
    limits = _fisher_limits(tau, 0.437 / (x.size - 4) if x.size > 4 else None, confidence)
    how = "exact" if exact else "normal approximation"
    coefficient = Coefficient(f"Kendall's tau-b, p {how}", tau, float(p), *limits, confidence)
    return coefficient, float(normal.pvalue)
