"""An arterial spin labeling acquisition, or M0 images of their own, from DICOM files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..asl_series import AslRole
from ..errors import InputError
from .asl_facts import acquisition_facts, m0_facts
from .asl_images import ROLE_WORDS, AslImages, Fact, check_role_count, typed_over_found
from .asl_marks import MarksReader
from .asl_mosaics import expand_mosaics
from .asl_volumes import AslVolume, find_volumes, recognize_m0
from .dicom_frames import Frame
from .dicom_selection import group_by, series_key
from .dicom_series import read_frames, read_stacks
from .dicom_stacks import Stack, build_stack, check_same_grid
from .geometry import grid_difference

_GRID_REMEDY = "Give images of one acquisition"
_ROLES_REMEDY = "Name the role of each image (control, label, m0scan, deltam, cbf), in the order of acquisition"
_RECOGNIZED = (
    "M0 images were recognized by their signal: they are marked {label} like the others, but are a dynamic of their "
    "own with {ratio:.2g} times the signal of the others, so without background suppression."
)
# Rather the images themselves than what a scanner made of them.
_PREFERENCE = ((AslRole.CONTROL, AslRole.LABEL), (AslRole.DIFFERENCE,), (AslRole.FLOW,))


@dataclass(frozen=True)
class _Series:
    """Volumes of one series, or of several that belong together."""

    volumes: tuple[AslVolume, ...]

    @property
    def label(self) -> str:
        return " and ".join(dict.fromkeys(volume.frames[0].series.label for volume in self.volumes))

    def has(self, *roles: AslRole) -> bool:
        return any(volume.role in roles for volume in self.volumes)

    def summary(self) -> str:
        kinds = dict.fromkeys(ROLE_WORDS[volume.role] for volume in self.volumes if volume.role)
        n = len(self.volumes)
        return f"{self.label}: {n} {'volume' if n == 1 else 'volumes'}{', ' if kinds else ''}{'/'.join(kinds)}"


def read_asl_frames(paths: Sequence[Path]) -> list[Frame]:
    """Headers of all MR images with what they tell of labeling.

    Raises:
        InputError: damaged files, no MR image.
    """
    return expand_mosaics(read_frames(paths, MarksReader()))


def check_one_patient(frames: Sequence[Frame]) -> None:
    """Raise InputError if images are of different patients, without naming them."""
    if len({frame.series.patient for frame in frames if frame.series.patient}) > 1:
        raise InputError(
            "the images are of different patients (PatientID differs)", remedy="Give images of one patient at a time"
        )


def read_asl_dicom(frames: Sequence[Frame], typed_roles: Sequence[AslRole] | None) -> AslImages:
    """The one labeling acquisition among the images.

    Args:
        typed_roles: by the user, one per volume of the acquisition; they win.

    Raises:
        InputError: none or several, or one that is incomplete.
    """
    all_series = _series_of(frames)
    chosen = _with_roles(all_series, frames, typed_roles) if typed_roles else _choose(all_series, frames)
    stacks, warnings = _stacks(chosen.volumes)
    volumes = read_stacks_comparably(stacks, chosen.volumes)
    roles, source, remarks = _roles(chosen.volumes, volumes)
    if typed_roles:
        roles, source, remarks = typed_over_found(typed_roles, roles, source)
    warnings += remarks
    facts, remarks = acquisition_facts(chosen.volumes, roles, stacks)
    remarks += _phase_remark(chosen.volumes)
    first = stacks[0].frames[0]
    return AslImages(
        volumes=volumes,
        labels=_labels(chosen.volumes),
        roles=roles,
        roles_source=source,
        delays_ms=tuple(_delay(volume, role) for volume, role in zip(chosen.volumes, roles, strict=True)),
        ijk_to_ras=stacks[0].ijk_to_ras,
        where=chosen.label,
        facts={**facts, **_delay_source(chosen.volumes, roles), **_scanner(first)},
        name=first.series.description or "ASL",
        warnings=(*warnings, *remarks, *_left_out(all_series, chosen)),
    )


def read_m0_dicom(frames: Sequence[Frame]) -> AslImages:
    """M0 images in files of their own: those that say so, else all of them.

    Raises:
        InputError: no volume, or several series that could be meant.
    """
    all_series = _series_of(frames)
    marked = [_only(series, AslRole.M0) for series in all_series if series.has(AslRole.M0)]
    candidates = marked or all_series
    if len(candidates) != 1:
        listed = "; ".join(series.summary() for series in candidates) or "only phase images or maps"
        raise InputError(f"one M0 series is needed, found: {listed}", remedy="Give the M0 images alone")
    chosen = candidates[0]
    stacks, warnings = _stacks(chosen.volumes)
    n = len(stacks)
    return AslImages(
        volumes=read_stacks_comparably(stacks, chosen.volumes),
        labels=tuple(f"M0 image {k + 1}" for k in range(n)),
        roles=(AslRole.M0,) * n,
        roles_source="M0 images of their own",
        delays_ms=(None,) * n,
        ijk_to_ras=stacks[0].ijk_to_ras,
        where=chosen.label,
        facts={**m0_facts(chosen.volumes), **_scanner(stacks[0].frames[0])},
        warnings=warnings,
    )


def read_stacks_comparably(stacks: Sequence[Stack], volumes: Sequence[AslVolume]) -> tuple[np.ndarray, ...]:
    """Pixels on one scale: Philips' stored values divided by their scale slope, flow in its unit, else rescaled."""
    if all(volume.marks.flow_scale for volume in volumes):
        stacks = [replace(stack, frames=tuple(map(_in_flow_units, stack.frames))) for stack in stacks]
        return tuple(read_stacks(stacks, as_float=True))
    philips = all(frame.philips_scale is not None for stack in stacks for frame in stack.frames)
    return tuple(read_stacks(stacks, philips=philips))


def _in_flow_units(frame: Frame) -> Frame:
    slope, intercept = frame.marks.flow_scale
    return replace(frame, slope=slope, intercept=intercept)


# -- which volumes --


def _series_of(frames: Sequence[Frame], *, all_maps: bool = False) -> list[_Series]:
    found = [_Series(tuple(find_volumes(group, all_maps=all_maps))) for group in group_by(frames, series_key)]
    return sorted((series for series in found if series.volumes), key=_series_number)


def _series_number(series: _Series) -> int:
    return series.volumes[0].frames[0].series.number or 0


def _choose(all_series: Sequence[_Series], frames: Sequence[Frame]) -> _Series:
    for wanted in _PREFERENCE:
        found = [series for series in all_series if series.has(*wanted)]
        if len(found) > 1:
            raise InputError(
                f"several arterial spin labeling series found: {'; '.join(series.summary() for series in found)}",
                remedy="Give the files or the folder of one of them",
            )
        if found:
            return _with_m0(_only(found[0], *wanted, AslRole.M0), all_series)
    listed = "; ".join(series.summary() for series in _series_of(frames, all_maps=True)[:8]) or "only phase images"
    raise InputError(f"the headers do not tell which images are control and label ({listed})", remedy=_ROLES_REMEDY)


def _with_m0(chosen: _Series, all_series: Sequence[_Series]) -> _Series:
    """Together with M0 images of another series, if the header says that they are such and there is one series."""
    if chosen.has(AslRole.M0, AslRole.FLOW):
        return chosen
    own = {series_key(volume.frames[0]) for volume in chosen.volumes}
    others = [series for series in all_series if series_key(series.volumes[0].frames[0]) not in own]
    found = [_only(series, AslRole.M0) for series in others if series.has(AslRole.M0)]
    return _Series((*found[0].volumes, *chosen.volumes)) if len(found) == 1 else chosen


def _with_roles(all_series: Sequence[_Series], frames: Sequence[Frame], roles: Sequence[AslRole]) -> _Series:
    """The series with as many volumes as roles were typed, else all together.

    Maps that the headers do not explain count only if nothing else does: the user may know them.
    """
    all_series = all_series or _series_of(frames, all_maps=True)
    if not all_series:
        raise InputError("only phase images were found", remedy="Give the images of the acquisition")
    fitting = [series for series in all_series if len(series.volumes) == len(roles)]
    if len(fitting) == 1:
        return fitting[0]
    together = _Series(tuple(volume for series in all_series for volume in series.volumes))
    where = "; ".join(series.summary() for series in all_series[:8])
    check_role_count(len(roles), len(together.volumes), where)
    return together


def _only(series: _Series, *roles: AslRole) -> _Series:
    return _Series(tuple(volume for volume in series.volumes if volume.role in roles))


def _left_out(all_series: Sequence[_Series], chosen: _Series) -> tuple[str, ...]:
    used = {series_key(volume.frames[0]) for volume in chosen.volumes}
    rest = [series.summary() for series in all_series if series_key(series.volumes[0].frames[0]) not in used]
    taken = {id(volume.frames[0]) for volume in chosen.volumes}
    own = [volume for series in all_series for volume in series.volumes if series_key(volume.frames[0]) in used]
    n_dropped = sum(id(volume.frames[0]) not in taken for volume in own)
    rest += [f"{n_dropped} volumes of {chosen.label} that have another or no role"] if n_dropped else []
    return (f"Not used: {'; '.join(rest)}.",) if rest else ()


# -- what they are --


def _roles(
    described: Sequence[AslVolume], volumes: Sequence[np.ndarray]
) -> tuple[tuple[AslRole | None, ...], str, tuple[str, ...]]:
    roles = [volume.role for volume in described]
    source = ", ".join(dict.fromkeys(volume.source for volume in described if volume.source))
    if AslRole.M0 in roles or not all(volume.marks.philips_label for volume in described):
        return tuple(roles), source, ()
    found = recognize_m0(volumes, described)
    if not found:
        return tuple(roles), source, ()
    for n in found:
        roles[n] = AslRole.M0
    return tuple(roles), f"{source}; M0 by its signal", (_recognized(volumes, described, found),)


def _recognized(volumes: Sequence[np.ndarray], described: Sequence[AslVolume], found: Sequence[int]) -> str:
    others = [float(np.mean(volume)) for n, volume in enumerate(volumes) if n not in found]
    ratio = min(float(np.mean(volumes[n])) for n in found) / max(others)
    words = " and ".join(dict.fromkeys(ROLE_WORDS[described[n].role] for n in found))
    return _RECOGNIZED.format(label=words, ratio=ratio)


def _labels(volumes: Sequence[AslVolume]) -> tuple[str, ...]:
    return tuple(
        f"volume {n + 1}" + (f" ({ROLE_WORDS[volume.role]})" if volume.role else "") for n, volume in enumerate(volumes)
    )


def _stacks(volumes: Sequence[AslVolume]) -> tuple[list[Stack], tuple[str, ...]]:
    labels = _labels(volumes)
    stacks = [build_stack(volume.frames, label) for volume, label in zip(volumes, labels, strict=True)]
    own = [n for n, volume in enumerate(volumes) if volume.role is not AslRole.M0] or list(range(len(volumes)))
    check_same_grid([stacks[n] for n in own], [labels[n] for n in own], _GRID_REMEDY)
    for stack in stacks:
        check_m0_grid(stacks[own[0]].shape_kji, stacks[own[0]].ijk_to_ras, stack.shape_kji, stack.ijk_to_ras)
    remarks = (stacks[0].remark, stacks[0].frames[0].series.field_strength_remark)
    return stacks, tuple(remark for remark in remarks if remark)


def check_m0_grid(shape_kji, ijk_to_ras: np.ndarray, m0_shape_kji, m0_ijk_to_ras: np.ndarray) -> None:
    """Raise InputError, describing both, if the M0 images lie on another grid."""
    difference = grid_difference(shape_kji, ijk_to_ras, m0_shape_kji, m0_ijk_to_ras)
    if difference:
        own, other = _described(shape_kji, ijk_to_ras), _described(m0_shape_kji, m0_ijk_to_ras)
        raise InputError(
            f"the M0 images ({other}) do not lie on the grid of the ASL images ({own}): {difference}",
            remedy="Give the M0 images of this acquisition, or resample them to it",
        )


def _described(shape_kji, ijk_to_ras: np.ndarray) -> str:
    size = " x ".join(str(n) for n in shape_kji[::-1])
    edges = " x ".join(f"{length:.4g}" for length in np.linalg.norm(ijk_to_ras[:3, :3], axis=0))
    return f"{size} voxels of {edges} mm"


# -- facts --


def _delay(volume: AslVolume, role: AslRole | None) -> float | None:
    fact = volume.marks.facts.get("post_labeling_delays_ms")
    return fact.value if fact and role not in (AslRole.M0, AslRole.FLOW) else None


def _phase_remark(volumes: Sequence[AslVolume]) -> tuple[str, ...]:
    """Philips numbers the delays of a multi-delay acquisition, but tells no delay."""
    if len({volume.marks.philips_phase for volume in volumes}) < 2:
        return ()
    times: dict[int | None, float] = {}
    for volume in volumes:
        first = min(
            (frame.marks.trigger_time_ms for frame in volume.frames if frame.marks.trigger_time_ms), default=0.0
        )
        times.setdefault(volume.marks.philips_phase, first)
    listed = ", ".join(f"{time:g}" for time in times.values())
    return (
        f"There are {len(times)} delays (2001,1008), but the header does not tell them: type one per volume. Its "
        f"trigger times (0018,1060) of {listed} ms may be those of the first slice.",
    )


def _delay_source(volumes: Sequence[AslVolume], roles: Sequence[AslRole | None]) -> dict[str, Fact]:
    sources = [
        volume.marks.facts["post_labeling_delays_ms"].source
        for volume, role in zip(volumes, roles, strict=True)
        if _delay(volume, role) is not None
    ]
    return {"post_labeling_delays_ms": Fact(None, ", ".join(dict.fromkeys(sources)))} if sources else {}


def _scanner(frame: Frame) -> dict[str, Fact]:
    facts = {}
    if frame.series.field_strength_t:
        facts["field_strength_t"] = Fact(frame.series.field_strength_t, "DICOM (0018,0087)")
    if frame.series.manufacturer:
        facts["manufacturer"] = Fact(frame.series.manufacturer, "DICOM (0008,0070)")
    return facts
