"""The files of one R2* result, and its summary for scripts and for people."""

from pathlib import Path

from ..report import r2star_text as text
from ..report.provenance import NameCloak, Provenance, input_record
from ..report.r2star_report import R2StarReport, write_report
from .map_files import save_maps, save_measurements, save_report_and_scene
from .r2star import INDEX_NAME, MAP_NAMES, Request
from .results import Results, heading, inputs_of, json_safe, lines_with_warnings, measurements_of, options_of

BYTES_PER_VALUE = 4
REPORT_BYTES = 5_000_000


def needed_bytes(series) -> int:
    """An upper bound of what a run writes: maps, and the scene once unpacked and once packed, uncompressed."""
    n_values = series.echoes[0].size
    n_images = len(MAP_NAMES) + 2 * (len(series.echoes) + len(MAP_NAMES) + 1)
    return n_images * n_values * BYTES_PER_VALUE + REPORT_BYTES


def write_results(request: Request, result, folder: Path, progress, interruption) -> Results:
    """Write every file of a result into a (staging) folder."""
    nodes = result.outputs
    maps = (nodes.r2star, nodes.t2star, nodes.s0, nodes.standard_error, nodes.r_squared, nodes.status)
    save_maps(dict(zip(MAP_NAMES, maps, strict=True)), request, folder, progress, interruption)
    save_measurements(result.measurements, folder)
    report = build_report(request, result)
    summary = summarize(report)
    save_report_and_scene(lambda path: write_report(report, path), summary, folder, INDEX_NAME, progress, interruption)
    return Results(summary, lines_for_people(report))


def build_report(request: Request, result) -> R2StarReport:
    """The report of a job's result, with names of files taken out unless asked for."""
    labeled = request.labeled_paths()
    records = [input_record(path, path.name if request.show_file_names else label) for path, label in labeled]
    return R2StarReport(
        series=result.series,
        fit=result.fit,
        provenance=Provenance.now(request.parameters(), records),
        roi=result.roi,
        roi_mask=result.roi_mask,
        used_mask=result.used_mask,
        segment_name=result.segment_name,
        slice_rule=result.settings.slice_rule if result.roi else None,
        erosion_mm=result.settings.erosion_mm,
        keep_doubtful=result.settings.keep_doubtful,
        exclusion_names=result.exclusion_names,
        gradient_correction=result.gradient_correction,
        decay=result.decay,
        measurements=result.measurements,
        assumptions=tuple(result.assumptions),
        warnings=tuple(result.warnings),
        title=request.inputs[0].name if request.show_file_names else "",
        cloak=str if request.show_file_names else NameCloak(labeled),
    )


def summarize(report: R2StarReport) -> dict:
    """The result as plain JSON values: units in the names, no NaN (null instead), no file names."""
    series, fit, roi, quality = report.series, report.fit, report.roi, report.quality()
    k, j, i = series.spacing_mm_kji
    summary = {
        **heading(report.provenance),
        "series": {
            "echo_times_ms": list(series.echo_times_ms),
            "echo_times_source": report.cloak(series.echo_times_source),
            "field_strength_t": series.field_strength_t,
            "slice_thickness_mm": series.slice_thickness_mm,
            "shape_ijk": list(reversed(series.shape_kji)),
            "spacing_mm_ijk": [i, j, k],
        },
        "fit": {
            "method": fit.method.value,
            "method_reason": fit.method_reason,
            "noise_sigma": fit.noise_sigma,
            "noise_source": fit.noise_source,
            "n_voxels_by_status": {status.name.lower(): n for status, n in fit.status_counts().items()},
        },
        "region": _summarize_region(report) if roi else None,
        "quality": {"grade": quality.grade, "sentence": quality.sentence},
        "measurements": measurements_of(report.measurements),
        "warnings": report.unique_warnings(),
        "inputs": inputs_of(report.provenance),
        "parameters": options_of(report.provenance),
    }
    return json_safe(summary)


def _summarize_region(report: R2StarReport) -> dict:
    roi, interval = report.roi, text.confidence_interval(report.roi)
    return {
        "segment": report.segment_name,
        "slice_rule": report.slice_rule.value if report.slice_rule else None,
        "excluded_segments": list(report.exclusion_names),
        "erosion_mm": report.erosion_mm,
        "doubtful_voxels_kept": report.keep_doubtful,
        "r2star_mean_hz": roi.mean,
        "r2star_mean_se_hz": roi.mean_se,
        "r2star_mean_ci95_hz": list(interval) if interval else None,
        "r2star_sd_hz": roi.sd,
        "r2star_median_hz": roi.median,
        "r2star_q1_hz": roi.q1,
        "r2star_q3_hz": roi.q3,
        "r2star_p5_hz": roi.p5,
        "r2star_p95_hz": roi.p95,
        "n_voxels": roi.n_roi,
        "n_voxels_used": roi.n_used,
        "n_voxels_excluded": dict(roi.n_excluded),
        "slice_numbers": [k + 1 for k in roi.slices_k],
    }


def lines_for_people(report: R2StarReport) -> list[str]:
    """The result in a few lines for a terminal."""
    lines, quality = [], report.quality()
    if report.roi:
        roi, interval = report.roi, text.confidence_interval(report.roi)
        line = f"R2* of {report.segment_name or 'the region'}: {roi.mean:.2f} Hz"
        if interval:
            line += f" ± {roi.mean_se:.2f} (95 % CI {interval[0]:.2f} to {interval[1]:.2f} Hz)"
        slices = text.slices_text(roi.slices_k, report.series.shape_kji[0])
        lines.append(f"{line}, {roi.n_used} of {roi.n_roi} voxels, {slices}")
    lines.append(f"Quality: {quality.grade}. {quality.sentence}")
    return lines_with_warnings(lines, report.unique_warnings())
