"""Sub-regions from segments of two scans: geometry on the real scene, and what must not be touched."""

import numpy as np
import pytest
import slicer
import vtk

from NPCRadiomicsRiskLib.mrml.subregions import (
    GTVR_OUTSIDE,
    SubRegionOutputs,
    SubRegionSettings,
    SubRegionsJob,
    subregion_rows,
)
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.geometry import as_vtk_matrix
from NPCResponseLib.phantom.grid import rotation_about
from Testing.subregion_nodes import PRE_GRID, RECURRENCE_GRID, add_ball, add_grid_volume, array_of_segment, rigid

GTV_CENTER, GTV_RADIUS = np.array([2.0, -3.0, 5.0]), 18.0
GTVR_CENTER, GTVR_RADIUS = np.array([12.0, -3.0, 5.0]), 9.0
BALL_CM3 = 4 / 3 * np.pi / 1000


def lens_cm3(first_radius, second_radius, distance):
    """Volume that two balls share."""
    a, b, d = first_radius, second_radius, distance
    if d <= abs(a - b):
        return BALL_CM3 * min(a, b) ** 3
    return np.pi * (a + b - d) ** 2 * (d * d + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * d) / 1000


@pytest.fixture
def tumor(scene):
    return add_ball("GTV", GTV_CENTER, GTV_RADIUS, PRE_GRID)


def recurrence(motion=None, center=GTVR_CENTER, radius=GTVR_RADIUS):
    """GTVr as drawn on the recurrence scan, where the head lies elsewhere."""
    motion = np.eye(4) if motion is None else motion
    back = np.linalg.inv(motion)
    return add_ball("GTVr", back[:3, :3] @ center + back[:3, 3], radius, RECURRENCE_GRID)


def transform_node(matrix, name="recurrence to pre"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(as_vtk_matrix(matrix))
    return node


MOTION = rigid(rotation_about(9, -6, 12), (11, -7, 4))


def test_volumes_are_those_of_the_balls_through_a_transform(tumor):
    result = SubRegionsJob(tumor, recurrence(MOTION), transform=transform_node(MOTION)).run()
    volumes = result.regions.volumes_cm3
    shared = lens_cm3(GTV_RADIUS, GTVR_RADIUS, np.linalg.norm(GTV_CENTER - GTVR_CENTER))
    assert volumes["GTV"] == pytest.approx(BALL_CM3 * GTV_RADIUS**3, rel=0.02)
    assert volumes["GTVr"] == pytest.approx(shared, rel=0.04)
    assert volumes["GTVnr"] == pytest.approx(volumes["GTV"] - volumes["GTVr"], rel=1e-9)
    assert result.regions.gtvr_outside_cm3 == pytest.approx(BALL_CM3 * GTVR_RADIUS**3 - shared, abs=0.12)


def test_segments_lie_where_the_tumor_was_drawn(tumor):
    result = SubRegionsJob(tumor, recurrence(MOTION), transform=transform_node(MOTION)).run()
    node = result.outputs.segmentation
    segmentation = node.GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
    assert names == ["GTV", "GTVr", "GTVnr", GTVR_OUTSIDE]
    reference = add_grid_volume(PRE_GRID, "reference")
    center = np.linalg.inv(PRE_GRID.ijk_to_ras) @ [*GTVR_CENTER, 1]
    i, j, k = np.rint(center[:3]).astype(int)
    masks = {name: array_of_segment(node, name, reference) for name in names}
    assert masks["GTVr"][k, j, i]
    assert not masks["GTVnr"][k, j, i]
    assert not (masks["GTVr"] & masks["GTVnr"]).any()
    np.testing.assert_array_equal(masks["GTVr"] | masks["GTVnr"], masks["GTV"])


def test_the_user_s_segmentations_and_transform_stay_as_they_were(tumor):
    gtvr, transform = recurrence(MOTION), transform_node(MOTION)
    before = [node.GetSegmentation().GetNumberOfSegments() for node in (tumor[0], gtvr[0])]
    times = [segmentation[0].GetSegmentation().GetSegment(segmentation[1]).GetMTime() for segmentation in (tumor, gtvr)]
    SubRegionsJob(tumor, gtvr, transform=transform).run()
    assert [node.GetSegmentation().GetNumberOfSegments() for node in (tumor[0], gtvr[0])] == before
    assert [
        segmentation[0].GetSegmentation().GetSegment(segmentation[1]).GetMTime() for segmentation in (tumor, gtvr)
    ] == times
    assert gtvr[0].GetParentTransformNode() is None


def test_a_transform_that_is_above_the_segmentation_is_not_applied_twice(tumor):
    gtvr, transform = recurrence(MOTION), transform_node(MOTION)
    apart = SubRegionsJob(tumor, gtvr, transform=transform).run().regions.volumes_cm3["GTVr"]
    gtvr[0].SetAndObserveTransformNodeID(transform.GetID())
    result = SubRegionsJob(tumor, gtvr, transform=transform).run()
    assert result.regions.volumes_cm3["GTVr"] == pytest.approx(apart, rel=0.02)
    assert "already under" in result.notes[0]


def test_a_chain_of_transforms_is_one(tumor):
    first, second = rigid(rotation_about(4, 0, 3), (5, 0, 2)), rigid(rotation_about(0, 5, 0), (0, -6, 1))
    whole = second @ first
    inner, outer = transform_node(first, "to CT"), transform_node(second, "CT to MRI")
    inner.SetAndObserveTransformNodeID(outer.GetID())
    chained = SubRegionsJob(tumor, recurrence(whole), transform=inner).run().regions.volumes_cm3
    single = SubRegionsJob(tumor, recurrence(whole), transform=transform_node(whole)).run().regions.volumes_cm3
    assert chained == pytest.approx(single)


def test_a_warp_that_shifts_gives_what_the_shift_gives(tumor):
    shift = rigid(np.eye(3), (6.0, 4.0, -5.0))
    grid = vtk.vtkImageData()
    grid.SetDimensions(2, 2, 2)
    grid.SetOrigin(-200, -200, -200)
    grid.SetSpacing(400, 400, 400)
    grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
    for index in range(8):
        grid.GetPointData().GetScalars().SetTuple3(index, 6.0, 4.0, -5.0)
    warp = vtk.vtkOrientedGridTransform() if hasattr(vtk, "vtkOrientedGridTransform") else vtk.vtkGridTransform()
    warp.SetDisplacementGridData(grid)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "warp")
    node.SetAndObserveTransformToParent(warp)
    warped = SubRegionsJob(tumor, recurrence(shift), transform=node).run().regions.volumes_cm3
    shifted = SubRegionsJob(tumor, recurrence(shift), transform=transform_node(shift)).run().regions.volumes_cm3
    assert warped["GTVr"] == pytest.approx(shifted["GTVr"], rel=0.06)


def test_a_second_run_updates_the_same_nodes(tumor):
    gtvr = recurrence()
    first = SubRegionsJob(tumor, gtvr).run().outputs
    inside = add_ball("GTVr inside", GTV_CENTER, 5.0, PRE_GRID)
    second = SubRegionsJob(tumor, inside).run(SubRegionOutputs(first.segmentation, first.table)).outputs
    assert (second.segmentation, second.table) == (first.segmentation, first.table)
    names = [
        first.segmentation.GetSegmentation().GetNthSegment(n).GetName()
        for n in range(first.segmentation.GetSegmentation().GetNumberOfSegments())
    ]
    assert names == ["GTV", "GTVr", "GTVnr"], "the part outside of the earlier run is gone"


def test_dose_tells_where_the_recurrence_is(tumor):
    dose = add_grid_volume(RECURRENCE_GRID, "dose", 70.0)
    settings = SubRegionSettings(prescription_gy=70.0)
    result = SubRegionsJob(tumor, recurrence(), settings, dose=dose).run()
    assert result.in_field.category == "in-field"
    assert ("Recurrence relative to the dose", "in-field", "") in subregion_rows(result)


def test_result_survives_saving_and_loading(tumor, tmp_path):
    from NPCResponseLib.mrml import files

    result = SubRegionsJob(tumor, recurrence()).run()
    path = tmp_path / "regions.seg.nrrd"
    files.save_node(result.outputs.segmentation, path)
    again = files.load_segmentation(path)
    names = [
        again.GetSegmentation().GetNthSegment(n).GetName() for n in range(again.GetSegmentation().GetNumberOfSegments())
    ]
    assert names == ["GTV", "GTVr", "GTVnr", GTVR_OUTSIDE]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda tumor: SubRegionsJob(tumor, tumor), "the same segment"),
        (lambda tumor: SubRegionsJob(tumor, recurrence(center=np.add(GTV_CENTER, [0, 0, 29]))).run(), "outside"),
        (lambda tumor: SubRegionsJob(tumor, recurrence(center=GTV_CENTER, radius=30)).run(), "covers the whole GTV"),
        (
            lambda tumor: SubRegionsJob(tumor, recurrence(), dose=add_grid_volume(PRE_GRID, "dose", 70.0)),
            "prescribed dose is not known",
        ),
        (
            lambda tumor: SubRegionsJob(
                tumor, recurrence(), transform=transform_node(rigid(np.eye(3), (0, 0, 4000)))
            ).run(),
            "GTVr",
        ),
        (lambda tumor: SubRegionSettings(minimum_island_mm3=-1), "must not be negative"),
        (lambda tumor: SubRegionSettings(isodose=95), "makes no sense"),
    ],
    ids=["same segment", "outside", "covers", "no prescription", "far away", "islands", "isodose"],
)
def test_what_cannot_be_divided_is_said_in_a_sentence(tumor, make, words):
    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match=words):
        make(tumor)
    added = slicer.mrmlScene.GetNumberOfNodes() - count
    names = [slicer.mrmlScene.GetNthNode(count + n).GetName() for n in range(added)]
    assert "Sub-regions" not in names


def test_an_output_that_is_an_input_is_refused(tumor):
    gtvr = recurrence()
    with pytest.raises(InputError, match="both input and output"):
        SubRegionsJob(tumor, gtvr).run(SubRegionOutputs(segmentation=gtvr[0]))
