"""The report of a cohort from the panel: the same as ``npc-response cohort`` writes."""

from ..mrml.cohort_job import CohortResult
from ..whole_file import written_aside


def saveReport(result: CohortResult, study: str, path: str) -> None:
    """Write the report of a result of this session.

    Args:
        study: what was analyzed, for the foot of the report.

    Raises:
        InputError: the file cannot be written.
    """
    from ..report import cohort_figures
    from ..report.cohort_report import CohortReport, write_report
    from ..report.provenance import InputRecord, Provenance

    renamed = [(f"column {choice.needed}", choice.column) for choice in result.columns if choice.differs]
    inputs = [InputRecord("table and specification", "table node", result.fingerprint)]
    report = CohortReport(
        analysis=result.analysis,
        tables=result.tables,
        figures=cohort_figures.draw(result.analysis),
        provenance=Provenance.now([("study", study), *renamed], inputs),
        title=result.analysis.spec.title,
    )
    with written_aside(path) as aside:
        write_report(report, aside)
