"""The 47 features of Akram et al. 2020: 7 of the intensity histogram, 9 GLCM, 13 GLRLM, 13 GLSZM, 5 NGTDM.

features = texture_panel(volume, {"GTVr": gtvr, "GTVnr": gtvnr}, spacing_mm_kji)
features["GTVr"].values["NGTDM_Coarseness"]
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from NPCResponseLib.errors import InputError

from .feature_list import FEATURE_NAMES, FEATURES, PUBLISHED_SIGNIFICANT, Feature
from .glcm import cooccurrence_features, cooccurrence_matrices
from .glrlm import run_length_features, run_length_matrices
from .glszm import size_zone_features, size_zone_matrices
from .histogram import intensity_features
from .ngtdm import ToneDifferences, tone_difference_features, tone_differences
from .preparation import MARGIN, PreparedRegion, box_of, prepare_regions, slice_axis
from .quantization import check_choice, quantize
from .region_levels import Matrix, RegionLevels

__all__ = [
    "FEATURES", "FEATURE_NAMES", "PUBLISHED_SIGNIFICANT", "Feature", "RegionFeatures", "RegionMatrices",
    "TextureSettings", "intensity_histograms", "texture_panel",
]  # fmt: skip

RESAMPLING = ("corrected", "toolbox", "none")
OUTLIER_RULES = ("3 sd", "none")
WEIGHTS = ("toolbox", "ibsi")
# Fewer voxels carry no texture to speak of; the number is ours.
FEW_VOXELS = 100
MOST_VOXELS = 60_000_000
HIGHEST_VALUE = 1e100  # powers of larger ones are no numbers
ONE_VOXEL = "the region is a single voxel"
CONSTANT = "all voxels have one value"
NO_NEIGHBORS = "no two voxels of the region are neighbors"
ONE_LEVEL = "neighbors are all of one gray level"
EVEN = "gray level times frequency is the same for all levels"


@dataclass(frozen=True)
class TextureSettings:
    """How the panel is computed.

    Attributes:
        resampling: "corrected", "toolbox" or "none"; see ``preparation.prepare_regions``.
        voxel_size_mm: isotropic, after resampling; None for the in-plane pixel.
        outliers: "3 sd" (the toolbox' rule for MRI) or "none".
        quantization: "lloyd", "equal" or "uniform".
        n_levels: declared gray levels; the paper's is 256.
        levels_shared: one quantization over the union of the regions; else each region has its own, as in the toolbox.
        weights: "toolbox" for its distance weights and forms of features, "ibsi" for those of the Image Biomarker
            Standardization Initiative; ``Feature.definition`` says what differs.
        dimensions: 3, or 2 for neighbors within a slice; the slices' matrices are then merged.

    Raises:
        InputError: a choice that does not exist, or a number that makes no sense.
    """

    resampling: str = "corrected"
    voxel_size_mm: float | None = None
    outliers: str = "3 sd"
    quantization: str = "lloyd"
    n_levels: int = 256
    levels_shared: bool = False
    weights: str = "toolbox"
    dimensions: int = 3

    def __post_init__(self):
        for name, value, allowed in (
            ("resampling", self.resampling, RESAMPLING),
            ("outlier rule", self.outliers, OUTLIER_RULES),
            ("set of distance weights", self.weights, WEIGHTS),
            ("number of dimensions", self.dimensions, (2, 3)),
        ):
            if value not in allowed:
                choices = ", ".join(str(choice) for choice in allowed)
                raise InputError(f"there is no {name} {value!r}", remedy=f"Choose one of {choices}")
        size = self.voxel_size_mm
        if size is not None and not (isinstance(size, Real) and math.isfinite(size) and size > 0):
            raise InputError(f"the voxel size must be a positive number of mm, found {size}")
        check_choice(self.quantization, self.n_levels)

    @property
    def as_toolbox(self) -> bool:
        return self.weights == "toolbox"


@dataclass(frozen=True, eq=False)
class RegionMatrices:
    """What the features of a region rest on; all None without gray levels."""

    glcm: Matrix | None = None
    glrlm: Matrix | None = None
    glszm: Matrix | None = None
    ngtdm: ToneDifferences | None = None


@dataclass(frozen=True, eq=False)
class RegionFeatures:
    """The panel of one region.

    Attributes:
        values: all 47 by name; NaN only with a reason in ``refused``.
        refused: feature -> why it has no value.
        n_voxels: analyzed, after outliers and resampling; n_native_voxels, n_outliers: before resampling.
        volume_cm3: of the native voxels, outliers included.
        n_levels_present: gray levels that occur.
        voxel_size_mm: (slice, row, column) after resampling.
        intensities: float64 (n_voxels,).
        prepared: the region on its grid, slices first; levels: int32 (n_voxels,), 0 without gray levels.
        matrices: for checking.
    """

    values: dict[str, float]
    refused: dict[str, str]
    n_voxels: int
    n_native_voxels: int
    n_outliers: int
    volume_cm3: float
    n_levels_present: int
    voxel_size_mm: tuple[float, float, float]
    intensities: np.ndarray
    prepared: PreparedRegion
    levels: np.ndarray
    matrices: RegionMatrices
    warnings: tuple[str, ...] = field(default=())


def texture_panel(
    volume: np.ndarray,
    regions: Mapping[str, np.ndarray],
    spacing_mm_kji: tuple[float, float, float],
    settings: TextureSettings | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> dict[str, RegionFeatures]:
    """All features of every region; regions that do not overlap share the passes over the image.

    Args:
        volume: KJI, gray values.
        regions: bool KJI by name.
        spacing_mm_kji: of the axes; see ``preparation.slice_axis`` for which of them is that of the slices.
        progress: called with the fraction done; what it raises ends the computation.

    Raises:
        InputError: no region, an empty one, one smaller than the new voxels, another shape; gray values in or around
            the regions that are no numbers; spacings that make no sense.
    """
    settings, tell = settings or TextureSettings(), progress or (lambda _fraction: None)
    volume, regions, spacing_mm_kji = _slices_first(volume, regions, spacing_mm_kji)
    volume, regions = _checked(volume, regions, spacing_mm_kji, settings)
    prepared = prepare_regions(
        volume,
        regions,
        spacing_mm_kji,
        resampling=settings.resampling,
        voxel_size_mm=settings.voxel_size_mm,
        outliers=settings.outliers == "3 sd",
    )
    tell(0.2)
    levels = _levels(prepared, settings)
    tell(0.35)
    matrices = _matrices(prepared, levels, settings, tell)
    voxel_cm3 = float(np.prod(spacing_mm_kji)) / 1000
    found = {
        name: _features(prepared[name], levels[name], matrices[name], settings, voxel_cm3, name) for name in regions
    }
    tell(1.0)
    return found


def intensity_histograms(
    features: Mapping[str, RegionFeatures], n_bins: int = 64
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Histograms on one intensity scale, each of area 1: edges (n_bins + 1,) and densities by region."""
    low = min(float(found.intensities.min()) for found in features.values())
    high = max(float(found.intensities.max()) for found in features.values())
    if not high > low:
        high = low + max(1.0, abs(low))
    edges = np.linspace(low, high, n_bins + 1)
    return edges, {name: np.histogram(found.intensities, edges, density=True)[0] for name, found in features.items()}


# -- checking --


def _slices_first(volume, regions, spacing_mm_kji):
    """In whatever order the axes come; and spacings that a file holds with seven digits as they were meant."""
    volume = np.asarray(volume)
    if volume.ndim != 3:
        raise InputError(f"the image must have slices, rows and columns, found shape {volume.shape}", where="texture")
    if len(spacing_mm_kji) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing_mm_kji):
        raise InputError(f"the spacing must be three positive numbers in mm, found {tuple(spacing_mm_kji)}")
    spacing = tuple(float(f"{length:.7g}") for length in spacing_mm_kji)
    axis = slice_axis(spacing)
    if axis == 0:
        return volume, regions, spacing
    order = (axis, *(other for other in range(3) if other != axis))
    turned = {name: np.transpose(region, order) if np.ndim(region) == 3 else region for name, region in regions.items()}
    return volume.transpose(order), turned, tuple(spacing[n] for n in order)


def _checked(volume, regions, spacing_mm_kji, settings) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    if volume.dtype.kind not in "biuf":
        raise InputError(f"the image must hold gray values, found {volume.dtype}", where="texture")
    if not regions:
        raise InputError("no region is given", where="texture", remedy="Choose at least one")
    if settings.resampling == "toolbox" and abs(spacing_mm_kji[1] / spacing_mm_kji[2] - 1) > 1e-3:
        raise InputError(
            f"the toolbox knows square pixels only, found {spacing_mm_kji[1]:g} x {spacing_mm_kji[2]:g} mm",
            where="texture",
            remedy="Choose the corrected resampling",
        )
    masks = {}
    for name, region in regions.items():
        mask = np.asarray(region) != 0
        if np.asarray(region).dtype.kind == "f" and np.isnan(region).any():
            raise InputError("the region holds values that are no numbers", where=f"region {name}")
        if mask.shape != volume.shape:
            raise InputError(f"the region has shape {mask.shape} and the image {volume.shape}", where=f"region {name}")
        if not mask.any():
            raise InputError("the region is empty", where=f"region {name}", remedy="Draw it, or choose another")
        n_bad = int(np.count_nonzero(~np.isfinite(volume[mask]))) if volume.dtype.kind == "f" else 0
        if n_bad:
            raise InputError(
                f"{n_bad} of its voxels hold no number (NaN or infinite)",
                where=f"region {name}",
                remedy="Mend the image, or leave them out of the region",
            )
        masks[name] = mask
    box = box_of(np.logical_or.reduce(list(masks.values())), MARGIN)
    if settings.resampling != "none":
        _check_resampling(volume[box], spacing_mm_kji, settings)
    around = volume[box].astype(np.float64)
    highest = float(np.abs(around[np.isfinite(around)]).max())
    if highest > HIGHEST_VALUE:
        raise InputError(f"the gray values reach {highest:.2g}, which is no image", remedy="Mend the image")
    return volume, masks


def _check_resampling(around: np.ndarray, spacing_mm_kji, settings) -> None:
    """Refuse what would spread into the regions, and a voxel size that would take all memory."""
    if around.dtype.kind == "f" and not np.isfinite(around).all():
        raise InputError(
            "the image around the regions holds values that are no numbers (NaN or infinite)",
            where="texture",
            remedy="Mend the image, or choose no resampling",
        )
    size = settings.voxel_size_mm or spacing_mm_kji[1]
    extent_mm = np.array(around.shape) * np.array(spacing_mm_kji)
    if np.prod(extent_mm / size) > MOST_VOXELS:
        raise InputError(
            f"voxels of {size:g} mm would make {np.prod(extent_mm / size):.2g} of them around the regions",
            where="texture",
            remedy="Choose larger voxels",
        )


# -- levels and matrices --


def _levels(prepared: Mapping[str, PreparedRegion], settings: TextureSettings) -> dict[str, np.ndarray]:
    """Levels of each region's voxels; zeros where a region has no two values."""
    if not settings.levels_shared:
        return {name: _quantized(region.values, settings) for name, region in prepared.items()}
    names, image = list(prepared), next(iter(prepared.values())).image
    if all(region.image is image for region in prepared.values()):
        union = np.logical_or.reduce([region.mask for region in prepared.values()])
        levels = np.zeros(union.shape, dtype=np.int32)
        levels[union] = _quantized(image[union], settings)
        return {name: levels[prepared[name].mask] for name in names}
    # With the toolbox' resampling each region has its own grid, so what overlaps counts twice.
    together = np.concatenate([prepared[name].values for name in names])
    cuts = np.cumsum([np.count_nonzero(prepared[name].mask) for name in names])[:-1]
    return dict(zip(names, np.split(_quantized(together, settings), cuts), strict=True))


def _quantized(values: np.ndarray, settings: TextureSettings) -> np.ndarray:
    if not len(values) or values.min() == values.max():
        return np.zeros(len(values), dtype=np.int32)
    return quantize(values, settings.quantization, settings.n_levels)


def _matrices(prepared, levels, settings: TextureSettings, tell) -> dict[str, RegionMatrices]:
    found = {name: RegionMatrices() for name in prepared}
    groups = _disjoint_groups({name: region for name, region in prepared.items() if levels[name].any()})
    for number, names in enumerate(groups):
        laid_out = RegionLevels.of(
            [levels[name] for name in names],
            [prepared[name].mask for name in names],
            settings.n_levels,
            dimensions=settings.dimensions,
        )
        made = (
            cooccurrence_matrices(laid_out, weighted=settings.as_toolbox),
            run_length_matrices(laid_out, weighted=settings.as_toolbox),
            size_zone_matrices(laid_out),
            tone_differences(laid_out, weighted=settings.as_toolbox),
        )
        found |= {name: RegionMatrices(*each) for name, each in zip(names, zip(*made, strict=True), strict=True)}
        tell(0.35 + 0.55 * (number + 1) / len(groups))
    return found


def _disjoint_groups(prepared: Mapping[str, PreparedRegion]) -> list[list[str]]:
    """Regions that can share passes: on one grid, without a voxel in common.

    A region within one slice has runs in 4 directions and not in 13, whatever the others are: it goes alone.
    """
    groups: list[tuple[list[str], np.ndarray]] = []
    flat = {name: np.count_nonzero(region.mask.any(axis=(1, 2))) == 1 for name, region in prepared.items()}
    for name, region in prepared.items():
        for names, taken in groups:
            shares = prepared[names[0]].image is region.image and not (flat[name] or flat[names[0]])
            if shares and not (taken & region.mask).any():
                names.append(name)
                taken |= region.mask
                break
        else:
            groups.append(([name], region.mask.copy()))
    return [names for names, _taken in groups]


# -- features --


def _features(
    prepared: PreparedRegion,
    levels: np.ndarray,
    matrices: RegionMatrices,
    settings: TextureSettings,
    voxel_cm3: float,
    name: str,
) -> RegionFeatures:
    toolbox = settings.as_toolbox
    families: dict[str, Mapping[str, float]] = {"Intensity": intensity_features(prepared.values, toolbox=toolbox)}
    if matrices.glcm is not None:
        families["GLCM"] = cooccurrence_features(matrices.glcm, toolbox=toolbox)
        families["GLRLM"] = run_length_features(matrices.glrlm, toolbox=toolbox)
        families["GLSZM"] = size_zone_features(matrices.glszm, toolbox=toolbox)
        families["NGTDM"] = tone_difference_features(matrices.ngtdm)
    elif toolbox and settings.quantization != "lloyd":  # which is no answer but an error for a constant region
        families["NGTDM"] = tone_difference_features(ToneDifferences(np.zeros(1), np.zeros(1)))
    values = {name: float(families.get(f.family, {}).get(f.short_name, np.nan)) for name, f in _by_name()}
    n_present = len(np.unique(levels[levels > 0]))
    refused = {name: _reason(name, levels, matrices) for name, value in values.items() if not math.isfinite(value)}
    n_voxels = int(np.count_nonzero(prepared.mask))
    warnings = []
    if n_voxels < FEW_VOXELS:
        analyzed = "1 voxel was" if n_voxels == 1 else f"{n_voxels} voxels were"
        warnings.append(f"Only {analyzed} analyzed: texture of so few tells little.")
    for why, n in Counter(refused.values()).items():
        warnings.append(f"{n} feature{'s have' if n > 1 else ' has'} no value: {why}.")
    return RegionFeatures(
        values=values,
        refused=refused,
        n_voxels=n_voxels,
        n_native_voxels=prepared.n_native,
        n_outliers=prepared.n_outliers,
        volume_cm3=prepared.n_native * voxel_cm3,
        n_levels_present=n_present,
        voxel_size_mm=prepared.voxel_mm_kji,
        intensities=prepared.values,
        prepared=prepared,
        levels=levels,
        matrices=matrices,
        warnings=tuple(warnings),
    )


def _reason(name: str, levels: np.ndarray, matrices: RegionMatrices) -> str:
    """Why a feature has no value."""
    if len(levels) == 1:
        return ONE_VOXEL
    if name.startswith("Intensity_") or matrices.glcm is None:
        return CONSTANT
    if not matrices.glcm.values.size:
        return NO_NEIGHBORS
    if name == "NGTDM_Busyness" and np.count_nonzero(matrices.ngtdm.counts) > 1:
        return EVEN
    return ONE_LEVEL


def _by_name() -> Sequence[tuple[str, Feature]]:
    return [(feature.name, feature) for feature in FEATURES]
