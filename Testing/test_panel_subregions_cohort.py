"""Stability and many patients, in the tab Features of NPCRadiomicsRisk, over stand-in widgets on the real scene."""

import csv
import types

import numpy as np
import pytest
import slicer
import vtk

from NPCRadiomicsRiskLib.mrml import cohort_features
from NPCRadiomicsRiskLib.mrml.cohort_features import COLUMNS, RegionComparisonJob, add_patient, rows_of
from NPCRadiomicsRiskLib.subregions.division import GTVNR, GTVR
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.cohort_nodes import column_names
from Testing.test_panel_subregions import (  # noqa: F401 - fixtures
    balls,
    choose,
    divided,
    press,
    risk,
    risk_layout,
)
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    events,
    import_path,
    needs_slicer_source,
    scene,
    slicer_python,
)

TREND = 5079
DIFFERENT = ("NGTDM_Busyness", "NGTDM_Strength", "GLSZM_GLV")


def region_features(values: dict[str, float]):
    """What the panel of features gives for a region, as far as it becomes a row."""
    return types.SimpleNamespace(values=values, n_voxels=500, volume_cm3=4.25)


def a_patient(rng) -> dict:
    """All features alike but three, which are much larger in GTVr."""
    other = {name: float(rng.normal(10, 1)) for name in FEATURE_NAMES}
    shift = {name: (20.0 if name in DIFFERENT else 0.0) + float(rng.normal(0, 1)) for name in FEATURE_NAMES}
    return {GTVR: region_features({name: other[name] + shift[name] for name in other}), GTVNR: region_features(other)}


def a_cohort(n: int):
    rng, node = np.random.default_rng(4), None
    for number in range(n):
        node = add_patient(node, f"P{number:02}", a_patient(rng))
    return node


# -- rows --


def test_rows_of_a_patient_are_exact_and_replace_those_of_the_same_label(scene):  # noqa: F811
    first = a_patient(np.random.default_rng(1))
    first[GTVR].values["GLCM_Energy"] = 0.1 + 0.2
    first[GTVNR].values["GLCM_Energy"] = np.nan
    node = add_patient(None, " P01 ", first)
    assert column_names(node) == COLUMNS
    recurrent, other = rows_of(node)
    assert float(recurrent["GLCM_Energy"]) == 0.1 + 0.2
    assert other["GLCM_Energy"] == ""
    assert (recurrent["patient"], recurrent["region"], recurrent["volume_cm3"]) == ("P01", GTVR, "4.25")
    assert add_patient(node, "P02", a_patient(np.random.default_rng(2))) is node
    again = a_patient(np.random.default_rng(3))
    add_patient(node, "P01", again)
    assert [row["patient"] for row in rows_of(node)] == ["P02", "P02", "P01", "P01"]
    assert float(rows_of(node)[2]["GLCM_Energy"]) == again[GTVR].values["GLCM_Energy"]


def test_a_table_of_numbers_keeps_all_its_digits(scene):  # noqa: F811
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "from a file")
    for title in COLUMNS[:2]:
        node.AddColumn().SetName(title)
    for title in COLUMNS[2:]:
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        column.InsertNextValue(1 / 3)
        node.AddColumn(column)
    node.SetCellText(0, 0, "P01")
    node.SetCellText(0, 1, GTVR)
    add_patient(node, "P02", a_patient(np.random.default_rng(1)))
    assert float(rows_of(node)[0]["GLCM_Energy"]) == 1 / 3
    assert [row["patient"] for row in rows_of(node)] == ["P01", "P02", "P02"]


def test_what_cannot_be_a_row_is_refused_and_the_table_stays(scene):  # noqa: F811
    features = a_patient(np.random.default_rng(1))
    with pytest.raises(InputError, match="no label"):
        add_patient(None, "  ", features)
    with pytest.raises(InputError, match="GTVnr was not measured"):
        add_patient(None, "P01", {GTVR: features[GTVR]})
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "something")
    slicer.util.updateTableFromArray(other, np.ones((2, 2)), ["a", "b"])
    with pytest.raises(InputError, match="no column patient"):
        add_patient(other, "P01", features)
    assert column_names(other) == ("a", "b")
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_comparison_finds_the_features_that_differ(scene):  # noqa: F811
    node = a_cohort(12)
    result = RegionComparisonJob(node).run()
    assert set(result.analysis.significant) == set(DIFFERENT)
    assert result.outputs.tables["comparison"].GetNumberOfRows() == 47
    assert result.outputs.charts["PCA"].GetNumberOfPlotSeriesNodes() == 2
    count = scene.GetNumberOfNodes()
    RegionComparisonJob(node).run(result.outputs)
    assert scene.GetNumberOfNodes() == count, "the nodes are updated"


# -- the panel --


@needs_slicer_source
def test_measured_patient_joins_a_table_under_a_label_of_the_users(divided):  # noqa: F811
    divided.ui.featureLevelsSpinBox.value = 8
    assert "Compute the features" in divided.ui.cohortAddButton.toolTip
    press(divided, "featureApplyButton")
    assert "label" in divided.ui.cohortAddButton.toolTip
    divided.ui.cohortPatientLineEdit.typeIn("P07")
    assert divided.ui.cohortAddButton.enabled
    press(divided, "cohortAddButton")
    assert divided.messages == []
    table = divided.values.cohortTable
    assert [row["patient"] for row in rows_of(table)] == ["P07", "P07"]
    variance = rows_of(table)[0]["Intensity_Variance"]
    assert f"{float(variance):.4g}" in divided.values.featureDirectionsText
    assert "Two patients" in divided.ui.cohortApplyButton.toolTip
    divided.ui.featureSegmentsSelector.setCurrentNode(divided.gtv[0])
    divided.ui.featureSegmentsSelector.setSelectedSegmentIDs([divided.gtv[1]])
    press(divided, "featureApplyButton")
    assert "not other segments" in divided.ui.cohortAddButton.toolTip


@needs_slicer_source
def test_cohort_is_compared_shown_and_told(risk, risk_layout):  # noqa: F811
    assert "cohort table" in risk.ui.cohortStatusLabel.text
    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(12))
    assert risk.ui.cohortApplyButton.enabled, risk.ui.cohortApplyButton.toolTip
    press(risk, "cohortApplyButton")
    assert risk.messages == []
    assert "3 of 47 features differ" in risk.values.cohortSummaryText
    assert "NGTDM_Busyness" in risk.values.cohortSummaryText
    assert risk_layout.layout == TREND
    plot_view = slicer.mrmlScene.GetSingletonNode("NPCDecay", "vtkMRMLPlotViewNode")
    assert plot_view.GetPlotChartNodeID() == risk.values.cohortCharts["PCA"].GetID()
    table_view = slicer.mrmlScene.GetSingletonNode("NPCTable", "vtkMRMLTableViewNode")
    assert table_view.GetTableNodeID() == risk.values.cohortTables["comparison"].GetID()
    box = risk.ui.cohortShownTableComboBox
    box.currentIndex = list(risk.values.cohortTables).index("significant")
    assert table_view.GetTableNodeID() == risk.values.cohortTables["significant"].GetID()


@needs_slicer_source
def test_choices_change_the_comparison(risk):  # noqa: F811
    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(6))
    choose(risk.ui.cohortTestComboBox, "Wilcoxon")
    press(risk, "cohortApplyButton")
    assert risk.messages == []
    assert "0 of 47" in risk.values.cohortSummaryText, "six patients can never be significant so"
    choose(risk.ui.cohortTestComboBox, "Paired")
    choose(risk.ui.cohortCorrectionComboBox, "Benjamini")
    press(risk, "cohortApplyButton")
    assert "NGTDM_Strength" in risk.values.cohortSummaryText


@needs_slicer_source
def test_table_is_loaded_and_a_wrong_one_is_refused(risk, tmp_path, monkeypatch, scene):  # noqa: F811
    node = a_cohort(3)
    good, bad = tmp_path / "cohort.csv", tmp_path / "other.csv"
    with good.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows_of(node))
    bad.write_text("patient,region\nP01,GTVr\n")
    section = next(section for section in risk.widget._sections if type(section).__name__ == "CohortSection")
    for path in (good, bad):
        monkeypatch.setitem(section.onLoad.__globals__, "chooseFile", lambda *_texts, path=path: str(path))
        risk.ui.cohortLoadButton.click()
    assert len(risk.messages) == 1
    assert "volume_cm3" in risk.messages[0]
    assert rows_of(risk.values.cohortTable) == rows_of(node)


@needs_slicer_source
def test_rows_that_are_no_pair_are_one_message(risk, scene):  # noqa: F811
    node = a_cohort(3)
    node.RemoveRow(0)
    risk.ui.cohortTableSelector.setCurrentNode(node)
    press(risk, "cohortApplyButton")
    assert len(risk.messages) == 1
    assert "P00" in risk.messages[0]


@needs_slicer_source
def test_removed_cohort_table_releases_its_results(risk, scene):  # noqa: F811
    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(3))
    press(risk, "cohortApplyButton")
    scene.RemoveNode(risk.values.cohortTables["comparison"])
    assert "comparison" not in dict(risk.values.cohortTables)
    scene.RemoveNode(risk.values.cohortTable)
    assert risk.values.cohortTable is None
    assert dict(risk.values.cohortTables) == {}
    assert risk.values.cohortSummaryText == ""


# -- stability --


@needs_slicer_source
def test_stability_is_tested_in_the_background_and_told(divided):  # noqa: F811
    divided.ui.featureLevelsSpinBox.value = 8
    divided.ui.stabilityRepetitionsSpinBox.value = 2
    assert divided.ui.stabilityApplyButton.enabled, divided.ui.stabilityApplyButton.toolTip
    press(divided, "stabilityApplyButton")
    assert divided.messages == []
    assert divided.values.stabilityTable.GetNumberOfRows() == 47
    assert "Verdict" in column_names(divided.values.stabilityTable)
    assert "<b>" in divided.values.stabilityText
    assert "of the paper" in divided.values.stabilityText
    assert divided.ui.stabilityStatusLabel.text == "Tested with 14 disturbances."


@needs_slicer_source
def test_stability_needs_a_divided_tumor(balls):  # noqa: F811
    assert "Divide the tumor first" in balls.ui.stabilityApplyButton.toolTip
    assert not balls.ui.stabilityApplyButton.enabled


def test_labels_reach_the_table_without_line_breaks(scene):  # noqa: F811
    node = add_patient(None, "P\t01\n", a_patient(np.random.default_rng(1)))
    assert "\n" not in rows_of(node)[0][cohort_features.PATIENT]
    assert "\t" not in rows_of(node)[0][cohort_features.PATIENT]
