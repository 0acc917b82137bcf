"""RT dose: gray where the file says it is, whatever way the planes are told; and the in-field check end to end."""

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from NPCRadiomicsRiskLib.readers import rasterized, read_dose, read_structures, read_volume
from NPCRadiomicsRiskLib.subregions.dose_coverage import IN_FIELD, MARGINAL, in_field
from NPCResponseLib.errors import InputError
from Testing.rt_factory import FRAME, OTHER_FRAME, DoseGrid, Roi, sphere, write_dose, write_series, write_structures

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
OBLIQUE = tuple(np.array([[0.936, 0.28, -0.2134], [-0.2604, 0.9586, 0.1157]]).ravel())
UPRIGHT = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)  # coronal
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # prone, normal upward
DOWNWARD = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # normal downward


def gray(shape=(6, 5, 4)) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=float).reshape(shape) * 0.5 + 1


def where_stored(grid: DoseGrid, offsets_mm) -> dict[tuple, float]:
    """Dose by position in RAS, rounded to 0.01 mm, as the standard says it (PS3.3 C.7.6.2.1.1 and C.8.8.3.2)."""
    row, column = np.array(grid.orientation[:3]), np.array(grid.orientation[3:])
    column = column - row * (row @ column)
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    normal = np.cross(row, column)
    found = {}
    for (f, r, c), gy in np.ndenumerate(grid.gy):
        lps = np.array(grid.first_lps) + row * c * grid.pixel_spacing_mm[1] + column * r * grid.pixel_spacing_mm[0]
        lps = lps + normal * offsets_mm[f]
        found[tuple(np.round(lps * (-1, -1, 1), 1) + 0.0)] = gy
    return found


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), OBLIQUE, UPRIGHT, TURNED, DOWNWARD])
@pytest.mark.parametrize("step_mm", [3.0, -3.0])
def test_every_dose_is_where_the_standard_says(tmp_path, orientation, step_mm):
    offsets_mm = step_mm * np.arange(6)
    grid = DoseGrid(gray(), orientation=orientation, offsets_mm=offsets_mm)
    found = read_dose(write_dose(tmp_path / "RD.dcm", grid))
    expected = where_stored(grid, offsets_mm)
    ras = (
        np.moveaxis(np.indices(found.dose_gy.shape)[::-1], 0, -1) @ found.ijk_to_ras[:3, :3].T + found.ijk_to_ras[:3, 3]
    )
    for position, gy in zip(ras.reshape(-1, 3), found.dose_gy.ravel(), strict=True):
        distances = np.linalg.norm(np.array(list(expected)) - position, axis=1)
        assert distances.min() < 0.1 and list(expected.values())[distances.argmin()] == pytest.approx(gy, abs=1e-4)
    assert found.dose_gy.dtype == np.float32 and found.frame_of_reference_uid == FRAME
    assert found.warnings == () and (found.summation, found.dose_type) == ("PLAN", "PHYSICAL")


@pytest.mark.parametrize(("orientation", "sign"), [((1, 0, 0, 0, 1, 0), 1), (TURNED, 1), (DOWNWARD, -1)])
@pytest.mark.parametrize("step_mm", [3.0, -3.0])
def test_offsets_may_be_the_z_coordinates_themselves(tmp_path, orientation, sign, step_mm):
    offsets_mm = step_mm * np.arange(6)
    relative = DoseGrid(gray(), orientation=orientation, offsets_mm=offsets_mm)
    absolute = DoseGrid(gray(), orientation=orientation, offsets_mm=-30.0 + sign * offsets_mm)
    one, other = (read_dose(write_dose(tmp_path / f"{n}.dcm", grid)) for n, grid in enumerate((relative, absolute)))
    assert one.ijk_to_ras == pytest.approx(other.ijk_to_ras) and np.array_equal(one.dose_gy, other.dose_gy)


def test_a_single_plane(tmp_path):
    grid = DoseGrid(gray((1, 5, 4)), offsets_mm=[0.0], edit=lambda dataset: setattr(dataset, "SliceThickness", 4))
    found = read_dose(write_dose(tmp_path / "RD.dcm", grid))
    assert found.dose_gy.shape == (1, 5, 4) and found.ijk_to_ras[2, 2] == pytest.approx(4)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"units": "RELATIVE"}, "relative, not in gray"),
        ({"dose_type": "ERROR"}, "difference of doses"),
        ({"scaling": None}, "Dose Grid Scaling"),
        ({"offsets_mm": [0, 3, 6, 9, 12, 16]}, "unevenly spaced, 3 to 4 mm"),
        ({"offsets_mm": [0, 3, 6]}, "where its 6 planes are"),
        ({"offsets_mm": [0, 0, 0, 0, 0, 0]}, "unevenly spaced"),
        ({"offsets_mm": [5, 8, 11, 14, 17, 20], "orientation": UPRIGHT}, "not axial"),
        ({"edit": lambda dataset: dataset.__delattr__("ImagePositionPatient")}, "position"),
        ({"edit": lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:40])}, "damaged"),
    ],
)
def test_what_is_no_usable_dose_is_refused(tmp_path, changed, words):
    path = write_dose(tmp_path / "RD.dcm", DoseGrid(gray(), **changed))
    with pytest.raises(InputError, match=words):
        read_dose(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"summation": "BEAM"}, "that of a beam alone"),
        ({"summation": "FRACTION"}, "that of a fraction alone"),
        ({"summation": ""}, "does not tell whether"),
        ({"dose_type": "EFFECTIVE"}, "effective"),
        ({"units": ""}, "gray was assumed"),
    ],
)
def test_doubtful_doses_are_told(tmp_path, changed, words):
    found = read_dose(write_dose(tmp_path / "RD.dcm", DoseGrid(gray(), **changed)))
    assert any(words in sentence for sentence in found.warnings), found.warnings


def test_a_structure_set_is_no_dose(tmp_path):
    path = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [0.0]))])
    with pytest.raises(InputError, match="no RT dose in it, but DICOM of modality RTSTRUCT"):
        read_dose(path)


def test_a_real_dose_in_relative_units_is_refused():
    """A phantom's dose from a treatment planning system, which pydicom brings along."""
    with pytest.raises(InputError, match="relative"):
        read_dose(get_testdata_file("rtdose.dcm"))


def test_recurrence_in_the_field_from_files(tmp_path):
    """Planning CT, structures and dose of one export; the isodose of 66.5 Gy is the plane L = -1.8 mm."""
    folder = write_series(
        tmp_path / "CT", np.arange(20 * 60 * 70).reshape(20, 60, 70) % 4000, first_lps=(-28, -27, -30)
    )
    shape = (30, 40, 40)
    lps_x = -40 + 2.0 * np.arange(40)
    dose = np.where(lps_x < 0, 70.0, 30.0) * np.ones(shape)
    write_dose(tmp_path / "RD.dcm", DoseGrid(dose, first_lps=(-40, -50, -45)))
    positions = -30 + 3.0 * np.arange(20)
    write_structures(
        tmp_path / "RS.dcm",
        [Roi("GTVr in", sphere((-14, 0, 0), 9, positions)), Roi("GTVr half", sphere((-1.8, 0, 0), 9, positions))],
    )
    image, structures, plan = read_volume(folder), read_structures(tmp_path / "RS.dcm"), read_dose(tmp_path / "RD.dcm")
    assert image.patient_fingerprint == structures.patient_fingerprint == plan.patient_fingerprint is not None
    for name, expected, share in (("gtvr_in", IN_FIELD, 1.0), ("gtvr_half", MARGINAL, 0.5)):
        drawn = rasterized(
            structures.named(name), image.array.shape, image.ijk_to_ras, grid_frame_uid=image.frame_of_reference_uid
        )
        found = in_field(
            plan.dose_gy,
            plan.ijk_to_ras,
            drawn.mask,
            image.ijk_to_ras,
            70.0,
            dose_frame_uid=plan.frame_of_reference_uid,
            mask_frame_uid=image.frame_of_reference_uid,
        )
        assert found.category == expected and found.share_within == pytest.approx(share, abs=0.02)
    write_dose(tmp_path / "other.dcm", DoseGrid(dose, first_lps=(-40, -50, -45), frame=OTHER_FRAME))
    other = read_dose(tmp_path / "other.dcm")
    with pytest.raises(InputError, match="another frame of reference"):
        in_field(
            other.dose_gy,
            other.ijk_to_ras,
            drawn.mask,
            image.ijk_to_ras,
            70.0,
            dose_frame_uid=other.frame_of_reference_uid,
            mask_frame_uid=image.frame_of_reference_uid,
        )


@pytest.mark.parametrize("read", [read_structures, read_dose], ids=["structures", "dose"])
def test_damaged_files_are_refused_with_a_sentence(tmp_path, read):
    """Cut short, or with bytes overwritten anywhere: a result or an InputError, nothing else."""
    write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [-3.0, 0.0, 3.0]))])
    write_dose(tmp_path / "RD.dcm", DoseGrid(gray()))
    whole = (tmp_path / ("RS.dcm" if read is read_structures else "RD.dcm")).read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for n in range(80):
        damaged = bytearray(whole)
        if n < 40:
            damaged = damaged[: len(whole) * n // 40]
        else:
            for at in rng.integers(132, min(len(whole), 1500), 4):
                damaged[at] = rng.integers(256)
        path = tmp_path / "damaged.dcm"
        path.write_bytes(bytes(damaged))
        try:
            read(path)
        except InputError:
            refused += 1
    assert refused > 40
