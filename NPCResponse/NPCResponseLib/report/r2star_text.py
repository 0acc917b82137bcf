"""The sentences of an R2* report: verdict, methods, assumptions, references. Plain values in, plain text out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..echo_series import EchoSeries
from ..echo_times import format_echo_times
from ..relaxometry import R2StarFit, R2StarMethod, VoxelStatus
from ..rois import SMALL_ROI_VOXELS, RoiStatistics, SliceRule
from .citations import Citing

# What "good" and "poor" mean in a report. These are this project's own lines, drawn where the error of the mean is no
# longer ruled by noise; they come from no publication.
GOOD_MIN_SHARE_OK = 0.85
POOR_MAX_SHARE_OK = 0.5
GOOD_MIN_SNR = 10.0
GOOD_MIN_R_SQUARED = 0.90


@dataclass(frozen=True)
class Quality:
    """How far a mean can be trusted. ``grade`` is "good", "limited" or "poor"; ``sentence`` gives the numbers."""

    grade: str
    sentence: str


def confidence_interval(roi: RoiStatistics, level: float = 0.95) -> tuple[float, float] | None:
    """Interval for the mean of a region (Student's t on its voxels); None for a single voxel."""
    if roi.n_used < 2 or roi.mean_se <= 0:
        return None
    half = float(stats.t.ppf(0.5 + level / 2, roi.n_used - 1)) * roi.mean_se
    return roi.mean - half, roi.mean + half


def region_quality(fit: R2StarFit, used: np.ndarray, roi: RoiStatistics, first_echo: np.ndarray) -> Quality:
    """Judge the mean of a region by its voxels' status, number, signal and fit."""
    n_wanted = roi.n_roi - sum(n for reason, n in roi.n_excluded.items() if reason.startswith("segment "))
    share_ok = np.count_nonzero(fit.status[used] == VoxelStatus.OK) / n_wanted
    r_squared = float(np.median(fit.r_squared[used]))
    snr = float(np.mean(first_echo[used])) / fit.noise_sigma if fit.noise_sigma else None
    facts = f"{100 * share_ok:.0f} % of {n_wanted} voxels fitted without remark, median R^2 {r_squared:.3f}"
    facts += f", first echo {snr:.0f} times the noise" if snr else ", noise level unknown"
    doubts = []
    if share_ok < GOOD_MIN_SHARE_OK:
        doubts.append(_main_defect(fit, used, roi, n_wanted))
    if roi.n_used < SMALL_ROI_VOXELS:
        doubts.append(f"The region is small ({roi.n_used} voxels).")
    if snr is not None and snr < GOOD_MIN_SNR:
        doubts.append("The signal is weak.")
    if r_squared < GOOD_MIN_R_SQUARED:
        doubts.append("The decay explains little of the signal's change.")
    grade = "good" if not doubts else "poor" if share_ok < POOR_MAX_SHARE_OK else "limited"
    return Quality(grade, " ".join([f"{facts}.", *doubts]))


def _main_defect(fit: R2StarFit, used: np.ndarray, roi: RoiStatistics, n_wanted: int) -> str:
    """The commonest reason why voxels of a region are not plainly ok."""
    counts = {status: int(np.count_nonzero(fit.status[used] == status)) for status in VoxelStatus}
    suspected, poor = counts[VoxelStatus.SUSPECTED_FIELD_GRADIENT], counts[VoxelStatus.POOR_FIT]
    lost = n_wanted - roi.n_used
    if lost >= max(suspected, poor):
        return f"{lost} of {n_wanted} voxels could not be fitted."
    if suspected >= poor:
        share = f"{suspected} of {roi.n_used} used voxels"
        if fit.is_bent_everywhere:
            return f"The decay of {share} is bent, as it is all over the image: no field gradient does that."
        return f"A field gradient is suspected in {share}; it makes their R2* read too high."
    return f"The decay of {poor} of {roi.n_used} used voxels is not mono-exponential."


def image_quality(fit: R2StarFit) -> Quality:
    """Judge a series without a region: what share of the voxels with signal was fitted."""
    counts = fit.status_counts()
    n_signal = sum(counts.values()) - counts[VoxelStatus.LOW_SIGNAL]
    if not n_signal:
        return Quality("poor", "No voxel stands out of the noise.")
    fitted = sum(n for status, n in counts.items() if status.is_fitted)
    share_ok = counts[VoxelStatus.OK] / n_signal
    sentence = f"{fitted} voxels fitted, {100 * share_ok:.0f} % of the voxels with signal without remark."
    return Quality("good" if share_ok >= GOOD_MIN_SHARE_OK else "limited", sentence)


def slices_text(slices_k: Sequence[int], n_slices: int) -> str:
    """Slices counted from 1, as viewers show them: "slice 11 of 16", "slices 4 to 9 of 16"."""
    numbers = [k + 1 for k in slices_k]
    if len(numbers) == 1:
        return f"slice {numbers[0]} of {n_slices}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"slices {numbers[0]} to {numbers[-1]} of {n_slices}"
    return f"slices {', '.join(map(str, numbers))} of {n_slices}"


def methods(
    series: EchoSeries,
    fit: R2StarFit,
    *,
    slice_rule: SliceRule | None,
    erosion_mm: float,
    exclusion_names: Sequence[str],
    keep_doubtful: bool,
    gradient_correction: str,
) -> Citing:
    """How the numbers were made, fit to be pasted into a paper."""
    acquisition = f"{len(series.echoes)} gradient echoes (TE {format_echo_times(series.echo_times_ms)}"
    acquisition += f", {series.field_strength_t:g} T)" if series.field_strength_t else ")"
    k, j, i = series.spacing_mm_kji
    size = " x ".join(str(n) for n in reversed(series.shape_kji))
    first = (
        f"R2* was mapped voxel by voxel from the magnitude of {acquisition}, {size} voxels of "
        f"{i:.2f} x {j:.2f} x {k:.2f} mm, assuming a mono-exponential decay S0 exp(−TE R2*). {_estimator(fit)} "
        f"{_noise(fit)} {_standard_error(fit)}"
    )
    second = _statuses(keep_doubtful)
    if gradient_correction:
        second += f" {gradient_correction.rstrip('.')} {{fernandez2000}}."
    if series.field_strength_t:
        second += " Echo spacing and field strength were checked against the resonances of fat {yu2008}."
    paragraphs = [first, second]
    if slice_rule is not None:
        paragraphs.append(_region(slice_rule, erosion_mm, exclusion_names))
    return Citing.of(paragraphs)


def _estimator(fit: R2StarFit) -> str:
    sentences = {
        R2StarMethod.NOISE_FLOOR: "The model sqrt(A^2 + sigma^2), a decay on the noise floor of a Rician magnitude "
        "{gudbjartsson1995}, was fitted by Gauss-Newton least squares, started from ARLO {pei2015} and a step of "
        "variable projection {golub1973}; the remaining expected bias was subtracted.",
        R2StarMethod.NLLS: "It was fitted by non-linear least squares with the amplitude eliminated (variable "
        "projection {golub1973}), started from ARLO {pei2015}, without a model of the noise floor.",
        R2StarMethod.ARLO: "It was fitted by auto-regression on linear operations (ARLO {pei2015}), without a model of "
        "the noise floor.",
        R2StarMethod.WEIGHTED_LOG_LINEAR: "It was fitted to the logarithm of the signal by least squares weighted with "
        "the squared signal of an unweighted fit {edwards2022}, without a model of the noise floor.",
        R2StarMethod.LOG_LINEAR: "It was fitted to the logarithm of the signal by unweighted least squares, without a "
        "model of the noise floor.",
    }
    return sentences[fit.method]


def _noise(fit: R2StarFit) -> str:
    if fit.noise_sigma is None:
        return "The noise level could not be estimated."
    cite = " {koay2009}" if fit.noise_source.startswith("air") else ""
    return f"Noise standard deviation per channel: {fit.noise_sigma:.4g} image units ({fit.noise_source}{cite})."


def _standard_error(fit: R2StarFit) -> str:
    if np.isnan(fit.degrees_of_freedom):
        return "There is no standard error."
    if np.isinf(fit.degrees_of_freedom):
        return "Standard errors follow from the noise level and the curvature of the least-squares problem."
    return f"Standard errors follow from each voxel's residual ({fit.degrees_of_freedom:g} degrees of freedom)."


def _statuses(keep_doubtful: bool) -> str:
    fate = "and are reported" if keep_doubtful else "in the map but were left out of the region"
    return (
        "Every voxel carries a status. Low signal, non-decaying, non-finite and saturated voxels were not fitted and "
        "count nowhere; voxels with a poor fit or with a curved decay that suggests a field gradient through the slice "
        f"keep their value {fate}."
    )


def _region(rule: SliceRule, erosion_mm: float, exclusion_names: Sequence[str]) -> str:
    section = "the segment's section of largest area"
    region = {
        SliceRule.LARGEST_SLICE: f"The region is {section}",
        SliceRule.LARGEST_SLICE_AND_NEIGHBORS: f"The region is {section} with its two neighbors",
        SliceRule.WHOLE_VOLUME: "The region is the whole segment",
    }[rule]
    if exclusion_names:
        region += f", less {'the segments ' if len(exclusion_names) > 1 else ''}{', '.join(exclusion_names)}"
    if erosion_mm:
        region += f", eroded in the plane by {erosion_mm:g} mm"
    source = {
        SliceRule.LARGEST_SLICE: "This is the section that Xu et al. measured for R2* in nasopharyngeal carcinoma "
        "{xu2023}.",
        SliceRule.LARGEST_SLICE_AND_NEIGHBORS: "This is the rule of Liu et al. for perfusion {liu2022}; Xu et al. "
        "measured R2* on the largest section alone {xu2023}.",
        SliceRule.WHOLE_VOLUME: "Xu et al. measured R2* on the section of largest area {xu2023}; the two differ where "
        "the tumor is uneven.",
    }[rule]
    return (
        f"{region}. {source} The standard error of the mean is the larger of what the voxels' own standard errors and "
        "their scatter imply."
    )


def standing_assumptions(*, gradient_corrected: bool, has_region: bool) -> list[str]:
    """What every such measurement takes for granted and a reader should know."""
    assumptions = ["One decay rate per voxel: no separate fat or blood compartment, no motion between echoes."]
    if not gradient_corrected:
        assumptions.append(
            "The magnetic field is even across each slice. Near air and bone it is not, and R2* reads too high there; "
            "voxels where the decay shows it are marked, not corrected."
        )
    if has_region:
        assumptions.append(
            "Voxels are taken as independent in the standard error of the mean; interpolated images make it too small. "
            "It tells the precision of this scan, not the repeatability between two."
        )
    return assumptions
