"""How well a score ranks a binary outcome: the indices that regression outputs print beside each other."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankIndices:
    """Indices over all pairs of one patient with and one without the event (ties of the score count half in C).

    Attributes:
        c: concordance, the area under the ROC curve.
        dxy: Somers' D, 2C - 1.
        gamma: Goodman-Kruskal, ties of the score left out.
        tau_a: Kendall's tau-a, over all pairs of patients.
    """

    c: float
    dxy: float
    gamma: float
    tau_a: float


def rank_indices(labels: np.ndarray, score: np.ndarray) -> RankIndices:
    """Labels (n,) of 0 and 1, both present; score (n,), larger meaning the event is likelier."""
    events, others = score[labels == 1], np.sort(score[labels != 1])
    below = np.searchsorted(others, events, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(others, events, side="right").sum(dtype=np.int64)
    pairs = events.size * others.size
    concordant, discordant = int(below), int(pairs - not_above)
    untied = concordant + discordant
    n = labels.size
    return RankIndices(
        c=(concordant + (pairs - untied) / 2) / pairs,
        dxy=(concordant - discordant) / pairs,
        gamma=(concordant - discordant) / untied if untied else 0.0,
        tau_a=2 * (concordant - discordant) / (n * (n - 1)),
    )


def gini_mean_difference(values: np.ndarray) -> float:
    """Mean absolute difference of all pairs, from the sorted values (David 1968, Biometrika 55:573)."""
    n = values.size
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(2 * (weights @ np.sort(values)) / (n * (n - 1)))
