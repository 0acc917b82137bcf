"""A region from a file: a segment of a Slicer segmentation (.seg.nrrd), or a label of a label image."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from NPCResponseLib.errors import InputError
from NPCResponseLib.image_integrity import check_image_file
from NPCResponseLib.readers.file_discovery import IMAGE_SUFFIXES, find_files
from NPCResponseLib.readers.geometry import image_ijk_to_ras

from .rtstruct import listed, loose_name

_SEGMENT_KEY = re.compile(r"Segment(\d+)_(Name|ID|LabelValue|Layer)")
MAX_LABELS = 12
SAME_GRID_MM = 0.01


@dataclass(frozen=True, eq=False)
class Mask:
    """One region.

    Attributes:
        array: bool KJI, not empty.
        ijk_to_ras: 4x4.
        name: of the segment, or "label 2".
        label: its value in the file.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    name: str
    label: int

    @property
    def volume_cm3(self) -> float:
        return float(self.array.sum() * abs(np.linalg.det(self.ijk_to_ras[:3, :3])) / 1000)


@dataclass(frozen=True)
class _Segment:
    name: str
    segment_id: str
    label: int
    layer: int


def read_mask(path: Path | str, name: str | int | None = None) -> Mask:
    """Read one region.

    Segments may overlap (they lie in several layers of the file). A segmentation's grid may be smaller than that of its
    image; carry the mask to it.

    Args:
        name: of the segment (case and spaces matter only if several would do), its ID, or a label; may be left out if
            there is one region only.

    Raises:
        InputError: missing, damaged, no label image, no or several such regions, or the region is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", where=path.name or str(path), remedy="Check the path")
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        raise _other_kind(path)
    layers, ijk_to_ras, header = _read(path)
    segments = _segments(header)
    if segments:
        segment = _chosen_segment(segments, name, path.name)
        if not 0 <= segment.layer < len(layers):
            raise InputError(
                f"segment {segment.name} is said to be in layer {segment.layer + 1} of {len(layers)}",
                where=path.name,
                remedy="Save the segmentation again",
            )
        mask, label, called = layers[segment.layer] == segment.label, segment.label, segment.name
    else:
        mask, label = labeled(layers, name, path.name)
        called = f"label {label}"
    if not mask.any():
        raise InputError(f"{called} is empty", where=path.name, remedy="Draw it, or choose another")
    return Mask(mask, ijk_to_ras, called, label)


def on_grid(region: Mask, shape_kji: tuple[int, ...], ijk_to_ras: np.ndarray, where: str) -> np.ndarray:
    """The region on the grid of its image, not resampled; Slicer saves only the part of a grid that holds segments.

    Raises:
        InputError: voxels of another size or direction, or that lie between the image's or outside it.
    """
    mask, mask_to_image_ijk = region.array, np.linalg.inv(ijk_to_ras) @ region.ijk_to_ras
    whole = np.round(mask_to_image_ijk)  # also with axes in another order or direction
    size_ijk = np.array(mask.shape[::-1])
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*(size_ijk - 1), 1]
    off_mm = (ijk_to_ras[:3, :3] @ ((mask_to_image_ijk - whole) @ corners.T)[:3]).T
    axes_lie_on_axes = (np.abs(whole[:3, :3]).sum(axis=0) == 1).all()
    if not axes_lie_on_axes or np.linalg.norm(off_mm, axis=1).max() > SAME_GRID_MM:
        raise InputError("the mask lies on another grid than the image", where=where, remedy="Resample it to the image")
    found = ((np.argwhere(mask)[:, ::-1] @ whole[:3, :3].T + whole[:3, 3]).astype(int))[:, ::-1]
    if (found < 0).any() or (found >= shape_kji).any():
        raise InputError("the mask reaches beyond the image", where=where, remedy="Check that they belong together")
    inside = np.zeros(shape_kji, dtype=bool)
    inside[tuple(found.T)] = True
    return inside


def region_names(path: Path | str) -> tuple[str, ...]:
    """Names of the segments in a file, or its labels as text."""
    path = Path(path)
    layers, _, header = _read(path)
    segments = _segments(header)
    if segments:
        return tuple(segment.name for segment in segments)
    return tuple(str(label) for label in _labels(layers[0]))


def _other_kind(path: Path) -> InputError:
    if find_files(path).dicom:
        return InputError(
            "it is DICOM, not a label image or a Slicer segmentation",
            where=path.name,
            remedy="Give an RT structure set as structures, or convert a DICOM segmentation with Slicer",
        )
    return InputError("it is no segmentation", where=path.name, remedy="Give .seg.nrrd, .nrrd, .nii, .nii.gz or .mha")


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """(layer, k, j, i), where it lies, and the header."""
    check_image_file(path, where=path.name, kind="segmentation")
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(
            "it cannot be read as an image, it is damaged or incomplete", where=path.name, remedy="Copy it again"
        ) from error
    array = SimpleITK.GetArrayFromImage(image)
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.isascii()}
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    elif image.GetDimension() == 3:
        array = array[None]
    if array.ndim != 4:
        raise InputError("it is no volume of labels", where=path.name, remedy="Give a three-dimensional label image")
    return array, image_ijk_to_ras(image), header


def _segments(header: dict[str, str]) -> list[_Segment]:
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        match = _SEGMENT_KEY.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value.strip()
    return [
        _Segment(
            name=facts.get("Name") or facts.get("ID") or f"segment {number + 1}",
            segment_id=facts.get("ID", ""),
            label=_whole(facts.get("LabelValue"), 1),
            layer=_whole(facts.get("Layer"), 0),
        )
        for number, facts in sorted(found.items())
    ]


def _whole(text: str | None, otherwise: int) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        return otherwise


def _chosen_segment(segments: list[_Segment], name: str | int | None, where: str) -> _Segment:
    names = listed(segment.name for segment in segments)
    if name is None or name == "":
        if len(segments) == 1:
            return segments[0]
        raise InputError(f"it has several segments ({names})", where=where, remedy="Name the one to use")
    if isinstance(name, (int, np.integer)):
        matching = [segment for segment in segments if segment.label == name]
    else:
        matching = (
            [segment for segment in segments if name in (segment.name, segment.segment_id)]
            or [segment for segment in segments if loose_name(segment.name) == loose_name(name)]
            or [segment for segment in segments if name.strip() == str(segment.label)]
        )
    if not matching:
        raise InputError(f"it has no segment {name!r}", where=where, remedy=f"Choose one of: {names}")
    if len(matching) > 1:
        raise InputError(
            f"{len(matching)} segments are meant by {name!r} ({listed(segment.name for segment in matching)})",
            where=where,
            remedy="Give the name exactly, or rename them",
        )
    return matching[0]


def labeled(layers: np.ndarray, name: str | int | None, where: str) -> tuple[np.ndarray, int]:
    """The voxels of a label, and the label; see ``read_mask``.

    Args:
        layers: (layer, k, j, i).
    """
    if len(layers) > 1:
        raise InputError(f"it holds {len(layers)} volumes", where=where, remedy="Give one label image")
    values = layers[0]
    if values.dtype.kind == "f" and not np.all(np.isfinite(values) & (values == np.round(values))):
        raise InputError(
            "its values are no whole numbers, so it is no label image",
            where=where,
            remedy="Save it with whole numbers, as by a threshold",
        )
    labels = _labels(values)
    if not labels:
        raise InputError("it is empty", where=where, remedy="Draw the region, or choose another file")
    told = listed(str(label) for label in labels[:MAX_LABELS]) + (" ..." if len(labels) > MAX_LABELS else "")
    if name is None or name == "":
        if len(labels) > 1:
            raise InputError(f"it holds several labels ({told})", where=where, remedy="Give the label to use")
        return values == labels[0], labels[0]
    try:
        label = int(name)
    except ValueError:
        raise InputError(
            f"it is a label image without names, so {name!r} cannot be found",
            where=where,
            remedy=f"Give a label: {told}",
        ) from None
    if label not in labels:
        raise InputError(f"it has no label {label}", where=where, remedy=f"Choose one of: {told}")
    return values == label, label


def _labels(values: np.ndarray) -> list[int]:
    return [int(label) for label in np.unique(values) if label != 0]
