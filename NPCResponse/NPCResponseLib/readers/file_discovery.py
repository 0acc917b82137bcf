"""Which files a path stands for, and what kind each is, from its name or its first bytes."""

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..image_integrity import is_gzip

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
SEGMENTATION_SUFFIXES = (".seg.nrrd", ".seg.nhdr")
DICOM_SUFFIXES = (".dcm", ".ima", ".dcm.gz", ".ima.gz")
# What clinics have besides, and what its owner can do.
_REMEDIES = {
    **dict.fromkeys((".par", ".rec"), "Philips PAR/REC is not read, convert it with dcm2niix or export DICOM"),
    **dict.fromkeys((".hdr", ".img"), "Analyze is not read, convert it to NIfTI"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".rar", ".7z"), "Unpack it and name the folder"),
}
_PREAMBLE = 128
# Files from before the preamble start with group 0008 (or 0002), element below 0x0020, in little-endian order.
_BARE_START = re.compile(rb"[\x02\x08]\x00[\x00-\x1f]\x00", re.DOTALL)
_BROKEN_GZIP = (EOFError, OSError, zlib.error)


@dataclass
class FoundFiles:
    """Files to read, by kind; ``from_folder``: the user named a folder, so what does not belong may be left out."""

    images: list[Path] = field(default_factory=list)
    dicom: list[Path] = field(default_factory=list)
    from_folder: bool = False


def find_files(paths: Path | str | Iterable[Path | str]) -> FoundFiles:
    """All image or DICOM files that the given files and folders stand for.

    Folders are searched for DICOM to any depth (exports nest them), for other images only themselves. Segmentations
    and whatever is no image are passed over in a folder, but not when named.

    Raises:
        InputError: nothing given, not there, not readable, of unknown format, or both kinds at once.
    """
    given = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if not given:
        raise InputError("no image was given", remedy="Name the files of a multi-echo series or its folder")
    found = FoundFiles()
    for path in given:
        if path.is_dir():
            _add_folder(found, path)
        elif path.is_file():
            _add_file(found, path)
        else:
            raise InputError("no such file or folder", where=path.name or str(path), remedy="Check the path")
    if found.images and found.dicom:
        raise InputError(
            f"DICOM and other images are mixed ({found.dicom[0].name}, {found.images[0].name})",
            remedy="Give the files of one kind",
        )
    if not found.images and not found.dicom:
        raise InputError(
            "there is no image in it (DICOM, NIfTI, NRRD or MetaImage)",
            where=f"folder {given[0].name}",
            remedy=_remedy(sorted(given[0].iterdir())) or "Name the folder that holds the images themselves",
        )
    _refuse_twice(found.images + found.dicom)
    return found


def natural_key(path: Path) -> list:
    """Sorts echo2 before echo10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def _remedy(paths: Iterable[Path]) -> str:
    """For the first file of a format that is known by name but not read; "" if there is none."""
    known = (_REMEDIES.get(path.suffix.lower()) for path in paths if path.is_file())
    return next((remedy for remedy in known if remedy), "")


def _add_folder(found: FoundFiles, folder: Path) -> None:
    found.from_folder = True
    try:
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=natural_key)
    except OSError as error:
        raise InputError("it cannot be read", where=f"folder {folder.name}", remedy="Check the permissions") from error
    for path in files:
        name = path.name.lower()
        if name.startswith(".") or name.endswith(SEGMENTATION_SUFFIXES):
            continue
        if name.endswith(IMAGE_SUFFIXES):
            if path.parent == folder:
                found.images.append(path)
        elif _is_dicom(path):
            found.dicom.append(path)
        elif name.endswith(DICOM_SUFFIXES):
            raise _damaged(path)


def _add_file(found: FoundFiles, path: Path) -> None:
    name = path.name.lower()
    if name.endswith(IMAGE_SUFFIXES):
        found.images.append(path)
    elif _is_dicom(path):
        found.dicom.append(path)
    elif name.endswith(DICOM_SUFFIXES):
        raise _damaged(path)
    else:
        raise InputError(
            "its format is not known",
            where=path.name,
            remedy=_remedy([path]) or "Give DICOM, NIfTI, NRRD or MetaImage (.mha) files",
        )


def _damaged(path: Path) -> InputError:
    return InputError(
        "it is damaged: the name says DICOM, the content does not", where=path.name, remedy="Copy it again"
    )


def _is_dicom(path: Path) -> bool:
    """By content. A DICOMDIR is only a table of contents."""
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
            start = file.read(_PREAMBLE + 4)
    except PermissionError as error:
        raise InputError("it cannot be read", where=path.name, remedy="Check the permissions") from error
    except _BROKEN_GZIP:
        return False
    return start[_PREAMBLE:] == b"DICM" or _BARE_START.match(start) is not None


def _refuse_twice(paths: Sequence[Path]) -> None:
    seen = set()
    for path in paths:
        if path.resolve() in seen:
            raise InputError("the same file is given twice", where=path.name, remedy="Give each file once")
        seen.add(path.resolve())
