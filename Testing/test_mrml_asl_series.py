"""Arterial spin labeling series as nodes: roles and facts stay with the images, also in a saved scene."""

import numpy as np
import pytest
import slicer

from NPCResponseLib.asl_series import AslRole, AslSeries, LabelingType
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.asl_series import add_asl_series_to_scene, asl_series_from_nodes, remembered_roles
from NPCResponseLib.mrml.files import save_scene
from NPCResponseLib.mrml.volumes import add_volume

ROLES = (AslRole.M0, AslRole.CONTROL, AslRole.LABEL)
IJK_TO_RAS = np.array([[-3.0, 0.2, 0, 40], [0.1, -3, 0.3, 50], [0, 0.2, 4, -20], [0, 0, 0, 1]])


def series(**changes) -> AslSeries:
    rng = np.random.default_rng(3)
    facts = {
        "volumes": tuple(rng.integers(0, 4000, (3, 4, 5)).astype(np.uint16) for _ in ROLES),
        "roles": ROLES,
        "post_labeling_delays_ms": (None, 2025.0, 2025.0),
        "ijk_to_ras": IJK_TO_RAS,
        "labeling_type": LabelingType.PCASL,
        "label_duration_ms": 1450.0,
        "field_strength_t": 3.0,
        "m0_repetition_time_ms": 2000.0,
        "m0_is_saturation_recovery": True,
        "n_background_suppression_pulses": 0,
        "slice_times_ms": (0.0, 38.5, 77.0),
        "perfusion_scale": 96.0,
        "manufacturer": "GE",
        "sources": {"label_duration_ms": "DICOM (0043,10A5) of secret.dcm"},
        "warnings": ("secret.dcm is odd.",),
    }
    return AslSeries(**(facts | changes))


def assert_same(found: AslSeries, expected: AslSeries) -> None:
    for array, wanted in zip(found.volumes, expected.volumes, strict=True):
        np.testing.assert_array_equal(array, wanted)
    np.testing.assert_allclose(found.ijk_to_ras, expected.ijk_to_ras, atol=1e-9)
    for name in AslSeries.__dataclass_fields__.keys() - {"volumes", "ijk_to_ras", "sources", "warnings"}:
        assert getattr(found, name) == getattr(expected, name), name


def test_a_series_comes_back_from_its_node(scene):
    expected = series()
    assert_same(asl_series_from_nodes(add_asl_series_to_scene(expected)), expected)


def test_a_series_comes_back_from_a_saved_scene_without_file_names(scene, tmp_path):
    expected = series()
    add_asl_series_to_scene(expected)
    save_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    (node,) = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert_same(asl_series_from_nodes(node), expected)
    assert "secret" not in node.GetAttribute("NPCResponse.Asl")


def test_unknown_facts_stay_unknown(scene):
    unknown = dict.fromkeys(("labeling_type", "label_duration_ms", "n_background_suppression_pulses", "slice_times_ms"))
    assert_same(asl_series_from_nodes(add_asl_series_to_scene(series(**unknown))), series(**unknown))


def volumes(arrays) -> list:
    return [add_volume(array, IJK_TO_RAS, f"volume {n}") for n, array in enumerate(arrays)]


def test_volumes_need_roles(scene):
    nodes = volumes(series().volumes)
    assert remembered_roles(nodes) == ()
    with pytest.raises(InputError, match="control, label and M0"):
        asl_series_from_nodes(nodes)
    with pytest.raises(InputError, match="2 roles were given for 3 images"):
        asl_series_from_nodes(nodes, ROLES[:2])
    found = asl_series_from_nodes(nodes, ROLES)
    assert found.roles == ROLES
    assert found.sources["roles"] == "typed by the user"
    assert found.post_labeling_delays_ms == (None, None, None)


def test_typed_roles_win_over_remembered_ones(scene):
    node = add_asl_series_to_scene(series())
    swapped = (AslRole.M0, AslRole.LABEL, AslRole.CONTROL)
    assert asl_series_from_nodes(node, swapped).roles == swapped


def test_m0_of_its_own_joins_the_series(scene):
    whole = series()
    node = add_asl_series_to_scene(
        series(volumes=whole.volumes[1:], roles=ROLES[1:], post_labeling_delays_ms=(2025.0, 2025.0))
    )
    m0 = add_volume(whole.volumes[0], IJK_TO_RAS, "PD")
    found = asl_series_from_nodes(node, m0_volume=m0)
    assert_same(found, whole)
    with pytest.raises(InputError, match="chosen as M0, too"):
        asl_series_from_nodes(add_asl_series_to_scene(whole), m0_volume=m0)


def test_m0_of_other_geometry_is_refused(scene):
    node = add_asl_series_to_scene(
        series(volumes=series().volumes[1:], roles=ROLES[1:], post_labeling_delays_ms=(2025.0, 2025.0))
    )
    shifted = IJK_TO_RAS.copy()
    shifted[0, 3] += 5
    with pytest.raises(InputError, match=r"M0.*geometry.*PD.*differs|M0.*geometry"):
        asl_series_from_nodes(node, m0_volume=add_volume(series().volumes[0], shifted, "PD"))


def test_arrays_of_nodes_cannot_be_written(scene):
    found = asl_series_from_nodes(add_asl_series_to_scene(series()))
    assert not any(array.flags.writeable for array in found.volumes)
