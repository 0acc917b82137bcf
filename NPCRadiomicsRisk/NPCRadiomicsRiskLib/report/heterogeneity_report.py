"""The report of a cohort of sub-regions: a self-contained HTML file, verdict first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from NPCResponseLib.cohort.tables import p_text
from NPCResponseLib.report import html
from NPCResponseLib.report.figure_parts import report_style, svg_data_uri
from NPCResponseLib.report.provenance import Provenance

from ..heterogeneity.comparison import FeatureComparison, HeterogeneityAnalysis
from ..heterogeneity.tables import NotedTable
from ..robustness.cohort_size_control import CohortSizeControl
from ..robustness.cohort_stability import CohortStability
from . import heterogeneity_text as text
from .heterogeneity_figures import Drawn

TEMPLATE_FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class HeterogeneityReport:
    """What one report shows.

    Attributes:
        failures: patient and why it could not be measured.
        patient_warnings: patient and sentence.
        settings: of the texture panel; None if features were read from a table.
        size_control: of the same patients; None if there is none, as for features from a table.
        stability: under perturbed contours; None if it was not asked for.
        remarks: more warnings.
    """

    analysis: HeterogeneityAnalysis
    tables: Sequence[NotedTable]
    figures: Sequence[Drawn]
    failures: Sequence[tuple[str, str]]
    patient_warnings: Sequence[tuple[str, str]]
    settings: object
    provenance: Provenance
    size_control: CohortSizeControl | None = None
    stability: CohortStability | None = None
    remarks: Sequence[str] = ()
    title: str = ""

    def verdict(self) -> list[str]:
        """What was found, in sentences."""
        return text.verdict(self.analysis) + text.size_verdict(self.analysis, self.size_control)

    def warnings(self) -> list[str]:
        """Every sentence about the whole cohort."""
        failed = [f"{patient} was not measured: {reason}" for patient, reason in self.failures]
        return [*failed, *self.remarks, *self.analysis.warnings]


def render(report: HeterogeneityReport) -> str:
    """The report as HTML text."""
    analysis = report.analysis
    with report_style():
        pictures = [(drawn, svg_data_uri(drawn.figure)) for drawn in report.figures]
    return html.render(
        "heterogeneity.html.jinja",
        folder=TEMPLATE_FOLDER,
        report=report,
        analysis=analysis,
        verdict=report.verdict(),
        rows=[row_of(each) for each in analysis.features],
        figures=pictures,
        components=_noted(report.tables, "components"),
        missing=_noted(report.tables, "missing"),
        warnings=report.warnings(),
        beyond_rows=beyond_rows(report.size_control) if report.size_control else [],
        stability_rows=stability_rows(report) if report.stability else [],
        methods=text.methods(analysis, report.settings, report.size_control, report.stability),
        assumptions=text.assumptions(),
    )


def write_report(report: HeterogeneityReport, path: Path) -> None:
    """Write the report as one UTF-8 file."""
    path.write_text(render(report), encoding="utf-8")


def row_of(each: FeatureComparison) -> dict:
    """A line of the table to read; the files hold all columns."""
    size, volume = each.effect_size, each.volume
    return {
        "name": each.name.replace("_", " "),
        "n": each.n,
        "difference": _pair(each.difference.mean, each.difference.sd) if each.difference else "–",
        "test": _test_name(each.method),
        "p": _unbroken(p_text(each.p)),
        "adjusted": _unbroken(p_text(each.p_adjusted)),
        "effect": "–" if size is None else f"{size.value:.2f}{_range(size)}",
        "volume": f"{volume.r:.2f}" if volume is not None and volume.r is not None else "–",
        "published": "" if each.published is None else ("same" if each.direction_agrees else "opposite"),
        "significant": each.significant,
    }


def _test_name(method: str) -> str:
    """Short, for a narrow column."""
    if not method:
        return "–"
    return "Wilcoxon" if method.lower().startswith("wilcoxon") else "paired t" if "t-test" in method else method


def beyond_rows(found: CohortSizeControl) -> list[dict]:
    """Significant and published features: what random parts of the same sizes give, and what is beyond."""
    rows = []
    for each in found.excess.features:
        difference = found.differences.feature(each.name)
        if not (difference.significant or difference.published) or each.difference is None:
            continue
        rows.append(
            {
                "name": each.name.replace("_", " "),
                "difference": _unbroken(f"{each.recurrent.mean:.3g}"),
                "expected": _unbroken(f"{each.nonrecurrent.mean:.3g}"),
                "excess": _pair(each.difference.mean, each.difference.sd),
                "effect": "–" if each.effect_size is None else f"{each.effect_size.value:.2f}",
                "adjusted": _unbroken(p_text(each.p_adjusted)),
                "significant": difference.significant,
                "beyond": found.beyond(each.name) or "–",
            }
        )
    return rows


def stability_rows(report: HeterogeneityReport) -> list[dict]:
    """Significant and published features under perturbed contours; all are in the file."""
    rows = []
    for each in report.stability.features:
        compared = report.analysis.feature(each.name)
        if not (compared.significant or compared.published):
            continue
        share = each.share_significant
        rows.append(
            {
                "name": each.name.replace("_", " "),
                "icc": "–" if each.difference is None else f"{each.difference.value:.2f}{_range(each.difference)}",
                "grade": "–" if each.difference is None else each.difference.grade_of_low or "–",
                "quantization": "–" if each.quantization is None else f"{each.quantization.value:.2f}",
                "same_sign": f"{each.n_same_sign} of {each.n + each.n_without}",
                "share": "–" if share is None else f"{100 * share:.0f} %",
                "significant": compared.significant,
            }
        )
    return rows


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _range(size) -> str:
    return "" if None in (size.low, size.high) else _unbroken(f" ({size.low:.2f} to {size.high:.2f})")


def _pair(mean: float, sd: float) -> str:
    return _unbroken(f"{mean:.3g} ± {sd:.3g}")


def _noted(tables: Sequence[NotedTable], name: str) -> NotedTable | None:
    return next((table for table in tables if table.name == name), None)
