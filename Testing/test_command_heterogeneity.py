"""``npc-radiomics heterogeneity``: a cohort from manifest to report; what fails, what is kept, what size alone does."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from NPCRadiomicsRiskLib import commands
from NPCRadiomicsRiskLib.commands import cohort_run, heterogeneity
from NPCRadiomicsRiskLib.commands.manifest import read_manifest
from NPCRadiomicsRiskLib.commands.patient_measurement import MeasurementChoice
from NPCRadiomicsRiskLib.commands.plain_results import (
    plain_size_control,
    plain_stability,
    size_control_from,
    stability_from,
)
from NPCRadiomicsRiskLib.commands.texture_options import TextureChoice
from NPCRadiomicsRiskLib.heterogeneity.comparison import ADJUSTMENTS, PATHS
from NPCRadiomicsRiskLib.robustness.size_control import size_control
from NPCRadiomicsRiskLib.robustness.stability import feature_stability
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, PUBLISHED_SIGNIFICANT, TextureSettings
from Testing.subregion_files import write_image

SHAPE = (10, 30, 30)
IJK_TO_RAS = np.diag([-1.5, -1.5, 3.0, 1.0])
COARSE = ("--resampling", "none", "--levels", "16")
QUICK = (*COARSE, "--jobs", "1", "--size-control", "0")
HEADER = ["patient", "pre", "gtv", "gtvr"]


@pytest.fixture
def run(capsys):
    def in_process(*arguments) -> SimpleNamespace:
        capsys.readouterr()
        code = commands.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=captured.out, stderr=captured.err)

    return in_process


def assert_refused(done, *fragments: str) -> None:
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("npc-radiomics: error: "), done.stderr
    for fragment in fragments:
        assert fragment.lower() in lines[0].lower()


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(entry.relative_to(folder)): entry.read_bytes() if entry.is_file() else None for entry in folder.rglob("*")
    }


def tumor() -> tuple[np.ndarray, np.ndarray]:
    """GTV, a ball, and GTVr, a slab of it."""
    k, j, i = np.indices(SHAPE)
    gtv = ((k - 4.5) * 2) ** 2 + (j - 15) ** 2 + (i - 15) ** 2 < 81
    return gtv, gtv & (i > 17)


def write_cohort(folder: Path, n: int, brighter: float = 150.0) -> Path:
    """Patients whose recurrent part is brighter; no scan at recurrence, so that nothing needs aligning."""
    folder.mkdir(parents=True, exist_ok=True)
    gtv, gtvr = tumor()
    rows = []
    for number in range(n):
        rng = np.random.default_rng(number)
        image = rng.normal(500, 60, SHAPE) + np.where(gtvr, brighter, 0)
        files = {"pre": image.astype(np.float32), "gtv": gtv.astype(np.uint8), "gtvr": gtvr.astype(np.uint8)}
        for name, array in files.items():
            write_image(folder / f"WANG_{number}_{name}.nrrd", array, IJK_TO_RAS)
        rows.append([f"P{number + 1}", *(f"WANG_{number}_{name}.nrrd" for name in files)])
    return write_manifest(folder / "manifest.csv", rows)


def write_manifest(path: Path, rows, header=HEADER) -> Path:
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("WANG_cohort") / "files", 7)


@pytest.fixture(scope="module")
def measured(cohort):
    """A run with everything, kept."""
    base = cohort.parents[1]
    arguments = ["heterogeneity", cohort, *COARSE, "--jobs", "1", "--size-control", "4", "--stability", "1"]
    arguments += ["--test", "t", "--keep", base / "kept"]
    code = commands.run([*map(str, arguments), "-q", "-o", str(base / "out")])
    assert code == 0
    summary = json.loads((base / "out" / "decisions.json").read_text(encoding="utf-8"))
    return SimpleNamespace(output=base / "out", kept=base / "kept", arguments=arguments, summary=summary)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# -- a full run --


def test_run_writes_every_result(measured):
    names = {entry.name for entry in measured.output.iterdir()}
    tables = {"features", "patients", "comparison", "significant", "correlations", "components", "loadings", "scores"}
    tables |= {"boxes", "size_control", "stability", "stability_by_kind"}
    assert {f"{name}.csv" for name in tables} <= names
    assert {"report.html", "decisions.json", "pairs.svg", "pairs.png", "effects.svg"} <= names
    assert sorted(names) == measured.summary["files"]


def test_brighter_recurrences_are_found_with_their_difference(measured):
    rows = {row["feature"]: row for row in table(measured.output / "comparison.csv")}
    assert list(rows) == list(FEATURE_NAMES)
    mean = rows["Intensity_Mean"]
    assert mean["significant"] == "yes" and mean["n"] == "7"
    # Noise of SD 60 in some hundred voxels of 7 patients: a unit or two of 150; less its outliers.
    assert float(mean["mean_difference"]) == pytest.approx(150, abs=6)
    assert "Intensity_Mean" in measured.summary["significant"]
    assert measured.summary["choices"]["threshold"] == pytest.approx(0.05 / 47)


def test_features_table_has_both_regions_of_every_patient(measured):
    rows = table(measured.output / "features.csv")
    assert [(row["patient"], row["region"]) for row in rows] == [
        (f"P{number}", region) for number in range(1, 8) for region in ("GTVr", "GTVnr")
    ]


def test_features_of_a_run_give_the_same_comparison_as_the_manifest(measured, tmp_path, run):
    done = run("heterogeneity", measured.output / "features.csv", "--test", "t", "-o", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["significant"] == measured.summary["significant"] and again["size_control"] is None
    for first, second in zip(measured.summary["tables"]["comparison"], again["tables"]["comparison"], strict=True):
        for name, value in first.items():
            if isinstance(value, float):
                assert second[name] == pytest.approx(value, rel=1e-6, abs=1e-12), (first["feature"], name)
            elif name not in ("warnings", "decision"):
                assert second[name] == value
    assert not (tmp_path / "again" / "features.csv").exists()
    assert any("not examined" in sentence for sentence in again["verdict"])


def test_features_saved_by_a_spreadsheet_program_are_read(measured, tmp_path, run):
    """Semicolons, decimal commas, byte-order mark, Windows line ends."""
    with (measured.output / "features.csv").open(encoding="utf-8") as stream:
        lines = [line.rstrip("\n").replace(".", ",").replace(",", ";", 0) for line in stream]
    rows = table(measured.output / "features.csv")
    lines = [";".join(rows[0])] + [";".join(cell.replace(".", ",") for cell in row.values()) for row in rows]
    (tmp_path / "saved.csv").write_text("\r\n".join(lines), encoding="utf-8-sig", newline="")
    done = run("heterogeneity", tmp_path / "saved.csv", "--test", "t", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["significant"] == measured.summary["significant"]


# -- size --


def test_brightness_stays_beyond_size_and_what_only_follows_size_does_not(measured):
    """The parts have one texture: coarseness differs because one part is smaller, and random parts tell so."""
    rows = {row["feature"]: row for row in table(measured.output / "size_control.csv")}
    mean, coarse = rows["Intensity_Mean"], rows["NGTDM_Coarseness"]
    assert mean["beyond_size"] == "yes"
    assert abs(float(mean["mean_expected_by_size"])) < 0.2 * float(mean["mean_difference"])
    assert coarse["difference_significant"] == "yes" and float(coarse["mean_difference"]) > 0
    assert abs(float(coarse["mean_excess"])) < 0.5 * float(coarse["mean_difference"])
    found = measured.summary["size_control"]
    assert found["n_divisions"] == 4 and "Intensity_Mean" in found["beyond_size"]
    assert sorted(found["beyond_size"] + found["opposite"] + found["size_alone"]) == sorted(
        measured.summary["significant"]
    )


def test_verdict_says_how_many_features_stay_beyond_size(measured):
    found = measured.summary["size_control"]
    told = " ".join(measured.summary["verdict"])
    n, of = len(found["beyond_size"]) or "None", len(measured.summary["significant"])
    assert f"{n} of these {of} stay significant beyond size" in told
    html = (measured.output / "report.html").read_text(encoding="utf-8")
    assert "Beyond the sizes of the regions" in html and f"{len(found['beyond_size'])} beyond size" in html


def test_table_of_size_control_adds_up(measured):
    comparison = {row["feature"]: row for row in table(measured.output / "comparison.csv")}
    for row in table(measured.output / "size_control.csv"):
        if row["mean_excess"]:
            parts = [float(row[name]) for name in ("mean_difference", "mean_expected_by_size", "mean_excess")]
            assert parts[0] - parts[1] == pytest.approx(parts[2], rel=1e-6, abs=1e-9)
            whole = float(comparison[row["feature"]]["mean_difference"])
            assert parts[0] == pytest.approx(whole, rel=1e-6, abs=1e-12)


# -- stability --


def test_stability_tables_tell_every_feature_and_kind(measured):
    rows = table(measured.output / "stability.csv")
    assert [row["feature"] for row in rows] == list(FEATURE_NAMES) and rows[0]["n"] == "7"
    by_kind = table(measured.output / "stability_by_kind.csv")
    assert {"GTVr_dilation", "GTVr_erosion"} <= set(by_kind[0]) and len(by_kind) == 47
    assert "Stability under perturbed contours" in (measured.output / "report.html").read_text(encoding="utf-8")


def test_two_patients_have_no_stability_and_are_told_so(tmp_path, run):
    manifest = write_cohort(tmp_path / "two", 2)
    arguments = ["heterogeneity", manifest, *COARSE, "--jobs", "1", "--stability", "1", "--size-control", "0"]
    done = run(*arguments, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert any("takes 3 of them, and 2" in warning for warning in json.loads(done.stdout)["warnings"])


def test_measurements_survive_being_plain_values():
    gtv, gtvr = tumor()
    image = np.random.default_rng(0).normal(500, 60, SHAPE)
    settings = TextureSettings(n_levels=8, voxel_size_mm=3.0)
    controlled = size_control(image, gtv, gtvr, (3.0, 1.5, 1.5), settings, n=2)
    perturbed = feature_stability(
        image, gtv, gtvr, (3.0, 1.5, 1.5), settings, n=1, kinds=("GTVr dilation", "GTVr erosion")
    )
    again = size_control_from(json.loads(json.dumps(plain_size_control(controlled), allow_nan=False)))
    assert again.columns() == controlled.columns() and again.method == controlled.method
    np.testing.assert_array_equal(again.reference.differences, controlled.reference.differences)
    stable = stability_from(json.loads(json.dumps(plain_stability(perturbed), allow_nan=False)))
    assert stable.columns() == perturbed.columns() and stable.kinds == perturbed.kinds
    np.testing.assert_array_equal(stable.perturbed[1].recurrent, perturbed.perturbed[1].recurrent)
    assert plain_size_control(None) is None and plain_stability(None) is None


# -- privacy --


def test_no_output_and_nothing_kept_holds_the_name_of_a_file_or_folder(measured):
    for path in [*measured.output.iterdir(), *measured.kept.iterdir()]:
        content = re.sub(rb"base64,[^\"]+", b"", path.read_bytes())
        for secret in (b"WANG", str(measured.output.parent).encode()):
            assert secret not in content, f"{secret!r} in {path.name}"


def test_reason_of_a_failure_holds_no_name_either(tmp_path, run):
    manifest = write_cohort(tmp_path / "WANG", 3)
    (tmp_path / "WANG" / "WANG_1_gtv.nrrd").write_bytes(b"nonsense")
    done = run(
        "heterogeneity", manifest, *COARSE, "--jobs", "1", "--size-control", "0", "-o", tmp_path / "out", "--json"
    )
    assert done.returncode == 0, done.stderr
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["patient"] == "P2" and "GTV contour" in failure["reason"] and "WANG" not in failure["reason"]
    assert "WANG" not in done.stdout
    for path in (tmp_path / "out").iterdir():
        assert b"WANG" not in re.sub(rb"base64,[^\"]+", b"", path.read_bytes()), path.name


# -- one of many fails --


def test_one_patient_that_fails_does_not_stop_the_others(cohort, tmp_path, run):
    """On two processes."""
    rows = [[f"Q{n}", *(cohort.parent / f"WANG_{n}_{name}.nrrd" for name in HEADER[1:])] for n in range(3)]
    rows.insert(1, ["bad", rows[0][1], rows[0][2], rows[0][2]])  # GTVr is the whole GTV
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    done = run("heterogeneity", manifest, *COARSE, "--jobs", "2", "--size-control", "0", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "bad was not measured" in done.stdout and "3 patients" in done.stdout
    patients = {row["patient"]: row for row in table(tmp_path / "out" / "patients.csv")}
    assert list(patients) == ["Q0", "bad", "Q1", "Q2"]
    assert patients["bad"]["failure"] and not patients["Q1"]["failure"]
    assert float(patients["Q1"]["gtvr_cm3"]) > 0 and not patients["bad"]["gtvr_cm3"]
    assert "bad was not measured" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_cohort_of_which_only_one_can_be_measured_is_refused(cohort, tmp_path, run):
    good = [cohort.parent / f"WANG_0_{name}.nrrd" for name in HEADER[1:]]
    manifest = write_manifest(tmp_path / "manifest.csv", [["A", *good], ["B", good[0], good[1], good[1]]])
    done = run("heterogeneity", manifest, *COARSE, "--jobs", "1", "-o", tmp_path / "out")
    assert_refused(done, "1 of 2 patients", "B:")
    assert not (tmp_path / "out").exists()


# -- what is kept --


@pytest.fixture
def measurements(monkeypatch):
    """Labels of the patients that are really measured."""
    labels = []
    real = cohort_run.measure_one

    def counted(inputs, *others):
        labels.append(inputs.patient)
        return real(inputs, *others)

    monkeypatch.setattr(cohort_run, "measure_one", counted)
    return labels


def test_second_run_takes_what_was_kept(measured, tmp_path, run, measurements):
    done = run(*measured.arguments, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0 and measurements == []
    again = json.loads(done.stdout)
    for name in ("tables", "significant", "verdict", "warnings", "size_control", "choices"):
        assert again[name] == measured.summary[name]


@pytest.fixture
def measured_by(tmp_path, measurements):
    """Runs a cohort of three whose results are kept; returns whom it really measured."""
    manifest = write_cohort(tmp_path / "c", 3)

    def run_once(n_levels: int = 16, **choices) -> list[str]:
        measurements.clear()
        choice = MeasurementChoice(texture=TextureChoice(voxel_size_mm=2.0, n_levels=n_levels), **choices)
        outcomes = dict(
            cohort_run.run_cohort(read_manifest(manifest), choice, n_jobs=1, kept=tmp_path / "kept", check=lambda: None)
        )
        run_once.outcomes = [outcomes[position] for position in range(3)]
        return sorted(measurements)

    run_once.folder, run_once.kept = manifest.parent, tmp_path / "kept"
    return run_once


def test_changed_file_option_or_damaged_result_is_measured_again(measured_by):
    assert measured_by() == ["P1", "P2", "P3"]
    first = measured_by.outcomes
    assert measured_by() == [] and measured_by.outcomes == first
    os.utime(measured_by.folder / "WANG_1_pre.nrrd", ns=(1, 1))
    assert measured_by() == ["P2"] and measured_by.outcomes == first
    assert measured_by(8) == measured_by(8, n_size_control=1) == ["P1", "P2", "P3"]
    assert measured_by.outcomes[0].size_control is not None
    for path in measured_by.kept.iterdir():
        path.write_text(path.read_text()[:100])
    assert measured_by(8) == ["P1", "P2", "P3"]


def test_failure_is_not_kept(measured_by):
    path = measured_by.folder / "WANG_1_gtv.nrrd"
    good = path.read_bytes()
    path.write_bytes(b"nonsense")
    measured_by()
    assert measured_by.outcomes[1].failure and not measured_by.outcomes[1].rows
    path.write_bytes(good)
    assert measured_by() == ["P2"] and not measured_by.outcomes[1].failure


def test_outcome_depends_on_the_patient_alone_not_on_its_neighbors(cohort):
    """A scene that is not emptied would show here."""
    choice = MeasurementChoice(texture=TextureChoice(voxel_size_mm=2.0, n_levels=16))
    first, second = read_manifest(cohort)[:2]
    alone = cohort_run.measure_one(second, choice)
    cohort_run.measure_one(first, choice)
    assert cohort_run.measure_one(second, choice) == alone and not alone.failure


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_run_writes_nothing_but_keeps_what_was_measured(jobs, tmp_path):
    """Ctrl-C in a terminal reaches all processes of the run."""
    manifest = write_cohort(tmp_path / "c", 40)
    arguments = [
        "heterogeneity",
        manifest,
        *COARSE,
        "--jobs",
        jobs,
        "--keep",
        tmp_path / "kept",
        "-o",
        tmp_path / "out",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "NPCRadiomicsRiskLib", *map(str, arguments)], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "kept").exists() or not list((tmp_path / "kept").glob("*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "" and stderr.splitlines() == ["npc-radiomics: interrupted; no results were changed"]
    assert {entry.name for entry in tmp_path.iterdir()} == {"c", "kept"}
    assert all(json.loads(path.read_text())["rows"] for path in (tmp_path / "kept").glob("*.json"))


ORPHAN = """
import concurrent.futures, multiprocessing, os, signal, sys
from NPCRadiomicsRiskLib.commands.cohort_run import begin_worker

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context, initializer=begin_worker)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_do_not_outlive_a_run_that_was_killed(tmp_path):
    """They hold its output open: who reads that would wait for ever."""
    (tmp_path / "orphan.py").write_text(ORPHAN)
    done = subprocess.run([sys.executable, tmp_path / "orphan.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL and int(done.stdout) > 1


# -- what cannot be used --


def features_without(column):
    def build(measured, folder):
        rows = table(measured.output / "features.csv")
        path = folder / "features.csv"
        names = [name for name in rows[0] if name != column]
        path.write_text("\n".join([",".join(names), *(",".join(row[name] for name in names) for row in rows)]))
        return [path]

    return build


def one_patient_only(measured, folder):
    lines = (measured.output / "features.csv").read_text(encoding="utf-8").splitlines()
    (folder / "features.csv").write_text("\n".join(lines[:3]))
    return [folder / "features.csv"]


def manifest_and(*extra):
    return lambda measured, _folder: [measured.arguments[1], *extra]


BAD_INPUT = {
    "no such file": (lambda m, f: [f / "not_there.csv"], "not_there.csv"),
    "folder": (lambda m, f: [f], "no such file"),
    "feature missing": (features_without("GLSZM_ZSV"), "GLSZM_ZSV"),
    "one patient": (one_patient_only, "1 patient"),
    "alpha of 0": (manifest_and("--alpha", "0"), "--alpha"),
    "alpha of 2": (manifest_and("--alpha", "2"), "--alpha"),
    "negative jobs": (manifest_and("--jobs", "-1"), "--jobs"),
    "unknown correction": (manifest_and("--correction", "magic"), "magic"),
    "negative size control": (manifest_and("--size-control", "-1"), "--size-control"),
    "far too many perturbations": (manifest_and("--stability", "100000"), "--stability"),
    "one level": (manifest_and("--levels", "1"), "level"),
    "keep in a file": (lambda m, f: [m.arguments[1], "--keep", m.output / "report.html" / "kept"], "kept there"),
    "manifest of one patient": (lambda m, f: [write_cohort(f, 1)], "it lists one patient"),
    "keep is a file": (lambda m, f: [m.arguments[1], "--keep", m.output / "report.html"], "--keep"),
}


def test_features_are_not_replaced_by_what_is_made_of_them(measured, tmp_path, run):
    """With --force the table went as one of an earlier run's results that this one does not write."""
    output = tmp_path / "out"
    shutil.copytree(measured.output, output)
    before = snapshot(output)
    assert_refused(run("heterogeneity", output / "features.csv", "--force", "-o", output), "it is an input")
    assert snapshot(output) == before


@pytest.mark.parametrize("name", ["manifest.csv", "WANG_0_pre.nrrd"])
def test_a_model_replaces_no_input(tmp_path, run, name):
    manifest = write_cohort(tmp_path, 3)
    before = snapshot(tmp_path)
    assert_refused(run("train-map", manifest, "--force", "-o", tmp_path / name), name, "it is an input")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_in_one_line_and_writes_nothing(case, measured, tmp_path, run):
    build, fragment = BAD_INPUT[case]
    arguments = build(measured, tmp_path)
    before = snapshot(tmp_path)
    assert_refused(run("heterogeneity", *arguments, "-o", tmp_path / "new" / "out"), fragment)
    assert snapshot(tmp_path) == before


def test_second_run_needs_force_and_removes_what_is_stale(measured, tmp_path, run):
    output = tmp_path / "out"
    features = measured.output / "features.csv"
    assert run("heterogeneity", features, "--test", "t", "-q", "-o", output).returncode == 0
    before = snapshot(output)
    assert_refused(run("heterogeneity", features, "-o", output), "--force")
    assert snapshot(output) == before and (output / "significant.csv").exists()
    done = run("heterogeneity", features, "--alpha", "1e-30", "-q", "-o", output, "--force")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (output / "significant.csv").exists() and not (output / "correlations.svg").exists()
    assert json.loads((output / "decisions.json").read_text())["verdict"][0].startswith("None of 47 features")


def test_words_of_the_options_are_those_of_the_statistics():
    assert [name.value for name in heterogeneity.CorrectionName] == list(ADJUSTMENTS)
    assert [name.value.replace("-s", " S") for name in heterogeneity.PairedTestName] == list(PATHS)
    assert set(PUBLISHED_SIGNIFICANT) <= set(FEATURE_NAMES)
