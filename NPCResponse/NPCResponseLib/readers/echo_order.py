"""Which echo time belongs to which image: found in the files, or typed by the user, who wins."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..echo_times import format_echo_times, validate_echo_times

# Header values are rounded; nearer than this they are the same echo time.
EQUAL_WITHIN_MS = 0.01


@dataclass(frozen=True)
class EchoTimes:
    """Increasing echo times (ms), their source in words, and sentences for the report."""

    times_ms: tuple[float, ...]
    source: str
    warnings: tuple[str, ...] = ()


def resolve_echo_times(
    found_ms: Sequence[float | None],
    found_source: str,
    typed_ms: Sequence[float] | None,
    where: str,
    typed_remark: str = "",
) -> EchoTimes:
    """The echo times to use for images that are already in their order.

    Args:
        found_ms: what the files say of each image; None where they say nothing.
        found_source: where that was found.
        typed_ms: from the user, in the order of the images; they win, and a contradiction is reported.
        where: the series, for messages.
        typed_remark: how the order of the images is known although the files tell no echo times.

    Raises:
        InputError: there are none, or they cannot be used.
    """
    known = tuple(time for time in found_ms if time is not None)
    if not typed_ms:
        usable = known if len(known) == len(found_ms) else ()
        return EchoTimes(validate_echo_times(usable, len(found_ms), where), found_source)
    times_ms = validate_echo_times(typed_ms, len(found_ms), where)
    if known and not _agree(found_ms, times_ms):
        said = f"{found_source} said {format_echo_times(known)}"
        return EchoTimes(times_ms, f"typed by the user; {said}", (f"The typed echo times are used; {said}.",))
    return EchoTimes(times_ms, f"typed by the user{typed_remark}")


def _agree(found_ms: Sequence[float | None], times_ms: Sequence[float]) -> bool:
    return all(
        found is None or abs(found - time) <= EQUAL_WITHIN_MS for found, time in zip(found_ms, times_ms, strict=True)
    )
