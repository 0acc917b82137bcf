"""Logistic regression as papers report it: odds ratios with Wald and profile limits, separation said aloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from scipy.special import expit
from scipy.stats import chi2, norm

from ..errors import InputError
from .logistic_likelihood import Likelihood, maximize, profile_interval, profile_p
from .model_data import ModelData, Variable, binary, both_classes, design_matrix, few_events_warning, model_data
from .rank_indices import RankIndices, gini_mean_difference, rank_indices
from .samples import check_confidence
from .separation import Separation, SeparationKind, find_separation

INTERCEPT = "(Intercept)"
START_SHRINKAGE = 0.01  # of the labels to their mean, where the search for a penalized maximum starts


class LogisticEstimator(Enum):
    """How coefficients are estimated; AUTOMATIC takes Firth's penalty when the data are separated."""

    AUTOMATIC = "automatic"
    MAXIMUM_LIKELIHOOD = "maximum likelihood"
    FIRTH = "Firth's penalized likelihood"


@dataclass(frozen=True)
class LogisticCoefficient:
    """One row of the table.

    Attributes:
        term: "(Intercept)", "age", "stage=3" (against the first stage).
        beta, standard_error, z, wald, p: log odds ratio per unit; z = beta / SE, wald = z^2, two-sided normal p.
        p_likelihood: p of the likelihood-ratio test of this coefficient (penalized with Firth); NaN if not asked for.
        odds_ratio, odds_ratio_ci_wald, odds_ratio_ci_profile: (low, high); the profile one is None if not asked for.
    """

    term: str
    beta: float
    standard_error: float
    z: float
    wald: float
    p: float
    p_likelihood: float
    odds_ratio: float
    odds_ratio_ci_wald: tuple[float, float]
    odds_ratio_ci_profile: tuple[float, float] | None


@dataclass(frozen=True)
class GoodnessOfFit:
    """Unweighted sum of squares test (le Cessie & van Houwelingen 1991; Hosmer et al. 1997, Stat Med 16:965)."""

    sum_of_squares: float
    expected: float
    sd: float
    z: float
    p: float


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression.

    Deviance, likelihood ratio and R2 are those of maximum likelihood also when the coefficients are Firth's; with
    separated data they are the limit that the likelihood approaches.

    Attributes:
        method: in words, with estimator and kinds of limits; estimator: the one that was used.
        n, n_missing, missing_by_column, events: patients used, left out and why, and with the event.
        events_per_parameter: of the rarer class, over all terms without the intercept.
        separation: "none", "quasi-complete" or "complete"; separated_terms: those without a finite estimate.
        coefficients: intercept first; covariance: of the same, as rows.
        variables: the predictors with categories or range, what a prediction and a nomogram need.
        log_likelihood, null_log_likelihood, deviance, null_deviance, aic, bic, lr_chi2, lr_df, lr_p: of the model.
        cox_snell_r2, nagelkerke_r2, mcfadden_r2: pseudo R2; adjusted_r2 is 1 - exp(-(LR - df)/n), not below 0.
        vif: variance inflation of each term, from the correlation matrix of the columns.
        fitted: probability of each patient used; indices: how they rank the outcome (apparent, on the same patients).
        brier: mean squared error of the probabilities (apparent); g, gr, gp: Gini's mean difference of the log odds,
            its exponential, and of the probabilities.
        goodness_of_fit: None with Firth's estimator.
        confidence, converged, warnings.
    """

    method: str
    estimator: str
    n: int
    n_missing: int
    missing_by_column: tuple[tuple[str, int], ...]
    events: int
    events_per_parameter: float
    separation: str
    separated_terms: tuple[str, ...]
    coefficients: tuple[LogisticCoefficient, ...]
    covariance: tuple[tuple[float, ...], ...]
    variables: tuple[Variable, ...]
    log_likelihood: float
    null_log_likelihood: float
    deviance: float
    null_deviance: float
    aic: float
    bic: float
    lr_chi2: float
    lr_df: int
    lr_p: float
    cox_snell_r2: float
    nagelkerke_r2: float
    mcfadden_r2: float
    adjusted_r2: float
    vif: tuple[float, ...]
    fitted: tuple[float, ...]
    indices: RankIndices
    brier: float
    g: float
    gr: float
    gp: float
    goodness_of_fit: GoodnessOfFit | None
    confidence: float
    converged: bool
    warnings: tuple[str, ...]

    @property
    def betas(self) -> np.ndarray:
        return np.array([coefficient.beta for coefficient in self.coefficients])


@dataclass(frozen=True)
class _Estimate:
    """Coefficients in the user's units; likelihood of the columns made orthogonal, and where it is largest."""

    beta: np.ndarray
    covariance: np.ndarray
    converged: bool
    likelihood: Likelihood
    best: np.ndarray

    @property
    def eta(self) -> np.ndarray:
        return self.likelihood.matrix @ self.best


def fit_logistic(
    predictors: Mapping[str, Sequence],
    outcome: Sequence,
    *,
    factors: Sequence[str] = (),
    estimator: LogisticEstimator | str = LogisticEstimator.AUTOMATIC,
    profile: bool = True,
    confidence: float = 0.95,
    tolerance: float = 1e-14,
) -> LogisticFit:
    """Fit a logistic regression to the patients that have every value.

    Args:
        predictors: name to column (n,); columns of words and those named in ``factors`` are categories.
        outcome: (n,) of 0/1 or booleans, NaN missing.
        estimator: see :class:`LogisticEstimator`.
        profile: compute profile-likelihood limits and likelihood-ratio p per coefficient.
        tolerance: relative change of the deviance at which maximum likelihood stops. R's glm stops at 1e-8 and prints
            standard errors of the step before the last, up to 2e-5 off; give 1e-8 to see the same digits.

    Raises:
        InputError: unusable columns, one class only, or maximum likelihood asked for although it does not exist.
    """
    check_confidence(confidence)
    data = model_data(predictors, {"outcome": binary(outcome)}, factors)
    labels = data.outcomes[0]
    both_classes(labels)
    asked = LogisticEstimator(estimator)
    matrix = np.column_stack([np.ones(labels.size), data.matrix])
    separation = find_separation(matrix, labels)
    chosen = _chosen(asked, separation, data.terms)
    estimate = _estimate(matrix, labels, chosen, tolerance)
    coefficients = _coefficients(estimate, matrix, (INTERCEPT, *data.terms), profile, confidence)
    return _summary(data, labels, separation, chosen, estimate, coefficients, confidence)


def fit_univariable(
    predictors: Mapping[str, Sequence], outcome: Sequence, *, factors: Sequence[str] = (), **options
) -> tuple[LogisticFit, ...]:
    """One regression per predictor, each on the patients that have this predictor and the outcome."""
    return tuple(
        fit_logistic({name: column}, outcome, factors=[name] if name in factors else (), **options)
        for name, column in predictors.items()
    )


@dataclass(frozen=True)
class Prediction:
    """Probabilities of new patients with limits; NaN where a predictor is missing."""

    probability: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    confidence: float
    n_missing: int


def predict_logistic(fit: LogisticFit, predictors: Mapping[str, Sequence], confidence: float = 0.95) -> Prediction:
    """Probabilities with Wald limits on the logit scale.

    Raises:
        InputError: a predictor of the model is lacking, or a category is new.
    """
    check_confidence(confidence)
    matrix = design_matrix(fit.variables, predictors)
    matrix = np.column_stack([np.ones(matrix.shape[0]), matrix])
    eta = matrix @ fit.betas
    half = norm.ppf(0.5 + confidence / 2) * np.sqrt(np.einsum("ij,jk,ik->i", matrix, np.array(fit.covariance), matrix))
    return Prediction(
        *(tuple(expit(limit).tolist()) for limit in (eta, eta - half, eta + half)),
        confidence,
        int(np.isnan(eta).sum()),
    )


def _chosen(asked: LogisticEstimator, separation: Separation, terms: Sequence[str]) -> LogisticEstimator:
    if asked is LogisticEstimator.FIRTH:
        return asked
    if separation.kind is SeparationKind.NONE:
        return LogisticEstimator.MAXIMUM_LIKELIHOOD
    if asked is LogisticEstimator.AUTOMATIC:
        return LogisticEstimator.FIRTH
    raise InputError(
        f"{separation.kind.value} separation: maximum likelihood has no finite estimate",
        where=", ".join(_separated_terms(separation, terms)),
        remedy="Use Firth's penalized likelihood, or leave the predictor out",
    )


def _separated_terms(separation: Separation, terms: Sequence[str]) -> tuple[str, ...]:
    return tuple((INTERCEPT, *terms)[column] for column in separation.columns)


def _estimate(matrix: np.ndarray, labels: np.ndarray, estimator: LogisticEstimator, tolerance: float) -> _Estimate:
    """Fitted on orthogonal columns, since texture features reach from 1e-6 to 1e9; returned in the user's units."""
    turned, back = _orthogonal(matrix)
    penalized = estimator is LogisticEstimator.FIRTH
    likelihood = Likelihood(turned, labels, penalized)
    if penalized:
        best, converged = _penalized_maximum(likelihood)
        covariance = np.linalg.inv(likelihood.information(best))
    else:
        best, covariance, converged = _maximum_likelihood(likelihood, tolerance)
    return _Estimate(back @ best, back @ covariance @ back.T, converged, likelihood, best)


def _orthogonal(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns turned into orthogonal ones of size 1, and the triangle that turns their coefficients back."""
    scale, root = np.abs(matrix).max(axis=0), np.sqrt(len(matrix))
    q, r = np.linalg.qr(matrix / scale)
    return q * root, np.linalg.inv(r) * root / scale[:, None]


def _penalized_maximum(likelihood: Likelihood) -> tuple[np.ndarray, bool]:
    """The higher of the maxima reached from zero and from the estimate without penalty.

    Firth's likelihood can have several where one patient lies far out; brglm2 starts without the penalty, too. Labels
    drawn a little to their mean keep that start finite for separated data.
    """
    zero = np.zeros(likelihood.matrix.shape[1])
    labels = likelihood.labels
    drawn = labels + START_SHRINKAGE * (labels.mean() - labels)
    free_start, _ = maximize(Likelihood(likelihood.matrix, drawn), zero)
    return max((maximize(likelihood, start) for start in (zero, free_start)), key=lambda end: likelihood.value(end[0]))


def _maximum_likelihood(likelihood: Likelihood, tolerance: float) -> tuple[np.ndarray, np.ndarray, bool]:
    import statsmodels.api as sm  # here, because Slicer does not ship it

    model = sm.GLM(likelihood.labels, likelihood.matrix, family=sm.families.Binomial())
    # R's rule is |change| < tolerance (|deviance| + 0.1).
    result = model.fit(tol_criterion="deviance", atol=0.1 * tolerance, rtol=tolerance, maxiter=100)
    beta = np.asarray(result.params)
    at_rest = np.abs(likelihood.score(beta)).max() < 1e-8 * likelihood.labels.size
    return beta, np.asarray(result.cov_params()), bool(result.converged or at_rest)


def _coefficients(
    estimate: _Estimate, matrix: np.ndarray, terms: Sequence[str], profile: bool, confidence: float
) -> tuple[LogisticCoefficient, ...]:
    errors = np.sqrt(np.diag(estimate.covariance))
    quantile = norm.ppf(0.5 + confidence / 2)
    rows = []
    for index, term in enumerate(terms):
        beta, error = float(estimate.beta[index]), float(errors[index])
        limits, p_likelihood = None, np.nan
        if profile:
            limits, p_likelihood = _profiled(estimate, matrix, index, error, confidence)
        rows.append(
            LogisticCoefficient(
                term=term,
                beta=beta,
                standard_error=error,
                z=beta / error,
                wald=(beta / error) ** 2,
                p=float(2 * norm.sf(abs(beta / error))),
                p_likelihood=p_likelihood,
                odds_ratio=_odds((beta,))[0],
                odds_ratio_ci_wald=_odds((beta - quantile * error, beta + quantile * error)),
                odds_ratio_ci_profile=limits,
            )
        )
    return tuple(rows)


def _profiled(
    estimate: _Estimate, matrix: np.ndarray, index: int, error: float, confidence: float
) -> tuple[tuple[float, ...], float]:
    """Profile limits of an odds ratio and p. Its column comes last: made orthogonal, it keeps its own coefficient."""
    turned, back = _orthogonal(np.column_stack([np.delete(matrix, index, axis=1), matrix[:, index]]))
    likelihood, unit = replace(estimate.likelihood, matrix=turned), back[-1, -1]
    best = turned.T @ estimate.eta / len(turned)
    limits = profile_interval(likelihood, best, best.size - 1, error / abs(unit), confidence)
    return _odds(sorted(limit * unit for limit in limits)), profile_p(likelihood, best, best.size - 1)


def _odds(log_odds: Sequence[float]) -> tuple[float, ...]:
    with np.errstate(over="ignore"):
        return tuple(float(np.exp(value)) for value in log_odds)


def _summary(
    data: ModelData,
    labels: np.ndarray,
    separation: Separation,
    estimator: LogisticEstimator,
    estimate: _Estimate,
    coefficients: tuple[LogisticCoefficient, ...],
    confidence: float,
) -> LogisticFit:
    n, events, k = labels.size, int(labels.sum()), data.matrix.shape[1]
    eta = estimate.eta
    fitted = expit(eta)
    log_likelihood = _largest_log_likelihood(estimate, separation)
    null = events * np.log(events / n) + (n - events) * np.log(1 - events / n)
    lr = 2 * (log_likelihood - null)
    cox_snell = -np.expm1(-lr / n)
    per_parameter, few = few_events_warning(events, n, k)
    limits = "Wald limits" if coefficients[0].odds_ratio_ci_profile is None else "Wald and profile-likelihood limits"
    return LogisticFit(
        method=f"logistic regression by {estimator.value}, {100 * confidence:g} % {limits}",
        estimator=estimator.value,
        n=n,
        n_missing=data.n_missing,
        missing_by_column=data.missing_by_column,
        events=events,
        events_per_parameter=per_parameter,
        separation=separation.kind.value,
        separated_terms=_separated_terms(separation, data.terms),
        coefficients=coefficients,
        covariance=tuple(tuple(row) for row in estimate.covariance.tolist()),
        variables=data.variables,
        log_likelihood=log_likelihood,
        null_log_likelihood=float(null),
        deviance=-2 * log_likelihood,
        null_deviance=float(-2 * null),
        aic=2 * (k + 1) - 2 * log_likelihood,
        bic=float(np.log(n) * (k + 1) - 2 * log_likelihood),
        lr_chi2=float(lr),
        lr_df=k,
        lr_p=float(chi2.sf(lr, k)),
        cox_snell_r2=float(cox_snell),
        nagelkerke_r2=float(cox_snell / -np.expm1(2 * null / n)),
        mcfadden_r2=float(1 - log_likelihood / null),
        adjusted_r2=float(-np.expm1(-max(lr - k, 0.0) / n)),
        vif=tuple(np.diag(np.linalg.inv(np.atleast_2d(np.corrcoef(data.matrix, rowvar=False)))).tolist()),
        fitted=tuple(fitted.tolist()),
        indices=rank_indices(labels, eta),
        brier=float(np.mean((fitted - labels) ** 2)),
        g=gini_mean_difference(eta),
        gr=_odds((gini_mean_difference(eta),))[0],
        gp=gini_mean_difference(fitted),
        goodness_of_fit=_goodness_of_fit(estimate.likelihood.matrix, labels, fitted)
        if not estimate.likelihood.penalized
        else None,
        confidence=confidence,
        converged=estimate.converged,
        warnings=_warnings(data, separation, estimate) + few,
    )


def _largest_log_likelihood(estimate: _Estimate, separation: Separation) -> float:
    if separation.kind is SeparationKind.COMPLETE:
        return 0.0
    plain = replace(estimate.likelihood, penalized=False)
    best = maximize(plain, np.zeros(estimate.best.size))[0] if estimate.likelihood.penalized else estimate.best
    return plain.value(best)


def _goodness_of_fit(matrix: np.ndarray, labels: np.ndarray, fitted: np.ndarray) -> GoodnessOfFit:
    """Z = (sum (y-p)^2 - sum p(1-p)) / SD, SD^2 the weighted residual sum of squares of 1-2p on the predictors."""
    weights = fitted * (1 - fitted)
    root = np.sqrt(weights)
    target = (1 - 2 * fitted) * root
    weighted = matrix * root[:, None]
    rest = target - weighted @ np.linalg.lstsq(weighted, target, rcond=None)[0]
    found, expected, sd = float(np.sum((labels - fitted) ** 2)), float(weights.sum()), float(np.sqrt(rest @ rest))
    z = (found - expected) / sd if sd > 1e-12 else np.nan
    return GoodnessOfFit(found, expected, sd, z, float(2 * norm.sf(abs(z))))


def _warnings(data: ModelData, separation: Separation, estimate: _Estimate) -> tuple[str, ...]:
    notes = list(data.missing_warnings())
    if separation.kind is not SeparationKind.NONE:
        terms = ", ".join(_separated_terms(separation, data.terms))
        notes.append(
            f"{separation.kind.value} separation by {terms}: maximum likelihood has no finite estimate; "
            "Firth's penalized likelihood is given, trust its profile limits rather than the Wald ones"
        )
    if not estimate.converged:
        notes.append("the fit did not converge")
    return tuple(notes)
