"""The command line ``npc-response``: one command, one job; the same code as in Slicer behind it."""

from . import assess, cohort, phantom, r2star, tbf
from .program import Program

_program = Program(
    "npc-response",
    help="Functional MRI response of nasopharyngeal carcinoma: R2*, tumor blood flow, diameters, RECIST. "
    "Research use only; not for diagnosis.",
    examples=(
        "npc-response phantom demo/input",
        "npc-response assess demo/input --output demo/result",
        "npc-response r2star --help",
    ),
)
_program.add("r2star", r2star)
_program.add("tbf", tbf)
_program.add("assess", assess)
_program.add("cohort", cohort)
_program.add("phantom", phantom)

run = _program.run
