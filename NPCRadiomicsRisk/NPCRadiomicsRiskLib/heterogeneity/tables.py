"""The comparison of sub-regions as plain tables, for CSV files, reports and table nodes."""

from dataclasses import dataclass

from NPCResponseLib.cohort.tables import ResultTable

from .comparison import FeatureComparison, HeterogeneityAnalysis
from .published_subregions import published_subregions


@dataclass(frozen=True)
class NotedTable(ResultTable):
    """A table with sentences to print below it."""

    notes: tuple[str, ...] = ()


TABLE_NAMES = ("comparison", "significant", "correlations", "components", "loadings", "scores", "boxes", "missing")


def tables(analysis: HeterogeneityAnalysis) -> tuple[NotedTable, ...]:
    """Every table that has a row."""
    makers = (_comparison, _significant, _correlations, _components, _loadings, _scores, _boxes, _missing)
    made = (noted_table(name, *make(analysis)) for name, make in zip(TABLE_NAMES, makers, strict=True))
    return tuple(table for table in made if table.rows)


def noted_table(name: str, title: str, columns, rows, notes=()) -> NotedTable:
    return NotedTable(name, title, tuple(columns), tuple(map(tuple, rows)), tuple(notes))


def _comparison(analysis: HeterogeneityAnalysis):
    columns = (
        "feature", "n", "missing", "mean_gtvr", "sd_gtvr", "mean_gtvnr", "sd_gtvnr", "mean_difference",
        "sd_difference", "ci_low", "ci_high", "shapiro_wilk_w", "shapiro_wilk_p", "test", "statistic",
        "statistic_value", "p", "p_bonferroni", "p_holm", "p_benjamini_hochberg", "significant", "p_paired_t",
        "p_wilcoxon_exact", "p_wilcoxon_asymptotic", "smallest_p_of_wilcoxon", "cohens_dz", "cohens_dz_low",
        "cohens_dz_high", "rank_biserial", "hodges_lehmann", "hodges_lehmann_low", "hodges_lehmann_high",
        "r_with_log_volume", "p_with_log_volume", "difference_at_equal_volumes", "equal_volumes_low",
        "equal_volumes_high", "equal_volumes_p", "equal_volumes_extrapolated", "published_mean", "published_sd",
        "published_p", "published_cohens_dz", "direction_as_published", "decision", "warnings",
    )  # fmt: skip
    rows = [_comparison_row(each) for each in analysis.features]
    notes = (*analysis.decisions, *analysis.warnings)
    return "All features, recurrent against non-recurrent", columns, rows, notes


def _comparison_row(each: FeatureComparison) -> tuple:
    published = each.published
    return (
        each.name, each.n, each.n_missing, *of(each.recurrent, "mean", "sd"), *of(each.nonrecurrent, "mean", "sd"),
        *of(each.difference, "mean", "sd"), each.difference_low, each.difference_high,
        *of(each.normality, "w", "p"), each.method, each.statistic_name, each.statistic, each.p, each.p_bonferroni,
        each.p_holm, each.p_benjamini_hochberg, yes_no(each.significant), each.p_paired_t, each.p_wilcoxon_exact,
        each.p_wilcoxon_asymptotic, each.smallest_p, *of(each.effect_size, "value", "low", "high"),
        each.rank_biserial, *of(each.shift, "estimate", "low", "high"),
        *of(each.volume, "r", "p", "at_equal_volumes", "low", "high", "p_at_equal_volumes"),
        yes_no(each.volume.extrapolated if each.volume else None), *of(published, "mean", "sd", "p", "cohens_dz"),
        yes_no(each.direction_agrees), " ".join(each.decision), " ".join(each.warnings),
    )  # fmt: skip


def _significant(analysis: HeterogeneityAnalysis):
    """Table 2 of the paper."""
    columns = (
        "feature", "mean_difference", "sd_difference", "p", "test", "published_mean", "published_sd", "published_p",
        "direction_as_published", "r_with_log_volume",
    )  # fmt: skip
    rows = [
        (each.name, *of(each.difference, "mean", "sd"), each.p, each.method, *of(each.published, "mean", "sd", "p"),
         yes_no(each.direction_agrees), *of(each.volume, "r"))
        for each in (analysis.feature(name) for name in analysis.significant)
    ]  # fmt: skip
    source = published_subregions()
    notes = [f"Published: {source.citation}, table 2. {source.remarks[0]}"]
    if any(each.volume for each in analysis.features):
        notes.append(source.remarks[-1])
    return "Significantly different features, as in the paper's table 2", columns, rows, notes


def _correlations(analysis: HeterogeneityAnalysis):
    if analysis.correlations is None:
        return "", (), ()
    found, masked = analysis.correlations, analysis.masked_correlations()
    columns = ("feature_1", "feature_2", "n", "r", "p", "shown", "r_masked")
    rows = [
        (found.names[i], found.names[j], found.n[i][j], found.r[i][j], found.p[i][j],
         yes_no(found.significant[i][j]), masked[i][j])
        for i in range(len(found.names))
        for j in range(i)
    ]  # fmt: skip
    notes = (f"{found.method}; shown where p < {found.alpha:g}.", *found.warnings)
    return "Correlations of the differences", columns, rows, notes


def _components(analysis: HeterogeneityAnalysis):
    if analysis.components is None:
        return "", (), ()
    pca = analysis.components.pca
    rows = [
        (f"PC{k}", sdev**2, explained, cumulative)
        for k, (sdev, explained, cumulative) in enumerate(
            zip(pca.sdev, pca.explained, pca.cumulative, strict=True), start=1
        )
    ]
    published = ", ".join(f"PC{k} {100 * share:.0f} %" for k, share in enumerate(_published_shares(), start=1))
    spread = (
        f"SD of the scores of {region}: {', '.join(f'PC{k} {sd:.3g}' for k, sd in enumerate(sds, start=1))}."
        for region, sds in analysis.components.spread.items()
    )
    beyond = ", ".join(analysis.components.beyond) or "none"
    notes = (
        f"{pca.method}, {pca.n} regions. Published: {published}.",
        *spread,
        f"Recurrent regions beyond the range of the non-recurrent ones on PC1: {beyond}.",
        *pca.warnings,
    )
    return "Principal components", ("component", "variance", "explained", "cumulative"), rows, notes


def _published_shares() -> tuple[float, float]:
    return published_subregions().pca_explained


def _loadings(analysis: HeterogeneityAnalysis):
    if analysis.components is None:
        return "", (), ()
    pca = analysis.components.pca
    columns = ("feature", *(f"PC{k}" for k in range(1, len(pca.loadings) + 1)))
    return "Loadings", columns, zip(pca.variables, *pca.loadings, strict=True)


def _scores(analysis: HeterogeneityAnalysis):
    if analysis.components is None:
        return "", (), ()
    found = analysis.components
    columns = ("patient", "region", *(f"PC{k}" for k in range(1, len(found.pca.loadings) + 1)))
    rows = [(*region, *scores) for region, scores in zip(found.regions, found.pca.scores, strict=True)]
    return "Regions in the space of the principal components", columns, rows


def _boxes(analysis: HeterogeneityAnalysis):
    columns = ("feature", "region", "n", "low", "q1", "median", "q3", "high", "outliers")
    rows = [
        (each.name, box.region, box.n, box.low, box.q1, box.median, box.q3, box.high,
         "; ".join(f"{patient} {value:.6g}" for patient, value in box.outliers))
        for each in analysis.boxes
        for box in each.boxes
    ]  # fmt: skip
    return "Box plots", columns, rows, ("Low and high are the last values within 1.5 box lengths of the box.",)


def _missing(analysis: HeterogeneityAnalysis):
    rows = [(each.patient, each.region, each.feature, each.reason) for each in analysis.missing]
    return "Missing values", ("patient", "region", "feature", "reason"), rows


def of(thing, *names: str) -> tuple:
    """Attributes of something that may be missing."""
    return tuple(None if thing is None else getattr(thing, name) for name in names)


def yes_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"
