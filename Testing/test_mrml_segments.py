"""Segments land on the right voxels of an image, wherever both are, and what is lost is told."""

import numpy as np
import pytest
import slicer
import vtk

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.segments import segment_id_by_name, segment_mask
from Testing import scene_nodes as build

CENTER_RAS = (build.OBLIQUE @ (10, 12, 1.5, 1))[:3]


def about_center(matrix: np.ndarray) -> np.ndarray:
    return build.translation(*CENTER_RAS) @ matrix @ build.translation(*-CENTER_RAS)


MOVED = about_center(build.translation(2, -3, 4) @ build.rotation("y", 20) @ build.rotation("x", -8))
OTHER_MOVED = about_center(build.translation(-3, 2, 2) @ build.rotation("z", 12))
FINE_GRID = build.OBLIQUE @ build.translation(2.2, 3.1, 0.4) @ np.diag([0.5, 0.5, 0.25, 1])
FINE_SHAPE = (12, 30, 26)


@pytest.fixture
def image(scene):
    return build.add_volume(np.zeros(build.SHAPE, np.float32), "image")


def expected_mask(mask, mask_to_ras, mask_to_world, image_to_ras, image_to_world, shape=build.SHAPE) -> np.ndarray:
    """Nearest neighbor by hand: every voxel of the image asks which voxel of the mask it is in."""
    ijk = np.indices(shape)[::-1].reshape(3, -1)
    ijk = np.vstack([ijk, np.ones(ijk.shape[1])])
    to_mask = np.linalg.inv(mask_to_world @ mask_to_ras) @ image_to_world @ image_to_ras
    i, j, k = np.rint(to_mask @ ijk)[:3].astype(int)
    inside = np.logical_and.reduce([(n >= 0) & (n < size) for n, size in zip((k, j, i), mask.shape, strict=True)])
    values = np.zeros(inside.size, dtype=bool)
    values[inside] = mask[k[inside], j[inside], i[inside]]
    return values.reshape(shape)


@pytest.mark.parametrize("image_moved", [False, True], ids=["image as it is", "image moved"])
@pytest.mark.parametrize("segmentation_moved", [False, True], ids=["segments as they are", "segments moved"])
def test_mask_honors_both_parent_transforms(image, image_moved, segmentation_moved):
    """On a finer, shifted grid of its own, and each node under its own rotation and translation."""
    drawn = build.add_volume(np.zeros(FINE_SHAPE, np.float32), "drawn on", ijk_to_ras=FINE_GRID)
    mask = build.box(slice(1, 11), slice(3, 26), slice(4, 22), FINE_SHAPE)
    segmentation = build.add_segmentation(drawn, tumor=mask)
    to_world = {"image": np.eye(4), "segments": np.eye(4)}
    if image_moved:
        build.move(image, MOVED)
        to_world["image"] = MOVED
    if segmentation_moved:
        build.move(segmentation, MOVED @ OTHER_MOVED if image_moved else OTHER_MOVED)
        to_world["segments"] = MOVED @ OTHER_MOVED if image_moved else OTHER_MOVED
    found = segment_mask(segmentation, "tumor", image)
    expected = expected_mask(mask, FINE_GRID, to_world["segments"], build.OBLIQUE, to_world["image"])
    assert expected.sum() > 20
    # A voxel whose center falls on the border of two may go either way.
    assert np.count_nonzero(found.mask != expected) <= 0.02 * expected.sum()


def test_on_its_own_grid_a_mask_is_exact(image):
    segmentation = build.add_segmentation(image, tumor=build.box())
    for matrix in (None, MOVED):
        if matrix is not None:
            build.move(image, matrix)
            segmentation.SetAndObserveTransformNodeID(image.GetTransformNodeID())
        found = segment_mask(segmentation, "tumor", image)
        assert np.array_equal(found.mask, build.box())
        assert found.n_native_voxels == 200
        assert found.volume_ml == pytest.approx(200 * 1.2 * 1.5 * 6 / 1000)
        assert found.outside_fraction == 0


def test_a_warp_above_the_segmentation_is_honored(image):
    """A displacement of one voxel along i, as a grid transform."""
    segmentation = build.add_segmentation(image, tumor=build.box())
    shift = build.OBLIQUE[:3, 0]
    displacement = vtk.vtkImageData()
    displacement.SetDimensions(3, 3, 3)
    displacement.SetSpacing(200, 200, 200)
    displacement.SetOrigin(-200, -200, -200)
    displacement.AllocateScalars(vtk.VTK_DOUBLE, 3)
    for component in range(3):
        displacement.GetPointData().GetScalars().FillComponent(component, shift[component])
    warp = vtk.vtkOrientedGridTransform() if hasattr(vtk, "vtkOrientedGridTransform") else vtk.vtkGridTransform()
    warp.SetDisplacementGridData(displacement)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformToParent(warp)
    segmentation.SetAndObserveTransformNodeID(node.GetID())
    found = segment_mask(segmentation, "tumor", image)
    assert np.array_equal(found.mask, np.roll(build.box(), 1, axis=2))


def test_segments_that_share_a_layer_or_overlap_are_told_apart(image):
    tumor, air, rim = build.box(), build.box(i=slice(0, 4)), build.box(i=slice(10, 18))
    segmentation = build.add_segmentation(image, tumor=tumor, air=air, rim=rim)
    for collapsed in (False, True):
        if collapsed:
            segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
            assert segmentation.GetSegmentation().GetNumberOfLayers() == 2
        for name, mask in (("tumor", tumor), ("air", air), ("rim", rim)):
            found = segment_mask(segmentation, name, image)
            assert np.array_equal(found.mask, mask), name
            assert found.n_native_voxels == mask.sum(), name


def test_volume_is_that_of_the_segments_own_grid(image):
    """A ball of 6 mm on 0.5 mm voxels: on the image's 6 mm slices its volume would be a quarter off."""
    grid = build.OBLIQUE @ build.translation(10, 12, 1.5) @ np.diag([0.5 / 1.2, 0.5 / 1.5, 0.5 / 6, 1])
    k, j, i = np.indices((30, 30, 30)) - 15
    ball = (k**2 + j**2 + i**2) * 0.25 <= 36
    fine = build.add_volume(np.zeros(ball.shape, np.float32), ijk_to_ras=grid)
    found = segment_mask(build.add_segmentation(fine, tumor=ball), "tumor", image)
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 6**3 / 1000, rel=0.02)
    assert found.volume_ml == pytest.approx(ball.sum() * 0.125 / 1000)


def test_scaling_transforms_count_in_the_volume(image):
    segmentation = build.add_segmentation(image, tumor=build.box())
    build.move(segmentation, np.diag([1.1, 1.0, 1.0, 1.0]))
    assert segment_mask(segmentation, "tumor", image).volume_ml == pytest.approx(1.1 * 200 * 10.8 / 1000)


def test_share_outside_the_image_is_told(image):
    """Moved by six of its ten columns over the left edge: four of ten are lost."""
    segmentation = build.add_segmentation(image, tumor=build.box(i=slice(2, 12)))
    build.move(segmentation, build.translation(*(-6 * build.OBLIQUE[:3, 0])))
    found = segment_mask(segmentation, "tumor", image)
    assert found.outside_fraction == pytest.approx(0.4)
    assert np.array_equal(found.mask, build.box(i=slice(0, 6)))


def test_a_surface_is_measured_without_changing_its_segmentation(image):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(9)
    sphere.SetCenter(*CENTER_RAS)
    sphere.SetThetaResolution(48)
    sphere.SetPhiResolution(48)
    sphere.Update()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surface")
    segmentation.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segment = slicer.vtkSegment()
    segment.SetName("tumor")
    segment.AddRepresentation("Closed surface", sphere.GetOutput())
    segmentation.GetSegmentation().AddSegment(segment, "tumor")
    before = segmentation.GetMTime()
    found = segment_mask(segmentation, "tumor", image)
    assert not segmentation.GetSegmentation().ContainsRepresentation("Binary labelmap")
    assert segmentation.GetMTime() == before
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 9**3 / 1000, rel=0.03)
    assert found.mask.sum() * 10.8 / 1000 == pytest.approx(found.volume_ml, rel=0.2)


def test_nothing_is_added_to_the_scene(scene, image):
    segmentation = build.add_segmentation(image, tumor=build.box())
    nodes = scene.GetNumberOfNodes()
    before = segmentation.GetMTime(), image.GetMTime()
    segment_mask(segmentation, "tumor", image)
    assert (segmentation.GetMTime(), image.GetMTime()) == before
    assert scene.GetNumberOfNodes() == nodes


# -- refusals --


@pytest.mark.parametrize("mask", [None, np.zeros(build.SHAPE, bool)], ids=["never drawn", "erased"])
@pytest.mark.parametrize("others", [{}, {"node": build.box()}], ids=["alone", "beside another"])
def test_an_empty_segment_is_refused_by_name(image, mask, others):
    segmentation = build.add_segmentation(image, **others, tumor=mask)
    with pytest.raises(InputError, match="segment tumor of segmentation Regions: the segment is empty"):
        segment_mask(segmentation, "tumor", image)
    assert not segment_mask(segmentation, "tumor", image, allow_empty=True).mask.any()


def test_a_segment_outside_the_image_is_refused_by_name(image):
    segmentation = build.add_segmentation(image, tumor=build.box())
    build.move(segmentation, build.translation(500, 0, 0))
    with pytest.raises(InputError, match="segment tumor of segmentation Regions: the segment lies outside the image"):
        segment_mask(segmentation, "tumor", image)
    found = segment_mask(segmentation, "tumor", image, allow_empty=True)
    assert (found.outside_fraction, found.mask.any()) == (1, False)


def test_a_segment_between_the_voxels_is_refused(image):
    grid = build.OBLIQUE @ build.translation(10.3, 12, 1.5) @ np.diag([0.05, 0.05, 0.05, 1])
    fine = build.add_volume(np.zeros((3, 3, 3), np.float32), ijk_to_ras=grid)
    segmentation = build.add_segmentation(fine, tumor=np.ones((3, 3, 3), bool))
    with pytest.raises(InputError, match="holds no voxel of the image"):
        segment_mask(segmentation, "tumor", image)


def test_segments_are_found_by_name_or_id(image):
    segmentation = build.add_segmentation(image, tumor=build.box(), air=build.box())
    segmentation.GetSegmentation().GetSegment("air").SetName("Luft")
    assert segment_id_by_name(segmentation, "tumor") == "tumor"
    assert segment_id_by_name(segmentation, "Luft") == "air"
    assert segment_id_by_name(segmentation, "air") == "air"


def test_the_only_segment_needs_no_name(image):
    assert segment_id_by_name(build.add_segmentation(image, tumor=build.box()), "") == "tumor"


def test_a_long_list_of_segments_is_cut(image):
    names = {f"region{n}": build.box() for n in range(40)}
    with pytest.raises(InputError, match=r"region29 and 10 more\)"):
        segment_id_by_name(build.add_segmentation(image, **names), "")


def test_unclear_names_are_refused_with_the_choices(image):
    segmentation = build.add_segmentation(image, tumor=build.box(), air=build.box())
    with pytest.raises(InputError, match=r"several segments \(tumor, air\)"):
        segment_id_by_name(segmentation, "")
    with pytest.raises(InputError, match=r"no segment 'node'\. Choose one of: tumor, air"):
        segment_id_by_name(segmentation, "node")
    segmentation.GetSegmentation().AddEmptySegment("second", "tumor")
    segmentation.GetSegmentation().GetSegment("tumor").SetName("GTV")
    segmentation.GetSegmentation().GetSegment("second").SetName("GTV")
    with pytest.raises(InputError, match="2 segments are named 'GTV'"):
        segment_id_by_name(segmentation, "GTV")


def test_a_segmentation_without_segments_is_refused(scene):
    with pytest.raises(InputError, match="nothing: it has no segments"):
        segment_id_by_name(scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing"), "")


def test_a_segment_that_was_deleted_is_refused(image):
    segmentation = build.add_segmentation(image, tumor=build.box())
    with pytest.raises(InputError, match="no segment 'gone'"):
        segment_mask(segmentation, "gone", image)
