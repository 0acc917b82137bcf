"""Published cutoffs: read from one data file (published_rules.json), and what they say of a measured value.

No cutoff stands in code. The file's checks say which printed numbers fit each other; what code can compute (exact
intervals, predictive values, what normal distributions imply) is not typed there.
"""

import difflib
import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from scipy import stats

from .errors import InputError
from .response import DOSE_TOLERANCE_GY, Grouping, Quantity
from .rois import SliceRule
from .time_points import BLOOD_FLOW_UNIT, HERTZ, MeasuredValue, Stage, same_unit

RULES_FILE = Path(__file__).with_name("published_rules.json")
UNITS = {
    Quantity.R2STAR: HERTZ,
    Quantity.R2STAR_INCREASE: HERTZ,
    Quantity.TBF: BLOOD_FLOW_UNIT,
    Quantity.TBF_DECREASE: BLOOD_FLOW_UNIT,
}
STATUSES = ("consistent", "inconsistent", "unverifiable")
SIDES = ("above", "below")
NEAR_STANDARD_ERRORS = 2.0
# "3 T" magnets run between 2.89 and 3 T; delays are entered in whole milliseconds.
FIELD_TOLERANCE_T = 0.2
DELAY_TOLERANCE_MS = 1.0


@dataclass(frozen=True)
class Proportion:
    """A sensitivity or specificity as printed, with the count that it stands for.

    Attributes:
        printed: as the paper prints it, as a fraction.
        k, n: the count whose quotient rounds to it; k is None if there is no such count.
    """

    printed: float
    k: int | None
    n: int

    @property
    def value(self) -> float:
        return self.printed if self.k is None else self.k / self.n

    @property
    def interval(self) -> tuple[float, float] | None:
        """Exact (Clopper-Pearson) 95 % confidence interval of k / n."""
        if self.k is None:
            return None
        interval = stats.binomtest(self.k, self.n).proportion_ci(method="exact")
        return float(interval.low), float(interval.high)

    def text(self) -> str:
        if self.k is None:
            return f"{100 * self.printed:.4g} % (of {self.n})"
        low, high = self.interval
        return f"{100 * self.value:.1f} % ({self.k}/{self.n}; exact 95 % CI {100 * low:.1f} to {100 * high:.1f} %)"


@dataclass(frozen=True)
class PublishedGroup:
    """Printed summary of the quantity in one group, in the rule's unit; mean and SD, or median and quartiles."""

    name: str
    n: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None


@dataclass(frozen=True)
class Check:
    """What became of one printed number when it was recomputed.

    Attributes:
        status: one of STATUSES.
        about: "rule" for a number that the rule consists of, "background" for another one of the same paper.
    """

    item: str
    printed: str
    recomputed: str
    status: str
    note: str
    about: str


@dataclass(frozen=True)
class Study:
    """What the rules of one paper share; conditions that the paper does not state are None or empty.

    Attributes:
        roi_rule: a SliceRule's value.
        method_words: a value's method that has one of them (any case) is of the paper's kind; none if the paper does
            not describe its method.
    """

    id: str
    citation: str
    doi: str
    population: str
    treatment: str
    field_strength_t: float | None
    scanner: str
    roi_rule: str
    post_labeling_delay_ms: float | None
    method: str
    method_words: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class PublishedRule:
    """A cutoff with everything that was published about it.

    Attributes:
        title, symbol: the quantity in words and as the paper writes it.
        grouping: what is predicted. positive_class, negative_class: its two groups.
        positive_side: "above" if values larger than the cutoff are positive, "below" if smaller ones; a value exactly
            at the cutoff is negative (MedCalc, which both papers used, prints its criteria as > and <).
        n_positive, n_negative: patients per class.
        stage: when the value is taken; baseline_stage: for a change, since when. dose_gy: None if not tied to a dose.
        auc_interval: as printed, 95 %; None if not printed.
        status, recomputed, note: result of recomputing the printed numbers.
    """

    id: str
    study: Study
    quantity: Quantity
    title: str
    symbol: str
    unit: str
    cutoff: float
    grouping: Grouping
    positive_class: str
    negative_class: str
    positive_side: str
    n_positive: int
    n_negative: int
    stage: Stage
    baseline_stage: Stage | None
    dose_gy: float | None
    timing: str
    auc: float
    auc_interval: tuple[float, float] | None
    sensitivity: Proportion
    specificity: Proportion
    groups: tuple[PublishedGroup, ...]
    table: str
    status: str
    recomputed: str
    note: str
    checks: tuple[Check, ...]

    @property
    def source(self) -> str:
        return f"{self.study.citation}, {self.table}, doi:{self.study.doi}"

    @property
    def usable_as_default(self) -> bool:
        """An inconsistent rule is shown, but never applied without being asked for."""
        return self.status != "inconsistent"

    @property
    def published_prevalence(self) -> float:
        """Share of the positive class among the paper's patients."""
        return self.n_positive / (self.n_positive + self.n_negative)

    @property
    def auc_interval_from_size(self) -> tuple[float, float]:
        """95 % interval by Hanley and McNeil 1982 (Radiology 143:29) from the AUC and the group sizes alone."""
        a, n1, n0 = self.auc, self.n_positive, self.n_negative
        both_positive, both_negative = a / (2 - a), 2 * a**2 / (1 + a)
        variance = a * (1 - a) + (n1 - 1) * (both_positive - a**2) + (n0 - 1) * (both_negative - a**2)
        reach = float(stats.norm.ppf(0.975)) * math.sqrt(variance / (n1 * n0))
        return max(0.0, a - reach), min(1.0, a + reach)

    def normal_expectation(self) -> tuple[float, float, float] | None:
        """AUC, sensitivity and specificity at the cutoff if both groups were normal with the printed moments.

        None where a mean or SD is not printed. The first group is the positive class.
        """
        positive, negative = self.groups
        if None in (positive.mean, positive.sd, negative.mean, negative.sd):
            return None
        sign = 1 if self.positive_side == "above" else -1
        auc = stats.norm.cdf(sign * (positive.mean - negative.mean) / math.hypot(positive.sd, negative.sd))
        sensitivity = stats.norm.cdf(sign * (positive.mean - self.cutoff) / positive.sd)
        specificity = stats.norm.cdf(sign * (self.cutoff - negative.mean) / negative.sd)
        return float(auc), float(sensitivity), float(specificity)


@dataclass(frozen=True)
class RuleContext:
    """When a value was taken; what is not known is None.

    Attributes:
        time_point, baseline: names; baseline is "" for a value at one time.
    """

    time_point: str = ""
    stage: Stage | None = None
    baseline: str = ""
    baseline_stage: Stage | None = None
    dose_gy: float | None = None


@dataclass(frozen=True)
class RuleResult:
    """What a published rule says of one patient's value.

    Attributes:
        rule: the rule.
        time_point, baseline: names of where the value comes from; baseline is "" for a value at one time.
        value, standard_error, unit, cutoff: what was compared.
        is_positive: the value lies on the side of the rule's positive class.
        predicted_class: that class in words.
        distance: value - cutoff. distance_se: the same in standard errors; None without one.
        near_cutoff: closer than two standard errors, or exactly at the cutoff.
        probability_of_other_side: that the true value lies beyond the cutoff, if nothing but this measurement is known
            of it (Student's t); None without a standard error.
        prevalence: share of the positive class that the predictive values are for; prevalence_source says whose.
        positive_predictive_value, negative_predictive_value: None where they are not defined; their intervals put
            sensitivity and specificity at the limits of their exact 95 % intervals.
        conditions_not_met, conditions_unknown: sentences.
        sentence: the result in words. remarks: sentences on the rule's own printed numbers.
    """

    rule: PublishedRule
    time_point: str
    baseline: str
    value: float
    standard_error: float | None
    unit: str
    cutoff: float
    is_positive: bool
    predicted_class: str
    distance: float
    distance_se: float | None
    near_cutoff: bool
    probability_of_other_side: float | None
    sensitivity: Proportion
    specificity: Proportion
    prevalence: float
    prevalence_source: str
    positive_predictive_value: float | None
    positive_predictive_interval: tuple[float, float] | None
    negative_predictive_value: float | None
    negative_predictive_interval: tuple[float, float] | None
    conditions_not_met: tuple[str, ...]
    conditions_unknown: tuple[str, ...]
    sentence: str
    remarks: tuple[str, ...] = ()

    @property
    def is_favorable(self) -> bool:
        """Whether the predicted class is the better one of the grouping (a rule may name the worse one positive)."""
        return self.predicted_class == self.rule.grouping.classes[0]


# -- the data file --


@functools.cache
def load_rules() -> tuple[PublishedRule, ...]:
    """The rules of the data file that comes with this software."""
    return parse_rules(json.loads(RULES_FILE.read_text(encoding="utf-8")), where=RULES_FILE.name)


def default_rules() -> tuple[PublishedRule, ...]:
    """Rules whose printed numbers do not contradict each other."""
    return tuple(rule for rule in load_rules() if rule.usable_as_default)


def find_rule(rule_id: str) -> PublishedRule:
    """
    Raises:
        InputError: no such rule; the nearest names are suggested.
    """
    by_id = {rule.id: rule for rule in load_rules()}
    if rule_id not in by_id:
        nearest = difflib.get_close_matches(rule_id, by_id, n=1)
        raise InputError(
            f"there is no published rule {rule_id!r}",
            remedy=f"Did you mean {nearest[0]}?" if nearest else f"Known are {', '.join(by_id)}",
        )
    return by_id[rule_id]


def parse_rules(content: Mapping, where: str = "published rules") -> tuple[PublishedRule, ...]:
    """Check the content of a rules file and turn it into rules.

    Raises:
        InputError: a field that is missing, unknown or of the wrong kind, a rule that occurs twice, a study that is not
            there, or numbers that contradict the row's status.
    """
    for part, kind in (("studies", Mapping), ("rules", list)):
        if not isinstance(content.get(part), kind):
            raise InputError(f"{part} are missing", where=where, remedy="See the file that comes with the software")
    studies = {
        key: _build(Study, {"id": key, **study}, f"{where}, study {key}") for key, study in content["studies"].items()
    }
    rules = [_parse_rule(row, studies, where) for row in content["rules"]]
    ids = [rule.id for rule in rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise InputError(f"the rule {rule_id!r} occurs {ids.count(rule_id)} times", where=where)
    return tuple(rules)


def _parse_rule(row: Mapping, studies: Mapping[str, Study], where: str) -> PublishedRule:
    where = f"{where}, rule {row.get('id', '?') if isinstance(row, Mapping) else '?'}"
    _refuse_wrong_fields(PublishedRule, row, where)
    if row["study"] not in studies:
        raise InputError(f"there is no study {row['study']!r}", where=where, remedy=f"Known are {', '.join(studies)}")
    baseline_stage, interval = row["baseline_stage"], row["auc_interval"]
    rule = PublishedRule(
        **{
            **row,
            "study": studies[row["study"]],
            "quantity": _member(Quantity, row["quantity"], where),
            "grouping": _member(Grouping, row["grouping"], where),
            "stage": _member(Stage, row["stage"], where),
            "baseline_stage": None if baseline_stage is None else _member(Stage, baseline_stage, where),
            "auc_interval": None if interval is None else tuple(interval),
            "sensitivity": _build(Proportion, row["sensitivity"], f"{where}, sensitivity"),
            "specificity": _build(Proportion, row["specificity"], f"{where}, specificity"),
            "groups": tuple(_build(PublishedGroup, group, f"{where}, groups") for group in row["groups"]),
            "checks": tuple(_build(Check, check, f"{where}, checks") for check in row["checks"]),
        }
    )
    _refuse_contradictions(rule, where)
    return rule


def _build(kind: type, row: Mapping, where: str):
    _refuse_wrong_fields(kind, row, where)
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})


def _refuse_wrong_fields(kind: type, row: Mapping, where: str) -> None:
    if not isinstance(row, Mapping):
        raise InputError(f"fields and values are expected, found {row!r}", where=where)
    known = [field.name for field in fields(kind)]
    for name in row:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"unknown field {name!r}", where=where, remedy=f"Did you mean {nearest[0]}?" if nearest else ""
            )
    missing = [name for name in known if name not in row]
    if missing:
        raise InputError(f"the field {missing[0]!r} is missing", where=where)


def _member(kind: type, value, where: str):
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise InputError(f"{value!r} is none of {allowed}", where=where) from None


def _refuse_contradictions(rule: PublishedRule, where: str) -> None:
    def refuse(what: str) -> InputError:
        return InputError(what, where=where, remedy="Correct the data file")

    if rule.quantity not in UNITS or not same_unit(rule.unit, UNITS[rule.quantity]):
        raise refuse(f"{rule.quantity.value} is not measured in {rule.unit}")
    if not _is_number(rule.cutoff):
        raise refuse(f"the cutoff is no number: {rule.cutoff!r}")
    if rule.positive_side not in SIDES:
        raise refuse(f"positive_side is {rule.positive_side!r}, not {' or '.join(SIDES)}")
    for part in (rule, *rule.checks):
        if part.status not in STATUSES:
            raise refuse(f"the status is {part.status!r}, none of {', '.join(STATUSES)}")
    for check in rule.checks:
        if check.about not in ("rule", "background"):
            raise refuse(f"the check of {check.item} is about {check.about!r}, not rule or background")
    if rule.status != implied_status(rule.checks):
        raise refuse(f"the status is {rule.status}, its checks make it {implied_status(rule.checks)}")
    is_change = rule.quantity in (Quantity.R2STAR_INCREASE, Quantity.TBF_DECREASE)
    if is_change != (rule.baseline_stage is not None):
        raise refuse("a change has a baseline_stage, and nothing else has")
    if {rule.positive_class, rule.negative_class} != set(rule.grouping.classes):
        raise refuse(f"the classes are not those of {rule.grouping.value}: {' and '.join(rule.grouping.classes)}")
    if len(rule.groups) != 2 or [group.n for group in rule.groups] != [rule.n_positive, rule.n_negative]:
        raise refuse("there must be two groups of n_positive and n_negative patients")
    if not _is_number(rule.auc) or not 0 <= rule.auc <= 1:
        raise refuse(f"the AUC is {rule.auc!r}")
    if rule.auc_interval and not rule.auc_interval[0] <= rule.auc <= rule.auc_interval[1]:
        raise refuse("the AUC lies outside of its interval")
    for what, part, n in (
        ("sensitivity", rule.sensitivity, rule.n_positive),
        ("specificity", rule.specificity, rule.n_negative),
    ):
        if not _is_number(part.printed) or not 0 <= part.printed <= 1:
            raise refuse(f"the {what} is {part.printed!r}; it is written as a fraction")
        if part.n != n:
            raise refuse(f"the {what} is of {part.n} patients, the group has {n}")
        if part.k is None:
            if rule.status == "consistent":
                raise refuse(f"no count gives the {what}, and the rule is called consistent")
        elif not 0 <= part.k <= part.n or abs(part.k / part.n - part.printed) > 0.0005 + 1e-9:
            raise refuse(f"{part.k} of {part.n} is not the printed {what} {part.printed:g}")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def implied_status(checks: Sequence[Check]) -> str:
    """Status of a row: inconsistent if one of its own numbers is, consistent if one could be recomputed and fits."""
    found = {check.status for check in checks if check.about == "rule"}
    if "inconsistent" in found:
        return "inconsistent"
    return "consistent" if "consistent" in found else "unverifiable"


# -- applying a rule --


def apply_rule(
    rule: PublishedRule,
    value: MeasuredValue,
    context: RuleContext | None = None,
    *,
    prevalence: float | None = None,
) -> RuleResult:
    """Compare a value with a published cutoff.

    Args:
        value: in the rule's unit; for a change, as the rule defines it (dR2* = post - pre, dTBF = pre - post).
        prevalence: share of the positive class among the patients that the predictive values are for; None takes the
            paper's own share, and the result says so.

    Raises:
        InputError: another unit, or a prevalence outside of 0 to 1.
    """
    context = context or RuleContext()
    if not same_unit(value.unit, rule.unit):
        raise InputError(
            f"the value is in {value.unit}, the rule in {rule.unit}",
            where=f"rule {rule.id}",
            remedy=f"Give the value in {rule.unit}",
        )
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(
            f"a prevalence lies between 0 and 1, found {prevalence:g}",
            where=f"rule {rule.id}",
            remedy=f"Give the share of patients with {rule.positive_class} as a fraction",
        )
    distance = value.value - rule.cutoff
    is_positive = distance > 0 if rule.positive_side == "above" else distance < 0
    distance_se = distance / value.standard_error if value.standard_error else None
    near = distance == 0 or (distance_se is not None and abs(distance_se) < NEAR_STANDARD_ERRORS)
    other_side = None
    if distance_se is not None:
        other_side = float(stats.t.sf(abs(distance_se), value.degrees_of_freedom))
    not_met, unknown = _conditions(rule, value, context)
    share = rule.published_prevalence if prevalence is None else prevalence
    ppv, ppv_interval, npv, npv_interval = _predictive_values(rule, share)
    predicted = rule.positive_class if is_positive else rule.negative_class
    return RuleResult(
        rule=rule,
        time_point=context.time_point,
        baseline=context.baseline,
        value=float(value.value),
        standard_error=value.standard_error,
        unit=rule.unit,
        cutoff=float(rule.cutoff),
        is_positive=is_positive,
        predicted_class=predicted,
        distance=float(distance),
        distance_se=None if distance_se is None else float(distance_se),
        near_cutoff=near,
        probability_of_other_side=other_side,
        sensitivity=rule.sensitivity,
        specificity=rule.specificity,
        prevalence=share,
        prevalence_source=_prevalence_source(rule, prevalence),
        positive_predictive_value=ppv,
        positive_predictive_interval=ppv_interval,
        negative_predictive_value=npv,
        negative_predictive_interval=npv_interval,
        conditions_not_met=not_met,
        conditions_unknown=unknown,
        sentence=_sentence(rule, value, distance, distance_se, near, other_side, predicted),
        remarks=_rule_remarks(rule),
    )


def _prevalence_source(rule: PublishedRule, prevalence: float | None) -> str:
    if prevalence is not None:
        return "given by the user"
    total = rule.n_positive + rule.n_negative
    return f"the paper's own patients ({rule.n_positive} of {total} {rule.positive_class}), for want of a stated one"


def _sentence(
    rule: PublishedRule,
    value: MeasuredValue,
    distance: float,
    distance_se: float | None,
    near: bool,
    other_side: float | None,
    predicted: str,
) -> str:
    place = "above" if distance > 0 else "below"
    where = f"{abs(distance):.3g} {rule.unit} {place} the cutoff of {rule.cutoff:.5g} {rule.unit}"
    if distance == 0:
        where = f"exactly at the cutoff of {rule.cutoff:.5g} {rule.unit}"
    elif distance_se is not None:
        where += f", {_times(abs(distance_se))} its standard error"
    text = f"{rule.title}: {value.text()}, {where}: on the side of {predicted}."
    if near and other_side is not None:
        text += (
            f" This is near the cutoff: the true value is on the other side with {100 * other_side:.2g} % probability."
        )
    elif near:
        text += " This is at the cutoff: the rule does not tell."
    elif distance_se is None:
        text += " How certain that is cannot be told without a standard error."
    return text


def _times(number: float) -> str:
    return "more than 100 times" if number > 100 else f"{number:.2g} times"


def _rule_remarks(rule: PublishedRule) -> tuple[str, ...]:
    remarks = [rule.note] if rule.note else []
    if rule.status != "consistent":
        remarks.insert(0, f"The printed numbers of this rule are {rule.status}.")
    return (*remarks, *rule.study.remarks)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """Positive and negative predictive value by Bayes' theorem; None where no patient would have such a result."""
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    positive, negative = true_positive + false_positive, true_negative + false_negative
    return true_positive / positive if positive else None, true_negative / negative if negative else None


def _predictive_values(rule: PublishedRule, prevalence: float):
    """Both values, each with what they are when sensitivity and specificity are at their lower or upper limits."""
    ppv, npv = predictive_values(rule.sensitivity.value, rule.specificity.value, prevalence)
    limits = rule.sensitivity.interval, rule.specificity.interval
    if None in limits:
        return ppv, None, npv, None
    (low_ppv, low_npv), (high_ppv, high_npv) = (
        predictive_values(*pair, prevalence) for pair in zip(*limits, strict=True)
    )
    return ppv, _range(low_ppv, high_ppv), npv, _range(low_npv, high_npv)


def _range(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def _conditions(
    rule: PublishedRule, value: MeasuredValue, context: RuleContext
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Conditions that do not hold, and those of which nothing is known, as sentences."""
    study = rule.study
    checks = [
        _stage_condition(rule.stage, context.stage, "the value"),
        _number_condition("field strength", study.field_strength_t, value.field_strength_t, "T", FIELD_TOLERANCE_T),
        _roi_condition(study.roi_rule, value.roi_rule),
        _number_condition("dose", rule.dose_gy, context.dose_gy, "Gy", DOSE_TOLERANCE_GY),
        _method_condition(study, value.method),
    ]
    if rule.baseline_stage is not None:
        checks.insert(1, _stage_condition(rule.baseline_stage, context.baseline_stage, "the baseline"))
    delay_ms = study.post_labeling_delay_ms
    checks.append(
        _number_condition("post-labeling delay", delay_ms, value.post_labeling_delay_ms, "ms", DELAY_TOLERANCE_MS)
    )
    not_met = tuple(sentence for holds, sentence in checks if holds is False)
    unknown = tuple(sentence for holds, sentence in checks if holds is None)
    return not_met, unknown


# Each condition: True where it holds (or the paper asks nothing), False where not, None where nothing is known.
_Condition = tuple[bool | None, str]


def _stage_condition(wanted: Stage, found: Stage | None, what: str) -> _Condition:
    asked = f"The paper took {what} {_lower(wanted.label())}"
    if found is None:
        return None, f"{asked}; when this one was taken is not known."
    return found is wanted, f"{asked}; this one: {_lower(found.label())}."


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _number_condition(what: str, wanted: float | None, found: float | None, unit: str, tolerance: float) -> _Condition:
    if wanted is None:
        return True, ""
    asked = f"The paper's {what} is {wanted:g} {unit}"
    if found is None:
        return None, f"{asked}; the one here is not known."
    return abs(found - wanted) <= tolerance, f"{asked}; here it is {found:g} {unit}."


def _roi_condition(wanted: str, found: str) -> _Condition:
    label = SliceRule(wanted).label()
    asked = f"The paper's ROI rule is: {_lower(label)}"
    if not found.strip():
        return None, f"{asked}; the one here is not known."
    # Whatever a rule is followed by (", eroded by 2 mm") makes it another one; the kind of average does not.
    rule = found.split(";")[0].strip().lower()
    return rule in (wanted, label.lower()), f"{asked}; here it is: {_lower(found.strip())}."


def _method_condition(study: Study, found: str) -> _Condition:
    asked = f"The paper's method: {study.method}"
    if not found.strip():
        return None, f"{asked}. The one here is not known."
    if not study.method_words:
        return None, f"{asked}. Whether the one here ({found}) gives the same values is not known."
    return any(word in found.lower() for word in study.method_words), f"{asked}. Here it is: {found}."
