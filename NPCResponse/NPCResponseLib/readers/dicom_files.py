"""DICOM files: what images are in them, and their pixels."""

import gzip
import struct
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..errors import InputError
from ..image_integrity import is_gzip
from .components import Component, from_ge_type, from_image_type, from_philips_type, from_word
from .dicom_enhanced import PHILIPS_IMAGE_TYPE, enhanced_frames, is_enhanced
from .dicom_frames import PHILIPS_CREATORS, Frame, MarkReader, frame_from, series_facts
from .dicom_values import first_text, private_number, private_text, words

# What pydicom and its decoders raise on damaged files, found by cutting and overwriting files.
READ_ERRORS = (
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    ImportError,
    IndexError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
GE_CREATORS, GE_IMAGE_TYPE = ("GEMS_PARM_01",), (0x0043, 0x2F)
# Storage classes of MR slices: classic, enhanced, enhanced color, legacy converted.
_MR_CLASSES = {f"1.2.840.10008.5.1.4.1.1.4{end}" for end in ("", ".1", ".3", ".4")}
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# All that a decoder needs to know.
_PIXEL_DESCRIPTION = (
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
)
# With where the fragments of compressed pixels start. Nothing else is kept when pixels are read, which halves the time.
_PIXEL_ELEMENTS = (
    *(*_PIXEL_DESCRIPTION, *_PIXELS[1:]),
    *("PlanarConfiguration", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
)


def frames_of(path: Path, read_marks: MarkReader | None = None) -> list[Frame]:
    """All frames of one file; none if it holds no MR slices (a report, a segmentation, a photograph).

    Args:
        read_marks: what else to read of each image while its header is open.

    Raises:
        InputError: damaged, or an MR image without what every MR image has.
    """
    dataset = _read(path, pixels=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's on vendors' odd values; those that matter are checked here
            if not _shows_mr(dataset, path):
                return []
            if int(dataset.get("NumberOfFrames") or 1) > 1 and not is_enhanced(dataset):
                return _frames_without_headers(dataset, path)
            if is_enhanced(dataset):
                return enhanced_frames(dataset, path, series_facts(dataset), read_marks)
            component = _classic_component(dataset)
            return [frame_from([dataset], path, 0, series_facts(dataset), component, read_marks)]
    except InputError:
        raise
    except READ_ERRORS as error:
        raise _damaged(path) from error


def patient_id(path: Path) -> str:
    """PatientID (0010,0020), "" where there is none. Not to be shown or stored.

    Raises:
        InputError: damaged.
    """
    return first_text([_read(path, pixels=False, only=("PatientID",))], "PatientID")


def stored_pixels(path: Path) -> np.ndarray:
    """Pixels as stored, before rescaling: (frame, row, column).

    Raises:
        InputError: damaged, or compressed in a way that nothing here decodes.
    """
    dataset = _read(path, pixels=True, only=_PIXEL_ELEMENTS)
    try:
        if not any(name in dataset for name in _PIXELS):
            raise _damaged(path)
        shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = _decode(dataset, path)
    except InputError:
        raise
    except READ_ERRORS as error:
        raise _damaged(path) from error
    if pixels.size != np.prod(shape):
        raise _damaged(path)
    return pixels.reshape(shape)


def _read(path: Path, *, pixels: bool, only: Sequence[str] | None = None) -> Dataset:
    try:
        source = BytesIO(gzip.decompress(path.read_bytes())) if is_gzip(path) else str(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(
                source, stop_before_pixels=not pixels, force=True, specific_tags=list(only) if only else None
            )
            _complete_file_meta(dataset)
    except PermissionError as error:
        raise InputError("it cannot be read", where=path.name, remedy="Check the permissions") from error
    except READ_ERRORS as error:
        raise _damaged(path) from error
    return dataset


def _complete_file_meta(dataset: Dataset) -> None:
    """Files without preamble do not tell their transfer syntax; how pydicom could read them does."""
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        encoding = getattr(dataset, "original_encoding", None) or (dataset.is_implicit_VR,)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if encoding[0] else ExplicitVRLittleEndian


def _damaged(path: Path) -> InputError:
    return InputError("the DICOM file is damaged or incomplete", where=path.name, remedy="Export or copy it again")


def _shows_mr(dataset: Dataset, path: Path) -> bool:
    storage_class = first_text([dataset], "SOPClassUID")
    if first_text([dataset], "Modality") not in ("MR", ""):
        return False
    if "Rows" not in dataset or "Columns" not in dataset:
        if storage_class in _MR_CLASSES or not storage_class:  # the header breaks off before it describes the pixels
            raise _damaged(path)
        return False
    return int(dataset.get("SamplesPerPixel") or 1) == 1 and int(dataset.Rows) * int(dataset.Columns) > 0


def _frames_without_headers(dataset: Dataset, path: Path) -> list[Frame]:
    """A film of screenshots is passed over, an MR image must not lose all frames but the first."""
    if first_text([dataset], "SOPClassUID") not in _MR_CLASSES:
        return []
    raise InputError(
        f"its {dataset.NumberOfFrames} frames have no headers of their own",
        where=path.name,
        remedy="Export enhanced DICOM or one file per slice",
    )


def _classic_component(dataset: Dataset) -> Component:
    """Maps show in Image Type; then the standard attribute, the vendors' private ones, and Image Type again.

    GE's private number is 0 also where Image Type knows better, so it is asked after the words for phase.
    """
    by_type = from_image_type(words(dataset.get("ImageType")))
    if by_type is Component.DERIVED:
        return by_type
    ge_number = private_number([dataset], GE_IMAGE_TYPE, GE_CREATORS, "<h")
    return (
        from_word(first_text([dataset], "ComplexImageComponent"))
        or from_philips_type(private_text([dataset], PHILIPS_IMAGE_TYPE, PHILIPS_CREATORS))
        or (by_type if by_type is not Component.MAGNITUDE else None)
        or (from_ge_type(int(ge_number)) if ge_number is not None else None)
        or by_type
        or Component.MAGNITUDE
    )


def _decode(dataset: Dataset, path: Path) -> np.ndarray:
    """By pydicom and the decoders it finds; compressed data also by GDCM, which comes with SimpleITK."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated:
        return dataset.pixel_array
    try:
        return dataset.pixel_array
    except READ_ERRORS:
        pass
    try:
        return _decode_with_gdcm(dataset)
    except READ_ERRORS as error:
        raise InputError(
            f"its compressed pixels ({syntax.name}) cannot be decoded here",
            where=path.name,
            remedy="Export the series uncompressed",
        ) from error


def _decode_with_gdcm(dataset: Dataset) -> np.ndarray:
    """Stored pixels through a temporary file without rescaling, orientation and whom it shows."""
    bare = Dataset()
    bare.SOPClassUID, bare.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"  # secondary capture
    bare.Modality = "OT"
    for name in _PIXEL_DESCRIPTION:
        if name in dataset:
            bare[name] = dataset[name]
    bare.file_meta = FileMetaDataset()
    bare.file_meta.MediaStorageSOPClassUID, bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPClassUID, "2.25.1"
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.dcm"
        content = BytesIO()
        # Both pydicom 2.4 (write_like_original) and 3 (enforce_file_format) write a preamble only when told so.
        bare.preamble = b"\0" * 128
        bare.is_little_endian, bare.is_implicit_VR = True, False
        pydicom.dcmwrite(content, bare)
        file.write_bytes(content.getvalue())
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file), imageIO="GDCMImageIO"))
