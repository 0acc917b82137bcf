"""Tables of patients from files: CSV, TSV, XLSX, Parquet. Cells come as they are; what does not fit is refused."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cohort.table import NumberedRows, Table, missing_column
from ..errors import InputError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
SPREADSHEETS = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".pq")
ROWS_BETWEEN_CHECKS = 20_000
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class TableFormat:
    """How a table is written, where that is not by the book.

    Attributes:
        delimiter: None for a comma in .csv, a tab in .tsv and .txt.
        sheet: of a spreadsheet; "" if it has only one.
        missing_words: words that mean an empty cell.
    """

    delimiter: str | None = None
    decimal_comma: bool = False
    sheet: str = ""
    missing_words: tuple[str, ...] = ()


def read_table(
    path: Path,
    form: TableFormat,
    wanted: Sequence[str] | None,
    *,
    source: str = "",
    check: Callable[[], None] = lambda: None,
) -> Table:
    """The wanted columns of a file.

    Args:
        wanted: None for every column that has a name.
        source: how messages call the file; its name if empty.
        check: called now and then; may raise to stop.

    Raises:
        InputError: no such file, an unknown kind, not readable, empty, a missing or doubled column, ragged rows.
    """
    if not path.is_file():
        raise InputError("no such file", where=str(path), remedy="Check the path")
    source = source or path.name
    ending = path.suffix.lower()
    if ending in DELIMITERS:
        columns, rows, notes = _read_text(path, form, wanted, source, check)
    elif ending in SPREADSHEETS:
        columns, rows, notes = _read_spreadsheet(path, form, wanted, source, check)
    elif ending in PARQUET:
        columns, rows, notes = _read_parquet(path, wanted, source)
    else:
        known = ", ".join((*DELIMITERS, *SPREADSHEETS, *PARQUET))
        raise InputError(f'"{ending}" is no kind of table', where=source, remedy=f"Known are {known}")
    if not rows:
        raise InputError("it has a header and no patient", where=source, remedy="Give one row per patient")
    return Table(
        columns, NumberedRows(rows), source, missing_words=form.missing_words, decimal_comma=form.decimal_comma,
        notes=notes,
    )  # fmt: skip


# -- text --


def _read_text(path: Path, form: TableFormat, wanted: Sequence[str] | None, source: str, check):
    text = _decoded(path.read_bytes(), source)
    delimiter = form.delimiter or DELIMITERS[path.suffix.lower()]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _text_columns(reader, text, delimiter, wanted, source, check)
    except csv.Error as error:
        raise InputError(
            f"row {reader.line_num} cannot be read ({error})", where=source, remedy="Look for a stray quotation mark"
        ) from None


def _decoded(data: bytes, source: str) -> str:
    if not data.strip():
        raise InputError("it is empty", where=source, remedy="Give a header and one row per patient")
    if data.startswith(ZIP):
        raise InputError("it is a spreadsheet, not text", where=source, remedy="Name it .xlsx or save it as CSV")
    if data.startswith(UTF_16):
        raise InputError("it is UTF-16 text", where=source, remedy='Save it as "CSV UTF-8"')
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"row {line} is not UTF-8 (byte 0x{data[error.start]:02X})", where=source, remedy='Save it as "CSV UTF-8"'
        ) from None
    if "\0" in text:
        raise InputError("it holds binary zeros: no text", where=source, remedy="Save it as CSV UTF-8")
    return text


def _text_columns(reader, text: str, delimiter: str, wanted: Sequence[str] | None, source: str, check):
    header = [name.strip() for name in next(reader)]
    if wanted is None and len(header) == 1:
        _refuse_other_delimiter(text, delimiter, wanted, source)
    places = _places(header, wanted, source, lambda: _refuse_other_delimiter(text, delimiter, wanted, source))
    columns: dict[str, list[str]] = {name: [] for name in places}
    pickers = [(columns[name].append, place) for name, place in places.items()]
    rows, n_empty, width = [], 0, len(header)
    for cells in reader:
        if len(cells) != width or not any(cells):
            if not any(cell.strip() for cell in cells):
                n_empty += 1
                continue
            if len(cells) < width or any(cell.strip() for cell in cells[width:]):
                raise _ragged(reader.line_num, len(cells), width, source)
        for append, place in pickers:
            append(cells[place])
        rows.append(reader.line_num)
        if len(rows) % ROWS_BETWEEN_CHECKS == 0:
            check()
    return columns, rows, (*_nameless(header, wanted), *_empty_rows(n_empty))


def _ragged(row: int, found: int, width: int, source: str) -> InputError:
    remedy = "Complete the row"
    if found > width:
        remedy = "A decimal comma or a comma in a text is the usual cause: put the cell in quotes"
    return InputError(f"row {row} has {found} cells, the header {width}", where=source, remedy=remedy)


def _refuse_other_delimiter(text: str, delimiter: str, wanted: Sequence[str] | None, source: str) -> None:
    first_line = text.splitlines()[0]
    for other, name in DELIMITER_NAMES.items():
        if other == delimiter:
            continue
        header = {cell.strip().strip('"') for cell in first_line.split(other)}
        if len(header) > 1 and (wanted is None or any(column in header for column in wanted)):
            typed = "\\t" if other == "\t" else other
            raise InputError(
                f"its columns are separated by {name}, not by {DELIMITER_NAMES.get(delimiter, delimiter)}",
                where=source,
                remedy=f'Say delimiter: "{typed}" under table in the specification',
            )


def _places(header: Sequence[str], wanted: Sequence[str] | None, source: str, explain=lambda: None) -> dict[str, int]:
    counts = Counter(header)
    wanted = tuple(filter(None, header)) if wanted is None else wanted
    if not wanted:
        raise InputError("its first row names no column", where=source, remedy="Give a header")
    for name in wanted:
        if not counts[name]:
            explain()
            raise missing_column(name, tuple(filter(None, header)), source)
        if counts[name] > 1:
            raise InputError(f'{counts[name]} columns are named "{name}"', where=source, remedy="Rename one of them")
    return {name: header.index(name) for name in wanted}


def _nameless(header: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    n = sum(not name for name in header) if wanted is None else 0
    return (f"{n} column{'s' if n > 1 else ''} without a name {'were' if n > 1 else 'was'} passed over.",) if n else ()


def _empty_rows(n: int) -> tuple[str, ...]:
    return (f"{n} empty row{'s were' if n > 1 else ' was'} passed over.",) if n else ()


# -- spreadsheets --


def _read_spreadsheet(path: Path, form: TableFormat, wanted: Sequence[str] | None, source: str, check):
    book = _open_workbook(path, source, values=True)
    try:
        name = _sheet_name(book.sheetnames, form.sheet, source)
        columns, rows, notes = _sheet_columns(book[name], wanted, source, check)
    finally:
        book.close()
    if any(cell is None for column in columns.values() for cell in column):
        _refuse_uncomputed(path, name, tuple(columns), source)
    return columns, rows, notes


def _open_workbook(path: Path, source: str, *, values: bool):
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=values)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise InputError(
            f"it is no readable spreadsheet ({error})", where=source, remedy="Save it again as .xlsx, without password"
        ) from None


def _sheet_name(names: Sequence[str], asked: str, source: str) -> str:
    if asked:
        if asked not in names:
            raise InputError(f'it has no sheet "{asked}"', where=source, remedy=f"Its sheets are {', '.join(names)}")
        return asked
    if len(names) > 1:
        raise InputError(
            f"it has {len(names)} sheets", where=source,
            remedy=f"Say which under table in the specification, sheet: {names[0]}",
        )  # fmt: skip
    return names[0]


def _sheet_columns(sheet, wanted: Sequence[str] | None, source: str, check):
    if hasattr(sheet, "reset_dimensions"):
        sheet.reset_dimensions()  # some programs write wrong ones
    lines = enumerate(sheet.iter_rows(values_only=True), start=1)
    found = next(((number, cells) for number, cells in lines if any(cell is not None for cell in cells)), None)
    if found is None:
        raise InputError("it is empty", where=source, remedy="Give a header and one row per patient")
    header_row, names = found
    header = ["" if cell is None else str(cell).strip() for cell in names]
    places = _places(header, wanted, source)
    columns: dict[str, list] = {name: [] for name in places}
    rows, blank = [], []
    for number, cells in lines:
        if all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells):
            blank.append(number)
            continue
        for name, place in places.items():
            columns[name].append(cells[place] if place < len(cells) else None)
        rows.append(number)
        if number % ROWS_BETWEEN_CHECKS == 0:
            check()
    # Formatted but empty rows at the end of a sheet are no rows.
    n_empty = sum(1 for number in blank if rows and header_row < number < rows[-1])
    return columns, rows, (*_nameless(header, wanted), *_empty_rows(n_empty))


def _refuse_uncomputed(path: Path, name: str, wanted: Sequence[str] | None, source: str) -> None:
    """A formula that no program has computed yet has no value: it must not pass for an empty cell."""
    pairs = []
    for values in (True, False):
        book = _open_workbook(path, source, values=values)
        try:
            pairs.append(_sheet_columns(book[name], wanted, source, lambda: None)[:2])
        finally:
            book.close()
    (computed, _), (formulas, rows) = pairs
    for column in wanted:
        for value, formula, row in zip(computed[column], formulas[column], rows, strict=False):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputError(
                    f"row {row}, column {column}: the formula {formula} has no value", where=source,
                    remedy="Open and save it in a spreadsheet program, or paste values",
                )  # fmt: skip


# -- Parquet --


def _read_parquet(path: Path, wanted: Sequence[str] | None, source: str):
    import pyarrow
    from pyarrow import parquet

    try:
        wanted = tuple(_places(parquet.read_schema(path).names, wanted, source))
        table = parquet.read_table(path, columns=list(wanted))
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"it is no readable Parquet file ({error})", where=source, remedy="Write it again") from None
    columns = {name: table.column(name).to_pylist() for name in wanted}
    return columns, range(1, table.num_rows + 1), ()
