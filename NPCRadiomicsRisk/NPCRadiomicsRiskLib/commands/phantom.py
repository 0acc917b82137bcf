"""``npc-radiomics phantom``: files of simulated patients of the sub-region study, with known truth."""

import csv
import json
from pathlib import Path
from typing import Annotated

import typer

from NPCResponseLib.commands.progress import print_result, progress_bar
from NPCResponseLib.errors import InputError

HELP = (
    "Simulate patients whose nasopharyngeal carcinoma recurred.\n\n"
    "Writes, per patient, a scan before treatment with GTV, a scan at recurrence (another protocol, the head in "
    "another position) with GTVr, landmarks and the dose; what is true of them; and manifest.csv, for npc-radiomics "
    "heterogeneity. Synthetic; they belong to no person."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-radiomics phantom demo/recurrence\n\n"
    "  npc-radiomics phantom cohort --patients 14 --seed 1\n\n"
    "  npc-radiomics phantom null --patients 14 --texture-difference 0"
)
INDEX_NAME = "phantom.json"
MANIFEST_NAME = "manifest.csv"
MANIFEST_COLUMNS = (
    "patient",
    "pre",
    "gtv",
    "recurrence",
    "gtvr",
    "landmarks_pre",
    "landmarks_recurrence",
    "dose",
    "prescription_gy",
)
FILES = {
    "pre": "pre.nii.gz",
    "gtv": "gtv.nii.gz",
    "recurrence": "recurrence.nii.gz",
    "gtvr": "gtvr.nii.gz",
    "landmarks_pre": "landmarks_pre.csv",
    "landmarks_recurrence": "landmarks_recurrence.csv",
    "dose": "dose.nii.gz",
}
TRUTH_NAME = "truth.json"
MOST_PATIENTS = 200


def command(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder for the files; made if need be.", show_default=False)],
    patients: Annotated[int, typer.Option(metavar="N", help="Number of patients.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients.")] = 0,
    snr: Annotated[float, typer.Option(help="Tumor signal over the noise standard deviation.")] = 40.0,
    texture_difference: Annotated[
        float, typer.Option(metavar="X", help="0: GTVr and GTVnr have one texture; 1: they differ.")
    ] = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Replace files of an earlier phantom in that folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """See HELP."""
    from NPCResponseLib.commands.staged_output import StagedOutput

    if not 1 <= patients <= MOST_PATIENTS:
        raise InputError(f"--patients goes from 1 to {MOST_PATIENTS}, found {patients}")
    interruption = context.obj.interruption
    with (
        StagedOutput(directory, all_names(), interruption, force=force, index_name=INDEX_NAME) as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        settings = {"patients": patients, "seed": seed, "snr": snr, "texture_difference": texture_difference}
        _write(staged.folder, settings, progress, interruption)
        progress("Finishing", 1.0)
        staged.commit()
    if not quiet:
        print_result(f"Wrote {patients} synthetic patient{'s' * (patients > 1)} to {directory}, with {MANIFEST_NAME}")


def all_names() -> list[str]:
    """Every file that any number of patients can give."""
    names = [*FILES.values(), TRUTH_NAME]
    return [f"{label(number)}_{name}" for number in range(MOST_PATIENTS) for name in names] + [
        MANIFEST_NAME,
        INDEX_NAME,
    ]


def label(number: int) -> str:
    return f"REC{number + 1:03d}"


def _write(folder: Path, settings: dict, progress, interruption) -> None:
    from NPCResponseLib.phantom.recurrence import simulate_recurrence_cohort

    cohort = simulate_recurrence_cohort(
        settings["patients"],
        settings["seed"],
        snr=settings["snr"],
        texture_difference=settings["texture_difference"],
        as_integers=True,
    )
    rows = []
    for number, patient in enumerate(cohort):
        progress(f"Simulating {label(number)}", number / settings["patients"])
        _write_patient(patient, folder, label(number))
        files = {column: f"{label(number)}_{name}" for column, name in FILES.items()}
        rows.append({"patient": label(number), **files, "prescription_gy": f"{patient.prescription_gy:g}"})
        interruption.check()
    with (folder / MANIFEST_NAME).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    files = sorted([entry.name for entry in folder.iterdir()] + [INDEX_NAME])
    (folder / INDEX_NAME).write_text(json.dumps({**settings, "files": files}, indent=2) + "\n", encoding="utf-8")


def _write_patient(patient, folder: Path, name: str) -> None:
    import numpy as np

    path = {column: folder / f"{name}_{file}" for column, file in FILES.items()}
    _write_image(patient.pre, patient.pre_grid, path["pre"])
    _write_image(patient.masks_pre["GTV"].astype(np.uint8), patient.pre_grid, path["gtv"])
    _write_image(patient.recurrence, patient.recurrence_grid, path["recurrence"])
    _write_image(patient.masks_recurrence["GTVr"].astype(np.uint8), patient.recurrence_grid, path["gtvr"])
    _write_image(patient.dose_gy, patient.dose_grid, path["dose"])
    _write_points(patient.landmarks_pre_ras, path["landmarks_pre"])
    _write_points(patient.landmarks_recurrence_ras, path["landmarks_recurrence"])
    truth = {
        "recurrence_to_pre_ras": patient.moving_to_fixed_ras.tolist(),
        "volumes_cm3": {key: float(volume) for key, volume in patient.volumes_cm3.items()},
        "share_of_gtvr_within_95_percent": patient.within_95,
        "texture": {
            region: {"mean": float(truth.mean), "sd": float(truth.sd)}
            for region, truth in patient.texture_truth.items()
        },
    }
    (folder / f"{name}_{TRUTH_NAME}").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


def _write_image(array, grid, path: Path) -> None:
    import SimpleITK

    from NPCResponseLib.registration import image_of

    SimpleITK.WriteImage(image_of(array, grid.ijk_to_ras), str(path), useCompression=True)


def _write_points(points, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["name", "r", "a", "s"])
        writer.writerows([name, *(f"{coordinate:.3f}" for coordinate in point)] for name, point in points.items())
