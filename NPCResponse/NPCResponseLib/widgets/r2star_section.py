"""The R2* section of the panel: Apply that becomes Cancel, progress, results."""

from slicer.i18n import tr as _

from . import result_text
from .job_section import JobSection, enable
from .r2star_parameters import TEXTS, InputForm, R2StarParameters
from .results_layout import ResultsLayout
from .segment_selection import SegmentSelection

# What the series selector offers. By name: the MultiVolume class comes from a module that may load after this one.
SERIES_NODE_CLASSES = ("vtkMRMLSequenceNode", "vtkMRMLVectorVolumeNode", "vtkMRMLMultiVolumeNode")
INPUT_SECTIONS = (
    "inputsCollapsibleButton",
    "regionCollapsibleButton",
    "fitCollapsibleButton",
    "outputsCollapsibleButton",
)


class R2StarSection(JobSection):
    """Wires the widgets of the section to its parameters. Owns nothing but a run in progress."""

    applyName, progressName, statusName = "applyButton", "progressBar", "statusLabel"

    def __init__(self, ui, resultsLayout: ResultsLayout | None = None):
        super().__init__(ui)
        self.runningText = _("Mapping R2*…")
        self.failedText = _("R2* mapping failed: {error}. Details are in the error log.")
        self._parameters: R2StarParameters | None = None
        self._layout = resultsLayout or ResultsLayout()
        self._segments = SegmentSelection(ui.tumorSegmentSelector, ui.exclusionSegmentsSelector)
        self.connectButton(ui.showResultsButton, self.onShowResults)
        self.connectButton(ui.previousLayoutButton, self.onPreviousLayout)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._segments.disconnectWidgets()

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
        self.cancelIfUsing(node)
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
        if not self.isRunning:
            self.ui.statusLabel.text = reason

    def updateButtons(self) -> str:
        """Enable what can be pressed, and let tool tips say why the rest cannot; returns why Apply cannot."""
        if self._parameters is None:
            return ""
        isRunning = self.isRunning
        for name in INPUT_SECTIONS:
            getattr(self.ui, name).enabled = not isRunning
        reasonNotReady = "" if isRunning else self._parameters.reasonNotReady()
        self.ui.applyButton.text = _("Cancel") if isRunning else _("Apply")
        enable(
            self.ui.applyButton,
            reasonNotReady,
            _("Stop; nothing is written.") if isRunning else _("Map R2*, measure the tumor and show the results."),
        )
        enable(
            self.ui.showResultsButton, self._reasonNothingToShow(), _("Show the maps, the decay plot and the table.")
        )
        reason = "" if self._layout.isShown else _("The results are not on screen.")
        enable(self.ui.previousLayoutButton, reason, _("Go back to the layout from before."))
        return reasonNotReady

    def _reasonNothingToShow(self) -> str:
        if not self._layout.isAvailable:
            return _("There is no main window to show results in.")
        hasResults = self._parameters.values.r2starMap is not None
        return "" if hasResults else _("There is no R2* map yet. Press Apply first.")

    # -- a run --

    def createJob(self):
        return self._parameters.createJob() if self._parameters else None

    def jobNodes(self) -> list:
        return self._parameters.inputNodes()

    def finishJob(self, job) -> str:
        result = self._parameters.finishJob(job)
        self.ui.resultsCollapsibleButton.collapsed = False
        self.onShowResults()
        return result_text.outcomeText(result)

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
