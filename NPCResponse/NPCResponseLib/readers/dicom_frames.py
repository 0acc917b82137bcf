"""A DICOM image as a record of the few header values that matter, classic and enhanced alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from ..fat_shift import PROTON_MHZ_PER_T
from .components import Component
from .dicom_values import first_number, first_text, first_vector, positive, private_number, whole, words

PHILIPS_CREATORS = ("Philips MR Imaging DD 001", "Philips MR Imaging DD 005")
PHILIPS_SCALE_SLOPE = (0x2005, 0x0E)
ECHO_TIME_TAG, EFFECTIVE_ECHO_TIME_TAG = "(0018,0081)", "(0018,9082)"
# The gyromagnetic ratio of the proton: imaging frequency in MHz to tesla.


@dataclass(frozen=True)
class SeriesFacts:
    """What all frames of one file share. ``patient`` tells one from another and is never shown."""

    uid: str
    number: int | None
    description: str
    study_uid: str
    patient: str
    manufacturer: str
    field_strength_t: float | None
    field_strength_remark: str
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
    """One image. Lengths in mm, directions in LPS; None where the header is silent.

    ``stored_range``: lowest and highest value after rescaling that the stored bits can express.
    ``integer_type``: type of the stored pixels, if they are integers of at most 16 bits.
    ``marks``: what a reader of one kind of acquisition asked to know of each image (see ``MarkReader``).
    ``tile``: row and column at which the image starts within a larger one (a mosaic).
    """

    path: Path
    index: int
    n_frames: int
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
    rescale_type: str
    stored_range: tuple[float, float]
    integer_type: np.dtype | None
    temporal_position: int | None
    marks: Any = None
    tile: tuple[int, int] | None = None

    @property
    def where(self) -> str:
        return self.path.name if self.n_frames == 1 else f"frame {self.index + 1} of {self.path.name}"


# Reads further facts of one image from its sources; the last source is the data set itself.
MarkReader = Callable[[Sequence[Dataset]], Any]


def frame_from(
    sources: Sequence[Dataset],
    path: Path,
    index: int,
    series: SeriesFacts,
    component: Component,
    read_marks: MarkReader | None = None,
) -> Frame:
    """A record from the first source that has each value; the last source is the data set itself."""
    dataset = sources[-1]
    effective = positive(first_number(sources, "EffectiveEchoTime"))
    slope, intercept = first_number(sources, "RescaleSlope") or 1.0, first_number(sources, "RescaleIntercept") or 0.0
    low, high, integer_type = _stored(dataset)
    temporal = first_number(sources, "TemporalPositionIndex") or first_number(sources, "TemporalPositionIdentifier")
    return Frame(
        path=path,
        index=index,
        n_frames=int(dataset.get("NumberOfFrames") or 1),
        series=series,
        component=component,
        echo_time_ms=effective or positive(first_number(sources, "EchoTime")),
        echo_time_tag=EFFECTIVE_ECHO_TIME_TAG if effective else ECHO_TIME_TAG,
        echo_number=whole(first_number(sources, "EchoNumbers")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        position=first_vector(sources, "ImagePositionPatient", 3),
        orientation=first_vector(sources, "ImageOrientationPatient", 6),
        pixel_spacing_mm=first_vector(sources, "PixelSpacing", 2),
        slice_thickness_mm=positive(first_number(sources, "SliceThickness")),
        slice_spacing_mm=positive(abs(first_number(sources, "SpacingBetweenSlices") or 0.0)),
        slope=slope,
        intercept=intercept,
        philips_scale=positive(private_number(sources, PHILIPS_SCALE_SLOPE, PHILIPS_CREATORS, "<f")),
        rescale_type=first_text(sources, "RescaleType").lower(),
        stored_range=tuple(sorted((low * slope + intercept, high * slope + intercept))),
        integer_type=integer_type,
        temporal_position=whole(temporal),
        marks=read_marks(sources) if read_marks else None,
    )


def series_facts(dataset: Dataset) -> SeriesFacts:
    field_strength_t, remark = _field_strength(dataset)
    sequence = words(dataset.get("ScanningSequence")) or words(dataset.get("EchoPulseSequence"))
    return SeriesFacts(
        uid=first_text([dataset], "SeriesInstanceUID"),
        number=whole(first_number([dataset], "SeriesNumber")),
        description=_without_patient(dataset, first_text([dataset], "SeriesDescription")),
        study_uid=first_text([dataset], "StudyInstanceUID"),
        patient=first_text([dataset], "PatientID"),
        manufacturer=first_text([dataset], "Manufacturer"),
        field_strength_t=field_strength_t,
        field_strength_remark=remark,
        repetition_time_ms=first_number([dataset], "RepetitionTime"),
        flip_angle_deg=first_number([dataset], "FlipAngle"),
        sequence="/".join(str(word) for word in sequence),
    )


def _field_strength(dataset: Dataset) -> tuple[float | None, str]:
    """Tesla, and a sentence if it was not simply read. Some GE systems wrote gauss."""
    stated = positive(first_number([dataset], "MagneticFieldStrength"))
    if stated and stated < 25:
        return stated, ""
    if stated and stated > 1000:
        return stated / 10_000, f"The field strength {stated:g} in the header was taken as gauss."
    megahertz = positive(first_number([dataset], "ImagingFrequency"))
    if megahertz and first_text([dataset], "ImagedNucleus").strip("^") in ("", "1H", "H1"):
        field_t = round(megahertz / PROTON_MHZ_PER_T, 2)
        return field_t, f"The field strength {field_t:g} T was taken from the imaging frequency."
    return None, ""


def _without_patient(dataset: Dataset, text: str) -> str:
    """The text, or nothing if any part of the patient's name or number is in it."""
    identifiers = f"{dataset.get('PatientName') or ''}^{dataset.get('PatientID') or ''}"
    parts = [part for part in identifiers.replace(" ", "^").replace("=", "^").split("^") if len(part) > 2]
    return "" if any(part.lower() in text.lower() for part in parts) else text


def _stored(dataset: Dataset) -> tuple[float, float, np.dtype | None]:
    allocated = int(dataset.get("BitsAllocated") or 16)
    bits, signed = int(dataset.get("BitsStored") or allocated), bool(dataset.get("PixelRepresentation") or 0)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    width = 2 if signed else allocated // 8  # no scene holds signed bytes
    return low, high, np.dtype(f"{'i' if signed else 'u'}{width}") if allocated in (8, 16) else None
