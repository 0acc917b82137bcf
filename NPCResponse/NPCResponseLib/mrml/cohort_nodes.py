"""A cohort as nodes: a table node of patients in, tables and charts of its analysis out. Decides nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..cohort.table import NumberedRows, Table
from ..errors import InputError
from .hierarchy import OWNERS, place_beside
from .measurements import UNSAFE_CHARACTERS
from .result_nodes import removed_on_failure

TABLE_CLASS, CHART_CLASS, SERIES_CLASS = "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"
SERIES_ATTRIBUTE = "NPCResponse.CohortSeries"
# Told apart on light and dark backgrounds, and in gray by their markers.
COLORS = ((0.12, 0.31, 0.43), (0.70, 0.09, 0.17), (0.23, 0.48, 0.23), (0.54, 0.32, 0.0), (0.42, 0.24, 0.60))
MARKERS = ("MarkerStyleCircle", "MarkerStyleSquare", "MarkerStyleDiamond", "MarkerStyleCross", "MarkerStylePlus")
GRAY_COLOR, GRAY_MARKER = (0.35, 0.35, 0.35), "MarkerStyleCross"
LINE_STYLES = {"line": "LineStyleSolid", "dashed": "LineStyleDash", "points": "LineStyleNone"}
LARGEST_EXACT_INTEGER = 2**53  # a float column would change larger ones


@dataclass
class CohortOutputs:
    """Result nodes by table name and chart key. Before: nodes to update. After: those of the result."""

    tables: dict[str, object] = field(default_factory=dict)
    charts: dict[str, object] = field(default_factory=dict)

    def nodes(self) -> list:
        return [node for node in (*self.tables.values(), *self.charts.values()) if node is not None]


# -- patients in --


def column_names(node) -> tuple[str, ...]:
    """Names of a table node's columns; those without a name are left out."""
    content = node.GetTable()
    names = (content.GetColumnName(n) for n in range(content.GetNumberOfColumns()))
    return tuple(name for name in names if name)


def patients_of(
    node,
    columns: Sequence[str] | None = None,
    *,
    missing_words: Sequence[str] = (),
    decimal_comma: bool = False,
    notes: Sequence[str] = (),
) -> Table:
    """The cells of a table node. Rows are counted as Slicer's table view counts them.

    Args:
        columns: None for all.
        missing_words, decimal_comma, notes: see ``cohort.table.Table``.

    Raises:
        InputError: no columns.
    """
    content, known = node.GetTable(), column_names(node)
    source = f"table {node.GetName()}"
    if not known:
        raise InputError("it has no columns", where=source, remedy="Choose a table with one row per patient")
    wanted = known if columns is None else tuple(name for name in columns if name in known)
    # The view's first row is the header, unless that stands above the rows.
    first = 1 if node.GetUseColumnTitleAsColumnHeader() else 2
    return Table(
        {name: _cells(content.GetColumnByName(name)) for name in wanted},
        NumberedRows(range(first, first + content.GetNumberOfRows())),
        source,
        missing_words=tuple(missing_words),
        decimal_comma=decimal_comma,
        notes=tuple(notes),
    )


def _cells(column) -> list:
    """Text, numbers, or booleans of a bit column."""
    n = column.GetNumberOfTuples()
    if column.IsA("vtkStringArray"):
        return [column.GetValue(i) for i in range(n)]
    if column.IsA("vtkBitArray"):
        return [bool(column.GetValue(i)) for i in range(n)]
    if column.IsA("vtkDataArray") and n:
        return vtk_to_numpy(column).reshape(n, -1)[:, 0].tolist()
    return [column.GetVariantValue(i).ToString() for i in range(n)]


def add_patients(table: Table, name: str):
    """A table from a file as a new table node; returns it.

    Every cell is text: of numbers a saved scene keeps six digits only, and patients must not change by being saved.
    """
    node = slicer.mrmlScene.AddNewNodeByClass(TABLE_CLASS, slicer.mrmlScene.GenerateUniqueName(name))
    with slicer.util.NodeModify(node):
        for title, cells in table.columns.items():
            node.AddColumn(_column(title, [_exact_text(cell) for cell in cells]))
    place_beside(node, None)
    return node


# -- results out --


def write_cohort(tables: Sequence, charts: Sequence, outputs: CohortOutputs | None = None, *, source) -> CohortOutputs:
    """Write result tables and charts: into the nodes of ``outputs``, new ones for the rest.

    Nodes of tables and charts that this result does not have are removed: they would tell of another one. If writing
    fails, new nodes are removed again.

    Args:
        tables: ``cohort.tables.ResultTable``. charts: ``cohort.charts.Chart``.
        source: the table node of the patients; new nodes go into a folder beside it.
    """
    before = outputs or CohortOutputs()
    found = CohortOutputs()
    with removed_on_failure():
        folder = _folder(before, source)
        for table in tables:
            name = f"{source.GetName()} {table.title}"
            found.tables[table.name] = _write_table(table, name, before.tables.get(table.name), folder)
        for chart in charts:
            name = f"{source.GetName()} {chart.key}"
            found.charts[chart.key] = _write_chart(chart, name, before.charts.get(chart.key), folder)
    kept = found.nodes()
    for node in before.nodes():
        if node not in kept and slicer.mrmlScene.IsNodePresent(node):
            remove_result(node)
    return found


def remove_result(node) -> None:
    """Take a result node out of the scene, of a chart its series, too."""
    if node.IsA(CHART_CLASS):
        _remove_series(node)
    slicer.mrmlScene.RemoveNode(node)


def _folder(outputs: CohortOutputs, source) -> int:
    """Subject hierarchy folder of the results: that of earlier ones, else a new one beside their source."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    for node in outputs.nodes():
        item = hierarchy.GetItemByDataNode(node)
        if item:
            return hierarchy.GetItemParent(item)
    sibling = hierarchy.GetItemByDataNode(source)
    parent = hierarchy.GetItemParent(sibling) if sibling else hierarchy.GetSceneItemID()
    return hierarchy.CreateFolderItem(parent, f"{source.GetName()} cohort")


def _new_node(class_name: str, name: str, folder: int):
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, slicer.mrmlScene.GenerateUniqueName(name))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(folder, node)
    if item and not hierarchy.GetItemOwnerPluginName(item):
        hierarchy.SetItemOwnerPluginName(item, dict(OWNERS)[class_name])
    return node


def _write_table(table, name: str, node, folder: int):
    node = node or _new_node(TABLE_CLASS, name, folder)
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for title, cells in zip(table.columns, zip(*table.rows, strict=True), strict=True):
            node.AddColumn(_column(title, cells))
            node.SetColumnTitle(title, title.replace("_", " "))
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)  # computed, not typed
    return node


def _column(title: str, cells: Sequence):
    """Whole numbers, numbers, or text: also of numbers with empty cells among them, for which there is no number."""
    if cells and all(_is_number(cell) for cell in cells):
        is_whole = all(isinstance(cell, (int, np.integer)) for cell in cells)
        column, values = (vtk.vtkLongLongArray(), cells) if is_whole else (vtk.vtkDoubleArray(), map(float, cells))
    else:
        column, values = vtk.vtkStringArray(), map(_text, cells)
    column.SetName(title.translate(UNSAFE_CHARACTERS))
    for value in values:
        column.InsertNextValue(value)
    return column


def _is_number(cell) -> bool:
    is_number = isinstance(cell, (int, float, np.integer, np.floating)) and not isinstance(cell, bool)
    return is_number and math.isfinite(cell) and abs(cell) < LARGEST_EXACT_INTEGER


def _text(cell) -> str:
    """Numbers with six digits, as number columns show them."""
    return f"{cell:.6g}" if isinstance(cell, float) and cell == cell else _exact_text(cell)


def _exact_text(cell) -> str:
    """Nothing for an empty cell; numbers so that they read back as the same."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)):
        return repr(float(cell)).removesuffix(".0")
    return str(cell).translate(UNSAFE_CHARACTERS)


# -- charts --


def _write_chart(chart, name: str, node, folder: int):
    node = node or _new_node(CHART_CLASS, name, folder)
    _remove_series(node)
    table = slicer.mrmlScene.AddNewNodeByClass(TABLE_CLASS, f"{node.GetName()} data")
    table.SetHideFromEditors(True)  # points of curves are no table to read
    with slicer.util.NodeModify(node):
        node.SetTitle(chart.title)
        node.SetXAxisTitle(chart.x_title)
        node.SetYAxisTitle(chart.y_title)
        _set_range(node, "X", chart.x_range)
        _set_range(node, "Y", chart.y_range)
        for number, series in enumerate(chart.series):
            _add_series(node, table, number, series, max(len(each.x) for each in chart.series))
    return node


def _set_range(node, axis: str, limits) -> None:
    getattr(node, f"Set{axis}AxisRangeAuto")(limits is None)
    if limits is not None:
        getattr(node, f"Set{axis}AxisRange")(*limits)


def _add_series(chart, table, number: int, series, n_rows: int) -> None:
    """Columns of one series in the chart's table, filled up with NaN, and the series that draws them."""
    names = f"x{number}", f"y{number}"
    for name, values in zip(names, (series.x, series.y), strict=True):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in (*values, *[math.nan] * (n_rows - len(values))):
            column.InsertNextValue(value)
        table.AddColumn(column)
    node = slicer.mrmlScene.AddNewNodeByClass(SERIES_CLASS, series.name)
    node.SetAttribute(SERIES_ATTRIBUTE, series.name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetPlotType(node.PlotTypeScatter)
    node.SetXColumnName(names[0])
    node.SetYColumnName(names[1])
    node.SetColor(*(GRAY_COLOR if series.color < 0 else COLORS[series.color % len(COLORS)]))
    node.SetLineStyle(getattr(node, LINE_STYLES[series.style]))
    marker = GRAY_MARKER if series.color < 0 else MARKERS[series.color % len(MARKERS)]
    node.SetMarkerStyle(getattr(node, marker if series.style == "points" else "MarkerStyleNone"))
    chart.AddAndObservePlotSeriesNodeID(node.GetID())


def _remove_series(chart) -> None:
    """Our own series of an earlier run go, with their table; what a user has added stays."""
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    ours = [node for node in series if node is not None and node.GetAttribute(SERIES_ATTRIBUTE) is not None]
    tables = {node.GetTableNode().GetID(): node.GetTableNode() for node in ours if node.GetTableNode()}
    for node in ours:
        chart.RemovePlotSeriesNodeID(node.GetID())
        slicer.mrmlScene.RemoveNode(node)
    for table in tables.values():
        slicer.mrmlScene.RemoveNode(table)


def nodes_by_name(nodes: Mapping[str, object]) -> dict[str, object]:
    """A parameter's nodes without those that were deleted, which leave None."""
    return {name: node for name, node in nodes.items() if node is not None}
