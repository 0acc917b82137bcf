"""The report of one patient over time: a self-contained HTML file, verdict first, that prints well on A4."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..assessment import PatientAssessment, TrendRow
from ..diameters import Plane
from ..measurement import Measurement
from ..mrml.diameters import SegmentDiameters
from ..mrml.r2star import R2StarResult
from ..mrml.tbf import TbfResult
from ..perfusion import PerfusionStatus
from ..relaxometry import VoxelStatus
from ..response import Quantity
from ..time_points import Stage
from . import html, r2star_text, tbf_text
from . import patient_figures as figures
from . import patient_tables as tables
from . import patient_text as text
from .figure_parts import report_style, svg_data_uri
from .provenance import Provenance
from .r2star_figures import R2STAR_STYLE
from .slice_view import SliceView
from .tbf_figures import bias_plot, tbf_style


@dataclass(frozen=True)
class TimePointResults:
    """The measurements of one time point that the report shows pictures of; whatever there is none of is None.

    Attributes:
        name: of the time point, as in the assessment.
        diameters: of the primary tumor.
        anatomy: the anatomical image (KJI), its 4x4 index-to-RAS matrix (mm), and the mask of the primary tumor on it
            (KJI, boolean) or None.
    """

    name: str
    stage: Stage
    r2star: R2StarResult | None = None
    tbf: TbfResult | None = None
    diameters: SegmentDiameters | None = None
    anatomy: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None


@dataclass(frozen=True)
class PatientReport:
    """Everything that one report shows.

    Attributes:
        label: how the patient is called; no identifier.
        time_points: in any order; shown in the order of the assessment.
        measurements: rows of every result.
        warnings: sentences beside those of the assessment and of the results.
        cloak: applied to every text that another layer wrote, to take file names out.
    """

    label: str
    assessment: PatientAssessment
    time_points: tuple[TimePointResults, ...]
    provenance: Provenance
    measurements: Sequence[Measurement] = ()
    warnings: tuple[str, ...] = ()
    cloak: Callable[[str], str] = str

    @property
    def title(self) -> str:
        return self.label

    def ordered(self) -> list[TimePointResults]:
        """The time points in the order of the assessment."""
        order = [point.name for point in self.assessment.time_points]
        return sorted(
            self.time_points, key=lambda point: order.index(point.name) if point.name in order else len(order)
        )

    def unique_warnings(self) -> list[str]:
        """Every warning once, with the names of the images that it was given for."""
        return [self.cloak(sentence) for sentence in text.placed(self._warnings(), text.places(self))]

    def _warnings(self) -> Iterator[tuple[str, str]]:
        kinds = text.places(self)
        yield from (text.split_place(sentence, kinds) for sentence in (*self.assessment.warnings, *self.warnings))
        for point in self.ordered():
            for what, result, values in _results(point):
                of_region = result.roi.warnings if result.roi else ()
                for sentence in (*result.series.warnings, *values.warnings, *of_region, *result.warnings):
                    yield f"{point.name} {what}", sentence


def _results(point: TimePointResults) -> Iterator[tuple[str, object, object]]:
    """Name, result and its maps, of the functional measurements that there are."""
    if point.r2star is not None:
        yield "BOLD", point.r2star, point.r2star.fit
    if point.tbf is not None:
        yield "ASL", point.tbf, point.tbf.perfusion


def render(report: PatientReport) -> str:
    """The report as HTML text."""
    assessment, cloak = report.assessment, report.cloak
    verdict = tables.last_verdict(assessment)
    rules, notes = tables.rule_rows(assessment)
    points = list(assessment.time_points)
    baseline = [point.name for point in points].index(assessment.baseline)
    return html.render(
        "patient.html.jinja",
        report=report,
        assessment=assessment,
        points=points,
        later=points[baseline + 1 :],
        has_change_columns=len(points) - baseline - 1 <= tables.MAX_CHANGE_COLUMNS,
        point_note=tables.time_point_note,
        verdict=verdict,
        verdict_label=text.category_label(verdict) if verdict else "",
        sum_lines=text.sum_lines(verdict) if verdict else [],
        story=[cloak(sentence) for sentence in text.story(assessment, verdict)],
        tiles=tables.tiles(assessment),
        warnings=report.unique_warnings(),
        missing=[cloak(sentence) for sentence in assessment.cannot_be_told],
        values=tables.value_rows(assessment, _volumes_ml(report), _lesion_name(report)),
        qualities=_qualities(report),
        pictures=_pictures(report),
        captions=_captions(report),
        rules=rules,
        rule_notes=notes,
        prevalences=tables.prevalences(assessment.rules),
        rule_remarks=tables.rule_remarks(assessment.rules),
        judged_by=tables.judged_by(assessment),
        lesions=tables.lesion_rows(assessment),
        sums=tables.sum_rows(assessment),
        verdicts=[
            (one, [cloak(reason) for reason in one.reasons]) for one in (*assessment.recist, *assessment.mrecist)
        ],
        bias=[cloak(sentence) for sentence in text.bias_sentences(report)],
        methods=text.methods(report),
        assumptions=text.assumptions(report),
        measurements=_measurement_rows(report),
    )


def write_report(report: PatientReport, path: Path) -> None:
    """Write the report as one UTF-8 file. The caller decides where, and replaces an old one."""
    path.write_text(render(report), encoding="utf-8")


def _lesion_name(report: PatientReport) -> str:
    """What the first measured lesion that is no node is called."""
    names = [lesion.name for point in report.assessment.time_points for lesion in point.lesions if not lesion.is_node]
    return names[0] if names else next((p.diameters.segment_name for p in report.ordered() if p.diameters), "")


def _volumes_ml(report: PatientReport) -> dict[str, float]:
    return {point.name: point.diameters.measurement.volume_ml for point in report.ordered() if point.diameters}


def _measurement_rows(report: PatientReport) -> list[dict]:
    """Every row, its texts cloaked."""
    rows = html.measurement_rows(report.measurements)
    for row, measurement in zip(rows, report.measurements, strict=True):
        row["what"] = report.cloak(row["what"])
        for name in ("image", "segment", "roi_rule", "method"):
            row[name] = report.cloak(getattr(measurement, name))
        row["n_used"] = measurement.n_used or None
    return rows


def _qualities(report: PatientReport) -> list[tuple[str, r2star_text.Quality]]:
    """How far each functional measurement can be trusted."""
    found = []
    for point in report.ordered():
        if point.r2star is not None:
            found.append((f"{point.name} BOLD", _r2star_quality(point.r2star)))
        if point.tbf is not None:
            found.append((f"{point.name} ASL", tbf_text.quality(point.tbf)))
    return found


def _r2star_quality(result: R2StarResult) -> r2star_text.Quality:
    if result.roi is None:
        return r2star_text.image_quality(result.fit)
    return r2star_text.region_quality(result.fit, result.used_mask, result.roi, result.series.echoes[0])


# -- pictures --


def _pictures(report: PatientReport) -> dict[str, str]:
    """Data URIs by name."""
    with report_style():
        return {name: svg_data_uri(figure) for name, figure in _figures(report)}


def _figures(report: PatientReport) -> Iterator[tuple[str, Figure]]:
    points, assessment = report.ordered(), report.assessment
    if any(point.anatomy is not None for point in points):
        plane = _plane(report)
        yield "anatomy", figures.anatomy_panels([_anatomy(p, plane) for p in points if p.anatomy is not None])
    with_r2star = [point for point in points if point.r2star is not None]
    if with_r2star:
        yield "r2star", figures.map_panels([_r2star_map(point) for point in with_r2star], R2STAR_STYLE)
    with_flow = [point for point in points if point.tbf is not None]
    if with_flow:
        yield "tbf", figures.map_panels([_flow_map(point) for point in with_flow], tbf_style("", ""))
    decays = [(point.name, point.r2star.decay) for point in with_r2star if point.r2star.decay is not None]
    if decays:
        yield "decay", figures.decay_plot(decays)
    bias = next((p.tbf.perfusion.model_bias for p in with_flow if p.tbf.perfusion.model_bias is not None), None)
    if bias is not None:
        yield "bias", bias_plot(bias)
    trends = _trends(assessment)
    if trends:
        names = [point.name for point in assessment.time_points]
        yield "trend", figures.trend_plot(trends, names, _days(assessment))
    if assessment.rules:
        yield (
            "rules",
            figures.rules_plot(
                [
                    (result, tables.rule_value(assessment, result), tables.short_paper(result).replace(" et al.", ""))
                    for result in assessment.rules
                ]
            ),
        )


def _plane(report: PatientReport) -> Plane:
    """The plane in which the tumor was longest at baseline, or where it was first measured."""
    measured = [point for point in report.ordered() if point.diameters is not None]
    measured.sort(key=lambda point: point.name != report.assessment.baseline)  # the baseline first; order kept
    return measured[0].diameters.measurement.mptd.plane if measured else Plane.AXIAL


def _anatomy(point: TimePointResults, plane: Plane) -> figures.Picture:
    image, ijk_to_ras, mask = point.anatomy
    diameter = point.diameters.measurement.longest_in_plane.get(plane) if point.diameters else None
    return figures.anatomy_picture(point.name, image, ijk_to_ras, mask, plane, diameter)


def _r2star_map(point: TimePointResults) -> figures.Picture:
    result = point.r2star
    told = "" if result.roi is None else f"{tables.fixed(result.roi.mean)} Hz"
    fitted = np.isin(result.fit.status, [status for status in VoxelStatus if status.is_fitted])
    return figures.map_picture(
        point.name,
        result.fit.r2star_hz,
        fitted,
        result.series.ijk_to_ras,
        result.roi_mask,
        result.used_mask,
        told,
    )


def _flow_map(point: TimePointResults) -> figures.Picture:
    result = point.tbf
    told = "" if result.mean is None else tables.fixed(result.mean)
    fitted = np.isin(result.perfusion.status, [status for status in PerfusionStatus if status.is_fitted])
    return figures.map_picture(
        point.name,
        result.perfusion.tbf_ml_per_100g_min,
        fitted,
        result.series.ijk_to_ras,
        result.roi_mask,
        result.used_mask,
        told,
    )


def _trends(assessment: PatientAssessment) -> list[figures.Trend]:
    """Quantities with two or more values."""
    trends = []
    for what in dict.fromkeys(row.what for row in assessment.trend):
        rows = tuple(row for row in assessment.trend if row.what == what)
        if len(rows) < 2:
            continue
        intervals = tuple(tables.measured(assessment, row).interval() for row in rows)
        name = what.replace("Maximum tumor diameter, ", "Maximum diameter\n")
        trends.append(figures.Trend(name, tables.shown_unit(rows[0].unit), rows, intervals, _band(assessment, rows)))
    return trends


def _band(assessment: PatientAssessment, rows: Sequence[TrendRow]) -> tuple[float, float] | None:
    """Around the baseline, within which repeated measurements of an unchanged patient stay."""
    baseline = next((row.value for row in rows if row.time_point == assessment.baseline), None)
    judgments = {
        Quantity.R2STAR: [f.judgment for f in assessment.changes if f.change.quantity is Quantity.R2STAR_INCREASE],
        Quantity.TBF: [f.judgment for f in assessment.changes if f.change.quantity is Quantity.TBF_DECREASE],
        Quantity.MPTD: [f.judgment for f in assessment.atrophy if f.judgment is not None],
    }.get(rows[0].quantity, [])
    limits = [j for j in judgments if j.basis == "repeatability coefficient" and j.limit is not None]
    if baseline is None or not limits:
        return None
    reach = limits[0].limit * abs(baseline) / 100 if limits[0].unit == "%" else limits[0].limit
    return baseline - reach, baseline + reach


def _days(assessment: PatientAssessment) -> list[float] | None:
    days = [point.day for point in assessment.time_points]
    return days if None not in days and len(set(days)) == len(days) else None


def _captions(report: PatientReport) -> dict[str, str]:
    """What a reader must know of the pictures beside what they show; empty texts for what does not apply."""
    points = report.ordered()
    r2star, flow = ([p for p in points if p.r2star is not None], [p for p in points if p.tbf is not None])
    anatomy = [point for point in points if point.anatomy is not None]
    name = _lesion_name(report)
    by_hand = [
        point.name
        for point in report.assessment.time_points
        if (lesion := point.lesion(name)) is not None and lesion.is_manual
    ]
    days = _days(report.assessment)
    return {
        "plane": _plane(report).value,
        "outline": "yes" if any(point.anatomy[2] is not None for point in anatomy) else "",
        "line": "yes" if any(point.diameters is not None for point in anatomy) else "",
        "by_hand": ", ".join(by_hand),
        "r2star_plane": SliceView.of(r2star[0].r2star.series.ijk_to_ras).plane if r2star else "",
        "r2star_region": "yes" if any(point.r2star.roi is not None for point in r2star) else "",
        "tbf_plane": SliceView.of(flow[0].tbf.series.ijk_to_ras).plane if flow else "",
        "tbf_region": "yes" if any(point.tbf.roi is not None for point in flow) else "",
        "days": ", ".join(f"{p.name} day {p.day:g}" for p in report.assessment.time_points) if days else "",
    }
