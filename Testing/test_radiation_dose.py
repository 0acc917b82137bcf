"""Biologically effective dose against the paper's numbers, and its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.radiation_dose import (
    biologically_effective_dose_gy,
    eqd2_gy,
    implied_fractionation,
    summarize_dose,
)

# Liu et al. 2022, "Patient selection and treatment procedure": total dose and printed BED.
PAPER_DOSES_GY = [(70, 84), (66, 78.45), (60, 70.29), (54, 62.33)]
DOSES_GY = st.floats(1, 100)
FRACTIONS = st.integers(1, 60)
ALPHA_BETA_GY = st.floats(1, 20)


@pytest.mark.parametrize(("dose_gy", "printed_gy"), PAPER_DOSES_GY)
def test_every_dose_of_the_paper_is_in_35_fractions(dose_gy, printed_gy):
    assert round(biologically_effective_dose_gy(dose_gy, n_fractions=35), 2) == printed_gy
    implied = implied_fractionation(dose_gy, printed_gy)
    assert implied.whole_n_fractions == 35
    assert implied.n_fractions_range[0] <= 35 <= implied.n_fractions_range[1] + 1e-9
    assert f"implies 35 fractions ({dose_gy / 35:.3f} Gy each) at alpha/beta 10 Gy" in implied.remark


def test_35_fractions_are_the_only_whole_number_that_fits():
    for dose_gy, printed_gy in PAPER_DOSES_GY:
        low, high = implied_fractionation(dose_gy, printed_gy).n_fractions_range
        assert 34 < low < 35 + 1e-9 and 35 - 1e-9 < high < 36


def test_a_bed_that_fits_no_whole_number_says_so():
    implied = implied_fractionation(70, 84.2)
    assert implied.whole_n_fractions is None
    assert "no whole number" in implied.remark


def test_conventional_fractions_are_their_own_equivalent():
    assert eqd2_gy(70, n_fractions=35) == pytest.approx(70, abs=1e-12)
    # 30 x 2.2 Gy by hand: 66 x (2.2 + 10) / 12 = 67.1; late tissue, alpha/beta 3: 66 x 5.2 / 5 = 68.64.
    assert eqd2_gy(66, n_fractions=30) == pytest.approx(67.1)
    assert eqd2_gy(66, dose_per_fraction_gy=2.2, alpha_beta_gy=3) == pytest.approx(68.64)


def test_summary_shows_the_computation_and_what_was_assumed():
    summary = summarize_dose(70, n_fractions=35)
    assert summary.biologically_effective_dose_gy == pytest.approx(84)
    assert "BED = 70 Gy x (1 + 2 Gy / 10 Gy) = 84 Gy" in summary.formula
    assert "alpha/beta is assumed to be 10 Gy" in summary.assumptions[0]
    assert summarize_dose(70, dose_per_fraction_gy=2, alpha_beta_gy=10).n_fractions == 35
    assert not summarize_dose(70, dose_per_fraction_gy=2, alpha_beta_gy=10).assumptions
    assert "no whole number" in summarize_dose(70, dose_per_fraction_gy=3, alpha_beta_gy=10).assumptions[0]


def test_rounded_dose_per_fraction_is_accepted_and_a_wrong_one_is_not():
    assert biologically_effective_dose_gy(70, n_fractions=33, dose_per_fraction_gy=2.12) == pytest.approx(
        84.848, abs=1e-3
    )
    with pytest.raises(InputError, match=r"35 fractions of 1\.8 Gy are 63 Gy, not 70 Gy"):
        biologically_effective_dose_gy(70, n_fractions=35, dose_per_fraction_gy=1.8)


@pytest.mark.parametrize(
    ("dose", "given_as", "message"),
    [
        (70, {}, "number of fractions and the dose per fraction are missing"),
        (-70, {"n_fractions": 35}, "total dose must be a positive number"),
        (70, {"n_fractions": 0}, "number of fractions must be a positive number"),
        (70, {"n_fractions": 35.5}, "whole number"),
        (70, {"dose_per_fraction_gy": 200}, "larger than the total"),
        (70, {"n_fractions": 35, "alpha_beta_gy": 0}, "alpha/beta must be a positive number"),
        (float("nan"), {"n_fractions": 35}, "total dose must be a positive number"),
    ],
)
def test_impossible_doses_are_refused(dose, given_as, message):
    with pytest.raises(InputError, match=message):
        biologically_effective_dose_gy(dose, **given_as)


def test_a_bed_below_the_dose_is_refused():
    with pytest.raises(InputError, match="larger than the dose"):
        implied_fractionation(70, 70)


@given(DOSES_GY, FRACTIONS, ALPHA_BETA_GY)
def test_effective_dose_is_above_the_dose_and_fractions_can_be_told_from_it(dose_gy, n_fractions, alpha_beta_gy):
    effective_gy = biologically_effective_dose_gy(dose_gy, n_fractions=n_fractions, alpha_beta_gy=alpha_beta_gy)
    assert effective_gy > dose_gy
    # EQD2 is the dose whose BED in 2-Gy fractions is the same.
    equivalent_gy = eqd2_gy(dose_gy, n_fractions=n_fractions, alpha_beta_gy=alpha_beta_gy)
    assert equivalent_gy * (1 + 2 / alpha_beta_gy) == pytest.approx(effective_gy)
    implied = implied_fractionation(dose_gy, effective_gy, alpha_beta_gy=alpha_beta_gy, rounding_gy=0)
    assert implied.n_fractions == pytest.approx(n_fractions, rel=1e-9)
    assert implied.whole_n_fractions == n_fractions


@given(DOSES_GY, FRACTIONS)
def test_more_fractions_or_a_higher_alpha_beta_lower_the_effect(dose_gy, n_fractions):
    def effect(n, alpha_beta_gy=10):
        return biologically_effective_dose_gy(dose_gy, n_fractions=n, alpha_beta_gy=alpha_beta_gy)

    assert effect(n_fractions + 1) < effect(n_fractions)
    assert effect(n_fractions, 11) < effect(n_fractions)
