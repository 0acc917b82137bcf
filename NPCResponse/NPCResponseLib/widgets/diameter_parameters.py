"""Between the panel's parameters and the diameters of a lesion: what is missing, and where results go. No Qt."""

import enum
from html import escape

from slicer.i18n import tr as _
from slicer.util import NodeModify

from ..diameters import Plane
from ..mrml.lesions import LesionResult, measure_lesion
from ..time_points import LesionMeasurement, LesionStatus
from .job_parameters import JobParameters

LINES = {  # parameter: plane
    "diameterAxialLine": Plane.AXIAL,
    "diameterCoronalLine": Plane.CORONAL,
    "diameterSagittalLine": Plane.SAGITTAL,
}
OUTPUTS = ("diameterTable", *LINES)
TEXTS = ("diameterText",)
DEFAULT_ORGAN = "nasopharynx"


class LesionState(enum.Enum):
    """What is seen of the lesion. Values are those of LesionStatus. Saved by name: never rename a member."""

    PRESENT = "present"
    ABSENT = "absent"
    TOO_SMALL = "too small to measure"
    PROGRESSED = "unequivocal progression"
    NOT_EVALUATED = "not evaluated"

    def label(self) -> str:
        return {
            LesionState.PRESENT: _("Present, drawn as a segment"),
            LesionState.ABSENT: _("Gone"),
            LesionState.TOO_SMALL: _("Present, too small to measure"),
            LesionState.PROGRESSED: _("Unequivocal progression (not a target)"),
            LesionState.NOT_EVALUATED: _("Not evaluated"),
        }[self]


class DiameterParameters(JobParameters):
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of the diameters section."""

    inputs = ("diameterImage", "diameterSegmentation")
    outputs = dict.fromkeys(OUTPUTS, "")
    texts = TEXTS
    source, focus, mainOutput = "diameterResultSource", "diameterFocusRas", "diameterTable"
    segmentation, segmentId = "diameterSegmentation", "diameterSegmentId"

    def inputNodes(self) -> list:
        node = self.values.diameterSegmentation
        return [node] if node is not None else []

    def isDrawn(self) -> bool:
        """Whether the lesion has a segment that is measured."""
        return self.values.diameterState is LesionState.PRESENT

    def lesionName(self) -> str:
        """As typed, else that of the segment."""
        values = self.values
        typed = values.diameterLesionName.strip()
        if typed or values.diameterSegmentation is None or not values.diameterSegmentId:
            return typed
        segment = values.diameterSegmentation.GetSegmentation().GetSegment(values.diameterSegmentId)
        return segment.GetName() if segment else ""

    def reasonNotReady(self) -> str:
        """Why nothing can be measured, in one sentence; "" when it can."""
        values = self.values
        if self.isDrawn() and (values.diameterSegmentation is None or not values.diameterSegmentId):
            return _("Choose the segment of the lesion.")
        if not self.lesionName():
            return _("Give the lesion a name, the same at every time point.")
        lines = [getattr(values, name) for name in LINES if getattr(values, name) is not None]
        if len(lines) > len(set(lines)):
            return _("The same line is chosen for two planes.")
        return ""

    def measure(self, reset: bool = False) -> LesionResult:
        """Measure, into the chosen nodes or new ones. Lines that were moved by hand count, unless ``reset``.

        Raises:
            InputError: nothing that could be measured.
        """
        values = self.values
        told = LesionMeasurement(
            name=self.lesionName(),
            organ=values.diameterOrgan.strip() or DEFAULT_ORGAN,
            is_node=values.diameterIsNode,
            is_target=values.diameterIsTarget,
            status=LesionStatus(values.diameterState.value),
        )
        lines = {plane: node for name, plane in LINES.items() if (node := getattr(values, name)) is not None}
        result = measure_lesion(
            told,
            values.diameterSegmentation,
            values.diameterSegmentId,
            values.diameterImage,
            table=values.diameterTable,
            lines=lines,
            reset=reset,
        )
        with NodeModify(values.parameterNode):
            values.diameterTable = result.table
            for name, plane in LINES.items():
                setattr(values, name, result.lines.get(plane))
            values.diameterResultSource = values.diameterSegmentation
            values.diameterResultKey = self._key()
            values.diameterFocusRas = self._middle(result)
            values.diameterText = lengthsText(result)
        return result

    def _key(self) -> str:
        """What tells one lesion's results from another's in the same segmentation: the segment, else the name."""
        return self.values.diameterSegmentId if self.isDrawn() else f"name: {self.lesionName()}"

    def releaseOtherResults(self) -> None:
        values = self.values
        if values.diameterResultKey and values.diameterResultKey != self._key():
            self.releaseResults()
        super().releaseOtherResults()

    def releaseResults(self) -> None:
        with NodeModify(self.values.parameterNode):
            super().releaseResults()
            self.values.diameterResultKey = ""

    @staticmethod
    def _middle(result: LesionResult) -> list[float]:
        if result.diameters is None:
            return []
        longest = result.diameters.measurement.mptd
        return [0.5 * (start + end) for start, end in zip(longest.start_ras, longest.end_ras, strict=True)]


def lengthsText(result: LesionResult) -> str:
    """The lengths (HTML), the largest of the three planes in bold."""
    if result.diameters is None:
        return _("{name}: {status}").format(
            name=escape(result.lesion.name), status=LesionState(result.lesion.status.value).label()
        )
    measurement = result.diameters.measurement
    titles = {Plane.AXIAL: _("Axial"), Plane.CORONAL: _("Coronal"), Plane.SAGITTAL: _("Sagittal")}
    lines = []
    for plane, diameter in measurement.longest_in_plane.items():
        text = f"{titles[plane]}: {_length(diameter)}"
        isLongest = diameter is measurement.mptd
        lines.append(f"<b>{text}</b> " + _("(maximum tumor diameter)") if isLongest else text)
    if measurement.short_axis is not None:
        lines.append(_("Short axis, axial: {length}").format(length=_length(measurement.short_axis)))
    lines.append(_("In three dimensions: {length}").format(length=_length(measurement.longest_3d)))
    lines.append(_("Volume: {volume:.2f} mL").format(volume=measurement.volume_ml))
    return "<br>".join(lines)


def _length(diameter) -> str:
    if diameter.manual:
        return _("{length:.1f} mm (set by hand)").format(length=diameter.length_mm)
    if diameter.standard_error_mm is None:
        return _("{length:.1f} mm").format(length=diameter.length_mm)
    return _("{length:.1f} ± {error:.1f} mm").format(length=diameter.length_mm, error=diameter.standard_error_mm)
