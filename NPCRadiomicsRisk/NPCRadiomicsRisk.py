"""Slicer module NPCRadiomicsRisk: tumor sub-regions, radiomics and risk. A placeholder: nothing is computed yet."""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class NPCRadiomicsRisk(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("NPC Radiomics and Risk")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["NPCResponse"]
        parent.contributors = ["NPCImaging developers"]
        parent.helpText = _(
            "Tumor sub-regions, radiomic features, published signatures and risk of nasopharyngeal carcinoma."
            " <b>Not implemented in this version: the module computes nothing yet.</b>"
            " For research use only, not for diagnosis."
            ' More in the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/NPCImaging/SlicerNPCImaging#readme")
        parent.acknowledgementText = _("Part of NPCImaging; see its CITATION.cff.")


class NPCRadiomicsRiskWidget(ScriptedLoadableModuleWidget):
    """A panel that says what is not there yet, and leads to what is."""

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/NPCRadiomicsRisk.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.ui.openResponseButton.connect("clicked(bool)", self.onOpenResponse)

    def onOpenResponse(self, *_unused) -> None:
        slicer.util.selectModule("NPCResponse")


class NPCRadiomicsRiskLogic(ScriptedLoadableModuleLogic):
    """Nothing is computed yet; the class is here because Slicer's tools look for it."""


class NPCRadiomicsRiskTest(ScriptedLoadableModuleTest):
    """The self test that Slicer and CTest run."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for test in (self.test_sharesTheLibraryOfNPCResponse, self.test_panelSaysThatNothingIsComputedYet):
            self.setUp()
            test()

    def test_sharesTheLibraryOfNPCResponse(self):
        import NPCRadiomicsRiskLib  # noqa: F401 - installed beside the module file
        from NPCResponseLib import __version__

        self.assertTrue(__version__)

    def test_panelSaysThatNothingIsComputedYet(self):
        if slicer.util.mainWindow() is None:
            self.skipTest("needs a main window")
        slicer.util.selectModule("NPCRadiomicsRisk")
        panel = slicer.util.getModuleWidget("NPCRadiomicsRisk")
        self.assertIn("not", panel.ui.stateLabel.text)
        panel.ui.openResponseButton.click()
        self.assertEqual(slicer.util.selectedModule(), "NPCResponse")
