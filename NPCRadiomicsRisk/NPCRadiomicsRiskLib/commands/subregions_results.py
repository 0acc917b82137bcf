"""The files of one patient's sub-regions, and the summary for scripts and for people."""

from pathlib import Path

from NPCResponseLib.commands.results import (
    Results,
    heading,
    inputs_of,
    json_safe,
    lines_with_warnings,
    options_of,
    write_index,
)
from NPCResponseLib.mrml import files
from NPCResponseLib.report.provenance import NameCloak, Provenance, input_record

from ..mrml.alignment import quality_rows
from ..mrml.features import feature_columns, histogram_columns
from ..mrml.patient_files import write_linear_transform
from ..mrml.subregions import GTVNR, GTVR, subregion_rows
from ..report.subregions_report import SubRegionsReport, write_report
from ..texture.panel47 import PUBLISHED_SIGNIFICANT
from .feature_rows import rows_of, write_columns, write_rows
from .patient_measurement import MeasurementChoice, PatientMeasurement
from .subregions import INDEX_NAME


def write_results(
    measured: PatientMeasurement, choice: MeasurementChoice, folder: Path, progress, interruption
) -> Results:
    """Write every file into a (staging) folder."""
    features = measured.features
    write_rows(rows_of(measured.inputs.patient, features.features), folder / "features.csv")
    write_columns(table_columns(measured), folder / "feature_table.csv")
    write_columns(histogram_columns(features.edges, features.densities), folder / "histograms.csv")
    files.save_node(measured.subregions.outputs.segmentation, folder / "subregions.seg.nrrd")
    if measured.alignment is not None:
        write_linear_transform(measured.alignment.alignment.moving_to_fixed_ras, folder / "transform.tfm")
    if measured.map is not None:
        files.save_node(measured.map.outputs.map, folder / "radioresistance.nii.gz")
        files.save_node(measured.map.outputs.segmentation, folder / "boost.seg.nrrd")
    if measured.stability is not None:
        write_columns(measured.stability.columns(), folder / "stability.csv")
    if measured.size_control is not None:
        write_columns(measured.size_control.columns(), folder / "size_control.csv")
    interruption.check()
    progress("Writing the report", 0.85)
    report = build_report(measured, choice)
    write_report(report, folder / "report.html")
    interruption.check()
    progress("Writing the scene", 0.92)
    files.save_scene(folder / "scene.mrb")
    interruption.check()
    summary = summarize(report)
    write_index(summary, folder, INDEX_NAME)
    return Results(summary, lines_for_people(report))


def table_columns(measured: PatientMeasurement) -> dict[str, list]:
    """The table of the panel, with the excess over random divisions behind the difference if that was computed."""
    features = measured.features
    columns = feature_columns(features.features, features.compared)
    if measured.size_control is None:
        return columns
    controlled = measured.size_control.columns()
    added = {"Random parts of these sizes": controlled["expected"], "Excess over random parts": controlled["excess"]}
    merged: dict[str, list] = {}
    for title, values in columns.items():
        merged[title] = values
        if title == "GTVr - GTVnr":
            merged |= added
    return merged


def build_report(measured: PatientMeasurement, choice: MeasurementChoice) -> SubRegionsReport:
    """With names of files taken out."""
    labeled = measured.inputs.labeled_paths()
    records = [input_record(path, label) for label, path in labeled]
    return SubRegionsReport(
        measured=measured,
        provenance=Provenance.now(parameters(choice), records),
        title=measured.inputs.patient,
        cloak=NameCloak([(path, label) for label, path in labeled]),
    )


def parameters(choice: MeasurementChoice) -> list[tuple[str, str]]:
    """Options as the user would type them."""
    shown = [
        ("--voi-mm", ",".join(f"{size:g}" for size in choice.region_size_mm)),
        ("--smallest-island", f"{choice.minimum_island_mm3:g}"),
        ("--seed", str(choice.seed)),
        *choice.texture.parameters(),
        ("--stability", str(choice.n_stability)),
        ("--size-control", str(choice.n_size_control)),
    ]
    flags = (
        ("--map", choice.with_map),
        ("--allow-different-patients", choice.different_patients),
        ("--accept-unreliable-alignment", choice.accept_unreliable),
    )
    return shown + [(option, "") for option, on in flags if on]


def summarize(report: SubRegionsReport) -> dict:
    """The result as plain JSON values: units in the names, no NaN (null instead), no file names."""
    measured = report.measured
    regions, found = measured.subregions.regions, measured.subregions.in_field
    alignment = measured.alignment.alignment if measured.alignment else None
    return json_safe(
        {
            **heading(report.provenance),
            "patient": measured.inputs.patient,
            "alignment": None
            if alignment is None
            else {
                "reliable": alignment.reliable,
                "reasons": list(alignment.reasons),
                "start": alignment.start,
                "quality": dict(quality_rows(alignment)),
                "recurrence_to_pre_ras": alignment.moving_to_fixed_ras.tolist(),
            },
            "sub_regions": {
                "volumes_cm3": regions.volumes_cm3,
                "gtvr_outside_cm3": regions.gtvr_outside_cm3,
                "gtvr_outside_fraction": regions.gtvr_outside_fraction,
                "dice_gtv_gtvr": regions.dice,
                "jaccard_gtv_gtvr": regions.jaccard,
                "islands": regions.islands.rule,
            },
            "dose": None
            if found is None
            else {
                "category": found.category,
                "share_within_isodose": found.share_within,
                "isodose_gy": found.isodose_gy,
                "prescription_gy": found.prescription_gy,
            },
            "features": {region: each.values for region, each in measured.features.features.items()},
            "refused": {region: each.refused for region, each in measured.features.features.items()},
            "n_voxels": {region: each.n_voxels for region, each in measured.features.features.items()},
            "features_with_other_levels": None
            if measured.features.compared is None
            else {region: each.values for region, each in measured.features.compared.items()},
            "size_control": None
            if measured.size_control is None
            else {
                "n": len(measured.size_control.divided),
                "method": measured.size_control.method,
                "excess": {each.name: each.excess for each in measured.size_control.features},
            },
            "texture_settings": vars(measured.features.settings),
            "warnings": report.unique_warnings(),
            "inputs": inputs_of(report.provenance),
            "options": options_of(report.provenance),
        }
    )


def _most_telling(alignment) -> list[tuple[str, str]]:
    """Of the rows on quality those that a radiologist can check against the picture."""
    wanted = ("Reliable", "Borders found again", "Residual at borders", "Landmark error, root mean square")
    return [row for row in quality_rows(alignment) if row[0].startswith(wanted)]


def lines_for_people(report: SubRegionsReport) -> list[str]:
    """The result in a few lines for a terminal."""
    measured = report.measured
    lines = []
    if measured.alignment is not None:
        lines += [f"Alignment, {what.lower()}: {value}" for what, value in _most_telling(measured.alignment.alignment)]
    lines += [f"{what}: {value} {unit}".rstrip() for what, value, unit in subregion_rows(measured.subregions)[:4]]
    if measured.subregions.in_field:
        lines.append(f"Recurrence relative to the dose: {measured.subregions.in_field.category}")
    recurrent, other = (measured.features.features[region].values for region in (GTVR, GTVNR))
    lines += [f"{name}: {recurrent[name]:.4g} in GTVr, {other[name]:.4g} in GTVnr" for name in PUBLISHED_SIGNIFICANT]
    return lines_with_warnings(lines, report.unique_warnings())
