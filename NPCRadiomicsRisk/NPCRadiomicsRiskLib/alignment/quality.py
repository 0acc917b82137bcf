"""How far an alignment can be trusted: what was measured, for people, and the rules that call it unreliable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .edges import EdgeMatch

# Our own limits, set between alignments of the phantom that are right and ones that are wrong; see
# Testing/bench/alignment_accuracy.py. The bar they serve is an error of 2.5 mm.
MIN_OVERLAP, SMALL_OVERLAP = 0.3, 0.75
MAX_INCONSISTENCY_MM = 2.0
MIN_MATCHED_BORDERS = 0.4
MAX_EDGE_RESIDUAL_MM, MAX_EDGE_SHIFT_MM = 1.25, 2.0  # by chance: 2 mm and more
MIN_CAPTURE_MM = 5.0
MIN_PEAK = 10.0
RIVAL_FRACTION = 0.9
MAX_LANDMARK_RMS_MM, LARGE_LANDMARK_RMS_MM = 8.0, 4.0
LARGE_ROTATION_DEG, LARGE_TRANSLATION_MM = 30.0, 60.0


@dataclass(frozen=True, eq=False)
class StartResult:
    """One start and where it led.

    Attributes:
        name: of alignment.STARTS, with a number for the perturbed ones.
        initial_moving_to_fixed_ras, moving_to_fixed_ras: 4x4 before and after (medium resolution).
        metric: normalized mutual information after, medium resolution.
        distance_to_best_mm: root mean square over the region, from the result (at medium resolution, too).
    """

    name: str
    initial_moving_to_fixed_ras: np.ndarray
    moving_to_fixed_ras: np.ndarray
    metric: float
    distance_to_best_mm: float


@dataclass(frozen=True, eq=False)
class AlignmentQuality:
    """Measures of one alignment; NaN where a measure was impossible, which is then a reason in Alignment.reasons.

    Attributes:
        nmi: normalized mutual information in the region, 1 (nothing in common) to 2.
        nmi_elsewhere: median of the same at the poses looked at first: what scans that do not fit give.
        peak: how far nmi is above that, in robust standard deviations (1.4826 MAD) of those poses.
        overlap: fraction of the region's body that the moving scan covers.
        inverse_consistency_mm: the scans registered the other way round, from a start 3 mm and 3 degrees off the
            inverse; root mean square over the region of there and back.
        agreeing_starts, n_starts: starts that ended within 1 mm of the best, of those followed to the medium level.
        capture_range_mm: disturbed by up to this much (and as many degrees), nearly all of the searches came back.
        capture: ring (mm and degrees) -> (came back, tried).
        rival: of the second-best distinct optimum, its gain over nmi_elsewhere as a fraction of the best's; 0 if none.
        rival_distance_mm: how far away it is; NaN if none.
        edges: borders of bone, air and fat; see alignment_edges.
        landmark_errors_mm: name -> distance; empty without landmarks.
        rotation_deg, translation_mm: from where the scanner's geometry puts the scans; the shift of
            the region's middle.
    """

    nmi: float
    nmi_elsewhere: float
    peak: float
    overlap: float
    inverse_consistency_mm: float
    agreeing_starts: int
    n_starts: int
    capture_range_mm: float
    capture: Mapping[float, tuple[int, int]]
    rival: float
    rival_distance_mm: float
    edges: EdgeMatch
    rotation_deg: float
    translation_mm: float
    landmark_errors_mm: Mapping[str, float] = field(default_factory=dict)

    @property
    def landmark_rms_mm(self) -> float:
        """NaN without landmarks."""
        errors = list(self.landmark_errors_mm.values())
        return float(np.sqrt(np.mean(np.square(errors)))) if errors else np.nan

    def rows(self) -> list[tuple[str, str]]:
        """(what, value with unit), for a table."""
        rows = [
            ("Normalized mutual information (1 to 2)", f"{self.nmi:.4f}"),
            ("The same at poses that do not fit", f"{self.nmi_elsewhere:.4f}"),
            ("Height of the peak", f"{self.peak:.1f} standard deviations"),
            ("Region covered by the moving scan", f"{self.overlap:.0%}"),
            ("Inverse consistency", _mm(self.inverse_consistency_mm)),
            ("Starts that agree within 1 mm", f"{self.agreeing_starts} of {self.n_starts}"),
            ("Capture range", f"{self.capture_range_mm:.0f} mm and degrees"),
            ("Borders found again", f"{self.edges.matched:.0%} of {self.edges.n_borders}"),
            ("Residual at borders, median", _mm(self.edges.residual_mm)),
            ("Shift that the borders ask for", _mm(self.edges.shift_mm)),
            ("Rotation from the scanner's position", f"{self.rotation_deg:.1f}°"),
            ("Shift from the scanner's position", _mm(self.translation_mm)),
        ]
        rows += [(f"Landmark error, {name}", _mm(error)) for name, error in self.landmark_errors_mm.items()]
        if self.landmark_errors_mm:
            rows.append(("Landmark error, root mean square", _mm(self.landmark_rms_mm)))
        return rows


def reasons_against(quality: AlignmentQuality) -> tuple[str, ...]:
    """Why an alignment must not be relied upon; empty if nothing speaks against it."""
    q, found = quality, []
    if q.overlap < MIN_OVERLAP:
        found.append(f"The moving scan covers only {q.overlap:.0%} of the region.")
    if not q.peak >= MIN_PEAK:
        found.append("The scans fit hardly better there than anywhere else: they may show different anatomy.")
    if not q.edges.matched >= MIN_MATCHED_BORDERS:
        found.append(f"Only {q.edges.matched:.0%} of the borders in the fixed scan are found again in the moving one.")
    elif not q.edges.residual_mm <= MAX_EDGE_RESIDUAL_MM:
        found.append(f"The borders of bone, air and fat lie {_mm(q.edges.residual_mm)} from each other.")
    if q.edges.shift_mm > MAX_EDGE_SHIFT_MM:
        found.append(f"The borders of bone, air and fat ask for a shift by another {_mm(q.edges.shift_mm)}.")
    if not q.inverse_consistency_mm <= MAX_INCONSISTENCY_MM:
        found.append(f"Registered the other way round, the scans end {_mm(q.inverse_consistency_mm)} apart.")
    if q.rival >= RIVAL_FRACTION:
        found.append(f"Another position, {_mm(q.rival_distance_mm)} away, fits nearly as well.")
    if q.capture_range_mm < MIN_CAPTURE_MM:
        found.append(f"A search disturbed by {MIN_CAPTURE_MM:g} mm does not come back to this position.")
    if q.landmark_rms_mm > MAX_LANDMARK_RMS_MM:
        found.append(f"The landmarks lie {_mm(q.landmark_rms_mm)} apart.")
    return tuple(found)


def warnings_about(quality: AlignmentQuality) -> tuple[str, ...]:
    """What to look at, though it does not make the alignment unreliable."""
    q, found = quality, []
    if MIN_OVERLAP <= q.overlap < SMALL_OVERLAP:
        found.append(f"The moving scan covers only {q.overlap:.0%} of the region.")
    if q.n_starts > 1 and q.agreeing_starts < min(3, q.n_starts):
        found.append(f"Only {q.agreeing_starts} of {q.n_starts} starts led there.")
    if LARGE_LANDMARK_RMS_MM < q.landmark_rms_mm <= MAX_LANDMARK_RMS_MM:
        found.append(
            f"The landmarks lie {_mm(q.landmark_rms_mm)} apart: check that each is the same point in both scans."
        )
    if q.rotation_deg > LARGE_ROTATION_DEG or q.translation_mm > LARGE_TRANSLATION_MM:
        found.append(
            f"The scans lie far apart in the scanner's coordinates ({q.translation_mm:.0f} mm, {q.rotation_deg:.0f} "
            "degrees): check by eye that they fit."
        )
    return tuple(found)


def _mm(length: float) -> str:
    return f"{length:.1f} mm" if np.isfinite(length) else "unknown"
