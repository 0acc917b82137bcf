"""The diameters section of the panel: measure a segment, edit the lines, look at them."""

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .diameter_parameters import LINES, DiameterParameters
from .result_memory import ResultMemory
from .section import Section, enable
from .segment_selection import SegmentSelection


class DiameterSection(Section):
    """Wires the widgets of the section to its parameters."""

    statusName = "diameterStatusLabel"

    def __init__(self, ui, memory: ResultMemory | None = None):
        super().__init__(ui)
        self._memory, self._lineObservers = memory or ResultMemory(), VTKObservationMixin()
        self.failedText = _("Measuring the diameters failed: {error}. Details are in the error log.")
        names = (DiameterParameters.segmentation, DiameterParameters.segmentId, "")
        self._segments = SegmentSelection(ui.diameterSegmentSelector, None, names)
        self._parameters: DiameterParameters | None = None
        self.connectButton(ui.diameterMeasureButton, self.onMeasure)
        self.connectButton(ui.diameterResetButton, self.onReset)
        self.connectButton(ui.diameterShowButton, self.onShow)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._segments.disconnectWidgets()
        self._lineObservers.removeObservers()

    def setParameterNode(self, parameterNode) -> None:
        self._lineObservers.removeObservers()
        self._segments.setParameterNode(parameterNode)
        self._parameters = DiameterParameters(parameterNode) if parameterNode else None
        if parameterNode:
            self.onModified()

    def forgetNode(self, node) -> None:
        self._memory.forget(node)
        if self._parameters:
            self._parameters.forgetNode(node)

    def onModified(self) -> None:
        if self._parameters is None:
            return
        self._parameters.releaseOtherResults()
        self._segments.updateWidgets()
        self._followLines()
        isDrawn = self._parameters.isDrawn()
        self.showRow("diameterSegment", isDrawn, ("Label", "Selector"))
        self.showRow("diameterImage", isDrawn, ("Label", "Selector"))
        self.showTexts(self._parameters.values, self._parameters.texts)
        self._statusLabel.text = self.updateButtons()

    def updateButtons(self) -> str:
        """Enable what can be pressed; returns why nothing can be measured, or ""."""
        reason = self._parameters.reasonNotReady()
        enable(
            self.ui.diameterMeasureButton,
            reason,
            _("Measure the lesion. Lines whose ends were moved in a slice view count as they are now."),
        )
        hasLines = self._parameters.values.diameterAxialLine is not None
        noLines = "" if hasLines else _("There are no lines yet. Press Measure first.")
        enable(
            self.ui.diameterResetButton, reason or noLines, _("Move all lines back to what is measured in the segment.")
        )
        if slicer.app.layoutManager() is None:
            noLines = _("There is no main window to show lines in.")
        enable(self.ui.diameterShowButton, noLines, _("Turn each slice view to the line of its plane."))
        return reason

    # -- lines --

    def _followLines(self) -> None:
        self._lineObservers.removeObservers()
        for name in LINES:
            line = getattr(self._parameters.values, name)
            if line is not None:
                event = slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent
                self._lineObservers.addObserver(line, event, self.onLineMoved)

    def onLineMoved(self, *_unused) -> None:
        """The user let go of an end: what was measured before is told anew with the line as it is now."""
        if self._parameters is not None and self._parameters.values.diameterTable is not None:
            self._measure(reset=False)

    # -- buttons --

    def onMeasure(self, *_unused) -> None:
        if self._measure(reset=False):
            self.onShow()

    def onReset(self, *_unused) -> None:
        if self._measure(reset=True):
            self.onShow()

    def _measure(self, reset: bool) -> bool:
        """Whether it could be measured; errors are shown."""
        if self._parameters is None or self._parameters.reasonNotReady():
            return False
        try:
            with slicer.util.WaitCursor():
                result = self._parameters.measure(reset)
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return False
        self._memory.keep(result.table, result)
        self.ui.diameterResultsCollapsibleButton.collapsed = False
        return True

    def onShow(self, *_unused) -> None:
        """Bring the longest diameter of each plane into the slice views of that plane."""
        manager = slicer.app.layoutManager()
        if self._parameters is None or manager is None:
            return
        values = self._parameters.values
        lines = {
            "Axial": values.diameterAxialLine,
            "Coronal": values.diameterCoronalLine,
            "Sagittal": values.diameterSagittalLine,
        }
        for viewName in manager.sliceViewNames():
            sliceNode = manager.sliceWidget(viewName).mrmlSliceNode()
            line = lines.get(sliceNode.GetOrientation())
            if line is not None and line.GetNumberOfDefinedControlPoints() == 2:
                start, end = [0.0] * 3, [0.0] * 3
                line.GetNthControlPointPositionWorld(0, start)
                line.GetNthControlPointPositionWorld(1, end)
                sliceNode.JumpSliceByCentering(*(0.5 * (a + b) for a, b in zip(start, end, strict=True)))
