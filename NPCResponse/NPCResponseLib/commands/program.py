"""A program of this extension around its commands: exit codes, one line for a user's mistake, interruption.

Exit codes: 0 done, 2 something the user can mend (one line says what), 130 or 143 interrupted, 1 a defect of this
software (with its traceback). Heavy libraries are imported inside the commands, so that ``--help`` and shell completion
answer at once.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from .. import __version__
from ..errors import InputError
from .foreign_output import ForeignOutput
from .interruption import Interrupted, Interruption
from .staged_output import USER_ERRNOS

# Typer carries its own copy of click or uses the installed one, depending on its version; this is its usage error.
UsageError = typer.BadParameter.__base__


@dataclass(frozen=True)
class Session:
    """What every command gets from the program around it."""

    interruption: Interruption


class Program:
    """A set of commands under one name.

    Args:
        name: as it is typed.
        help: one sentence.
        examples: shown below the list of commands.
    """

    def __init__(self, name: str, *, help: str, examples: Sequence[str]):
        self.name = name
        self._app = typer.Typer(
            help=help,
            epilog="Examples:\n\n" + "\n\n".join(f"  {example}" for example in examples),
            rich_markup_mode="rich",
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._app.callback()(self._version_option())

    def add(self, name: str, module) -> None:
        """Add a command: a module with ``command``, ``HELP`` and ``EXAMPLES``."""
        self._app.command(name, help=module.HELP, epilog=module.EXAMPLES)(module.command)

    def run(self, arguments: Sequence[str]) -> int:
        """Run the program with these arguments; returns its exit code. Never raises, never calls sys.exit."""
        foreign = ForeignOutput()
        with Interruption() as interruption:
            try:
                with foreign.taken():
                    result = self._app(
                        args=list(arguments) or ["--help"],
                        prog_name=self.name,
                        standalone_mode=False,
                        obj=Session(interruption),
                    )
                return result if isinstance(result, int) else 0
            except Interrupted as stop:
                return self._stopped(stop)
            except SystemExit as leave:  # how shell completion ends
                return leave.code if isinstance(leave.code, int) else 0
            except Exception as error:  # noqa: BLE001  the outermost frame: every failure gets its exit code here
                if interruption.received is not None:
                    return self._stopped(Interrupted(interruption.received))
                return self._failed(error, foreign)
            finally:
                foreign.close()

    def _version_option(self) -> Callable:
        def show_version(wanted: bool) -> None:
            if wanted:
                print(f"{self.name} {__version__}")
                raise typer.Exit

        def options(
            version: Annotated[
                bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
            ] = False,
        ) -> None:
            pass

        return options

    def _stopped(self, stop: Interrupted) -> int:
        self._say("interrupted; no results were changed")
        return stop.exit_code

    def _failed(self, error: Exception, foreign: ForeignOutput) -> int:
        if isinstance(error, InputError):
            self._say(f"error: {error}")
            return 2
        if isinstance(error, UsageError):
            command = error.ctx.command_path if error.ctx else self.name
            self._say(f"error: {error.format_message()} Try '{command} --help'.")
            return 2
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            self._say(f"error: {error.strerror}{f': {error.filename}' if error.filename else ''}.")
            return 2
        traceback.print_exception(error)
        if messages := foreign.text():
            print(f"Messages of the libraries:\n{messages}", file=sys.stderr)
        self._say(f"this is a defect of NPCImaging {__version__}; please report it with the lines above")
        return 1

    def _say(self, message: str) -> None:
        """One line on stderr, whatever line breaks a file name or a library put into the message."""
        if sys.stderr is not None:
            print(f"{self.name}: {' '.join(message.split())}", file=sys.stderr)
