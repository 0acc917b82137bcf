"""``npc-response phantom``: files of a simulated patient, with known truth."""

import csv
import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .options import parse_numbers
from .progress import print_result, progress_bar

HELP = (
    "Simulate a patient with nasopharyngeal carcinoma before and after treatment.\n\n"
    "Writes, per time point, a BOLD series, an arterial spin labeling series (BIDS) and a contrast-enhanced T1 image "
    "with their segmentations; what is true of them; and patient.yaml, for npc-response assess. Synthetic; it belongs "
    "to no person."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response phantom demo/input\n\n"
    "  npc-response phantom stable --response non-responder --snr 20\n\n"
    "  npc-response phantom airway --gradient 100 --full-matrix\n\n"
    "  npc-response phantom delays --pld 500,1000,1500,2000,2500,3000"
)
TIME_POINTS = ("pre", "post")
ASL_SNR_RATIO = 3.0  # larger voxels, and a 3-D readout
# SD of the smooth variation of R2* within the tumor: enough for maps and histograms to look like tissue.
TUMOR_HETEROGENEITY_HZ, TUMOR_HETEROGENEITY_ML_PER_100G_MIN = 4.0, 15.0
FILES_PER_TIME_POINT = (
    "bold.nii.gz",
    "bold.json",
    "tumor.seg.nrrd",
    "b0_hz.nii.gz",
    "asl.nii.gz",
    "asl.json",
    "aslcontext.tsv",
    "t1ce.nii.gz",
    "t1ce.seg.nrrd",
)
PLAIN_NAMES = ("truth.csv", "patient.yaml", "phantom.json")
NAMES = (*(f"{point}_{name}" for point in TIME_POINTS for name in FILES_PER_TIME_POINT), *PLAIN_NAMES)
LESIONS = (
    "segment: tumor",
    "segment: node_right, organ: lymph node, node: true",
    "segment: node_left, organ: lymph node, node: true, target: false",
)


class ResponseName(str, Enum):
    """How the tumor takes the treatment."""

    responder = "responder"
    non_responder = "non-responder"


def command(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder for the files; made if need be.", show_default=False)],
    snr: Annotated[float, typer.Option(help="Tumor signal at echo time 0 over the noise standard deviation.")] = 50.0,
    seed: Annotated[int, typer.Option(help="Seed of the noise; the same seed gives the same files.")] = 0,
    response: Annotated[ResponseName, typer.Option(help="Whether the tumor shrinks.")] = ResponseName.responder,
    gradient: Annotated[
        float, typer.Option(help="Field gradient through the slice at the airway, in microtesla per meter.")
    ] = 0.0,
    pld: Annotated[
        str, typer.Option(metavar="MS,...", help="Post-labeling delay of the ASL series, or several.")
    ] = "2025",
    full_matrix: Annotated[
        bool, typer.Option("--full-matrix", help="The published matrix (256 x 218, 20 slices) instead of a small one.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files of an earlier phantom in that folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """See HELP."""
    from .staged_output import StagedOutput

    interruption = context.obj.interruption
    delays_ms = parse_numbers(pld, "--pld", "delay", "Give numbers in ms, as in 2025 or 500,1000,1500")
    with (
        StagedOutput(directory, NAMES, interruption, force=force, index_name="phantom.json") as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        settings = {
            "snr": snr,
            "seed": seed,
            "response": response.value,
            "gradient_ut_per_m": gradient,
            "post_labeling_delays_ms": list(delays_ms),
            "full_matrix": full_matrix,
        }
        _write_phantom(staged.folder, settings, progress, interruption)
        progress("Finishing", 1.0)
        paths = staged.commit()
    if not quiet:
        print_result(f"Wrote a synthetic patient to {directory}: {', '.join(path.name for path in paths)}")


def _write_phantom(folder: Path, settings: dict, progress, interruption) -> None:
    truth = []
    for number, time_point in enumerate(TIME_POINTS):
        for part, write in enumerate((_write_bold, _write_asl, _write_t1ce)):
            progress(f"Simulating {time_point}", (number + part / 3) / len(TIME_POINTS))
            truth += [(time_point, *row) for row in write(time_point, settings, folder)]
            interruption.check()
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerows([("time_point", "region", "what", "value", "unit"), *truth])
    (folder / "patient.yaml").write_text(_description(), encoding="utf-8")
    files = sorted([entry.name for entry in folder.iterdir()] + ["phantom.json"])
    (folder / "phantom.json").write_text(json.dumps({**settings, "files": files}, indent=2) + "\n", encoding="utf-8")


def _write_bold(time_point: str, settings: dict, folder: Path) -> list[tuple]:
    """Images and segmentation; returns rows of truth."""
    from ..phantom import PhantomGrid, simulate_bold

    acquisition = simulate_bold(
        time_point,
        snr=settings["snr"],
        seed=settings["seed"],
        response=settings["response"],
        peak_gradient_ut_per_m=settings["gradient_ut_per_m"],
        tumor_heterogeneity_hz=TUMOR_HETEROGENEITY_HZ,
        grid=PhantomGrid.paper() if settings["full_matrix"] else PhantomGrid.demo(),
        as_integers=True,
    )
    series = acquisition.series
    _write_image(series.echoes, series.ijk_to_ras, folder / f"{time_point}_bold.nii.gz")
    # BIDS has one echo time per file; a 4-D file needs the list, in seconds likewise.
    sidecar = {
        "EchoTime": [round(time / 1000, 8) for time in series.echo_times_ms],
        "MagneticFieldStrength": series.field_strength_t,
        "SliceThickness": series.slice_thickness_mm,
        "SeriesDescription": "Digital phantom, not a patient",
    }
    _write_json(sidecar, folder / f"{time_point}_bold.json")
    _write_segmentation(acquisition, series.echoes[0], series.ijk_to_ras, folder / f"{time_point}_tumor.seg.nrrd")
    if settings["gradient_ut_per_m"]:
        _write_image([acquisition.b0_hz], series.ijk_to_ras, folder / f"{time_point}_b0_hz.nii.gz")
    rows = [(name, "R2*", f"{rate:.3f}", "Hz") for name, rate in acquisition.truth_by_region.items()]
    return [*rows, _truth_of_the_paper_s_region(acquisition)]


def _write_asl(time_point: str, settings: dict, folder: Path) -> list[tuple]:
    """A BIDS-like series with its roles; returns rows of truth: the flow, and what Eq. 2 makes of it without noise."""
    from ..asl_series import AslRole
    from ..phantom import simulate_asl

    acquisition = simulate_asl(
        time_point,
        snr=ASL_SNR_RATIO * settings["snr"],
        seed=settings["seed"],
        response=settings["response"],
        post_labeling_delays_ms=tuple(settings["post_labeling_delays_ms"]),
        tumor_heterogeneity=TUMOR_HETEROGENEITY_ML_PER_100G_MIN,
        as_integers=True,
    )
    series = acquisition.series
    _write_image(series.volumes, series.ijk_to_ras, folder / f"{time_point}_asl.nii.gz")
    sidecar = {
        "ArterialSpinLabelingType": series.labeling_type.value,
        "PostLabelingDelay": [round((delay or 0) / 1000, 6) for delay in series.post_labeling_delays_ms],
        "LabelingDuration": series.label_duration_ms / 1000,
        "BackgroundSuppression": bool(series.n_background_suppression_pulses),
        "M0Type": "Included",
        "TotalAcquiredPairs": len(series.indices(AslRole.CONTROL)),
        **({"RepetitionTimePreparation": series.m0_repetition_time_ms / 1000} if series.m0_repetition_time_ms else {}),
        "MagneticFieldStrength": series.field_strength_t,
        "SeriesDescription": "Digital phantom, not a patient",
    }
    _write_json(sidecar, folder / f"{time_point}_asl.json")
    context = "\n".join(["volume_type", *(role.value for role in series.roles)])
    (folder / f"{time_point}_aslcontext.tsv").write_text(context + "\n", encoding="utf-8")
    rows = [(name, "TBF", f"{flow:.3f}", "mL/100g/min") for name, flow in acquisition.truth_by_region.items()]
    rows += [
        (name, "TBF by Eq. 2 without noise", f"{flow:.3f}", "mL/100g/min")
        for name, flow in acquisition.eq2_by_region.items()
    ]
    return rows


def _write_t1ce(time_point: str, settings: dict, folder: Path) -> list[tuple]:
    """The anatomical image on which lesions are measured; returns rows of truth."""
    from ..phantom import simulate_t1ce

    acquisition = simulate_t1ce(time_point, snr=settings["snr"], seed=settings["seed"], response=settings["response"])
    _write_image([acquisition.volume], acquisition.grid.ijk_to_ras, folder / f"{time_point}_t1ce.nii.gz")
    _write_segmentation(
        acquisition, acquisition.volume, acquisition.grid.ijk_to_ras, folder / f"{time_point}_t1ce.seg.nrrd"
    )
    rows = []
    for region, truth in acquisition.truth.items():
        rows += [
            (region, f"Maximum diameter, {plane.value} plane", f"{length:.3f}", "mm")
            for plane, length in truth.longest_in_plane_mm.items()
        ]
        rows.append((region, "Maximum 3-D diameter", f"{truth.longest_3d_mm:.3f}", "mm"))
        rows.append((region, "Volume", f"{truth.volume_ml:.3f}", "mL"))
    return rows


def _description() -> str:
    """The patient as npc-response assess takes it: the images after treatment at the times of the papers."""
    lines = [
        "# A simulated patient, for npc-response assess. The images after treatment are used at the times at which"
    ]
    lines += ["# the studies measured: blood flow at 40 Gy, R2* at the end of treatment, size three months later."]
    lines += ["version: 1", "patient: phantom", "treatment: {total_dose_gy: 70, fractions: 35}", "time_points:"]
    lines += _time_point("pre", "pre-treatment", "pre", ("bold", "asl", "anatomy"))
    lines += _time_point("40 Gy", "mid-treatment", "post", ("asl",), dose_gy=40)
    lines += _time_point("end", "end of treatment", "post", ("bold",))
    lines += _time_point("3 months", "3 months", "post", ("anatomy",))
    return "\n".join(lines) + "\n"


def _time_point(name: str, stage: str, files: str, parts: Sequence[str], dose_gy: float | None = None) -> list[str]:
    """The lines of one time point, with some of the images of "pre" or "post"."""
    lines = [f"  - name: {name}", f"    stage: {stage}"]
    lines += [f"    dose_gy: {dose_gy:g}"] if dose_gy is not None else []
    region = "segment: tumor, exclude: [necrosis]"
    if "bold" in parts:
        images = f"images: {files}_bold.nii.gz, segmentation: {files}_tumor.seg.nrrd"
        lines.append(f"    bold: {{{images}, {region}}}")
    if "asl" in parts:  # in the region that is drawn on the anatomical image
        images = f"images: {files}_asl.nii.gz, segmentation: {files}_t1ce.seg.nrrd"
        lines.append(f"    asl: {{{images}, {region}}}")
    if "anatomy" in parts:
        lines.append(f"    anatomy: {{image: {files}_t1ce.nii.gz, segmentation: {files}_t1ce.seg.nrrd}}")
        lines.append("    lesions:")
        lines += [f"      - {{{lesion}}}" for lesion in LESIONS]
        lines.append("    new_lesions: false")
    return lines


def _truth_of_the_paper_s_region(acquisition) -> tuple[str, str, str, str]:
    """The R2* that a measurement by the published rule should find."""
    from ..rois import SliceRule, select_slices

    region = select_slices(acquisition.region_mask("tumor"), SliceRule.LARGEST_SLICE)
    region &= ~acquisition.region_mask("necrosis")
    return "tumor less necrosis, largest slice", "R2*", f"{acquisition.truth_r2star_hz[region].mean():.3f}", "Hz"


def _write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_image(volumes_kji, ijk_to_ras, path: Path) -> None:
    """One volume as 3-D, several as 4-D."""
    import SimpleITK as sitk  # noqa: N813  its usual name

    images = [sitk.GetImageFromArray(volume) for volume in volumes_kji]
    for image in images:
        _set_geometry(image, ijk_to_ras)
    sitk.WriteImage(sitk.JoinSeries(images) if len(images) > 1 else images[0], str(path), useCompression=True)


def _set_geometry(image, ijk_to_ras) -> None:
    """SimpleITK's frame is LPS: the first two RAS axes change sign."""
    import numpy as np

    ijk_to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_ras
    spacing = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    image.SetDirection((ijk_to_lps[:3, :3] / spacing).ravel().tolist())


def _write_segmentation(acquisition, image, ijk_to_ras, path: Path) -> None:
    """Through MRML, so that the file is what Slicer itself would have saved (overlapping segments on layers)."""
    from .. import headless

    scene = headless.start()
    from ..mrml.files import save_node
    from ..mrml.sample_data import add_phantom_segmentation
    from ..mrml.volumes import add_volume

    reference = add_volume(image, ijk_to_ras, "image")
    save_node(add_phantom_segmentation(acquisition, reference, "regions"), path)
    scene.Clear(0)
