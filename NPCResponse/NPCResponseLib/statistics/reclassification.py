"""What a second model adds to a first: net reclassification and integrated discrimination improvement."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ..errors import InputError
from .model_data import binary, both_classes, complete, left_out, numbers
from .samples import check_confidence

MISLEADING = (
    "net reclassification rises for useless markers in badly calibrated models (Kerr 2014, Epidemiology 25:114): "
    "show calibration and the decision curve beside it"
)


@dataclass(frozen=True)
class Improvement:
    """One index: estimate, standard error, z and two-sided p against zero, Wald and bootstrap percentile limits."""

    estimate: float
    standard_error: float
    z: float
    p: float
    ci: tuple[float, float]
    bootstrap_ci: tuple[float, float] | None


@dataclass(frozen=True)
class Reclassification:
    """Second model against first, on the same patients.

    Attributes:
        method, n, n_missing, events, confidence, replicates, seed, warnings.
        thresholds: borders of the risk categories (lower border belongs to the category), empty if none were given.
        table_events, table_others: counts, rows category by the first, columns by the second model.
        nri, nri_events, nri_others: categorical net reclassification, whole and by class; None without thresholds.
        continuous_nri, continuous_nri_events, continuous_nri_others: any rise or fall counts.
        idi: rise of mean prediction in events minus rise in others.
    """

    method: str
    n: int
    n_missing: int
    events: int
    thresholds: tuple[float, ...]
    table_events: tuple[tuple[int, ...], ...]
    table_others: tuple[tuple[int, ...], ...]
    nri: Improvement | None
    nri_events: Improvement | None
    nri_others: Improvement | None
    continuous_nri: Improvement
    continuous_nri_events: Improvement
    continuous_nri_others: Improvement
    idi: Improvement
    confidence: float
    replicates: int
    seed: int | None
    warnings: tuple[str, ...]


def reclassify(
    outcome: Sequence,
    first: Sequence,
    second: Sequence,
    *,
    thresholds: Sequence[float] = (),
    replicates: int = 1000,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> Reclassification:
    """NRI = P(up|event) - P(down|event) + P(down|other) - P(up|other); IDI = difference of mean rises.

    Sources: Pencina et al. 2008, Stat Med 27:157 (both, categorical); 2011, Stat Med 30:11 (category-free, variances:
    each class is a mean of -1, 0, +1 moves, the variance of which is used).

    Args:
        outcome: (n,) of 0/1; first, second: (n,) probabilities of the old and the new model.
        thresholds: borders of risk categories, rising, between 0 and 1.
        replicates: bootstrap draws within each class; 0 for none.

    Raises:
        InputError: probabilities or thresholds out of range, one class only.
    """
    check_confidence(confidence)
    y, a, b = binary(outcome), numbers(first, "first model"), numbers(second, "second model")
    used = complete(y, a, b)
    y, a, b = y[used], a[used], b[used]
    both_classes(y)
    borders = np.asarray(thresholds, dtype=np.float64)
    _check(a, b, borders)
    events = y == 1
    rng = np.random.default_rng(seed)
    draws = tuple(_draws(int(np.count_nonzero(side)), replicates, rng) for side in (events, ~events))
    rise = b - a
    parts = {"continuous": np.sign(rise)}
    category_a, category_b = (np.searchsorted(borders, p, side="right") for p in (a, b))
    if borders.size:
        parts["categorical"] = np.sign(category_b - category_a).astype(np.float64)
    found = {name: _improvements(moves, events, draws, confidence) for name, moves in parts.items()}
    categorical = found.get("categorical", (None, None, None))
    notes = left_out(used)
    return Reclassification(
        method="net reclassification and integrated discrimination improvement, Wald limits"
        + (f" and percentile bootstrap within classes ({replicates} replicates, seed {seed})" if replicates else ""),
        n=y.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(events.sum()),
        thresholds=tuple(borders.tolist()),
        table_events=_table(category_a[events], category_b[events], borders.size),
        table_others=_table(category_a[~events], category_b[~events], borders.size),
        nri=categorical[0],
        nri_events=categorical[1],
        nri_others=categorical[2],
        continuous_nri=found["continuous"][0],
        continuous_nri_events=found["continuous"][1],
        continuous_nri_others=found["continuous"][2],
        idi=_improvements(rise, events, draws, confidence)[0],
        confidence=confidence,
        replicates=replicates,
        seed=seed if replicates else None,
        warnings=(*notes, MISLEADING),
    )


def _check(a: np.ndarray, b: np.ndarray, borders: np.ndarray) -> None:
    for name, p in (("first model", a), ("second model", b)):
        if p.min() < 0 or p.max() > 1:
            raise InputError("values outside 0 to 1", where=name, remedy="Give predicted probabilities")
    if borders.size and not ((borders > 0).all() and (borders < 1).all() and (np.diff(borders) > 0).all()):
        raise InputError("thresholds must rise between 0 and 1", where="thresholds")


def _draws(size: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """How often each patient is drawn: (replicates, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), replicates) if replicates else np.empty((0, size))


def _improvements(
    moves: np.ndarray, events: np.ndarray, draws: tuple[np.ndarray, np.ndarray], confidence: float
) -> tuple[Improvement, Improvement, Improvement]:
    """Whole, events, others; a move up is good for events and bad for others."""
    gains = moves[events], -moves[~events]
    means = [gain.mean() for gain in gains]
    variances = [gain.var() / gain.size for gain in gains]
    drawn = [draw @ gain / gain.size for draw, gain in zip(draws, gains, strict=True)]
    return (
        _improvement(sum(means), sum(variances), sum(drawn), confidence),
        _improvement(means[0], variances[0], drawn[0], confidence),
        _improvement(means[1], variances[1], drawn[1], confidence),
    )


def _improvement(estimate: float, variance: float, drawn: np.ndarray, confidence: float) -> Improvement:
    error = float(np.sqrt(variance))
    half = norm.ppf(0.5 + confidence / 2) * error
    z = float(estimate / error) if error > 0 else (0.0 if estimate == 0 else float(np.copysign(np.inf, estimate)))
    tail = (1 - confidence) / 2
    limits = tuple(np.quantile(drawn, [tail, 1 - tail]).tolist()) if drawn.size else None
    return Improvement(
        float(estimate), error, z, float(2 * norm.sf(abs(z))), (float(estimate - half), float(estimate + half)), limits
    )


def _table(rows: np.ndarray, columns: np.ndarray, borders: int) -> tuple[tuple[int, ...], ...]:
    if not borders:
        return ()
    counts = np.zeros((borders + 1, borders + 1), dtype=int)
    np.add.at(counts, (rows, columns), 1)
    return tuple(tuple(row) for row in counts.tolist())
