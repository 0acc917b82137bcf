"""Receiver operating characteristic: curve, area, cutoffs, partial area, smooth curve.

Conventions are pROC's (Robin et al. 2011, BMC Bioinformatics 12:77): cutoffs lie midway between neighboring observed
values; a patient is positive if the marker is above (or below) the cutoff; the direction is found by the medians.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from ..errors import InputError
from .delong import Direction, PositiveSide, found_side, oriented, structural_components
from .proportions import Classification, classification
from .samples import check_confidence, labeled_markers, missing_note, percent

FEW_IN_CLASS = 10
NO_VARIANCE = 1e-20  # below, a variance is rounding noise


@dataclass(frozen=True)
class RocCurve:
    """Attributes:
    thresholds: from calling all positive to calling none; the ends are infinite.
    sensitivity, specificity: at each threshold; true_positives, true_negatives the counts.
    """

    side: PositiveSide
    n_positive: int
    n_negative: int
    n_missing: int
    thresholds: tuple[float, ...]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]
    true_positives: tuple[int, ...]
    true_negatives: tuple[int, ...]

    @property
    def auc(self) -> float:
        """Area by the trapezoidal rule, equal to the Mann-Whitney statistic."""
        return float(-np.trapezoid(self.sensitivity, 1 - np.array(self.specificity)))


@dataclass(frozen=True)
class Interval:
    """Confidence interval with its method in words."""

    method: str
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Cutoff:
    """A threshold with what it does in these patients.

    Attributes:
        threshold: positive if the marker is strictly on ``side`` of it.
        youden: sensitivity + specificity - 1.
    """

    threshold: float
    side: PositiveSide
    youden: float
    performance: Classification

    def rule(self, name: str = "marker", unit: str = "") -> str:
        sign = ">" if self.side == "above" else "<"
        return f"{name} {sign} {self.threshold:.4g}{' ' + unit if unit else ''}"


@dataclass(frozen=True)
class RocAnalysis:
    """One marker against one outcome.

    Attributes:
        auc: in the direction ``side``; auc_if_above: had larger values been taken as positive.
        interval: the reported one; delong as pROC (symmetric, cut at 0 and 1), logit its transformed version (keeps
            inside 0 and 1 and covers what it says in small groups). None without variance.
        hanley_mcneil_se: from the AUC and the group sizes alone (Hanley & McNeil 1982).
        p: AUC against 1/2 by Mann-Whitney, asymptotic, no continuity correction; None for a constant marker.
        best_youden: all cutoffs with the largest sensitivity + specificity, the most sensitive first.
        best_top_left: all cutoffs nearest to the corner of a perfect test.
    """

    method: str
    curve: RocCurve
    auc: float
    auc_if_above: float
    variance: float | None
    interval: Interval | None
    delong: Interval | None
    logit: Interval | None
    hanley_mcneil_se: float
    p: float | None
    best_youden: tuple[Cutoff, ...]
    best_top_left: tuple[Cutoff, ...]
    confidence: float
    warnings: tuple[str, ...]

    @property
    def cutoff(self) -> Cutoff:
        """The first of the best Youden cutoffs: of tied ones the most sensitive."""
        return self.best_youden[0]


@dataclass(frozen=True)
class PartialAuc:
    """Area under a part of the curve.

    Attributes:
        value: area over the part (at most its width).
        standardized: 1/2 (1 + (value - chance) / (perfect - chance)), 0.5 for a useless marker (McClish 1989).
    """

    method: str
    value: float
    standardized: float
    low: float
    high: float
    focus: str


@dataclass(frozen=True)
class BinormalCurve:
    """Smooth curve sensitivity = Phi(a + b Phi^-1(1 - specificity)).

    Attributes:
        specificity, sensitivity: on a grid, for drawing.
        auc: Phi(a / sqrt(1 + b^2)).
    """

    method: str
    a: float
    b: float
    auc: float
    specificity: tuple[float, ...]
    sensitivity: tuple[float, ...]


def analyze_roc(
    labels: Sequence,
    marker: Sequence,
    *,
    direction: Direction = "auto",
    interval: Literal["logit", "delong"] = "logit",
    confidence: float = 0.95,
    name: str = "marker",
) -> RocAnalysis:
    """AUC with intervals, best cutoffs with what they do, and the curve.

    Args:
        labels: (n,) 1 for patients with the outcome, 0 without; marker: (n,). NaN is missing in either.
        direction: "above" if larger values mean the outcome, "below" if smaller, "auto" by the medians.
        interval: which interval of the AUC is the reported one. "logit" covers 95 % with 40 patients, where "delong"
            (pROC, SPSS, MedCalc) covers 88 to 93 %.

    Raises:
        InputError: labels other than 0 and 1, one class only, text, different lengths, unknown choice.
    """
    check_confidence(confidence)
    if interval not in ("delong", "logit"):
        raise InputError(f'"{interval}" is no interval of an AUC', remedy='Choose "delong" or "logit"')
    data = labeled_markers(labels, marker, names=(name,))
    positive, negative = data.positive[0], data.negative[0]
    side = found_side(positive, negative, direction)
    curve = _curve(positive, negative, side, data.n_missing)
    components = structural_components(*oriented(positive, negative, side))
    auc, variance = components.auc, components.variance
    if variance is not None and variance < NO_VARIANCE:
        variance = 0.0
    delong, logit = _delong_interval(auc, variance, confidence), logit_interval(auc, variance, confidence)
    reported = delong if interval == "delong" else logit
    youden, top_left = _best_cutoffs(curve, confidence)
    return RocAnalysis(
        method=f"AUC (Mann-Whitney), positive {side} the cutoff"
        + (f", {reported.method}" if reported else ", no interval")
        + ("" if direction != "auto" else "; direction found by the medians"),
        curve=curve,
        auc=auc,
        auc_if_above=auc if side == "above" else 1 - auc,
        variance=variance,
        interval=reported,
        delong=delong,
        logit=logit,
        hanley_mcneil_se=hanley_mcneil_se(auc, positive.size, negative.size),
        p=_p_against_half(positive, negative),
        best_youden=youden,
        best_top_left=top_left,
        confidence=confidence,
        warnings=_notes(data.n_missing, curve, auc, variance, youden),
    )


def roc_curve(labels: Sequence, marker: Sequence, *, direction: Direction = "auto") -> RocCurve:
    """The empirical curve alone; arguments and errors as ``analyze_roc``."""
    data = labeled_markers(labels, marker)
    positive, negative = data.positive[0], data.negative[0]
    return _curve(positive, negative, found_side(positive, negative, direction), data.n_missing)


def apply_cutoff(
    labels: Sequence, marker: Sequence, threshold: float, side: PositiveSide, *, confidence: float = 0.95
) -> Cutoff:
    """A cutoff from elsewhere on these patients: positive if strictly above (or below) it.

    Raises:
        InputError: as ``analyze_roc``.
    """
    data = labeled_markers(labels, marker)
    if side not in ("above", "below"):
        raise InputError(f'"{side}" is no side of a cutoff', remedy='Choose "above" or "below"')
    if math.isnan(threshold):
        raise InputError("a cutoff must be a number", remedy="Give the threshold")
    sign = 1 if side == "above" else -1
    tp = int(np.count_nonzero(sign * data.positive[0] > sign * threshold))
    fp = int(np.count_nonzero(sign * data.negative[0] > sign * threshold))
    return _cutoff(
        threshold, side, tp, data.negative.shape[1] - fp, data.positive.shape[1], data.negative.shape[1], confidence
    )


def partial_auc(
    curve: RocCurve,
    low: float = 0.9,
    high: float = 1.0,
    *,
    focus: Literal["specificity", "sensitivity"] = "specificity",
) -> PartialAuc:
    """Area under the curve where specificity (or sensitivity) lies between ``low`` and ``high``.

    The curve is taken as straight between its corners; an area in focus of sensitivity is that right of the curve.

    Raises:
        InputError: limits that are not 0 <= low < high <= 1, unknown focus.
    """
    if not 0 <= low < high <= 1:
        raise InputError("the limits of a partial area must be 0 <= low < high <= 1")
    if focus not in ("specificity", "sensitivity"):
        raise InputError(f'"{focus}" is no focus', remedy='Choose "specificity" or "sensitivity"')
    x, y = np.array(curve.specificity), np.array(curve.sensitivity)
    if focus == "sensitivity":
        x, y = y[::-1], x[::-1]
    value = _area_between(x, y, low, high)
    width = high - low
    chance = (1 - (low + high) / 2) * width
    return PartialAuc(
        f"partial AUC, {focus} {low:g} to {high:g}, standardized by McClish",
        value,
        float((1 + (value - chance) / (width - chance)) / 2),
        low,
        high,
        focus,
    )


def binormal_curve(curve: RocCurve, points: int = 201) -> BinormalCurve:
    """Smooth curve through the empirical one: a straight line on the probit scale.

    Least squares of Phi^-1(specificity) on Phi^-1(sensitivity), as pROC's "binormal" smoothing, over the corners of the
    empirical curve that are neither 0 nor 1 in either coordinate.

    Raises:
        InputError: too few such corners for a falling line (perfect, constant or very coarse markers).
    """
    sensitivity, specificity = np.array(curve.sensitivity), np.array(curve.specificity)
    inside = (sensitivity > 0) & (sensitivity < 1) & (specificity > 0) & (specificity < 1)
    x, y = special.ndtri(sensitivity[inside]), special.ndtri(specificity[inside])
    slope = float((x - x.mean()) @ (y - y.mean()) / np.sum((x - x.mean()) ** 2)) if x.size and np.ptp(x) > 0 else 0.0
    if slope > -1e-9:  # not falling, but for rounding
        raise InputError("too few corners for a smooth curve", remedy="Draw the empirical one")
    a, b = -float(y.mean() - slope * x.mean()) / slope, -1 / slope
    grid = np.linspace(0, 1, points)
    with np.errstate(invalid="ignore"):
        smooth = special.ndtr(a + b * special.ndtri(1 - grid))
    return BinormalCurve(
        "binormal curve, least squares on the probit scale",
        a,
        b,
        float(special.ndtr(a / math.sqrt(1 + b * b))),
        tuple(grid.tolist()),
        tuple(smooth.tolist()),
    )


def hanley_mcneil_se(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an AUC from its value and the group sizes (Hanley & McNeil 1982, Radiology 143:29).

    Exponential marker distributions are assumed: Q1 = A / (2 - A), Q2 = 2 A^2 / (1 + A).

    Raises:
        InputError: an AUC outside 0 to 1, an empty group.
    """
    if not 0 <= auc <= 1 or n_positive < 1 or n_negative < 1:
        raise InputError(f"no standard error for AUC {auc:g} with {n_positive} and {n_negative} patients")
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return math.sqrt(max(spread, 0.0) / (n_positive * n_negative))


def _curve(positive: np.ndarray, negative: np.ndarray, side: PositiveSide, n_missing: int) -> RocCurve:
    values = np.unique(np.concatenate([positive, negative]))
    thresholds = np.concatenate([[-np.inf], values[:-1] / 2 + values[1:] / 2, [np.inf]])
    # How many of a class lie above (not above) each cutoff: counted against the values, which no rounding can move.
    tp = positive.size - np.concatenate([[0], np.searchsorted(np.sort(positive), values, side="right")])
    tn = np.concatenate([[0], np.searchsorted(np.sort(negative), values, side="right")])
    if side == "below":
        thresholds, tp, tn = thresholds[::-1], positive.size - tp[::-1], negative.size - tn[::-1]
    return RocCurve(
        side=side,
        n_positive=positive.size,
        n_negative=negative.size,
        n_missing=n_missing,
        thresholds=tuple(thresholds.tolist()),
        sensitivity=tuple((tp / positive.size).tolist()),
        specificity=tuple((tn / negative.size).tolist()),
        true_positives=tuple(tp.tolist()),
        true_negatives=tuple(tn.tolist()),
    )


def _delong_interval(auc: float, variance: float | None, confidence: float) -> Interval | None:
    if variance is None:
        return None
    reach = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(variance)
    method = f"DeLong {percent(confidence)} interval"
    return Interval(method, max(0.0, auc - reach), min(1.0, auc + reach), confidence)


def logit_interval(auc: float, variance: float | None, confidence: float) -> Interval | None:
    """logit(A) +- z SE / (A (1 - A)) (Pepe 2003, section 5.2.5)."""
    if variance is None:
        return None
    method = f"DeLong {percent(confidence)} interval on the logit scale"
    if not 0 < auc < 1 or variance == 0:
        return Interval(method, auc, auc, confidence)
    center = math.log(auc / (1 - auc))
    reach = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(variance) / (auc * (1 - auc))
    return Interval(method, float(special.expit(center - reach)), float(special.expit(center + reach)), confidence)


def _p_against_half(positive: np.ndarray, negative: np.ndarray) -> float | None:
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    squares = float(np.sum((ranks - ranks.mean()) ** 2))
    if squares == 0:
        return None
    n = ranks.size
    deviation = float(ranks[: positive.size].sum()) - positive.size * (n + 1) / 2
    sd = math.sqrt(positive.size * negative.size / (n * (n - 1)) * squares)
    return 2 * float(stats.norm.sf(abs(deviation) / sd))


def _best_cutoffs(curve: RocCurve, confidence: float) -> tuple[tuple[Cutoff, ...], tuple[Cutoff, ...]]:
    tp, tn = np.array(curve.true_positives), np.array(curve.true_negatives)
    # Compared in whole numbers: k/26 + m/15 in floating point would hide ties.
    youden = tp * curve.n_negative + tn * curve.n_positive
    distance = ((curve.n_positive - tp) * curve.n_negative) ** 2 + ((curve.n_negative - tn) * curve.n_positive) ** 2

    def cutoffs(chosen: np.ndarray) -> tuple[Cutoff, ...]:
        return tuple(
            _cutoff(
                curve.thresholds[i], curve.side, int(tp[i]), int(tn[i]), curve.n_positive, curve.n_negative, confidence
            )
            for i in np.flatnonzero(chosen)
        )

    return cutoffs(youden == youden.max()), cutoffs(distance == distance.min())


def _cutoff(
    threshold: float, side: PositiveSide, tp: int, tn: int, n_positive: int, n_negative: int, confidence: float
) -> Cutoff:
    performance = classification(tp, n_negative - tn, tn, n_positive - tp, confidence)
    youden = (tp * n_negative + tn * n_positive) / (n_positive * n_negative) - 1
    return Cutoff(threshold, side, youden, performance)


def _area_between(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Trapezoidal area under straight pieces; x ascends and may stand still (vertical pieces)."""
    inside = x[(x > low) & (x < high)], y[(x > low) & (x < high)]
    # At a vertical piece the side towards the inside counts.
    at_low, at_high = _value_at(x, y, low, "last"), _value_at(x, y, high, "first")
    xs = np.concatenate([[low], inside[0], [high]])
    ys = np.concatenate([[at_low], inside[1], [at_high]])
    return float(np.trapezoid(ys, xs))


def _value_at(x: np.ndarray, y: np.ndarray, at: float, which: str) -> float:
    same = np.flatnonzero(x == at)
    if same.size:
        return float(y[same[-1] if which == "last" else same[0]])
    right = int(np.searchsorted(x, at))
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    return float(y[right - 1] + share * (y[right] - y[right - 1]))


def _notes(
    n_missing: int, curve: RocCurve, auc: float, variance: float | None, youden: tuple[Cutoff, ...]
) -> tuple[str, ...]:
    notes = list(missing_note(n_missing))
    smaller = min(curve.n_positive, curve.n_negative)
    if smaller < FEW_IN_CLASS:
        notes.append(f"{smaller} patients in the smaller class: the AUC is very uncertain")
    if variance is None:
        notes.append("a class has a single patient: the AUC has no interval")
    elif variance == 0:
        notes.append("the AUC has no variance in this sample: its interval is a point and misleads; use the cutoff's")
    if len(youden) > 1:
        notes.append(f"{len(youden)} cutoffs have the same Youden index: the most sensitive comes first")
    if any(math.isinf(best.threshold) for best in youden):
        notes.append("no cutoff is better than calling all patients alike")
    if auc < 0.5:
        notes.append("AUC below 0.5 in this direction")
    return tuple(notes)
