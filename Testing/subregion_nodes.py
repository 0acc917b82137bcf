"""Balls and grids as nodes, for tests of sub-regions."""

import numpy as np
import slicer
import slicer.util

from NPCResponseLib.mrml.geometry import set_matrix
from NPCResponseLib.phantom import PhantomGrid

PRE_GRID = PhantomGrid.axial((30, 64, 64), (2.0, 1.0, 1.0), center_ras=(2, -3, 5), tilt_deg=(5, -3, 2))
RECURRENCE_GRID = PhantomGrid.axial((40, 72, 72), (2.0, 1.2, 1.2), center_ras=(4, 0, 3))


def rigid(rotation: np.ndarray, translation_mm) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation_mm
    return matrix


def points_of(grid: PhantomGrid) -> np.ndarray:
    """RAS of every voxel, (k, j, i, 3)."""
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij"), axis=-1)[..., ::-1]
    return indices @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]


def add_grid_volume(grid: PhantomGrid, name: str, values=0.0):
    """A volume node on a grid: one value everywhere, or an array."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    array = np.broadcast_to(np.asarray(values, dtype=np.float32), grid.shape_kji).copy()
    slicer.util.updateVolumeFromArray(node, array)
    set_matrix(node, grid.ijk_to_ras)
    return node


def add_ball(name: str, center_ras, radius_mm: float, grid: PhantomGrid) -> tuple[object, str]:
    """A segmentation node with one segment, and the segment's ID."""
    mask = np.linalg.norm(points_of(grid) - center_ras, axis=-1) <= radius_mm
    return add_segment_node(name, mask, grid)


def add_segment_node(name: str, mask: np.ndarray, grid: PhantomGrid) -> tuple[object, str]:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    reference = add_grid_volume(grid, "reference")
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    segment_id = node.GetSegmentation().AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, reference)
    slicer.mrmlScene.RemoveNode(reference)
    return node, segment_id


def array_of_segment(node, name: str, reference) -> np.ndarray:
    segment_id = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, reference) > 0
