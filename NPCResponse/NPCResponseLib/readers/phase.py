"""Phase images in radians, and magnitude and phase out of real and imaginary parts.

Scanners store phase in their own units. The conventions that are recognized:

============  ======================================================================================
-pi..pi       radians (Philips after rescaling, NIfTI with Units "rad"); also 0..2 pi
-3142..3142   milliradians (GE as stored; Philips after rescaling)
-4096..4094   Siemens after rescaling (slope 2, intercept -4096)
0..4095       Siemens and others as stored; 2048 is zero phase
============  ======================================================================================

What decides is the range that the stored bits can express after rescaling; where that says nothing (GE's 16 bits), the
vendor's convention if the values obey it; else the range of the values themselves. Sign conventions do not matter here:
only the size of phase differences between echoes and slices is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PhaseScale:
    """A whole turn and zero phase, in the units of the stored values."""

    turn: float
    zero: float = 0.0


RADIANS = PhaseScale(2 * np.pi)
MILLIRADIANS = PhaseScale(2000 * np.pi)
SIGNED_12_BITS = PhaseScale(8192.0)
UNSIGNED_12_BITS = PhaseScale(4096.0, zero=2048.0)
_LOWEST_OF_SCALE = (
    (-np.pi, RADIANS),
    (0.0, RADIANS),
    (-1000 * np.pi, MILLIRADIANS),
    (-4096.0, SIGNED_12_BITS),
    (0.0, UNSIGNED_12_BITS),
)
# A range fits a convention if both ends are this close to it, as a share of a turn; slopes have few digits.
_RANGE_TOLERANCE = 0.005


def scale_from_range(low: float, high: float) -> PhaseScale | None:
    """The convention whose whole range is ``low`` to ``high``; None if there is none."""
    for lowest, scale in _LOWEST_OF_SCALE:
        margin = _RANGE_TOLERANCE * scale.turn
        if abs(low - lowest) <= margin and abs(high - (lowest + scale.turn)) <= margin:
            return scale
    return None


def scale_from_vendor(manufacturer: str, low: float, high: float) -> PhaseScale | None:
    """The vendor's own convention, if the values stay inside it and are too large for radians."""
    vendor, largest = manufacturer.upper(), max(-low, high)
    if largest < 10:
        return None
    if vendor.startswith("GE") and largest <= 3150:
        return MILLIRADIANS
    if vendor.startswith("SIEMENS") and low < 0 and largest <= 4096:
        return SIGNED_12_BITS
    if vendor.startswith("SIEMENS") and low >= 0 and 2048 < largest <= 4096:
        return UNSIGNED_12_BITS
    return None


def phases_in_radians(
    images: Sequence[np.ndarray],
    *,
    manufacturer: str = "",
    expressible: tuple[float, float] | None = None,
    stated: PhaseScale | None = None,
) -> tuple[tuple[np.ndarray, ...], str]:
    """Phase images in radians (-pi..pi, float32), or none and a sentence that says why.

    Args:
        images: one array per echo in the scanner's units.
        manufacturer: from the header, may be empty.
        expressible: lowest and highest value that the stored bits can express, if known.
        stated: the scale, if the header states it.
    """
    ranges = [_finite_range(image) for image in images]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        return (), "The phase images are the same everywhere and are not used."
    scale = stated or (scale_from_range(*expressible) if expressible else None)
    scale = scale or scale_from_vendor(manufacturer, low, high) or scale_from_range(low, high)
    if scale is None:
        return (), (
            f"The phase images are not used: values from {low:.6g} to {high:.6g} fit no known convention "
            "(radians, milliradians, -4096 to 4095, 0 to 4095)."
        )
    return tuple(_in_radians(image, scale) for image in images), ""


def magnitude_and_phase(real: np.ndarray, imaginary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and phase (radians), both float32, from parts of one shape."""
    real, imaginary = real.astype(np.float32, copy=False), imaginary.astype(np.float32, copy=False)
    return np.hypot(real, imaginary), np.arctan2(imaginary, real)


def _in_radians(image: np.ndarray, scale: PhaseScale) -> np.ndarray:
    radians = image.astype(np.float32)
    radians -= np.float32(scale.zero)
    radians *= np.float32(2 * np.pi / scale.turn)
    radians -= np.float32(2 * np.pi) * (radians > np.float32(np.pi * 1.001))  # 0..2 pi to -pi..pi
    return radians


def _finite_range(image: np.ndarray) -> tuple[float, float]:
    values = image if image.dtype.kind in "iu" else image[np.isfinite(image)]
    return (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)
