"""The report of one patient over time: a self-contained HTML file, verdict first, that prints well on A4."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..assessment import PatientAssessment
from ..measurement import Measurement
from ..mrml.diameters import SegmentDiameters
from ..mrml.r2star import R2StarResult
from ..mrml.tbf import TbfResult
from ..time_points import Stage
from . import html
from . import patient_text as text
from .provenance import Provenance


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

    def unique_warnings(self) -> list[str]:
        """Every warning once, with the names of the images that it was given for."""
        places: dict[str, list[str]] = {}
        for place, sentence in self._warnings():
            found = places.setdefault(sentence, [])
            if place and place not in found:
                found.append(place)
        return [
            self.cloak(f"{', '.join(found)}: {sentence}" if found else sentence) for sentence, found in places.items()
        ]

    def _warnings(self) -> Iterator[tuple[str, str]]:
        yield from (("", sentence) for sentence in (*self.assessment.warnings, *self.warnings))
        for point in self.time_points:
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
    return html.render(
        "patient.html.jinja",
        report=report,
        assessment=report.assessment,
        warnings=report.unique_warnings(),
        methods=text.methods(report),
        assumptions=[report.cloak(sentence) for sentence in report.assessment.assumptions],
    )


def write_report(report: PatientReport, path: Path) -> None:
    """Write the report as one UTF-8 file. The caller decides where, and replaces an old one."""
    path.write_text(render(report), encoding="utf-8")
