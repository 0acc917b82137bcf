"""Cells as they were read from a file, and the numbers and labels in them. Nothing is corrected silently."""

import difflib
import math
import numbers as numeric
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..statistics.model_data import LARGEST

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NUMBER_WITH_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
MISSING_WORDS = {"na", "n/a", "nan", "none", "null", "nil", ".", "-", "--", "?", "missing", "unknown", "#n/a"}
INFINITY_WORDS = {"inf", "infinity", "∞"}
TYPOGRAPHIC_MINUS = "−–—"


class NumberedRows(Sequence):
    """Rows of a file, told by their numbers as an editor or a spreadsheet shows them."""

    def __init__(self, row_numbers: Sequence[int]):
        self._row_numbers = row_numbers

    def __len__(self) -> int:
        return len(self._row_numbers)

    def __getitem__(self, i):
        return f"row {self._row_numbers[i]}"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of cells: text, numbers, booleans, or None where a file has typed empty cells.

    Attributes:
        rows: how the place of each patient is told in messages ("row 12", "folder case12").
        source: what the table is, for messages.
        missing_words: words that mean an empty cell, by the user's own statement.
        decimal_comma: numbers are written 12,5.
        notes: what the reader passed over (empty rows), for the report.
    """

    columns: Mapping[str, Sequence]
    rows: Sequence[str]
    source: str = "table"
    missing_words: tuple[str, ...] = ()
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()
    _numbers: dict = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.rows)

    def require(self, names: Sequence[str]) -> None:
        """
        Raises:
            InputError: a column that is not there, with the nearest name.
        """
        for name in names:
            if name not in self.columns:
                raise missing_column(name, tuple(self.columns), self.source)

    def numbers(self, name: str) -> np.ndarray:
        """(n,) float64, NaN where empty.

        Raises:
            InputError: no such column; text, infinite values, dates or yes/no among the numbers, row and column named.
        """
        if name not in self._numbers:
            self.require((name,))
            cells = self.columns[name]
            values = np.empty(self.n)
            for i, cell in enumerate(cells):
                values[i] = cell if type(cell) is float and abs(cell) <= LARGEST else self._number(cell, name, i)
            self._numbers[name] = values
        return self._numbers[name]

    def labels(self, name: str) -> list[str]:
        """(n,) text, "" where empty; whole numbers without decimals.

        Raises:
            InputError: no such column.
        """
        self.require((name,))
        return [self._label(cell) for cell in self.columns[name]]

    def _label(self, cell) -> str:
        if cell is None or cell != cell:
            return ""
        if isinstance(cell, (bool, np.bool_)):
            return "true" if cell else "false"
        if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
            return str(int(cell))
        text = str(cell).strip()
        return "" if text in self.missing_words else text

    def _number(self, cell, name: str, i: int) -> float:
        if cell is None:
            return math.nan
        if isinstance(cell, str):
            return self._parsed(cell, name, i)
        if isinstance(cell, (bool, np.bool_)) or not isinstance(cell, numeric.Real):
            kind = "yes/no value" if isinstance(cell, (bool, np.bool_)) else f"{type(cell).__name__}"
            raise self._fault(i, name, f"{cell} is a {kind}, no number", "Correct the cell or name another column")
        value = float(cell)
        if math.isinf(value):
            raise self._fault(i, name, "infinite value", "Correct it or leave it empty")
        if abs(value) > LARGEST:
            raise self._fault(i, name, f"{value:g} is too large to compute with", "Correct it or leave it empty")
        return value

    def _parsed(self, cell: str, name: str, i: int) -> float:
        text = cell.strip()
        if not text or text in self.missing_words:
            return math.nan
        if self.decimal_comma and NUMBER_WITH_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        elif self.decimal_comma and "." in text:
            raise self._fault(
                i, name, f'"{text}" has a decimal point where commas were announced', "Use one way of writing numbers"
            )
        if NUMBER.fullmatch(text):
            value = float(text)
            if abs(value) > LARGEST:
                raise self._fault(i, name, f"{text} is too large for a number", "Correct it or leave it empty")
            return value
        raise self._not_a_number(text, name, i)

    def _not_a_number(self, text: str, name: str, i: int) -> InputError:
        if NUMBER_WITH_COMMA.fullmatch(text):
            remedy = 'Write points, or say decimal: "," under table in the specification'
            return self._fault(i, name, f'"{text}" has a decimal comma', remedy)
        if text.lower() in MISSING_WORDS:
            remedy = f'Leave the cell empty, or say missing: ["{text}"] under table in the specification'
            return self._fault(i, name, f'"{text}" is no number', remedy)
        if text.lower().lstrip("+-") in INFINITY_WORDS:
            return self._fault(i, name, f'"{text}" is no finite number', "Correct it or leave it empty")
        if any(sign in text for sign in TYPOGRAPHIC_MINUS):
            return self._fault(i, name, f'"{text}" has a dash instead of a minus sign', "Replace it by -")
        return self._fault(i, name, f'"{text}" is no number', "Correct it or leave it empty")

    def _fault(self, i: int, column: str, what: str, remedy: str) -> InputError:
        return InputError(f"{self.rows[i]}, column {column}: {what}", where=self.source, remedy=remedy)


def missing_column(name: str, known: Sequence[str], source: str) -> InputError:
    """The error for a column that is not there, with the nearest name."""
    folded = {known_name.casefold(): known_name for known_name in known}
    nearest = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    if nearest:
        remedy = f'Did you mean "{folded[nearest[0]]}"'
        return InputError(f'there is no column "{name}"', where=source, remedy=f"{remedy}?")
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return InputError(f'there is no column "{name}"', where=source, remedy=f"Its columns are {shown}")
