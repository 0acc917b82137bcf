"""k of n with its confidence intervals, and what a classification's four counts say."""

import math
from dataclasses import dataclass

from scipy import special

from ..errors import InputError
from .samples import check_confidence


@dataclass(frozen=True)
class Proportion:
    """k of n.

    Attributes:
        value: k / n; None when n is 0 (then the intervals are None too).
        exact: Clopper-Pearson interval (never covers less than it says).
        wilson: score interval (covers what it says on average, shorter).
    """

    k: int
    n: int
    value: float | None
    exact: tuple[float, float] | None
    wilson: tuple[float, float] | None
    confidence: float

    def text(self) -> str:
        if self.value is None:
            return "not defined (0 patients)"
        low, high = self.exact
        return f"{self.value:.3f} ({self.k}/{self.n}; exact {100 * self.confidence:g} % CI {low:.3f} to {high:.3f})"


def proportion(k: int, n: int, confidence: float = 0.95) -> Proportion:
    """
    Raises:
        InputError: k or n that are no counts.
    """
    check_confidence(confidence)
    if n < 0 or not 0 <= k <= n or k != int(k) or n != int(n):
        raise InputError(f"{k} of {n} is no proportion", remedy="Give counts with k between 0 and n")
    if n == 0:
        return Proportion(0, 0, None, None, None, confidence)
    return Proportion(int(k), int(n), k / n, _clopper_pearson(k, n, confidence), _wilson(k, n, confidence), confidence)


def _clopper_pearson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Quantiles of beta distributions (Clopper & Pearson 1934); the ends are 0 and 1 where no or all patients count."""
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def _wilson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson 1927, J Am Stat Assoc 22:209."""
    z = float(special.ndtri((1 + confidence) / 2))
    share = k / n
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, center - reach), min(1.0, center + reach)


@dataclass(frozen=True)
class Classification:
    """Performance of a rule on patients whose class is known, from its four counts.

    Attributes:
        ppv, npv: at the prevalence of these patients; elsewhere use ``predictive_values``.
        likelihood_ratio_positive, likelihood_ratio_negative: None where a division by zero would be needed.
    """

    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    accuracy: Proportion
    likelihood_ratio_positive: float | None
    likelihood_ratio_negative: float | None

    def predictive_values(self, prevalence: float) -> tuple[float | None, float | None]:
        """(PPV, NPV) at another prevalence, by Bayes' rule from sensitivity and specificity.

        Raises:
            InputError: a prevalence that is not between 0 and 1.
        """
        if not 0 < prevalence < 1:
            raise InputError(f"the prevalence must lie between 0 and 1, found {prevalence:g}")
        sensitivity, specificity = self.sensitivity.value, self.specificity.value
        if sensitivity is None or specificity is None:
            return None, None
        true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
        true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
        positive, negative = true_positive + false_positive, true_negative + false_negative
        return (true_positive / positive if positive else None, true_negative / negative if negative else None)


def classification(tp: int, fp: int, tn: int, fn: int, confidence: float = 0.95) -> Classification:
    """
    Raises:
        InputError: negative counts.
    """
    n_positive, n_negative = tp + fn, tn + fp
    false_positive_rate = fp / n_negative if n_negative else None
    true_positive_rate = tp / n_positive if n_positive else None
    computable = n_positive and n_negative
    return Classification(
        tp=int(tp),
        fp=int(fp),
        tn=int(tn),
        fn=int(fn),
        sensitivity=proportion(tp, n_positive, confidence),
        specificity=proportion(tn, n_negative, confidence),
        ppv=proportion(tp, tp + fp, confidence),
        npv=proportion(tn, tn + fn, confidence),
        accuracy=proportion(tp + tn, n_positive + n_negative, confidence),
        likelihood_ratio_positive=true_positive_rate / false_positive_rate if computable and fp else None,
        likelihood_ratio_negative=(1 - true_positive_rate) / (1 - false_positive_rate) if computable and tn else None,
    )
