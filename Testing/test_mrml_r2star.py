"""The whole R2* job on nodes: right numbers in the right place, nothing of the user's touched, nothing half-done."""

from dataclasses import replace

import numpy as np
import pytest
import slicer
import slicer.util

from NPCResponseLib.echo_series import EchoSeries
from NPCResponseLib.errors import InputError
from NPCResponseLib.field_gradient import dephasing
from NPCResponseLib.mrml import r2star as r2star_module
from NPCResponseLib.mrml import volumes
from NPCResponseLib.mrml.echo_series import add_echo_series_to_scene
from NPCResponseLib.mrml.geometry import matrix_of
from NPCResponseLib.mrml.r2star import R2StarJob, R2StarOutputs, R2StarSettings
from NPCResponseLib.relaxometry import R2StarMethod, VoxelStatus
from NPCResponseLib.rois import SliceRule
from Testing import scene_nodes as build

TIMES = build.ECHO_TIMES_MS
TOLERANCE_HZ = 2e-3  # float32 images of 80 Hz
MAPS = ("r2star", "t2star", "s0", "standard_error", "r_squared", "status")
WHOLE = R2StarSettings(echo_times_ms=TIMES, slice_rule=SliceRule.WHOLE_VOLUME)


def array(node) -> np.ndarray:
    return slicer.util.arrayFromVolume(node)


@pytest.fixture
def series(scene):
    return build.add_sequence()


@pytest.fixture
def regions(scene):
    """Tumor (200 voxels of two slices), a necrosis inside, and a segment nobody drew."""
    grid = build.add_volume(np.zeros(build.SHAPE, np.float32), "grid")
    return build.add_segmentation(
        grid, tumor=build.box(), necrosis=build.box(j=slice(9, 12), i=slice(8, 12)), empty=None
    )


# -- maps --


FORMS = {"sequence": build.add_sequence, "volumes": build.add_volumes, "components": build.add_vector_volume}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_maps_are_right_for_every_form_of_input(scene, make):
    outputs = R2StarJob(make(), WHOLE).run().outputs
    assert np.allclose(array(outputs.r2star), build.true_r2star(), atol=TOLERANCE_HZ)
    assert np.allclose(array(outputs.t2star), 1000 / build.true_r2star(), atol=0.01)
    assert np.allclose(array(outputs.s0), 1000, rtol=1e-4)
    assert np.allclose(array(outputs.r_squared), 1, atol=1e-4)
    assert not array(outputs.status).any()


def test_all_forms_give_identical_maps(scene):
    maps = [R2StarJob(make(), WHOLE).run().outputs for make in FORMS.values()]
    for name in MAPS:
        first, *others = (array(getattr(outputs, name)) for outputs in maps)
        assert all(np.array_equal(first, other) for other in others), name


def test_maps_lie_on_the_images_under_the_same_transform(scene):
    volumes_in = build.add_volumes()
    transform = build.add_transform(build.translation(5, 6, 7) @ build.rotation("x", 30))
    for volume in volumes_in:
        volume.SetAndObserveTransformNodeID(transform.GetID())
    outputs = R2StarJob(volumes_in, WHOLE).run().outputs
    for name in MAPS:
        node = getattr(outputs, name)
        assert np.allclose(matrix_of(node), build.OBLIQUE), name
        assert node.GetParentTransformNode() is transform, name


def test_maps_of_a_sequence_follow_the_transform_of_its_shown_volume(scene):
    node = add_echo_series_to_scene(echo_series())
    proxy = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")[0].GetProxyNode(node)
    build.move(proxy, build.translation(0, 0, 50))
    assert R2StarJob(node).run().outputs.r2star.GetParentTransformNode() is proxy.GetParentTransformNode()


def echo_series(**changes) -> EchoSeries:
    values = {
        "echoes": tuple(build.echoes()),
        "echo_times_ms": TIMES,
        "echo_times_source": "DICOM (0018,0081)",
        "ijk_to_ras": build.OBLIQUE,
        "field_strength_t": 3.0,
        "slice_thickness_mm": 5.0,
    }
    return EchoSeries(**(values | changes))


def test_voxels_without_a_value_are_zero_flagged_and_never_nan(scene):
    echoes = build.echoes()
    for echo in echoes:
        echo[0, 0, 0] = np.nan
    echoes[3][0, 0, 1] = np.inf
    for n, echo in enumerate(echoes):
        echo[0, 0, 2] = 100 + n  # grows
    outputs = R2StarJob([build.add_volume(echo, f"e{n}") for n, echo in enumerate(echoes)], WHOLE).run().outputs
    status = array(outputs.status)
    assert status.dtype == np.uint8
    assert [VoxelStatus(value) for value in status[0, 0, :3]] == [
        VoxelStatus.NON_FINITE,
        VoxelStatus.NON_FINITE,
        VoxelStatus.NON_DECAYING,
    ]
    for name in MAPS[:5]:
        values = array(getattr(outputs, name))
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert not values[0, 0, :3].any(), name


def test_a_map_is_never_written_with_nan(scene):
    reference = build.add_volume(np.zeros((1, 1, 4), np.float32))
    node = volumes.write_map(np.array([[[np.nan, np.inf, -np.inf, 7.5]]]), volumes.S0, "BOLD", reference)
    assert array(node).ravel().tolist() == [0, 0, 0, 7.5]


@pytest.mark.parametrize(
    ("name", "unit", "quantity", "window"),
    [
        ("r2star", "Hz", "R2*", (0, 100)),
        ("t2star", "ms", "T2*", (0, 100)),
        ("standard_error", "Hz", "R2* standard error", (0, 10)),
        ("r_squared", "1", "R^2", (0, 1)),
    ],
)
def test_maps_tell_unit_and_quantity_and_are_windowed(series, name, unit, quantity, window):
    node = getattr(R2StarJob(series).run().outputs, name)
    display = node.GetDisplayNode()
    assert node.GetVoxelValueUnits().GetCodeValue() == unit
    assert node.GetVoxelValueUnits().GetCodingSchemeDesignator() == "UCUM"
    assert node.GetVoxelValueQuantity().GetCodeMeaning() == quantity
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == window
    assert not display.GetAutoWindowLevel()
    assert display.GetColorNode().GetName() == "NPC blue to red"
    assert display.GetApplyThreshold()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
    assert legend.GetTitleText() in node.GetName()


def test_colors_run_from_blue_to_red_and_are_made_once(scene, series):
    R2StarJob(series).run()
    R2StarJob(series).run()
    tables = [node for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode") if node.GetName().startswith("NPC")]
    assert sorted(node.GetName() for node in tables) == ["NPC blue to red", "NPC voxel status"]
    color = [0.0] * 4
    for index, expected in ((0, [0, 0, 1, 1]), (255, [1, 0, 0, 1])):
        volumes.blue_to_red().GetColor(index, color)
        assert color == expected


def test_status_colors_are_named_and_ok_is_transparent(series):
    colors = R2StarJob(series).run().outputs.status.GetDisplayNode().GetColorNode()
    assert [colors.GetColorName(status) for status in VoxelStatus] == [status.label() for status in VoxelStatus]
    color = [1.0] * 4
    colors.GetColor(0, color)
    assert color[3] == 0


def test_two_echoes_have_no_standard_error_map(scene):
    result = R2StarJob(build.add_sequence(values=TIMES[:2], times_ms=TIMES[:2])).run()
    assert result.outputs.standard_error is None
    assert np.allclose(array(result.outputs.r2star), build.true_r2star(), atol=0.05)


# -- the user's nodes --


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_inputs_are_left_as_they_are(scene, regions, make):
    nodes = make()
    inputs = [*(nodes if isinstance(nodes, list) else [nodes]), regions]
    before = [build.fingerprint(node) for node in inputs]
    R2StarJob(nodes, WHOLE, regions, "tumor", ["necrosis"]).run()
    assert [build.fingerprint(node) for node in inputs] == before


def test_running_again_updates_the_same_nodes_and_keeps_their_display(scene, series, regions):
    first = R2StarJob(series, None, regions, "tumor").run()
    first.outputs.r2star.GetDisplayNode().SetWindowLevelMinMax(20, 60)
    first.outputs.r2star.SetName("my map")
    count = scene.GetNumberOfNodes()
    arlo = R2StarSettings(method=R2StarMethod.ARLO, slice_rule=SliceRule.WHOLE_VOLUME)
    second = R2StarJob(series, arlo, regions, "tumor").run(first.outputs)
    assert second.outputs == first.outputs
    assert scene.GetNumberOfNodes() == count
    assert first.outputs.r2star.GetName() == "my map"
    assert first.outputs.r2star.GetDisplayNode().GetWindowLevelMax() == 60
    assert table_of(second)["R2* mean"]["method"] == "ARLO"
    assert table_of(second)["R2* mean"]["n_used"] == "200"


def test_without_a_segment_old_numbers_are_cleared(series, regions):
    first = R2StarJob(series, None, regions, "tumor").run()
    second = R2StarJob(series).run(first.outputs)
    assert second.roi is None
    assert second.measurements == ()
    assert second.outputs.table.GetNumberOfRows() == 0
    chart = second.outputs.chart
    assert [chart.GetNthPlotSeriesNode(n).GetTableNode().GetNumberOfRows() for n in range(3)] == [0, 0, 0]


def test_without_a_segment_there_are_maps_only(series):
    outputs = R2StarJob(series).run().outputs
    assert (outputs.table, outputs.chart) == (None, None)


def test_only_some_outputs_given(series):
    mine = volumes.write_map(np.zeros(build.SHAPE), volumes.R2STAR, "mine", build.add_volume(np.zeros(build.SHAPE)))
    outputs = R2StarJob(series).run(R2StarOutputs(r2star=mine)).outputs
    assert outputs.r2star is mine
    assert np.allclose(array(mine), build.true_r2star(), atol=TOLERANCE_HZ)
    assert np.allclose(matrix_of(mine), build.OBLIQUE)


def test_an_input_cannot_be_an_output(scene):
    nodes = build.add_volumes()
    before = [build.fingerprint(node) for node in nodes]
    with pytest.raises(InputError, match="BOLD echo 2 is both input and output"):
        R2StarJob(nodes, WHOLE).run(R2StarOutputs(r2star=nodes[1]))
    assert [build.fingerprint(node) for node in nodes] == before


def test_one_node_for_two_outputs_is_refused(series):
    node = build.add_volume(np.zeros(build.SHAPE, np.float32))
    with pytest.raises(InputError, match="two outputs"):
        R2StarJob(series).run(R2StarOutputs(r2star=node, t2star=node))


def test_a_failure_while_writing_leaves_no_new_node(scene, series, regions, monkeypatch):
    job = R2StarJob(series, None, regions, "tumor")
    for _ in job.steps():
        pass
    nodes = scene.GetNumberOfNodes()

    def broken(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(r2star_module, "write_chart", broken)
    with pytest.raises(KeyboardInterrupt):
        job.finish()
    assert scene.GetNumberOfNodes() == nodes


def test_steps_tell_their_progress_and_touch_no_node(scene, series, regions):
    job = R2StarJob(series, None, regions, "tumor")
    nodes = scene.GetNumberOfNodes()
    fractions = list(job.steps())
    assert fractions == sorted(fractions)
    assert (fractions[0] > 0, fractions[-1]) == (True, 1)
    assert scene.GetNumberOfNodes() == nodes


def test_finishing_before_the_last_step_is_our_mistake(series):
    with pytest.raises(RuntimeError, match="before the last"):
        R2StarJob(series).finish()


def test_the_series_may_be_removed_while_the_job_runs(scene, series):
    job = R2StarJob(series)
    steps = job.steps()
    next(steps)
    scene.RemoveNode(series)
    for _ in steps:
        pass
    assert np.allclose(array(job.finish().outputs.r2star), build.true_r2star(), atol=TOLERANCE_HZ)


# -- the region --


def table_of(result) -> dict[str, dict[str, str]]:
    """The table node's rows by their first column."""
    table = result.outputs.table
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    rows = [[table.GetCellText(row, n) for n in range(len(names))] for row in range(table.GetNumberOfRows())]
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def test_statistics_rest_on_the_right_voxels(series, regions):
    result = R2StarJob(series, WHOLE, regions, "tumor", ["necrosis"]).run()
    used = build.box() & ~build.box(j=slice(9, 12), i=slice(8, 12))
    assert np.array_equal(result.roi_mask, build.box())
    assert np.array_equal(result.used_mask, used)
    assert result.roi.mean == pytest.approx(build.true_r2star()[used].mean(), abs=TOLERANCE_HZ)
    assert (result.roi.n_used, result.roi.n_excluded) == (176, {"segment necrosis": 24})
    assert (result.segment_name, result.exclusion_names) == ("tumor", ("necrosis",))


@pytest.mark.parametrize("transforms", ["image", "regions", "both"])
def test_region_is_found_through_parent_transforms(scene, regions, transforms):
    """Half a turn about the middle of the tumor, or one slice up, whichever node it is that moves."""
    nodes, up = build.add_volumes(), build.translation(*build.OBLIQUE[:3, 2])
    if transforms in ("image", "both"):
        transform = build.add_transform(np.linalg.inv(up) if transforms == "image" else build.rotation("x", 40))
        for node in nodes:
            node.SetAndObserveTransformNodeID(transform.GetID())
    if transforms != "image":
        build.move(regions, up if transforms == "regions" else build.rotation("x", 40) @ up)
    result = R2StarJob(nodes, WHOLE, regions, "tumor").run()
    assert np.array_equal(result.used_mask, build.box(k=slice(2, 4)))


def test_region_is_found_through_the_transform_of_the_shown_volume(scene, regions):
    """A sequence has no transform of its own; what the user moves is the volume that shows it."""
    node, turn = add_echo_series_to_scene(echo_series()), build.rotation("x", 40) @ build.translation(0, 0, 30)
    build.move(slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")[0].GetProxyNode(node), turn)
    build.move(regions, turn @ build.translation(*build.OBLIQUE[:3, 2]))
    assert np.array_equal(R2StarJob(node, WHOLE, regions, "tumor").run().used_mask, build.box(k=slice(2, 4)))


def test_slice_rule_and_erosion_shape_the_region(series, scene):
    mask = build.box(k=slice(1, 2)) | build.box(k=slice(2, 3), j=slice(5, 17), i=slice(4, 16))
    grid = build.add_volume(np.zeros(build.SHAPE, np.float32), "grid")
    settings = R2StarSettings(erosion_mm=1.6)  # one voxel of 1.2 or 1.5 mm
    result = R2StarJob(series, settings, build.add_segmentation(grid, tumor=mask), "tumor").run()
    assert np.array_equal(result.roi_mask, build.box(k=slice(2, 3), j=slice(6, 16), i=slice(5, 15)))
    assert table_of(result)["R2* mean"]["roi_rule"] == "Slice with the largest area, eroded by 1.6 mm"


def test_the_only_segment_needs_no_id(series, scene):
    grid = build.add_volume(np.zeros(build.SHAPE, np.float32), "grid")
    assert R2StarJob(series, WHOLE, build.add_segmentation(grid, gtv=build.box())).run().segment_name == "gtv"


def test_table_has_a_row_per_number_with_all_it_takes_to_repeat_it(series, regions):
    result = R2StarJob(series, WHOLE, regions, "tumor", ["necrosis"]).run()
    rows = table_of(result)
    mean = rows["R2* mean"]
    assert float(mean["value"]) == pytest.approx(result.roi.mean, rel=1e-4)
    assert (mean["unit"], mean["image"], mean["segment"]) == ("Hz", "BOLD", "tumor")
    assert (mean["n_used"], mean["n_excluded"], mean["excluded_reasons"]) == ("176", "24", "segment necrosis: 24")
    assert mean["method"] == "Non-linear least squares"
    for part in ("6.71 / 13.42", "typed by the user", "slices from 1: 2, 3", "left out: necrosis", "not corrected"):
        assert part in mean["parameters"]
    assert mean["software_version"].startswith("NPCImaging ")
    assert float(rows["Volume of the segment"]["value"]) == pytest.approx(200 * 1.2 * 1.5 * 6 / 1000, rel=1e-4)
    assert float(rows["Volume of the measured voxels"]["value"]) == pytest.approx(176 * 10.8 / 1000, rel=1e-4)
    assert float(rows["T2* mean"]["value"]) == pytest.approx(
        (1000 / build.true_r2star()[result.used_mask]).mean(), rel=1e-4
    )
    table = result.outputs.table
    assert table.GetColumnUnitLabel("n_used") == "voxels"
    assert len(rows) == table.GetNumberOfRows() == len(result.measurements)


def decay_of(result) -> dict[str, list[np.ndarray]]:
    """Echo times and signals of each plot series."""
    chart, curves = result.outputs.chart, {}
    for n in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(n)
        table = series.GetTableNode().GetTable()
        columns = [table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName())]
        curves[series.GetName()] = [np.array([c.GetValue(r) for r in range(c.GetNumberOfValues())]) for c in columns]
    return curves


def test_plot_shows_the_measured_means_their_scatter_and_the_fit(series, regions):
    result = R2StarJob(series, WHOLE, regions, "tumor").run()
    values = decay_of(result)
    measured = np.stack([echo[build.box()] for echo in build.echoes()])
    assert np.allclose(values["Mean"], [TIMES, measured.mean(axis=1)])
    bars = values["SD"][1].reshape(5, 3)
    assert np.allclose(bars[:, 1] - bars[:, 0], 2 * measured.std(axis=1, ddof=1))
    assert np.isnan(bars[:, 2]).all()
    fitted = np.interp(TIMES, *values["Fit"])
    assert np.allclose(fitted, measured.mean(axis=1), rtol=1e-3)
    assert values["Fit"][0][0] == 0
    assert result.outputs.chart.GetTitle().startswith(f"tumor: R2* {result.roi.mean:.1f} +/- ")


# -- field gradients --


def test_b0_map_on_another_grid_corrects_a_gradient(scene, regions):
    """40 Hz per slice thickness of 5 mm, told by a coarser map that was drawn in another frame."""
    slope_hz_per_mm, thickness_mm = 8.0, 5.0
    rate = np.full(build.SHAPE, 50.0)
    spread = np.full(rate.size, slope_hz_per_mm * thickness_mm)
    left = dephasing(spread, TIMES).reshape(5, *build.SHAPE)
    echoes = [(echo * part).astype(np.float32) for echo, part in zip(build.echoes(r2star_hz=rate), left, strict=True)]
    node = add_echo_series_to_scene(echo_series(echoes=tuple(echoes)))
    coarse = build.OBLIQUE @ build.translation(-3, -3, -1) @ np.diag([3, 3, 0.5, 1])
    height_mm = (np.arange(14) * 3.0 - 6.0)[:, None, None]
    b0_hz = np.broadcast_to(slope_hz_per_mm * height_mm, (14, 12, 12)).astype(np.float32)
    there = build.translation(0, 100, 0)
    b0_map = build.add_volume(b0_hz, "B0", ijk_to_ras=there @ coarse)
    build.move(b0_map, np.linalg.inv(there))
    settings = R2StarSettings(method=R2StarMethod.NLLS)
    nodes = scene.GetNumberOfNodes()
    job = R2StarJob(node, settings, regions, "tumor", b0_map=b0_map)
    assert scene.GetNumberOfNodes() == nodes
    result = job.run()
    curve = decay_of(result)["Fit"]
    assert np.allclose(np.interp(TIMES, *curve), [echo[build.box()].mean() for echo in echoes], atol=0.2)
    assert np.abs(array(result.outputs.r2star) - 50).max() < 0.1
    assert np.abs(array(R2StarJob(node, settings).run().outputs.r2star) - 50).min() > 20
    assert "field map" in result.gradient_correction
    assert any("no unit" in sentence for sentence in result.assumptions)


def test_unknown_slice_thickness_is_an_assumption_where_it_counts(series):
    b0_map = build.add_volume(np.full(build.SHAPE, 20, np.float32), "B0")
    assert any(
        "distance between slices (6 mm)" in text for text in R2StarJob(series, None, b0_map=b0_map).run().assumptions
    )
    assert not any("thickness" in text for text in R2StarJob(series).run().assumptions)


def test_b0_map_that_does_not_fit_is_refused(series):
    elsewhere = build.add_volume(np.zeros(build.SHAPE, np.float32), "B0", build.translation(900, 0, 0) @ build.OBLIQUE)
    with pytest.raises(InputError, match="field map B0: it does not cover"):
        R2StarJob(series, None, b0_map=elsewhere)
    radians = build.add_volume(np.zeros(build.SHAPE, np.float32), "B0")
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("rad/s", "UCUM", "rad/s")
    radians.SetVoxelValueUnits(unit)
    with pytest.raises(InputError, match="its unit is rad/s"):
        R2StarJob(series, None, b0_map=radians)


def test_b0_map_that_covers_a_part_corrects_only_that(series):
    """An offset of 300 Hz that ends with the map is no gradient."""
    part = build.add_volume(np.full((2, 24, 20), 300, np.float32), "B0")
    result = R2StarJob(series, None, b0_map=part).run()
    assert any("50 % of the image uncovered" in text for text in result.warnings)
    assert np.allclose(array(result.outputs.r2star), build.true_r2star(), atol=TOLERANCE_HZ)


def test_phase_images_of_the_series_correct_it(scene):
    step_hz = 12.0
    field_hz = np.broadcast_to(step_hz * np.arange(4)[:, None, None], build.SHAPE)
    phases = tuple(np.angle(np.exp(2j * np.pi * field_hz * t / 1000)).astype(np.float32) for t in TIMES)
    node = add_echo_series_to_scene(echo_series(phases=phases))
    job = R2StarJob(node, R2StarSettings(use_phase=True))
    assert np.allclose(job._field.spread_hz, step_hz * 5 / 6, atol=0.01)
    assert "phase" in job.run().gradient_correction


def test_corrections_that_cannot_be_made_are_refused(series):
    with pytest.raises(InputError, match="no phase images"):
        R2StarJob(series, R2StarSettings(use_phase=True))
    b0_map = build.add_volume(np.zeros(build.SHAPE, np.float32), "B0")
    with pytest.raises(InputError, match="both tell the field"):
        R2StarJob(series, R2StarSettings(use_phase=True), b0_map=b0_map)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_field_map_without_values_is_refused(series, value):
    empty = build.add_volume(np.full(build.SHAPE, value, np.float32), "B0")
    with pytest.raises(InputError, match=r"field map B0: it (is zero on|does not cover)"):
        R2StarJob(series, None, b0_map=empty)


def test_edges_of_missing_values_in_a_field_map_are_no_gradients(series):
    values = np.full(build.SHAPE, 300, np.float32)
    values[2:] = np.nan
    result = R2StarJob(series, None, b0_map=build.add_volume(values, "B0")).run()
    assert any("50 % of the image uncovered" in text for text in result.warnings)
    assert np.allclose(array(result.outputs.r2star), build.true_r2star(), atol=TOLERANCE_HZ)


def test_one_slice_cannot_be_corrected_and_says_so(scene):
    one = [build.add_volume(echo[:1], f"echo {n}") for n, echo in enumerate(build.echoes())]
    with pytest.raises(InputError, match="it has one slice"):
        R2StarJob(one, WHOLE, b0_map=build.add_volume(np.full(build.SHAPE, 20, np.float32), "B0"))
    phases = tuple(np.zeros((1, 24, 20), np.float32) for _ in TIMES)
    flat = add_echo_series_to_scene(echo_series(echoes=tuple(e[:1] for e in build.echoes()), phases=phases))
    with pytest.raises(InputError, match="it has one slice"):
        R2StarJob(flat, R2StarSettings(use_phase=True))


# -- remarks and refusals --


def test_assumptions_name_what_was_not_read(series):
    typed = R2StarJob(series, R2StarSettings(echo_times_ms=(5, 10, 15, 20, 25))).run()
    assert any("typed" in text for text in typed.assumptions)
    assert any("field strength is unknown" in text for text in typed.assumptions)
    known = R2StarJob(add_echo_series_to_scene(echo_series())).run()
    assert known.assumptions == ()


def test_out_of_phase_echoes_are_a_warning(scene):
    odd = (2.3, 4.6, 8.2, 11.5, 14.0)
    node = add_echo_series_to_scene(echo_series(echoes=tuple(build.echoes(odd)), echo_times_ms=odd))
    assert any("phase with fat" in text for text in R2StarJob(node).run().warnings)


def test_warnings_of_reading_come_first(series):
    job = R2StarJob(series, R2StarSettings(echo_times_ms=(5, 10, 15, 20, 25)), reading_warnings=["a slice is missing"])
    assert job.run().series.warnings[0] == "a slice is missing"


def test_a_segment_that_is_cut_off_is_a_warning(series, regions):
    build.move(regions, build.translation(*(-8 * build.OBLIQUE[:3, 0])))
    result = R2StarJob(series, WHOLE, regions, "tumor").run()
    assert any("30 % of segment tumor lies outside the image" in text for text in result.warnings)
    assert result.roi.n_roi == 140


def test_a_tiny_region_is_a_warning(series, scene):
    grid = build.add_volume(np.zeros(build.SHAPE, np.float32), "grid")
    tiny = build.add_segmentation(grid, tumor=build.box(k=slice(1, 2), j=slice(3, 7), i=slice(3, 7)))
    assert any("Only 16 voxels" in text for text in R2StarJob(series, None, tiny, "tumor").run().roi.warnings)


def test_a_region_that_the_grid_distorts_is_a_warning(series, scene):
    grid = build.OBLIQUE @ build.translation(6.6, 8.6, 0.8) @ np.diag([0.2, 0.2, 0.1, 1])
    fine = build.add_volume(np.zeros((4, 9, 9), np.float32), ijk_to_ras=grid)
    thin = build.add_segmentation(fine, tumor=np.ones((4, 9, 9), bool))
    result = R2StarJob(series, WHOLE, thin, "tumor").run()
    assert any("than drawn" in text for text in result.warnings)


def test_an_exclusion_that_was_never_drawn_is_a_warning(series, regions):
    result = R2StarJob(series, WHOLE, regions, "tumor", ["empty"]).run()
    assert any("Segment empty, to be left out" in text for text in result.warnings)
    assert result.roi.n_used == 200


def test_nothing_to_measure_is_refused_before_anything_is_fitted(series, regions):
    for arguments, told in (
        (("empty",), "segment empty of segmentation Regions: the segment is empty"),
        (("tumor", ["tumor"]), "both measured and left out"),
        (("",), "several segments"),
        (("gone",), "no segment 'gone'"),
    ):
        with pytest.raises(InputError, match=told):
            R2StarJob(series, WHOLE, regions, *arguments)
    with pytest.raises(InputError, match="no segmentation was given"):
        R2StarJob(series, WHOLE, None, "tumor")
    with pytest.raises(InputError, match="after eroding it by 20 mm"):
        R2StarJob(series, R2StarSettings(erosion_mm=20), regions, "tumor")
    build.move(regions, build.translation(0, 0, 900))
    with pytest.raises(InputError, match="lies outside the image"):
        R2StarJob(series, WHOLE, regions, "tumor")


def test_a_region_without_a_usable_voxel_is_refused_by_name(scene, regions):
    echoes = build.echoes()
    for echo in echoes:
        echo[build.box()] = np.nan
    nodes = [build.add_volume(echo, f"e{n}") for n, echo in enumerate(echoes)]
    with pytest.raises(InputError, match=r"segment tumor: no voxel .* \(200 non-finite\)"):
        R2StarJob(nodes, WHOLE, regions, "tumor").run()


@pytest.mark.parametrize(
    "settings", [{"noise_sigma": -1.0}, {"noise_sigma": float("nan")}, {"saturation_level": 0.0}, {"erosion_mm": -1.0}]
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(InputError, match="must"):
        R2StarSettings(**settings)


# -- placement and bundle --


def test_results_lie_beside_their_input_in_the_subject_hierarchy(scene, regions):
    nodes = build.add_volumes()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient"), "pre")
    hierarchy.CreateItem(study, nodes[0])
    outputs = R2StarJob(nodes, WHOLE, regions, "tumor").run().outputs
    for node in outputs.nodes():
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study, node.GetName()


def test_a_whole_result_comes_back_from_a_bundle(scene, regions, tmp_path):
    node = add_echo_series_to_scene(echo_series())
    regions.GetSegmentation().GetSegment("tumor").SetName('the "tumor",\tleft')
    result = R2StarJob(node, WHOLE, regions, "tumor", ["necrosis"]).run()
    maps = {name: array(getattr(result.outputs, name)).copy() for name in MAPS}
    names = {name: getattr(result.outputs, name).GetName() for name in (*MAPS, "table", "chart")}
    rows = table_of(result)
    assert scene.WriteToMRB(str(tmp_path / "result.mrb"))
    scene.Clear()
    assert scene.ReadFromMRB(str(tmp_path / "result.mrb"), True)
    outputs = R2StarOutputs(**{name: slicer.util.getNode(node_name) for name, node_name in names.items()})
    for name, values in maps.items():
        assert np.array_equal(array(getattr(outputs, name)), values), name
    assert outputs.r2star.GetVoxelValueUnits().GetCodeValue() == "Hz"
    assert outputs.r2star.GetDisplayNode().GetColorNode().GetName() == "NPC blue to red"
    assert outputs.status.GetDisplayNode().GetColorNode().GetColorName(6) == "suspected field gradient"
    read = table_of(type("Result", (), {"outputs": outputs}))
    assert read.keys() == rows.keys()
    assert read["R2* mean"] == rows["R2* mean"]
    assert read["R2* mean"]["segment"] == "the 'tumor', left"
    series_names = [outputs.chart.GetNthPlotSeriesNode(n).GetName() for n in range(3)]
    assert series_names == ["Fit", "SD", "Mean"]
    assert outputs.chart.GetNthPlotSeriesNode(1).GetTableNode().GetNumberOfRows() == 15
    sequence = next(n for n in slicer.util.getNodesByClass("vtkMRMLSequenceNode") if n.GetName() == "BOLD")
    again = R2StarJob(sequence, None).run(outputs)
    assert again.outputs == outputs


def test_doubtful_voxels_count_unless_left_out(scene, regions):
    spoiled = np.zeros(build.SHAPE, dtype=bool)
    spoiled[:, ::2] = True
    images = [
        np.where(spoiled, np.float32(value), echo)
        for echo, value in zip(build.echoes(), (700, 200, 600, 100, 500), strict=True)
    ]
    nodes = [build.add_volume(image, f"echo {n}") for n, image in enumerate(images)]
    exclusions = {"segmentation": regions, "segment_id": "tumor"}
    kept = R2StarJob(nodes, WHOLE, **exclusions).run()
    strict = R2StarJob(nodes, replace(WHOLE, keep_doubtful=False), **exclusions).run()
    assert kept.roi.n_used == kept.roi.n_roi
    assert any("kept in the statistics" in warning for warning in kept.roi.warnings)
    assert strict.roi.n_used == kept.roi.n_roi - sum(strict.roi.n_excluded.values())
    assert set(strict.roi.n_excluded) <= {"poor fit", "suspected field gradient"}
    assert not (strict.used_mask & spoiled).any()
    assert "doubtful voxels" in strict.measurements[0].parameters
