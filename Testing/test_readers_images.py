"""NIfTI, NRRD and MetaImage series: echo times from sidecars and headers, geometry, parts, and broken input."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import read_echo_series, read_volume
from NPCResponseLib.readers.geometry import image_ijk_to_ras

TIMES_MS = (6.71, 13.42, 20.13)
SHAPE = (4, 6, 5)
# A rotation about no axis of the patient; columns are the directions of i, j, k in LPS.
DIRECTION = np.linalg.qr(np.array([[0.9, -0.3, 0.2], [0.35, 0.8, -0.4], [0.1, 0.45, 0.95]]))[0]
SPACING, ORIGIN = (1.25, 1.5, 5.5), (-40.0, 12.5, 77.0)


def echo_array(n: int, dtype=np.int16) -> np.ndarray:
    k, j, i = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (np.exp(-0.3 * n) * (1000 + 100 * k + 10 * j + i)).astype(dtype)


def image_of(array: np.ndarray, spacing=SPACING, origin=ORIGIN, direction=DIRECTION) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(np.ravel(direction))
    return image


def write_echoes(folder: Path, n=3, sidecars=True, suffix=".nii.gz", **geometry) -> list[Path]:
    paths = []
    for number in range(n):
        path = folder / f"sub-01_echo-{number + 1}_MEGRE{suffix}"
        SimpleITK.WriteImage(image_of(echo_array(number), **geometry), str(path))
        if sidecars:
            write_json(folder / f"sub-01_echo-{number + 1}_MEGRE.json", EchoTime=TIMES_MS[number] / 1000)
        paths.append(path)
    return paths


def write_4d(path: Path, n=3, component_images=False, arrays=None) -> Path:
    images = [image_of(array) for array in (arrays or [echo_array(number) for number in range(n)])]
    image = SimpleITK.Compose(images) if component_images else SimpleITK.JoinSeries(images)
    SimpleITK.WriteImage(image, str(path))
    return path


def write_json(path: Path, **facts) -> Path:
    path.write_text(json.dumps(facts))
    return path


def refusal_of(*arguments, **keywords) -> str:
    with pytest.raises(InputError) as refusal:
        read_echo_series(*arguments, **keywords)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def expected_ijk_to_ras() -> np.ndarray:
    """Point by point through SimpleITK, then x and y negated."""
    image = image_of(echo_array(0))
    points = np.array(
        [image.TransformIndexToPhysicalPoint(index) for index in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    )
    points *= (-1, -1, 1)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = (points[1:] - points[0]).T, points[0]
    return matrix


# -- what works --


def test_an_oblique_image_changes_from_lps_to_ras_once():
    np.testing.assert_allclose(image_ijk_to_ras(image_of(echo_array(0))), expected_ijk_to_ras(), atol=1e-12)


@pytest.mark.parametrize("suffix", (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"))
def test_one_file_per_echo_with_sidecars_in_seconds(tmp_path, suffix):
    series = read_echo_series(write_echoes(tmp_path, suffix=suffix))
    assert series.echo_times_ms == TIMES_MS
    assert series.echo_times_source == "EchoTime in the sidecar"
    np.testing.assert_array_equal(series.echoes, [echo_array(n) for n in range(3)])
    assert series.echoes[0].dtype == np.int16
    np.testing.assert_allclose(series.ijk_to_ras, expected_ijk_to_ras(), atol=1e-4)
    assert series.name == "sub-01_MEGRE"


def test_files_in_any_order_are_sorted_by_their_echo_times(tmp_path):
    series = read_echo_series(write_echoes(tmp_path)[::-1])
    np.testing.assert_array_equal(series.echoes[0], echo_array(0))
    assert series.echo_times_ms == TIMES_MS


def test_a_folder_stands_for_its_files(tmp_path):
    write_echoes(tmp_path)
    assert read_echo_series(tmp_path).echo_times_ms == TIMES_MS


@pytest.mark.parametrize("suffix", (".nii.gz", ".nrrd", ".mha"))
def test_a_4d_file_with_a_list_of_echo_times(tmp_path, suffix):
    path = write_4d(tmp_path / f"bold{suffix}")
    write_json(
        tmp_path / "bold.json", EchoTime=[t / 1000 for t in TIMES_MS], MagneticFieldStrength=3, SliceThickness=5.0
    )
    series = read_echo_series(path)
    assert series.echo_times_ms == TIMES_MS
    assert (series.field_strength_t, series.slice_thickness_mm) == (3.0, 5.0)
    np.testing.assert_array_equal(series.echoes, [echo_array(n) for n in range(3)])
    np.testing.assert_allclose(series.ijk_to_ras, expected_ijk_to_ras(), atol=1e-4)


@pytest.mark.parametrize("suffix", (".nii.gz", ".nrrd", ".mha"))
def test_echoes_as_components_of_one_image(tmp_path, suffix):
    path = write_4d(tmp_path / f"bold{suffix}", component_images=True)
    series = read_echo_series(path, echo_times_ms=TIMES_MS)
    np.testing.assert_array_equal(series.echoes, [echo_array(n) for n in range(3)])
    assert all(echo.flags.c_contiguous for echo in series.echoes)
    assert series.echo_times_source == "typed by the user"


def test_a_single_slice_series(tmp_path):
    arrays = [echo_array(n)[:1] for n in range(3)]
    series = read_echo_series(write_4d(tmp_path / "b.nii.gz", arrays=arrays), echo_times_ms=TIMES_MS)
    assert series.shape_kji == (1, 6, 5)


def test_two_dimensional_images_are_single_slices(tmp_path):
    for n in range(2):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(echo_array(n)[0]), str(tmp_path / f"e{n}.mha"))
    assert read_echo_series(tmp_path, echo_times_ms=(5, 10)).shape_kji == (1, 6, 5)


def test_typed_echo_times_win_over_sidecars(tmp_path):
    series = read_echo_series(write_echoes(tmp_path), echo_times_ms=[5, 10, 15])
    assert series.echo_times_ms == (5.0, 10.0, 15.0)
    assert series.echo_times_source == "typed by the user; EchoTime in the sidecar said 6.71 / 13.42 / 20.13 ms"
    assert len(series.warnings) == 1


def test_files_without_echo_times_stay_in_the_order_given(tmp_path):
    paths = write_echoes(tmp_path, sidecars=False)
    series = read_echo_series(paths[::-1], echo_times_ms=TIMES_MS)
    np.testing.assert_array_equal(series.echoes[0], echo_array(2))


def test_a_folder_without_echo_times_is_taken_by_name_and_says_so(tmp_path):
    for n in (10, 9, 2):
        SimpleITK.WriteImage(image_of(echo_array(n)), str(tmp_path / f"bold_e{n}.nii.gz"))
    series = read_echo_series(tmp_path, echo_times_ms=TIMES_MS)
    np.testing.assert_array_equal(series.echoes[2], echo_array(10))
    assert "order of their names: bold_e2.nii.gz, bold_e9.nii.gz, bold_e10.nii.gz" in series.warnings[0]


def test_a_folder_with_another_image_beside_the_echoes(tmp_path):
    write_echoes(tmp_path)
    SimpleITK.WriteImage(image_of(echo_array(0)), str(tmp_path / "sub-01_T1w.nii.gz"))
    (tmp_path / "tumor.seg.nrrd").write_bytes(b"x")
    series = read_echo_series(tmp_path)
    assert len(series.echoes) == 3
    assert series.warnings == ("Not used, since they are no echoes of this series: sub-01_T1w.nii.gz.",)


def test_a_folder_with_two_series_lists_them(tmp_path):
    write_4d(tmp_path / "pre_bold.nii.gz")
    write_4d(tmp_path / "post_bold.nii.gz")
    assert "post_bold.nii.gz (3 echoes), pre_bold.nii.gz (3 echoes)" in refusal_of(tmp_path, echo_times_ms=TIMES_MS)


def test_bids_inheritance_reaches_the_root_of_the_data_set(tmp_path):
    folder = tmp_path / "sub-01" / "anat"
    folder.mkdir(parents=True)
    write_json(tmp_path / "dataset_description.json", Name="x", BIDSVersion="1.8.0")
    write_json(tmp_path / "MEGRE.json", MagneticFieldStrength=1.5, SliceThickness=4, EchoTime=0.9)
    write_json(tmp_path / "T1w.json", MagneticFieldStrength=7)
    series = read_echo_series(write_echoes(folder))
    assert (series.field_strength_t, series.slice_thickness_mm) == (1.5, 4.0)
    assert series.echo_times_ms == TIMES_MS  # the nearest sidecar wins


def test_stated_slice_thickness_overrides_the_sidecar(tmp_path):
    write_json(tmp_path / "b.json", EchoTime=[0.005, 0.01], SliceThickness=5)
    path = write_4d(tmp_path / "b.nii.gz", n=2)
    assert read_echo_series(path, slice_thickness_mm=3).slice_thickness_mm == 3.0


def test_other_number_types_become_float32(tmp_path):
    arrays = [echo_array(n, np.float64) + 0.25 for n in range(2)]
    series = read_echo_series(write_4d(tmp_path / "b.nrrd", arrays=arrays), echo_times_ms=(5, 10))
    assert series.echoes[0].dtype == np.float32
    np.testing.assert_allclose(series.echoes, arrays, rtol=1e-6)


def test_signed_bytes_are_widened_since_no_scene_holds_them(tmp_path):
    arrays = [echo_array(n) // 20 for n in range(2)]
    path = write_4d(tmp_path / "b.nii.gz", arrays=[array.astype(np.int8) for array in arrays])
    series = read_echo_series(path, echo_times_ms=(5, 10))
    assert series.echoes[0].dtype == np.int16
    np.testing.assert_array_equal(series.echoes, arrays)


def test_the_slope_in_a_nifti_header_is_applied(tmp_path):
    path = write_4d(tmp_path / "b.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.5, 10.0], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    series = read_echo_series(path, echo_times_ms=TIMES_MS)
    np.testing.assert_allclose(series.echoes[1], echo_array(1) * 0.5 + 10)


def test_voxels_without_a_number_are_left_to_the_fit(tmp_path):
    arrays = [echo_array(n, np.float32) for n in range(2)]
    arrays[1][0, 0, :2] = (np.nan, np.inf)
    series = read_echo_series(write_4d(tmp_path / "b.nrrd", arrays=arrays), echo_times_ms=(5, 10))
    assert np.isnan(series.echoes[1][0, 0, 0])


# -- sequences of Slicer --


def slicer_sequence(path: Path, name="EchoTime", unit="ms", values="6.71 13.42 20.13", axis=3, more="") -> Path:
    """The header that vtkMRMLVolumeSequenceStorageNode writes (5.13: list last; before 2024: list first)."""
    array = np.stack([echo_array(n) for n in range(3)], axis=0 if axis == 3 else -1)
    sizes, kinds = ["5", "6", "4"], ["domain"] * 3
    directions = [f"({','.join(f'{v:.17g}' for v in DIRECTION[:, n] * SPACING[n])})" for n in range(3)]
    labels, units = ['""'] * 3, ['""'] * 3
    for items, value in (
        *((sizes, "3"), (kinds, "list"), (directions, "none")),
        *((labels, f'"{name}"'), (units, f'"{unit}"')),
    ):
        items.insert(axis, value)
    header = (
        f"NRRD0004\ntype: short\ndimension: 4\nspace: left-posterior-superior\nsizes: {' '.join(sizes)}\n"
        f"space directions: {' '.join(directions)}\nkinds: {' '.join(kinds)}\nlabels: {' '.join(labels)}\n"
        f"units: {' '.join(units)}\nendian: little\nencoding: raw\nspace origin: ({','.join(map(str, ORIGIN))})\n"
        f"DataNodeClassName:=vtkMRMLScalarVolumeNode\naxis {axis} index type:=numeric\n"
        f"axis {axis} index values:={values}\n{more}\n"
    )
    path.write_bytes(header.encode() + array.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("axis", (0, 3))
def test_a_slicer_sequence_tells_its_echo_times(tmp_path, axis):
    series = read_echo_series(slicer_sequence(tmp_path / "bold.seq.nrrd", axis=axis))
    assert series.echo_times_ms == TIMES_MS
    assert series.echo_times_source == "sequence index EchoTime in the file"
    np.testing.assert_array_equal(series.echoes, [echo_array(n) for n in range(3)])
    np.testing.assert_allclose(series.ijk_to_ras, expected_ijk_to_ras(), atol=1e-9)
    assert series.name == "bold"


def test_a_sequence_in_seconds_is_converted_and_says_so(tmp_path):
    path = slicer_sequence(tmp_path / "b.seq.nrrd", unit="s", values="0.00671 0.01342 0.02013")
    series = read_echo_series(path)
    assert series.echo_times_ms == TIMES_MS
    assert "in s, converted to ms" in series.echo_times_source


def test_seconds_in_a_sequence_that_says_ms_are_refused(tmp_path):
    path = slicer_sequence(tmp_path / "b.seq.nrrd", values="0.00671 0.01342 0.02013")
    assert "look like seconds" in refusal_of(path)


def test_a_sequence_of_something_else_has_no_echo_times(tmp_path):
    path = slicer_sequence(tmp_path / "b.seq.nrrd", name="TriggerTime")
    assert "echo times of the 3 images are missing" in refusal_of(path)


def test_frame_labels_of_the_multivolume_importer_are_understood(tmp_path):
    more = (
        "MultiVolume.FrameIdentifyingDICOMTagName:=EchoTime\nMultiVolume.FrameIdentifyingDICOMTagUnits:=ms\n"
        "MultiVolume.FrameLabels:=6.71,13.42,20.13\n"
    )
    series = read_echo_series(slicer_sequence(tmp_path / "b.seq.nrrd", name="", unit="", values="0 1 2", more=more))
    assert series.echo_times_ms == TIMES_MS
    assert series.echo_times_source == "frame labels of the DICOM import"


def test_our_own_attributes_in_a_sequence_are_read_back(tmp_path):
    more = (
        "NPCResponse.FieldStrengthT:=3.0\nNPCResponse.SliceThicknessMm:=5.0\n"
        "NPCResponse.EchoTimesSource:=DICOM (0018,0081)\n"
    )
    series = read_echo_series(slicer_sequence(tmp_path / "b.seq.nrrd", more=more))
    assert (series.field_strength_t, series.slice_thickness_mm) == (3.0, 5.0)
    assert series.echo_times_source == "DICOM (0018,0081)"


# -- phase, real and imaginary --


def radians(n: int) -> np.ndarray:
    k, j, i = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    phase = np.angle(np.exp(1j * (0.7 * n + 0.5 * k + 0.9 * j + 0.4 * i)))
    phase.flat[:2] = (-np.pi, np.pi)
    return phase.astype(np.float32)


def phase_error(series) -> float:
    return max(np.abs(np.angle(np.exp(1j * (phase - radians(n))))).max() for n, phase in enumerate(series.phases))


@pytest.mark.parametrize("names", (("Mag", "Phase"), ("bold_part-mag", "bold_part-phase"), ("bold", "bold_ph")))
@pytest.mark.parametrize("scale, offset", ((1, 0), (1000, 0), (4096 / np.pi, 0), (1, np.pi), (2047.5 / np.pi, 2047.5)))
def test_phase_files_are_told_apart_and_scaled(tmp_path, names, scale, offset):
    write_4d(tmp_path / f"{names[0]}.nii.gz")
    stored = [radians(n) * np.float32(scale) + np.float32(offset) for n in range(3)]
    write_4d(tmp_path / f"{names[1]}.nii.gz", arrays=stored)
    series = read_echo_series(tmp_path, echo_times_ms=TIMES_MS)
    np.testing.assert_array_equal(series.echoes, [echo_array(n) for n in range(3)])
    assert max(np.abs(phase).max() for phase in series.phases) <= np.pi + 0.003
    # Ranges from zero on are read as 0..2 pi (radians) or with zero phase in the middle (12 bits).
    turned = np.pi if (scale, offset) == (1, np.pi) else 0.0
    error = [np.abs(np.angle(np.exp(1j * (p - radians(n) - turned)))).max() for n, p in enumerate(series.phases)]
    assert max(error) < 0.003
    assert series.warnings == ()


def test_phase_told_by_image_type_in_dcm2niix_sidecars(tmp_path):
    for n in range(2):
        for word, array in (("M", echo_array(n)), ("P", (radians(n) / np.pi * 4096).astype(np.int16))):
            name = f"scan_{'abcd'[2 * n + (word == 'P')]}"
            SimpleITK.WriteImage(image_of(array), str(tmp_path / f"{name}.nii.gz"))
            write_json(
                tmp_path / f"{name}.json",
                EchoTime=TIMES_MS[n] / 1000,
                ImageType=["ORIGINAL", "PRIMARY", word, "ND"],
                Manufacturer="Siemens",
            )
    series = read_echo_series(sorted(tmp_path.glob("*.nii.gz")))
    assert series.echo_times_ms == TIMES_MS[:2]
    assert phase_error(series) < 0.002


def test_real_and_imaginary_files_become_magnitude_and_phase(tmp_path):
    for word, function in (("real", np.cos), ("imaginary", np.sin)):
        write_4d(
            tmp_path / f"b_{word}.nii.gz", arrays=[echo_array(n, np.float32) * function(radians(n)) for n in range(3)]
        )
    series = read_echo_series(tmp_path, echo_times_ms=TIMES_MS)
    np.testing.assert_allclose(series.echoes, [echo_array(n, np.float32) for n in range(3)], rtol=1e-5)
    assert phase_error(series) < 1e-4


def test_complex_images_become_magnitude_and_phase(tmp_path):
    for n in range(2):
        array = (echo_array(n) * np.exp(1j * radians(n))).astype(np.complex64)
        SimpleITK.WriteImage(image_of(array), str(tmp_path / f"c_e{n}.nii.gz"))
    series = read_echo_series(tmp_path, echo_times_ms=(5, 10))
    np.testing.assert_allclose(series.echoes, [echo_array(n) for n in range(2)], rtol=1e-5)
    assert phase_error(series) < 1e-4


def test_phase_that_fits_no_convention_is_dropped_with_a_warning(tmp_path):
    write_4d(tmp_path / "mag.nii.gz")
    write_4d(tmp_path / "phase.nii.gz", arrays=[radians(n) * 180 / np.pi + 7 for n in range(3)])
    series = read_echo_series(tmp_path, echo_times_ms=TIMES_MS)
    assert series.phases == ()
    assert "fit no known convention" in series.warnings[0]


def test_a_word_like_phase_in_all_names_makes_no_phase_images(tmp_path):
    for n in range(2):
        SimpleITK.WriteImage(image_of(echo_array(n)), str(tmp_path / f"arterial_phase_e{n}.nii.gz"))
    assert read_echo_series(tmp_path, echo_times_ms=(5, 10)).phases == ()


def test_phase_images_given_as_magnitude_are_refused(tmp_path):
    path = write_4d(tmp_path / "b.nii.gz", arrays=[radians(n) for n in range(2)])
    assert "many negative values" in refusal_of(path, echo_times_ms=(5, 10))


# -- echo times that cannot be used --


@pytest.mark.parametrize(
    "typed, reason",
    (
        ((0.00671, 0.01342, 0.02013), "look like seconds"),
        ((6.71, 13.42), "2 echo times"),
        ((6.71, 6.71, 20.13), "occurs 2 times"),
        ((13.42, 6.71, 20.13), "must increase"),
        ((0, 6.71, 20.13), "must be positive"),
        ((float("nan"), 6.71, 20.13), "must be positive"),
        (("a", 6.71, 20.13), "must be numbers"),
        ((6710, 13420, 20130), "microseconds"),
    ),
)
def test_typed_times_that_cannot_be_right_are_refused(tmp_path, typed, reason):
    assert reason in refusal_of(write_echoes(tmp_path, sidecars=False), echo_times_ms=typed)


def test_missing_echo_times_are_told(tmp_path):
    assert "echo times of the 3 images are missing" in refusal_of(write_echoes(tmp_path, sidecars=False))
    assert "missing" in refusal_of(write_4d(tmp_path / "b.nii.gz"))


def test_a_sidecar_in_milliseconds_is_refused_and_never_repaired(tmp_path):
    write_json(tmp_path / "b.json", EchoTime=list(TIMES_MS))
    path = write_4d(tmp_path / "b.nii.gz")
    sentence = refusal_of(path)
    assert "b.json" in sentence
    assert "looks like milliseconds" in sentence
    assert read_echo_series(path, echo_times_ms=TIMES_MS).echo_times_ms == TIMES_MS


@pytest.mark.parametrize(
    "content, reason",
    (
        ("{", "not valid JSON"),
        ("[1, 2]", "no JSON object"),
        ('{"EchoTime": "6.71"}', "must be a number or a list"),
        ('{"EchoTime": [0.006, null, 0.02]}', "must be a number or a list"),
        ('{"EchoTime": [0.006, 0.012]}', "2 echo times for 3 volumes"),
        ('{"EchoTime": 0.006}', "one echo time for 3 volumes"),
        ('{"EchoTime": [0.006, 0.006, 0.02]}', "occurs 2 times"),
        ('{"EchoTime": [0.02, 0.012, -1]}', "must be positive"),
        ('{"EchoTime": [0.006, 0.012, NaN]}', "must be positive"),
        ('{"EchoTime": null}', "missing"),
        ('{"EchoTime": [0.006, 0.012, 0.02], "MagneticFieldStrength": "3T"}', "MagneticFieldStrength"),
        ('{"EchoTime": [0.006, 0.012, 0.02], "SliceThickness": 0}', "SliceThickness"),
        ('{"EchoTime": [0.006, 0.012, 1' + "0" * 400 + "]}", "looks like milliseconds"),
        ('{"EchoTime": [0.006, 0.012, 0.02], "SliceThickness": 1' + "0" * 400 + "}", "SliceThickness"),
        (b"\xff\xfe\x00", "not valid JSON"),
        ("", "not valid JSON"),
    ),
)
def test_sidecars_that_cannot_be_used_are_told(tmp_path, content, reason):
    (tmp_path / "b.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reason in refusal_of(write_4d(tmp_path / "b.nii.gz"))


def test_unordered_times_in_one_file_are_put_in_order_with_their_images(tmp_path):
    write_json(tmp_path / "b.json", EchoTime=[0.02, 0.006, 0.012])
    series = read_echo_series(write_4d(tmp_path / "b.nii.gz"))
    assert series.echo_times_ms == (6.0, 12.0, 20.0)
    np.testing.assert_array_equal(series.echoes[2], echo_array(0))


# -- images that cannot be used --


@pytest.mark.parametrize(
    "change, named",
    (
        ({"spacing": (1.25, 1.6, 5.5)}, "voxels of"),
        ({"origin": (-40.0, 12.5, 78.0)}, "another position (off by 1 mm)"),
        ({"direction": np.eye(3)}, "another orientation"),
    ),
)
def test_an_echo_on_another_grid_is_named(tmp_path, change, named):
    paths = write_echoes(tmp_path)
    SimpleITK.WriteImage(image_of(echo_array(1), **change), str(paths[1]))
    sentence = refusal_of(paths)
    assert sentence.startswith("sub-01_echo-2_MEGRE.nii.gz: its geometry differs")
    assert named in sentence


def test_an_echo_of_another_size_is_named(tmp_path):
    paths = write_echoes(tmp_path)
    SimpleITK.WriteImage(image_of(echo_array(2)[:3]), str(paths[2]))
    assert "5 x 6 x 3 voxels instead of 5 x 6 x 4" in refusal_of(paths)


def test_one_echo_is_too_few(tmp_path):
    paths = write_echoes(tmp_path)
    assert "1 echo found" in refusal_of(paths[0])
    assert "1 echo found" in refusal_of([paths[0]], echo_times_ms=(6.71,))


def test_zeros_are_told(tmp_path):
    zero = np.zeros(SHAPE, np.int16)
    path = write_4d(tmp_path / "b.nii.gz", arrays=[zero, zero])
    assert "all 2 images are zero" in refusal_of(path, echo_times_ms=(5, 10))
    path = write_4d(tmp_path / "c.nii.gz", arrays=[echo_array(0), zero])
    assert "volume 2 of c.nii.gz is zero everywhere" in refusal_of(path, echo_times_ms=(5, 10))
    nothing = np.full(SHAPE, np.nan, np.float32)
    path = write_4d(tmp_path / "d.nrrd", arrays=[nothing, nothing])
    assert "without a number" in refusal_of(path, echo_times_ms=(5, 10))


@pytest.mark.parametrize("scale", (1e30, 1e-30))
def test_values_that_nothing_can_compute_with_are_told(tmp_path, scale):
    arrays = [(echo_array(n) * scale).astype(np.float32) for n in range(2)]
    assert "Check its scale" in refusal_of(write_4d(tmp_path / "b.nrrd", arrays=arrays), echo_times_ms=(5, 10))


def test_a_few_impossible_voxels_are_left_to_the_fit(tmp_path):
    arrays = [echo_array(n, np.float32) for n in range(2)]
    arrays[0][0, 0, :2] = (1e30, 1e-30)
    series = read_echo_series(write_4d(tmp_path / "b.nrrd", arrays=arrays), echo_times_ms=(5, 10))
    np.testing.assert_array_equal(series.echoes, arrays)


def test_a_copied_echo_is_reported(tmp_path):
    path = write_4d(tmp_path / "b.nii.gz", arrays=[echo_array(0), echo_array(0), echo_array(1)])
    series = read_echo_series(path, echo_times_ms=TIMES_MS)
    assert series.warnings == ("volume 1 of b.nii.gz and volume 2 of b.nii.gz are identical, is one a copy?",)


@pytest.mark.parametrize("share", (0.0, 0.1, 0.5, 0.95, 0.999))
@pytest.mark.parametrize("suffix", (".nii", ".nii.gz", ".nrrd", ".mha"))
def test_a_truncated_file_is_told_and_never_filled_with_zeros(tmp_path, suffix, share):
    """SimpleITK reads a NIfTI file that is cut short without a word and sets the rest to zero."""
    noise = np.random.default_rng(3).integers(1, 4000, (2, 20, 20, 20)).astype(np.int16)
    path = tmp_path / f"b{suffix}"
    SimpleITK.WriteImage(SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(part) for part in noise]), str(path), True)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert path.name in refusal_of(path, echo_times_ms=(5, 10))


@pytest.mark.parametrize("suffix", (".nii.gz", ".nrrd"))
def test_damage_inside_compressed_pixels_is_told(tmp_path, suffix):
    noise = np.random.default_rng(3).integers(1, 4000, (2, 20, 20, 20)).astype(np.int16)
    path = tmp_path / f"b{suffix}"
    SimpleITK.WriteImage(SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(part) for part in noise]), str(path), True)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(8)
    path.write_bytes(content)
    assert "damaged" in refusal_of(path, echo_times_ms=(5, 10))


def test_values_of_a_file_of_the_same_name_are_never_taken(tmp_path):
    """ITK opens b.nii for the values of b.nii.gz."""
    path = write_4d(tmp_path / "b.nii.gz")
    (tmp_path / "b.nii").write_bytes(gzip.decompress(path.read_bytes()))
    assert read_echo_series(path, echo_times_ms=TIMES_MS)  # the same, unpacked
    write_4d(tmp_path / "other.nii.gz")
    content = bytearray((tmp_path / "b.nii").read_bytes())
    content[-1] ^= 1
    (tmp_path / "b.nii").write_bytes(content)
    assert "without .gz" in refusal_of(path, echo_times_ms=TIMES_MS)
    (tmp_path / "b.nii").unlink()
    assert read_echo_series(path, echo_times_ms=TIMES_MS)


@pytest.mark.parametrize("name", ("b.nii", "b.nii.gz", "b.nrrd", "b.mha", "b.nhdr", "b.mhd"))
@pytest.mark.parametrize("content", (b"", b"hello", b"\x00" * 400, b"NRRD0004\ntype: short\n\n"))
def test_files_that_are_no_images_are_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert name in refusal_of(tmp_path / name, echo_times_ms=(5, 10))


def test_paths_that_lead_nowhere_are_told(tmp_path):
    assert "no such file or folder" in refusal_of(tmp_path / "none.nii.gz")
    assert "no image was given" in refusal_of([])
    assert "there is no image in it" in refusal_of(tmp_path)
    (tmp_path / "table.csv").write_text("a,b")
    assert "format is not known" in refusal_of(tmp_path / "table.csv")
    path = write_4d(tmp_path / "b.nii.gz")
    assert "given twice" in refusal_of([path, path], echo_times_ms=TIMES_MS)


@pytest.mark.parametrize(
    "name, remedy", (("x.PAR", "dcm2niix"), ("x.rec", "dcm2niix"), ("x.img", "convert"), ("x.zip", "Unpack"))
)
def test_formats_that_clinics_have_besides_are_refused_with_a_way_out(tmp_path, name, remedy):
    (tmp_path / name).write_text("# === DATA DESCRIPTION FILE ===")
    assert remedy in refusal_of(tmp_path / name)
    assert remedy in refusal_of(tmp_path)


# -- single volumes --


@pytest.mark.parametrize("suffix", (".nii.gz", ".nrrd", ".mha"))
def test_a_field_map_is_read_as_float32(tmp_path, suffix):
    path = tmp_path / f"b0{suffix}"
    SimpleITK.WriteImage(image_of(echo_array(0) - 1200), str(path))
    volume, ijk_to_ras = read_volume(path)
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume, echo_array(0) - 1200)
    np.testing.assert_allclose(ijk_to_ras, expected_ijk_to_ras(), atol=1e-4)


def test_several_volumes_are_no_field_map(tmp_path):
    with pytest.raises(InputError, match="holds 3 volumes"):
        read_volume(write_4d(tmp_path / "b.nii.gz"))


@pytest.mark.parametrize("suffix", (".nii", ".nii.gz", ".nrrd", ".mha"))
def test_random_damage_to_a_header_gives_a_sentence_or_an_image_never_a_traceback(tmp_path, suffix):
    rng, path = np.random.default_rng(7), tmp_path / f"b{suffix}"
    original = write_4d(path).read_bytes()
    for _ in range(40):
        damaged = bytearray(original)
        for at in rng.integers(0, 340, 3):
            damaged[at : at + 3] = rng.bytes(3)
        path.write_bytes(damaged)
        try:
            series = read_echo_series(path, echo_times_ms=TIMES_MS)
        except InputError as refusal:
            assert str(refusal).endswith(".")
        else:
            assert len(series.echoes) == 3
