"""What the tests see: columns of numbers with missing values set aside and counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .model_data import binary, both_classes, complete, numbers

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.999999


@dataclass(frozen=True)
class Sample:
    """One group.

    Attributes:
        values: (n,) present numbers, in the order given.
        n_missing: how many were missing.
    """

    values: np.ndarray
    n_missing: int

    @property
    def n(self) -> int:
        return self.values.size

    @property
    def is_constant(self) -> bool:
        return self.n < 2 or bool(np.ptp(self.values) == 0)


def sample(values: Sequence, name: str = "values") -> Sample:
    """A column without its missing values.

    Raises:
        InputError: text or infinite values (named with their row), not one-dimensional, or nothing left.
    """
    column = numbers(values, name)
    present = column[~np.isnan(column)]
    if not present.size:
        raise InputError("no value", where=name, remedy="Check that the column is filled")
    return Sample(present, int(column.size - present.size))


def paired_samples(first: Sequence, second: Sequence, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Two columns of the same patients without those who lack one: (first, second, number left out).

    Raises:
        InputError: as ``sample``, or columns of different lengths.
    """
    x, y = numbers(first, names[0]), numbers(second, names[1])
    used = complete(x, y)
    if not used.any():
        raise InputError("no patient with both values", where=f"{names[0]}, {names[1]}")
    return x[used], y[used], int(np.count_nonzero(~used))


@dataclass(frozen=True)
class LabeledMarkers:
    """Markers of patients with and without the outcome.

    Attributes:
        positive, negative: (n markers, n of the class).
        n_missing: patients left out because the label or a marker was missing.
    """

    positive: np.ndarray
    negative: np.ndarray
    n_missing: int


def labeled_markers(labels: Sequence, *markers: Sequence, names: Sequence[str] = ()) -> LabeledMarkers:
    """Markers split by a 0/1 label, complete patients only.

    Raises:
        InputError: labels other than 0 and 1, one class only, text among numbers, different lengths.
    """
    names = tuple(names) or tuple(f"marker {number}" for number in range(1, len(markers) + 1))
    y = binary(labels)
    columns = [numbers(marker, name) for marker, name in zip(markers, names, strict=True)]
    used = complete(y, *columns)
    both_classes(y[used])
    table = np.array([column[used] for column in columns])
    return LabeledMarkers(table[:, y[used] == 1], table[:, y[used] == 0], int(np.count_nonzero(~used)))


def missing_note(n_missing: int, what: str = "patients") -> tuple[str, ...]:
    return (f"{n_missing} {what} left out for missing values",) if n_missing else ()


def check_confidence(confidence: float) -> None:
    """
    Raises:
        InputError: a confidence level (or coverage) below which an interval may miss its own estimate, or so near to 1
            that the quantiles of small groups are no longer exact.
    """
    if not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:
        raise InputError(
            f"the confidence level must lie between {LEAST_CONFIDENCE:g} and {MOST_CONFIDENCE:.6f}, "
            f"found {confidence:.15g}",
            remedy="Give 0.95",
        )


def check_alpha(alpha: float) -> None:
    """
    Raises:
        InputError: a level of significance that is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise InputError(f"the level of significance must lie between 0 and 1, found {alpha:g}", remedy="Give 0.05")


def percent(confidence: float) -> str:
    return f"{100 * confidence:g} %"
