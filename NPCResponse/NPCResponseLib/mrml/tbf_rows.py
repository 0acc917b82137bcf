"""The rows of a tumor blood flow result: one measurement each, with all that is needed to take it again."""

from ..measurement import Measurement, counted
from ..rois import RoiStatistics
from .regions import Region, region_rule, volume_rows

FLOW_UNIT = "mL/100g/min"
TBF_MEAN, TBF_MEAN_SE = "TBF mean", "TBF standard error of the mean"


def measurement_rows(result, region: Region, transit_time: RoiStatistics | None) -> tuple[Measurement, ...]:
    """All rows for a result with a region.

    Args:
        result: TbfResult with roi, slice_means and names.
        region: of the result.
        transit_time: statistics of the arterial transit time (ms) over the same voxels, if it was fitted.
    """
    roi, perfusion = result.roi, result.perfusion
    common = {
        "image": result.series.name,
        "segment": result.segment_name,
        "roi_rule": f"{region_rule(result.settings)}; {_average(result)}",
        "method": perfusion.model.label(),
        "parameters": _parameters(result),
    }

    def row(what: str, value: float, unit: str, **other) -> Measurement:
        settings = {
            "n_used": roi.n_used,
            "n_excluded": sum(roi.n_excluded.values()),
            "excluded_reasons": counted(roi.n_excluded),
        }
        return Measurement(what=what, value=float(value), unit=unit, **(common | settings | other))

    rows = [
        row(TBF_MEAN, result.mean, FLOW_UNIT),
        row(TBF_MEAN_SE, result.mean_se, FLOW_UNIT),
        row("TBF mean of all voxels", roi.mean, FLOW_UNIT, roi_rule=region_rule(result.settings)),
        *_slice_rows(result, row),
        *_region_fit_rows(result, row),
        row("TBF standard deviation", roi.sd, FLOW_UNIT),
        row("TBF median", roi.median, FLOW_UNIT),
        row("TBF first quartile", roi.q1, FLOW_UNIT),
        row("TBF third quartile", roi.q3, FLOW_UNIT),
        row("TBF 5th percentile", roi.p5, FLOW_UNIT),
        row("TBF 95th percentile", roi.p95, FLOW_UNIT),
        row("TBF minimum", roi.minimum, FLOW_UNIT),
        row("TBF maximum", roi.maximum, FLOW_UNIT),
    ]
    if transit_time is not None:
        rows.append(row("Arterial transit time mean", transit_time.mean, "ms"))
        rows.append(row("Arterial transit time standard error of the mean", transit_time.mean_se, "ms"))
    return (*rows, *_quality_rows(perfusion.quality, row), *volume_rows(region, row, roi.n_used))


def _average(result) -> str:
    if result.region_flow is None:
        return result.settings.average.label().lower()
    return "mean of the slices, each fitted to its mean signal"


def _region_fit_rows(result, row) -> list[Measurement]:
    """What the mean signal of each slice gave, beside the mean of its voxels."""
    rows = []
    for part in result.region_flow.by_slice if result.region_flow else ():
        where = {"roi_rule": region_rule(result.settings), "n_used": part.n_voxels}
        rows += [
            row(f"TBF of the mean signal of slice {part.k + 1}", part.tbf_ml_per_100g_min, FLOW_UNIT, **where),
            row(f"Transit time of the mean signal of slice {part.k + 1}", part.transit_time_ms, "ms", **where),
        ]
    return rows


def _slice_rows(result, row) -> list[Measurement]:
    rows = []
    for part in result.slice_means.by_slice:
        (k,) = part.slices_k
        rows.append(
            row(
                f"TBF mean of slice {k + 1}",
                part.mean,
                FLOW_UNIT,
                roi_rule=region_rule(result.settings),
                n_used=part.n_used,
                n_excluded=sum(part.n_excluded.values()),
                excluded_reasons=counted(part.n_excluded),
            )
        )
    return rows


def _quality_rows(quality, row) -> list[Measurement]:
    """Of the whole image: how much of it the noise rules."""
    whole = {
        "segment": "",
        "roi_rule": "Voxels of the image with enough M0",
        "n_used": quality.n_mask_voxels,
        "n_excluded": 0,
        "excluded_reasons": "",
    }
    values = (
        ("Share of voxels with negative flow", quality.negative_fraction, "1"),
        ("Spatial coefficient of variation of TBF", quality.spatial_cov, "1"),
        ("Temporal signal-to-noise ratio of the difference", quality.temporal_snr, "1"),
    )
    return [row(what, value, unit, **whole) for what, value, unit in values if value is not None]


def _parameters(result) -> str:
    parameters = [
        f"{parameter.name}: {parameter.value:g} {parameter.unit} ({parameter.source})"
        for parameter in result.perfusion.parameters
    ]
    quality = result.perfusion.quality
    if quality.n_pairs:
        parameters.append(f"pairs: {quality.n_pairs - quality.n_pairs_dropped} of {quality.n_pairs}")
    if result.motion:
        parameters.append("motion: corrected")
    if result.registration:
        parameters.append("region: drawn on the anatomical image, moved by rigid registration")
    parameters.append(f"slices from 1: {', '.join(str(k + 1) for k in result.roi.slices_k)}")
    left_out = [*result.exclusion_names, *(() if result.settings.keep_doubtful else ("doubtful voxels",))]
    if left_out:
        parameters.append(f"left out: {', '.join(left_out)}")
    return "; ".join(parameters)
