"""``npc-response phantom``: files of a simulated patient, with known truth."""

import csv
import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .progress import print_result, progress_bar

HELP = (
    "Simulate a patient with nasopharyngeal carcinoma before and after treatment.\n\n"
    "Writes, per time point, a five-echo BOLD series with its echo times and a segmentation (tumor, necrosis, airway, "
    "node_left, node_right); and the true R2* of every region. Synthetic; it belongs to no person."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response phantom demo/input\n\n"
    "  npc-response phantom stable --response non-responder --snr 20\n\n"
    "  npc-response phantom airway --gradient 100 --full-matrix"
)
TIME_POINTS = ("pre", "post")
# SD of the smooth variation of R2* within the tumor: enough for maps and histograms to look like tissue.
TUMOR_HETEROGENEITY_HZ = 4.0
FILES_PER_TIME_POINT = ("bold.nii.gz", "bold.json", "tumor.seg.nrrd", "b0_hz.nii.gz")
NAMES = (*(f"{point}_{name}" for point in TIME_POINTS for name in FILES_PER_TIME_POINT), "truth.csv", "phantom.json")


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
    full_matrix: Annotated[
        bool, typer.Option("--full-matrix", help="The published matrix (256 x 218, 20 slices) instead of a small one.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files of an earlier phantom in that folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """See HELP."""
    from .staged_output import StagedOutput

    interruption = context.obj.interruption
    with (
        StagedOutput(directory, NAMES, interruption, force=force, index_name="phantom.json") as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        settings = {
            "snr": snr,
            "seed": seed,
            "response": response.value,
            "gradient_ut_per_m": gradient,
            "full_matrix": full_matrix,
        }
        _write_phantom(staged.folder, settings, progress, interruption)
        progress("Finishing", 1.0)
        paths = staged.commit()
    if not quiet:
        print_result(f"Wrote a synthetic patient to {directory}: {', '.join(path.name for path in paths)}")


def _write_phantom(folder: Path, settings: dict, progress, interruption) -> None:
    from ..phantom import PhantomGrid, simulate_bold

    truth = []
    for number, time_point in enumerate(TIME_POINTS):
        progress(f"Simulating {time_point}", number / len(TIME_POINTS))
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
        interruption.check()
        _write_series(acquisition, folder, time_point)
        _write_segmentation(acquisition, folder / f"{time_point}_tumor.seg.nrrd")
        if settings["gradient_ut_per_m"]:
            _write_image([acquisition.b0_hz], acquisition.series.ijk_to_ras, folder / f"{time_point}_b0_hz.nii.gz")
        truth += [
            (time_point, name, f"{r2star_hz:.3f}", int(acquisition.region_mask(name).sum()))
            for name, r2star_hz in acquisition.truth_by_region.items()
        ]
        truth.append((time_point, *_truth_of_the_paper_s_region(acquisition)))
        interruption.check()
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("time_point", "region", "r2star_hz", "n_voxels"), *truth])
    files = sorted([entry.name for entry in folder.iterdir()] + ["phantom.json"])
    (folder / "phantom.json").write_text(json.dumps({**settings, "files": files}, indent=2) + "\n", encoding="utf-8")


def _truth_of_the_paper_s_region(acquisition) -> tuple[str, str, int]:
    """Name, R2* and size of what a measurement by the published rule should find."""
    from ..rois import SliceRule, select_slices

    region = select_slices(acquisition.region_mask("tumor"), SliceRule.LARGEST_SLICE)
    region &= ~acquisition.region_mask("necrosis")
    return "tumor less necrosis, largest slice", f"{acquisition.truth_r2star_hz[region].mean():.3f}", int(region.sum())


def _write_series(acquisition, folder: Path, time_point: str) -> None:
    """4-D NIfTI and a BIDS sidecar. BIDS has one echo time per file; a 4-D file needs the list, in seconds likewise."""
    series = acquisition.series
    _write_image(series.echoes, series.ijk_to_ras, folder / f"{time_point}_bold.nii.gz")
    sidecar = {
        "EchoTime": [round(time / 1000, 8) for time in series.echo_times_ms],
        "MagneticFieldStrength": series.field_strength_t,
        "SliceThickness": series.slice_thickness_mm,
        "SeriesDescription": "Digital phantom, not a patient",
    }
    (folder / f"{time_point}_bold.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")


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


def _write_segmentation(acquisition, path: Path) -> None:
    """Through MRML, so that the file is what Slicer itself would have saved (overlapping segments on layers)."""
    from .. import headless

    scene = headless.start()
    from ..mrml.echo_series import add_echo_series_to_scene
    from ..mrml.files import save_node
    from ..mrml.image_series import reference_volume
    from ..mrml.sample_data import add_phantom_segmentation

    series = add_echo_series_to_scene(acquisition.series)
    save_node(add_phantom_segmentation(acquisition, reference_volume(series)), path)
    scene.Clear(0)
