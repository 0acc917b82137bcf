"""Tumor blood flow on nodes: the phantom's truth, the paper's region, registration, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import slicer

from NPCResponseLib.asl_series import AslRole
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import volumes
from NPCResponseLib.mrml.asl_series import add_asl_series_to_scene
from NPCResponseLib.mrml.geometry import as_vtk_matrix, matrix_of
from NPCResponseLib.mrml.image_series import reference_volume
from NPCResponseLib.mrml.measured_values import remember_value, remembered_value, tbf_value
from NPCResponseLib.mrml.sample_data import add_phantom_segmentation
from NPCResponseLib.mrml.segments import segment_id_by_name
from NPCResponseLib.mrml.tbf import RoiAverage, TbfJob, TbfOutputs, TbfSettings
from NPCResponseLib.perfusion import PerfusionModel, PerfusionSettings, PerfusionStatus
from NPCResponseLib.phantom.asl import simulate_asl
from NPCResponseLib.phantom.grid import PhantomGrid, rotation_about
from NPCResponseLib.rois import SliceRule


def nodes_of(acquisition):
    """Series, segmentation, and the IDs of tumor and necrosis."""
    series = add_asl_series_to_scene(acquisition.series)
    segmentation = add_phantom_segmentation(acquisition, reference_volume(series), "regions")
    ids = {name: segment_id_by_name(segmentation, name) for name in ("tumor", "necrosis")}
    return series, segmentation, ids


def measure(acquisition, settings=None, **options):
    series, segmentation, ids = nodes_of(acquisition)
    job = TbfJob(series, settings, segmentation, ids["tumor"], [ids["necrosis"]], **options)
    return job.run()


@pytest.fixture(scope="module")
def noise_free():
    return simulate_asl("pre", snr=None)


def test_noise_free_tumor_is_what_eq2_makes_of_it(scene, noise_free):
    result = measure(noise_free)
    assert result.mean == pytest.approx(noise_free.eq2_by_region["viable_tumor"], rel=1e-4)
    assert result.perfusion.model is PerfusionModel.SINGLE_DELAY
    assert result.settings.slice_rule is SliceRule.LARGEST_SLICE_AND_NEIGHBORS
    assert len(result.slice_means.by_slice) == 3


def test_several_delays_give_the_true_flow_and_transit_time(scene):
    acquisition = simulate_asl("pre", snr=None, post_labeling_delays_ms=(500, 1000, 1500, 2000, 2500, 3000), n_pairs=1)
    result = measure(acquisition, TbfSettings(PerfusionSettings(t1_tissue_ms=1500)))
    assert result.perfusion.model is PerfusionModel.KINETIC
    assert result.mean == pytest.approx(acquisition.truth_by_region["viable_tumor"], rel=5e-3)
    tumor = result.used_mask
    transit = slicer.util.arrayFromVolume(result.outputs.transit_time)[tumor]
    np.testing.assert_allclose(transit, acquisition.truth_transit_time_ms[tumor], atol=5)


def test_both_averages_are_available_and_named(scene, noise_free):
    by_slices = measure(noise_free)
    pooled = measure(noise_free, TbfSettings(average=RoiAverage.POOLED))
    assert pooled.mean == pooled.roi.mean
    assert by_slices.mean == pytest.approx(np.mean([part.mean for part in by_slices.slice_means.by_slice]))
    assert "mean of the slices' means" in by_slices.measurements[0].roi_rule
    assert "mean of all voxels" in pooled.measurements[0].roi_rule


def test_rows_hold_what_a_repetition_needs(scene, noise_free):
    rows = {row.what: row for row in measure(noise_free).measurements}
    parameters = rows["TBF mean"].parameters
    for fragment in (
        "post-labeling delay: 2025 ms",
        "label duration (tau): 1500 ms",
        "T1 of blood: 1650 ms",
        "0.9 mL/g",
    ):
        assert fragment in parameters
    assert "assumed" in parameters
    assert rows["TBF mean"].unit == "mL/100g/min"
    assert rows["TBF mean"].excluded_reasons.startswith("segment necrosis: ")
    assert {"TBF standard error of the mean", "TBF mean of all voxels", "Volume of the segment"} <= rows.keys()
    assert sum(what.startswith("TBF mean of slice") for what in rows) == 3


def test_maps_lie_on_the_grid_with_unit_and_quantity(scene, noise_free):
    outputs = measure(noise_free).outputs
    np.testing.assert_allclose(matrix_of(outputs.tbf), noise_free.series.ijk_to_ras, atol=1e-6)
    assert outputs.tbf.GetVoxelValueUnits().GetCodeMeaning() == "mL/100g/min"
    status = slicer.util.arrayFromVolume(outputs.status)
    assert set(np.unique(status)) <= {int(code) for code in PerfusionStatus}
    assert (slicer.util.arrayFromVolume(outputs.tbf)[status == PerfusionStatus.LOW_M0] == 0).all()


def test_a_second_run_updates_the_same_nodes(scene, noise_free):
    series, segmentation, ids = nodes_of(noise_free)
    first = TbfJob(series, segmentation=segmentation, segment_id=ids["tumor"]).run()
    n_nodes = slicer.mrmlScene.GetNumberOfNodes()
    second = TbfJob(series, segmentation=segmentation, segment_id=ids["tumor"]).run(first.outputs)
    assert second.outputs.nodes() == first.outputs.nodes()
    assert slicer.mrmlScene.GetNumberOfNodes() == n_nodes


def test_inputs_are_left_as_they_were(scene, noise_free):
    series, segmentation, ids = nodes_of(noise_free)
    before = [slicer.util.arrayFromVolume(series.GetNthDataNode(n)).copy() for n in range(3)]
    TbfJob(series, segmentation=segmentation, segment_id=ids["tumor"]).run()
    for n, array in enumerate(before):
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(series.GetNthDataNode(n)), array)
    with pytest.raises(InputError, match="both input and output"):
        TbfJob(series).run(TbfOutputs(tbf=reference_volume(series)))


def test_maps_only_without_a_segment(scene, noise_free):
    series, _segmentation, _ids = nodes_of(noise_free)
    result = TbfJob(series).run()
    assert (result.mean, result.roi, result.measurements, result.outputs.table) == (None, None, (), None)
    assert result.outputs.tbf is not None


def shifted_anatomy(acquisition, shift_ras, turn_deg=0.0):
    """The M0 image as an anatomical volume whose scanner coordinates are off by a known rigid motion."""
    motion = np.eye(4)
    motion[:3, :3] = rotation_about(0, 0, turn_deg)
    motion[:3, 3] = shift_ras
    image = acquisition.series.volumes[acquisition.series.indices(AslRole.M0)[0]]
    return volumes.add_volume(image, motion @ acquisition.series.ijk_to_ras, "T1"), motion


def test_registration_brings_the_region_of_the_anatomy_to_the_flow_map(scene):
    acquisition = simulate_asl("pre", snr=100)
    series = add_asl_series_to_scene(acquisition.series)
    anatomy, motion = shifted_anatomy(acquisition, (6.0, -4.0, 3.0), 3.0)
    segmentation = add_phantom_segmentation(acquisition, anatomy, "regions drawn on T1")
    tumor = segment_id_by_name(segmentation, "tumor")
    settings = TbfSettings(slice_rule=SliceRule.WHOLE_VOLUME)
    direct = TbfJob(series, settings, segmentation, tumor).run()
    registered = TbfJob(series, settings, segmentation, tumor, anatomy=anatomy).run()
    expected = acquisition.region_mask("tumor")
    overlap = {}
    for name, result in (("direct", direct), ("registered", registered)):
        both = np.count_nonzero(result.roi_mask & expected)
        overlap[name] = 2 * both / (np.count_nonzero(result.roi_mask) + np.count_nonzero(expected))
    assert overlap["registered"] > 0.95 > overlap["direct"]
    transform = registered.outputs.transform
    assert registered.outputs.tbf.GetParentTransformNode() is transform
    assert reference_volume(series).GetParentTransformNode() is None
    corner = np.array([10.0, 20.0, -10.0, 1.0])
    found = np.array([transform.GetMatrixTransformToParent().MultiplyPoint(corner)])[0]
    np.testing.assert_allclose(found, motion @ corner, atol=0.7)


def test_an_anatomy_under_a_transform_is_honored(scene):
    acquisition = simulate_asl("pre", snr=100)
    series = add_asl_series_to_scene(acquisition.series)
    anatomy, _motion = shifted_anatomy(acquisition, (0.0, 0.0, 0.0))
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    far = np.eye(4)
    far[:3, 3] = (30.0, 0.0, 0.0)
    parent.SetMatrixTransformToParent(as_vtk_matrix(far))
    anatomy.SetAndObserveTransformNodeID(parent.GetID())
    reference_volume(series).SetAndObserveTransformNodeID(parent.GetID())
    result = TbfJob(series, anatomy=anatomy).run()
    world = result.outputs.transform.GetMatrixTransformToParent()
    np.testing.assert_allclose(world.MultiplyPoint((0, 0, 0, 1))[:3], (30, 0, 0), atol=0.5)


def test_motion_correction_runs_before_the_subtraction(scene):
    acquisition = simulate_asl("pre", snr=100, motion_mm=2.0, n_pairs=4)
    still, corrected = (measure(acquisition, TbfSettings(correct_motion=wanted)) for wanted in (False, True))
    truth = acquisition.eq2_by_region["viable_tumor"]
    assert corrected.motion is not None
    assert abs(corrected.mean - truth) < abs(still.mean - truth)


def test_ready_difference_needs_its_scale(scene, noise_free):
    product = simulate_asl("pre", snr=None, product_nex=3)
    series, segmentation, ids = nodes_of(product)
    result = TbfJob(series, segmentation=segmentation, segment_id=ids["tumor"], exclusion_ids=[ids["necrosis"]]).run()
    parameters = {parameter.name: parameter for parameter in result.perfusion.parameters}
    assert parameters["scale of the difference against M0"].value == 96
    typed_tissue = TbfSettings(PerfusionSettings(t1_tissue_ms=1500))
    assert measure(product, typed_tissue).mean == pytest.approx(product.eq2_by_region["viable_tumor"], rel=1e-3)
    unscaled = add_asl_series_to_scene(replace(product.series, perfusion_scale=None))
    with pytest.raises(InputError, match="32 x NEX"):
        TbfJob(unscaled).run()


def test_swapped_control_and_label_are_noticed(scene):
    swap = {AslRole.CONTROL: AslRole.LABEL, AslRole.LABEL: AslRole.CONTROL}
    acquisition = simulate_asl("pre", snr=None)
    roles = tuple(swap.get(role, role) for role in acquisition.series.roles)
    node = add_asl_series_to_scene(replace(acquisition.series, roles=roles))
    (warning,) = [text for text in TbfJob(node).run().perfusion.warnings if "negative flow" in text]
    assert "swapped" in warning


@pytest.mark.parametrize(
    ("missing", "fragment"),
    [
        ({"label_duration_ms": None}, "has no default"),
        ({"post_labeling_delays_ms": (None,) * 17}, "post-labeling delay is not in the data"),
        ({"field_strength_t": None}, "T1 of blood is needed"),
    ],
)
def test_what_the_data_lack_is_asked_for(scene, noise_free, missing, fragment):
    with pytest.raises(InputError, match=fragment):
        TbfJob(add_asl_series_to_scene(replace(noise_free.series, **missing))).run()


def test_a_table_remembers_its_value_in_a_saved_scene(scene, noise_free, tmp_path):
    from NPCResponseLib.mrml.files import save_scene

    result = measure(noise_free)
    remember_value(result.outputs.table, "tbf", tbf_value(result))
    name = result.outputs.table.GetName()
    save_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    table = slicer.mrmlScene.GetFirstNodeByName(name)
    value = remembered_value(table, "tbf")
    assert value == tbf_value(result)
    assert (value.field_strength_t, value.post_labeling_delay_ms) == (3.0, 2025.0)
    assert remembered_value(table, "r2star") is None


def test_oblique_grids_are_measured_alike(scene):
    grid = PhantomGrid.asl_demo(tilt_deg=(12.0, -7.0, 5.0))
    tilted = simulate_asl("pre", snr=None, grid=grid)
    assert measure(tilted).mean == pytest.approx(tilted.eq2_by_region["viable_tumor"], rel=1e-3)
