"""Bias, spread and coverage of blood flow: several delays, the repeats of one, and one delay's model bias."""

import numpy as np
from scipy import stats

from NPCResponseLib.asl_series import AslRole, AslSeries, LabelingType
from NPCResponseLib.blood_flow_formula import continuous_flow_per_signal
from NPCResponseLib.kinetic_model import KineticConstants, fit_kinetic_model, gkm_difference_signal, single_delay_bias
from NPCResponseLib.perfusion import quantify_perfusion

from .table import markdown_table

CONTINUOUS = KineticConstants(1500.0)
PULSED = KineticConstants(700.0, labeling_efficiency=0.98, labeling_type=LabelingType.PASL)
DELAYS_MS = {
    CONTINUOUS: np.array([500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0]),
    PULSED: np.array([900.0, 1200.0, 1500.0, 1800.0, 2400.0, 3000.0]),
}
FLOWS = (40.0, 80.0, 150.0)
N_VOXELS = 20_000
PAPER_DELAY_MS, PAPER_T1_BLOOD_MS, PAPER_EFFICIENCY, PARTITION_COEFFICIENT = 2025.0, 1650.0, 0.85, 0.9


def percent(values) -> str:
    return f"{100 * min(values):.1f}-{100 * max(values):.1f} %"


def largest(values, form: str = "+.2f") -> str:
    """The one that is farthest from zero."""
    return format(max(values, key=abs), form)


def several_delays(constants: KineticConstants, snr: float, transit_times_ms) -> tuple[str, ...]:
    """The worst of all flows and transit times. SNR: the largest of the six differences over the noise of each."""
    delays, rng = DELAYS_MS[constants], np.random.default_rng(int(snr))
    flow_bias, flow_spread, transit_bias, transit_spread, covers_flow, covers_transit, m0_snr = ([] for _ in range(7))
    for tbf in FLOWS:
        for transit_ms in transit_times_ms:
            clean = gkm_difference_signal(tbf, transit_ms, delays[:, None], constants)
            sigma = clean.max() / snr
            fit = fit_kinetic_model(clean + rng.normal(scale=sigma, size=(6, N_VOXELS)), delays, constants)
            flow, transit = fit.tbf_ml_per_100g_min, fit.transit_time_ms
            factor = stats.t.ppf(0.975, fit.degrees_of_freedom)
            flow_bias.append(100 * (flow.mean() / tbf - 1))
            flow_spread.append(100 * flow.std() / tbf)
            transit_bias.append(transit.mean() - transit_ms)
            transit_spread.append(transit.std())
            covers_flow.append(np.mean(np.abs(flow - tbf) <= factor * fit.tbf_se))
            covers_transit.append(np.mean(np.abs(transit - transit_ms) <= factor * fit.transit_time_se_ms))
            m0_snr.append(1 / sigma)
    return (
        f"{min(m0_snr):,.0f}-{max(m0_snr):,.0f}",
        largest(flow_bias),
        f"{max(flow_spread):.1f}",
        largest(transit_bias, "+.0f"),
        f"{max(transit_spread):.0f}",
        percent(covers_flow),
        percent(covers_transit),
    )


def table_of_several_delays() -> str:
    usual, early = (700.0, 1100.0, 1600.0, 2100.0), (100.0, 300.0)
    cases = [
        *(("continuous", CONTINUOUS, snr, usual, "700-2100") for snr in (100, 50, 20, 10, 5)),
        *(("continuous", CONTINUOUS, snr, early, "100-300: before the shortest delay") for snr in (50, 10)),
        *(("pulsed", PULSED, snr, usual, "700-2100") for snr in (50, 10)),
    ]
    rows = [
        (label, when, str(snr), *several_delays(constants, snr, transit_times))
        for label, constants, snr, transit_times, when in cases
    ]
    head = (
        *("labeling", "transit time (ms)", "largest difference / noise", "M0 / noise of a difference"),
        *("worst TBF bias (%)", "largest TBF SD (%)", "worst transit bias (ms)", "largest transit SD (ms)"),
        *("95 % interval of TBF covers", "of transit time"),
    )
    return f"Six delays, TBF 40, 80, 150, one pair each\n\n{markdown_table(head, rows)}"


def repeated(n_pairs: int, mean: float, noise: float) -> AslSeries:
    """One delay, M0 1000 without noise, differences with noise."""
    rng, shape = np.random.default_rng(n_pairs), (10, 64, 64)
    volumes, roles = [np.full(shape, 1000, dtype=np.float32)], [AslRole.M0]
    for _ in range(n_pairs):
        volumes += [np.full(shape, 500, np.float32), (500 - rng.normal(mean, noise, shape)).astype(np.float32)]
        roles += [AslRole.CONTROL, AslRole.LABEL]
    delays = (None, *[PAPER_DELAY_MS] * (2 * n_pairs))
    return AslSeries(
        *(tuple(volumes), tuple(roles), delays, np.eye(4)),
        labeling_type=LabelingType.PCASL,
        label_duration_ms=1500.0,
        field_strength_t=3.0,
        n_background_suppression_pulses=0,
    )


def table_of_repeats() -> str:
    per_signal = continuous_flow_per_signal(PAPER_DELAY_MS, 1500.0, PAPER_T1_BLOOD_MS, PAPER_EFFICIENCY, 0.9)
    rows = []
    for n_pairs in (2, 3, 5, 10, 30):
        result = quantify_perfusion(repeated(n_pairs, 8.0, 20.0))
        error = result.tbf_ml_per_100g_min - per_signal * 8.0 / 1000
        inside = np.mean(np.abs(error) <= result.confidence_factor() * result.standard_error)
        rows.append((str(n_pairs), f"{error.mean():+.2f}", f"{error.std():.1f}", f"{100 * inside:.1f} %"))
    head = ("pairs", "bias (mL/100g/min)", "SD (mL/100g/min)", "95 % interval covers")
    return f"One delay, noise of a difference 2 % of M0\n\n{markdown_table(head, rows)}"


def table_of_model_bias() -> str:
    per_signal = continuous_flow_per_signal(PAPER_DELAY_MS, 1500.0, PAPER_T1_BLOOD_MS, PAPER_EFFICIENCY, 0.9)
    bias = single_delay_bias(PAPER_DELAY_MS, CONTINUOUS, lambda signal: signal * per_signal)
    rows = [
        (f"{transit_ms:g}", *(f"{ratio:.3f}" for ratio in ratios))
        for transit_ms, ratios in zip(bias.transit_times_ms, bias.ratios, strict=True)
    ]
    head = ("transit time (ms)", *(f"T1 of tissue {t1_ms:g} ms" for t1_ms in bias.t1_tissue_ms))
    alike = []
    for tbf in (50.0, 100.0):
        for transit_ms in (0.0, 500.0, 1000.0, 2025.0):
            constants = KineticConstants(1500.0, t1_tissue_ms=PAPER_T1_BLOOD_MS)
            signal = gkm_difference_signal(tbf, transit_ms, PAPER_DELAY_MS, constants)
            alike.append((f"{tbf:g}", f"{transit_ms:g}", f"{100 * (per_signal * float(signal) / tbf - 1):+.1f}"))
    return (
        f"Eq. 2 over the true flow of the general kinetic model, TBF 50, delay 2025 ms, label 1500 ms\n\n"
        f"{markdown_table(head, rows)}\n\nThe same where tissue relaxes as blood does\n\n"
        f"{markdown_table(('TBF', 'transit time (ms)', 'bias (%)'), alike)}"
    )


def report() -> str:
    return "\n\n".join((table_of_several_delays(), table_of_repeats(), table_of_model_bias()))
