"""Tables of counts: every value as R gives it."""

import dataclasses
import itertools
import json
import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.contingency import contingency_test, cross_tabulate, mcnemar_test
from NPCResponseLib.statistics.exact_odds_ratio import R_TOLERANCE
from Testing.statistics_reference import cases, check

CASES = {case["case"]: case for case in cases("contingency")}
TWO_BY_TWO = [name for name, case in CASES.items() if np.shape(case["table"]) == (2, 2)]
R_ROOT_TOLERANCE = 1e-3  # R finds odds ratio and limits by a root search that stops at 1e-4 on a transformed scale


@pytest.mark.parametrize("name", CASES)
def test_tests_of_a_table_equal_r(name):
    expected = CASES[name]
    found = contingency_test(expected["table"])
    for result, key, statistic in (
        (found.pearson, "pearson_no_correction", "chi2"),
        (found.yates, "yates", "chi2"),
        (found.g_test, "g_test", "G"),
    ):
        if expected[key] is not None:
            check("contingency", [result.chi2, result.p], [expected[key][statistic], expected[key]["p"]])
            assert result.degrees_of_freedom == expected[key].get("df", result.degrees_of_freedom)
    check("contingency", found.fisher_p, expected["fisher"]["p"])
    check("contingency", found.expected, expected["expected"])
    check("contingency", [found.min_expected, found.cramers_v], [expected["min_expected"], expected["cramers_v"]])
    assert any("expected counts" in note for note in found.warnings) == (expected["min_expected"] < 5)


@pytest.mark.parametrize("name", TWO_BY_TWO)
def test_odds_ratios_and_mcnemar_equal_r(name):
    expected = CASES[name]
    found = contingency_test(expected["table"])
    check("contingency", found.odds_ratio.value, expected["sample_odds_ratio"])
    conditional = found.conditional_odds_ratio
    check("contingency", conditional.value, expected["fisher"]["odds_ratio_cmle"], rtol=R_ROOT_TOLERANCE)
    # The low limit of small_2x2 is 0.00145 here and 0.00146 in R; the next test tells which is right.
    check("contingency", [conditional.low, conditional.high], expected["fisher"]["or_ci"], rtol=R_ROOT_TOLERANCE,
          atol=1e-5)  # fmt: skip
    searched = contingency_test(expected["table"], root_tolerance=R_TOLERANCE).conditional_odds_ratio
    check("contingency", [searched.value, searched.low, searched.high],
          [expected["fisher"]["odds_ratio_cmle"], *expected["fisher"]["or_ci"]])  # fmt: skip
    pairs = mcnemar_test(expected["table"])
    check(
        "contingency",
        [pairs.chi2, pairs.p, pairs.chi2_corrected, pairs.p_corrected, pairs.p_exact],
        [expected["mcnemar"][key] for key in ("chi2", "p", "chi2_cc", "p_cc", "p_exact")],
    )


def test_conditional_limits_are_those_of_the_exact_test():
    # At a limit, the chance of a table as extreme as the observed one is 2.5 %: better than R's root search.
    table = np.array(CASES["small_2x2"]["table"])
    found = contingency_test(table).conditional_odds_ratio
    (a, b), (c, d) = table
    counts = np.arange(max(0, (a + c) - (c + d)), min(a + b, a + c) + 1)
    weights = np.array([math.comb(a + b, k) * math.comb(c + d, a + c - k) for k in counts], dtype=float)

    def tail(odds, cells):
        chances = weights * odds**counts
        return chances[cells].sum() / chances.sum()

    assert tail(found.low, counts >= a) == pytest.approx(0.025, rel=1e-6)
    assert tail(found.high, counts <= a) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    ("table", "odds_ratio", "low", "high"),
    [
        ([[9, 1], [1, 12]], 67.95602077644897, 4.46376709027061, 4835.97660437750346),
        ([[1, 9], [6, 4]], 0.08593504295386720, 0.00146108353677648, 1.05397598911988299),
        ([[12, 5], [7, 31]], 10.04435620180073, 2.39274282966144, 50.1264877652432),
    ],
)
def test_r_s_search_of_odds_ratio_and_limits_can_be_repeated(table, odds_ratio, low, high):
    # R 4.2.2: fisher.test(matrix(...))$estimate and $conf.int, whose search stops early.
    found = contingency_test(table, root_tolerance=R_TOLERANCE).conditional_odds_ratio
    assert (found.value, found.low, found.high) == pytest.approx((odds_ratio, low, high), rel=1e-10)
    assert "root search" in found.method
    exact = contingency_test(table).conditional_odds_ratio
    assert exact.low == pytest.approx(low, rel=0.01) and exact.value == pytest.approx(odds_ratio, rel=0.02)


def test_searched_limits_of_extreme_tables_are_open():
    found = contingency_test([[0, 14], [5, 12]], root_tolerance=R_TOLERANCE).conditional_odds_ratio
    assert (found.value, found.low) == (0, 0) and 0 < found.high < math.inf
    found = contingency_test([[5, 12], [0, 14]], root_tolerance=R_TOLERANCE).conditional_odds_ratio
    assert (found.value, found.high) == (math.inf, math.inf) and found.low > 0


@pytest.mark.parametrize(
    ("table", "p"),
    [
        ([[7, 11, 3, 3], [12, 0, 10, 5], [11, 2, 4, 22]], 8.31933882349602e-07),
        ([[6, 2, 1, 3], [1, 11, 6, 5], [5, 0, 2, 2], [2, 1, 2, 6]], 0.003910070668448089),
        ([[2, 1, 5, 4], [0, 5, 3, 3], [1, 2, 1, 17], [3, 0, 5, 3]], 0.0005024126102945346),
    ],
)
def test_fisher_s_test_reaches_as_far_as_r_s(table, p):
    # R 4.2.2: fisher.test(matrix(...))$p.value.
    assert contingency_test(table).fisher_p == pytest.approx(p, rel=1e-10)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=3))
def test_fisher_s_network_counts_every_table(rows):
    table = np.array(rows)
    if table.sum() == 0:
        return
    found = contingency_test(rows).fisher_p
    assert found == pytest.approx(fisher_by_all_tables(table), rel=1e-9)


def fisher_by_all_tables(table):
    def fill(rows, columns):
        if len(rows) == 1:
            yield [columns]
            return
        for first in itertools.product(*(range(c + 1) for c in columns)):
            if sum(first) == rows[0]:
                for others in fill(rows[1:], tuple(c - x for c, x in zip(columns, first, strict=True))):
                    yield [first, *others]

    def weight(cells):
        return Fraction(1, math.prod(math.factorial(int(x)) for row in cells for x in row))

    weights = [weight(cells) for cells in fill(tuple(table.sum(axis=1)), tuple(table.sum(axis=0)))]
    return float(sum(w for w in weights if w <= weight(table)) / sum(weights))


def test_fisher_by_enumeration_equals_the_two_by_two_formula():
    for table in ([[3, 0, 0], [0, 3, 3]], [[3, 0], [0, 6]], [[1, 0, 2, 0], [0, 3, 0, 3]]):
        found = contingency_test(table).fisher_p
        assert 0 < found <= 1
    # Columns 2 and 3 merged are the second table: 1 / C(9, 3) is the chance of either extreme.
    assert contingency_test([[3, 0], [0, 6]]).fisher_p == pytest.approx(1 / 84)


def test_the_reported_test_is_a_choice_and_is_said():
    table = [[5, 31], [12, 7]]
    assert contingency_test(table).p == pytest.approx(0.00017, abs=5e-6)
    yates = contingency_test(table, report="yates")
    assert "Yates" in yates.method and yates.p == pytest.approx(0.000554, abs=5e-7)
    fisher = contingency_test(table, report="fisher")
    assert fisher.method.startswith("Fisher") and fisher.p == fisher.fisher_p


def test_columns_of_labels_become_a_table():
    found = cross_tabulate(
        ["PR", "PR", "SD", "SD", "PR", None, "SD"], [0, 1, 1, 1, 0, 1, np.nan], row_order=("PR", "SD")
    )
    assert found.table == ((2, 1), (0, 2))
    assert (found.row_names, found.column_names) == (("PR", "SD"), ("0", "1"))
    assert found.n == 5 and found.n_missing == 2
    assert any("2 patients left out" in note for note in found.warnings)


def test_empty_margins_are_not_defined_and_said():
    found = contingency_test([[0, 0], [3, 4]])
    assert found.p is None and found.cramers_v is None and found.conditional_odds_ratio is None
    assert any("empty row or column" in note for note in found.warnings)
    none = mcnemar_test([[5, 0], [0, 4]])
    assert none.p is None and "there are none" in none.method


def test_an_empty_cell_gives_a_bounded_interval():
    found = contingency_test([[0, 14], [5, 12]]).odds_ratio
    assert found.value == 0 and 0 < found.low < found.high < math.inf
    assert contingency_test([[5, 12], [0, 14]]).odds_ratio.value == math.inf


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: contingency_test([[1, -1], [2, 3]]), "whole numbers"),
        (lambda: contingency_test([[1.5, 1], [2, 3]]), "whole numbers"),
        (lambda: contingency_test([[1, 2]]), "two rows"),
        (lambda: contingency_test([[1, 2], [3]]), "equal length"),
        (lambda: contingency_test([[0, 0], [0, 0]]), "empty"),
        (lambda: contingency_test([[1, 2, 3], [3, 2, 1]], report="yates"), "2 x 2"),
        (lambda: cross_tabulate(["a", "a"], ["b", "c"]), "fewer than two"),
        (lambda: cross_tabulate(["a", "d"], ["b", "c"], row_order=("a", "b")), "not among"),
        (lambda: mcnemar_test([[1, 2, 3], [3, 2, 1]]), "2 x 2"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()


def test_results_are_json():
    json.dumps(dataclasses.asdict(contingency_test([[5, 31], [12, 7]])), allow_nan=False)


def test_an_odds_ratio_of_0_over_0_has_no_interval():
    found = contingency_test([[0, 0], [3, 5]]).odds_ratio
    assert (found.value, found.low, found.high) == (None, None, None)


def test_the_conditional_odds_ratio_is_exact_and_fast_for_large_tables():
    small = contingency_test([[3, 1], [2, 7]]).conditional_odds_ratio
    exact = stats.contingency.odds_ratio(np.array([[3, 1], [2, 7]]), kind="conditional")
    limits = exact.confidence_interval(0.95)
    assert (small.value, small.low, small.high) == pytest.approx((exact.statistic, limits.low, limits.high), rel=1e-9)
    started = time.perf_counter()
    large = contingency_test([[8271, 15455], [99740, 61898]])
    assert time.perf_counter() - started < 2  # scipy takes six seconds
    ours = large.conditional_odds_ratio
    assert (ours.low, ours.value, ours.high) == pytest.approx((0.322741642, 0.332122990, 0.341760599), rel=1e-8)
