"""The tab Sub-regions: GTVr and GTVnr of a tumor, whether the recurrence is in the field, and a way back."""

import slicer
from slicer.i18n import tr as _

from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import ResultsLayout
from NPCResponseLib.widgets.section import enable

from .choices import TransformUse
from .divide_parameters import DivideParameters
from .division_history import DivisionHistory
from .panel_section import PanelSection
from .views import bringSlicesBack, showLayers


class DivideSection(PanelSection):
    """Wires the widgets of the tab to its parameters."""

    applyName, progressName, statusName = "divideApplyButton", "divideProgressBar", "divideStatusLabel"
    resultsName = "divideResultsCollapsibleButton"
    lockedSections = (
        "divideInputsCollapsibleButton",
        "divideDoseCollapsibleButton",
        "divideOutputsCollapsibleButton",
    )
    parametersClass = DivideParameters

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self._layout = layout or ResultsLayout()
        self.applyText = _("Divide")
        self.applyTip = _("Carry GTVr to the pre-treatment scan, and divide the tumor into GTVr and GTVnr.")
        self.runningText = _("Dividing the tumor…")
        self.failedText = _("The tumor could not be divided: {error}. Details are in the error log.")
        self._history = DivisionHistory()
        self.connectButton(ui.divideShowButton, self.onShow)
        self.connectButton(ui.divideUndoButton, self.onUndo)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._history.clear()

    def setParameterNode(self, parameterNode) -> None:
        if parameterNode is None:
            self._history.clear()
        super().setParameterNode(parameterNode)

    def forgetNode(self, node) -> None:
        self._history.forget(node)
        super().forgetNode(node)

    def updateInputs(self) -> None:
        isChosen = self._parameters.values.divideTransformUse is TransformUse.CHOSEN
        self.showRow("divideTransform", isChosen, ("Label", "Selector"))

    def updateResultButtons(self) -> None:
        segmentation = self._parameters.values.divideSegmentation
        nothing = "" if segmentation is not None else _("There are no sub-regions yet. Press Divide first.")
        noScreen = "" if slicer.app.layoutManager() is not None else _("There is no main window to show results in.")
        enable(self.ui.divideShowButton, noScreen or nothing, _("Show the sub-regions over the pre-treatment scan."))
        canUndo = self._history.canRestore(segmentation) and not self.isRunning
        reason = "" if canUndo else _("There is nothing to undo: nothing was divided in this session.")
        enable(self.ui.divideUndoButton, reason, _("Bring back the segments and the table from before the last run."))

    def basis(self):
        record, remark = self._parameters.alignmentUsed(self.recordOf(self._parameters.values.alignTable))
        self._parameters.remarkOfJob = remark
        return record, remark

    def writeResult(self, job):
        values = self._parameters.values
        before = self._parameters.savedTexts(), self.recordOf(values.divideTable)
        self._history.save(values.divideSegmentation, values.divideTable, before)
        try:
            return super().writeResult(job)
        except Exception:
            self._history.takeBack()
            raise

    def showResult(self, result) -> str:
        self._history.remember(result.outputs)
        self.onShow()
        volumes = result.regions.volumes_cm3
        return _("Divided: GTVr {recurrent:.2f} cm³, GTVnr {rest:.2f} cm³.").format(
            recurrent=volumes["GTVr"], rest=volumes["GTVnr"]
        )

    def onShow(self, *_unused) -> None:
        if self._parameters is None or slicer.app.layoutManager() is None:
            return
        values = self._parameters.values
        if values.preVolume is not None:
            bringSlicesBack(self._layout)
            showLayers(values.preVolume, focusRas=list(values.divideFocusRas))

    def onUndo(self, *_unused) -> None:
        if self._parameters is None or not self._history.canRestore(self._parameters.values.divideSegmentation):
            return
        table = self._parameters.values.divideTable
        texts, record = self._history.restore() or ({}, None)
        self._memory.keep(table, record)
        self._parameters.restoreTexts(texts)
        self._parameters.values.parameterNode.Modified()  # what can be reported has changed even if the words have not
        self._statusLabel.text = _("The division before is back.")
