"""A digital phantom of a nasopharyngeal carcinoma before and after treatment: images whose truth is known.

Three separate parts, so that further contrasts share one geometry:

* anatomy: named regions made of analytic shapes in RAS millimeters, labeled on any grid (:class:`Anatomy`);
* tissue: what each region is made of at a time point, as a table (:func:`tissue_table`);
* acquisition: what a scanner makes of it (:func:`simulate_bold`).

All of it is synthetic. The geometry is drawn by hand to look like a nasopharynx study and belongs to no person; of the
tissue values only the tumor's R2* follows published group means, the others are plausible at 3 T and no more.
"""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .echo_series import EchoSeries
from .echo_times import validate_echo_times
from .errors import InputError

# Protocol of Xu et al., BMC Medical Imaging 2023;23:69: axial five-echo gradient echo at 3.0 T, 5 mm slices with a gap
# of 1 mm, field of view 360 mm x 270 mm, matrix 256 x 218.
BOLD_ECHO_TIMES_MS = (6.71, 13.42, 20.13, 26.84, 33.55)
FIELD_STRENGTH_T = 3.0
SLICE_THICKNESS_MM = 5.0
SLICE_SPACING_MM = 6.0
PIXEL_SPACING_MM_JI = (270 / 218, 360 / 256)

GYROMAGNETIC_RATIO_HZ_PER_T = 42.577478e6
HZ_PER_MM_PER_UT_PER_M = GYROMAGNETIC_RATIO_HZ_PER_T * 1e-6 / 1000
GRADIENT_DECAY_LENGTH_MM = 15.0  # distance from the airway at which the field gradient is down to 1/e; synthetic
FIELD_STEP_MM = 2.0  # of the integral that gives the off-resonance
NEWTON_STEPS = 6

# Label values of a region are its position here. "air" is outside the body; the tumor's outline is viable tumor and
# necrosis together (see Anatomy and PhantomAcquisition.region_mask).
REGION_NAMES = (
    "air",
    "fat",
    "muscle",
    "bone",
    "marrow",
    "brain",
    "brainstem",
    "fluid",
    "mucosa",
    "gland",
    "vessel",
    "sinus",
    "airway",
    "viable_tumor",
    "necrosis",
    "node_left",
    "node_right",
)
# What a radiologist would draw or exclude; every name is good for PhantomAcquisition.region_mask.
SEGMENT_NAMES = ("tumor", "necrosis", "airway", "node_left", "node_right")
COMPOSITE_REGIONS = {"tumor": ("viable_tumor", "necrosis")}


class TimePoint(enum.Enum):
    """Before chemoradiotherapy, or after it (R2* as within a week of its end, size as at three months)."""

    PRE = "pre"
    POST = "post"


class Response(enum.Enum):
    """Whether the tumor shrinks by a partial response of RECIST 1.1 (responder) or stays stable."""

    RESPONDER = "responder"
    NON_RESPONDER = "non-responder"


# ---------------------------------------------------------------------------------------------------------------------
# Grids
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PhantomGrid:
    """Where the voxels are.

    Attributes:
        shape_kji: slices, rows, columns.
        ijk_to_ras: 4x4, voxel index (i, j, k) to RAS millimeters; axes at right angles, of either handedness.
        slice_thickness_mm: excited thickness, at most the spacing of the slices when there is a gap.

    Raises:
        InputError: a shape without voxels, axes that are not at right angles, a thickness that is not positive.
    """

    shape_kji: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    slice_thickness_mm: float = SLICE_THICKNESS_MM

    def __post_init__(self):
        axes = self.ijk_to_ras[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if len(self.shape_kji) != 3 or min(self.shape_kji) < 1:
            raise InputError(f"a grid needs slices, rows and columns, found {tuple(self.shape_kji)}")
        if not (lengths.all() and np.allclose((axes / lengths).T @ (axes / lengths), np.eye(3), atol=1e-6)):
            raise InputError("the axes of the grid are not at right angles", remedy="Give a rotation and spacings")
        if not self.slice_thickness_mm > 0:
            raise InputError(f"the slice thickness must be positive, found {self.slice_thickness_mm:g} mm")

    @classmethod
    def axial(
        cls,
        shape_kji: tuple[int, int, int],
        spacing_mm_kji: tuple[float, float, float],
        *,
        center_ras: Sequence[float] = (0.0, 4.0, -14.0),
        tilt_deg: Sequence[float] = (0.0, 0.0, 0.0),
        slice_thickness_mm: float = SLICE_THICKNESS_MM,
    ) -> "PhantomGrid":
        """Slices from feet to head, rows from front to back, columns from right to left, as scanners store them.

        Args:
            center_ras: the middle of the grid.
            tilt_deg: rotations about the R, then the A, then the S axis, through the middle, for oblique slices.
        """
        rotation = _rotation(*tilt_deg)
        axes = rotation @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(spacing_mm_kji[::-1])
        ijk_to_ras = np.eye(4)
        ijk_to_ras[:3, :3] = axes
        ijk_to_ras[:3, 3] = np.asarray(center_ras) - axes @ ((np.array(shape_kji[::-1]) - 1) / 2)
        return cls(tuple(shape_kji), ijk_to_ras, slice_thickness_mm)

    @classmethod
    def demo(cls, tilt_deg: Sequence[float] = (0.0, 0.0, 0.0)) -> "PhantomGrid":
        """The paper's voxels on a field of view that just holds the head, and 16 slices: quick to make and to fit."""
        return cls.axial((16, 184, 128), (SLICE_SPACING_MM, *PIXEL_SPACING_MM_JI), tilt_deg=tilt_deg)

    @classmethod
    def paper(cls, n_slices: int = 20) -> "PhantomGrid":
        """The paper's field of view and matrix."""
        return cls.axial((n_slices, 218, 256), (SLICE_SPACING_MM, *PIXEL_SPACING_MM_JI))

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)[::-1])

    @property
    def voxel_volume_mm3(self) -> float:
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    @property
    def slice_normal_ras(self) -> np.ndarray:
        """Unit vector in the direction of increasing slice number."""
        axis = self.ijk_to_ras[:3, 2]
        return axis / np.linalg.norm(axis)

    def slice_points_ras(self, slice_number: float) -> np.ndarray:
        """Voxel centers of one slice, or of a plane between slices; shape (rows, columns, 3)."""
        _, n_rows, n_columns = self.shape_kji
        columns, rows, corner = self.ijk_to_ras[:3, 0], self.ijk_to_ras[:3, 1], self.ijk_to_ras[:3, 3]
        along_i = np.multiply.outer(np.arange(n_columns), columns)
        along_j = np.multiply.outer(np.arange(n_rows), rows)
        return corner + slice_number * self.ijk_to_ras[:3, 2] + along_j[:, None] + along_i[None]


def _rotation(about_r_deg: float, about_a_deg: float, about_s_deg: float) -> np.ndarray:
    """3x3 rotation about the R axis, then A, then S."""
    (cr, ca, cs), (sr, sa, ss) = (f(np.deg2rad([about_r_deg, about_a_deg, about_s_deg])) for f in (np.cos, np.sin))
    about_r = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_a = np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])
    about_s = np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])
    return about_s @ about_a @ about_r


# ---------------------------------------------------------------------------------------------------------------------
# Anatomy
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ellipsoid:
    """A rotated (super)ellipsoid: sum |x / radius|^exponent <= 1 along its own axes.

    Attributes:
        center_ras, radii_mm: along R, A, S before rotation.
        pitch_deg, yaw_deg: rotation about the R axis (positive tips the top backwards), then about the S axis.
        exponent: 2 for an ellipsoid, more for one with fuller corners.
    """

    center_ras: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0
    exponent: float = 2.0

    @property
    def volume_mm3(self) -> float:
        p = self.exponent
        return 8 * math.prod(self.radii_mm) * math.gamma(1 + 1 / p) ** 3 / math.gamma(1 + 3 / p)

    @property
    def ras_to_unit(self) -> np.ndarray:
        """3x4: RAS to coordinates in which every radius is 1."""
        to_axes = np.diag(1 / np.array(self.radii_mm)) @ self._rotation.T
        return np.column_stack([to_axes, -to_axes @ np.array(self.center_ras)])

    @property
    def bounding_corners_ras(self) -> np.ndarray:
        """Corners of a box that holds the shape; shape (8, 3)."""
        half = np.abs(self._rotation) @ np.array(self.radii_mm)
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        return np.array(self.center_ras) + signs * half

    def contains(self, points_ras: np.ndarray) -> np.ndarray:
        """Boolean of shape (...) for points of shape (..., 3)."""
        matrix = self.ras_to_unit
        return self.contains_unit(points_ras @ matrix[:, :3].T + matrix[:, 3])

    def contains_unit(self, unit) -> np.ndarray:
        """As contains, for unit coordinates: an array (..., 3), or three arrays that broadcast."""
        u, v, w = unit if isinstance(unit, tuple) else np.moveaxis(unit, -1, 0)
        if self.exponent == 2:
            return u * u + v * v + w * w <= 1
        return np.abs(u) ** self.exponent + np.abs(v) ** self.exponent + np.abs(w) ** self.exponent <= 1

    def distance_mm(self, points_ras: np.ndarray) -> np.ndarray:
        """Distance to the surface from outside, 0 inside; shape (...) for points (..., 3), in their precision.

        The nearest point x of an ellipsoid to y is r^2 y / (r^2 + t) with the t > 0 that puts it on the surface. That
        condition is convex and falling in t, so Newton steps from below approach it without overshoot; the number of
        steps leaves less than 0.01 mm.

        Raises:
            ValueError: for an exponent other than 2.
        """
        if self.exponent != 2:
            raise ValueError("only the distance to an ellipsoid proper is known")
        offset = points_ras - np.array(self.center_ras, dtype=points_ras.dtype)
        axes_points = np.moveaxis(offset @ self._rotation.astype(points_ras.dtype), -1, 0)
        squares = [float(radius) ** 2 for radius in self.radii_mm]
        products = [r2 * np.square(y) for r2, y in zip(squares, axes_points, strict=True)]
        t = np.maximum(np.sqrt(sum(products)) - max(squares), 0)
        for product, r2 in zip(products, squares, strict=True):
            t = np.maximum(t, np.sqrt(product) - r2)
        for _ in range(NEWTON_STEPS):
            level, slope = -1.0, 0.0
            for product, r2 in zip(products, squares, strict=True):
                reciprocal = 1 / (t + r2)
                term = product * reciprocal * reciprocal
                level, slope = level + term, slope + term * reciprocal
            # At the center the slope vanishes too, but there is nothing to correct.
            t = t + np.maximum(level, 0) / np.maximum(2 * slope, 1e-12)
        return t * np.sqrt(sum(np.square(y / (t + r2)) for y, r2 in zip(axes_points, squares, strict=True)))

    def mirrored(self) -> "Ellipsoid":
        """The same on the other side of the body."""
        right, anterior, superior = self.center_ras
        return replace(self, center_ras=(-right, anterior, superior), yaw_deg=-self.yaw_deg)

    def grown(self, margin_mm: float) -> "Ellipsoid":
        """With every radius longer (or, if negative, shorter) by a margin."""
        return replace(self, radii_mm=tuple(radius + margin_mm for radius in self.radii_mm))

    def scaled_about(self, anchor_ras: Sequence[float], factor: float) -> "Ellipsoid":
        center = tuple(a + factor * (c - a) for c, a in zip(self.center_ras, anchor_ras, strict=True))
        return replace(self, center_ras=center, radii_mm=tuple(factor * radius for radius in self.radii_mm))

    @property
    def _rotation(self) -> np.ndarray:
        return _rotation(self.pitch_deg, 0.0, self.yaw_deg)


@dataclass(frozen=True)
class Part:
    """A shape filled with a region."""

    region: str
    shape: Ellipsoid


@dataclass(frozen=True)
class Anatomy:
    """Labeled regions of space.

    Attributes:
        outline: the body; only here is there anything but air.
        parts: painted into the outline in order, later over earlier. Fat is what no part covers.
    """

    outline: tuple[Ellipsoid, ...]
    parts: tuple[Part, ...]

    def labels_on(self, grid: PhantomGrid) -> np.ndarray:
        """Index into REGION_NAMES at each voxel's center, without partial volume; uint8, shape ``grid.shape_kji``."""
        labels = np.zeros(grid.shape_kji, dtype=np.uint8)
        for shape in self.outline:
            box, inside = _voxels_inside(shape, grid)
            labels[box][inside] = REGION_NAMES.index("fat")
        for part in self.parts:
            box, inside = _voxels_inside(part.shape, grid)
            labels[box][inside & (labels[box] > 0)] = REGION_NAMES.index(part.region)
        return labels

    def labels_at(self, points_ras: np.ndarray) -> np.ndarray:
        """Index into REGION_NAMES at single points; shape (...) for points (..., 3)."""
        points_ras = np.asarray(points_ras, dtype=np.float64)
        labels = np.zeros(points_ras.shape[:-1], dtype=np.uint8)
        for shape in self.outline:
            labels[shape.contains(points_ras)] = REGION_NAMES.index("fat")
        in_body = labels > 0
        for part in self.parts:
            labels[part.shape.contains(points_ras) & in_body] = REGION_NAMES.index(part.region)
        return labels

    def shapes_of(self, region: str) -> tuple[Ellipsoid, ...]:
        names = COMPOSITE_REGIONS.get(region, (region,))
        return tuple(part.shape for part in self.parts if part.region in names)

    def distance_mm(self, region: str, points_ras: np.ndarray) -> np.ndarray:
        """Distance to the nearest shape of a region, 0 inside one, even where a later part was painted over it."""
        return np.min([shape.distance_mm(points_ras) for shape in self.shapes_of(region)], axis=0)


def _voxels_inside(shape: Ellipsoid, grid: PhantomGrid) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box of voxels around a shape, as slices (k, j, i), and which of them are inside; empty if off the grid."""
    ras_to_ijk = np.linalg.inv(grid.ijk_to_ras)
    corners_ijk = shape.bounding_corners_ras @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3]
    first = np.maximum(np.floor(corners_ijk.min(axis=0)), 0).astype(int)
    last = np.minimum(np.ceil(corners_ijk.max(axis=0)), np.array(grid.shape_kji[::-1]) - 1).astype(int)
    last = np.maximum(last, first - 1)
    to_unit = shape.ras_to_unit @ grid.ijk_to_ras  # 3x4, straight from voxel index
    i, j, k = (np.arange(low, high + 1) for low, high in zip(first, last, strict=True))
    unit = tuple(
        (row[2] * k + row[3])[:, None, None] + (row[1] * j)[None, :, None] + (row[0] * i)[None, None, :]
        for row in to_unit
    )
    box = tuple(slice(low, high + 1) for low, high in zip(first[::-1], last[::-1], strict=True))
    return box, shape.contains_unit(unit)


def _both_sides(region: str, *shapes: Ellipsoid) -> tuple[Part, ...]:
    """Parts drawn on the right, and their mirror images."""
    return tuple(Part(region, side) for shape in shapes for side in (shape, shape.mirrored()))


def _middle(region: str, *shapes: Ellipsoid) -> tuple[Part, ...]:
    return tuple(Part(region, shape) for shape in shapes)


# RAS millimeters; the origin is the middle of the nasopharynx.
_OUTLINE = (
    Ellipsoid((0, -8, 45), (76, 98, 100)),  # cranium
    Ellipsoid((0, 25, -15), (64, 68, 80), exponent=2.5),  # face
    Ellipsoid((0, -28, -90), (60, 58, 130), exponent=3),  # neck
)
_NOSE_AND_EARS = (
    Ellipsoid((0, 93, -4), (14, 17, 20)),
    Ellipsoid((74, -14, 8), (5, 14, 17), yaw_deg=12),
    Ellipsoid((-74, -14, 8), (5, 14, 17), yaw_deg=-12),
)
_BRAIN_MIDLINE = (
    Ellipsoid((0, -56, 22), (52, 37, 34)),  # cerebellum
    Ellipsoid((0, -5, 100), (68, 86, 62)),  # cerebrum
)
_TEMPORAL_LOBE = Ellipsoid((40, 4, 47), (26, 41, 29))
_CLIVUS = Ellipsoid((0, -15, 13), (13, 5, 19), pitch_deg=-28)
_VERTEBRAE = (
    Ellipsoid((0, -23, -14), (8, 6, 12)),  # atlas and dens
    Ellipsoid((0, -25, -36), (10, 7.5, 8), exponent=3),
    Ellipsoid((0, -25, -55), (10, 7.5, 8), exponent=3),
    Ellipsoid((0, -25, -74), (10, 7.5, 8), exponent=3),
)
_LATERAL_MASS = Ellipsoid((19, -31, -12), (8, 8, 9))
_RAMUS = Ellipsoid((48, 16, -28), (4, 15, 34), yaw_deg=-8)
_JAW = Ellipsoid((34, 50, -60), (5, 32, 12), yaw_deg=24)
_MAXILLARY_SINUS = Ellipsoid((31, 50, -2), (14, 17, 18), yaw_deg=18)
_SPHENOID_SINUS = Ellipsoid((0, 12, 30), (14, 12, 9))
_MASTOID = Ellipsoid((54, -36, 8), (11, 15, 17))


def _head_and_neck() -> tuple[Part, ...]:
    """Everything but the disease, from the outside in."""
    return (
        *_middle("muscle", *(shape.grown(-6) for shape in _OUTLINE)),
        # Skull and brain
        *_middle("bone", *(shape.grown(5) for shape in _BRAIN_MIDLINE)),
        *_both_sides("bone", _TEMPORAL_LOBE.grown(4), _MASTOID),
        *_both_sides("sinus", _MASTOID.grown(-5)),
        *_middle("fluid", *(shape.grown(1.5) for shape in _BRAIN_MIDLINE)),
        *_both_sides("fluid", _TEMPORAL_LOBE.grown(1.5)),
        *_middle("brain", *_BRAIN_MIDLINE),
        *_both_sides("brain", _TEMPORAL_LOBE),
        *_middle("fluid", Ellipsoid((0, -27, 30), (20, 15, 16)), Ellipsoid((0, -52, 26), (7, 5, 8))),
        *_middle("brainstem", Ellipsoid((0, -31, 30), (16, 11, 14))),
        # Front of the skull: orbits, nose, sinuses, palate
        *_both_sides("fat", Ellipsoid((29, 56, 34), (15, 27, 15), yaw_deg=14)),
        *_both_sides("fluid", Ellipsoid((32, 66, 34), (12, 12, 12))),
        *_both_sides("bone", _MAXILLARY_SINUS.grown(1.8)),
        *_both_sides("sinus", _MAXILLARY_SINUS),
        *_middle(
            "bone", _SPHENOID_SINUS.grown(3), Ellipsoid((0, 50, 8), (16, 34, 26)), Ellipsoid((0, 50, -22), (25, 32, 4))
        ),
        *_middle("sinus", _SPHENOID_SINUS),
        *_middle("mucosa", Ellipsoid((0, 47, 5), (14.5, 39, 24))),
        *_both_sides("airway", Ellipsoid((7.5, 49, 6), (5.2, 38, 22))),
        *_both_sides("mucosa", Ellipsoid((9.5, 44, -5), (3, 25, 5)), Ellipsoid((9.5, 46, 10), (2.5, 22, 5))),
        *_middle("bone", Ellipsoid((0, 50, -30), (31, 34, 7))),
        *_middle("muscle", Ellipsoid((0, 44, -32), (24, 31, 8))),
        # Chewing: spaces of fat, and in them muscle, jaw and glands
        *_both_sides("fat", Ellipsoid((41, 32, -4), (15, 25, 26)), Ellipsoid((44, 50, -20), (11, 15, 22))),
        *_both_sides("muscle", Ellipsoid((57, 18, -22), (7, 20, 36)), Ellipsoid((37, 16, 3), (9, 18, 13), yaw_deg=25)),
        *_both_sides(
            "muscle", Ellipsoid((51, 28, 24), (7, 22, 26), yaw_deg=10), Ellipsoid((34, 12, -30), (6.5, 15, 20))
        ),
        *_both_sides("bone", _RAMUS, _JAW, Ellipsoid((16, 17, -2), (1.8, 9, 14), yaw_deg=-15)),
        *_both_sides("marrow", _RAMUS.grown(-1.8), _JAW.grown(-2)),
        *_both_sides("gland", Ellipsoid((57, -9, -20), (9, 14, 26), yaw_deg=15), Ellipsoid((33, 14, -62), (9, 13, 12))),
        *_middle("fat", Ellipsoid((0, 40, -64), (26, 36, 10))),
        *_both_sides("fat", Ellipsoid((25, 40, -50), (3, 26, 14), yaw_deg=12)),
        *_middle("muscle", Ellipsoid((0, 42, -50), (23, 33, 18))),
        *_middle("fat", Ellipsoid((0, 40, -48), (1.2, 22, 14))),
        # Pharynx: parapharyngeal fat, mucosa, air
        *_both_sides("fat", Ellipsoid((25, 5, -8), (4.5, 12, 22), yaw_deg=-20)),
        *_middle("mucosa", Ellipsoid((0, 3, 0), (18, 13, 22)), Ellipsoid((0, -3, -42), (16, 10, 36))),
        *_middle("airway", Ellipsoid((0, 3.5, 0), (15, 9.5, 19)), Ellipsoid((0, -3, -42), (13, 7, 34))),
        *_both_sides("airway", Ellipsoid((14.5, -4.5, 2), (6, 3.6, 9), yaw_deg=-35)),
        # Spine
        *_middle("bone", _CLIVUS.grown(2), *(shape.grown(1.6) for shape in _VERTEBRAE)),
        *_middle("marrow", _CLIVUS, *_VERTEBRAE),
        *_both_sides("bone", _LATERAL_MASS.grown(1.6), Ellipsoid((14, -47, -48), (5, 12, 34), yaw_deg=32)),
        *_both_sides("marrow", _LATERAL_MASS),
        *_middle("bone", Ellipsoid((0, -62, -48), (3.5, 10, 30))),
        *_middle("fluid", Ellipsoid((0, -38, 0), (12, 10, 24)), Ellipsoid((0, -42, -70), (10, 8, 75))),
        *_middle("brainstem", Ellipsoid((0, -37, 2), (8, 7, 22)), Ellipsoid((0, -42, -70), (6, 4.5, 72))),
        *_both_sides(
            "fat", Ellipsoid((22, -64, -50), (2, 17, 34), yaw_deg=40), Ellipsoid((0.5, -74, -45), (1.5, 10, 34))
        ),
        # Neck: a space of fat with the sternocleidomastoid, the vessels and the nodes
        *_both_sides("fat", Ellipsoid((42, -17, -56), (13, 20, 30), yaw_deg=20)),
        *_both_sides("muscle", Ellipsoid((51, -27, -60), (6.5, 17, 46), yaw_deg=25)),
        *_both_sides("vessel", Ellipsoid((25, -11, -30), (3.4, 3.4, 70)), Ellipsoid((30, -19, -35), (4.5, 3.8, 70))),
    )


# The tumor of the right lateral and posterior wall shrinks towards its base, where it stays in touch with the airway.
_TUMOR = (
    Ellipsoid((14, -8, 2), (14, 11.5, 15), yaw_deg=-25),
    Ellipsoid((24, 1, -2), (8.5, 11, 12), yaw_deg=-15),
    Ellipsoid((-1, -10, 5), (11, 5.5, 12)),
)
_NECROSIS = Ellipsoid((17, -7, 1), (5.5, 4, 7), yaw_deg=-25)
_TUMOR_BASE_RAS = (8.0, -6.0, 2.0)
_NODE_RIGHT = Ellipsoid((41, -15, -47), (9, 8, 13))
_NODE_LEFT = Ellipsoid((-41, -14, -42), (6, 5.5, 9))
# Diameters after treatment, relative to before: a partial response (at least 30 % less) and stable disease.
_SIZE_AFTER_TREATMENT = {Response.RESPONDER: 0.62, Response.NON_RESPONDER: 0.95}


def head_anatomy(time_point: TimePoint | str = "pre", response: Response | str = "responder") -> Anatomy:
    """Head and neck with a nasopharyngeal carcinoma of the right wall and a node on either side.

    Raises:
        InputError: a time point or response that does not exist.
    """
    time_point, response = _choice(TimePoint, time_point), _choice(Response, response)
    size = 1.0 if time_point is TimePoint.PRE else _SIZE_AFTER_TREATMENT[response]
    disease = (
        *_middle("viable_tumor", *(shape.scaled_about(_TUMOR_BASE_RAS, size) for shape in _TUMOR)),
        Part("necrosis", _NECROSIS.scaled_about(_TUMOR_BASE_RAS, size)),
        Part("node_right", _NODE_RIGHT.scaled_about(_NODE_RIGHT.center_ras, size)),
        Part("node_left", _NODE_LEFT.scaled_about(_NODE_LEFT.center_ras, size)),
    )
    return Anatomy(outline=(*_OUTLINE, *_NOSE_AND_EARS), parts=(*_head_and_neck(), *disease))


def _choice(kind: type[enum.Enum], value):
    try:
        return kind(value)
    except ValueError:
        allowed = " or ".join(repr(member.value) for member in kind)
        raise InputError(f"the phantom knows no {value!r}", remedy=f"Choose {allowed}") from None


# ---------------------------------------------------------------------------------------------------------------------
# Tissue
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tissue:
    """What a region is made of. Further contrasts add further fields.

    Attributes:
        s0: gradient-echo signal at echo time zero, in arbitrary units; viable tumor is 1000.
        r2star_hz: relaxation rate without macroscopic field gradients.
    """

    s0: float
    r2star_hz: float


_HEALTHY_TISSUES = {
    "air": Tissue(0, 0),
    "fat": Tissue(1350, 30),
    "muscle": Tissue(720, 35),
    "bone": Tissue(60, 250),
    "marrow": Tissue(850, 90),
    "brain": Tissue(950, 22),
    "brainstem": Tissue(900, 25),
    "fluid": Tissue(650, 5),
    "mucosa": Tissue(1050, 28),
    "gland": Tissue(1150, 40),
    "vessel": Tissue(1250, 20),
    "sinus": Tissue(0, 0),
    "airway": Tissue(0, 0),
}
# R2* of viable tumor: group means of Xu et al. 2023, table 2, rounded to whole Hz. The paper gives none for necrosis or
# nodes: theirs are invented.
_DISEASE_R2STAR_HZ = {
    (TimePoint.PRE, Response.RESPONDER): {"viable_tumor": 44, "necrosis": 15, "node_left": 38, "node_right": 40},
    (TimePoint.POST, Response.RESPONDER): {"viable_tumor": 58, "necrosis": 15, "node_left": 48, "node_right": 51},
    (TimePoint.PRE, Response.NON_RESPONDER): {"viable_tumor": 48, "necrosis": 15, "node_left": 41, "node_right": 44},
    (TimePoint.POST, Response.NON_RESPONDER): {"viable_tumor": 38, "necrosis": 15, "node_left": 36, "node_right": 37},
}
_DISEASE_S0 = {"viable_tumor": 1000, "necrosis": 1100, "node_left": 980, "node_right": 980}


def tissue_table(time_point: TimePoint | str = "pre", response: Response | str = "responder") -> dict[str, Tissue]:
    """Tissue of each region in REGION_NAMES at a time point; a copy, free to be changed and given to simulate_bold.

    Raises:
        InputError: a time point or response that does not exist.
    """
    rates = _DISEASE_R2STAR_HZ[_choice(TimePoint, time_point), _choice(Response, response)]
    return _HEALTHY_TISSUES | {name: Tissue(_DISEASE_S0[name], rate) for name, rate in rates.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Acquisition
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PhantomAcquisition:
    """A simulated series and everything that is true of it. Maps are (slice, row, column) on the grid of the series.

    Attributes:
        series: the images, as a reader would give them.
        grid: their voxels.
        labels: uint8, index into ``region_names``.
        truth_r2star_hz, truth_s0: float32, without field gradients and noise; 0 in air.
        noise_sigma: standard deviation of the noise in each channel, in image units; 0 for noise-free images.
        b0_hz: off-resonance, float32.
        gradient_ut_per_m: through-slice field gradient, float32; along the slice normal it is the slope of b0_hz.
        truth_by_region: R2* in Hz, for each region with voxels and signal (the mean, if it varies within the region).
    """

    series: EchoSeries
    grid: PhantomGrid
    labels: np.ndarray
    region_names: tuple[str, ...]
    truth_r2star_hz: np.ndarray
    truth_s0: np.ndarray
    noise_sigma: float
    b0_hz: np.ndarray
    gradient_ut_per_m: np.ndarray
    truth_by_region: dict[str, float]

    def region_mask(self, name: str) -> np.ndarray:
        """Boolean mask of a region; "tumor" is the whole outline as a radiologist draws it, necrosis included.

        Raises:
            InputError: no such region.
        """
        names = COMPOSITE_REGIONS.get(name, (name,))
        if not set(names) <= set(self.region_names):
            known = ", ".join((*COMPOSITE_REGIONS, *self.region_names))
            raise InputError(f"the phantom has no region {name!r}", remedy=f"Choose one of {known}")
        return np.isin(self.labels, [self.region_names.index(part) for part in names])


def simulate_bold(
    time_point: TimePoint | str = "pre",
    *,
    snr: float | None = 50.0,
    seed: int = 0,
    grid: PhantomGrid | None = None,
    echo_times_ms: Sequence[float] = BOLD_ECHO_TIMES_MS,
    peak_gradient_ut_per_m: float = 0.0,
    response: Response | str = "responder",
    with_phase: bool = False,
    tumor_heterogeneity_hz: float = 0.0,
    as_integers: bool = False,
    tissues: Mapping[str, Tissue] | None = None,
) -> PhantomAcquisition:
    """A multi-echo gradient-echo series of the phantom with Rician noise.

    The same seed gives the same images; time points differ in their noise.

    Args:
        snr: signal of viable tumor at echo time zero over the noise standard deviation; None for no noise.
        grid: default PhantomGrid.demo().
        peak_gradient_ut_per_m: through-slice field gradient at the airway's surface, falling off outside it over
            GRADIENT_DECAY_LENGTH_MM; 0 for a perfect field.
        with_phase: also give phase images, in radians, with the field's and a receive coil's phase.
        tumor_heterogeneity_hz: standard deviation of a smooth variation of R2* within viable tumor.
        as_integers: round to int16 as scanners do (signals here reach some 1300).
        tissues: instead of tissue_table(time_point, response).

    Raises:
        InputError: an unknown time point or response, a level of noise or gradient that makes no sense, unusable echo
            times.
    """
    time_point, response = _choice(TimePoint, time_point), _choice(Response, response)
    _check_levels(snr, peak_gradient_ut_per_m, tumor_heterogeneity_hz)
    echo_times_ms = validate_echo_times(echo_times_ms, len(echo_times_ms), where="phantom")
    grid = grid or PhantomGrid.demo()
    anatomy = head_anatomy(time_point, response)
    tissues = tissues or tissue_table(time_point, response)
    labels = anatomy.labels_on(grid)
    s0 = np.array([tissues[name].s0 for name in REGION_NAMES], dtype=np.float32)[labels]
    r2star_hz = np.array([tissues[name].r2star_hz for name in REGION_NAMES], dtype=np.float32)[labels]
    if tumor_heterogeneity_hz:
        _vary_smoothly(r2star_hz, labels == REGION_NAMES.index("viable_tumor"), grid, tumor_heterogeneity_hz, seed)
    gradient_ut_per_m, b0_hz = airway_field(anatomy, grid, peak_gradient_ut_per_m)
    noise_sigma = tissues["viable_tumor"].s0 / snr if snr else 0.0
    rng = np.random.default_rng([seed, list(TimePoint).index(time_point)])
    receive_phase = _receive_phase(grid) if with_phase else None
    echoes, phases = [], []
    for echo_time_ms in echo_times_ms:
        signal = gradient_echo_signal(s0, r2star_hz, echo_time_ms, b0_hz, gradient_ut_per_m, grid.slice_thickness_mm)
        if with_phase:
            signal *= receive_phase
        _add_noise(signal, noise_sigma, rng)
        magnitude = np.abs(signal)
        echoes.append(np.rint(magnitude).astype(np.int16) if as_integers else magnitude)
        if with_phase:
            phases.append(np.angle(signal))
    series = EchoSeries(
        echoes=tuple(echoes),
        echo_times_ms=echo_times_ms,
        echo_times_source="digital phantom",
        ijk_to_ras=grid.ijk_to_ras.copy(),
        field_strength_t=FIELD_STRENGTH_T,
        slice_thickness_mm=grid.slice_thickness_mm,
        phases=tuple(phases),
        name=f"BOLD {time_point.value} (phantom)",
        warnings=("These are synthetic images of a digital phantom, not of a patient.",),
    )
    return PhantomAcquisition(
        series=series,
        grid=grid,
        labels=labels,
        region_names=REGION_NAMES,
        truth_r2star_hz=r2star_hz,
        truth_s0=s0,
        noise_sigma=noise_sigma,
        b0_hz=b0_hz,
        gradient_ut_per_m=gradient_ut_per_m,
        truth_by_region=_means_by_region(r2star_hz, s0, labels),
    )


def _check_levels(snr: float | None, peak_gradient_ut_per_m: float, tumor_heterogeneity_hz: float) -> None:
    if snr is not None and not (math.isfinite(snr) and snr > 0):
        raise InputError(f"the signal-to-noise ratio must be a positive number, found {snr:g}", where="phantom")
    for what, value in (("gradient", peak_gradient_ut_per_m), ("heterogeneity", tumor_heterogeneity_hz)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"the {what} must not be negative, found {value:g}", where="phantom")


def gradient_echo_signal(
    s0, r2star_hz, echo_time_ms: float, b0_hz=0.0, gradient_ut_per_m=0.0, slice_thickness_mm: float = SLICE_THICKNESS_MM
) -> np.ndarray:
    """Complex signal S0 exp(-TE R2*) sinc(gamma G d TE) exp(2 pi i b0 TE); arguments broadcast.

    A linear field gradient G over an ideal rectangular slice of thickness d attenuates by a (signed) sinc with
    sinc(x) = sin(pi x) / (pi x). In-plane gradients and their displacement of voxels are left out.

    Returns:
        complex64.
    """
    te_s = echo_time_ms / 1000
    spread_hz = np.asarray(gradient_ut_per_m) * (HZ_PER_MM_PER_UT_PER_M * slice_thickness_mm)
    amplitude = s0 * np.exp(-te_s * np.asarray(r2star_hz)) * np.sinc(spread_hz * te_s)
    return (amplitude * np.exp(2j * np.pi * te_s * np.asarray(b0_hz))).astype(np.complex64)


def airway_field(anatomy: Anatomy, grid: PhantomGrid, peak_gradient_ut_per_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Through-slice gradient around the airway and the off-resonance that has it.

    The gradient is prescribed: its peak inside the airway's shapes and on their surface, outside falling as
    exp(-(distance / GRADIENT_DECAY_LENGTH_MM)^2). The off-resonance is its integral along the slice normal from the
    plane through the RAS origin, so that its slope across slices is that gradient. Not the dipole field of real air,
    but one whose truth is known.

    Returns:
        Gradient (uT/m) and off-resonance (Hz), float32 (slice, row, column).
    """
    gradient = np.zeros(grid.shape_kji, dtype=np.float32)
    b0_hz = np.zeros(grid.shape_kji, dtype=np.float32)
    if peak_gradient_ut_per_m == 0:
        return gradient, b0_hz
    spacing_mm = grid.spacing_mm_kji[0]
    n_steps = max(1, math.ceil(spacing_mm / FIELD_STEP_MM))
    to_hz = HZ_PER_MM_PER_UT_PER_M * spacing_mm

    def gradient_at(slice_number: float) -> np.ndarray:
        distance_mm = anatomy.distance_mm("airway", grid.slice_points_ras(slice_number).astype(np.float32))
        return peak_gradient_ut_per_m * np.exp(-np.square(distance_mm / GRADIENT_DECAY_LENGTH_MM))

    # Slice by slice with planes between, by the trapezoidal rule, over the slab and the plane of the origin.
    n_slices = grid.shape_kji[0]
    origin = float((np.linalg.inv(grid.ijk_to_ras) @ [0, 0, 0, 1])[2])
    first, last = min(0, math.floor(origin)), max(n_slices - 1, math.ceil(origin))
    knots = np.union1d(np.arange(first * n_steps, last * n_steps + 1) / n_steps, [origin])
    value_hz, value_at_origin_hz, previous = np.zeros(grid.shape_kji[1:]), 0.0, None
    for n, knot in enumerate(knots):
        here = gradient_at(knot)
        if n:
            value_hz += (previous + here) * ((knot - knots[n - 1]) * to_hz / 2)
        previous = here
        if knot == origin:
            value_at_origin_hz = value_hz.copy()
        if float(knot).is_integer() and 0 <= knot < n_slices:
            gradient[int(knot)], b0_hz[int(knot)] = here, value_hz
    b0_hz -= value_at_origin_hz
    return gradient, b0_hz


def _vary_smoothly(values: np.ndarray, region: np.ndarray, grid: PhantomGrid, sd: float, seed: int) -> None:
    """Add waves of 10 mm to 30 mm with random directions to a region; a function of RAS, so the same on every grid."""
    rng = np.random.default_rng([seed, 2])
    n_waves = 16
    directions = rng.standard_normal((n_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wave_numbers = 2 * np.pi * directions / rng.uniform(10, 30, (n_waves, 1))
    offsets = rng.uniform(0, 2 * np.pi, n_waves)
    ijk = np.argwhere(region)[:, ::-1]
    points_ras = ijk @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    waves = np.cos(points_ras @ wave_numbers.T + offsets).sum(axis=1) * (sd * math.sqrt(2 / n_waves))
    values[region] = np.maximum(values[region] + waves, 1.0)


def _receive_phase(grid: PhantomGrid) -> np.ndarray:
    """A smooth phase that no echo time changes, as every receive coil adds one; complex64 (slice, row, column)."""
    planes = [grid.slice_points_ras(k) @ np.array([4.0, 7.0, -5.0]) / 1000 for k in range(grid.shape_kji[0])]
    return np.exp(1j * (0.6 + np.stack(planes))).astype(np.complex64)


def _add_noise(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> None:
    if sigma:
        signal.real += sigma * rng.standard_normal(signal.shape, dtype=np.float32)
        signal.imag += sigma * rng.standard_normal(signal.shape, dtype=np.float32)


def _means_by_region(r2star_hz: np.ndarray, s0: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    counts = np.bincount(labels.reshape(-1), minlength=len(REGION_NAMES))
    totals = np.bincount(labels.reshape(-1), weights=r2star_hz.reshape(-1), minlength=len(REGION_NAMES))
    with_signal = np.bincount(labels.reshape(-1), weights=s0.reshape(-1), minlength=len(REGION_NAMES)) > 0
    return {name: float(totals[label] / counts[label]) for label, name in enumerate(REGION_NAMES) if with_signal[label]}
