"""The command line ``npc-response``: one command, one job; the same code as in Slicer behind it.

Exit codes: 0 done, 2 something the user can mend (one line says what), 130 or 143 interrupted, 1 a defect of this
software (with its traceback). Heavy libraries are imported inside the commands, so that ``--help`` and shell completion
answer at once.
"""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from .. import __version__
from ..errors import InputError
from . import assess, cohort, phantom, r2star, tbf
from .foreign_output import ForeignOutput
from .interruption import Interrupted, Interruption
from .staged_output import USER_ERRNOS

PROGRAM = "npc-response"
# Typer carries its own copy of click or uses the installed one, depending on its version; this is its usage error.
UsageError = typer.BadParameter.__base__

app = typer.Typer(
    help="Functional MRI response of nasopharyngeal carcinoma: R2*, tumor blood flow, diameters, RECIST. "
    "Research use only; not for diagnosis.",
    epilog="Examples:\n\n"
    "  npc-response phantom demo/input\n\n"
    "  npc-response assess demo/input --output demo/result\n\n"
    "  npc-response r2star --help",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("r2star", help=r2star.HELP, epilog=r2star.EXAMPLES)(r2star.command)
app.command("tbf", help=tbf.HELP, epilog=tbf.EXAMPLES)(tbf.command)
app.command("assess", help=assess.HELP, epilog=assess.EXAMPLES)(assess.command)
app.command("cohort", help=cohort.HELP, epilog=cohort.EXAMPLES)(cohort.command)
app.command("phantom", help=phantom.HELP, epilog=phantom.EXAMPLES)(phantom.command)


@dataclass(frozen=True)
class Session:
    """What every command gets from the program around it."""

    interruption: Interruption


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run the program with these arguments; returns its exit code. Never raises, never calls sys.exit."""
    foreign = ForeignOutput()
    with Interruption() as interruption:
        try:
            with foreign.taken():
                result = app(
                    args=list(arguments) or ["--help"],
                    prog_name=PROGRAM,
                    standalone_mode=False,
                    obj=Session(interruption),
                )
            return result if isinstance(result, int) else 0
        except Interrupted as stop:
            return _stopped(stop)
        except SystemExit as leave:  # how shell completion ends
            return leave.code if isinstance(leave.code, int) else 0
        except Exception as error:  # noqa: BLE001  the outermost frame: every failure gets its exit code here
            if interruption.received is not None:
                return _stopped(Interrupted(interruption.received))
            return _failed(error, foreign)
        finally:
            foreign.close()


def _stopped(stop: Interrupted) -> int:
    _say("interrupted; no results were changed")
    return stop.exit_code


def _failed(error: Exception, foreign: ForeignOutput) -> int:
    if isinstance(error, InputError):
        _say(f"error: {error}")
        return 2
    if isinstance(error, UsageError):
        command = error.ctx.command_path if error.ctx else PROGRAM
        _say(f"error: {error.format_message()} Try '{command} --help'.")
        return 2
    if isinstance(error, OSError) and error.errno in USER_ERRNOS:
        _say(f"error: {error.strerror}{f': {error.filename}' if error.filename else ''}.")
        return 2
    traceback.print_exception(error)
    if messages := foreign.text():
        print(f"Messages of the libraries:\n{messages}", file=sys.stderr)
    _say(f"this is a defect of NPCImaging {__version__}; please report it with the lines above")
    return 1


def _say(message: str) -> None:
    """One line on stderr, whatever line breaks a file name or a library put into the message."""
    if sys.stderr is not None:
        print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
