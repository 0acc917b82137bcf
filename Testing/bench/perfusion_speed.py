"""Speed, longest step and memory of blood flow quantification on clinical matrices."""

import time
import tracemalloc

import numpy as np

from NPCResponseLib.asl_series import AslRole, AslSeries, LabelingType
from NPCResponseLib.kinetic_model import KineticConstants, gkm_difference_signal
from NPCResponseLib.perfusion import iter_quantify_perfusion, quantify_perfusion, tumor_blood_flow

from .r2star_speed import cpu_seconds
from .table import markdown_table

MATRIX_KJI, LARGE_MATRIX_KJI = (36, 128, 128), (40, 256, 256)
SIX_DELAYS_MS = (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
PAPER_DELAY_MS = 2025.0


def simulate(shape, n_pairs: int, delays_ms=(PAPER_DELAY_MS,)) -> AslSeries:
    """Tissue everywhere, so that no voxel is skipped; float32."""
    rng, constants = np.random.default_rng(0), KineticConstants(1500.0)
    volumes, roles, delays = [rng.normal(1000, 5, shape).astype(np.float32)], [AslRole.M0], [None]
    for delay in delays_ms:
        mean = 1000 * float(gkm_difference_signal(80.0, 1200.0, delay, constants))
        for _ in range(n_pairs):
            volumes += [
                rng.normal(500, 1, shape).astype(np.float32),
                rng.normal(500 - mean, 1, shape).astype(np.float32),
            ]
            roles += [AslRole.CONTROL, AslRole.LABEL]
            delays += [delay, delay]
    return AslSeries(
        *(tuple(volumes), tuple(roles), tuple(delays), np.eye(4)),
        labeling_type=LabelingType.PCASL,
        label_duration_ms=1500.0,
        field_strength_t=3.0,
        n_background_suppression_pulses=0,
    )


def longest_step_seconds(series: AslSeries) -> float:
    """Wall time between two chances to cancel."""
    last, longest = time.perf_counter(), 0.0
    for _ in iter_quantify_perfusion(series):
        now = time.perf_counter()
        last, longest = now, max(longest, now - last)
    return max(longest, time.perf_counter() - last)


def peak_memory_ratio(series: AslSeries) -> float:
    tracemalloc.start()
    quantify_perfusion(series)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / sum(volume.nbytes for volume in series.volumes)


def report() -> str:
    cases = (
        ("one delay, 1 pair", MATRIX_KJI, 1, (PAPER_DELAY_MS,), 7),
        ("one delay, 4 pairs, standard error", MATRIX_KJI, 4, (PAPER_DELAY_MS,), 7),
        ("one delay, 30 pairs, standard error, outliers", MATRIX_KJI, 30, (PAPER_DELAY_MS,), 3),
        ("one delay, 4 pairs, standard error", LARGE_MATRIX_KJI, 4, (PAPER_DELAY_MS,), 3),
        ("six delays, 1 pair each", (8, 128, 128), 1, SIX_DELAYS_MS, 1),
        ("six delays, 3 pairs each", (8, 128, 128), 3, SIX_DELAYS_MS, 1),
    )
    rows = []
    for name, shape, n_pairs, delays_ms, repeats in cases:
        series = simulate(shape, n_pairs, delays_ms)
        seconds = cpu_seconds(lambda series=series: quantify_perfusion(series), repeats)
        rows.append(
            (
                *(name, " x ".join(str(length) for length in reversed(shape)), f"{1000 * seconds:.0f} ms"),
                *(f"{np.prod(shape) / seconds:.2g}", f"{1000 * longest_step_seconds(series):.0f} ms"),
                f"{peak_memory_ratio(series):.2f}",
            )
        )
    rng = np.random.default_rng(1)
    m0, difference = (rng.normal(mean, 3, LARGE_MATRIX_KJI).astype(np.float32) for mean in (1000, 8))
    seconds = cpu_seconds(
        lambda: tumor_blood_flow(difference, m0, post_labeling_delay_ms=PAPER_DELAY_MS, label_duration_ms=1500.0), 21
    )
    size = " x ".join(str(length) for length in reversed(LARGE_MATRIX_KJI))
    rows.append(("Eq. 2 alone", size, f"{1000 * seconds:.1f} ms", f"{m0.size / seconds:.2g}", "-", "-"))
    head = ("one core", "matrix", "CPU time", "voxel/s", "longest step", "peak memory / input")
    return markdown_table(head, rows)
