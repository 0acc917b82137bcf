"""Folders that hold more, less or something else than one clean DICOM series."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, generate_uid

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import read_echo_series, read_volume
from Testing.dicom_factory import OBLIQUE, PATIENT_ID, Scan, write_classic, write_enhanced

CORONAL = (1, 0, 0, 0, 0, -1)
SMALL = {"n_slices": 3, "echo_times_ms": (6.71, 13.42, 20.13)}


def refusal_of(*arguments, **keywords) -> str:
    with pytest.raises(InputError) as refusal:
        read_echo_series(*arguments, **keywords)
    sentence = str(refusal.value)
    assert "zhangsan" not in sentence.lower()
    assert PATIENT_ID not in sentence
    assert "\n" not in sentence
    return sentence


def write_localizer(folder):
    """Three planes at one echo time in one series."""
    uid = generate_uid()
    for number, orientation in enumerate((OBLIQUE, CORONAL, (0, 1, 0, 0, 0, -1))):
        scan = Scan(
            echo_times_ms=(3.2,),
            n_slices=2,
            orientation=orientation,
            series_number=1,
            series_uid=uid,
            description="localizer",
            repetition_time_ms=8.6,
        )
        write_classic(folder, scan, prefix=f"{number}_")


def write_map(folder, image_type, description="T2* map"):
    def derived(dataset, component, echo, k):
        dataset.ImageType = image_type

    scan = Scan(n_slices=3, echo_times_ms=(0.0,), edit=derived, series_number=7, description=description)
    return write_classic(folder, scan, prefix="map")


# -- more than the series --


def test_a_localizer_and_a_map_beside_the_series_are_left_out_and_named(tmp_path):
    write_localizer(tmp_path)
    write_map(tmp_path, ["DERIVED", "PRIMARY", "M", "T2_STAR MAP", "ND"])
    write_classic(tmp_path, Scan(**SMALL))
    series = read_echo_series(tmp_path)
    assert series.echo_times_ms == SMALL["echo_times_ms"]
    assert series.warnings == (
        "Not used: series 1 (localizer): 6 magnitude images, TE 3.2 ms; series 7 (T2* map): 3 derived images, no echo "
        "time.",
    )


def test_a_single_echo_series_beside_series_of_one_echo_each_is_left_out(tmp_path):
    write_localizer(tmp_path)
    write_classic(
        tmp_path, Scan(echo_times_ms=(90.0,), series_number=3, description="T2 TSE", repetition_time_ms=4000.0)
    )
    write_classic(tmp_path, Scan(**SMALL, series_number=10), series_per_echo=True)
    series = read_echo_series(tmp_path)
    assert series.echo_times_ms == SMALL["echo_times_ms"]
    assert "T2 TSE" in series.warnings[0]


@pytest.mark.filterwarnings("ignore:(Invalid value|The value length)")  # as scanners write them
@pytest.mark.parametrize(
    "image_type",
    (
        ["DERIVED", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"],
        ["DERIVED", "SECONDARY", "R2_STAR MAP"],
        ["DERIVED", "PRIMARY", "M", "R2* map"],
        ["DERIVED", "PRIMARY", "PROJECTION IMAGE"],
        ["DERIVED", "PRIMARY", "T2_STAR_UNSPECIFIED"],
        ["DERIVED", "PRIMARY", "M", "W"],
        ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        ["ORIGINAL", "PRIMARY", "VFRAME"],
    ),
)
def test_maps_and_mosaics_inside_the_series_are_no_echoes(tmp_path, image_type):
    def last_is_map(dataset, component, echo, k):
        if echo == 2:
            dataset.ImageType = image_type

    write_classic(tmp_path, Scan(**SMALL, edit=last_is_map))
    assert read_echo_series(tmp_path).echo_times_ms == (6.71, 13.42)


@pytest.mark.parametrize("flavor", (["DERIVED", "PRIMARY", "M", "NORM", "DIS2D"], ["ORIGINAL", "PRIMARY", "T2_STAR"]))
def test_filtered_and_weighted_images_are_echoes(tmp_path, flavor):
    def filtered(dataset, component, echo, k):
        dataset.ImageType = flavor

    write_classic(tmp_path, Scan(**SMALL, edit=filtered))
    assert len(read_echo_series(tmp_path).echoes) == 3


def test_two_measurements_in_one_folder_are_listed(tmp_path):
    write_classic(tmp_path, Scan(**SMALL, series_number=5, description="BOLD pre"))
    write_classic(tmp_path, Scan(**SMALL, series_number=8, description="BOLD post"))
    sentence = refusal_of(tmp_path)
    assert "series 5 (BOLD pre) with 3 echoes, series 8 (BOLD post) with 3 echoes" in sentence


@pytest.mark.parametrize("series_per_echo", (False, True))
def test_echoes_of_two_patients_are_never_put_together(tmp_path, series_per_echo):
    def other_patient(dataset, component, echo, k):
        if echo >= 2:
            dataset.PatientID = "HOSP-2"

    scan = Scan(n_slices=3, echo_times_ms=(5, 10, 15, 20), edit=other_patient)
    write_classic(tmp_path, scan, series_per_echo=series_per_echo)
    assert "several multi-echo series" in refusal_of(tmp_path)


def test_repetitions_in_one_series_are_told(tmp_path):
    uid = generate_uid()
    for repetition in (1, 2):

        def numbered(dataset, component, echo, k, repetition=repetition):
            dataset.TemporalPositionIdentifier = repetition

        write_classic(tmp_path, Scan(**SMALL, series_uid=uid, edit=numbered), prefix=f"r{repetition}")
    sentence = refusal_of(tmp_path)
    assert "two images of the same slice" in sentence
    assert "2 repetitions" in sentence


def test_a_copy_of_one_image_is_told(tmp_path):
    path = write_classic(tmp_path, Scan(**SMALL))[0]
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    assert "copy.dcm" in refusal_of(tmp_path)


def test_series_of_one_echo_each_twice_are_told(tmp_path):
    """Two measurements whose echoes are series of their own cannot be told apart by anything but the user."""
    write_classic(tmp_path, Scan(**SMALL, series_number=5), series_per_echo=True, prefix="a")
    write_classic(tmp_path, Scan(**SMALL, series_number=15), series_per_echo=True, prefix="b")
    sentence = refusal_of(tmp_path)
    assert "two images of the same slice" in sentence
    assert "series 5" in sentence
    assert "series 15" in sentence


def test_dicom_beside_nifti_is_refused(tmp_path):
    write_classic(tmp_path, Scan(**SMALL))
    (tmp_path / "image.nii").write_bytes(b"x")
    assert "mixed" in refusal_of(tmp_path)


def test_a_segmentation_beside_the_series_is_passed_over(tmp_path):
    write_classic(tmp_path, Scan(**SMALL))
    (tmp_path / "tumor.seg.nrrd").write_bytes(b"x")
    assert len(read_echo_series(tmp_path).echoes) == 3


# -- geometry --


def test_an_echo_on_another_grid_is_refused_by_file(tmp_path):
    def wider(dataset, component, echo, k):
        if echo == 1:
            dataset.PixelSpacing = ["2", "2"]

    write_classic(tmp_path, Scan(**SMALL, edit=wider))
    sentence = refusal_of(tmp_path)
    assert "geometry of echo 2 (13.42 ms) differs from that of echo 1 (6.71 ms)" in sentence
    assert ".dcm" in sentence


@pytest.mark.parametrize("change", ({"pixel_spacing_mm": (2.0, 2.0)}, {"orientation": CORONAL}, {"rows": 9}))
def test_a_series_of_one_echo_on_another_grid_is_refused(tmp_path, change):
    for number, time in enumerate((6.71, 13.42, 20.13)):
        odd = change if number == 2 else {}
        write_classic(tmp_path, Scan(n_slices=3, echo_times_ms=(time,), series_number=5 + number, **odd))
    assert "geometry of echo 3 (20.13 ms) differs" in refusal_of(tmp_path)


def test_an_echo_at_another_position_is_refused(tmp_path):
    write_classic(tmp_path, Scan(n_slices=3, echo_times_ms=(6.71,)))
    write_classic(tmp_path, Scan(n_slices=3, echo_times_ms=(13.42,), series_number=6, origin_lps=(-40, 12.5, 79)))
    assert "another position (off by 2 mm)" in refusal_of(tmp_path)


def test_a_slice_missing_from_one_echo_is_told(tmp_path):
    def lost(dataset, component, echo, k):
        return not (echo == 1 and k == 2)

    write_classic(tmp_path, Scan(**SMALL, edit=lost))
    assert "echo 2 (13.42 ms) has 2 slices, echo 1 (6.71 ms) has 3" in refusal_of(tmp_path)


def test_a_slice_missing_from_all_echoes_is_told(tmp_path):
    write_classic(tmp_path, Scan(n_slices=6, echo_times_ms=(5, 10), edit=lambda d, c, e, k: k not in (2, 3)))
    sentence = refusal_of(tmp_path)
    assert "lacks 2 slices between" in sentence
    assert "(16.5 mm apart instead of 5.5 mm)" in sentence


def test_uneven_slices_are_told(tmp_path):
    def moved(dataset, component, echo, k):
        if k == 2:
            z = Scan().position(k) + 0.8 * (Scan().position(1) - Scan().position(0)) / 5.5
            dataset.ImagePositionPatient = [f"{value:.6f}" for value in z]

    write_classic(tmp_path, Scan(n_slices=5, echo_times_ms=(5, 10), edit=moved))
    assert "unevenly spaced, 4.7 to 6.3 mm" in refusal_of(tmp_path)


def test_sheared_stacks_are_told(tmp_path):
    def shifted(dataset, component, echo, k):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [f"{float(x) + 0.4 * k:.5f}", y, z]

    write_classic(tmp_path, Scan(n_slices=4, echo_times_ms=(5, 10), orientation=CORONAL, edit=shifted))
    assert "shifted sideways" in refusal_of(tmp_path)


@pytest.mark.parametrize(
    "keyword, named",
    (
        ("ImagePositionPatient", "Image Position"),
        ("ImageOrientationPatient", "Image Orientation"),
        ("PixelSpacing", "Pixel Spacing"),
    ),
)
def test_headers_without_geometry_are_told(tmp_path, keyword, named):
    def silent(dataset, component, echo, k):
        delattr(dataset, keyword)

    write_classic(tmp_path, Scan(**SMALL, edit=silent))
    assert f"{named} (00" in refusal_of(tmp_path)


def test_impossible_geometry_is_told(tmp_path):
    def flat(dataset, component, echo, k):
        dataset.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]

    write_classic(tmp_path, Scan(**SMALL, edit=flat))
    assert "impossible" in refusal_of(tmp_path)


# -- too little --


def test_one_echo_is_too_few(tmp_path):
    write_classic(tmp_path, Scan(n_slices=3, echo_times_ms=(6.71,)))
    sentence = refusal_of(tmp_path)
    assert "only one echo time per series" in sentence
    assert "series 5 (BOLD): 3 magnitude images, TE 6.71 ms" in sentence


def test_phase_alone_is_too_little(tmp_path):
    write_classic(tmp_path, Scan(**SMALL, components=("P",)))
    assert "only phase images" in refusal_of(tmp_path)


def test_maps_alone_are_too_little(tmp_path):
    write_map(tmp_path, ["DERIVED", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"])
    assert "only computed maps" in refusal_of(tmp_path)


def test_another_modality_is_no_series(tmp_path):
    def tomography(dataset, component, echo, k):
        dataset.Modality = "CT"

    write_classic(tmp_path, Scan(**SMALL, edit=tomography))
    assert "no MR image" in refusal_of(tmp_path)


def test_zeros_are_told(tmp_path):
    def black(dataset, component, echo, k):
        dataset.PixelData = bytes(len(dataset.PixelData))

    write_classic(tmp_path / "all", Scan(**SMALL, edit=black))
    assert "all 3 images are zero" in refusal_of(tmp_path / "all")
    write_classic(tmp_path / "one", Scan(**SMALL, edit=lambda d, c, e, k: black(d, c, e, k) if e == 2 else None))
    assert "echo 3 (20.13 ms) is zero everywhere" in refusal_of(tmp_path / "one")


def test_phase_images_not_marked_as_such_are_refused_for_their_negative_values(tmp_path):
    def unmarked(dataset, component, echo, k):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]

    write_classic(tmp_path, Scan(**SMALL, components=("P",), edit=unmarked))
    assert "many negative values" in refusal_of(tmp_path)


# -- damage --


@pytest.mark.parametrize("kept", (0, 40, 140, 300, 0.4, 0.7, 0.97))
def test_a_truncated_file_is_told_by_name(tmp_path, kept):
    path = write_classic(tmp_path, Scan(**SMALL, rows=32, columns=32))[3]
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept == int(kept) else int(len(content) * kept)])
    sentence = refusal_of(tmp_path)
    assert path.name in sentence
    assert "damaged" in sentence


@pytest.mark.parametrize("kept", (0.2, 0.6, 0.99))
def test_a_truncated_multiframe_file_is_told(tmp_path, kept):
    path = write_enhanced(tmp_path / "multi.dcm", Scan(**SMALL, rows=32, columns=32))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "multi.dcm" in refusal_of(path)


def test_random_damage_gives_a_sentence_or_an_image_never_a_traceback(tmp_path):
    """Blocks of noise written over headers and pixels of classic and enhanced files."""
    rng = np.random.default_rng(5)
    originals = [path.read_bytes() for path in write_classic(tmp_path, Scan(n_slices=1, echo_times_ms=(5.0, 10.0)))]
    multiframe = write_enhanced(tmp_path / "m.dcm", Scan(n_slices=1, echo_times_ms=(5.0, 10.0))).read_bytes()
    for round_number in range(60):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        for n, content in enumerate(originals if round_number % 2 else [multiframe]):
            damaged = bytearray(content)
            for _ in range(3):
                at = int(rng.integers(132, len(damaged) - 8))
                damaged[at : at + 8] = rng.bytes(8)
            (folder / f"{n}.dcm").write_bytes(damaged)
        try:
            series = read_echo_series(folder)
        except InputError as refusal:
            assert str(refusal).endswith(".")
        else:
            assert len(series.echoes) == 2


def test_frames_that_contradict_the_header_are_told(tmp_path):
    path = write_enhanced(tmp_path / "multi.dcm", Scan(**SMALL))
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 7
    dataset.save_as(str(path))
    assert "7 frames, but headers of 9" in refusal_of(path)


def test_frames_without_headers_are_not_cut_down_to_the_first(tmp_path):
    for path in write_classic(tmp_path, Scan(**SMALL)):
        dataset = pydicom.dcmread(path)
        dataset.NumberOfFrames = 2
        dataset.PixelData = dataset.PixelData * 2
        dataset.save_as(str(path))
    assert "2 frames have no headers" in refusal_of(tmp_path)


@pytest.mark.parametrize("syntax", (JPEG2000Lossless, JPEGLosslessSV1))
def test_pixels_that_cannot_be_decoded_are_told_in_one_sentence(tmp_path, syntax):
    for path in write_classic(tmp_path, Scan(**SMALL)):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 no such stream \xff\xd9"])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(str(path))
    sentence = refusal_of(tmp_path)
    assert "cannot be decoded here" in sentence
    assert syntax.name in sentence


def test_a_broken_gzip_file_is_told(tmp_path):
    (tmp_path / "IM1.dcm.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert "IM1.dcm.gz" in refusal_of(tmp_path)


def test_a_file_that_is_only_called_dicom_is_told(tmp_path):
    (tmp_path / "IM1.dcm").write_text("no image at all")
    assert "the name says DICOM" in refusal_of(tmp_path / "IM1.dcm")


def test_text_instead_of_numbers_in_a_header_is_told(tmp_path):
    path = write_classic(tmp_path, Scan(**SMALL))[0]
    path.write_bytes(path.read_bytes().replace(b"6.71", b"abcd").replace(b"13.42", b"abcde"))
    assert refusal_of(tmp_path)


def test_a_volume_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_volume(tmp_path / "none")
    with pytest.raises(InputError, match="no image in it"):
        read_volume(tmp_path)
