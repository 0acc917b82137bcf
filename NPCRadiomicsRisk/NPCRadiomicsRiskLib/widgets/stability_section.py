"""A part of the tab Features: which differences hold when outlines and settings change a little."""

from slicer.i18n import tr as _

from NPCResponseLib.widgets.result_memory import ResultMemory

from .panel_section import PanelSection
from .stability_parameters import StabilityParameters


class StabilitySection(PanelSection):
    """Wires the widgets of this part to its parameters."""

    applyName, progressName, statusName = "stabilityApplyButton", "stabilityProgressBar", "stabilityStatusLabel"
    parametersClass = StabilityParameters

    def __init__(self, ui, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self.applyText = _("Test stability")
        self.applyTip = _("Measure again with disturbed outlines and other quantizations. This takes minutes.")
        self.runningText = _("Testing stability…")
        self.failedText = _("Stability could not be tested: {error}. Details are in the error log.")

    def updateResultButtons(self) -> None:
        self.ui.stabilityRepetitionsSpinBox.enabled = not self.isRunning

    def basis(self):
        record = self.recordOf(self._parameters.values.divideTable)
        isOfIt = record is not None and record.result.outputs.segmentation is self._parameters.values.divideSegmentation
        return (record if isOfIt else None), ""

    def showResult(self, result) -> str:
        return _("Tested with {count} disturbances.").format(count=len(result.stability.perturbed))
