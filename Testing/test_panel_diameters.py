"""The Diameters tab over stand-in widgets on the real scene."""

import importlib

import pytest
import slicer

from NPCResponseLib.diameters import Plane
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.lesions import measure_lesion
from NPCResponseLib.mrml.measured_values import remembered_lesion
from NPCResponseLib.phantom import simulate_t1ce
from NPCResponseLib.time_points import LesionMeasurement, LesionStatus
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    events,
    import_path,
    layout_manager,
    needs_slicer_source,
    panel,
    scene,
    slicer_python,
)

VOXEL_MM = 2.0  # the slices of the phantom's T1 image


# Normal and first axis of the slices.
NORMALS = {"Axial": (0, 0, 1, -1, 0, 0), "Coronal": (0, 1, 0, -1, 0, 0), "Sagittal": (1, 0, 0, 0, 1, 0)}


class NoCursor:
    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        pass


@pytest.fixture
def diameters(panel, monkeypatch):  # noqa: F811
    """The panel with the tumor before treatment chosen; ``diameters.patient`` are the phantom's nodes."""
    monkeypatch.setattr(slicer.util, "WaitCursor", NoCursor, raising=False)
    patient = panel.widget.logic.loadPhantom()
    panel.ui.diameterSegmentSelector.setCurrentNode(patient.pre_t1_segmentation)
    panel.ui.diameterSegmentSelector.setCurrentSegmentID("tumor")
    panel.ui.diameterImageSelector.setCurrentNode(patient.pre_t1)
    panel.patient = patient
    return panel


def lesion_of(panel) -> LesionMeasurement:  # noqa: F811
    return remembered_lesion(panel.values.diameterTable)


@needs_slicer_source
def test_nothing_chosen_disables_measure_and_says_why(panel):  # noqa: F811
    assert not panel.ui.diameterMeasureButton.enabled
    assert "segment" in panel.ui.diameterMeasureButton.toolTip
    assert "segment" in panel.ui.diameterStatusLabel.text
    assert not panel.ui.diameterResetButton.enabled
    assert not panel.ui.diameterTextLabel.visible


@needs_slicer_source
def test_measured_diameters_are_the_phantoms_and_its_table_remembers_the_lesion(diameters):
    truth = simulate_t1ce("pre").truth["tumor"].longest_in_plane_mm
    diameters.ui.diameterMeasureButton.click()
    assert diameters.messages == []
    lesion = lesion_of(diameters)
    assert (lesion.name, lesion.organ, lesion.is_target, lesion.is_node) == ("tumor", "nasopharynx", True, False)
    assert lesion.slice_thickness_mm == pytest.approx(VOXEL_MM)
    for plane in Plane:
        assert lesion.diameters_by_plane[plane.value] == pytest.approx(truth[plane], abs=VOXEL_MM)
    assert "<b>" in diameters.values.diameterText
    assert f"{lesion.longest_mm:.1f} ±" in diameters.values.diameterText
    assert diameters.values.diameterAxialLine.GetLineLengthWorld() == pytest.approx(lesion.longest_mm, abs=1e-3)
    assert diameters.values.diameterTable.GetNumberOfRows() >= 8


@needs_slicer_source
def test_a_moved_line_overrides_until_it_is_moved_back(diameters):
    diameters.ui.diameterMeasureButton.click()
    measured = lesion_of(diameters).longest_mm
    line = diameters.values.diameterAxialLine
    start, end = [0.0] * 3, [0.0] * 3
    line.GetNthControlPointPositionWorld(0, start)
    line.GetNthControlPointPositionWorld(1, end)
    line.SetNthControlPointPositionWorld(1, *(a + 0.5 * (b - a) for a, b in zip(start, end, strict=True)))
    diameters.ui.diameterMeasureButton.click()
    assert lesion_of(diameters).longest_mm == pytest.approx(0.5 * measured, abs=1e-3)
    assert lesion_of(diameters).is_manual
    assert "set by hand" in diameters.values.diameterText
    assert diameters.values.diameterAxialLine is line
    diameters.ui.diameterResetButton.click()
    assert lesion_of(diameters).longest_mm == pytest.approx(measured)
    assert line.GetLineLengthWorld() == pytest.approx(measured, abs=1e-3)


@needs_slicer_source
def test_letting_go_of_a_moved_end_counts_at_once(diameters):
    diameters.ui.diameterMeasureButton.click()
    line = diameters.values.diameterAxialLine
    line.SetNthControlPointPositionWorld(1, *(value + 7.0 for value in line.GetLineEndPositionWorld()))
    assert "set by hand" not in diameters.values.diameterText, "not while it is dragged"
    line.InvokeEvent(slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent)
    assert "set by hand" in diameters.values.diameterText
    assert lesion_of(diameters).is_manual


@needs_slicer_source
def test_slice_views_turn_to_the_line_of_their_plane(diameters, layout_manager):  # noqa: F811
    presets = {"Red": ("Axial", 2), "Green": ("Coronal", 1), "Yellow": ("Sagittal", 0)}
    for viewName, (orientation, _axis) in presets.items():
        node = layout_manager.sliceWidget(viewName).mrmlSliceNode()
        node.SetSliceToRASByNTP(*NORMALS[orientation], 0, 0, 0, 0)
        node.GetOrientation = lambda orientation=orientation: orientation  # presets come with the application
    diameters.ui.diameterMeasureButton.click()
    assert diameters.ui.diameterShowButton.enabled
    for viewName, (orientation, axis) in presets.items():
        line = getattr(diameters.values, f"diameter{orientation}Line")
        start = [0.0] * 3
        line.GetNthControlPointPositionWorld(0, start)
        offset = layout_manager.sliceWidget(viewName).mrmlSliceNode().GetSliceToRAS().GetElement(axis, 3)
        assert offset == pytest.approx(start[axis], abs=1e-3)


@needs_slicer_source
def test_what_is_told_of_the_lesion_reaches_its_table(diameters):
    diameters.ui.diameterLesionNameLineEdit.typeIn("neck")
    diameters.ui.diameterOrganLineEdit.typeIn("lymph node")
    diameters.ui.diameterIsNodeCheckBox.checked = True
    diameters.ui.diameterIsTargetCheckBox.checked = False
    diameters.ui.diameterMeasureButton.click()
    lesion = lesion_of(diameters)
    assert (lesion.name, lesion.organ, lesion.is_node, lesion.is_target) == ("neck", "lymph node", True, False)
    assert lesion.short_axis_mm < lesion.longest_mm


@needs_slicer_source
def test_another_segment_gets_its_own_table_and_lines(diameters):
    diameters.ui.diameterMeasureButton.click()
    first = diameters.values.diameterTable
    diameters.ui.diameterSegmentSelector.setCurrentSegmentID("node_left")
    assert diameters.values.diameterTable is None
    assert diameters.values.diameterAxialLine is None
    assert diameters.values.diameterText == ""
    diameters.ui.diameterMeasureButton.click()
    assert remembered_lesion(first).name == "tumor"
    assert lesion_of(diameters).name == "node_left"


@needs_slicer_source
def test_measuring_again_updates_the_nodes(diameters, scene):  # noqa: F811
    diameters.ui.diameterMeasureButton.click()
    table, count = diameters.values.diameterTable, scene.GetNumberOfNodes()
    diameters.ui.diameterLesionNameLineEdit.typeIn("primary")
    diameters.ui.diameterMeasureButton.click()
    assert diameters.values.diameterTable is table
    assert scene.GetNumberOfNodes() == count
    assert lesion_of(diameters).name == "primary"


@needs_slicer_source
def test_a_lesion_that_is_gone_needs_a_name_and_no_segment(diameters):
    diameters.values.diameterState = type(diameters.values.diameterState).ABSENT
    assert not diameters.ui.diameterSegmentSelector.visible
    diameters.ui.diameterSegmentSelector.setCurrentNode(None)
    assert "name" in diameters.ui.diameterMeasureButton.toolTip
    diameters.ui.diameterLesionNameLineEdit.typeIn("tumor")
    diameters.ui.diameterMeasureButton.click()
    assert diameters.messages == []
    assert lesion_of(diameters).status is LesionStatus.ABSENT
    assert diameters.values.diameterText == "tumor: Gone"


@needs_slicer_source
def test_an_empty_segment_is_one_message(diameters):
    segmentation = diameters.patient.pre_t1_segmentation.GetSegmentation()
    diameters.ui.diameterSegmentSelector.setCurrentSegmentID(segmentation.AddEmptySegment("nothing", "nothing"))
    diameters.ui.diameterMeasureButton.click()
    assert len(diameters.messages) == 1
    assert "empty" in diameters.messages[0]
    assert diameters.values.diameterTable is None


@needs_slicer_source
def test_removed_nodes_are_forgotten(diameters, scene):  # noqa: F811
    diameters.ui.diameterMeasureButton.click()
    scene.RemoveNode(diameters.values.diameterCoronalLine)
    assert diameters.values.diameterCoronalLine is None
    scene.RemoveNode(diameters.values.diameterTable)
    assert diameters.values.diameterText == ""
    scene.RemoveNode(diameters.patient.pre_t1_segmentation)
    assert diameters.values.diameterSegmentId == ""


def test_a_lesion_that_is_present_needs_its_segment(scene):  # noqa: F811
    with pytest.raises(InputError, match="no segment"):
        measure_lesion(LesionMeasurement("tumor"))
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0, "nothing is left behind"


def test_script_measures_a_lesion(events):  # noqa: F811
    logic = importlib.import_module("NPCResponse").NPCResponseLogic()
    patient = logic.loadPhantom()
    result = logic.measureDiameters(patient.post_t1_segmentation, "node_left", image=patient.post_t1, is_node=True)
    truth = simulate_t1ce("post").truth["node_left"].longest_in_plane_mm[Plane.AXIAL]
    assert result.lesion.longest_mm == pytest.approx(truth, abs=VOXEL_MM)
    assert remembered_lesion(result.table) == result.lesion
