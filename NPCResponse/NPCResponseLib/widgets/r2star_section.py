"""The R2* section of the panel: Apply that becomes Cancel, progress, results."""

import logging

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from . import result_text
from .r2star_parameters import TEXTS, InputForm, R2StarParameters
from .results_layout import ResultsLayout
from .runner import Outcome, Runner
from .segment_selection import SegmentSelection

# What the series selector offers. By name: the MultiVolume class comes from a module that may load after this one.
SERIES_NODE_CLASSES = ("vtkMRMLSequenceNode", "vtkMRMLVectorVolumeNode", "vtkMRMLMultiVolumeNode")
INPUT_SECTIONS = (
    "inputsCollapsibleButton",
    "regionCollapsibleButton",
    "fitCollapsibleButton",
    "outputsCollapsibleButton",
)


class R2StarSection:
    """Wires the widgets of the section to its parameters. Owns nothing but a run in progress."""

    def __init__(self, ui, resultsLayout: ResultsLayout | None = None):
        self.ui = ui
        self._parameters: R2StarParameters | None = None
        self._layout = resultsLayout or ResultsLayout()
        self._segments = SegmentSelection(ui.tumorSegmentSelector, ui.exclusionSegmentsSelector)
        self._runner: Runner | None = None
        self._job = None
        self._jobNodes: list = []
        self._buttons = (
            (ui.applyButton, self.onApply),
            (ui.showResultsButton, self.onShowResults),
            (ui.previousLayoutButton, self.onPreviousLayout),
        )
        for button, slot in self._buttons:
            button.connect("clicked(bool)", slot)
        ui.progressBar.setVisible(False)

    def disconnectWidgets(self) -> None:
        """Before the panel goes away."""
        self._segments.disconnectWidgets()
        for button, slot in self._buttons:
            button.disconnect("clicked(bool)", slot)

    def setParameterNode(self, parameterNode) -> None:
        """A new parameter node, already connected to the widgets, or None while scenes come and go."""
        if parameterNode is None:
            self.cancel()
        self._segments.setParameterNode(parameterNode)
        self._parameters = R2StarParameters(parameterNode) if parameterNode else None
        if parameterNode:
            self._offerSeries(parameterNode.boldSeries)
            self.onModified()

    def _offerSeries(self, chosen) -> None:
        """The connector offers the classes of the parameter's type, which hides a multi-component series. Silently: a
        selector moves on to another node when the chosen one is no longer offered."""
        selector = self.ui.seriesSelector
        wasBlocked = selector.blockSignals(True)
        selector.nodeTypes = SERIES_NODE_CLASSES
        selector.setCurrentNode(chosen)
        selector.blockSignals(wasBlocked)

    def forgetNode(self, node) -> None:
        """A node is about to be removed."""
        if node in self._jobNodes:
            self.cancel()
        if self._parameters:
            self._parameters.forgetNode(node)

    # -- parameters to panel --

    def onModified(self) -> None:
        """Some parameter changed."""
        if self._parameters is None:
            return
        self._parameters.releaseOtherResults()
        self._segments.updateWidgets()
        values = self._parameters.values
        isSeries = values.inputForm is InputForm.SERIES
        for widget in (self.ui.seriesLabel, self.ui.seriesSelector):
            widget.setVisible(isSeries)
        for widget in (self.ui.volumesLabel, self.ui.volumesSelector):
            widget.setVisible(not isSeries)
        for name in TEXTS:
            for suffix in ("Title", "Label"):
                getattr(self.ui, name + suffix).setVisible(bool(getattr(values, name)))
        self.ui.echoTimesFoundLabel.text = self._parameters.describeEchoTimes()
        if self._layout.isShown:
            self._layout.showQuality(self._parameters.backgroundVolume(), self._parameters.qualityNode())
        reason = self.updateButtons()
        if self._runner is None:
            self.ui.statusLabel.text = reason

    def updateButtons(self) -> str:
        """Enable what can be pressed, and let tool tips say why the rest cannot; returns why Apply cannot."""
        if self._parameters is None:
            return ""
        isRunning = self._runner is not None
        for name in INPUT_SECTIONS:
            getattr(self.ui, name).enabled = not isRunning
        reasonNotReady = "" if isRunning else self._parameters.reasonNotReady()
        self.ui.applyButton.text = _("Cancel") if isRunning else _("Apply")
        _enable(
            self.ui.applyButton,
            reasonNotReady,
            _("Stop; nothing is written.") if isRunning else _("Map R2*, measure the tumor and show the results."),
        )
        _enable(
            self.ui.showResultsButton, self._reasonNothingToShow(), _("Show the maps, the decay plot and the table.")
        )
        reason = "" if self._layout.isShown else _("The results are not on screen.")
        _enable(self.ui.previousLayoutButton, reason, _("Go back to the layout from before."))
        return reasonNotReady

    def _reasonNothingToShow(self) -> str:
        if not self._layout.isAvailable:
            return _("There is no main window to show results in.")
        hasResults = self._parameters.values.r2starMap is not None
        return "" if hasResults else _("There is no R2* map yet. Press Apply first.")

    # -- a run --

    def onApply(self, *_unused) -> None:
        if self._runner is not None:
            self.cancel()
            return
        if self._parameters is None:
            return
        try:
            self._job = self._parameters.createJob()
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return
        self._jobNodes = self._parameters.inputNodes()
        self.ui.progressBar.setValue(0)
        self.ui.progressBar.setVisible(True)
        self.ui.statusLabel.text = _("Mapping R2*…")
        self._runner = Runner(self._job.steps(), self.onProgress, self.onDone)
        self._runner.start()
        self.updateButtons()

    def cancel(self) -> None:
        if self._runner is not None:
            self._runner.cancel()

    def onProgress(self, fraction: float) -> None:
        self.ui.progressBar.setValue(round(100 * fraction))

    def onDone(self, outcome: Outcome, error: Exception | None) -> None:
        """The run stopped: write and show the results, or say why there are none."""
        job, self._job, self._jobNodes, self._runner = self._job, None, [], None
        self.ui.progressBar.setVisible(False)
        if outcome is Outcome.CANCELED:
            self.ui.statusLabel.text = _("Canceled. Nothing was written.")
        elif outcome is Outcome.FAILED:
            self.showError(error)
        else:
            self._finish(job)
        self.updateButtons()

    def _finish(self, job) -> None:
        try:
            result = self._parameters.finishJob(job)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)
            return
        self.ui.resultsCollapsibleButton.collapsed = False
        self.onShowResults()
        self.ui.statusLabel.text = result_text.outcomeText(result)

    def showError(self, error: Exception) -> None:
        """A user's mistake is shown as it is; anything else is our defect and keeps its traceback in the log."""
        message = str(error)
        if not isinstance(error, InputError):
            message = _("R2* mapping failed: {error}. Details are in the error log.").format(error=error)
            logging.error("NPCResponse: R2* mapping failed", exc_info=error)
        self.ui.statusLabel.text = message
        slicer.util.errorDisplay(message, windowTitle=_("NPC Response"))

    # -- results --

    def onShowResults(self, *_unused) -> None:
        if self._parameters is None:
            return
        values = self._parameters.values
        self._parameters.selectFirstEcho()
        self._layout.show(
            background=self._parameters.backgroundVolume(),
            mapNode=values.r2starMap,
            qualityNode=self._parameters.qualityNode(),
            segmentation=values.segmentation,
            chart=values.decayChart,
            table=values.resultTable,
            focusRas=list(values.focusRas),
        )
        self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()


def _enable(button, reasonNot: str, toolTip: str) -> None:
    """Enable a button unless there is a reason not to; its tool tip then tells the reason."""
    button.enabled = not reasonNot
    button.toolTip = reasonNot or toolTip
