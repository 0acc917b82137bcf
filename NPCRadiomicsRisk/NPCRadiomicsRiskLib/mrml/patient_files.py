"""Files of a patient as nodes of the scene: images, contours, transforms, landmarks, dose. Nodes have neutral names."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK
import slicer
import slicer.util

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import files, volumes
from NPCResponseLib.mrml.geometry import as_vtk_matrix
from NPCResponseLib.mrml.segments import segment_id_by_name
from NPCResponseLib.registration import LPS_FROM_RAS

MARKUPS_ENDINGS = (".mrk.json", ".json", ".fcsv")


def add_segment(mask: np.ndarray, volume, name: str):
    """A segmentation node with one segment, on the grid of a volume node; returns the node and the segment's ID."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment_id = node.GetSegmentation().AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, volume)
    return node, segment_id


def load_segment(path: Path, segment: str, name: str) -> tuple[object, str]:
    """A segment of a segmentation or label image; a label image's segments may be named by their label."""
    node = files.load_segmentation(path, name)
    return node, segment_id_by_name(node, segment)


def load_transform(paths: Sequence[Path], name: str):
    """Linear transform files (.tfm, .txt, .h5 of ITK), applied one after the other, as one transform node.

    ITK's files take points of the fixed image to the moving one, in LPS; so do Slicer's, BRAINSFit's and Elastix'.
    The node takes the moving image to the fixed one.

    Raises:
        InputError: no transform file, or not linear.
    """
    matrix = np.eye(4)
    for path in paths:
        matrix = read_linear_transform(path) @ matrix
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetMatrixTransformToParent(as_vtk_matrix(matrix))
    return node


def read_linear_transform(path: Path) -> np.ndarray:
    """4x4, moving to fixed, RAS."""
    try:
        transform = SimpleITK.ReadTransform(str(path))
    except RuntimeError:
        raise InputError(
            "this is no transform file that ITK can read", where=str(path), remedy="Give a .tfm, .txt or .h5 file"
        ) from None
    if not transform.IsLinear():
        raise InputError("the transform is not linear", where=str(path), remedy="Give a rigid or affine transform")
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()])
    matrix[:3, 3] = origin
    return LPS_FROM_RAS @ np.linalg.inv(matrix) @ LPS_FROM_RAS


def write_linear_transform(moving_to_fixed_ras: np.ndarray, path: Path) -> None:
    """As ITK writes it (.tfm, .h5): opens in Slicer, and with ``--transform``."""
    lps = LPS_FROM_RAS @ np.linalg.inv(moving_to_fixed_ras) @ LPS_FROM_RAS
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    SimpleITK.WriteTransform(transform, str(path))


def load_landmarks(path: Path, name: str):
    """Points with names: a markups file of Slicer, or a table (CSV) with the columns name, r, a, s in mm.

    Raises:
        InputError: the file cannot be read, or a coordinate is no number.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name))
    if path.suffix.lower() == ".csv":
        for label, point_ras in _csv_points(path):
            node.AddControlPoint(*point_ras, label)
        return node
    if not path.name.lower().endswith(MARKUPS_ENDINGS):
        raise InputError("landmarks are a .mrk.json, .fcsv or .csv file", where=str(path))
    storage = (
        slicer.vtkMRMLMarkupsFiducialStorageNode()
        if path.suffix.lower() == ".fcsv"
        else slicer.vtkMRMLMarkupsJsonStorageNode()
    )
    storage.SetFileName(str(path))
    if not storage.ReadData(node) or not node.GetNumberOfControlPoints():
        raise InputError("no points can be read from it", where=str(path), remedy="Save the markups again")
    node.SetName(name)
    return node


def _csv_points(path: Path) -> list[tuple[str, tuple[float, float, float]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = {"name", "r", "a", "s"} - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                f"the column {sorted(missing)[0]} is missing", where=str(path), remedy="Give name, r, a, s in mm (RAS)"
            )
        points = []
        for number, row in enumerate(reader, start=2):
            try:
                points.append((row["name"].strip(), tuple(float(row[axis]) for axis in "ras")))
            except (TypeError, ValueError):
                raise InputError("a coordinate is no number", where=f"{path}, line {number}") from None
    return points


def add_image(array: np.ndarray, ijk_to_ras: np.ndarray, name: str):
    """A volume node from an array, KJI."""
    return volumes.add_volume(array, ijk_to_ras, name)
