"""Siemens mosaics (VB to VE): one DICOM image that shows all slices of a volume side by side.

The private header tells the number of slices and their normal. Image Position is the corner of the whole mosaic, as if
it were one slice, so the corner of the slices lies inward by half of what the mosaic is larger.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset

from ..errors import InputError
from .components import Component
from .dicom_frames import Frame
from .dicom_stacks import unit_orientation
from .dicom_values import private_number, private_value, whole, words

_HEADER, _CSA = ("SIEMENS MR HEADER",), ("SIEMENS CSA HEADER",)
_N_IMAGES, _SLICE_TIMES, _IMAGE_HEADER = (0x0019, 0x0A), (0x0019, 0x29), (0x0029, 0x10)


@dataclass(frozen=True)
class MosaicFacts:
    n_slices: int
    normal_lps: tuple[float, float, float]
    slice_times_ms: tuple[float, ...] = ()


def mosaic_facts(dataset: Dataset) -> MosaicFacts | None:
    """None if the private header does not describe the mosaic."""
    header = private_value([dataset], _IMAGE_HEADER, _CSA)
    entries = csa_entries(header) if isinstance(header, bytes) else {}
    n_slices = whole(private_number([dataset], _N_IMAGES, _HEADER, "<H")) or _count(entries)
    normal = entries.get("SliceNormalVector", ())
    if not n_slices or len(normal) != 3:
        return None
    times = tuple(float(time) for time in words(private_value([dataset], _SLICE_TIMES, _HEADER)) if _is_float(time))
    times = times or entries.get("MosaicRefAcqTimes", ())
    times = times if len(times) == n_slices and len(set(times)) > 1 else ()
    first = min(times, default=0.0)
    return MosaicFacts(n_slices, tuple(normal), tuple(round(time - first, 3) for time in times))


def expand_mosaics(frames: Sequence[Frame]) -> list[Frame]:
    """Frames in which each mosaic is replaced by its slices."""
    return [part for frame in frames for part in (_slices(frame) if frame.marks.mosaic else [frame])]


def csa_entries(header: bytes) -> dict[str, tuple[float, ...]]:
    """Numbers in a CSA header of the second kind ("SV10") by name; empty for anything else.

    Layout: "SV10", 4 bytes, count, 4 bytes; for each entry a name of 64 bytes, multiplicity, type (4 bytes), a code,
    the number of items, 4 bytes; for each item 4 integers, the second being its length, and its text, padded to 4.
    """
    if header[:4] != b"SV10":
        return {}
    entries = {}
    try:
        (count,) = struct.unpack_from("<I", header, 8)
        offset = 16
        for _ in range(min(count, 1000)):
            name = header[offset : offset + 64].split(b"\0", 1)[0].decode("latin-1")
            (n_items,) = struct.unpack_from("<i", header, offset + 76)
            offset, values = offset + 84, []
            for _ in range(n_items):
                length = struct.unpack_from("<4i", header, offset)[1]
                text = header[offset + 16 : offset + 16 + length].split(b"\0", 1)[0].strip()
                offset += 16 + (length + 3) // 4 * 4
                values += [float(text)] if _is_float(text) else []
            entries[name] = tuple(values)
    except struct.error:
        return {}
    return entries


def _slices(frame: Frame) -> list[Frame]:
    facts: MosaicFacts = frame.marks.mosaic
    n_tiles = int(np.ceil(np.sqrt(facts.n_slices)))
    rows, columns = frame.shape[0] // n_tiles, frame.shape[1] // n_tiles
    step_mm = frame.slice_spacing_mm or frame.slice_thickness_mm
    if rows * n_tiles != frame.shape[0] or columns * n_tiles != frame.shape[1] or not step_mm:
        raise InputError("its mosaic is not described", where=frame.where, remedy="Convert it to NIfTI with dcm2niix")
    if frame.position is None or frame.orientation is None or frame.pixel_spacing_mm is None:
        raise InputError("its geometry is missing in the header", where=frame.where, remedy="Export it again")
    directions, spacing = unit_orientation(frame), frame.pixel_spacing_mm
    corner = (
        np.array(frame.position)
        + directions[:3] * spacing[1] * (frame.shape[1] - columns) / 2
        + directions[3:] * spacing[0] * (frame.shape[0] - rows) / 2
    )
    step = np.array(facts.normal_lps) * step_mm
    return [
        replace(
            frame,
            component=Component.MAGNITUDE,
            shape=(rows, columns),
            position=tuple(corner + k * step),
            tile=(k // n_tiles * rows, k % n_tiles * columns),
        )
        for k in range(facts.n_slices)
    ]


def _count(entries: dict[str, tuple[float, ...]]) -> int | None:
    numbers = entries.get("NumberOfImagesInMosaic", ())
    return int(numbers[0]) if numbers else None


def _is_float(text) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except (TypeError, ValueError):
        return False
