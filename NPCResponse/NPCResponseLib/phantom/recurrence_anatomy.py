"""Anatomy of the sub-region study: a large (T4) tumor, what comes back of it, and points to find in both scans."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .anatomy import Anatomy, Ellipsoid, Part, healthy_anatomy, shape_mask
from .grid import PhantomGrid, rotation_about

PIVOT_RAS = (0.0, -25.0, -20.0)  # the head turns about the upper spine
STEP_MM = 1.0  # of the points that volumes and the truths of sub-regions are counted on
NECK_BELOW_S, NECK_BEHIND_A = -29.0, 5.0  # centers of shapes that bend with the neck; the jaw does not
COARSE_STEP_MM = 2.0  # of those that a place is chosen by
N_TRIES = 150

# Fills the nasopharynx and grows into the right parapharyngeal space, the clivus, the sphenoid and the skull: T4.
_T4_TUMOR = (
    Ellipsoid((4, -6, 3), (20, 13, 19)),
    Ellipsoid((26, -2, -3), (12, 14, 15), yaw_deg=-15),
    Ellipsoid((3, -5, 22), (15, 11, 13)),
    Ellipsoid((14, 1, 29), (11, 10, 10)),
)
_T4_BASE_RAS = (6.0, -5.0, 6.0)
_NODES = (
    Part("node_right", Ellipsoid((41, -15, -47), (9, 8, 13))),
    Part("node_left", Ellipsoid((-41, -14, -42), (6, 5.5, 9))),
)


@dataclass(frozen=True, eq=False)
class Disease:
    """A tumor and the part of it that comes back.

    Attributes:
        tumor: shapes whose union is GTV.
        recurrence: GTVr, in the place where it lay at the first scan.
        points_ras: (n, 3), STEP_MM apart, all points of GTV and GTVr.
        in_gtv, in_gtvr: (n,) boolean.
    """

    tumor: tuple[Ellipsoid, ...]
    recurrence: Ellipsoid
    points_ras: np.ndarray
    in_gtv: np.ndarray
    in_gtvr: np.ndarray

    @property
    def volumes_cm3(self) -> dict[str, float]:
        """Of the shapes: GTV, GTVr (whole), GTVr inside and outside GTV, GTVnr; good to 0.5 %."""
        parts = {
            "GTV": self.in_gtv,
            "GTVr": self.in_gtvr,
            "GTVr inside GTV": self.in_gtv & self.in_gtvr,
            "GTVr outside GTV": self.in_gtvr & ~self.in_gtv,
            "GTVnr": self.in_gtv & ~self.in_gtvr,
        }
        return {name: float(np.count_nonzero(inside)) * STEP_MM**3 / 1000 for name, inside in parts.items()}

    def before(self) -> Anatomy:
        """Before treatment."""
        return _painted(*(Part("viable_tumor", shape) for shape in self.tumor), *_NODES)

    def at_recurrence(self, neck_deg: float = 0.0) -> Anatomy:
        """Tumor and nodes are gone, but for GTVr; the neck bent against the head by an angle."""
        return _painted(Part("viable_tumor", self.recurrence), neck_deg=neck_deg)


def _painted(*parts: Part, neck_deg: float = 0.0) -> Anatomy:
    healthy = healthy_anatomy()
    outline, healthy_parts = healthy.outline, healthy.parts
    if neck_deg:
        outline = tuple(_bent(shape, neck_deg) for shape in outline)
        healthy_parts = tuple(replace(part, shape=_bent(part.shape, neck_deg)) for part in healthy_parts)
    return Anatomy(outline=outline, parts=(*healthy_parts, *parts))


def _bent(shape: Ellipsoid, neck_deg: float) -> Ellipsoid:
    """A shape of the neck where it is when the neck is bent about PIVOT_RAS; shapes of the head stay."""
    _, anterior, superior = shape.center_ras
    if superior > NECK_BELOW_S or anterior > NECK_BEHIND_A:
        return shape
    pivot = np.array(PIVOT_RAS)
    center = pivot + rotation_about(neck_deg, 0, 0) @ (np.array(shape.center_ras) - pivot)
    return replace(shape, center_ras=tuple(center.tolist()), pitch_deg=shape.pitch_deg + neck_deg)


def t4_tumor(*, size: float = 1.0, left: bool = False) -> tuple[Ellipsoid, ...]:
    """Shapes of the tumor, 40 cm3 at size 1; diameters scale with the size.

    Args:
        left: grown to the left instead of the right.
    """
    if not 0.5 <= size <= 1.3:
        raise InputError(f"the tumor of the phantom takes a size from 0.5 to 1.3, found {size:g}", where="phantom")
    shapes = (shape.scaled_about(_T4_BASE_RAS, size) for shape in _T4_TUMOR)
    return tuple(shape.mirrored() if left else shape for shape in shapes)


def recurrent_part(tumor: tuple[Ellipsoid, ...], share: float, outside: float, rng: np.random.Generator) -> Ellipsoid:
    """An ellipsoid within a tumor that reaches out of it.

    Args:
        share: its volume, as a fraction of the tumor's.
        outside: how much of its own volume lies outside the tumor, met as well as N_TRIES random places allow.
    """
    grid = _grid_around(tumor, COARSE_STEP_MM)
    inside = _centers_ras(_union(tumor, grid), grid)
    volume_mm3 = share * len(inside) * COARSE_STEP_MM**3
    best, best_error = None, np.inf
    for _ in range(N_TRIES):
        radii = np.exp(rng.uniform(-0.2, 0.2, 3))
        radii *= (volume_mm3 / (4 / 3 * math.pi * radii.prod())) ** (1 / 3)
        center = inside[rng.integers(len(inside))]
        shape = Ellipsoid(tuple(center), tuple(radii), float(rng.uniform(-30, 30)), float(rng.uniform(-60, 60)))
        within = np.count_nonzero(shape.contains(inside)) * COARSE_STEP_MM**3 / volume_mm3
        if abs(1 - within - outside) < best_error:
            best, best_error = shape, abs(1 - within - outside)
        if best_error < 0.01:
            break
    return best


def disease_of(tumor: tuple[Ellipsoid, ...], recurrence: Ellipsoid) -> Disease:
    grid = _grid_around((*tumor, recurrence), STEP_MM)
    in_gtv, in_gtvr = _union(tumor, grid), shape_mask(recurrence, grid)
    either = in_gtv | in_gtvr
    return Disease(tumor, recurrence, _centers_ras(either, grid), in_gtv[either], in_gtvr[either])


def _grid_around(shapes: tuple[Ellipsoid, ...], step_mm: float) -> PhantomGrid:
    """Cubic voxels over a box that holds the shapes."""
    corners = np.concatenate([shape.bounding_corners_ras for shape in shapes])
    ijk_to_ras = np.diag([step_mm, step_mm, step_mm, 1.0])
    ijk_to_ras[:3, 3] = corners.min(axis=0)
    size = np.ceil(np.ptp(corners, axis=0) / step_mm).astype(int) + 1
    return PhantomGrid(tuple(size[::-1].tolist()), ijk_to_ras, slice_thickness_mm=step_mm)


def _union(shapes: tuple[Ellipsoid, ...], grid: PhantomGrid) -> np.ndarray:
    return np.any([shape_mask(shape, grid) for shape in shapes], axis=0)


def _centers_ras(mask: np.ndarray, grid: PhantomGrid) -> np.ndarray:
    return np.argwhere(mask)[:, ::-1] @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]


def pose(rotation: np.ndarray, translation_mm: np.ndarray) -> np.ndarray:
    """4x4 that turns the head about PIVOT_RAS (3x3 rotation) and shifts it ((3,) along R, A, S)."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = np.array(PIVOT_RAS) + translation_mm - rotation @ np.array(PIVOT_RAS)
    return matrix
