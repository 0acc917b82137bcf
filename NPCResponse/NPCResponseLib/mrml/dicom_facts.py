"""What the DICOM headers behind a volume node say, when Slicer's DICOM database knows its instances."""

from dataclasses import dataclass
from functools import lru_cache

import pydicom
import slicer
from pydicom.errors import InvalidDicomError

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"
# Classic images carry one echo time, enhanced multi-frame ones one per frame.
ECHO_TIME_TAG, EFFECTIVE_ECHO_TIME_TAG = "(0018,0081)", "(0018,9082)"


@dataclass(frozen=True)
class InstanceFacts:
    """Facts that all instances of one volume share; None where they are silent or differ."""

    echo_time_ms: float | None = None
    echo_time_tag: str = ""
    field_strength_t: float | None = None
    slice_thickness_mm: float | None = None


def instance_facts(volume) -> InstanceFacts:
    """Facts from the first and the last instance of a volume; all None outside Slicer or without a database entry.

    Two instances, because a stack of slices shares its echo time, while a node with several echoes differs at its ends.
    """
    uids = (volume.GetAttribute(INSTANCES_ATTRIBUTE) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not uids or database is None:
        return InstanceFacts()
    headers = [header for header in (_header(database, uid) for uid in {uids[0], uids[-1]}) if header is not None]
    if not headers:
        return InstanceFacts()
    tag = ECHO_TIME_TAG if _numbers(headers, "EchoTime") else EFFECTIVE_ECHO_TIME_TAG
    keyword = "EchoTime" if tag == ECHO_TIME_TAG else "EffectiveEchoTime"
    return InstanceFacts(
        echo_time_ms=_shared(_numbers(headers, keyword)),
        echo_time_tag=tag,
        field_strength_t=_shared(_numbers(headers, "MagneticFieldStrength")),
        slice_thickness_mm=_shared(_numbers(headers, "SliceThickness")),
    )


def _header(database, uid: str) -> pydicom.Dataset | None:
    path = database.fileForInstance(uid)
    return _read_header(path) if path else None


@lru_cache(maxsize=64)  # a panel asks at every change of a parameter
def _read_header(path: str) -> pydicom.Dataset | None:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, InvalidDicomError):
        return None  # the database outlives files that were moved away


def _numbers(headers, keyword: str) -> set[float]:
    """All positive values of an attribute, at the top level and in the functional groups of enhanced images."""
    values = set()
    for header in headers:
        values |= {float(value) for value in _values(header, keyword) if value is not None and float(value) > 0}
    return values


def _values(dataset: pydicom.Dataset, keyword: str):
    if keyword in dataset:
        yield dataset[keyword].value
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in dataset.get(groups) or ():
            for element in group:
                for item in element.value if element.VR == "SQ" else ():
                    if keyword in item:
                        yield item[keyword].value


def _shared(values: set[float]) -> float | None:
    return values.pop() if len(values) == 1 else None
