"""LASSO logistic regression as glmnet does it: the path of penalties, cross-validation, lambda.min and lambda.1se.

Friedman, Hastie & Tibshirani 2010, J Stat Softw 33(1): minimize over intercept and coefficients of standardized columns
-(1/n) log-likelihood + lambda sum |b_j|. scikit-learn has no such path, no lambda.1se and no interpolation between
folds' paths; its saga solver gives the same coefficients in many times the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import expit, xlogy

from ..errors import InputError
from .lasso_solver import LassoProblem, solve
from .model_data import binary, both_classes, complete, left_out, numbers
from .rank_indices import rank_indices

MOST_LAMBDAS = 100
SMALLEST_GAIN = 1e-5  # rise of the explained deviance (a share of the null deviance) that ends a path
MOST_EXPLAINED = 0.999  # explained deviance that ends a path
LEAST_LAMBDAS = 5  # a path is not ended before
PROBABILITY_FLOOR = 1e-5  # of held-out predictions, so that one patient cannot make the deviance infinite
FEWEST_FOR_AUC = 10  # patients per fold
FEWEST_FOR_FOLD_MEANS = 3  # patients per fold


class CvMeasure(Enum):
    """What is compared between penalties: binomial deviance, misclassification at 0.5, or area under the curve."""

    DEVIANCE = "deviance"
    CLASS = "class"
    AUC = "auc"


class FoldPaths(Enum):
    """Penalties of the folds: each its own path, held-out predictions interpolated (cv.glmnet); or the main path."""

    OWN = "own path per fold, interpolated"
    SHARED = "same path in all folds"


@dataclass(frozen=True)
class LassoPath:
    """Coefficients over falling penalties.

    Attributes:
        method, n, n_missing, events, terms, warnings: as in a regression.
        lambdas: (m,), largest first.
        intercepts: (m,); coefficients: m rows, one value per term, in the units of the columns.
        df: number of non-zero coefficients; dev_ratio: explained part of the null deviance.
        null_deviance: of the intercept alone.
    """

    method: str
    n: int
    n_missing: int
    events: int
    terms: tuple[str, ...]
    lambdas: tuple[float, ...]
    intercepts: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    df: tuple[int, ...]
    dev_ratio: tuple[float, ...]
    null_deviance: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class LassoModel:
    """The coefficients at one penalty: ``selected`` names those that are not zero; fitted are the probabilities."""

    lambda_value: float
    intercept: float
    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    selected: tuple[str, ...]
    fitted: tuple[float, ...]


@dataclass(frozen=True)
class LassoCv:
    """Cross-validated choice of the penalty.

    Attributes:
        method: in words; measure: the one used, which may differ from the one asked for (then a warning says so).
        fold_ids: (n used,) fold of each patient, the record that a repetition needs; seed: None if they were given.
        cvm, cvsd: mean over folds and its standard error, per penalty of ``path``.
        index_min, index_1se: positions on the path, counted from 0; lambda_min, lambda_1se: the penalties.
        model_min, model_1se: the fits to all patients there.
    """

    method: str
    measure: str
    measure_asked: str
    folds: int
    fold_ids: tuple[int, ...]
    seed: int | None
    path: LassoPath
    cvm: tuple[float, ...]
    cvsd: tuple[float, ...]
    index_min: int
    index_1se: int
    lambda_min: float
    lambda_1se: float
    model_min: LassoModel
    model_1se: LassoModel
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Fit:
    """A path as arrays: lambdas (m,), intercepts (m,), coefficients (m, p), explained deviance (m,)."""

    lambdas: np.ndarray
    intercepts: np.ndarray
    coefficients: np.ndarray
    dev_ratio: np.ndarray
    null_deviance: float

    def probabilities(self, matrix: np.ndarray, at: np.ndarray) -> np.ndarray:
        """(n, len(at)) predictions; between penalties the coefficients are interpolated, beyond them held."""
        order = np.argsort(self.lambdas)
        place = np.interp(at, self.lambdas[order], order.astype(float))
        left = np.floor(place).astype(int)
        right = np.minimum(left + 1, self.lambdas.size - 1)
        share = place - left
        mixed = (1 - share)[:, None] * self.coefficients[left] + share[:, None] * self.coefficients[right]
        intercept = (1 - share) * self.intercepts[left] + share * self.intercepts[right]
        return expit(intercept + matrix @ mixed.T)


def lasso_path(
    predictors: Mapping[str, Sequence], outcome: Sequence, *, lambdas: Sequence[float] | None = None
) -> LassoPath:
    """LASSO over a path of penalties.

    Args:
        predictors: name to numeric column (n,); they are standardized inside, coefficients are returned in their units.
        outcome: (n,) of 0/1 or booleans.
        lambdas: penalties to use; by default 100 from the smallest that removes every predictor down to 1e-4 of it
            (1e-2 with more predictors than patients), ended early when the explained deviance no longer changes.

    Raises:
        InputError: unusable columns, one class only, penalties that are not positive.
    """
    matrix, labels, used, terms = _prepared(predictors, outcome)
    fit = _fit_path(matrix, labels, _given_lambdas(lambdas))
    return _as_path(fit, labels, used, terms, _notes(matrix, used, terms))


def lasso_cv(
    predictors: Mapping[str, Sequence],
    outcome: Sequence,
    *,
    folds: int = 10,
    fold_ids: Sequence[int] | None = None,
    seed: int = 20260101,
    stratified: bool = True,
    measure: CvMeasure | str = CvMeasure.DEVIANCE,
    fold_paths: FoldPaths | str = FoldPaths.OWN,
    lambdas: Sequence[float] | None = None,
) -> LassoCv:
    """Choose the penalty by k-fold cross-validation, as cv.glmnet does.

    Within each fold the held-out measure is averaged; cvm is the mean of folds weighted by their size, cvsd the
    weighted standard deviation of the folds over sqrt(k - 1). lambda.min has the best cvm, lambda.1se is the largest
    penalty whose cvm is within one cvsd of it.

    Args:
        folds, seed, stratified: for drawing folds, when ``fold_ids`` (n,) is not given; stratified keeps the share of
            events (cv.glmnet does not stratify).
        measure: AUC needs ten patients per fold; with fewer the deviance is used, with a warning, as in cv.glmnet.
        fold_paths: see :class:`FoldPaths`.

    Raises:
        InputError: as :func:`lasso_path`; fewer than three folds; a fold whose training part has one class only.
    """
    matrix, labels, used, terms = _prepared(predictors, outcome)
    ids = _fold_ids(labels, used, folds, fold_ids, seed, stratified)
    sizes = np.unique(ids, return_counts=True)[1]
    asked, shared = CvMeasure(measure), FoldPaths(fold_paths)
    chosen, notes = _usable_measure(asked, labels.size / sizes.size)
    wanted = _given_lambdas(lambdas)
    fit = _fit_path(matrix, labels, wanted)
    main = fit.lambdas if shared is FoldPaths.SHARED else wanted
    held_out = np.empty((labels.size, fit.lambdas.size))
    for fold in np.unique(ids):
        out = ids == fold
        if labels[~out].min() == labels[~out].max():
            raise InputError(f"without fold {fold} only one class is left", remedy="Use fewer or stratified folds")
        held_out[out] = _fit_path(matrix[~out], labels[~out], main).probabilities(matrix[out], fit.lambdas)
    cvm, cvsd, grouped = _cv_curve(labels, held_out, ids, chosen)
    notes += () if grouped else ("fewer than 3 patients per fold: the standard error is over patients, not folds",)
    sign = -1.0 if chosen is CvMeasure.AUC else 1.0
    best, one_se = _choose(sign * cvm, cvsd)
    path = _as_path(fit, labels, used, terms, _notes(matrix, used, terms))
    return LassoCv(
        method=f"LASSO logistic regression, {sizes.size}-fold cross-validation of {chosen.value} "
        f"({shared.value}), folds {'given' if fold_ids is not None else f'drawn with seed {seed}'}"
        f"{', stratified' if stratified and fold_ids is None else ''}",
        measure=chosen.value,
        measure_asked=asked.value,
        folds=int(sizes.size),
        fold_ids=tuple(int(fold) for fold in ids),
        seed=None if fold_ids is not None else seed,
        path=path,
        cvm=tuple(cvm.tolist()),
        cvsd=tuple(cvsd.tolist()),
        index_min=best,
        index_1se=one_se,
        lambda_min=float(fit.lambdas[best]),
        lambda_1se=float(fit.lambdas[one_se]),
        model_min=_model(fit, best, terms, matrix),
        model_1se=_model(fit, one_se, terms, matrix),
        warnings=path.warnings + notes,
    )


def predict_lasso(model: LassoModel, predictors: Mapping[str, Sequence]) -> np.ndarray:
    """Probabilities (n,) of patients; NaN where a selected predictor is missing.

    Raises:
        InputError: a selected predictor is lacking.
    """
    eta: np.ndarray | float = model.intercept
    for term, coefficient in zip(model.terms, model.coefficients, strict=True):
        if coefficient == 0:
            continue
        if term not in predictors:
            raise InputError(f'no column named "{term}"', remedy="Give every selected predictor of the model")
        eta = eta + coefficient * numbers(predictors[term], term)
    if np.ndim(eta) == 0:
        eta = np.full(len(next(iter(predictors.values()))), eta)
    return expit(eta)


def make_folds(labels: np.ndarray, folds: int, seed: int, stratified: bool = True) -> np.ndarray:
    """Fold of each patient, 1 to ``folds``, as equal in size as possible (with stratification also in events)."""
    rng = np.random.default_rng(seed)
    ids = np.empty(labels.size, dtype=int)
    order = rng.permutation(labels.size)
    if stratified:
        order = order[np.argsort(labels[order], kind="stable")]
    ids[order] = np.arange(labels.size) % folds + 1
    return ids


def _prepared(predictors: Mapping, outcome: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    if not len(predictors):
        raise InputError("no predictor", remedy="Name at least one column")
    columns = {str(name): numbers(column, str(name)) for name, column in predictors.items()}
    labels = binary(outcome)
    used = complete(labels, *columns.values())
    both_classes(labels[used])
    return np.column_stack(list(columns.values()))[used], labels[used], used, tuple(columns)


def _given_lambdas(lambdas: Sequence[float] | None) -> np.ndarray | None:
    if lambdas is None:
        return None
    wanted = np.sort(numbers(lambdas, "lambdas"))[::-1]
    if wanted.size == 0 or not (wanted > 0).all():
        raise InputError("penalties must be positive", where="lambdas")
    return wanted


def _notes(matrix: np.ndarray, used: np.ndarray, terms: Sequence[str]) -> tuple[str, ...]:
    notes = list(left_out(used))
    constant = [term for term, spread in zip(terms, np.ptp(matrix, axis=0), strict=True) if spread == 0]
    if constant:
        notes.append(f"constant, so never selected: {', '.join(constant)}")
    center, scale = _center_and_scale(matrix)
    again = _repeats((matrix - center) / scale)
    repeated = [term for term, flag in zip(terms, again, strict=True) if flag and term not in constant]
    if repeated:
        notes.append(f"repeat an earlier column, so never selected: {', '.join(repeated)}")
    return tuple(notes)


def _fit_path(matrix: np.ndarray, labels: np.ndarray, lambdas: np.ndarray | None) -> _Fit:
    n, p = matrix.shape
    center, scale = _center_and_scale(matrix)
    standard = (matrix - center) / scale
    problem = LassoProblem(np.where(_repeats(standard), 0.0, standard), labels)
    free = lambdas is None
    if free:
        largest = problem.largest_lambda()
        smallest = largest * (1e-2 if n < p else 1e-4)
        lambdas = np.geomspace(largest, smallest, MOST_LAMBDAS) if largest > 0 else np.array([1e-3])
    intercepts, coefficients, explained = [], [], []
    intercept, beta = problem.null_intercept(), np.zeros(p)
    null_deviance = problem.deviance(intercept, beta)
    for value in lambdas:
        intercept, beta = solve(problem, value, intercept, beta)
        intercepts.append(intercept - center @ (beta / scale))
        coefficients.append(beta / scale)
        explained.append(1 - problem.deviance(intercept, beta) / null_deviance)
        if free and len(explained) >= LEAST_LAMBDAS and _at_end(explained):
            break
    m = len(explained)
    return _Fit(lambdas[:m], np.array(intercepts), np.array(coefficients), np.array(explained), null_deviance)


def _center_and_scale(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD (divisor n); infinite for constant columns, which become zero."""
    center, scale = matrix.mean(axis=0), matrix.std(axis=0)
    return center, np.where(scale > 1e-12 * np.abs(center), scale, np.inf)


def _repeats(standard: np.ndarray) -> np.ndarray:
    """Columns equal to an earlier one or its negative: the optimum is not unique, the earlier one takes it all."""
    rounded = np.round(standard * np.where(standard[0] < 0, -1.0, 1.0), 9) + 0.0  # no negative zeros
    seen: set[bytes] = set()
    repeats = np.zeros(standard.shape[1], dtype=bool)
    for index, column in enumerate(np.ascontiguousarray(rounded.T)):
        repeats[index] = (key := column.tobytes()) in seen
        seen.add(key)
    return repeats


def _at_end(explained: Sequence[float]) -> bool:
    return explained[-1] - explained[-2] < SMALLEST_GAIN or explained[-1] > MOST_EXPLAINED


def _as_path(fit: _Fit, labels: np.ndarray, used: np.ndarray, terms: tuple[str, ...], notes: tuple) -> LassoPath:
    return LassoPath(
        method="LASSO logistic regression, columns standardized (SD with divisor n), coefficients in original units",
        n=labels.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(labels.sum()),
        terms=terms,
        lambdas=tuple(fit.lambdas.tolist()),
        intercepts=tuple(fit.intercepts.tolist()),
        coefficients=tuple(tuple(row) for row in fit.coefficients.tolist()),
        df=tuple(np.count_nonzero(fit.coefficients, axis=1).tolist()),
        dev_ratio=tuple(fit.dev_ratio.tolist()),
        null_deviance=float(fit.null_deviance),
        warnings=notes,
    )


def _model(fit: _Fit, index: int, terms: tuple[str, ...], matrix: np.ndarray) -> LassoModel:
    beta = fit.coefficients[index]
    return LassoModel(
        lambda_value=float(fit.lambdas[index]),
        intercept=float(fit.intercepts[index]),
        terms=terms,
        coefficients=tuple(beta.tolist()),
        selected=tuple(term for term, value in zip(terms, beta, strict=True) if value != 0),
        fitted=tuple(expit(fit.intercepts[index] + matrix @ beta).tolist()),
    )


def _fold_ids(
    labels: np.ndarray, used: np.ndarray, folds: int, given: Sequence[int] | None, seed: int, stratified: bool
) -> np.ndarray:
    if given is not None:
        ids = np.asarray(given)
        if ids.shape != used.shape:
            raise InputError(f"{ids.size} fold numbers for {used.size} patients", where="fold_ids")
        ids = ids[used].astype(int)
    else:
        if not 3 <= folds <= labels.size:
            raise InputError(f"{folds} folds for {labels.size} patients", remedy="Use 3 folds or more, at most n")
        ids = make_folds(labels, folds, seed, stratified)
    if np.unique(ids).size < 3:
        raise InputError("fewer than three folds", where="fold_ids", remedy="Use three folds or more")
    return ids


def _usable_measure(asked: CvMeasure, per_fold: float) -> tuple[CvMeasure, tuple[str, ...]]:
    if asked is CvMeasure.AUC and per_fold < FEWEST_FOR_AUC:
        return CvMeasure.DEVIANCE, (
            f"{per_fold:.1f} patients per fold are too few for AUC (ten are needed): deviance is used instead",
        )
    return asked, ()


def _cv_curve(
    labels: np.ndarray, held_out: np.ndarray, ids: np.ndarray, measure: CvMeasure
) -> tuple[np.ndarray, np.ndarray, bool]:
    """cvm and cvsd (m,), and whether folds (rather than patients) were the units."""
    folds, sizes = np.unique(ids, return_counts=True)
    grouped = labels.size / folds.size >= FEWEST_FOR_FOLD_MEANS
    if measure is CvMeasure.AUC:
        with_both = np.array([labels[ids == fold].min() < labels[ids == fold].max() for fold in folds])
        if not with_both.any():
            raise InputError("no fold has both classes", remedy="Use fewer or stratified folds")
        raw = np.array([_fold_auc(labels[ids == fold], held_out[ids == fold]) for fold in folds[with_both]])
        weights = sizes[with_both].astype(float)
    else:
        losses = _losses(labels, held_out, measure)
        raw = np.array([losses[ids == fold].mean(axis=0) for fold in folds]) if grouped else losses
        weights = sizes.astype(float) if grouped else np.ones(labels.size)
    cvm = np.average(raw, axis=0, weights=weights)
    cvsd = np.sqrt(np.average((raw - cvm) ** 2, axis=0, weights=weights) / (raw.shape[0] - 1))
    return cvm, cvsd, grouped


def _losses(labels: np.ndarray, held_out: np.ndarray, measure: CvMeasure) -> np.ndarray:
    y = labels[:, None]
    if measure is CvMeasure.CLASS:
        return np.where(held_out > 0.5, 1 - y, y)
    p = np.clip(held_out, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return -2 * (xlogy(y, p) + xlogy(1 - y, 1 - p))


def _fold_auc(labels: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    return np.array([rank_indices(labels, column).c for column in held_out.T])


def _choose(cvm: np.ndarray, cvsd: np.ndarray) -> tuple[int, int]:
    """Positions of lambda.min and lambda.1se on a path that falls: the first that are good enough."""
    best = int(np.argmin(cvm))
    return best, int(np.flatnonzero(cvm <= cvm[best] + cvsd[best])[0])
