"""Files that appear whole or not at all: written beside the place they are for, then moved there."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError


@contextlib.contextmanager
def written_aside(path: Path | str) -> Iterator[Path]:
    """A path of the same name in a folder beside; all that is written in that folder is moved into place in the end.

    Raises:
        InputError: the place cannot be written to.
    """
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".npc-", dir=path.resolve().parent) as folder:
            yield Path(folder) / path.name
            for written in sorted(Path(folder).iterdir()):  # a table brings a second file that describes its columns
                written.replace(path.parent / written.name)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", where=str(path), remedy="Choose another place"
        ) from error
