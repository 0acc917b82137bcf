"""A patient's assessment as tables and a chart, and whether nodes are of one patient."""

import pytest
import slicer
import vtk

from NPCResponseLib import headless
from NPCResponseLib.assessment import PatientValues, assess_patient
from NPCResponseLib.errors import InputError
from NPCResponseLib.measurement import Measurement
from NPCResponseLib.mrml import assessment_nodes
from NPCResponseLib.mrml.files import save_scene
from NPCResponseLib.mrml.measurements import write_table
from NPCResponseLib.time_points import LesionMeasurement, MeasuredValue, Stage, TimePointValues


@pytest.fixture
def scene():
    headless.start()
    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


def time_point(name, stage, r2star_hz, longest_mm, day=None):
    return TimePointValues(
        name=name,
        stage=stage,
        day=day,
        r2star=MeasuredValue(r2star_hz, 0.5, "Hz", n_used=200, roi_rule="largest-slice", field_strength_t=3.0),
        lesions=(LesionMeasurement("tumor", longest_mm=longest_mm, diameters_by_plane={"axial": longest_mm}),),
        new_lesions=False,
    )


def assessment(days=(None, None)):
    """R2* 40 -> 50 Hz (+25 %), diameter 50 -> 30 mm (-40 %: partial response)."""
    points = (
        time_point("before", Stage.PRE, 40.0, 50.0, days[0]),
        time_point("after", Stage.MONTH_3, 50.0, 30.0, days[1]),
    )
    return assess_patient(PatientValues("A <patient>", points))


def cells(table) -> list[dict[str, str]]:
    content = table.GetTable()
    names = [content.GetColumnName(n) for n in range(content.GetNumberOfColumns())]
    return [
        {name: content.GetValueByName(row, name).ToString() for name in names} for row in range(table.GetNumberOfRows())
    ]


def series_of(chart) -> dict[str, list[tuple[float, float]]]:
    found = {}
    for n in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(n)
        content = series.GetTableNode().GetTable()
        found[series.GetName()] = [
            tuple(
                content.GetValueByName(row, name).ToDouble()
                for name in (series.GetXColumnName(), series.GetYColumnName())
            )
            for row in range(content.GetNumberOfRows())
        ]
    return found


def test_changes_keep_their_papers_signs_and_computation(scene):
    outputs = assessment_nodes.write_assessment(assessment())
    rows = {row["Change"]: row for row in cells(outputs.changes)}
    increase = rows["dR2* (post - pre)"]
    assert (increase["From"], increase["To"], increase["Unit"]) == ("before", "after", "Hz")
    assert float(increase["Value"]) == pytest.approx(10)
    assert float(increase["Standard error"]) == pytest.approx(0.7071, abs=1e-4)
    assert "50" in increase["Computation"] and "40" in increase["Computation"]
    assert float(rows["Atrophy rate of tumor"]["Value"]) == pytest.approx(40)


def test_recist_table_has_the_verdict_and_its_reasons(scene):
    (row,) = cells(assessment_nodes.write_assessment(assessment()).recist)
    assert row["Response"].lower().startswith("partial response")
    assert float(row["Sum (mm)"]) == 30
    assert float(row["Change from baseline (%)"]) == pytest.approx(-40)
    assert row["New lesions"] == "no"
    assert row["Reasons"]


def test_rules_name_cutoff_side_and_source(scene):
    rows = cells(assessment_nodes.write_assessment(assessment()).rules)
    after = next(row for row in rows if row["Value"] == "50")
    assert float(after["Cutoff"]) == pytest.approx(40.95)
    assert after["Says"]
    assert "2023" in after["Source"]


def test_course_leaves_unknown_numbers_empty_rather_than_nan(scene):
    rows = cells(assessment_nodes.write_assessment(assessment()).trend)
    first = next(row for row in rows if row["Quantity"] == "R2*" and row["Time point"] == "before")
    assert (first["Value"], first["Day"], first["Change (%)"]) == ("40", "", "")
    assert not any("nan" in cell for row in rows for cell in row.values())


def test_chart_shows_percent_change_by_day(scene):
    chart = assessment_nodes.write_assessment(assessment(days=(-3, 90))).chart
    series = series_of(chart)
    assert series["R2*"] == [(-3.0, 0.0), (90.0, pytest.approx(25.0))]
    assert any(points == [(-3.0, 0.0), (90.0, pytest.approx(-40.0))] for points in series.values())
    assert chart.GetXAxisTitle() == "Day"


def test_chart_without_days_shows_the_order_and_says_which(scene):
    chart = assessment_nodes.write_assessment(assessment()).chart
    assert [time for time, _change in series_of(chart)["R2*"]] == [1, 2]
    assert "1 before" in chart.GetXAxisTitle()


def test_running_again_updates_the_same_nodes(scene):
    outputs = assessment_nodes.write_assessment(assessment())
    nodes, count = outputs.nodes(), scene.GetNumberOfNodes()
    again = assessment_nodes.write_assessment(assessment(), outputs)
    assert again.nodes() == nodes
    assert scene.GetNumberOfNodes() == count
    assert len(series_of(again.chart)) == again.chart.GetNumberOfPlotSeriesNodes() > 1


def test_one_node_for_two_outputs_is_refused_and_leaves_nothing(scene):
    table = scene.AddNewNodeByClass("vtkMRMLTableNode")
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="two outputs"):
        assessment_nodes.write_assessment(assessment(), assessment_nodes.AssessmentOutputs(changes=table, trend=table))
    assert scene.GetNumberOfNodes() == count


def test_tables_and_chart_survive_a_saved_scene(scene, tmp_path):
    outputs = assessment_nodes.write_assessment(assessment(days=(-3, 90)))
    name, rows, series = outputs.recist.GetName(), cells(outputs.recist), series_of(outputs.chart)
    save_scene(tmp_path / "patient.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"), True)
    assert cells(slicer.util.getFirstNodeByName(name)) == rows
    assert series_of(slicer.util.getFirstNodeByClassByName("vtkMRMLPlotChartNode", outputs.chart.GetName())) == series


def test_measurements_are_read_back_from_their_table(scene):
    rows = (
        Measurement("R2* mean", 44.25, "Hz", "BOLD", "tumor", "largest slice", "auto", "a: 1", 120, 3, "low signal: 3"),
    )
    assert assessment_nodes.measurements_of(write_table(rows, "table")) == rows
    assert assessment_nodes.measurements_of(scene.AddNewNodeByClass("vtkMRMLTableNode")) == ()


# -- whose nodes --


def patient_item(scene, patient_id: str):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), f"patient {patient_id}")
    if patient_id:
        hierarchy.SetItemUID(item, constants.GetDICOMUIDName(), patient_id)
    study = hierarchy.CreateStudyItem(item, "study")
    return hierarchy, study


def node_of(scene, hierarchy, study):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode")
    hierarchy.CreateItem(study, node)
    return node


def test_nodes_of_different_patients_are_refused_without_telling_ids(scene):
    hierarchy, first = patient_item(scene, "P-17")
    _hierarchy, second = patient_item(scene, "P-18")
    nodes = {"pre": [node_of(scene, hierarchy, first)], "post": [node_of(scene, hierarchy, second)]}
    with pytest.raises(InputError, match="pre and post") as refused:
        assessment_nodes.check_one_patient(nodes)
    assert "P-1" not in str(refused.value)


def test_one_patient_in_several_studies_and_nodes_of_nobody_are_accepted(scene):
    hierarchy, first = patient_item(scene, "P-17")
    other_study = hierarchy.CreateStudyItem(hierarchy.GetItemParent(first), "later study")
    loose = scene.AddNewNodeByClass("vtkMRMLTableNode")
    nodes = {"pre": [node_of(scene, hierarchy, first), loose], "post": [node_of(scene, hierarchy, other_study)]}
    assessment_nodes.check_one_patient(nodes)
    assert assessment_nodes.patient_of(loose) is None
    assert assessment_nodes.patient_of(nodes["post"][0]) == "P-17"


def test_two_items_with_one_patient_id_are_one_patient(scene):
    hierarchy, first = patient_item(scene, "P-17")
    _hierarchy, again = patient_item(scene, "P-17")
    assessment_nodes.check_one_patient(
        {"pre": [node_of(scene, hierarchy, first)], "post": [node_of(scene, hierarchy, again)]}
    )


def test_series_of_somebody_else_stay_in_the_chart(scene):
    chart = assessment_nodes.write_assessment(assessment()).chart
    own = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "drawn by the user")
    table = scene.AddNewNodeByClass("vtkMRMLTableNode")
    table.AddColumn(vtk.vtkDoubleArray())
    own.SetAndObserveTableNodeID(table.GetID())
    chart.AddAndObservePlotSeriesNodeID(own.GetID())
    assessment_nodes.write_trend_chart(assessment(), "again", chart)
    assert "drawn by the user" in [
        chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())
    ]
