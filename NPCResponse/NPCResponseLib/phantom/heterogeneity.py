"""Values that vary smoothly within a region, as tissue does."""

import math

import numpy as np

from .grid import PhantomGrid


def vary_smoothly(values: np.ndarray, region: np.ndarray, grid: PhantomGrid, sd: float, seed: int) -> None:
    """Add waves of 10 mm to 30 mm with random directions to a region; a function of RAS, so the same on every grid."""
    rng = np.random.default_rng([seed, 2])
    n_waves = 16
    directions = rng.standard_normal((n_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wave_numbers = 2 * np.pi * directions / rng.uniform(10, 30, (n_waves, 1))
    offsets = rng.uniform(0, 2 * np.pi, n_waves)
    ijk = np.argwhere(region)[:, ::-1]
    points_ras = ijk @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    waves = np.cos(points_ras @ wave_numbers.T + offsets).sum(axis=1) * (sd * math.sqrt(2 / n_waves))
    values[region] = np.maximum(values[region] + waves, 1.0)
