"""``npc-radiomics subregions``: one patient, from two scans and two contours to the 47 features of each sub-region."""

import json
from pathlib import Path
from typing import Annotated

import typer

from NPCResponseLib.commands import shared_options as shared
from NPCResponseLib.commands.interruption import Interruption
from NPCResponseLib.commands.options import check_paths, load_modules, parse_numbers
from NPCResponseLib.commands.staged_run import empty_scene, run_staged
from NPCResponseLib.errors import InputError

from . import texture_options as texture
from .patient_inputs import PatientInputs, refuse_to_replace
from .texture_options import TextureChoice

HELP = (
    "Divide a tumor into the part that recurred (GTVr) and the rest (GTVnr), and measure 47 features of both.\n\n"
    "Aligns the recurrence image to the pre-treatment image around the tumor, carries GTVr over, subtracts it from "
    "GTV, checks the dose. Writes features.csv, subregions.seg.nrrd, transform.tfm, report.html, scene.mrb and "
    "result.json. Research use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-radiomics phantom demo/recurrence\n\n"
    "  npc-radiomics subregions --pre pre.nrrd --gtv gtv.seg.nrrd \\\n\n"
    "      --recurrence rec.nrrd --gtvr gtvr.seg.nrrd -o result\n\n"
    "  npc-radiomics subregions --pre pre_dicom --gtv plan.dcm --gtv-segment GTV \\\n\n"
    "      --recurrence rec_dicom --gtvr gtvr.nrrd --dose dose.dcm --prescription-gy 70 -o result\n\n"
    "  npc-radiomics subregions --pre pre.nrrd --gtv gtv.nrrd --gtvr gtvr_on_pre.nrrd -o result --json"
)
INDEX_NAME = "result.json"
NAMES = (
    "features.csv",
    "feature_table.csv",
    "histograms.csv",
    "stability.csv",
    "size_control.csv",
    "subregions.seg.nrrd",
    "transform.tfm",
    "radioresistance.nii.gz",
    "boost.seg.nrrd",
    "report.html",
    "scene.mrb",
    INDEX_NAME,
)
INPUT, REGIONS, MORE = "Images and contours", "Alignment and sub-regions", "Also measured"


def _file(help_text: str, *names: str):
    return typer.Option(*names, metavar="FILE", help=help_text, show_default=False, rich_help_panel=INPUT)


def command(
    context: typer.Context,
    pre: Annotated[Path, _file("Pre-treatment image: NRRD, NIfTI, MetaImage, or a folder with one DICOM series.")],
    gtv: Annotated[Path, _file("Tumor on it: segmentation, label image or RTSTRUCT.")],
    gtvr: Annotated[Path, _file("Recurrence, drawn on --recurrence, or on --pre if that is left out.")],
    output: shared.OutputFolder,
    recurrence: Annotated[Path | None, _file("Image at recurrence, or planning CT.")] = None,
    gtv_segment: Annotated[
        str, typer.Option(metavar="NAME", help="Segment, structure or label in --gtv.", rich_help_panel=INPUT)
    ] = "",
    gtvr_segment: Annotated[
        str, typer.Option(metavar="NAME", help="Segment, structure or label in --gtvr.", rich_help_panel=INPUT)
    ] = "",
    transform: Annotated[
        list[Path] | None,
        _file("Linear transform of the recurrence image to the other, instead of an alignment; repeat for a chain."),
    ] = None,
    plan_transform: Annotated[
        Path | None, _file("Transform of the planning CT to --pre, for contours and dose in the CT's frame.")
    ] = None,
    landmarks_pre: Annotated[Path | None, _file("Points on --pre: .mrk.json, .fcsv, or CSV name,r,a,s.")] = None,
    landmarks_recurrence: Annotated[Path | None, _file("The same points on --recurrence.")] = None,
    dose: Annotated[Path | None, _file("RTDOSE, or an image in Gy, in the frame of --pre.")] = None,
    prescription_gy: Annotated[
        float | None, typer.Option(metavar="GY", help="Prescribed dose.", show_default=False, rich_help_panel=INPUT)
    ] = None,
    patient: Annotated[
        str,
        typer.Option(
            metavar="LABEL", help="Label in the tables; never read from a header.", rich_help_panel=shared.FILES
        ),
    ] = "patient",
    voi_mm: Annotated[
        str, typer.Option(metavar="R,A,S", help="Size of the volume that is aligned.", rich_help_panel=REGIONS)
    ] = "120,120,110",
    smallest_island: Annotated[
        float, typer.Option(metavar="MM3", help="Smaller pieces go to the other region.", rich_help_panel=REGIONS)
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the starts of the alignment.", rich_help_panel=REGIONS)] = 0,
    accept_unreliable_alignment: Annotated[
        bool, typer.Option("--accept-unreliable-alignment", help="Go on anyway.", rich_help_panel=REGIONS)
    ] = False,
    allow_different_patients: Annotated[
        bool,
        typer.Option("--allow-different-patients", help="Though PatientID differs.", rich_help_panel=REGIONS),
    ] = False,
    resampling: texture.Resampling = texture.ResamplingName.corrected,
    voxel_size_mm: texture.VoxelSize = None,
    outliers: texture.Outliers = texture.OutlierName.three_sd,
    quantization: texture.Quantization = texture.QuantizationName.lloyd,
    levels: texture.Levels = 256,
    shared_levels: texture.SharedLevels = False,
    weights: texture.Weights = texture.WeightsName.toolbox,
    two_d: texture.TwoD = False,
    stability: Annotated[
        int,
        typer.Option(
            metavar="N", help="Also measure N perturbed versions of the contours per kind.", rich_help_panel=MORE
        ),
    ] = 0,
    size_control: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Also measure N random divisions of GTV into parts of these sizes: what size alone does. 0: none.",
            rich_help_panel=MORE,
        ),
    ] = 10,
    with_map: Annotated[
        bool, typer.Option("--map", help="Also the radio-resistance map (exploratory).", rich_help_panel=MORE)
    ] = False,
    map_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Model of npc-radiomics train-map, instead of the published directions.",
            show_default=False,
            rich_help_panel=MORE,
        ),
    ] = None,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    inputs = PatientInputs(
        patient=patient,
        pre=pre,
        gtv=gtv,
        gtvr=gtvr,
        recurrence=recurrence,
        gtv_segment=gtv_segment,
        gtvr_segment=gtvr_segment,
        transform=tuple(transform or ()),
        plan_transform=plan_transform,
        landmarks_pre=landmarks_pre,
        landmarks_recurrence=landmarks_recurrence,
        dose=dose,
        prescription_gy=prescription_gy,
    )
    inputs.check()
    refuse_to_replace([*inputs.paths(), *([map_model] if map_model else [])], [output / name for name in NAMES])
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
        "seed": seed,
        "with_map": with_map or map_model is not None,
        "map_model": None if map_model is None else read_model(map_model),
        "different_patients": allow_different_patients,
        "accept_unreliable": accept_unreliable_alignment,
        "compare_levels": True,
        "n_stability": stability,
        "n_size_control": size_control,
    }
    interruption = context.obj.interruption
    load_modules(interruption, "commands.subregions_results", package="NPCRadiomicsRiskLib")
    from ..radioresistance.model import LocalModel
    from .patient_measurement import MeasurementChoice

    choice = MeasurementChoice(**options)
    choice.texture.settings()  # refuses what makes no sense before anything slow
    if choice.map_model is not None:
        LocalModel.from_dict(choice.map_model)

    def work(staged, progress):
        return _run(inputs, choice, staged, progress, interruption)

    run_staged(work, output, NAMES, interruption, index_name=INDEX_NAME, force=force, as_json=as_json, quiet=quiet)


def read_model(path: Path) -> dict:
    """The content of a model file.

    Raises:
        InputError: no such file, or no JSON.
    """
    check_paths(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        raise InputError("this is no JSON", where=str(path), remedy="Give a file of npc-radiomics train-map") from None


def size_of_region(typed: str) -> tuple[float, float, float]:
    """Millimeters along R, A, S from what was typed."""
    numbers = parse_numbers(typed, "--voi-mm", "size", "Give three numbers in mm, as in 120,120,110")
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise InputError(f"--voi-mm needs one or three numbers, found {len(numbers)}", remedy="As in 120,120,110")
    return numbers


def _run(inputs: PatientInputs, choice, staged, progress, interruption: Interruption):
    """Everything from reading to the last file; returns Results."""
    from .patient_measurement import measure_patient
    from .subregions_results import write_results

    progress("Starting", 0.0)
    empty_scene(interruption)
    measured = measure_patient(inputs, choice, lambda doing, part: progress(doing, 0.7 * part), interruption.check)
    return write_results(measured, choice, staged.folder, progress, interruption)
