"""Result maps as volume nodes: on the grid of an image, with quantity, unit, colors, window and legend."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util

from ..perfusion import PerfusionStatus
from ..relaxometry import VoxelStatus
from ..voxel_status import StatusCode
from .geometry import matrix_of, set_matrix

# (code, coding scheme, meaning); codes of the DICOM and UCUM dictionaries, else our own.
HERTZ = ("Hz", "UCUM", "Hz")
MILLISECOND = ("ms", "UCUM", "ms")
ARBITRARY_UNIT = ("[arb'U]", "UCUM", "arbitrary unit")
NO_UNIT = ("1", "UCUM", "no units")

BLUE_TO_RED_NAME = "NPC blue to red"
# Blue, cyan, green, yellow, red in equal steps: the colors of R2* in the papers, and in this project's report.
BLUE_TO_RED = ((0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 1, 0), (1, 0, 0))
N_COLORS = 256
R2STAR_STATUS_COLORS = {
    VoxelStatus.OK: (0.0, 0.0, 0.0, 0.0),
    VoxelStatus.LOW_SIGNAL: (0.35, 0.37, 0.39, 1.0),
    VoxelStatus.NON_DECAYING: (0.42, 0.24, 0.60, 1.0),
    VoxelStatus.NON_FINITE: (1.0, 0.0, 1.0, 1.0),
    VoxelStatus.SATURATED: (0.70, 0.09, 0.17, 1.0),
    VoxelStatus.POOR_FIT: (0.96, 0.65, 0.51, 1.0),
    VoxelStatus.SUSPECTED_FIELD_GRADIENT: (0.99, 0.85, 0.21, 1.0),
}
TBF_STATUS_COLORS = {
    PerfusionStatus.OK: (0.0, 0.0, 0.0, 0.0),
    PerfusionStatus.LOW_M0: (0.35, 0.37, 0.39, 1.0),
    PerfusionStatus.NON_FINITE: (1.0, 0.0, 1.0, 1.0),
    PerfusionStatus.NOT_FITTED: (0.42, 0.24, 0.60, 1.0),
    PerfusionStatus.NEGATIVE: (0.13, 0.40, 0.67, 1.0),
    PerfusionStatus.LATE_ARRIVAL: (0.99, 0.85, 0.21, 1.0),
}
# Voxels without a value are 0 and not shown. Below every value that a fitted voxel can have.
LOWEST_SHOWN, HIGHEST_SHOWN = 1e-6, 1e9
DISPLAY_PERCENTILES = (2.0, 98.0)  # of the voxels with a value, where there is no fixed range


@dataclass(frozen=True)
class MapKind:
    """What a map shows: name (with unit), coded quantity and unit, and the displayed range; None: from its values."""

    title: str
    quantity: tuple[str, str, str]
    unit: tuple[str, str, str]
    display_range: tuple[float, float] | None = None


R2STAR = MapKind("R2* (Hz)", ("126395", "DCM", "R2*"), HERTZ, (0.0, 100.0))
T2STAR = MapKind("T2* (ms)", ("113064", "DCM", "T2*"), MILLISECOND, (0.0, 100.0))
S0 = MapKind("S0", ("S0", "99NPC", "S0"), ARBITRARY_UNIT)
STANDARD_ERROR = MapKind("R2* standard error (Hz)", ("R2*-SE", "99NPC", "R2* standard error"), HERTZ, (0.0, 10.0))
R_SQUARED = MapKind("R2* fit R^2", ("R^2", "99NPC", "R^2"), NO_UNIT, (0.0, 1.0))
FLOW = ("mL/min/(100.g)", "UCUM", "mL/100g/min")
TBF = MapKind("TBF (mL per 100 g per min)", ("TBF", "99NPC", "Tumor blood flow"), FLOW, (0.0, 200.0))
TBF_STANDARD_ERROR = MapKind(
    "TBF standard error (mL per 100 g per min)",
    ("TBF-SE", "99NPC", "Tumor blood flow standard error"),
    FLOW,
    (0.0, 50.0),
)
TRANSIT_TIME = MapKind(
    "arterial transit time (ms)", ("ATT", "99NPC", "Arterial transit time"), MILLISECOND, (0.0, 3000.0)
)
DELTA_M = MapKind("control - label", ("DeltaM", "99NPC", "Control - label difference"), ARBITRARY_UNIT)
M0 = MapKind("M0", ("M0", "99NPC", "M0"), ARBITRARY_UNIT)


@dataclass(frozen=True)
class StatusKind:
    """The status map that belongs to a kind of map: its name and code, and the color of each of its status codes."""

    title: str
    quantity: tuple[str, str, str]
    color_table: str
    colors: Mapping[StatusCode, tuple[float, float, float, float]]


R2STAR_STATUS = StatusKind(
    "R2* status", ("R2*-status", "99NPC", "R2* status"), "NPC voxel status", R2STAR_STATUS_COLORS
)
TBF_STATUS = StatusKind(
    "TBF status", ("TBF-status", "99NPC", "Tumor blood flow status"), "NPC flow status", TBF_STATUS_COLORS
)


def write_map(values: np.ndarray, kind: MapKind, series_name: str, reference, node=None):
    """Put a map into a volume node: a new one, or ``node``, whose display is then left as the user has set it.

    Args:
        values: KJI on the grid of ``reference``; stored as float32, with 0 for what is not finite.
        reference: volume node that gives geometry and parent transform.

    Returns:
        vtkMRMLScalarVolumeNode.
    """
    stored = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    is_new = node is None
    node = node or _add_volume("vtkMRMLScalarVolumeNode", f"{series_name} {kind.title}")
    _write(node, stored, reference)
    node.SetVoxelValueQuantity(_coded(kind.quantity))
    node.SetVoxelValueUnits(_coded(kind.unit))
    if is_new or node.GetDisplayNode() is None:
        _display_map(node, stored, kind)
        add_legend(node, kind.title)
    return node


def write_status_map(status: np.ndarray, kind: StatusKind, series_name: str, reference, node=None):
    """Put the status of each voxel into a label map: a new one, or ``node``.

    Args:
        status: KJI, status codes of the kind.

    Returns:
        vtkMRMLLabelMapVolumeNode.
    """
    is_new = node is None
    node = node or _add_volume("vtkMRMLLabelMapVolumeNode", f"{series_name} {kind.title}")
    _write(node, status.astype(np.uint8), reference)
    node.SetVoxelValueQuantity(_coded(kind.quantity))
    if is_new or node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(status_colors(kind).GetID())
        add_legend(node, kind.title)
    return node


def add_volume(values: np.ndarray, ijk_to_ras: np.ndarray, name: str):
    """A new volume node from an image that a reader gave: KJI, and voxel index to RAS in mm."""
    node = _add_volume("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(values))
    set_matrix(node, ijk_to_ras)
    node.CreateDefaultDisplayNodes()
    return node


def _add_volume(node_class: str, name: str):
    return slicer.mrmlScene.AddNewNodeByClass(node_class, slicer.mrmlScene.GenerateUniqueName(name))


def _write(node, array: np.ndarray, reference) -> None:
    with slicer.util.NodeModify(node):
        slicer.util.updateVolumeFromArray(node, array)
        set_matrix(node, matrix_of(reference))
        parent = reference.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(parent.GetID() if parent else None)


def _coded(code: tuple[str, str, str]):
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(*code)
    return entry


def _display_map(node, values: np.ndarray, kind: MapKind) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    low, high = kind.display_range or _range_of(values)
    with slicer.util.NodeModify(display):
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(low, high)
        display.SetAndObserveColorNodeID(blue_to_red().GetID())
        display.AutoThresholdOff()
        display.SetThreshold(LOWEST_SHOWN, HIGHEST_SHOWN)
        display.ApplyThresholdOn()


def _range_of(values: np.ndarray) -> tuple[float, float]:
    present = values[values != 0]
    if not present.size:
        return 0.0, 1.0
    low, high = np.percentile(present, DISPLAY_PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


# -- colors and legend --


def blue_to_red():
    """The color table of the maps; made once per scene."""
    positions = np.linspace(0, 1, len(BLUE_TO_RED))
    steps = np.linspace(0, 1, N_COLORS)
    channels = [np.interp(steps, positions, channel) for channel in zip(*BLUE_TO_RED, strict=True)]
    rows = [(f"{step:.3f}", (*(float(channel[n]) for channel in channels), 1.0)) for n, step in enumerate(steps)]
    return _color_table(BLUE_TO_RED_NAME, rows)


def status_colors(kind: StatusKind):
    """The color table of a status map, with the name of each status; made once per scene."""
    return _color_table(kind.color_table, [(status.label(), color) for status, color in kind.colors.items()])


def _color_table(name: str, rows: list[tuple[str, tuple[float, float, float, float]]]):
    for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):
        if node.GetName() == name and node.GetNumberOfColors() == len(rows):
            return node
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", name)
    node.SetTypeToUser()
    node.SetNumberOfColors(len(rows))
    for index, (label, color) in enumerate(rows):
        node.SetColor(index, label, *color)
    return node


def add_legend(node, title: str) -> None:
    """A color legend beside the map wherever it is shown, if this Slicer has legends."""
    colors = getattr(slicer.modules, "colors", None)
    legend = colors.logic().AddDefaultColorLegendDisplayNode(node) if colors else None
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat("%s" if node.IsA("vtkMRMLLabelMapVolumeNode") else "%.3g")
        legend.SetNumberOfLabels(5)
        legend.SetSize(0.08, 0.5)
        legend.GetTitleTextProperty().SetFontSize(10)
