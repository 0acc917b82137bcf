"""Reading one region, and what is told of it in the layout of the toolbox' reference values."""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NPCResponseLib import __version__
from NPCResponseLib.errors import InputError
from NPCResponseLib.whole_file import written_aside

from ..texture.histogram import NAMES, level_features, with_other_divisors
from ..texture.panel47 import FEATURES, RegionFeatures, TextureSettings
from ..texture.preparation import slice_axis
from ..texture.region_levels import Matrix


@dataclass(frozen=True, eq=False)
class Region:
    """Attributes:
    volume, mask: on one grid; slice, row, column, whatever the order in the file.
    spacing_mm_kji: likewise.
    """

    volume: np.ndarray
    mask: np.ndarray
    spacing_mm_kji: tuple[float, float, float]
    warnings: tuple[str, ...] = ()


def read_region(
    volume: Path, mask: Path, segment: str, *, pixel_width_mm: float | None, slice_spacing_mm: float | None
) -> Region:
    """An image and a region on its grid.

    Raises:
        InputError: files that cannot be read, of different grids, or NPZ without spacing.
    """
    if volume.suffix.lower() == ".npz" or mask.suffix.lower() == ".npz":
        return _read_npz(volume, mask, segment, pixel_width_mm, slice_spacing_mm)
    from ..readers.images import read_volume
    from ..readers.segmentations import on_grid, read_mask

    image = read_volume(volume, constant_allowed=True)
    region = read_mask(mask, segment or None)
    inside = on_grid(region, image.array.shape, image.ijk_to_ras, str(mask))
    axis = slice_axis(image.spacing_mm_kji)
    k, j, i = image.spacing_mm_kji[axis], *np.delete(image.spacing_mm_kji, axis).tolist()
    spacing = (slice_spacing_mm or k, pixel_width_mm or j, pixel_width_mm or i)
    return Region(np.moveaxis(image.array, axis, 0), np.moveaxis(inside, axis, 0), spacing, image.warnings)


def _read_npz(
    volume: Path, mask: Path, segment: str, pixel_width_mm: float | None, slice_spacing_mm: float | None
) -> Region:
    from ..readers.segmentations import labeled

    if pixel_width_mm is None or slice_spacing_mm is None:
        raise InputError(
            "an NPZ file does not tell its spacing",
            where=str(volume),
            remedy="Add --pixel-width-mm and --slice-spacing-mm",
        )
    image, region = _array(volume, "volume"), _array(mask, "mask")
    if image.shape != region.shape:
        raise InputError(f"the mask has shape {region.shape} and the image {image.shape}", where=str(mask))
    spacing = (slice_spacing_mm, pixel_width_mm, pixel_width_mm)
    inside, _label = labeled(region.transpose(2, 0, 1)[None], segment, f"{mask}, array mask")
    return Region(image.transpose(2, 0, 1), inside, spacing)


def _array(path: Path, name: str) -> np.ndarray:
    if path.suffix.lower() != ".npz":
        raise InputError("image and mask must both be NPZ, or neither", where=str(path))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if name not in arrays:
                raise InputError(f"it has no array {name!r}", where=str(path), remedy=f"It has: {', '.join(arrays)}")
            array = arrays[name]
    except InputError:
        raise
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError("this is no NPZ file of numbers", where=str(path), remedy="Save it again") from error
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        raise InputError(
            f"the array {name} must be rows x columns x slices of numbers, found {array.dtype} {array.shape}",
            where=str(path),
        )
    return array


def summarize(found: RegionFeatures, settings: TextureSettings, region: Region) -> dict:
    """Plain JSON values; features by family under the names of the reference values."""
    moments = {name: found.values[f"Intensity_{name}"] for name in NAMES}
    families: dict[str, dict] = {
        "Histogram": with_other_divisors(found.intensities, moments),
        "Global": level_features(found.intensities, settings.n_levels),
    }
    for feature in FEATURES:
        if feature.family != "Intensity":
            families.setdefault(feature.family, {})[feature.short_name] = found.values[feature.name]
    present = found.levels[found.levels > 0]
    return {
        "software": {"name": "NPCImaging", "version": __version__},
        "research_use_only": True,
        "panel": "toolbox47",
        "settings": {**vars(settings), "spacing_mm_kji": list(region.spacing_mm_kji)},
        "mask_voxels": found.n_native_voxels,
        "outlier_voxels": found.n_outliers,
        "roi_voxels_after_prepare": found.n_voxels,
        "volume_cm3": found.volume_cm3,
        "voxel_size_mm_kji": list(found.voxel_size_mm),
        "quantized_shape": _row_column_slice(found.prepared.mask.shape),
        "levels_present": found.n_levels_present,
        "level_min_max": [int(present.min()), int(present.max())] if present.size else None,
        "features": {family: _finite(values) for family, values in families.items()},
        "refused": found.refused,
        "definitions": {feature.name: feature.definition for feature in FEATURES},
        "warnings": [*region.warnings, *found.warnings],
    }


def _finite(values: Mapping[str, float]) -> dict:
    """What JSON cannot hold is null, and listed."""
    missing = {
        name: "nan" if math.isnan(value) else "inf" for name, value in values.items() if not math.isfinite(value)
    }
    return {name: None if name in missing else value for name, value in values.items()} | {"_nonfinite": missing}


def _row_column_slice(shape_kji: tuple[int, ...]) -> list[int]:
    return [shape_kji[1], shape_kji[2], shape_kji[0]]


def write_results(
    found: RegionFeatures, text: str, output: Path | None, quantized: Path | None, matrices: Path | None
) -> None:
    """The files that are wanted: all, or in case of an error none."""
    with contextlib.ExitStack() as stack:
        if quantized is not None:
            _write_quantized(found, stack.enter_context(written_aside(quantized)))
        if matrices is not None:
            _write_matrices(found, stack.enter_context(written_aside(matrices)))
        if output is not None:
            stack.enter_context(written_aside(output)).write_text(text + "\n", encoding="utf-8")


def _write_quantized(found: RegionFeatures, path: Path) -> None:
    """quantized uint16, 0 outside; prepared float64, NaN outside. Rows, columns, slices."""
    mask = found.prepared.mask
    quantized = np.zeros(mask.shape, dtype=np.uint16)
    quantized[mask] = found.levels
    prepared = np.where(mask, found.prepared.image, np.nan)
    with path.open("wb") as stream:
        np.savez_compressed(stream, quantized=quantized.transpose(1, 2, 0), prepared=prepared.transpose(1, 2, 0))


def _write_matrices(found: RegionFeatures, path: Path) -> None:
    """Entries with rows and columns from 0; NGTDM and countValid dense."""
    arrays: dict[str, np.ndarray] = {}
    matrices = found.matrices
    for name, matrix in (("GLCM", matrices.glcm), ("GLRLM", matrices.glrlm), ("GLSZM", matrices.glszm)):
        if matrix is not None:
            arrays |= {f"{name}_{part}": array for part, array in _entries(matrix).items()}
    if matrices.ngtdm is not None:
        arrays |= {"NGTDM": matrices.ngtdm.sums, "countValid": matrices.ngtdm.counts}
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _entries(matrix: Matrix) -> dict[str, np.ndarray]:
    return {
        "rows": (matrix.rows - 1).astype(np.int32),
        "cols": (matrix.columns - 1).astype(np.int32),
        "vals": matrix.values,
        "shape": np.array(matrix.shape),
    }
