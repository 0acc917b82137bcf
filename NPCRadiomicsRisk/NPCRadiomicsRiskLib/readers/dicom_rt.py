"""Finding the one radiotherapy object among files, and reading it."""

import gzip
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from NPCResponseLib.errors import InputError
from NPCResponseLib.image_integrity import is_gzip
from NPCResponseLib.readers.dicom_files import READ_ERRORS
from NPCResponseLib.readers.dicom_values import first_text
from NPCResponseLib.readers.file_discovery import find_files

_KIND = ["SOPClassUID", "Modality"]


def read_one(path: Path | str, storage_class: str, modality: str, what: str) -> tuple[Path, Dataset]:
    """The one object of a kind that a file or a folder holds, with where it is.

    Raises:
        InputError: missing, damaged, of another kind, or several of them.
    """
    found = find_files(path)
    if not found.dicom:
        raise InputError(f"it is no DICOM {what}", where=Path(path).name, remedy=f"Give the {modality} file")
    fitting = [
        file for file in found.dicom if _is_kind(read_dataset(file, only=_KIND, pixels=False), storage_class, modality)
    ]
    if len(fitting) > 1:
        names = ", ".join(file.name for file in fitting[:8])
        raise InputError(
            f"{len(fitting)} {what}s are in it ({names})", where=Path(path).name, remedy="Name the one to read"
        )
    if not fitting:
        kinds = sorted(
            {first_text([read_dataset(file, only=_KIND, pixels=False)], "Modality") for file in found.dicom[:50]}
        )
        raise InputError(
            f"there is no {what} in it, but DICOM of modality {', '.join(kind or 'unknown' for kind in kinds)}",
            where=Path(path).name,
            remedy=f"Give the {modality} file",
        )
    return fitting[0], read_dataset(fitting[0])


def modality_of(path: Path | str) -> str:
    """Of a DICOM file ("RTSTRUCT", "RTDOSE", "MR"), or of the first in a folder; "" for any other format."""
    found = find_files(path)
    if not found.dicom:
        return ""
    return first_text([read_dataset(found.dicom[0], only=_KIND, pixels=False)], "Modality").upper()


def read_dataset(file: Path, *, only: list[str] | None = None, pixels: bool = True) -> Dataset:
    """Raises InputError if it is damaged.

    Args:
        only: keywords of the elements to read; all if None.
    """
    try:
        source = BytesIO(gzip.decompress(file.read_bytes())) if is_gzip(file) else str(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's on odd values; those that matter are checked
            dataset = pydicom.dcmread(source, force=True, specific_tags=only, stop_before_pixels=not pixels)
            for _ in dataset.iterall():  # pydicom decodes an element when it is asked for: damage shows here, not later
                pass
            return dataset
    except READ_ERRORS as error:
        raise InputError(
            "the DICOM file is damaged or incomplete", where=file.name, remedy="Export or copy it again"
        ) from error


def _is_kind(dataset: Dataset, storage_class: str, modality: str) -> bool:
    return first_text([dataset], "SOPClassUID") == storage_class or (
        not first_text([dataset], "SOPClassUID") and first_text([dataset], "Modality") == modality
    )


def check_frame(own_uid: str, image_uid: str | None, where: str) -> None:
    """Raises InputError if two frames of reference are known and differ."""
    if own_uid and image_uid and own_uid != image_uid:
        raise InputError(
            "it lies in another frame of reference than the image",
            where=where,
            remedy="Give the transform from the images it was planned on to this image",
        )
