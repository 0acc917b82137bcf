"""Reading, measuring and writing of one tumor blood flow result, and its summary for scripts and for people."""

from dataclasses import replace
from pathlib import Path

from ..asl_series import AslSeries
from ..mrml import asl_series as asl_nodes
from ..mrml import files
from ..mrml.tbf import RoiAverage, TbfJob, TbfResult, TbfSettings
from ..readers import read_asl_series
from ..report.provenance import NameCloak, Provenance, input_record
from ..report.tbf_report import TbfReport, write_report
from ..rois import SliceRule
from .map_files import load_region, save_maps, save_measurements, save_report_and_scene
from .results import Results, heading, inputs_of, json_safe, lines_with_warnings, measurements_of, options_of
from .tbf import INDEX_NAME, MAP_NAMES, NEUTRAL_NAME, Request

BYTES_PER_VALUE = 4
REPORT_BYTES = 5_000_000


def needed_bytes(series: AslSeries) -> int:
    """An upper bound of what a run writes: maps, and the scene once unpacked and once packed, uncompressed."""
    n_values = series.volumes[0].size
    n_images = len(MAP_NAMES) + 2 * (len(series.volumes) + len(MAP_NAMES) + 1)
    return n_images * n_values * BYTES_PER_VALUE + REPORT_BYTES


def read_series(request: Request) -> AslSeries:
    """The images, with what the files tell of them; typed facts go to quantification, which names them as typed."""
    series = read_asl_series(request.inputs, m0_paths=request.m0 or None, roles=request.roles or None)
    # The reader's name is a file's or a series' and would stand in tables and in the scene.
    return series if request.show_file_names else replace(series, name=NEUTRAL_NAME)


def measure(request: Request, series: AslSeries, show_fraction, interruption) -> TbfResult:
    """The job on the headless scene, the same that runs behind the button in Slicer."""
    node = asl_nodes.add_asl_series_to_scene(series)
    name = "" if request.show_file_names else "anatomy"  # nodes are saved in the scene
    anatomy = files.load_volume(request.anatomy, name) if request.anatomy else None
    job = TbfJob(
        node,
        job_settings(request),
        anatomy=anatomy,
        reading_warnings=series.warnings,
        reading_sources=series.sources,
        **load_region(request),
    )
    for fraction in job.steps():
        show_fraction(fraction)
        interruption.check()
    return job.finish()


def job_settings(request: Request) -> TbfSettings:
    return TbfSettings(
        perfusion=request.quantification.settings(),
        slice_rule=SliceRule(request.roi),
        average=RoiAverage(request.average),
        erosion_mm=request.erode_mm,
        correct_motion=request.correct_motion,
        keep_doubtful=request.keep_doubtful,
    )


def write_results(request: Request, result: TbfResult, folder: Path, progress, interruption) -> Results:
    """Write every file of a result into a (staging) folder."""
    nodes = result.outputs
    maps = (nodes.tbf, nodes.standard_error, nodes.transit_time, nodes.delta_m, nodes.m0, nodes.status)
    save_maps(dict(zip(MAP_NAMES, maps, strict=True)), request, folder, progress, interruption)
    if nodes.transform is not None:
        files.save_node(nodes.transform, folder / "asl_to_anatomy.h5")
    save_measurements(result.measurements, folder)
    report = build_report(request, result)
    summary = summarize(report)
    save_report_and_scene(lambda path: write_report(report, path), summary, folder, INDEX_NAME, progress, interruption)
    return Results(summary, lines_for_people(report))


def build_report(request: Request, result: TbfResult) -> TbfReport:
    """The report of a job's result, with names of files taken out unless asked for."""
    labeled = request.labeled_paths()
    records = [input_record(path, path.name if request.show_file_names else label) for path, label in labeled]
    return TbfReport(
        result=result,
        provenance=Provenance.now(request.parameters(), records),
        title=request.inputs[0].name if request.show_file_names else "",
        cloak=str if request.show_file_names else NameCloak(labeled),
    )


def summarize(report: TbfReport) -> dict:
    """The result as plain JSON values: units in the names, no NaN (null instead), no file names."""
    result = report.result
    series, perfusion, quality = result.series, result.perfusion, result.perfusion.quality
    k, j, i = series.spacing_mm_kji
    return json_safe(
        {
            **heading(report.provenance),
            "series": {
                "roles": [role.value for role in series.roles],
                "post_labeling_delays_ms": list(series.post_labeling_delays_ms),
                "field_strength_t": series.field_strength_t,
                "shape_ijk": list(reversed(series.shape_kji)),
                "spacing_mm_ijk": [i, j, k],
            },
            "quantification": {
                "model": perfusion.model.value,
                "formula": perfusion.formula,
                "parameters": [
                    {
                        "name": parameter.name,
                        "value": parameter.value,
                        "unit": parameter.unit,
                        "source": report.cloak(parameter.source),
                        "assumed": parameter.assumed,
                    }
                    for parameter in perfusion.parameters
                ],
                "n_pairs": quality.n_pairs,
                "n_pairs_dropped": quality.n_pairs_dropped,
                "negative_fraction": quality.negative_fraction,
                "spatial_cov": quality.spatial_cov,
                "temporal_snr": quality.temporal_snr,
            },
            "region": _summarize_region(result) if result.roi else None,
            "measurements": measurements_of(result.measurements),
            "warnings": report.unique_warnings(),
            "inputs": inputs_of(report.provenance),
            "options": options_of(report.provenance),
        }
    )


def _summarize_region(result: TbfResult) -> dict:
    from ..mrml.measured_values import tbf_value

    roi, interval = result.roi, tbf_value(result).interval()
    return {
        "segment": result.segment_name,
        "slice_rule": result.settings.slice_rule.value,
        "average": result.settings.average.value,
        "excluded_segments": list(result.exclusion_names),
        "erosion_mm": result.settings.erosion_mm,
        "doubtful_voxels_kept": result.settings.keep_doubtful,
        "tbf_mean_ml_per_100g_min": result.mean,
        "tbf_mean_se_ml_per_100g_min": result.mean_se,
        "tbf_mean_ci95_ml_per_100g_min": list(interval) if interval else None,
        "tbf_mean_of_all_voxels_ml_per_100g_min": roi.mean,
        "tbf_sd_ml_per_100g_min": roi.sd,
        "tbf_median_ml_per_100g_min": roi.median,
        "n_voxels": roi.n_roi,
        "n_voxels_used": roi.n_used,
        "n_voxels_excluded": dict(roi.n_excluded),
        "slice_numbers": [k + 1 for k in roi.slices_k],
    }


def lines_for_people(report: TbfReport) -> list[str]:
    """The result in a few lines for a terminal."""
    from ..mrml.measured_values import tbf_value

    lines, result = [], report.result
    if result.roi:
        value = tbf_value(result)
        line = f"TBF of {result.segment_name or 'the region'}: {value.value:.1f} mL/100g/min"
        interval = value.interval()
        if interval:
            line += f" ± {value.standard_error:.1f} (95 % CI {interval[0]:.1f} to {interval[1]:.1f})"
        lines.append(f"{line}, {result.roi.n_used} of {result.roi.n_roi} voxels")
    return lines_with_warnings(lines, report.unique_warnings())
