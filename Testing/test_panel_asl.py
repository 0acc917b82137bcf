"""The Blood flow tab over stand-in widgets on the real scene, and its parameters without any widget."""

import dataclasses
import importlib
import time
import types
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import slicer

from NPCResponseLib import perfusion_parameters
from NPCResponseLib.asl_series import AslRole
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.asl_series import FACTS_ATTRIBUTE, add_asl_series_to_scene, asl_series_from_nodes
from NPCResponseLib.phantom import simulate_asl
from Testing.test_panel_parts import widgets  # noqa: F401 - a fixture
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    ROOT,
    events,
    import_path,
    layout_manager,
    needs_slicer_source,
    panel,
    scene,
    slicer_python,
)

M0, CONTROL, LABEL = AslRole.M0, AslRole.CONTROL, AslRole.LABEL
# What Eq. 2 makes of the phantom's flow without noise; the interval is some standard errors of the region.
TOLERANCE = 12.0


# -- roles as typed --


@pytest.mark.parametrize("text", ["m0scan, control, label", "M0scan;Control;Label", " m0scan  control/label "])
def test_roles_are_read_however_people_separate_them(widgets, text):  # noqa: F811
    assert widgets.load("tbf_parameters").parseRoles(text) == (M0, CONTROL, LABEL)


def test_a_word_that_is_no_role_is_named(widgets):  # noqa: F811
    with pytest.raises(InputError, match="kontrol"):
        widgets.load("tbf_parameters").parseRoles("kontrol, label")


def test_a_pattern_is_repeated_but_the_m0_images_before_it_are_not(widgets):  # noqa: F811
    repeat = widgets.load("tbf_parameters").repeatRoles
    assert repeat((CONTROL, LABEL), 4) == (CONTROL, LABEL) * 2
    assert repeat((M0, CONTROL, LABEL), 7) == (M0, *(CONTROL, LABEL) * 3)
    assert repeat((), 7) == ()
    assert repeat((M0,), 1) == (M0,)
    for roles, count in (((M0, CONTROL, LABEL), 6), ((CONTROL, LABEL), 1), ((M0, M0), 3)):
        with pytest.raises(InputError, match="do not fit"):
            repeat(roles, count)


def test_defaults_that_the_tab_shows_are_those_of_the_quantification():
    root = ElementTree.parse(ROOT / "NPCResponse/Resources/UI/NPCResponse.ui").getroot()

    def shown(name: str) -> str:
        widget = root.find(f".//widget[@name='{name}']")
        return " ".join(text.text for text in widget.iter("string") if text.text)

    for labeling, alpha in perfusion_parameters.LABELING_EFFICIENCY.items():
        assert f"{alpha:g} ({labeling.value.replace('PC', 'pC')})" in shown("aslEfficiencySpinBox")
    for field, t1_ms in perfusion_parameters.T1_BLOOD_MS.items():
        assert f"{t1_ms:g} ({field:g} T)" in shown("aslT1BloodSpinBox")
    assert f"{perfusion_parameters.T1_TISSUE_MS:g} ms (assumed)" in shown("aslT1TissueSpinBox")
    assert f"{perfusion_parameters.PARTITION_COEFFICIENT_ML_PER_G:g} mL/g (assumed)" in shown("aslPartitionSpinBox")


# -- the tab --


@pytest.fixture
def asl(panel):  # noqa: F811
    """The panel with the phantom's labeling series chosen, not yet its tumor; ``asl.patient`` are the nodes."""
    patient = panel.widget.logic.loadPhantom()
    panel.ui.aslSeriesSelector.setCurrentNode(patient.pre_asl)
    panel.patient = patient
    return panel


def choose_tumor(asl):
    segmentation = asl.patient.pre_t1_segmentation
    asl.ui.aslTumorSegmentSelector.setCurrentNode(segmentation)
    asl.ui.aslTumorSegmentSelector.setCurrentSegmentID("tumor")
    asl.ui.aslExclusionSegmentsSelector.setSelectedSegmentIDs(["necrosis"])


def apply(asl):
    asl.ui.aslApplyButton.click()
    asl.events.pump()


@needs_slicer_source
def test_nothing_chosen_disables_apply_and_says_why(panel):  # noqa: F811
    assert not panel.ui.aslApplyButton.enabled
    assert "ASL series" in panel.ui.aslApplyButton.toolTip
    assert "ASL series" in panel.ui.aslStatusLabel.text
    assert not panel.ui.aslFactsLabel.visible


@needs_slicer_source
def test_what_the_images_tell_is_shown_with_its_source(asl):
    text = asl.ui.aslFactsLabel.text
    assert "1 M0" in text
    assert "post-labeling delay 2025 ms" in text
    assert "label duration (tau) 1500 ms" in text
    assert "Assumed:" in text
    assert asl.ui.aslApplyButton.enabled


@needs_slicer_source
def test_missing_label_duration_is_told_in_red_and_holds_apply_until_typed(asl):
    facts = asl.patient.pre_asl.GetAttribute(FACTS_ATTRIBUTE)
    asl.patient.pre_asl.SetAttribute(
        FACTS_ATTRIBUTE, facts.replace('"label_duration_ms": 1500.0', '"label_duration_ms": null')
    )
    asl.widget.enter()
    assert "label duration" in asl.ui.aslApplyButton.toolTip
    assert not asl.ui.aslApplyButton.enabled
    assert "color:#C62828" in asl.ui.aslFactsLabel.text
    asl.ui.aslLabelDurationSpinBox.value = 1500
    assert asl.ui.aslApplyButton.enabled, asl.ui.aslApplyButton.toolTip
    assert "label duration (tau) 1500 ms (typed)" in asl.ui.aslFactsLabel.text


@needs_slicer_source
def test_wrong_numbers_disable_apply_with_the_reason(asl):
    asl.ui.aslDelaysLineEdit.typeIn("2.025")
    assert "seconds" in asl.ui.aslApplyButton.toolTip
    asl.ui.aslDelaysLineEdit.typeIn("soon")
    assert "red" in asl.ui.aslDelaysLineEdit.styleSheet
    assert not asl.ui.aslApplyButton.enabled
    asl.ui.aslDelaysLineEdit.typeIn("")
    asl.ui.aslHematocritSpinBox.value = 0.05
    assert "hematocrit" in asl.ui.aslApplyButton.toolTip
    asl.ui.aslHematocritSpinBox.value = 0.0
    asl.ui.aslRolesLineEdit.typeIn("control, labl")
    assert "labl" in asl.ui.aslApplyButton.toolTip
    asl.ui.aslRolesLineEdit.typeIn("")
    assert asl.ui.aslApplyButton.enabled


@needs_slicer_source
def test_apply_measures_the_blood_flow_of_the_tumor(asl):
    choose_tumor(asl)
    truth = simulate_asl("pre").eq2_by_region["viable_tumor"]
    apply(asl)
    assert asl.messages == []
    assert asl.values.aslTbfMap is asl.ui.aslTbfMapSelector.currentNode() is not None
    assert asl.values.aslTable.GetNumberOfRows() > 0
    number = float(asl.values.aslRegionText.removeprefix("<b>").split()[0])
    assert number == pytest.approx(truth, abs=TOLERANCE)
    assert "voxels used" in asl.values.aslVoxelsText
    assert "Assumed:" in asl.values.aslNotesText
    assert asl.ui.aslStatusLabel.text.startswith(f"TBF {number:.1f}")
    assert len(asl.values.aslFocusRas) == 3
    assert asl.values.r2starMap is None, "the tabs do not share results"


@needs_slicer_source
def test_anatomy_that_the_tumor_is_drawn_on_lays_the_maps_over_it(asl):
    choose_tumor(asl)
    asl.ui.aslAnatomySelector.setCurrentNode(asl.patient.pre_t1)
    apply(asl)
    assert asl.messages == []
    assert asl.values.aslTbfMap.GetParentTransformNode() is asl.values.aslTransform is not None
    assert "Registered to the anatomy" in asl.values.aslNotesText
    assert asl.widget._sections[1]._parameters.backgroundVolume() is asl.patient.pre_t1


@needs_slicer_source
def test_results_have_a_layout_of_their_own_and_the_one_from_before_comes_back(asl, layout_manager):  # noqa: F811
    choose_tumor(asl)
    apply(asl)
    assert layout_manager.layout == 5078
    map_view = layout_manager.sliceWidget("Red").composite
    quality = layout_manager.sliceWidget("NPCQuality").composite
    assert map_view.GetForegroundVolumeID() == asl.values.aslTbfMap.GetID()
    assert quality.GetForegroundVolumeID() == asl.values.aslStandardErrorMap.GetID()
    asl.ui.aslQualityMapComboBox.currentIndex = 1
    assert quality.GetLabelVolumeID() == asl.values.aslStatusMap.GetID()
    assert not asl.ui.previousLayoutButton.enabled, "the R2* results are not on screen"
    asl.fill_in()
    asl.apply()
    assert layout_manager.layout == 5077
    asl.ui.previousLayoutButton.click()
    assert layout_manager.layout == 2, "not back to the other results"


@needs_slicer_source
def test_without_a_tumor_there_are_maps_only(asl):
    apply(asl)
    assert asl.values.aslTable is None
    assert "maps only" in asl.values.aslRegionText
    assert asl.ui.aslStatusLabel.text.startswith("TBF map made.")


@needs_slicer_source
def test_another_series_gets_its_own_results(asl):
    apply(asl)
    first = asl.values.aslTbfMap
    asl.ui.aslSeriesSelector.setCurrentNode(asl.patient.post_asl)
    assert asl.values.aslTbfMap is None
    assert asl.values.aslRegionText == ""
    assert slicer.mrmlScene.GetNodeByID(first.GetID()) is first


@needs_slicer_source
def test_canceling_writes_nothing(asl):
    before = slicer.mrmlScene.GetNumberOfNodes()
    asl.ui.aslApplyButton.click()
    assert asl.ui.aslApplyButton.text == "Cancel"
    assert not asl.ui.aslQuantificationCollapsibleButton.enabled
    asl.ui.aslApplyButton.click()
    asl.events.pump()
    assert "Canceled" in asl.ui.aslStatusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before


@needs_slicer_source
def test_removed_series_and_segmentation_are_forgotten(asl, scene):  # noqa: F811
    choose_tumor(asl)
    apply(asl)
    scene.RemoveNode(asl.patient.pre_t1_segmentation)
    assert (asl.values.aslSegmentation, asl.values.aslSegmentId) == (None, "")
    assert list(asl.values.aslExclusionSegmentIds) == []
    scene.RemoveNode(asl.patient.pre_asl)
    assert asl.values.aslSeries is None
    assert asl.values.aslTbfMap is None


@needs_slicer_source
def test_difference_image_asks_for_m0_and_scale(asl, scene):  # noqa: F811
    series = asl_series_from_nodes(asl.patient.pre_asl)
    control, label = (np.mean([series.volumes[n] for n in series.indices(role)], axis=0) for role in (CONTROL, LABEL))
    asl.values.aslInputForm = type(asl.values.aslInputForm).DIFFERENCE
    assert not asl.ui.aslSeriesSelector.visible
    assert asl.ui.aslDifferenceSelector.visible
    assert "difference" in asl.ui.aslApplyButton.toolTip
    for name, array, selector in (
        ("difference", 96 * (control - label), asl.ui.aslDifferenceSelector),
        ("m0", series.volumes[series.indices(M0)[0]], asl.ui.aslM0Selector),
    ):
        volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        slicer.util.updateVolumeFromArray(volume, array.astype(np.float32))
        matrix = slicer.util.vtkMatrixFromArray(series.ijk_to_ras)
        volume.SetIJKToRASMatrix(matrix)
        if name == "m0":
            assert "M0" in asl.ui.aslApplyButton.toolTip
        selector.setCurrentNode(volume)
    asl.ui.aslLabelDurationSpinBox.value = 1500
    asl.ui.aslDelaysLineEdit.typeIn("2025")
    asl.ui.aslFieldStrengthSpinBox.value = 3
    assert "32 x NEX" in asl.ui.aslApplyButton.toolTip
    asl.ui.aslScaleSpinBox.value = 96
    choose_tumor(asl)
    assert asl.ui.aslApplyButton.enabled, asl.ui.aslApplyButton.toolTip
    apply(asl)
    assert asl.messages == []
    number = float(asl.values.aslRegionText.removeprefix("<b>").split()[0])
    assert number == pytest.approx(simulate_asl("pre").eq2_by_region["viable_tumor"], abs=TOLERANCE)


@needs_slicer_source
def test_flow_map_of_the_scanner_is_measured_as_it_is(asl, scene):  # noqa: F811
    series = asl_series_from_nodes(asl.patient.pre_asl)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "flow")
    slicer.util.updateVolumeFromArray(volume, np.full(series.shape_kji, 123.0, dtype=np.float32))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(series.ijk_to_ras))
    asl.values.aslInputForm = type(asl.values.aslInputForm).FLOW
    assert not asl.ui.aslM0Selector.visible
    asl.ui.aslFlowSelector.setCurrentNode(volume)
    choose_tumor(asl)
    apply(asl)
    assert asl.messages == []
    assert asl.values.aslRegionText.startswith("<b>123.0")


@needs_slicer_source
def test_loaded_files_become_the_series(asl, monkeypatch):
    asked = []
    series = simulate_asl("post").series
    monkeypatch.setattr(
        "NPCResponseLib.widgets.tbf_section.read_asl_series", lambda paths: asked.append(paths) or series
    )
    monkeypatch.setattr("NPCResponseLib.widgets.tbf_section.chooseFiles", lambda *_texts: ["a.nii", "b.nii"])
    monkeypatch.setattr("NPCResponseLib.widgets.tbf_section.chooseFolder", lambda *_texts: "")
    monkeypatch.setattr(slicer.util, "WaitCursor", NoCursor, raising=False)
    asl.values.aslRoles = "control, label"
    asl.ui.aslLoadFolderButton.click()
    assert asked == [], "no folder was chosen"
    asl.ui.aslLoadButton.click()
    assert asked == [["a.nii", "b.nii"]]
    assert asl.values.aslSeries.GetName().startswith(series.name)
    assert asl.values.aslRoles == ""
    assert asl.ui.aslSeriesSelector.currentNode() is asl.values.aslSeries
    assert asl.ui.aslApplyButton.enabled


@needs_slicer_source
def test_series_from_the_dicom_database_is_read_again_with_its_headers(asl, monkeypatch):
    assert not asl.ui.aslReadHeadersButton.enabled
    assert "DICOM" in asl.ui.aslReadHeadersButton.toolTip
    files = {"1.2.1": "/a.dcm", "1.2.2": "/b.dcm", "1.2.3": ""}
    database = types.SimpleNamespace(isOpen=True, fileForInstance=files.get)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    monkeypatch.setattr(slicer.util, "WaitCursor", NoCursor, raising=False)
    asked, series = [], simulate_asl("post").series
    monkeypatch.setattr(
        "NPCResponseLib.widgets.tbf_section.read_asl_series", lambda paths: asked.append(paths) or series
    )
    loaded = asl.patient.pre_asl
    loaded.SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.3")
    loaded.GetNthDataNode(0).SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.2")
    asl.widget.enter()
    database.isOpen = False
    asl.ui.aslReadHeadersButton.click()
    assert "does not have the files" in asl.ui.aslStatusLabel.text
    database.isOpen = True
    asl.ui.aslReadHeadersButton.click()
    assert asked == [["/a.dcm", "/b.dcm"]], "each once, without those that the database has lost"
    assert asl.values.aslSeries is not loaded


@needs_slicer_source
def test_files_that_cannot_be_read_are_one_message(asl, monkeypatch, tmp_path):
    monkeypatch.setattr(slicer.util, "WaitCursor", NoCursor, raising=False)
    asl.widget._sections[1].load(tmp_path)
    assert len(asl.messages) == 1
    assert asl.values.aslSeries is asl.patient.pre_asl


class NoCursor:
    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        pass


# -- scripts --


def test_script_maps_blood_flow_with_settings_of_both_kinds(events):  # noqa: F811
    logic = importlib.import_module("NPCResponse").NPCResponseLogic()
    patient = logic.loadPhantom()
    result = logic.mapBloodFlow(
        patient.pre_asl,
        patient.pre_t1_segmentation,
        "tumor",
        exclude=["necrosis"],
        hematocrit=0.42,
        erosion_mm=1.0,
    )
    assert any("hematocrit" in parameter.source for parameter in result.perfusion.parameters)
    assert result.settings.erosion_mm == 1.0
    assert result.segment_name == "tumor"


@needs_slicer_source
def test_a_long_series_is_described_fast_enough_to_follow_typing(asl, scene):  # noqa: F811
    volumes = tuple(np.zeros((24, 64, 64), dtype=np.int16) for _ in range(121))
    series = dataclasses.replace(
        simulate_asl("pre").series,
        volumes=volumes,
        roles=(M0, *(CONTROL, LABEL) * 60),
        post_labeling_delays_ms=(None, *(2025.0,) * 120),
    )
    asl.ui.aslSeriesSelector.setCurrentNode(add_asl_series_to_scene(series))
    started = time.perf_counter()
    asl.widget.onModified()
    assert time.perf_counter() - started < 0.5, "all sections, on a machine that may be busy"
