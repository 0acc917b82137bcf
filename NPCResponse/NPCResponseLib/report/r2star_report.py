"""The report of one R2* measurement: a self-contained HTML file, verdict first, that prints well on A4."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..echo_series import EchoSeries
from ..region_decay import RegionDecay
from ..relaxometry import R2StarFit, VoxelStatus
from ..rois import RoiStatistics, SliceRule
from . import html, map_figures
from . import r2star_figures as figures
from . import r2star_text as text
from .figure_parts import report_style, svg_data_uri
from .provenance import Provenance
from .slice_view import SliceView

# The hatches of the figures as classes of the style sheet.
SWATCH_PATTERNS = {"/": "lines", ".": "dots"}


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
    return html.render(
        "r2star.html.jinja",
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
        measurements=html.measurement_rows(report.measurements),
        voxels=_voxel_rows(report),
        facts=_facts(report),
    )


def write_report(report: R2StarReport, path: Path) -> None:
    """Write the report as one UTF-8 file. The caller decides where, and replaces an old one."""
    path.write_text(render(report), encoding="utf-8")


def _pictures(report: R2StarReport) -> dict[str, str]:
    """Data URIs by name."""
    k, series, fit = report.shown_slice(), report.series, report.fit
    view = SliceView.of(series.ijk_to_ras)
    maps = map_figures.MapPictures(
        underlay=np.asarray(series.echoes[0]),
        underlay_title=f"First echo, TE {series.echo_times_ms[0]:g} ms",
        values=fit.r2star_hz,
        second=fit.r2star_se_hz,
        status=fit.status,
        style=figures.R2STAR_STYLE,
        view=view,
        roi=report.roi_mask,
        used=report.used_mask,
    )
    with report_style():
        drawn = {"overview": map_figures.overview(maps, k), "closeups": map_figures.closeups(maps, k)}
        if report.roi is not None:
            values = fit.r2star_hz[report.used_mask]
            drawn["decay"] = figures.decay_plot(report.decay)
            drawn["histogram"] = map_figures.histogram(
                values, report.roi.mean, report.roi.median, figures.R2STAR_STYLE, "Hz"
            )
            if len(report.roi.slices_k) > 1:
                drawn["strip"] = map_figures.slice_strip(maps, report.roi.slices_k)
        return {name: svg_data_uri(figure) for name, figure in drawn.items()}


def _assumptions(report: R2StarReport) -> list[str]:
    standing = text.standing_assumptions(
        gradient_corrected=bool(report.gradient_correction), has_region=report.roi is not None
    )
    own = [report.cloak(sentence) for sentence in report.assumptions]
    return list(dict.fromkeys([*own, *standing]))


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
