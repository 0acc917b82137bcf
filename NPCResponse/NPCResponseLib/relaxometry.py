"""R2* from multi-echo gradient-echo magnitude images, with a reason for every voxel that has none.

``fit_r2star`` takes the echoes of a series and returns maps of R2*, T2*, S0, the standard error of R2*, R^2 and a
status. The default method models the noise floor of magnitude images; docs/accuracy.md has its measured bias, precision
and speed beside other estimators and other software.
"""

import enum
import itertools
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from . import decay_estimators as estimators
from .decay_estimators import DecayTimes, FitQuality
from .echo_times import validate_echo_times
from .errors import InputError
from .field_gradient import FALSE_ALARM_RATE, CurvatureEvidence, dephasing, suspect_field_gradient
from .noise import NoiseEstimate, estimate_noise_sigma
from .voxel_status import StatusCode

CHUNK_VOXELS = 32_768  # small enough for the processor's cache, large enough to make Python's own time small

# A voxel is not fitted when its first echo is no more than this many noise standard deviations, or its second no more
# than that: air would otherwise be painted with plausible numbers.
MIN_FIRST_ECHO_SIGMAS = 5.0
MIN_SECOND_ECHO_SIGMAS = 2.0
# An echo that is exactly zero after one this far above the noise was blanked (or was NaN: NIfTI readers make it 0).
BLANKED_AFTER_SIGMAS = 10.0
# A fit is poor when its residual is both improbable as noise and large enough to matter for the tumor mean.
POOR_FIT_PROBABILITY = 1e-4
POOR_FIT_RELATIVE_RESIDUAL = 0.05
POOR_FIT_RELATIVE_RESIDUAL_UNKNOWN_NOISE = 0.15
MIN_R2STAR_HZ = 1e-3
MAX_LAST_AMPLITUDE_STEP = 0.1  # of the amplitude, for a voxel that has settled
MAX_STEPS = 4  # for voxels that have not settled, before the damped iteration
MIN_VOXELS_CLIPPED_TWICE = 3
MIN_VOXELS_CLIPPED_ONCE = 10
MIN_SPREAD_BEHIND_CLIPPING = 0.01
# The bias of the noise-floor fit is of second order in the standard error of rho; below this one it is under 2 % of it.
MIN_SE_FOR_BIAS = 0.1
WIDESPREAD_FRACTION = 0.5  # a field gradient is local; what bends half of the image's decays is something else
RESULT_MAPS = ("r2star_hz", "t2star_ms", "s0", "r2star_se_hz", "r_squared")
# With shorter echo ranges or spacings, or above this decay per echo, single precision would lose R2*'s third decimal.
MIN_RANGE_FOR_SINGLE_S = 0.010
MIN_SPACING_FOR_SINGLE_S = 0.001
MIN_DECAY_FOR_SINGLE = 0.05


class R2StarMethod(enum.Enum):
    """How R2* is estimated. Values are the command line's words."""

    AUTO = "auto"
    NOISE_FLOOR = "noise-floor"
    NLLS = "nlls"
    ARLO = "arlo"
    WEIGHTED_LOG_LINEAR = "weighted-log-linear"
    LOG_LINEAR = "log-linear"

    def label(self) -> str:
        return {
            R2StarMethod.AUTO: "Automatic",
            R2StarMethod.NOISE_FLOOR: "Least squares with noise floor",
            R2StarMethod.NLLS: "Non-linear least squares",
            R2StarMethod.ARLO: "ARLO",
            R2StarMethod.WEIGHTED_LOG_LINEAR: "Weighted log-linear",
            R2StarMethod.LOG_LINEAR: "Log-linear",
        }[self]


class VoxelStatus(StatusCode):
    """What became of a voxel. 1 to 4 are not fitted (0 in every map); 5 and 6 keep their value and carry a warning."""

    OK = 0
    LOW_SIGNAL = 1
    NON_DECAYING = 2
    NON_FINITE = 3
    SATURATED = 4
    POOR_FIT = 5
    SUSPECTED_FIELD_GRADIENT = 6

    def label(self) -> str:
        return {
            VoxelStatus.OK: "ok",
            VoxelStatus.LOW_SIGNAL: "low signal",
            VoxelStatus.NON_DECAYING: "non-decaying",
            VoxelStatus.NON_FINITE: "non-finite",
            VoxelStatus.SATURATED: "saturated or clipped",
            VoxelStatus.POOR_FIT: "poor fit",
            VoxelStatus.SUSPECTED_FIELD_GRADIENT: "suspected field gradient",
        }[self]

    @property
    def is_fitted(self) -> bool:
        return self in (VoxelStatus.OK, VoxelStatus.POOR_FIT, VoxelStatus.SUSPECTED_FIELD_GRADIENT)

    @property
    def remedy(self) -> str:
        is_gradient = self is VoxelStatus.SUSPECTED_FIELD_GRADIENT
        return "A field map or phase images would correct it." if is_gradient else ""

    @property
    def false_alarm_rate(self) -> float | None:
        return FALSE_ALARM_RATE if self is VoxelStatus.SUSPECTED_FIELD_GRADIENT else None


@dataclass(frozen=True)
class R2StarFit:
    """Maps and facts of one fit. Maps have the shape of an echo, float32, and are 0 where a voxel was not fitted.

    Attributes:
        r2star_hz, t2star_ms, s0: the fitted parameters; s0 in image units at echo time zero.
        r2star_se_hz: standard error of R2*; 0 everywhere with two echoes.
        r_squared: share of the signal's variance over the echoes that the decay explains.
        status: uint8, one :class:`VoxelStatus` per voxel.
        method: the estimator used, never AUTO; method_reason says why.
        noise_sigma, noise_source: noise standard deviation in image units (None if unknown) and where it comes from.
        degrees_of_freedom: of the standard error: infinite when the noise is known, echoes - 2 when it was taken from
            the voxel's own residual, nan when there is none.
        warnings: sentences for the report.
    """

    r2star_hz: np.ndarray
    t2star_ms: np.ndarray
    s0: np.ndarray
    r2star_se_hz: np.ndarray
    r_squared: np.ndarray
    status: np.ndarray
    echo_times_ms: tuple[float, ...]
    method: R2StarMethod
    method_reason: str
    noise_sigma: float | None
    noise_source: str
    degrees_of_freedom: float
    warnings: tuple[str, ...] = ()

    def confidence_factor(self, level: float = 0.95) -> float:
        """Half-width of a voxel's confidence interval in standard errors (1.96, or Student's t for known residuals)."""
        quantile = 0.5 + level / 2
        if math.isinf(self.degrees_of_freedom):
            return float(special.ndtri(quantile))
        return float(special.stdtrit(self.degrees_of_freedom, quantile))

    @property
    def is_bent_everywhere(self) -> bool:
        """Whether so many decays are bent that a field gradient, which is local, cannot be the cause."""
        return _bent_fraction(self.status) > WIDESPREAD_FRACTION

    def status_counts(self) -> dict[VoxelStatus, int]:
        counts = np.bincount(self.status.reshape(-1), minlength=len(VoxelStatus))
        return {status: int(counts[status]) for status in VoxelStatus}


def predict_signal(s0, r2star_hz, echo_times_ms: Sequence[float], noise_sigma: float | None = None) -> np.ndarray:
    """The fitted model: S0 exp(-TE R2*), on the noise floor sqrt(A^2 + sigma^2) if a noise level is given.

    Returns:
        Array (n_echoes, ...) for s0 and r2star_hz of shape (...).
    """
    te_s = np.asarray(echo_times_ms, dtype=np.float64) / 1000.0
    amplitude = np.asarray(s0) * np.exp(-np.multiply.outer(te_s, np.asarray(r2star_hz)))
    return np.sqrt(amplitude**2 + noise_sigma**2) if noise_sigma else amplitude


def fit_r2star(echoes: Sequence[np.ndarray], echo_times_ms: Sequence[float], **options) -> R2StarFit:
    """Fit all voxels; arguments and result as in :func:`iter_fit_r2star`."""
    steps = iter_fit_r2star(echoes, echo_times_ms, **options)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def iter_fit_r2star(
    echoes: Sequence[np.ndarray],
    echo_times_ms: Sequence[float],
    *,
    method: R2StarMethod = R2StarMethod.AUTO,
    noise_sigma: float | None = None,
    slice_frequency_spread_hz: np.ndarray | None = None,
    saturation_level: float | None = None,
) -> Generator[float, None, R2StarFit]:
    """Fit all voxels in steps of some ten milliseconds, yielding the fraction done and returning an R2StarFit.

    Args:
        echoes: magnitude images of equal shape, one per echo; any real dtype. Arrays (slice, row, column) get the field
            gradient check, which pools the in-plane neighbors (last two axes).
        echo_times_ms: increasing echo times (ms), at least two; with fewer than three there is no standard error.
        method: AUTO models the noise floor if the noise is known or can be estimated, else plain least squares.
        noise_sigma: noise standard deviation per channel, in image units; estimated from the image when None.
        slice_frequency_spread_hz: off-resonance difference across the slice thickness per voxel (Hz); its dephasing
            |sinc(spread x TE)| then belongs to the model. For an ideal rectangular slice profile.
        saturation_level: signals at or above it are clipped; when None, clipping is recognized by its plateau.

    Raises:
        InputError: echo times that cannot be used, echoes of differing shape, no signal at all, a bad noise level.
    """
    echo_times_ms = validate_echo_times(echo_times_ms, len(echoes))
    _check_images(echoes, noise_sigma)
    if saturation_level is None:
        saturation_level = _find_ceiling(echoes)
    noise = _known_noise(echoes, echo_times_ms, noise_sigma, saturation_level)
    yield 0.05
    method, reason = _choose_method(method, noise, len(echoes))
    fitter = _Fitter(echoes, echo_times_ms, method, noise, saturation_level, slice_frequency_spread_hz)
    for start in range(0, fitter.n_voxels, fitter.slab_voxels):
        fitter.fit_slab(slice(start, min(start + fitter.slab_voxels, fitter.n_voxels)))
        yield 0.05 + 0.95 * min(1.0, (start + fitter.slab_voxels) / fitter.n_voxels)
    return fitter.result(reason)


def _check_images(echoes: Sequence[np.ndarray], noise_sigma: float | None) -> None:
    shapes = {np.shape(echo) for echo in echoes}
    if len(shapes) > 1:
        raise InputError(
            f"the echoes differ in size: {', '.join(str(np.shape(echo)) for echo in echoes)}",
            remedy="Give images of one series on one grid",
        )
    if not any(np.any(echo) for echo in echoes):
        raise InputError("all echoes are zero everywhere", remedy="Check the export; nothing can be fitted")
    if noise_sigma is not None and not (math.isfinite(noise_sigma) and noise_sigma > 0):
        raise InputError(f"the noise level must be a positive number, found {noise_sigma:g}", remedy="Leave it out")


def _known_noise(echoes, echo_times_ms, noise_sigma, saturation_level) -> NoiseEstimate | None:
    if noise_sigma is not None:
        return NoiseEstimate(float(noise_sigma), "given by the user", 0)
    return estimate_noise_sigma(echoes, echo_times_ms, saturation_level)


def _choose_method(method: R2StarMethod, noise: NoiseEstimate | None, n_echoes: int) -> tuple[R2StarMethod, str]:
    """The estimator to run and the sentence that says why."""
    if method is R2StarMethod.NOISE_FLOOR and noise is None:
        raise InputError(
            "the noise level cannot be estimated from these images, the noise-floor method needs it",
            remedy="Give the noise level or choose another method",
        )
    if method is not R2StarMethod.AUTO:
        return method, "chosen by the user"
    if noise is None:
        return R2StarMethod.NLLS, "automatic: the noise level could not be estimated, so no noise floor is modeled"
    if n_echoes == 2:
        return R2StarMethod.NLLS, "automatic: two echoes leave nothing to tell a noise floor by"
    return R2StarMethod.NOISE_FLOOR, f"automatic: noise level {noise.sigma:.4g} from {noise.source}"


class _Fitter:
    """The maps being filled, slab by slab: a slab is one slice, or as many small slices as make a chunk."""

    def __init__(self, echoes, echo_times_ms, method, noise, saturation_level, slice_frequency_spread_hz):
        self.shape = np.shape(echoes[0])
        self.flat = [np.asarray(echo).reshape(-1) for echo in echoes]
        self.n_voxels = self.flat[0].size
        self.echo_times_ms, self.method, self.noise = echo_times_ms, method, noise
        double = DecayTimes.of(echo_times_ms)
        coarse = all(np.asarray(echo).dtype.itemsize <= 4 for echo in echoes)
        spacing_s = np.diff(double.u).min() * double.range_s
        single = coarse and double.range_s >= MIN_RANGE_FOR_SINGLE_S and spacing_s >= MIN_SPACING_FOR_SINGLE_S
        self.dtype = np.float32 if single else np.float64
        self.times, self.double_times = DecayTimes.of(echo_times_ms, self.dtype), double
        # Images are divided by their own level so that squares neither overflow nor vanish in single precision.
        self.scale = _signal_level(self.flat)
        self.sigma = noise.sigma / self.scale if noise else 0.0
        self.ceiling = saturation_level
        self.poor_fit_limit = special.chdtri(max(1, len(echoes) - 2), POOR_FIT_PROBABILITY)
        self.spread = None
        if slice_frequency_spread_hz is not None:
            if np.shape(slice_frequency_spread_hz) != self.shape:
                raise InputError("the field map and the echoes differ in size", remedy="Resample it onto the echoes")
            self.spread = np.asarray(slice_frequency_spread_hz).reshape(-1)
        self.plane_shape = self.shape[-2:] if len(self.shape) >= 2 else (1, CHUNK_VOXELS)
        plane_voxels = math.prod(self.plane_shape)
        self.slab_voxels = plane_voxels * max(1, CHUNK_VOXELS // plane_voxels)
        self.status = np.zeros(self.n_voxels, dtype=np.uint8)
        # One block for all maps: the system hands large blocks out in large pages, which saves a tenth of the time.
        block = np.zeros((len(RESULT_MAPS), self.n_voxels), dtype=np.float32)
        self.maps = dict(zip(RESULT_MAPS, block, strict=True))

    @property
    def degrees_of_freedom(self) -> float:
        if len(self.flat) < 3:
            return math.nan
        return math.inf if self.noise else float(len(self.flat) - 2)

    def _can_test_curvature(self) -> bool:
        """The check needs in-plane neighbors and one echo more than the decay has parameters (two if noise unknown)."""
        return len(self.shape) >= 2 and len(self.flat) >= (3 if self.noise else 4)

    # -- one slab, in chunks --

    def fit_slab(self, slab: slice) -> None:
        evidence = CurvatureEvidence.empty(slab.stop - slab.start, bool(self.noise))
        n_chunks = math.ceil((slab.stop - slab.start) / CHUNK_VOXELS)
        edges = np.linspace(slab.start, slab.stop, n_chunks + 1).astype(int)
        for start, stop in itertools.pairwise(edges):
            self._fit_chunk(slice(start, stop), evidence.part(start - slab.start, stop - slab.start))
        if self._can_test_curvature():
            suspected = suspect_field_gradient(evidence, self.plane_shape, self.sigma or None, len(self.flat))
            status = self.status[slab]
            status[suspected & ((status == VoxelStatus.OK) | (status == VoxelStatus.POOR_FIT))] = (
                VoxelStatus.SUSPECTED_FIELD_GRADIENT
            )

    def _fit_chunk(self, chunk: slice, evidence: CurvatureEvidence) -> None:
        raw = np.stack([echo[chunk] for echo in self.flat], dtype=self.dtype)
        status = self._judge_signals(raw)
        usable = np.flatnonzero(status == VoxelStatus.OK)
        if usable.size:
            if usable.size == status.size:
                usable = slice(None)  # the common case inside the head, and much cheaper than an index list
            y = raw[:, usable] / self.dtype(self.scale)
            attenuation = self._attenuation(chunk, usable)
            with np.errstate(all="ignore"):
                a, rho, quality = self._estimate(y, attenuation)
                if self.method is R2StarMethod.NOISE_FLOOR:
                    self._remove_bias(a, rho, quality, attenuation)
                fitted = self._store(chunk, usable, status, y, a, rho, quality)
                if self._can_test_curvature():
                    evidence.store(usable, fitted, quality, self.times.range_s)
        self.status[chunk] = status

    def _judge_signals(self, raw: np.ndarray) -> np.ndarray:
        """What can be said of voxels before any fit; the first reason in the order of severity wins."""
        status = np.zeros(raw.shape[1], dtype=np.uint8)
        first, second = raw[0], raw[1]
        sigma = self.noise.sigma if self.noise else 0.0
        with np.errstate(invalid="ignore"):
            dark = (first <= MIN_FIRST_ECHO_SIGMAS * sigma) | (second <= MIN_SECOND_ECHO_SIGMAS * sigma)
            # Asking the whole chunk first is cheap, and mostly the answer is no.
            if not raw.min() > 0:
                dark |= raw.min(axis=0) < 0
                dark |= ((raw[1:] == 0) & (raw[:-1] > BLANKED_AFTER_SIGMAS * sigma)).any(axis=0) & (sigma > 0)
            status[dark] = VoxelStatus.LOW_SIGNAL
            if self.ceiling is not None:
                status[raw.max(axis=0) >= self.ceiling] = VoxelStatus.SATURATED
            if not np.isfinite([raw.min(), raw.max()]).all():
                status[~np.isfinite(raw).all(axis=0)] = VoxelStatus.NON_FINITE
        return status

    def _attenuation(self, chunk: slice, usable: np.ndarray | slice) -> np.ndarray | None:
        if self.spread is None:
            return None
        return dephasing(self.spread[chunk][usable], self.echo_times_ms).astype(self.dtype)

    @property
    def _floor_power(self) -> float:
        return self.sigma**2 if self.method is R2StarMethod.NOISE_FLOOR else 0.0

    def _estimate(self, y: np.ndarray, attenuation: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, FitQuality]:
        closed_form = {
            R2StarMethod.ARLO: estimators.arlo,
            R2StarMethod.LOG_LINEAR: estimators.log_linear,
            R2StarMethod.WEIGHTED_LOG_LINEAR: estimators.weighted_log_linear,
        }.get(self.method)
        if closed_form is None:
            return self._least_squares(y, attenuation)
        a, rho = closed_form(y if attenuation is None else y / attenuation, self.times)
        return a, rho, estimators.fit_quality(y, a, rho, 0.0, self.times, attenuation)

    def _least_squares(self, y: np.ndarray, attenuation: np.ndarray | None):
        """Gauss-Newton from ARLO: a few steps settle nearly all voxels, the others go on."""
        times, power = self.times, self._floor_power
        rho = np.clip(estimators.arlo_rate(y, times), -1, 30)
        a, step = estimators.variable_projection_step(y, rho, times, attenuation)
        rho += np.clip(step, -2, 2)
        if power:
            amplitude_step, step = estimators.noise_floor_step(y, a, rho, power, times, attenuation)
            a += amplitude_step
        else:
            a, step = estimators.variable_projection_step(y, rho, times, attenuation)
        rho += np.clip(step, -2, 2)
        quality = estimators.fit_quality(y, a, rho, power, times, attenuation)
        a += quality.amplitude_step
        rho += np.clip(quality.rate_step, -2, 2)
        restless = np.flatnonzero(~self._settled(a, rho, quality))
        if restless.size:
            self._go_on(restless, y, a, rho, quality, attenuation)
        quality.residual_power[:] = np.maximum(quality.residual_power - quality.step_gain, 0)
        return a, rho, quality

    def _go_on(self, restless, y, a, rho, quality: FitQuality, attenuation: np.ndarray | None) -> None:
        """Fit some of the voxels to the end, in place: by more steps, then the stubborn ones in double precision."""
        power = self._floor_power
        for _ in range(MAX_STEPS):
            part = None if attenuation is None else attenuation[:, restless]
            last = estimators.fit_quality(y[:, restless], a[restless], rho[restless], power, self.times, part)
            a[restless] += last.amplitude_step
            rho[restless] += np.clip(last.rate_step, -2, 2)
            quality.replace(restless, last)
            restless = restless[~self._settled(a[restless], rho[restless], last)]
            if not restless.size:
                return
        part = None if attenuation is None else attenuation[:, restless].astype(np.float64)
        signals, rates = y[:, restless].astype(np.float64), rho[restless].astype(np.float64)
        amplitudes, rates = estimators.refine(signals, rates, power, self.double_times, part)
        a[restless], rho[restless] = amplitudes, rates
        quality.replace(restless, estimators.fit_quality(signals, amplitudes, rates, power, self.double_times, part))

    def _settled(self, a: np.ndarray, rho: np.ndarray, last: FitQuality) -> np.ndarray:
        """Whether the last step was small against the noise, or against 0.005 Hz, and single precision suffices.

        A step of a tenth of sigma / a, some 5 % of a standard error, leaves less than 1 % of one to go. Far from the
        optimum, where the amplitude collapses, the rate has no slope either: the amplitude must rest, too.
        """
        tolerance = 0.005 * self.times.range_s * a + 0.1 * self.sigma
        slow = rho < -math.log(MIN_DECAY_FOR_SINGLE) / self.times.u[1]
        at_rest = np.abs(last.amplitude_step) <= MAX_LAST_AMPLITUDE_STEP * a
        return (np.abs(last.rate_step) * a <= tolerance) & at_rest & slow & (a > 0)

    def _remove_bias(self, a: np.ndarray, rho: np.ndarray, quality: FitQuality, attenuation) -> None:
        """Subtract the expected error where the noise is high enough for it to matter; at most half an SE."""
        se = self.sigma * np.sqrt(quality.rate_variance)
        noisy = np.flatnonzero(se > MIN_SE_FOR_BIAS)
        if noisy.size:
            part = None if attenuation is None else attenuation[:, noisy]
            bias = estimators.noise_floor_rate_bias(a[noisy], rho[noisy], self.sigma, self.times, part)
            rho[noisy] -= np.clip(np.nan_to_num(bias), -se[noisy] / 2, se[noisy] / 2)

    # -- results of one chunk --

    def _store(self, chunk, usable, status, y, a, rho, quality: FitQuality) -> np.ndarray:
        """Fills the maps; returns which of the usable voxels decay."""
        range_s = self.times.range_s
        r2star_hz = rho / range_s
        se_hz = np.sqrt(self._noise_power(quality) * self._rate_variance(y, a, rho, quality)) / range_s
        decaying = (r2star_hz > MIN_R2STAR_HZ) & (a > 0) & np.isfinite(r2star_hz + se_hz)
        verdict = np.where(decaying, VoxelStatus.OK, VoxelStatus.NON_DECAYING).astype(np.uint8)
        verdict[decaying & self._fits_poorly(a, quality)] = VoxelStatus.POOR_FIT
        status[usable] = verdict
        results = {
            "r2star_hz": r2star_hz,
            "t2star_ms": 1000.0 / r2star_hz,
            "s0": a * np.exp(rho * (self.times.first_s / range_s)) * self.scale,
            "r2star_se_hz": se_hz,
            "r_squared": 1 - quality.residual_power / estimators.spread_over_echoes(y, self.times),
        }
        not_decaying = np.flatnonzero(~decaying)
        for name, values in results.items():
            values[not_decaying] = 0
            self.maps[name][chunk][usable] = values
        return decaying

    def _noise_power(self, quality: FitQuality) -> np.ndarray | float:
        n_free = len(self.flat) - 2
        if n_free == 0:
            return 0.0
        return self.sigma**2 if self.noise else quality.residual_power / n_free

    def _rate_variance(self, y, a, rho, quality: FitQuality) -> np.ndarray:
        """Per unit noise variance, of the estimator in use."""
        if self.method is R2StarMethod.LOG_LINEAR:
            return estimators.log_linear_rate_variance(a * estimators.decay(rho, self.times), self.times)
        if self.method is R2StarMethod.ARLO:
            return estimators.arlo_rate_variance(y, rho, self.times)
        return quality.rate_variance

    def _fits_poorly(self, a: np.ndarray, quality: FitQuality) -> np.ndarray:
        n_free = len(self.flat) - 2
        if n_free < 1:
            return np.zeros(a.shape, dtype=bool)
        relative = np.sqrt(quality.residual_power / n_free) / a
        if not self.noise:
            return relative > POOR_FIT_RELATIVE_RESIDUAL_UNKNOWN_NOISE
        return (quality.residual_power > self.poor_fit_limit * self.sigma**2) & (relative > POOR_FIT_RELATIVE_RESIDUAL)

    # -- the whole --

    def result(self, method_reason: str) -> R2StarFit:
        maps = {name: self.maps[name].reshape(self.shape) for name in RESULT_MAPS}
        status = self.status.reshape(self.shape)
        return R2StarFit(
            **maps,
            status=status,
            echo_times_ms=self.echo_times_ms,
            method=self.method,
            method_reason=method_reason,
            noise_sigma=self.noise.sigma if self.noise else None,
            noise_source=self.noise.source if self.noise else "could not be estimated",
            degrees_of_freedom=self.degrees_of_freedom,
            warnings=self._warnings(status),
        )

    def _warnings(self, status: np.ndarray) -> tuple[str, ...]:
        warnings = []
        if len(self.flat) == 2:
            warnings.append("Two echoes fit any decay exactly: R2* has no standard error, and no misfit can be seen.")
        n_saturated = int(np.count_nonzero(status == VoxelStatus.SATURATED))
        if n_saturated:
            warnings.append(f"{n_saturated} voxels are clipped at {self.ceiling:g} and were not fitted.")
        if (bent := _bent_fraction(status)) > WIDESPREAD_FRACTION:
            warnings.append(
                f"{bent:.0%} of the fitted voxels decay faster and faster. So many speak for echoes "
                "of unequal gain, or out of phase with fat, rather than for a field gradient."
            )
        return tuple(warnings)


def _bent_fraction(status: np.ndarray) -> float:
    """Share of the fitted voxels that are suspected of a field gradient."""
    n_fitted = np.count_nonzero(np.isin(status, [reason for reason in VoxelStatus if reason.is_fitted]))
    return np.count_nonzero(status == VoxelStatus.SUSPECTED_FIELD_GRADIENT) / max(1, n_fitted)


def _signal_level(flat: list[np.ndarray]) -> float:
    """The largest finite signal of the series."""
    level = 0.0
    for echo in flat:
        top = float(echo.max())
        level = max(level, top if math.isfinite(top) else float(np.max(echo, initial=0, where=np.isfinite(echo))))
    return level if level > 0 else 1.0


def _find_ceiling(echoes: Sequence[np.ndarray]) -> float | None:
    """The clipping level, if the brightest value of the series is a plateau.

    Two signs, neither of which a decaying signal shows: the maximum held for two echoes running by three or more voxels
    that fall later; or held by ten or more voxels whose second echoes differ.
    """
    flat = [np.asarray(echo).reshape(-1) for echo in echoes]
    top = max(float(np.max(echo, initial=0, where=np.isfinite(echo))) for echo in flat[:2])
    at_top = np.flatnonzero(flat[0] == top)
    second, last = flat[1][at_top], flat[-1][at_top]
    held = np.count_nonzero((second == top) & (last < top)) >= MIN_VOXELS_CLIPPED_TWICE
    shared = at_top.size >= MIN_VOXELS_CLIPPED_ONCE and np.ptp(second) > MIN_SPREAD_BEHIND_CLIPPING * top
    return top if held or shared else None
