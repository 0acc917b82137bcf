"""Rigid alignment of a later scan (recurrence MRI, planning CT) to the pre-treatment MRI around the nasopharynx.

found = align(pre, pre_ijk_to_ras, recurrence, recurrence_ijk_to_ras, region_ras=Box(gtv_middle_ras, (120, 120, 110)))
found.moving_to_fixed_ras, found.reliable, found.reasons

Neck and jaw lie otherwise with and without a mask, so only a volume of interest is compared (Akram et al., PLoS One
2020;15:e0240043). Many starts are looked at; whether the result can be trusted is measured afterwards, and said.
The same input and seed give the same result to the last digit on one machine, however busy its cores are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from .images import Box, box_around
from .landmarks import common_names, landmark_errors_mm, landmark_transform, paired
from .pictures import ComparisonPlane, comparison_slices
from .quality import AlignmentQuality, StartResult, reasons_against, warnings_about
from .scan_pair import ScanPair
from .search import MIN_SHARED, distance_mm, distinct_best, in_threads
from .starts import plain_starts

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
DISTINCT_MM = 4.0  # from which two optima are two

Progress = Callable[[float], None]


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
    search = ScanPair(fixed, fixed_ijk_to_ras, moving, moving_ijk_to_ras, region_ras, seed, progress)
    bases = plain_starts(search, landmarks, starts)
    if initial is not None:
        bases = {"given": initial} | bases
    followed, looks = search.candidates(bases, "perturbed" in starts)
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
    # The optimum as medium resolution sees it, to compare with what was followed at that resolution.
    reference = search.refined(search.medium, found)
    results = _start_results(search, followed, ends, gains, best, reference)
    rivalry = _rivalry(search, finals, fine_gains)
    quality = search.quality(found, reference, results, rivalry, looks, landmarks)
    return _judged(search, found, results, quality)


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
    search = ScanPair(fixed, fixed_ijk_to_ras, moving, moving_ijk_to_ras, region_ras, seed, progress)
    if search.fine.compared(given)[1] < MIN_SHARED:
        raise InputError(
            "under this transform the scans do not overlap in the region compared",
            where="alignment",
            remedy="Check that it goes from the moving scan to the fixed one, and not the other way round",
        )
    _, looks = search.candidates({"given": given}, True)
    (end,) = search.followed([given], 0.2, 0.4)
    (local,) = in_threads(lambda start: search.refined(search.fine, start), [end], search.reports(0.4, 0.65))
    off = distance_mm(given, local, search.points_ras)
    results = (StartResult("given", given, local, search.medium.compared(local)[0], off),)
    quality = search.quality(given, end, results, (0.0, np.nan), looks, landmarks)
    return _judged(search, given, results, quality)


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


def _judged(search: ScanPair, found, results: tuple[StartResult, ...], quality: AlignmentQuality) -> Alignment:
    reasons = reasons_against(quality)
    warnings = (*search.warnings, *warnings_about(quality))
    search.report(1.0)
    return Alignment(found, quality.nmi, results[0].name, results, quality, not reasons, reasons, warnings)


def _best_and_rival(search: ScanPair, ends, gains) -> tuple[int, int | None]:
    """Indices of the best end and of the best one at another place."""
    chosen = distinct_best(ends, gains, 2, DISTINCT_MM, search.points_ras)
    return chosen[0], chosen[1] if len(chosen) > 1 else None


def _rivalry(search: ScanPair, finals, gains) -> tuple[float, float]:
    """Gain of the second-best optimum and how far away it is; 0 and NaN if it ended at the best one after all."""
    far = distance_mm(finals[0], finals[1], search.points_ras) if len(finals) > 1 else 0.0
    return (gains[1], far) if far > DISTINCT_MM else (0.0, np.nan)


def _start_results(search: ScanPair, followed, ends, gains, best: int, reference) -> tuple[StartResult, ...]:
    results = [
        StartResult(name, initial, end, search.medium.compared(end)[0], distance_mm(reference, end, search.points_ras))
        for (name, initial), end in zip(followed.items(), ends, strict=True)
    ]
    order = sorted(range(len(results)), key=lambda index: (index != best, -gains[index], index))
    return tuple(results[index] for index in order)


# -- input --


def _checked_matrix(matrix_ras) -> np.ndarray:
    matrix = np.asarray(matrix_ras, float)
    fits = matrix.shape == (4, 4) and np.isfinite(matrix).all() and np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6)
    if not fits or abs(np.linalg.det(matrix[:3, :3])) < 1e-3:
        raise InputError("a linear transform is a 4 x 4 matrix that can be inverted", where="transform")
    return matrix


def _checked_landmarks(fixed, moving) -> tuple | None:
    """Both sets, or None if there are none."""
    if (fixed is None) != (moving is None):
        raise InputError("landmarks are given in one scan only", remedy="Mark the same points in both, or in neither")
    if not fixed and not moving:
        return None
    paired(fixed, moving)
    if not common_names(fixed, moving):
        raise InputError("no landmark has the same name in both scans", remedy="Give the same points the same names")
    return fixed, moving
