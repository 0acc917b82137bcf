"""What an alignment compares: a scan made ready, and points of the region of interest.

Thick slices are the difficulty: linear interpolation between them blurs by an amount that depends on where a point lies
between two slices, and a metric then prefers motions that put slice on slice. So both scans are brought to cubes of one
small size by cubic B-splines first, and everything else happens there.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  its usual name
from scipy import ndimage

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import image_of

from .landmarks import carried

MARGIN_MM = 12.0  # around the region in the fixed scan, for smoothing
FINEST_MM = 1.5
MAX_VOXELS = 1_500_000
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
    finite = np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    body, low, high, gain, whole_body_ras = _body_and_gain(finite, ijk_to_ras)
    if box is not None:
        finite, ijk_to_ras = cropped(finite, ijk_to_ras, box.corners_ras(MARGIN_MM))
    tamed = (np.clip(finite, low, high) - low) / (high - low)
    cubes = on_cubes(tamed, ijk_to_ras, spacing_mm)
    matrix = ras_matrix_of(cubes)
    resampled = np.clip(sitk.GetArrayFromImage(cubes), 0, 1)
    resampled /= sitk.GetArrayFromImage(sitk.Resample(gain, cubes, sitk.Transform(), sitk.sitkLinear, 1.0))
    inside = sitk.GetArrayFromImage(sitk.Resample(body, cubes, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    top = np.percentile(resampled[inside], CLIPPED_PERCENT[1]) if inside.any() else 1.0
    return WorkingImage(np.clip(resampled / max(top, 1e-6), 0, 1), inside, matrix, spacing_mm, whole_body_ras)


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


def on_cubes(array: np.ndarray, ijk_to_ras: np.ndarray, spacing_mm: float, kind=sitk.sitkBSpline3) -> sitk.Image:
    """By cubic B-splines, along the scan's own axes; finer axes are smoothed first, so that no noise is folded in."""
    image = image_of(array.astype(np.float32), ijk_to_ras)
    spacing = np.array(image.GetSpacing())
    sigmas = 0.4 * np.sqrt(np.maximum(spacing_mm**2 - spacing**2, 0))
    if (sigmas > 0).any():
        image = sitk.DiscreteGaussian(image, (sigmas**2).tolist(), 16, 0.02, True)
    extent = (np.array(image.GetSize()) - 1) * spacing
    size = np.maximum(np.floor(extent / spacing_mm + 1e-6).astype(int) + 1, 2)
    rest = (extent - (size - 1) * spacing_mm) / 2 / spacing
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size.tolist())
    resampler.SetOutputSpacing([spacing_mm] * 3)
    resampler.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(rest.tolist()))
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetInterpolator(kind)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(image)


def ras_matrix_of(image: sitk.Image) -> np.ndarray:
    """IJK to RAS of an ITK image."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def _body_and_gain(
    array: np.ndarray, ijk_to_ras: np.ndarray
) -> tuple[sitk.Image, float, float, sitk.Image, np.ndarray]:
    """Mask of the body with a margin, its darkest and brightest value, its slowly varying brightness, points in it.

    The brightness (mean 1) is what a receive coil adds, and some anatomy; dividing by it keeps edges.
    """
    coarse = on_cubes(array, ijk_to_ras, BODY_GRID_MM, sitk.sitkLinear)
    values = sitk.GetArrayFromImage(coarse)
    low, high = np.percentile(values, CLIPPED_PERCENT)
    mask = ndimage.binary_opening(values > low + BODY_LEVEL * (high - low))
    parts, n_parts = ndimage.label(mask)
    mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if n_parts else np.ones(values.shape, bool)
    mask = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(mask, 3), iterations=3))[3:-3, 3:-3, 3:-3]
    low, high = np.percentile(values[mask], CLIPPED_PERCENT)
    low, high = float(min(low, np.percentile(values, 5))), float(high)
    high = high if high > low else low + 1.0
    tamed = np.where(mask, (np.clip(values, low, high) - low) / (high - low), 0)
    sigma = BIAS_SIGMA_MM / BODY_GRID_MM
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    local = ndimage.gaussian_filter(tamed, sigma) / np.maximum(weight, 1e-3)
    typical = float(local[mask].mean()) or 1.0
    gain = np.maximum(local / typical, BIAS_FLOOR)
    near = ndimage.distance_transform_edt(~mask) * BODY_GRID_MM <= BODY_MARGIN_MM
    matrix = ras_matrix_of(coarse)
    inside = np.argwhere(mask)[:: max(1, int(mask.sum()) // N_BODY_POINTS), ::-1]
    body, gain = image_of(near.astype(np.uint8), matrix), image_of(gain.astype(np.float32), matrix)
    return body, low, high, gain, carried(inside, matrix)
