"""Gray-level run lengths: straight runs of one level in 13 directions (Galloway, Comput Graph Image Process 1975)."""

import numpy as np

from .emphases import emphases
from .region_levels import Matrix, RegionLevels, distance, sparse

# Longer runs are rare: beyond this share of the keys they are counted by sorting, and a table of keys is not kept.
FEW_RUNS = 0.05

NAMES = {
    "short": "SRE", "long": "LRE", "level_nonuniformity": "GLN", "length_nonuniformity": "RLN", "percentage": "RP",
    "low": "LGRE", "high": "HGRE", "short_low": "SRLGE", "short_high": "SRHGE", "long_low": "LRLGE",
    "long_high": "LRHGE", "level_variance": "GLV", "length_variance": "RLV",
}  # fmt: skip


def run_length_matrices(levels: RegionLevels, *, weighted: bool) -> list[Matrix]:
    """One matrix per region: level against length in voxels, all directions merged.

    Args:
        weighted: a run counts the distance of its steps (1, square root of 2 or 3), as in the TextureToolbox; else 1.
    """
    n_keys = levels.n_regions * (levels.n_levels + 1)
    keys, lengths, weights = [], [], []
    for step, direction in levels.steps:
        weight = distance(direction) if weighted else 1.0
        for number, ended in enumerate(_ends_by_length(levels, step)):
            key, counts = _counted(ended, n_keys)
            keys.append(key)
            lengths.append(np.full(len(key), number + 1))
            weights.append(weight * counts)
    region, level = levels.region_and_level(np.concatenate(keys))
    return sparse(region, level, np.concatenate(lengths), np.concatenate(weights), levels.n_regions, levels.n_levels)


def _counted(keys: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys that occur, and how often."""
    if len(keys) < FEW_RUNS * n_keys:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=n_keys)
    occurring = np.flatnonzero(counts)
    return occurring, counts[occurring]


def _ends_by_length(levels: RegionLevels, step: int):
    """Keys of the runs that end after 1, 2, 3, ... voxels."""
    own = levels.keys[levels.inside]
    at = levels.inside[levels.keys[levels.inside - step] != own]  # where a run begins
    while len(at):
        goes_on = levels.keys[at + step] == levels.keys[at]
        yield levels.keys[at[~goes_on]]
        at = at[goes_on] + step


def run_length_features(matrix: Matrix, *, toolbox: bool) -> dict[str, float]:
    """The 13 features by name; NaN where there is no run. GLN and RLN are the normalized forms."""
    return {NAMES[name]: value for name, value in emphases(matrix, toolbox=toolbox).items()}
