"""The scene without the application: Slicer's own classes, and a bundle that comes back as it was written."""

import subprocess
import sys

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from NPCResponseLib import headless
from Testing import scene_nodes as build


def test_starting_twice_gives_the_same_scene(scene):
    assert headless.start() is scene
    assert slicer.mrmlScene is scene


def test_the_scene_of_the_application_is_left_alone(scene, monkeypatch):
    monkeypatch.setattr(slicer, "mrmlScene", of_application := object())
    app = slicer.app
    assert headless.start() is of_application
    assert slicer.app is app


@pytest.mark.parametrize("name", [name.lower() for name in headless.LOGIC_CLASSES])
def test_each_module_has_its_logic_in_the_scene(scene, name):
    logic = getattr(slicer.modules, name).logic()
    assert logic.GetMRMLScene() is scene
    assert logic.GetClassName() in headless.LOGIC_CLASSES.values()


def test_bundles_are_unpacked_in_a_folder_of_its_own(scene):
    """Without one they would be unpacked in the root folder."""
    assert scene.GetCacheManager().GetRemoteCacheDirectory() == slicer.app.temporaryPath


def test_slicer_util_works_on_it_without_a_word_on_the_console(scene, capfd):
    volume = build.add_volume(np.zeros(build.SHAPE, np.float32))
    segmentation = build.add_segmentation(volume, tumor=build.box(), air=build.box(k=slice(3, 4)))
    tumor = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "tumor", volume)
    assert np.array_equal(tumor > 0, build.box())
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_python_ends_cleanly_and_takes_its_folder_along():
    code = "from NPCResponseLib import headless; import slicer; headless.start(); print(slicer.app.temporaryPath)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    missing = subprocess.run(["test", "-e", done.stdout.strip()], check=False)
    assert missing.returncode == 1


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A scene with one of everything, written as .mrb."""
    scene = headless.start()
    scene.Clear()
    fill()
    path = tmp_path_factory.mktemp("bundle") / "patient.mrb"
    assert scene.WriteToMRB(str(path))
    scene.Clear()
    return path


def fill() -> None:
    volume = build.add_volume(build.true_r2star().astype(np.float32), "map")
    unit, quantity = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("Hz", "UCUM", "Hz")
    quantity.SetValueSchemeMeaning("126395", "DCM", "R2*")
    volume.SetVoxelValueUnits(unit)
    volume.SetVoxelValueQuantity(quantity)
    volume.CreateDefaultDisplayNodes()
    build.add_segmentation(volume, tumor=build.box(), air=build.box(i=slice(0, 3))).SetName("regions")
    build.move(volume, build.translation(3, -4, 5) @ build.rotation("y", 20))
    volume.GetParentTransformNode().SetName("patient moved")
    build.add_sequence().SetName("series")
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "results")
    for column, name, values in (
        (vtk.vtkStringArray(), "what", ("R2* mean", "with, comma", "0.5")),
        (vtk.vtkStringArray(), "remark", ("", "none", "")),
        (vtk.vtkDoubleArray(), "value", (44.25, float("nan"), 1e-7)),
    ):
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    table.SetColumnUnitLabel("value", "Hz")
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "points")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetYColumnName("value")
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "decay")
    chart.SetXAxisTitle("Echo time (ms)")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "pre")
    hierarchy.CreateItem(folder, volume)


@pytest.fixture(params=[True, False], ids=["opened", "added"])
def reopened(scene, bundle, request):
    """The bundle opened in place of the scene, or added to it."""
    assert scene.ReadFromMRB(str(bundle), request.param)
    return scene


def node(name: str):
    return slicer.util.getNode(name)


def test_bundle_keeps_volumes_with_units_and_geometry(reopened):
    volume = node("map")
    assert np.array_equal(slicer.util.arrayFromVolume(volume), build.true_r2star().astype(np.float32))
    assert volume.GetVoxelValueUnits().GetCodeValue() == "Hz"
    assert volume.GetVoxelValueQuantity().GetCodeMeaning() == "R2*"
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    read = [[matrix.GetElement(i, j) for j in range(4)] for i in range(4)]
    assert np.allclose(read, build.OBLIQUE, atol=1e-6)


def test_bundle_keeps_the_transform_and_what_is_under_it(reopened):
    transform = node("map").GetParentTransformNode()
    assert transform is node("patient moved")
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToParent(matrix)
    assert [round(matrix.GetElement(row, 3), 6) for row in range(3)] == [3, -4, 5]


def test_bundle_keeps_segments(reopened):
    segmentation = node("regions")
    for name, mask in (("tumor", build.box()), ("air", build.box(i=slice(0, 3)))):
        segment_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
        volume = build.add_volume(np.zeros(build.SHAPE, np.uint8))
        read = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume)
        assert np.array_equal(read > 0, mask), name


def test_bundle_keeps_the_sequence_with_its_index(reopened):
    sequence = node("series")
    assert (sequence.GetIndexName(), sequence.GetIndexUnit()) == ("EchoTime", "ms")
    assert [float(sequence.GetNthIndexValue(n)) for n in range(5)] == list(build.ECHO_TIMES_MS)
    last = slicer.util.arrayFromVolume(sequence.GetNthDataNode(4))
    assert np.array_equal(last, build.echoes()[4])


def test_bundle_keeps_the_table_with_text_and_units(reopened):
    table = node("results")
    assert [table.GetCellText(row, 0) for row in range(3)] == ["R2* mean", "with, comma", "0.5"]
    assert [table.GetCellText(row, 1) for row in range(3)] == ["", "none", ""]
    values = [table.GetTable().GetColumnByName("value").GetValue(row) for row in range(3)]
    assert values[0] == 44.25
    assert np.isnan(values[1])
    assert values[2] == 1e-7
    assert table.GetColumnUnitLabel("value") == "Hz"


def test_bundle_keeps_the_plot_and_its_references(reopened):
    chart = node("decay")
    assert chart.GetXAxisTitle() == "Echo time (ms)"
    series = chart.GetNthPlotSeriesNode(0)
    assert series is node("points")
    assert series.GetTableNode() is node("results")


def test_bundle_keeps_the_place_in_the_subject_hierarchy(reopened):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(reopened)
    item = hierarchy.GetItemByDataNode(node("map"))
    assert hierarchy.GetItemName(hierarchy.GetItemParent(item)) == "pre"
