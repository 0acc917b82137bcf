"""The data file of published cutoffs, recomputed; and what a rule says of a value."""

import copy
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from NPCResponseLib.errors import InputError
from NPCResponseLib.published_rules import (
    RULES_FILE,
    Proportion,
    RuleContext,
    apply_rule,
    default_rules,
    find_rule,
    load_rules,
    parse_rules,
    predictive_values,
)
from NPCResponseLib.time_points import MeasuredValue, Stage

RULES = load_rules()
IDS = [rule.id for rule in RULES]
POST = "xu2023-r2star-post"
AT_3_T = {"field_strength_t": 3.0, "roi_rule": "largest-slice"}
AT_THE_END = RuleContext("end", Stage.END, dose_gy=70.0)

# cutoff, unit, AUC, AUC interval, sensitivity, specificity, patients: typed from the papers' pages, not from the file.
PAPERS = {
    "xu2023-r2star-post": (40.95, "Hz", 0.897, None, 0.923, 0.733, (26, 15)),
    "xu2023-r2star-increase": (5.50, "Hz", 0.954, None, 0.923, 1.0, (26, 15)),
    "liu2022-tbf-pre-response": (137.07, "mL/100g/min", 0.845, (0.739, 0.951), 0.861, 0.684, (36, 19)),
    "liu2022-tbf-40gy-response": (87.031, "mL/100g/min", 0.686, (0.541, 0.830), 0.583, 0.789, (36, 19)),
    "liu2022-tbf-decrease-response": (57.52, "mL/100g/min", 0.773, (0.638, 0.909), 0.806, 0.684, (36, 19)),
    "liu2022-tbf-pre-residual": (140.87, "mL/100g/min", 0.831, (0.706, 0.957), 0.816, 0.824, (38, 17)),
    "liu2022-tbf-40gy-residual": (82.71, "mL/100g/min", 0.676, (0.511, 0.842), 0.658, 0.706, (38, 17)),
    "liu2022-tbf-decrease-residual": (50.94, "mL/100g/min", 0.782, (0.642, 0.922), 0.895, 0.588, (38, 17)),
}


def r2star(value, se=0.5, **conditions):
    return MeasuredValue(value, se, "Hz", **{**AT_3_T, **conditions})


# -- the file against the papers --


def test_the_file_holds_the_papers_rules():
    found = {
        rule.id: (
            rule.cutoff,
            rule.unit,
            rule.auc,
            rule.auc_interval,
            rule.sensitivity.printed,
            rule.specificity.printed,
            (rule.n_positive, rule.n_negative),
        )
        for rule in RULES
    }
    assert {rule_id: found[rule_id] for rule_id in PAPERS} == PAPERS
    assert all(rule.positive_side == "above" for rule in RULES if rule.id in PAPERS)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_auc_is_attainable_with_the_group_sizes(rule):
    """AUC = U / (n1 n0) with U a multiple of one half; and the text of ``recomputed`` names such a U."""
    pairs = rule.n_positive * rule.n_negative
    u = float(re.search(rf"AUC ([\d.]+)/{pairs} ", rule.recomputed).group(1))
    assert (2 * u).is_integer()
    assert abs(u / pairs - rule.auc) <= 0.0005 + 1e-9


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.normal_expectation()], ids=lambda rule: rule.id)
def test_what_normal_distributions_imply_is_recomputed_rightly_and_fits(rule):
    auc, sensitivity, specificity = rule.normal_expectation()
    for number in (auc, sensitivity, specificity):
        assert f"{number:.3f}" in rule.recomputed
    assert auc == pytest.approx(rule.auc, abs=0.02)
    # The printed counts are no improbable draw from what the means and SDs imply at the cutoff.
    for found, expected in ((rule.sensitivity, sensitivity), (rule.specificity, specificity)):
        assert stats.binomtest(found.k, found.n, expected).pvalue > 0.05


def test_exact_intervals_are_computed():
    """Clopper and Pearson for 24/26, 11/15, 15/15 as in statistics.md section 3; 15/15 by hand: 0.025^(1/15)."""
    assert Proportion(0.923, 24, 26).interval == pytest.approx((0.749, 0.991), abs=5e-4)
    assert Proportion(0.733, 11, 15).interval == pytest.approx((0.449, 0.922), abs=5e-4)
    assert Proportion(1.0, 15, 15).interval == pytest.approx((0.025 ** (1 / 15), 1.0))
    assert find_rule(POST).sensitivity.text() == "92.3 % (24/26; exact 95 % CI 74.9 to 99.1 %)"


def test_misprints_of_the_papers_are_remarked():
    notes = {rule.id: rule.note for rule in RULES}
    assert "5.595" in notes[POST] and "5.571" in notes[POST]
    assert "dropped zero" in notes["liu2022-tbf-decrease-response"]
    assert any("table 4" in remark for remark in find_rule("liu2022-tbf-pre-response").study.remarks)
    assert all(check.note for rule in RULES for check in rule.checks if check.status != "consistent")


def test_t_statistic_of_the_post_value_is_outside_its_rounding_interval():
    groups = {"mean1": 58.23, "std1": 12.13, "nobs1": 26, "mean2": 37.83, "std2": 9.62, "nobs2": 15}
    t = stats.ttest_ind_from_stats(**groups).statistic
    check = next(check for check in find_rule(POST).checks if check.status == "inconsistent")
    assert f"{t:.3f}" == check.recomputed.split()[0] == "5.571"
    swapped = stats.ttest_ind_from_stats(**{**groups, "mean1": 58.32}).statistic
    assert f"{swapped:.3f}" == "5.596"


# -- inconsistent rows and broken files --


@pytest.fixture
def content():
    return json.loads(RULES_FILE.read_text(encoding="utf-8"))


def test_inconsistent_row_is_kept_but_no_default(content, monkeypatch):
    row = content["rules"][0]
    row["sensitivity"] = {"printed": 0.8367, "k": None, "n": 26}  # no count of 26 gives it
    row["checks"][0]["status"] = row["status"] = "inconsistent"
    rules = parse_rules(content)
    monkeypatch.setattr("NPCResponseLib.published_rules.load_rules", lambda: rules)
    assert POST not in [rule.id for rule in default_rules()] and POST in [rule.id for rule in rules]
    result = apply_rule(rules[0], r2star(50), AT_THE_END)
    assert result.remarks[0] == "The printed numbers of this rule are inconsistent."
    assert result.positive_predictive_interval is None


def test_all_shipped_rules_are_consistent_and_defaults():
    assert {rule.status for rule in RULES} == {"consistent"}
    assert default_rules() == RULES


def edit(*path, value):
    def change(content):
        place = content["rules"][0]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("cutof", value=1), "unknown field 'cutof'. Did you mean cutoff?"),
        (edit("cutoff", value="40.95"), "the cutoff is no number: '40.95'"),
        (edit("cutoff", value=float("nan")), "the cutoff is no number: nan"),
        (lambda content: content["rules"][0].pop("cutoff"), "the field 'cutoff' is missing"),
        (edit("unit", value="ms"), "r2star is not measured in ms"),
        (edit("quantity", value="t1"), "'t1' is none of r2star"),
        (edit("stage", value="later"), "'later' is none of pre-treatment"),
        (edit("positive_side", value="over"), "positive_side is 'over', not above or below"),
        (edit("study", value="xu2022"), "there is no study 'xu2022'"),
        (edit("status", value="fine"), "the status is 'fine'"),
        (edit("status", value="inconsistent"), "the status is inconsistent, its checks make it consistent"),
        (edit("sensitivity", "k", value=23), "23 of 26 is not the printed sensitivity 0.923"),
        (edit("sensitivity", "k", value=None), "no count gives the sensitivity"),
        (edit("sensitivity", "n", value=25), "the sensitivity is of 25 patients, the group has 26"),
        (edit("specificity", "printed", value=73.3), "the specificity is 73.3; it is written as a fraction"),
        (edit("auc", value=1.2), "the AUC is 1.2"),
        (edit("auc_interval", value=[0.9, 0.95]), "the AUC lies outside of its interval"),
        (edit("baseline_stage", value="pre-treatment"), "a change has a baseline_stage"),
        (edit("positive_class", value="responders"), "the classes are not those of response-3-months"),
        (edit("groups", value=[]), "there must be two groups"),
        (edit("checks", 0, "about", value="me"), "is about 'me', not rule or background"),
        (lambda content: content.pop("rules"), "rules are missing"),
        (lambda content: content["rules"].append("x"), "fields and values are expected"),
        (lambda content: content["rules"].append(content["rules"][0]), "occurs 2 times"),
    ],
)
def test_broken_files_are_refused_with_the_place(content, change, message):
    content = copy.deepcopy(content)
    change(content)
    with pytest.raises(InputError, match=re.escape(message)):
        parse_rules(content)


def test_unknown_rule_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean xu2023-r2star-post"):
        find_rule("xu2023-r2star-pos")


# -- applying --


def test_value_is_compared_with_the_cutoff_in_standard_errors():
    result = apply_rule(find_rule(POST), r2star(42.95, 0.5), AT_THE_END)
    assert result.is_positive and result.is_favorable
    assert result.predicted_class == "responding group (CR or PR)"
    assert result.distance == pytest.approx(2.0) and result.distance_se == pytest.approx(4.0)
    assert not result.near_cutoff
    assert result.sentence == (
        "R2* after treatment: 42.95 Hz (SE 0.5), 2 Hz above the cutoff of 40.95 Hz, 4 times its standard error: on the "
        "side of responding group (CR or PR)."
    )


def test_near_the_cutoff_it_says_so_with_the_probability():
    result = apply_rule(find_rule(POST), r2star(40.45, 0.5), AT_THE_END)
    assert not result.is_positive and result.near_cutoff
    assert result.probability_of_other_side == pytest.approx(0.158655, abs=1e-6)  # one normal standard deviation
    assert "near the cutoff: the true value is on the other side with 16 % probability" in result.sentence
    few = apply_rule(find_rule(POST), r2star(40.45, 0.5, degrees_of_freedom=3), AT_THE_END)
    assert few.probability_of_other_side == pytest.approx(float(stats.t.sf(1, 3)))


def test_value_exactly_at_the_cutoff_is_negative_and_near():
    for se in (0.5, None):
        result = apply_rule(find_rule(POST), r2star(40.95, se), AT_THE_END)
        assert not result.is_positive and result.near_cutoff and "exactly at the cutoff" in result.sentence


def test_without_a_standard_error_nothing_is_said_of_certainty():
    for se in (None, 0.0):
        result = apply_rule(find_rule(POST), r2star(60, se), AT_THE_END)
        assert result.distance_se is None and result.probability_of_other_side is None and not result.near_cutoff
        assert "cannot be told without a standard error" in result.sentence


def test_rule_with_low_positive_values_counts_the_other_way(content):
    content["rules"][0]["positive_side"] = "below"
    rule = parse_rules(content)[0]
    assert apply_rule(rule, r2star(30)).is_positive and not apply_rule(rule, r2star(50)).is_positive
    assert not apply_rule(rule, r2star(rule.cutoff)).is_positive


def test_predictive_values_by_hand():
    """Sensitivity 24/26, specificity 11/15 at the paper's 26/41 give back the table: 24/28 and 11/13."""
    result = apply_rule(find_rule(POST), r2star(50), AT_THE_END)
    assert result.prevalence == pytest.approx(26 / 41)
    assert "the paper's own patients (26 of 41" in result.prevalence_source
    assert result.positive_predictive_value == pytest.approx(24 / 28)
    assert result.negative_predictive_value == pytest.approx(11 / 13)
    low, high = result.positive_predictive_interval
    assert low < 24 / 28 < high < 1


def test_stated_prevalence_is_used():
    result = apply_rule(find_rule(POST), r2star(50), AT_THE_END, prevalence=0.9)
    expected = 24 / 26 * 0.9 / (24 / 26 * 0.9 + 4 / 15 * 0.1)
    assert result.positive_predictive_value == pytest.approx(expected)
    assert result.prevalence_source == "given by the user"
    with pytest.raises(InputError, match="between 0 and 1, found 90"):
        apply_rule(find_rule(POST), r2star(50), prevalence=90)


def test_perfect_specificity_does_not_promise_certainty():
    change = MeasuredValue(20.0, 1.0, "Hz", **AT_3_T)
    result = apply_rule(find_rule("xu2023-r2star-increase"), change)
    assert result.positive_predictive_value == 1
    assert result.positive_predictive_interval[0] < 0.9


def test_another_unit_is_refused():
    with pytest.raises(InputError, match="the value is in ms, the rule in Hz"):
        apply_rule(find_rule(POST), MeasuredValue(24.4, 0.5, "ms"))


@pytest.mark.parametrize(
    ("value", "context", "words"),
    [
        (r2star(50, field_strength_t=1.5), AT_THE_END, "field strength is 3 T; here it is 1.5 T"),
        (r2star(50), RuleContext("m3", Stage.MONTH_3), "this one: 3 months after"),
        (r2star(50, roi_rule="whole-volume"), AT_THE_END, "here it is: whole-volume"),
        (r2star(50, roi_rule="Slice with the largest area, eroded by 2 mm"), AT_THE_END, "eroded by 2 mm"),
        (r2star(50, roi_rule="largest-slice-and-neighbors"), AT_THE_END, "largest-slice-and-neighbors"),
    ],
)
def test_condition_that_does_not_hold_is_named(value, context, words):
    result = apply_rule(find_rule(POST), value, context)
    assert len(result.conditions_not_met) == 1 and words in result.conditions_not_met[0]


def test_conditions_of_a_change_in_flow():
    rule = find_rule("liu2022-tbf-decrease-response")
    context = RuleContext("mid", Stage.MID, "pre", Stage.PRE, dose_gy=40.0)
    value = MeasuredValue(
        60.0,
        3.0,
        "mL/100g/min",
        roi_rule="Largest slice and its two neighbors; mean of the slices' means",
        method="Single delay (Eq. 2)",
        field_strength_t=2.89,
        post_labeling_delay_ms=2025.0,
    )
    result = apply_rule(rule, value, context)
    assert result.conditions_not_met == () and result.conditions_unknown == ()
    assert apply_rule(rule, value).conditions_unknown != ()
    other = MeasuredValue(60.0, 3.0, "mL/100g/min", method="Kinetic model", post_labeling_delay_ms=1800.0)
    wrong = apply_rule(rule, other, RuleContext("end", Stage.END, "first", Stage.OTHER, dose_gy=70.0))
    text = " ".join(wrong.conditions_not_met)
    for words in ("the value during treatment", "the baseline before treatment", "1800 ms", "70 Gy", "Kinetic model"):
        assert words in text


def test_what_is_not_known_of_the_conditions_is_said():
    result = apply_rule(find_rule(POST), MeasuredValue(50, 0.5, "Hz"))
    assert result.conditions_not_met == ()
    assert len(result.conditions_unknown) == 4  # stage, field strength, ROI rule, method


# -- properties --

SHARES = st.floats(0.01, 0.99)


@given(SHARES, SHARES, SHARES, SHARES)
def test_predictive_values_are_bayes(sensitivity, specificity, prevalence, other):
    ppv, npv = predictive_values(sensitivity, specificity, prevalence)
    assert ppv == pytest.approx(
        1 / (1 + (1 - specificity) / sensitivity * (1 - prevalence) / prevalence)  # odds form
    )
    assert 0 <= npv <= 1
    higher = max(prevalence, other)
    assert predictive_values(sensitivity, specificity, higher)[0] >= ppv - 1e-12
    assert predictive_values(sensitivity, specificity, higher)[1] <= npv + 1e-12


def test_predictive_value_that_no_patient_could_have_is_none():
    assert predictive_values(0.0, 1.0, 0.5) == (None, 0.5)
    assert predictive_values(1.0, 0.0, 0.5) == (0.5, None)


@given(st.sampled_from(RULES), st.floats(-500, 500), st.floats(0.01, 100))
def test_side_and_probability_agree(rule, value, se):
    result = apply_rule(rule, MeasuredValue(value, se, rule.unit))
    assert result.is_positive == (value > rule.cutoff)
    assert 0 <= result.probability_of_other_side <= 0.5
    assert result.near_cutoff == (abs(value - rule.cutoff) < 2 * se)
    assert math.isfinite(result.distance_se)
