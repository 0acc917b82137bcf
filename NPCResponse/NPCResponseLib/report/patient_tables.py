"""The tables of a patient's report, as texts and rows for the template: headline numbers, values, rules, lesions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..assessment import AssessedChange, LesionAtrophyAt, PatientAssessment, TrendRow
from ..published_rules import Proportion, RuleResult
from ..recist import Recist, RecistVerdict
from ..repeatability import ChangeJudgment, Verdict
from ..response import Quantity
from ..time_points import LesionMeasurement, LesionStatus, MeasuredValue, TimePointValues

FLOW_UNIT_SHOWN = "mL/100 g/min"
_QUANTITY_OF = {Quantity.R2STAR_INCREASE: Quantity.R2STAR, Quantity.TBF_DECREASE: Quantity.TBF}
MAX_CHANGE_COLUMNS = 2  # of more later time points, the change stands under the value


def fixed(number: float, digits: int = 1) -> str:
    """Never "-0.0"."""
    text = f"{number:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def signed(number: float, digits: int = 1) -> str:
    text = fixed(number, digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def interval_text(interval: tuple[float, float] | None, digits: int = 1) -> str:
    """ "52.6 to 53.8"; empty without one, or for a lesion that is gone."""
    return (
        ""
        if interval is None or interval[0] == interval[1]
        else f"{fixed(interval[0], digits)} to {fixed(interval[1], digits)}"
    )


def certainty(interval: tuple[float, float] | None) -> str:
    """The interval of a headline number in words."""
    if interval is None:
        return "no standard error"
    return f"95 % CI {interval_text(interval)}" if interval_text(interval) else "no longer seen"


def normal_interval(value: float, standard_error: float | None) -> tuple[float, float] | None:
    """95 %, for an error that is known without a count of repeats (digitization)."""
    return None if standard_error is None else MeasuredValue(value, standard_error, "1").interval()


def shown_unit(unit: str) -> str:
    return unit.replace("100g", "100 g")


# -- headline numbers --


@dataclass(frozen=True)
class Tile:
    """One number of the verdict. ``grade`` is the chip's class, "" without a chip."""

    label: str
    value: str
    unit: str
    interval: str
    detail: str
    chip: str = ""
    grade: str = ""


def tiles(assessment: PatientAssessment) -> list[Tile]:
    """The last change of each quantity, or its value where there is nothing to compare it with."""
    found = []
    for quantity, change_of, name in (
        (Quantity.R2STAR, Quantity.R2STAR_INCREASE, "dR2* (post - pre)"),
        (Quantity.TBF, Quantity.TBF_DECREASE, "dTBF (pre - post)"),
    ):
        changes = [change for change in assessment.changes if change.change.quantity is change_of]
        rows = [row for row in assessment.trend if row.quantity is quantity]
        if changes:
            found.append(_change_tile(changes[-1], name, rows))
        elif rows:
            found.append(_value_tile(rows[-1], measured(assessment, rows[-1])))
    return found + _size_tiles(assessment)


def _change_tile(found: AssessedChange, name: str, rows: Sequence[TrendRow]) -> Tile:
    value = found.change.measured
    by_point = {row.time_point: row for row in rows}
    before, after = by_point[found.baseline], by_point[found.time_point]
    chip, grade = judgment_chip(found.judgment)
    percent = "" if after.percent_change_from_baseline is None else f" ({signed(after.percent_change_from_baseline)} %)"
    verb = "rose" if after.value > before.value else "fell" if after.value < before.value else "stayed"
    return Tile(
        label=f"{name}, {found.baseline} to {found.time_point}",
        value=signed(value.value),
        unit=shown_unit(value.unit),
        interval=certainty(value.interval()),
        detail=f"{before.what} {verb} from {fixed(before.value)} to {fixed(after.value)}{percent}",
        chip=chip,
        grade=grade,
    )


def _value_tile(row: TrendRow, value: MeasuredValue) -> Tile:
    return Tile(
        label=f"{row.what}, {row.time_point}",
        value=fixed(row.value),
        unit=shown_unit(row.unit),
        interval=certainty(value.interval()),
        detail="",
    )


def _size_tiles(assessment: PatientAssessment) -> list[Tile]:
    """Maximum diameter and atrophy rate of the first lesion that is no node."""
    diameters = [row for row in assessment.trend if row.quantity is Quantity.MPTD]
    rows = [row for row in diameters if row.what == diameters[0].what]
    found = []
    if rows:
        last = rows[-1]
        first = next((row for row in rows if row.time_point == assessment.baseline), last)
        before = f"{first.time_point}: {fixed(first.value)} mm" if last is not first else ""
        found.append(
            Tile(
                label=f"{last.what}, {last.time_point}",
                value=fixed(last.value),
                unit="mm",
                interval=certainty(normal_interval(last.value, last.standard_error)),
                detail=before,
            )
        )
    told = [one for one in assessment.atrophy if one.lesion.atrophy is not None]
    told = [one for one in told if one.lesion.lesion == told[0].lesion.lesion]
    if told:
        found.append(_atrophy_tile(told[-1]))
    return found


def _atrophy_tile(found: LesionAtrophyAt) -> Tile:
    rate = found.lesion.atrophy
    chip, grade = judgment_chip(found.judgment) if found.judgment else ("", "")
    return Tile(
        label=f"Atrophy rate of {found.lesion.lesion}, {found.time_point}",
        value=fixed(rate.percent),
        unit="%",
        interval=certainty(normal_interval(rate.percent, rate.standard_error_percent)),
        detail=f"({fixed(rate.pre_mm)} - {fixed(rate.post_mm)}) / {fixed(rate.pre_mm)} mm",
        chip=chip,
        grade=grade,
    )


def judgment_words(judgment: ChangeJudgment) -> tuple[str, bool]:
    """A change beside the error or the repeatability, in a few words; and whether it stands out."""
    if judgment.verdict is Verdict.UNKNOWN:
        return "error not known", False
    against = "repeatability" if judgment.basis == "repeatability coefficient" else "error"
    if judgment.uncertain:
        return f"about the {against}", False
    exceeds = judgment.verdict is Verdict.EXCEEDS
    return f"{'exceeds' if exceeds else 'within'} {against}", exceeds


def judgment_chip(judgment: ChangeJudgment) -> tuple[str, str]:
    """The same as a chip: its text and class."""
    words, exceeds = judgment_words(judgment)
    return f"{'✓' if exceeds else '!'} {words[0].upper()}{words[1:]}", "good" if exceeds else "limited"


# -- the table of values --


@dataclass(frozen=True)
class Cell:
    """Texts of one cell: the number, its interval under it, a remark, how it was judged."""

    value: str = "–"
    interval: str = ""
    note: str = ""
    judged: str = ""


@dataclass(frozen=True)
class ValueRow:
    """One quantity: a cell per time point, and one per later time point with its change."""

    what: str
    unit: str
    cells: dict[str, Cell]
    changes: dict[str, Cell] = field(default_factory=dict)


def value_rows(assessment: PatientAssessment, volumes_ml: dict[str, float], lesion: str) -> list[ValueRow]:
    """All values over time, baseline and changes; changes are later - baseline for every quantity.

    Args:
        volumes_ml: of the primary tumor per time point. lesion: its name.
    """
    rows: list[ValueRow] = []
    if assessment.recist:
        rows.append(_recist_row(assessment))
    for what in dict.fromkeys(row.what for row in assessment.trend):
        trend = [row for row in assessment.trend if row.what == what]
        cells = {row.time_point: _value_cell(row, measured(assessment, row)) for row in trend}
        changes = {
            row.time_point: _change_cell(assessment, row) for row in trend if row.change_from_baseline is not None
        }
        rows.append(ValueRow(what, shown_unit(trend[0].unit), cells, changes))
    if volumes_ml:
        rows.append(_volume_row(assessment, volumes_ml, lesion))
    given = {point.name: point.dose_gy for point in assessment.time_points if point.dose_gy is not None}
    if given:
        rows.append(ValueRow("Dose given so far", "Gy", {name: Cell(f"{dose:g}") for name, dose in given.items()}))
    return rows


def _recist_row(assessment: PatientAssessment) -> ValueRow:
    cells = {assessment.baseline: Cell("baseline")}
    changes = {}
    for verdict in assessment.recist:
        cells[verdict.time_point] = Cell(verdict.category.value, note="near a limit" if verdict.near_limit else "")
    return ValueRow("RECIST 1.1", "", cells, changes)


def _value_cell(row: TrendRow, value: MeasuredValue) -> Cell:
    return Cell(fixed(row.value), interval_text(value.interval()))


def _change_cell(assessment: PatientAssessment, row: TrendRow) -> Cell:
    percent = row.percent_change_from_baseline
    judgment = _judgment(assessment, row)
    return Cell(
        signed(row.change_from_baseline),
        interval_text(change_interval(assessment, row)),
        "" if percent is None else f"{signed(percent)} %",
        judgment_words(judgment)[0] if judgment else "",
    )


def _judgment(assessment: PatientAssessment, row: TrendRow) -> ChangeJudgment | None:
    """What was judged of the change in a row of the trend."""
    if row.quantity is Quantity.MPTD:
        for one in assessment.atrophy:
            plane = f" ({one.lesion.plane})" if one.lesion.plane else ""
            is_lesion = row.what == f"{Quantity.MPTD.label()}, {one.lesion.lesion}{plane}"
            if is_lesion and one.time_point == row.time_point:
                return one.judgment
    for found in assessment.changes:
        if _QUANTITY_OF[found.change.quantity] is row.quantity and found.time_point == row.time_point:
            return found.judgment
    return None


def judged_by(assessment: PatientAssessment) -> list[str]:
    """Sentences on what changes were compared with."""
    judgments = [(_QUANTITY_OF[found.change.quantity].label(), found.judgment) for found in assessment.changes]
    judgments += [(Quantity.MPTD.label(), found.judgment) for found in assessment.atrophy if found.judgment]
    sentences = []
    coefficients = dict.fromkeys(
        f"{name} {judgment.limit:g} {shown_unit(judgment.unit)}"
        for name, judgment in judgments
        if judgment.basis == "repeatability coefficient"
    )
    if coefficients:
        sentences.append(f"Repeatability coefficients: {', '.join(coefficients)}.")
    if any(judgment.basis == "measurement error" for _, judgment in judgments):
        sentences.append(
            "Error: 95 % of what the errors of the two measurements alone allow; how much repeated examinations of an "
            "unchanged patient differ was not given, and is usually more."
        )
    return sentences


def _volume_row(assessment: PatientAssessment, volumes_ml: dict[str, float], lesion: str) -> ValueRow:
    cells = {name: Cell(fixed(volume)) for name, volume in volumes_ml.items()}
    before = volumes_ml.get(assessment.baseline)
    order = [point.name for point in assessment.time_points]
    later = order[order.index(assessment.baseline) + 1 :]
    changes = {}
    for name in later:
        if before and name in volumes_ml:
            difference = volumes_ml[name] - before
            changes[name] = Cell(signed(difference), note=f"{signed(100 * difference / before)} %")
    return ValueRow(f"Volume of {lesion}" if lesion else "Volume", "mL", cells, changes)


def measured(assessment: PatientAssessment, row: TrendRow) -> MeasuredValue:
    """The value behind a row of the trend, with the degrees of freedom of its error where they are known."""
    point = next(point for point in assessment.time_points if point.name == row.time_point)
    told = {Quantity.R2STAR: point.r2star, Quantity.TBF: point.tbf}.get(row.quantity)
    return told or MeasuredValue(row.value, row.standard_error, row.unit)


def change_interval(assessment: PatientAssessment, row: TrendRow) -> tuple[float, float] | None:
    """95 % for later - baseline."""
    for found in assessment.changes:
        if found.time_point == row.time_point and _QUANTITY_OF[found.change.quantity] is row.quantity:
            interval = found.change.measured.interval()
            is_decrease = found.change.quantity is Quantity.TBF_DECREASE
            return (-interval[1], -interval[0]) if interval and is_decrease else interval
    return normal_interval(row.change_from_baseline, row.change_se)


# -- published rules --


@dataclass(frozen=True)
class RuleRow:
    """One applied rule as texts; ``notes`` are letters of the notes under the table."""

    title: str
    paper: str
    outcome: str
    value: str
    interval: str
    cutoff: str
    says: str
    favorable: bool
    near: str
    share: str
    share_interval: str
    sensitivity: str
    specificity: str
    broken: str
    unknown: str


def rule_value(assessment: PatientAssessment, result: RuleResult) -> MeasuredValue:
    """The measured value that a rule was applied to."""
    if result.baseline:
        for found in assessment.changes:
            same = found.change.quantity is result.rule.quantity
            if same and (found.baseline, found.time_point) == (result.baseline, result.time_point):
                return found.change.measured
    else:
        for point in assessment.time_points:
            told = point.r2star if result.rule.quantity is Quantity.R2STAR else point.tbf
            if point.name == result.time_point and told is not None:
                return told
    return MeasuredValue(result.value, result.standard_error, result.unit)


def short_paper(result: RuleResult) -> str:
    """ "Xu et al. 2023": the citation up to its journal."""
    return result.rule.study.citation.split(",")[0]


def rule_rows(assessment: PatientAssessment) -> tuple[list[RuleRow], list[tuple[str, str]]]:
    """Rows, and the notes that their letters stand for."""
    notes: dict[str, str] = {}

    def letters(sentences: Iterable[str], paper: str) -> str:
        keys = [notes.setdefault(f"{paper}: {sentence}", letter(len(notes))) for sentence in sentences]
        return ", ".join(keys)

    rows = []
    for result in assessment.rules:
        rule, paper = result.rule, short_paper(result)
        probability = result.probability_of_other_side
        near = ""
        if result.near_cutoff:
            near = (
                "near the cutoff"
                if probability is None
                else f"near the cutoff ({100 * probability:.2g} % for the other side)"
            )
        rows.append(
            RuleRow(
                title=rule.title,
                paper=paper,
                outcome=rule.grouping.label(),
                value=fixed(result.value),
                interval=interval_text(rule_value(assessment, result).interval()),
                cutoff=f"{'>' if rule.positive_side == 'above' else '<'} {result.cutoff:g}",
                says=result.predicted_class,
                favorable=result.is_favorable,
                near=near,
                share=_share(result)[0],
                share_interval=_share(result)[1],
                sensitivity=_proportion(result.sensitivity),
                specificity=_proportion(result.specificity),
                broken=letters(result.conditions_not_met, paper),
                unknown=letters(result.conditions_unknown, paper),
            )
        )
    return rows, [(key, sentence) for sentence, key in notes.items()]


def letter(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def _share(result: RuleResult) -> tuple[str, str]:
    """The predictive value of the side that the value is on, and its range."""
    value, interval = result.negative_predictive_value, result.negative_predictive_interval
    if result.is_positive:
        value, interval = result.positive_predictive_value, result.positive_predictive_interval
    if value is None:
        return "–", ""
    told = "" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f}"
    return f"{100 * value:.0f} %", told


def _proportion(part: Proportion) -> str:
    counted = f"{part.k}/{part.n}" if part.k is not None else f"of {part.n}"
    return f"{100 * part.value:.0f} % ({counted})"


def prevalences(results: Sequence[RuleResult]) -> list[str]:
    """Which share of patients each predictive value is for."""
    told = dict.fromkeys(
        f"{result.rule.grouping.label()}: {100 * result.prevalence:.0f} % {result.rule.positive_class}, "
        f"{result.prevalence_source}"
        for result in results
    )
    return list(told)


def rule_remarks(results: Sequence[RuleResult]) -> list[str]:
    """What was remarked on the papers' own numbers, each sentence once, with the rules that it is about."""
    about: dict[str, list[str]] = {}
    for result in results:
        for sentence in result.remarks:
            of_study = sentence in result.rule.study.remarks
            name = short_paper(result) if of_study else f"{short_paper(result)}, {result.rule.title}"
            found = about.setdefault(sentence, [])
            if name not in found:
                found.append(name)
    return [f"{'; '.join(names)}: {sentence}" for sentence, names in about.items()]


# -- lesions --


@dataclass(frozen=True)
class LesionRow:
    name: str
    where: str
    role: str
    cells: dict[str, Cell]


def lesion_rows(assessment: PatientAssessment) -> list[LesionRow]:
    """Each lesion with its size at each time point."""
    verdict = assessment.recist[-1] if assessment.recist else None
    names = dict.fromkeys(lesion.name for point in assessment.time_points for lesion in point.lesions)
    rows = []
    for name in names:
        seen = {point.name: point.lesion(name) for point in assessment.time_points}
        any_lesion = next(lesion for lesion in seen.values() if lesion is not None)
        cells = {point: _lesion_cell(lesion) for point, lesion in seen.items() if lesion is not None}
        where = any_lesion.organ + (", node" if any_lesion.is_node and "node" not in any_lesion.organ.lower() else "")
        rows.append(LesionRow(name, where, _role(name, verdict), cells))
    return rows


def _role(name: str, verdict: RecistVerdict | None) -> str:
    if verdict is None:
        return "–"
    return "target" if name in verdict.targets else "non-target" if name in verdict.non_targets else "not followed"


def _lesion_cell(lesion: LesionMeasurement) -> Cell:
    size_mm = lesion.short_axis_mm if lesion.is_node else lesion.longest_mm
    manual = "by hand" if lesion.is_manual else ""
    if lesion.status is not LesionStatus.PRESENT and size_mm is None:
        return Cell(lesion.status.value)
    if size_mm is None:
        return Cell("seen, not measured")
    error = (
        ""
        if lesion.diameter_se_mm is None or lesion.is_absent
        else interval_text(normal_interval(size_mm, lesion.diameter_se_mm))
    )
    status = "" if lesion.status is LesionStatus.PRESENT else lesion.status.value
    return Cell(fixed(size_mm), error, ", ".join(part for part in (manual, status) if part))


@dataclass(frozen=True)
class SumRow:
    """A line under the lesions: cells per time point."""

    what: str
    cells: dict[str, Cell]


def sum_rows(assessment: PatientAssessment) -> list[SumRow]:
    """Sum of diameters, its changes, and the verdict, from the RECIST verdicts."""
    sums = {
        row.time_point: Cell(fixed(row.value), interval_text(normal_interval(row.value, row.standard_error)))
        for row in assessment.trend
        if row.quantity is Quantity.SUM_OF_DIAMETERS
    }
    verdicts = {verdict.time_point: verdict for verdict in assessment.recist}
    rows = [SumRow("Sum of targets (mm)", sums)] if sums else []
    from_baseline = {
        name: Cell(
            f"{signed(verdict.change_from_baseline_percent)} %",
            interval_text(
                normal_interval(verdict.change_from_baseline_percent, verdict.change_from_baseline_se_percent)
            ),
        )
        for name, verdict in verdicts.items()
        if verdict.change_from_baseline_percent is not None
    }
    nadir = {
        name: Cell(fixed(verdict.nadir_sum_mm), note=f"at {verdict.nadir_time_point}")
        for name, verdict in verdicts.items()
        if verdict.nadir_sum_mm is not None
    }
    from_nadir = {
        name: Cell(f"{signed(verdict.change_from_nadir_percent)} %", note=f"{signed(verdict.change_from_nadir_mm)} mm")
        for name, verdict in verdicts.items()
        if verdict.change_from_nadir_percent is not None and verdict.change_from_nadir_mm is not None
    }
    for what, cells in (
        ("Change from baseline", from_baseline),
        ("Smallest sum before, nadir (mm)", nadir),
        ("Change from nadir", from_nadir),
    ):
        if cells:
            rows.append(SumRow(what, cells))
    if verdicts:
        told = {name: Cell(verdict.category.value, note=_new_lesions(verdict)) for name, verdict in verdicts.items()}
        rows.append(SumRow("RECIST 1.1", {assessment.baseline: Cell("baseline"), **told}))
    if assessment.mrecist:
        told = {verdict.time_point: Cell(verdict.category.value) for verdict in assessment.mrecist}
        rows.append(SumRow("mRECIST", {assessment.baseline: Cell("baseline"), **told}))
    return rows


def _new_lesions(verdict: RecistVerdict) -> str:
    return {True: "new lesions", False: "no new lesions", None: "new lesions: not stated"}[verdict.new_lesions]


def time_point_note(point: TimePointValues) -> str:
    """When that was: "3 months after the end of treatment, day 140, 70 Gy"."""
    parts = [] if point.stage.value == "other" else [point.stage.label()]
    parts += [f"day {point.day:g}"] if point.day is not None else []
    parts += [f"{point.dose_gy:g} Gy"] if point.dose_gy is not None else []
    return ", ".join(parts)


def last_verdict(assessment: PatientAssessment) -> RecistVerdict | None:
    """The last that tells something, or the last of all."""
    told = [verdict for verdict in assessment.recist if verdict.category is not Recist.NE]
    return (told or list(assessment.recist) or [None])[-1]
