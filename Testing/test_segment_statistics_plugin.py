"""The columns that Segment Statistics gets: on a stand-in for it and, given SLICER_SOURCE_DIR, on its own code."""

import importlib
import os
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import slicer

from NPCResponseLib import headless
from NPCResponseLib.diameters import Plane
from NPCResponseLib.mrml.diameters import measure_segment
from Testing import scene_nodes as build
from Testing import slicer_stand_in

SLICER_SOURCE = Path(os.environ.get("SLICER_SOURCE_DIR") or "/nowhere")
SEGMENT_STATISTICS = SLICER_SOURCE / "Modules/Scripted/SegmentStatistics"
OURS = "NPCResponseLib.widgets.segment_statistics_plugin"
REIMPORTED = ("SegmentStatistics", "SegmentStatisticsPlugins", OURS, "NPCResponseLib.widgets", "slicer.i18n")
STAND_IN, SLICERS_OWN = "stand-in", "Slicer's own"
NAME = "NPCDiametersSegmentStatisticsPlugin"


class PluginBase:
    """What our plugin uses of Slicer's base class."""

    def __init__(self):
        self.name, self.title, self.keys, self.defaultKeys, self.parameterNode = "", "", [], [], None

    def setParameterNode(self, node):
        self.parameterNode = node
        for key in self.keys:
            if not node.GetParameter(f"{type(self).__name__}.{key}.enabled"):
                node.SetParameter(f"{type(self).__name__}.{key}.enabled", str(key in self.defaultKeys))

    def getParameterNode(self):
        return self.parameterNode

    def getRequestedKeys(self):
        return [k for k in self.keys if self.parameterNode.GetParameter(f"{type(self).__name__}.{k}.enabled") == "True"]

    def createCodedEntry(self, value, scheme, meaning, returnAsString=False):
        entry = slicer.vtkCodedEntry()
        entry.SetValueSchemeMeaning(value, scheme, meaning)
        return entry.GetAsString() if returnAsString else entry

    def createMeasurementInfo(
        self, name, title, description, units, quantityDicomCode=None, unitsDicomCode=None, derivationDicomCode=None
    ):
        info = {"name": name, "title": title, "description": description, "units": units}
        codes = {"Quantity": quantityDicomCode, "Units": unitsDicomCode, "Derivation": derivationDicomCode}
        return info | {f"DICOM.{kind}Code": code for kind, code in codes.items() if code}


class Logic:
    """Registers classes, as Slicer's does."""

    registeredPlugins: list

    @staticmethod
    def registerPlugin(plugin):
        Logic.registeredPlugins.append(type(plugin))


@pytest.fixture(
    params=[
        STAND_IN,
        pytest.param(
            SLICERS_OWN,
            marks=pytest.mark.skipif(
                not SEGMENT_STATISTICS.is_dir(), reason="SLICER_SOURCE_DIR names no checkout of Slicer"
            ),
        ),
    ]
)
def statistics(request, monkeypatch):
    """(module of our plugin, Segment Statistics' logic class, which of the two it is)."""
    headless.start()
    forget_modules()
    slicer.mrmlScene.Clear(0)
    slicer_stand_in.install(monkeypatch, SLICER_SOURCE if request.param == SLICERS_OWN else None)
    if request.param == SLICERS_OWN:
        monkeypatch.setitem(sys.modules, "qt", mock.MagicMock())  # for the options page of each plugin
        for name in ("vtkITK", "vtkSegmentationCorePython"):  # compiled parts of its other plugins
            if importlib.util.find_spec(name) is None:
                monkeypatch.setitem(sys.modules, name, mock.MagicMock())
        monkeypatch.syspath_prepend(str(SEGMENT_STATISTICS))
        logic_class = importlib.import_module("SegmentStatistics").SegmentStatisticsLogic
        monkeypatch.setattr(logic_class, "registeredPlugins", [])
    else:
        logic_class = Logic
        monkeypatch.setattr(Logic, "registeredPlugins", [], raising=False)
        for name, contents in {
            "SegmentStatistics": {"SegmentStatisticsLogic": Logic},
            "SegmentStatisticsPlugins": {"SegmentStatisticsPluginBase": PluginBase},
        }.items():
            module = types.ModuleType(name)
            vars(module).update(contents)
            monkeypatch.setitem(sys.modules, name, module)
    yield importlib.import_module(OURS), logic_class, request.param
    slicer.mrmlScene.Clear(0)
    forget_modules()


def forget_modules() -> None:
    for name in list(sys.modules):
        if name in REIMPORTED or name.startswith("SegmentStatisticsPlugins."):
            del sys.modules[name]


def add_regions():
    image = build.add_volume(np.zeros(build.SHAPE, np.float32))
    return build.add_segmentation(image, tumor=build.box(), empty=None)


def made_plugin(module, segmentation):
    plugin = module.makePluginClass()()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    node.SetParameter("Segmentation", segmentation.GetID() if segmentation else "")
    plugin.setParameterNode(node)
    return plugin


def test_default_columns_are_the_diameters_in_mm(statistics):
    plugin = made_plugin(statistics[0], segmentation := add_regions())
    found = plugin.computeStatistics("tumor")
    truth = measure_segment(segmentation, "tumor").measurement
    assert found == {
        **{f"{plane.value}_maximum_diameter_mm": truth.in_plane(plane).length_mm for plane in Plane},
        "axial_perpendicular_diameter_mm": truth.short_axis.length_mm,
        "maximum_3d_diameter_mm": truth.longest_3d.length_mm,
    }
    assert all(type(value) is float for value in found.values()), "the table rounds floats alone"


def test_only_what_is_asked_for_is_given(statistics):
    plugin = made_plugin(statistics[0], segmentation := add_regions())
    for key in plugin.keys:
        plugin.getParameterNode().SetParameter(f"{NAME}.{key}.enabled", str(key == "maximum_in_plane_diameter_mm"))
    mptd = measure_segment(segmentation, "tumor").measurement.mptd
    assert plugin.computeStatistics("tumor") == {"maximum_in_plane_diameter_mm": mptd.length_mm}
    plugin.getParameterNode().SetParameter(f"{NAME}.maximum_in_plane_diameter_mm.enabled", "False")
    assert plugin.computeStatistics("tumor") == {}


def test_nothing_is_given_for_what_cannot_be_measured(statistics):
    plugin = made_plugin(statistics[0], add_regions())
    assert plugin.computeStatistics("empty") == {}
    assert plugin.computeStatistics("gone") == {}
    assert made_plugin(statistics[0], None).computeStatistics("tumor") == {}


def test_every_column_has_title_unit_and_codes(statistics):
    plugin = made_plugin(statistics[0], None)
    assert not any("." in key for key in plugin.keys), "Slicer separates plugin and key by a point"
    assert set(plugin.defaultKeys) < set(plugin.keys) and len(set(plugin.keys)) == len(plugin.keys) == 8
    infos = {key: plugin.getMeasurementInfo(key) for key in plugin.keys}
    assert len({info["name"] for info in infos.values()}) == len({info["title"] for info in infos.values()}) == 8
    quantities = {}
    for key, info in infos.items():
        assert info["units"] == "mm" and info["description"]
        unit, quantity = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
        assert unit.SetFromString(info["DICOM.UnitsCode"]) and quantity.SetFromString(info["DICOM.QuantityCode"])
        assert (unit.GetCodeValue(), unit.GetCodingSchemeDesignator()) == ("mm", "UCUM")
        quantities[key] = (quantity.GetCodeValue(), quantity.GetCodingSchemeDesignator(), quantity.GetCodeMeaning())
    assert quantities["axial_maximum_diameter_mm"] == ("103339001", "SCT", "Long Axis")
    assert quantities["axial_perpendicular_diameter_mm"] == ("103340004", "SCT", "Short Axis")
    assert quantities["maximum_3d_diameter_mm"] == ("L0JK", "IBSI", "Maximum 3D diameter")
    assert plugin.getMeasurementInfo("unknown") is None


def test_it_is_registered_once_even_after_a_reload(statistics):
    module, logic_class, _kind = statistics
    module.registerSegmentStatisticsPlugin()
    module.registerSegmentStatisticsPlugin()
    importlib.reload(module).registerSegmentStatisticsPlugin()
    assert [plugin.__name__ for plugin in logic_class.registeredPlugins] == [NAME]


def test_start_up_goes_on_without_segment_statistics(statistics, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "SegmentStatistics", None)
    statistics[0].registerSegmentStatisticsPlugin()
    assert "the Segment Statistics plugin could not be registered" in caplog.text


def test_segment_statistics_makes_columns_in_the_world(statistics):
    """Through Slicer's own logic, with a moved and stretched segmentation, up to its table."""
    module, logic_class, kind = statistics
    if kind == STAND_IN:
        pytest.skip("needs Slicer's own Segment Statistics: SLICER_SOURCE_DIR names no checkout of Slicer")
    module.registerSegmentStatisticsPlugin()
    segmentation = add_regions()
    build.move(segmentation, build.translation(3, 4, 5) @ np.diag([1.2, 1.2, 1.2, 1]))
    logic = logic_class()
    logic.getParameterNode().SetParameter("Segmentation", segmentation.GetID())
    logic.computeStatistics()
    found = logic.getStatistics()
    truth = measure_segment(segmentation, "tumor").measurement
    assert found["tumor", f"{NAME}.axial_maximum_diameter_mm"] == pytest.approx(truth.in_plane(Plane.AXIAL).length_mm)
    assert ("empty", f"{NAME}.axial_maximum_diameter_mm") not in found
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    logic.exportToTable(table)
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert "Maximum axial diameter mm" in names and "Maximum 3D diameter mm" in names
    column = names.index("Maximum 3D diameter mm")
    assert float(table.GetCellText(0, column)) == pytest.approx(truth.longest_3d.length_mm, abs=5e-4)
    assert table.GetColumnUnitLabel(names[column]) == "mm"
