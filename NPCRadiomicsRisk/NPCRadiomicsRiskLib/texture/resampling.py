"""To isotropic voxels: as the TextureToolbox does it, and without its errors."""

import math

import numpy as np
from scipy.sparse import csr_array

HALF_WAY = 1e-6  # voxels; closer to the middle between two is in the middle


def half_away(value: float) -> int:
    """Rounded, halves away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def cubic_weights(t: np.ndarray) -> np.ndarray:
    """(4, n) weights of the voxels at -1, 0, 1, 2 from the floor of a coordinate with fraction t.

    Source: cubic convolution with a = -1/2 (Keys, IEEE Trans Acoust Speech Signal Process 1981;29:1153).
    """
    return np.stack([_far(1 + t), _near(t), _near(1 - t), _far(2 - t)])


# Terms in this order and powers by the C library: then every voxel of the reference cases is the toolbox' to the last
# bit (measured; a third of them otherwise), and a value on the border of two gray levels gets the same one.
def _near(distance: np.ndarray) -> np.ndarray:
    """The kernel at distances from 0 to 1."""
    return 1.5 * _cubed(distance) - 2.5 * distance**2 + 1


def _far(distance: np.ndarray) -> np.ndarray:
    """The kernel at distances from 1 to 2."""
    return -0.5 * _cubed(distance) + 2.5 * distance**2 - 4 * distance + 2


def _cubed(x: np.ndarray) -> np.ndarray:
    return np.array([math.pow(value, 3) for value in x])


def interpolate(volume: np.ndarray, coordinates: tuple[np.ndarray, ...], *, outside: str) -> np.ndarray:
    """Separable cubic convolution at the grid of coordinates, float64.

    Args:
        coordinates: for each axis the positions in voxels, from 0.
        outside: "zero" for what lies beyond the array, or "nearest" for its border.
    """
    result = np.asarray(volume, dtype=np.float64)
    for axis in (1, 2, 0):  # rows, columns, slices: again for the last bit
        positions = coordinates[axis]
        if len(positions) == result.shape[axis] and np.array_equal(positions, np.arange(len(positions))):
            continue
        matrix = _cubic_matrix(positions, result.shape[axis], outside)
        moved = np.moveaxis(result, axis, 0)
        applied = matrix @ moved.reshape(moved.shape[0], -1)
        result = np.moveaxis(applied.reshape(len(positions), *moved.shape[1:]), 0, axis)
    return result


def _cubic_matrix(positions: np.ndarray, size: int, outside: str):
    base = np.floor(positions).astype(np.int64)
    weights = cubic_weights(positions - base)
    taps = base[None, :] + np.arange(-1, 3)[:, None]
    if outside == "zero":
        weights = np.where((taps >= 0) & (taps < size), weights, 0.0)
    taps = np.clip(taps, 0, size - 1)
    rows = np.broadcast_to(np.arange(len(positions)), taps.shape)
    return csr_array((weights.ravel(), (rows.ravel(), taps.ravel())), shape=(len(positions), size))


def nearest(mask: np.ndarray, coordinates: tuple[np.ndarray, ...]) -> np.ndarray:
    """The mask at the nearest voxel, halves up; False outside."""
    result = np.asarray(mask, dtype=bool)
    for axis, positions in enumerate(coordinates):
        index = np.floor(positions + 0.5).astype(np.int64)
        inside = (index >= 0) & (index < result.shape[axis])
        result = np.take(result, np.clip(index, 0, result.shape[axis] - 1), axis=axis)
        shape = [1] * result.ndim
        shape[axis] = -1
        result = result & inside.reshape(shape)
    return result


def nearest_of_either_side(mask: np.ndarray, coordinates: tuple[np.ndarray, ...]) -> np.ndarray:
    """The mask at the nearest voxel; half-way between two, whether one of them is in it. Coordinates are inside."""
    result = np.asarray(mask, dtype=bool)
    for axis, positions in enumerate(coordinates):
        lower, upper = (np.floor(positions + half).astype(np.int64) for half in (0.5 - HALF_WAY, 0.5 + HALF_WAY))
        last = result.shape[axis] - 1
        below, above = (np.take(result, np.clip(index, 0, last), axis=axis) for index in (lower, upper))
        result = below | above
    return result


def toolbox_coordinates(size: int, factor: float) -> np.ndarray:
    """Where the toolbox samples an axis, from 0: a shift of half a voxel is not made up for.

    Its output index x (from 1) samples input x / f, with f the ratio of the sizes after rounding.
    """
    new_size = half_away(size * factor)
    # In this order of rounding: some samples lie exactly between two voxels.
    return np.arange(1, new_size + 1) / (new_size / size) - 1 if new_size else np.zeros(0)


def aligned_coordinates(first: int, last: int, spacing_mm: float, voxel_mm: float) -> np.ndarray:
    """Centers of the new voxels that fill old voxels first..last, in old voxels from 0.

    In the middle of them, so that neither how much of the image lies around the region matters, nor from which end
    voxels are counted.
    """
    n = half_away(round((last + 1 - first) * spacing_mm / voxel_mm, 6))
    return (first + last) / 2 + (np.arange(n) - (n - 1) / 2) * (voxel_mm / spacing_mm)
