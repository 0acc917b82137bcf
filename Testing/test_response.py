"""Changes with their errors, atrophy rate, and the groups of the papers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.response import (
    BLOOD_FLOW_UNIT,
    Criteria,
    Grouping,
    LesionMeasurement,
    LesionStatus,
    MeasuredValue,
    Stage,
    TimePointValues,
    assess_recist,
    atrophy_rate,
    largest_plane,
    lesion_atrophy,
    r2star_increase_hz,
    relative_difference_percent,
    responder_group,
    tbf_decrease_ml_per_100g_min,
)
from NPCResponseLib.time_points import plain_values, same_unit


def r2star(value, se=None, **conditions):
    return MeasuredValue(value, se, "Hz", **conditions)


def flow(value, se=None, **conditions):
    return MeasuredValue(value, se, BLOOD_FLOW_UNIT, **conditions)


# -- differences --


def test_the_two_papers_subtract_the_other_way_round():
    rise = r2star_increase_hz(r2star(45.9, 0.3), r2star(66.4, 0.4))  # the patient of Xu 2023, figure 2
    assert rise.measured.value == pytest.approx(20.5)
    assert rise.formula == "dR2* = post - pre = 66.4 - 45.9 = 20.5 Hz"
    fall = tbf_decrease_ml_per_100g_min(flow(170.67), flow(107.73))  # the patient of Liu 2022, figure 4
    assert fall.measured.value == pytest.approx(62.94)
    assert fall.formula == "dTBF = pre - post = 170.7 - 107.7 = 62.94 mL/100g/min"
    assert (rise.percent, fall.percent) == pytest.approx((100 * 20.5 / 45.9, 100 * 62.94 / 170.67))


def test_independent_errors_add_in_quadrature():
    assert r2star_increase_hz(r2star(44, 3), r2star(58, 4)).measured.standard_error == pytest.approx(5)
    assert r2star_increase_hz(r2star(44, 3), r2star(58)).measured.standard_error is None


def test_error_of_the_change_is_that_of_a_simulation():
    random = np.random.default_rng(3)
    pre, post = 150 + 4 * random.standard_normal(200_000), 90 + 3 * random.standard_normal(200_000)
    change = tbf_decrease_ml_per_100g_min(flow(150, 4), flow(90, 3))
    assert change.measured.standard_error == pytest.approx(np.std(pre - post), rel=0.01)
    assert change.percent_se == pytest.approx(np.std(100 * (pre - post) / pre), rel=0.01)


def test_few_degrees_of_freedom_are_kept():
    change = r2star_increase_hz(r2star(44, 1, degrees_of_freedom=4), r2star(58, 1, degrees_of_freedom=4))
    assert change.measured.degrees_of_freedom == pytest.approx(8)  # Welch with equal variances
    low, high = change.measured.interval()
    assert high - low == pytest.approx(2 * 2.306004 * 2**0.5, rel=1e-6)
    assert r2star_increase_hz(r2star(44, 1), r2star(58, 1)).measured.degrees_of_freedom == math.inf


def test_conditions_that_differ_are_told():
    change = r2star_increase_hz(
        r2star(44, field_strength_t=3.0, roi_rule="largest-slice", method="NLLS"),
        r2star(58, field_strength_t=1.5, roi_rule="largest-slice"),
    )
    assert change.measured.field_strength_t is None and change.measured.roi_rule == "largest-slice"
    assert change.mismatches == ("The field strength differs: 3.0 T before and 1.5 T after.",)


def test_another_unit_is_refused_and_another_spelling_is_not():
    with pytest.raises(InputError, match="R2\\* is given in ms"):
        r2star_increase_hz(MeasuredValue(23, None, "ms"), r2star(58))
    assert r2star_increase_hz(MeasuredValue(44, None, "1/s"), r2star(58)).measured.value == 14
    assert same_unit("ml/min/100g", BLOOD_FLOW_UNIT) and same_unit("mL/(100 g)/min", BLOOD_FLOW_UNIT)
    assert not same_unit("mL/g/min", BLOOD_FLOW_UNIT) and not same_unit("MHz", "Hz")


@given(st.floats(-100, 300), st.floats(-100, 300), st.floats(0, 50), st.floats(0, 50))
def test_exchanging_the_time_points_changes_the_sign_only(pre, post, pre_se, post_se):
    there = r2star_increase_hz(r2star(pre, pre_se), r2star(post, post_se)).measured
    back = r2star_increase_hz(r2star(post, post_se), r2star(pre, pre_se)).measured
    assert there.value == -back.value
    assert there.standard_error == pytest.approx(back.standard_error)
    assert there.standard_error >= max(pre_se, post_se)


@given(st.floats(1, 300), st.floats(0, 300), st.floats(0.01, 100))
def test_percentages_do_not_depend_on_the_unit(earlier, later, factor):
    plain, _ = relative_difference_percent(earlier, later)
    scaled, _ = relative_difference_percent(factor * earlier, factor * later)
    assert scaled == pytest.approx(plain, abs=1e-9)
    assert relative_difference_percent(0, later) == (None, None)


# -- atrophy --


def test_atrophy_rate_of_the_paper_s_patients():
    """Liu et al. 2022, figures 3 and 4: 37.84 to 36.14 mm and 45.92 to 24.34 mm."""
    assert atrophy_rate(37.84, 36.14).percent == pytest.approx(4.4926, abs=1e-4)
    found = atrophy_rate(45.92, 24.34)
    assert found.percent == pytest.approx(46.9948, abs=1e-4)
    assert found.formula == "(45.92 mm - 24.34 mm) / 45.92 mm x 100 % = 47.0 %"


def test_error_of_the_atrophy_rate_is_that_of_a_simulation():
    random = np.random.default_rng(5)
    pre, post = 45 + 0.6 * random.standard_normal(200_000), 30 + 0.8 * random.standard_normal(200_000)
    found = atrophy_rate(45, 30, pre_se_mm=0.6, post_se_mm=0.8)
    assert found.standard_error_percent == pytest.approx(np.std(100 * (pre - post) / pre), rel=0.01)
    assert atrophy_rate(45, 30, pre_se_mm=0.6).standard_error_percent is None


def test_impossible_diameters_are_refused():
    with pytest.raises(InputError, match="before treatment must be positive"):
        atrophy_rate(0, 10)
    with pytest.raises(InputError, match="at least 0"):
        atrophy_rate(10, -1)


def test_after_treatment_the_plane_of_before_is_measured():
    pre = LesionMeasurement("tumor", diameters_by_plane={"axial": 37.0, "coronal": 42.0, "sagittal": 40.0})
    post = LesionMeasurement("tumor", diameters_by_plane={"axial": 36.0, "coronal": 21.0, "sagittal": 30.0})
    assert largest_plane(pre) == ("coronal", 42.0)
    found = lesion_atrophy(pre, post)
    assert (found.plane, found.atrophy.percent) == ("coronal", pytest.approx(50))


def test_plane_that_was_not_measured_again_is_told():
    pre = LesionMeasurement("tumor", diameters_by_plane={"axial": 37.0, "coronal": 42.0})
    found = lesion_atrophy(pre, LesionMeasurement("tumor", diameters_by_plane={"axial": 20.0}))
    assert found.atrophy is None and "in the coronal plane" in found.remark
    assert lesion_atrophy(pre, None).atrophy is None
    assert lesion_atrophy(LesionMeasurement("tumor"), pre).atrophy is None


def test_tumor_that_is_gone_has_shrunk_by_all():
    pre = LesionMeasurement("tumor", longest_mm=40, diameter_se_mm=0.5)
    found = lesion_atrophy(pre, LesionMeasurement("tumor", status=LesionStatus.ABSENT))
    assert (found.atrophy.percent, found.atrophy.standard_error_percent) == (100, 0)


@given(st.floats(1, 100), st.floats(0, 200), st.floats(0, 100))
def test_a_larger_diameter_after_treatment_is_less_atrophy(pre_mm, post_mm, more_mm):
    assert atrophy_rate(pre_mm, post_mm + more_mm).percent <= atrophy_rate(pre_mm, post_mm).percent <= 100


# -- groups --


def patient(stage, post, **values):
    def lesions(size):
        if size is None:
            return ()
        status = LesionStatus.ABSENT if size == 0 else LesionStatus.PRESENT
        return (LesionMeasurement("tumor", longest_mm=size, enhancing_mm=size, status=status),)

    return [
        TimePointValues("pre", Stage.PRE, lesions=lesions(50)),
        TimePointValues("post", stage, lesions=lesions(post), **values),
    ]


def group_of(grouping, points):
    return responder_group(grouping, points, assess_recist(points, grouping.criteria))


@pytest.mark.parametrize(
    ("grouping", "post_mm", "favorable", "group"),
    [
        (Grouping.RESPONSE_3_MONTHS, 0, True, "responding group (CR or PR)"),
        (Grouping.RESPONSE_3_MONTHS, 35, True, "responding group (CR or PR)"),
        (Grouping.RESPONSE_3_MONTHS, 36, False, "non-responding group (SD or PD)"),
        (Grouping.RESPONSE_3_MONTHS, 60, False, "non-responding group (SD or PD)"),
        (Grouping.RESPONSE_40_GY, 35, True, "partial response"),
        (Grouping.RESPONSE_40_GY, 36, False, "stable disease"),
        (Grouping.RESPONSE_40_GY, 0, None, ""),  # the paper has neither CR nor PD at 40 Gy
        (Grouping.RESPONSE_40_GY, 60, None, ""),
        (Grouping.RESIDUAL_1_MONTH, 0, True, "no residual tumor"),
        (Grouping.RESIDUAL_1_MONTH, 5, False, "residual tumor"),
        (Grouping.EFFECTIVE_3_MONTHS, 35, True, "effective (CR or PR)"),
        (Grouping.EFFECTIVE_3_MONTHS, 60, False, "ineffective (SD or PD)"),
    ],
)
def test_groups_are_those_of_the_papers(grouping, post_mm, favorable, group):
    found = group_of(grouping, patient(grouping.stage, post_mm))
    assert (found.favorable, found.group, found.time_point) == (favorable, group, "post")


@pytest.mark.parametrize("grouping", Grouping)
def test_group_is_told_at_its_own_time_only(grouping):
    found = group_of(grouping, patient(Stage.OTHER, 20))
    assert (found.favorable, found.group, found.time_point) == (None, "", "")
    assert "There is no time point" in found.reason


@pytest.mark.parametrize("grouping", Grouping)
def test_group_is_not_told_without_lesions(grouping):
    found = group_of(grouping, patient(grouping.stage, None))
    assert found.favorable is None and found.reason


def test_what_the_radiologist_says_of_residual_tumor_counts():
    found = group_of(Grouping.RESIDUAL_1_MONTH, patient(Stage.MONTH_1, 5, residual_tumor=False))
    assert found.favorable is True and "It is stated" in found.reason


def test_another_dose_than_40_gy_is_remarked():
    points = patient(Stage.MID, 30, dose_gy=50.0)
    assert "at 40 Gy, this is at 50 Gy" in group_of(Grouping.RESPONSE_40_GY, points).remarks[0]
    assert group_of(Grouping.RESPONSE_40_GY, patient(Stage.MID, 30, dose_gy=40.0)).remarks == ()


def test_only_the_radiomics_paper_uses_mrecist():
    assert [one for one in Grouping if one.criteria is Criteria.MRECIST] == [Grouping.EFFECTIVE_3_MONTHS]


# -- values --


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((float("nan"), None, "Hz"), "must be a number"),
        ((44, -1, "Hz"), "standard error must be a number of at least 0"),
        ((44, None, " "), "has no unit"),
    ],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        MeasuredValue(*values)


def test_value_of_another_kind_is_refused_with_its_time_point():
    with pytest.raises(InputError, match="time point pre: tumor blood flow is given in mL/g/min"):
        TimePointValues("pre", tbf=MeasuredValue(1.5, None, "mL/g/min"))


def test_plain_values_hold_nothing_that_json_cannot():
    found = plain_values(MeasuredValue(np.float32(2.5), np.float64(1), "Hz", n_used=np.int64(3)))
    assert found["degrees_of_freedom"] is None
    assert [type(found[name]) for name in ("value", "standard_error", "n_used")] == [float, float, int]
