"""Gray levels of disjoint regions on one grid, laid out so that all of their matrices come from the same passes."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# The 13 neighbors of a voxel (k, j, i) in one half of space; the other half are their opposites.
HALF_SPACE = tuple(d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0))


@dataclass(frozen=True, eq=False)
class RegionLevels:
    """Attributes:
    keys: flat, with a border of one voxel around the grid: 0 outside all regions, else region * (n_levels + 1) + level.
        Equal keys mean the same level of the same region.
    inside: flat indices of the voxels of all regions.
    steps: for each direction of half a space, the flat step to the neighbor and the direction (k, j, i).
    n_regions, n_levels: declared, not those that occur.
    """

    keys: np.ndarray
    inside: np.ndarray
    steps: tuple[tuple[int, tuple[int, int, int]], ...]
    n_regions: int
    n_levels: int

    @classmethod
    def of(cls, levels: list[np.ndarray], masks: list[np.ndarray], n_levels: int, *, dimensions: int) -> "RegionLevels":
        """From the levels (n voxels of the mask) and the mask (KJI) of each region, which must not overlap.

        Args:
            dimensions: 2 for neighbors within a slice only. Where all regions together lie in a single slice there
                are no others.
        """
        box = _box_of(masks)
        shape = tuple(s.stop - s.start + 2 for s in box)
        padded = np.zeros(shape, dtype=np.int32)
        inner = padded[1:-1, 1:-1, 1:-1]
        for region, (mask, level) in enumerate(zip(masks, levels, strict=True)):
            inner[mask[box]] = region * (n_levels + 1) + level
        strides = (shape[1] * shape[2], shape[2], 1)
        flat = shape[0] == 3 or dimensions == 2
        steps = tuple(
            (int(np.dot(direction, strides)), direction) for direction in HALF_SPACE if not (flat and direction[0])
        )
        keys = padded.ravel()
        return cls(keys, np.flatnonzero(keys), steps, len(masks), n_levels)

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[int, int, int]]]:
        """For each direction the keys of all neighboring voxels of the same region: lower, upper, direction."""
        own = self.keys[self.inside]
        for step, direction in self.steps:
            other = self.keys[self.inside + step]
            same = (other > 0) & (own // (self.n_levels + 1) == other // (self.n_levels + 1))
            yield own[same], other[same], direction

    def region_and_level(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Region number from 0 and level from 1."""
        return keys // (self.n_levels + 1), keys % (self.n_levels + 1)


def _box_of(masks: list[np.ndarray]) -> tuple[slice, ...]:
    """The smallest box that holds all regions."""
    box = []
    for axes in ((1, 2), (0, 2), (0, 1)):
        hit = np.flatnonzero(np.any([mask.any(axis=axes) for mask in masks], axis=0))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def distance(direction: tuple[int, int, int]) -> float:
    """In voxels: 1, square root of 2 or of 3."""
    return float(np.sqrt(np.dot(direction, direction)))


@dataclass(frozen=True, eq=False)
class Matrix:
    """Entries of a sparse matrix of one region: rows are gray levels, columns levels, lengths or sizes, all from 1."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    @property
    def total(self) -> float:
        return float(self.values.sum())

    @property
    def probabilities(self) -> np.ndarray:
        return self.values / self.values.sum()

    def cell_variance(self, products: np.ndarray) -> float:
        """Population variance over all cells, empty ones too, of numbers that stand in the occupied cells."""
        n_cells = self.shape[0] * self.shape[1]
        mean = products.sum() / n_cells
        return float(((products - mean) ** 2).sum() / n_cells + mean**2 * (1 - len(products) / n_cells))


def sparse(regions: np.ndarray, rows: np.ndarray, columns: np.ndarray, values, n_regions: int, n_rows: int,
           n_columns: int | None = None) -> list[Matrix]:  # fmt: skip
    """One matrix per region from entries that may repeat, in any order.

    Args:
        n_columns: declared; None for the largest that occurs in the region.
    """
    widest = int(columns.max(initial=0)) + 1
    codes, where = np.unique((regions.astype(np.int64) * (n_rows + 1) + rows) * widest + columns, return_inverse=True)
    summed = np.bincount(where, weights=np.broadcast_to(values, where.shape), minlength=len(codes))
    region, rest = np.divmod(codes, (n_rows + 1) * widest)
    row, column = np.divmod(rest, widest)
    found = []
    for number in range(n_regions):
        own = region == number
        last = n_columns or int(column[own].max(initial=0))
        found.append(Matrix(row[own], column[own], summed[own], (n_rows, last)))
    return found
