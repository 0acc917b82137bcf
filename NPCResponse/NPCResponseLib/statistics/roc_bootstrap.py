"""Stratified bootstrap of ROC curves: patients with and without the outcome are drawn separately, with replacement.

A replicate is a table of how often each distinct marker value was drawn in either class; area, curve and best cutoff of
hundreds of replicates then come from running sums of that table at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .delong import Direction, PositiveSide, found_side, oriented, structural_components, z_test
from .samples import check_confidence, labeled_markers, missing_note, percent

DEFAULT_REPLICATES = 2000
CELLS_AT_ONCE = 1 << 19  # of a chunk's tables: small enough for the cache


@dataclass(frozen=True)
class BootstrapAuc:
    """AUC with its percentile interval.

    Attributes:
        confidence: 0.95; the necrosis paper's intervals are 0.90.
        seed: with it the draws can be repeated.
    """

    method: str
    auc: float
    low: float
    high: float
    standard_error: float
    side: PositiveSide
    n_positive: int
    n_negative: int
    n_missing: int
    confidence: float
    replicates: int
    seed: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class BootstrapComparison:
    """Difference of two AUCs of the same patients.

    Attributes:
        z: difference / bootstrap SD, p from the normal distribution (pROC's bootstrap test).
        low, high: percentile limits of the difference.
    """

    method: str
    name_a: str
    name_b: str
    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    z: float
    p: float
    n_positive: int
    n_negative: int
    n_missing: int
    confidence: float
    replicates: int
    seed: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CutoffPerformance:
    """Sensitivity, specificity and Youden index (their sum - 1) of a cutoff."""

    sensitivity: float
    specificity: float
    youden: float


@dataclass(frozen=True)
class OptimismOfCutoff:
    """What the best Youden cutoff promises on the patients it was chosen on, and what to expect of it on others.

    In each replicate the cutoff is chosen anew.

    Attributes:
        threshold: chosen on the original patients.
        threshold_low, threshold_high: percentile limits of the replicates' cutoffs; infinite where calling all patients
            alike was best.
        apparent: on the patients it was chosen on.
        corrected: on the patients that a replicate did not draw (out of bag); the one to print. With 20 and 20 patients
            its mean is 0.01 below what new patients give.
        harrell: apparent less the mean loss from replicate to original patients (Harrell's bootstrap); for cutoffs it
            removes only two thirds of the optimism, because the original patients contain the drawn ones.
    """

    method: str
    threshold: float
    side: PositiveSide
    threshold_low: float
    threshold_high: float
    apparent: CutoffPerformance
    corrected: CutoffPerformance
    harrell: CutoffPerformance
    n_missing: int
    confidence: float
    replicates: int
    seed: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CurveBand:
    """Pointwise confidence band of sensitivity at given specificities."""

    method: str
    specificity: tuple[float, ...]
    sensitivity: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    confidence: float
    replicates: int
    seed: int


def bootstrap_auc(
    labels: Sequence,
    marker: Sequence,
    *,
    direction: Direction = "auto",
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> BootstrapAuc:
    """AUC with stratified percentile bootstrap interval; the direction is that of the original patients throughout.

    Raises:
        InputError: as ``roc.analyze_roc``, or fewer than 2 replicates.
    """
    prepared = _prepare(labels, {"marker": marker}, {"marker": direction}, replicates, confidence)
    draws = np.concatenate([_areas(*tables) for tables in _tables(prepared, 0, replicates, seed)])
    low, high = _percentiles(draws, confidence)
    return BootstrapAuc(
        method=f"AUC, {_words(replicates, seed)}, {percent(confidence)} percentile interval",
        auc=structural_components(prepared.positive[0], prepared.negative[0]).auc,
        low=low,
        high=high,
        standard_error=float(draws.std(ddof=1)),
        side=prepared.sides[0],
        n_positive=prepared.positive.shape[1],
        n_negative=prepared.negative.shape[1],
        n_missing=prepared.n_missing,
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        warnings=_notes(prepared),
    )


def bootstrap_compare(
    labels: Sequence,
    markers: Mapping[str, Sequence],
    *,
    directions: Mapping[str, Direction] | None = None,
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> BootstrapComparison:
    """Two markers of the same patients; both are judged on the same draws.

    Raises:
        InputError: not exactly two markers, and as ``roc.analyze_roc``.
    """
    if len(markers) != 2:
        raise InputError(f"the bootstrap compares two markers, found {len(markers)}")
    prepared = _prepare(labels, markers, directions or {}, replicates, confidence)
    # The same seed draws the same patients for either marker.
    draws = [
        np.concatenate([_areas(*tables) for tables in _tables(prepared, index, replicates, seed)]) for index in (0, 1)
    ]
    difference_draws = draws[0] - draws[1]
    auc_a, auc_b = (
        structural_components(positive, negative).auc
        for positive, negative in zip(prepared.positive, prepared.negative, strict=True)
    )
    difference, sd = auc_a - auc_b, float(difference_draws.std(ddof=1))
    z, p = z_test(difference, 0.0 if sd < 1e-12 else sd)
    low, high = _percentiles(difference_draws, confidence)
    names = tuple(markers)
    return BootstrapComparison(
        method=f"difference of AUCs / bootstrap SD, {_words(replicates, seed)}",
        name_a=names[0],
        name_b=names[1],
        auc_a=auc_a,
        auc_b=auc_b,
        difference=difference,
        low=low,
        high=high,
        z=z,
        p=p,
        n_positive=prepared.positive.shape[1],
        n_negative=prepared.negative.shape[1],
        n_missing=prepared.n_missing,
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        warnings=_notes(prepared),
    )


def cutoff_optimism(
    labels: Sequence,
    marker: Sequence,
    *,
    direction: Direction = "auto",
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> OptimismOfCutoff:
    """How optimistic the best Youden cutoff is when judged on the patients it was chosen on.

    Of tied cutoffs the most sensitive is taken, in replicates as in the original. The direction is not chosen anew.

    Raises:
        InputError: as ``roc.analyze_roc``, or fewer than 2 replicates.
    """
    prepared = _prepare(labels, {"marker": marker}, {"marker": direction}, replicates, confidence)
    positive, negative = prepared.positive[0], prepared.negative[0]
    values = np.unique(np.concatenate([positive, negative]))
    whole = [
        _value_table(np.searchsorted(values, group), _each_once(group), values.size) for group in (positive, negative)
    ]
    threshold, *apparent = (float(part[0]) for part in _best_cutoffs(*whole, values))
    chosen, losses, left_out = [], np.zeros(2), np.zeros((2, 2))
    for drawn in _drawn(prepared, replicates, seed):
        tables = [
            _value_table(np.searchsorted(values, group), patients, values.size)
            for group, patients in zip((positive, negative), drawn, strict=True)
        ]
        thresholds, sensitivity, specificity = _best_cutoffs(*tables, values)
        chosen.append(thresholds)
        losses += np.sum(sensitivity - _above(positive, thresholds)), np.sum(specificity - _below(negative, thresholds))
        left_out[0] += _correct_out_of_bag(positive, drawn[0], thresholds, above=True)
        left_out[1] += _correct_out_of_bag(negative, drawn[1], thresholds, above=False)
    sign = 1 if prepared.sides[0] == "above" else -1
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(sign * np.concatenate(chosen), tails, method="inverted_cdf")
    out_of_bag = left_out[:, 0] / np.maximum(left_out[:, 1], 1)
    return OptimismOfCutoff(
        method=f"best Youden cutoff chosen anew in each draw, {_words(replicates, seed)}, corrected out of bag",
        threshold=sign * threshold,
        side=prepared.sides[0],
        threshold_low=float(low),
        threshold_high=float(high),
        apparent=_performance(*apparent),
        corrected=_performance(*out_of_bag),
        harrell=_performance(*(np.array(apparent) - losses / replicates)),
        n_missing=prepared.n_missing,
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        warnings=_notes(prepared),
    )


def curve_band(
    labels: Sequence,
    marker: Sequence,
    *,
    direction: Direction = "auto",
    specificities: Sequence[float] = tuple(np.linspace(0, 1, 101).tolist()),
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> CurveBand:
    """Sensitivity at given specificities with percentile limits, for the band of a published curve.

    Raises:
        InputError: as ``roc.analyze_roc``; specificities outside 0 to 1.
    """
    at = np.asarray(specificities, dtype=np.float64)
    if at.ndim != 1 or not at.size or at.min() < 0 or at.max() > 1:
        raise InputError("specificities must lie between 0 and 1", where="specificities")
    prepared = _prepare(labels, {"marker": marker}, {"marker": direction}, replicates, confidence)
    positive, negative = prepared.positive[0], prepared.negative[0]
    values = np.unique(np.concatenate([positive, negative]))
    original = tuple(np.array([[np.sum(group == value) for value in values]]) for group in (positive, negative))
    rows = [
        _sensitivities(sensitivity, specificity, at)
        for tables in _tables(prepared, 0, replicates, seed)
        for sensitivity, specificity in zip(*_curves(*tables), strict=True)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(rows, [tail, 1 - tail], axis=0)
    curve = _sensitivities(*(part[0] for part in _curves(*original)), at)
    return CurveBand(
        f"sensitivity at given specificity, {_words(replicates, seed)}, pointwise {percent(confidence)} band",
        tuple(at.tolist()),
        tuple(curve.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
        confidence,
        replicates,
        seed,
    )


@dataclass(frozen=True)
class _Prepared:
    """Markers turned so that positives are larger: (n markers, n of the class)."""

    positive: np.ndarray
    negative: np.ndarray
    sides: tuple[PositiveSide, ...]
    n_missing: int


def _prepare(
    labels: Sequence,
    markers: Mapping[str, Sequence],
    directions: Mapping[str, Direction],
    replicates: int,
    confidence: float,
) -> _Prepared:
    check_confidence(confidence)
    if replicates < 2:
        raise InputError(f"{replicates} bootstrap replicates are too few", remedy=f"Take {DEFAULT_REPLICATES}")
    data = labeled_markers(labels, *markers.values(), names=tuple(markers))
    sides = tuple(
        found_side(positive, negative, directions.get(name, "auto"))
        for name, positive, negative in zip(markers, data.positive, data.negative, strict=True)
    )
    turned = [
        oriented(positive, negative, side)
        for positive, negative, side in zip(data.positive, data.negative, sides, strict=True)
    ]
    positive, negative = (np.array([pair[index] for pair in turned]) for index in (0, 1))
    return _Prepared(positive, negative, sides, data.n_missing)


def _drawn(prepared: _Prepared, replicates: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of drawn patients: (replicates, n of the class) indices of positives, and of negatives."""
    sizes = prepared.positive.shape[1], prepared.negative.shape[1]
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // sum(sizes))
    for start in range(0, replicates, at_once):
        rows = min(at_once, replicates - start)
        yield tuple(rng.integers(0, size, (rows, size), dtype=np.int32) for size in sizes)


def _tables(prepared: _Prepared, index: int, replicates: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of (counts of positives, counts of negatives): (replicates, distinct values of the marker) each.

    The draws depend on the seed and the number of patients alone: every marker sees the same patients.
    """
    positive, negative = prepared.positive[index], prepared.negative[index]
    values, codes = np.unique(np.concatenate([positive, negative]), return_inverse=True)
    for drawn in _drawn(prepared, replicates, seed):
        groups = codes[: positive.size], codes[positive.size :]
        yield tuple(_value_table(group, patients, values.size) for group, patients in zip(groups, drawn, strict=True))


def _value_table(codes: np.ndarray, drawn: np.ndarray, n_values: int) -> np.ndarray:
    """How often each distinct value was drawn: (replicates, n values)."""
    cells = codes[drawn]
    cells += np.arange(len(drawn))[:, None] * n_values
    return np.bincount(cells.ravel(), minlength=len(drawn) * n_values).reshape(len(drawn), n_values)


def _each_once(group: np.ndarray) -> np.ndarray:
    return np.arange(group.size)[None, :]


def _correct_out_of_bag(
    group: np.ndarray, drawn: np.ndarray, thresholds: np.ndarray, *, above: bool
) -> tuple[int, int]:
    """(classified correctly, patients) among those that the replicates did not draw."""
    patients = np.ones((len(drawn), group.size), dtype=bool)
    np.put_along_axis(patients, drawn, False, axis=1)
    correct = patients & ((group > thresholds[:, None]) == above)
    return int(correct.sum()), int(patients.sum())


def _areas(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Of each row: positives times the negatives below them, ties half; in whole numbers."""
    twice_below = 2 * np.cumsum(negative, axis=1) - negative
    wins = np.einsum("ij,ij->i", positive, twice_below)
    return wins / (2.0 * positive[0].sum() * negative[0].sum())


def _curves(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sensitivity, specificity) of each row above each distinct value; the first column calls all positive."""
    zero = np.zeros((len(positive), 1))
    sensitivity = 1 - np.hstack([zero, np.cumsum(positive, axis=1) / positive[0].sum()])
    specificity = np.hstack([zero, np.cumsum(negative, axis=1) / negative[0].sum()])
    return np.maximum(sensitivity, 0.0), specificity


def _best_cutoffs(
    positive: np.ndarray, negative: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(threshold, sensitivity, specificity) of each row's best Youden cutoff, midway between values that were drawn."""
    n_positive, n_negative = int(positive[0].sum()), int(negative[0].sum())
    missed, kept = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    youden = kept * n_positive - missed * n_negative
    best = youden.argmax(axis=1)
    rows = np.arange(len(best))
    drawn = positive + negative > 0
    places = np.arange(values.size)
    # Values that were not drawn leave the index unchanged: argmax stops at a drawn one, the next drawn one follows it.
    next_drawn = np.minimum.accumulate(np.where(drawn, places, values.size)[:, ::-1], axis=1)[:, ::-1]
    after = next_drawn[rows, np.minimum(best + 1, values.size - 1)]
    after = np.where(best + 1 < values.size, after, values.size)
    upper = np.append(values, np.inf)[np.minimum(after, values.size)]
    threshold = np.where(np.isinf(upper), np.inf, values[best] / 2 + np.where(np.isinf(upper), 0, upper) / 2)
    sensitivity = 1 - missed[rows, best] / n_positive
    specificity = kept[rows, best] / n_negative
    useless = youden[rows, best] <= 0  # calling all positive is as good, and the most sensitive of the tied
    return (
        np.where(useless, -np.inf, threshold),
        np.where(useless, 1.0, sensitivity),
        np.where(useless, 0.0, specificity),
    )


def _above(group: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of a group above each threshold."""
    return 1 - _below(group, thresholds)


def _below(group: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of a group not above each threshold."""
    return np.searchsorted(np.sort(group), thresholds, side="right") / group.size


def _performance(sensitivity: float, specificity: float) -> CutoffPerformance:
    return CutoffPerformance(float(sensitivity), float(specificity), float(sensitivity + specificity - 1))


def _sensitivities(sensitivity: np.ndarray, specificity: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of one curve at given specificities, straight between corners; the highest at a vertical piece."""
    corners = np.append(True, np.diff(specificity) > 0)
    return np.interp(at, specificity[corners], sensitivity[corners])


def _percentiles(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _words(replicates: int, seed: int) -> str:
    return f"stratified bootstrap, {replicates} replicates, seed {seed}"


def _notes(prepared: _Prepared) -> tuple[str, ...]:
    notes = missing_note(prepared.n_missing)
    smaller = min(prepared.positive.shape[1], prepared.negative.shape[1])
    if smaller < 10:
        notes += (f"{smaller} patients in the smaller class: bootstrap intervals are too short",)
    return notes
