"""The paper checker: values of R, the verdicts reached by hand, and numbers of our own that do not fit."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.comparison import student_t_test, welch_t_test
from NPCResponseLib.statistics.number_checks import CHECKS, GroupText, binormal_auc, run_check, t_test_from_summary
from NPCResponseLib.statistics.printed_numbers import likely_misprints, printed
from NPCResponseLib.statistics.published_numbers import FACTS_FILE, check_facts, findings_table, published_findings
from NPCResponseLib.statistics.roc import hanley_mcneil_se
from Testing.statistics_reference import FOLDER, check, topic

SUMMARY = topic("from_summary")["cases"]
FINDINGS = {(finding.paper, finding.item): finding for finding in published_findings()}


def by_hand():
    with (FOLDER / "published_facts_check.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("row", by_hand(), ids=lambda row: f"{row['paper']}-{row['item']}")
def test_verdicts_are_those_reached_by_hand(row):
    finding = FINDINGS[row["paper"], row["item"]]
    assert finding.status == row["status"].split()[0]
    if row["status"] in ("inconsistent (minor)", "inconsistent (misprint)", "inconsistent (CI too wide by 23%)"):
        assert finding.verdict == row["status"]
    if "consistent with 90%" in row["status"]:
        assert finding.detail == "with 95%; consistent with 90%"


def group(case, number):
    return GroupText(printed(repr(case[f"m{number}"])), printed(repr(case[f"s{number}"])), case[f"n{number}"])


@pytest.mark.parametrize("case", SUMMARY["two_group"], ids=lambda case: case["name"])
def test_t_tests_from_summary_numbers_equal_r(case):
    groups = group(case, 1), group(case, 2)
    for name, welch in (("student", False), ("welch", True)):
        found = t_test_from_summary(*groups, welch=welch)
        check(
            "from_summary", [found.t, found.degrees_of_freedom, found.p], [case[name][key] for key in ("t", "df", "p")]
        )
        assert found.t_interval[0] <= found.t <= found.t_interval[1]
        assert found.p_interval[0] <= found.p <= found.p_interval[1]
    check("from_summary", binormal_auc(*groups), case["auc_binormal"])


@pytest.mark.parametrize("case", SUMMARY["paired"], ids=lambda case: case["name"])
def test_paired_t_from_summary_numbers_equals_r(case):
    exact = {"mean": f"{case['mean_diff']:.12f}", "sd": f"{case['sd_diff']:.12f}", "n": case["n"]}
    assert (
        run_check({"check": "paired_t", **exact, "t": f"{case['t']:.6f}", "p": f"{case['p']:.3e}"}).status
        == "consistent"
    )
    assert run_check({"check": "paired_t", **exact, "t": f"{case['t'] + 1e-4:.6f}"}).status == "inconsistent"


@pytest.mark.parametrize("case", SUMMARY["hanley_mcneil"], ids=lambda case: case["name"])
def test_hanley_mcneil_equals_r(case):
    se = hanley_mcneil_se(case["auc"], case["n_pos"], case["n_neg"])
    check("from_summary", [se, case["auc"] - 1.959963984540054 * se], [case["se"], case["ci"][0]])


def test_a_paper_whose_numbers_were_computed_from_patients_is_consistent():
    rng = np.random.default_rng(12)
    for seed in range(30):
        x, y = rng.normal(50, 10, 26), rng.normal(44, 14, 15 + seed % 5)
        groups = [[f"{v.mean():.2f}", f"{v.std(ddof=1):.2f}", v.size] for v in (x, y)]
        for test, name in ((student_t_test(x, y), "Student"), (welch_t_test(x, y), "Welch")):
            p = f"{test.p:.3f}" if test.p >= 0.001 else "<0.001"
            printed_test = {"first": groups[0], "second": groups[1], "t": f"{test.t:.3f}", "p": p}
            found = run_check({"check": "two_group_t", **printed_test})
            assert found.status == "consistent" and name in found.detail
        pooled = np.concatenate([x, y])
        overall = {"mean": f"{pooled.mean():.2f}", "sd": f"{pooled.std(ddof=1):.2f}"}
        assert run_check({"check": "pooled", "groups": groups, **overall}).status == "consistent"
        overall["mean"] = f"{pooled.mean() + 0.03:.2f}"
        assert run_check({"check": "pooled", "groups": groups, **overall}).status == "inconsistent"


def test_every_share_of_a_group_is_possible_and_others_are_not():
    for n in (15, 26, 36, 64):
        shares = [f"{100 * k / n:.1f}%" for k in range(n + 1)]
        assert run_check({"check": "shares_possible", "shares": shares, "n": n}).status == "consistent"
    found = run_check({"check": "shares_possible", "shares": ["83.67%"], "n": 32})
    assert found.status == "inconsistent"
    assert "nearest 27/32=84.38%" in found.note and "41/49" in found.note


def test_the_misprinted_cell_is_found():
    finding = FINDINGS["ASL", "chi2 table 5/29 (36) 12/7 (19)"]
    assert "29 must be 31" in finding.note and "14.136" in finding.note


def test_the_swapped_digits_are_found():
    assert (
        "first mean 58.32 (digits swapped) would give Student t=5.596" in FINDINGS["BOLD", "R2*post RG vs NRG t"].note
    )


def test_the_dropped_zero_is_found():
    assert "p 0.001 would fit Welch" in FINDINGS["ASL", "p dTBF PR vs SD"].note


def test_welch_against_student_is_said_where_it_decides():
    finding = FINDINGS["ASL", "p Post residual vs non"]
    assert finding.detail == "as Welch" and "other side of 0.05" in finding.note


@pytest.mark.parametrize(
    ("text", "value", "half", "relation"),
    [
        ("43.78", 43.78, 0.005, ""),
        ("-10.19", -10.19, 0.005, ""),
        ("<0.001", 0.001, 0.0005, "<"),
        ("83.67%", 0.8367, 5e-5, ""),
        ("4.06E-02", 0.0406, 5e-5, ""),
        ("−5", -5, 0.5, ""),
    ],
)
def test_printed_numbers_keep_their_digits(text, value, half, relation):
    found = printed(text)
    assert (found.value, found.half, found.relation) == pytest.approx((value, half, relation))


def test_rounding_is_not_decided_by_floating_point():
    assert printed("0.065").fits(0.0645) and printed("0.064").fits(0.0645)
    assert not printed("0.065").fits(0.06449)
    assert printed("<0.001").fits(2e-6) and not printed("<0.001").fits(0.002)


def test_misprints_that_are_tried():
    assert set(likely_misprints("58.23")) == {"85.23", "52.83", "58.32", "58.023"}


def test_checks_of_another_paper_can_be_given_by_the_user():
    document = {
        "papers": {"mine": {"short": "Mine", "citation": "Own manuscript", "doi": ""}},
        "facts": [
            {"id": "one", "paper": "mine", "item": "U", "printed": "", "place": "table 1",
             "checks": [{"check": "u_and_auc", "u": "18", "auc": "0.954", "n_first": 26, "n_second": 15}]},
        ],
    }  # fmt: skip
    (finding,) = check_facts(document)
    assert finding.status == "consistent" and "smaller U" in finding.note
    table = findings_table([finding])
    assert table.splitlines()[0].startswith("| paper | item") and table.count("\n") == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checks": [{"check": "guess"}]}, "no check"),
        ({"checks": [{"check": "p_of_z", "z": "1"}]}, "does not take"),
        ({"checks": [{"check": "p_of_z", "z": "one", "p": "0.3"}]}, "not a printed number"),
        ({"paper": "none"}, "no paper"),
        ({"place": None}, "without place"),
    ],
)
def test_facts_that_cannot_be_judged_are_refused(change, words):
    document = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    fact = {**document["facts"][0], **change}
    document["facts"] = [{key: value for key, value in fact.items() if value is not None}]
    with pytest.raises(InputError, match=words):
        check_facts(document)


def test_papers_can_be_chosen():
    assert {finding.paper for finding in published_findings(["BOLD"])} == {"BOLD"}
    with pytest.raises(InputError, match="BOLD"):
        published_findings(["bold"])


def test_every_fact_has_a_place_and_every_check_is_used():
    document = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    assert len({fact["id"] for fact in document["facts"]}) == len(document["facts"])
    assert all(fact["place"] for fact in document["facts"])
    assert {one["check"] for fact in document["facts"] for one in fact["checks"]} == set(CHECKS)


def test_findings_are_json():
    json.dumps([dataclasses.asdict(finding) for finding in FINDINGS.values()], allow_nan=False)


@pytest.mark.parametrize(
    "check",
    [
        {"check": "u_and_auc", "u": "10", "auc": "0.5", "n_first": 0, "n_second": 2},
        {"check": "correlation_p", "r": "12.3", "n": 10, "p": "0.05"},
        {"check": "correlation_p", "r": "0.5", "n": 1, "p": "0.05"},
        {"check": "paired_t", "mean": "1.0", "sd": "0", "n": 3},
        {"check": "icc_interval", "value": "1", "low": "1", "high": "1", "n": 55, "k": 1},
        {"check": "two_group_t", "first": ["1", "0", 2], "second": ["3", "0.0", 3]},
        {"check": "pooled", "groups": [["1", "0.5", 1], ["2", "0.5", 0]], "sd": "1.0"},
        {"check": "bonferroni", "alpha": "0.05", "n_tests": 0, "threshold": "0.05", "p_values": []},
    ],
)
def test_checks_that_cannot_be_made_are_told(check):
    with pytest.raises(InputError, match=f"^{check['check']}: the check cannot be made"):
        run_check(check)
