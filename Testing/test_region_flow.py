"""Flow of a region from its mean signal: without the bias of single voxels, with an interval that holds the truth."""

import numpy as np
import pytest
from scipy import stats

from NPCResponseLib.asl_series import AslRole, AslSeries, LabelingType
from NPCResponseLib.kinetic_model import KineticConstants, gkm_difference_signal
from NPCResponseLib.perfusion import PerfusionSettings, quantify_perfusion
from NPCResponseLib.region_flow import fit_region_flow

DELAYS_MS = (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
TRUE_FLOW, TRUE_TRANSIT_MS = 90.0, 1400.0
CONSTANTS = KineticConstants(label_duration_ms=1500.0)
N_REPEATS = 3


def noisy_series(snr: float, seed: int, shape=(3, 8, 10)) -> AslSeries:
    rng = np.random.default_rng(seed)
    volumes, roles, delays = [np.full(shape, 1000.0)], [AslRole.M0], [None]
    for delay in DELAYS_MS * N_REPEATS:
        difference = 1000 * gkm_difference_signal(TRUE_FLOW, TRUE_TRANSIT_MS, delay, CONSTANTS)
        for role, level in ((AslRole.CONTROL, 500.0), (AslRole.LABEL, 500.0 - difference)):
            volumes.append(level + rng.normal(0, 1000 / snr, shape))
            roles.append(role)
            delays.append(delay)
    return AslSeries(
        volumes=tuple(volume.astype(np.float32) for volume in volumes),
        roles=tuple(roles),
        post_labeling_delays_ms=tuple(delays),
        ijk_to_ras=np.eye(4),
        labeling_type=LabelingType.PCASL,
        label_duration_ms=1500.0,
        field_strength_t=3.0,
        n_background_suppression_pulses=0,
    )


def whole(series: AslSeries) -> np.ndarray:
    return np.ones(series.shape_kji, dtype=bool)


def test_single_voxels_are_biased_by_noise_and_the_region_is_not():
    series = noisy_series(snr=120, seed=1)
    by_voxel = quantify_perfusion(series).tbf_ml_per_100g_min.mean()
    flow = fit_region_flow(series, PerfusionSettings(), whole(series))
    assert by_voxel > 1.05 * TRUE_FLOW
    assert flow.tbf_ml_per_100g_min == pytest.approx(TRUE_FLOW, rel=0.05)


def test_interval_of_the_region_holds_the_truth():
    held, errors = [], []
    for seed in range(300):
        series = noisy_series(snr=120, seed=seed, shape=(3, 5, 8))
        flow = fit_region_flow(series, PerfusionSettings(), whole(series))
        reach = stats.t.ppf(0.975, flow.degrees_of_freedom) * flow.tbf_se
        held.append(abs(flow.tbf_ml_per_100g_min - TRUE_FLOW) <= reach)
        errors.append(flow.tbf_ml_per_100g_min - TRUE_FLOW)
    # The number of hits in 300 has a standard deviation of 1.3 %.
    assert 0.91 <= np.mean(held) <= 0.985
    assert abs(np.mean(errors)) <= 0.02 * TRUE_FLOW


def test_slices_weigh_alike_and_outliers_can_be_left_out():
    series = noisy_series(snr=1e5, seed=3)
    mask = whole(series)
    mask[0, :, 2:] = False
    flow = fit_region_flow(series, PerfusionSettings(), mask)
    assert [part.n_voxels for part in flow.by_slice] == [16, 80, 80]
    assert flow.tbf_ml_per_100g_min == pytest.approx(
        np.mean([part.tbf_ml_per_100g_min for part in flow.by_slice]), rel=1e-12
    )
    assert flow.by_slice[0].transit_time_ms == pytest.approx(TRUE_TRANSIT_MS, abs=5)
    broken = list(series.volumes)
    broken[1] = broken[1] + 300
    spoiled = AslSeries(**{**series.__dict__, "volumes": tuple(broken)})
    settings = PerfusionSettings()
    assert fit_region_flow(spoiled, settings, mask).tbf_ml_per_100g_min != pytest.approx(TRUE_FLOW, rel=0.05)
    assert fit_region_flow(spoiled, settings, mask, outliers=(0,)).tbf_ml_per_100g_min == pytest.approx(
        TRUE_FLOW, rel=0.01
    )


def test_without_degrees_of_freedom_there_is_no_region_flow():
    series = noisy_series(snr=100, seed=4)
    two_delays = [n for n, delay in enumerate(series.post_labeling_delays_ms) if delay in (None, 1500.0, 2500.0)][:5]
    few = AslSeries(
        **{
            **series.__dict__,
            "volumes": tuple(series.volumes[n] for n in two_delays),
            "roles": tuple(series.roles[n] for n in two_delays),
            "post_labeling_delays_ms": tuple(series.post_labeling_delays_ms[n] for n in two_delays),
        }
    )
    assert fit_region_flow(few, PerfusionSettings(), whole(few)) is None
