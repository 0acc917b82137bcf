"""Harrell's C: how often the patient with the higher risk has the earlier event."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

ROWS_AT_ONCE = 256  # patients with an event per block, so that memory stays small


@dataclass(frozen=True)
class Concordance:
    """Harrell's C with the infinitesimal-jackknife error (ties of the risk count half; as R's survival prints).

    Attributes:
        c, standard_error, ci: limits are Wald, within 0 and 1.
        concordant, discordant, tied: usable pairs; a pair is usable if the earlier time is an event (an event comes
            before a censoring at the same time).
    """

    c: float
    standard_error: float
    ci: tuple[float, float]
    concordant: int
    discordant: int
    tied: int


def concordance(times: np.ndarray, events: np.ndarray, risk: np.ndarray, confidence: float = 0.95) -> Concordance:
    """Harrell et al. 1982, JAMA 247:2543; arrays (n,), risk larger meaning earlier events. NaN without usable pairs."""
    better = np.zeros(times.size)  # concordant + tied / 2, per patient
    usable = np.zeros(times.size)
    totals = np.zeros(3)
    for block in np.array_split(np.flatnonzero(events == 1), max(1, int(events.sum()) // ROWS_AT_ONCE)):
        later = (times > times[block, None]) | ((times == times[block, None]) & (events == 0))
        above, tied = risk[block, None] > risk, risk[block, None] == risk
        won, even = later & above, later & tied
        totals += won.sum(), (later & ~above & ~tied).sum(), even.sum()
        gain = won + 0.5 * even
        better += gain.sum(axis=0)
        better[block] += gain.sum(axis=1)
        usable += later.sum(axis=0)
        usable[block] += later.sum(axis=1)
    pairs = totals.sum()
    if pairs == 0:
        return Concordance(np.nan, np.nan, (np.nan, np.nan), 0, 0, 0)
    c = (totals[0] + totals[2] / 2) / pairs
    error = float(np.sqrt(np.sum((better - c * usable) ** 2)) / pairs)
    half = norm.ppf(0.5 + confidence / 2) * error
    return Concordance(
        float(c), error, (max(0.0, float(c - half)), min(1.0, float(c + half))), *(int(count) for count in totals)
    )
