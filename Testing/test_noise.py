"""The noise level found in images of known noise."""

import numpy as np
import pytest

from NPCResponseLib.noise import estimate_noise_sigma
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician


def head(snr, seed, air=True, shape=(8, 80, 80)):
    rng = np.random.default_rng(seed)
    s0 = snr * rng.uniform(0.5, 1.5, shape)
    if air:
        s0[:, :12] = 0
    return rician(decays(rng.uniform(20, 80, shape), s0), 1.0, rng)


@pytest.mark.parametrize("snr", [20, 50, 200])
def test_air_tells_the_noise_to_two_percent(snr):
    estimate = estimate_noise_sigma(head(snr, seed=snr), PAPER_ECHO_TIMES_MS)
    assert "air" in estimate.source
    assert estimate.sigma == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("snr", [20, 50, 200])
def test_residuals_tell_the_noise_to_five_percent_when_there_is_no_air(snr):
    estimate = estimate_noise_sigma(head(snr, seed=snr, air=False), PAPER_ECHO_TIMES_MS)
    assert "residuals" in estimate.source
    assert estimate.sigma == pytest.approx(1, rel=0.05)


def test_a_background_that_the_scanner_blanked_is_not_taken_for_air():
    echoes = head(60, seed=3)
    for echo in echoes:
        echo[:, :12] = 0
    estimate = estimate_noise_sigma(echoes, PAPER_ECHO_TIMES_MS)
    assert "residuals" in estimate.source
    assert estimate.sigma == pytest.approx(1, rel=0.05)


def test_flat_tissue_is_not_taken_for_air():
    echoes = rician(decays(np.full((4, 60, 60), 0.5), 200.0), 1.0, np.random.default_rng(4))
    assert "residuals" in estimate_noise_sigma(echoes, PAPER_ECHO_TIMES_MS).source


def test_fast_decays_fall_back_to_the_early_echoes():
    echoes = rician(decays(np.full((4, 60, 60), 95.0), 20.0), 1.0, np.random.default_rng(5))
    estimate = estimate_noise_sigma(echoes, PAPER_ECHO_TIMES_MS)
    assert "3 echoes" in estimate.source
    assert estimate.sigma == pytest.approx(1, rel=0.1)  # one degree of freedom per voxel


def test_model_error_is_not_taken_for_noise():
    # Echo gains that no exponential has, and air with a ghost in one echo: neither way is as it should be.
    echoes = [echo * gain for echo, gain in zip(head(80, seed=6), (1.0, 0.8, 1.2, 0.9, 1.1), strict=True)]
    echoes[2][:, :12] *= 1.6
    estimate = estimate_noise_sigma(echoes, PAPER_ECHO_TIMES_MS)
    assert "darkest" in estimate.source
    assert 0.8 < estimate.sigma < 1.6


def test_an_image_without_noise_has_none():
    assert estimate_noise_sigma(decays(np.full((4, 30, 30), 40.0), 100.0), PAPER_ECHO_TIMES_MS) is None
    assert estimate_noise_sigma([np.zeros((2, 3, 4))] * 5, PAPER_ECHO_TIMES_MS) is None


def test_signals_whose_squares_overflow_have_no_noise_level_and_raise_nothing():
    echoes = [echo * np.float32(1e30) for echo in head(50, seed=7)]
    with np.errstate(over="ignore"):
        estimate_noise_sigma(echoes, PAPER_ECHO_TIMES_MS)
