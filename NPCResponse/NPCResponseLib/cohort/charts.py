"""The plots of a cohort as plain numbers, for Slicer's plot nodes. Files have figures of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .agreement import KIND_WORDS, AgreementResult
from .analysis import CohortAnalysis, GroupSize
from .association import CorrelationResult
from .differences import GroupDifference, PairedDifference
from .tables import p_text

Style = Literal["line", "dashed", "points"]
GRAY = -1  # index of a color that stands for no group
POINTS_AT_MOST = 3_000  # drawn; beyond, a random part of them, and the title says so
BOX_HALF_WIDTH = 0.22
JITTER = 0.13
WHISKER = 1.5  # box lengths


@dataclass(frozen=True, eq=False)
class Series:
    """Attributes:
    name: for the legend. x, y: equally many numbers; NaN lifts the pen.
    color: number of the color; GRAY for none.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    style: Style = "line"
    color: int = 0


@dataclass(frozen=True, eq=False)
class Chart:
    """Attributes:
    key: stays the same from run to run. title: with what a reader wants to know first.
    x_range, y_range: None for the range of what is drawn.
    """

    key: str
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


def charts(analysis: CohortAnalysis) -> tuple[Chart, ...]:
    """Every chart that the analysis has something for: curves first, then groups, pairs, correlations, agreement."""
    return tuple(_charts(analysis))


def _charts(analysis: CohortAnalysis) -> Iterator[Chart]:
    for size in analysis.group_sizes:
        if analysis.markers_of(size.grouping):
            yield _roc_chart(analysis, size)
    for found in analysis.differences:
        yield _box_chart(analysis, found)
    for pair in analysis.pairs:
        yield _paired_chart(analysis, pair)
    for correlation in analysis.correlations:
        yield _correlation_chart(analysis, correlation)
    for agreement in analysis.agreement:
        yield _bland_altman_chart(agreement)


def _roc_chart(analysis: CohortAnalysis, size: GroupSize) -> Chart:
    """All parameters of one grouping; the marks are the Youden cutoffs."""
    series = [Series("Chance", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "dashed", GRAY)]
    markers = analysis.markers_of(size.grouping)
    for number, marker in enumerate(markers):
        curve = marker.roc.curve
        name = f"{marker.parameter}: AUC {marker.roc.auc:.3f}"
        series.append(Series(name, 1 - np.array(curve.specificity), np.array(curve.sensitivity), color=number))
    for number, marker in enumerate(markers):
        best = marker.roc.cutoff.performance
        x, y = 1 - best.specificity.value, best.sensitivity.value
        name = marker.roc.cutoff.rule(marker.parameter, marker.unit)
        series.append(Series(name, np.array([x]), np.array([y]), "points", number))
    return Chart(
        key=f"ROC {size.grouping}",
        title=f"ROC: {size.names[0]} (n = {size.n_positive}) against {size.names[1]} (n = {size.n_negative})",
        x_title="1 - specificity",
        y_title="Sensitivity",
        series=tuple(series),
        x_range=(-0.02, 1.02),
        y_range=(-0.02, 1.02),
    )


def _box_chart(analysis: CohortAnalysis, found: GroupDifference) -> Chart:
    """Two boxes with their patients: quartiles, median, last values within 1.5 box lengths."""
    parts = analysis.values.group(found.grouping).split(analysis.values.of(found.parameter).final)
    parts = [part[~np.isnan(part)] for part in parts]
    summaries = (found.first, found.second)
    boxes = [_box(at, part, summary) for at, (part, summary) in enumerate(zip(parts, summaries, strict=True), start=1)]
    x, y = np.concatenate(boxes, axis=1)
    rng = np.random.default_rng(1)
    patients, is_thinned = [], False
    for at, (part, summary) in enumerate(zip(parts, summaries, strict=True), start=1):
        shown = part[_sampled(part.size)]
        is_thinned |= shown.size < part.size
        jittered = at + rng.uniform(-JITTER, JITTER, shown.size)
        patients.append(Series(f"{summary.name} (n = {summary.n})", jittered, shown, "points", at - 1))
    return Chart(
        key=f"groups {found.parameter}, {found.grouping}",
        title=f"{found.parameter} by {found.grouping}: {_p_words(found.p)}{_thinned_words(is_thinned)}",
        x_title=f"1 {found.first.name}, 2 {found.second.name}",
        y_title=_with_unit(found.parameter, found.unit),
        series=(*patients, Series("Quartiles, median", x, y, color=GRAY)),
        x_range=(0.4, 2.6),
    )


def _box(at: float, values: np.ndarray, summary) -> np.ndarray:
    """(2, n) x and y of one box with whiskers, drawn with one pen."""
    low, high = at - BOX_HALF_WIDTH, at + BOX_HALF_WIDTH
    reach = WHISKER * (summary.q3 - summary.q1)
    bottom = values[values >= summary.q1 - reach].min()
    top = values[values <= summary.q3 + reach].max()
    box = [(low, summary.q1), (high, summary.q1), (high, summary.q3), (low, summary.q3), (low, summary.q1), _UP]
    box += [(low, summary.median), (high, summary.median), _UP]
    box += [(at, summary.q1), (at, min(bottom, summary.q1)), _UP, (at, summary.q3), (at, max(top, summary.q3)), _UP]
    return np.array(box).T


_UP = (np.nan, np.nan)


def _paired_chart(analysis: CohortAnalysis, found: PairedDifference) -> Chart:
    """Every patient's line, the parameter that the specification names first on the left; and the medians."""
    names = [p.name for p in analysis.spec.parameters if p.name in (found.first_name, found.second_name)]
    values = np.stack([analysis.values.of(name).final for name in names])
    values = values[:, ~np.isnan(values).any(axis=0)]
    shown = values[:, _sampled(values.shape[1])]
    y = np.vstack([shown, np.full(shown.shape[1], np.nan)]).T.ravel()
    x = np.tile([1.0, 2.0, np.nan], shown.shape[1])
    is_thinned = shown.shape[1] < values.shape[1]
    return Chart(
        key=f"pairs {found.first_name}, {found.second_name}",
        title=f"{names[0]} and {names[1]}: n = {found.n_pairs}, {_p_words(found.p)}{_thinned_words(is_thinned)}",
        x_title=f"1 {names[0]}, 2 {names[1]}",
        y_title=found.unit or "Value",
        series=(
            Series("Patients", x, y, color=GRAY),
            Series("Medians", np.array([1.0, 2.0]), np.median(values, axis=1), color=1),
        ),
        x_range=(0.7, 2.3),
    )


def _correlation_chart(analysis: CohortAnalysis, found: CorrelationResult) -> Chart:
    """Scatter, by the classes of the first grouping, with the least-squares line."""
    x, y = (analysis.values.of(name).final for name in (found.parameter, found.other))
    both = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    shown = both[_sampled(both.size)]
    series = []
    if analysis.values.groups:
        group = analysis.values.groups[0]
        label, names = group.is_positive[shown], (*group.grouping.names, "no label")
        chosen = (label == 1, label == 0, np.isnan(label))
    else:
        names, chosen = ("Patients",), (np.ones(shown.size, dtype=bool),)
    for number, (name, part) in enumerate(zip(names, chosen, strict=True)):
        if part.any():
            series.append(Series(name, x[shown][part], y[shown][part], "points", number if number < 2 else GRAY))
    if found.slope is not None:
        ends = np.array([x[both].min(), x[both].max()])
        series.append(Series("Least squares", ends, found.intercept + found.slope * ends, color=GRAY))
    pearson, spearman = found.correlation.pearson, found.correlation.spearman
    title = "not defined"
    if pearson.value is not None:
        title = f"r = {pearson.value:.2f}, rho = {spearman.value:.2f}, {_p_words(found.p)}"
    return Chart(
        key=f"correlation {found.parameter}, {found.other}",
        title=f"{found.parameter} with {found.other}: {title}{_thinned_words(shown.size < both.size)}",
        x_title=_with_unit(found.parameter, found.unit),
        y_title=_with_unit(found.other, found.other_unit),
        series=tuple(series),
    )


def _bland_altman_chart(found: AgreementResult) -> Chart:
    """Differences over means, with bias and limits of agreement."""
    b = found.bland_altman
    means, differences = np.array(b.means), np.array(b.differences)
    shown = _sampled(means.size)
    ends = np.array([means.min(), means.max()])
    first, second = KIND_WORDS[found.kind]
    series = [Series("Patients", means[shown], differences[shown], "points", 0)]
    series.append(Series(f"Bias {b.bias:.2f}", ends, np.full(2, b.bias), color=GRAY))
    if b.low is not None:
        # One pen for both limits: the legend names them once.
        x = np.concatenate([ends, [np.nan], ends])
        y = np.array([b.low, b.low, np.nan, b.high, b.high])
        series.append(Series(f"Limits {b.low:.2f} to {b.high:.2f}", x, y, "dashed", 1))
    unit = f" ({found.unit})" if found.unit else ""
    return Chart(
        key=f"agreement {found.parameter}, {found.kind}",
        title=f"{found.parameter}: agreement of {found.kind}{_thinned_words(shown.size < means.size)}",
        x_title=f"Mean of both{unit}",
        y_title=f"{first.capitalize()} - {second}{unit}",
        series=tuple(series),
    )


def _sampled(n: int) -> np.ndarray:
    """Which of so many points are drawn."""
    if n <= POINTS_AT_MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, POINTS_AT_MOST, replace=False))


def _thinned_words(is_thinned: bool) -> str:
    return f" ({POINTS_AT_MOST:,} drawn)" if is_thinned else ""


def _p_words(p: float | None) -> str:
    if p is None:
        return "no test"
    return f"p {p_text(p)}" if p < 0.001 else f"p = {p_text(p)}"


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
