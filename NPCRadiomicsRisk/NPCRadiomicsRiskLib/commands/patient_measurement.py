"""One patient's sub-regions on the headless scene, with the jobs of the panel: align, divide, measure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from NPCResponseLib.errors import InputError

from ..mrml.alignment import AlignmentJob, AlignmentResult, AlignmentSettings
from ..mrml.features import FeaturesJob, FeaturesResult
from ..mrml.patient_files import (
    add_image,
    add_segment,
    load_landmarks,
    load_segment,
    load_transform,
    read_linear_transform,
)
from ..mrml.radioresistance import MapJob, MapResult
from ..mrml.subregions import GTV, GTVNR, GTVR, SubRegionSettings, SubRegionsJob, SubRegionsResult
from ..readers.dicom_rt import modality_of
from ..readers.images import Volume, read_volume
from ..readers.rtdose import read_dose
from ..readers.rtstruct import RtStructures, Structure, rasterized, read_structures
from .patient_inputs import PatientInputs
from .texture_options import TextureChoice

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class MeasurementChoice:
    """What is done with every patient, beside the texture panel; plain values.

    Attributes:
        region_size_mm: of the volume of interest, around the middle of GTV.
        with_map: also compute the radio-resistance map.
        different_patients: patient IDs differ on purpose.
        accept_unreliable: go on with an alignment that is not reliable.
    """

    texture: TextureChoice = field(default_factory=TextureChoice)
    minimum_island_mm3: float = 0.0
    region_size_mm: tuple[float, float, float] = (120.0, 120.0, 110.0)
    seed: int = 0
    with_map: bool = False
    different_patients: bool = False
    accept_unreliable: bool = False


@dataclass(frozen=True, eq=False)
class PatientMeasurement:
    """Attributes:
    alignment: None if GTVr was drawn on the pre-treatment image.
    warnings: of reading.
    """

    inputs: PatientInputs
    alignment: AlignmentResult | None
    subregions: SubRegionsResult
    features: FeaturesResult
    map: MapResult | None
    warnings: tuple[str, ...]


def measure_patient(
    inputs: PatientInputs, choice: MeasurementChoice, progress: Progress, check: Callable[[], None]
) -> PatientMeasurement:
    """Everything of one patient in the scene.

    Args:
        progress: called with (what is being done, fraction done).
        check: called between steps; what it raises ends the measurement.

    Raises:
        InputError: of any input; also an alignment that is not reliable, unless that is accepted.
    """
    progress("Reading", 0.02)
    pre = _read_image(inputs.pre)
    recurrence = _read_image(inputs.recurrence) if inputs.recurrence else None
    if recurrence is not None and not choice.different_patients:
        _check_one_patient(pre, recurrence)
    pre_node = add_image(pre.array, pre.ijk_to_ras, "pre-treatment")
    options = _ContourOptions(
        None if inputs.plan_transform is None else read_linear_transform(inputs.plan_transform),
        choice.different_patients,
    )
    gtv = _segment(inputs.gtv, inputs.gtv_segment, pre, pre_node, GTV, options)
    recurrence_node, drawn_on, drawn_on_node = None, pre, pre_node
    if recurrence is not None:
        recurrence_node = add_image(recurrence.array, recurrence.ijk_to_ras, "recurrence")
        drawn_on, drawn_on_node = recurrence, recurrence_node
    gtvr = _segment(inputs.gtvr, inputs.gtvr_segment, drawn_on, drawn_on_node, "GTVr as drawn", options)
    check()

    alignment = None
    if recurrence_node is not None:
        job = _alignment_job(inputs, choice, pre_node, recurrence_node, gtv)
        alignment = _finished(job, "Aligning", (0.05, 0.6), progress, check)
        if not (alignment.alignment.reliable or choice.accept_unreliable):
            raise InputError(
                "the alignment is not reliable: " + " ".join(alignment.alignment.reasons).rstrip("."),
                where="alignment",
                remedy="Give landmarks or a transform, or add --accept-unreliable-alignment after looking at it",
            )
    job = SubRegionsJob(
        gtv,
        gtvr,
        SubRegionSettings(
            minimum_island_mm3=choice.minimum_island_mm3,
            prescription_gy=inputs.prescription_gy,
            different_patients=True,  # the files' headers were compared above
        ),
        transform=alignment.outputs.transform if alignment else None,
        dose=_dose_node(inputs.dose, pre, options),
    )
    subregions = _finished(job, "Dividing", (0.6, 0.7), progress, check)
    segmentation = subregions.outputs.segmentation
    regions = {
        name: (segmentation, segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)) for name in (GTVR, GTVNR)
    }
    job = FeaturesJob(pre_node, regions, choice.texture.settings())
    features = _finished(job, "Measuring texture", (0.7, 0.85), progress, check)
    found_map = None
    if choice.with_map:
        found_map = _finished(MapJob(pre_node, gtv), "Mapping", (0.85, 1.0), progress, check)
    warnings = (*pre.warnings, *(recurrence.warnings if recurrence else ()), *options.warnings)
    return PatientMeasurement(inputs, alignment, subregions, features, found_map, warnings)


@dataclass
class _ContourOptions:
    """How radiotherapy objects are taken; collects what their readers warn of."""

    plan_transform: np.ndarray | None
    different_patients: bool
    warnings: tuple[str, ...] = ()

    def plan_to(self, frame_uid: str, image: Volume) -> np.ndarray | None:
        """4x4 for an object in the frame of the planning CT; None for one in the image's, or if none is given."""
        own = not frame_uid or frame_uid == image.frame_of_reference_uid
        return None if own else self.plan_transform


def _finished(job, doing: str, span: tuple[float, float], progress: Progress, check: Callable[[], None]):
    """Run the steps of a job within a part of the whole, and write its nodes."""
    low, high = span
    for fraction in job.steps():
        progress(doing, low + (high - low) * fraction)
        check()
    return job.finish()


def _alignment_job(inputs: PatientInputs, choice: MeasurementChoice, pre_node, recurrence_node, gtv) -> AlignmentJob:
    settings = AlignmentSettings(region_size_mm=choice.region_size_mm, seed=choice.seed, different_patients=True)
    return AlignmentJob(
        pre_node,
        recurrence_node,
        settings,
        region=gtv,
        fixed_landmarks=_optional(load_landmarks, inputs.landmarks_pre, "landmarks before"),
        moving_landmarks=_optional(load_landmarks, inputs.landmarks_recurrence, "landmarks at recurrence"),
        given_transform=load_transform(inputs.transform, "recurrence to pre-treatment (given)")
        if inputs.transform
        else None,
    )


def _optional(load, path: Path | None, name: str):
    return None if path is None else load(path, name)


def _read_image(path: Path) -> Volume:
    try:
        return read_volume(path)
    except InputError as error:
        raise InputError(error.what, where=error.where or str(path), remedy=error.remedy) from error


def _check_one_patient(pre: Volume, recurrence: Volume) -> None:
    both = pre.patient_fingerprint, recurrence.patient_fingerprint
    if None not in both and both[0] != both[1]:
        raise InputError(
            "the two images are of different patients (PatientID differs)",
            remedy="Correct the files, or add --allow-different-patients if an ID was changed on purpose",
        )


def _segment(path: Path, segment: str, image: Volume, node, name: str, options: _ContourOptions) -> tuple:
    """Segmentation node and segment ID of a contour file."""
    if modality_of(path) != "RTSTRUCT":
        return load_segment(path, segment, name)
    structures = read_structures(path)
    both = structures.patient_fingerprint, image.patient_fingerprint
    if not options.different_patients and None not in both and both[0] != both[1]:
        raise InputError(
            f"the contours of {name} are of another patient than the image (PatientID differs)",
            remedy="Correct the files, or add --allow-different-patients",
        )
    structure = _chosen(structures, segment, name)
    found = rasterized(
        structure,
        image.array.shape,
        image.ijk_to_ras,
        grid_frame_uid=image.frame_of_reference_uid,
        to_grid_ras=options.plan_to(structure.frame_of_reference_uid, image),
    )
    options.warnings += found.warnings
    return add_segment(found.mask, node, name)


def _chosen(structures: RtStructures, segment: str, name: str) -> Structure:
    drawn = [structure for structure in structures.structures if structure.contours_ras]
    if segment:
        return structures.named(segment)
    if len(drawn) > 1:
        names = ", ".join(structure.name for structure in drawn)
        raise InputError(
            f"it is not said which structure is {name}",
            where="structure set",
            remedy=f"Name one with --gtv-segment or --gtvr-segment: {names}",
        )
    return drawn[0]


def _dose_node(path: Path | None, pre: Volume, options: _ContourOptions):
    if path is None:
        return None
    if modality_of(path) != "RTDOSE":
        volume = read_volume(path)
        return add_image(volume.array, volume.ijk_to_ras, "dose")
    dose = read_dose(path)
    both = dose.patient_fingerprint, pre.patient_fingerprint
    if not options.different_patients and None not in both and both[0] != both[1]:
        raise InputError(
            "the dose is of another patient than the image (PatientID differs)",
            remedy="Correct the files, or add --allow-different-patients",
        )
    to_pre = options.plan_to(dose.frame_of_reference_uid, pre)
    own, other = dose.frame_of_reference_uid, pre.frame_of_reference_uid
    if to_pre is None and own and other and own != other:
        raise InputError(
            "it is in another frame of reference than the pre-treatment image",
            where="dose",
            remedy="Give --plan-transform, from the planning CT to the image",
        )
    options.warnings += dose.warnings
    return add_image(dose.dose_gy, dose.ijk_to_ras if to_pre is None else to_pre @ dose.ijk_to_ras, "dose")
