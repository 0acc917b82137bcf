"""Did the tumor recur inside the volume that got the dose? The dose of a plan against the recurrence.

In-field: at least 95 % of the recurrence lies within the 95 % isodose (Akram et al., PLoS One 2020; 15: e0240043,
Methods); marginal: 20 to 95 %; out of field: less than 20 % (Dawson et al., Int J Radiat Oncol Biol Phys 2000; 46:
1117-26).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from NPCResponseLib.errors import InputError

ISODOSE = 0.95
IN_FIELD_SHARE, MARGINAL_SHARE = 0.95, 0.20
IN_FIELD, MARGINAL, OUT_OF_FIELD = "in-field", "marginal", "out-field"
# A voxel longer than this is looked at in several points, since the dose falls off within a thick slice.
SAMPLE_MM = 1.25
# The category is looked at again with the dose shifted so far in six directions, what an alignment may be wrong by.
SHIFT_MM = 2.0
# A plan's maximum is 105 to 115 % of the prescription; sums of plans and boosts reach further.
PLAUSIBLE_MAXIMUM = (0.9, 1.5)
CENTIGRAY = (20.0, 500.0)
_PLAUSIBLE_PRESCRIPTION_GY = 120.0


@dataclass(frozen=True)
class InField:
    """How much of the recurrence lies within an isodose.

    Attributes:
        share_within: of the whole recurrence, within ``isodose_gy``; what lies outside the dose grid is not.
        category: "in-field", "marginal" or "out-field".
        share_range: smallest and largest share with the dose shifted by 2 mm in the six directions of the grid.
        category_holds: the category is the same over that range.
        d95_gy: what 95 % of the recurrence gets at least; outside the grid 0 Gy is assumed.
        minimum_gy, mean_gy, maximum_gy: over the part inside the dose grid.
        outside_grid: share of the recurrence outside the dose grid, or where the dose is not a number.
        method: in words.
    """

    share_within: float
    category: str
    share_range: tuple[float, float]
    isodose: float
    isodose_gy: float
    prescription_gy: float
    d95_gy: float
    minimum_gy: float
    mean_gy: float
    maximum_gy: float
    plan_maximum_gy: float
    outside_grid: float
    volume_cm3: float
    method: str
    warnings: tuple[str, ...] = ()

    @property
    def share_within_95(self) -> float:
        return self.share_within

    @property
    def category_holds(self) -> bool:
        return category(self.share_range[0]) == category(self.share_range[1])


def category(share_within: float) -> str:
    """In-field, marginal or out of field."""
    if share_within >= IN_FIELD_SHARE - 1e-9:
        return IN_FIELD
    return MARGINAL if share_within >= MARGINAL_SHARE - 1e-9 else OUT_OF_FIELD


def in_field(
    dose_gy: np.ndarray,
    dose_ijk_to_ras: np.ndarray,
    gtvr_mask: np.ndarray,
    mask_ijk_to_ras: np.ndarray,
    prescription_gy: float,
    *,
    dose_to_mask_ras: np.ndarray | None = None,
    isodose: float = ISODOSE,
    dose_frame_uid: str | None = None,
    mask_frame_uid: str | None = None,
) -> InField:
    """Share of the recurrence within an isodose, and the category.

    Args:
        dose_gy: KJI, physical dose; dose_ijk_to_ras: 4x4 of its grid.
        gtvr_mask: KJI, the whole recurrence, also its part outside the first tumor; mask_ijk_to_ras: 4x4.
        prescription_gy: the dose of which the isodose is a share.
        dose_to_mask_ras: 4x4, takes a point of the dose's (the planning CT's) frame to the mask's; identity if None.
        isodose: share of the prescription, 0.95.
        dose_frame_uid, mask_frame_uid: frames of reference (0020,0052), where known. If they differ a transform must be
            given.

    Raises:
        InputError: no mask, no dose, a prescription that is no positive number, frames that differ; a dose of another
            place than the recurrence.
    """
    mask = _checked(gtvr_mask, dose_gy, prescription_gy, isodose)
    _check_frames(dose_frame_uid, mask_frame_uid, dose_to_mask_ras)
    dose = np.asarray(dose_gy)
    to_mask = np.eye(4) if dose_to_mask_ras is None else np.asarray(dose_to_mask_ras, float)
    mask_to_dose = np.linalg.inv(to_mask @ np.asarray(dose_ijk_to_ras, float)) @ np.asarray(mask_ijk_to_ras, float)
    points_ijk = _points(mask, np.linalg.norm(np.asarray(mask_ijk_to_ras, float)[:3, :3], axis=0))
    dose_ijk = points_ijk @ mask_to_dose[:3, :3].T + mask_to_dose[:3, 3]
    isodose_gy = isodose * float(prescription_gy)

    at_points = _sampled(dose, dose_ijk)
    known = at_points[np.isfinite(at_points)]
    if not known.size:
        raise InputError(
            "the dose grid holds nothing of the recurrence",
            where="in-field check",
            remedy="Give the dose in the frame of this image, or leave it out",
        )
    shifts = _shifts(np.asarray(dose_ijk_to_ras, float))
    shares = [
        _share(at_points, isodose_gy),
        *(_share(_sampled(dose, dose_ijk + shift), isodose_gy) for shift in shifts),
    ]
    result = InField(
        share_within=shares[0],
        category=category(shares[0]),
        share_range=(min(shares), max(shares)),
        isodose=float(isodose),
        isodose_gy=isodose_gy,
        prescription_gy=float(prescription_gy),
        d95_gy=float(np.quantile(np.nan_to_num(at_points, nan=0.0), 0.05)),
        minimum_gy=float(known.min()),
        mean_gy=float(known.mean()),
        maximum_gy=float(known.max()),
        plan_maximum_gy=float(np.nanmax(np.where(np.isfinite(dose), dose, np.nan))),
        outside_grid=1 - known.size / at_points.size,
        volume_cm3=float(mask.sum() * abs(np.linalg.det(np.asarray(mask_ijk_to_ras, float)[:3, :3])) / 1000),
        method=f"dose interpolated linearly at {at_points.size} points of the recurrence, none farther apart than "
        f"{SAMPLE_MM:g} mm within a voxel; what is outside the dose grid counts as not covered",
    )
    object.__setattr__(result, "warnings", _warnings(result, dose))
    return result


def _checked(mask: np.ndarray, dose: np.ndarray, prescription_gy: float, isodose: float) -> np.ndarray:
    mask, dose = np.asarray(mask) != 0, np.asarray(dose)
    if mask.ndim != 3 or dose.ndim != 3:
        raise InputError(
            f"the recurrence has {mask.ndim} axes and the dose {dose.ndim}",
            where="in-field check",
            remedy="Give 3 each",
        )
    if not mask.any():
        raise InputError("GTVr is empty", where="in-field check", remedy="Draw it, or choose another segment")
    for value, name in ((prescription_gy, "prescription in Gy"), (isodose, "isodose, as a share of the prescription,")):
        if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0):
            raise InputError(f"the {name} must be a positive number, found {value}", where="in-field check")
    if isodose > 2:
        raise InputError(f"an isodose of {isodose:g} times the prescription", remedy="Give a share, 0.95 for 95 %")
    if not np.any(np.isfinite(dose) & (dose > 0)):
        raise InputError("the dose is nowhere above zero", where="in-field check", remedy="Export it again")
    return mask


def _check_frames(dose_frame_uid: str | None, mask_frame_uid: str | None, dose_to_mask_ras) -> None:
    if dose_to_mask_ras is None and dose_frame_uid and mask_frame_uid and dose_frame_uid != mask_frame_uid:
        raise InputError(
            "the dose has another frame of reference than the image of the recurrence",
            where="in-field check",
            remedy="Give the transform from the planning CT to that image",
        )


def _points(mask: np.ndarray, spacing_ijk: np.ndarray) -> np.ndarray:
    """(n, 3) voxel coordinates (i, j, k): the voxels' centers, and more along an edge that is long."""
    ijk = np.argwhere(mask)[:, ::-1].astype(float)
    steps = [max(1, math.ceil(length / SAMPLE_MM - 1e-6)) for length in spacing_ijk]
    offsets = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in steps], indexing="ij"), axis=-1)
    return (ijk[:, None] + offsets.reshape(-1, 3)).reshape(-1, 3)


def _sampled(dose: np.ndarray, ijk: np.ndarray) -> np.ndarray:
    """Dose at voxel coordinates; NaN outside the grid and where a neighbor is not a number."""
    inside = np.all((ijk >= -0.5) & (ijk <= np.array(dose.shape[::-1]) - 0.5), axis=1)
    values = np.full(len(ijk), np.nan)
    values[inside] = ndimage.map_coordinates(np.asarray(dose, np.float64), ijk[inside, ::-1].T, order=1, mode="nearest")
    return values


def _share(at_points: np.ndarray, isodose_gy: float) -> float:
    return float(np.count_nonzero(at_points >= isodose_gy * (1 - 1e-6)) / at_points.size)


def _shifts(dose_ijk_to_ras: np.ndarray) -> np.ndarray:
    steps = SHIFT_MM / np.linalg.norm(dose_ijk_to_ras[:3, :3], axis=0)
    return np.concatenate([np.diag(steps), -np.diag(steps)])


def _warnings(result: InField, dose: np.ndarray) -> tuple[str, ...]:
    found = []
    ratio = result.plan_maximum_gy / result.prescription_gy
    if CENTIGRAY[0] < ratio < CENTIGRAY[1] or result.prescription_gy > _PLAUSIBLE_PRESCRIPTION_GY:
        found.append(
            f"The largest dose is {result.plan_maximum_gy:g}, the prescription {result.prescription_gy:g} Gy: is one "
            "of them in cGy?"
        )
    elif not PLAUSIBLE_MAXIMUM[0] <= ratio <= PLAUSIBLE_MAXIMUM[1]:
        found.append(
            f"The largest dose of the plan is {ratio:.0%} of the prescription: check that both are of the same plan."
        )
    if np.any(dose < 0):
        found.append("The dose is negative in places.")
    n_missing = int(np.count_nonzero(~np.isfinite(dose)))
    if n_missing:
        found.append(f"The dose is not a number in {n_missing} voxels; what lies there counts as not covered.")
    if result.outside_grid > 0:
        found.append(
            f"The dose grid does not hold the whole recurrence: {result.outside_grid:.1%} of it has no dose and counts "
            "as not covered, with 0 Gy in D95."
        )
    if not result.category_holds:
        low, high = result.share_range
        found.append(
            f"A shift of {SHIFT_MM:g} mm can change the category: the share is then between {low:.1%} and {high:.1%}."
        )
    return tuple(found)
