"""The figures of a blood flow report, beside those of every map (map_figures)."""

import numpy as np
from matplotlib.figure import Figure

from ..kinetic_model import ModelBias, gkm_difference_signal
from ..perfusion import PerfusionStatus
from ..region_flow import RegionFlow
from .figure_parts import axes_mm, figure_mm
from .map_figures import HISTOGRAM_BOX_MM, TITLE_PAD_OVER_LEGEND, MapStyle, legend_under_title

FLOW_UNIT = "mL/100 g/min"
TBF_LABEL = f"TBF ({FLOW_UNIT})"
STATUS_COLORS = {
    PerfusionStatus.OK: "#D5DDE3",
    PerfusionStatus.LOW_M0: "#2B2F33",
    PerfusionStatus.NON_FINITE: "#000000",
    PerfusionStatus.NOT_FITTED: "#6A3D9A",
    PerfusionStatus.NEGATIVE: "#2166AC",
    PerfusionStatus.LATE_ARRIVAL: "#FDD835",
}
STATUS_HATCHES = {PerfusionStatus.NEGATIVE: "....", PerfusionStatus.LATE_ARRIVAL: "/////"}


def tbf_style(second_name: str, second_label: str) -> MapStyle:
    """TBF maps, whatever is shown beside them."""
    return MapStyle(
        name="TBF",
        label=TBF_LABEL,
        limits=(0.0, 200.0),
        second_name=second_name,
        second_label=second_label,
        status_colors=STATUS_COLORS,
        status_hatches=STATUS_HATCHES,
    )


def bias_plot(bias: ModelBias, *, width_mm: float = 88.0, box_mm: tuple[float, float] = (12.0, 46.0)) -> Figure:
    """What the single-delay formula makes of the true flow, over transit times and T1 of tissue.

    Args:
        box_mm: bottom and height of the axes, those of the figure beside it.
    """
    figure = figure_mm(width_mm, 72)
    axes = axes_mm(figure, 14, box_mm[0], width_mm - 16, box_mm[1])
    shades = np.linspace(0.75, 0.1, len(bias.t1_tissue_ms))
    for column, (t1_ms, shade) in enumerate(zip(bias.t1_tissue_ms, shades, strict=True)):
        axes.plot(
            bias.transit_times_ms, bias.ratios[:, column], "o-", color=(shade, shade * 0.8, shade * 0.6 + 0.2),
            markersize=3, label=f"{t1_ms / 1000:.2f} s",
        )  # fmt: skip
    axes.axhline(1, color="#B2182B", linewidth=0.9)
    axes.set_ylim(0, 1.1 * max(1.0, bias.ratios.max()))
    axes.set_xlabel("Arterial transit time (ms)")
    axes.set_ylabel("Estimated / true flow")
    axes.set_title("Bias of one delay, by $T_1$ of tissue", pad=TITLE_PAD_OVER_LEGEND)
    axes.grid(axis="y")
    legend_under_title(axes, *axes.get_legend_handles_labels())
    return figure


def delays_plot(flow: RegionFlow, *, width_mm: float = 88.0) -> Figure:
    """Mean signal of each slice of the region at each delay, with its fitted model."""
    figure = figure_mm(width_mm, 72)
    bottom_mm, height_mm = HISTOGRAM_BOX_MM
    axes = axes_mm(figure, 16, bottom_mm, width_mm - 18, height_mm)
    curve_ms = np.linspace(0, 1.05 * flow.delays_ms[-1], 200)
    markers = "os^Dv"
    for number, part in enumerate(flow.by_slice):
        shade = 0.15 + 0.5 * number / max(1, len(flow.by_slice) - 1)
        curve = gkm_difference_signal(part.tbf_ml_per_100g_min, part.transit_time_ms, curve_ms, flow.constants)
        axes.plot(curve_ms, 100 * curve, color=str(shade), linewidth=1.0)
        axes.plot(
            flow.delays_ms, 100 * np.array(part.signals), markers[number % len(markers)], color=str(shade),
            markersize=3.5, label=f"slice {part.k + 1}",
        )  # fmt: skip
    axes.set_xlim(0, curve_ms[-1])
    axes.set_xlabel("Post-labeling delay (ms)")
    axes.set_ylabel("(Control − label) / $M_0$ (%)")
    axes.set_title("Signal of the region and its fit", pad=TITLE_PAD_OVER_LEGEND)
    axes.grid(axis="y")
    if len(flow.by_slice) <= len(markers):
        legend_under_title(axes, *axes.get_legend_handles_labels())
    return figure


def motion_plot(displacements_mm: np.ndarray, exceeding: tuple[int, ...], *, width_mm: float = 180.0) -> Figure:
    """How far each volume lay from M0 before it was moved back."""
    figure = figure_mm(width_mm, 48)
    axes = axes_mm(figure, 14, 12, width_mm - 16, 28)
    numbers = np.arange(1, len(displacements_mm) + 1)
    odd = np.isin(numbers - 1, exceeding)
    axes.bar(numbers[~odd], displacements_mm[~odd], color="#9FB4C4")
    axes.bar(numbers[odd], displacements_mm[odd], color="#B2182B", hatch="///", edgecolor="white")
    axes.set_xlim(0.3, len(numbers) + 0.7)
    axes.set_xlabel("Volume")
    axes.set_ylabel("Displacement (mm)")
    axes.set_title("Motion")
    axes.grid(axis="y")
    return figure
