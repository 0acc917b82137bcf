"""A group's values in the few numbers that papers print."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .samples import Sample, sample

QUARTILE_METHODS = {7: "linear", 6: "weibull"}


@dataclass(frozen=True)
class GroupSummary:
    """Location and spread of one group.

    Attributes:
        sd, se: with n - 1; None for a single value.
        quartile_type: 7 (R, NumPy, Excel) or 6 (SPSS, Minitab); they differ in small groups.
    """

    name: str
    n: int
    n_missing: int
    mean: float
    sd: float | None
    se: float | None
    median: float
    q1: float
    q3: float
    minimum: float
    maximum: float
    quartile_type: int

    def mean_sd_text(self, decimals: int = 2) -> str:
        """58.23 ± 12.13"""
        spread = "-" if self.sd is None else f"{self.sd:.{decimals}f}"
        return f"{self.mean:.{decimals}f} ± {spread}"

    def median_text(self, decimals: int = 2, *, upper_first: bool = False) -> str:
        """16.10 (12.43-20.60), or 16.10 (20.60-12.43) as the BOLD paper prints it."""
        ends = (self.q3, self.q1) if upper_first else (self.q1, self.q3)
        separator = "-" if min(ends) >= 0 else " to "  # a minus sign beside a dash misleads
        low, high = (f"{end:.{decimals}f}" for end in ends)
        return f"{self.median:.{decimals}f} ({low}{separator}{high})"


def summarize_group(values: Sequence, name: str = "group", *, quartile_type: int = 7) -> GroupSummary:
    """Summary of a column; NaN is missing.

    Raises:
        InputError: nothing but missing values, or another quartile type than 6 and 7.
    """
    return summarize_sample(sample(values, name), name, quartile_type)


def summarize_sample(group: Sample, name: str, quartile_type: int = 7) -> GroupSummary:
    if quartile_type not in QUARTILE_METHODS:
        raise InputError(f"quartiles of type {quartile_type} are not offered", remedy="Choose 7 (R) or 6 (SPSS)")
    x = group.values
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75], method=QUARTILE_METHODS[quartile_type])
    sd = float(x.std(ddof=1)) if x.size > 1 else None
    return GroupSummary(
        name=name,
        n=x.size,
        n_missing=group.n_missing,
        mean=float(x.mean()),
        sd=sd,
        se=None if sd is None else sd / float(np.sqrt(x.size)),
        median=float(median),
        q1=float(q1),
        q3=float(q3),
        minimum=float(x.min()),
        maximum=float(x.max()),
        quartile_type=quartile_type,
    )
