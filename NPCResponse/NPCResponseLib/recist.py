"""RECIST 1.1 and mRECIST: the response of the lesions at each time point, with the sentences that lead to it.

RECIST 1.1: Eisenhauer et al. 2009, Eur J Cancer 45:228-247, with the RECIST committee's answers (recist.eortc.org).
Section and table numbers in the sentences are that guideline's. mRECIST measures the enhancing part of the lesions
(Lencioni and Llovet 2010, Semin Liver Dis 30:52); it asks for no absolute increase for progression.

Limits are met at equality (a sum of 70 mm after 100 mm is a partial response, 24 mm after 20 mm an increase of 20 %),
with a tolerance of 1e-9 of the compared sum for what binary fractions cannot hold. Diameters are not rounded before.
Tumor markers and cytology are not considered.
"""

import difflib
import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError
from .time_points import (
    LesionMeasurement,
    LesionStatus,
    NonTargetFinding,
    TimePointValues,
    course_of,
)

MAX_TARGETS = 5
MAX_TARGETS_PER_ORGAN = 2
MEASURABLE_MM = 10.0
TARGET_NODE_MM = 15.0
PATHOLOGICAL_NODE_MM = 10.0
THICK_SLICE_MM = 5.0  # above it, a measurable lesion is at least twice the slice thickness
TOO_SMALL_MM = 5.0
PARTIAL_RESPONSE_PERCENT = -30.0
PROGRESSION_PERCENT = 20.0
PROGRESSION_MM = 5.0
TOLERANCE = 1e-9
NODES = "lymph nodes"  # one organ, wherever they are
NEAR_STANDARD_ERRORS = 2.0


class Recist(enum.Enum):
    """Category of response. NON_CR_NON_PD is that of disease that is followed without being measured."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    NE = "NE"
    NON_CR_NON_PD = "non-CR/non-PD"

    def label(self) -> str:
        return {
            Recist.CR: "Complete response",
            Recist.PR: "Partial response",
            Recist.SD: "Stable disease",
            Recist.PD: "Progressive disease",
            Recist.NE: "Not evaluable",
            Recist.NON_CR_NON_PD: "Neither complete response nor progression",
        }[self]


class Criteria(enum.Enum):
    RECIST_1_1 = "RECIST 1.1"
    MRECIST = "mRECIST"


@dataclass(frozen=True)
class TargetChoice:
    """Which lesions are measured and which are only followed.

    Attributes:
        targets, non_targets: names. normal: nodes that are not pathological at baseline and are not followed.
        remarks: a sentence for each lesion that is followed in another way than it was given for.
    """

    targets: tuple[str, ...]
    non_targets: tuple[str, ...]
    normal: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class RecistVerdict:
    """Response at one time point.

    Attributes:
        time_point, baseline: names.
        category: the overall response.
        sum_mm, sum_se_mm: sum of the targets' diameters; None if not all were measured. Its standard error is None
            unless every diameter has one.
        baseline_sum_mm, nadir_sum_mm: the sums compared with; the nadir is the smallest complete sum before this time
            point, baseline included, found at ``nadir_time_point``.
        change_from_baseline_percent, change_from_nadir_percent, change_from_nadir_mm: signed; negative is shrinkage.
        change_from_baseline_se_percent: None without standard errors.
        target, non_target: responses of the two kinds of lesion; None where there is none of that kind.
        new_lesions: as given; None when nobody said (taken as none).
        near_limit: the change lies within two standard errors of a limit that would change the verdict.
        continues_partial_response: a partial response was found before and progression was not: RECIST's committee
            calls this an ongoing partial response, whatever ``category`` says of this time point alone.
        targets, non_targets: names of the lesions.
        reasons: sentences with the numbers, in the order of the argument.
        remarks: sentences on what a reader should look at. assumptions: sentences on what was not stated.
    """

    time_point: str
    baseline: str
    category: Recist
    sum_mm: float | None
    sum_se_mm: float | None
    baseline_sum_mm: float | None
    nadir_sum_mm: float | None
    nadir_time_point: str | None
    change_from_baseline_percent: float | None
    change_from_baseline_se_percent: float | None
    change_from_nadir_percent: float | None
    change_from_nadir_mm: float | None
    target: Recist | None
    non_target: Recist | None
    new_lesions: bool | None
    near_limit: bool
    continues_partial_response: bool
    targets: tuple[str, ...]
    non_targets: tuple[str, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    criteria: Criteria = Criteria.RECIST_1_1


@dataclass(frozen=True)
class _Size:
    """What a lesion adds to the sum; SE None when not known, ``note`` for a size that was not measured."""

    mm: float
    se_mm: float | None
    note: str = ""


@dataclass(frozen=True)
class _Sum:
    """Sum of the targets' diameters at a time point; over the measured ones only if some are missing."""

    time_point: str
    mm: float
    se_mm: float | None
    sizes: dict[str, _Size]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Study:
    """What every time point is compared with."""

    baseline: TimePointValues
    choice: TargetChoice
    criteria: Criteria
    planes: dict[str, str]
    has_non_targets: bool


def assess_recist(
    time_points: Sequence[TimePointValues], criteria: Criteria = Criteria.RECIST_1_1
) -> tuple[RecistVerdict, ...]:
    """One verdict for each time point after the baseline; none if no disease was recorded there.

    Confirmation by a second examination is not asked for (section 4.6.1: outside of non-randomized trials with
    response as their endpoint it is not required).

    Args:
        time_points: in any order; the baseline is the last one before treatment (``time_points.course_of``).

    Raises:
        InputError: no time point, contradicting ones, or a lesion that is neither in the baseline nor said to be new.
    """
    course = course_of(time_points)
    study = _study(course.baseline, course.later, criteria)
    if study is None:
        return ()
    verdicts: list[RecistVerdict] = []
    sums = [_sum_of_diameters(study, course.baseline)]
    for point in course.later:
        _refuse_unknown_lesions(study, point)
        now = _sum_of_diameters(study, point)
        verdicts.append(_judge(study, point, now, sums, verdicts))
        if not now.missing:
            sums.append(now)
    return tuple(verdicts)


def choose_targets(lesions: Sequence[LesionMeasurement], criteria: Criteria = Criteria.RECIST_1_1) -> TargetChoice:
    """Sort baseline lesions into targets and non-targets (sections 3.1 and 4.2).

    A target is measurable: at least 10 mm long, on slices thicker than 5 mm at least twice their thickness; a node at
    least 15 mm in its short axis. At most five targets, two in one organ (all nodes are one organ), the largest ones.
    What does not qualify is followed as a non-target; nodes below 10 mm are normal and not followed.
    """
    targets, others, normal, remarks = [], [], [], []
    for lesion in sorted(lesions, key=lambda lesion: lesion.name):
        if lesion.is_absent:
            continue
        size_mm = _baseline_mm(lesion, criteria)
        if lesion.is_node and size_mm is not None and not _reaches(size_mm, PATHOLOGICAL_NODE_MM):
            normal.append(lesion.name)
            remarks.append(
                f"{lesion.name}: a node of {size_mm:.4g} mm short axis is normal (below {PATHOLOGICAL_NODE_MM:g} mm) "
                "and is not followed (section 4.2)."
            )
        elif not lesion.is_target:
            others.append(lesion.name)
        elif obstacle := _why_not_measurable(lesion, size_mm, criteria):
            others.append(lesion.name)
            remarks.append(f"{lesion.name} {obstacle}: it is followed as a non-target lesion.")
        else:
            targets.append((size_mm, lesion))
    targets.sort(key=lambda target: (-target[0], target[1].name))
    chosen, per_organ = [], {}
    for _, lesion in targets:
        organ = NODES if lesion.is_node else lesion.organ.strip().lower()
        full = len(chosen) >= MAX_TARGETS
        if full or per_organ.get(organ, 0) >= MAX_TARGETS_PER_ORGAN:
            limit = f"{MAX_TARGETS} targets" if full else f"{MAX_TARGETS_PER_ORGAN} targets in one organ ({organ})"
            remarks.append(f"{lesion.name}: RECIST allows {limit}; it is followed as a non-target lesion.")
            others.append(lesion.name)
            continue
        per_organ[organ] = per_organ.get(organ, 0) + 1
        chosen.append(lesion.name)
    return TargetChoice(tuple(chosen), tuple(sorted(others)), tuple(normal), tuple(remarks))


def _baseline_mm(lesion: LesionMeasurement, criteria: Criteria) -> float | None:
    if lesion.is_node:
        return lesion.short_axis_mm
    if criteria is Criteria.MRECIST:
        return lesion.enhancing_mm
    if lesion.longest_mm is not None:
        return lesion.longest_mm
    return max(lesion.diameters_by_plane.values(), default=None)


def _why_not_measurable(lesion: LesionMeasurement, size_mm: float | None, criteria: Criteria) -> str:
    """Why a lesion cannot be a target, as the rest of a sentence; "" if it can."""
    if size_mm is None:
        measure = "short axis" if lesion.is_node else "diameter"
        part = "enhancing " if criteria is Criteria.MRECIST and not lesion.is_node else ""
        return f"has no {part}{measure} at baseline"
    least_mm = TARGET_NODE_MM if lesion.is_node else MEASURABLE_MM
    why = ""
    thickness_mm = lesion.slice_thickness_mm
    if not lesion.is_node and thickness_mm is not None and thickness_mm > THICK_SLICE_MM:
        least_mm = max(least_mm, 2 * thickness_mm)
        why = f" on slices of {thickness_mm:g} mm"
    if _reaches(size_mm, least_mm):
        return ""
    return f"is not measurable at baseline ({size_mm:.4g} mm, at least {least_mm:g} mm are needed{why})"


def _reaches(value: float, limit: float, scale: float = 0.0) -> bool:
    """value >= limit, up to what binary fractions cannot hold."""
    return value >= limit - TOLERANCE * max(abs(limit), scale)


def _study(baseline: TimePointValues, later: Sequence[TimePointValues], criteria: Criteria) -> _Study | None:
    """None without disease at baseline, and for mRECIST where no enhancing part was measured."""
    lesions = baseline.lesions
    if criteria is Criteria.MRECIST and not any(lesion.enhancing_mm for lesion in lesions):
        return None
    choice = choose_targets(lesions, criteria)
    # A reader may speak of non-target disease without listing its lesions.
    spoken_of = any(point.non_target is not None for point in (baseline, *later))
    if not (choice.targets or choice.non_targets or spoken_of):
        return None
    planes = {
        lesion.name: min(lesion.diameters_by_plane, key=lambda plane: (-lesion.diameters_by_plane[plane], plane))
        for lesion in lesions
        if lesion.diameters_by_plane and lesion.longest_mm is None
    }
    return _Study(baseline, choice, criteria, planes, bool(choice.non_targets) or spoken_of)


def _refuse_unknown_lesions(study: _Study, point: TimePointValues) -> None:
    known = [lesion.name for lesion in study.baseline.lesions]
    unknown = [lesion.name for lesion in point.lesions if lesion.name not in known and not lesion.is_absent]
    if unknown and not point.new_lesions:
        nearest = difflib.get_close_matches(unknown[0], known, n=1)
        raise InputError(
            f"the lesion {unknown[0]!r} is not among those of {study.baseline.name} ({', '.join(known) or 'none'})",
            where=f"time point {point.name}",
            remedy=f"Name it {nearest[0]!r} as there, or state that there are new lesions"
            if nearest
            else "Name it as there, or state that there are new lesions",
        )


# -- target lesions --


def _sum_of_diameters(study: _Study, point: TimePointValues) -> _Sum:
    sizes = {name: _size(study, point.lesion(name), name) for name in study.choice.targets}
    measured = {name: size for name, size in sizes.items() if size is not None}
    errors = [size.se_mm for size in measured.values()]
    se_mm = None if None in errors or not errors else math.hypot(*errors)
    total_mm = math.fsum(size.mm for size in measured.values())
    return _Sum(point.name, total_mm, se_mm, measured, tuple(name for name in sizes if sizes[name] is None))


def _size(study: _Study, lesion: LesionMeasurement | None, name: str) -> _Size | None:
    """Section 4.3.2: a lesion that is gone counts 0, one seen but too small to measure 5 mm, else as measured."""
    if lesion is None or lesion.status is LesionStatus.NOT_EVALUATED:
        return None
    if lesion.is_absent:
        return _Size(0.0, 0.0, "gone")
    if lesion.is_node:
        measured_mm = lesion.short_axis_mm
    elif study.criteria is Criteria.MRECIST:
        measured_mm = lesion.enhancing_mm
    else:
        measured_mm = lesion.longest_mm
        if measured_mm is None and name in study.planes:
            measured_mm = lesion.diameters_by_plane.get(study.planes[name])
    if measured_mm is not None:
        return _Size(measured_mm, lesion.diameter_se_mm if measured_mm else 0.0)
    if lesion.status is LesionStatus.TOO_SMALL:
        return _Size(TOO_SMALL_MM, None, "too small to measure")
    return None


def _is_node(study: _Study, name: str) -> bool:
    return study.baseline.lesion(name).is_node


def _shows_disease(study: _Study, name: str, size: _Size) -> bool:
    """Nodes are normal below 10 mm; of other lesions nothing may be left."""
    return _reaches(size.mm, PATHOLOGICAL_NODE_MM) if _is_node(study, name) else size.mm > 0


def _progressed(study: _Study, now_mm: float, nadir_mm: float) -> bool:
    """At least 20 % above the smallest sum, and in RECIST at least 5 mm."""
    increase_mm, scale = now_mm - nadir_mm, max(now_mm, nadir_mm)
    relative = increase_mm > 0 and _reaches(increase_mm, PROGRESSION_PERCENT / 100 * nadir_mm, scale)
    absolute = study.criteria is Criteria.MRECIST or _reaches(increase_mm, PROGRESSION_MM, scale)
    return relative and absolute


def _target_response(study: _Study, now: _Sum, baseline: _Sum, nadir: _Sum) -> tuple[Recist | None, list[str]]:
    if not study.choice.targets:
        return None, []
    section = "section 4.3.1" if study.criteria is Criteria.RECIST_1_1 else "mRECIST"
    told = [_sum_sentence(now, baseline, nadir)]
    if now.missing:
        told.append(f"Not measured: {', '.join(now.missing)}.")
        if now.sizes and _progressed(study, now.mm, nadir.mm):
            told.append(
                f"The measured ones alone reach {now.mm:.4g} mm, progression from {nadir.mm:.4g} mm whatever the "
                "others measure (section 4.4.2)."
            )
            return Recist.PD, told
        told.append("Without them the targets cannot be judged (section 4.4.2).")
        return Recist.NE, told
    if not any(_shows_disease(study, name, size) for name, size in now.sizes.items()):
        has_nodes = any(_is_node(study, name) for name in now.sizes)
        nodes = f", and nodes are below {PATHOLOGICAL_NODE_MM:g} mm in short axis" if has_nodes else ""
        told.append(f"All target lesions are gone{nodes}: complete response of the targets ({section}).")
        return Recist.CR, told
    if _progressed(study, now.mm, nadir.mm):
        least = "" if study.criteria is Criteria.MRECIST else f" and {PROGRESSION_MM:g} mm"
        told.append(
            f"An increase of at least {PROGRESSION_PERCENT:g} %{least} from the smallest sum is progression of the "
            f"targets ({section})."
        )
        return Recist.PD, told
    limit = f"{-PARTIAL_RESPONSE_PERCENT:g} %"
    if _reaches(baseline.mm - now.mm, -PARTIAL_RESPONSE_PERCENT / 100 * baseline.mm, baseline.mm):
        told.append(f"A decrease of at least {limit} from baseline is partial response of the targets ({section}).")
        return Recist.PR, told
    told.append(
        f"The decrease from baseline is less than {limit} and the increase from the smallest sum is no progression: "
        f"stable disease of the targets ({section})."
    )
    return Recist.SD, told


def _sum_sentence(now: _Sum, baseline: _Sum, nadir: _Sum) -> str:
    parts = ", ".join(
        f"{name} {size.mm:.4g}{f' ({size.note})' if size.note else ''}" for name, size in now.sizes.items()
    )
    if now.missing:
        return f"Measured diameters: {parts or 'none'} mm."
    text = f"Sum of diameters {now.mm:.4g} mm ({parts}): {_percent(now.mm, baseline.mm)} from {baseline.mm:.4g} mm at "
    text += f"{baseline.time_point} (baseline)"
    if nadir is not baseline or now.mm > nadir.mm:
        text += f", {_percent(now.mm, nadir.mm)} or {now.mm - nadir.mm:+.4g} mm from {nadir.mm:.4g} mm at "
        text += f"{nadir.time_point} (smallest so far)"
    return text + "."


def _percent(now_mm: float, before_mm: float) -> str:
    return "from nothing" if before_mm == 0 else f"{100 * (now_mm - before_mm) / before_mm:+.4g} %"


# -- non-target lesions --

_FINDINGS = {
    NonTargetFinding.GONE: Recist.CR,
    NonTargetFinding.PERSISTENT: Recist.NON_CR_NON_PD,
    NonTargetFinding.PROGRESSED: Recist.PD,
    NonTargetFinding.NOT_EVALUATED: Recist.NE,
}


def _non_target_response(study: _Study, point: TimePointValues) -> tuple[Recist | None, list[str], list[str]]:
    """Section 4.3.3: the response, sentences, and the names of those that still show disease."""
    if not study.has_non_targets:
        return None, [], []
    names = study.choice.non_targets
    if point.non_target is not None or not names:
        finding = point.non_target or NonTargetFinding.NOT_EVALUATED
        seen = ["non-target lesions"] if finding in (NonTargetFinding.PERSISTENT, NonTargetFinding.PROGRESSED) else []
        return _FINDINGS[finding], [f"Non-target lesions, as the reader states: {finding.value}."], seen
    by_state: dict[str, list[str]] = {}
    for name in names:
        by_state.setdefault(_non_target_state(study, point.lesion(name)), []).append(name)
    told = "; ".join(f"{state}: {', '.join(by_state[state])}" for state in sorted(by_state))
    if "unequivocal progression" in by_state:
        response = Recist.PD
    elif "not evaluated" in by_state:
        response = Recist.NE
    else:
        response = Recist.NON_CR_NON_PD if "present" in by_state else Recist.CR
    words = "not all evaluated" if response is Recist.NE else response.label().lower()
    seen = by_state.get("present", []) + by_state.get("unequivocal progression", [])
    return response, [f"Non-target lesions ({told}): {words} (section 4.3.3)."], seen


def _non_target_state(study: _Study, lesion: LesionMeasurement | None) -> str:
    if lesion is None or lesion.status is LesionStatus.NOT_EVALUATED:
        return "not evaluated"
    if lesion.status is LesionStatus.PROGRESSED:
        return "unequivocal progression"
    if lesion.is_absent:
        return "gone"
    if lesion.is_node:
        if lesion.short_axis_mm is not None and not _reaches(lesion.short_axis_mm, PATHOLOGICAL_NODE_MM):
            return "gone"
    elif 0 in (lesion.longest_mm, lesion.enhancing_mm if study.criteria is Criteria.MRECIST else None):
        return "gone"
    return "present"


# -- overall response --


def _overall(target: Recist | None, non_target: Recist | None) -> tuple[Recist, str]:
    """Response without new lesions: tables 1 (measured disease) and 2 (non-target disease only)."""
    table = "table 1" if target is not None else "table 2"
    if Recist.PD in (target, non_target):
        return Recist.PD, table
    if target is None:
        return non_target, table
    if target is Recist.CR and non_target not in (None, Recist.CR):
        return Recist.PR, table
    return target, table


def _judge(
    study: _Study, point: TimePointValues, now: _Sum, sums: Sequence[_Sum], earlier: Sequence[RecistVerdict]
) -> RecistVerdict:
    baseline = sums[0]
    nadir = min(sums, key=lambda one: one.mm)  # of equal ones the first
    target, reasons = _target_response(study, now, baseline, nadir)
    non_target, told, seen = _non_target_response(study, point)
    reasons += told
    if not point.lesions and point.non_target is None:
        reasons = ["No lesion was looked at (section 4.4.2)."]
    category, table = _overall(target, non_target)
    if point.new_lesions:
        category = Recist.PD
        reasons.append("There are new lesions: progression (section 4.3.5).")
    seen = [name for name, size in now.sizes.items() if _shows_disease(study, name, size)] + seen
    if category is not Recist.PD and seen and _was_complete(earlier):
        category = Recist.PD
        reasons.append(
            f"After a complete response, disease that is seen again ({', '.join(seen)}) is progression (table 3)."
        )
    elif not point.new_lesions:
        parts = [f"Targets: {target.value}"] if target else []
        parts += [f"non-targets: {non_target.value}"] if non_target else []
        told = "; ".join(parts)
        stated = "" if point.new_lesions is False else " stated"
        reasons.append(
            f"{told[0].upper()}{told[1:]}; no new lesions{stated}. Overall: {category.label().lower()} ({table})."
        )
    near = [] if now.missing else _near_limits(study, target, now, baseline, nadir)
    measured = bool(study.choice.targets) and not now.missing
    continues = category is Recist.SD and _had_partial_response(earlier)
    return RecistVerdict(
        time_point=point.name,
        baseline=study.baseline.name,
        category=category,
        sum_mm=now.mm if measured else None,
        sum_se_mm=now.se_mm if measured else None,
        baseline_sum_mm=baseline.mm if study.choice.targets else None,
        nadir_sum_mm=nadir.mm if study.choice.targets else None,
        nadir_time_point=nadir.time_point if study.choice.targets else None,
        change_from_baseline_percent=_change_percent(now.mm, baseline.mm) if measured else None,
        change_from_baseline_se_percent=_change_se_percent(now, baseline) if measured else None,
        change_from_nadir_percent=_change_percent(now.mm, nadir.mm) if measured else None,
        change_from_nadir_mm=now.mm - nadir.mm if measured else None,
        target=target,
        non_target=non_target,
        new_lesions=point.new_lesions,
        near_limit=bool(near),
        continues_partial_response=continues,
        targets=study.choice.targets,
        non_targets=study.choice.non_targets,
        reasons=tuple(reasons),
        remarks=(*near, *_remarks(study, point, earlier, continues)),
        assumptions=_assumptions(point, category),
        criteria=study.criteria,
    )


def _change_percent(now_mm: float, before_mm: float) -> float | None:
    return 100 * ((now_mm - before_mm) / before_mm) if before_mm else None


def _change_se_percent(now: _Sum, before: _Sum) -> float | None:
    if now.se_mm is None or before.se_mm is None or not before.mm:
        return None
    return 100 * math.hypot(now.se_mm / before.mm, (now.mm / before.mm) * (before.se_mm / before.mm))


def _was_complete(earlier: Sequence[RecistVerdict]) -> bool:
    """Whether the last verdict that could be reached was a complete response."""
    reached = [verdict.category for verdict in earlier if verdict.category is not Recist.NE]
    return bool(reached) and reached[-1] is Recist.CR


def _had_partial_response(earlier: Sequence[RecistVerdict]) -> bool:
    found = [verdict.category for verdict in earlier]
    return Recist.PR in found and Recist.PD not in found


def _near_limits(study: _Study, target: Recist | None, now: _Sum, baseline: _Sum, nadir: _Sum) -> list[str]:
    """A sentence for each limit within two standard errors of the change that could change the targets' response."""
    sentences = []
    change, error = _change_percent(now.mm, baseline.mm), _change_se_percent(now, baseline)
    decides = target in (Recist.PR, Recist.SD)
    if decides and error and abs(change - PARTIAL_RESPONSE_PERCENT) < NEAR_STANDARD_ERRORS * error:
        sentences.append(_near_sentence(change, error, "baseline", PARTIAL_RESPONSE_PERCENT))
    change, error = _change_percent(now.mm, nadir.mm), _change_se_percent(now, nadir)
    decides = target in (Recist.PR, Recist.SD, Recist.PD) and _may_reach_progression_mm(study, now, nadir)
    if decides and error and abs(change - PROGRESSION_PERCENT) < NEAR_STANDARD_ERRORS * error:
        sentences.append(_near_sentence(change, error, "the smallest sum", PROGRESSION_PERCENT))
    return sentences


def _may_reach_progression_mm(study: _Study, now: _Sum, nadir: _Sum) -> bool:
    """Whether the increase may be 5 mm within two standard errors."""
    if study.criteria is Criteria.MRECIST or now.se_mm is None or nadir.se_mm is None:
        return True
    reach_mm = NEAR_STANDARD_ERRORS * math.hypot(now.se_mm, nadir.se_mm)
    return now.mm - nadir.mm + reach_mm >= PROGRESSION_MM


def _near_sentence(change: float, error: float, reference: str, limit: float) -> str:
    return (
        f"The change from {reference}, {change:+.3g} % (SE {error:.2g} %), is within two standard errors of the limit "
        f"of {limit:+g} %: another reading may give another category."
    )


def _remarks(study: _Study, point: TimePointValues, earlier: Sequence[RecistVerdict], continues: bool) -> list[str]:
    remarks = list(study.choice.remarks)
    if study.criteria is Criteria.MRECIST:
        remarks.append("mRECIST counts the enhancing part only and asks for no increase in millimeters.")
    for name in study.choice.normal:
        lesion = point.lesion(name)
        grown_mm = None if lesion is None else lesion.short_axis_mm
        if grown_mm is not None and _reaches(grown_mm, PATHOLOGICAL_NODE_MM):
            remarks.append(
                f"{name} was a normal node at {study.baseline.name} and measures {grown_mm:.4g} mm now: state new "
                "lesions if it has become pathological."
            )
    if continues:
        remarks.append(
            "A partial response was found before and there is no progression since: the RECIST committee calls this an "
            "ongoing partial response."
        )
    progressed = next((verdict.time_point for verdict in earlier if verdict.category is Recist.PD), None)
    if progressed:
        remarks.append(f"Progression was found at {progressed} already; RECIST ends there.")
    return remarks


def _assumptions(point: TimePointValues, category: Recist) -> tuple[str, ...]:
    assumptions = []
    if point.new_lesions is None and category is not Recist.NE:
        assumptions.append(f"Whether there are new lesions at {point.name} was not stated; none are assumed.")
    if category in (Recist.CR, Recist.PR):
        assumptions.append("Responses are not confirmed by a second examination (RECIST 1.1, section 4.6.1).")
    return tuple(assumptions)


def sums_of_diameters(
    time_points: Sequence[TimePointValues], criteria: Criteria = Criteria.RECIST_1_1
) -> dict[str, tuple[float, float | None]]:
    """Sum of the targets' diameters in mm and its standard error, by name of the time point, where all were measured.

    Arguments and errors as in :func:`assess_recist`; the baseline is the first.
    """
    course = course_of(time_points)
    study = _study(course.baseline, course.later, criteria)
    if study is None or not study.choice.targets:
        return {}
    sums = [_sum_of_diameters(study, point) for point in (course.baseline, *course.later)]
    return {one.time_point: (one.mm, one.se_mm) for one in sums if not one.missing}


def best_overall_response(verdicts: Sequence[RecistVerdict]) -> Recist | None:
    """The best category up to the first progression, without confirmation (section 4.4.3); None without verdicts."""
    order = (Recist.CR, Recist.PR, Recist.SD, Recist.NON_CR_NON_PD, Recist.PD, Recist.NE)
    counted = []
    for verdict in verdicts:
        counted.append(verdict.category)
        if verdict.category is Recist.PD:
            break
    return min(counted, key=order.index, default=None)
