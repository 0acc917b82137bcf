"""Diameters on segmentation nodes, and the lines that show and override them."""

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from NPCResponseLib.diameters import Outline, Plane, measure_diameters
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.diameters import (
    MEASURED_LINE,
    is_measured,
    measure_segment,
    read_line,
    with_lines,
    write_line,
    write_lines,
)
from Testing import scene_nodes as build

MOVED = build.translation(2, -3, 4) @ build.rotation("y", 8)


@pytest.fixture
def image(scene):
    return build.add_volume(np.zeros(build.SHAPE, np.float32), "T1")


@pytest.fixture
def segmentation(image):
    return build.add_segmentation(image, tumor=build.box())


def expected(matrix=None):
    """Of the box as an array: the science layer on the image's grid."""
    return measure_diameters(build.box(), build.OBLIQUE if matrix is None else matrix @ build.OBLIQUE)


def assert_same(found, truth) -> None:
    for plane in Plane:
        for one, other in (
            (found.in_plane(plane), truth.in_plane(plane)),
            (found.perpendicular[plane], truth.perpendicular[plane]),
        ):
            assert one.length_mm == pytest.approx(other.length_mm)
            assert one.start_ras == pytest.approx(other.start_ras, abs=1e-6)
            assert one.end_ras == pytest.approx(other.end_ras, abs=1e-6)
    assert found.longest_3d.length_mm == pytest.approx(truth.longest_3d.length_mm)
    assert found.volume_ml == pytest.approx(truth.volume_ml)


def add_line(start, end, name="L"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", name)
    node.AddControlPointWorld(vtk.vtkVector3d(*start))
    node.AddControlPointWorld(vtk.vtkVector3d(*end))
    return node


# -- measuring --


def test_a_segment_is_measured_on_its_own_oblique_grid(segmentation, image):
    found = measure_segment(segmentation, "tumor", image)
    assert (found.segment_name, found.image_name) == ("tumor", "T1")
    assert_same(found.measurement, expected())


def test_parent_transforms_are_honored(segmentation):
    before = segmentation.GetMTime()
    build.move(segmentation, MOVED)
    moved = segmentation.GetMTime()
    assert_same(measure_segment(segmentation, "tumor").measurement, expected(MOVED))
    assert segmentation.GetMTime() == moved > before


def test_scaling_and_shear_above_a_segment_change_its_diameters(segmentation):
    stretch = np.diag([1.3, 1.0, 1.0, 1.0])
    stretch[0, 1] = 0.2
    build.move(segmentation, stretch)
    assert_same(measure_segment(segmentation, "tumor").measurement, expected(stretch))


def test_a_warp_above_a_segment_is_honored(segmentation):
    """The whole field shifts by 7 mm, as a grid transform: the same lengths elsewhere, up to resampling."""
    displacement = vtk.vtkImageData()
    displacement.SetDimensions(3, 3, 3)
    displacement.SetSpacing(200, 200, 200)
    displacement.SetOrigin(-200, -200, -200)
    displacement.AllocateScalars(vtk.VTK_DOUBLE, 3)
    for component in range(3):
        displacement.GetPointData().GetScalars().FillComponent(component, (7.0, 0, 0)[component])
    warp = vtk.vtkOrientedGridTransform() if hasattr(vtk, "vtkOrientedGridTransform") else vtk.vtkGridTransform()
    warp.SetDisplacementGridData(displacement)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformToParent(warp)
    segmentation.SetAndObserveTransformNodeID(node.GetID())
    found, truth = measure_segment(segmentation, "tumor").measurement, expected(build.translation(7, 0, 0))
    assert found.longest_3d.length_mm == pytest.approx(truth.longest_3d.length_mm, abs=3)
    middle = np.add(found.mptd.start_ras, found.mptd.end_ras) / 2
    assert middle == pytest.approx(np.add(truth.mptd.start_ras, truth.mptd.end_ras) / 2, abs=3)


def test_segments_of_a_shared_layer_are_measured_apart(image):
    small = build.box(i=slice(16, 18), j=slice(17, 20), k=slice(2, 3))
    segmentation = build.add_segmentation(image, tumor=build.box(), node=small)
    segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
    assert_same(measure_segment(segmentation, "tumor").measurement, expected())
    assert_same(measure_segment(segmentation, "node").measurement, measure_diameters(small, build.OBLIQUE))


def test_a_labelmap_whose_extent_does_not_start_at_zero_is_placed_right(segmentation):
    """As the Segment Editor leaves it after it has trimmed the labelmap to the segment."""
    segment = segmentation.GetSegmentation().GetSegment("tumor")
    trimmed = slicer.vtkOrientedImageData()
    whole = segment.GetRepresentation("Binary labelmap")
    slicer.vtkOrientedImageDataResample.CopyImage(whole, trimmed, (4, 15, 6, 16, 1, 3))
    segment.RemoveAllRepresentations()
    segment.AddRepresentation("Binary labelmap", trimmed)
    labelmap = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation("tumor", labelmap)
    assert labelmap.GetExtent() == (4, 15, 6, 16, 1, 3)
    assert_same(measure_segment(segmentation, "tumor").measurement, expected())


def test_a_surface_alone_is_converted_without_changing_it(scene):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(15)
    sphere.SetThetaResolution(96)
    sphere.SetPhiResolution(96)
    sphere.Update()
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surface")
    segmentation.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segment = slicer.vtkSegment()
    segment.SetName("tumor")
    segment.AddRepresentation("Closed surface", sphere.GetOutput())
    segmentation.GetSegmentation().AddSegment(segment, "tumor")
    found = measure_segment(segmentation, "tumor").measurement
    assert found.mptd.length_mm == pytest.approx(30, abs=0.5)
    assert found.longest_3d.length_mm == pytest.approx(30, abs=0.5)
    assert not segmentation.GetSegmentation().ContainsRepresentation("Binary labelmap")


@pytest.mark.parametrize("mask", [None, np.zeros(build.SHAPE, bool)], ids=["never drawn", "erased"])
def test_an_empty_segment_is_refused_by_name(image, mask):
    segmentation = build.add_segmentation(image, tumor=mask, node=build.box())
    with pytest.raises(InputError, match="segment tumor of segmentation Regions: the segment is empty"):
        measure_segment(segmentation, "tumor")
    with pytest.raises(InputError, match="segmentation Regions: it has no segment 'gone'"):
        measure_segment(segmentation, "gone")


# -- rows --


def test_rows_tell_plane_slice_ends_and_standard_error(segmentation, image):
    found = measure_segment(segmentation, "tumor", image)
    rows = {row.what: row for row in found.rows}
    assert set(rows) == {
        *(f"{kind} diameter, {plane.value} plane" for kind in ("Maximum", "Perpendicular") for plane in Plane),
        "Maximum diameter of the three planes",
        "Short axis, axial plane",
        "Maximum 3D diameter",
    }
    coronal, row = found.measurement.in_plane(Plane.CORONAL), rows["Maximum diameter, coronal plane"]
    assert (row.value, row.unit, row.n_used) == (coronal.length_mm, "mm", 200)
    assert (row.image, row.segment, row.method) == ("T1", "tumor", Outline.MEAN_BORDER.label())
    assert f"slice: A {coronal.slice_offset_mm:.2f} mm" in row.parameters
    assert f"standard error of digitization: {coronal.standard_error_mm:.3g} mm" in row.parameters
    assert "slice" not in rows["Maximum 3D diameter"].parameters
    assert rows["Maximum diameter of the three planes"].value == found.measurement.mptd.length_mm


# -- lines --


def test_lines_are_drawn_where_the_maxima_are(segmentation):
    found = measure_segment(segmentation, "tumor")
    lines = write_lines(found, sibling=segmentation)
    assert list(lines) == list(Plane)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    colors = set()
    for plane, node in lines.items():
        assert node.IsA("vtkMRMLMarkupsLineNode") and not node.GetLocked()
        assert node.GetName() == f"tumor {plane.value} maximum diameter"
        diameter = found.measurement.in_plane(plane)
        assert node.GetLineStartPositionWorld() == pytest.approx(diameter.start_ras)
        assert node.GetLineEndPositionWorld() == pytest.approx(diameter.end_ras)
        length = node.GetMeasurement("length")
        assert length.GetValue() == pytest.approx(diameter.length_mm) and length.GetUnits() == "mm"
        assert read_line(node) == diameter and is_measured(node)
        assert hierarchy.GetItemOwnerPluginName(hierarchy.GetItemByDataNode(node)) == "Markups"
        colors.add(node.GetDisplayNode().GetSelectedColor())
    assert len(colors) == 3


def test_running_again_moves_the_same_lines(segmentation, image):
    lines = write_lines(measure_segment(segmentation, "tumor"))
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    smaller = build.box(i=slice(7, 12))
    slicer.util.updateSegmentBinaryLabelmapFromArray(smaller.astype(np.uint8), segmentation, "tumor", image)
    found = measure_segment(segmentation, "tumor")
    again = write_lines(found, lines)
    assert {plane: node.GetID() for plane, node in again.items()} == {p: node.GetID() for p, node in lines.items()}
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == count == 3
    for plane, node in again.items():
        assert node.GetNumberOfControlPoints() == 2
        assert read_line(node) == found.measurement.in_plane(plane)
        assert read_line(node).length_mm < expected().in_plane(plane).length_mm


def test_a_moved_line_overrides_and_is_kept(segmentation):
    found = measure_segment(segmentation, "tumor")
    lines = write_lines(found)
    axial = lines[Plane.AXIAL]
    start, end = np.array(axial.GetLineStartPositionWorld()), np.array(axial.GetLineEndPositionWorld())
    axial.SetLineEndPositionWorld(start + 0.5 * (end - start))
    line = read_line(axial)
    assert line.manual and line.plane is Plane.AXIAL and line.standard_error_mm is None
    assert line.length_mm == pytest.approx(found.measurement.in_plane(Plane.AXIAL).length_mm / 2)
    write_lines(found, lines)
    assert read_line(axial) == line
    overridden = with_lines(found, lines)
    assert overridden.measurement.in_plane(Plane.AXIAL) == line
    assert overridden.measurement.in_plane(Plane.CORONAL) == found.measurement.in_plane(Plane.CORONAL)
    rows = {row.what: row for row in overridden.rows}
    row = rows["Maximum diameter, axial plane"]
    assert (row.value, row.method, row.n_used) == (line.length_mm, "Line set by hand", 0)
    assert "standard error" not in row.parameters
    write_lines(found, lines, reset=True)
    assert read_line(axial) == found.measurement.in_plane(Plane.AXIAL)


def test_a_line_drawn_by_hand_is_never_written_to(segmentation):
    drawn = add_line((0, 0, 5), (30, 40, 5))
    before = drawn.GetMTime()
    found = measure_segment(segmentation, "tumor")
    for reset in (False, True):
        lines = write_lines(found, {Plane.AXIAL: drawn}, reset=reset)
        assert lines[Plane.AXIAL] is drawn
    assert drawn.GetMTime() == before and drawn.GetAttribute(MEASURED_LINE) is None
    line = with_lines(found, lines).measurement.in_plane(Plane.AXIAL)
    assert (line.length_mm, line.manual, line.slice_offset_mm) == (50, True, 5)
    assert with_lines(found, lines).measurement.mptd == line


@pytest.mark.parametrize(
    ("end", "plane"), [((9, 8, 0), Plane.AXIAL), ((9, 0, 8), Plane.CORONAL), ((0, 9, 8), Plane.SAGITTAL)]
)
def test_the_plane_of_a_drawn_line_is_found(scene, end, plane):
    line = add_line((0, 0, 0), end)
    assert read_line(line).plane is plane
    assert read_line(line, Plane.CORONAL).plane is Plane.CORONAL


def test_a_line_under_a_transform_is_read_in_the_world(segmentation):
    found = measure_segment(segmentation, "tumor")
    lines = write_lines(found)
    build.move(lines[Plane.AXIAL], build.translation(0, 0, 5))
    line = read_line(lines[Plane.AXIAL])
    assert line.manual
    assert line.start_ras == pytest.approx(np.add(found.measurement.in_plane(Plane.AXIAL).start_ras, (0, 0, 5)))


def test_unfinished_lines_are_refused(segmentation):
    found = measure_segment(segmentation, "tumor")
    lines = write_lines(found)
    lines[Plane.AXIAL].RemoveNthControlPoint(1)
    with pytest.raises(InputError, match="line tumor axial maximum diameter: the line has not two ends"):
        with_lines(found, lines)
    assert not is_measured(lines[Plane.AXIAL])
    write_lines(found, lines)
    assert lines[Plane.AXIAL].GetNumberOfControlPoints() == 1
    with pytest.raises(InputError, match="both ends of the line are at one place"):
        read_line(add_line((1, 2, 3), (1, 2, 3)))


def test_a_3d_line_and_a_short_axis_can_be_drawn(segmentation):
    found = measure_segment(segmentation, "tumor").measurement
    for diameter, name in ((found.longest_3d, "tumor 3D"), (found.short_axis, "tumor short axis")):
        assert read_line(write_line(diameter, name)) == diameter


def test_lines_survive_a_scene_bundle(scene, segmentation, tmp_path):
    found = measure_segment(segmentation, "tumor")
    lines = write_lines(found, sibling=segmentation)
    sagittal = lines[Plane.SAGITTAL]
    sagittal.SetLineEndPositionWorld(np.add(sagittal.GetLineEndPositionWorld(), (0, 1, 0)))
    moved = read_line(sagittal)
    path = tmp_path / "scene.mrb"
    assert scene.WriteToMRB(str(path))
    scene.Clear()
    assert scene.ReadFromMRB(str(path))
    for plane in (Plane.AXIAL, Plane.CORONAL):
        node = slicer.util.getNode(f"tumor {plane.value} maximum diameter")
        assert is_measured(node)
        assert read_line(node) == found.measurement.in_plane(plane)
    line = read_line(slicer.util.getNode("tumor sagittal maximum diameter"))
    assert line.manual and line.length_mm == pytest.approx(moved.length_mm)
