"""What C++ libraries print by themselves (VTK, ITK, the NIfTI reader) is kept off the terminal."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MAX_KEPT_BYTES = 20_000


class ForeignOutput:
    """Takes file descriptors 1 and 2 into a temporary file; Python's own stdout and stderr keep going where they went.

    The text is at hand (:meth:`text`) for the one case in which it helps: a defect of this software.
    """

    def __init__(self):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this object
        self._saved: dict[int, int] = {}

    @contextmanager
    def taken(self) -> Iterator["ForeignOutput"]:
        own = {1: ("stdout", sys.stdout, sys.__stdout__), 2: ("stderr", sys.stderr, sys.__stderr__)}
        replaced = []
        try:
            for descriptor, (name, current, original) in own.items():
                if current is not None:
                    current.flush()
                try:
                    self._saved[descriptor] = os.dup(descriptor)
                except OSError:
                    continue  # closed by whoever started us (`2>&-`): nothing to keep
                if current is original and current is not None:
                    setattr(sys, name, self._stream_to(self._saved[descriptor], current))
                    replaced.append((name, current))
                os.dup2(self._log.fileno(), descriptor)
            with self._python_messages():
                yield self
        finally:
            for name, stream in replaced:
                _close_quietly(getattr(sys, name))
                setattr(sys, name, stream)
            for descriptor, saved in self._saved.items():
                os.dup2(saved, descriptor)
                os.close(saved)
            self._saved.clear()

    def text(self) -> str:
        """The last part of what was printed."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - MAX_KEPT_BYTES))
        return self._log.read().decode("utf-8", errors="replace").strip()

    def close(self) -> None:
        self._log.close()

    @staticmethod
    def _stream_to(descriptor: int, like):
        return os.fdopen(
            os.dup(descriptor), "w", encoding=like.encoding or "utf-8", errors=like.errors or "replace", buffering=1
        )

    @contextmanager
    def _python_messages(self) -> Iterator[None]:
        """Warnings and log records of libraries (pydicom has many about imperfect headers) go to the same place."""
        handler = logging.StreamHandler(os.fdopen(os.dup(self._log.fileno()), "w", encoding="utf-8", buffering=1))
        root = logging.getLogger()
        root.addHandler(handler)
        with warnings.catch_warnings():
            logging.captureWarnings(True)
            try:
                yield
            finally:
                logging.captureWarnings(False)
                root.removeHandler(handler)
                handler.stream.close()


def _close_quietly(stream) -> None:
    with contextlib.suppress(OSError):  # the reader of a pipe went away; there is no one left to tell
        stream.close()
