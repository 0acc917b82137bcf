"""Cox regression as papers report it, with the check of its assumption and the C-index beside every fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import chi2, norm, rankdata

from ..errors import InputError
from .concordance import Concordance, concordance
from .cox_steps import EventSteps, event_steps, newton
from .model_data import (
    ModelData,
    Variable,
    binary,
    dependent_column,
    design_matrix,
    few_events_warning,
    model_data,
    numbers,
)
from .samples import check_confidence
from .separation import find_monotone_likelihood
from .survival import risk_table, same_times

FARTHEST_RISK = 600.0  # log hazard ratio against the mean patient, near the end of floating point


class Ties(Enum):
    """Treatment of tied events; R's default is Efron's, SPSS's and Stata's is Breslow's."""

    EFRON = "efron"
    BRESLOW = "breslow"


class TimeTransform(Enum):
    """g(t) in the check of proportional hazards: does a coefficient change along g?"""

    KM = "km"
    RANK = "rank"
    IDENTITY = "identity"
    LOG = "log"


@dataclass(frozen=True)
class CoxCoefficient:
    """One row of the table: log hazard ratio per unit with its Wald test, and the hazard ratio with limits."""

    term: str
    beta: float
    standard_error: float
    z: float
    p: float
    hazard_ratio: float
    hazard_ratio_ci: tuple[float, float]


@dataclass(frozen=True)
class CoxTest:
    """A chi-squared test with its degrees of freedom."""

    name: str
    chi2: float
    df: int
    p: float


@dataclass(frozen=True)
class CoxFit:
    """A fitted Cox regression.

    Attributes:
        method, ties, n, n_missing, missing_by_column, events, events_per_parameter, confidence, warnings.
        coefficients, covariance (rows, same order), variables.
        log_likelihood_null, log_likelihood: partial. likelihood_ratio, wald, score: tests of the whole model.
        concordance: Harrell's C of the linear predictor (apparent, on the same patients).
        proportional_hazards: one test per variable, then "GLOBAL"; transform: the g(t) used.
        center: mean linear predictor of the patients used; baseline_times, baseline_hazard: cumulative hazard of a
            patient with that linear predictor, at every observed time.
        martingale_residuals: per patient used.
    """

    method: str
    ties: str
    n: int
    n_missing: int
    missing_by_column: tuple[tuple[str, int], ...]
    events: int
    events_per_parameter: float
    coefficients: tuple[CoxCoefficient, ...]
    covariance: tuple[tuple[float, ...], ...]
    variables: tuple[Variable, ...]
    log_likelihood_null: float
    log_likelihood: float
    likelihood_ratio: CoxTest
    wald: CoxTest
    score: CoxTest
    concordance: Concordance
    proportional_hazards: tuple[CoxTest, ...]
    transform: str
    center: float
    baseline_times: tuple[float, ...]
    baseline_hazard: tuple[float, ...]
    martingale_residuals: tuple[float, ...]
    confidence: float
    warnings: tuple[str, ...]

    @property
    def betas(self) -> np.ndarray:
        return np.array([coefficient.beta for coefficient in self.coefficients])


def fit_cox(
    predictors: Mapping[str, Sequence],
    time: Sequence,
    event: Sequence,
    *,
    factors: Sequence[str] = (),
    ties: Ties | str = Ties.EFRON,
    transform: TimeTransform | str = TimeTransform.KM,
    confidence: float = 0.95,
) -> CoxFit:
    """Fit a Cox regression to the patients that have every value.

    Args:
        predictors: name to column (n,); columns of words and those named in ``factors`` are categories.
        time, event: (n,); event 1 = happened, 0 = censored.

    Raises:
        InputError: unusable columns, no event, or a predictor that orders the events perfectly (its estimate is
            infinite).
    """
    check_confidence(confidence)
    data = model_data(predictors, {"time": numbers(time, "time"), "event": binary(event, "event")}, factors)
    t, d = same_times(data.outcomes[0]), data.outcomes[1]
    _check(data, t, d)
    method, g = Ties(ties), TimeTransform(transform)
    part = _take_part(t, d)
    beta, covariance, null, fitted, score = _maximize(data.matrix[part], t[part], d[part], method)
    eta = data.matrix @ beta
    center = float(eta.mean())
    _refuse_overflow(covariance, eta - center, data.terms)
    steps = event_steps(data.matrix - data.matrix.mean(axis=0), t, d, eta - center, method is Ties.EFRON)
    k, events = beta.size, int(d.sum())
    hazard_times, hazard, residuals = _baseline(t, d, eta - center, steps)
    per_parameter, few = few_events_warning(events, max(2 * events, t.size), k)
    wald = float(beta @ np.linalg.solve(covariance, beta))
    tests = _proportional_hazards(data, t, d, steps, g)
    return CoxFit(
        method=f"Cox regression, ties by {method.value.capitalize()}, {100 * confidence:g} % Wald limits, "
        f"proportional hazards by score test along {g.value}",
        ties=method.value,
        n=t.size,
        n_missing=data.n_missing,
        missing_by_column=data.missing_by_column,
        events=events,
        events_per_parameter=per_parameter,
        coefficients=_coefficients(data.terms, beta, covariance, confidence),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        variables=data.variables,
        log_likelihood_null=null,
        log_likelihood=fitted,
        likelihood_ratio=_test("likelihood ratio", 2 * (fitted - null), k),
        wald=_test("Wald", wald, k),
        score=_test("score", score, k),
        concordance=concordance(t, d, eta, confidence),
        proportional_hazards=tests,
        transform=g.value,
        center=center,
        baseline_times=tuple(hazard_times.tolist()),
        baseline_hazard=tuple(hazard.tolist()),
        martingale_residuals=tuple(residuals.tolist()),
        confidence=confidence,
        warnings=data.missing_warnings() + few + _ph_warning(tests, 1 - confidence),
    )


def fit_cox_univariable(
    predictors: Mapping[str, Sequence], time: Sequence, event: Sequence, *, factors: Sequence[str] = (), **options
) -> tuple[CoxFit, ...]:
    """One regression per predictor, each on the patients that have this predictor, time and event."""
    return tuple(
        fit_cox({name: column}, time, event, factors=[name] if name in factors else (), **options)
        for name, column in predictors.items()
    )


def predict_cox(fit: CoxFit, predictors: Mapping[str, Sequence]) -> np.ndarray:
    """Linear predictor (n,) of other patients, larger meaning higher hazard; NaN where a value is missing."""
    return design_matrix(fit.variables, predictors) @ fit.betas


def predict_survival(fit: CoxFit, predictors: Mapping[str, Sequence], times: Sequence[float]) -> np.ndarray:
    """Probability of no event up to each time, (n, len(times)); NaN where a predictor is missing."""
    eta = predict_cox(fit, predictors)
    place = np.searchsorted(fit.baseline_times, np.asarray(times, dtype=np.float64), side="right")
    hazard = np.append(0.0, fit.baseline_hazard)[place]
    return np.exp(-np.exp(eta - fit.center)[:, None] * hazard)


def _check(data: ModelData, t: np.ndarray, d: np.ndarray) -> None:
    if t.min() < 0:
        raise InputError("negative time", where="time", remedy="Correct it or leave it empty")
    if not d.any():
        raise InputError("no event", where="event", remedy="Check how events are coded: 1 happened, 0 censored")
    part = _take_part(t, d)
    unseen = dependent_column(data.matrix[part])
    if unseen is not None:
        raise InputError(
            "does not vary by itself among the patients who were followed to the first event",
            where=data.terms[unseen],
            remedy="Leave it out or merge categories",
        )
    infinite = find_monotone_likelihood(data.matrix[part], t[part], d[part])
    if infinite:
        raise InputError(
            "orders the events without a mistake: its hazard ratio has no finite estimate",
            where=", ".join(data.terms[column] for column in infinite),
            remedy="Leave it out or merge categories; the log-rank test still holds",
        )


def _take_part(t: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Patients who were followed to the first event; the partial likelihood knows no others."""
    return t >= t[d == 1].min()


def _refuse_overflow(covariance: np.ndarray, eta: np.ndarray, terms: Sequence[str]) -> None:
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).all() and np.abs(eta).max() < FARTHEST_RISK):
        raise InputError(
            "the hazard ratios cannot be computed", where=", ".join(terms),
            remedy="Look for a value that lies far from all others",
        )  # fmt: skip


def _maximize(
    matrix: np.ndarray, t: np.ndarray, d: np.ndarray, ties: Ties
) -> tuple[np.ndarray, np.ndarray, float, float, float]:
    """Coefficients, covariance, log-likelihoods without and with predictors, score statistic; on scaled columns."""
    from statsmodels.duration.hazard_regression import PHReg  # here, because Slicer does not ship it

    scale = matrix.std(axis=0)
    model = PHReg(t, (matrix - matrix.mean(axis=0)) / scale, status=d, ties=ties.value)
    # statsmodels' own search can step out of floating point on its way.
    start = newton(matrix, t, d, ties is Ties.EFRON)
    with np.errstate(all="ignore"):
        result = model.fit(start_params=None if start is None else start * scale, disp=0)
    zero = np.zeros(scale.size)
    gradient = model.score(zero)
    score = float(gradient @ np.linalg.solve(-model.hessian(zero), gradient))
    covariance = np.atleast_2d(result.cov_params()) / np.outer(scale, scale)
    return np.asarray(result.params) / scale, covariance, float(model.loglike(zero)), float(result.llf), score


def _coefficients(
    terms: Sequence[str], beta: np.ndarray, covariance: np.ndarray, confidence: float
) -> tuple[CoxCoefficient, ...]:
    quantile = norm.ppf(0.5 + confidence / 2)
    rows = []
    for term, b, error in zip(terms, beta.tolist(), np.sqrt(np.diag(covariance)).tolist(), strict=True):
        with np.errstate(over="ignore"):
            ratio, low, high = (float(np.exp(b + side * quantile * error)) for side in (0, -1, 1))
        rows.append(CoxCoefficient(term, b, error, b / error, float(2 * norm.sf(abs(b / error))), ratio, (low, high)))
    return tuple(rows)


def _test(name: str, statistic: float, df: int) -> CoxTest:
    return CoxTest(name, float(statistic), df, float(chi2.sf(max(statistic, 0.0), df)))


def _baseline(
    t: np.ndarray, d: np.ndarray, eta: np.ndarray, steps: EventSteps
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observed times, cumulative hazard at eta = 0 there, and martingale residuals event - expected events."""
    times = np.unique(t)
    cumulative = np.append(0.0, np.cumsum(steps.hazard()))
    own = cumulative[np.searchsorted(steps.event_times, t, side="right")]
    died = d == 1
    last = np.searchsorted(steps.event_times, t[died])
    own[died] = cumulative[last] + steps.hazard_of_the_dying()[last]
    hazard = cumulative[np.searchsorted(steps.event_times, times, side="right")]
    return times, hazard, d - np.exp(eta) * own


def _proportional_hazards(
    data: ModelData, t: np.ndarray, d: np.ndarray, steps: EventSteps, transform: TimeTransform
) -> tuple[CoxTest, ...]:
    """Score tests of theta = 0 in beta + theta g(t) (Grambsch & Therneau 1994, Biometrika 81:515, in the exact form).

    With g centered over the events: U = sum g (x - mean), information in blocks sum V, sum g V, sum g^2 V over events.
    """
    g = _transformed(t, d, steps, transform)
    g = g - g[steps.place].mean()
    score = steps.score(g)
    i0, i1, i2 = steps.information(), steps.information(g), steps.information(g**2)
    tests = []
    groups, start = [], 0
    for variable in data.variables:
        groups.append((variable.name, np.arange(start, start + len(variable.terms))))
        start += len(variable.terms)
    if np.ptp(g) == 0:
        return tuple(_test(name, 0.0, columns.size) for name, columns in groups)
    for name, columns in [*groups, ("GLOBAL", np.arange(start))]:
        of_theta = i2[np.ix_(columns, columns)] - i1[columns] @ np.linalg.solve(i0, i1[:, columns])
        u = score[columns]
        tests.append(_test(name, u @ np.linalg.lstsq(of_theta, u, rcond=None)[0], columns.size))
    return tuple(tests)


def _transformed(t: np.ndarray, d: np.ndarray, steps: EventSteps, transform: TimeTransform) -> np.ndarray:
    """g at each event time; KM is one minus the survival just before, RANK that among all observed times."""
    if transform is TimeTransform.IDENTITY:
        return steps.event_times
    if transform is TimeTransform.LOG:
        return np.log(np.maximum(steps.event_times, np.finfo(float).tiny))
    if transform is TimeTransform.RANK:
        return np.interp(steps.event_times, np.sort(t), np.sort(rankdata(t)))
    _, n_risk, n_event, _ = risk_table(t, d)
    survival = np.cumprod(1 - n_event[n_event > 0] / n_risk[n_event > 0])
    return 1 - np.append(1.0, survival[:-1])


def _ph_warning(tests: Sequence[CoxTest], level: float) -> tuple[str, ...]:
    broken = [test.name for test in tests if test.p < level]
    return (f"proportional hazards are doubtful (p < {level:.2g}): {', '.join(broken)}",) if broken else ()
