"""The noise level of a multi-echo magnitude series, found in the images themselves.

Two ways, in this order: the air around the patient, where the signal is pure noise; and, where there is no usable air
(cropped, masked or filtered images), what the fitted decays of bright voxels leave over. That cannot be more than what
the darkest voxels hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from . import decay_estimators

SAMPLE_SIZE = 20_000
RESIDUAL_SAMPLE_SIZE = 8_000
POOLED_SLICES = 10
PEAK_STEP = 0.15  # in ln(sigma^2), an order of magnitude finer than the interval that air occupies
MIN_AIR_VOXELS = 50
MIN_BRIGHT_VOXELS = 200
# Where fewer voxels than this pass as bright, chance has chosen them, and their residuals are too small.
MIN_BRIGHT_FRACTION = 0.2
# Air must look like Rayleigh noise. Its fourth moment over the squared second is 2 (1.5 for two coils added as squares,
# 1 for many, and 1 for a constant signal), and it must not decay with echo time.
RAYLEIGH_KURTOSIS_RANGE = (1.75, 2.3)
MAX_AIR_DECAY = 1.10
DARK_QUANTILE = 0.02
# Noise this far below the signal is rounding, not noise: there is no floor to model.
MAX_SNR = 1e5


@dataclass(frozen=True)
class NoiseEstimate:
    """Standard deviation of the noise in each of the real and imaginary channels, in image units.

    Attributes:
        sigma: the standard deviation.
        source: where it was found, in words for a report.
        n_voxels: voxels it rests on.
    """

    sigma: float
    source: str
    n_voxels: int


def estimate_noise_sigma(
    echoes: Sequence[np.ndarray], echo_times_ms: tuple[float, ...], saturation_level: float | None = None
) -> NoiseEstimate | None:
    """Noise from the air if there is any, else from fit residuals; None when neither can tell.

    Args:
        echoes: magnitude images of equal shape, one per echo.
        echo_times_ms: their echo times (ms).
        saturation_level: voxels that reach it are clipped and tell nothing.
    """
    sample = _sample(echoes)
    if saturation_level is not None:
        sample = sample[:, sample.max(axis=0) < saturation_level]
    if sample.size == 0 or sample.max() <= 0:
        return None
    estimate = _from_air(sample, echoes) or _at_most(_upper_bound(sample), _from_residuals(sample, echo_times_ms))
    signal = np.percentile(sample[0], 95)
    return estimate if estimate and estimate.sigma * MAX_SNR > signal else None


def _sample(echoes: Sequence[np.ndarray]) -> np.ndarray:
    """(n_echoes, n) evenly spread voxels that are finite and not zero in every echo."""
    flat = [np.asarray(echo).reshape(-1) for echo in echoes]
    step = max(1, flat[0].size // SAMPLE_SIZE)
    sample = np.stack([echo[::step] for echo in flat]).astype(np.float64)
    return sample[:, np.all(np.isfinite(sample) & (sample > 0), axis=0)]


def _from_air(sample: np.ndarray, echoes: Sequence[np.ndarray]) -> NoiseEstimate | None:
    """PIESNO (Koay, Ozarslan & Pierpaoli, J Magn Reson 2009;199:94) for Rayleigh noise.

    In air the mean squared signal over n echoes is sigma^2 times a Gamma(n)/n variate, so air voxels lie within a
    known interval around sigma^2. The sigma whose interval holds most voxels *and* behaves like noise is taken, first
    on a sample, then on all voxels of some slices that fall into the interval.
    """
    n_echoes = len(sample)
    low, high = special.gammaincinv(n_echoes, [0.01, 0.99]) / n_echoes
    # Mean of the variate between the two bounds, to undo the truncation.
    inside_mean = np.diff(special.gammainc(n_echoes + 1, np.array([low, high]) * n_echoes))[0] / 0.98
    power = np.mean(sample**2, axis=0) / 2
    for sigma_squared in _peaks(np.sort(power), low, high):
        for _ in range(6):
            air = (power > low * sigma_squared) & (power < high * sigma_squared)
            if np.count_nonzero(air) < MIN_AIR_VOXELS:
                break
            sigma_squared = power[air].mean() / inside_mean
        else:
            if _looks_like_air(sample[:, air]):
                return _pool_air(echoes, low * sigma_squared, high * sigma_squared, inside_mean)
    return None


def _peaks(sorted_power: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values of sigma^2 whose interval (low, high) x sigma^2 holds locally the most voxels, the darkest first."""
    lowest, highest = np.log(sorted_power[[0, -1]])
    candidates = np.exp(np.arange(lowest, highest + PEAK_STEP, PEAK_STEP))
    counts = np.searchsorted(sorted_power, candidates * high) - np.searchsorted(sorted_power, candidates * low)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(counts, 3), 7).max(axis=1)
    return candidates[(counts == around) & (counts >= MIN_AIR_VOXELS)]


def _looks_like_air(values: np.ndarray) -> bool:
    power = values**2
    by_echo = power.mean(axis=1)
    kurtosis = np.mean(power**2) / np.mean(power) ** 2
    lowest, highest = RAYLEIGH_KURTOSIS_RANGE
    # With few voxels the echoes differ by chance: the allowance grows by two standard errors.
    allowance = MAX_AIR_DECAY + 2 / np.sqrt(values.shape[1])
    return lowest < kurtosis < highest and by_echo.max() / by_echo.min() < allowance


def _pool_air(echoes: Sequence[np.ndarray], low: float, high: float, inside_mean: float) -> NoiseEstimate | None:
    """The final value from the voxels of evenly spread slices whose power lies between the bounds."""
    total, count = 0.0, 0
    for slab in range(0, len(echoes[0]), max(1, len(echoes[0]) // POOLED_SLICES)):
        power = sum(np.square(echo[slab], dtype=np.float32) for echo in echoes) / (2 * len(echoes))
        air = power[(power > low) & (power < high)]
        total, count = total + float(air.sum(dtype=np.float64)), count + air.size
    if count == 0:  # squares of signals beyond 1e19 overflow in single precision
        return None
    return NoiseEstimate(float(np.sqrt(total / count / inside_mean)), "air around the patient", count)


def _from_residuals(sample: np.ndarray, echo_times_ms: tuple[float, ...]) -> NoiseEstimate | None:
    """Median residual of non-linear fits to voxels whose last echo stands well above the noise.

    With n echoes the residual power over sigma^2 is chi-squared with n - 2 degrees of freedom. Where the last echoes
    drown in noise, earlier echoes alone are used. What the model misses (fat, stimulated echoes) grows with the signal
    and noise does not, so the voxels are split by brightness and the eighth with the smallest residuals counts.
    """
    for n_echoes in range(len(sample), 2, -1):
        times = decay_estimators.DecayTimes.of(tuple(echo_times_ms[:n_echoes]))
        y = sample[:n_echoes, :: max(1, sample.shape[1] // RESIDUAL_SAMPLE_SIZE)]
        with np.errstate(all="ignore"):
            a, rho = decay_estimators.refine(y, decay_estimators.arlo_rate(y, times), 0.0, times, tolerance=1e-4)
            e = decay_estimators.decay(rho, times)
            power = np.square(y - a * e).sum(axis=0)
        usable = np.isfinite(power) & (rho > 0)
        bright = usable & (a > np.median(sample[0]) / 2)
        for _ in range(5):
            if bright.sum() < max(MIN_BRIGHT_VOXELS, MIN_BRIGHT_FRACTION * usable.sum()):
                break
            sigma = _smallest_eighth(power[bright], a[bright], n_echoes - 2)
            bright = usable & (a * e[-1] > 3 * sigma)
        else:
            return NoiseEstimate(sigma, f"residuals of the fits to {n_echoes} echoes", int(bright.sum()))
    return None


def _upper_bound(sample: np.ndarray) -> float:
    """No noise can be stronger than the darkest voxels allow.

    If all voxels were pure noise, their mean power over the echoes would be sigma^2 times a Gamma(n)/n variate; with
    tissue among them a low quantile only rises.
    """
    n_echoes = len(sample)
    expected = special.gammaincinv(n_echoes, DARK_QUANTILE) / n_echoes
    return float(np.sqrt(np.quantile(np.mean(sample**2, axis=0) / 2, DARK_QUANTILE) / expected))


def _at_most(bound: float, estimate: NoiseEstimate | None) -> NoiseEstimate | None:
    """Residuals above the bound are errors of the model (fat, unequal echo gains) rather than noise."""
    if estimate is None or estimate.sigma <= bound:
        return estimate
    return NoiseEstimate(bound, "the darkest voxels (residuals are larger: the decay is not a single exponential)", 0)


def _smallest_eighth(power: np.ndarray, brightness: np.ndarray, n_free: int) -> float:
    """Noise standard deviation in that eighth of the voxels, by brightness, whose median residual power is smallest."""
    eighths = np.array_split(power[np.argsort(brightness)], 8)
    median_chi2 = special.chdtri(n_free, 0.5)
    variance = min(np.median(eighth) for eighth in eighths) / median_chi2
    # Of eight medians that differ only by chance the smallest lies 1.42 of their standard deviations too low.
    half = n_free / 2
    density = (median_chi2 / 2) ** (half - 1) * np.exp(-median_chi2 / 2) / (2 * special.gamma(half))
    deviation = 0.5 / (density * median_chi2 * np.sqrt(eighths[0].size))
    return float(np.sqrt(variance * (1 + 1.42 * deviation)))
