"""One patient: from measured values at time points to changes, response, groups and what published rules say."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import InputError
from .published_rules import PublishedRule, RuleContext, RuleResult, apply_rule, default_rules, load_rules
from .radiation_dose import DoseSummary, summarize_dose
from .recist import Criteria, Recist, RecistVerdict, assess_recist, sums_of_diameters
from .repeatability import ChangeJudgment, Repeatability, judge_change
from .response import (
    Change,
    Grouping,
    LesionAtrophy,
    Quantity,
    ResponderGroup,
    diameter_in_plane,
    largest_plane,
    lesion_atrophy,
    r2star_increase_hz,
    relative_difference_percent,
    responder_group,
    tbf_decrease_ml_per_100g_min,
)
from .time_points import (
    BLOOD_FLOW_UNIT,
    HERTZ,
    Course,
    LesionMeasurement,
    LesionStatus,
    MeasuredValue,
    NonTargetFinding,
    Stage,
    TimePointValues,
    course_of,
    plain_values,
)

__all__ = [
    "AssessedChange",
    "LesionMeasurement",
    "LesionStatus",
    "MeasuredValue",
    "NonTargetFinding",
    "PatientAssessment",
    "PatientValues",
    "Quantity",
    "Recist",
    "Stage",
    "TimePointValues",
    "Treatment",
    "TrendRow",
    "assess_patient",
]


@dataclass(frozen=True)
class Treatment:
    """Prescribed dose to the primary tumor; what is not known is None.

    Attributes:
        n_fractions, dose_per_fraction_gy: one of the two is enough.
        alpha_beta_gy: None for the paper's 10 Gy, reported as assumed.
        chemotherapy: in words, for the report.
    """

    total_dose_gy: float | None = None
    n_fractions: int | None = None
    dose_per_fraction_gy: float | None = None
    alpha_beta_gy: float | None = None
    chemotherapy: str = ""


@dataclass(frozen=True)
class PatientValues:
    """What is known of one patient.

    Attributes:
        label: how the report names the patient; no identifier.
        time_points: in any order, see ``time_points.in_order``.
        repeatability: of R2* and of tumor blood flow, where known: changes are judged against it. Keys are
            Quantity.R2STAR, TBF, MPTD.
        prevalence: share of the favorable class in the user's own patients, per Grouping value ("response-3-months"),
            for predictive values; a missing one is taken from the paper, and the result says so.
    """

    label: str
    time_points: tuple[TimePointValues, ...]
    treatment: Treatment | None = None
    repeatability: Mapping[Quantity, Repeatability] = field(default_factory=dict)
    prevalence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AssessedChange:
    """A change between baseline and a later time point, judged."""

    baseline: str
    time_point: str
    change: Change
    judgment: ChangeJudgment


@dataclass(frozen=True)
class TrendRow:
    """One value at one time point, for the trend table and plot.

    Attributes:
        what: "R2*", "Tumor blood flow", "Sum of diameters", "Maximum diameter of tumor (axial)".
        change_from_baseline, percent_change_from_baseline: value - baseline, in this order for every quantity (the
            papers' dR2* and dTBF have their own rows in ``changes``); None at the baseline itself or without one.
    """

    time_point: str
    stage: Stage
    day: float | None
    dose_gy: float | None
    quantity: Quantity
    what: str
    value: float
    standard_error: float | None
    unit: str
    change_from_baseline: float | None
    change_se: float | None
    percent_change_from_baseline: float | None


@dataclass(frozen=True)
class LesionAtrophyAt:
    """Atrophy of a lesion from baseline to a later time point, and whether post - pre (mm) is more than error."""

    baseline: str
    time_point: str
    lesion: LesionAtrophy
    judgment: ChangeJudgment | None


@dataclass(frozen=True)
class PatientAssessment:
    """Everything that the measured values of one patient tell.

    Attributes:
        baseline: name of the baseline time point.
        time_points: in their order.
        dose: None without a prescribed dose.
        summary: sentences, the verdict first.
        cannot_be_told: sentences on what is missing for what.
        warnings, assumptions: sentences for the report.
    """

    label: str
    baseline: str
    time_points: tuple[TimePointValues, ...]
    dose: DoseSummary | None
    changes: tuple[AssessedChange, ...]
    atrophy: tuple[LesionAtrophyAt, ...]
    recist: tuple[RecistVerdict, ...]
    mrecist: tuple[RecistVerdict, ...]
    groups: tuple[ResponderGroup, ...]
    rules: tuple[RuleResult, ...]
    trend: tuple[TrendRow, ...]
    summary: tuple[str, ...]
    cannot_be_told: tuple[str, ...]
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict:
        """As plain dictionaries, lists, texts and numbers, ready for ``json.dumps``."""
        return plain_values(self)


def assess_patient(patient: PatientValues) -> PatientAssessment:
    """Judge one patient. Works with whatever is there and says what cannot be told.

    Raises:
        InputError: no time point, names that occur twice, contradicting days and stages, lesions that are not named
            alike, or a repeatability in another unit than its quantity.
    """
    _refuse_unknown_groupings(patient.prevalence)
    course = course_of(patient.time_points)
    points = (*course.earlier, course.baseline, *course.later)
    dose, dose_missing = _dose(patient.treatment)
    changes = tuple(_changes(course, patient.repeatability))
    atrophy = tuple(_atrophy(course, patient.repeatability.get(Quantity.MPTD)))
    recist = assess_recist(points)
    mrecist = assess_recist(points, Criteria.MRECIST)
    groups = _groups(points, recist, mrecist)
    rules = tuple(_rule_results(course, changes, patient.prevalence))
    missing = [*_missing(course, changes, recist, rules), *dose_missing]
    missing += [f"{group.grouping.label()}: {group.reason}" for group in groups if group.favorable is None]
    assumptions = [*course.remarks, *(dose.assumptions if dose else ())]
    assumptions += [sentence for verdict in (*recist, *mrecist) for sentence in verdict.assumptions]
    return PatientAssessment(
        label=patient.label,
        baseline=course.baseline.name,
        time_points=points,
        dose=dose,
        changes=changes,
        atrophy=atrophy,
        recist=recist,
        mrecist=mrecist,
        groups=tuple(group for group in groups if group.favorable is not None),
        rules=rules,
        trend=tuple(_trend(course, points)),
        summary=tuple(_summary(recist, groups, atrophy, changes, rules)),
        cannot_be_told=_once(missing),
        warnings=_once(_warnings(changes, atrophy, recist, mrecist, groups)),
        assumptions=_once(assumptions),
    )


def _once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


def _refuse_unknown_groupings(prevalence: Mapping[str, float]) -> None:
    known = [grouping.value for grouping in Grouping]
    for name in prevalence:
        if name not in known:
            raise InputError(f"there is no group {name!r} to have a prevalence", remedy=f"Known are {', '.join(known)}")


def _dose(treatment: Treatment | None) -> tuple[DoseSummary | None, list[str]]:
    if treatment is None or treatment.total_dose_gy is None:
        return None, ["Biologically effective dose: the prescribed dose is not known."]
    if treatment.n_fractions is None and treatment.dose_per_fraction_gy is None:
        return None, ["Biologically effective dose: neither fractions nor dose per fraction are known."]
    summary = summarize_dose(
        treatment.total_dose_gy,
        n_fractions=treatment.n_fractions,
        dose_per_fraction_gy=treatment.dose_per_fraction_gy,
        alpha_beta_gy=treatment.alpha_beta_gy,
    )
    return summary, []


# -- changes of the maps' means --


def _changes(course: Course, repeatability: Mapping[Quantity, Repeatability]) -> Iterator[AssessedChange]:
    for point in course.later:
        for quantity, difference in (
            (Quantity.R2STAR, r2star_increase_hz),
            (Quantity.TBF, tbf_decrease_ml_per_100g_min),
        ):
            pre, post = _measured(course.baseline, quantity), _measured(point, quantity)
            if pre is None or post is None:
                continue
            change = difference(pre, post)
            judgment = judge_change(
                change.measured.value,
                unit=change.measured.unit,
                repeatability=repeatability.get(quantity),
                standard_error=change.measured.standard_error,
                degrees_of_freedom=change.measured.degrees_of_freedom,
                change_percent=change.percent,
                what=f"{change.quantity.label()} from {course.baseline.name} to {point.name}",
            )
            yield AssessedChange(course.baseline.name, point.name, change, judgment)


def _measured(point: TimePointValues, quantity: Quantity) -> MeasuredValue | None:
    return point.r2star if quantity is Quantity.R2STAR else point.tbf


# -- size --


def _atrophy(course: Course, repeatability: Repeatability | None) -> Iterator[LesionAtrophyAt]:
    for point in course.later:
        if not point.lesions:
            continue
        for lesion in course.baseline.lesions:
            if lesion.is_node or lesion.is_absent:
                continue
            atrophy = lesion_atrophy(lesion, point.lesion(lesion.name))
            yield LesionAtrophyAt(
                course.baseline.name, point.name, atrophy, _judge_size(atrophy, lesion, point, repeatability)
            )


def _judge_size(
    found: LesionAtrophy, pre: LesionMeasurement, point: TimePointValues, repeatability: Repeatability | None
) -> ChangeJudgment | None:
    if found.atrophy is None:
        return None
    post = point.lesion(pre.name)
    errors = pre.diameter_se_mm, 0.0 if post.is_absent else post.diameter_se_mm
    return judge_change(
        found.atrophy.post_mm - found.atrophy.pre_mm,
        unit="mm",
        repeatability=repeatability,
        standard_error=None if None in errors else math.hypot(*errors),
        change_percent=-found.atrophy.percent,
        what=f"Change of the diameter of {pre.name} from before to {point.name}",
    )


def _groups(
    points: Sequence[TimePointValues], recist: Sequence[RecistVerdict], mrecist: Sequence[RecistVerdict]
) -> list[ResponderGroup]:
    """A group of each paper, told or not; that by mRECIST only where enhancing parts were measured."""
    verdicts = {Criteria.RECIST_1_1: recist, Criteria.MRECIST: mrecist}
    return [
        responder_group(grouping, points, verdicts[grouping.criteria])
        for grouping in Grouping
        if mrecist or grouping.criteria is not Criteria.MRECIST
    ]


# -- published rules --


def _rule_results(
    course: Course, changes: Sequence[AssessedChange], prevalence: Mapping[str, float]
) -> Iterator[RuleResult]:
    """Each rule on the time point that it is made for; else on the first that has the value, and the result says so."""
    for rule in default_rules():
        found = _value_for(rule, course, changes)
        if found is not None:
            value, context = found
            yield apply_rule(rule, value, context, prevalence=prevalence.get(rule.grouping.value))


def _value_for(
    rule: PublishedRule, course: Course, changes: Sequence[AssessedChange]
) -> tuple[MeasuredValue, RuleContext] | None:
    baseline = course.baseline
    if rule.baseline_stage is not None:
        values = {
            found.time_point: found.change.measured for found in changes if found.change.quantity is rule.quantity
        }
    else:
        candidates = (baseline,) if rule.stage is Stage.PRE else course.later
        measured = {point.name: _measured(point, rule.quantity) for point in candidates}
        values = {name: value for name, value in measured.items() if value is not None}
    points = [point for point in (baseline, *course.later) if point.name in values]
    if not points:
        return None
    point = next((point for point in points if point.stage is rule.stage), points[0])
    is_change = rule.baseline_stage is not None
    context = RuleContext(
        time_point=point.name,
        stage=point.stage,
        baseline=baseline.name if is_change else "",
        baseline_stage=baseline.stage if is_change else None,
        dose_gy=point.dose_gy,
    )
    return values[point.name], context


# -- the trend table --


@dataclass(frozen=True)
class _Sample:
    """A value at one time point, before it is compared with the baseline."""

    value: float
    standard_error: float | None
    unit: str


def _trend(course: Course, points: Sequence[TimePointValues]) -> Iterator[TrendRow]:
    """Rows in long form: quantity by quantity, each in the order of the time points."""
    for quantity, what, samples in _series(course, points):
        reference = samples.get(course.baseline.name)
        for point in points:
            if point.name in samples:
                is_compared = reference is not None and point in course.later
                yield _trend_row(point, quantity, what, samples[point.name], reference if is_compared else None)


def _series(course: Course, points: Sequence[TimePointValues]) -> Iterator[tuple[Quantity, str, dict[str, _Sample]]]:
    for quantity in (Quantity.R2STAR, Quantity.TBF):
        unit = HERTZ if quantity is Quantity.R2STAR else BLOOD_FLOW_UNIT
        values = {point.name: _measured(point, quantity) for point in points}
        yield (
            quantity,
            quantity.label(),
            {name: _Sample(one.value, one.standard_error, unit) for name, one in values.items() if one is not None},
        )
    sums = sums_of_diameters(points)
    yield (
        Quantity.SUM_OF_DIAMETERS,
        Quantity.SUM_OF_DIAMETERS.label(),
        {name: _Sample(mm, se_mm, "mm") for name, (mm, se_mm) in sums.items()},
    )
    for name in dict.fromkeys(lesion.name for point in points for lesion in point.lesions if not lesion.is_node):
        yield _diameter_series(name, course, points)


def _diameter_series(
    name: str, course: Course, points: Sequence[TimePointValues]
) -> tuple[Quantity, str, dict[str, _Sample]]:
    """Diameters in the plane that was largest at baseline, or where the lesion was first measured."""
    lesions = {point.name: point.lesion(name) for point in (course.baseline, *points)}
    lesions = {point_name: lesion for point_name, lesion in lesions.items() if lesion is not None}
    planes = (largest_plane(lesion) for lesion in lesions.values())
    plane = next((largest[0] for largest in planes if largest is not None), "")
    samples = {}
    for point_name, lesion in lesions.items():
        diameter_mm = diameter_in_plane(lesion, plane)
        if diameter_mm is not None:
            error_mm = 0.0 if lesion.is_absent else lesion.diameter_se_mm
            samples[point_name] = _Sample(diameter_mm, error_mm, "mm")
    return Quantity.MPTD, f"{Quantity.MPTD.label()}, {name}{f' ({plane})' if plane else ''}", samples


def _trend_row(
    point: TimePointValues, quantity: Quantity, what: str, sample: _Sample, reference: _Sample | None
) -> TrendRow:
    change = change_se = percent = None
    if reference is not None:
        change = float(sample.value - reference.value)
        percent, _ = relative_difference_percent(reference.value, sample.value)
        if reference.standard_error is not None and sample.standard_error is not None:
            change_se = math.hypot(reference.standard_error, sample.standard_error)
    return TrendRow(
        point.name,
        point.stage,
        point.day,
        point.dose_gy,
        quantity,
        what,
        float(sample.value),
        sample.standard_error,
        sample.unit,
        change,
        change_se,
        percent,
    )


# -- sentences --


def _summary(
    recist: Sequence[RecistVerdict],
    groups: Sequence[ResponderGroup],
    atrophy: Sequence[LesionAtrophyAt],
    changes: Sequence[AssessedChange],
    rules: Sequence[RuleResult],
) -> Iterator[str]:
    """The last verdict first, then what it makes of the patient, then the numbers."""
    evaluable = [verdict for verdict in recist if verdict.category is not Recist.NE]
    if evaluable:
        last = evaluable[-1]
        change = last.change_from_baseline_percent
        size = "" if change is None else f": the sum of diameters changed by {change:+.1f} % to {last.sum_mm:.4g} mm"
        yield f"{last.category.label()} by {last.criteria.value} at {last.time_point}{size}."
    for group in groups:
        if group.favorable is not None:
            yield f"{group.grouping.label()}: {group.group}."
    for found in atrophy:
        if found.lesion.atrophy is not None:
            rate, error = found.lesion.atrophy.percent, found.lesion.atrophy.standard_error_percent
            yield (
                f"Atrophy rate of {found.lesion.lesion} at {found.time_point}: {rate:.1f} %"
                f"{'' if error is None else f' (SE {error:.1f} %)'}."
            )
    yield from (found.judgment.sentence for found in changes)
    if rules:
        favorable = sum(result.is_favorable for result in rules)
        near = sum(result.near_cutoff for result in rules)
        unmet = sum(bool(result.conditions_not_met) for result in rules)
        yield (
            f"Published rules: {favorable} of {len(rules)} on the favorable side; {near} near the cutoff; {unmet} used "
            "under other conditions than the paper's."
        )


def _missing(
    course: Course, changes: Sequence[AssessedChange], recist: Sequence[RecistVerdict], rules: Sequence[RuleResult]
) -> Iterator[str]:
    if not course.later:
        yield f"There is no time point after {course.baseline.name}: changes and response cannot be told."
    for quantity, change in ((Quantity.R2STAR, Quantity.R2STAR_INCREASE), (Quantity.TBF, Quantity.TBF_DECREASE)):
        if any(found.change.quantity is change for found in changes) or not course.later:
            continue
        before = _measured(course.baseline, quantity) is not None
        after = any(_measured(point, quantity) is not None for point in course.later)
        where = f"at {course.baseline.name}" if after else f"after {course.baseline.name}" if before else "at any time"
        yield f"{change.label()}: {quantity.label()} was not measured {where}."
    if course.later and not recist:
        yield f"RECIST: no lesion was recorded at {course.baseline.name}."
    yield from (
        f"RECIST at {verdict.time_point}: {' '.join(verdict.reasons)}"
        for verdict in recist
        if verdict.category is Recist.NE
    )
    applied = {result.rule.id for result in rules}
    left = [rule.title for rule in default_rules() if rule.id not in applied]
    if left:
        yield f"Published rules without a value to apply them to: {'; '.join(dict.fromkeys(left))}."
    refused = [rule.title for rule in load_rules() if not rule.usable_as_default]
    if refused:
        yield f"Published rules that are not applied, because their printed numbers contradict: {'; '.join(refused)}."


def _warnings(
    changes: Sequence[AssessedChange],
    atrophy: Sequence[LesionAtrophyAt],
    recist: Sequence[RecistVerdict],
    mrecist: Sequence[RecistVerdict],
    groups: Sequence[ResponderGroup],
) -> Iterator[str]:
    for found in changes:
        yield from (f"{found.change.quantity.label()} at {found.time_point}: {it}" for it in found.change.mismatches)
    for found in atrophy:
        if found.lesion.remark:
            yield f"Atrophy rate at {found.time_point}: {found.lesion.remark}"
    for verdict in (*recist, *mrecist):
        yield from (f"{verdict.criteria.value} at {verdict.time_point}: {remark}" for remark in verdict.remarks)
    for group in groups:
        yield from group.remarks
