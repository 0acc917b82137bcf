"""Where everything is: named regions made of analytic shapes in RAS millimeters, labeled on any grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .grid import PhantomGrid, rotation_about
from .patient import Response, TimePoint, choose

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

    def end_ras(self, axis: int, sign: int) -> np.ndarray:
        """(3,) where the shape ends on one of its own axes: 0, 1, 2 are R, A, S before rotation."""
        return np.array(self.center_ras) + sign * self.radii_mm[axis] * self._rotation[:, axis]

    def grown(self, margin_mm: float) -> "Ellipsoid":
        """With every radius longer (or, if negative, shorter) by a margin."""
        return replace(self, radii_mm=tuple(radius + margin_mm for radius in self.radii_mm))

    def scaled_about(self, anchor_ras: Sequence[float], factor: float) -> "Ellipsoid":
        center = tuple(a + factor * (c - a) for c, a in zip(self.center_ras, anchor_ras, strict=True))
        return replace(self, center_ras=center, radii_mm=tuple(factor * radius for radius in self.radii_mm))

    @property
    def _rotation(self) -> np.ndarray:
        return rotation_about(self.pitch_deg, 0.0, self.yaw_deg)


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


def region_mask(labels: np.ndarray, name: str) -> np.ndarray:
    """Where labels on a grid show a region; "tumor" is the whole outline as a radiologist draws it, with its necrosis.

    Raises:
        InputError: no such region.
    """
    names = COMPOSITE_REGIONS.get(name, (name,))
    if not set(names) <= set(REGION_NAMES):
        known = ", ".join((*COMPOSITE_REGIONS, *REGION_NAMES))
        raise InputError(f"the phantom has no region {name!r}", remedy=f"Choose one of {known}")
    return np.isin(labels, [REGION_NAMES.index(part) for part in names])


def shape_mask(shape: Ellipsoid, grid: PhantomGrid) -> np.ndarray:
    """Boolean, which voxel centers of a grid are inside a shape."""
    mask = np.zeros(grid.shape_kji, dtype=bool)
    box, inside = _voxels_inside(shape, grid)
    mask[box] = inside
    return mask


def means_by_region(values: np.ndarray, labels: np.ndarray, has_signal: np.ndarray) -> dict[str, float]:
    """Mean of a map over each region that has voxels with signal."""
    present, size = np.unique(labels[has_signal]), len(REGION_NAMES)
    counts = np.bincount(labels.reshape(-1), minlength=size)
    totals = np.bincount(labels.reshape(-1), weights=values.reshape(-1), minlength=size)
    return {REGION_NAMES[label]: float(totals[label] / counts[label]) for label in present}


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
_PTERYGOID = Ellipsoid((16, 17, -2), (1.8, 9, 14), yaw_deg=-15)
_HARD_PALATE = Ellipsoid((0, 50, -22), (25, 32, 4))
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
        *_middle("bone", _SPHENOID_SINUS.grown(3), Ellipsoid((0, 50, 8), (16, 34, 26)), _HARD_PALATE),
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
        *_both_sides("bone", _RAMUS, _JAW, _PTERYGOID),
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
    time_point, response = choose(TimePoint, time_point), choose(Response, response)
    size = 1.0 if time_point is TimePoint.PRE else _SIZE_AFTER_TREATMENT[response]
    disease = (
        *_middle("viable_tumor", *(shape.scaled_about(_TUMOR_BASE_RAS, size) for shape in _TUMOR)),
        Part("necrosis", _NECROSIS.scaled_about(_TUMOR_BASE_RAS, size)),
        Part("node_right", _NODE_RIGHT.scaled_about(_NODE_RIGHT.center_ras, size)),
        Part("node_left", _NODE_LEFT.scaled_about(_NODE_LEFT.center_ras, size)),
    )
    healthy = healthy_anatomy()
    return Anatomy(outline=healthy.outline, parts=(*healthy.parts, *disease))


def healthy_anatomy() -> Anatomy:
    """The same head and neck without disease, for other tumors to be painted over."""
    return Anatomy(outline=(*_OUTLINE, *_NOSE_AND_EARS), parts=_head_and_neck())


def skull_landmarks_ras() -> dict[str, np.ndarray]:
    """Points (3,) of bone and air of the skull within 50 mm of the nasopharynx that an observer can find.

    Centers of shapes, or where one ends at the back. Neck and jaw have none, as they do not turn with the skull; the
    atlas nearly does.
    """
    points = {"sphenoid sinus": np.array(_SPHENOID_SINUS.center_ras, float), "hard palate": _HARD_PALATE.end_ras(1, -1)}
    for name, shape in (("pterygoid process", _PTERYGOID), ("atlas", _LATERAL_MASS)):
        points[f"right {name}"] = np.array(shape.center_ras, dtype=np.float64)
        points[f"left {name}"] = np.array(shape.mirrored().center_ras, dtype=np.float64)
    return points
