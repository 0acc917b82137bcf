"""Speed of all diameters of a mask, against PyRadiomics' shape features, which compare every pair of surface points.

PyRadiomics 3.0.1 wants an environment of its own (see Testing/pyradiomics_diameters.py); PYRADIOMICS_PYTHON names its
interpreter. Without it the table has our own times alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from NPCResponseLib.diameters import Outline, measure_diameters

from .table import markdown_table

ROOT = Path(__file__).resolve().parents[2]
SHAPE_KJI = (100, 512, 512)
SPACING_MM = (0.5, 0.5, 1.0)
REPEATS = 5
PEER = """
import sys, time
import numpy as np
from Testing.pyradiomics_diameters import measure_with_pyradiomics
mask = np.load(sys.argv[1])
start = time.perf_counter()
found = measure_with_pyradiomics(mask, tuple(float(value) for value in sys.argv[2:5]))
print(time.perf_counter() - start, *(found[plane] for plane in ("axial", "coronal", "sagittal", "3d")))
"""


def ellipsoid(semi_axes_kji: tuple[float, float, float]) -> np.ndarray:
    indices = np.ogrid[tuple(slice(0, n) for n in SHAPE_KJI)]
    parts = [((index - n / 2) / semi) ** 2 for index, n, semi in zip(indices, SHAPE_KJI, semi_axes_kji, strict=True)]
    return sum(parts) <= 1


def masks() -> dict[str, np.ndarray]:
    return {
        "lesion of 50 x 40 x 30 mm": ellipsoid((15, 40, 50)),
        "lesion of 120 x 100 x 60 mm": ellipsoid((30, 100, 120)),
        "head of 250 x 240 x 98 mm": ellipsoid((49, 240, 250)),
    }


def seconds(mask: np.ndarray) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        measure_diameters(mask, np.diag([*SPACING_MM, 1.0]))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def peer_result(mask: np.ndarray) -> list[float] | None:
    """Seconds and the four diameters by PyRadiomics, on the mask cut to its bounding box; None without it."""
    inside = np.argwhere(mask)
    cut = mask[tuple(slice(low, high + 1) for low, high in zip(inside.min(axis=0), inside.max(axis=0), strict=True))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.npy"
        np.save(path, cut)
        command = [os.environ.get("PYRADIOMICS_PYTHON", sys.executable), "-c", PEER, str(path), *map(str, SPACING_MM)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()] if done.returncode == 0 else None


def report() -> str:
    rows = []
    for name, mask in masks().items():
        ours = seconds(mask)
        # The pairs of the largest mask would take PyRadiomics an hour.
        peer = None if name.startswith("head") else peer_result(mask)
        if peer is None:
            rows.append((name, f"{ours:.2f} s", "-", "-", "-"))
            continue
        found = measure_diameters(mask, np.diag([*SPACING_MM, 1.0]), outline=Outline.EDGE_MIDPOINTS)
        lengths = [diameter.length_mm for diameter in (*found.longest_in_plane.values(), found.longest_3d)]
        off = max(abs(length - other) for length, other in zip(lengths, peer[1:], strict=True))
        rows.append((name, f"{ours:.2f} s", f"{peer[0]:.1f} s", f"{peer[0] / ours:,.0f}", f"{off:.1g} mm"))
    head = (
        "mask of 512 x 512 x 100, 0.5 x 0.5 x 1 mm",
        "all diameters",
        "PyRadiomics shape",
        "x PyRadiomics",
        "largest difference by its definition",
    )
    return markdown_table(head, rows)
