"""Change under treatment, and the groups into which the papers sort patients by it.

The two functional papers subtract the other way round: Xu et al. 2023 (BMC Med Imaging 23:69) take dR2* = post - pre,
Liu et al. 2022 (Insights Imaging 13:114) dTBF = pre - post. The names here say which: an increase, a decrease.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError
from .recist import Criteria, Recist, RecistVerdict, assess_recist
from .time_points import (
    BLOOD_FLOW_UNIT,
    HERTZ,
    LesionMeasurement,
    LesionStatus,
    MeasuredValue,
    NonTargetFinding,
    Stage,
    TimePointValues,
    same_unit,
)

__all__ = [
    "BLOOD_FLOW_UNIT",
    "HERTZ",
    "AtrophyRate",
    "Change",
    "Criteria",
    "Grouping",
    "LesionAtrophy",
    "LesionMeasurement",
    "LesionStatus",
    "MeasuredValue",
    "NonTargetFinding",
    "Quantity",
    "Recist",
    "RecistVerdict",
    "ResponderGroup",
    "Stage",
    "TimePointValues",
    "assess_recist",
    "atrophy_rate",
    "diameter_in_plane",
    "largest_plane",
    "lesion_atrophy",
    "r2star_increase_hz",
    "relative_difference_percent",
    "responder_group",
    "tbf_decrease_ml_per_100g_min",
]

DOSE_OF_EARLY_RESPONSE_GY = 40.0  # when Liu et al. 2022 judged the early response
DOSE_TOLERANCE_GY = 2.0  # one fraction


class Quantity(enum.Enum):
    """What is followed over time and judged by published rules. Values are the words of the rules' data file."""

    R2STAR = "r2star"
    TBF = "tbf"
    R2STAR_INCREASE = "r2star_increase"
    TBF_DECREASE = "tbf_decrease"
    MPTD = "maximum_diameter"
    SUM_OF_DIAMETERS = "sum_of_diameters"

    def label(self) -> str:
        return {
            Quantity.R2STAR: "R2*",
            Quantity.TBF: "Tumor blood flow",
            Quantity.R2STAR_INCREASE: "dR2* (post - pre)",
            Quantity.TBF_DECREASE: "dTBF (pre - post)",
            Quantity.MPTD: "Maximum tumor diameter",
            Quantity.SUM_OF_DIAMETERS: "Sum of diameters",
        }[self]


@dataclass(frozen=True)
class Change:
    """Difference of a measured value between two time points.

    Attributes:
        measured: the difference with its standard error (errors of the two taken as independent) and the conditions
            that both share.
        formula: the computation with its numbers.
        percent, percent_se: the difference as a share of the earlier value; None if that is not above zero, or without
            standard errors.
        mismatches: sentences on conditions that differ between the two.
    """

    quantity: Quantity
    measured: MeasuredValue
    formula: str
    percent: float | None
    percent_se: float | None
    mismatches: tuple[str, ...] = ()


@dataclass(frozen=True)
class AtrophyRate:
    """Relative shrinkage of the maximum primary tumor diameter; negative is growth.

    Attributes:
        standard_error_percent: None without standard errors of both diameters.
        formula: the computation with its numbers.
    """

    percent: float
    standard_error_percent: float | None
    pre_mm: float
    post_mm: float
    formula: str


@dataclass(frozen=True)
class LesionAtrophy:
    """Atrophy rate of a lesion, measured in the plane that had the largest diameter before treatment.

    Attributes:
        plane: "" when only one longest diameter is known, without its plane.
        atrophy: None when the lesion was not measured in that plane at both times; ``remark`` says so.
    """

    lesion: str
    plane: str
    atrophy: AtrophyRate | None
    remark: str = ""


class Grouping(enum.Enum):
    """The papers' ways of sorting patients. Values are the words of the rules' data file."""

    RESPONSE_3_MONTHS = "response-3-months"
    RESPONSE_40_GY = "response-40-gy"
    RESIDUAL_1_MONTH = "residual-1-month"
    EFFECTIVE_3_MONTHS = "effective-3-months"

    def label(self) -> str:
        return {
            Grouping.RESPONSE_3_MONTHS: "Response 3 months after treatment",
            Grouping.RESPONSE_40_GY: "Early response at 40 Gy",
            Grouping.RESIDUAL_1_MONTH: "Residual tumor 1 month after treatment",
            Grouping.EFFECTIVE_3_MONTHS: "Short-term effect 3 to 4 months after treatment",
        }[self]

    @property
    def source(self) -> str:
        return {
            Grouping.RESPONSE_3_MONTHS: "Xu et al. 2023, BMC Med Imaging 23:69 (Response evaluation)",
            Grouping.RESPONSE_40_GY: "Liu et al. 2022, Insights Imaging 13:114 (Patient selection and treatment)",
            Grouping.RESIDUAL_1_MONTH: "Liu et al. 2022, Insights Imaging 13:114 (Patient selection and treatment)",
            Grouping.EFFECTIVE_3_MONTHS: "Int J Radiat Res 2025;23(2), doi:10.61186/ijrr.23.2.8 (Evaluation of effect)",
        }[self]

    @property
    def stage(self) -> Stage:
        """When the group is told."""
        return {
            Grouping.RESPONSE_3_MONTHS: Stage.MONTH_3,
            Grouping.RESPONSE_40_GY: Stage.MID,
            Grouping.RESIDUAL_1_MONTH: Stage.MONTH_1,
            Grouping.EFFECTIVE_3_MONTHS: Stage.MONTH_3,
        }[self]

    @property
    def criteria(self) -> Criteria:
        return Criteria.MRECIST if self is Grouping.EFFECTIVE_3_MONTHS else Criteria.RECIST_1_1

    @property
    def classes(self) -> tuple[str, str]:
        """The favorable and the other group."""
        return {
            Grouping.RESPONSE_3_MONTHS: ("responding group (CR or PR)", "non-responding group (SD or PD)"),
            Grouping.RESPONSE_40_GY: ("partial response", "stable disease"),
            Grouping.RESIDUAL_1_MONTH: ("no residual tumor", "residual tumor"),
            Grouping.EFFECTIVE_3_MONTHS: ("effective (CR or PR)", "ineffective (SD or PD)"),
        }[self]


@dataclass(frozen=True)
class ResponderGroup:
    """The group that a paper would have put this patient into.

    Attributes:
        time_point: where it was told; "" if there is no such time point.
        group: the group's name, or "" if it cannot be told.
        favorable: whether it is the better one of the two; None if it cannot be told.
        reason: one sentence.
        remarks: sentences on conditions of the paper that do not hold.
    """

    grouping: Grouping
    time_point: str
    group: str
    favorable: bool | None
    reason: str
    source: str
    remarks: tuple[str, ...] = ()


def atrophy_rate(
    pre_mm: float, post_mm: float, *, pre_se_mm: float | None = None, post_se_mm: float | None = None
) -> AtrophyRate:
    """(pre - post) / pre x 100 %: Liu et al. 2022, Eq. 3, with the standard error to first order.

    Args:
        pre_mm, post_mm: maximum primary tumor diameter in the same plane.

    Raises:
        InputError: a diameter before treatment that is not positive, or a negative one after it.
    """
    if not (math.isfinite(pre_mm) and pre_mm > 0):
        raise InputError(
            f"the diameter before treatment must be positive, found {pre_mm:g} mm",
            where="atrophy rate",
            remedy="Measure the tumor before treatment",
        )
    if not (math.isfinite(post_mm) and post_mm >= 0):
        raise InputError(f"a diameter is at least 0, found {post_mm:g} mm", where="atrophy rate")
    percent = 100 * ((pre_mm - post_mm) / pre_mm)
    formula = f"({pre_mm:.4g} mm - {post_mm:.4g} mm) / {pre_mm:.4g} mm x 100 % = {percent:.1f} %"
    return AtrophyRate(
        percent, _ratio_se_percent(pre_mm, post_mm, pre_se_mm, post_se_mm), float(pre_mm), float(post_mm), formula
    )


def relative_difference_percent(
    earlier: float, later: float, earlier_se: float | None = None, later_se: float | None = None
) -> tuple[float | None, float | None]:
    """(later - earlier) / earlier in percent and its standard error; None where the earlier value is not above zero."""
    if not earlier > 0:
        return None, None
    return 100 * ((later - earlier) / earlier), _ratio_se_percent(earlier, later, earlier_se, later_se)


def _ratio_se_percent(earlier: float, later: float, earlier_se: float | None, later_se: float | None) -> float | None:
    """Standard error of 100 x later / earlier to first order, for independent errors."""
    if earlier_se is None or later_se is None:
        return None
    return 100 * math.hypot(later_se / earlier, (later / earlier) * (earlier_se / earlier))


def r2star_increase_hz(pre: MeasuredValue, post: MeasuredValue) -> Change:
    """dR2* = post - pre, as Xu et al. 2023 define it; positive where R2* rose.

    Raises:
        InputError: a value that is not in Hz.
    """
    _refuse_other_unit(HERTZ, "R2*", pre, post)
    value = post.value - pre.value
    formula = f"dR2* = post - pre = {post.value:.4g} - {_signed(pre.value)} = {value:.4g} Hz"
    return _change(Quantity.R2STAR_INCREASE, value, HERTZ, formula, pre, post)


def tbf_decrease_ml_per_100g_min(pre: MeasuredValue, post: MeasuredValue) -> Change:
    """dTBF = pre - post, as Liu et al. 2022 define it; positive where the flow fell.

    Raises:
        InputError: a value that is not in mL/100g/min.
    """
    _refuse_other_unit(BLOOD_FLOW_UNIT, "tumor blood flow", pre, post)
    value = pre.value - post.value
    formula = f"dTBF = pre - post = {pre.value:.4g} - {_signed(post.value)} = {value:.4g} {BLOOD_FLOW_UNIT}"
    return _change(Quantity.TBF_DECREASE, value, BLOOD_FLOW_UNIT, formula, pre, post)


def _signed(number: float) -> str:
    return f"({number:.4g})" if number < 0 else f"{number:.4g}"


def _refuse_other_unit(unit: str, what: str, *values: MeasuredValue) -> None:
    for value in values:
        if not same_unit(value.unit, unit):
            raise InputError(f"{what} is given in {value.unit}, not in {unit}", remedy=f"Convert it to {unit}")


def _change(
    quantity: Quantity, value: float, unit: str, formula: str, pre: MeasuredValue, post: MeasuredValue
) -> Change:
    shared, mismatches = _shared_conditions(pre, post)
    relative, relative_se = relative_difference_percent(pre.value, post.value, pre.standard_error, post.standard_error)
    sign = 1 if quantity is Quantity.R2STAR_INCREASE else -1
    measured = MeasuredValue(
        float(value),
        _difference_se(pre, post),
        unit,
        n_used=min(pre.n_used, post.n_used),
        degrees_of_freedom=_difference_degrees_of_freedom(pre, post),
        **shared,
    )
    return Change(quantity, measured, formula, None if relative is None else sign * relative, relative_se, mismatches)


def _difference_se(pre: MeasuredValue, post: MeasuredValue) -> float | None:
    if pre.standard_error is None or post.standard_error is None:
        return None
    return math.hypot(pre.standard_error, post.standard_error)


def _difference_degrees_of_freedom(pre: MeasuredValue, post: MeasuredValue) -> float:
    """Welch and Satterthwaite's approximation; infinite when both errors are known exactly."""
    if not (pre.standard_error or post.standard_error):
        return math.inf
    variances = [(value.standard_error or 0.0) ** 2 for value in (pre, post)]
    spread = sum(v**2 / value.degrees_of_freedom for v, value in zip(variances, (pre, post), strict=True))
    return sum(variances) ** 2 / spread if spread > 0 else math.inf


def _shared_conditions(pre: MeasuredValue, post: MeasuredValue) -> tuple[dict, tuple[str, ...]]:
    """Conditions on which two measurements agree, and a sentence for each on which they do not."""
    conditions = {
        "roi_rule": ("ROI rule", "", ""),
        "method": ("method", "", ""),
        "field_strength_t": ("field strength", " T", None),
        "post_labeling_delay_ms": ("post-labeling delay", " ms", None),
    }
    shared, mismatches = {}, []
    for name, (words, unit, unknown) in conditions.items():
        before, after = getattr(pre, name), getattr(post, name)
        shared[name] = before if before == after else unknown
        if before != after and before not in (None, "") and after not in (None, ""):
            mismatches.append(f"The {words} differs: {before}{unit} before and {after}{unit} after.")
    return shared, tuple(mismatches)


def largest_plane(lesion: LesionMeasurement) -> tuple[str, float] | None:
    """The plane with the largest diameter and that diameter (MPTD of Liu et al. 2022); None if nothing was measured.

    Without diameters per plane, the longest diameter with "" for its plane. Of equal ones, the first by name.
    """
    if lesion.diameters_by_plane:
        plane = min(lesion.diameters_by_plane, key=lambda name: (-lesion.diameters_by_plane[name], name))
        return plane, lesion.diameters_by_plane[plane]
    return None if lesion.longest_mm is None else ("", lesion.longest_mm)


def lesion_atrophy(pre: LesionMeasurement, post: LesionMeasurement | None) -> LesionAtrophy:
    """Atrophy rate of a lesion in the plane that had the largest diameter before; a lesion that is gone measures 0."""
    largest = largest_plane(pre)
    if largest is None or largest[1] == 0:
        return LesionAtrophy(pre.name, "", None, f"{pre.name} was not measured before treatment.")
    plane, pre_mm = largest
    if post is None:
        return LesionAtrophy(pre.name, plane, None, f"{pre.name} was not measured after treatment.")
    post_mm = diameter_in_plane(post, plane)
    post_se_mm = 0.0 if post.is_absent else post.diameter_se_mm
    if post_mm is None:
        where = f"in the {plane} plane, in which it was largest before treatment" if plane else "as before treatment"
        return LesionAtrophy(pre.name, plane, None, f"{pre.name} was not measured {where}.")
    return LesionAtrophy(
        pre.name, plane, atrophy_rate(pre_mm, post_mm, pre_se_mm=pre.diameter_se_mm, post_se_mm=post_se_mm)
    )


def diameter_in_plane(lesion: LesionMeasurement, plane: str) -> float | None:
    """Diameter in mm in a plane ("" for the longest one of unknown plane); 0 if the lesion is gone, None if unknown."""
    if lesion.is_absent:
        return 0.0
    return lesion.diameters_by_plane.get(plane) if plane else lesion.longest_mm


def responder_group(
    grouping: Grouping, time_points: Sequence[TimePointValues], verdicts: Sequence[RecistVerdict]
) -> ResponderGroup:
    """The group of one paper for this patient, or why it cannot be told.

    Args:
        verdicts: of the criteria that the grouping rests on (``grouping.criteria``), all time points.
    """
    point = next((point for point in time_points if point.stage is grouping.stage), None)
    if point is None:
        reason = f"There is no time point {_when(grouping.stage)}."
        return ResponderGroup(grouping, "", "", None, reason, grouping.source)
    if grouping is Grouping.RESIDUAL_1_MONTH:
        favorable, reason = _residual(point)
        remarks = ()
    else:
        verdict = next((verdict for verdict in verdicts if verdict.time_point == point.name), None)
        favorable, reason = _by_category(grouping, verdict)
        remarks = _grouping_remarks(grouping, point, verdict)
    group = "" if favorable is None else grouping.classes[0 if favorable else 1]
    return ResponderGroup(grouping, point.name, group, favorable, reason, grouping.source, remarks)


def _when(stage: Stage) -> str:
    return {
        Stage.MID: "during treatment, at 40 Gy",
        Stage.MONTH_1: "one month after treatment",
        Stage.MONTH_3: "three months after treatment",
    }[stage]


def _by_category(grouping: Grouping, verdict: RecistVerdict | None) -> tuple[bool | None, str]:
    criteria = grouping.criteria.value
    if verdict is None or verdict.category is Recist.NE:
        return None, f"There is no {criteria} verdict {_when(grouping.stage)}."
    category = verdict.category
    favorable, other = ({Recist.PR}, {Recist.SD})
    if grouping is not Grouping.RESPONSE_40_GY:
        favorable, other = ({Recist.CR, Recist.PR}, {Recist.SD, Recist.PD})
    if category not in favorable | other:
        return None, f"{category.label()} by {criteria} is in neither of the paper's groups."
    return category in favorable, f"{category.label()} by {criteria} at {verdict.time_point}."


def _grouping_remarks(grouping: Grouping, point: TimePointValues, verdict: RecistVerdict | None) -> tuple[str, ...]:
    remarks = []
    off_dose = point.dose_gy is not None and abs(point.dose_gy - DOSE_OF_EARLY_RESPONSE_GY) > DOSE_TOLERANCE_GY
    if grouping is Grouping.RESPONSE_40_GY and off_dose:
        remarks.append(f"The paper judged at {DOSE_OF_EARLY_RESPONSE_GY:g} Gy, this is at {point.dose_gy:g} Gy.")
    if grouping is Grouping.EFFECTIVE_3_MONTHS and verdict is not None:
        remarks.append(
            "The paper's counts of effective and ineffective patients differ between its text (61 and 62) and its "
            "tables (55 and 87)."
        )
    return tuple(remarks)


def _residual(point: TimePointValues) -> tuple[bool | None, str]:
    """Whether no residual tumor is left. What the radiologist says counts; else whether primary lesions are gone."""
    if point.residual_tumor is not None:
        stated = "is" if point.residual_tumor else "is no"
        return not point.residual_tumor, f"It is stated that there {stated} residual tumor at {point.name}."
    primary = [lesion for lesion in point.lesions if not lesion.is_node]
    seen = [
        lesion.name for lesion in primary if lesion.status is not LesionStatus.NOT_EVALUATED and not _is_gone(lesion)
    ]
    if seen:
        return False, f"Still seen at {point.name}: {', '.join(seen)}."
    if primary and all(_is_gone(lesion) for lesion in primary):
        return True, f"No longer seen at {point.name}: {', '.join(lesion.name for lesion in primary)}."
    return None, f"Nothing is said of residual tumor at {point.name}."


def _is_gone(lesion: LesionMeasurement) -> bool:
    return lesion.is_absent or (lesion.longest_mm == 0 and not any(lesion.diameters_by_plane.values()))
