"""Volumes and segments as arrays in world coordinates."""

from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.geometry import matrix_of, world_matrix_above


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


def read_image(volume) -> Image:
    """A scalar volume node as an array.

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
    return Image(array, world_matrix_above(volume) @ matrix_of(volume), volume.GetName(), warnings)
