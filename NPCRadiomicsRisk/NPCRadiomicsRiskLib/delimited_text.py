"""Small tables that people write by hand or with a spreadsheet program: a header and rows, each with its line."""

import csv
import io
import re
from pathlib import Path

from NPCResponseLib.errors import InputError

DELIMITERS = (",", ";", "\t")


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The number of the line on which each row starts, and its stripped cells; without empty rows.

    Cells are separated by commas, semicolons or tabs, as those of the first row are.

    Raises:
        InputError: not UTF-8, or a quote is left open.
    """
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    found, start = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append((start, [cell.strip() for cell in row]))
            start = reader.line_num + 1
    except csv.Error:
        raise InputError(
            "it cannot be read as a table", where=f"{path.name}, line {start}", remedy="Look for a quote left open"
        ) from None
    return found


def check_width(path: Path, names: list[str], lines: list[tuple[int, list[str]]]) -> None:
    """
    Raises:
        InputError: a row has more or fewer cells than the header.
    """
    for line, cells in lines:
        if len(cells) != len(names):
            raise InputError(
                f"it has {'more' if len(cells) > len(names) else 'fewer'} cells than the header",
                where=f"{path.name}, line {line}",
                remedy='Put a text that holds the separator between quotes (")',
            )


def read_text(path: Path) -> str:
    """The text, without a byte-order mark.

    Raises:
        InputError: not UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            text = stream.read()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # bytes of something else, or UTF-16
        raise InputError("it is not UTF-8 text", where=str(path), remedy="Save it as CSV, UTF-8")
    return text


def delimiter_of(text: str) -> str:
    """What separates the cells of the first line that is not blank."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=header.count)


def has_decimal_commas(text: str) -> bool:
    """Whether numbers are written 12,5: only where the comma separates no cells."""
    return delimiter_of(text) != "," and re.search(r"\d,\d", text) is not None
