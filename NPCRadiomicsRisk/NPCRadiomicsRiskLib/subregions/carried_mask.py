"""A mask drawn on one image, on the grid of another one: by its shape, not by its voxels.

Nearest neighbor would carry the 5 mm steps of a thick grid over, and change the volume by up to a fifth.
"""

from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from .shape_interpolation import shape_field

# Where a mask on the new grid differs more than this from the volume drawn, it is said.
MAX_VOLUME_CHANGE = 0.05


@dataclass(frozen=True, eq=False)
class CarriedMask:
    """A mask on another grid.

    Attributes:
        mask: bool KJI on the new grid.
        source_volume_cm3: as drawn, voxels times their size (and the transform's change of size).
        volume_cm3: on the new grid.
        outside_fraction: share of the voxels drawn that lie outside the new grid.
        level_mm: by how much the interpolated outline was moved inward to keep the volume.
        warnings: sentences.
    """

    mask: np.ndarray
    source_volume_cm3: float
    volume_cm3: float
    outside_fraction: float
    level_mm: float
    warnings: tuple[str, ...] = ()


def carry_mask(
    mask: np.ndarray,
    mask_ijk_to_ras: np.ndarray,
    grid_shape_kji: tuple[int, int, int],
    grid_ijk_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray | None = None,
) -> np.ndarray:
    """The mask alone; see ``carry``."""
    return carry(mask, mask_ijk_to_ras, grid_shape_kji, grid_ijk_to_ras, moving_to_fixed_ras).mask


def carry(
    mask: np.ndarray,
    mask_ijk_to_ras: np.ndarray,
    grid_shape_kji: tuple[int, int, int],
    grid_ijk_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray | None = None,
    *,
    where: str = "mask",
) -> CarriedMask:
    """A mask on another grid, by shape-based interpolation between its slices; its volume is kept.

    Slices are those along the axis of the widest spacing. On its own grid a mask stays as it is, voxel by voxel.

    Args:
        mask: KJI, nonzero inside.
        mask_ijk_to_ras: 4x4, of the image it was drawn on.
        grid_shape_kji, grid_ijk_to_ras: the grid it is wanted on, any orientation.
        moving_to_fixed_ras: 4x4, takes a point of the mask's image to the same anatomy in the grid's image; identity
            if None.
        where: what a message calls the mask.

    Raises:
        InputError: the mask is empty or not three-dimensional, a matrix cannot be used, or the mask and the grid do not
            overlap.
    """
    drawn = _checked_mask(mask, where)
    to_grid_ras = np.eye(4) if moving_to_fixed_ras is None else _checked_matrix(moving_to_fixed_ras, "transform")
    grid_ijk_to_ras = _checked_matrix(grid_ijk_to_ras, "grid")
    mask_to_grid_ras = to_grid_ras @ _checked_matrix(mask_ijk_to_ras, where)
    source_cm3 = drawn.sum() * abs(np.linalg.det(mask_to_grid_ras[:3, :3])) / 1000
    voxel_cm3 = abs(np.linalg.det(grid_ijk_to_ras[:3, :3])) / 1000
    outside = _outside_fraction(drawn, np.linalg.inv(grid_ijk_to_ras) @ mask_to_grid_ras, grid_shape_kji)
    if drawn.shape == tuple(grid_shape_kji) and np.allclose(mask_to_grid_ras, grid_ijk_to_ras, atol=1e-4):
        return CarriedMask(drawn, source_cm3, source_cm3, 0.0, 0.0)
    if outside == 1.0:
        raise InputError(
            "it lies wholly outside the other image after registration",
            where=where,
            remedy="Check the alignment, and that both images are of one patient",
        )
    carried, level_mm = _sampled(drawn, mask_to_grid_ras, tuple(grid_shape_kji), grid_ijk_to_ras, outside == 0)
    volume_cm3 = carried.sum() * voxel_cm3
    if not carried.any():
        raise InputError(
            "no voxel of the other image is inside it: it is too small for that grid, or lies at its border",
            where=where,
            remedy="Check the alignment, or draw it on the other image",
        )
    warnings = _warnings(where, source_cm3, volume_cm3, outside)
    return CarriedMask(carried, float(source_cm3), float(volume_cm3), outside, level_mm, warnings)


def _sampled(
    drawn: np.ndarray,
    mask_to_grid_ras: np.ndarray,
    grid_shape_kji: tuple[int, int, int],
    grid_ijk_to_ras: np.ndarray,
    keep_volume: bool,
) -> tuple[np.ndarray, float]:
    """The mask on the grid, and the level of its outline in mm."""
    spacing_kji = np.linalg.norm(mask_to_grid_ras[:3, :3], axis=0)[::-1]
    axis = int(np.argmax(spacing_kji > spacing_kji.max() * (1 - 1e-6)))
    order = [axis, *(n for n in range(3) if n != axis)]  # planes, rows, columns as axes of the array
    box = [slice(found.min(), found.max() + 1) for found in np.nonzero(drawn)]
    planes = np.pad(drawn[tuple(box)].transpose(order), [(0, 0), (2, 2), (2, 2)])
    thickness_mm, *pixel_mm = (float(spacing_kji[n]) for n in order)
    field = shape_field(planes, thickness_mm * np.arange(len(planes)), tuple(pixel_mm), thickness_mm)

    plane_to_mask = np.zeros((4, 4))  # (column, row, mm) to the mask's (i, j, k)
    plane_to_mask[3, 3] = 1
    for column, (n, step, margin) in enumerate(((order[2], 1, 2), (order[1], 1, 2), (order[0], 1 / thickness_mm, 0))):
        plane_to_mask[2 - n, column] = step
        plane_to_mask[2 - n, 3] = box[n].start - margin
    plane_to_ras = mask_to_grid_ras @ plane_to_mask
    return field.on_grid(plane_to_ras, grid_shape_kji, grid_ijk_to_ras, keep_volume=keep_volume)


def _outside_fraction(drawn: np.ndarray, mask_to_grid: np.ndarray, grid_shape_kji) -> float:
    ijk = np.argwhere(drawn)[:, ::-1] @ mask_to_grid[:3, :3].T + mask_to_grid[:3, 3]
    inside = np.all((ijk >= -0.5) & (ijk <= np.array(grid_shape_kji[::-1]) - 0.5), axis=1)
    return float(1 - inside.mean())


def _checked_mask(mask: np.ndarray, where: str) -> np.ndarray:
    drawn = np.asarray(mask) != 0
    if drawn.ndim != 3:
        raise InputError(f"a mask has three axes, found {drawn.ndim}", where=where, remedy="Give one volume")
    if not drawn.any():
        raise InputError("it is empty", where=where, remedy="Draw it, or choose another segment")
    return drawn


def _checked_matrix(matrix: np.ndarray, where: str) -> np.ndarray:
    matrix = np.asarray(matrix, float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise InputError("its matrix cannot be used", where=where, remedy="Give a 4 x 4 matrix that can be inverted")
    return matrix


def _warnings(where: str, source_cm3: float, volume_cm3: float, outside: float) -> tuple[str, ...]:
    found = []
    if outside > 0:
        found.append(f"{outside:.0%} of {where} lies outside the other image and is lost there.")
    elif abs(volume_cm3 / source_cm3 - 1) > MAX_VOLUME_CHANGE:
        found.append(
            f"{where} has {volume_cm3:.2f} cm3 on the other grid, {source_cm3:.2f} cm3 as drawn: it is small for its "
            "voxels."
        )
    return tuple(found)
