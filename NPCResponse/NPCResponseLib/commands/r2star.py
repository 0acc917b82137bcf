"""``npc-response r2star``: from echo images to R2* maps, a table, a report and a scene."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import shared_options as shared
from .interruption import Interruption
from .map_request import MapRequest
from .options import check_positive, choices, load_modules, parse_numbers
from .shared_options import MapFormat, RoiName, option
from .staged_run import empty_scene, run_staged

HELP = (
    "Map R2* from multi-echo gradient-echo images and measure it in a tumor.\n\n"
    "Writes maps (R2*, T2*, S0, standard error, R^2, status), measurements as CSV and TSV, a report (HTML), a 3D "
    "Slicer scene (.mrb) and result.json. Research use only; not for diagnosis."
)
# Two newlines between lines, or rich joins them; short, or it wraps them.
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response r2star bold.nii.gz --output maps_only\n\n"
    "  npc-response r2star dicom_folder --segmentation tumor.seg.nrrd -o result\n\n"
    "  npc-response r2star e1.nrrd e2.nrrd --echo-times 6.71,13.42 -o result\n\n"
    "  npc-response r2star bold.nii.gz --segmentation regions.seg.nrrd \\\n\n"
    "      --segment tumor --exclude necrosis --exclude airway -o result\n\n"
    "  npc-response r2star bold.nii.gz --b0-map b0_hz.nii.gz -o result --json"
)
NEUTRAL_NAME = "BOLD"
ECHO_TIMES_REMEDY = "Give numbers in ms, as in 6.71,13.42,20.13"
FIT = "Fit"
MAP_NAMES = ("r2star_hz", "t2star_ms", "s0", "r2star_se_hz", "r_squared", "status")
INDEX_NAME = "result.json"
PLAIN_NAMES = ("measurements.csv", "measurements.tsv", "report.html", "scene.mrb", INDEX_NAME)


class MethodName(str, Enum):
    """R2StarMethod by its words; spelled out here so that --help need not load the estimators (a test compares)."""

    auto = "auto"
    noise_floor = "noise-floor"
    nlls = "nlls"
    arlo = "arlo"
    weighted_log_linear = "weighted-log-linear"
    log_linear = "log-linear"


ALL_NAMES = PLAIN_NAMES + tuple(f"{name}.{ending.value}" for name in MAP_NAMES for ending in MapFormat)


@dataclass(frozen=True, kw_only=True)
class Request(MapRequest):
    """What the user asked for."""

    roi: str = RoiName.largest_slice.value
    method: str = MethodName.auto.value
    echo_times_ms: tuple[float, ...] = ()
    noise_sigma: float | None = None
    b0_map: Path | None = None
    use_phase: bool = False
    saturation: float | None = None
    slice_thickness_mm: float | None = None
    field_strength_t: float | None = None

    def check(self) -> None:
        """Also the numbers of the fit."""
        super().check()
        check_positive(*self._numbers())
        if self.b0_map is not None and self.use_phase:
            raise InputError("--b0-map and --use-phase both tell the field", remedy="Choose one of them")

    def parameters(self) -> list[tuple[str, str]]:
        """The options that shaped the numbers, without paths."""
        shown = [("--method", self.method), *self.region_parameters()]
        if self.echo_times_ms:
            shown.append(("--echo-times", ",".join(f"{time:g}" for time in self.echo_times_ms)))
        shown += [(name, f"{value:g}") for name, value in self._numbers() if value is not None]
        shown += [("--b0-map", "(file)")] if self.b0_map else []
        shown += [("--use-phase", "")] if self.use_phase else []
        return shown

    def labeled_paths(self) -> list[tuple[Path, str]]:
        """Also the field map."""
        labeled = super().labeled_paths()
        return [*labeled, (self.b0_map, "field map")] if self.b0_map else labeled

    def _numbers(self) -> tuple[tuple[str, float | None], ...]:
        return (
            ("--noise-sigma", self.noise_sigma),
            ("--saturation", self.saturation),
            ("--slice-thickness", self.slice_thickness_mm),
            ("--field-strength", self.field_strength_t),
        )


def command(
    context: typer.Context,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="The echoes: one 4-D NIfTI or NRRD, one 3-D file per echo, or DICOM files or a folder of them.",
            show_default=False,
        ),
    ],
    output: shared.OutputFolder,
    segmentation: shared.SegmentationFile = None,
    segment: shared.SegmentName = "",
    exclude: shared.ExcludedSegments = None,
    leave_out_doubtful: shared.LeaveOutDoubtful = False,
    roi: shared.RoiRule = RoiName.largest_slice,
    erode_mm: shared.ErodeMm = 0.0,
    method: Annotated[
        MethodName, typer.Option(metavar="NAME", help=choices("Estimator:", MethodName), rich_help_panel=FIT)
    ] = MethodName.auto,
    echo_times: Annotated[
        str, option(metavar="MS,MS,...", help="Echo times in ms; default: from the files.", group=FIT)
    ] = "",
    noise_sigma: Annotated[
        float | None,
        option(metavar="SIGMA", help="Noise standard deviation in image units; default: from the image.", group=FIT),
    ] = None,
    b0_map: Annotated[
        Path | None,
        option(metavar="FILE", help="Field map in Hz: corrects field gradients through the slice.", group=FIT),
    ] = None,
    use_phase: Annotated[
        bool, option("--use-phase", help="Correct field gradients from the phase images of the input.", group=FIT)
    ] = False,
    saturation: Annotated[
        float | None,
        option(metavar="SIGNAL", help="Signals at or above it are clipped; default: found by itself.", group=FIT),
    ] = None,
    slice_thickness: Annotated[
        float | None, option(metavar="MM", help="If the files do not tell it.", group=FIT)
    ] = None,
    field_strength: Annotated[
        float | None, option(metavar="TESLA", help="If the files do not tell it.", group=FIT)
    ] = None,
    map_format: shared.MapFormatOption = MapFormat.nii_gz,
    show_file_names: shared.ShowFileNames = False,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    request = Request(
        inputs=tuple(inputs),
        output=output,
        segmentation=segmentation,
        segment=segment,
        exclude=tuple(exclude or ()),
        keep_doubtful=not leave_out_doubtful,
        roi=roi.value,
        erode_mm=erode_mm,
        method=method.value,
        echo_times_ms=parse_numbers(echo_times, "--echo-times", "echo time", ECHO_TIMES_REMEDY),
        noise_sigma=noise_sigma,
        b0_map=b0_map,
        use_phase=use_phase,
        saturation=saturation,
        slice_thickness_mm=slice_thickness,
        field_strength_t=field_strength,
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
    load_modules(interruption, "readers", "commands.r2star_results")
    from .r2star_results import needed_bytes, write_results

    series = _read_series(request)
    interruption.check()
    staged.require_space(needed_bytes(series))
    result = _measure(request, series, lambda fraction: progress("Fitting", 0.15 + 0.45 * fraction), interruption)
    progress("Writing", 0.6)
    return write_results(request, result, staged.folder, progress, interruption)


def _read_series(request: Request):
    from ..readers import read_echo_series

    series = read_echo_series(
        request.inputs, echo_times_ms=request.echo_times_ms, slice_thickness_mm=request.slice_thickness_mm
    )
    if request.field_strength_t is not None:
        series = replace(series, field_strength_t=request.field_strength_t)
    # The reader's name is a file's or a series' and would stand in tables and in the scene.
    return series if request.show_file_names else replace(series, name=NEUTRAL_NAME)


def _measure(request: Request, series, show_fraction, interruption: Interruption):
    """The job on the headless scene, the same that runs behind the button in Slicer."""
    empty_scene(interruption)
    load_modules(interruption, "mrml.r2star", "mrml.files")
    from ..mrml import echo_series, files
    from ..mrml.r2star import R2StarJob, R2StarSettings
    from ..relaxometry import R2StarMethod, VoxelStatus
    from ..rois import SliceRule
    from .map_files import load_region

    node = echo_series.add_echo_series_to_scene(series)
    name = "" if request.show_file_names else "field map"  # nodes are saved in the scene
    b0_map = files.load_volume(request.b0_map, name) if request.b0_map else None
    settings = R2StarSettings(
        method=R2StarMethod(request.method),
        noise_sigma=request.noise_sigma,
        slice_rule=SliceRule(request.roi),
        erosion_mm=request.erode_mm,
        saturation_level=request.saturation,
        use_phase=request.use_phase,
        keep_doubtful=request.keep_doubtful,
    )
    job = R2StarJob(
        node,
        settings,
        b0_map=b0_map,
        reading_warnings=series.warnings,
        **load_region(request),
    )
    for fraction in job.steps():
        show_fraction(fraction)
        interruption.check()
    result = job.finish()
    counts = result.fit.status_counts()
    if not any(counts[status] for status in VoxelStatus if status.is_fitted):
        told = ", ".join(f"{n} {status.label()}" for status, n in counts.items() if n)
        raise InputError(f"no voxel of the image could be fitted ({told})", remedy="Check images and echo times")
    return result
