"""Whether the difference between two regions follows their sizes."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from NPCResponseLib.statistics.correlation import correlate

FOLLOWS_AT = 0.05  # p of the correlation, without adjustment: a warning should come early
FEWEST_FOR_LINE = 4


@dataclass(frozen=True)
class VolumeRelation:
    """A feature's difference against the difference in log volume (recurrent - non-recurrent) over the patients.

    Attributes:
        n: patients with both.
        r, p: Pearson; rho: Spearman. None where not defined.
        at_equal_volumes, low, high, p_at_equal_volumes: the difference that a straight line gives for regions of equal
            size, with confidence limits and the p value of its being 0; None with fewer than 4 patients.
        extrapolated: no patient is on one side of equal size, so that this is a guess beyond the data.
        follows_volume: p below 0.05.
        note: why something is not defined.
    """

    n: int
    r: float | None
    p: float | None
    rho: float | None
    at_equal_volumes: float | None = None
    low: float | None = None
    high: float | None = None
    p_at_equal_volumes: float | None = None
    extrapolated: bool | None = None
    confidence: float = 0.95
    note: str = ""

    @property
    def follows_volume(self) -> bool:
        return self.p is not None and self.p < FOLLOWS_AT


def relate_to_volume(differences: np.ndarray, log_volume_ratio: np.ndarray, confidence: float) -> VolumeRelation:
    """
    Args:
        differences: (n,) of a feature; log_volume_ratio: (n,). NaN is missing.
    """
    used = ~(np.isnan(differences) | np.isnan(log_volume_ratio))
    d, x = differences[used], log_volume_ratio[used]
    if not d.size:
        return VolumeRelation(0, None, None, None, confidence=confidence, note="no patient with both")
    found = correlate(d, x, names=("difference", "log volume ratio"))
    if found.pearson.value is None:
        note = "; ".join(found.warnings)
        return VolumeRelation(d.size, None, None, None, confidence=confidence, note=note)
    line = _line(d, x, confidence) if d.size >= FEWEST_FOR_LINE else {}
    return VolumeRelation(
        d.size, found.pearson.value, found.pearson.p, found.spearman.value, **line, confidence=confidence
    )  # fmt: skip


def _line(d: np.ndarray, x: np.ndarray, confidence: float) -> dict:
    """Least squares d = a + b x; a with its limits."""
    centered = x - x.mean()
    squares = float(centered @ centered)
    slope = float(centered @ d) / squares
    intercept = float(d.mean() - slope * x.mean())
    freedom = d.size - 2
    residual = d - intercept - slope * x
    error = np.sqrt(float(residual @ residual) / freedom * (1 / d.size + x.mean() ** 2 / squares))
    reach = float(stats.t.isf((1 - confidence) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(intercept) / error, freedom)) if error > 0 else None
    return {
        "at_equal_volumes": intercept,
        "low": float(intercept - reach),
        "high": float(intercept + reach),
        "p_at_equal_volumes": p,
        "extrapolated": bool(x.min() > 0 or x.max() < 0),
    }
