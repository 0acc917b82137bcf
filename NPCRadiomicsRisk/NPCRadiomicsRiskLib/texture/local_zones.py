"""Zones of equal gray level in many neighborhoods at once.

A zone is a set of voxels of one level that touch by face, edge or corner, inside one neighborhood: it is cut where the
box ends. All neighborhoods of a chunk are labeled together, line by line of the box: a voxel takes the smallest label
among its equal neighbors, through the box forth and back until nothing changes. The work is the number of neighbors in
a box, whatever the number of gray levels.
"""

import itertools

import numpy as np

from .local_neighborhood import Neighborhoods

FEW_LEFT = 0.5
Blocks = list[tuple[slice, slice]]


def neighbor_blocks(box: tuple[int, int, int]) -> Blocks:
    """Places of a box in C order that have a neighbor before them, as (neighbors, places) of equal length.

    A line of the box with each of the lines before it, shifted by -1, 0 and 1, and then its places one after another:
    each pair of neighbors is met once.
    """
    n_slices, n_lines, length = box
    blocks = []
    for k, j in itertools.product(range(n_slices), range(n_lines)):
        start = (k * n_lines + j) * length
        for line, row in ((k - 1, j - 1), (k - 1, j), (k - 1, j + 1), (k, j - 1)):
            if line < 0 or not 0 <= row < n_lines:
                continue
            before = (line * n_lines + row) * length
            for shift in (-1, 0, 1):
                first, last = max(0, -shift), length - max(0, shift)
                if last > first:
                    blocks.append(
                        (slice(before + first + shift, before + last + shift), slice(start + first, start + last))
                    )
        blocks += [(slice(i - 1, i), slice(i, i + 1)) for i in range(start + 1, start + length)]
    return blocks


def n_pairs(blocks: Blocks) -> int:
    """Pairs of neighbors in a box."""
    return sum(places.stop - places.start for _, places in blocks)


def levels_by_place(around: Neighborhoods, rows: slice) -> np.ndarray:
    """Levels (places of the box, rows) around some of the tumor's voxels; 0 outside the tumor."""
    levels = around.levels.astype(np.uint16).reshape(-1)
    strides = np.array(around.mask.strides) // around.mask.itemsize
    flat = np.ravel_multi_index(tuple(around.coordinates[:, rows]), around.mask.shape)
    offsets = itertools.product(*(range(-r, r + 1) for r in around.radius_kji))
    return np.stack([levels[flat + int(np.dot(offset, strides))] for offset in offsets])


def zone_labels(levels: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Zones of each column of ``levels`` (places, n): the first place of the zone that each place belongs to."""
    n_places, n = levels.shape
    kind = np.uint8 if n_places <= np.iinfo(np.uint8).max else np.uint16
    labels = np.repeat(np.arange(n_places, dtype=kind)[:, None], n, axis=1)
    # A label is raised beyond all others where levels differ, so that a minimum ignores it.
    highest = kind(np.iinfo(kind).max)
    apart = [np.multiply(levels[a] != levels[b], highest, dtype=kind) for a, b in blocks]
    columns, active = np.arange(n), labels
    while len(columns):
        before = active.copy()
        _sweep(active, apart, blocks)
        changed = (before != active).any(axis=0)
        # Few zones are so winding that they need more rounds: go on with those alone.
        if changed.mean() < FEW_LEFT:
            labels[:, columns] = active
            columns, active, apart = columns[changed], active[:, changed], [row[:, changed] for row in apart]
    return labels


def _sweep(labels: np.ndarray, apart: list[np.ndarray], blocks: Blocks) -> None:
    """Take smaller labels of neighbors, once through the box and once back, in place."""
    candidates = np.empty((max((len(row) for row in apart), default=0), labels.shape[1]), labels.dtype)
    steps = [
        (labels[before], labels[after], row, candidates[: len(row)])
        for row, (before, after) in zip(apart, blocks, strict=True)
    ]
    for before, after, row, candidate in steps:
        np.bitwise_or(before, row, out=candidate)
        np.minimum(after, candidate, out=after)
    for before, after, row, candidate in reversed(steps):
        np.bitwise_or(after, row, out=candidate)
        np.minimum(before, candidate, out=before)


def zone_sizes(labels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Voxels of each zone at its first place, 0 elsewhere (places, n); places outside the tumor make no zone."""
    n_places, n = labels.shape
    at = labels * np.intp(n) + np.arange(n)
    return np.bincount(at[levels > 0], minlength=n_places * n).reshape(n_places, n)
