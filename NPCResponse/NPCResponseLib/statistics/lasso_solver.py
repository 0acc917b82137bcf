"""The LASSO logistic optimum at one penalty: Newton steps, each a quadratic LASSO solved by active sets."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

MOST_NEWTON_STEPS = 200
MOST_SWEEPS = 1000
LEAST_WEIGHT = 1e-9  # of p(1-p), so that separated patients do not make the quadratic flat
GRADIENT_TOLERANCE = 1e-11  # of the mean score, at which the optimum is reached
PLATEAU = 1e-13  # relative fall of the objective that no longer counts


@dataclass(frozen=True)
class LassoProblem:
    """Standardized columns (n, p), constant ones all zero, and labels (n,) of 0 and 1."""

    matrix: np.ndarray
    labels: np.ndarray

    def null_intercept(self) -> float:
        share = self.labels.mean()
        return float(np.log(share / (1 - share)))

    def largest_lambda(self) -> float:
        """The smallest penalty at which every coefficient is zero."""
        return float(np.abs(self.matrix.T @ (self.labels - self.labels.mean())).max() / self.labels.size)

    def deviance(self, intercept: float, beta: np.ndarray) -> float:
        return float(2 * self.labels.size * self._loss(self.eta(intercept, beta)))

    def objective(self, intercept: float, beta: np.ndarray, penalty: float) -> float:
        return self._loss(self.eta(intercept, beta)) + penalty * float(np.abs(beta).sum())

    def eta(self, intercept: float, beta: np.ndarray) -> np.ndarray:
        """Linear predictor (n,)."""
        active = np.flatnonzero(beta)
        return intercept + self.matrix[:, active] @ beta[active]

    def _loss(self, eta: np.ndarray) -> float:
        return float(np.mean(np.logaddexp(0, eta) - self.labels * eta))


def solve(problem: LassoProblem, penalty: float, intercept: float, beta: np.ndarray) -> tuple[float, np.ndarray]:
    """Minimize the penalized mean negative log-likelihood from a start, which is best the optimum at a near penalty."""
    beta = beta.copy()
    value = problem.objective(intercept, beta, penalty)
    working = beta != 0
    for _ in range(MOST_NEWTON_STEPS):
        p = expit(problem.eta(intercept, beta))
        slope = problem.matrix.T @ (problem.labels - p) / p.size  # downhill direction of the mean loss
        violated = np.where(beta != 0, np.abs(slope - penalty * np.sign(beta)), np.abs(slope) - penalty)
        if max(violated.max(initial=0.0), abs(np.mean(problem.labels - p))) < GRADIENT_TOLERANCE:
            break
        working = (beta != 0) | (violated > GRADIENT_TOLERANCE)
        new_intercept, new_working = _newton_target(problem, penalty, intercept, beta, working, p)
        target = np.zeros(beta.size)
        target[working] = new_working
        intercept, beta, new = _line_search(problem, penalty, intercept, beta, new_intercept, target, value)
        if value - new <= PLATEAU * abs(value) and violated.max(initial=0.0) < 1e-7:
            break
        value = new
    return intercept, beta


def _newton_target(
    problem: LassoProblem, penalty: float, intercept: float, beta: np.ndarray, working: np.ndarray, p: np.ndarray
) -> tuple[float, np.ndarray]:
    """Optimum of the quadratic approximation at (intercept, beta) over the working columns."""
    n = p.size
    weights = np.maximum(p * (1 - p), LEAST_WEIGHT)
    columns = problem.matrix[:, working]
    total = weights.sum()
    means = weights @ columns / total
    centered = columns - means  # profiles the unpenalized intercept out of the quadratic
    gram = (centered.T * weights) @ centered / n
    residual = problem.labels - p
    start = beta[working]
    linear = centered.T @ residual / n + gram @ start
    solution = _quadratic_lasso(gram, linear, penalty, start)
    return intercept + float(residual.sum() / total - means @ (solution - start)), solution


def _quadratic_lasso(gram: np.ndarray, linear: np.ndarray, penalty: float, start: np.ndarray) -> np.ndarray:
    """Minimize b'Gb/2 - c'b + penalty |b|_1: coordinate descent finds the signs, a linear solve the values."""
    if (exact := _with_signs_of(start, gram, linear, penalty)) is not None:
        return exact
    b = start.copy()
    gradient = linear - gram @ b
    diagonal = np.diag(gram)
    index = np.flatnonzero(diagonal > 1e-14)
    for _ in range(MOST_SWEEPS):
        moved, signs = 0.0, np.sign(b)
        for j in index:
            pull = gradient[j] + diagonal[j] * b[j]
            new = np.sign(pull) * max(abs(pull) - penalty, 0.0) / diagonal[j]
            step = new - b[j]
            if step != 0.0:
                gradient -= gram[:, j] * step
                b[j] = new
                moved = max(moved, diagonal[j] * step * step)
        if moved < 1e-20:
            break
        if (np.sign(b) == signs).all() and (exact := _with_signs_of(b, gram, linear, penalty)) is not None:
            return exact
    return b


def _with_signs_of(b: np.ndarray, gram: np.ndarray, linear: np.ndarray, penalty: float) -> np.ndarray | None:
    """The optimum with the signs of b, if it has them and meets the conditions of the zeros; else None."""
    active = np.flatnonzero(b)
    signs = np.sign(b[active])
    exact = np.zeros(b.size)
    try:
        exact[active] = np.linalg.solve(gram[np.ix_(active, active)], linear[active] - penalty * signs)
    except np.linalg.LinAlgError:
        return None
    slope = linear - gram @ exact
    zeros = np.ones(b.size, dtype=bool)
    zeros[active] = False
    agrees = (np.sign(exact[active]) == signs).all() and np.abs(slope[active] - penalty * signs).max(initial=0) < 1e-10
    return exact if agrees and (np.abs(slope[zeros]) <= penalty * (1 + 1e-12) + 1e-13).all() else None


def _line_search(
    problem: LassoProblem,
    penalty: float,
    intercept: float,
    beta: np.ndarray,
    new_intercept: float,
    target: np.ndarray,
    value: float,
) -> tuple[float, np.ndarray, float]:
    """The full Newton step if it lowers the objective (as it nearly always does), else a half of it, and so on."""
    fraction = 1.0
    while True:
        between = beta + fraction * (target - beta) if fraction < 1 else target
        at = intercept + fraction * (new_intercept - intercept)
        new = problem.objective(at, between, penalty)
        if new <= value + PLATEAU * abs(value) or fraction < 1e-6:
            return at, between, new
        fraction /= 2
