"""DICOM spatial registration (REG), as Eclipse, MIM and Velocity export it: from one frame of reference to another."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import patient_fingerprint
from NPCResponseLib.readers.dicom_values import first_text, first_vector

from .dicom_rt import read_one

STORAGE_CLASS = "1.2.840.10008.5.1.4.1.1.66.1"
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class SpatialRegistration:
    """How frames of reference lie to each other.

    Attributes:
        to_common_ras: frame of reference to the 4x4 that takes its points to the common frame, RAS.
        frame_of_reference_uid: the common frame.
        patient_fingerprint: of the PatientID; None if nothing tells.
    """

    to_common_ras: dict[str, np.ndarray]
    frame_of_reference_uid: str
    patient_fingerprint: str | None
    warnings: tuple[str, ...] = ()

    def between(self, from_frame_uid: str, to_frame_uid: str) -> np.ndarray:
        """4x4, takes a point of one frame to the same anatomy in the other, RAS.

        Raises:
            InputError: a frame is not in the registration.
        """
        for uid in (from_frame_uid, to_frame_uid):
            if uid not in self.to_common_ras:
                raise InputError(
                    "it does not register the frame of reference of the image or plan given",
                    where="spatial registration",
                    remedy="Export the registration between these two images",
                )
        return np.linalg.inv(self.to_common_ras[to_frame_uid]) @ self.to_common_ras[from_frame_uid]


def read_registration(path: Path | str) -> SpatialRegistration:
    """Read a linear registration: a file, or a folder that holds exactly one.

    Each frame's matrices take its coordinates to the common frame (PS3.3 C.20.2); several are applied one after the
    other, in the order of the file.

    Raises:
        InputError: missing, damaged, none or several of them, a deformable one, a matrix that cannot be used.
    """
    file, dataset = read_one(path, STORAGE_CLASS, "REG", "spatial registration")
    common = first_text([dataset], "FrameOfReferenceUID")
    found: dict[str, np.ndarray] = {}
    warnings: dict[str, None] = {}
    for item in dataset.get("RegistrationSequence") or ():
        uid = first_text([item], "FrameOfReferenceUID") or common
        matrix, kinds = _matrix_ras(item, file.name)
        if uid in found and not np.allclose(found[uid], matrix, atol=1e-6):
            raise InputError(
                "it gives two different matrices for one frame of reference", where=file.name, remedy="Export it again"
            )
        found[uid] = matrix
        if kinds - {"RIGID", ""}:
            warnings["The registration scales or shears the image: it is not rigid."] = None
    if not found:
        raise InputError("it holds no matrix", where=file.name, remedy="Export a rigid registration")
    if common:
        found.setdefault(common, np.eye(4))
    return SpatialRegistration(found, common, patient_fingerprint(file), tuple(warnings))


def _matrix_ras(item: Dataset, where: str) -> tuple[np.ndarray, set[str]]:
    """To the common frame, and what kinds of matrices it is made of."""
    total, kinds = np.eye(4), set()
    for registration in item.get("MatrixRegistrationSequence") or ():
        for part in registration.get("MatrixSequence") or ():
            values = first_vector([part], "FrameOfReferenceTransformationMatrix", 16)
            matrix = np.eye(4) if values is None else np.reshape(values, (4, 4))
            if values is None or abs(np.linalg.det(matrix)) < 1e-9 or not np.allclose(matrix[3], (0, 0, 0, 1)):
                raise InputError("its matrix cannot be used", where=where, remedy="Export the registration again")
            kinds.add(first_text([part], "FrameOfReferenceTransformationMatrixType").upper())
            total = matrix @ total
    return _LPS_FROM_RAS @ total @ _LPS_FROM_RAS, kinds
