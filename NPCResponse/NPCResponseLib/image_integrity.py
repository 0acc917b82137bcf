"""Whether an image file is whole, asked before anything reads it.

ITK's reader of NIfTI fills what is missing with zeros without a word, and takes the values of x.nii.gz from x.nii if
that lies beside it; its reader of NRRD ignores the checksum of a compressed file, and Slicer's reader of segmentations
ends the process on a broken NRRD.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import SimpleITK

from .errors import InputError

READ_BYTES = 1 << 22
GZIP_MAGIC = b"\x1f\x8b"


def check_image_file(path: Path, *, where: str, kind: str = "image", trial_read: bool = False) -> None:
    """Look through a file (NIfTI, NRRD, MetaImage) from end to end.

    Args:
        where: how a message names the file.
        kind: what it is for, for the message.
        trial_read: also let ITK read it, for files that go to a reader which does not survive a broken one.

    Raises:
        InputError: it is empty, damaged or cut off, or cannot be opened.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", where=where, remedy="Copy it again")
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _check_nifti(path)
            _check_not_hidden(path, where)
        elif path.name.lower().endswith(".nrrd"):
            _check_gzip_nrrd(path)
        if trial_read:
            SimpleITK.ReadImage(str(path))
    except InputError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error, struct.error, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"the {kind} cannot be read, it is damaged or incomplete", where=where, remedy="Copy it again"
        ) from error
    except OSError as error:
        raise InputError(f"the {kind} cannot be opened", where=where, remedy="Check the permissions") from error


def is_gzip(path: Path) -> bool:
    """By its first bytes: an uncompressed file may carry the ending .gz."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def _check_nifti(path: Path) -> None:
    """Raises ValueError or what gzip raises if fewer bytes follow than the header announces."""
    with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
        header = file.read(348)
        n_bytes = len(header)
        while block := file.read(READ_BYTES):
            n_bytes += len(block)
    if n_bytes < _nifti_size(header):
        raise ValueError("cut short")


def _check_not_hidden(path: Path, where: str) -> None:
    """ITK takes the header of x.nii.gz, but the values of x.nii if that is there, too: unless they are the same."""
    beside = path.with_name(path.name[: -len(".gz")])
    if not path.name.lower().endswith(".nii.gz") or not beside.exists():
        return
    with gzip.open(path) if is_gzip(path) else path.open("rb") as compressed, beside.open("rb") as plain:
        while (block := compressed.read(READ_BYTES)) == plain.read(READ_BYTES):
            if not block:
                return
    raise InputError(
        "another file of this name, without .gz, lies beside it and would be read instead",
        where=where,
        remedy="Rename one of them",
    )


def _nifti_size(header: bytes) -> int:
    """Bytes from the start of the file to the end of its data, NIfTI-1 and -2 in both byte orders."""
    for order in "<>":
        (version,) = struct.unpack_from(order + "i", header)
        if version == 348:
            n_axes, *lengths = struct.unpack_from(order + "8h", header, 40)
            (bits,), (offset,) = (
                struct.unpack_from(order + "h", header, 72),
                struct.unpack_from(order + "f", header, 108),
            )
        elif version == 540:
            n_axes, *lengths = struct.unpack_from(order + "8q", header, 16)
            (bits,), (offset,) = (
                struct.unpack_from(order + "h", header, 14),
                struct.unpack_from(order + "q", header, 168),
            )
        else:
            continue
        return int(offset) + math.prod(max(length, 1) for length in lengths[: max(n_axes, 0)]) * bits // 8
    raise ValueError("no NIfTI header")


def _check_gzip_nrrd(path: Path) -> None:
    """Run through a gzip stream behind a NRRD header, for its checksum."""
    with path.open("rb") as file:
        encoding = ""
        while (line := file.readline(1 << 16)).strip():
            key, _, value = line.decode("latin-1").partition(":")
            encoding = value.strip().lower() if key.strip().lower() == "encoding" else encoding
            if key.strip().lower() == "data file":
                return
        if encoding in ("gzip", "gz"):
            with gzip.GzipFile(fileobj=file) as stream:
                while stream.read(READ_BYTES):
                    pass
