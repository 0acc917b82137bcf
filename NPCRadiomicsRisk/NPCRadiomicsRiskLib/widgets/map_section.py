"""The tab Map: an exploratory map of a tumor, and a suggested region that follows a slider."""

from dataclasses import replace

from slicer.i18n import tr as _

from NPCResponseLib.widgets.file_choice import chooseFile
from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import MAPS_ONLY, ResultsLayout
from NPCResponseLib.widgets.section import enable

from .choices import MapModel
from .map_parameters import MapParameters
from .panel_section import PanelSection

MODEL_FILTERS = "Models (*.json);;All files (*)"


class MapSection(PanelSection):
    """Wires the widgets of the tab to its parameters."""

    applyName, progressName, statusName = "mapApplyButton", "mapProgressBar", "mapStatusLabel"
    resultsName = "mapResultsCollapsibleButton"
    lockedSections = ("mapInputsCollapsibleButton", "mapOutputsCollapsibleButton")
    parametersClass = MapParameters

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        super().__init__(ui, memory)
        self.applyText = _("Compute map")
        self.applyTip = _("Compute seven features around every voxel of the tumor, and combine them.")
        self.runningText = _("Computing the map…")
        self.failedText = _("The map could not be computed: {error}. Details are in the error log.")
        self._layout = layout or ResultsLayout()
        self._isTurning = False
        self.connectButton(ui.mapModelFileButton, self.onChooseModel)
        self.connectButton(ui.mapShowButton, self.onShow)
        self.connectButton(ui.mapPreviousLayoutButton, self.onPreviousLayout)

    # -- parameters to panel --

    def updateInputs(self) -> None:
        values = self._parameters.values
        self.showRow("mapModelFile", values.mapModel is MapModel.FILE, ("Label", "Button"))
        self.showRow("mapLevels", values.mapModel is MapModel.PUBLISHED, ("Label", "SpinBox"))
        self.ui.mapModelFileButton.text = values.mapModelName or _("Choose file…")
        self._turnBoost()

    def _turnBoost(self) -> None:
        """The suggested region follows the slider, as long as this session knows the features of the map."""
        record = self.recordOf(self._parameters.values.mapNode)
        if record is None or self._isTurning or self.isRunning or not self._parameters.isTurned(record.result):
            return
        self._isTurning = True
        try:
            turned = replace(record, result=self._parameters.turnBoost(record.result))
            self._memory.keep(self._parameters.values.mapNode, turned)
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self._memory.forget(self._parameters.values.mapNode)  # once is enough
            self.showError(error)
        finally:
            self._isTurning = False

    def updateResultButtons(self) -> None:
        hasMap = self._parameters.hasResults()
        nothing = "" if hasMap else _("There is no map yet. Press Compute first.")
        noScreen = "" if self._layout.isAvailable else _("There is no main window to show results in.")
        enable(self.ui.mapShowButton, noScreen or nothing, _("Show the map over the scan, and the scan beside it."))
        hidden = "" if self._layout.isShown(MAPS_ONLY) else _("The results are not on screen.")
        enable(self.ui.mapPreviousLayoutButton, hidden, _("Go back to the layout from before."))
        canTurn = not hasMap or self.recordOf(self._parameters.values.mapNode) is not None
        reason = "" if canTurn else _("The map is of an earlier session: compute it again to turn this.")
        tip = _("Share of the tumor that is suggested: that with the highest values. Nothing is computed anew.")
        enable(self.ui.mapBoostPercentSlider, reason, tip)

    # -- inputs --

    def onChooseModel(self, *_unused) -> None:
        path = chooseFile(_("Choose a model"), MODEL_FILTERS) if self._parameters else ""
        if not path:
            return
        try:
            self._parameters.readModel(path)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)

    # -- results --

    def showResult(self, result) -> str:
        self.onShow()
        return _("Map made. It is exploratory; see the warnings.")

    def onShow(self, *_unused) -> None:
        if self._parameters is not None:
            values = self._parameters.values
            self._layout.show(
                MAPS_ONLY,
                background=values.mapResultVolume,
                mapNode=values.mapNode,
                segmentation=values.mapBoost,
                focusRas=list(values.mapFocusRas),
            )
            self.updateButtons()

    def onPreviousLayout(self, *_unused) -> None:
        self._layout.restore()
        self.updateButtons()
