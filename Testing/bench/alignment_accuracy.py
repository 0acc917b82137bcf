"""Alignment of the phantom's recurrence scan: how far landmarks of the skull end from where they belong, and whether
what cannot be aligned is said to have failed.

The pose is up to 15 degrees and 20 mm, the neck is bent by up to 6 degrees, both scans have slices of 5 mm, the second
is slightly oblique, of another field of view, without fat suppression, and shaded by its coil.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np

from NPCRadiomicsRiskLib.alignment.rigid_alignment import Alignment, align, box_around, landmark_errors_mm
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid
from NPCResponseLib.phantom.recurrence import LARGEST_NECK_DEG, simulate_recurrence

from .table import markdown_table

N_POSES = 30
MEDIAN_BAR_MM, WORST_BAR_MM, TIME_BAR_S = 1.0, 2.5, 20.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of one pose: mean and largest error of the landmarks, and how long it took (wall clock, and all threads)."""

    alignment: Alignment
    error_mm: float
    worst_mm: float
    seconds: float
    cpu_seconds: float


def report(n_poses: int = N_POSES) -> str:
    outcomes = [one_pose(seed) for seed in range(n_poses)]
    rows = [
        _row(
            "landmark error, mean of a pose",
            [outcome.error_mm for outcome in outcomes],
            "mm",
            MEDIAN_BAR_MM,
            WORST_BAR_MM,
        ),
        _row("landmark error, worst of a pose", [outcome.worst_mm for outcome in outcomes], "mm", None, WORST_BAR_MM),
        _row("time", [outcome.seconds for outcome in outcomes], "s", None, TIME_BAR_S),
        _row("time of all threads together", [outcome.cpu_seconds for outcome in outcomes], "s", None, None),
        *(
            _row(label, [measure(outcome.alignment.quality) for outcome in outcomes], "mm", None, None)
            for label, measure in MEASURES.items()
        ),
    ]
    called = sum(outcome.alignment.reliable for outcome in outcomes)
    wrong = sum(outcome.alignment.reliable and outcome.worst_mm > WORST_BAR_MM for outcome in outcomes)
    title = f"## Alignment of a recurrence scan, {n_poses} poses"
    table = markdown_table(("what", "median", "worst", "bar (median, worst)"), rows)
    said = f"{called} of {n_poses} called reliable; {wrong} of them off by more than {WORST_BAR_MM:g} mm."
    return "\n\n".join([title, table, said, failures()])


MEASURES = {
    "inverse consistency": lambda quality: quality.inverse_consistency_mm,
    "residual at borders": lambda quality: quality.edges.residual_mm,
    "shift that borders ask for": lambda quality: quality.edges.shift_mm,
}


def one_pose(seed: int) -> Outcome:
    neck_deg = np.random.default_rng([seed, 3]).uniform(-1, 1) * LARGEST_NECK_DEG
    patient = simulate_recurrence(seed=seed, neck_deg=neck_deg)
    started, started_cpu = time.perf_counter(), time.process_time()
    found = _aligned(patient, patient.recurrence, patient.recurrence_grid, seed)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    errors = landmark_errors_mm(patient.landmarks_pre_ras, patient.landmarks_recurrence_ras, found.moving_to_fixed_ras)
    outcome = Outcome(found, float(np.mean(list(errors.values()))), max(errors.values()), seconds, cpu_seconds)
    quality = found.quality
    print(
        f"{seed:3d}: {outcome.error_mm:.2f} mm (worst {outcome.worst_mm:.2f}), {seconds:.1f} s ({cpu_seconds:.1f} s), "
        f"reliable {found.reliable} {found.reasons}, start {found.start}, agreeing {quality.agreeing_starts} of "
        f"{quality.n_starts}, peak {quality.peak:.0f}, capture {quality.capture_range_mm:g} mm",
        file=sys.stderr,
        flush=True,
    )
    return outcome


def failures() -> str:
    """Scans that cannot be laid over the first one."""
    patient = simulate_recurrence(seed=1)
    noise = np.random.default_rng(0).rayleigh(100.0, patient.recurrence.shape).astype(np.float32)
    elsewhere = {
        "only the lower neck was scanned": (0, -20, -125),
        "only the top of the head was scanned": (0, 0, 110),
    }
    scans = {
        "noise": (noise, patient.recurrence_grid),
        "the head upside down": (patient.recurrence[::-1], patient.recurrence_grid),
        "front and back exchanged": (patient.recurrence[:, ::-1], patient.recurrence_grid),
    }
    for label, center_ras in elsewhere.items():
        grid = PhantomGrid.axial((18, 240, 240), (5, 1, 1), center_ras=center_ras)
        scans[label] = simulate_recurrence(seed=1, recurrence_grid=grid).recurrence, grid
    rows = [(label, _verdict(patient, *scan)) for label, scan in scans.items()]
    return markdown_table(("what cannot be aligned", "what is said"), rows)


def _verdict(patient, moving: np.ndarray, grid: PhantomGrid) -> str:
    try:
        found = _aligned(patient, moving, grid, 0)
    except InputError as error:
        return f"refused: {error}"
    return "**reliable**" if found.reliable else f"not reliable: {' '.join(found.reasons)}"


def _aligned(patient, moving: np.ndarray, grid: PhantomGrid, seed: int) -> Alignment:
    region = box_around(patient.masks_pre["GTV"], patient.pre_grid.ijk_to_ras)
    return align(patient.pre, patient.pre_grid.ijk_to_ras, moving, grid.ijk_to_ras, region_ras=region, seed=seed)


def _row(label: str, values: list[float], unit: str, median_bar: float | None, worst_bar: float | None):
    bars = ", ".join("-" if bar is None else f"{bar:g} {unit}" for bar in (median_bar, worst_bar))
    return label, f"{np.median(values):.2f} {unit}", f"{np.max(values):.2f} {unit}", bars


if __name__ == "__main__":
    print(report())
