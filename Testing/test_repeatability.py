"""Repeatability coefficient by hand, its interval by simulation, and what is said of a change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.repeatability import Verdict, estimate_repeatability, given_repeatability, judge_change

PAIRS = [(40.0, 42.0), (50.0, 49.0), (35.0, 38.0), (60.0, 60.0)]


def test_pairs_by_hand():
    """wSD^2 = sum d^2 / (2 n) = (4 + 1 + 9 + 0) / 8 = 1.75; RC = 1.95996 x sqrt(2) x 1.32288 = 3.66675."""
    found = estimate_repeatability(PAIRS, "Hz")
    assert found.within_subject_sd == pytest.approx(1.75**0.5)
    assert found.coefficient == pytest.approx(3.66675, abs=1e-5)
    assert (found.n_subjects, found.degrees_of_freedom, found.unit) == (4, 4, "Hz")
    # Chi-squared with 4 degrees of freedom: 0.484419 and 11.143287 at 2.5 % and 97.5 %.
    assert found.interval == pytest.approx(
        (3.66675 * (4 / 11.143287) ** 0.5, 3.66675 * (4 / 0.484419) ** 0.5), rel=1e-5
    )
    assert any("4 subjects" in remark for remark in found.remarks)


def test_percent_is_the_root_mean_square_of_the_coefficients_of_variation():
    found = estimate_repeatability(PAIRS, "Hz", percent=True)
    squared = [((a - b) / ((a + b) / 2)) ** 2 / 2 for a, b in PAIRS]
    assert found.within_subject_sd == pytest.approx(100 * np.mean(squared) ** 0.5)
    assert found.unit == "%"


def test_unequal_numbers_of_repeats_are_pooled():
    found = estimate_repeatability([(1.0, 3.0), (4.0, 4.0, 7.0)], "Hz")
    assert found.within_subject_sd == pytest.approx(((2 + 6) / 3) ** 0.5)
    assert found.degrees_of_freedom == 3


def test_interval_covers_the_truth_as_often_as_it_says():
    """20 subjects, wSD 3: RC is 8.315. 2,000 studies: 95 % +- 4 standard errors of a share (0.0049)."""
    random = np.random.default_rng(7)
    true_rc = 1.959964 * 2**0.5 * 3
    covered = 0
    for _ in range(2000):
        pairs = random.normal(50, 15, (20, 1)) + random.normal(0, 3, (20, 2))
        low, high = estimate_repeatability(pairs, "Hz").interval
        covered += low <= true_rc <= high
    assert 0.93 < covered / 2000 < 0.97


def test_errors_that_grow_with_the_value_are_pointed_out():
    random = np.random.default_rng(1)
    pairs = [(value, value * (1 + random.normal(0, 0.1))) for value in np.linspace(5, 300, 40)]
    assert any("percent fits better" in remark for remark in estimate_repeatability(pairs, "Hz").remarks)
    assert not any("percent" in remark for remark in estimate_repeatability(np.tile(PAIRS, (10, 1)), "Hz").remarks)


@pytest.mark.parametrize(
    ("repeats", "options", "message"),
    [
        ([(1.0, 2.0)], {}, "at least two subjects"),
        ([(1.0, 2.0), (3.0,)], {}, "subject 2"),
        ([(1.0, 2.0), (3.0, float("nan"))], {}, "subject 2"),
        ([(1.0, 1.0), (3.0, 3.0)], {}, "do not differ at all"),
        ([(1.0, -1.0), (3.0, 4.0)], {"percent": True}, "positive means"),
    ],
)
def test_useless_studies_are_refused(repeats, options, message):
    with pytest.raises(InputError, match=message):
        estimate_repeatability(repeats, "Hz", **options)


def test_given_coefficient_implies_the_standard_deviation():
    assert given_repeatability(2.7718, "Hz").within_subject_sd == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="must be positive"):
        given_repeatability(0, "Hz")


def test_change_beyond_the_coefficient_exceeds_and_one_at_it_does_not():
    six = given_repeatability(6.0, "Hz")
    assert judge_change(-6.1, unit="Hz", repeatability=six).verdict is Verdict.EXCEEDS
    assert judge_change(6.0, unit="Hz", repeatability=six).verdict is Verdict.WITHIN
    sentence = judge_change(14.45, unit="Hz", repeatability=six, what="dR2*").sentence
    assert sentence == "dR2*: 14.4 Hz, which exceeds the repeatability coefficient of 6 Hz."


def test_change_inside_the_coefficient_s_own_interval_is_uncertain():
    found = estimate_repeatability(PAIRS, "Hz")
    judgment = judge_change(5.0, unit="Hz", repeatability=found)
    assert judgment.verdict is Verdict.EXCEEDS and judgment.uncertain
    assert "though inside its 95 % interval" in judgment.sentence
    assert not judge_change(20.0, unit="Hz", repeatability=found).uncertain


def test_percent_coefficient_judges_the_percentage():
    twenty = given_repeatability(20.0, "%")
    judgment = judge_change(68.0, unit="mL/100g/min", repeatability=twenty, change_percent=-43.0)
    assert (judgment.verdict, judgment.change, judgment.unit) == (Verdict.EXCEEDS, -43.0, "%")
    assert judge_change(1.0, unit="Hz", repeatability=twenty).verdict is Verdict.UNKNOWN


def test_without_a_coefficient_the_measurement_error_judges_and_says_what_it_leaves_out():
    judgment = judge_change(3.0, unit="Hz", standard_error=1.0)
    assert judgment.verdict is Verdict.EXCEEDS and judgment.limit == pytest.approx(1.959964, abs=1e-6)
    assert "how much repeated examinations differ is not known" in judgment.sentence
    assert judge_change(judgment.limit, unit="Hz", standard_error=1.0).verdict is Verdict.WITHIN
    # Few degrees of freedom widen it: t(4) is 2.776 at 97.5 %.
    assert judge_change(2.5, unit="Hz", standard_error=1.0, degrees_of_freedom=4).verdict is Verdict.WITHIN
    assert judge_change(3.0, unit="Hz").verdict is Verdict.UNKNOWN


def test_coefficient_in_another_unit_is_refused():
    with pytest.raises(InputError, match="is in ms, the change in Hz"):
        judge_change(3.0, unit="Hz", repeatability=given_repeatability(2.0, "ms"))


@given(
    st.lists(st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=2, max_size=20).filter(
        lambda pairs: any(abs(a - b) > 1e-3 for a, b in pairs)
    ),
    st.floats(0.1, 10),
)
def test_coefficient_scales_with_the_unit_and_percent_does_not(pairs, factor):
    scaled = [(factor * a, factor * b) for a, b in pairs]
    assert estimate_repeatability(scaled, "x").coefficient == pytest.approx(
        factor * estimate_repeatability(pairs, "x").coefficient
    )
    assert estimate_repeatability(scaled, "x", percent=True).coefficient == pytest.approx(
        estimate_repeatability(pairs, "x", percent=True).coefficient
    )
