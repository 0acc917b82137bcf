"""Correlations: every value as R gives it."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.correlation import correlate, correlation_matrix
from Testing.statistics_reference import cases, check, table

CASES = {case["case"]: case for case in cases("correlation")}
# Values drawn once; the p values are those of R 4.2.2's cor.test(method = "spearman") for the first n of them.
X = [-0.626, 0.184, -0.836, 1.595, 0.330, -0.820, 0.487, 0.738, 0.576, -0.305]
X += [1.512, 0.390, -0.621, -2.215, 1.125, -0.045, -0.016, 0.944, 0.821, 0.594]
Y = [0.919, 0.782, 0.075, -1.989, 0.620, -0.056, -0.156, -1.471, -0.478, 0.418]
Y += [1.359, -0.103, 0.388, -0.054, -1.377, -0.415, -0.394, -0.059, 1.100, 0.763]
SPEARMAN_P = {
    5: 0.516666666666667,
    8: 0.0961805555555556,
    9: 0.025490520282187,
    10: 0.0393814092829061,
    12: 0.168899525405203,
    20: 0.357515291610293,
}


@pytest.mark.parametrize("name", CASES)
def test_correlations_equal_r(name):
    expected = CASES[name]
    columns = table(expected["data"])
    found = correlate(columns[expected["x"]], columns[expected["y"]])
    assert (found.n, found.n_missing) == (expected["n"], expected["n_dropped"])
    pearson = found.pearson
    check(
        "correlation",
        [pearson.value, pearson.statistic, pearson.degrees_of_freedom, pearson.p],
        [expected["pearson"][key] for key in ("r", "t", "df", "p")],
    )
    check("correlation", [pearson.low, pearson.high], expected["pearson"]["ci"])
    check("correlation", [found.spearman.value, found.spearman.p, found.spearman_t.p],
          [expected["spearman"][key] for key in ("rho", "p_R_default", "p_t_approx")])  # fmt: skip
    check("correlation", [found.kendall.value, found.kendall_normal_p],
          [expected["kendall_tau_b"][key] for key in ("tau", "p_normal")])  # fmt: skip


@pytest.mark.parametrize("n", SPEARMAN_P)
@pytest.mark.parametrize("sign", [1, -1])
def test_spearman_without_ties_equals_r(n, sign):
    found = correlate(X[:n], sign * np.array(Y[:n]))
    assert found.spearman.p == pytest.approx(SPEARMAN_P[n], rel=1e-12)
    assert ("exact" in found.spearman.method) == (n <= 9)


def test_edgeworth_series_is_close_to_all_orders():
    # The series takes over where enumeration ends; at 9 patients the two must agree to its known error.
    from NPCResponseLib.statistics.correlation import _edgeworth_spearman_tail, _exact_spearman_tail

    for s in (150, 180, 200, 220):
        assert _edgeworth_spearman_tail(9, s) == pytest.approx(_exact_spearman_tail(9, s), abs=1e-3)


def test_perfect_correlation_has_a_point_interval():
    found = correlate([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert (found.pearson.value, found.pearson.p, found.pearson.low, found.pearson.high) == (1, 0, 1, 1)
    assert found.spearman.p == pytest.approx(2 / 120)


def test_constant_and_few_are_not_defined_and_said():
    found = correlate([1, 2, 3, 4], [5, 5, 5, 5], names=("size", "flow"))
    assert found.pearson.value is None and found.warnings == ("flow is constant",)
    assert correlate([1, 2], [3, 5]).spearman.value is None
    assert correlate([1, 2, 3], [3, 5, 4]).pearson.low is None


def test_scale_does_not_matter():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=30), rng.normal(size=30)
    assert correlate(1e-55 * x, 1e65 * y).pearson.value == pytest.approx(correlate(x, y).pearson.value, rel=1e-12)


def test_a_matrix_is_masked_by_significance_after_adjustment():
    rng = np.random.default_rng(3)
    base = rng.normal(size=30)
    columns = {"a": base, "b": base + 0.3 * rng.normal(size=30), "c": rng.normal(size=30), "d": np.ones(30)}
    columns["c"][:4] = np.nan
    found = correlation_matrix(columns, adjustment="holm")
    r, p = stats.pearsonr(columns["a"][4:], columns["c"][4:])
    assert found.r[0][2] == pytest.approx(r) and found.p[2][0] == pytest.approx(p)
    assert found.significant[0][1] and not found.significant[0][2]
    assert found.r[3][0] is None and found.p[0][0] is None and found.n[0][2] == 26
    assert found.adjusted_p[0][1] >= found.p[0][1]
    assert "26 to 30 patients" in found.warnings[0]
    raw = correlation_matrix(columns, method="spearman")
    assert raw.p == raw.adjusted_p and raw.r[0][1] == correlate(columns["a"], columns["b"]).spearman.value
    json.dumps(dataclasses.asdict(found), allow_nan=False)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: correlate([1, 2], [1, 2, 3]), "different lengths"),
        (lambda: correlate([1, "x", 3], [1, 2, 3]), "row 2"),
        (lambda: correlate([np.nan, 1.0], [1.0, np.nan]), "no patient"),
        (lambda: correlation_matrix({"a": [1, 2, 3]}), "two columns"),
        (lambda: correlation_matrix({"a": [1, 2, 3], "b": [1, 2]}), "different lengths"),
        (lambda: correlation_matrix({"a": [1, 2, 3], "b": [1, 2, 4]}, method="kendall"), "pearson"),
        (lambda: correlation_matrix({"a": [1, 2, 3], "b": [1, 2, 4]}, adjustment="fdr"), "adjustment"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()
