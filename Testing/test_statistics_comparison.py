"""Two groups and pairs: every value as R gives it, and data that R refuses."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from NPCResponseLib import statistics
from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.comparison import (
    compare_groups,
    compare_pairs,
    paired_t_test,
    student_t_test,
    welch_t_test,
)
from NPCResponseLib.statistics.effect_sizes import paired_effect_sizes, two_sample_effect_sizes
from NPCResponseLib.statistics.group_summary import summarize_group
from NPCResponseLib.statistics.multiplicity import adjust_p_values
from NPCResponseLib.statistics.normality import shapiro_wilk
from NPCResponseLib.statistics.rank_tests import mann_whitney, wilcoxon_signed_rank
from Testing.statistics_reference import cases, check, table

GROUP_CASES = [case["case"] for case in cases("two_group")]
PAIR_CASES = [case["case"] for case in cases("paired")]
R_ROOT_TOLERANCE = 1e-4


def group_case(name):
    expected = next(case for case in cases("two_group") if case["case"] == name)
    columns = table(expected["data"])
    of = columns[expected["group"]]
    return expected, *(columns[expected["value"]][of == expected[key]] for key in ("group_a", "group_b"))


def pair_case(name):
    expected = next(case for case in cases("paired") if case["case"] == name)
    columns = table(expected["data"])
    return expected, columns[expected["x"]], columns[expected["y"]]


@pytest.mark.parametrize("name", GROUP_CASES)
def test_group_summaries_equal_r(name):
    expected, *groups = group_case(name)
    for group, key in zip(groups, ("desc_a", "desc_b"), strict=True):
        summary, spss = summarize_group(group), summarize_group(group, quartile_type=6)
        found = [summary.n, summary.n_missing, summary.mean, summary.sd, summary.se, summary.median]
        found += [summary.minimum, summary.maximum, summary.q1, summary.q3, spss.q1, spss.q3]
        names = ("n", "n_missing", "mean", "sd", "se", "median", "min", "max")
        names += ("q25_type7", "q75_type7", "q25_type6", "q75_type6")
        check("two_group", found, [expected[key][field] for field in names])


@pytest.mark.parametrize("name", GROUP_CASES)
def test_two_group_tests_equal_r(name):
    expected, a, b = group_case(name)
    found = compare_groups(a, b, t_test="student")
    for result, key in ((found.normality[0], "shapiro_a"), (found.normality[1], "shapiro_b")):
        check("two_group", [result.w, result.p], [expected[key]["W"], expected[key]["p"]])
    for result, key in ((found.student, "student_t"), (found.welch, "welch_t")):
        values = [result.t, result.degrees_of_freedom, result.p, result.difference, result.low, result.high]
        check("two_group", values, [expected[key][f] for f in ("t", "df", "p", "mean_diff", "ci_low", "ci_high")])
    for result, key in ((found.levene, "levene_mean"), (found.brown_forsythe, "brown_forsythe")):
        check("two_group", [result.f, result.p], [expected[key]["F"], expected[key]["p"]])
    check("two_group", found.effect_sizes[0].value, expected["cohen_d_pooled"])
    chosen = "Student" if expected["chosen_by_shapiro_0.05"] == "student_t" else "Mann-Whitney"
    assert found.method.startswith(chosen)
    assert found.p == (found.student.p if chosen == "Student" else found.mann_whitney.p)


@pytest.mark.parametrize("name", GROUP_CASES)
def test_mann_whitney_equals_r(name):
    expected, a, b = group_case(name)
    expected = expected["mann_whitney"]
    found = mann_whitney(a, b, root_tolerance=R_ROOT_TOLERANCE)
    assert found.ties == expected["ties"]
    assert ("exact" in found.method) == ("exact" in expected["method_R_default"])
    pairs = {
        "U_a": found.u_first,
        "U_b": found.u_second,
        "U_min": found.u_min,
        "p_R_default": found.p,
        "p_exact_ties_allowed": found.p_exact,
        "p_asymptotic_continuity": found.p_asymptotic,
        "p_asymptotic_no_continuity": found.p_asymptotic_without_continuity,
        "z_no_continuity": found.z,
        "auc_a_over_b": found.auc,
        "hodges_lehmann": found.shift.estimate,
    }
    check("two_group", list(pairs.values()), [expected[key] for key in pairs])
    check("two_group", [found.shift.low, found.shift.high], expected["hl_ci"])
    if not found.ties:
        check("two_group", mann_whitney(a, b, p_method="exact").p, expected["p_exact_no_ties"])
    # The exact places, by default: R's root search stops within 1e-4 of them.
    exact = mann_whitney(a, b).shift
    np.testing.assert_allclose([exact.low, exact.high], expected["hl_ci"], atol=R_ROOT_TOLERANCE)


@pytest.mark.parametrize("name", PAIR_CASES)
def test_paired_tests_equal_r(name):
    expected, x, y = pair_case(name)
    found = compare_pairs(x, y)
    assert (found.n_pairs, found.n_missing) == (expected["n_pairs"], expected["n_dropped"])
    difference = found.difference
    check("paired", [difference.mean, difference.sd, difference.median],
          [expected[key] for key in ("mean_diff", "sd_diff", "median_diff")])  # fmt: skip
    check("paired", [found.normality.w, found.normality.p], [expected["shapiro_diff"][key] for key in ("W", "p")])
    t = found.paired_t
    check("paired", [t.t, t.degrees_of_freedom, t.p, t.low, t.high],
          [expected["paired_t"][key] for key in ("t", "df", "p", "ci_low", "ci_high")])  # fmt: skip
    ranks = found.wilcoxon
    pairs = {
        "V": ranks.v,
        "W_minus": ranks.w_minus,
        "n_zero": ranks.n_zero,
        "p_R_default": ranks.p,
        "p_exact_ties_allowed": ranks.p_exact,
        "p_asymptotic_continuity": ranks.p_asymptotic,
        "p_asymptotic_no_continuity": ranks.p_asymptotic_without_continuity,
        "z_wilcoxon_zero": ranks.z,
        "p_wilcoxon_zero": ranks.p_asymptotic_without_continuity,
        "z_pratt": ranks.z_pratt,
        "p_pratt": ranks.p_pratt,
    }
    check("paired", list(pairs.values()), [expected["wilcoxon"][key] for key in pairs])
    assert ranks.ties_or_zeros == expected["wilcoxon"]["ties_or_zeros"]
    assert ("exact" in ranks.method) == ("exact" in expected["wilcoxon"]["method_R_default"])
    check("paired", found.effect_sizes[0].value, expected["cohen_dz"])
    assert found.method.startswith("paired t" if expected["chosen_by_shapiro_0.05"] == "paired_t" else "Wilcoxon")


def test_the_path_says_why_and_what_was_missing():
    expected, a, b = group_case("tg_missing_26_15")
    found = compare_groups(a, b, names=("RG", "NRG"))
    assert found.method == "Welch's t-test (unequal variances)"
    assert "Shapiro-Wilk of RG" in found.decision[0]
    assert "No departure from normality" in found.decision[2]
    missing = [expected[key]["n_missing"] for key in ("desc_a", "desc_b")]
    for name, count in zip(("RG", "NRG"), missing, strict=True):
        assert any(note.startswith(f"{name}: {count} values left out") for note in found.warnings) == (count > 0)


def test_choices_made_beforehand_are_kept_and_said():
    _, a, b = group_case("tg_skew_36_19")
    found = compare_groups(a, b, path="t", t_test="student")
    assert found.method.startswith("Student")
    assert any("chosen beforehand" in sentence for sentence in found.decision)
    asymptotic = compare_groups(a, b, p_method="asymptotic", continuity=False)
    assert asymptotic.method == "Mann-Whitney U test, asymptotic p without continuity correction"
    assert asymptotic.p == asymptotic.mann_whitney.p_asymptotic_without_continuity


def test_student_and_welch_on_different_sides_of_alpha_are_reported():
    # The ASL paper's post-treatment flow: moments 79.19 +- 13.04 (17) and 86.42 +- 10.25 (38).
    def group(mean, sd, n):
        x = np.linspace(-1, 1, n)
        return mean + sd * (x - x.mean()) / x.std(ddof=1)

    found = compare_groups(group(79.19, 13.04, 17), group(86.42, 10.25, 38), path="t")
    assert found.welch.p == pytest.approx(0.0537, abs=5e-5)
    assert found.student.p == pytest.approx(0.031, abs=5e-4)
    assert any("disagree" in note for note in found.warnings)


def test_constant_and_tiny_groups_have_no_test_but_a_result():
    found = compare_groups([2.0, 2.0, 2.0], [2.0, 2.0])
    assert found.p is None and found.student.t is None and found.mann_whitney.z is None
    assert found.normality[0].note == "all values are equal"
    assert any("all values are equal" in note for note in found.warnings)
    single = compare_groups([1.0], [3.0, 4.0])
    assert single.welch.p is None and single.student.p is not None
    assert single.p == pytest.approx(2 / 3)  # exact: one of three orders on either side
    assert shapiro_wilk([1.0, 2.0]).w is None
    assert compare_pairs([1.0, 2.0], [1.0, 2.0]).p is None


def test_rounding_noise_is_no_spread_and_hides_no_tie():
    nearly = 0.1 + 0.2 - 0.3  # 5.6e-17
    assert student_t_test([1.0, 1.0 + nearly, 1.0], [1.0, 1.0]).t is None
    assert paired_t_test([0.3, 0.6, 0.9], [0.1, 0.4, 0.7]).t is None
    assert wilcoxon_signed_rank([0.3, 0.6, 0.9], [0.1, 0.4, 0.7]).ties_or_zeros
    tiny = 1e-6 * np.array([3.0, 5.0, 4.0, 7.0]), 1e-6 * np.array([1.0, 2.0, 3.5, 4.0])
    assert wilcoxon_signed_rank(*tiny).p == wilcoxon_signed_rank(*(1e6 * x for x in tiny)).p


def test_swapping_groups_changes_signs_only():
    _, a, b = group_case("tg_ties_17_38")
    there, back = compare_groups(a, b), compare_groups(b, a)
    assert there.p == pytest.approx(back.p, rel=1e-12)
    assert there.welch.difference == pytest.approx(-back.welch.difference)
    assert there.mann_whitney.shift.low == pytest.approx(-back.mann_whitney.shift.high)
    for one, other in zip(there.effect_sizes, back.effect_sizes, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_effect_sizes_have_their_published_values():
    # d is 1 by construction; J(10) = 0.92275 by gamma functions (Hedges 1981 tabulates 0.9228).
    x = np.array([-1.0, 0.0, 1.0, -1.0, 0.0, 1.0]) / np.sqrt(0.8)
    d, g, r = two_sample_effect_sizes(x + 1, x)
    assert d.value == pytest.approx(1)
    assert g.value == pytest.approx(0.92275, abs=5e-6)
    scale = np.sqrt(3)  # sqrt(n1 n2 / (n1 + n2)): the limits are the noncentralities with 2.5 % tails
    assert stats.nct.sf(scale, 10, d.low * scale) == pytest.approx(0.025, rel=1e-8)
    assert stats.nct.cdf(scale, 10, d.high * scale) == pytest.approx(0.025, rel=1e-8)
    assert -1 <= r.low <= r.value <= r.high <= 1
    dz, matched = paired_effect_sizes([3.0, 5.0, 4.0, 7.0], [1.0, 2.0, 3.5, 4.0])
    assert matched.value == 1
    assert dz.low < dz.value < dz.high


@pytest.mark.parametrize("size", [0.2, 1.0, 3.5, 8.0])
def test_limits_of_a_paired_effect_do_not_depend_on_its_direction(size):
    differences = np.array([-1.5, -0.7, -0.2, 0.1, 0.4, 0.6, 1.3])
    differences = (differences - differences.mean()) / differences.std(ddof=1) + size
    up, _ = paired_effect_sizes(differences, np.zeros(7))
    down, _ = paired_effect_sizes(-differences, np.zeros(7))
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low), rel=1e-9)
    assert up.low < size < up.high


def test_text_as_papers_print_it():
    summary = summarize_group([12.43, 16.1, 20.6])
    assert summary.mean_sd_text() == "16.38 ± 4.09"
    assert summary.median_text() == "16.10 (14.27-18.35)"
    assert summary.median_text(1, upper_first=True) == "16.1 (18.4-14.3)"
    assert " to " in summarize_group([-3.0, -1.0, 2.0]).median_text()


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: compare_groups([], [1.0]), "no value"),
        (lambda: compare_groups([np.nan], [1.0]), "no value"),
        (lambda: compare_groups(["a", "1"], [1.0]), "row 1"),
        (lambda: compare_groups([1.0], [2.0], t_test="z"), "student"),
        (lambda: compare_groups([1.0], [2.0], path="best"), "normality"),
        (lambda: compare_groups([1.0], [2.0], confidence=95), "between 0.5 and 0.999999"),
        (lambda: compare_pairs([1.0, 2.0], [1.0]), "different lengths"),
        (lambda: mann_whitney(np.arange(300.0), np.arange(300.0), p_method="exact"), "up to 400"),
        (lambda: summarize_group([1.0], quartile_type=5), "Choose 7"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()


def test_large_groups_need_no_table_of_all_pairs():
    rng = np.random.default_rng(7)
    x, y = rng.normal(0.1, 1, 6_000), rng.normal(0, 1, 5_100)
    found = compare_groups(x, y)
    assert found.mann_whitney.shift.estimate == pytest.approx(0.1, abs=0.06)
    assert found.mann_whitney.shift.low < 0.1 < found.mann_whitney.shift.high
    assert "more than 5000 values" in found.decision[0]
    few = slice(0, 1500)  # searched and found by counting must agree
    searched = mann_whitney(x[few], y[few], root_tolerance=1e-9).shift
    counted = mann_whitney(x[few], y[few]).shift
    assert (searched.low, searched.high) == pytest.approx((counted.low, counted.high), abs=1e-8)


def test_exact_p_stands_next_to_the_asymptotic_one_for_50_patients_and_more():
    # R 4.2.2: coin 1.4-2, wilcox_test(v ~ g, distribution = "exact") (exactRankTests rounds from 80 patients or so on),
    # and exactRankTests 0.8-35, wilcox.exact(d, exact = TRUE) for the pairs.
    x = (np.arange(55) * 7) % 23 + 4
    y = (np.arange(52) * 5) % 19
    found = mann_whitney(x, y)
    assert "asymptotic" in found.method
    assert found.p_exact == pytest.approx(7.035975743788333e-06, rel=1e-9)
    differences = (np.arange(60) * 17) % 41 - 16.0
    found = wilcoxon_signed_rank(differences, np.zeros(60))
    assert "asymptotic" in found.method
    assert found.p_exact == pytest.approx(0.02481408627264775, rel=1e-9)


def test_results_are_plain_values():
    _, a, b = group_case("tg_missing_26_15")
    for result in (compare_groups(a, b), compare_pairs(a[:10], b[:10])):
        assert_plain(dataclasses.asdict(result))
        json.dumps(dataclasses.asdict(result), allow_nan=False)


def assert_plain(value):
    if isinstance(value, dict):
        for part in value.values():
            assert_plain(part)
    elif isinstance(value, tuple | list):
        for part in value:
            assert_plain(part)
    else:
        assert type(value) in (int, float, str, bool, type(None)), (type(value), value)


def test_nothing_that_slicer_does_not_ship_is_imported():
    package = Path(statistics.__file__).parent
    names = ["comparison", "contingency", "correlation", "multiplicity", "roc", "roc_bootstrap", "delong", "agreement"]
    names += ["bland_altman", "overlap", "sample_size", "published_numbers"]
    assert all((package / f"{name}.py").exists() for name in names)
    code = "import sys\nimport NPCResponseLib.statistics\nassert 'scipy' not in sys.modules\n"
    code += "".join(f"import NPCResponseLib.statistics.{name}\n" for name in names)
    code += "print([m for m in ('pandas', 'sklearn', 'statsmodels', 'matplotlib', 'vtk') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_pairs_of_large_samples_use_the_normal_approximation():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=60), rng.normal(0.2, size=80)
    found = mann_whitney(x, y)
    assert "asymptotic" in found.method and found.p_exact is None
    assert mann_whitney(x, y, p_method="exact").p == pytest.approx(found.p, rel=0.02)
    assert welch_t_test(x, y).p == pytest.approx(found.p, rel=1)


def test_effect_sizes_far_from_zero_have_limits():
    """SciPy's noncentral t gives up, or returns a point; far out the limits are t sqrt(chi-squared / freedom)."""
    for apart in (1e3, 1e6, 1e12):
        d = two_sample_effect_sizes([apart, apart + 1], [0, 1])[0]
        near = d.value * np.sqrt(stats.chi2.ppf([0.025, 0.975], 2) / 2)
        assert (d.low, d.high) == pytest.approx(near, rel=1e-3)
        assert two_sample_effect_sizes([0, 1], [apart, apart + 1])[0].low == pytest.approx(-d.high)


def test_effect_size_limits_agree_where_both_ways_are_exact(monkeypatch):
    groups = [40.0, 41.0, 43.0, 42.5], [0.0, 1.0, 1.5, 0.5]
    (found, *_) = two_sample_effect_sizes(*groups)
    monkeypatch.setattr("NPCResponseLib.statistics.effect_sizes.SURE_T", 5.0)
    (far, *_) = two_sample_effect_sizes(*groups)
    assert (far.low, far.high) == pytest.approx((found.low, found.high), rel=1e-10)


@pytest.mark.parametrize("value", [1e300, -1e80])
def test_values_too_large_to_be_squared_are_told(value):
    with pytest.raises(InputError, match=r"row 2: .* too large to compute with"):
        compare_groups([1.0, value, 3.0], [4.0, 5.0, 6.0])


def test_values_too_small_to_be_squared_are_told():
    with pytest.raises(InputError, match=r"too small to compute with.*Choose another unit"):
        compare_groups([1e-300, 2e-300, 4e-300], [3e-300, 5e-300])
    assert compare_groups([1e-300, 2.0, 0.0], [3.0, 5.0]).p is not None
    assert adjust_p_values([1e-300, 1e-80]).holm == (2e-300, 1e-80)


@pytest.mark.parametrize("confidence", [0.05, 1e-300, 1 - 1e-16, 95])
def test_confidence_levels_are_those_of_intervals(confidence):
    with pytest.raises(InputError, match=r"between 0.5 and 0.999999"):
        compare_groups([1.0, 2.0], [2.0, 3.0], confidence=confidence)


@pytest.mark.parametrize("run", [compare_groups, compare_pairs])
def test_a_level_of_significance_lies_between_0_and_1(run):
    with pytest.raises(InputError, match="level of significance"):
        run([1.0, 2.0], [2.0, 3.0], alpha=5)
