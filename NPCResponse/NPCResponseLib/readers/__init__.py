"""Files to arrays: multi-echo and labeling series and volumes from NIfTI, NRRD, MetaImage and DICOM, without a scene.

Everything wrong with a file is told as an ``InputError``; messages name files and series, never a patient.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..asl_series import AslRole, AslSeries
from ..echo_series import EchoSeries
from ..errors import InputError
from .asl_assembly import assemble, numbers
from .asl_dicom import check_one_patient, read_asl_dicom, read_asl_frames, read_m0_dicom
from .asl_files import check_one_subject, choose_files, read_asl_files, read_m0_files
from .asl_images import AslImages, TypedFacts, parse_roles
from .checks import positive_or_none
from .dicom_series import read_dicom_series, read_dicom_volume
from .file_discovery import FoundFiles, find_files
from .image_files import read_image_file
from .image_series import read_image_series
from .patient_fingerprint import patient_fingerprint

__all__ = ["patient_fingerprint", "read_asl_series", "read_echo_series", "read_volume"]


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


def read_asl_series(
    paths: Path | str | Iterable[Path | str],
    *,
    m0_paths: Path | str | Iterable[Path | str] | None = None,
    roles: Sequence[AslRole | str] | None = None,
    post_labeling_delays_ms: float | Sequence[float] | None = None,
    label_duration_ms: float | None = None,
    perfusion_scale: float | None = None,
) -> AslSeries:
    """Read the images of an arterial spin labeling acquisition, what each of them is, and the facts in its headers.

    Roles and facts come from what the user typed, else from DICOM (standard attributes, those of Philips, GE and
    Siemens) or BIDS (aslcontext.tsv, sidecars). What neither tells is None. ``sources`` name where each was found.

    Args:
        paths: files or a folder: DICOM, or NIfTI, NRRD or MetaImage with all volumes in one file or one in each. A
            folder may hold more than the acquisition; ``warnings`` say what was left out. Images themselves are
            preferred to a scanner's subtraction, and that to its flow map.
        m0_paths: M0 images in files of their own. They win over those among the others. Not needed where the header of
            a DICOM series says that it is one, or the name of a BIDS file (_m0scan).
        roles: one per volume of ``paths``, in their order; BIDS words or AslRole.
        post_labeling_delays_ms: one for all, or one per volume (with or without M0 images).
        label_duration_ms: of the labeling pulse train; for pulsed labeling of the bolus.
        perfusion_scale: factor of DIFFERENCE images against M0, GE's 32 x NEX.

    Returns:
        Volumes as KJI arrays in the order of acquisition: as stored if nothing rescales them, else float32.

    Raises:
        InputError: files that are missing, damaged, of unknown format, incomplete or of differing geometry; images of
            several patients; images whose role nothing tells; no control or no label; M0 images on another grid; roles
            or delays that do not fit the volumes; several acquisitions to choose from.
    """
    typed = TypedFacts(
        roles=parse_roles(roles),
        delays_ms=numbers(post_labeling_delays_ms),
        label_duration_ms=label_duration_ms,
        perfusion_scale=perfusion_scale,
    )
    found, found_m0 = find_files(paths), find_files(m0_paths) if m0_paths else FoundFiles()
    if found.dicom:
        frames = read_asl_frames(found.dicom)
        m0_frames = read_asl_frames(found_m0.dicom) if found_m0.dicom else []
        check_one_patient([*frames, *m0_frames])
        images = read_asl_dicom(frames, typed.roles)
        m0 = read_m0_dicom(m0_frames) if m0_frames else _m0_of_files(found_m0.images)
        return assemble(images, m0, typed)
    if typed.roles and AslRole.M0 in typed.roles:
        chosen, beside, warnings = found.images, (), ()
    else:
        chosen, beside, warnings = choose_files(found)
    check_one_subject([*chosen, *beside, *found_m0.images])
    images = read_asl_files(chosen, typed.roles)
    if found_m0.dicom:
        m0 = read_m0_dicom(read_asl_frames(found_m0.dicom))
    else:
        m0 = _m0_of_files(found_m0.images or (() if images.has(AslRole.M0, AslRole.FLOW) else beside))
    return assemble(replace(images, warnings=(*warnings, *images.warnings)), m0, typed)


def _m0_of_files(paths: Sequence[Path]) -> AslImages | None:
    return read_m0_files(paths) if paths else None


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
