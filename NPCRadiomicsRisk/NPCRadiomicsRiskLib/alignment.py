"""Rigid alignment of a later scan (recurrence MRI, planning CT) to the pre-treatment MRI around the nasopharynx.

found = align(pre, pre_ijk_to_ras, recurrence, recurrence_ijk_to_ras, region_ras=Box(gtv_middle_ras, (120, 120, 110)))
found.moving_to_fixed_ras, found.reliable, found.reasons

Neck and jaw lie otherwise with and without a mask, so only a volume of interest is compared (Akram et al., Radiation
Oncology 2020;15:216). Many starts are looked at; whether the result can be trusted is measured afterwards, and said.
The same input and seed give the same result to the last digit, on any number of cores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import check_image, rotation_angle_deg

from .alignment_edges import edge_match
from .alignment_images import FINEST_MM, MARGIN_MM, MAX_VOXELS, Box, WorkingImage, working_image
from .alignment_pictures import ComparisonPlane, comparison_slices
from .alignment_quality import AlignmentQuality, reasons_against, warnings_about
from .alignment_search import (
    MIN_SHARED,
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
from .landmarks import carried, common_names, landmark_errors_mm, landmark_transform, paired

__all__ = [
    "STARTS",
    "Alignment",
    "Box",
    "ComparisonPlane",
    "StartResult",
    "align",
    "assess_given",
    "box_around",
    "chained",
    "comparison_slices",
    "landmark_errors_mm",
    "landmark_transform",
]

STARTS = ("geometry", "centers", "moments", "landmarks", "perturbed")
COARSE = Level(spacing_mm=4.5, smoothing_mm=4.0, n_samples=6_000, first_step_mm=4.0)
MEDIUM = Level(spacing_mm=3.0, smoothing_mm=2.0, n_samples=15_000, first_step_mm=1.5)
FINE = Level(spacing_mm=1.5, smoothing_mm=1.0, n_samples=60_000, first_step_mm=0.5)
# Poses looked at around each start, evenly spread over so much shift along each axis and turn about it; and along the
# body, in which scans of other fields of view may lie anywhere.
N_PERTURBED, REACH_MM, REACH_DEG = 256, 30.0, 20.0
SWEEP_MM = np.arange(-120.0, 121.0, 10.0)
N_FOLLOWED, APART_MM = 8, 8.0
AGREE_MM, DISTINCT_MM = 1.0, 4.0
MAX_MOMENT_TURN_DEG = 45.0  # nobody lies on the head in a scanner
CAPTURE_RINGS, N_PER_RING, NEARLY_ALL = (5.0, 10.0, 20.0), 6, 5
BACKWARDS_MM = 3.0
N_DISTANCE_POINTS = 500

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class StartResult:
    """One start and where it led.

    Attributes:
        name: of STARTS, with a number for the perturbed ones.
        initial_moving_to_fixed_ras, moving_to_fixed_ras: 4x4 before and after (medium resolution).
        metric: normalized mutual information after, medium resolution.
        distance_to_best_mm: root mean square over the region, from where the best start led.
    """

    name: str
    initial_moving_to_fixed_ras: np.ndarray
    moving_to_fixed_ras: np.ndarray
    metric: float
    distance_to_best_mm: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the moving scan lies over the fixed one, and whether that can be trusted.

    Attributes:
        moving_to_fixed_ras: 4x4; takes a point of the moving scan to the same anatomy in the fixed one.
        metric: normalized mutual information in the region, 1 to 2.
        start: name of the start that led there.
        starts: all that were followed, best first.
        quality: everything measured.
        reliable: nothing speaks against it. That is no proof: look at comparison_slices.
        reasons: what speaks against it, as sentences.
        warnings: sentences for the report.
    """

    moving_to_fixed_ras: np.ndarray
    metric: float
    start: str
    starts: tuple[StartResult, ...]
    quality: AlignmentQuality
    reliable: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def align(
    fixed: np.ndarray,
    fixed_ijk_to_ras: np.ndarray,
    moving: np.ndarray,
    moving_ijk_to_ras: np.ndarray,
    *,
    region_ras: Box | None = None,
    landmarks_fixed_ras: Mapping[str, np.ndarray] | None = None,
    landmarks_moving_ras: Mapping[str, np.ndarray] | None = None,
    initial_moving_to_fixed_ras: np.ndarray | None = None,
    starts: Sequence[str] = STARTS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Alignment:
    """Find the rotation and translation that lay the moving scan over the fixed one.

    Args:
        fixed, moving: KJI arrays of any contrast, CT included; values that are not finite count as 0.
        fixed_ijk_to_ras, moving_ijk_to_ras: 4x4, axes at right angles.
        region_ras: what must fit, in the fixed scan; the whole of it if None.
        landmarks_fixed_ras, landmarks_moving_ras: name -> point. Those with a name in common are a start (three or
            more; fewer shift only) and are checked at the end. They do not bind the result.
        initial_moving_to_fixed_ras: a further start, rigid.
        starts: of STARTS. "perturbed" are the best of many poses around the others.
        seed: of perturbed starts and sampled points.
        progress: called with the fraction done; what it raises ends the search and passes through.

    Raises:
        InputError: a scan that is empty, constant, too small or not of three dimensions; a matrix that spans no space;
            a region outside of the fixed scan; scans that overlap nowhere that was looked; an unknown start.
    """
    unknown = set(starts) - set(STARTS)
    if unknown or not starts:
        raise InputError(f"there is no start {sorted(unknown)}", where="alignment", remedy=f"Choose of {STARTS}")
    initial = None if initial_moving_to_fixed_ras is None else _checked_matrix(initial_moving_to_fixed_ras)
    landmarks = _checked_landmarks(landmarks_fixed_ras, landmarks_moving_ras)
    search = _Search(fixed, fixed_ijk_to_ras, moving, moving_ijk_to_ras, region_ras, seed, progress)
    bases = _plain_starts(search, landmarks, starts)
    if initial is not None:
        bases = {"given": initial} | bases
    followed, elsewhere = search.candidates(bases, "perturbed" in starts)
    ends = search.followed(list(followed.values()), 0.2, 0.55)
    gains = np.array([search.medium.gain(end) for end in ends])
    if not (gains > 0).any():
        raise InputError(
            "the scans do not overlap in the region compared",
            where="alignment",
            remedy="Check that both are of this patient, or lay one over the other by hand first",
        )
    best, rival = _best_and_rival(search, ends, gains)
    finalists = [ends[best]] + ([ends[rival]] if rival is not None else [])
    finals = in_threads(lambda start: search.refined(search.fine, start), finalists, search.reports(0.55, 0.65))
    fine_gains = [search.fine.gain(final) for final in finals]
    if len(finals) > 1 and fine_gains[1] > fine_gains[0]:
        best, rival, finals, fine_gains = rival, best, finals[::-1], fine_gains[::-1]
    found = finals[0]
    results = _start_results(search, followed, ends, gains, best)
    rivalry = _rivalry(search, finals, fine_gains)
    quality = search.quality(found, ends[best], results, rivalry, elsewhere, landmarks)
    return search.judged(found, results[0].name, results, quality)


def assess_given(
    fixed: np.ndarray,
    fixed_ijk_to_ras: np.ndarray,
    moving: np.ndarray,
    moving_ijk_to_ras: np.ndarray,
    moving_to_fixed_ras: np.ndarray,
    *,
    region_ras: Box | None = None,
    landmarks_fixed_ras: Mapping[str, np.ndarray] | None = None,
    landmarks_moving_ras: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Alignment:
    """The same report of a transform from elsewhere (BRAINSFit, Elastix, Eclipse) or tuned by hand; it stays as it is.

    The one start is the given transform itself: its ``distance_to_best_mm`` says how far a search would move it.

    Raises:
        InputError: as align; a transform that is not an invertible 4x4; scans that do not overlap under it.
    """
    given = _checked_matrix(moving_to_fixed_ras)
    landmarks = _checked_landmarks(landmarks_fixed_ras, landmarks_moving_ras)
    search = _Search(fixed, fixed_ijk_to_ras, moving, moving_ijk_to_ras, region_ras, seed, progress)
    if search.fine.compared(given)[1] < MIN_SHARED:
        raise InputError(
            "under this transform the scans do not overlap in the region compared",
            where="alignment",
            remedy="Check that it goes from the moving scan to the fixed one, and not the other way round",
        )
    _, elsewhere = search.candidates({"given": given}, True)
    (end,) = search.followed([given], 0.2, 0.4)
    (local,) = in_threads(lambda start: search.refined(search.fine, start), [end], search.reports(0.4, 0.65))
    off = distance_mm(given, local, search.points_ras)
    results = (StartResult("given", given, local, search.medium.compared(local)[0], off),)
    quality = search.quality(given, end, results, (0.0, np.nan), elsewhere, landmarks)
    return search.judged(given, "given", results, quality)


def chained(*matrices_ras: np.ndarray) -> np.ndarray:
    """One 4x4 for several, in the order in which they are applied: chained(mri_to_ct, ct_to_mri).

    Raises:
        InputError: none given, or one that is not an invertible 4x4.
    """
    if not matrices_ras:
        raise InputError("a chain needs at least one transform")
    result = np.eye(4)
    for matrix in matrices_ras:
        result = _checked_matrix(matrix) @ result
    return result


def box_around(mask: np.ndarray, ijk_to_ras: np.ndarray, margin_mm: float = 30.0) -> Box:
    """The volume of interest around a mask (KJI), as the region of the pre-treatment scan around GTV.

    Raises:
        InputError: an empty mask.
    """
    indices = np.argwhere(mask)[:, ::-1]
    if not len(indices):
        raise InputError("the mask is empty", where="region of interest", remedy="Outline the tumor first")
    low, high = indices.min(axis=0) - 0.5, indices.max(axis=0) + 0.5
    corners = carried(np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, 8).T, ijk_to_ras)
    low, high = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    return Box(tuple((low + high) / 2), tuple(high - low))


class _Search:
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

    def candidates(self, bases: dict[str, np.ndarray], perturb: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Starts to follow, the plain ones first, and the mutual information of all poses that were looked at."""
        poses, gains = [], []
        looks = perturbations(N_PERTURBED, self.center_ras, REACH_MM, REACH_DEG, self.seed)
        swept = [motion(np.array([0, 0, shift]), np.zeros(3), self.center_ras) for shift in SWEEP_MM]
        for number, base in enumerate(bases.values()):
            sweep = [step @ base for step in swept]
            best = int(np.argmax([self.coarse.gain(pose) for pose in sweep]))
            around = [look @ base for look in looks]
            if SWEEP_MM[best] != 0:
                around += [look @ sweep[best] for look in looks[: N_PERTURBED // 2]]
            poses += around
            gains += [self.coarse.gain(pose) for pose in around]
            self.report(0.1 + 0.1 * (number + 1) / len(bases))
        gains = np.array(gains)
        followed = dict(bases)
        if perturb:
            chosen = distinct_best(poses, gains, N_FOLLOWED, APART_MM, self.points_ras)
            followed |= {f"perturbed {number}": poses[index] for number, index in enumerate(chosen, 1)}
        return followed, gains[gains > 0]

    def quality(self, found, reference, results, rivalry, elsewhere, landmarks) -> AlignmentQuality:
        """Everything measured of a motion. ``reference``: where medium resolution sees the optimum."""
        nmi, overlap = self.fine.compared(found)
        capture, inconsistency = self._capture_and_inverse(found, reference)
        usual, spread, here = self._peak(found, elsewhere)
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

    def judged(self, found, start, results, quality) -> Alignment:
        reasons = reasons_against(quality)
        warnings = (*self.warnings, *warnings_about(quality))
        self.report(1.0)
        return Alignment(found, quality.nmi, start, results, quality, not reasons, reasons, warnings)

    def _peak(self, found, elsewhere: np.ndarray) -> tuple[float, float, float]:
        """Median and robust standard deviation of the gains at poses looked at, and the gain found; all coarse."""
        usual = float(np.median(elsewhere)) if len(elsewhere) else 0.0
        spread = 1.4826 * float(np.median(np.abs(elsewhere - usual))) if len(elsewhere) else 0.0
        return usual, max(spread, 1e-6), self.coarse.gain(found)

    def _capture_and_inverse(self, found, reference) -> tuple[dict[float, tuple[int, int]], float]:
        """Of searches from around the optimum, how many come back; and the inverse consistency."""
        rng = np.random.default_rng([self.seed, 31])
        directions = rng.normal(size=(len(CAPTURE_RINGS), N_PER_RING, 2, 3))
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        starts = [
            motion(ring * shift, np.radians(ring) * turn, self.center_ras) @ reference
            for ring, tries in zip(CAPTURE_RINGS, directions, strict=True)
            for shift, turn in tries
        ]

        def run(start):
            return self._inverse_consistency_mm(found) if start is None else self.follow(start)

        inconsistency, *ends = in_threads(run, [None, *starts], self.reports(0.65, 0.97))
        back = [distance_mm(reference, end, self.points_ras) <= AGREE_MM for end in ends]
        capture = {
            ring: (sum(back[number * N_PER_RING : (number + 1) * N_PER_RING]), N_PER_RING)
            for number, ring in enumerate(CAPTURE_RINGS)
        }
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


# -- starts --


def _plain_starts(search: _Search, landmarks, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Name -> 4x4, without the perturbed ones."""
    found: dict[str, np.ndarray] = {}
    shift = np.eye(4)
    shift[:3, 3] = search.fixed.whole_body_ras.mean(axis=0) - search.moving.whole_body_ras.mean(axis=0)
    if landmarks and "landmarks" in wanted:
        found["landmarks"] = _landmark_start(search, *landmarks)
    if "geometry" in wanted:
        found["geometry"] = np.eye(4)
    if "centers" in wanted:
        found["centers"] = shift
    if "moments" in wanted:
        turned = _moment_start(search.fixed, search.moving)
        if turned is not None:
            found["moments"] = turned
    return found or {"geometry": np.eye(4)}


def _landmark_start(search: _Search, fixed_points, moving_points) -> np.ndarray:
    try:
        return landmark_transform(fixed_points, moving_points)
    except InputError as error:
        search.warnings.append(f"The landmarks give a shift only: {error}")
        fixed, moving = paired(fixed_points, moving_points)
        matrix = np.eye(4)
        matrix[:3, 3] = (fixed - moving).mean(axis=0)
        return matrix


def _moment_start(fixed: WorkingImage, moving: WorkingImage) -> np.ndarray | None:
    """Principal axes of the bodies on each other, each the way round that turns least; None if that is far."""
    centers, axes = zip(*(_center_and_axes(image) for image in (fixed, moving)), strict=True)
    order = [int(np.argmax(np.abs(axes[1].T @ axes[0])[:, column])) for column in range(3)]
    if len(set(order)) < 3:
        return None
    there = axes[1][:, order]
    there = there * np.sign(np.sum(there * axes[0], axis=0))
    matrix = np.eye(4)
    matrix[:3, :3] = axes[0] @ there.T
    if np.linalg.det(matrix[:3, :3]) < 0 or rotation_angle_deg(matrix) > MAX_MOMENT_TURN_DEG:
        return None
    matrix[:3, 3] = centers[0] - matrix[:3, :3] @ centers[1]
    return matrix


def _center_and_axes(image: WorkingImage) -> tuple[np.ndarray, np.ndarray]:
    """Of the body: middle, and 3x3 principal axes as columns."""
    points = image.whole_body_ras
    return points.mean(axis=0), np.linalg.eigh(np.cov(points.T))[1]


def _best_and_rival(search: _Search, ends, gains) -> tuple[int, int | None]:
    """Indices of the best end and of the best one at another place."""
    chosen = distinct_best(ends, gains, 2, DISTINCT_MM, search.points_ras)
    return chosen[0], chosen[1] if len(chosen) > 1 else None


def _rivalry(search: _Search, finals, gains) -> tuple[float, float]:
    """Gain of the second-best optimum and how far away it is; 0 and NaN if it ended at the best one after all."""
    far = distance_mm(finals[0], finals[1], search.points_ras) if len(finals) > 1 else 0.0
    return (gains[1], far) if far > DISTINCT_MM else (0.0, np.nan)


def _start_results(search: _Search, followed, ends, gains, best: int) -> tuple[StartResult, ...]:
    results = [
        StartResult(name, initial, end, search.medium.compared(end)[0], distance_mm(ends[best], end, search.points_ras))
        for (name, initial), end in zip(followed.items(), ends, strict=True)
    ]
    order = sorted(range(len(results)), key=lambda index: (index != best, -gains[index], index))
    return tuple(results[index] for index in order)


def _capture_range(capture: dict[float, tuple[int, int]]) -> float:
    """The largest ring up to which, ring by ring, nearly all came back; 0 if not even the first."""
    reached = 0.0
    for ring, (n_back, _) in sorted(capture.items()):
        if n_back < NEARLY_ALL:
            break
        reached = ring
    return reached


# -- input --


def _checked_matrix(matrix_ras) -> np.ndarray:
    matrix = np.asarray(matrix_ras, float)
    fits = matrix.shape == (4, 4) and np.isfinite(matrix).all() and np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6)
    if not fits or abs(np.linalg.det(matrix[:3, :3])) < 1e-3:
        raise InputError("a linear transform is a 4 x 4 matrix that can be inverted", where="transform")
    return matrix


def _checked_landmarks(fixed, moving) -> tuple | None:
    """Both sets, or None if there are none in common."""
    if (fixed is None) != (moving is None):
        raise InputError("landmarks are given in one scan only", remedy="Mark the same points in both, or in neither")
    if fixed is None:
        return None
    paired(fixed, moving)
    return (fixed, moving) if common_names(fixed, moving) else None


def _whole(fixed: np.ndarray, ijk_to_ras: np.ndarray) -> Box:
    return box_around(np.ones(fixed.shape, bool), ijk_to_ras, 0.0)


def _spacing_mm(box: Box, fixed_ijk_to_ras: np.ndarray) -> float:
    """Of the cubes: fine, but no finer than the fixed scan's pixels, and not too many."""
    finest = float(np.linalg.norm(np.asarray(fixed_ijk_to_ras, float)[:3, :3], axis=0).min())
    volume = float(np.prod(np.asarray(box.size_mm) + 2 * MARGIN_MM))
    return max(FINEST_MM, finest, (volume / MAX_VOXELS) ** (1 / 3))
