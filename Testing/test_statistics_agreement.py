"""Agreement of observers: every value as psych, irr and R's base functions give it."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.agreement import FORMS, grade, intraclass_correlation, repeatability_of
from NPCResponseLib.statistics.bland_altman import bland_altman
from NPCResponseLib.statistics.overlap import compare_masks
from Testing.statistics_reference import cases, check, table

LIMITS = {"psych": "shrout-fleiss", "irr": "mcgraw-wong"}
SPACING_KJI_MM = (5.0, 0.5, 0.5)


def ratings_of(case):
    columns = table(case["data"])
    return np.column_stack([columns[rater] for rater in case["raters"]])


@pytest.mark.parametrize("expected", cases("icc"), ids=lambda case: case["case"])
@pytest.mark.parametrize("package", LIMITS)
def test_six_forms_equal_r(expected, package):
    found = intraclass_correlation(ratings_of(expected))
    assert (found.n_subjects, found.n_raters) == (expected["n"], expected["k"])
    assert found.n_missing == expected["n_dropped_listwise"]
    for name in FORMS:
        form, wanted = found.form(name, LIMITS[package]), expected[package][name]
        check("icc", [form.value, form.f, *form.degrees_of_freedom, form.p, form.low, form.high],
              [wanted[key] for key in ("icc", "F", "df1", "df2", "p", "ci_low", "ci_high")])  # fmt: skip
    squares = expected["ms"]
    check("icc", found.mean_squares, [squares[f"MS{key}"] for key in ("R_subjects", "C_raters", "E", "W")])
    check("icc", [found.standard_error_of_measurement, found.within_subject_cv],
          [expected["sem_icc21"], expected["within_subject_cv_rms"]])  # fmt: skip


def test_shrout_and_fleiss_print_the_same():
    case = next(case for case in cases("icc") if case["case"] == "shrout_fleiss_1979")
    found = intraclass_correlation(ratings_of(case))
    assert [round(form.value, 2) for form in found.shrout_fleiss] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]


def test_offset_and_scale_do_not_matter():
    case = next(case for case in cases("icc") if case["case"] == "icc_20x2")
    plain, moved = (intraclass_correlation(r) for r in (ratings_of(case), 1e6 + 1e-3 * ratings_of(case)))
    for one, other in zip(plain.mcgraw_wong, moved.mcgraw_wong, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-5)


def test_grades_are_the_papers():
    assert [grade(value) for value in (0.801, 0.75, 0.5, 0.3, None)] == [
        "excellent",
        "moderate",
        "poor",
        "poor",
        "not defined",
    ]
    assert [grade(value, "koo-li") for value in (0.95, 0.801, 0.6, -0.1)] == ["excellent", "good", "moderate", "poor"]
    case = next(case for case in cases("icc") if case["case"] == "icc_20x2")
    form = intraclass_correlation(ratings_of(case)).form("ICC(2,1)")
    assert (form.grade, form.grade_of_low) == ("excellent", "moderate")
    assert form.meaning == "two-way random, absolute agreement, single rater"


def test_exact_agreement_and_no_variance():
    same = intraclass_correlation([[1.1, 1.1], [2.3, 2.3], [3.7, 3.7]])
    assert all((form.value, form.low, form.high) == (1, 1, 1) for form in same.mcgraw_wong + same.shrout_fleiss)
    assert "the raters agree exactly" in same.warnings
    constant = intraclass_correlation([[2.0, 2.0], [2.0, 2.0]])
    assert all(form.value is None and form.grade == "not defined" for form in constant.mcgraw_wong)
    shifted = intraclass_correlation([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    assert shifted.form("ICC(3,1)").value == 1 and shifted.form("ICC(2,1)").value == pytest.approx(2 / 3)


def test_subjects_that_are_alike_agree_in_nothing_though_raters_differ():
    found = intraclass_correlation([[1.0, 2.0]] * 5)
    for form in (*found.mcgraw_wong, *found.shrout_fleiss):
        if form.form.startswith("ICC(2"):
            assert (form.value, form.low, form.p) == (0.0, 0.0, 1.0)
        if form.form.startswith("ICC(3"):
            assert form.value is None


def test_generalized_limits_cover_where_raters_differ_and_the_others_do_not():
    # 40 subjects, 2 raters who differ as much as the error: the truth is 0.8 / (0.8 + 0.2 + 0.2).
    rng = np.random.default_rng(3)
    covered = {"mcgraw-wong": 0, "generalized": 0}
    for _ in range(300):
        ratings = rng.normal(0, np.sqrt(0.8), (40, 1)) + rng.normal(0, np.sqrt(0.2), (40, 2))
        found = intraclass_correlation(ratings + rng.normal(0, np.sqrt(0.2), 2))
        for limits in covered:
            form = found.form("ICC(2,1)", limits)
            covered[limits] += form.low <= 0.8 / 1.2 <= form.high
    assert covered["mcgraw-wong"] / 300 < 0.92  # what R prints
    assert covered["generalized"] / 300 == pytest.approx(0.95, abs=0.035)
    apart = intraclass_correlation([[1.0, 3.0], [2.0, 4.1], [3.0, 4.9], [4.0, 6.0]])
    assert any("generalized limits" in note for note in apart.warnings)
    assert apart.form("ICC(2,1)", "generalized").low < apart.form("ICC(2,1)").value


def test_repeatability_rests_on_the_complete_subjects():
    repeats = [[10.0, 12.0], [20.0, 19.0], [30.0, np.nan], [15.0, 16.0]]
    found, n_missing = repeatability_of(repeats, "Hz")
    within = np.sqrt((2.0**2 + 1 + 1) / 6)
    assert n_missing == 1
    assert found.coefficient == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(2) * within)
    relative, _ = repeatability_of(repeats, "Hz", relative=True)
    cv = intraclass_correlation(repeats).within_subject_cv
    assert relative.within_subject_sd == pytest.approx(100 * cv)


@pytest.mark.parametrize("expected", cases("bland_altman"), ids=lambda case: case["case"])
def test_bland_altman_equals_r(expected):
    columns = table(expected["data"])
    found = bland_altman(columns[expected["x"]], columns[expected["y"]])
    pairs = {
        "n": found.n,
        "bias": found.bias,
        "sd_diff": found.sd,
        "bias_t_test_p": found.bias_p,
        "multiplier": found.multiplier,
        "loa_low": found.low,
        "loa_high": found.high,
        "coefficient_of_repeatability": found.coefficient_of_repeatability,
        "n_outside": found.n_outside,
        "lin_ccc": found.concordance,
        "pearson_r": found.pearson_r,
    }
    check("bland_altman", list(pairs.values()), [expected[key] for key in pairs])
    check("bland_altman", found.bias_interval, expected["bias_ci"])
    for intervals, key in (
        (found.exact, "loa_ci_carkeet_exact"),
        (found.approximate_1999, "loa_ci_bland_altman_1999"),
        (found.approximate_1986, "loa_ci_bland_altman_1986"),
    ):
        check("bland_altman", [intervals.low, intervals.high], [expected[key]["low"], expected[key]["high"]])
    slope = found.proportional_bias
    check("bland_altman", [slope.slope, slope.standard_error, slope.p, slope.intercept],
          [expected["proportional_bias"][key] for key in ("slope", "slope_se", "slope_p", "intercept")])  # fmt: skip
    check("bland_altman", [found.normality.w, found.normality.p], [expected["shapiro_diff"][key] for key in "Wp"])


def test_percent_scale_divides_by_the_mean():
    found = bland_altman([11.0, 22.0, 33.0], [9.0, 18.0, 27.0], scale="percent")
    assert found.bias == pytest.approx(20) and found.sd == 0
    assert "percent of the mean" in found.method


def test_a_bias_that_grows_is_said():
    x = np.linspace(10, 100, 30)
    rng = np.random.default_rng(6)
    found = bland_altman(1.1 * x + rng.normal(0, 1, 30), x)
    assert found.proportional_bias.slope == pytest.approx(0.095, abs=0.02)
    assert any("changes with the value" in note for note in found.warnings)


def test_few_pairs_and_no_spread_are_said():
    single = bland_altman([1.0, np.nan], [2.0, 3.0])
    assert single.low is None and single.n_missing == 1
    assert any("single pair" in note for note in single.warnings)
    same = bland_altman([1.0, 2.0, 3.0], [0.7, 1.7, 2.7])
    assert (same.sd, same.low, same.high, same.bias_p) == (0, same.bias, same.bias, None)
    assert same.normality.p is None


def ball(radius_mm, center_mm=(0.0, 0.0, 0.0), shape=(17, 121, 121)):
    axes = [(np.arange(n) - n // 2) * s - c for n, s, c in zip(shape, SPACING_KJI_MM, center_mm, strict=True)]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    return k**2 + j**2 + i**2 <= radius_mm**2


def test_masks_apart_by_a_known_shift():
    found = compare_masks(ball(15), ball(15, (0.0, 3.0, 0.0)), SPACING_KJI_MM)
    assert found.hausdorff_mm == pytest.approx(3, abs=1e-9)
    assert found.hausdorff_95_mm <= found.hausdorff_mm
    assert 0 < found.mean_surface_distance_mm < 3
    overlap = 1 - 1.5 * 0.1 + 0.5 * 0.1**3  # two balls of radius 15, centers 3 apart
    assert found.dice == pytest.approx(overlap, abs=0.01)
    assert found.jaccard == pytest.approx(found.dice / (2 - found.dice))
    assert found.volume_first_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.03)


def test_the_slice_spacing_counts():
    first = np.zeros((5, 9, 9), dtype=bool)
    second = first.copy()
    first[1, 4, 4] = second[3, 4, 4] = True
    assert compare_masks(first, second, SPACING_KJI_MM).hausdorff_mm == 10
    assert compare_masks(first.transpose(2, 1, 0), second.transpose(2, 1, 0), (5.0, 0.5, 0.5)).hausdorff_mm == 1


def test_nested_masks_have_directed_distances():
    outer, inner = ball(15), ball(10)
    found = compare_masks(inner, outer, SPACING_KJI_MM)
    assert found.hausdorff_mm == pytest.approx(5, abs=0.8)
    assert found.volume_difference_percent < 0
    assert compare_masks(outer, outer, SPACING_KJI_MM).hausdorff_mm == 0


def test_empty_masks_have_no_distance():
    empty = np.zeros((3, 4, 4))
    found = compare_masks(empty, empty, (1, 1, 1))
    assert found.dice is None and found.hausdorff_mm is None
    assert found.warnings == ("the first mask is empty", "the second mask is empty")
    one = empty.copy()
    one[1, 1, 1] = 2
    assert compare_masks(one, empty, (1, 1, 1)).dice == 0


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: intraclass_correlation([[1.0, 2.0]]), "two subjects"),
        (lambda: intraclass_correlation([[1.0], [2.0]]), "two or more raters"),
        (lambda: intraclass_correlation([[1.0, 2.0], [2.0]]), "two or more raters"),
        (lambda: intraclass_correlation([[1.0, "x"], [2.0, 3.0]]), "subject 1"),
        (lambda: intraclass_correlation([[1.0, 2.0], [2.0, 3.0]], grading="mine"), "koo-li"),
        (lambda: intraclass_correlation([[1.0, 2.0], [2.0, 3.0]]).form("ICC(4,1)"), "Choose among"),
        (lambda: bland_altman([1.0], [2.0, 3.0]), "different lengths"),
        (lambda: bland_altman([1.0, -1.0], [1.0, 1.0], scale="percent"), "mean 0"),
        (lambda: bland_altman([1.0], [2.0], scale="log"), "percent"),
        (lambda: compare_masks(np.ones((2, 2, 2)), np.ones((2, 2, 3)), (1, 1, 1)), "grid"),
        (lambda: compare_masks(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1, 1)), "three positive"),
        (lambda: compare_masks(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1, 0, 1)), "three positive"),
    ],
)
def test_mistakes_are_told(run, words):
    with pytest.raises(InputError, match=words):
        run()


def test_results_are_json():
    case = cases("icc")[0]
    results = intraclass_correlation(ratings_of(case)), bland_altman([1.0, 2.0, 4.0], [1.5, 1.0, 3.0])
    for result in (*results, compare_masks(ball(9), ball(10), SPACING_KJI_MM)):
        json.dumps(dataclasses.asdict(result), allow_nan=False)


@pytest.mark.parametrize("top, n, k", [(4, 2, 2), (3, 3, 2), (3, 2, 3)])
def test_every_small_table_has_forms_that_are_numbers_or_not_defined(top, n, k):
    """Few ratings can cancel out: 0 / 0 is "not defined", no error and no NaN."""
    for cells in itertools.product(range(top), repeat=n * k):
        found = intraclass_correlation(np.reshape(cells, (n, k)).tolist())
        for form in (*found.mcgraw_wong, *found.shrout_fleiss, *found.generalized):
            assert all(v is None or not math.isnan(v) for v in (form.value, form.low, form.high, form.p))
            assert (form.low is None) == (form.grade_of_low == "not defined")


def test_limits_hold_where_the_quantile_leaves_floating_point():
    """Raters that differ by far more than the subjects leave next to no degrees of freedom."""
    subject = np.arange(12.0)[:, None] * 1e-3
    found = intraclass_correlation((subject + np.array([0.0, 1e3, -1e3])).tolist()).form("ICC(2,1)")
    assert 0 <= found.low <= found.value <= found.high < 0.01


@pytest.mark.parametrize("limits", ["mcgraw-wong", "shrout-fleiss", "generalized"])
def test_a_mean_of_raters_without_a_positive_divisor_is_not_excellent(limits):
    """B - E and B + (R - E) / n are both negative: the quotient alone would be 3.4."""
    found = intraclass_correlation([[0, 2], [2, 0], [1, 1.2]])
    assert found.mean_squares[0] + (found.mean_squares[1] - found.mean_squares[2]) / 3 < 0
    form = found.form("ICC(2,k)", limits)
    assert (form.value, form.low, form.high, form.grade) == (None, None, None, "not defined")


@pytest.mark.parametrize("top, n, k", [(4, 2, 2), (2, 4, 2)])
def test_limits_of_every_small_table_enclose_the_value(top, n, k):
    for cells in itertools.product(range(top), repeat=n * k):
        found = intraclass_correlation(np.reshape(cells, (n, k)).tolist())
        for form in (*found.mcgraw_wong, *found.shrout_fleiss):
            assert form.low is None or form.low <= form.value + 1e-12
            assert form.high is None or form.value <= form.high + 1e-12


def test_ratings_that_differ_in_the_last_digit_are_equal():
    one = 0.1 + 0.2
    found = intraclass_correlation([[one, 0.3], [0.3, one], [0.3, 0.3]])
    assert found.form("ICC(2,1)").value is None and "all ratings are equal" in found.warnings[1]


def test_raters_that_are_a_constant_apart_have_limits():
    """The value rounds to 1; dividing by 1 - value stopped."""
    form = intraclass_correlation([[1e12, 1e12 + 1], [-0.9, 0.1], [-0.3, 0.7], [-0.7, 0.3]]).form("ICC(2,1)")
    assert form.value == pytest.approx(1) and form.low <= form.value <= form.high


def test_means_that_are_rounding_have_no_coefficient_of_variation():
    assert intraclass_correlation([[1e6, -1e6 + 1e-9], [1.0, 2.0]]).within_subject_cv is None
    with pytest.raises(InputError, match="positive means"):
        repeatability_of([[1e6, -1e6 + 1e-9], [1.0, 2.0]], "Hz", relative=True)


@pytest.mark.parametrize("n, confidence", [(2, 0.999999), (3, 0.5), (5, 0.99)])
def test_limits_of_agreement_of_few_pairs_have_finite_intervals(n, confidence):
    exact = bland_altman(np.arange(n), np.arange(n) ** 2 / 3, confidence=confidence).exact
    assert np.isfinite([*exact.low, *exact.high]).all()
