"""``npc-response assess``: one patient, from a description of the time points to the response and its report."""

from pathlib import Path
from typing import Annotated

import typer

from . import shared_options as shared
from .interruption import Interruption
from .options import load_modules
from .staged_run import empty_scene, run_staged

HELP = (
    "Assess the response of one patient: R2*, tumor blood flow, diameters, RECIST 1.1, changes, published rules.\n\n"
    "Takes a patient description (YAML or JSON), or a folder with a patient.yaml, and writes report.html, "
    "measurements.csv, trend.csv, scene.mrb and result.json. Research use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response phantom demo/input\n\n"
    "  npc-response assess demo/input --output demo\n\n"
    "  npc-response assess case12/patient.yaml -o case12/result --json\n\n"
    "A description names the images of each time point:\n\n"
    "  version: 1\n\n"
    "  time_points:\n\n"
    "    - {name: pre, stage: pre-treatment, bold: {images: pre.nii.gz}}"
)
INDEX_NAME = "result.json"
NAMES = ("report.html", "measurements.csv", "trend.csv", "scene.mrb", INDEX_NAME)


def command(
    context: typer.Context,
    description: Annotated[
        Path,
        typer.Argument(metavar="DESCRIPTION", help="patient.yaml or .json, or its folder.", show_default=False),
    ],
    output: shared.OutputFolder,
    allow_different_patients: Annotated[
        bool,
        typer.Option("--allow-different-patients", help="Go on though PatientID differs between the images."),
    ] = False,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    interruption = context.obj.interruption
    load_modules(interruption, "commands.patient_description")
    from .patient_description import read_patient_description

    patient = read_patient_description(description)

    def work(staged, progress):
        return _run(patient, staged, progress, interruption, one_patient=not allow_different_patients)

    run_staged(work, output, NAMES, interruption, index_name=INDEX_NAME, force=force, as_json=as_json, quiet=quiet)


def _run(patient, staged, progress, interruption: Interruption, *, one_patient: bool):
    """Everything from reading to the last file; returns Results."""
    progress("Reading", 0.02)
    empty_scene(interruption)
    load_modules(interruption, "commands.patient_measurement", "commands.assess_results")
    from .assess_results import write_results
    from .patient_measurement import check_one_patient, measure_patient

    if one_patient:
        check_one_patient(patient)
    points = measure_patient(
        patient, lambda doing, part: progress(f"Measuring {doing}", 0.05 + 0.7 * part), interruption
    )
    progress("Writing", 0.75)
    return write_results(patient, points, staged.folder, progress, interruption, one_patient=one_patient)
