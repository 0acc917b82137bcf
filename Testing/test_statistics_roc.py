"""ROC curves: every value as pROC gives it, and the bootstrap against brute force."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.delong import compare_cohorts, compare_markers, structural_components
from NPCResponseLib.statistics.proportions import classification, proportion
from NPCResponseLib.statistics.roc import (
    analyze_roc,
    apply_cutoff,
    binormal_curve,
    hanley_mcneil_se,
    partial_auc,
    roc_curve,
)
from NPCResponseLib.statistics.roc_bootstrap import bootstrap_auc, bootstrap_compare, curve_band, cutoff_optimism
from Testing.statistics_reference import cases, check, table, topic

MARKERS = [(case, marker) for case in cases("roc") for marker in case["markers"]]
MARKER_IDS = [f"{case['case']}-{marker['marker']}" for case, marker in MARKERS]
TESTS = [(case, test) for case in cases("roc") for test in case["delong_tests"]]
TEST_IDS = [f"{case['case']}-{test['a']}-{test['b']}" for case, test in TESTS]
BOOTSTRAP_TOLERANCE = topic("roc")["tolerance"]["bootstrap_abs"]
# R: auc(partial.auc = c(1, 0.9)), the same corrected, c(0.95, 0.6) of focus "sens"; smooth(method = "binormal").
PROC_PARTIAL = {
    "specificity": 0.0425,
    "standardized": 0.69736842105263164,
    "sensitivity": 0.200625,
    "binormal": 0.76825914647127169,
}
SIDES = {"<": "above", ">": "below"}


def columns_of(case):
    columns = table(case["data"])
    return columns, columns[case["outcome"]]


@pytest.mark.parametrize(("case", "expected"), MARKERS, ids=MARKER_IDS)
def test_area_and_interval_equal_proc(case, expected):
    columns, labels = columns_of(case)
    found = analyze_roc(labels, columns[expected["marker"]], interval="delong")
    curve = found.curve
    assert (curve.n_positive, curve.n_negative, curve.n_missing) == tuple(
        expected[key] for key in ("n_pos", "n_neg", "n_dropped")
    )
    assert curve.side == SIDES[expected["direction_auto"]]
    pairs = {
        "auc": found.auc,
        "auc_if_higher_is_positive": found.auc_if_above,
        "delong_var": found.variance,
        "delong_se": math.sqrt(found.variance),
        "hanley_mcneil_se": found.hanley_mcneil_se,
        "p_auc_vs_half_mann_whitney": found.p,
    }
    check("roc", list(pairs.values()), [expected[key] for key in pairs])
    check("roc", [found.interval.low, found.interval.high], expected["delong_ci"])
    check("roc", curve.auc, expected["auc"])
    assert any("no variance" in note for note in found.warnings) == (expected["delong_var"] == 0)


@pytest.mark.parametrize(("case", "expected"), MARKERS, ids=MARKER_IDS)
def test_curve_and_cutoffs_equal_proc(case, expected):
    columns, labels = columns_of(case)
    found = analyze_roc(labels, columns[expected["marker"]])
    for field, values in (
        ("threshold", found.curve.thresholds),
        ("sensitivity", found.curve.sensitivity),
        ("specificity", found.curve.specificity),
    ):
        check("roc", values, expected["curve"][field])
    assert len(found.best_youden) == len(expected["best_youden"])
    for best, wanted in zip(found.best_youden, expected["best_youden"], strict=True):
        performance = best.performance
        check("roc", [best.threshold, best.youden + 1], [wanted["threshold"], wanted["youden"]])
        for name in ("tp", "fp", "tn", "fn"):
            assert getattr(performance, name) == wanted[name]
        for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy"):
            check("roc", getattr(performance, name).value, wanted[name])
        for share, key in ((performance.sensitivity, "sens_ci"), (performance.specificity, "spec_ci")):
            check("roc", share.exact, wanted[key]["clopper_pearson"])
            check("roc", share.wilson, wanted[key]["wilson"])
    nearest = [[best.threshold, best.performance.sensitivity.value, best.performance.specificity.value]
               for best in found.best_top_left]  # fmt: skip
    wanted = [[one["threshold"], one["sensitivity"], one["specificity"]] for one in expected["best_topleft"]]
    check("roc", nearest, wanted)


@pytest.mark.parametrize(("case", "expected"), TESTS, ids=TEST_IDS)
def test_paired_delong_equals_proc(case, expected):
    columns, labels = columns_of(case)
    names = [marker["marker"] for marker in case["markers"]]
    tests = compare_markers(labels, {name: columns[name] for name in names})
    found = next(test for test in tests if (test.name_a, test.name_b) == (expected["a"], expected["b"]))
    assert found.n_positive[0] + found.n_negative[0] == expected["n"]
    assert (found.side_a, found.side_b) == (SIDES[expected["direction_a"]], SIDES[expected["direction_b"]])
    check("roc", [found.auc_a, found.auc_b, found.statistic, found.p, found.covariance],
          [expected[key] for key in ("auc_a", "auc_b", "Z", "p", "cov")])  # fmt: skip
    check("roc", [found.low, found.high], expected["diff_ci"])
    assert any("turned first" in note for note in found.warnings) == bool(expected["warnings"])


def test_unpaired_delong_equals_proc():
    case = next(case for case in cases("roc") if "delong_unpaired" in case)
    expected = case["delong_unpaired"]
    columns, labels = columns_of(case)
    others = table(expected["data_b"])
    found = compare_cohorts(labels, columns[expected["marker"]], others["y"], others[expected["marker"]])
    check("roc", [found.statistic, found.degrees_of_freedom, found.p], [expected[key] for key in ("D", "df", "p")])


@pytest.mark.parametrize(("case", "expected"), MARKERS, ids=MARKER_IDS)
def test_bootstrap_interval_is_within_error_of_proc(case, expected):
    columns, labels = columns_of(case)
    found = bootstrap_auc(labels, columns[expected["marker"]], replicates=100_000)
    check("roc", [found.low, found.high], expected["bootstrap_ci_4000_stratified_percentile"],
          atol=BOOTSTRAP_TOLERANCE)  # fmt: skip
    check("roc", found.auc, expected["auc"])
    assert "seed" in found.method and "100000 replicates" in found.method


@pytest.mark.parametrize(("case", "expected"), TESTS, ids=TEST_IDS)
def test_bootstrap_test_is_within_error_of_proc(case, expected):
    columns, labels = columns_of(case)
    names = [marker["marker"] for marker in case["markers"]]
    complete = ~np.any([np.isnan(columns[name]) for name in names], axis=0)
    pair = {name: columns[name][complete] for name in (expected["a"], expected["b"])}
    found = bootstrap_compare(labels[complete], pair, replicates=8000)
    check("roc", found.p, expected["bootstrap_p_2000"], atol=BOOTSTRAP_TOLERANCE)


def test_a_bootstrap_replicate_is_the_area_of_drawn_patients():
    from NPCResponseLib.statistics import roc_bootstrap

    rng = np.random.default_rng(4)
    positive, negative = rng.integers(0, 6, 9), rng.integers(-2, 4, 7)
    labels = np.repeat([1, 0], [9, 7])
    marker = np.concatenate([positive, negative])
    prepared = roc_bootstrap._prepare(labels, {"m": marker}, {}, 60, 0.95)
    values = np.unique(marker)
    for drawn_positive, drawn_negative in roc_bootstrap._tables(prepared, 0, 60, 1):
        areas = roc_bootstrap._areas(drawn_positive, drawn_negative)
        cutoffs = np.stack(roc_bootstrap._best_cutoffs(drawn_positive, drawn_negative, values), axis=1)
        for counts_p, counts_n, area, cutoff in zip(drawn_positive, drawn_negative, areas, cutoffs, strict=True):
            drawn = np.repeat(values, counts_p), np.repeat(values, counts_n)
            result = analyze_roc(np.repeat([1, 0], [9, 7]), np.concatenate(drawn), direction="above")
            assert area == pytest.approx(result.auc, abs=1e-12)
            best = result.cutoff
            shares = best.performance.sensitivity.value, best.performance.specificity.value
            assert cutoff == pytest.approx([best.threshold, *shares])


def test_ninety_percent_intervals_are_a_choice_and_are_said():
    columns, labels = columns_of(cases("roc")[0])
    wide, narrow = (bootstrap_auc(labels, columns["m_a"], confidence=level) for level in (0.95, 0.90))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert "90 % percentile" in narrow.method and narrow.confidence == 0.90
    assert bootstrap_auc(labels, columns["m_a"], confidence=0.90) == narrow


def test_the_cutoff_chosen_on_the_same_patients_is_optimistic():
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(100):
        labels, marker = np.repeat([1, 0], 20), np.repeat([1.0, 0.0], 20) + rng.normal(size=40)
        found = cutoff_optimism(labels, marker, direction="above", replicates=100, seed=seed)
        best = analyze_roc(labels, marker, direction="above").cutoff
        assert (found.threshold, found.apparent.youden) == pytest.approx((best.threshold, best.youden))
        true = stats.norm.sf(found.threshold - 1) + stats.norm.cdf(found.threshold) - 1
        rows.append((found.apparent.youden, found.harrell.youden, found.corrected.youden, true))
    apparent, harrell, corrected, true = np.mean(rows, axis=0)
    assert apparent > true + 0.1
    assert apparent > harrell > true
    # Standard error 0.013 with 100 cohorts; over 1,500 it is 0.012 low (apparent 0.14, Harrell 0.05 high).
    assert corrected == pytest.approx(true, abs=0.045)


def test_optimism_is_the_same_for_a_turned_marker():
    columns, labels = columns_of(cases("roc")[1])
    there = cutoff_optimism(labels, columns["m_a"], replicates=300)
    back = cutoff_optimism(labels, -columns["m_a"], replicates=300)
    assert (there.side, back.side) == ("below", "above")
    assert there.threshold == -back.threshold and there.corrected == back.corrected
    assert there.threshold_low <= there.threshold_high


def test_partial_area_and_smooth_curve_equal_proc():
    labels = [1] * 8 + [0] * 8
    marker = [3, 5, 4, 7, 9, 6, 8, 2, 1, 2, 4, 3, 5, 0, 6, 2.5]
    curve = roc_curve(labels, marker)
    assert curve.auc == pytest.approx(50.5 / 64)
    assert partial_auc(curve, 0, 1).value == pytest.approx(curve.auc)
    assert partial_auc(curve, 0, 1, focus="sensitivity").value == pytest.approx(curve.auc)
    assert partial_auc(curve, 0, 1).standardized == pytest.approx(curve.auc)
    assert partial_auc(curve).value == pytest.approx(PROC_PARTIAL["specificity"], rel=1e-12)
    assert partial_auc(curve).standardized == pytest.approx(PROC_PARTIAL["standardized"], rel=1e-12)
    sensitive = partial_auc(curve, 0.6, 0.95, focus="sensitivity")
    assert sensitive.value == pytest.approx(PROC_PARTIAL["sensitivity"], rel=1e-12)
    smooth = binormal_curve(curve)
    assert smooth.auc == pytest.approx(PROC_PARTIAL["binormal"], rel=1e-9)
    assert smooth.sensitivity[0] == 1 and smooth.sensitivity[-1] == 0
    assert np.trapezoid(smooth.sensitivity, smooth.specificity) == pytest.approx(smooth.auc, abs=2e-3)


def test_the_band_holds_the_curve():
    columns, labels = columns_of(cases("roc")[0])
    band = curve_band(labels, columns["m_a"], replicates=500)
    assert all(low <= high for low, high in zip(band.low, band.high, strict=True))
    inside = np.mean([low <= s <= high for low, s, high in zip(band.low, band.sensitivity, band.high, strict=True)])
    assert inside > 0.95
    assert list(band.sensitivity) == sorted(band.sensitivity, reverse=True)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=12),
    st.lists(st.integers(-4, 4), min_size=1, max_size=12),
)
def test_components_are_counts_of_pairs(positive, negative):
    p, n = np.array(positive, dtype=float), np.array(negative, dtype=float)
    wins = (p[:, None] > n) + 0.5 * (p[:, None] == n)
    found = structural_components(p, n)
    np.testing.assert_allclose(found.positive, wins.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.negative, wins.mean(axis=0), atol=1e-12)
    labels = np.repeat([1, 0], [p.size, n.size])
    above, below = (analyze_roc(labels, np.concatenate([p, n]), direction=side) for side in ("above", "below"))
    assert above.auc + below.auc == pytest.approx(1)
    assert above.auc == pytest.approx(wins.mean())


def test_equal_markers_do_not_differ_and_a_sure_difference_has_no_variance():
    columns, labels = columns_of(cases("roc")[0])
    same = compare_markers(labels, {"a": columns["m_a"], "b": columns["m_a"]})[0]
    assert (same.statistic, same.p, same.difference) == (0, 1, 0)
    perfect, useless = np.arange(10.0), np.zeros(10)
    sure = compare_markers(np.arange(10) > 4, {"a": perfect, "b": useless})[0]
    assert sure.statistic == math.inf and sure.p == 0 and "no variance" in sure.warnings[0]


def test_the_reported_interval_stays_inside_and_is_named():
    columns, labels = columns_of(next(case for case in cases("roc") if case["case"] == "roc_perfect_6_6"))
    found = analyze_roc(labels, columns["m_b"])
    assert found.interval == found.logit and 0 < found.logit.low < found.auc < found.logit.high < 1
    assert "logit" in found.method
    assert found.delong.high == 1
    assert any("6 patients in the smaller class" in note for note in found.warnings)


def test_a_class_of_one_has_no_interval():
    found = analyze_roc([1, 0, 0, 0], [4.0, 1.0, 2.0, 3.0])
    assert found.auc == 1 and found.variance is None and found.interval is None
    assert compare_markers([1, 0, 0], {"a": [1, 2, 3], "b": [3, 2, 1]})[0].p is None


def test_a_cutoff_from_elsewhere_is_strict():
    found = apply_cutoff([1, 1, 0, 0], [5.5, 6.0, 5.5, 5.0], 5.5, "above")
    assert (found.performance.tp, found.performance.fp) == (1, 0)
    assert found.rule("dR2*", "Hz") == "dR2* > 5.5 Hz"
    below = apply_cutoff([1, 1, 0, 0], [5.5, 5.0, 5.5, 6.0], 5.5, "below")
    assert (below.performance.tp, below.performance.fp) == (1, 0)


def test_predictive_values_follow_the_prevalence():
    found = classification(tp=90, fp=30, tn=70, fn=10)
    assert found.predictive_values(0.5) == pytest.approx((0.75, 0.875))
    assert found.ppv.value == 0.75
    assert found.likelihood_ratio_positive == pytest.approx(3)
    assert found.likelihood_ratio_negative == pytest.approx(1 / 7)
    assert classification(5, 0, 5, 0).likelihood_ratio_positive is None
    assert proportion(0, 0).value is None and "not defined" in proportion(0, 0).text()
    assert proportion(24, 26).exact == pytest.approx((0.749, 0.991), abs=5e-4)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: analyze_roc([1, 1, 1], [1, 2, 3]), "class"),
        (lambda: analyze_roc([0, 2, 1], [1, 2, 3]), "neither 0 nor 1"),
        (lambda: analyze_roc([0, 1], [1, 2, 3]), "different lengths"),
        (lambda: analyze_roc([0, 1], [1, "x"]), "row 2"),
        (lambda: analyze_roc([0, 1], [1, 2], direction="up"), "auto"),
        (lambda: analyze_roc([0, 1], [1, 2], interval="wald"), "logit"),
        (lambda: apply_cutoff([0, 1], [1, 2], 1.5, "up"), "above"),
        (lambda: compare_markers([0, 1], {"a": [1, 2]}), "two markers"),
        (lambda: bootstrap_compare([0, 1], {"a": [1, 2]}), "two markers"),
        (lambda: bootstrap_auc([0, 1], [1, 2], replicates=1), "too few"),
        (lambda: partial_auc(roc_curve([0, 1], [1, 2]), 0.9, 0.8), "limits"),
        (lambda: binormal_curve(roc_curve([0, 0, 1, 1], [1, 2, 3, 4])), "too few corners"),
        (lambda: curve_band([0, 1], [1, 2], specificities=[2.0]), "between 0 and 1"),
        (lambda: hanley_mcneil_se(1.2, 3, 4), "no standard error"),
        (lambda: proportion(5, 4), "no proportion"),
        (lambda: classification(1, 1, 1, 1).predictive_values(0), "prevalence"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()


def test_results_are_json():
    columns, labels = columns_of(cases("roc")[0])
    for result in (
        analyze_roc(labels, columns["m_a"]),
        compare_markers(labels, {"a": columns["m_a"], "b": columns["m_b"]})[0],
        bootstrap_auc(labels, columns["m_a"]),
        cutoff_optimism(labels, columns["m_a"]),
    ):
        json.dumps(dataclasses.asdict(result))


def test_a_cutoff_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="a cutoff must be a number"):
        apply_cutoff([0, 1], [1.0, 2.0], math.nan, "above")
