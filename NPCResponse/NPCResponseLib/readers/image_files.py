"""One NIfTI, NRRD or MetaImage file as arrays, with what its header says of echo times and acquisition.

SimpleITK reads the pixels, after the file was found whole.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK

from ..echo_times import echo_times_from_text, is_echo_time_name
from ..errors import InputError
from ..image_integrity import check_image_file
from .geometry import image_ijk_to_ras

# A sequence that Slicer writes names its list axis in the header: labels "EchoTime", units "ms", and this key. Before
# 2024 the list was the first axis, now it is the last.
_INDEX_VALUES = re.compile(r"axis \d+ index values")


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
        try:
            value = float(self.header.get(key, "nan"))
        except ValueError:
            return None
        return value if math.isfinite(value) and value > 0 else None

    def nifti_slope(self) -> float:
        return self.number("scl_slope") or 1.0


def read_image_file(path: Path) -> ImageFile:
    """Read a file; volumes share one buffer where the format allows it.

    Integers of 8 and 16 bits stay as they are (signed bytes get 16), everything else real becomes
    float32, complex becomes complex64.

    Raises:
        InputError: damaged, cut short, or nothing that SimpleITK reads.
    """
    check_image_file(path, where=path.name)
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
    if dtype == np.int8:
        return np.dtype(np.int16)  # Slicer's writer of NRRD, and so of scenes, fails at signed bytes
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
    if key is None or not is_echo_time_name(name):
        return (), ""
    source = header.get("NPCResponse.EchoTimesSource") or f"sequence index {name} in the file"
    return _in_ms(header[key], unit, source)


def _from_frame_labels(header: dict[str, str]) -> tuple[tuple[float, ...], str]:
    """What Slicer's importer of multi-volumes writes."""
    if not is_echo_time_name(header.get("MultiVolume.FrameIdentifyingDICOMTagName", "")):
        return (), ""
    unit = header.get("MultiVolume.FrameIdentifyingDICOMTagUnits", "").strip()
    return _in_ms(header.get("MultiVolume.FrameLabels", ""), unit, "frame labels of the DICOM import")


def _in_ms(text: str, unit: str, source: str) -> tuple[tuple[float, ...], str]:
    times_ms, remark = echo_times_from_text(re.split(r"[\s,]+", text.strip()), unit)
    return times_ms, source + remark if times_ms else ""
