"""One patient's sub-regions on the headless scene, with the jobs of the panel: align, divide, measure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from NPCResponseLib.errors import InputError

from ..mrml.alignment import AlignmentJob, AlignmentResult, AlignmentSettings
from ..mrml.feature_stability import StabilityJob
from ..mrml.features import FeaturesJob, FeaturesResult
from ..mrml.patient_files import add_image, load_landmarks, load_transform
from ..mrml.radioresistance import MapJob, MapResult
from ..mrml.subregions import GTV, GTVNR, GTVR, SubRegionSettings, SubRegionsJob, SubRegionsResult
from ..radioresistance.exploratory_map import LocalModel
from ..robustness.size_control import SizeControl, size_control
from ..robustness.stability import PatientStability
from .patient_inputs import PatientInputs
from .patient_reading import PatientReader, read_image
from .texture_options import TextureChoice

Progress = Callable[[str, float], None]
MOST_REPEATS = 1000


@dataclass(frozen=True)
class MeasurementChoice:
    """What is done with every patient, beside the texture panel; plain values.

    Attributes:
        region_size_mm: of the volume of interest, around the middle of GTV.
        with_map: also compute the radio-resistance map; map_model: content of a model file for it, or None.
        different_patients: patient IDs differ on purpose.
        accept_unreliable: go on with an alignment that is not reliable.
        compare_levels: measure with gray levels shared by the regions, and with each region's own.
        n_stability: perturbations of the contours per kind; n_size_control: random divisions; 0 for none.
    """

    texture: TextureChoice = field(default_factory=TextureChoice)
    minimum_island_mm3: float = 0.0
    region_size_mm: tuple[float, float, float] = (120.0, 120.0, 110.0)
    seed: int = 0
    with_map: bool = False
    map_model: dict | None = None
    different_patients: bool = False
    accept_unreliable: bool = False
    compare_levels: bool = False
    n_stability: int = 0
    n_size_control: int = 0

    def __post_init__(self):
        for option, n in (("--stability", self.n_stability), ("--size-control", self.n_size_control)):
            if not 0 <= n <= MOST_REPEATS:
                raise InputError(f"{option} goes from 0 to {MOST_REPEATS}, found {n}")
        if self.seed < 0:
            raise InputError(f"--seed must not be negative, found {self.seed}")
        if not all(math.isfinite(size) and size > 0 for size in self.region_size_mm):
            raise InputError("the size of the volume to align must be positive", remedy="Give mm, as in 120,120,110")
        if not (math.isfinite(self.minimum_island_mm3) and self.minimum_island_mm3 >= 0):
            raise InputError("--smallest-island must not be negative", remedy="Give mm3")


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
    stability: PatientStability | None
    size_control: SizeControl | None
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
    pre = read_image(inputs.pre)
    reader = PatientReader(pre, inputs.plan_transform, choice.different_patients)
    pre_node = add_image(pre.array, pre.ijk_to_ras, "pre-treatment")
    gtv = reader.contour(inputs.gtv, inputs.gtv_segment, pre, pre_node, GTV)
    recurrence_node, drawn_on, drawn_on_node = None, pre, pre_node
    if inputs.recurrence is not None:
        drawn_on = reader.read_other_scan(inputs.recurrence)
        drawn_on_node = recurrence_node = add_image(drawn_on.array, drawn_on.ijk_to_ras, "recurrence")
    gtvr = reader.contour(inputs.gtvr, inputs.gtvr_segment, drawn_on, drawn_on_node, "GTVr as drawn")
    dose = None if inputs.dose is None else reader.dose(inputs.dose)
    check()

    alignment = None
    if recurrence_node is not None:
        job = _alignment_job(inputs, choice, pre_node, recurrence_node, gtv)
        alignment = _finished(job, "Aligning", (0.05, 0.6), progress, check)
        if not (alignment.alignment.reliable or choice.accept_unreliable):
            raise _unreliable(alignment.alignment.reasons, inputs)
    job = SubRegionsJob(
        gtv,
        gtvr,
        SubRegionSettings(
            minimum_island_mm3=choice.minimum_island_mm3,
            prescription_gy=inputs.prescription_gy,
            different_patients=True,  # the files' headers were compared above
        ),
        transform=alignment.outputs.transform if alignment else None,
        dose=dose,
    )
    subregions = _finished(job, "Dividing", (0.6, 0.64), progress, check)
    segmentation = subregions.outputs.segmentation
    regions = {
        name: (segmentation, segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)) for name in (GTVR, GTVNR)
    }
    settings = choice.texture.settings()
    job = FeaturesJob(pre_node, regions, settings, compare_levels=choice.compare_levels)
    features = _finished(job, "Measuring texture", (0.64, 0.7), progress, check)
    found_map = stability = controlled = None
    if choice.with_map:
        model = None if choice.map_model is None else LocalModel.from_dict(choice.map_model)
        found_map = _finished(MapJob(pre_node, gtv, model=model), "Mapping", (0.7, 0.75), progress, check)
    if choice.n_stability:
        job = StabilityJob(pre_node, segmentation, settings, n=choice.n_stability, seed=choice.seed)
        stability = _finished(job, "Perturbing contours", (0.75, 0.9), progress, check).stability
    if choice.n_size_control:
        controlled = _size_control(features, settings, choice, progress, check)
    return PatientMeasurement(
        inputs, alignment, subregions, features, found_map, stability, controlled, reader.finish()
    )


def _size_control(features: FeaturesResult, settings, choice: MeasurementChoice, progress, check) -> SizeControl:
    def told(fraction: float) -> None:
        progress("Dividing at random", 0.9 + 0.1 * fraction)
        check()

    image, masks = features.image, features.masks
    return size_control(
        image.array,
        masks[GTVR] | masks[GTVNR],
        masks[GTVR],
        image.spacing_mm_kji,
        settings,
        n=choice.n_size_control,
        seed=choice.seed,
        progress=told,
    )


def _unreliable(reasons, inputs: PatientInputs) -> InputError:
    """With advice that was not followed yet."""
    if inputs.transform:
        advice = "Give another transform, or leave it out so that the images are aligned"
    elif inputs.landmarks_pre:
        advice = "Look at the landmarks, or give a transform"
    else:
        advice = "Give landmarks or a transform"
    return InputError(
        "the alignment is not reliable: " + " ".join(reasons).rstrip("."),
        where="alignment",
        remedy=f"{advice}; --accept-unreliable-alignment goes on anyway, and its report shows how the images fit",
    )


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
