"""A cohort's manifest: a CSV with a row per patient and columns of files; checked line by line before any work."""

import csv
import difflib
import math
from pathlib import Path

from NPCResponseLib.errors import InputError

from .patient_inputs import PATH_COLUMNS, PatientInputs

NEEDED = ("patient", "pre", "gtv", "gtvr")
TEXT_COLUMNS = ("patient", "gtv_segment", "gtvr_segment")
COLUMNS = (*TEXT_COLUMNS, *PATH_COLUMNS, "prescription_gy")


def read_manifest(path: Path) -> list[PatientInputs]:
    """Every patient of a manifest. File names are relative to the manifest's folder.

    Raises:
        InputError: a column missing or unknown, a label twice or empty, a file that is not there, with its line.
    """
    rows = read_rows(path)
    patients: dict[str, PatientInputs] = {}
    for line, row in rows:
        where = f"{path.name}, line {line}"
        inputs = _inputs_of(row, path.parent, where)
        if inputs.patient in patients:
            raise InputError(f"patient {inputs.patient} is there twice", where=where, remedy="Give each its own label")
        try:
            inputs.check()
        except InputError as error:
            raise InputError(error.what, where=f"{where}, {error.where}".rstrip(", "), remedy=error.remedy) from error
        patients[inputs.patient] = inputs
    return list(patients.values())


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of each row.

    Raises:
        InputError: no rows, bad columns, not UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            names = [name.strip() for name in reader.fieldnames or ()]
            _check_columns(names, path)
            reader.fieldnames = names
            rows = [
                (reader.line_num, row) for row in reader if any(isinstance(v, str) and v.strip() for v in row.values())
            ]
    except UnicodeDecodeError:
        raise InputError("it is not UTF-8 text", where=str(path), remedy="Save it as CSV, UTF-8") from None
    if not rows:
        raise InputError("it lists no patient", where=str(path), remedy="Add a row for each patient")
    for line, row in rows:
        if None in row or None in row.values():
            raise InputError("it has more or fewer cells than the header", where=f"{path.name}, line {line}")
    return rows


def _has_text(row: dict) -> bool:
    return any(isinstance(cell, str) and cell.strip() for cell in row.values())


def _check_columns(names: list[str], path: Path) -> None:
    for name in names:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(COLUMNS)}"
            raise InputError(f"there is no column {name!r}", where=path.name, remedy=remedy)
    for name in NEEDED:
        if name not in names:
            raise InputError(f"the column {name} is missing", where=path.name, remedy=f"Needed: {', '.join(NEEDED)}")
    if len(set(names)) < len(names):
        raise InputError("a column is there twice", where=path.name, remedy="Remove one")


def _inputs_of(row: dict[str, str], folder: Path, where: str) -> PatientInputs:
    cells = {name: text.strip() for name, text in row.items() if text.strip()}
    for name in NEEDED:
        if name not in cells:
            raise InputError(f"{name} is empty", where=where, remedy="Fill it in")
    values: dict = {name: cells[name] for name in TEXT_COLUMNS if name in cells}
    values |= {name: folder / cells[name] for name in PATH_COLUMNS if name in cells}
    if "transform" in cells:  # several make a chain
        values["transform"] = tuple(folder / name.strip() for name in cells["transform"].split(";"))
    if "prescription_gy" in cells:
        values["prescription_gy"] = _number(cells["prescription_gy"], f"{where}, prescription_gy")
    return PatientInputs(**values)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{text!r} is no number", where=where, remedy="Give Gy, as in 70")
    return value
