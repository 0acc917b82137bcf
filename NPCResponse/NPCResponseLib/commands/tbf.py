"""``npc-response tbf``: from arterial spin labeling images to tumor blood flow maps, a table, a report and a scene."""

from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import shared_options as shared
from .interruption import Interruption
from .map_request import MapRequest, numbered
from .options import check_positive, choices, load_modules, parse_numbers
from .shared_options import FILES, REGION, MapFormat, RoiName, option
from .staged_run import empty_scene, run_staged

HELP = (
    "Map tumor blood flow (TBF) from arterial spin labeling images and measure it in a tumor.\n\n"
    "Writes maps (TBF, standard error, transit time, control - label, M0, status), measurements as CSV and TSV, a "
    "report (HTML), a 3D Slicer scene (.mrb) and result.json. Research use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response tbf sub-01_asl.nii.gz -o maps_only\n\n"
    "  npc-response tbf dicom_folder --label-duration 1800 --pld 2000 -o result\n\n"
    "  npc-response tbf asl.nii.gz --segmentation tumor.seg.nrrd \\\n\n"
    "      --segment tumor --exclude necrosis -o result\n\n"
    "  npc-response tbf pw.nii.gz --roles deltam --m0 pd.nii.gz \\\n\n"
    "      --perfusion-scale 96 --label-duration 1450 --pld 2025 -o ge\n\n"
    "  npc-response tbf asl.nii.gz --anatomy t1ce.nii.gz -o fused --json"
)
NEUTRAL_NAME = "ASL"
MODEL = "Quantification"
MAP_NAMES = ("tbf_ml_per_100g_min", "tbf_se_ml_per_100g_min", "transit_time_ms", "delta_m", "m0", "tbf_status")
INDEX_NAME = "result.json"
PLAIN_NAMES = ("measurements.csv", "measurements.tsv", "report.html", "scene.mrb", "asl_to_anatomy.h5", INDEX_NAME)
ALL_NAMES = PLAIN_NAMES + tuple(f"{name}.{ending.value}" for name in MAP_NAMES for ending in MapFormat)


class AverageName(str, Enum):
    """RoiAverage by its words; spelled out here so that --help need not load the estimators (a test compares)."""

    mean_of_slices = "mean-of-slices"
    pooled = "pooled"


class LabelingName(str, Enum):
    """LabelingType by its words, for the same reason."""

    pcasl = "PCASL"
    casl = "CASL"
    pasl = "PASL"


@dataclass(frozen=True)
class Quantification:
    """Options that quantification takes; fields of PerfusionSettings, None where the data or the default decide."""

    post_labeling_delay_ms: float | tuple[float, ...] | None = None
    label_duration_ms: float | None = None
    labeling_type: str | None = None
    labeling_efficiency: float | None = None
    n_background_suppression_pulses: int | None = None
    t1_blood_ms: float | None = None
    hematocrit: float | None = None
    t1_tissue_ms: float | None = None
    partition_coefficient_ml_per_g: float | None = None
    perfusion_scale: float | None = None
    m0_repetition_time_ms: float | None = None
    field_strength_t: float | None = None
    drop_outlier_pairs: bool = False

    def given(self) -> dict:
        """What was given, by field name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value is not False}

    def settings(self):
        """As PerfusionSettings."""
        from ..asl_series import LabelingType
        from ..perfusion import PerfusionSettings

        given = self.given()
        if "labeling_type" in given:
            given["labeling_type"] = LabelingType(given["labeling_type"])
        return PerfusionSettings(**given)


@dataclass(frozen=True, kw_only=True)
class Request(MapRequest):
    """What the user asked for."""

    m0: tuple[Path, ...] = ()
    roles: tuple[str, ...] = ()
    quantification: Quantification = Quantification()
    roi: str = RoiName.largest_slice_and_neighbors.value
    average: str = AverageName.mean_of_slices.value
    correct_motion: bool = False
    anatomy: Path | None = None

    def check(self) -> None:
        """Also the numbers of the quantification."""
        super().check()
        check_positive(*((option_of(name), value) for name, value in self._numbers()))

    def _numbers(self) -> list[tuple[str, float]]:
        numbers = []
        for name, value in self.quantification.given().items():
            if name == "n_background_suppression_pulses":
                continue  # none is a number, too
            for single in value if isinstance(value, tuple) else (value,):
                if isinstance(single, (int, float)) and not isinstance(single, bool):
                    numbers.append((name, single))
        return numbers

    def parameters(self) -> list[tuple[str, str]]:
        """The options that shaped the numbers, without paths."""
        shown: list[tuple[str, str]] = []
        for name, value in self.quantification.given().items():
            text = ",".join(f"{item:g}" for item in value) if isinstance(value, tuple) else value
            shown.append(
                (option_of(name), "" if value is True else f"{text:g}" if isinstance(text, float) else str(text))
            )
        shown += [("--roles", ",".join(self.roles))] if self.roles else []
        shown += [("--correct-motion", "")] if self.correct_motion else []
        shown += [("--anatomy", "(file)")] if self.anatomy else []
        shown += [("--average", self.average)] if self.segmentation is not None else []
        return shown + self.region_parameters()

    def labeled_paths(self) -> list[tuple[Path, str]]:
        """Also M0 and the anatomical image."""
        labeled = super().labeled_paths() + numbered(self.m0, "M0 image")
        return [*labeled, (self.anatomy, "anatomical image")] if self.anatomy else labeled


OPTIONS = {
    "post_labeling_delay_ms": "--pld",
    "label_duration_ms": "--label-duration",
    "labeling_type": "--labeling",
    "labeling_efficiency": "--labeling-efficiency",
    "n_background_suppression_pulses": "--bs-pulses",
    "t1_blood_ms": "--t1-blood",
    "hematocrit": "--hematocrit",
    "t1_tissue_ms": "--t1-tissue",
    "partition_coefficient_ml_per_g": "--partition-coefficient",
    "perfusion_scale": "--perfusion-scale",
    "m0_repetition_time_ms": "--m0-tr",
    "field_strength_t": "--field-strength",
    "drop_outlier_pairs": "--drop-outlier-pairs",
}


def option_of(field_name: str) -> str:
    """The command line's word for a field of Quantification."""
    return OPTIONS[field_name]


def _number(name: str, help_text: str, unit: str):
    return option(name, metavar=unit, help=help_text, group=MODEL)


def command(
    context: typer.Context,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="Control, label and M0 images, a ready difference, or a flow map: NIfTI (with BIDS files beside it), "
            "NRRD, or DICOM files or a folder of them.",
            show_default=False,
        ),
    ],
    output: shared.OutputFolder,
    m0: Annotated[
        list[Path] | None, option(metavar="FILE", help="Proton density image, if apart.", group=FILES)
    ] = None,
    roles: Annotated[
        str,
        option(
            metavar="ROLE,...",
            help="What each image is, one per image, if the files do not tell: control, label, m0scan, deltam, cbf.",
            group=FILES,
        ),
    ] = "",
    pld: Annotated[str, _number("--pld", "Post-labeling delay or delays; default: from the files.", "MS,...")] = "",
    label_duration: Annotated[
        float | None, _number("--label-duration", "tau; default: from the files. It has no other default.", "MS")
    ] = None,
    labeling: Annotated[
        LabelingName | None,
        option(metavar="TYPE", help=choices("If the files do not tell:", LabelingName), group=MODEL),
    ] = None,
    labeling_efficiency: Annotated[
        float | None, _number("--labeling-efficiency", "alpha; default 0.85 (PASL 0.98).", "ALPHA")
    ] = None,
    background_suppression_pulses: Annotated[
        int | None, _number("--bs-pulses", "Background-suppression pulses; each costs 5 % of the label.", "N")
    ] = None,
    t1_blood: Annotated[float | None, _number("--t1-blood", "Default 1650 at 3 T, 1350 at 1.5 T.", "MS")] = None,
    hematocrit: Annotated[float | None, _number("--hematocrit", "Gives T1 of blood.", "FRACTION")] = None,
    t1_tissue: Annotated[
        float | None, _number("--t1-tissue", "For M0 with a short TR and for several delays.", "MS")
    ] = None,
    partition_coefficient: Annotated[
        float | None, _number("--partition-coefficient", "lambda; default 0.9 (assumed).", "ML/G")
    ] = None,
    perfusion_scale: Annotated[
        float | None, _number("--perfusion-scale", "Of a ready difference against M0; GE: 32 x NEX.", "FACTOR")
    ] = None,
    m0_tr: Annotated[float | None, _number("--m0-tr", "Repetition time of M0; corrects saturation.", "MS")] = None,
    field_strength: Annotated[float | None, _number("--field-strength", "If the files lack it.", "TESLA")] = None,
    correct_motion: Annotated[
        bool, option("--correct-motion", help="Align control and label with M0 first.", group=MODEL)
    ] = False,
    drop_outlier_pairs: Annotated[
        bool, option("--drop-outlier-pairs", help="Leave out pairs that differ.", group=MODEL)
    ] = False,
    anatomy: Annotated[
        Path | None,
        option(
            metavar="FILE",
            help="Anatomical image (T1) to register to; the segmentation is then the one drawn on it.",
            group=REGION,
        ),
    ] = None,
    segmentation: shared.SegmentationFile = None,
    segment: shared.SegmentName = "",
    exclude: shared.ExcludedSegments = None,
    leave_out_doubtful: shared.LeaveOutDoubtful = False,
    roi: shared.RoiRule = RoiName.largest_slice_and_neighbors,
    average: Annotated[
        AverageName,
        typer.Option(metavar="RULE", help=choices("One number from them:", AverageName), rich_help_panel=REGION),
    ] = AverageName.mean_of_slices,
    erode_mm: shared.ErodeMm = 0.0,
    map_format: shared.MapFormatOption = MapFormat.nii_gz,
    show_file_names: shared.ShowFileNames = False,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    delays = parse_numbers(pld, "--pld", "delay", "Give numbers in ms, as in 2025 or 500,1000,1500")
    request = Request(
        inputs=tuple(inputs),
        output=output,
        m0=tuple(m0 or ()),
        roles=tuple(word for word in roles.replace(",", " ").split()),
        quantification=Quantification(
            post_labeling_delay_ms=delays[0] if len(delays) == 1 else delays or None,
            label_duration_ms=label_duration,
            labeling_type=labeling.value if labeling else None,
            labeling_efficiency=labeling_efficiency,
            n_background_suppression_pulses=background_suppression_pulses,
            t1_blood_ms=t1_blood,
            hematocrit=hematocrit,
            t1_tissue_ms=t1_tissue,
            partition_coefficient_ml_per_g=partition_coefficient,
            perfusion_scale=perfusion_scale,
            m0_repetition_time_ms=m0_tr,
            field_strength_t=field_strength,
            drop_outlier_pairs=drop_outlier_pairs,
        ),
        segmentation=segmentation,
        segment=segment,
        exclude=tuple(exclude or ()),
        keep_doubtful=not leave_out_doubtful,
        roi=roi.value,
        average=average.value,
        erode_mm=erode_mm,
        correct_motion=correct_motion,
        anatomy=anatomy,
        map_format=map_format.value,
        show_file_names=show_file_names,
    )
    request.check()
    interruption = context.obj.interruption

    def work(staged, progress):
        return _run(request, staged, progress, interruption)

    run_staged(work, output, ALL_NAMES, interruption, index_name=INDEX_NAME, force=force, as_json=as_json, quiet=quiet)


def _run(request: Request, staged, progress, interruption: Interruption):
    """Everything from reading to the last file; returns Results."""
    progress("Reading", 0.02)
    load_modules(interruption, "readers", "commands.tbf_results", "mrml.tbf", "mrml.files")
    from .tbf_results import measure, needed_bytes, read_series, write_results

    series = read_series(request)
    interruption.check()
    staged.require_space(needed_bytes(series))
    empty_scene(interruption)
    result = measure(request, series, lambda part: progress("Quantifying", 0.15 + 0.45 * part), interruption)
    progress("Writing", 0.6)
    return write_results(request, result, staged.folder, progress, interruption)
