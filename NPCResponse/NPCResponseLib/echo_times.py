"""How data name echo times and their units, and the rules that a list of them must meet before anything is fitted."""

import math
import re
from collections.abc import Sequence

from .errors import InputError

# Gradient and spin echoes in clinical MRI lie between about 1 ms and 1 s. A list that ends below half a millisecond was
# meant as seconds (33.55 ms written 0.03355), and one that ends above ten seconds as microseconds.
LAST_ECHO_RANGE_MS = (0.5, 10_000.0)

# What an index or a tag that holds echo times is called. A unit alone (ms) tells nothing: trigger and inversion times
# have it, too.
ECHO_TIME_NAME = re.compile(r"echo[\s_-]*times?|TEs?", re.IGNORECASE)
MS_PER_UNIT = {
    **dict.fromkeys(("", "ms", "msec", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1e3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-3),
}


def is_echo_time_name(name: str) -> bool:
    return ECHO_TIME_NAME.fullmatch(name.strip()) is not None


def echo_times_from_text(texts: Sequence[str], unit: str) -> tuple[tuple[float, ...], str]:
    """Numbers written as text, in ms, and a remark on the unit for the source ("" for plain milliseconds).

    Empty if a text is no number or the unit is none of time. Rounded to what a conversion of units leaves exact.
    """
    factor = MS_PER_UNIT.get(unit.strip().lower())
    try:
        times_ms = tuple(round(float(text) * factor, 9) for text in texts) if factor else ()
    except ValueError:
        times_ms = ()
    if not unit.strip():
        return times_ms, " (no unit given, taken as ms)"
    return times_ms, "" if factor == 1 else f" (in {unit.strip()}, converted to ms)"


def validate_echo_times(echo_times_ms: Sequence[float], n_echoes: int, where: str = "") -> tuple[float, ...]:
    """The echo times as floats, if they can be used for ``n_echoes`` images.

    Args:
        echo_times_ms: echo times in milliseconds, in the order of the images.
        n_echoes: number of images.
        where: what the times belong to, for the message.

    Raises:
        InputError: fewer than two echoes; times missing, too few or too many, not numbers, not positive, equal, not
            increasing, or in seconds or microseconds.
    """
    times = tuple(float(time) for time in echo_times_ms)
    shown = format_echo_times(times)

    def refuse(what: str, remedy: str) -> InputError:
        return InputError(what, where=where, remedy=remedy)

    if n_echoes < 2:
        raise refuse(f"{n_echoes} echo found, R2* needs at least two", "Give all echoes of the series")
    if not times:
        raise refuse(f"the echo times of the {n_echoes} images are missing", "Enter them in milliseconds")
    if not all(math.isfinite(time) and time > 0 for time in times):
        raise refuse(f"echo times must be positive numbers, found {shown}", "Enter them in milliseconds")
    if len(times) != n_echoes:
        raise refuse(f"{len(times)} echo times ({shown}) for {n_echoes} images", "Give one echo time per image")
    repeated = sorted({time for time in times if times.count(time) > 1})
    if repeated:
        raise refuse(
            f"echo time {repeated[0]:g} ms occurs {times.count(repeated[0])} times in {shown}",
            "Give the echo time of each image; some scanners write the first one everywhere",
        )
    if list(times) != sorted(times):
        raise refuse(f"echo times must increase, found {shown}", "Put images and times in the same, increasing order")
    shortest_last, longest_last = LAST_ECHO_RANGE_MS
    if times[-1] < shortest_last:
        raise refuse(f"echo times {shown} look like seconds", "Enter them in milliseconds")
    if times[-1] > longest_last:
        raise refuse(f"echo times {shown} look like microseconds", "Enter them in milliseconds")
    return times


def format_echo_times(echo_times_ms: Sequence[float]) -> str:
    return " / ".join(f"{time:g}" for time in echo_times_ms) + " ms"
