"""The sentences of a blood flow report: verdict, methods, assumptions, references. Plain values in, plain text out."""

import numpy as np
from scipy import stats

from ..asl_series import AslRole
from ..perfusion import PerfusionModel, PerfusionStatus
from ..rois import SMALL_ROI_VOXELS
from .citations import Citing
from .r2star_text import Quality, slices_text

# What "good" and "poor" mean is this project's own line, as for R2*: where noise or negative flow rule the number.
GOOD_MAX_RELATIVE_SE, POOR_MIN_RELATIVE_SE = 0.10, 0.35
GOOD_MIN_SHARE_OK, POOR_MAX_SHARE_OK = 0.85, 0.5


def confidence_interval(result, level: float = 0.95) -> tuple[float, float] | None:
    """Interval for the region's flow (Student's t), or None without a standard error."""
    if result.roi is None or result.roi.n_used < 2 or not result.mean_se:
        return None
    half = float(stats.t.ppf(0.5 + level / 2, max(result.degrees_of_freedom, 1.0))) * result.mean_se
    return result.mean - half, result.mean + half


def quality(result) -> Quality:
    """Judge the flow of the region, or of the image when there is none, by what the noise leaves of it."""
    whole = result.perfusion.quality
    facts = []
    if whole.n_pairs:
        facts.append(f"{whole.n_pairs - whole.n_pairs_dropped} of {whole.n_pairs} {pairs_word(result.series)} used")
    if whole.temporal_snr is not None:
        facts.append(f"difference {whole.temporal_snr:.2g} times its scatter in the median voxel")
    if whole.negative_fraction is not None:
        facts.append(f"{100 * whole.negative_fraction:.0f} % of the image's voxels with negative flow")
    if result.roi is None:
        return Quality("limited", f"{_sentence(facts)} No region was measured.")
    share_ok = float(np.mean(result.perfusion.status[result.used_mask] == PerfusionStatus.OK))
    facts.insert(0, f"{100 * share_ok:.0f} % of {result.roi.n_used} voxels without remark")
    doubts, poor = [], share_ok < POOR_MAX_SHARE_OK
    if result.mean_se and result.mean > 0:
        relative = result.mean_se / result.mean
        facts.insert(1, f"standard error {100 * relative:.1f} % of the flow")
        poor = poor or relative > POOR_MIN_RELATIVE_SE
        if relative > GOOD_MAX_RELATIVE_SE:
            doubts.append("The noise is large against the flow.")
    else:
        doubts.append("The standard error is not known." if result.mean > 0 else "The flow is not above zero.")
    if not has_noise(result):
        doubts.append("No repeats tell the noise: the standard error rests on the scatter of voxels alone.")
    if result.perfusion.model is PerfusionModel.VENDOR_MAP:
        doubts.append("The scanner's formula is not known.")
    if share_ok < GOOD_MIN_SHARE_OK:
        doubts.append("Many voxels carry a remark.")
    if result.roi.n_used < SMALL_ROI_VOXELS:
        doubts.append(f"The region is small ({result.roi.n_used} voxels).")
    grade = "poor" if poor else "limited" if doubts else "good"
    return Quality(grade, " ".join([_sentence(facts), *doubts]))


def _sentence(facts: list[str]) -> str:
    text = ", ".join(facts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def methods(result) -> Citing:
    """How the number came about, fit to be pasted into a paper."""
    perfusion = result.perfusion
    paragraphs = [_images(result)]
    if result.motion:
        paragraphs.append(
            "Control and label images were rigidly aligned with each other and with M0 before subtraction, in one "
            "interpolation."
        )
    if perfusion.model is PerfusionModel.KINETIC:
        paragraphs.append(
            "Flow and arterial transit time were fitted by least squares to the general kinetic model {buxton1998}. "
            f"{perfusion.formula}."
        )
    elif perfusion.model is PerfusionModel.SINGLE_DELAY:
        paragraphs.append(
            f"Tumor blood flow was computed with the formula of {{liu2022}} and {{alsop2015}}: {perfusion.formula}. "
            "Its bias against the general kinetic model {buxton1998} was computed for a range of transit times and T1."
        )
    else:
        paragraphs.append("The flow map was computed by the scanner; its formula and constants are not known here.")
    if any("Lu 2004" in parameter.source for parameter in perfusion.parameters):
        paragraphs.append("T1 of blood follows from the hematocrit {lu2004}.")
    if result.roi:
        paragraphs.append(_region(result))
    if result.registration:
        paragraphs.append(
            "The series was registered rigidly to the anatomical image by mutual information, and the region, drawn on "
            "that image, was taken over."
        )
    return Citing.of(paragraphs)


def _images(result) -> str:
    series = result.series
    labeling = f"{series.labeling_type.value} " if series.labeling_type else ""
    plural = "s" if len(series.roles) > 1 else ""
    told = f"The {labeling}series held {images_text(series)} image{plural}."
    if series.indices(AslRole.CONTROL) and result.perfusion.model is not PerfusionModel.VENDOR_MAP:
        told += " Control and label were paired by their roles and delays, never by position."
    elif series.indices(AslRole.DIFFERENCE):
        told += " The difference of control and label came ready from the scanner."
    return told


def images_text(series) -> str:
    """ "8 control, 8 label, 1 M0"."""
    words = {
        AslRole.M0: "M0",
        AslRole.CONTROL: "control",
        AslRole.LABEL: "label",
        AslRole.DIFFERENCE: "difference",
        AslRole.FLOW: "flow map",
    }
    counts = {role: len(series.indices(role)) for role in AslRole}
    return ", ".join(f"{n} {words[role]}" for role, n in counts.items() if n)


def pairs_word(series) -> str:
    """What is averaged: pairs of control and label, or differences that came ready."""
    return "differences" if series.indices(AslRole.DIFFERENCE) else "pairs"


def has_noise(result) -> bool:
    """Whether repeats tell how large the noise is."""
    return result.region_flow is not None or result.perfusion.standard_error is not None


def _region(result) -> str:
    settings = result.settings
    excluded = f", less {', '.join(result.exclusion_names)}" if result.exclusion_names else ""
    erosion = f", eroded by {settings.erosion_mm:g} mm in the plane" if settings.erosion_mm else ""
    rule = settings.slice_rule.label().lower()
    if result.region_flow is not None:
        how = "The mean signal of each slice was fitted, and the slices' flows averaged"
    else:
        how = f"One number was taken as the {settings.average.label().lower()}"
    where = slices_text(result.roi.slices_k, result.series.shape_kji[0])
    return f"The region is segment {result.segment_name}{excluded}: {rule}{erosion} ({where}) {{liu2022}}. {how}."


def assumptions(result) -> list[str]:
    """What was taken for granted, beside the parameters that are marked so."""
    standing = []
    perfusion = result.perfusion
    if perfusion.model is PerfusionModel.SINGLE_DELAY:
        standing.append(
            "All labeled blood arrived before the readout and relaxes as blood does: where it does not, one delay "
            "gives less than the true flow (see the bias of one delay). Changes between examinations suffer less if "
            "transit time and T1 stay as they were."
        )
    if perfusion.model is not PerfusionModel.VENDOR_MAP:
        standing.append("The labeling efficiency is that of flow and field at the labeling plane as published.")
        standing.append("M0 was taken voxel by voxel; coil sensitivity cancels.")
    if result.roi is not None and not has_noise(result):
        standing.append(
            "The standard error of the mean is that of the voxels' scatter, taken as independent: no repeats tell the "
            "noise, and errors common to all voxels are not in it."
        )
    if result.roi is not None and result.region_flow is None and perfusion.standard_error is not None:
        standing.append(
            "The standard error of the mean takes the noise of voxels as independent; smoothed or interpolated images "
            "make it too small."
        )
    return standing
