"""DeLong's variance of areas under ROC curves and the tests built on it, in O(n log n).

Structural components by midranks (Sun & Xu 2014, IEEE Signal Process Lett 21:1389) of the estimator of DeLong, DeLong &
Clarke-Pearson 1988, Biometrics 44:837.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats

from ..errors import InputError
from .samples import LabeledMarkers, check_confidence, labeled_markers, missing_note, percent

PositiveSide = Literal["above", "below"]
Direction = Literal["auto", "above", "below"]


@dataclass(frozen=True)
class StructuralComponents:
    """Attributes:
    positive: (n positive,) share of the negatives that lie below each positive (ties half); its mean is the AUC.
    negative: (n negative,) share of the positives that lie above each negative.
    """

    positive: np.ndarray
    negative: np.ndarray

    @property
    def auc(self) -> float:
        return float(self.positive.mean())

    @property
    def variance(self) -> float | None:
        """Of the AUC; None with a single patient in a class."""
        return self.covariance(self)

    def covariance(self, other: "StructuralComponents") -> float | None:
        """Of two AUCs from the same patients."""
        terms = []
        for mine, theirs in ((self.positive, other.positive), (self.negative, other.negative)):
            if mine.size < 2:
                return None
            products = (mine - mine.mean()) @ (theirs - theirs.mean())
            terms.append(float(products) / (mine.size - 1) / mine.size)
        return sum(terms)


def structural_components(positive: np.ndarray, negative: np.ndarray) -> StructuralComponents:
    """Of one marker that is larger in positives; arrays (n positive,), (n negative,) without missing values."""
    pooled = stats.rankdata(np.concatenate([positive, negative]))
    below = pooled[: positive.size] - stats.rankdata(positive)
    above = pooled[positive.size :] - stats.rankdata(negative)
    return StructuralComponents(below / negative.size, 1 - above / positive.size)


def found_side(positive: np.ndarray, negative: np.ndarray, direction: Direction = "auto") -> PositiveSide:
    """On which side of a cutoff positives lie: as given, or by the medians, "above" if they are equal (as pROC).

    Raises:
        InputError: another word than "auto", "above" and "below".
    """
    if direction == "auto":
        return "above" if np.median(negative) <= np.median(positive) else "below"
    if direction not in ("above", "below"):
        raise InputError(f'"{direction}" is no direction', remedy='Choose "auto", "above" or "below"')
    return direction


def oriented(positive: np.ndarray, negative: np.ndarray, side: PositiveSide) -> tuple[np.ndarray, np.ndarray]:
    """The marker turned so that positives are larger."""
    return (positive, negative) if side == "above" else (-positive, -negative)


@dataclass(frozen=True)
class AucComparison:
    """Two AUCs compared.

    Attributes:
        auc_a, auc_b: each marker in its own direction.
        difference: auc_a - auc_b; low, high its confidence limits.
        statistic: Z, or t with ``degrees_of_freedom`` for different patients; infinite for a sure difference.
        covariance: of the two AUCs (0 for different patients).
    """

    method: str
    name_a: str
    name_b: str
    side_a: PositiveSide
    side_b: PositiveSide
    n_positive: tuple[int, int]
    n_negative: tuple[int, int]
    n_missing: tuple[int, int]
    auc_a: float
    auc_b: float
    difference: float
    low: float | None
    high: float | None
    confidence: float
    statistic: float | None
    degrees_of_freedom: float | None
    p: float | None
    covariance: float | None
    warnings: tuple[str, ...] = ()


def compare_markers(
    labels: Sequence,
    markers: Mapping[str, Sequence],
    *,
    directions: Mapping[str, Direction] | None = None,
    confidence: float = 0.95,
) -> tuple[AucComparison, ...]:
    """Every pair of markers by DeLong's paired test, on the patients who have all of them.

    Args:
        labels: (n,) 0/1; markers: name to (n,) values.
        directions: name to "above", "below" or "auto" (the default: by the medians).

    Raises:
        InputError: fewer than two markers, one class only, text, different lengths.
    """
    check_confidence(confidence)
    if len(markers) < 2:
        raise InputError("a comparison needs two markers", remedy="Name at least two columns")
    names = tuple(markers)
    data = labeled_markers(labels, *markers.values(), names=names)
    sides = [
        found_side(positive, negative, (directions or {}).get(name, "auto"))
        for name, positive, negative in zip(names, data.positive, data.negative, strict=True)
    ]
    parts = [
        structural_components(*oriented(positive, negative, side))
        for positive, negative, side in zip(data.positive, data.negative, sides, strict=True)
    ]
    return tuple(
        _paired(data, (names[i], names[j]), (sides[i], sides[j]), (parts[i], parts[j]), confidence)
        for i, j in combinations(range(len(names)), 2)
    )


def _paired(
    data: LabeledMarkers,
    names: tuple[str, str],
    sides: tuple[PositiveSide, PositiveSide],
    parts: tuple[StructuralComponents, StructuralComponents],
    confidence: float,
) -> AucComparison:
    a, b = parts
    covariance = a.covariance(b)
    difference = a.auc - b.auc
    notes = missing_note(data.n_missing)
    z = p = low = high = None
    if covariance is None:
        notes += ("a class has a single patient: no variance, no test",)
    else:
        # Of the differences, not var + var - 2 cov: equal markers then give exactly zero.
        spread = StructuralComponents(a.positive - b.positive, a.negative - b.negative).variance
        sd = math.sqrt(spread) if spread > 1e-20 else 0.0
        z, p = z_test(difference, sd)
        reach = float(stats.norm.isf((1 - confidence) / 2)) * sd
        low, high = difference - reach, difference + reach
        if sd == 0:
            notes += ("the difference has no variance: p and interval are not to be relied on",)
    if sides[0] != sides[1]:
        notes += (f"{names[0]} is positive {sides[0]}, {names[1]} {sides[1]} its cutoff: each was turned first",)
    n_positive, n_negative = data.positive.shape[1], data.negative.shape[1]
    return AucComparison(
        method=f"DeLong's test of two markers in the same patients, {percent(confidence)} interval",
        name_a=names[0],
        name_b=names[1],
        side_a=sides[0],
        side_b=sides[1],
        n_positive=(n_positive, n_positive),
        n_negative=(n_negative, n_negative),
        n_missing=(data.n_missing, data.n_missing),
        auc_a=a.auc,
        auc_b=b.auc,
        difference=difference,
        low=low,
        high=high,
        confidence=confidence,
        statistic=z,
        degrees_of_freedom=None,
        p=p,
        covariance=covariance,
        warnings=notes,
    )


def z_test(difference: float, sd: float) -> tuple[float, float]:
    """(Z, two-sided p); without spread a difference is sure (infinite Z) and no difference is none (Z 0)."""
    if sd == 0:
        return (0.0, 1.0) if abs(difference) < 1e-15 else (math.copysign(math.inf, difference), 0.0)
    z = difference / sd
    return z, 2 * float(stats.norm.sf(abs(z)))


def compare_cohorts(
    labels_a: Sequence,
    marker_a: Sequence,
    labels_b: Sequence,
    marker_b: Sequence,
    *,
    names: tuple[str, str] = ("a", "b"),
    directions: tuple[Direction, Direction] = ("auto", "auto"),
    confidence: float = 0.95,
) -> AucComparison:
    """AUCs of different patients by DeLong's variances and Welch-Satterthwaite degrees of freedom (as pROC).

    Raises:
        InputError: one class only, text, different lengths of labels and marker.
    """
    check_confidence(confidence)
    data = [
        labeled_markers(labels_a, marker_a, names=names[:1]),
        labeled_markers(labels_b, marker_b, names=names[1:]),
    ]
    sides = tuple(
        found_side(each.positive[0], each.negative[0], direction)
        for each, direction in zip(data, directions, strict=True)
    )
    parts = [
        structural_components(*oriented(each.positive[0], each.negative[0], side))
        for each, side in zip(data, sides, strict=True)
    ]
    variances = [part.variance for part in parts]
    difference = parts[0].auc - parts[1].auc
    notes = tuple(
        f"{name}: {note}" for name, each in zip(names, data, strict=True) for note in missing_note(each.n_missing)
    )
    t = freedom = p = low = high = None
    if None in variances:
        notes += ("a class has a single patient: no variance, no test",)
    elif sum(variances) == 0:
        t, p = z_test(difference, 0.0)
        low = high = difference
        notes += ("the difference has no variance: p and interval are not to be relied on",)
    else:
        sizes = [part.positive.size + part.negative.size for part in parts]
        total = sum(variances)
        freedom = total**2 / sum(v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True))
        t = difference / math.sqrt(total)
        p = 2 * float(stats.t.sf(abs(t), freedom))
        reach = float(stats.t.isf((1 - confidence) / 2, freedom)) * math.sqrt(total)
        low, high = difference - reach, difference + reach
    return AucComparison(
        method=f"DeLong's test of two groups of patients, t distribution, {percent(confidence)} interval",
        name_a=names[0],
        name_b=names[1],
        side_a=sides[0],
        side_b=sides[1],
        n_positive=tuple(part.positive.size for part in parts),
        n_negative=tuple(part.negative.size for part in parts),
        n_missing=tuple(each.n_missing for each in data),
        auc_a=parts[0].auc,
        auc_b=parts[1].auc,
        difference=difference,
        low=low,
        high=high,
        confidence=confidence,
        statistic=t,
        degrees_of_freedom=freedom,
        p=p,
        covariance=0.0,
        warnings=notes,
    )
