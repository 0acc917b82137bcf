"""The decay of a region: what was measured at each echo, and what the fits of its voxels say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .field_gradient import dephasing
from .relaxometry import R2StarFit, R2StarMethod, predict_signal

CURVE_POINTS = 60
CURVE_END = 1.08  # of the last echo time


@dataclass(frozen=True)
class RegionDecay:
    """Averages over the used voxels of a region; signals in image units.

    Attributes:
        echo_times_ms, mean, sd: measured, per echo.
        fitted: mean of the voxels' fitted signals at the echo times.
        curve_times_ms, curve: the same on a finer axis from echo time 0.
        noise_sigma: noise level of the fit, or None.
    """

    echo_times_ms: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    fitted: np.ndarray
    curve_times_ms: np.ndarray
    curve: np.ndarray
    noise_sigma: float | None


def region_decay(
    echoes: Sequence[np.ndarray], fit: R2StarFit, used: np.ndarray, spread_hz: np.ndarray | None = None
) -> RegionDecay:
    """Average measured and fitted decays, so that the curve shows the fit and not another one.

    Args:
        echoes: magnitude images, shaped like the maps of ``fit``.
        used: boolean mask of fitted voxels.
        spread_hz: off-resonance difference across the slice (Hz) that the fit was given, shaped like the maps.
    """
    signals = np.stack([np.asarray(echo)[used] for echo in echoes]).astype(np.float64)
    times_ms = np.asarray(fit.echo_times_ms, dtype=np.float64)
    curve_times_ms = np.linspace(0, CURVE_END * times_ms[-1], CURVE_POINTS)
    return RegionDecay(
        echo_times_ms=times_ms,
        mean=signals.mean(axis=1),
        sd=signals.std(axis=1, ddof=1) if signals.shape[1] > 1 else np.zeros(len(times_ms)),
        fitted=_mean_prediction(fit, used, spread_hz, times_ms),
        curve_times_ms=curve_times_ms,
        curve=_mean_prediction(fit, used, spread_hz, curve_times_ms),
        noise_sigma=fit.noise_sigma,
    )


def _mean_prediction(
    fit: R2StarFit, used: np.ndarray, spread_hz: np.ndarray | None, times_ms: np.ndarray
) -> np.ndarray:
    amplitude = predict_signal(fit.s0[used].astype(np.float64), fit.r2star_hz[used].astype(np.float64), times_ms)
    if spread_hz is not None:
        amplitude *= dephasing(spread_hz[used], times_ms)
    if fit.method is R2StarMethod.NOISE_FLOOR:
        amplitude = np.sqrt(amplitude**2 + fit.noise_sigma**2)
    return amplitude.mean(axis=1)
