"""The general kinetic model of arterial spin labeling, its fit to several delays, and what one delay makes of it.

Buxton et al., Magn Reson Med 1998;40:383-396: labeled blood arrives as a block of ``label_duration_ms`` after the
arterial transit time, decays with T1 of blood until it arrives, and then with the apparent T1 of the tissue, which flow
shortens: 1/T1' = 1/T1 + f/lambda. Signals are fractions of the blood's equilibrium magnetization, which is M0/lambda.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .asl_series import LabelingType

# mL/g/s from mL/100g/min
SECONDS_TIMES_100G = 6000.0
TRANSIT_TIME_STEP_MS = 50.0  # of the search
N_REFINEMENTS = 4
STEP_MS, STEP_FLOW = 2.0, 0.5  # of the numerical derivatives
LARGEST_FLOW_STEP = 500.0  # beyond it the information matrix is singular


@dataclass(frozen=True)
class KineticConstants:
    """What the model takes as known.

    Attributes:
        label_duration_ms: tau; for PASL the bolus duration TI1.
        labeling_efficiency: alpha, with all losses to background suppression.
        partition_coefficient_ml_per_g: lambda.
    """

    label_duration_ms: float
    t1_blood_ms: float = 1650.0
    t1_tissue_ms: float = 1200.0
    labeling_efficiency: float = 0.85
    partition_coefficient_ml_per_g: float = 0.9
    labeling_type: LabelingType = LabelingType.PCASL


def gkm_difference_signal(
    tbf_ml_per_100g_min, transit_time_ms, post_labeling_delay_ms, constants: KineticConstants
) -> np.ndarray:
    """Control - label over M0, without noise (Buxton 1998, Eqs. 3 and 5).

    Args:
        tbf_ml_per_100g_min, transit_time_ms, post_labeling_delay_ms: broadcast against each other. For PASL the delay
            is the inversion time.

    Returns:
        float64 array of the broadcast shape.
    """
    flow = np.asarray(tbf_ml_per_100g_min, dtype=np.float64) / SECONDS_TIMES_100G
    arrival = np.asarray(transit_time_ms, dtype=np.float64) / 1000
    delay = np.asarray(post_labeling_delay_ms, dtype=np.float64) / 1000
    tau, t1_blood = constants.label_duration_ms / 1000, constants.t1_blood_ms / 1000
    rate_tissue = 1000 / constants.t1_tissue_ms + flow / constants.partition_coefficient_ml_per_g
    scale = 2 * constants.labeling_efficiency * flow / constants.partition_coefficient_ml_per_g
    if constants.labeling_type is LabelingType.PASL:
        return scale * _pulsed(delay, arrival, tau, rate_tissue, 1 / t1_blood)
    since_start = delay + tau  # from the start of labeling
    in_tissue = np.clip(since_start - arrival, 0, tau)
    after_bolus = np.clip(since_start - arrival - tau, 0, None)
    decayed = np.exp(-arrival / t1_blood) * np.exp(-after_bolus * rate_tissue)
    return scale * decayed * -np.expm1(-in_tissue * rate_tissue) / rate_tissue


def _pulsed(time, arrival, duration, rate_tissue, rate_blood):
    """Integral of the pulsed bolus, which decays with blood while it waits, over what stays in the tissue."""
    difference = rate_blood - rate_tissue
    close = np.abs(difference) < 1e-9
    safe = np.where(close, 1.0, difference)
    first = np.clip(time, arrival, None)
    last = np.clip(time, arrival, arrival + duration)
    integral = np.where(close, last - arrival, (np.exp(-safe * arrival) - np.exp(-safe * last)) / safe)
    return np.where(time > arrival, np.exp(-rate_tissue * first) * integral, 0.0)


# -- several delays --


@dataclass(frozen=True)
class KineticFit:
    """Flow and transit time of each voxel; arrays of shape (n,), float64.

    Attributes:
        transit_time_at_limit: the fit ended at an end of the searched range, so that the transit time is not known.
        residual_variance: of the differences relative to M0, per pair.
        degrees_of_freedom: of the standard errors.
    """

    tbf_ml_per_100g_min: np.ndarray
    transit_time_ms: np.ndarray
    tbf_se: np.ndarray
    transit_time_se_ms: np.ndarray
    transit_time_at_limit: np.ndarray
    residual_variance: np.ndarray
    degrees_of_freedom: float


def fit_kinetic_model(
    differences: np.ndarray,
    delays_ms: Sequence[float],
    constants: KineticConstants,
    *,
    n_repeats: Sequence[int] | None = None,
    within_sum_of_squares: np.ndarray | None = None,
) -> KineticFit:
    """Least squares for flow and transit time. Flow is nearly linear, so the transit time is searched on a grid first.

    Args:
        differences: (delays, n), mean control - label over M0 at each delay.
        delays_ms: post-labeling delays, at least two different ones.
        n_repeats: pairs behind each mean; default 1.
        within_sum_of_squares: (n,) squared deviations of the single pairs from their means, summed over all delays; it
            sharpens the standard errors.
    """
    n_delays = len(delays_ms)
    weights = np.ones(n_delays) if n_repeats is None else np.asarray(n_repeats, dtype=np.float64)
    delays = np.asarray(delays_ms, dtype=np.float64)[:, None]
    # Blood that arrives after the last readout began is hardly seen, and any flow would explain it.
    latest = float(delays.max())
    flow, transit = _search(differences, delays, weights, constants, latest)
    for _ in range(N_REFINEMENTS):
        flow, transit = _refined(flow, transit, differences, delays, weights, constants, latest)
    residual = differences - gkm_difference_signal(flow, transit, delays, constants)
    squares = np.sum(weights[:, None] * residual**2, axis=0)
    degrees = n_delays - 2.0
    if within_sum_of_squares is not None:
        squares = squares + within_sum_of_squares
        degrees = float(weights.sum()) - 2.0
    variance = squares / degrees if degrees > 0 else np.full(flow.shape, np.nan)
    flow_se, transit_se = _standard_errors(flow, transit, delays, weights, constants, variance)
    at_limit = (transit <= 0) | (transit >= latest)
    return KineticFit(flow, transit, flow_se, transit_se, at_limit, variance, degrees)


def _search(differences, delays, weights, constants, latest) -> tuple[np.ndarray, np.ndarray]:
    """The best transit time of a grid, with the flow that is linear at a typical flow."""
    typical = 60.0
    grid = np.linspace(0, latest, round(latest / TRANSIT_TIME_STEP_MS) + 1)
    shapes = gkm_difference_signal(typical, grid[:, None], delays[:, 0], constants) / typical
    projected = (shapes * weights) @ differences  # (grid, n)
    norm = np.sum(weights * shapes**2, axis=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(norm > 0, projected * np.abs(projected) / norm, -np.inf)  # negative flow explains nothing
        best = np.argmax(np.nan_to_num(explained, nan=-np.inf), axis=0)
    columns = np.arange(differences.shape[1])
    return projected[best, columns] / norm[best, 0], grid[best]


def _derivatives(flow, transit, delays, constants):
    """The model and its slopes in flow and in transit time; each (delays, n)."""
    value = gkm_difference_signal(flow, transit, delays, constants)
    by_flow = (gkm_difference_signal(flow + STEP_FLOW, transit, delays, constants) - value) / STEP_FLOW
    later = gkm_difference_signal(flow, transit + STEP_MS, delays, constants)
    earlier = gkm_difference_signal(flow, transit - STEP_MS, delays, constants)
    return value, by_flow, (later - earlier) / (2 * STEP_MS)


def _refined(flow, transit, differences, delays, weights, constants, latest):
    """One Gauss-Newton step, taken only where it makes the sum of squares smaller."""
    value, by_flow, by_transit = _derivatives(flow, transit, delays, constants)
    residual, w = differences - value, weights[:, None]
    a, b, c = np.sum(w * by_flow**2, 0), np.sum(w * by_flow * by_transit, 0), np.sum(w * by_transit**2, 0)
    u, v = np.sum(w * by_flow * residual, axis=0), np.sum(w * by_transit * residual, axis=0)
    determinant = a * c - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        flow_step, transit_step = (c * u - b * v) / determinant, (a * v - b * u) / determinant
    usable = np.isfinite(flow_step) & np.isfinite(transit_step) & (np.abs(flow_step) < LARGEST_FLOW_STEP)
    flow_step, transit_step = np.where(usable, flow_step, 0), np.where(usable, np.clip(transit_step, -150, 150), 0)
    new_flow = flow + flow_step
    new_transit = np.clip(transit + transit_step, 0, latest)
    new_residual = differences - gkm_difference_signal(new_flow, new_transit, delays, constants)
    better = np.sum(w * new_residual**2, axis=0) < np.sum(w * residual**2, axis=0)
    return np.where(better, new_flow, flow), np.where(better, new_transit, transit)


def _standard_errors(flow, transit, delays, weights, constants, variance):
    """From the inverse of the information matrix; nan where one of the two has no influence."""
    _, by_flow, by_transit = _derivatives(flow, transit, delays, constants)
    w = weights[:, None]
    a, b, c = np.sum(w * by_flow**2, 0), np.sum(w * by_flow * by_transit, 0), np.sum(w * by_transit**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * c - b * b
        return np.sqrt(variance * c / determinant), np.sqrt(variance * a / determinant)


# -- one delay --

BIAS_TRANSIT_TIMES_MS = (500.0, 1000.0, 1500.0, 2000.0, 2300.0)
BIAS_T1_TISSUE_MS = (900.0, 1200.0, 1330.0, 1650.0)
BIAS_FLOW = 50.0


@dataclass(frozen=True)
class ModelBias:
    """What the single-delay formula gives, relative to the true flow of the general kinetic model.

    Attributes:
        ratios: (transit times, T1 of tissue), estimated over true flow without noise.
        sentence: the range in words.
    """

    transit_times_ms: tuple[float, ...]
    t1_tissue_ms: tuple[float, ...]
    ratios: np.ndarray
    sentence: str


def single_delay_bias(
    post_labeling_delay_ms: float,
    constants: KineticConstants,
    estimate,
    *,
    tbf_ml_per_100g_min: float = BIAS_FLOW,
) -> ModelBias:
    """Bias of a single-delay formula over plausible transit times and T1 of tissue.

    Args:
        estimate: the formula: control - label over M0 -> mL/100g/min.
    """
    ratios = np.empty((len(BIAS_TRANSIT_TIMES_MS), len(BIAS_T1_TISSUE_MS)))
    for column, t1_tissue_ms in enumerate(BIAS_T1_TISSUE_MS):
        signal = gkm_difference_signal(
            tbf_ml_per_100g_min,
            np.array(BIAS_TRANSIT_TIMES_MS),
            post_labeling_delay_ms,
            replace(constants, t1_tissue_ms=t1_tissue_ms),
        )
        ratios[:, column] = estimate(signal) / tbf_ml_per_100g_min
    sentence = (
        f"With one delay of {post_labeling_delay_ms:g} ms the flow is {ratios.min():.2f} to {ratios.max():.2f} of the "
        f"true one for transit times of {BIAS_TRANSIT_TIMES_MS[0]:g} to {BIAS_TRANSIT_TIMES_MS[-1]:g} ms and a T1 of "
        f"tissue of {BIAS_T1_TISSUE_MS[0]:g} to {BIAS_T1_TISSUE_MS[-1]:g} ms."
    )
    return ModelBias(BIAS_TRANSIT_TIMES_MS, BIAS_T1_TISSUE_MS, ratios, sentence)
