"""What every set of magnitude images must satisfy, whatever file it came from."""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

# Interpolation rings below zero at edges; a phase or real image is negative in half of its voxels.
MAX_NEGATIVE_SHARE = 0.1
# The fit squares signals in 32 bits. Nothing but a damaged header (its slope, say) makes images of such values.
SIGNAL_RANGE = (1e-12, 1e12)


def check_magnitudes(echoes: Sequence[np.ndarray], labels: Sequence[str], where: str) -> tuple[str, ...]:
    """Refuse images that cannot be magnitudes.

    Args:
        echoes: KJI, one per echo.
        labels: what a message calls each of them.
        where: the series.

    Returns:
        Warnings.

    Raises:
        InputError: an image of zeros or without a number, with many negative values, or of impossible size.
    """
    signal = [_has_signal(echo) for echo in echoes]
    if not any(signal):
        raise InputError(
            f"all {len(echoes)} images are zero or without a number", where=where, remedy="Export them again"
        )
    for echo, label, has_signal in zip(echoes, labels, signal, strict=True):
        if not has_signal:
            raise InputError(f"{label} is zero everywhere", where=where, remedy="Export the series again")
        if echo.dtype.kind != "u" and np.count_nonzero(echo < 0) > MAX_NEGATIVE_SHARE * echo.size:
            raise InputError(
                f"{label} has many negative values, so it shows no magnitude",
                where=where,
                remedy="Give magnitude images",
            )
        if not _has_usual_size(echo):
            raise InputError(
                f"the values of {label} are beyond {SIGNAL_RANGE[0]:g} to {SIGNAL_RANGE[1]:g}",
                where=where,
                remedy="Check its scale (slope) and export it again",
            )
    return tuple(
        f"{labels[n]} and {labels[n + 1]} are identical, is one a copy?"
        for n in range(len(echoes) - 1)
        if np.array_equal(echoes[n], echoes[n + 1])
    )


def _has_signal(image: np.ndarray) -> bool:
    """A voxel that is a number and not zero."""
    if image.dtype.kind in "iu":
        return bool(image.any())
    return bool(np.any(np.isfinite(image) & (image != 0)))


def _has_usual_size(image: np.ndarray) -> bool:
    """Whether the median of what is not zero can be computed with; a few odd voxels are left to the fit."""
    if image.dtype.kind in "iu":
        return True
    sizes = np.abs(image.ravel()[:: max(1, image.size // 100_000)])
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return not sizes.size or SIGNAL_RANGE[0] < np.median(sizes) < SIGNAL_RANGE[1]


def positive_or_none(value, name: str) -> float | None:
    """A length that a caller gave; None stays None.

    Raises:
        InputError: not a positive number.
    """
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a positive number, found {value}", remedy="Give it in millimeters")
    return number
