"""Between the panel's parameters and the stability of features: what is missing, and where results go. No Qt."""

from html import escape

from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.widgets.result_text import bullets

from ..mrml.feature_stability import StabilityJob, StabilityOutputs, StabilityResult
from ..robustness.stability import GRADES
from ..texture.panel47 import PUBLISHED_SIGNIFICANT
from .feature_parameters import FeatureParameters
from .section_parameters import SectionParameters

TEXTS = ("stabilityText",)


class StabilityParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the stability test."""

    outputs = {"stabilityTable": "table"}
    texts = TEXTS
    sources, mainOutput = ("stabilityResultVolume",), "stabilityTable"

    def __init__(self, parameterNode):
        super().__init__(parameterNode)
        self._features = FeatureParameters(parameterNode)

    def sourceNodes(self) -> tuple:
        return (self._features.volume(),)

    def nodesInUse(self) -> list:
        nodes = (self._features.volume(), self.values.divideSegmentation)
        return [node for node in nodes if node is not None]

    def reasonNotReady(self) -> str:
        """Why nothing can be tested, in one sentence; "" when it can."""
        if self._features.volume() is None:
            return _("Choose the pre-treatment scan, under Patient, or another image.")
        if not self._features.subRegions():
            return _("Divide the tumor first: outlines of GTV and GTVr are what is disturbed.")
        return ""

    def choices(self) -> list[tuple[str, str]]:
        """Those of the features, then the repetitions; raises InputError."""
        return [*self._features.choices(), ("--stability", str(self.values.stabilityRepetitions))]

    def createJob(self) -> StabilityJob:
        """Raises InputError."""
        self._sourcesOfJob = self.sourceNodes()
        return StabilityJob(
            self._features.volume(),
            self.values.divideSegmentation,
            self._features.settings(),
            n=self.values.stabilityRepetitions,
            different_patients=self.values.differentPatients,
        )

    def finishJob(self, job: StabilityJob) -> StabilityResult:
        """Write the table, and put the result into words."""
        result = job.finish(StabilityOutputs(**self.outputNodes()))
        with NodeModify(self.values.parameterNode):
            self.keepOutputs(result.outputs)
            self.keepSources(self._sourcesOfJob)
            self.values.stabilityText = stabilityText(result.stability)
        return result


def stabilityText(stability) -> str:
    """How many differences survive, and which of the paper's (HTML)."""
    words = {
        "survives": _("survive"), "mostly": _("survive mostly"), "does not survive": _("do not survive"),
        "no difference": _("no difference"), "not defined": _("not defined"),
    }  # fmt: skip
    lines = []
    for grade in GRADES:
        names = [each.name for each in stability.features if each.grade == grade]
        if names:
            published = [name for name in names if name in PUBLISHED_SIGNIFICANT]
            text = _("{count} {words}").format(count=len(names), words=words.get(grade, grade))
            of = ": " + _("of the paper's {names}").format(names=", ".join(published)) if published else ""
            lines.append(f"<b>{escape(text)}</b>{escape(of)}")
    return "<br>".join([*lines, bullets(list(stability.warnings))])
