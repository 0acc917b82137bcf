"""How much of a model's performance is luck: Harrell's bootstrap optimism, for any model and ready for two kinds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import expit, logit

from ..errors import InputError
from .calibration import LARGEST_EXPONENT
from .concordance import concordance
from .cox import Ties
from .cox_steps import newton
from .logistic_likelihood import Likelihood, maximize
from .model_data import binary, both_classes, few_events_warning, model_data, numbers
from .rank_indices import gini_mean_difference, rank_indices
from .separation import SeparationKind, find_separation
from .survival import same_times

DEFAULT_REPLICATES = 500
LARGEST_LOGIT = 30.0  # beyond it a fit to a bootstrap sample is separated, not estimated
MANY_FAILURES = 0.05  # share of replicates
Model = TypeVar("Model")


@dataclass(frozen=True)
class OptimismRow:
    """One measure: apparent (same patients), mean over bootstrap models on their own sample (training) and on the
    patients (test), optimism = training - test, corrected = apparent - optimism."""

    measure: str
    apparent: float
    training: float
    test: float
    optimism: float
    corrected: float


@dataclass(frozen=True)
class Optimism:
    """Optimism-corrected performance; ``failed`` replicates had no fit and are left out."""

    method: str
    n: int
    n_missing: int
    rows: tuple[OptimismRow, ...]
    replicates: int
    failed: int
    seed: int
    warnings: tuple[str, ...]

    def row(self, measure: str) -> OptimismRow:
        return next(row for row in self.rows if row.measure == measure)


def bootstrap_optimism(
    n: int,
    fit: Callable[[np.ndarray], Model | None],
    measure: Callable[[Model, np.ndarray], Mapping[str, float]],
    *,
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
    n_missing: int = 0,
    warnings: Sequence[str] = (),
) -> Optimism:
    """Harrell, Lee & Mark 1996, Stat Med 15:361, section 7: every data-driven step must happen inside ``fit``.

    Args:
        n: number of patients.
        fit: indices of patients (with repeats) to a model, or None if there is none for them.
        measure: model and indices to named performance.

    Raises:
        InputError: no model for all patients, or for no bootstrap sample.
    """
    everyone = np.arange(n)
    model = fit(everyone)
    if model is None:
        raise InputError("no model can be fitted to these patients", remedy="Look for separation or constant columns")
    apparent = measure(model, everyone)
    rng = np.random.default_rng(seed)
    training, test = [], []
    for _ in range(replicates):
        drawn = rng.integers(0, n, n)
        model = fit(drawn)
        if model is not None:
            training.append(list(measure(model, drawn).values()))
            test.append(list(measure(model, everyone).values()))
    if not training:
        raise InputError("no bootstrap sample allowed a fit", remedy="Use fewer predictors")
    means = np.mean(training, axis=0), np.mean(test, axis=0)
    failed = replicates - len(training)
    notes = tuple(warnings)
    if failed > MANY_FAILURES * replicates:
        notes += (f"{failed} of {replicates} bootstrap samples allowed no fit: the optimism is understated",)
    return Optimism(
        method=f"bootstrap optimism (Harrell 1996), {replicates} replicates, seed {seed}",
        n=n,
        n_missing=n_missing,
        rows=tuple(
            OptimismRow(name, float(value), float(a), float(b), float(a - b), float(value - (a - b)))
            for (name, value), a, b in zip(apparent.items(), *means, strict=True)
        ),
        replicates=replicates,
        failed=failed,
        seed=seed,
        warnings=notes,
    )


def validate_logistic(
    predictors: Mapping[str, Sequence],
    outcome: Sequence,
    *,
    factors: Sequence[str] = (),
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
) -> Optimism:
    """Optimism of a logistic regression with the measures of R's rms::validate, and C.

    Measures: c, dxy, r2 (Nagelkerke), intercept and slope of the recalibration, e_max (largest |calibrated - predicted|
    that the corrected intercept and slope imply), d, u, q, brier, g, gp.

    Raises:
        InputError: as :func:`fit_logistic`; separated data.
    """
    data = model_data(predictors, {"outcome": binary(outcome)}, factors)
    labels = data.outcomes[0]
    both_classes(labels)
    matrix = np.column_stack([np.ones(labels.size), data.matrix / np.abs(data.matrix).max(axis=0)])
    if find_separation(matrix, labels).kind is not SeparationKind.NONE:
        raise InputError("separated data: no finite estimate", remedy="Use fewer predictors")

    def fit(drawn: np.ndarray) -> np.ndarray | None:
        return _logistic_betas(matrix[drawn], labels[drawn])

    def measure(beta: np.ndarray, on: np.ndarray) -> Mapping[str, float]:
        return _logistic_measures(labels[on], matrix[on] @ beta)

    _, few = few_events_warning(int(labels.sum()), labels.size, data.matrix.shape[1])
    result = bootstrap_optimism(
        labels.size, fit, measure, replicates=replicates, seed=seed,
        n_missing=data.n_missing, warnings=data.missing_warnings() + few,
    )  # fmt: skip
    return _with_e_max(result)


def validate_cox(
    predictors: Mapping[str, Sequence],
    time: Sequence,
    event: Sequence,
    *,
    factors: Sequence[str] = (),
    ties: Ties | str = Ties.EFRON,
    replicates: int = 200,
    seed: int = 20260101,
) -> Optimism:
    """Optimism of a Cox regression: c (Harrell), dxy, slope of the linear predictor.

    Raises:
        InputError: as :func:`fit_cox`.
    """
    data = model_data(predictors, {"time": numbers(time, "time"), "event": binary(event, "event")}, factors)
    t, d, method = same_times(data.outcomes[0]), data.outcomes[1], Ties(ties)
    if not d.any():
        raise InputError("no event", where="event")

    def fit(drawn: np.ndarray) -> np.ndarray | None:
        return _cox_betas(data.matrix[drawn], t[drawn], d[drawn], method)

    def measure(beta: np.ndarray, on: np.ndarray) -> Mapping[str, float]:
        eta = data.matrix[on] @ beta
        c = concordance(t[on], d[on], eta).c
        slope = _cox_betas(eta[:, None], t[on], d[on], method)
        return {"c": c, "dxy": 2 * c - 1, "slope": np.nan if slope is None else float(slope[0])}

    _, few = few_events_warning(int(d.sum()), max(2 * int(d.sum()), t.size), data.matrix.shape[1])
    return bootstrap_optimism(
        t.size, fit, measure, replicates=replicates, seed=seed,
        n_missing=data.n_missing, warnings=data.missing_warnings() + few,
    )  # fmt: skip


def _logistic_betas(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    if labels.min() == labels.max() or (np.ptp(matrix[:, 1:], axis=0) == 0).any():
        return None
    beta, converged = maximize(Likelihood(matrix, labels), np.zeros(matrix.shape[1]))
    return beta if converged and np.abs(matrix @ beta).max() < LARGEST_LOGIT else None


def _logistic_measures(labels: np.ndarray, eta: np.ndarray) -> Mapping[str, float]:
    """Performance of a linear predictor: ranking, u and Brier as it is; the others, as in rms, after recalibration."""
    n, share = labels.size, labels.mean()
    null = float(n * (share * np.log(share) + (1 - share) * np.log(1 - share)))
    likelihood = Likelihood(np.column_stack([np.ones(n), eta]), labels)
    beta, _ = maximize(likelihood, np.array([0.0, 1.0]))
    best = likelihood.value(beta)
    lr = 2 * (best - null)
    d, u = (lr - 1) / n, (2 * (best - likelihood.value(np.array([0.0, 1.0]))) - 2) / n
    ranks, recalibrated = rank_indices(labels, eta), beta[0] + beta[1] * eta
    return {
        "c": ranks.c,
        "dxy": ranks.dxy,
        "r2": float(np.expm1(min(-lr / n, LARGEST_EXPONENT)) / np.expm1(2 * null / n)),
        "intercept": float(beta[0]),
        "slope": float(beta[1]),
        "d": d,
        "u": u,
        "q": d - u,
        "brier": float(np.mean((expit(eta) - labels) ** 2)),
        "g": gini_mean_difference(recalibrated),
        "gp": gini_mean_difference(expit(recalibrated)),
    }


def _with_e_max(result: Optimism) -> Optimism:
    p = np.arange(1, 2000) / 2000
    calibrated = expit(result.row("intercept").corrected + result.row("slope").corrected * logit(p))
    e_max = float(np.abs(p - calibrated).max())
    row = OptimismRow("e_max", 0.0, np.nan, np.nan, e_max, e_max)
    place = [one.measure for one in result.rows].index("slope") + 1
    return Optimism(
        result.method,
        result.n,
        result.n_missing,
        (*result.rows[:place], row, *result.rows[place:]),
        result.replicates,
        result.failed,
        result.seed,
        result.warnings,
    )


def _cox_betas(matrix: np.ndarray, t: np.ndarray, d: np.ndarray, ties: Ties) -> np.ndarray | None:
    if not d.any() or (np.ptp(matrix, axis=0) == 0).any():
        return None
    beta = newton(matrix, t, d, ties is Ties.EFRON)
    eta = 0.0 if beta is None else (matrix - matrix.mean(axis=0)) @ beta
    return beta if np.abs(eta).max() < LARGEST_LOGIT else None
