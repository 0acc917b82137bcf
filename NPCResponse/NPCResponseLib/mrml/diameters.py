"""Diameters of a segment, and the lines that show them: a line that a person moved or drew overrides what was measured.

A measured line remembers, in an attribute of its node that is saved with the scene, where it was put and what was
known of it. If its ends are elsewhere now, somebody moved it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import slicer
import slicer.util

from ..diameters import Diameter, DiameterMeasurement, Outline, Plane, measure_diameters
from ..errors import InputError
from ..measurement import SOFTWARE, Measurement
from ..rois import SliceRule
from .hierarchy import place_beside
from .segments import native_mask

MEASURED_LINE = "NPCResponse.MeasuredLine"
# An end that is farther than this from where it was put was moved. Files keep fewer digits than memory.
MOVED_MM = 0.01
# The colors of the slice views in which a line lies: axial red, coronal green, sagittal yellow; and one for 3-D.
COLORS = {
    Plane.AXIAL: (0.95, 0.29, 0.20),
    Plane.CORONAL: (0.43, 0.69, 0.29),
    Plane.SAGITTAL: (0.93, 0.83, 0.30),
    None: (0.27, 0.67, 0.86),
}
NORMAL_LETTERS = {Plane.AXIAL: "S", Plane.CORONAL: "A", Plane.SAGITTAL: "R"}
BY_HAND = "Line set by hand"


@dataclass(frozen=True)
class SegmentDiameters:
    """The diameters of a segment and their rows.

    Attributes:
        measurement: in world coordinates; a diameter whose line was set by hand is in it with ``manual`` set.
        segment_name: name of the segment.
        image_name: the image that the segment was drawn on, for the rows; may be empty.
        rows: one per diameter.
    """

    measurement: DiameterMeasurement
    segment_name: str
    image_name: str
    rows: tuple[Measurement, ...]


def measure_segment(
    segmentation,
    segment_id: str,
    reference=None,
    *,
    planes: Sequence[Plane] = tuple(Plane),
    outline: Outline = Outline.MEAN_BORDER,
) -> SegmentDiameters:
    """Measure a segment on the grid that it was drawn on, with the transforms above it.

    Args:
        segmentation: vtkMRMLSegmentationNode; is not changed.
        reference: the volume node it was drawn on, named in the rows.

    Raises:
        InputError: no such segment, or it is empty.
    """
    native = native_mask(segmentation, segment_id)
    measurement = measure_diameters(native.mask, native.ijk_to_ras, planes=planes, outline=outline)
    return _with_rows(measurement, native.name, reference.GetName() if reference is not None else "")


def with_lines(found: SegmentDiameters, lines: Mapping[Plane, object]) -> SegmentDiameters:
    """The same with the lines as they are now: those that were set by hand take the place of what was measured.

    The perpendicular diameter and the one in three dimensions stay as measured.

    Args:
        lines: vtkMRMLMarkupsLineNode per plane.

    Raises:
        InputError: a line has not two ends, or no length.
    """
    longest = dict(found.measurement.longest_in_plane)
    for plane, node in lines.items():
        line = read_line(node, plane)
        if line.manual:
            longest[plane] = line
    return _with_rows(replace(found.measurement, longest_in_plane=longest), found.segment_name, found.image_name)


# -- lines --


def write_lines(
    found: SegmentDiameters, nodes: Mapping[Plane, object] | None = None, *, sibling=None, reset: bool = False
) -> dict[Plane, object]:
    """Draw the longest diameter of each plane as a line that can be edited.

    Args:
        nodes: lines of an earlier run, by plane. They are moved to what is measured now; but a line that a person moved
            or drew is left as it is, and returned.
        sibling: the node beside which new lines are put in the subject hierarchy, the segmentation for example.
        reset: move lines back that were measured once and moved since; a line drawn by hand is never written to.

    Returns:
        vtkMRMLMarkupsLineNode per plane.
    """
    nodes, lines = nodes or {}, {}
    for plane, diameter in found.measurement.longest_in_plane.items():
        node = nodes.get(plane)
        if not diameter.manual:
            name = f"{found.segment_name} {plane.value} maximum diameter"
            node = write_line(diameter, name, node, sibling=sibling, reset=reset)
        if node is not None:
            lines[plane] = node
    return lines


def write_line(diameter: Diameter, name: str, node=None, *, sibling=None, reset: bool = False):
    """Draw one measured diameter: into a new node, or into ``node`` unless a person moved or drew that line.

    Returns:
        vtkMRMLMarkupsLineNode, in world coordinates.
    """
    if node is not None and not is_measured(node) and not (reset and node.GetAttribute(MEASURED_LINE)):
        return node
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", slicer.mrmlScene.GenerateUniqueName(name))
        _display(node, COLORS[diameter.plane])
        place_beside(node, sibling)
    with slicer.util.NodeModify(node):
        node.SetAndObserveTransformNodeID(None)
        node.SetLineStartPositionWorld(diameter.start_ras)
        node.SetLineEndPositionWorld(diameter.end_ras)
        node.SetDescription(f"Measured by {SOFTWARE}. Move an end to override it.")
        node.SetAttribute(MEASURED_LINE, _remembered(diameter))
    return node


def is_measured(node) -> bool:
    """Whether a line is one of ours and still where it was put."""
    is_ours = node.GetAttribute(MEASURED_LINE) is not None and node.GetNumberOfDefinedControlPoints() == 2
    return is_ours and not read_line(node).manual


def read_line(node, plane: Plane | None = None) -> Diameter:
    """The diameter that a line node shows.

    Args:
        plane: what a line drawn by hand measures; without it, the plane that the line is most nearly parallel to. A
            line that was measured and then moved stays in its plane.

    Returns:
        As it was measured, or with ``manual`` set if the line was drawn or moved by hand; its slice offset is then the
        mean of its ends' R, A or S coordinate.

    Raises:
        InputError: the line has not two ends, or no length.
    """
    ends = _ends_of(node)
    length_mm = float(np.linalg.norm(ends[1] - ends[0]))
    if length_mm == 0:
        raise InputError(
            "both ends of the line are at one place", where=f"line {node.GetName()}", remedy="Draw it anew"
        )
    remembered = node.GetAttribute(MEASURED_LINE)
    if remembered:
        measured = _recalled(remembered)
        if np.abs(ends - [measured.start_ras, measured.end_ras]).max() <= MOVED_MM:
            return measured
        plane = plane or measured.plane
    elif plane is None:
        direction = np.abs(ends[1] - ends[0])
        plane = min(Plane, key=lambda candidate: direction[candidate.normal_axis])
    offset_mm = None if plane is None else float(ends[:, plane.normal_axis].mean())
    start, end = (tuple(float(value) for value in point) for point in ends)
    return Diameter(length_mm, start, end, plane, offset_mm, None, manual=True)


def _ends_of(node) -> np.ndarray:
    """(2, 3) world coordinates."""
    if node.GetNumberOfDefinedControlPoints() != 2:
        raise InputError("the line has not two ends", where=f"line {node.GetName()}", remedy="Place both")
    ends = np.zeros((2, 3))
    for n in range(2):
        node.GetNthControlPointPositionWorld(n, ends[n])
    return ends


def _remembered(diameter: Diameter) -> str:
    return json.dumps(
        {
            "length_mm": diameter.length_mm,
            "start_ras": diameter.start_ras,
            "end_ras": diameter.end_ras,
            "plane": diameter.plane.value if diameter.plane else None,
            "slice_offset_mm": diameter.slice_offset_mm,
            "standard_error_mm": diameter.standard_error_mm,
        }
    )


def _recalled(text: str) -> Diameter:
    values = json.loads(text)
    plane = Plane(values.pop("plane")) if values["plane"] else values.pop("plane")
    start, end = tuple(values.pop("start_ras")), tuple(values.pop("end_ras"))
    return Diameter(plane=plane, start_ras=start, end_ras=end, **values)


def _display(node, color: tuple[float, float, float]) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if display is None:
        return
    with slicer.util.NodeModify(display):
        display.SetColor(*color)
        display.SetSelectedColor(*color)
        display.SetPropertiesLabelVisibility(True)  # name and length beside the line
        display.SetPointLabelsVisibility(False)


# -- rows --


def _with_rows(measurement: DiameterMeasurement, segment_name: str, image_name: str) -> SegmentDiameters:
    return SegmentDiameters(measurement, segment_name, image_name, diameter_rows(measurement, segment_name, image_name))


def diameter_rows(measurement: DiameterMeasurement, segment_name: str, image_name: str) -> tuple[Measurement, ...]:
    """One row per diameter; its standard error and its place are among the parameters."""

    def row(what: str, diameter: Diameter) -> Measurement:
        return Measurement(
            what=what,
            value=diameter.length_mm,
            unit="mm",
            image=image_name,
            segment=segment_name,
            roi_rule=SliceRule.WHOLE_VOLUME.label(),
            method=BY_HAND if diameter.manual else measurement.outline.label(),
            parameters=_parameters(diameter),
            n_used=0 if diameter.manual else measurement.n_voxels,
            n_excluded=0,
            excluded_reasons="",
        )

    rows = []
    for plane, diameter in measurement.longest_in_plane.items():
        rows.append(row(f"Maximum diameter, {plane.value} plane", diameter))
        if plane in measurement.perpendicular:
            rows.append(row(f"Perpendicular diameter, {plane.value} plane", measurement.perpendicular[plane]))
    rows.append(row("Maximum diameter of the three planes", measurement.mptd))
    if measurement.short_axis is not None:
        rows.append(row("Short axis, axial plane", measurement.short_axis))
    rows.append(row("Maximum 3D diameter", measurement.longest_3d))
    return tuple(rows)


def _parameters(diameter: Diameter) -> str:
    def place(point) -> str:
        return " ".join(f"{value:.2f}" for value in point)

    parameters = {
        "plane": diameter.plane.value if diameter.plane else "",
        "slice": f"{NORMAL_LETTERS[diameter.plane]} {diameter.slice_offset_mm:.2f} mm" if diameter.plane else "",
        "ends (RAS, mm)": f"{place(diameter.start_ras)} to {place(diameter.end_ras)}",
        "standard error of digitization": (
            "" if diameter.standard_error_mm is None else f"{diameter.standard_error_mm:.3g} mm"
        ),
    }
    return "; ".join(f"{name}: {value}" for name, value in parameters.items() if value)
