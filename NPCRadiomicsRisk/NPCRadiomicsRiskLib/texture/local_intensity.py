"""Local statistics of the intensities themselves, over the tumor's voxels of each neighborhood.

Population moments as in PyRadiomics 3.0.1 (firstorder.py) and IBSI: variance over N, kurtosis 3 for a normal
distribution ("Kurtosis"); skewness and kurtosis are 0 where all intensities are the same.
"""

from collections.abc import Callable, Iterable

import numpy as np

from NPCResponseLib.errors import InputError

from .local_neighborhood import LocalFeatures, Radius, image_of, neighborhoods

LOCAL_INTENSITY_FEATURES = ("Mean", "Variance", "Skewness", "Kurtosis")
# A spread that rounding of the mean alone can make.
ROUNDING = 1e-13


def local_intensity(
    volume: np.ndarray,
    tumor_mask: np.ndarray,
    radius: Radius = 1,
    features: Iterable[str] = LOCAL_INTENSITY_FEATURES,
    *,
    progress: Callable[[float], None] | None = None,
) -> LocalFeatures:
    """Local moments of the intensities.

    Args:
        volume: intensities KJI, finite in the tumor.
        tumor_mask: boolean KJI.
        radius: half-width of the neighborhood in voxels.
        features: of LOCAL_INTENSITY_FEATURES.
        progress: told the fraction done.

    Returns:
        Columns "Intensity_<feature>"; none is missing.

    Raises:
        InputError: unknown feature, other shapes, intensities that are no numbers.
    """
    names = tuple(dict.fromkeys(features))
    unknown = [name for name in names if name not in LOCAL_INTENSITY_FEATURES]
    if unknown:
        raise InputError(f"there is no local intensity feature {unknown[0]!r}", remedy=f"Known: {names}")
    around = neighborhoods(tumor_mask, radius)
    inside = np.asarray(tumor_mask) != 0
    if np.shape(volume) != inside.shape:
        raise InputError(
            f"an image of shape {np.shape(volume)} does not fit the mask of shape {inside.shape}",
            remedy="Give the image that the tumor was drawn on",
        )
    if not np.isfinite(np.asarray(volume)[inside]).all():
        raise InputError("intensities in the tumor are not all numbers", remedy="Leave such voxels out of the tumor")
    intensities, mask = around.boxes(image_of(around, volume, inside)), around.boxes(around.mask)
    columns = {f"Intensity_{name}": np.zeros(around.n_voxels) for name in names}
    for rows in around.chunks(32 * int(np.prod(around.box))):
        moments = _moments(around.gather(intensities, rows), around.gather(mask, rows))
        for name in names:
            columns[f"Intensity_{name}"][rows] = moments[name]
        if progress:
            progress(rows.stop / around.n_voxels)
    return LocalFeatures(columns, inside, around.radius_kji, {})


def _moments(values: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Of rows (neighborhoods, places); values outside the tumor are 0."""
    n = present.sum(axis=1)
    mean = values.sum(axis=1) / n
    deviations = np.where(present, values - mean[:, None], 0)
    squares = deviations**2
    variance = squares.sum(axis=1) / n
    flat = variance <= (ROUNDING * np.abs(values).max(axis=1)) ** 2
    divisor = np.where(flat, 1, variance)
    return {
        "Mean": mean,
        "Variance": np.where(flat, 0, variance),
        "Skewness": np.where(flat, 0, (squares * deviations).sum(axis=1) / n / divisor**1.5),
        "Kurtosis": np.where(flat, 0, (squares**2).sum(axis=1) / n / divisor**2),
    }
