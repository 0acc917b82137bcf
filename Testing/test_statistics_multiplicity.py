"""Adjusted p values: every value as R's p.adjust gives it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.multiplicity import adjust_p_values
from Testing.statistics_reference import cases, check


@pytest.mark.parametrize("expected", cases("multiplicity"), ids=lambda case: case["case"])
def test_adjustments_equal_r(expected):
    found = adjust_p_values(expected["p"])
    check("multiplicity", found.bonferroni, expected["bonferroni"])
    check("multiplicity", found.holm, expected["holm"])
    check("multiplicity", found.benjamini_hochberg, expected["BH"])
    check("multiplicity", found.benjamini_yekutieli, expected["BY"])
    check("multiplicity", [found.n_tests, found.bonferroni_alpha], [expected["m"], expected["alpha_bonferroni"]])


def test_missing_p_values_are_no_tests_but_keep_their_place():
    found = adjust_p_values([0.01, np.nan, 0.04])
    assert found.bonferroni == (0.02, None, 0.08)
    assert found.n_tests == 2 and found.n_missing == 1 and "1 missing" in found.warnings[0]


def test_tests_that_are_not_listed_count():
    found = adjust_p_values([0.0002, 0.0009], n_tests=47)
    assert found.bonferroni == pytest.approx((0.0094, 0.0423))
    assert found.holm == pytest.approx((0.0094, 0.0414))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_no_adjustment_lowers_p_or_changes_the_order(p):
    found = adjust_p_values(p)
    for adjusted in (found.bonferroni, found.holm, found.benjamini_hochberg, found.benjamini_yekutieli):
        assert all(raw <= value + 1e-12 and value <= 1 for raw, value in zip(p, adjusted, strict=True))
        by_raw = [adjusted[i] for i in np.argsort(p, kind="stable")]
        assert by_raw == sorted(by_raw)
    assert all(holm <= plain for holm, plain in zip(found.holm, found.bonferroni, strict=True))


@pytest.mark.parametrize("p", [[], [None], [0.1, 1.2], [-0.1]])
def test_mistakes_are_told(p):
    with pytest.raises(InputError):
        adjust_p_values(p)


def test_fewer_tests_than_p_values_are_refused():
    with pytest.raises(InputError, match="only 1 tests"):
        adjust_p_values([0.1, 0.2], n_tests=1)
