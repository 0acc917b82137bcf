"""The Response tab over stand-in widgets on the real scene, with Slicer's own parameter nodes."""

import importlib
import math
import sys
import types

import pytest
import slicer

from NPCResponseLib.assessment import Treatment
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.files import save_scene
from NPCResponseLib.mrml.measured_values import R2STAR, TBF, remember_lesion, remember_value
from NPCResponseLib.time_points import LesionMeasurement, MeasuredValue, Stage
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    events,
    import_path,
    layout_manager,
    needs_slicer_source,
    panel,
    scene,
    slicer_python,
)

TREND = 5079
CHECKED, UNCHECKED = 2, 0


def add_table(name: str):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)


def r2star_table(mean_hz: float, name: str = "R2*"):
    table = add_table(name)
    value = MeasuredValue(mean_hz, 0.5, "Hz", n_used=200, roi_rule="largest-slice", field_strength_t=3.0)
    remember_value(table, R2STAR, value)
    return table


def tbf_table(mean: float):
    table = add_table("TBF")
    remember_value(table, TBF, MeasuredValue(mean, 2.0, "mL/100g/min", n_used=200))
    return table


def lesion_table(longest_mm: float, name: str = "tumor", **facts):
    table = add_table(f"{name} diameters")
    lesion = LesionMeasurement(name, longest_mm=longest_mm, diameters_by_plane={"axial": longest_mm}, **facts)
    remember_lesion(table, lesion)
    return table


def choose(box, label: str) -> None:
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n).startswith(label))


def describe(panel, name, stage, r2star=None, tbf=None, lesions=(), new_lesions="No"):  # noqa: F811
    """A time point as a user describes it."""
    ui = panel.ui
    ui.responseAddButton.click()
    ui.responseNameLineEdit.typeIn(name)
    choose(ui.responseStageComboBox, stage)
    ui.responseR2StarTableSelector.setCurrentNode(r2star)
    ui.responseTbfTableSelector.setCurrentNode(tbf)
    for table in lesions:
        ui.responseLesionTablesSelector.setCheckState(table, CHECKED)
    choose(ui.responseNewLesionsComboBox, new_lesions)


@pytest.fixture
def patient(panel):  # noqa: F811
    """R2* 40 -> 50 Hz, flow 140 -> 80, diameter 50 -> 30 mm (-40 %: partial response)."""
    describe(panel, "before", "Before", r2star_table(40.0), tbf_table(140.0), [lesion_table(50.0)])
    describe(panel, "after", "3 months", r2star_table(50.0), tbf_table(80.0), [lesion_table(30.0)])
    return panel


# -- describing --


@needs_slicer_source
def test_without_time_points_nothing_can_be_assessed_and_the_panel_says_so(panel):  # noqa: F811
    assert not panel.ui.responseAssessButton.enabled
    assert "Add a time point" in panel.ui.responseAssessButton.toolTip
    assert "Add a time point" in panel.ui.responseStatusLabel.text
    assert not panel.ui.responseNameLineEdit.enabled
    assert not panel.ui.responseRemoveButton.enabled


@needs_slicer_source
def test_time_points_keep_what_was_said_of_each(patient):
    before, after = patient.values.responseTimePoints
    assert (before.name, before.stage, after.name, after.stage) == ("before", Stage.PRE, "after", Stage.MONTH_3)
    assert before.r2starTable is not after.r2starTable
    patient.ui.responseTimePointComboBox.currentIndex = 0
    assert patient.ui.responseNameLineEdit.text == "before"
    assert patient.ui.responseR2StarTableSelector.currentNode() is before.r2starTable
    assert list(patient.ui.responseLesionTablesSelector.checkedNodes()) == list(before.lesionTables)
    patient.ui.responseTimePointComboBox.currentIndex = 1
    assert list(patient.ui.responseLesionTablesSelector.checkedNodes()) == list(after.lesionTables)
    assert list(before.lesionTables) != list(after.lesionTables), "showing one must not write into the other"


@needs_slicer_source
def test_new_time_point_takes_the_results_of_the_other_tabs_once(panel):  # noqa: F811
    panel.values.resultTable, panel.values.diameterTable = r2star_table(40.0), lesion_table(50.0)
    panel.ui.responseAddButton.click()
    panel.ui.responseAddButton.click()
    first, second = panel.values.responseTimePoints
    assert first.r2starTable is panel.values.resultTable
    assert list(first.lesionTables) == [panel.values.diameterTable]
    assert second.r2starTable is None
    assert list(second.lesionTables) == []
    assert first.name != second.name
    assert (first.stage, second.stage) == (Stage.PRE, Stage.OTHER)


@needs_slicer_source
def test_removing_a_time_point_shows_its_neighbor_and_keeps_its_tables(patient):
    table = patient.values.responseTimePoints[1].r2starTable
    patient.ui.responseRemoveButton.click()
    assert [point.name for point in patient.values.responseTimePoints] == ["before"]
    assert patient.ui.responseNameLineEdit.text == "before"
    assert slicer.mrmlScene.IsNodePresent(table)
    patient.ui.responseRemoveButton.click()
    assert list(patient.values.responseTimePoints) == []
    assert not patient.ui.responseRemoveButton.enabled


@needs_slicer_source
def test_days_and_doses_are_numbers_or_left_empty(patient):
    edit = patient.ui.responseDayLineEdit
    edit.typeIn("90,5")
    assert patient.values.responseTimePoints[1].day == 90.5
    edit.typeIn("soon")
    assert "red" in edit.styleSheet
    assert patient.values.responseTimePoints[1].day == 90.5
    edit.typeIn("")
    assert edit.styleSheet == ""
    assert patient.values.responseTimePoints[1].day is None
    patient.ui.responseDoseLineEdit.typeIn("-3")
    assert "at least 0 Gy" in patient.ui.responseAssessButton.toolTip


@needs_slicer_source
def test_tables_without_the_value_are_named(panel):  # noqa: F811
    describe(panel, "before", "Before")
    panel.values.responseTimePoints[0].r2starTable = add_table("something else")
    assert not panel.ui.responseAssessButton.enabled
    assert "something else holds no R2*" in panel.ui.responseAssessButton.toolTip
    assert "something else" in panel.ui.responseOverviewLabel.text


@needs_slicer_source
def test_selectors_look_again_when_a_table_got_its_result_and_only_then(patient):
    model = patient.ui.responseR2StarTableSelector.sortFilterProxyModel()
    times = model.timesInvalidated
    patient.ui.responseTotalDoseSpinBox.value = 70
    assert model.timesInvalidated == times
    r2star_table(45.0)
    patient.widget.enter()
    assert model.timesInvalidated == times + 1


@needs_slicer_source
def test_overview_shows_the_values_and_no_html_of_names(panel):  # noqa: F811
    describe(panel, "<b>", "Before", r2star_table(40.0), None, [lesion_table(51.5), lesion_table(12.0, "node")])
    text = panel.ui.responseOverviewLabel.text
    assert "40.0" in text
    assert "tumor 51.5" in text
    assert "&lt;b&gt;" in text


@needs_slicer_source
def test_effective_dose_is_shown_while_typing(panel):  # noqa: F811
    panel.ui.responseTotalDoseSpinBox.value = 70
    assert "Give total dose and fractions" in panel.ui.responseEffectiveDoseLabel.text
    panel.ui.responseFractionsSpinBox.value = 35
    assert "BED 84.0 Gy" in panel.ui.responseEffectiveDoseLabel.text
    assert "EQD2 70.0 Gy" in panel.ui.responseEffectiveDoseLabel.text
    panel.ui.responseAlphaBetaSpinBox.value = 5
    assert f"BED {70 * (1 + 2 / 5):.1f} Gy" in panel.ui.responseEffectiveDoseLabel.text


# -- assessing --


@needs_slicer_source
def test_assess_tells_the_response_and_writes_tables_and_chart(patient):
    patient.ui.responseAssessButton.click()
    assert patient.messages == []
    values = patient.values
    assert "artial response" in values.responseSummaryText.split("<br>")[0]
    assert "dR2*" in values.responseSummaryText
    assert patient.ui.responseSummaryTextLabel.visible
    for table in (values.responseChangesTable, values.responseRecistTable, values.responseRulesTable):
        assert table.GetNumberOfRows() > 0
    assert values.responseTrendChart.GetNumberOfPlotSeriesNodes() >= 3
    assert patient.ui.responseStatusLabel.text == ""


@needs_slicer_source
def test_running_again_updates_the_results(patient, scene):  # noqa: F811
    patient.ui.responseAssessButton.click()
    chart, count = patient.values.responseTrendChart, scene.GetNumberOfNodes()
    patient.ui.responseAssessButton.click()
    assert patient.values.responseTrendChart is chart
    assert scene.GetNumberOfNodes() == count


@needs_slicer_source
def test_results_of_other_input_are_called_so(patient):
    patient.ui.responseAssessButton.click()
    patient.ui.responseTotalDoseSpinBox.value = 70
    assert "Press Assess again" in patient.ui.responseStatusLabel.text
    patient.ui.responseAssessButton.click()
    assert patient.ui.responseStatusLabel.text == ""


@needs_slicer_source
def test_repeatability_is_what_changes_are_judged_against(patient):
    patient.ui.responseR2StarRepeatabilitySpinBox.value = 20
    patient.ui.responseAssessButton.click()
    assert "is within the repeatability coefficient of 20 Hz" in patient.values.responseSummaryText


@needs_slicer_source
def test_users_mistake_is_one_message(patient):
    patient.ui.responseNameLineEdit.typeIn("before")  # the other one has this name
    patient.ui.responseAssessButton.click()
    assert len(patient.messages) == 1
    assert "occurs 2 times" in patient.messages[0]
    assert patient.values.responseSummaryText == ""


def under_patient(scene, table, patient_id: str) -> None:  # noqa: F811
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), patient_id)
    hierarchy.SetItemUID(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName(), patient_id)
    hierarchy.CreateItem(item, table)


@needs_slicer_source
def test_different_patients_are_refused_unless_it_is_said_to_be_on_purpose(patient, scene):  # noqa: F811
    before, after = patient.values.responseTimePoints
    under_patient(scene, before.r2starTable, "P-17")
    under_patient(scene, after.r2starTable, "P-18")
    patient.widget.enter()
    assert not patient.ui.responseAssessButton.enabled
    assert "different patients" in patient.ui.responseAssessButton.toolTip
    patient.ui.responseDifferentPatientsCheckBox.checked = True
    assert patient.ui.responseAssessButton.enabled, patient.ui.responseAssessButton.toolTip


@needs_slicer_source
def test_course_is_shown_in_its_layout_and_the_old_one_comes_back(patient, layout_manager):  # noqa: F811
    patient.ui.responseAssessButton.click()
    assert patient.messages == []
    assert layout_manager.layout == TREND
    plot_view = slicer.mrmlScene.GetSingletonNode("NPCDecay", "vtkMRMLPlotViewNode")
    assert plot_view.GetPlotChartNodeID() == patient.values.responseTrendChart.GetID()
    table_view = slicer.mrmlScene.GetSingletonNode("NPCTable", "vtkMRMLTableViewNode")
    assert table_view.GetTableNodeID() == patient.values.responseChangesTable.GetID()
    patient.ui.responsePreviousLayoutButton.click()
    assert layout_manager.layout == 2
    assert not patient.ui.responsePreviousLayoutButton.enabled


# -- scenes --


@needs_slicer_source
def test_removed_tables_are_forgotten(patient, scene):  # noqa: F811
    patient.ui.responseAssessButton.click()
    point = patient.values.responseTimePoints[1]
    scene.RemoveNode(point.lesionTables[0])
    scene.RemoveNode(point.r2starTable)
    scene.RemoveNode(patient.values.responseTrendChart)
    after = patient.values.responseTimePoints[1]
    assert after.r2starTable is None
    assert list(after.lesionTables) == []
    assert patient.values.responseTrendChart is None
    assert patient.ui.responseR2StarTableSelector.currentNode() is None
    assert "Press Assess again" in patient.ui.responseStatusLabel.text


@needs_slicer_source
def test_time_points_survive_saving_and_loading(patient, scene, tmp_path):  # noqa: F811
    patient.ui.responseDayLineEdit.typeIn("90")
    patient.ui.responseAssessButton.click()
    summary = patient.values.responseSummaryText
    save_scene(tmp_path / "patient.mrb")
    scene.Clear(0)
    assert list(patient.values.responseTimePoints) == []
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"), True)
    before, after = patient.values.responseTimePoints
    assert (before.name, after.name, after.day, after.stage) == ("before", "after", 90, Stage.MONTH_3)
    assert patient.values.responseSummaryText == summary != ""
    assert patient.ui.responseAssessButton.enabled, patient.ui.responseAssessButton.toolTip
    assert patient.ui.responseStatusLabel.text == "", "the results belong to what was loaded"
    patient.ui.responseAssessButton.click()
    assert patient.values.responseSummaryText == summary


@needs_slicer_source
def test_selectors_that_empty_themselves_during_an_import_change_nothing(patient):
    table = patient.values.responseTimePoints[1].lesionTables[0]
    patient.widget.onSceneLeaving()
    patient.ui.responseLesionTablesSelector.setCheckState(table, UNCHECKED)  # its model is rebuilt
    patient.ui.responseR2StarTableSelector.setCurrentNode(None)
    patient.ui.responseTimePointComboBox.currentIndex = 0
    patient.widget.onSceneReady()
    after = patient.values.responseTimePoints[1]
    assert list(after.lesionTables) == [table]
    assert after.r2starTable is not None


@needs_slicer_source
def test_panel_connects_again_after_reload(patient):
    patient.widget.cleanup()
    patient.widget.setup()
    patient.ui.responseNameLineEdit.typeIn("later")
    assert [point.name for point in patient.values.responseTimePoints] == ["before", "later"]


# -- the report --


def report_saved(panel, monkeypatch, path):  # noqa: F811
    section = importlib.import_module("NPCResponseLib.widgets.section")
    monkeypatch.setattr(section, "chooseFileToSave", lambda *_arguments: str(path))
    panel.ui.responseReportButton.click()
    return path


@needs_slicer_source
def test_report_holds_the_verdict_and_says_which_pictures_are_missing(patient, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    path = report_saved(patient, monkeypatch, tmp_path / "report.html")
    assert patient.messages == []
    text = path.read_text(encoding="utf-8")
    assert "artial response" in text
    assert "measured in an earlier session" in text
    assert str(path) in patient.ui.responseStatusLabel.text
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@needs_slicer_source
def test_report_shows_the_maps_of_this_session(panel, monkeypatch, tmp_path):  # noqa: F811
    pytest.importorskip("matplotlib")
    panel.fill_in()
    panel.apply()
    describe(panel, "before", "Before", panel.values.resultTable)
    text = report_saved(panel, monkeypatch, tmp_path / "report.html").read_text(encoding="utf-8")
    assert panel.messages == []
    assert "measured in an earlier session" not in text
    assert "BOLD pre (phantom)" in text, "the rows of the table are in it"
    assert text.count("data:image") >= 1


@needs_slicer_source
def test_report_shows_the_lesion_of_this_session_on_its_image(panel, monkeypatch, tmp_path):  # noqa: F811
    pytest.importorskip("matplotlib")
    nodes = panel.widget.logic.loadPhantom()
    panel.ui.diameterSegmentSelector.setCurrentNode(nodes.pre_t1_segmentation)
    panel.ui.diameterSegmentSelector.setCurrentSegmentID("tumor")
    panel.ui.diameterImageSelector.setCurrentNode(nodes.pre_t1)
    panel.ui.diameterMeasureButton.click()
    panel.ui.responseAddButton.click()
    text = report_saved(panel, monkeypatch, tmp_path / "report.html").read_text(encoding="utf-8")
    assert panel.messages == []
    assert "data:image" in text
    slicer.mrmlScene.RemoveNode(nodes.pre_t1)
    report_saved(panel, monkeypatch, tmp_path / "report.html")
    assert panel.messages == []


@needs_slicer_source
def test_results_of_a_closed_scene_are_forgotten(panel, scene):  # noqa: F811
    panel.fill_in()
    panel.apply()
    table = panel.values.resultTable
    assert panel.widget._memory.of(table) is not None
    scene.Clear(0)
    assert panel.widget._memory.of(table) is None


@needs_slicer_source
def test_report_that_cannot_be_written_is_one_message(patient, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    report_saved(patient, monkeypatch, tmp_path / "no such folder" / "report.html")
    assert len(patient.messages) == 1
    assert "cannot be written" in patient.messages[0]


@needs_slicer_source
def test_canceled_file_dialog_saves_nothing(patient, monkeypatch, tmp_path):
    report_saved(patient, monkeypatch, "")
    assert patient.messages == []
    assert list(tmp_path.iterdir()) == []


@needs_slicer_source
def test_missing_packages_are_installed_only_if_the_user_agrees(patient, monkeypatch):
    packages = importlib.import_module("NPCResponseLib.widgets.packages")
    questions, installed = [], []
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(slicer, "packaging", None, raising=False)
    monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)  # Slicer 5.10 has none
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text: questions.append(text) or False, raising=False
    )
    monkeypatch.setattr(slicer.util, "pip_install", installed.append, raising=False)
    assert not packages.ensurePackages(packages.REPORT)
    assert "matplotlib" in questions[0]
    assert installed == []


@needs_slicer_source
def test_since_slicer_5_12_its_own_question_names_who_asks(patient, monkeypatch):
    packages = importlib.import_module("NPCResponseLib.widgets.packages")
    asked = []

    def pip_ensure(missing, requester):
        asked.append((missing, requester))
        raise RuntimeError("User declined package installation")

    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(slicer, "packaging", types.SimpleNamespace(pip_ensure=pip_ensure), raising=False)
    assert not packages.ensurePackages(packages.REPORT, "NPC Radiomics and Risk")
    assert asked == [(["matplotlib", "jinja2"], "NPC Radiomics and Risk")]


# -- scripts --


def test_logic_assesses_results_of_its_other_methods(events):  # noqa: F811
    logic = importlib.import_module("NPCResponse").NPCResponseLogic()
    patient = logic.loadPhantom()
    points = []
    for name, stage, segmentation in (
        ("pre", Stage.PRE, patient.pre_t1_segmentation),
        ("post", Stage.MONTH_3, patient.post_t1_segmentation),
    ):
        tumor = logic.measureDiameters(segmentation, "tumor")
        points.append(logic.timePoint(name, stage, lesions=[tumor], new_lesions=False))
    assessment = logic.assess(points, label="phantom", treatment=Treatment(total_dose_gy=70, n_fractions=35))
    assert assessment.recist[-1].category.name == "PR", "the phantom's responder shrinks by a partial response"
    assert math.isclose(assessment.dose.biologically_effective_dose_gy, 84)
    assert slicer.util.getFirstNodeByName("phantom RECIST").GetNumberOfRows() == 1


def test_logic_refuses_two_time_points_of_one_name(events):  # noqa: F811
    logic = importlib.import_module("NPCResponse").NPCResponseLogic()
    points = [logic.timePoint("pre", Stage.PRE), logic.timePoint("pre", Stage.MONTH_3)]
    with pytest.raises(InputError, match="'pre' occurs 2 times"):
        logic.assess(points)
