"""Segments as masks on the grid of an image, with what is lost on the way."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from ..errors import InputError
from .geometry import (
    as_array,
    linear_matrix,
    matrix_of,
    resample,
    transform_between,
    transform_points,
    values_of,
    volume_scale,
)

MM3_PER_ML = 1000.0
MAX_NAMES = 30
# So many of a segment's voxels, evenly spread, tell well enough which share is outside; a warp moves them one by one.
MAX_POINTS, MAX_WARPED_POINTS = 200_000, 20_000


@dataclass(frozen=True)
class SegmentMask:
    """A segment on the grid of a reference volume.

    Attributes:
        mask: boolean KJI, nearest neighbor; parent transforms of both nodes are honored.
        name: the segment's name.
        n_native_voxels: of the segment on the segmentation's own grid.
        volume_ml: of those, in world coordinates; on a coarser grid it would be off by up to a fifth.
        outside_fraction: share of the segment that lies outside the reference volume.
    """

    mask: np.ndarray
    name: str
    n_native_voxels: int
    volume_ml: float
    outside_fraction: float


def segment_id_by_name(segmentation, name_or_id: str) -> str:
    """The ID of a segment from its name or ID; without either, of the only segment.

    Raises:
        InputError: there is none, or more than one of that name.
    """
    segments = segmentation.GetSegmentation()
    ids = [segments.GetNthSegmentID(n) for n in range(segments.GetNumberOfSegments())]
    where = f"segmentation {segmentation.GetName()}"
    if not ids:
        raise InputError("it has no segments", where=where, remedy="Draw the region of interest")
    names = ", ".join(segments.GetSegment(segment_id).GetName() for segment_id in ids[:MAX_NAMES])
    if len(ids) > MAX_NAMES:  # an image that is no segmentation has a segment for every gray value
        names += f" and {len(ids) - MAX_NAMES} more"
    if not name_or_id:
        if len(ids) == 1:
            return ids[0]
        raise InputError(f"it has several segments ({names})", where=where, remedy="Name the one to measure")
    if name_or_id in ids:
        return name_or_id
    matching = [segment_id for segment_id in ids if segments.GetSegment(segment_id).GetName() == name_or_id]
    if not matching:
        raise InputError(f"it has no segment {name_or_id!r}", where=where, remedy=f"Choose one of: {names}")
    if len(matching) > 1:
        raise InputError(
            f"{len(matching)} segments are named {name_or_id!r}", where=where, remedy="Rename them, or give the ID"
        )
    return matching[0]


def segment_mask(segmentation, segment_id: str, reference_volume, *, allow_empty: bool = False) -> SegmentMask:
    """A segment as a mask on the grid of a volume. Neither node is changed.

    Args:
        allow_empty: give an empty mask for a segment without voxels, or wholly outside, instead of refusing it.

    Raises:
        InputError: no such segment; or it is empty, or wholly outside the volume.
    """
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise InputError(
            f"it has no segment {segment_id!r}",
            where=f"segmentation {segmentation.GetName()}",
            remedy="Choose one it has",
        )
    where = f"segment {segment.GetName()} of segmentation {segmentation.GetName()}"
    native = _native_labelmap(segmentation, segment_id)
    n_voxels = _count_voxels(native)
    if not n_voxels:
        if not allow_empty:
            raise InputError(
                "the segment is empty", where=where, remedy="Draw the region of interest, or choose another"
            )
        return SegmentMask(np.zeros(_shape_kji(reference_volume), dtype=bool), segment.GetName(), 0, 0.0, 0.0)
    to_reference = transform_between(segmentation, reference_volume)
    mask = resample(native, reference_volume, to_reference, linear=False) > 0
    outside_fraction = _outside_fraction(native, reference_volume, to_reference)
    if not mask.any() and not allow_empty:
        raise _missing(outside_fraction, where, reference_volume.GetName())
    voxel_mm3 = abs(np.linalg.det(_image_to_ras(native)[:3, :3])) * volume_scale(segmentation)
    return SegmentMask(mask, segment.GetName(), n_voxels, n_voxels * voxel_mm3 / MM3_PER_ML, outside_fraction)


@dataclass(frozen=True)
class NativeMask:
    """A segment on the segmentation's own grid, in world coordinates.

    Attributes:
        mask: boolean KJI, not empty.
        ijk_to_ras: 4x4, voxel of the mask to world RAS in mm, with the transforms above the segmentation.
        name: the segment's name.
    """

    mask: np.ndarray
    ijk_to_ras: np.ndarray
    name: str


def native_mask(segmentation, segment_id: str) -> NativeMask:
    """A segment as it was drawn; one that is a surface alone is made a mask. The node is not changed.

    Under a warp the segment is resampled in world coordinates, at its own voxel size.

    Raises:
        InputError: no such segment, or it is empty.
    """
    where = f"segmentation {segmentation.GetName()}"
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise InputError(f"it has no segment {segment_id!r}", where=where, remedy="Choose one it has")
    labelmap = _native_labelmap(segmentation, segment_id)
    if not _count_voxels(labelmap):
        raise InputError(
            "the segment is empty",
            where=f"segment {segment.GetName()} of {where}",
            remedy="Draw the region of interest, or choose another",
        )
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(segmentation.GetParentTransformNode(), None, to_world)
    world_matrix = linear_matrix(to_world)
    if world_matrix is None:
        slicer.vtkOrientedImageDataResample.TransformOrientedImage(labelmap, to_world, False, False, False)
        world_matrix = np.eye(4)
    ijk_to_ras = world_matrix @ _image_to_ras(labelmap)
    ijk_to_ras[:3, 3] += ijk_to_ras[:3, :3] @ labelmap.GetExtent()[::2]  # extents need not start at 0
    return NativeMask(values_of(labelmap) != 0, ijk_to_ras, segment.GetName())


def _missing(outside_fraction: float, where: str, volume_name: str) -> InputError:
    if outside_fraction > 0:
        return InputError(
            f"the segment lies outside the image {volume_name}", where=where, remedy="Draw it on this image"
        )
    return InputError(f"the segment holds no voxel of the image {volume_name}", where=where, remedy="Draw it larger")


def _native_labelmap(segmentation, segment_id: str):
    """The segment on its own grid, 1 inside; made from a surface if that is all there is."""
    labelmap = slicer.vtkOrientedImageData()
    if segmentation.GetSegmentation().ContainsRepresentation("Binary labelmap"):
        # Of a layer that several segments share, this takes the one; the module logic gives all of them.
        segmentation.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    else:
        slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentBinaryLabelmapRepresentation(
            segmentation, segment_id, labelmap, False
        )
    return labelmap


def _count_voxels(labelmap) -> int:
    return 0 if labelmap.IsEmpty() else int(np.count_nonzero(values_of(labelmap)))


def _sample_indices(labelmap, at_most: int) -> np.ndarray:
    """(n, 3) voxel indices (i, j, k) of the segment, counted as the extent does, which need not start at 0."""
    values = values_of(labelmap)
    inside = np.flatnonzero(values)
    inside = inside[:: -(-len(inside) // at_most)]
    return np.stack(np.unravel_index(inside, values.shape)[::-1], axis=1) + np.array(labelmap.GetExtent()[::2])


def _image_to_ras(labelmap) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    return as_array(matrix)


def _shape_kji(volume) -> tuple[int, int, int]:
    return tuple(reversed(volume.GetImageData().GetDimensions()))


def _outside_fraction(labelmap, reference_volume, transform) -> float:
    at_most = MAX_POINTS if linear_matrix(transform) is not None else MAX_WARPED_POINTS
    indices_ijk = _sample_indices(labelmap, at_most)
    image_to_ras = _image_to_ras(labelmap)
    points = transform_points(indices_ijk @ image_to_ras[:3, :3].T + image_to_ras[:3, 3], transform)
    ras_to_ijk = np.linalg.inv(matrix_of(reference_volume))
    reference_ijk = points @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3]
    size = np.array(reference_volume.GetImageData().GetDimensions())
    inside = np.all((reference_ijk >= -0.5) & (reference_ijk < size - 0.5), axis=1)
    return float(1 - inside.mean())
