"""The likelihood of logistic regression, plain and with Firth's penalty, maximized over all or some coefficients."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

MOST_STEPS = 500
SMALLEST_FRACTION = 1e-6  # of a step, before it is given up
STEP_TOLERANCE = 1e-12  # relative change of a coefficient
FARTHEST_DEVIATIONS = 60.0  # where the search for a profile limit gives up, in standard errors


@dataclass(frozen=True)
class Likelihood:
    """Data of a logistic likelihood.

    Attributes:
        matrix: (n, k), intercept included; labels: (n,) of 0 and 1.
        penalized: add half the log-determinant of the information (Firth 1993, Biometrika 80:27; Heinze & Schemper
            2002, Stat Med 21:2409), which is finite for separated data too.
    """

    matrix: np.ndarray
    labels: np.ndarray
    penalized: bool = False

    def value(self, beta: np.ndarray) -> float:
        eta = self.matrix @ beta
        log_likelihood = float(self.labels @ eta - np.logaddexp(0, eta).sum())
        if not self.penalized:
            return log_likelihood
        # Half the log-determinant of X'WX, from the triangle of W^(1/2) X: the product would lose half of the digits.
        triangle = np.linalg.qr(self._weighted(beta), mode="r")
        with np.errstate(divide="ignore"):
            return log_likelihood + float(np.log(np.abs(np.diag(triangle))).sum())

    def _weighted(self, beta: np.ndarray) -> np.ndarray:
        eta = self.matrix @ beta
        return self.matrix * np.sqrt(expit(eta) * expit(-eta))[:, None]  # 1 - p has no digits left near 0

    def information(self, beta: np.ndarray) -> np.ndarray:
        """X'WX with W = p(1-p), shape (k, k)."""
        eta = self.matrix @ beta
        return (self.matrix.T * (expit(eta) * expit(-eta))) @ self.matrix

    def score(self, beta: np.ndarray) -> np.ndarray:
        """X'(y - p), with Firth's penalty X'(y - p + h(1/2 - p)), h the diagonal of the hat matrix; shape (k,)."""
        p = expit(self.matrix @ beta)
        residual = self.labels - p
        if self.penalized:
            hat = np.square(np.linalg.qr(self._weighted(beta))[0]).sum(axis=1)
            residual = residual + hat * (0.5 - p)
        return self.matrix.T @ residual


def maximize(likelihood: Likelihood, start: np.ndarray, free: np.ndarray | None = None) -> tuple[np.ndarray, bool]:
    """Fisher scoring with step halving over the coefficients where ``free``; the others keep their start.

    Returns:
        The coefficients (k,) and whether the steps came to rest.
    """
    beta = start.astype(np.float64).copy()
    free = np.ones(beta.size, dtype=bool) if free is None else free
    if not free.any():
        return beta, True
    value = likelihood.value(beta)
    for _ in range(MOST_STEPS):
        information, score = likelihood.information(beta)[np.ix_(free, free)], likelihood.score(beta)
        step = np.zeros(beta.size)
        step[free] = np.linalg.lstsq(information, score[free], rcond=None)[0]
        with np.errstate(over="ignore", invalid="ignore"):
            reach = float(np.abs(likelihood.matrix @ step).max())
        if not np.isfinite(reach):  # so far out that no information is left
            break
        step /= max(1.0, reach / 5.0)  # five on the logit scale is far enough at once
        fraction = 1.0
        while fraction > SMALLEST_FRACTION and _too_far(likelihood, beta + fraction * step, value, step, score):
            fraction /= 2
        beta = beta + fraction * step
        value = likelihood.value(beta)
        if np.all(np.abs(step) <= STEP_TOLERANCE * (np.abs(beta) + STEP_TOLERANCE) + 1e-14):
            return beta, True
        if fraction <= SMALLEST_FRACTION:  # no step leads higher
            break
    return beta, bool(np.all(np.abs(step) <= 1e-7 * (np.abs(beta) + 1e-7)))


def _too_far(likelihood: Likelihood, at: np.ndarray, value: float, step: np.ndarray, score: np.ndarray) -> bool:
    """The likelihood falls, or the slope has turned around: where few patients carry the information, Firth's penalty
    doubles the curvature, and full steps would run to and fro across the maximum for ever."""
    if likelihood.value(at) < value - 1e-12 * abs(value):
        return True
    return likelihood.penalized and likelihood.score(at) @ step < -score @ step / 2


def profile_interval(
    likelihood: Likelihood, beta: np.ndarray, index: int, standard_error: float, confidence: float
) -> tuple[float, float]:
    """Limits b of one coefficient where 2(l(max) - l(max given b)) reaches the chi-squared quantile with 1 df.

    A side on which the likelihood never falls that far has an infinite limit.
    """
    wanted = chi2.ppf(confidence, 1)
    best = likelihood.value(beta)

    def excess(at: float) -> float:
        return 2 * (best - likelihood.value(_best_with(likelihood, beta, index, at))) - wanted

    return _limit(excess, beta[index], -standard_error), _limit(excess, beta[index], standard_error)


def profile_p(likelihood: Likelihood, beta: np.ndarray, index: int) -> float:
    """p of the (penalized) likelihood-ratio test of one coefficient against zero."""
    null = _best_with(likelihood, beta, index, 0.0)
    return float(chi2.sf(max(0.0, 2 * (likelihood.value(beta) - likelihood.value(null))), 1))


def _best_with(likelihood: Likelihood, beta: np.ndarray, index: int, at: float) -> np.ndarray:
    """The coefficients of the largest likelihood that leaves one at a value, from the largest of all.

    The search starts where the others follow as the curvature there says: one column moved alone can take patients
    thousands of logits away, from where no step leads back.
    """
    free = np.arange(beta.size) != index
    information = likelihood.information(beta)
    along = np.ones(beta.size)
    along[free] = -np.linalg.lstsq(information[np.ix_(free, free)], information[free, index], rcond=None)[0]
    return maximize(likelihood, beta + (at - beta[index]) * along, free)[0]


def _limit(excess, center: float, step: float) -> float:
    inner, outer = center, center + step
    while excess(outer) < 0:
        if abs(outer - center) > FARTHEST_DEVIATIONS * abs(step):
            return float(np.copysign(np.inf, step))
        inner, outer = outer, center + 2 * (outer - center)
    return float(brentq(excess, *sorted((inner, outer)), xtol=1e-12, rtol=1e-12))
