"""Decision curves: R's dcurves, and what net benefit means."""

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.decision_curve import decision_curve
from Testing.statistics_reference import cases, check, table

CASES = cases("calibration_dca")


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_net_benefit_is_dcurves_s(case):
    columns, expected = table(case["data"]), case["dca"]
    found = decision_curve(columns["y"], {"p": columns["p"]}, thresholds=expected["thresholds"], replicates=0)
    (model,) = found.models
    check("calibration_dca", model.net_benefit, expected["net_benefit_model"])
    check("calibration_dca", model.net_benefit, expected["dcurves_net_benefit_model"])
    check("calibration_dca", found.treat_all, expected["net_benefit_treat_all"])
    check("calibration_dca", model.interventions_avoided_per_100, expected["interventions_avoided_per_100"])
    assert set(found.treat_none) == {expected["net_benefit_treat_none"]}
    assert "p >= threshold" in found.method
    assert (model.low, found.seed) == ((), None)


def test_perfect_predictions_gain_the_prevalence_everywhere():
    y = np.repeat([1.0, 0.0], [12, 28])
    found = decision_curve(y, {"perfect": y, "none": np.zeros(40)}, replicates=200)
    assert found.models[0].net_benefit == pytest.approx([0.3] * len(found.thresholds))
    assert set(found.models[1].net_benefit) == {0.0}


def test_bootstrap_limits_hold_the_estimate_and_the_seed_repeats_them():
    columns = table("prob_200_good.csv")
    found = decision_curve(columns["y"], {"p": columns["p"]}, thresholds=[0.2, 0.5], seed=3)
    again = decision_curve(columns["y"], {"p": columns["p"]}, thresholds=[0.2, 0.5], seed=3)
    (model,) = found.models
    assert found == again
    assert all(low < x < high for low, x, high in zip(model.low, model.net_benefit, model.high, strict=True))
    assert "seed 3" in found.method
    assert model.minus_treat_all == pytest.approx(np.subtract(model.net_benefit, found.treat_all))
    assert model.minus_treat_all_ci[1][0] > 0  # clearly better than treating all at 0.5


def test_bootstrap_limits_are_as_wide_as_the_binomial_says():
    rng = np.random.default_rng(2)
    y = (rng.random(1000) < 0.3).astype(float)
    # Everybody treated: net benefit = share - (1 - share) odds, so its SE is that of the share times (1 + odds).
    found = decision_curve(y, {"all": np.full(1000, 0.9)}, thresholds=[0.5], replicates=4000)
    half = (found.models[0].high[0] - found.models[0].low[0]) / 2
    assert half == pytest.approx(1.96 * 2 * np.sqrt(y.mean() * (1 - y.mean()) / 1000), rel=0.05)


def test_models_are_compared_on_the_patients_that_have_all_of_them():
    y, p = [0, 1, 0, 1, 1], [0.1, 0.8, 0.4, np.nan, 0.6]
    found = decision_curve(y, {"a": p, "b": [0.2, 0.7, 0.3, 0.5, 0.9]}, thresholds=[0.5], replicates=0)
    assert (found.n, found.n_missing) == (4, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": [0, 0.5]}, "between 0 and 1"),
        ({"probabilities": {}}, "no prediction"),
        ({"probabilities": {"p": [0.1, 0.2, 3.0]}}, "outside 0 to 1"),
        ({"outcome": [1, 1, 1]}, "class 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    usual = {"outcome": [0, 1, 1], "probabilities": {"p": [0.1, 0.7, 0.6]}}
    with pytest.raises(InputError, match=message):
        decision_curve(**(usual | change))
