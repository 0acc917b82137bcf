"""Files of a patient as nodes of the scene: images, contours, transforms, landmarks, dose. Nodes have neutral names."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK
import slicer
import slicer.util
import vtk

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import files, volumes
from NPCResponseLib.mrml.geometry import as_vtk_matrix
from NPCResponseLib.mrml.segments import segment_id_by_name
from NPCResponseLib.registration import LPS_FROM_RAS

from ..delimited_text import check_width, has_decimal_commas, read_lines, read_text

SMALLEST_DETERMINANT = 1e-6
POINT_COLUMNS = ("name", "r", "a", "s")
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
    """A segment of a segmentation or label image; that of a label image by its name in Slicer or by its label."""
    node = files.load_segmentation(path, name)
    if segment.isdecimal():
        ids, of_label = node.GetSegmentation(), f"Segment_{int(segment)}"
        if not ids.GetSegmentIdBySegmentName(segment) and ids.GetSegmentIdBySegmentName(of_label):
            segment = of_label
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
    if transform.GetDimension() != 3:
        raise InputError("the transform is not three-dimensional", where=str(path), remedy="Give one of volumes")
    if not transform.IsLinear():
        raise InputError("the transform is not linear", where=str(path), remedy="Give a rigid or affine transform")
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()])
    matrix[:3, 3] = origin
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > SMALLEST_DETERMINANT):
        raise InputError("the transform cannot be inverted", where=str(path), remedy="Give a rigid or affine transform")
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
    ending = path.name.lower()
    if ending.endswith(".csv"):
        points = _csv_points(path)
        node = _new_markups(name)
        for label, point_ras in points:
            node.AddControlPoint(*point_ras, label)
        return node
    if not ending.endswith(MARKUPS_ENDINGS):
        raise InputError("landmarks are a .mrk.json, .fcsv or .csv file", where=str(path))
    node = _new_markups(name)
    is_fcsv = ending.endswith(".fcsv")
    storage = slicer.vtkMRMLMarkupsFiducialStorageNode() if is_fcsv else slicer.vtkMRMLMarkupsJsonStorageNode()
    storage.SetFileName(str(path))
    with _silent():
        success = storage.ReadData(node)
    if not success or not node.GetNumberOfControlPoints():
        displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
        for each in filter(None, (node, *displays)):
            slicer.mrmlScene.RemoveNode(each)
        raise InputError("no points can be read from it", where=str(path), remedy="Save the markups again")
    node.SetName(name)
    return node


def _new_markups(name: str):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What a reader remarks goes nowhere: a failure is told by an exception."""
    window = vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(window)


def _csv_points(path: Path) -> list[tuple[str, tuple[float, ...]]]:
    lines = read_lines(path)
    names = [name.lower() for name in lines[0][1]] if lines else []
    missing = [name for name in POINT_COLUMNS if name not in names]
    if missing:
        raise InputError(
            f"the column {missing[0]} is missing", where=path.name, remedy="Give name, r, a, s in mm (RAS)"
        )
    check_width(path, names, lines[1:])
    decimal_commas = has_decimal_commas(read_text(path))
    points = []
    for number, cells in lines[1:]:
        row = dict(zip(names, cells, strict=True))
        where = f"{path.name}, line {number}"
        try:
            point = tuple(float(row[axis].replace(",", ".") if decimal_commas else row[axis]) for axis in "ras")
        except ValueError:
            point = (np.nan,)
        if not np.isfinite(point).all():
            raise InputError("a coordinate is no number", where=where, remedy="Give r, a, s in mm")
        if not row["name"]:
            raise InputError("the point has no name", where=where, remedy="Name it, the same in both images")
        points.append((row["name"], point))
    if not points:
        raise InputError("it holds no point", where=path.name, remedy="Add a row for each point")
    return points


def add_image(array: np.ndarray, ijk_to_ras: np.ndarray, name: str):
    """A volume node from an array, KJI."""
    return volumes.add_volume(array, ijk_to_ras, name)
