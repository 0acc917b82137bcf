"""``npc-response tbf`` as its users meet it: results, what is asked for, refusals in one line."""

import csv
import json
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name

from NPCResponseLib import commands
from NPCResponseLib.asl_series import LabelingType
from NPCResponseLib.commands import tbf
from NPCResponseLib.mrml.tbf import RoiAverage
from NPCResponseLib.perfusion import PerfusionSettings
from Testing.test_command_line import assert_refused, run, snapshot  # noqa: F401  run is a fixture


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "input"
    assert commands.run(["phantom", str(folder), "--seed", "5", "--quiet"]) == 0
    return folder


def arguments(patient, output, *more) -> list[str]:
    region = ["--segmentation", patient / "pre_t1ce.seg.nrrd", "--segment", "tumor", "--exclude", "necrosis"]
    return [str(word) for word in ("tbf", patient / "pre_asl.nii.gz", *region, "-o", output, *more)]


@pytest.fixture(scope="module")
def measured(patient, tmp_path_factory):
    output = tmp_path_factory.mktemp("tbf") / "out"
    assert commands.run(arguments(patient, output, "--quiet")) == 0
    return output


def truth_of(patient, what: str) -> float:
    with (patient / "truth.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return next(
        float(row["value"])
        for row in rows
        if (row["time_point"], row["region"], row["what"]) == ("pre", "viable_tumor", what)
    )


def test_run_writes_every_result(measured):
    names = {entry.name for entry in measured.iterdir()}
    assert names == {
        "tbf_ml_per_100g_min.nii.gz", "tbf_se_ml_per_100g_min.nii.gz", "delta_m.nii.gz", "m0.nii.gz",
        "tbf_status.nii.gz", "measurements.csv", "measurements.tsv", "report.html", "scene.mrb", "result.json",
    }  # fmt: skip
    assert sorted(names) == json.loads((measured / "result.json").read_text())["files"]
    assert zipfile.is_zipfile(measured / "scene.mrb")


def test_measured_tumor_is_the_phantom_s(measured, patient):
    region = json.loads((measured / "result.json").read_text())["region"]
    expected = truth_of(patient, "TBF by Eq. 2 without noise")
    # The phantom's flow varies within the tumor (SD 15), so three slices may differ a little from the whole.
    assert region["tbf_mean_ml_per_100g_min"] == pytest.approx(expected, abs=3 * region["tbf_mean_se_ml_per_100g_min"])
    low, high = region["tbf_mean_ci95_ml_per_100g_min"]
    assert low < region["tbf_mean_ml_per_100g_min"] < high
    assert len(region["slice_numbers"]) == 3


def test_every_number_that_entered_is_in_the_result_with_its_source(measured):
    facts = json.loads((measured / "result.json").read_text())["quantification"]
    sources = {parameter["name"]: parameter for parameter in facts["parameters"]}
    assert sources["label duration (tau)"]["value"] == 1500
    assert "sidecar" in sources["label duration (tau)"]["source"]
    assert sources["partition coefficient"]["assumed"] is True
    assert facts["model"] == "single-delay"
    assert "exp(2025/1650)" in facts["formula"]


def test_maps_lie_on_the_grid_of_the_images(measured, patient):
    image = sitk.ReadImage(str(patient / "pre_asl.nii.gz"))
    flow = sitk.ReadImage(str(measured / "tbf_ml_per_100g_min.nii.gz"))
    assert flow.GetSize() == image.GetSize()[:3]
    assert flow.GetOrigin() == pytest.approx(image.GetOrigin()[:3], abs=1e-3)


def test_report_tells_number_formula_and_bias(measured):
    report = (measured / "report.html").read_text()
    summary = json.loads((measured / "result.json").read_text())
    assert f"{summary['region']['tbf_mean_ml_per_100g_min']:.1f}" in report
    for fragment in ("Tumor blood flow", "label duration", "of the true one for transit times", "Liu J et al."):
        assert fragment in report
    assert "pre_asl" not in report, "a file's name may hold a patient's"


def test_typed_facts_win_and_are_named_typed(patient, tmp_path, run):  # noqa: F811
    done = run(*arguments(patient, tmp_path / "out", "--label-duration", "1800", "--t1-blood", "1600", "--json"))
    assert done.returncode == 0, done.stderr
    parameters = {row["name"]: row for row in json.loads(done.stdout)["quantification"]["parameters"]}
    assert (parameters["label duration (tau)"]["value"], parameters["label duration (tau)"]["source"]) == (
        1800,
        "typed",
    )
    assert parameters["T1 of blood"]["source"] == "typed"


def test_pooled_average_on_request(patient, tmp_path, run):  # noqa: F811
    done = run(*arguments(patient, tmp_path / "out", "--average", "pooled", "--json"))
    region = json.loads(done.stdout)["region"]
    assert region["tbf_mean_ml_per_100g_min"] == region["tbf_mean_of_all_voxels_ml_per_100g_min"]


def test_images_without_any_header_facts_are_asked_for(patient, tmp_path, run):  # noqa: F811
    bare = tmp_path / "bare.nii.gz"
    bare.write_bytes((patient / "pre_asl.nii.gz").read_bytes())
    assert_refused(run("tbf", bare, "-o", tmp_path / "out"), "role")
    image = sitk.ReadImage(str(bare))
    roles = ",".join(["m0scan", *["control", "label"] * ((image.GetSize()[3] - 1) // 2)])
    assert_refused(run("tbf", bare, "--roles", roles, "-o", tmp_path / "out"), "delay")
    typed = ("--roles", roles, "--pld", "2025")
    assert_refused(run("tbf", bare, *typed, "-o", tmp_path / "out"), "tau", "no default")
    typed = (*typed, "--label-duration", "1500")
    assert_refused(run("tbf", bare, *typed, "-o", tmp_path / "out"), "field strength")
    done = run("tbf", bare, *typed, "--field-strength", "3", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr


def test_swapped_control_and_label_are_noticed(patient, tmp_path, run):  # noqa: F811
    for name in ("pre_asl.nii.gz", "pre_asl.json"):
        (tmp_path / name).write_bytes((patient / name).read_bytes())
    context = (patient / "pre_aslcontext.tsv").read_text()
    swapped = context.replace("control", "x").replace("label", "control").replace("x", "label")
    (tmp_path / "pre_aslcontext.tsv").write_text(swapped)
    done = run("tbf", tmp_path / "pre_asl.nii.gz", "-o", tmp_path / "out")
    assert "negative" in done.stdout and "swapped" in done.stdout


@pytest.mark.parametrize(
    ("more", "fragments"),
    [
        (("--label-duration", "1.5"), ("seconds", "1500")),
        (("--pld", "2.025"), ("seconds", "2025")),
        (("--pld", "two"), ("'two' is no delay",)),
        (("--labeling-efficiency", "85"), ("labeling efficiency", "at most 1")),
        (("--hematocrit", "42"), ("hematocrit", "0.42")),
        (("--label-duration", "-1"), ("--label-duration must be a positive number",)),
        (("--segment", "tumour"), ("tumour",)),
        (("--m0", "nothing.nii.gz"), ("no such file",)),
    ],
)
def test_bad_options_are_refused_in_one_line(patient, tmp_path, run, more, fragments):  # noqa: F811
    assert_refused(run(*arguments(patient, tmp_path / "out", *more)), *fragments)
    assert not (tmp_path / "out").exists()


def test_m0_of_other_geometry_is_refused(patient, tmp_path, run):  # noqa: F811
    image = sitk.ReadImage(str(patient / "pre_asl.nii.gz"))
    series = sitk.GetArrayFromImage(image)
    pairs = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in series[1:]])
    sitk.WriteImage(pairs, str(tmp_path / "pairs.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(series[0][:, :-2]), str(tmp_path / "pd.nii.gz"))
    roles = ",".join(["control", "label"] * (len(series) // 2))
    done = run(
        "tbf", tmp_path / "pairs.nii.gz", "--m0", tmp_path / "pd.nii.gz", "--roles", roles, "-o", tmp_path / "out"
    )
    assert_refused(done, "M0", "60 x 76 x 24", "60 x 78 x 24")


def test_earlier_results_are_safe_without_force(measured, patient, run):  # noqa: F811
    before = snapshot(measured)
    assert_refused(run(*arguments(patient, measured)), "--force")
    assert snapshot(measured) == before


def test_choices_on_the_command_line_are_those_of_the_library():
    assert [name.value for name in tbf.AverageName] == [average.value for average in RoiAverage]
    assert [name.value for name in tbf.LabelingName] == [labeling.value for labeling in LabelingType]
    assert set(tbf.OPTIONS) == set(tbf.Quantification.__dataclass_fields__)
    assert set(tbf.OPTIONS) <= set(PerfusionSettings.__dataclass_fields__)


def test_ready_difference_with_its_proton_density(patient, tmp_path, run):  # noqa: F811
    image = sitk.ReadImage(str(patient / "pre_asl.nii.gz"))
    series = sitk.GetArrayFromImage(image).astype(np.float32)
    three_d = image[:, :, :, 0]
    for name, array in (("pw", 96 * (series[1::2] - series[2::2]).mean(axis=0)), ("pd", series[0])):
        volume = sitk.GetImageFromArray(array)
        volume.CopyInformation(three_d)
        sitk.WriteImage(volume, str(tmp_path / f"{name}.nii.gz"))
    words = ["tbf", tmp_path / "pw.nii.gz", "--roles", "deltam", "--m0", tmp_path / "pd.nii.gz", "--pld", "2025"]
    words += ["--label-duration", "1500", "--field-strength", "3", "-o", tmp_path / "out", "--json"]
    words += ["--segmentation", patient / "pre_t1ce.seg.nrrd", "--segment", "tumor", "--exclude", "necrosis"]
    assert_refused(run(*words), "32 x NEX")
    done = run(*words, "--perfusion-scale", "96")
    assert done.returncode == 0, done.stderr
    region = json.loads(done.stdout)["region"]
    assert region["tbf_mean_ml_per_100g_min"] == pytest.approx(truth_of(patient, "TBF by Eq. 2 without noise"), rel=0.1)
