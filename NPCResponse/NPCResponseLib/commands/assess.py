"""``npc-response assess``: one patient, from a description of the time points to the response and its report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .interruption import Interruption
from .options import load_modules
from .progress import print_result, progress_bar

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
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="For the results; made if need be.", show_default=False),
    ],
    allow_different_patients: Annotated[
        bool,
        typer.Option("--allow-different-patients", help="Go on though PatientID differs between the images."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace results of an earlier run in that folder; other files stay."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """See HELP."""
    load_modules(context.obj.interruption, "commands.patient_description")
    from .patient_description import read_patient_description

    patient = read_patient_description(description)
    summary, lines = _run(
        patient, output, context.obj.interruption, force=force, quiet=quiet, one_patient=not allow_different_patients
    )
    if as_json:
        print_result(json.dumps(summary, indent=2, allow_nan=False))
    elif not quiet:
        print_result("\n".join(lines))


def _run(
    patient, output: Path, interruption: Interruption, *, force: bool, quiet: bool, one_patient: bool
) -> tuple[dict, list[str]]:
    """Everything from reading to the last file; returns the JSON summary and the lines for a person."""
    from .staged_output import StagedOutput

    with (
        StagedOutput(output, NAMES, interruption, force=force, index_name=INDEX_NAME) as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        progress("Reading", 0.02)
        load_modules(interruption, "headless")
        from .. import headless

        with interruption.deferred():
            headless.start().Clear(0)  # what an earlier run in the same process left would end in the saved scene
        load_modules(interruption, "commands.patient_measurement", "commands.assess_results")
        from .assess_results import write_results
        from .patient_measurement import check_one_patient, measure_patient

        if one_patient:
            check_one_patient(patient)
        points = measure_patient(
            patient, lambda doing, part: progress(f"Measuring {doing}", 0.05 + 0.7 * part), interruption
        )
        progress("Writing", 0.75)
        results = write_results(patient, points, staged.folder, progress, interruption, one_patient=one_patient)
        progress("Finishing", 1.0)
        paths = staged.commit()
    summary = {**results.summary, "output_directory": str(staged.output)}
    return summary, [*results.lines, f"Wrote to {output}: {', '.join(path.name for path in paths)}"]
