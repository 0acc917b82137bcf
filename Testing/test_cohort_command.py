"""``npc-response cohort`` as its users meet it: files, refusals in one line, no identifiers."""

import csv
import json
import re
from dataclasses import replace

import pytest

from NPCResponseLib.assessment import (
    LesionMeasurement,
    MeasuredValue,
    PatientValues,
    Stage,
    TimePointValues,
    assess_patient,
)
from NPCResponseLib.cohort.spec import Choices
from NPCResponseLib.commands import run
from NPCResponseLib.commands.cohort_description import read_cohort_description
from NPCResponseLib.commands.cohort_examples import SPECS
from NPCResponseLib.commands.cohort_results import OUTPUT_NAMES
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers.cohort_folder import read_result_folder

SPEC = """version: 1
title: A small cohort
patient: id
groups:
  - {name: response, column: group, positive: RG, negative: NRG}
parameters:
  - {name: R2*pre, unit: Hz, column: pre}
  - {name: R2*post, unit: Hz, column: post, direction: above}
paired: [[R2*post, R2*pre]]
choices:
  t_test: student
  bootstrap_replicates: 200
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The ASL example, run once."""
    folder = tmp_path_factory.mktemp("example") / "asl"
    assert run(["cohort", "--example", "asl", "-o", str(folder), "--quiet"]) == 0
    return folder


def read_csv(path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def small(folder, *, spec=SPEC):
    rows = ["id,group,pre,post"]
    rows += [
        f"ANNA{i:02d},{'RG' if i % 3 else 'NRG'},{40 + i % 7},{45 + (i * 7) % 11 + 5 * (i % 3)}" for i in range(30)
    ]
    (folder / "patients.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return ["cohort", str(folder / "patients.csv"), "--spec", str(folder / "spec.yaml"), "-o", str(folder / "out")]


def told(arguments, capsys) -> tuple[int, str]:
    code = run(arguments)
    return code, capsys.readouterr().err


# -- the examples --


def test_the_example_writes_everything_and_its_own_input(example):
    names = {path.name for path in example.iterdir()}
    assert names <= set(OUTPUT_NAMES)
    for name in ("report.html", "decisions.json", "differences.csv", "roc.csv", "counts.csv", "agreement.csv"):
        assert name in names
    for figure in ("boxes_1", "boxes_2", "roc_1", "roc_2", "paired", "correlations", "bland_altman"):
        assert {f"{figure}.svg", f"{figure}.png"} <= names
    assert "values.csv" not in names


def test_the_example_can_be_run_again_from_its_own_files(example, tmp_path):
    arguments = ["cohort", str(example / "example_table.csv"), "--spec", str(example / "example_spec.yaml")]
    assert run([*arguments, "-o", str(tmp_path / "again"), "--quiet"]) == 0
    for name in ("roc.csv", "multiplicity.csv", "agreement.csv"):
        assert (tmp_path / "again" / name).read_text() == (example / name).read_text()


def test_the_asl_example_gives_the_papers_tables(example):
    rows = read_csv(example / "differences.csv")
    first = next(row for row in rows if (row["grouping"], row["parameter"]) == ("response at 40 Gy", "Pre-TBF"))
    assert (first["n_1"], first["n_2"]) == ("36", "19")
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d|.*\(.*\)", first["summary_1"])
    assert float(first["p_welch"]) < 1e-3
    counts = read_csv(example / "counts.csv")
    assert [(row["count_1"], row["count_2"]) for row in counts] == [("31", "5"), ("7", "12")]
    assert float(counts[0]["chi_squared"]) == pytest.approx(14.136, abs=5e-4)
    assert {row["between"] for row in read_csv(example / "agreement.csv")} == {"observers"}


def test_decisions_hold_the_four_choices_and_why_each_test_was_taken(example):
    decisions = json.loads((example / "decisions.json").read_text(encoding="utf-8"))
    assert list(decisions["choices_in_words"])[:4] == [
        "t-test of two groups", "p values of rank tests", "Maximal log-rank cutoff", "Bootstrap intervals",
    ]  # fmt: skip
    assert decisions["choices"]["t_test"] == "welch"
    assert decisions["choices"]["seed"] == Choices.seed
    reasons = {found["what"]: " ".join(found["decision"]) for found in decisions["decisions"]}
    assert "Shapiro-Wilk" in reasons["Pre-TBF by response at 40 Gy"]
    assert reasons["Pre-TBF: final value"] == "mean of both observers"
    assert sorted(decisions["files"]) == sorted(path.name for path in example.iterdir())


def test_the_report_is_whole_and_names_choices_and_methods(example):
    page = (example / "report.html").read_text(encoding="utf-8")
    for words in (
        "Choices that change conclusions", "Welch", "95 %, 2000 replicates", "Maximal log-rank", "DeLong",
        "Paired differences", "Bland-Altman", "Which test, and why", "mean of both", "Holm",
    ):  # fmt: skip
        assert words in page, words
    assert "://" not in page
    assert page.count("<figure>") == 7


def test_no_identifier_leaves_unless_asked(tmp_path, capsys):
    arguments = small(tmp_path)
    assert run(arguments) == 0
    capsys.readouterr()
    for path in (tmp_path / "out").iterdir():
        assert b"ANNA" not in path.read_bytes(), path.name
        assert b"patients.csv" not in path.read_bytes(), path.name
    assert run([*arguments, "--force", "--show-ids", "--quiet"]) == 0
    values = read_csv(tmp_path / "out" / "values.csv")
    assert len(values) == 30
    assert values[1] == {"id": "ANNA01", "response": "RG", "R2*pre": "41", "R2*post": "57"}
    assert b"ANNA" not in (tmp_path / "out" / "report.html").read_bytes()
    assert run([*arguments, "--force", "--quiet"]) == 0
    assert not (tmp_path / "out" / "values.csv").exists()


def test_json_for_scripts(tmp_path, capsys):
    assert run([*small(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n_patients"] == 30
    assert {row["parameter"] for row in result["tables"]["roc"]} == {"R2*pre", "R2*post"}
    assert result["tables"]["differences"][0]["p_student"] is not None


def test_an_output_that_is_not_empty_is_refused(tmp_path, capsys):
    arguments = small(tmp_path)
    assert run([*arguments, "--quiet"]) == 0
    code, message = told(arguments, capsys)
    assert code == 2
    assert "not empty" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("ANNA01", "ANNA02"), 'patient "ANNA02" stands 2 times (row 3, row 4)'),
        (lambda text: text.replace("group", "gruop"), 'there is no column "group". Did you mean "gruop"?'),
        (lambda text: text.replace(",41,", ",41 Hz,", 1), 'row 3, column pre: "41 Hz" is no number'),
        (lambda text: text.replace("NRG", "RG"), 'one class only: no patient is "NRG"'),
        (lambda text: text.replace(",", ";"), "separated by semicolons"),
        (lambda text: "", "it is empty"),
    ],
)
def test_bad_tables_end_with_one_line_and_nothing_written(tmp_path, capsys, change, words):
    arguments = small(tmp_path)
    path = tmp_path / "patients.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    code, message = told(arguments, capsys)
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cohort"], "where the results go"),
        (["cohort", "-o", "x"], "no table of patients"),
        (["cohort", "nowhere.csv", "-o", "x"], "no such file"),
        (["cohort", __file__, "-o", "x"], "which columns are what"),
        (["cohort", __file__, "-o", "x", "--example", "bold"], "brings its own"),
    ],
)
def test_what_is_missing_is_asked_for(arguments, words, capsys):
    code, message = told(arguments, capsys)
    assert code == 2
    assert words in message


# -- the specification --


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("patient: id", "pateint: id", "line 3: pateint: unknown field; did you mean patient?"),
        ("column: pre}", "colum: pre}", "line 7: parameters.1.colum: unknown field; did you mean column?"),
        ("positive: RG", "positive: yes", 'write labels such as yes, no, true and false in quotes: "yes"'),
        ("t_test: student", "t_test: t", "line 11: choices.t_test: input should be 'student' or 'welch'"),
        ("[[R2*post, R2*pre]]", "[[R2*post, R2*mid]]", 'line 9: paired: there is no "R2*mid"'),
        ("column: pre}", "column: pre, observers: [a, b]}", "line 7: parameters.1: give one of column"),
        ("name: R2*post", "name: R2*pre", "two parameters are named R2*pre"),
        ("negative: NRG", "negative: RG", 'line 5: groups.1: "RG" stands in both classes'),
        ("bootstrap_replicates: 200", "bootstrap_confidence: 0.8", "line 10: choices: bootstrap_confidence is 0.90 or"),
        ("version: 1", "version: 2", "line 1: version"),
    ],
)
def test_faults_of_a_specification_are_told_with_their_line(tmp_path, old, new, words):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_cohort_description(path)
    assert words in str(caught.value)


def test_the_example_specifications_follow_the_papers(tmp_path):
    specs = {}
    for name, text in SPECS.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        specs[name], _ = read_cohort_description(tmp_path / f"{name}.yaml")
    assert (specs["bold"].choices.t_test, specs["asl"].choices.t_test) == ("student", "welch")
    assert (specs["bold"].choices.final_value, specs["asl"].choices.final_value) == ("observer-1", "mean")
    assert specs["asl"].groupings[1].positive == ("no",)
    assert specs["asl"].correlated == ("Pre-TBF", "Post-TBF", "dTBF")


def test_the_defaults_of_a_specification_are_those_of_the_science(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text('{"version": 1, "parameters": [{"name": "x", "column": "x"}]}', encoding="utf-8")
    spec, form = read_cohort_description(path)
    assert spec.choices == Choices()
    assert (form.delimiter, form.decimal_comma, form.missing_words) == (None, False, ())


def test_labels_may_be_numbers(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("positive: RG, negative: NRG", "positive: [1, 2], negative: 0"), encoding="utf-8")
    assert read_cohort_description(path)[0].groupings[0].positive == ("1", "2")


# -- a folder of results --


def patient(pre_hz: float, post_hz: float, post_mm: float):
    """Assessed, as ``npc-response assess`` writes it."""
    lesion = LesionMeasurement("tumor", diameters_by_plane={"axial": 40.0}, longest_mm=40.0)
    after = replace(lesion, longest_mm=post_mm, diameters_by_plane={"axial": post_mm})
    points = tuple(
        TimePointValues(name=name, stage=stage, r2star=MeasuredValue(value, 1.0, "Hz"), lesions=(one,))
        for name, stage, value, one in (
            ("pre", Stage.PRE, pre_hz, lesion),
            ("post", Stage.MONTH_3, post_hz, after),
        )
    )
    return assess_patient(PatientValues("case", points)).to_dict()


def test_a_folder_of_assessed_patients_is_a_table(tmp_path, capsys):
    for i in range(12):
        responds = i % 2
        folder = tmp_path / "results" / f"case{i:02d}"
        folder.mkdir(parents=True)
        result = patient(44 + i, (60 if responds else 40) + i, 20 + i / 2 if responds else 38)
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (tmp_path / "results" / "r2star").mkdir()
    (tmp_path / "results" / "r2star" / "result.json").write_text('{"fit": {}}', encoding="utf-8")
    table = read_result_folder(tmp_path / "results")
    assert table.n == 12
    assert table.numbers("pre-treatment r2star_hz").tolist() == [44 + i for i in range(12)]
    assert table.numbers("3 months r2star_increase_hz")[1] == pytest.approx(16)
    assert table.numbers("3 months atrophy_percent")[1] == pytest.approx(100 * (40 - 20.5) / 40)
    assert "1 results of other commands" in table.notes[0]
    labels = sorted(set(table.labels("group response-3-months")))
    spec = f"""version: 1
patient: folder
groups: [{{name: response, column: group response-3-months, positive: {labels[1]}, negative: {labels[0]}}}]
parameters: [{{name: dR2*, unit: Hz, column: 3 months r2star_increase_hz}}]
choices: {{bootstrap_replicates: 200}}
"""
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
    arguments = ["cohort", str(tmp_path / "results"), "-s", str(tmp_path / "spec.yaml"), "-o", str(tmp_path / "out")]
    code, message = told([*arguments, "--quiet"], capsys)
    assert code == 0, message
    assert float(read_csv(tmp_path / "out" / "roc.csv")[0]["auc"]) == 1.0
    assert b"case0" not in (tmp_path / "out" / "report.html").read_bytes()


def test_a_folder_without_results(tmp_path):
    with pytest.raises(InputError, match=r"no result\.json of npc-response assess"):
        read_result_folder(tmp_path)
