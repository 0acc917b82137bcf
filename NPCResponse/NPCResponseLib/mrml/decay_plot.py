"""The decay of a region as a chart: mean signal per echo with its scatter, and the fitted curve."""

import numpy as np
import slicer
import slicer.util
import vtk

from ..region_decay import RegionDecay
from .hierarchy import place_beside

ECHO_TIME, SIGNAL, SD = "Echo time", "Signal", "SD"
ROLE_ATTRIBUTE = "NPCResponse.DecayRole"
MEASURED_COLOR, FIT_COLOR = (0.15, 0.15, 0.15), (0.80, 0.20, 0.15)


def write_chart(decay: RegionDecay | None, name: str, title: str, sibling, chart=None):
    """Put a decay into a plot chart node: a new one, or ``chart``, of which our own series are replaced.

    Three series, each with its own table: the means, the scatter as bars, and the curve. Without a decay they are
    emptied.

    Args:
        sibling: node beside which new nodes go in the subject hierarchy.

    Returns:
        vtkMRMLPlotChartNode.
    """
    if chart is None:
        chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(name))
        chart.SetXAxisTitle("Echo time (ms)")
        chart.SetYAxisTitle("Signal (image units)")
        place_beside(chart, sibling)
    chart.SetTitle(title)
    empty = np.empty(0)
    measured = (decay.echo_times_ms, decay.mean, decay.sd) if decay else (empty, empty, empty)
    bars = _bars(*measured)
    curve = (decay.curve_times_ms, decay.curve) if decay else (empty, empty)
    # Named for the legend, in the order of drawing.
    _write_series(chart, "Fit", dict(zip((ECHO_TIME, SIGNAL), curve, strict=True)), FIT_COLOR, is_line=True)
    _write_series(chart, "SD", dict(zip((ECHO_TIME, SIGNAL), bars, strict=True)), MEASURED_COLOR, is_line=True)
    _write_series(
        chart, "Mean", dict(zip((ECHO_TIME, SIGNAL, SD), measured, strict=True)), MEASURED_COLOR, is_line=False
    )
    return chart


def _bars(times_ms: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line that goes up and down each bar; a NaN lifts the pen. Charts have no error bars of their own."""
    heights = np.stack([mean - sd, mean + sd, np.full_like(mean, np.nan)], axis=1)
    return np.repeat(times_ms, 3), heights.ravel()


def _write_series(chart, role: str, columns: dict[str, np.ndarray], color, *, is_line: bool) -> None:
    series = _find_series(chart, role) or _add_series(chart, role, color, is_line)
    table = series.GetTableNode()
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        for name, values in columns.items():
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            for value in values:
                column.InsertNextValue(value)
            table.AddColumn(column)
        table.SetColumnUnitLabel(ECHO_TIME, "ms")
    series.SetXColumnName(ECHO_TIME)
    series.SetYColumnName(SIGNAL)


def _find_series(chart, role: str):
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        if series is not None and series.GetAttribute(ROLE_ATTRIBUTE) == role and series.GetTableNode() is not None:
            return series
    return None


def _add_series(chart, role: str, color, is_line: bool):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{chart.GetName()} {role.lower()}")
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", role)
    series.SetAttribute(ROLE_ATTRIBUTE, role)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetColor(*color)
    series.SetLineStyle(series.LineStyleSolid if is_line else series.LineStyleNone)
    series.SetMarkerStyle(series.MarkerStyleNone if is_line else series.MarkerStyleCircle)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    # Only the measured means are of interest as a table.
    table.SetHideFromEditors(is_line)
    return series
