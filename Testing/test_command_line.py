"""The command line as its users meet it: results, refusals in one line, nothing half-written, nothing overwritten."""

import csv
import json
import os
import re
import shutil
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

import NPCResponseLib
from NPCResponseLib import commands
from NPCResponseLib.commands import options, r2star
from NPCResponseLib.commands.foreign_output import ForeignOutput
from NPCResponseLib.commands.interruption import Interrupted, Interruption
from NPCResponseLib.commands.staged_output import StagedOutput
from NPCResponseLib.errors import InputError
from NPCResponseLib.relaxometry import R2StarMethod
from NPCResponseLib.rois import SliceRule
from Testing.simulation import PAPER_ECHO_TIMES_MS, decays, rician

PROGRAM = [sys.executable, "-m", "NPCResponseLib"]
MAPS = ("r2star_hz", "t2star_ms", "s0", "r2star_se_hz", "r_squared", "status")
SHAPE = (3, 32, 32)
TIMES = ",".join(str(time) for time in PAPER_ECHO_TIMES_MS)


def call(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300, **options
    )


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
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("npc-response: error: ")
    for fragment in fragments:
        assert fragment.lower() in lines[0].lower()
    assert done.stdout == ""


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, with its content."""
    return {
        str(entry.relative_to(folder)): entry.read_bytes() if entry.is_file() else None for entry in folder.rglob("*")
    }


# -- files to work on --


def tissue_echoes(shape=SHAPE, r2star_hz=40.0, seed=0):
    """A bright block in noisy air."""
    s0 = np.zeros(shape)
    s0[:, 6:-6, 6:-6] = 1000.0
    return rician(decays(np.full(shape, r2star_hz), s0), 15.0, np.random.default_rng(seed))


def image_of(volume, *, origin=(0.0, 0.0, 0.0), spacing=(2.0, 2.0, 5.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def write_series(folder: Path, echoes=None, *, echo_times_s=None, name="bold.nii.gz") -> Path:
    path = folder / name
    volumes = tissue_echoes() if echoes is None else echoes
    sitk.WriteImage(sitk.JoinSeries([image_of(volume) for volume in volumes]), str(path))
    if echo_times_s is not None:
        path.with_name(name.split(".")[0] + ".json").write_text(json.dumps({"EchoTime": list(echo_times_s)}))
    return path


def write_echoes(folder: Path, echoes) -> list[Path]:
    """One NRRD per echo."""
    paths = [folder / f"echo{number}.nrrd" for number in range(len(echoes))]
    for path, volume in zip(paths, echoes, strict=True):
        sitk.WriteImage(image_of(volume), str(path))
    return paths


def write_mask(folder: Path, block, *, origin=(0.0, 0.0, 0.0), name="mask.nii.gz") -> Path:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[block] = 1
    sitk.WriteImage(image_of(mask, origin=origin), str(folder / name))
    return folder / name


TUMOR_BLOCK = np.s_[1, 10:20, 10:20]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A phantom written by the command itself."""
    folder = tmp_path_factory.mktemp("phantom") / "made" / "by_it"
    done = call("phantom", folder, "--seed", "3")
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(folder=folder, done=done)


@pytest.fixture(scope="module")
def measured(phantom, tmp_path_factory):
    """One full run on the phantom, its input named like a patient."""
    base = tmp_path_factory.mktemp("DOE_JANE_study")
    image = base / "DOE_JANE_19700101_bold.nii.gz"
    shutil.copy(phantom.folder / "pre_bold.nii.gz", image)
    shutil.copy(phantom.folder / "pre_bold.json", base / "DOE_JANE_19700101_bold.json")
    arguments = (
        "r2star", image, "--segmentation", phantom.folder / "pre_tumor.seg.nrrd", "--segment", "tumor",
        "--exclude", "necrosis", "--output", base / "out", "--json",
    )  # fmt: skip
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(done=done, output=base / "out", summary=json.loads(done.stdout), arguments=arguments)


@pytest.fixture
def series(tmp_path):
    """A small series that is fine, in a folder of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    return write_series(folder, echo_times_s=[time / 1000 for time in PAPER_ECHO_TIMES_MS])


# -- phantom --


def test_phantom_writes_series_echo_times_segmentation_and_truth(phantom):
    names = {entry.name for entry in phantom.folder.iterdir()}
    per_time_point = (
        "bold.nii.gz", "bold.json", "tumor.seg.nrrd", "asl.nii.gz", "asl.json", "aslcontext.tsv", "t1ce.nii.gz",
        "t1ce.seg.nrrd",
    )  # fmt: skip
    assert names == {f"{point}_{name}" for point in ("pre", "post") for name in per_time_point} | {
        "truth.csv", "patient.yaml", "phantom.json",
    }  # fmt: skip
    sidecar = json.loads((phantom.folder / "pre_bold.json").read_text())
    assert sidecar["EchoTime"] == pytest.approx([0.00671, 0.01342, 0.02013, 0.02684, 0.03355])
    assert sidecar["MagneticFieldStrength"] == 3.0 and sidecar["SliceThickness"] == 5.0
    image = sitk.ReadImage(str(phantom.folder / "pre_bold.nii.gz"))
    assert image.GetDimension() == 4 and image.GetSize()[3] == 5
    assert str(phantom.folder) in phantom.done.stdout and "truth.csv" in phantom.done.stdout


def test_same_seed_makes_the_same_phantom(phantom, tmp_path, run):
    assert run("phantom", tmp_path / "again", "--seed", "3", "--quiet").returncode == 0
    for name in ("pre_bold.nii.gz", "truth.csv"):
        first, again = phantom.folder / name, tmp_path / "again" / name
        if name.endswith(".csv"):
            assert first.read_text() == again.read_text()
        else:
            images = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (first, again)]
            np.testing.assert_array_equal(*images)


def test_phantom_of_a_bad_level_is_refused(tmp_path, run):
    assert_refused(run("phantom", tmp_path / "x", "--snr", "-5"))
    assert list(tmp_path.iterdir()) == []


# -- a full run --


def test_run_writes_every_result(measured):
    names = {entry.name for entry in measured.output.iterdir()}
    assert names == {f"{name}.nii.gz" for name in MAPS} | {
        "measurements.csv", "measurements.tsv", "report.html", "scene.mrb", "result.json",
    }  # fmt: skip
    assert sorted(names) == measured.summary["files"]


def test_measured_tumor_is_the_phantom_s(measured, phantom):
    with (phantom.folder / "truth.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["what"] == "R2*"]
    truth = {(row["time_point"], row["region"]): float(row["value"]) for row in rows}
    region = measured.summary["region"]
    # Within three of its own standard errors of what is true of the very region that the rule selects.
    expected = truth["pre", "tumor less necrosis, largest slice"]
    assert region["r2star_mean_hz"] == pytest.approx(expected, abs=3 * region["r2star_mean_se_hz"])
    low, high = region["r2star_mean_ci95_hz"]
    assert low < region["r2star_mean_hz"] < high
    assert region["n_voxels_excluded"]["segment necrosis"] > 0
    assert region["n_voxels_used"] + sum(region["n_voxels_excluded"].values()) == region["n_voxels"]


def test_json_on_stdout_is_one_object_without_nan_and_equals_the_file(measured):
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    printed = json.loads(measured.done.stdout, parse_constant=no_constant)
    stored = json.loads((measured.output / "result.json").read_text(), parse_constant=no_constant)
    assert printed.pop("output_directory") == str(measured.output)
    assert printed == stored


def test_nothing_is_drawn_into_a_pipe(measured):
    assert measured.done.stderr == ""


def test_maps_lie_on_the_grid_of_the_image_and_agree_with_the_measurement(measured, phantom):
    image = sitk.ReadImage(str(phantom.folder / "pre_bold.nii.gz"))
    for name in MAPS:
        volume = sitk.ReadImage(str(measured.output / f"{name}.nii.gz"))
        assert volume.GetSize() == image.GetSize()[:3]
        assert volume.GetOrigin() == pytest.approx(image.GetOrigin()[:3], abs=1e-3)
        assert volume.GetSpacing() == pytest.approx(image.GetSpacing()[:3], abs=1e-4)
    r2star = sitk.GetArrayFromImage(sitk.ReadImage(str(measured.output / "r2star_hz.nii.gz")))
    status = sitk.GetArrayFromImage(sitk.ReadImage(str(measured.output / "status.nii.gz")))
    counts = measured.summary["fit"]["n_voxels_by_status"]
    assert np.count_nonzero(status == 0) == counts["ok"]
    assert (r2star[(status >= 1) & (status <= 4)] == 0).all()
    t2star = sitk.GetArrayFromImage(sitk.ReadImage(str(measured.output / "t2star_ms.nii.gz")))
    np.testing.assert_allclose(t2star[status == 0] * r2star[status == 0], 1000, rtol=1e-4)


def test_tables_carry_the_same_numbers_with_units(measured):
    with (measured.output / "measurements.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (measured.output / "measurements.tsv").open(newline="") as stream:
        assert list(csv.DictReader(stream, delimiter="\t")) == rows
    assert len(rows) == len(measured.summary["measurements"])
    values = [float(row["value"]) for row in rows if row["unit"] == "Hz"]
    assert any(value == pytest.approx(measured.summary["region"]["r2star_mean_hz"], rel=1e-3) for value in values)


def test_scene_is_a_bundle_that_holds_image_map_and_segmentation(measured):
    with zipfile.ZipFile(measured.output / "scene.mrb") as bundle:
        assert bundle.testzip() is None
        names = bundle.namelist()
    assert any(name.endswith(".mrml") for name in names)
    assert any(name.endswith(".seg.nrrd") for name in names)


def test_report_holds_neither_names_nor_paths_and_says_what_it_is_for(measured):
    html = (measured.output / "report.html").read_text(encoding="utf-8")
    html = re.sub(r"base64,[^\"]+", "", html)  # pictures could spell anything
    assert "DOE" not in html and str(measured.output.parent) not in html
    assert html.count("Research use only; not for diagnosis") >= 2
    assert f"{measured.summary['region']['r2star_mean_hz']:.1f}" in html


def test_tables_summary_and_scene_hold_no_name_of_an_input_either(measured):
    for name in ("result.json", "measurements.csv", "measurements.tsv"):
        assert "DOE" not in (measured.output / name).read_text(encoding="utf-8")
    with zipfile.ZipFile(measured.output / "scene.mrb") as bundle:
        scene = next(name for name in bundle.namelist() if name.endswith(".mrml"))
        assert "DOE" not in bundle.read(scene).decode() and not any("DOE" in name for name in bundle.namelist())


def test_names_of_inputs_are_shown_to_those_who_ask(series, tmp_path, run):
    assert run("r2star", series, "-o", tmp_path / "out", "--show-file-names").returncode == 0
    assert "bold.nii.gz" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_second_run_needs_force_and_leaves_everything_as_it_was(measured, run):
    before = snapshot(measured.output.parent)
    assert_refused(run(*measured.arguments), str(measured.output), "--force")
    assert snapshot(measured.output.parent) == before


def test_interrupted_run_leaves_earlier_results_untouched(measured):
    (measured.output / "notes.txt").write_text("mine")
    before = snapshot(measured.output.parent)
    # A signal that the test runner's shell ignores would be ignored by its children too.
    process = subprocess.Popen(
        [*PROGRAM, *map(str, measured.arguments), "--force"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(entry.name.startswith(".npc-response-") for entry in measured.output.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "" and stderr.splitlines() == ["npc-response: interrupted; no results were changed"]
    assert snapshot(measured.output.parent) == before


def test_forced_run_replaces_its_own_files_and_no_others(series, tmp_path, run):
    output = tmp_path / "out"
    mask = write_mask(series.parent, TUMOR_BLOCK)
    assert run("r2star", series, "--segmentation", mask, "-o", output, "--map-format", "nrrd").returncode == 0
    (output / "notes.txt").write_text("mine")
    (output / "report.html").write_text("old")
    assert run("r2star", series, "-o", output, "--force").returncode == 0
    names = {entry.name for entry in output.iterdir()}
    assert (output / "notes.txt").read_text() == "mine"
    assert "R2* report" in (output / "report.html").read_text()
    # What only the earlier run wrote would be mistaken for this one's result.
    assert "measurements.csv" not in names and "r2star_hz.nrrd" not in names and "r2star_hz.nii.gz" in names


def test_summary_for_people_names_value_unit_and_place(series, tmp_path, run):
    mask = write_mask(series.parent, TUMOR_BLOCK)
    done = run("r2star", series, "--segmentation", mask, "-o", tmp_path / "out")
    assert done.returncode == 0 and done.stderr == ""
    assert "R2* of" in done.stdout and "Hz ±" in done.stdout and "100 of 100 voxels" in done.stdout
    assert str(tmp_path / "out") in done.stdout and "Research use only" in done.stdout


def test_quiet_run_says_nothing(series, tmp_path, run):
    done = run("r2star", series, "-o", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reader_that_stops_listening_is_no_failure(series, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    arguments = [*PROGRAM, "r2star", str(series), "-o", str(tmp_path / "out"), "--json"]
    done = subprocess.run(arguments, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "out" / "report.html").exists()


def test_typed_echo_times_are_used(series, tmp_path, run):
    # Twice the times give half the rate.
    doubled = "/".join(str(2 * time) for time in PAPER_ECHO_TIMES_MS)
    mask = write_mask(series.parent, TUMOR_BLOCK)
    done = run("r2star", series, "--segmentation", mask, "-o", tmp_path / "o", "--echo-times", doubled, "--json")
    assert json.loads(done.stdout)["region"]["r2star_mean_hz"] == pytest.approx(20.0, abs=0.5)


def test_doubtful_voxels_are_left_out_on_request(measured, phantom, tmp_path, run):
    kept = measured.summary["region"]
    folder = phantom.folder
    arguments = [folder / "pre_bold.nii.gz", "--segmentation", folder / "pre_tumor.seg.nrrd", "--segment", "tumor"]
    done = run("r2star", *arguments, "--exclude", "necrosis", "--leave-out-doubtful", "-o", tmp_path / "out", "--json")
    region = json.loads(done.stdout)["region"]
    assert kept["doubtful_voxels_kept"] and not region["doubtful_voxels_kept"]
    assert region["n_voxels_used"] < kept["n_voxels_used"]
    assert "suspected field gradient" in region["n_voxels_excluded"]


def test_tiny_region_is_measured_with_a_warning(series, tmp_path, run):
    mask = write_mask(series.parent, np.s_[1, 12:15, 12:15])
    done = run("r2star", series, "--segmentation", mask, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0
    assert any("9 voxels" in warning for warning in json.loads(done.stdout)["warnings"])


def test_some_voxels_that_are_no_numbers_are_counted_and_left_out(series, tmp_path, run):
    echoes = tissue_echoes()
    echoes[2][1, 12, 12:14] = [np.nan, np.inf]
    # As NRRD: the NIfTI reader of ITK itself turns what is no number into 0.
    paths = write_echoes(tmp_path, echoes)
    mask = write_mask(series.parent, TUMOR_BLOCK)
    done = run("r2star", *paths, "--echo-times", TIMES, "--segmentation", mask, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["fit"]["n_voxels_by_status"]["non_finite"] == 2
    assert summary["region"]["n_voxels_excluded"] == {"non-finite": 2}


# -- what cannot be used --


def no_echo_times(folder):
    return [write_series(folder)]


def one_echo(folder):
    sitk.WriteImage(image_of(tissue_echoes()[0]), str(folder / "one.nii.gz"))
    return [folder / "one.nii.gz", "--echo-times", "6.71"]


def differing_geometry(folder):
    for number, volume in enumerate(tissue_echoes()):
        spacing = (2.0, 2.0, 5.0) if number < 4 else (2.5, 2.0, 5.0)
        sitk.WriteImage(image_of(volume, spacing=spacing), str(folder / f"e{number}.nrrd"))
    return [*sorted(folder.glob("e*.nrrd")), "--echo-times", TIMES]


def typed(times):
    return lambda folder: [write_series(folder), "--echo-times", times]


def all_zero(folder):
    return [write_series(folder, [np.zeros(SHAPE, np.float32)] * 5), "--echo-times", TIMES]


def all_nan(folder):
    return [write_series(folder, [np.full(SHAPE, np.nan, np.float32)] * 5), "--echo-times", TIMES]


def corrupt(folder):
    (folder / "noise.nii.gz").write_bytes(np.random.default_rng(0).bytes(5000))
    return [folder / "noise.nii.gz", "--echo-times", TIMES]


def truncated(folder):
    path = write_series(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [path, "--echo-times", TIMES]


def empty_file(folder):
    (folder / "empty.nrrd").write_bytes(b"")
    return [folder / "empty.nrrd", "--echo-times", TIMES]


def empty_folder(folder):
    (folder / "dicom").mkdir()
    return [folder / "dicom"]


def missing_file(folder):
    return [folder / "not_there.nii.gz"]


def segmentation(block, **options):
    def build(folder):
        return [write_series(folder), "--echo-times", TIMES, "--segmentation", write_mask(folder, block, **options)]

    return build


def several_segments_none_named(folder):
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1, 10:14, 10:14], mask[1, 16:20, 16:20] = 1, 2
    sitk.WriteImage(image_of(mask), str(folder / "two.nii.gz"))
    return [write_series(folder), "--echo-times", TIMES, "--segmentation", folder / "two.nii.gz"]


def corrupt_segmentation(folder):
    (folder / "bad.seg.nrrd").write_bytes(b"NRRD0004\ntype: uint8\nnonsense")
    return [write_series(folder), "--echo-times", TIMES, "--segmentation", folder / "bad.seg.nrrd"]


def with_segmentation(*extra):
    return lambda folder: [*segmentation(TUMOR_BLOCK)(folder), *extra]


BAD_INPUT = {
    "missing echo times": (no_echo_times, "echo times"),
    "equal echo times": (typed("6.71,6.71,20.13,26.84,33.55"), "6.71 ms"),
    "unordered echo times": (typed("6.71,20.13,13.42,26.84,33.55"), "increas"),
    "echo times in seconds": (typed("0.00671,0.01342,0.02013,0.02684,0.03355"), "seconds"),
    "too few echo times": (typed("6.71,13.42"), "echo times"),
    "a word as echo time": (typed("6.71,fast"), "fast"),
    "negative echo time": (typed("-6.71,13.42,20.13,26.84,33.55"), "positive"),
    "one echo": (one_echo, "echo"),
    "differing geometry": (differing_geometry, "geometry"),
    "all zero": (all_zero, "zero"),
    "nothing but NaN": (all_nan, "without a number"),
    "corrupt file": (corrupt, "noise.nii.gz"),
    "truncated file": (truncated, "bold.nii.gz"),
    "empty file": (empty_file, "empty.nrrd"),
    "empty folder": (empty_folder, "dicom"),
    "missing file": (missing_file, "not_there.nii.gz"),
    "segmentation outside the image": (segmentation(TUMOR_BLOCK, origin=(900.0, 0.0, 0.0)), "outside"),
    "empty segmentation": (segmentation(np.s_[0:0]), "empty"),
    "corrupt segmentation": (corrupt_segmentation, "bad.seg.nrrd"),
    "several segments and none named": (several_segments_none_named, "several segments"),
    "unknown segment": (with_segmentation("--segment", "liver"), "liver"),
    "unknown exclusion": (with_segmentation("--exclude", "liver"), "liver"),
    "region of air": (segmentation(np.s_[1, 0:4, 0:4]), "low signal"),
    "everything eroded": (with_segmentation("--erode-mm", "100"), "ero"),
    "segment without segmentation": (lambda folder: [write_series(folder), "--segment", "a"], "--segmentation"),
    "negative noise": (lambda folder: [*typed(TIMES)(folder), "--noise-sigma", "-1"], "--noise-sigma"),
    "unknown method": (lambda folder: [*typed(TIMES)(folder), "--method", "magic"], "magic"),
    "phase that is not there": (lambda folder: [*typed(TIMES)(folder), "--use-phase"], "phase"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_in_one_line_and_writes_nothing(case, tmp_path, run):
    build, fragment = BAD_INPUT[case]
    data = tmp_path / "data"
    data.mkdir()
    arguments = build(data)
    before = snapshot(tmp_path)
    assert_refused(run("r2star", *arguments, "-o", tmp_path / "new" / "out"), fragment)
    assert snapshot(tmp_path) == before


def test_libraries_that_complain_on_their_own_stay_silent(tmp_path):
    """In a process of its own, where the C++ libraries write straight to stderr."""
    assert_refused(call("r2star", *truncated(tmp_path), "-o", tmp_path / "out"), "bold.nii.gz")


@pytest.mark.parametrize("where", ["below a file", "/proc", "a file"])
def test_unwritable_output_is_refused_before_anything_is_read(where, series, tmp_path, run, monkeypatch):
    monkeypatch.setattr(r2star, "_read_series", lambda request: pytest.fail("read although nothing could be written"))
    (tmp_path / "file").write_text("mine")
    output = {"below a file": tmp_path / "file" / "out", "/proc": Path("/proc/out"), "a file": tmp_path / "file"}[where]
    if where == "/proc" and not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    before = snapshot(tmp_path)
    assert_refused(run("r2star", series, "-o", output), str(output))
    assert snapshot(tmp_path) == before


def test_full_disk_is_noticed_before_the_fit(series, tmp_path, run, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=1, used=1, free=1000))
    monkeypatch.setattr(r2star, "_measure", lambda *args: pytest.fail("fitted although nothing could be written"))
    assert_refused(run("r2star", series, "-o", tmp_path / "out"), "free")
    assert not (tmp_path / "out").exists()


def test_defect_of_ours_keeps_its_traceback_and_writes_nothing(series, tmp_path, run, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("our mistake")

    monkeypatch.setattr(r2star, "_measure", broken)
    done = run("r2star", series, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ZeroDivisionError: our mistake" in done.stderr and "report it" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["r2star"], "INPUT"),
        (["r2star", "--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["phantom"], "DIRECTORY"),
    ],
)
def test_wrong_usage_is_one_line_that_points_to_the_help(arguments, fragment, run):
    assert_refused(run(*arguments), fragment, "--help")


# -- help --


def test_help_shows_the_examples_line_by_line(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    done = run("r2star", "--help")
    assert done.returncode == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "npc-response r2star dicom_folder --segmentation tumor.seg.nrrd -o result" in lines
    assert "Research use only; not for diagnosis" in " ".join(done.stdout.split())


def test_program_without_arguments_shows_its_commands(run):
    done = run()
    assert done.returncode == 0 and "r2star" in done.stdout and "phantom" in done.stdout


def test_version_is_the_package_s(run):
    from NPCResponseLib import __version__

    assert run("--version").stdout.strip() == f"npc-response {__version__}"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from NPCResponseLib import commands; commands.run(['r2star', '--help']); "
        "heavy = {'numpy', 'scipy', 'SimpleITK', 'pydicom', 'vtk', 'slicer', 'matplotlib'} & set(sys.modules); "
        "print('loaded:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_words_of_the_options_are_those_of_the_layers_below():
    assert [name.value for name in r2star.MethodName] == [method.value for method in R2StarMethod]
    assert [name.value for name in r2star.RoiName] == [rule.value for rule in SliceRule]


def test_shell_completion_knows_commands_and_choices():
    environment = {**os.environ, "_NPC_RESPONSE_COMPLETE": "complete_bash"}

    def completions(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        done = subprocess.run(PROGRAM, env={**environment, **words}, capture_output=True, text=True, check=False)
        return done.stdout.split()

    assert {"r2star", "tbf", "assess", "phantom"} <= set(completions("npc-response "))
    assert "noise-floor" in completions("npc-response r2star --method ")


# -- the pieces --


@pytest.fixture
def interruption():
    with Interruption() as active:
        yield active


def test_output_appears_only_when_committed(tmp_path, interruption):
    with StagedOutput(tmp_path / "deep" / "out", ["a"], interruption, force=False) as staged:
        (staged.folder / "a").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
        staged.commit()
    assert snapshot(tmp_path) == {"deep": None, "deep/out": None, "deep/out/a": b"1"}


def test_failed_output_leaves_not_even_the_folders_it_made(tmp_path, interruption):
    with (
        pytest.raises(RuntimeError),
        StagedOutput(tmp_path / "deep" / "out", ["a"], interruption, force=False) as staged,
    ):
        (staged.folder / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_results_are_as_readable_as_any_other_new_file(tmp_path, interruption):
    (tmp_path / "usual").mkdir()
    with StagedOutput(tmp_path / "out", [], interruption, force=False) as staged:
        staged.commit()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_folder_in_the_place_of_a_result_is_refused_even_with_force(tmp_path, interruption):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match="folder"), StagedOutput(tmp_path, ["report.html"], interruption, force=True):
        pass


@pytest.mark.parametrize("index", ("", '{"files": ["b"]}', "damaged"))
def test_a_file_that_no_earlier_run_wrote_is_not_replaced_even_with_force(tmp_path, interruption, index):
    """An echo may be called s0.nii.gz, too."""
    (tmp_path / "a").write_text("mine")
    if index:
        (tmp_path / "index").write_text(index)
    before = snapshot(tmp_path)
    with (
        pytest.raises(InputError, match="a is there and no result"),
        StagedOutput(tmp_path, ["a", "b", "index"], interruption, force=True, index_name="index"),
    ):
        pass
    assert snapshot(tmp_path) == before


def test_results_that_another_run_wrote_meanwhile_are_not_replaced(tmp_path, interruption):
    output = tmp_path / "out"
    with pytest.raises(InputError, match="not empty"), StagedOutput(output, ["a"], interruption, force=False) as staged:
        (staged.folder / "a").write_text("mine")
        output.mkdir()
        (output / "a").write_text("theirs")
        staged.commit()
    assert snapshot(tmp_path) == {"out": None, "out/a": b"theirs"}


def test_signal_while_a_library_loads_waits_until_it_is_loaded(tmp_path, monkeypatch, interruption):
    """Modules of C++ crash if the exception comes in the middle of their start."""
    (tmp_path / "slow_module.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nloaded = True\n")
    monkeypatch.setattr(NPCResponseLib, "__path__", [*NPCResponseLib.__path__, str(tmp_path)])
    with pytest.raises(Interrupted):
        options.load_modules(interruption, "slow_module")
    assert sys.modules.pop("NPCResponseLib.slow_module").loaded


def test_signal_while_moving_into_place_waits_until_all_is_moved(tmp_path, interruption, monkeypatch):
    output = tmp_path / "out"
    output.mkdir()
    (output / "a").write_text("old")
    (output / "b").write_text("old")
    (output / "index").write_text('{"files": ["a", "b"]}')
    real_replace = Path.replace

    def replace_and_interrupt(self, target):
        os.kill(os.getpid(), signal.SIGTERM)
        return real_replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_and_interrupt)
    with StagedOutput(output, ["a", "b"], interruption, force=True, index_name="index") as staged:
        (staged.folder / "a").write_text("new")
        (staged.folder / "b").write_text("new")
        staged.commit()
    (output / "index").unlink()
    assert snapshot(output) == {"a": b"new", "b": b"new"}
    assert interruption.received == signal.SIGTERM


def test_signal_after_the_commit_changes_nothing_any_more(tmp_path, interruption):
    with StagedOutput(tmp_path / "out", ["a"], interruption, force=False) as staged:
        (staged.folder / "a").write_text("1")
        staged.commit()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert snapshot(tmp_path / "out") == {"a": b"1"}


def test_stop_signals_raise_at_once_and_tell_the_usual_exit_code(interruption):
    with pytest.raises(Interrupted) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert stop.value.exit_code == 143


def test_foreign_text_is_kept_and_python_s_own_passes(capfd):
    foreign = ForeignOutput()
    with foreign.taken():
        os.write(1, b"chatter of a library")
        os.write(2, b"complaint of a library")
        print("our result")
    out, err = capfd.readouterr()
    assert out == "our result\n" and err == ""
    assert "chatter" in foreign.text() and "complaint" in foreign.text()
