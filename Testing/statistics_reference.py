"""The reference values of the statistics and their tolerances, as the tests of the models read them."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "reference_stats"
WORDS = {"Inf": np.inf, "-Inf": -np.inf, "NaN": np.nan, None: np.nan}


@cache
def topic(name):
    return json.loads((FOLDER / "expected" / f"{name}.json").read_text(encoding="utf-8"))


def cases(name):
    return topic(name)["cases"]


def case(name, which):
    return next(one for one in cases(name) if one["case"] == which)


@cache
def table(file_name):
    """Columns of a data file: floats with NaN where all cells are numbers or empty, else text."""
    with (FOLDER / "data" / file_name).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: _column([row[name] for row in rows]) for name in rows[0]}


def complete_rows(columns, names):
    """The columns without the rows that lack one of the names."""
    used = ~np.any([np.isnan(columns[name]) for name in names], axis=0)
    return {name: column[used] for name, column in columns.items()}


def check(name, found, expected, **tolerance):
    """Found equals expected to the tolerance that the topic's file states (or a wider one that a test justifies)."""
    stated = topic(name)["tolerance"]
    limits = {"rtol": stated["rel"], "atol": stated["abs"], **tolerance}
    np.testing.assert_allclose(_numbers(found), _numbers(expected), **limits)


def _numbers(values):
    word_to_number = np.vectorize(lambda cell: WORDS.get(cell, cell) if cell is None or isinstance(cell, str) else cell)
    word_to_number.otypes = "d"
    return word_to_number(np.asarray(values, dtype=object))


def _column(cells):
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells, dtype=object)
