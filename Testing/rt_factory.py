"""Synthetic radiotherapy DICOM: structure sets as Eclipse exports them, dose grids, and image series of any modality.

Coordinates are DICOM's own (LPS, mm), as a treatment planning system writes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from Testing.dicom_factory import save

STRUCTURES, DOSE = UID("1.2.840.10008.5.1.4.1.1.481.3"), UID("1.2.840.10008.5.1.4.1.1.481.2")
REGISTRATION = UID("1.2.840.10008.5.1.4.1.1.66.1")
IMAGE_CLASSES = {"CT": UID("1.2.840.10008.5.1.4.1.1.2"), "MR": UID("1.2.840.10008.5.1.4.1.1.4")}
PATIENT_NAME, PATIENT_ID = "Zhangsan^Meili", "HOSP-77123"
FRAME = generate_uid(entropy_srcs=["planning CT"])
OTHER_FRAME = generate_uid(entropy_srcs=["recurrence MR"])
SERIES = generate_uid(entropy_srcs=["planning CT series"])
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass
class Roi:
    """One structure; contours in LPS, each (n, 3) or, with its geometric type, a pair."""

    name: str
    contours_lps: Sequence = ()
    kind: str = "GTV"
    frame: str = FRAME
    has_item: bool = True  # an entry in ROI Contour Sequence


@dataclass
class DoseGrid:
    """A dose grid; ``gy`` is (frame, row, column)."""

    gy: np.ndarray
    first_lps: Sequence[float] = (-50.0, -40.0, -30.0)
    orientation: Sequence[float] = AXIAL
    pixel_spacing_mm: tuple[float, float] = (2.5, 2.0)  # rows, columns
    offsets_mm: Sequence[float] | None = None
    scaling: float | None = 1e-4
    units: str = "GY"
    dose_type: str = "PHYSICAL"
    summation: str = "PLAN"
    frame: str = FRAME
    patient: str = PATIENT_ID
    edit: Callable[[Dataset], None] = field(default=lambda _: None)


def disc(center_lps, radius_mm: float, *, n: int = 180, tilt: np.ndarray | None = None) -> np.ndarray:
    """A circle in the axial plane (n, 3), inscribed in the disc but for half a per mille of its area; or tilted."""
    angles = np.arange(n) * 2 * np.pi / n
    points = np.stack([radius_mm * np.cos(angles), radius_mm * np.sin(angles), np.zeros(n)], axis=1)
    return (points if tilt is None else points @ tilt.T) + center_lps


def rectangle(center_lps, width_mm: float, height_mm: float) -> np.ndarray:
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * (width_mm / 2, height_mm / 2, 0)
    return corners + center_lps


def keyhole(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """One contour around a ring: along the outside, over a seam, back along the inside, and over the seam again."""
    nearest = np.linalg.norm(inner - outer[0], axis=1).argmin()
    turned = np.roll(inner, -nearest, axis=0)[::-1]
    turned = np.roll(turned, 1, axis=0)
    return np.concatenate([outer, outer[:1], turned, turned[:1]])


def sphere(center_lps, radius_mm: float, positions_mm: Sequence[float]) -> list[np.ndarray]:
    """Axial contours of a ball at the planes that cut it; positions are z."""
    found = []
    for z in positions_mm:
        squared = radius_mm**2 - (z - center_lps[2]) ** 2
        if squared > 0.01:
            found.append(disc((center_lps[0], center_lps[1], z), np.sqrt(squared)))
    return found


def write_structures(
    path: Path,
    rois: Sequence[Roi],
    *,
    patient: str = PATIENT_ID,
    frame: str = FRAME,
    edit: Callable[[Dataset], None] = lambda _: None,
) -> Path:
    """A structure set with coordinates in hundredths of mm, as Eclipse rounds them."""
    dataset = _dataset(STRUCTURES, "RTSTRUCT", patient)
    dataset.StructureSetLabel = "CT_PLAN"
    referenced = _item(SeriesInstanceUID=SERIES, ContourImageSequence=Items([]))
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=generate_uid(entropy_srcs=["study"]),
        RTReferencedSeriesSequence=Items([referenced]),
    )
    dataset.ReferencedFrameOfReferenceSequence = Items(
        [_item(FrameOfReferenceUID=frame, RTReferencedStudySequence=Items([study]))]
    )
    dataset.StructureSetROISequence = Items(
        [
            _item(
                ROINumber=number, ReferencedFrameOfReferenceUID=roi.frame, ROIName=roi.name, ROIGenerationAlgorithm=""
            )
            for number, roi in enumerate(rois, start=1)
        ]
    )
    dataset.ROIContourSequence = Items(
        [_contour_item(number, roi) for number, roi in enumerate(rois, start=1) if roi.has_item]
    )
    dataset.RTROIObservationsSequence = Items(
        [
            _item(
                ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=roi.kind, ROIInterpreter=""
            )
            for number, roi in enumerate(rois, start=1)
        ]
    )
    edit(dataset)
    save(dataset, path)
    return path


def write_dose(path: Path, grid: DoseGrid) -> Path:
    """A dose of 32 bits; its frames lie at ``offsets_mm`` (3 mm apart upward if None)."""
    dataset = _dataset(DOSE, "RTDOSE", grid.patient)
    n_frames, dataset.Rows, dataset.Columns = grid.gy.shape
    dataset.NumberOfFrames = n_frames
    dataset.FrameOfReferenceUID = grid.frame
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = (
        _decimals(grid.first_lps),
        _decimals(grid.orientation),
    )
    dataset.PixelSpacing = list(grid.pixel_spacing_mm)
    dataset.GridFrameOffsetVector = _decimals(3.0 * np.arange(n_frames) if grid.offsets_mm is None else grid.offsets_mm)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = grid.units, grid.dose_type, grid.summation
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    if grid.scaling:
        dataset.DoseGridScaling = f"{grid.scaling:.12g}"
    dataset.PixelData = np.round(grid.gy / (grid.scaling or 1.0)).astype("<u4").tobytes()
    dataset["PixelData"].VR = "OW"
    grid.edit(dataset)
    save(dataset, path)
    return path


def write_series(
    folder: Path,
    stored: np.ndarray,
    *,
    modality: str = "CT",
    first_lps: Sequence[float] = (-50.0, -40.0, -30.0),
    orientation: Sequence[float] = AXIAL,
    pixel_spacing_mm: tuple[float, float] = (0.9, 0.8),
    slice_spacing_mm: float = 3.0,
    rescale: tuple[float, float] = (1.0, -1024.0),
    patient: str = PATIENT_ID,
    frame: str = FRAME,
    series: str = SERIES,
    edit: Callable[[Dataset, int], None] = lambda *_: None,
) -> Path:
    """Slices (k, row, column) of integers, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for k, pixels in enumerate(stored):
        dataset = _dataset(IMAGE_CLASSES[modality], modality, patient)
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID, dataset.SeriesNumber = series, frame, 3
        dataset.InstanceNumber, dataset.SeriesDescription = k + 1, "plan"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.ImagePositionPatient = _decimals(np.add(first_lps, normal * slice_spacing_mm * k))
        dataset.ImageOrientationPatient = _decimals(orientation)
        dataset.PixelSpacing, dataset.SliceThickness = list(pixel_spacing_mm), slice_spacing_mm
        dataset.RescaleSlope, dataset.RescaleIntercept = rescale
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.PixelData = pixels.astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        edit(dataset, k)
        save(dataset, folder / f"{modality}{k:03d}.dcm")
    return folder


def write_registration(
    path: Path, matrices_lps: Mapping[str, Sequence[np.ndarray]], common: str = OTHER_FRAME, kind: str = "RIGID"
) -> Path:
    """A spatial registration: for each frame of reference the matrices that take it to the common one."""
    dataset = _dataset(REGISTRATION, "REG", PATIENT_ID)
    dataset.FrameOfReferenceUID = common
    dataset.RegistrationSequence = Items(
        [
            _item(
                FrameOfReferenceUID=frame,
                MatrixRegistrationSequence=Items(
                    [
                        _item(
                            MatrixSequence=Items(
                                [
                                    _item(
                                        FrameOfReferenceTransformationMatrixType=kind,
                                        FrameOfReferenceTransformationMatrix=_decimals(np.ravel(matrix)),
                                    )
                                    for matrix in matrices
                                ]
                            )
                        )
                    ]
                ),
            )
            for frame, matrices in matrices_lps.items()
        ]
    )
    save(dataset, path)
    return path


def _contour_item(number: int, roi: Roi) -> Dataset:
    contours = []
    for contour in roi.contours_lps:
        kind, points = contour if isinstance(contour, tuple) else ("CLOSED_PLANAR", contour)
        points = np.atleast_2d(np.asarray(points, float))
        contours.append(
            _item(
                ContourGeometricType=kind,
                NumberOfContourPoints=len(points),
                ContourData=[f"{value:.2f}" for value in points.ravel()],
            )
        )
    return _item(ROIDisplayColor=[255, 0, 0], ReferencedROINumber=number, ContourSequence=Items(contours))


def _dataset(sop_class: UID, modality: str, patient: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, patient
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["study"]), generate_uid()
    dataset.Modality, dataset.Manufacturer = modality, "Varian Medical Systems"
    return dataset


def _item(**values) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _decimals(values) -> list[str]:
    """Decimal strings have at most 16 characters."""
    return [f"{float(value):.10g}"[:16] for value in values]


def gaussian_dose(
    shape: tuple[int, int, int], maximum_gy: float, widths: Mapping[int, float] | None = None
) -> np.ndarray:
    """A dose that falls off from the middle of the grid; ``widths`` in voxels per axis."""
    widths = widths or {}
    distance = sum(
        ((np.arange(n) - (n - 1) / 2).reshape([-1 if a == axis else 1 for a in range(3)]) / widths.get(axis, n / 2))
        ** 2
        for axis, n in enumerate(shape)
    )
    return maximum_gy * np.exp(-distance / 2)
