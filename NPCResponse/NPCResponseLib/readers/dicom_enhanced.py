"""Frames of enhanced (multi-frame) DICOM: values in functional groups, per frame, shared, or at the top level."""

from pathlib import Path

from pydicom.dataset import Dataset

from ..errors import InputError
from .components import Component, from_image_type, from_philips_type, from_word
from .dicom_frames import PHILIPS_CREATORS, Frame, MarkReader, SeriesFacts, frame_from
from .dicom_values import first_text, first_value, private_text, words

PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
# The functional groups whose values matter here.
GROUPS = (
    "MREchoSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MRImageFrameTypeSequence",
    "MRTimingAndRelatedParametersSequence",
    "MRArterialSpinLabelingSequence",
    "RealWorldValueMappingSequence",
)
# Philips repeats the attributes of a classic image in one private item per frame; it alone knows scale slope and echo
# number. Its position is that of the uncorrected plane, so it is asked last.
PHILIPS_FRAME_GROUP, PHILIPS_FRAME_CREATOR = (0x2005, 0x0F), "Philips MR Imaging DD 005"
PHILIPS_IMAGE_TYPE = (0x2005, 0x11)


def is_enhanced(dataset: Dataset) -> bool:
    return PER_FRAME in dataset or SHARED in dataset


def enhanced_frames(
    dataset: Dataset, path: Path, series: SeriesFacts, read_marks: MarkReader | None = None
) -> list[Frame]:
    """One record per frame.

    Raises:
        InputError: the number of frames contradicts the functional groups.
    """
    n = int(dataset.get("NumberOfFrames") or 1)
    per_frame, shared = dataset.get(PER_FRAME) or [], dataset.get(SHARED) or [Dataset()]
    if len(per_frame) != n and (len(per_frame) or n > 1):
        raise InputError(
            f"it has {n} frames, but headers of {len(per_frame)}", where=path.name, remedy="Export or copy it again"
        )
    shared_items, frames = _items(shared[0]), []
    for index in range(n):
        own = per_frame[index] if len(per_frame) else Dataset()
        private = _philips_items(own)
        sources = [*_items(own), *shared_items, *private, dataset]
        frames.append(frame_from(sources, path, index, series, _component(sources, private), read_marks))
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
    frame_type = words(first_value(sources, "FrameType")) or words(sources[-1].get("ImageType"))
    by_type = from_image_type(["", "", *frame_type[3:]])
    if by_type is Component.DERIVED:
        return by_type
    return (
        from_philips_type(private_text(private, PHILIPS_IMAGE_TYPE, PHILIPS_CREATORS))
        or from_word(first_text(sources, "ComplexImageComponent"))
        or by_type
        or Component.MAGNITUDE
    )
