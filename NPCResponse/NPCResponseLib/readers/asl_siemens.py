"""Facts of arterial spin labeling in the protocol that Siemens stores with each image (mrprot, as text).

Where it is: (0029,1020) in the CSA header of VB to VE, (0021,1019) in XA. Times are in microseconds. Only the vendor's
own sequences are read; what research sequences keep in their free parameters differs from one to the next.
"""

import re
from collections.abc import Mapping

from pydicom.dataset import Dataset

from ..asl_series import LabelingType
from .asl_images import Fact
from .dicom_values import private_value

PROTOCOLS = (((0x0029, 0x20), "SIEMENS CSA HEADER"), ((0x0021, 0x19), "SIEMENS MR SDS 01"))
# Series facts of XA lie in a private item of the shared functional groups.
SHARED_ITEM = ((0x0021, 0xFE), "SIEMENS MR SDS 01")
_START, _END = b"### ASCCONV BEGIN", b"### ASCCONV END"
_LINE = re.compile(rb"^(sAsl\.\w+(?:\[\d+\])?|alTI\[\d+\]|tSequenceFileName)[ \t]*=[ \t]*(\S+)", re.MULTILINE)
# Pulsed labeling by these two: alTI[0] is the bolus duration, alTI[2] the inversion time.
_PULSED_SEQUENCES = ("ep2d_pasl", "tgse_pasl")
_MICROSECONDS_PER_MS = 1000.0


def protocol_of(dataset: Dataset) -> dict[str, str]:
    """The entries that concern labeling, by name; empty without a protocol."""
    for source in (dataset, _shared_item(dataset)):
        for tag, creator in PROTOCOLS:
            content = private_value([source], tag, (creator,)) if source is not None else None
            if isinstance(content, str):
                content = content.encode("latin-1", "replace")
            if isinstance(content, bytes) and _START in content:
                return _entries(content)
    return {}


def protocol_facts(entries: Mapping[str, str]) -> tuple[dict[str, Fact], tuple[str, ...]]:
    """Facts by name, and warnings."""
    sequence = entries.get("tSequenceFileName", "").replace("\\", "/").rsplit("/", 1)[-1].lower()
    if sequence in _PULSED_SEQUENCES:
        return _pulsed(entries, sequence), ()
    delays, remark = _delays(entries)
    duration = _milliseconds(entries, "sAsl.ulLabelingDuration")
    facts = {}
    if duration:
        facts["label_duration_ms"] = Fact(duration, "Siemens protocol, sAsl.ulLabelingDuration")
    if delays:
        facts["post_labeling_delays_ms"] = Fact(delays, "Siemens protocol, sAsl.sPostLabelingDelay")
    return facts, remark


def _pulsed(entries: Mapping[str, str], sequence: str) -> dict[str, Fact]:
    found = {
        "labeling_type": Fact(LabelingType.PASL, f"Siemens protocol, sequence {sequence}"),
        "label_duration_ms": Fact(_milliseconds(entries, "alTI[0]"), "Siemens protocol, bolus duration alTI[0]"),
        "post_labeling_delays_ms": Fact(_milliseconds(entries, "alTI[2]"), "Siemens protocol, inversion time alTI[2]"),
    }
    return {name: fact for name, fact in found.items() if fact.value}


def _delays(entries: Mapping[str, str]) -> tuple[float | None, tuple[str, ...]]:
    """The one delay; of several the protocol does not tell which image has which."""
    try:
        n_delays = max(1, int(entries.get("sAsl.ulDelayArraySize", "1"), 0))
    except ValueError:
        n_delays = 1
    found = [_milliseconds(entries, f"sAsl.sPostLabelingDelay[{n}]") for n in range(n_delays)]
    known = sorted({delay for delay in found if delay})
    if len(known) == 1:
        return known[0], ()
    if not known:
        return None, ()
    listed = ", ".join(f"{delay:g}" for delay in known)
    return None, (
        f"The Siemens protocol lists the post-labeling delays {listed} ms, but not which image has which: type them.",
    )


def _milliseconds(entries: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(entries.get(name, "nan"))
    except ValueError:
        return None
    return value / _MICROSECONDS_PER_MS if 0 < value < float("inf") else None


def _entries(content: bytes) -> dict[str, str]:
    start = content.index(_START)
    end = content.find(_END, start)
    text = content[start : end if end > 0 else None]
    return {key.decode(): value.decode("latin-1").strip('"') for key, value in _LINE.findall(text)}


def _shared_item(dataset: Dataset) -> Dataset | None:
    shared = dataset.get("SharedFunctionalGroupsSequence")
    items = private_value([shared[0]], SHARED_ITEM[0], (SHARED_ITEM[1],)) if shared else None
    first = items[0] if items is not None and not isinstance(items, (str, bytes)) and len(items) else None
    return first if isinstance(first, Dataset) else None
