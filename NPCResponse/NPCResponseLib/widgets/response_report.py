"""The report of a patient, from what the panel knows. It needs packages that Slicer does not ship."""

import slicer
from slicer.i18n import tr as _

from ..mrml.assessment_nodes import measurements_of
from ..mrml.geometry import matrix_of
from ..mrml.lesions import LesionResult
from ..mrml.measured_values import remembered_lesion
from ..mrml.segments import segment_mask
from ..whole_file import written_aside
from .response_parameters import ResponseParameters, existing, tablesOf
from .result_memory import ResultMemory
from .segment_selection import existingSegmentIds


def saveReport(parameters: ResponseParameters, memory: ResultMemory, path: str) -> None:
    """Assess the patient and write the report.

    Raises:
        InputError: the patient cannot be assessed, or the file cannot be written.
    """
    from ..report.patient_report import write_report

    report = makeReport(parameters, memory)
    with written_aside(path) as aside:
        write_report(report, aside)


def makeReport(parameters: ResponseParameters, memory: ResultMemory):
    """Pictures are of results of this session only; numbers of all. The report says where pictures are missing."""
    from ..report.patient_report import PatientReport, TimePointResults
    from ..report.provenance import Provenance

    points = parameters.timePoints()
    isForced = parameters.values.responseDifferentPatients
    return PatientReport(
        label=parameters.patientValues().label,
        assessment=parameters.assessment(),
        time_points=tuple(
            TimePointResults(
                name=point.name.strip(),
                stage=point.stage,
                r2star=memory.of(point.r2starTable),
                tbf=memory.of(point.tbfTable),
                diameters=lesion.diameters if lesion is not None else None,
                anatomy=_anatomy(lesion),
            )
            for point, lesion in ((point, _primaryLesion(point, memory)) for point in points)
        ),
        provenance=Provenance.now([("images of different patients", "allowed")] if isForced else []),
        measurements=tuple(row for point in points for table in tablesOf(point) for row in measurements_of(table)),
        warnings=tuple(_missingPictures(points, memory)),
    )


def _primaryLesion(point, memory: ResultMemory) -> LesionResult | None:
    """The first lesion that is no node, if it was measured in this session."""
    for table in existing(point.lesionTables):
        lesion = remembered_lesion(table)
        if lesion is not None and not lesion.is_node and memory.of(table) is not None:
            return memory.of(table)
    return None


def _anatomy(lesion: LesionResult | None):
    """Image (KJI), its index-to-RAS matrix and the lesion's mask on it; None without an image that is still there.

    Not of an image under a transform: its own coordinates are not those of the diameters.
    """
    if lesion is None or lesion.diameters is None or lesion.image is None or lesion.image.GetScene() is None:
        return None
    hasSegment = lesion.segmentation.GetScene() and existingSegmentIds(lesion.segmentation, [lesion.segment_id])
    if not hasSegment or lesion.image.GetParentTransformNode() is not None:
        return None
    mask = segment_mask(lesion.segmentation, lesion.segment_id, lesion.image, allow_empty=True).mask
    return slicer.util.arrayFromVolume(lesion.image), matrix_of(lesion.image), mask


def _missingPictures(points, memory: ResultMemory):
    for point in points:
        for table, what in ((point.r2starTable, "R2*"), (point.tbfTable, _("blood flow"))):
            if table is not None and memory.of(table) is None:
                yield _(
                    "There are no pictures of {what} at {name}: it was measured in an earlier session. Press Apply "
                    "again to have them."
                ).format(what=what, name=point.name)
