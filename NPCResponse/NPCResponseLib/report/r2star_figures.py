"""The figures of an R2* report. Each function takes plain values and returns a matplotlib Figure."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..region_decay import RegionDecay
from ..relaxometry import R2StarFit, VoxelStatus
from .figure_parts import (
    BLUE_TO_RED,
    GREY,
    UNCERTAINTY,
    UNIFORM,
    axes_mm,
    color_bar,
    cut_slice,
    draw_outline,
    edge_marks,
    figure_mm,
    image_panel,
    nice_ceiling,
    scale_bar,
)
from .slice_view import SliceView, Window, window_around

PAGE_WIDTH_MM = 180.0
# One fixed range for every report, so that two of them (before and after treatment) compare at a glance.
R2STAR_RANGE_HZ = (0.0, 100.0)
CLOSEUP_MARGIN_MM = 18.0
TITLE_PAD_OVER_LEGEND = 18.0  # points
R2STAR_LABEL = "$R_2^*$ (Hz)"

# Ordered by lightness so that they part in grey too; the two that stay in the statistics are hatched as well.
STATUS_COLORS = {
    VoxelStatus.OK: "#D5DDE3",
    VoxelStatus.LOW_SIGNAL: "#2B2F33",
    VoxelStatus.NON_DECAYING: "#6A3D9A",
    VoxelStatus.NON_FINITE: "#000000",
    VoxelStatus.SATURATED: "#B2182B",
    VoxelStatus.POOR_FIT: "#F4A582",
    VoxelStatus.SUSPECTED_FIELD_GRADIENT: "#FDD835",
}
STATUS_HATCHES = {VoxelStatus.POOR_FIT: "....", VoxelStatus.SUSPECTED_FIELD_GRADIENT: "/////"}


@dataclass(frozen=True)
class MapPictures:
    """What the picture of one slice needs: volumes KJI of one shape, and the view that turns their slices.

    Attributes:
        first_echo: magnitude at the shortest echo time; echo_time_ms is that time.
        roi, used: the region after its slice rule, and the part of it that the statistics rest on; or None.
    """

    first_echo: np.ndarray
    echo_time_ms: float
    fit: R2StarFit
    view: SliceView
    roi: np.ndarray | None
    used: np.ndarray | None

    def fitted(self, k: int) -> np.ndarray:
        """Displayed mask of the voxels that have a value."""
        fitted = [status for status in VoxelStatus if status.is_fitted]
        return np.isin(self.view.show(self.fit.status[k]), fitted)

    def body_window(self, k: int) -> Window:
        """The rectangle that holds the patient: lines of the image with more than a few fitted voxels."""
        fitted = self.fitted(k)
        dense = fitted & (fitted.mean(axis=0) > 0.02)[None, :] & (fitted.mean(axis=1) > 0.02)[:, None]
        if self.roi is not None:
            dense = dense | self.view.show(self.roi[k])
        return window_around(dense, self.view.pixel_mm, margin_mm=6.0)

    def closeup_window(self, k: int) -> Window:
        if self.roi is None or not self.roi[k].any():
            return self.body_window(k)
        return window_around(self.view.show(self.roi[k]), self.view.pixel_mm, CLOSEUP_MARGIN_MM, square=True)

    def outline(self, axes, k: int, window: Window) -> None:
        """The region, and dotted what of it was left out although it has a value (what has none is black anyway)."""
        if self.roi is None:
            return
        roi = cut_slice(self.roi, k, self.view, window)
        if self.used is not None:
            left_out = roi & ~cut_slice(self.used, k, self.view, window) & window.cut(self.fitted(k))
            draw_outline(axes, left_out, dotted=True)
        draw_outline(axes, roi)

    def r2star(self, k: int, window: Window) -> np.ma.MaskedArray:
        values = cut_slice(self.fit.r2star_hz, k, self.view, window)
        return np.ma.masked_array(values, mask=~window.cut(self.fitted(k)))


def _on_black(colors):
    return colors.with_extremes(bad="black")


def _grey_limits(shown: np.ndarray) -> tuple[float, float]:
    finite = shown[np.isfinite(shown)]
    return (0.0, float(np.percentile(finite, 99.5)) or 1.0) if finite.size else (0.0, 1.0)


def overview(pictures: MapPictures, k: int, *, max_height_mm: float = 86.0) -> Figure:
    """First echo and R2* map of one slice side by side, region outlined."""
    view, window = pictures.view, pictures.body_window(k)
    first = cut_slice(pictures.first_echo, k, view, window)
    ratio = first.shape[0] * view.pixel_mm[0] / (first.shape[1] * view.pixel_mm[1])
    gap, bar, bar_room, title = 3.0, 3.5, 18.0, 6.5
    width = (PAGE_WIDTH_MM - gap - bar_room) / 2
    height = min(width * ratio, max_height_mm)
    width = min(width, height / ratio)
    figure = figure_mm(PAGE_WIDTH_MM, height + title)
    x = (PAGE_WIDTH_MM - 2 * width - gap - bar_room) / 2
    left, right = axes_mm(figure, x, 0, width, height), axes_mm(figure, x + width + gap, 0, width, height)
    image_panel(
        left, first, view, colors=_on_black(GREY), limits=_grey_limits(first),
        title=f"First echo, TE {pictures.echo_time_ms:g} ms",
    )  # fmt: skip
    values = pictures.r2star(k, window)
    image = image_panel(right, values, view, colors=_on_black(BLUE_TO_RED), limits=R2STAR_RANGE_HZ, title="$R_2^*$ map")
    for axes in (left, right):
        pictures.outline(axes, k, window)
        edge_marks(axes, view)
    scale_bar(left, view, first.shape, 20)
    bar_axes = axes_mm(figure, x + 2 * width + gap + 2.5, 0.08 * height, bar, 0.84 * height)
    color_bar(figure, image, bar_axes, R2STAR_LABEL, clipped=_exceeds(values))
    return figure


def _exceeds(values: np.ma.MaskedArray) -> bool:
    return bool(values.count() and values.max() > R2STAR_RANGE_HZ[1])


def closeups(pictures: MapPictures, k: int) -> Figure:
    """R2* in both color maps, its standard error, and the status of each voxel, around the region."""
    view, window = pictures.view, pictures.closeup_window(k)
    gap, title, foot = 3.0, 6.5, 19.0
    width = (PAGE_WIDTH_MM - 3 * gap) / 4
    values = pictures.r2star(k, window)
    height = width * values.shape[0] * view.pixel_mm[0] / (values.shape[1] * view.pixel_mm[1])
    figure = figure_mm(PAGE_WIDTH_MM, height + title + foot)
    panels = [axes_mm(figure, column * (width + gap), foot, width, height) for column in range(4)]

    def bar_under(column: int):
        return axes_mm(figure, column * (width + gap) + 0.06 * width, foot - 4.5, 0.88 * width, 2.6)

    for column, (colors, title_text) in enumerate(((BLUE_TO_RED, "$R_2^*$"), (UNIFORM, "$R_2^*$, uniform colors"))):
        image = image_panel(
            panels[column], values, view, colors=_on_black(colors), limits=R2STAR_RANGE_HZ, title=title_text
        )
        color_bar(figure, image, bar_under(column), R2STAR_LABEL, horizontal=True, clipped=_exceeds(values))
    errors = np.ma.masked_array(cut_slice(pictures.fit.r2star_se_hz, k, view, window), mask=values.mask)
    top = nice_ceiling(float(np.percentile(errors.compressed(), 95))) if errors.count() else 1.0
    image = image_panel(
        panels[2], errors, view, colors=_on_black(UNCERTAINTY), limits=(0, top), title="Standard error of $R_2^*$"
    )
    color_bar(
        figure, image, bar_under(2), "SE (Hz)", horizontal=True, clipped=bool(errors.count() and errors.max() > top)
    )
    _status_panel(figure, panels[3], cut_slice(pictures.fit.status, k, view, window), view)
    for axes in panels:
        pictures.outline(axes, k, window)
    edge_marks(panels[0], view)
    scale_bar(panels[0], view, values.shape, 10)
    return figure


def _status_panel(figure: Figure, axes, status: np.ndarray, view: SliceView) -> None:
    """The statuses in flat colors; their legend runs along the foot of the figure."""
    colors = ListedColormap([STATUS_COLORS[s] for s in VoxelStatus])
    image_panel(axes, status, view, colors=colors, limits=(-0.5, len(VoxelStatus) - 0.5), title="Voxel status")
    present = [s for s in VoxelStatus if np.any(status == s)]
    for s in present:
        if s in STATUS_HATCHES and min(status.shape) > 1:
            filled = axes.contourf(status == s, levels=[0.5, 1.5], colors="none", hatches=[STATUS_HATCHES[s] * 2])
            filled.set_linewidth(0)
    handles = [
        Patch(
            facecolor=STATUS_COLORS[s], hatch=STATUS_HATCHES.get(s, ""), edgecolor="#222222", linewidth=0.5,
            label=s.label(),
        )
        for s in present
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 0.0), ncols=len(handles), fontsize=7,
        handlelength=1.4, handleheight=0.9, columnspacing=1.3, handletextpad=0.5, borderpad=0.1, borderaxespad=0.0,
    )  # fmt: skip


def slice_strip(pictures: MapPictures, slices_k: tuple[int, ...], *, columns: int = 5, most: int = 15) -> Figure:
    """R2* of every slice of the region, small; evenly spread ones when there are more than ``most``."""
    if len(slices_k) > most:
        slices_k = tuple(slices_k[i] for i in np.linspace(0, len(slices_k) - 1, most).round().astype(int))
    view = pictures.view
    anywhere = view.show(pictures.roi.any(axis=0))
    window = window_around(anywhere, view.pixel_mm, CLOSEUP_MARGIN_MM, square=True)
    gap, title, foot = 2.5, 6.5, 15.5
    width = (PAGE_WIDTH_MM - (columns - 1) * gap) / columns
    shape = cut_slice(pictures.first_echo, slices_k[0], view, window).shape
    height = width * shape[0] * view.pixel_mm[0] / (shape[1] * view.pixel_mm[1])
    rows = -(-len(slices_k) // columns)
    figure = figure_mm(PAGE_WIDTH_MM, rows * (height + title) + foot)
    for position, k in enumerate(slices_k):
        row, column = divmod(position, columns)
        axes = axes_mm(figure, column * (width + gap), foot + (rows - 1 - row) * (height + title), width, height)
        image = image_panel(
            axes, pictures.r2star(k, window), view, colors=_on_black(BLUE_TO_RED), limits=R2STAR_RANGE_HZ,
            title=f"Slice {k + 1}",
        )  # fmt: skip
        pictures.outline(axes, k, window)
    color_bar(figure, image, axes_mm(figure, 2, foot - 5.0, 60, 2.6), R2STAR_LABEL, horizontal=True, clipped=True)
    return figure


def decay_plot(decay: RegionDecay, *, width_mm: float = 88.0) -> Figure:
    """Mean signal of the region with the scatter of its voxels, the fitted curve, the noise floor; residuals below."""
    figure = figure_mm(width_mm, 72)
    main = axes_mm(figure, 14, 29, width_mm - 16, 33)
    main.errorbar(
        decay.echo_times_ms, decay.mean, yerr=decay.sd, fmt="o", color="#222222", ecolor="#777777", elinewidth=0.9,
        capsize=2.2, label="mean ± SD", zorder=3,
    )  # fmt: skip
    _draw_fit(figure, main, decay, width_mm)
    if decay.noise_sigma:
        main.axhline(decay.noise_sigma, color="#33658A", linewidth=1.0, linestyle=(0, (4, 2)), label="noise σ")
    main.set_xlim(0, decay.curve_times_ms[-1])
    main.set_ylim(0, 1.06 * max((decay.mean + decay.sd).max(), decay.curve[0]))
    main.set_ylabel("Signal (image units)")
    main.set_title("Decay in the region", pad=TITLE_PAD_OVER_LEGEND)
    main.grid(axis="y")
    handles, labels = main.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda n: not labels[n].startswith("mean"))
    _legend_under_title(main, [handles[n] for n in order], [labels[n] for n in order])
    return figure


def _legend_under_title(axes, handles, labels) -> None:
    """In a row above the axes, where no curve can run through it."""
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(labels), columnspacing=1.4,
        handlelength=1.8, handletextpad=0.5, borderpad=0.3, borderaxespad=0.0,
    )  # fmt: skip


def _draw_fit(figure: Figure, main, decay: RegionDecay, width_mm: float) -> None:
    """The curve (dashed before the first echo, where nothing was measured) and the misfit below."""
    measured = decay.curve_times_ms >= decay.echo_times_ms[0]
    main.plot(decay.curve_times_ms, decay.curve, color="#B2182B", linewidth=1.0, linestyle=(0, (2, 2)))
    main.plot(decay.curve_times_ms[measured], decay.curve[measured], color="#B2182B", label="fit")
    main.tick_params(labelbottom=False)
    below = axes_mm(figure, 14, 10, width_mm - 16, 13)
    residual = 100 * (decay.mean - decay.fitted) / decay.mean[0]
    below.axhline(0, color="#B2182B", linewidth=0.9)
    below.plot(decay.echo_times_ms, residual, "o", color="#222222", markersize=3.5)
    reach = nice_ceiling(max(1.0, 1.15 * np.abs(residual).max()))
    below.set_ylim(-reach, reach)
    below.set_yticks([-reach, 0, reach], labels=[f"−{reach:g}", "0", f"{reach:g}"])
    below.set_ylabel("Misfit (%)")
    below.set_xlabel("Echo time (ms)")
    below.set_xlim(0, decay.curve_times_ms[-1])
    below.grid(axis="y")
    figure.align_ylabels([main, below])


def histogram(values_hz: np.ndarray, mean_hz: float, median_hz: float, *, width_mm: float = 88.0) -> Figure:
    """R2* of the used voxels, with mean and median."""
    figure = figure_mm(width_mm, 72)
    axes = axes_mm(figure, 14, 10, width_mm - 16, 52)
    low, high = np.percentile(values_hz, [0.5, 99.5]) if len(values_hz) > 20 else (values_hz.min(), values_hz.max())
    spread = max(high - low, 1.0)
    edges = np.linspace(max(0.0, low - 0.1 * spread), high + 0.1 * spread, 31)
    clipped = np.clip(values_hz, edges[0], edges[-1])
    counts, _, _ = axes.hist(clipped, bins=edges, color="#9FB4C4", edgecolor="white", linewidth=0.4)
    axes.axvline(mean_hz, color="#B2182B", label=f"mean {mean_hz:.1f} Hz")
    axes.axvline(median_hz, color="#222222", linestyle=(0, (3, 2)), label=f"median {median_hz:.1f} Hz")
    axes.set_ylim(0, counts.max() * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(R2STAR_LABEL)
    axes.set_ylabel("Voxels")
    axes.set_title("$R_2^*$ of the used voxels", pad=TITLE_PAD_OVER_LEGEND)
    _legend_under_title(axes, *axes.get_legend_handles_labels())
    axes.grid(axis="y")
    return figure
