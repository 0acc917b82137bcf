"""``npc-response cohort``: from a table of patients and a specification to the functional papers' tables and plots."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import shared_options as shared
from .interruption import Interruption
from .options import load_modules
from .staged_run import run_staged

HELP = (
    "Analyze a cohort: groups, paired changes, ROC with cutoffs, correlations, counts, agreement of observers.\n\n"
    "Takes a table (CSV, TSV, XLSX, Parquet) or a folder of results of 'npc-response assess', and a specification "
    "(YAML or JSON) that names its columns. Writes tables (CSV), plots (SVG, PNG), report.html and decisions.json. "
    "Research use only; not for diagnosis."
)
EXAMPLES = (
    "Examples:\n\n"
    "  npc-response cohort --example bold -o demo/bold\n\n"
    "  npc-response cohort patients.csv --spec spec.yaml -o result\n\n"
    "  npc-response cohort patients.xlsx --spec spec.yaml -o result --json\n\n"
    "A specification names columns, groups and choices:\n\n"
    "  version: 1\n\n"
    "  patient: id\n\n"
    "  groups: [{name: response, column: group, positive: RG, negative: NRG}]\n\n"
    "  parameters: [{name: R2*pre, unit: Hz, column: r2star_pre}]"
)
INDEX_NAME = "decisions.json"


class ExampleName(str, Enum):
    bold = "bold"
    asl = "asl"


def command(
    context: typer.Context,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="TABLE", help="Table of patients, or a folder of results.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="For the results; made if need be.", show_default=False),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", "-s", metavar="FILE", help="What to analyze (YAML or JSON).", show_default=False),
    ] = None,
    example: Annotated[
        ExampleName | None,
        typer.Option(
            metavar="PAPER", help="Instead of a table: simulated patients of a paper (bold, asl).", show_default=False
        ),
    ] = None,
    show_ids: Annotated[
        bool,
        typer.Option("--show-ids", help="Also write values.csv: identifiers with every value that was used."),
    ] = False,
    force: shared.Force = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """See HELP."""
    _check(table, spec, output, example)
    interruption = context.obj.interruption
    load_modules(interruption, "commands.cohort_results")
    from .cohort_results import OUTPUT_NAMES

    def work(staged, progress):
        return _run(table, spec, example, show_ids, staged.folder, progress, interruption)

    run_staged(
        work, output, OUTPUT_NAMES, interruption, index_name=INDEX_NAME, force=force, as_json=as_json, quiet=quiet
    )


def _check(table: Path | None, spec: Path | None, output: Path | None, example: ExampleName | None) -> None:
    if output is None:
        raise InputError("it is not said where the results go", remedy="Add --output FOLDER")
    if example is not None:
        if table is not None or spec is not None:
            raise InputError("--example brings its own table and specification", remedy="Leave out TABLE and --spec")
        return
    if table is None:
        raise InputError("no table of patients", remedy="Name a table, or try --example bold")
    if not table.exists():
        raise InputError("no such file or folder", where=str(table), remedy="Check the path")
    if spec is None:
        raise InputError(
            "it is not said which columns are what", remedy="Add --spec FILE; --example bold writes one to start from"
        )


def _run(
    table: Path | None, spec: Path | None, example: ExampleName | None, show_ids: bool, folder: Path, progress,
    interruption: Interruption,
):  # fmt: skip
    """Everything from reading to the last file; returns Results."""
    from .cohort_results import Request, write_results

    progress("Reading", 0.02)
    if example is not None:
        from .cohort_examples import write_example

        table, spec = write_example(example.value, folder)
    request = Request(table, spec, show_ids=show_ids, example=example.value if example else "")
    analysis = _analyze(request, progress, interruption)
    progress("Writing", 0.85)
    return write_results(request, analysis, folder, interruption)


def _analyze(request, progress, interruption: Interruption):
    load_modules(interruption, "cohort.analysis", "commands.cohort_description")
    from ..cohort.analysis import analyze_cohort
    from ..readers.cohort_folder import read_result_folder
    from ..readers.cohort_table import read_table
    from .cohort_description import read_cohort_description

    spec, form = read_cohort_description(request.spec)
    if request.table.is_dir():
        table = read_result_folder(request.table)
    else:
        table = read_table(request.table, form, spec.columns(), check=interruption.check)
    interruption.check()

    def told(doing: str, part: float) -> None:
        interruption.check()
        progress(doing, 0.1 + 0.75 * part)

    return analyze_cohort(table, spec, told)
