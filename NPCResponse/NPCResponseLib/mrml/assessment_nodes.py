"""A patient's assessment as nodes: tables of changes, RECIST, published rules and the course, and a chart of it.

Also whether nodes are of one patient, as far as the subject hierarchy tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import slicer
import slicer.util
import vtk

from ..assessment import PatientAssessment, TrendRow
from ..errors import InputError
from ..measurement import COLUMN_NAMES, Measurement
from ..response import Quantity
from .hierarchy import place_beside
from .measurements import NUMERIC_COLUMNS, UNSAFE_CHARACTERS
from .result_nodes import removed_on_failure

SERIES_ATTRIBUTE = "NPCResponse.Trend"
PERCENT_COLUMN = "Change"
TIME_COLUMN = "Time"
# Told apart on light and dark backgrounds, and in grey by their markers.
SERIES_COLORS = {
    Quantity.R2STAR: (0.80, 0.20, 0.15),
    Quantity.TBF: (0.10, 0.40, 0.75),
    Quantity.SUM_OF_DIAMETERS: (0.15, 0.55, 0.25),
    Quantity.MPTD: (0.55, 0.35, 0.65),
}
SERIES_MARKERS = {
    Quantity.R2STAR: "MarkerStyleCircle",
    Quantity.TBF: "MarkerStyleSquare",
    Quantity.SUM_OF_DIAMETERS: "MarkerStyleDiamond",
    Quantity.MPTD: "MarkerStyleCross",
}


@dataclass
class AssessmentOutputs:
    """Result nodes. Before: nodes to update, None where a new one is wanted. After: all nodes of the result."""

    changes: object = None
    recist: object = None
    rules: object = None
    trend: object = None
    chart: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, item.name) for item in fields(self)) if node is not None]


def write_assessment(
    assessment: PatientAssessment, outputs: AssessmentOutputs | None = None, sibling=None
) -> AssessmentOutputs:
    """Write an assessment into nodes: into those of ``outputs``, new ones for the rest.

    If that fails, new nodes are removed again.

    Args:
        sibling: node beside which new nodes go in the subject hierarchy.

    Raises:
        InputError: one node is chosen for two outputs.
    """
    outputs = outputs or AssessmentOutputs()
    if len(set(outputs.nodes())) < len(outputs.nodes()):
        raise InputError("one node is chosen for two outputs", remedy="Choose one node for each")
    name = assessment.label
    with removed_on_failure():
        outputs.changes = _write_rows(change_rows(assessment), f"{name} changes", outputs.changes, sibling)
        outputs.recist = _write_rows(recist_rows(assessment), f"{name} RECIST", outputs.recist, sibling)
        outputs.rules = _write_rows(rule_rows(assessment), f"{name} published rules", outputs.rules, sibling)
        outputs.trend = _write_rows(trend_rows(assessment), f"{name} course", outputs.trend, sibling)
        outputs.chart = write_trend_chart(assessment, f"{name} course chart", outputs.chart, sibling)
    return outputs


# -- rows: column titles and cells, the same columns in each --


def change_rows(assessment: PatientAssessment) -> list[dict[str, str]]:
    """Differences from baseline with their own signs (dR2* = post - pre, dTBF = pre - post), and atrophy rates."""
    rows = []
    for found in assessment.changes:
        measured = found.change.measured
        rows.append(
            {
                "From": found.baseline,
                "To": found.time_point,
                "Change": found.change.quantity.label(),
                "Value": _number(measured.value),
                "Standard error": _number(measured.standard_error),
                "Unit": measured.unit,
                "Percent": _number(found.change.percent),
                "Judgment": found.judgment.sentence,
                "Computation": found.change.formula,
            }
        )
    for found in assessment.atrophy:
        atrophy = found.lesion.atrophy
        rows.append(
            {
                "From": found.baseline,
                "To": found.time_point,
                "Change": f"Atrophy rate of {found.lesion.lesion}",
                "Value": _number(atrophy.percent if atrophy else None),
                "Standard error": _number(atrophy.standard_error_percent if atrophy else None),
                "Unit": "%",
                "Percent": "",
                "Judgment": found.judgment.sentence if found.judgment else found.lesion.remark,
                "Computation": atrophy.formula if atrophy else "",
            }
        )
    return rows


def recist_rows(assessment: PatientAssessment) -> list[dict[str, str]]:
    """One per time point and criteria."""
    return [
        {
            "Time point": verdict.time_point,
            "Criteria": verdict.criteria.value,
            "Response": verdict.category.label(),
            "Sum (mm)": _number(verdict.sum_mm),
            "Baseline sum (mm)": _number(verdict.baseline_sum_mm),
            "Smallest sum before (mm)": _number(verdict.nadir_sum_mm),
            "Change from baseline (%)": _number(verdict.change_from_baseline_percent),
            "Change from smallest (%)": _number(verdict.change_from_nadir_percent),
            "Targets": verdict.target.label() if verdict.target else "",
            "Other lesions": verdict.non_target.label() if verdict.non_target else "",
            "New lesions": {True: "yes", False: "no", None: "not stated"}[verdict.new_lesions],
            "Reasons": " ".join(verdict.reasons),
        }
        for verdict in (*assessment.recist, *assessment.mrecist)
    ]


def rule_rows(assessment: PatientAssessment) -> list[dict[str, str]]:
    """One per published rule that could be applied."""
    return [
        {
            "Rule": result.rule.title,
            "Time point": result.time_point,
            "Value": _number(result.value),
            "Standard error": _number(result.standard_error),
            "Cutoff": _number(result.cutoff),
            "Unit": result.unit,
            "Says": result.predicted_class,
            "Near cutoff": "yes" if result.near_cutoff else "no",
            "Distance (standard errors)": _number(result.distance_se),
            "Positive predictive value": _number(result.positive_predictive_value),
            "Negative predictive value": _number(result.negative_predictive_value),
            "Prevalence": f"{_number(result.prevalence)} ({result.prevalence_source})",
            "Conditions not met": " ".join((*result.conditions_not_met, *result.conditions_unknown)),
            "In words": result.sentence,
            "Source": result.rule.study.citation,
        }
        for result in assessment.rules
    ]


def trend_rows(assessment: PatientAssessment) -> list[dict[str, str]]:
    """Every value at every time point."""
    return [
        {
            "Time point": row.time_point,
            "Stage": row.stage.value,
            "Day": _number(row.day),
            "Dose (Gy)": _number(row.dose_gy),
            "Quantity": row.what,
            "Value": _number(row.value),
            "Standard error": _number(row.standard_error),
            "Unit": row.unit,
            "Change from baseline": _number(row.change_from_baseline),
            "Change (%)": _number(row.percent_change_from_baseline),
        }
        for row in assessment.trend
    ]


def _number(value: float | None) -> str:
    """Four digits; nothing for what is not known, which a number column would call nan."""
    return "" if value is None else f"{value:.4g}"


def _write_rows(rows: Sequence[Mapping[str, str]], name: str, node, sibling):
    """Rows as a table node: a new one, or ``node``, whose contents they replace. Without rows it is empty."""
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
        place_beside(node, sibling)
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for title in rows[0] if rows else ():
            column = vtk.vtkStringArray()
            column.SetName(title)
            for row in rows:
                column.InsertNextValue(row[title].translate(UNSAFE_CHARACTERS))
            node.AddColumn(column)
        node.SetLocked(True)  # computed, not typed
    return node


# -- the chart --


def write_trend_chart(assessment: PatientAssessment, name: str, chart=None, sibling=None):
    """Every quantity with two or more values as percent change from baseline, so that one axis fits all.

    Time is the day where every time point has one, else the order of the time points.

    Returns:
        vtkMRMLPlotChartNode.
    """
    if chart is None:
        chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(name))
        place_beside(chart, sibling)
    _remove_series(chart)
    times, axis = _times(assessment)
    chart.SetTitle(f"{assessment.label}: change from {assessment.baseline}")
    chart.SetXAxisTitle(axis)
    chart.SetYAxisTitle("Change from baseline (%)")
    for what, rows in _by_quantity(assessment.trend).items():
        changes = percent_changes(rows, assessment.baseline)
        if len(changes) > 1:
            points = [(times[name], change) for name, change in changes.items()]
            _add_series(chart, what, rows[0].quantity, sorted(points))
    return chart


def percent_changes(rows: Sequence[TrendRow], baseline: str) -> dict[str, float]:
    """By time point, relative to the baseline; empty without a baseline above zero."""
    values = {row.time_point: row.value for row in rows}
    reference = values.get(baseline, 0.0)
    return {name: 100 * (value - reference) / reference for name, value in values.items()} if reference > 0 else {}


def _by_quantity(trend: Iterable[TrendRow]) -> dict[str, list[TrendRow]]:
    found: dict[str, list[TrendRow]] = {}
    for row in trend:
        found.setdefault(row.what, []).append(row)
    return found


def _times(assessment: PatientAssessment) -> tuple[dict[str, float], str]:
    """By name of the time point, and what the axis says."""
    points = assessment.time_points
    days = [point.day for point in points]
    if None not in days and len(set(days)) == len(days):
        return {point.name: float(point.day) for point in points}, "Day"
    names = ", ".join(f"{number} {point.name}" for number, point in enumerate(points, start=1))
    return {point.name: float(number) for number, point in enumerate(points, start=1)}, f"Time point ({names})"


def _add_series(chart, what: str, quantity: Quantity, points: Sequence[tuple[float, float]]) -> None:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{chart.GetName()} {what}")
    table.SetHideFromEditors(True)  # the course's own table has these numbers, too
    for name, values in zip((TIME_COLUMN, PERCENT_COLUMN), np.transpose(points), strict=True):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", what)
    series.SetAttribute(SERIES_ATTRIBUTE, what)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(TIME_COLUMN)
    series.SetYColumnName(PERCENT_COLUMN)
    series.SetColor(*SERIES_COLORS.get(quantity, (0.3, 0.3, 0.3)))
    series.SetLineStyle(series.LineStyleSolid)
    series.SetMarkerStyle(getattr(series, SERIES_MARKERS.get(quantity, "MarkerStyleCircle")))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())


def _remove_series(chart) -> None:
    """Take our own series of an earlier run out of the chart and, with their tables, out of the scene."""
    count = chart.GetNumberOfPlotSeriesNodes()
    ours = [chart.GetNthPlotSeriesNode(n) for n in range(count)]
    for series in ours:
        if series is None or series.GetAttribute(SERIES_ATTRIBUTE) is None:
            continue
        table = series.GetTableNode()
        chart.RemovePlotSeriesNodeID(series.GetID())
        for node in (series, table):
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)


# -- rows of earlier results --


def measurements_of(table) -> tuple[Measurement, ...]:
    """The rows of a measurement table, as ``write_table`` wrote them; empty for any other table."""
    content = table.GetTable()
    if any(content.GetColumnByName(name) is None for name in COLUMN_NAMES):
        return ()
    numeric = {name: int if name.startswith("n_") else float for name in NUMERIC_COLUMNS}
    rows = []
    for row in range(table.GetNumberOfRows()):
        cells = {name: content.GetValueByName(row, name) for name in COLUMN_NAMES}
        rows.append(
            Measurement(
                **{
                    name: numeric[name](cell.ToDouble()) if name in numeric else cell.ToString()
                    for name, cell in cells.items()
                }
            )
        )
    return tuple(rows)


# -- whose they are --


def check_one_patient(nodes: Mapping[str, Sequence]) -> None:
    """Refuse nodes that the subject hierarchy has under different patients; those under none may be anybody's.

    Args:
        nodes: for each time point's name its nodes.

    Raises:
        InputError: nodes of different patients.
    """
    first: tuple[str, object] | None = None
    for name, members in nodes.items():
        for node in members:
            patient = patient_of(node)
            if patient is None:
                continue
            first = first or (name, patient)
            if patient != first[1]:
                where = name if name == first[0] else f"{first[0]} and {name}"
                raise InputError(
                    f"images of different patients are in {where} (PatientID differs)",
                    remedy="Choose others, or state that the ID was changed on purpose",
                )


def patient_of(node) -> str | None:
    """PatientID of the patient whose item a node is under in the subject hierarchy, else that item; None under none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.GetItemByDataNode(node)
    patient = hierarchy.GetItemAncestorAtLevel(item, constants.GetDICOMLevelPatient()) if item else 0
    if not patient:
        return None
    return hierarchy.GetItemUID(patient, constants.GetDICOMUIDName()) or f"item {patient}"
