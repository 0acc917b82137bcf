"""Whether an image file is whole, asked before Slicer reads it.

Slicer's reader of segmentations ends the process on a broken NRRD, and ITK's reader of NIfTI fills what is missing with
zeros without a word.
"""

import gzip
import math
import zlib
from pathlib import Path

import SimpleITK

from ..errors import InputError

READ_BYTES = 1 << 20


def check_image_file(path: Path, kind: str) -> None:
    """Read a file (NRRD, NIfTI, MetaImage) from end to end.

    Raises:
        InputError: it is damaged or cut off, or cannot be opened.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _check_nifti_length(reader, path)
        else:
            reader.Execute()
    except (RuntimeError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"the {kind} cannot be read", where=str(path), remedy="It may be damaged or cut off; copy it again"
        ) from error


def _check_nifti_length(reader, path: Path) -> None:
    """Raises EOFError when there are fewer bytes than the header promises."""
    n_values = math.prod(int(reader.GetMetaData(f"dim[{n}]")) for n in range(1, 1 + int(reader.GetMetaData("dim[0]"))))
    n_bytes = int(float(reader.GetMetaData("vox_offset"))) + n_values * int(reader.GetMetaData("bitpix")) // 8
    if _unpacked_length(path) < n_bytes:
        raise EOFError(f"fewer than {n_bytes} bytes")


def _unpacked_length(path: Path) -> int:
    with path.open("rb") as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"  # an uncompressed file may carry the ending .gz
    if not is_packed:
        return path.stat().st_size
    length = 0
    with gzip.open(path) as stream:
        while block := stream.read(READ_BYTES):
            length += len(block)
    return length
