"""Between the panel's parameters and the analysis of a cohort: table, study, columns, results in words. No Qt."""

import enum
import functools
from pathlib import Path

from slicer.i18n import tr as _
from slicer.util import NodeModify

from ..cohort.columns import ColumnChoice, Match, check_columns, choose_columns
from ..errors import InputError
from ..mrml.cohort_job import CohortJob, CohortResult, add_example_cohort, published_study, table_name
from ..mrml.cohort_nodes import CohortOutputs, add_patients, column_names, nodes_by_name
from .packages import PARQUET, SPECIFICATION, SPREADSHEET, missingPackages
from .result_text import bullets

TEXTS = ("cohortSummaryText", "cohortWarningsText")
FIRST_TABLE, FIRST_CHART = "roc", "ROC"  # what is shown first, if there is one


class CohortStudy(enum.Enum):
    """What is analyzed. Saved by name: never rename a member."""

    BOLD = "bold"
    ASL = "asl"
    FILE = "file"

    def label(self) -> str:
        return {
            CohortStudy.BOLD: _("R2* and response (Xu et al. 2023)"),
            CohortStudy.ASL: _("Blood flow and response (Liu et al. 2022)"),
            CohortStudy.FILE: _("Specification file"),
        }[self]


# What two statisticians may choose differently. Saved by name: never rename a member. The values are those of
# cohort.spec.Choices; "" leaves what the study has.


class CohortTTest(enum.Enum):
    STUDY = ""
    STUDENT = "student"
    WELCH = "welch"

    def label(self) -> str:
        return _("As the study") if self is CohortTTest.STUDY else self.value.capitalize()


class CohortRankP(enum.Enum):
    STUDY = ""
    AUTO = "auto"
    EXACT = "exact"
    ASYMPTOTIC = "asymptotic"

    def label(self) -> str:
        return {CohortRankP.STUDY: _("As the study"), CohortRankP.AUTO: _("Exact if few and untied")}.get(
            self, self.value.capitalize()
        )


class CohortBootstrap(enum.Enum):
    STUDY = ""
    PERCENT_90 = "0.90"
    PERCENT_95 = "0.95"

    def label(self) -> str:
        return _("As the study") if self is CohortBootstrap.STUDY else f"{100 * float(self.value):g} %"


class CohortFinalValue(enum.Enum):
    STUDY = ""
    OBSERVER_1 = "observer-1"
    MEAN = "mean"

    def label(self) -> str:
        return {
            CohortFinalValue.STUDY: _("As the study"),
            CohortFinalValue.OBSERVER_1: _("Observer 1"),
            CohortFinalValue.MEAN: _("Mean of both"),
        }[self]


class CohortParameters:
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of the cohort section."""

    texts = TEXTS

    def __init__(self, parameterNode):
        self.values = parameterNode
        self._fingerprint = ((), "")  # (what it was computed from, it)

    # -- what is analyzed --

    def specification(self):
        """The chosen study, and how its table is written (readers.cohort_table.TableFormat, None for by the book).

        Raises:
            InputError: no file was chosen, or it cannot be used.
        """
        values = self.values
        if values.cohortStudy is not CohortStudy.FILE:
            spec, form = published_study(values.cohortStudy.value), None
        elif not values.cohortSpecification:
            raise InputError("no specification file is chosen", remedy="Choose one under Study")
        elif missingPackages(SPECIFICATION):
            raise InputError(
                "reading the specification needs packages that are not installed",
                remedy="Choose the file again, to install them",
            )
        else:
            spec, form = _parsed(values.cohortSpecificationName, values.cohortSpecification)
        chosen = self._choices()
        if chosen:
            from ..cohort.studies import with_choices

            spec = with_choices(spec, **chosen)
        return spec, form

    def _choices(self) -> dict:
        values = self.values
        found = {
            "t_test": values.cohortTTest.value,
            "p_value": values.cohortRankP.value,
            "final_value": values.cohortFinalValue.value,
        }
        if values.cohortBootstrap.value:
            found["bootstrap_confidence"] = float(values.cohortBootstrap.value)
        return {name: value for name, value in found.items() if value}

    def readSpecification(self, path: str) -> None:
        """Keep a specification file's text, so that the scene holds all it needs.

        Raises:
            InputError: it cannot be used; nothing is kept then.
        """
        from ..commands.cohort_description import read_cohort_description

        read_cohort_description(Path(path))
        with NodeModify(self.values.parameterNode):
            self.values.cohortSpecification = Path(path).read_text(encoding="utf-8-sig")
            self.values.cohortSpecificationName = Path(path).name
            self.values.cohortStudy = CohortStudy.FILE

    # -- the table --

    def loadTable(self, path: str) -> tuple[str, ...]:
        """A table file, or a folder of patients that ``npc-response assess`` has measured, as the chosen table node.

        Returns:
            What the reader passed over, in sentences.

        Raises:
            InputError: it cannot be read.
        """
        from ..readers.cohort_folder import read_result_folder
        from ..readers.cohort_table import TableFormat, read_table

        source = Path(path)
        if source.is_dir():
            table = read_result_folder(source)
        else:
            table = read_table(source, self._tableFormat() or TableFormat(), None)
        self.values.cohortTable = add_patients(table, table_name(source))
        return table.notes

    def _tableFormat(self):
        """How tables are written, as the specification says; None if there is none that could say it."""
        try:
            return self.specification()[1]
        except InputError:
            return None

    def loadExample(self) -> None:
        """Simulated patients of the chosen study, of the BOLD paper if that is a file."""
        study = CohortStudy.BOLD if self.values.cohortStudy is CohortStudy.FILE else self.values.cohortStudy
        self.values.cohortTable = add_example_cohort(study.value)

    def tableText(self) -> str:
        """How many patients and columns there are."""
        node = self.values.cohortTable
        if node is None:
            return ""
        return _("{rows} rows, {columns} columns").format(
            rows=node.GetNumberOfRows(), columns=node.GetNumberOfColumns()
        )

    # -- columns --

    def tableColumns(self) -> tuple[str, ...]:
        return () if self.values.cohortTable is None else column_names(self.values.cohortTable)

    def columnChoices(self) -> tuple[ColumnChoice, ...]:
        """For every column that the study needs which one of the table it is; empty without table or study."""
        if self.values.cohortTable is None:
            return ()
        try:
            spec, _form = self.specification()
        except InputError:
            return ()
        from ..cohort.studies import second_observers

        optional = second_observers(spec) if self._mayLackObservers() else ()
        return choose_columns(spec.columns(), self.tableColumns(), dict(self.values.cohortColumns), optional)

    def _mayLackObservers(self) -> bool:
        """A published analysis can do without the second observer; what a file asks for must be there."""
        return self.values.cohortStudy is not CohortStudy.FILE

    def chooseColumn(self, needed: str, column: str) -> None:
        """Somebody says which column it is; "" leaves it to the names."""
        kept = {name: chosen for name, chosen in dict(self.values.cohortColumns).items() if name != needed}
        self.values.cohortColumns = {**kept, needed: column} if column else kept

    def reasonNotReady(self) -> str:
        """Why nothing can be analyzed, in one sentence; "" when it can."""
        values = self.values
        if values.cohortTable is None:
            return _("Choose a table with one row per patient, load one, or press Example cohort.")
        if values.cohortTable in self._outputs().nodes():
            return _("The chosen table is itself a result; choose the table of patients.")
        try:
            self.specification()
            check_columns(self.columnChoices(), _("table {name}").format(name=values.cohortTable.GetName()))
        except InputError as error:
            return str(error)
        return ""

    def columnsToCheck(self) -> str:
        """A sentence about columns that were found by likeness; "" if there are none."""
        names = [choice.needed for choice in self.columnChoices() if choice.match is Match.NEAREST]
        if not names:
            return ""
        return _("Check these columns, the table calls them otherwise: {names}.").format(names=", ".join(names))

    def reasonOutdated(self) -> str:
        """Whether the results are of another table, study or choice than there is now."""
        if not self.values.cohortResultKey or self.reasonNotReady():
            return ""
        isSame = self.fingerprint() == self.values.cohortResultKey
        return "" if isSame else _("Something was changed since. Press Analyze again.")

    def fingerprint(self) -> str:
        """That of a job with the parameters as they are; computed anew when table or study have changed only."""
        table, (spec, form) = self.values.cohortTable, self.specification()
        basis = (table.GetID(), table.GetTable().GetMTime(), spec, form, self.columnChoices())
        if self._fingerprint[0] != basis:
            self._fingerprint = (basis, self.createJob().fingerprint)
        return self._fingerprint[1]

    # -- a run --

    def createJob(self) -> CohortJob:
        """Raises InputError."""
        spec, form = self.specification()
        options = {} if form is None else {"missing_words": form.missing_words, "decimal_comma": form.decimal_comma}
        columns = {choice.needed: choice.column for choice in self.columnChoices() if choice.match is Match.CHOSEN}
        options["may_lack_observers"] = self._mayLackObservers()
        return CohortJob(self.values.cohortTable, spec, columns, **options)

    def finishJob(self, job: CohortJob) -> CohortResult:
        """Write result nodes, and put the result into words."""
        from ..report.cohort_text import verdict_sentences

        result = job.finish(self._outputs())
        values, outputs = self.values, result.outputs
        with NodeModify(values.parameterNode):
            values.cohortTables, values.cohortCharts = outputs.tables, outputs.charts
            values.cohortShownTable = _kept(values.cohortShownTable, outputs.tables, FIRST_TABLE)
            values.cohortShownChart = _kept(values.cohortShownChart, outputs.charts, FIRST_CHART)
            values.cohortResultSource, values.cohortResultKey = values.cohortTable, result.fingerprint
            values.cohortSummaryText = bullets(verdict_sentences(result.analysis))
            values.cohortWarningsText = bullets(result.analysis.warnings)
            values.cohortDecisions = decisionsText(result)
        return result

    def _outputs(self) -> CohortOutputs:
        values = self.values
        return CohortOutputs(nodes_by_name(values.cohortTables), nodes_by_name(values.cohortCharts))

    def hasResults(self) -> bool:
        return bool(self._outputs().nodes())

    def shownTable(self):
        return self._outputs().tables.get(self.values.cohortShownTable)

    def shownChart(self):
        return self._outputs().charts.get(self.values.cohortShownChart)

    def resultTables(self) -> dict[str, object]:
        return self._outputs().tables

    def resultCharts(self) -> dict[str, object]:
        return self._outputs().charts

    def shortName(self, node) -> str:
        """A result's name without that of the table, which all of them begin with."""
        source, name = self.values.cohortResultSource, node.GetName()
        short = name.removeprefix(f"{source.GetName()} ") if source is not None else name
        return short[:1].upper() + short[1:]

    # -- nodes that go, other inputs --

    def releaseOtherResults(self) -> None:
        """Another table was chosen: its results go to new nodes, those of the first one stay as they are."""
        values = self.values
        mayStay = (None, values.cohortResultSource, *self._outputs().nodes())  # a result is no table of patients
        if values.cohortResultSource is not None and values.cohortTable not in mayStay:
            self._releaseResults()

    def forgetNode(self, node) -> None:
        """Take a node that is about to be removed out of the parameters."""
        values = self.values
        with NodeModify(values.parameterNode):
            if node is values.cohortResultSource:
                self._releaseResults()
            if node is values.cohortTable:
                values.cohortTable = None
            for name in ("cohortTables", "cohortCharts"):
                nodes = nodes_by_name(getattr(values, name))
                if any(other is node for other in nodes.values()):
                    setattr(values, name, {key: other for key, other in nodes.items() if other is not node})

    def _releaseResults(self) -> None:
        values = self.values
        with NodeModify(values.parameterNode):
            values.cohortTables, values.cohortCharts, values.cohortResultSource = {}, {}, None
            for name in (*TEXTS, "cohortDecisions", "cohortResultKey"):
                setattr(values, name, "")


def packagesFor(path: str) -> dict[str, str]:
    """What reading a table file needs beside what Slicer has."""
    ending = Path(path).suffix.lower()
    return {".xlsx": SPREADSHEET, ".xlsm": SPREADSHEET, ".parquet": PARQUET, ".pq": PARQUET}.get(ending, {})


def decisionsText(result: CohortResult) -> str:
    """What was read from where, every choice, and which test was taken and why (plain text)."""
    from ..cohort.decisions import decisions

    lines = [_("Columns")]
    for choice in result.columns:
        name = f"{choice.needed} = {choice.column}" if choice.differs else choice.needed
        lines.append(f"  {name} ({choice.match.value})")
    lines += ["", _("Choices")]
    lines += [f"  {name}: {value}" for name, value in result.analysis.spec.choices.in_words()]
    lines += ["", _("Decisions")]
    for decision in decisions(result.analysis):
        lines += [f"  {decision['what']}", *(f"    {sentence}" for sentence in decision["decision"])]
    return "\n".join(lines)


def _kept(key: str, nodes: dict, first: str) -> str:
    """What was shown if it is still there, else what is to be shown first, else anything."""
    if key in nodes or not nodes:
        return key
    return next((name for name in nodes if name.startswith(first)), next(iter(nodes)))


@functools.lru_cache(maxsize=4)
def _parsed(name: str, text: str):
    from ..commands.cohort_description import read_cohort_description

    return read_cohort_description(Path(name), text=text)
