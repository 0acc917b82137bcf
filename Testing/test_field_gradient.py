"""Through-slice field gradients: corrected when the field is known, suspected when it is not."""

import numpy as np
import pytest

from NPCResponseLib.field_gradient import (
    FALSE_ALARM_RATE,
    slice_frequency_spread_from_b0,
    slice_frequency_spread_from_phase,
)
from NPCResponseLib.relaxometry import R2StarMethod, VoxelStatus, fit_r2star
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician, sinc_dephasing

PROTON_HZ_PER_T = 42.577478e6
SPREAD_100_UT_5_MM = 100e-6 * PROTON_HZ_PER_T * 5e-3  # 21.3 Hz over the slice


def test_an_ignored_gradient_raises_r2star_by_what_theory_says():
    # research/qmri.md 1c: +25.8 Hz at 50 Hz for 100 uT/m over 5 mm, noise-free, plain least squares.
    echoes = sinc_dephasing(decays(np.full((1, 2, 2), 50.0), 100.0), SPREAD_100_UT_5_MM)
    fit = fit_r2star(echoes, PAPER_ECHO_TIMES_MS, method=R2StarMethod.NLLS)
    assert fit.r2star_hz[0, 0, 0] - 50 == pytest.approx(25.8, abs=0.1)


# The bar is 1 Hz at 100 uT/m. At 150 uT/m the last echo has passed the zero of the sinc and little signal is left.
@pytest.mark.parametrize(("gradient_ut_per_m", "limit_hz"), [(50, 0.3), (100, 1.0), (150, 2.5)])
def test_a_known_field_takes_the_bias_away(gradient_ut_per_m, limit_hz):
    spacing_mm, thickness_mm = 6.0, 5.0
    per_mm = gradient_ut_per_m * 1e-6 * PROTON_HZ_PER_T * 1e-3
    b0_hz = np.broadcast_to(per_mm * spacing_mm * np.arange(8)[:, None, None], (8, 60, 60))
    spread = slice_frequency_spread_from_b0(b0_hz, spacing_mm, thickness_mm)
    echoes = sinc_dephasing(decays(np.full(b0_hz.shape, 50.0), 50.0), per_mm * thickness_mm)
    fit = fit_r2star(
        rician(echoes, 1.0, np.random.default_rng(0)), PAPER_ECHO_TIMES_MS, slice_frequency_spread_hz=spread
    )
    fitted = fit.r2star_hz > 0
    assert fitted.mean() > 0.99
    assert abs(np.mean(fit.r2star_hz[fitted]) - 50) <= limit_hz


@pytest.mark.parametrize("noise_sigma", [1.0, None], ids=["noise known", "noise estimated"])
def test_nine_of_ten_affected_patches_are_flagged_at_five_percent_false_alarms(noise_sigma):
    rng = np.random.default_rng(1)
    clean = decays(np.full((10, 90, 90), 50.0), 50.0)
    healthy = fit_r2star(rician(clean, 1.0, rng), PAPER_ECHO_TIMES_MS, noise_sigma=noise_sigma)
    affected = fit_r2star(
        rician(sinc_dephasing(clean, SPREAD_100_UT_5_MM), 1.0, rng), PAPER_ECHO_TIMES_MS, noise_sigma=noise_sigma
    )
    centers = (slice(None), slice(1, None, 3), slice(1, None, 3))  # patches that share no voxel
    false_alarms = np.mean(healthy.status[centers] == VoxelStatus.SUSPECTED_FIELD_GRADIENT)
    hits = np.mean(affected.status[centers] == VoxelStatus.SUSPECTED_FIELD_GRADIENT)
    assert false_alarms == pytest.approx(FALSE_ALARM_RATE, abs=0.012)  # 9,000 patches: SD 0.23 %, and Rician skew
    assert hits >= 0.90


def test_an_exact_decay_is_never_suspected():
    fit = fit_r2star(decays(np.full((3, 30, 30), 80.0), 1000.0), PAPER_ECHO_TIMES_MS)
    assert (fit.status == VoxelStatus.OK).all()


def test_spread_from_a_field_map_scales_from_spacing_to_thickness():
    b0_hz = np.broadcast_to(12.0 * np.arange(5)[:, None, None], (5, 2, 2))
    np.testing.assert_allclose(slice_frequency_spread_from_b0(b0_hz, 6.0, 5.0), 10.0)
    assert (slice_frequency_spread_from_b0(b0_hz[:1], 6.0, 5.0) == 0).all()


def test_spread_from_phase_needs_no_unwrapping():
    step_hz, spacing_mm, thickness_mm = 25.0, 6.0, 5.0
    b0_hz = (
        400.0 + step_hz * np.arange(6)[:, None, None] + np.linspace(-300, 300, 9)[None, None, :] + np.zeros((6, 4, 9))
    )
    phases = [np.angle(np.exp(2j * np.pi * b0_hz * te / 1000)) for te in PAPER_ECHO_TIMES_MS]
    echoes = [np.ones(b0_hz.shape)] * 5
    spread = slice_frequency_spread_from_phase(echoes, phases, PAPER_ECHO_TIMES_MS, spacing_mm, thickness_mm)
    np.testing.assert_allclose(spread, step_hz * thickness_mm / spacing_mm, rtol=1e-3)
