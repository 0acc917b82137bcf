"""Local gray level size zone (GLSZM) features: each neighborhood is a region of its own.

Definitions: PyRadiomics 3.0.1 (glszm.py) by its names, and those of the sub-region paper's software by its short names
(shared research/radiomics.md, section 1.2), of which "GLV" and "ZSV" are its own: the variance of level times
probability, or size times probability, over all cells of a matrix that has a row for every declared level and a column
for every size up to the neighborhood's largest zone.
"""

from collections.abc import Callable, Iterable

import numpy as np

from NPCResponseLib.errors import InputError

from .local_neighborhood import LocalFeatures, Radius, neighborhoods
from .local_pair_counts import ABSENT, Runs, runs_of_sorted
from .local_zones import levels_by_place, n_pairs, neighbor_blocks, zone_labels, zone_sizes

PYRADIOMICS_FEATURES = (
    "SmallAreaEmphasis",
    "LargeAreaEmphasis",
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "ZonePercentage",
    "GrayLevelVariance",
    "ZoneVariance",
    "ZoneEntropy",
    "LowGrayLevelZoneEmphasis",
    "HighGrayLevelZoneEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
)
# The toolbox' names of the same features; its GLN and ZSN are the normalized ones.
TOOLBOX_NAMES = {
    "SZE": "SmallAreaEmphasis",
    "LZE": "LargeAreaEmphasis",
    "GLN": "GrayLevelNonUniformityNormalized",
    "ZSN": "SizeZoneNonUniformityNormalized",
    "ZP": "ZonePercentage",
    "LGZE": "LowGrayLevelZoneEmphasis",
    "HGZE": "HighGrayLevelZoneEmphasis",
    "SZLGE": "SmallAreaLowGrayLevelEmphasis",
    "SZHGE": "SmallAreaHighGrayLevelEmphasis",
    "LZLGE": "LargeAreaLowGrayLevelEmphasis",
    "LZHGE": "LargeAreaHighGrayLevelEmphasis",
}
CELL_VARIANCES = ("GLV", "ZSV")
LOCAL_GLSZM_FEATURES = PYRADIOMICS_FEATURES + CELL_VARIANCES
# Features that are means over the zones: exponents of level and size.
EXPONENTS = {
    "SmallAreaEmphasis": (0, -2),
    "LargeAreaEmphasis": (0, 2),
    "LowGrayLevelZoneEmphasis": (-2, 0),
    "HighGrayLevelZoneEmphasis": (2, 0),
    "SmallAreaLowGrayLevelEmphasis": (-2, -2),
    "SmallAreaHighGrayLevelEmphasis": (2, -2),
    "LargeAreaLowGrayLevelEmphasis": (-2, 2),
    "LargeAreaHighGrayLevelEmphasis": (2, 2),
}


def local_glszm(
    levels: np.ndarray,
    tumor_mask: np.ndarray,
    radius: Radius = 1,
    features: Iterable[str] = LOCAL_GLSZM_FEATURES,
    *,
    n_levels: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> LocalFeatures:
    """Local GLSZM features.

    Args:
        levels: gray levels KJI, whole numbers from 1.
        tumor_mask: boolean KJI.
        radius: half-width of the neighborhood in voxels.
        features: of LOCAL_GLSZM_FEATURES or TOOLBOX_NAMES.
        n_levels: declared levels, for "GLV" and "ZSV" only; None: the largest one in the tumor.
        progress: told the fraction done.

    Returns:
        Columns "GLSZM_<feature>", as they were asked for. Every neighborhood has a zone, so none is missing.

    Raises:
        InputError: unknown feature, fewer declared levels than there are, levels or mask that cannot be used.
    """
    names = tuple(dict.fromkeys(features))
    unknown = [name for name in names if name not in LOCAL_GLSZM_FEATURES and name not in TOOLBOX_NAMES]
    if unknown:
        raise InputError(
            f"there is no local GLSZM feature {unknown[0]!r}",
            remedy=f"Known: {LOCAL_GLSZM_FEATURES}, {tuple(TOOLBOX_NAMES)}",
        )
    around = neighborhoods(tumor_mask, radius, levels)
    declared = around.largest_level if n_levels is None else n_levels
    if declared < around.largest_level:
        raise InputError(
            f"{declared} gray levels were declared, and the tumor has level {around.largest_level}",
            remedy="Declare the number of levels that the image was quantized to",
        )
    blocks = neighbor_blocks(around.box)
    columns = {f"GLSZM_{name}": np.zeros(around.n_voxels) for name in names}
    bytes_per_label = 1 if np.prod(around.box) <= 255 else 2
    for rows in around.chunks(max(bytes_per_label * n_pairs(blocks), 24 * int(np.prod(around.box)))):
        of_places = levels_by_place(around, rows)
        sizes = zone_sizes(zone_labels(of_places, blocks), of_places)
        zones = _Zones(of_places.T, sizes.T, declared)
        for name in names:
            columns[f"GLSZM_{name}"][rows] = zones.feature(TOOLBOX_NAMES.get(name, name))
        if progress:
            progress(rows.stop / around.n_voxels)
    return LocalFeatures(columns, np.asarray(tumor_mask) != 0, around.radius_kji, {})


class _Zones:
    """The GLSZM of a chunk of neighborhoods, as one row ("cell") per neighborhood, level and size that occur.

    Attributes:
        i, j, n: level, size and number of zones of each cell; 0 zones in a cell that is none.
        n_zones, n_voxels: of each neighborhood.
    """

    def __init__(self, levels: np.ndarray, sizes: np.ndarray, n_declared: int):
        self._n_declared = n_declared
        self._size_bits = int(sizes.shape[1]).bit_length()
        codes = (levels.astype(np.uint32) << np.uint32(self._size_bits)) | sizes.astype(np.uint32)
        codes[sizes == 0] = ABSENT
        codes.sort(axis=1)
        self._codes = codes
        self._cells = runs_of_sorted(codes)
        self.n = self._cells.lengths
        present = self.n > 0
        # Level and size 1 in cells that are none, so that they can be divided by.
        self.i = np.where(present, self._cells.codes >> np.uint32(self._size_bits), 1).astype(np.float64)
        self.j = np.where(present, self._cells.codes & np.uint32(2**self._size_bits - 1), 1).astype(np.float64)
        self.n_zones = self._cells.row_sums(self.n).astype(np.float64)
        self.n_voxels = self._sum(self.j)

    def _sum(self, of_cells: np.ndarray) -> np.ndarray:
        """Sum over the zones of each neighborhood."""
        return self._cells.row_sums(self.n * of_cells)

    def feature(self, name: str) -> np.ndarray:
        """Values (neighborhoods,) of a feature by its PyRadiomics name, or of a cell variance."""
        if name in EXPONENTS:
            of_level, of_size = EXPONENTS[name]
            return self._sum(self.i**of_level * self.j**of_size) / self.n_zones
        if name.startswith("GrayLevelNonUniformity"):
            return self._non_uniformity(self._codes >> np.uint32(self._size_bits), name)
        if name.startswith("SizeZoneNonUniformity"):
            sizes = np.where(self._codes == ABSENT, ABSENT, self._codes & np.uint32(2**self._size_bits - 1))
            return self._non_uniformity(np.sort(sizes, axis=1), name, absent=ABSENT)
        return {
            "ZonePercentage": lambda: self.n_zones / self.n_voxels,
            "GrayLevelVariance": lambda: self._variance(self.i),
            "ZoneVariance": lambda: self._variance(self.j),
            "ZoneEntropy": self._entropy,
            "GLV": lambda: self._cell_variance(self.i),
            "ZSV": lambda: self._cell_variance(self.j),
        }[name]()

    def _non_uniformity(self, values: np.ndarray, name: str, absent: int | None = None) -> np.ndarray:
        runs: Runs = runs_of_sorted(values, ABSENT >> self._size_bits if absent is None else absent)
        power = 2 if name.endswith("Normalized") else 1
        return runs.row_sums(runs.lengths**2) / self.n_zones**power

    def _variance(self, of_cells: np.ndarray) -> np.ndarray:
        """Over the zones, from whole numbers: nothing cancels."""
        return (self.n_zones * self._sum(of_cells**2) - self._sum(of_cells) ** 2) / self.n_zones**2

    def _entropy(self) -> np.ndarray:
        return np.log2(self.n_zones) - self._sum(np.log2(np.maximum(self.n, 1))) / self.n_zones

    def _cell_variance(self, of_cells: np.ndarray) -> np.ndarray:
        """Variance of value times probability over all cells, also the empty ones."""
        n_cells = self._n_declared * self._cells.row_maxima(np.where(self.n > 0, self.j, 0))
        mean = self._sum(of_cells) / self.n_zones / n_cells
        return self._cells.row_sums((self.n * of_cells) ** 2) / self.n_zones**2 / n_cells - mean**2
