"""Slicer module NPCResponse: functional MRI response of nasopharyngeal carcinoma. NPCResponseLib does the work."""

import logging
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsLineNode,
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLSequenceNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from NPCResponseLib.mrml.tbf import RoiAverage
from NPCResponseLib.relaxometry import R2StarMethod
from NPCResponseLib.rois import SliceRule
from NPCResponseLib.widgets.cohort_parameters import (
    CohortBootstrap,
    CohortFinalValue,
    CohortRankP,
    CohortStudy,
    CohortTTest,
)
from NPCResponseLib.widgets.diameter_parameters import LesionState
from NPCResponseLib.widgets.r2star_parameters import OUTPUTS, InputForm, QualityMap, R2StarParameters
from NPCResponseLib.widgets.response_parameters import ResponseTimePoint
from NPCResponseLib.widgets.tbf_parameters import AslInputForm, AslLabeling, AslQualityMap

SAMPLE_CATEGORY, SAMPLE_NAME = "NPCImaging", "NPCPhantom"


class NPCResponse(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("NPC Response")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["SegmentStatistics"]
        parent.contributors = ["NPCImaging developers"]
        parent.helpText = _(
            "Maps R2* (the apparent transverse relaxation rate, in Hz) from a multi-echo gradient-echo (BOLD) series"
            " and tumor blood flow (in mL/100g/min) from arterial spin labeling, measures both in a tumor segment, and"
            " tells for every voxel how far it can be trusted. Measures the diameters of lesions in three planes, and"
            " assesses the response to treatment from all of these. Analyzes tables of many patients as the papers do."
            " <b>For research use only, not for diagnosis.</b>"
            ' More in the <a href="{url}">documentation</a>; sample data under Sample Data, NPC imaging.'
        ).format(url="https://github.com/NPCImaging/SlicerNPCImaging#readme")
        parent.acknowledgementText = _(
            "Methods and regions of interest follow, for R2*, X. Xu et al., BMC Medical Imaging 2023, 23:69"
            " (doi:10.1186/s12880-023-01029-y) and, for blood flow and diameters, J. Liu et al., Insights into Imaging"
            " 2022, 13:114 (doi:10.1186/s13244-022-01248-x). Please cite them, and NPCImaging as in its CITATION.cff."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerResultsLayout)
        slicer.app.connect("startupCompleted()", registerDiameterColumns)


def registerSampleData() -> None:
    """Offer the simulated patient in Sample Data. It is computed on the click, nothing is downloaded."""
    try:
        from SampleData import SampleDataLogic

        if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # since Slicer 5.12
            SampleDataLogic.registerCustomSampleDataCategory(SAMPLE_CATEGORY, title=_("NPC imaging"))
        SampleDataLogic.registerCustomSampleDataSource(
            category=SAMPLE_CATEGORY,
            sampleName=SAMPLE_NAME,
            thumbnailFileName=str(Path(__file__).parent / "Resources" / "Icons" / "NPCPhantom.png"),
            uris=[],
            fileNames=[],
            nodeNames=[],
            customDownloader=simulateSampleData,
        )
    except Exception:
        logging.exception("NPCResponse: sample data could not be registered")


def registerResultsLayout() -> None:
    """Make the layout of the results known, so that scenes that were saved in it open in it."""
    try:
        from NPCResponseLib.widgets.results_layout import registerLayout

        registerLayout()
    except Exception:
        logging.exception("NPCResponse: the layout of the results could not be registered")


def registerDiameterColumns() -> None:
    """Offer the diameters as columns of Segment Statistics."""
    try:
        from NPCResponseLib.widgets.segment_statistics_plugin import registerSegmentStatisticsPlugin

        registerSegmentStatisticsPlugin()
    except Exception:
        logging.exception("NPCResponse: the diameters could not be offered in Segment Statistics")


def simulateSampleData(_source=None):
    """The click on the sample data: simulate the patient and show the first echo from before treatment."""
    from NPCResponseLib.mrml.image_series import reference_volume

    patient = NPCResponseLogic().loadPhantom()
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=reference_volume(patient.pre), foreground=None, fit=True)
    return patient


@parameterNodeWrapper
class NPCResponseParameterNode:
    """Every choice of the panel, and its results; saved with the scene. Enums are saved by name: never rename one.

    inputForm - whether boldSeries or boldVolumes holds the echoes.
    boldSeries - sequence, multi-component or multi-volume node with one frame per echo.
    boldVolumes - one volume per echo, in any order.
    echoTimesMs - echo times typed by the user (ms); empty: those found in the data.
    segmentation, segmentId - the tumor; without it the maps are made, but nothing is measured.
    exclusionSegmentIds - segments of the same segmentation that are left out (air, necrosis, vessels).
    leaveOutDoubtful - leave out voxels with a poor fit or a suspected field gradient, too.
    sliceRule - which slices of the tumor count.
    erosionMm - taken off the tumor's outline in each slice (mm).
    method - estimator of R2*.
    noiseSigma - noise standard deviation in image units; 0: estimated from the image.
    saturationLevel - signals at or above it are clipped; 0: recognized by its plateau.
    b0Map - off-resonance in Hz on any grid; corrects a linear field gradient across the slice.
    r2starMap to rSquaredMap - result maps; None: created by Apply.
    statusMap - per voxel: 0 ok, 1 to 4 not fitted, 5 and 6 flagged.
    resultTable, decayChart - measurements, and the tumor's decay with its fit.
    resultSource - the input that the results belong to; with another input Apply makes new results.
    focusRas - middle of the measured region (world RAS, mm), to show it.
    regionText, voxelsText, notesText - the result in words.
    qualityMap - what is shown beside the R2* map.

    Those of blood flow begin with asl; a number at 0 (pulses at -1) is taken from the data, or the default.

    aslInputForm - which of aslSeries, aslDifference and aslFlow holds the images.
    aslSeries - sequence, multi-component or multi-volume node with control, label and perhaps M0 images.
    aslDifference, aslFlow - a perfusion-weighted difference; a flow map that the scanner made.
    aslM0 - M0 image of its own.
    aslRoles - what each image of aslSeries is, or a pattern that repeats; empty: what the node knows.
    aslLabelDurationMs, aslDelaysMs, aslLabeling, aslEfficiency, aslPulses - how blood was labeled, and when imaged.
    aslT1BloodMs, aslHematocrit, aslT1TissueMs, aslPartitionCoefficient - blood and tissue.
    aslPerfusionScale, aslM0RepetitionTimeMs, aslFieldStrengthT - how images compare to M0, and of which field.
    aslCorrectMotion, aslDropOutlierPairs - what is done before averaging.
    aslSegmentation, aslSegmentId, aslExclusionSegmentIds - the tumor, as above.
    aslAnatomy - image that the tumor is drawn on; the series is registered to it.
    aslSliceRule, aslAverage, aslErosionMm, aslLeaveOutDoubtful - how voxels become a number.
    aslTbfMap, aslStandardErrorMap, aslTransitTimeMap, aslStatusMap, aslDeltaMap, aslM0Map - result maps.
    aslTransform - lays them over aslAnatomy. aslTable - measurements.
    aslResultSource, aslFocusRas, aslRegionText, aslVoxelsText, aslNotesText, aslQualityMap - as above.

    Those of a lesion's diameters begin with diameter.

    diameterState - what is seen of the lesion; only one that is present is measured.
    diameterSegmentation, diameterSegmentId - the lesion. diameterImage - what it was drawn on.
    diameterLesionName, diameterOrgan, diameterIsNode, diameterIsTarget - what the lesion is.
    diameterAxialLine, diameterCoronalLine, diameterSagittalLine - lines of the diameters; None: created by Measure.
    diameterTable - measurements; remembers the lesion.
    diameterResultSource, diameterResultKey - the segment and lesion that lines and table belong to.
    diameterFocusRas - middle of the longest line (world RAS, mm). diameterText - the result in words.

    Those of the patient's course begin with response; a number at 0 is not known.

    responseTimePoints - when, and which result tables. responseCurrent - number of the one that is being edited.
    responsePatient - how tables and report call the patient.
    responseDifferentPatients - take images under different patient IDs.
    responseTotalDoseGy, responseFractions, responseAlphaBetaGy - prescribed dose.
    responseR2StarRepeatabilityHz, responseTbfRepeatability, responseDiameterRepeatabilityMm - coefficients.
    responseChangesTable, responseRecistTable, responseRulesTable, responseTrendTable - results. responseTrendChart -
        percent change over time.
    responseResultKey - tells whether the results belong to what is chosen now.
    responseSummaryText, responseMissingText, responseWarningsText - the result in words.

    Those of many patients begin with cohort.

    cohortTable - one row per patient.
    cohortStudy - which analysis. cohortSpecification, cohortSpecificationName - text and name of a file that says so.
    cohortColumns - for columns that the study needs those of the table, where somebody has chosen them.
    cohortTTest, cohortRankP, cohortBootstrap, cohortFinalValue - choices that change conclusions.
    cohortTables, cohortCharts - result nodes by name. cohortShownTable, cohortShownChart - names of those to show.
    cohortResultSource, cohortResultKey - what the results belong to.
    cohortSummaryText, cohortWarningsText, cohortDecisions - the result in words.
    """

    inputForm: InputForm = InputForm.SERIES
    boldSeries: vtkMRMLSequenceNode | vtkMRMLScalarVolumeNode | None
    boldVolumes: list[vtkMRMLScalarVolumeNode]
    echoTimesMs: list[float]
    segmentation: vtkMRMLSegmentationNode | None
    segmentId: str
    exclusionSegmentIds: list[str]
    leaveOutDoubtful: bool = False
    sliceRule: SliceRule = SliceRule.LARGEST_SLICE
    erosionMm: Annotated[float, WithinRange(0.0, 20.0)] = 0.0
    method: R2StarMethod = R2StarMethod.AUTO
    noiseSigma: Annotated[float, WithinRange(0.0, 1e6)] = 0.0
    saturationLevel: Annotated[float, WithinRange(0.0, 1e6)] = 0.0
    b0Map: vtkMRMLScalarVolumeNode | None
    r2starMap: vtkMRMLScalarVolumeNode | None
    t2starMap: vtkMRMLScalarVolumeNode | None
    s0Map: vtkMRMLScalarVolumeNode | None
    standardErrorMap: vtkMRMLScalarVolumeNode | None
    rSquaredMap: vtkMRMLScalarVolumeNode | None
    statusMap: vtkMRMLLabelMapVolumeNode | None
    resultTable: vtkMRMLTableNode | None
    decayChart: vtkMRMLPlotChartNode | None
    resultSource: vtkMRMLSequenceNode | vtkMRMLScalarVolumeNode | None
    focusRas: list[float]
    regionText: str
    voxelsText: str
    notesText: str
    qualityMap: QualityMap = QualityMap.STANDARD_ERROR
    aslInputForm: AslInputForm = AslInputForm.SERIES
    aslSeries: vtkMRMLSequenceNode | vtkMRMLScalarVolumeNode | None
    aslDifference: vtkMRMLScalarVolumeNode | None
    aslFlow: vtkMRMLScalarVolumeNode | None
    aslM0: vtkMRMLScalarVolumeNode | None
    aslRoles: str
    aslLabelDurationMs: Annotated[float, WithinRange(0.0, 10000.0)] = 0.0
    aslDelaysMs: list[float]
    aslLabeling: AslLabeling = AslLabeling.FROM_DATA
    aslEfficiency: Annotated[float, WithinRange(0.0, 1.0)] = 0.0
    aslPulses: Annotated[int, WithinRange(-1, 12)] = -1
    aslT1BloodMs: Annotated[float, WithinRange(0.0, 5000.0)] = 0.0
    aslHematocrit: Annotated[float, WithinRange(0.0, 0.7)] = 0.0
    aslT1TissueMs: Annotated[float, WithinRange(0.0, 5000.0)] = 0.0
    aslPartitionCoefficient: Annotated[float, WithinRange(0.0, 1.5)] = 0.0
    aslPerfusionScale: Annotated[float, WithinRange(0.0, 10000.0)] = 0.0
    aslM0RepetitionTimeMs: Annotated[float, WithinRange(0.0, 100000.0)] = 0.0
    aslFieldStrengthT: Annotated[float, WithinRange(0.0, 15.0)] = 0.0
    aslCorrectMotion: bool = False
    aslDropOutlierPairs: bool = False
    aslSegmentation: vtkMRMLSegmentationNode | None
    aslSegmentId: str
    aslExclusionSegmentIds: list[str]
    aslAnatomy: vtkMRMLScalarVolumeNode | None
    aslSliceRule: SliceRule = SliceRule.LARGEST_SLICE_AND_NEIGHBORS
    aslAverage: RoiAverage = RoiAverage.MEAN_OF_SLICES
    aslErosionMm: Annotated[float, WithinRange(0.0, 20.0)] = 0.0
    aslLeaveOutDoubtful: bool = False
    aslTbfMap: vtkMRMLScalarVolumeNode | None
    aslStandardErrorMap: vtkMRMLScalarVolumeNode | None
    aslTransitTimeMap: vtkMRMLScalarVolumeNode | None
    aslStatusMap: vtkMRMLLabelMapVolumeNode | None
    aslDeltaMap: vtkMRMLScalarVolumeNode | None
    aslM0Map: vtkMRMLScalarVolumeNode | None
    aslTransform: vtkMRMLLinearTransformNode | None
    aslTable: vtkMRMLTableNode | None
    aslResultSource: vtkMRMLSequenceNode | vtkMRMLScalarVolumeNode | None
    aslFocusRas: list[float]
    aslRegionText: str
    aslVoxelsText: str
    aslNotesText: str
    aslQualityMap: AslQualityMap = AslQualityMap.STANDARD_ERROR
    diameterState: LesionState = LesionState.PRESENT
    diameterSegmentation: vtkMRMLSegmentationNode | None
    diameterSegmentId: str
    diameterImage: vtkMRMLScalarVolumeNode | None
    diameterLesionName: str
    diameterOrgan: str
    diameterIsNode: bool = False
    diameterIsTarget: bool = True
    diameterAxialLine: vtkMRMLMarkupsLineNode | None
    diameterCoronalLine: vtkMRMLMarkupsLineNode | None
    diameterSagittalLine: vtkMRMLMarkupsLineNode | None
    diameterTable: vtkMRMLTableNode | None
    diameterResultSource: vtkMRMLSegmentationNode | None
    diameterResultKey: str
    diameterFocusRas: list[float]
    diameterText: str
    responseTimePoints: list[ResponseTimePoint]
    responseCurrent: int = 0
    responsePatient: str
    responseDifferentPatients: bool = False
    responseTotalDoseGy: Annotated[float, WithinRange(0.0, 200.0)] = 0.0
    responseFractions: Annotated[int, WithinRange(0, 200)] = 0
    responseAlphaBetaGy: Annotated[float, WithinRange(0.0, 50.0)] = 0.0
    responseR2StarRepeatabilityHz: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    responseTbfRepeatability: Annotated[float, WithinRange(0.0, 500.0)] = 0.0
    responseDiameterRepeatabilityMm: Annotated[float, WithinRange(0.0, 50.0)] = 0.0
    responseChangesTable: vtkMRMLTableNode | None
    responseRecistTable: vtkMRMLTableNode | None
    responseRulesTable: vtkMRMLTableNode | None
    responseTrendTable: vtkMRMLTableNode | None
    responseTrendChart: vtkMRMLPlotChartNode | None
    responseResultKey: str
    responseSummaryText: str
    responseMissingText: str
    responseWarningsText: str
    cohortTable: vtkMRMLTableNode | None
    cohortStudy: CohortStudy = CohortStudy.BOLD
    cohortSpecification: str
    cohortSpecificationName: str
    cohortColumns: dict[str, str]
    cohortTTest: CohortTTest = CohortTTest.STUDY
    cohortRankP: CohortRankP = CohortRankP.STUDY
    cohortBootstrap: CohortBootstrap = CohortBootstrap.STUDY
    cohortFinalValue: CohortFinalValue = CohortFinalValue.STUDY
    cohortTables: dict[str, vtkMRMLTableNode]
    cohortCharts: dict[str, vtkMRMLPlotChartNode]
    cohortShownTable: str
    cohortShownChart: str
    cohortResultSource: vtkMRMLTableNode | None
    cohortResultKey: str
    cohortSummaryText: str
    cohortWarningsText: str
    cohortDecisions: str


class NPCResponseWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: connects its sections to the parameter node, and keeps that right while scenes come and go."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiLink = None
        self._sections = ()

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        from NPCResponseLib.widgets.cohort_section import CohortSection
        from NPCResponseLib.widgets.diameter_section import DiameterSection
        from NPCResponseLib.widgets.r2star_section import R2StarSection
        from NPCResponseLib.widgets.response_section import ResponseSection
        from NPCResponseLib.widgets.result_memory import ResultMemory
        from NPCResponseLib.widgets.results_layout import ResultsLayout
        from NPCResponseLib.widgets.tbf_section import TbfSection

        panel = slicer.util.loadUI(self.resourcePath("UI/NPCResponse.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = NPCResponseLogic()
        layout, self._memory = ResultsLayout(), ResultMemory()
        self._sections = (
            R2StarSection(self.ui, layout, self._memory),
            TbfSection(self.ui, layout, self._memory),
            DiameterSection(self.ui, self._memory),
            ResponseSection(self.ui, layout, self._memory),
            CohortSection(self.ui, layout, self._memory),
        )
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneClosing)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneLeaving)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneReady)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneReady)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeRemoved)
        self.setParameterNode(self.logic.getParameterNode())
        if self.parent.isEntered:  # Reload does not call enter()
            self.enter()

    def enter(self) -> None:
        """The user comes to this module: its parameter node, or what is in the chosen nodes, may be another by now."""
        if self._parameterNode is not self.logic.getParameterNode():
            self.setParameterNode(self.logic.getParameterNode())
        else:
            self.onModified()

    def cleanup(self) -> None:
        """The module is unloaded or reloaded, or the application closes."""
        self.setParameterNode(None)
        for section in self._sections:
            section.disconnectWidgets()
        self.removeObservers()

    def onSceneClosing(self, *_unused) -> None:
        self._memory.clear()
        self.onSceneLeaving()

    def onSceneLeaving(self, *_unused) -> None:
        """A scene closes or another comes in. A connected selector would write its emptied list into the parameters."""
        self.setParameterNode(None)

    def onSceneReady(self, *_unused) -> None:
        if self.parent.isEntered:
            self.enter()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, _caller, _event, node) -> None:
        """Forget a node that goes; its selector would move on to another one by itself."""
        if self._parameterNode is not None and not slicer.mrmlScene.IsClosing():
            for section in self._sections:
                section.forgetNode(node)

    def onModified(self, *_unused) -> None:
        for section in self._sections:
            section.onModified()

    def setParameterNode(self, parameterNode) -> None:
        from NPCResponseLib.widgets.connectors import GuiLink

        if self._parameterNode is not None:
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
            self._guiLink.disconnect()
        self._parameterNode, self._guiLink = parameterNode, None
        if parameterNode is not None:
            self._guiLink = GuiLink(parameterNode, self.ui)
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        for section in self._sections:
            section.setParameterNode(parameterNode)


class NPCResponseLogic(ScriptedLoadableModuleLogic):
    """The module for scripts: nodes in, nodes out. The work itself is in NPCResponseLib.mrml.

    Example for Slicer's Python console, or for a script after ``NPCResponseLib.headless.start()``::

        from NPCResponse import NPCResponseLogic
        logic = NPCResponseLogic()
        patient = logic.loadPhantom()  # or your own nodes: slicer.util.getNode("...")
        result = logic.mapR2Star(patient.pre, patient.pre_segmentation, "tumor", exclude=["necrosis"])
        print(f"R2* {result.roi.mean:.1f} +/- {result.roi.mean_se:.1f} Hz in {result.roi.n_used} voxels")
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)
        self._parameterNode = None

    def getParameterNode(self) -> NPCResponseParameterNode:
        """The scene's parameters of this module; the same object as long as the scene keeps the node."""
        node = super().getParameterNode()
        if self._parameterNode is None or self._parameterNode.parameterNode is not node:
            self._parameterNode = NPCResponseParameterNode(node)
        return self._parameterNode

    def mapR2Star(self, series, segmentation=None, segment="", *, exclude=(), b0Map=None, outputs=None, **settings):
        """Map R2* and, if a segment is given, measure it.

        Args:
            series: sequence, multi-component or multi-volume node, or a list with one volume per echo.
            segmentation, segment: node, and name or ID of the tumor segment.
            exclude: names or IDs of segments that are left out.
            b0Map: off-resonance in Hz; corrects a field gradient across the slice.
            outputs: R2StarOutputs with nodes to update; new ones are made for the rest.
            settings: fields of NPCResponseLib.mrml.r2star.R2StarSettings (method, echo_times_ms, slice_rule, ...).

        Returns:
            NPCResponseLib.mrml.r2star.R2StarResult.

        Raises:
            InputError: input that cannot be used; its text says what, where and what to do.
        """
        from NPCResponseLib.mrml.r2star import R2StarJob, R2StarSettings
        from NPCResponseLib.mrml.segments import segment_id_by_name

        job = R2StarJob(
            series,
            R2StarSettings(**settings),
            segmentation=segmentation,
            segment_id=segment_id_by_name(segmentation, segment) if segmentation else "",
            exclusion_ids=[segment_id_by_name(segmentation, name) for name in exclude],
            b0_map=b0Map,
        )
        return job.run(outputs)

    def mapBloodFlow(
        self, series, segmentation=None, segment="", *, exclude=(), m0=None, anatomy=None, outputs=None, **settings
    ):
        """Map tumor blood flow and, if a segment is given, measure it.

        Example::

            result = logic.mapBloodFlow(series, segmentation, "tumor", label_duration_ms=1500, m0=m0Volume)
            print(f"TBF {result.mean:.0f} +/- {result.mean_se:.0f} mL/100g/min")

        Args:
            series: sequence, multi-component or multi-volume node, or a list with one volume per image.
            segmentation, segment: node, and name or ID of the tumor segment.
            exclude: names or IDs of segments that are left out.
            m0: M0 volume, if it is not among the images.
            anatomy: volume that the tumor is drawn on; the series is registered to it.
            outputs: TbfOutputs with nodes to update; new ones are made for the rest.
            settings: fields of NPCResponseLib.perfusion.PerfusionSettings (label_duration_ms,
                post_labeling_delay_ms, ...) and of NPCResponseLib.mrml.tbf.TbfSettings (roles, slice_rule, ...).

        Returns:
            NPCResponseLib.mrml.tbf.TbfResult.

        Raises:
            InputError: input that cannot be used; its text says what, where and what to do.
        """
        from dataclasses import fields

        from NPCResponseLib.mrml.segments import segment_id_by_name
        from NPCResponseLib.mrml.tbf import TbfJob, TbfSettings
        from NPCResponseLib.perfusion import PerfusionSettings

        ofPerfusion = {field.name for field in fields(PerfusionSettings)}
        perfusion = {name: value for name, value in settings.items() if name in ofPerfusion}
        others = {name: value for name, value in settings.items() if name not in ofPerfusion}
        job = TbfJob(
            series,
            TbfSettings(**{"perfusion": PerfusionSettings(**perfusion), **others}),
            segmentation=segmentation,
            segment_id=segment_id_by_name(segmentation, segment) if segmentation else "",
            exclusion_ids=[segment_id_by_name(segmentation, name) for name in exclude],
            m0_volume=m0,
            anatomy=anatomy,
        )
        return job.run(outputs)

    def measureDiameters(self, segmentation, segment="", *, image=None, table=None, lines=None, **lesion):
        """Measure the diameters of a lesion, and draw the longest of each plane as a line that can be moved.

        Example::

            result = logic.measureDiameters(segmentation, "tumor")
            longest = result.diameters.measurement.mptd
            print(f"{longest.length_mm:.1f} mm ({longest.plane.value})")

        Args:
            segmentation, segment: node, and name or ID of the lesion's segment; of a single segment it may be left out.
            image: volume that it was drawn on, for the rows and the slice thickness.
            table, lines: nodes of an earlier call to update: a table, and line nodes by plane
                (NPCResponseLib.diameters.Plane). A line that was moved or drawn by hand takes the place of what is
                measured.
            lesion: fields of NPCResponseLib.time_points.LesionMeasurement (name, organ, is_node, is_target).

        Returns:
            NPCResponseLib.mrml.lesions.LesionResult; its table remembers the lesion.

        Raises:
            InputError: no such segment, or it is empty.
        """
        from NPCResponseLib.mrml.lesions import measure_lesion
        from NPCResponseLib.mrml.segments import segment_id_by_name
        from NPCResponseLib.time_points import LesionMeasurement

        segmentId = segment_id_by_name(segmentation, segment)
        name = lesion.pop("name", "") or segmentation.GetSegmentation().GetSegment(segmentId).GetName()
        told = LesionMeasurement(name=name, **lesion)
        return measure_lesion(told, segmentation, segmentId, image, table=table, lines=lines)

    def assess(self, timePoints, *, label="patient", treatment=None, repeatability=None, prevalence=None, outputs=None):
        """Judge a patient from what was measured at several times, and write tables and a chart of the course.

        Example::

            from NPCResponseLib.assessment import Stage, Treatment
            pre = logic.timePoint("pre", Stage.PRE, r2star=resultBefore, lesions=[tumorBefore])
            post = logic.timePoint("post", Stage.MONTH_3, r2star=resultAfter, lesions=[tumorAfter], new_lesions=False)
            assessment = logic.assess([pre, post], treatment=Treatment(total_dose_gy=70, n_fractions=35))
            print(assessment.summary[0])

        Args:
            timePoints: NPCResponseLib.time_points.TimePointValues, in any order; ``timePoint`` makes them.
            label: how tables call the patient; no identifier.
            treatment: NPCResponseLib.assessment.Treatment.
            repeatability: NPCResponseLib.repeatability.Repeatability by Quantity.
            prevalence: share of the favorable class by grouping, for predictive values.
            outputs: AssessmentOutputs with nodes to update; new ones are made for the rest.

        Returns:
            NPCResponseLib.assessment.PatientAssessment.

        Raises:
            InputError: time points that contradict each other.
        """
        from NPCResponseLib.assessment import PatientValues, assess_patient
        from NPCResponseLib.mrml.assessment_nodes import write_assessment

        patient = PatientValues(label, tuple(timePoints), treatment, repeatability or {}, prevalence or {})
        assessment = assess_patient(patient)
        write_assessment(assessment, outputs)
        return assessment

    def timePoint(self, name, stage, *, r2star=None, tbf=None, lesions=(), **facts):
        """What is known at one time, from the results of this class.

        Args:
            stage: NPCResponseLib.time_points.Stage.
            r2star, tbf: results of ``mapR2Star`` and ``mapBloodFlow``.
            lesions: results of ``measureDiameters``, one per lesion.
            facts: further fields of TimePointValues (day, dose_gy, new_lesions, residual_tumor, non_target).
        """
        from NPCResponseLib.mrml.measured_values import r2star_value, tbf_value
        from NPCResponseLib.time_points import TimePointValues

        return TimePointValues(
            name=name,
            stage=stage,
            r2star=r2star_value(r2star) if r2star else None,
            tbf=tbf_value(tbf) if tbf else None,
            lesions=tuple(result.lesion for result in lesions),
            **facts,
        )

    def analyzeCohort(self, tableNode, study="bold", columns=None, *, outputs=None, **choices):
        """Analyze a table of patients: groups, pairs, ROC with cutoffs, correlations, counts, agreement of observers.

        Example::

            table = logic.loadCohortExample("bold")  # or your own: slicer.util.loadTable("patients.csv")
            result = logic.analyzeCohort(table, "bold", columns={"response": "response"}, t_test="welch")
            for marker in result.analysis.markers:
                print(f"{marker.parameter}: AUC {marker.roc.auc:.3f}")

        Args:
            tableNode: one row per patient.
            study: "bold" (Xu et al. 2023), "asl" (Liu et al. 2022), or a NPCResponseLib.cohort.spec.CohortSpec.
            columns: for columns of the study those of the table. Others are found by name; one that is only similar is
                used, and a warning of the result says so, as of a second observer who is missing.
            outputs: CohortOutputs of an earlier result with nodes to update.
            choices: fields of NPCResponseLib.cohort.spec.Choices, in place of the study's.

        Returns:
            NPCResponseLib.mrml.cohort_job.CohortResult.

        Raises:
            InputError: a table that cannot be used; the sentence names row and column.
        """
        from NPCResponseLib.cohort.studies import with_choices
        from NPCResponseLib.mrml.cohort_job import CohortJob, published_study

        isPublished = isinstance(study, str)  # then the second observer may be missing
        spec = with_choices(published_study(study) if isPublished else study, **choices)
        return CohortJob(tableNode, spec, columns, may_lack_observers=isPublished).run(outputs)

    def loadCohortExample(self, study="bold"):
        """Simulated patients of a paper, "bold" or "asl", as a new table node."""
        from NPCResponseLib.mrml.cohort_job import add_example_cohort

        return add_example_cohort(study)

    def loadPhantom(self):
        """Simulate a patient before and after treatment into the scene; returns its nodes (PhantomNodes)."""
        from NPCResponseLib.mrml.sample_data import add_phantom_to_scene

        return add_phantom_to_scene()


class NPCResponseTest(ScriptedLoadableModuleTest):
    """The self test that Slicer and CTest run: a simulated patient, whose truth is known. The panel itself is tested by
    Testing/Python/NPCResponsePanelTest.py."""

    TRUTH_HZ = {"pre": 44.0, "post": 58.0}  # of viable tumor, NPCResponseLib.phantom
    TOLERANCE_HZ = 1.0  # three standard errors of the smaller region, and what is left of the Rician bias
    FLOW_BY_EQ_2 = {"pre": 142.9, "post": 80.6}  # mL/100g/min of viable tumor without noise; its true flow is higher
    TOLERANCE_FLOW = 12.0  # three standard errors, and partial volume at the rim

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def parametersOfPhantom(self, logic):
        """Parameters as a user would set them for the pre-treatment series; returns them and the phantom's nodes."""
        patient = logic.loadPhantom()
        parameters = logic.getParameterNode()
        parameters.boldSeries = patient.pre
        tumor, necrosis, airway = (
            segmentIdOf(patient.pre_segmentation, name) for name in ("tumor", "necrosis", "airway")
        )
        parameters.segmentation = patient.pre_segmentation
        parameters.segmentId, parameters.exclusionSegmentIds = tumor, [necrosis, airway]
        return parameters, patient

    def apply(self, parameters):
        job = R2StarParameters(parameters).createJob()
        for _fraction in job.steps():
            pass
        return R2StarParameters(parameters).finishJob(job)

    def test_tumorMatchesTheTruthBeforeAndAfterTreatment(self):
        logic = NPCResponseLogic()
        patient = logic.loadPhantom()
        for series, segmentation, truth in (
            (patient.pre, patient.pre_segmentation, self.TRUTH_HZ["pre"]),
            (patient.post, patient.post_segmentation, self.TRUTH_HZ["post"]),
        ):
            result = logic.mapR2Star(series, segmentation, "tumor", exclude=["necrosis", "airway"])
            self.assertAlmostEqual(result.roi.mean, truth, delta=self.TOLERANCE_HZ)
            self.assertGreater(result.roi.n_used, 50)

    def test_resultsAreDescribedInWords(self):
        logic = NPCResponseLogic()
        parameters, _patient = self.parametersOfPhantom(logic)
        result = self.apply(parameters)
        self.assertIn(f"{result.roi.mean:.1f}", parameters.regionText)
        self.assertIn("tumor", parameters.regionText)
        self.assertIn(str(result.roi.n_used), parameters.voxelsText)
        self.assertIn("6.71", parameters.notesText)

    def test_runningAgainUpdatesTheResults(self):
        logic = NPCResponseLogic()
        parameters, _patient = self.parametersOfPhantom(logic)
        self.apply(parameters)
        nodes, count = [getattr(parameters, name) for name in OUTPUTS], slicer.mrmlScene.GetNumberOfNodes()
        self.apply(parameters)
        self.assertEqual([getattr(parameters, name) for name in OUTPUTS], nodes)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_anotherSeriesGetsItsOwnResults(self):
        logic = NPCResponseLogic()
        parameters, patient = self.parametersOfPhantom(logic)
        self.apply(parameters)
        before = parameters.r2starMap
        parameters.boldSeries = patient.post
        R2StarParameters(parameters).releaseOtherResults()
        self.assertIsNone(parameters.r2starMap)
        parameters.segmentation = patient.post_segmentation
        parameters.segmentId = segmentIdOf(patient.post_segmentation, "tumor")
        parameters.exclusionSegmentIds = []
        self.apply(parameters)
        self.assertIsNot(parameters.r2starMap, before)
        self.assertIsNotNone(slicer.mrmlScene.GetNodeByID(before.GetID()))

    def test_missingInputIsNamed(self):
        logic = NPCResponseLogic()
        parameters = logic.getParameterNode()
        self.assertIn("BOLD series", R2StarParameters(parameters).reasonNotReady())
        parameters, _patient = self.parametersOfPhantom(logic)
        self.assertEqual(R2StarParameters(parameters).reasonNotReady(), "")
        parameters.echoTimesMs = [6.71, 6.71, 20.13, 26.84, 33.55]
        self.assertIn("6.71", R2StarParameters(parameters).reasonNotReady())
        parameters.echoTimesMs = []
        parameters.segmentId = ""
        self.assertIn("segment", R2StarParameters(parameters).reasonNotReady())

    def test_bloodFlowOfTheTumorFallsUnderTreatment(self):
        logic = NPCResponseLogic()
        patient = logic.loadPhantom()
        for series, segmentation, expected in (
            (patient.pre_asl, patient.pre_t1_segmentation, self.FLOW_BY_EQ_2["pre"]),
            (patient.post_asl, patient.post_t1_segmentation, self.FLOW_BY_EQ_2["post"]),
        ):
            result = logic.mapBloodFlow(series, segmentation, "tumor", exclude=["necrosis"])
            self.assertAlmostEqual(result.mean, expected, delta=self.TOLERANCE_FLOW)
            self.assertIsNotNone(result.outputs.table)

    def test_diametersOfTheTumorAreDrawnAsLines(self):
        logic = NPCResponseLogic()
        patient = logic.loadPhantom()
        result = logic.measureDiameters(patient.pre_t1_segmentation, "tumor", image=patient.pre_t1)
        self.assertEqual(len(result.lines), 3)
        for plane, line in result.lines.items():
            length = result.diameters.measurement.in_plane(plane).length_mm
            self.assertAlmostEqual(line.GetLineLengthWorld(), length, delta=0.01)
        self.assertEqual(result.lesion.name, "tumor")

    def test_tumorThatShrinksIsAPartialResponse(self):
        from NPCResponseLib.time_points import Stage

        logic = NPCResponseLogic()
        patient = logic.loadPhantom()
        points = [
            logic.timePoint(name, stage, lesions=[logic.measureDiameters(segmentation, "tumor")], new_lesions=False)
            for name, stage, segmentation in (
                ("pre", Stage.PRE, patient.pre_t1_segmentation),
                ("post", Stage.MONTH_3, patient.post_t1_segmentation),
            )
        ]
        assessment = logic.assess(points, label="phantom")
        self.assertEqual(assessment.recist[-1].category.name, "PR")
        self.assertEqual(slicer.util.getNode("phantom RECIST").GetNumberOfRows(), 1)

    def test_cohortOfThePaperIsAnalyzed(self):
        logic = NPCResponseLogic()
        result = logic.analyzeCohort(logic.loadCohortExample("bold"), "bold")
        self.assertEqual(result.analysis.n, 41)
        auc = {marker.parameter: marker.roc.auc for marker in result.analysis.markers}
        self.assertGreater(auc["R2*post"], 0.75, "drawn from groups that are two standard deviations apart")
        self.assertEqual(result.outputs.tables["roc"].GetNumberOfRows(), 3)
        self.assertGreater(result.outputs.charts["ROC response"].GetNumberOfPlotSeriesNodes(), 3)

    def test_removedNodesAreForgotten(self):
        logic = NPCResponseLogic()
        parameters, patient = self.parametersOfPhantom(logic)
        self.apply(parameters)
        R2StarParameters(parameters).forgetNode(patient.pre_segmentation)
        self.assertEqual((parameters.segmentation, parameters.segmentId), (None, ""))
        R2StarParameters(parameters).forgetNode(patient.pre)
        self.assertIsNone(parameters.boldSeries)
        self.assertIsNone(parameters.r2starMap, "results of an input that is gone must not be overwritten by the next")


def segmentIdOf(segmentation, name: str) -> str:
    return segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
