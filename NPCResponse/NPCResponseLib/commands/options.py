"""What the commands share in reading their options, and in loading what they need only then."""

import importlib
import math
from enum import Enum
from pathlib import Path

from ..errors import InputError
from .interruption import Interruption


def choices(before: str, names: type[Enum]) -> str:
    """Help text that lists what can be chosen."""
    return f"{before} {', '.join(name.value for name in names)}."


def check_paths(*paths: Path | None) -> None:
    """Raise InputError for a path that is given and not there."""
    for path in paths:
        if path is not None and not path.exists():
            raise InputError("no such file or folder", where=str(path), remedy="Check the path")


def check_positive(*options: tuple[str, float | None]) -> None:
    """Raise InputError for an option (name, value) that is given and no positive number."""
    for option, value in options:
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{option} must be a positive number, found {value:g}")


def parse_numbers(typed: str, option: str, kind: str, remedy: str) -> tuple[float, ...]:
    """Numbers separated by commas, slashes, semicolons or blanks.

    Raises:
        InputError: something else among them.
    """
    numbers = []
    for word in typed.replace(",", " ").replace("/", " ").replace(";", " ").split():
        try:
            numbers.append(float(word))
        except ValueError:
            raise InputError(f"'{word}' is no {kind}", where=option, remedy=remedy) from None
    return tuple(numbers)


def load_modules(interruption: Interruption, *names: str, package: str = "NPCResponseLib") -> None:
    """Import modules of a package. Libraries in C++ crash if a signal raises while they load, so it waits."""
    with interruption.deferred():
        for name in names:
            importlib.import_module(f"{package}.{name}")
    interruption.check()
