"""Images and segmentations of any format: read as they lie, or refused with a sentence."""

import numpy as np
import pytest
import SimpleITK

from NPCRadiomicsRiskLib.readers import read_mask, read_volume, region_names
from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import image_of
from Testing.dicom_factory import PATIENT_ID
from Testing.rt_factory import FRAME, OTHER_FRAME, Roi, sphere, write_series, write_structures

ENDINGS = (".nrrd", ".nii.gz", ".mha")
OBLIQUE = np.array([[0.7, 0.02, -0.5, 11], [0.1, 0.68, 1.1, -7], [0.06, -0.17, 4.8, 30], [0, 0, 0, 1.0]])
SHAPE = (5, 8, 7)


def straight(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix with axes at right angles and the same lengths."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    u, _, v = np.linalg.svd(matrix[:3, :3] / lengths)
    found = matrix.copy()
    found[:3, :3] = u @ v * lengths
    return found


GRID = straight(OBLIQUE)


def write(path, array, ijk_to_ras=GRID, **keys):
    image = image_of(array, ijk_to_ras)
    for key, value in keys.items():
        image.SetMetaData(key, str(value))
    SimpleITK.WriteImage(image, str(path))
    return path


def values(dtype=np.float32) -> np.ndarray:
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 251).astype(dtype)


# -- images --


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16, np.int32])
def test_an_image_is_read_as_it_lies(tmp_path, ending, dtype):
    found = read_volume(write(tmp_path / f"image{ending}", values(dtype)))
    assert np.array_equal(found.array, values()) and found.array.dtype == np.float32
    assert found.ijk_to_ras == pytest.approx(GRID, abs=1e-4)
    assert found.spacing_mm_kji == pytest.approx(np.linalg.norm(GRID[:3, :3], axis=0)[::-1], rel=1e-5)
    assert found.warnings == () and found.patient_fingerprint is None and not found.few_bits


def test_eight_bits_and_missing_numbers_are_told(tmp_path):
    found = read_volume(write(tmp_path / "image.nrrd", values(np.uint8)))
    assert found.few_bits and any("8 bits" in sentence for sentence in found.warnings)
    holes = values()
    holes[1, 2:4, 3] = np.nan
    holes[0, 0, 0] = np.inf
    found = read_volume(write(tmp_path / "holes.nrrd", holes))
    assert found.n_not_finite == 3 and any("3 voxels" in sentence for sentence in found.warnings)
    assert np.array_equal(np.isfinite(found.array), np.isfinite(holes))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("color.nrrd", "rgb", "color image .*red, green and blue"),
        ("color.nii.gz", "rgb", "color image"),
        ("series.nii.gz", "4d", r"four dimensions \(7 x 8 x 5 x 3\)"),
        ("series.mha", "4d", "four dimensions"),
        ("flat.mha", "2d", "two-dimensional"),
        ("same.nrrd", "same", "value 4 everywhere"),
        ("none.nrrd", "none", "none of its voxels is a number"),
    ],
)
def test_what_has_no_gray_volume_is_refused(tmp_path, name, array, words):
    if array == "rgb":
        image = SimpleITK.GetImageFromArray(np.zeros((*SHAPE, 3), np.uint8), isVector=True)
    elif array == "4d":
        image = SimpleITK.JoinSeries([image_of(values(), GRID)] * 3)
    elif array == "2d":
        image = SimpleITK.GetImageFromArray(values()[0])
    else:
        image = image_of(np.full(SHAPE, 4.0 if array == "same" else np.nan, np.float32), GRID)
    SimpleITK.WriteImage(image, str(tmp_path / name))
    with pytest.raises(InputError, match=words):
        read_volume(tmp_path / name)


def test_files_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_volume(tmp_path / "none.nrrd")
    (tmp_path / "text.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="format is not known"):
        read_volume(tmp_path / "text.png")
    path = write(tmp_path / "image.nii.gz", values())
    (tmp_path / "cut.nii.gz").write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="damaged"):
        read_volume(tmp_path / "cut.nii.gz")
    structures = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [0.0]))])
    with pytest.raises(InputError, match="no image is among the DICOM files"):
        read_volume(structures)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_dicom_of_any_modality_with_what_lies_beside_it(tmp_path, modality):
    stored = np.arange(6 * 10 * 12).reshape(6, 10, 12)
    folder = write_series(tmp_path / "series", stored, modality=modality, orientation=(0.8, 0.6, 0, -0.6, 0.8, 0))
    write_structures(folder / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [0.0]))])
    found = read_volume(folder)
    assert np.array_equal(found.array, stored - 1024.0)
    expected = np.array([[-0.64, 0.54, 0, 50], [-0.48, -0.72, 0, 40], [0, 0, 3, -30], [0, 0, 0, 1]])
    assert found.ijk_to_ras == pytest.approx(expected, abs=1e-6)
    assert (found.modality, found.frame_of_reference_uid) == (modality, FRAME)
    assert found.patient_fingerprint and PATIENT_ID not in found.patient_fingerprint and found.warnings == ()


def test_dicom_that_is_not_one_gray_series_is_refused(tmp_path):
    stored = np.arange(4 * 10 * 12).reshape(4, 10, 12)
    one = write_series(tmp_path / "a", stored)
    write_series(one / "b", stored, series="1.2.3.4")
    with pytest.raises(InputError, match="2 series are in it"):
        read_volume(one)

    def colored(dataset, _):
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = bytes(10 * 12 * 3)
        dataset["PixelData"].VR = "OB"

    with pytest.raises(InputError, match="in color"):
        read_volume(write_series(tmp_path / "rgb", stored, edit=colored))

    def missing(dataset, k):
        if k >= 2:
            dataset.ImagePositionPatient = [-50, -40, -30 + 3 * (k + 1)]

    with pytest.raises(InputError, match=r"lacks 1 slice|unevenly"):
        read_volume(write_series(tmp_path / "gap", stored, edit=missing))


def test_several_frames_of_reference_in_one_series_are_told(tmp_path):
    def edit(dataset, k):
        if k == 3:
            dataset.FrameOfReferenceUID = OTHER_FRAME

    found = read_volume(write_series(tmp_path / "a", np.arange(4 * 10 * 12).reshape(4, 10, 12), edit=edit))
    assert found.frame_of_reference_uid is None and "different frames of reference" in found.warnings[0]


# -- segmentations --


def labels() -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[1:3, 2:5, 1:4], found[3, 5:7, 4:6] = 1, 7
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_label_is_a_mask(tmp_path, ending):
    path = write(tmp_path / f"labels{ending}", labels())
    for name in (7, "7", " 7 "):
        found = read_mask(path, name)
        assert np.array_equal(found.array, labels() == 7) and found.array.dtype == bool
        assert (found.name, found.label) == ("label 7", 7) and found.ijk_to_ras == pytest.approx(GRID, abs=1e-4)
    assert region_names(path) == ("1", "7")
    assert found.volume_cm3 == pytest.approx(4 * abs(np.linalg.det(GRID[:3, :3])) / 1000, rel=1e-4)
    for name, words in ((None, r"several labels \(1, 7\)"), (3, "no label 3"), ("GTV", "without names")):
        with pytest.raises(InputError, match=words):
            read_mask(path, name)


def test_a_single_label_needs_no_name(tmp_path):
    path = write(tmp_path / "mask.nii.gz", (labels() == 7).astype(np.float32))
    assert np.array_equal(read_mask(path).array, labels() == 7)


def segments(path, array, **more):
    keys = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "GTV p",
        "Segment0_LabelValue": 1,
        "Segment0_Layer": 0,
        "Segment1_ID": "Segment_2",
        "Segment1_Name": "GTVr",
        "Segment1_LabelValue": 7,
        "Segment1_Layer": 0,
        **more,
    }
    return write(path, array, **keys)


def test_segments_by_name_id_and_label(tmp_path):
    path = segments(tmp_path / "s.seg.nrrd", labels())
    for name, label in (("GTV p", 1), ("gtv_P", 1), ("Segment_2", 7), ("gtvr", 7), (7, 7), ("7", 7)):
        found = read_mask(path, name)
        assert found.label == label and np.array_equal(found.array, labels() == label)
    assert region_names(path) == ("GTV p", "GTVr")
    for name, words in ((None, r"several segments \(GTV p, GTVr\)"), ("CTV", "no segment 'CTV'"), (3, "no segment 3")):
        with pytest.raises(InputError, match=words):
            read_mask(path, name)
    with pytest.raises(InputError, match="2 segments are meant"):
        read_mask(segments(tmp_path / "t.seg.nrrd", labels(), Segment1_Name="gtv p"), "GTV P")
    with pytest.raises(InputError, match="is empty"):
        read_mask(segments(tmp_path / "u.seg.nrrd", labels(), Segment1_LabelValue=9), "GTVr")
    with pytest.raises(InputError, match="layer 4 of 1"):
        read_mask(segments(tmp_path / "v.seg.nrrd", labels(), Segment1_Layer=3), "GTVr")


def test_overlapping_segments_that_slicer_wrote(tmp_path, scene):
    """Two layers, cropped to what is drawn."""
    from NPCResponseLib.mrml.files import save_node
    from Testing.scene_nodes import add_segmentation, add_volume

    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[1:4, 2:6, 2:5], second[2:4, 3:7, 3:6] = 1, 1
    reference = add_volume(values(), ijk_to_ras=GRID)
    node = add_segmentation(reference, GTV=first, GTVr=second)
    save_node(node, tmp_path / "two.seg.nrrd")
    for name, drawn in (("GTV", first), ("GTVr", second)):
        found = read_mask(tmp_path / "two.seg.nrrd", name)
        ras = np.argwhere(found.array)[:, ::-1] @ found.ijk_to_ras[:3, :3].T + found.ijk_to_ras[:3, 3]
        expected = np.argwhere(drawn)[:, ::-1] @ GRID[:3, :3].T + GRID[:3, 3]
        assert ras == pytest.approx(expected, abs=1e-4)
    with pytest.raises(InputError, match="a segmentation, not an image"):
        read_volume(tmp_path / "two.seg.nrrd")


def test_what_is_no_segmentation_is_refused(tmp_path):
    with pytest.raises(InputError, match="no whole numbers"):
        read_mask(write(tmp_path / "soft.nrrd", values() / 3))
    with pytest.raises(InputError, match="is empty"):
        read_mask(write(tmp_path / "empty.nrrd", np.zeros(SHAPE, np.uint8)))
    with pytest.raises(InputError, match="no such file"):
        read_mask(tmp_path / "none.nrrd")
    structures = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [0.0]))])
    with pytest.raises(InputError, match=r"is DICOM.*RT structure set"):
        read_mask(structures)
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(InputError, match="not known"):
        read_mask(tmp_path / "a.csv")
