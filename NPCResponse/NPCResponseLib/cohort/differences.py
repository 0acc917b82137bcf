"""Groups and pairs compared, in the rows that the papers print."""

from dataclasses import dataclass

import numpy as np

from ..statistics.comparison import (
    GroupComparison,
    TTest,
    compare_groups,
    compare_pairs,
    paired_t_test,
    student_t_test,
    welch_t_test,
)
from ..statistics.effect_sizes import EffectSize, paired_effect_sizes, two_sample_effect_sizes
from ..statistics.group_summary import GroupSummary, summarize_group
from ..statistics.normality import Normality, shapiro_wilk
from ..statistics.roc import analyze_roc
from .spec import Choices
from .values import GroupLabels, ParameterValues

# Beyond, the shift that belongs to a rank test would need every pairwise difference in memory.
MOST_PAIRWISE_DIFFERENCES = 25_000_000
MOST_PAIRS = 5_000


@dataclass(frozen=True)
class GroupDifference:
    """One parameter in the two classes of one grouping; first is the positive class.

    Attributes:
        method, p: the reported test; decision: why it, in sentences.
        statistic: t or U (of the first class) of the reported test, with its name.
        t_test: the chosen one of Student and Welch; its difference of means is first - second.
        p_student, p_welch, p_exact, p_asymptotic: what the other choices would give; None where not computed.
    """

    grouping: str
    parameter: str
    unit: str
    first: GroupSummary
    second: GroupSummary
    normality: tuple[Normality, Normality]
    method: str
    p: float | None
    statistic_name: str
    statistic: float | None
    decision: tuple[str, ...]
    t_test: TTest
    p_student: float | None
    p_welch: float | None
    p_exact: float | None
    p_asymptotic: float | None
    effect_size: EffectSize
    rank_effect_size: EffectSize
    alpha: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PairedDifference:
    """Two parameters of the same patients; differences are first - second. Attributes as ``GroupDifference``."""

    first_name: str
    second_name: str
    unit: str
    n_pairs: int
    n_missing: int
    first: GroupSummary
    second: GroupSummary
    difference: GroupSummary
    normality: Normality
    method: str
    p: float | None
    statistic_name: str
    statistic: float | None
    decision: tuple[str, ...]
    t_test: TTest
    p_exact: float | None
    p_asymptotic: float | None
    effect_size: EffectSize
    alpha: float
    warnings: tuple[str, ...]


def group_difference(values: ParameterValues, group: GroupLabels, choices: Choices) -> GroupDifference:
    """One row of the papers' table of differences."""
    x, y = group.split(values.final)
    names = group.grouping.names
    n_x, n_y = (int(np.count_nonzero(~np.isnan(part))) for part in (x, y))
    if n_x * n_y > MOST_PAIRWISE_DIFFERENCES:
        return _large_group_difference(values, group, choices, x, y)
    found = compare_groups(
        x,
        y,
        names=names,
        t_test=choices.t_test,
        p_method=choices.p_value,
        path=choices.path,
        alpha=choices.alpha,
        confidence=choices.confidence,
        quartile_type=choices.quartile_type,
    )
    chosen = _chosen(choices, found.student, found.welch)
    is_t = found.method == chosen.method
    return GroupDifference(
        grouping=group.grouping.name,
        parameter=values.parameter.name,
        unit=values.parameter.unit,
        first=found.first,
        second=found.second,
        normality=found.normality,
        method=found.method,
        p=found.p,
        statistic_name="t" if is_t else "U",
        statistic=chosen.t if is_t else found.mann_whitney.u_first,
        decision=found.decision,
        t_test=chosen,
        p_student=found.student.p,
        p_welch=found.welch.p,
        p_exact=found.mann_whitney.p_exact,
        p_asymptotic=found.mann_whitney.p_asymptotic,
        effect_size=_named(found, "g"),
        rank_effect_size=_named(found, "rank"),
        alpha=choices.alpha,
        warnings=found.warnings,
    )


def _chosen(choices: Choices, student: TTest, welch: TTest) -> TTest:
    return student if choices.t_test == "student" else welch


def _named(found: GroupComparison, word: str) -> EffectSize:
    return next(size for size in found.effect_sizes if word in size.name)


def _large_group_difference(
    values: ParameterValues, group: GroupLabels, choices: Choices, x: np.ndarray, y: np.ndarray
) -> GroupDifference:
    """Without exact p values and the shift that goes with ranks; Shapiro-Wilk is not defined for so many."""
    names = group.grouping.names
    student, welch = (test(x, y, confidence=choices.confidence) for test in (student_t_test, welch_t_test))
    chosen = _chosen(choices, student, welch)
    p_rank = analyze_roc(group.is_positive, values.final).p
    normality = (shapiro_wilk(x), shapiro_wilk(y))
    use_t = choices.path == "t" or (
        choices.path == "normality" and not any(n.departs(choices.alpha) for n in normality)
    )
    rank_method = "Mann-Whitney U test, asymptotic p without continuity correction, ties corrected"
    method = chosen.method if use_t else rank_method
    sizes = two_sample_effect_sizes(x[~np.isnan(x)], y[~np.isnan(y)], confidence=choices.confidence)
    decision = (
        *(
            f"Shapiro-Wilk of {name} (n = {found.n}) is not defined: {found.note}."
            for name, found in zip(names, normality, strict=True)
            if found.p is None
        ),
        "So many patients: no exact p value and no Hodges-Lehmann shift was computed.",
        f"Reported: {method}.",
    )
    return GroupDifference(
        grouping=group.grouping.name,
        parameter=values.parameter.name,
        unit=values.parameter.unit,
        first=summarize_group(x, names[0], quartile_type=choices.quartile_type),
        second=summarize_group(y, names[1], quartile_type=choices.quartile_type),
        normality=normality,
        method=method,
        p=chosen.p if use_t else p_rank,
        statistic_name="t" if use_t else "AUC",
        statistic=chosen.t if use_t else (sizes[2].value + 1) / 2,
        decision=decision,
        t_test=chosen,
        p_student=student.p,
        p_welch=welch.p,
        p_exact=None,
        p_asymptotic=p_rank,
        effect_size=sizes[1],
        rank_effect_size=sizes[2],
        alpha=choices.alpha,
        warnings=(),
    )


def paired_difference(first: ParameterValues, second: ParameterValues, choices: Choices) -> PairedDifference:
    """Two time points of the same patients."""
    names = first.parameter.name, second.parameter.name
    unit = first.parameter.unit if first.parameter.unit == second.parameter.unit else ""
    complete = ~(np.isnan(first.final) | np.isnan(second.final))
    if np.count_nonzero(complete) > MOST_PAIRS:
        return _large_paired_difference(first, second, choices, complete, unit)
    found = compare_pairs(
        first.final,
        second.final,
        names=names,
        p_method=choices.p_value,
        path=choices.path,
        alpha=choices.alpha,
        confidence=choices.confidence,
        quartile_type=choices.quartile_type,
    )
    is_t = found.method == found.paired_t.method
    return PairedDifference(
        first_name=names[0],
        second_name=names[1],
        unit=unit,
        n_pairs=found.n_pairs,
        n_missing=found.n_missing,
        first=found.first,
        second=found.second,
        difference=found.difference,
        normality=found.normality,
        method=found.method,
        p=found.p,
        statistic_name="t" if is_t else "V",
        statistic=found.paired_t.t if is_t else found.wilcoxon.v,
        decision=found.decision,
        t_test=found.paired_t,
        p_exact=found.wilcoxon.p_exact,
        p_asymptotic=found.wilcoxon.p_asymptotic,
        effect_size=found.effect_sizes[0],
        alpha=choices.alpha,
        warnings=found.warnings,
    )


def _large_paired_difference(
    first: ParameterValues, second: ParameterValues, choices: Choices, complete: np.ndarray, unit: str
) -> PairedDifference:
    names = first.parameter.name, second.parameter.name
    x, y = first.final[complete], second.final[complete]
    test = paired_t_test(x, y, confidence=choices.confidence)
    decision = (
        f"{x.size} pairs: the mean of so many differences is normal whatever they are; hence a t-test. Neither "
        "Shapiro-Wilk nor Wilcoxon's test was computed.",
        f"Reported: {test.method}.",
    )
    return PairedDifference(
        first_name=names[0],
        second_name=names[1],
        unit=unit,
        n_pairs=x.size,
        n_missing=int(complete.size - x.size),
        first=summarize_group(x, names[0], quartile_type=choices.quartile_type),
        second=summarize_group(y, names[1], quartile_type=choices.quartile_type),
        difference=summarize_group(x - y, f"{names[0]} - {names[1]}", quartile_type=choices.quartile_type),
        normality=Normality(x.size, None, None, f"more than {MOST_PAIRS} values"),
        method=test.method,
        p=test.p,
        statistic_name="t",
        statistic=test.t,
        decision=decision,
        t_test=test,
        p_exact=None,
        p_asymptotic=None,
        effect_size=paired_effect_sizes(x, y, confidence=choices.confidence)[0],
        alpha=choices.alpha,
        warnings=(),
    )
