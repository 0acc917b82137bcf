"""Gray-level run lengths: straight runs of one level in 13 directions (Galloway, Comput Graph Image Process 1975)."""

import numpy as np

from .emphases import emphases
from .region_levels import Matrix, RegionLevels, distance, sparse

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
    counts: list[np.ndarray] = []  # by length, of each key
    for step, direction in levels.steps:
        weight = distance(direction) if weighted else 1.0
        for number, ended in enumerate(_ends_by_length(levels, step)):
            if number == len(counts):
                counts.append(np.zeros(n_keys))
            counts[number] += weight * np.bincount(ended, minlength=n_keys)
    table = np.stack(counts)
    length, key = np.nonzero(table)
    region, level = levels.region_and_level(key)
    return sparse(region, level, length + 1, table[length, key], levels.n_regions, levels.n_levels)


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
