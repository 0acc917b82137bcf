"""Between the panel's parameters and the assessment of a patient: time points, what is missing, verdicts. No Qt."""

import enum
import hashlib
from html import escape

from slicer import vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterPack
from slicer.util import NodeModify

from ..assessment import PatientAssessment, PatientValues, Treatment, assess_patient
from ..errors import InputError
from ..mrml.assessment_nodes import AssessmentOutputs, check_one_patient, write_assessment
from ..mrml.measured_values import R2STAR, TBF, remembered_lesion, remembered_value
from ..radiation_dose import DoseSummary, summarize_dose
from ..repeatability import Repeatability, given_repeatability
from ..response import Quantity
from ..time_points import BLOOD_FLOW_UNIT, HERTZ, MeasuredValue, Stage, TimePointValues
from .result_text import bullets

OUTPUTS = {  # parameter: field of AssessmentOutputs
    "responseChangesTable": "changes",
    "responseRecistTable": "recist",
    "responseRulesTable": "rules",
    "responseTrendTable": "trend",
    "responseTrendChart": "chart",
}
TEXTS = ("responseSummaryText", "responseMissingText", "responseWarningsText")
REPEATABILITY = {  # parameter: what, unit
    "responseR2StarRepeatabilityHz": (Quantity.R2STAR, HERTZ),
    "responseTbfRepeatability": (Quantity.TBF, BLOOD_FLOW_UNIT),
    "responseDiameterRepeatabilityMm": (Quantity.MPTD, "mm"),
}
# Where the other tabs have their results: a new time point takes those that no other one has.
TABLES_OF_TABS = {"r2starTable": "resultTable", "tbfTable": "aslTable"}
LESION_TABLE_OF_TAB = "diameterTable"
DEFAULT_PATIENT = "patient"


class Answer(enum.Enum):
    """What somebody said, or that nobody did. Saved by name: never rename a member."""

    UNKNOWN = "unknown"
    NO = "no"
    YES = "yes"

    def label(self) -> str:
        return {Answer.UNKNOWN: _("Not stated"), Answer.NO: _("No"), Answer.YES: _("Yes")}[self]

    @property
    def value_or_none(self) -> bool | None:
        return {Answer.UNKNOWN: None, Answer.NO: False, Answer.YES: True}[self]


@parameterPack
class ResponseTimePoint:
    """One time of treatment, as the user describes it.

    name, stage, day, doseGy - when. Day and dose are None when not known.
    r2starTable, tbfTable, lesionTables - result tables of the other tabs; they remember what they measured.
    newLesions, residualTumor - what the reader says.
    """

    name: str
    stage: Stage = Stage.OTHER
    day: float | None
    doseGy: float | None
    r2starTable: vtkMRMLTableNode | None
    tbfTable: vtkMRMLTableNode | None
    lesionTables: list[vtkMRMLTableNode]
    newLesions: Answer = Answer.UNKNOWN
    residualTumor: Answer = Answer.UNKNOWN


class ResponseParameters:
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of the response section."""

    texts = TEXTS

    def __init__(self, parameterNode):
        self.values = parameterNode

    # -- time points --

    def timePoints(self) -> list:
        return list(self.values.responseTimePoints)

    def current(self) -> ResponseTimePoint | None:
        """The time point that is being edited."""
        points = self.timePoints()
        return points[min(self.values.responseCurrent, len(points) - 1)] if points else None

    def select(self, index: int) -> None:
        self.values.responseCurrent = max(0, index)

    def addTimePoint(self) -> None:
        """A new time point with the results on the other tabs, if no other has them; it is then the one to edit."""
        points = self.timePoints()
        used = [node for point in points for node in tablesOf(point)]
        tables = {name: self._unused(parameter, used) for name, parameter in TABLES_OF_TABS.items()}
        lesionTable = self._unused(LESION_TABLE_OF_TAB, used)
        point = ResponseTimePoint(
            name=self._freeName(points),
            stage=Stage.OTHER if points else Stage.PRE,
            day=None,
            doseGy=None,
            lesionTables=[lesionTable] if lesionTable is not None else [],
            newLesions=Answer.UNKNOWN,
            residualTumor=Answer.UNKNOWN,
            **tables,
        )
        with NodeModify(self.values.parameterNode):
            self.values.responseTimePoints = [*points, point]
            self.values.responseCurrent = len(points)

    def _unused(self, parameter: str, used: list):
        node = getattr(self.values, parameter)
        return None if node in used else node

    @staticmethod
    def _freeName(points: list) -> str:
        names = {point.name for point in points}
        candidates = [_("before")] + [_("time point {number}").format(number=n) for n in range(2, len(points) + 3)]
        return next(name for name in candidates[min(len(points), 1) :] if name not in names)

    def removeTimePoint(self) -> None:
        """Take the time point that is being edited away; its tables stay in the scene."""
        points, current = self.timePoints(), self.values.responseCurrent
        with NodeModify(self.values.parameterNode):
            self.values.responseTimePoints = [point for n, point in enumerate(points) if n != current]
            self.values.responseCurrent = max(0, min(current, len(points) - 2))

    def change(self, **fields) -> None:
        """Set fields of the time point that is being edited."""
        point = self.current()
        if point is None:
            return
        with NodeModify(self.values.parameterNode):
            for name, value in fields.items():
                setattr(point, name, value)

    # -- what the tables tell --

    def timePointValues(self, point: ResponseTimePoint) -> TimePointValues:
        """A time point as the assessment takes it.

        Raises:
            InputError: no name, a table without a value, two tables of one lesion.
        """
        return TimePointValues(
            name=point.name.strip(),
            stage=point.stage,
            day=point.day,
            dose_gy=point.doseGy,
            r2star=_valueOf(point.r2starTable, R2STAR, "R2*", point.name),
            tbf=_valueOf(point.tbfTable, TBF, _("blood flow"), point.name),
            lesions=tuple(_lesionOf(table, point.name) for table in existing(point.lesionTables)),
            new_lesions=point.newLesions.value_or_none,
            residual_tumor=point.residualTumor.value_or_none,
        )

    def patientValues(self) -> PatientValues:
        """Everything that the panel knows of the patient. Raises InputError."""
        values = self.values
        return PatientValues(
            label=values.responsePatient.strip() or DEFAULT_PATIENT,
            time_points=tuple(self.timePointValues(point) for point in self.timePoints()),
            treatment=Treatment(
                total_dose_gy=values.responseTotalDoseGy or None,
                n_fractions=values.responseFractions or None,
                alpha_beta_gy=values.responseAlphaBetaGy or None,
            ),
            repeatability=self._repeatability(),
        )

    def _repeatability(self) -> dict[Quantity, Repeatability]:
        given = {name: getattr(self.values, name) for name in REPEATABILITY}
        return {
            quantity: given_repeatability(given[name], unit)
            for name, (quantity, unit) in REPEATABILITY.items()
            if given[name]
        }

    def reasonNotReady(self) -> str:
        """Why a patient cannot be assessed, in one sentence; "" when it can."""
        if not self.timePoints():
            return _("Add a time point.")
        try:
            self.patientValues()
            self._checkOnePatient()
        except InputError as error:
            return str(error)
        outputs = self._outputs().nodes()
        inputs = [node for point in self.timePoints() for node in tablesOf(point)]
        if any(node in inputs for node in outputs):
            return _("An output is also an input; choose another one under Outputs.")
        if len(set(outputs)) < len(outputs):
            return _("The same node is chosen for two outputs.")
        return ""

    def reasonOutdated(self) -> str:
        """Whether what the panel shows was told from other input than there is now."""
        key = self.values.responseResultKey
        if not key or self.reasonNotReady() or key == self._key():
            return ""
        return _("Something was changed since. Press Assess again.")

    def _checkOnePatient(self) -> None:
        if not self.values.responseDifferentPatients:
            check_one_patient({point.name: tablesOf(point) for point in self.timePoints()})

    def _key(self) -> str:
        """Short text that changes with anything that an assessment rests on."""
        return hashlib.sha256(repr(self.patientValues()).encode()).hexdigest()[:16]

    def dose(self) -> DoseSummary | None:
        """None without dose and fractions."""
        values = self.values
        if not (values.responseTotalDoseGy and values.responseFractions):
            return None
        return summarize_dose(
            values.responseTotalDoseGy,
            n_fractions=values.responseFractions,
            alpha_beta_gy=values.responseAlphaBetaGy or None,
        )

    # -- assess --

    def _outputs(self) -> AssessmentOutputs:
        return AssessmentOutputs(**{field: getattr(self.values, name) for name, field in OUTPUTS.items()})

    def assessment(self) -> PatientAssessment:
        """Raises InputError: what is there contradicts itself, or is of different patients."""
        self._checkOnePatient()
        return assess_patient(self.patientValues())

    def assess(self) -> PatientAssessment:
        """Assess, write tables and chart, and put the verdict into words. Raises InputError."""
        assessment = self.assessment()
        tables = [node for point in self.timePoints() for node in tablesOf(point)]
        outputs = write_assessment(assessment, self._outputs(), sibling=next(iter(tables), None))
        values = self.values
        with NodeModify(values.parameterNode):
            for name, field in OUTPUTS.items():
                setattr(values, name, getattr(outputs, field))
            values.responseSummaryText = bullets(assessment.summary, isFirstBold=True)
            values.responseMissingText = bullets(assessment.cannot_be_told)
            values.responseWarningsText = bullets((*assessment.warnings, *assessment.assumptions))
            values.responseResultKey = self._key()
        return assessment

    def forgetNode(self, node) -> None:
        """Take a node that is about to be removed out of the parameters."""
        values = self.values
        with NodeModify(values.parameterNode):
            for name in OUTPUTS:
                if getattr(values, name) is node:
                    setattr(values, name, None)
            for point in self.timePoints():
                for name in ("r2starTable", "tbfTable"):
                    if getattr(point, name) is node:
                        setattr(point, name, None)
                if any(other is node for other in point.lesionTables):
                    point.lesionTables = [other for other in existing(point.lesionTables) if other is not node]

    # -- in words --

    def overviewText(self) -> str:
        """The time points as a small table (HTML)."""
        rows = [self._overviewRow(point) for point in self.timePoints()]
        if not rows:
            return ""
        titles = ("", _("R2* (Hz)"), _("TBF"), _("Lesions (mm)"))
        cells = "".join(f'<th align="left">{escape(title)}&nbsp;&nbsp;</th>' for title in titles)
        return f"<table><tr>{cells}</tr>{''.join(rows)}</table>"

    def _overviewRow(self, point: ResponseTimePoint) -> str:
        try:
            told = self.timePointValues(point)
        except InputError as error:
            cells = (escape(point.name), f'<span style="color:#C62828">{escape(error.what)}</span>', "", "")
        else:
            lesions = ", ".join(escape(_lesionText(lesion)) for lesion in told.lesions)
            cells = (f"<b>{escape(told.name)}</b>", _short(told.r2star), _short(told.tbf), lesions or "–")
        return "<tr>" + "".join(f"<td>{cell}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>"

    def doseText(self) -> str:
        """BED and EQD2, or what is missing for them."""
        try:
            dose = self.dose()
        except InputError as error:
            return str(error)
        if dose is None:
            return _("Give total dose and fractions.")
        return _("BED {bed:.1f} Gy, EQD2 {eqd2:.1f} Gy ({fraction:.2f} Gy per fraction)").format(
            bed=dose.biologically_effective_dose_gy, eqd2=dose.eqd2_gy, fraction=dose.dose_per_fraction_gy
        )


def existing(nodes) -> list:
    """A deleted node leaves None in a list parameter."""
    return [node for node in nodes if node is not None]


def tablesOf(point) -> list:
    """The result tables of a time point."""
    return existing((point.r2starTable, point.tbfTable, *point.lesionTables))


def _valueOf(table, quantity: str, what: str, name: str) -> MeasuredValue | None:
    if table is None:
        return None
    value = remembered_value(table, quantity)
    if value is None:
        raise InputError(
            f"the table {table.GetName()} holds no {what} of a region",
            where=f"time point {name}",
            remedy="Choose another, or measure a segment first",
        )
    return value


def _lesionOf(table, name: str):
    lesion = remembered_lesion(table)
    if lesion is None:
        raise InputError(
            f"the table {table.GetName()} holds no lesion", where=f"time point {name}", remedy="Choose another"
        )
    return lesion


def _short(value: MeasuredValue | None) -> str:
    return "–" if value is None else f"{value.value:.1f}"


def _lesionText(lesion) -> str:
    size = lesion.short_axis_mm if lesion.is_node else lesion.longest_mm
    return f"{lesion.name} {lesion.status.value if size is None else format(size, '.1f')}"
