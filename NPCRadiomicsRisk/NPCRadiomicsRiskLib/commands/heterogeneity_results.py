"""The features of a cohort, its paired statistics, and the files of the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from NPCResponseLib.commands.cohort_results import write_table
from NPCResponseLib.commands.results import (
    Results,
    heading,
    inputs_of,
    json_safe,
    lines_with_warnings,
    write_index,
)
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers.cohort_table import TableFormat, read_table
from NPCResponseLib.report.provenance import Provenance, input_record

from ..delimited_text import delimiter_of, has_decimal_commas, read_lines, read_text
from ..heterogeneity.comparison import compare_subregions
from ..heterogeneity.paired_values import PairedValues, paired_values_from_rows
from ..heterogeneity.tables import TABLE_NAMES, tables
from ..report import heterogeneity_figures
from ..report.heterogeneity_report import HeterogeneityReport, write_report
from ..robustness.cohort_size_control import TABLE_NAME as SIZE_CONTROL_NAME
from ..robustness.cohort_size_control import CohortSizeControl, cohort_size_control
from ..robustness.cohort_stability import FEWEST_PATIENTS, cohort_stability
from ..robustness.stability_tables import stability_tables
from .cohort_run import PatientOutcome, run_cohort
from .feature_rows import write_columns, write_rows
from .heterogeneity import INDEX_NAME
from .manifest import read_manifest
from .patient_measurement import MeasurementChoice
from .plain_results import size_control_from, stability_from

STABILITY_NAMES = ("stability", "stability_by_kind")
FEATURES_NAME, PATIENTS_NAME = "features.csv", "patients.csv"
OUTPUT_NAMES = (
    FEATURES_NAME,
    PATIENTS_NAME,
    *(f"{name}.csv" for name in (*TABLE_NAMES, SIZE_CONTROL_NAME, *STABILITY_NAMES)),
    *(f"{name}.{ending}" for name in heterogeneity_figures.NAMES for ending in ("svg", "png")),
    "report.html",
    INDEX_NAME,
)


@dataclass(frozen=True)
class Request:
    """Attributes:
    choice: how patients are measured; None if the table holds features.
    statistics: keyword arguments of compare_subregions.
    """

    table: Path
    statistics: dict
    choice: MeasurementChoice | None

    def parameters(self) -> list[tuple[str, str]]:
        shown = [
            ("--alpha", f"{self.statistics['alpha']:g}"),
            ("--correction", self.statistics["correction"]),
            ("--test", self.statistics["test"].replace(" S", "-s")),
        ]
        if self.choice is None:
            return shown
        shown += [
            ("--voi-mm", ",".join(f"{size:g}" for size in self.choice.region_size_mm)),
            ("--smallest-island", f"{self.choice.minimum_island_mm3:g}"),
            ("--size-control", str(self.choice.n_size_control)),
            ("--stability", str(self.choice.n_stability)),
            *self.choice.texture.parameters(),
        ]
        flags = (
            ("--allow-different-patients", self.choice.different_patients),
            ("--accept-unreliable-alignment", self.choice.accept_unreliable),
        )
        return shown + [(option, "") for option, on in flags if on]


@dataclass(frozen=True)
class MeasuredCohort:
    """Attributes:
    rows: of the feature table; empty if they were read.
    outcomes: of each patient; empty if features were read.
    """

    values: PairedValues
    rows: Sequence[dict] = ()
    outcomes: Sequence[PatientOutcome] = ()

    @property
    def failures(self) -> list[tuple[str, str]]:
        return [(outcome.patient, outcome.failure) for outcome in self.outcomes if outcome.failure]


def is_feature_table(path: Path) -> bool:
    """Whether a table holds features rather than files."""
    if path.suffix.lower() != ".csv":
        return True
    lines = read_lines(path)
    return bool(lines) and "region" in lines[0][1]


def format_of(path: Path) -> TableFormat:
    """How a CSV is written: a spreadsheet program may have saved it with semicolons and decimal commas."""
    text = read_text(path)
    return TableFormat(delimiter=delimiter_of(text), decimal_comma=has_decimal_commas(text))


def features_of_cohort(request: Request, n_jobs: int, kept: Path | None, progress, interruption) -> MeasuredCohort:
    """Read features, or measure every patient of the manifest.

    Raises:
        InputError: of the table; or fewer than two patients could be measured.
    """
    if request.choice is None:
        form = TableFormat()
        if request.table.suffix.lower() == ".csv":
            form = format_of(request.table)
        found = read_table(request.table, form, None, check=interruption.check)
        return MeasuredCohort(paired_values_from_rows(found))
    patients = read_manifest(request.table)
    if len(patients) < 2:
        raise InputError("it lists one patient", where=str(request.table), remedy="A comparison needs two")
    outcomes: list[PatientOutcome | None] = [None] * len(patients)
    finished = run_cohort(patients, request.choice, n_jobs=n_jobs, kept=kept, check=interruption.check)
    for done, (position, outcome) in enumerate(finished, start=1):
        outcomes[position] = outcome
        progress(f"{done} of {len(patients)} patients", 0.02 + 0.85 * done / len(patients))
    rows = [row for outcome in outcomes for row in outcome.rows]
    measured = [outcome for outcome in outcomes if not outcome.failure]
    if len(measured) < 2:
        first = next((f"{each.patient}: {each.failure}" for each in outcomes if each.failure), "")
        raise InputError(
            f"{len(measured)} of {len(outcomes)} patients could be measured. {first}".strip().rstrip("."),
            remedy="A comparison needs two",
        )
    return MeasuredCohort(paired_values_from_rows(rows), rows, outcomes)


def write_results(request: Request, measured: MeasuredCohort, folder: Path, progress, interruption) -> Results:
    """Write every file into a (staging) folder."""
    progress("Comparing", 0.88)
    analysis = compare_subregions(measured.values, **request.statistics)
    beyond = _size_control(measured, analysis)
    stability, remarks = _stability(request, measured, progress, interruption)
    found = [
        *tables(analysis),
        *([beyond.table()] if beyond else ()),
        *(stability_tables(stability) if stability else ()),
    ]
    for table in found:
        write_table(table, folder / f"{table.name}.csv")
    if measured.rows:
        write_rows(measured.rows, folder / FEATURES_NAME)
        write_columns(_patient_columns(measured.outcomes), folder / PATIENTS_NAME)
    interruption.check()
    progress("Drawing", 0.94)
    figures = heterogeneity_figures.draw(analysis, measured.values)
    heterogeneity_figures.save(figures, folder)
    interruption.check()
    progress("Writing the report", 0.97)
    report = HeterogeneityReport(
        analysis=analysis,
        tables=found,
        figures=figures,
        failures=measured.failures,
        patient_warnings=[(each.patient, warning) for each in measured.outcomes for warning in each.warnings],
        settings=request.choice.texture.settings() if request.choice else None,
        provenance=Provenance.now(request.parameters(), [input_record(request.table, "table")]),
        size_control=beyond,
        stability=stability,
        remarks=remarks,
    )
    write_report(report, folder / "report.html")
    interruption.check()
    summary = summarize(request, report)
    write_index(summary, folder, INDEX_NAME)
    return Results(summary, lines_for_people(report))


def _size_control(measured: MeasuredCohort, analysis) -> CohortSizeControl | None:
    patients = {each.patient: size_control_from(each.size_control) for each in measured.outcomes if each.size_control}
    return cohort_size_control(patients, analysis) if len(patients) > 1 else None


def _stability(request: Request, measured: MeasuredCohort, progress, interruption):
    """Stability over the cohort, or None; and why not, if it was asked for."""
    patients = {each.patient: stability_from(each.stability) for each in measured.outcomes if each.stability}
    if not patients:
        return None, ()
    if len(patients) < FEWEST_PATIENTS:
        return None, (f"Stability over patients takes {FEWEST_PATIENTS} of them, and {len(patients)} were measured.",)

    def told(fraction: float) -> None:
        progress("Comparing perturbed contours", 0.88 + 0.06 * fraction)
        interruption.check()

    return cohort_stability(patients, progress=told, **request.statistics), ()


def _patient_columns(outcomes: Sequence[PatientOutcome]) -> dict[str, list]:
    """One row per patient, failed ones too."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.summary or {}))
    columns: dict[str, list] = {"patient": [outcome.patient for outcome in outcomes]}
    columns |= {name: [(outcome.summary or {}).get(name) for outcome in outcomes] for name in names}
    columns["failure"] = [outcome.failure for outcome in outcomes]
    columns["warnings"] = [" ".join(outcome.warnings) for outcome in outcomes]
    return columns


def summarize(request: Request, report: HeterogeneityReport) -> dict:
    """The exact decisions and every number, as plain JSON values."""
    analysis = report.analysis
    return json_safe(
        {
            **heading(report.provenance),
            "n_patients": analysis.n,
            "verdict": report.verdict(),
            "choices": {**request.statistics, "n_tests": analysis.n_tests, "threshold": analysis.threshold},
            "texture_settings": vars(report.settings) if report.settings else None,
            "significant": list(analysis.significant),
            "size_control": None
            if report.size_control is None
            else {
                "n_divisions": report.size_control.n_divisions,
                "beyond_size": list(report.size_control.beyond_size),
                "opposite": list(report.size_control.opposite),
                "size_alone": list(report.size_control.size_alone),
            },
            "decisions": list(analysis.decisions),
            "tables": {
                table.name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
                for table in report.tables
            },
            "failures": [{"patient": patient, "reason": reason} for patient, reason in report.failures],
            "warnings": report.warnings(),
            "inputs": inputs_of(report.provenance),
            "versions": report.provenance.versions,
        }
    )


def lines_for_people(report: HeterogeneityReport) -> list[str]:
    """The result in a few lines for a terminal."""
    return lines_with_warnings(report.verdict(), report.warnings())
