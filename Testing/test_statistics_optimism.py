"""Optimism: rms::validate within its Monte Carlo error, and noise models whose truth is known."""

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.cox import fit_cox
from NPCResponseLib.statistics.optimism import bootstrap_optimism, validate_cox, validate_logistic
from Testing.statistics_reference import cases, check, table

CASES = [case for case in cases("logistic") if "rms_lrm" in case]
STOCHASTIC = {"rtol": 0, "atol": 0.03}  # stated beside the values of rms
MEASURES = {
    "dxy": "Dxy", "r2": "R2", "intercept": "Intercept", "slope": "Slope", "e_max": "Emax", "d": "D", "u": "U",
    "q": "Q", "brier": "B", "g": "g", "gp": "gp",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_corrected_performance_is_that_of_rms(case):
    columns, expected = table(case["data"]), case["rms_lrm"]["validate_B500_seed1"]
    names = [name.strip() for name in case["formula"].split("~")[1].split("+")]
    found = validate_logistic({name: columns[name] for name in names}, columns["y"], replicates=2000)
    for ours, theirs in MEASURES.items():
        row, at = found.row(ours), expected["rows"].index(theirs)
        check("logistic", row.apparent, expected["index_orig"][at])
        check("logistic", row.optimism, expected["optimism"][at], **STOCHASTIC)
        check("logistic", row.corrected, expected["corrected"][at], **STOCHASTIC)
    assert found.row("c").corrected == pytest.approx((found.row("dxy").corrected + 1) / 2)


def test_noise_looks_good_and_is_corrected_to_chance():
    rng = np.random.default_rng(1)
    corrected, apparent = [], []
    for _ in range(12):
        predictors = {f"x{i}": rng.normal(size=80) for i in range(6)}
        row = validate_logistic(predictors, rng.random(80) < 0.5, replicates=100).row("c")
        apparent.append(row.apparent)
        corrected.append(row.corrected)
    assert np.mean(apparent) > 0.62
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.04)


def test_cox_optimism_starts_from_the_fitted_c_and_shrinks():
    columns = table("clin_120.csv")
    predictors = {name: columns[name] for name in ("age", "marker", "stage")}
    found = validate_cox(predictors, columns["time"], columns["event"], replicates=100)
    fit = fit_cox(predictors, columns["time"], columns["event"])
    assert found.row("c").apparent == pytest.approx(fit.concordance.c)
    assert found.row("slope").apparent == pytest.approx(1)
    assert 0.8 < found.row("slope").corrected < 1
    assert 0 < found.row("c").optimism < 0.05


def test_any_model_can_be_judged_and_failed_fits_are_counted():
    values = np.random.default_rng(2).normal(size=30)

    def fit(drawn):
        return values[drawn].mean() if 0 in drawn else None

    def measure(mean, on):
        return {"error": float(np.mean((values[on] - mean) ** 2))}

    found = bootstrap_optimism(30, fit, measure, replicates=400, seed=3)
    # In-sample error is (n-1)/n of the variance, on the patients it is (n+1)/n: the optimism is about -2/n of it.
    assert found.row("error").optimism == pytest.approx(-2 / 30 * values.var(), rel=0.35)
    assert found.failed == pytest.approx(400 * (29 / 30) ** 30, rel=0.2)
    assert any("allowed no fit" in warning for warning in found.warnings)
    assert "seed 3" in found.method


def test_the_seed_repeats_the_result():
    columns = table("clin_120.csv")
    first, second = (validate_logistic({"age": columns["age"]}, columns["y"], replicates=20, seed=5) for _ in range(2))
    assert repr(first) == repr(second)  # NaN, too


def test_data_without_an_estimate_are_refused():
    columns = table("logit_separated_24.csv")
    with pytest.raises(InputError, match="separated data"):
        validate_logistic({"x": columns["x"]}, columns["y"])
    with pytest.raises(InputError, match="no model can be fitted"):
        bootstrap_optimism(5, lambda drawn: None, lambda model, on: {})
