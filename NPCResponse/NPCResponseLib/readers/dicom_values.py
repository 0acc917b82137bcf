"""Single values out of DICOM data sets: the first that is there, as a number if it is one, private ones by creator."""

import math
import struct
from collections.abc import Sequence

from pydicom.dataset import Dataset


def first_value(sources: Sequence[Dataset], keyword: str):
    """The first value that is there and not empty."""
    for source in sources:
        value = source.get(keyword)
        if value is not None and not (hasattr(value, "__len__") and len(value) == 0):
            return value
    return None


def first_number(sources: Sequence[Dataset], keyword: str) -> float | None:
    """A single finite number; None for text, several values and nothing."""
    return number(first_value(sources, keyword))


def first_text(sources: Sequence[Dataset], keyword: str) -> str:
    value = first_value(sources, keyword)
    return "" if value is None else str(value).strip()


def first_vector(sources: Sequence[Dataset], keyword: str, length: int) -> tuple[float, ...] | None:
    """Exactly ``length`` finite numbers."""
    numbers = [number(item) for item in words(first_value(sources, keyword))]
    return tuple(numbers) if len(numbers) == length and None not in numbers else None


def words(value) -> list:
    """The items of an element of any multiplicity."""
    if value is None:
        return []
    return list(value) if hasattr(value, "__len__") and not isinstance(value, (str, bytes)) else [value]


def private_value(sources: Sequence[Dataset], tag: tuple[int, int], creators: Sequence[str]):
    """Value of a private element, wherever in its group the creator's block was put."""
    group, element = tag
    for source in sources:
        for creator in creators:
            try:
                value = source.private_block(group, creator)[element].value
            except KeyError:
                continue
            if value not in (None, "", b""):
                return value
    return None


def private_number(sources: Sequence[Dataset], tag: tuple[int, int], creators: Sequence[str], layout: str):
    """A private number. Where the file does not tell its type (UN), its bytes have the ``layout`` of struct."""
    value = private_value(sources, tag, creators)
    if isinstance(value, bytes):
        value = struct.unpack(layout, value)[0] if len(value) == struct.calcsize(layout) else None
    return number(value)


def private_text(sources: Sequence[Dataset], tag: tuple[int, int], creators: Sequence[str]) -> str:
    value = private_value(sources, tag, creators)
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return str(value or "").strip("\0 ")


def number(value) -> float | None:
    items = words(value)
    try:
        result = float(items[0]) if len(items) == 1 else math.nan
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def positive(value: float | None) -> float | None:
    return value if value and value > 0 else None


def whole(value: float | None) -> int | None:
    return None if value is None else int(value)
