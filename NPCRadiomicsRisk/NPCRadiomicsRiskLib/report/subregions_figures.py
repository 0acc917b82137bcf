"""Figures of a sub-region report: how the scans fit, where the sub-regions lie, their histograms, the map."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from NPCResponseLib.report.figure_parts import (
    BLUE_TO_RED,
    GREY,
    HALO,
    axes_mm,
    color_bar,
    figure_mm,
)

from ..alignment.pictures import comparison_slices
from .planes import MARKS, Plane, gray

WIDTH_MM, PANEL_MM, GAP_MM, TITLE_MM = 180.0, 58.0, 3.0, 6.0
PIXEL_MM = 0.5
PLANES = ("axial", "coronal", "sagittal")
NORMALS = {"axial": 2, "coronal": 1, "sagittal": 0}  # of R, A, S
# As the segments: GTVr red, GTVnr yellow, GTV green. Told apart in gray by solid, dashed and dotted.
REGION_COLORS = {"GTV": "#73d973", "GTVr": "#e0352b", "GTVnr": "#f2d935"}
REGION_STYLES = {"GTV": "dotted", "GTVr": "solid", "GTVnr": "dashed"}
EDGE_COLOR = "#ffb000"
FIELD_MM = 20.0  # of the checkerboard


def alignment_figure(
    fixed: np.ndarray,
    fixed_to_ras: np.ndarray,
    moving: np.ndarray,
    moving_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray,
    center_ras,
    size_mm: float = 140.0,
) -> Figure:
    """Two rows: a checkerboard of both scans, and the borders in the recurrence scan over the pre-treatment scan."""
    figure = _panels(2)
    planes = comparison_slices(
        fixed, fixed_to_ras, moving, moving_to_ras, moving_to_fixed_ras, center_ras=center_ras, size_mm=size_mm,
        pixel_mm=PIXEL_MM, field_mm=FIELD_MM,
    )  # fmt: skip
    for column, name in enumerate(PLANES):
        found = planes[name]
        _image(_axes(figure, 0, 2, column), found.checkerboard, name, name.capitalize())
        axes = _axes(figure, 1, 2, column)
        _image(axes, found.fixed, name, "")
        rows, columns = np.nonzero(found.moving_edges)
        axes.plot(
            columns, rows, linestyle="none", marker=".", markersize=0.7, color=EDGE_COLOR, scalex=False, scaley=False
        )
    return figure


def regions_figure(
    image: np.ndarray,
    image_to_ras: np.ndarray,
    masks: Mapping[str, np.ndarray],
    masks_to_ras: np.ndarray,
    center_ras,
    through_ras=None,
    size_mm: float = 90.0,
) -> Figure:
    """Outlines of GTV and GTVr over the pre-treatment scan.

    Args:
        center_ras: middle of the pictures.
        through_ras: a point of all three planes; the middle if None.
    """
    figure = _panels(1)
    for column, name in enumerate(PLANES):
        plane = Plane.through(in_plane(center_ras, through_ras, name), name, size_mm, PIXEL_MM)
        axes = _axes(figure, 0, 1, column)
        _image(axes, gray(plane.sample(image, image_to_ras)), name, name.capitalize())
        for region in ("GTV", "GTVr"):
            _outline(axes, plane.sample_mask(masks[region], masks_to_ras), region)
        _scale_bar(axes, plane, 20.0)
    return figure


def map_figure(
    image: np.ndarray,
    values: np.ndarray,
    boost: np.ndarray,
    to_ras: np.ndarray,
    center_ras,
    through_ras=None,
    size_mm: float = 90.0,
) -> Figure:
    """The radio-resistance map over the scan, with the suggested region outlined."""
    figure = _panels(1)
    limits = np.percentile(values[values != 0], (2, 98)) if values.any() else (0.0, 1.0)
    for column, name in enumerate(PLANES):
        plane = Plane.through(in_plane(center_ras, through_ras, name), name, size_mm, PIXEL_MM)
        axes = _axes(figure, 0, 1, column, bar_mm=12.0)
        _image(axes, gray(plane.sample(image, to_ras)), name, name.capitalize())
        shown = plane.sample(values, to_ras, order=0)
        overlay = axes.imshow(
            np.ma.masked_equal(shown, 0), cmap=BLUE_TO_RED, vmin=limits[0], vmax=max(limits[1], limits[0] + 1e-6)
        )
        _outline(axes, plane.sample_mask(boost, to_ras), "GTVr")
    bar = axes_mm(figure, WIDTH_MM - 9, 4, 3, PANEL_MM - 8)
    color_bar(figure, overlay, bar, "score (no unit)")
    return figure


def histogram_figure(bin_edges: np.ndarray, densities: Mapping[str, np.ndarray]) -> Figure:
    """Normalized histograms of the sub-regions on one intensity scale."""
    figure = figure_mm(WIDTH_MM / 2, 52)
    axes = axes_mm(figure, 14, 11, WIDTH_MM / 2 - 18, 36)
    for region, density in densities.items():
        axes.stairs(
            density, bin_edges, color=_ink(region), linestyle=REGION_STYLES.get(region, "solid"), linewidth=1.3,
            label=region,
        )  # fmt: skip
    axes.set_xlabel("Intensity (image units)")
    axes.set_ylabel("Density")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.legend()
    return figure


def in_plane(center_ras, through_ras, name: str) -> np.ndarray:
    """The middle of a picture, moved along its normal into the plane through a point."""
    center = np.array(center_ras, dtype=float)
    if through_ras is not None:
        normal = NORMALS[name]
        center[normal] = through_ras[normal]
    return center


def _ink(region: str) -> str:
    """Yellow does not show on white."""
    return {"GTVnr": "#8a6d00"}.get(region, REGION_COLORS.get(region, "#333333"))


def _panels(rows: int) -> Figure:
    return figure_mm(WIDTH_MM, rows * PANEL_MM + (rows - 1) * GAP_MM + TITLE_MM)


def _axes(figure: Figure, row: int, rows: int, column: int, bar_mm: float = 0.0) -> Axes:
    width = (WIDTH_MM - bar_mm - 2 * GAP_MM) / 3
    bottom = (rows - 1 - row) * (PANEL_MM + GAP_MM)
    return axes_mm(figure, column * (width + GAP_MM), bottom, width, PANEL_MM)


def _image(axes: Axes, shown: np.ndarray, plane: str, title: str):
    image = axes.imshow(shown, cmap=GREY, vmin=0, vmax=1, origin="upper", interpolation="bilinear")
    axes.set_axis_off()
    if title:
        axes.set_title(title)
    left, right, top, bottom = MARKS[plane]
    style = {"color": "white", "fontsize": 7.5, "fontweight": "bold", "transform": axes.transAxes, "path_effects": HALO}
    axes.text(0.02, 0.5, left, ha="left", va="center", **style)
    axes.text(0.98, 0.5, right, ha="right", va="center", **style)
    axes.text(0.5, 0.98, top, ha="center", va="top", **style)
    axes.text(0.5, 0.02, bottom, ha="center", va="bottom", **style)
    return image


def _outline(axes: Axes, mask: np.ndarray, region: str) -> None:
    if not mask.any():
        return
    style = REGION_STYLES[region]
    axes.contour(mask.astype(float), levels=[0.5], colors="black", linewidths=2.0)
    axes.contour(mask.astype(float), levels=[0.5], colors=REGION_COLORS[region], linewidths=1.1, linestyles=style)


def _scale_bar(axes: Axes, plane: Plane, length_mm: float) -> None:
    size = plane.points_ras.shape[0]
    x, y = 0.04 * size, 0.955 * size
    axes.plot(
        [x, x + length_mm / plane.pixel_mm], [y, y], color="white", linewidth=1.6, path_effects=HALO, scalex=False,
        scaley=False,
    )  # fmt: skip
    axes.text(x, y - 0.02 * size, f"{length_mm:g} mm", color="white", fontsize=6.5, va="bottom", path_effects=HALO)
