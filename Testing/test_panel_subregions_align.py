"""The tab Align of NPCRadiomicsRisk over stand-in widgets; the search itself is replaced, its own tests try it."""

from dataclasses import fields

import numpy as np
import pytest
import slicer

from NPCRadiomicsRiskLib.alignment.edges import EdgeMatch
from NPCRadiomicsRiskLib.alignment.quality import AlignmentQuality
from NPCRadiomicsRiskLib.alignment.rigid_alignment import Alignment
from NPCRadiomicsRiskLib.mrml import alignment as alignment_nodes
from NPCRadiomicsRiskLib.subregions.division import GTV, GTVR
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.geometry import as_vtk_matrix
from Testing.subregion_nodes import PRE_GRID, RECURRENCE_GRID, add_ball, add_grid_volume
from Testing.test_panel_subregions import (  # noqa: F401 - fixtures
    AT_RECURRENCE,
    CENTER,
    balls,
    choose,
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

SHIFT = np.array([[1, 0, 0, 3.0], [0, 1, 0, 0], [0, 0, 1, -2.0], [0, 0, 0, 1]])


def filled(cls, **values):
    """A dataclass with these values, and 0.5 for every measure that is not named."""
    return cls(**{field.name: 0.5 for field in fields(cls) if field.name != "landmark_errors_mm"} | values)


def an_alignment(reasons=(), warnings=(), matrix=SHIFT) -> Alignment:
    edges = filled(EdgeMatch, n_borders=900)
    quality = filled(AlignmentQuality, edges=edges, capture={}, agreeing_starts=8, n_starts=9)
    return Alignment(matrix, 1.2, "geometry", (), quality, not reasons, tuple(reasons), tuple(warnings))


class Search:
    """Stands for align and assess_given: keeps what it was asked, gives what it was told to."""

    def __init__(self, monkeypatch):
        self.answer, self.calls = an_alignment(), []
        monkeypatch.setattr(alignment_nodes, "align", self.align)
        monkeypatch.setattr(alignment_nodes, "assess_given", self.assess)

    def align(self, fixed, fixed_matrix, moving, moving_matrix, **options):
        self.calls.append({"moving_matrix": moving_matrix, **options})
        options["progress"](0.5)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def assess(self, fixed, fixed_matrix, moving, moving_matrix, given, **options):
        self.calls.append({"moving_matrix": moving_matrix, "given": given, **options})
        return an_alignment(self.answer.reasons, matrix=given)


@pytest.fixture
def search(monkeypatch):
    return Search(monkeypatch)


@pytest.fixture
def scans(balls, search):  # noqa: F811
    """Both scans and contours chosen; GTVr is in place after the alignment only."""
    balls.recurrence = add_grid_volume(RECURRENCE_GRID, "recurrence", 50.0)
    balls.ui.recurrenceVolumeSelector.setCurrentNode(balls.recurrence)
    choose(balls.ui.divideTransformUseComboBox, "The transform of tab Align")
    return balls


def add_landmarks(name: str, points: dict):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for label, point in points.items():
        node.AddControlPoint(*point, label)
    return node


POINTS = {"clivus": (0.0, -20.0, 10.0), "vomer": (1.0, 8.0, -4.0), "sella": (0.0, -10.0, 20.0)}


@needs_slicer_source
def test_aligning_makes_a_transform_a_copy_and_a_verdict(scans, search):
    assert scans.ui.alignApplyButton.enabled, scans.ui.alignApplyButton.toolTip
    press(scans, "alignApplyButton")
    assert scans.messages == []
    values = scans.values
    matrix = slicer.util.arrayFromTransformMatrix(values.alignTransform)
    assert np.allclose(matrix, SHIFT)
    assert slicer.util.arrayFromVolume(values.alignAligned).shape == PRE_GRID.shape_kji
    assert "Reliable" in values.alignVerdictText
    assert "8 of 9 starts" in values.alignQualityText
    assert scans.recurrence.GetParentTransformNode() is None, "the scans themselves are not moved"
    assert list(values.alignFocusRas) == pytest.approx(list(CENTER), abs=1.0)
    box = search.calls[0]["region_ras"]
    assert box.size_mm == (120.0, 120.0, 110.0)


@needs_slicer_source
def test_unreliable_alignment_says_so_in_both_tabs(scans, search):
    search.answer = an_alignment(reasons=["Another position fits nearly as well."])
    press(scans, "alignApplyButton")
    assert "NOT reliably" in scans.ui.alignStatusLabel.text
    assert "NOT reliable" in scans.values.alignVerdictText
    assert "Another position" in scans.values.alignVerdictText
    press(scans, "divideApplyButton")
    assert scans.messages == []
    assert "judged NOT reliable: Another position" in scans.values.divideNotesText


@needs_slicer_source
def test_division_takes_the_transform_of_the_alignment(scans):
    press(scans, "alignApplyButton")
    press(scans, "divideApplyButton")
    assert scans.messages == []
    assert scans.values.divideFocusRas[0] > CENTER[0] + 1, "moved by 3 mm to the right, as far as it stays in GTV"


@needs_slicer_source
def test_size_of_the_box_is_checked(scans, search):
    for text, expected in (("90, 80, 70", (90, 80, 70)), ("100", (100, 100, 100))):
        scans.ui.alignSizeMmLineEdit.typeIn(text)
        press(scans, "alignApplyButton")
        assert search.calls[-1]["region_ras"].size_mm == expected
    for text in ("90, 80", "big", "0, 1, 2"):
        scans.ui.alignSizeMmLineEdit.typeIn(text)
        assert not scans.ui.alignApplyButton.enabled, text
        assert "positive numbers" in scans.ui.alignApplyButton.toolTip
    choose(scans.ui.alignRegionComboBox, "Whole")
    assert scans.ui.alignApplyButton.enabled
    assert not scans.ui.alignSizeMmLineEdit.visible
    press(scans, "alignApplyButton")
    assert search.calls[-1]["region_ras"] is None


@needs_slicer_source
def test_region_of_interest_is_used_when_asked_for(scans, search, scene):  # noqa: F811
    choose(scans.ui.alignRegionComboBox, "Markups")
    assert "region of interest" in scans.ui.alignApplyButton.toolTip
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "nasopharynx")
    roi.SetCenterWorld(1, 2, 3)
    roi.SetSizeWorld(60, 50, 40)
    scans.ui.alignRoiSelector.setCurrentNode(roi)
    press(scans, "alignApplyButton")
    assert scans.messages == []
    assert search.calls[0]["region_ras"].size_mm == pytest.approx((60, 50, 40))


@needs_slicer_source
def test_landmarks_are_matched_by_name_and_needed_in_both_scans(scans, search):
    before = add_landmarks("before", POINTS)
    after = add_landmarks("after", {name: POINTS[name] for name in ("sella", "clivus")} | {"other": (9, 9, 9)})
    scans.ui.alignPreLandmarksSelector.setCurrentNode(before)
    assert "one scan only" in scans.ui.alignApplyButton.toolTip
    scans.ui.alignRecurrenceLandmarksSelector.setCurrentNode(after)
    assert scans.ui.alignLandmarksLabel.text == "2 in both scans: clivus, sella"
    after.SetNthControlPointLabel(2, "Vomer")
    assert "3 in both scans" in scans.ui.alignLandmarksLabel.text, "told at once, and case does not matter"
    after.SetNthControlPointLabel(2, "other")
    press(scans, "alignApplyButton")
    assert set(search.calls[0]["landmarks_moving_ras"]) == {"sella", "clivus", "other"}


@needs_slicer_source
def test_given_transform_is_judged_and_never_overwritten(scans, search, scene):  # noqa: F811
    given = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "by hand")
    mine = np.eye(4)
    mine[1, 3] = 4.0
    given.SetMatrixTransformToParent(as_vtk_matrix(mine))
    choose(scans.ui.alignMethodComboBox, "Assess")
    assert scans.ui.alignApplyButton.text == "Assess"
    assert "transform to be assessed" in scans.ui.alignApplyButton.toolTip
    scans.ui.alignGivenSelector.setCurrentNode(given)
    press(scans, "alignApplyButton")
    assert scans.messages == []
    assert np.allclose(search.calls[0]["given"], mine)
    assert scans.values.alignTransform is None
    press(scans, "divideApplyButton")
    assert scans.messages == []
    choose(scans.ui.alignMethodComboBox, "Search")
    press(scans, "alignApplyButton")
    assert scans.values.alignTransform is not given
    assert np.allclose(slicer.util.arrayFromTransformMatrix(given), mine)


@needs_slicer_source
def test_scan_goes_under_the_transform_only_when_asked_and_does_not_count_there(scans, search):
    box = scans.ui.alignUnderTransformCheckBox
    assert not box.enabled
    landmarks = add_landmarks("after", POINTS)
    scans.ui.alignPreLandmarksSelector.setCurrentNode(add_landmarks("before", POINTS))
    scans.ui.alignRecurrenceLandmarksSelector.setCurrentNode(landmarks)
    press(scans, "alignApplyButton")
    assert box.enabled
    assert not box.checked
    first = search.calls[0]
    box.click()
    transform = scans.values.alignTransform
    assert [node.GetParentTransformNode() for node in (scans.recurrence, scans.gtvr[0], landmarks)] == [transform] * 3
    assert scans.gtv[0].GetParentTransformNode() is None
    assert box.checked
    press(scans, "alignApplyButton")
    assert np.allclose(search.calls[1]["moving_matrix"], first["moving_matrix"]), "aligned anew, not on top"
    for name, point in first["landmarks_moving_ras"].items():
        assert np.allclose(search.calls[1]["landmarks_moving_ras"][name], point)
    press(scans, "divideApplyButton")
    assert scans.messages == []
    under = list(scans.values.divideFocusRas)
    box.click()
    assert scans.recurrence.GetParentTransformNode() is None
    assert landmarks.GetParentTransformNode() is None
    press(scans, "divideApplyButton")
    assert list(scans.values.divideFocusRas) == pytest.approx(under, abs=1e-6)


@needs_slicer_source
def test_scan_that_was_tuned_under_the_given_transform_is_judged_as_it_is_shown(scans, search, scene):  # noqa: F811
    given = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "by hand")
    given.SetMatrixTransformToParent(as_vtk_matrix(SHIFT))
    scans.recurrence.SetAndObserveTransformNodeID(given.GetID())
    choose(scans.ui.alignMethodComboBox, "Assess")
    scans.ui.alignGivenSelector.setCurrentNode(given)
    press(scans, "alignApplyButton")
    assert scans.messages == []
    assert np.allclose(search.calls[0]["moving_matrix"], RECURRENCE_GRID.ijk_to_ras)
    assert np.allclose(search.calls[0]["given"], SHIFT)


@needs_slicer_source
def test_scan_under_another_transform_stays_there(scans, scene):  # noqa: F811
    other = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
    scans.recurrence.SetAndObserveTransformNodeID(other.GetID())
    press(scans, "alignApplyButton")
    assert not scans.ui.alignUnderTransformCheckBox.enabled
    assert "already under other" in scans.ui.alignUnderTransformCheckBox.toolTip


@needs_slicer_source
def test_failure_is_one_message_and_leaves_nothing(scans, search):
    search.answer = InputError("the scans do not overlap", remedy="Choose others")
    press(scans, "alignApplyButton")
    assert scans.messages == ["the scans do not overlap. Choose others."]
    assert scans.values.alignTransform is None
    assert scans.ui.alignApplyButton.text == "Align"
    search.answer = ZeroDivisionError("deep inside")
    press(scans, "alignApplyButton")
    assert "deep inside" in scans.messages[1]
    assert "error log" in scans.messages[1]


@needs_slicer_source
def test_cancel_writes_nothing(scans):
    scans.ui.alignApplyButton.click()
    assert scans.ui.alignApplyButton.text == "Cancel"
    assert not scans.ui.alignInputsCollapsibleButton.enabled
    scans.ui.alignApplyButton.click()
    scans.events.pump()
    assert scans.ui.alignApplyButton.text == "Align"
    assert "Canceled" in scans.ui.alignStatusLabel.text
    assert scans.values.alignTransform is None


@needs_slicer_source
def test_another_recurrence_scan_gets_results_of_its_own(scans):
    press(scans, "alignApplyButton")
    first = scans.values.alignTransform
    scans.ui.recurrenceVolumeSelector.setCurrentNode(add_grid_volume(RECURRENCE_GRID, "third", 1.0))
    assert scans.values.alignTransform is None
    assert scans.values.alignVerdictText == ""
    assert not scans.ui.divideApplyButton.enabled, "no transform of another scan is taken"
    press(scans, "alignApplyButton")
    assert scans.values.alignTransform is not first


# -- on screen --


@needs_slicer_source
def test_copy_is_shown_half_transparent_and_fades(scans, risk_layout, scene):  # noqa: F811
    press(scans, "alignApplyButton")
    shown = risk_layout.layers[-1]
    assert shown["background"] is scans.pre
    assert shown["foreground"] is scans.values.alignAligned
    assert shown["foregroundOpacity"] == 0.5
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    other = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetForegroundVolumeID(scans.values.alignAligned.GetID())
    other.SetForegroundOpacity(0.9)
    scans.ui.alignFadeSlider.value = 0.25
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)
    assert other.GetForegroundOpacity() == pytest.approx(0.9), "a view that shows something else is left alone"


@needs_slicer_source
def test_blinking_shows_the_scans_in_turn_until_it_is_stopped(scans, risk_layout, scene):  # noqa: F811
    press(scans, "alignApplyButton")
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetForegroundVolumeID(scans.values.alignAligned.GetID())
    scans.ui.alignBlinkButton.click()
    seen = [composite.GetForegroundOpacity()]
    for _ in range(3):
        scans.events.pumpOnce()
        seen.append(composite.GetForegroundOpacity())
    assert seen == [1, 0, 1, 0]
    scans.ui.alignBlinkButton.click()
    assert not scans.ui.alignBlinkButton.checked
    assert composite.GetForegroundOpacity() == 0.5
    scans.events.pump()
    assert composite.GetForegroundOpacity() == 0.5


@needs_slicer_source
def test_blinking_that_is_started_again_at_once_keeps_its_pace(scans, risk_layout, scene):  # noqa: F811
    press(scans, "alignApplyButton")
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetForegroundVolumeID(scans.values.alignAligned.GetID())
    for _ in range(3):
        scans.ui.alignBlinkButton.click()
    assert scans.ui.alignBlinkButton.checked
    scans.events.pumpOnce()  # what is left of the first time
    assert composite.GetForegroundOpacity() == 1
    scans.events.pumpOnce()
    assert composite.GetForegroundOpacity() == 0
    scans.ui.alignBlinkButton.click()
    scans.events.pump()
    assert composite.GetForegroundOpacity() == 0.5


@needs_slicer_source
def test_results_of_a_scan_that_was_changed_during_the_run_are_not_shown_as_the_new_ones(scans, scene):  # noqa: F811
    scans.ui.alignApplyButton.click()
    other = add_grid_volume(PRE_GRID, "another patient", 7.0)
    scans.ui.preVolumeSelector.setCurrentNode(other)
    scans.events.pump()
    assert scans.messages == []
    assert "inputs from before" in scans.ui.alignStatusLabel.text
    assert scans.values.alignTransform is None
    assert scans.values.alignVerdictText == ""
    assert scene.GetFirstNodeByName("recurrence aligned") is not None


@needs_slicer_source
def test_leaving_the_module_or_losing_the_copy_stops_blinking(scans, risk_layout, scene):  # noqa: F811
    press(scans, "alignApplyButton")
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    for stop in (scans.widget.exit, lambda: scene.RemoveNode(scans.values.alignAligned)):
        composite.SetForegroundVolumeID(scans.values.alignAligned.GetID())
        scans.ui.alignBlinkButton.click()
        assert scans.ui.alignBlinkButton.checked
        stop()
        scans.events.pump()
        assert not scans.ui.alignBlinkButton.checked


@needs_slicer_source
def test_marking_makes_a_list_with_names_in_the_scans_world(scans, risk_layout, scene, monkeypatch):  # noqa: F811
    started = []

    class Markups:
        def SetActiveList(self, node):
            started.append(node)

        def StartPlaceMode(self, persistent):
            started.append(persistent)

    monkeypatch.setattr(slicer.modules.markups, "logic", lambda: Markups())
    scans.widget.onModified()
    assert scans.ui.alignMarkPreButton.enabled
    press(scans, "alignMarkPreButton")
    markups = scans.values.alignPreLandmarks
    assert started == [markups, True]
    assert markups.GetNumberOfControlPoints() == 6
    assert markups.GetNumberOfDefinedControlPoints() == 0
    assert "clivus" in scans.ui.alignStatusLabel.text
    press(scans, "alignMarkPreButton")
    assert scans.values.alignPreLandmarks is markups
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    scans.recurrence.SetAndObserveTransformNodeID(transform.GetID())
    press(scans, "alignMarkRecurrenceButton")
    assert scans.values.alignRecurrenceLandmarks.GetParentTransformNode() is transform


@needs_slicer_source
def test_gtvr_drawn_in_the_first_scans_segmentation_stays_with_it(scans, scene):  # noqa: F811
    press(scans, "alignApplyButton")
    node, _segment = scans.gtv
    scans.values.gtvrSegmentation, scans.values.gtvrSegmentId = node, scans.gtv[1]
    scans.ui.alignUnderTransformCheckBox.click()
    assert node.GetParentTransformNode() is None


def put_under_patient(node, patient_id: str) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), patient_id)
    hierarchy.SetItemUID(patient, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName(), patient_id)
    hierarchy.CreateItem(patient, node)


@needs_slicer_source
def test_segmentation_of_another_patient_is_refused_in_every_tab_until_allowed(scans):
    put_under_patient(scans.pre, "A")
    put_under_patient(scans.gtv[0], "B")
    for stem in ("align", "map"):
        scans.messages.clear()
        press(scans, f"{stem}ApplyButton")
        assert len(scans.messages) == 1, stem
        assert "different patients" in scans.messages[0]
    put_under_patient(scans.gtvr[0], "C")
    scans.messages.clear()
    choose(scans.ui.divideTransformUseComboBox, "Nothing")
    press(scans, "divideApplyButton")
    assert "different patients" in scans.messages[0]
    scans.ui.differentPatientsCheckBox.checked = True
    scans.messages.clear()
    for stem in ("align", "divide"):
        press(scans, f"{stem}ApplyButton")
    assert scans.messages == []


def test_balls_are_where_the_tests_think(scene):  # noqa: F811
    node, segment_id = add_ball(GTVR, AT_RECURRENCE, 5.0, PRE_GRID)
    assert node.GetSegmentation().GetSegment(segment_id).GetName() == GTVR != GTV
