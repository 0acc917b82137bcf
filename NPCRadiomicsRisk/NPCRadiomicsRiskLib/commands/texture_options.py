"""Options of the texture panel that several commands have, and the settings that they make."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer

from NPCResponseLib.commands.options import choices
from NPCResponseLib.errors import InputError

TEXTURE = "Texture"


class ResamplingName(str, Enum):
    """TextureSettings.resampling; spelled out so that --help need not load the engine (a test compares)."""

    corrected = "corrected"
    toolbox = "toolbox"
    none = "none"


class OutlierName(str, Enum):
    three_sd = "3-sd"
    none = "none"


class QuantizationName(str, Enum):
    lloyd = "lloyd"
    equal = "equal"
    uniform = "uniform"


class WeightsName(str, Enum):
    toolbox = "toolbox"
    ibsi = "ibsi"


Resampling = Annotated[
    ResamplingName,
    typer.Option(
        metavar="HOW",
        case_sensitive=False,
        help=choices("To isotropic voxels:", ResamplingName) + " toolbox darkens edges, as the paper's software does.",
        rich_help_panel=TEXTURE,
    ),
]
ResamplingIfStated = Annotated[
    ResamplingName | None,
    typer.Option(
        metavar="HOW",
        case_sensitive=False,
        show_default=False,
        help=choices("To isotropic voxels:", ResamplingName) + " Default: corrected.",
        rich_help_panel=TEXTURE,
    ),
]
VoxelSize = Annotated[
    float | None,
    typer.Option(metavar="MM", help="Isotropic; default: the pixel.", show_default=False, rich_help_panel=TEXTURE),
]
Outliers = Annotated[
    OutlierName,
    typer.Option(metavar="RULE", case_sensitive=False, help=choices("Left out:", OutlierName), rich_help_panel=TEXTURE),
]
Quantization = Annotated[
    QuantizationName,
    typer.Option(
        metavar="HOW", case_sensitive=False, help=choices("To gray levels:", QuantizationName), rich_help_panel=TEXTURE
    ),
]
Levels = Annotated[int, typer.Option(metavar="N", help="Number of gray levels.", rich_help_panel=TEXTURE)]
SharedLevels = Annotated[
    bool,
    typer.Option(
        "--shared-levels",
        help="One quantization for both sub-regions; else each has its own, as in the paper's software.",
        rich_help_panel=TEXTURE,
    ),
]
Weights = Annotated[
    WeightsName,
    typer.Option(
        metavar="WHOSE",
        case_sensitive=False,
        help=choices("Distance weights of:", WeightsName),
        rich_help_panel=TEXTURE,
    ),
]
TwoD = Annotated[bool, typer.Option("--2d", help="Neighbors within the slice only.", rich_help_panel=TEXTURE)]


@dataclass(frozen=True)
class TextureChoice:
    """What the options say; plain values, so that a worker process can have them."""

    resampling: str = ResamplingName.corrected.value
    voxel_size_mm: float | None = None
    outliers: str = OutlierName.three_sd.value
    quantization: str = QuantizationName.lloyd.value
    n_levels: int = 256
    levels_shared: bool = False
    weights: str = WeightsName.toolbox.value
    two_d: bool = False

    def settings(self):
        """As TextureSettings, which checks them.

        Raises:
            InputError: choices that contradict each other or make no sense.
        """
        from ..texture.panel47 import TextureSettings

        if self.resampling == ResamplingName.none.value and self.voxel_size_mm is not None:
            raise InputError(
                "a voxel size is given, but --resampling none keeps the image's", remedy="Leave one of them out"
            )
        return TextureSettings(
            resampling=self.resampling,
            voxel_size_mm=self.voxel_size_mm,
            outliers=self.outliers.replace("-", " "),
            quantization=self.quantization,
            n_levels=self.n_levels,
            levels_shared=self.levels_shared,
            weights=self.weights,
            dimensions=2 if self.two_d else 3,
        )

    def parameters(self) -> list[tuple[str, str]]:
        """As the user would type them."""
        shown = [
            ("--resampling", self.resampling),
            ("--voxel-size-mm", "" if self.voxel_size_mm is None else f"{self.voxel_size_mm:g}"),
            ("--outliers", self.outliers),
            ("--quantization", self.quantization),
            ("--levels", str(self.n_levels)),
            ("--weights", self.weights),
        ]
        flags = [(option, "") for option, on in (("--shared-levels", self.levels_shared), ("--2d", self.two_d)) if on]
        return [(option, value) for option, value in shown if value] + flags
