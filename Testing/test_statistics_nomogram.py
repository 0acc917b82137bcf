"""Nomograms: the axes and points of rms, and that reading one gives the model's prediction."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.cox import fit_cox, predict_cox, predict_survival
from NPCResponseLib.statistics.logistic import fit_logistic, predict_logistic
from NPCResponseLib.statistics.nomogram import cox_nomogram, logistic_nomogram, pretty
from Testing.statistics_reference import case, check, table

COLUMNS = table("clin_120.csv")


def logistic(names=("age", "stage", "marker"), factors=("stage",)):
    predictors = {name: COLUMNS[name] for name in names}
    return fit_logistic(predictors, COLUMNS["y"], factors=factors, profile=False)


def cox():
    predictors = {name: COLUMNS[name] for name in ("age", "marker")}
    fit = fit_cox(predictors, COLUMNS["time"], COLUMNS["event"])
    return fit, predict_cox(fit, predictors)


@pytest.mark.parametrize(
    ("expected", "nomogram"),
    [
        (case("nomogram", "logistic_120"), logistic_nomogram(logistic())),
        (case("nomogram", "cox_120"), cox_nomogram(*cox(), 36)),
    ],
    ids=["logistic", "cox"],
)
def test_axes_and_points_are_those_of_rms(expected, nomogram):
    assert [axis.name for axis in nomogram.axes] == list(expected["axes"])
    for axis in nomogram.axes:
        theirs = expected["axes"][axis.name]
        assert axis.labels == tuple(f"{value:g}" if not isinstance(value, str) else value for value in theirs["values"])
        check("nomogram", axis.points, theirs["points"])
        check("nomogram", axis.contribution, theirs["Xbeta"])
    check("nomogram", nomogram.total_points, expected["total_points_axis"])
    values, points = zip(*nomogram.linear_predictor, strict=True)
    check("nomogram", values, expected["lp_axis"]["lp"])
    check("nomogram", points, expected["lp_axis"]["points"])
    ours = sorted(nomogram.outcome_axis)
    theirs = sorted(zip(expected["fun_axis"]["value"], expected["fun_axis"]["points"], strict=True))
    check("nomogram", ours, theirs)
    check("nomogram", nomogram.intercept, expected["info"]["Intercept"])
    check("nomogram", nomogram.points_per_unit, expected["info"]["sc"])


def test_reading_a_logistic_nomogram_gives_the_model_s_probability():
    fit = logistic()
    nomogram = logistic_nomogram(fit)
    patient = {"age": 57.3, "stage": 3, "marker": 0.25}
    read = expit(nomogram.linear_predictor_at(nomogram.points(patient)))
    assert read == pytest.approx(predict_logistic(fit, {k: [v] for k, v in patient.items()}).probability[0], rel=1e-10)


def test_reading_a_cox_nomogram_gives_the_model_s_survival():
    fit, eta = cox()
    nomogram = cox_nomogram(fit, eta, 36)
    patient = {"age": 61, "marker": -0.7}
    points = nomogram.points(patient)
    survival = predict_survival(fit, {k: [v] for k, v in patient.items()}, [36])[0, 0]
    for chance, at in nomogram.outcome_axis:
        assert (chance > survival) == (at < points)


def test_a_variable_with_few_values_shows_just_those():
    fit = logistic(names=("sex", "age"), factors=())
    axis = logistic_nomogram(fit).axes[0]
    assert axis.labels == tuple(f"{value:g}" for value in np.unique(COLUMNS["sex"]))


def test_a_protective_variable_starts_at_its_high_end():
    fit = fit_logistic({"against": -COLUMNS["marker"]}, COLUMNS["y"], profile=False)
    points = logistic_nomogram(fit).axes[0].points
    assert (points[0], points[-1]) == pytest.approx((100, 0))


def test_unknown_values_and_times_without_events_are_refused():
    nomogram = logistic_nomogram(logistic())
    with pytest.raises(InputError, match='no value for "marker"'):
        nomogram.points({"age": 50, "stage": 3})
    with pytest.raises(InputError, match="has no tick"):
        nomogram.points({"age": 50, "stage": "IVa", "marker": 0})
    with pytest.raises(InputError, match=r"no event up to 0\.5"):
        cox_nomogram(*cox(), 0.5)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (17, 76, np.arange(15, 81, 5)),
        (0, 1, np.arange(0, 1.01, 0.1)),
        (-2.1, 2.3, np.arange(-2.5, 2.6, 0.5)),
        (0, 30, np.arange(0, 31, 5)),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, ticks):
    assert pretty(low, high, 10) == pytest.approx(ticks)


def test_a_model_without_any_effect_cannot_be_drawn():
    fit = fit_logistic({"x": [0, 0, 1, 1]}, [0, 1, 0, 1])
    still = replace(fit, coefficients=tuple(replace(one, beta=0.0) for one in fit.coefficients))
    with pytest.raises(InputError, match="no predictor has any effect"):
        logistic_nomogram(still)
