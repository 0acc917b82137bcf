"""All sections of the panel, which share one layout of results and one memory."""

from NPCResponseLib.widgets.result_memory import ResultMemory
from NPCResponseLib.widgets.results_layout import ResultsLayout

from .align_section import AlignSection
from .cohort_section import CohortSection
from .divide_section import DivideSection
from .feature_section import FeatureSection
from .map_section import MapSection
from .patient_section import PatientSection
from .report_section import ReportSection
from .stability_section import StabilitySection


def makeSections(ui, memory: ResultMemory) -> tuple:
    """In the order in which they hear of changes: what others build on comes first."""
    layout = ResultsLayout()
    return (
        PatientSection(ui),
        AlignSection(ui, layout, memory),
        DivideSection(ui, layout, memory),
        FeatureSection(ui, layout, memory),
        StabilitySection(ui, memory),
        CohortSection(ui, layout, memory),
        MapSection(ui, layout, memory),
        ReportSection(ui, memory),
    )
