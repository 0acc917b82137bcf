"""The measured and fitted decay of a region."""

import numpy as np

from NPCResponseLib.region_decay import region_decay
from NPCResponseLib.relaxometry import fit_r2star
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician, sinc_dephasing


def test_fit_passes_through_the_measured_means():
    echoes = rician(decays(np.full((2, 30, 30), 60.0), 40.0), 1.0, np.random.default_rng(0))
    decay = region_decay(echoes, fit_r2star(echoes, PAPER_ECHO_TIMES_MS), np.ones((2, 30, 30), dtype=bool))
    np.testing.assert_allclose(decay.fitted, decay.mean, rtol=0.01)
    np.testing.assert_allclose(
        np.interp(decay.echo_times_ms, decay.curve_times_ms, decay.curve), decay.fitted, rtol=1e-3
    )
    assert decay.curve_times_ms[0] == 0
    np.testing.assert_allclose(decay.sd, 1.0, atol=0.15)


def test_curve_of_a_corrected_fit_includes_the_dephasing():
    spread = np.full((1, 4, 4), 15.0)
    echoes = sinc_dephasing(decays(np.full(spread.shape, 40.0), 100.0), 15.0)
    fit = fit_r2star(echoes, PAPER_ECHO_TIMES_MS, slice_frequency_spread_hz=spread)
    decay = region_decay(echoes, fit, np.ones(spread.shape, dtype=bool), spread)
    np.testing.assert_allclose(decay.fitted, decay.mean, rtol=1e-4)
