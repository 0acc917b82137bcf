"""``npc-radiomics features``: texture of one region of one image, as numbers for a script."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from NPCResponseLib.commands.interruption import Interruption
from NPCResponseLib.commands.options import check_paths, check_positive, choices, load_modules
from NPCResponseLib.commands.progress import print_result
from NPCResponseLib.errors import InputError

from . import texture_options as texture

HELP = (
    "Measure texture features of a region of an image; prints JSON, or writes it to a file.\n\n"
    "The panel toolbox47 is the 7 histogram and 40 texture features of Akram et al. 2020. With --resampling toolbox it "
    "does what the paper's software does; --scan-type and --scale are that software's words, and choose it. Research "
    "use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-radiomics features --panel toolbox47 --volume t1.nrrd --mask gtv.nrrd\n\n"
    "  npc-radiomics features --panel toolbox47 --volume case.npz --mask case.npz --resampling toolbox \\\n\n"
    "      --scan-type MRscan --pixel-width-mm 0.7 --slice-spacing-mm 5 --scale pixelW \\\n\n"
    "      --quantization lloyd --levels 256 --output features.json\n\n"
    "An NPZ file holds the arrays volume and mask in the order row, column, slice."
)
# The words of the toolbox, beside ours.
SCAN_TYPES = {"mrscan": texture.OutlierName.three_sd, "other": texture.OutlierName.none}
INPUT, OUTPUT = "Input", "Output"


class PanelName(str, Enum):
    toolbox47 = "toolbox47"


def command(
    context: typer.Context,
    volume: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Image: NRRD, NIfTI, MetaImage, DICOM folder or NPZ.", show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    mask: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Segmentation or label image on its grid, or NPZ.", show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    panel: Annotated[
        PanelName, typer.Option(metavar="NAME", help=choices("Which features:", PanelName))
    ] = PanelName.toolbox47,
    segment: Annotated[
        str, typer.Option(metavar="NAME", help="Segment or label in --mask.", rich_help_panel=INPUT)
    ] = "",
    pixel_width_mm: Annotated[
        float | None,
        typer.Option(
            metavar="MM", help="Instead of the header's; needed for NPZ.", show_default=False, rich_help_panel=INPUT
        ),
    ] = None,
    slice_spacing_mm: Annotated[
        float | None,
        typer.Option(
            metavar="MM", help="Instead of the header's; needed for NPZ.", show_default=False, rich_help_panel=INPUT
        ),
    ] = None,
    resampling: texture.ResamplingIfStated = None,
    voxel_size_mm: texture.VoxelSize = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="pixelW|MM", help="--voxel-size-mm in the toolbox' words.", show_default=False,
            rich_help_panel=texture.TEXTURE,
        ),
    ] = "",
    outliers: texture.Outliers = texture.OutlierName.three_sd,
    scan_type: Annotated[
        str,
        typer.Option(
            metavar="MRscan|Other", help="--outliers in the toolbox' words.", show_default=False,
            rich_help_panel=texture.TEXTURE,
        ),
    ] = "",
    quantization: texture.Quantization = texture.QuantizationName.lloyd,
    levels: texture.Levels = 256,
    weights: texture.Weights = texture.WeightsName.toolbox,
    two_d: texture.TwoD = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The JSON.", show_default=False, rich_help_panel=OUTPUT),
    ] = None,
    save_quantized: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Gray levels (quantized) and intensities (prepared) as NPZ: row, column, slice.",
            show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    save_matrices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Matrices as NPZ: GLCM_rows, GLCM_cols (from 0), GLCM_vals, GLCM_shape, ..., NGTDM.",
            show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files.", rich_help_panel=OUTPUT)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON also if it is written.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:  # fmt: skip
    """See HELP."""
    del panel  # there is one
    check_paths(volume, mask)
    check_positive(("--pixel-width-mm", pixel_width_mm), ("--slice-spacing-mm", slice_spacing_mm))
    _check_outputs((output, save_quantized, save_matrices), (volume, mask), force)
    choice = texture.TextureChoice(
        resampling=(resampling or _resampling(scale or scan_type)).value,
        voxel_size_mm=_voxel_size(scale, voxel_size_mm),
        outliers=_outliers(scan_type, outliers).value,
        quantization=quantization.value,
        n_levels=levels,
        weights=weights.value,
        two_d=two_d,
    )
    text = _run(
        (volume, mask, segment), (pixel_width_mm, slice_spacing_mm), choice, (output, save_quantized, save_matrices),
        context.obj.interruption,
    )  # fmt: skip
    if output is None or as_json:
        print_result(text)


def _check_outputs(outputs: tuple[Path | None, ...], inputs: tuple[Path, ...], force: bool) -> None:
    taken = {path.resolve(): "it is an input" for path in inputs}
    for path in outputs:
        _check_output(path, force)
        if path is not None:
            if path.resolve() in taken:
                raise InputError(taken[path.resolve()], where=str(path), remedy="Name another file to write")
            taken[path.resolve()] = "two results would go to one file"


def _check_output(path: Path | None, force: bool) -> None:
    if path is None:
        return
    if path.is_dir():
        raise InputError("the output is a folder", where=str(path), remedy="Name a file")
    if path.exists() and not force:
        raise InputError("the file is there already", where=str(path), remedy="Name another, or add --force")
    if not path.resolve().parent.is_dir():
        raise InputError("its folder does not exist", where=str(path), remedy="Make it first")


def _resampling(toolbox_words: str) -> texture.ResamplingName:
    """What is not stated: who speaks the toolbox' words wants its numbers."""
    return texture.ResamplingName.toolbox if toolbox_words else texture.ResamplingName.corrected


def _voxel_size(scale: str, voxel_size_mm: float | None) -> float | None:
    if not scale or scale.casefold() == "pixelw":
        return voxel_size_mm
    if voxel_size_mm is not None:
        raise InputError("--scale and --voxel-size-mm say the same", remedy="Give one of them")
    try:
        return float(scale)
    except ValueError:
        raise InputError(f"{scale!r} is no scale", where="--scale", remedy="Give pixelW, or millimeters") from None


def _outliers(scan_type: str, outliers: texture.OutlierName) -> texture.OutlierName:
    if not scan_type:
        return outliers
    if scan_type.casefold() not in SCAN_TYPES:
        raise InputError(f"{scan_type!r} is no scan type", where="--scan-type", remedy="Give MRscan or Other")
    return SCAN_TYPES[scan_type.casefold()]


def _run(paths, spacing_mm, choice: texture.TextureChoice, outputs, interruption: Interruption) -> str:
    """The summary as JSON; written with the other results if they have paths."""
    load_modules(interruption, "commands.feature_files", package="NPCRadiomicsRiskLib")
    from ..texture.panel47 import texture_panel
    from .feature_files import read_region, summarize, write_results

    settings = choice.settings()
    region = read_region(*paths, pixel_width_mm=spacing_mm[0], slice_spacing_mm=spacing_mm[1])
    interruption.check()
    found = texture_panel(
        region.volume, {"mask": region.mask}, region.spacing_mm_kji, settings,
        progress=lambda _fraction: interruption.check(),
    )["mask"]  # fmt: skip
    text = json.dumps(summarize(found, settings, region), indent=2, allow_nan=False)
    write_results(found, text, *outputs)
    return text
