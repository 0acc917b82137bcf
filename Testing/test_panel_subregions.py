"""The panel of NPCRadiomicsRisk over stand-in widgets on the real scene: divide a tumor and measure its parts."""

import importlib

import numpy as np
import pytest
import slicer

from NPCRadiomicsRiskLib.subregions.division import GTV, GTVNR, GTVR
from NPCResponseLib.mrml.cohort_nodes import column_names
from NPCResponseLib.mrml.files import save_scene
from Testing.subregion_nodes import PRE_GRID, add_ball, add_grid_volume, array_of_segment, points_of
from Testing.test_panel_diameters import NoCursor
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    LayoutManager,
    Panel,
    events,
    import_path,
    needs_slicer_source,
    scene,
    slicer_python,
)

CENTER = np.array([2.0, -3.0, 5.0])
GTV_MM, GTVR_MM, OFFSET_MM = 14.0, 8.0, 7.0
AT_RECURRENCE = CENTER + np.array([0, 0, OFFSET_MM])
TREND = 5079


def choose(box, label: str) -> None:
    """What a user does with a combo box."""
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n).startswith(label))


@pytest.fixture
def risk(slicer_python, monkeypatch):  # noqa: F811
    """The panel, without a main window."""
    monkeypatch.setattr(slicer.util, "WaitCursor", NoCursor, raising=False)
    created = Panel(monkeypatch, slicer_python, "NPCRadiomicsRisk")
    yield created
    created.widget.cleanup()


@pytest.fixture
def risk_layout(risk, scene, monkeypatch):  # noqa: F811
    manager = LayoutManager(scene)
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda **layers: manager.layers.append(layers))
    manager.layers = []
    return manager


@pytest.fixture
def balls(risk):
    """Two balls, GTVr partly outside of GTV, in an image of noise that is coarser in GTVr; chosen in the panel."""
    rng = np.random.default_rng(1)
    points = points_of(PRE_GRID)
    recurrent = np.linalg.norm(points - AT_RECURRENCE, axis=-1) <= GTVR_MM
    image = 100 + np.where(recurrent, 5.0, 15.0) * rng.standard_normal(PRE_GRID.shape_kji)
    risk.pre = add_grid_volume(PRE_GRID, "pre", image)
    risk.gtv = add_ball(GTV, CENTER, GTV_MM, PRE_GRID)
    risk.gtvr = add_ball(GTVR, AT_RECURRENCE, GTVR_MM, PRE_GRID)
    ui = risk.ui
    ui.preVolumeSelector.setCurrentNode(risk.pre)
    for selector, (node, segment_id) in ((ui.gtvSegmentSelector, risk.gtv), (ui.gtvrSegmentSelector, risk.gtvr)):
        selector.setCurrentNode(node)
        selector.setCurrentSegmentID(segment_id)
    choose(ui.divideTransformUseComboBox, "Nothing")
    return risk


def press(panel, name: str) -> None:
    getattr(panel.ui, name).click()
    panel.events.pump()


def nodes_of(scene) -> list[str]:  # noqa: F811
    """Data nodes by ID; Slicer adds nodes of its own at times."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return [node.GetID() for node in nodes if node.IsA("vtkMRMLDisplayableNode") or node.IsA("vtkMRMLTableNode")]


# -- dividing --


@needs_slicer_source
def test_what_is_missing_is_told_step_by_step(risk):
    assert not risk.ui.divideApplyButton.enabled
    assert "GTV" in risk.ui.divideApplyButton.toolTip
    assert not risk.ui.featureApplyButton.enabled
    assert "pre-treatment scan" in risk.ui.featureStatusLabel.text
    assert not risk.ui.alignApplyButton.enabled
    assert not risk.ui.divideVolumesTextLabel.visible


@needs_slicer_source
def test_without_an_alignment_gtvr_is_not_taken_as_it_is_unless_somebody_says_so(balls):
    choose(balls.ui.divideTransformUseComboBox, "The transform of tab Align")
    assert not balls.ui.divideApplyButton.enabled
    assert "align the scans first" in balls.ui.divideApplyButton.toolTip
    choose(balls.ui.divideTransformUseComboBox, "Another")
    assert balls.ui.divideTransformSelector.visible
    assert "Choose the transform" in balls.ui.divideApplyButton.toolTip
    choose(balls.ui.divideTransformUseComboBox, "Nothing")
    assert balls.ui.divideApplyButton.enabled


@needs_slicer_source
def test_dividing_makes_segments_and_puts_volumes_into_words(balls):
    press(balls, "divideApplyButton")
    assert balls.messages == []
    values = balls.values
    masks = {name: array_of_segment(values.divideSegmentation, name, balls.pre) for name in (GTV, GTVR, GTVNR)}
    assert np.array_equal(masks[GTVR] | masks[GTVNR], masks[GTV])
    assert not (masks[GTVR] & masks[GTVNR]).any()
    voxel_cm3 = abs(np.linalg.det(PRE_GRID.ijk_to_ras)) / 1000
    volume = masks[GTVR].sum() * voxel_cm3
    assert f"GTVr: {volume:.2f} cm³" in values.divideVolumesText
    assert f"GTVr {volume:.2f} cm³" in balls.ui.divideStatusLabel.text
    assert "outside of GTV" in values.divideVolumesText
    assert not balls.ui.divideDoseTextLabel.visible
    middle = points_of(PRE_GRID)[masks[GTVR]].mean(axis=0)
    assert list(values.divideFocusRas) == pytest.approx(list(middle), abs=1e-6)


@needs_slicer_source
def test_transform_moves_the_recurrence(balls, scene):  # noqa: F811
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -6.0], [0, 0, 0, 1]]))
    transform.SetMatrixTransformToParent(matrix)
    choose(balls.ui.divideTransformUseComboBox, "Another")
    balls.ui.divideTransformSelector.setCurrentNode(transform)
    assert balls.ui.divideTransformSelector.currentNode() is transform
    press(balls, "divideApplyButton")
    assert balls.messages == []
    assert "outside of GTV" not in balls.values.divideVolumesText
    assert balls.values.divideFocusRas[2] == pytest.approx(CENTER[2] + OFFSET_MM - 6, abs=0.5)


@needs_slicer_source
def test_dose_needs_its_prescription_and_tells_the_category(balls):
    # Full dose below a plane through the recurrence: a part of it is out of the field.
    points = points_of(PRE_GRID)
    inside = points[..., 2] < CENTER[2] + OFFSET_MM + 2
    dose = add_grid_volume(PRE_GRID, "dose", np.where(inside, 70.0, 10.0))
    balls.ui.divideDoseSelector.setCurrentNode(dose)
    assert "prescribed dose" in balls.ui.divideApplyButton.toolTip
    balls.ui.dividePrescriptionGySpinBox.value = 70
    press(balls, "divideApplyButton")
    assert balls.messages == []
    assert "<b>Marginal</b>" in balls.values.divideDoseText
    assert "66.5 Gy" in balls.values.divideDoseText
    balls.ui.divideIsodosePercentSpinBox.value = 10
    press(balls, "divideApplyButton")
    assert "<b>In-field</b>" in balls.values.divideDoseText


@needs_slicer_source
def test_undo_brings_back_segments_table_and_words(balls):
    press(balls, "divideApplyButton")
    values = balls.values
    segmentation, table, text = values.divideSegmentation, values.divideTable, values.divideVolumesText
    before = array_of_segment(segmentation, GTVR, balls.pre)
    cell = table.GetCellText(1, 1)
    node, _segment = add_ball("other", CENTER + np.array([0, 9, 0]), 6.0, PRE_GRID)
    node.GetSegmentation().GetSegment("other").SetName("other")
    values.gtvrSegmentation, values.gtvrSegmentId = node, "other"
    values.divideSegmentation, values.divideTable = segmentation, table  # let go with the other input: chosen again
    values.divideResultGtvr = node
    press(balls, "divideApplyButton")
    assert balls.messages == []
    assert values.divideVolumesText != text
    assert not np.array_equal(array_of_segment(segmentation, GTVR, balls.pre), before)
    assert balls.ui.divideUndoButton.enabled
    press(balls, "divideUndoButton")
    assert np.array_equal(array_of_segment(segmentation, GTVR, balls.pre), before)
    assert table.GetCellText(1, 1) == cell


@needs_slicer_source
def test_undoing_the_first_division_takes_its_nodes_away(balls, scene):  # noqa: F811
    assert not balls.ui.divideUndoButton.enabled
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    press(balls, "divideApplyButton")
    press(balls, "divideUndoButton")
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == count
    assert balls.values.divideSegmentation is None
    assert balls.values.divideTable is None
    assert balls.values.divideVolumesText == ""
    assert not balls.ui.divideUndoButton.enabled


@needs_slicer_source
def test_as_many_divisions_as_are_kept_are_undone_one_by_one(balls):
    most = importlib.import_module("NPCRadiomicsRiskLib.widgets.division_history").MOST_STATES
    recurrence = balls.gtvr[0]
    sizes = []
    for number in range(most + 2):
        ball = np.linalg.norm(points_of(PRE_GRID) - AT_RECURRENCE, axis=-1) <= GTVR_MM - 0.4 * number
        slicer.util.updateSegmentBinaryLabelmapFromArray(ball.astype(np.uint8), recurrence, balls.gtvr[1], balls.pre)
        press(balls, "divideApplyButton")
        segmentation = balls.values.divideSegmentation
        sizes.append((array_of_segment(segmentation, GTVR, balls.pre).sum(), balls.values.divideVolumesText))
    assert len(set(sizes)) == most + 2
    for expected in reversed(sizes[1:-1]):
        press(balls, "divideUndoButton")
        found = array_of_segment(segmentation, GTVR, balls.pre).sum(), balls.values.divideVolumesText
        assert found == expected
    assert not balls.ui.divideUndoButton.enabled, "what came before is not known any more"
    assert balls.values.divideSegmentation is segmentation, "and is not undone by taking the nodes away"
    assert balls.messages == []


@needs_slicer_source
def test_failure_while_writing_leaves_the_division_from_before(balls, monkeypatch):
    nodes = importlib.import_module("NPCRadiomicsRiskLib.mrml.subregions")
    press(balls, "divideApplyButton")
    press(balls, "divideApplyButton")
    segmentation, words = balls.values.divideSegmentation, balls.values.divideVolumesText
    before = array_of_segment(segmentation, GTVR, balls.pre)
    smaller = np.linalg.norm(points_of(PRE_GRID) - AT_RECURRENCE, axis=-1) <= GTVR_MM - 2
    slicer.util.updateSegmentBinaryLabelmapFromArray(smaller.astype(np.uint8), balls.gtvr[0], balls.gtvr[1], balls.pre)
    with monkeypatch.context() as patch:
        patch.setattr(nodes, "write_table", lambda *_arguments: 1 / 0)
        press(balls, "divideApplyButton")
    assert len(balls.messages) == 1
    assert np.array_equal(array_of_segment(segmentation, GTVR, balls.pre), before)
    assert balls.values.divideVolumesText == words
    press(balls, "divideUndoButton")
    assert np.array_equal(array_of_segment(segmentation, GTVR, balls.pre), before)
    press(balls, "divideUndoButton")
    assert balls.values.divideSegmentation is None, "two divisions, two steps back"


@needs_slicer_source
def test_recurrence_elsewhere_is_one_message_and_leaves_nothing(balls, scene):  # noqa: F811
    node, segment_id = add_ball("far", CENTER + np.array([0, 24, 0]), 4.0, PRE_GRID)
    balls.ui.gtvrSegmentSelector.setCurrentNode(node)
    balls.ui.gtvrSegmentSelector.setCurrentSegmentID(segment_id)
    before = nodes_of(scene)
    press(balls, "divideApplyButton")
    assert len(balls.messages) == 1
    assert balls.ui.divideStatusLabel.text == balls.messages[0]
    assert nodes_of(scene) == before
    assert balls.ui.divideApplyButton.text == "Divide"


@needs_slicer_source
def test_another_tumor_gets_results_of_its_own(balls):
    press(balls, "divideApplyButton")
    first = balls.values.divideSegmentation
    node, segment_id = add_ball("GTV 2", CENTER, GTV_MM + 1, PRE_GRID)
    balls.ui.gtvSegmentSelector.setCurrentNode(node)
    balls.ui.gtvSegmentSelector.setCurrentSegmentID(segment_id)
    assert balls.values.divideSegmentation is None
    assert balls.values.divideVolumesText == ""
    press(balls, "divideApplyButton")
    assert balls.values.divideSegmentation is not first
    assert first.GetScene() is not None


@needs_slicer_source
def test_removed_nodes_are_forgotten(balls, scene):  # noqa: F811
    press(balls, "divideApplyButton")
    scene.RemoveNode(balls.values.divideTable)
    assert balls.values.divideVolumesText == ""
    scene.RemoveNode(balls.gtv[0])
    assert balls.values.gtvSegmentation is None
    assert balls.values.gtvSegmentId == ""
    assert "GTV" in balls.ui.divideApplyButton.toolTip
    scene.RemoveNode(balls.pre)
    assert balls.values.preVolume is None


# -- measuring --


@pytest.fixture
def divided(balls):
    press(balls, "divideApplyButton")
    return balls


@needs_slicer_source
def test_sub_regions_are_measured_unless_others_are_chosen(divided):
    divided.ui.featureLevelsSpinBox.value = 16
    press(divided, "featureApplyButton")
    assert divided.messages == []
    values = divided.values
    assert values.featureTable.GetNumberOfRows() == 47
    assert {GTVR, GTVNR, "GTVr - GTVnr"} <= set(column_names(values.featureTable))
    assert values.featureChart.GetNumberOfPlotSeriesNodes() == 2
    assert "of 7 differ in the direction of the paper" in values.featureDirectionsText
    variance = values.featureDirectionsText.split("Intensity Variance")[1].split("</tr>")[0]
    assert variance.count("▼") == 2, "less varied in GTVr, here and in the paper"
    assert "Voxels measured" in values.featureNotesText
    divided.ui.featureSegmentsSelector.setCurrentNode(divided.gtv[0])
    assert "at least one segment" in divided.ui.featureApplyButton.toolTip
    divided.ui.featureSegmentsSelector.setSelectedSegmentIDs([divided.gtv[1]])
    press(divided, "featureApplyButton")
    assert divided.messages == []
    assert "Measured: GTV." in divided.ui.featureStatusLabel.text
    assert "compares GTVr with GTVnr" in values.featureDirectionsText


@needs_slicer_source
def test_own_and_shared_levels_are_compared_on_request(divided):
    divided.ui.featureLevelsSpinBox.value = 8
    choose(divided.ui.featureLevelsUseComboBox, "Both")
    press(divided, "featureApplyButton")
    assert divided.messages == []
    assert "other levels" in divided.values.featureDirectionsText
    assert "change direction" in divided.values.featureNotesText
    assert "Same direction" in column_names(divided.values.featureTable)


@needs_slicer_source
def test_histograms_and_table_are_shown_and_the_old_layout_comes_back(divided, risk_layout):
    divided.ui.featureLevelsSpinBox.value = 8
    press(divided, "featureApplyButton")
    assert risk_layout.layout == TREND
    plot_view = slicer.mrmlScene.GetSingletonNode("NPCDecay", "vtkMRMLPlotViewNode")
    assert plot_view.GetPlotChartNodeID() == divided.values.featureChart.GetID()
    press(divided, "featurePreviousLayoutButton")
    assert risk_layout.layout == 2


@needs_slicer_source
def test_showing_sub_regions_leaves_the_layout_of_charts(divided, risk_layout):
    divided.ui.featureLevelsSpinBox.value = 8
    press(divided, "featureApplyButton")
    assert risk_layout.layout == TREND
    press(divided, "divideShowButton")
    assert risk_layout.layout == 2
    assert risk_layout.layers[-1]["background"] is divided.pre


@needs_slicer_source
def test_choices_and_results_survive_saving_and_loading(divided, scene, tmp_path):  # noqa: F811
    divided.ui.featureLevelsSpinBox.value = 8
    choose(divided.ui.featureQuantizationComboBox, "Equal probability")
    press(divided, "featureApplyButton")
    words = divided.values.divideVolumesText, divided.values.featureDirectionsText
    save_scene(tmp_path / "patient.mrb")
    scene.Clear(0)
    assert divided.ui.divideVolumesTextLabel.text == ""
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"), True)
    values = divided.values
    assert (values.divideVolumesText, values.featureDirectionsText) == words
    assert divided.ui.featureLevelsSpinBox.value == 8
    assert divided.ui.featureQuantizationComboBox.itemText(
        divided.ui.featureQuantizationComboBox.currentIndex
    ) == "Equal probability"  # fmt: skip
    assert divided.ui.gtvrSegmentSelector.currentSegmentID() == GTVR
    assert divided.ui.featureApplyButton.enabled, divided.ui.featureApplyButton.toolTip


@needs_slicer_source
def test_closing_the_scene_while_it_runs_cancels(divided, scene):  # noqa: F811
    divided.ui.featureApplyButton.click()
    assert divided.ui.featureApplyButton.text == "Cancel"
    assert not divided.ui.featureSettingsCollapsibleButton.enabled
    scene.Clear(0)
    divided.events.pump()
    assert divided.messages == []
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0
    assert not divided.ui.featureApplyButton.enabled


@needs_slicer_source
def test_panel_connects_again_after_reload(divided):
    divided.widget.cleanup()
    divided.widget.setup()
    divided.ui.divideIslandMm3SpinBox.value = 30
    assert divided.values.divideIslandMm3 == 30
    assert divided.ui.featureApplyButton.enabled
