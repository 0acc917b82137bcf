"""Correlations with one parameter, and tables of counts of two groupings."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..statistics.contingency import contingency_test
from ..statistics.correlation import Correlation, correlate
from .spec import Choices
from .values import GroupLabels, ParameterValues


@dataclass(frozen=True)
class CorrelationResult:
    """Attributes:
    slope, intercept: least-squares line of ``other`` (vertical) on the parameter (horizontal), for the plot.
    within: for each grouping, (name, Pearson's r, n) with the class means taken off both: what is left when the groups'
        difference alone is taken away.
    """

    parameter: str
    other: str
    unit: str
    other_unit: str
    correlation: Correlation
    reported: str
    p: float | None
    slope: float | None
    intercept: float | None
    within: tuple[tuple[str, float | None, int], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CountsResult:
    """Two groupings against each other: rows by columns, both (positive, negative).

    Attributes:
        method, p: the reported test; the others beside it.
        odds_ratio: (value, low, high), None where not defined.
    """

    row_grouping: str
    column_grouping: str
    row_names: tuple[str, str]
    column_names: tuple[str, str]
    counts: tuple[tuple[int, int], tuple[int, int]]
    n_missing: int
    method: str
    p: float | None
    chi2: float | None
    p_pearson: float | None
    chi2_corrected: float | None
    p_corrected: float | None
    p_fisher: float | None
    odds_ratio: tuple[float | None, float | None, float | None]
    warnings: tuple[str, ...]


def correlation_result(
    values: ParameterValues, other: ParameterValues, groups: tuple[GroupLabels, ...], choices: Choices
) -> CorrelationResult:
    """Pearson and Spearman of two parameters."""
    names = values.parameter.name, other.parameter.name
    found = correlate(values.final, other.final, confidence=choices.confidence, names=names)
    both = ~(np.isnan(values.final) | np.isnan(other.final))
    x, y = values.final[both], other.final[both]
    slope = intercept = None
    if found.pearson.value is not None:
        fit = stats.linregress(x, y)
        slope, intercept = float(fit.slope), float(fit.intercept)
    within = tuple((group.grouping.name, *_within(values.final, other.final, group)) for group in groups)
    notes = list(found.warnings)
    for name, r, _ in within:
        if r is not None and found.pearson.p is not None and found.pearson.p < choices.alpha and abs(r) < 0.1:
            notes.append(f"within the classes of {name} little is left of the correlation (r = {r:.2f})")
    return CorrelationResult(
        parameter=names[0],
        other=names[1],
        unit=values.parameter.unit,
        other_unit=other.parameter.unit,
        correlation=found,
        reported=choices.correlation,
        p=getattr(found, choices.correlation).p,
        slope=slope,
        intercept=intercept,
        within=within,
        warnings=tuple(notes),
    )


def _within(x: np.ndarray, y: np.ndarray, group: GroupLabels) -> tuple[float | None, int]:
    used = ~(np.isnan(x) | np.isnan(y) | np.isnan(group.is_positive))
    x, y, labels = x[used], y[used], group.is_positive[used]
    if np.unique(labels).size < 2:
        return None, int(x.size)
    a, b = (v - np.where(labels == 1, v[labels == 1].mean(), v[labels == 0].mean()) for v in (x, y))
    # What is left of values that are equal within a class is rounding.
    if any(np.abs(rest).max() <= 1e-12 * np.abs(v).max() for rest, v in ((a, x), (b, y))):
        return None, int(x.size)
    return float(a @ b / np.sqrt((a @ a) * (b @ b))), int(x.size)


def counts_result(rows: GroupLabels, columns: GroupLabels, choices: Choices) -> CountsResult:
    """Residual tumor against response, say."""
    used = ~(np.isnan(rows.is_positive) | np.isnan(columns.is_positive))
    counts = tuple(
        tuple(int(np.sum(used & (rows.is_positive == r) & (columns.is_positive == c))) for c in (1, 0)) for r in (1, 0)
    )
    test = _tested(counts, choices)
    n_missing = int(np.count_nonzero(~used))
    notes = (f"{n_missing} patients left out for missing values",) if n_missing else ()
    return CountsResult(
        row_grouping=rows.grouping.name,
        column_grouping=columns.grouping.name,
        row_names=rows.grouping.names,
        column_names=columns.grouping.names,
        counts=counts,
        n_missing=n_missing,
        **{**test, "warnings": (*notes, *test["warnings"])},
    )


def _tested(counts, choices: Choices) -> dict:
    found = contingency_test(counts, report=choices.chi_squared, confidence=choices.confidence)
    ratio = found.odds_ratio
    return {
        "method": found.method,
        "p": found.p,
        "chi2": found.pearson.chi2,
        "p_pearson": found.pearson.p,
        "chi2_corrected": found.yates.chi2,
        "p_corrected": found.yates.p,
        "p_fisher": found.fisher_p,
        "odds_ratio": (ratio.value, ratio.low, ratio.high),
        "warnings": found.warnings,
    }
