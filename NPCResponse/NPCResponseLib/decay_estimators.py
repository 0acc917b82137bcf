"""Estimators of a mono-exponential decay, vectorized over voxels.

All functions take signals ``y`` of shape (n_echoes, n_voxels) and a :class:`DecayTimes`, and work on the dimensionless
rate ``rho = R2* x (last TE - first TE)`` with amplitude ``a`` at the first echo, so that the numbers stay near one
whatever the protocol. Rates of rising signals come out negative; judging them is the caller's business.

An optional ``attenuation`` (n_echoes, n_voxels) multiplies the exponential: the known dephasing of a field gradient.
"""

from dataclasses import dataclass, fields

import numpy as np

Array = np.ndarray

# The mean of a Rician magnitude exceeds m = sqrt(A^2 + sigma^2) by sigma p^1.5 f(p) with p = (sigma / m)^2. These are
# the coefficients of f, fitted to the exact mean (to 0.001 sigma).
RICE_EXCESS = (0.20650612, 1.73219138, -4.59704185, 4.43126427, -1.52055593)

MAX_REFINEMENTS = 60
MAX_RATE = 200.0  # exp(-200) is 1e-87: any faster decay is indistinguishable from "gone at the second echo"


@dataclass(frozen=True)
class DecayTimes:
    """Echo times in the working precision.

    Attributes:
        first_s: first echo time (s).
        range_s: last minus first echo time (s).
        uniform: whether the echoes are equally spaced.
        u: (n_echoes,) echo times scaled to 0..1.
        powers: (5, n_echoes) u**0 .. u**4, for weighted sums as one matrix product.
    """

    first_s: float
    range_s: float
    uniform: bool
    u: Array
    powers: Array

    @classmethod
    def of(cls, echo_times_ms: tuple[float, ...], dtype: type = np.float64) -> "DecayTimes":
        times_s = np.asarray(echo_times_ms, dtype=np.float64) / 1000.0
        range_s = times_s[-1] - times_s[0]
        u = (times_s - times_s[0]) / range_s
        powers = np.vstack([u**power for power in range(5)]).astype(dtype)
        uniform = bool(np.allclose(np.diff(u), u[1], rtol=1e-6))
        return cls(float(times_s[0]), float(range_s), uniform, u.astype(dtype), powers)

    @property
    def n_echoes(self) -> int:
        return self.u.size


def decay(rho: Array, times: DecayTimes, attenuation: Array | None = None) -> Array:
    """exp(-rho u), times the attenuation; shape (n_echoes, n_voxels)."""
    if times.uniform:  # one exponential instead of one per echo
        e = np.empty((times.n_echoes, *rho.shape), dtype=rho.dtype)
        e[0] = 1
        np.exp(-times.u[1] * rho, out=e[1])
        for echo in range(2, times.n_echoes):
            np.multiply(e[echo - 1], e[1], out=e[echo])
    else:
        e = np.exp(np.multiply.outer(-times.u, rho))
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
    (measured: -3.1 Hz against -0.8 Hz at SNR 20). This is WLS1 of the hMRI toolbox (Edwards et al., Proc ISMRM 2022,
    1264).
    """
    _, rho = log_linear(y, times)
    return log_linear(y, times, np.exp(np.multiply.outer(-2 * times.u, np.clip(rho, -MAX_RATE / 8, MAX_RATE / 8))))


def arlo(y: Array, times: DecayTimes) -> tuple[Array, Array]:
    """Auto-regression on linear operations (Pei et al., Magn Reson Med 2015;73:843, eq. 8); returns (a, rho).

    For an exponential, the integral over three neighboring echoes is T2* times the signal lost between the outer two.
    Simpson's rule gives the integral; here with the weights for unequal spacing, so that any echo times will do.
    """
    rho = arlo_rate(y, times)
    return project_amplitude(y, decay(np.clip(rho, -MAX_RATE / 8, MAX_RATE), times)), rho


def arlo_rate(y: Array, times: DecayTimes) -> Array:
    """The rate alone: a start value for the iterations."""
    if times.n_echoes == 2:
        return log_linear(y, times)[1]
    integral, loss, alpha = _arlo_operators(times)
    s, d = integral @ y, loss @ y
    ss, sd, dd = (_dot(s, s), _dot(s, d), _dot(d, d))
    return (alpha * dd + sd) / (ss + alpha * sd)


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
        (a, step): the amplitude, carried along to the stepped rate to first order, and the step of rho.
    """
    e = decay(rho, times, attenuation)
    p0, p1 = times.powers[:2] @ (y * e)
    e *= e
    s0, s1, s2 = times.powers[:3] @ e
    a, mean_u = p0 / s0, s1 / s0
    step = (a * s1 - p1) / (a * (s2 - s1 * mean_u))
    return a * (1 + step * mean_u), step


def noise_floor_step(y: Array, a: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation=None):
    """One Gauss-Newton step of least squares on y = sqrt((a e)^2 + sigma^2), the magnitude signal on its noise floor.

    The inverse of the correction sqrt(M^2 - sigma^2) of a Rician magnitude (Gudbjartsson & Patz, Magn Reson Med
    1995;34:910). As a model it needs no root of a negative number, biases the rate little and costs no precision
    (docs/accuracy.md).

    Returns:
        (step of a, step of rho).
    """
    g, model = _model_and_slope(a, rho, noise_power, times, attenuation)
    residual = np.subtract(y, model, out=model)
    residual *= g
    b0, b1 = times.powers[:2] @ residual
    g *= g
    g0, g1, g2 = times.powers[:3] @ g
    determinant = g0 * g2 - g1 * g1
    return (g2 * b0 - g1 * b1) / determinant, (g1 * b0 - g0 * b1) / (determinant * a)


def _model_and_slope(a: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation):
    """(d model / d a, model) of sqrt((a e)^2 + sigma^2), each (n_echoes, n_voxels); in place, for speed."""
    g = decay(rho, times, attenuation)
    signal = a * g
    if noise_power == 0:
        return g, signal
    model = signal * signal
    model += noise_power
    np.sqrt(model, out=model)
    g *= signal
    g /= model
    return g, model


# ---- many steps, for the few voxels that need them -------------------------------------------------------------------


def refine(
    y: Array,
    rho: Array,
    noise_power: float,
    times: DecayTimes,
    attenuation: Array | None = None,
    tolerance: float = 1e-7,
):
    """Damped iteration to convergence (relative ``tolerance``) in double precision; returns (a, rho).

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
            if np.all(np.abs(drho) <= tolerance * (1 + np.abs(rho))):
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
    """Per voxel, seen from parameters near the optimum; all arrays (n_voxels,).

    Attributes:
        amplitude_step, rate_step: the Gauss-Newton step that is left to the optimum.
        residual_power: sum of squared residuals; step_gain: by how much that step lowers it.
        rate_variance: variance of rho per unit noise variance.
        curvature_score, curvature_information: score and Fisher information (both per unit noise variance) of a term
            -c u^2 in the exponent, orthogonal to amplitude and rate. score / information estimates c.
        curvature_to_rate: the bias of rho per unit of an ignored c.
    """

    amplitude_step: Array
    rate_step: Array
    residual_power: Array
    step_gain: Array
    rate_variance: Array
    curvature_score: Array
    curvature_information: Array
    curvature_to_rate: Array

    def replace(self, voxels: Array, other: "FitQuality") -> None:
        """Takes over the values of another evaluation for some voxels."""
        for field in fields(self):
            getattr(self, field.name)[voxels] = getattr(other, field.name)


def fit_quality(y: Array, a: Array, rho: Array, noise_power: float, times: DecayTimes, attenuation=None) -> FitQuality:
    """Residual, last step, precision of the rate, and evidence of curvature in the logarithm of the signal.

    One pass over the echoes gives all of it: near the optimum the cost is a parabola, so what changes with the last
    step is known without another pass.
    """
    g, model = _model_and_slope(a, rho, noise_power, times, attenuation)
    residual = np.subtract(y, model, out=model)
    residual_power = _dot(residual, residual)
    residual *= g
    b0, b1, b2 = times.powers[:3] @ residual
    g *= g
    g0, g1, g2, g3, g4 = times.powers @ g
    per_determinant = 1 / (g0 * g2 - g1 * g1)
    amplitude_step = (g2 * b0 - g1 * b1) * per_determinant
    slope_step = (g0 * b1 - g1 * b0) * per_determinant  # of -a rho
    on_amplitude = (g2 * g2 - g1 * g3) * per_determinant
    on_rate = (g0 * g3 - g1 * g2) * per_determinant
    power = a * a
    return FitQuality(
        amplitude_step=amplitude_step,
        rate_step=-slope_step / a,
        residual_power=residual_power,
        step_gain=amplitude_step * b0 + slope_step * b1,
        rate_variance=g0 * per_determinant / power,
        curvature_score=a * (on_amplitude * b0 + on_rate * b1 - b2),
        curvature_information=np.maximum(power * (g4 - on_amplitude * g2 - on_rate * g3), 0),
        curvature_to_rate=on_rate,
    )


def spread_over_echoes(y: Array, times: DecayTimes) -> Array:
    """Sum of squared deviations of each voxel's signals from their mean: what R^2 is a share of."""
    ones = times.powers[0]
    return ones @ np.square(y) - np.square(ones @ y) / times.n_echoes


def noise_floor_rate_bias(a: Array, rho: Array, sigma: float, times: DecayTimes, attenuation=None) -> Array:
    """Expected error of the rate fitted by :func:`noise_floor_step`, to second order in the noise.

    Two parts, both known once the fit is. The curved model bends noise into the rate: Box's bias of non-linear least
    squares (J R Stat Soc B 1971;33:171), -1/2 sigma^2 C J' v with v_i = trace(C H_i), where C is the covariance per
    unit noise, J the Jacobian and H_i the Hessian of echo i. And the mean of a Rician magnitude lies a little above
    sqrt(A^2 + sigma^2), by up to 0.25 sigma, which C J' carries into the rate. Subtracting their sum leaves |bias|
    below 0.1 Hz for 30-70 Hz at SNR 20 (0.46 Hz before), and does not cost precision.
    """
    s = a * decay(rho, times, attenuation)
    p = s * s  # with m the model: p = (sigma / m)^2, z = s^2 / m, so that dm/da = z / a and dm/drho = -u z
    inverse_m = 1 / np.sqrt(p + sigma**2)
    z = p * inverse_m
    np.square(sigma * inverse_m, out=p)
    excess = np.full_like(p, RICE_EXCESS[-1])
    for coefficient in RICE_EXCESS[-2::-1]:
        excess *= p
        excess += coefficient
    excess *= p * inverse_m * z * sigma**2
    d0, d1 = times.powers[:2] @ excess
    np.square(z, out=z)
    q0, q1, q2, q3 = times.powers[:4] @ z
    z *= p
    p0, p1, p2, p3 = times.powers[:4] @ z
    # Covariance of (a, rho) per unit noise, in units of a.
    determinant = q0 * q2 - q1 * q1
    c_aa, c_ar, c_rr = q2 / determinant, q1 / determinant, q0 / determinant
    bend0 = c_aa * p0 - 2 * c_ar * (q1 + p1) + c_rr * (q2 + p2)
    bend1 = c_aa * p1 - 2 * c_ar * (q2 + p2) + c_rr * (q3 + p3)
    half_power = 0.5 * sigma**2
    return c_ar * (d0 - half_power * bend0) - c_rr * (d1 - half_power * bend1)


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
