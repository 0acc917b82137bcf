"""Calibration: R's glm, ResourceSelection and rms on given probabilities; bins with ties; predictions of 0 and 1."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.calibration import calibrate, hosmer_lemeshow, recalibrated
from NPCResponseLib.statistics.lowess import lowess
from Testing.statistics_reference import cases, check, table

CASES = cases("calibration_dca")
IDS = [case["case"] for case in CASES]


def given(case):
    columns = table(case["data"])
    return columns[case["outcome"]], columns[case["probability"]]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_slope_intercept_and_scores_are_r_s(case):
    found = calibrate(*given(case))
    large, slope = case["calibration_in_the_large"], case["calibration_slope"]
    for ours, theirs in (
        (found.n, case["n"]),
        (found.events, case["events"]),
        (found.brier, case["brier"]),
        (found.brier_scaled, case["brier_scaled"]),
        (found.log_loss, case["log_loss"]),
        (found.in_the_large, large["intercept"]),
        (found.in_the_large_se, large["se"]),
        (found.slope, slope["slope"]),
        (found.slope_se, slope["slope_se"]),
        (found.slope_ci, slope["slope_ci_wald"]),
        (found.intercept, slope["intercept"]),
        (found.observed_expected_ratio, case["observed_expected_ratio"]),
        (found.spiegelhalter_z, case["spiegelhalter"]["z"]),
        (found.spiegelhalter_p, case["spiegelhalter"]["p"]),
    ):
        check("calibration_dca", ours, theirs)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_val_prob_s_indices_are_those_of_rms(case):
    y, p = given(case)
    found, expected = calibrate(y, p), case["rms_val_prob"]
    for ours, key in (
        (found.nagelkerke_r2, "R2"),
        (found.discrimination_d, "D"),
        (found.discrimination_chi2, "D:Chi-sq"),
        (found.unreliability_u, "U"),
        (found.unreliability_chi2, "U:Chi-sq"),
        (found.unreliability_p, "U:p"),
        (found.quality_q, "Q"),
        (found.brier, "Brier"),
        (found.intercept, "Intercept"),
        (found.slope, "Slope"),
        (found.e_max, "Emax"),
        (found.e_90, "E90"),
        (found.e_average, "Eavg"),
        (found.spiegelhalter_z, "S:z"),
        (found.spiegelhalter_p, "S:p"),
    ):
        check("calibration_dca", ours, expected[key])
    # rms counts pairs after binning a linear predictor in steps of 0.002; ours are exact (the AUC of pROC).
    check("calibration_dca", found.indices.c, expected["C (ROC)"], rtol=0, atol=1.5e-4)
    check("calibration_dca", found.indices.dxy, expected["Dxy"], rtol=0, atol=3e-4)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_hosmer_lemeshow_is_resource_selection_s(case):
    for expected in case["hosmer_lemeshow_ResourceSelection"]:
        found = hosmer_lemeshow(*given(case), groups=expected["g_asked"])
        check("calibration_dca", found.chi2, expected["chi2_empty_groups_dropped"])
        check("calibration_dca", found.p, expected["p_empty_groups_dropped"])
        assert (found.df, found.groups) == (expected["df"], expected["groups_nonempty"])
        assert len(found.bins) == expected["groups"]
        assert [one.n for one in found.bins] == expected["n"]
        assert [one.events for one in found.bins] == expected["observed_events"]
        check("calibration_dca", [one.expected_events for one in found.bins], expected["expected_events"])
        assert bool(found.warnings) is bool(expected["warnings"])
        if expected["chi2"] != "NaN":  # an empty group, which R cannot do
            outside = hosmer_lemeshow(*given(case), groups=expected["g_asked"], development=False)
            check("calibration_dca", outside.p, expected["p_external_df_groups"])
            assert outside.df == expected["groups"]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_tenths_are_r_s_quantile_bins(case):
    found, expected = calibrate(*given(case)).bins, case["quantile_bins_10"]
    check("calibration_dca", [*(one.low for one in found), found[-1].high], expected["edges_type7"])
    assert [one.n for one in found] == expected["n"]
    check("calibration_dca", [one.mean_predicted for one in found], expected["mean_predicted"])
    check("calibration_dca", [one.observed for one in found], expected["observed"])


def test_the_smooth_curve_of_a_score_with_few_values_is_r_s():
    # R 4.2.2: lowess(p, y, iter = 0) and rms 6.5-0 val.prob(p, y); two thirds of the patients have the same prediction.
    p = [0.1] * 14 + [0.2, 0.2, 0.4, 0.6, 0.6, 0.9]
    y = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1]
    found = calibrate(y, p)
    heights = [0.142857142857143, 0.5, 0.708864789150873, 0.687362975880319, 0.870270327543179]
    assert [x for x, _ in found.curve] == [0.1, 0.2, 0.4, 0.6, 0.9]
    assert [height for _, height in found.curve] == pytest.approx(heights, rel=1e-12)
    assert found.e_max == pytest.approx(0.3088647891509, rel=1e-11)
    assert found.e_90 == pytest.approx(0.3, rel=1e-11)
    assert found.e_average == pytest.approx(0.0856660206684, rel=1e-11)


@pytest.mark.parametrize("n", [2, 3, 40, 400])
def test_local_lines_through_a_line_are_that_line(n):
    x = np.sort(np.random.default_rng(n).random(n))
    np.testing.assert_allclose(lowess(x, 3 - 2 * x, span=2 / 3, step=0.01), 3 - 2 * x, atol=1e-9)


def test_recalibration_undoes_what_calibration_finds():
    rng = np.random.default_rng(1)
    eta = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 0.6 * eta)))).astype(float)
    found = calibrate(y, 1 / (1 + np.exp(-eta)))
    assert found.slope == pytest.approx(0.6, abs=0.12)
    assert found.intercept == pytest.approx(0.5, abs=0.12)
    again = calibrate(y, recalibrated(found, 1 / (1 + np.exp(-eta))))
    assert (again.slope, again.intercept, again.in_the_large) == pytest.approx((1, 0, 0), abs=1e-8)


def test_predictions_of_zero_and_one_are_counted_and_a_sure_miss_costs_everything():
    y, p = [0, 1, 0, 1, 1, 0, 1, 0], [0, 1, 0.2, 0.6, 0.4, 0.5, 0.7, 0.3]
    found = calibrate(y, p)
    assert found.n_certain == 2
    assert np.isfinite(found.log_loss)
    assert any("exactly 0 or 1" in warning for warning in found.warnings)
    assert calibrate([1, *y], [0, *p]).log_loss == np.inf


@pytest.mark.parametrize(
    ("p", "note"),
    [([0.1, 0.2, 0.3, 0.6, 0.7, 0.8], "separate the classes"), ([0.3] * 6, "all predictions are equal")],
)
def test_a_slope_that_does_not_exist_is_not_given(p, note):
    found = calibrate([0, 0, 0, 1, 1, 1], p)
    assert np.isnan(found.slope)
    assert any(note in warning for warning in found.warnings)
    assert np.isfinite(found.in_the_large)


def test_missing_values_are_counted():
    y, p = [0, 1, 0, 1, np.nan, 0], [0.1, 0.6, 0.4, 0.3, 0.5, np.nan]
    assert (calibrate(y, p).n, calibrate(y, p).n_missing) == (4, 2)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [0.3, 1.2], "outside 0 to 1"),
        ([1, 1], [0.3, 0.2], "class 1"),
        ([0, 1, 1], [0.3, 0.2], "different lengths"),
        ([0, 1], [0, 1], "too few predictions"),
    ],
)
def test_what_cannot_be_judged_is_refused(y, p, message):
    with pytest.raises(InputError, match=message):
        calibrate(y, p)


def test_hosmer_lemeshow_needs_three_groups():
    with pytest.raises(InputError, match="ties leave only 1"):
        hosmer_lemeshow([0, 0, 1, 1], [0.3] * 4)


def test_a_calibration_can_be_written_as_json():
    assert '"slope"' in json.dumps(asdict(calibrate(*given(CASES[0]))))


def test_predictions_that_are_sure_and_wrong_stay_finite():
    found = calibrate([0, 1, 1, 1, 0, 1], [0.3, 1e-300, 0.0, 0.0, 1 - 1e-16, 1e-300])
    assert np.isfinite(found.nagelkerke_r2) and found.nagelkerke_r2 < -1e100
    assert np.isnan(found.in_the_large) and "too sure" in found.warnings[-1]


def test_the_confidence_level_is_checked():
    with pytest.raises(InputError, match="confidence level"):
        calibrate([0, 1], [0.2, 0.4], confidence=1 - 1e-16)
