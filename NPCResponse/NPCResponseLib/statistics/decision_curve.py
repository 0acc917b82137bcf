"""Decision curve: net benefit of treating by a prediction, by threshold, against treating all and none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .model_data import binary, both_classes, complete, left_out, numbers
from .samples import check_confidence

DEFAULT_THRESHOLDS = tuple(np.round(np.arange(0.01, 1.0, 0.01), 2).tolist())


@dataclass(frozen=True)
class ModelNetBenefit:
    """One prediction, per threshold.

    Attributes:
        name: of the prediction.
        net_benefit: true positives / n - false positives / n * t / (1 - t), positive meaning p >= t.
        low, high: bootstrap percentile limits; empty without bootstrap.
        interventions_avoided_per_100: patients spared treatment per 100 at equal detection, against treating all.
        minus_treat_all, minus_treat_all_ci: difference of the net benefits, with paired bootstrap limits.
    """

    name: str
    net_benefit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    interventions_avoided_per_100: tuple[float, ...]
    minus_treat_all: tuple[float, ...]
    minus_treat_all_ci: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits of predictions on the same patients (treating none is 0 everywhere)."""

    method: str
    n: int
    n_missing: int
    events: int
    thresholds: tuple[float, ...]
    treat_all: tuple[float, ...]
    treat_none: tuple[float, ...]
    models: tuple[ModelNetBenefit, ...]
    replicates: int
    seed: int | None
    confidence: float
    warnings: tuple[str, ...]


def decision_curve(
    outcome: Sequence,
    probabilities: Mapping[str, Sequence],
    *,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    replicates: int = 1000,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> DecisionCurve:
    """Net benefit over thresholds (Vickers & Elkin 2006, Med Decis Making 26:565) with bootstrap limits.

    Args:
        outcome: (n,) of 0/1; probabilities: name to (n,) predictions; patients lacking any of them are left out.
        thresholds: between 0 and 1, both excluded.
        replicates: patients drawn with replacement; 0 for no limits.

    Raises:
        InputError: thresholds or probabilities out of range, one class only.
    """
    check_confidence(confidence)
    y = binary(outcome)
    predictions = {name: numbers(column, name) for name, column in probabilities.items()}
    if not predictions:
        raise InputError("no prediction", remedy="Name at least one column of probabilities")
    used = complete(y, *predictions.values())
    labels = y[used]
    both_classes(labels)
    at = np.asarray(thresholds, dtype=np.float64)
    if at.ndim != 1 or not at.size or not ((at > 0) & (at < 1)).all():
        raise InputError("thresholds must lie between 0 and 1", where="thresholds")
    for name, p in predictions.items():
        if p[used].min() < 0 or p[used].max() > 1:
            raise InputError("values outside 0 to 1", where=name, remedy="Give predicted probabilities")
    weights = np.ones((1, labels.size))
    if replicates:
        rng = np.random.default_rng(seed)
        weights = np.vstack([weights, rng.multinomial(labels.size, np.full(labels.size, 1 / labels.size), replicates)])
    odds = at / (1 - at)
    prevalence = weights @ labels / labels.size
    treat_all = prevalence[:, None] - (1 - prevalence)[:, None] * odds
    notes = left_out(used)
    return DecisionCurve(
        method="net benefit, positive if p >= threshold" + bootstrap_words(replicates, seed, confidence),
        n=labels.size,
        n_missing=int(np.count_nonzero(~used)),
        events=int(labels.sum()),
        thresholds=tuple(at.tolist()),
        treat_all=tuple(treat_all[0].tolist()),
        treat_none=(0.0,) * at.size,
        models=tuple(
            _model(name, labels, p[used], at, weights, treat_all, confidence) for name, p in predictions.items()
        ),
        replicates=replicates,
        seed=seed if replicates else None,
        confidence=confidence,
        warnings=notes,
    )


def bootstrap_words(replicates: int, seed: int, confidence: float) -> str:
    """What the method sentence says about the bootstrap."""
    if not replicates:
        return ""
    return f"; {100 * confidence:g} % percentile bootstrap, {replicates} replicates, seed {seed}"


def _model(
    name: str,
    labels: np.ndarray,
    p: np.ndarray,
    thresholds: np.ndarray,
    weights: np.ndarray,
    treat_all: np.ndarray,
    confidence: float,
) -> ModelNetBenefit:
    odds = thresholds / (1 - thresholds)
    treated = (p[:, None] >= thresholds).astype(np.float64)
    true, false = treated * labels[:, None], treated * (1 - labels)[:, None]
    benefit = (weights @ true - (weights @ false) * odds) / labels.size
    gain = benefit - treat_all
    low, high = _limits(benefit[1:], confidence)
    gain_low, gain_high = _limits(gain[1:], confidence)
    return ModelNetBenefit(
        name=name,
        net_benefit=tuple(benefit[0].tolist()),
        low=low,
        high=high,
        interventions_avoided_per_100=tuple((100 * gain[0] / odds).tolist()),
        minus_treat_all=tuple(gain[0].tolist()),
        minus_treat_all_ci=tuple(zip(gain_low, gain_high, strict=True)),
    )


def _limits(draws: np.ndarray, confidence: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not draws.shape[0]:
        return (), ()
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return tuple(low.tolist()), tuple(high.tolist())
