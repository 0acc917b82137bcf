"""The report of one cohort analysis: a self-contained HTML file, verdict first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cohort.analysis import CohortAnalysis
from ..cohort.tables import ResultTable, p_text
from . import cohort_text as text
from . import html
from .cohort_figures import Drawn
from .figure_parts import report_style, svg_data_uri
from .provenance import Provenance


@dataclass(frozen=True, eq=False)
class CohortReport:
    """Everything that one report shows. No identifier of a patient enters it.

    Attributes:
        tables: of the analysis; the files hold all of their columns, the report the ones to read.
        title: as the specification has it.
    """

    analysis: CohortAnalysis
    tables: Sequence[ResultTable]
    figures: Sequence[Drawn]
    provenance: Provenance
    title: str = ""


@dataclass(frozen=True)
class ShownTable:
    """Head and rows of text, as a reader wants them; ``note`` stands below."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def render(report: CohortReport) -> str:
    """The report as HTML text."""
    analysis = report.analysis
    with report_style():
        pictures = {drawn.name: svg_data_uri(drawn.figure) for drawn in report.figures}
    return html.render(
        "cohort.html.jinja",
        report=report,
        analysis=analysis,
        best=_best(analysis),
        verdict=text.verdict_sentences(analysis),
        choices=analysis.spec.choices.in_words(),
        figures=[(drawn, pictures[drawn.name]) for drawn in report.figures],
        tables=shown_tables(report.tables),
        warnings=list(analysis.warnings),
        decisions=_decisions(analysis),
        assumptions=text.assumptions(analysis),
        methods=text.methods(analysis),
    )


def write_report(report: CohortReport, path: Path) -> None:
    """Write the report as one UTF-8 file."""
    path.write_text(render(report), encoding="utf-8")


def _best(analysis: CohortAnalysis) -> dict | None:
    """The largest AUC of the first grouping, called what it is: the largest of several."""
    markers = analysis.markers_of(analysis.group_sizes[0].grouping) if analysis.group_sizes else ()
    if not markers:
        return None
    best = max(markers, key=lambda marker: marker.roc.auc)
    label = f"AUC of {best.parameter}, {best.grouping}"
    if len(markers) > 1:
        label += f"; the largest of {len(markers)}"
    return {"label": label, "auc": best.roc.auc, "interval": best.roc.interval}


def _decisions(analysis: CohortAnalysis) -> list[tuple[str, str]]:
    """Which test, and why: one line per comparison."""
    found = [(f"{each.parameter}, {each.grouping}", " ".join(each.decision)) for each in analysis.differences]
    return found + [(f"{each.first_name} - {each.second_name}", " ".join(each.decision)) for each in analysis.pairs]


# -- the tables to read --


def shown_tables(tables: Sequence[ResultTable]) -> list[ShownTable]:
    """A short form of each table."""
    by_name = {table.name: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in tables}
    makers = (
        ("differences", _differences),
        ("paired_differences", _paired),
        ("roc", _roc),
        ("cutoffs", _cutoffs),
        ("auc_comparisons", _auc_comparisons),
        ("correlations", _correlations),
        ("counts", _counts),
        ("agreement", _agreement),
        ("bland_altman", _bland_altman),
        ("sample_size", _sample_size),
        ("missing", _missing),
    )
    return [make(by_name[name]) for name, make in makers if name in by_name]


def _table(title: str, head: Sequence[str], rows, note: str = "") -> ShownTable:
    return ShownTable(title, tuple(head), tuple(tuple(_unbroken(str(cell)) for cell in row) for row in rows), note)


def _unbroken(cell: str) -> str:
    """No line break within "< 0.001" and "58.23 ± 12.13"."""
    return cell.replace("< 0.001", "<\u00a00.001").replace(" ± ", "\u00a0±\u00a0")


def _number(value, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _range(low, high, digits: int = 3) -> str:
    return "-" if low is None else f"{low:.{digits}f} to {high:.{digits}f}"


def _named(row: dict) -> str:
    return f"{row['parameter']} ({row['unit']})" if row.get("unit") else row["parameter"]


def _differences(rows: list[dict]) -> ShownTable:
    head = ("Parameter", "Groups", "First", "Second", "Difference of means (CI)", "Test", "p", "p (Holm)")
    shown = [
        (_named(r), f"{r['group_1']} (n = {r['n_1']}), {r['group_2']} (n = {r['n_2']})", r["summary_1"], r["summary_2"],
         f"{_number(r['mean_difference'], 2)} ({_range(r['ci_low'], r['ci_high'], 2)})",
         f"{r['statistic']} {_number(r['statistic_value'])}: {r['test']}", p_text(r["p"]), p_text(r["p_holm"]))
        for r in rows
    ]  # fmt: skip
    return _table(
        "Differences between groups", head, shown,
        "Mean ± SD where Shapiro-Wilk shows no departure from normality, else median (3rd quartile-1st quartile).",
    )  # fmt: skip


def _paired(rows: list[dict]) -> ShownTable:
    head = ("First - second", "n", "First", "Second", "Difference", "Mean (CI)", "Test", "p", "p (Holm)")
    shown = [
        (f"{r['first']} - {r['second']}", r["n_pairs"], r["summary_first"], r["summary_second"],
         r["summary_difference"], f"{_number(r['mean_difference'], 2)} ({_range(r['ci_low'], r['ci_high'], 2)})",
         f"{r['statistic']} {_number(r['statistic_value'])}: {r['test'].split(',')[0]}", p_text(r["p"]),
         p_text(r["p_holm"]))
        for r in rows
    ]  # fmt: skip
    return _table("Paired differences", head, shown)


def _roc(rows: list[dict]) -> ShownTable:
    head = ("Grouping", "Parameter", "Positive if", "AUC", "CI", "Bootstrap CI", "p against 0.5", "Power")
    shown = [
        (r["grouping"], r["parameter"], r["positive_if"], _number(r["auc"]), _range(r["ci_low"], r["ci_high"]),
         _range(r["bootstrap_low"], r["bootstrap_high"]), p_text(r["p_against_half"]), _number(r["power"], 2))
        for r in rows
    ]  # fmt: skip
    note = f"CI: {rows[0]['ci_method']}. Bootstrap: {rows[0]['bootstrap_method']}. "
    return _table("ROC analysis", head, shown, note + "Power at the observed AUC, which overstates it.")


def _cutoffs(rows: list[dict]) -> ShownTable:
    head = (
        "Grouping",
        "Rule",
        "Sensitivity",
        "Specificity",
        "PPV",
        "NPV",
        "Corrected sens., spec.",
        "Cutoff, bootstrap",
    )
    shown = [
        (r["grouping"], r["rule"], *(_share(r, what) for what in ("sensitivity", "specificity", "ppv", "npv")),
         f"{_number(r['corrected_sensitivity'], 2)}, {_number(r['corrected_specificity'], 2)}",
         _range(r["bootstrap_cutoff_low"], r["bootstrap_cutoff_high"], 2))
        for r in rows
    ]  # fmt: skip
    return _table(
        "Cutoffs by the Youden index", head, shown,
        f"Exact intervals ({rows[0]['interval']}). Chosen and judged on the same patients; corrected: on patients "
        "that a bootstrap draw left out. Cutoff, CI: bootstrap.",
    )  # fmt: skip


def _share(row: dict, what: str) -> str:
    if row[what] is None:
        return "-"
    return (
        f"{row[what]:.3f} ({row[f'{what}_k']}/{row[f'{what}_n']}; {_range(row[f'{what}_low'], row[f'{what}_high'], 2)})"
    )


def _auc_comparisons(rows: list[dict]) -> ShownTable:
    head = ("Grouping", "Parameters", "AUCs", "Difference (CI)", "Z", "p", "p (Holm)", "Power")
    shown = [
        (r["grouping"], f"{r['parameter_1']}, {r['parameter_2']}", f"{_number(r['auc_1'])}, {_number(r['auc_2'])}",
         f"{_number(r['difference'])} ({_range(r['ci_low'], r['ci_high'])})", _number(r["z"]), p_text(r["p"]),
         p_text(r["p_holm"]), _number(r["power"], 2))
        for r in rows
    ]  # fmt: skip
    return _table("Comparison of AUCs", head, shown, "DeLong's test, patients with both values.")


def _correlations(rows: list[dict]) -> ShownTable:
    head = ("Parameter", "With", "n", "Pearson's r (CI)", "p", "Spearman's rho (CI)", "p", "p (Holm)", "Within classes")
    shown = [
        (r["parameter"], r["with"], r["n"],
         f"{_number(r['pearson_r'])} ({_range(r['pearson_low'], r['pearson_high'])})", p_text(r["pearson_p"]),
         f"{_number(r['spearman_rho'])} ({_range(r['spearman_low'], r['spearman_high'])})", p_text(r["spearman_p"]),
         p_text(r["p_holm"]), r["within_classes"] or "-")
        for r in rows
    ]  # fmt: skip
    note = (
        "Within classes: Pearson's r after the class means were taken off, what remains beside the groups' difference."
    )
    return _table("Correlations", head, shown, f"Holm's adjustment of {rows[0]['reported'].capitalize()}'s p. {note}")


def _counts(rows: list[dict]) -> ShownTable:
    head = ("Table", "Row", "Counts", "Share", "Chi-squared", "p", "corrected, p", "Fisher's p", "Odds ratio (CI)")
    shown = [
        (f"{r['rows']} by {r['columns']}", r["row"], f"{r['column_1']} {r['count_1']}, {r['column_2']} {r['count_2']}",
         _number(r["row_share_1"]), _number(r["chi_squared"]), p_text(r["p_chi_squared"]),
         f"{_number(r['chi_squared_corrected'])}, {p_text(r['p_chi_squared_corrected'])}", p_text(r["p_fisher"]),
         f"{_number(r['odds_ratio'], 2)} ({_range(r['odds_ratio_low'], r['odds_ratio_high'], 2)})")
        for r in rows
    ]  # fmt: skip
    return _table("Counts", head, shown, f"Reported test: {rows[0]['test']}.")


def _agreement(rows: list[dict]) -> ShownTable:
    head = ("Parameter", "Between", "n", "ICC", "Value (CI)", "Grade", "Grade of lower limit", "Final value")
    shown = [
        (_named(r), r["between"], r["n"], r["form"], f"{_number(r['icc'])} ({_range(r['ci_low'], r['ci_high'])})",
         r["grade"], r["grade_of_lower_limit"], r["final_value"])
        for r in rows if r["reported"] == "yes"
    ]  # fmt: skip
    meaning = next(r["meaning"] for r in rows if r["reported"] == "yes")
    return _table("Agreement", head, shown, f"{meaning.capitalize()}. The other forms are in agreement.csv.")


def _bland_altman(rows: list[dict]) -> ShownTable:
    head = ("Parameter", "Between", "n", "Bias (CI)", "Limits of agreement", "Outside", "Repeatability", "wCV (%)")
    shown = [
        (_named(r), r["between"], r["n"], f"{_number(r['bias'], 2)} ({_range(r['bias_low'], r['bias_high'], 2)})",
         _range(r["limit_low"], r["limit_high"], 2), r["outside"], _number(r["repeatability_coefficient"], 2),
         _number(r["within_subject_cv_percent"], 1))
        for r in rows
    ]  # fmt: skip
    return _table("Bland-Altman", head, shown)


def _sample_size(rows: list[dict]) -> ShownTable:
    shown = [(r["what"], r["value"] if isinstance(r["value"], int) else _number(r["value"], 2), r["verdict"] or "-")
             for r in rows]  # fmt: skip
    return _table("Sample size", ("What", "Value", "Verdict"), shown)


def _missing(rows: list[dict]) -> ShownTable:
    shown = [(r["parameter"], r["final_value"], r["group"], f"{r['missing']} of {r['patients']}") for r in rows
             if r["group"] == "all" or r["missing"]]  # fmt: skip
    return _table("Final and missing values", ("Parameter", "Final value", "Group", "Missing"), shown)
