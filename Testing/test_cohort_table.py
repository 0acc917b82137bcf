"""Tables of patients: what is read, and that every fault is told with its place and nothing is changed silently."""

import numpy as np
import openpyxl
import pandas as pd
import pytest

from NPCResponseLib.cohort.table import Table
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers.cohort_table import TableFormat, read_table

GOOD = "id,group,r2star\nA,RG,44.5\nB,NRG,\nC,RG, 51 \n"
WANTED = ("id", "group", "r2star")
BY_THE_BOOK = TableFormat()


def write(folder, content, name="patients.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def numbers(path, form=BY_THE_BOOK, column="r2star", wanted=WANTED):
    return read_table(path, form, wanted).numbers(column)


def refused(path, form=BY_THE_BOOK, wanted=WANTED) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, form, wanted).numbers("r2star")
    return str(caught.value)


def test_numbers_and_empty_cells(tmp_path):
    np.testing.assert_array_equal(numbers(write(tmp_path, GOOD)), [44.5, np.nan, 51])


def test_the_same_from_tabs_spreadsheet_and_parquet(tmp_path):
    frame = pd.DataFrame({"id": ["A", "B", "C"], "group": ["RG", "NRG", "RG"], "r2star": [44.5, None, 51.0]})
    frame.to_excel(tmp_path / "p.xlsx", index=False)
    frame.to_parquet(tmp_path / "p.parquet")
    frame.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    for name in ("p.xlsx", "p.parquet", "p.tsv"):
        table = read_table(tmp_path / name, TableFormat(), WANTED)
        np.testing.assert_array_equal(table.numbers("r2star"), [44.5, np.nan, 51])
        assert table.labels("group") == ["RG", "NRG", "RG"]


def test_a_byte_order_mark_and_a_quoted_line_break_are_read(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + b'id,group,r2star\n"A\nx",RG,1\nB,RG,abc\n')
    assert "row 4, column r2star" in refused(path)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("abc", '"abc" is no number'),
        ("12.5 Hz", '"12.5 Hz" is no number'),
        ("NA", '"NA" is no number. Leave the cell empty, or say missing: ["NA"]'),
        ("NaN", '"NaN" is no number'),
        ("inf", '"inf" is no finite number'),
        ("-Infinity", "no finite number"),
        ("1e999", "too large"),
        ("1_000", '"1_000" is no number'),
        ("٤٤", "is no number"),
        ("−12.5", "dash instead of a minus sign"),
        ("<5", '"<5" is no number'),
        ("1.234.5", "is no number"),
    ],
)
def test_what_is_no_number_is_told_with_row_and_column(tmp_path, cell, words):
    message = refused(write(tmp_path, GOOD.replace(" 51 ", cell)))
    assert "row 4, column r2star" in message
    assert words in message


def test_words_for_missing_count_only_when_announced(tmp_path):
    path = write(tmp_path, GOOD.replace(" 51 ", "NA"))
    np.testing.assert_array_equal(numbers(path, TableFormat(missing_words=("NA",))), [44.5, np.nan, np.nan])


def test_decimal_commas_are_refused_unless_announced(tmp_path):
    path = write(tmp_path, "id;group;r2star\nA;RG;44,5\nB;NRG;51\n")
    semicolons = TableFormat(delimiter=";")
    assert '"44,5" has a decimal comma' in refused(path, semicolons)
    announced = TableFormat(delimiter=";", decimal_comma=True)
    np.testing.assert_array_equal(numbers(path, announced), [44.5, 51])
    assert "decimal point where commas" in refused(write(tmp_path, "id;group;r2star\nA;RG;44.5\n"), announced)


def test_decimal_commas_between_commas_are_a_ragged_row(tmp_path):
    message = refused(write(tmp_path, GOOD.replace("44.5", "44,5")))
    assert "row 2 has 4 cells, the header 3" in message
    assert "decimal comma" in message


def test_a_wrong_delimiter_is_named(tmp_path):
    message = refused(write(tmp_path, GOOD.replace(",", ";")))
    assert "separated by semicolons, not by commas" in message
    assert 'delimiter: ";"' in message
    assert "separated by tabs" in refused(write(tmp_path, GOOD.replace(",", "\t")))


def test_a_misspelled_column_suggests_the_nearest(tmp_path):
    message = refused(write(tmp_path, GOOD), wanted=("id", "R2Star_"))
    assert 'there is no column "R2Star_". Did you mean "r2star"?' in message


def test_a_missing_column_lists_the_others(tmp_path):
    assert "Its columns are id, group, r2star" in refused(write(tmp_path, GOOD), wanted=("residual disease",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"  \n\n", "it is empty"),
        (b"id,group,r2star\n", "a header and no patient"),
        (GOOD.replace("C,", "Müller,").encode("latin-1"), "row 4 is not UTF-8 (byte 0xFC)"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "it is a spreadsheet"),
        (b"id,group,r2star\nA,RG,1\0\n", "binary zeros"),
        (b'id,group,r2star\nA,RG,"1\n', "cannot be read"),
        (b"id,group,r2star\nA,RG\n", "row 2 has 2 cells"),
        (b"id,group,r2star,r2star\nA,RG,1,2\n", '2 columns are named "r2star"'),
    ],
)
def test_damaged_text(tmp_path, content, words):
    assert words in refused(write(tmp_path, content))


def test_empty_rows_are_passed_over_and_counted(tmp_path):
    table = read_table(write(tmp_path, GOOD + "\n,,\nD,RG,7\n"), TableFormat(), WANTED)
    assert table.n == 4
    assert table.notes == ("2 empty rows were passed over.",)
    assert table.rows[3] == "row 7"


def test_unknown_and_missing_files(tmp_path):
    assert '".doc" is no kind of table' in refused(write(tmp_path, GOOD, "p.doc"))
    assert "no such file" in refused(tmp_path / "nothing.csv")


def workbook(folder, rows, sheets=("Sheet",)):
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for row in rows:
        book.active.append(row)
    for name in sheets[1:]:
        book.create_sheet(name)
    path = folder / "p.xlsx"
    book.save(path)
    return path


def test_a_formula_without_a_value_is_no_empty_cell(tmp_path):
    path = workbook(tmp_path, [WANTED, ("A", "RG", 44.5), ("B", "NRG", "=C2+1")])
    assert "row 3, column r2star: the formula =C2+1 has no value" in refused(path)


def test_cells_of_other_types_are_refused(tmp_path):
    assert "row 2, column r2star: True is a yes/no value" in refused(workbook(tmp_path, [WANTED, ("A", "RG", True)]))
    date = pd.Timestamp("2024-05-12").to_pydatetime()
    assert "is a datetime, no number" in refused(workbook(tmp_path, [WANTED, ("A", "RG", date)]))


def test_several_sheets_ask_which(tmp_path):
    path = workbook(tmp_path, [WANTED, ("A", "RG", 1)], ("Data", "Notes"))
    assert "it has 2 sheets" in refused(path)
    assert numbers(path, TableFormat(sheet="Data"))[0] == 1
    assert "Its sheets are Data, Notes" in refused(path, TableFormat(sheet="data"))


def test_a_file_that_is_no_spreadsheet_or_parquet(tmp_path):
    assert "no readable spreadsheet" in refused(write(tmp_path, GOOD, "p.xlsx"))
    assert "no readable Parquet" in refused(write(tmp_path, GOOD, "p.parquet"))


def test_labels_are_text_and_whole_numbers_have_no_decimals():
    table = Table({"x": [1.0, 2, "3 ", None, True, float("nan"), "NA"]}, [""] * 7, missing_words=("NA",))
    assert table.labels("x") == ["1", "2", "3", "", "true", "", ""]


@pytest.mark.parametrize("cell", [1e300, "-1e300", 1e80])
def test_numbers_too_large_to_compute_with_are_told(cell):
    with pytest.raises(InputError, match=r"row 3, column a: .*too large"):
        Table({"a": [1.0, cell]}, ["row 2", "row 3"]).numbers("a")
