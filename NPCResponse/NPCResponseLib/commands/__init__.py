"""The command line ``npc-response``: one command, one job; the same code as in Slicer behind it."""

import functools
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run ``npc-response`` with these arguments; returns its exit code. Never raises, never calls sys.exit."""
    return _program().run(arguments)


@functools.cache
def _program():
    # Inside, because Slicer's panel reads specifications with a module of this package and has no typer.
    from . import assess, cohort, phantom, r2star, tbf
    from .program import Program

    program = Program(
        "npc-response",
        help="Functional MRI response of nasopharyngeal carcinoma: R2*, tumor blood flow, diameters, RECIST. "
        "Research use only; not for diagnosis.",
        examples=(
            "npc-response phantom demo/input",
            "npc-response assess demo/input --output demo/result",
            "npc-response r2star --help",
        ),
    )
    for name, module in (
        ("r2star", r2star),
        ("tbf", tbf),
        ("assess", assess),
        ("cohort", cohort),
        ("phantom", phantom),
    ):
        program.add(name, module)
    return program
