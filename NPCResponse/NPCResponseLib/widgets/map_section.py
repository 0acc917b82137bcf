"""What the sections share that make maps of a series: inputs locked during a run, results shown in a layout."""

from slicer.i18n import tr as _

from .job_section import JobSection
from .result_memory import ResultMemory
from .results_layout import ResultsLayout
from .section import enable
from .segment_selection import SegmentSelection

# What a series selector offers. By name: the MultiVolume class comes from a module that may load after this one.
SERIES_NODE_CLASSES = ("vtkMRMLSequenceNode", "vtkMRMLVectorVolumeNode", "vtkMRMLMultiVolumeNode")


class MapSection(JobSection):
    """Base of the R2* and the blood flow section: wires widgets to parameters, owns nothing but a run in progress.

    A subclass sets the names below and implements ``updateInputs`` and ``showResults``.

    Attributes:
        parametersClass: the JobParameters of the section.
        inputSections: collapsible buttons that are locked during a run.
        resultsName, showName, previousName: the results' collapsible button and its two push buttons.
        layoutId: the layout in which the results are shown.
        applyTip, showTip, nothingToShow: what buttons do, or why there is nothing to show.
    """

    parametersClass = None
    inputSections: tuple[str, ...] = ()
    resultsName = showName = previousName = ""
    layoutId = 0
    applyTip = showTip = nothingToShow = ""

    def __init__(self, ui, layout: ResultsLayout, segments: SegmentSelection, memory: ResultMemory | None = None):
        super().__init__(ui)
        self._parameters = None
        self._layout, self._segments, self._memory = layout, segments, memory or ResultMemory()
        self.connectButton(getattr(ui, self.showName), self.onShowResults)
        self.connectButton(getattr(ui, self.previousName), self.onPreviousLayout)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._segments.disconnectWidgets()

    def setParameterNode(self, parameterNode) -> None:
        if parameterNode is None:
            self.cancel()
        self._segments.setParameterNode(parameterNode)
        self._parameters = self.parametersClass(parameterNode) if parameterNode else None
        if parameterNode:
            self.offerSeries()
            self.onModified()

    def offerNodes(self, selector, chosen) -> None:
        """A connector offers the classes of the parameter's type, which hides a multi-component series. Silently: a
        selector moves on to another node when the chosen one is no longer offered."""
        wasBlocked = selector.blockSignals(True)
        selector.nodeTypes = SERIES_NODE_CLASSES
        selector.setCurrentNode(chosen)
        selector.blockSignals(wasBlocked)

    def forgetNode(self, node) -> None:
        self.cancelIfUsing(node)
        self._memory.forget(node)
        if self._parameters:
            self._parameters.forgetNode(node)

    # -- for subclasses --

    def offerSeries(self) -> None:
        """Let the series selector offer what the section takes (``offerNodes``)."""
        raise NotImplementedError

    def updateInputs(self) -> None:
        """Show the inputs that matter, and what was found in them."""
        raise NotImplementedError

    def showResults(self) -> None:
        """Fill the layout."""
        raise NotImplementedError

    # -- parameters to panel --

    def onModified(self) -> None:
        if self._parameters is None:
            return
        self._parameters.releaseOtherResults()
        self._segments.updateWidgets()
        self.updateInputs()
        self.showTexts(self._parameters.values, self._parameters.texts)
        if self._layout.isShown(self.layoutId):
            self._layout.showQuality(self._parameters.backgroundVolume(), self._parameters.qualityNode())
        reason = self.updateButtons()
        if not self.isRunning:
            self._statusLabel.text = reason

    def updateButtons(self) -> str:
        if self._parameters is None:
            return ""
        isRunning = self.isRunning
        for name in self.inputSections:
            getattr(self.ui, name).enabled = not isRunning
        reasonNotReady = "" if isRunning else self._parameters.reasonNotReady()
        self._applyButton.text = _("Cancel") if isRunning else _("Apply")
        enable(self._applyButton, reasonNotReady, _("Stop; nothing is written.") if isRunning else self.applyTip)
        enable(getattr(self.ui, self.showName), self._reasonNothingToShow(), self.showTip)
        isShown = self._layout.isShown(self.layoutId)
        reason = "" if isShown else _("The results are not on screen.")
        enable(getattr(self.ui, self.previousName), reason, _("Go back to the layout from before."))
        return reasonNotReady

    def _reasonNothingToShow(self) -> str:
        if not self._layout.isAvailable:
            return _("There is no main window to show results in.")
        return "" if self._parameters.hasResults() else self.nothingToShow

    # -- a run --

    def createJob(self):
        return self._parameters.createJob() if self._parameters else None

    def jobNodes(self) -> list:
        return self._parameters.inputNodes()

    def finishJob(self, job) -> str:
        result = self._parameters.finishJob(job)
        self._memory.keep(result.outputs.table, result)
        getattr(self.ui, self.resultsName).collapsed = False
        self.onShowResults()
        return self._parameters.outcomeText(result)

    # -- results --

    def onShowResults(self, *_unused) -> None:
        if self._parameters is not None:
            self.showResults()
            self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()
