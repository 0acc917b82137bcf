"""Cox regression: R's coxph, cox.zph, basehaz and survfit; infinite estimates are refused, not printed."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.concordance import concordance
from NPCResponseLib.statistics.cox import (
    Ties,
    TimeTransform,
    fit_cox,
    fit_cox_univariable,
    predict_cox,
    predict_survival,
)
from NPCResponseLib.statistics.cox_steps import event_steps, newton
from NPCResponseLib.statistics.survival import log_rank
from Testing.statistics_reference import cases, check, complete_rows, table

CASES = cases("survival")
IDS = [case["case"] for case in CASES]


def predictors_of(expected, columns):
    return {name.strip(): columns[name.strip()] for name in expected["formula"].split("~")[1].split("+")}


def fit(case, expected, **options):
    columns = table(case["data"])
    return fit_cox(predictors_of(expected, columns), columns[case["time"]], columns[case["event"]], **options)


def check_fit(found, expected):
    for ours, theirs in zip(found.coefficients, expected["coefficients"], strict=True):
        assert ours.term == theirs["term"]
        for name, key in {
            "beta": "beta", "standard_error": "se", "z": "z", "p": "p", "hazard_ratio": "hr",
            "hazard_ratio_ci": "hr_ci",
        }.items():  # fmt: skip
            check("survival", getattr(ours, name), theirs[key])
    check("survival", (found.n, found.events), (expected["n"], expected["events"]))
    check("survival", found.log_likelihood_null, expected["loglik_null"])
    check("survival", found.log_likelihood, expected["loglik"])
    likelihood_ratio = found.likelihood_ratio
    check("survival", (likelihood_ratio.chi2, likelihood_ratio.df, likelihood_ratio.p), list(expected["lr"].values()))
    check("survival", (found.wald.chi2, found.wald.p), list(expected["wald"].values()))
    check("survival", (found.score.chi2, found.score.p), list(expected["score"].values()))
    check("survival", found.concordance.c, expected["concordance"])
    check("survival", found.concordance.standard_error, expected["concordance_se"])


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("ties", list(Ties))
def test_multivariable_fits_are_coxph_s(case, ties):
    expected = case[f"cox_multivariable_{ties.value}"]
    check_fit(fit(case, expected, ties=ties), expected)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_univariable_fits_are_coxph_s(case):
    columns = table(case["data"])
    for expected in case["cox_univariable_efron"]:
        (found,) = fit_cox_univariable(predictors_of(expected, columns), columns[case["time"]], columns[case["event"]])
        check_fit(found, expected)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("transform", [TimeTransform.KM, TimeTransform.RANK])
def test_the_check_of_proportional_hazards_is_cox_zph_s(case, transform):
    expected = case["cox_multivariable_efron"]
    found = fit(case, expected, transform=transform)
    tests, theirs = found.proportional_hazards, expected[f"cox_zph_{transform.value}"]
    assert [test.name for test in tests] == theirs["rows"]
    check("survival", [test.chi2 for test in tests], theirs["chisq"])
    check("survival", [test.p for test in tests], theirs["p"])
    if "df" in theirs:
        assert [test.df for test in tests] == theirs["df"]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_baseline_residuals_and_predicted_survival_are_r_s(case):
    expected = case["cox_multivariable_efron"]
    found = fit(case, expected)
    baseline = expected["baseline_cumhaz_x0"]
    check("survival", found.baseline_times, baseline["time"])
    check("survival", np.array(found.baseline_hazard) * np.exp(-found.center), baseline["hazard"])
    check("survival", found.martingale_residuals, expected["martingale_residuals"])
    columns = table(case["data"])
    names = list(predictors_of(expected, columns))
    rows = complete_rows(columns, [*names, case["time"], case["event"]])
    first = expected["survival_first_row"]
    survival = predict_survival(found, {name: rows[name][:1] for name in names}, first["times"])
    check("survival", survival[0], first["survival"])


@pytest.mark.parametrize("efron", [True, False])
def test_the_newton_steps_of_the_bootstrap_reach_statsmodels_estimate(efron):
    columns = table("clin_120.csv")
    found = fit(CASES[0], CASES[0]["cox_multivariable_efron"], ties=Ties.EFRON if efron else Ties.BRESLOW)
    matrix = np.column_stack([columns[name] for name in ("age", "marker", "stage")])
    assert newton(matrix, columns["time"], columns["event"], efron) == pytest.approx(found.betas, rel=1e-8)
    steps = event_steps(matrix, columns["time"], columns["event"], matrix @ found.betas, efron)
    assert np.linalg.inv(steps.information()) == pytest.approx(np.array(found.covariance), rel=1e-6, abs=1e-12)


def test_a_factor_is_tested_as_a_whole_for_proportional_hazards():
    columns = table("clin_120.csv")
    found = fit_cox({"age": columns["age"], "risk": columns["risk3"]}, columns["time"], columns["event"])
    assert [(test.name, test.df) for test in found.proportional_hazards] == [("age", 1), ("risk", 2), ("GLOBAL", 3)]


def test_the_score_test_of_a_group_is_the_log_rank_test_without_ties():
    rng = np.random.default_rng(1)
    time, group = rng.exponential(size=50), np.arange(50) % 2
    event = rng.random(50) < 0.7
    assert fit_cox({"group": group}, time, event).score.chi2 == pytest.approx(log_rank(time, event, group).chi2)


def test_a_coefficient_that_changes_with_time_is_noticed():
    rng = np.random.default_rng(2)
    x = rng.normal(size=600)
    early = rng.exponential(np.exp(-1.5 * x))
    time = np.where(early < 0.5, early, 0.5 + rng.exponential(np.exp(1.5 * x)))  # the effect turns round at 0.5
    found = fit_cox({"x": x}, time, np.ones(600))
    assert found.proportional_hazards[0].p < 1e-6
    assert any("proportional hazards are doubtful" in warning for warning in found.warnings)


def test_the_unit_of_a_predictor_does_not_matter():
    columns = table("clin_120.csv")
    usual = fit_cox({"m": columns["marker"]}, columns["time"], columns["event"])
    odd = fit_cox({"m": columns["marker"] * 1e6 + 1e8}, columns["time"], columns["event"])
    assert odd.coefficients[0].beta * 1e6 == pytest.approx(usual.coefficients[0].beta, rel=1e-6)
    assert odd.baseline_hazard == pytest.approx(usual.baseline_hazard, rel=1e-6)


def test_predictions_use_the_categories_of_the_model():
    columns = table("clin_120.csv")
    found = fit_cox({"risk": columns["risk3"]}, columns["time"], columns["event"])
    eta = predict_cox(found, {"risk": ["high", "low", None]})
    assert eta[0] == 0
    assert eta[1] == pytest.approx(found.coefficients[0].beta)
    assert np.isnan(eta[2])


@pytest.mark.parametrize(
    ("predictors", "events", "message"),
    [
        (lambda t: {"x": -t}, np.ones(30), "x: orders the events without a mistake"),
        (lambda t: {"x": np.where(np.arange(30) % 3 == 0, 0.0, 1.0)}, np.arange(30) % 3 == 0, "x: orders the events"),
        (lambda t: {"x": t * 0 + 1}, np.ones(30), "x: constant"),
        (lambda t: {"x": np.sin(t * 7)}, np.zeros(30), "no event"),
    ],
)
def test_fits_without_a_finite_estimate_are_refused(predictors, events, message):
    time = np.random.default_rng(3).permutation(30) + 1.0
    with pytest.raises(InputError, match=message):
        fit_cox(predictors(time), time, events)


def test_only_the_predictor_without_an_estimate_is_named():
    rng = np.random.default_rng(4)
    event = np.arange(40) % 2
    predictors = {"noise": rng.normal(size=40), "never": np.where(event == 1, 0.0, np.arange(40) % 4 == 0)}
    with pytest.raises(InputError, match=r"^never: orders"):
        fit_cox(predictors, rng.exponential(size=40), event)


def test_all_events_at_one_time_leave_nothing_to_check():
    found = fit_cox({"x": [1.0, 2, 3, 4, 2, 1]}, [5, 5, 5, 6, 7, 4], [1, 1, 1, 0, 0, 0])
    assert all(test.chi2 == 0 for test in found.proportional_hazards)


def test_concordance_by_hand():
    # usable pairs: (1,2) (1,3) (1,4) (2,3) (2,4); patient 3 is censored, and at the same time as the event of 2
    found = concordance(np.array([1.0, 2, 2, 4]), np.array([1.0, 1, 0, 0]), np.array([3.0, 2, 2, 5]))
    assert (found.concordant, found.discordant, found.tied) == (2, 2, 1)
    assert found.c == pytest.approx(0.5)
    assert np.isnan(concordance(np.array([1.0, 2]), np.zeros(2), np.array([1.0, 2])).c)


def test_a_fit_can_be_written_as_json():
    assert '"method"' in json.dumps(asdict(fit(CASES[0], CASES[0]["cox_multivariable_efron"])))


def test_a_predictor_that_only_early_censored_patients_vary_in_is_refused():
    """The one patient of stage c left before the first event: nothing is known of its hazard."""
    stage, size = list("aaaabbbc"), [1.0, 3.0, 2.0, 5.0, 4.0, 2.5, 3.5, 1.5]
    with pytest.raises(InputError, match=r"stage=c: .*followed to the first event"):
        fit_cox({"size": size, "stage": stage}, [3, 1, 2, 4, 2, 2, 3, 0], [1, 1, 1, 1, 1, 1, 0, 0])


def test_an_outlier_does_not_carry_the_search_away():
    """One value of 1e12 among ordinary ones: full Newton steps left floating point."""
    rng = np.random.default_rng(11)
    time, event = rng.integers(0, 6, 20).astype(float), rng.integers(0, 2, 20)
    size = rng.normal(size=20).round(1)
    size[0] = 1e12
    row = fit_cox({"size": size}, time, event).coefficients[0]
    assert np.isfinite([row.beta, row.standard_error]).all()


def test_an_outlier_among_patients_without_part_is_told():
    """The first one left before the first event; its risk against the others, exp(1e12), is not a number."""
    size, time, event = [1e12, 1.5, 1.1, 0.3, 0.9], [6, 23, 9, 8, 10], [0, 1, 1, 1, 0]
    with pytest.raises(InputError, match="lies far from all others"):
        fit_cox({"size": size}, time, event)
    assert np.isfinite(fit_cox({"size": size[1:]}, time[1:], event[1:]).coefficients[0].standard_error)


def test_monotone_risk_is_found_beside_an_outlier_without_part():
    with pytest.raises(InputError, match="orders the events without a mistake"):
        fit_cox({"size": [1e12, 0.27, 1.89]}, [3.6, 13.0, 7.7], [0, 0, 1])
