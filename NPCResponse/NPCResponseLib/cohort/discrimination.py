"""Parameters as markers: ROC with cutoffs and their optimism, AUCs compared, and whether the patients were enough."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..statistics.delong import AucComparison, compare_markers, oriented, structural_components
from ..statistics.roc import NO_VARIANCE, BinormalCurve, RocAnalysis, RocCurve, analyze_roc, binormal_curve
from ..statistics.roc_bootstrap import (
    BootstrapAuc,
    CurveBand,
    OptimismOfCutoff,
    bootstrap_auc,
    curve_band,
    cutoff_optimism,
)
from ..statistics.sample_size import EventsPerVariable, Power, auc_difference_power, auc_power, events_per_variable
from .spec import Choices
from .values import GroupLabels, ParameterValues

BOOTSTRAP_AT_MOST = 5_000  # patients; beyond, DeLong's interval is as good and the bootstrap takes minutes
BAND_AT_MOST = 1_000
NO_BOOTSTRAP = (
    f"more than {BOOTSTRAP_AT_MOST:,} patients: no bootstrap; DeLong's interval alone, and the cutoff's optimism, "
    "negligible with so many, was not estimated"
)
DRAWN_AT_MOST = 2_000  # corners of a curve that are kept


@dataclass(frozen=True)
class MarkerResult:
    """One parameter against one grouping.

    Attributes:
        roc: its curve is thinned out for drawing if it has more than 2000 corners; every number is of all patients.
        bootstrap, optimism, band, smooth: None where the notes say why.
        power: chance to find this AUC against 0.5; None for an AUC of 0.5 or 1.
    """

    grouping: str
    parameter: str
    unit: str
    roc: RocAnalysis
    bootstrap: BootstrapAuc | None
    optimism: OptimismOfCutoff | None
    band: CurveBand | None
    smooth: BinormalCurve | None
    power: Power | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AucDifference:
    """Two parameters compared by DeLong's test, with the power that these patients gave it."""

    grouping: str
    test: AucComparison
    power: Power | None


def marker_result(values: ParameterValues, group: GroupLabels, choices: Choices) -> MarkerResult:
    """ROC of one parameter."""
    labels, marker, parameter = group.is_positive, values.final, values.parameter
    common = {"direction": parameter.direction}
    roc = analyze_roc(
        labels, marker, interval=choices.auc_interval, confidence=choices.confidence, name=parameter.name, **common
    )
    n = roc.curve.n_positive + roc.curve.n_negative
    bootstrap = optimism = band = smooth = None
    notes = []
    if n <= BOOTSTRAP_AT_MOST:
        options = {
            **common,
            "replicates": choices.bootstrap_replicates,
            "seed": choices.seed,
            "confidence": choices.bootstrap_confidence,
        }
        bootstrap, optimism = bootstrap_auc(labels, marker, **options), cutoff_optimism(labels, marker, **options)
        if n <= BAND_AT_MOST:
            band = curve_band(labels, marker, **options)
    else:
        notes.append(NO_BOOTSTRAP)
    try:
        smooth = binormal_curve(roc.curve)
    except InputError as error:
        notes.append(f"no smooth curve: {error.what}")
    power = None
    if 0 < roc.auc < 1 and roc.auc != 0.5:
        power = auc_power(roc.auc, roc.curve.n_positive, roc.curve.n_negative, alpha=choices.alpha)
    return MarkerResult(
        grouping=group.grouping.name,
        parameter=parameter.name,
        unit=parameter.unit,
        roc=replace(roc, curve=_thinned(roc.curve)),
        bootstrap=bootstrap,
        optimism=optimism,
        band=band,
        smooth=smooth,
        power=power,
        notes=tuple(notes),
    )


def _thinned(curve: RocCurve) -> RocCurve:
    """Every so many corners, both ends kept."""
    n = len(curve.thresholds)
    if n <= DRAWN_AT_MOST:
        return curve
    kept = np.unique(np.linspace(0, n - 1, DRAWN_AT_MOST).astype(int)).tolist()
    names = ("thresholds", "sensitivity", "specificity", "true_positives", "true_negatives")
    return replace(curve, **{name: tuple(getattr(curve, name)[i] for i in kept) for name in names})


def auc_differences(
    markers: tuple[ParameterValues, ...], group: GroupLabels, choices: Choices
) -> tuple[AucDifference, ...]:
    """Every two parameters, each pair on the patients who have both."""
    found = []
    for i, first in enumerate(markers):
        for second in markers[i + 1 :]:
            both = {values.parameter.name: values.final for values in (first, second)}
            directions = {values.parameter.name: values.parameter.direction for values in (first, second)}
            (test,) = compare_markers(group.is_positive, both, directions=directions, confidence=choices.confidence)
            correlation = _auc_correlation(test, (first, second), group)
            found.append(AucDifference(group.grouping.name, test, _difference_power(test, correlation, choices)))
    return tuple(found)


def _difference_power(test: AucComparison, correlation: float | None, choices: Choices) -> Power | None:
    """At the observed AUCs, with the correlation that DeLong's test found; None where that is not defined."""
    if correlation is None or test.difference == 0 or not (0 < test.auc_a < 1 and 0 < test.auc_b < 1):
        return None
    return auc_difference_power(
        test.auc_a, test.auc_b, test.n_positive[0], test.n_negative[0], correlation=correlation, alpha=choices.alpha
    )


def _auc_correlation(
    test: AucComparison, pair: tuple[ParameterValues, ParameterValues], group: GroupLabels
) -> float | None:
    """Covariance / (SE_A SE_B) of the two AUCs by DeLong, on the patients who have both; None without variance."""
    used = ~np.any([np.isnan(group.is_positive), *(np.isnan(values.final) for values in pair)], axis=0)
    variances = []
    for values, side in zip(pair, (test.side_a, test.side_b), strict=True):
        marker, labels = values.final[used], group.is_positive[used]
        variances.append(structural_components(*oriented(marker[labels == 1], marker[labels == 0], side)).variance)
    if None in (*variances, test.covariance) or min(variances) <= NO_VARIANCE:
        return None
    return float(np.clip(test.covariance / math.sqrt(math.prod(variances)), -0.99, 0.99))


def candidates(n_markers: int, covariates: int, group: GroupLabels) -> EventsPerVariable | None:
    """Events per candidate parameter, if a model were to be made of them."""
    n = n_markers + covariates
    return events_per_variable(group.n_positive, group.n_negative, n) if n else None
