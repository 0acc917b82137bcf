"""The general kinetic model against a convolution by numbers, and its fit against truth and another optimizer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from NPCResponseLib.asl_series import LabelingType
from NPCResponseLib.blood_flow_formula import continuous_flow_per_signal
from NPCResponseLib.kinetic_model import (
    KineticConstants,
    fit_kinetic_model,
    gkm_difference_signal,
    single_delay_bias,
)

CONTINUOUS = KineticConstants(1500.0)
PULSED = KineticConstants(700.0, labeling_efficiency=0.98, labeling_type=LabelingType.PASL)
BOTH = pytest.mark.parametrize("constants", [CONTINUOUS, PULSED], ids=["continuous", "pulsed"])
SIX_DELAYS_MS = np.array([500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0])
PULSED_DELAYS_MS = np.array([900.0, 1200.0, 1500.0, 1800.0, 2400.0, 3000.0])


def delays_of(constants):
    return PULSED_DELAYS_MS if constants.labeling_type is LabelingType.PASL else SIX_DELAYS_MS


def convolved(tbf, transit_ms, delay_ms, constants, n_steps=200_000):
    """Arrival of labeled blood, times what of it is still there and still labeled at readout, summed over time.

    Pulsed labeling inverts all of the bolus at time 0, so blood that arrives at t has decayed for t. Continuous
    labeling inverts blood as it passes, so that all of it has decayed for the transit time; readout is delay + duration
    after the start.
    """
    pulsed = constants.labeling_type is LabelingType.PASL
    readout_s = (delay_ms + (0 if pulsed else constants.label_duration_ms)) / 1000
    first_s, last_s = transit_ms / 1000, min(readout_s, (transit_ms + constants.label_duration_ms) / 1000)
    if last_s <= first_s:
        return 0.0
    step = (last_s - first_s) / n_steps
    time_s = first_s + step * (np.arange(n_steps) + 0.5)
    arriving = np.exp(-(time_s if pulsed else np.full(n_steps, first_s)) * 1000 / constants.t1_blood_ms)
    flow = tbf / 6000
    washed_out = np.exp(-flow / constants.partition_coefficient_ml_per_g * (readout_s - time_s))
    relaxed = np.exp(-(readout_s - time_s) * 1000 / constants.t1_tissue_ms)
    inverted = 2 * constants.labeling_efficiency / constants.partition_coefficient_ml_per_g
    return inverted * flow * float(np.sum(arriving * washed_out * relaxed)) * step


# -- the model --


@BOTH
@settings(max_examples=40, deadline=None)
@given(
    tbf=st.floats(0, 300),
    transit_ms=st.floats(0, 3500),
    delay_ms=st.floats(200, 3500),
    t1_tissue_ms=st.floats(700, 2500),
)
def test_the_closed_form_is_the_convolution(constants, tbf, transit_ms, delay_ms, t1_tissue_ms):
    constants = replace(constants, t1_tissue_ms=t1_tissue_ms)
    signal = gkm_difference_signal(tbf, transit_ms, delay_ms, constants)
    assert signal == pytest.approx(convolved(tbf, transit_ms, delay_ms, constants), rel=1e-8, abs=1e-14)


def test_pulsed_signal_where_blood_and_tissue_relax_alike():
    """1/T1 of blood = 1/T1 of tissue + f/lambda makes the general form 0/0; the bolus then simply adds up."""
    tbf, constants = 60.0, replace(PULSED, partition_coefficient_ml_per_g=0.9)
    t1_tissue_ms = 1000 / (1000 / constants.t1_blood_ms - tbf / 6000 / 0.9)
    signal = gkm_difference_signal(tbf, 500.0, 1800.0, replace(constants, t1_tissue_ms=t1_tissue_ms))
    expected = 2 * 0.98 * (tbf / 6000) / 0.9 * 0.7 * np.exp(-1800 / constants.t1_blood_ms)
    assert signal == pytest.approx(expected, rel=1e-7)


@BOTH
def test_no_signal_before_blood_arrives(constants):
    seen_at = 1000.0 + (0 if constants.labeling_type is LabelingType.PASL else constants.label_duration_ms)
    assert gkm_difference_signal(80.0, seen_at, 1000.0, constants) == 0
    assert gkm_difference_signal(80.0, seen_at - 1, 1000.0, constants) > 0


@given(tbf=st.floats(1, 100), transit_ms=st.floats(500, 2025), duration_ms=st.floats(1400, 1500))
def test_eq_2_is_within_4_percent_where_tissue_relaxes_as_blood(tbf, transit_ms, duration_ms):
    constants = KineticConstants(duration_ms, t1_tissue_ms=1650.0)
    per_signal = continuous_flow_per_signal(2025.0, duration_ms, 1650.0, 0.85, 0.9)
    assert per_signal * gkm_difference_signal(tbf, transit_ms, 2025.0, constants) == pytest.approx(tbf, rel=0.04)


def test_eq_2_is_low_by_more_where_blood_comes_at_once_and_flow_is_high():
    """Eq. 2 forgets that flow washes labeled blood out again: for 2.0 to 3.5 s at 100/6000/0.9 per second."""
    constants = KineticConstants(1500.0, t1_tissue_ms=1650.0)
    per_signal = continuous_flow_per_signal(2025.0, 1500.0, 1650.0, 0.85, 0.9)
    assert per_signal * gkm_difference_signal(100.0, 0.0, 2025.0, constants) == pytest.approx(95.2, abs=0.05)


def test_eq_2_is_exact_in_the_limit_of_no_flow():
    constants = KineticConstants(1500.0, t1_tissue_ms=1650.0)
    per_signal = continuous_flow_per_signal(2025.0, 1500.0, 1650.0, 0.85, 0.9)
    assert per_signal * gkm_difference_signal(1e-6, 1200.0, 2025.0, constants) == pytest.approx(1e-6, rel=1e-6)


# -- what one delay makes of it --

# Computed for this project before this code was, by another program: rows transit time, columns T1 of tissue.
BIAS_OF_THE_PAPER_S_PROTOCOL = [
    [0.336, 0.603, 0.717, 0.980],
    [0.435, 0.678, 0.774, 0.985],
    [0.563, 0.763, 0.837, 0.989],
    [0.728, 0.859, 0.904, 0.994],
    [0.572, 0.656, 0.684, 0.739],
]


def test_bias_of_one_delay_is_the_known_table():
    per_signal = continuous_flow_per_signal(2025.0, 1500.0, 1650.0, 0.85, 0.9)
    bias = single_delay_bias(2025.0, KineticConstants(1500.0), lambda signal: signal * per_signal)
    assert bias.transit_times_ms == (500, 1000, 1500, 2000, 2300)
    assert bias.t1_tissue_ms == (900, 1200, 1330, 1650)
    np.testing.assert_allclose(bias.ratios, BIAS_OF_THE_PAPER_S_PROTOCOL, atol=6e-4)
    assert "0.34 to 0.99" in bias.sentence
    assert "2025 ms" in bias.sentence


# -- the fit --


def grid_of_truths(low_ms, high_ms):
    tbf, transit_ms = np.meshgrid([5.0, 30.0, 60.0, 120.0, 250.0], np.linspace(low_ms, high_ms, 30))
    return tbf.ravel(), transit_ms.ravel()


@BOTH
def test_the_fit_of_clean_signals_is_the_truth(constants):
    tbf, transit_ms = grid_of_truths(550, 2300)
    delays = delays_of(constants)
    fit = fit_kinetic_model(gkm_difference_signal(tbf, transit_ms, delays[:, None], constants), delays, constants)
    np.testing.assert_allclose(fit.tbf_ml_per_100g_min, tbf, rtol=2e-4)
    np.testing.assert_allclose(fit.transit_time_ms, transit_ms, atol=1)
    assert not fit.transit_time_at_limit.any()


def test_the_fit_of_clean_signals_is_the_truth_even_where_all_blood_came_early():
    """Only the bend that flow gives the decay tells the transit time there."""
    tbf, transit_ms = grid_of_truths(50, 450)
    signals = gkm_difference_signal(tbf, transit_ms, SIX_DELAYS_MS[:, None], CONTINUOUS)
    fit = fit_kinetic_model(signals, SIX_DELAYS_MS, CONTINUOUS)
    np.testing.assert_allclose(fit.tbf_ml_per_100g_min, tbf, rtol=1e-3)
    assert fit.is_early.all()


def sum_of_squares(y, tbf, transit_ms, delays, constants):
    return float(np.sum((y - gkm_difference_signal(tbf, transit_ms, delays, constants)) ** 2))


@BOTH
@pytest.mark.parametrize("relative_noise", [0.02, 0.1, 0.3])
def test_no_other_optimizer_finds_a_better_fit(constants, relative_noise):
    rng, delays = np.random.default_rng(3), delays_of(constants)
    n = 25
    tbf, transit_ms = rng.uniform(10, 200, n), rng.uniform(300, 2300, n)
    signals = gkm_difference_signal(tbf, transit_ms, delays[:, None], constants)
    sigma = relative_noise * signals.max(axis=0)
    signals = signals + sigma * rng.normal(size=signals.shape)
    fit = fit_kinetic_model(signals, delays, constants)
    latest = 2400.0 if constants is PULSED else 3000.0
    for v in range(n):
        y, scale = signals[:, v], sigma[v]

        def residuals(p, y=y, scale=scale):
            return (y - gkm_difference_signal(p[0], p[1], delays, constants)) / scale

        best = min(
            2
            * optimize.least_squares(residuals, (60, start), bounds=((-900, 0), (2000, latest)), x_scale=(10, 100)).cost
            for start in np.arange(100, latest, 300)
        )
        ours = sum_of_squares(y, fit.tbf_ml_per_100g_min[v], fit.transit_time_ms[v], delays, constants) / scale**2
        # A twentieth of a chi-square unit is a fifth of a standard error.
        assert ours <= best + 0.05


@BOTH
@pytest.mark.parametrize("tbf", [40.0, 80.0, 150.0])
@pytest.mark.parametrize("transit_ms", [700.0, 1100.0, 1600.0])
def test_flow_and_transit_time_at_a_signal_to_noise_of_50(constants, tbf, transit_ms):
    """The largest of the six differences over the noise of each."""
    delays = delays_of(constants)
    clean = gkm_difference_signal(tbf, transit_ms, delays[:, None], constants)
    noise = np.random.default_rng(5).normal(scale=clean.max() / 50, size=(6, 8_000))
    fit = fit_kinetic_model(clean + noise, delays, constants)
    assert fit.tbf_ml_per_100g_min.mean() == pytest.approx(tbf, rel=0.02)
    assert np.sqrt(np.mean((fit.transit_time_ms - transit_ms) ** 2)) < 50
    # 8000 intervals: one binomial standard deviation is 0.24 %
    factor = stats.t.ppf(0.975, fit.degrees_of_freedom)
    for values, errors, truth in (
        (fit.tbf_ml_per_100g_min, fit.tbf_se, tbf),
        (fit.transit_time_ms, fit.transit_time_se_ms, transit_ms),
    ):
        assert 0.93 <= np.mean(np.abs(values - truth) <= factor * errors) <= 0.97


def test_intervals_stay_wide_where_all_blood_came_early():
    clean = gkm_difference_signal(60.0, 300.0, SIX_DELAYS_MS[:, None], CONTINUOUS)
    noise = np.random.default_rng(6).normal(scale=clean.max() / 50, size=(6, 8_000))
    fit = fit_kinetic_model(clean + noise, SIX_DELAYS_MS, CONTINUOUS)
    factor = stats.t.ppf(0.975, 4)
    assert np.mean(np.abs(fit.tbf_ml_per_100g_min - 60) <= factor * fit.tbf_se) >= 0.93
    assert np.mean(np.abs(fit.transit_time_ms - 300) <= factor * fit.transit_time_se_ms) >= 0.93


@BOTH
def test_noise_alone_is_no_flow_on_average(constants):
    noise = np.random.default_rng(7).normal(scale=1e-3, size=(6, 20_000))
    fit = fit_kinetic_model(noise, delays_of(constants), constants)
    flow = fit.tbf_ml_per_100g_min
    usual = np.clip(flow, *np.percentile(np.abs(flow), 99) * np.array((-1, 1)))  # few shoot far out
    assert abs(usual.mean()) < 4 * usual.std() / np.sqrt(usual.size)
    assert np.mean(flow < 0) == pytest.approx(0.5, abs=0.02)


def test_swapped_control_and_label_give_the_flow_with_the_other_sign():
    clean = gkm_difference_signal(60.0, 1200.0, SIX_DELAYS_MS[:, None], CONTINUOUS)
    fit = fit_kinetic_model(-clean, SIX_DELAYS_MS, CONTINUOUS)
    assert fit.tbf_ml_per_100g_min[0] == pytest.approx(-60, rel=0.05)
    assert fit.transit_time_ms[0] == pytest.approx(1200, abs=50)


@BOTH
def test_blood_that_arrives_too_late_is_told(constants):
    """Continuous: after the longest delay. Pulsed: only the last of the images sees it, and any flow explains one."""
    delays = delays_of(constants)
    truth = 2600.0 if constants is PULSED else 3400.0
    clean = gkm_difference_signal(80.0, truth, delays[:, None], constants)
    noise = np.random.default_rng(8).normal(scale=clean.max() / 100, size=(6, 500))
    assert fit_kinetic_model(clean + noise, delays, constants).is_late.mean() > 0.95


def test_repeats_by_their_means_are_the_same_fit_as_all_of_them():
    rng = np.random.default_rng(9)
    n_repeats = np.array([2, 5, 3, 1, 4, 2])
    each_delay = np.repeat(SIX_DELAYS_MS, n_repeats)
    y = gkm_difference_signal(70.0, 1250.0, each_delay[:, None], CONTINUOUS) + rng.normal(scale=4e-4, size=(17, 50))
    parts = np.split(y, np.cumsum(n_repeats)[:-1])
    within = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in parts)
    means = np.stack([part.mean(axis=0) for part in parts])
    singly = fit_kinetic_model(y, each_delay, CONTINUOUS)
    pooled = fit_kinetic_model(means, SIX_DELAYS_MS, CONTINUOUS, n_repeats=n_repeats, within_sum_of_squares=within)
    assert singly.degrees_of_freedom == pooled.degrees_of_freedom == 15
    np.testing.assert_allclose(pooled.tbf_ml_per_100g_min, singly.tbf_ml_per_100g_min, rtol=1e-5)
    np.testing.assert_allclose(pooled.tbf_se, singly.tbf_se, rtol=1e-4)
    np.testing.assert_allclose(pooled.transit_time_se_ms, singly.transit_time_se_ms, rtol=1e-4)


def test_two_delays_without_repeats_have_no_standard_error():
    delays = np.array([1500.0, 2500.0])
    fit = fit_kinetic_model(gkm_difference_signal(70.0, 1800.0, delays[:, None], CONTINUOUS), delays, CONTINUOUS)
    assert fit.degrees_of_freedom == 0
    assert np.isnan(fit.tbf_se).all()
    assert fit.tbf_ml_per_100g_min[0] == pytest.approx(70, rel=1e-3)


def test_signals_of_zero_are_zero_flow():
    fit = fit_kinetic_model(np.zeros((6, 3)), SIX_DELAYS_MS, CONTINUOUS)
    assert (fit.tbf_ml_per_100g_min == 0).all()
