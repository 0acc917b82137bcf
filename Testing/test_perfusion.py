"""Tumor blood flow from arterial spin labeling: Eq. 2 by another route, every correction, errors, flags, mistakes."""

import math
from dataclasses import replace
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCResponseLib.asl_series import AslRole, AslSeries, LabelingType
from NPCResponseLib.errors import InputError
from NPCResponseLib.kinetic_model import KineticConstants, gkm_difference_signal
from NPCResponseLib.perfusion import (
    PerfusionModel,
    PerfusionSettings,
    PerfusionStatus,
    iter_quantify_perfusion,
    quantify_perfusion,
    tumor_blood_flow,
)

SHAPE = (3, 5, 4)
DELAY_MS, DURATION_MS = 2025.0, 1500.0
SIX_DELAYS_MS = (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
C, L, M0, DIFFERENCE, FLOW = AslRole.CONTROL, AslRole.LABEL, AslRole.M0, AslRole.DIFFERENCE, AslRole.FLOW
PHILIPS = Path(__file__).parents[2] / "shared" / "data" / "asl" / "philips3t_3dpcasl_brain"


def eq_2(delta_m, m0, delay_ms=DELAY_MS, tau_ms=DURATION_MS, t1_ms=1650.0, alpha=0.85, partition=0.9):
    """The published formula in decimal arithmetic, with 40 digits, as it is printed."""
    getcontext().prec = 40
    delta_m, m0, delay, tau, t1, alpha, partition = (
        Decimal(repr(float(value))) for value in (delta_m, m0, delay_ms, tau_ms, t1_ms, alpha, partition)
    )
    numerator = 6000 * partition * delta_m * (delay / t1).exp()
    return float(numerator / (2 * alpha * (t1 / 1000) * m0 * (1 - (-tau / t1).exp())))


def image(value, dtype=np.float32):
    return np.full(SHAPE, value, dtype=dtype)


def series(volumes, roles, delays=DELAY_MS, **facts):
    """A 3 T pseudo-continuous series; ``delays`` for all but M0 and flow, or one per volume."""
    if not isinstance(delays, (tuple, list)):
        delays = [None if role in (M0, FLOW) else delays for role in roles]
    known = {
        "labeling_type": LabelingType.PCASL,
        "label_duration_ms": DURATION_MS,
        "field_strength_t": 3.0,
        "n_background_suppression_pulses": 0,
    }
    return AslSeries(tuple(volumes), tuple(roles), tuple(delays), np.eye(4), **(known | facts))


def one_pair(delta=8.0, m0=1000.0, **facts):
    return series([image(m0), image(500.0), image(500.0 - delta)], [M0, C, L], **facts)


def pairs_of(deltas, m0=1000.0, delays=None, **facts):
    """One control and label pair for each difference image."""
    volumes, roles, given_delays = [np.broadcast_to(np.float32(m0), np.shape(deltas[0])).copy()], [M0], [None]
    for n, delta in enumerate(deltas):
        volumes += [np.full(delta.shape, 500, dtype=np.float32), (500 - delta).astype(np.float32)]
        roles += [C, L]
        given_delays += [DELAY_MS if delays is None else delays[n]] * 2
    return series(volumes, roles, tuple(given_delays), **facts)


def value_of(result):
    """The one value of a uniform map."""
    assert np.ptp(result.tbf_ml_per_100g_min) == 0
    return float(result.tbf_ml_per_100g_min.flat[0])


def parameter(result, name):
    (found,) = [entry for entry in result.parameters if entry.name == name]
    return found


# -- Eq. 2 --

TIMES = {"delay_ms": st.floats(200, 4000), "tau_ms": st.floats(200, 4000), "t1_ms": st.floats(1000, 2500)}


@given(**TIMES, delta=st.floats(-50, 50), alpha=st.floats(0.3, 1), partition=st.floats(0.5, 1.2))
def test_eq_2_is_the_printed_formula(delay_ms, tau_ms, t1_ms, delta, alpha, partition):
    found = tumor_blood_flow(
        np.array([delta]),
        np.array([900.0]),
        post_labeling_delay_ms=delay_ms,
        label_duration_ms=tau_ms,
        t1_blood_ms=t1_ms,
        labeling_efficiency=alpha,
        partition_coefficient_ml_per_g=partition,
    )
    assert found[0] == pytest.approx(eq_2(delta, 900, delay_ms, tau_ms, t1_ms, alpha, partition), rel=1e-12, abs=1e-12)


def test_eq_2_has_the_defaults_of_the_paper_and_keeps_single_precision():
    found = tumor_blood_flow(image(8.0), image(1000.0), post_labeling_delay_ms=2025, label_duration_ms=1500)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, eq_2(8, 1000), rtol=1e-6)


def test_the_label_duration_has_no_default():
    with pytest.raises(TypeError, match="label_duration_ms"):
        tumor_blood_flow(image(8.0), image(1000.0), post_labeling_delay_ms=2025)


@given(delta=st.floats(0.1, 40), m0=st.floats(200, 5000))
@settings(max_examples=30)
def test_the_map_is_eq_2_to_a_millionth(delta, m0):
    made = one_pair(delta, m0)
    stored = [float(volume.flat[0]) for volume in made.volumes]
    assert value_of(quantify_perfusion(made)) == pytest.approx(eq_2(stored[1] - stored[2], stored[0]), rel=1e-6)


@given(factor=st.floats(0.01, 1000))
@settings(max_examples=25)
def test_the_scanner_s_scale_does_not_matter(factor):
    made = one_pair()
    scaled = replace(made, volumes=tuple(volume * np.float32(factor) for volume in made.volumes))
    assert value_of(quantify_perfusion(scaled)) == pytest.approx(value_of(quantify_perfusion(made)), rel=1e-4)


@given(factor=st.floats(-3, 3))
@settings(max_examples=25)
def test_flow_is_proportional_to_the_difference(factor):
    plain, other = (value_of(quantify_perfusion(one_pair(delta))) for delta in (8.0, 8.0 * factor))
    assert other == pytest.approx(factor * plain, rel=1e-4, abs=1e-3)


@given(first=st.floats(500, 3500), second=st.floats(500, 3500))
@settings(max_examples=25)
def test_a_longer_delay_means_more_flow_and_a_longer_label_less(first, second):
    low, high = sorted((first, second))
    if high - low < 1:
        return
    by_delay = [
        value_of(quantify_perfusion(one_pair(), PerfusionSettings(post_labeling_delay_ms=t))) for t in (low, high)
    ]
    by_duration = [
        value_of(quantify_perfusion(one_pair(), PerfusionSettings(label_duration_ms=t))) for t in (low, high)
    ]
    assert by_delay[0] < by_delay[1]
    assert by_duration[0] > by_duration[1]


# -- what enters, and where it is from --


def test_every_default_is_told_as_assumed_and_every_fact_with_its_source():
    result = quantify_perfusion(one_pair(sources={"label_duration_ms": "DICOM (0018,9258)"}))
    assert parameter(result, "label duration (tau)").source == "DICOM (0018,9258)"
    assumed = {entry.name: entry.value for entry in result.parameters if entry.assumed}
    assert assumed == {
        "labeling efficiency (alpha)": 0.85,
        "T1 of blood": 1650,
        "partition coefficient": 0.9,
        "relaxed share of M0": 1,
    }


def test_typed_values_win_and_are_told_as_typed():
    typed = PerfusionSettings(
        t1_blood_ms=1500,
        labeling_efficiency=0.7,
        partition_coefficient_ml_per_g=0.8,
        post_labeling_delay_ms=1800,
        label_duration_ms=1650,
    )
    result = quantify_perfusion(one_pair(labeling_efficiency=0.9), typed)
    assert value_of(result) == pytest.approx(eq_2(8, 1000, 1800, 1650, 1500, 0.7, 0.8), rel=1e-6)
    assert {entry.name for entry in result.parameters if entry.source == "typed"} == {
        "post-labeling delay",
        "label duration (tau)",
        "labeling efficiency (alpha)",
        "T1 of blood",
        "partition coefficient",
    }


def test_field_strength_decides_on_t1_of_blood():
    assert value_of(quantify_perfusion(one_pair(field_strength_t=1.494))) == pytest.approx(
        eq_2(8, 1000, t1_ms=1350), rel=1e-6
    )
    with pytest.raises(InputError, match="T1 of blood"):
        quantify_perfusion(one_pair(field_strength_t=7.0))
    with pytest.raises(InputError, match="field strength"):
        quantify_perfusion(one_pair(field_strength_t=None))
    assert value_of(quantify_perfusion(one_pair(field_strength_t=7.0), PerfusionSettings(t1_blood_ms=2100))) > 0


def test_hematocrit_gives_t1_of_blood_as_lu_measured_it():
    """Abstract of Lu et al. 2004: 1664 +- 14 ms at 0.42; the printed coefficients give 1671."""
    result = quantify_perfusion(one_pair(), PerfusionSettings(hematocrit=0.42))
    assert parameter(result, "T1 of blood").value == pytest.approx(1671.1, abs=0.1)
    assert "Lu 2004" in parameter(result, "T1 of blood").source
    assert not [text for text in result.warnings if "extrapolated" in text]
    anemic = quantify_perfusion(one_pair(), PerfusionSettings(hematocrit=0.28))
    assert value_of(anemic) < value_of(result)
    assert [text for text in anemic.warnings if "extrapolated" in text]
    with pytest.raises(InputError, match="3 T only"):
        quantify_perfusion(one_pair(field_strength_t=1.5), PerfusionSettings(hematocrit=0.42))
    with pytest.raises(InputError, match=r"0\.42 for 42 %"):
        PerfusionSettings(hematocrit=42)


@pytest.mark.parametrize("n_pulses", [0, 1, 2, 5])
def test_background_suppression_costs_label(n_pulses):
    result = quantify_perfusion(one_pair(n_background_suppression_pulses=n_pulses))
    assert value_of(result) == pytest.approx(eq_2(8, 1000, alpha=0.85 * 0.95**n_pulses), rel=1e-6)
    assert parameter(result, "background-suppression pulses").value == n_pulses


def test_unknown_suppression_is_said():
    result = quantify_perfusion(one_pair(n_background_suppression_pulses=None))
    assert parameter(result, "background-suppression pulses").assumed
    assert [text for text in result.warnings if "background-suppression pulses" in text]


def test_a_short_repetition_time_of_m0_is_corrected_and_shown():
    result = quantify_perfusion(one_pair(m0_repetition_time_ms=2000.0))
    share = 1 - math.exp(-2000 / 1200)
    assert value_of(result) == pytest.approx(share * eq_2(8, 1000), rel=1e-6)
    np.testing.assert_allclose(result.m0, 1000 / share, rtol=1e-6)
    assert parameter(result, "relaxed share of M0").value == pytest.approx(share)
    assert parameter(result, "T1 of tissue").assumed
    assert "0.8111" in result.formula
    other_tissue = quantify_perfusion(one_pair(m0_repetition_time_ms=2000.0), PerfusionSettings(t1_tissue_ms=1600))
    assert value_of(other_tissue) == pytest.approx((1 - math.exp(-2000 / 1600)) * eq_2(8, 1000), rel=1e-6)


def test_a_long_repetition_time_is_left_alone_and_a_correction_can_be_switched_off():
    plain = eq_2(8, 1000)
    assert value_of(quantify_perfusion(one_pair(m0_repetition_time_ms=6000.0))) == pytest.approx(plain, rel=1e-6)
    off = quantify_perfusion(one_pair(m0_repetition_time_ms=2000.0), PerfusionSettings(m0_repetition_time_ms=0))
    assert value_of(off) == pytest.approx(plain, rel=1e-6)
    assert "switched off" in parameter(off, "relaxed share of M0").source
    saturated = one_pair(m0_repetition_time_ms=6000.0, m0_is_saturation_recovery=True)
    assert value_of(quantify_perfusion(saturated)) == pytest.approx((1 - math.exp(-5)) * plain, rel=1e-6)


def product(scale, n_images=1, **facts):
    """A scanner's perfusion-weighted image and its M0."""
    return series(
        [*[image(8.0 * 96)] * n_images, image(1000.0)], [*[DIFFERENCE] * n_images, M0], perfusion_scale=scale, **facts
    )


def test_ge_s_product_image():
    """Perfusion-weighted, 32 x NEX 3, over a saturation-recovery M0 of 2 s: GE's own formula by hand."""
    result = quantify_perfusion(product(96.0, m0_repetition_time_ms=2000.0, m0_is_saturation_recovery=True))
    by_hand = (
        *(6000 * 0.9 * (1 - math.exp(-2.0 / 1.2)) * math.exp(2.025 / 1.65) * 768,),
        2 * 1.65 * (1 - math.exp(-1.5 / 1.65)) * 0.85 * 32 * 3 * 1000,
    )
    assert value_of(result) == pytest.approx(by_hand[0] / by_hand[1], rel=1e-6)
    assert parameter(result, "scale of the difference against M0").value == 96
    assert "image / 96" in result.formula
    assert result.standard_error is None


def test_the_scale_of_a_ready_difference_is_never_guessed():
    with pytest.raises(InputError, match="32 x NEX"):
        quantify_perfusion(product(None))
    assert value_of(quantify_perfusion(product(1.0))) == pytest.approx(96 * eq_2(8, 1000), rel=1e-6)
    assert value_of(quantify_perfusion(product(None), PerfusionSettings(perfusion_scale=96))) == pytest.approx(
        eq_2(8, 1000), rel=1e-6
    )


def test_each_slice_of_a_2d_readout_has_its_own_delay():
    result = quantify_perfusion(one_pair(slice_times_ms=(0.0, 40.0, 80.0)))
    for k in range(3):
        np.testing.assert_allclose(result.tbf_ml_per_100g_min[k], eq_2(8, 1000, 2025 + 40 * k), rtol=1e-6)
    off = quantify_perfusion(one_pair(slice_times_ms=(0.0, 40.0, 80.0)), PerfusionSettings(slice_times_ms=()))
    assert value_of(off) == pytest.approx(eq_2(8, 1000), rel=1e-6)


def test_pulsed_labeling():
    """QUIPSS II: the bolus lasts TI1, and all of it has decayed for TI."""
    result = quantify_perfusion(
        one_pair(labeling_type=LabelingType.PASL, label_duration_ms=700.0),
        PerfusionSettings(post_labeling_delay_ms=1800),
    )
    by_hand = 6000 * 0.9 * 8 * math.exp(1.8 / 1.65) / (2 * 0.98 * 0.7 * 1000)
    assert value_of(result) == pytest.approx(by_hand, rel=1e-6)
    assert parameter(result, "bolus duration (TI1)").value == 700


def test_the_formula_shows_the_numbers():
    assert "6000 x 0.9 x (control - label) x exp(2025/1650) / (2 x 0.85 x 1.65 x M0 x (1 - exp(-1500/1650)))" in (
        quantify_perfusion(one_pair()).formula
    )


def test_one_delay_carries_its_model_bias():
    bias = quantify_perfusion(one_pair()).model_bias
    assert bias.ratios[2, 1] == pytest.approx(0.763, abs=6e-4)  # transit 1.5 s, T1 of tissue 1.2 s
    assert "0.34 to 0.99 of the true one" in bias.sentence.replace("\n", " ")


# -- images --


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint8, np.int32, np.float64, ">u2"])
def test_integers_do_not_wrap_around(dtype):
    volumes = [image(200, dtype), image(50, dtype), image(58, dtype)]
    result = quantify_perfusion(series(volumes, [M0, C, L]))
    assert value_of(result) == pytest.approx(eq_2(-8, 200), rel=1e-6)
    assert result.tbf_ml_per_100g_min.dtype == result.delta_m.dtype == result.m0.dtype == np.float32


def test_double_precision_images_keep_their_digits_through_the_subtraction():
    made = series([image(1e7, np.float64), image(1e7, np.float64), image(1e7 - 0.25, np.float64)], [M0, C, L])
    assert value_of(quantify_perfusion(made)) == pytest.approx(eq_2(0.25, 1e7), rel=1e-6)


def test_control_and_label_are_paired_by_role_and_delay_not_by_position():
    """Eight controls then eight labels, as one scanner stores them: neighbors would be pairs of the same kind."""
    rng = np.random.default_rng(0)
    drift = [float(value) for value in rng.normal(scale=30, size=8)]
    volumes = [image(1000.0), *[image(500 + d) for d in drift], *[image(492 + d) for d in drift]]
    result = quantify_perfusion(series(volumes, [M0, *[C] * 8, *[L] * 8]))
    assert value_of(result) == pytest.approx(eq_2(8, 1000), rel=1e-4)
    assert result.quality.n_pairs == 8
    assert result.standard_error.max() < 1e-3 * value_of(result)


def test_several_m0_images_are_averaged_and_their_noise_is_in_the_standard_error():
    deltas = [image(7.0), image(9.0)]
    made = pairs_of(deltas)
    m0 = (image(950.0), image(1050.0))
    both = replace(
        made,
        volumes=(*m0, *made.volumes[1:]),
        roles=(M0, *made.roles),
        post_labeling_delays_ms=(None, *made.post_labeling_delays_ms),
    )
    one, two = quantify_perfusion(made), quantify_perfusion(both)
    assert value_of(two) == pytest.approx(value_of(one), rel=1e-6)
    from_m0 = value_of(two) * (np.std([950, 1050], ddof=1) / math.sqrt(2)) / 1000
    assert two.standard_error.flat[0] == pytest.approx(math.hypot(one.standard_error.flat[0], from_m0), rel=1e-5)


def test_unequal_counts_give_the_difference_of_means_without_a_standard_error():
    volumes = [image(1000.0), image(505.0), image(495.0), image(500.0), image(492.0)]
    result = quantify_perfusion(series(volumes, [M0, C, C, C, L]))
    assert value_of(result) == pytest.approx(eq_2(8, 1000), rel=1e-6)
    assert result.standard_error is None
    assert math.isnan(result.degrees_of_freedom)
    assert [text for text in result.warnings if "3 control and 1 label" in text]


def test_a_vendor_s_flow_map_passes_through():
    flow = np.arange(60, dtype=np.int16).reshape(SHAPE) - 5
    result = quantify_perfusion(series([flow], [FLOW], label_duration_ms=None, field_strength_t=None))
    np.testing.assert_array_equal(result.tbf_ml_per_100g_min, flow)
    assert result.model is PerfusionModel.VENDOR_MAP
    assert result.m0 is None
    assert result.parameters == ()
    assert result.quality.negative_fraction == pytest.approx(5 / 59)
    assert (result.status == PerfusionStatus.NEGATIVE).sum() == 5
    with pytest.raises(InputError, match="2 flow maps"):
        quantify_perfusion(series([flow, flow], [FLOW, FLOW]))


# -- status and quality --


def test_every_voxel_without_a_value_is_zero_and_says_why():
    made = one_pair()
    m0, control, label = (volume.copy() for volume in made.volumes)
    m0[0, 0, 0], m0[0, 0, 1], m0[0, 0, 2], m0[0, 0, 3] = 0, 20, np.nan, np.inf
    control[0, 1, 0], label[0, 1, 1], m0[0, 1, 2] = np.nan, np.inf, -1000
    result = quantify_perfusion(replace(made, volumes=(m0, control, label)))
    low, bad = PerfusionStatus.LOW_M0, PerfusionStatus.NON_FINITE
    assert result.status[0, :2, :].tolist() == [[low, low, bad, bad], [bad, bad, low, 0]]
    without = np.zeros(SHAPE, dtype=bool)
    without[0, :2, :] = [[True] * 4, [True, True, True, False]]
    assert (result.tbf_ml_per_100g_min[without] == 0).all()
    np.testing.assert_allclose(result.tbf_ml_per_100g_min[~without], eq_2(8, 1000), rtol=1e-6)
    for name in ("tbf_ml_per_100g_min", "delta_m", "m0"):
        assert np.isfinite(getattr(result, name)).all()


def test_no_m0_at_all_gives_an_empty_map_and_says_so():
    result = quantify_perfusion(one_pair(m0=0.0))
    assert (result.status == PerfusionStatus.LOW_M0).all()
    assert result.quality.negative_fraction is None
    assert [text for text in result.warnings if "map is empty" in text]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_a_mask_of_any_type_limits_the_map(dtype):
    mask = np.zeros(SHAPE, dtype=dtype)
    mask[1, 2:4, 1:3] = 1
    result = quantify_perfusion(one_pair(), mask=mask)
    assert ((result.tbf_ml_per_100g_min > 0) == (mask > 0)).all()
    assert result.quality.n_mask_voxels == 4
    with pytest.raises(InputError, match="mask differs in size"):
        quantify_perfusion(one_pair(), mask=np.ones((3, 5, 5), dtype=bool))


def test_negative_flow_is_flagged_where_it_is_more_than_noise():
    deltas = np.array([[-8.0, -9.0, -7.0, -8.0], [-8.0, 7.0, -9.0, 8.0], [8.0, 9.0, 7.0, 8.0]]).T
    result = quantify_perfusion(pairs_of([np.broadcast_to(row, (1, 1, 3)).copy() for row in deltas]))
    assert result.status.ravel().tolist() == [PerfusionStatus.NEGATIVE, 0, 0]
    assert result.tbf_ml_per_100g_min[0, 0, 0] == pytest.approx(eq_2(-8, 1000), rel=1e-6)


def test_swapped_control_and_label_are_told_with_the_remedy():
    rng = np.random.default_rng(2)
    deltas = [rng.normal(8, 6, (4, 20, 20)) for _ in range(3)]
    made = pairs_of(deltas)
    swapped = replace(made, roles=tuple({C: L, L: C}.get(role, role) for role in made.roles))
    (warning,) = [text for text in quantify_perfusion(swapped).warnings if "negative flow" in text]
    assert "Swap their roles" in warning
    for sound in (made, pairs_of([rng.normal(0, 6, (4, 20, 20)) for _ in range(3)])):
        assert not [text for text in quantify_perfusion(sound).warnings if "swapped" in text]


def test_quality_is_that_of_plain_numpy():
    rng = np.random.default_rng(3)
    deltas = np.stack([rng.normal(6, 5, (2, 30, 30)) for _ in range(5)])
    result = quantify_perfusion(pairs_of(list(deltas)))
    stored = 500 - (500 - deltas).astype(np.float32)
    flow = eq_2(1, 1000) * stored.mean(axis=0)
    spread = stored.std(axis=0, ddof=1)
    quality = result.quality
    assert quality.negative_fraction == np.mean(flow < 0)
    assert quality.spatial_cov == pytest.approx(flow.std() / flow.mean(), rel=1e-4)
    assert quality.temporal_snr == pytest.approx(np.median(stored.mean(axis=0) / spread), rel=1e-3)
    np.testing.assert_allclose(result.standard_error, eq_2(1, 1000) * spread / math.sqrt(5), rtol=1e-4)
    assert result.degrees_of_freedom == 4


# -- standard errors --


@pytest.mark.parametrize("n_pairs", [2, 3, 5, 20])
def test_the_interval_of_few_pairs_covers_as_often_as_it_says(n_pairs):
    rng = np.random.default_rng(n_pairs)
    deltas = [rng.normal(8, 20, (10, 40, 50)) for _ in range(n_pairs)]
    result = quantify_perfusion(pairs_of(deltas))
    error = np.abs(result.tbf_ml_per_100g_min - eq_2(8, 1000))
    # 20000 intervals: one binomial standard deviation is 0.15 %
    assert 0.943 <= np.mean(error <= result.confidence_factor() * result.standard_error) <= 0.957


def test_repeated_ready_differences_give_a_standard_error():
    rng = np.random.default_rng(4)
    volumes = [(8 * 96 + rng.normal(size=SHAPE) * 200).astype(np.float32) for _ in range(6)]
    result = quantify_perfusion(series([*volumes, image(1000.0)], [*[DIFFERENCE] * 6, M0], perfusion_scale=96.0))
    expected = eq_2(1, 1000) * np.std(volumes, axis=0, ddof=1) / math.sqrt(6) / 96
    np.testing.assert_allclose(result.standard_error, expected, rtol=1e-4)


# -- outliers --


def test_an_odd_pair_is_told_and_left_out_on_request():
    rng = np.random.default_rng(5)
    deltas = [rng.normal(8, 4, (4, 20, 20)) for _ in range(8)]
    deltas[2] = deltas[2] + 60 * np.linspace(-1, 1, 20)  # as motion does: bright on one side, dark on the other
    kept = quantify_perfusion(pairs_of(deltas))
    dropped = quantify_perfusion(pairs_of(deltas), PerfusionSettings(drop_outlier_pairs=True))
    assert kept.quality.outlier_pairs == dropped.quality.outlier_pairs == (2,)
    assert (kept.quality.n_pairs_dropped, dropped.quality.n_pairs_dropped) == (0, 1)
    assert dropped.degrees_of_freedom == 6
    without = quantify_perfusion(pairs_of([delta for n, delta in enumerate(deltas) if n != 2]))
    np.testing.assert_allclose(dropped.tbf_ml_per_100g_min, without.tbf_ml_per_100g_min, rtol=1e-5)
    (told,) = [text for text in kept.warnings if "deviate" in text]
    assert "3 (of 8). They were kept" in told


def test_noise_alone_makes_no_outliers():
    rng = np.random.default_rng(6)
    found = [
        quantify_perfusion(pairs_of([rng.normal(8, 10, (2, 12, 12)) for _ in range(6)])).quality.outlier_pairs
        for _ in range(40)
    ]
    assert not any(found)


# -- several delays --


def kinetic(tbf=80.0, transit_ms=1200.0, n_repeats=1, noise=0.0, shape=(2, 6, 7), **facts):
    constants = KineticConstants(DURATION_MS)
    rng = np.random.default_rng(7)
    delays = [delay for delay in SIX_DELAYS_MS for _ in range(n_repeats)]
    deltas = [
        1000 * gkm_difference_signal(tbf, transit_ms, delay, constants) + rng.normal(scale=noise or 1e-9, size=shape)
        for delay in delays
    ]
    return pairs_of(deltas, delays=delays, **facts)


def test_several_delays_give_flow_and_transit_time():
    result = quantify_perfusion(kinetic())
    assert result.model is PerfusionModel.KINETIC
    np.testing.assert_allclose(result.tbf_ml_per_100g_min, 80, rtol=1e-3)
    np.testing.assert_allclose(result.transit_time_ms, 1200, atol=2)
    assert result.model_bias is None
    assert "T1tissue 1200 ms" in result.formula


def test_repeats_of_several_delays_make_the_errors_honest():
    result = quantify_perfusion(kinetic(n_repeats=3, noise=0.5, shape=(4, 40, 40)))
    assert result.degrees_of_freedom == 16
    factor = result.confidence_factor()
    for values, errors, truth in (
        (result.tbf_ml_per_100g_min, result.standard_error, 80),
        (result.transit_time_ms, result.transit_time_se_ms, 1200),
    ):
        assert 0.935 <= np.mean(np.abs(values - truth) <= factor * errors) <= 0.965


def test_m0_noise_is_in_the_errors_of_several_delays_too():
    made = kinetic(n_repeats=2, noise=0.2)
    m0 = tuple(np.full((2, 6, 7), value, dtype=np.float32) for value in (900, 1100))
    both = replace(
        made,
        volumes=(*m0, *made.volumes[1:]),
        roles=(M0, *made.roles),
        post_labeling_delays_ms=(None, *made.post_labeling_delays_ms),
    )
    one, two = quantify_perfusion(made), quantify_perfusion(both)
    expected = np.hypot(one.standard_error, one.tbf_ml_per_100g_min * 0.1)
    np.testing.assert_allclose(two.standard_error, expected, rtol=1e-4)


def test_slice_times_shift_the_delays_of_the_fit():
    constants, shape = KineticConstants(DURATION_MS), (3, 4, 4)
    times = np.array([0.0, 150.0, 300.0])
    deltas = [
        np.broadcast_to(1000 * gkm_difference_signal(80.0, 1300.0, delay + times, constants)[:, None, None], shape)
        for delay in SIX_DELAYS_MS
    ]
    result = quantify_perfusion(pairs_of(deltas, delays=SIX_DELAYS_MS, slice_times_ms=tuple(times)))
    np.testing.assert_allclose(result.transit_time_ms, 1300, atol=3)
    np.testing.assert_allclose(result.tbf_ml_per_100g_min, 80, rtol=2e-3)


def test_late_and_early_arrival_are_told():
    late = quantify_perfusion(kinetic(transit_ms=3600.0, noise=0.01))
    assert (late.status == PerfusionStatus.LATE_ARRIVAL).mean() > 0.9
    early = quantify_perfusion(kinetic(transit_ms=250.0, noise=0.05))
    assert [text for text in early.warnings if "before the shortest delay" in text]
    usual = quantify_perfusion(kinetic(noise=0.05))
    assert not [text for text in usual.warnings if "before the shortest delay" in text]
    assert (usual.status == PerfusionStatus.OK).all()


def test_two_delays_are_fitted_without_errors_and_with_a_warning():
    constants = KineticConstants(DURATION_MS)
    delays = (1500.0, 2500.0)
    deltas = [np.full(SHAPE, 1000 * gkm_difference_signal(80.0, 1800.0, delay, constants)) for delay in delays]
    result = quantify_perfusion(pairs_of(deltas, delays=delays))
    np.testing.assert_allclose(result.tbf_ml_per_100g_min, 80, rtol=5e-3)
    assert (result.status == PerfusionStatus.OK).all()
    assert result.standard_error is None
    assert [text for text in result.warnings if "Two delays" in text]


def test_nothing_is_fitted_to_what_is_not_finite():
    made = kinetic(n_repeats=2, noise=0.1)
    broken = made.volumes[5].copy()
    broken[1, 2, 3] = np.nan
    result = quantify_perfusion(replace(made, volumes=(*made.volumes[:5], broken, *made.volumes[6:])))
    assert result.status[1, 2, 3] == PerfusionStatus.NON_FINITE
    assert np.count_nonzero(result.status) == 1
    for name in ("tbf_ml_per_100g_min", "standard_error", "transit_time_ms", "transit_time_se_ms", "delta_m"):
        values = getattr(result, name)
        assert values[1, 2, 3] == 0
        assert np.isfinite(values).all()


def test_typed_delays_make_a_multi_delay_series_of_one_that_does_not_tell():
    made = kinetic()
    silent = replace(made, post_labeling_delays_ms=(None,) * len(made.volumes))
    result = quantify_perfusion(silent, PerfusionSettings(post_labeling_delay_ms=SIX_DELAYS_MS))
    np.testing.assert_allclose(result.tbf_ml_per_100g_min, 80, rtol=1e-3)
    with pytest.raises(InputError, match="2 delays were given for 6"):
        quantify_perfusion(silent, PerfusionSettings(post_labeling_delay_ms=(1000, 2000)))


# -- progress --


@pytest.mark.parametrize("make", [lambda: kinetic(shape=(3, 40, 40)), one_pair], ids=["several delays", "one delay"])
def test_progress_rises_and_can_be_stopped_anywhere(make):
    fractions = list(iter_quantify_perfusion(make()))
    assert fractions == sorted(fractions)
    assert fractions[0] > 0
    assert fractions[-1] == pytest.approx(1)
    assert max(np.diff(fractions)) <= 0.8 / 3 + 0.16
    steps = iter_quantify_perfusion(make())
    next(steps)
    steps.close()


def test_a_slice_of_several_delays_is_interrupted_within():
    """512 voxels at a time, however large the slice is."""
    assert len(list(iter_quantify_perfusion(kinetic(shape=(1, 64, 64))))) >= 8


# -- mistakes --


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"label_duration_ms": None}, "Give the label duration"),
        ({"label_duration_ms": 1.8}, r"looks like seconds.*1800"),
        ({"delays": None}, "post-labeling delay is not in the data"),
        ({"delays": 2.0}, r"looks like seconds.*2000"),
        ({"delays": -1800.0}, "positive"),
        ({"labeling_efficiency": 85.0}, "labeling efficiency"),
        ({"m0_repetition_time_ms": 2.0}, "looks like seconds"),
        ({"slice_times_ms": (0.0, 40.0)}, "2 slice times were given for 3 slices"),
        ({"slice_times_ms": (0.0, 0.04, 0.08)}, "look like seconds"),
        ({"slice_times_ms": (0.0, -40.0, 80.0)}, "negative"),
        ({"m0_is_saturation_recovery": True}, "saturation time of M0"),
    ],
)
def test_facts_that_are_missing_or_make_no_sense(facts, words):
    delays = facts.pop("delays", DELAY_MS)
    made = series([image(1000.0), image(500.0), image(492.0)], [M0, C, L], delays, **facts)
    with pytest.raises(InputError, match=words):
        quantify_perfusion(made)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"post_labeling_delay_ms": 2.025}, "looks like seconds"),
        ({"post_labeling_delay_ms": (1000.0, 1.5)}, "looks like seconds"),
        ({"label_duration_ms": 1.5}, "looks like seconds"),
        ({"t1_blood_ms": 1.65}, r"looks like seconds.*1650"),
        ({"t1_tissue_ms": -1200.0}, "positive"),
        ({"label_duration_ms": math.nan}, "positive"),
        ({"labeling_efficiency": 1.2}, "at most 1"),
        ({"labeling_efficiency": 0.0}, "above 0"),
        ({"partition_coefficient_ml_per_g": 0.0}, "above 0"),
        ({"perfusion_scale": -96.0}, "above 0"),
        ({"perfusion_scale": math.inf}, "at most"),
        ({"background_suppression_efficiency": 1.5}, "at most 1"),
        ({"n_background_suppression_pulses": -1}, "fewer than 0"),
        ({"field_strength_t": -3.0}, "above 0"),
    ],
)
def test_typed_numbers_that_make_no_sense(typed, words):
    with pytest.raises(InputError, match=words):
        PerfusionSettings(**typed)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ([C, L], "M0"),
        ([M0, C], "no label image"),
        ([M0, L], "no control image"),
        ([M0], "no control, label or difference image"),
    ],
)
def test_images_that_are_missing(roles, words):
    with pytest.raises(InputError, match=words):
        quantify_perfusion(series([image(500.0)] * len(roles), roles))


def test_a_delay_without_its_label_is_named():
    with pytest.raises(InputError, match="no label image at a delay of 1500 ms"):
        quantify_perfusion(series([image(9.0)] * 4, [M0, C, L, C], (None, 2000.0, 2000.0, 1500.0)))


def test_an_m0_of_another_size_is_refused():
    made = one_pair()
    with pytest.raises(InputError, match="differ in size"):
        quantify_perfusion(replace(made, volumes=(np.ones((4, 5, 4), np.float32), *made.volumes[1:])))


@pytest.mark.parametrize(
    ("model", "make"),
    [(PerfusionModel.SINGLE_DELAY, kinetic), (PerfusionModel.KINETIC, one_pair)],
)
def test_a_model_that_the_delays_do_not_allow_is_refused(model, make):
    with pytest.raises(InputError, match="delay"):
        quantify_perfusion(make(), PerfusionSettings(model=model))


# -- a real brain --


def philips_brain():
    import SimpleITK

    source, vendor = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(PHILIPS / name)))
        for name in ("1903_WIP_SOURCE_-_3DpCASL_cl.nii.gz", "1901_WIP_3DpCASL_cl.nii.gz")
    )
    facts = {"label_duration_ms": 1800.0}
    return series(list(source), [M0, M0, C, L, C, L], 2000.0, **facts), vendor


@pytest.mark.skipif(not PHILIPS.is_dir(), reason=f"{PHILIPS} is not here")
def test_a_real_brain_agrees_with_the_vendor_s_map():
    """Over all voxels with enough M0, whatever the two maps say there.

    Vendor over ours rises from 0.7 to 1.2 with M0, so the vendor does not divide by the M0 of the voxel: that is why a
    line with an intercept has a slope of 0.77 only. The slope here is through the origin, of vendor = slope x ours.
    """
    made, vendor = philips_brain()
    result = quantify_perfusion(made)
    inside = ~np.isin(result.status, (PerfusionStatus.LOW_M0, PerfusionStatus.NON_FINITE))
    ours, theirs = result.tbf_ml_per_100g_min[inside].astype(float), vendor[inside].astype(float)
    assert inside.sum() > 100_000
    assert np.corrcoef(ours, theirs)[0, 1] >= 0.90
    assert 0.85 <= ours @ theirs / (ours @ ours) <= 1.05
    assert result.quality.negative_fraction < 0.15
    swapped = replace(made, roles=(M0, M0, L, C, L, C))
    assert [text for text in quantify_perfusion(swapped).warnings if "Swap their roles" in text]
