"""The result as plain tables: the same for CSV files, reports and Slicer's table nodes."""

from dataclasses import dataclass

from ..statistics.group_summary import GroupSummary
from ..statistics.proportions import Proportion
from .analysis import (
    FAMILIES,
    CohortAnalysis,
    auc_difference_name,
    correlation_name,
    counts_name,
    difference_name,
    pair_name,
)


@dataclass(frozen=True)
class ResultTable:
    """Attributes:
    name: also the file's; title: for people.
    columns: their names, units in words where a column has one unit.
    rows: cells are text, numbers or None.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple, ...]


TABLE_NAMES = (
    "summaries", "differences", "paired_differences", "roc", "cutoffs", "auc_comparisons", "correlations", "counts",
    "agreement", "bland_altman", "multiplicity", "sample_size", "missing",
)  # fmt: skip


def result_tables(analysis: CohortAnalysis) -> tuple[ResultTable, ...]:
    """Every table that has a row."""
    makers = (
        _summaries, _differences, _paired, _roc, _cutoffs, _auc_comparisons, _correlations, _counts, _agreement,
        _bland_altman, _multiplicity, _sample_size, _missing,
    )  # fmt: skip
    tables = (
        ResultTable(name, title, tuple(columns), tuple(map(tuple, rows)))
        for name, (title, columns, rows) in zip(TABLE_NAMES, (make(analysis) for make in makers), strict=True)
    )
    return tuple(table for table in tables if table.rows)


def summary_text(summary: GroupSummary, is_normal: bool) -> str:
    """mean ± SD of a normal sample, else median (Q3-Q1), as the papers print them."""
    largest = max(abs(summary.minimum), abs(summary.maximum))
    decimals = 2 if largest >= 1 else 4
    return summary.mean_sd_text(decimals) if is_normal else summary.median_text(decimals, upper_first=True)


def p_text(p: float | None) -> str:
    """As papers print it."""
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _summaries(analysis: CohortAnalysis):
    columns = (
        "parameter", "unit", "grouping", "group", "n", "missing", "mean", "sd", "median", "q1", "q3", "minimum",
        "maximum", "shapiro_wilk_w", "shapiro_wilk_p", "as_printed",
    )  # fmt: skip
    rows = []
    for found in analysis.differences:
        for summary, normality in zip((found.first, found.second), found.normality, strict=True):
            s = summary
            rows.append(
                (found.parameter, found.unit, found.grouping, s.name, s.n, s.n_missing, s.mean, s.sd, s.median, s.q1,
                 s.q3, s.minimum, s.maximum, normality.w, normality.p,
                 summary_text(s, not normality.departs(found.alpha)))
            )  # fmt: skip
    return "Groups", columns, rows


def _differences(analysis: CohortAnalysis):
    columns = (
        "grouping", "parameter", "unit", "group_1", "n_1", "summary_1", "group_2", "n_2", "summary_2",
        "mean_difference", "ci_low", "ci_high", "test", "statistic", "statistic_value", "p", "p_holm", "p_bonferroni",
        "p_benjamini_hochberg", "p_student", "p_welch", "p_mann_whitney_exact", "p_mann_whitney_asymptotic",
        "hedges_g", "hedges_g_low", "hedges_g_high", "rank_biserial", "decision",
    )  # fmt: skip
    rows = []
    for found in analysis.differences:
        test = analysis.test_of(FAMILIES[0], difference_name(found))
        summaries = []
        for summary, normality in zip((found.first, found.second), found.normality, strict=True):
            summaries += [summary.name, summary.n, summary_text(summary, not normality.departs(found.alpha))]
        t, g = found.t_test, found.effect_size
        rows.append(
            (found.grouping, found.parameter, found.unit, *summaries, t.difference, t.low, t.high, found.method,
             found.statistic_name, found.statistic, found.p, test.holm, test.bonferroni, test.benjamini_hochberg,
             found.p_student, found.p_welch, found.p_exact, found.p_asymptotic, g.value, g.low, g.high,
             found.rank_effect_size.value, " ".join(found.decision))
        )  # fmt: skip
    return "Differences between groups", columns, rows


def _paired(analysis: CohortAnalysis):
    columns = (
        "first", "second", "unit", "n_pairs", "missing", "summary_first", "summary_second", "summary_difference",
        "mean_difference", "ci_low", "ci_high", "test", "statistic", "statistic_value", "p", "p_holm", "p_bonferroni",
        "p_benjamini_hochberg", "p_paired_t", "p_wilcoxon_exact", "p_wilcoxon_asymptotic", "cohens_dz", "decision",
    )  # fmt: skip
    rows = []
    for found in analysis.pairs:
        test = analysis.test_of(FAMILIES[1], pair_name(found))
        is_normal = not found.normality.departs(found.alpha)
        summaries = [summary_text(s, is_normal) for s in (found.first, found.second, found.difference)]
        t = found.t_test
        rows.append(
            (found.first_name, found.second_name, found.unit, found.n_pairs, found.n_missing, *summaries, t.difference,
             t.low, t.high, found.method, found.statistic_name, found.statistic, found.p, test.holm, test.bonferroni,
             test.benjamini_hochberg, t.p, found.p_exact, found.p_asymptotic, found.effect_size.value,
             " ".join(found.decision))
        )  # fmt: skip
    return "Paired differences", columns, rows


def _roc(analysis: CohortAnalysis):
    columns = (
        "grouping", "parameter", "positive_class", "n_positive", "n_negative", "missing", "positive_if", "auc",
        "ci_low", "ci_high", "ci_method", "delong_low", "delong_high", "logit_low", "logit_high", "bootstrap_low",
        "bootstrap_high", "bootstrap_method", "p_against_half", "power", "n_positive_for_80_percent",
        "n_negative_for_80_percent",
    )  # fmt: skip
    rows = []
    for marker in analysis.markers:
        roc, bootstrap, power = marker.roc, marker.bootstrap, marker.power
        names = analysis.values.group(marker.grouping).grouping.names
        rows.append(
            (marker.grouping, marker.parameter, names[0], roc.curve.n_positive, roc.curve.n_negative,
             roc.curve.n_missing, f"{roc.curve.side} the cutoff", roc.auc, *_ends(roc.interval),
             roc.interval.method if roc.interval else "", *_ends(roc.delong), *_ends(roc.logit), *_ends(bootstrap),
             bootstrap.method if bootstrap else "not computed", roc.p, power.power if power else None,
             power.n_positive_needed if power else None, power.n_negative_needed if power else None)
        )  # fmt: skip
    return "ROC analysis", columns, rows


def _ends(interval) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def _cutoffs(analysis: CohortAnalysis):
    measures = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    columns = ["grouping", "parameter", "unit", "rule", "cutoff", "tied_cutoffs", "youden"]
    for measure in measures:
        columns += [measure, f"{measure}_k", f"{measure}_n", f"{measure}_low", f"{measure}_high"]
    columns += [
        "interval", "corrected_sensitivity", "corrected_specificity", "corrected_youden", "bootstrap_cutoff_low",
        "bootstrap_cutoff_high", "optimism_method",
    ]  # fmt: skip
    rows = []
    for marker in analysis.markers:
        cutoff, optimism = marker.roc.cutoff, marker.optimism
        row = [marker.grouping, marker.parameter, marker.unit, cutoff.rule(marker.parameter, marker.unit)]
        row += [cutoff.threshold, len(marker.roc.best_youden), cutoff.youden]
        for measure in measures:
            row += _proportion(getattr(cutoff.performance, measure))
        row.append(f"exact {100 * marker.roc.confidence:g} %")
        if optimism:
            row += [optimism.corrected.sensitivity, optimism.corrected.specificity, optimism.corrected.youden]
            row += [optimism.threshold_low, optimism.threshold_high, optimism.method]
        else:
            row += [None] * 5 + ["not computed"]
        rows.append(row)
    return "Cutoffs by the Youden index", columns, rows


def _proportion(share: Proportion) -> list:
    low, high = share.exact or (None, None)
    return [share.value, share.k, share.n, low, high]


def _auc_comparisons(analysis: CohortAnalysis):
    columns = (
        "grouping", "parameter_1", "parameter_2", "n_positive", "n_negative", "missing", "auc_1", "auc_2", "difference",
        "ci_low", "ci_high", "z", "p", "p_holm", "p_bonferroni", "p_benjamini_hochberg", "power", "test",
    )  # fmt: skip
    rows = []
    for found in analysis.auc_differences:
        t, test = found.test, analysis.test_of(FAMILIES[2], auc_difference_name(found))
        rows.append(
            (found.grouping, t.name_a, t.name_b, t.n_positive[0], t.n_negative[0], t.n_missing[0], t.auc_a, t.auc_b,
             t.difference, t.low, t.high, t.statistic, t.p, test.holm, test.bonferroni, test.benjamini_hochberg,
             found.power.power if found.power else None, t.method)
        )  # fmt: skip
    return "Comparison of AUCs", columns, rows


def _correlations(analysis: CohortAnalysis):
    columns = (
        "parameter", "with", "n", "missing", "pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_rho",
        "spearman_low", "spearman_high", "spearman_p", "reported", "p_holm", "p_bonferroni", "p_benjamini_hochberg",
        "slope", "intercept", "within_classes",
    )  # fmt: skip
    rows = []
    for found in analysis.correlations:
        test = analysis.test_of(FAMILIES[3], correlation_name(found))
        c = found.correlation
        within = "; ".join(f"{name}: {'-' if r is None else f'{r:.3f}'} (n = {n})" for name, r, n in found.within)
        rows.append(
            (found.parameter, found.other, c.n, c.n_missing, c.pearson.value, c.pearson.low, c.pearson.high,
             c.pearson.p, c.spearman.value, c.spearman.low, c.spearman.high, c.spearman.p, found.reported, test.holm,
             test.bonferroni, test.benjamini_hochberg, found.slope, found.intercept, within)
        )  # fmt: skip
    return "Correlations", columns, rows


def _counts(analysis: CohortAnalysis):
    columns = (
        "rows", "columns", "row", "column_1", "count_1", "column_2", "count_2", "row_total", "row_share_1", "missing",
        "test", "p", "p_holm", "p_bonferroni", "p_benjamini_hochberg", "chi_squared", "p_chi_squared",
        "chi_squared_corrected", "p_chi_squared_corrected", "p_fisher", "odds_ratio", "odds_ratio_low",
        "odds_ratio_high",
    )  # fmt: skip
    rows = []
    for found in analysis.counts:
        test = analysis.test_of(FAMILIES[4], counts_name(found))
        for name, (first, second) in zip(found.row_names, found.counts, strict=True):
            total = first + second
            rows.append(
                (found.row_grouping, found.column_grouping, name, found.column_names[0], first, found.column_names[1],
                 second, total, first / total if total else None, found.n_missing, found.method, found.p, test.holm,
                 test.bonferroni, test.benjamini_hochberg, found.chi2, found.p_pearson, found.chi2_corrected,
                 found.p_corrected, found.p_fisher, *found.odds_ratio)
            )  # fmt: skip
    return "Counts", columns, rows


def _agreement(analysis: CohortAnalysis):
    columns = (
        "parameter", "unit", "between", "n", "missing", "form", "meaning", "limits", "icc", "ci_low", "ci_high", "p",
        "grade", "grade_of_lower_limit", "reported", "final_value",
    )  # fmt: skip
    rows = []
    for found in analysis.agreement:
        forms = {id(found.form): found.form} | {id(form): form for form in found.icc.mcgraw_wong}
        for form in forms.values():
            is_reported = form is found.form
            rows.append(
                (found.parameter, found.unit, found.kind, found.icc.n_subjects, found.icc.n_missing, form.form,
                 form.meaning, form.limits, form.value, form.low, form.high, form.p, form.grade, form.grade_of_low,
                 "yes" if is_reported else "no", found.final_value)
            )  # fmt: skip
    return "Agreement", columns, rows


def _bland_altman(analysis: CohortAnalysis):
    columns = (
        "parameter", "unit", "between", "n", "missing", "bias", "bias_low", "bias_high", "bias_p", "sd",
        "limit_low", "limit_low_ci_low", "limit_low_ci_high", "limit_high", "limit_high_ci_low", "limit_high_ci_high",
        "limits_interval", "outside", "proportional_bias_slope", "proportional_bias_p", "repeatability_coefficient",
        "within_subject_sd", "within_subject_cv_percent",
    )  # fmt: skip
    rows = []
    for found in analysis.agreement:
        b, cv, repeat = found.bland_altman, found.icc.within_subject_cv, found.repeatability
        rows.append(
            (found.parameter, found.unit, found.kind, b.n, b.n_missing, b.bias, *(b.bias_interval or (None, None)),
             b.bias_p, b.sd, b.low, *(b.exact.low or (None, None)), b.high, *(b.exact.high or (None, None)),
             b.exact.method, b.n_outside, b.proportional_bias.slope, b.proportional_bias.p,
             *((repeat.coefficient, repeat.within_subject_sd) if repeat else (None, None)),
             None if cv is None else 100 * cv)
        )  # fmt: skip
    return "Bland-Altman", columns, rows


def _multiplicity(analysis: CohortAnalysis):
    columns = (
        "family", "test_of", "method", "p", "tests_in_family", "bonferroni", "holm", "benjamini_hochberg",
        "tests_in_all", "bonferroni_all", "holm_all", "benjamini_hochberg_all",
    )  # fmt: skip
    rows = [
        (t.family, t.what, t.method, t.p, t.n_family, t.bonferroni, t.holm, t.benjamini_hochberg, t.n_all,
         t.bonferroni_all, t.holm_all, t.benjamini_hochberg_all)
        for t in analysis.tests
    ]  # fmt: skip
    return "Every test, adjusted for their number", columns, rows


def _sample_size(analysis: CohortAnalysis):
    columns = ("what", "value", "verdict", "method")
    rows = []
    for size in analysis.group_sizes:
        for name, n in zip(size.names, (size.n_positive, size.n_negative), strict=True):
            rows.append((f"{size.grouping}: patients {name}", n, "small" if n < 10 else "", ""))
        if size.events:
            events = size.events
            what = f"{size.grouping}: events per candidate parameter ({events.n_parameters})"
            rows.append((what, events.events_per_variable, events.verdict, events.method))
    for marker in analysis.markers:
        if marker.power:
            what = f"{marker.grouping}: power for the AUC of {marker.parameter} against 0.5"
            rows.append((what, marker.power.power, _power_verdict(marker.power), marker.power.method))
    for found in analysis.auc_differences:
        if found.power:
            what = f"Power for {auc_difference_name(found)}"
            rows.append((what, found.power.power, _power_verdict(found.power), found.power.method))
    return "Sample size", columns, rows


def _power_verdict(power) -> str:
    if power.power >= power.target_power:
        return "enough for the observed difference"
    if power.n_positive_needed is None:
        return "not enough"
    return f"{power.n_positive_needed} and {power.n_negative_needed} patients for {100 * power.target_power:g} %"


def _missing(analysis: CohortAnalysis):
    columns = ("parameter", "final_value", "group", "missing", "patients")
    rows = []
    for found in analysis.missing:
        rows.append((found.parameter, found.source, "all", found.n_missing, analysis.n))
        rows += [(found.parameter, found.source, name, missing, n) for name, missing, n in found.by_group]
    return "Missing values", columns, rows
