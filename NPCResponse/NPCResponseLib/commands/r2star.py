"""``npc-response r2star``: from echo images to R2* maps, a table, a report and a scene."""

import json
import math
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .interruption import Interruption
from .options import check_paths, check_positive, choices, load_modules, parse_numbers
from .progress import print_result, progress_bar

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
REGION, FIT, FILES = "Region", "Fit", "Input and output"
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


class RoiName(str, Enum):
    """SliceRule by its words, for the same reason."""

    largest_slice = "largest-slice"
    largest_slice_and_neighbors = "largest-slice-and-neighbors"
    whole_volume = "whole-volume"


class MapFormat(str, Enum):
    nii_gz = "nii.gz"
    nrrd = "nrrd"


ALL_NAMES = PLAIN_NAMES + tuple(f"{name}.{ending.value}" for name in MAP_NAMES for ending in MapFormat)


@dataclass(frozen=True)
class Request:
    """What the user asked for, parsed and checked as far as it can be without reading anything."""

    inputs: tuple[Path, ...]
    output: Path
    segmentation: Path | None
    segment: str
    exclude: tuple[str, ...]
    keep_doubtful: bool
    roi: str
    erode_mm: float
    method: str
    echo_times_ms: tuple[float, ...]
    noise_sigma: float | None
    b0_map: Path | None
    use_phase: bool
    saturation: float | None
    slice_thickness_mm: float | None
    field_strength_t: float | None
    map_format: str
    show_file_names: bool

    def check(self) -> None:
        """Refuse what no file can mend, before anything slow is loaded.

        Raises:
            InputError: a file that is not there, a number out of range, region options without a segmentation.
        """
        check_paths(*self.inputs, self.segmentation, self.b0_map)
        check_positive(
            ("--noise-sigma", self.noise_sigma),
            ("--saturation", self.saturation),
            ("--slice-thickness", self.slice_thickness_mm),
            ("--field-strength", self.field_strength_t),
        )
        if not (math.isfinite(self.erode_mm) and self.erode_mm >= 0):
            raise InputError(f"--erode-mm must not be negative, found {self.erode_mm:g}")
        if self.segmentation is None and (self.segment or self.exclude or self.erode_mm or not self.keep_doubtful):
            raise InputError(
                "--segment, --exclude, --leave-out-doubtful and --erode-mm need a segmentation",
                remedy="Add --segmentation FILE",
            )
        if self.b0_map is not None and self.use_phase:
            raise InputError("--b0-map and --use-phase both tell the field", remedy="Choose one of them")

    def parameters(self) -> list[tuple[str, str]]:
        """The options that shaped the numbers, without paths."""
        shown: list[tuple[str, str]] = [("--method", self.method)]
        if self.segmentation is not None:
            shown += [("--segment", self.segment)] if self.segment else []
            shown += [("--exclude", name) for name in self.exclude]
            shown += [] if self.keep_doubtful else [("--leave-out-doubtful", "")]
            shown += [("--roi", self.roi)]
            shown += [("--erode-mm", f"{self.erode_mm:g}")] if self.erode_mm else []
        if self.echo_times_ms:
            shown.append(("--echo-times", ",".join(f"{time:g}" for time in self.echo_times_ms)))
        for option, value in (
            ("--noise-sigma", self.noise_sigma),
            ("--saturation", self.saturation),
            ("--slice-thickness", self.slice_thickness_mm),
            ("--field-strength", self.field_strength_t),
        ):
            if value is not None:
                shown.append((option, f"{value:g}"))
        shown += [("--b0-map", "(file)")] if self.b0_map else []
        shown += [("--use-phase", "")] if self.use_phase else []
        return shown

    def labeled_paths(self) -> list[tuple[Path, str]]:
        """Input files with the neutral names under which reports speak of them."""
        many = len(self.inputs) > 1
        labeled = [(path, f"image {n}" if many else "image") for n, path in enumerate(self.inputs, start=1)]
        labeled += [(self.segmentation, "segmentation")] if self.segmentation else []
        labeled += [(self.b0_map, "field map")] if self.b0_map else []
        return labeled


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
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="For the results; made if need be.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ],
    segmentation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Segmentation (.seg.nrrd, .nrrd, .nii.gz). Without it, maps only.",
            show_default=False,
            rich_help_panel=REGION,
        ),
    ] = None,
    segment: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The tumor's segment; needed if there are several.",
            show_default=False,
            rich_help_panel=REGION,
        ),
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Segment to leave out (necrosis, airway, vessels); repeat for more.",
            show_default=False,
            rich_help_panel=REGION,
        ),
    ] = None,
    leave_out_doubtful: Annotated[
        bool,
        typer.Option(
            "--leave-out-doubtful",
            help="Do not measure voxels with a poor fit or a suspected field gradient.",
            rich_help_panel=REGION,
        ),
    ] = False,
    roi: Annotated[
        RoiName, typer.Option(metavar="RULE", help=choices("Slices that count:", RoiName), rich_help_panel=REGION)
    ] = RoiName.largest_slice,
    erode_mm: Annotated[
        float, typer.Option(metavar="MM", help="Take this off the outline, in the plane.", rich_help_panel=REGION)
    ] = 0.0,
    method: Annotated[
        MethodName, typer.Option(metavar="NAME", help=choices("Estimator:", MethodName), rich_help_panel=FIT)
    ] = MethodName.auto,
    echo_times: Annotated[
        str,
        typer.Option(
            metavar="MS,MS,...",
            help="Echo times in ms; default: from the files.",
            show_default=False,
            rich_help_panel=FIT,
        ),
    ] = "",
    noise_sigma: Annotated[
        float | None,
        typer.Option(
            metavar="SIGMA",
            help="Noise standard deviation in image units; default: from the image.",
            show_default=False,
            rich_help_panel=FIT,
        ),
    ] = None,
    b0_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Field map in Hz: corrects field gradients through the slice.",
            show_default=False,
            rich_help_panel=FIT,
        ),
    ] = None,
    use_phase: Annotated[
        bool,
        typer.Option(
            "--use-phase", help="Correct field gradients from the phase images of the input.", rich_help_panel=FIT
        ),
    ] = False,
    saturation: Annotated[
        float | None,
        typer.Option(
            metavar="SIGNAL",
            help="Signals at or above it are clipped; default: found by itself.",
            show_default=False,
            rich_help_panel=FIT,
        ),
    ] = None,
    slice_thickness: Annotated[
        float | None,
        typer.Option(metavar="MM", help="If the files do not tell it.", show_default=False, rich_help_panel=FIT),
    ] = None,
    field_strength: Annotated[
        float | None,
        typer.Option(metavar="TESLA", help="If the files do not tell it.", show_default=False, rich_help_panel=FIT),
    ] = None,
    map_format: Annotated[
        MapFormat, typer.Option(metavar="FORMAT", help=choices("Of the maps:", MapFormat), rich_help_panel=FILES)
    ] = MapFormat.nii_gz,
    show_file_names: Annotated[
        bool,
        typer.Option(
            "--show-file-names",
            help="Name input files in the results; a name may identify a patient.",
            rich_help_panel=FILES,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace results of an earlier run in that folder; other files stay.",
            rich_help_panel=FILES,
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=FILES)] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.", rich_help_panel=FILES)
    ] = False,
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
        echo_times_ms=parse_numbers(
            echo_times, "--echo-times", "echo time", "Give numbers in ms, as in 6.71,13.42,20.13"
        ),
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
    summary, lines = _run(request, context.obj.interruption, force=force, quiet=quiet)
    if as_json:
        print_result(json.dumps(summary, indent=2, allow_nan=False))
    elif not quiet:
        print_result("\n".join(lines))


def _run(request: Request, interruption: Interruption, *, force: bool, quiet: bool) -> tuple[dict, list[str]]:
    """Everything from reading to the last file; returns the JSON summary and the lines for a person."""
    from .staged_output import StagedOutput

    with (
        StagedOutput(request.output, ALL_NAMES, interruption, force=force, index_name=INDEX_NAME) as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        progress("Reading", 0.02)
        load_modules(interruption, "readers", "commands.r2star_results")
        from .r2star_results import needed_bytes, write_results

        series = _read_series(request)
        interruption.check()
        staged.require_space(needed_bytes(series))
        result = _measure(request, series, lambda fraction: progress("Fitting", 0.15 + 0.45 * fraction), interruption)
        progress("Writing", 0.6)
        results = write_results(request, result, staged.folder, progress, interruption)
        progress("Finishing", 1.0)
        paths = staged.commit()
    summary = {**results.summary, "output_directory": str(staged.output)}
    return summary, [*results.lines, f"Wrote to {request.output}: {', '.join(path.name for path in paths)}"]


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
    load_modules(interruption, "headless", "mrml.r2star", "mrml.files")
    from .. import headless

    with interruption.deferred():
        headless.start().Clear(0)  # what an earlier run in the same process left would end in the saved scene
    interruption.check()
    from ..mrml import echo_series, files, segments
    from ..mrml.r2star import R2StarJob, R2StarSettings
    from ..relaxometry import R2StarMethod, VoxelStatus
    from ..rois import SliceRule

    node = echo_series.add_echo_series_to_scene(series)
    # Nodes get neutral names (an empty one means: the file's), because they are saved in the scene.
    regions_name, field_name = ("", "") if request.show_file_names else ("regions", "field map")
    segmentation = files.load_segmentation(request.segmentation, regions_name) if request.segmentation else None
    b0_map = files.load_volume(request.b0_map, field_name) if request.b0_map else None
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
        segmentation=segmentation,
        segment_id=segments.segment_id_by_name(segmentation, request.segment) if segmentation else "",
        exclusion_ids=tuple(segments.segment_id_by_name(segmentation, name) for name in request.exclude),
        b0_map=b0_map,
        reading_warnings=series.warnings,
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
