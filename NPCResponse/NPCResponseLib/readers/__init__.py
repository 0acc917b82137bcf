"""Files to arrays: multi-echo series and volumes from NIfTI, NRRD, MetaImage and DICOM, without a scene.

Everything wrong with a file is told as an ``InputError``; messages name files and series, never a patient.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..echo_series import EchoSeries
from ..errors import InputError
from .checks import positive_or_none
from .dicom_series import read_dicom_series, read_dicom_volume
from .file_discovery import find_files
from .image_files import read_image_file
from .image_series import read_image_series

__all__ = ["read_echo_series", "read_volume"]


def read_echo_series(
    paths: Path | str | Iterable[Path | str],
    echo_times_ms: Sequence[float] | None = None,
    slice_thickness_mm: float | None = None,
) -> EchoSeries:
    """Read the magnitude images of a multi-echo acquisition, and its phase images if they are there.

    Echo times come from what the user typed, else from the files: sequence index (NRRD), BIDS sidecar (seconds),
    DICOM (0018,0081), or (0018,9082) in enhanced files. Files that tell their own echo time are sorted by it; others
    stay in the order given, files of a folder in the order of their names.

    Args:
        paths: one or more files, or a folder. A folder may hold more than the series: if there is exactly one
            multi-echo series in it that is read, and ``warnings`` say what was left out.
        echo_times_ms: typed by the user, increasing, one per echo; they win over what the files say.
        slice_thickness_mm: excited thickness; overrides what the files say.

    Returns:
        Echoes as KJI arrays in the order of their echo times: int16 or uint16 as stored if nothing rescales them, else
        float32. Phases in radians, float32.

    Raises:
        InputError: files that are missing, damaged, of unknown format, incomplete or of differing geometry; fewer than
            two echoes; echo times that cannot be used; images that are zero everywhere; several series to choose from.
    """
    typed_ms = _numbers(echo_times_ms)
    thickness = positive_or_none(slice_thickness_mm, "slice thickness")
    found = find_files(paths)
    if found.dicom:
        return read_dicom_series(found.dicom, typed_ms, thickness)
    return read_image_series(found, typed_ms, thickness)


def read_volume(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Read one volume, such as a B0 map: a NIfTI, NRRD or MetaImage file, or a DICOM file or folder of one volume.

    Returns:
        float32 array KJI, and the 4x4 matrix from voxel index (i, j, k) to RAS millimetres.

    Raises:
        InputError: missing, damaged, or more than one volume.
    """
    found, where = find_files(path), Path(path).name
    if found.dicom:
        return read_dicom_volume(found.dicom, where)
    if len(found.images) > 1:
        raise InputError(f"{len(found.images)} images are in it", where=f"folder {where}", remedy="Name one of them")
    file = read_image_file(found.images[0])
    if len(file.volumes) > 1:
        raise InputError(f"it holds {len(file.volumes)} volumes", where=where, remedy="Give an image of one volume")
    if file.volumes[0].dtype.kind == "c":
        raise InputError("it holds complex numbers", where=where, remedy="Give a real image")
    return file.volumes[0].astype(np.float32, copy=False), file.ijk_to_ras


def _numbers(echo_times_ms: Sequence[float] | None) -> tuple[float, ...] | None:
    """Typed echo times as numbers; nothing typed is None."""
    if echo_times_ms is None or len(echo_times_ms) == 0:
        return None
    try:
        return tuple(float(time) for time in echo_times_ms)
    except (TypeError, ValueError) as error:
        raise InputError(f"echo times must be numbers, found {echo_times_ms}", remedy="Enter them in ms") from error
