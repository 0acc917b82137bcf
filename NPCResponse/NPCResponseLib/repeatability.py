"""How much a measurement changes by itself, and whether a change is more than that.

Repeatability coefficient RC = 1.96 sqrt(2) wSD: 95 % of the differences between two measurements of an unchanged
patient lie within it (Bland and Altman 1999, Stat Methods Med Res 8:135; Obuchowski and Bullen 2018, Stat Methods Med
Res 27:3162).
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .errors import InputError

FEW_SUBJECTS = 35  # QIBA's advice for a test-retest study (Obuchowski and Bullen 2018)


@dataclass(frozen=True)
class Repeatability:
    """Repeatability of one quantity.

    Attributes:
        coefficient: RC in ``unit``, or in percent of the value if ``unit`` is "%".
        interval: 95 % confidence interval of the coefficient; None when the user gave the coefficient.
        within_subject_sd: wSD in ``unit``.
        n_subjects, degrees_of_freedom: 0 when the user gave the coefficient.
        source: "given", or how it was estimated.
        remarks: sentences for the report.
    """

    coefficient: float
    unit: str
    within_subject_sd: float
    interval: tuple[float, float] | None = None
    n_subjects: int = 0
    degrees_of_freedom: int = 0
    source: str = "given"
    remarks: tuple[str, ...] = ()

    @property
    def is_percent(self) -> bool:
        return self.unit == "%"


class Verdict(enum.Enum):
    EXCEEDS = "exceeds"
    WITHIN = "is within"
    UNKNOWN = "cannot be judged against"


@dataclass(frozen=True)
class ChangeJudgment:
    """A change beside what repeated measurements differ by.

    Attributes:
        limit, unit: what the change was compared with, and its unit ("%" for a relative one).
        basis: "repeatability coefficient" or "measurement error".
        uncertain: the confidence interval of the coefficient holds the change, so that the verdict may be chance.
        sentence: the verdict with its numbers.
    """

    verdict: Verdict
    change: float
    limit: float | None
    unit: str
    basis: str
    uncertain: bool
    sentence: str


def given_repeatability(coefficient: float, unit: str) -> Repeatability:
    """A coefficient from the literature or an own study.

    Args:
        unit: of the quantity, or "%" for a coefficient in percent of the value.

    Raises:
        InputError: a coefficient that is not positive.
    """
    if not (math.isfinite(coefficient) and coefficient > 0):
        raise InputError(f"a repeatability coefficient must be positive, found {coefficient:g}")
    return Repeatability(float(coefficient), unit, float(coefficient / _reach()))


def _reach() -> float:
    """1.96 sqrt(2): the 97.5 % point of the normal distribution, for a difference of two measurements."""
    return float(stats.norm.ppf(0.975)) * math.sqrt(2)


def estimate_repeatability(
    repeats: Sequence[Sequence[float]], unit: str, *, percent: bool = False, level: float = 0.95
) -> Repeatability:
    """Repeatability from repeated measurements of unchanged patients.

    wSD^2 is the pooled variance within subjects, sum_i sum_j (x_ij - mean_i)^2 / sum_i (k_i - 1); for pairs this is
    sum d^2 / (2 n). Its confidence interval is that of a variance (chi-squared). In percent, each subject's values are
    divided by their mean first (root mean square of the coefficients of variation).

    Args:
        repeats: for each subject its measurements, two or more.

    Raises:
        InputError: fewer than two subjects, a subject with one measurement, values that are not numbers, means that are
            not positive where percent is asked for, or no variation at all.
    """
    subjects = [np.asarray(values, dtype=np.float64) for values in repeats]
    if len(subjects) < 2:
        raise InputError(
            f"repeatability needs at least two subjects measured twice, found {len(subjects)}",
            remedy="Give more repeated measurements, or the coefficient itself",
        )
    for number, values in enumerate(subjects, start=1):
        if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
            raise InputError(
                "repeatability needs two or more numbers for each subject",
                where=f"subject {number}",
                remedy="Leave subjects out that were measured once",
            )
        if percent and not values.mean() > 1e-12 * np.abs(values).max():
            raise InputError("a repeatability in percent needs positive means", where=f"subject {number}")
    remarks = _study_remarks(subjects, percent)
    if percent:
        subjects = [values / values.mean() for values in subjects]
    degrees_of_freedom = sum(values.size - 1 for values in subjects)
    squares = sum(float(np.sum((values - values.mean()) ** 2)) for values in subjects)
    if squares == 0:
        raise InputError(
            "the repeated measurements do not differ at all", remedy="Check that they were measured independently"
        )
    scale = 100.0 if percent else 1.0
    within_sd = math.sqrt(squares / degrees_of_freedom) * scale
    tails = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], degrees_of_freedom)
    low, high = (float(_reach() * scale * math.sqrt(squares / tail)) for tail in tails)
    return Repeatability(
        _reach() * within_sd,
        "%" if percent else unit,
        within_sd,
        (low, high),
        len(subjects),
        degrees_of_freedom,
        f"estimated from {len(subjects)} subjects with repeated measurements",
        remarks,
    )


def _study_remarks(subjects: list[np.ndarray], percent: bool) -> tuple[str, ...]:
    remarks = []
    if len(subjects) < FEW_SUBJECTS:
        remarks.append(
            f"The repeatability rests on {len(subjects)} subjects (fewer than {FEW_SUBJECTS}): its interval is wide."
        )
    spreads = [float(values.std(ddof=1)) for values in subjects]
    means = [float(values.mean()) for values in subjects]
    if not percent and len(subjects) > 4 and np.ptp(spreads) > 0 and np.ptp(means) > 0:
        trend = stats.spearmanr(means, spreads)
        if trend.pvalue < 0.05 and trend.statistic > 0:
            remarks.append(
                f"Larger values differ more between repeats (Spearman {trend.statistic:.2f}): a coefficient in percent "
                "fits better."
            )
    return tuple(remarks)


def judge_change(
    change: float,
    *,
    unit: str,
    repeatability: Repeatability | None = None,
    standard_error: float | None = None,
    degrees_of_freedom: float = math.inf,
    change_percent: float | None = None,
    what: str = "The change",
) -> ChangeJudgment:
    """Whether a change is more than repeated measurements of an unchanged patient differ by.

    With a repeatability coefficient the change is compared with it; this covers everything that varies between two
    examinations. Without one it is compared with 95 % of what its own standard error allows, which covers the noise of
    the two measurements only, and the sentence says so. A change exactly at the limit is within.

    Args:
        change: in ``unit``.
        standard_error: of the change.
        change_percent: relative change, for a coefficient in percent.

    Raises:
        InputError: a coefficient in another unit.
    """
    if repeatability is not None:
        return _against_repeatability(change, unit, repeatability, change_percent, what)
    if standard_error is None:
        sentence = (
            f"{what}: {change:.3g} {unit}, which cannot be judged: neither a repeatability nor an error is known."
        )
        return ChangeJudgment(Verdict.UNKNOWN, change, None, unit, "", False, sentence)
    limit = float(stats.t.ppf(0.975, degrees_of_freedom)) * standard_error
    verdict = Verdict.EXCEEDS if abs(change) > limit else Verdict.WITHIN
    sentence = (
        f"{what}: {change:.3g} {unit}, which {verdict.value} the measurement error ({limit:.3g} {unit} at 95 %); "
        "how much repeated examinations differ is not known."
    )
    return ChangeJudgment(verdict, change, limit, unit, "measurement error", False, sentence)


def _against_repeatability(
    change: float, unit: str, repeatability: Repeatability, change_percent: float | None, what: str
) -> ChangeJudgment:
    basis, limit = "repeatability coefficient", repeatability.coefficient
    if repeatability.is_percent:
        if change_percent is None:
            sentence = f"{what}: {change:.3g} {unit}, which cannot be judged: its percentage is not known."
            return ChangeJudgment(Verdict.UNKNOWN, change, limit, "%", basis, False, sentence)
        change, unit = change_percent, "%"
    elif repeatability.unit != unit:
        raise InputError(
            f"the repeatability coefficient is in {repeatability.unit}, the change in {unit}",
            remedy=f"Give it in {unit} or in %",
        )
    verdict = Verdict.EXCEEDS if abs(change) > limit else Verdict.WITHIN
    uncertain = bool(repeatability.interval and repeatability.interval[0] <= abs(change) <= repeatability.interval[1])
    doubt = ""
    if uncertain:
        low, high = repeatability.interval
        doubt = f", though inside its 95 % interval of {low:.3g} to {high:.3g} {unit}"
    told = f"{change:.3g} {unit}, which {verdict.value} the repeatability coefficient of {limit:.3g} {unit}"
    sentence = f"{what}: {told}{doubt}."
    return ChangeJudgment(verdict, change, limit, unit, basis, uncertain, sentence)
