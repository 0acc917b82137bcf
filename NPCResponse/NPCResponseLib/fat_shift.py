"""Whether fat disturbs R2*: echoes at which fat is out of phase with water look like faster (or slower) decay."""

from collections.abc import Sequence

import numpy as np

from .decay_estimators import DecayTimes, variable_projection_step

PROTON_MHZ_PER_T = 42.577478
# Shifts from water (ppm) and relative amplitudes of fat's six peaks (Yu et al., Magn Reson Med 2008;60:1122).
FAT_PEAKS_PPM = np.array([-3.80, -3.40, -2.60, -1.94, -0.39, 0.60])
FAT_PEAK_AMPLITUDES = np.array([0.087, 0.693, 0.128, 0.004, 0.039, 0.048])
MAIN_PEAK_PPM = 3.5  # the usual round value: at 3 T the published 6.71 ms are then three full turns
MAX_PHASE_ERROR_TURNS = 0.15


def fat_turns_per_spacing(echo_times_ms: Sequence[float], field_strength_t: float) -> float:
    """Turns that fat makes against water between the first two echoes."""
    spacing_s = (echo_times_ms[1] - echo_times_ms[0]) / 1000.0
    return MAIN_PEAK_PPM * PROTON_MHZ_PER_T * field_strength_t * spacing_s


def fat_bias_hz(
    echo_times_ms: Sequence[float], field_strength_t: float, fat_fraction: float = 0.1, r2star_hz: float = 50.0
) -> float:
    """Error of a least-squares R2* when this share of the signal is fat (six peaks, same R2*, magnitude images)."""
    times = DecayTimes.of(tuple(echo_times_ms))
    te_s = np.asarray(echo_times_ms) / 1000.0
    turns = np.outer(te_s, FAT_PEAKS_PPM * PROTON_MHZ_PER_T * field_strength_t)
    fat = np.exp(2j * np.pi * turns) @ (FAT_PEAK_AMPLITUDES / FAT_PEAK_AMPLITUDES.sum())
    y = np.abs((1 - fat_fraction) + fat_fraction * fat) * np.exp(-te_s * r2star_hz)
    y = (y / y.max())[:, None]
    rho = np.array([r2star_hz * times.range_s])
    for _ in range(20):
        rho = rho + variable_projection_step(y, rho, times)[1]
    return float(rho[0] / times.range_s - r2star_hz)


def fat_phase_warning(echo_times_ms: Sequence[float], field_strength_t: float) -> str | None:
    """One sentence if the echoes are out of phase with fat, else None.

    In phase means that every spacing between echoes is a whole number of turns of fat against water, within
    ``MAX_PHASE_ERROR_TURNS``: fat then dims all echoes alike.
    """
    spacings_s = np.diff(echo_times_ms) / 1000.0
    turns = MAIN_PEAK_PPM * PROTON_MHZ_PER_T * field_strength_t * spacings_s
    worst = turns[np.argmax(np.abs(turns - np.round(turns)))]
    if abs(worst - round(worst)) <= MAX_PHASE_ERROR_TURNS:
        return None
    bias = fat_bias_hz(echo_times_ms, field_strength_t)
    return (
        f"Fat turns {worst:.2f} times against water between echoes at {field_strength_t:g} T, so echoes are not in "
        f"phase with fat: 10 % fat in a voxel changes an R2* of 50 Hz by {bias:+.1f} Hz."
    )
