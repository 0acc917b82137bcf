"""The cohort section of the panel: a table of patients, a study, Analyze that becomes Cancel, tables and plots."""

from slicer.i18n import tr as _

from .cohort_columns import ColumnEditor
from .cohort_parameters import CohortParameters, CohortStudy, packagesFor
from .file_choice import chooseFile, chooseFolder
from .job_section import JobSection
from .packages import SPECIFICATION, ensurePackages
from .result_memory import ResultMemory
from .results_layout import TREND, ResultsLayout
from .section import enable

TABLE_FILTERS = "Tables (*.csv *.tsv *.tab *.txt *.xlsx *.xlsm *.parquet *.pq);;All files (*)"
SPECIFICATION_FILTERS = "Specifications (*.yaml *.yml *.json);;All files (*)"
LOCKED = ("cohortInputsCollapsibleButton", "cohortStudyCollapsibleButton", "cohortChoicesCollapsibleButton")


class CohortSection(JobSection):
    """Wires the widgets of the section to its parameters."""

    applyName, progressName = "cohortAnalyzeButton", "cohortProgressBar"
    statusName = "cohortStatusLabel"

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui)
        self.runningText = _("Analyzing the cohort…")
        self.failedText = _("The cohort could not be analyzed: {error}. Details are in the error log.")
        self._parameters: CohortParameters | None = None
        self._layout, self._memory = layout or ResultsLayout(), memory or ResultMemory()
        self._columns = ColumnEditor(ui.cohortColumnsTable, self.onColumnChosen)
        self._isUpdating = False
        self._keys: dict[str, tuple[str, ...]] = {"table": (), "chart": ()}  # of what the boxes offer
        self.connectButton(ui.cohortLoadTableButton, self.onLoadTable)
        self.connectButton(ui.cohortLoadFolderButton, self.onLoadFolder)
        self.connectButton(ui.cohortExampleButton, self.onExample)
        self.connectButton(ui.cohortSpecificationButton, self.onChooseSpecification)
        self.connectButton(ui.cohortShowResultsButton, self.onShowResults)
        self.connectButton(ui.cohortPreviousLayoutButton, self.onPreviousLayout)
        self.connectButton(ui.cohortReportButton, self.onSaveReport)
        self.connectWidget(ui.cohortShownTableComboBox, "currentIndexChanged(int)", self.onTableShown)
        self.connectWidget(ui.cohortShownChartComboBox, "currentIndexChanged(int)", self.onChartShown)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._columns.clear()

    def setParameterNode(self, parameterNode) -> None:
        if parameterNode is None:
            self.cancel()
        self._parameters = CohortParameters(parameterNode) if parameterNode else None
        if parameterNode:
            self.onModified()

    def forgetNode(self, node) -> None:
        self.cancelIfUsing(node)
        self._memory.forget(node)
        if self._parameters:
            self._parameters.forgetNode(node)

    # -- parameters to panel --

    def onModified(self) -> None:
        if self._parameters is None:
            return
        parameters = self._parameters
        parameters.releaseOtherResults()
        facts = parameters.tableText()
        self.ui.cohortTableFactsLabel.text = facts
        self.showRow("cohortTableFacts", bool(facts), ("Title", "Label"))
        self.ui.cohortSpecificationButton.text = parameters.values.cohortSpecificationName or _("Choose file…")
        self.showRow("cohortSpecification", parameters.values.cohortStudy is CohortStudy.FILE, ("Label", "Button"))
        choices = parameters.columnChoices()
        self._columns.update(choices, parameters.tableColumns())
        self.ui.cohortColumnsTable.setVisible(bool(choices))
        self._offerResults()
        self.showTexts(parameters.values, parameters.texts)
        self.showRow("cohortDecisions", bool(parameters.values.cohortDecisions), ("Title", "TextEdit"))
        reason = self.updateButtons()
        if not self.isRunning:
            self._statusLabel.text = reason or self._remark()

    def _remark(self) -> str:
        return " ".join(filter(None, (self._parameters.columnsToCheck(), self._parameters.reasonOutdated())))

    def _offerResults(self) -> None:
        """Tables and charts by name, in the boxes that choose which one is shown."""
        values, ui = self._parameters.values, self.ui
        self._isUpdating = True
        try:
            for kind, box, nodes, shown in (
                ("table", ui.cohortShownTableComboBox, self._parameters.resultTables(), values.cohortShownTable),
                ("chart", ui.cohortShownChartComboBox, self._parameters.resultCharts(), values.cohortShownChart),
            ):
                names = [self._parameters.shortName(node) for node in nodes.values()]
                if [box.itemText(n) for n in range(box.count)] != names:
                    box.clear()
                    for name in names:
                        box.addItem(name)
                self._keys[kind] = tuple(nodes)
                box.currentIndex = self._keys[kind].index(shown) if shown in nodes else -1
                box.enabled = bool(names)
        finally:
            self._isUpdating = False

    def updateButtons(self) -> str:
        """Enable what can be pressed; returns why nothing can be analyzed, or ""."""
        if self._parameters is None:
            return ""
        ui, isRunning = self.ui, self.isRunning
        for name in LOCKED:
            getattr(ui, name).enabled = not isRunning
        reason = "" if isRunning else self._parameters.reasonNotReady()
        self._applyButton.text = _("Cancel") if isRunning else _("Analyze")
        tip = _("Stop; nothing is written.") if isRunning else _("Compute all tables and plots of the study.")
        enable(self._applyButton, reason, tip)
        nothing = "" if self._parameters.hasResults() else _("There are no results yet. Press Analyze first.")
        noScreen = "" if self._layout.isAvailable else _("There is no main window to show results in.")
        enable(ui.cohortShowResultsButton, noScreen or nothing, _("Show the chosen plot and table."))
        hidden = "" if self._layout.isShown(TREND) else _("The results are not on screen.")
        enable(ui.cohortPreviousLayoutButton, hidden, _("Go back to the layout from before."))
        enable(ui.cohortReportButton, self._reasonNoReport(), _("Save a report as an HTML file that prints well."))
        return reason

    def _reasonNoReport(self) -> str:
        if self.isRunning:
            return _("The analysis is not done yet.")
        if not self._parameters.hasResults():
            return _("There are no results yet. Press Analyze first.")
        if self._result() is None:
            return _("The report needs the analysis of this session: press Analyze first.")
        return self._parameters.reasonOutdated()

    def _result(self):
        """The result of this session that the panel shows; None if there is none."""
        values = self._parameters.values
        result = self._memory.of(values.cohortResultSource)
        isShown = result is not None and getattr(result, "fingerprint", None) == values.cohortResultKey
        return result if isShown else None

    # -- inputs --

    def onLoadTable(self, *_unused) -> None:
        path = chooseFile(_("Load a table of patients"), TABLE_FILTERS) if self._parameters else ""
        if path:
            self._load(path)

    def onLoadFolder(self, *_unused) -> None:
        path = chooseFolder(_("Folder with results of npc-response assess")) if self._parameters else ""
        if path:
            self._load(path)

    def _load(self, path: str) -> None:
        try:
            if not ensurePackages(packagesFor(path)):
                self._statusLabel.text = _("Nothing was loaded: the packages for it are not installed.")
                return
            notes = self._parameters.loadTable(path)
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return
        if notes:
            self._statusLabel.text = " ".join((*notes, self._statusLabel.text)).strip()

    def onExample(self, *_unused) -> None:
        if self._parameters:
            self._parameters.loadExample()

    def onChooseSpecification(self, *_unused) -> None:
        path = chooseFile(_("Choose a specification"), SPECIFICATION_FILTERS) if self._parameters else ""
        if not path:
            return
        try:
            if not ensurePackages(SPECIFICATION):
                self._statusLabel.text = _("Nothing was read: the packages for it are not installed.")
                return
            self._parameters.readSpecification(path)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)

    def onColumnChosen(self, needed: str, column: str) -> None:
        if self._parameters:
            self._parameters.chooseColumn(needed, column)

    # -- a run --

    def createJob(self):
        return self._parameters.createJob() if self._parameters else None

    def jobNodes(self) -> list:
        return [self._parameters.values.cohortTable]

    def finishJob(self, job) -> str:
        result = self._parameters.finishJob(job)
        self._memory.keep(job.node, result)
        self.ui.cohortResultsCollapsibleButton.collapsed = False
        self.onShowResults()
        done = _("{count} patients analyzed.").format(count=result.analysis.n)
        return " ".join(filter(None, (done, self._parameters.columnsToCheck())))

    # -- results --

    def onTableShown(self, index: int) -> None:
        self._show("cohortShownTable", self._keys["table"], index)

    def onChartShown(self, index: int) -> None:
        self._show("cohortShownChart", self._keys["chart"], index)

    def _show(self, name: str, keys: tuple[str, ...], index: int) -> None:
        """The user chose which table or chart to show; a layout that is on screen follows."""
        if self._isUpdating or self._parameters is None or not 0 <= index < len(keys):
            return
        setattr(self._parameters.values, name, keys[index])
        if self._layout.isShown(TREND):
            self.onShowResults()

    def onShowResults(self, *_unused) -> None:
        if self._parameters is None:
            return
        self._layout.showTrend(self._parameters.shownChart(), self._parameters.shownTable())
        self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()

    def onSaveReport(self, *_unused) -> None:
        result = self._result() if self._parameters else None
        if result is None:
            return
        from .cohort_report import saveReport

        study = self._parameters.values.cohortStudy.label()
        self.saveReport("cohort.html", lambda path: saveReport(result, study, path))
