"""Slicer module NPCRadiomicsRisk: sub-regions of a tumor and their radiomics. NPCRadiomicsRiskLib does the work."""

import logging
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import (
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTransformNode,
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

from NPCRadiomicsRiskLib.widgets.choices import (
    AlignMethod,
    AlignRegion,
    CohortCorrection,
    CohortTest,
    Dimensions,
    LevelsUse,
    MapModel,
    Outliers,
    Quantization,
    Resampling,
    TransformUse,
    Weights,
)

SAMPLE_CATEGORY, SAMPLE_NAME = "NPCImaging", "NPCRecurrencePhantom"


class NPCRadiomicsRisk(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("NPC Radiomics and Risk")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["NPCResponse"]
        parent.contributors = ["NPCImaging developers"]
        parent.helpText = _(
            "Aligns the scan of a recurrence with the one from before treatment, divides the tumor into the part that"
            " recurred and the rest, tells whether the recurrence lies in the irradiated field, measures 47 radiomic"
            " features of both parts and how stable they are, and compares them over many patients. An exploratory map"
            " shows where a tumor looks like the parts that recurred."
            " <b>For research use only, not for diagnosis.</b>"
            ' More in the <a href="{url}">documentation</a>; sample data under Sample Data, NPC imaging.'
        ).format(url="https://github.com/NPCImaging/SlicerNPCImaging#readme")
        parent.acknowledgementText = _(
            "Sub-regions and features follow F. Akram et al., PLoS ONE 2020, 15(10):e0240043"
            " (doi:10.1371/journal.pone.0240043). Please cite it, and NPCImaging as in its CITATION.cff."
        )
        slicer.app.connect("startupCompleted()", registerRecurrenceSampleData)


def registerRecurrenceSampleData() -> None:
    """Offer the simulated patient in Sample Data. It is computed on the click, nothing is downloaded."""
    try:
        from SampleData import SampleDataLogic

        if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # since Slicer 5.12
            SampleDataLogic.registerCustomSampleDataCategory(SAMPLE_CATEGORY, title=_("NPC imaging"))
        SampleDataLogic.registerCustomSampleDataSource(
            category=SAMPLE_CATEGORY,
            sampleName=SAMPLE_NAME,
            thumbnailFileName=str(Path(__file__).parent / "Resources" / "Icons" / "NPCRecurrencePhantom.png"),
            uris=[],
            fileNames=[],
            nodeNames=[],
            customDownloader=simulateRecurrenceSampleData,
        )
    except Exception:
        logging.exception("NPCRadiomicsRisk: sample data could not be registered")


def simulateRecurrenceSampleData(_source=None):
    """The click on the sample data: simulate the patient and show the scan from before treatment."""
    patient = NPCRadiomicsRiskLogic().loadRecurrencePhantom()
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=patient.pre, foreground=None, fit=True)
    return patient


@parameterNodeWrapper
class NPCRadiomicsRiskParameterNode:
    """Every choice of the panel, and its results; saved with the scene. Enums are saved by name: never rename one.

    preVolume, recurrenceVolume - the scans from before treatment and at recurrence.
    gtvSegmentation, gtvSegmentId - the tumor on the first.
    gtvrSegmentation, gtvrSegmentId - the recurrence on the second.
    differentPatients - take nodes under different patient IDs.
    cohortPatient - what this patient is called in tables and reports.

    Those of the alignment begin with align.

    alignMethod - search for the transform, or assess alignGiven.
    alignRegion - what must fit: a box of alignSizeMm (R, A, S; empty: the default) around the GTV, alignRoi, or all.
    alignSeed - of the starts that are drawn at random.
    alignPreLandmarks, alignRecurrenceLandmarks - points of the same names in both scans.
    alignTransform, alignAligned, alignTable - results; None: created by Align.
    alignFade - how much of the aligned copy is seen.
    alignResultFixed, alignResultMoving - the scans that the results belong to.
    alignReasons - why the alignment is not reliable; empty if it is, or none was made.
    alignFocusRas - middle of what had to fit (world RAS, mm), to show it.
    alignVerdictText, alignQualityText, alignNotesText - the result in words.

    Those of the division into sub-regions begin with divide.

    divideTransformUse - what moves GTVr: the transform of Align, divideTransform, or nothing.
    divideIslandMm3 - smaller pieces change sides; 0: none.
    divideDose, dividePrescriptionGy, divideIsodosePercent - for the in-field check; 0 Gy: not told.
    divideSegmentation, divideTable - results; None: created by Divide.
    divideResultGtv, divideResultGtvr - the segmentations that the results belong to.
    divideFocusRas - middle of GTVr (world RAS, mm).
    divideVolumesText, divideDoseText, divideNotesText - the result in words.

    Those of the features begin with feature.

    featureVolume - image to measure; None: preVolume.
    featureSegmentation, featureSegmentIds - regions to measure; none: GTVr and GTVnr of divideSegmentation.
    featureResampling, featureVoxelMm, featureOutliers, featureQuantization, featureLevels, featureLevelsUse,
        featureWeights, featureDimensions - definitions; 0 mm: the pixel width.
    featureTable, featureHistogramTable, featureChart - results; None: created by Compute.
    featureResultVolume - the image that the results belong to.
    featureDirectionsText, featureNotesText - the result in words.
    stabilityRepetitions - of each kind of disturbance. stabilityTable, stabilityText - result.
    stabilityResultVolume - the image that it belongs to.
    cohortTable - rows of many patients.
    cohortTest, cohortCorrection - how regions are compared.
    cohortTables, cohortCharts - result nodes by name. cohortShownTable - name of the one to show.
    cohortResultSource - the table that the results belong to.
    cohortSummaryText, cohortNotesText - the result in words.

    Those of the map begin with map.

    mapRadiusMm - half-width of neighborhoods; 0: the default. mapLevels - gray levels.
    mapModel, mapModelText, mapModelName - published directions, or a trained model: text and name of its file.
    mapBoostPercent - share of the tumor that is suggested.
    mapNode, mapBoost - results; None: created by Compute.
    mapResultVolume, mapResultSegmentation - what they belong to. mapFocusRas - middle of the suggested region.
    mapText, mapNotesText - the result in words.
    """

    preVolume: vtkMRMLScalarVolumeNode | None
    recurrenceVolume: vtkMRMLScalarVolumeNode | None
    gtvSegmentation: vtkMRMLSegmentationNode | None
    gtvSegmentId: str
    gtvrSegmentation: vtkMRMLSegmentationNode | None
    gtvrSegmentId: str
    differentPatients: bool = False
    alignMethod: AlignMethod = AlignMethod.SEARCH
    alignGiven: vtkMRMLLinearTransformNode | None
    alignRegion: AlignRegion = AlignRegion.GTV
    alignRoi: vtkMRMLMarkupsROINode | None
    alignSizeMm: list[float]
    alignSeed: Annotated[int, WithinRange(0, 9999)] = 0
    alignPreLandmarks: vtkMRMLMarkupsFiducialNode | None
    alignRecurrenceLandmarks: vtkMRMLMarkupsFiducialNode | None
    alignTransform: vtkMRMLLinearTransformNode | None
    alignAligned: vtkMRMLScalarVolumeNode | None
    alignTable: vtkMRMLTableNode | None
    alignFade: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    alignResultFixed: vtkMRMLScalarVolumeNode | None
    alignResultMoving: vtkMRMLScalarVolumeNode | None
    alignReasons: str
    alignFocusRas: list[float]
    alignVerdictText: str
    alignQualityText: str
    alignNotesText: str
    divideTransformUse: TransformUse = TransformUse.ALIGN
    divideTransform: vtkMRMLTransformNode | None
    divideIslandMm3: Annotated[float, WithinRange(0.0, 5000.0)] = 0.0
    divideDose: vtkMRMLScalarVolumeNode | None
    dividePrescriptionGy: Annotated[float, WithinRange(0.0, 120.0)] = 0.0
    divideIsodosePercent: Annotated[float, WithinRange(1.0, 150.0)] = 95.0
    divideSegmentation: vtkMRMLSegmentationNode | None
    divideTable: vtkMRMLTableNode | None
    divideResultGtv: vtkMRMLSegmentationNode | None
    divideResultGtvr: vtkMRMLSegmentationNode | None
    divideFocusRas: list[float]
    divideVolumesText: str
    divideDoseText: str
    divideNotesText: str
    featureVolume: vtkMRMLScalarVolumeNode | None
    featureSegmentation: vtkMRMLSegmentationNode | None
    featureSegmentIds: list[str]
    featureResampling: Resampling = Resampling.CORRECTED
    featureVoxelMm: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    featureOutliers: Outliers = Outliers.THREE_SD
    featureQuantization: Quantization = Quantization.LLOYD
    featureLevels: Annotated[int, WithinRange(2, 1024)] = 256
    featureLevelsUse: LevelsUse = LevelsUse.OWN
    featureWeights: Weights = Weights.TOOLBOX
    featureDimensions: Dimensions = Dimensions.THREE
    featureTable: vtkMRMLTableNode | None
    featureHistogramTable: vtkMRMLTableNode | None
    featureChart: vtkMRMLPlotChartNode | None
    featureResultVolume: vtkMRMLScalarVolumeNode | None
    featureDirectionsText: str
    featureNotesText: str
    stabilityRepetitions: Annotated[int, WithinRange(2, 50)] = 5
    stabilityTable: vtkMRMLTableNode | None
    stabilityResultVolume: vtkMRMLScalarVolumeNode | None
    stabilityText: str
    cohortTable: vtkMRMLTableNode | None
    cohortPatient: str
    cohortTest: CohortTest = CohortTest.BY_SHAPIRO
    cohortCorrection: CohortCorrection = CohortCorrection.BONFERRONI
    cohortTables: dict[str, vtkMRMLTableNode]
    cohortCharts: dict[str, vtkMRMLPlotChartNode]
    cohortShownTable: str
    cohortResultSource: vtkMRMLTableNode | None
    cohortSummaryText: str
    cohortNotesText: str
    mapRadiusMm: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    mapLevels: Annotated[int, WithinRange(2, 256)] = 32
    mapModel: MapModel = MapModel.PUBLISHED
    mapModelText: str
    mapModelName: str
    mapBoostPercent: Annotated[float, WithinRange(1.0, 90.0)] = 20.0
    mapNode: vtkMRMLScalarVolumeNode | None
    mapBoost: vtkMRMLSegmentationNode | None
    mapResultVolume: vtkMRMLScalarVolumeNode | None
    mapResultSegmentation: vtkMRMLSegmentationNode | None
    mapFocusRas: list[float]
    mapText: str
    mapNotesText: str


class NPCRadiomicsRiskWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
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
        from NPCRadiomicsRiskLib.widgets.sections import makeSections
        from NPCResponseLib.widgets.result_memory import ResultMemory

        panel = slicer.util.loadUI(self.resourcePath("UI/NPCRadiomicsRisk.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = NPCRadiomicsRiskLogic()
        self._memory = ResultMemory()
        self._sections = makeSections(self.ui, self._memory)
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

    def exit(self) -> None:
        """The user leaves this module."""
        for section in self._sections:
            getattr(section, "stopBlinking", lambda: None)()

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
        """A scene closes or another comes in. A connected selector would write what it shows into the parameters."""
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


class NPCRadiomicsRiskLogic(ScriptedLoadableModuleLogic):
    """The module for scripts: nodes in, nodes out. The work itself is in NPCRadiomicsRiskLib.mrml.

    Example for Slicer's Python console, or for a script after ``NPCResponseLib.headless.start()``::

        from NPCRadiomicsRisk import NPCRadiomicsRiskLogic
        logic = NPCRadiomicsRiskLogic()
        patient = logic.loadRecurrencePhantom()  # or your own nodes: slicer.util.getNode("...")
        transform = logic.alignScans(patient.pre, patient.recurrence, patient.gtv_segmentation).outputs.transform
        regions = logic.divideTumor(patient.gtv_segmentation, patient.gtvr_segmentation, transform).outputs.segmentation
        print(logic.computeFeatures(patient.pre, regions).features["GTVr"].values["NGTDM_Strength"])
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)
        self._parameterNode = None

    def getParameterNode(self) -> NPCRadiomicsRiskParameterNode:
        """The scene's parameters of this module; the same object as long as the scene keeps the node."""
        node = super().getParameterNode()
        if self._parameterNode is None or self._parameterNode.parameterNode is not node:
            self._parameterNode = NPCRadiomicsRiskParameterNode(node)
        return self._parameterNode

    def alignScans(
        self, pre, recurrence, gtv=None, segment="", *, roi=None, preLandmarks=None, recurrenceLandmarks=None,
        givenTransform=None, outputs=None, **settings,
    ):  # fmt: skip
        """Lay the recurrence scan over the pre-treatment scan, or judge a transform that does.

        Args:
            pre, recurrence: volumes.
            gtv, segment: segmentation, and name or ID of the segment around which the scans must fit; of a single
                segment it may be left out.
            roi: markups ROI of what must fit, in place of a box around the GTV.
            preLandmarks, recurrenceLandmarks: markups point lists with the same names.
            givenTransform: linear transform node, from the recurrence scan to the other; then nothing is searched for.
            outputs: AlignmentOutputs with nodes to update; new ones are made for the rest.
            settings: fields of NPCRadiomicsRiskLib.mrml.alignment.AlignmentSettings (region_size_mm, seed, ...).

        Returns:
            NPCRadiomicsRiskLib.mrml.alignment.AlignmentResult; ``alignment.reliable`` and ``reasons`` judge it.

        Raises:
            InputError: input that cannot be used; its text says what, where and what to do.
        """
        from NPCRadiomicsRiskLib.mrml.alignment import AlignmentJob, AlignmentSettings

        job = AlignmentJob(
            pre,
            recurrence,
            AlignmentSettings(**settings),
            region=roi if roi is not None else _segment(gtv, segment),
            fixed_landmarks=preLandmarks,
            moving_landmarks=recurrenceLandmarks,
            given_transform=givenTransform,
        )
        return job.run(outputs)

    def divideTumor(
        self, gtv, gtvr, transform=None, *, gtvSegment="", gtvrSegment="", dose=None, outputs=None, **settings
    ):
        """Divide a tumor into the part that recurred and the rest.

        Args:
            gtv, gtvSegment: segmentation drawn on the pre-treatment scan, and name or ID of its segment; of a single
                segment it may be left out. gtvr, gtvrSegment: likewise on the recurrence scan.
            transform: node that brings GTVr to the pre-treatment scan; None if it is in place.
            dose: volume in Gy; needs ``prescription_gy``.
            outputs: SubRegionOutputs with nodes to update; new ones are made for the rest.
            settings: fields of NPCRadiomicsRiskLib.mrml.subregions.SubRegionSettings (minimum_island_mm3, ...).

        Returns:
            NPCRadiomicsRiskLib.mrml.subregions.SubRegionsResult.

        Raises:
            InputError: input that cannot be used.
        """
        from NPCRadiomicsRiskLib.mrml.subregions import SubRegionSettings, SubRegionsJob

        regions = _segment(gtv, gtvSegment), _segment(gtvr, gtvrSegment)
        return SubRegionsJob(*regions, SubRegionSettings(**settings), transform=transform, dose=dose).run(outputs)

    def computeFeatures(self, volume, segmentation, regions=("GTVr", "GTVnr"), *, outputs=None, **settings):
        """Measure the 47 features of segments.

        Args:
            volume: the pre-treatment scan. segmentation: that of ``divideTumor``, or any other.
            regions: names or IDs of its segments.
            outputs: FeatureOutputs with nodes to update; new ones are made for the rest.
            settings: fields of NPCRadiomicsRiskLib.texture.panel47.TextureSettings (quantization, n_levels, ...).

        Returns:
            NPCRadiomicsRiskLib.mrml.features.FeaturesResult; ``features[region].values`` are the numbers.

        Raises:
            InputError: input that cannot be used.
        """
        from NPCRadiomicsRiskLib.mrml.features import FeaturesJob
        from NPCRadiomicsRiskLib.texture.panel47 import TextureSettings

        chosen = {name: _segment(segmentation, name) for name in regions}
        return FeaturesJob(volume, chosen, TextureSettings(**settings)).run(outputs)

    def testStability(self, volume, segmentation, *, repetitions=5, seed=0, outputs=None, **settings):
        """Measure a divided tumor again and again, with outlines and settings a little changed.

        Args:
            volume: the pre-treatment scan. segmentation: that of ``divideTumor``.
            repetitions: of each kind of disturbance.
            outputs: StabilityOutputs with a table to update.
            settings: fields of NPCRadiomicsRiskLib.texture.panel47.TextureSettings.

        Returns:
            NPCRadiomicsRiskLib.mrml.feature_stability.StabilityResult.

        Raises:
            InputError: input that cannot be used.
        """
        from NPCRadiomicsRiskLib.mrml.feature_stability import StabilityJob
        from NPCRadiomicsRiskLib.texture.panel47 import TextureSettings

        return StabilityJob(volume, segmentation, TextureSettings(**settings), n=repetitions, seed=seed).run(outputs)

    def addToCohort(self, table, patient, result):
        """Add the rows of one patient to a table node, or to a new one (None); returns it.

        Args:
            patient: a label of your own, no identifier. Rows of the same label are replaced.
            result: that of ``computeFeatures``.

        Raises:
            InputError: no label, or a table of something else.
        """
        from NPCRadiomicsRiskLib.mrml.cohort_features import add_patient

        return add_patient(table, patient, result.features)

    def compareSubregions(self, table, *, outputs=None, **choices):
        """Compare GTVr with GTVnr over many patients, feature by feature.

        Example::

            table = logic.addToCohort(None, "P01", features)  # or slicer.util.loadTable("cohort.csv")
            result = logic.compareSubregions(table, correction="holm")
            print(result.analysis.significant)

        Args:
            table: node with a row per patient and region: patient, region, volume_cm3, n_voxels, 47 features.
            outputs: CohortOutputs of an earlier result with nodes to update.
            choices: keyword arguments of heterogeneity.comparison.compare_subregions (test, correction, ...).

        Returns:
            NPCRadiomicsRiskLib.mrml.cohort_features.RegionComparison.

        Raises:
            InputError: a table that cannot be used; the sentence names row and column.
        """
        from NPCRadiomicsRiskLib.mrml.cohort_features import RegionComparisonJob

        return RegionComparisonJob(table, **choices).run(outputs)

    def mapRadioresistance(self, volume, gtv, segment="", *, outputs=None, **options):
        """Map where a tumor looks like the parts that recurred (exploratory), and suggest a region.

        Args:
            volume: the pre-treatment scan. gtv, segment: segmentation, and name or ID of the tumor's segment.
            outputs: MapOutputs with nodes to update; new ones are made for the rest.
            options: radius_mm, or keyword arguments of radioresistance.exploratory_map.radioresistance_map
                (n_levels, model, boost_rule, ...).

        Returns:
            NPCRadiomicsRiskLib.mrml.radioresistance.MapResult.

        Raises:
            InputError: input that cannot be used.
        """
        from NPCRadiomicsRiskLib.mrml.radioresistance import MapJob

        return MapJob(volume, _segment(gtv, segment), **options).run(outputs)

    def loadRecurrencePhantom(self, **options):
        """Simulate a patient with a recurrence into the scene; returns its nodes (RecurrenceNodes)."""
        from NPCRadiomicsRiskLib.mrml.sample_data import add_recurrence_phantom_to_scene

        return add_recurrence_phantom_to_scene(**options)


def _segment(segmentation, segment: str = ""):
    """A segmentation node with the ID of one of its segments; None without a segmentation."""
    from NPCResponseLib.mrml.segments import segment_id_by_name

    return None if segmentation is None else (segmentation, segment_id_by_name(segmentation, segment))


class NPCRadiomicsRiskTest(ScriptedLoadableModuleTest):
    """The self test that Slicer and CTest run: a simulated patient, whose truth is known. The panel itself is tested by
    Testing/Python/NPCRadiomicsRiskPanelTest.py."""

    LARGEST_ERROR_MM = 2.5  # of the landmarks after alignment
    RECURRENT_SHARE, SHARE_DELTA = 0.23, 0.05  # GTVr inside GTV as the phantom draws it, and what thick slices change

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def segments(self, node):
        """Names of a segmentation's segments."""
        segmentation = node.GetSegmentation()
        return {segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())}

    def test_wholePathOnThePhantom(self):
        logic = NPCRadiomicsRiskLogic()
        patient = logic.loadRecurrencePhantom(seed=1)
        alignment = logic.alignScans(
            patient.pre, patient.recurrence, patient.gtv_segmentation,
            preLandmarks=patient.pre_landmarks, recurrenceLandmarks=patient.recurrence_landmarks,
        )  # fmt: skip
        self.assertTrue(alignment.alignment.reliable, alignment.alignment.reasons)
        self.assertLess(alignment.alignment.quality.landmark_rms_mm, self.LARGEST_ERROR_MM)
        divided = logic.divideTumor(
            patient.gtv_segmentation, patient.gtvr_segmentation, alignment.outputs.transform,
            dose=patient.dose, prescription_gy=patient.prescription_gy,
        )  # fmt: skip
        self.assertEqual(divided.in_field.category, "in-field")
        self.assertLessEqual({"GTV", "GTVr", "GTVnr"}, self.segments(divided.outputs.segmentation))
        share = divided.regions.gtvr_fraction
        self.assertAlmostEqual(share, self.RECURRENT_SHARE, delta=self.SHARE_DELTA)

        features = logic.computeFeatures(patient.pre, divided.outputs.segmentation)
        self.assertEqual(features.outputs.table.GetNumberOfRows(), 47)
        recurrent, other = (features.features[name].values["Intensity_Variance"] for name in ("GTVr", "GTVnr"))
        self.assertLess(recurrent, other, "the phantom's recurrent part is painted evener, as in the paper")
        table = logic.addToCohort(None, "P01", features)
        self.assertEqual(table.GetNumberOfRows(), 2)

    def test_mapSuggestsAPartOfTheTumor(self):
        from NPCRadiomicsRiskLib.radioresistance.exploratory_map import BoostRule

        logic = NPCRadiomicsRiskLogic()
        patient = logic.loadRecurrencePhantom(seed=1)
        result = logic.mapRadioresistance(
            patient.pre, patient.gtv_segmentation, boost_rule=BoostRule(volume_share=0.3)
        )  # fmt: skip
        low, high = slicer.util.arrayFromVolume(result.outputs.map).min(), result.map.map.max()
        self.assertGreaterEqual(low, 0)
        self.assertLessEqual(high, 1)
        self.assertAlmostEqual(result.map.boost.share, 0.3, delta=0.03)
        self.assertEqual(len(self.segments(result.outputs.segmentation)), 1)

    def test_oneVolumeForBothScansIsRefused(self):
        from NPCResponseLib.errors import InputError

        logic = NPCRadiomicsRiskLogic()
        patient = logic.loadRecurrencePhantom(seed=1)
        with self.assertRaisesRegex(InputError, "same volume"):
            logic.alignScans(patient.pre, patient.pre)
