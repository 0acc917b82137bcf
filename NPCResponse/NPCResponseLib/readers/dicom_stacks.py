"""Slices of one echo sorted into a volume: order along the normal, gaps, duplicates, and the geometry they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .dicom_frames import Frame
from .geometry import grid_difference, stack_ijk_to_ras

# Positions are written with about three decimals; nearer than this (mm) two slices are at one place.
SAME_PLACE_MM = 1e-3
# Distances between slices may differ by this share before they count as uneven: rounding, never a missing slice.
MAX_UNEVENNESS = 0.02
# A stack whose slices are shifted sideways by more than this share of a pixel is sheared, which no image can express.
MAX_SIDEWAYS_PIXELS = 0.1
_ORIENTATION_TOLERANCE = 1e-3
_REMEDY = "Export the whole series again"


@dataclass(frozen=True)
class Stack:
    """Slices of one volume in the order of k, and their grid."""

    frames: tuple[Frame, ...]
    ijk_to_ras: np.ndarray
    remark: str = ""

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        return (len(self.frames), *self.frames[0].shape)


def build_stack(frames: Sequence[Frame], what: str) -> Stack:
    """Sort slices and check that they fill a regular grid.

    Args:
        what: the volume, for messages ("echo 2 (13.42 ms)").

    Raises:
        InputError: no position, two slices at one place, missing or unevenly spaced slices, a sheared stack.
    """
    _check_described(frames)
    first = frames[0]
    for frame in frames[1:]:
        if not same_plane_grid(first, frame):
            raise InputError(
                f"its size, pixel spacing or orientation differs from that of {first.where}",
                where=frame.where,
                remedy="Give images of one series",
            )
    orientation = unit_orientation(first)
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([np.dot(frame.position, normal) for frame in frames])
    order = np.argsort(places, kind="stable")
    frames, places = tuple(frames[n] for n in order), places[order]
    step_mm, remark = _step(frames, places, what)
    matrix = stack_ijk_to_ras(np.array(frames[0].position), orientation, first.pixel_spacing_mm, normal * step_mm)
    _check_straight(frames, normal, places, what)
    return Stack(frames, matrix, remark)


def unit_orientation(frame: Frame) -> np.ndarray:
    """Row and column direction at unit length and right angles, whatever rounding the header has."""
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    row = row / np.linalg.norm(row)
    column = column - np.dot(column, row) * row
    return np.concatenate([row, column / np.linalg.norm(column)])


def same_plane_grid(a: Frame, b: Frame) -> bool:
    """Same matrix, pixel spacing and orientation."""
    if a.shape != b.shape:
        return False
    for one, other, tolerance in (
        (a.orientation, b.orientation, _ORIENTATION_TOLERANCE),
        (a.pixel_spacing_mm, b.pixel_spacing_mm, 1e-3),
    ):
        if (one is None) != (other is None):
            return False
        if one is not None and not np.allclose(one, other, atol=tolerance):
            return False
    return True


def has_repeated_places(frames: Sequence[Frame]) -> bool:
    places = [tuple(np.round(frame.position, 2)) for frame in frames if frame.position]
    return len(set(places)) < len(places)


def check_same_grid(
    stacks: Sequence[Stack], labels: Sequence[str], remedy: str = "Give echoes of one acquisition"
) -> None:
    """Raise InputError, naming a file, if volumes differ in slices or geometry from the first."""
    # The grid of most slices is the reference, so that the message names the echo that lacks one.
    reference = max(range(len(stacks)), key=lambda n: (len(stacks[n].frames), -n))
    first = stacks[reference]
    for stack, label in zip(stacks, labels, strict=True):
        if len(stack.frames) != len(first.frames):
            raise InputError(
                f"{label} has {len(stack.frames)} slices, {labels[reference]} has {len(first.frames)}",
                where=stack.frames[0].series.label,
                remedy=_REMEDY,
            )
        difference = grid_difference(first.shape_kji, first.ijk_to_ras, stack.shape_kji, stack.ijk_to_ras)
        if difference:
            raise InputError(
                f"the geometry of {label} differs from that of {labels[reference]}: {difference}",
                where=stack.frames[0].where,
                remedy=remedy,
            )


def _check_described(frames: Sequence[Frame]) -> None:
    for frame in frames:
        missing = [
            name
            for name, value in (
                ("Image Position (0020,0032)", frame.position),
                ("Image Orientation (0020,0037)", frame.orientation),
                ("Pixel Spacing (0028,0030)", frame.pixel_spacing_mm),
            )
            if value is None
        ]
        if missing:
            raise InputError(f"{' and '.join(missing)} missing in the header", where=frame.where, remedy=_REMEDY)
        edges = np.array(frame.orientation).reshape(2, 3)
        if min(frame.pixel_spacing_mm) <= 0 or np.linalg.norm(np.cross(*edges)) < 0.5 * np.prod(
            np.linalg.norm(edges, axis=1) + 1e-12
        ):
            raise InputError("Pixel Spacing or Image Orientation is impossible", where=frame.where, remedy=_REMEDY)


def _step(frames: Sequence[Frame], places: np.ndarray, what: str) -> tuple[float, str]:
    """Distance between slices (mm) and what was assumed about it."""
    if len(frames) == 1:
        return _single_slice_step(frames[0])
    gaps = np.diff(places)
    if gaps.min() < SAME_PLACE_MM:
        raise _duplicate(frames, int(gaps.argmin()), what)
    usual = float(np.median(gaps))
    if gaps.max() > 1.5 * usual:
        n_missing = round(gaps.max() / usual) - 1
        before = int(gaps.argmax())
        raise InputError(
            f"{what} lacks {n_missing} {'slice' if n_missing == 1 else 'slices'} between {frames[before].where} and "
            f"{frames[before + 1].where} ({gaps.max():.4g} mm apart instead of {usual:.4g} mm)",
            where=frames[0].series.label,
            remedy=_REMEDY,
        )
    if gaps.max() - gaps.min() > 2 * MAX_UNEVENNESS * usual + 2 * SAME_PLACE_MM:
        raise InputError(
            f"the slices of {what} are unevenly spaced, {gaps.min():.4g} to {gaps.max():.4g} mm",
            where=frames[0].series.label,
            remedy=_REMEDY,
        )
    return float((places[-1] - places[0]) / (len(frames) - 1)), ""


def _single_slice_step(frame: Frame) -> tuple[float, str]:
    step = frame.slice_spacing_mm or frame.slice_thickness_mm
    if step:
        return step, ""
    return 1.0, "A single slice without thickness in its header: 1 mm was assumed."


def _duplicate(frames: Sequence[Frame], n: int, what: str) -> InputError:
    first, second = frames[n], frames[n + 1]
    times = {frame.temporal_position for frame in frames if frame.temporal_position is not None}
    reason = f", the series holds {len(times)} repetitions" if len(times) > 1 else ""
    numbers = {frame.series.label for frame in (first, second)}
    if len(numbers) > 1:
        reason = f", they are of {' and '.join(sorted(numbers))}"
    return InputError(
        f"{what} has two images of the same slice, {first.where} and {second.where}{reason}",
        where=first.series.label,
        remedy="Give each slice once, and one measurement at a time",
    )


def _check_straight(frames: Sequence[Frame], normal: np.ndarray, places: np.ndarray, what: str) -> None:
    positions = np.array([frame.position for frame in frames])
    sideways = positions - positions[0] - np.outer(places - places[0], normal)
    pixels = np.linalg.norm(sideways, axis=1).max() / min(frames[0].pixel_spacing_mm)
    if pixels > MAX_SIDEWAYS_PIXELS:
        raise InputError(
            f"the slices of {what} are shifted sideways by up to {pixels:.2g} pixels against each other",
            where=frames[0].series.label,
            remedy="Resample the series to a regular grid",
        )
