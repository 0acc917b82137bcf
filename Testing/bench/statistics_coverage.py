"""Do 95 % intervals cover the truth 95 % of the time with 40 patients?"""

import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from NPCResponseLib.statistics.agreement import intraclass_correlation
from NPCResponseLib.statistics.bland_altman import bland_altman
from NPCResponseLib.statistics.comparison import student_t_test, welch_t_test
from NPCResponseLib.statistics.correlation import correlate
from NPCResponseLib.statistics.delong import compare_markers
from NPCResponseLib.statistics.effect_sizes import two_sample_effect_sizes
from NPCResponseLib.statistics.proportions import proportion
from NPCResponseLib.statistics.rank_tests import mann_whitney
from NPCResponseLib.statistics.roc import analyze_roc
from NPCResponseLib.statistics.roc_bootstrap import bootstrap_auc

from .table import markdown_table

N = 40
CLASS_SIZES = (20, 20)
SIMULATIONS = 4000
BOOTSTRAP_REPLICATES = 500

Verdicts = Iterator[tuple[str, float | None, float | None, float]]
"""(interval, low, high, truth) of one simulated cohort."""


def auc_cohort(rng: np.random.Generator, auc: float, bootstrap: bool) -> Verdicts:
    labels = np.repeat([1, 0], CLASS_SIZES)
    marker = rng.normal(size=N) + math.sqrt(2) * stats.norm.ppf(auc) * labels
    result = analyze_roc(labels, marker, direction="above")
    yield f"AUC {auc:g}, DeLong", result.delong.low, result.delong.high, auc
    yield f"AUC {auc:g}, DeLong on the logit scale", result.logit.low, result.logit.high, auc
    if bootstrap:
        drawn = bootstrap_auc(
            labels, marker, direction="above", replicates=BOOTSTRAP_REPLICATES, seed=int(rng.integers(1 << 31))
        )
        yield f"AUC {auc:g}, stratified bootstrap", drawn.low, drawn.high, auc


def auc_difference_cohort(rng: np.random.Generator) -> Verdicts:
    labels = np.repeat([1, 0], CLASS_SIZES)
    shared = rng.normal(size=N)
    aucs = {"a": 0.85, "b": 0.7}
    markers = {
        name: math.sqrt(0.5) * (shared + rng.normal(size=N)) + math.sqrt(2) * stats.norm.ppf(auc) * labels
        for name, auc in aucs.items()
    }
    test = compare_markers(labels, markers, directions={"a": "above", "b": "above"})[0]
    yield "difference of AUCs 0.85 and 0.7, DeLong", test.low, test.high, aucs["a"] - aucs["b"]


def group_cohort(rng: np.random.Generator) -> Verdicts:
    x, y = rng.normal(1.0, 1.0, 26), rng.normal(0.0, 1.0, 14)
    student = student_t_test(x, y)
    yield "mean difference 26 / 14, equal SDs, Student", student.low, student.high, 1.0
    shift = mann_whitney(x, y).shift
    yield "shift 26 / 14, Hodges-Lehmann, exact", shift.low, shift.high, 1.0
    d, *_ = two_sample_effect_sizes(x, y)
    yield "Cohen's d 26 / 14, noncentral t", d.low, d.high, 1.0
    wider = rng.normal(0.0, 2.0, 14)
    welch, pooled = welch_t_test(x, wider), student_t_test(x, wider)
    yield "mean difference 26 / 14, SDs 1 and 2, Welch", welch.low, welch.high, 1.0
    yield "mean difference 26 / 14, SDs 1 and 2, Student (wrong here)", pooled.low, pooled.high, 1.0


def correlation_cohort(rng: np.random.Generator, r: float) -> Verdicts:
    x, noise = rng.normal(size=N), rng.normal(size=N)
    result = correlate(x, r * x + math.sqrt(1 - r**2) * noise)
    yield f"Pearson {r:g}", result.pearson.low, result.pearson.high, r
    rho = 6 / math.pi * math.asin(r / 2)
    yield f"Spearman {rho:.2f}, Bonett-Wright", result.spearman.low, result.spearman.high, rho


def agreement_cohort(rng: np.random.Generator, icc: float, raters: int) -> Verdicts:
    """Subjects' variance icc, error 1 - icc; for ICC(2,*) raters differ a little, or as much as the error."""
    subject = rng.normal(0, math.sqrt(icc), (N, 1))
    ratings = subject + rng.normal(0, math.sqrt(1 - icc), (N, raters))
    result = intraclass_correlation(ratings)
    for name in ("ICC(1,1)", "ICC(3,1)", "ICC(1,k)", "ICC(3,k)"):
        truth = raters * icc / (1 + (raters - 1) * icc) if "k" in name else icc
        form = result.form(name)
        yield f"{name} {icc:g}, {raters} raters", form.low, form.high, truth
    for ratio in (0.1, 1.0):
        rater_variance = ratio * (1 - icc)
        biased = intraclass_correlation(ratings + rng.normal(0, math.sqrt(rater_variance), raters))
        single = icc / (1 + rater_variance)
        for name, truth in (("ICC(2,1)", single), ("ICC(2,k)", raters * single / (1 + (raters - 1) * single))):
            for limits in ("mcgraw-wong", "shrout-fleiss", "generalized"):
                form = biased.form(name, limits)
                words = f"{name} {icc:g}, {raters} raters with {ratio:g} of the error's variance, {limits}"
                yield words, form.low, form.high, truth
    if raters == 2:
        exact = bland_altman(ratings[:, 0], ratings[:, 1])
        sd = math.sqrt(2 * (1 - icc))
        yield f"upper limit of agreement, exact (ICC {icc:g})", *exact.exact.high, exact.multiplier * sd
        yield f"upper limit of agreement, 1986 (ICC {icc:g})", *exact.approximate_1986.high, exact.multiplier * sd


def proportion_cohort(rng: np.random.Generator) -> Verdicts:
    for truth in (0.75, 0.9):
        result = proportion(int(rng.binomial(CLASS_SIZES[0], truth)), CLASS_SIZES[0])
        yield f"sensitivity {truth:g} of {CLASS_SIZES[0]}, exact (conservative by design)", *result.exact, truth
        yield f"sensitivity {truth:g} of {CLASS_SIZES[0]}, Wilson", *result.wilson, truth


def coverage(cohort: Callable[..., Verdicts], simulations: int, *arguments) -> dict[str, float]:
    """Share of simulated cohorts whose interval holds the truth, by interval; an undefined interval does not."""
    rng = np.random.default_rng(20260101)
    covered: Counter[str] = Counter()
    for _ in range(simulations):
        for name, low, high, truth in cohort(rng, *arguments):
            covered[name] += low is not None and low <= truth <= high
    return {name: count / simulations for name, count in covered.items()}


def report(simulations: int = SIMULATIONS) -> str:
    shares: dict[str, float] = {}
    for auc in (0.7, 0.8, 0.9):
        shares |= coverage(auc_cohort, simulations, auc, True)
    for cohort in (auc_difference_cohort, group_cohort, proportion_cohort):
        shares |= coverage(cohort, simulations)
    for r in (0.3, 0.6):
        shares |= coverage(correlation_cohort, simulations, r)
    for icc, raters in ((0.5, 2), (0.8, 2), (0.8, 3)):
        shares |= coverage(agreement_cohort, simulations, icc, raters)
    rows = [(name, f"{100 * share:.1f} %", "yes" if 0.93 <= share <= 0.97 else "no") for name, share in shares.items()]
    error = 100 * math.sqrt(0.95 * 0.05 / simulations)
    title = f"{N} patients, {simulations} simulated cohorts each (standard error {error:.1f} %)"
    return f"{title}\n\n{markdown_table(('95 % interval', 'covers', '93 to 97 %'), rows)}"
