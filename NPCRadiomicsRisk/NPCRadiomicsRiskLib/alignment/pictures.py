"""Two aligned scans side by side in three planes, for the eye: gray values, a checkerboard, and borders of one on the
other. Arrays only; reports and panels draw them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from NPCResponseLib.errors import InputError

from .landmarks import carried

# Name -> unit RAS of a step to the right and of a step down, as radiologists look: patient's right on the left.
PLANES = {
    "axial": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "coronal": ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0)),
}
WINDOW_PERCENT = (1.0, 99.0)
EDGE_SMOOTHING_MM = 1.2
EDGE_PERCENT = 88.0  # of the gradient, above which a crest is drawn


@dataclass(frozen=True, eq=False)
class ComparisonPlane:
    """One plane through both scans; square pixels, rows from top to bottom.

    Attributes:
        name: of PLANES.
        fixed, moving: float32 (rows, columns), 0 to 1 within the middle percentiles; 0 where the scan does not reach.
        checkerboard: the fixed one on even fields, the moving one on odd.
        fixed_edges, moving_edges: boolean, thin borders.
        covered: boolean, where both reach.
        pixel_mm: width of a pixel.
        origin_ras, right_ras, down_ras: middle of the first pixel, and unit vectors of columns and rows.
    """

    name: str
    fixed: np.ndarray
    moving: np.ndarray
    checkerboard: np.ndarray
    fixed_edges: np.ndarray
    moving_edges: np.ndarray
    covered: np.ndarray
    pixel_mm: float
    origin_ras: np.ndarray
    right_ras: np.ndarray
    down_ras: np.ndarray


def comparison_slices(
    fixed: np.ndarray,
    fixed_ijk_to_ras: np.ndarray,
    moving: np.ndarray,
    moving_ijk_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray,
    *,
    center_ras,
    size_mm: float = 160.0,
    pixel_mm: float = 0.8,
    field_mm: float = 20.0,
) -> dict[str, ComparisonPlane]:
    """Axial, coronal and sagittal plane through a point of the fixed scan.

    Args:
        center_ras: the point, as the middle of GTV.
        size_mm: width and height of the pictures.
        field_mm: width of the checkerboard's fields.

    Raises:
        InputError: sizes that are not positive.
    """
    if not (size_mm > 0 and pixel_mm > 0 and field_mm > 0 and size_mm / pixel_mm < 4000):
        raise InputError("size, pixels and fields of the picture must be positive, and pixels not too small")
    n = max(2, round(size_mm / pixel_mm))
    moving_to_fixed_ijk = np.asarray(moving_to_fixed_ras, float) @ moving_ijk_to_ras
    planes = {}
    for name, (right, down) in PLANES.items():
        right, down = np.array(right), np.array(down)
        origin = np.asarray(center_ras, float) - (right + down) * (n - 1) / 2 * pixel_mm
        steps = np.arange(n) * pixel_mm
        points = origin + steps[:, None, None] * down + steps[None, :, None] * right
        here, in_fixed = _sampled(fixed, fixed_ijk_to_ras, points)
        there, in_moving = _sampled(moving, moving_to_fixed_ijk, points)
        here, there = _windowed(here, in_fixed), _windowed(there, in_moving)
        fields = (steps // field_mm).astype(int)
        odd = (fields[:, None] + fields[None, :]) % 2 == 1
        planes[name] = ComparisonPlane(
            name=name,
            fixed=here,
            moving=there,
            checkerboard=np.where(odd, there, here),
            fixed_edges=_edges(here, in_fixed, pixel_mm),
            moving_edges=_edges(there, in_moving, pixel_mm),
            covered=in_fixed & in_moving,
            pixel_mm=float(pixel_mm),
            origin_ras=origin,
            right_ras=right,
            down_ras=down,
        )
    return planes


def _sampled(array: np.ndarray, ijk_to_ras: np.ndarray, points_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values at points (..., 3), linear, and which points are inside. Only the part that is needed is converted."""
    indices = np.moveaxis(carried(points_ras, np.linalg.inv(ijk_to_ras)), -1, 0)[::-1]
    last = np.array(array.shape).reshape(3, 1, 1) - 0.5
    inside = np.all((indices >= -0.5) & (indices <= last), axis=0)
    if not inside.any():
        return np.zeros(inside.shape, np.float32), inside
    first = np.maximum(np.floor(indices[:, inside].min(axis=1)).astype(int), 0)
    end = np.ceil(indices[:, inside].max(axis=1)).astype(int) + 1
    part = array[tuple(slice(low, max(high, low + 1)) for low, high in zip(first, end, strict=True))]
    part = np.nan_to_num(part.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    values = ndimage.map_coordinates(part, indices - first.reshape(3, 1, 1), order=1, mode="nearest")
    return np.where(inside, values, 0).astype(np.float32), inside


def _windowed(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    if not inside.any():
        return values
    low, high = np.percentile(values[inside], WINDOW_PERCENT)
    scaled = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return np.where(inside, scaled, 0).astype(np.float32)


def _edges(values: np.ndarray, inside: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Crests of the gradient, one or two pixels wide; not the rim of the scan itself."""
    sigma = EDGE_SMOOTHING_MM / pixel_mm
    down, right = (ndimage.gaussian_filter(values, sigma, order=order) for order in ((1, 0), (0, 1)))
    strength = np.hypot(down, right)
    within = ndimage.binary_erosion(inside, iterations=max(1, round(2 * sigma)))
    if not within.any() or strength[within].max() < 1e-6:
        return np.zeros(values.shape, bool)
    unit_down, unit_right = down / np.maximum(strength, 1e-9), right / np.maximum(strength, 1e-9)
    rows, columns = np.indices(values.shape)
    beside = [
        ndimage.map_coordinates(
            strength, (rows + sign * unit_down, columns + sign * unit_right), order=1, mode="nearest"
        )
        for sign in (-1, 1)
    ]
    crest = (strength >= beside[0]) & (strength >= beside[1])
    return crest & within & (strength > max(np.percentile(strength[within], EDGE_PERCENT), 1e-6))
