"""A treatment plan of the phantom: dose as a function of RAS, even within the target and falling off around it."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .anatomy import Ellipsoid
from .grid import PhantomGrid

PRESCRIPTION_GY = 70.0
MARGIN_MM = 5.0  # of the planning target volume around the tumor
FALL_OFF_MM = 18.0  # half of the dose is reached 15 mm outside the planning target volume, as in intensity modulation
UNEVENNESS = 0.03  # hot and cold spots within the target, as a fraction of the prescription
OFFSET = 1.01
WAVELENGTH_MM = 27.0
DOSE_STEP_MM = 3.0
ISODOSE = 0.95
# Share of a recurrence within the 95 % isodose: in-field >= 95 %, marginal 20 % to 95 %, out-field less than that.
SITES = {"in-field": 1.0, "marginal": 0.6, "out-field": 0.08}
# From the nasopharynx to the upper neck of one side: where a recurrence that the plan missed is moved.
AWAY_RAS = np.array([0.55, -0.15, -0.82])
FARTHEST_MM, N_HALVINGS = 80.0, 20


@dataclass(frozen=True, eq=False)
class DosePlan:
    """Attributes:
    target: the shapes that are covered.
    prescription_gy: dose to the target.
    offsets: (3,) phases of the hot and cold spots, radians.
    """

    target: tuple[Ellipsoid, ...]
    prescription_gy: float
    offsets: np.ndarray

    def dose_at(self, points_ras: np.ndarray) -> np.ndarray:
        """Dose in Gy; shape (...) for points (..., 3)."""
        distance_mm = np.min([shape.distance_mm(points_ras) for shape in self.target], axis=0)
        beyond_mm = np.maximum(distance_mm - MARGIN_MM, 0)
        spots = np.cos(2 * np.pi / WAVELENGTH_MM * points_ras + self.offsets).mean(axis=-1)
        return self.prescription_gy * (OFFSET + UNEVENNESS * spots) * np.exp(-np.square(beyond_mm / FALL_OFF_MM))

    def share_within(self, points_ras: np.ndarray) -> float:
        """Share of points (n, 3) with at least 95 % of the prescription."""
        return float(np.mean(self.dose_at(points_ras) >= ISODOSE * self.prescription_gy))

    def on(self, grid: PhantomGrid) -> np.ndarray:
        """float32, (slice, row, column)."""
        slices = [self.dose_at(grid.slice_points_ras(k).astype(np.float32)) for k in range(grid.shape_kji[0])]
        return np.stack(slices).astype(np.float32)


def dose_grid(center_ras, size_mm=(150.0, 150.0, 120.0)) -> PhantomGrid:
    """Voxels of 3 mm around a point, as planning systems export them; size along R, A, S."""
    shape = tuple(round(size / DOSE_STEP_MM) for size in reversed(size_mm))
    return PhantomGrid.axial(shape, (DOSE_STEP_MM,) * 3, center_ras=center_ras, slice_thickness_mm=DOSE_STEP_MM)


def at_site(shape: Ellipsoid, plan: DosePlan, site: str, *, left: bool = False) -> Ellipsoid:
    """The shape of a recurrence, moved out of the high dose as far as its site asks for.

    Raises:
        InputError: a site not in SITES.
    """
    if site not in SITES:
        raise InputError(f"the phantom knows no recurrence that is {site!r}", remedy=f"Choose of {tuple(SITES)}")
    if site == "in-field":
        return shape
    unit = np.random.default_rng(0).uniform(-1, 1, (6000, 3))  # points of the shape, in units of its radii
    unit = unit[np.square(unit).sum(axis=1) <= 1]
    to_unit = shape.ras_to_unit
    points_ras = np.linalg.solve(to_unit[:, :3], (unit - to_unit[:, 3]).T).T
    away = AWAY_RAS * (-1 if left else 1, 1, 1)
    near_mm, far_mm = 0.0, FARTHEST_MM
    for _ in range(N_HALVINGS):
        middle_mm = (near_mm + far_mm) / 2
        if plan.share_within(points_ras + middle_mm * away) > SITES[site]:
            near_mm = middle_mm
        else:
            far_mm = middle_mm
    return replace(shape, center_ras=tuple((np.array(shape.center_ras) + far_mm * away).tolist()))
