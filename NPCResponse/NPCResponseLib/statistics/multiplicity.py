"""Many tests at once: p values adjusted for their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .model_data import numbers
from .samples import check_alpha


@dataclass(frozen=True)
class AdjustedPValues:
    """Adjusted p values in the order given; None where p was missing.

    Attributes:
        bonferroni, holm: control the chance of any false finding (Holm 1979, never larger than Bonferroni).
        benjamini_hochberg: controls the expected share of false findings for independent or positively dependent tests
            (Benjamini & Hochberg 1995); benjamini_yekutieli for any dependence (2001).
        n_tests: p values counted as tests, missing ones not.
        bonferroni_alpha: the threshold that a raw p must not exceed, alpha / n_tests.
    """

    method: str
    p: tuple[float | None, ...]
    bonferroni: tuple[float | None, ...]
    holm: tuple[float | None, ...]
    benjamini_hochberg: tuple[float | None, ...]
    benjamini_yekutieli: tuple[float | None, ...]
    n_tests: int
    n_missing: int
    alpha: float
    bonferroni_alpha: float
    warnings: tuple[str, ...] = ()


def adjust_p_values(p_values: Sequence, *, n_tests: int | None = None, alpha: float = 0.05) -> AdjustedPValues:
    """All four adjustments of a set of p values.

    Args:
        p_values: (m,); NaN or None for a test that could not be made.
        n_tests: number of tests made, if more than are listed (only the interesting ones of 47, say).

    Raises:
        InputError: p outside 0 to 1, no p at all, or fewer tests than p values.
    """
    check_alpha(alpha)
    column = numbers(p_values, "p values", smallest=0.0)
    present = ~np.isnan(column)
    p = column[present]
    if not p.size:
        raise InputError("no p value", remedy="Give at least one")
    if p.min() < 0 or p.max() > 1:
        raise InputError("p values must lie between 0 and 1", where="p values")
    m = p.size if n_tests is None else n_tests
    if m < p.size:
        raise InputError(f"{p.size} p values, but only {m} tests", remedy="Count every test that was made")
    order = np.argsort(p, kind="stable")
    ranks = np.arange(1, p.size + 1)
    harmonic = float(np.sum(1 / np.arange(1, m + 1)))
    # A smaller raw p never gets a larger adjusted one: running maximum from below, or minimum from above.
    step_down = np.maximum.accumulate((m - ranks + 1) * p[order])
    step_up = np.minimum.accumulate((m / ranks * p[order])[::-1])[::-1]
    step_up_any = np.minimum.accumulate((harmonic * m / ranks * p[order])[::-1])[::-1]
    warnings = () if present.all() else (f"{np.count_nonzero(~present)} missing p values were not counted as tests",)

    def place(adjusted: np.ndarray, positions: np.ndarray) -> tuple[float | None, ...]:
        unsorted = np.empty(p.size)
        unsorted[positions] = np.minimum(adjusted, 1)
        full = np.full(column.size, np.nan)
        full[present] = unsorted
        return tuple(None if np.isnan(value) else float(value) for value in full)

    return AdjustedPValues(
        method=f"Bonferroni, Holm, Benjamini-Hochberg and Benjamini-Yekutieli over {m} tests",
        p=tuple(None if np.isnan(value) else float(value) for value in column),
        bonferroni=place(m * p, np.arange(p.size)),
        holm=place(step_down, order),
        benjamini_hochberg=place(step_up, order),
        benjamini_yekutieli=place(step_up_any, order),
        n_tests=m,
        n_missing=int(np.count_nonzero(~present)),
        alpha=alpha,
        bonferroni_alpha=alpha / m,
        warnings=warnings,
    )
