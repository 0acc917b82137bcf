"""The report of one R2* measurement: a self-contained HTML file, verdict first, that prints well on A4."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..echo_series import EchoSeries
from ..region_decay import RegionDecay
from ..relaxometry import R2StarFit, VoxelStatus
from ..rois import RoiStatistics, SliceRule
from . import r2star_figures as figures
from . import r2star_text as text
from .figure_parts import report_style, svg_data_uri
from .provenance import Provenance
from .slice_view import SliceView

TEMPLATE_FOLDER = Path(__file__).parent
# The hatches of the figures as classes of the style sheet.
SWATCH_PATTERNS = {"/": "lines", ".": "dots"}
# How plain text from any layer becomes typography. Applied after escaping.
TYPOGRAPHY = (
    (re.compile(r"\bR2\*"), "R<sub>2</sub>*"),
    (re.compile(r"\bT2\*"), "T<sub>2</sub>*"),
    (re.compile(r"\bS0\b"), "S<sub>0</sub>"),
    (re.compile(r"\bR\^2"), "R²"),
    (re.compile(r"sqrt\(A\^2 \+ sigma\^2\)"), "√(A² + σ²)"),
    (re.compile(r"(?<=\d) x (?=\d)"), " × "),
    (re.compile(r"(?<![\w.])-(?=\d)"), "−"),
    (re.compile(r"(?<=\d)-(?=\d{2,}(?:\.| |$))"), "–"),
)


@dataclass(frozen=True)
class R2StarReport:
    """Everything that one report shows, as plain values. Masks and maps are KJI, of the shape of an echo.

    Attributes:
        roi: statistics of the region, or None when there was no segment (then roi_mask and used_mask are None too).
        roi_mask: the region after its slice rule and erosion; used_mask: the voxels that the statistics rest on.
        segment_name, exclusion_names: as the user calls them.
        keep_doubtful: whether voxels with a poor fit or a suspected field gradient count.
        gradient_correction: one sentence if the fit knew the field gradients, else "".
        decay: of the used voxels, measured and fitted.
        measurements: rows with the attributes what, value, unit, n_used, n_excluded.
        assumptions, warnings: sentences of this run, beside those of series, fit and roi.
        title: neutral name of the study; never a patient's.
        cloak: applied to every text that another layer wrote, to take file names out.
    """

    series: EchoSeries
    fit: R2StarFit
    provenance: Provenance
    roi: RoiStatistics | None = None
    roi_mask: np.ndarray | None = None
    used_mask: np.ndarray | None = None
    segment_name: str = ""
    slice_rule: SliceRule | None = None
    erosion_mm: float = 0.0
    exclusion_names: tuple[str, ...] = ()
    keep_doubtful: bool = True
    gradient_correction: str = ""
    decay: RegionDecay | None = None
    measurements: Sequence = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    title: str = ""
    cloak: Callable[[str], str] = str

    def unique_warnings(self) -> list[str]:
        every = (*self.series.warnings, *self.fit.warnings, *(self.roi.warnings if self.roi else ()), *self.warnings)
        return [self.cloak(warning) for warning in dict.fromkeys(every)]

    def quality(self) -> text.Quality:
        if self.roi is None:
            return text.image_quality(self.fit)
        return text.region_quality(self.fit, self.used_mask, self.roi, self.series.echoes[0])

    def shown_slice(self) -> int:
        """The slice of the pictures: the region's largest, or the one with most fitted voxels."""
        mask = self.roi_mask if self.roi_mask is not None else self.fit.r2star_hz > 0
        return int(np.count_nonzero(mask, axis=(1, 2)).argmax())


def render(report: R2StarReport) -> str:
    """The report as HTML text."""
    template = _environment().get_template("r2star.html.jinja")
    return template.render(
        report=report,
        roi=report.roi,
        interval=text.confidence_interval(report.roi) if report.roi else None,
        quality=report.quality(),
        pictures=_pictures(report),
        slice_name=text.slices_text((report.shown_slice(),), report.series.shape_kji[0]),
        region_slices=text.slices_text(report.roi.slices_k, report.series.shape_kji[0]) if report.roi else "",
        plane=SliceView.of(report.series.ijk_to_ras).plane,
        warnings=report.unique_warnings(),
        assumptions=_assumptions(report),
        methods=text.methods(
            report.series,
            report.fit,
            slice_rule=report.slice_rule if report.roi else None,
            erosion_mm=report.erosion_mm,
            exclusion_names=report.exclusion_names,
            keep_doubtful=report.keep_doubtful,
            gradient_correction=report.gradient_correction,
        ),
        measurements=_measurement_rows(report.measurements),
        voxels=_voxel_rows(report),
        facts=_facts(report),
        css=Markup((TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8")),
    )


def write_report(report: R2StarReport, path: Path) -> None:
    """Write the report as one UTF-8 file. The caller decides where, and replaces an old one."""
    path.write_text(render(report), encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["typeset"] = typeset
    environment.filters["number"] = format_number
    return environment


def typeset(plain: str) -> Markup:
    """Escape, then set subscripts, signs and roots."""
    result = str(escape(plain))
    for pattern, replacement in TYPOGRAPHY:
        result = pattern.sub(replacement, result)
    return Markup(result)


def format_number(value) -> str:
    """Counts whole, measured values to the digits that mean something, missing ones as a dash."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if not isinstance(value, (float, np.floating)):
        return str(value)
    magnitude = abs(value)
    digits = 3 if magnitude < 10 else 2 if magnitude < 100 else 1
    return f"{value:,.{digits}f}" if magnitude < 1e5 else f"{value:.4g}"


def _pictures(report: R2StarReport) -> dict[str, str]:
    """Data URIs by name."""
    k, series, fit = report.shown_slice(), report.series, report.fit
    view = SliceView.of(series.ijk_to_ras)
    maps = figures.MapPictures(
        np.asarray(series.echoes[0]), series.echo_times_ms[0], fit, view, report.roi_mask, report.used_mask
    )
    with report_style():
        drawn = {"overview": figures.overview(maps, k), "closeups": figures.closeups(maps, k)}
        if report.roi is not None:
            values = fit.r2star_hz[report.used_mask]
            drawn["decay"] = figures.decay_plot(report.decay)
            drawn["histogram"] = figures.histogram(values, report.roi.mean, report.roi.median)
            if len(report.roi.slices_k) > 1:
                drawn["strip"] = figures.slice_strip(maps, report.roi.slices_k)
        return {name: svg_data_uri(figure) for name, figure in drawn.items()}


def _assumptions(report: R2StarReport) -> list[str]:
    standing = text.standing_assumptions(
        gradient_corrected=bool(report.gradient_correction), has_region=report.roi is not None
    )
    own = [report.cloak(sentence) for sentence in report.assumptions]
    return list(dict.fromkeys([*own, *standing]))


def _measurement_rows(measurements: Sequence) -> list[dict]:
    """Value and unit as shown; counts as whole numbers."""
    rows = []
    for row in measurements:
        value = row.value
        if isinstance(value, float) and value.is_integer() and row.unit in ("voxels", "1", ""):
            value = int(value)
        rows.append({"what": row.what, "value": value, "unit": row.unit})
    return rows


def _voxel_rows(report: R2StarReport) -> list[dict]:
    """What became of the voxels: in the region (before exclusion), and in the whole image."""
    whole = report.fit.status_counts()
    rows = []
    for status in VoxelStatus:
        in_region = int(np.count_nonzero(report.fit.status[report.used_mask] == status)) if report.roi else None
        left_out = report.roi.n_excluded.get(status.label(), 0) if report.roi else 0
        rows.append(
            {
                "label": status.label(),
                "color": figures.STATUS_COLORS[status],
                "pattern": SWATCH_PATTERNS.get(figures.STATUS_HATCHES.get(status, "")[:1], ""),
                "used": in_region,
                "excluded": left_out,
                "whole": whole[status],
            }
        )
    return [row for row in rows if row["used"] or row["excluded"] or row["whole"]]


def _facts(report: R2StarReport) -> list[tuple[str, str]]:
    """The short table of the acquisition and the fit."""
    series, fit = report.series, report.fit
    k, j, i = series.spacing_mm_kji
    shape = " x ".join(str(n) for n in reversed(series.shape_kji))
    facts = [
        ("Echo times", f"{text.format_echo_times(series.echo_times_ms)} ({report.cloak(series.echo_times_source)})"),
        ("Field strength", f"{series.field_strength_t:g} T" if series.field_strength_t else "unknown"),
        ("Matrix, voxel size", f"{shape}, {i:.2f} x {j:.2f} x {k:.2f} mm"),
        ("Slice thickness", f"{series.slice_thickness_mm:g} mm" if series.slice_thickness_mm else "unknown"),
        ("Estimator", f"{fit.method.label()} ({fit.method_reason})"),
        (
            "Noise level σ",
            f"{fit.noise_sigma:.4g} image units ({fit.noise_source})" if fit.noise_sigma else fit.noise_source,
        ),
    ]
    if report.roi:
        region = (
            f"{report.segment_name}: {report.slice_rule.label().lower()}" if report.slice_rule else report.segment_name
        )
        facts.append(("Region", region + (f", eroded by {report.erosion_mm:g} mm" if report.erosion_mm else "")))
        if report.exclusion_names:
            facts.append(("Excluded segments", ", ".join(report.exclusion_names)))
        if not report.keep_doubtful:
            facts.append(("Excluded voxels", "poor fit, suspected field gradient"))
    return facts
