"""Figures of a cohort of sub-regions: pairs and boxes, correlations of the differences, principal components."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from NPCResponseLib.cohort.tables import p_text
from NPCResponseLib.report.cohort_figures import Drawn, save
from NPCResponseLib.report.figure_parts import axes_mm, figure_mm, report_style

from ..heterogeneity.comparison import HeterogeneityAnalysis
from ..heterogeneity.paired_values import PairedValues
from ..subregions.division import GTVNR, GTVR

__all__ = ["NAMES", "Drawn", "draw", "save"]

NAMES = ("pairs", "effects", "correlations", "components")
COLORS = {GTVR: "#B2182B", GTVNR: "#8a6d00"}
MARKERS = {GTVR: "o", GTVNR: "s"}
WIDTH_MM, PER_ROW, PANEL_MM = 178.0, 4, 52.0
MOST_PANELS = 12


def draw(analysis: HeterogeneityAnalysis, values: PairedValues) -> tuple[Drawn, ...]:
    """Every figure that the analysis has something for."""
    drawn = []
    shown = _published_first(analysis) or _smallest_p(analysis)
    with report_style():
        if shown:
            caption = (
                "Each line is a patient; boxes: quartiles and median; whiskers: last values within 1.5 box lengths. "
                "p before the correction."
            )
            if not analysis.shown:
                caption = f"No feature is significant; those with the smallest p are shown. {caption}"
            if len(shown) > MOST_PANELS:
                caption = f"The first {MOST_PANELS} of {len(shown)}. {caption}"
            drawn.append(Drawn("pairs", pair_plots(analysis, values, shown[:MOST_PANELS]), caption))
        caption = (
            "Standardized mean difference (Cohen's dz) with 95 % interval; filled: significant after the correction."
        )
        drawn.append(Drawn("effects", effect_plot(analysis), caption))
        if analysis.correlations is not None:
            caption = (
                "Pearson's correlations of the differences GTVr - GTVnr; left white where p is not below "
                f"{analysis.correlations.alpha:g}."
            )
            drawn.append(Drawn("correlations", correlation_plot(analysis), caption))
        if analysis.components is not None:
            caption = "Regions in the plane of the first two principal components; a line joins those of one patient."
            drawn.append(Drawn("components", component_plot(analysis), caption))
    return tuple(drawn)


def _published_first(analysis: HeterogeneityAnalysis) -> list[str]:
    return sorted(analysis.shown, key=lambda name: analysis.feature(name).published is None)


def _smallest_p(analysis: HeterogeneityAnalysis, n: int = 4) -> list[str]:
    tested = sorted((each.p, each.name) for each in analysis.features if each.p is not None)
    return [name for _p, name in tested[:n]]


def _p(p: float | None) -> str:
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def label(name: str) -> str:
    return name.replace("_", " ")


def pair_plots(analysis: HeterogeneityAnalysis, values: PairedValues, names: Sequence[str]) -> Figure:
    """Boxes of both regions with a line for each patient."""
    columns = min(PER_ROW, len(names))
    rows = math.ceil(len(names) / columns)
    figure = figure_mm(WIDTH_MM, rows * PANEL_MM)
    width = WIDTH_MM / PER_ROW
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        axes = axes_mm(figure, column * width + 13, (rows - 1 - row) * PANEL_MM + 8, width - 16, PANEL_MM - 20)
        index = values.feature_names.index(name)
        _pairs(axes, values.recurrent[:, index], values.nonrecurrent[:, index])
        axes.set_title(f"{label(name)}\n{_p(analysis.feature(name).p)}", fontsize=7.5)
    return figure


def _pairs(axes: Axes, recurrent: np.ndarray, nonrecurrent: np.ndarray) -> None:
    for first, second in zip(recurrent, nonrecurrent, strict=True):
        axes.plot([1, 2], [first, second], color="#BBBBBB", linewidth=0.6, zorder=1)
    for position, (region, found) in enumerate(((GTVR, recurrent), (GTVNR, nonrecurrent)), start=1):
        known = found[~np.isnan(found)]
        axes.boxplot(
            known, positions=[position], widths=0.45, showfliers=False, zorder=2,
            boxprops={"color": COLORS[region]}, medianprops={"color": COLORS[region], "linewidth": 1.6},
            whiskerprops={"color": COLORS[region]}, capprops={"color": COLORS[region]},
        )  # fmt: skip
        axes.plot(
            np.full(len(known), position), known, linestyle="none", marker=MARKERS[region], markersize=2.2,
            color=COLORS[region], zorder=3,
        )  # fmt: skip
    axes.set_xticks([1, 2], [GTVR, GTVNR])
    axes.set_xlim(0.5, 2.5)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))


def effect_plot(analysis: HeterogeneityAnalysis) -> Figure:
    """Cohen's dz of all features."""
    found = [each for each in analysis.features if each.effect_size is not None]
    height = 3.1 * max(len(found), 4) + 14
    figure = figure_mm(WIDTH_MM, height)
    axes = axes_mm(figure, 45, 10, WIDTH_MM - 52, height - 13)
    y = np.arange(len(found))[::-1]
    for position, each in zip(y, found, strict=True):
        size = each.effect_size
        color = "#1F4E6E" if each.published is None else "#B2182B"
        if None not in (size.low, size.high):
            axes.plot([size.low, size.high], [position, position], color=color, linewidth=0.8)
        axes.plot(
            size.value, position, marker="o", markersize=3.4, color=color,
            markerfacecolor=color if each.significant else "white",
        )  # fmt: skip
        if each.published is not None:
            axes.plot(each.published.cohens_dz, position, marker="|", markersize=6, color="black")
    axes.axvline(0, color="#999999", linewidth=0.7)
    axes.set_yticks(y, [label(each.name) for each in found], fontsize=6.2)
    axes.set_ylim(-1, len(found))
    axes.set_xlabel("Cohen's dz of GTVr - GTVnr (red: features of the publication; bar: its value)")
    return figure


def correlation_plot(analysis: HeterogeneityAnalysis) -> Figure:
    """The masked matrix."""
    names = [label(name) for name in analysis.correlations.names]
    matrix = np.array([[np.nan if r is None else r for r in row] for row in analysis.masked_correlations()])
    side = float(np.clip(4.0 * len(names), 40.0, 115.0))
    figure = figure_mm(side + 68, side + 34)
    axes = axes_mm(figure, 42, 30, side, side)
    image = axes.imshow(np.ma.masked_invalid(matrix), vmin=-1, vmax=1, cmap=colormaps["RdBu_r"])
    size = 6.5 if len(names) <= MOST_PANELS else 5.0
    for (row, column), r in np.ndenumerate(matrix):
        if not np.isnan(r) and len(names) <= MOST_PANELS:
            axes.text(column, row, f"{r:.2f}", ha="center", va="center", fontsize=size,
                      color="white" if abs(r) > 0.6 else "black")  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    bar = figure.colorbar(image, cax=axes_mm(figure, side + 46, 30, 4, side))
    bar.set_label("r")
    return figure


def component_plot(analysis: HeterogeneityAnalysis) -> Figure:
    """PC1 against PC2."""
    found = analysis.components
    figure = figure_mm(110, 82)
    axes = axes_mm(figure, 16, 13, 88, 64)
    scores = {region: {p: s for (p, r), s in zip(found.regions, found.pca.scores, strict=True) if r == region}
              for region in (GTVR, GTVNR)}  # fmt: skip
    for patient in scores[GTVR].keys() & scores[GTVNR].keys():
        first, second = scores[GTVR][patient], scores[GTVNR][patient]
        axes.plot([first[0], second[0]], [first[1], second[1]], color="#CCCCCC", linewidth=0.6, zorder=1)
    for region, of_patients in scores.items():
        points = np.array([score[:2] for score in of_patients.values()])
        axes.plot(points[:, 0], points[:, 1], linestyle="none", marker=MARKERS[region], color=COLORS[region],
                  label=region, zorder=2)  # fmt: skip
    shares = found.pca.explained
    axes.set_xlabel(f"PC1 ({100 * shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"PC2 ({100 * shares[1]:.0f} %)" if len(shares) > 1 else "PC2")
    axes.legend()
    return figure
