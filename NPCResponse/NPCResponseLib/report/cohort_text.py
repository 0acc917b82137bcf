"""The sentences of a cohort report: verdict, methods, assumptions. Plain values in, plain text out."""

from ..cohort.agreement import KIND_WORDS
from ..cohort.analysis import FAMILIES, CohortAnalysis, difference_name
from ..cohort.discrimination import BOOTSTRAP_AT_MOST
from ..cohort.spec import CHI_SQUARED_WORDS, FINAL_VALUE_WORDS
from ..cohort.tables import p_text
from .citations import Citing


def verdict_sentences(analysis: CohortAnalysis) -> list[str]:
    """What the cohort tells, the discrimination first."""
    sentences = []
    for size in analysis.group_sizes:
        sentences += _grouping_sentences(analysis, size)
    for found in analysis.pairs:
        changed = _differs(found.p, analysis)
        unit = f" {found.unit}" if found.unit else ""
        interval = ""
        if found.t_test.low is not None:
            interval = f" ({100 * found.t_test.confidence:g} % CI {_n(found.t_test.low)} to {_n(found.t_test.high)})"
        sentences.append(
            f"{found.first_name} - {found.second_name}: mean {_n(found.difference.mean)}{unit}{interval}, "
            f"p {_equals(found.p)}{changed}, {found.n_pairs} patients."
        )
    for found in analysis.correlations:
        c = getattr(found.correlation, found.reported)
        if c.value is not None:
            symbol = "r" if found.reported == "pearson" else "rho"
            sentences.append(
                f"{found.parameter} with {found.other}: {symbol} {c.value:.3f}{_interval(c)}, p {_equals(found.p)}, "
                f"{found.correlation.n} patients."
            )
    for found in analysis.counts:
        shares = [f"{row[0]} of {sum(row)} {name}" for name, row in zip(found.row_names, found.counts, strict=True)]
        sentences.append(f"{found.column_names[0]}: {' and '.join(shares)}; p {_equals(found.p)} ({found.method}).")
    return sentences


def _grouping_sentences(analysis: CohortAnalysis, size) -> list[str]:
    first, second = size.names
    markers = analysis.markers_of(size.grouping)
    sentences = []
    for marker in sorted(markers, key=lambda each: -each.roc.auc):
        cutoff = marker.roc.cutoff
        p = cutoff.performance
        sentences.append(
            f"{marker.parameter} tells {first} (n = {marker.roc.curve.n_positive}) from {second} "
            f"(n = {marker.roc.curve.n_negative}) with AUC {marker.roc.auc:.3f}{_interval(marker.roc.interval)}; "
            f"{cutoff.rule(marker.parameter, marker.unit)}: sensitivity {p.sensitivity.k}/{p.sensitivity.n}, "
            f"specificity {p.specificity.k}/{p.specificity.n}{_corrected(marker)}."
        )
    tests = [analysis.test_of(FAMILIES[0], difference_name(each)) for each in analysis.differences
             if each.grouping == size.grouping]  # fmt: skip
    alpha = analysis.spec.choices.alpha
    different = [test for test in tests if test.holm is not None and test.holm < alpha]
    sentences.append(
        f"{size.grouping}: {len(different)} of {len(tests)} parameters differ between the groups at {alpha:g} after "
        "Holm's adjustment."
    )
    return sentences


def _corrected(marker) -> str:
    if marker.optimism is None:
        return ""
    corrected = marker.optimism.corrected
    return f" (corrected for optimism {corrected.sensitivity:.2f} and {corrected.specificity:.2f})"


def _interval(interval) -> str:
    if interval is None or interval.low is None:
        return ""
    return f" ({100 * interval.confidence:g} % CI {interval.low:.3f} to {interval.high:.3f})"


def _equals(p: float | None) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _differs(p: float | None, analysis: CohortAnalysis) -> str:
    return "" if p is None or p < analysis.spec.choices.alpha else " (no difference shown)"


def _n(value: float) -> str:
    return f"{value:.2f}"


def methods(analysis: CohortAnalysis) -> Citing:
    """How the numbers were made, from the decisions that were in fact taken; fit to be pasted into a paper."""
    choices = analysis.spec.choices
    paragraphs = [_values_paragraph(analysis)]
    if analysis.differences or analysis.pairs:
        paragraphs.append(_tests_paragraph(analysis))
    if analysis.markers:
        paragraphs.append(_roc_paragraph(analysis))
    if analysis.correlations or analysis.counts:
        paragraphs.append(_association_paragraph(analysis))
    if analysis.agreement:
        form = analysis.agreement[0].form
        kinds = " and ".join(sorted({" and ".join(KIND_WORDS[each.kind]) for each in analysis.agreement}))
        paragraphs.append(
            f"Agreement of {kinds} was judged by the intraclass correlation {form.form} ({form.meaning}; limits: "
            f"{form.limits}), graded as in {analysis.agreement[0].icc.grading}, and by Bland-Altman analysis with "
            "limits of agreement at 1.96 standard deviations and exact confidence intervals of the limits."
        )
    paragraphs.append(
        f"Tests were two-sided; p below {choices.alpha:g} was called significant. p values are given raw and "
        "adjusted by Bonferroni, Holm and Benjamini-Hochberg within each table and over all "
        f"{sum(test.p is not None for test in analysis.tests)} tests. Confidence intervals are "
        f"{100 * choices.confidence:g} % unless said otherwise. Patients without a value were left out of what needs "
        "it, and counted."
    )
    return Citing.of(paragraphs)


def _values_paragraph(analysis: CohortAnalysis) -> str:
    sizes = [
        f"{size.grouping}: {size.n_positive} {size.names[0]} and {size.n_negative} {size.names[1]}"
        for size in analysis.group_sizes
    ]
    text = f"{analysis.n} patients were analyzed{f' ({chr(59).join(sizes)})' if sizes else ''}.".replace(";", "; ")
    read = [each for each in analysis.values.parameters if each.repeats and not each.parameter.parts]
    if read:
        rules = {
            each.source if not each.parameter.column else "the stated column": analysis.spec.final_value(each.parameter)
            for each in read
        }
        words = " or ".join(sorted(rules))
        text += f" Where two observers or readings were given, the final value was the {words}."
        if "observer-1" in rules.values():
            text += " This is the rule of Xu et al. {xu2023}."
        if "mean" in rules.values():
            text += " This is the rule of Liu et al. {liu2022}."
    derived = [f"{each.parameter.name} = {each.source}" for each in analysis.values.parameters if each.parameter.parts]
    if derived:
        text += f" Derived were {', '.join(derived)}."
    return text


def _tests_paragraph(analysis: CohortAnalysis) -> str:
    choices = analysis.spec.choices
    normal = (
        "mean ± standard deviation where Shapiro-Wilk's test showed no departure from normality, else as median (3rd"
    )
    text = f"Values are given as {normal} quartile-1st quartile; {dict(choices.in_words())['Quartiles']})."
    used = {found.method: 0 for found in (*analysis.differences, *analysis.pairs)}
    for found in (*analysis.differences, *analysis.pairs):
        used[found.method] += 1
    how = {
        "normality": f"by the t-test if no group departed from normality at {choices.alpha:g}, else by the rank test",
        "t": "by the t-test throughout, as chosen beforehand",
        "rank": "by the rank test throughout, as chosen beforehand",
    }[choices.path]
    listed = "; ".join(f"{method} ({n})" for method, n in used.items())
    return f"{text} Groups and pairs were compared {how}. Used were: {listed}."


def _roc_paragraph(analysis: CohortAnalysis) -> str:
    choices = analysis.spec.choices
    interval = {"logit": "DeLong's variance on the logit scale", "delong": "DeLong's method"}[choices.auc_interval]
    text = (
        f"Discrimination was measured by the area under the ROC curve with intervals by {interval}. The cutoff is the "
        "largest Youden index (of tied ones the most sensitive), midway between observed values; sensitivity, "
        "specificity and predictive values have exact (Clopper-Pearson) intervals. AUCs of the same patients were "
        "compared by DeLong's test."
    )
    if any(marker.bootstrap for marker in analysis.markers):
        text += (
            f" A stratified bootstrap ({choices.bootstrap_replicates} replicates, seed {choices.seed}) gave "
            f"{100 * choices.bootstrap_confidence:g} % percentile intervals of the AUC; choosing the cutoff anew "
            "in each replicate and judging it on the patients left out gave sensitivity and specificity corrected for "
            "optimism."
        )
    else:
        text += f" With more than {BOOTSTRAP_AT_MOST:,} patients no bootstrap was done."
    return text


def _association_paragraph(analysis: CohortAnalysis) -> str:
    choices, sentences = analysis.spec.choices, []
    if analysis.correlations:
        sentences.append(
            f"Correlation with {analysis.spec.correlate_with} was measured by Pearson's r and Spearman's rho, "
            f"intervals by Fisher's z; {choices.correlation.capitalize()}'s is the reported test."
        )
    if analysis.counts:
        sentences.append(f"Counts were compared by {CHI_SQUARED_WORDS[choices.chi_squared]}.")
    return " ".join(sentences)


def assumptions(analysis: CohortAnalysis) -> list[str]:
    """What the numbers take for granted."""
    found = [
        "One row is one patient, and patients are independent of each other.",
        "Missing values are missing by chance.",
        "Nobody's class was known to those who measured, and nobody's measurement to those who judged the response.",
    ]
    if analysis.markers:
        found.append("Predictive values hold for the share of the positive class in these patients only.")
    if any(each.repeats for each in analysis.values.parameters):
        rule = FINAL_VALUE_WORDS[analysis.spec.choices.final_value]
        found.append(f"The final value of two observers ({rule}) was chosen before the results were known.")
    return found
