"""The search behind an alignment: many poses looked at coarsely, the promising ones followed to their optimum.

Mattes' mutual information (IEEE Transactions on Medical Imaging 2003;22:120-128) leads each step; what is compared
between poses is normalized mutual information (Studholme, Hill and Hawkes, Pattern Recognition 1999;32:71-86), which
does not reward leaving the overlap.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  its usual name
from scipy import ndimage

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import image_of, itk_transform, ras_matrix

from .images import WorkingImage, cropped
from .landmarks import carried

N_BINS = 32
N_THREADS = 2
LAST_STEP = 0.01  # of the first
MAX_ITERATIONS = 60
STEP_RELAXATION = 0.6
MIN_SHARED = 0.3  # of the points, below which a pose is no candidate
AMPLE_SHARED = 0.75  # from which sharing more is no merit: few points agree by chance


@dataclass(frozen=True)
class Level:
    """One resolution: cubes, smoothing (sigma), points compared, and how far the first step goes."""

    spacing_mm: float
    smoothing_mm: float
    n_samples: int
    first_step_mm: float


@dataclass(frozen=True, eq=False)
class LevelImages:
    """Both scans at one resolution, and the points of the fixed one (its region and body) that are compared."""

    level: Level
    fixed: WorkingImage
    moving: WorkingImage
    points_ras: np.ndarray
    fixed_values: np.ndarray

    def compared(self, moving_to_fixed_ras: np.ndarray) -> tuple[float, float]:
        """Normalized mutual information, 1 to 2, and the fraction of the points that the scans share."""
        points = carried(self.points_ras, np.linalg.inv(moving_to_fixed_ras))
        indices = self.moving.indices_kji(points)
        inside = self.moving.covers_indices(indices)
        shared = float(inside.mean()) if len(inside) else 0.0
        if not inside.any():
            return 1.0, 0.0
        values = ndimage.map_coordinates(
            self.moving.array, indices[:, inside], order=1, mode="nearest", prefilter=False
        )
        return normalized_mutual_information(self.fixed_values[inside], values), shared

    def gain(self, moving_to_fixed_ras: np.ndarray) -> float:
        """What poses are ordered by: mutual information that is there, less where the scans share little, or 0."""
        nmi, shared = self.compared(moving_to_fixed_ras)
        return 0.0 if shared < MIN_SHARED else (nmi - 1) * min(1.0, shared / AMPLE_SHARED)


def normalized_mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """(H(a) + H(b)) / H(a, b) of values in 0 to 1; each is shared between the two bins next to it."""
    joint = np.zeros((N_BINS, N_BINS))
    low_a, part_a = _bins(a)
    low_b, part_b = _bins(b)
    for step_a, weight_a in ((0, 1 - part_a), (1, part_a)):
        for step_b, weight_b in ((0, 1 - part_b), (1, part_b)):
            index = (low_a + step_a) * N_BINS + low_b + step_b
            joint += np.bincount(index, weight_a * weight_b, N_BINS * N_BINS).reshape(N_BINS, N_BINS)
    joint /= joint.sum()
    together = _entropy(joint)
    return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / together if together > 0 else 1.0


def _bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    position = np.clip(values, 0, 1) * (N_BINS - 1)
    low = np.minimum(position.astype(np.int64), N_BINS - 2)
    return low, position - low


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-np.sum(p * np.log(p)))


# -- resolutions --


def level_images(
    fixed: WorkingImage,
    moving: WorkingImage,
    level: Level,
    in_region: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> LevelImages:
    """Both scans smoothed and on the level's cubes. The points are jittered: none lies on a slice on purpose.

    Args:
        in_region: points (n, 3) of the fixed scan -> which are compared.
    """
    fixed, moving = (_at_level(image, level) for image in (fixed, moving))
    region = np.flatnonzero(fixed.body)
    region = region[in_region(fixed.points_ras(region))]
    if len(region) > level.n_samples:
        region = rng.choice(region, level.n_samples, replace=False)
    points = fixed.points_ras(region)
    jittered = points + rng.uniform(-0.5, 0.5, points.shape) * fixed.spacing_mm
    points = np.where((in_region(jittered) & fixed.covers(jittered))[:, None], jittered, points)
    values = ndimage.map_coordinates(fixed.array, fixed.indices_kji(points), order=1, mode="nearest", prefilter=False)
    return LevelImages(level, fixed, moving, points, values)


def part_around(image: WorkingImage, corners_ras: np.ndarray) -> WorkingImage:
    """What lies in the box of corners (along the image's own axes); the image itself if that is nothing."""
    try:
        array, matrix = cropped(image.array, image.ijk_to_ras, corners_ras)
    except InputError:
        return image
    body, _ = cropped(image.body, image.ijk_to_ras, corners_ras)
    return WorkingImage(array, body, matrix, image.spacing_mm, image.whole_body_ras)


def _at_level(image: WorkingImage, level: Level) -> WorkingImage:
    smooth = ndimage.gaussian_filter(image.array, level.smoothing_mm / image.spacing_mm, truncate=3)
    step = max(1, round(level.spacing_mm / image.spacing_mm))
    part = (slice((step - 1) // 2, None, step),) * 3
    matrix = image.ijk_to_ras @ np.diag([step, step, step, 1.0])
    matrix[:3, 3] = carried(np.full(3, (step - 1) // 2), image.ijk_to_ras)
    return WorkingImage(smooth[part], image.body[part], matrix, image.spacing_mm * step, image.whole_body_ras)


# -- poses --


def perturbations(n: int, center_ras: np.ndarray, reach_mm: float, reach_deg: float, seed: int) -> list[np.ndarray]:
    """n rigid 4x4, evenly spread (Sobol) over shifts and turns about a point; the first is none at all."""
    from scipy.stats import qmc  # slow to import, and a panel that starts needs no poses

    unit = qmc.Sobol(6, seed=np.random.default_rng([seed, 11])).random_base2(int(np.ceil(np.log2(max(n, 2)))))[:n]
    unit = 2 * unit - 1
    unit[0] = 0
    return [motion(reach_mm * row[:3], np.radians(reach_deg) * row[3:], center_ras) for row in unit]


def motion(shift_mm: np.ndarray, turn_rad: np.ndarray, center_ras: np.ndarray) -> np.ndarray:
    """4x4: a turn by a rotation vector about a point, then a shift."""
    angle = np.linalg.norm(turn_rad)
    axis = turn_rad / angle if angle > 0 else np.zeros(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = center_ras - matrix[:3, :3] @ center_ras + shift_mm
    return matrix


def distance_mm(first: np.ndarray, second: np.ndarray, points_ras: np.ndarray) -> float:
    """How far apart two moving-to-fixed motions put one anatomy; root mean square over points of the fixed scan."""
    apart = carried(points_ras, second @ np.linalg.inv(first)) - points_ras
    return float(np.sqrt(np.mean(np.sum(apart**2, axis=-1))))


def distinct_best(poses: Sequence[np.ndarray], values: np.ndarray, n: int, apart_mm: float, points_ras) -> list[int]:
    """Indices of the best poses that are not near a better one."""
    kept: list[int] = []
    for index in np.argsort(-values, kind="stable"):
        if len(kept) == n or values[index] <= 0:
            break
        if all(distance_mm(poses[index], poses[other], points_ras) >= apart_mm for other in kept):
            kept.append(int(index))
    return kept


# -- following a pose to its optimum --


def refined(
    images: LevelImages, start: np.ndarray, center_ras: np.ndarray, seed: int, stop=lambda: False
) -> np.ndarray:
    """Moving to fixed, 4x4: where the steepest ascent from a start ends; the start itself if the scans part."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # several add up in the order in which they happen to end
    method.SetMetricAsMattesMutualInformation(N_BINS)
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    method.SetInterpolator(sitk.sitkLinear)
    mask = np.zeros(images.fixed.array.shape, np.uint8)
    kji = np.rint(images.fixed.indices_kji(images.points_ras)).astype(int)
    mask[tuple(np.clip(kji, 0, np.array(mask.shape).reshape(3, 1) - 1))] = 1
    method.SetMetricFixedMask(image_of(mask, images.fixed.ijk_to_ras))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, images.level.n_samples / max(int(mask.sum()), 1)), seed + 1)
    method.SetOptimizerAsRegularStepGradientDescent(
        images.level.first_step_mm,
        LAST_STEP * images.level.first_step_mm,
        MAX_ITERATIONS,
        STEP_RELAXATION,
        gradientMagnitudeTolerance=1e-9,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter((np.array([-1.0, -1.0, 1.0]) * center_ras).tolist())
    method.SetMovingInitialTransform(itk_transform(np.linalg.inv(start)))
    method.SetInitialTransform(rigid, inPlace=True)
    method.AddCommand(sitk.sitkIterationEvent, lambda: method.StopRegistration() if stop and stop() else None)
    try:
        method.Execute(
            image_of(images.fixed.array, images.fixed.ijk_to_ras),
            image_of(images.moving.array, images.moving.ijk_to_ras),
        )
    except RuntimeError as error:
        if "map outside" not in str(error):
            raise
        return start
    return np.linalg.inv(np.linalg.inv(start) @ ras_matrix(rigid))


def in_threads(work: Callable, items: Sequence, report: Callable[[int, int], None]) -> list:
    """Results in the order of the items; each is computed by one thread alone, so their number changes nothing."""
    with ThreadPoolExecutor(N_THREADS) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            found = []
            for n_done, future in enumerate(futures, 1):
                found.append(future.result())
                report(n_done, len(items))
            return found
        except BaseException:
            for future in futures:
                future.cancel()
            raise
