"""What an analysis of sub-regions decided, and what a reader must be told about it, in sentences."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from ..subregions.division import GTVNR, GTVR
from .paired_values import PairedValues

if TYPE_CHECKING:
    from .comparison import FeatureComparison

NORMALITY_ALPHA = 0.05  # of Shapiro-Wilk, as in the paper
CORRELATION_ALPHA = 0.05  # of the matrix, as in the paper: without adjustment
CORRECTION_WORDS = {"bonferroni": "Bonferroni", "holm": "Holm", "bh": "Benjamini-Hochberg"}
FEW_PATIENTS = 10
POWER = 0.8
NEARLY_EQUAL = 1.25  # ratio of volumes


def smallest_wilcoxon_p(n: int) -> float:
    """The exact two-sided p of n differences that all have one sign."""
    return min(1.0, 2.0 ** (1 - n))


def fewest_for_wilcoxon(threshold: float) -> int:
    """Pairs without which Wilcoxon's exact p cannot get below a threshold."""
    return next(n for n in range(1, 2000) if smallest_wilcoxon_p(n) < threshold)


def detectable_dz(n: int, alpha: float, power: float = POWER) -> float | None:
    """Mean / SD of n normal differences that a two-sided paired t-test at alpha finds with this chance.

    From the noncentral t distribution; None for fewer than three pairs, where it is beyond use.
    """
    if n < 3:
        return None
    critical = float(stats.t.isf(alpha / 2, n - 1))

    def lacking(dz: float) -> float:
        return float(stats.nct.sf(critical, n - 1, dz * math.sqrt(n))) - power

    high = 1.0
    while lacking(high) < 0:
        high *= 2
    return float(optimize.brentq(lacking, 0.0, high, xtol=1e-9))


def decisions(
    values: PairedValues,
    n_tests: int,
    alpha: float,
    correction: str,
    test: str,
    names: Sequence[str],
    *,
    chosen: bool,
) -> tuple[str, ...]:
    tests = {
        "by Shapiro": f"a paired t-test where Shapiro-Wilk of the differences has p >= {NORMALITY_ALPHA:g}, else "
        "Wilcoxon's signed-rank test (exact below 50 pairs without ties or zeros, else asymptotic with continuity "
        "correction)",
        "t": "a paired t-test for every feature, chosen beforehand",
        "wilcoxon": "Wilcoxon's signed-rank test for every feature, chosen beforehand (exact below 50 pairs without "
        "ties or zeros, else asymptotic with continuity correction)",
    }
    rules = {
        "bonferroni": f"raw p below {alpha:g} / {n_tests} = {alpha / n_tests:.3g}",
        "holm": f"adjusted p below {alpha:g}; the smallest raw p must be below {alpha / n_tests:.3g}",
        "bh": f"adjusted p below {alpha:g}, the expected share of false findings",
    }
    sentences = [
        f"{values.n} patients, {n_tests} features; differences are {GTVR} - {GTVNR}.",
        f"Test: {tests[test]}.",
        f"Correction: {CORRECTION_WORDS[correction]} over all {n_tests} features named, whether a test could be made "
        f"or not; significant is {rules[correction]}.",
        "A patient who lacks a value leaves that feature only.",
    ]
    if len(names) > 1:
        sentences += [
            f"Correlation matrix: Pearson, of the differences of {len(names)} features "
            f"({'named beforehand' if chosen else 'the significant ones'}), masked at p < {CORRELATION_ALPHA:g} "
            "without adjustment, as in the paper.",
            "Principal components: the same features, standardized over all regions of both kinds.",
        ]
    return tuple(sentences)


def size_warnings(
    values: PairedValues,
    features: Sequence["FeatureComparison"],
    threshold: float,
    dz: float | None,
    correction: str,
) -> tuple[str, ...]:
    notes = []
    if values.n < FEW_PATIENTS:
        notes.append(f"{values.n} patients only: tests have little power, Shapiro-Wilk included.")
    if dz is not None:
        notes.append(
            f"With {values.n} patients a paired t-test at {threshold:.3g} has an {100 * POWER:.0f} % chance to find a "
            f"mean difference of {dz:.2f} SD of the differences; smaller ones will mostly be missed."
        )
    if correction == "bh":
        return tuple(notes)
    out_of_reach = [
        each.name
        for each in features
        if each.statistic_name == "V" and each.smallest_p is not None and each.smallest_p >= threshold
    ]
    if out_of_reach:
        notes.append(
            f"{_count(len(out_of_reach), 'feature')} ({_some(out_of_reach)}) could not "
            f"become significant: the smallest p that Wilcoxon's test can reach with so few pairs is above "
            f"{threshold:.3g}, which takes {fewest_for_wilcoxon(threshold)} pairs that differ."
        )
    return tuple(notes)


def missing_warnings(values: PairedValues) -> tuple[str, ...]:
    if not values.missing:
        return ()
    reasons: dict[str, int] = {}
    for each in values.missing:
        reasons[each.reason] = reasons.get(each.reason, 0) + 1
    names = list(dict.fromkeys(each.feature for each in values.missing))
    patients = len({each.patient for each in values.missing})
    words = "; ".join(f"{reason}: {count}" for reason, count in reasons.items())
    return (
        f"{_count(len(values.missing), 'value')} missing in {_count(patients, 'patient')} and "
        f"{_count(len(names), 'feature')} ({_some(names)}). Reasons: {words}.",
    )


def test_warnings(features: Sequence["FeatureComparison"], alpha: float, n_tests: int) -> tuple[str, ...]:
    notes = []
    untested = [each.name for each in features if each.p is None]
    if untested:
        notes.append(f"No test for {_some(untested)}: too few pairs, or no pair differs.")
    torn = [
        each.name
        for each in features
        if None not in (each.p_paired_t, each.p_wilcoxon_exact)
        and (each.p_paired_t < alpha / n_tests) != (each.p_wilcoxon_exact < alpha / n_tests)
    ]
    if torn:
        notes.append(
            f"For {_some(torn)} the paired t-test and Wilcoxon's test fall on different sides of "
            f"{alpha / n_tests:.3g}: the finding rests on the choice of the test."
        )
    against = [each.name for each in features if each.significant and each.direction_agrees is False]
    if against:
        notes.append(f"Significant in the direction opposite to the paper's table 2: {_some(against)}.")
    return tuple(notes)


def volume_warnings(features: Sequence["FeatureComparison"], ratio: np.ndarray | None) -> tuple[str, ...]:
    if ratio is None or np.isnan(ratio).all():
        return ("No volumes were given: whether differences only follow the sizes of the regions is not examined.",)
    known = ratio[~np.isnan(ratio)]
    n_smaller = int(np.count_nonzero(known < 0))
    median = math.exp(float(np.median(known)))
    notes = [
        f"{GTVR} is smaller than {GTVNR} in {n_smaller} of {_count(known.size, 'patient')} with volumes; the median "
        f"ratio of volumes is {median:.2f}."
    ]
    if n_smaller in (0, known.size) and not 1 / NEARLY_EQUAL < median < NEARLY_EQUAL:
        notes.append(
            "No patient is on the other side: many texture features depend on the number of voxels, and size and "
            "recurrence cannot be told apart without extrapolation."
        )
    confounded = [each.name for each in features if each.significant and each.volume and each.volume.follows_volume]
    if confounded:
        notes.append(
            f"The differences of {_count(len(confounded), 'significant feature')} "
            f"({_some(confounded)}) correlate with the difference in log volume (p < 0.05): they may tell the size of "
            "the recurrence, not its tissue."
        )
    return tuple(notes)


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
