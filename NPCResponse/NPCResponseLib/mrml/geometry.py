"""Voxel grids of nodes: matrices, positions, and the transform between two nodes' parents."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import InputError

# Two images lie on one grid if no corner voxel is farther off than this share of the smallest voxel edge.
MAX_CORNER_SHIFT = 0.01


def matrix_of(volume) -> np.ndarray:
    """4x4, voxel (i, j, k, 1) to the volume's own RAS in mm; its parent transform is not included."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return as_array(matrix)


def set_matrix(volume, ijk_to_ras: np.ndarray) -> None:
    volume.SetIJKToRASMatrix(as_vtk_matrix(ijk_to_ras))


def as_array(matrix) -> np.ndarray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_vtk_matrix(array: np.ndarray):
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, dtype=float).ravel().tolist())
    return matrix


def on_one_grid(first, other) -> bool:
    """Whether two volumes have the same voxels, each in its own RAS."""
    if first.GetImageData() is None or other.GetImageData() is None:
        return False
    size = first.GetImageData().GetDimensions()
    if other.GetImageData().GetDimensions() != size:
        return False
    corners_ijk = np.array(np.meshgrid(*[(0, n - 1) for n in size], [1])).reshape(4, -1)
    shift_mm = np.linalg.norm(((matrix_of(first) - matrix_of(other)) @ corners_ijk)[:3], axis=0).max()
    return bool(shift_mm <= MAX_CORNER_SHIFT * min(first.GetSpacing()))


def world_matrix_above(node) -> np.ndarray:
    """4x4 of the transforms above a node: from its own RAS to the world's.

    Raises:
        InputError: they are not linear.
    """
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    matrix = linear_matrix(transform)
    if matrix is None:
        raise InputError("it is under a non-linear transform", where=node.GetName(), remedy="Take it off the transform")
    return matrix


def grid_of(volume):
    """The voxel grid of a volume as an oriented image without voxels, in the volume's own RAS."""
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(volume.GetImageData().GetDimensions())
    grid.SetGeometryFromImageToWorldMatrix(as_vtk_matrix(matrix_of(volume)))
    return grid


def transform_between(source, target):
    """What takes a point from the coordinates of one node to those of another: the transforms above both of them.

    Returns:
        vtkGeneralTransform, which may be non-linear.
    """
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        source.GetParentTransformNode(), target.GetParentTransformNode(), transform
    )
    return transform


def resample(image, reference_volume, transform, *, linear: bool) -> np.ndarray:
    """Values of an oriented image at the voxels of a volume, KJI; 0 outside the image.

    Args:
        image: vtkOrientedImageData.
        transform: from the image's coordinates to those of the volume.
        linear: interpolate; else the nearest voxel's value.
    """
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, grid_of(reference_volume), resampled, linear, False, transform
    )
    return values_of(resampled)


def values_of(image) -> np.ndarray:
    """The scalars of an image as a KJI array; a view."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def linear_matrix(transform) -> np.ndarray | None:
    """4x4 of a transform, or None if it is not linear."""
    linear = vtk.vtkTransform()
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        return as_array(linear.GetMatrix())
    return None


def transform_points(points: np.ndarray, transform) -> np.ndarray:
    """(n, 3) points through a vtk transform, linear or not."""
    matrix = linear_matrix(transform)
    if matrix is not None:
        return points @ matrix[:3, :3].T + matrix[:3, 3]
    return np.array([transform.TransformPoint(point) for point in points]).reshape(-1, 3)


def volume_scale(node) -> float:
    """Factor by which the transforms above a node change volumes (1 for rigid ones, and for warps, where it varies)."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    matrix = linear_matrix(transform)
    return 1.0 if matrix is None else float(abs(np.linalg.det(matrix[:3, :3])))
