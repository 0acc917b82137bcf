"""The response section of the panel: time points of a patient, the verdict, the course, and the report."""

from slicer.i18n import tr as _

from .response_parameters import ResponseParameters
from .result_memory import ResultMemory
from .results_layout import TREND, ResultsLayout
from .section import Section, enable
from .time_point_editor import TimePointEditor


class ResponseSection(Section):
    """Wires the widgets of the section to its parameters."""

    statusName = "responseStatusLabel"

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui)
        self.failedText = _("The patient could not be assessed: {error}. Details are in the error log.")
        self._parameters: ResponseParameters | None = None
        self._layout, self._memory = layout or ResultsLayout(), memory or ResultMemory()
        self._editor = TimePointEditor(ui, self.connectWidget)
        self.connectButton(ui.responseAddButton, self.onAdd)
        self.connectButton(ui.responseRemoveButton, self.onRemove)
        self.connectButton(ui.responseAssessButton, self.onAssess)
        self.connectButton(ui.responseShowResultsButton, self.onShowResults)
        self.connectButton(ui.responsePreviousLayoutButton, self.onPreviousLayout)
        self.connectButton(ui.responseReportButton, self.onSaveReport)

    def setParameterNode(self, parameterNode) -> None:
        self._parameters = ResponseParameters(parameterNode) if parameterNode else None
        self._editor.setParameters(self._parameters)
        if parameterNode:
            self.onModified()

    def forgetNode(self, node) -> None:
        if self._parameters:
            self._parameters.forgetNode(node)

    def onModified(self) -> None:
        if self._parameters is None:
            return
        self._editor.update()
        overview = self._parameters.overviewText()
        self.ui.responseOverviewLabel.text = overview
        self.ui.responseOverviewLabel.setVisible(bool(overview))
        self.ui.responseEffectiveDoseLabel.text = self._parameters.doseText()
        self.showTexts(self._parameters.values, self._parameters.texts)
        self._statusLabel.text = self.updateButtons() or self._parameters.reasonOutdated()

    def updateButtons(self) -> str:
        """Enable what can be pressed; returns why nothing can be assessed, or ""."""
        values, reason = self._parameters.values, self._parameters.reasonNotReady()
        noPoint = "" if self._parameters.current() is not None else _("There is no time point yet.")
        enable(self.ui.responseRemoveButton, noPoint, _("Remove this time point; its tables stay in the scene."))
        enable(self.ui.responseAssessButton, reason, _("Tell changes, response and what published rules say."))
        enable(self.ui.responseReportButton, reason, _("Save a report as an HTML file that prints well."))
        if not self._layout.isAvailable:
            nothing = _("There is no main window to show results in.")
        else:
            nothing = (
                "" if values.responseTrendChart is not None else _("There are no results yet. Press Assess first.")
            )
        enable(self.ui.responseShowResultsButton, nothing, _("Show the course as a chart, and the table of changes."))
        hidden = "" if self._layout.isShown(TREND) else _("The results are not on screen.")
        enable(self.ui.responsePreviousLayoutButton, hidden, _("Go back to the layout from before."))
        return reason

    # -- buttons --

    def onAdd(self, *_unused) -> None:
        if self._parameters:
            self._parameters.addTimePoint()

    def onRemove(self, *_unused) -> None:
        if self._parameters:
            self._parameters.removeTimePoint()

    def onAssess(self, *_unused) -> None:
        if self._parameters is None:
            return
        try:
            self._parameters.assess()
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return
        self.ui.responseResultsCollapsibleButton.collapsed = False
        self.onShowResults()

    def onShowResults(self, *_unused) -> None:
        if self._parameters is None:
            return
        values = self._parameters.values
        self._layout.showTrend(values.responseTrendChart, values.responseChangesTable)
        self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()

    def onSaveReport(self, *_unused) -> None:
        if self._parameters is None:
            return
        from . import response_report

        self.saveReport("report.html", lambda path: response_report.saveReport(self._parameters, self._memory, path))
