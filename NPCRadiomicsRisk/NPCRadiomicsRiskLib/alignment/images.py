"""What an alignment compares: a scan made ready, and points of the region of interest.

Thick slices are the difficulty: linear interpolation between them blurs by an amount that depends on where a point lies
between two slices, and a metric then prefers motions that put slice on slice. So both scans are brought to cubes of one
small size by cubic B-splines first, and everything else happens there.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import image_of

from .landmarks import carried

MARGIN_MM = 12.0  # around the region in the fixed scan, for smoothing
FINEST_MM = 1.5
MAX_VOXELS = 1_500_000
GAUSSIAN_STEP, GAUSSIAN_WIDTH = 1.6, 0.45  # of a source voxel, of a target voxel
BODY_GRID_MM = 4.0
BODY_LEVEL = 0.12  # of the way from the darkest to the bright: air is below, also where it is noisy
BODY_MARGIN_MM = 6.0  # air just outside the skin tells where the skin is
CLIPPED_PERCENT = (0.5, 99.5)  # of the body
N_BODY_POINTS = 20_000
BIAS_SIGMA_MM = 30.0
BIAS_FLOOR = 0.15  # of the mean brightness, so that air is not blown up


@dataclass(frozen=True, eq=False)
class Box:
    """A volume of interest along R, A and S, in the fixed scan.

    Attributes:
        center_ras, size_mm: middle and whole extent, RAS millimeters.

    Raises:
        InputError: a size that is not positive, or not three finite numbers.
    """

    center_ras: tuple[float, float, float]
    size_mm: tuple[float, float, float]

    def __post_init__(self):
        center, size = np.asarray(self.center_ras, float), np.asarray(self.size_mm, float)
        if center.shape != (3,) or size.shape != (3,) or not (np.isfinite([center, size]).all() and (size > 0).all()):
            raise InputError(
                "its middle and size must be three finite numbers each, the size above 0", where="region of interest"
            )

    def contains(self, points_ras: np.ndarray) -> np.ndarray:
        """Boolean (...) for points (..., 3)."""
        offset = np.abs(points_ras - np.asarray(self.center_ras, float))
        return np.all(offset <= np.asarray(self.size_mm, float) / 2, axis=-1)

    def corners_ras(self, margin_mm: float = 0.0) -> np.ndarray:
        """(8, 3)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        return np.asarray(self.center_ras, float) + signs * (np.asarray(self.size_mm, float) / 2 + margin_mm)


def box_around(mask: np.ndarray, ijk_to_ras: np.ndarray, margin_mm: float = 30.0) -> Box:
    """The volume of interest around a mask (KJI), as the region of the pre-treatment scan around GTV.

    Raises:
        InputError: an empty mask.
    """
    indices = np.argwhere(mask)[:, ::-1]
    if not len(indices):
        raise InputError("the mask is empty", where="region of interest", remedy="Outline the tumor first")
    low, high = indices.min(axis=0) - 0.5, indices.max(axis=0) + 0.5
    corners = carried(np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, 8).T, ijk_to_ras)
    low, high = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    return Box(tuple((low + high) / 2), tuple(high - low))


@dataclass(frozen=True, eq=False)
class WorkingImage:
    """A scan on cubes of one size along its own axes, its bias and outliers tamed.

    Attributes:
        array: float32 KJI, 0 to 1.
        body: boolean KJI, the body with a margin of air.
        ijk_to_ras: 4x4.
        spacing_mm: of the cubes.
        whole_body_ras: (n, 3) points all over the body, also where the array was cropped.
    """

    array: np.ndarray
    body: np.ndarray
    ijk_to_ras: np.ndarray
    spacing_mm: float
    whole_body_ras: np.ndarray

    def points_ras(self, flat_indices: np.ndarray) -> np.ndarray:
        """(n, 3) centers of voxels."""
        kji = np.unravel_index(flat_indices, self.array.shape)
        return carried(np.stack(kji[::-1], axis=1), self.ijk_to_ras)

    def indices_kji(self, points_ras: np.ndarray) -> np.ndarray:
        """(3, ...) continuous indices of points (..., 3)."""
        return np.moveaxis(carried(points_ras, np.linalg.inv(self.ijk_to_ras)), -1, 0)[::-1]

    def covers(self, points_ras: np.ndarray) -> np.ndarray:
        """Which points (..., 3) lie within the scan."""
        return self.covers_indices(self.indices_kji(points_ras))

    def covers_indices(self, indices_kji: np.ndarray) -> np.ndarray:
        """As covers, of indices (3, ...)."""
        last = np.array(self.array.shape).reshape(3, *[1] * (indices_kji.ndim - 1)) - 0.5
        return np.all((indices_kji >= -0.5) & (indices_kji <= last), axis=0)


def working_image(array: np.ndarray, ijk_to_ras: np.ndarray, spacing_mm: float, box: Box | None = None) -> WorkingImage:
    """A scan (KJI) on cubes of a size; of the fixed one only the region of interest and a margin."""
    _check_axes(ijk_to_ras)
    whole = np.asarray(array, dtype=np.float32)
    if not np.isfinite(whole).all():
        whole = np.nan_to_num(whole, nan=0.0, posinf=0.0, neginf=0.0)
    body = _body_of(whole, ijk_to_ras)
    part, part_matrix = (whole, ijk_to_ras) if box is None else cropped(whole, ijk_to_ras, box.corners_ras(MARGIN_MM))
    shape, matrix = cube_grid(part.shape, part_matrix, spacing_mm)
    tamed = np.clip(part, body.low, body.high) - np.float32(body.low)
    tamed /= np.float32(body.high - body.low)
    cubes = np.clip(on_grid(tamed, part_matrix, shape, matrix), 0, 1)
    cubes /= on_grid(body.gain, body.ijk_to_ras, shape, matrix, linear=True)
    inside = on_grid(body.near.astype(np.float32), body.ijk_to_ras, shape, matrix, linear=True) > 0.5
    top = np.percentile(cubes[inside][::7], CLIPPED_PERCENT[1]) if inside.any() else 1.0
    return WorkingImage(np.clip(cubes / max(float(top), 1e-6), 0, 1), inside, matrix, spacing_mm, body.points_ras)


def cropped(array: np.ndarray, ijk_to_ras: np.ndarray, corners_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a scan around corners, at least four voxels along each axis.

    Raises:
        InputError: the corners' box lies outside of the scan.
    """
    corners = carried(corners_ras, np.linalg.inv(ijk_to_ras))
    size = np.array(array.shape[::-1])
    first, last = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    if (last < 0).any() or (first > size - 1).any():
        raise InputError("it lies outside of the fixed scan", where="region of interest", remedy="Move it")
    first = np.clip(first, 0, np.maximum(size - 4, 0))
    last = np.clip(last, np.minimum(first + 3, size - 1), size - 1)
    i, j, k = (slice(low, high + 1) for low, high in zip(first, last, strict=True))
    matrix = np.array(ijk_to_ras, float)
    matrix[:3, 3] = carried(first, matrix)
    return array[k, j, i], matrix


def cube_grid(shape_kji, ijk_to_ras: np.ndarray, spacing_mm: float) -> tuple[tuple[int, int, int], np.ndarray]:
    """Shape and matrix of cubes along a grid's axes, from its first voxel's center to its last, in the middle."""
    spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    extent = (np.array(shape_kji[::-1]) - 1) * spacing
    size = np.maximum(np.floor(extent / spacing_mm + 1e-6).astype(int) + 1, 2)
    matrix = ijk_to_ras @ np.diag([*(spacing_mm / spacing), 1.0])
    matrix[:3, 3] = carried((extent - (size - 1) * spacing_mm) / 2 / spacing, ijk_to_ras)
    return tuple(int(n) for n in size[::-1]), matrix


def on_grid(array: np.ndarray, ijk_to_ras: np.ndarray, shape_kji, target: np.ndarray, *, linear=False) -> np.ndarray:
    """A volume on another grid with the same axes, axis by axis; its border goes on forever. float32.

    Where the target is much coarser by Gaussian weights, so that no noise is folded in; else by cubic splines.
    """
    step = np.linalg.inv(ijk_to_ras) @ target
    for axis in (2, 1, 0):  # pixels become fewer before slices become more
        n_in, n_out, column = array.shape[axis], shape_kji[axis], 2 - axis
        positions = np.clip(step[column, column] * np.arange(n_out) + step[column, 3], 0, n_in - 1)
        weights = _weights(positions, n_in, abs(step[column, column]), linear)
        others = array.shape[:axis] + array.shape[axis + 1 :]
        flat = np.moveaxis(array, axis, 0).reshape(n_in, -1)
        array = np.moveaxis((weights @ flat).reshape(n_out, *others), 0, axis)
    return np.ascontiguousarray(array, dtype=np.float32)


def _weights(positions: np.ndarray, n: int, step: float, linear: bool):
    """(positions, n) of the samples of one axis at positions between them; sparse unless they are splines'."""
    if not linear and step < GAUSSIAN_STEP:
        degree = min(3, n - 1)
        return make_interp_spline(np.arange(n), np.eye(n), k=degree)(positions).astype(np.float32)
    sigma = 0.0 if linear else GAUSSIAN_WIDTH * step
    reach = int(np.ceil(max(1.0, 3 * sigma)))
    near = np.floor(positions).astype(int)[:, None] + np.arange(1 - reach, reach + 1)
    off = near - positions[:, None]
    weights = np.maximum(1 - np.abs(off), 0) if linear else np.exp(-0.5 * (off / sigma) ** 2)
    weights = weights * ((near >= 0) & (near < n))
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(positions)), near.shape[1])
    columns = np.clip(near, 0, n - 1).ravel()
    return csr_array((weights.ravel().astype(np.float32), (rows, columns)), shape=(len(positions), n))


@dataclass(frozen=True, eq=False)
class _Body:
    """What is known of a scan from a coarse look.

    Attributes:
        near: boolean KJI, the body with a margin of air.
        low, high: the darkest and the brightest that counts.
        gain: float32, slowly varying brightness, 1 on average: what a receive coil adds, and some anatomy.
        points_ras: (n, 3) all over the body.
    """

    near: np.ndarray
    low: float
    high: float
    gain: np.ndarray
    ijk_to_ras: np.ndarray
    points_ras: np.ndarray


def _body_of(array: np.ndarray, ijk_to_ras: np.ndarray) -> _Body:
    shape, matrix = cube_grid(array.shape, ijk_to_ras, BODY_GRID_MM)
    values = on_grid(array, ijk_to_ras, shape, matrix)
    mask = _body_mask(values)
    low, high = np.percentile(values[mask], CLIPPED_PERCENT)
    low, high = float(min(low, np.percentile(values, 5))), float(high)
    high = high if high > low else low + 1.0
    tamed = np.where(mask, (np.clip(values, low, high) - low) / (high - low), 0)
    sigma = BIAS_SIGMA_MM / BODY_GRID_MM
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    local = ndimage.gaussian_filter(tamed, sigma) / np.maximum(weight, 1e-3)
    gain = np.maximum(local / (float(local[mask].mean()) or 1.0), BIAS_FLOOR).astype(np.float32)
    near = ndimage.distance_transform_edt(~mask) * BODY_GRID_MM <= BODY_MARGIN_MM
    inside = np.argwhere(mask)[:: max(1, int(mask.sum()) // N_BODY_POINTS), ::-1]
    return _Body(near, low, high, gain, matrix, carried(inside, matrix))


def _body_mask(values: np.ndarray) -> np.ndarray:
    """The largest thing brighter than air, without holes; everything if there is none."""
    low, high = np.percentile(values, CLIPPED_PERCENT)
    parts, n_parts = ndimage.label(ndimage.binary_opening(values > low + BODY_LEVEL * (high - low)))
    if not n_parts:
        return np.ones(values.shape, bool)
    mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(mask, 3), iterations=3))[3:-3, 3:-3, 3:-3]


def _check_axes(ijk_to_ras: np.ndarray) -> None:
    """ITK cannot hold axes that are not at right angles; the sentence is registration's."""
    image_of(np.zeros((1, 1, 1), np.uint8), ijk_to_ras)
