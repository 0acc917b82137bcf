"""Frames of enhanced (multi-frame) DICOM: values in functional groups, per frame, shared, or at the top level."""

from pathlib import Path

from pydicom.dataset import Dataset

from ..errors import InputError
from .components import Component, from_image_type, from_word
from .dicom_frames import Frame, SeriesFacts, damaged, first_value, frame_from, philips_component

PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
# The functional groups whose values matter here, in the order of search.
GROUPS = (
    "MREchoSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MRImageFrameTypeSequence",
    "MRTimingAndRelatedParametersSequence",
)
# Philips repeats the attributes of a classic image in one private item per frame; it knows scale and echo number.
PHILIPS_FRAME_GROUP, PHILIPS_FRAME_CREATOR = (0x2005, 0x0F), "Philips MR Imaging DD 005"


def is_enhanced(dataset: Dataset) -> bool:
    return PER_FRAME in dataset or SHARED in dataset


def enhanced_frames(dataset: Dataset, path: Path, facts: SeriesFacts) -> list[Frame]:
    """One record per frame.

    Raises:
        InputError: the number of frames contradicts the functional groups.
    """
    n = int(dataset.get("NumberOfFrames") or 1)
    per_frame, shared = dataset.get(PER_FRAME) or [], dataset.get(SHARED) or [Dataset()]
    if len(per_frame) not in (0, n):
        raise InputError(f"{n} frames, but headers of {len(per_frame)}", where=path.name, remedy="Export it again")
    if not len(per_frame) and n > 1:
        raise damaged(path)
    shared_items = _items(shared[0])
    frames = []
    for index in range(n):
        own = _items(per_frame[index]) if len(per_frame) else []
        private = _philips_items(per_frame[index]) if len(per_frame) else []
        sources = [*own, *shared_items, *private, dataset]
        frames.append(frame_from(sources, path, index, facts, _component(sources, private)))
    return frames


def _items(group: Dataset) -> list[Dataset]:
    return [group[name].value[0] for name in GROUPS if name in group and len(group[name].value)]


def _philips_items(group: Dataset) -> list[Dataset]:
    try:
        items = group.private_block(PHILIPS_FRAME_GROUP[0], PHILIPS_FRAME_CREATOR)[PHILIPS_FRAME_GROUP[1]].value
    except KeyError:
        return []
    return [item for item in items if isinstance(item, Dataset)]


def _component(sources: list[Dataset], private: list[Dataset]) -> Component:
    """Value 3 of an enhanced frame type is a flavor (T2_STAR, PERFUSION); only value 4 says that it was computed."""
    frame_type = first_value(sources, "FrameType") or first_value(sources[-1:], "ImageType") or ()
    contrast = [] if isinstance(frame_type, str) else list(frame_type)[3:]
    if contrast and str(contrast[0]).upper() not in ("", "NONE") and from_image_type(["", "", *contrast]) is Component.DERIVED:
        return Component.DERIVED
    stated = from_word(first_value(sources, "ComplexImageComponent") or "")
    by_type = from_image_type(["", "", *contrast])
    return philips_component(private) or stated or by_type or Component.MAGNITUDE
