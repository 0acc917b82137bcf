"""What is known of a patient at one time of treatment: measured values, lesions, and when that was. Plain values."""

import enum
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass

from scipy import special  # not scipy.stats: the panel imports this file when Slicer starts

from .errors import InputError

HERTZ = "Hz"
BLOOD_FLOW_UNIT = "mL/100g/min"
BASELINE_DAYS = 28  # Eisenhauer et al. 2009, section 4.2: never more than four weeks before treatment
# The same unit as different programs write it, without case, blanks, brackets and dots.
_SYNONYMS = {
    **dict.fromkeys(("hz", "1/s", "/s", "s-1", "s^-1"), HERTZ),
    **dict.fromkeys(("ml/100g/min", "ml/100gmin", "ml/min/100g", "ml100g-1min-1", "ml*100g-1*min-1"), BLOOD_FLOW_UNIT),
}


class Stage(enum.Enum):
    """When in the course of treatment. Values are the words of a patient description."""

    PRE = "pre-treatment"
    MID = "mid-treatment"
    END = "end of treatment"
    MONTH_1 = "1 month"
    MONTH_3 = "3 months"
    OTHER = "other"

    def label(self) -> str:
        return {
            Stage.PRE: "Before treatment",
            Stage.MID: "During treatment (40 Gy)",
            Stage.END: "Within a week of the end of treatment",
            Stage.MONTH_1: "1 month after the end of treatment",
            Stage.MONTH_3: "3 months after the end of treatment",
            Stage.OTHER: "Another time",
        }[self]


class LesionStatus(enum.Enum):
    """What is seen of a lesion. Values are the words of a patient description."""

    PRESENT = "present"
    ABSENT = "absent"
    TOO_SMALL = "too small to measure"
    PROGRESSED = "unequivocal progression"  # of a lesion that is followed without being measured
    NOT_EVALUATED = "not evaluated"


class NonTargetFinding(enum.Enum):
    """What a reader says of all lesions that are followed without being measured, in a patient description's words."""

    GONE = "complete response"
    PERSISTENT = "non-CR/non-PD"
    PROGRESSED = "unequivocal progression"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True)
class MeasuredValue:
    """A number with its standard error and the conditions it was measured under, as far as they are known.

    Attributes:
        value, standard_error: in ``unit``; None when the error is not known.
        n_used: voxels that it rests on; 0 when not known.
        roi_rule, method: in words; a SliceRule's value ("largest-slice") is understood by the published rules.
        field_strength_t, post_labeling_delay_ms: None when not known or without meaning.
        degrees_of_freedom: of the standard error; infinite for a large sample.
    """

    value: float
    standard_error: float | None
    unit: str
    n_used: int = 0
    roi_rule: str = ""
    method: str = ""
    field_strength_t: float | None = None
    post_labeling_delay_ms: float | None = None
    degrees_of_freedom: float = math.inf

    def __post_init__(self):
        if not math.isfinite(self.value):
            raise InputError(f"a measured value must be a number, found {self.value}", remedy="Leave it out if unknown")
        if self.standard_error is not None and not (math.isfinite(self.standard_error) and self.standard_error >= 0):
            raise InputError(
                f"a standard error must be a number of at least 0, found {self.standard_error}",
                remedy="Leave it out if unknown",
            )
        if not self.unit.strip():
            raise InputError(f"the value {self.value:g} has no unit", remedy=f"Give it, as in {HERTZ}")
        if not self.degrees_of_freedom > 0:
            raise InputError(f"degrees of freedom must be positive, found {self.degrees_of_freedom}")

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Confidence interval (Student's t), or None without a standard error."""
        if self.standard_error is None:
            return None
        upper = (1 + level) / 2
        is_normal = math.isinf(self.degrees_of_freedom)
        quantile = special.ndtri(upper) if is_normal else special.stdtrit(self.degrees_of_freedom, upper)
        reach = float(quantile) * self.standard_error
        return self.value - reach, self.value + reach

    def text(self) -> str:
        """The number as a sentence has it: "58.2 Hz (SE 0.4)"."""
        error = "" if self.standard_error is None else f" (SE {self.standard_error:.2g})"
        return f"{self.value:.4g} {self.unit}{error}"


@dataclass(frozen=True)
class LesionMeasurement:
    """One lesion at one time point. The same name means the same lesion at all time points.

    Attributes:
        organ: where; RECIST 1.1 counts targets per organ. All lymph nodes are one organ, whatever is written here.
        is_target: to be measured. RECIST's limits still hold: see ``recist.choose_targets``.
        longest_mm: longest diameter in one plane; None if not measured, 0 if the lesion is gone.
        short_axis_mm: for nodes, the longest diameter perpendicular to the longest one in the same slice.
        enhancing_mm: longest diameter of the enhancing part, for mRECIST; 0 without enhancement.
        diameter_se_mm: standard error of the diameters.
        diameters_by_plane: longest diameter in mm per plane ("axial", "coronal", "sagittal").
        slice_thickness_mm: spacing of the slices that it was measured on, for RECIST's rule on measurable lesions.
        is_manual: the diameter was drawn or typed by a person.
    """

    name: str
    organ: str = "nasopharynx"
    is_node: bool = False
    is_target: bool = True
    longest_mm: float | None = None
    short_axis_mm: float | None = None
    diameter_se_mm: float | None = None
    status: LesionStatus = LesionStatus.PRESENT
    diameters_by_plane: dict[str, float] = field(default_factory=dict)
    enhancing_mm: float | None = None
    slice_thickness_mm: float | None = None
    is_manual: bool = False

    def __post_init__(self):
        if not self.name.strip():
            raise InputError("a lesion has no name", remedy="Give each lesion a name, the same at every time point")
        sizes = {
            "longest diameter": self.longest_mm,
            "short axis": self.short_axis_mm,
            "enhancing diameter": self.enhancing_mm,
            "standard error of the diameters": self.diameter_se_mm,
            **{f"{plane} diameter": size for plane, size in self.diameters_by_plane.items()},
        }
        for what, size in sizes.items():
            if size is not None and not (math.isfinite(size) and size >= 0):
                raise InputError(
                    f"the {what} must be a number of at least 0 mm, found {size}",
                    where=f"lesion {self.name}",
                    remedy="Leave it out if it was not measured",
                )
        if self.is_absent and any((self.longest_mm, self.short_axis_mm, *self.diameters_by_plane.values())):
            raise InputError(
                "is said to be absent and has a diameter",
                where=f"lesion {self.name}",
                remedy="Say that it is present, or leave the diameter out",
            )
        if self.slice_thickness_mm is not None and not self.slice_thickness_mm > 0:
            raise InputError(
                f"the slice thickness must be positive, found {self.slice_thickness_mm}", where=f"lesion {self.name}"
            )

    @property
    def is_absent(self) -> bool:
        return self.status is LesionStatus.ABSENT


@dataclass(frozen=True)
class TimePointValues:
    """Everything that was measured at one time point; whatever is missing is None or empty.

    Attributes:
        name: unique within the patient ("pre", "40 Gy").
        day: days since the first day of treatment (before it: negative), or since any other day that all time points
            share.
        dose_gy: dose to the primary tumor given so far.
        r2star: mean R2* of the tumor, Hz. tbf: mean tumor blood flow, mL/100g/min.
        non_target: what the reader says of the lesions that are followed without being measured; None to tell it from
            the status of those in ``lesions``.
        new_lesions: whether there is a lesion that was not there at baseline; None when nobody said.
        residual_tumor: what the radiologist (or endoscopy) says of residual tumor; None to tell it from the lesions.
    """

    name: str
    stage: Stage = Stage.OTHER
    day: float | None = None
    dose_gy: float | None = None
    r2star: MeasuredValue | None = None
    tbf: MeasuredValue | None = None
    lesions: tuple[LesionMeasurement, ...] = ()
    non_target: NonTargetFinding | None = None
    new_lesions: bool | None = None
    residual_tumor: bool | None = None

    def __post_init__(self):
        if not self.name.strip():
            raise InputError("a time point has no name", remedy='Give it one, such as "pre"')
        for what, number in (("day", self.day), ("dose", self.dose_gy)):
            if number is not None and not math.isfinite(number):
                raise InputError(f"the {what} must be a number, found {number}", where=f"time point {self.name}")
        if self.dose_gy is not None and self.dose_gy < 0:
            raise InputError(f"a dose is at least 0 Gy, found {self.dose_gy:g}", where=f"time point {self.name}")
        refuse_repeated([lesion.name for lesion in self.lesions], "lesion", where=f"time point {self.name}")
        for value, unit, what in ((self.r2star, HERTZ, "R2*"), (self.tbf, BLOOD_FLOW_UNIT, "tumor blood flow")):
            if value is not None and not same_unit(value.unit, unit):
                raise InputError(
                    f"{what} is given in {value.unit}, not in {unit}",
                    where=f"time point {self.name}",
                    remedy=f"Convert it to {unit}",
                )

    def lesion(self, name: str) -> LesionMeasurement | None:
        return next((lesion for lesion in self.lesions if lesion.name == name), None)


def same_unit(one: str, other: str) -> bool:
    """Whether two spellings mean the same unit ("1/s" and "Hz"); never converts."""
    return _canonical(one) == _canonical(other)


def _canonical(unit: str) -> str:
    bare = re.sub(r"[\s().·]", "", unit).lower()
    return _SYNONYMS.get(bare, unit.strip())


def refuse_repeated(names: Sequence[str], what: str, where: str = "") -> None:
    """
    Raises:
        InputError: a name occurs twice.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"the {what} {repeated[0]!r} occurs {names.count(repeated[0])} times", where=where, remedy="Rename one"
        )


def in_order(time_points: Sequence[TimePointValues]) -> tuple[TimePointValues, ...]:
    """Time points in their order: by day if all have one, else by stage if all have one, else as they are given.

    Raises:
        InputError: a name occurs twice, or days and stages contradict each other.
    """
    refuse_repeated([point.name for point in time_points], "time point")
    order = list(Stage)
    if all(point.day is not None for point in time_points):
        ordered = sorted(time_points, key=lambda point: point.day)
        staged = [point for point in ordered if point.stage is not Stage.OTHER]
        for earlier, later in itertools.pairwise(staged):
            if order.index(earlier.stage) > order.index(later.stage) and earlier.day < later.day:
                raise InputError(
                    f"{earlier.name} ({earlier.stage.value}, day {earlier.day:g}) lies before "
                    f"{later.name} ({later.stage.value}, day {later.day:g})",
                    remedy="Correct a day or a stage",
                )
        return tuple(ordered)
    if all(point.stage is not Stage.OTHER for point in time_points):
        return tuple(sorted(time_points, key=lambda point: order.index(point.stage)))
    return tuple(time_points)


@dataclass(frozen=True)
class Course:
    """Time points sorted around the baseline, the last one before treatment.

    Attributes:
        earlier: time points before the baseline. later: those after it, in their order.
        remarks: sentences on how baseline and order were told.
    """

    baseline: TimePointValues
    earlier: tuple[TimePointValues, ...]
    later: tuple[TimePointValues, ...]
    remarks: tuple[str, ...] = ()


def course_of(time_points: Sequence[TimePointValues]) -> Course:
    """Find the baseline: the last time point before treatment, or the first of all if none is said to be that.

    Raises:
        InputError: no time point, or as in :func:`in_order`.
    """
    if not time_points:
        raise InputError("there is no time point", remedy="Give at least one")
    ordered, remarks = in_order(time_points), []
    before = [n for n, point in enumerate(ordered) if point.stage is Stage.PRE]
    at = before[-1] if before else 0
    baseline = ordered[at]
    if not before:
        remarks.append(f"No time point is said to be before treatment; {baseline.name} is taken as the baseline.")
    has_order = all(point.day is not None for point in ordered) or Stage.OTHER not in {p.stage for p in ordered}
    if len(ordered) > 1 and not has_order:
        remarks.append("Days or stages are missing; the time points are taken in the order in which they are given.")
    if before and at > 0 and any(point.stage is not Stage.PRE for point in ordered[:at]):
        raise InputError(
            f"{ordered[0].name} comes before {baseline.name}, which is before treatment",
            remedy="Put the time points in order, or give their days",
        )
    if baseline.stage is Stage.PRE and baseline.day is not None and baseline.day < -BASELINE_DAYS:
        remarks.append(
            f"The baseline is {-baseline.day:g} days before day 0; RECIST 1.1 wants it within {BASELINE_DAYS} days "
            "of the beginning of treatment."
        )
    return Course(baseline, ordered[:at], ordered[at + 1 :], tuple(remarks))


def plain_values(thing):
    """Dataclasses, enumerations and tuples as dictionaries, texts and lists, ready for ``json.dumps``.

    A number that JSON cannot hold (infinite degrees of freedom) becomes None, a NumPy scalar a number.
    """
    if is_dataclass(thing) and not isinstance(thing, type):
        return {item.name: plain_values(getattr(thing, item.name)) for item in fields(thing)}
    if isinstance(thing, enum.Enum):
        return thing.value
    if isinstance(thing, dict):
        return {str(plain_values(key)): plain_values(value) for key, value in thing.items()}
    if isinstance(thing, tuple | list):
        return [plain_values(item) for item in thing]
    if hasattr(thing, "item"):  # a NumPy scalar
        thing = thing.item()
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else None
    return thing
