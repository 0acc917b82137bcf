"""Synthetic multi-echo and labeling DICOM as GE, Philips, Siemens and United Imaging write it, classic and enhanced.

Pixels follow one closed form (``Scan.magnitude``, ``Scan.phase``), so a test knows what a reader must return.
"""

import itertools
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CLASSIC, ENHANCED = UID("1.2.840.10008.5.1.4.1.1.4"), UID("1.2.840.10008.5.1.4.1.1.4.1")
MANUFACTURERS = {"ge": "GE MEDICAL SYSTEMS", "philips": "Philips", "siemens": "SIEMENS", "uih": "UIH"}
VENDORS = tuple(MANUFACTURERS)
ECHO_TIMES_MS = (6.71, 13.42, 20.13, 26.84, 33.55)
PATIENT_NAME, PATIENT_ID = "Zhangsan^Meili", "HOSP-77123"
# Rows run along a direction that is parallel to no axis, so that a swapped sign or axis shows.
OBLIQUE = tuple(np.array([[0.936, 0.283, -0.209], [-0.251, 0.954, 0.166]]).ravel())
STUDY = generate_uid(entropy_srcs=["study"])


@dataclass
class Scan:
    """One acquisition; every field is what a header or an image of it says."""

    vendor: str = "siemens"
    echo_times_ms: Sequence[float] = ECHO_TIMES_MS
    n_slices: int = 4
    rows: int = 6
    columns: int = 5
    pixel_spacing_mm: tuple[float, float] = (1.5, 1.25)  # between rows, between columns
    slice_spacing_mm: float = 5.5
    slice_thickness_mm: float = 5.0
    orientation: Sequence[float] = OBLIQUE
    origin_lps: Sequence[float] = (-40.0, 12.5, 77.0)
    r2star_hz: float = 40.0
    components: Sequence[str] = ("M",)
    description: str = "BOLD"
    series_number: int = 5
    series_uid: str = ""
    field_strength_t: float = 3.0
    repetition_time_ms: float = 500.0
    flip_angle_deg: float = 20.0
    rescale: Callable[[int], tuple[float, float, float | None]] | None = None  # echo -> slope, intercept, Philips SS
    edit: Callable[[Dataset, str, int, int], bool | None] = field(default=lambda *_: None)  # return False to leave out
    edit_file: Callable[[Dataset], None] = field(default=lambda _: None)  # last, on the whole data set

    def unit_orientation(self) -> np.ndarray:
        row, column = np.array(self.orientation[:3], float), np.array(self.orientation[3:], float)
        row /= np.linalg.norm(row)
        column -= column.dot(row) * row
        return np.concatenate([row, column / np.linalg.norm(column)])

    def position(self, k: int) -> np.ndarray:
        directions = self.unit_orientation()
        return np.array(self.origin_lps) + k * self.slice_spacing_mm * np.cross(directions[:3], directions[3:])

    def ijk_to_ras(self) -> np.ndarray:
        """Built point by point, not by the reader's formula: LPS of four corners, then x and y negated."""
        directions = self.unit_orientation()
        matrix = np.eye(4)
        matrix[:3, 0] = directions[:3] * self.pixel_spacing_mm[1]
        matrix[:3, 1] = directions[3:] * self.pixel_spacing_mm[0]
        matrix[:3, 2] = self.position(1) - self.position(0)
        matrix[:3, 3] = self.position(0)
        matrix[:2] = -matrix[:2]
        return matrix

    def magnitude(self, echo: int, k: int) -> np.ndarray:
        row, column = np.mgrid[: self.rows, : self.columns]
        s0 = 1000 + 100.0 * k + 10 * row + column
        return s0 * math.exp(-self.echo_times_ms[echo] / 1000 * self.r2star_hz)

    def magnitudes(self, echo: int) -> np.ndarray:
        return np.stack([self.magnitude(echo, k) for k in range(self.n_slices)])

    def phase(self, echo: int, k: int) -> np.ndarray:
        """Radians, with wraps, and the whole range of -pi to pi in each image."""
        row, column = np.mgrid[: self.rows, : self.columns]
        radians = 0.3 * self.echo_times_ms[echo] + 0.5 * k + 0.9 * row + 0.4 * column
        radians = np.angle(np.exp(1j * radians))
        radians.flat[:2] = (-math.pi, math.pi * (1 - 2 / 4096))
        return radians

    def phases(self, echo: int) -> np.ndarray:
        return np.stack([self.phase(echo, k) for k in range(self.n_slices)])

    def values(self, component: str, echo: int, k: int) -> np.ndarray:
        if component == "P":
            return self.phase(echo, k)
        part = {"M": 1.0, "R": np.cos(self.phase(echo, k)), "I": np.sin(self.phase(echo, k))}
        return self.magnitude(echo, k) * part.get(component, 1.0)


def write_classic(folder: Path, scan: Scan, *, series_per_echo: bool = False, prefix: str = "") -> list[Path]:
    """One file per slice, echo and component."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, paths = scan.series_uid or generate_uid(), []
    uids = {(echo): generate_uid() for echo in range(len(scan.echo_times_ms))}
    combinations = itertools.product(range(scan.n_slices), range(len(scan.echo_times_ms)), scan.components)
    for number, (k, echo, component) in enumerate(combinations, start=1):
        dataset = _classic(scan, component, echo, k)
        dataset.InstanceNumber = number
        dataset.SeriesInstanceUID = uids[echo] if series_per_echo else series_uid
        dataset.SeriesNumber = scan.series_number + (echo if series_per_echo else 0)
        if scan.edit(dataset, component, echo, k) is False:
            continue
        scan.edit_file(dataset)
        # Names in an order that has nothing to do with slices or echoes.
        paths.append(folder / f"{prefix}IM{scan.series_number:03d}_{(number * 37) % 1009:04d}.dcm")
        save(dataset, paths[-1])
    return paths


def write_enhanced(path: Path, scan: Scan, *, echoes: Sequence[int] | None = None) -> Path:
    """All (or the given) echoes, slices and components in one multi-frame file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = _common(scan, ENHANCED)
    dataset.SeriesInstanceUID, dataset.SeriesNumber = scan.series_uid or generate_uid(), scan.series_number
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "T2_STAR", "NONE"]
    dataset.ComplexImageComponent = "MIXED" if len(scan.components) > 1 else _WORD[scan.components[0]]
    del dataset.EchoTime, dataset.SliceThickness, dataset.ImageOrientationPatient, dataset.PixelSpacing
    groups, pixels = [], []
    echoes = range(len(scan.echo_times_ms)) if echoes is None else echoes
    for component, echo, k in itertools.product(scan.components, echoes, reversed(range(scan.n_slices))):
        group, stored = _enhanced_frame(scan, component, echo, k)
        if scan.edit(group, component, echo, k) is not False:
            groups.append(group)
            pixels.append(stored)
    shared = Dataset()
    shared.PlaneOrientationSequence = Items([_item(ImageOrientationPatient=_decimals(scan.unit_orientation()))])
    shared.PixelMeasuresSequence = Items(
        [
            _item(
                PixelSpacing=list(scan.pixel_spacing_mm),
                SliceThickness=scan.slice_thickness_mm,
                SpacingBetweenSlices=scan.slice_spacing_mm,
            )
        ]
    )
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    dataset.PerFrameFunctionalGroupsSequence = Items(groups)
    dataset.NumberOfFrames = len(groups)
    scan.edit_file(dataset)
    _set_pixels(dataset, np.stack(pixels))
    save(dataset, path)
    return path


@dataclass
class AslScan(Scan):
    """One labeling acquisition: what is an echo in ``Scan`` is a volume here. Pixels: ``volume``."""

    roles: Sequence[str] = ("m0scan", "control", "label", "control", "label")
    label_duration_ms: float = 1800.0
    delay_ms: float = 2000.0
    readout_ms: float = 0.0  # from slice to slice; 0: a 3-D readout
    description: str = "pCASL"
    vendor: str = "siemens"
    protocol: str = ""  # Siemens, in place of the usual one

    def __post_init__(self):
        self.echo_times_ms = (9.0,) * len(self.roles)
        head = {"siemens": _siemens_asl, "philips": _philips_asl, "ge": _ge_asl}[self.vendor]
        given, given_file = self.edit, self.edit_file
        self.edit = lambda group, part, n, k: (head(self, group, n, k), given(group, part, n, k))[1]
        self.edit_file = lambda dataset: (_asl_file(self, dataset), given_file(dataset))[1]

    def values(self, component: str, echo: int, k: int) -> np.ndarray:
        level = {"m0scan": 3.0, "control": 1.0, "label": 0.9, "deltam": 0.4, "cbf": 0.05, "": 1.0}[self.roles[echo]]
        row, column = np.mgrid[: self.rows, : self.columns]
        return np.round(level * (300 + 40.0 * k + 10 * row + column) + echo)

    def volume(self, n: int) -> np.ndarray:
        return np.stack([self.values("M", n, k) for k in range(self.n_slices)])

    def dynamic(self, n: int) -> int:
        """Control and label of a pair share their dynamic, so do the two M0 images of Philips."""
        return n // 2 + 1 if self.vendor == "philips" else n + 1

    def philips_label(self, n: int) -> str:
        word = self.roles[n]
        return {"control": "CONTROL", "label": "LABEL", "m0scan": ("CONTROL", "LABEL")[n % 2]}.get(word, "")


def write_mosaics(folder: Path, scan: AslScan) -> list[Path]:
    """One file per volume with its slices side by side, as Siemens VB to VE."""
    folder.mkdir(parents=True, exist_ok=True)
    n_tiles, uid, paths = math.ceil(math.sqrt(scan.n_slices)), generate_uid(), []
    directions = scan.unit_orientation()
    for n in range(len(scan.roles)):
        dataset = _classic(scan, "M", n, 0)
        tiles = np.zeros((n_tiles * scan.rows, n_tiles * scan.columns), np.uint16)
        for k in range(scan.n_slices):
            row, column = k // n_tiles * scan.rows, k % n_tiles * scan.columns
            tiles[row : row + scan.rows, column : column + scan.columns] = scan.values("M", n, k)
        dataset.Rows, dataset.Columns = tiles.shape
        outward = directions[:3] * scan.pixel_spacing_mm[1] * scan.columns * (n_tiles - 1) / 2
        outward = outward + directions[3:] * scan.pixel_spacing_mm[0] * scan.rows * (n_tiles - 1) / 2
        dataset.ImagePositionPatient = _decimals(scan.position(0) - outward)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "ASL", "NONE", "ND", "MOSAIC"]
        dataset.MRAcquisitionType = "2D"
        dataset.AcquisitionNumber = dataset.InstanceNumber = n + 1
        dataset.SeriesInstanceUID, dataset.SeriesNumber = uid, scan.series_number
        header = dataset.private_block(0x19, "SIEMENS MR HEADER", create=True)
        header.add_new(0x0A, "US", scan.n_slices)
        header.add_new(0x29, "FD", [10.0 + scan.readout_ms * k for k in range(scan.n_slices)])
        csa = dataset.private_block(0x29, "SIEMENS CSA HEADER", create=True)
        csa.add_new(0x10, "OB", csa_header({"SliceNormalVector": np.cross(directions[:3], directions[3:])}))
        csa.add_new(0x20, "OB", _protocol(scan).encode())
        _set_pixels(dataset, tiles)
        paths.append(folder / f"IM{n * 37 % 101:03d}.dcm")
        save(dataset, paths[-1])
    return paths


def csa_header(entries: dict) -> bytes:
    """Numbers as Siemens packs them ("SV10")."""
    packed = b"SV10\4\3\2\1" + struct.pack("<II", len(entries), 77)
    for name, numbers in entries.items():
        packed += name.encode().ljust(64, b"\0")
        packed += struct.pack("<i4siii", len(numbers), b"FD\0\0", 4, len(numbers), 77)
        for number in numbers:
            text = f"{number:.10f}".encode() + b"\0"
            packed += struct.pack("<4i", len(text), len(text), 77, len(text)) + text.ljust(
                -(-len(text) // 4) * 4, b"\0"
            )
    return packed


def _asl_file(scan: AslScan, dataset: Dataset) -> None:
    dataset.ProtocolName, dataset.MRAcquisitionType = scan.description, "2D" if scan.readout_ms else "3D"
    is_enhanced = dataset.SOPClassUID == ENHANCED
    if scan.vendor == "siemens" and is_enhanced:
        dataset.ArterialSpinLabelingContrast = "PSEUDOCONTINUOUS"
        inner = Dataset()
        inner.private_block(0x21, "SIEMENS MR SDS 01", create=True).add_new(0x19, "OB", _protocol(scan).encode())
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.private_block(0x21, "SIEMENS MR SDS 01", create=True).add_new(0xFE, "SQ", Items([inner]))


def _protocol(scan: AslScan) -> str:
    return scan.protocol or (
        "binary <XProtocol>\n### ASCCONV BEGIN object=MrProtDataImpl ###\n"
        'tSequenceFileName\t = \t""%SiemensSeq%\\ep2d_asl""\n'
        "sAsl.ulDelayArraySize\t = \t1\n"
        f"sAsl.ulLabelingDuration\t = \t{scan.label_duration_ms * 1000:.0f}\n"
        f"sAsl.sPostLabelingDelay[0]\t = \t{scan.delay_ms * 1000:.0f}\n"
        "sAsl.sPostLabelingDelay[1]\t = \t9900000\n### ASCCONV END ###\n"
    )


def _siemens_asl(scan: AslScan, group: Dataset, n: int, k: int) -> None:
    start = 1000.0 * n * 4 + scan.readout_ms * k
    if "SOPClassUID" in group:
        group.AcquisitionNumber, group.EchoNumbers = n + 1, 1
        return
    context = {"m0scan": "M_ZERO_SCAN", "control": "CONTROL", "label": "LABEL"}.get(scan.roles[n])
    labeling = _item(ASLTechniqueDescription="pseudo continuous ASL", ASLBolusCutoffFlag="NO")
    labeling.ASLSlabSequence = Items([_item(ASLSlabNumber=1, ASLPulseTrainDuration=int(scan.label_duration_ms))])
    if context:
        labeling.ASLContext = context
    group.MRArterialSpinLabelingSequence = Items([labeling])
    seconds, rest = divmod(start, 1000)
    stamp = f"202207111214{int(seconds) % 60:02d}.{round(rest * 1000):06d}"
    group.FrameContentSequence = Items([_item(FrameAcquisitionDateTime=stamp, TemporalPositionIndex=n + 1)])
    group.MRTimingAndRelatedParametersSequence = Items([_item(RepetitionTime=scan.repetition_time_ms)])


def _philips_asl(scan: AslScan, group: Dataset, n: int, k: int) -> None:
    kind = {"cbf": "PERFUSION", "deltam": "PERFUSION"}.get(scan.roles[n], "M")
    if "SOPClassUID" in group:
        target, image_type = group, ["ORIGINAL", "PRIMARY", f"{kind}_SE", kind, "SE"]
    else:
        target = group.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
        group.FrameContentSequence = Items([_item(TemporalPositionIndex=scan.dynamic(n))])
        image_type = ["ORIGINAL", "PRIMARY", f"{kind}_SE", kind, "SE"]
    target.ImageType, target.EchoNumbers, target.TemporalPositionIdentifier = image_type, 1, scan.dynamic(n)
    first = target.private_block(0x2005, "Philips MR Imaging DD 001")
    first.add_new(0x11, "CS", kind)
    first.add_new(0x29, "CS", "N")  # the same element of another block: not the label
    if scan.philips_label(n):
        block = target.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x29, "CS", scan.philips_label(n))


def _ge_asl(scan: AslScan, dataset: Dataset, n: int, k: int) -> None:
    """The product sequence: a perfusion-weighted image (deltam) and proton density (m0scan) in one series."""
    is_density = scan.roles[n] == "m0scan"
    block = dataset.private_block(0x43, "GEMS_PARM_01", create=True)
    block.add_new(0xA3, "CS", "CONTINUOUS" if is_density else "PSEUDOCONTINUOUS")
    block.add_new(0xA4, "LO", f"3D {'' if is_density else 'pulsed '}continuous ASL technique")
    block.add_new(0xA5, "IS", str(int(scan.label_duration_ms)))
    dataset.private_block(0x27, "GEMS_IMAG_01", create=True).add_new(0x62, "SL", 3)
    dataset.SoftwareVersions = ["24", "LX", "MR Software release:DV24.0_R02_1607.b"]
    dataset.EchoNumbers = 1
    if not is_density:
        dataset.InversionTime = scan.delay_ms


def save(dataset: Dataset, path: Path) -> None:
    """As a complete DICOM file, with pydicom 2.4 and 3."""
    if pydicom.__version_info__[0] == "2":
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(str(path), write_like_original=False)
    else:
        dataset.save_as(str(path), enforce_file_format=True)


_WORD = {"M": "MAGNITUDE", "P": "PHASE", "R": "REAL", "I": "IMAGINARY"}
_GE_NUMBER = {"M": 0, "P": 1, "R": 2, "I": 3}


def _common(scan: Scan, sop_class: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = STUDY
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, PATIENT_ID
    dataset.Modality, dataset.Manufacturer = "MR", MANUFACTURERS[scan.vendor]
    dataset.SeriesDescription = scan.description
    dataset.ScanningSequence = "GR"
    dataset.MagneticFieldStrength = scan.field_strength_t
    dataset.RepetitionTime, dataset.FlipAngle = scan.repetition_time_ms, scan.flip_angle_deg
    dataset.EchoTime = 0.0
    dataset.SliceThickness, dataset.PixelSpacing = scan.slice_thickness_mm, list(scan.pixel_spacing_mm)
    dataset.ImageOrientationPatient = _decimals(scan.unit_orientation())
    dataset.Rows, dataset.Columns = scan.rows, scan.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return dataset


def _classic(scan: Scan, component: str, echo: int, k: int) -> FileDataset:
    dataset = _common(scan, CLASSIC)
    dataset.EchoTime, dataset.EchoNumbers = scan.echo_times_ms[echo], echo + 1
    dataset.ImagePositionPatient = _decimals(scan.position(k))
    dataset.SpacingBetweenSlices = scan.slice_spacing_mm
    dataset.ImageType = _image_type(scan.vendor, component)
    if scan.vendor == "ge":
        dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", _GE_NUMBER[component])
    stored, (slope, intercept, philips_scale) = _stored(scan, component, echo, k)
    if (slope, intercept) != (1.0, 0.0):
        dataset.RescaleSlope, dataset.RescaleIntercept = _decimals([slope, intercept])
    if scan.vendor == "philips":
        _add_philips(dataset, "Philips MR Imaging DD 001", component, philips_scale)
    _set_pixels(dataset, stored)
    return dataset


def _enhanced_frame(scan: Scan, component: str, echo: int, k: int) -> tuple[Dataset, np.ndarray]:
    stored, (slope, intercept, philips_scale) = _stored(scan, component, echo, k)
    group = Dataset()
    group.MREchoSequence = Items([_item(EffectiveEchoTime=float(scan.echo_times_ms[echo]))])
    group.PlanePositionSequence = Items([_item(ImagePositionPatient=_decimals(scan.position(k)))])
    group.MRImageFrameTypeSequence = Items(
        [_item(FrameType=["ORIGINAL", "PRIMARY", "T2_STAR", "NONE"], ComplexImageComponent=_WORD[component])]
    )
    slope_text, intercept_text = _decimals([slope, intercept])
    group.PixelValueTransformationSequence = Items(
        [_item(RescaleSlope=slope_text, RescaleIntercept=intercept_text, RescaleType="US")]
    )
    if scan.vendor == "philips":
        private = Dataset()
        private.EchoNumbers = echo + 1
        _add_philips(private, "Philips MR Imaging DD 001", component, philips_scale)
        block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x0F, "SQ", Items([private]))
    return group, stored


def _add_philips(dataset: Dataset, creator: str, component: str, scale: float | None) -> None:
    block = dataset.private_block(0x2005, creator, create=True)
    block.add_new(0x11, "CS", component)
    if scale is not None:
        block.add_new(0x0E, "FL", scale)


def _image_type(vendor: str, component: str) -> list[str]:
    start = ["ORIGINAL", "PRIMARY"]
    if vendor == "ge":
        return [*start, "OTHER"]
    if vendor == "philips":
        return [*start, "PHASE MAP" if component == "P" else f"{component}_FFE", component, "FFE"]
    if vendor == "siemens":
        return [*start, component, "ND"]
    return [*start, _WORD[component]]


def _stored(scan: Scan, component: str, echo: int, k: int) -> tuple[np.ndarray, tuple[float, float, float | None]]:
    """Integers as the scanner stores them, and slope, intercept and Philips scale that lead back."""
    values = scan.values(component, echo, k)
    if component == "P":
        stored, slope, intercept = _stored_phase(scan.vendor, values)
        return stored, (slope, intercept, 651.9 if scan.vendor == "philips" else None)
    offset = -2048.0 if component in "RI" and scan.vendor != "ge" else 0.0  # GE stores signed numbers
    default = (1.0, offset, 0.0075 if scan.vendor == "philips" else None)
    slope, intercept, philips_scale = scan.rescale(echo) if scan.rescale else default
    stored = np.round((values - intercept) / slope).astype(np.int16 if scan.vendor == "ge" else np.uint16)
    return stored, (slope, intercept, philips_scale)


def _stored_phase(vendor: str, radians: np.ndarray) -> tuple[np.ndarray, float, float]:
    if vendor == "ge":  # milliradians
        return np.round(radians * 1000).astype(np.int16), 1.0, 0.0
    steps = np.round(radians / math.pi * 2048 + 2048).clip(0, 4095).astype(np.uint16)
    if vendor == "siemens":
        return steps, 2.0, -4096.0
    if vendor == "philips":  # milliradians once rescaled
        return steps, 1.53455, -3142.0
    return steps, 1.0, 0.0


def _set_pixels(dataset: Dataset, stored: np.ndarray) -> None:
    bits = 12 if stored.dtype == np.uint16 and int(stored.max()) < 4096 else 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"


def _item(**values) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _decimals(values) -> list[str]:
    """Decimal strings have at most 16 characters."""
    return [f"{float(value):.12g}"[:16] for value in values]
