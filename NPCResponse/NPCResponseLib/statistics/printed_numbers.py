"""A number as it is printed, and the interval of numbers that are printed so."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import InputError

PATTERN = re.compile(r"^\s*([<>]?)\s*([-+−–]?)(\d+)(?:\.(\d*))?(?:[eE]([-+]?\d+))?\s*(%?)\s*$")
SLACK = 1e-9  # relative: floating point must not decide whether 0.0645 is printed 0.065


@dataclass(frozen=True)
class Printed:
    """Attributes:
    text: as printed, "43.78", "<0.001", "83.67%", "4.06E-02".
    value: in natural units (a percentage divided by 100).
    half: half a unit of the last digit, in the same units.
    relation: "<", ">" or "".
    """

    text: str
    value: float
    half: float
    relation: str = ""

    @property
    def low(self) -> float:
        return self.value - self.half

    @property
    def high(self) -> float:
        return self.value + self.half

    def fits(self, low: float, high: float | None = None) -> bool:
        """Whether a value, or one of an interval of values, would be printed so."""
        high = low if high is None else high
        slack = SLACK * max(abs(self.value), abs(low), abs(high), self.half)
        if self.relation == "<":
            return low < self.value + slack
        if self.relation == ">":
            return high > self.value - slack
        return low <= self.high + slack and high >= self.low - slack

    def distance(self, low: float, high: float) -> float:
        """How far the interval lies from what is printed so, relative to the printed value; 0 if it fits."""
        if self.fits(low, high):
            return 0.0
        gap = low - self.high if low > self.high else self.low - high
        return abs(gap) / abs(self.value) if self.value else math.inf


def printed(text: str) -> Printed:
    """Read a number with the precision it is printed to.

    Raises:
        InputError: not a number.
    """
    match = PATTERN.match(str(text))
    if match is None:
        raise InputError(
            f'"{text}" is not a printed number', remedy='Write it as in the paper: "43.78", "<0.001", "92.3%"'
        )
    relation, sign, whole, decimals, exponent, percent = match.groups()
    decimals = decimals or ""
    scale = 10.0 ** int(exponent or 0) / (100 if percent else 1)
    value = float(f"{whole}.{decimals or 0}") * scale
    half = 0.5 * 10.0 ** -len(decimals) * scale
    return Printed(str(text).strip(), -value if sign and sign != "+" else value, half, relation)


def interval_of(function: Callable[..., float], *numbers: Printed) -> tuple[float, float]:
    """Range of a function over the printed numbers' rounding intervals, from their ends and centers.

    Exact for functions that are monotone in each argument, as all are that are used here.
    """
    values = [function(*corner) for corner in itertools.product(*((n.low, n.value, n.high) for n in numbers))]
    return min(values), max(values)


def likely_misprints(text: str) -> Iterator[str]:
    """The same number with two neighboring digits swapped, or with a zero that was dropped after the point."""
    characters = list(text)
    for i in range(len(characters) - 1):
        # Digits may stand on both sides of the point: 3.45 for 34.5 is no swap, 4.35 for 3.45 is.
        j = i + 2 if characters[i + 1] == "." and i + 2 < len(characters) else i + 1
        if characters[i].isdigit() and characters[j].isdigit() and characters[i] != characters[j]:
            swapped = characters.copy()
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield "".join(swapped)
    if "." in text:
        yield text.replace(".", ".0", 1)


def shown(values: Sequence[float] | tuple[float, float], digits: int = 3) -> str:
    """An interval for a reader: "[5.566; 5.576]"."""
    return "[" + "; ".join(f"{value:.{digits}f}" for value in values) + "]"
