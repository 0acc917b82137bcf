"""Sub-regions of many patients: a table node with a row per patient and region, and its comparison as tables and plots.

node = add_patient(None, "P01", features)     # features by region, as FeaturesResult has them
result = RegionComparisonJob(node).run()
"""

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.cohort.charts import Chart, Series
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.cohort_nodes import CohortOutputs, add_patients, column_names, patients_of, write_cohort
from NPCResponseLib.mrml.hierarchy import place_beside

from ..background import steps_of
from ..subregions.division import GTVNR, GTVR
from ..texture.panel47 import FEATURE_NAMES, RegionFeatures
from .tables import cell_text

PATIENT, REGION = "patient", "region"
COLUMNS = (PATIENT, REGION, "volume_cm3", "n_voxels", *FEATURE_NAMES)
TABLE_NAME = "Cohort of sub-regions"
REGION_COLORS = {GTVR: 1, GTVNR: 0}


# -- rows --


def add_patient(node, patient: str, features: Mapping[str, RegionFeatures]):
    """Add the rows of one patient to a table node, or to a new one (None); rows of that patient are replaced.

    Args:
        patient: how the table calls the patient: a label, no identifier.
        features: of GTVr and GTVnr.

    Raises:
        InputError: no label, a region is missing, or the table has other columns.
    """
    patient = patient.strip()
    if not patient:
        raise InputError("the patient has no label", remedy="Give one of your own, such as P01")
    missing = [region for region in (GTVR, GTVNR) if region not in features]
    if missing:
        raise InputError(f"{missing[0]} was not measured", remedy="Measure the sub-regions GTVr and GTVnr")
    rows = [row_of(patient, region, features[region]) for region in (GTVR, GTVNR)]
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(TABLE_NAME))
        place_beside(node, None)
    known = column_names(node)
    absent = [name for name in COLUMNS if known and name not in known]
    if absent:
        raise InputError(
            f"it has no column {absent[0]}", where=f"table {node.GetName()}", remedy="Choose a cohort table, or none"
        )
    titles = known or COLUMNS
    kept = [row for row in rows_of(node) if row[PATIENT].strip() != patient] if known else []
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for title in titles:
            node.AddColumn(_text_column(title, [row.get(title, "") for row in (*kept, *rows)]))
        node.SetUseColumnTitleAsColumnHeader(True)
    return node


def row_of(patient: str, region: str, found: RegionFeatures) -> dict[str, str]:
    """Cells as text, since a saved scene keeps six digits of numbers only; a refused feature is empty."""
    numbers = {name: repr(float(value)) if np.isfinite(value) else "" for name, value in found.values.items()}
    return {
        PATIENT: cell_text(patient),
        REGION: region,
        "volume_cm3": repr(float(found.volume_cm3)),
        "n_voxels": str(found.n_voxels),
        **{name: numbers[name] for name in FEATURE_NAMES},
    }


def rows_of(node) -> list[dict[str, str]]:
    """Every row of a table node as text, numbers with all their digits; none of a table without columns."""
    names = column_names(node)
    columns = patients_of(node).columns if names else {}
    return [
        {name: _exact(cell) for name, cell in zip(names, cells, strict=True)}
        for cells in zip(*(columns[name] for name in names), strict=True)
    ]


def _exact(cell) -> str:
    if isinstance(cell, float):
        return "" if np.isnan(cell) else repr(cell).removesuffix(".0")
    return str(cell)


def fingerprint_of(node) -> str:
    """A hash that changes with any cell of a table node."""
    names = column_names(node)
    columns = patients_of(node).columns if names else {}
    return hashlib.sha256(repr([(name, list(columns[name])) for name in names]).encode()).hexdigest()


def n_patients(node) -> int:
    """Different labels in a table node (or None)."""
    column = node.GetTable().GetColumnByName(PATIENT) if node is not None else None
    if column is None:
        return 0
    labels = {column.GetVariantValue(n).ToString().strip() for n in range(column.GetNumberOfTuples())}
    return len(labels - {""})


def load_cohort(path: str):
    """A table file (CSV) as a new table node.

    Raises:
        InputError: it cannot be read, or it lacks a column.
    """
    from NPCResponseLib.readers.cohort_table import TableFormat, read_table

    table = read_table(Path(path), TableFormat(), None)
    table.require(COLUMNS)
    return add_patients(table, Path(path).stem)


def _text_column(title: str, cells):
    column = vtk.vtkStringArray()
    column.SetName(title)
    for cell in cells:
        column.InsertNextValue(cell)
    return column


# -- comparison --


@dataclass(frozen=True, eq=False)
class RegionComparison:
    """Attributes:
    analysis: NPCRadiomicsRiskLib.heterogeneity.comparison.HeterogeneityAnalysis.
    outputs: table and chart nodes by name.
    values: PairedValues that were compared. fingerprint: of the table that they come from.
    """

    analysis: object
    outputs: CohortOutputs
    values: object = None
    fingerprint: str = ""


class RegionComparisonJob:
    """Compares recurrent and other regions over the patients of a table node.

    Args:
        choices: keyword arguments of ``heterogeneity.comparison.compare_subregions`` (test, correction).

    Raises:
        InputError: no table of sub-regions; the sentence names row and column.
    """

    def __init__(self, node, **choices):
        from ..heterogeneity.paired_values import paired_values_from_rows

        self.node, self._choices = node, choices
        self._values, self._fingerprint = paired_values_from_rows(patients_of(node)), fingerprint_of(node)
        self._analysis = None

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        from ..heterogeneity.comparison import compare_subregions

        self._analysis = yield from steps_of(lambda _progress: compare_subregions(self._values, **self._choices))
        yield 1.0

    def finish(self, outputs: CohortOutputs | None = None) -> RegionComparison:
        """Write tables and charts: into the nodes of ``outputs``, new ones for the rest."""
        from ..heterogeneity.tables import tables

        analysis = self._analysis
        made = [chart for chart in (components_chart(analysis),) if chart is not None]
        written = write_cohort(tables(analysis), made, outputs, source=self.node)
        return RegionComparison(analysis, written, self._values, self._fingerprint)

    def run(
        self, outputs: CohortOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> RegionComparison:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)


def components_chart(analysis) -> Chart | None:
    """All regions on the first two principal components; None without them."""
    found = analysis.components
    if found is None or len(found.pca.explained) < 2:
        return None
    first, second = (f"PC{k + 1} ({100 * found.pca.explained[k]:.0f} %)" for k in range(2))
    series = tuple(
        Series(region, found.scores_of(region)[:, 0], found.scores_of(region)[:, 1], "points", color)
        for region, color in REGION_COLORS.items()
    )
    return Chart(
        "PCA", f"{', '.join(analysis.shown[:3])}{'…' if len(analysis.shown) > 3 else ''}", first, second, series
    )
