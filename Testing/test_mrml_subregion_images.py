"""Alignment, features and map on nodes of the real scene: where things lie, and what is refused."""

import numpy as np
import pytest
import slicer
import slicer.util

from NPCRadiomicsRiskLib.mrml.alignment import AlignmentJob, AlignmentOutputs, AlignmentSettings, points_by_name
from NPCRadiomicsRiskLib.mrml.features import FeatureOutputs, FeaturesJob
from NPCRadiomicsRiskLib.mrml.images import read_image
from NPCRadiomicsRiskLib.mrml.radioresistance import BOOST, MapJob
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings, texture_panel
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.geometry import as_array, as_vtk_matrix
from NPCResponseLib.phantom import PhantomGrid
from NPCResponseLib.phantom.grid import rotation_about
from NPCResponseLib.phantom.recurrence import simulate_recurrence
from Testing.subregion_nodes import (
    PRE_GRID,
    add_ball,
    add_grid_volume,
    add_segment_node,
    array_of_segment,
    points_of,
    rigid,
)

NATIVE = TextureSettings(resampling="none", outliers="none", n_levels=32)


@pytest.fixture(scope="module")
def patient():
    """Coarse scans of one simulated patient."""
    return simulate_recurrence(
        seed=3,
        pre_grid=PhantomGrid.axial((26, 120, 90), (5, 2, 2), center_ras=(0, 4, -8)),
        recurrence_grid=PhantomGrid.axial((26, 120, 90), (5, 2, 2), center_ras=(3, 8, -6), tilt_deg=(-4, 2, 3)),
        n_subslices=1,
    )


def textured(seed=0):
    """A volume of smooth noise, and two halves of a ball in it."""
    values = 500 + 80 * np.random.default_rng(seed).standard_normal(PRE_GRID.shape_kji)
    volume = add_grid_volume(PRE_GRID, "image", values)
    points = points_of(PRE_GRID)
    inside = np.linalg.norm(points - [2, -3, 5], axis=-1) <= 14
    halves = {"GTVr": inside & (points[..., 0] > 2), "GTVnr": inside & (points[..., 0] <= 2)}
    return volume, halves, {name: add_segment_node(name, mask, PRE_GRID) for name, mask in halves.items()}


def column(table, name):
    found = table.GetTable().GetColumnByName(name)
    return [found.GetValue(n) for n in range(found.GetNumberOfTuples())]


# -- alignment --


def test_transform_takes_the_moving_scan_to_the_fixed_one_in_world_coordinates(scene, patient):
    fixed = add_grid_volume(patient.pre_grid, "pre", patient.pre)
    moving = add_grid_volume(patient.recurrence_grid, "recurrence", patient.recurrence)
    shown_elsewhere = rigid(rotation_about(0, 0, 25), (30, -12, 8))
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "table")
    parent.SetMatrixTransformToParent(as_vtk_matrix(shown_elsewhere))
    fixed.SetAndObserveTransformNodeID(parent.GetID())
    true_world = shown_elsewhere @ patient.moving_to_fixed_ras
    given = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "given")
    given.SetMatrixTransformToParent(as_vtk_matrix(true_world))
    landmarks = {}
    for name, points, to_world in (
        ("first", patient.landmarks_pre_ras, shown_elsewhere),
        ("second", patient.landmarks_recurrence_ras, np.eye(4)),
    ):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
        for label, point in points.items():
            node.AddControlPointWorld(*(to_world[:3, :3] @ point + to_world[:3, 3]), label)
        landmarks[name] = node
    gtv = add_segment_node("GTV", patient.masks_pre["GTV"], patient.pre_grid)
    gtv[0].SetAndObserveTransformNodeID(parent.GetID())
    settings = AlignmentSettings(region_size_mm=(70, 70, 70))
    job = AlignmentJob(
        fixed,
        moving,
        settings,
        region=gtv,
        fixed_landmarks=landmarks["first"],
        moving_landmarks=landmarks["second"],
        given_transform=given,
    )
    result = job.run(AlignmentOutputs())
    np.testing.assert_allclose(result.alignment.moving_to_fixed_ras, true_world, atol=1e-9)
    assert max(result.alignment.quality.landmark_errors_mm.values()) < 1e-6
    assert result.outputs.transform is given
    aligned = read_image(result.outputs.aligned)
    np.testing.assert_allclose(aligned.ijk_to_world, read_image(fixed).ijk_to_world, atol=1e-9)
    assert moving.GetParentTransformNode() is None


def test_found_transform_lays_the_landmarks_on_each_other(scene, patient):
    fixed = add_grid_volume(patient.pre_grid, "pre", patient.pre)
    moving = add_grid_volume(patient.recurrence_grid, "recurrence", patient.recurrence)
    gtv = add_segment_node("GTV", patient.masks_pre["GTV"], patient.pre_grid)
    told = []
    result = AlignmentJob(fixed, moving, region=gtv).run(progress=told.append)
    matrix = as_array(result.outputs.transform.GetMatrixTransformToParent())
    errors = [
        np.linalg.norm(matrix[:3, :3] @ patient.landmarks_recurrence_ras[name] + matrix[:3, 3] - point)
        for name, point in patient.landmarks_pre_ras.items()
    ]
    assert max(errors) < 2.5
    assert result.alignment.reliable
    assert told == sorted(told) and told[-1] == 1.0
    before = result.outputs
    again = AlignmentJob(fixed, moving, region=gtv).run(
        AlignmentOutputs(before.transform, before.aligned, before.table)
    )
    assert again.outputs == before
    np.testing.assert_array_equal(again.alignment.moving_to_fixed_ras, result.alignment.moving_to_fixed_ras)


def test_closing_the_steps_cancels(scene, patient):
    fixed = add_grid_volume(patient.pre_grid, "pre", patient.pre)
    moving = add_grid_volume(patient.recurrence_grid, "recurrence", patient.recurrence)
    steps = AlignmentJob(fixed, moving).steps()
    next(steps)
    steps.close()
    for node_class, count in (("vtkMRMLVolumeNode", 2), ("vtkMRMLTransformNode", 0), ("vtkMRMLTableNode", 0)):
        assert len(slicer.util.getNodesByClass(node_class)) == count


def test_names_that_slicer_gives_to_points_fit_by_their_number(scene):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    node.AddControlPoint(1, 2, 3)
    node.AddControlPoint(4, 5, 6, "Clivus")
    found = points_by_name(node)
    assert set(found) == {"1", "clivus"}
    np.testing.assert_array_equal(found["1"], [1, 2, 3])


# -- features --


def test_table_holds_what_the_panel_gives_for_the_arrays(scene):
    volume, halves, regions = textured()
    result = FeaturesJob(volume, regions, NATIVE).run()
    direct = texture_panel(slicer.util.arrayFromVolume(volume), halves, PRE_GRID.spacing_mm_kji, NATIVE)
    table = result.outputs.table
    assert column(table, "Feature") == list(FEATURE_NAMES)
    for region in ("GTVr", "GTVnr"):
        assert column(table, region) == pytest.approx([direct[region].values[name] for name in FEATURE_NAMES], rel=1e-6)
    differences = [direct["GTVr"].values[name] - direct["GTVnr"].values[name] for name in FEATURE_NAMES]
    assert column(table, "GTVr - GTVnr") == pytest.approx(differences, rel=1e-5, abs=1e-9)


def test_histograms_have_area_one_on_one_scale_and_the_chart_shows_both(scene):
    volume, _, regions = textured()
    outputs = FeaturesJob(volume, regions, NATIVE).run().outputs
    intensities = np.array(column(outputs.histogram_table, "Intensity"))
    width = intensities[1] - intensities[0]
    for region in ("GTVr", "GTVnr"):
        assert width * sum(column(outputs.histogram_table, region)) == pytest.approx(1.0)
    chart = outputs.chart
    names = [chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["GTVr", "GTVnr"]
    again = FeaturesJob(volume, regions, NATIVE).run(FeatureOutputs(outputs.table, outputs.histogram_table, chart))
    assert again.outputs == outputs
    assert chart.GetNumberOfPlotSeriesNodes() == 2


def test_a_region_under_a_transform_is_measured_where_it_is_shown(scene):
    volume, halves, regions = textured()
    shift = rigid(np.eye(3), PRE_GRID.ijk_to_ras[:3, 0] * 4)
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    parent.SetMatrixTransformToParent(as_vtk_matrix(shift))
    regions["GTVr"][0].SetAndObserveTransformNodeID(parent.GetID())
    result = FeaturesJob(volume, {"GTVr": regions["GTVr"]}, NATIVE).run()
    moved = np.roll(halves["GTVr"], 4, axis=2)
    expected = slicer.util.arrayFromVolume(volume)[moved].mean(dtype=np.float64)
    assert result.features["GTVr"].values["Intensity_Mean"] == pytest.approx(expected, rel=1e-9)


def test_an_image_of_eight_bits_is_told(scene):
    volume, _, regions = textured()
    array = (slicer.util.arrayFromVolume(volume) / 4).astype(np.uint8)
    slicer.util.updateVolumeFromArray(volume, array)
    assert any("8-bit" in warning for warning in FeaturesJob(volume, regions, NATIVE).run().warnings)


# -- map --


def test_map_and_boost_lie_on_the_image_inside_the_tumor(scene):
    volume, _, _ = textured()
    tumor = add_ball("GTV", [2, -3, 5], 14, PRE_GRID)
    result = MapJob(volume, tumor).run()
    inside = array_of_segment(tumor[0], "GTV", volume)
    values = slicer.util.arrayFromVolume(result.outputs.map)
    assert not values[~inside].any()
    boost = array_of_segment(result.outputs.segmentation, BOOST, volume)
    assert boost.any() and not (boost & ~inside).any()
    np.testing.assert_allclose(read_image(result.outputs.map).ijk_to_world, read_image(volume).ijk_to_world)
    assert any("xploratory" in warning for warning in result.warnings)


# -- what is refused --


def _without_image():
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")


def _color():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "color")
    slicer.util.updateVolumeFromArray(node, np.zeros((4, 5, 6, 3), dtype=np.uint8))
    return node


def _not_a_number():
    values = np.ones(PRE_GRID.shape_kji)
    values[3, 4, 5] = np.nan
    return add_grid_volume(PRE_GRID, "holes", values)


@pytest.mark.parametrize(
    ("make", "words"),
    [(_without_image, "no image"), (_color, "3 values per voxel"), (_not_a_number, "no number")],
    ids=["empty", "color", "NaN"],
)
def test_images_that_cannot_be_measured_are_refused(scene, make, words):
    with pytest.raises(InputError, match=words):
        read_image(make())


def test_wrong_choices_are_refused(scene, patient):
    volume = add_grid_volume(patient.pre_grid, "pre", patient.pre)
    with pytest.raises(InputError, match="same volume"):
        AlignmentJob(volume, volume)
    with pytest.raises(InputError, match="must be positive"):
        AlignmentSettings(region_size_mm=(100, 0, 100))
    with pytest.raises(InputError, match="no region"):
        FeaturesJob(volume, {})
    other = add_grid_volume(patient.recurrence_grid, "recurrence", patient.recurrence)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    with pytest.raises(InputError, match="in one scan only"):
        AlignmentJob(volume, other, fixed_landmarks=points)
    outside = add_ball("GTV", [2, -3, 5], 14, PRE_GRID)
    far = add_grid_volume(PhantomGrid.axial((5, 9, 9), (2, 1, 1), center_ras=(300, 0, 0)), "far", 1.0)
    with pytest.raises(InputError, match="outside"):
        FeaturesJob(far, {"GTVr": outside})
