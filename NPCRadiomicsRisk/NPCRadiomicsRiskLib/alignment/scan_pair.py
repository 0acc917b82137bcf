"""Both scans made ready at three resolutions, the search in them, and the measures of what was found."""

from collections.abc import Callable
from functools import partial

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import check_image, rotation_angle_deg

from .edges import edge_match
from .images import FINEST_MM, MARGIN_MM, MAX_VOXELS, Box, box_around, working_image
from .landmarks import carried, landmark_errors_mm
from .quality import AlignmentQuality
from .search import (
    Level,
    LevelImages,
    distance_mm,
    distinct_best,
    in_threads,
    level_images,
    motion,
    part_around,
    perturbations,
    refined,
)

COARSE = Level(spacing_mm=4.5, smoothing_mm=4.0, n_samples=4_000, first_step_mm=4.0)
MEDIUM = Level(spacing_mm=3.0, smoothing_mm=2.0, n_samples=8_000, first_step_mm=1.5)
FINE = Level(spacing_mm=1.5, smoothing_mm=1.0, n_samples=40_000, first_step_mm=0.5)
# Poses looked at around each start, evenly spread over so much shift along each axis and turn about it; and along the
# body, in which scans of other fields of view may lie anywhere.
N_PERTURBED, REACH_MM, REACH_DEG = 256, 30.0, 20.0
SWEEP_MM = np.arange(-120.0, 121.0, 10.0)
N_FOLLOWED, APART_MM = 8, 8.0
AGREE_MM = 1.0
CAPTURE_RINGS, N_PER_RING, NEARLY_ALL = (5.0, 10.0, 20.0), 6, 5
BACKWARDS_MM = 3.0
N_DISTANCE_POINTS = 500
FAR_MM, MIN_FAR, N_FAR = 15.0, 20, 100  # poses that cannot be mistaken for the one found


Looks = list[tuple[np.ndarray, float]]  # poses and their gain


class ScanPair:
    """Both scans at all resolutions, and what is done with them."""

    def __init__(self, fixed, fixed_ijk_to_ras, moving, moving_ijk_to_ras, box: Box | None, seed: int, progress):
        self.seed, self._progress = seed, progress
        self._canceled = False
        self.warnings: list[str] = []
        for array, where in ((fixed, "fixed scan"), (moving, "moving scan")):
            check_image(array, where)
            n_lost = int(np.count_nonzero(~np.isfinite(array)))
            if n_lost:
                self.warnings.append(f"{n_lost} values of the {where} are not finite and counted as 0.")
        if box is None:
            box = _whole(fixed, fixed_ijk_to_ras)
            self.warnings.append("No region was given: neck and jaw count as much as the skull.")
        self.box, self.center_ras = box, np.asarray(box.center_ras, float)
        spacing = _spacing_mm(box, fixed_ijk_to_ras)
        self.report(0.0)
        self.fixed = working_image(fixed, fixed_ijk_to_ras, spacing, box)
        self.report(0.04)
        self.moving = working_image(moving, moving_ijk_to_ras, spacing)
        self.report(0.08)
        self.coarse, self.medium, self.fine = (
            level_images(self.fixed, self.moving, level, box.contains, np.random.default_rng([seed, number]))
            for number, level in enumerate((COARSE, MEDIUM, FINE))
        )
        if len(self.coarse.points_ras) < 100:
            raise InputError("there is next to nothing of the patient in it", where="region of interest")
        step = max(1, len(self.coarse.points_ras) // N_DISTANCE_POINTS)
        self.points_ras = self.coarse.points_ras[::step]
        self.report(0.1)

    def report(self, fraction: float) -> None:
        if self._progress is None:
            return
        try:
            self._progress(fraction)
        except BaseException:
            self._canceled = True  # the threads look at it
            raise

    def reports(self, first: float, last: float) -> Callable[[int, int], None]:
        return lambda n_done, n: self.report(first + (last - first) * n_done / n)

    def refined(self, images: LevelImages, start: np.ndarray) -> np.ndarray:
        return refined(images, start, self.center_ras, self.seed, lambda: self._canceled)

    def followed(self, starts: list[np.ndarray], first: float, last: float) -> list[np.ndarray]:
        """Where starts lead at medium resolution."""
        return in_threads(self.follow, starts, self.reports(first, last))

    def follow(self, start: np.ndarray) -> np.ndarray:
        return self.refined(self.medium, self.refined(self.coarse, start))

    def candidates(self, bases: dict[str, np.ndarray], perturb: bool) -> tuple[dict[str, np.ndarray], Looks]:
        """Starts to follow, the plain ones first, and all poses that were looked at with their gain."""
        poses, gains = [], []
        steps = perturbations(N_PERTURBED, self.center_ras, REACH_MM, REACH_DEG, self.seed)
        swept = [motion(np.array([0, 0, shift]), np.zeros(3), self.center_ras) for shift in SWEEP_MM]
        for number, base in enumerate(bases.values()):
            sweep = [step @ base for step in swept]
            best = int(np.argmax([self.coarse.gain(pose) for pose in sweep]))
            around = [step @ base for step in steps]
            if SWEEP_MM[best] != 0:
                around += [step @ sweep[best] for step in steps[: N_PERTURBED // 2]]
            poses += around
            gains += [self.coarse.gain(pose) for pose in around]
            self.report(0.1 + 0.1 * (number + 1) / len(bases))
        gains = np.array(gains)
        followed = dict(bases)
        if perturb:
            chosen = distinct_best(poses, gains, N_FOLLOWED, APART_MM, self.points_ras)
            followed |= {f"perturbed {number}": poses[index] for number, index in enumerate(chosen, 1)}
        return followed, [(pose, gain) for pose, gain in zip(poses, gains, strict=True) if gain > 0]

    def quality(self, found, reference, results, rivalry, looks, landmarks) -> AlignmentQuality:
        """Everything measured of a motion. ``reference``: where medium resolution sees the optimum."""
        nmi, overlap = self.fine.compared(found)
        capture, inconsistency = self._capture_and_inverse(found, reference)
        usual, spread, here = self._peak(found, looks)
        rival = (rivalry[0] - usual) / max(self.fine.gain(found) - usual, 1e-9)
        rng = np.random.default_rng([self.seed, 21])
        geometry = distance_mm(np.eye(4), found, self.center_ras[None])
        return AlignmentQuality(
            nmi=nmi,
            nmi_elsewhere=1 + usual,
            peak=(here - usual) / spread,
            overlap=overlap,
            inverse_consistency_mm=inconsistency,
            agreeing_starts=sum(result.distance_to_best_mm <= AGREE_MM for result in results),
            n_starts=len(results),
            capture_range_mm=_capture_range(capture),
            capture=capture,
            rival=max(0.0, float(rival)) if rivalry[0] > 0 else 0.0,
            rival_distance_mm=rivalry[1],
            edges=edge_match(self.fixed, self.moving, found, self.box, rng),
            rotation_deg=rotation_angle_deg(found),
            translation_mm=geometry,
            landmark_errors_mm=landmark_errors_mm(*landmarks, found) if landmarks else {},
        )

    def _peak(self, found, looks: Looks) -> tuple[float, float, float]:
        """Median and robust standard deviation of the gain at poses far from the one found, and there."""
        some = self.points_ras[::10]
        far = [pose for pose, _ in looks if distance_mm(found, pose, some) > FAR_MM]
        here = self.medium.gain(found)
        if len(far) < MIN_FAR:
            return 0.0, np.nan, here
        gains = np.array([self.medium.gain(pose) for pose in far[:: max(1, len(far) // N_FAR)]])
        usual = float(np.median(gains))
        return usual, max(1.4826 * float(np.median(np.abs(gains - usual))), 1e-6), here

    def _capture_and_inverse(self, found, reference) -> tuple[dict[float, tuple[int, int]], float]:
        """Of searches from around the optimum, how many come back, up to the first ring from which too few do.

        And the inverse consistency, computed beside them.
        """
        rng = np.random.default_rng([self.seed, 31])
        capture: dict[float, tuple[int, int]] = {}
        inconsistency = np.nan
        for number, ring in enumerate(CAPTURE_RINGS):
            directions = rng.normal(size=(N_PER_RING, 2, 3))
            directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
            starts = [
                motion(ring * shift, np.radians(ring) * turn, self.center_ras) @ reference for shift, turn in directions
            ]
            tasks = [partial(self._inverse_consistency_mm, found)] if number == 0 else []
            tasks += [partial(self.follow, start) for start in starts]
            first, last = (0.65 + 0.32 * (number + step) / len(CAPTURE_RINGS) for step in (0, 1))
            ends = in_threads(lambda task: task(), tasks, self.reports(first, last))
            if number == 0:
                inconsistency = ends.pop(0)
            n_back = sum(distance_mm(reference, end, self.points_ras) <= AGREE_MM for end in ends)
            capture[ring] = (n_back, N_PER_RING)
            if n_back < NEARLY_ALL:
                break
        return capture, inconsistency

    def _inverse_consistency_mm(self, found: np.ndarray) -> float:
        """The roles changed: points of the moving scan are compared, and the fixed one is interpolated."""

        def in_region(points_ras):
            return self.box.contains(carried(points_ras, found))

        disturbance = motion(
            np.full(3, BACKWARDS_MM / np.sqrt(3)), np.radians(BACKWARDS_MM) * np.eye(3)[0], self.center_ras
        )
        back = np.linalg.inv(disturbance @ found)
        center = carried(self.center_ras, back)
        moving = part_around(self.moving, carried(self.box.corners_ras(MARGIN_MM), back))
        for number, level in enumerate((MEDIUM, FINE)):
            images = level_images(moving, self.fixed, level, in_region, np.random.default_rng([self.seed, 40 + number]))
            if len(images.points_ras) < 100:
                return np.nan
            back = refined(images, back, center, self.seed, lambda: self._canceled)
        return distance_mm(found, np.linalg.inv(back), self.points_ras)


def _capture_range(capture: dict[float, tuple[int, int]]) -> float:
    """The largest ring up to which, ring by ring, nearly all came back; 0 if not even the first."""
    reached = 0.0
    for ring, (n_back, _) in sorted(capture.items()):
        if n_back < NEARLY_ALL:
            break
        reached = ring
    return reached


def _whole(fixed: np.ndarray, ijk_to_ras: np.ndarray) -> Box:
    return box_around(np.ones(fixed.shape, bool), ijk_to_ras, 0.0)


def _spacing_mm(box: Box, fixed_ijk_to_ras: np.ndarray) -> float:
    """Of the cubes: fine, but no finer than the fixed scan's pixels, and not too many."""
    finest = float(np.linalg.norm(np.asarray(fixed_ijk_to_ras, float)[:3, :3], axis=0).min())
    volume = float(np.prod(np.asarray(box.size_mm) + 2 * MARGIN_MM))
    return max(FINEST_MM, finest, (volume / MAX_VOXELS) ** (1 / 3))
