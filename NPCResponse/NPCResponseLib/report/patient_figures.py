"""The figures of a patient's report: time points side by side at one scale, decays, trends, published rules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..assessment import TrendRow
from ..diameters import Diameter, Plane
from ..published_rules import PublishedGroup, RuleResult
from ..region_decay import RegionDecay
from ..time_points import MeasuredValue
from .figure_parts import (
    BLUE_TO_RED,
    GREY,
    HALO,
    UNIFORM,
    axes_mm,
    color_bar,
    draw_outline,
    edge_marks,
    figure_mm,
    image_panel,
    scale_bar,
)
from .map_figures import PAGE_WIDTH_MM, TITLE_PAD_OVER_LEGEND, MapStyle, legend_under_title
from .slice_view import SliceView

MARGIN_MM = 22.0
COLUMNS = 4
WIDEST_PANEL_MM = 88.75
GAP_MM, TITLE_MM, BAR_MM, BAR_ROOM_MM = 2.5, 6.5, 3.0, 17.0
# Of time points, in their order; told apart by marker and dash in gray, too.
COLORS = ("#222222", "#B2182B", "#33658A", "#B9770E", "#6A3D9A", "#1B7837")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)), (0, (8, 2)))
FAVORABLE_TINT = "#E3EEE6"
CHARACTER_MM = 1.75  # of a bold title
LEGEND_CHARACTERS = 52  # that fit above a plot of half a page
LENGTH_TEXT_MM = 19.0  # of "46.1 mm" beside a line, clear of the letter at the edge


@dataclass(frozen=True)
class Picture:
    """One displayed slice with what is drawn on it; all arrays 2-D of one shape, already turned.

    Attributes:
        title, number: stand above it; a long title is shortened, the number ("43.5 Hz") is not.
        shown: image or map; masked where there is no value.
        outline: the region, or None. left_out: the part of it that is drawn dotted, or None.
        focus: what the picture is centered on; the whole slice if it is empty.
        line: two (x, y) ends in pixels with a text, or None.
    """

    title: str
    shown: np.ndarray
    view: SliceView
    focus: np.ndarray
    outline: np.ndarray | None = None
    left_out: np.ndarray | None = None
    line: tuple[tuple[float, float], tuple[float, float]] | None = None
    line_text: str = ""
    number: str = ""


# -- from volumes to pictures --


def turned_to(plane: Plane, volume_kji: np.ndarray, ijk_to_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A view of the volume whose (j, i) slices lie in the plane nearest to the one asked for, and its matrix."""
    matrix = np.asarray(ijk_to_ras, dtype=np.float64)
    directions = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    first = 2 - int(np.argmax(np.abs(directions[plane.normal_axis])))
    order = [first, *(axis for axis in range(3) if axis != first)]
    return volume_kji.transpose(order), matrix[:, [*(2 - axis for axis in reversed(order)), 3]]


def anatomy_picture(
    title: str,
    image: np.ndarray,
    ijk_to_ras: np.ndarray,
    mask: np.ndarray | None,
    plane: Plane = Plane.AXIAL,
    diameter: Diameter | None = None,
) -> Picture:
    """The slice with the diameter, or with the largest section of the mask, or the middle one."""
    turned, matrix = turned_to(plane, np.asarray(image), ijk_to_ras)
    turned_mask = (
        np.zeros(turned.shape, bool) if mask is None else turned_to(plane, np.asarray(mask), ijk_to_ras)[0] > 0
    )
    view = SliceView.of(matrix)
    ends = None
    if diameter is not None:
        ras = np.array([[*diameter.start_ras, 1.0], [*diameter.end_ras, 1.0]])
        ends = (np.linalg.inv(matrix) @ ras.T)[:3].T
    k = _slice_of(turned_mask, ends)
    shown = view.show(turned[k])
    section = view.show(turned_mask[k])
    return Picture(
        title=title,
        shown=np.asarray(shown, dtype=np.float64),
        view=view,
        focus=section,
        outline=section if section.any() else None,
        line=None if ends is None else tuple(_displayed(end, view, shown.shape) for end in ends),
        line_text="" if diameter is None else f"{diameter.length_mm:.1f} mm",
    )


def _slice_of(mask: np.ndarray, ends: np.ndarray | None) -> int:
    if ends is not None:
        return int(np.clip(round(float(ends[:, 2].mean())), 0, len(mask) - 1))
    return int(mask.sum(axis=(1, 2)).argmax()) if mask.any() else len(mask) // 2


def _displayed(ijk: np.ndarray, view: SliceView, shape: tuple[int, int]) -> tuple[float, float]:
    """(x, y) in pixels of the displayed slice."""
    row, column = (ijk[0], ijk[1]) if view.transposed else (ijk[1], ijk[0])
    row = shape[0] - 1 - row if view.flipped[0] else row
    column = shape[1] - 1 - column if view.flipped[1] else column
    return float(column), float(row)


def map_picture(
    title: str,
    values: np.ndarray,
    fitted: np.ndarray,
    ijk_to_ras: np.ndarray,
    roi: np.ndarray | None,
    used: np.ndarray | None,
    number: str = "",
) -> Picture:
    """The slice of a map with the region's largest section, or with most values. All arrays KJI, masks boolean."""
    has_region = roi is not None and roi.any()
    k = int(np.count_nonzero(roi if has_region else fitted, axis=(1, 2)).argmax())
    view = SliceView.of(ijk_to_ras)
    has_value = view.show(fitted[k])
    region = view.show(roi[k]) if has_region else None
    left_out = None if region is None or used is None else region & ~view.show(used[k]) & has_value
    dense = has_value & (has_value.mean(axis=0) > 0.02)[None, :] & (has_value.mean(axis=1) > 0.02)[:, None]
    return Picture(
        title=title,
        shown=np.ma.masked_array(view.show(values[k]), mask=~has_value),
        view=view,
        focus=dense if region is None else region,
        outline=region,
        left_out=left_out,
        number=number,
    )


def at_one_scale(pictures: Sequence[Picture], margin_mm: float = MARGIN_MM) -> list[Picture]:
    """All cut to squares of the same side in millimeters, around what each is centered on."""
    side_mm = max(_extent_mm(picture) for picture in pictures) + 2 * margin_mm
    largest_mm = max(n * mm for p in pictures for n, mm in zip(p.shown.shape, p.view.pixel_mm, strict=True))
    return [_cut(picture, min(side_mm, largest_mm)) for picture in pictures]


def _bounds(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last, of rows and columns; all of them where the mask is empty."""
    if not mask.any():
        return [(0, size) for size in mask.shape]
    hits = (np.flatnonzero(mask.any(axis=1 - axis)) for axis in (0, 1))
    return [(int(hit[0]), int(hit[-1]) + 1) for hit in hits]


def _extent_mm(picture: Picture) -> float:
    return max((b - a) * mm for (a, b), mm in zip(_bounds(picture.focus), picture.view.pixel_mm, strict=True))


def _cut(picture: Picture, side_mm: float) -> Picture:
    """Beyond the image there is black."""
    starts, sizes = [], []
    for (first, last), mm, size in zip(_bounds(picture.focus), picture.view.pixel_mm, picture.shown.shape, strict=True):
        wanted = max(1, round(side_mm / mm))
        start = round((first + last - wanted) / 2)
        if wanted <= size:
            start = min(max(start, 0), size - wanted)
        starts.append(start)
        sizes.append(wanted)

    def window(array: np.ndarray, fill) -> np.ndarray:
        out = np.full(sizes, fill, dtype=array.dtype)
        source = [slice(max(0, a), max(0, min(n, a + s))) for a, s, n in zip(starts, sizes, array.shape, strict=True)]
        target = [slice(s.start - a, s.stop - a) for s, a in zip(source, starts, strict=True)]
        out[tuple(target)] = array[tuple(source)]
        return out

    mask = window(np.ma.getmaskarray(picture.shown), True)
    shown = np.ma.masked_array(window(np.ma.getdata(picture.shown), 0), mask=mask)
    line = picture.line
    if line is not None:
        line = tuple((x - starts[1], y - starts[0]) for x, y in line)
    return replace(
        picture,
        shown=shown,
        focus=window(picture.focus, False),
        outline=None if picture.outline is None else window(picture.outline, False),
        left_out=None if picture.left_out is None else window(picture.left_out, False),
        line=line,
    )


# -- pictures side by side --


def anatomy_panels(pictures: Sequence[Picture]) -> Figure:
    """Anatomical slices, each in its own window of grays: signals of two examinations are no common scale."""
    return _panels(at_one_scale(pictures), [(GREY, None, "")])


def map_panels(pictures: Sequence[Picture], style: MapStyle) -> Figure:
    """Maps of all time points, in the papers' colors and in uniform ones, all at the limits of the style."""
    return _panels(
        at_one_scale(pictures), [(BLUE_TO_RED, style.limits, style.label), (UNIFORM, style.limits, style.label)]
    )


def _panels(pictures: Sequence[Picture], scales: Sequence[tuple[Colormap, tuple[float, float] | None, str]]) -> Figure:
    """One block of pictures per color scale; two scales of one or two pictures share a row."""
    beside = len(scales) > 1 and len(pictures) <= 2
    columns = min(len(pictures), COLUMNS)
    rows = -(-len(pictures) // columns)
    room = BAR_ROOM_MM if scales[0][1] else 0.0
    across = len(scales) if beside else 1
    width = (PAGE_WIDTH_MM / across - room - (columns - 1) * GAP_MM) / columns
    width = min(width, WIDEST_PANEL_MM if across == 1 else 62.0)
    down = 1 if beside else len(scales)
    block_width, block_height = columns * (width + GAP_MM) - GAP_MM + room, rows * (width + TITLE_MM)
    figure = figure_mm(PAGE_WIDTH_MM, down * block_height + 1)
    for number, (colors, limits, label) in enumerate(scales):
        x0 = number * block_width if beside else 0.0
        y0 = (0 if beside else (down - 1 - number) * block_height) + 0.5
        image = None
        for position, picture in enumerate(pictures):
            row, column = divmod(position, columns)
            axes = axes_mm(
                figure, x0 + column * (width + GAP_MM), y0 + (rows - 1 - row) * (width + TITLE_MM), width, width
            )
            image = _panel(axes, picture, colors, limits or _grays(picture), width, first=position == 0)
        if limits:
            clipped = any(picture.shown.count() and picture.shown.max() > limits[1] for picture in pictures)
            bar_height = min(block_height - TITLE_MM, 60.0) * 0.9
            bar_x = x0 + columns * (width + GAP_MM)
            bar_y = y0 + (block_height - TITLE_MM - bar_height) / 2
            color_bar(figure, image, axes_mm(figure, bar_x, bar_y, BAR_MM, bar_height), label, clipped=clipped)
    return figure


def _panel(axes, picture: Picture, colors: Colormap, limits: tuple[float, float], width_mm: float, *, first: bool):
    number = f"  {picture.number}" if picture.number else ""
    title = plain(picture.title, width_mm - CHARACTER_MM * len(number)) + number
    image = image_panel(
        axes, picture.shown, picture.view, colors=colors.with_extremes(bad="black"), limits=limits, title=title
    )
    if picture.left_out is not None:
        draw_outline(axes, picture.left_out, dotted=True)
    if picture.outline is not None:
        draw_outline(axes, picture.outline)
    if picture.line is not None:
        _draw_diameter(axes, picture, width_mm)
    edge_marks(axes, picture.view)
    if first:
        scale_bar(axes, picture.view, picture.shown.shape, 20)
    return image


def _draw_diameter(axes, picture: Picture, width_mm: float) -> None:
    """The line with its ends, and its length beyond the one that has room, or in the corner."""
    (x0, y0), (x1, y1) = picture.line
    axes.plot(
        [x0, x1], [y0, y1], color="#FFD400", linewidth=1.3, marker="o", markersize=2.6, path_effects=HALO,
        scalex=False, scaley=False,
    )  # fmt: skip
    left, right = sorted(picture.line)
    pixel_mm = width_mm / picture.shown.shape[1]
    style = {"color": "#FFD400", "fontsize": 8.5, "fontweight": "bold", "path_effects": HALO}
    beside = {"textcoords": "offset points", "va": "center", **style}
    if width_mm - right[0] * pixel_mm > LENGTH_TEXT_MM:
        axes.annotate(picture.line_text, right, (5, 0), ha="left", **beside)
    elif left[0] * pixel_mm > LENGTH_TEXT_MM:
        axes.annotate(picture.line_text, left, (-5, 0), ha="right", **beside)
    else:
        axes.text(0.97, 0.03, picture.line_text, transform=axes.transAxes, ha="right", va="bottom", **style)


def _grays(picture: Picture) -> tuple[float, float]:
    finite = picture.shown.compressed()
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, [1.0, 99.7])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def plain(text: str, width_mm: float = math.inf) -> str:
    """Text that matplotlib shows as it is, shortened to a width."""
    most = max(4, int(width_mm / CHARACTER_MM)) if math.isfinite(width_mm) else len(text)
    short = text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
    return short.replace("$", r"\$").replace("R2*", "$R_2^*$")


# -- curves --


def decay_plot(decays: Sequence[tuple[str, RegionDecay]], *, width_mm: float = 88.0) -> Figure:
    """Mean signals of the region at all time points, each over its own fitted signal at echo time 0."""
    figure = figure_mm(width_mm, 72)
    axes = axes_mm(figure, 14, 12, width_mm - 16, 46)
    handles = []
    for number, (name, decay) in enumerate(decays):
        color, marker, dash = (series[number % len(series)] for series in (COLORS, MARKERS, DASHES))
        start = decay.curve[0] or 1.0
        axes.errorbar(
            decay.echo_times_ms, decay.mean / start, yerr=decay.sd / start, fmt=marker, color=color, elinewidth=0.8,
            capsize=2.0, markersize=4, zorder=3,
        )  # fmt: skip
        axes.plot(decay.curve_times_ms, decay.curve / start, color=color, linestyle=dash, linewidth=1.2)
        handles.append(Line2D([], [], color=color, marker=marker, markersize=4, linestyle=dash, label=plain(name, 42)))
    axes.set_xlim(0, max(decay.curve_times_ms[-1] for _, decay in decays))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Echo time (ms)")
    axes.set_ylabel("Signal / fitted signal at TE 0")
    axes.set_title("Decay in the region, mean ± SD and fit", pad=TITLE_PAD_OVER_LEGEND)
    axes.grid(axis="y")
    labels = [handle.get_label() for handle in handles]
    if sum(map(len, labels)) + 7 * len(labels) < LEGEND_CHARACTERS:
        legend_under_title(axes, handles, labels)
    else:  # decays leave the upper right corner free
        axes.legend(handles, labels, loc="upper right", borderaxespad=0.0)
    return figure


@dataclass(frozen=True)
class Trend:
    """One quantity over time: rows of the assessment in their order, and the band of repeatability.

    Attributes:
        name, unit: for the title, which may have two lines, and the axis.
        intervals: 95 % per row, or None.
        band: (low, high) around the baseline that repeated measurements stay in, or None.
    """

    name: str
    unit: str
    rows: tuple[TrendRow, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    band: tuple[float, float] | None = None


def trend_plot(trends: Sequence[Trend], names: Sequence[str], days: Sequence[float] | None) -> Figure:
    """A panel per quantity, all over the same time axis.

    Args:
        names: of all time points in their order. days: theirs, or None to space them evenly.
    """
    places = dict(zip(names, days if days else range(len(names)), strict=True))
    columns = min(len(trends), 4 if len(names) <= 3 else 2)
    rows = -(-len(trends) // columns)
    foot = 11.0 if days else 8.0
    width, height = PAGE_WIDTH_MM / columns, 42.0 + foot
    figure = figure_mm(PAGE_WIDTH_MM, rows * height)
    for number, trend in enumerate(trends):
        row, column = divmod(number, columns)
        axes = axes_mm(figure, column * width + 11.5, (rows - 1 - row) * height + foot, width - 14, height - foot - 9)
        _draw_trend(axes, trend, places, is_days=bool(days))
        axes.set_title("\n".join(plain(line, width - 6) for line in trend.name.split("\n")), pad=4)
        axes.set_ylabel(trend.unit, labelpad=2)
    return figure


def _draw_trend(axes, trend: Trend, places: dict[str, float], *, is_days: bool) -> None:
    x = [places[row.time_point] for row in trend.rows]
    y = [row.value for row in trend.rows]
    if trend.band is not None:
        axes.axhspan(*trend.band, facecolor="#E9EDF0", hatch="////", edgecolor="#CBD3DA", linewidth=0)
        axes.text(
            0.98, trend.band[1], "repeatability", transform=axes.get_yaxis_transform(), fontsize=6.5, color="#555555",
            ha="right", va="bottom",
        )  # fmt: skip
    axes.plot(x, y, color="#33658A", linewidth=1.2, zorder=2)
    for place, value, interval in zip(x, y, trend.intervals, strict=True):
        error = None if interval is None else [[value - interval[0]], [interval[1] - value]]
        axes.errorbar([place], [value], yerr=error, fmt="o", color="#222222", elinewidth=1.0, capsize=3, zorder=3)
    ends = [end for interval in trend.intervals if interval for end in interval] + y + list(trend.band or ())
    low, high = min(ends), max(ends)
    pad = 0.12 * (high - low) or max(1.0, 0.1 * abs(high))
    axes.set_ylim(max(0.0, low - pad) if low >= 0 else low - pad, high + pad)
    _time_axis(axes, places, is_days=is_days)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")


def _time_axis(axes, places: dict[str, float], *, is_days: bool) -> None:
    at = list(places.values())
    span = (max(at) - min(at)) or 1.0
    axes.set_xlim(min(at) - 0.18 * span, max(at) + 0.18 * span)
    width_mm = axes.get_window_extent().width / axes.figure.dpi * 25.4 / 1.36
    gaps = np.diff(sorted(at)) / span * width_mm
    room_mm = float(gaps.min()) if len(gaps) else width_mm
    if room_mm >= 9:
        labels = [plain(name, min(room_mm, 24) * 1.3) for name in places]
        if is_days:
            labels = [f"{label}\nday {day:g}" for label, day in zip(labels, at, strict=True)]
        axes.set_xticks(at, labels, fontsize=7)
    elif is_days:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("Day", labelpad=1)
    else:
        axes.set_xticks(at, [str(number + 1) for number in range(len(at))], fontsize=7)
        axes.set_xlabel("Time point", labelpad=1)


# -- published rules --


def rules_plot(results: Sequence[tuple[RuleResult, MeasuredValue, str]]) -> Figure:
    """Each value with its 95 % interval against its cutoff, beside the paper's groups.

    Args:
        results: result, the value that was compared, and the paper in short.
    """
    row_mm, foot, text_mm, verdict_mm = 15.0, 9.0, 62.0, 55.5
    figure = figure_mm(PAGE_WIDTH_MM, len(results) * row_mm + foot)
    ranges = _shared_ranges(results)
    height = len(results) * row_mm + foot
    for number, (result, value, paper) in enumerate(results):
        bottom = height - (number + 1) * row_mm
        axes = axes_mm(figure, text_mm, bottom + 4.5, PAGE_WIDTH_MM - text_mm - verdict_mm - 4, row_mm - 6.5)
        _draw_rule(axes, result, value, ranges[result.rule.quantity, result.rule.stage])
        rule = result.rule
        y = (bottom + 4.5 + (row_mm - 6.5) / 2) / height
        _two_lines(
            figure, 0.0, y, row_mm / height, plain(rule.title, 72), plain(f"{paper}: {rule.grouping.label()}", 90)
        )
        remark = "; ".join(
            part
            for part, holds in (
                ("near the cutoff", result.near_cutoff),
                ("other conditions", bool(result.conditions_not_met)),
            )
            if holds
        )
        x = (PAGE_WIDTH_MM - verdict_mm) / PAGE_WIDTH_MM
        sign = "+" if result.is_favorable else "−"
        _two_lines(figure, x, y, row_mm / height, plain(f"{sign} {result.predicted_class}", 62), remark)
    _rules_legend(figure)
    return figure


def _two_lines(figure: Figure, x: float, y: float, row: float, first: str, second: str) -> None:
    up = 0.02 * row if second else -0.12 * row
    figure.text(x, y + up, first, fontsize=7.6, fontweight="bold", ha="left", va="bottom")
    figure.text(x, y - 0.04 * row, second, fontsize=6.8, color="#444444", ha="left", va="top")


def _draw_rule(axes, result: RuleResult, value: MeasuredValue, limits: tuple[float, float]) -> None:
    rule = result.rule
    favorable = rule.grouping.classes[0]
    above_is_good = (rule.positive_side == "above") == (rule.positive_class == favorable)
    axes.set_xlim(*limits)
    axes.set_ylim(-1, 1)
    good = (rule.cutoff, limits[1]) if above_is_good else (limits[0], rule.cutoff)
    axes.axvspan(*good, facecolor=FAVORABLE_TINT, zorder=0)
    axes.axvline(rule.cutoff, color="#222222", linewidth=1.0, linestyle=(0, (3, 1.5)))
    positive, negative = rule.groups
    pair = (positive, negative) if rule.positive_class == favorable else (negative, positive)
    for group, height, marker in zip(pair, (0.62, -0.62), ("^", "v"), strict=True):
        _draw_group(axes, group, height, marker)
    interval = value.interval()
    error = None if interval is None else [[value.value - interval[0]], [interval[1] - value.value]]
    axes.errorbar(
        [value.value], [0], xerr=error, fmt="D", color="#B2182B", markersize=4.5, elinewidth=1.3, capsize=2.5, zorder=5
    )
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.tick_params(axis="x", labelsize=6.5, pad=1.5, length=2)
    axes.text(
        0.995 if above_is_good else 0.005, 0.03, "favorable", transform=axes.transAxes, fontsize=6, color="#2F5D3A",
        fontstyle="italic", ha="right" if above_is_good else "left", va="bottom",
    )  # fmt: skip
    axes.annotate(
        rule.unit.replace("100g", "100 g"), (1, 0), (8, -4), xycoords="axes fraction", textcoords="offset points",
        fontsize=6, color="#555555", ha="left", va="top",
    )  # fmt: skip


def _spread(group: PublishedGroup) -> tuple[float, float, float] | None:
    """Low, middle, high: mean and SD, or median and quartiles."""
    if group.mean is not None:
        sd = group.sd or 0.0
        return group.mean - sd, group.mean, group.mean + sd
    if group.median is not None and group.q1 is not None and group.q3 is not None:
        return group.q1, group.median, group.q3
    return None


def _draw_group(axes, group: PublishedGroup, height: float, marker: str) -> None:
    spread = _spread(group)
    if spread is None:
        return
    low, middle, high = spread
    axes.errorbar(
        [middle], [height], xerr=[[middle - low], [high - middle]], fmt=marker, color="#5A6570", markersize=3.5,
        markerfacecolor="#5A6570" if marker == "^" else "white", elinewidth=0.8, capsize=0, zorder=3,
    )  # fmt: skip


def _shared_ranges(results) -> dict:
    """Rules of one quantity and time share their axis."""
    ranges: dict = {}
    for result, value, _ in results:
        places = [result.cutoff, *(value.interval() or (value.value, value.value))]
        places += [place for group in result.rule.groups for place in _spread(group) or ()]
        ranges.setdefault((result.rule.quantity, result.rule.stage), []).extend(places)
    padded = {}
    for key, places in ranges.items():
        pad = 0.06 * (max(places) - min(places)) or 1.0
        padded[key] = (min(places) - pad, max(places) + pad)
    return padded


def _rules_legend(figure: Figure) -> None:
    gray = {"color": "#5A6570", "linewidth": 0.8, "markersize": 4}
    handles = [
        Line2D([], [], color="#B2182B", marker="D", markersize=4.5, linewidth=1.3, label="this patient, 95 % CI"),
        Line2D([], [], color="#222222", linewidth=1.0, linestyle=(0, (3, 1.5)), label="cutoff"),
        Line2D([], [], marker="^", **gray, label="favorable group"),
        Line2D(
            [], [], marker="v", markerfacecolor="white", **gray, label="other group (mean ± SD, or median, quartiles)"
        ),
        Patch(facecolor=FAVORABLE_TINT, edgecolor="#9DB5A4", linewidth=0.5, label="favorable side"),
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 0), ncols=5, fontsize=7, columnspacing=1.3,
        handlelength=1.9, handletextpad=0.5, borderpad=0.1, borderaxespad=0.2,
    )  # fmt: skip
