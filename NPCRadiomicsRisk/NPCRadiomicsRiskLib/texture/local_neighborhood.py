"""Sliding box neighborhoods over a tumor: what all local features share.

The neighborhood of a tumor voxel is the box of 2 r + 1 voxels a side around it, of which only the tumor's voxels take
part (PyRadiomics' voxel-based extraction with ``maskedKernel``: docs "voxel-based", settings ``kernelRadius``,
``maskedKernel``). The radius may differ by axis, so that the box can be nearly a cube in mm on thick slices; radius 0
along an axis keeps the neighborhood in that plane.

Everything works on the tumor's bounding box with a margin of one radius, and hands the work on in chunks of voxels, so
that memory depends neither on the size of the image nor on that of the tumor.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from NPCResponseLib.errors import InputError

# Half of the 26 neighbors at distance 1, as steps along K, J, I: each pair of neighbors is met once.
DIRECTIONS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
CHUNK_BYTES = 24 * 2**20  # of the largest array in one chunk; a few of them live at a time
LARGEST_LEVEL = 65_535
LARGEST_BOX = 2**15  # voxels; the place in the box and the level share a code of 32 bits

Radius = int | tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Neighborhoods:
    """A tumor cut out with a margin, and where its voxels are.

    Attributes:
        mask: (K, J, I) of the cut-out, with a margin of the radius on every side.
        levels: gray levels (int64) of the cut-out, 0 outside the tumor; None where only intensities are asked for.
        radius_kji: half-width of the box in voxels.
        coordinates: (3, n) of the tumor's voxels in the cut-out, in C order, as in ``image[tumor_mask]``.
    """

    mask: np.ndarray
    levels: np.ndarray | None
    radius_kji: tuple[int, int, int]
    coordinates: np.ndarray

    @property
    def n_voxels(self) -> int:
        return self.coordinates.shape[1]

    @property
    def box(self) -> tuple[int, int, int]:
        """Voxels of a neighborhood along K, J, I."""
        return tuple(2 * radius + 1 for radius in self.radius_kji)

    @property
    def largest_level(self) -> int:
        return int(self.levels.max())

    def at_voxels(self, image: np.ndarray) -> np.ndarray:
        """Values (n,) of an image of the cut-out at the tumor's voxels."""
        return image[tuple(self.coordinates)]

    def box_sum(self, image: np.ndarray, step: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
        """Sum (n,) of ``image`` over each neighborhood.

        With a step, ``image`` holds a value per pair (x, x + step) at its first voxel x, and only pairs that have both
        ends in the box are summed.
        """
        sums = image
        low = []
        for axis, (radius, along) in enumerate(zip(self.radius_kji, step, strict=True)):
            sums = sliding_sum(sums, 2 * radius + 1 - abs(along), axis)
            low.append(radius - max(0, -along))
        first = [index - offset for index, offset in zip(self.coordinates, low, strict=True)]
        return sums[tuple(first)]

    def boxes(self, image: np.ndarray, step: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
        """A view (positions..., k, j, i) of ``image``: the values that :meth:`box_sum` sums, for :meth:`gather`."""
        return sliding_window_view(image, [2 * r + 1 - abs(s) for r, s in zip(self.radius_kji, step, strict=True)])

    def gather(self, boxes: np.ndarray, rows: slice, step: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
        """Values (rows, voxels of the box) around some of the tumor's voxels."""
        first = tuple(
            index[rows] - radius + max(0, -along)
            for index, radius, along in zip(self.coordinates, self.radius_kji, step, strict=True)
        )
        return boxes[first].reshape(len(first[0]), -1)

    def chunks(self, bytes_per_voxel: int) -> Iterator[slice]:
        """Slices of the tumor's voxels, small enough that an array of so many bytes a voxel stays small."""
        size = max(1, CHUNK_BYTES // max(1, bytes_per_voxel))
        return (slice(start, min(start + size, self.n_voxels)) for start in range(0, self.n_voxels, size))

    def steps(self) -> list[tuple[int, int, int]]:
        """Directions along which the box has any pair of neighbors."""
        return [d for d in DIRECTIONS if all(r or not s for r, s in zip(self.radius_kji, d, strict=True))]

    def pair_ends(self, image: np.ndarray, step: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """``image`` at x and at x + step, both in the shape of the cut-out.

        Values wrap at the margin, which no neighborhood takes a pair from that has both ends in the tumor.
        """
        return image, np.roll(image, [-s for s in step], axis=(0, 1, 2))


@dataclass(frozen=True, eq=False)
class LocalFeatures(Mapping):
    """Local features of a tumor: a value per voxel and feature; as a mapping, name to map on the whole image.

    A map is made when it is asked for (float32, 0 outside the tumor), so that a dozen of them on a large image do not
    fill the memory.

    Attributes:
        columns: name to values (n,), float64, in the order of ``image[tumor_mask]``. NaN where ``undefined`` says why.
        tumor_mask: boolean KJI of the whole image.
        radius_kji: half-width of the neighborhood in voxels.
        undefined: name to the reason why some of its values are NaN.
    """

    columns: dict[str, np.ndarray]
    tumor_mask: np.ndarray
    radius_kji: tuple[int, int, int]
    undefined: dict[str, str]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.map_of(self.columns[name])

    def __iter__(self):
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def map_of(self, values: np.ndarray, *, outside: float = 0.0, dtype=np.float32) -> np.ndarray:
        """A value per tumor voxel (n,) as an image of the whole grid."""
        image = np.full(self.tumor_mask.shape, outside, dtype)
        image[self.tumor_mask] = values
        return image

    def joined(self, other: "LocalFeatures") -> "LocalFeatures":
        """Features of both, of the same tumor and radius."""
        columns = {**self.columns, **other.columns}
        undefined = {**self.undefined, **other.undefined}
        return LocalFeatures(columns, self.tumor_mask, self.radius_kji, undefined)


def sliding_sum(image: np.ndarray, width: int, axis: int) -> np.ndarray:
    """Sums over ``width`` neighbors along an axis, shorter by ``width - 1``.

    Sums of doubled windows are added, log2(width) passes: exact for integers, and for floats without the drift that
    the differences of a cumulative sum have.
    """

    def cut(array, start, size):
        index = [slice(None)] * array.ndim
        index[axis] = slice(start, start + size)
        return array[tuple(index)]

    length = image.shape[axis] - width + 1
    total, taken, doubled, doubled_width = None, 0, image, 1
    while True:
        if width & doubled_width:
            part = cut(doubled, taken, length)
            total = part if total is None else total + part
            taken += doubled_width
        if taken == width:
            return total
        size = doubled.shape[axis] - doubled_width
        doubled = cut(doubled, 0, size) + cut(doubled, doubled_width, size)
        doubled_width *= 2


def radius_per_axis(radius: Radius) -> tuple[int, int, int]:
    """Radius along K, J, I in voxels.

    Raises:
        InputError: not whole numbers, negative ones, or 0 along every axis.
    """
    values = tuple(np.atleast_1d(radius).tolist())
    values = values * 3 if len(values) == 1 else values
    whole = len(values) == 3 and all(not isinstance(v, bool) and v == int(v) and v >= 0 for v in values)
    if not whole or not any(values):
        raise InputError(
            f"a neighborhood of radius {radius} voxels is none",
            remedy="Give a whole number of at least 1, or one number for slices, rows and columns each, not all 0",
        )
    if np.prod([2.0 * v + 1 for v in values]) > LARGEST_BOX:
        raise InputError(
            f"a neighborhood of radius {radius} voxels has more than {LARGEST_BOX} voxels",
            remedy="Give a smaller radius, or compute the features of the whole region",
        )
    return tuple(int(v) for v in values)


def neighborhoods(tumor_mask: np.ndarray, radius: Radius, levels: np.ndarray | None = None) -> Neighborhoods:
    """Cut a tumor out with the margin that its neighborhoods need.

    Args:
        tumor_mask: boolean or 0/1, KJI.
        radius: half-width of the box in voxels; one number, or one along K, J and I each.
        levels: gray levels of the same shape, whole numbers from 1; outside the tumor they do not matter.

    Raises:
        InputError: empty or non-3-D mask, other shape, levels that are no positive whole numbers.
    """
    inside = np.asarray(tumor_mask) != 0
    if inside.ndim != 3:
        raise InputError(f"the tumor's mask has {inside.ndim} dimensions", remedy="Give a mask of a 3-D image")
    radius_kji = radius_per_axis(radius)
    if not inside.any():
        raise InputError("the tumor's mask is empty", remedy="Draw the tumor, or choose another segment")
    spans = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    cut = tuple(slice(span[0], span[-1] + 1) for span in spans)
    # A step of 1 beyond the box is needed even where the radius is 0, so that pairs wrap into the margin only.
    margin = [(max(r, 1), max(r, 1)) for r in radius_kji]
    mask = np.pad(inside[cut], margin)
    cut_levels = None
    if levels is not None:
        values = np.asarray(levels)
        if values.shape != inside.shape:
            raise InputError(
                f"gray levels of shape {values.shape} do not fit the mask of shape {inside.shape}",
                remedy="Quantize the image that the tumor was drawn on",
            )
        cut_levels = np.pad(checked_levels(np.where(inside[cut], values[cut], 1)), margin) * mask
    return Neighborhoods(mask, cut_levels, radius_kji, np.array(np.nonzero(mask)))


def checked_levels(values: np.ndarray) -> np.ndarray:
    """Gray levels as int64.

    Raises:
        InputError: NaN, fractions, below 1 or too many.
    """
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values) or whole.min() < 1 or whole.max() > LARGEST_LEVEL:
        raise InputError(
            f"gray levels in the tumor are not all whole numbers from 1 to {LARGEST_LEVEL}",
            remedy="Quantize the image first",
        )
    return whole


def image_of(neighborhood: Neighborhoods, image: np.ndarray, tumor_mask: np.ndarray) -> np.ndarray:
    """Another image (KJI, the shape of the mask) cut out like the neighborhoods; float64, 0 outside the tumor."""
    cut_out = np.zeros(neighborhood.mask.shape)
    cut_out[neighborhood.mask] = np.asarray(image)[np.asarray(tumor_mask) != 0]
    return cut_out
