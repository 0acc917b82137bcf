"""The blood flow section of the panel: ASL files to load, Apply that becomes Cancel, results."""

import slicer
from slicer.i18n import tr as _

from ..mrml.asl_series import add_asl_series_to_scene
from ..readers import read_asl_series
from .file_choice import chooseFiles, chooseFolder
from .map_section import MapSection
from .result_memory import ResultMemory
from .results_layout import MAPS, ResultsLayout
from .section import enable
from .segment_selection import SegmentSelection
from .tbf_parameters import AslInputForm, TbfParameters

IMAGE_FILTERS = "ASL images (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm);;All files (*)"


class TbfSection(MapSection):
    """Wires the widgets of the section to its parameters, and loads files."""

    applyName, progressName, statusName = "aslApplyButton", "aslProgressBar", "aslStatusLabel"
    resultsName, showName = "aslResultsCollapsibleButton", "aslShowResultsButton"
    previousName = "aslPreviousLayoutButton"
    inputSections = (
        "aslInputsCollapsibleButton",
        "aslRegionCollapsibleButton",
        "aslQuantificationCollapsibleButton",
        "aslOutputsCollapsibleButton",
    )
    parametersClass, layoutId = TbfParameters, MAPS

    def __init__(self, ui, layout: ResultsLayout | None = None, memory: ResultMemory | None = None):
        names = (TbfParameters.segmentation, TbfParameters.segmentId, TbfParameters.exclusionIds)
        segments = SegmentSelection(ui.aslTumorSegmentSelector, ui.aslExclusionSegmentsSelector, names)
        super().__init__(ui, layout or ResultsLayout(), segments, memory)
        self.runningText = _("Mapping blood flow…")
        self.failedText = _("Blood flow mapping failed: {error}. Details are in the error log.")
        self.applyTip = _("Map blood flow, measure the tumor and show the results.")
        self.showTip = _("Show the maps and the table.")
        self.nothingToShow = _("There is no TBF map yet. Press Apply first.")
        self.connectButton(ui.aslLoadButton, self.onLoadFiles)
        self.connectButton(ui.aslLoadFolderButton, self.onLoadFolder)
        self.connectButton(ui.aslReadHeadersButton, self.onReadHeaders)

    def offerSeries(self) -> None:
        self.offerNodes(self.ui.aslSeriesSelector, self._parameters.values.aslSeries)

    def updateInputs(self) -> None:
        form = self._parameters.values.aslInputForm
        self.showRow("aslSeries", form is AslInputForm.SERIES, ("Label", "Selector"))
        self.showRow("aslDifference", form is AslInputForm.DIFFERENCE, ("Label", "Selector"))
        self.showRow("aslFlow", form is AslInputForm.FLOW, ("Label", "Selector"))
        self.showRow("aslM0", form is not AslInputForm.FLOW, ("Label", "Selector"))
        self.showRow("aslRoles", form is AslInputForm.SERIES, ("Label", "LineEdit"))
        facts = self._parameters.describeFacts()
        self.ui.aslFactsLabel.text = facts
        self.showRow("aslFacts", bool(facts), ("Title", "Label"))

    def updateButtons(self) -> str:
        reason = super().updateButtons()
        if self._parameters is not None:
            enable(
                self.ui.aslReadHeadersButton,
                ""
                if dicomFilesOf(self._parameters.values.aslSeries)
                else _("The series is not from the DICOM database."),
                _("Read the files of the chosen series again, with their roles and times, into a new series."),
            )
        return reason

    def jobNodes(self) -> list:
        return self._parameters.nodesInUse()

    def showResults(self) -> None:
        values = self._parameters.values
        self._layout.show(
            self.layoutId,
            background=self._parameters.backgroundVolume(),
            mapNode=values.aslTbfMap,
            qualityNode=self._parameters.qualityNode(),
            segmentation=values.aslSegmentation,
            table=values.aslTable,
            focusRas=list(values.aslFocusRas),
        )

    # -- loading --

    def onLoadFiles(self, *_unused) -> None:
        paths = chooseFiles(_("Choose the ASL images"), IMAGE_FILTERS)
        if paths:
            self.load(paths)

    def onLoadFolder(self, *_unused) -> None:
        path = chooseFolder(_("Choose the folder with the ASL images"))
        if path:
            self.load(path)

    def onReadHeaders(self, *_unused) -> None:
        if self._parameters is None:
            return
        paths = dicomFilesOf(self._parameters.values.aslSeries)
        if paths:
            self.load(paths)
        else:
            self._statusLabel.text = _(
                "The DICOM database does not have the files any more. Load them from their folder."
            )

    def load(self, paths) -> None:
        """Read files or a folder into a new series, and choose it. Errors are shown."""
        if self._parameters is None:
            return
        try:
            with slicer.util.WaitCursor():
                series = read_asl_series(paths)
                node = add_asl_series_to_scene(series)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)
            return
        self._parameters.chooseLoaded(node)
        if series.warnings:
            self._statusLabel.text = " ".join(series.warnings)


def instanceUidsOf(node) -> list[str]:
    """DICOM instances that Slicer loaded a volume or sequence (or None) from; empty if it was not DICOM."""
    if node is None:
        return []
    nodes = [node]
    if node.IsA("vtkMRMLSequenceNode"):
        images = (node.GetNthDataNode(n) for n in range(node.GetNumberOfDataNodes()))
        nodes += [image for image in images if image is not None]
    return list(dict.fromkeys(uid for each in nodes for uid in (each.GetAttribute("DICOM.instanceUIDs") or "").split()))


def dicomFilesOf(node) -> list[str]:
    """The files of these instances, as far as Slicer's DICOM database has them."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    return [path for path in map(database.fileForInstance, instanceUidsOf(node)) if path]
