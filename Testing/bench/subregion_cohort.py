"""Cohorts of the sub-region study through images of the phantom: is what is found what was painted?

Fourteen patients like those of Akram et al. 2020, each with a scan before treatment and one at recurrence, another
position and another protocol. GTVr, outlined on the later scan, is carried to the first one, the 47 features of GTVr
and GTVnr are computed and compared by the same calls as in Slicer and on the command line.

* Drawn and measured: with the outlines and the transform as drawn, with a registration error of 1.5 mm, and (if asked
  for) through the alignment, the differences of the seven published features should agree.
* Size alone: GTVr and GTVnr painted alike. Features that depend on the number of voxels differ nevertheless, since GTVr
  is the smaller part: what is "significant" here says nothing about texture.
* Null: tumors of one texture, cut in two halves of equal volume by a random plane. The share of cohorts in which
  Bonferroni finds anything must not exceed 5 %.
"""

import sys
import time
from collections.abc import Mapping

import numpy as np

from NPCRadiomicsRiskLib.heterogeneity.comparison import compare_subregions
from NPCRadiomicsRiskLib.subregions.carried_mask import carry_mask
from NPCRadiomicsRiskLib.subregions.division import divide
from NPCRadiomicsRiskLib.texture.panel47 import (
    FEATURE_NAMES,
    PUBLISHED_SIGNIFICANT,
    TextureSettings,
    texture_panel,
)
from NPCResponseLib.phantom import PhantomGrid, PhantomRecurrence, simulate_recurrence, simulate_recurrence_cohort

from .table import markdown_table

N_PATIENTS = 14
REGISTRATION_ERROR_MM = 1.5
# The tumor and what is next to it, in the voxels of the study; and next to nothing of the second scan.
CROPPED = PhantomGrid.axial((20, 132, 132), (5, 0.7, 0.7), center_ras=(0, -2, 4))
NOTHING = PhantomGrid.axial((2, 8, 8), (5, 0.7, 0.7))
N_NULL_PATIENTS, N_PLANES, N_NULL_COHORTS = 24, 2, 300

Pair = tuple[Mapping[str, float], Mapping[str, float]]


def report(seed: int = 1, with_alignment: bool = True) -> str:
    started = time.perf_counter()
    settings = TextureSettings()
    parts = [drawn_and_measured(seed, settings, with_alignment), size_alone(seed, settings), null(seed, settings)]
    took = f"{time.perf_counter() - started:.0f} s in all."
    return "\n\n".join(["## Virtual cohorts of sub-regions through images of the phantom", *parts, took])


# -- drawn and measured --


def drawn_and_measured(seed: int, settings: TextureSettings, with_alignment: bool) -> str:
    ways = {
        "outline carried over, true transform": as_drawn,
        f"the same, shifted by {REGISTRATION_ERROR_MM:g} mm": with_error,
    }
    if with_alignment:
        ways["the same, aligned"] = aligned
    pairs: dict[str, dict[str, Pair]] = {way: {} for way in ways}
    reference: dict[str, Pair] = {}
    for number, patient in enumerate(simulate_recurrence_cohort(N_PATIENTS, seed)):
        name = f"patient {number + 1}"
        inside = patient.masks_pre["GTVr"] & patient.masks_pre["GTV"]
        reference[name] = features(patient, {"GTVr": inside, "GTVnr": patient.masks_pre["GTVnr"]}, settings)
        for way, transform in ways.items():
            moving_to_fixed_ras = transform(patient, number)
            pairs[way][name] = features(patient, carried_over(patient, moving_to_fixed_ras), settings)
    found = {"as drawn": compare_subregions(reference, FEATURE_NAMES)}
    found |= {way: compare_subregions(table, FEATURE_NAMES) for way, table in pairs.items()}
    head = ("GTVr", *PUBLISHED_SIGNIFICANT, "significant of 47", "directions as published")
    rows = []
    for way, analysis in found.items():
        by_name = {row.name: row for row in analysis.features}
        seven = [by_name[name] for name in PUBLISHED_SIGNIFICANT]
        agree = sum(bool(row.direction_agrees) for row in seven)
        cells = [f"{standardized(row):+.1f}{'*' if row.significant else ''}" for row in seven]
        rows.append((way, *cells, str(len(analysis.significant)), f"{agree} of {len(seven)}"))
    title = (
        f"### {N_PATIENTS} patients, painted differences\n\nMean / SD of the differences GTVr - GTVnr; * significant."
    )
    return f"{title}\n\n{markdown_table(head, rows)}"


def as_drawn(patient: PhantomRecurrence, number: int) -> np.ndarray:
    return patient.moving_to_fixed_ras


def with_error(patient: PhantomRecurrence, number: int) -> np.ndarray:
    """The true transform and a shift of REGISTRATION_ERROR_MM in a random direction."""
    direction = np.random.default_rng([number, 31]).standard_normal(3)
    shifted = patient.moving_to_fixed_ras.copy()
    shifted[:3, 3] += REGISTRATION_ERROR_MM * direction / np.linalg.norm(direction)
    return shifted


def aligned(patient: PhantomRecurrence, number: int) -> np.ndarray:
    from NPCRadiomicsRiskLib.alignment.rigid_alignment import align

    found = align(patient.pre, patient.pre_grid.ijk_to_ras, patient.recurrence, patient.recurrence_grid.ijk_to_ras)
    return found.moving_to_fixed_ras


def carried_over(patient: PhantomRecurrence, moving_to_fixed_ras: np.ndarray) -> Mapping[str, np.ndarray]:
    """The two sub-regions on the first scan, as a user gets them from the outline on the later one."""
    carried = carry_mask(
        patient.masks_recurrence["GTVr"],
        patient.recurrence_grid.ijk_to_ras,
        patient.pre_grid.shape_kji,
        patient.pre_grid.ijk_to_ras,
        moving_to_fixed_ras,
    )
    divided = divide(patient.masks_pre["GTV"], getattr(carried, "mask", carried), patient.pre_grid.ijk_to_ras)
    return {name: divided.masks[name] for name in ("GTVr", "GTVnr")}


def features(patient: PhantomRecurrence, regions: Mapping[str, np.ndarray], settings: TextureSettings) -> Pair:
    panel = texture_panel(patient.pre, regions, patient.pre_grid.spacing_mm_kji, settings)
    first, second = (panel[name].values for name in regions)
    return first, second


def standardized(row) -> float:
    return row.difference.mean / row.difference.sd


# -- size alone, and nothing at all --


def size_alone(seed: int, settings: TextureSettings) -> str:
    table = {}
    options = {"texture_difference": 0.0, "pre_grid": CROPPED, "recurrence_grid": NOTHING}
    for number, patient in enumerate(simulate_recurrence_cohort(N_PATIENTS, seed, **options)):
        regions = {"GTVr": patient.masks_pre["GTVr"] & patient.masks_pre["GTV"], "GTVnr": patient.masks_pre["GTVnr"]}
        table[f"patient {number + 1}"] = features(patient, regions, settings)
    analysis = compare_subregions(table, FEATURE_NAMES)
    published = [name for name in analysis.significant if name in PUBLISHED_SIGNIFICANT]
    return (
        f"### One texture, GTVr the smaller part\n\n{len(analysis.significant)} of 47 features come out significant "
        f"without any difference of texture: {', '.join(analysis.significant) or 'none'}. Of the seven published: "
        f"{', '.join(published) or 'none'}."
    )


def null(seed: int, settings: TextureSettings) -> str:
    """Every patient's tumor is cut by several random planes; a cohort draws patients, and one plane for each."""
    rng = np.random.default_rng([seed, 32])
    pool = [halves(simulated_null(seed, number), rng, settings) for number in range(N_NULL_PATIENTS)]
    positive, n_features = 0, []
    for _ in range(N_NULL_COHORTS):
        chosen = rng.choice(N_NULL_PATIENTS, N_PATIENTS, replace=False)
        table = {f"patient {i}": flipped(pool[i][rng.integers(N_PLANES)], rng) for i in chosen}
        significant = compare_subregions(table, FEATURE_NAMES).significant
        positive += bool(significant)
        n_features.append(len(significant))
    share = positive / N_NULL_COHORTS
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / N_NULL_COHORTS)
    verdict = "within" if share <= allowed else "ABOVE"
    return (
        f"### Halves of one texture\n\n{share:.1%} of {N_NULL_COHORTS} cohorts of {N_PATIENTS} have a significant "
        f"feature (Bonferroni, 47 features): {verdict} 5 % and its sampling error. Most in one "
        f"cohort: {max(n_features)}."
    )


def simulated_null(seed: int, number: int) -> PhantomRecurrence:
    return simulate_recurrence(
        seed=seed * 1000 + number, texture_difference=0.0, pre_grid=CROPPED, recurrence_grid=NOTHING
    )


def halves(patient: PhantomRecurrence, rng: np.random.Generator, settings: TextureSettings) -> list[Pair]:
    gtv = patient.masks_pre["GTV"]
    points = np.argwhere(gtv) * patient.pre_grid.spacing_mm_kji
    pairs = []
    for _ in range(N_PLANES):
        along = points @ rng.standard_normal(3)
        one = gtv.copy()
        one[gtv] = along > np.median(along)
        pairs.append(features(patient, {"one": one, "other": gtv & ~one}, settings))
    return pairs


def flipped(pair: Pair, rng: np.random.Generator) -> Pair:
    """Which half is called recurrent is a toss."""
    return pair if rng.integers(2) else pair[::-1]


if __name__ == "__main__":
    print(report(int(sys.argv[1]) if len(sys.argv) > 1 else 1, with_alignment="--no-alignment" not in sys.argv))
