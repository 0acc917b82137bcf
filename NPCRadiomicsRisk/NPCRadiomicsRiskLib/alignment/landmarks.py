"""Points marked in two scans of one patient: the rigid motion that lays one set over the other, and what remains."""

from collections.abc import Mapping

import numpy as np

from NPCResponseLib.errors import InputError

MIN_POINTS = 3
# Points that lie this near to a line (smaller spread over larger) leave the turn about it to chance.
MIN_SPREAD_RATIO = 0.05

Points = Mapping[str, np.ndarray]


def landmark_transform(fixed_points, moving_points) -> np.ndarray:
    """The rigid 4x4, moving to fixed, that brings the points nearest to each other in the sense of least squares.

    Source: Kabsch, Acta Crystallographica 1976;A32:922-923, and 1978;A34:827-828 (no mirror image).

    Args:
        fixed_points, moving_points: RAS millimeters; (n, 3) in the same order, or mappings from names, of which those
            that both have are used.

    Raises:
        InputError: fewer than three points in common, points on a line, coordinates that are not finite.
    """
    fixed, moving = paired(fixed_points, moving_points)
    if len(fixed) < MIN_POINTS:
        raise InputError(
            f"a rigid motion needs {MIN_POINTS} landmarks in both scans, found {len(fixed)} in common",
            where="landmarks",
            remedy="Mark the same points, with the same names, in both",
        )
    for points, where in ((fixed, "landmarks of the fixed scan"), (moving, "landmarks of the moving scan")):
        if _spread_ratio(points) < MIN_SPREAD_RATIO:
            raise InputError("the points lie on a line", where=where, remedy="Add one to the side of it")
    fixed_center, moving_center = fixed.mean(axis=0), moving.mean(axis=0)
    left, _, right = np.linalg.svd((fixed - fixed_center).T @ (moving - moving_center))
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    matrix = np.eye(4)
    matrix[:3, :3] = left @ handed @ right
    matrix[:3, 3] = fixed_center - matrix[:3, :3] @ moving_center
    return matrix


def landmark_errors_mm(
    fixed_points: Points, moving_points: Points, moving_to_fixed_ras: np.ndarray
) -> dict[str, float]:
    """Name -> distance, in the fixed scan, between a point and its partner carried over; names that both have."""
    names = common_names(fixed_points, moving_points)
    fixed, moving = paired(fixed_points, moving_points)
    errors = np.linalg.norm(carried(moving, moving_to_fixed_ras) - fixed, axis=-1)
    return {name: float(error) for name, error in zip(names, errors, strict=True)}


def carried(points_ras: np.ndarray, matrix_ras: np.ndarray) -> np.ndarray:
    """Points (..., 3) where a 4x4 takes them."""
    return np.asarray(points_ras, float) @ matrix_ras[:3, :3].T + matrix_ras[:3, 3]


def common_names(fixed_points: Points, moving_points: Points) -> list[str]:
    """In the order of the fixed scan."""
    return [name for name in fixed_points if name in moving_points]


def paired(fixed_points, moving_points) -> tuple[np.ndarray, np.ndarray]:
    """Two (n, 3) arrays of points that belong together.

    Raises:
        InputError: lists of different lengths, points that are not three finite numbers.
    """
    if isinstance(fixed_points, Mapping) != isinstance(moving_points, Mapping):
        raise InputError("one set of landmarks has names, the other has none", remedy="Give both as name and point")
    if isinstance(fixed_points, Mapping):
        names = common_names(fixed_points, moving_points)
        fixed_points, moving_points = ([points[name] for name in names] for points in (fixed_points, moving_points))
    fixed, moving = _as_points(fixed_points, "fixed"), _as_points(moving_points, "moving")
    if len(fixed) != len(moving):
        raise InputError(f"there are {len(fixed)} landmarks in the fixed scan, {len(moving)} in the moving one")
    return fixed, moving


def _as_points(points, which: str) -> np.ndarray:
    try:
        array = np.asarray(points, dtype=float).reshape(-1, 3)
    except (ValueError, TypeError):
        array = np.array([[np.nan] * 3])
    if not np.isfinite(array).all():
        raise InputError("a point is not three finite numbers", where=f"landmarks of the {which} scan")
    return array


def _spread_ratio(points: np.ndarray) -> float:
    """Second over first principal extent; 0 for points on a line."""
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return float(extents[1] / extents[0]) if extents[0] > 0 else 0.0
