"""Estimators of a mono-exponential decay, vectorized over voxels.

All functions take signals ``y`` of shape (n_echoes, n_voxels) and a :class:`DecayTimes`, and work on the dimensionless
rate ``rho = R2* x (last TE - first TE)`` with amplitude ``a`` at the first echo, so that the numbers stay near one
whatever the protocol. Rates of rising signals come out negative; judging them is the caller's business.

An optional ``attenuation`` (n_echoes, n_voxels) multiplies the exponential: the known dephasing of a field gradient.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

MAX_REFINEMENTS = 60
MAX_RATE = 200.0  # exp(-200) is 1e-87: any faster decay is indistinguishable from "gone at the second echo"


@dataclass(frozen=True)
class DecayTimes:
    """Echo times in the working precision.

    Attributes:
        first_s: first echo time (s).
        range_s: last minus first echo time (s).
        u: (n_echoes,) echo times scaled to 0..1.
        powers: (5, n_echoes) u**0 .. u**4, for weighted sums as one matrix product.
    """

    first_s: float
    range_s: float
    u: Array
    powers: Array

    @classmethod
    def of(cls, echo_times_ms: tuple[float, ...], dtype: type = np.float64) -> "DecayTimes":
        times_s = np.asarray(echo_times_ms, dtype=np.float64) / 1000.0
        range_s = times_s[-1] - times_s[0]
        u = (times_s - times_s[0]) / range_s
        return cls(
            float(times_s[0]), float(range_s), u.astype(dtype), np.vstack([u**p for p in range(5)]).astype(dtype)
        )

    @property
    def n_echoes(self) -> int:
        return self.u.size


def decay(rho: Array, times: DecayTimes, attenuation: Array | None = None) -> Array:
    """exp(-rho u), times the attenuation; shape (n_echoes, n_voxels)."""
    e = np.multiply.outer(-times.u, rho)
    np.exp(e, out=e)
    if attenuation is not None:
        e *= attenuation
    return e


# ---- closed forms ----------------------------------------------------------------------------------------------------


def log_linear(y: Array, times: DecayTimes, weights: Array | None = None) -> tuple[Array, Array]:
    """Straight line through ln(y); returns (a, rho). Echoes that are not positive get no weight."""
    positive = y > 0
    w = positive.astype(y.dtype) if weights is None else np.where(positive, weights, 0)
    log_y = np.log(np.where(positive, y, 1))
    s0, s1, s2 = times.powers[:3] @ w
    b0, b1 = times.powers[:2] @ (w * log_y)
    determinant = s0 * s2 - s1 * s1
    slope = (s0 * b1 - s1 * b0) / determinant
    return np.exp((b0 - slope * s1) / s0), -slope


def weighted_log_linear(y: Array, times: DecayTimes) -> tuple[Array, Array]:
    """Log-linear with the weights that make it efficient: the squared signal *of the unweighted fit*.

    Weights from the measured signal instead would bias the rate, because noise enters line and weight together
    (measured: -3.1 Hz against -0.8 Hz at SNR 20). This is WLS1 of Edwards et al., Magn Reson Med 2022 (hMRI).
    """
    _, rho = log_linear(y, times)
    return log_linear(y, times, np.exp(np.multiply.outer(-2 * times.u, np.clip(rho, -MAX_RATE / 8, MAX_RATE / 8))))


def arlo(y: Array, times: DecayTimes) -> tuple[Array, Array]:
    """Auto-regression on linear operations (Pei et al., Magn Reson Med 2015;73:843, eq. 8); returns (a, rho).

    For an exponential, the integral over three neighboring echoes is T2* times the signal lost between the outer two.
    Simpson's rule gives the integral; here with the weights for unequal spacing, so that any echo times will do.
    """
    if times.n_echoes == 2:
        return log_linear(y, times)
    integral, loss, alpha = _arlo_operators(times)
    s, d = integral @ y, loss @ y
    ss, sd, dd = (_dot(s, s), _dot(s, d), _dot(d, d))
    rho = (alpha * dd + sd) / (ss + alpha * sd)
    return project_amplitude(y, decay(np.clip(rho, -MAX_RATE / 8, MAX_RATE), times)), rho


def _dot(x: Array, y: Array) -> Array:
    return np.einsum("ij,ij->j", x, y)


def _arlo_operators(times: DecayTimes) -> tuple[Array, Array, float]:
    """Matrices (n_echoes - 2, n_echoes) that integrate and difference each triple of echoes, and Pei's weight."""
    n, u = times.n_echoes, times.u.astype(np.float64)
    integral, loss = np.zeros((n - 2, n)), np.zeros((n - 2, n))
    for i in range(n - 2):
        h, k = u[i + 1] - u[i], u[i + 2] - u[i + 1]
        integral[i, i : i + 3] = (h + k) / 6 * np.array([2 - k / h, (h + k) ** 2 / (h * k), 2 - h / k])
        loss[i, [i, i + 2]] = 1, -1
    alpha = 1.0 / (3 * (n - 1))  # a third of the mean echo spacing
    return integral.astype(times.u.dtype), loss.astype(times.u.dtype), alpha


def project_amplitude(y: Array, e: Array) -> Array:
    """Least-squares amplitude of y on the decay e."""
    return _dot(y, e) / _dot(e, e)


# ---- iterative: one Gauss-Newton step each ---------------------------------------------------------------------------


def variable_projection_step(y: Array, rho: Array, times: DecayTimes, attenuation: Array | None = None):
    """One Gauss-Newton step of non-linear least squares on y = a e(rho), the amplitude projected out.

    Variable projection (Golub & Pereyra, SIAM J Numer Anal 1973;10:413) with Kaufman's simplified Jacobian: with
    d = u e and d' its part orthogonal to e, the step is -(r.d) / (a d'.d').

    Returns:
        (a, step): the amplitude at the present rate, and the step of rho.
    """
    e = decay(rho, times, attenuation)
    p0, p1 = times.powers[:2] @ (y * e)
    e *= e
    s0, s1, s2 = times.powers[:3] @ e
    a = p0 / s0
    return a, (a * s1 - p1) / (a * (s2 - s1 * s1 / s0))


def noise_floor_step(y: Array, a: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation=None):
    """One Gauss-Newton step of least squares on y = sqrt((a e)^2 + sigma^2), the magnitude signal on its noise floor.

    The root of the second moment of a Rician magnitude (Gudbjartsson & Patz, Magn Reson Med 1995;34:910) is a model
    with nearly no bias of its rate and nearly no loss of precision (see docs/accuracy.md for the measurement).

    Returns:
        (step of a, step of rho).
    """
    g = decay(rho, times, attenuation)
    signal = a * g
    model = np.sqrt(signal * signal + noise_power)
    g *= signal
    g /= model  # d model / d a = e (a e) / model
    b0, b1 = times.powers[:2] @ (g * (y - model))
    g *= g
    g0, g1, g2 = times.powers[:3] @ g
    determinant = g0 * g2 - g1 * g1
    return (g2 * b0 - g1 * b1) / determinant, (g1 * b0 - g0 * b1) / (determinant * a)


# ---- many steps, for the few voxels that need them -------------------------------------------------------------------


def refine(y: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation: Array | None = None):
    """Damped iteration to convergence in double precision; returns (a, rho).

    Starts from the better of ``rho`` and the weighted log-linear rate, takes only steps that lower the cost, and halves
    those that do not.
    """
    if y.shape[1] == 0:
        return np.zeros(0), np.zeros(0)
    rho = np.clip(np.nan_to_num(rho, nan=1.0), -MAX_RATE / 8, MAX_RATE)
    with np.errstate(all="ignore"):
        other = np.clip(np.nan_to_num(weighted_log_linear(y, times)[1], nan=1.0), -MAX_RATE / 8, MAX_RATE)
        a, cost = _amplitude_and_cost(y, rho, noise_power, times, attenuation)
        a_other, cost_other = _amplitude_and_cost(y, other, noise_power, times, attenuation)
        better = cost_other < cost
        a, rho, cost = (np.where(better, x, z) for x, z in ((a_other, a), (other, rho), (cost_other, cost)))
        damping = np.ones_like(rho)
        for _ in range(MAX_REFINEMENTS):
            if noise_power > 0:
                da, drho = noise_floor_step(y, a, rho, noise_power, times, attenuation)
            else:
                drho = variable_projection_step(y, rho, times, attenuation)[1]
            drho = np.clip(np.nan_to_num(drho), -2.0 - 0.5 * np.abs(rho), 2.0 + 0.5 * np.abs(rho)) * damping
            rho_next = np.clip(rho + drho, -MAX_RATE / 8, MAX_RATE)
            if noise_power > 0:
                a_next = np.maximum(a + np.nan_to_num(da) * damping, 0.1 * a)
                cost_next = _cost(y, a_next * decay(rho_next, times, attenuation), noise_power)
            else:
                a_next, cost_next = _amplitude_and_cost(y, rho_next, 0.0, times, attenuation)
            accept = cost_next <= cost * (1 + 1e-12)
            a, rho, cost = (np.where(accept, x, z) for x, z in ((a_next, a), (rho_next, rho), (cost_next, cost)))
            damping = np.where(accept, np.minimum(1.0, 2 * damping), 0.5 * damping)
            if np.all(np.abs(drho) <= 1e-7 * (1 + np.abs(rho))):
                break
    return a, rho


def _amplitude_and_cost(y, rho, noise_power, times, attenuation):
    e = decay(rho, times, attenuation)
    a = np.abs(project_amplitude(y, e))
    return a, _cost(y, a * e, noise_power)


def _cost(y: Array, signal: Array, noise_power: float) -> Array:
    residual = y - (np.sqrt(signal * signal + noise_power) if noise_power > 0 else signal)
    return _dot(residual, residual)


# ---- what the fit tells at its optimum -------------------------------------------------------------------------------


@dataclass(frozen=True)
class FitQuality:
    """Per voxel, at the optimum; all arrays (n_voxels,).

    Attributes:
        residual_power: sum of squared residuals.
        rate_variance: variance of rho per unit noise variance.
        curvature_score, curvature_information: score and Fisher information (both per unit noise variance) of a term
            -c u^2 in the exponent, orthogonal to amplitude and rate. score / information estimates c.
        curvature_to_rate: the bias of rho per unit of an ignored c.
    """

    residual_power: Array
    rate_variance: Array
    curvature_score: Array
    curvature_information: Array
    curvature_to_rate: Array


def fit_quality(y: Array, a: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation=None) -> FitQuality:
    """Residual, precision of the rate, and evidence of curvature in the logarithm of the signal."""
    g = decay(rho, times, attenuation)
    signal = a * g
    if noise_power > 0:
        model = np.sqrt(signal * signal + noise_power)
        g *= signal
        g /= model
    else:
        model = signal
    residual = y - model
    b0, b1, b2 = times.powers[:3] @ (g * residual)
    g *= g
    g0, g1, g2, g3, g4 = times.powers @ g
    determinant = g0 * g2 - g1 * g1
    on_amplitude = (g2 * g2 - g1 * g3) / determinant
    on_rate = (g0 * g3 - g1 * g2) / determinant
    return FitQuality(
        residual_power=_dot(residual, residual),
        rate_variance=g0 / (determinant * a * a),
        curvature_score=-a * (b2 - on_amplitude * b0 - on_rate * b1),
        curvature_information=np.maximum(a * a * (g4 - on_amplitude * g2 - on_rate * g3), 0),
        curvature_to_rate=on_rate,
    )


def log_linear_rate_variance(signal: Array, times: DecayTimes) -> Array:
    """Variance of the unweighted log-linear rate per unit noise variance, for the fitted signal: sum (c_i / S_i)^2."""
    centered = times.u - times.u.mean()
    coefficients = centered / (centered @ centered)
    return np.square(coefficients[:, None] / signal).sum(axis=0)


def arlo_rate_variance(y: Array, rho: Array, times: DecayTimes) -> Array:
    """Variance of the ARLO rate per unit noise variance, by propagation through its closed form."""
    if times.n_echoes == 2:
        return log_linear_rate_variance(y, times)
    integral, loss, alpha = _arlo_operators(times)
    s, d = integral @ y, loss @ y
    mixed = integral.T @ d + loss.T @ s
    denominator = _dot(s, s) + alpha * _dot(s, d)
    gradient = (2 * alpha * (loss.T @ d) + mixed - rho * (2 * (integral.T @ s) + alpha * mixed)) / denominator
    return _dot(gradient, gradient)
