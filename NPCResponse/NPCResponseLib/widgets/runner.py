"""Long work in short steps on Qt's event loop: the panel stays alive, shows progress and can cancel."""

import enum
import time
from collections.abc import Callable, Generator

import qt

SLICE_OF_WORK_S = 0.05  # between two looks at the event loop; shorter costs repaints, longer is felt as stutter


class Outcome(enum.Enum):
    FINISHED = enum.auto()
    CANCELED = enum.auto()
    FAILED = enum.auto()


class Runner:
    """Drives a generator of fractions (0..1) from a timer, then calls ``onDone(outcome, error)`` exactly once.

    Keep a reference while it runs. Steps run on the main thread, so they may read nodes, but nodes should be written in
    onDone only: between two steps the user can delete anything.
    """

    def __init__(
        self,
        steps: Generator[float, None, object],
        onProgress: Callable[[float], None],
        onDone: Callable[[Outcome, Exception | None], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._steps, self._onProgress, self._onDone, self._clock = steps, onProgress, onDone, clock
        self._done = False

    @property
    def isRunning(self) -> bool:
        return not self._done

    def start(self) -> None:
        qt.QTimer.singleShot(0, self._work)

    def cancel(self) -> None:
        """Stop before the next step. onDone is called from here, so that nothing runs after a scene was closed."""
        if not self._done:
            self._finish(Outcome.CANCELED)

    def _work(self) -> None:
        if self._done:
            return
        started = self._clock()
        try:
            fraction = next(self._steps)
            while self._clock() - started < SLICE_OF_WORK_S:
                fraction = next(self._steps)
        except StopIteration:
            self._finish(Outcome.FINISHED)
            return
        except Exception as error:  # noqa: BLE001 - Qt would only log it; the caller decides what the user sees
            self._finish(Outcome.FAILED, error)
            return
        self._onProgress(fraction)
        if not self._done:
            qt.QTimer.singleShot(0, self._work)

    def _finish(self, outcome: Outcome, error: Exception | None = None) -> None:
        self._done = True
        self._steps.close()
        self._onDone(outcome, error)
