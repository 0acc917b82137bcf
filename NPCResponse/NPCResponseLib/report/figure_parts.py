"""What the figures of a report share: sizes in millimeters, image panels, outlines, color bars, inline SVG."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from .slice_view import SliceView, Window

STYLE_FILE = Path(__file__).with_name("npc.mplstyle")
MM_PER_INCH = 25.4
HALO = (patheffects.withStroke(linewidth=2.0, foreground="black"),)

# Blue, cyan, green, yellow, red: the colors of the R2* maps in Xu et al. 2023, low to high.
BLUE_TO_RED = LinearSegmentedColormap.from_list("blue to red", ["#0000FF", "#00FFFF", "#00FF00", "#FFFF00", "#FF0000"])
# Even steps of lightness: the same for the color blind, and after a black-and-white printer.
UNIFORM = matplotlib.colormaps["cividis"]
UNCERTAINTY = matplotlib.colormaps["magma"]
GREY = matplotlib.colormaps["gray"]


@contextmanager
def report_style() -> Iterator[None]:
    """The house style, for the figures made and saved inside the block; matplotlib's own settings come back after."""
    with matplotlib.rc_context(fname=STYLE_FILE):
        yield


def figure_mm(width_mm: float, height_mm: float) -> Figure:
    return Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))


def axes_mm(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes placed in millimeters from the figure's lower left corner."""
    full_width, full_height = figure.get_size_inches() * MM_PER_INCH
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def svg_data_uri(figure: Figure) -> str:
    """The figure as a data URI for <img src>: vector text and lines, embedded pixels, nothing external."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def image_panel(
    axes: Axes, shown: np.ndarray, view: SliceView, *, colors: Colormap, limits: tuple[float, float], title: str
):
    """One displayed slice (already turned and cut), nearest-neighbor, true aspect, with the edge letters."""
    height_mm, width_mm = view.pixel_mm
    image = axes.imshow(shown, cmap=colors, norm=Normalize(*limits), aspect=height_mm / width_mm, origin="upper")
    axes.set_axis_off()
    axes.set_title(title)
    return image


def edge_marks(axes: Axes, view: SliceView) -> None:
    """Letters of the anatomical directions, inside the picture at its four edges."""
    left, right, top, bottom = view.marks
    style = {"color": "white", "fontsize": 8, "fontweight": "bold", "transform": axes.transAxes, "path_effects": HALO}
    axes.text(0.015, 0.5, left, ha="left", va="center", **style)
    axes.text(0.985, 0.5, right, ha="right", va="center", **style)
    axes.text(0.5, 0.985, top, ha="center", va="top", **style)
    axes.text(0.5, 0.015, bottom, ha="center", va="bottom", **style)


def scale_bar(axes: Axes, view: SliceView, shape: tuple[int, int], length_mm: float) -> None:
    """A length in millimeters at the lower left."""
    length = length_mm / view.pixel_mm[1]
    x, y = 0.03 * shape[1] - 0.5, 0.955 * shape[0] - 0.5
    axes.plot(
        [x, x + length], [y, y], color="white", linewidth=1.6, solid_capstyle="butt", path_effects=HALO, scalex=False,
        scaley=False,
    )  # fmt: skip
    axes.text(x, y - 0.025 * shape[0], f"{length_mm:g} mm", color="white", fontsize=6.5, va="bottom", path_effects=HALO)


def draw_outline(axes: Axes, mask: np.ndarray, *, dotted: bool = False) -> None:
    """Outline a displayed mask along the borders of its pixels: white on a black rim, so that it shows on any color."""
    segments = border_segments(mask)
    if not len(segments):
        return
    width, style = (0.8, (0, (1.2, 1.2))) if dotted else (1.1, "solid")
    axes.add_collection(LineCollection(segments, colors="black", linewidths=width + 1.1, capstyle="projecting"))
    axes.add_collection(
        LineCollection(
            segments, colors="white", linewidths=width, linestyles=[style], capstyle="butt" if dotted else "projecting"
        )
    )


def border_segments(mask: np.ndarray) -> list[list[tuple[float, float]]]:
    """The straight pieces ((x, y), (x, y)) between pixels inside and outside a mask, in pixel-center coordinates."""
    padded = np.pad(mask.astype(bool), 1)
    segments = []
    rows, columns = np.nonzero(padded[1:, :] != padded[:-1, :])  # between row and row + 1 of the padded mask
    segments += [[(c - 1.5, r - 0.5), (c - 0.5, r - 0.5)] for r, c in zip(rows.tolist(), columns.tolist(), strict=True)]
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    segments += [[(c - 0.5, r - 1.5), (c - 0.5, r - 0.5)] for r, c in zip(rows.tolist(), columns.tolist(), strict=True)]
    return segments


def color_bar(
    figure: Figure, image, axes: Axes, label: str, *, horizontal: bool = False, clipped: bool = False
) -> None:
    """A color bar in its own axes, with the unit in its label and an arrow when values lie above its end."""
    bar = figure.colorbar(
        image, cax=axes, orientation="horizontal" if horizontal else "vertical", extend="max" if clipped else "neither"
    )
    bar.set_label(label, labelpad=2)
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(length=2)


def cut_slice(volume_kji: np.ndarray, k: int, view: SliceView, window: Window) -> np.ndarray:
    return window.cut(view.show(volume_kji[k]))


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 2.5, 5 x 10^n: ends of color bars that read well."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9)))
