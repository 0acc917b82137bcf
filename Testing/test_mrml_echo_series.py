"""Nodes become the same series whatever form they have, with echo times from the right source or a sentence why not."""

from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import slicer
import slicer.util
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from NPCResponseLib.echo_series import EchoSeries
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import dicom_facts
from NPCResponseLib.mrml.echo_series import (
    add_echo_series_to_scene,
    echo_series_from_nodes,
    find_echo_times,
)
from NPCResponseLib.mrml.image_series import proxy_volume, reference_volume
from Testing import scene_nodes as build

TIMES = build.ECHO_TIMES_MS
TYPED = (5.0, 10.0, 15.0, 20.0, 25.0)


def with_frame_labels(node, unit="ms", tag="EchoTime"):
    """What Slicer's multi-volume importer leaves on a sequence whose index it blanks."""
    node.SetAttribute("MultiVolume.FrameIdentifyingDICOMTagName", tag)
    node.SetAttribute("MultiVolume.FrameIdentifyingDICOMTagUnits", unit)
    node.SetAttribute("MultiVolume.FrameLabels", ",".join(str(time) for time in TIMES))
    return node


# -- forms --


FORMS = {
    "sequence": build.add_sequence,
    "volumes": build.add_volumes,
    "components": build.add_vector_volume,
    "multi-volume attributes": lambda: with_frame_labels(build.add_vector_volume()),
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_images_and_geometry(scene, make):
    series = echo_series_from_nodes(make(), TIMES)
    assert series.echo_times_ms == TIMES
    assert all(np.array_equal(read, made) for read, made in zip(series.echoes, build.echoes(), strict=True))
    assert np.allclose(series.ijk_to_ras, build.OBLIQUE, atol=1e-9)
    assert series.name.startswith("BOLD")


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_reading_leaves_nodes_alone_and_cannot_write_into_them(scene, make):
    nodes = make()
    each = nodes if isinstance(nodes, list) else [nodes]
    before = [build.fingerprint(node) for node in each]
    series = echo_series_from_nodes(nodes, TIMES)
    with pytest.raises(ValueError, match="read-only"):
        series.echoes[0][0, 0, 0] = 1
    assert [build.fingerprint(node) for node in each] == before


def test_whole_numbers_stay_whole_numbers(scene):
    node = build.add_volume(np.stack(build.echoes(), axis=-1).astype(np.int16), node_class="vtkMRMLVectorVolumeNode")
    assert {echo.dtype for echo in echo_series_from_nodes(node, TIMES).echoes} == {np.dtype(np.int16)}


# -- where echo times come from --


@pytest.mark.parametrize("name", ["EchoTime", "echo time", "Echo Times", "TE", "echo_time"])
def test_index_of_a_sequence_tells(scene, name):
    assert find_echo_times(build.add_sequence(name)) == (TIMES, f"sequence index {name}")


@pytest.mark.parametrize(
    ("unit", "per_ms", "remark"),
    [
        ("s", 1e-3, " (in s, converted to ms)"),
        ("us", 1e3, " (in us, converted to ms)"),
        ("", 1, " (no unit given, taken as ms)"),
    ],
)
def test_index_in_another_unit_is_converted_and_said_so(scene, unit, per_ms, remark):
    sequence = build.add_sequence(unit=unit, values=[time * per_ms for time in TIMES])
    assert find_echo_times(sequence) == (TIMES, f"sequence index EchoTime{remark}")


@pytest.mark.parametrize("name", ["time", "frame", "TriggerTime", "TI", ""])
def test_index_that_is_no_echo_time_is_not_taken_for_one(scene, name):
    with pytest.raises(InputError, match="missing"):
        find_echo_times(build.add_sequence(name))


def test_frame_labels_of_the_importer_tell_when_the_index_is_blank(scene):
    sequence = with_frame_labels(build.add_sequence("", "", values=range(5)))
    assert find_echo_times(sequence) == (TIMES, "frame labels of the DICOM import")
    assert find_echo_times(with_frame_labels(build.add_vector_volume()))[0] == TIMES


def test_frame_labels_of_another_quantity_tell_nothing(scene):
    with pytest.raises(InputError, match="missing"):
        find_echo_times(with_frame_labels(build.add_sequence("", "", values=range(5)), tag="TriggerTime"))


def test_index_comes_before_frame_labels(scene):
    sequence = with_frame_labels(build.add_sequence(values=TYPED))
    assert find_echo_times(sequence) == (TYPED, "sequence index EchoTime")


def test_typed_times_win_and_the_source_says_what_they_override(scene):
    times, source = find_echo_times(build.add_sequence(), TYPED)
    assert times == TYPED
    assert source == "typed by the user; sequence index EchoTime said 6.71 / 13.42 / 20.13 / 26.84 / 33.55 ms"
    series = echo_series_from_nodes(build.add_sequence(), TYPED)
    assert series.echo_times_ms == TYPED
    assert "6.71" in series.warnings[0]


def test_typed_times_that_agree_cause_no_remark(scene):
    assert find_echo_times(build.add_sequence(), TIMES) == (TIMES, "typed by the user")
    assert echo_series_from_nodes(build.add_sequence(), TIMES).warnings == ()


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ((), "missing"),
        ((5, 5, 15, 20, 25), "occurs 2 times"),
        ((5, 15, 10, 20, 25), "must increase"),
        ((0.00671, 0.01342, 0.02013, 0.02684, 0.03355), "look like seconds"),
        ((-5, 10, 15, 20, 25), "positive"),
        ((5, 10, 15), "3 echo times"),
    ],
)
def test_unusable_times_are_refused_by_name(scene, times, told):
    with pytest.raises(InputError, match=told) as refused:
        find_echo_times(build.add_volumes(), times)
    assert "BOLD echo 1 to BOLD echo 5" in str(refused.value)


# -- DICOM --


class Database:
    """Answers as Slicer's DICOM database does."""

    def __init__(self):
        self.paths = {}

    def fileForInstance(self, uid: str) -> str:
        return str(self.paths.get(uid, ""))


@pytest.fixture
def database(monkeypatch):
    dicom_facts._read_header.cache_clear()
    monkeypatch.setattr(slicer, "dicomDatabase", database := Database(), raising=False)
    return database


def attach_dicom(volume, database, folder, n_slices=2, **values):
    """Write files with these attributes and name them on the volume."""
    uids = []
    for _ in range(n_slices):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
        for keyword, value in values.items():
            setattr(header, keyword, value)
        uids.append(str(header.SOPInstanceUID))
        database.paths[uids[-1]] = folder / f"{uids[-1]}.dcm"
        header.preamble = bytes(128)
        if pydicom.__version_info__[0] == "2":
            header.is_little_endian, header.is_implicit_VR = True, False
        header.save_as(database.paths[uids[-1]])
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(uids))


def test_dicom_headers_tell_and_sort_a_list_of_volumes(scene, database, tmp_path):
    volumes = build.add_volumes()
    for volume, time in zip(volumes, TIMES, strict=True):
        attach_dicom(volume, database, tmp_path, EchoTime=time, MagneticFieldStrength=3, SliceThickness=5)
    series = echo_series_from_nodes(volumes[::-1])
    assert (series.echo_times_ms, series.echo_times_source) == (TIMES, "DICOM (0018,0081)")
    assert np.array_equal(series.echoes[0], build.echoes()[0])
    assert (series.field_strength_t, series.slice_thickness_mm) == (3.0, 5.0)


def test_enhanced_headers_tell_the_effective_echo_time(scene, database, tmp_path):
    volumes = build.add_volumes()
    for volume, time in zip(volumes, TIMES, strict=True):
        echo, frame = Dataset(), Dataset()
        echo.EffectiveEchoTime = time
        frame.MREchoSequence = [echo]
        attach_dicom(volume, database, tmp_path, n_slices=1, PerFrameFunctionalGroupsSequence=[frame, frame])
    assert find_echo_times(volumes) == (TIMES, "DICOM (0018,9082)")


def test_the_same_echo_time_in_every_header_is_refused_and_can_be_overridden(scene, database, tmp_path):
    volumes = build.add_volumes()
    for volume in volumes:
        attach_dicom(volume, database, tmp_path, EchoTime=TIMES[0])
    with pytest.raises(InputError, match=r"6\.71 ms occurs 5 times"):
        find_echo_times(volumes)
    series = echo_series_from_nodes(volumes, TIMES)
    assert series.echo_times_ms == TIMES
    assert np.array_equal(series.echoes[4], build.echoes()[4])


def test_headers_that_were_moved_away_tell_nothing(scene, database, tmp_path):
    volumes = build.add_volumes()
    for volume, time in zip(volumes, TIMES, strict=True):
        attach_dicom(volume, database, tmp_path, EchoTime=time)
    for path in database.paths.values():
        path.unlink()
    with pytest.raises(InputError, match="missing"):
        find_echo_times(volumes)


# -- geometry --


DIFFERENT_GRIDS = {
    "shifted": SimpleNamespace(array=build.echoes()[1], matrix=build.translation(0, 0, 0.2) @ build.OBLIQUE),
    "turned": SimpleNamespace(array=build.echoes()[1], matrix=build.OBLIQUE @ build.rotation("z", 1)),
    "smaller": SimpleNamespace(array=build.echoes()[1][:, :, 1:], matrix=build.OBLIQUE),
}


@pytest.mark.parametrize("other", DIFFERENT_GRIDS.values(), ids=DIFFERENT_GRIDS)
def test_an_echo_of_differing_geometry_is_refused_by_name(scene, other):
    volumes = build.add_volumes()
    volumes[1] = build.add_volume(other.array, "the odd one", ijk_to_ras=other.matrix)
    with pytest.raises(InputError, match="the odd one: its geometry"):
        echo_series_from_nodes(volumes, TIMES)


def test_rounding_in_headers_is_no_differing_geometry(scene):
    volumes = build.add_volumes()
    volumes[1] = build.add_volume(build.echoes()[1], ijk_to_ras=build.translation(0.005, 0, 0) @ build.OBLIQUE)
    assert len(echo_series_from_nodes(volumes, TIMES).echoes) == 5


def test_one_transform_for_all_echoes_is_fine_and_not_part_of_the_geometry(scene):
    volumes = build.add_volumes()
    transform = build.add_transform(build.translation(50, 0, 0))
    for volume in volumes:
        volume.SetAndObserveTransformNodeID(transform.GetID())
    assert np.allclose(echo_series_from_nodes(volumes, TIMES).ijk_to_ras, build.OBLIQUE)


def test_echoes_under_different_transforms_are_refused(scene):
    volumes = build.add_volumes()
    build.move(volumes[3], build.translation(1, 0, 0))
    with pytest.raises(InputError, match="BOLD echo 4: it is under another parent transform"):
        echo_series_from_nodes(volumes, TIMES)


def test_nodes_without_images_are_refused(scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    for nodes, told in (
        ([], "no image was given"),
        (empty, "nothing: there is no image"),
        (scene.AddNewNodeByClass("vtkMRMLSequenceNode", "hollow"), "hollow: the sequence is empty"),
        (build.add_volumes()[:1], "1 echo found"),
    ):
        with pytest.raises(InputError, match=told):
            echo_series_from_nodes(nodes, TIMES)


def test_the_same_volume_twice_is_refused(scene):
    volumes = build.add_volumes()
    with pytest.raises(InputError, match="given twice"):
        echo_series_from_nodes([*volumes[:4], volumes[0]], TIMES)


# -- values to nodes --


def series_of(**changes) -> EchoSeries:
    values = {
        "echoes": tuple(build.echoes()),
        "echo_times_ms": TIMES,
        "echo_times_source": "DICOM (0018,0081)",
        "ijk_to_ras": build.OBLIQUE,
        "field_strength_t": 3.0,
        "slice_thickness_mm": 5.0,
        "phases": tuple(np.full(build.SHAPE, n, np.float32) for n in range(5)),
    }
    return EchoSeries(**(values | changes))


def test_a_series_comes_back_from_the_scene_and_from_a_bundle(scene, tmp_path):
    series = series_of()
    node = add_echo_series_to_scene(series)
    read = [echo_series_from_nodes(node)]
    scene.WriteToMRB(str(tmp_path / "series.mrb"))
    scene.Clear()
    scene.ReadFromMRB(str(tmp_path / "series.mrb"))
    sequences = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    read.append(echo_series_from_nodes(next(node for node in sequences if node.GetName() == "BOLD")))
    for other in read:
        for name in ("echoes", "phases"):
            assert np.array_equal(getattr(other, name), getattr(series, name)), name
        for name in ("echo_times_ms", "echo_times_source", "field_strength_t", "slice_thickness_mm", "name"):
            assert getattr(other, name) == getattr(series, name), name
        assert np.allclose(other.ijk_to_ras, build.OBLIQUE, atol=1e-6)


def test_unknown_facts_stay_unknown(scene):
    read = echo_series_from_nodes(
        add_echo_series_to_scene(series_of(field_strength_t=None, slice_thickness_mm=None, phases=()))
    )
    assert (read.field_strength_t, read.slice_thickness_mm, read.phases) == (None, None, ())


@pytest.mark.parametrize("dtype", ["bool", "float16", "int64", ">i2", "uint16", "float64"])
def test_every_kind_of_number_can_be_stored(scene, dtype):
    echoes = tuple((echo > 500 if dtype == "bool" else echo).astype(dtype) for echo in build.echoes())
    read = echo_series_from_nodes(add_echo_series_to_scene(series_of(echoes=echoes, phases=())))
    assert all(
        np.array_equal(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(read.echoes, echoes, strict=True)
    )


def test_the_series_is_shown_by_a_volume_that_gives_the_geometry(scene):
    node = add_echo_series_to_scene(series_of())
    proxy = proxy_volume(node)
    assert proxy.GetScene() is scene
    assert reference_volume(node) is proxy
    assert np.array_equal(slicer.util.arrayFromVolume(proxy), build.echoes()[0])
    low, high = proxy.GetDisplayNode().GetWindowLevelMin(), proxy.GetDisplayNode().GetWindowLevelMax()
    assert low < high <= 1000


def test_a_sequence_without_browser_gives_its_own_geometry(scene):
    reference = reference_volume(build.add_sequence())
    assert np.array_equal(slicer.util.arrayFromVolume(reference), build.echoes()[0])


def test_a_series_without_echo_times_is_not_added(scene):
    n_nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="missing"):
        add_echo_series_to_scene(series_of(echo_times_ms=()))
    assert scene.GetNumberOfNodes() == n_nodes
