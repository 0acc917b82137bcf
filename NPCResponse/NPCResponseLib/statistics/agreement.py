"""Agreement of observers or repeats: the six intraclass correlations, and how far repeats differ."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from ..repeatability import Repeatability, estimate_repeatability
from .model_data import numbers
from .samples import check_confidence, missing_note, percent

Limits = Literal["mcgraw-wong", "shrout-fleiss", "generalized"]
FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")
MEANINGS = {
    "ICC(1,1)": "one-way random, single rater",
    "ICC(2,1)": "two-way random, absolute agreement, single rater",
    "ICC(3,1)": "two-way mixed, consistency, single rater",
    "ICC(1,k)": "one-way random, mean of k raters",
    "ICC(2,k)": "two-way random, absolute agreement, mean of k raters",
    "ICC(3,k)": "two-way mixed, consistency, mean of k raters",
}
# Lower bounds with their words, best first; a value must be above the bound.
GRADINGS = {
    "xu2023": ("Xu et al. 2023 (BOLD paper)", ((0.75, "excellent"), (0.5, "moderate"), (-math.inf, "poor"))),
    "koo-li": (
        "Koo & Li 2016",
        ((0.9, "excellent"), (0.75, "good"), (0.5, "moderate"), (-math.inf, "poor")),
    ),
}
GENERALIZED_DRAWS, GENERALIZED_SEED = 20_000, 20260101
# Variance between raters over error variance beyond which the F limits of ICC(2,*) may cover less than 93 %.
RATERS_DIFFER = 0.3
FEW_SUBJECTS = 30  # Koo & Li 2016: at least 30 subjects and 3 raters where possible


@dataclass(frozen=True)
class IccForm:
    """One form of the intraclass correlation.

    Attributes:
        form: in Shrout and Fleiss' notation; meaning in words (model, type, unit).
        value, low, high: None where the data have no variance at all, where the form is a quotient with a divisor that
            is not positive, and for a limit without end.
        f, degrees_of_freedom, p: test of the value against 0.
        grade: of the value; grade_of_low: of the lower limit, which is what a study should rest on.
    """

    form: str
    meaning: str
    limits: Limits
    value: float | None
    low: float | None
    high: float | None
    f: float | None
    degrees_of_freedom: tuple[float, float]
    p: float | None
    grade: str
    grade_of_low: str


@dataclass(frozen=True)
class IccAnalysis:
    """All six forms.

    Attributes:
        mcgraw_wong: limits and p of McGraw & Wong 1996, as R's irr.
        shrout_fleiss: limits and p of Shrout & Fleiss 1979, as R's psych. They differ in p of ICC(2,*) and in the
            limits of ICC(2,k).
        generalized: ICC(2,1) and ICC(2,k) with limits that also cover where few raters differ much, where the F limits
            of either kind do not (Weerahandi 1993; compared by Ionan et al. 2014, BMC Med Res Methodol 14:121).
        mean_squares: between subjects, between raters, error, within subjects.
        standard_error_of_measurement: sqrt(error mean square).
        within_subject_cv: root mean square of the subjects' SD / mean; None if a mean is not positive.
    """

    method: str
    n_subjects: int
    n_raters: int
    n_missing: int
    mcgraw_wong: tuple[IccForm, ...]
    shrout_fleiss: tuple[IccForm, ...]
    generalized: tuple[IccForm, ...]
    mean_squares: tuple[float, float, float, float]
    standard_error_of_measurement: float
    within_subject_cv: float | None
    grading: str
    confidence: float
    warnings: tuple[str, ...]

    def form(self, name: str, limits: Limits = "mcgraw-wong") -> IccForm:
        """
        Raises:
            InputError: an unknown form.
        """
        for candidate in self.mcgraw_wong + self.shrout_fleiss + self.generalized:
            if (candidate.form, candidate.limits) == (name, limits):
                return candidate
        raise InputError(
            f'"{name}" with {limits} limits is no form of the intraclass correlation here',
            remedy=f"Choose among {', '.join(FORMS)} (generalized limits: ICC(2,1) and ICC(2,k))",
        )


def intraclass_correlation(
    ratings: Sequence[Sequence[float]], *, grading: str = "xu2023", confidence: float = 0.95
) -> IccAnalysis:
    """The six intraclass correlations of a table of ratings.

    Args:
        ratings: (n subjects, k raters); subjects lacking a rating are left out and counted.
        grading: words for the values, "xu2023" or "koo-li".

    Raises:
        InputError: fewer than two complete subjects or two raters, rows of different lengths, text, unknown grading.
    """
    check_confidence(confidence)
    if grading not in GRADINGS:
        raise InputError(f'"{grading}" is no grading', remedy=f"Choose among {', '.join(GRADINGS)}")
    table, n_missing = _complete_table(ratings)
    n, k = table.shape
    squares = _mean_squares(table)
    notes = list(missing_note(n_missing, "subjects"))
    if n < FEW_SUBJECTS:
        notes.append(f"{n} subjects (fewer than {FEW_SUBJECTS}): the interval is wide")
    if squares.constant:
        notes.append("all ratings are equal: the intraclass correlation is not defined")
    elif squares.error == 0 and squares.raters == 0:
        notes.append("the raters agree exactly")
    elif (squares.raters - squares.error) / n > RATERS_DIFFER * squares.error:
        notes.append(
            "the raters differ much: for ICC(2,1) and ICC(2,k) use the generalized limits, the others are short"
        )
    cv = None
    # A mean that is rounding noise beside the ratings is none.
    if (table.mean(axis=1) > 1e-12 * np.abs(table).max(axis=1)).all():
        cv = float(np.sqrt(np.mean((table.std(axis=1, ddof=1) / table.mean(axis=1)) ** 2)))
    forms = {
        limits: tuple(_form(name, limits, squares, n, k, grading, confidence) for name in FORMS)
        for limits in ("mcgraw-wong", "shrout-fleiss")
    }
    return IccAnalysis(
        method=f"intraclass correlations by analysis of variance, {percent(confidence)} limits by F distributions; "
        f"generalized limits by {GENERALIZED_DRAWS} draws, seed {GENERALIZED_SEED}",
        n_subjects=n,
        n_raters=k,
        n_missing=n_missing,
        mcgraw_wong=forms["mcgraw-wong"],
        shrout_fleiss=forms["shrout-fleiss"],
        generalized=tuple(
            _with_generalized_limits(form, squares, n, k, grading, confidence)
            for form in forms["mcgraw-wong"]
            if form.form[4] == "2"
        ),
        mean_squares=(squares.subjects, squares.raters, squares.error, squares.within),
        standard_error_of_measurement=math.sqrt(squares.error),
        within_subject_cv=cv,
        grading=GRADINGS[grading][0],
        confidence=confidence,
        warnings=tuple(notes),
    )


def repeatability_of(
    ratings: Sequence[Sequence[float]], unit: str, *, relative: bool = False, confidence: float = 0.95
) -> tuple[Repeatability, int]:
    """Repeatability coefficient 1.96 sqrt(2) wSD of a table of repeats, and how many subjects were left out.

    Args:
        ratings: (n subjects, k repeats); subjects lacking a value are left out.
        relative: in percent of the subjects' means (from the within-subject coefficient of variation).

    Raises:
        InputError: as ``repeatability.estimate_repeatability``.
    """
    table, n_missing = _complete_table(ratings)
    return estimate_repeatability(table.tolist(), unit, percent=relative, level=confidence), n_missing


def grade(value: float | None, grading: str = "xu2023") -> str:
    """The grading's word for an intraclass correlation."""
    if value is None or math.isnan(value):
        return "not defined"
    bounds = GRADINGS[grading][1]
    return next((word for bound, word in bounds if value > bound), bounds[-1][1])


@dataclass(frozen=True)
class _MeanSquares:
    """Floats, or arrays of draws."""

    subjects: float | np.ndarray
    raters: float | np.ndarray
    error: float | np.ndarray
    within: float | np.ndarray
    constant: bool


def _complete_table(ratings: Sequence[Sequence[float]]) -> tuple[np.ndarray, int]:
    rows = [numbers(row, f"subject {number}") for number, row in enumerate(ratings, start=1)]
    if not rows or len({row.size for row in rows}) > 1 or rows[0].size < 2:
        raise InputError(
            "ratings need one row per subject with two or more raters each", remedy="Leave a missing rating empty"
        )
    table = np.array(rows)
    used = ~np.isnan(table).any(axis=1)
    if used.sum() < 2:
        raise InputError(f"agreement needs two subjects with all ratings, found {int(used.sum())}")
    return table[used], int(np.count_nonzero(~used))


def _mean_squares(table: np.ndarray) -> _MeanSquares:
    n, k = table.shape
    # Centered first: sums of squares of values near 1e6 would otherwise lose what the raters differ by.
    centered = table - table.mean()
    subject, rater = centered.mean(axis=1), centered.mean(axis=0)
    rest = centered - subject[:, None] - rater
    noise = 1e-24 * float(np.abs(table).max()) ** 2
    error = float(np.sum(rest**2)) / ((n - 1) * (k - 1))
    between_raters = n * float(np.sum(rater**2)) / (k - 1)
    subjects = k * float(np.sum(subject**2)) / (n - 1)
    subjects, between_raters, error = (
        0.0 if square <= noise else square for square in (subjects, between_raters, error)
    )
    within = (between_raters * (k - 1) + error * (n - 1) * (k - 1)) / (n * (k - 1))
    return _MeanSquares(subjects, between_raters, error, within, constant=not (subjects or between_raters or error))


def _form(name: str, limits: Limits, squares: _MeanSquares, n: int, k: int, grading: str, confidence: float) -> IccForm:
    model, averaged = name[4], name[6] == "k"
    reference = squares.within if model == "1" else squares.error
    freedom = (n - 1, n * (k - 1) if model == "1" else (n - 1) * (k - 1))
    value = low = high = f = p = None
    # Of subjects that are all alike some forms are 0 / 0, or not finite.
    undefined = model != "2" and squares.subjects == 0 and (averaged or reference == 0)
    if not squares.constant and not undefined:
        value = _value(model, averaged, squares, n, k)
        value = float(value) if math.isfinite(value) else None
    if value is not None:
        f = squares.subjects / reference if reference > 0 else math.inf if squares.subjects > 0 else 0.0
        if model == "2":
            low, high, satterthwaite = _agreement_limits(squares, n, k, averaged, limits, confidence)
            if limits == "mcgraw-wong":
                freedom = (n - 1, satterthwaite)
        else:
            low, high = _ratio_limits(f, freedom, k, averaged, confidence)
        low, high = (float(limit) if math.isfinite(limit) else None for limit in (low, high))
        p = 0.0 if math.isinf(f) else float(stats.f.sf(f, *freedom))
        p = None if math.isnan(p) else p
    return IccForm(
        form=name,
        meaning=MEANINGS[name],
        limits=limits,
        value=value,
        low=low,
        high=high,
        f=f,
        degrees_of_freedom=freedom,
        p=p,
        grade=grade(value, grading),
        grade_of_low=grade(low, grading),
    )


def _value(model: str, averaged: bool, squares: _MeanSquares, n: int, k: int) -> float:
    """Shrout & Fleiss 1979, Psychol Bull 86:420. Not finite where few ratings cancel out or the divisor is negative."""
    between, reference = squares.subjects, squares.within if model == "1" else squares.error
    if model != "2":
        whole = between if averaged else between + (k - 1) * reference
    elif averaged:
        whole = between + (squares.raters - reference) / n
    else:
        whole = between + (k - 1) * reference + k * (squares.raters - reference) / n
    return _ratio(between - reference, whole)


def _ratio(dividend, divisor):
    """A correlation falls without end as its divisor falls to 0; beyond, a plain quotient would be large again."""
    dividend, divisor = np.broadcast_arrays(dividend, divisor)
    return np.divide(dividend, divisor, out=np.full(divisor.shape, -np.inf), where=divisor > 0)[()]


def _ratio_limits(
    f: float, freedom: tuple[float, float], k: int, averaged: bool, confidence: float
) -> tuple[float, float]:
    """ICC(1,*) and ICC(3,*): limits of the ratio of mean squares."""
    if math.isinf(f):
        return 1.0, 1.0
    tail = (1 - confidence) / 2
    low_f, high_f = f / float(stats.f.isf(tail, *freedom)), f * float(stats.f.isf(tail, *freedom[::-1]))
    if averaged:
        return 1 - 1 / low_f if low_f > 0 else -math.inf, 1 - 1 / high_f if high_f > 0 else -math.inf
    return (low_f - 1) / (low_f + k - 1), (high_f - 1) / (high_f + k - 1)


def _agreement_limits(
    squares: _MeanSquares, n: int, k: int, averaged: bool, limits: Limits, confidence: float
) -> tuple[float, float, float]:
    """ICC(2,*): (low, high, Satterthwaite degrees of freedom). McGraw & Wong 1996, Psychol Methods 1:30, table 7."""
    between, raters, error = squares.subjects, squares.raters, squares.error
    if raters == 0 and error == 0:
        return 1.0, 1.0, float((n - 1) * (k - 1))
    if between == 0:  # subjects alike: no degrees of freedom are left, or (raters apart) no error
        limit = math.nan if error > 0 else 0.0
        return limit, limit, float((n - 1) * (k - 1))
    spearman_brown = averaged and limits == "shrout-fleiss"
    single = not averaged or spearman_brown
    # k value / (n (1 - value)); the same expression for the mean of k raters, as in R's irr.
    ratio = (1 if single else k) * (between - error) / (raters + (n - 1) * error)
    weights = ratio * raters, (1 + ratio * (n - 1)) * error
    if weights == (0.0, 0.0):
        return math.nan, math.nan, float((n - 1) * (k - 1))
    freedom = sum(weights) ** 2 / (weights[0] ** 2 / (k - 1) + weights[1] ** 2 / ((n - 1) * (k - 1)))
    tail = (1 - confidence) / 2
    low_f, high_f = float(stats.f.isf(tail, n - 1, freedom)), float(stats.f.isf(tail, freedom, n - 1))
    spread = k * raters + (k * n - k - n) * error if single else raters - error
    # Divided by the quantile, which grows out of floating point where the degrees of freedom are few.
    low = _ratio(n * (between / low_f - error), spread + n * between / low_f)
    # A quantile below 1, of less than a degree of freedom, would put the upper limit below the value.
    high = _ratio(n * (between - error / high_f), spread / high_f + n * between) if high_f >= 1 else math.nan
    if spearman_brown:
        low, high = (_ratio(k * limit, 1 + (k - 1) * limit) for limit in (low, high))
    return low, high, freedom


def _with_generalized_limits(
    form: IccForm, squares: _MeanSquares, n: int, k: int, grading: str, confidence: float
) -> IccForm:
    """Quantiles of the correlation over the variances that the mean squares leave possible.

    Each mean square times its degrees of freedom over a chi-squared draw is a draw of the expectation behind it.
    """
    low, high = form.low, form.high
    if form.value is not None and (squares.error > 0 or squares.raters > 0):
        rng = np.random.default_rng(GENERALIZED_SEED)
        between, raters, error = (
            square * freedom / rng.chisquare(freedom, GENERALIZED_DRAWS)
            for square, freedom in (
                (squares.subjects, n - 1),
                (squares.raters, k - 1),
                (squares.error, (n - 1) * (k - 1)),
            )
        )
        drawn = _MeanSquares(between, raters, error, error, constant=False)
        values = _value("2", form.form[6] == "k", drawn, n, k)
        endless = np.isneginf(values)
        shares = (1 - confidence) / 2, (1 + confidence) / 2
        limits = np.quantile(np.where(endless, values[~endless].min(), values), shares)
        low, high = (
            float(limit) if endless.mean() < share else None for limit, share in zip(limits, shares, strict=True)
        )
    return dataclasses.replace(form, limits="generalized", low=low, high=high, grade_of_low=grade(low, grading))
