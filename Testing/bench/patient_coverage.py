"""The phantom patient end to end: how often the stated 95 % interval of each measured value holds the truth.

Each seed has its own noise, and its own position and tilt of the grids, so that digitization differs, too.
"""

import numpy as np
import slicer

from NPCResponseLib import headless
from NPCResponseLib.assessment import PatientValues, assess_patient
from NPCResponseLib.diameters import Plane
from NPCResponseLib.mrml.asl_series import add_asl_series_to_scene
from NPCResponseLib.mrml.diameters import measure_segment
from NPCResponseLib.mrml.echo_series import add_echo_series_to_scene
from NPCResponseLib.mrml.image_series import reference_volume
from NPCResponseLib.mrml.measured_values import lesion_measurement, r2star_value, tbf_value
from NPCResponseLib.mrml.r2star import R2StarJob
from NPCResponseLib.mrml.sample_data import add_phantom_segmentation
from NPCResponseLib.mrml.segments import segment_id_by_name
from NPCResponseLib.mrml.tbf import TbfJob, TbfSettings
from NPCResponseLib.mrml.volumes import add_volume
from NPCResponseLib.perfusion import PerfusionSettings
from NPCResponseLib.phantom import PhantomGrid, simulate_asl, simulate_bold, simulate_t1ce, tissue_table
from NPCResponseLib.time_points import LesionMeasurement, Stage, TimePointValues

from .table import markdown_table

N_SEEDS = 200
STAGES = {"pre": Stage.PRE, "post": Stage.MONTH_3}
DELAYS_MS = (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
BOLD_SNR, ASL_SNR = 50.0, 150.0


def report(n_seeds: int = N_SEEDS) -> str:
    headless.start()
    held: dict[str, list[bool]] = {}
    for seed in range(n_seeds):
        for what, holds in one_patient(seed):
            held.setdefault(what, []).append(holds)
    rows = [(what, f"{100 * np.mean(found):.1f} %", str(len(found))) for what, found in held.items()]
    everything = np.concatenate([np.array(found) for found in held.values()])
    rows.append(("**all**", f"**{100 * everything.mean():.1f} %**", str(everything.size)))
    title = f"## The phantom patient end to end, {n_seeds} seeds"
    return f"{title}\n\n{markdown_table(('measured value', '95 % interval holds the truth', 'n'), rows)}"


def one_patient(seed: int):
    """(what, whether its interval holds the truth) of everything that is measured in one simulated patient."""
    rng = np.random.default_rng([seed, 7])
    points, truths = [], {}
    for time_point in STAGES:
        slicer.mrmlScene.Clear(0)
        tilt = tuple(rng.uniform(-8, 8, 3))
        values, true = _time_point(time_point, seed, tilt, rng.uniform(-2, 2, 3))
        points.append(values)
        truths[time_point] = true
        for what in ("r2star", "tbf"):
            yield f"{LABELS[what]}, {time_point}", _holds(getattr(values, what).interval(), true[what])
        yield f"TBF with six delays, {time_point}", _holds(true.pop("kinetic").interval(), true["true_tbf"])
        lesion = values.lesions[0]
        reach = 1.96 * lesion.diameter_se_mm
        for plane in Plane:
            length = lesion.diameters_by_plane[plane.value]
            yield f"Maximum {plane.value} diameter, {time_point}", _holds((length - reach, length + reach), true[plane])
    assessment = assess_patient(PatientValues("phantom", tuple(points)))
    pre, post = truths["pre"], truths["post"]
    changes = {"dR2*": post["r2star"] - pre["r2star"], "dTBF": pre["tbf"] - post["tbf"]}
    for (what, change), assessed in zip(changes.items(), assessment.changes, strict=True):
        yield f"{what} of the two", _holds(assessed.change.measured.interval(), change)
    (shrinkage,) = assessment.atrophy
    plane = Plane(shrinkage.lesion.plane)
    atrophy = shrinkage.lesion.atrophy
    reach = 1.96 * atrophy.standard_error_percent
    truth = 100 * (pre[plane] - post[plane]) / pre[plane]
    yield "Atrophy rate", _holds((atrophy.percent - reach, atrophy.percent + reach), truth)


LABELS = {"r2star": "R2*", "tbf": "TBF by Eq. 2 (against Eq. 2 without noise)"}


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return bool(interval[0] <= truth <= interval[1])


def _time_point(time_point: str, seed: int, tilt, shift) -> tuple[TimePointValues, dict]:
    """Measured values and their truths."""
    tissue = tissue_table(time_point)["viable_tumor"]
    bold = simulate_bold(time_point, snr=BOLD_SNR, seed=seed, grid=PhantomGrid.demo(tilt_deg=tilt))
    asl_grid = PhantomGrid.asl_demo(tilt_deg=tilt)
    asl = simulate_asl(time_point, snr=ASL_SNR, seed=seed, grid=asl_grid)
    several = simulate_asl(
        time_point, snr=ASL_SNR, seed=seed, grid=asl_grid, post_labeling_delays_ms=DELAYS_MS, n_pairs=3
    )
    moved = PhantomGrid.axial(
        (56, 216, 164), (2, 1, 1), center_ras=(0 + shift[0], 4 + shift[1], -16 + shift[2]), tilt_deg=tilt,
        slice_thickness_mm=2,
    )  # fmt: skip
    t1 = simulate_t1ce(time_point, seed=seed, grid=moved)
    kinetic_settings = TbfSettings(PerfusionSettings(t1_tissue_ms=tissue.t1_ms))
    values = TimePointValues(
        name=time_point,
        stage=STAGES[time_point],
        r2star=r2star_value(_measured(bold, add_echo_series_to_scene(bold.series), R2StarJob)),
        tbf=tbf_value(_measured(asl, add_asl_series_to_scene(asl.series), TbfJob)),
        lesions=(_lesion(t1),),
    )
    truth = {
        "r2star": tissue.r2star_hz,
        "tbf": asl.eq2_by_region["viable_tumor"],
        "true_tbf": tissue.tbf_ml_per_100g_min,
        "kinetic": tbf_value(_measured(several, add_asl_series_to_scene(several.series), TbfJob, kinetic_settings)),
        **t1.truth["tumor"].longest_in_plane_mm,
    }
    return values, truth


def _measured(acquisition, series, job, settings=None):
    segmentation = add_phantom_segmentation(acquisition, reference_volume(series), "regions")
    tumor, necrosis = (segment_id_by_name(segmentation, name) for name in ("tumor", "necrosis"))
    return job(series, settings, segmentation, tumor, [necrosis]).run()


def _lesion(t1) -> LesionMeasurement:
    image = add_volume(t1.volume, t1.grid.ijk_to_ras, "T1")
    segmentation = add_phantom_segmentation(t1, image, "regions")
    found = measure_segment(segmentation, segment_id_by_name(segmentation, "tumor"), image)
    return lesion_measurement(LesionMeasurement(name="tumor"), found.measurement)


if __name__ == "__main__":
    print(report())
