"""Patients drawn from the moments that the two functional papers print: for examples and for the benchmark.

Not the papers' patients, and not to be taken for evidence: normal distributions with the printed means and standard
deviations, before and after treatment correlated as the printed spread of their difference implies,
r = (SD_pre^2 + SD_post^2 - SD_difference^2) / (2 SD_pre SD_post).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NORMAL_IQR = 1.349  # interquartile range of a normal distribution, in standard deviations


@dataclass(frozen=True)
class GroupMoments:
    """One class of patients.

    Attributes:
        pre, post: (mean, SD); sd_of_difference between them.
        atrophy: (mean, SD) of the atrophy rate in percent, None where the paper has none.
        n_residual: patients with residual tumor, None where the paper tells none.
    """

    label: str
    n: int
    pre: tuple[float, float]
    post: tuple[float, float]
    sd_of_difference: float
    atrophy: tuple[float, float] | None = None
    n_residual: int | None = None

    @property
    def correlation(self) -> float:
        (_, a), (_, b) = self.pre, self.post
        return (a**2 + b**2 - self.sd_of_difference**2) / (2 * a * b)


@dataclass(frozen=True, eq=False)
class VirtualCohort:
    """Attributes:
    labels: (n,) the class of each patient; residual: (n,) True where tumor is left, None where unknown.
    pre, post: (n,) true values; atrophy: (n,) percent, or None.
    """

    labels: tuple[str, ...]
    pre: np.ndarray
    post: np.ndarray
    atrophy: np.ndarray | None
    residual: np.ndarray | None


# Xu et al. 2023, table 2, R2* in Hz. Of the responders' difference only quartiles are printed: 16.10 (20.6-12.43).
BOLD_PAPER = (
    GroupMoments("RG", 26, (43.78, 12.00), (58.23, 12.13), (20.60 - 12.43) / NORMAL_IQR),
    GroupMoments("NRG", 15, (48.02, 13.69), (37.83, 9.62), 7.57),
)
# Liu et al. 2022, tables 2 and 4 (31, not 29, patients of 36 without residual: the row and the column totals ask for
# it), tumor blood flow in mL/100g/min.
ASL_PAPER = (
    GroupMoments("PR", 36, (155.59, 17.26), (86.73, 11.73), 15.05, (60.02, 12.09), 5),
    GroupMoments("SD", 19, (129.87, 18.35), (79.36, 9.79), 18.43, (17.66, 6.99), 12),
)


def draw_cohort(groups: tuple[GroupMoments, ...], seed: int, *, lowest: float = 1.0) -> VirtualCohort:
    """Draw every patient.

    Args:
        lowest: smaller draws are drawn again (no tissue has a negative R2* or flow).
    """
    rng = np.random.default_rng([seed, 11])
    labels, parts, atrophy, residual = [], [], [], []
    for group in groups:
        parts.append(_draw_pairs(group, rng, lowest))
        labels += [group.label] * group.n
        if group.atrophy is not None:
            atrophy.append(np.minimum(rng.normal(*group.atrophy, group.n), 100.0))
        if group.n_residual is not None:
            residual.append(rng.permutation(np.arange(group.n) < group.n_residual))
    pre, post = np.concatenate(parts).T
    return VirtualCohort(
        tuple(labels),
        pre,
        post,
        np.concatenate(atrophy) if atrophy else None,
        np.concatenate(residual) if residual else None,
    )


def _draw_pairs(group: GroupMoments, rng: np.random.Generator, lowest: float) -> np.ndarray:
    (mean_pre, sd_pre), (mean_post, sd_post) = group.pre, group.post
    covariance = group.correlation * sd_pre * sd_post
    drawn = np.empty((0, 2))
    while len(drawn) < group.n:
        more = rng.multivariate_normal(
            [mean_pre, mean_post], [[sd_pre**2, covariance], [covariance, sd_post**2]], group.n
        )
        drawn = np.concatenate([drawn, more[more.min(axis=1) >= lowest]])
    return drawn[: group.n]


def two_readings(values: np.ndarray, sd: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What two observers would read, each with an error of this standard deviation."""
    first, second = values + rng.normal(scale=sd, size=(2, values.size))
    return first, second


def example_columns(paper: str, seed: int = 1) -> Mapping[str, tuple]:
    """A table as the paper's authors might have kept it: "bold" or "asl"; two decimals, as typed by hand."""
    groups = BOLD_PAPER if paper == "bold" else ASL_PAPER
    cohort = draw_cohort(groups, seed)
    rng = np.random.default_rng([seed, 12])
    order = rng.permutation(len(cohort.labels))
    columns: dict[str, list] = {"patient": [f"P{number:02d}" for number in range(1, order.size + 1)]}
    columns["response"] = [cohort.labels[i] for i in order]
    # An error of 45 % of the spread gives ICCs near 0.8 (BOLD), of 20 % near 0.95 (ASL), as the papers found.
    share = 0.45 if paper == "bold" else 0.2
    name = "r2star" if paper == "bold" else "tbf"
    for when, values in (("pre", cohort.pre), ("post", cohort.post)):
        readings = two_readings(values, share * float(values.std()), rng)
        for observer, read in enumerate(readings, start=1):
            columns[f"{name}_{when}_{observer}"] = _rounded(read[order])
    if cohort.atrophy is not None:
        columns["residual"] = ["yes" if cohort.residual[i] else "no" for i in order]
        before = rng.normal(42, 8, order.size).clip(20)
        after = before * (1 - cohort.atrophy[order] / 100)
        for when, values in (("pre", before), ("post", after)):
            for observer, read in enumerate(two_readings(values, 0.7, rng), start=1):
                columns[f"mptd_{when}_{observer}"] = _rounded(read.clip(0))
    return {key: tuple(cells) for key, cells in columns.items()}


def _rounded(values: np.ndarray) -> list[str]:
    return [f"{value:.2f}" for value in values]
