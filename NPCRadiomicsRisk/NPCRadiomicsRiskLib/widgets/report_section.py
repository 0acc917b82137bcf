"""Under Patient: the report of a patient, from what this session has aligned, divided and measured."""

from slicer.i18n import tr as _

from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.section import Section, enable

from .subregions_report import SubRegionsReportParameters, saveReport


class ReportSection(Section):
    """Wires the button; results are those of the other sections."""

    moduleName, statusName = "NPCRadiomicsRisk", "reportStatusLabel"

    def __init__(self, ui, memory: ResultMemory):
        super().__init__(ui)
        self.failedText = _("The report could not be made: {error}. Details are in the error log.")
        self._memory, self._parameters = memory, None
        self.connectButton(ui.reportButton, self.onSaveReport)

    def windowTitle(self) -> str:
        return _("NPC Radiomics and Risk")

    def setParameterNode(self, parameterNode) -> None:
        self._parameters = SubRegionsReportParameters(parameterNode, self._memory) if parameterNode else None
        self._statusLabel.text = ""
        self.onModified()

    def forgetNode(self, node) -> None:
        """Other sections forget results, and this one hears of it."""

    def onModified(self) -> None:
        if self._parameters is not None:
            tip = _("Save alignment, sub-regions and features of this patient as an HTML file that prints well.")
            enable(self.ui.reportButton, self._parameters.reasonNotReady(), tip)

    def onSaveReport(self, *_unused) -> None:
        parameters = self._parameters
        if parameters is not None and not parameters.reasonNotReady():
            self.saveReport("subregions.html", lambda path: saveReport(parameters, path))
