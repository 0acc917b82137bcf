"""Which images among many are the echoes of one acquisition.

Exports mix localizers, maps and several measurements in one folder, scanners put all echoes into one series or each
into its own, and magnitude and phase together or apart. Exactly one multi-echo group is chosen, or the user is told
what there is to choose from.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .components import Component
from .dicom_frames import Frame
from .dicom_stacks import has_repeated_places, same_plane_grid
from .echo_order import EQUAL_WITHIN_MS

_NO_LETTERS = re.compile(r"[^a-z]+")
# What distinguishes the descriptions of echoes that a scanner stores as series of their own.
_ECHO_WORDS = re.compile(r"\b(first|second|third|fourth|fifth|echo|te|ms|e)\b")


@dataclass(frozen=True)
class Echo:
    """All slices of one component at one echo time."""

    frames: tuple[Frame, ...]
    echo_time_ms: float | None
    echo_number: int | None


@dataclass(frozen=True)
class Acquisition:
    """Echoes that belong together; ``frames`` are all of their series, whatever they show."""

    frames: tuple[Frame, ...]
    echoes: tuple[Echo, ...]

    @property
    def series_labels(self) -> list[str]:
        return list(dict.fromkeys(frame.series.label for frame in self.frames))

    @property
    def label(self) -> str:
        labels = self.series_labels
        return labels[0] if len(labels) == 1 else f"{labels[0]} to {labels[-1]}"


def choose_acquisition(frames: Sequence[Frame]) -> tuple[Acquisition, tuple[str, ...]]:
    """The one multi-echo acquisition, and a sentence about images that were left out.

    Raises:
        InputError: none, or several.
    """
    usable = [frame for frame in frames if frame.component is not Component.DERIVED]
    candidates = _candidates(usable)
    if not candidates:
        raise _nothing_found(frames)
    if len(candidates) > 1:
        listed = ", ".join(f"{item.label} with {len(item.echoes)} echoes" for item in candidates)
        raise InputError(
            f"several multi-echo series found: {listed}", remedy="Give the files or the folder of one of them"
        )
    return candidates[0], (*_merging(candidates[0]), *_left_out(frames, candidates[0]))


def find_echoes(frames: Sequence[Frame]) -> list[Echo]:
    """Frames grouped by echo time; where that puts two images at one place, by echo number, too."""
    clusters: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda frame: frame.echo_time_ms or 0.0):
        if clusters and _same_time(clusters[-1][0].echo_time_ms, frame.echo_time_ms):
            clusters[-1].append(frame)
        else:
            clusters.append([frame])
    echoes = []
    for cluster in clusters:
        numbers = sorted({frame.echo_number for frame in cluster if frame.echo_number is not None})
        if len(numbers) < 2 or not has_repeated_places(cluster):
            echoes.append(Echo(tuple(cluster), cluster[0].echo_time_ms, numbers[0] if len(numbers) == 1 else None))
            continue
        for number in numbers:
            part = tuple(frame for frame in cluster if frame.echo_number == number)
            echoes.append(Echo(part, cluster[0].echo_time_ms, number))
    return echoes


def signal_frames(frames: Sequence[Frame]) -> list[Frame]:
    """The frames that count as echoes: magnitudes, else real parts that have imaginary ones."""
    by_component = {part: [frame for frame in frames if frame.component is part] for part in Component}
    if by_component[Component.MAGNITUDE]:
        return by_component[Component.MAGNITUDE]
    return by_component[Component.REAL] if by_component[Component.IMAGINARY] else []


def group_by(items, key) -> list[list]:
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def series_key(frame: Frame):
    return (frame.series.patient, frame.series.study_uid, frame.series.uid, frame.series.number)


# -- candidates --


def _candidates(frames: Sequence[Frame]) -> list[Acquisition]:
    found, single = [], []
    for series in group_by(frames, series_key):
        for part in _split_by_plane(series):
            signal = signal_frames(part)
            echoes = find_echoes(signal) if signal else []
            if len(echoes) > 1:
                found.append(Acquisition(tuple(part), tuple(echoes)))
            elif echoes:
                single.append(part)
    by_description = _merged(single, lambda part: (*_protocol(part[0]), _description(part[0])))
    # Echoes of one name and protocol on several grids are a mistake to be told, unless something else was meant.
    consistent = [item for item in by_description if _on_one_plane_grid(item)]
    found += consistent
    if not found:
        found += by_description or _merged(single, lambda part: (*_protocol(part[0]), part[0].shape))
    return found


def _split_by_plane(series: Sequence[Frame]) -> list[list[Frame]]:
    """The stacks of a series that hold the same echo times (three planes, say); one with other echo times stays.

    An echo whose grid differs from all others must not vanish as if it were another stack.
    """
    groups: list[list[Frame]] = []
    for frame in series:
        group = next((group for group in groups if same_plane_grid(group[0], frame)), None)
        if group is None:
            groups.append([frame])
        else:
            group.append(frame)
    if len(groups) == 1:
        return groups
    times = [frozenset(round(frame.echo_time_ms or 0.0, 2) for frame in group) for group in groups]
    disjoint = sum(len(part) for part in times) == len(frozenset().union(*times))
    return [list(series)] if disjoint else groups


def _merged(single: Sequence[list[Frame]], key) -> list[Acquisition]:
    """Series of one echo each that share a protocol, as one acquisition."""
    found = []
    for parts in group_by(single, key):
        frames = [frame for part in parts for frame in part]
        echoes = find_echoes(signal_frames(frames))
        if len(parts) > 1 and len(echoes) > 1:
            found.append(Acquisition(tuple(frames), tuple(echoes)))
    return found


def _protocol(frame: Frame):
    """What all echoes of a measurement share, whatever else a scanner writes."""
    facts = frame.series
    rounded = [None if value is None else round(value, 1) for value in (facts.repetition_time_ms, facts.flip_angle_deg)]
    return (facts.patient, facts.study_uid, *rounded, facts.sequence)


def _description(frame: Frame) -> str:
    return _NO_LETTERS.sub("", _ECHO_WORDS.sub("", re.sub(r"[\W\d_]+", " ", frame.series.description.lower())))


def _on_one_plane_grid(acquisition: Acquisition) -> bool:
    first = acquisition.frames[0]
    return all(same_plane_grid(first, frame) for frame in acquisition.frames)


def _same_time(a: float | None, b: float | None) -> bool:
    return a is b or (a is not None and b is not None and abs(a - b) < EQUAL_WITHIN_MS)


# -- messages --


def _nothing_found(frames: Sequence[Frame]) -> InputError:
    signal = signal_frames([frame for frame in frames if frame.component is not Component.DERIVED])
    listed = "; ".join(_summary(series) for series in group_by(frames, series_key)[:8])
    if signal:
        what = "only one echo time per series was found, R2* needs at least two"
    elif all(frame.component is Component.DERIVED for frame in frames):
        what = "only computed maps, mosaics or projections were found, no echoes"
    else:
        what = "only phase images were found, no magnitudes"
    return InputError(f"{what} ({listed})", remedy="Give all echoes of the acquisition")


def _summary(series: Sequence[Frame]) -> str:
    times = sorted({f"{frame.echo_time_ms:g}" for frame in series if frame.echo_time_ms}, key=float)
    shown = f", TE {' / '.join(times)} ms" if times else ", no echo time"
    kinds = "/".join(sorted({frame.component.value for frame in series}))
    return f"{series[0].series.label}: {len(series)} {kinds} {'image' if len(series) == 1 else 'images'}{shown}"


def _merging(chosen: Acquisition) -> tuple[str, ...]:
    """Series whose descriptions differ may share a protocol by chance."""
    if len({_description(frame) for frame in chosen.frames}) < 2:
        return ()
    return (f"The echoes were put together from {', '.join(chosen.series_labels)}, which share protocol and geometry.",)


def _left_out(frames: Sequence[Frame], chosen: Acquisition) -> tuple[str, ...]:
    used = {(frame.path, frame.index) for frame in chosen.frames}
    rest = [frame for frame in frames if (frame.path, frame.index) not in used]
    # Phase images in a series of their own are looked for later.
    rest = [frame for frame in rest if frame.component in (Component.MAGNITUDE, Component.DERIVED)]
    if not rest:
        return ()
    return (f"Not used: {'; '.join(_summary(series) for series in group_by(rest, series_key))}.",)
