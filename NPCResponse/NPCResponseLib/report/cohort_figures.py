"""The figures of a cohort report: boxes, curves, scatter, agreement. Readable in grey, without identifiers."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..cohort.agreement import KIND_WORDS, AgreementResult
from ..cohort.analysis import CohortAnalysis
from ..cohort.association import CorrelationResult
from ..cohort.differences import GroupDifference
from ..cohort.discrimination import MarkerResult
from ..cohort.tables import p_text
from .figure_parts import axes_mm, figure_mm, report_style

COLORS = ("#1F4E6E", "#B2182B", "#3B7A3B", "#8A5200", "#6A3D9A", "#444444")
LINES = ("solid", (0, (5, 1.5)), (0, (2, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (1, 1)), (0, (7, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
FILLS = ("#C9D9E4", "#F2D3CF")
POINTS_AT_MOST = 3_000  # drawn; beyond, a random part of them, and the title says so
JITTERED_AT_MOST = 400
WIDTH_MM = 178.0
PER_ROW = 3


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure with the name of its files, its caption and what it shows in words."""

    name: str
    figure: Figure
    caption: str


def draw(analysis: CohortAnalysis) -> tuple[Drawn, ...]:
    """Every figure that the analysis has something for."""
    drawn = []
    with report_style():
        for number, size in enumerate(analysis.group_sizes, start=1):
            differences = [found for found in analysis.differences if found.grouping == size.grouping]
            caption = (
                f"{size.grouping}: {size.names[0]} (n = {size.n_positive}), {size.names[1]} (n = {size.n_negative}). "
                "Box: quartiles and median; whiskers: last values within 1.5 box lengths; p before adjustment."
            )
            drawn.append(Drawn(f"boxes_{number}", box_plots(analysis, differences), caption))
            markers = analysis.markers_of(size.grouping)
            if markers:
                caption = (
                    f"ROC for {size.names[0]} against {size.names[1]}. Marks: cutoffs by the Youden index. Thin lines: "
                    "binormal curves through the corners."
                )
                drawn.append(Drawn(f"roc_{number}", roc_curves(markers), caption))
        if analysis.pairs:
            drawn.append(Drawn("paired", paired_plots(analysis), "Each line is a patient; thick line: medians."))
        if analysis.correlations:
            caption = "Least-squares lines. r: Pearson's; rho: Spearman's; with 95 % intervals in the table."
            if analysis.values.groups:
                first, second = analysis.values.groups[0].grouping.names
                caption += f" Circles: {first}; squares: {second}."
            drawn.append(Drawn("correlations", correlation_plots(analysis), caption))
        if analysis.agreement:
            caption = (
                "Bland-Altman: solid line, mean difference; dashed, limits of agreement (mean ± 1.96 SD); bands, their "
                "confidence intervals."
            )
            drawn.append(Drawn("bland_altman", bland_altman_plots(analysis.agreement), caption))
    return tuple(drawn)


def save(figures: Sequence[Drawn], folder: Path) -> None:
    """Each as SVG and PNG."""
    with report_style():
        for drawn in figures:
            metadata = {"Date": None, "Creator": None, "Type": None, "Format": None}
            drawn.figure.savefig(folder / f"{drawn.name}.svg", format="svg", metadata=metadata)
            drawn.figure.savefig(folder / f"{drawn.name}.png", format="png", metadata={"Software": None})


def _panels(n: int, height_mm: float, per_row: int = PER_ROW) -> tuple[Figure, list[Axes]]:
    """A grid of equal panels, filled row by row."""
    columns = min(n, per_row)
    rows = math.ceil(n / columns)
    panel_mm = WIDTH_MM / max(columns, 2)
    figure = figure_mm(WIDTH_MM if columns > 1 else panel_mm, rows * height_mm)
    axes = []
    for i in range(n):
        row, column = divmod(i, columns)
        bottom = (rows - 1 - row) * height_mm + 14
        axes.append(axes_mm(figure, column * panel_mm + 15, bottom, panel_mm - 18, height_mm - 26))
    return figure, axes


def _sampled(n: int) -> np.ndarray:
    """Which of so many points are drawn."""
    if n <= POINTS_AT_MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, POINTS_AT_MOST, replace=False))


# -- groups --


def box_plots(analysis: CohortAnalysis, differences: Sequence[GroupDifference]) -> Figure:
    """One panel per parameter: the two classes with their patients."""
    figure, panels = _panels(len(differences), 66)
    for axes, found in zip(panels, differences, strict=True):
        group = analysis.values.group(found.grouping)
        values = group.split(analysis.values.of(found.parameter).final)
        _box_panel(axes, [part[~np.isnan(part)] for part in values], found)
    return figure


def _box_panel(axes: Axes, parts: Sequence[np.ndarray], found: GroupDifference) -> None:
    boxes = axes.boxplot(
        parts, positions=(1, 2), widths=0.5, showfliers=max(map(len, parts)) > JITTERED_AT_MOST, patch_artist=True,
        medianprops={"color": "#111111", "linewidth": 1.4},
        flierprops={"markersize": 1.5, "alpha": 0.4, "rasterized": True},
    )  # fmt: skip
    for patch, fill in zip(boxes["boxes"], FILLS, strict=True):
        patch.set_facecolor(fill)
        patch.set_edgecolor("#444444")
    rng = np.random.default_rng(1)
    for x, (part, color, marker) in enumerate(zip(parts, COLORS, MARKERS, strict=False), start=1):
        if part.size <= JITTERED_AT_MOST:
            axes.plot(
                x + rng.uniform(-0.13, 0.13, part.size), part, marker, color=color, markersize=2.4, alpha=0.75,
                markeredgewidth=0,
            )  # fmt: skip
    low, high = min(part.min() for part in parts), max(part.max() for part in parts)
    reach = high - low
    axes.set_ylim(low - 0.06 * reach, high + 0.2 * reach)
    top = high + 0.07 * reach
    axes.plot([1, 1, 2, 2], [top - 0.02 * reach, top, top, top - 0.02 * reach], color="#444444", linewidth=0.8)
    axes.text(1.5, top + 0.015 * reach, _p_words(found.p), ha="center", va="bottom", fontsize=7.5)
    axes.set_xlim(0.4, 2.6)
    axes.set_xticks((1, 2), [f"{_wrapped(s.name)}\nn = {s.n}" for s in (found.first, found.second)])
    axes.set_ylabel(_with_unit(found.parameter, found.unit))
    axes.grid(axis="y")


def _p_words(p: float | None) -> str:
    if p is None:
        return "no test"
    return f"p {p_text(p)}" if p < 0.001 else f"p = {p_text(p)}"


def _with_unit(name: str, unit: str) -> str:
    return _typeset(f"{name} ({unit})" if unit else name)


def _typeset(text: str) -> str:
    """A leading d of a change is a delta, as the papers print it; dollar signs are not formulas."""
    text = text.replace("$", r"\$").replace("R2*", "$R_2^*$")
    return f"Δ{text[1:]}" if text[:1] == "d" and text[1:2] in ("$", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ") else text


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(name, 15, max_lines=2, placeholder="…")).replace("$", r"\$")


def paired_plots(analysis: CohortAnalysis) -> Figure:
    """One panel per pair: every patient's line, the parameter that the specification names first on the left."""
    figure, panels = _panels(len(analysis.pairs), 66)
    for axes, found in zip(panels, analysis.pairs, strict=True):
        names = [p.name for p in analysis.spec.parameters if p.name in (found.first_name, found.second_name)]
        values = np.stack([analysis.values.of(name).final for name in names])
        values = values[:, ~np.isnan(values).any(axis=0)]
        drawn = values[:, _sampled(values.shape[1])]
        axes.plot([1, 2], drawn, color="#7A8894", linewidth=0.6, alpha=0.7)
        axes.plot([1, 2], np.median(values, axis=1), color=COLORS[1], linewidth=2.2, marker="o", markersize=4)
        axes.set_xlim(0.7, 2.3)
        axes.set_xticks((1, 2), [_typeset(name) for name in names])
        axes.set_ylabel(found.unit)
        axes.set_title(f"n = {found.n_pairs}, {_p_words(found.p)}")
        axes.grid(axis="y")
    return figure


# -- curves --


def roc_curves(markers: Sequence[MarkerResult]) -> Figure:
    """All parameters of one grouping in one square panel."""
    size_mm = 88.0
    figure = figure_mm(size_mm + 72, size_mm + 4)
    axes = axes_mm(figure, 14, 12, size_mm - 16, size_mm - 16)
    axes.plot([0, 1], [0, 1], color="#AAAAAA", linewidth=0.8)
    for number, marker in enumerate(markers):
        color, line = COLORS[number % len(COLORS)], LINES[number % len(LINES)]
        curve, roc = marker.roc.curve, marker.roc
        label = f"{_typeset(marker.parameter)}: AUC {roc.auc:.3f}"
        if roc.interval:
            label += f"\n({roc.interval.low:.3f} to {roc.interval.high:.3f})"
        axes.plot(
            1 - np.array(curve.specificity), curve.sensitivity, color=color, linestyle=line, linewidth=1.5, label=label
        )
        if marker.smooth and len(markers) <= 3:
            axes.plot(
                1 - np.array(marker.smooth.specificity),
                marker.smooth.sensitivity,
                color=color,
                linewidth=0.6,
                alpha=0.7,
            )
        best = roc.cutoff.performance
        axes.plot(
            1 - best.specificity.value, best.sensitivity.value, MARKERS[number % len(MARKERS)], color=color,
            markersize=5, markeredgecolor="white", markeredgewidth=0.7, zorder=5,
        )  # fmt: skip
    if len(markers) == 1 and markers[0].band:
        band = markers[0].band
        axes.fill_between(1 - np.array(band.specificity), band.low, band.high, color=COLORS[0], alpha=0.15, linewidth=0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("1 − specificity")
    axes.set_ylabel("Sensitivity")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0), handlelength=3.2, labelspacing=0.9)
    return figure


# -- correlations --


def correlation_plots(analysis: CohortAnalysis) -> Figure:
    """One panel per parameter: scatter with the regression line."""
    figure, panels = _panels(len(analysis.correlations), 62)
    for axes, found in zip(panels, analysis.correlations, strict=True):
        _correlation_panel(axes, found, analysis)
    return figure


def _correlation_panel(axes: Axes, found: CorrelationResult, analysis: CohortAnalysis) -> None:
    x, y = (analysis.values.of(name).final for name in (found.parameter, found.other))
    groups = analysis.values.groups
    label = groups[0].is_positive if groups else np.full(x.size, np.nan)
    both = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    shown = both[_sampled(both.size)]
    is_many = both.size > POINTS_AT_MOST
    for chosen, marker, color in (
        (label == 1, "o", COLORS[0]), (label == 0, "s", COLORS[1]), (np.isnan(label), "x", COLORS[5])
    ):  # fmt: skip
        here = shown[chosen[shown]]
        axes.plot(
            x[here], y[here], marker, color=color, markersize=1.2 if is_many else 3.2, alpha=0.75, markeredgewidth=0.5,
            markerfacecolor="none" if marker == "s" else color, rasterized=is_many,
        )  # fmt: skip
    if found.slope is not None:
        ends = np.array([x[both].min(), x[both].max()])
        axes.plot(ends, found.intercept + found.slope * ends, color="#222222", linewidth=1.1)
    pearson, spearman = found.correlation.pearson, found.correlation.spearman
    title = "not defined" if pearson.value is None else f"r = {pearson.value:.2f}, ρ = {spearman.value:.2f}, "
    title += "" if pearson.value is None else _p_words(found.p)
    axes.set_title(title + (f" ({POINTS_AT_MOST:,} of {both.size:,} drawn)" if is_many else ""), fontsize=7.5)
    axes.set_xlabel(_with_unit(found.parameter, found.unit))
    axes.set_ylabel(_with_unit(found.other, found.other_unit))
    axes.grid()


# -- agreement --


def bland_altman_plots(results: Sequence[AgreementResult]) -> Figure:
    """One panel per parameter and kind."""
    figure, panels = _panels(len(results), 62)
    for axes, found in zip(panels, results, strict=True):
        _bland_altman_panel(axes, found)
    return figure


def _bland_altman_panel(axes: Axes, found: AgreementResult) -> None:
    b = found.bland_altman
    shown = _sampled(len(b.means))
    means, differences = np.array(b.means)[shown], np.array(b.differences)[shown]
    is_many = len(b.means) > POINTS_AT_MOST
    axes.plot(
        means, differences, "o", color=COLORS[0], markersize=1.2 if is_many else 2.8, alpha=0.7, markeredgewidth=0,
        rasterized=is_many,
    )  # fmt: skip
    for band in (b.bias_interval, b.exact.low, b.exact.high):
        if band:
            axes.axhspan(*band, color="#888888", alpha=0.15, linewidth=0)
    axes.axhline(b.bias, color="#222222", linewidth=1.1)
    for limit in (b.low, b.high):
        if limit is not None:
            axes.axhline(limit, color=COLORS[1], linewidth=0.9, linestyle=(0, (4, 2)))
    first, second = KIND_WORDS[found.kind]
    unit = f" ({found.unit})" if found.unit else ""
    axes.set_title(f"{_typeset(found.parameter)}, {found.kind}", fontsize=8)
    axes.set_xlabel(f"Mean of both{unit}")
    axes.set_ylabel(f"{first.capitalize()} − {second[-1]}{unit}")
    axes.grid(axis="y")
