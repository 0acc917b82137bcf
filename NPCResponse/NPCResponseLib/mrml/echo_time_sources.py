"""Where echo times come from: the index of a sequence, frame labels, DICOM headers, or what the user typed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..echo_times import echo_times_from_text, format_echo_times, is_echo_time_name, validate_echo_times
from .dicom_facts import instance_facts

# Remembers the source of a sequence's index where it was not the user, as in "DICOM (0018,0081)".
SOURCE_ATTRIBUTE = "NPCResponse.EchoTimesSource"
# Slicer's importer of multi-volumes blanks the index of the sequence it makes; these attributes still know.
FRAME_TAG_ATTRIBUTE = "MultiVolume.FrameIdentifyingDICOMTagName"
FRAME_UNIT_ATTRIBUTE = "MultiVolume.FrameIdentifyingDICOMTagUnits"
FRAME_LABELS_ATTRIBUTE = "MultiVolume.FrameLabels"

EQUAL_WITHIN_MS = 0.005


@dataclass(frozen=True)
class FoundEchoTimes:
    """Echo times (ms) in the order of the images, and where they were found.

    ``each_by_itself``: every image told its own, so images and times may be sorted together.
    """

    times_ms: tuple[float, ...]
    source: str
    each_by_itself: bool = False

    def image_order(self) -> list[int]:
        """Positions of the images in the order in which they are to be fitted; equal times stay in their order."""
        positions = range(len(self.times_ms))
        return sorted(positions, key=lambda n: self.times_ms[n]) if self.each_by_itself else list(positions)

    def in_image_order(self) -> tuple[float, ...]:
        return tuple(self.times_ms[n] for n in self.image_order())


def find_in_data(container, images: Sequence) -> FoundEchoTimes | None:
    """What the data themselves say, from the first source that says anything.

    Args:
        container: the sequence node, the multi-component volume, or the first volume of a list.
        images: one volume node per echo, or the multi-component one.
    """
    is_sequence = container.IsA("vtkMRMLSequenceNode")
    found = _from_index(container) if is_sequence else None
    if found is None and (is_sequence or len(images) == 1):
        found = _from_frame_labels(container)
    return found or (_from_dicom(images) if len(images) > 1 else None)


def decide(
    found: FoundEchoTimes | None, typed_ms: Sequence[float] | None, n_echoes: int, where: str
) -> tuple[tuple[float, ...], str]:
    """The echo times to use and their source, in words. Typed ones win, since whoever types them wants them.

    Raises:
        InputError: there are none, or they cannot be used.
    """
    if typed_ms:
        times_ms = validate_echo_times(typed_ms, n_echoes, where)
        remark = f"; {disagreement(found, typed_ms)}" if disagreement(found, typed_ms) else ""
        return times_ms, f"typed by the user{remark}"
    times_ms = validate_echo_times(found.in_image_order() if found else (), n_echoes, where)
    return times_ms, found.source


def disagreement(found: FoundEchoTimes | None, typed_ms: Sequence[float] | None) -> str:
    """What the data say instead, if that differs from what was typed, else ""."""
    if not (found and typed_ms):
        return ""
    times_ms = found.in_image_order()
    if len(times_ms) == len(typed_ms) and all(
        abs(a - b) <= EQUAL_WITHIN_MS for a, b in zip(times_ms, typed_ms, strict=True)
    ):
        return ""
    return f"{found.source} said {format_echo_times(times_ms)}"


def _from_index(sequence) -> FoundEchoTimes | None:
    name = (sequence.GetIndexName() or "").strip()
    if not is_echo_time_name(name):
        return None
    values = [sequence.GetNthIndexValue(n) for n in range(sequence.GetNumberOfDataNodes())]
    times_ms, remark = echo_times_from_text(values, sequence.GetIndexUnit() or "")
    source = sequence.GetAttribute(SOURCE_ATTRIBUTE) or f"sequence index {name}{remark}"
    return FoundEchoTimes(times_ms, source) if times_ms else None


def _from_frame_labels(node) -> FoundEchoTimes | None:
    if not is_echo_time_name(node.GetAttribute(FRAME_TAG_ATTRIBUTE) or ""):
        return None
    labels = (node.GetAttribute(FRAME_LABELS_ATTRIBUTE) or "").split(",")
    times_ms, remark = echo_times_from_text(labels, node.GetAttribute(FRAME_UNIT_ATTRIBUTE) or "")
    return FoundEchoTimes(times_ms, f"frame labels of the DICOM import{remark}") if times_ms else None


def _from_dicom(images: Sequence) -> FoundEchoTimes | None:
    facts = [instance_facts(image) for image in images]
    if not all(fact.echo_time_ms for fact in facts):
        return None
    return FoundEchoTimes(
        tuple(fact.echo_time_ms for fact in facts), f"DICOM {facts[0].echo_time_tag}", each_by_itself=True
    )
