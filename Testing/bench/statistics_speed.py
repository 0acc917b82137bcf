"""Speed of the bootstrap and of DeLong's test against what others would run."""

import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from NPCResponseLib.statistics.delong import compare_markers
from NPCResponseLib.statistics.roc_bootstrap import bootstrap_auc

from .table import markdown_table

PATIENTS, REPLICATES = 1_000, 10_000
PEER_REPLICATES = 200
LARGE, PEER_LARGE = 100_000, 4_000
REPEATS = 5


def seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall-clock time of one run, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def cohort(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels, marker, a noisier marker), half of the patients with the outcome."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    marker = rng.normal(size=n) + labels
    return labels, marker, marker + rng.normal(size=n)


def sklearn_bootstrap(labels: np.ndarray, marker: np.ndarray, replicates: int) -> np.ndarray:
    """The loop over ``roc_auc_score`` that most papers run, stratified."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    areas = []
    for _ in range(replicates):
        drawn = np.concatenate([rng.choice(members, members.size) for members in classes])
        areas.append(roc_auc_score(labels[drawn], marker[drawn]))
    return np.array(areas)


def scipy_bootstrap(labels: np.ndarray, marker: np.ndarray, replicates: int) -> object:
    """``scipy.stats.bootstrap`` of the Mann-Whitney statistic, one replicate at a time."""

    def area(positive: np.ndarray, negative: np.ndarray) -> float:
        return stats.mannwhitneyu(positive, negative).statistic / (positive.size * negative.size)

    groups = marker[labels == 1], marker[labels == 0]
    return stats.bootstrap(
        groups, area, n_resamples=replicates, method="percentile", vectorized=False, rng=np.random.default_rng(1)
    )


def delong_by_pairs(labels: np.ndarray, markers: list[np.ndarray]) -> float:
    """Z by the matrix of all pairs, as the method is usually written down: time and memory grow with n squared."""
    positive, negative = [], []
    for marker in markers:
        p, n = marker[labels == 1], marker[labels == 0]
        wins = (p[:, None] > n) + 0.5 * (p[:, None] == n)
        positive.append(wins.mean(axis=1))
        negative.append(wins.mean(axis=0))
    covariance = np.cov(positive) / len(positive[0]) + np.cov(negative) / len(negative[0])
    difference = positive[0].mean() - positive[1].mean()
    return difference / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def report() -> str:
    labels, marker, noisier = cohort(PATIENTS)
    ours = seconds(lambda: bootstrap_auc(labels, marker, replicates=REPLICATES))
    scale = REPLICATES / PEER_REPLICATES
    rows = [
        (
            f"{REPLICATES:,} stratified bootstrap AUCs, n = {PATIENTS:,}",
            f"{ours:.2f} s",
            f"{name}, {scale * peer:.0f} s",
            f"{scale * peer / ours:,.0f}",
        )
        for name, peer in (
            (
                "scikit-learn roc_auc_score in a loop",
                seconds(lambda: sklearn_bootstrap(labels, marker, PEER_REPLICATES), 1),
            ),
            (
                "scipy.stats.bootstrap of mannwhitneyu",
                seconds(lambda: scipy_bootstrap(labels, marker, PEER_REPLICATES), 1),
            ),
        )
    ]
    few, *few_markers = cohort(PEER_LARGE)
    peer = seconds(lambda: delong_by_pairs(few, few_markers), 3)
    for n in (PEER_LARGE, LARGE):
        labels, marker, noisier = cohort(n)
        ours = seconds(lambda: compare_markers(labels, {"a": marker, "b": noisier}))  # noqa: B023 - run at once
        expected = peer * (n / PEER_LARGE) ** 2
        how = "" if n == PEER_LARGE else " (extrapolated)"
        rows.append(
            (
                f"DeLong's paired test, n = {n:,}",
                f"{1000 * ours:.0f} ms",
                f"matrix of all pairs, {expected:.2g} s{how}",
                f"{expected / ours:,.0f}",
            )
        )
    return markdown_table(("task", "here", "peer", "x peer"), rows)
