"""Descriptions of a patient: what is read, and how faults are told."""

import json

import pytest

from NPCResponseLib.commands.patient_description import BoldSeries, find_description, read_patient_description
from NPCResponseLib.errors import InputError

GOOD = """version: 1
patient: case 12
treatment: {total_dose_gy: 70, fractions: 35}
time_points:
  - name: pre
    stage: pre-treatment
    bold:
      images: bold.nii.gz
      segmentation: tumor.seg.nrrd
      segment: tumor
      exclude: [necrosis]
  - name: post
    stage: 3 months
    day: 140
    anatomy:
      image: bold.nii.gz
      carry_segmentation_from: pre
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("bold.nii.gz", "tumor.seg.nrrd"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write(folder, text, name="patient.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_fields_are_read_and_files_found_beside_the_description(folder):
    description = read_patient_description(write(folder, GOOD))
    pre, post = description.time_points
    assert description.patient == "case 12"
    assert description.treatment.total_dose_gy == 70
    assert pre.bold == BoldSeries(
        images=(folder / "bold.nii.gz",),
        segmentation=folder / "tumor.seg.nrrd",
        segment="tumor",
        exclude=("necrosis",),
    )
    assert (post.day, post.anatomy.carry_segmentation_from) == (140, "pre")


def test_a_folder_stands_for_the_description_in_it(folder):
    path = write(folder, GOOD)
    assert find_description(folder) == path
    write(folder, "{}", "patient.json")
    with pytest.raises(InputError, match="several patient descriptions"):
        find_description(folder)


def test_json_with_tabs_is_read_like_yaml(folder):
    data = {"version": 1, "time_points": [{"name": "a", "stage": "other", "bold": {"images": ["bold.nii.gz"]}}]}
    path = write(folder, json.dumps(data, indent="\t"), "patient.json")
    assert read_patient_description(path).time_points[0].bold.images == (folder / "bold.nii.gz",)


@pytest.mark.parametrize(
    ("wrong", "right", "line", "fragments"),
    [
        ("imges: bold", "images: bold", 8, ("imges", "did you mean images")),
        ("stage: before", "stage: pre-treatment", 6, ("stage", "pre-treatment")),
        ("images: nothing.nii.gz", "images: bold.nii.gz", 8, ("no file or folder nothing.nii.gz",)),
        ("exclude: [necrosis, '']", "exclude: [necrosis]", 11, ("exclude.2",)),
        ("total_dose_gy: -70", "total_dose_gy: 70", 3, ("total_dose_gy", "greater than 0")),
        ("{total_dose_gy: 70}", "{total_dose_gy: 70, fractions: 35}", 3, ("fractions or dose_per_fraction_gy",)),
        ("carry_segmentation_from: before", "carry_segmentation_from: pre", None, ("no time point 'before'",)),
        ("name: pre\n    stage: 1 month", "name: post\n    stage: 3 months", None, ("same name",)),
        ("version: 2", "version: 1", 1, ("version",)),
        ("erode_mm: 1", "segmentation: tumor.seg.nrrd", None, ("bold names segments, but there is no segmentation",)),
    ],
)
def test_a_fault_is_told_with_its_line(folder, wrong, right, line, fragments):
    assert right in GOOD
    with pytest.raises(InputError) as refusal:
        read_patient_description(write(folder, GOOD.replace(right, wrong)))
    message = str(refusal.value)
    assert line is None or f"line {line}:" in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "empty"),
        ("- 1", "must begin with fields"),
        ("version: 1\nversion: 1\n", "line 2: version is given twice"),
        ("version: [1\n", "line 2"),
        ("version: 1\ntime_points: []\n", "line 2: time_points: there is no time point"),
    ],
)
def test_what_is_no_description_is_refused(folder, text, fragment):
    with pytest.raises(InputError, match=fragment):
        read_patient_description(write(folder, text))


def test_text_in_another_encoding_is_refused(folder):
    path = folder / "patient.yaml"
    path.write_bytes("version: 1\npatient: M\u00fcller".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_patient_description(path)
