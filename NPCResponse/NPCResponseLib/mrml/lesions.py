"""A lesion measured in its segment: its diameters as a table that remembers the lesion, and as lines to be edited."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..diameters import Plane
from ..errors import InputError
from ..time_points import LesionMeasurement, LesionStatus
from .diameters import SegmentDiameters, measure_segment, with_lines, write_lines
from .hierarchy import place_beside
from .measured_values import lesion_measurement, remember_lesion
from .measurements import write_table
from .result_nodes import removed_on_failure


@dataclass(frozen=True)
class LesionResult:
    """A measured lesion and its nodes.

    Attributes:
        lesion: as responses are judged by.
        diameters: None for a lesion without a segment: one that is gone, or too small to be drawn.
        table: table node that remembers the lesion.
        lines: vtkMRMLMarkupsLineNode per plane.
        segmentation, segment_id, image: what it was measured in; None or "" as they were given.
    """

    lesion: LesionMeasurement
    diameters: SegmentDiameters | None
    table: object
    lines: Mapping[Plane, object]
    segmentation: object = None
    segment_id: str = ""
    image: object = None


def measure_lesion(
    told: LesionMeasurement,
    segmentation=None,
    segment_id: str = "",
    image=None,
    *,
    table=None,
    lines: Mapping[Plane, object] | None = None,
    reset: bool = False,
) -> LesionResult:
    """Measure a lesion, or note that it is gone.

    Args:
        told: what a person knows of it: name, organ, kind, status.
        segmentation, segment_id: where it is drawn; not needed unless it is present.
        image: the volume it was drawn on.
        table, lines: nodes of an earlier run. A line that was moved or drawn by hand counts instead of what
            is measured.
        reset: move such lines back and measure.

    Raises:
        InputError: a lesion that is present without a segment, an empty segment, a line without two ends.
    """
    found = None
    if told.status is LesionStatus.PRESENT:
        if segmentation is None or not segment_id:
            raise InputError(
                "it has no segment", where=f"lesion {told.name}", remedy="Choose its segment, or say that it is gone"
            )
        found = measure_segment(segmentation, segment_id, image)
    lines = dict(lines or {})
    with removed_on_failure():
        if found is not None:
            lines = write_lines(found, lines, sibling=segmentation, reset=reset)
            found = with_lines(found, lines)
            told = lesion_measurement(told, found.measurement)
            if image is not None:
                told = replace(told, slice_thickness_mm=float(image.GetSpacing()[2]))
        table = write_table(found.rows if found else (), f"{told.name} diameters", table)
        remember_lesion(table, told)
        if segmentation is not None or image is not None:
            place_beside(table, segmentation or image)
    return LesionResult(told, found, table, lines, segmentation, segment_id, image)
