"""The module files themselves on the real MRML scene, with Qt stood in for (see slicer_stand_in).

Tests of the panel need Slicer's own parameterNodeWrapper: give a checkout of Slicer as SLICER_SOURCE_DIR.
"""

import functools
import importlib
import inspect
import os
import sys
import textwrap
import types
import unittest
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from NPCResponseLib import headless
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import sample_data
from NPCResponseLib.mrml.echo_series import find_echo_times
from NPCResponseLib.mrml.files import save_scene
from Testing import slicer_stand_in

ROOT = Path(__file__).resolve().parents[1]
SLICER_SOURCE = Path(os.environ.get("SLICER_SOURCE_DIR", ""))
needs_slicer_source = pytest.mark.skipif(
    not (SLICER_SOURCE / "Base/Python/slicer/parameterNodeWrapper").is_dir() or not os.environ.get("SLICER_SOURCE_DIR"),
    reason="SLICER_SOURCE_DIR names no checkout of Slicer",
)
# Imported under a stand-in, so forgotten after each test.
REIMPORTED = (
    "NPCResponse",
    "NPCRadiomicsRisk",
    "NPCResponseLib.widgets",
    "NPCRadiomicsRiskLib.widgets",
    "SampleData",
    "slicer.i18n",
    "slicer.parameterNodeWrapper",
    "slicer.ScriptedLoadableModule",
)


# The patient is simulated once for all tests: nodes copy its arrays.
for _name in ("simulate_bold", "simulate_asl", "simulate_t1ce"):
    setattr(sample_data, _name, functools.cache(getattr(sample_data, _name)))


def forget_modules() -> None:
    for name in list(sys.modules):
        if name in REIMPORTED or name.startswith(tuple(f"{module}." for module in REIMPORTED if "." in module)):
            del sys.modules[name]


@pytest.fixture
def scene():
    headless.start()
    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def import_path(monkeypatch):
    for module in ("NPCRadiomicsRisk", "NPCResponse"):
        monkeypatch.syspath_prepend(str(ROOT / module))
    forget_modules()
    yield
    forget_modules()


@pytest.fixture
def events(scene, import_path, monkeypatch):
    """Stand-ins good for logic; the event queue."""
    return slicer_stand_in.install(monkeypatch)


@pytest.fixture
def slicer_python(scene, import_path, monkeypatch):
    """Slicer's own Python around the stand-in widgets; the event queue."""
    return slicer_stand_in.install(monkeypatch, SLICER_SOURCE)


# -- the module as Slicer lists it --


def module_parent(path: str = ""):
    return types.SimpleNamespace(path=path)


@pytest.mark.parametrize("name", ["NPCResponse", "NPCRadiomicsRisk"])
def test_module_describes_itself_and_its_limits(name, events):
    module = importlib.import_module(name)
    parent = module_parent()
    getattr(module, name)(parent)
    assert parent.title.startswith("NPC ")
    assert parent.categories == ["Quantification"]
    assert "esearch use only, not for diagnosis" in parent.helpText
    assert all(hasattr(module, f"{name}{part}") for part in ("Widget", "Logic", "Test"))


def test_response_module_acknowledges_the_papers(events):
    parent = module_parent()
    importlib.import_module("NPCResponse").NPCResponse(parent)
    assert "Xu" in parent.acknowledgementText
    assert "10.1186/s12880-023-01029-y" in parent.acknowledgementText
    assert "Liu" in parent.acknowledgementText
    assert "10.1186/s13244-022-01248-x" in parent.acknowledgementText


def test_risk_module_depends_on_the_response_module(events):
    parent = module_parent()
    importlib.import_module("NPCRadiomicsRisk").NPCRadiomicsRisk(parent)
    assert parent.dependencies == ["NPCResponse"]


class SampleDataRecorder:
    """SampleData.SampleDataLogic as of Slicer 5.10, which has no categories."""

    def __init__(self):
        self.sources, self.categories = [], {}

    def registerCustomSampleDataSource(self, **source):
        self.sources.append(source)


class SampleDataRecorderSince512(SampleDataRecorder):
    def registerCustomSampleDataCategory(self, category, title):
        self.categories[category] = title


@pytest.mark.parametrize("recorder", [SampleDataRecorder(), SampleDataRecorderSince512()], ids=["5.10", "5.12"])
def test_sample_data_is_registered_at_start_up_and_simulated_on_the_click(recorder, events, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=recorder))
    importlib.import_module("NPCResponse").NPCResponse(module_parent())
    for callback in slicer.app.startupCallbacks:
        callback()
    (source,) = recorder.sources
    assert Path(source["thumbnailFileName"]).is_file()
    assert source["uris"] == source["fileNames"] == source["nodeNames"] == [], "Slicer takes the length of each"
    patient = source["customDownloader"](source)
    assert patient.pre.GetNumberOfDataNodes() == patient.post.GetNumberOfDataNodes() == 5
    assert patient.pre_segmentation.GetSegmentation().GetSegmentIdBySegmentName("tumor")


def test_start_up_survives_a_slicer_without_sample_data(events, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    importlib.import_module("NPCResponse").registerSampleData()
    assert "sample data could not be registered" in caplog.text


# -- scripts --


def console_example(documented) -> str:
    """The literal block of a docstring, as somebody would paste it."""
    docstring = inspect.cleandoc(documented.__doc__)
    return textwrap.dedent(docstring.split("::\n", 1)[1])


def test_console_example_works_when_pasted(events, capsys):
    logic_class = importlib.import_module("NPCResponse").NPCResponseLogic
    names = {}
    for line in console_example(logic_class).strip().splitlines():  # a console takes it line by line
        exec(compile(line, "<console>", "single"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("R2* ")
    assert float(printed.split()[1]) == pytest.approx(44, abs=1.5)  # truth of viable tumor: 44 Hz


@needs_slicer_source
def test_self_test_of_the_module_passes(slicer_python):
    module = importlib.import_module("NPCResponse")
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(module.NPCResponseTest)
    outcome = unittest.TestResult()
    suite.run(outcome)
    assert outcome.testsRun >= 6
    assert outcome.wasSuccessful(), "\n".join(text for _test, text in outcome.failures + outcome.errors)


# -- the panel --


class Panel:
    """A module's widget over stand-in widgets, as if its module had been entered."""

    def __init__(self, monkeypatch, events, name="NPCResponse"):
        self.events = events
        self.module = importlib.import_module(name)
        self.ui = slicer_stand_in.widgets_of(ROOT / name / "Resources" / "UI" / f"{name}.ui")
        layout = types.SimpleNamespace(addWidget=lambda widget: None)
        parent = types.SimpleNamespace(isEntered=True, layout=lambda: layout)
        panel = types.SimpleNamespace(setMRMLScene=lambda scene: None)
        self.messages = []
        monkeypatch.setattr(slicer.util, "loadUI", lambda path: panel)
        monkeypatch.setattr(slicer.util, "childWidgetVariables", lambda widget: self.ui)
        monkeypatch.setattr(slicer.util, "modulePath", lambda name: str(ROOT / name / f"{name}.py"))
        monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: self.messages.append(text))
        self.widget = getattr(self.module, f"{name}Widget")(parent)
        self.widget.setup()

    @property
    def values(self):
        return self.widget.logic.getParameterNode()

    def fill_in(self):
        patient = self.widget.logic.loadPhantom()
        self.ui.seriesSelector.setCurrentNode(patient.pre)
        self.ui.tumorSegmentSelector.setCurrentNode(patient.pre_segmentation)
        segmentation = patient.pre_segmentation.GetSegmentation()
        self.ui.tumorSegmentSelector.setCurrentSegmentID(segmentation.GetSegmentIdBySegmentName("tumor"))
        self.ui.exclusionSegmentsSelector.setSelectedSegmentIDs([segmentation.GetSegmentIdBySegmentName("necrosis")])
        return patient

    def apply(self):
        self.ui.applyButton.click()
        self.events.pump()


@pytest.fixture
def panel(slicer_python, monkeypatch):
    created = Panel(monkeypatch, slicer_python)
    yield created
    created.widget.cleanup()


@needs_slicer_source
def test_apply_is_disabled_until_there_is_a_series_and_says_why(panel):
    assert not panel.ui.applyButton.enabled
    assert "BOLD series" in panel.ui.applyButton.toolTip
    assert "BOLD series" in panel.ui.statusLabel.text
    panel.fill_in()
    assert panel.ui.applyButton.enabled
    assert panel.ui.statusLabel.text == ""


@needs_slicer_source
def test_echo_times_found_are_shown_with_their_source(panel):
    panel.fill_in()
    assert panel.ui.echoTimesFoundLabel.text.startswith("6.71 / 13.42 / 20.13 / 26.84 / 33.55 ms (")


@needs_slicer_source
def test_choices_reach_the_parameter_node_and_come_back(panel):
    patient = panel.fill_in()
    panel.ui.echoTimesLineEdit.typeIn("6.71; 13.42; 20.13; 26.84; 33.5501234")
    panel.ui.erosionSpinBox.value = 1.5
    assert list(panel.values.echoTimesMs) == [6.71, 13.42, 20.13, 26.84, 33.5501234]
    assert panel.values.erosionMm == 1.5
    assert panel.values.boldSeries is patient.pre
    assert [panel.values.segmentId, *panel.values.exclusionSegmentIds] == ["tumor", "necrosis"]
    panel.values.erosionMm = 0.5
    panel.values.segmentId = "node_left"
    assert panel.ui.erosionSpinBox.value == 0.5
    assert panel.ui.tumorSegmentSelector.currentSegmentID() == "node_left"


@needs_slicer_source
def test_unreadable_echo_times_turn_red_and_hold_apply_until_mended(panel):
    panel.fill_in()
    edit = panel.ui.echoTimesLineEdit
    edit.typeIn("6.71, soon")
    assert "red" in edit.styleSheet
    assert edit.text == "6.71, soon", "the text stays for the user to mend"
    assert not panel.ui.applyButton.enabled
    assert "positive numbers" in panel.ui.applyButton.toolTip
    edit.typeIn("")
    assert edit.styleSheet == ""
    assert panel.ui.applyButton.enabled
    assert list(panel.values.echoTimesMs) == []


@needs_slicer_source
def test_wrong_echo_times_disable_apply_with_the_reason(panel):
    panel.fill_in()
    panel.ui.echoTimesLineEdit.typeIn("0.00671, 0.01342, 0.02013, 0.02684, 0.03355")
    assert not panel.ui.applyButton.enabled
    assert "seconds" in panel.ui.applyButton.toolTip


@needs_slicer_source
def test_apply_makes_results_selects_them_and_puts_them_into_words(panel):
    panel.fill_in()
    panel.apply()
    assert panel.messages == []
    assert panel.ui.r2starMapSelector.currentNode() is panel.values.r2starMap is not None
    assert panel.values.decayChart is not None
    assert panel.values.resultTable.GetNumberOfRows() > 0
    assert "Hz" in panel.ui.regionTextLabel.text
    assert panel.ui.regionTextLabel.visible
    assert panel.ui.statusLabel.text.startswith("R2* ")
    assert len(panel.values.focusRas) == 3
    assert panel.ui.applyButton.text == "Apply"
    assert not panel.ui.progressBar.visible


@needs_slicer_source
def test_apply_turns_into_cancel_and_canceling_writes_nothing(panel):
    panel.fill_in()
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.applyButton.click()
    assert panel.ui.applyButton.text == "Cancel"
    assert not panel.ui.inputsCollapsibleButton.enabled
    panel.ui.applyButton.click()
    panel.events.pump()
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.inputsCollapsibleButton.enabled
    assert "Canceled" in panel.ui.statusLabel.text
    assert panel.values.r2starMap is None
    assert slicer.mrmlScene.GetNumberOfNodes() == before


@needs_slicer_source
def test_closing_the_scene_while_it_runs_cancels(panel, scene):
    panel.fill_in()
    panel.ui.applyButton.click()
    scene.Clear(0)
    panel.events.pump()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert panel.messages == []
    assert not panel.ui.applyButton.enabled


@needs_slicer_source
def test_removing_the_series_while_it_runs_cancels_and_forgets_it(panel, scene):
    patient = panel.fill_in()
    panel.ui.applyButton.click()
    scene.RemoveNode(patient.pre)
    panel.events.pump()
    assert panel.values.boldSeries is None
    assert panel.values.r2starMap is None
    assert not panel.ui.applyButton.enabled


@needs_slicer_source
def test_importing_a_scene_keeps_the_checked_volumes(panel, scene):
    volumes = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"echo {i}") for i in (1, 2)]
    panel.values.boldVolumes = volumes
    panel.widget.onSceneLeaving()
    for volume in volumes:  # what the selector does when its model is rebuilt
        panel.ui.volumesSelector.setCheckState(volume, 0)
    panel.widget.onSceneReady()
    assert list(panel.values.boldVolumes) == volumes
    assert list(panel.ui.volumesSelector.checkedNodes()) == volumes


@needs_slicer_source
def test_choices_and_results_survive_saving_and_loading_the_scene(panel, scene, tmp_path):
    panel.fill_in()
    panel.ui.erosionSpinBox.value = 1.5
    panel.apply()
    text = panel.values.regionText
    save_scene(tmp_path / "patient.mrb")
    scene.Clear(0)
    assert panel.ui.regionTextLabel.text == ""
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"), True)
    assert panel.ui.regionTextLabel.text == text != ""
    assert panel.ui.erosionSpinBox.value == 1.5
    assert panel.ui.r2starMapSelector.currentNode().GetName() == "BOLD pre (phantom) R2* (Hz)"
    assert panel.ui.tumorSegmentSelector.currentSegmentID() == "tumor"
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


@needs_slicer_source
def test_deleting_the_tumor_segment_leaves_none_chosen(panel):
    patient = panel.fill_in()
    patient.pre_segmentation.GetSegmentation().RemoveSegment("tumor")
    panel.ui.tumorSegmentSelector.setCurrentSegmentID("airway")  # the real selector moves on by itself
    assert panel.values.segmentId == ""
    assert not panel.ui.applyButton.enabled


@needs_slicer_source
def test_users_mistake_is_one_message_without_traceback(panel, caplog):
    patient = panel.fill_in()
    segmentation = patient.pre_segmentation.GetSegmentation()
    empty = segmentation.AddEmptySegment("nothing", "nothing")
    panel.ui.tumorSegmentSelector.setCurrentSegmentID(empty)
    panel.apply()
    assert len(panel.messages) == 1
    assert "empty" in panel.messages[0]
    assert panel.ui.statusLabel.text == panel.messages[0]
    assert "Traceback" not in caplog.text
    assert panel.ui.applyButton.enabled, "may be pressed again after the mistake is mended"


@needs_slicer_source
def test_defect_keeps_its_traceback_in_the_log(panel, monkeypatch, caplog):
    panel.fill_in()
    job_class = importlib.import_module("NPCResponseLib.mrml.r2star").R2StarJob

    def broken(self):
        yield 0.1
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(job_class, "steps", broken)
    panel.apply()
    assert "deep inside" in panel.messages[0]
    assert "ZeroDivisionError" in caplog.text
    assert panel.ui.applyButton.text == "Apply"


@needs_slicer_source
def test_overwriting_an_input_is_refused(panel, scene):
    panel.fill_in()
    b0 = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "b0")
    panel.ui.b0MapSelector.setCurrentNode(b0)
    panel.ui.r2starMapSelector.setCurrentNode(b0)
    assert not panel.ui.applyButton.enabled
    assert "output is also an input" in panel.ui.applyButton.toolTip


@needs_slicer_source
def test_panel_connects_again_after_reload(panel):
    panel.fill_in()
    panel.widget.cleanup()
    panel.widget.setup()
    assert panel.ui.applyButton.enabled
    panel.ui.erosionSpinBox.value = 2.0
    assert panel.values.erosionMm == 2.0


@needs_slicer_source
def test_panel_works_without_a_main_window(panel):
    panel.fill_in()
    panel.apply()
    assert not panel.ui.showResultsButton.enabled
    assert "main window" in panel.ui.showResultsButton.toolTip


@needs_slicer_source
def test_multi_component_series_stays_chosen_when_the_panel_connects_again(panel, scene):
    series = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "echoes")
    slicer.util.updateVolumeFromArray(series, np.ones((3, 4, 5, 4), dtype=np.float32))
    panel.ui.seriesSelector.setCurrentNode(series)
    assert panel.values.boldSeries is series
    panel.widget.onSceneLeaving()
    panel.widget.onSceneReady()
    assert panel.ui.seriesSelector.currentNode() is series
    assert panel.values.boldSeries is series


@needs_slicer_source
def test_coming_back_sees_what_changed_in_the_chosen_nodes(panel, scene):
    series = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "BOLD")
    panel.ui.seriesSelector.setCurrentNode(series)
    assert "empty" in panel.ui.statusLabel.text
    series.SetIndexName("EchoTime")
    series.SetIndexUnit("ms")
    for time_ms in (5, 10, 15):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, np.ones((3, 4, 5), dtype=np.float32))
        series.SetDataNodeAtValue(volume, str(time_ms))
    panel.widget.enter()
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def test_sequence_item_without_an_image_is_told(scene):
    class Unread:  # a sequence of which a file could not be read; MRML cannot be made to hold one
        def IsA(self, name):
            return name == "vtkMRMLSequenceNode"

        def GetName(self):
            return "BOLD"

        def GetNumberOfDataNodes(self):
            return 2

        def GetNthDataNode(self, _item):
            return None

    with pytest.raises(InputError, match="BOLD: an image is missing"):
        find_echo_times(Unread())


# -- results on screen, with slice views that have real nodes and no pixels --


class SliceWidget:
    ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}

    def __init__(self, scene, name: str):
        self.node = slicer.vtkMRMLSliceNode()
        self.node.SetSingletonTag(name)
        self.node.SetName(name)
        self.node.SetLayoutName(name)
        self.node = scene.AddNode(self.node)
        self.composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        self.logic = types.SimpleNamespace(SnapSliceOffsetToIJK=lambda: None)

    def mrmlSliceNode(self):
        return self.node

    def mrmlSliceCompositeNode(self):
        return self.composite

    def sliceController(self):
        return types.SimpleNamespace(fitSliceToBackground=lambda: None)

    def sliceLogic(self):
        return self.logic


class LayoutManager:
    """Slicer's layout manager over a real layout node."""

    def __init__(self, scene):
        self.layoutNode = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
        self.scene, self.layout, self.widgets = scene, 2, {}
        self.hasViews = True

    def layoutLogic(self):
        return types.SimpleNamespace(GetLayoutNode=lambda: self.layoutNode)

    def setLayout(self, layout: int):
        assert self.layoutNode.IsLayoutDescription(layout) or layout in (2, 3)
        self.layout = layout
        for tag, class_name in (("NPCDecay", "vtkMRMLPlotViewNode"), ("NPCTable", "vtkMRMLTableViewNode")):
            if self.scene.GetSingletonNode(tag, class_name) is None:
                node = self.scene.CreateNodeByClass(class_name)
                node.UnRegister(None)
                node.SetSingletonTag(tag)
                self.scene.AddNode(node)

    def sliceViewNames(self) -> list[str]:
        return list(self.widgets)

    def sliceWidget(self, name: str):
        if not self.hasViews:
            return None
        if name not in self.widgets:
            self.widgets[name] = SliceWidget(self.scene, name)
        return self.widgets[name]


@pytest.fixture
def layout_manager(panel, scene, monkeypatch):
    manager = LayoutManager(scene)
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager)
    return manager


@needs_slicer_source
def test_results_are_shown_in_their_layout_and_the_old_one_comes_back(panel, layout_manager):
    patient = panel.fill_in()
    fill = patient.pre_segmentation.GetDisplayNode().GetOpacity2DFill()
    panel.apply()
    assert panel.messages == []
    assert layout_manager.layout == 5077
    values, composite = panel.values, layout_manager.sliceWidget("Red").composite
    assert composite.GetForegroundVolumeID() == values.r2starMap.GetID()
    assert slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID()).IsA("vtkMRMLScalarVolumeNode")
    quality = layout_manager.sliceWidget("NPCQuality").composite
    assert quality.GetForegroundVolumeID() == values.standardErrorMap.GetID()
    table_view = slicer.mrmlScene.GetSingletonNode("NPCTable", "vtkMRMLTableViewNode")
    assert table_view.GetTableNodeID() == values.resultTable.GetID()
    plot_view = slicer.mrmlScene.GetSingletonNode("NPCDecay", "vtkMRMLPlotViewNode")
    assert plot_view.GetPlotChartNodeID() == values.decayChart.GetID()
    assert patient.pre_segmentation.GetDisplayNode().GetOpacity2DFill() == 0, "a filled segment tints the map"
    panel.ui.previousLayoutButton.click()
    assert layout_manager.layout == 2
    assert patient.pre_segmentation.GetDisplayNode().GetOpacity2DFill() == fill


@needs_slicer_source
def test_second_view_follows_the_chosen_quality_map(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    panel.ui.qualityMapComboBox.currentIndex = 1
    quality = layout_manager.sliceWidget("NPCQuality").composite
    assert quality.GetLabelVolumeID() == panel.values.statusMap.GetID()
    assert quality.GetForegroundVolumeID() is None


@needs_slicer_source
def test_map_has_a_legend_with_its_unit(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(panel.values.r2starMap)
    assert "R2*" in legend.GetTitleText()
    assert "/s" in legend.GetTitleText() or "Hz" in legend.GetTitleText()


@needs_slicer_source
def test_views_look_at_the_middle_of_the_tumor(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    to_ras = layout_manager.sliceWidget("Red").node.GetSliceToRAS()
    normal = [to_ras.GetElement(row, 2) for row in range(3)]
    offset = sum(n * (to_ras.GetElement(row, 3) - panel.values.focusRas[row]) for row, n in enumerate(normal))
    assert abs(offset) < 1e-3
    assert vtk.vtkMath.Norm(normal) == pytest.approx(1)


@needs_slicer_source
def test_doubtful_voxels_are_left_out_on_request(panel):
    panel.fill_in()
    panel.apply()
    used = panel.values.voxelsText
    panel.ui.leaveOutDoubtfulCheckBox.checked = True
    panel.apply()
    assert "suspected field gradient" in panel.values.voxelsText.split("Whole image")[0]
    assert panel.values.voxelsText != used


@needs_slicer_source
def test_layout_is_known_before_a_scene_that_was_saved_in_it_is_loaded(panel, layout_manager):
    panel.module.registerResultsLayout()
    assert layout_manager.layoutNode.IsLayoutDescription(5077), "a scene saves the number only"


@needs_slicer_source
def test_results_open_when_their_layout_is_current_but_was_not_known(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    node = slicer.vtkMRMLLayoutNode()
    node.AddLayoutDescription(5077, "")
    node.SetViewArrangement(5077)
    layout_manager.layoutNode = node
    panel.ui.showResultsButton.click()
    assert "NPCQuality" in node.GetCurrentLayoutDescription()


@needs_slicer_source
def test_views_that_are_not_made_yet_do_no_harm(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    panel.widget.onSceneLeaving()
    panel.widget._sections[0]._layout = type(panel.widget._sections[0]._layout)()  # as in a new session
    layout_manager.hasViews = False  # until the import is over
    panel.widget.onSceneReady()
    assert panel.ui.applyButton.enabled
    layout_manager.hasViews = True
    panel.ui.qualityMapComboBox.currentIndex = 1
    quality = layout_manager.sliceWidget("NPCQuality").composite
    assert quality.GetLabelVolumeID() == panel.values.statusMap.GetID()


@needs_slicer_source
def test_previous_layout_does_something_after_reload(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    panel.widget.cleanup()
    panel.widget.setup()
    assert panel.ui.previousLayoutButton.enabled
    panel.ui.previousLayoutButton.click()
    assert layout_manager.layout == 3
    assert not panel.ui.previousLayoutButton.enabled


@needs_slicer_source
def test_legends_are_told_when_a_view_shows_another_map(panel, layout_manager):
    panel.fill_in()
    panel.apply()
    quality = layout_manager.sliceWidget("NPCQuality").composite
    told = []

    def look(composite, _event):
        if composite.GetInteractionFlags() & composite.LabelVolumeFlag:  # what the legends' manager asks for
            told.append(composite.GetLabelVolumeID())

    quality.AddObserver(vtk.vtkCommand.ModifiedEvent, look)
    panel.ui.qualityMapComboBox.currentIndex = 1
    assert told == [panel.values.statusMap.GetID()]
    assert quality.GetInteractionFlags() == 0
