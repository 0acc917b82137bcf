"""Speed of local texture maps of a 40 cm3 tumor, against PyRadiomics' voxel-based extraction in the same run.

PyRadiomics 3.0.1 wants an environment of its own (see Testing/pyradiomics_local_texture.py); PYRADIOMICS_PYTHON names
its interpreter. Without it the table has our own times alone. Its GLCM, and its NGTDM at many levels, would take many
minutes: there it gets a small tumor (for the GLCM also 4 features only, against 14), and its time per voxel is
multiplied. It works on the tumor's bounding box, not on the whole image, which is in its favor.
"""

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from NPCRadiomicsRiskLib.radioresistance.exploratory_map import BoostRule, map_of_features, radioresistance_map
from NPCRadiomicsRiskLib.texture.local_glcm import MOMENT_FEATURES, local_glcm
from NPCRadiomicsRiskLib.texture.local_glszm import PYRADIOMICS_FEATURES, local_glszm
from NPCRadiomicsRiskLib.texture.local_ngtdm import LOCAL_NGTDM_FEATURES, local_ngtdm

from .table import markdown_table

ROOT = Path(__file__).resolve().parents[2]
SHAPE_KJI = (60, 512, 512)
SPACING_MM_KJI = (3.0, 0.5, 0.5)
CENTER_KJI = (30, 256, 256)
# Semi-axes in voxels: 53,000 voxels of 0.75 mm3 are 40 cm3; the small tumor is for what takes PyRadiomics minutes.
TUMOR = (12.2, 36.0, 29.0)
SMALL_TUMOR = (3.6, 10.5, 8.5)
REPEATS = 3
GLCM_FEATURES = ("Contrast", "Correlation", "Idm", "JointEntropy")
PEER = """
import sys, time
import numpy as np
from Testing.pyradiomics_local_texture import maps_by_pyradiomics
data = np.load(sys.argv[1])
start = time.process_time()
maps = maps_by_pyradiomics(data["levels"], data["mask"], int(sys.argv[3]), **{sys.argv[4]: sys.argv[5].split(",")})
seconds = time.process_time() - start
np.savez(sys.argv[2], seconds=seconds, **maps)
"""


@dataclass(frozen=True)
class Race:
    """A line of the table: our function, how it is called in PyRadiomics, and on which tumor that one runs."""

    name: str
    ours: object
    features: tuple[str, ...]
    peer_class: str
    peer_features: tuple[str, ...]
    peer_small: bool


GLCM = ("moments and entropy (14)", local_glcm, (*MOMENT_FEATURES, "JointEntropy"), "glcm", GLCM_FEATURES, True)
NGTDM = ("all 5", local_ngtdm, LOCAL_NGTDM_FEATURES, "ngtdm", LOCAL_NGTDM_FEATURES)
GLSZM = ("all 16", local_glszm, PYRADIOMICS_FEATURES, "glszm", PYRADIOMICS_FEATURES, False)


def races() -> list[tuple[str, Race, int, int]]:
    """Family, race, levels, radius."""
    return [("GLCM", Race(*GLCM), n_levels, radius) for radius in (1, 3) for n_levels in (30, 147, 730)] + [
        (family, Race(*(race if len(race) == 6 else (*race, n_levels > 30))), n_levels, radius)
        for family, race in (("NGTDM", NGTDM), ("GLSZM", GLSZM))
        for radius in (1, 3)
        for n_levels in (30, 256)
    ]


def ellipsoid(semi_axes_kji: tuple[float, float, float]) -> np.ndarray:
    indices = np.ogrid[tuple(slice(0, n) for n in SHAPE_KJI)]
    return sum(((i - c) / s) ** 2 for i, c, s in zip(indices, CENTER_KJI, semi_axes_kji, strict=True)) <= 1


def image(tumor: np.ndarray) -> np.ndarray:
    """Smooth texture with noise, 0 to 1 in the tumor."""
    box = tuple(slice(c - int(s) - 2, c + int(s) + 3) for c, s in zip(CENTER_KJI, TUMOR, strict=True))
    rng = np.random.default_rng(7)
    values = np.zeros(SHAPE_KJI)
    values[box] = gaussian_filter(rng.normal(size=values[box].shape), (0.5, 1.5, 1.5))
    values -= values[tumor].min()
    return values / values[tumor].max()


def quantized(values: np.ndarray, n_levels: int) -> np.ndarray:
    return 1 + np.clip((values * n_levels).astype(int), 0, n_levels - 1)


def seconds(work) -> float:
    """Median processor time of a few runs; both sides work in one thread, and what else runs counts less that way."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


def peak_mib(work) -> float:
    """Largest memory of the work's own arrays."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def peer_maps(race: Race, levels: np.ndarray, mask: np.ndarray, radius: int) -> dict[str, np.ndarray] | None:
    """Seconds and maps by PyRadiomics on the tumor's bounding box; None without it."""
    inside = np.argwhere(mask)
    cut = tuple(slice(low, high + 1) for low, high in zip(inside.min(axis=0), inside.max(axis=0), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        # Level 1 somewhere in the tumor, so that its binning leaves the levels as they are.
        np.savez(given, levels=levels[cut], mask=mask[cut])
        python = os.environ.get("PYRADIOMICS_PYTHON", sys.executable)
        command = [python, "-W", "ignore", "-c", PEER, str(given), str(found), str(radius), race.peer_class]
        done = subprocess.run([*command, ",".join(race.peer_features)], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            return None
        with np.load(found) as arrays:
            return dict(arrays)


def largest_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Largest relative one; without Busyness where PyRadiomics divides by a rounding error."""
    worst = 0.0
    for name in theirs.keys() & ours.keys():
        compared = np.isfinite(theirs[name]) & ~((name == "NGTDM_Busyness") & (theirs[name] > 1e9))
        off = np.abs(ours[name] - theirs[name])[compared] / np.maximum(np.abs(theirs[name][compared]), 1e-6)
        worst = max(worst, float(off.max(initial=0)))
    return worst


def line(family: str, race: Race, n_levels: int, radius: int, tumor, small, values) -> tuple[str, ...]:
    levels = quantized(values, n_levels)
    ours = seconds(lambda: race.ours(levels, tumor, radius, race.features))
    memory = peak_mib(lambda: race.ours(levels, tumor, radius, race.features))
    head = (f"{family}, {race.name}", f"{n_levels}", f"{radius}", f"{ours:.2f} s", f"{memory:.0f} MiB")
    if race.peer_class == "glcm" and (n_levels > 147 or (n_levels > 30 and radius > 1)):
        return (*head, "- (too slow)", "-", "-")
    mask = small if race.peer_small else tumor
    levels = np.where(mask, levels - levels[mask].min() + 1, 1)
    theirs = peer_maps(race, levels, mask, radius)
    if theirs is None:
        return (*head, "- (no PyRadiomics)", "-", "-")
    times = float(theirs.pop("seconds")) * tumor.sum() / mask.sum()
    found = race.ours(levels, mask, radius, race.features).columns
    note = f" (from {mask.sum():,} voxels)" if race.peer_small else ""
    off = largest_difference(found, theirs)
    return (*head, f"{times:.1f} s{note}", f"{times / ours:,.0f}", f"{off:.0e}")


def map_lines(tumor: np.ndarray, values: np.ndarray) -> list[tuple[str, ...]]:
    rows = []
    for radius, n_levels in ((1, 32), (None, 32), (None, 256), (3, 32)):
        start = time.process_time()
        found = radioresistance_map(values, tumor, SPACING_MM_KJI, radius_voxels=radius, n_levels=n_levels)
        whole = time.process_time() - start
        knob = seconds(lambda found=found: map_of_features(found.tumor_features, boost_rule=BoostRule(0.3)))
        box = " x ".join(f"{size:g}" for size in found.tumor_features.box_mm[::-1])
        memory = peak_mib(
            lambda r=radius, n=n_levels: radioresistance_map(values, tumor, SPACING_MM_KJI, radius_voxels=r, n_levels=n)
        )
        rows.append((f"{box} mm", f"{n_levels}", f"{whole:.1f} s", f"{memory:.0f} MiB", f"{1000 * knob:.0f} ms"))
    return rows


def report() -> str:
    tumor, small = ellipsoid(TUMOR), ellipsoid(SMALL_TUMOR)
    values = image(tumor)
    rows = [line(family, race, n_levels, radius, tumor, small, values) for family, race, n_levels, radius in races()]
    head = (
        f"local maps of a tumor of {tumor.sum():,} voxels",
        "levels",
        "radius",
        "CPU time, one thread",
        "memory",
        "PyRadiomics, voxel-based, CPU time",
        "x PyRadiomics",
        "largest relative difference",
    )
    map_head = ("radio-resistance map, box", "levels", "CPU time", "memory", "to turn a knob")
    return markdown_table(head, rows) + "\n\n" + markdown_table(map_head, map_lines(tumor, values))


if __name__ == "__main__":
    print(report())
