"""The two sub-regions as they might have been, had contours or alignment been a little different.

Outlines are signed distances; shifts and turns go by shape between slices (``shape_interpolation``), so that 1 mm
across 5 mm slices moves what it should. A change of GTVr moves the border between the two regions inside the GTV; where
GTVr reaches the GTV's outline and is not known beyond, it is thought to go on, or else a shift would open a gap of
GTVnr there that nobody drew.

Kinds after Zwanenburg et al. 2019 (Sci Rep 9:614: translation, rotation, volume change, contour randomization).
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from NPCResponseLib.errors import InputError

from ..subregions.shape_interpolation import ShapeField, shape_field

TRANSLATION, ROTATION, NOISE = "translation", "rotation", "boundary noise"
GTVR_DILATION, GTVR_EROSION = "GTVr dilation", "GTVr erosion"
GTV_DILATION, GTV_EROSION = "GTV dilation", "GTV erosion"
KINDS = {
    TRANSLATION: "GTVr shifted in the GTV in a random direction: error of the alignment",
    ROTATION: "GTVr turned about its center and a random axis: error of the alignment",
    GTVR_DILATION: "outline of GTVr moved outward in the GTV",
    GTVR_EROSION: "outline of GTVr moved inward",
    GTV_DILATION: "outline of GTV moved outward; what is added belongs to the nearest region",
    GTV_EROSION: "outline of GTV moved inward",
    NOISE: "outlines of GTV and of GTVr displaced by smooth random fields, one each",
}
MARGIN_MM = 3.0  # kept around the tumor beyond the largest displacement
FEWEST_VOXELS = 2  # of a region; fewer is no region to compute features of


@dataclass(frozen=True)
class PerturbationSizes:
    """How far. Ranges are (least, most).

    Attributes:
        translation_mm: the issue's registration error.
        rotation_deg: about any axis.
        margin_mm: of dilation and erosion.
        noise_sd_mm, noise_correlation_mm: standard deviation of the outline's displacement, and the distance over which
            it is alike (its correlation there is exp(-1/2)).
    """

    translation_mm: tuple[float, float] = (1.0, 2.0)
    rotation_deg: tuple[float, float] = (1.0, 3.0)
    margin_mm: tuple[float, float] = (0.5, 1.5)
    noise_sd_mm: float = 1.0
    noise_correlation_mm: float = 5.0

    def __post_init__(self):
        for name in ("translation_mm", "rotation_deg", "margin_mm"):
            low, high = getattr(self, name)
            if not 0 <= low <= high < math.inf:
                raise InputError(f"{name} must be a range from 0 up, found {low:g} to {high:g}", where="perturbation")
        for name in ("noise_sd_mm", "noise_correlation_mm"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be above 0, found {getattr(self, name):g}", where="perturbation")


@dataclass(frozen=True, eq=False)
class PerturbedRegions:
    """One perturbation.

    Attributes:
        kind: of ``KINDS``; number: from 0 within the kind; words: what was done, with its size.
        gtvr, gtvnr: bool KJI on the grid given; disjoint.
        changed_fraction: voxels that are in another region now (or in none), per voxel of the original GTV.
        problem: why there is nothing to compute features of ("" if there is): a region vanished.
    """

    kind: str
    number: int
    words: str
    gtvr: np.ndarray
    gtvnr: np.ndarray
    changed_fraction: float
    problem: str = ""


def perturbed_masks(
    gtv: np.ndarray,
    gtvr: np.ndarray,
    spacing_mm_kji: Sequence[float],
    kinds: Sequence[str] = tuple(KINDS),
    n: int = 5,
    seed: int = 0,
    *,
    sizes: PerturbationSizes | None = None,
) -> Iterator[PerturbedRegions]:
    """n perturbations of each kind, one after the other; the same for the same seed, whatever other kinds are asked.

    Sizes within a range are spread evenly over the n. Directions, axes and noise are random, in pairs of opposite sign,
    so that few perturbations favor no side.

    Args:
        gtv: the tumor; gtvr: the recurrent part, or the whole recurrence where it also lies outside. KJI, nonzero
            inside.
        spacing_mm_kji: of the voxels, slice spacing first.

    Raises:
        InputError: masks that are empty, of different shapes, without overlap or without rest; an unknown kind; n < 1.
    """
    names = _checked_kinds(kinds)
    if n < 1:
        raise InputError(f"{n} perturbations of each kind", where="perturbation", remedy="Give 1 or more")
    outlines = _Outlines(gtv, gtvr, spacing_mm_kji, sizes or PerturbationSizes())
    return _perturbations(outlines, names, n, seed)


def _checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f'"{kind}" is no perturbation', remedy=f"Choose among {', '.join(KINDS)}")
    if not kinds:
        raise InputError("no perturbation was chosen", remedy=f"Choose among {', '.join(KINDS)}")
    return tuple(dict.fromkeys(kinds))


def _perturbations(outlines: "_Outlines", kinds: Sequence[str], n: int, seed: int) -> Iterator[PerturbedRegions]:
    for kind in kinds:
        for number in range(n):
            rng = np.random.default_rng([seed, list(KINDS).index(kind), number // 2])
            share = 0.5 if n == 1 else number / (n - 1)
            yield outlines.perturbed(kind, number, share, rng)


@dataclass(frozen=True)
class _Box:
    """Voxels first to last - 1 along each axis; may reach beyond the image, where nothing is."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def around(cls, mask: np.ndarray, spacing: np.ndarray, sizes: PerturbationSizes) -> "_Box":
        """With room for the largest displacement."""
        found = np.nonzero(mask)
        extent_mm = float(np.linalg.norm([np.ptp(index) * step for index, step in zip(found, spacing, strict=True)]))
        turn_mm = math.radians(sizes.rotation_deg[1]) * extent_mm
        reach_mm = max(sizes.translation_mm[1], turn_mm, sizes.margin_mm[1], 4 * sizes.noise_sd_mm) + MARGIN_MM
        margin = [max(2, math.ceil(reach_mm / step)) for step in spacing]
        first = tuple(int(index.min()) - m for index, m in zip(found, margin, strict=True))
        last = tuple(int(index.max()) + 1 + m for index, m in zip(found, margin, strict=True))
        return cls(first, last, mask.shape)

    def cut(self, mask: np.ndarray) -> np.ndarray:
        part = np.zeros(np.subtract(self.last, self.first), bool)
        inside, here = self._common()
        part[here] = mask[inside]
        return part

    def placed(self, part: np.ndarray) -> np.ndarray:
        whole = np.zeros(self.shape, bool)
        inside, here = self._common()
        whole[inside] = part[here]
        return whole

    def in_image(self, part: np.ndarray) -> np.ndarray:
        """Without what lies beyond the image."""
        inside = np.zeros_like(part)
        here = self._common()[1]
        inside[here] = part[here]
        return inside

    def _common(self) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What lies in the image: in its indices, and in those of the box."""
        ends = [
            (max(first, 0), min(last, size))
            for first, last, size in zip(self.first, self.last, self.shape, strict=True)
        ]
        here = tuple(slice(low - first, high - first) for (low, high), first in zip(ends, self.first, strict=True))
        return tuple(slice(*end) for end in ends), here


class _Outlines:
    """Signed distances of the GTV and of the border between its two regions, in a box around the tumor."""

    def __init__(self, gtv: np.ndarray, gtvr: np.ndarray, spacing_mm_kji: Sequence[float], sizes: PerturbationSizes):
        self.spacing = _checked_spacing(spacing_mm_kji)
        tumor, recurrence = _checked_masks(gtv, gtvr)
        self.sizes = sizes
        self.box = _Box.around(tumor | recurrence, self.spacing, sizes)
        self.tumor, recurrence = self.box.cut(tumor), self.box.cut(recurrence)
        self.recurrent = self.tumor & recurrence
        self.n_tumor = int(self.tumor.sum())
        touches = ndimage.binary_dilation(self.recurrent) & ~self.tumor
        self.is_whole = bool((recurrence & ~self.tumor).any() or not touches.any())
        self.side = recurrence if self.is_whole else _continued(self.recurrent, self.tumor, self.spacing)
        self.tumor_mm = signed_distance_mm(self.tumor, self.spacing)
        self.side_mm = signed_distance_mm(self.side, self.spacing)
        self.center = np.argwhere(self.recurrent).mean(axis=0)

    def perturbed(self, kind: str, number: int, share: float, rng: np.random.Generator) -> PerturbedRegions:
        """Args:
        share: where in the range of sizes, 0 to 1.
        """
        sizes, tumor, side = self.sizes, self.tumor, self.side
        sign = 1 if number % 2 == 0 else -1
        if kind == TRANSLATION:
            length = _within(sizes.translation_mm, share)
            move = sign * length * _direction(rng)
            side = self.moved(np.eye(3), move)
            words = f"{length:.2f} mm: {move[0]:+.2f}, {move[1]:+.2f}, {move[2]:+.2f} mm along i, j, k"
        elif kind == ROTATION:
            angle, axis = _within(sizes.rotation_deg, share), sign * _direction(rng)
            side = self.moved(_rotation(axis, angle), np.zeros(3))
            words = f"{angle:.2f} degrees about {axis[0]:+.2f}, {axis[1]:+.2f}, {axis[2]:+.2f} (i, j, k)"
        elif kind == NOISE:
            tumor, side = (
                distance + sign * sizes.noise_sd_mm * self._noise(rng, sizes.noise_correlation_mm) > 0
                for distance in (self.tumor_mm, self.side_mm)
            )
            words = f"SD {sizes.noise_sd_mm:g} mm, correlation length {sizes.noise_correlation_mm:g} mm"
        else:
            margin = _within(sizes.margin_mm, share)
            moved = margin if kind in (GTVR_DILATION, GTV_DILATION) else -margin
            words = f"{moved:+.2f} mm"
            if kind in (GTVR_DILATION, GTVR_EROSION):
                side = self.side_mm + moved > 0
            else:
                tumor = self.tumor_mm + moved > 0
        return self._result(kind, number, words, tumor & side, tumor & ~side)

    def moved(self, rotation: np.ndarray, move_mm: np.ndarray) -> np.ndarray:
        """The recurrent side in the box, turned about the center of GTVr and moved; both along (i, j, k), in mm."""
        center_mm = (self.center * self.spacing)[::-1]
        motion = np.eye(4)
        motion[:3, :3] = rotation
        motion[:3, 3] = center_mm + move_mm - rotation @ center_mm
        grid = np.diag([*self.spacing[::-1], 1.0])
        field, plane_to_mm = self.side_field
        return field.on_grid(motion @ plane_to_mm, self.side.shape, grid, keep_volume=self.is_whole)[0]

    @functools.cached_property
    def side_field(self) -> tuple[ShapeField, np.ndarray]:
        """The recurrent side between its slices, and the 4x4 from (column, row, mm) in them to mm along (i, j, k)."""
        axis = int(np.argmax(self.spacing))
        order = [axis, *(n for n in range(3) if n != axis)]
        thickness_mm, *pixel_mm = (float(self.spacing[n]) for n in order)
        planes = np.pad(self.side.transpose(order), [(0, 0), (1, 1), (1, 1)])
        field = shape_field(planes, thickness_mm * np.arange(len(planes)), tuple(pixel_mm), thickness_mm)
        to_mm = np.zeros((4, 4))
        to_mm[3, 3] = 1
        for column, (n, step, margin) in enumerate(
            ((order[2], pixel_mm[1], 1), (order[1], pixel_mm[0], 1), (order[0], 1.0, 0))
        ):
            to_mm[2 - n, column], to_mm[2 - n, 3] = step, -margin * step
        # A side that goes on beyond the tumor is cut off by the box, so its volume says nothing.
        return field if self.is_whole else dataclasses.replace(field, level_mm=0.0), to_mm

    def _noise(self, rng: np.random.Generator, correlation_mm: float) -> np.ndarray:
        """Gaussian random field of unit variance with correlation exp(-(d / length)^2 / 2)."""
        # White noise under a Gaussian kernel of SD s correlates as exp(-d^2 / (4 s^2)).
        sigma = correlation_mm / math.sqrt(2) / self.spacing
        # Drawn larger than the box, so that its variance is the same up to the edge.
        margin = np.ceil(3 * sigma).astype(int)
        white = rng.standard_normal(np.array(self.tumor.shape) + 2 * margin)
        smooth = ndimage.gaussian_filter(white, sigma, truncate=3.0)
        impulse = [_kernel_norm(s) for s in sigma]
        inner = tuple(slice(m, m + size) for m, size in zip(margin, self.tumor.shape, strict=True))
        return smooth[inner] / math.prod(impulse)

    def _result(self, kind: str, number: int, words: str, gtvr: np.ndarray, gtvnr: np.ndarray) -> PerturbedRegions:
        rest = self.tumor & ~self.recurrent
        gtvr, gtvnr = self.box.in_image(gtvr), self.box.in_image(gtvnr)
        changed = np.count_nonzero((gtvr != self.recurrent) | (gtvnr != rest)) / self.n_tumor
        problems = [
            f"{name} has {int(mask.sum())} voxel{'' if mask.sum() == 1 else 's'}"
            for name, mask in (("GTVr", gtvr), ("GTVnr", gtvnr))
            if mask.sum() < FEWEST_VOXELS
        ]
        return PerturbedRegions(
            kind, number, words, self.box.placed(gtvr), self.box.placed(gtvnr), float(changed), " and ".join(problems)
        )


def signed_distance_mm(mask: np.ndarray, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """Distance of voxel centers to the mask's outline, positive inside; axes of the array.

    The outline runs half a voxel from the nearest center on the other side. All inside or all outside gives plus or
    minus infinity.
    """
    spacing = np.asarray(spacing_mm_kji, float)
    # Thick slices are cut into an odd number of thin ones, or the nearest center would not be in the nearest voxel.
    cuts = np.maximum(1, 2 * np.floor(spacing / spacing.min() / 2).astype(int) + 1)
    cuts[spacing < 1.5 * spacing.min()] = 1
    fine, step = mask, spacing / cuts
    for axis, count in enumerate(cuts):
        fine = np.repeat(fine, count, axis=axis)
    centers = tuple(slice(count // 2, None, count) for count in cuts)
    return np.where(mask, _distance_to(~fine, step)[centers], -_distance_to(fine, step)[centers])


def _distance_to(mask: np.ndarray, step_mm: np.ndarray) -> np.ndarray:
    """From each center outside the mask to the outline: the way to the nearest center in it less half a voxel."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    nearest = ndimage.distance_transform_edt(~mask, sampling=step_mm, return_distances=False, return_indices=True)
    squares, voxel_squares = np.zeros(mask.shape), np.zeros(mask.shape)
    for axis, step in enumerate(step_mm):
        index = np.arange(mask.shape[axis]).reshape([-1 if n == axis else 1 for n in range(mask.ndim)])
        way = (step * (nearest[axis] - index)) ** 2
        squares += way
        voxel_squares += way * step**2
    length = np.sqrt(squares)
    # The voxel's size along that way, by an ellipsoid with its three edges as axes.
    size = np.sqrt(np.divide(voxel_squares, squares, out=np.zeros_like(squares), where=squares > 0))
    return np.maximum(length - size / 2, 0)


def _continued(part: np.ndarray, tumor: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The part with everything outside the tumor that is nearest to it."""
    nearest = ndimage.distance_transform_edt(~tumor, sampling=spacing, return_distances=False, return_indices=True)
    return part[tuple(nearest)]


def _checked_spacing(spacing_mm_kji: Sequence[float]) -> np.ndarray:
    spacing = np.asarray(spacing_mm_kji, float)
    if spacing.shape != (3,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise InputError("the voxel spacing must be three positive numbers", where="perturbation")
    return spacing


def _checked_masks(gtv: np.ndarray, gtvr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tumor, recurrence = np.asarray(gtv) != 0, np.asarray(gtvr) != 0
    if tumor.shape != recurrence.shape or tumor.ndim != 3:
        raise InputError(f"GTV has shape {tumor.shape} and GTVr {recurrence.shape}", where="perturbation")
    if not tumor.any():
        raise InputError("GTV is empty", where="perturbation")
    if not (tumor & recurrence).any():
        raise InputError("no voxel of GTVr lies in GTV", where="perturbation", remedy="Check the alignment")
    if not (tumor & ~recurrence).any():
        raise InputError("GTVr covers the whole GTV, so there is no GTVnr", where="perturbation")
    return tumor, recurrence


def _within(limits: tuple[float, float], share: float) -> float:
    return limits[0] + share * (limits[1] - limits[0])


def _direction(rng: np.random.Generator) -> np.ndarray:
    """Uniform on the sphere."""
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _rotation(axis: np.ndarray, angle_deg: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = math.radians(angle_deg)
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def _kernel_norm(sigma: float) -> float:
    """SD of white noise of unit variance after the filter along one axis."""
    reach = int(3.0 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return float(np.linalg.norm(kernel / kernel.sum()))
