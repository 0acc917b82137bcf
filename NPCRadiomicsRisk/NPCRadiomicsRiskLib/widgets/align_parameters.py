"""Between the panel's parameters and the alignment of two scans: what is missing, and where results go. No Qt."""

import math
from html import escape

from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.widgets.result_text import STATUS_COLORS, bullets

from ..mrml.alignment import (
    DEFAULT_REGION_SIZE_MM,
    AlignmentJob,
    AlignmentOutputs,
    AlignmentResult,
    AlignmentSettings,
    is_under,
    points_by_name,
)
from .choices import AlignMethod, AlignRegion
from .section_parameters import SectionParameters

TEXTS = ("alignVerdictText", "alignQualityText", "alignNotesText")
LANDMARKS = {"alignPreLandmarks": "preVolume", "alignRecurrenceLandmarks": "recurrenceVolume"}


class AlignParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the tab Align."""

    inputs = ("alignGiven", "alignRoi", *LANDMARKS)
    outputs = {"alignTransform": "transform", "alignAligned": "aligned", "alignTable": "table"}
    texts = TEXTS
    sources, focus, mainOutput = ("alignResultFixed", "alignResultMoving"), "alignFocusRas", "alignTable"

    def sourceNodes(self) -> tuple:
        return self.values.preVolume, self.values.recurrenceVolume

    def isGiven(self) -> bool:
        return self.values.alignMethod is AlignMethod.GIVEN

    def transform(self):
        """The node that brings the recurrence scan to the pre-treatment scan; None if there is none yet."""
        return self.values.alignGiven if self.isGiven() else self.values.alignTransform

    def doubt(self) -> str:
        """A sentence if the transform was judged, and not reliable."""
        reasons = self.values.alignReasons
        return _("The alignment was judged NOT reliable: {reasons}").format(reasons=reasons) if reasons else ""

    def nodesInUse(self) -> list:
        values = self.values
        nodes = [*self.sourceNodes(), values.alignPreLandmarks, values.alignRecurrenceLandmarks]
        nodes.append(values.alignGiven if self.isGiven() else None)
        if values.alignRegion is AlignRegion.GTV:
            nodes.append(values.gtvSegmentation)
        if values.alignRegion is AlignRegion.ROI:
            nodes.append(values.alignRoi)
        return [node for node in nodes if node is not None]

    def reasonNotReady(self) -> str:
        """Why the scans cannot be aligned, in one sentence; "" when they can."""
        values = self.values
        if values.preVolume is None:
            return _("Choose the pre-treatment scan, under Patient.")
        if values.recurrenceVolume is None:
            return _("Choose the recurrence scan, under Patient.")
        if values.preVolume is values.recurrenceVolume:
            return _("Both scans are the same volume.")
        if self.isGiven() and values.alignGiven is None:
            return _("Choose the transform to be assessed.")
        if values.alignRegion is AlignRegion.GTV and not (values.gtvSegmentation and values.gtvSegmentId):
            return _("Choose the segment of the GTV, under Patient, or another region that must fit.")
        if values.alignRegion is AlignRegion.ROI and values.alignRoi is None:
            return _("Choose the region of interest.")
        if values.alignRegion is AlignRegion.GTV and self.boxSizeMm() is None:
            return _("The size of the box must be one or three positive numbers in mm.")
        if (values.alignPreLandmarks is None) != (values.alignRecurrenceLandmarks is None):
            return _("Landmarks are chosen in one scan only: mark the same points in the other, or choose none.")
        if any(node is not None and node in self.nodesInUse() for node in self.chosenOutputs().values()):
            return _("An output is also an input; choose another output.")
        return ""

    def boxSizeMm(self) -> tuple[float, float, float] | None:
        """R, A, S; None if what was typed is no size."""
        typed = list(self.values.alignSizeMm) or list(DEFAULT_REGION_SIZE_MM)
        sizes = typed * 3 if len(typed) == 1 else typed
        isSize = len(sizes) == 3 and all(math.isfinite(size) and size > 0 for size in sizes)
        return tuple(sizes) if isSize else None

    def chosenOutputs(self) -> dict[str, object]:
        """Nodes to update. A transform that was given is no output."""
        nodes = self.outputNodes()
        if self.isGiven():
            nodes["transform"] = None
        return nodes

    def choices(self) -> list[tuple[str, str]]:
        values, shown = self.values, []
        if values.alignRegion is AlignRegion.GTV:
            sizes = self.boxSizeMm() or DEFAULT_REGION_SIZE_MM
            shown.append(("--voi-mm", ",".join(f"{size:g}" for size in sizes)))
        else:
            shown.append(("must fit:", values.alignRegion.value))
        if self.isGiven():
            shown.append(("--transform", "given"))
        else:
            shown.append(("--seed", str(values.alignSeed)))
        if values.alignPreLandmarks is not None:
            shown.append(("--landmarks-pre --landmarks-recurrence", "marked"))
        return shown

    # -- landmarks --

    def landmarksText(self) -> str:
        """Which points both lists have; "" without lists."""
        values = self.values
        if values.alignPreLandmarks is None and values.alignRecurrenceLandmarks is None:
            return ""
        names = []
        for node in (values.alignPreLandmarks, values.alignRecurrenceLandmarks):
            try:
                names.append(points_by_name(node) if node is not None else {})
            except ValueError as error:
                return str(error)
        common = [name for name in names[0] if name in names[1]]
        text = _("{count} in both scans").format(count=len(common))
        return f"{text}: {', '.join(common)}" if common else text + "."

    # -- a run --

    def createJob(self) -> AlignmentJob:
        """Raises InputError."""
        values = self.values
        region = None
        if values.alignRegion is AlignRegion.GTV:
            region = (values.gtvSegmentation, values.gtvSegmentId)
        elif values.alignRegion is AlignRegion.ROI:
            region = values.alignRoi
        self._sourcesOfJob, self._wasGiven = self.sourceNodes(), self.isGiven()
        return AlignmentJob(
            values.preVolume,
            values.recurrenceVolume,
            AlignmentSettings(
                region_size_mm=self.boxSizeMm() or DEFAULT_REGION_SIZE_MM,
                seed=values.alignSeed,
                different_patients=values.differentPatients,
            ),
            region=region,
            fixed_landmarks=values.alignPreLandmarks,
            moving_landmarks=values.alignRecurrenceLandmarks,
            given_transform=values.alignGiven if self.isGiven() else None,
            shown_under=None if self.isGiven() else values.alignTransform,
        )

    def finishJob(self, job: AlignmentJob) -> AlignmentResult:
        """Write result nodes, and put the result into words."""
        result = job.finish(AlignmentOutputs(**self.chosenOutputs()))
        values, alignment = self.values, result.alignment
        with NodeModify(values.parameterNode):
            if not self._wasGiven:
                values.alignTransform = result.outputs.transform
            values.alignAligned, values.alignTable = result.outputs.aligned, result.outputs.table
            self.keepSources(self._sourcesOfJob)
            values.alignReasons = " ".join(alignment.reasons)
            values.alignFocusRas = list(job.middle_ras) if job.middle_ras is not None else []
            values.alignVerdictText = verdictText(alignment)
            values.alignQualityText = qualityText(alignment)
            values.alignNotesText = bullets(list(dict.fromkeys(alignment.warnings)))
        return result

    def releaseResults(self) -> None:
        with NodeModify(self.values.parameterNode):
            super().releaseResults()
            self.values.alignReasons = ""

    # -- the recurrence scan under its transform --

    def recurrenceNodes(self) -> list:
        """What lies in the recurrence scan's world: the scan, its landmarks, and GTVr if it has a segmentation of its
        own."""
        values = self.values
        nodes = [values.recurrenceVolume, values.alignRecurrenceLandmarks]
        if values.gtvrSegmentation is not values.gtvSegmentation:
            nodes.append(values.gtvrSegmentation)
        return [node for node in nodes if node is not None]

    def isShownUnder(self) -> bool:
        return is_under(self.values.recurrenceVolume, self.transform())

    def reasonNotShownUnder(self) -> str:
        """Why the scan cannot be put under the transform, or taken out again; "" if it can."""
        scan, transform = self.values.recurrenceVolume, self.transform()
        if scan is None or transform is None:
            return _("There is no transform yet. Press Align first.")
        parent = scan.GetParentTransformNode()
        if parent is not None and parent is not transform:
            return _("The recurrence scan is already under {name}; change that in Transforms.").format(
                name=parent.GetName()
            )
        return ""

    def showUnder(self, isUnder: bool) -> None:
        """Put what lies in the recurrence scan under the transform, or take it out; nodes under others stay."""
        transform = self.transform()
        for node in self.recurrenceNodes():
            parent = node.GetParentTransformNode()
            if isUnder and parent is None:
                node.SetAndObserveTransformNodeID(transform.GetID())
            elif not isUnder and parent is transform:
                node.SetAndObserveTransformNodeID(None)


def verdictText(alignment) -> str:
    """Reliable or not, and why not (HTML)."""
    color = STATUS_COLORS[alignment.reliable]
    if alignment.reliable:
        words = _("Reliable: nothing speaks against it. Look at the overlay in any case.")
        return f'<b><span style="color:{color}">{escape(words)}</span></b>'
    words = _("NOT reliable. Mark landmarks, choose another region, or tune the transform by hand.")
    return f'<b><span style="color:{color}">{escape(words)}</span></b><br>{bullets(alignment.reasons)}'


def qualityText(alignment) -> str:
    """The most telling measures (HTML)."""
    quality = alignment.quality
    lines = [
        _("Moved by {shift:.1f} mm, turned by {turn:.1f}°").format(
            shift=quality.translation_mm, turn=quality.rotation_deg
        ),
        _("{count} of {total} starts agree within 1 mm").format(count=quality.agreeing_starts, total=quality.n_starts),
        _("There and back again: {length:.1f} mm").format(length=quality.inverse_consistency_mm),
        _("Region covered: {share:.0f} %").format(share=100 * quality.overlap),
    ]
    if quality.landmark_errors_mm:
        lines.append(_("Landmarks: {length:.1f} mm apart (root mean square)").format(length=quality.landmark_rms_mm))
    return "<br>".join(lines)
