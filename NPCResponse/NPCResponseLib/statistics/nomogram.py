"""A nomogram as numbers: axes with tick values and points, computed from a fitted model; drawing is for others.

The variable with the largest effect over its axis spans 0 to 100 points; every other one is to the same scale. The sum
of the points gives the linear predictor and the probability. Layout as R's rms::nomogram documents it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from ..errors import InputError
from .cox import CoxFit
from .logistic import LogisticFit
from .model_data import Variable

MOST_POINTS = 100.0
TICKS = 10  # wanted number of intervals of an axis
RISK_TICKS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class NomogramAxis:
    """One line: labels of the ticks, their points, and their contribution to the linear predictor."""

    name: str
    labels: tuple[str, ...]
    points: tuple[float, ...]
    contribution: tuple[float, ...]


@dataclass(frozen=True)
class Nomogram:
    """All lines of a nomogram.

    Attributes:
        method: in words; outcome: what the last axis shows, "probability" or "survival at 36".
        axes: one per variable.
        total_points: ticks of the axis of the sum.
        linear_predictor: (value, total points) pairs; outcome_axis: (probability, total points) pairs.
        points_per_unit: points per unit of the linear predictor; intercept: linear predictor at 0 points.
            For a Cox model the linear predictor is relative to the mean of the patients.
    """

    method: str
    outcome: str
    axes: tuple[NomogramAxis, ...]
    total_points: tuple[float, ...]
    linear_predictor: tuple[tuple[float, float], ...]
    outcome_axis: tuple[tuple[float, float], ...]
    points_per_unit: float
    intercept: float

    def points(self, values: dict[str, object]) -> float:
        """Total points of one patient.

        Raises:
            InputError: a variable is lacking, or a category has no tick.
        """
        return float(sum(self._axis_points(axis, values) for axis in self.axes))

    def linear_predictor_at(self, points: float) -> float:
        return self.intercept + points / self.points_per_unit

    @staticmethod
    def _axis_points(axis: NomogramAxis, values: dict[str, object]) -> float:
        if axis.name not in values:
            raise InputError(f'no value for "{axis.name}"', remedy="Give every variable of the nomogram")
        value = values[axis.name]
        label = f"{value:g}" if isinstance(value, (int, float)) else str(value)
        if label in axis.labels:
            return axis.points[axis.labels.index(label)]
        try:
            ticks = [float(tick) for tick in axis.labels]
            slope = (axis.points[-1] - axis.points[0]) / (ticks[-1] - ticks[0])
            return axis.points[0] + slope * (float(value) - ticks[0])
        except (TypeError, ValueError):
            known = ", ".join(axis.labels)
            raise InputError(f"{value} has no tick", where=axis.name, remedy=f"Known: {known}") from None


def logistic_nomogram(fit: LogisticFit, *, risk_ticks: Sequence[float] = RISK_TICKS) -> Nomogram:
    """Nomogram of a logistic regression; the last axis is the probability of the event."""
    eta = logit(np.clip(np.array(fit.fitted), 1e-15, 1 - 1e-15))
    return _nomogram(fit.variables, fit.betas[1:], fit.betas[0], eta, "probability", expit, logit, risk_ticks)


def cox_nomogram(
    fit: CoxFit, linear_predictor: Sequence[float], time: float, *, risk_ticks: Sequence[float] = RISK_TICKS
) -> Nomogram:
    """Nomogram of a Cox regression; the last axis is the probability of no event up to ``time``.

    Args:
        linear_predictor: of the patients (:func:`predict_cox`), for the range of its axis.

    Raises:
        InputError: no event up to ``time``.
    """
    hazard = np.append(0.0, fit.baseline_hazard)[np.searchsorted(fit.baseline_times, time, side="right")]
    if hazard <= 0:
        raise InputError(f"no event up to {time:g}", where="time", remedy="Choose a later time")
    eta = np.asarray(linear_predictor, dtype=np.float64) - fit.center

    def survival(value: float) -> float:
        return float(np.exp(-hazard * np.exp(value)))

    def inverse(probability: float) -> float:
        return float(np.log(-np.log(probability) / hazard))

    outcome = f"survival at {time:g}"
    known = eta[~np.isnan(eta)]
    return _nomogram(fit.variables, fit.betas, -fit.center, known, outcome, survival, inverse, risk_ticks)


def _nomogram(
    variables: Sequence[Variable],
    betas: np.ndarray,
    intercept: float,
    eta: np.ndarray,
    outcome: str,
    function: Callable[[float], float],
    inverse: Callable[[float], float],
    risk_ticks: Sequence[float],
) -> Nomogram:
    ticks = [_ticks(variable, part) for variable, part in zip(variables, _by_variable(variables, betas), strict=True)]
    widest = max(np.ptp(contribution) for _, contribution in ticks)
    if widest == 0:
        raise InputError("no predictor has any effect: there is nothing to draw", where="nomogram")
    scale = MOST_POINTS / widest
    axes = tuple(
        NomogramAxis(
            variable.name,
            labels,
            tuple(((contribution - contribution.min()) * scale).tolist()),
            tuple(contribution.tolist()),
        )
        for variable, (labels, contribution) in zip(variables, ticks, strict=True)
    )
    start = float(intercept + sum(contribution.min() for _, contribution in ticks))
    values = pretty(float(eta.min()), float(eta.max()), TICKS)
    points = (values - start) * scale
    limits = sorted((function(values[0]), function(values[-1])))
    shown = [risk for risk in risk_ticks if limits[0] <= risk <= limits[1]]
    return Nomogram(
        method=f"nomogram: largest effect {MOST_POINTS:g} points, {outcome} from the sum",
        outcome=outcome,
        axes=axes,
        total_points=tuple(pretty(0.0, float(points.max()), TICKS).tolist()),
        linear_predictor=tuple(zip(values.tolist(), points.tolist(), strict=True)),
        outcome_axis=tuple((float(risk), float((inverse(risk) - start) * scale)) for risk in shown),
        points_per_unit=float(scale),
        intercept=start,
    )


def _by_variable(variables: Sequence[Variable], betas: np.ndarray) -> list[np.ndarray]:
    return np.split(betas, np.cumsum([len(variable.terms) for variable in variables])[:-1])


def _ticks(variable: Variable, betas: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    if variable.levels:
        return variable.levels, np.append(0.0, betas)
    values = np.array(variable.values) if variable.values else pretty(variable.minimum, variable.maximum, TICKS)
    return tuple(f"{value:.12g}" for value in values), values * betas[0]


def pretty(low: float, high: float, intervals: int) -> np.ndarray:
    """About ``intervals`` equal steps of 1, 2, 5 or 10 times a power of ten that cover low to high.

    The choice of the unit is the one of Becker, Chambers & Wilks 1988 (R's ``pretty``): the largest whose distance
    from the wanted step is less than 1.5 times that of the next smaller one.
    """
    step = (high - low) / intervals
    if step <= 0:
        step = max(abs(low), 1.0) * 0.15 / intervals
    base = 10.0 ** np.floor(np.log10(step))
    unit = base
    for factor, bias in ((2, 1.5), (5, 2.75), (10, 1.5)):
        if factor * base - step < bias * (step - unit):
            unit = factor * base
    first, last = np.floor(low / unit + 1e-7), np.ceil(high / unit - 1e-7)
    return np.arange(first, last + 1) * unit
