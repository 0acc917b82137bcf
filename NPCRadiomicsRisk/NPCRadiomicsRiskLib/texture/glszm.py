"""Gray-level size zones: connected zones of one level (Thibault et al., Pattern Recognit Inf Process 2009)."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .emphases import emphases
from .region_levels import Matrix, RegionLevels, sparse

NAMES = {
    "short": "SZE", "long": "LZE", "level_nonuniformity": "GLN", "length_nonuniformity": "ZSN", "percentage": "ZP",
    "low": "LGZE", "high": "HGZE", "short_low": "SZLGE", "short_high": "SZHGE", "long_low": "LZLGE",
    "long_high": "LZHGE", "level_variance": "GLV", "length_variance": "ZSV",
}  # fmt: skip


def size_zone_matrices(levels: RegionLevels) -> list[Matrix]:
    """One matrix per region: level against size. Voxels that touch at a face, edge or corner belong together."""
    inside, keys = levels.inside, levels.keys
    number = np.zeros(len(keys), dtype=np.int32)
    number[inside] = np.arange(len(inside))
    ends = []
    for step, _direction in levels.steps:
        alike = inside[keys[inside + step] == keys[inside]]
        ends.append((number[alike], number[alike + step]))
    first, second = (np.concatenate(side) for side in zip(*ends, strict=True))
    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(inside), len(inside)))
    n_zones, zone = connected_components(links, directed=False)
    sizes = np.bincount(zone, minlength=n_zones)
    key_of_zone = np.zeros(n_zones, dtype=np.int32)
    key_of_zone[zone] = keys[inside]
    region, level = levels.region_and_level(key_of_zone)
    return sparse(region, level, sizes, 1.0, levels.n_regions, levels.n_levels)


def size_zone_features(matrix: Matrix, *, toolbox: bool) -> dict[str, float]:
    """The 13 features by name; NaN where there is no zone. GLN and ZSN are the normalized forms."""
    return {NAMES[name]: value for name, value in emphases(matrix, toolbox=toolbox).items()}
