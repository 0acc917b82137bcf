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

import difflib
import json
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import InputError

DESCRIPTION_NAMES = ("patient.yaml", "patient.yml", "patient.json")
LESION_STATUSES = ("present", "absent", "too small to measure", "unequivocal progression", "not evaluated")
GROUPINGS = ("response-3-months", "response-40-gy", "residual-1-month", "effective-3-months")
NON_TARGET_FINDINGS = ("complete response", "non-CR/non-PD", "unequivocal progression", "not evaluated")
STAGES = ("pre-treatment", "mid-treatment", "end of treatment", "1 month", "3 months", "other")
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    """Nothing but the fields below: a misspelled one must not be passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as text ({error})", where=str(path), remedy="Save it as UTF-8") from error
    root, data = _parse(text, path)
    if not isinstance(data, dict):
        raise _fault(path, root, (), "it must begin with fields such as version and time_points")
    try:
        description = PatientDescription.model_validate(data)
    except ValidationError as error:
        raise _validation_fault(path, root, error) from None
    return _with_existing_paths(description, path, root)


def _parse(text: str, path: Path):
    """The tree with its line numbers, and the values."""
    is_json = path.suffix.lower() == ".json"
    try:
        if is_json:
            json.loads(text)
            text = text.replace("\t", " ")  # white space in JSON, an error in YAML, which reads JSON otherwise
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise InputError("it is empty", where=str(path), remedy="Name version and time_points")
            _refuse_repeated_keys(root, path)
            return root, loader.construct_document(root)
        finally:
            loader.dispose()
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: {error.msg}", where=str(path), remedy="Mend the JSON") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "it is not readable"
        raise InputError(f"{line}{problem}", where=str(path), remedy="Mend the YAML") from error


def _refuse_repeated_keys(node, path: Path) -> None:
    """YAML takes the last of two equal keys, silently."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise InputError(
                    f"line {key.start_mark.line + 1}: {key.value} is given twice",
                    where=str(path),
                    remedy="Keep one of them",
                )
            seen.add(key.value)
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)


# -- faults with their lines --


def _validation_fault(path: Path, root, error: ValidationError) -> InputError:
    # A misspelled field is also a missing one: the misspelling says more.
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    first = faults[0]
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    location = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        return _fault(path, root, location, f"unknown field{_suggestion(location)}{more}")
    if first["type"] == "missing":
        return _fault(path, root, location, f"the field is missing{more}")
    message = first["msg"].removeprefix("Value error, ")
    return _fault(path, root, location, f"{message[0].lower()}{message[1:]}{more}")


def _suggestion(location: tuple) -> str:
    """The nearest field that the place knows."""
    model: type[BaseModel] | None = PatientDescription
    for step in location[:-1]:
        if isinstance(step, str) and model is not None and step in model.model_fields:
            model = _model_of(model.model_fields[step].annotation)
    known = list(model.model_fields) if model else []
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; known are {', '.join(known)}" if known else ""


def _model_of(annotation) -> type[BaseModel] | None:
    """The model within Optional, tuple or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_of(part))), None)


def _fault(path: Path, root, location: tuple, what: str) -> InputError:
    line, reached = _line_of(root, location)
    name = ".".join(str(step + 1) if isinstance(step, int) else step for step in reached)
    return InputError(
        f"line {line}: {name}: {what}" if name else f"line {line}: {what}",
        where=str(path),
        remedy="Correct the description",
    )


def _line_of(root, location: tuple) -> tuple[int, tuple]:
    """The line (from 1) of a place in the tree, or of what comes nearest; and the place's name without pydantic's own
    words for the branches of a union."""
    node, line, reached = root, root.start_mark.line, []
    for step in location:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                is_last = step == location[-1]
                return line + 1, (*reached, *((step,) if is_last else ()))
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            continue
        reached.append(step)
    return line + 1, tuple(reached)


# -- files --


def _with_existing_paths(description: PatientDescription, path: Path, root) -> PatientDescription:
    folder = path.resolve().parent

    def resolved(value, location: tuple):
        if isinstance(value, Path):
            full = folder / value.expanduser()
            if not full.exists():
                raise _fault(path, root, location, f"there is no file or folder {value}")
            return full
        if isinstance(value, BaseModel):
            fields = {name: resolved(getattr(value, name), (*location, name)) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        if isinstance(value, tuple):
            return tuple(resolved(item, (*location, n)) for n, item in enumerate(value))
        return value

    return resolved(description, ())
