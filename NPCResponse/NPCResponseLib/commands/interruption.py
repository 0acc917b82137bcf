"""Ctrl-C and termination: stop at once while working, finish first while results are moved into place."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(BaseException):
    """The user or the system asked to stop. No Exception, so that nothing in between takes it for a failure."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + int(signal_number)


class Interruption:
    """Context in which the stop signals raise :class:`Interrupted`. Signals that the caller ignores stay ignored."""

    def __init__(self):
        self._received: int | None = None
        self._deferred = False
        self._too_late = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def received(self) -> int | None:
        """The signal that came, if any: also one whose exception was swallowed by foreign code on the way."""
        return self._received

    def check(self) -> None:
        if self._received is not None:
            raise Interrupted(self._received)

    def pass_over(self) -> None:
        """From here on nothing is left to stop: the results are in place. Signals are noted and no more."""
        self._too_late = True

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, signals are only noted. The caller decides afterwards (:meth:`check`)."""
        outer, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = outer

    def _on_signal(self, number: int, _frame) -> None:
        self._received = number
        if not (self._deferred or self._too_late):
            raise Interrupted(number)
