"""Reports as files: whole or not at all."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError


def writeWhole(path: str, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a file beside the place it is for, and put it there when it is complete.

    Raises:
        InputError: the folder cannot be written to.
    """
    target = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".npc-", dir=target.parent) as folder:
            aside = Path(folder) / target.name
            write(aside)
            aside.replace(target)
    except OSError as error:
        raise InputError(f"the report cannot be written: {error.strerror}", remedy="Choose another folder") from error
