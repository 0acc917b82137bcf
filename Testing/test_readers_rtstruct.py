"""RT structure sets: contours to masks, against discs and balls of known volume."""

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from scipy.spatial.transform import Rotation

from NPCRadiomicsRiskLib.readers import check_same_patient, mask_of, rasterized, read_structures
from NPCRadiomicsRiskLib.subregions.contours import rasterize
from NPCRadiomicsRiskLib.subregions.polygons import pixels_inside, polygon_area
from NPCResponseLib.errors import InputError
from Testing.rt_factory import (
    FRAME,
    OTHER_FRAME,
    SERIES,
    Roi,
    disc,
    keyhole,
    rectangle,
    sphere,
    write_dose,
    write_structures,
)
from Testing.rt_factory import DoseGrid as AnyDose

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (30, 120, 110)  # k, j, i


def grid(spacing_ijk=(0.9, 0.8, 3.0), shape_kji=SHAPE, center_lps=(0, 0, 0), angles_deg=(0, 0, 0)) -> np.ndarray:
    """ijk_to_ras; its middle voxel lies at ``center_lps``, its axes along L, P, S before they are turned."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix() * spacing_ijk
    matrix[:3, 3] = center_lps - matrix[:3, :3] @ (np.array(shape_kji[::-1]) // 2)
    return LPS @ matrix


def planes(n: int, spacing_mm: float = 3.0) -> np.ndarray:
    return spacing_mm * (np.arange(n) - n // 2)


def structure(tmp_path, contours_lps, **options):
    return read_structures(write_structures(tmp_path / "RS.dcm", [Roi("GTV", contours_lps, **options)])).named("GTV")


def volume_cm3(mask, ijk_to_ras) -> float:
    return mask.sum() * abs(np.linalg.det(ijk_to_ras[:3, :3])) / 1000


# -- polygons --


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12))
def test_pixels_inside_agree_with_the_winding_of_each_center(seed, n_corners):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-2, 14, (n_corners, 2))  # crossing itself at will
    found = pixels_inside([polygon], (12, 11))
    edges = np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1)
    for row, column in np.ndindex(12, 11):
        crossings = 0
        for (x0, y0), (x1, y1) in edges:
            if (y0 <= row) != (y1 <= row) and column > x0 + (row - y0) / (y1 - y0) * (x1 - x0):
                crossings += 1
        assert found[row, column] == (crossings % 2 == 1)


def test_polygons_side_by_side_share_no_pixel():
    left = np.array([[1, 1], [4, 1], [4, 6], [1, 6]])
    right = left + np.array([3, 0])
    both = pixels_inside([left], (8, 9)).astype(int) + pixels_inside([right], (8, 9))
    assert both.max() == 1 and both.sum() == 6 * 5
    assert np.array_equal(pixels_inside([left, right], (8, 9)), both == 1)
    assert polygon_area(left.astype(float)) == 15


# -- on the planning grid itself --


@pytest.mark.parametrize("radius_mm", [6.0, 11.3, 24.7, 35.0])
def test_a_cylinder_of_discs_has_its_volume(tmp_path, radius_mm):
    contours = [disc((3.3 + 0.17 * n, -5.1 + 0.29 * n, z), radius_mm) for n, z in enumerate(planes(11))]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    truth_cm3 = np.pi * radius_mm**2 * 33 / 1000
    assert not found.interpolated
    assert found.volume_cm3 == pytest.approx(truth_cm3, rel=0.01)
    assert found.contour_volume_cm3 == pytest.approx(truth_cm3, rel=1e-3)
    assert found.warnings == () and found.n_planes == 11 and found.plane_spacing_mm == pytest.approx(3)


def test_each_voxel_is_inside_if_its_center_is(tmp_path):
    ijk_to_ras = grid()
    contours = [disc((3.37, -5.13, z), 17.0, n=720) for z in planes(5)]
    mask = mask_of(structure(tmp_path, contours), SHAPE, ijk_to_ras)
    lps = np.moveaxis(np.indices(SHAPE)[::-1], 0, -1) @ (LPS @ ijk_to_ras)[:3, :3].T + (LPS @ ijk_to_ras)[:3, 3]
    radius_mm = np.linalg.norm(lps[..., :2] - (3.37, -5.13), axis=-1)
    of_planes = np.abs(lps[..., 2]) < 7
    sure = np.abs(radius_mm - 17.0) > 0.02  # coordinates are rounded to 0.01 mm
    assert np.array_equal(mask[sure], (of_planes & (radius_mm < 17.0))[sure])


@pytest.mark.parametrize("way", ["own contour", "keyhole"])
def test_holes(tmp_path, way):
    contours = []
    for z in planes(7):
        outer, inner = disc((0.2, 0.1, z), 25.0), disc((2.2, 3.1, z), 10.0)
        contours += [outer, inner] if way == "own contour" else [keyhole(outer, inner)]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    truth_cm3 = np.pi * (25**2 - 10**2) * 21 / 1000
    assert found.volume_cm3 == pytest.approx(truth_cm3, rel=0.01)
    assert found.contour_volume_cm3 == pytest.approx(truth_cm3, rel=2e-3)
    other = rasterized(
        structure(tmp_path, contours), (70, 70, 70), grid((1, 1, 1), (70, 70, 70), angles_deg=(20, 10, 5))
    )
    assert other.interpolated and other.volume_cm3 == pytest.approx(truth_cm3, rel=0.01)


def test_an_island_in_a_hole_and_two_contours_beside_each_other(tmp_path):
    contours = []
    for z in planes(3):
        contours += [disc((-10, 0, z), 20.0), disc((-10, 0, z), 12.0), disc((-10, 0, z), 5.0), disc((25, 0, z), 8.0)]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    truth_cm3 = np.pi * (20**2 - 12**2 + 5**2 + 8**2) * 9 / 1000
    assert found.volume_cm3 == pytest.approx(truth_cm3, rel=0.01)
    assert found.contour_volume_cm3 == pytest.approx(truth_cm3, rel=1e-3)


def test_a_contour_given_twice_does_not_cancel_itself(tmp_path):
    contours = [contour for z in planes(5) for contour in [disc((0, 0, z), 15.0)] * 2]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    assert found.volume_cm3 == pytest.approx(np.pi * 15**2 * 15 / 1000, rel=0.01)
    assert any("same contour twice" in sentence for sentence in found.warnings)


@pytest.mark.parametrize("missing", [1, 2])
def test_missing_planes_are_interpolated_and_told(tmp_path, missing):
    contours = [disc((0, 0, z), 15.0) for n, z in enumerate(planes(11)) if n not in range(4, 4 + missing)]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    assert found.interpolated and found.volume_cm3 == pytest.approx(np.pi * 15**2 * 33 / 1000, rel=0.02)
    assert any(f"{missing} plane" in sentence and "interpolated there" in sentence for sentence in found.warnings)


def test_parts_far_apart_stay_apart(tmp_path):
    contours = [disc((0, 0, z), 12.0) for n, z in enumerate(planes(21)) if not 6 <= n < 14]
    for ijk_to_ras, shape in ((grid(), SHAPE), (grid((1, 1, 1), (90, 70, 70)), (90, 70, 70))):
        found = rasterized(structure(tmp_path, contours), shape, ijk_to_ras)
        assert found.volume_cm3 == pytest.approx(np.pi * 12**2 * 13 * 3 / 1000, rel=0.03)
        assert any("separate parts" in sentence for sentence in found.warnings)
        filled = found.mask.any(axis=(1, 2))
        assert np.count_nonzero(np.diff(filled.astype(int)) == 1) == 2


# -- on other grids --


@pytest.mark.parametrize("spacing_mm", [2.0, 2.5, 3.0, 5.0])
@pytest.mark.parametrize("angles_deg", [(0, 0, 0), (15, -10, 7)])
def test_a_ball_on_another_grid_has_its_volume(tmp_path, spacing_mm, angles_deg):
    contours = sphere((2.0, -3.0, 1.0), 20.0, planes(41, spacing_mm))
    shape = (64, 64, 64)
    ijk_to_ras = grid((0.8, 0.8, 0.8), shape, (2, -3, 1), angles_deg)
    found = rasterized(structure(tmp_path, contours), shape, ijk_to_ras)
    lps = np.moveaxis(np.indices(shape)[::-1], 0, -1) @ (LPS @ ijk_to_ras)[:3, :3].T + (LPS @ ijk_to_ras)[:3, 3]
    truth = np.linalg.norm(lps - (2.0, -3.0, 1.0), axis=-1) <= 20
    overlap = 2 * np.count_nonzero(truth & found.mask) / (truth.sum() + found.mask.sum())
    assert found.interpolated
    assert found.volume_cm3 == pytest.approx(4 / 3 * np.pi * 8, rel=0.015)
    assert overlap > (0.985 if spacing_mm < 5 else 0.97)


def test_thick_slices_of_a_tilted_magnetic_resonance_scan(tmp_path):
    contours = sphere((0, 0, 0), 22.0, planes(31, 2.5))
    shape = (14, 90, 90)
    ijk_to_ras = grid((0.7, 0.7, 5.0), shape, (0, 0, 0), (12, 5, 0))
    found = rasterized(structure(tmp_path, contours), shape, ijk_to_ras)
    assert found.volume_cm3 == pytest.approx(4 / 3 * np.pi * 22**3 / 1000, rel=0.02)


def test_contours_of_a_tilted_series_fill_its_own_slices(tmp_path):
    tilt = Rotation.from_euler("xyz", (18, -9, 4), degrees=True).as_matrix()
    contours = [disc(tilt @ (1.0, 2.0, z), 18.0, tilt=tilt) for z in planes(9)]
    ijk_to_ras = grid(angles_deg=(18, -9, 4))
    found = rasterized(structure(tmp_path, contours), SHAPE, ijk_to_ras)
    assert found.interpolated is False
    assert found.volume_cm3 == pytest.approx(np.pi * 18**2 * 27 / 1000, rel=0.01)


def test_a_transform_carries_contours_to_the_image(tmp_path):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (8, -12, 5), degrees=True).as_matrix()
    turn[:3, 3] = 5, -7, 9
    contours = sphere((10, -20, 30), 15.0, 30 + planes(21, 2.5))
    center_ras = turn[:3, :3] @ (-10, 20, 30) + turn[:3, 3]
    shape = (50, 50, 50)
    found = rasterized(
        structure(tmp_path, contours), shape, grid((1, 1, 1), shape, center_ras * (-1, -1, 1)), to_grid_ras=turn
    )
    inside = np.argwhere(found.mask)
    assert inside.mean(axis=0) == pytest.approx([25, 25, 25], abs=0.1)
    assert found.volume_cm3 == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.015)


def test_a_single_plane_has_the_thickness_of_the_others(tmp_path):
    rois = [Roi("BODY", [disc((0, 0, z), 40.0) for z in planes(9)]), Roi("GTV", [disc((0, 0, 0), 10.0)])]
    found = read_structures(write_structures(tmp_path / "RS.dcm", rois)).named("GTV")
    assert rasterized(found, SHAPE, grid()).volume_cm3 == pytest.approx(np.pi * 100 * 3 / 1000, rel=0.02)
    alone = structure(tmp_path, [disc((0, 0, 0), 10.0)])
    told = rasterized(alone, (40, 40, 40), grid((1, 1, 1), (40, 40, 40)))
    assert any("3 mm assumed" in sentence for sentence in told.warnings)
    assert told.volume_cm3 == pytest.approx(np.pi * 100 * 3 / 1000, rel=0.15)  # 1 mm voxels do not hold 3 mm well


def test_contours_beyond_the_image_are_told(tmp_path):
    contours = [disc((45, 0, z), 15.0) for z in planes(5)]
    found = rasterized(structure(tmp_path, contours), SHAPE, grid())
    assert any("lie outside the image" in sentence for sentence in found.warnings)


# -- structure sets --


def test_names_frames_and_kinds(tmp_path):
    rois = [
        Roi("  gtv   P ", sphere((0, 0, 0), 10, planes(9))),
        Roi("GTVr_1", sphere((4, 0, 0), 6, planes(9))),
        Roi("Empty", (), kind=""),
        Roi("No item", (), has_item=False),
        Roi("Isocenter", [("POINT", [1, 2, 3])], kind="ISOCENTER"),
    ]
    found = read_structures(write_structures(tmp_path / "RS.dcm", rois))
    assert found.names == ("gtv P", "GTVr_1", "Empty", "No item", "Isocenter")
    assert found.frame_of_reference_uid == FRAME and found.series_uids == (SERIES,) and found.label == "CT_PLAN"
    assert found.named("GTV_p").kind == "GTV" and found.named("gtvr 1").name == "GTVr_1"
    assert found.named("GTVr_1").frame_of_reference_uid == FRAME
    assert "1 (POINT)" in found.structures[4].warnings[0]
    for name, words in (
        ("CTV", r"no structure 'CTV'.*gtv P, GTVr_1"),
        ("Empty", "no contours"),
        ("isocenter", "no contours"),
    ):
        with pytest.raises(InputError, match=words):
            found.named(name)


def test_an_exact_name_wins_over_similar_ones(tmp_path):
    rois = [Roi("GTV", sphere((0, 0, 0), 10, planes(9))), Roi("gtv", sphere((0, 0, 0), 8, planes(9)))]
    found = read_structures(write_structures(tmp_path / "RS.dcm", rois))
    assert found.named("gtv").number == 2
    with pytest.raises(InputError, match="2 structures are named like 'Gtv'"):
        found.named("Gtv")


def test_another_frame_of_reference_needs_a_transform(tmp_path):
    drawn = structure(tmp_path, sphere((0, 0, 0), 15, planes(11)))
    with pytest.raises(InputError, match=r"another frame of reference.*transform"):
        mask_of(drawn, SHAPE, grid(), grid_frame_uid=OTHER_FRAME)
    assert mask_of(drawn, SHAPE, grid(), grid_frame_uid=FRAME).any()
    assert mask_of(drawn, SHAPE, grid(), grid_frame_uid=OTHER_FRAME, to_grid_ras=np.eye(4)).any()


def test_a_structure_set_of_another_patient_is_refused(tmp_path):
    contours = sphere((0, 0, 0), 15, planes(11))
    own, other = (
        read_structures(write_structures(tmp_path / f"{patient}.dcm", [Roi("GTV", contours)], patient=patient))
        for patient in ("A-1", "B-2")
    )
    with pytest.raises(InputError, match="different patients"):
        check_same_patient(own.patient_fingerprint, other.patient_fingerprint, "the two structure sets")
    allowed = check_same_patient(
        own.patient_fingerprint, other.patient_fingerprint, "the two structure sets", allow_other=True
    )
    assert "allowed" in allowed[0]
    assert (
        check_same_patient(own.patient_fingerprint, own.patient_fingerprint, "x")
        == check_same_patient(own.patient_fingerprint, None, "x")
        == ()
    )
    assert "A-1" not in own.patient_fingerprint


@pytest.mark.parametrize(
    ("contours", "words"),
    [
        ([rectangle((0, 0, 0), 10, 0)], "encloses an area"),
        ([disc((0, 0, z), 10) + (np.arange(180)[:, None] == 7) * (0, 0, 4) for z in planes(3)], "leave their planes"),
        (
            [disc((0, 0, 0), 15), disc((0, 0, 0), 15, tilt=Rotation.from_euler("x", 90, degrees=True).as_matrix())],
            "not parallel",
        ),
        ([disc((0, 0, z + 500), 10) for z in planes(5)], "no voxel of the image"),
    ],
)
def test_contours_that_cannot_be_filled_are_refused(contours, words):
    ras = [contour * (-1, -1, 1) for contour in contours]
    with pytest.raises(InputError, match=words):
        rasterize(ras, SHAPE, grid())


def test_broken_points_are_refused(tmp_path):
    def cut(dataset):
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = list(contour.ContourData)[:-1]

    path = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 10, planes(9)))], edit=cut)
    with pytest.raises(InputError, match="three numbers"):
        read_structures(path)


def test_what_is_no_structure_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of its structures has contours"):
        read_structures(write_structures(tmp_path / "empty.dcm", [Roi("GTV")]))
    dose = write_dose(tmp_path / "RD.dcm", AnyDose(np.ones((3, 4, 5))))
    with pytest.raises(InputError, match="no RT structure set in it, but DICOM of modality RTDOSE"):
        read_structures(dose)
    (tmp_path / "image.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(InputError, match="no DICOM RT structure set"):
        read_structures(tmp_path / "image.nrrd")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(
        write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, planes(9)))]).read_bytes()[:9000]
    )
    with pytest.raises(InputError):
        read_structures(cut)


def test_a_folder_with_one_structure_set(tmp_path):
    write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, planes(9)))])
    write_dose(tmp_path / "RD.dcm", AnyDose(np.ones((3, 4, 5))))
    assert read_structures(tmp_path).names == ("GTV",)
    write_structures(tmp_path / "RS2.dcm", [Roi("GTV", sphere((0, 0, 0), 9, planes(9)))])
    with pytest.raises(InputError, match=r"2 RT structure sets are in it.*RS\.dcm"):
        read_structures(tmp_path)


def test_a_real_structure_set():
    """A phantom's body from a treatment planning system, which pydicom brings along."""
    found = read_structures(get_testdata_file("rtstruct.dcm"))
    assert found.names == ("patient", "Isocenter 1", "Isocenter 2")
    body = found.named("PATIENT")
    contours = pydicom.dcmread(get_testdata_file("rtstruct.dcm"), force=True).ROIContourSequence[0].ContourSequence
    assert [len(points) for points in body.contours_ras] == [int(item.NumberOfContourPoints) for item in contours]
    middle_lps = np.concatenate(body.contours_ras).mean(axis=0) * (-1, -1, 1)
    shape = (9, 200, 200)
    found = rasterized(body, shape, grid((2.5, 2.5, body.plane_spacing_mm), shape, middle_lps))
    assert found.volume_cm3 == pytest.approx(found.contour_volume_cm3, rel=0.02)
