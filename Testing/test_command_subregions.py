"""``npc-radiomics subregions``: every result of a patient, every refusal in a line, nothing half-written, no names."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name

from NPCRadiomicsRiskLib import commands
from NPCRadiomicsRiskLib.commands import patient_measurement, texture_options
from NPCRadiomicsRiskLib.commands.subregions import size_of_region
from NPCRadiomicsRiskLib.mrml.patient_files import read_linear_transform, write_linear_transform
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings
from NPCResponseLib.errors import InputError
from Testing import rt_factory
from Testing.subregion_files import FEW_LEVELS, write_image, write_patient

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def run(capsys):
    """Run in this process: faster, and the same but for start-up and signals."""

    def in_process(*arguments) -> SimpleNamespace:
        capsys.readouterr()
        code = commands.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=captured.out, stderr=captured.err)

    return in_process


def assert_refused(done, *fragments: str) -> None:
    """Exit code 2, one line that says what, and no traceback."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("npc-radiomics: error: "), done.stderr
    for fragment in fragments:
        assert fragment.lower() in lines[0].lower()
    assert done.stdout == ""


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(entry.relative_to(folder)): entry.read_bytes() if entry.is_file() else None for entry in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Files named as no file should be."""
    return write_patient(tmp_path_factory.mktemp("ZHANG_study") / "Zhang^Mei", stem="ZHANGMEI_19700101")


@pytest.fixture(scope="module")
def measured(patient):
    """One run with everything, the images laid over each other by the transform that is true."""
    output = patient.folder.parent / "out"
    extra = ("--map", "--stability", "1", "--size-control", "2", "--patient", "P<07> & {x}")
    arguments = ["subregions", *patient.options(), *patient.with_dose(), *patient.with_landmarks(), *FEW_LEVELS, *extra]
    code = commands.run([*map(str, arguments), "--voi-mm", "70", "-q", "-o", str(output)])
    assert code == 0
    summary = json.loads((output / "result.json").read_text(encoding="utf-8"))
    return SimpleNamespace(output=output, summary=summary, arguments=arguments)


def same_image(patient, *extra) -> list:
    """Arguments of a quick run: GTVr is drawn on the pre-treatment image, so that nothing needs aligning."""
    options = patient.options("recurrence", "transform", gtvr=patient.path("gtvr_on_pre.nrrd"))
    return ["subregions", *options, *FEW_LEVELS, *extra]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# -- a full run --


def test_run_writes_every_result(measured):
    names = {entry.name for entry in measured.output.iterdir()}
    assert names == {
        "features.csv", "feature_table.csv", "histograms.csv", "stability.csv", "size_control.csv",
        "subregions.seg.nrrd", "transform.tfm", "radioresistance.nii.gz", "boost.seg.nrrd", "report.html", "scene.mrb",
        "result.json",
    }  # fmt: skip
    assert sorted(names) == measured.summary["files"]


def test_volumes_and_dose_are_the_phantom_s(measured, patient):
    """Of 5 mm slices and 1.8 mm pixels: within 5 %."""
    found, true = measured.summary["sub_regions"], patient.truth.volumes_cm3
    assert found["volumes_cm3"]["GTV"] == pytest.approx(true["GTV"], rel=0.03)
    assert found["volumes_cm3"]["GTVr"] == pytest.approx(true["GTVr inside GTV"], rel=0.05)
    assert found["volumes_cm3"]["GTVnr"] == pytest.approx(true["GTVnr"], rel=0.05)
    assert found["gtvr_outside_cm3"] == pytest.approx(true["GTVr outside GTV"], abs=0.4)
    assert measured.summary["dose"]["category"] == patient.truth.site == "in-field"


def test_feature_table_has_a_row_per_region_and_the_paper_s_47_columns(measured):
    rows = table(measured.output / "features.csv")
    assert [row["region"] for row in rows] == ["GTVr", "GTVnr"]
    assert list(rows[0])[4:] == list(FEATURE_NAMES) and len(FEATURE_NAMES) == 47
    for row in rows:
        of_json = measured.summary["features"][row["region"]]
        assert {name: float(row[name]) for name in FEATURE_NAMES} == pytest.approx(of_json, rel=1e-10)
        assert float(row["volume_cm3"]) == pytest.approx(
            measured.summary["sub_regions"]["volumes_cm3"][row["region"]], rel=0.1
        )


def test_difference_is_recurrent_minus_the_rest(measured):
    rows = table(measured.output / "feature_table.csv")
    assert [row["Feature"] for row in rows] == list(FEATURE_NAMES)
    for row in rows:
        difference = float(row["GTVr"]) - float(row["GTVnr"])
        assert float(row["GTVr - GTVnr"]) == pytest.approx(difference, rel=1e-6, abs=1e-9)
        expected, excess = float(row["Random parts of these sizes"]), float(row["Excess over random parts"])
        assert excess == pytest.approx(difference - expected, rel=1e-6, abs=1e-9)
    assert {row["Same direction"] for row in rows} <= {"yes", "no", ""}  # with levels shared by both regions


def test_sub_regions_are_segments_that_add_up_to_the_tumor(measured):
    image = sitk.ReadImage(str(measured.output / "subregions.seg.nrrd"))
    names = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if re.fullmatch(r"Segment\d+_Name", key)}
    assert {"GTV", "GTVr", "GTVnr"} <= names


def test_transform_that_was_given_is_written_back(measured, patient):
    found = read_linear_transform(measured.output / "transform.tfm")
    np.testing.assert_allclose(found, patient.truth.moving_to_fixed_ras, atol=1e-6)
    assert measured.summary["alignment"]["start"] == "given" and measured.summary["alignment"]["reliable"]


def test_size_control_tells_the_excess_of_every_feature(measured):
    rows = table(measured.output / "size_control.csv")
    assert [row["feature"] for row in rows] == list(FEATURE_NAMES)
    for row in rows:
        known = [row[name] for name in ("difference", "expected", "excess")]
        if all(known):
            difference, expected, excess = map(float, known)
            assert excess == pytest.approx(difference - expected, rel=1e-6, abs=1e-9)
    assert measured.summary["size_control"]["n"] == 2


def test_stability_is_told_for_every_feature(measured):
    assert [row["feature"] for row in table(measured.output / "stability.csv")] == list(FEATURE_NAMES)


def test_scene_holds_scans_segments_transform_dose_and_map(measured):
    with zipfile.ZipFile(measured.output / "scene.mrb") as bundle:
        assert bundle.testzip() is None
        (scene,) = (name for name in bundle.namelist() if name.endswith(".mrml"))
        text = bundle.read(scene).decode()
    for name in ("pre-treatment", "recurrence", "Sub-regions", "dose", "radio-resistance"):
        assert f'name="{name}' in text or name in text


def test_no_output_holds_the_name_of_a_file_or_folder(measured, patient):
    def assert_clean(content: bytes, where: str) -> None:
        for secret in (b"ZHANG", b"Zhang", str(measured.output).encode(), b"19700101"):
            assert secret not in content, f"{secret!r} in {where}"

    for path in measured.output.iterdir():
        if path.suffix != ".mrb":
            assert_clean(re.sub(rb"base64,[^\"]+", b"", path.read_bytes()), path.name)
            continue
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                assert_clean(name.encode(), path.name)
                if not name.endswith((".nrrd", ".nii.gz", ".png")):
                    assert_clean(bundle.read(name), name)


def test_label_of_the_patient_is_shown_as_it_was_typed(measured):
    html = (measured.output / "report.html").read_text(encoding="utf-8")
    assert "P&lt;07&gt; &amp; {x}" in html and "P<07>" not in html
    assert table(measured.output / "features.csv")[0]["patient"] == "P<07> & {x}" == measured.summary["patient"]


def test_result_tells_settings_and_hashes_of_the_inputs(measured):
    labels = [record["label"] for record in measured.summary["inputs"]]
    assert labels[:3] == ["pre-treatment image", "GTV contour", "GTVr contour"] and len(labels) == 8
    assert all(re.fullmatch("[0-9a-f]{64}", record["sha256"]) for record in measured.summary["inputs"])
    assert measured.summary["texture_settings"]["n_levels"] == 32
    assert "--levels 32" in measured.summary["options"] and "--map" in measured.summary["options"]
    assert {"--stability 1", "--size-control 2"} <= set(measured.summary["options"])


def test_second_run_needs_force_and_leaves_everything_as_it_was(measured, run):
    before = snapshot(measured.output)
    assert_refused(run(*measured.arguments, "-o", measured.output), str(measured.output), "--force")
    assert snapshot(measured.output) == before


# -- other ways --


def test_json_is_one_object_and_equals_the_file(patient, tmp_path, run):
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    done = run(*same_image(patient), "-o", tmp_path / "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout, parse_constant=no_constant)
    assert printed.pop("output_directory") == str(tmp_path / "out")
    assert printed == json.loads((tmp_path / "out" / "result.json").read_text(), parse_constant=no_constant)
    assert printed["alignment"] is None and printed["dose"] is None


def test_forced_run_removes_what_only_the_earlier_one_wrote(patient, tmp_path, run):
    output = tmp_path / "out"
    assert run(*same_image(patient, "--size-control", "1"), "-q", "-o", output).returncode == 0
    assert (output / "size_control.csv").exists()
    (output / "notes.txt").write_text("mine")
    done = run(*same_image(patient, "--size-control", "0"), "-o", output, "--force")
    assert done.returncode == 0 and done.stderr == ""
    names = {entry.name for entry in output.iterdir()}
    assert "size_control.csv" not in names and (output / "notes.txt").read_text() == "mine"
    assert "Volume of GTVr" in done.stdout and "Research use only" in done.stdout and str(output) in done.stdout


def test_images_are_aligned_if_no_transform_is_given(patient, tmp_path, run):
    """The coarse phantom: within a pixel and a half of the truth at the landmarks."""
    done = run("subregions", *patient.options("transform"), *FEW_LEVELS, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    found = np.array(json.loads(done.stdout)["alignment"]["recurrence_to_pre_ras"])
    for name, point in patient.truth.landmarks_recurrence_ras.items():
        moved = found[:3, :3] @ point + found[:3, 3]
        assert np.linalg.norm(moved - patient.truth.landmarks_pre_ras[name]) < 2.7


def test_transform_that_does_not_fit_is_refused(patient, tmp_path, run):
    wrong = patient.truth.moving_to_fixed_ras.copy()
    wrong[:3, 3] += (25.0, -20.0, 15.0)
    write_linear_transform(wrong, tmp_path / "wrong.tfm")
    arguments = ["subregions", *patient.options(transform=tmp_path / "wrong.tfm"), *FEW_LEVELS, "--voi-mm", "70"]
    done = run(*arguments, "-o", tmp_path / "out")
    assert_refused(done, "not reliable", "another transform", "--accept-unreliable-alignment")
    assert not (tmp_path / "out").exists()


def test_interrupted_run_leaves_nothing(patient, tmp_path):
    # A signal that the test runner's shell ignores would be ignored by its children too.
    process = subprocess.Popen(
        [sys.executable, "-m", "NPCRadiomicsRiskLib", "subregions", *patient.options(), "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "" and stderr.splitlines() == ["npc-radiomics: interrupted; no results were changed"]
    assert list(tmp_path.iterdir()) == []


# -- radiotherapy files --


@pytest.fixture(scope="module")
def radiotherapy(patient, tmp_path_factory):
    """The tumor as an Eclipse export: both images as DICOM, contours and dose in the frame of a planning CT."""
    folder = tmp_path_factory.mktemp("rt")
    frames = {"pre": "1.2.3.1", "recurrence": "1.2.3.2", "plan": "1.2.3.3"}
    shift = np.eye(4)
    shift[:3, 3] = (4.0, -6.0, 10.0)  # RAS, planning CT to pre
    center = (-10.0, -20.0, 15.0)  # LPS, in the planning CT
    rng = np.random.default_rng(0)
    stored = rng.integers(200, 900, (16, 60, 60)).astype(np.uint16)
    planes = np.arange(-20.0, 50.0, 2.5)
    rois = [
        rt_factory.Roi("GTVp", rt_factory.sphere(center, 15.0, planes), frame=frames["plan"]),
        rt_factory.Roi("GTV rec", rt_factory.sphere((center[0] + 8, *center[1:]), 7.0, planes), frame=frames["plan"]),
    ]
    first = (-60.0, -60.0, -10.0)
    rt_factory.write_series(
        folder / "pre", stored, modality="MR", first_lps=first, pixel_spacing_mm=(2.0, 2.0), rescale=(1.0, 0.0),
        frame=frames["pre"], series="1.2.3.10",
    )  # fmt: skip
    rt_factory.write_structures(folder / "plan.dcm", rois, frame=frames["plan"])
    grid = rt_factory.DoseGrid(np.full((24, 40, 40), 70.0), first_lps=(-60, -70, -20), frame=frames["plan"])
    rt_factory.write_dose(folder / "dose.dcm", grid)
    rt_factory.write_registration(
        folder / "reg.dcm", {frames["plan"]: [LPS @ shift @ LPS], frames["pre"]: [np.eye(4)]}, common=frames["pre"]
    )
    write_linear_transform(shift, folder / "plan.tfm")
    return SimpleNamespace(folder=folder, center_ras=(shift @ LPS @ [*center, 1.0])[:3], shift=shift, frames=frames)


def rt_arguments(folder, *extra):
    return [
        "subregions", "--pre", folder / "pre", "--gtv", folder / "plan.dcm", "--gtvr", folder / "plan.dcm",
        "--gtv-segment", "gtvp", "--gtvr-segment", "GTV_REC", *FEW_LEVELS, *extra,
    ]  # fmt: skip


@pytest.mark.parametrize("plan", ["reg.dcm", "plan.tfm"])
def test_contours_and_dose_of_the_planning_ct_come_over_by_the_transform(plan, radiotherapy, tmp_path, run):
    folder = radiotherapy.folder
    dose = ("--dose", folder / "dose.dcm", "--prescription-gy", "70")
    done = run(*rt_arguments(folder, *dose, "--plan-transform", folder / plan), "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sub_regions"]["volumes_cm3"]["GTV"] == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.05)
    assert found["dose"]["category"] == "in-field"
    mask = sitk.ReadImage(str(tmp_path / "out" / "subregions.seg.nrrd"))
    array = sitk.GetArrayFromImage(mask)
    inside = np.argwhere(array.reshape(*array.shape[:3], -1).any(axis=-1))[:, ::-1]
    middle_lps = mask.TransformContinuousIndexToPhysicalPoint(inside.mean(axis=0).tolist())
    np.testing.assert_allclose((LPS @ [*middle_lps, 1.0])[:3], radiotherapy.center_ras, atol=1.5)


@pytest.mark.parametrize(
    ("extra", "fragments"),
    [
        ((), ("another frame of reference", "transform")),
        (("--gtv-segment", "liver"), ("liver", "GTVp")),
        (("--gtv-segment", ""), ("which structure is GTV", "--gtv-segment", "GTVp, GTV rec")),
    ],
)
def test_structure_set_that_does_not_fit_is_refused(extra, fragments, radiotherapy, tmp_path, run):
    assert_refused(run(*rt_arguments(radiotherapy.folder, *extra), "-o", tmp_path / "out"), *fragments)


def test_dose_of_another_frame_is_refused(patient, radiotherapy, tmp_path, run):
    folder = radiotherapy.folder
    mask = write_image(tmp_path / "gtv.nrrd", block(16, 60, 60, np.s_[4:10, 20:40, 20:40]), pre_matrix())
    part = write_image(tmp_path / "gtvr.nrrd", block(16, 60, 60, np.s_[4:10, 20:30, 20:30]), pre_matrix())
    arguments = ["subregions", "--pre", folder / "pre", "--gtv", mask, "--gtvr", part, *FEW_LEVELS]
    dose = ("--dose", folder / "dose.dcm", "--prescription-gy", "70")
    assert_refused(run(*arguments, *dose, "-o", tmp_path / "out"), "dose", "another frame of reference")


def block(k, j, i, where) -> np.ndarray:
    mask = np.zeros((k, j, i), np.uint8)
    mask[where] = 1
    return mask


def pre_matrix() -> np.ndarray:
    """Of the DICOM series above."""
    ijk_to_lps = np.diag([2.0, 2.0, 3.0, 1.0])
    ijk_to_lps[:3, 3] = (-60.0, -60.0, -10.0)
    return LPS @ ijk_to_lps


def test_contours_or_dose_of_another_patient_are_refused_unless_allowed(radiotherapy, tmp_path, run):
    rois = [rt_factory.Roi("GTVp", rt_factory.sphere((0, 0, 10), 12, np.arange(-10.0, 40.0, 2.5)), frame="1.2.3.1")]
    rois.append(
        rt_factory.Roi("GTV rec", rt_factory.sphere((4, 0, 10), 6, np.arange(-10.0, 40.0, 2.5)), frame="1.2.3.1")
    )
    rt_factory.write_structures(tmp_path / "other.dcm", rois, patient="SOMEONE-ELSE", frame="1.2.3.1")
    arguments = ["subregions", "--pre", radiotherapy.folder / "pre", *FEW_LEVELS]
    arguments += ["--gtv", tmp_path / "other.dcm", "--gtvr", tmp_path / "other.dcm"]
    arguments += ["--gtv-segment", "GTVp", "--gtvr-segment", "GTV rec"]
    assert_refused(run(*arguments, "-o", tmp_path / "out"), "patients")
    done = run(*arguments, "--allow-different-patients", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert any("PatientID" in warning for warning in json.loads(done.stdout)["warnings"])


# -- what cannot be used --


def altered(name, change, **renamed):
    """Arguments with one file changed."""

    def build(patient, folder):
        image = sitk.ReadImage(str(patient.path(f"{name}.nrrd")))
        path = folder / f"{name}.nrrd"
        sitk.WriteImage(change(image), str(path))
        option = "gtvr" if name == "gtvr_on_pre" else name
        return [*same_image(patient), f"--{option}", path]

    return build


def filled(value, where=np.s_[:]):
    def change(image):
        array = sitk.GetArrayFromImage(image)
        if isinstance(value, float):
            array = array.astype(np.float32)
        array[where] = value
        new = sitk.GetImageFromArray(array)
        new.CopyInformation(image)
        return new

    return change


def in_color(image):
    return sitk.Compose([sitk.Cast(image, sitk.sitkUInt8)] * 3)


def four_dimensional(image):
    return sitk.JoinSeries([image, image])


def moved_away(image):
    image.SetOrigin([1000.0, 0.0, 0.0])
    return image


def beside_the_tumor(image):
    array = sitk.GetArrayFromImage(image)
    array[:] = 0
    array[2:4, 5:12, 5:12] = 1
    new = sitk.GetImageFromArray(array)
    new.CopyInformation(image)
    return new


def with_extra(*extra):
    return lambda patient, _folder: [*same_image(patient), *extra]


def garbage(name):
    def build(patient, folder):
        (folder / "bad.nrrd").write_bytes(b"NRRD0004\ntype: uint8\nnonsense")
        return [*same_image(patient), f"--{name}", folder / "bad.nrrd"]

    return build


BAD_INPUT = {
    "color image": (altered("pre", in_color), "color"),
    "four dimensions": (altered("pre", four_dimensional), "four dimensions"),
    "nothing but NaN": (altered("pre", filled(float("nan"))), "number"),
    "one value everywhere": (altered("pre", filled(7)), "value 7"),
    "image that cannot be read": (garbage("pre"), "bad.nrrd"),
    "contour that cannot be read": (garbage("gtv"), "bad.nrrd"),
    "empty GTV": (altered("gtv", filled(0)), "GTV"),
    "empty GTVr": (altered("gtvr_on_pre", filled(0)), "GTVr"),
    "GTVr wholly outside": (altered("gtvr_on_pre", beside_the_tumor), "outside"),
    "GTVr far away": (altered("gtvr_on_pre", moved_away), "GTVr"),
    "GTV not on the image": (altered("gtv", moved_away), "GTV"),
    "GTVr is all of GTV": (lambda p, _: [*same_image(p), "--gtvr", p.path("gtv.nrrd")], "GTV"),
    "unknown segment": (with_extra("--gtv-segment", "liver"), "liver"),
    "segment of GTVr unknown": (with_extra("--gtvr-segment", "liver"), "liver"),
    "missing file": (with_extra("--gtv", "/not/there.nrrd"), "/not/there.nrrd"),
    "missing option": (lambda p, _: ["subregions", "--pre", p.path("pre.nrrd")], "--gtv"),
    "transform without recurrence image": (lambda p, _: [*same_image(p), "--transform", p.path("true.tfm")],
                                           "no recurrence image"),
    "landmarks of one image": (lambda p, _: ["subregions", *p.options(), *p.with_landmarks()[:2]], "one image"),
    "dose without prescription": (lambda p, _: [*same_image(p), *p.with_dose()[:2]], "prescription"),
    "prescription without dose": (lambda p, _: [*same_image(p), *p.with_dose()[2:]], "dose"),
    "prescription of 0": (lambda p, _: [*same_image(p), *p.with_dose()[:3], "0"], "positive"),
    "size in words": (with_extra("--voi-mm", "big"), "big"),
    "two sizes": (with_extra("--voi-mm", "100,100"), "three numbers"),
    "negative size": (lambda p, _: ["subregions", *p.options(), "--voi-mm", "-5"], "positive"),
    "negative stability": (with_extra("--stability", "-1"), "--stability"),
    "negative size control": (with_extra("--size-control", "-1"), "--size-control"),
    "one gray level": (with_extra("--levels", "1"), "level"),
    "voxels of 0 mm": (with_extra("--voxel-size-mm", "0"), "voxel"),
    "unknown quantization": (with_extra("--quantization", "magic"), "magic"),
    "negative seed": (with_extra("--seed", "-1"), "--seed"),
    "label of two lines": (with_extra("--patient", "a\nb"), "line break"),
    "no label": (with_extra("--patient", "  "), "label"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_in_one_line_and_writes_nothing(case, patient, tmp_path, run):
    build, fragment = BAD_INPUT[case]
    (tmp_path / "data").mkdir()
    arguments = build(patient, tmp_path / "data")
    before = snapshot(tmp_path)
    assert_refused(run(*arguments, "-o", tmp_path / "new" / "out"), fragment)
    assert snapshot(tmp_path) == before


def test_image_of_8_bits_is_measured_with_a_warning_and_one_with_nan_refused(patient, tmp_path, run):
    image = sitk.ReadImage(str(patient.path("pre.nrrd")))
    sitk.WriteImage(sitk.Cast(sitk.RescaleIntensity(image, 0, 255), sitk.sitkUInt8), str(tmp_path / "pre.nrrd"))
    done = run(*same_image(patient), "--pre", tmp_path / "pre.nrrd", "-o", tmp_path / "a", "--json")
    assert done.returncode == 0 and any("8 bits" in each for each in json.loads(done.stdout)["warnings"])
    k, j, i = np.argwhere(patient.truth.masks_pre["GTV"])[100]
    sitk.WriteImage(filled(float("nan"), np.s_[k, j, i])(image), str(tmp_path / "nan.nrrd"))
    done = run(*same_image(patient), "--pre", tmp_path / "nan.nrrd", "-o", tmp_path / "b")
    assert_refused(done, "1 voxels hold no number")


# -- pieces --


def test_size_of_the_volume_is_one_number_or_three():
    assert size_of_region("100") == (100.0, 100.0, 100.0)
    assert size_of_region("100, 90/80") == (100.0, 90.0, 80.0)
    with pytest.raises(InputError):
        size_of_region("100,90")


def test_words_of_the_options_are_those_of_the_panel():
    for names, field in (
        (texture_options.ResamplingName, "resampling"),
        (texture_options.OutlierName, "outliers"),
        (texture_options.QuantizationName, "quantization"),
        (texture_options.WeightsName, "weights"),
    ):
        for name in names:
            assert TextureSettings(**{field: name.value.replace("-", " ")})
    assert texture_options.TextureChoice().settings() == TextureSettings()


def test_help_shows_the_examples_and_loads_nothing_heavy():
    code = (
        "import sys; from NPCRadiomicsRiskLib import commands; "
        "commands.run(['subregions', '--help']); commands.run(['heterogeneity', '--help']); "
        "heavy = {'numpy', 'scipy', 'SimpleITK', 'pydicom', 'vtk', 'slicer', 'matplotlib'} & set(sys.modules); "
        "print('loaded:', sorted(heavy))"
    )
    environment = {**os.environ, "COLUMNS": "110"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert "npc-radiomics phantom demo/recurrence" in done.stdout and "Research use only" in done.stdout


def test_results_do_not_replace_what_they_are_made_of(measured, patient, run):
    """An earlier run's segmentation measured again."""
    before = snapshot(measured.output)
    options = patient.options(
        "recurrence", "transform", gtv=measured.output / "subregions.seg.nrrd", gtvr=patient.path("gtvr_on_pre.nrrd")
    )
    done = run("subregions", *options, "--gtv-segment", "GTV", "--force", "-o", measured.output)
    assert_refused(done, "subregions.seg.nrrd", "it is an input")
    assert snapshot(measured.output) == before


def test_a_voxel_size_without_resampling_is_refused(patient, run, tmp_path):
    done = run(*same_image(patient, "--resampling", "none", "-o", tmp_path / "out"))
    assert_refused(done, "a voxel size is given", "--resampling none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}", "[1]", "\0", None], ids=["empty", "list", "no text", "folder"])
def test_what_is_no_model_is_refused_before_anything_is_measured(patient, run, tmp_path, monkeypatch, content):
    monkeypatch.setattr(patient_measurement, "measure_patient", None)
    path = tmp_path / "model.json"
    path.mkdir() if content is None else path.write_text(content)
    done = run(*same_image(patient, "--map-model", path, "-o", tmp_path / "out"))
    assert_refused(done, "this is no")
    assert not (tmp_path / "out").exists()
