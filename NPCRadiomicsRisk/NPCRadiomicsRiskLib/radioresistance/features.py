"""The paper's seven features in the neighborhood of every tumor voxel, and how voxels are compared by them.

Table 2 of Akram 2020 (PLoS ONE 15:e0240043) found seven features that differ between the recurrent part of a tumor and
the rest. Here each is computed over the tumor's voxels in a box around every voxel, as if that box were a region of its
own, by the definitions of the software used there (shared research/radiomics.md, section 1.2). Intensities are
quantized once over the whole tumor.

The features have no common scale, some are extreme by nature, and four of them depend on how many voxels a region has,
so that the rim of a tumor, where boxes are cut, would stand out by that alone. A voxel is therefore ranked among the
voxels of the same tumor whose boxes hold about as many tumor voxels as its own, and its rank becomes a normal score:
Phi^-1((rank - 1/2) / n), ties sharing their mean rank; 0 is typical of this tumor, +-2 its extremes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import label
from scipy.special import ndtri

from NPCResponseLib.errors import InputError

from ..texture.local_glszm import local_glszm
from ..texture.local_intensity import local_intensity
from ..texture.local_neighborhood import LocalFeatures, Neighborhoods, Radius, neighborhoods, radius_per_axis
from ..texture.local_ngtdm import local_ngtdm
from ..texture.quantization import quantize

# Table 2: sign of the mean difference, recurrent part minus the rest.
PUBLISHED_DIRECTIONS: Mapping[str, int] = {
    "GLSZM_GLV": 1,
    "GLSZM_ZSV": 1,
    "GLSZM_LZE": -1,
    "Intensity_Variance": -1,
    "NGTDM_Busyness": -1,
    "NGTDM_Coarseness": 1,
    "NGTDM_Strength": 1,
}
DEFAULT_RADIUS_MM = 3.0
OUTLIER_SD = 3.0
FEWEST_IN_GROUP = 50
SHARE_OF_GROUP = 0.05
SMALL_TUMOR_BOXES = 10
LARGE_ANISOTROPY = 2.0
SMALL_PARTS_SHARE = 0.05
EMPTY_SHARE = 0.5


@dataclass(frozen=True)
class LocalSettings:
    """How local features are computed.

    Attributes:
        radius_voxels: half-width of the box, one number or one along K, J, I; None: as near to 3 mm as whole voxels
            come along each axis, at least 1.
        n_levels: gray levels over the tumor. Fewer than for a whole region (256 in the paper): a box has a few hundred
            voxels, and with as many levels hardly any zone is larger than one voxel.
        quantization: "lloyd" (as the paper), "equal" or "uniform".
        clip_outliers: intensities beyond mean +- 3 SD of the tumor count as those limits when levels are made (the
            toolbox leaves such voxels out of the region, which would leave holes in a map).
    """

    radius_voxels: Radius | None = None
    n_levels: int = 32
    quantization: str = "lloyd"
    clip_outliers: bool = True

    def __post_init__(self):
        if self.radius_voxels is not None:
            radius_per_axis(self.radius_voxels)
        if isinstance(self.n_levels, bool) or self.n_levels != int(self.n_levels) or not 2 <= self.n_levels <= 1024:
            raise InputError(f"{self.n_levels} gray levels cannot be used", remedy="Give a whole number, 2 to 1024")
        if self.quantization not in ("lloyd", "equal", "uniform"):
            raise InputError(f"there is no quantization {self.quantization!r}", remedy="Known: lloyd, equal, uniform")


@dataclass(frozen=True, eq=False)
class TumorFeatures:
    """What a map is made of; enough to try combinations and thresholds without computing features again.

    Attributes:
        local: the seven features; as a mapping name to map (KJI, float32).
        scores: normal scores (n,) of each feature, 0 where it is undefined; in the order of ``image[tumor_mask]``.
        neighborhood_voxels: tumor voxels in each voxel's box (n,).
        spacing_mm_kji: size of a voxel.
        settings: as used; its radius is one number along each axis.
        warnings: what to keep in mind, each a sentence.
    """

    local: LocalFeatures
    scores: dict[str, np.ndarray]
    neighborhood_voxels: np.ndarray
    spacing_mm_kji: tuple[float, float, float]
    settings: LocalSettings
    warnings: tuple[str, ...]

    @property
    def tumor_mask(self) -> np.ndarray:
        return self.local.tumor_mask

    @property
    def box_mm(self) -> tuple[float, float, float]:
        """Size of the neighborhood along K, J, I."""
        radius = self.settings.radius_voxels
        return tuple((2 * r + 1) * size for r, size in zip(radius, self.spacing_mm_kji, strict=True))


def local_tumor_features(
    volume: np.ndarray,
    tumor_mask: np.ndarray,
    spacing_mm_kji: tuple[float, float, float],
    settings: LocalSettings = LocalSettings(),
    *,
    progress: Callable[[float], None] | None = None,
) -> TumorFeatures:
    """Compute the seven features around every voxel of a tumor.

    Args:
        volume: intensities KJI (pre-treatment T1-weighted, contrast-enhanced in the paper).
        tumor_mask: boolean KJI, the GTV.
        spacing_mm_kji: voxel size along slices, rows and columns.
        progress: told the fraction done.

    Raises:
        InputError: empty mask, other shape, NaN in the tumor, a single intensity, spacing that is none.
    """
    inside = np.asarray(tumor_mask) != 0
    spacing = _checked_spacing(spacing_mm_kji)
    if settings.radius_voxels is None:
        settings = replace(settings, radius_voxels=radius_of_mm(DEFAULT_RADIUS_MM, spacing))
    settings = replace(settings, radius_voxels=radius_per_axis(settings.radius_voxels))
    radius = settings.radius_voxels

    def report(begin: float, end: float):
        return (lambda done: progress(begin + done * (end - begin))) if progress else None

    around = neighborhoods(inside, radius)
    voxels = around.box_sum(around.mask.astype(np.int64))
    local = local_intensity(volume, inside, radius, ["Variance"], progress=report(0.0, 0.1))
    # The sample's variance, as the panel's feature has it; 0 of a single voxel.
    local.columns["Intensity_Variance"] *= voxels / np.maximum(voxels - 1, 1)
    levels = _levels(np.asarray(volume), inside, settings)
    names = [name.split("_")[1] for name in PUBLISHED_DIRECTIONS if name.startswith("GLSZM")]
    zones = local_glszm(levels, inside, radius, names, n_levels=settings.n_levels, progress=report(0.1, 0.7))
    names = [name.split("_")[1] for name in PUBLISHED_DIRECTIONS if name.startswith("NGTDM")]
    tones = local_ngtdm(levels, inside, radius, names, definition="toolbox", progress=report(0.7, 1.0))
    local = local.joined(zones).joined(tones)
    groups = groups_of_similar_size(voxels)
    scores = {name: normal_scores(local.columns[name], groups) for name in PUBLISHED_DIRECTIONS}
    warnings = (*_warnings(around, voxels, spacing, settings), *_undefined(local))
    return TumorFeatures(local, scores, voxels, spacing, settings, warnings)


def radius_of_mm(radius_mm: float, spacing_mm_kji: tuple[float, float, float]) -> tuple[int, int, int]:
    """The radius in voxels that comes nearest to one in mm along each axis, at least 1."""
    return tuple(max(1, round(radius_mm / size)) for size in _checked_spacing(spacing_mm_kji))


def groups_of_similar_size(neighborhood_voxels: np.ndarray) -> np.ndarray:
    """Number the groups of voxels (n,) whose boxes hold about as many tumor voxels.

    Counts in order are joined until a group has 5 % of the tumor, at least 50 voxels; a smaller rest joins the last.
    """
    counts, index, sizes = np.unique(neighborhood_voxels, return_inverse=True, return_counts=True)
    fewest = max(FEWEST_IN_GROUP, SHARE_OF_GROUP * len(neighborhood_voxels))
    group_of_count, group, filled = np.zeros(len(counts), int), 0, 0
    # From the full boxes down, so that they, the most comparable ones, stay among themselves.
    for position in range(len(counts) - 1, -1, -1):
        if filled >= fewest and sizes[: position + 1].sum() >= fewest:
            group, filled = group + 1, 0
        group_of_count[position] = group
        filled += sizes[position]
    return group_of_count[index]


def normal_scores(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Normal scores (n,) of values within each group; 0 for undefined ones and where all are the same."""
    scores = np.zeros(len(values))
    for group in np.unique(groups):
        rows = np.flatnonzero((groups == group) & np.isfinite(values))
        if len(rows):
            _, index, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
            mean_ranks = np.cumsum(counts) - (counts - 1) / 2
            scores[rows] = ndtri((mean_ranks[index] - 0.5) / len(rows))
    return scores


def _levels(volume: np.ndarray, inside: np.ndarray, settings: LocalSettings) -> np.ndarray:
    values = volume[inside].astype(np.float64)
    if settings.clip_outliers and len(values) > 1:
        spread = OUTLIER_SD * values.std(ddof=1)
        values = np.clip(values, values.mean() - spread, values.mean() + spread)
    if values.min() == values.max():
        raise InputError(
            "the tumor has a single intensity, so it has no texture", remedy="Check the image and the segment"
        )
    levels = np.zeros(inside.shape, np.int32)
    levels[inside] = quantize(values, settings.quantization, settings.n_levels)
    return levels


def _checked_spacing(spacing_mm_kji) -> tuple[float, float, float]:
    spacing = tuple(float(size) for size in spacing_mm_kji)
    if len(spacing) != 3 or not all(0 < size < np.inf for size in spacing):
        raise InputError(f"{spacing_mm_kji} is no voxel size in mm", remedy="Give three lengths: slices, rows, columns")
    return spacing


def _warnings(around: Neighborhoods, voxels: np.ndarray, spacing, settings: LocalSettings) -> list[str]:
    box_voxels = int(np.prod(around.box))
    box_mm = [size * length for size, length in zip(around.box, spacing, strict=True)]
    in_mm = " x ".join(f"{size:.3g}" for size in box_mm[::-1])
    found = []
    if around.n_voxels < SMALL_TUMOR_BOXES * box_voxels:
        found.append(
            f"The tumor has {around.n_voxels} voxels, fewer than {SMALL_TUMOR_BOXES} neighborhoods of {box_voxels}: "
            "the map shows hardly more than its middle and its rim."
        )
    if np.median(voxels) < EMPTY_SHARE * box_voxels:
        found.append(
            f"Half of the neighborhoods ({in_mm} mm) lie with most of their volume outside the tumor: they are larger "
            "than the tumor is thick. Take a smaller radius."
        )
    if max(box_mm) > LARGE_ANISOTROPY * min(b for b, r in zip(box_mm, around.radius_kji, strict=True) if r):
        found.append(
            f"The neighborhood measures {in_mm} mm (columns, rows, slices), far from a cube; a radius for each axis "
            "can even that out."
        )
    parts, n_parts = label(around.mask, np.ones((3, 3, 3)))
    sizes = np.bincount(parts[around.mask], minlength=n_parts + 1)[1:]
    in_small_parts = sizes[sizes < box_voxels].sum()
    if n_parts > 1 and in_small_parts > SMALL_PARTS_SHARE * around.n_voxels:
        found.append(
            f"{in_small_parts} of {around.n_voxels} voxels lie in separate parts of the tumor that are smaller than a "
            "neighborhood."
        )
    if settings.n_levels > box_voxels:
        found.append(
            f"There are more gray levels ({settings.n_levels}) than voxels in a neighborhood ({box_voxels}), so hardly "
            "any zone has more than one voxel."
        )
    return found


def _undefined(local: LocalFeatures) -> list[str]:
    return [f"{name} is undefined in {why}; there it does not count." for name, why in local.undefined.items()]
