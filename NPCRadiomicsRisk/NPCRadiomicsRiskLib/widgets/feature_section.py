"""The tab Features: 47 features of sub-regions, their histograms, and how they compare with the paper."""

from slicer.i18n import tr as _

from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import TREND, ResultsLayout
from NPCResponseLib.widgets.section import enable

from .feature_parameters import FeatureParameters
from .panel_section import PanelSection
from .region_selection import RegionSelection


class FeatureSection(PanelSection):
    """Wires the widgets of the tab to its parameters."""

    applyName, progressName, statusName = "featureApplyButton", "featureProgressBar", "featureStatusLabel"
    resultsName = "featureResultsCollapsibleButton"
    lockedSections = (
        "featureInputsCollapsibleButton",
        "featureSettingsCollapsibleButton",
        "featureOutputsCollapsibleButton",
    )
    parametersClass = FeatureParameters

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self.applyText = _("Compute features")
        self.applyTip = _("Compute 47 features of every region, and their histograms.")
        self.runningText = _("Computing features…")
        self.failedText = _("The features could not be computed: {error}. Details are in the error log.")
        self._layout = layout or ResultsLayout()
        self._regions = RegionSelection(ui.featureSegmentsSelector, ("featureSegmentation", "featureSegmentIds"))
        self.connectButton(ui.featureShowButton, self.onShow)
        self.connectButton(ui.featurePreviousLayoutButton, self.onPreviousLayout)

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        self._regions.disconnectWidgets()

    def setParameterNode(self, parameterNode) -> None:
        self._regions.setParameterNode(parameterNode)
        super().setParameterNode(parameterNode)

    def updateInputs(self) -> None:
        self._regions.updateWidgets()

    def updateResultButtons(self) -> None:
        nothing = "" if self._parameters.hasResults() else _("There are no features yet. Press Compute first.")
        noScreen = "" if self._layout.isAvailable else _("There is no main window to show results in.")
        enable(self.ui.featureShowButton, noScreen or nothing, _("Show the histograms and the table."))
        hidden = "" if self._layout.isShown(TREND) else _("The results are not on screen.")
        enable(self.ui.featurePreviousLayoutButton, hidden, _("Go back to the layout from before."))

    def basis(self):
        return self._parameters.divisionUsed(self.recordOf(self._parameters.values.divideTable)), ""

    def showResult(self, result) -> str:
        self.onShow()
        return _("Measured: {names}.").format(names=", ".join(result.features))

    def onShow(self, *_unused) -> None:
        if self._parameters is not None:
            values = self._parameters.values
            self._layout.showTrend(values.featureChart, values.featureTable)
            self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()
