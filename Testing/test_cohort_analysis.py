"""A whole cohort on numbers whose answers are known: the reference values of R, and hand-made ones."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from NPCResponseLib.cohort.analysis import FAMILIES, analyze_cohort
from NPCResponseLib.cohort.spec import Choices, CohortSpec, Grouping, Parameter
from NPCResponseLib.cohort.table import Table
from NPCResponseLib.cohort.tables import TABLE_NAMES, result_tables
from NPCResponseLib.cohort.virtual import ASL_PAPER, BOLD_PAPER, draw_cohort, example_columns
from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.multiplicity import adjust_p_values

DATA = Path(__file__).parent / "reference_stats"
RESPONSE = Grouping("response", "group", ("RG",), ("NRG",))
FAST = Choices(bootstrap_replicates=200)


def table(columns, **options) -> Table:
    n = len(next(iter(columns.values())))
    return Table(columns, [f"row {i + 2}" for i in range(n)], **options)


def cohort(n_rg=26, n_nrg=15, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    labels = ["RG"] * n_rg + ["NRG"] * n_nrg
    pre = rng.normal(45, 10, len(labels)).round(2)
    post = (pre + np.where(np.array(labels) == "RG", 13, -6) + rng.normal(0, 8, len(labels))).round(2)
    second = (post + rng.normal(0, 3, len(labels))).round(2)
    return {
        "id": [f"P{i}" for i in range(len(labels))],
        "group": labels,
        "pre": pre.tolist(),
        "post": post.tolist(),
        "post2": second.tolist(),
    }


def spec(**changes) -> CohortSpec:
    parameters = (
        Parameter("R2*pre", "Hz", column="pre"),
        Parameter("R2*post", "Hz", column="post", direction="above"),
        Parameter("dR2*", "Hz", difference=("R2*post", "R2*pre"), direction="above"),
    )
    plain = CohortSpec(parameters, (RESPONSE,), "id", pairs=(("R2*post", "R2*pre"),), choices=FAST)
    return dataclasses.replace(plain, **changes)


def refused(columns, what=None) -> str:
    with pytest.raises(InputError) as caught:
        analyze_cohort(table(columns), what or spec())
    return str(caught.value)


# -- numbers --


def test_the_published_counts_of_the_asl_paper():
    """Table 2 with 31 for the misprinted 29: chi-squared 14.136 without continuity correction."""
    labels = ["PR"] * 36 + ["SD"] * 19
    residual = ["yes"] * 5 + ["no"] * 31 + ["yes"] * 12 + ["no"] * 7
    groupings = (Grouping("response", "r", ("PR",), ("SD",)), Grouping("residual", "x", ("yes",), ("no",)))
    values = np.random.default_rng(0).normal(size=55).tolist()
    what = CohortSpec((Parameter("v", column="v"),), groupings, tables=(("response", "residual"),), choices=FAST)
    (counts,) = analyze_cohort(table({"r": labels, "x": residual, "v": values}), what).counts
    assert counts.chi2 == pytest.approx(14.136, abs=5e-4)
    assert counts.counts == ((5, 31), (12, 7))
    assert counts.p == counts.p_pearson < counts.p_corrected
    assert counts.odds_ratio[0] == pytest.approx(5 * 7 / (31 * 12))


def test_student_or_welch_changes_what_is_reported_and_nothing_else():
    found = {}
    for t_test in ("student", "welch"):
        choices = dataclasses.replace(FAST, t_test=t_test, path="t")
        found[t_test] = analyze_cohort(table(cohort()), spec(choices=choices)).differences[1]
    student, welch = found["student"], found["welch"]
    assert student.p == student.p_student == welch.p_student
    assert welch.p == welch.p_welch == student.p_welch
    assert student.p != welch.p
    assert "Student" in student.method and "Welch" in welch.method


def test_exact_or_asymptotic():
    p = {}
    for how in ("exact", "asymptotic"):
        choices = dataclasses.replace(FAST, p_value=how, path="rank")
        p[how] = analyze_cohort(table(cohort()), spec(choices=choices)).differences[0]
    assert p["exact"].p == p["exact"].p_exact != p["asymptotic"].p == p["asymptotic"].p_asymptotic


def test_bootstrap_of_90_percent_is_narrower_and_says_so():
    wide, narrow = (
        analyze_cohort(
            table(cohort()), spec(choices=dataclasses.replace(FAST, bootstrap_confidence=level))
        ).markers[1].bootstrap
        for level in (0.95, 0.9)
    )  # fmt: skip
    assert wide.low < narrow.low and narrow.high < wide.high
    assert "90 %" in narrow.method and "95 %" in wide.method


def test_roc_against_counting():
    columns = cohort()
    analysis = analyze_cohort(table(columns), spec())
    post = np.array(columns["post"])
    is_rg = np.array(columns["group"]) == "RG"
    wins = (post[is_rg][:, None] > post[~is_rg]).mean() + (post[is_rg][:, None] == post[~is_rg]).mean() / 2
    marker = analysis.markers[1]
    assert marker.roc.auc == pytest.approx(wins, abs=1e-12)
    cutoff = marker.roc.cutoff
    assert cutoff.performance.sensitivity.k == np.sum(post[is_rg] > cutoff.threshold)
    assert marker.optimism.corrected.youden < marker.optimism.apparent.youden


def test_multiplicity_is_within_each_table_and_over_all():
    analysis = analyze_cohort(table(cohort()), spec(correlate_with="dR2*"))
    family = [test for test in analysis.tests if test.family == FAMILIES[0]]
    expected = adjust_p_values([test.p for test in family])
    assert [test.holm for test in family] == list(expected.holm)
    everything = adjust_p_values([test.p for test in analysis.tests])
    assert [test.benjamini_hochberg_all for test in analysis.tests] == list(everything.benjamini_hochberg)
    assert {test.n_all for test in analysis.tests} == {len(analysis.tests)}


def test_icc_of_the_reference_data():
    with (DATA / "data" / "icc_shrout_fleiss_6x4.csv").open(encoding="utf-8") as stream:
        rows = [list(map(float, row[-4:])) for row in list(csv.reader(stream))[1:]]
    columns = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    what = CohortSpec((Parameter("rating", observers=("a", "b")),), choices=FAST)
    (found,) = analyze_cohort(table(columns), what).agreement
    between = np.array([[row[0], row[1]] for row in rows])
    bias = (between[:, 0] - between[:, 1]).mean()
    assert found.bland_altman.bias == pytest.approx(bias)
    assert found.form.form == "ICC(2,1)"
    assert any("not above 0.75" in warning for warning in found.warnings) == (found.form.value <= 0.75)


def test_within_class_correlation_drops_the_groups_difference():
    rng = np.random.default_rng(3)
    labels = ["RG"] * 40 + ["NRG"] * 40
    shift = np.where(np.array(labels) == "RG", 10.0, 0.0)
    columns = {
        "group": labels,
        "x": (shift + rng.normal(size=80)).tolist(),
        "y": (shift + rng.normal(size=80)).tolist(),
    }
    what = CohortSpec(
        (Parameter("x", column="x"), Parameter("y", column="y")), (RESPONSE,), correlate_with="y", choices=FAST
    )
    (found,) = analyze_cohort(table(columns), what).correlations
    assert found.correlation.pearson.value > 0.9
    assert abs(found.within[0][1]) < 0.3


# -- final values --


@pytest.mark.parametrize(
    ("rule", "expected"), [("observer-1", [1.0, 2.0, 3.0, np.nan]), ("mean", [1.5, 3.0, np.nan, np.nan])]
)
def test_the_final_value_never_takes_the_other_observer(rule, expected):
    columns = {"a": ["1", "2", "3", ""], "b": ["2", "4", "", "5"]}
    what = CohortSpec((Parameter("v", observers=("a", "b"), final_value=rule),), choices=FAST)
    np.testing.assert_array_equal(analyze_cohort(table(columns), what).values.of("v").final, expected)


def test_derived_values_and_their_observers():
    columns = {"p1": [40.0, 50, 30, 20], "p2": [42.0, 48, 31, 21], "q1": [20.0, 10, 27, 5], "q2": [21.0, 12, 28, 5]}
    what = CohortSpec(
        (
            Parameter("pre", "mm", observers=("p1", "p2")),
            Parameter("post", "mm", observers=("q1", "q2")),
            Parameter("atrophy", "%", atrophy=("pre", "post")),
        ),
        choices=dataclasses.replace(FAST, final_value="mean"),
    )
    analysis = analyze_cohort(table(columns), what)
    first = 100 * (40 - 20) / 40
    second = 100 * (42 - 21) / 42
    assert analysis.values.of("atrophy").final[0] == pytest.approx((first + second) / 2)
    assert [found.parameter for found in analysis.agreement] == ["pre", "post", "atrophy"]


def test_differences_keep_ties_that_floating_point_would_break():
    columns = cohort()
    columns["pre"] = [0.1 + 0.2 * (i % 5) for i in range(41)]
    columns["post"] = [value + 0.2 * (1 + i % 2) for i, value in enumerate(columns["pre"])]
    change = analyze_cohort(table(columns), spec(pairs=())).values.of("dR2*").final
    assert np.unique(change).size == 2


# -- missing values are counted --


def test_missing_values_are_counted_by_parameter_and_group():
    columns = cohort()
    for i in (0, 1, 30):
        columns["post"][i] = None
    columns["group"][5] = ""
    analysis = analyze_cohort(table(columns), spec())
    missing = {found.parameter: found for found in analysis.missing}
    assert missing["R2*post"].n_missing == missing["dR2*"].n_missing == 3
    assert {name: n for name, n, _ in missing["R2*post"].by_group} == {"response: RG": 2, "response: NRG": 1}
    assert analysis.group_sizes[0].n_missing == 1
    assert any("R2*post: 3 of 41 patients have no value (7 %, more than 5 %" in w for w in analysis.warnings)
    assert any("1 of 41 patients have no label" in w for w in analysis.warnings)
    marker = analysis.markers[1]
    assert (marker.roc.curve.n_positive, marker.roc.curve.n_negative) == (23, 14)


# -- what is refused --


def test_bad_tables_are_refused_by_name():
    columns = cohort()
    assert 'patient "P1" stands 2 times (row 3, row 8)' in refused(
        {**columns, "id": [*columns["id"][:6], "P1", *columns["id"][7:]]}
    )
    assert "row 4 has no patient" in refused({**columns, "id": [*columns["id"][:2], " ", *columns["id"][3:]]})
    assert 'one class only: no patient is "NRG"' in refused({**columns, "group": ["RG"] * 41})
    assert "no patient has a label" in refused({**columns, "group": [""] * 41})
    assert '2 patients are "NRG"' in refused(cohort(26, 2))
    assert 'row 3: "Rg" is in neither class' in refused({**columns, "group": ["RG", "Rg", *columns["group"][2:]]})
    assert "all 41 values are 5. Leave a constant parameter out" in refused({**columns, "pre": [5] * 41})
    assert "no patient has a value" in refused({**columns, "pre": [None] * 41})
    empty = {**columns, "pre": [*columns["pre"][:28], *[None] * 13]}
    assert '2 of 15 patients "NRG" have a value' in refused(empty)
    assert "the table has no patient" in refused({name: [] for name in columns})
    del columns["pre"]
    assert 'there is no column "pre"' in refused(columns)


def test_a_shrinkage_from_nothing_is_refused():
    what = CohortSpec((Parameter("a", column="a"), Parameter("b", column="b"), Parameter("c", atrophy=("a", "b"))))
    assert "positive values before treatment, found 0" in refused({"a": [0.0, 1, 2], "b": [1.0, 2, 3]}, what)


def test_small_groups_are_warned_about():
    analysis = analyze_cohort(table(cohort(26, 9)), spec())
    assert any('9 patients "NRG" (fewer than 10' in warning for warning in analysis.warnings)
    assert any("events per candidate parameter" in warning for warning in analysis.warnings)


def test_without_identifiers_the_report_says_so():
    assert "No column of patient identifiers" in analyze_cohort(table(cohort()), spec(id_column="")).warnings[0]


# -- large tables --


def test_a_large_table_needs_no_bootstrap_and_says_so():
    analysis = analyze_cohort(
        table(cohort(9_000, 6_000)), spec(correlate_with="R2*pre", correlated=("R2*post",), tables=())
    )
    marker = analysis.markers[1]
    assert marker.bootstrap is None and marker.optimism is None
    assert len(marker.roc.curve.thresholds) <= 2_000
    assert any("no bootstrap" in warning for warning in analysis.warnings)
    assert analysis.differences[0].p is not None
    assert "no exact p value" in " ".join(analysis.differences[0].decision)


# -- tables, specification, virtual patients --


def test_every_table_has_as_many_cells_as_columns():
    columns = {key: list(cells) for key, cells in example_columns("asl").items()}
    what = CohortSpec(
        (
            Parameter("pre", observers=("tbf_pre_1", "tbf_pre_2"), direction="above"),
            Parameter("post", observers=("tbf_post_1", "tbf_post_2")),
        ),
        (Grouping("response", "response", ("PR",), ("SD",)), Grouping("residual", "residual", ("yes",), ("no",))),
        "patient",
        pairs=(("pre", "post"),),
        correlate_with="post",
        tables=(("response", "residual"),),
        choices=FAST,
    )
    tables = result_tables(analyze_cohort(table(columns), what))
    assert [found.name for found in tables] == list(TABLE_NAMES)
    for found in tables:
        assert all(len(row) == len(found.columns) for row in found.rows), found.name
        assert len(set(found.columns)) == len(found.columns)
        assert not any("P01" in str(cell) for row in found.rows for cell in row)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Parameter("x"), "give one of column"),
        (lambda: Parameter("x", column="a", observers=("b", "c")), "give one of column"),
        (lambda: Parameter("x", observers=("b", "b")), "two different names"),
        (lambda: Grouping("g", "c", ("a",), ("a",)), "stands in both classes"),
        (lambda: Choices(bootstrap_confidence=0.8), "0.90 or 0.95"),
        (lambda: spec(pairs=(("R2*post", "nothing"),)), 'there is no "nothing"'),
        (lambda: spec(pairs=(("dR2*", "dR2*"),)), "compared with itself"),
        (lambda: spec(parameters=()), "no parameter"),
        (lambda: CohortSpec((Parameter("d", difference=("a", "b")),)), "parameters named before it"),
    ],
)
def test_impossible_specifications(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("paper", [BOLD_PAPER, ASL_PAPER])
def test_virtual_patients_have_the_papers_moments(paper):
    drawn = [draw_cohort(paper, seed) for seed in range(150)]
    for group in paper:
        here = np.array(drawn[0].labels) == group.label
        pre, post = (np.concatenate([getattr(one, name)[here] for one in drawn]) for name in ("pre", "post"))
        assert here.sum() == group.n
        error = group.pre[1] / np.sqrt(pre.size)
        assert pre.mean() == pytest.approx(group.pre[0], abs=4 * error)
        assert (post - pre).std() == pytest.approx(group.sd_of_difference, rel=0.05)
        if group.n_residual is not None:
            assert {int(one.residual[here].sum()) for one in drawn} == {group.n_residual}


def test_power_for_a_difference_goes_with_its_p_value():
    """At the observed difference a test at p = alpha has about half a chance; a sure one nearly certainty."""
    for seed in range(6):
        for found in analyze_cohort(table(cohort(seed=seed)), spec()).auc_differences:
            if found.power and found.test.p > 0.2:
                assert found.power.power < 0.5
            if found.power and 0.02 < found.test.p < 0.1:
                assert 0.25 < found.power.power < 0.85


def test_two_equal_readings_are_suspected_to_be_a_copy():
    columns = cohort()
    what = CohortSpec((Parameter("v", observers=("post", "post2")),), choices=FAST)
    (found,) = analyze_cohort(table({**columns, "post2": columns["post"]}), what).agreement
    assert found.repeatability is None
    assert any("was a column copied?" in warning for warning in found.warnings)


def test_what_rounding_leaves_within_the_classes_is_no_correlation():
    columns = cohort(8, 7)
    columns["pre"] = [0.1 if label == "RG" else 0.7 for label in columns["group"]]
    parameters = (Parameter("pre", column="pre"), Parameter("post", column="post"))
    found = analyze_cohort(
        table(columns), CohortSpec(parameters, (RESPONSE,), correlate_with="post", choices=FAST)
    ).correlations[0]
    assert found.within == (("response", None, 15),)


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_cohorts_with_ties_are_analyzed_or_refused_in_a_sentence(seed):
    """Six patients, values of 0, 1 and 2, equal columns, two observers: every p is a probability or not defined."""
    rng = np.random.default_rng(seed)
    columns = {"id": list("abcdef"), "group": ["RG", "NRG"] * 3}
    columns |= {name: rng.integers(0, 3, 6).astype(float).tolist() for name in ("pre", "post", "post2")}
    columns["same"] = list(columns["pre"])
    parameters = (
        Parameter("pre", column="pre"),
        Parameter("same", column="same"),
        Parameter("post", observers=("post", "post2")),
    )
    spec = CohortSpec(parameters, (RESPONSE,), pairs=(("pre", "post"),), correlate_with="post", choices=FAST)
    try:
        found = analyze_cohort(table(columns), spec)
    except InputError as error:
        assert "constant" in str(error)
    else:
        assert all(test.p is None or 0 <= test.p <= 1 for test in found.tests)
        assert {found.name for found in result_tables(found)} <= set(TABLE_NAMES)
