"""The recurrent and the non-recurrent part of a tumor, both on the pre-treatment scan.

GTVr is the part of the gross tumor volume in which the tumor came back, GTVnr = GTV - GTVr the rest (Akram et al.,
PLoS One 2020; 15: e0240043, Methods). The recurrence is drawn on a later scan and carried over (``carry_mask``); what
of it lies outside the GTV belongs to neither and is reported.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.overlap import SegmentationOverlap, compare_masks

from .carried_mask import CarriedMask, carry, carry_mask

__all__ = ["GTV", "GTVNR", "GTVR", "CarriedMask", "Islands", "SubRegions", "carry", "carry_mask", "divide"]

GTV, GTVR, GTVNR = "GTV", "GTVr", "GTVnr"
# Pieces smaller than this are counted also where no rule is asked for.
COUNTED_ISLAND_MM3 = 50.0
# Fewer voxels carry no texture to speak of.
FEW_VOXELS = 100
# A recurrence of which this share lies outside the tumor is either no local recurrence or badly aligned.
MUCH_OUTSIDE = 0.5
_TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class Islands:
    """Small pieces of the two sub-regions, and what became of them.

    Attributes:
        minimum_mm3: pieces below this were moved; 0 if none were to be moved.
        n_to_gtvr, voxels_to_gtvr: pieces and voxels of GTVnr that became GTVr.
        n_to_gtvnr, voxels_to_gtvnr: the other way round.
        n_left: small pieces that stayed, because they touch no other sub-region, or because no rule was asked for.
        rule: all of it in words.
    """

    minimum_mm3: float
    n_to_gtvr: int
    voxels_to_gtvr: int
    n_to_gtvnr: int
    voxels_to_gtvnr: int
    n_left: int
    rule: str


@dataclass(frozen=True, eq=False)
class SubRegions:
    """A tumor divided in two.

    Attributes:
        masks: "GTV", "GTVr" (inside the GTV), "GTVnr"; bool KJI. GTVr and GTVnr are disjoint and make up GTV.
        volumes_cm3: of the three.
        gtvr_fraction: GTVr / GTV.
        gtvr_outside: bool KJI, the part of the recurrence outside the GTV; with its volume and its share of the
            whole recurrence.
        farthest_outside_mm: how far from the GTV that part reaches, between voxel centers.
        overlap: GTV against the whole recurrence, with Dice, Jaccard and surface distances.
        islands: small pieces, and the rule.
        warnings: sentences.
    """

    masks: dict[str, np.ndarray]
    volumes_cm3: dict[str, float]
    gtvr_fraction: float
    gtvr_outside: np.ndarray
    gtvr_outside_cm3: float
    gtvr_outside_fraction: float
    farthest_outside_mm: float
    overlap: SegmentationOverlap
    islands: Islands
    warnings: tuple[str, ...] = field(default=())

    @property
    def dice(self) -> float:
        return self.overlap.dice

    @property
    def jaccard(self) -> float:
        return self.overlap.jaccard

    @property
    def hausdorff_mm(self) -> float:
        return self.overlap.hausdorff_mm


def divide(gtv: np.ndarray, gtvr: np.ndarray, ijk_to_ras: np.ndarray, *, minimum_island_mm3: float = 0.0) -> SubRegions:
    """Divide a tumor into the part that recurred and the rest.

    Rule for islands, if ``minimum_island_mm3`` is above 0: first pieces of GTVnr (voxels that touch at a face, edge or
    corner) smaller than this become GTVr if they touch it, then pieces of GTVr likewise become GTVnr. The largest piece
    of each stays. Off by default: then the regions are exactly those of the paper, and small pieces are only counted.

    Args:
        gtv: tumor before treatment; gtvr: the whole recurrence, carried over. KJI on one grid, nonzero inside.
        ijk_to_ras: 4x4 of that grid.

    Raises:
        InputError: a mask is empty or of another shape, the recurrence lies wholly outside the tumor, or covers it.
    """
    tumor, recurrence, spacing_kji = _checked(gtv, gtvr, ijk_to_ras)
    if not (math.isfinite(minimum_island_mm3) and minimum_island_mm3 >= 0):
        raise InputError(f"the smallest island must be 0 or more mm3, found {minimum_island_mm3}", where="sub-regions")
    voxel_mm3 = abs(float(np.linalg.det(np.asarray(ijk_to_ras, float)[:3, :3])))
    whole, box = tumor, _box_around(tumor | recurrence)
    tumor, recurrence = tumor[box], recurrence[box]  # what follows takes time in proportion
    inside, outside = tumor & recurrence, recurrence & ~tumor
    if not inside.any():
        raise _apart(tumor, recurrence, spacing_kji)
    rest = tumor & ~recurrence
    if not rest.any():
        raise InputError(
            "GTVr covers the whole GTV, so there is no GTVnr to compare it with",
            where="sub-regions",
            remedy="Check the alignment and both contours; such a patient has no pair of sub-regions",
        )
    inside, rest, islands = _without_islands(inside, rest, voxel_mm3, float(minimum_island_mm3))
    masks = {GTV: whole, GTVR: _put_back(inside, box, whole.shape), GTVNR: _put_back(rest, box, whole.shape)}
    result = SubRegions(
        masks=masks,
        volumes_cm3={name: float(mask.sum() * voxel_mm3 / 1000) for name, mask in masks.items()},
        gtvr_fraction=float(inside.sum() / tumor.sum()),
        gtvr_outside=_put_back(outside, box, whole.shape),
        gtvr_outside_cm3=float(outside.sum() * voxel_mm3 / 1000),
        gtvr_outside_fraction=float(outside.sum() / recurrence.sum()),
        farthest_outside_mm=_farthest_mm(tumor, outside, spacing_kji),
        overlap=compare_masks(tumor, recurrence, spacing_kji),
        islands=islands,
    )
    object.__setattr__(result, "warnings", _warnings(result))
    return result


def _checked(gtv, gtvr, ijk_to_ras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tumor, recurrence = np.asarray(gtv) != 0, np.asarray(gtvr) != 0
    if tumor.shape != recurrence.shape or tumor.ndim != 3:
        raise InputError(
            f"GTV has shape {tumor.shape} and GTVr {recurrence.shape}",
            where="sub-regions",
            remedy="Carry both to the grid of the pre-treatment image",
        )
    for mask, name in ((tumor, "GTV"), (recurrence, "GTVr")):
        if not mask.any():
            raise InputError(f"{name} is empty", where="sub-regions", remedy="Draw it, or choose another segment")
    spacing_kji = np.linalg.norm(np.asarray(ijk_to_ras, float)[:3, :3], axis=0)[::-1]
    return tumor, recurrence, spacing_kji


def _box_around(mask: np.ndarray) -> tuple[slice, ...]:
    """With a voxel of margin where there is one."""
    along = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(max(found[0] - 1, 0), found[-1] + 2) for found in along)


def _put_back(part: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[box] = part
    return mask


def _apart(tumor: np.ndarray, recurrence: np.ndarray, spacing_kji: np.ndarray) -> InputError:
    points = [np.argwhere(mask) * spacing_kji for mask in (tumor, recurrence)]
    nearest_mm = float(cKDTree(points[0]).query(points[1])[0].min())
    return InputError(
        f"GTVr lies wholly outside GTV, {nearest_mm:.1f} mm from it at the nearest",
        where="sub-regions",
        remedy="Check the alignment and the contours; a recurrence elsewhere has no sub-region in the first tumor",
    )


def _farthest_mm(tumor: np.ndarray, outside: np.ndarray, spacing_kji: np.ndarray) -> float:
    if not outside.any():
        return 0.0
    border = tumor & ~ndimage.binary_erosion(tumor)
    return float(cKDTree(np.argwhere(border) * spacing_kji).query(np.argwhere(outside) * spacing_kji)[0].max())


# -- islands --


def _without_islands(
    inside: np.ndarray, rest: np.ndarray, voxel_mm3: float, minimum_mm3: float
) -> tuple[np.ndarray, np.ndarray, Islands]:
    """GTVr and GTVnr after the rule."""
    if minimum_mm3 == 0:
        n_small = sum(len(_small_pieces(mask, COUNTED_ISLAND_MM3 / voxel_mm3)[0]) for mask in (inside, rest))
        rule = f"Islands are left as they are; {_pieces(n_small)} below {COUNTED_ISLAND_MM3:g} mm3."
        return inside, rest, Islands(0.0, 0, 0, 0, 0, n_small, rule)
    most = minimum_mm3 / voxel_mm3
    to_gtvr, n_to_gtvr, left_gtvnr = _given_away(rest, inside, most)
    inside, rest = inside | to_gtvr, rest & ~to_gtvr
    to_gtvnr, n_to_gtvnr, left_gtvr = _given_away(inside, rest, most)
    inside, rest = inside & ~to_gtvnr, rest | to_gtvnr
    voxels_to_gtvr, voxels_to_gtvnr = int(to_gtvr.sum()), int(to_gtvnr.sum())
    rule = (
        f"Pieces below {minimum_mm3:g} mm3 (26-connected) went to the other sub-region where they touch it, the "
        f"largest piece of each stays: {_pieces(n_to_gtvr)} ({voxels_to_gtvr} voxels) of GTVnr to GTVr, "
        f"{_pieces(n_to_gtvnr)} ({voxels_to_gtvnr} voxels) of GTVr to GTVnr; {_pieces(left_gtvnr + left_gtvr)} left "
        "that touch neither."
    )
    counts = (n_to_gtvr, voxels_to_gtvr, n_to_gtvnr, voxels_to_gtvnr, left_gtvnr + left_gtvr)
    return inside, rest, Islands(minimum_mm3, *counts, rule)


def _given_away(region: np.ndarray, other: np.ndarray, most_voxels: float) -> tuple[np.ndarray, int, int]:
    """Small pieces of a region that touch the other one, how many, and how many small ones touch nothing."""
    small, labels = _small_pieces(region, most_voxels)
    beside = ndimage.binary_dilation(other, structure=_TOUCHING) & region
    touching = np.intersect1d(small, np.unique(labels[beside]))
    return np.isin(labels, touching) & region, len(touching), len(small) - len(touching)


def _small_pieces(mask: np.ndarray, most_voxels: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the pieces with fewer voxels than that, except the largest piece, and the label image."""
    labels, n_pieces = ndimage.label(mask, structure=_TOUCHING)
    sizes = np.bincount(labels.ravel(), minlength=n_pieces + 1)[1:]
    small = 1 + np.flatnonzero(sizes < most_voxels - 1e-9)
    return small[small != 1 + np.argmax(sizes)], labels


def _pieces(n: int) -> str:
    return f"{n} piece" if n == 1 else f"{n} pieces"


def _warnings(result: SubRegions) -> tuple[str, ...]:
    found = []
    if result.gtvr_outside_fraction > MUCH_OUTSIDE:
        found.append(
            f"{result.gtvr_outside_fraction:.0%} of the recurrence lies outside GTV, up to "
            f"{result.farthest_outside_mm:.0f} mm from it: check the alignment."
        )
    for name in (GTVR, GTVNR):
        n_voxels = int(result.masks[name].sum())
        n_slices = int(result.masks[name].any(axis=(1, 2)).sum())
        if n_voxels < FEW_VOXELS:
            found.append(f"{name} has only {n_voxels} voxels: its texture tells little.")
        elif n_slices == 1:
            found.append(f"{name} is in one slice only.")
    if any(result.masks[GTV].any(axis=axes)[edge] for axes in ((1, 2), (0, 2), (0, 1)) for edge in (0, -1)):
        found.append("GTV reaches the border of the image: part of the tumor may be missing.")
    return tuple(found)
