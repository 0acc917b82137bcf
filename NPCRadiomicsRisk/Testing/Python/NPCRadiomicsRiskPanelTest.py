"""The panel in a real Slicer: life cycle, every tab, Cancel, and every control pressed. Needs a main window.

Run by CTest, or:
    Slicer --no-splash --testing --ignore-slicerrc --additional-module-paths NPCResponse NPCRadiomicsRisk --python-code
        "import slicer.testing as t; t.runUnitTest(['NPCRadiomicsRisk/Testing/Python'], 'NPCRadiomicsRiskPanelTest')"
"""

import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from NPCRadiomicsRisk import NPCRadiomicsRiskLogic
from NPCResponseLib.widgets.results_layout import MAPS_ONLY, TREND

LOG_LEVELS_THAT_FAIL = ("Warning", "Error", "Critical", "Fatal")
# Known and harmless: an oblique slice view has no named orientation to save.
TOLERATED = ("invalid orientation preset name: Reformat",)
LONGEST_RUN_S = 180
RUN_BUTTONS = ("align", "divide", "feature", "stability", "cohort", "map")


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


def firstSegment(node) -> str:
    return node.GetSegmentation().GetNthSegmentID(0)


class NPCRadiomicsRiskPanelTest(ScriptedLoadableModuleTest):
    """What a user does with the panel."""

    def setUp(self):
        if slicer.util.mainWindow() is None:
            self.skipTest("needs a main window")
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("NPCRadiomicsRisk")
        self.panel = slicer.util.getModuleWidget("NPCRadiomicsRisk")
        self.ui = self.panel.ui
        settle()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def parameters(self):
        return self.panel.logic.getParameterNode()

    def fillIn(self):
        """Both scans and contours of the phantom."""
        patient = NPCRadiomicsRiskLogic().loadRecurrencePhantom(seed=1)
        settle()
        ui = self.ui
        ui.preVolumeSelector.setCurrentNode(patient.pre)
        ui.recurrenceVolumeSelector.setCurrentNode(patient.recurrence)
        for selector, node in (
            (ui.gtvSegmentSelector, patient.gtv_segmentation),
            (ui.gtvrSegmentSelector, patient.gtvr_segmentation),
        ):
            selector.setCurrentNode(node)
            selector.setCurrentSegmentID(firstSegment(node))
        settle()
        return patient

    def fillInTrueTransform(self, patient):
        """What an alignment would find, without waiting for it: landmarks of the phantom are exact."""
        import numpy as np

        from NPCRadiomicsRiskLib.alignment.landmarks import landmark_transform
        from NPCRadiomicsRiskLib.mrml.alignment import points_by_name

        before, after = (points_by_name(node) for node in (patient.pre_landmarks, patient.recurrence_landmarks))
        matrix = landmark_transform(before, after)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "true")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(matrix)))
        self.ui.divideTransformUseComboBox.setCurrentIndex(1)
        self.ui.divideTransformSelector.setCurrentNode(transform)
        settle()
        return transform

    def press(self, stem: str):
        """An Apply button, until its run is over."""
        button = getattr(self.ui, f"{stem}ApplyButton")
        self.bringToFront(button)
        button.click()
        until = time.time() + LONGEST_RUN_S
        settle(0.05)
        while button.text == "Cancel" and time.time() < until:
            settle(0.05)

    def bringToFront(self, widget):
        """The tab of a widget: what is not seen is not pressed."""
        for index in range(self.ui.tabs.count):
            if self.ui.tabs.widget(index).isAncestorOf(widget):
                self.ui.tabs.setCurrentIndex(index)

    def test_withoutInputEveryButtonSaysWhatIsMissing(self):
        for stem in RUN_BUTTONS:
            button = getattr(self.ui, f"{stem}ApplyButton")
            self.assertFalse(button.isEnabled(), stem)
            self.assertNotEqual(getattr(self.ui, f"{stem}StatusLabel").text, "", stem)

    def test_scansAreAlignedShownAndPutUnderTheTransform(self):
        patient = self.fillIn()
        self.ui.alignPreLandmarksSelector.setCurrentNode(patient.pre_landmarks)
        self.ui.alignRecurrenceLandmarksSelector.setCurrentNode(patient.recurrence_landmarks)
        self.assertIn("in both scans", self.ui.alignLandmarksLabel.text)
        with LogWatch() as log:
            self.press("align")
        self.assertEqual(log.bad, [])
        self.assertIn("Reliable", self.ui.alignVerdictTextLabel.text)
        self.assertIs(self.ui.alignTransformSelector.currentNode(), self.parameters().alignTransform)
        composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        self.assertEqual(composite.GetForegroundVolumeID(), self.parameters().alignAligned.GetID())
        self.ui.alignFadeSlider.value = 0.2
        settle()
        self.assertAlmostEqual(composite.GetForegroundOpacity(), 0.2)
        with LogWatch() as log:
            self.ui.alignBlinkButton.click()
            settle(1.6)
            self.ui.alignBlinkButton.click()
            settle(0.8)
        self.assertEqual(log.bad, [])
        self.assertAlmostEqual(composite.GetForegroundOpacity(), 0.2)
        self.assertIsNone(patient.recurrence.GetParentTransformNode(), "nobody asked for it")
        self.ui.alignUnderTransformCheckBox.click()
        self.assertIs(patient.recurrence.GetParentTransformNode(), self.parameters().alignTransform)
        self.assertIs(patient.gtvr_segmentation.GetParentTransformNode(), self.parameters().alignTransform)
        self.ui.alignUnderTransformCheckBox.click()
        self.assertIsNone(patient.recurrence.GetParentTransformNode())

    def test_markingMakesAListAndStartsPlacing(self):
        self.fillIn()
        with LogWatch() as log:
            self.bringToFront(self.ui.alignMarkPreButton)
            self.ui.alignMarkPreButton.click()
            settle()
        self.assertEqual(log.bad, [])
        markups = self.parameters().alignPreLandmarks
        self.assertGreater(markups.GetNumberOfControlPoints(), 3)
        self.assertEqual(markups.GetNumberOfDefinedControlPoints(), 0)
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        self.assertEqual(interaction.GetCurrentInteractionMode(), interaction.Place)
        interaction.SwitchToViewTransformMode()

    def test_tumorIsDividedAndUndone(self):
        patient = self.fillIn()
        self.fillInTrueTransform(patient)
        self.ui.divideDoseSelector.setCurrentNode(patient.dose)
        self.ui.dividePrescriptionGySpinBox.value = patient.prescription_gy
        with LogWatch() as log:
            self.press("divide")
        self.assertEqual(log.bad, [])
        self.assertIn("cm³", self.ui.divideVolumesTextLabel.text)
        self.assertIn("In-field", self.ui.divideDoseTextLabel.text)
        words = self.parameters().divideVolumesText
        self.ui.divideTransformUseComboBox.setCurrentIndex(2)  # nothing moves GTVr: other regions, if any
        self.ui.divideIslandMm3SpinBox.value = 100
        with LogWatch() as log:
            self.ui.divideTransformUseComboBox.setCurrentIndex(1)
            self.press("divide")
            self.ui.divideUndoButton.click()
            settle()
        self.assertEqual(log.bad, [])
        self.assertEqual(self.parameters().divideVolumesText, words)
        with LogWatch() as log:
            self.ui.divideUndoButton.click()
            settle()
        self.assertEqual(log.bad, [])
        self.assertIsNone(self.parameters().divideSegmentation)

    def test_featuresAreMeasuredAndJoinTheCohort(self):
        patient = self.fillIn()
        self.fillInTrueTransform(patient)
        self.press("divide")
        with LogWatch() as log:
            self.press("feature")
        self.assertEqual(log.bad, [])
        self.assertEqual(self.parameters().featureTable.GetNumberOfRows(), 47)
        self.assertIn("of 7", self.ui.featureDirectionsTextLabel.text)
        self.assertEqual(slicer.app.layoutManager().layout, TREND)
        self.ui.featurePreviousLayoutButton.click()
        self.assertNotEqual(slicer.app.layoutManager().layout, TREND)
        with LogWatch() as log:
            self.ui.cohortCollapsibleButton.collapsed = False
            for label in ("P01", "P02", "P03"):
                self.ui.cohortPatientLineEdit.text = label
                slicer.app.sendEvent(
                    self.ui.cohortPatientLineEdit, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier)
                )
                settle()
                self.ui.cohortAddButton.click()
            self.press("cohort")
        self.assertEqual(log.bad, [])
        self.assertEqual(self.parameters().cohortTable.GetNumberOfRows(), 6)
        self.assertIn("3 patients", self.ui.cohortStatusLabel.text)
        with LogWatch() as log:
            for index in range(self.ui.cohortShownTableComboBox.count):
                self.ui.cohortShownTableComboBox.setCurrentIndex(index)
                settle(0.02)
        self.assertEqual(log.bad, [])

    def saveReport(self, button, path):
        """Press a button for a report, with the file already chosen; returns the text of the report.

        Slicer lacks the packages, and under --testing installs none: then nothing is written, and the panel says so.
        """
        from NPCResponseLib.widgets import section
        from NPCResponseLib.widgets.packages import REPORT, missingPackages

        chooseFileToSave, section.chooseFileToSave = section.chooseFileToSave, lambda *_texts: path
        try:
            with LogWatch() as log:
                button.click()
        finally:
            section.chooseFileToSave = chooseFileToSave
        self.assertEqual(log.bad, [])
        return "" if missingPackages(REPORT) else Path(path).read_text(encoding="utf-8")

    def test_reportsAreSavedOfWhatWasMeasuredInThisSession(self):
        patient = self.fillIn()
        self.fillInTrueTransform(patient)
        self.assertFalse(self.ui.reportButton.isEnabled())
        self.press("divide")
        self.assertIn("features", self.ui.reportButton.toolTip)
        self.press("feature")
        self.assertTrue(self.ui.reportButton.isEnabled(), self.ui.reportButton.toolTip)
        text = self.saveReport(self.ui.reportButton, slicer.app.temporaryPath + "/NPCRadiomicsRiskPanelTest.html")
        if text:
            self.assertIn("was saved", self.ui.reportStatusLabel.text)
            self.assertIn("was not assessed in this session", text)
            self.assertNotIn(patient.pre.GetName(), text)
        else:
            self.assertIn("No report was saved", self.ui.reportStatusLabel.text)
        self.assertFalse(self.ui.cohortReportButton.isEnabled())
        self.press("divide")
        self.assertIn("divided again", self.ui.reportButton.toolTip)

    def test_mapFollowsTheSlider(self):
        self.fillIn()
        with LogWatch() as log:
            self.press("map")
        self.assertEqual(log.bad, [])
        self.assertEqual(slicer.app.layoutManager().layout, MAPS_ONLY)
        before = self.ui.mapTextLabel.text
        with LogWatch() as log:
            self.ui.mapBoostPercentSlider.value = 40
            settle()
        self.assertEqual(log.bad, [])
        self.assertNotEqual(self.ui.mapTextLabel.text, before)
        self.assertIn("40 %", self.ui.mapTextLabel.text)
        self.ui.mapPreviousLayoutButton.click()
        self.assertNotEqual(slicer.app.layoutManager().layout, MAPS_ONLY)

    def test_cancelLeavesNothingBehind(self):
        self.fillIn()
        for stem in ("align", "map"):
            count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
            button = getattr(self.ui, f"{stem}ApplyButton")
            text = button.text
            button.click()
            self.assertEqual(button.text, "Cancel")
            button.click()
            settle(0.5)
            self.assertEqual(button.text, text)
            self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), count)

    def test_closingTheSceneWhileItRunsCancels(self):
        self.fillIn()
        with LogWatch() as log:
            self.ui.alignApplyButton.click()
            settle(0.3)
            slicer.mrmlScene.Clear()
            settle(0.5)
        self.assertEqual(log.bad, [])
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), 0)
        self.assertEqual(self.ui.alignApplyButton.text, "Align")

    def test_removedNodesDoNotMakeAnotherOneChosen(self):
        patient = self.fillIn()
        slicer.mrmlScene.RemoveNode(patient.pre)
        settle()
        self.assertIsNone(self.parameters().preVolume)
        slicer.mrmlScene.RemoveNode(patient.gtv_segmentation)
        settle()
        self.assertIsNone(self.parameters().gtvSegmentation)
        self.assertEqual(self.parameters().gtvSegmentId, "")
        self.assertFalse(self.ui.divideApplyButton.isEnabled())

    def test_parametersSurviveSavingAndLoading(self):
        patient = self.fillIn()
        self.fillInTrueTransform(patient)
        self.press("divide")
        self.press("feature")
        path = slicer.app.temporaryPath + "/NPCRadiomicsRiskPanelTest.mrb"
        self.assertTrue(slicer.util.saveScene(path))
        text = self.parameters().featureDirectionsText
        slicer.mrmlScene.Clear()
        self.assertTrue(slicer.util.loadScene(path))
        settle()
        self.assertEqual(self.ui.featureDirectionsTextLabel.text, text)
        self.assertIsNotNone(self.parameters().divideSegmentation)
        self.assertEqual(self.ui.gtvrSegmentSelector.currentSegmentID(), self.parameters().gtvrSegmentId)
        self.assertTrue(self.ui.featureApplyButton.isEnabled(), self.ui.featureApplyButton.toolTip)

    def test_enterExitAndReloadKeepThePanelAlive(self):
        with LogWatch() as log:
            for _ in range(5):
                slicer.util.selectModule("Data")
                slicer.util.selectModule("NPCRadiomicsRisk")
            slicer.util.reloadScriptedModule("NPCRadiomicsRisk")
            settle()
        self.panel = slicer.util.getModuleWidget("NPCRadiomicsRisk")
        self.ui = self.panel.ui
        self.assertEqual(log.bad, [])
        self.fillIn()
        self.assertTrue(self.ui.alignApplyButton.isEnabled(), self.ui.alignApplyButton.toolTip)

    def test_everyControlCanBeUsed(self):
        patient = self.fillIn()
        self.fillInTrueTransform(patient)
        self.press("divide")
        path = self.panel.resourcePath("UI/NPCRadiomicsRisk.ui")
        names = [element.get("name") for element in ElementTree.parse(path).iter("widget")]
        with Watchdog() as watchdog:
            for name in names:
                widget = getattr(self.ui, name)
                self.bringToFront(widget)
                with LogWatch() as log:
                    drive(widget)
                self.assertEqual(log.bad, [], name)
        self.assertLessEqual({name for name, _title in watchdog.closed}, {"QFileDialog"}, "of the buttons that load")
        slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()


def drive(widget) -> None:
    """Use one control in every way that it has."""
    if widget.inherits("qMRMLSegmentSelectorWidget"):
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
        chosen = widget.currentIndex
        for index in range(widget.count):
            widget.setCurrentIndex(index)
        widget.setCurrentIndex(chosen)
    elif widget.inherits("QDoubleSpinBox") or widget.inherits("ctkSliderWidget"):
        before = widget.value
        for value in (widget.maximum, 0.5 * widget.maximum, widget.minimum, before):
            widget.value = value
    elif widget.inherits("QSpinBox"):
        before = widget.value
        for value in (widget.maximum, widget.maximum // 2, widget.minimum, before):
            widget.value = value
    elif widget.inherits("QLineEdit"):
        for text in ("100, 90, 80", "not a number", ""):
            widget.text = text
            slicer.app.sendEvent(widget, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier))
    elif widget.inherits("ctkCollapsibleButton"):
        widget.collapsed = not widget.collapsed
        widget.collapsed = not widget.collapsed
    elif widget.inherits("QAbstractButton") and widget.isVisible() and widget.isEnabled():
        widget.click()
        settle(0.3)
        if widget.text == "Cancel" or widget.isCheckable():
            widget.click()
    settle(0.02)
