"""Two groups, or two measurements of the same patients: which test, why, and what it says.

The path of the papers: Shapiro-Wilk in each group (of the differences for pairs); a t-test if no group departs from
normality, else Mann-Whitney (Wilcoxon signed-rank). All tests are computed; the path only says which is reported first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from .effect_sizes import EffectSize, paired_effect_sizes, sum_of_squares, two_sample_effect_sizes
from .group_summary import GroupSummary, summarize_sample
from .normality import Normality, shapiro_wilk
from .rank_tests import (
    ExactOrAsymptotic,
    MannWhitneyTest,
    WilcoxonTest,
    differences,
    mann_whitney,
    wilcoxon_signed_rank,
)
from .samples import Sample, check_alpha, check_confidence, missing_note, paired_samples, sample

StudentOrWelch = Literal["student", "welch"]
Path = Literal["normality", "t", "rank"]
SMALL_GROUP = 10


@dataclass(frozen=True)
class TTest:
    """Attributes:
    difference: mean of the first minus mean of the second, with its confidence limits.
    t, degrees_of_freedom, p, low, high: None where the test is not defined (constant data, too few values).
    """

    method: str
    t: float | None
    degrees_of_freedom: float | None
    p: float | None
    difference: float
    low: float | None
    high: float | None
    confidence: float


@dataclass(frozen=True)
class SpreadTest:
    """Equality of variances by analysis of variance of absolute deviations from a center; None where not defined."""

    method: str
    f: float | None
    p: float | None


@dataclass(frozen=True)
class GroupComparison:
    """Two independent groups.

    Attributes:
        method: name of the reported test with its options; p is its two-sided p value.
        decision: why this test, in sentences.
        student, welch, mann_whitney: all three, whatever was reported.
        levene, brown_forsythe: equality of variances, deviations from mean and median.
    """

    method: str
    p: float | None
    decision: tuple[str, ...]
    first: GroupSummary
    second: GroupSummary
    normality: tuple[Normality, Normality]
    student: TTest
    welch: TTest
    levene: SpreadTest
    brown_forsythe: SpreadTest
    mann_whitney: MannWhitneyTest
    effect_sizes: tuple[EffectSize, ...]
    alpha: float
    confidence: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PairedComparison:
    """Two measurements of the same patients; differences are first - second.

    Attributes:
        difference: summary of the differences.
        The others as in ``GroupComparison``.
    """

    method: str
    p: float | None
    decision: tuple[str, ...]
    n_pairs: int
    n_missing: int
    first: GroupSummary
    second: GroupSummary
    difference: GroupSummary
    normality: Normality
    paired_t: TTest
    wilcoxon: WilcoxonTest
    effect_sizes: tuple[EffectSize, ...]
    alpha: float
    confidence: float
    warnings: tuple[str, ...]


def student_t_test(first: Sequence, second: Sequence, *, confidence: float = 0.95) -> TTest:
    """Two-sample t-test with pooled variance, two-sided.

    Raises:
        InputError: an empty group or text.
    """
    check_confidence(confidence)
    return _student(sample(first).values, sample(second).values, confidence)


def welch_t_test(first: Sequence, second: Sequence, *, confidence: float = 0.95) -> TTest:
    """Two-sample t-test with separate variances and Satterthwaite's degrees of freedom, two-sided.

    Raises:
        InputError: an empty group or text.
    """
    check_confidence(confidence)
    return _welch(sample(first).values, sample(second).values, confidence)


def _student(x: np.ndarray, y: np.ndarray, confidence: float) -> TTest:
    freedom = x.size + y.size - 2
    variance = (sum_of_squares(x) + sum_of_squares(y)) / freedom * (1 / x.size + 1 / y.size) if freedom > 0 else 0.0
    return _t_test("Student's t-test (equal variances)", x, y, variance, freedom, confidence)


def _welch(x: np.ndarray, y: np.ndarray, confidence: float) -> TTest:
    if min(x.size, y.size) < 2:
        return _t_test("Welch's t-test (unequal variances)", x, y, 0.0, 0.0, confidence)
    terms = [float(group.var(ddof=1)) / group.size for group in (x, y)]
    variance = sum(terms)
    spread = sum(term**2 / (group.size - 1) for term, group in zip(terms, (x, y), strict=True))
    freedom = variance**2 / spread if spread > 0 else 0.0
    return _t_test("Welch's t-test (unequal variances)", x, y, variance, freedom, confidence)


def _t_test(method: str, x: np.ndarray, y: np.ndarray, variance: float, freedom: float, confidence: float) -> TTest:
    difference = float(x.mean() - y.mean())
    error = math.sqrt(variance)
    # A spread that is rounding noise beside the means would give an arbitrary t.
    if freedom <= 0 or error <= 10 * np.finfo(float).eps * max(abs(x.mean()), abs(y.mean())):
        return TTest(method, None, None, None, difference, None, None, confidence)
    t = difference / error
    reach = float(stats.t.isf((1 - confidence) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(t), freedom))
    return TTest(method, t, float(freedom), p, difference, difference - reach, difference + reach, confidence)


def paired_t_test(first: Sequence, second: Sequence, *, confidence: float = 0.95) -> TTest:
    """t-test of the differences first - second against 0, two-sided; pairs lacking a value are left out.

    Raises:
        InputError: no pair, different lengths, text.
    """
    check_confidence(confidence)
    x, y, _ = paired_samples(first, second, ("first", "second"))
    return _paired_t(x, y, confidence)


def _paired_t(x: np.ndarray, y: np.ndarray, confidence: float) -> TTest:
    d = differences(x, y)
    variance = float(d.var(ddof=1)) / d.size if d.size > 1 else 0.0
    return _t_test("paired t-test", d, np.zeros(1), variance, d.size - 1, confidence)


def _spread_test(method: str, x: np.ndarray, y: np.ndarray) -> SpreadTest:
    """For two groups the analysis of variance of the deviations is Student's t-test squared."""
    test = _student(x, y, 0.95)
    return SpreadTest(method, None, None) if test.t is None else SpreadTest(method, test.t**2, test.p)


def compare_groups(
    first: Sequence,
    second: Sequence,
    *,
    names: tuple[str, str] = ("first group", "second group"),
    t_test: StudentOrWelch = "welch",
    p_method: ExactOrAsymptotic = "auto",
    continuity: bool = True,
    path: Path = "normality",
    alpha: float = 0.05,
    confidence: float = 0.95,
    quartile_type: int = 7,
) -> GroupComparison:
    """Compare two independent groups.

    Args:
        first, second: columns of numbers, NaN missing.
        t_test: which t-test is reported when the path leads there. The BOLD paper's p values are Student's, the ASL
            paper's Welch's.
        p_method, continuity: of Mann-Whitney; see ``rank_tests``.
        path: "normality" chooses by Shapiro-Wilk at ``alpha``; "t" and "rank" choose beforehand.

    Raises:
        InputError: an empty group, text, or an unknown choice.
    """
    check_confidence(confidence)
    check_alpha(alpha)
    if t_test not in ("student", "welch"):
        raise InputError(f'"{t_test}" is no t-test', remedy='Choose "student" or "welch"')
    a, b = sample(first, names[0]), sample(second, names[1])
    x, y = a.values, b.values
    normality = (shapiro_wilk(x), shapiro_wilk(y))
    student, welch = _student(x, y, confidence), _welch(x, y, confidence)
    ranks = mann_whitney(first, second, p_method=p_method, continuity=continuity, confidence=confidence, names=names)
    use_t, decision = _decide(path, zip(names, normality, strict=True), alpha)
    chosen = student if t_test == "student" else welch
    method, p = (chosen.method, chosen.p) if use_t else (ranks.method, ranks.p)
    decision += (f"Reported: {method}.",)
    return GroupComparison(
        method=method,
        p=p,
        decision=decision,
        first=summarize_sample(a, names[0], quartile_type),
        second=summarize_sample(b, names[1], quartile_type),
        normality=normality,
        student=student,
        welch=welch,
        levene=_spread_test("Levene's test, deviations from the mean", abs(x - x.mean()), abs(y - y.mean())),
        brown_forsythe=_spread_test(
            "Brown-Forsythe test, deviations from the median", abs(x - np.median(x)), abs(y - np.median(y))
        ),
        mann_whitney=ranks,
        effect_sizes=two_sample_effect_sizes(x, y, confidence=confidence),
        alpha=alpha,
        confidence=confidence,
        warnings=_group_notes(names, (a, b), alpha, student, welch, ranks, use_t),
    )


def compare_pairs(
    first: Sequence,
    second: Sequence,
    *,
    names: tuple[str, str] = ("first", "second"),
    p_method: ExactOrAsymptotic = "auto",
    continuity: bool = True,
    path: Path = "normality",
    alpha: float = 0.05,
    confidence: float = 0.95,
    quartile_type: int = 7,
) -> PairedComparison:
    """Compare two measurements of the same patients; arguments as ``compare_groups``.

    Raises:
        InputError: no pair, different lengths, text, or an unknown choice.
    """
    check_confidence(confidence)
    check_alpha(alpha)
    x, y, n_missing = paired_samples(first, second, names)
    d = differences(x, y)
    normality = shapiro_wilk(d)
    paired_t = _paired_t(x, y, confidence)
    ranks = wilcoxon_signed_rank(x, y, p_method=p_method, continuity=continuity, confidence=confidence, names=names)
    use_t, decision = _decide(path, [("the differences", normality)], alpha)
    method, p = (paired_t.method, paired_t.p) if use_t else (ranks.method, ranks.p)
    notes = missing_note(n_missing, "pairs") + ranks.warnings
    if d.size < SMALL_GROUP:
        notes += (f"{d.size} pairs only: tests have little power, Shapiro-Wilk included",)
    return PairedComparison(
        method=method,
        p=p,
        decision=(*decision, f"Reported: {method}."),
        n_pairs=d.size,
        n_missing=n_missing,
        first=summarize_sample(Sample(x, 0), names[0], quartile_type),
        second=summarize_sample(Sample(y, 0), names[1], quartile_type),
        difference=summarize_sample(Sample(d, n_missing), f"{names[0]} - {names[1]}", quartile_type),
        normality=normality,
        paired_t=paired_t,
        wilcoxon=ranks,
        effect_sizes=paired_effect_sizes(x, y, confidence=confidence),
        alpha=alpha,
        confidence=confidence,
        warnings=notes,
    )


def _decide(path: str, tested, alpha: float) -> tuple[bool, tuple[str, ...]]:
    """(whether a t-test is reported, why)."""
    if path not in ("normality", "t", "rank"):
        raise InputError(f'"{path}" is no path', remedy='Choose "normality", "t" or "rank"')
    tested = list(tested)
    sentences = tuple(_normality_sentence(name, result, alpha) for name, result in tested)
    if path != "normality":
        return path == "t", (*sentences, "The test was chosen beforehand, not by normality.")
    departs = [name for name, result in tested if result.departs(alpha)]
    if departs:
        return False, (*sentences, f"Not shown to be normal: {', '.join(departs)}; hence a rank test.")
    return True, (*sentences, f"No departure from normality at {alpha:g}; hence a t-test.")


def _normality_sentence(name: str, result: Normality, alpha: float) -> str:
    if result.p is None:
        return f"Shapiro-Wilk of {name} (n = {result.n}) is not defined: {result.note}."
    return f"Shapiro-Wilk of {name} (n = {result.n}): W = {result.w:.4f}, p = {result.p:.4g}."


def _group_notes(
    names: tuple[str, str],
    groups: tuple[Sample, Sample],
    alpha: float,
    student: TTest,
    welch: TTest,
    ranks: MannWhitneyTest,
    use_t: bool,
) -> tuple[str, ...]:
    notes = []
    for name, group in zip(names, groups, strict=True):
        notes += [f"{name}: {note}" for note in missing_note(group.n_missing, "values")]
        if group.n < SMALL_GROUP:
            notes.append(f"{name}: {group.n} values only; tests have little power, Shapiro-Wilk included")
        if group.n > 1 and group.is_constant:
            notes.append(f"{name}: all values are equal")
    if use_t and student.p is not None and welch.p is not None and (student.p < alpha) != (welch.p < alpha):
        notes.append(f"Student (p = {student.p:.3g}) and Welch (p = {welch.p:.3g}) disagree at {alpha:g}")
    both = (ranks.p_exact, ranks.p_asymptotic)
    if not use_t and None not in both and (both[0] < alpha) != (both[1] < alpha):
        notes.append(f"exact (p = {both[0]:.3g}) and asymptotic (p = {both[1]:.3g}) disagree at {alpha:g}")
    return (*notes, *ranks.warnings)
