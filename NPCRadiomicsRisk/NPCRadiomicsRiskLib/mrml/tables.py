"""Rows of text and numbers as table nodes, and points as plot series over them."""

from collections.abc import Mapping, Sequence

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.mrml.hierarchy import place_beside
from NPCResponseLib.mrml.measurements import UNSAFE_CHARACTERS

SERIES_ATTRIBUTE = "NPCRadiomicsRisk.Series"


def write_table(columns: Mapping[str, Sequence], name: str, node=None, sibling=None):
    """Put columns into a table node: a new one, or ``node``, whose contents they replace.

    Args:
        columns: by name; numbers make a number column, anything else (or a None among numbers) a text column, in which
            None is an empty cell and a number has six digits.
        sibling: node beside which a new node goes in the subject hierarchy.

    Returns:
        vtkMRMLTableNode, locked: its numbers are computed, not typed.
    """
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
        place_beside(node, sibling)
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for title, cells in columns.items():
            node.AddColumn(_column(title, list(cells)))
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)
    return node


def _column(title: str, cells: list):
    is_numeric = all(isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool) for cell in cells)
    column = vtk.vtkDoubleArray() if is_numeric and cells else vtk.vtkStringArray()
    column.SetName(title)
    for cell in cells:
        column.InsertNextValue(float(cell) if is_numeric else cell_text(cell))
    return column


def cell_text(cell) -> str:
    """A cell of a text column."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    text = f"{cell:.6g}" if isinstance(cell, (float, np.floating)) else str(cell)
    return text.translate(UNSAFE_CHARACTERS)


def new_chart(name: str, *, title: str, x: str, y: str, chart=None, sibling=None):
    """A plot chart node with these titles: a new one, or ``chart`` without the series of an earlier run."""
    if chart is None:
        chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(name))
        place_beside(chart, sibling)
    _remove_series(chart)
    chart.SetTitle(title)
    chart.SetXAxisTitle(x)
    chart.SetYAxisTitle(y)
    return chart


def add_series(chart, table, name: str, columns: tuple[str, str], color, *, line: bool, labels: str = "") -> None:
    """Two columns of a table as a line or as markers.

    Args:
        labels: column with a label for each point.
    """
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAttribute(SERIES_ATTRIBUTE, name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(columns[0])
    series.SetYColumnName(columns[1])
    if labels:
        series.SetLabelColumnName(labels)
    series.SetColor(*color)
    series.SetLineStyle(series.LineStyleSolid if line else series.LineStyleNone)
    series.SetMarkerStyle(series.MarkerStyleNone if line else series.MarkerStyleCircle)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())


def _remove_series(chart) -> None:
    """Take our own series of an earlier run out of the chart and the scene; their tables are updated in place."""
    ours = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    for series in ours:
        if series is not None and series.GetAttribute(SERIES_ATTRIBUTE) is not None:
            chart.RemovePlotSeriesNodeID(series.GetID())
            slicer.mrmlScene.RemoveNode(series)
