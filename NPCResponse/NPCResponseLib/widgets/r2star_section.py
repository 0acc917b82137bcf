"""The R2* section of the panel."""

from slicer.i18n import tr as _

from .map_section import MapSection
from .r2star_parameters import InputForm, R2StarParameters
from .result_memory import ResultMemory
from .results_layout import MAPS_AND_PLOT, ResultsLayout
from .segment_selection import SegmentSelection


class R2StarSection(MapSection):
    """Wires the widgets of the section to its parameters."""

    applyName, progressName, statusName = "applyButton", "progressBar", "statusLabel"
    resultsName, showName, previousName = "resultsCollapsibleButton", "showResultsButton", "previousLayoutButton"
    inputSections = (
        "inputsCollapsibleButton",
        "regionCollapsibleButton",
        "fitCollapsibleButton",
        "outputsCollapsibleButton",
    )
    parametersClass, layoutId = R2StarParameters, MAPS_AND_PLOT

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        segments = SegmentSelection(ui.tumorSegmentSelector, ui.exclusionSegmentsSelector)
        super().__init__(ui, layout or ResultsLayout(), segments, memory)
        self.runningText = _("Mapping R2*…")
        self.failedText = _("R2* mapping failed: {error}. Details are in the error log.")
        self.applyTip = _("Map R2*, measure the tumor and show the results.")
        self.showTip = _("Show the maps, the decay plot and the table.")
        self.nothingToShow = _("There is no R2* map yet. Press Apply first.")

    def offerSeries(self) -> None:
        self.offerNodes(self.ui.seriesSelector, self._parameters.values.boldSeries)

    def updateInputs(self) -> None:
        isSeries = self._parameters.values.inputForm is InputForm.SERIES
        self.showRow("series", isSeries, ("Label", "Selector"))
        self.showRow("volumes", not isSeries, ("Label", "Selector"))
        self.ui.echoTimesFoundLabel.text = self._parameters.describeEchoTimes()

    def showResults(self) -> None:
        values = self._parameters.values
        self._parameters.selectFirstEcho()
        self._layout.show(
            self.layoutId,
            background=self._parameters.backgroundVolume(),
            mapNode=values.r2starMap,
            qualityNode=self._parameters.qualityNode(),
            segmentation=values.segmentation,
            chart=values.decayChart,
            table=values.resultTable,
            focusRas=list(values.focusRas),
        )
