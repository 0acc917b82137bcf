"""What a scanner makes of it: multi-echo gradient-echo images of the phantom, with all that is true of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..echo_series import EchoSeries
from ..echo_times import validate_echo_times
from ..errors import InputError
from ..fat_shift import PROTON_MHZ_PER_T
from .anatomy import REGION_NAMES, Anatomy, head_anatomy, means_by_region, region_mask
from .grid import SLICE_THICKNESS_MM, PhantomGrid
from .heterogeneity import vary_smoothly
from .patient import Response, TimePoint, choose
from .tissue import Tissue, tissue_table

# Protocol of Xu et al., BMC Medical Imaging 2023;23:69: five gradient echoes at 3.0 T.
BOLD_ECHO_TIMES_MS = (6.71, 13.42, 20.13, 26.84, 33.55)
FIELD_STRENGTH_T = 3.0

HZ_PER_MM_PER_UT_PER_M = PROTON_MHZ_PER_T / 1000
GRADIENT_DECAY_LENGTH_MM = 15.0  # distance from the airway at which the field gradient is down to 1/e; synthetic
FIELD_STEP_MM = 2.0  # of the integral that gives the off-resonance


@dataclass(frozen=True, eq=False)
class PhantomAcquisition:
    """A simulated series and everything that is true of it. Maps are (slice, row, column) on the grid of the series.

    Attributes:
        series: the images, as a reader would give them.
        grid: their voxels.
        labels: uint8, index into ``region_names``.
        truth_r2star_hz, truth_s0: float32, without field gradients and noise; 0 in air.
        noise_sigma: standard deviation of the noise in each channel, in image units; 0 for noise-free images.
        b0_hz: off-resonance, float32.
        gradient_ut_per_m: through-slice field gradient, float32; along the slice normal it is the slope of b0_hz.
        truth_by_region: R2* in Hz, for each region with voxels and signal (the mean, if it varies within the region).
    """

    series: EchoSeries
    grid: PhantomGrid
    labels: np.ndarray
    region_names: tuple[str, ...]
    truth_r2star_hz: np.ndarray
    truth_s0: np.ndarray
    noise_sigma: float
    b0_hz: np.ndarray
    gradient_ut_per_m: np.ndarray
    truth_by_region: dict[str, float]

    def region_mask(self, name: str) -> np.ndarray:
        """Boolean mask of a region; "tumor" is the whole outline as a radiologist draws it, necrosis included.

        Raises:
            InputError: no such region.
        """
        return region_mask(self.labels, name)


def simulate_bold(
    time_point: TimePoint | str = "pre",
    *,
    snr: float | None = 50.0,
    seed: int = 0,
    grid: PhantomGrid | None = None,
    echo_times_ms: Sequence[float] = BOLD_ECHO_TIMES_MS,
    peak_gradient_ut_per_m: float = 0.0,
    response: Response | str = "responder",
    with_phase: bool = False,
    tumor_heterogeneity_hz: float = 0.0,
    as_integers: bool = False,
    tissues: Mapping[str, Tissue] | None = None,
) -> PhantomAcquisition:
    """A multi-echo gradient-echo series of the phantom with Rician noise.

    The same seed gives the same images; time points differ in their noise.

    Args:
        snr: signal of viable tumor at echo time zero over the noise standard deviation; None for no noise.
        grid: default PhantomGrid.demo().
        peak_gradient_ut_per_m: through-slice field gradient at the airway's surface, falling off outside it over
            GRADIENT_DECAY_LENGTH_MM; 0 for a perfect field.
        with_phase: also give phase images, in radians, with the field's and a receive coil's phase.
        tumor_heterogeneity_hz: standard deviation of a smooth variation of R2* within viable tumor.
        as_integers: round to int16 as scanners do (signals here reach some 1300).
        tissues: instead of tissue_table(time_point, response).

    Raises:
        InputError: an unknown time point or response, a level of noise or gradient that makes no sense, unusable echo
            times.
    """
    time_point, response = choose(TimePoint, time_point), choose(Response, response)
    _check_levels(snr, peak_gradient_ut_per_m, tumor_heterogeneity_hz)
    echo_times_ms = validate_echo_times(echo_times_ms, len(echo_times_ms), where="phantom")
    grid = grid or PhantomGrid.demo()
    anatomy = head_anatomy(time_point, response)
    tissues = tissues or tissue_table(time_point, response)
    labels = anatomy.labels_on(grid)
    s0 = np.array([tissues[name].s0 for name in REGION_NAMES], dtype=np.float32)[labels]
    r2star_hz = np.array([tissues[name].r2star_hz for name in REGION_NAMES], dtype=np.float32)[labels]
    if tumor_heterogeneity_hz:
        vary_smoothly(r2star_hz, labels == REGION_NAMES.index("viable_tumor"), grid, tumor_heterogeneity_hz, seed)
    gradient_ut_per_m, b0_hz = airway_field(anatomy, grid, peak_gradient_ut_per_m)
    noise_sigma = tissues["viable_tumor"].s0 / snr if snr else 0.0
    rng = np.random.default_rng([seed, list(TimePoint).index(time_point)])
    receive_phase = _receive_phase(grid) if with_phase else None
    echoes, phases = [], []
    for echo_time_ms in echo_times_ms:
        signal = gradient_echo_signal(s0, r2star_hz, echo_time_ms, b0_hz, gradient_ut_per_m, grid.slice_thickness_mm)
        if with_phase:
            signal *= receive_phase
        _add_noise(signal, noise_sigma, rng)
        magnitude = np.abs(signal)
        echoes.append(np.rint(magnitude).astype(np.int16) if as_integers else magnitude)
        if with_phase:
            phases.append(np.angle(signal))
    series = EchoSeries(
        echoes=tuple(echoes),
        echo_times_ms=echo_times_ms,
        echo_times_source="digital phantom",
        ijk_to_ras=grid.ijk_to_ras.copy(),
        field_strength_t=FIELD_STRENGTH_T,
        slice_thickness_mm=grid.slice_thickness_mm,
        phases=tuple(phases),
        name=f"BOLD {time_point.value} (phantom)",
        warnings=("These are synthetic images of a digital phantom, not of a patient.",),
    )
    return PhantomAcquisition(
        series=series,
        grid=grid,
        labels=labels,
        region_names=REGION_NAMES,
        truth_r2star_hz=r2star_hz,
        truth_s0=s0,
        noise_sigma=noise_sigma,
        b0_hz=b0_hz,
        gradient_ut_per_m=gradient_ut_per_m,
        truth_by_region=means_by_region(r2star_hz, labels, s0 > 0),
    )


def _check_levels(snr: float | None, peak_gradient_ut_per_m: float, tumor_heterogeneity_hz: float) -> None:
    if snr is not None and not (math.isfinite(snr) and snr > 0):
        raise InputError(f"the signal-to-noise ratio must be a positive number, found {snr:g}", where="phantom")
    for what, value in (("gradient", peak_gradient_ut_per_m), ("heterogeneity", tumor_heterogeneity_hz)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"the {what} must not be negative, found {value:g}", where="phantom")


def gradient_echo_signal(
    s0, r2star_hz, echo_time_ms: float, b0_hz=0.0, gradient_ut_per_m=0.0, slice_thickness_mm: float = SLICE_THICKNESS_MM
) -> np.ndarray:
    """Complex signal S0 exp(-TE R2*) sinc(gamma G d TE) exp(2 pi i b0 TE); arguments broadcast.

    A linear field gradient G over an ideal rectangular slice of thickness d attenuates by a (signed) sinc with
    sinc(x) = sin(pi x) / (pi x). In-plane gradients and their displacement of voxels are left out.

    Returns:
        complex64.
    """
    te_s = echo_time_ms / 1000
    spread_hz = np.asarray(gradient_ut_per_m) * (HZ_PER_MM_PER_UT_PER_M * slice_thickness_mm)
    amplitude = s0 * np.exp(-te_s * np.asarray(r2star_hz)) * np.sinc(spread_hz * te_s)
    return (amplitude * np.exp(2j * np.pi * te_s * np.asarray(b0_hz))).astype(np.complex64)


def airway_field(anatomy: Anatomy, grid: PhantomGrid, peak_gradient_ut_per_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Through-slice gradient around the airway and the off-resonance that has it.

    The gradient is prescribed: its peak inside the airway's shapes and on their surface, outside falling as
    exp(-(distance / GRADIENT_DECAY_LENGTH_MM)^2). The off-resonance is its integral along the slice normal from the
    plane through the RAS origin, so that its slope across slices is that gradient. Not the dipole field of real air,
    but one whose truth is known.

    Returns:
        Gradient (uT/m) and off-resonance (Hz), float32 (slice, row, column).
    """
    gradient = np.zeros(grid.shape_kji, dtype=np.float32)
    b0_hz = np.zeros(grid.shape_kji, dtype=np.float32)
    if peak_gradient_ut_per_m == 0:
        return gradient, b0_hz
    spacing_mm = grid.spacing_mm_kji[0]
    n_steps = max(1, math.ceil(spacing_mm / FIELD_STEP_MM))
    to_hz = HZ_PER_MM_PER_UT_PER_M * spacing_mm

    def gradient_at(slice_number: float) -> np.ndarray:
        distance_mm = anatomy.distance_mm("airway", grid.slice_points_ras(slice_number).astype(np.float32))
        return peak_gradient_ut_per_m * np.exp(-np.square(distance_mm / GRADIENT_DECAY_LENGTH_MM))

    # Slice by slice with planes between, by the trapezoidal rule, over the slab and the plane of the origin.
    n_slices = grid.shape_kji[0]
    origin = float((np.linalg.inv(grid.ijk_to_ras) @ [0, 0, 0, 1])[2])
    first, last = min(0, math.floor(origin)), max(n_slices - 1, math.ceil(origin))
    knots = np.union1d(np.arange(first * n_steps, last * n_steps + 1) / n_steps, [origin])
    value_hz, value_at_origin_hz, previous = np.zeros(grid.shape_kji[1:]), 0.0, None
    for n, knot in enumerate(knots):
        here = gradient_at(knot)
        if n:
            value_hz += (previous + here) * ((knot - knots[n - 1]) * to_hz / 2)
        previous = here
        if knot == origin:
            value_at_origin_hz = value_hz.copy()
        if float(knot).is_integer() and 0 <= knot < n_slices:
            gradient[int(knot)], b0_hz[int(knot)] = here, value_hz
    b0_hz -= value_at_origin_hz
    return gradient, b0_hz


def _receive_phase(grid: PhantomGrid) -> np.ndarray:
    """A smooth phase that no echo time changes, as every receive coil adds one; complex64 (slice, row, column)."""
    planes = [grid.slice_points_ras(k) @ np.array([4.0, 7.0, -5.0]) / 1000 for k in range(grid.shape_kji[0])]
    return np.exp(1j * (0.6 + np.stack(planes))).astype(np.complex64)


def _add_noise(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> None:
    if sigma:
        signal.real += sigma * rng.standard_normal(signal.shape, dtype=np.float32)
        signal.imag += sigma * rng.standard_normal(signal.shape, dtype=np.float32)
