"""One described patient measured on the headless scene: every series of every time point, with the jobs of the panel.

Nodes get neutral names ("pre BOLD"), since they are saved in the scene.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import slicer

from ..asl_series import AslRole, LabelingType
from ..errors import InputError
from ..mrml import files, segments
from ..mrml.asl_series import add_asl_series_to_scene
from ..mrml.carried_segmentation import carry_segmentation
from ..mrml.diameters import SegmentDiameters, measure_segment, write_lines
from ..mrml.echo_series import add_echo_series_to_scene
from ..mrml.measured_values import lesion_measurement, r2star_value, tbf_value
from ..mrml.r2star import R2StarJob, R2StarResult, R2StarSettings
from ..mrml.tbf import RoiAverage, TbfJob, TbfResult, TbfSettings
from ..perfusion import PerfusionSettings
from ..readers import patient_fingerprint, read_asl_series, read_echo_series
from ..relaxometry import R2StarMethod
from ..rois import SliceRule
from ..time_points import LesionMeasurement, LesionStatus, NonTargetFinding, Stage, TimePointValues
from .patient_description import (
    AslImages,
    BoldSeries,
    Lesion,
    PatientDescription,
    TimePointDescription,
)


@dataclass
class MeasuredTimePoint:
    """Everything that one time point gave; what was not described is None or empty."""

    description: TimePointDescription
    r2star: R2StarResult | None = None
    tbf: TbfResult | None = None
    diameters: dict[str, SegmentDiameters] = field(default_factory=dict)
    lesions: tuple[LesionMeasurement, ...] = ()
    anatomy: object = None
    segmentation: object = None
    warnings: tuple[str, ...] = ()

    def values(self) -> TimePointValues:
        """What the assessment takes."""
        point = self.description
        return TimePointValues(
            name=point.name,
            stage=Stage(point.stage),
            day=point.day,
            dose_gy=point.dose_gy,
            r2star=r2star_value(self.r2star) if self.r2star else None,
            tbf=tbf_value(self.tbf) if self.tbf else None,
            lesions=self.lesions,
            non_target=NonTargetFinding(point.non_target) if point.non_target else None,
            new_lesions=point.new_lesions,
            residual_tumor=point.residual_tumor,
        )


def check_one_patient(description: PatientDescription) -> None:
    """Refuse images of different patients, as far as their headers tell.

    Raises:
        InputError: two time points or series with different PatientID.
    """
    first: tuple[str, str] | None = None
    for point in description.time_points:
        for what, paths in _image_paths(point):
            fingerprint = patient_fingerprint(paths)
            if fingerprint is None:
                continue
            if first is None:
                first = (fingerprint, f"{point.name} {what}")
            elif fingerprint != first[0]:
                raise InputError(
                    f"{point.name} {what} and {first[1]} are images of different patients (PatientID differs)",
                    remedy="Correct the description, or add --allow-different-patients if an ID was changed on purpose",
                )


def _image_paths(point: TimePointDescription) -> Iterator[tuple[str, tuple[Path, ...]]]:
    if point.bold:
        yield "BOLD", point.bold.images
    if point.asl:
        yield "ASL", (*point.asl.images, *point.asl.m0)
    if point.anatomy:
        yield "anatomy", (point.anatomy.image,)


def measure_patient(description: PatientDescription, progress, interruption) -> list[MeasuredTimePoint]:
    """Measure all time points, in the order of the description.

    Args:
        progress: called with (what is being done, fraction done).

    Raises:
        InputError: of any series, naming the time point.
    """
    points = [MeasuredTimePoint(point) for point in description.time_points]
    tasks = [
        (point, task) for task in (_read_anatomy, _measure_lesions, _measure_bold, _measure_asl) for point in points
    ]
    for number, (point, task) in enumerate(tasks):
        progress(f"{point.description.name}", number / len(tasks))
        try:
            task(point, points, description.field_strength_t, interruption)
        except InputError as error:
            where = f"time point {point.description.name}" + (f", {error.where}" if error.where else "")
            raise InputError(error.what, where=where, remedy=error.remedy) from error
        interruption.check()
    return points


# -- anatomy and lesions --


def _read_anatomy(point: MeasuredTimePoint, points, _field_strength_t, _interruption) -> None:
    anatomy, name = point.description.anatomy, point.description.name
    if anatomy is None:
        return
    point.anatomy = _load_anatomy(anatomy.image, f"{name} T1")
    if anatomy.segmentation:
        point.segmentation = files.load_segmentation(anatomy.segmentation, f"{name} regions")
    elif anatomy.carry_segmentation_from:
        source = next(other for other in points if other.description.name == anatomy.carry_segmentation_from)
        if source.segmentation is None or source.anatomy is None:
            raise InputError(
                f"{source.description.name} has no segmentation to carry over that was read before",
                remedy="Name a time point above this one, whose anatomy has a segmentation",
            )
        carried = carry_segmentation(source.segmentation, source.anatomy, point.anatomy, f"{name} regions")
        point.segmentation = carried.segmentation
        point.warnings += (
            f"The segmentation of {name} was carried over from {source.description.name} by rigid registration and not "
            f"redrawn: no diameters are taken from it.",
            *carried.warnings,
        )


def _load_anatomy(path: Path, name: str):
    if path.is_dir() or path.suffix.lower() in ("", ".dcm", ".ima"):
        from ..mrml.volumes import add_volume
        from ..readers import read_volume

        return add_volume(*read_volume(path), name)
    return files.load_volume(path, name)


def _measure_lesions(point: MeasuredTimePoint, _points, _field_strength_t, _interruption) -> None:
    point.lesions = tuple(_measure_lesion(point, lesion) for lesion in point.description.lesions)


def _measure_lesion(point: MeasuredTimePoint, lesion: Lesion) -> LesionMeasurement:
    told = LesionMeasurement(
        name=lesion.label,
        organ=lesion.organ,
        is_node=lesion.node,
        is_target=lesion.target,
        longest_mm=lesion.longest_mm,
        short_axis_mm=lesion.short_axis_mm,
        status=LesionStatus(lesion.status),
        is_manual=lesion.longest_mm is not None or lesion.short_axis_mm is not None,
    )
    carried = bool(point.description.anatomy and point.description.anatomy.carry_segmentation_from)
    if not lesion.segment or carried or told.status is not LesionStatus.PRESENT:
        return told
    diameters = measure_segment(
        point.segmentation, segments.segment_id_by_name(point.segmentation, lesion.segment), point.anatomy
    )
    point.diameters[lesion.label] = diameters
    write_lines(diameters, sibling=point.anatomy)
    enhancing = None
    if lesion.enhancing_segment:
        enhancing = measure_segment(
            point.segmentation, segments.segment_id_by_name(point.segmentation, lesion.enhancing_segment), point.anatomy
        )
    return lesion_measurement(told, diameters.measurement, enhancing.measurement if enhancing else None)


# -- series --


def _region(point: MeasuredTimePoint, part: BoldSeries | AslImages, name: str):
    """Segmentation node, ID of the tumor's segment, and IDs of those left out, as keywords of a job."""
    if part.segmentation:
        segmentation = files.load_segmentation(part.segmentation, f"{name} regions")
    else:
        segmentation = point.segmentation if part.segment else None
    if segmentation is None:
        return {}
    return {
        "segmentation": segmentation,
        "segment_id": segments.segment_id_by_name(segmentation, part.segment),
        "exclusion_ids": tuple(segments.segment_id_by_name(segmentation, other) for other in part.exclude),
    }


def _measure_bold(point: MeasuredTimePoint, _points, field_strength_t, interruption) -> None:
    bold = point.description.bold
    if bold is None:
        return
    name = f"{point.description.name} BOLD"
    series = replace(read_echo_series(bold.images, echo_times_ms=bold.echo_times_ms), name=name)
    if series.field_strength_t is None:
        series = replace(series, field_strength_t=field_strength_t)
    interruption.check()
    job = R2StarJob(
        add_echo_series_to_scene(series),
        R2StarSettings(
            method=R2StarMethod(bold.method),
            slice_rule=SliceRule(bold.roi),
            erosion_mm=bold.erode_mm,
            keep_doubtful=not bold.leave_out_doubtful,
        ),
        b0_map=files.load_volume(bold.b0_map, f"{name} field map") if bold.b0_map else None,
        reading_warnings=series.warnings,
        **_region(point, bold, name),
    )
    point.r2star = _finished(job, interruption)


def _measure_asl(point: MeasuredTimePoint, _points, field_strength_t, interruption) -> None:
    asl = point.description.asl
    if asl is None:
        return
    name = f"{point.description.name} ASL"
    roles = tuple(AslRole(role) for role in asl.roles) or None
    series = replace(read_asl_series(asl.images, m0_paths=asl.m0 or None, roles=roles), name=name)
    if series.field_strength_t is None:
        series = replace(series, field_strength_t=field_strength_t)
    interruption.check()
    if asl.region_on_anatomy and point.anatomy is None:
        raise InputError("region_on_anatomy needs an anatomy", remedy="Describe the anatomical image, too")
    job = TbfJob(
        add_asl_series_to_scene(series),
        TbfSettings(
            perfusion=perfusion_settings(asl),
            slice_rule=SliceRule(asl.roi),
            average=RoiAverage(asl.average),
            erosion_mm=asl.erode_mm,
            correct_motion=asl.correct_motion,
            keep_doubtful=not asl.leave_out_doubtful,
        ),
        anatomy=point.anatomy if asl.region_on_anatomy else None,
        reading_warnings=series.warnings,
        reading_sources=series.sources,
        **_region(point, asl, name),
    )
    point.tbf = _finished(job, interruption)


def perfusion_settings(asl: AslImages) -> PerfusionSettings:
    """What the description states of the quantification; the rest is left to data and defaults."""
    stated = {
        "post_labeling_delay_ms": asl.post_labeling_delay_ms,
        "label_duration_ms": asl.label_duration_ms,
        "labeling_type": LabelingType(asl.labeling_type) if asl.labeling_type else None,
        "labeling_efficiency": asl.labeling_efficiency,
        "n_background_suppression_pulses": asl.background_suppression_pulses,
        "t1_blood_ms": asl.t1_blood_ms,
        "hematocrit": asl.hematocrit,
        "t1_tissue_ms": asl.t1_tissue_ms,
        "partition_coefficient_ml_per_g": asl.partition_coefficient_ml_per_g,
        "perfusion_scale": asl.perfusion_scale,
        "m0_repetition_time_ms": asl.m0_repetition_time_ms,
        "drop_outlier_pairs": asl.drop_outlier_pairs or None,
    }
    return PerfusionSettings(**{name: value for name, value in stated.items() if value is not None})


def _finished(job, interruption):
    for _fraction in job.steps():
        interruption.check()
    return job.finish()


# -- pictures of the report --


def anatomy_picture(
    point: MeasuredTimePoint, lesion_name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    """The anatomical image (KJI), its ijk_to_ras, and the mask of a lesion on it, for the report; None without one."""
    from ..mrml.geometry import matrix_of
    from ..mrml.segments import segment_mask

    if point.anatomy is None:
        return None
    mask = None
    lesion = next((lesion for lesion in point.description.lesions if lesion.label == lesion_name), None)
    if lesion is not None and lesion.segment and point.segmentation is not None:
        segment_id = segments.segment_id_by_name(point.segmentation, lesion.segment)
        mask = segment_mask(point.segmentation, segment_id, point.anatomy, allow_empty=True).mask
    return slicer.util.arrayFromVolume(point.anatomy), matrix_of(point.anatomy), mask
