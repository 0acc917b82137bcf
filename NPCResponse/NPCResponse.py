"""Slicer module NPCResponse: functional MRI response of nasopharyngeal carcinoma. NPCResponseLib does the work."""

import logging
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import (
    vtkMRMLLabelMapVolumeNode,
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

from NPCResponseLib.relaxometry import R2StarMethod
from NPCResponseLib.rois import SliceRule
from NPCResponseLib.widgets.r2star_parameters import OUTPUTS, InputForm, QualityMap, R2StarParameters

SAMPLE_CATEGORY, SAMPLE_NAME = "NPCImaging", "NPCPhantom"


class NPCResponse(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("NPC Response")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = []
        parent.contributors = ["NPCImaging developers"]
        parent.helpText = _(
            "Maps R2* (the apparent transverse relaxation rate, in Hz) from a multi-echo gradient-echo (BOLD) series,"
            " measures it in a tumor segment, and tells for every voxel how well it was fitted."
            " <b>For research use only, not for diagnosis.</b>"
            ' More in the <a href="{url}">documentation</a>; sample data under Sample Data, NPC imaging.'
        ).format(url="https://github.com/NPCImaging/SlicerNPCImaging#readme")
        parent.acknowledgementText = _(
            "The method and the region of interest follow X. Xu et al., BMC Medical Imaging 2023, 23:69"
            " (doi:10.1186/s12880-023-01029-y). Please cite them, and NPCImaging as in its CITATION.cff."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerResultsLayout)


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
        from NPCResponseLib.widgets.r2star_section import R2StarSection

        panel = slicer.util.loadUI(self.resourcePath("UI/NPCResponse.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = NPCResponseLogic()
        self._sections = (R2StarSection(self.ui),)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneLeaving)
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

    def loadPhantom(self):
        """Simulate a patient before and after treatment into the scene; returns its nodes (PhantomNodes)."""
        from NPCResponseLib.mrml.sample_data import add_phantom_to_scene

        return add_phantom_to_scene()


class NPCResponseTest(ScriptedLoadableModuleTest):
    """The self test that Slicer and CTest run: a simulated patient, whose truth is known. The panel itself is tested by
    Testing/Python/NPCResponsePanelTest.py."""

    TRUTH_HZ = {"pre": 44.0, "post": 58.0}  # of viable tumor, NPCResponseLib.phantom
    TOLERANCE_HZ = 1.0  # three standard errors of the smaller region, and what is left of the Rician bias

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
