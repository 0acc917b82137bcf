"""Reading one patient's images, contours and dose into the scene, each into the frame of the image it belongs to."""

from pathlib import Path

import numpy as np

from NPCResponseLib.errors import InputError

from ..mrml.patient_files import add_image, add_segment, load_segment, read_linear_transform
from ..readers.dicom_rt import check_frame, modality_of
from ..readers.images import Volume, check_same_patient, read_volume
from ..readers.rtdose import read_dose
from ..readers.rtstruct import RtStructures, Structure, rasterized, read_structures
from ..readers.spatial_registration import SpatialRegistration, read_registration

TRANSFORM_ENDINGS = (".tfm", ".txt", ".h5", ".hdf5", ".mat", ".xfm")  # of ITK; all else is a DICOM registration


def read_image(path: Path) -> Volume:
    """
    Raises:
        InputError: with the whole path, since a manifest names many files of one name.
    """
    try:
        return read_volume(path)
    except InputError as error:
        where = str(path) if error.where in ("", path.name) else f"{path}, {error.where}"
        raise InputError(error.what, where=where, remedy=error.remedy) from error


class PatientReader:
    """Contours and dose of one patient. Radiotherapy objects lie in the frame of the planning CT as a rule.

    Args:
        pre: pre-treatment image.
        plan_transform: file with the transform from the planning CT to ``pre``: of ITK, or a DICOM registration.
        different_patients: patient IDs differ on purpose.

    Attributes:
        warnings: of everything read so far.
    """

    def __init__(self, pre: Volume, plan_transform: Path | None, different_patients: bool):
        self._pre = pre
        self._different_patients = different_patients
        self.warnings: tuple[str, ...] = pre.warnings
        self._matrix: np.ndarray | None = None
        self._registration: SpatialRegistration | None = None
        self._transform_used = False
        if plan_transform is None:
            return
        if plan_transform.suffix.lower() not in TRANSFORM_ENDINGS:
            self._registration = read_registration(plan_transform)
            self.warnings += self._registration.warnings
            self._check_patient(self._registration.patient_fingerprint, "the registration of the plan", pre)
        else:
            self._matrix = read_linear_transform(plan_transform)

    def read_other_scan(self, path: Path) -> Volume:
        """The recurrence image."""
        volume = read_image(path)
        self.warnings += volume.warnings
        self._check_patient(volume.patient_fingerprint, "the recurrence image", self._pre)
        return volume

    def contour(self, path: Path, segment: str, image: Volume, node, name: str) -> tuple:
        """Segmentation node and segment ID of a contour that was drawn on an image."""
        if not path.is_dir() and modality_of(path) != "RTSTRUCT":
            return load_segment(path, segment, name)
        structures = read_structures(path)
        self.warnings += structures.warnings
        self._check_patient(structures.patient_fingerprint, f"the contours of {name}", image)
        structure = _chosen(structures, segment, name)
        frame_uid = structure.frame_of_reference_uid
        found = rasterized(
            structure,
            image.array.shape,
            image.ijk_to_ras,
            grid_frame_uid=image.frame_of_reference_uid,
            to_grid_ras=self._to_frame_of(image, frame_uid, f"the contour of {name}"),
        )
        self.warnings += found.warnings
        return add_segment(found.mask, node, name)

    def dose(self, path: Path):
        """Volume node with the dose in Gy, in the frame of the pre-treatment image."""
        if not path.is_dir() and modality_of(path) != "RTDOSE":
            volume = read_image(path)
            self.warnings += tuple(warning for warning in volume.warnings if "8 bits" not in warning)
            return add_image(volume.array, volume.ijk_to_ras, "dose")
        dose = read_dose(path)
        self.warnings += dose.warnings
        self._check_patient(dose.patient_fingerprint, "the dose", self._pre)
        to_pre = self._to_frame_of(self._pre, dose.frame_of_reference_uid, "the dose")
        if to_pre is None:
            check_frame(dose.frame_of_reference_uid, self._pre.frame_of_reference_uid, "dose")
        return add_image(dose.dose_gy, dose.ijk_to_ras if to_pre is None else to_pre @ dose.ijk_to_ras, "dose")

    def finish(self) -> tuple[str, ...]:
        """All warnings, when everything has been read."""
        if (self._matrix is not None or self._registration is not None) and not self._transform_used:
            self.warnings += (
                "The transform of the plan was not used: no contour or dose given says that it is in another frame.",
            )
        return tuple(dict.fromkeys(self.warnings))

    def _to_frame_of(self, image: Volume, frame_uid: str, what: str) -> np.ndarray | None:
        """4x4 from a frame of reference to that of an image; None if they are the same or nothing is given."""
        own = image.frame_of_reference_uid
        if not frame_uid or frame_uid == own:
            return None
        if self._registration is not None:
            self._transform_used = True
            return self._registration.between(frame_uid, own or self._other_frame(frame_uid))
        if self._matrix is not None and image is self._pre:
            self._transform_used = True
            return self._matrix
        if own is None:
            self.warnings += (
                f"The image does not tell its frame of reference; {what} is taken to lie in it. Look at the pictures.",
            )
        return None

    def _other_frame(self, frame_uid: str) -> str:
        others = [uid for uid in self._registration.to_common_ras if uid != frame_uid]
        if len(others) != 1:
            raise InputError(
                "the image does not tell its frame of reference, and the registration holds several",
                where="spatial registration",
                remedy="Give the image as DICOM, or the transform as an ITK file",
            )
        return others[0]

    def _check_patient(self, fingerprint: str | None, what: str, image: Volume) -> None:
        first = image.patient_fingerprint
        self.warnings += check_same_patient(
            fingerprint, first, f"{what} and the image it belongs to", allow_other=self._different_patients
        )


def _chosen(structures: RtStructures, segment: str, name: str) -> Structure:
    if segment:
        return structures.named(segment)
    drawn = [structure for structure in structures.structures if structure.contours_ras]
    if len(drawn) > 1:
        names = ", ".join(structure.name for structure in drawn)
        option = "gtv_segment" if name == "GTV" else "gtvr_segment"
        raise InputError(
            f"it is not said which structure is {name.split()[0]}",
            where="structure set",
            remedy=f"Name one with --{option.replace('_', '-')} (in a manifest: {option}): {names}",
        )
    return drawn[0]
