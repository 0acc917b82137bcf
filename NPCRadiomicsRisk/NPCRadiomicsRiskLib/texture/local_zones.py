"""Zones of equal gray level in many neighborhoods at once.

A zone is a set of voxels of one level that touch by face, edge or corner, inside one neighborhood: it is cut where the
box ends. All neighborhoods of a chunk are labeled together, place by place of the box: a voxel takes the smallest label
among its equal neighbors, through the box forth and back until nothing changes. The work is the number of neighbors in
a box, whatever the number of gray levels.
"""

import itertools

import numpy as np

from .local_neighborhood import DIRECTIONS, Neighborhoods


def neighbor_places(box: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Pairs (earlier, later) of neighboring places of a box in C order, in order of the later one."""
    pairs = []
    for later in itertools.product(*(range(size) for size in box)):
        for step in DIRECTIONS:
            earlier = tuple(a - s for a, s in zip(later, step, strict=True))
            if all(0 <= a < size for a, size in zip(earlier, box, strict=True)):
                pairs.append((int(np.ravel_multi_index(earlier, box)), int(np.ravel_multi_index(later, box))))
    return pairs


def levels_by_place(around: Neighborhoods, rows: slice) -> np.ndarray:
    """Levels (places of the box, rows) around some of the tumor's voxels; 0 outside the tumor."""
    levels = around.levels.astype(np.uint16).reshape(-1)
    strides = np.array(around.mask.strides) // around.mask.itemsize
    flat = np.ravel_multi_index(tuple(around.coordinates[:, rows]), around.mask.shape)
    offsets = itertools.product(*(range(-r, r + 1) for r in around.radius_kji))
    return np.stack([levels[flat + int(np.dot(offset, strides))] for offset in offsets])


def zone_labels(levels: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Zones of each column of ``levels`` (places, n): the first place of the zone that each place belongs to."""
    n_places = len(levels)
    kind = np.uint8 if n_places <= 255 else np.uint16
    largest = np.iinfo(kind).max
    labels = np.repeat(np.arange(n_places, dtype=kind)[:, None], levels.shape[1], axis=1)
    # A label is raised beyond all others where levels differ, so that a minimum ignores it.
    apart = np.empty((len(pairs), levels.shape[1]), kind)
    for row, (earlier, later) in zip(apart, pairs, strict=True):
        np.multiply(levels[earlier] != levels[later], largest, out=row, casting="unsafe")
    candidate = np.empty(levels.shape[1], kind)
    before = None
    while before is None or not np.array_equal(before, labels):
        before = labels.copy()
        for order in (1, -1):
            for row, (earlier, later) in zip(apart[::order], pairs[::order], strict=True):
                source, target = (earlier, later) if order == 1 else (later, earlier)
                np.bitwise_or(labels[source], row, out=candidate)
                np.minimum(labels[target], candidate, out=labels[target])
    return labels


def zone_sizes(labels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Voxels of each zone at its first place, 0 elsewhere (places, n); places outside the tumor make no zone."""
    n_places, n = labels.shape
    at = labels * np.intp(n) + np.arange(n)
    return np.bincount(at[levels > 0], minlength=n_places * n).reshape(n_places, n)
