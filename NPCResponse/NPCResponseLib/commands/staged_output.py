"""Results appear whole or not at all: written aside on the same file system, then renamed into place."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from ..errors import InputError
from .interruption import Interruption

STAGING_PREFIX = ".npc-response-"
# Errors of the file system that the user can mend and we cannot.
USER_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR)


class StagedOutput:
    """A results folder in the making. Use as a context; call :meth:`commit` when everything in ``folder`` is written.

    Without a commit (an error, Ctrl-C) the context removes what was staged and leaves the output as it was.

    Args:
        output: the folder for results; made if need be.
        names: every file name that this kind of run can write.
        force: allow a folder that is not empty. Only files that an earlier run wrote are then replaced.
        index_name: a result file whose JSON list "files" tells which of ``names`` an earlier run wrote, so that those
            that this run does not write again are removed instead of being mistaken for its results, and files of
            such a name that somebody else wrote are not replaced.

    Raises:
        InputError: the output is not empty and not forced, not a folder, or cannot be written.
    """

    def __init__(
        self, output: Path, names: Collection[str], interruption: Interruption, *, force: bool, index_name: str = ""
    ):
        self.output = output.expanduser().resolve()
        self.folder = Path()
        self._names, self._force, self._index_name = set(names), force, index_name
        self._interruption = interruption
        self._made_parents: list[Path] = []

    def __enter__(self) -> "StagedOutput":
        try:
            self._check_output()
            with self._interruption.deferred():
                self._make_staging()
            self._interruption.check()
        except BaseException as error:
            self._remove_staging()
            if isinstance(error, OSError):
                raise self._unwritable(error) from error
            raise
        return self

    def __exit__(self, *_exception) -> None:
        self._remove_staging()

    def require_space(self, n_bytes: int) -> None:
        """Refuse now rather than in the middle of writing.

        Raises:
            InputError: less than that is free.
        """
        free = shutil.disk_usage(self.folder).free
        if free < n_bytes:
            raise InputError(
                f"the results need some {n_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
                where=str(self.output),
                remedy="Free some space or choose another --output",
            )

    def commit(self) -> list[Path]:
        """Move the staged files into place; returns their final paths. Not interruptible, so never half done.

        Raises:
            InputError: it cannot be written, or another run put results there meanwhile.
        """
        with self._interruption.deferred():
            self._interruption.check()
            self._check_output()  # again: another run may have written there meanwhile
            written = sorted(entry.name for entry in self.folder.iterdir())
            try:
                self._move_into_place(written)
            except OSError as error:
                raise self._unwritable(error) from error
            self._made_parents.clear()
            self._interruption.pass_over()
        return [self.output / name for name in written]

    # -- steps --

    def _check_output(self) -> None:
        if self.output.exists() and not self.output.is_dir():
            raise InputError(
                "the output is a file, not a folder", where=str(self.output), remedy="Choose another --output"
            )
        if not self.output.is_dir():
            return
        present = {entry.name for entry in self.output.iterdir() if not entry.name.startswith(STAGING_PREFIX)}
        if present and not self._force:
            raise InputError(
                "the output folder is not empty", where=str(self.output), remedy="Choose another one or add --force"
            )
        blocked = sorted(name for name in present & self._names if (self.output / name).is_dir())
        if blocked:
            raise InputError(f"{blocked[0]} is a folder there", where=str(self.output), remedy="Rename it")
        foreign = sorted((present & self._names) - self._written_earlier())
        if foreign:  # an echo may be called s0.nii.gz, too
            raise InputError(
                f"{foreign[0]} is there and no result of an earlier run",
                where=str(self.output),
                remedy="Choose another --output or move it away",
            )

    def _make_staging(self) -> None:
        """Inside an existing output (it may be a mount point), else beside the output that is to come."""
        if self.output.is_dir():
            home = self.output
        else:
            home = self.output.parent
            self._made_parents = [parent for parent in (home, *home.parents) if not parent.exists()]
            home.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=home))

    def _move_into_place(self, written: list[str]) -> None:
        if self.output.is_dir():
            stale = self._written_earlier() - {*written, self._index_name}
            for name in written:
                (self.folder / name).replace(self.output / name)
            for name in stale:
                (self.output / name).unlink(missing_ok=True)
            return
        umask = os.umask(0)
        os.umask(umask)
        self.folder.chmod(0o777 & ~umask)  # mkdtemp made it private
        self.folder.rename(self.output)

    def _written_earlier(self) -> set[str]:
        index = self.output / self._index_name
        if not self._index_name or not index.is_file():
            return set()
        try:
            listed = json.loads(index.read_text(encoding="utf-8"))["files"]
            return {name for name in listed if name in self._names} | {self._index_name}
        except (ValueError, KeyError, TypeError, OSError):
            return set()  # not ours, or damaged: then nothing is known to be stale

    def _remove_staging(self) -> None:
        with self._interruption.deferred():
            if self.folder != Path():
                shutil.rmtree(self.folder, ignore_errors=True)
            for parent in self._made_parents:  # deepest first
                with contextlib.suppress(OSError):
                    parent.rmdir()
            self._made_parents.clear()

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write the results ({error.strerror or error})",
            where=str(self.output),
            remedy="Choose another --output",
        )
