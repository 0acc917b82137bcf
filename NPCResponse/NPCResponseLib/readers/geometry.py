"""Where voxels are: from the LPS frame of ITK and DICOM to RAS, and whether two images lie on one grid.

A grid is a shape (slices, rows, columns) and a 4x4 matrix from voxel index (i, j, k) to RAS millimetres.
"""

import numpy as np
import SimpleITK

# Two images lie on one grid if no corner voxel is farther off than this share of the shortest voxel edge.
MAX_CORNER_SHIFT = 0.01
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(ijk_to_lps: np.ndarray) -> np.ndarray:
    """The one place where the frame changes: x and y of a 4x4 matrix (index to millimetres) change sign."""
    return _LPS_TO_RAS @ ijk_to_lps


def image_ijk_to_ras(image: SimpleITK.Image) -> np.ndarray:
    """Matrix of an ITK image; axes after the third (echoes) are left out, missing ones (a 2-D image) get 1 mm."""
    n = image.GetDimension()
    used = min(n, 3)
    direction = np.reshape(image.GetDirection(), (n, n))[:used, :used]
    matrix = np.eye(4)
    matrix[:used, :used] = direction * np.array(image.GetSpacing()[:used])
    matrix[:used, 3] = image.GetOrigin()[:used]
    return lps_to_ras(matrix)


def stack_ijk_to_ras(
    position_lps: np.ndarray, orientation: np.ndarray, pixel_spacing_mm: tuple[float, float], slice_step_lps: np.ndarray
) -> np.ndarray:
    """Matrix of a stack of DICOM images.

    Args:
        position_lps: center of the first voxel of the first slice, Image Position (Patient).
        orientation: direction of a row and of a column, six numbers, Image Orientation (Patient).
        pixel_spacing_mm: distance between rows, distance between columns, Pixel Spacing. In this order, so the first
            belongs to j and the second to i.
        slice_step_lps: from one slice to the next, mm.
    """
    matrix = np.eye(4)
    matrix[:3, 0] = orientation[:3] * pixel_spacing_mm[1]
    matrix[:3, 1] = orientation[3:] * pixel_spacing_mm[0]
    matrix[:3, 2] = slice_step_lps
    matrix[:3, 3] = position_lps
    return lps_to_ras(matrix)


def spacing_mm(ijk_to_ras: np.ndarray) -> np.ndarray:
    """Distances between voxel centers along i, j, k."""
    return np.linalg.norm(ijk_to_ras[:3, :3], axis=0)


def grid_difference(shape_kji, ijk_to_ras: np.ndarray, other_shape_kji, other_ijk_to_ras: np.ndarray) -> str:
    """How the second grid differs from the first, in words; "" if it does not."""
    if tuple(shape_kji) != tuple(other_shape_kji):
        return f"{_size(other_shape_kji)} voxels instead of {_size(shape_kji)}"
    spacing, other_spacing = spacing_mm(ijk_to_ras), spacing_mm(other_ijk_to_ras)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape_kji[::-1]], [1])).reshape(4, -1)
    shift_mm = np.linalg.norm(((other_ijk_to_ras - ijk_to_ras) @ corners)[:3], axis=0).max()
    if shift_mm <= MAX_CORNER_SHIFT * spacing.min():
        return ""
    if not np.allclose(spacing, other_spacing, rtol=1e-3):
        return f"voxels of {_lengths(other_spacing)} mm instead of {_lengths(spacing)} mm"
    if not np.allclose(ijk_to_ras[:3, :3] / spacing, other_ijk_to_ras[:3, :3] / other_spacing, atol=1e-3):
        return "another orientation"
    return f"another position (off by {shift_mm:.3g} mm)"


def _size(shape_kji) -> str:
    return " x ".join(str(n) for n in shape_kji[::-1])


def _lengths(spacing_mm_ijk) -> str:
    return " x ".join(f"{length:.4g}" for length in spacing_mm_ijk)
