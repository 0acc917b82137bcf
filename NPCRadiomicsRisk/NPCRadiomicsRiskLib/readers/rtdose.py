"""DICOM RT dose: a dose grid in gray, where it lies, and what was summed in it."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import patient_fingerprint
from NPCResponseLib.readers.dicom_files import READ_ERRORS
from NPCResponseLib.readers.dicom_values import first_number, first_text, first_vector, positive, words
from NPCResponseLib.readers.geometry import stack_ijk_to_ras

from .dicom_rt import read_one

STORAGE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"
# A whole treatment; anything else (a beam, a fraction, a brachytherapy session) is a part of one.
WHOLE_TREATMENT = ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW")
MAX_UNEVENNESS_MM = 0.01


@dataclass(frozen=True, eq=False)
class Dose:
    """A dose grid.

    Attributes:
        dose_gy: KJI float32.
        ijk_to_ras: 4x4.
        frame_of_reference_uid: of the planning CT; "" if not told.
        summation: (3004,000A), such as "PLAN"; dose_type: (3004,0004), such as "PHYSICAL".
        plan_uids: of the plans that it belongs to.
        patient_fingerprint: of the PatientID; None if nothing tells.
    """

    dose_gy: np.ndarray
    ijk_to_ras: np.ndarray
    frame_of_reference_uid: str
    summation: str
    dose_type: str
    plan_uids: tuple[str, ...]
    patient_fingerprint: str | None
    warnings: tuple[str, ...] = ()


def read_dose(path: Path | str) -> Dose:
    """Read a dose: a file, or a folder that holds exactly one.

    Raises:
        InputError: missing, damaged, no dose or several; in relative units, a dose error, without scale or position;
            planes unevenly spaced.
    """
    file, dataset = read_one(path, STORAGE_CLASS, "RTDOSE", "RT dose")
    _check_units(dataset, file.name)
    scale = positive(first_number([dataset], "DoseGridScaling"))
    if scale is None:
        raise InputError(
            "Dose Grid Scaling (3004,000E) is missing, so the dose is unknown",
            where=file.name,
            remedy="Export it again",
        )
    stored = _stored(dataset, file.name)
    ijk_to_ras, reverse = _geometry(dataset, len(stored), file.name)
    dose_gy = (stored[::-1] if reverse else stored).astype(np.float64) * scale
    summation, dose_type = (first_text([dataset], name).upper() for name in ("DoseSummationType", "DoseType"))
    return Dose(
        dose_gy=dose_gy.astype(np.float32),
        ijk_to_ras=ijk_to_ras,
        frame_of_reference_uid=first_text([dataset], "FrameOfReferenceUID"),
        summation=summation,
        dose_type=dose_type,
        plan_uids=tuple(
            first_text([item], "ReferencedSOPInstanceUID") for item in dataset.get("ReferencedRTPlanSequence") or ()
        ),
        patient_fingerprint=patient_fingerprint(file),
        warnings=_warnings(dataset, summation, dose_type, dose_gy),
    )


def _check_units(dataset: Dataset, where: str) -> None:
    units = first_text([dataset], "DoseUnits").upper()
    if units == "RELATIVE":
        raise InputError(
            "its dose is relative, not in gray", where=where, remedy="Export the dose as absolute dose (Dose Units GY)"
        )
    if first_text([dataset], "DoseType").upper() == "ERROR":
        raise InputError("it is a difference of doses, not a dose", where=where, remedy="Export the dose of the plan")


def _stored(dataset: Dataset, where: str) -> np.ndarray:
    """(frame, row, column) as stored."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = dataset.pixel_array
        return pixels.reshape(int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    except READ_ERRORS as error:
        raise InputError("its dose grid is damaged or incomplete", where=where, remedy="Export it again") from error


def _geometry(dataset: Dataset, n_frames: int, where: str) -> tuple[np.ndarray, bool]:
    """ijk_to_ras with slices in increasing order along the normal, and whether the frames are to be reversed.

    Grid Frame Offset Vector (DICOM PS3.3, C.8.8.3.2): if it starts with 0, offsets along the normal from Image
    Position; else, in axial grids, the z coordinates themselves.
    """
    position, orientation, spacing = (
        first_vector([dataset], name, n)
        for name, n in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
    )
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise InputError(
            "its position, orientation or pixel spacing is missing", where=where, remedy="Export the dose again"
        )
    position, orientation = np.array(position), np.array(orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    offsets_mm = _offsets_mm(dataset, n_frames, position, normal, where)
    reverse = n_frames > 1 and offsets_mm[1] < offsets_mm[0]
    if reverse:
        offsets_mm = offsets_mm[::-1]
    step_mm = (offsets_mm[-1] - offsets_mm[0]) / (n_frames - 1) if n_frames > 1 else _thickness_mm(dataset)
    first = position + normal * offsets_mm[0]
    return stack_ijk_to_ras(first, orientation, spacing, normal * step_mm), reverse


def _offsets_mm(dataset: Dataset, n_frames: int, position: np.ndarray, normal: np.ndarray, where: str) -> np.ndarray:
    if n_frames == 1:
        return np.zeros(1)
    try:
        stated = np.array([float(value) for value in words(dataset.get("GridFrameOffsetVector"))])
    except (TypeError, ValueError):
        stated = np.zeros(0)
    if len(stated) != n_frames or not np.isfinite(stated).all():
        raise InputError(
            f"Grid Frame Offset Vector (3004,000C) does not tell where its {n_frames} planes are",
            where=where,
            remedy="Export the dose again",
        )
    if stated[0] != 0:
        if abs(normal[2]) < 0.999:
            raise InputError(
                "its planes are told by their z coordinates but are not axial", where=where, remedy="Export it again"
            )
        stated = (stated - position[2]) * np.sign(normal[2])
    gaps = np.diff(stated)
    if np.ptp(gaps) > 2 * MAX_UNEVENNESS_MM + 0.01 * abs(gaps.mean()) or np.abs(gaps).min() < 1e-3:
        raise InputError(
            f"its planes are unevenly spaced, {np.abs(gaps).min():.4g} to {np.abs(gaps).max():.4g} mm",
            where=where,
            remedy="Export it on an even grid",
        )
    return stated


def _thickness_mm(dataset: Dataset) -> float:
    return positive(first_number([dataset], "SliceThickness")) or 1.0


def _warnings(dataset: Dataset, summation: str, dose_type: str, dose_gy: np.ndarray) -> tuple[str, ...]:
    found = []
    if summation not in WHOLE_TREATMENT:
        found.append(
            f"The dose is that of a {summation.lower().replace('_', ' ')} alone, not of the plan."
            if summation
            else "The file does not tell whether the dose is that of the whole plan (Dose Summation Type)."
        )
    if dose_type == "EFFECTIVE":
        found.append("The dose is an effective (biologically weighted) one, not the physical dose.")
    if not first_text([dataset], "DoseUnits"):
        found.append("The file does not tell the unit of the dose; gray was assumed.")
    if not dose_gy.any():
        found.append("The dose is zero everywhere.")
    return tuple(found)
