"""DICOM files as frames: one record per image with the few header values that matter, classic and enhanced alike."""

import gzip
import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..errors import InputError
from .components import Component, from_ge_type, from_image_type, from_philips_type, from_word
from .file_discovery import is_gzip

# What pydicom raises on damaged files, by experiment with truncated and overwritten ones.
READ_ERRORS = (
    AttributeError,
    EOFError,
    IndexError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
GE_CREATOR, GE_IMAGE_TYPE = "GEMS_PARM_01", (0x0043, 0x2F)
PHILIPS_CREATORS = ("Philips MR Imaging DD 001", "Philips MR Imaging DD 005")
PHILIPS_IMAGE_TYPE, PHILIPS_SCALE_SLOPE = (0x2005, 0x11), (0x2005, 0x0E)
# The gyromagnetic ratio of the proton: imaging frequency in MHz to tesla.
MHZ_PER_TESLA = 42.577
_ANGLE_WORDS = ("PATIENT", "MOSAIC", "VFRAME")
_TILED = {"MOSAIC", "VFRAME"}  # Siemens' and United Imaging's way to put all slices into one picture


@dataclass(frozen=True)
class SeriesFacts:
    """What all frames of one file share."""

    uid: str
    number: int | None
    description: str
    study_uid: str
    manufacturer: str
    field_strength_t: float | None
    field_strength_assumed: str
    repetition_time_ms: float | None
    flip_angle_deg: float | None
    sequence: str

    @property
    def label(self) -> str:
        """For messages: number and description, never who was examined."""
        number = "series without number" if self.number is None else f"series {self.number}"
        return f"{number} ({self.description})" if self.description else number


@dataclass(frozen=True)
class Frame:
    """One image. Lengths in mm, directions in LPS; None where the header is silent."""

    path: Path
    index: int
    series: SeriesFacts
    component: Component
    echo_time_ms: float | None
    echo_time_tag: str
    echo_number: int | None
    shape: tuple[int, int]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    slice_thickness_mm: float | None
    slice_spacing_mm: float | None
    slope: float
    intercept: float
    philips_scale: float | None
    phase_in_radians: bool
    stored_range: tuple[float, float]
    integer_type: np.dtype | None
    repetition: tuple

    @property
    def where(self) -> str:
        return self.path.name if self.index == 0 else f"frame {self.index + 1} of {self.path.name}"


def read_dataset(path: Path, *, pixels: bool) -> Dataset:
    """A DICOM data set, also from a gzip file and from files without preamble.

    Raises:
        InputError: damaged.
    """
    try:
        source = BytesIO(gzip.decompress(path.read_bytes())) if is_gzip(path) else str(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vendors' odd values; what matters here is checked here
            dataset = pydicom.dcmread(source, stop_before_pixels=not pixels, force=True)
    except PermissionError as error:
        raise InputError("it cannot be read", where=path.name, remedy="Check the permissions") from error
    except READ_ERRORS as error:
        raise damaged(path) from error
    _complete_file_meta(dataset)
    return dataset


def damaged(path: Path) -> InputError:
    return InputError("the DICOM file is damaged or incomplete", where=path.name, remedy="Export or copy it again")


def frames_of(path: Path) -> list[Frame]:
    """All frames of one file; none if it holds no image of a slice (report, segmentation, photograph).

    Raises:
        InputError: damaged, or an MR image without what every MR image has.
    """
    from .dicom_enhanced import enhanced_frames, is_enhanced

    dataset = read_dataset(path, pixels=False)
    try:
        if not _shows_mr(dataset, path):
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facts = _series_facts(dataset)
            if is_enhanced(dataset):
                return enhanced_frames(dataset, path, facts)
            return [frame_from([dataset], path, 0, facts, _classic_component(dataset))]
    except InputError:
        raise
    except READ_ERRORS as error:
        raise damaged(path) from error


def frame_from(
    sources: Sequence[Dataset], path: Path, index: int, facts: SeriesFacts, component: Component
) -> Frame:
    """A record from the first source that has each value: per-frame groups, shared groups, the data set itself."""
    effective = first_number(sources, "EffectiveEchoTime")
    slope, intercept = first_number(sources, "RescaleSlope"), first_number(sources, "RescaleIntercept")
    slope, intercept = slope if slope else 1.0, intercept or 0.0
    low, high, integer_type = _stored(sources[-1])
    return Frame(
        path=path,
        index=index,
        series=facts,
        component=component,
        echo_time_ms=_positive(effective) or _positive(first_number(sources, "EchoTime")),
        echo_time_tag="(0018,9082)" if _positive(effective) else "(0018,0081)",
        echo_number=_whole(first_number(sources, "EchoNumbers")),
        shape=(int(sources[-1].Rows), int(sources[-1].Columns)),
        position=_vector(sources, "ImagePositionPatient", 3),
        orientation=_vector(sources, "ImageOrientationPatient", 6),
        pixel_spacing_mm=_vector(sources, "PixelSpacing", 2),
        slice_thickness_mm=_positive(first_number(sources, "SliceThickness")),
        slice_spacing_mm=_positive(abs(first_number(sources, "SpacingBetweenSlices") or 0.0)),
        slope=slope,
        intercept=intercept,
        philips_scale=_positive(_private_number(sources, PHILIPS_SCALE_SLOPE, PHILIPS_CREATORS)),
        phase_in_radians=_text(sources, "RescaleType").lower() in ("rad", "radian", "radians"),
        stored_range=tuple(sorted((low * slope + intercept, high * slope + intercept))),
        integer_type=integer_type,
        repetition=tuple(
            first_number(sources, name) for name in ("TemporalPositionIndex", "TemporalPositionIdentifier", "AcquisitionNumber")
        ),
    )


def first_value(sources: Sequence[Dataset], keyword: str):
    """The first value that is there and not empty."""
    for source in sources:
        value = source.get(keyword)
        if value is not None and value != "" and not (isinstance(value, (list, tuple)) and not len(value)):
            return value
    return None


def first_number(sources: Sequence[Dataset], keyword: str) -> float | None:
    """A single finite number; None for text, lists and nothing."""
    return _number(first_value(sources, keyword))


def private_value(sources: Sequence[Dataset], tag: tuple[int, int], creators: Sequence[str]):
    """A private element, wherever its block was put."""
    group, element = tag
    for source in sources:
        for creator in creators:
            try:
                value = source.private_block(group, creator)[element].value
            except KeyError:
                continue
            if value not in (None, "", b""):
                return value
    return None


def philips_component(sources: Sequence[Dataset]) -> Component | None:
    value = private_value(sources, PHILIPS_IMAGE_TYPE, PHILIPS_CREATORS)
    return from_philips_type(value.decode("latin-1") if isinstance(value, bytes) else value) if value else None


def _classic_component(dataset: Dataset) -> Component:
    """In the order of reliability: maps by Image Type, the standard attribute, vendors' private ones, Image Type."""
    image_type = first_value([dataset], "ImageType") or ()
    by_type = from_image_type([image_type] if isinstance(image_type, str) else image_type)
    if by_type is Component.DERIVED:
        return by_type
    ge_type = private_value([dataset], GE_IMAGE_TYPE, (GE_CREATOR,))
    if isinstance(ge_type, bytes):  # implicit VR: two bytes, signed
        ge_type = int.from_bytes(ge_type[:2], "little", signed=True)
    return (
        from_word(dataset.get("ComplexImageComponent") or "")
        or philips_component([dataset])
        or (by_type if by_type in (Component.PHASE, Component.REAL, Component.IMAGINARY) else None)
        or from_ge_type(ge_type)
        or by_type
        or Component.MAGNITUDE
    )


def _shows_mr(dataset: Dataset, path: Path) -> bool:
    """MR slices with gray pixels; what else lies in an export is passed over."""
    if dataset.get("Modality", "MR") != "MR" or not ("Rows" in dataset and "Columns" in dataset):
        if "Modality" not in dataset and "SOPClassUID" not in dataset:
            raise damaged(path)
        return False
    return dataset.get("SamplesPerPixel", 1) == 1 and int(dataset.Rows) > 0 and int(dataset.Columns) > 0


def _series_facts(dataset: Dataset) -> SeriesFacts:
    field_strength_t, assumed = _field_strength(dataset)
    sequence = first_value([dataset], "ScanningSequence") or first_value([dataset], "EchoPulseSequence") or ""
    return SeriesFacts(
        uid=str(dataset.get("SeriesInstanceUID") or ""),
        number=_whole(first_number([dataset], "SeriesNumber")),
        description=_without_patient(dataset, str(dataset.get("SeriesDescription") or "").strip()),
        study_uid=str(dataset.get("StudyInstanceUID") or ""),
        manufacturer=str(dataset.get("Manufacturer") or "").strip(),
        field_strength_t=field_strength_t,
        field_strength_assumed=assumed,
        repetition_time_ms=first_number([dataset], "RepetitionTime"),
        flip_angle_deg=first_number([dataset], "FlipAngle"),
        sequence=sequence if isinstance(sequence, str) else "/".join(sequence),
    )


def _field_strength(dataset: Dataset) -> tuple[float | None, str]:
    """Tesla, and a sentence if it was not simply read."""
    stated = _positive(first_number([dataset], "MagneticFieldStrength"))
    if stated and stated < 25:
        return stated, ""
    if stated and stated > 1000:
        return stated / 10_000, f"The field strength {stated:g} in the header was taken as gauss."
    megahertz = _positive(first_number([dataset], "ImagingFrequency"))
    if megahertz and str(dataset.get("ImagedNucleus") or "1H").strip("^ ") in ("1H", "H1"):
        field_t = round(megahertz / MHZ_PER_TESLA, 2)
        return field_t, f"The field strength {field_t:g} T was taken from the imaging frequency."
    return None, ""


def _without_patient(dataset: Dataset, text: str) -> str:
    """The text, or nothing if any part of the patient's name or number is in it."""
    identifiers = f"{dataset.get('PatientName') or ''}^{dataset.get('PatientID') or ''}"
    parts = [part for part in identifiers.replace(" ", "^").replace("=", "^").split("^") if len(part) > 2]
    return "" if any(part.lower() in text.lower() for part in parts) else text


def _stored(dataset: Dataset) -> tuple[float, float, np.dtype | None]:
    """Lowest and highest value that the stored bits can express, and their type if they are small integers."""
    allocated, bits = int(dataset.get("BitsAllocated") or 16), int(dataset.get("BitsStored") or 16)
    signed = bool(dataset.get("PixelRepresentation") or 0)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return low, high, np.dtype(f"{'i' if signed else 'u'}{allocated // 8}") if allocated in (8, 16) else None


def _complete_file_meta(dataset: Dataset) -> None:
    """Files without preamble do not tell their transfer syntax; how pydicom read them does."""
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = getattr(dataset, "is_implicit_VR", None)
        if implicit is None:
            implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _private_number(sources: Sequence[Dataset], tag: tuple[int, int], creators: Sequence[str]) -> float | None:
    value = private_value(sources, tag, creators)
    if isinstance(value, bytes):  # implicit VR and unknown to the dictionary
        value = struct.unpack("<f", value)[0] if len(value) == 4 else None
    return _number(value)


def _text(sources: Sequence[Dataset], keyword: str) -> str:
    return str(first_value(sources, keyword) or "")


def _vector(sources: Sequence[Dataset], keyword: str, length: int) -> tuple[float, ...] | None:
    value = first_value(sources, keyword)
    if not isinstance(value, (list, tuple)) and not hasattr(value, "__len__"):
        return None
    numbers = [_number(item) for item in value] if not isinstance(value, str) else []
    return tuple(numbers) if len(numbers) == length and None not in numbers else None


def _number(value) -> float | None:
    if isinstance(value, (list, tuple)) or (hasattr(value, "__len__") and not isinstance(value, (str, bytes))):
        value = value[0] if len(value) == 1 else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _positive(number: float | None) -> float | None:
    return number if number and number > 0 else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
