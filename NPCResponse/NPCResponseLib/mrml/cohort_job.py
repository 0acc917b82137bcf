"""One analysis of a cohort: from a table node to result nodes, in steps. Numbers are computed on plain arrays."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cohort.columns import check_columns, choose_columns, notes_on_columns
from ..errors import InputError
from .cohort_nodes import CohortOutputs, add_patients, column_names, patients_of, write_cohort

EXAMPLE_NAMES = {"bold": "Example cohort BOLD", "asl": "Example cohort ASL"}


@dataclass(frozen=True, eq=False)
class CohortResult:
    """Attributes:
    analysis: cohort.analysis.CohortAnalysis; its warnings name columns that were read under another name.
    columns: which column each needed one was read from.
    tables: cohort.tables.ResultTable, as in the nodes.
    fingerprint: of the cells and of what was asked for.
    """

    analysis: object
    columns: tuple
    tables: tuple
    outputs: CohortOutputs
    fingerprint: str


class CohortJob:
    """
    Args:
        node: table node with one row per patient.
        spec: cohort.spec.CohortSpec.
        columns: for columns of the specification those of the table. Others are found by name; one that is only alike
            is used, and a warning of the result says so.
        may_lack_observers: the second observer's columns may be missing; a warning of the result says so.
        missing_words, decimal_comma: how the table is written, see cohort.table.Table.

    Raises:
        InputError: a column that is missing or chosen twice.
    """

    def __init__(
        self,
        node,
        spec,
        columns: Mapping[str, str] | None = None,
        *,
        may_lack_observers: bool = False,
        missing_words: Sequence[str] = (),
        decimal_comma: bool = False,
    ):
        from ..cohort.studies import second_observers, with_columns, without_second_observers

        self.node, self._analysis = node, None
        optional = second_observers(spec) if may_lack_observers else ()
        self.columns = choose_columns(spec.columns(), column_names(node), columns, optional)
        check_columns(self.columns, f"table {node.GetName()}")
        spec = without_second_observers(spec, [choice.needed for choice in self.columns if not choice.column])
        self.spec = with_columns(spec, {choice.needed: choice.column for choice in self.columns})
        self._table = patients_of(
            node,
            self.spec.columns(),
            missing_words=missing_words,
            decimal_comma=decimal_comma,
            notes=notes_on_columns(self.columns),
        )

    @property
    def fingerprint(self) -> str:
        """Short text that changes with anything that the result rests on."""
        cells = {name: [f"{cell:.9g}" if isinstance(cell, float) else cell for cell in self._table.columns[name]]
                 for name in sorted(self._table.columns)}  # fmt: skip
        basis = (self.spec, self.columns, cells, self._table.missing_words, self._table.decimal_comma)
        return hashlib.sha256(repr(basis).encode()).hexdigest()

    def steps(self) -> Generator[float, None, None]:
        """Compute; yields the fraction that is done. Touches no node. Raises InputError."""
        from ..cohort.analysis import analysis_steps

        steps = analysis_steps(self._table, self.spec)
        while True:
            try:
                _doing, fraction = next(steps)
            except StopIteration as done:
                self._analysis = done.value
                return
            yield fraction

    def finish(self, outputs: CohortOutputs | None = None) -> CohortResult:
        """Write what the steps found into nodes: into those of ``outputs``, new ones for the rest."""
        from ..cohort.charts import charts
        from ..cohort.tables import result_tables

        tables = result_tables(self._analysis)
        written = write_cohort(tables, charts(self._analysis), outputs, source=self.node)
        return CohortResult(self._analysis, self.columns, tables, written, self.fingerprint)

    def run(self, outputs: CohortOutputs | None = None) -> CohortResult:
        """All steps at once."""
        for _fraction in self.steps():
            pass
        return self.finish(outputs)


def published_study(name: str):
    """The specification of "bold" (Xu et al. 2023) or "asl" (Liu et al. 2022). Raises InputError for another name."""
    from ..cohort.studies import STUDIES

    if name not in STUDIES:
        raise InputError(f'there is no study "{name}"', remedy=f"Known are {' and '.join(STUDIES)}")
    return STUDIES[name]


def add_example_cohort(study: str = "bold"):
    """Simulated patients of a paper as a new table node, the same as those of ``npc-response cohort --example``."""
    from ..cohort.table import NumberedRows, Table
    from ..cohort.virtual import example_columns

    if study not in EXAMPLE_NAMES:
        raise InputError(f'there is no example "{study}"', remedy=f"Known are {' and '.join(EXAMPLE_NAMES)}")
    columns = example_columns(study)
    return add_patients(Table(columns, NumberedRows(range(len(columns["patient"])))), EXAMPLE_NAMES[study])


def table_name(path: Path) -> str:
    """How a table from a file or folder is called in the scene."""
    return path.name if path.is_dir() else path.stem
