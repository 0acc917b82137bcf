"""Rigid registration of two images of one patient, and resampling. RAS millimeters in, RAS millimeters out.

Multi-resolution, from where the images' geometry (or the caller) puts them. The same input gives the same result to the
last digit: the seed of the sampling is fixed, and so is the order of ITK's sums.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  its usual name

from .errors import InputError

METRICS = ("mutual information", "correlation")
N_HISTOGRAM_BINS = 32
FIRST_STEP_MM, LAST_STEP_MM = 1.0, 0.002
STEP_RELAXATION = 0.7
MAX_ITERATIONS = 150
TYPICAL_ITERATIONS = 40  # per level, for the progress alone
MIN_SIZE = 4  # voxels along each axis, which ITK's smoothing needs
# Below this fraction of the fixed image there is nothing to compare; below the next it is said.
MIN_OVERLAP, SMALL_OVERLAP = 0.02, 0.25
# Beyond what a patient moves between two series; between two visits it may happen.
LARGE_TRANSLATION_MM, LARGE_ROTATION_DEG = 30.0, 20.0


@dataclass(frozen=True)
class Level:
    """One resolution: width (sigma) of the smoothing and about how many points of the fixed image are compared.

    Images are not shrunk: a factor that suits the pixels would leave too few thick slices.
    """

    smoothing_mm: float
    n_samples: int


LEVELS = (Level(6.0, 15_000), Level(3.0, 30_000), Level(1.0, 100_000))

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # its own inverse


@dataclass(frozen=True, eq=False)
class RigidRegistration:
    """How the moving image lies over the fixed one.

    Attributes:
        moving_to_fixed_ras: 4x4; takes a point of the moving image to the same anatomy in the fixed image.
        metric: value of the metric at the end, to compare several starts by: more is better. Mutual information in
            nats, or the square of the correlation coefficient.
        iterations: of all levels.
        converged: the last level ended because its steps became small.
        rotation_deg, translation_mm: how far the images moved from the start, as an angle and as the displacement of
            the middle of the region compared.
        overlap: fraction of the fixed image (its region) that the moving image covers at the end.
        warnings: sentences for the report.
    """

    moving_to_fixed_ras: np.ndarray
    metric: float
    iterations: int
    converged: bool
    rotation_deg: float
    translation_mm: float
    overlap: float
    warnings: tuple[str, ...] = ()


def register_rigid(
    fixed: np.ndarray,
    fixed_ijk_to_ras: np.ndarray,
    moving: np.ndarray,
    moving_ijk_to_ras: np.ndarray,
    *,
    fixed_mask: np.ndarray | None = None,
    initial_moving_to_fixed_ras: np.ndarray | None = None,
    metric: str = "mutual information",
    levels: Sequence[Level] = LEVELS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> RigidRegistration:
    """Find the rotation and translation that lay one image over the other.

    Args:
        fixed, moving: KJI arrays; values that are not finite count as 0.
        fixed_ijk_to_ras, moving_ijk_to_ras: 4x4, axes at right angles.
        fixed_mask: where to compare, on the fixed grid; the whole image if None. A head moves rigidly, a jaw and a neck
            do not: give the region that matters.
        initial_moving_to_fixed_ras: 4x4 start, any linear transform; a rigid motion is added to it. Identity if None:
            images of one visit lie where the scanner says.
        metric: "mutual information" for any two contrasts, or "correlation" for the same contrast.
        levels: from coarse to fine; fewer are quicker for images that nearly fit.
        seed: of the jitter of the regular sampling.
        progress: called with the fraction done; what it raises ends the registration and passes through.

    Raises:
        InputError: an image that is empty, constant or too small, axes not at right angles, an empty mask or one of
            another shape, images that do not overlap, an unknown metric.
    """
    check_image(fixed, "fixed image")
    check_image(moving, "moving image")
    fixed, moving = _comparable(fixed), _comparable(moving)
    if metric not in METRICS:
        raise InputError(f"there is no metric {metric!r}", where="registration", remedy=f"Choose of {METRICS}")
    start = np.eye(4) if initial_moving_to_fixed_ras is None else np.asarray(initial_moving_to_fixed_ras, float)
    region = _region(fixed, fixed_mask)
    points_ras = _voxel_points_ras(region, fixed_ijk_to_ras)
    _check_overlap(_overlap(points_ras, start, moving.shape, moving_ijk_to_ras))

    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(_center_lps(fixed, region, fixed_ijk_to_ras))
    fixed_image = image_of(_finite(fixed), fixed_ijk_to_ras)
    moving_image = image_of(_finite(moving), moving_ijk_to_ras)
    method = _method(metric, levels, region, seed)
    if fixed_mask is not None:
        method.SetMetricFixedMask(image_of(region.astype(np.uint8), fixed_ijk_to_ras))
    method.SetMovingInitialTransform(itk_transform(np.linalg.inv(start)))
    method.SetInitialTransform(rigid, inPlace=True)
    iterations = _execute(method, fixed_image, moving_image, len(levels), progress)

    found_ras = ras_matrix(rigid)
    moving_to_fixed_ras = np.linalg.inv(np.linalg.inv(start) @ found_ras)
    result = RigidRegistration(
        moving_to_fixed_ras=moving_to_fixed_ras,
        metric=-float(method.GetMetricValue()),
        iterations=iterations,
        converged="too small" in method.GetOptimizerStopConditionDescription(),
        rotation_deg=rotation_angle_deg(found_ras),
        translation_mm=float(np.linalg.norm(rigid.GetTranslation())),
        overlap=_overlap(points_ras, moving_to_fixed_ras, moving.shape, moving_ijk_to_ras),
    )
    object.__setattr__(result, "warnings", _warnings(result))
    return result


def _comparable(array: np.ndarray) -> np.ndarray:
    """float32, which is all that ITK registers, without anything that is not finite."""
    return np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def resample(
    moving: np.ndarray,
    moving_ijk_to_ras: np.ndarray,
    fixed_shape_kji: tuple[int, int, int],
    fixed_ijk_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray | None = None,
    *,
    nearest: bool = False,
    cubic: bool = False,
    extend: bool = False,
) -> np.ndarray:
    """The moving image on the fixed grid, a new array.

    Args:
        moving_to_fixed_ras: 4x4, any linear transform; identity if None.
        nearest: for masks and labels, of the type that came in; else linear interpolation and float32.
        cubic: by cubic B-splines instead, which blur less but may overshoot at borders; all values must be finite.
        extend: repeat the moving image's border where it does not reach, instead of 0.
    """
    array = moving.astype(np.uint8) if moving.dtype == bool else moving
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image_of(np.zeros(fixed_shape_kji, dtype=np.uint8), fixed_ijk_to_ras))
    smooth = sitk.sitkBSpline3 if cubic else sitk.sitkLinear
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else smooth)
    resampler.SetUseNearestNeighborExtrapolator(extend)
    if moving_to_fixed_ras is not None:
        resampler.SetTransform(itk_transform(np.linalg.inv(moving_to_fixed_ras)))
    image = image_of(array if nearest else array.astype(np.float32), moving_ijk_to_ras)
    result = sitk.GetArrayFromImage(resampler.Execute(image))
    return result.astype(moving.dtype) if nearest else result


def check_image(image: np.ndarray, where: str) -> None:
    """Raises an InputError if an image cannot be registered: too small, empty or constant."""
    if image.ndim != 3 or min(image.shape) < MIN_SIZE:
        raise InputError(
            f"registration needs at least {MIN_SIZE} slices, rows and columns, found {tuple(image.shape)}", where=where
        )
    finite = image[np.isfinite(image)]
    if not finite.any():
        raise InputError("the image is empty", where=where, remedy="Choose another image")
    if finite.min() == finite.max():
        raise InputError("the image has the same value everywhere", where=where, remedy="Choose another image")


def rotation_angle_deg(matrix: np.ndarray) -> float:
    """Angle of the rotation in a rigid 4x4."""
    sine = np.linalg.norm([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]) / 2
    return float(np.degrees(np.arctan2(sine, (np.trace(matrix[:3, :3]) - 1) / 2)))


# -- RAS to ITK's frame and back --


def image_of(array: np.ndarray, ijk_to_ras: np.ndarray) -> sitk.Image:
    """A SimpleITK image (a copy) of a KJI array where it lies in space.

    Raises:
        InputError: axes that are not at right angles, which ITK cannot hold.
    """
    ijk_to_lps = LPS_FROM_RAS @ ijk_to_ras
    spacing = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    if not (np.isfinite(ijk_to_lps).all() and spacing.all()):
        raise InputError("the image's directions and spacing span no space", remedy="Give a 4 x 4 matrix, IJK to RAS")
    direction = ijk_to_lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError("the image's axes are not at right angles", remedy="Resample it to a straight grid first")
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    image.SetDirection(direction.ravel().tolist())
    return image


def itk_transform(matrix_ras: np.ndarray) -> sitk.AffineTransform:
    """A linear 4x4 in RAS as ITK has it, in LPS."""
    matrix = LPS_FROM_RAS @ matrix_ras @ LPS_FROM_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def ras_matrix(transform: sitk.Euler3DTransform) -> np.ndarray:
    """4x4 in RAS of a rigid ITK transform."""
    matrix, center = np.eye(4), np.array(transform.GetCenter())
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = center + transform.GetTranslation() - matrix[:3, :3] @ center
    return LPS_FROM_RAS @ matrix @ LPS_FROM_RAS


# -- what registration consists of --


def _method(metric: str, levels: Sequence[Level], region: np.ndarray, seed: int) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # several add up in the order in which they happen to end
    if metric == "correlation":
        method.SetMetricAsCorrelation()
    else:
        method.SetMetricAsMattesMutualInformation(N_HISTOGRAM_BINS)
    # Gradients where they are needed, instead of whole images of them.
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    n_voxels = np.count_nonzero(region)
    n_samples, sigmas_mm = zip(*((level.n_samples, level.smoothing_mm) for level in levels), strict=True)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([min(1.0, n / n_voxels) for n in n_samples], seed + 1)  # 0: the clock
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([1] * len(levels))
    method.SetSmoothingSigmasPerLevel(sigmas_mm)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP_MM, LAST_STEP_MM, MAX_ITERATIONS, STEP_RELAXATION, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def _execute(method, fixed: sitk.Image, moving: sitk.Image, n_levels: int, progress) -> int:
    """Run; returns the number of iterations. What ``progress`` raises must not pass through ITK: kept, then raised."""
    iterations, raised = 0, []

    def advance():
        nonlocal iterations
        iterations += 1
        if raised:  # StopRegistration ends one level only
            method.StopRegistration()
        if progress is None or raised:
            return
        within = min(method.GetOptimizerIteration() / TYPICAL_ITERATIONS, 1.0)
        try:
            progress((method.GetCurrentLevel() + within) / n_levels)
        except BaseException as error:  # noqa: BLE001  raised again below
            raised.append(error)
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, advance)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        if not raised and "map outside" not in str(error):
            raise
        if not raised:
            _check_overlap(0.0)
    if raised:
        raise raised[0]
    return iterations


def _finite(image: np.ndarray) -> np.ndarray:
    return np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _region(fixed: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    if mask is None:
        return np.ones(fixed.shape, dtype=bool)
    region = np.asarray(mask, dtype=bool)
    if region.shape != fixed.shape:
        raise InputError(f"the mask has shape {region.shape}, the fixed image {fixed.shape}", where="registration mask")
    if not region.any():
        raise InputError("the mask is empty", where="registration mask", remedy="Draw the region to compare")
    return region


def _voxel_points_ras(region: np.ndarray, ijk_to_ras: np.ndarray, n_points: int = 5_000) -> np.ndarray:
    """(n, 3) centers of some of a region's voxels."""
    inside = np.flatnonzero(region)
    kji = np.unravel_index(inside[:: max(1, len(inside) // n_points)], region.shape)
    return np.stack(kji[::-1], axis=1) @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]


def _overlap(points_ras: np.ndarray, moving_to_fixed_ras: np.ndarray, shape_kji, moving_ijk_to_ras) -> float:
    """Fraction of points of the fixed image that are within the moving image."""
    to_ijk = np.linalg.inv(moving_to_fixed_ras @ moving_ijk_to_ras)
    ijk = points_ras @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    return float(np.mean(np.all((ijk >= -0.5) & (ijk <= np.array(shape_kji[::-1]) - 0.5), axis=1)))


def _check_overlap(overlap: float) -> None:
    if overlap < MIN_OVERLAP:
        raise InputError(
            "the images do not overlap in space",
            where="registration",
            remedy="Check that both are of this patient and visit, or lay one over the other by hand first",
        )


def _center_lps(fixed: np.ndarray, region: np.ndarray, ijk_to_ras: np.ndarray) -> list[float]:
    """Of the region, weighted by the image: near the middle of the head, so that turning and shifting stay apart."""
    weights = np.where(region & np.isfinite(fixed), np.abs(fixed), 0).astype(np.float64)
    if not weights.any():
        weights = region.astype(np.float64)
    ijk = [
        np.average(np.arange(weights.shape[axis]), weights=weights.sum(axis=tuple({0, 1, 2} - {axis})))
        for axis in (2, 1, 0)
    ]
    return (LPS_FROM_RAS @ ijk_to_ras @ [*ijk, 1.0])[:3].tolist()


def _warnings(result: RigidRegistration) -> tuple[str, ...]:
    found = []
    if not result.converged:
        found.append("The registration had not settled when its steps were used up: check by eye that the images fit.")
    if result.overlap < SMALL_OVERLAP:
        found.append(f"After registration the images share only {result.overlap:.0%} of the region compared.")
    if result.translation_mm > LARGE_TRANSLATION_MM or result.rotation_deg > LARGE_ROTATION_DEG:
        found.append(
            f"Registration moved the image far ({result.translation_mm:.0f} mm, {result.rotation_deg:.0f} degrees): "
            "check by eye that the images fit."
        )
    return tuple(found)
