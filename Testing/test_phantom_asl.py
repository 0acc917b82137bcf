"""The phantom's arterial spin labeling images: their truths, their noise, their physics."""

import numpy as np
import pytest
from scipy import integrate

from NPCResponseLib import phantom
from NPCResponseLib.asl_series import AslRole, LabelingType
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid, Tissue, simulate_asl

COURSES = {
    ("pre", "responder"): 155.59,
    ("post", "responder"): 86.73,
    ("pre", "non-responder"): 129.87,
    ("post", "non-responder"): 79.36,
}
SMALL_GRID = PhantomGrid.axial((12, 40, 36), (5, 4, 4), center_ras=(4, 0, -6))
TINY_GRID = PhantomGrid.axial((4, 9, 8), (12, 18, 18), center_ras=(0, 4, 0))
LAMBDA, ALPHA, T1_BLOOD_S = 0.9, 0.85, 1.65


def difference_by_convolution(tbf, transit_s, t1_s, delay_s, tau_s):
    """Control - label over M0 of tissue as the integral of arriving label times what is left of it.

    Written apart from the closed form under test: blood that arrives between transit time and transit time + tau,
    decayed with T1 of blood on its way, decays with the apparent T1 of the tissue, of which outflow is part, until the
    readout at tau + delay.
    """
    flow = tbf / 6000
    rate = 1 / t1_s + flow / LAMBDA
    readout_s = tau_s + delay_s
    arriving = 2 * ALPHA * flow / LAMBDA * np.exp(-transit_s / T1_BLOOD_S)
    first, last = transit_s, min(transit_s + tau_s, readout_s)
    if last <= first:
        return 0.0
    return integrate.quad(lambda t: arriving * np.exp(-(readout_s - t) * rate), first, last)[0]


def eq2(control, label, m0, delay_s=2.025, tau_s=1.5):
    """The published formula, written apart from the product's."""
    decay, filled = np.exp(delay_s / T1_BLOOD_S), 1 - np.exp(-tau_s / T1_BLOOD_S)
    return 6000 * LAMBDA * (control - label) * decay / (2 * ALPHA * T1_BLOOD_S * m0 * filled)


@pytest.fixture(scope="module")
def noise_free():
    return simulate_asl(snr=None, n_pairs=1)


# -- truth --


@pytest.mark.parametrize(("time_point", "response"), COURSES)
def test_tumor_flow_is_that_of_table_4(time_point, response):
    simulated = simulate_asl(time_point, response=response, grid=SMALL_GRID, snr=None, n_pairs=1)
    assert simulated.truth_by_region["viable_tumor"] == pytest.approx(COURSES[time_point, response])
    inside = simulated.region_mask("viable_tumor")
    np.testing.assert_allclose(simulated.truth_tbf[inside], COURSES[time_point, response], rtol=1e-6)


def test_truth_by_region_names_what_the_maps_hold(noise_free):
    for region, tbf in noise_free.truth_by_region.items():
        tissue, inside = phantom.tissue_table()[region], noise_free.region_mask(region)
        assert tissue.tbf_ml_per_100g_min == pytest.approx(tbf)
        np.testing.assert_allclose(noise_free.truth_tbf[inside], tbf, rtol=1e-6)
        np.testing.assert_allclose(noise_free.truth_transit_time_ms[inside], tissue.transit_time_ms)
    assert not {"air", "sinus", "airway"} & set(noise_free.truth_by_region)
    assert not noise_free.truth_transit_time_ms[noise_free.region_mask("airway")].any()


@pytest.mark.parametrize("delay_ms", [100, 1000, 2025, 3000])
def test_images_hold_the_signal_of_the_kinetic_model(delay_ms):
    simulated = simulate_asl(
        snr=None, grid=SMALL_GRID, n_pairs=1, post_labeling_delays_ms=(delay_ms,), label_duration_ms=1800
    )
    m0, control, label = (volume.astype(np.float64) for volume in simulated.series.volumes)
    for region in ("viable_tumor", "muscle", "brain", "fat"):
        tissue, inside = phantom.tissue_table()[region], simulated.region_mask(region)
        expected = difference_by_convolution(
            tissue.tbf_ml_per_100g_min, tissue.transit_time_ms / 1000, tissue.t1_ms / 1000, delay_ms / 1000, 1.8
        )
        found = (control - label)[inside] / m0[inside]
        assert found == pytest.approx(expected, abs=3e-7)  # float32 control and label


def test_eq2_by_region_is_what_the_published_formula_gives_without_noise(noise_free):
    m0, control, label = noise_free.series.volumes
    for region, expected in noise_free.eq2_by_region.items():
        inside = noise_free.region_mask(region)
        assert np.mean(eq2(control[inside], label[inside], m0[inside])) == pytest.approx(expected, abs=0.05)


def test_published_formula_is_exact_where_its_assumptions_hold():
    """T1 of tissue as of blood, and no outflow to speak of: then only the model's own approximation is left."""
    tissues = phantom.tissue_table()
    tissues["viable_tumor"] = Tissue(1000, 44, t1_ms=1650, tbf_ml_per_100g_min=1, transit_time_ms=1700)
    simulated = simulate_asl(snr=None, grid=SMALL_GRID, tissues=tissues)
    assert simulated.eq2_by_region["viable_tumor"] == pytest.approx(1, rel=1e-3)


def test_model_bias_in_the_tumor_is_below_a_tenth_and_keeps_the_published_order():
    """The demonstration patients fall on the sides of Liu's cutoffs that their groups do, measured by Eq. 2, too."""

    def measured(time_point, response):
        simulated = simulate_asl(time_point, response=response, grid=SMALL_GRID, n_pairs=1)
        ratio = simulated.eq2_by_region["viable_tumor"] / simulated.truth_by_region["viable_tumor"]
        assert 0.9 < ratio < 1
        return simulated.eq2_by_region["viable_tumor"]

    before, after = measured("pre", "responder"), measured("post", "responder")
    assert before > 137.07 and before - after > 57.52
    before, after = measured("pre", "non-responder"), measured("post", "non-responder")
    assert before < 137.07 and before - after < 57.52


def test_heterogeneous_flow_keeps_its_mean_and_is_in_the_images():
    simulated = simulate_asl(snr=None, n_pairs=1, tumor_heterogeneity=15)
    viable = simulated.region_mask("viable_tumor")
    truth = simulated.truth_tbf[viable]
    assert truth.std() == pytest.approx(15, rel=0.4)
    assert simulated.truth_by_region["viable_tumor"] == pytest.approx(truth.mean(), rel=1e-5)
    m0, control, label = (volume[viable] for volume in simulated.series.volumes)
    assert np.corrcoef(eq2(control, label, m0), truth)[0, 1] > 0.999


# -- protocol --


def test_series_carries_the_protocol_and_says_that_it_is_synthetic(noise_free):
    series = noise_free.series
    assert series.roles == (AslRole.M0, AslRole.CONTROL, AslRole.LABEL)
    assert series.post_labeling_delays_ms == (None, 2025.0, 2025.0)
    assert (series.label_duration_ms, series.field_strength_t, series.labeling_efficiency) == (1500, 3, 0.85)
    assert series.labeling_type is LabelingType.PCASL
    assert series.n_background_suppression_pulses == 0 and series.perfusion_scale is None
    assert series.shape_kji == noise_free.grid.shape_kji == noise_free.labels.shape
    np.testing.assert_array_equal(series.ijk_to_ras, noise_free.grid.ijk_to_ras)
    assert any("synthetic" in warning for warning in series.warnings)


def test_paper_grid_has_the_field_of_view_of_the_protocol():
    grid = PhantomGrid.asl()
    assert np.multiply(grid.shape_kji, grid.spacing_mm_kji) == pytest.approx((144, 240, 240))
    assert grid.shape_kji[0] == 36 and grid.slice_thickness_mm == 4


@pytest.mark.parametrize("grid", [PhantomGrid.asl_demo(), PhantomGrid.t1ce_demo()], ids=["asl", "t1ce"])
def test_disease_is_well_inside_the_demo_grids(grid):
    labels = phantom.head_anatomy().labels_on(grid)
    names = ("viable_tumor", "node_left", "node_right")
    disease = np.isin(labels, [phantom.REGION_NAMES.index(name) for name in names])
    assert not (disease[:1].any() or disease[-1:].any())
    outside = labels.copy()
    outside[:, 1:-1, 1:-1] = 0
    assert not outside.any()


def test_several_delays_come_one_after_the_other_in_pairs():
    series = simulate_asl(grid=SMALL_GRID, post_labeling_delays_ms=(500, 1500, 2500), n_pairs=2).series
    assert series.post_labeling_delays_ms == (None, *[500] * 4, *[1500] * 4, *[2500] * 4)
    assert series.roles[1:] == (AslRole.CONTROL, AslRole.LABEL) * 6


def test_background_suppression_leaves_what_it_should_and_takes_its_toll_of_the_label():
    plain = simulate_asl(snr=None, n_pairs=1)
    suppressed = simulate_asl(snr=None, n_pairs=1, background_suppression=0.12)
    m0, control, label = suppressed.series.volumes
    viable, inside = suppressed.region_mask("viable_tumor"), m0 > 0
    assert control[viable] / m0[viable] == pytest.approx(0.12, abs=1e-5)
    assert np.ptp(control[inside] / m0[inside]) > 0.05  # other tissues have another T1
    assert suppressed.series.n_background_suppression_pulses == 2
    difference = plain.series.volumes[1] - plain.series.volumes[2]
    np.testing.assert_allclose((control - label)[viable], 0.95**2 * difference[viable], rtol=1e-3)
    assert suppressed.eq2_by_region == plain.eq2_by_region


def test_product_images_are_scaled_and_their_m0_is_saturated(noise_free):
    product = simulate_asl(snr=None, product_nex=3)
    assert product.series.roles == (AslRole.DIFFERENCE, AslRole.M0)
    assert product.series.perfusion_scale == 96 and product.series.m0_is_saturation_recovery
    difference, m0 = product.series.volumes
    viable = product.region_mask("viable_tumor")
    pair = noise_free.series.volumes[1] - noise_free.series.volumes[2]
    np.testing.assert_allclose(difference[viable], 96 * pair[viable], rtol=1e-3)
    assert m0[viable] == pytest.approx(1000 * (1 - np.exp(-2 / 1.5)))
    noisy = simulate_asl(snr=200, product_nex=3)
    fluctuation = (noisy.series.volumes[0] - difference)[viable]
    assert fluctuation.std() == pytest.approx(96 * np.sqrt(2 / 3) * 5, rel=0.15)


# -- noise and motion --


def test_noise_has_the_given_level_in_tumor_and_is_rayleigh_in_air(noise_free):
    noisy = simulate_asl(snr=80, n_pairs=1)
    viable, air = noisy.region_mask("viable_tumor"), noisy.labels == 0
    assert noisy.noise_sigma == pytest.approx(12.5)
    for volume, clean in zip(noisy.series.volumes, noise_free.series.volumes, strict=True):
        assert (volume - clean)[viable].std() == pytest.approx(12.5, rel=0.12)
        assert volume[air].mean() == pytest.approx(12.5 * np.sqrt(np.pi / 2), rel=0.02)


def test_same_seed_same_images_other_seed_or_time_point_other_noise():
    def volumes(*arguments, **options):
        return simulate_asl(*arguments, grid=TINY_GRID, n_pairs=1, motion_mm=1, **options).series.volumes

    for one, two in zip(volumes(seed=3), volumes(seed=3), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(volumes(seed=3)[0], volumes(seed=4)[0])
    brain = (slice(-1, None), slice(-1, None))  # the same tissue before and after
    assert not np.array_equal(volumes(seed=3)[0][brain], volumes("post", seed=3)[0][brain])


def test_motion_has_the_given_size_and_leaves_the_first_volume_at_rest():
    motions = np.array(simulate_asl(grid=TINY_GRID, n_pairs=40, motion_mm=1.5, n_subvoxels=1, snr=None).motion_ras)
    np.testing.assert_array_equal(motions[0], np.eye(4))
    pivot = np.array(phantom.asl.PIVOT_RAS)
    shifts = motions[1:, :3, :3] @ pivot + motions[1:, :3, 3] - pivot
    assert np.sqrt(np.mean(np.sum(shifts**2, axis=1))) == pytest.approx(1.5, rel=0.15)
    angles = np.degrees(np.arccos((np.trace(motions[1:, :3, :3], axis1=1, axis2=2) - 1) / 2))
    assert np.sqrt(np.mean(angles**2)) == pytest.approx(1.5, rel=0.15)


def test_a_head_one_voxel_further_is_the_image_shifted_by_one_voxel():
    position = np.eye(4)
    position[:3, 3] = 4, -8, 5  # columns run to the left, rows to the back, slices upwards
    still, moved = (simulate_asl(snr=None, grid=SMALL_GRID, n_pairs=1, position_ras=p) for p in (None, position))
    for one, two in zip((*still.series.volumes, still.labels), (*moved.series.volumes, moved.labels), strict=True):
        np.testing.assert_array_equal(one[:-1, :-2, 1:], two[1:, 2:, :-1])


def test_subvoxels_average_the_signal_of_the_voxel():
    """Against labels on the finer grid; and a region without a border stays as it was."""
    hard, soft = (simulate_asl(snr=None, grid=SMALL_GRID, n_pairs=1, n_subvoxels=n).series.volumes[0] for n in (1, 2))
    fine = PhantomGrid.axial((24, 80, 72), (2.5, 2, 2), center_ras=(4, 0, -6))
    s0 = np.array([phantom.tissue_table()[name].s0 for name in phantom.REGION_NAMES])
    expected = s0[phantom.head_anatomy().labels_on(fine)].reshape(12, 2, 40, 2, 36, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(soft, expected, rtol=1e-5)
    assert 0.02 < np.mean(soft != hard) < 0.5


def test_integer_images_are_the_rounded_ones():
    exact, rounded = (simulate_asl(grid=SMALL_GRID, n_pairs=1, as_integers=integers) for integers in (False, True))
    assert rounded.series.volumes[1].dtype == np.int16
    assert np.abs(exact.series.volumes[1] - rounded.series.volumes[1]).max() <= 0.501


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"time_point": "later"}, "'later'.*'pre' or 'post'"),
        ({"response": "cured"}, "'cured'.*'responder'"),
        ({"snr": 0}, "signal-to-noise"),
        ({"post_labeling_delays_ms": ()}, "no post-labeling delay"),
        ({"post_labeling_delays_ms": (-5,)}, "post-labeling delay must be a positive number"),
        ({"label_duration_ms": float("nan")}, "label duration"),
        ({"n_pairs": 0}, "number of pairs"),
        ({"motion_mm": -1}, "motion must not be negative"),
        ({"product_nex": 0}, "number of averages"),
        ({"background_suppression": 1.5}, "cannot leave 1.5"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        simulate_asl(**({"grid": SMALL_GRID} | arguments))
