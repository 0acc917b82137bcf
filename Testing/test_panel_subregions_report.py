"""Reports from the panel of NPCRadiomicsRisk, over stand-in widgets on the real scene."""

import importlib
import re

import numpy as np
import pytest
import slicer

from NPCRadiomicsRiskLib.commands.texture_options import TextureChoice
from NPCRadiomicsRiskLib.subregions.division import GTVR
from NPCRadiomicsRiskLib.texture.panel47 import TextureSettings
from NPCResponseLib.mrml.geometry import as_vtk_matrix
from Testing.test_panel_subregions import (  # noqa: F401 - fixtures
    AT_RECURRENCE,
    GTVR_MM,
    PRE_GRID,
    add_ball,
    balls,
    choose,
    divided,
    points_of,
    press,
    risk,
)
from Testing.test_panel_subregions_align import SHIFT, add_landmarks, scans, search  # noqa: F401 - fixtures
from Testing.test_panel_subregions_cohort import DIFFERENT, a_cohort, a_patient
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    events,
    import_path,
    needs_slicer_source,
    scene,
    slicer_python,
)

pytest.importorskip("matplotlib")


def saved(panel, monkeypatch, path, button: str = "reportButton") -> str:
    """What a user gets: the report's text, without pictures; "" if there is none."""
    section = importlib.import_module("NPCResponseLib.widgets.section")
    monkeypatch.setattr(section, "chooseFileToSave", lambda *_arguments: str(path))
    getattr(panel.ui, button).click()
    return re.sub(r"data:image[^\"]+", "picture", path.read_text(encoding="utf-8")) if path.is_file() else ""


def tip(panel) -> str:
    assert not panel.ui.reportButton.enabled
    return panel.ui.reportButton.toolTip


@pytest.fixture
def measured(divided):  # noqa: F811
    divided.ui.featureLevelsSpinBox.value = 8
    press(divided, "featureApplyButton")
    return divided


@pytest.fixture
def aligned_and_measured(scans):  # noqa: F811
    scans.ui.featureLevelsSpinBox.value = 8
    for name in ("alignApplyButton", "divideApplyButton", "featureApplyButton"):
        press(scans, name)
    return scans


# -- a patient --


@needs_slicer_source
def test_button_says_what_is_missing_until_there_is_something_to_report(divided, monkeypatch, tmp_path):  # noqa: F811
    assert "compute the features" in tip(divided)
    assert saved(divided, monkeypatch, tmp_path / "report.html") == ""
    divided.ui.featureLevelsSpinBox.value = 8
    press(divided, "featureApplyButton")
    assert divided.ui.reportButton.enabled, divided.ui.reportButton.toolTip


@needs_slicer_source
def test_report_of_contours_in_one_scan_speaks_of_no_alignment_dose_or_map(measured, monkeypatch, tmp_path):
    measured.ui.cohortPatientLineEdit.typeIn("P07")
    text = saved(measured, monkeypatch, tmp_path / "report.html")
    assert measured.messages == []
    assert str(tmp_path / "report.html") in measured.ui.reportStatusLabel.text
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    volume = float(re.search(r"GTVr: ([\d.]+) cm", measured.values.divideVolumesText)[1])
    assert f'<p class="value">{volume:.2f} ' in text
    assert "Sub-region report: P07" in text
    assert text.count("<img") == 2, "the regions and their histograms"
    for word in ("Aligned", "Quality of the alignment", "Gy", "radio-resistance", "Stability"):
        assert word not in text, word
    assert "--levels 8" in text
    assert "--smallest-island 0" in text
    assert "SHA-256" in text


@needs_slicer_source
def test_report_holds_alignment_dose_map_and_stability_that_were_made(aligned_and_measured, monkeypatch, tmp_path):
    from Testing.subregion_nodes import add_grid_volume

    panel = aligned_and_measured
    panel.ui.divideDoseSelector.setCurrentNode(add_grid_volume(PRE_GRID, "dose", 70.0))
    panel.ui.dividePrescriptionGySpinBox.value = 70
    panel.ui.stabilityRepetitionsSpinBox.value = 2
    panel.ui.mapLevelsSpinBox.value = 8
    for stem in ("divide", "feature", "stability", "map"):
        press(panel, f"{stem}ApplyButton")
    text = saved(panel, monkeypatch, tmp_path / "report.html")
    assert panel.messages == []
    assert text.count("<img") == 4
    assert "✓ Aligned" in text
    assert "Quality of the alignment" in text
    assert "The recurrence is in-field" in text
    assert "Exploratory radio-resistance map" in text
    assert "Stability of the differences" in text
    assert "is left out" not in text
    assert "--voi-mm 120,120,110 --seed 0" in text
    assert "--stability 2" in text


@needs_slicer_source
def test_names_of_nodes_stay_out_of_the_report(aligned_and_measured, scene, monkeypatch, tmp_path):  # noqa: F811
    panel, name = aligned_and_measured, "Doe^Jane 4711"
    panel.pre.SetName(f"{name} pre")
    panel.recurrence.SetName(f"{name} rec")
    for node in (panel.gtv[0], panel.gtvr[0]):
        node.SetName(f"{name} contour {node.GetName()}")
    slicer.util.updateVolumeFromArray(panel.pre, slicer.util.arrayFromVolume(panel.pre).astype(np.uint8))
    panel.values.alignTransform.SetName(f"{name} transform")
    panel.gtvr[0].SetAndObserveTransformNodeID(panel.values.alignTransform.GetID())
    for stem in ("align", "divide", "feature"):
        press(panel, f"{stem}ApplyButton")
    panel.pre.SetName("another name now")
    text = saved(panel, monkeypatch, tmp_path / "report.html")
    assert panel.messages == []
    assert "8-bit values" in text
    assert "is already under the transform" in text
    assert "Doe" not in text
    assert "4711" not in text


@needs_slicer_source
def test_results_that_do_not_belong_together_make_no_report(aligned_and_measured):
    panel = aligned_and_measured
    press(panel, "divideApplyButton")
    assert "divided again" in tip(panel)
    press(panel, "featureApplyButton")
    assert panel.ui.reportButton.enabled
    press(panel, "alignApplyButton")
    assert "alignment was changed" in tip(panel)
    press(panel, "divideApplyButton")
    press(panel, "featureApplyButton")
    assert panel.ui.reportButton.enabled
    panel.ui.featureSegmentsSelector.setCurrentNode(panel.gtv[0])
    panel.ui.featureSegmentsSelector.setSelectedSegmentIDs([panel.gtv[1]])
    press(panel, "featureApplyButton")
    assert "not those of other segments" in tip(panel)


@needs_slicer_source
def test_undoing_a_division_brings_its_report_back(measured):
    press(measured, "divideApplyButton")
    assert "divided again" in tip(measured)
    press(measured, "divideUndoButton")
    assert measured.ui.reportButton.enabled, measured.ui.reportButton.toolTip
    press(measured, "divideUndoButton")
    assert measured.values.divideTable is None
    assert not measured.ui.reportButton.enabled


@needs_slicer_source
def test_segments_that_were_edited_by_hand_are_refused(measured, monkeypatch, tmp_path):
    segmentation = measured.values.divideSegmentation
    smaller = np.linalg.norm(points_of(PRE_GRID) - AT_RECURRENCE, axis=-1) <= GTVR_MM - 2
    segment_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName(GTVR)
    slicer.util.updateSegmentBinaryLabelmapFromArray(smaller.astype(np.uint8), segmentation, segment_id, measured.pre)
    assert saved(measured, monkeypatch, tmp_path / "report.html") == ""
    assert len(measured.messages) == 1
    assert "changed after the tumor was divided" in measured.messages[0]


@needs_slicer_source
def test_transform_that_nobody_assessed_is_named_in_the_warnings(
    aligned_and_measured, scene, monkeypatch, tmp_path  # noqa: F811
):  # fmt: skip
    panel = aligned_and_measured
    matrix = SHIFT.copy()
    matrix[0, 3] += 0.5
    panel.values.alignTransform.SetMatrixTransformToParent(as_vtk_matrix(matrix))
    for stem in ("divide", "feature"):
        press(panel, f"{stem}ApplyButton")
    text = saved(panel, monkeypatch, tmp_path / "tuned.html")
    assert "was changed after its quality was assessed" in text
    assert "Quality of the alignment" not in text
    assert "changed after its quality was assessed" in panel.values.divideNotesText
    other = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
    other.SetMatrixTransformToParent(as_vtk_matrix(SHIFT))
    choose(panel.ui.divideTransformUseComboBox, "Another")
    panel.ui.divideTransformSelector.setCurrentNode(other)
    for stem in ("divide", "feature"):
        press(panel, f"{stem}ApplyButton")
    assert "was not assessed in this session" in saved(panel, monkeypatch, tmp_path / "other.html")


@needs_slicer_source
def test_map_and_stability_of_something_else_are_left_out_and_that_is_said(measured, monkeypatch, tmp_path):
    measured.ui.stabilityRepetitionsSpinBox.value = 2
    measured.ui.mapLevelsSpinBox.value = 8
    press(measured, "stabilityApplyButton")
    node, segment_id = add_ball("other tumor", AT_RECURRENCE, 9.0, PRE_GRID)
    measured.values.gtvSegmentation, measured.values.gtvSegmentId = node, segment_id
    press(measured, "mapApplyButton")
    measured.values.gtvSegmentation, measured.values.gtvSegmentId = measured.gtv
    press(measured, "divideApplyButton")
    press(measured, "featureApplyButton")
    measured.values.mapNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    text = saved(measured, monkeypatch, tmp_path / "report.html")
    assert measured.messages == []
    assert "The map is left out" in text
    assert "The stability test is left out" in text
    assert "Stability of the differences" not in text


@needs_slicer_source
def test_another_session_has_nothing_to_report(measured, scene, tmp_path):  # noqa: F811
    from NPCResponseLib.mrml.files import save_scene

    save_scene(tmp_path / "patient.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"), True)
    assert measured.values.featureTable is not None
    assert "in this session" in tip(measured)


@needs_slicer_source
def test_removing_what_the_report_rests_on_disables_it(measured, scene):  # noqa: F811
    scene.RemoveNode(measured.values.divideTable)
    assert not measured.ui.reportButton.enabled
    assert measured.messages == []


@needs_slicer_source
def test_report_that_cannot_be_written_is_one_message(measured, monkeypatch, tmp_path):
    assert saved(measured, monkeypatch, tmp_path / "no such folder" / "report.html") == ""
    assert len(measured.messages) == 1
    assert "cannot be written" in measured.messages[0]
    assert measured.ui.reportStatusLabel.text == measured.messages[0]


@pytest.mark.parametrize(
    "choice",
    [
        TextureChoice(),
        TextureChoice(
            resampling="toolbox", voxel_size_mm=1.5, outliers="none", quantization="equal", n_levels=32,
            levels_shared=True, weights="ibsi", two_d=True,
        ),
    ],
)  # fmt: skip
def test_options_in_the_report_are_those_of_the_command(choice, events):  # noqa: F811
    module = importlib.import_module("NPCRadiomicsRiskLib.widgets.feature_parameters")
    assert isinstance(choice.settings(), TextureSettings)
    assert module.textureOptions(choice.settings()) == choice.parameters()


def test_whole_names_are_taken_out_longest_first(events):  # noqa: F811
    module = importlib.import_module("NPCRadiomicsRiskLib.widgets.subregions_report")
    cloak = module.namesTakenOut({"Doe": "dose", "Doe pre": "scan", "5: T1 (tra)": "image"})
    assert cloak("Doe pre and Doe; Doe-like, 5: T1 (tra) Does") == "the scan and the dose; Doe-like, the image Does"
    assert module.namesTakenOut({})("as it is") == "as it is"


# -- many patients --


@needs_slicer_source
def test_report_of_many_patients_is_that_of_the_command(risk, monkeypatch, tmp_path):  # noqa: F811
    button = risk.ui.cohortReportButton
    assert not button.enabled
    assert "Press Compare first" in button.toolTip
    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(12))
    choose(risk.ui.cohortCorrectionComboBox, "Holm")
    press(risk, "cohortApplyButton")
    assert button.enabled, button.toolTip
    text = saved(risk, monkeypatch, tmp_path / "cohort.html", "cohortReportButton")
    assert risk.messages == []
    assert str(tmp_path / "cohort.html") in risk.ui.cohortStatusLabel.text
    assert '<p class="value">3 ' in text
    assert "in 12 patients" in text
    assert "Holm" in text
    assert "--test by-Shapiro".lower() in text.lower()
    assert all(f"<strong>{name.replace('_', ' ')}</strong>" in text for name in DIFFERENT)
    assert text.count("<img") >= 3


@needs_slicer_source
def test_table_that_was_changed_since_needs_another_comparison(risk, monkeypatch, tmp_path):  # noqa: F811
    from NPCRadiomicsRiskLib.mrml.cohort_features import add_patient

    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(4))
    press(risk, "cohortApplyButton")
    add_patient(risk.values.cohortTable, "P99", a_patient(np.random.default_rng(8)))
    risk.widget.onModified()
    assert "changed since" in risk.ui.cohortReportButton.toolTip
    assert saved(risk, monkeypatch, tmp_path / "cohort.html", "cohortReportButton") == ""
    press(risk, "cohortApplyButton")
    assert risk.ui.cohortReportButton.enabled


@needs_slicer_source
def test_comparison_of_an_earlier_session_says_to_compare_again(risk):  # noqa: F811
    risk.ui.cohortTableSelector.setCurrentNode(a_cohort(4))
    press(risk, "cohortApplyButton")
    risk.widget.cleanup()
    risk.widget.setup()
    assert "of this session" in risk.ui.cohortReportButton.toolTip
