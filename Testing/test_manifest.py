"""The manifest of a cohort: what it may look like, and how every mistake is told with its line."""

from pathlib import Path

import pytest

from NPCRadiomicsRiskLib.commands.heterogeneity_results import is_feature_table
from NPCRadiomicsRiskLib.commands.manifest import COLUMNS, read_manifest
from NPCResponseLib.errors import InputError

HEADER = "patient,pre,gtv,recurrence,gtvr"
FIRST, SECOND = "P1,a.nrrd,b.nrrd,c.nrrd,d.nrrd", "P2,a.nrrd,b.nrrd,c.nrrd,d.nrrd"


@pytest.fixture
def write(tmp_path):
    """A manifest beside files a.nrrd to f.nrrd."""
    for letter in "abcdef":
        (tmp_path / f"{letter}.nrrd").touch()

    def written(*lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
        path = tmp_path / "manifest.csv"
        path.write_bytes(end.join([*lines, ""]).encode(encoding))
        return path

    return written


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    return str(caught.value)


# -- what is read --


def test_every_row_is_a_patient_with_files_beside_the_manifest(write):
    first, second = read_manifest(write(HEADER, FIRST, SECOND))
    assert (first.patient, second.patient) == ("P1", "P2")
    assert first.pre.is_file() and first.pre.name == "a.nrrd"
    assert first.gtvr.name == "d.nrrd" and first.dose is None and first.transform == ()


def test_absolute_paths_stay_what_they_are(write, tmp_path):
    (found,) = read_manifest(write("patient,pre,gtv,gtvr", f"P1,{tmp_path}/a.nrrd,b.nrrd,../{tmp_path.name}/d.nrrd"))
    assert found.pre == tmp_path / "a.nrrd" and found.gtvr.is_file()


@pytest.mark.parametrize(
    ("end", "encoding"),
    [("\n", "utf-8"), ("\r\n", "utf-8"), ("\n", "utf-8-sig"), ("\r\n", "utf-8-sig"), ("\r", "utf-8")],
)
def test_line_ends_and_a_byte_order_mark_make_no_difference(write, end, encoding):
    found = read_manifest(write(HEADER, FIRST, SECOND, end=end, encoding=encoding))
    assert [each.patient for each in found] == ["P1", "P2"]


def test_blank_lines_and_blanks_around_cells_are_passed_over(write):
    found = read_manifest(
        write("patient , pre,gtv,recurrence,gtvr", "", " P1 , a.nrrd ,b.nrrd,c.nrrd,d.nrrd", ",,,,", "")
    )
    assert [(each.patient, each.pre.name) for each in found] == [("P1", "a.nrrd")]


def test_separators_of_other_countries_are_read(write):
    """Excel writes semicolons where the comma is the decimal sign."""
    line = FIRST.replace(",", ";")
    (found,) = read_manifest(write(HEADER.replace(",", ";") + ";prescription_gy;dose", f"{line};70,5;e.nrrd"))
    assert found.prescription_gy == 70.5 and found.dose.name == "e.nrrd"


def test_empty_cells_mean_that_there_is_none(write):
    header = f"{HEADER},dose,prescription_gy,landmarks_pre,landmarks_recurrence,gtv_segment"
    with_dose, without = read_manifest(write(header, f"{FIRST},e.nrrd,70,,,tumor 1", f"{SECOND},,,,,"))
    assert (with_dose.dose.name, with_dose.prescription_gy, with_dose.gtv_segment) == ("e.nrrd", 70.0, "tumor 1")
    assert (without.dose, without.prescription_gy, without.gtv_segment) == (None, None, "")


def test_several_transforms_make_a_chain(write):
    (found,) = read_manifest(write(f"{HEADER},transform", f"{FIRST},e.nrrd; f.nrrd"))
    assert [path.name for path in found.transform] == ["e.nrrd", "f.nrrd"]


def test_labels_may_be_of_any_script(write):
    (found,) = read_manifest(write(HEADER, FIRST.replace("P1", "患者 1")))
    assert found.patient == "患者 1"


# -- what is refused --


def test_unknown_column_is_told_with_the_nearest_name(write):
    told = refused(write(HEADER.replace("recurrence", "recurence"), FIRST))
    assert "recurence" in told and told.strip().endswith("recurrence?")


def test_column_like_no_other_is_told_with_all_names(write):
    told = refused(write(f"{HEADER},xyz", f"{FIRST},1"))
    assert "xyz" in told and all(name in told for name in COLUMNS)


@pytest.mark.parametrize("name", ["patient", "pre", "gtv", "gtvr"])
def test_missing_column_is_named(write, name):
    position = HEADER.split(",").index(name)
    lines = [",".join(cell for n, cell in enumerate(line.split(",")) if n != position) for line in (HEADER, FIRST)]
    told = refused(write(*lines))
    assert f"column {name} is missing" in told


def test_column_twice(write):
    assert "twice" in refused(write(f"{HEADER},gtv", f"{FIRST},e.nrrd"))


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("P2,a.nrrd,b.nrrd,c.nrrd,not_there.nrrd", "not_there.nrrd"),
        ("P1,a.nrrd,b.nrrd,c.nrrd,d.nrrd", "twice"),
        ("P2,a.nrrd,b.nrrd,c.nrrd", "fewer cells"),
        ("P2,a.nrrd,b.nrrd,c.nrrd,d.nrrd,e.nrrd", "more"),
        (",a.nrrd,b.nrrd,c.nrrd,d.nrrd", "patient is empty"),
        ("P2,,b.nrrd,c.nrrd,d.nrrd", "pre is empty"),
    ],
)
def test_mistake_in_a_row_is_told_with_its_line(write, line, fragment):
    told = refused(write(HEADER, FIRST, "", line))
    assert "line 4" in told and fragment in told


@pytest.mark.parametrize(
    ("columns", "cells", "fragment"),
    [
        ("dose", "e.nrrd", "belong together"),
        ("prescription_gy", "70", "belong together"),
        ("dose,prescription_gy", "e.nrrd,much", "'much'"),
        ("dose,prescription_gy", "e.nrrd,-70", "positive"),
        ("dose,prescription_gy", "e.nrrd,nan", "number"),
        ("landmarks_pre", "e.nrrd", "one image only"),
        ("transform", "e.nrrd;gone.tfm", "gone.tfm"),
        ("transform", "e.nrrd;", "transform"),
    ],
)
def test_contradiction_in_a_row_is_told_with_its_line(write, columns, cells, fragment):
    told = refused(write(f"{HEADER},{columns}", f"{FIRST},{cells}"))
    assert "line 2" in told and fragment in told


def test_transform_without_a_recurrence_image(write):
    told = refused(write("patient,pre,gtv,gtvr,transform", "P1,a.nrrd,b.nrrd,d.nrrd,e.nrrd"))
    assert "no recurrence image" in told


@pytest.mark.parametrize("encoding", ["utf-16", "gbk", "latin-1"])
def test_text_that_is_not_utf_8_is_refused_in_words(write, encoding):
    label = "Müller" if encoding == "latin-1" else "患者"
    told = refused(write(HEADER, FIRST.replace("P1", label), encoding=encoding))
    assert "UTF-8" in told


@pytest.mark.parametrize("lines", [(), (HEADER,), (HEADER, "", ",,,,")])
def test_manifest_without_a_patient(write, lines):
    told = refused(write(*lines))
    assert "no patient" in told or "empty" in told or "missing" in told


def test_open_quote_does_not_swallow_the_rest(write):
    told = refused(write(HEADER, FIRST, '"P2,a.nrrd,b.nrrd,c.nrrd,d.nrrd', "P3,a.nrrd,b.nrrd,c.nrrd,d.nrrd"))
    assert "line 3" in told


def test_binary_file_is_no_manifest(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_bytes(bytes(range(256)) * 4)
    assert "UTF-8" in refused(path)


def test_labels_that_would_be_one_in_a_file_name_or_table_are_told_apart(write):
    """Cells are stripped, so these are the same."""
    assert "twice" in refused(write(HEADER, FIRST, FIRST.replace("P1", " P1 ")))


# -- manifest or features? --


@pytest.mark.parametrize(
    ("line", "expected"), [(HEADER, False), ("patient,region,GLCM_Energy", True), ("patient;region;GLCM_Energy", True)]
)
def test_feature_table_is_told_from_a_manifest(write, line, expected):
    assert is_feature_table(write(line)) is expected
