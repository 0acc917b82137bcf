"""Sample sizes against published examples and simulation."""

import math

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.delong import compare_markers
from NPCResponseLib.statistics.roc import analyze_roc
from NPCResponseLib.statistics.sample_size import (
    auc_difference_power,
    auc_power,
    events_per_variable,
    expected_shrinkage,
    model_sample_size,
    r2_from_c_statistic,
    small_sample_warnings,
)


def test_riley_s_published_examples():
    # Riley et al. 2020, BMJ 368:m441: 24 parameters, prevalence 0.174, R2 0.288 need 662 patients.
    found = model_sample_size(24, 0.174, r2_cox_snell=0.288)
    assert (found.n, found.n_for_shrinkage, found.n_for_prevalence) == (662, 623, 221)
    assert found.events == pytest.approx(115.2, abs=0.05)
    assert found.events_per_parameter == pytest.approx(4.8, abs=0.01)


def test_expected_shrinkage_inverts_the_criterion():
    found = model_sample_size(24, 0.174, r2_cox_snell=0.288)
    assert expected_shrinkage(found.n_for_shrinkage, 24, 0.288) == pytest.approx(0.9, abs=2e-4)
    assert expected_shrinkage(10_000, 24, 0.288) > 0.99
    assert expected_shrinkage(100, 24, 0.288) < 0.65


def test_r2_of_a_c_statistic_is_that_of_a_simulated_cohort():
    rng = np.random.default_rng(8)
    n, prevalence, apart = 400_000, 0.3, 1.2
    y = rng.random(n) < prevalence
    x = rng.normal(size=n) + apart * y
    p = 1 / (1 + np.exp(-(math.log(prevalence / (1 - prevalence)) - apart**2 / 2 + apart * x)))
    model, null = np.mean(np.log(np.where(y, p, 1 - p))), np.mean(np.log(np.where(y, prevalence, 1 - prevalence)))
    c = 0.5 * (1 + math.erf(apart / 2))
    assert r2_from_c_statistic(c, prevalence) == pytest.approx(1 - math.exp(2 * (null - model)), abs=0.003)
    assert model_sample_size(6, prevalence, c_statistic=c).r2_cox_snell == r2_from_c_statistic(c, prevalence)


def test_power_of_an_auc_is_that_of_simulated_cohorts():
    rng = np.random.default_rng(9)
    labels = np.repeat([1, 0], [26, 15])
    apart = 0.9538726 * math.sqrt(2) * 0.5243
    rejected = []
    for _ in range(600):
        result = analyze_roc(labels, rng.normal(size=41) + apart * labels, direction="above")
        rejected.append(result.p < 0.05)
    auc = 0.5 * (1 + math.erf(apart / 2))
    assert auc_power(auc, 26, 15).power == pytest.approx(np.mean(rejected), abs=0.07)


def test_power_of_a_difference_is_that_of_simulated_cohorts():
    rng = np.random.default_rng(10)
    labels = np.repeat([1, 0], [60, 60])
    shifts = np.array([[1.19], [0.74]])  # AUC 0.80 and 0.70
    rejected, correlations = [], []
    for _ in range(400):
        markers = math.sqrt(0.5) * (rng.normal(size=120) + rng.normal(size=(2, 120))) + shifts * labels
        test = compare_markers(labels, {"a": markers[0], "b": markers[1]})[0]
        rejected.append(test.p < 0.05)
        variances = [analyze_roc(labels, marker).variance for marker in markers]
        correlations.append(test.covariance / math.sqrt(variances[0] * variances[1]))
    found = auc_difference_power(0.80, 0.70, 60, 60, correlation=float(np.mean(correlations)))
    assert found.power == pytest.approx(np.mean(rejected), abs=0.08)


def test_patients_needed_reach_the_power_and_no_fewer_do():
    found = auc_difference_power(0.897, 0.954, 26, 15, correlation=0.1)
    assert found.power < 0.25 and any("below 0.8" in note for note in found.warnings)
    needed = found.n_positive_needed, found.n_negative_needed
    assert auc_difference_power(0.897, 0.954, *needed, correlation=0.1).power >= 0.8
    fewer = tuple(n - 4 for n in needed)
    assert auc_difference_power(0.897, 0.954, *fewer, correlation=0.1).power < 0.8
    assert needed[0] / needed[1] == pytest.approx(26 / 15, rel=0.02)
    assert auc_power(0.5, 20, 20).n_positive_needed is None
    assert auc_power(0.5, 20, 20).power == pytest.approx(0.05)


def test_more_correlation_gives_more_power():
    powers = [auc_difference_power(0.8, 0.7, 40, 40, correlation=r).power for r in (0.0, 0.4, 0.8)]
    assert powers == sorted(powers) and powers[0] < powers[2]


def test_events_are_those_of_the_rarer_class():
    found = events_per_variable(36, 19, 3)
    assert found.events_per_variable == pytest.approx(19 / 3) and found.verdict == "few"
    assert "6.3 events" in found.warnings[0]
    assert events_per_variable(40, 200, 4).verdict == "enough" and not events_per_variable(40, 200, 4).warnings
    assert events_per_variable(4, 200, 4).verdict == "far too few"


def test_small_groups_are_named():
    notes = small_sample_warnings((26, 15), ("RG", "NRG"))
    assert len(notes) == 1 and notes[0].startswith("NRG: 15 patients")
    assert any("external" in note for note in small_sample_warnings((120, 60), ("a", "b"), external=True))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: model_sample_size(5, 0.2), "one of the two"),
        (lambda: model_sample_size(5, 0.2, r2_cox_snell=0.1, c_statistic=0.7), "one of the two"),
        (lambda: model_sample_size(5, 0.2, r2_cox_snell=0.7), "must lie between"),
        (lambda: model_sample_size(0, 0.2, r2_cox_snell=0.1), "needs a parameter"),
        (lambda: r2_from_c_statistic(0.4, 0.2), "between 0.5 and 1"),
        (lambda: expected_shrinkage(2, 100, 0.288), "too few"),
        (lambda: auc_power(1.0, 20, 20), "between 0 and 1"),
        (lambda: auc_power(0.8, 0, 20), "both classes|no standard error"),
        (lambda: auc_difference_power(0.8, 0.7, 20, 20, correlation=1), "between -1 and 1"),
        (lambda: auc_power(0.8, 20, 20, alpha=0), "alpha"),
        (lambda: events_per_variable(10, 10, 0), "at least one"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()


def test_a_perfect_r2_has_no_expected_shrinkage():
    with pytest.raises(InputError, match="R2 between 0 and 1"):
        expected_shrinkage(10, 1, 1 - 1e-12)
