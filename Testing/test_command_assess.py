"""``npc-response assess`` as its users meet it: one patient, from a description to the response."""

import csv
import json
import shutil
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name

from NPCResponseLib import commands
from Testing.dicom_factory import save
from Testing.test_command_line import assert_refused, run, snapshot  # noqa: F401  run is a fixture


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "input"
    assert commands.run(["phantom", str(folder), "--seed", "2", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def assessed(patient, tmp_path_factory):
    output = tmp_path_factory.mktemp("assess") / "out"
    assert commands.run(["assess", str(patient), "-o", str(output), "--quiet"]) == 0
    return output


@pytest.fixture(scope="module")
def summary(assessed):
    return json.loads((assessed / "result.json").read_text())


def truths(patient, time_point: str) -> dict[tuple[str, str], float]:
    with (patient / "truth.csv").open() as stream:
        return {
            (row["region"], row["what"]): float(row["value"])
            for row in csv.DictReader(stream)
            if row["time_point"] == time_point
        }


def describe(folder, *time_points: str, head: str = "") -> str:
    path = folder / "patient.yaml"
    path.write_text(f"version: 1\n{head}time_points:\n" + "".join(time_points))
    return str(path)


def bold_point(name: str, stage: str, patient, images: str = "pre_bold.nii.gz") -> str:
    return (
        f"  - name: {name}\n    stage: {stage}\n    bold:\n      images: {patient / images}\n"
        f"      segmentation: {patient / 'pre_tumor.seg.nrrd'}\n      segment: tumor\n"
    )


def test_run_writes_report_measurements_trend_scene_and_summary(assessed, summary):
    names = {entry.name for entry in assessed.iterdir()}
    assert names == {"report.html", "measurements.csv", "trend.csv", "scene.mrb", "result.json"}
    assert sorted(names) == summary["files"]
    assert zipfile.is_zipfile(assessed / "scene.mrb")


def test_measured_values_are_the_phantom_s(summary, patient):
    for point in summary["time_points"]:
        truth = truths(patient, "pre" if point["name"] == "pre" else "post")
        r2star, tbf = point["r2star"], point["tbf"]
        if r2star:
            expected = truth["tumor less necrosis, largest slice", "R2*"]
            assert r2star["value"] == pytest.approx(expected, abs=3 * r2star["standard_error"])
        if tbf:
            expected = truth["viable_tumor", "TBF by Eq. 2 without noise"]
            # Flow varies within the tumor (SD 15): three slices may differ a little from the whole.
            assert tbf["value"] == pytest.approx(expected, abs=3 * tbf["standard_error"] + 3)
        tumor = next((lesion for lesion in point["lesions"] if lesion["name"] == "tumor"), {"diameters_by_plane": {}})
        for plane, length in tumor["diameters_by_plane"].items():
            assert length == pytest.approx(truth["tumor", f"Maximum diameter, {plane} plane"], abs=1.5)


def test_all_three_quantities_were_measured_twice(summary):
    points = summary["time_points"]
    assert [sum(bool(point[what]) for point in points) for what in ("r2star", "tbf", "lesions")] == [2, 2, 2]


def test_published_rules_are_used_under_their_papers_conditions(summary):
    assert not [rule["rule"]["id"] for rule in summary["rules"] if rule["conditions_not_met"]]


def test_verdicts_follow_from_the_numbers(summary, patient):
    (verdict,) = [verdict for verdict in summary["recist"] if verdict["time_point"] == "3 months"]
    assert (verdict["category"], verdict["target"]) == ("PR", "PR")
    (atrophy,) = summary["atrophy"]
    pre, post = truths(patient, "pre"), truths(patient, "post")
    plane = ("tumor", "Maximum diameter, axial plane")
    expected = 100 * (pre[plane] - post[plane]) / pre[plane]
    assert atrophy["lesion"]["atrophy"]["percent"] == pytest.approx(expected, abs=4)
    assert {rule["rule"]["id"] for rule in summary["rules"]} and len(summary["rules"]) == 8
    assert summary["dose"] is not None


def test_trend_and_measurements_are_tables(assessed):
    with (assessed / "trend.csv").open() as stream:
        trend = list(csv.DictReader(stream))
    assert {"R2*", "Tumor blood flow"} <= {row["what"] for row in trend}
    assert all(row["unit"] for row in trend)
    with (assessed / "measurements.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {"R2* mean", "TBF mean", "Maximum diameter, axial plane"} <= {row["what"] for row in rows}


def test_report_speaks_of_no_file(assessed):
    report = (assessed / "report.html").read_text()
    assert "RECIST" in report and "pre_bold" not in report and "t1ce.nii" not in report


def test_one_time_point_with_one_series_is_enough(patient, tmp_path, run):  # noqa: F811
    done = run(
        "assess", describe(tmp_path, bold_point("pre", "pre-treatment", patient)), "-o", tmp_path / "o", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["changes"], result["recist"]) == ([], [])
    assert result["cannot_be_told"]


def test_typed_diameters_need_no_images(tmp_path, run):  # noqa: F811
    points = [
        f"  - {{name: {name}, stage: {stage}, new_lesions: false, lesions: [{{name: tumor, longest_mm: {mm}}}]}}\n"
        for name, stage, mm in (("pre", "pre-treatment", 50), ("post", "3 months", 34))
    ]
    done = run("assess", describe(tmp_path, *points), "-o", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert "-32" in " ".join(result["summary"])
    assert result["atrophy"][0]["lesion"]["atrophy"]["percent"] == pytest.approx(32)


def test_a_carried_segmentation_gives_regions_and_no_diameters(patient, tmp_path, run):  # noqa: F811
    points = [
        f"  - name: {name}\n    stage: {stage}\n    anatomy: {{image: {patient / 'pre_t1ce.nii.gz'}, {source}}}\n"
        f"    bold: {{images: {patient / 'pre_bold.nii.gz'}, segment: tumor}}\n"
        "    lesions: [{segment: tumor}]\n"
        for name, stage, source in (
            ("pre", "pre-treatment", f"segmentation: {patient / 'pre_t1ce.seg.nrrd'}"),
            ("later", "end of treatment", "carry_segmentation_from: pre"),
        )
    ]
    done = run("assess", describe(tmp_path, *points), "-o", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    pre, later = result["time_points"]
    assert later["r2star"]["value"] == pytest.approx(pre["r2star"]["value"], rel=1e-3)
    assert (pre["lesions"][0]["longest_mm"] is None, later["lesions"][0]["longest_mm"]) == (False, None)
    assert any("carried over" in warning for warning in result["warnings"])


def write_dicom_copy(source, folder, patient_id: str) -> None:
    """The echoes of a BOLD file as classic DICOM of a patient."""
    image = sitk.ReadImage(str(source))
    volumes = sitk.GetArrayFromImage(image)
    folder.mkdir()
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    spacing, origin = image.GetSpacing(), image.GetOrigin()
    for echo, volume in enumerate(volumes[:2]):
        for k, pixels in enumerate(volume):
            dataset = pydicom.Dataset()
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
            dataset.PatientID, dataset.PatientName, dataset.Modality = patient_id, "Doe^Jane", "MR"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
            dataset.EchoTime, dataset.EchoNumbers, dataset.MagneticFieldStrength = 6.71 * (echo + 1), echo + 1, 3
            dataset.InstanceNumber = echo * len(volume) + k + 1
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
            dataset.ImagePositionPatient = [origin[0], origin[1], origin[2] + k * spacing[2]]
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            dataset.PixelSpacing, dataset.SliceThickness = [spacing[1], spacing[0]], 5
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *pixels.shape, 1
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 15, 1, "MONOCHROME2"
            dataset.PixelData = np.ascontiguousarray(pixels.astype(np.int16)).tobytes()
            save(dataset, folder / f"{echo}_{k}.dcm")


def test_time_points_of_different_patients_are_refused_unless_forced(patient, tmp_path, run):  # noqa: F811
    for name, patient_id in (("pre", "ID-17"), ("post", "ID-18")):
        write_dicom_copy(patient / "pre_bold.nii.gz", tmp_path / name, patient_id)
    points = [
        f"  - {{name: {name}, stage: {stage}, bold: {{images: {tmp_path / name}}}}}\n"
        for name, stage in (("pre", "pre-treatment"), ("post", "3 months"))
    ]
    description = describe(tmp_path, *points)
    done = run("assess", description, "-o", tmp_path / "o")
    assert_refused(done, "different patients", "--allow-different-patients")
    assert "ID-1" not in done.stderr and "Doe" not in done.stderr
    forced = run("assess", description, "-o", tmp_path / "o", "--allow-different-patients")
    assert forced.returncode == 0, forced.stderr


def test_faults_name_the_time_point(patient, tmp_path, run):  # noqa: F811
    wrong = bold_point("40 Gy", "mid-treatment", patient).replace("segment: tumor", "segment: tumour")
    description = describe(tmp_path, bold_point("pre", "pre-treatment", patient), wrong)
    assert_refused(run("assess", description, "-o", tmp_path / "o"), "time point 40 Gy", "tumour")
    assert not (tmp_path / "o").exists()


def test_a_folder_without_description_is_refused(tmp_path, run):  # noqa: F811
    assert_refused(run("assess", tmp_path, "-o", tmp_path / "o"), "no patient description", "patient.yaml")


def test_results_may_lie_beside_the_input_and_are_replaced_on_force_only(patient, tmp_path, run):  # noqa: F811
    shutil.copytree(patient, tmp_path / "input")
    words = ("assess", tmp_path / "input", "-o", tmp_path)
    assert_refused(run(*words), "--force")
    assert run(*words, "--force", "--quiet").returncode == 0
    before = snapshot(tmp_path / "input")
    assert run(*words, "--force", "--quiet").returncode == 0
    assert snapshot(tmp_path / "input") == before


def test_the_same_images_at_two_time_points_are_noticed(patient, tmp_path, run):  # noqa: F811
    points = (bold_point("pre", "pre-treatment", patient), bold_point("end", "end of treatment", patient))
    done = run("assess", describe(tmp_path, *points), "-o", tmp_path / "o", "--json")
    assert "pre BOLD and end BOLD are the same images: check the description." in json.loads(done.stdout)["warnings"]
