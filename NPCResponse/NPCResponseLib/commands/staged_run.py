"""A run from reading to the last file: results appear whole or not at all, and are told when they are there."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

from .interruption import Interruption
from .options import load_modules
from .progress import ShowProgress, print_result, progress_bar
from .staged_output import StagedOutput


def run_staged(
    work: Callable[[StagedOutput, ShowProgress], "Results"],  # noqa: F821  its module loads NumPy
    output: Path,
    names: Collection[str],
    interruption: Interruption,
    *,
    index_name: str,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Let ``work`` write into a staging folder, move what it wrote into place, and print what it tells.

    Args:
        work: takes the StagedOutput and a function to show progress by; returns Results.
        names, index_name: see StagedOutput.

    Raises:
        InputError: see StagedOutput; and what ``work`` raises.
    """
    with (
        StagedOutput(output, names, interruption, force=force, index_name=index_name) as staged,
        progress_bar(quiet=quiet) as progress,
    ):
        results = work(staged, progress)
        progress("Finishing", 1.0)
        paths = staged.commit()
    if as_json:
        summary = {**results.summary, "output_directory": str(staged.output)}
        print_result(json.dumps(summary, indent=2, allow_nan=False))
    elif not quiet:
        wrote = f"Wrote to {output}: {', '.join(path.name for path in paths)}"
        print_result("\n".join([*results.lines, wrote]))


def empty_scene(interruption: Interruption) -> None:
    """Start the scene; what an earlier run in the same process left would end in the saved one."""
    load_modules(interruption, "headless")
    from .. import headless

    with interruption.deferred():
        headless.start().Clear(0)
    interruption.check()
