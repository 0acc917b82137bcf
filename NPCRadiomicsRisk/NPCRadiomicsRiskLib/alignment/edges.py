"""Do borders of bone, air and fat lie on each other? A look at an alignment that its metric had no part in.

Along the normal of each border in the fixed scan the brightness of both scans is compared: squared correlation does not
mind which side is brighter, so it holds for other contrasts and for CT. How far the moving profile must be shifted to
fit best is the residual there; the rigid motion that all of them ask for together is how far the alignment is off.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .images import Box, WorkingImage
from .landmarks import carried

N_POINTS = 1500
BORDER_SMOOTHING_MM = 1.5
STRONG_PERCENT = 80  # borders are where the gradient is above this percentile in the region's body
HALF_PROFILE_MM, REACH_MM, STEP_MM = 6.0, 5.0, 0.5
MATCH = 0.5  # of squared correlation, from which a profile counts as found again
MIN_MATCHES = 60
N_REWEIGHTINGS, HUBER_MM = 8, 0.5


@dataclass(frozen=True)
class EdgeMatch:
    """What the borders say.

    Attributes:
        n_borders: points looked at.
        matched: fraction of them whose profile is found again within REACH_MM.
        residual_mm: median absolute shift along the normal of those; NaN if there are too few.
        shift_mm: how far the middle of the region would move if the borders had their way; NaN likewise.
        turn_deg: how far it would turn.
    """

    n_borders: int
    matched: float
    residual_mm: float
    shift_mm: float
    turn_deg: float


def edge_match(
    fixed: WorkingImage, moving: WorkingImage, moving_to_fixed_ras: np.ndarray, box: Box, rng: np.random.Generator
) -> EdgeMatch:
    """Of working images at one fine resolution."""
    points, normals = borders(fixed, box, rng)
    reach = np.arange(-HALF_PROFILE_MM - REACH_MM, HALF_PROFILE_MM + REACH_MM + STEP_MM / 2, STEP_MM)
    along = points[:, None] + reach[None, :, None] * normals[:, None]
    back = carried(along, np.linalg.inv(moving_to_fixed_ras))
    shared = moving.covers(back).all(axis=1)
    if shared.sum() < MIN_MATCHES:
        return EdgeMatch(int(shared.sum()), 0.0, np.nan, np.nan, np.nan)
    points, normals = points[shared], normals[shared]
    half, n_shifts = round(HALF_PROFILE_MM / STEP_MM), round(REACH_MM / STEP_MM)
    there = _smooth_values(moving, back[shared])
    here = _smooth_values(fixed, along[shared][:, n_shifts : n_shifts + 2 * half + 1])
    correlation = _squared_correlations(here, there)
    shifts, found = _best_shifts(correlation)
    if found.sum() < MIN_MATCHES:
        return EdgeMatch(len(points), float(found.mean()), np.nan, np.nan, np.nan)
    residual = float(np.median(np.abs(shifts[found])))
    shift, turn = _rigid_request(points[found], normals[found], shifts[found], np.asarray(box.center_ras, float))
    return EdgeMatch(len(points), float(found.mean()), residual, shift, turn)


def borders(fixed: WorkingImage, box: Box, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) points of strong borders in the region, and their unit normals, both RAS."""
    sigma = BORDER_SMOOTHING_MM / fixed.spacing_mm
    gradient = np.stack(
        [ndimage.gaussian_filter(fixed.array, sigma, order=np.eye(3, dtype=int)[axis]) for axis in range(3)]
    )
    strength = np.sqrt(np.sum(gradient**2, axis=0))
    inside = np.flatnonzero(fixed.body)
    inside = inside[box.contains(fixed.points_ras(inside))]
    if len(inside) == 0:
        return np.empty((0, 3)), np.empty((0, 3))
    crest = strength >= 0.98 * ndimage.maximum_filter(strength, 3)
    level = np.percentile(strength.ravel()[inside], STRONG_PERCENT)
    chosen = inside[(strength.ravel()[inside] > max(level, 1e-6)) & crest.ravel()[inside]]
    if len(chosen) > N_POINTS:
        chosen = np.sort(rng.choice(chosen, N_POINTS, replace=False))
    kji = gradient.reshape(3, -1)[:, chosen] / strength.ravel()[chosen]
    axes = fixed.ijk_to_ras[:3, :3] / fixed.spacing_mm
    return fixed.points_ras(chosen), kji[::-1].T @ axes.T


def _smooth_values(image: WorkingImage, points_ras: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(image.array, BORDER_SMOOTHING_MM / 2 / image.spacing_mm)
    return ndimage.map_coordinates(smooth, image.indices_kji(points_ras), order=1, mode="nearest", prefilter=False)


def _squared_correlations(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(n, shifts) of profiles (n, m) with every part as long of longer profiles (n, m + shifts - 1)."""
    windows = np.lib.stride_tricks.sliding_window_view(there, here.shape[1], axis=1)
    here = here - here.mean(axis=1, keepdims=True)
    windows = windows - windows.mean(axis=2, keepdims=True)
    power = np.sum(here**2, axis=1)[:, None] * np.sum(windows**2, axis=2)
    return np.einsum("nm,nsm->ns", here, windows) ** 2 / np.maximum(power, 1e-9)


def _best_shifts(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift of the best fit (mm, by a parabola through three), and whether it is a good one inside the reach."""
    best = np.argmax(correlation, axis=1)
    rows, last = np.arange(len(best)), correlation.shape[1] - 1
    inner = np.clip(best, 1, last - 1)
    before, at, after = (correlation[rows, inner + step] for step in (-1, 0, 1))
    curvature = before - 2 * at + after
    part = np.where(curvature < 0, 0.5 * (before - after) / np.minimum(curvature, -1e-9), 0)
    shifts = (inner + np.clip(part, -1, 1)) * STEP_MM - REACH_MM
    return shifts, (correlation[rows, best] > MATCH) & (best > 0) & (best < last)


def _rigid_request(points, normals, shifts, center) -> tuple[float, float]:
    """Shift at the center (mm) and turn (degrees) of the small motion that fits the residuals; outliers count less."""
    system = np.hstack([normals, np.cross(points - center, normals) / 50.0])  # 50 mm: shift and turn of one size
    weights = np.ones(len(shifts))
    for _ in range(N_REWEIGHTINGS):
        weighted = system * weights[:, None]
        solution = np.linalg.lstsq(weighted, weights * shifts, rcond=None)[0]
        off = np.abs(shifts - system @ solution)
        weights = np.sqrt(np.minimum(1.0, HUBER_MM / np.maximum(off, 1e-9)))
    return float(np.linalg.norm(solution[:3])), float(np.degrees(np.linalg.norm(solution[3:]) / 50.0))
