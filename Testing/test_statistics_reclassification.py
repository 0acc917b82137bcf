"""Net reclassification and IDI: a worked example by hand, exact properties, limits by two ways."""

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.reclassification import reclassify

Y = np.repeat([1.0, 0.0], [4, 6])
FIRST = np.array([0.1, 0.4, 0.4, 0.7, 0.1, 0.1, 0.4, 0.4, 0.7, 0.2])
SECOND = np.array([0.4, 0.7, 0.4, 0.4, 0.1, 0.1, 0.1, 0.7, 0.4, 0.25])


def test_the_table_and_the_index_of_a_small_example():
    found = reclassify(Y, FIRST, SECOND, thresholds=[0.3, 0.6])
    assert found.table_events == ((0, 1, 0), (0, 1, 1), (0, 1, 0))
    assert found.table_others == ((3, 0, 0), (1, 0, 1), (0, 1, 0))
    assert found.nri_events.estimate == pytest.approx((2 - 1) / 4)
    assert found.nri_others.estimate == pytest.approx((2 - 1) / 6)
    assert found.nri.estimate == pytest.approx(1 / 4 + 1 / 6)
    assert found.continuous_nri.estimate == pytest.approx(1 / 4 + (2 - 2) / 6)
    # Variance of moves -1, 0, 1: P(up) + P(down) - (P(up) - P(down))^2, over the size of the class.
    variance = (3 / 4 - (1 / 4) ** 2) / 4 + (3 / 6 - (1 / 6) ** 2) / 6
    assert found.nri.standard_error == pytest.approx(np.sqrt(variance))
    assert found.idi.estimate == pytest.approx(np.mean((SECOND - FIRST)[:4]) - np.mean((SECOND - FIRST)[4:]))


def test_a_border_belongs_to_the_category_above():
    found = reclassify([1, 0], [0.2, 0.3], [0.3, 0.3], thresholds=[0.3], replicates=0)
    assert found.table_events == ((0, 1), (0, 0))
    assert found.table_others == ((0, 0), (0, 1))


def test_swapping_the_models_turns_the_sign():
    there = reclassify(Y, FIRST, SECOND, thresholds=[0.3], replicates=0)
    back = reclassify(Y, SECOND, FIRST, thresholds=[0.3], replicates=0)
    for name in ("nri", "continuous_nri", "idi"):
        assert getattr(there, name).estimate == pytest.approx(-getattr(back, name).estimate)
        assert getattr(there, name).p == pytest.approx(getattr(back, name).p)


def test_the_same_model_twice_changes_nothing():
    found = reclassify(Y, FIRST, FIRST, thresholds=[0.3])
    assert (found.nri.estimate, found.nri.p, found.idi.z) == (0, 1, 0)


def test_wald_and_bootstrap_limits_agree_in_large_groups():
    rng = np.random.default_rng(1)
    y = np.repeat([1.0, 0.0], [400, 600])
    first = np.clip(0.3 + 0.2 * y + rng.normal(0, 0.1, 1000), 0, 1)
    second = np.clip(first + 0.05 * (y - 0.5) + rng.normal(0, 0.05, 1000), 0, 1)
    found = reclassify(y, first, second, thresholds=[0.4], replicates=2000)
    for one in (found.nri, found.continuous_nri, found.idi):
        assert one.bootstrap_ci == pytest.approx(one.ci, abs=0.2 * one.standard_error)
        assert one.estimate > 0
    assert any("Kerr 2014" in warning for warning in found.warnings)


def test_without_thresholds_there_are_no_categories():
    found = reclassify(Y, FIRST, SECOND, replicates=0)
    assert (found.nri, found.table_events, found.continuous_nri.bootstrap_ci) == (None, (), None)


def test_missing_predictions_are_counted():
    gap = SECOND.copy()
    gap[0] = np.nan
    assert (reclassify(Y, FIRST, gap).n, reclassify(Y, FIRST, gap).n_missing) == (9, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": [0.6, 0.3]}, "must rise"),
        ({"thresholds": [0, 0.3]}, "must rise"),
        ({"second": SECOND + 1}, "second model: values outside"),
        ({"outcome": np.ones(10)}, "class 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        reclassify(**({"outcome": Y, "first": FIRST, "second": SECOND} | change))
