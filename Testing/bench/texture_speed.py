"""Speed of the 47-feature panel for both sub-regions of a 40 cm3 tumor on 512 x 512 x 60, at 256 levels.

Against PyRadiomics' GLCM, GLRLM, GLSZM and NGTDM of the same gray levels in the same run. PyRadiomics 3.0.1 wants an
environment of its own (see Testing/pyradiomics_local_texture.py); PYRADIOMICS_PYTHON names its interpreter. Without it
the table has our own times alone. It gets the levels in each region's bounding box, without reading, preparation or
quantization, and its default features; the comparison is with our matrices and all of their features.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from NPCRadiomicsRiskLib.texture.panel47 import RegionFeatures, TextureSettings, texture_panel
from NPCRadiomicsRiskLib.texture.preparation import box_of

from .local_texture_speed import ROOT, SHAPE_KJI, SPACING_MM_KJI, TUMOR, ellipsoid, image
from .table import markdown_table

REPEATS = 5
RECURRENT_SHARE = 0.3  # of the tumor's width
MOST_SECONDS, MOST_MIB, LEAST_RATIO = 1.0, 1024, 3
# With weight 1 these are the same in both, whatever number the lowest level has. (Its GLCM and GLRLM features are
# means over the directions, ours are of the merged matrix.)
SAME = {
    "GLSZM_SZE": "glszm_SmallAreaEmphasis",
    "GLSZM_LZE": "glszm_LargeAreaEmphasis",
    "GLSZM_ZSV": "glszm_ZoneVariance",
    "GLSZM_GLV": "glszm_GrayLevelVariance",
    "NGTDM_Coarseness": "ngtdm_Coarseness",
    "NGTDM_Contrast": "ngtdm_Contrast",
    "NGTDM_Strength": "ngtdm_Strength",
}
PEER = """
import json, logging, sys, time
import numpy as np
import SimpleITK as sitk
import radiomics
from radiomics import glcm, glrlm, glszm, ngtdm
radiomics.setVerbosity(logging.ERROR)
data = np.load(sys.argv[1])
classes = {"glcm": glcm.RadiomicsGLCM, "glrlm": glrlm.RadiomicsGLRLM, "glszm": glszm.RadiomicsGLSZM,
           "ngtdm": ngtdm.RadiomicsNGTDM}
found, times = {}, []
for _ in range(int(sys.argv[2])):
    start = time.process_time()
    for name in ("GTVr", "GTVnr"):
        levels, mask = (sitk.GetImageFromArray(data[name + end]) for end in ("_levels", "_mask"))
        for family, kind in classes.items():
            features = kind(levels, mask, binWidth=1, label=1)
            features.enableAllFeatures()
            for feature, value in features.execute().items():
                found[name + " " + family + "_" + feature] = float(value)
    times.append(time.process_time() - start)
json.dump({"seconds": float(np.median(times)), "values": found}, sys.stdout)
"""


def sub_regions(tumor: np.ndarray) -> dict[str, np.ndarray]:
    """The tumor cut across."""
    columns = np.flatnonzero(tumor.any(axis=(0, 1)))
    border = columns[0] + RECURRENT_SHARE * len(columns)
    recurrent = tumor & (np.arange(SHAPE_KJI[2]) < border)
    return {"GTVr": recurrent, "GTVnr": tumor & ~recurrent}


def measured(values, regions, settings: TextureSettings) -> tuple[dict[str, RegionFeatures], float, float, float]:
    """The features, median seconds on the clock and of the processor, and the peak memory in MiB."""
    clock, processor = [], []
    for _ in range(REPEATS):
        started, worked = time.perf_counter(), time.process_time()
        found = texture_panel(values, regions, SPACING_MM_KJI, settings)
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - worked)
    tracemalloc.start()
    texture_panel(values, regions, SPACING_MM_KJI, settings)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return found, float(np.median(clock)), float(np.median(processor)), peak


def peer(found: dict[str, RegionFeatures]) -> dict | None:
    """Median processor seconds of PyRadiomics and its values on the same levels; None without it."""
    arrays = {}
    for name, region in found.items():
        mask = region.prepared.mask
        levels = np.zeros(mask.shape, dtype=np.int32)
        levels[mask] = region.levels
        box = box_of(mask, 0)
        arrays[f"{name}_levels"], arrays[f"{name}_mask"] = levels[box], mask[box].astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, **arrays)
        python = os.environ.get("PYRADIOMICS_PYTHON", sys.executable)
        done = subprocess.run(
            [python, "-W", "ignore", "-c", PEER, str(given), str(REPEATS)], cwd=ROOT, capture_output=True, text=True
        )
    return json.loads(done.stdout) if done.returncode == 0 else None


def largest_difference(values, regions, settings: TextureSettings, theirs: dict[str, float]) -> float:
    """Of what both define alike, with weight 1."""
    choices = {**vars(settings), "weights": "ibsi"}
    ours = texture_panel(values, regions, SPACING_MM_KJI, TextureSettings(**choices))
    worst = 0.0
    for region, found in ours.items():
        for name, their_name in SAME.items():
            worst = max(worst, abs(found.values[name] / theirs[f"{region} {their_name}"] - 1))
    return worst


def line(what: str, values, regions, settings: TextureSettings) -> tuple[str, ...]:
    found, clock, processor, peak = measured(values, regions, settings)
    theirs = peer(found)
    n_voxels = sum(region.n_voxels for region in found.values())
    row = (what, f"{n_voxels:,}", f"{clock:.2f} s", f"{processor:.2f} s", f"{peak:.0f} MiB")
    if theirs is None:
        return (*row, "- (no PyRadiomics)", "-", "-")
    off = largest_difference(values, regions, settings, theirs["values"])
    return (*row, f"{theirs['seconds']:.2f} s", f"{theirs['seconds'] / processor:.1f}", f"{off:.0e}")


def report() -> str:
    tumor = ellipsoid(TUMOR)
    values, regions = image(tumor), sub_regions(tumor)
    rows = [
        line("as it is", values, regions, TextureSettings(resampling="none")),
        line("resampled to 0.5 mm", values, regions, TextureSettings()),
        line("resampled as the toolbox does", values, regions, TextureSettings(resampling="toolbox")),
    ]
    head = (
        f"47 features of two regions, {tumor.sum():,} voxels, 256 levels",
        "voxels analyzed",
        f"whole panel, clock (bar {MOST_SECONDS:g} s)",
        "CPU time",
        f"memory (bar {MOST_MIB} MiB)",
        "PyRadiomics' four matrices, CPU time",
        f"x PyRadiomics (bar {LEAST_RATIO})",
        "largest relative difference",
    )
    return markdown_table(head, rows)


if __name__ == "__main__":
    print(report())
