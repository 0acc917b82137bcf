"""``npc-response cohort``: from a table of patients and a specification to the functional papers' tables and plots."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .interruption import Interruption
from .options import load_modules
from .progress import print_result, progress_bar

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
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace results of an earlier run in that folder; other files stay."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """See HELP."""
    _check(table, spec, output, example)
    summary, lines = _run(
        table, spec, example, output, context.obj.interruption, show_ids=show_ids, force=force, quiet=quiet
    )
    if as_json:
        print_result(json.dumps(summary, indent=2, allow_nan=False))
    elif not quiet:
        print_result("\n".join(lines))


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
    table: Path | None,
    spec: Path | None,
    example: ExampleName | None,
    output: Path,
    interruption: Interruption,
    *,
    show_ids: bool,
    force: bool,
    quiet: bool,
) -> tuple[dict, list[str]]:
    """Everything from reading to the last file; returns the JSON summary and the lines for a person."""
    from .staged_output import StagedOutput

    load_modules(interruption, "commands.cohort_results")
    from .cohort_results import OUTPUT_NAMES, Request, write_results

    with (
        StagedOutput(output, OUTPUT_NAMES, interruption, force=force, index_name=INDEX_NAME) as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        progress("Reading", 0.02)
        if example is not None:
            from .cohort_examples import write_example

            table, spec = write_example(example.value, staged.folder)
        request = Request(table, spec, show_ids=show_ids, example=example.value if example else "")
        analysis = _analyze(request, progress, interruption)
        progress("Writing", 0.85)
        results = write_results(request, analysis, staged.folder, interruption)
        progress("Finishing", 1.0)
        paths = staged.commit()
    summary = {**results.summary, "output_directory": str(staged.output)}
    return summary, [*results.lines, f"Wrote to {output}: {', '.join(path.name for path in paths)}"]


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
