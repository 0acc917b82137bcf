"""The likelihood of logistic regression, plain and with Firth's penalty, maximized over all or some coefficients."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

MOST_STEPS = 500
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
        return log_likelihood + 0.5 * np.linalg.slogdet(self.information(beta))[1] if self.penalized else log_likelihood

    def information(self, beta: np.ndarray) -> np.ndarray:
        """X'WX with W = p(1-p), shape (k, k)."""
        p = expit(self.matrix @ beta)
        return (self.matrix.T * (p * (1 - p))) @ self.matrix

    def score(self, beta: np.ndarray) -> np.ndarray:
        """X'(y - p), with Firth's penalty X'(y - p + h(1/2 - p)), h the diagonal of the hat matrix; shape (k,)."""
        p = expit(self.matrix @ beta)
        residual = self.labels - p
        if self.penalized:
            weighted = self.matrix * np.sqrt(p * (1 - p))[:, None]
            hat = np.square(np.linalg.qr(weighted)[0]).sum(axis=1)
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
        information = likelihood.information(beta)[np.ix_(free, free)]
        step = np.zeros(beta.size)
        step[free] = np.linalg.lstsq(information, likelihood.score(beta)[free], rcond=None)[0]
        step /= max(1.0, np.abs(likelihood.matrix @ step).max() / 5.0)  # five on the logit scale is far enough at once
        fraction = 1.0
        while (new := likelihood.value(beta + fraction * step)) < value - 1e-12 * abs(value) and fraction > 1e-6:
            fraction /= 2
        beta, value = beta + fraction * step, new
        if np.all(np.abs(step) <= STEP_TOLERANCE * (np.abs(beta) + STEP_TOLERANCE) + 1e-14):
            return beta, True
    return beta, bool(np.all(np.abs(step) <= 1e-7 * (np.abs(beta) + 1e-7)))


def profile_interval(
    likelihood: Likelihood, beta: np.ndarray, index: int, standard_error: float, confidence: float
) -> tuple[float, float]:
    """Limits b of one coefficient where 2(l(max) - l(max given b)) reaches the chi-squared quantile with 1 df.

    A side on which the likelihood never falls that far has an infinite limit.
    """
    wanted = chi2.ppf(confidence, 1)
    best = likelihood.value(beta)
    free = np.arange(beta.size) != index

    def excess(at: float) -> float:
        start = beta.copy()
        start[index] = at
        return 2 * (best - likelihood.value(maximize(likelihood, start, free)[0])) - wanted

    return _limit(excess, beta[index], -standard_error), _limit(excess, beta[index], standard_error)


def profile_p(likelihood: Likelihood, beta: np.ndarray, index: int) -> float:
    """p of the (penalized) likelihood-ratio test of one coefficient against zero."""
    start = beta.copy()
    start[index] = 0.0
    null = maximize(likelihood, start, np.arange(beta.size) != index)[0]
    return float(chi2.sf(max(0.0, 2 * (likelihood.value(beta) - likelihood.value(null))), 1))


def _limit(excess, center: float, step: float) -> float:
    inner, outer = center, center + step
    while excess(outer) < 0:
        if abs(outer - center) > FARTHEST_DEVIATIONS * abs(step):
            return float(np.copysign(np.inf, step))
        inner, outer = outer, center + 2 * (outer - center)
    return float(brentq(excess, *sorted((inner, outer)), xtol=1e-12, rtol=1e-12))
