"""A cohort's manifest: a CSV with a row per patient and columns of files; checked line by line before any work."""

import difflib
import math
import re
from pathlib import Path

from NPCResponseLib.errors import InputError

from ..delimited_text import check_width, read_lines
from .patient_inputs import PATH_COLUMNS, PatientInputs

NEEDED = ("patient", "pre", "gtv", "gtvr")
TEXT_COLUMNS = ("patient", "gtv_segment", "gtvr_segment")
CHAIN = re.compile(r"[;|]")
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
    """Line number and cells of each row; cells are separated by commas, semicolons or tabs, as the header is.

    Raises:
        InputError: no rows, bad columns, ragged rows, not UTF-8.
    """
    lines = read_lines(path)
    if not lines:
        raise InputError("it is empty", where=str(path), remedy=f"Give a header with {', '.join(NEEDED)}")
    names = lines[0][1]
    _check_columns(names, path)
    if len(lines) == 1:
        raise InputError("it lists no patient", where=str(path), remedy="Add a row for each patient")
    check_width(path, names, lines[1:])
    return [(line, dict(zip(names, cells, strict=True))) for line, cells in lines[1:]]


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
    cells = {name: text for name, text in row.items() if text}
    for name in NEEDED:
        if name not in cells:
            raise InputError(f"{name} is empty", where=where, remedy="Fill it in")
    values: dict = {name: cells[name] for name in TEXT_COLUMNS if name in cells}
    values |= {name: folder / cells[name] for name in PATH_COLUMNS if name in cells}
    if "transform" in cells:  # several make a chain
        names = [name.strip() for name in CHAIN.split(cells["transform"])]
        if not all(names):
            raise InputError("an empty name is in the chain", where=f"{where}, transform", remedy="Name a file")
        values["transform"] = tuple(folder / name for name in names)
    if "prescription_gy" in cells:
        values["prescription_gy"] = _number(cells["prescription_gy"], f"{where}, prescription_gy")
    return PatientInputs(**values)


def _number(text: str, where: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{text!r} is no number", where=where, remedy="Give Gy, as in 70")
    return value
