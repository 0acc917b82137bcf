"""Any image file as one volume for radiomics: DICOM (MR, CT, PET), NIfTI, NRRD, MetaImage.

What has no gray values to speak of is refused (color, several volumes, a constant), what is doubtful is told (8 bits,
voxels that are not numbers).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK
from pydicom.dataset import Dataset

from NPCResponseLib.errors import InputError
from NPCResponseLib.image_integrity import check_image_file
from NPCResponseLib.readers import patient_fingerprint
from NPCResponseLib.readers import read_volume as read_response_volume
from NPCResponseLib.readers.components import Component
from NPCResponseLib.readers.dicom_files import READ_ERRORS
from NPCResponseLib.readers.dicom_frames import frame_from, series_facts
from NPCResponseLib.readers.dicom_series import read_dicom_volume, read_stacks
from NPCResponseLib.readers.dicom_stacks import build_stack
from NPCResponseLib.readers.dicom_values import first_number, first_text
from NPCResponseLib.readers.file_discovery import find_files

from .dicom_rt import read_dataset

# Radiotherapy objects and the like lie in the folders of images.
_NO_IMAGES = ("RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "REG", "SEG", "SR", "PR", "KO", "DOC")
_COLORS = {2: "two components", 3: "red, green and blue", 4: "red, green, blue and opacity"}


@dataclass(frozen=True, eq=False)
class Volume:
    """One image.

    Attributes:
        array: KJI float32; voxels that are no number stay so and are told.
        ijk_to_ras: 4x4.
        spacing_mm_kji: distances of voxel centers.
        name: of the file or folder.
        few_bits: stored with 8 bits or fewer, which limits a texture analysis.
        n_not_finite: voxels that are no number.
        frame_of_reference_uid, series_uid: of DICOM, else None.
        modality: "MR", "CT", ...; None if not told.
        patient_fingerprint: of the PatientID; None if nothing tells.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    name: str
    few_bits: bool
    n_not_finite: int = 0
    frame_of_reference_uid: str | None = None
    series_uid: str | None = None
    modality: str | None = None
    patient_fingerprint: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)[::-1])


def read_volume(path: Path | str, *, constant_allowed: bool = False) -> Volume:
    """Read one image: a file, or a folder of one DICOM series.

    Raises:
        InputError: missing, damaged, of unknown format; color, several volumes or series; two-dimensional; without
            any number, or the same value everywhere unless that is allowed.
    """
    found, name = find_files(path), Path(path).name
    if found.dicom:
        volume = _dicom_volume(found.dicom, name)
    elif len(found.images) > 1:
        raise InputError(f"{len(found.images)} images are in it", where=f"folder {name}", remedy="Name one of them")
    else:
        volume = _file_volume(found.images[0])
    return _checked(volume, constant_allowed)


def check_same_patient(
    first: str | None, second: str | None, what: str, *, allow_other: bool = False
) -> tuple[str, ...]:
    """Whether two fingerprints are of one patient.

    Args:
        first, second: see ``patient_fingerprint``; None where nothing tells.
        what: the two things, for the message ("the structure set and the image").
        allow_other: only warn, as for data whose numbers were replaced one by one when they were made anonymous.

    Returns:
        Warnings.

    Raises:
        InputError: of different patients.
    """
    if first is None or second is None or first == second:
        return ()
    if not allow_other:
        raise InputError(
            f"{what} are of different patients (PatientID differs)",
            remedy="Give data of one patient, or allow it if only the numbers differ",
        )
    return (f"{what[0].upper()}{what[1:]} have different PatientIDs, which was allowed.",)


# -- files --


def _file_volume(path: Path) -> Volume:
    check_image_file(path, where=path.name)
    few_bits = _has_few_bits(path)
    array, ijk_to_ras = read_response_volume(path)
    return Volume(array, ijk_to_ras, path.name, few_bits)


def _has_few_bits(path: Path) -> bool:
    """Whether values are bytes, from the header alone.

    Raises:
        InputError: color, more or fewer than three dimensions.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            "it cannot be read as an image, it is damaged or incomplete", where=path.name, remedy="Copy it again"
        ) from error
    n_components, size = reader.GetNumberOfComponents(), reader.GetSize()
    if n_components > 1 and not _is_complex(reader):
        if reader.GetMetaDataKeys() and any("Segment0_" in key for key in reader.GetMetaDataKeys()):
            raise InputError("it is a segmentation, not an image", where=path.name, remedy="Give the image")
        raise InputError(
            f"it is a color image or holds several values per voxel ({_COLORS.get(n_components, n_components)})",
            where=path.name,
            remedy="Give the gray-level image it was made from",
        )
    if np.prod(size[3:]) > 1:
        raise InputError(
            f"it has four dimensions ({' x '.join(str(n) for n in size)})",
            where=path.name,
            remedy="Give one of its volumes",
        )
    if len(size) < 3:
        raise InputError("it is a single two-dimensional image", where=path.name, remedy="Give a volume")
    return reader.GetPixelID() in (SimpleITK.sitkUInt8, SimpleITK.sitkInt8)


def _is_complex(reader: SimpleITK.ImageFileReader) -> bool:
    return reader.GetPixelID() in (SimpleITK.sitkComplexFloat32, SimpleITK.sitkComplexFloat64)


# -- DICOM --


def _dicom_volume(paths: list[Path], name: str) -> Volume:
    headers = [(path, _header(path)) for path in paths]
    images = [
        (path, header)
        for path, header in headers
        if "Rows" in header and first_text([header], "Modality") not in _NO_IMAGES
    ]
    if not images:
        raise InputError("no image is among the DICOM files", where=name, remedy="Give the images of one series")
    gray = [(path, header) for path, header in images if int(header.get("SamplesPerPixel") or 1) == 1]
    if not gray:
        raise InputError(
            "its DICOM images are in color (a screenshot or a fused picture)",
            where=name,
            remedy="Give the gray-level series it was made from",
        )
    series = {first_text([header], "SeriesInstanceUID") for _, header in gray}
    if len(series) > 1:
        listed = sorted({series_facts(header).label for _, header in gray})
        raise InputError(
            f"{len(series)} series are in it ({'; '.join(listed[:8])})",
            where=name,
            remedy="Give the files of one series",
        )
    first = gray[0][1]
    modality = first_text([first], "Modality")
    if modality == "MR":
        array, ijk_to_ras = read_dicom_volume([path for path, _ in gray], name)
    else:
        array, ijk_to_ras = _stack(gray, name)
    frames = {first_text([header], "FrameOfReferenceUID") for _, header in gray}
    return Volume(
        array,
        ijk_to_ras,
        name,
        few_bits=(first_number([first], "BitsStored") or 16) <= 8,
        frame_of_reference_uid=(frames.pop() or None) if len(frames) == 1 else None,
        series_uid=series.pop() or None,
        modality=modality or None,
        patient_fingerprint=patient_fingerprint([path for path, _ in gray]),
        warnings=("Its images have different frames of reference.",) if len(frames) > 1 else (),
    )


def _header(path: Path) -> Dataset:
    return read_dataset(path, pixels=False)


def _stack(images: list[tuple[Path, Dataset]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Classic single-frame slices of any modality."""
    try:
        frames = [frame_from([header], path, 0, series_facts(header), Component.MAGNITUDE) for path, header in images]
    except READ_ERRORS as error:
        raise InputError("its DICOM headers are damaged", where=name, remedy="Export the series again") from error
    if any(frame.n_frames > 1 for frame in frames):
        raise InputError(
            "multi-frame DICOM of this kind is not read", where=name, remedy="Export one file per slice, or NIfTI"
        )
    stack = build_stack(frames, "the volume")
    return read_stacks([stack], as_float=True)[0], stack.ijk_to_ras


# -- checks --


def _checked(volume: Volume, constant_allowed: bool) -> Volume:
    finite = np.isfinite(volume.array)
    n_not_finite = int(volume.array.size - np.count_nonzero(finite))
    values = volume.array[finite] if n_not_finite else volume.array
    if not values.size:
        raise InputError("none of its voxels is a number", where=volume.name, remedy="Export it again")
    low, high = float(values.min()), float(values.max())
    if low == high and not constant_allowed:
        raise InputError(f"it has the value {low:g} everywhere", where=volume.name, remedy="Choose another image")
    warnings = list(volume.warnings)
    if volume.few_bits:
        warnings.append(
            f"{volume.name} is stored with 8 bits, at most 256 gray values: it may be a picture or a label image, and "
            "texture is coarser than in the original."
        )
    if n_not_finite:
        warnings.append(f"{n_not_finite} voxels of {volume.name} are no numbers; features must leave them out.")
    return replace(volume, n_not_finite=n_not_finite, warnings=tuple(warnings))
