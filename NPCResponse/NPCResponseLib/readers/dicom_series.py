"""A multi-echo series, or a single volume, from DICOM files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..echo_series import EchoSeries
from ..errors import InputError
from .checks import check_magnitudes
from .components import Component
from .dicom_files import frames_of, stored_pixels
from .dicom_frames import Frame, MarkReader
from .dicom_selection import Acquisition, Echo, choose_acquisition, find_echoes, group_by, series_key
from .dicom_stacks import Stack, build_stack, check_same_grid
from .echo_order import EQUAL_WITHIN_MS, EchoTimes, resolve_echo_times
from .phase import MILLIRADIANS, RADIANS, magnitude_and_phase, phases_in_radians

# Philips writes its scale slopes as 32-bit numbers.
_SAME_SCALE = 1e-5
_STATED_SCALES = {
    **dict.fromkeys(("rad", "radian", "radians"), RADIANS),
    **dict.fromkeys(("mrad", "milliradian", "milliradians"), MILLIRADIANS),
}


@dataclass(frozen=True)
class _Signal:
    """Magnitude and phase arrays in the order of the echoes."""

    magnitudes: tuple[np.ndarray, ...]
    phases: tuple[np.ndarray, ...]
    warnings: tuple[str, ...]


def read_dicom_series(
    paths: Sequence[Path], typed_ms: Sequence[float] | None, slice_thickness_mm: float | None
) -> EchoSeries:
    """The one multi-echo series in the files; see ``read_echo_series`` for arguments and errors."""
    frames = read_frames(paths)
    acquisition, warnings = choose_acquisition(frames)
    echoes, times = _ordered_echoes(acquisition, typed_ms)
    labels = [_label(n, echo) for n, echo in enumerate(echoes)]
    stacks = [build_stack(echo.frames, label) for echo, label in zip(echoes, labels, strict=True)]
    check_same_grid(stacks, labels)
    signal = _read_signal(stacks, echoes, acquisition, frames)
    warnings += times.warnings + signal.warnings + check_magnitudes(signal.magnitudes, labels, acquisition.label)
    first = stacks[0].frames[0]
    return EchoSeries(
        echoes=signal.magnitudes,
        echo_times_ms=times.times_ms,
        echo_times_source=times.source,
        ijk_to_ras=stacks[0].ijk_to_ras,
        field_strength_t=first.series.field_strength_t,
        slice_thickness_mm=slice_thickness_mm or first.slice_thickness_mm,
        phases=signal.phases,
        name=first.series.description or "BOLD",
        warnings=tuple(
            sentence for sentence in (*warnings, first.series.field_strength_remark, stacks[0].remark) if sentence
        ),
    )


def read_dicom_volume(paths: Sequence[Path], where: str) -> tuple[np.ndarray, np.ndarray]:
    """The one volume in the files, whatever it shows, as float32 KJI and its ijk_to_ras.

    Raises:
        InputError: several volumes.
    """
    frames = read_frames(paths)
    groups = [
        echo.frames
        for series in group_by(frames, lambda frame: (series_key(frame), frame.component))
        for echo in find_echoes(series)
    ]
    if len(groups) > 1:
        listed = "; ".join(
            f"{group[0].series.label}, {group[0].component.value}, {len(group)} images" for group in groups[:8]
        )
        raise InputError(f"{len(groups)} volumes found ({listed})", where=where, remedy="Give one volume")
    stack = build_stack(groups[0], "the volume")
    return read_stacks([stack], as_float=True)[0], stack.ijk_to_ras


def read_frames(paths: Sequence[Path], read_marks: MarkReader | None = None) -> list[Frame]:
    """Headers of all MR images in the files, with what else ``read_marks`` finds in them.

    Raises:
        InputError: a damaged file, or no MR image at all.
    """
    frames = [frame for path in paths for frame in frames_of(path, read_marks)]
    if not frames:
        raise InputError("no MR image is among the DICOM files", remedy="Give MR images")
    return frames


def read_stacks(stacks: Sequence[Stack], *, as_float: bool = False, philips: bool = False) -> list[np.ndarray]:
    """Rescaled pixels of volumes, KJI; each file is decoded once.

    Integers stay as stored where no frame is rescaled, so that a ceiling of the scanner can still be seen.

    Args:
        philips: undo Philips' scale slope, (raw x RS + RI) / (RS x SS).
    """
    targets: dict[Path, list[tuple[Frame, np.ndarray]]] = {}
    volumes = []
    for stack in stacks:
        volume = np.empty(stack.shape_kji, dtype=np.float32 if as_float or philips else _common_type(stacks))
        volumes.append(volume)
        for k, frame in enumerate(stack.frames):
            targets.setdefault(frame.path, []).append((frame, volume[k]))
    for path, slices in targets.items():
        pixels = stored_pixels(path)
        for frame, target in slices:
            _rescale(_part_of(pixels[frame.index], frame), frame, philips, target)
    return volumes


def _part_of(stored: np.ndarray, frame: Frame) -> np.ndarray:
    """The frame's own part of a mosaic; elsewhere the whole."""
    if frame.tile is None:
        return stored
    (row, column), (n_rows, n_columns) = frame.tile, frame.shape
    return stored[row : row + n_rows, column : column + n_columns]


def _rescale(stored: np.ndarray, frame: Frame, philips: bool, target: np.ndarray) -> None:
    target[...] = stored
    if frame.slope != 1.0:
        target *= np.float32(frame.slope)
    if frame.intercept != 0.0:
        target += np.float32(frame.intercept)
    if philips:
        target /= np.float32(frame.slope * frame.philips_scale)


def _common_type(stacks: Sequence[Stack]) -> np.dtype:
    frames = [frame for stack in stacks for frame in stack.frames]
    types = {frame.integer_type for frame in frames}
    plain = all(frame.slope == 1.0 and frame.intercept == 0.0 for frame in frames)
    return next(iter(types)) if plain and len(types) == 1 and None not in types else np.dtype(np.float32)


# -- order and echo times --


def _ordered_echoes(acquisition: Acquisition, typed_ms: Sequence[float] | None) -> tuple[list[Echo], EchoTimes]:
    """Echoes in increasing order of echo time.

    Some scanners write one echo time into all images. Then echo numbers tell the order, but never the times.
    """
    echoes = sorted(acquisition.echoes, key=lambda echo: (echo.echo_time_ms or 0.0, echo.echo_number or 0))
    found = [echo.echo_time_ms for echo in echoes]
    source = f"DICOM {echoes[0].frames[0].echo_time_tag}"
    if None not in found and len(set(found)) == len(found):
        return echoes, resolve_echo_times(found, source, typed_ms, acquisition.label)
    if not typed_ms:
        return echoes, resolve_echo_times(found, source, None, acquisition.label)
    numbers = [echo.echo_number for echo in echoes]
    if None in numbers or len(set(numbers)) < len(numbers):
        raise InputError(
            "the order of the echoes is unknown: neither echo times nor echo numbers differ in the headers",
            where=acquisition.label,
            remedy="Give one file per echo in increasing order, as NIfTI or NRRD",
        )
    echoes.sort(key=lambda echo: echo.echo_number)
    remark = "; images in the order of their echo numbers (0018,0086)"
    times = resolve_echo_times([None] * len(echoes), source, typed_ms, acquisition.label, remark)
    warning = "The headers give no distinct echo times; the typed ones were assigned by echo number (0018,0086)."
    return echoes, EchoTimes(times.times_ms, times.source, (*times.warnings, warning))


def _label(n: int, echo: Echo) -> str:
    return f"echo {n + 1}" + (f" ({echo.echo_time_ms:g} ms)" if echo.echo_time_ms else "")


# -- signal --


def _read_signal(
    stacks: Sequence[Stack], echoes: Sequence[Echo], acquisition: Acquisition, frames: Sequence[Frame]
) -> _Signal:
    if echoes[0].frames[0].component is Component.REAL:
        imaginary = _partners(stacks, echoes, acquisition.frames, Component.IMAGINARY)
        if not imaginary:
            raise InputError("real images without fitting imaginary images", where=acquisition.label)
        return _from_parts(stacks, imaginary, ("Magnitude and phase were computed from real and imaginary images.",))
    philips, warnings = _scaling(stacks)
    magnitudes = tuple(read_stacks(stacks, philips=philips))
    phases, phase_warnings = _phases(stacks, echoes, acquisition, frames)
    return _Signal(magnitudes, phases, warnings + phase_warnings)


def _from_parts(real: Sequence[Stack], imaginary: Sequence[Stack], warnings: tuple[str, ...]) -> _Signal:
    philips, scaling_warnings = _scaling([*real, *imaginary])
    parts = read_stacks([*real, *imaginary], as_float=True, philips=philips)
    pairs = [magnitude_and_phase(*pair) for pair in zip(parts[: len(real)], parts[len(real) :], strict=True)]
    return _Signal(tuple(m for m, _ in pairs), tuple(p for _, p in pairs), warnings + scaling_warnings)


def _scaling(stacks: Sequence[Stack]) -> tuple[bool, tuple[str, ...]]:
    """Whether Philips' scale slopes must be undone, and what the report says.

    Slopes that differ between echoes would change R2*; one that is the same everywhere does not matter.
    """
    frames = [frame for stack in stacks for frame in stack.frames]
    scales = [frame.philips_scale for frame in frames]
    if None not in scales and max(scales) > (1 + _SAME_SCALE) * min(scales):
        return True, ("Philips scale slopes (2005,100E) differ between images and were undone.",)
    slopes = [frame.slope for frame in frames]
    if max(slopes) > (1 + _SAME_SCALE) * min(slopes):
        return False, ("Rescale slopes differ between images; each image was rescaled with its own.",)
    return False, ()


def _phases(
    stacks: Sequence[Stack], echoes: Sequence[Echo], acquisition: Acquisition, frames: Sequence[Frame]
) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """Phase images in radians: of the same series, else of one other, else from real and imaginary images."""
    in_study = [frame for frame in frames if frame.series.study_uid == stacks[0].frames[0].series.study_uid]
    own = _partners(stacks, echoes, acquisition.frames, Component.PHASE)
    others = [_partners(stacks, echoes, pool, Component.PHASE) for pool in _other_series(in_study, acquisition)]
    apart = [own] if own else [found for found in others if found]
    apart = apart or [found for found in [_partners(stacks, echoes, in_study, Component.PHASE)] if found]
    if len(apart) == 1:
        return _scaled_phases(apart[0])
    real = _partners(stacks, echoes, acquisition.frames, Component.REAL)
    imaginary = _partners(stacks, echoes, acquisition.frames, Component.IMAGINARY)
    if real and imaginary:
        return _from_parts(real, imaginary, ()).phases, ("Phase was computed from real and imaginary images.",)
    if any(frame.component is Component.PHASE for frame in in_study):
        return (), ("Phase images were found, but not one set that fits the echoes; they are not used.",)
    return (), ()


def _other_series(frames: Sequence[Frame], acquisition: Acquisition) -> list[list[Frame]]:
    used = {series_key(frame) for frame in acquisition.frames}
    return [group for group in group_by(frames, series_key) if series_key(group[0]) not in used]


def _partners(
    stacks: Sequence[Stack], echoes: Sequence[Echo], pool: Sequence[Frame], component: Component
) -> list[Stack]:
    """One stack of another component per echo, on the same grid; empty if the pool has no complete set."""
    others = find_echoes([frame for frame in pool if frame.component is component])
    partners = []
    for echo in echoes:
        fitting = [other for other in others if _same_time(echo, other)]
        if len(fitting) != 1:  # one echo time in all headers: the echo numbers may still tell
            fitting = [other for other in others if _same_number(echo, other)]
        if len(fitting) != 1:
            return []
        partners.append(fitting[0])
    try:
        found = [build_stack(partner.frames, component.value) for partner in partners]
        check_same_grid([stacks[0], *found], ["magnitude", *[component.value] * len(found)])
    except InputError:
        return []
    return found


def _same_time(a: Echo, b: Echo) -> bool:
    if a.echo_time_ms is None or b.echo_time_ms is None:
        return False
    return abs(a.echo_time_ms - b.echo_time_ms) < EQUAL_WITHIN_MS


def _same_number(a: Echo, b: Echo) -> bool:
    return a.echo_number is not None and a.echo_number == b.echo_number


def _scaled_phases(stacks: Sequence[Stack]) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    frames = [frame for stack in stacks for frame in stack.frames]
    ranges = {frame.stored_range for frame in frames}
    stated = {_STATED_SCALES.get(frame.rescale_type) for frame in frames}
    radians, problem = phases_in_radians(
        read_stacks(stacks),
        manufacturer=frames[0].series.manufacturer,
        expressible=next(iter(ranges)) if len(ranges) == 1 else None,
        stated=stated.pop() if len(stated) == 1 else None,
    )
    return radians, (problem,) if problem else ()
