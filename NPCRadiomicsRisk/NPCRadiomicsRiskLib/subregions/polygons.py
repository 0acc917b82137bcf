"""Polygons to pixels: a pixel is inside if its center is, by the even-odd rule over all polygons of a plane.

So a hole may be a polygon within another one, or tied to it by a seam that runs there and back (keyhole), as treatment
planning systems write them.
"""

from collections.abc import Sequence

import numpy as np


def pixels_inside(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd mask of polygons.

    A row's center line is crossed by an edge from its lower end, included, to its upper end, not included; a center
    that lies exactly on a left edge is inside, on a right edge outside. So polygons side by side share no pixel.

    Args:
        polygons: each (n, 2): column and row coordinates of its corners, pixel centers at whole numbers; closed by
            itself.
        shape: rows, columns.
    """
    n_rows, n_columns = shape
    toggles = np.zeros((n_rows, n_columns + 1), np.int32)
    for polygon in polygons:
        rows, columns = _crossings(np.round(np.asarray(polygon, float), 6))  # corners on center lines stay on them
        at = np.clip(np.ceil(columns - 1e-9), 0, n_columns).astype(int)
        on_grid = (rows >= 0) & (rows < n_rows)
        np.add.at(toggles, (rows[on_grid], at[on_grid]), 1)
    return np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1


def _crossings(polygon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the edges cross the center lines of rows: row numbers and column coordinates."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first, last = np.ceil(low).astype(int), np.ceil(high).astype(int)  # rows first .. last - 1
    n_crossed = last - first
    edge = np.repeat(np.arange(len(polygon)), n_crossed)
    rows = np.arange(n_crossed.sum()) - np.repeat(np.cumsum(n_crossed) - n_crossed, n_crossed) + first[edge]
    rise = end[edge, 1] - start[edge, 1]
    columns = start[edge, 0] + (rows - start[edge, 1]) / rise * (end[edge, 0] - start[edge, 0])
    return rows, columns


def polygon_area(polygon: np.ndarray) -> float:
    """Of a simple polygon (n, 2), positive if it runs from the first axis to the second."""
    x, y = (polygon - polygon[0]).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
