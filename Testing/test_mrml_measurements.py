"""Measurement rows as text files and as a table node."""

import csv

import numpy as np
import pytest

from NPCResponseLib import __version__
from NPCResponseLib.errors import InputError
from NPCResponseLib.measurement import COLUMN_NAMES, Measurement, counted, write_measurements
from NPCResponseLib.mrml.measurements import COLUMN_TITLES, write_table
from Testing import scene_nodes as build


def row(**changes) -> Measurement:
    values = {
        "what": "R2* mean",
        "value": 44.03649084776351,
        "unit": "Hz",
        "image": "BOLD",
        "segment": 'left, "GTV"\tupper',
        "roi_rule": "Whole volume",
        "method": "ARLO",
        "parameters": "",
        "n_used": 412,
        "n_excluded": 41,
        "excluded_reasons": counted({"segment necrosis": 38, "low signal": 3}),
    }
    return Measurement(**(values | changes))


@pytest.mark.parametrize(("name", "delimiter"), [("table.csv", ","), ("table.tsv", "\t"), ("TABLE.CSV", ",")])
def test_rows_come_back_from_a_text_file(tmp_path, name, delimiter):
    write_measurements([row(), row(what="R2* median", value=float("nan"))], tmp_path / name)
    with (tmp_path / name).open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream, delimiter=delimiter)
    assert tuple(first) == COLUMN_NAMES
    assert float(first["value"]) == pytest.approx(44.03649084776351, rel=1e-9)
    assert first["segment"] == 'left, "GTV"\tupper'
    assert (first["n_used"], first["n_excluded"]) == ("412", "41")
    assert first["excluded_reasons"] == "segment necrosis: 38; low signal: 3"
    assert first["software_version"] == f"NPCImaging {__version__}"
    assert second["value"] == "nan"


def test_an_old_file_is_replaced_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x" * 100_000)
    write_measurements([row()], path)
    assert path.read_text(encoding="utf-8").count("\n") == 2
    assert build.names_in(tmp_path) == ["table.csv"]


def test_other_endings_and_places_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"table\.xlsx: a table is written as"):
        write_measurements([row()], tmp_path / "table.xlsx")
    with pytest.raises(InputError, match=r"missing/table\.csv: cannot be written"):
        write_measurements([row()], tmp_path / "missing" / "table.csv")
    assert build.names_in(tmp_path) == []


def test_rows_that_fail_midway_leave_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def rows():
        yield row()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_measurements(rows(), path)
    assert path.read_text() == "old"
    assert build.names_in(tmp_path) == ["table.csv"]


def test_table_node_has_typed_named_columns_and_readable_heads(scene):
    table = write_table([row(), row(value=1.5)], "results")
    assert [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())] == list(COLUMN_NAMES)
    values = table.GetTable().GetColumnByName("value")
    assert values.GetDataTypeAsString() == "double"
    assert [values.GetValue(n) for n in range(2)] == [44.03649084776351, 1.5]
    assert table.GetTable().GetColumnByName("n_used").GetValue(0) == 412
    assert table.GetColumnTitle("n_used") == COLUMN_TITLES["n_used"] == "Voxels used"
    assert table.GetUseColumnTitleAsColumnHeader()
    assert table.GetColumnUnitLabel("n_excluded") == "voxels"
    assert set(COLUMN_TITLES) == set(COLUMN_NAMES)


def test_text_that_slicer_could_not_read_back_is_made_harmless(scene):
    assert write_table([row()], "results").GetCellText(0, COLUMN_NAMES.index("segment")) == "left, 'GTV' upper"


def test_writing_again_replaces_the_rows(scene):
    table = write_table([row(), row()], "results")
    assert write_table([row(value=np.float64(2.0))], "other", table) is table
    assert (table.GetNumberOfRows(), table.GetNumberOfColumns()) == (1, len(COLUMN_NAMES))
    assert table.GetName() == "results"
