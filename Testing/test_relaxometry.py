"""The R2* fit against analytic truth, the Cramer-Rao bound, and voxels that have no decay."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.relaxometry import (
    RESULT_MAPS,
    R2StarMethod,
    VoxelStatus,
    fit_r2star,
    iter_fit_r2star,
    predict_signal,
)
from Testing.simulation import PAPER_ECHO_TIMES_MS, cramer_rao_sd_hz, decays, rician

LEAST_SQUARES = (R2StarMethod.AUTO, R2StarMethod.NLLS)
EXACT_METHODS = (*LEAST_SQUARES, R2StarMethod.LOG_LINEAR, R2StarMethod.WEIGHTED_LOG_LINEAR)


# ---- truth without noise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", EXACT_METHODS)
@pytest.mark.parametrize(
    "echo_times_ms",
    [
        PAPER_ECHO_TIMES_MS,
        (6.71, 13.42),
        (2.87, 6.07, 9.27, 12.47, 15.67),
        (10, 25, 50, 90, 150, 250),
        (1, 2, 40),
        (5, 100, 101),
        tuple(range(8, 257, 8)),
    ],
    ids=str,
)
def test_noise_free_r2star_is_exact_to_a_thousandth_hertz(echo_times_ms, method, dtype):
    # float32 images of the unweighted line cannot hold a decay of e^-100: only the least-squares family is asked that.
    fastest = 400 if method is not R2StarMethod.LOG_LINEAR else min(400, 80_000 / echo_times_ms[-1] / 2)
    truth = np.linspace(1, fastest, 2400).reshape(2, 30, 40)
    echoes = [image.astype(dtype) for image in decays(truth, 321.0, echo_times_ms)]
    fit = fit_r2star(echoes, echo_times_ms, method=method)
    assert np.abs(fit.r2star_hz - truth).max() <= 1e-3
    assert (fit.status == VoxelStatus.OK).all()


@settings(max_examples=60, deadline=None)
@given(
    first_ms=st.floats(0.6, 20),
    spacings_ms=st.lists(st.floats(0.8, 60), min_size=1, max_size=11),
    r2star_hz=st.floats(1, 400),
    s0=st.floats(1e-6, 1e9),
)
# Start values that lie far off: the iteration must neither jump nor rest where the amplitude has collapsed.
@example(first_ms=1.0, spacings_ms=[16.0, 52.0, 1.0], r2star_hz=88.0, s0=100.0)
@example(first_ms=9.803, spacings_ms=[16.979, 53.68, 2.289, 8.931, 3.351, 33.604], r2star_hz=116.8, s0=12137.0)
@example(first_ms=11.896, spacings_ms=[11.819, 24.623, 23.548], r2star_hz=243.675, s0=3e6)
def test_any_increasing_echo_times_give_back_the_truth(first_ms, spacings_ms, r2star_hz, s0):
    echo_times_ms = tuple(np.cumsum([first_ms, *spacings_ms]))
    if r2star_hz * (echo_times_ms[1]) / 1000 > 60:
        r2star_hz = 60_000 / echo_times_ms[1] / 2  # beyond that the second echo is below 1e-26 of the first
    fit = fit_r2star(decays(np.full((2, 3, 4), r2star_hz), s0, echo_times_ms), echo_times_ms)
    assert np.abs(fit.r2star_hz - r2star_hz).max() <= 1e-3
    assert np.allclose(fit.t2star_ms, 1000 / fit.r2star_hz, rtol=1e-5)
    assert np.allclose(fit.s0, s0, rtol=1e-3)


def test_arlo_is_close_to_the_truth_of_slow_decays():
    truth = np.linspace(5, 100, 240).reshape(2, 10, 12)
    fit = fit_r2star(decays(truth, 100.0), PAPER_ECHO_TIMES_MS, method=R2StarMethod.ARLO)
    # Simpson's rule is exact to fourth order only; at 100 Hz and 6.71 ms it is 0.3 % off.
    assert np.abs(fit.r2star_hz / truth - 1).max() < 0.005


def test_results_do_not_depend_on_the_image_scale():
    echoes = rician(decays(np.full((2, 40, 40), 50.0), 40.0), 1.0, np.random.default_rng(0))
    small, large = (
        fit_r2star([echo * factor for echo in echoes], PAPER_ECHO_TIMES_MS)
        for factor in (np.float32(1e-6), np.float32(1e8))
    )
    np.testing.assert_allclose(small.r2star_hz, large.r2star_hz, rtol=2e-4)
    np.testing.assert_array_equal(small.status, large.status)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_image_types_agree(dtype):
    echoes = [
        np.round(echo) for echo in rician(decays(np.full((2, 30, 30), 45.0), 2000.0), 20.0, np.random.default_rng(1))
    ]
    reference = fit_r2star(echoes, PAPER_ECHO_TIMES_MS)
    fit = fit_r2star([echo.astype(dtype) for echo in echoes], PAPER_ECHO_TIMES_MS)
    np.testing.assert_allclose(fit.r2star_hz, reference.r2star_hz, atol=0.02)


# ---- precision, bias, intervals --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[20, 50, 100])
def noisy_bands(request):
    """(SNR, truth map, fit): bands of 10-100 Hz beside a strip of air, noise found by the fit itself."""
    snr, shape = request.param, (12, 80, 200)
    truth = np.broadcast_to(np.repeat(np.arange(10.0, 101.0, 10.0), 20), shape)
    s0 = np.full(shape, float(snr))
    s0[:, :4] = 0
    echoes = rician(decays(truth, s0), 1.0, np.random.default_rng(snr))
    return snr, np.where(s0 > 0, truth, 0), fit_r2star([37 * echo for echo in echoes], PAPER_ECHO_TIMES_MS)


def band(noisy_bands, r2star_hz):
    _, truth, fit = noisy_bands
    chosen = (truth == r2star_hz) & (fit.r2star_hz > 0)
    return fit.r2star_hz[chosen].astype(float) - r2star_hz, fit.r2star_se_hz[chosen]


def test_noise_level_is_found_in_the_air(noisy_bands):
    _, _, fit = noisy_bands
    assert fit.noise_sigma == pytest.approx(37, rel=0.02)
    assert "air" in fit.noise_source
    assert fit.method is R2StarMethod.NOISE_FLOOR


def test_precision_reaches_the_cramer_rao_bound(noisy_bands):
    snr, _, _ = noisy_bands
    ratios = []
    for r2star_hz in (30, 40, 50, 60, 70):
        error, _ = band(noisy_bands, r2star_hz)
        ratios.append(np.sqrt(np.mean(error**2)) / cramer_rao_sd_hz(r2star_hz, snr))
    assert np.mean(ratios) <= 1.03  # the bar
    assert max(ratios) <= 1.05  # per band, with its sampling error of 0.5 %


def test_bias_is_small_in_every_band(noisy_bands):
    for r2star_hz in (30, 40, 50, 60, 70, 80, 90, 100):
        error, _ = band(noisy_bands, r2star_hz)
        sampling = 3 * error.std() / np.sqrt(error.size)
        limit = 0.3 if r2star_hz <= 70 else 1.2
        assert abs(error.mean()) <= limit + (sampling if r2star_hz > 70 else 0), r2star_hz


def test_intervals_cover_as_often_as_they_say(noisy_bands):
    _, _, fit = noisy_bands
    for r2star_hz in (30, 40, 50, 60, 70):
        error, se = band(noisy_bands, r2star_hz)
        assert 0.93 <= np.mean(np.abs(error) <= fit.confidence_factor(0.95) * se) <= 0.97


@pytest.mark.parametrize("method", [R2StarMethod.ARLO, R2StarMethod.LOG_LINEAR, R2StarMethod.WEIGHTED_LOG_LINEAR])
def test_standard_errors_of_closed_forms_match_their_scatter(method):
    echoes = rician(decays(np.full((5, 60, 60), 40.0), 100.0), 1.0, np.random.default_rng(4))
    fit = fit_r2star(echoes, PAPER_ECHO_TIMES_MS, method=method, noise_sigma=1.0)
    assert np.median(fit.r2star_se_hz) == pytest.approx(fit.r2star_hz.std(), rel=0.03)


def test_without_known_noise_the_interval_is_students():
    # Four voxels: too few to estimate noise from; each voxel's own residual must do.
    echoes = rician(decays(np.full((1, 1, 4), 40.0), 60.0), 1.0, np.random.default_rng(5))
    fit = fit_r2star(echoes, PAPER_ECHO_TIMES_MS)
    assert fit.method is R2StarMethod.NLLS
    assert fit.noise_sigma is None
    assert fit.degrees_of_freedom == 3
    assert fit.confidence_factor(0.95) == pytest.approx(3.182, abs=1e-3)
    assert (fit.r2star_se_hz > 0).all()


def test_noise_floor_fit_beats_plain_least_squares_where_echoes_drown():
    truth = np.full((4, 60, 60), 90.0)
    echoes = rician(decays(truth, 20.0), 1.0, np.random.default_rng(6))
    floor, plain = (
        np.mean(fit_r2star(echoes, PAPER_ECHO_TIMES_MS, method=method, noise_sigma=1.0).r2star_hz) - 90
        for method in (R2StarMethod.NOISE_FLOOR, R2StarMethod.NLLS)
    )
    assert plain < -3
    assert abs(floor) < 1


@pytest.mark.parametrize("noise_sigma", [None, 0.1])
def test_two_echoes_have_no_standard_error(noise_sigma):
    fit = fit_r2star(decays(np.full((1, 5, 5), 30.0), 10.0, (5, 15)), (5, 15), noise_sigma=noise_sigma)
    assert np.isnan(fit.degrees_of_freedom)
    assert (fit.r2star_se_hz == 0).all()
    assert any("no standard error" in warning for warning in fit.warnings)


# ---- voxels without a decay ------------------------------------------------------------------------------------------


@pytest.fixture
def odd_voxels():
    """Good decays of 50 Hz at S0 1000 in which single voxels can be spoiled."""
    return [echo.astype(np.float32) for echo in decays(np.full((1, 20, 20), 50.0), 1000.0)]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((0, 0, 0, 0, 0), VoxelStatus.LOW_SIGNAL),
        ((-5, -5, -5, -5, -5), VoxelStatus.LOW_SIGNAL),
        ((700, 500, -3, 260, 180), VoxelStatus.LOW_SIGNAL),
        ((np.nan, 500, 365, 260, 180), VoxelStatus.NON_FINITE),
        ((700, 500, np.inf, 260, 180), VoxelStatus.NON_FINITE),
        ((500, 500, 500, 500, 500), VoxelStatus.NON_DECAYING),
        ((200, 280, 390, 545, 760), VoxelStatus.NON_DECAYING),
        ((700, 200, 600, 100, 500), VoxelStatus.POOR_FIT),
    ],
)
def test_odd_voxels_carry_their_reason_and_leave_the_others_alone(odd_voxels, values, status):
    for echo, value in zip(odd_voxels, values, strict=True):
        echo[0, 10, 10] = value
    fit = fit_r2star(odd_voxels, PAPER_ECHO_TIMES_MS, noise_sigma=1.0)
    assert fit.status[0, 10, 10] == status
    assert (fit.r2star_hz[0, 10, 10] == 0) == (not status.is_fitted)
    others = np.ones((1, 20, 20), dtype=bool)
    others[0, 10, 10] = False
    assert np.abs(fit.r2star_hz[others] - 50).max() < 0.01
    assert all(
        np.isfinite(getattr(fit, name)).all() for name in ("r2star_hz", "t2star_ms", "s0", "r2star_se_hz", "r_squared")
    )


def test_an_echo_that_is_exactly_zero_was_blanked(odd_voxels):
    odd_voxels[4][0, 10, 10] = 0
    noisy = fit_r2star(odd_voxels, PAPER_ECHO_TIMES_MS, noise_sigma=1.0)
    assert noisy.status[0, 10, 10] == VoxelStatus.LOW_SIGNAL
    assert noisy.r2star_hz[0, 10, 10] == 0
    assert (np.delete(noisy.status.ravel(), 210) == VoxelStatus.OK).all()


def test_a_decay_that_ends_in_zeros_is_fitted():
    echoes = rician(decays(np.full((2, 40, 40), 100.0), 14.0), 0.7, np.random.default_rng(9))
    whole = [np.round(echo).astype(np.int16) for echo in echoes]
    fit = fit_r2star(whole, PAPER_ECHO_TIMES_MS, noise_sigma=0.7)
    has_zero = np.min(whole, axis=0) == 0
    assert has_zero.sum() > 20
    assert np.mean(fit.r2star_hz[has_zero] > 0) > 0.9


def test_a_bend_all_over_the_image_is_told_apart_from_a_field_gradient():
    echoes = rician(decays(np.full((3, 40, 40), 40.0), 80.0), 1.0, np.random.default_rng(10))
    unequal = [echo * gain for echo, gain in zip(echoes, (1.0, 1.1, 1.15, 1.1, 1.0), strict=True)]
    assert any("unequal gain" in warning for warning in fit_r2star(unequal, PAPER_ECHO_TIMES_MS).warnings)
    assert not fit_r2star(echoes, PAPER_ECHO_TIMES_MS).warnings


def test_clipped_voxels_are_recognized_by_their_plateau(odd_voxels):
    both = [np.concatenate([echo, 10 * echo], axis=1) for echo in odd_voxels]
    clipped = [np.minimum(echo, 4095) for echo in both]
    fit = fit_r2star(clipped, PAPER_ECHO_TIMES_MS)
    assert (fit.status[:, 20:] == VoxelStatus.SATURATED).all()
    assert (fit.status[:, :20] == VoxelStatus.OK).all()
    assert any("clipped at 4095" in warning for warning in fit.warnings)


def test_voxels_clipped_in_the_first_echo_alone_are_recognized_by_their_number(odd_voxels):
    tissue = [echo * np.linspace(5, 7, 20, dtype=np.float32) for echo in odd_voxels]
    fit = fit_r2star([np.minimum(echo, 4095) for echo in tissue], PAPER_ECHO_TIMES_MS)
    assert ((fit.status == VoxelStatus.SATURATED) == (tissue[0] >= 4095)).all()


def test_a_given_saturation_level_is_obeyed(odd_voxels):
    odd_voxels[0][0, 3, 3] = 900
    fit = fit_r2star(odd_voxels, PAPER_ECHO_TIMES_MS, saturation_level=900)
    assert fit.status[0, 3, 3] == VoxelStatus.SATURATED
    assert fit.status_counts()[VoxelStatus.SATURATED] == 1


def test_air_is_low_signal_and_zero():
    s0 = np.zeros((3, 60, 60))
    s0[:, 20:40, 20:40] = 100
    fit = fit_r2star(rician(decays(np.full(s0.shape, 40.0), s0), 1.0, np.random.default_rng(7)), PAPER_ECHO_TIMES_MS)
    air = s0 == 0
    assert np.mean(fit.status[air] == VoxelStatus.LOW_SIGNAL) > 0.9999
    assert (fit.status[~air] != VoxelStatus.LOW_SIGNAL).all()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_no_values_whatever_abort_the_image_or_leave_a_number_that_is_none(data):
    numbers = st.one_of(
        st.floats(width=32), st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-38, 3e38, -1e30, 4095.0])
    )
    n_echoes = data.draw(st.integers(2, 6))
    values = data.draw(st.lists(numbers, min_size=12 * n_echoes, max_size=12 * n_echoes))
    echoes = np.array(values, dtype=np.float32).reshape(n_echoes, 1, 3, 4)
    if not echoes.any():
        return
    fit = fit_r2star(list(echoes), PAPER_ECHO_TIMES_MS[:n_echoes] if n_echoes < 6 else (*PAPER_ECHO_TIMES_MS, 40.0))
    fitted = np.isin(fit.status, [s for s in VoxelStatus if s.is_fitted])
    for name in RESULT_MAPS:
        assert (getattr(fit, name)[~fitted] == 0).all()
    assert np.isfinite(fit.r2star_hz).all()
    assert (fit.r2star_hz[fitted] > 0).all()


# ---- refusals and progress -------------------------------------------------------------------------------------------


def test_echoes_of_differing_size_are_refused():
    with pytest.raises(InputError, match="differ in size"):
        fit_r2star([np.ones((2, 3, 4)), np.ones((2, 3, 5))], (5, 10))


def test_an_empty_series_is_refused():
    with pytest.raises(InputError, match="zero everywhere"):
        fit_r2star([np.zeros((2, 3, 4))] * 3, (5, 10, 15))


@pytest.mark.parametrize("sigma", [0, -1, np.nan])
def test_an_impossible_noise_level_is_refused(sigma):
    with pytest.raises(InputError, match="noise level must be a positive"):
        fit_r2star(decays(np.full((1, 2, 2), 30.0), 1.0), PAPER_ECHO_TIMES_MS, noise_sigma=sigma)


def test_the_noise_floor_method_says_when_it_lacks_the_noise():
    with pytest.raises(InputError, match="noise level cannot be estimated"):
        fit_r2star(decays(np.full((1, 2, 2), 30.0), 1.0), PAPER_ECHO_TIMES_MS, method=R2StarMethod.NOISE_FLOOR)


def test_progress_rises_to_one():
    echoes = decays(np.full((6, 100, 100), 30.0), 1.0)
    fractions = list(iter_fit_r2star(echoes, PAPER_ECHO_TIMES_MS))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_user_s_arrays_are_not_touched():
    echoes = rician(decays(np.full((2, 20, 20), 30.0), 50.0), 1.0, np.random.default_rng(8))
    before = [echo.copy() for echo in echoes]
    fit_r2star(echoes, PAPER_ECHO_TIMES_MS)
    for echo, copy in zip(echoes, before, strict=True):
        np.testing.assert_array_equal(echo, copy)


def test_predicted_signal_is_the_fitted_model():
    np.testing.assert_allclose(predict_signal(100.0, 50.0, (0, 20)), [100, 100 * np.exp(-1)])
    np.testing.assert_allclose(predict_signal(3.0, 0.0, (10,), noise_sigma=4.0), [5.0])
