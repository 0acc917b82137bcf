"""A patient in a text file: which images belong to which time point. YAML or JSON; a fault is told with its line.

    version: 1
    patient: case 12
    treatment: {total_dose_gy: 70, fractions: 35}
    time_points:
      - name: pre
        stage: pre-treatment
        bold: {images: pre_bold.nii.gz, segmentation: pre_tumor.seg.nrrd, segment: tumor, exclude: [necrosis]}
        asl: {images: pre_asl.nii.gz, label_duration_ms: 1500, segmentation: pre_asl_tumor.seg.nrrd, segment: tumor}
        anatomy: {image: pre_t1ce.nii.gz, segmentation: pre_t1ce.seg.nrrd}
        lesions: [{segment: tumor}, {segment: node_right, organ: lymph node, node: true}]

File names are relative to the description. Where bold or asl have no segmentation of their own, that of anatomy is
used.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from ..errors import InputError
from .described import DescribedPart as _Part
from .described import NotNegative, Positive, Text, fault, read_described

DESCRIPTION_NAMES = ("patient.yaml", "patient.yml", "patient.json")
LESION_STATUSES = ("present", "absent", "too small to measure", "unequivocal progression", "not evaluated")
GROUPINGS = ("response-3-months", "response-40-gy", "residual-1-month", "effective-3-months")
NON_TARGET_FINDINGS = ("complete response", "non-CR/non-PD", "unequivocal progression", "not evaluated")
STAGES = ("pre-treatment", "mid-treatment", "end of treatment", "1 month", "3 months", "other")


class _Measured(_Part):
    """Images of one series, and the region in which they are measured; without a segmentation, that of anatomy."""

    images: tuple[Path, ...]
    segmentation: Path | None = None
    segment: str = ""
    exclude: tuple[Text, ...] = ()
    erode_mm: NotNegative = 0.0
    leave_out_doubtful: bool = False

    @field_validator("images", mode="before")
    @classmethod
    def _one_or_more(cls, value):
        return (value,) if isinstance(value, str) else value

    @field_validator("images")
    @classmethod
    def _not_empty(cls, value):
        if not value:
            raise ValueError("at least one file or folder is needed")
        return value


class BoldSeries(_Measured):
    """Multi-echo images for R2*."""

    roi: Literal["largest-slice", "largest-slice-and-neighbors", "whole-volume"] = "largest-slice"
    method: Literal["auto", "noise-floor", "nlls", "arlo", "weighted-log-linear", "log-linear"] = "auto"
    echo_times_ms: tuple[Positive, ...] = ()
    b0_map: Path | None = None


class AslImages(_Measured):
    """Arterial spin labeling images for TBF."""

    roi: Literal["largest-slice", "largest-slice-and-neighbors", "whole-volume"] = "largest-slice-and-neighbors"
    average: Literal["mean-of-slices", "pooled"] = "mean-of-slices"
    m0: tuple[Path, ...] = ()
    roles: tuple[Literal["control", "label", "m0scan", "deltam", "cbf"], ...] = ()
    label_duration_ms: Positive | None = None
    post_labeling_delay_ms: Positive | tuple[Positive, ...] | None = None
    labeling_type: Literal["PCASL", "CASL", "PASL"] | None = None
    labeling_efficiency: Positive | None = None
    hematocrit: Positive | None = None
    t1_blood_ms: Positive | None = None
    t1_tissue_ms: Positive | None = None
    partition_coefficient_ml_per_g: Positive | None = None
    background_suppression_pulses: Annotated[int, Field(ge=0)] | None = None
    perfusion_scale: Positive | None = None
    m0_repetition_time_ms: Positive | None = None
    correct_motion: bool = False
    drop_outlier_pairs: bool = False
    region_on_anatomy: bool = False

    @field_validator("m0", mode="before")
    @classmethod
    def _one_or_more_m0(cls, value):
        return (value,) if isinstance(value, str) else value


class Lesion(_Part):
    """A lesion as RECIST counts it: measured from a segment, or told by a person, whose numbers win."""

    name: str = ""
    segment: str = ""
    organ: Text = "nasopharynx"
    node: bool = False
    target: bool = True
    enhancing_segment: str = ""
    longest_mm: NotNegative | None = None
    short_axis_mm: NotNegative | None = None
    status: Literal[LESION_STATUSES] = "present"

    @model_validator(mode="after")
    def _is_named(self):
        if not (self.name or self.segment):
            raise ValueError("a lesion needs a name or a segment")
        return self

    @property
    def label(self) -> str:
        """The same at all time points: the name, or the segment's."""
        return self.name or self.segment


class Anatomy(_Part):
    """The image on which diameters are measured, contrast-enhanced T1 in the papers."""

    image: Path
    segmentation: Path | None = None
    carry_segmentation_from: str = ""

    @model_validator(mode="after")
    def _one_segmentation(self):
        if self.segmentation is not None and self.carry_segmentation_from:
            raise ValueError("there is a segmentation, and one to carry over, too; give one of them")
        return self


class TimePointDescription(_Part):
    """One visit."""

    name: Text
    stage: Literal[STAGES]
    day: float | None = None
    dose_gy: NotNegative | None = None
    new_lesions: bool | None = None
    non_target: Literal[NON_TARGET_FINDINGS] | None = None
    residual_tumor: bool | None = None
    bold: BoldSeries | None = None
    asl: AslImages | None = None
    anatomy: Anatomy | None = None
    lesions: tuple[Lesion, ...] = ()

    @model_validator(mode="after")
    def _segments_have_a_segmentation(self):
        drawn = self.anatomy is not None and (self.anatomy.segmentation or self.anatomy.carry_segmentation_from)
        if drawn:
            return self
        for name, part in (("bold", self.bold), ("asl", self.asl)):
            if part is not None and part.segmentation is None and (part.segment or part.exclude):
                raise ValueError(f"{name} names segments, but there is no segmentation, neither there nor in anatomy")
        if any(lesion.segment for lesion in self.lesions):
            raise ValueError("lesions name segments, but anatomy has no segmentation")
        return self


class Treatment(_Part):
    """Radiotherapy, for BED and EQD2."""

    total_dose_gy: Positive
    fractions: Annotated[int, Field(gt=0)] | None = None
    dose_per_fraction_gy: Positive | None = None
    alpha_beta_gy: Positive = 10.0

    @model_validator(mode="after")
    def _one_way_to_tell_fractions(self):
        if (self.fractions is None) == (self.dose_per_fraction_gy is None):
            raise ValueError("give either fractions or dose_per_fraction_gy")
        return self


class Repeatability(_Part):
    """Repeatability coefficients of this site, to judge changes against."""

    r2star_hz: Positive | None = None
    tbf_ml_per_100g_min: Positive | None = None
    diameter_mm: Positive | None = None


class PatientDescription(_Part):
    """A whole file. ``patient`` is any label; it stands in the report."""

    version: Literal[1]
    patient: Text = "patient"
    field_strength_t: Positive | None = None
    treatment: Treatment | None = None
    repeatability: Repeatability | None = None
    prevalence: dict[Literal[GROUPINGS], Annotated[float, Field(gt=0, lt=1)]] = {}
    time_points: tuple[TimePointDescription, ...]

    @field_validator("time_points")
    @classmethod
    def _at_least_one(cls, value):
        if not value:
            raise ValueError("there is no time point; give at least one")
        return value

    @model_validator(mode="after")
    def _names_are_unique_and_known(self):
        names = [point.name for point in self.time_points]
        if len(set(names)) < len(names):
            raise ValueError(f"two time points have the same name ({', '.join(names)})")
        for point in self.time_points:
            source = point.anatomy.carry_segmentation_from if point.anatomy else ""
            if source and source not in names:
                raise ValueError(f"{point.name}: there is no time point {source!r} to carry a segmentation from")
        return self


def find_description(path: Path) -> Path:
    """The description file that a path is or holds.

    Raises:
        InputError: nothing there, or a folder without one.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError("no such file or folder", where=str(path), remedy="Check the path")
    found = [path / name for name in DESCRIPTION_NAMES if (path / name).is_file()]
    if len(found) != 1:
        what = "it holds several patient descriptions" if found else "it holds no patient description"
        raise InputError(
            what, where=f"folder {path}", remedy="Give one file patient.yaml that names the images of each time point"
        )
    return found[0]


def read_patient_description(path: Path | str) -> PatientDescription:
    """Read and check a description; relative file names are resolved against its folder, and must exist.

    Raises:
        InputError: with the line of the first fault, and how many more there are.
    """
    path = find_description(Path(path))
    root, description = read_described(path, PatientDescription, first_fields="version and time_points")
    return _with_existing_paths(description, path, root)


# -- files --


def _with_existing_paths(description: PatientDescription, path: Path, root) -> PatientDescription:
    folder = path.resolve().parent

    def resolved(value, location: tuple):
        if isinstance(value, Path):
            full = folder / value.expanduser()
            if not full.exists():
                raise fault(path, root, location, f"there is no file or folder {value}")
            return full
        if isinstance(value, BaseModel):
            fields = {name: resolved(getattr(value, name), (*location, name)) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        if isinstance(value, tuple):
            return tuple(resolved(item, (*location, n)) for n, item in enumerate(value))
        return value

    return resolved(description, ())
