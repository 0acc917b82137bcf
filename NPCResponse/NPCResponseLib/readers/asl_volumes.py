"""DICOM images sorted into the volumes of a labeling acquisition, and what each volume is, by its header."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..asl_series import AslRole
from .asl_marks import AslMarks, ge_role
from .components import Component
from .dicom_frames import Frame
from .dicom_selection import group_by
from .dicom_stacks import has_repeated_places

# Background suppression takes most of the signal of control and label images, so an M0 pair stands out: 2.4 times (a
# bottle) and 23 times (a brain) the signal in real sets, while without suppression all are alike within a few percent.
M0_SIGNAL_RATIO = 1.5
# Voxels above this share of the brightest count as object.
_OBJECT_SHARE = 0.25
# Philips' quantified maps have this fixed slope (to 0.1 mL/100g/min); subtraction images get one that fits their range.
_PHILIPS_FLOW_SLOPE, _SAME = 0.1, 1e-4
_LABEL_RANK = {AslRole.CONTROL: 0, AslRole.LABEL: 1}
_FLOW_WORDS, _RELATIVE_FLOW_WORDS, _SUBTRACTION_WORDS = {"CBF"}, {"RCBF", "RELCBF"}, {"SUBTRACTION", "SUB"}
_FLOW_NAME = re.compile(r"\bcbf\b|cerebral blood flow", re.IGNORECASE)


@dataclass(frozen=True)
class AslVolume:
    """Slices of one volume. ``role`` is None where the header does not tell; ``source`` says where it does."""

    frames: tuple[Frame, ...]
    role: AslRole | None
    source: str = ""

    @property
    def marks(self) -> AslMarks:
        return self.frames[0].marks


def find_volumes(series: Sequence[Frame], *, all_maps: bool = False) -> list[AslVolume]:
    """The volumes of one series in the order of acquisition: magnitudes, and maps that are of use.

    Args:
        all_maps: also maps whose header does not tell what they show.
    """
    taken = (Component.MAGNITUDE, Component.DERIVED) if all_maps else (Component.MAGNITUDE,)
    usable = [frame for frame in series if frame.component in taken or _role(frame)[0] is not None]
    parts = [part for group in group_by(usable, _volume_key) for part in _without_repeats(group)]
    return [AslVolume(tuple(part), *_role(part[0])) for part in sorted(parts, key=_order)]


def recognize_m0(volumes: Sequence[np.ndarray], described: Sequence[AslVolume]) -> tuple[int, ...]:
    """Positions of control and label images that are M0 images by their signal.

    Philips marks the M0 pair CONTROL and LABEL like all others; it is a dynamic of its own, without background
    suppression.

    Args:
        volumes: KJI, comparable in scale, one for each that is described.
    """
    dynamics = group_by(range(len(described)), lambda n: described[n].frames[0].temporal_position)
    if len(dynamics) < 2:
        return ()
    brightest = max((volumes[group[0]] for group in dynamics), key=lambda volume: float(np.mean(volume)))
    inside = brightest > _OBJECT_SHARE * np.percentile(brightest, 99)
    if not inside.any():
        return ()
    levels = [float(np.median([np.median(volumes[n][inside]) for n in group])) for group in dynamics]
    usual = float(np.median(sorted(levels)[: max(1, len(levels) - 1)]))
    found = [group for group, level in zip(dynamics, levels, strict=True) if level > M0_SIGNAL_RATIO * usual > 0]
    return tuple(n for group in found for n in group) if 2 * len(found) <= len(dynamics) else ()


def _role(frame: Frame) -> tuple[AslRole | None, str]:
    """What an image is, and by which words."""
    marks: AslMarks = frame.marks
    words = set(marks.image_type)
    if marks.flow_scale:
        return AslRole.FLOW, "a real-world mapping in units of flow (0040,9096)"
    if words & _FLOW_WORDS or ("DERIVED" in words and _FLOW_NAME.search(frame.series.description)):
        return AslRole.FLOW, "Image Type (0008,0008) or the name of the series: CBF"
    if words & _RELATIVE_FLOW_WORDS:
        return None, ""  # scaled as its vendor likes
    if words & _SUBTRACTION_WORDS and ("ASL" in words or marks.is_labeled):
        return AslRole.DIFFERENCE, "Image Type (0008,0008): a subtraction of ASL images"
    if marks.context:
        return marks.context, "ASL Context (0018,9257)"
    if marks.philips_label:
        return marks.philips_label, "Philips label type (2005,1429)"
    if frame.component is Component.DERIVED:
        return _philips_map(frame)
    role = ge_role(marks.ge_technique)
    return (role, "GE (0043,10A4)") if role else (None, "")


def _philips_map(frame: Frame) -> tuple[AslRole | None, str]:
    words = frame.marks.image_type
    if frame.philips_scale is None or not any(word == "PERFUSION" or word.startswith("PERFUSION_") for word in words):
        return None, ""
    if philips_flow_by_scale(frame.slope, frame.philips_scale):
        return AslRole.FLOW, "Philips: type PERFUSION (2005,1011) with the fixed slope of a quantified map"
    return AslRole.DIFFERENCE, "Philips: type PERFUSION (2005,1011) with a slope that fits its range, a subtraction"


def philips_flow_by_scale(slope: float, scale: float) -> bool:
    """Whether rescale slope and scale slope are those of a quantified map."""
    return abs(slope - _PHILIPS_FLOW_SLOPE) < _SAME * _PHILIPS_FLOW_SLOPE and abs(slope * scale - 1) < _SAME


def _volume_key(frame: Frame):
    marks: AslMarks = frame.marks
    return (
        frame.component,
        frame.temporal_position,
        marks.context,
        marks.philips_label,
        marks.philips_phase,
        marks.ge_technique,
        frame.shape,
        frame.echo_number,
    )


def _without_repeats(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames in which each place comes once, as far as acquisition or instance numbers tell them apart."""
    if not has_repeated_places(frames):
        return [list(frames)]
    by_acquisition = group_by(frames, lambda frame: frame.marks.acquisition_number)
    if len(by_acquisition) > 1 and not any(has_repeated_places(part) for part in by_acquisition):
        return by_acquisition
    return [block for part in by_acquisition for block in _blocks(part)]


def _blocks(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Runs of instance numbers that each cover all places once; the whole if there is no such order."""
    n_places = len({tuple(np.round(frame.position, 2)) for frame in frames if frame.position})
    numbers = [(frame.marks.instance_number or 0, frame.index) for frame in frames]
    if not n_places or len(frames) % n_places or len(set(numbers)) < len(numbers):
        return [list(frames)]
    ordered = [frame for _, frame in sorted(zip(numbers, frames, strict=True), key=lambda pair: pair[0])]
    n_volumes = len(frames) // n_places
    volume_by_volume = [ordered[n * n_places : (n + 1) * n_places] for n in range(n_volumes)]
    slice_by_slice = [ordered[n::n_volumes] for n in range(n_volumes)]
    for blocks in (volume_by_volume, slice_by_slice):
        if not any(has_repeated_places(block) for block in blocks):
            return blocks
    return [list(frames)]


def _order(frames: Sequence[Frame]):
    first: AslMarks = frames[0].marks
    return (
        frames[0].temporal_position or 0,
        min(frame.marks.acquisition_number or 0 for frame in frames),
        _LABEL_RANK.get(first.philips_label, 0),
        first.philips_phase or 0,
        min((frame.marks.instance_number or 0, frame.index) for frame in frames),
    )
