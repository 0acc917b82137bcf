"""Facts of a whole acquisition from those of its images: what all agree on, and the timing of slices."""

from collections.abc import Sequence

import numpy as np

from ..asl_series import AslRole
from .asl_images import Fact
from .asl_volumes import AslVolume
from .dicom_stacks import Stack

# GE's product sequence: the proton density image follows a saturation pulse by this time, as the vendor's own flow map
# assumes.
GE_SATURATION_TIME_MS = 2000.0
GE_SATURATION_SOURCE = f"GE product sequence: saturation recovery of {GE_SATURATION_TIME_MS / 1000:g} s"
# Times of one slice in several volumes agree better than this where they are true.
SLICE_TIME_TOLERANCE_MS = 5.0
_LABELED = (AslRole.CONTROL, AslRole.LABEL, AslRole.DIFFERENCE)


def acquisition_facts(
    volumes: Sequence[AslVolume], roles: Sequence[AslRole | None], stacks: Sequence[Stack]
) -> tuple[dict[str, Fact], tuple[str, ...]]:
    """Facts by name of a field of AslSeries, and warnings."""
    labeled = [volume for volume, role in zip(volumes, roles, strict=True) if role in _LABELED]
    calibration = [volume for volume, role in zip(volumes, roles, strict=True) if role is AslRole.M0]
    facts, warnings = _agreed(labeled or volumes)
    facts.pop("post_labeling_delays_ms", None)  # belongs to the single volumes
    facts.update(m0_facts(calibration))
    used = [stack for stack, role in zip(stacks, roles, strict=True) if role in _LABELED]
    slice_times, remark = _slice_times(used, labeled)
    return {**facts, **slice_times}, tuple(dict.fromkeys((*warnings, *remark)))


def m0_facts(calibration: Sequence[AslVolume]) -> dict[str, Fact]:
    """Repetition time of the M0 images, or the recovery time of GE's."""
    if not calibration:
        return {}
    if all(volume.marks.ge_technique for volume in calibration):
        return {
            "m0_repetition_time_ms": Fact(GE_SATURATION_TIME_MS, GE_SATURATION_SOURCE),
            "m0_is_saturation_recovery": Fact(True, GE_SATURATION_SOURCE),
        }
    times = {volume.marks.repetition_time_ms for volume in calibration}
    if len(times) != 1 or None in times:
        return {}
    return {"m0_repetition_time_ms": Fact(times.pop(), "DICOM (0018,0080) of the M0 images")}


def _agreed(volumes: Sequence[AslVolume]) -> tuple[dict[str, Fact], list[str]]:
    facts, warnings = {}, [sentence for volume in volumes for sentence in volume.marks.warnings]
    for name in dict.fromkeys(name for volume in volumes for name in volume.marks.facts):
        found = [volume.marks.facts[name] for volume in volumes if name in volume.marks.facts]
        values = {fact.value for fact in found}
        if len(values) == 1:
            facts[name] = found[0]
        elif name != "post_labeling_delays_ms":
            listed = ", ".join(str(getattr(value, "value", value)) for value in values)
            warnings.append(f"The images disagree on the {name.replace('_', ' ')} ({listed}): it is left open.")
    return facts, warnings


def _slice_times(stacks: Sequence[Stack], volumes: Sequence[AslVolume]) -> tuple[dict[str, Fact], tuple[str, ...]]:
    """Delay of each slice after the first one read, for 2-D readouts."""
    if not stacks or not all(volume.marks.is_2d for volume in volumes) or len(stacks[0].frames) < 2:
        return {}, ()
    mosaics = [volume.marks.mosaic for volume in volumes]
    if all(mosaics) and mosaics[0].slice_times_ms:
        times = mosaics[0].slice_times_ms
        return {"slice_times_ms": Fact(tuple(times), "Siemens (0019,1029)")}, ()
    by_volume = [[frame.marks.time_s for frame in stack.frames] for stack in stacks]
    if not any(time is None for times in by_volume for time in times):
        delays = 1000 * np.array([np.array(times) - min(times) for times in by_volume])
        longest = min((volume.marks.repetition_time_ms or np.inf) for volume in volumes)
        usual = np.median(delays, axis=0)
        differ = np.unique(usual.round(3)).size > 1
        if differ and usual.max() < longest and np.abs(delays - usual).max() <= SLICE_TIME_TOLERANCE_MS:
            usual = usual - usual.min()
            rounded = tuple(round(float(delay), 3) for delay in usual)
            return {"slice_times_ms": Fact(rounded, "DICOM acquisition times of the slices")}, ()
    return {}, (
        "The slices were read out one after the other, but the headers do not tell when: later slices have a longer "
        "delay than the stated one, so their flow comes out low.",
    )
