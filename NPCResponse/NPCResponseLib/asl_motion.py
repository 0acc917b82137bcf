"""Rigid motion correction of an arterial spin labeling series.

Label differs from control by a percent, less than what a head that moved by a tenth of a pixel changes at its borders:
what matters most is that control and label lie alike. So the volumes of one delay are registered among themselves, by
correlation, for they look alike; then, as one, to M0, by mutual information, for background suppression makes each
delay look different. Both motions are applied in one interpolation, by cubic splines: the blur of a linear one, alike
for no two volumes, shifts a tumor's flow by a tenth.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .asl_series import AslRole, AslSeries
from .registration import Level, RigidRegistration, check_image, register_rigid, resample, rotation_angle_deg

# Volumes nearly fit from the start: no coarse level.
LEVELS = (Level(4.0, 15_000), Level(1.0, 40_000))
# Volumes are compared in the head and a margin around it; the head is brighter than this fraction of bright tissue.
HEAD_FRACTION, BRIGHT_PERCENTILE, MARGIN_MM = 0.1, 98.0, 8.0
# From this displacement on, in voxels, a volume is named: coil sensitivity and labeling no longer are what M0 saw.
LARGE_MOTION_VOXELS = 1.0
UNCORRECTED_ROLES = (AslRole.DIFFERENCE, AslRole.FLOW)


@dataclass(frozen=True, eq=False)
class MotionCorrection:
    """A series whose volumes lie alike.

    Attributes:
        series: resampled copies, float32, on the same grid; facts and roles as they were.
        motion_ras: per volume 4x4, takes a point of the reference (the first M0, or the first volume if there is none)
            to where it was in that volume.
        translations_mm: (n, 3) shift of the middle of the head along R, A, S, per volume.
        rotations_deg: (n,) angle, per volume.
        mean_displacement_mm: (n,) mean over the head of how far its voxels were off, per volume.
        exceeding: positions of the volumes whose mean displacement is beyond the limit.
        standard_error_factor: interpolation averages neighbors, so the noise of voxels is less and no longer
            independent. The standard error of a region's mean that was computed as if it were is too small by up to
            this factor: 1 without motion, 1.2 if volumes are off by all fractions of a voxel.
        warnings: sentences for the report.
    """

    series: AslSeries
    motion_ras: tuple[np.ndarray, ...]
    translations_mm: np.ndarray
    rotations_deg: np.ndarray
    mean_displacement_mm: np.ndarray
    exceeding: tuple[int, ...]
    standard_error_factor: float
    warnings: tuple[str, ...]


def correct_motion(
    series: AslSeries,
    progress: Callable[[float], None] | None = None,
    *,
    mask: np.ndarray | None = None,
    limit_mm: float | None = None,
) -> MotionCorrection:
    """As :func:`iter_correct_motion`, at once; what ``progress`` raises ends it."""
    steps = iter_correct_motion(series, mask=mask, limit_mm=limit_mm)
    while True:
        try:
            fraction = next(steps)
        except StopIteration as done:
            return done.value
        if progress:
            progress(fraction)


def iter_correct_motion(
    series: AslSeries, *, mask: np.ndarray | None = None, limit_mm: float | None = None
) -> Generator[float, None, MotionCorrection]:
    """Lay all control, label and M0 volumes over the first M0, or over the first volume if there is no M0.

    Difference and flow images are left as they are: what moved before the scanner subtracted cannot be mended.

    Args:
        mask: KJI, where to compare, in the reference; default the head, found by threshold, with a margin.
        limit_mm: mean displacement from which a volume is named in the warnings; default the size of a voxel.

    Yields:
        The fraction done; a step takes a second or two.

    Raises:
        InputError: volumes that cannot be registered (empty, constant, fewer than 4 slices), a mask that does not fit.
    """
    groups = _groups_of_one_contrast(series)
    motions, unsettled = [np.eye(4)] * len(series.volumes), []
    head = np.ones(series.shape_kji, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if sum(map(len, groups)) > 1:
        for n in sorted(n for group in groups for n in group):
            check_image(series.volumes[n], f"volume {n + 1} of the ASL series")
        head = _head(series, groups[0][0]) if mask is None else head
        region = _with_margin(head, series.spacing_mm_kji) if mask is None else head
        unsettled = yield from _register_groups(series, groups, region, motions)
    return _corrected(series, tuple(motions), head, limit_mm, unsettled)


def _register_groups(
    series, groups, region: np.ndarray, motions: list[np.ndarray]
) -> Generator[float, None, list[int]]:
    """Fill in the motions; returns the positions of volumes whose registration did not settle."""

    def register(fixed, moving, metric: str) -> RigidRegistration:
        matrix = series.ijk_to_ras
        return register_rigid(fixed, matrix, moving, matrix, fixed_mask=region, metric=metric, levels=LEVELS)

    def mean(group: list[int]) -> np.ndarray:
        return np.mean([_resampled(series, n, motions[n]) for n in group], axis=0)

    unsettled, done, n_steps = [], 0, sum(map(len, groups))
    for group in groups:
        for n in group[1:]:
            found = register(series.volumes[group[0]], series.volumes[n], "correlation")
            motions[n] = np.linalg.inv(found.moving_to_fixed_ras)
            unsettled += [] if found.converged else [n]
            done += 1
            yield done / n_steps
    reference = mean(groups[0])
    for group in groups[1:]:
        found = register(reference, mean(group), "mutual information")
        for n in group:
            motions[n] = motions[n] @ np.linalg.inv(found.moving_to_fixed_ras)
        unsettled += [] if found.converged else group
        done += 1
        yield done / n_steps
    return sorted(set(unsettled))


def _groups_of_one_contrast(series: AslSeries) -> list[list[int]]:
    """Positions of the volumes to be corrected: M0 first, then control and label of each delay."""
    groups = {}
    for n, (role, delay_ms) in enumerate(zip(series.roles, series.post_labeling_delays_ms, strict=True)):
        if role not in UNCORRECTED_ROLES:
            key = (role is not AslRole.M0, delay_ms if role is not AslRole.M0 else None)
            groups.setdefault(key, []).append(n)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _head(series: AslSeries, n: int) -> np.ndarray:
    image = np.nan_to_num(series.volumes[n])
    bright = image > HEAD_FRACTION * np.percentile(image, BRIGHT_PERCENTILE)
    opened = ndimage.binary_opening(bright, iterations=2)
    return opened if opened.any() else np.ones(image.shape, dtype=bool)


def _with_margin(head: np.ndarray, spacing_mm_kji) -> np.ndarray:
    return ndimage.distance_transform_edt(~head, sampling=spacing_mm_kji) <= MARGIN_MM


def _resampled(series: AslSeries, n: int, motion_ras: np.ndarray) -> np.ndarray:
    """A copy. Where a volume does not reach its border is repeated: a zero would read as a loss of signal."""
    volume, matrix = series.volumes[n].astype(np.float32), series.ijk_to_ras
    if np.array_equal(motion_ras, np.eye(4)):
        return volume
    geometry = matrix, series.shape_kji, matrix, np.linalg.inv(motion_ras)
    missing = ~np.isfinite(volume)
    volume[missing] = 0  # splines would carry it everywhere
    moved = resample(volume, *geometry, cubic=True, extend=True)
    if missing.any():
        moved[resample(missing.astype(np.float32), *geometry, extend=True) > 0] = np.nan
    return moved


def _corrected(
    series: AslSeries, motions: tuple[np.ndarray, ...], head, limit_mm: float | None, unsettled: list[int]
) -> MotionCorrection:
    kji = np.argwhere(head)
    points_ras = kji[:, ::-1] @ series.ijk_to_ras[:3, :3].T + series.ijk_to_ras[:3, 3]
    shifts = [_shift(motion, points_ras) for motion in motions]
    displacements_mm = np.array([np.linalg.norm(shift, axis=1).mean() for shift in shifts])
    limit_mm = limit_mm or LARGE_MOTION_VOXELS * float(np.prod(series.spacing_mm_kji)) ** (1 / 3)
    exceeding = tuple(int(n) for n in np.flatnonzero(displacements_mm > limit_mm))
    volumes = tuple(_resampled(series, n, motion) for n, motion in enumerate(motions))
    return MotionCorrection(
        series=replace(series, volumes=volumes),
        motion_ras=motions,
        translations_mm=np.array([shift.mean(axis=0) for shift in shifts]),
        rotations_deg=np.array([rotation_angle_deg(motion) for motion in motions]),
        mean_displacement_mm=displacements_mm,
        exceeding=exceeding,
        standard_error_factor=_standard_error_factor(series, shifts),
        warnings=_warnings(series, exceeding, displacements_mm, limit_mm, unsettled),
    )


def _shift(motion_ras: np.ndarray, points_ras: np.ndarray) -> np.ndarray:
    return points_ras @ (motion_ras[:3, :3] - np.eye(3)).T + motion_ras[:3, 3]


def _standard_error_factor(series: AslSeries, shifts: list[np.ndarray]) -> float:
    """Of a mean over many voxels, whose noise interpolation leaves as it was, while that of a single voxel shrinks."""
    tagged = [n for n, role in enumerate(series.roles) if role in (AslRole.CONTROL, AslRole.LABEL)]
    if not tagged:
        return 1.0
    fractions, variances = _variance_left()
    to_voxels = np.linalg.inv(series.ijk_to_ras[:3, :3])
    left = [np.prod(np.interp((shifts[n] @ to_voxels.T) % 1.0, fractions, variances), axis=1).mean() for n in tagged]
    return float(1 / np.sqrt(np.mean(left)))


def _variance_left() -> tuple[np.ndarray, np.ndarray]:
    """What cubic splines leave of white noise's variance at fractions of the way from one sample to the next."""
    fractions = np.linspace(0, 1, 33)
    impulse = np.zeros(41)
    impulse[20] = 1
    weights = ndimage.map_coordinates(impulse, [(fractions[:, None] + np.arange(5, 35)).ravel()], order=3)
    return fractions, np.sum(weights.reshape(33, 30) ** 2, axis=1)


def _warnings(
    series: AslSeries, exceeding, displacements_mm: np.ndarray, limit_mm: float, unsettled
) -> tuple[str, ...]:
    found = []
    left = [str(n + 1) for n, role in enumerate(series.roles) if role in UNCORRECTED_ROLES]
    if left:
        found.append(
            f"Motion could not be corrected in {'images' if len(left) > 1 else 'image'} {', '.join(left)}: "
            "control and label were subtracted before."
        )
    if exceeding:
        numbers = ", ".join(f"{n + 1} ({series.roles[n].value})" for n in exceeding)
        found.append(
            f"The head moved by more than {limit_mm:.1f} mm in volume {numbers}, by {displacements_mm.max():.1f} mm at "
            "most. Motion was corrected, but look at these images."
        )
    if unsettled:
        numbers = ", ".join(str(n + 1) for n in unsettled)
        found.append(f"The registration of volume {numbers} had not settled when its steps were used up: look at it.")
    return tuple(found)
