"""``npc-radiomics train-map``: a model for the exploratory map, from tumors whose recurrence is known."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from NPCResponseLib.commands.interruption import Interruption
from NPCResponseLib.commands.options import load_modules
from NPCResponseLib.commands.progress import print_result, progress_bar
from NPCResponseLib.commands.staged_run import empty_scene
from NPCResponseLib.errors import InputError
from NPCResponseLib.whole_file import written_aside

from .patient_inputs import refuse_to_replace

HELP = (
    "Train the combination of local features behind the radio-resistance map on your own patients.\n\n"
    "Takes a manifest as npc-radiomics heterogeneity does; writes a model (JSON) for npc-radiomics subregions "
    "--map-model and for the panel, with how well it tells the recurrent part of patients that were left out. "
    "Exploratory; not for treatment decisions."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-radiomics train-map manifest.csv -o model.json\n\n"
    "  npc-radiomics subregions ... --map --map-model model.json -o result"
)


def command(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="One row per patient.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The model (.json).", show_default=False)
    ],
    accept_unreliable_alignment: Annotated[
        bool, typer.Option("--accept-unreliable-alignment", help="Take those patients, too.")
    ] = False,
    allow_different_patients: Annotated[
        bool, typer.Option("--allow-different-patients", help="Though PatientID differs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """See HELP."""
    if not manifest.is_file():
        raise InputError("no such file", where=str(manifest), remedy="Check the path")
    if output.exists() and not force:
        raise InputError("the file is there already", where=str(output), remedy="Name another, or add --force")
    if output.is_dir() or not os.access(output.resolve().parent, os.W_OK):
        raise InputError("it cannot be written there", where=str(output), remedy="Name a file in a folder that exists")
    options = {"accept_unreliable": accept_unreliable_alignment, "different_patients": allow_different_patients}
    refuse_to_replace([manifest], [output])
    model, failures = _train(manifest, output, options, context.obj.interruption, quiet=quiet)
    from NPCResponseLib.commands.results import json_safe  # with NumPy, which --help does not need

    content = json_safe(model.to_dict())
    _write(content, output)
    if as_json:
        print_result(json.dumps(content, indent=2, allow_nan=False))
    elif not quiet:
        print_result("\n".join([*_lines(model, failures), f"Wrote {output}"]))


def _train(manifest: Path, output: Path, options: dict, interruption: Interruption, *, quiet: bool):
    """The model, and (patient, why) of those that could not be taken."""
    with progress_bar(quiet=quiet) as progress:
        progress("Starting", 0.0)
        load_modules(interruption, "headless")
        load_modules(interruption, "commands.patient_measurement", package="NPCRadiomicsRiskLib")
        from ..radioresistance.model import train_model
        from .manifest import read_manifest
        from .patient_measurement import MeasurementChoice

        patients, choice = read_manifest(manifest), MeasurementChoice(**options)
        refuse_to_replace([path for inputs in patients for path in inputs.paths()], [output])
        tumors, failures = [], []
        for number, inputs in enumerate(patients):
            progress(f"{number} of {len(patients)} patients", number / (len(patients) + 1))
            try:
                tumors.append(_tumor(inputs, choice, interruption))
            except InputError as error:
                failures.append((inputs.patient, str(error)))
            interruption.check()
        if failures and not tumors:
            raise InputError(f"no patient could be taken. {failures[0][0]}: {failures[0][1]}".rstrip("."))
        progress("Training", 0.97)
        return train_model(tumors), failures


def _tumor(inputs, choice, interruption: Interruption):
    """Local features of one tumor, and which voxels of it recurred."""
    from NPCResponseLib import headless

    from ..mrml.subregions import GTVNR, GTVR
    from ..radioresistance.features import local_tumor_features
    from ..radioresistance.model import TrainingTumor
    from .patient_measurement import measure_patient

    empty_scene(interruption)
    try:
        measured = measure_patient(inputs, choice, lambda _doing, _part: None, interruption.check)
    finally:
        headless.start().Clear(0)
    image, masks = measured.features.image, measured.features.masks
    features = local_tumor_features(image.array, masks[GTVR] | masks[GTVNR], image.spacing_mm_kji)
    return TrainingTumor(inputs.patient, features, masks[GTVR])


def _write(content: dict, output: Path) -> None:
    with written_aside(output) as aside:
        aside.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _lines(model, failures) -> list[str]:
    lines = [
        f"Trained on {model.n_patients} patients. AUC within patients that were left out: "
        f"{model.cross_validated_auc:.3f} (published directions without training: {model.rule_auc:.3f})."
    ]
    lines += [f"Not taken: {patient}: {reason}" for patient, reason in failures]
    lines += [f"Warning: {warning}" for warning in model.warnings]
    return [*lines, "Exploratory; not for treatment decisions."]
