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
TRANSIT_TIME_STEP_MS = 25.0  # of the search
LATE_MS = 50.0  # so near to the longest transit time noise decides on which side of it the truth is
SEARCH_FLOWS = (1.0, 150.0)  # between and around which the shape of the signal is taken as linear in flow
SEARCH_FLOW_LIMIT = 500.0  # beyond it the shape is no longer bent by flow: only noise gets there
N_ZOOMS = 2
N_REFINEMENTS = 3
STEP_MS, STEP_FLOW = 2.0, 0.5  # of the numerical derivatives
EARLY_SE = 2.0  # so many standard errors make the interval of a transit time


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
        is_late: that is the upper end, or so near to it that noise decides: blood may arrive any time later.
        is_early: all of the bolus had arrived before the shortest delay: the transit time is hardly known.
        residual_variance: of the differences relative to M0, per pair.
        degrees_of_freedom: of the standard errors.
    """

    tbf_ml_per_100g_min: np.ndarray
    transit_time_ms: np.ndarray
    tbf_se: np.ndarray
    transit_time_se_ms: np.ndarray
    transit_time_at_limit: np.ndarray
    is_late: np.ndarray
    is_early: np.ndarray
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
    """Least squares for flow and transit time.

    For a given transit time flow is all but linear, so that only the transit time is searched: over a grid, which no
    local minimum can trap, then in ever smaller steps around the best, then both together by Gauss-Newton. The transit
    time is sought from 0 to the longest delay, and no further than two delays see blood: one alone is explained by any
    transit time. Flow may come out negative, else noise around zero would look like flow.

    Where the bolus has arrived before the shortest delay the data hardly tell the transit time. Its standard error then
    comes to what the searched range alone says of it, and that of flow contains what follows from it.

    Args:
        differences: (delays, n), mean control - label over M0 at each delay; finite.
        delays_ms: post-labeling delays, at least two different ones.
        n_repeats: pairs behind each mean; default 1.
        within_sum_of_squares: (n,) squared deviations of the single pairs from their means, summed over all delays; it
            sharpens the standard errors.

    Returns:
        KineticFit. Standard errors are nan without degrees of freedom (two delays without repeats).
    """
    n_delays = len(delays_ms)
    counts = np.ones(n_delays) if n_repeats is None else np.asarray(n_repeats, dtype=np.float64)
    problem = _Problem(
        np.asarray(differences, dtype=np.float64), np.asarray(delays_ms, dtype=np.float64), counts, constants
    )
    flow, transit = problem.search()
    step_ms = TRANSIT_TIME_STEP_MS / 2
    for _ in range(N_ZOOMS):
        flow, transit = problem.zoomed(flow, transit, step_ms)
        step_ms /= 2
    for _ in range(N_REFINEMENTS):
        flow, transit = problem.refined(flow, transit)
    squares, degrees = problem.squares(flow, transit), n_delays - 2.0
    if within_sum_of_squares is not None:
        squares, degrees = squares + within_sum_of_squares, float(counts.sum()) - 2.0
    variance = squares / degrees if degrees > 0 else np.full(flow.shape, np.nan)
    flow_se, transit_se = problem.standard_errors(flow, transit, variance)
    is_late = transit > problem.latest - LATE_MS
    at_limit = is_late | (transit <= 0)
    return KineticFit(
        flow, transit, flow_se, transit_se, at_limit, is_late, transit <= problem.early, variance, degrees
    )


class _Problem:
    """Signals of n voxels at several delays, and the steps towards their flow and transit time.

    Attributes:
        y: (delays, n).
        delays, weights: (delays, 1).
        latest: longest transit time that is searched, ms.
        early: transit time, ms, up to which the whole bolus has arrived at every delay.
    """

    def __init__(self, y: np.ndarray, delays_ms: np.ndarray, counts: np.ndarray, constants: KineticConstants):
        self.y, self.constants = y, constants
        self.delays, self.weights = delays_ms[:, None], counts[:, None]
        duration = constants.label_duration_ms
        is_pulsed = constants.labeling_type is LabelingType.PASL
        sees_until = np.sort(delays_ms + (0.0 if is_pulsed else duration))
        self.latest = float(min(delays_ms.max(), sees_until[-2]))
        self.early = float(delays_ms.min()) - (duration if is_pulsed else 0.0)

    def model(self, flow: np.ndarray, transit: np.ndarray) -> np.ndarray:
        return gkm_difference_signal(flow, transit, self.delays, self.constants)

    def squares(self, flow: np.ndarray, transit: np.ndarray) -> np.ndarray:
        return np.sum(self.weights * (self.y - self.model(flow, transit)) ** 2, axis=0)

    def shapes(self, flow: float, transit: np.ndarray) -> np.ndarray:
        """Signal per flow, (transit times, delays), for a flow that only shortens T1."""
        return gkm_difference_signal(flow, transit[:, None], self.delays[:, 0], self.constants) / flow

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        """The best transit time of a grid and its flow; the shape of the signal taken as linear in flow."""
        n_steps = max(2, round(self.latest / TRANSIT_TIME_STEP_MS))
        # Without the last point: pulsed labeling gives no signal at all when blood arrives with the readout.
        grid = np.linspace(0, self.latest, n_steps + 1)[:-1]
        low, high = (self.shapes(flow, grid) for flow in SEARCH_FLOWS)
        change, weights = (high - low) / (SEARCH_FLOWS[1] - SEARCH_FLOWS[0]), self.weights[:, 0]
        base = low - change * SEARCH_FLOWS[0]
        along_base, along_change = ((shape * weights) @ self.y for shape in (base, change))
        base_base, base_change, change_change = (
            np.sum(weights * a * b, axis=1)[:, None] for a, b in ((base, base), (base, change), (change, change))
        )
        flow = along_base / base_base
        for _ in range(2):
            bent = np.clip(flow, -SEARCH_FLOW_LIMIT, SEARCH_FLOW_LIMIT)
            along = along_base + bent * along_change
            norm = base_base + bent * (2 * base_change + bent * change_change)
            flow = along / norm
        best = np.argmax(along * along / norm, axis=0)
        return flow[best, np.arange(flow.shape[1])], grid[best]

    def zoomed(self, flow: np.ndarray, transit: np.ndarray, step_ms: float) -> tuple[np.ndarray, np.ndarray]:
        """The best of a transit time and its two neighbors, each with the flow that fits it best."""
        best = self._projected(flow, transit)
        for shift in (-step_ms, step_ms):
            other = self._projected(flow, np.clip(transit + shift, 0, self.latest))
            better = other[2] < best[2]
            best = tuple(np.where(better, new, old) for new, old in zip(other, best, strict=True))
        return best[0], best[1]

    def _projected(self, flow, transit):
        """Flow, transit time and sum of squares, flow taken as linear around the given one."""
        bent = np.clip(flow, -SEARCH_FLOW_LIMIT, SEARCH_FLOW_LIMIT)
        bent = np.where(np.abs(bent) < STEP_FLOW, STEP_FLOW, bent)  # no flow has no shape
        shape = self.model(bent, transit) / bent
        with np.errstate(divide="ignore", invalid="ignore"):
            new = np.sum(self.weights * shape * self.y, axis=0) / np.sum(self.weights * shape * shape, axis=0)
        new = np.where(np.isfinite(new), new, 0.0)
        return new, transit, np.sum(self.weights * (self.y - new * shape) ** 2, axis=0)

    def refined(self, flow: np.ndarray, transit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One Gauss-Newton step, or the quarter of it, taken only where it makes the sum of squares smaller.

        The step sets the transit time, to which the best flow is found anew: flow and transit time of blood that
        arrived early lie along a bent valley, which a straight step would leave.
        """
        value, by_flow, by_transit = self._derivatives(flow, transit)
        residual = self.y - value
        a, b, c = self._information(by_flow, by_transit)
        u, v = (np.sum(self.weights * slope * residual, axis=0) for slope in (by_flow, by_transit))
        with np.errstate(divide="ignore", invalid="ignore"):
            flow_step, transit_step = (c * u - b * v) / (a * c - b * b), (a * v - b * u) / (a * c - b * b)
        usable = np.isfinite(flow_step) & np.isfinite(transit_step)
        flow_step, transit_step = np.where(usable, flow_step, 0), np.where(usable, transit_step, 0)
        squares = np.sum(self.weights * residual**2, axis=0)
        start = flow, transit
        for share in (1.0, 0.25):
            new_transit = np.clip(start[1] + share * transit_step, 0, self.latest)
            new_flow = self._projected(start[0] + share * flow_step, new_transit)[0]
            new_squares = self.squares(new_flow, new_transit)
            better = new_squares < squares
            flow, transit = np.where(better, new_flow, flow), np.where(better, new_transit, transit)
            squares = np.where(better, new_squares, squares)
        return flow, transit

    def _derivatives(self, flow, transit):
        """The model and its slopes in flow and in transit time; each (delays, n)."""
        value = self.model(flow, transit)
        by_flow = (self.model(flow + STEP_FLOW, transit) - value) / STEP_FLOW
        return (
            value,
            by_flow,
            (self.model(flow, transit + STEP_MS) - self.model(flow, transit - STEP_MS)) / (2 * STEP_MS),
        )

    def _information(self, by_flow, by_transit):
        w = self.weights
        pairs = ((by_flow, by_flow), (by_flow, by_transit), (by_transit, by_transit))
        return tuple(np.sum(w * first * second, axis=0) for first, second in pairs)

    def standard_errors(self, flow, transit, variance) -> tuple[np.ndarray, np.ndarray]:
        """From the inverse of the information matrix, to which the searched range adds its own: it is a range of
        equally likely transit times, whose variance is a twelfth of its square.

        Before all of the bolus has arrived at every delay the signal tells the transit time, afterwards hardly. A fit
        just outside of that early range may belong inside: where its interval reaches in, the errors of inside hold.
        """
        flow_se, transit_se = self._errors_at(flow, transit, variance, self.latest)
        if self.early > 0:
            may_be_early = transit - EARLY_SE * transit_se <= self.early
            inside = np.minimum(transit, self.early - STEP_MS)  # so that the slope is that of inside
            early = self._errors_at(flow, inside, variance, self.early)
            flow_se, transit_se = (
                np.where(may_be_early, np.fmax(usual, other), usual)
                for usual, other in zip((flow_se, transit_se), early, strict=True)
            )
        return flow_se, transit_se

    def _errors_at(self, flow, transit, variance, range_ms: float) -> tuple[np.ndarray, np.ndarray]:
        _, by_flow, by_transit = self._derivatives(flow, transit)
        a, b, c = self._information(by_flow, by_transit)
        c = c + 12 * variance / range_ms**2
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
