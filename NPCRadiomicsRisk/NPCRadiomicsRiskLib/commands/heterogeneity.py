"""``npc-radiomics heterogeneity``: a cohort, from a manifest or a table of features to the paired statistics."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from NPCResponseLib.commands import shared_options as shared
from NPCResponseLib.commands.interruption import Interruption
from NPCResponseLib.commands.options import choices, load_modules
from NPCResponseLib.commands.staged_run import run_staged
from NPCResponseLib.errors import InputError

from . import texture_options as texture
from .subregions import size_of_region
from .texture_options import TextureChoice

HELP = (
    "Compare recurrent and non-recurrent parts of the tumors of a cohort, as Akram et al. 2020 did.\n\n"
    "Takes a manifest (CSV; one row per patient with its files: patient, pre, gtv, recurrence, gtvr, ...), or the "
    "features.csv of earlier runs. Writes features.csv, tables (CSV), plots (SVG, PNG), report.html and "
    "decisions.json. Research use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-radiomics phantom demo/recurrence --patients 14\n\n"
    "  npc-radiomics heterogeneity demo/recurrence/manifest.csv -o demo/heterogeneity\n\n"
    "  npc-radiomics heterogeneity features.csv --correction holm -o again\n\n"
    "  npc-radiomics heterogeneity manifest.csv -o result --keep work --jobs 4\n\n"
    "Columns of a manifest: patient, pre, gtv, gtvr; and if there are: recurrence, gtv_segment, gtvr_segment, "
    "transform, plan_transform, landmarks_pre, landmarks_recurrence, dose, prescription_gy."
)
INDEX_NAME = "decisions.json"
ANALYSIS, COHORT = "Statistics", "Cohort"


class CorrectionName(str, Enum):
    bonferroni = "bonferroni"
    holm = "holm"
    bh = "bh"


class PairedTestName(str, Enum):
    by_shapiro = "by-shapiro"
    t = "t"
    wilcoxon = "wilcoxon"


def command(
    context: typer.Context,
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="manifest.csv, or a features.csv.", show_default=False)
    ],
    output: shared.OutputFolder,
    alpha: Annotated[float, typer.Option(help="After the correction.", rich_help_panel=ANALYSIS)] = 0.05,
    correction: Annotated[
        CorrectionName,
        typer.Option(metavar="NAME", help=choices("Which counts:", CorrectionName), rich_help_panel=ANALYSIS),
    ] = CorrectionName.bonferroni,
    test: Annotated[
        PairedTestName,
        typer.Option(metavar="NAME", help=choices("Paired test:", PairedTestName), rich_help_panel=ANALYSIS),
    ] = PairedTestName.by_shapiro,
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes; 0 for one per core.", rich_help_panel=COHORT)] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep each patient's result here, so that a run that was stopped goes on.",
            show_default=False,
            rich_help_panel=COHORT,
        ),
    ] = None,
    voi_mm: Annotated[
        str, typer.Option(metavar="R,A,S", help="Size of the volume that is aligned.", rich_help_panel=COHORT)
    ] = "120,120,110",
    smallest_island: Annotated[
        float, typer.Option(metavar="MM3", help="Smaller pieces go to the other region.", rich_help_panel=COHORT)
    ] = 0.0,
    accept_unreliable_alignment: Annotated[
        bool, typer.Option("--accept-unreliable-alignment", help="Measure those patients, too.", rich_help_panel=COHORT)
    ] = False,
    allow_different_patients: Annotated[
        bool, typer.Option("--allow-different-patients", help="Though PatientID differs.", rich_help_panel=COHORT)
    ] = False,
    size_control: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Random divisions of each tumor into parts of the same sizes, since features depend on size; 0: none. "
            "Takes about as long as aligning; without it a difference may be one of size alone.",
            rich_help_panel=COHORT,
        ),
    ] = 10,
    stability: Annotated[
        int,
        typer.Option(
            metavar="N", help="Perturbed versions of the contours per kind (slow); 0: none.", rich_help_panel=COHORT
        ),
    ] = 0,
    resampling: texture.Resampling = texture.ResamplingName.corrected,
    voxel_size_mm: texture.VoxelSize = None,
    outliers: texture.Outliers = texture.OutlierName.three_sd,
    quantization: texture.Quantization = texture.QuantizationName.lloyd,
    levels: texture.Levels = 256,
    shared_levels: texture.SharedLevels = False,
    weights: texture.Weights = texture.WeightsName.toolbox,
    two_d: texture.TwoD = False,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    if not table.is_file():
        raise InputError("no such file", where=str(table), remedy="Check the path")
    if not 0 < alpha < 1:
        raise InputError(f"--alpha must lie between 0 and 1, found {alpha:g}")
    if jobs < 0:
        raise InputError(f"--jobs must not be negative, found {jobs}")
    if keep is not None and keep.exists() and not keep.is_dir():
        raise InputError("--keep needs a folder", where=str(keep), remedy="Name a folder; it is made if need be")
    options = {
        "texture": TextureChoice(
            resampling=resampling.value,
            voxel_size_mm=voxel_size_mm,
            outliers=outliers.value,
            quantization=quantization.value,
            n_levels=levels,
            levels_shared=shared_levels,
            weights=weights.value,
            two_d=two_d,
        ),
        "minimum_island_mm3": smallest_island,
        "region_size_mm": size_of_region(voi_mm),
        "different_patients": allow_different_patients,
        "accept_unreliable": accept_unreliable_alignment,
        "n_stability": stability,
        "n_size_control": size_control,
    }
    statistics = {"alpha": alpha, "correction": correction.value, "test": test.value.replace("-s", " S")}
    interruption = context.obj.interruption
    load_modules(interruption, "commands.heterogeneity_results", package="NPCRadiomicsRiskLib")
    from .heterogeneity_results import OUTPUT_NAMES, Request, is_feature_table
    from .patient_inputs import refuse_to_replace
    from .patient_measurement import MeasurementChoice

    refuse_to_replace([table], [output / name for name in OUTPUT_NAMES])
    choice = MeasurementChoice(**options)
    choice.texture.settings()  # refuses what makes no sense before anything slow
    request = Request(table, statistics, None if is_feature_table(table) else choice)

    def work(staged, progress):
        return _run(request, jobs or os.cpu_count() or 1, keep, staged.folder, progress, interruption)

    run_staged(
        work, output, OUTPUT_NAMES, interruption, index_name=INDEX_NAME, force=force, as_json=as_json, quiet=quiet
    )


def _run(request, jobs: int, keep: Path | None, folder: Path, progress, interruption: Interruption):
    """Everything from reading to the last file; returns Results."""
    from .heterogeneity_results import features_of_cohort, write_results

    progress("Reading", 0.01)
    measured = features_of_cohort(request, jobs, keep, progress, interruption)
    return write_results(request, measured, folder, progress, interruption)
