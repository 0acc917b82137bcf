"""What a paper's printed summary numbers imply: one check per kind of number.

Each check recomputes a printed number from others, allowing every input what its rounding allows, and says whether the
printed one fits. Numbers are given as printed (text), counts as whole numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from ..radiation_dose import biologically_effective_dose_gy, eqd2_gy, implied_fractionation
from .contingency import contingency_test
from .printed_numbers import Printed, interval_of, likely_misprints, printed, shown
from .proportions import proportion
from .roc import hanley_mcneil_se

Status = Literal["consistent", "inconsistent", "unverifiable"]
MINOR = 0.02  # a printed number this close (relative) to what it should be changes no conclusion
# DeLong and bootstrap standard errors of real markers scatter about Hanley and McNeil's by some 10 to 20 % in groups of
# this size; an interval beyond is of another level or of other group sizes. Our convention, not a published limit.
WIDTH_RATIOS = (1 / 1.2, 1.2)
LARGEST_DENOMINATOR = 200


@dataclass(frozen=True)
class CheckResult:
    """Attributes:
    status: consistent, inconsistent or unverifiable.
    detail: what kind of (in)consistency, in a few words.
    recomputed: what the numbers imply.
    note: what follows, or what misprint would explain it.
    """

    status: Status
    detail: str
    recomputed: str
    note: str = ""


@dataclass(frozen=True)
class GroupText:
    """Printed mean and SD of a group of n patients."""

    mean: Printed
    sd: Printed
    n: int


@dataclass(frozen=True)
class SummaryTTest:
    """t-test from summary numbers.

    Attributes:
        t, degrees_of_freedom, p: from the numbers as printed.
        t_interval, p_interval: over their rounding intervals.
    """

    name: str
    t: float
    degrees_of_freedom: float
    p: float
    t_interval: tuple[float, float]
    p_interval: tuple[float, float]


def t_test_from_summary(first: GroupText, second: GroupText, *, welch: bool) -> SummaryTTest:
    """Student's or Welch's t-test from means, SDs and sizes, with what rounding leaves open."""
    n1, n2 = first.n, second.n
    if min(n1, n2) < 2:
        raise InputError("a t-test from summary numbers needs two patients in each group")

    def error_and_freedom(sd1: float, sd2: float) -> tuple[float, float]:
        v1, v2 = sd1**2 / n1, sd2**2 / n2
        if welch:
            return math.sqrt(v1 + v2), (v1 + v2) ** 2 / (v1**2 / (n1 - 1) + v2**2 / (n2 - 1))
        pooled = ((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / (n1 + n2 - 2)
        return math.sqrt(pooled * (1 / n1 + 1 / n2)), n1 + n2 - 2

    def t(m1: float, m2: float, sd1: float, sd2: float) -> float:
        return (m1 - m2) / error_and_freedom(sd1, sd2)[0]

    def p(m1: float, m2: float, sd1: float, sd2: float) -> float:
        return 2 * float(stats.t.sf(abs(t(m1, m2, sd1, sd2)), error_and_freedom(sd1, sd2)[1]))

    numbers = first.mean, second.mean, first.sd, second.sd
    values = [number.value for number in numbers]
    t_interval, p_interval = interval_of(t, *numbers), interval_of(p, *numbers)
    if t_interval[0] < 0 < t_interval[1]:
        p_interval = p_interval[0], 1.0
    return SummaryTTest(
        "Welch" if welch else "Student",
        t(*values),
        float(error_and_freedom(*values[2:])[1]),
        p(*values),
        t_interval,
        p_interval,
    )


def binormal_auc(positive: GroupText, negative: GroupText) -> float:
    """AUC of two normal distributions: Phi((m1 - m2) / sqrt(s1^2 + s2^2))."""
    apart = positive.mean.value - negative.mean.value
    return float(stats.norm.cdf(apart / math.hypot(positive.sd.value, negative.sd.value)))


def two_group_t(first: Sequence, second: Sequence, t: str = "", p: str = "") -> CheckResult:
    """t or p of two groups' means: Student or Welch. ``first``, ``second``: [mean, SD, n]."""
    groups = _group(first), _group(second)
    tests = [t_test_from_summary(*groups, welch=welch) for welch in (False, True)]
    recomputed = "; ".join(_t_words(test, bool(t)) for test in tests)
    fitting = [test for test in tests if _t_fits(test, t, p)]
    if fitting:
        names = " and ".join(test.name for test in fitting)
        other = [test for test in tests if test not in fitting]
        note = f"as {names}" if other else "as Student and as Welch"
        for test in other:
            if (test.p < 0.05) != (fitting[0].p < 0.05):
                note += f"; {test.name} would be on the other side of 0.05 (p = {_p_text(test.p)})"
        return CheckResult("consistent", f"as {names}", recomputed, note)
    return CheckResult("inconsistent", _t_detail(tests, t, p), recomputed, _t_repair(first, second, t, p))


def paired_t(mean: str, sd: str, n: int, p: str = "", t: str = "") -> CheckResult:
    """t or p of a paired test from mean and SD of the differences of n pairs."""
    numbers = printed(mean), printed(sd)

    def statistic(m: float, s: float) -> float:
        return m / (s / math.sqrt(n))

    value = statistic(*(number.value for number in numbers))
    low, high = interval_of(statistic, *numbers)
    p_values = sorted(2 * float(stats.t.sf(abs(end), n - 1)) for end in (low, high))
    p_value = 2 * float(stats.t.sf(abs(value), n - 1))
    fits = (not t or printed(t).fits(low, high)) and (not p or printed(p).fits(*p_values))
    recomputed = f"t={value:.3f} p={_p_text(p_value)} [{_p_text(p_values[0])}; {_p_text(p_values[1])}]"
    return CheckResult(_status(fits), "", recomputed, f"n={n} df={n - 1}")


def difference(minuends: Sequence[str], subtrahends: Sequence[str], differences: Sequence[str]) -> CheckResult:
    """Means of differences are differences of means."""
    values, wrong = [], []
    for a, b, d in zip(minuends, subtrahends, differences, strict=True):
        low, high = interval_of(lambda x, y: x - y, printed(a), printed(b))
        values.append(f"{a}-{b}={printed(a).value - printed(b).value:.2f}")
        if not printed(d).fits(low, high):
            wrong.append(f"{values[-1]}, printed {d}")
    return CheckResult(_status(not wrong), "", "; ".join(values), "; ".join(wrong))


def median_beside_mean(median: str, q1: str, q3: str, mean_of: Sequence[str]) -> CheckResult:
    """A median against the mean that two printed means imply (mean_of: [after, before])."""
    mean = printed(mean_of[0]).value - printed(mean_of[1]).value
    middle, low, high = (printed(text).value for text in (median, q1, q3))
    sd = (high - low) / 1.349  # quartiles of a normal distribution
    ordered = low <= middle <= high
    fits = ordered and abs(middle - mean) <= sd  # for any distribution the two are at most one SD apart
    note = "median vs mean: plausible " + ("left" if mean < middle else "right") + " tail"
    return CheckResult(_status(fits), "", f"mean difference of the printed means {mean:.2f}", note if fits else "")


def u_and_auc(u: str, auc: str, n_first: int, n_second: int, p: str = "") -> CheckResult:
    """Mann-Whitney's U against the AUC: U / (n1 n2), or its complement if the smaller U is printed."""
    pairs = n_first * n_second
    larger = max(printed(u).value, pairs - printed(u).value)
    fits = printed(auc).fits(larger / pairs)
    z = (larger - pairs / 2) / math.sqrt(pairs * (n_first + n_second + 1) / 12)
    p_value = 2 * float(stats.norm.sf(z))
    fits = fits and (not p or printed(p).fits(p_value))
    which = "larger" if printed(u).value * 2 >= pairs else "smaller"
    return CheckResult(
        _status(fits),
        "",
        f"{larger:g}/({n_first}*{n_second})={larger / pairs:.4f}",
        f"U is the {which} U (the other is {pairs - printed(u).value:g}); p(normal approx)={_p_text(p_value)}",
    )


def auc_possible(aucs: Sequence[str], n_positive: int, n_negative: int, groups: Sequence[Sequence] = ()) -> CheckResult:
    """AUCs are multiples of 1 / (2 n1 n2); beside them what normal distributions of the printed moments would give.

    groups: for each AUC [[mean, SD] of the positive, [mean, SD] of the negative class].
    """
    pairs = n_positive * n_negative
    words, impossible, binormal = [], [], []
    for auc in aucs:
        number = printed(auc)
        twice = round(number.value * 2 * pairs)
        words.append(f"{twice / 2:g}/{pairs}={twice / 2 / pairs:.4f}")
        if not number.fits(twice / 2 / pairs):
            impossible.append(auc)
    for positive, negative in groups:
        value = binormal_auc(_group([*positive, n_positive]), _group([*negative, n_negative]))
        binormal.append(f"{value:.3f}")
    recomputed = "attainable: " + ", ".join(words) if not impossible else f"not attainable: {', '.join(impossible)}"
    if binormal:
        recomputed += f"; binormal from the printed means {'/'.join(binormal)}"
    return CheckResult(_status(not impossible), "", recomputed)


def shares_possible(shares: Sequence[str], n: int, of: str = "") -> CheckResult:
    """Sensitivities (or specificities) are k / n for the size of their class."""
    words, notes, impossible = [], [], False
    for share in shares:
        number = printed(share)
        k = _count_for(number, n)
        if k is not None:
            interval = proportion(k, n).exact
            words.append(f"{k}/{n}")
            notes.append(f"{k}/{n}: 95% exact CI {interval[0]:.3f}-{interval[1]:.3f}")
            continue
        near = round(number.value * n)
        impossible = True
        words.append(f"no k/{n} gives {of + ' ' if of else ''}{share}")
        notes.append(f"nearest {near}/{n}={100 * near / n:.2f}%; {_denominator_words(share)}")
    return CheckResult(_status(not impossible), "impossible" if impossible else "", "; ".join(words), "; ".join(notes))


def operating_point(sensitivity: str, specificity: str, n_positive: int, n_negative: int, auc: str = "") -> CheckResult:
    """A cutoff's sensitivity and specificity as counts, and whether a curve of that AUC can pass through the point."""
    parts = [shares_possible([sensitivity], n_positive), shares_possible([specificity], n_negative)]
    recomputed = "; ".join(part.recomputed for part in parts)
    note = "; ".join(part.note for part in parts)
    fits = all(part.status == "consistent" for part in parts)
    if auc and fits:
        se, sp = printed(sensitivity).value, printed(specificity).value
        low, high = se * sp, 1 - (1 - se) * (1 - sp)
        fits = printed(auc).fits(low - 1e-3, high + 1e-3)
        recomputed += f"; AUC between {low:.3f} and {high:.3f}"
        # Straight lines to the point are the lowest concave curve through it.
        if max(se, sp) < 1 and abs(printed(auc).value - (se + sp) / 2) <= printed(auc).half:
            slope = float(stats.norm.ppf(se) + stats.norm.ppf(sp))
            note += (
                f"; (sens+spec)/2 = {(se + sp) / 2:.4f} is the AUC: the curve would be two straight lines, a binormal "
                f"curve through this point has AUC {float(stats.norm.cdf(slope / math.sqrt(2))):.2f}"
            )
    return CheckResult(_status(fits), "", recomputed, note)


def shares_of_counts(counts: Sequence[Sequence]) -> CheckResult:
    """Percentages of printed counts: [k, n, percentage]."""
    words, wrong, cut = [], [], True
    for k, n, share in counts:
        number = printed(share)
        words.append(f"{k}/{n}={100 * k / n:.2f}%")
        if not number.fits(k / n):
            wrong.append(f"{k}/{n} is {100 * k / n:.2f}%, printed {share}")
            cut = cut and 0 <= k / n - number.value < 2 * number.half
    note = "; ".join(wrong) + ("; cut off instead of rounded" if wrong and cut else "")
    return CheckResult(_status(not wrong), "minor" if wrong and cut else "", "; ".join(words), note)


def p_of_z(z: str, p: str, auc_a: str = "", auc_b: str = "", n_positive: int = 0, n_negative: int = 0) -> CheckResult:
    """Two-sided p of Z; with two AUCs also what correlation of theirs Z implies (Hanley-McNeil standard errors)."""
    number = printed(z)
    p_values = sorted(2 * float(stats.norm.sf(abs(end))) for end in (number.low, number.high))
    fits = printed(p).fits(*p_values)
    recomputed, note = f"2*(1-Phi({abs(number.value):.3f}))={2 * float(stats.norm.sf(abs(number.value))):.4f}", ""
    if auc_a and auc_b and number.value:
        a, b = printed(auc_a).value, printed(auc_b).value
        se_a, se_b = (hanley_mcneil_se(auc, n_positive, n_negative) for auc in (a, b))
        spread = abs(a - b) / abs(number.value)
        correlation = (se_a**2 + se_b**2 - spread**2) / (2 * se_a * se_b)
        fits = fits and abs(correlation) <= 1
        note = f"Z itself needs raw data; implies SE(diff)={spread:.3f} and r(AUCs)={correlation:.2f}"
    return CheckResult(_status(fits), "", recomputed, note)


def pooled(groups: Sequence[Sequence], mean: str = "", sd: str = "", mean_of: Sequence[str] = ()) -> CheckResult:
    """Groups [mean, SD, n] together must give the overall mean and SD (mean_of: or a difference of overall means)."""
    parts = [_group(group) for group in groups]
    low, high, value = _pooled_mean(parts)
    words = [f"{value:.2f}"]
    fits = not mean or printed(mean).fits(low, high)
    target = mean
    if mean_of:
        ends = interval_of(lambda x, y: x - y, *(printed(text) for text in mean_of))
        target = f"{printed(mean_of[0]).value - printed(mean_of[1]).value:.2f}"
        fits = fits and low <= ends[1] and high >= ends[0]
    if sd:
        sd_low, sd_high, sd_value = _pooled_sd(parts)
        words.append(f"{sd_value:.2f}")
        fits = fits and printed(sd).fits(sd_low, sd_high)
    note = "" if fits else f"pool to {value:.2f}, not {target}"
    return CheckResult(_status(fits), "", "pooled " + "+-".join(words), note)


def same_pool(splits: Sequence[Sequence[Sequence]]) -> CheckResult:
    """Two ways to split the same patients must pool to the same mean and SD."""
    first, second = ([_group(group) for group in split] for split in splits)
    means, sds = [_pooled_mean(split) for split in (first, second)], [_pooled_sd(split) for split in (first, second)]
    recomputed = f"{means[0][2]:.2f} and {means[1][2]:.2f}; SD {sds[0][2]:.2f} vs {sds[1][2]:.2f}"
    mean_fits, sd_fits = (a[0] <= b[1] and b[0] <= a[1] for a, b in (means, sds))
    gap = abs(sds[0][2] - sds[1][2])
    sd_minor = gap / sds[0][2] <= MINOR
    detail = "" if sd_fits else f"mean; SD differs {gap:.2f}"
    return CheckResult(_status(mean_fits and (sd_fits or sd_minor)), detail, recomputed, "" if sd_fits else "minor")


def chi_squared(
    table: Sequence[Sequence[int]],
    chi2: str = "",
    p: str = "",
    row_totals: Sequence[int] = (),
    column_totals: Sequence[int] = (),
) -> CheckResult:
    """Chi-squared (with or without Yates) of a printed table, and its printed totals; one wrong cell is looked for."""
    arguments = chi2, p, tuple(row_totals), tuple(column_totals)
    problems, recomputed, variant = _table_problems(table, *arguments)
    if not problems:
        return CheckResult("consistent", variant, recomputed)
    repairs = _table_repairs(table, *arguments) if row_totals or column_totals else []
    note = "; ".join([*problems, *repairs])
    return CheckResult("inconsistent", "misprint" if len(repairs) == 1 else "", recomputed, note)


def auc_interval(auc: str, low: str, high: str, n_positive: int, n_negative: int, level: str = "95%") -> CheckResult:
    """Width of a symmetric interval against Hanley and McNeil's standard error."""
    numbers = {name: printed(text) for name, text in (("auc", auc), ("low", low), ("high", high))}
    confidence = printed(level).value
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    width = numbers["high"].value - numbers["low"].value
    expected = hanley_mcneil_se(numbers["auc"].value, n_positive, n_negative)
    ratio = width / (2 * quantile) / expected
    recomputed = (
        f"SE {width / (2 * quantile):.4f} if {level}; "
        f"Hanley-McNeil SE {expected:.4f} ({_spans(numbers['auc'].value, expected)})"
    )
    inside = numbers["low"].value <= numbers["auc"].value <= numbers["high"].value
    if inside and WIDTH_RATIOS[0] <= ratio <= WIDTH_RATIOS[1]:
        return CheckResult("consistent", f"width ratio {ratio:.2f}", recomputed)
    other = 0.90 if confidence > 0.9 else 0.95
    other_ratio = ratio * quantile / float(stats.norm.ppf((1 + other) / 2))
    if inside and WIDTH_RATIOS[0] <= other_ratio <= WIDTH_RATIOS[1]:
        detail = f"with {level}; consistent with {100 * other:g}%"
        return CheckResult(
            "inconsistent", detail, recomputed, f"width ratio {ratio:.2f}, {other_ratio:.2f} as {100 * other:g}%"
        )
    words = "too wide" if ratio > 1 else "too narrow"
    n = (n_positive + n_negative) / ratio**2
    detail = f"CI {words} by {abs(100 * (ratio - 1)):.0f}%" if inside else "AUC outside its interval"
    return CheckResult("inconsistent", detail, recomputed, f"would fit about n={n:.0f}")


def correlation_p(r: str, n: int, p: str) -> CheckResult:
    """p of a Pearson correlation of n patients."""
    number = printed(r)

    def p_value(value: float) -> float:
        return 2 * float(stats.t.sf(abs(value) * math.sqrt((n - 2) / (1 - value**2)), n - 2))

    ends = interval_of(p_value, number)
    return CheckResult(_status(printed(p).fits(*ends)), "", f"p={_p_text(p_value(number.value))}")


def icc_interval(value: str, low: str, high: str, n: int, k: int) -> CheckResult:
    """Interval of a consistency ICC(3,1) of n subjects and k raters, from its value."""
    number = printed(value)

    def limit(icc: float, upper: bool) -> float:
        f = (1 + (k - 1) * icc) / (1 - icc)
        freedom = n - 1, (n - 1) * (k - 1)
        quantile = float(stats.f.isf(0.025, *(freedom[::-1] if upper else freedom)))
        f = f * quantile if upper else f / quantile
        return (f - 1) / (f + k - 1)

    lows, highs = (interval_of(lambda icc, upper=upper: limit(icc, upper), number) for upper in (False, True))
    fits = printed(low).fits(*lows) and printed(high).fits(*highs)
    recomputed = f"ICC(3,1): {limit(number.value, False):.3f} to {limit(number.value, True):.3f}"
    # Other forms have other limits, so a misfit proves nothing.
    return CheckResult("consistent" if fits else "unverifiable", "", recomputed, "" if fits else "another form of ICC?")


def bonferroni(alpha: str, n_tests: int, threshold: str, p_values: Sequence[str]) -> CheckResult:
    """Threshold alpha / m, and whether the printed p values are below it."""
    limit = printed(alpha).value / n_tests
    passing = [p for p in p_values if printed(p).value <= limit]
    fits = printed(threshold).fits(limit) and len(passing) == len(p_values)
    return CheckResult(_status(fits), "", f"{limit:.6f}: {len(passing)} of {len(p_values)} pass")


def effective_dose(
    doses_gy: Sequence[str], effective_gy: Sequence[str], n_fractions: int, alpha_beta_gy: str
) -> CheckResult:
    """BED = D (1 + d / (alpha/beta)) of several doses given in the same number of fractions."""
    ab = printed(alpha_beta_gy).value
    values = [
        biologically_effective_dose_gy(printed(dose).value, n_fractions=n_fractions, alpha_beta_gy=ab)
        for dose in doses_gy
    ]
    fits = all(printed(text).fits(value) for text, value in zip(effective_gy, values, strict=True))
    implied = [
        implied_fractionation(
            printed(d).value, printed(e).value, alpha_beta_gy=ab, rounding_gy=printed(e).half
        ).n_fractions
        for d, e in zip(doses_gy, effective_gy, strict=True)
    ]
    recomputed = f"D(1+D/{n_fractions}/{ab:g}) = {'/'.join(f'{value:.2f}' for value in values)}"
    return CheckResult(_status(fits), "", recomputed, f"implied fractions {'/'.join(f'{n:.1f}' for n in implied)}")


def equivalent_dose_formula(numerator_gy: str, denominator_gy: Sequence[str]) -> CheckResult:
    """EQD2 = D (d + numerator) / (2 + denominator) as printed, against the linear-quadratic model."""
    added, (fraction, below) = printed(numerator_gy).value, (printed(text).value for text in denominator_gy)
    trials = [(dose, n) for dose in (54.0, 60.0, 70.0) for n in (27, 30, 35)]
    fits = all(
        math.isclose(dose * (dose / n + added) / (fraction + below), eqd2_gy(dose, n_fractions=n, alpha_beta_gy=added))
        for dose, n in trials
    )
    note = f"alpha/beta={added:g}; late tissue usually alpha/beta=3: make it a parameter"
    return CheckResult(_status(fits), "", "standard formula" if fits else "not the standard formula", note)


def unverifiable(reason: str) -> CheckResult:
    """A number that needs the patients' values."""
    return CheckResult("unverifiable", "", "-", reason)


CHECKS = {
    check.__name__: check
    for check in (
        two_group_t,
        paired_t,
        difference,
        median_beside_mean,
        u_and_auc,
        auc_possible,
        shares_possible,
        operating_point,
        shares_of_counts,
        p_of_z,
        pooled,
        same_pool,
        chi_squared,
        auc_interval,
        correlation_p,
        icc_interval,
        bonferroni,
        effective_dose,
        equivalent_dose_formula,
        unverifiable,
    )
}


def run_check(arguments: Mapping[str, object]) -> CheckResult:
    """One check from its description: {"check": name, argument: value, ...}.

    Raises:
        InputError: an unknown check, arguments that it does not take, or numbers with which it cannot be made.
    """
    rest = dict(arguments)
    name = rest.pop("check", None)
    if name not in CHECKS:
        raise InputError(f'"{name}" is no check', remedy=f"Choose among {', '.join(CHECKS)}")
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            return CHECKS[name](**rest)
    except InputError:
        raise
    except TypeError as error:
        raise InputError(f"arguments that the check does not take ({error})", where=name) from None
    except (ArithmeticError, ValueError):
        raise InputError(
            "the check cannot be made with these numbers (a group without patients, a spread of 0, a share beyond 1)",
            where=name,
            remedy="Compare them with the paper",
        ) from None


def _status(fits: bool) -> Status:
    return "consistent" if fits else "inconsistent"


def _group(numbers: Sequence) -> GroupText:
    mean, sd, n = numbers
    return GroupText(printed(mean), printed(sd), int(n))


def _p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.01 else f"{p:.3g}"


def _t_words(test: SummaryTTest, with_t: bool) -> str:
    p = f"p={_p_text(test.p)} [{_p_text(test.p_interval[0])}; {_p_text(test.p_interval[1])}]"
    return f"{test.name} t={test.t:.3f} {shown(test.t_interval)} {p}" if with_t else f"{test.name} {p}"


def _t_fits(test: SummaryTTest, t: str, p: str) -> bool:
    low, high = test.t_interval
    t_fits = not t or printed(t).fits(low, high) or printed(t).fits(-high, -low)
    return t_fits and (not p or printed(p).fits(*test.p_interval))


def _t_detail(tests: Sequence[SummaryTTest], t: str, p: str) -> str:
    distances = [
        max(
            min(printed(t).distance(*test.t_interval), printed(t).distance(-test.t_interval[1], -test.t_interval[0]))
            if t
            else 0.0,
            printed(p).distance(*test.p_interval) if p else 0.0,
        )
        for test in tests
    ]
    return "minor" if min(distances) <= MINOR else ""


def _t_repair(first: Sequence, second: Sequence, t: str, p: str) -> str:
    """Misprints of one number that would make everything fit."""
    found = []
    # A p value has too few digits to point to one input; only its own misprint is looked for.
    inputs = []
    if t:
        inputs = [
            (f"{which} {what}", group, i)
            for which, group in (("first", first), ("second", second))
            for i, what in enumerate(("mean", "SD"))
        ]
    for name, group, position in inputs:
        for variant in likely_misprints(group[position]):
            changed = [*group[:position], variant, *group[position + 1 :]]
            groups = (changed, second) if group is first else (first, changed)
            tests = [t_test_from_summary(_group(groups[0]), _group(groups[1]), welch=welch) for welch in (False, True)]
            found += [
                f"{name} {variant} (digits swapped) would give {x.name} t={x.t:.3f}" for x in tests if _t_fits(x, t, p)
            ]
    tests = [t_test_from_summary(_group(first), _group(second), welch=welch) for welch in (False, True)]
    if p:
        for variant in likely_misprints(p):
            found += [f"p {variant} would fit {x.name}" for x in tests if _t_fits(x, t, variant)]
    return "outside the rounding interval" + "".join(f"; {words}" for words in found[:4])


def _pooled_mean(groups: Sequence[GroupText]) -> tuple[float, float, float]:
    n = sum(group.n for group in groups)
    return tuple(sum(getattr(group.mean, end) * group.n for group in groups) / n for end in ("low", "high", "value"))


def _pooled_sd(groups: Sequence[GroupText]) -> tuple[float, float, float]:
    sizes = np.array([group.n for group in groups], dtype=np.float64)

    def total_sd(*numbers: float) -> float:
        means, sds = np.array(numbers[: sizes.size]), np.array(numbers[sizes.size :])
        center = float(sizes @ means / sizes.sum())
        squares = (sizes - 1) @ sds**2 + sizes @ (means - center) ** 2
        return math.sqrt(float(squares) / (sizes.sum() - 1))

    numbers = [group.mean for group in groups] + [group.sd for group in groups]
    return *interval_of(total_sd, *numbers), total_sd(*(number.value for number in numbers))


def _table_problems(
    table: Sequence[Sequence[int]],
    chi2: str,
    p: str,
    row_totals: tuple[int, ...],
    column_totals: tuple[int, ...],
) -> tuple[list[str], str, str]:
    """(what does not fit, what was recomputed, which chi-squared fits)."""
    test = contingency_test(table)
    counts = np.array(table)
    problems = [
        f"{what} {i + 1} sums to {sum_}, printed {total}"
        for what, sums, totals in (
            ("row", counts.sum(axis=1), row_totals),
            ("column", counts.sum(axis=0), column_totals),
        )
        for i, (sum_, total) in enumerate(zip(sums.tolist(), totals, strict=False))
        if sum_ != total
    ]
    variants = [("without correction", test.pearson)] + ([("with Yates", test.yates)] if test.yates else [])
    recomputed = f"{[list(row) for row in table]} -> " + "; ".join(
        f"{words} {variant.chi2:.3f} p={_p_text(variant.p)}" for words, variant in variants if variant.chi2 is not None
    )
    fitting = [
        words
        for words, variant in variants
        if variant.chi2 is not None
        and (not chi2 or printed(chi2).fits(variant.chi2))
        and (not p or printed(p).fits(variant.p))
    ]
    if (chi2 or p) and not fitting:
        problems.append(f"chi2 is not {chi2}" if chi2 else f"p is not {p}")
    return problems, recomputed, fitting[0] if fitting else ""


def _table_repairs(
    table: Sequence[Sequence[int]],
    chi2: str,
    p: str,
    row_totals: tuple[int, ...],
    column_totals: tuple[int, ...],
) -> list[str]:
    """Single cells whose correction makes totals and chi-squared fit."""
    found = []
    for i, row in enumerate(table):
        for j, cell in enumerate(row):
            wanted = cell + (row_totals[i] - sum(row) if row_totals else column_totals[j] - sum(r[j] for r in table))
            if wanted == cell or wanted < 0:
                continue
            changed = [list(r) for r in table]
            changed[i][j] = wanted
            problems, recomputed, _ = _table_problems(changed, chi2, p, row_totals, column_totals)
            if not problems:
                found.append(f"{cell} must be {wanted}: {recomputed}")
    return found


def _count_for(number: Printed, n: int) -> int | None:
    near = round(number.value * n)
    return near if 0 <= near <= n and number.fits(near / n) else None


def _denominator_words(share: str) -> str:
    number = printed(share)
    for n in range(1, LARGEST_DENOMINATOR + 1):
        k = _count_for(number, n)
        if k is not None:
            return f"{k}/{n} is the smallest fraction printed as {share}"
    return f"no denominator up to {LARGEST_DENOMINATOR} gives {share}"


def _spans(auc: float, error: float) -> str:
    return " / ".join(
        f"{100 * level:g}% {auc - z * error:.3f}-{auc + z * error:.3f}" for level, z in ((0.95, 1.96), (0.9, 1.645))
    )
