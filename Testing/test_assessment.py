"""One patient from measured values: whole, and with anything missing."""

import itertools
import json

import pytest

from NPCResponseLib.assessment import (
    LesionMeasurement,
    LesionStatus,
    MeasuredValue,
    PatientValues,
    Quantity,
    Recist,
    Stage,
    TimePointValues,
    Treatment,
    assess_patient,
)
from NPCResponseLib.errors import InputError
from NPCResponseLib.repeatability import given_repeatability

ROI_BOLD, ROI_ASL = "Slice with the largest area", "Largest slice and its two neighbors; mean of the slices' means"


def r2star(value, **conditions):
    return MeasuredValue(value, 0.4, "Hz", 300, **{"roi_rule": ROI_BOLD, "field_strength_t": 3.0, **conditions})


def flow(value, **conditions):
    known = {"roi_rule": ROI_ASL, "field_strength_t": 3.0, "post_labeling_delay_ms": 2025.0, "method": "Single delay"}
    return MeasuredValue(value, 2.0, "mL/100g/min", 300, **{**known, **conditions})


def tumor(axial, coronal, sagittal):
    planes = {"axial": axial, "coronal": coronal, "sagittal": sagittal}
    return LesionMeasurement(
        "tumor", longest_mm=axial, diameters_by_plane=planes, diameter_se_mm=0.4, enhancing_mm=axial
    )


GONE = LesionMeasurement("tumor", status=LesionStatus.ABSENT)
PRE = TimePointValues("pre", Stage.PRE, -5.0, 0.0, r2star(44), flow(158), (tumor(40.0, 46.0, 42.0),))
MID = TimePointValues("40 Gy", Stage.MID, 28.0, 40.0, None, flow(88), (tumor(26.0, 29.9, 35.0),), new_lesions=False)
END = TimePointValues("end", Stage.END, 50.0, 70.0, r2star(58))
MONTH_1 = TimePointValues("1 month", Stage.MONTH_1, 80.0, lesions=(GONE,), new_lesions=False)
MONTH_3 = TimePointValues("3 months", Stage.MONTH_3, 140.0, lesions=(GONE,), new_lesions=False)
WHOLE = PatientValues(
    "case 12",
    (MONTH_3, PRE, END, MID, MONTH_1),
    Treatment(70.0, 35),
    {Quantity.R2STAR: given_repeatability(6.0, "Hz")},
    {"response-3-months": 0.8},
)


@pytest.fixture(scope="module")
def whole():
    return assess_patient(WHOLE)


def test_time_points_are_sorted_and_the_dose_is_converted(whole):
    assert [point.name for point in whole.time_points] == ["pre", "40 Gy", "end", "1 month", "3 months"]
    assert whole.baseline == "pre"
    assert whole.dose.biologically_effective_dose_gy == pytest.approx(84)


def test_response_is_told_at_each_time_point(whole):
    assert [(verdict.time_point, verdict.category) for verdict in whole.recist] == [
        ("40 Gy", Recist.PR),  # 26 of 40 mm in the axial plane: -35 %
        ("end", Recist.NE),
        ("1 month", Recist.CR),
        ("3 months", Recist.CR),
    ]
    assert [verdict.category for verdict in whole.mrecist] == [verdict.category for verdict in whole.recist]


def test_atrophy_is_measured_in_the_plane_of_before(whole):
    first = whole.atrophy[0]
    assert (first.time_point, first.lesion.plane) == ("40 Gy", "coronal")
    assert first.lesion.atrophy.percent == pytest.approx(35)
    assert first.judgment.verdict.value == "exceeds"


def test_changes_have_the_papers_signs_and_are_judged(whole):
    rise, fall = (
        next(found for found in whole.changes if found.change.quantity is quantity)
        for quantity in (Quantity.R2STAR_INCREASE, Quantity.TBF_DECREASE)
    )
    assert (rise.time_point, rise.change.measured.value, rise.judgment.basis) == (
        "end",
        14,
        "repeatability coefficient",
    )
    assert (fall.time_point, fall.change.measured.value, fall.judgment.basis) == ("40 Gy", 70, "measurement error")
    assert rise.change.measured.standard_error == pytest.approx(0.4 * 2**0.5)


def test_groups_are_told(whole):
    assert {group.grouping.value: group.favorable for group in whole.groups} == {
        "response-3-months": True,
        "response-40-gy": True,
        "residual-1-month": True,
        "effective-3-months": True,
    }


def test_each_rule_is_applied_to_the_time_point_that_it_is_made_for(whole):
    found = {result.rule.id: (result.baseline, result.time_point, result.value) for result in whole.rules}
    assert found == {
        "xu2023-r2star-post": ("", "end", 58),
        "xu2023-r2star-increase": ("pre", "end", 14),
        "liu2022-tbf-pre-response": ("", "pre", 158),
        "liu2022-tbf-40gy-response": ("", "40 Gy", 88),
        "liu2022-tbf-decrease-response": ("pre", "40 Gy", 70),
        "liu2022-tbf-pre-residual": ("", "pre", 158),
        "liu2022-tbf-40gy-residual": ("", "40 Gy", 88),
        "liu2022-tbf-decrease-residual": ("pre", "40 Gy", 70),
    }
    assert not any(result.conditions_not_met for result in whole.rules)
    by_id = {result.rule.id: result for result in whole.rules}
    assert by_id["xu2023-r2star-post"].prevalence == 0.8
    assert by_id["liu2022-tbf-pre-response"].prevalence == pytest.approx(36 / 55)


def test_trend_has_one_row_per_value_with_one_sign_for_all(whole):
    rows = {(row.what, row.time_point): row for row in whole.trend}
    assert rows["R2*", "end"].change_from_baseline == 14
    fall = rows["Tumor blood flow", "40 Gy"]
    assert (fall.change_from_baseline, fall.percent_change_from_baseline) == (-70, pytest.approx(-70 / 1.58))
    assert fall.change_se == pytest.approx(8**0.5)
    assert rows["R2*", "pre"].change_from_baseline is None
    assert [row.value for row in whole.trend if row.what == "Sum of diameters"] == [40, 26, 0, 0]
    assert [row.value for row in whole.trend if "coronal" in row.what] == [46, 29.9, 0, 0]
    assert all(row.standard_error is not None for row in whole.trend)


def test_summary_begins_with_the_verdict(whole):
    assert whole.summary[0] == (
        "Complete response by RECIST 1.1 at 3 months: the sum of diameters changed by -100.0 % to 0 mm."
    )
    assert any("near the cutoff" in sentence for sentence in whole.summary)  # 88 beside 87.031


def test_what_is_missing_is_said(whole):
    assert any(sentence.startswith("RECIST at end: No lesion was looked at") for sentence in whole.cannot_be_told)


def test_result_is_plain_json(whole):
    text = json.dumps(whole.to_dict(), allow_nan=False)
    assert json.loads(text)["recist"][0]["category"] == "PR"


def test_only_r2star():
    points = (
        TimePointValues("pre", Stage.PRE, r2star=r2star(48)),
        TimePointValues("end", Stage.END, r2star=r2star(38)),
    )
    found = assess_patient(PatientValues("x", points))
    assert found.recist == () and found.atrophy == () and found.groups == () and found.dose is None
    assert [result.predicted_class for result in found.rules] == ["non-responding group (SD or PD)"] * 2
    text = " ".join(found.cannot_be_told)
    for words in (
        "dTBF (pre - post): Tumor blood flow was not measured at any time",
        "no lesion was recorded at pre",
        "the prescribed dose is not known",
        "Response 3 months after treatment: There is no time point",
    ):
        assert words in text


def test_only_diameters():
    points = tuple(
        TimePointValues(name, stage, lesions=(LesionMeasurement("tumor", longest_mm=size),))
        for name, stage, size in (("pre", Stage.PRE, 40), ("3 months", Stage.MONTH_3, 36))
    )
    found = assess_patient(PatientValues("x", points))
    assert found.recist[0].category is Recist.SD
    assert [group.group for group in found.groups] == ["non-responding group (SD or PD)"]
    assert found.atrophy[0].lesion.atrophy.percent == pytest.approx(10)
    assert found.rules == () and found.changes == ()
    assert any("Published rules without a value" in sentence for sentence in found.cannot_be_told)
    assert any("new lesions at 3 months was not stated" in sentence for sentence in found.assumptions)


def test_one_time_point():
    found = assess_patient(PatientValues("x", (PRE,)))
    assert found.changes == found.recist == found.atrophy == ()
    assert {result.rule.id for result in found.rules} == {"liu2022-tbf-pre-response", "liu2022-tbf-pre-residual"}
    assert found.cannot_be_told[0] == "There is no time point after pre: changes and response cannot be told."


def test_value_at_another_time_is_judged_and_the_condition_named():
    points = (PRE, TimePointValues("late", Stage.MONTH_3, 140.0, r2star=r2star(58, field_strength_t=1.5)))
    found = assess_patient(PatientValues("x", points))
    result = next(result for result in found.rules if result.rule.id == "xu2023-r2star-post")
    time, field = result.conditions_not_met
    assert time.endswith("within a week of the end of treatment; this one: 3 months after the end of treatment.")
    assert field == "The paper's field strength is 3 T; here it is 1.5 T."
    assert any("The field strength differs" in sentence for sentence in found.warnings)
    assert "2 used under other conditions" in found.summary[-1]


def test_of_several_other_times_the_first_is_taken():
    later = (
        TimePointValues(name, Stage.OTHER, day, r2star=r2star(value))
        for name, day, value in (("a", 90, 50), ("b", 99, 60))
    )
    found = assess_patient(PatientValues("x", (PRE, *later)))
    assert {result.time_point for result in found.rules if result.unit == "Hz"} == {"a"}


def test_without_a_time_before_treatment_the_first_is_the_baseline_and_that_is_said():
    points = (TimePointValues("a", r2star=r2star(44)), TimePointValues("b", r2star=r2star(50)))
    found = assess_patient(PatientValues("x", points))
    assert found.baseline == "a"
    assert "No time point is said to be before treatment; a is taken as the baseline." in found.assumptions
    assert any("order in which they are given" in sentence for sentence in found.assumptions)


def test_old_baseline_is_remarked():
    early = TimePointValues("pre", Stage.PRE, -40.0, r2star=r2star(44))
    assert any(
        "40 days before" in sentence for sentence in assess_patient(PatientValues("x", (early, END))).assumptions
    )


def test_any_subset_of_values_can_be_assessed():
    """Whatever is left out: a result that JSON can hold, with sentences for what is missing."""
    fields = ({"r2star": None}, {"tbf": None}, {"lesions": ()})
    for count in range(4):
        for left_out in itertools.combinations(fields, count):
            gone = {name: value for part in left_out for name, value in part.items()}
            points = tuple(
                TimePointValues(**{**{name: getattr(point, name) for name in point.__dataclass_fields__}, **gone})
                for point in WHOLE.time_points
            )
            found = assess_patient(PatientValues("x", points))
            json.dumps(found.to_dict(), allow_nan=False)
            assert found.cannot_be_told
            assert bool(found.recist) == ("lesions" not in gone)
            assert any(found.change.quantity is Quantity.TBF_DECREASE for found in found.changes) == ("tbf" not in gone)


@pytest.mark.parametrize(
    ("patient", "message"),
    [
        (PatientValues("x", ()), "there is no time point"),
        (PatientValues("x", (PRE, PRE)), "the time point 'pre' occurs 2 times"),
        (PatientValues("x", (PRE,), prevalence={"response": 0.5}), "there is no group 'response'"),
        (
            PatientValues("x", (PRE, END), repeatability={Quantity.R2STAR: given_repeatability(5, "ms")}),
            "the repeatability coefficient is in ms",
        ),
    ],
)
def test_mistakes_are_refused(patient, message):
    with pytest.raises(InputError, match=message):
        assess_patient(patient)


def test_dose_without_fractions_is_no_obstacle():
    found = assess_patient(PatientValues("x", (PRE,), Treatment(70.0)))
    assert found.dose is None
    assert any("neither fractions nor dose per fraction" in sentence for sentence in found.cannot_be_told)
