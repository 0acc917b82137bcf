"""The panel in a real Slicer: life cycle, Apply, Cancel, and every control pressed. Needs a main window.

Run by CTest, or:
    Slicer --no-splash --testing --ignore-slicerrc --additional-module-paths NPCResponse NPCRadiomicsRisk --python-code
        "import slicer.testing as t; t.runUnitTest(['NPCResponse/Testing/Python'], 'NPCResponsePanelTest')"
"""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from NPCResponse import NPCResponseLogic, segmentIdOf
from NPCResponseLib.widgets.results_layout import LAYOUT_ID, TREND

LOG_LEVELS_THAT_FAIL = ("Warning", "Error", "Critical", "Fatal")
# Known and harmless: an oblique slice view has no named orientation to save.
TOLERATED = ("invalid orientation preset name: Reformat",)


class LogWatch:
    """Collects what is logged inside the block; a traceback of a Qt slot shows nowhere else."""

    LEVEL_COLUMN = 2

    def __enter__(self):
        self.model = slicer.app.errorLogModel()
        slicer.app.processEvents()
        self.first = self.model.logEntryCount()
        return self

    def __exit__(self, *_unused):
        settle()
        entries = (
            (self.model.data(self.model.index(row, self.LEVEL_COLUMN)), self.model.logEntryDescription(row))
            for row in range(self.first, self.model.logEntryCount())
        )
        self.bad = [
            (level, text)
            for level, text in entries
            if level in LOG_LEVELS_THAT_FAIL and not any(known in text for known in TOLERATED)
        ]


class Watchdog:
    """Closes any modal dialog that a pressed control opens, so that a test cannot hang."""

    def __enter__(self):
        self.closed = []
        self.timer = qt.QTimer()
        self.timer.setInterval(200)
        self.timer.connect("timeout()", self.close)
        self.timer.start()
        return self

    def __exit__(self, *_unused):
        self.timer.stop()

    def close(self):
        dialog = slicer.app.activeModalWidget()
        if dialog:
            self.closed.append((dialog.className(), dialog.windowTitle))
            dialog.reject() if hasattr(dialog, "reject") else dialog.close()


def settle(seconds: float = 0.1) -> None:
    until = time.time() + seconds
    while time.time() < until:
        slicer.app.processEvents()
        time.sleep(0.01)


class NPCResponsePanelTest(ScriptedLoadableModuleTest):
    """What a user does with the panel."""

    def setUp(self):
        if slicer.util.mainWindow() is None:
            self.skipTest("needs a main window")
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("NPCResponse")
        self.panel = slicer.util.getModuleWidget("NPCResponse")
        self.ui = self.panel.ui
        settle()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def fillIn(self):
        patient = NPCResponseLogic().loadPhantom()
        settle()
        self.ui.seriesSelector.setCurrentNode(patient.pre)
        self.ui.tumorSegmentSelector.setCurrentNode(patient.pre_segmentation)
        self.ui.tumorSegmentSelector.setCurrentSegmentID(segmentIdOf(patient.pre_segmentation, "tumor"))
        self.ui.exclusionSegmentsSelector.setSelectedSegmentIDs([segmentIdOf(patient.pre_segmentation, "necrosis")])
        settle()
        return patient

    def fillInBloodFlow(self, patient):
        self.ui.aslSeriesSelector.setCurrentNode(patient.pre_asl)
        self.ui.aslTumorSegmentSelector.setCurrentNode(patient.pre_t1_segmentation)
        self.ui.aslTumorSegmentSelector.setCurrentSegmentID(segmentIdOf(patient.pre_t1_segmentation, "tumor"))
        settle()

    def fillInDiameters(self, patient):
        self.ui.diameterSegmentSelector.setCurrentNode(patient.pre_t1_segmentation)
        self.ui.diameterSegmentSelector.setCurrentSegmentID(segmentIdOf(patient.pre_t1_segmentation, "tumor"))
        self.ui.diameterImageSelector.setCurrentNode(patient.pre_t1)
        settle()

    def apply(self, button=None):
        button = button or self.ui.applyButton
        button.click()
        until = time.time() + 60
        while button.text != "Apply" and time.time() < until:
            settle(0.05)

    def bringToFront(self, widget):
        """The tab of a widget: what is not seen is not pressed."""
        for index in range(self.ui.tabs.count):
            if self.ui.tabs.widget(index).isAncestorOf(widget):
                self.ui.tabs.setCurrentIndex(index)

    def parameters(self):
        return self.panel.logic.getParameterNode()

    def test_applyWithoutInputIsDisabledAndSaysWhy(self):
        self.assertFalse(self.ui.applyButton.isEnabled())
        self.assertIn("BOLD series", self.ui.applyButton.toolTip)
        self.assertIn("BOLD series", self.ui.statusLabel.text)

    def test_applyMakesTheResultsAndShowsThem(self):
        self.fillIn()
        self.assertTrue(self.ui.applyButton.isEnabled(), self.ui.applyButton.toolTip)
        self.assertEqual(
            self.parameters().exclusionSegmentIds[:], [self.ui.exclusionSegmentsSelector.selectedSegmentIDs()[0]]
        )
        with LogWatch() as log:
            self.apply()
        self.assertEqual(log.bad, [])
        self.assertIsNotNone(self.parameters().r2starMap)
        self.assertIs(self.ui.r2starMapSelector.currentNode(), self.parameters().r2starMap)
        self.assertIn("Hz", self.ui.regionTextLabel.text)
        self.assertTrue(self.ui.previousLayoutButton.isEnabled())
        self.ui.previousLayoutButton.click()
        self.assertFalse(self.ui.previousLayoutButton.isEnabled())

    def test_bloodFlowIsMappedAndShown(self):
        self.assertFalse(self.ui.aslApplyButton.isEnabled())
        self.assertIn("ASL series", self.ui.aslStatusLabel.text)
        patient = NPCResponseLogic().loadPhantom()
        self.fillInBloodFlow(patient)
        self.assertIn("label duration", self.ui.aslFactsLabel.text)
        self.assertTrue(self.ui.aslApplyButton.isEnabled(), self.ui.aslApplyButton.toolTip)
        self.ui.aslPulsesSpinBox.value = 2
        self.assertEqual(self.parameters().aslPulses, 2)
        self.ui.aslPulsesSpinBox.value = -1
        with LogWatch() as log:
            self.apply(self.ui.aslApplyButton)
        self.assertEqual(log.bad, [])
        self.assertIs(self.ui.aslTbfMapSelector.currentNode(), self.parameters().aslTbfMap)
        self.assertIsNotNone(self.parameters().aslTbfMap)
        self.assertIn("mL/100g/min", self.ui.aslRegionTextLabel.text)
        self.assertEqual(slicer.app.layoutManager().layout, LAYOUT_ID + 1)
        self.ui.aslPreviousLayoutButton.click()
        self.assertNotEqual(slicer.app.layoutManager().layout, LAYOUT_ID + 1)

    def test_bloodFlowIsLaidOverTheAnatomy(self):
        patient = NPCResponseLogic().loadPhantom()
        self.fillInBloodFlow(patient)
        self.ui.aslAnatomySelector.setCurrentNode(patient.pre_t1)
        self.apply(self.ui.aslApplyButton)
        self.assertIs(self.parameters().aslTbfMap.GetParentTransformNode(), self.parameters().aslTransform)
        composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        self.assertEqual(composite.GetBackgroundVolumeID(), patient.pre_t1.GetID())

    def test_wrongLabelingNumbersHoldApply(self):
        self.fillInBloodFlow(NPCResponseLogic().loadPhantom())
        for text, expected in (("2.025", "seconds"), ("soon", ""), ("", None)):
            self.ui.aslDelaysLineEdit.text = text
            slicer.app.sendEvent(
                self.ui.aslDelaysLineEdit, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier)
            )
            settle()
            self.assertEqual(self.ui.aslApplyButton.isEnabled(), expected is None, text)
            self.assertIn(expected or "", self.ui.aslApplyButton.toolTip)

    def test_diametersAreMeasuredAndMovedLinesCount(self):
        self.assertFalse(self.ui.diameterMeasureButton.isEnabled())
        self.fillInDiameters(NPCResponseLogic().loadPhantom())
        with LogWatch() as log:
            self.ui.diameterMeasureButton.click()
            settle()
        self.assertEqual(log.bad, [])
        self.assertIsNotNone(self.parameters().diameterTable)
        self.assertIn("mm", self.ui.diameterTextLabel.text)
        line = self.parameters().diameterAxialLine
        line.SetNthControlPointPositionWorld(1, 0.0, 0.0, 0.0)
        self.ui.diameterMeasureButton.click()
        self.assertIn("set by hand", self.ui.diameterTextLabel.text)
        self.ui.diameterResetButton.click()
        self.assertNotIn("set by hand", self.ui.diameterTextLabel.text)

    def test_diametersAreColumnsOfSegmentStatistics(self):
        from SegmentStatistics import SegmentStatisticsLogic

        names = [type(plugin).__name__ for plugin in SegmentStatisticsLogic().plugins]
        self.assertEqual(names.count("NPCDiametersSegmentStatisticsPlugin"), 1)

    def test_responseIsAssessedFromWhatTheOtherTabsMeasured(self):
        self.assertFalse(self.ui.responseAssessButton.isEnabled())
        patient = self.fillIn()
        self.fillInDiameters(patient)
        with LogWatch() as log:
            self.apply()
            self.ui.diameterMeasureButton.click()
            self.ui.responseAddButton.click()
            settle()
        self.assertEqual(log.bad, [])
        point = self.parameters().responseTimePoints[0]
        self.assertIs(point.r2starTable, self.parameters().resultTable)
        self.assertIs(self.ui.responseR2StarTableSelector.currentNode(), point.r2starTable)
        self.assertEqual(list(self.ui.responseLesionTablesSelector.checkedNodes()), list(point.lesionTables))
        self.assertEqual(self.ui.responseTbfTableSelector.nodeCount(), 0, "no table of blood flow is there to choose")
        self.ui.responseAddButton.click()
        self.ui.responseStageComboBox.setCurrentIndex(4)  # three months after treatment
        self.ui.responseR2StarTableSelector.setCurrentNode(point.r2starTable)
        self.assertEqual(len(self.parameters().responseTimePoints), 2)
        self.ui.responseTimePointComboBox.setCurrentIndex(0)
        self.assertEqual(self.ui.responseStageComboBox.currentIndex, 0)
        self.assertEqual(len(self.ui.responseLesionTablesSelector.checkedNodes()), 1)
        self.assertTrue(self.ui.responseAssessButton.isEnabled(), self.ui.responseAssessButton.toolTip)
        with LogWatch() as log:
            self.ui.responseAssessButton.click()
            settle()
        self.assertEqual(log.bad, [])
        self.assertNotEqual(self.ui.responseSummaryTextLabel.text, "")
        self.assertEqual(slicer.app.layoutManager().layout, TREND)
        self.ui.responsePreviousLayoutButton.click()
        self.assertNotEqual(slicer.app.layoutManager().layout, TREND)

    def test_timePointsSurviveAnImportAndRemovedTables(self):
        self.fillIn()
        self.apply()
        self.ui.responseAddButton.click()
        table = self.parameters().resultTable
        slicer.mrmlScene.StartState(slicer.mrmlScene.ImportState)
        slicer.mrmlScene.EndState(slicer.mrmlScene.ImportState)
        settle()
        self.assertIs(self.parameters().responseTimePoints[0].r2starTable, table)
        slicer.mrmlScene.RemoveNode(table)
        settle()
        self.assertIsNone(self.parameters().responseTimePoints[0].r2starTable)
        self.assertIsNone(self.ui.responseR2StarTableSelector.currentNode())

    def test_cohortIsAnalyzedAndShown(self):
        self.bringToFront(self.ui.cohortAnalyzeButton)
        self.assertFalse(self.ui.cohortAnalyzeButton.isEnabled())
        self.assertIn("Choose a table", self.ui.cohortStatusLabel.text)
        with LogWatch() as log:
            self.ui.cohortExampleButton.click()
            settle()
        self.assertEqual(log.bad, [])
        self.assertIs(self.ui.cohortTableSelector.currentNode(), self.parameters().cohortTable)
        columns = self.ui.cohortColumnsTable
        self.assertEqual(columns.rowCount, 6)
        self.assertEqual(columns.cellWidget(2, 1).currentText, "r2star_pre_1")
        with LogWatch() as log:
            columns.cellWidget(2, 1).setCurrentIndex(0)
            columns.cellWidget(2, 1).setCurrentIndex(4)
            settle()
        self.assertEqual(log.bad, [])
        self.assertIn("is chosen for", self.ui.cohortStatusLabel.text, "one column for two")
        columns.cellWidget(2, 1).setCurrentIndex(0)
        self.assertTrue(self.ui.cohortAnalyzeButton.isEnabled(), self.ui.cohortAnalyzeButton.toolTip)
        with LogWatch() as log:
            self.ui.cohortAnalyzeButton.click()
            until = time.time() + 60
            while self.ui.cohortAnalyzeButton.text == "Cancel" and time.time() < until:
                settle(0.05)
        self.assertEqual(log.bad, [])
        tables = self.parameters().cohortTables
        self.assertEqual(tables["roc"].GetNumberOfRows(), 3)
        self.assertIn("AUC", self.ui.cohortSummaryTextLabel.text)
        self.assertIn("Student", self.ui.cohortDecisionsTextEdit.toPlainText())
        self.assertEqual(slicer.app.layoutManager().layout, TREND)
        with LogWatch() as log:
            for box in (self.ui.cohortShownChartComboBox, self.ui.cohortShownTableComboBox):
                for index in range(box.count):
                    box.setCurrentIndex(index)
                    settle(0.02)
        self.assertEqual(log.bad, [])
        view = slicer.mrmlScene.GetSingletonNode("NPCTable", "vtkMRMLTableViewNode")
        self.assertEqual(view.GetTableNodeID(), tables["missing"].GetID(), "the last one")
        self.ui.cohortPreviousLayoutButton.click()
        self.assertNotEqual(slicer.app.layoutManager().layout, TREND)

    def test_cancelLeavesNothingBehind(self):
        self.fillIn()
        count = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.applyButton.click()
        self.assertEqual(self.ui.applyButton.text, "Cancel")
        self.ui.applyButton.click()
        settle()
        self.assertEqual(self.ui.applyButton.text, "Apply")
        self.assertIsNone(self.parameters().r2starMap)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_closingTheSceneWhileItRunsCancels(self):
        self.fillIn()
        with LogWatch() as log:
            self.ui.applyButton.click()
            slicer.mrmlScene.Clear()
            settle(0.5)
        self.assertEqual(log.bad, [])
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), 0)
        self.assertEqual(self.ui.applyButton.text, "Apply")

    def test_removedNodesDoNotMakeAnotherOneChosen(self):
        patient = self.fillIn()
        slicer.mrmlScene.RemoveNode(patient.pre)
        settle()
        self.assertIsNone(self.parameters().boldSeries)
        self.assertFalse(self.ui.applyButton.isEnabled())
        segmentation = patient.pre_segmentation.GetSegmentation()
        segmentation.RemoveSegment(segmentIdOf(patient.pre_segmentation, "tumor"))
        settle()
        self.assertEqual(self.parameters().segmentId, "", "no neighbor may take the place of a deleted tumor")
        slicer.mrmlScene.RemoveNode(patient.pre_segmentation)
        settle()
        self.assertIsNone(self.parameters().segmentation)

    def test_parametersSurviveSavingAndLoading(self):
        self.fillIn()
        self.apply()
        path = slicer.app.temporaryPath + "/NPCResponsePanelTest.mrb"
        self.assertTrue(slicer.util.saveScene(path))
        text = self.parameters().regionText
        slicer.mrmlScene.Clear()
        self.assertTrue(slicer.util.loadScene(path))
        settle()
        self.assertIsNotNone(self.parameters().r2starMap)
        self.assertEqual(self.ui.regionTextLabel.text, text)
        self.assertTrue(self.ui.applyButton.isEnabled(), self.ui.applyButton.toolTip)

    def test_layoutOfTheResultsIsKnownFromTheStart(self):
        layoutNode = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
        self.assertTrue(layoutNode.IsLayoutDescription(LAYOUT_ID), "a scene saves the number only")

    def test_multiComponentSeriesStaysChosen(self):
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "echoes")
        slicer.util.updateVolumeFromArray(series, np.ones((3, 4, 5, 4), dtype=np.float32))
        self.ui.seriesSelector.setCurrentNode(series)
        self.assertIs(self.parameters().boldSeries, series)
        slicer.mrmlScene.StartState(slicer.mrmlScene.ImportState)
        slicer.mrmlScene.EndState(slicer.mrmlScene.ImportState)
        settle()
        self.assertIs(self.ui.seriesSelector.currentNode(), series)
        self.assertIs(self.parameters().boldSeries, series)

    def test_importKeepsTheCheckedVolumes(self):
        volumes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"echo {i}") for i in (1, 2)]
        self.parameters().boldVolumes = volumes
        slicer.mrmlScene.StartState(slicer.mrmlScene.ImportState)
        slicer.mrmlScene.EndState(slicer.mrmlScene.ImportState)
        settle()
        self.assertEqual(list(self.parameters().boldVolumes), volumes)

    def test_enterExitAndReloadKeepThePanelAlive(self):
        with LogWatch() as log:
            for _ in range(5):
                slicer.util.selectModule("Data")
                slicer.util.selectModule("NPCResponse")
            slicer.util.reloadScriptedModule("NPCResponse")
            settle()
        self.panel = slicer.util.getModuleWidget("NPCResponse")
        self.ui = self.panel.ui
        self.assertEqual(log.bad, [])
        self.fillIn()
        self.assertTrue(self.ui.applyButton.isEnabled(), self.ui.applyButton.toolTip)

    def test_everyControlCanBeUsed(self):
        patient = self.fillIn()
        self.fillInBloodFlow(patient)
        self.fillInDiameters(patient)
        path = self.panel.resourcePath("UI/NPCResponse.ui")
        names = [element.get("name") for element in ElementTree.parse(path).iter("widget")]
        with Watchdog() as watchdog:
            for name in names:
                widget = getattr(self.ui, name)
                self.bringToFront(widget)
                with LogWatch() as log:
                    drive(widget)
                self.assertEqual(log.bad, [], name)
        self.assertEqual({name for name, _title in watchdog.closed}, {"QFileDialog"}, "of the buttons that load files")


def drive(widget) -> None:
    """Use one control in every way that it has."""
    if widget.inherits("qMRMLCheckableNodeComboBox"):
        for index in range(widget.nodeCount()):
            node = widget.nodeFromIndex(index)
            widget.setCheckState(node, qt.Qt.Checked)
            widget.setCheckState(node, qt.Qt.Unchecked)
    elif widget.inherits("qMRMLSegmentSelectorWidget"):
        node = widget.currentNode()
        chosen = widget.selectedSegmentIDs() if widget.multiSelection else widget.currentSegmentID()
        widget.setCurrentNode(None)
        widget.setCurrentNode(node)
        if widget.multiSelection:
            widget.setSelectedSegmentIDs(widget.segmentIDs())
            widget.setSelectedSegmentIDs(list(chosen))
        else:
            widget.setCurrentSegmentID(chosen)
    elif widget.inherits("qMRMLNodeComboBox"):
        chosen = widget.currentNode()
        for index in range(widget.nodeCount()):
            widget.setCurrentNode(widget.nodeFromIndex(index))
        widget.setCurrentNode(chosen)
    elif widget.inherits("QComboBox") or widget.inherits("QTabWidget"):
        for index in range(widget.count):
            widget.setCurrentIndex(index)
        widget.setCurrentIndex(0)
    elif widget.inherits("QDoubleSpinBox"):
        for value in (widget.maximum, 0.5 * widget.maximum, widget.minimum):
            widget.value = value
    elif widget.inherits("QSpinBox"):
        for value in (widget.maximum, widget.maximum // 2, widget.minimum):
            widget.value = value
    elif widget.inherits("QLineEdit"):
        for text in ("6.71, 13.42, 20.13, 26.84, 33.55", "not a number", ""):
            widget.text = text
            slicer.app.sendEvent(widget, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier))
    elif widget.inherits("ctkCollapsibleButton"):
        widget.collapsed = not widget.collapsed
        widget.collapsed = not widget.collapsed
    elif widget.inherits("QAbstractButton") and widget.isVisible() and widget.isEnabled():
        widget.click()
        settle(0.3)
        if widget.text == "Cancel":
            widget.click()
    settle(0.02)
