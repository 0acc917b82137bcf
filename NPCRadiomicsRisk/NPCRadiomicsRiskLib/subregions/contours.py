"""Closed planar contours, as treatment planning systems draw them, to a mask on any grid.

Where the contours lie in the grid's own slices, each slice is filled. On any other grid (other spacing, oblique, the
contours carried over by a transform) the shape between the contour planes is interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from .polygons import pixels_inside, polygon_area
from .shape_interpolation import shape_field

# Coordinates in DICOM files are rounded to 0.01 mm or so; a contour that leaves its plane by more is not planar.
MAX_OFF_PLANE_MM = 0.1
SAME_PLANE_MM = 0.05
# A grid's slices are the contour planes if no contour is farther off than this share of a slice.
ON_SLICE = 0.05
MAX_TILT = 2e-4
# Planes farther apart than so many usual gaps end one part of the structure and begin another.
MAX_BRIDGED_GAPS = 3.5
# Pixels of the raster in which the shape is interpolated; larger for a structure that would need more of them across.
RASTER_MM, MAX_PIXELS_ACROSS = 0.5, 400
ASSUMED_SPACING_MM = 3.0


@dataclass(frozen=True, eq=False)
class RasterizedContours:
    """A structure on a grid.

    Attributes:
        mask: bool KJI.
        volume_cm3: of the mask; contour_volume_cm3: area of the contours times the distance of their planes.
        interpolated: the shape was interpolated between contour planes, in all slices or in those that lack contours.
        n_planes, plane_spacing_mm: of the contours.
        warnings: sentences.
    """

    mask: np.ndarray
    volume_cm3: float
    contour_volume_cm3: float
    interpolated: bool
    n_planes: int
    plane_spacing_mm: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Planes:
    """Contours sorted into their planes: polygons in mm along two axes of a frame whose third is the normal."""

    frame_to_ras: np.ndarray
    positions_mm: np.ndarray
    polygons: tuple[tuple[np.ndarray, ...], ...]
    spacing_mm: float
    warnings: tuple[str, ...]

    @property
    def gaps(self) -> np.ndarray:
        """Distance of neighboring planes in usual distances."""
        return np.diff(self.positions_mm) / self.spacing_mm


def rasterize(
    contours_ras: Sequence[np.ndarray],
    shape_kji: tuple[int, int, int],
    ijk_to_ras: np.ndarray,
    *,
    to_grid_ras: np.ndarray | None = None,
    plane_spacing_mm: float | None = None,
    where: str = "structure",
) -> RasterizedContours:
    """Fill contours on a grid; contours of one plane are combined by the even-odd rule (holes).

    Args:
        contours_ras: each (n, 3), closed and planar, all planes parallel.
        shape_kji, ijk_to_ras: the grid, any orientation.
        to_grid_ras: 4x4, takes a point of the contours' frame to the grid's; identity if None.
        plane_spacing_mm: usual distance of the planes if the contours themselves cannot tell (there is one plane only).
        where: what a message calls the structure.

    Raises:
        InputError: no contour with an area, contours that are not planar or not parallel, none on the grid.
    """
    ijk_to_ras = np.asarray(ijk_to_ras, float)
    moved = np.eye(4) if to_grid_ras is None else np.asarray(to_grid_ras, float)
    points = [np.asarray(contour, float) @ moved[:3, :3].T + moved[:3, 3] for contour in contours_ras]
    planes = _sorted_planes(points, plane_spacing_mm, ijk_to_ras, where)
    slices = _slices_of(planes, ijk_to_ras)
    bridged = bool(np.any((planes.gaps > 1.5) & (planes.gaps <= MAX_BRIDGED_GAPS)))
    if slices is None or bridged:
        mask, contour_mm3 = _interpolated(planes, tuple(shape_kji), ijk_to_ras)
    if slices is not None:
        mask, contour_mm3 = _filled(planes, slices, mask if bridged else np.zeros(shape_kji, bool), ijk_to_ras)
    if not mask.any():
        raise InputError(
            "no voxel of the image is inside its contours",
            where=where,
            remedy="Check that the contours belong to this image, or give the transform between them",
        )
    volume_cm3 = float(mask.sum() * abs(np.linalg.det(ijk_to_ras[:3, :3])) / 1000)
    result = RasterizedContours(
        mask=mask,
        volume_cm3=volume_cm3,
        contour_volume_cm3=contour_mm3 / 1000,
        interpolated=slices is None or bridged,
        n_planes=len(planes.positions_mm),
        plane_spacing_mm=planes.spacing_mm,
    )
    lost = _beyond_grid(planes, tuple(shape_kji), ijk_to_ras, where)
    object.__setattr__(result, "warnings", (*planes.warnings, *_gap_warnings(planes, where), *lost))
    return result


# -- planes --


def _sorted_planes(points, plane_spacing_mm: float | None, ijk_to_ras: np.ndarray, where: str) -> _Planes:
    drawn = [contour for contour in points if len(contour) >= 3 and np.linalg.norm(_area_vector(contour)) > 1e-6]
    if not drawn:
        raise InputError("it has no contour that encloses an area", where=where, remedy="Choose another structure")
    normal = _common_normal(drawn, where)
    frame = _frame(normal, drawn[0][0], ijk_to_ras)
    flat = [contour @ np.linalg.inv(frame)[:3, :3].T + np.linalg.inv(frame)[:3, 3] for contour in drawn]
    off_mm = max(float(np.ptp(contour[:, 2])) / 2 for contour in flat)
    if off_mm > MAX_OFF_PLANE_MM:
        raise InputError(
            f"its contours leave their planes by up to {off_mm:.2g} mm", where=where, remedy="Give planar contours"
        )
    heights = np.array([contour[:, 2].mean() for contour in flat])
    order = np.argsort(heights, kind="stable")
    groups = np.split(order, 1 + np.flatnonzero(np.diff(heights[order]) > SAME_PLANE_MM))
    positions_mm = np.array([heights[group].mean() for group in groups])
    warnings, polygons = [], []
    for group in groups:
        unique = _without_copies([flat[n][:, :2] for n in group])
        if len(unique) < len(group):
            warnings.append(f"{where} has the same contour twice in a plane; it was taken once.")
        polygons.append(tuple(unique))
    spacing_mm, remark = _plane_spacing(positions_mm, plane_spacing_mm, where)
    found = dict.fromkeys([*warnings, *remark])
    return _Planes(frame, positions_mm, tuple(polygons), spacing_mm, tuple(found))


def _area_vector(contour: np.ndarray) -> np.ndarray:
    """Normal to a closed contour, as long as its area."""
    around = contour - contour[0]
    return np.cross(around, np.roll(around, -1, axis=0)).sum(axis=0) / 2


def _common_normal(contours: Sequence[np.ndarray], where: str) -> np.ndarray:
    vectors = np.array([_area_vector(contour) for contour in contours])
    reference = vectors[np.argmax(np.linalg.norm(vectors, axis=1))]
    vectors *= np.where(vectors @ reference < 0, -1, 1)[:, None]
    normal = vectors.sum(axis=0) / np.linalg.norm(vectors.sum(axis=0))
    areas = np.linalg.norm(vectors, axis=1)
    tilted = (areas > 10) & (vectors @ normal < 0.99 * areas)  # small ones are tilted by their rounding
    if tilted.any():
        raise InputError(
            f"{int(tilted.sum())} of its {len(contours)} contours lie in planes that are not parallel to the others",
            where=where,
            remedy="Give contours of one orientation",
        )
    return normal


def _frame(normal: np.ndarray, origin: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
    """4x4 to RAS of a frame in mm with the normal as third axis, its first along the grid's rows if it can be."""
    axes = ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    if np.dot(axes[:, 2], normal) < 0:
        normal = -normal
    along = axes[:, np.argmin(np.abs(axes.T @ normal))]
    first = along - np.dot(along, normal) * normal
    frame = np.eye(4)
    frame[:3, 0] = first / np.linalg.norm(first)
    frame[:3, 1] = np.cross(normal, frame[:3, 0])
    frame[:3, 2], frame[:3, 3] = normal, origin
    return frame


def _without_copies(polygons: list[np.ndarray]) -> list[np.ndarray]:
    """A contour given twice would cancel itself."""
    kept: list[np.ndarray] = []
    for polygon in polygons:
        if not any(other.shape == polygon.shape and np.allclose(other, polygon, atol=1e-3) for other in kept):
            kept.append(polygon)
    return kept


def _plane_spacing(positions_mm: np.ndarray, stated_mm: float | None, where: str) -> tuple[float, list[str]]:
    if len(positions_mm) > 2:
        return float(np.median(np.diff(positions_mm))), []
    if stated_mm:
        return float(stated_mm), []
    if len(positions_mm) == 2:
        return float(np.diff(positions_mm)[0]), []
    return ASSUMED_SPACING_MM, [
        f"{where} has contours in one plane only, and nothing tells its thickness: {ASSUMED_SPACING_MM:g} mm assumed."
    ]


def _gap_warnings(planes: _Planes, where: str) -> list[str]:
    found = []
    for gap, low, high in zip(planes.gaps, planes.positions_mm[:-1], planes.positions_mm[1:], strict=True):
        n_missing = round(gap) - 1
        if n_missing < 1:
            continue
        what = "planes have" if n_missing > 1 else "plane has"
        how = "it was interpolated there" if gap <= MAX_BRIDGED_GAPS else "the two sides were taken as separate parts"
        found.append(f"{n_missing} {what} no contour of {where} between others {high - low:.3g} mm apart: {how}.")
    return found


def _beyond_grid(planes: _Planes, shape_kji, ijk_to_ras: np.ndarray, where: str) -> list[str]:
    """A sentence if corners of contours lie outside the grid."""
    corners = np.concatenate(
        [
            np.column_stack([polygon, np.full(len(polygon), position)])
            for position, polygons in zip(planes.positions_mm, planes.polygons, strict=True)
            for polygon in polygons
        ]
    )
    to_ijk = np.linalg.inv(ijk_to_ras) @ planes.frame_to_ras
    ijk = corners @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    outside = np.any((ijk < -0.5 - ON_SLICE) | (ijk > np.array(shape_kji[::-1]) - 0.5 + ON_SLICE), axis=1).mean()
    return [f"{outside:.0%} of the contours of {where} lie outside the image and are lost there."] if outside else []


# -- contours in the grid's slices --


def _slices_of(planes: _Planes, ijk_to_ras: np.ndarray) -> np.ndarray | None:
    """The grid's slice of each plane, if contour planes and slices are the same; else None."""
    to_ijk = np.linalg.inv(ijk_to_ras) @ planes.frame_to_ras
    slice_mm = np.linalg.norm(ijk_to_ras[:3, 2])
    if np.abs(to_ijk[2, :2]).max() * slice_mm > MAX_TILT or abs(planes.spacing_mm / slice_mm - 1) > 2 * ON_SLICE:
        return None
    k = to_ijk[2, 2] * planes.positions_mm + to_ijk[2, 3]
    if np.abs(k - np.round(k)).max() > ON_SLICE or np.any(np.diff(np.round(k)) == 0):
        return None
    return np.round(k).astype(int)


def _filled(
    planes: _Planes, slices: np.ndarray, between: np.ndarray, ijk_to_ras: np.ndarray
) -> tuple[np.ndarray, float]:
    """The mask, with slices of their own for the contours; ``between``: what other slices hold.

    Returns:
        The mask, and the contours' volume in mm3; a gap that is bridged counts like the mean of its sides.
    """
    to_ijk = np.linalg.inv(ijk_to_ras) @ planes.frame_to_ras
    mask = between.copy()
    for k, polygons in zip(slices, planes.polygons, strict=True):
        on_grid = [polygon @ to_ijk[:2, :2].T + to_ijk[:2, 3] for polygon in polygons]
        if 0 <= k < len(mask):
            mask[k] = pixels_inside(on_grid, mask.shape[1:])
    areas_mm2 = np.array([_area_mm2(polygons) for polygons in planes.polygons])
    gaps = np.where(planes.gaps > MAX_BRIDGED_GAPS, 1, planes.gaps)
    thicknesses = (np.concatenate([[1], gaps]) + np.concatenate([gaps, [1]])) / 2
    return mask, float(np.sum(areas_mm2 * thicknesses) * planes.spacing_mm)


def _area_mm2(polygons: Sequence[np.ndarray]) -> float:
    """Of the even-odd union; polygons within others count by how deep they are nested."""
    total = 0.0
    for n, polygon in enumerate(polygons):
        depth = sum(_holds(other, polygon[0]) for m, other in enumerate(polygons) if m != n)
        total += abs(polygon_area(polygon)) * (-1) ** depth
    return total


def _holds(polygon: np.ndarray, point: np.ndarray) -> bool:
    return bool(pixels_inside([polygon - point], (1, 1))[0, 0])


# -- contours on any other grid --


def _interpolated(planes: _Planes, shape_kji, ijk_to_ras: np.ndarray) -> tuple[np.ndarray, float]:
    """By the distance to the outlines, on a fine raster in the contour planes."""
    corners = np.concatenate([polygon for polygons in planes.polygons for polygon in polygons])
    pixel_mm = min(RASTER_MM, float(np.linalg.norm(ijk_to_ras[:3, :3], axis=0).min()))
    pixel_mm = max(pixel_mm, float(np.ptp(corners, axis=0).max()) / MAX_PIXELS_ACROSS)
    low = corners.min(axis=0) - 3 * pixel_mm
    n_columns, n_rows = np.ceil((corners.max(axis=0) - low) / pixel_mm).astype(int) + 4
    rasters = [
        pixels_inside([(polygon - low) / pixel_mm for polygon in polygons], (n_rows, n_columns))
        for polygons in planes.polygons
    ]
    stack, positions_mm = _with_ends(planes, rasters)
    field = shape_field(stack, positions_mm, (pixel_mm, pixel_mm), planes.spacing_mm)
    raster_to_frame = np.diag([pixel_mm, pixel_mm, 1.0, 1.0])
    raster_to_frame[:2, 3] = low
    mask, _ = field.on_grid(planes.frame_to_ras @ raster_to_frame, shape_kji, ijk_to_ras)
    return mask, field.volume_mm3


def _with_ends(planes: _Planes, rasters: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """An empty plane on either side of a gap too wide to be bridged."""
    empty = np.zeros_like(rasters[0])
    stack, positions_mm = [rasters[0]], [planes.positions_mm[0]]
    for raster, position, gap in zip(rasters[1:], planes.positions_mm[1:], planes.gaps, strict=True):
        if gap > MAX_BRIDGED_GAPS:
            stack += [empty, empty]
            positions_mm += [positions_mm[-1] + planes.spacing_mm, position - planes.spacing_mm]
        stack.append(raster)
        positions_mm.append(position)
    return np.array(stack), np.array(positions_mm)
