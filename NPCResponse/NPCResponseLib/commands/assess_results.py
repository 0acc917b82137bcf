"""The files of one patient's assessment, and its summary for scripts and for people."""

import csv
from collections.abc import Sequence
from pathlib import Path

from ..assessment import PatientAssessment, PatientValues, Treatment, assess_patient
from ..measurement import Measurement, write_measurements
from ..mrml import files
from ..repeatability import Repeatability, given_repeatability
from ..report.patient_report import PatientReport, TimePointResults, write_report
from ..report.provenance import InputRecord, NameCloak, Provenance, input_record
from ..response import Quantity
from ..time_points import Stage
from .assess import INDEX_NAME
from .patient_description import PatientDescription
from .patient_measurement import MeasuredTimePoint, anatomy_picture
from .results import Results, heading, inputs_of, json_safe, lines_with_warnings, write_index


def write_results(
    patient: PatientDescription,
    points: list[MeasuredTimePoint],
    folder: Path,
    progress,
    interruption,
    *,
    one_patient: bool,
) -> Results:
    """Assess what was measured and write every file into a (staging) folder."""
    assessment = assess_patient(patient_values(patient, points))
    measurements = all_measurements(points)
    write_measurements(measurements, folder / "measurements.csv")
    write_trend(assessment, folder / "trend.csv")
    interruption.check()
    progress("Writing the report", 0.8)
    labeled = labeled_paths(patient)
    records = [input_record(path, label) for path, label in labeled]
    report = PatientReport(
        label=patient.patient,
        assessment=assessment,
        time_points=tuple(_pictures(point) for point in points),
        provenance=Provenance.now(
            () if one_patient else [("--allow-different-patients", "")],
            records,
        ),
        measurements=measurements,
        warnings=(*(warning for point in points for warning in point.warnings), *same_images(records)),
        cloak=NameCloak(labeled),
    )
    write_report(report, folder / "report.html")
    interruption.check()
    progress("Writing the scene", 0.9)
    files.save_scene(folder / "scene.mrb")
    interruption.check()
    summary = summarize(assessment, report)
    write_index(summary, folder, INDEX_NAME)
    return Results(summary, lines_for_people(assessment, report))


def same_images(records: Sequence[InputRecord]) -> list[str]:
    """Sentences on images that are given twice: a change between them would be none."""
    by_content: dict[str, list[str]] = {}
    for record in records:
        if not record.label.endswith("segmentation"):
            by_content.setdefault(record.sha256, []).append(record.label)
    twice = [labels for labels in by_content.values() if len(labels) > 1]
    return [f"{' and '.join(labels)} are the same images: check the description." for labels in twice]


def patient_values(patient: PatientDescription, points: list[MeasuredTimePoint]) -> PatientValues:
    """What the assessment takes: the measured values, with what the description states of the patient."""
    treatment = None
    if patient.treatment:
        treatment = Treatment(
            total_dose_gy=patient.treatment.total_dose_gy,
            n_fractions=patient.treatment.fractions,
            dose_per_fraction_gy=patient.treatment.dose_per_fraction_gy,
            alpha_beta_gy=patient.treatment.alpha_beta_gy,
        )
    return PatientValues(
        label=patient.patient,
        time_points=tuple(point.values() for point in points),
        treatment=treatment,
        repeatability=_repeatability(patient),
        prevalence=dict(patient.prevalence),
    )


def _repeatability(patient: PatientDescription) -> dict[Quantity, Repeatability]:
    stated = patient.repeatability
    if stated is None:
        return {}
    coefficients = {
        Quantity.R2STAR: (stated.r2star_hz, "Hz"),
        Quantity.TBF: (stated.tbf_ml_per_100g_min, "mL/100g/min"),
        Quantity.MPTD: (stated.diameter_mm, "mm"),
    }
    return {quantity: given_repeatability(value, unit) for quantity, (value, unit) in coefficients.items() if value}


def all_measurements(points: list[MeasuredTimePoint]) -> tuple[Measurement, ...]:
    """The rows of every result; their images carry the time point's name."""
    rows = []
    for point in points:
        for result in (point.r2star, point.tbf):
            rows += result.measurements if result else ()
        for diameters in point.diameters.values():
            rows += diameters.rows
    return tuple(rows)


def write_trend(assessment: PatientAssessment, path: Path) -> None:
    """The values over time, one per row."""
    names = (
        "time_point",
        "stage",
        "day",
        "dose_gy",
        "what",
        "value",
        "standard_error",
        "unit",
        "change_from_baseline",
        "change_se",
        "percent_change_from_baseline",
    )
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for row in assessment.trend:
            writer.writerow([_cell(getattr(row, name)) for name in names])


def _cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, Stage):
        return value.value
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _pictures(point: MeasuredTimePoint) -> TimePointResults:
    primary = next((lesion.label for lesion in point.description.lesions if not lesion.node), "")
    return TimePointResults(
        name=point.description.name,
        stage=Stage(point.description.stage),
        r2star=point.r2star,
        tbf=point.tbf,
        diameters=point.diameters.get(primary),
        anatomy=anatomy_picture(point, primary),
    )


def labeled_paths(patient: PatientDescription) -> list[tuple[Path, str]]:
    """Input files with the neutral names under which the report speaks of them."""
    labeled = []
    for point in patient.time_points:
        for what, part in (("BOLD", point.bold), ("ASL", point.asl)):
            if part is not None:
                labeled += [(path, f"{point.name} {what}") for path in part.images]
                labeled += [(part.segmentation, f"{point.name} {what} segmentation")] if part.segmentation else []
        if point.bold and point.bold.b0_map:
            labeled.append((point.bold.b0_map, f"{point.name} field map"))
        if point.asl:
            labeled += [(path, f"{point.name} M0") for path in point.asl.m0]
        if point.anatomy:
            labeled.append((point.anatomy.image, f"{point.name} anatomy"))
            if point.anatomy.segmentation:
                labeled.append((point.anatomy.segmentation, f"{point.name} segmentation"))
    return labeled


def summarize(assessment: PatientAssessment, report: PatientReport) -> dict:
    """The assessment as plain JSON values."""
    return json_safe(
        {
            **heading(report.provenance),
            **assessment.to_dict(),
            "measurements": [
                {"image": row.image, "segment": row.segment, "what": row.what, "value": row.value, "unit": row.unit}
                for row in report.measurements
            ],
            "warnings": report.unique_warnings(),
            "inputs": inputs_of(report.provenance),
        }
    )


def lines_for_people(assessment: PatientAssessment, report: PatientReport) -> list[str]:
    """The assessment in a few lines for a terminal."""
    lines = list(assessment.summary)
    lines += [f"Not told: {sentence}" for sentence in assessment.cannot_be_told]
    return lines_with_warnings(lines, report.unique_warnings())
