"""The tab Align: the recurrence scan over the pre-treatment scan, whether that can be relied upon, and a look at it."""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import ResultsLayout
from NPCResponseLib.widgets.section import enable

from .align_parameters import LANDMARKS, AlignParameters
from .choices import AlignRegion
from .landmark_placement import addLandmarks, startMarking
from .panel_section import PanelSection
from .views import bringSlicesBack, compositesShowing, setOpacity, showLayers

BLINK_MS = 700


class AlignSection(PanelSection):
    """Wires the widgets of the tab to its parameters."""

    applyName, progressName, statusName = "alignApplyButton", "alignProgressBar", "alignStatusLabel"
    resultsName = "alignResultsCollapsibleButton"
    lockedSections = (
        "alignInputsCollapsibleButton",
        "alignLandmarksCollapsibleButton",
        "alignOutputsCollapsibleButton",
    )
    parametersClass = AlignParameters

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self._layout = layout or ResultsLayout()
        self.runningText = _("Aligning the scans…")
        self.failedText = _("The scans could not be aligned: {error}. Details are in the error log.")
        self._isBlinking = self._isInFront = False
        self._blinkRun = 0  # a timer of an earlier run must not blink in this one
        self._lastFade: float | None = None
        self._landmarkObservers, self._observed = VTKObservationMixin(), []
        self.connectButton(ui.alignMarkPreButton, self.onMarkPre)
        self.connectButton(ui.alignMarkRecurrenceButton, self.onMarkRecurrence)
        self.connectButton(ui.alignShowButton, self.onShow)
        self.connectButton(ui.alignBlinkButton, self.onBlink)
        self.connectWidget(ui.alignUnderTransformCheckBox, "clicked(bool)", self.onUnderTransform)

    def setParameterNode(self, parameterNode) -> None:
        self.stopBlinking()
        self._lastFade = None
        self._followLandmarks([])
        super().setParameterNode(parameterNode)

    # -- parameters to panel --

    def updateInputs(self) -> None:
        values = self._parameters.values
        isGiven = self._parameters.isGiven()
        self.applyText = _("Assess") if isGiven else _("Align")
        self.applyTip = (
            _("Tell how far the given transform can be relied upon, and make an aligned copy.")
            if isGiven
            else _("Search for the rigid transform, tell how far it can be relied upon, and make an aligned copy.")
        )
        self.showRow("alignGiven", isGiven, ("Label", "Selector"))
        self.showRow("alignRoi", values.alignRegion is AlignRegion.ROI, ("Label", "Selector"))
        self.showRow("alignSizeMm", values.alignRegion is AlignRegion.GTV, ("Label", "LineEdit"))
        self.showRow("alignSeed", not isGiven, ("Label", "SpinBox"))
        self._followLandmarks([node for name in LANDMARKS if (node := getattr(values, name)) is not None])
        self._tellLandmarks()
        self._fade()

    def updateResultButtons(self) -> None:
        ui, parameters = self.ui, self._parameters
        values = parameters.values
        noScreen = "" if slicer.app.layoutManager() is not None else _("There is no main window.")
        for button, name in ((ui.alignMarkPreButton, "preVolume"), (ui.alignMarkRecurrenceButton, "recurrenceVolume")):
            missing = "" if getattr(values, name) is not None else _("Choose this scan first, under Patient.")
            enable(button, noScreen or missing, _("Show this scan and place points in it, one after the other."))
        nothing = "" if values.alignAligned is not None else _("There is no aligned copy yet. Press Align first.")
        enable(ui.alignShowButton, noScreen or nothing, _("Show the aligned copy over the pre-treatment scan."))
        enable(ui.alignBlinkButton, noScreen or nothing, _("Show the scans in turn, in the same place."))
        reason = parameters.reasonNotShownUnder()
        enable(
            ui.alignUnderTransformCheckBox,
            reason,
            _("Put the recurrence scan, its landmarks and GTVr under the transform, or take them out again."),
        )
        wasBlocked = ui.alignUnderTransformCheckBox.blockSignals(True)
        ui.alignUnderTransformCheckBox.checked = parameters.isShownUnder()
        ui.alignUnderTransformCheckBox.blockSignals(wasBlocked)

    # -- landmarks --

    def _followLandmarks(self, nodes) -> None:
        """Hear of points that are placed, renamed or removed."""
        if nodes == self._observed:
            return
        self._landmarkObservers.removeObservers()
        for node in nodes:
            for event in (node.PointPositionDefinedEvent, node.PointModifiedEvent, node.PointRemovedEvent):
                self._landmarkObservers.addObserver(node, event, self._tellLandmarks)
        self._observed = nodes

    def _tellLandmarks(self, *_unused) -> None:
        if self._parameters is None:
            return
        text = self._parameters.landmarksText()
        self.ui.alignLandmarksLabel.text = text
        self.showRow("alignLandmarks", bool(text), ("Title", "Label"))

    def onMarkPre(self, *_unused) -> None:
        self._mark("alignPreLandmarks")

    def onMarkRecurrence(self, *_unused) -> None:
        self._mark("alignRecurrenceLandmarks")

    def _mark(self, name: str) -> None:
        if self._parameters is None:
            return
        values = self._parameters.values
        scan = getattr(values, LANDMARKS[name])
        if scan is None:
            return
        self.stopBlinking()
        bringSlicesBack(self._layout)
        showLayers(scan)
        if getattr(values, name) is None:
            isPre = name == "alignPreLandmarks"
            setattr(values, name, addLandmarks(_("Landmarks before") if isPre else _("Landmarks at recurrence"), scan))
        markups = getattr(values, name)
        self._statusLabel.text = startMarking(markups)

    # -- results --

    def showResult(self, result) -> str:
        self.onShow()
        if result.alignment.reliable:
            return _("Aligned. Nothing speaks against it; look at the overlay.")
        return _("Aligned, but NOT reliably. See Results.")

    def onShow(self, *_unused) -> None:
        if self._parameters is None or slicer.app.layoutManager() is None:
            return
        values = self._parameters.values
        if values.preVolume is None or values.alignAligned is None:
            return
        bringSlicesBack(self._layout)
        showLayers(values.preVolume, values.alignAligned, values.alignFade, list(values.alignFocusRas))

    def _fade(self) -> None:
        """Views that show the aligned copy follow the slider."""
        fade = self._parameters.values.alignFade
        if self._lastFade not in (None, fade) and not self._isBlinking:
            setOpacity(self._parameters.values.alignAligned, fade)
        self._lastFade = fade

    def onBlink(self, *_unused) -> None:
        if self._isBlinking or self._parameters is None:
            self.stopBlinking()
            return
        if not compositesShowing(self._parameters.values.alignAligned):
            self.onShow()
        self._isBlinking = self._isInFront = True
        self._blinkRun += 1
        self._blink(self._blinkRun)

    def _blink(self, run: int) -> None:
        if not self._isBlinking or run != self._blinkRun:
            return
        aligned = self._parameters.values.alignAligned if self._parameters is not None else None
        if not compositesShowing(aligned):
            self.stopBlinking()  # the copy is gone, or the user looks at something else
            return
        setOpacity(aligned, 1.0 if self._isInFront else 0.0)
        self._isInFront = not self._isInFront
        qt.QTimer.singleShot(BLINK_MS, lambda: self._blink(run))

    def stopBlinking(self) -> None:
        """Both scans are seen again, as the slider says."""
        self.ui.alignBlinkButton.checked = False
        if not self._isBlinking:
            return
        self._isBlinking = False
        if self._parameters is not None:
            setOpacity(self._parameters.values.alignAligned, self._parameters.values.alignFade)

    def onUnderTransform(self, *_unused) -> None:
        if self._parameters is None or self._parameters.reasonNotShownUnder():
            return
        self._parameters.showUnder(not self._parameters.isShownUnder())
        self.updateButtons()

    def disconnectWidgets(self) -> None:
        self.stopBlinking()
        self._followLandmarks([])
        super().disconnectWidgets()
