"""Long work on arrays as steps: in a thread, so that a panel stays alive and can cancel."""

import threading
from collections.abc import Callable, Generator

POLL_S = 0.05


class Canceled(BaseException):
    """Thrown into the work when nobody waits for it any more. No Exception, so that no work swallows it."""


def steps_of(work: Callable[[Callable[[float], None]], object]) -> Generator[float, None, object]:
    """Run a function of arrays beside the caller, yielding the fraction done; returns what it returned.

    The work must touch no node. Closing the generator cancels: the next report of progress then raises in the work.

    Args:
        work: is called with a function to report the fraction done to.
    """
    told = {"fraction": 0.0}
    outcome: dict[str, object] = {}
    canceled = threading.Event()

    def report(fraction: float) -> None:
        if canceled.is_set():
            raise Canceled
        told["fraction"] = fraction

    def run() -> None:
        try:
            outcome["result"] = work(report)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody can see it
            outcome["error"] = error

    thread = threading.Thread(target=run, name="NPCImaging work", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_S)
            yield min(told["fraction"], 1.0)
    finally:
        canceled.set()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
