"""The files of a cohort analysis: tables, plots, report, decisions; and its summary for scripts and for people."""

import csv
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..cohort.analysis import CohortAnalysis
from ..cohort.decisions import decisions
from ..cohort.tables import TABLE_NAMES, ResultTable, result_tables
from ..report import cohort_figures
from ..report.cohort_report import CohortReport, write_report
from ..report.cohort_text import verdict_sentences
from ..report.provenance import Provenance, input_record
from .cohort import INDEX_NAME
from .cohort_description import MOST_GROUPINGS
from .cohort_examples import NAMES as EXAMPLE_NAMES
from .results import Results, heading, inputs_of, json_safe, lines_with_warnings, write_index

FIGURE_NAMES = (
    *(f"{kind}_{number}" for kind in ("boxes", "roc") for number in range(1, MOST_GROUPINGS + 1)),
    "paired",
    "correlations",
    "bland_altman",
)
VALUES_NAME = "values.csv"
OUTPUT_NAMES = (
    *(f"{name}.csv" for name in TABLE_NAMES),
    *(f"{name}.{ending}" for name in FIGURE_NAMES for ending in ("svg", "png")),
    *EXAMPLE_NAMES,
    VALUES_NAME,
    "report.html",
    INDEX_NAME,
)


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    table: Path
    spec: Path
    show_ids: bool = False
    example: str = ""

    def parameters(self) -> list[tuple[str, str]]:
        shown = [("--example", self.example)] if self.example else [("--spec", "(file)")]
        return [*shown, *([("--show-ids", "")] if self.show_ids else [])]


def write_results(request: Request, analysis: CohortAnalysis, folder: Path, interruption) -> Results:
    """Write every file into a (staging) folder."""
    tables = result_tables(analysis)
    for table in tables:
        write_table(table, folder / f"{table.name}.csv")
    if request.show_ids:
        write_values(analysis, folder / VALUES_NAME)
    interruption.check()
    figures = cohort_figures.draw(analysis)
    cohort_figures.save(figures, folder)
    interruption.check()
    report = CohortReport(
        analysis=analysis,
        tables=tables,
        figures=figures,
        provenance=Provenance.now(
            request.parameters(), [input_record(request.table, "table"), input_record(request.spec, "specification")]
        ),
        title=analysis.spec.title,
    )
    write_report(report, folder / "report.html")
    interruption.check()
    summary = summarize(report)
    write_index(summary, folder, INDEX_NAME)
    return Results(summary, lines_for_people(analysis))


def write_table(table: ResultTable, path: Path) -> None:
    """CSV, UTF-8, points as decimals, empty where there is no value."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows([_cell(cell) for cell in row] for row in table.rows)


def write_values(analysis: CohortAnalysis, path: Path) -> None:
    """Every final value as it was used, with identifiers: only where the user asked for them."""
    values = analysis.values
    names = ["row" if not values.ids else analysis.spec.id_column]
    names += [group.grouping.name for group in values.groups]
    names += [each.parameter.name for each in values.parameters]
    columns: list = [values.ids or range(1, values.n + 1)]
    for group in values.groups:
        positive, negative = group.grouping.names
        columns.append(["" if np.isnan(v) else positive if v else negative for v in group.is_positive])
    columns += [[None if np.isnan(v) else float(v) for v in each.final] for each in values.parameters]
    write_table(ResultTable("values", "", tuple(names), tuple(zip(*columns, strict=True))), path)


def _cell(value) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def summarize(report: CohortReport) -> dict:
    """The exact decisions and every number, as plain JSON values; no identifiers, no file names."""
    analysis = report.analysis
    spec = analysis.spec
    return json_safe(
        {
            **heading(report.provenance),
            "n_patients": analysis.n,
            "verdict": verdict_sentences(analysis),
            "choices": asdict(spec.choices),
            "choices_in_words": dict(spec.choices.in_words()),
            "specification": {key: value for key, value in asdict(spec).items() if key not in ("choices",)},
            "decisions": decisions(analysis),
            "tables": {
                table.name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
                for table in report.tables
            },
            "warnings": list(analysis.warnings),
            "inputs": inputs_of(report.provenance),
            "versions": report.provenance.versions,
        }
    )


def lines_for_people(analysis: CohortAnalysis) -> list[str]:
    """The result in a few lines for a terminal."""
    lines = list(verdict_sentences(analysis))
    choices = analysis.spec.choices.in_words()[:4]
    lines.append("Choices: " + "; ".join(f"{name.lower()}: {value}" for name, value in choices) + ".")
    return lines_with_warnings(lines, analysis.warnings)
