"""A part of the tab Features: rows of many patients, and whether their sub-regions differ."""

from slicer.i18n import tr as _

from NPCResponseLib.widgets.file_choice import chooseFile
from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import TREND, ResultsLayout
from NPCResponseLib.widgets.section import enable

from .cohort_parameters import CohortParameters
from .heterogeneity_report import saveReport
from .panel_section import PanelSection

TABLE_FILTERS = "Tables (*.csv *.tsv *.txt);;All files (*)"


class CohortSection(PanelSection):
    """Wires the widgets of this part to its parameters."""

    applyName, progressName, statusName = "cohortApplyButton", "cohortProgressBar", "cohortStatusLabel"
    parametersClass = CohortParameters

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self.applyText = _("Compare regions")
        self.applyTip = _("Compare GTVr with GTVnr over all patients of the table, feature by feature.")
        self.runningText = _("Comparing regions…")
        self.failedText = _("The regions could not be compared: {error}. Details are in the error log.")
        self._layout, self._isUpdating, self._keys = layout or ResultsLayout(), False, ()
        self.connectButton(ui.cohortAddButton, self.onAdd)
        self.connectButton(ui.cohortLoadButton, self.onLoad)
        self.connectButton(ui.cohortShowButton, self.onShow)
        self.connectButton(ui.cohortPreviousLayoutButton, self.onPreviousLayout)
        self.connectButton(ui.cohortReportButton, self.onSaveReport)
        self.connectWidget(ui.cohortShownTableComboBox, "currentIndexChanged(int)", self.onTableShown)

    # -- parameters to panel --

    def updateInputs(self) -> None:
        box, nodes = self.ui.cohortShownTableComboBox, self._parameters.resultTables()
        self._isUpdating = True
        try:
            names = [node.GetName() for node in nodes.values()]
            if [box.itemText(n) for n in range(box.count)] != names:
                box.clear()
                for name in names:
                    box.addItem(name)
            self._keys = tuple(nodes)
            shown = self._parameters.values.cohortShownTable
            box.currentIndex = self._keys.index(shown) if shown in nodes else -1
        finally:
            self._isUpdating = False
        self.showRow("cohortShownTable", bool(nodes), ("Label", "ComboBox"))

    def updateResultButtons(self) -> None:
        ui, parameters = self.ui, self._parameters
        reason = parameters.reasonNotAdded(self._features())
        tip = _("Add two rows to the cohort table, or to a new one; those of the same label are replaced.")
        enable(ui.cohortAddButton, reason, tip)
        nothing = "" if parameters.hasResults() else _("There are no results yet. Press Compare first.")
        noScreen = "" if self._layout.isAvailable else _("There is no main window to show results in.")
        enable(ui.cohortShowButton, noScreen or nothing, _("Show the chosen table, and the principal components."))
        hidden = "" if self._layout.isShown(TREND) else _("The results are not on screen.")
        enable(ui.cohortPreviousLayoutButton, hidden, _("Go back to the layout from before."))
        noReport = _("The comparison is not done yet.") if self.isRunning else self._reasonNoReport()
        enable(ui.cohortReportButton, noReport, _("Save a report of all patients as an HTML file that prints well."))

    def _reasonNoReport(self) -> str:
        return self._parameters.reasonNoReport(self.resultOf(self._parameters.values.cohortResultSource))

    def _features(self):
        """The features of this session that the panel shows; None if there are none."""
        return self.resultOf(self._parameters.values.featureTable)

    # -- rows --

    def onAdd(self, *_unused) -> None:
        if self._parameters is None or self._parameters.reasonNotAdded(self._features()):
            return
        try:
            self._parameters.addPatient(self._features())
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return
        self.updateButtons()
        name = self._parameters.values.cohortTable.GetName()
        self._statusLabel.text = _("Added to {name}.").format(name=name)

    def onLoad(self, *_unused) -> None:
        path = chooseFile(_("Load a cohort table"), TABLE_FILTERS) if self._parameters else ""
        if not path:
            return
        try:
            self._parameters.loadTable(path)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)

    # -- results --

    def showResult(self, result) -> str:
        self.onShow()
        return _("{count} patients compared.").format(count=result.analysis.n)

    def onTableShown(self, index: int) -> None:
        """The user chose which table to show; a layout that is on screen follows."""
        if self._isUpdating or self._parameters is None or not 0 <= index < len(self._keys):
            return
        self._parameters.values.cohortShownTable = self._keys[index]
        if self._layout.isShown(TREND):
            self.onShow()

    def onShow(self, *_unused) -> None:
        if self._parameters is not None:
            self._layout.showTrend(self._parameters.shownChart(), self._parameters.shownTable())
            self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()

    def onSaveReport(self, *_unused) -> None:
        if self._parameters is None or self._reasonNoReport():
            return
        record = self.recordOf(self._parameters.values.cohortResultSource)
        self.saveReport("heterogeneity.html", lambda path: saveReport(record, path))
