"""DICOM spatial registration: a point of one frame lands where the matrices say, in RAS."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from NPCRadiomicsRiskLib.readers import (
    rasterized,
    read_registration,
    read_structures,
)
from NPCRadiomicsRiskLib.readers.dicom_rt import modality_of
from NPCResponseLib.errors import InputError
from Testing.rt_factory import (
    FRAME,
    OTHER_FRAME,
    DoseGrid,
    Roi,
    sphere,
    write_dose,
    write_registration,
    write_structures,
)

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def rigid(angles_deg, shift_mm) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


MATRIX_LPS = rigid((10, -7, 3), (12, -5, 30))


def test_a_point_goes_where_the_matrix_says(tmp_path):
    found = read_registration(write_registration(tmp_path / "REG.dcm", {FRAME: [MATRIX_LPS], OTHER_FRAME: [np.eye(4)]}))
    point_lps = np.array([11.0, -22.0, 33.0, 1.0])
    assert found.between(FRAME, OTHER_FRAME) @ (LPS @ point_lps) == pytest.approx(LPS @ MATRIX_LPS @ point_lps)
    assert found.between(OTHER_FRAME, FRAME) == pytest.approx(np.linalg.inv(found.between(FRAME, OTHER_FRAME)))
    assert found.between(FRAME, FRAME) == pytest.approx(np.eye(4)) and found.warnings == ()


def test_several_matrices_follow_each_other_and_the_common_frame_may_be_left_out(tmp_path):
    second = rigid((0, 30, 0), (1, 2, 3))
    found = read_registration(write_registration(tmp_path / "REG.dcm", {FRAME: [MATRIX_LPS, second]}))
    assert found.between(FRAME, OTHER_FRAME) == pytest.approx(LPS @ second @ MATRIX_LPS @ LPS)


def test_contours_come_over_by_the_registration(tmp_path):
    found = read_registration(write_registration(tmp_path / "REG.dcm", {FRAME: [MATRIX_LPS]}))
    path = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((5, 6, 7), 15, 7 + 2.5 * np.arange(-8, 9)))])
    center_ras = (LPS @ MATRIX_LPS @ (5, 6, 7, 1))[:3]
    shape, ijk_to_ras = (44, 44, 44), np.eye(4)
    ijk_to_ras[:3, 3] = np.round(center_ras) - 22
    drawn = rasterized(
        read_structures(path).named("GTV"),
        shape,
        ijk_to_ras,
        grid_frame_uid=OTHER_FRAME,
        to_grid_ras=found.between(FRAME, OTHER_FRAME),
    )
    middle = np.argwhere(drawn.mask).mean(axis=0)[::-1] + ijk_to_ras[:3, 3]
    assert middle == pytest.approx(center_ras, abs=0.1)
    assert drawn.volume_cm3 == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.015)


def test_what_cannot_be_used_is_refused(tmp_path):
    path = write_registration(tmp_path / "REG.dcm", {FRAME: [MATRIX_LPS]})
    with pytest.raises(InputError, match="does not register"):
        read_registration(path).between("1.2.3", OTHER_FRAME)
    with pytest.raises(InputError, match="matrix cannot be used"):
        read_registration(write_registration(tmp_path / "flat.dcm", {FRAME: [np.diag([1.0, 1, 0, 1])]}))
    with pytest.raises(InputError, match="holds no matrix"):
        read_registration(write_registration(tmp_path / "none.dcm", {}))
    assert (
        "not rigid"
        in read_registration(
            write_registration(tmp_path / "affine.dcm", {FRAME: [np.diag([1.1, 1, 1, 1])]}, kind="AFFINE")
        ).warnings[0]
    )


def test_kinds_are_told_apart(tmp_path):
    dose = write_dose(tmp_path / "RD.dcm", DoseGrid(np.ones((3, 4, 5))))
    structures = write_structures(tmp_path / "RS.dcm", [Roi("GTV", sphere((0, 0, 0), 9, [0.0]))])
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n")
    assert (modality_of(dose), modality_of(structures), modality_of(tmp_path / "a.nrrd")) == ("RTDOSE", "RTSTRUCT", "")
