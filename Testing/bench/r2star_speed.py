"""Speed and memory of the R2* fit on the published matrix, 256 x 218 x 20 with five echoes."""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from NPCResponseLib.decay_estimators import DecayTimes, arlo_rate, variable_projection_step
from NPCResponseLib.phantom import PhantomGrid, simulate_bold
from NPCResponseLib.relaxometry import CHUNK_VOXELS, R2StarMethod, fit_r2star
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician

from .peers import scipy_curve_fit_loop, tedana_curve_fit
from .table import markdown_table

MATRIX_KJI = (20, 218, 256)
PEER_VOXELS = 2_000
REPEATS = 9


def cpu_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median processor time of one run, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return float(np.median(times))


def least_squares_alone(echoes: list[np.ndarray]) -> None:
    """The plain estimator without maps, flags or noise: ARLO start and two Gauss-Newton steps."""
    times, flat = DecayTimes.of(PAPER_ECHO_TIMES_MS, np.float32), [echo.reshape(-1) for echo in echoes]
    for start in range(0, flat[0].size, CHUNK_VOXELS):
        y = np.stack([echo[start : start + CHUNK_VOXELS] for echo in flat])
        rho = arlo_rate(y, times)
        for _ in range(2):
            rho += variable_projection_step(y, rho, times)[1]


def report() -> str:
    rng = np.random.default_rng(0)
    truth = rng.uniform(30, 70, MATRIX_KJI)
    tissue = rician(decays(truth, 50.0), 1.0, rng)
    head = simulate_bold(grid=PhantomGrid.paper(), snr=50).series.echoes
    few = [echo.reshape(-1)[:PEER_VOXELS] for echo in tissue]
    n_voxels = truth.size
    tedana = cpu_seconds(lambda: tedana_curve_fit(few, PAPER_ECHO_TIMES_MS), repeats=1) / PEER_VOXELS
    loop = cpu_seconds(lambda: scipy_curve_fit_loop(few, PAPER_ECHO_TIMES_MS), repeats=1) / PEER_VOXELS
    runs = (
        ("default, all maps and flags, tissue everywhere", lambda: fit_r2star(tissue, PAPER_ECHO_TIMES_MS)),
        ("default, all maps and flags, phantom head in air", lambda: fit_r2star(head, PAPER_ECHO_TIMES_MS)),
        (
            "least squares without noise floor, all maps and flags, tissue everywhere",
            lambda: fit_r2star(tissue, PAPER_ECHO_TIMES_MS, method=R2StarMethod.NLLS),
        ),
        (
            "least squares without noise floor, all maps and flags, phantom head in air",
            lambda: fit_r2star(head, PAPER_ECHO_TIMES_MS, method=R2StarMethod.NLLS),
        ),
        ("least squares without noise floor, estimator alone", lambda: least_squares_alone(tissue)),
    )
    rows = []
    for name, run in runs:
        seconds = cpu_seconds(run)
        per_voxel = seconds / n_voxels
        rows.append(
            (
                name,
                f"{1000 * seconds:.0f} ms",
                f"{1 / per_voxel:.2g}",
                f"{tedana / per_voxel:,.0f}",
                f"{loop / per_voxel:,.0f}",
            )
        )
    rows.append(("tedana fit_monoexponential", f"{tedana * n_voxels / 60:.0f} min", f"{1 / tedana:.2g}", "1", "-"))
    rows.append(("scipy curve_fit loop", f"{loop * n_voxels / 60:.0f} min", f"{1 / loop:.2g}", "-", "1"))
    head_line = ("one core, 256 x 218 x 20 x 5", "CPU time", "voxel/s", "x tedana", "x scipy loop")
    memory = f"Peak memory beside the input: {peak_memory_ratio(tissue):.2f} x the input."
    return f"{markdown_table(head_line, rows)}\n\n{memory}"


def peak_memory_ratio(echoes: list[np.ndarray]) -> float:
    tracemalloc.start()
    fit_r2star(echoes, PAPER_ECHO_TIMES_MS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / sum(echo.nbytes for echo in echoes)
