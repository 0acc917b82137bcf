"""The report of a cohort of sub-regions: a self-contained HTML file, verdict first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from NPCResponseLib.cohort.tables import p_text
from NPCResponseLib.report import html
from NPCResponseLib.report.figure_parts import report_style, svg_data_uri
from NPCResponseLib.report.provenance import Provenance

from ..heterogeneity import FeatureComparison, HeterogeneityAnalysis
from ..heterogeneity_tables import NotedTable
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
    """

    analysis: HeterogeneityAnalysis
    tables: Sequence[NotedTable]
    figures: Sequence[Drawn]
    failures: Sequence[tuple[str, str]]
    patient_warnings: Sequence[tuple[str, str]]
    settings: object
    provenance: Provenance
    title: str = ""


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
        verdict=text.verdict(analysis),
        rows=[row_of(each) for each in analysis.features],
        figures=pictures,
        components=_noted(report.tables, "components"),
        missing=_noted(report.tables, "missing"),
        warnings=[*(f"{patient} was not measured: {reason}" for patient, reason in report.failures),
                  *analysis.warnings],
        methods=text.methods(analysis, report.settings),
        assumptions=text.assumptions(),
    )  # fmt: skip


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
        "test": each.method.split(",")[0] if each.method else "–",
        "p": _unbroken(p_text(each.p)),
        "adjusted": _unbroken(p_text(each.p_adjusted)),
        "effect": "–" if size is None else f"{size.value:.2f}{_range(size)}",
        "volume": f"{volume.r:.2f}" if volume is not None and volume.r is not None else "–",
        "published": "" if each.published is None else ("same" if each.direction_agrees else "opposite"),
        "significant": each.significant,
    }


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _range(size) -> str:
    return "" if None in (size.low, size.high) else _unbroken(f" ({size.low:.2f} to {size.high:.2f})")


def _pair(mean: float, sd: float) -> str:
    return _unbroken(f"{mean:.3g} ± {sd:.3g}")


def _noted(tables: Sequence[NotedTable], name: str) -> NotedTable | None:
    return next((table for table in tables if table.name == name), None)
