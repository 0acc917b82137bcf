"""Whether the part of a tumor that recurs differs from the rest, before treatment: features in pairs, many patients.

The path of Akram et al. 2020 (PLoS ONE 15:e0240043): Shapiro-Wilk on the differences of each feature, a paired t-test
or Wilcoxon's signed-rank test, Bonferroni over all features; then Pearson correlations of the significant differences
and principal components of the significant features over all regions. Differences are recurrent - non-recurrent.

Added, because the paper leaves it open: both tests and all adjustments side by side, whether few patients could be
significant at all, effect sizes, and how far each difference follows the sizes of the two regions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.comparison import PairedComparison, compare_pairs
from NPCResponseLib.statistics.correlation import CorrelationMatrix, correlation_matrix
from NPCResponseLib.statistics.effect_sizes import EffectSize
from NPCResponseLib.statistics.group_summary import GroupSummary
from NPCResponseLib.statistics.multiplicity import AdjustedPValues, adjust_p_values
from NPCResponseLib.statistics.normality import Normality
from NPCResponseLib.statistics.rank_tests import Shift

from ..subregions.division import GTVNR, GTVR
from .paired_values import MissingValue, PairedValues, paired_values
from .published_subregions import PublishedFeature, published_subregions
from .region_spread import FeatureBoxes, RegionComponents, feature_boxes, region_components
from .volume_relation import VolumeRelation, relate_to_volume
from .words import (
    CORRELATION_ALPHA,
    NORMALITY_ALPHA,
    decisions,
    detectable_dz,
    fewest_for_wilcoxon,
    missing_warnings,
    size_warnings,
    smallest_wilcoxon_p,
    test_warnings,
    volume_warnings,
)

Correction = Literal["bonferroni", "holm", "bh"]
Test = Literal["by Shapiro", "t", "wilcoxon"]
ADJUSTMENTS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "benjamini_hochberg"}
PATHS = {"by Shapiro": "normality", "t": "t", "wilcoxon": "rank"}
FEWEST_PATIENTS = 2


@dataclass(frozen=True)
class FeatureComparison:
    """One feature in the two regions; None where something is not defined.

    Attributes:
        n, n_missing: pairs used and pairs that lack a value.
        recurrent, nonrecurrent, difference: summaries; difference.mean and difference.sd are the columns of table 2.
        difference_low, difference_high: confidence limits of the mean difference (t distribution).
        normality: Shapiro-Wilk of the differences.
        method: the reported test with its options (exact p or not); statistic_name "t" or "V"; p two-sided.
        p_bonferroni, p_holm, p_benjamini_hochberg: adjusted for all features, tested or not.
        p_adjusted: the chosen one of them; significant: below alpha.
        p_paired_t, p_wilcoxon_exact, p_wilcoxon_asymptotic: what the other tests give.
        smallest_p: Wilcoxon's smallest reachable p with so many pairs that differ.
        effect_size: Cohen's dz with interval; rank_biserial: of the signed ranks; shift: Hodges-Lehmann with interval.
        volume: how the difference follows the sizes of the regions; None without volumes.
        published: the paper's row if the feature is one of its seven; direction_agrees: with that row.
        decision: which test and why, in sentences.
    """

    name: str
    n: int
    n_missing: int
    recurrent: GroupSummary | None
    nonrecurrent: GroupSummary | None
    difference: GroupSummary | None
    difference_low: float | None
    difference_high: float | None
    normality: Normality | None
    method: str
    statistic_name: str
    statistic: float | None
    p: float | None
    p_bonferroni: float | None
    p_holm: float | None
    p_benjamini_hochberg: float | None
    p_adjusted: float | None
    significant: bool
    p_paired_t: float | None
    p_wilcoxon_exact: float | None
    p_wilcoxon_asymptotic: float | None
    smallest_p: float | None
    effect_size: EffectSize | None
    rank_biserial: float | None
    shift: Shift | None
    volume: VolumeRelation | None
    published: PublishedFeature | None
    direction_agrees: bool | None
    decision: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class HeterogeneityAnalysis:
    """Attributes:
    features: in the order given.
    n_tests: the divisor of Bonferroni, all features named; threshold: alpha / n_tests, which a raw p has to be below
        for Bonferroni (and the smallest one for Holm).
    significant: names. shown: the features of the matrix and the components, by default the significant ones.
    correlations: of the differences of the shown features; ``.significant`` is the mask. None with fewer than two.
    components: of the shown features over all regions; None with fewer than two.
    boxes: numbers of the box plots, all features.
    missing: every missing value with its reason.
    detectable_dz: mean / SD of differences that a paired t-test would find with 80 % chance at the threshold.
    n_recurrent_smaller, n_with_volumes: how often the recurrent region is the smaller one.
    decisions: what was chosen for the whole analysis and why, in sentences.
    """

    patients: tuple[str, ...]
    features: tuple[FeatureComparison, ...]
    alpha: float
    correction: Correction
    test: Test
    confidence: float
    n_tests: int
    threshold: float
    significant: tuple[str, ...]
    shown: tuple[str, ...]
    correlations: CorrelationMatrix | None
    components: RegionComponents | None
    boxes: tuple[FeatureBoxes, ...]
    missing: tuple[MissingValue, ...]
    detectable_dz: float | None
    n_recurrent_smaller: int | None
    n_with_volumes: int
    decisions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.patients)

    def feature(self, name: str) -> FeatureComparison:
        """
        Raises:
            InputError: no such feature.
        """
        for each in self.features:
            if each.name == name:
                return each
        raise InputError(f'no feature "{name}" was compared')

    def masked_correlations(self) -> tuple[tuple[float | None, ...], ...]:
        """Figure 3: r where p < 0.05, None elsewhere; the diagonal is 1."""
        if self.correlations is None:
            return ()
        found = self.correlations
        return tuple(
            tuple(r if shown or i == j else None for j, (r, shown) in enumerate(zip(row, mask, strict=True)))
            for i, (row, mask) in enumerate(zip(found.r, found.significant, strict=True))
        )


def compare_subregions(
    table: PairedValues | Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]],
    feature_names: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
    correction: Correction = "bonferroni",
    test: Test = "by Shapiro",
    shown: Sequence[str] | None = None,
    volumes_cm3: Mapping[str, tuple[float, float]] | None = None,
    confidence: float = 0.95,
) -> HeterogeneityAnalysis:
    """Compare recurrent and non-recurrent regions feature by feature.

    Args:
        table: ``PairedValues``, or patient to (features of the recurrent region, of the non-recurrent one); then
            ``feature_names`` is needed and ``volumes_cm3`` (patient to the same pair) may be given.
        alpha: after the correction.
        correction: which adjusted p value counts; all are in the result.
        test: "by Shapiro" is the paper's path; "t" and "wilcoxon" choose beforehand.
        shown: features of the correlation matrix and of the principal components; None for the significant ones.

    Raises:
        InputError: fewer than two patients, unknown names or choices, and what ``paired_values`` refuses.
    """
    _check_choices(alpha, correction, test)
    values = _values(table, feature_names, volumes_cm3)
    if values.n < FEWEST_PATIENTS:
        raise InputError(
            f"{values.n} patient: a comparison of pairs needs {FEWEST_PATIENTS}",
            where="sub-regions",
            remedy=f"Significance after the correction takes {fewest_for_wilcoxon(alpha / len(values.feature_names))}",
        )
    found = [_compared(values, column, test, confidence) for column in range(len(values.feature_names))]
    n_tests = len(values.feature_names)
    adjusted = _adjusted(found, n_tests, alpha)
    ratio = values.log_volume_ratio
    features = tuple(
        _row(values, column, each, adjusted, ratio, alpha=alpha, correction=correction, confidence=confidence)
        for column, each in enumerate(found)
    )
    significant = tuple(each.name for each in features if each.significant)
    names, notes = _shown(values, features, significant, shown)
    columns = {name: values.differences[:, values.feature_names.index(name)] for name in names}
    smaller = None if ratio is None else int(np.count_nonzero(ratio < 0))
    threshold = alpha / n_tests
    dz = detectable_dz(values.n, threshold)
    components, component_notes = region_components(values, names)
    return HeterogeneityAnalysis(
        patients=values.patients,
        features=features,
        alpha=alpha,
        correction=correction,
        test=test,
        confidence=confidence,
        n_tests=n_tests,
        threshold=threshold,
        significant=significant,
        shown=names,
        correlations=correlation_matrix(columns, alpha=CORRELATION_ALPHA) if len(names) > 1 else None,
        components=components,
        boxes=feature_boxes(values),
        missing=values.missing,
        detectable_dz=dz,
        n_recurrent_smaller=smaller,
        n_with_volumes=0 if ratio is None else int(np.count_nonzero(~np.isnan(ratio))),
        decisions=decisions(values, n_tests, alpha, correction, test, names, chosen=shown is not None),
        warnings=(
            *values.notes,
            *size_warnings(values, features, threshold, dz, correction),
            *missing_warnings(values),
            *test_warnings(features, alpha, n_tests),
            *volume_warnings(features, ratio),
            *notes,
            *component_notes,
        ),
    )


def _check_choices(alpha: float, correction: str, test: str) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha must lie between 0 and 1, found {alpha:g}", remedy="Give 0.05")
    if correction not in get_args(Correction):
        raise InputError(f'"{correction}" is no correction', remedy='Choose "bonferroni", "holm" or "bh"')
    if test not in get_args(Test):
        raise InputError(f'"{test}" is no test', remedy='Choose "by Shapiro", "t" or "wilcoxon"')


def _values(table, feature_names, volumes_cm3) -> PairedValues:
    if not isinstance(table, PairedValues):
        if feature_names is None:
            raise InputError("no feature is named", where="sub-regions", remedy="Name the features to compare")
        return paired_values(table, feature_names, volumes_cm3=volumes_cm3)
    if feature_names is None or tuple(feature_names) == table.feature_names:
        return table
    return table.only(feature_names)


def _compared(values: PairedValues, column: int, test: Test, confidence: float) -> PairedComparison | None:
    """None if fewer than two patients have both values."""
    x, y = values.recurrent[:, column], values.nonrecurrent[:, column]
    if np.count_nonzero(~np.isnan(x - y)) < FEWEST_PATIENTS:
        return None
    names = (GTVR, GTVNR)
    return compare_pairs(x, y, names=names, path=PATHS[test], alpha=NORMALITY_ALPHA, confidence=confidence)


def _adjusted(found: Sequence[PairedComparison | None], n_tests: int, alpha: float) -> AdjustedPValues | None:
    p_values = [None if each is None else each.p for each in found]
    if all(p is None for p in p_values):
        return None
    return adjust_p_values([math.nan if p is None else p for p in p_values], n_tests=n_tests, alpha=alpha)


def _row(
    values: PairedValues,
    column: int,
    found: PairedComparison | None,
    adjusted: AdjustedPValues | None,
    log_volume_ratio: np.ndarray | None,
    *,
    alpha: float,
    correction: Correction,
    confidence: float,
) -> FeatureComparison:
    name = values.feature_names[column]
    differences = values.differences[:, column]
    published = published_subregions().feature(name)
    if found is None:
        return _no_test(name, differences, published)
    is_t = found.method == found.paired_t.method
    kinds = ("bonferroni", "holm", "benjamini_hochberg")
    by_kind = {kind: getattr(adjusted, kind)[column] if adjusted else None for kind in kinds}
    p_adjusted = by_kind[ADJUSTMENTS[correction]]
    n_differing = found.n_pairs - found.wilcoxon.n_zero
    direction = np.sign(found.difference.mean)
    return FeatureComparison(
        name=name,
        n=found.n_pairs,
        n_missing=found.n_missing,
        recurrent=found.first,
        nonrecurrent=found.second,
        difference=found.difference,
        difference_low=found.paired_t.low,
        difference_high=found.paired_t.high,
        normality=found.normality,
        method=found.method,
        statistic_name="t" if is_t else "V",
        statistic=found.paired_t.t if is_t else found.wilcoxon.v,
        p=found.p,
        p_bonferroni=by_kind["bonferroni"],
        p_holm=by_kind["holm"],
        p_benjamini_hochberg=by_kind["benjamini_hochberg"],
        p_adjusted=p_adjusted,
        significant=p_adjusted is not None and p_adjusted < alpha,
        p_paired_t=found.paired_t.p,
        p_wilcoxon_exact=found.wilcoxon.p_exact,
        p_wilcoxon_asymptotic=found.wilcoxon.p_asymptotic,
        smallest_p=smallest_wilcoxon_p(n_differing) if n_differing else None,
        effect_size=found.effect_sizes[0],
        rank_biserial=found.effect_sizes[1].value,
        shift=found.wilcoxon.pseudomedian,
        volume=relate_to_volume(differences, log_volume_ratio, confidence) if log_volume_ratio is not None else None,
        published=published,
        direction_agrees=None if published is None or not direction else bool(direction == published.direction),
        decision=found.decision,
        warnings=_row_warnings(found, differences),
    )


def _no_test(name: str, differences: np.ndarray, published: PublishedFeature | None) -> FeatureComparison:
    n = int(np.count_nonzero(~np.isnan(differences)))
    reason = f"{n} pair{'' if n == 1 else 's'} with both values: no test."
    nothing = dict.fromkeys(FeatureComparison.__dataclass_fields__)
    fields = nothing | {
        "name": name, "n": n, "n_missing": differences.size - n, "method": "no test", "statistic_name": "",
        "significant": False, "published": published, "decision": (reason,), "warnings": (reason,),
    }  # fmt: skip
    return FeatureComparison(**fields)


def _row_warnings(found: PairedComparison, differences: np.ndarray) -> tuple[str, ...]:
    notes = list(found.warnings)
    present = differences[~np.isnan(differences)]
    if found.difference.sd is not None and found.paired_t.t is None and present.any():
        notes.append(f"all differences are equal ({present[0]:.4g}): no t-test, and no spread to judge by")
    return tuple(notes)


def _shown(
    values: PairedValues, features: Sequence[FeatureComparison], significant: tuple[str, ...], shown
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if shown is not None:
        names = values.only(shown).feature_names
        if len(names) > 1:
            return names, ()
        return names, ("One feature to show: no correlation matrix and no principal components.",)
    if len(significant) > 1:
        return significant, ()
    word = "No feature is" if not significant else f"Only {significant[0]} is"
    return significant, (
        f"{word} significant after the correction: no correlation matrix and no principal components, which need two "
        "features. Features to show can be named instead.",
    )
