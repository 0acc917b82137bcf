"""Pictures of a map that any report may show: over its anatomy, close up, slice by slice, with the voxels' status."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..voxel_status import StatusCode
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
CLOSEUP_MARGIN_MM = 18.0
TITLE_PAD_OVER_LEGEND = 18.0  # points
HISTOGRAM_BOX_MM = (10.0, 52.0)  # bottom and height of its axes, for figures beside it


@dataclass(frozen=True)
class MapStyle:
    """How a kind of map is shown. Texts may hold matplotlib's mathematics.

    Attributes:
        name: of the quantity ("$R_2^*$"). label: with its unit, for color bars.
        limits: one fixed range for every report, so that two of them compare at a glance.
        second_name, second_label: of the map shown third, usually the standard error.
        status_colors: per status code, ordered by lightness so that they part in grey too; status_hatches for those
            that stay in the statistics.
    """

    name: str
    label: str
    limits: tuple[float, float]
    second_name: str
    second_label: str
    status_colors: Mapping[StatusCode, str]
    status_hatches: Mapping[StatusCode, str]


@dataclass(frozen=True)
class MapPictures:
    """What the picture of one slice needs: volumes KJI of one shape, and the view that turns their slices.

    Attributes:
        underlay: an image that shows anatomy; underlay_title says which.
        values, status: the map, and what became of each voxel. second: the map that is shown beside it, or None.
        roi, used: the region after its slice rule, and the part of it that the statistics rest on; or None.
    """

    underlay: np.ndarray
    underlay_title: str
    values: np.ndarray
    second: np.ndarray | None
    status: np.ndarray
    style: MapStyle
    view: SliceView
    roi: np.ndarray | None
    used: np.ndarray | None

    def fitted(self, k: int) -> np.ndarray:
        """Displayed mask of the voxels that have a value."""
        fitted = [status for status in self.style.status_colors if status.is_fitted]
        return np.isin(self.view.show(self.status[k]), fitted)

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

    def shown(self, k: int, window: Window) -> np.ma.MaskedArray:
        values = cut_slice(self.values, k, self.view, window)
        return np.ma.masked_array(values, mask=~window.cut(self.fitted(k)))


def _on_black(colors):
    return colors.with_extremes(bad="black")


def _grey_limits(shown: np.ndarray) -> tuple[float, float]:
    finite = shown[np.isfinite(shown)]
    return (0.0, float(np.percentile(finite, 99.5)) or 1.0) if finite.size else (0.0, 1.0)


def overview(pictures: MapPictures, k: int, *, max_height_mm: float = 86.0) -> Figure:
    """Anatomy and map of one slice side by side, region outlined."""
    style = pictures.style
    view, window = pictures.view, pictures.body_window(k)
    first = cut_slice(pictures.underlay, k, view, window)
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
        title=pictures.underlay_title,
    )  # fmt: skip
    values = pictures.shown(k, window)
    image = image_panel(
        right, values, view, colors=_on_black(BLUE_TO_RED), limits=style.limits, title=f"{style.name} map"
    )
    for axes in (left, right):
        pictures.outline(axes, k, window)
        edge_marks(axes, view)
    scale_bar(left, view, first.shape, 20)
    bar_axes = axes_mm(figure, x + 2 * width + gap + 2.5, 0.08 * height, bar, 0.84 * height)
    color_bar(figure, image, bar_axes, style.label, clipped=_exceeds(values, style.limits[1]))
    return figure


def _exceeds(values: np.ma.MaskedArray, top: float) -> bool:
    return bool(values.count() and values.max() > top)


def closeups(pictures: MapPictures, k: int) -> Figure:
    """The map in both color maps, the second map if there is one, and the status of each voxel, around the region."""
    style = pictures.style
    view, window = pictures.view, pictures.closeup_window(k)
    gap, title, foot = 3.0, 6.5, 19.0
    width = (PAGE_WIDTH_MM - 3 * gap) / 4
    values = pictures.shown(k, window)
    height = width * values.shape[0] * view.pixel_mm[0] / (values.shape[1] * view.pixel_mm[1])
    figure = figure_mm(PAGE_WIDTH_MM, height + title + foot)
    n_panels = 3 if pictures.second is None else 4
    panels = [axes_mm(figure, column * (width + gap), foot, width, height) for column in range(n_panels)]

    def bar_under(column: int):
        return axes_mm(figure, column * (width + gap) + 0.06 * width, foot - 4.5, 0.88 * width, 2.6)

    for column, (colors, title_text) in enumerate(
        ((BLUE_TO_RED, style.name), (UNIFORM, f"{style.name}, uniform colors"))
    ):
        image = image_panel(
            panels[column], values, view, colors=_on_black(colors), limits=style.limits, title=title_text
        )
        color_bar(
            figure, image, bar_under(column), style.label, horizontal=True, clipped=_exceeds(values, style.limits[1])
        )
    if pictures.second is not None:
        errors = np.ma.masked_array(cut_slice(pictures.second, k, view, window), mask=values.mask)
        top = nice_ceiling(float(np.percentile(errors.compressed(), 95))) if errors.count() else 1.0
        image = image_panel(
            panels[2], errors, view, colors=_on_black(UNCERTAINTY), limits=(0, top), title=style.second_name
        )
        color_bar(figure, image, bar_under(2), style.second_label, horizontal=True, clipped=_exceeds(errors, top))
    _status_panel(figure, panels[-1], cut_slice(pictures.status, k, view, window), view, style)
    for axes in panels:
        pictures.outline(axes, k, window)
    edge_marks(panels[0], view)
    scale_bar(panels[0], view, values.shape, 10)
    return figure


def _status_panel(figure: Figure, axes, status: np.ndarray, view: SliceView, style: MapStyle) -> None:
    """The statuses in flat colors; their legend runs along the foot of the figure."""
    colors = ListedColormap(list(style.status_colors.values()))
    image_panel(axes, status, view, colors=colors, limits=(-0.5, len(style.status_colors) - 0.5), title="Voxel status")
    present = [s for s in style.status_colors if np.any(status == s)]
    for s in present:
        if s in style.status_hatches and min(status.shape) > 1:
            filled = axes.contourf(status == s, levels=[0.5, 1.5], colors="none", hatches=[style.status_hatches[s] * 2])
            filled.set_linewidth(0)
    handles = [
        Patch(
            facecolor=style.status_colors[s], hatch=style.status_hatches.get(s, ""), edgecolor="#222222", linewidth=0.5,
            label=s.label(),
        )
        for s in present
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 0.0), ncols=len(handles), fontsize=7,
        handlelength=1.4, handleheight=0.9, columnspacing=1.3, handletextpad=0.5, borderpad=0.1, borderaxespad=0.0,
    )  # fmt: skip


def slice_strip(pictures: MapPictures, slices_k: tuple[int, ...], *, columns: int = 5, most: int = 15) -> Figure:
    """The map in every slice of the region, small; evenly spread ones when there are more than ``most``."""
    style = pictures.style
    if len(slices_k) > most:
        slices_k = tuple(slices_k[i] for i in np.linspace(0, len(slices_k) - 1, most).round().astype(int))
    view = pictures.view
    anywhere = view.show(pictures.roi.any(axis=0))
    window = window_around(anywhere, view.pixel_mm, CLOSEUP_MARGIN_MM, square=True)
    gap, title, foot = 2.5, 6.5, 15.5
    width = (PAGE_WIDTH_MM - (columns - 1) * gap) / columns
    shape = cut_slice(pictures.underlay, slices_k[0], view, window).shape
    height = width * shape[0] * view.pixel_mm[0] / (shape[1] * view.pixel_mm[1])
    rows = -(-len(slices_k) // columns)
    figure = figure_mm(PAGE_WIDTH_MM, rows * (height + title) + foot)
    for position, k in enumerate(slices_k):
        row, column = divmod(position, columns)
        axes = axes_mm(figure, column * (width + gap), foot + (rows - 1 - row) * (height + title), width, height)
        image = image_panel(
            axes, pictures.shown(k, window), view, colors=_on_black(BLUE_TO_RED), limits=style.limits,
            title=f"Slice {k + 1}",
        )  # fmt: skip
        pictures.outline(axes, k, window)
    color_bar(figure, image, axes_mm(figure, 2, foot - 5.0, 60, 2.6), style.label, horizontal=True, clipped=True)
    return figure


def histogram(
    values: np.ndarray, mean: float, median: float, style: MapStyle, unit: str = "", *, fitted: float | None = None,
    width_mm: float = 88.0,
) -> Figure:  # fmt: skip
    """The map's values in the used voxels, with mean and median; ``fitted``: the number of the region if not theirs."""
    figure = figure_mm(width_mm, 72)
    axes = axes_mm(figure, 14, HISTOGRAM_BOX_MM[0], width_mm - 16, HISTOGRAM_BOX_MM[1])
    low, high = np.percentile(values, [0.5, 99.5]) if len(values) > 20 else (values.min(), values.max())
    spread = max(high - low, 1.0)
    edges = np.linspace(max(min(0.0, low), low - 0.1 * spread), high + 0.1 * spread, 31)
    clipped = np.clip(values, edges[0], edges[-1])
    counts, _, _ = axes.hist(clipped, bins=edges, color="#9FB4C4", edgecolor="white", linewidth=0.4)
    axes.axvline(mean, color="#B2182B", label=f"mean {mean:.1f} {unit}".rstrip())
    if fitted is None:
        axes.axvline(median, color="#222222", linestyle=(0, (3, 2)), label=f"median {median:.1f} {unit}".rstrip())
    else:
        axes.axvline(fitted, color="#222222", linestyle=(0, (3, 2)), label=f"result {fitted:.1f} {unit}".rstrip())
    axes.set_ylim(0, counts.max() * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(style.label)
    axes.set_ylabel("Voxels")
    axes.set_title(f"{style.name} of the used voxels", pad=TITLE_PAD_OVER_LEGEND)
    legend_under_title(axes, *axes.get_legend_handles_labels())
    axes.grid(axis="y")
    return figure


def legend_under_title(axes, handles, labels) -> None:
    """In a row above the axes, where no curve can run through it."""
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(labels), columnspacing=1.4,
        handlelength=1.8, handletextpad=0.5, borderpad=0.3, borderaxespad=0.0,
    )  # fmt: skip
