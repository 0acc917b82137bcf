"""Options that several commands have, declared once: name, help, and the group they stand in under --help."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .options import choices

REGION, FILES = "Region", "Input and output"


class RoiName(str, Enum):
    """SliceRule by its words; spelled out here so that --help need not load the science (a test compares)."""

    largest_slice = "largest-slice"
    largest_slice_and_neighbors = "largest-slice-and-neighbors"
    whole_volume = "whole-volume"


class MapFormat(str, Enum):
    nii_gz = "nii.gz"
    nrrd = "nrrd"


def option(*names: str, help: str, group: str | None = None, metavar: str | None = None):
    """An option without a default worth showing."""
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, rich_help_panel=group)


OutputFolder = Annotated[
    Path, option("--output", "-o", metavar="FOLDER", help="For the results; made if need be.", group=FILES)
]
Force = Annotated[
    bool,
    option("--force", help="Replace results of an earlier run in that folder; other files stay.", group=FILES),
]
AsJson = Annotated[bool, option("--json", help="Print the result as JSON.", group=FILES)]
Quiet = Annotated[bool, option("--quiet", "-q", help="No progress bar and no summary.", group=FILES)]
ShowFileNames = Annotated[
    bool,
    option("--show-file-names", help="Name input files in the results; a name may identify a patient.", group=FILES),
]
MapFormatOption = Annotated[
    MapFormat, typer.Option(metavar="FORMAT", help=choices("Of the maps:", MapFormat), rich_help_panel=FILES)
]

SegmentationFile = Annotated[
    Path | None,
    option(metavar="FILE", help="Segmentation (.seg.nrrd, .nrrd, .nii.gz). Without it, maps only.", group=REGION),
]
SegmentName = Annotated[
    str, option(metavar="NAME", help="The tumor's segment; needed if there are several.", group=REGION)
]
ExcludedSegments = Annotated[
    list[str] | None,
    option(metavar="NAME", help="Segment to leave out (necrosis, airway, vessels); repeat for more.", group=REGION),
]
LeaveOutDoubtful = Annotated[
    bool,
    option(
        "--leave-out-doubtful",
        help="Do not measure voxels with a remark: a poor fit, a suspected field gradient.",
        group=REGION,
    ),
]
RoiRule = Annotated[
    RoiName, typer.Option(metavar="RULE", help=choices("Slices that count:", RoiName), rich_help_panel=REGION)
]
ErodeMm = Annotated[
    float, typer.Option(metavar="MM", help="Take this off the outline, in the plane.", rich_help_panel=REGION)
]
