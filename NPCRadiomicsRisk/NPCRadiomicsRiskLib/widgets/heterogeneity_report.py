"""The report of many patients from the panel: the same as ``npc-radiomics heterogeneity`` writes of a table. No Qt."""

from NPCResponseLib.whole_file import written_aside

from .session_record import SessionRecord

INPUT_LABEL, INPUT_KIND = "table", "table node"


def saveReport(record: SessionRecord, path: str) -> None:
    """Write the report of a comparison (``RegionComparison``) of this session.

    Raises:
        InputError: the file cannot be written.
    """
    from NPCResponseLib.report.provenance import InputRecord, Provenance

    from ..heterogeneity.tables import tables
    from ..report import heterogeneity_figures
    from ..report.heterogeneity_report import HeterogeneityReport, write_report

    result = record.result
    report = HeterogeneityReport(
        analysis=result.analysis,
        tables=tables(result.analysis),
        figures=heterogeneity_figures.draw(result.analysis, result.values),
        failures=(),
        patient_warnings=(),
        settings=None,  # a table does not tell how its features were measured
        provenance=Provenance.now(record.choices, [InputRecord(INPUT_LABEL, INPUT_KIND, result.fingerprint)]),
    )
    with written_aside(path) as aside:
        write_report(report, aside)
