"""Measurements as a table node: one row per number, named columns."""

from collections.abc import Sequence
from dataclasses import astuple

import slicer
import slicer.util
import vtk

from ..measurement import COLUMN_NAMES, Measurement, write_measurements

__all__ = ["COLUMN_TITLES", "write_measurements", "write_table"]

COLUMN_TITLES = {
    "what": "Measurement",
    "value": "Value",
    "unit": "Unit",
    "image": "Image",
    "segment": "Segment",
    "roi_rule": "Region rule",
    "method": "Method",
    "parameters": "Parameters",
    "n_used": "Voxels used",
    "n_excluded": "Voxels excluded",
    "excluded_reasons": "Reasons for exclusion",
    "software_version": "Software",
}
NUMERIC_COLUMNS = {"value": vtk.vtkDoubleArray, "n_used": vtk.vtkIntArray, "n_excluded": vtk.vtkIntArray}
# Slicer saves a table as bare text between tabs: these would shift a row when the scene is opened again.
UNSAFE_CHARACTERS = str.maketrans({'"': "'", "\t": " ", "\n": " ", "\r": " "})
COLUMN_UNITS = {"n_used": "voxels", "n_excluded": "voxels"}  # the value's unit differs from row to row


def write_table(measurements: Sequence[Measurement], name: str, node=None):
    """Put rows into a table node: a new one, or ``node``, whose contents they replace.

    Returns:
        vtkMRMLTableNode, with the columns of :class:`Measurement` under their field names.
    """
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    rows = [astuple(measurement) for measurement in measurements]
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for position, column_name in enumerate(COLUMN_NAMES):
            column = NUMERIC_COLUMNS.get(column_name, vtk.vtkStringArray)()
            column.SetName(column_name)
            for row in rows:
                cell = row[position]
                column.InsertNextValue(cell.translate(UNSAFE_CHARACTERS) if isinstance(cell, str) else cell)
            node.AddColumn(column)
            node.SetColumnTitle(column_name, COLUMN_TITLES[column_name])
            if column_name in COLUMN_UNITS:
                node.SetColumnUnitLabel(column_name, COLUMN_UNITS[column_name])
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)  # measured, not typed
    return node
