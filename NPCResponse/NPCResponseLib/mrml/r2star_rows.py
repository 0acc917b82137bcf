"""The rows of an R2* result: one measurement each, with all that is needed to take it again."""

from ..echo_times import format_echo_times
from ..measurement import Measurement, counted
from ..rois import RoiStatistics
from .regions import Region, region_rule, volume_rows


def measurement_rows(result, t2star: RoiStatistics, region: Region) -> tuple[Measurement, ...]:
    """All rows for a result with a region.

    Args:
        result: R2StarResult with roi, masks and names.
        t2star: statistics of T2* (ms) over the same voxels.
        region: of the result.
    """
    roi, fit = result.roi, result.fit
    common = {"image": result.series.name, "segment": result.segment_name}

    def row(what: str, value: float, unit: str, **other) -> Measurement:
        settings = {
            "roi_rule": region_rule(result.settings),
            "method": fit.method.label(),
            "parameters": _parameters(result),
            "n_used": roi.n_used,
            "n_excluded": sum(roi.n_excluded.values()),
            "excluded_reasons": counted(roi.n_excluded),
        }
        return Measurement(what=what, value=float(value), unit=unit, **common, **(settings | other))

    return (
        row("R2* mean", roi.mean, "Hz"),
        row("R2* standard error of the mean", roi.mean_se, "Hz"),
        row("R2* standard deviation", roi.sd, "Hz"),
        row("R2* median", roi.median, "Hz"),
        row("R2* first quartile", roi.q1, "Hz"),
        row("R2* third quartile", roi.q3, "Hz"),
        row("R2* 5th percentile", roi.p5, "Hz"),
        row("R2* 95th percentile", roi.p95, "Hz"),
        row("R2* minimum", roi.minimum, "Hz"),
        row("R2* maximum", roi.maximum, "Hz"),
        row("T2* mean", t2star.mean, "ms"),
        row("T2* median", t2star.median, "ms"),
        *volume_rows(region, row, roi.n_used),
    )


def _parameters(result) -> str:
    fit = result.fit
    noise = f"{fit.noise_sigma:.6g} ({fit.noise_source})" if fit.noise_sigma else fit.noise_source
    parameters = {
        "echo times": f"{format_echo_times(fit.echo_times_ms)} ({result.series.echo_times_source})",
        "noise": noise,
        "slices from 1": ", ".join(str(k + 1) for k in result.roi.slices_k),
        "left out": ", ".join(
            (*result.exclusion_names, *(() if result.settings.keep_doubtful else ("doubtful voxels",)))
        ),
        "saturation level": f"{result.settings.saturation_level:g}" if result.settings.saturation_level else "",
        "field gradient": _field(result),
    }
    return "; ".join(f"{name}: {value}" for name, value in parameters.items() if value)


def _field(result) -> str:
    if not result.gradient_correction:
        return "not corrected"
    return "corrected from phase images" if result.settings.use_phase else "corrected from a field map"
