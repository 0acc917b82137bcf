"""Volumes and segments as arrays in world coordinates."""

from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.geometry import linear_matrix, matrix_of, world_matrix_above


@dataclass(frozen=True, eq=False)
class Image:
    """A volume node as it was read.

    Attributes:
        array: KJI, a copy or a view that nobody writes to.
        ijk_to_world: 4x4, voxel to world RAS in mm.
        name: the node's.
        warnings: what about the image makes its numbers doubtful.
    """

    array: np.ndarray
    ijk_to_world: np.ndarray
    name: str
    warnings: tuple[str, ...] = ()

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_world[:3, :3], axis=0)[::-1])


def is_under(node, transform) -> bool:
    """Whether a transform node (or None) is somewhere above a node (or None)."""
    above = node.GetParentTransformNode() if node is not None and transform is not None else None
    while above is not None:
        if above is transform:
            return True
        above = above.GetParentTransformNode()
    return False


def matrix_below(node, transform) -> np.ndarray:
    """4x4 from a node's own RAS to the world's, or, if it is under ``transform`` (or None), to what that is applied to.

    Raises:
        InputError: the transforms between are not linear.
    """
    if not is_under(node, transform):
        return world_matrix_above(node)
    between = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), transform, between)
    matrix = linear_matrix(between)
    if matrix is None:
        raise InputError("it is under a non-linear transform", where=node.GetName(), remedy="Take it off the transform")
    return matrix


def read_image(volume, below=None) -> Image:
    """A scalar volume node as an array.

    Args:
        below: a transform node; if the volume is under it, its place is told as it was without.

    Raises:
        InputError: no image, colors instead of gray values, values that are not finite, a non-linear transform.
    """
    where = f"volume {volume.GetName()}"
    data = volume.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None:
        raise InputError("there is no image in it", where=where, remedy="Choose another volume")
    if data.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"it has {data.GetNumberOfScalarComponents()} values per voxel (a color image, or several images)",
            where=where,
            remedy="Give one gray-scale image",
        )
    array = slicer.util.arrayFromVolume(volume)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        n_bad = int(np.count_nonzero(~np.isfinite(array)))
        raise InputError(
            f"{n_bad} voxels hold no number (NaN or infinite)", where=where, remedy="Mend the image, or mask them"
        )
    warnings = ()
    if array.dtype in (np.uint8, np.int8):
        warnings = (
            f"{volume.GetName()} has 8-bit values: an exported picture rather than the scanner's image; "
            "its gray levels may be windowed.",
        )
    return Image(array, matrix_below(volume, below) @ matrix_of(volume), volume.GetName(), warnings)
