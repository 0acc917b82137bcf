"""The report of one blood flow measurement: a self-contained HTML file, verdict first, that prints well on A4."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..asl_series import AslRole
from ..mrml.tbf import TbfResult
from ..perfusion import PerfusionStatus
from . import html, map_figures, tbf_text
from . import tbf_figures as figures
from .figure_parts import report_style, svg_data_uri
from .provenance import Provenance
from .r2star_text import slices_text
from .slice_view import SliceView

SWATCH_PATTERNS = {"/": "lines", ".": "dots"}


@dataclass(frozen=True)
class TbfReport:
    """What one report shows.

    Attributes:
        title: neutral name of the study; never a patient's.
        cloak: applied to every text that another layer wrote, to take file names out.
    """

    result: TbfResult
    provenance: Provenance
    title: str = ""
    cloak: Callable[[str], str] = str

    def unique_warnings(self) -> list[str]:
        result = self.result
        roi = result.roi.warnings if result.roi else ()
        every = (*result.series.warnings, *result.perfusion.warnings, *roi, *result.warnings)
        return [self.cloak(warning) for warning in dict.fromkeys(every)]

    def shown_slice(self) -> int:
        """The slice of the pictures: the region's largest, or the one with most quantified voxels."""
        result = self.result
        mask = result.roi_mask if result.roi_mask is not None else result.perfusion.tbf_ml_per_100g_min != 0
        return int(np.count_nonzero(mask, axis=(1, 2)).argmax())


def render(report: TbfReport) -> str:
    """The report as HTML text."""
    result = report.result
    series, perfusion, roi = result.series, result.perfusion, result.roi
    return html.render(
        "tbf.html.jinja",
        report=report,
        result=result,
        roi=roi,
        perfusion=perfusion,
        interval=tbf_text.confidence_interval(result),
        quality=tbf_text.quality(result),
        has_noise=tbf_text.has_noise(result),
        pictures=_pictures(report),
        plane=SliceView.of(series.ijk_to_ras).plane,
        slice_name=slices_text((report.shown_slice(),), series.shape_kji[0]),
        region_slices=slices_text(roi.slices_k, series.shape_kji[0]) if roi else "",
        warnings=report.unique_warnings(),
        methods=tbf_text.methods(result),
        assumptions=_assumptions(report),
        measurements=html.measurement_rows([row for row in result.measurements if "of slice" not in row.what]),
        slices=_slice_rows(result),
        voxels=_voxel_rows(result),
        parameters=_parameter_rows(report),
        facts=_facts(result),
    )


def write_report(report: TbfReport, path: Path) -> None:
    """Write the report as one UTF-8 file. The caller decides where, and replaces an old one."""
    path.write_text(render(report), encoding="utf-8")


def map_pictures(result: TbfResult) -> map_figures.MapPictures:
    """The TBF map over M0 with what is shown beside it."""
    perfusion = result.perfusion
    second, name, label = perfusion.standard_error, "Standard error of TBF", f"SE ({figures.FLOW_UNIT})"
    if perfusion.transit_time_ms is not None:
        second, name, label = perfusion.transit_time_ms, "Arterial transit time", "ATT (ms)"
    underlay, title = (perfusion.m0, "M0") if perfusion.m0 is not None else (perfusion.tbf_ml_per_100g_min, "Flow")
    if perfusion.m0 is not None:
        underlay = _plain_m0(result)
    return map_figures.MapPictures(
        underlay=underlay,
        underlay_title="$M_0$" if title == "M0" else title,
        values=perfusion.tbf_ml_per_100g_min,
        second=second,
        status=perfusion.status,
        style=figures.tbf_style(name, label),
        view=SliceView.of(result.series.ijk_to_ras),
        roi=result.roi_mask,
        used=result.used_mask,
    )


def _plain_m0(result: TbfResult) -> np.ndarray:
    """M0 as it was measured, with the dark voxels that are not quantified."""
    series = result.series
    return np.mean([series.volumes[n] for n in series.indices(AslRole.M0)], axis=0, dtype=np.float32)


def _pictures(report: TbfReport) -> dict[str, str]:
    """Data URIs by name."""
    result, k = report.result, report.shown_slice()
    maps = map_pictures(result)
    with report_style():
        drawn = {"overview": map_figures.overview(maps, k), "closeups": map_figures.closeups(maps, k)}
        if result.roi is not None:
            values = result.perfusion.tbf_ml_per_100g_min[result.used_mask]
            fitted = result.mean if result.region_flow is not None else None
            drawn["histogram"] = map_figures.histogram(
                values, result.roi.mean, result.roi.median, maps.style, fitted=fitted
            )
            if len(result.roi.slices_k) > 1:
                drawn["strip"] = map_figures.slice_strip(maps, result.roi.slices_k)
        if result.perfusion.model_bias is not None:
            drawn["bias"] = figures.bias_plot(
                result.perfusion.model_bias,
                box_mm=map_figures.HISTOGRAM_BOX_MM,
            )
        if result.region_flow is not None:
            drawn["delays"] = figures.delays_plot(result.region_flow)
        if result.motion is not None:
            drawn["motion"] = figures.motion_plot(result.motion.mean_displacement_mm, result.motion.exceeding)
        return {name: svg_data_uri(figure) for name, figure in drawn.items()}


def _assumptions(report: TbfReport) -> list[str]:
    own = [report.cloak(sentence) for sentence in report.result.assumptions]
    return list(dict.fromkeys([*own, *tbf_text.assumptions(report.result)]))


def _parameter_rows(report: TbfReport) -> list[dict]:
    """Every number that entered, with its source; delays in one row."""
    rows: list[dict] = []
    for parameter in report.result.perfusion.parameters:
        is_delay = parameter.name.rstrip("0123456789 ") == "post-labeling delay"
        row = {
            "name": "post-labeling delay" if is_delay else parameter.name,
            "value": f"{parameter.value:.6g}",
            "unit": parameter.unit,
            "source": report.cloak(parameter.source),
            "assumed": parameter.assumed,
        }
        same = is_delay and rows and all(rows[-1][key] == row[key] for key in ("name", "source", "assumed"))
        if same:
            rows[-1]["value"] += f", {row['value']}"
        else:
            rows.append(row)
    return rows


def _slice_rows(result: TbfResult) -> list[dict]:
    """What each slice of the region gave: what entered the number, so the fitted flow where signals were fitted."""
    if result.roi is None:
        return []
    fits = {part.k: part for part in result.region_flow.by_slice} if result.region_flow else {}
    # Interpolation makes neighbors alike: the same factor as for the mean of the slices.
    factor = result.motion.standard_error_factor if result.motion is not None else 1.0
    rows = []
    for part in result.slice_means.by_slice:
        (k,) = part.slices_k
        fit = fits.get(k)
        rows.append(
            {
                "slice": k + 1,
                "n_used": part.n_used,
                "left_out": sum(part.n_excluded.values()),
                "tbf": fit.tbf_ml_per_100g_min if fit else part.mean,
                "se": fit.tbf_se if fit else factor * part.mean_se,
                "transit_ms": fit.transit_time_ms if fit else None,
                "transit_se_ms": fit.transit_time_se_ms if fit else None,
            }
        )
    return rows


def _voxel_rows(result: TbfResult) -> list[dict]:
    """What became of the voxels: in the region (before exclusion), and in the whole image."""
    rows = []
    for status in PerfusionStatus:
        used = int(np.count_nonzero(result.perfusion.status[result.used_mask] == status)) if result.roi else None
        rows.append(
            {
                "label": status.label(),
                "color": figures.STATUS_COLORS[status],
                "pattern": SWATCH_PATTERNS.get(figures.STATUS_HATCHES.get(status, "")[:1], ""),
                "used": used,
                "excluded": result.roi.n_excluded.get(status.label(), 0) if result.roi else 0,
                "whole": int(np.count_nonzero(result.perfusion.status == status)),
            }
        )
    return [row for row in rows if row["used"] or row["excluded"] or row["whole"]]


def _facts(result: TbfResult) -> list[tuple[str, str]]:
    """The short table of the acquisition."""
    series, quality = result.series, result.perfusion.quality
    k, j, i = series.spacing_mm_kji
    shape = " x ".join(str(n) for n in reversed(series.shape_kji))
    facts = [
        ("Images", tbf_text.images_text(series)),
        ("Field strength", f"{series.field_strength_t:g} T" if series.field_strength_t else "unknown"),
        ("Matrix, voxel size", f"{shape}, {i:.2f} x {j:.2f} x {k:.2f} mm"),
    ]
    of_which = "with a value" if result.perfusion.m0 is None else "with enough M0"
    if quality.n_pairs:
        used = quality.n_pairs - quality.n_pairs_dropped
        odd = ", ".join(str(n + 1) for n in quality.outlier_pairs)
        told = f"{used} of {quality.n_pairs}" + (f"; deviating: {odd}" if odd else "")
        facts.append((f"{tbf_text.pairs_word(series).capitalize()} used", told))
    for name, value, pattern in (
        ("Negative flow", quality.negative_fraction, "{:.1%} of the voxels " + of_which),
        ("Spatial coefficient of variation", quality.spatial_cov, "{:.2f}"),
        ("Temporal signal to noise", quality.temporal_snr, "{:.2f} (median voxel)"),
    ):
        if value is not None:
            facts.append((name, pattern.format(value).replace("%", " %")))
    return facts
