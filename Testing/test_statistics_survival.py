"""Survival: R's survival, cmprsk and maxstat; curves that end, tie or have no event; levels of tests by simulation."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.competing_risks import cumulative_incidence, gray_test, incidence_at
from NPCResponseLib.statistics.survival import (
    LogRankWeights,
    SurvivalLimits,
    kaplan_meier,
    kaplan_meier_by_group,
    log_rank,
    survival_at,
)
from NPCResponseLib.statistics.survival_cutoff import CutoffRule, survival_cutoff
from NPCResponseLib.statistics.time_dependent_auc import time_dependent_auc
from Testing.statistics_reference import cases, check, table

CASES = cases("survival")
IDS = [case["case"] for case in CASES]


def times_events(case):
    columns = table(case["data"])
    return columns[case["time"]], columns[case["event"]]


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize(
    ("limits", "key"),
    [(SurvivalLimits.LOG, "km_log"), (SurvivalLimits.LOG_LOG, "km_loglog"), (SurvivalLimits.PLAIN, "km_plain")],
)
def test_kaplan_meier_is_survfit_s(case, limits, key):
    found, expected = kaplan_meier(*times_events(case), limits=limits), case[key]
    for ours, theirs in {
        "times": "time", "n_risk": "n_risk", "n_event": "n_event", "n_censor": "n_censor", "survival": "survival",
        "standard_error": "std_err_greenwood", "low": "lower", "high": "upper", "median": "median",
        "median_ci": "median_ci",
    }.items():  # fmt: skip
        if theirs in expected:
            check("survival", getattr(found, ours), expected[theirs])
    check("survival", (found.n, found.events), (case["n"], case["events"]))
    check("survival", found.median_follow_up, case["median_followup_reverse_km"])
    check("survival", found.cumulative_hazard, case["nelson_aalen"]["cumhaz"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_values_at_chosen_times_are_r_s(case):
    expected = case["at_times_loglog"]
    found = survival_at(kaplan_meier(*times_events(case)), expected["times"])
    for ours, theirs in {"survival": "survival", "low": "lower", "high": "upper", "n_risk": "n_risk"}.items():
        check("survival", getattr(found, ours), expected[theirs])
    check("survival", 1 - np.array(found.survival), expected["cumulative_incidence"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_log_rank_is_survdiff_s(case):
    expected = case["logrank"]
    group = table(case["data"])[expected["group"]]
    found = log_rank(*times_events(case), group)
    assert [f"{expected['group']}={name}" for name in found.groups] == expected["groups"]
    for ours in ("n", "observed", "expected", "chi2", "df", "p"):
        check("survival", getattr(found, ours), expected[ours])
    peto = log_rank(*times_events(case), group, weights=LogRankWeights.PETO_PETO)
    check("survival", (peto.chi2, peto.p), (expected["peto_peto_chi2"], expected["peto_peto_p"]))


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("cause", [1, 2])
def test_competing_risks_are_cmprsk_s(case, cause):
    columns, expected = table(case["data"]), case["competing"]
    status = columns[expected["status"]]
    row = expected["rows"].index(f"1 {cause}")
    curve = cumulative_incidence(columns[case["time"]], status, cause=cause)
    found = incidence_at(curve, expected["times"])
    check("survival", found.incidence, expected["est"][row])
    check("survival", found.variance, expected["var"][row])
    gray = expected["gray_test"]
    found = gray_test(columns[case["time"]], status, columns[case["logrank"]["group"]], cause=cause)
    at = gray["rows"].index(str(cause))
    check("survival", (found.chi2, found.p, found.df), (gray["stat"][at], gray["p"][at], gray["df"][at]))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_maximally_selected_statistic_is_maxstat_s(case):
    expected = case["maxstat"]
    found = survival_cutoff(*times_events(case), table(case["data"])[expected["marker"]], permutations=500)
    check("survival", found.candidates, expected["cuts"])
    check("survival", found.statistics, expected["stats"])
    check("survival", (found.cutoff, found.statistic), (expected["cutpoint"], expected["statistic_M"]))
    check("survival", (found.cutoff, found.statistic), list(expected["survminer"].values()))
    check("survival", (found.p_lausen_94, found.p_lausen_92), (expected["p_lau94"], expected["p_lau92"]))
    assert found.p_permutation <= expected["p_HL"]  # an upper bound of it (Hothorn & Lausen 2003)
    assert found.p_naive < found.p_permutation
    assert "maximally selected" in found.method
    check("survival", found.other_cutoff, expected["survdiff_scan"]["cut"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_largest_chi_squared_is_survdiff_s(case):
    marker, expected = table(case["data"])[case["maxstat"]["marker"]], case["maxstat"]["survdiff_scan"]
    found = survival_cutoff(*times_events(case), marker, rule=CutoffRule.LARGEST_CHI2)
    scanned = [
        (cut, chi2) for cut, chi2 in zip(expected["cuts"], expected["chi2_all"], strict=True) if chi2 is not None
    ]
    check("survival", np.column_stack([found.candidates, found.statistics]), scanned)
    check("survival", (found.cutoff, found.statistic, found.p_naive), [expected[k] for k in ("cut", "chi2", "p_naive")])
    check("survival", found.other_cutoff, case["maxstat"]["cutpoint"])
    above = log_rank(*times_events(case), marker > found.cutoff)
    assert found.statistic == pytest.approx(above.chi2, rel=1e-9)
    assert (found.higher_risk == "above") == (above.observed[1] > above.expected[1])


def test_a_curve_that_ends_at_zero_has_no_limits_there():
    found = kaplan_meier([1, 2, 3, 3], [1, 1, 1, 1], limits="log")
    assert found.survival == pytest.approx((0.75, 0.5, 0))
    assert np.isnan([found.standard_error[-1], found.low[-1], found.high[-1]]).all()
    assert found.median == pytest.approx(2.5)  # the curve runs along one half from 2 to 3


def test_a_curve_that_ends_on_one_half_has_its_median_in_the_middle_of_the_step():
    assert kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]).median == pytest.approx(3)


def test_without_events_the_curve_stays_at_one():
    found = kaplan_meier([1, 2, 3], [0, 0, 0], limits="plain")
    assert found.survival == (1, 1, 1)
    assert np.isnan(found.median)
    assert "no event" in found.warnings


def test_times_that_differ_by_rounding_only_are_tied():
    found = kaplan_meier([0.3, 0.1 + 0.2, 1], [1, 1, 0])
    assert (found.times, found.n_event) == ((0.3, 1), (2, 0))


def test_confidence_is_a_parameter_and_stands_in_the_result():
    narrow, wide = (kaplan_meier(*times_events(CASES[0]), confidence=level) for level in (0.9, 0.95))
    assert narrow.confidence == 0.9
    assert "90 %" in narrow.method
    assert narrow.low[10] > wide.low[10]


def test_missing_values_are_counted():
    found = kaplan_meier([1, 2, np.nan, 4], [1, None, 1, 0])
    assert (found.n, found.n_missing) == (2, 2)
    assert any("2 of 4" in warning for warning in found.warnings)


def test_curves_of_groups_are_those_of_their_patients():
    time, event = times_events(CASES[0])
    risk = table("clin_120.csv")["risk3"]
    curves = dict(kaplan_meier_by_group(time, event, risk))
    assert list(curves) == ["high", "low", "mid"]
    assert repr(curves["low"]) == repr(kaplan_meier(time[risk == "low"], event[risk == "low"]))  # NaN, too


def test_beyond_follow_up_the_last_value_is_held_and_said():
    found = survival_at(kaplan_meier([1, 2, 3], [1, 0, 0]), [0.5, 10])
    assert found.survival == pytest.approx((1, 2 / 3))
    assert found.n_risk == (3, 0)
    assert found.warnings


def test_a_group_that_left_early_takes_no_part_in_the_test():
    found = log_rank([1, 1, 5, 6, 7, 8], [0, 0, 1, 1, 1, 0], ["a", "a", "b", "b", "c", "c"])
    alone = log_rank([5, 6, 7, 8], [1, 1, 1, 0], ["b", "b", "c", "c"])
    assert (found.df, found.chi2) == (1, pytest.approx(alone.chi2))
    assert any("group a left" in warning for warning in found.warnings)


def test_without_competing_events_incidence_is_one_minus_survival():
    time, event = times_events(CASES[0])
    found = cumulative_incidence(time, event)
    assert found.incidence == pytest.approx(1 - np.array(survival_at(kaplan_meier(time, event), found.times).survival))
    assert all(low < x < high for low, x, high in zip(found.low, found.incidence, found.high, strict=True))


def test_incidences_of_all_causes_and_survival_add_up_to_one():
    columns = table("clin_84_missing.csv")
    both = [incidence_at(cumulative_incidence(columns["time"], columns["status"], cause=c), [24, 48]) for c in (1, 2)]
    free = survival_at(kaplan_meier(columns["time"], np.minimum(columns["status"], 1)), [24, 48]).survival
    assert np.sum([one.incidence for one in both], axis=0) + free == pytest.approx(1)


def test_nothing_is_read_beyond_the_last_follow_up():
    assert np.isnan(incidence_at(cumulative_incidence([1, 2, 3], [1, 2, 0]), [4]).incidence[0])


def test_gray_s_test_holds_its_level():
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(400):
        time, status = rng.exponential(size=60), rng.choice([0, 1, 2], 60, p=[0.3, 0.45, 0.25])
        rejected += gray_test(time, status, np.arange(60) % 2).p < 0.05
    assert rejected / 400 == pytest.approx(0.05, abs=0.03)


def test_the_corrected_p_of_a_searched_cutoff_holds_its_level_and_the_naive_one_does_not():
    rng = np.random.default_rng(6)
    naive, corrected = 0, 0
    for _ in range(300):
        found = survival_cutoff(rng.exponential(size=60), rng.random(60) < 0.7, rng.normal(size=60))
        naive += found.p_naive < 0.05
        corrected += found.p_lausen_94 < 0.05
    assert corrected / 300 < 0.075
    assert naive / 300 > 0.2


def test_a_true_cutoff_is_found_near_its_place():
    rng = np.random.default_rng(7)
    marker = rng.normal(size=400)
    time = rng.exponential(np.where(marker > 0.5, 1, 4))
    for rule in CutoffRule:
        found = survival_cutoff(time, np.ones(400), marker, rule=rule)
        assert found.cutoff == pytest.approx(0.5, abs=0.15)
        assert found.higher_risk == "above"


def test_the_auc_at_a_time_without_censoring_is_the_plain_one():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(8)
    marker = np.round(rng.normal(size=80), 1)
    time = rng.exponential(np.exp(-marker))
    found = time_dependent_auc(time, np.ones(80), marker, [0.5, 1])
    for at, auc in zip(found.times, found.auc, strict=True):
        early = time <= at
        u = mannwhitneyu(marker[early], marker[~early]).statistic
        assert auc == pytest.approx(u / (early.sum() * (~early).sum()))


def test_censoring_does_not_move_the_auc_at_a_time():
    rng = np.random.default_rng(9)
    n = 6000
    marker = rng.normal(size=n)
    time, gone = rng.exponential(np.exp(-marker)), rng.exponential(1.5, n)
    whole = time_dependent_auc(time, np.ones(n), marker, [0.8]).auc[0]
    seen = time_dependent_auc(np.minimum(time, gone), time <= gone, marker, [0.8], replicates=60)
    assert seen.auc[0] == pytest.approx(whole, abs=0.02)
    assert seen.low[0] < whole < seen.high[0]


def test_cases_weigh_by_the_chance_of_having_been_seen():
    # Of four patients at risk after time 1 one is censored at 2, so that the case at 3 stands for 4/3 patients.
    found = time_dependent_auc([1, 2, 3, 4, 5], [1, 0, 1, 0, 0], [9, 0, 2, 1, 3], [3.5])
    assert found.auc[0] == pytest.approx((1 * 1 + 4 / 3 * 0.5) / (1 + 4 / 3))


def test_a_time_without_cases_has_no_auc():
    found = time_dependent_auc([1, 2, 3], [1, 0, 1], [1, 2, 3], [0.5, 1.5, 5])
    assert np.isnan(found.auc[0])
    assert np.isnan(found.auc[2])
    assert found.auc[1] == 0
    assert len(found.warnings) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier([-1, 2], [1, 0]), "negative time"),
        (lambda: kaplan_meier([np.nan], [1]), "no patient"),
        (lambda: kaplan_meier([1, 2], [1, 3]), "neither 0 nor 1"),
        (lambda: log_rank([1, 2], [1, 1], ["a", "a"]), "1 group"),
        (lambda: log_rank([1, 2], [0, 0], ["a", "b"]), "no event"),
        (lambda: cumulative_incidence([1, 2], [0.5, 1]), "whole number"),
        (lambda: gray_test([1, 2], [2, 2], ["a", "b"]), "no event of cause 1"),
        (lambda: survival_cutoff([1, 2, 3], [1, 1, 1], [5, 5, 5]), "both sides"),
        (lambda: survival_cutoff([1, 2, 3], [0, 0, 0], [1, 2, 3]), "no event"),
        (lambda: survival_cutoff([1, 2, 3], [1, 1, 0], [1, 2, 3], minimum_share=0.5), "less than 0.5"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_results_can_be_written_as_json():
    time, event = times_events(CASES[0])
    marker = table("clin_120.csv")["marker"]
    results = (
        kaplan_meier(time, event),
        log_rank(time, event, marker > 0),
        survival_cutoff(time, event, marker),
        cumulative_incidence(time, event),
        gray_test(time, event, marker > 0),
        time_dependent_auc(time, event, marker, [12, 24]),
    )
    assert all('"method"' in json.dumps(asdict(result)) for result in results)


@pytest.mark.parametrize("weights", LogRankWeights)
def test_groups_that_all_have_their_event_at_once_cannot_be_compared(weights):
    found = log_rank([3, 3, 3, 3], [1, 1, 1, 1], ["a", "a", "b", "b"], weights=weights)
    assert found.df == 0 and found.chi2 == 0 and np.isnan(found.p)


@pytest.mark.parametrize("rule", CutoffRule)
def test_no_cutoff_separates_patients_who_have_their_event_at_once(rule):
    found = survival_cutoff([3] * 20, [1] * 20, range(20), rule=rule, permutations=3)
    assert found.statistic == 0 and found.p_naive == found.p_lausen_94 == found.p_permutation == 1


def test_an_incidence_of_1_has_no_limits_whatever_its_rounding():
    time = [4, 0, 5, 4, 4, 3, 2, 1, 0, 2, 2, 4, 4, 1, 1, 0, 5, 3, 2, 1]
    found = cumulative_incidence(time, [1] * 20)
    assert found.incidence[-1] == pytest.approx(1) and np.isnan(found.low[-1]) and np.isfinite(found.low[:-1]).all()
