"""One NIfTI, NRRD or MetaImage file as arrays, with what its header says of echo times and acquisition.

SimpleITK reads the pixels. It does not notice that a NIfTI file is cut short (the rest becomes zero) nor that the
checksum of a compressed NRRD is wrong, so that is looked at here.
"""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK

from ..errors import InputError
from .file_discovery import is_gzip
from .geometry import image_ijk_to_ras

# A sequence that Slicer writes names its list axis in the header: labels "EchoTime", units "ms", and this key. Before
# 2024 the list was the first axis, now it is the last.
_INDEX_VALUES = re.compile(r"axis \d+ index values")
_ECHO_TIME_NAME = re.compile(r"echo[\s_-]*times?|TEs?", re.IGNORECASE)
_MS_PER_UNIT = {"": 1.0, "ms": 1.0, "msec": 1.0, "s": 1e3, "sec": 1e3, "us": 1e-3, "µs": 1e-3}
_READ_BLOCK = 1 << 22


@dataclass(frozen=True)
class ImageFile:
    """Volumes (KJI, real or complex) of one file and the facts in its header."""

    path: Path
    volumes: tuple[np.ndarray, ...]
    ijk_to_ras: np.ndarray
    header: dict[str, str] = field(default_factory=dict)

    def echo_times_ms(self) -> tuple[tuple[float, ...], str]:
        """Echo times of the volumes (ms) and their source; empty if the header tells none."""
        for times_ms, source in (_from_index(self.header), _from_frame_labels(self.header)):
            if times_ms:
                return times_ms, source
        return (), ""

    def number(self, key: str) -> float | None:
        """A positive number from the header."""
        values = _numbers(self.header.get(key, ""), 1.0)
        return values[0] if len(values) == 1 and math.isfinite(values[0]) and values[0] > 0 else None

    def nifti_slope(self) -> float:
        return self.number("scl_slope") or 1.0


def read_image_file(path: Path) -> ImageFile:
    """Read a file; volumes share one buffer where the format allows it.

    Integers of 8 and 16 bits stay as they are, everything else real becomes float32, complex becomes complex64.

    Raises:
        InputError: damaged, cut short, or nothing that SimpleITK reads.
    """
    _check_complete(path)
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise _refusal(path, str(error)) from error
    # SimpleITK cannot look up a key with foreign characters, which a damaged header may have.
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.isascii()}
    return ImageFile(path, tuple(_volumes(image, path)), image_ijk_to_ras(image), header)


def _volumes(image: SimpleITK.Image, path: Path):
    n_components, n_dimensions = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    array = SimpleITK.GetArrayViewFromImage(image) if n_components > 1 else SimpleITK.GetArrayFromImage(image)
    if n_components > 1 and n_dimensions > 3:
        raise InputError(
            "it has both a fourth axis and components", where=path.name, remedy="Use one of them for echoes"
        )
    if n_components > 1:
        array = np.moveaxis(array, -1, 0)
    if n_dimensions == 2:
        array = np.expand_dims(array, -3)
    array = array.reshape(-1, *array.shape[-3:]) if n_components == 1 else array
    for volume in array:
        yield np.ascontiguousarray(volume, dtype=_target_type(volume.dtype))


def _target_type(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "c":
        return np.dtype(np.complex64)
    return dtype.newbyteorder("=") if dtype.kind in "iu" and dtype.itemsize <= 2 else np.dtype(np.float32)


def _refusal(path: Path, reason: str) -> InputError:
    if "orthonormal" in reason:
        return InputError(
            "its axes are not at right angles to each other (sheared)", where=path.name, remedy="Resample the image"
        )
    return InputError(
        "it cannot be read as an image, it is damaged or incomplete", where=path.name, remedy="Copy it again"
    )


# -- echo times in headers --


def _from_index(header: dict[str, str]) -> tuple[tuple[float, ...], str]:
    key = next((key for key in header if _INDEX_VALUES.fullmatch(key)), None)
    name, unit = header.get("NRRD_labels[pixel]", "").strip('" '), header.get("NRRD_units[pixel]", "").strip('" ')
    if key is None or not _ECHO_TIME_NAME.fullmatch(name):
        return (), ""
    source = header.get("NPCResponse.EchoTimesSource") or f"sequence index {name} in the file"
    return _in_ms(header[key], unit, source)


def _from_frame_labels(header: dict[str, str]) -> tuple[tuple[float, ...], str]:
    """What Slicer's importer of multi-volumes writes."""
    if not _ECHO_TIME_NAME.fullmatch(header.get("MultiVolume.FrameIdentifyingDICOMTagName", "").strip()):
        return (), ""
    unit = header.get("MultiVolume.FrameIdentifyingDICOMTagUnits", "").strip()
    return _in_ms(header.get("MultiVolume.FrameLabels", ""), unit, "frame labels of the DICOM import")


def _in_ms(text: str, unit: str, source: str) -> tuple[tuple[float, ...], str]:
    factor = _MS_PER_UNIT.get(unit.lower())
    if factor is None:
        return (), ""
    remark = " (no unit given, taken as ms)" if not unit else "" if factor == 1 else f" (in {unit}, converted to ms)"
    return _numbers(text, factor), source + remark


def _numbers(text: str, factor: float) -> tuple[float, ...]:
    try:
        return tuple(round(float(part) * factor, 9) for part in re.split(r"[\s,]+", text.strip()) if part)
    except ValueError:
        return ()


# -- completeness --


def _check_complete(path: Path) -> None:
    """Raise InputError if a file is empty, a compressed stream is damaged, or a NIfTI file ends before its data."""
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", where=path.name, remedy="Copy it again")
        if name.endswith((".nii", ".nii.gz")):
            _check_nifti(path)
        elif name.endswith(".nrrd"):
            _check_gzip_nrrd(path)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise _refusal(path, "") from error
        raise InputError("it cannot be read", where=path.name, remedy="Check the permissions") from error
    except (EOFError, zlib.error, struct.error, ValueError) as error:
        raise _refusal(path, "") from error


def _check_nifti(path: Path) -> None:
    """Raises ValueError or what gzip raises if fewer bytes follow than the header announces."""
    with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
        header = file.read(348)
        n_bytes = len(header)
        while block := file.read(_READ_BLOCK):
            n_bytes += len(block)
    if n_bytes < _nifti_size(header):
        raise ValueError("cut short")


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
                while stream.read(_READ_BLOCK):
                    pass
