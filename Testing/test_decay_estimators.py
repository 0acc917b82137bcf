"""The formulas under the R2* fit, each against something independent."""

import numpy as np
import pytest
from scipy import optimize, special

from NPCResponseLib import decay_estimators as estimators
from NPCResponseLib.decay_estimators import DecayTimes
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician

UNEVEN = (3.0, 5.5, 11.0, 20.0, 41.0)


def test_excess_of_the_rice_mean_is_that_of_the_bessel_functions():
    amplitude = np.linspace(0, 30, 3001)
    x = amplitude**2 / 4
    mean = np.sqrt(np.pi / 2) * ((1 + 2 * x) * special.ive(0, x) + 2 * x * special.ive(1, x))
    p = 1 / (amplitude**2 + 1)
    excess = p**1.5 * np.polynomial.polynomial.polyval(p, estimators.RICE_EXCESS)
    assert np.abs(mean - np.sqrt(amplitude**2 + 1) - excess).max() < 1e-3


@pytest.mark.parametrize("echo_times_ms", [PAPER_ECHO_TIMES_MS, UNEVEN])
def test_least_squares_is_that_of_scipy(echo_times_ms):
    times = DecayTimes.of(echo_times_ms)
    y = np.stack(rician(decays(np.full(20, 60.0), 30.0, echo_times_ms), 1.0, np.random.default_rng(0))).astype(float)
    for noise_power in (0.0, 1.0):
        a, rho = estimators.refine(y, np.ones(20), noise_power, times)
        for voxel in range(20):

            def residual(parameters, voxel=voxel, noise_power=noise_power):
                signal = parameters[0] * np.exp(-parameters[1] * times.u)
                return np.sqrt(signal**2 + noise_power) - y[:, voxel]

            peer = optimize.least_squares(residual, (y[0, voxel], 1.0), method="lm", xtol=1e-12)
            np.testing.assert_allclose((a[voxel], rho[voxel]), peer.x, rtol=2e-5)


def test_predicted_bias_is_the_bias_that_is_found():
    times = DecayTimes.of(PAPER_ECHO_TIMES_MS)
    n = 60_000
    y = np.stack(rician(decays(np.full(n, 70.0), 20.0), 1.0, np.random.default_rng(1))).astype(float)
    _, rho = estimators.refine(y, np.full(n, 1.5), 1.0, times)
    truth = np.array([70.0 * times.range_s])
    first = np.array([20 * np.exp(-70.0 * times.first_s)])
    found = rho.mean() - truth[0]
    predicted = estimators.noise_floor_rate_bias(first, truth, 1.0, times)[0]
    assert found > 5 * rho.std() / np.sqrt(n)  # there is something to predict
    assert predicted == pytest.approx(found, abs=4 * rho.std() / np.sqrt(n))


def test_quality_of_a_fit_foretells_its_last_step():
    times = DecayTimes.of(UNEVEN)
    y = np.stack(rician(decays(np.full(50, 40.0), 60.0, UNEVEN), 1.0, np.random.default_rng(2))).astype(float)
    a, rho = estimators.refine(y, np.ones(50), 1.0, times)
    near = estimators.fit_quality(y, a * 1.001, rho + 0.001, 1.0, times)
    exact = estimators.fit_quality(y, a, rho, 1.0, times)
    np.testing.assert_allclose(near.residual_power - near.step_gain, exact.residual_power, rtol=1e-3)
    np.testing.assert_allclose(near.rate_step, -0.001, rtol=0.15)  # Gauss-Newton leaves out the second derivative
    np.testing.assert_allclose(near.rate_variance, exact.rate_variance, rtol=0.01)


@pytest.mark.parametrize("echo_times_ms", [PAPER_ECHO_TIMES_MS, UNEVEN])
def test_arlo_integrates_parabolas_exactly(echo_times_ms):
    times = DecayTimes.of(echo_times_ms)
    integral, loss, _ = estimators._arlo_operators(times)
    parabola = 2 - 3 * times.u + 4 * times.u**2
    primitive = 2 * times.u - 1.5 * times.u**2 + 4 / 3 * times.u**3
    np.testing.assert_allclose(integral @ parabola, primitive[2:] - primitive[:-2])
    np.testing.assert_allclose(loss @ parabola, parabola[:-2] - parabola[2:])
