"""Between the panel's parameters and the comparison over many patients: rows, what is missing, words. No Qt."""

from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.mrml.cohort_nodes import CohortOutputs, nodes_by_name
from NPCResponseLib.widgets.result_text import bullets

from ..mrml.cohort_features import (
    RegionComparison,
    RegionComparisonJob,
    add_patient,
    fingerprint_of,
    load_cohort,
    n_patients,
)
from ..subregions.division import GTVNR, GTVR
from .section_parameters import SectionParameters

TEXTS = ("cohortSummaryText", "cohortNotesText")
FIRST_TABLE = "comparison"
FEWEST_PATIENTS = 2


class CohortParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the part Many patients."""

    inputs = ("cohortTable",)
    texts = TEXTS
    sources, mainOutput = ("cohortResultSource",), "cohortResultSource"

    def __init__(self, parameterNode):
        super().__init__(parameterNode)
        self._fingerprint = ((), "")  # (state of the table, hash of its cells)

    def sourceNodes(self) -> tuple:
        return (self.values.cohortTable,)

    def nodesInUse(self) -> list:
        return self.inputNodes()

    def hasResults(self) -> bool:
        return bool(self._outputs().nodes())

    # -- rows --

    def reasonNotAdded(self, result) -> str:
        """Why the features (FeaturesResult or None) cannot become rows; "" if they can."""
        if result is None:
            return _("Compute the features of this patient first, in this session.")
        if not {GTVR, GTVNR} <= set(result.features):
            return _("Measure the sub-regions GTVr and GTVnr, not other segments.")
        if not self.values.cohortPatient.strip():
            return _("Give the patient a label first, under Patient.")
        return ""

    def addPatient(self, result) -> None:
        """Raises InputError."""
        values = self.values
        values.cohortTable = add_patient(values.cohortTable, values.cohortPatient, result.features)

    def loadTable(self, path: str) -> None:
        """Raises InputError."""
        self.values.cohortTable = load_cohort(path)

    # -- a run --

    def reasonNotReady(self) -> str:
        """Why nothing can be compared, in one sentence; "" when it can."""
        table = self.values.cohortTable
        if table is None:
            return _("Choose or load a cohort table, or add patients to a new one.")
        if table in self._outputs().nodes():
            return _("The chosen table is itself a result; choose the table of patients.")
        if n_patients(table) < FEWEST_PATIENTS:
            return _("Two patients at least are needed, and many more to find anything.")
        return ""

    def choices(self) -> list[tuple[str, str]]:
        values = self.values
        return [("--test", values.cohortTest.value.replace(" S", "-s")),
                ("--correction", values.cohortCorrection.value)]  # fmt: skip

    def createJob(self) -> RegionComparisonJob:
        """Raises InputError."""
        values = self.values
        self._sourcesOfJob = self.sourceNodes()
        return RegionComparisonJob(
            values.cohortTable, test=values.cohortTest.value, correction=values.cohortCorrection.value
        )

    def finishJob(self, job: RegionComparisonJob) -> RegionComparison:
        """Write result nodes, and put the result into words."""
        result = job.finish(self._outputs())
        values, outputs = self.values, result.outputs
        with NodeModify(values.parameterNode):
            values.cohortTables, values.cohortCharts = outputs.tables, outputs.charts
            if values.cohortShownTable not in outputs.tables:
                values.cohortShownTable = FIRST_TABLE if FIRST_TABLE in outputs.tables else next(iter(outputs.tables))
            self.keepSources(self._sourcesOfJob)
            values.cohortSummaryText = summaryText(result.analysis)
            values.cohortNotesText = bullets(
                list(dict.fromkeys([*result.analysis.decisions, *result.analysis.warnings]))
            )
        return result

    def reasonNoReport(self, result: RegionComparison | None) -> str:
        """Why there can be no report of a result of this session (or None), in one sentence; "" when there can."""
        if not self.hasResults():
            return _("There are no results yet. Press Compare first.")
        if result is None:
            return _("The report needs the comparison of this session: press Compare first.")
        if result.fingerprint != self._fingerprintOfTable():
            return _("The table was changed since. Press Compare again.")
        return ""

    def _fingerprintOfTable(self) -> str:
        """Hashed anew only when the table has changed: this is asked for at every change of the panel."""
        table = self.values.cohortResultSource
        if table is None:
            return ""
        state = table.GetID(), table.GetTable().GetMTime()
        if self._fingerprint[0] != state:
            self._fingerprint = state, fingerprint_of(table)
        return self._fingerprint[1]

    def _outputs(self) -> CohortOutputs:
        values = self.values
        return CohortOutputs(nodes_by_name(values.cohortTables), nodes_by_name(values.cohortCharts))

    def resultTables(self) -> dict[str, object]:
        return self._outputs().tables

    def shownTable(self):
        return self.resultTables().get(self.values.cohortShownTable)

    def shownChart(self):
        return next(iter(self._outputs().charts.values()), None)

    def releaseResults(self) -> None:
        with NodeModify(self.values.parameterNode):
            super().releaseResults()
            self.values.cohortTables, self.values.cohortCharts = {}, {}

    def forgetNode(self, node) -> None:
        values = self.values
        with NodeModify(values.parameterNode):
            super().forgetNode(node)
            for name in ("cohortTables", "cohortCharts"):
                nodes = nodes_by_name(getattr(values, name))
                if any(other is node for other in nodes.values()):
                    setattr(values, name, {key: other for key, other in nodes.items() if other is not node})


def summaryText(analysis) -> str:
    """How many features differ, and which (HTML)."""
    names = list(analysis.significant)
    headline = _("{count} of {total} features differ between GTVr and GTVnr in {n} patients").format(
        count=len(names), total=analysis.n_tests, n=analysis.n
    )
    sentences = [headline]
    if names:
        agree = [name for name in names if analysis.feature(name).direction_agrees]
        sentences.append(", ".join(names))
        sentences.append(
            _("Of these in the direction of the paper: {names}").format(names=", ".join(agree) or _("none"))
        )
    return bullets(sentences, isFirstBold=True)
