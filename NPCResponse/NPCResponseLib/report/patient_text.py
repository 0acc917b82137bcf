"""The sentences of a patient's report: verdict, methods, assumptions, references. Plain values in, plain text out."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..assessment import PatientAssessment
from ..perfusion import PerfusionModel
from ..recist import Recist, RecistVerdict
from ..response import Quantity
from . import r2star_text, tbf_text
from .citations import Citing
from .patient_tables import fixed, interval_text, normal_interval, short_paper, signed

SENTENCE_END = re.compile(r"(?<!et al)(?<!e\.g)(?<=[.?!])\s+(?=[A-Z0-9\[{])")
PAPERS = {"xu2023": "{xu2023}", "liu2022": "{liu2022}"}


# -- verdict --


def sum_lines(verdict: RecistVerdict) -> list[str]:
    """ "Sum of diameters -38.6 %", "95 % CI -40.8 to -36.5 %", "from 62.4 to 38.3 mm"; nothing without a sum.

    Progression is told from the smallest sum, so that is what stands beside it.
    """
    change = verdict.change_from_baseline_percent
    if change is None or verdict.baseline_sum_mm is None or verdict.sum_mm is None:
        return []
    if verdict.target is Recist.PD and verdict.change_from_nadir_percent is not None:
        return [
            f"Sum of diameters {signed(verdict.change_from_nadir_percent)} % "
            f"({signed(verdict.change_from_nadir_mm)} mm) from the smallest sum,",
            f"{fixed(verdict.nadir_sum_mm)} mm at {verdict.nadir_time_point}, to {fixed(verdict.sum_mm)} mm; "
            f"{signed(change)} % from baseline",
        ]
    interval = interval_text(normal_interval(change, verdict.change_from_baseline_se_percent))
    lines = [f"Sum of diameters {signed(change)} %", f"95 % CI {interval} %" if interval else "no standard error"]
    return [*lines, f"from {fixed(verdict.baseline_sum_mm)} to {fixed(verdict.sum_mm)} mm"]


def course_sentence(verdicts: Sequence[RecistVerdict]) -> str:
    """All verdicts in a line; empty for a single one."""
    if len(verdicts) < 2:
        return ""
    told = []
    for verdict in verdicts:
        change = verdict.change_from_baseline_percent
        told.append(
            f"{verdict.time_point} {verdict.category.value}" + ("" if change is None else f" ({signed(change)} %)")
        )
    return f"Course by RECIST 1.1: {', '.join(told)}."


def story(assessment: PatientAssessment, verdict: RecistVerdict | None) -> list[str]:
    """What stands beside the category: why, since when, which group, what the published rules say."""
    told = []
    if verdict is not None:
        told.append(verdict.reasons[-1] if verdict.reasons else "")
        told.append(course_sentence(assessment.recist))
    told += [f"{group.grouping.label()}: {group.group}." for group in assessment.groups]
    told += rules_sentences(assessment)
    if verdict is None and not assessment.changes and not assessment.rules:
        told += list(assessment.cannot_be_told[:1])
    return [sentence for sentence in told if sentence]


def rules_sentences(assessment: PatientAssessment) -> list[str]:
    """How many published rules are on which side, how many of them can be taken at their word."""
    results = assessment.rules
    if not results:
        return []
    favorable = sum(result.is_favorable for result in results)
    near = [result for result in results if result.near_cutoff]
    unmet = [result for result in results if result.conditions_not_met]
    clear = [result for result in results if not result.near_cutoff and not result.conditions_not_met]
    doubts = []
    if near:
        doubts.append(f"{len(near)} {'is' if len(near) == 1 else 'are'} near the cutoff")
    if unmet:
        doubts.append(f"{len(unmet)} used under conditions other than the paper's")
    first = f"Published rules: {favorable} of {len(results)} on the favorable side"
    first += f"; {', '.join(doubts)}." if doubts else "."
    if not doubts:
        return [first]
    if not clear:
        return [first, "No rule is both clear of its cutoff and used under its paper's conditions."]
    by_class: dict[str, list[str]] = {}
    for result in clear:
        by_class.setdefault(result.predicted_class, []).append(result.rule.title)
    told = "; ".join(f"{predicted} by {', '.join(titles)}" for predicted, titles in by_class.items())
    return [first, f"Clear of the cutoff, no condition of the paper broken: {told}."]


# -- methods --


def methods(report) -> Citing:
    """How all numbers came about: those of the first examination in full, of later ones what differs."""
    paragraphs = []
    points = report.ordered()
    for what, cited in (
        ("R2*", [(point.name, _r2star(point.r2star)) for point in points if point.r2star is not None]),
        ("Tumor blood flow", [(point.name, tbf_text.methods(point.tbf)) for point in points if point.tbf is not None]),
    ):
        paragraphs += _differences(what, [(name, _with_keys(one)) for name, one in cited])
    citing = Citing.of([*paragraphs, *_of_patient(report.assessment)])
    return Citing(tuple(report.cloak(paragraph) for paragraph in citing.paragraphs), citing.keys)


def _r2star(result) -> Citing:
    return r2star_text.methods(
        result.series,
        result.fit,
        slice_rule=result.settings.slice_rule if result.roi else None,
        erosion_mm=result.settings.erosion_mm,
        exclusion_names=result.exclusion_names,
        keep_doubtful=result.settings.keep_doubtful,
        gradient_correction=result.gradient_correction,
    )


def _with_keys(citing: Citing) -> list[str]:
    """Paragraphs with {keys} again in place of their own numbers, to be numbered anew."""

    def key(found: re.Match) -> str:
        number = int(found.group(1))
        return f"{{{citing.keys[number - 1]}}}" if 1 <= number <= len(citing.keys) else found.group(0)

    return [re.sub(r"\[(\d+)\]", key, paragraph) for paragraph in citing.paragraphs]


def _differences(what: str, by_point: Sequence[tuple[str, list[str]]]) -> Iterator[str]:
    """The first in full; of each other the sentences that the first does not have."""
    if not by_point:
        return
    first_name, first = by_point[0]
    alone = len(by_point) == 1
    yield f"{what}{'' if alone else f' ({first_name})'}: {first[0]}"
    yield from first[1:]
    known = set(sentences(first))
    for name, paragraphs in by_point[1:]:
        other = [sentence for sentence in sentences(paragraphs) if sentence not in known]
        yield f"{what} ({name}): as before." if not other else f"{what} ({name}): as before, except: {' '.join(other)}"


def sentences(paragraphs: Iterable[str]) -> list[str]:
    return [sentence for paragraph in paragraphs for sentence in SENTENCE_END.split(paragraph)]


def _of_patient(assessment: PatientAssessment) -> Iterator[str]:
    if any(row.quantity in (Quantity.MPTD, Quantity.SUM_OF_DIAMETERS) for row in assessment.trend):
        yield (
            "Diameters are the longest lines within one slice of the segmented lesion, per plane. The maximum diameter "
            "of the primary tumor is that of the plane in which it was longest at baseline, and the atrophy rate is "
            "(pre - post) / pre of it {liu2022}."
        )
    if assessment.recist:
        yield (
            "Response was told by RECIST 1.1 {eisenhauer2009}: the longest axial diameter of lesions and the short "
            "axis of lymph nodes, at most five targets and two in one organ; responses are those of each time point."
        )
    if assessment.mrecist:
        yield "mRECIST {lencioni2010} takes the enhancing part of each lesion in place of the whole."
    used = {change.change.quantity for change in assessment.changes}
    if used:
        told = ["Changes have the signs of their papers:"]
        told += ["dR2* = post - pre {xu2023}."] if Quantity.R2STAR_INCREASE in used else []
        told += ["dTBF = pre - post {liu2022}."] if Quantity.TBF_DECREASE in used else []
        yield (
            " ".join(told) + " The errors of two examinations are taken as independent; confidence intervals are "
            "Student's t with the degrees of freedom of Welch and Satterthwaite."
        )
    if _judged_by_repeatability(assessment):
        yield "Changes were compared with the repeatability coefficient, 1.96 √2 SD within subjects {bland1999}."
    if assessment.dose is not None:
        yield f"Dose, by the linear-quadratic model {{fowler1989}} as in {{liu2022}}: {assessment.dose.formula}."
    if assessment.rules:
        studies = {result.rule.study.id: short_paper(result) for result in assessment.rules}
        papers = ", ".join(f"{name} {PAPERS.get(key, '')}".strip() for key, name in studies.items())
        yield (
            f"Published cutoffs are those of {papers}. A value closer to its cutoff than two standard errors is called "
            "near. Predictive values are Bayes' theorem with the printed sensitivity and specificity; their intervals "
            "put both at the limits of their exact 95 % intervals."
        )


def _judged_by_repeatability(assessment: PatientAssessment) -> bool:
    judgments = [found.judgment for found in (*assessment.changes, *assessment.atrophy) if found.judgment is not None]
    return any(judgment.basis == "repeatability coefficient" for judgment in judgments)


# -- assumptions --


def assumptions(report) -> list[str]:
    """Every one once, with the names of the images that it holds for."""
    told: list[tuple[str, str]] = []
    for point in report.ordered():
        if point.r2star is not None:
            standing = r2star_text.standing_assumptions(
                gradient_corrected=bool(point.r2star.gradient_correction), has_region=point.r2star.roi is not None
            )
            told += [(f"{point.name} BOLD", sentence) for sentence in (*point.r2star.assumptions, *standing)]
        if point.tbf is not None:
            own = (*point.tbf.assumptions, *tbf_text.assumptions(point.tbf))
            told += [(f"{point.name} ASL", sentence) for sentence in own]
    of_patient = list(report.assessment.assumptions)
    if any(lesion.diameter_se_mm for point in report.assessment.time_points for lesion in point.lesions):
        of_patient.append(
            "Intervals of diameters hold the digitization of the segment alone, not how two readers differ."
        )
    return [
        report.cloak(sentence)
        for sentence in placed([("", sentence) for sentence in of_patient] + told, places(report))
    ]


def placed(told: Iterable[tuple[str, str]], kinds: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences once each, with the places that they were told of ("pre BOLD"); for all places of a kind, the kind.

    Args:
        told: (place, sentence); a place may be empty.
    """
    where: dict[str, list[str]] = {}
    for place, sentence in told:
        found = where.setdefault(" ".join(sentence.split()), [])
        if place and place not in found:
            found.append(place)
    lines = []
    for sentence, found in where.items():
        for kind, every in kinds.items():
            if len(every) > 1 and set(every) <= set(found):
                found = [kind, *(place for place in found if place not in every)]
        lines.append(f"{', '.join(found)}: {sentence}" if found else sentence)
    return lines


def places(report) -> dict[str, list[str]]:
    """Every place of each kind that a sentence may be about."""
    points = report.time_points
    verdicts = (*report.assessment.recist, *report.assessment.mrecist)
    by_criteria: dict[str, list[str]] = {}
    for verdict in verdicts:
        by_criteria.setdefault(verdict.criteria.value, []).append(f"{verdict.criteria.value} at {verdict.time_point}")
    return {
        "BOLD": [f"{point.name} BOLD" for point in points if point.r2star is not None],
        "ASL": [f"{point.name} ASL" for point in points if point.tbf is not None],
        **by_criteria,
    }


def split_place(sentence: str, kinds: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """("RECIST 1.1 at post", rest) of a sentence that begins with a place; else ("", sentence)."""
    for place in (place for every in kinds.values() for place in every):
        if sentence.startswith(f"{place}: "):
            return place, sentence[len(place) + 2 :]
    return "", sentence


def bias_sentences(report) -> list[str]:
    """What one delay does to the flow, and what of it remains in a change."""
    biased = [
        (f"{point.name} ASL", point.tbf.perfusion.model_bias.sentence)
        for point in report.ordered()
        if point.tbf is not None
        and point.tbf.perfusion.model is PerfusionModel.SINGLE_DELAY
        and point.tbf.perfusion.model_bias is not None
    ]
    told = placed(biased, places(report))
    if len(biased) > 1:
        told.append(
            "A change of transit time or T1 under treatment would show as a change of flow; several delays tell them "
            "apart."
        )
    return told


def category_label(verdict: RecistVerdict) -> str:
    return (
        verdict.category.label() if verdict.category is not Recist.NON_CR_NON_PD else "Neither complete nor progressive"
    )
