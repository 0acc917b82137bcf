"""Logistic regression: R's glm, confint, brglm2 and rms; separation by a linear program; tables that cannot work."""

import json
import time
from dataclasses import asdict

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.logistic import LogisticEstimator, fit_logistic, fit_univariable, predict_logistic
from NPCResponseLib.statistics.logistic_likelihood import Likelihood, maximize
from NPCResponseLib.statistics.model_data import Variable, design_matrix
from NPCResponseLib.statistics.rank_indices import rank_indices
from NPCResponseLib.statistics.separation import SeparationKind, find_separation
from Testing.statistics_reference import cases, check, complete_rows, table

CASES = cases("logistic")
IDS = [case["case"] for case in CASES]
R_PROFILE = {"rtol": 1e-3, "atol": 0}  # R interpolates its profile with a spline
R_DEFAULT_GLM = 1e-8  # where R's glm stops unless told otherwise


def model(case):
    terms = [term.strip() for term in case["formula"].split("~")[1].split("+")]
    names = [term.removeprefix("factor(").removesuffix(")") for term in terms]
    return names, [name for name, term in zip(names, terms, strict=True) if term.startswith("factor(")]


def fit(case, **options):
    names, factors = model(case)
    columns = table(case["data"])
    return fit_logistic({name: columns[name] for name in names}, columns["y"], factors=factors, **options)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_summary_of_the_model_is_r_s(case):
    found = fit(case)
    for ours, theirs in {
        "n": "n", "events": "events", "events_per_parameter": "events_per_parameter", "log_likelihood": "loglik",
        "deviance": "deviance", "null_deviance": "null_deviance", "aic": "aic", "bic": "bic", "lr_chi2": "lr_chi2",
        "lr_df": "lr_df", "lr_p": "lr_p", "cox_snell_r2": "cox_snell_r2", "nagelkerke_r2": "nagelkerke_r2",
        "mcfadden_r2": "mcfadden_r2",
    }.items():  # fmt: skip
        check("logistic", getattr(found, ours), case[theirs])
    assert (found.separation != "none") is case["separation"]
    assert found.converged is case["converged"]


@pytest.mark.parametrize("case", [case for case in CASES if not case["separation"]], ids=IDS[:3])
def test_coefficients_intervals_and_predictions_are_r_s(case):
    found = fit(case)
    for ours, theirs in zip(found.coefficients, case["coefficients"], strict=True):
        for name, key in {
            "beta": "beta", "standard_error": "se", "z": "z", "wald": "wald", "p": "p", "odds_ratio": "or",
            "odds_ratio_ci_wald": "or_ci_wald",
        }.items():  # fmt: skip
            check("logistic", getattr(ours, name), theirs[key])
        check("logistic", ours.odds_ratio_ci_profile, theirs["or_ci_profile"], **R_PROFILE)
    check("logistic", found.fitted, case["fitted"])
    check("logistic", found.indices.c, case["auc"])
    check("logistic", found.vif, list(case["vif_from_correlation"].values()))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_firth_s_estimates_are_those_of_brglm2(case):
    found = fit(case, estimator=LogisticEstimator.FIRTH)
    for ours, theirs in zip(found.coefficients, case["firth"], strict=True):
        check("logistic", (ours.beta, ours.standard_error), (theirs["beta"], theirs["se"]))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_univariable_fits_are_r_s(case):
    names, _ = model(case)
    columns = complete_rows(table(case["data"]), [*names, "y"])
    for expected in case["univariable"]:
        name = expected["term"].removeprefix("factor(").removesuffix(")")
        asked = [name] if expected["term"].startswith("factor(") else []
        (found,) = fit_univariable({name: columns[name]}, columns["y"], factors=asked, tolerance=R_DEFAULT_GLM)
        for ours, theirs in zip(found.coefficients[1:], expected["rows"], strict=True):
            for attribute, key in {"beta": "beta", "standard_error": "se", "p": "p", "odds_ratio": "or"}.items():
                check("logistic", getattr(ours, attribute), theirs[key])
            check("logistic", ours.odds_ratio_ci_wald, theirs["or_ci_wald"])


@pytest.mark.parametrize("case", [case for case in CASES if "rms_lrm" in case], ids=["clin_120", "clin_84"])
def test_indices_are_those_of_rms(case):
    found, stats = fit(case), case["rms_lrm"]["stats"]
    n, df, lr = found.n, found.lr_df, found.lr_chi2
    effective = n * (1 - (found.events / n) ** 3 - (1 - found.events / n) ** 3)  # rms's n for a binary outcome
    for ours, key in (
        (n, "Obs"),
        (lr, "Model L.R."),
        (df, "d.f."),
        (found.lr_p, "P"),
        (found.nagelkerke_r2, "R2"),
        (found.cox_snell_r2, f"R2({n})"),
        (found.adjusted_r2, f"R2({df},{n})"),
        (1 - np.exp(-lr / effective), f"R2({effective:.1f})"),
        (1 - np.exp(-(lr - df) / effective), f"R2({df},{effective:.1f})"),
        (found.brier, "Brier"),
        (found.g, "g"),
        (found.gr, "gr"),
        (found.gp, "gp"),
    ):
        check("logistic", ours, stats[key])
    # lrm bins the linear predictor in steps of 0.002 before it counts pairs; ours are exact, so bin before comparing.
    names, _ = model(case)
    columns = complete_rows(table(case["data"]), [*names, "y"])
    eta = np.log(np.array(found.fitted) / (1 - np.array(found.fitted)))
    binned = rank_indices(columns["y"], np.floor(eta * 500))
    check(
        "logistic",
        (binned.c, binned.dxy, binned.gamma, binned.tau_a),
        (stats["C"], stats["Dxy"], stats["Gamma"], stats["Tau-a"]),
    )
    expected = case["rms_lrm"]["gof_le_cessie"]
    fit_test = found.goodness_of_fit
    check(
        "logistic",
        (fit_test.sum_of_squares, fit_test.expected, fit_test.sd, fit_test.z, fit_test.p),
        list(expected.values()),
    )


@pytest.mark.parametrize(
    ("x", "y", "kind"),
    [
        ([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], SeparationKind.COMPLETE),
        ([1, 2, 3, 3, 5, 6], [0, 0, 0, 1, 1, 1], SeparationKind.QUASI_COMPLETE),
        ([0, 0, 0, 1, 1, 0], [0, 1, 0, 1, 1, 0], SeparationKind.QUASI_COMPLETE),
        ([1, 2, 4, 3, 5, 6], [0, 0, 0, 1, 1, 1], SeparationKind.NONE),
        ([1e-9, 2e-9, 4e-9, 3e-9, 5e-9, 6e-9], [0, 0, 0, 1, 1, 1], SeparationKind.NONE),
        ([6e9, 5e9, 4e9, 3e9, 2e9, 1e9], [0, 0, 0, 1, 1, 1], SeparationKind.COMPLETE),
    ],
)
def test_separation_is_told_apart(x, y, kind):
    found = find_separation(np.column_stack([np.ones(6), x]), np.array(y, dtype=float))
    assert found.kind is kind
    assert (1 in found.columns) is (kind is not SeparationKind.NONE)


def test_separated_data_are_said_and_get_firth_s_estimate_with_profile_limits():
    columns = table("logit_separated_24.csv")
    found = fit_logistic({"x": columns["x"], "z": columns["z"]}, columns["y"])
    assert found.separation == "complete"
    assert "x" in found.separated_terms
    assert "Firth" in found.method
    assert any("complete separation by" in warning for warning in found.warnings)
    assert np.isfinite(found.coefficients[1].odds_ratio_ci_profile[0])
    with pytest.raises(InputError, match="no finite estimate"):
        fit_logistic({"x": columns["x"]}, columns["y"], estimator=LogisticEstimator.MAXIMUM_LIKELIHOOD)


@pytest.mark.parametrize(
    ("x", "y", "betas", "errors"),
    [
        (
            [10, 1.9, 1.3, 0.6, 2, 0.6, 0.2, 1],
            [0, 0, 0, 1, 0, 1, 1, 1],
            (3.83627696368, -3.16651541380),
            (2.65406360427, 2.16954750144),
        ),
        (
            [20, 0.3, 0.1, 0.7, 0.9, 1.4, 0.1, 0, 0.6, 0.7, 0.8, 1.2, 3, 0.8],
            [0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0],
            (3.06668077538, -4.85755118008),
            (2.00941263764, 2.81665673143),
        ),
    ],
)
def test_of_several_maxima_of_firth_s_likelihood_the_highest_is_taken(x, y, betas, errors):
    # One patient lies far out. R 4.2.2, brglm2 0.9: glm(y ~ x, binomial, method = brglmFit, type = "AS_mean")
    found = fit_logistic({"x": x}, y, estimator=LogisticEstimator.FIRTH)
    assert found.betas == pytest.approx(betas, rel=1e-8)
    assert [row.standard_error for row in found.coefficients] == pytest.approx(errors, rel=1e-8)


def test_an_adjusted_r2_is_not_negative():
    # R 4.2.2, rms 6.5-0: lrm(y ~ x)$stats has R2(1,8) = 0 where the chi-squared is below its degrees of freedom.
    found = fit_logistic({"x": [1, 2, 3, 4, 5, 6, 7, 8]}, [0, 1, 0, 1, 1, 0, 1, 0], profile=False)
    assert 0 <= found.lr_chi2 < 1
    assert found.adjusted_r2 == 0


def test_only_the_separating_term_is_named():
    rng = np.random.default_rng(1)
    flag, noise = np.repeat([1.0, 0.0], [12, 28]), rng.normal(size=40)
    y = np.where(flag == 1, 1.0, np.arange(40) % 2)
    found = fit_logistic({"flag": flag, "noise": noise}, y)
    assert found.separation == "quasi-complete"
    assert found.separated_terms == ("flag",)


def test_profile_limits_are_where_the_likelihood_has_fallen_by_the_quantile():
    columns = table("clin_120.csv")
    found = fit_logistic({"age": columns["age"], "marker": columns["marker"]}, columns["y"])
    matrix = np.column_stack([np.ones(120), columns["age"], columns["marker"]])
    likelihood = Likelihood(matrix, columns["y"])
    for limit in np.log(found.coefficients[2].odds_ratio_ci_profile):
        at, _ = maximize(likelihood, np.array([*found.betas[:2], limit]), np.array([True, True, False]))
        assert 2 * (found.log_likelihood - likelihood.value(at)) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-8)


def test_the_unit_of_a_predictor_does_not_matter():
    columns = table("clin_120.csv")
    usual = fit_logistic({"age": columns["age"], "marker": columns["marker"]}, columns["y"])
    odd = fit_logistic({"age": columns["age"] * 1e9, "marker": columns["marker"] * 1e-9}, columns["y"])
    assert odd.betas * [1, 1e9, 1e-9] == pytest.approx(usual.betas, rel=1e-9)
    assert odd.coefficients[2].p == pytest.approx(usual.coefficients[2].p, rel=1e-9)


def test_words_are_categories_and_the_first_in_order_is_the_reference():
    columns = table("clin_120.csv")
    found = fit_logistic({"risk": columns["risk3"]}, columns["y"], profile=False)
    assert [row.term for row in found.coefficients] == ["(Intercept)", "risk=low", "risk=mid"]
    high = columns["risk3"] == "high"
    assert 1 / (1 + np.exp(-found.coefficients[0].beta)) == pytest.approx(columns["y"][high].mean())


def test_predictions_repeat_the_fit_and_say_what_is_missing():
    columns = table("clin_120.csv")
    found = fit_logistic({"age": columns["age"], "risk": columns["risk3"]}, columns["y"], profile=False)
    again = predict_logistic(found, {"age": columns["age"], "risk": columns["risk3"]})
    assert again.probability == pytest.approx(found.fitted)
    assert all(low < p < high for low, p, high in zip(again.low, again.probability, again.high, strict=True))
    gap = predict_logistic(found, {"age": [50, np.nan], "risk": ["low", "low"]})
    assert gap.n_missing == 1
    assert np.isnan(gap.probability[1])
    with pytest.raises(InputError, match="category huge"):
        predict_logistic(found, {"age": [50], "risk": ["huge"]})


def test_missing_values_are_counted_by_column():
    columns = table("clin_84_missing.csv")
    found = fit_logistic({"age": columns["age"], "marker": columns["marker"]}, columns["y"], profile=False)
    assert (found.n, found.n_missing) == (77, 7)
    assert dict(found.missing_by_column) == {"age": 6, "marker": 1}
    assert any("7 of 84" in warning for warning in found.warnings)


def test_few_events_per_parameter_are_said():
    columns = table("clin_120.csv")
    found = fit_logistic({f"x{i}": np.roll(columns["marker"], i) for i in range(8)}, columns["y"], profile=False)
    assert found.events_per_parameter == 7
    assert any("7.0 events per parameter" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("predictors", "outcome", "message"),
    [
        ({"x": [1, 2, 3, 4]}, [1, 1, 1, 1], "class 1"),
        ({"x": [1, 1, 1, 1]}, [1, 0, 1, 0], "x: constant"),
        ({"x": [1, 2, 3, 4], "z": [2, 4, 6, 8]}, [1, 0, 1, 0], "z: follows exactly"),
        ({"x": ["1", "2", "3,5", "4"]}, [1, 0, 1, 0], 'column x, row 3: "3,5" is not a number'),
        ({"x": [1, 2, np.inf, 4]}, [1, 0, 1, 0], "row 3: infinite"),
        ({"x": [1, 2, 3]}, [1, 0, 1, 0], "column x: 3 values"),
        ({"x": [1, 2, 3, 4]}, [1, 0, 2, 0], "row 3: 2 is neither 0 nor 1"),
        ({"x": [np.nan] * 4}, [1, 0, 1, 0], "no patient with all values"),
        ({}, [1, 0], "no predictor"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_with_their_place(predictors, outcome, message):
    with pytest.raises(InputError, match=message):
        fit_logistic(predictors, outcome)


def test_categories_of_new_patients_are_coded_as_the_model_did():
    stage = Variable("stage", ("2", "3", "4"), np.nan, np.nan)
    coded = design_matrix([stage], {"stage": [4, 2, None]})
    np.testing.assert_array_equal(coded, [[0, 1], [0, 0], [np.nan, np.nan]])


def test_a_fit_can_be_written_as_json():
    columns = table("clin_120.csv")
    assert '"method"' in json.dumps(asdict(fit_logistic({"age": columns["age"]}, columns["y"])))


FIRTH = LogisticEstimator.FIRTH


def test_firth_s_estimate_of_a_two_by_two_table_adds_a_half_to_each_cell():
    fit = fit_logistic({"x": [1, 1, 0]}, [0, 1, 1], estimator=FIRTH, confidence=0.999999)
    assert fit.converged and fit.betas == pytest.approx([np.log(3), -np.log(3)], abs=1e-9)


def test_firth_s_search_does_not_run_to_and_fro():
    """Two patients: full steps are twice too long there, and stopped 2e-4 beside the maximum."""
    started = time.perf_counter()
    fit = fit_logistic({"x": [4.8, 5.6]}, [0, 1], estimator=FIRTH)
    assert fit.converged and time.perf_counter() - started < 1
    # By symmetry the two are fitted with p and 1 - p, where l = 2 log p + log(p (1 - p)) is largest: p = 3/4.
    assert fit.fitted == pytest.approx((0.25, 0.75), abs=1e-9)


def profile_excess(x, y, slope, at, confidence):
    """2 (largest log-likelihood - the one with this slope) - quantile, the intercept found by bisection."""

    def largest(b):
        a = brentq(lambda a: float(np.sum(y - expit(a + b * x))), *np.array([-1, 1]) * (1e3 + abs(b) * abs(x).max()))
        return float(np.sum(y * (a + b * x) - np.logaddexp(0, a + b * x)))

    return 2 * (largest(slope) - largest(at)) - chi2.ppf(confidence, 1)


@pytest.mark.parametrize(
    "x, y, confidence",
    [
        ([1.0, 8.0, 64.0, 512.0, 4096.0, 262144.0, 2097152.0], [1, 0, 1, 1, 1, 1, 1], 0.5),
        ([1e6 + 0.2, 1e6 - 1.1, 1e6 + 0.4, 1e6 + 1.2, 1e6 - 0.3, 1e6 + 0.1], [0, 0, 1, 1, 1, 0], 0.95),
    ],
)
def test_profile_limits_hold_for_skewed_and_for_distant_values(x, y, confidence):
    x, y = np.array(x), np.array(y)
    fit = fit_logistic({"x": x}, y, confidence=confidence, estimator=LogisticEstimator.MAXIMUM_LIKELIHOOD)
    row = fit.coefficients[1]
    for limit in row.odds_ratio_ci_profile:
        assert profile_excess(x, y, row.beta, np.log(limit), confidence) == pytest.approx(0, abs=1e-6)


def test_a_predictor_that_varies_in_the_last_digit_is_constant():
    with pytest.raises(InputError, match="x: constant"):
        fit_logistic({"x": [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]}, [0, 1, 0, 1])
