"""The tab Map of NPCRadiomicsRisk over stand-in widgets: a map of a small tumor, and a region that follows a slider."""

import json

import numpy as np
import pytest
import slicer

from NPCRadiomicsRiskLib.mrml import radioresistance as map_nodes
from NPCRadiomicsRiskLib.radioresistance import exploratory_map
from NPCRadiomicsRiskLib.radioresistance.exploratory_map import PUBLISHED_DIRECTIONS, LocalModel
from NPCRadiomicsRiskLib.subregions.division import GTV
from Testing.subregion_nodes import array_of_segment
from Testing.test_panel_subregions import (  # noqa: F401 - fixtures
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

MAPS_ONLY = 5080


def boost_of(panel) -> np.ndarray:
    return array_of_segment(panel.values.mapBoost, map_nodes.BOOST, panel.pre)


@pytest.fixture
def mapped(balls):  # noqa: F811
    balls.ui.mapLevelsSpinBox.value = 8
    press(balls, "mapApplyButton")
    assert balls.messages == []
    return balls


@pytest.fixture
def model_file(tmp_path):
    model = LocalModel(
        coefficients=dict.fromkeys(PUBLISHED_DIRECTIONS, 0.5),
        intercept=0.1,
        penalty=1.0,
        n_patients=3,
        auc_by_patient={"A": 0.7, "B": 0.8, "C": 0.6},
        rule_auc_by_patient={"A": 0.6, "B": 0.6, "C": 0.6},
        settings={"radius_voxels": [1, 3, 3], "n_levels": 16, "quantization": "lloyd", "clip_outliers": True},
        box_mm=(6.0, 7.0, 7.0),
        warnings=(),
    )
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model.to_dict()), encoding="utf-8")
    return path


@needs_slicer_source
def test_map_lies_in_the_tumor_and_says_that_it_is_exploratory(mapped):
    tumor = array_of_segment(mapped.gtv[0], GTV, mapped.pre)
    values = slicer.util.arrayFromVolume(mapped.values.mapNode)
    assert (values[~tumor] == 0).all()
    assert 0 < values[tumor].mean() < 1
    assert not (boost_of(mapped) & ~tumor).any()
    assert "Exploratory" in mapped.values.mapNotesText
    assert "Akram" in mapped.values.mapText
    assert "Exploratory" in mapped.ui.mapExploratoryLabel.text


@needs_slicer_source
def test_suggested_region_follows_the_slider_without_a_new_map(mapped, monkeypatch):
    tumor = array_of_segment(mapped.gtv[0], GTV, mapped.pre)
    few, map_node, boost_node = boost_of(mapped).sum(), mapped.values.mapNode, mapped.values.mapBoost

    def never(*_arguments, **_options):
        raise AssertionError("features are there already")

    monkeypatch.setattr(exploratory_map, "local_tumor_features", never)
    mapped.ui.mapBoostPercentSlider.value = 60
    assert mapped.messages == []
    assert boost_of(mapped).sum() / tumor.sum() == pytest.approx(0.6, abs=0.05)
    assert boost_of(mapped).sum() > 2 * few
    assert "60 %" in mapped.values.mapText
    assert mapped.values.mapNode is map_node
    assert mapped.values.mapBoost is boost_node
    mapped.ui.mapBoostPercentSlider.value = 20
    assert boost_of(mapped).sum() == few


@needs_slicer_source
def test_slider_of_a_map_of_an_earlier_session_says_to_compute_again(mapped):
    assert mapped.ui.mapBoostPercentSlider.enabled
    mapped.widget.cleanup()
    mapped.widget.setup()
    assert not mapped.ui.mapBoostPercentSlider.enabled
    assert "earlier session" in mapped.ui.mapBoostPercentSlider.toolTip
    press(mapped, "mapApplyButton")
    assert mapped.ui.mapBoostPercentSlider.enabled


@needs_slicer_source
def test_removed_boost_segmentation_is_made_again(mapped, scene):  # noqa: F811
    scene.RemoveNode(mapped.values.mapBoost)
    assert mapped.values.mapBoost is None
    mapped.ui.mapBoostPercentSlider.value = 30
    assert len(mapped.messages) == 1
    assert "gone" in mapped.messages[0]
    press(mapped, "mapApplyButton")
    assert len(mapped.messages) == 1
    assert boost_of(mapped).any()


@needs_slicer_source
def test_trained_model_is_read_kept_in_the_scene_and_brings_its_settings(balls, model_file, monkeypatch):  # noqa: F811
    choose(balls.ui.mapModelComboBox, "A trained")
    assert "no model file" in balls.ui.mapApplyButton.toolTip
    section = next(section for section in balls.widget._sections if type(section).__name__ == "MapSection")
    monkeypatch.setitem(section.onChooseModel.__globals__, "chooseFile", lambda *_texts: str(model_file))
    balls.ui.mapModelFileButton.click()
    assert balls.messages == []
    assert balls.ui.mapModelFileButton.text == "model.json"
    assert not balls.ui.mapLevelsSpinBox.visible
    press(balls, "mapApplyButton")
    assert balls.messages == []
    assert "16 gray levels" in balls.values.mapText
    assert "trained on 3 patients" in balls.values.mapText
    model_file.write_text("{}", encoding="utf-8")
    balls.ui.mapModelFileButton.click()
    assert "no local model" in balls.messages[0]
    assert balls.values.mapModelName == "model.json"
    model_file.write_bytes(b"\xff\xfe\x00")
    balls.ui.mapModelFileButton.click()
    assert "cannot be read" in balls.messages[1]


@needs_slicer_source
def test_map_is_shown_over_the_scan_with_the_scan_beside_it(balls, risk_layout):  # noqa: F811
    balls.ui.mapLevelsSpinBox.value = 8
    press(balls, "mapApplyButton")
    assert balls.messages == []
    assert risk_layout.layout == MAPS_ONLY
    composite = risk_layout.sliceWidget("Red").composite
    assert composite.GetForegroundVolumeID() == balls.values.mapNode.GetID()
    beside = risk_layout.sliceWidget("NPCQuality").composite
    assert beside.GetBackgroundVolumeID() == balls.pre.GetID()
    assert beside.GetForegroundVolumeID() is None
    press(balls, "mapPreviousLayoutButton")
    assert risk_layout.layout == 2
    assert not balls.ui.mapPreviousLayoutButton.enabled


@needs_slicer_source
def test_another_scan_gets_a_map_of_its_own(mapped):
    first = mapped.values.mapNode
    mapped.ui.preVolumeSelector.setCurrentNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    assert mapped.values.mapNode is None
    assert mapped.values.mapText == ""
    press(mapped, "mapApplyButton")
    assert len(mapped.messages) == 1
    assert "no image" in mapped.messages[0]
    assert first.GetScene() is not None
