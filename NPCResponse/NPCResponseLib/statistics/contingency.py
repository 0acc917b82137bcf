"""Counts in a table of categories: are rows and columns independent?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from ..errors import InputError
from .exact_odds_ratio import searched_odds_ratio
from .model_data import categories, missing_cells
from .samples import check_confidence, percent

LOW_EXPECTED = 5.0  # Cochran 1954: below, the chi-squared distribution is not to be relied on
MOST_TABLES = 2_000_000  # kinds of partial tables kept for Fisher's exact test beyond 2 x 2
SAME_WEIGHT = 1e-9  # logs of probabilities that differ less belong to equally likely tables
SAME_PROBABILITY = 1 + 1e-7  # tables are as probable as the observed one up to rounding (R's factor)


@dataclass(frozen=True)
class ChiSquared:
    """One test statistic; None where it is not defined (an empty row or column)."""

    method: str
    chi2: float | None
    degrees_of_freedom: int
    p: float | None


@dataclass(frozen=True)
class OddsRatio:
    """Of a 2 x 2 table; infinite where a cell is empty. low, high: confidence limits."""

    method: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float


@dataclass(frozen=True)
class ContingencyTest:
    """A table tested for independence.

    Attributes:
        table: counts, rows by columns; row_names, column_names.
        method: the test that is reported, with its options; p is its p value.
        pearson: chi-squared without correction; yates with continuity correction (2 x 2 only); g_test likelihood ratio.
        fisher_p: exact test; None where the tables were too many to enumerate.
        odds_ratio: sample odds ratio with Woolf's interval (0.5 added to all cells if one is empty); None where it is
            0 / 0.
        conditional_odds_ratio: maximum likelihood given the margins, with exact interval, as R's fisher.test.
        cramers_v: sqrt(chi2 / (n (min(rows, columns) - 1))).
    """

    method: str
    p: float | None
    table: tuple[tuple[int, ...], ...]
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    n: int
    n_missing: int
    expected: tuple[tuple[float, ...], ...]
    min_expected: float
    pearson: ChiSquared
    yates: ChiSquared | None
    g_test: ChiSquared
    fisher_p: float | None
    odds_ratio: OddsRatio | None
    conditional_odds_ratio: OddsRatio | None
    cramers_v: float | None
    confidence: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class McNemarTest:
    """Paired yes/no answers: b and c are the two kinds of discordant pairs.

    Attributes:
        chi2, p: (b - c)^2 / (b + c); chi2_corrected, p_corrected: (|b - c| - 1)^2 / (b + c); p_exact: binomial.
            None without discordant pairs.
    """

    method: str
    b: int
    c: int
    chi2: float | None
    p: float | None
    chi2_corrected: float | None
    p_corrected: float | None
    p_exact: float | None


def contingency_test(
    table: Sequence[Sequence[int]],
    *,
    report: Literal["pearson", "yates", "fisher"] = "pearson",
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    n_missing: int = 0,
    confidence: float = 0.95,
    root_tolerance: float | None = None,
) -> ContingencyTest:
    """Chi-squared (with and without continuity correction), likelihood ratio and Fisher's exact test of a table.

    Args:
        table: counts, (rows, columns), at least 2 x 2.
        report: which test's p value is the reported one. The ASL paper's is Pearson's without correction.
        root_tolerance: None finds the conditional odds ratio and its limits exactly; ``exact_odds_ratio.R_TOLERANCE``
            repeats R's root search.

    Raises:
        InputError: negative or broken counts, a table smaller than 2 x 2, an empty table, Yates beyond 2 x 2.
    """
    check_confidence(confidence)
    counts = _counts(table)
    rows, columns = counts.shape
    if report not in ("pearson", "yates", "fisher"):
        raise InputError(f'"{report}" is no test of a table', remedy='Choose "pearson", "yates" or "fisher"')
    if report == "yates" and counts.shape != (2, 2):
        raise InputError("the continuity correction is for 2 x 2 tables", remedy='Choose "pearson" or "fisher"')
    n = int(counts.sum())
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    freedom = (rows - 1) * (columns - 1)
    pearson = _pearson("Pearson chi-squared test without continuity correction", counts, expected, freedom, 0.0)
    two_by_two = counts.shape == (2, 2)
    yates = None
    if two_by_two:
        correction = min(0.5, float(np.abs(counts - expected).min()))
        yates = _pearson("chi-squared test with Yates' correction", counts, expected, freedom, correction)
    fisher = float(stats.fisher_exact(counts).pvalue) if two_by_two else _fisher_p(counts)
    fisher_method = "Fisher's exact test, two-sided"
    chosen = {"pearson": pearson, "yates": yates}.get(report)
    return ContingencyTest(
        method=fisher_method if chosen is None else chosen.method,
        p=fisher if chosen is None else chosen.p,
        table=tuple(tuple(int(cell) for cell in row) for row in counts),
        row_names=tuple(row_names) or tuple(f"row {i + 1}" for i in range(rows)),
        column_names=tuple(column_names) or tuple(f"column {j + 1}" for j in range(columns)),
        n=n,
        n_missing=n_missing,
        expected=tuple(tuple(float(cell) for cell in row) for row in expected),
        min_expected=float(expected.min()),
        pearson=pearson,
        yates=yates,
        g_test=_likelihood_ratio(counts, expected, freedom),
        fisher_p=fisher,
        odds_ratio=_sample_odds_ratio(counts, confidence) if two_by_two else None,
        conditional_odds_ratio=_conditional_odds_ratio(counts, confidence, root_tolerance) if two_by_two else None,
        cramers_v=None if pearson.chi2 is None else math.sqrt(pearson.chi2 / (n * (min(rows, columns) - 1))),
        confidence=confidence,
        warnings=_notes(expected, fisher, n_missing),
    )


def cross_tabulate(
    row_labels: Sequence,
    column_labels: Sequence,
    *,
    report: Literal["pearson", "yates", "fisher"] = "pearson",
    row_order: Sequence[str] = (),
    column_order: Sequence[str] = (),
    confidence: float = 0.95,
) -> ContingencyTest:
    """The table of two columns of labels (residual against response, say), tested.

    Args:
        row_labels, column_labels: (n,) words or numbers; None, NaN and "" are missing.
        row_order, column_order: the categories in the order wanted; sorted if not given.

    Raises:
        InputError: different lengths, fewer than two categories, or a label outside the given order.
    """
    first, second = (categories(np.asarray(labels, dtype=object)) for labels in (row_labels, column_labels))
    if first.shape != second.shape:
        raise InputError(f"columns of different lengths ({first.size}, {second.size})")
    used = ~(missing_cells(first) | missing_cells(second))
    rows = _order(first[used], row_order, "rows")
    columns = _order(second[used], column_order, "columns")
    table = [[int(np.sum((first[used] == r) & (second[used] == c))) for c in columns] for r in rows]
    return contingency_test(
        table,
        report=report,
        row_names=rows,
        column_names=columns,
        n_missing=int(np.count_nonzero(~used)),
        confidence=confidence,
    )


def mcnemar_test(table: Sequence[Sequence[int]]) -> McNemarTest:
    """McNemar's test of a 2 x 2 table of pairs (rows: first reading, columns: second reading).

    Raises:
        InputError: a table that is not 2 x 2.
    """
    counts = _counts(table)
    if counts.shape != (2, 2):
        raise InputError("McNemar's test is for 2 x 2 tables of pairs")
    b, c = int(counts[0, 1]), int(counts[1, 0])
    method = "McNemar's test of discordant pairs"
    if b + c == 0:
        return McNemarTest(f"{method}: there are none", b, c, None, None, None, None, None)
    plain = (b - c) ** 2 / (b + c)
    # A correction larger than the difference would turn no difference into one.
    corrected = (max(abs(b - c) - 1, 0) ** 2 / (b + c)) if b != c else 0.0
    return McNemarTest(
        method,
        b,
        c,
        plain,
        float(stats.chi2.sf(plain, 1)),
        corrected,
        float(stats.chi2.sf(corrected, 1)),
        float(stats.binomtest(b, b + c).pvalue),
    )


def _counts(table: Sequence[Sequence[int]]) -> np.ndarray:
    try:
        values = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("a table of counts needs numbers in rows of equal length", where="table") from None
    if values.ndim != 2 or min(values.shape) < 2:
        raise InputError("a table of counts needs two rows and two columns at least", where="table")
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.rint(values)).any():
        raise InputError("counts must be whole numbers, 0 or more", where="table")
    if values.sum() == 0:
        raise InputError("the table is empty", where="table")
    return values.astype(np.int64)


def _pearson(method: str, counts: np.ndarray, expected: np.ndarray, freedom: int, correction: float) -> ChiSquared:
    if (expected == 0).any():
        return ChiSquared(f"{method} (not defined: an empty row or column)", None, freedom, None)
    chi2 = float(np.sum((np.abs(counts - expected) - correction) ** 2 / expected))
    return ChiSquared(method, chi2, freedom, float(stats.chi2.sf(chi2, freedom)))


def _likelihood_ratio(counts: np.ndarray, expected: np.ndarray, freedom: int) -> ChiSquared:
    method = "likelihood-ratio (G) test"
    if (expected == 0).any():
        return ChiSquared(f"{method} (not defined: an empty row or column)", None, freedom, None)
    g = max(0.0, 2 * float(np.sum(special.xlogy(counts, counts / expected))))
    return ChiSquared(method, g, freedom, float(stats.chi2.sf(g, freedom)))


def _sample_odds_ratio(counts: np.ndarray, confidence: float) -> OddsRatio:
    (a, b), (c, d) = counts.tolist()
    method = f"sample odds ratio, Woolf's {percent(confidence)} interval"
    if a * d == 0 and b * c == 0:
        return OddsRatio(method, None, None, None, confidence)
    value = math.inf if b * c == 0 else a * d / (b * c)
    cells = counts.astype(np.float64)
    if (cells == 0).any():
        cells += 0.5
        method += " (0.5 added to each cell)"
    center = math.log(cells[0, 0] * cells[1, 1] / (cells[0, 1] * cells[1, 0]))
    reach = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(float(np.sum(1 / cells)))
    return OddsRatio(method, value, math.exp(center - reach), math.exp(center + reach), confidence)


def _conditional_odds_ratio(counts: np.ndarray, confidence: float, root_tolerance: float | None) -> OddsRatio | None:
    if (counts.sum(axis=0) == 0).any() or (counts.sum(axis=1) == 0).any():
        return None
    method = f"conditional maximum likelihood odds ratio, exact {percent(confidence)} interval"
    if root_tolerance is not None:
        method += f", root search to {root_tolerance:.2g}"
    return OddsRatio(method, *searched_odds_ratio(counts, confidence, root_tolerance or 0.0), confidence)


def _fisher_p(counts: np.ndarray) -> float | None:
    """Probability of all tables with these margins that are no likelier than the observed one (Freeman & Halton 1951).

    Tables are enumerated column by column. Partial tables that can be completed in the same ways and are as likely are
    counted together, and those whose completions are all likelier than the observed table, or all not, are not followed
    (the network of Mehta & Patel 1983, J Am Stat Assoc 78:427). None if there are still too many.
    """
    if counts.shape[0] > counts.shape[1]:
        counts = counts.T
    row_sums, column_sums = counts.sum(axis=1), np.sort(counts.sum(axis=0))[::-1]
    limit = math.log(SAME_PROBABILITY) - float(special.gammaln(counts + 1).sum())
    # One line per kind of partial table: what its rows still lack, minus the log of the product of its cells'
    # factorials, and how many tables are of that kind.
    lines = row_sums[None, :], np.zeros(1), np.ones(1)
    extreme = [-math.inf]
    for done, column_sum in enumerate(column_sums[:-1], start=1):
        lines = _with_column(*lines, int(column_sum))
        if lines is None:
            return None
        lacking, weight, many = lines
        least, most = _completions(lacking, column_sums[done:])
        extreme.append(_total_of(lacking, weight, many, column_sums[done:], weight + most <= limit))
        open_ = (weight + least <= limit) & (weight + most > limit)
        if not open_.any():
            break
        lines = lacking[open_], weight[open_], many[open_]
    everything = _total_of(row_sums[None, :], np.zeros(1), np.ones(1), column_sums, np.array([True]))
    return min(1.0, float(np.exp(special.logsumexp(extreme) - everything)))


def _with_column(
    lacking: np.ndarray, weight: np.ndarray, many: np.ndarray, column_sum: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The partial tables with one more column, filled in all ways; None if they are too many."""
    left, last = np.full(len(weight), column_sum), lacking.shape[1] - 1
    for row in range(last):
        rest = lacking[:, row + 1 :].sum(axis=1)
        low, high = np.maximum(0, left - rest), np.minimum(left, lacking[:, row])
        choices = high - low + 1
        if choices.sum() > MOST_TABLES:
            return None
        parents = np.repeat(np.arange(len(weight)), choices)
        cell = low[parents] + np.arange(parents.size) - np.repeat(np.cumsum(choices) - choices, choices)
        lacking, left = lacking[parents].copy(), left[parents] - cell
        lacking[:, row] -= cell
        weight, many = weight[parents] - special.gammaln(cell + 1), many[parents]
        lacking[:, : row + 1].sort(axis=1)  # rows that have this column's cell are interchangeable
        lacking, left, weight, many = _merged(lacking, left, weight, many)
    lacking[:, -1] -= left
    lacking.sort(axis=1)
    lacking, _, weight, many = _merged(lacking, np.zeros_like(left), weight - special.gammaln(left + 1), many)
    return lacking, weight, many


def _completions(lacking: np.ndarray, column_sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the weight that the missing columns can add: all of a row (column) in one cell, or spread evenly."""
    rows, columns = lacking.shape[1], column_sums.size
    if columns == 1:
        only = -special.gammaln(lacking + 1).sum(axis=1)
        return only, only
    least = np.maximum(-special.gammaln(lacking + 1).sum(axis=1), -special.gammaln(column_sums + 1).sum())
    most = np.minimum(_even(lacking, columns).sum(axis=1), _even(column_sums, rows).sum())
    return least, most


def _even(total: np.ndarray, cells: int) -> np.ndarray:
    share, more = np.divmod(total, cells)
    return -(more * special.gammaln(share + 2) + (cells - more) * special.gammaln(share + 1))


def _total_of(
    lacking: np.ndarray, weight: np.ndarray, many: np.ndarray, column_sums: np.ndarray, chosen: np.ndarray
) -> float:
    """Log of the summed weights of all completions: n! / (rows! columns!) each, by Vandermonde's identity."""
    if not chosen.any():
        return -math.inf
    each = special.gammaln(column_sums.sum() + 1) - special.gammaln(column_sums + 1).sum()
    each = weight[chosen] + each - special.gammaln(lacking[chosen] + 1).sum(axis=1)
    return float(special.logsumexp(each, b=many[chosen]))


def _merged(
    lacking: np.ndarray, left: np.ndarray, weight: np.ndarray, many: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lines that agree in all but ``many`` become one."""
    rounded = np.rint(weight / SAME_WEIGHT).astype(np.int64)
    order = np.lexsort((rounded, left, *lacking.T))
    keys = np.column_stack([lacking, left, rounded])[order]
    starts = np.flatnonzero(np.append(True, (np.diff(keys, axis=0) != 0).any(axis=1)))
    kept = order[starts]
    return lacking[kept], left[kept], weight[kept], np.add.reduceat(many[order], starts)


def _order(labels: np.ndarray, order: Sequence[str], what: str) -> tuple[str, ...]:
    found = sorted(set(labels.tolist()))
    if order:
        unknown = [label for label in found if label not in order]
        if unknown:
            raise InputError(f'"{unknown[0]}" is not among the {what}', remedy=f"Expected {', '.join(order)}")
        return tuple(order)
    if len(found) < 2:
        raise InputError(f"fewer than two categories in the {what}", remedy="A table needs two")
    return tuple(found)


def _notes(expected: np.ndarray, fisher: float | None, n_missing: int) -> tuple[str, ...]:
    notes = [f"{n_missing} patients left out for missing values"] if n_missing else []
    if (expected == 0).any():
        notes.append("an empty row or column: chi-squared is not defined")
    elif (expected < LOW_EXPECTED).any():
        low = int((expected < LOW_EXPECTED).sum())
        notes.append(f"{low} of {expected.size} expected counts are below {LOW_EXPECTED:g}: prefer Fisher's exact test")
    if fisher is None:
        notes.append("too many possible tables for Fisher's exact test")
    return tuple(notes)
