"""What every tab of this panel shares: parameters, inputs that are locked during a run, buttons that say why not."""

from slicer.i18n import tr as _

from NPCResponseLib.widgets.job_section import JobSection
from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.section import enable

from .session_record import SessionRecord, result_of


class PanelSection(JobSection):
    """Base of a tab, or of a part of one. A subclass sets the names below and implements ``showResult``.

    Attributes:
        parametersClass: SectionParameters of the tab.
        lockedSections: collapsible buttons that are locked during a run.
        resultsName: the collapsible button that opens when there are results; may be empty.
        applyText, applyTip: what the Apply button says and does.
    """

    moduleName = "NPCRadiomicsRisk"
    parametersClass = None
    lockedSections: tuple[str, ...] = ()
    resultsName = ""
    applyText = applyTip = ""

    def __init__(self, ui, memory: ResultMemory | None = None):
        super().__init__(ui)
        self._parameters = None
        self._memory = memory or ResultMemory()
        self._basisOfJob: tuple[SessionRecord | None, str] = (None, "")
        self._choicesOfJob: tuple[tuple[str, str], ...] = ()

    def windowTitle(self) -> str:
        return _("NPC Radiomics and Risk")

    def setParameterNode(self, parameterNode) -> None:
        if parameterNode is None:
            self.cancel()
        self._parameters = self.parametersClass(parameterNode) if parameterNode else None
        if parameterNode:
            self.onModified()

    def forgetNode(self, node) -> None:
        self.cancelIfUsing(node)
        self._memory.forget(node)
        if self._parameters:
            self._parameters.forgetNode(node)

    # -- for subclasses --

    def updateInputs(self) -> None:
        """Show the inputs that matter."""

    def updateResultButtons(self) -> None:
        """Enable what can be done with the results."""

    def showResult(self, result) -> str:
        """Show what a run has found; returns the status."""
        raise NotImplementedError

    def basis(self) -> tuple[SessionRecord | None, str]:
        """The record of this session that a run now would rest on, and what is to be known about that."""
        return None, ""

    # -- what this session remembers --

    def recordOf(self, node) -> SessionRecord | None:
        """Of the run that wrote a node (or None), with what it rests on; None if that was in another session."""
        return self._memory.of(node)

    def resultOf(self, node):
        """Likewise, the result alone."""
        return result_of(self.recordOf(node))

    # -- parameters to panel --

    def onModified(self) -> None:
        if self._parameters is None:
            return
        self._parameters.releaseOtherResults()
        self.updateInputs()
        self.showTexts(self._parameters.values, self._parameters.texts)
        reason = self.updateButtons()
        if not self.isRunning:
            self._statusLabel.text = reason

    def updateButtons(self) -> str:
        if self._parameters is None:
            return ""
        for name in self.lockedSections:
            getattr(self.ui, name).enabled = not self.isRunning
        reason = "" if self.isRunning else self._parameters.reasonNotReady()
        self._applyButton.text = _("Cancel") if self.isRunning else self.applyText
        enable(self._applyButton, reason, _("Stop; nothing is written.") if self.isRunning else self.applyTip)
        self.updateResultButtons()
        return reason

    # -- a run --

    def createJob(self):
        if self._parameters is None:
            return None
        job = self._parameters.createJob()
        self._basisOfJob, self._choicesOfJob = self.basis(), tuple(self._parameters.choices())
        return job

    def jobNodes(self) -> list:
        return self._parameters.nodesInUse()

    def writeResult(self, job):
        """Into nodes and words; returns the result. May raise."""
        return self._parameters.finishJob(job)

    def finishJob(self, job) -> str:
        result = self.writeResult(job)
        record = SessionRecord(result, *self._basisOfJob, self._choicesOfJob)
        written = getattr(self._parameters.values, self._parameters.mainOutput)
        if written is None:  # another input was chosen during the run, so that the panel has let go of its results
            return _("Done, for the inputs from before: the results are in the Data module.")
        self._memory.keep(written, record)
        if self.resultsName:
            getattr(self.ui, self.resultsName).collapsed = False
        self._parameters.values.parameterNode.Modified()  # what other sections offer may rest on what is kept
        return self.showResult(result)
