"""The sums over risk sets that Cox regression is made of, one step per event."""

from dataclasses import dataclass

import numpy as np

MOST_NEWTON_STEPS = 50


@dataclass(frozen=True)
class EventSteps:
    """One step per event, in order of time; tied events of Efron's method see a risk set that shrinks by shares.

    Attributes:
        event_times: (m,) distinct event times; place: (d,) which of them each step belongs to.
        share: (d,) how much of each tied event is taken off already: l / (number tied), l = 0, 1, ...; 0 for Breslow.
        total: (d,) sum of exp(eta) over the risk set; mean: (d, k), covariance: (d, k, k) of the predictors in it.
        deaths: (m, k) sum of the predictors of the patients with the event.
    """

    event_times: np.ndarray
    place: np.ndarray
    share: np.ndarray
    total: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    deaths: np.ndarray

    def information(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Sum of the covariances, weighted per event time (m,); shape (k, k)."""
        factor = np.ones(self.place.size) if weights is None else weights[self.place]
        return np.einsum("d,dij->ij", factor, self.covariance)

    def score(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Sum over events of predictors minus their mean in the risk set, weighted per event time; shape (k,)."""
        factor = np.ones(self.event_times.size) if weights is None else weights
        return factor @ self.deaths - factor[self.place] @ self.mean

    def hazard(self) -> np.ndarray:
        """Rise of the cumulative baseline hazard (at eta = 0) at each event time, (m,)."""
        return np.bincount(self.place, weights=1 / self.total, minlength=self.event_times.size)

    def hazard_of_the_dying(self) -> np.ndarray:
        """The same for those with an event at that time, who leave by shares in Efron's method, (m,)."""
        return np.bincount(self.place, weights=(1 - self.share) / self.total, minlength=self.event_times.size)


def event_steps(
    matrix: np.ndarray, times: np.ndarray, events: np.ndarray, eta: np.ndarray, efron: bool = True
) -> EventSteps:
    """Risk-set sums at the linear predictor eta (n,), for predictors (n, k) (Efron 1977, JASA 72:557)."""
    event_times, per_time = np.unique(times[events == 1], return_counts=True)
    order = np.argsort(-times, kind="stable")
    inside = np.searchsorted(-times[order], -event_times, side="right") - 1  # last patient still at risk
    weight = np.exp(eta)
    outer = np.einsum("ni,nj->nij", matrix, matrix)
    at_risk = [np.cumsum(_weighted(weight, part)[order], axis=0)[inside] for part in (None, matrix, outer)]
    died = np.flatnonzero(events == 1)
    at = np.searchsorted(event_times, times[died])
    of_dying = [_sum_by(at, _weighted(weight, part)[died], event_times.size) for part in (None, matrix, outer)]
    place = np.repeat(np.arange(event_times.size), per_time)
    turn = np.arange(place.size) - np.repeat(np.cumsum(per_time) - per_time, per_time)
    share = turn / per_time[place] if efron else np.zeros(place.size)
    s0, s1, s2 = (
        risk[place] - share.reshape((-1,) + (1,) * (risk.ndim - 1)) * dying[place]
        for risk, dying in zip(at_risk, of_dying, strict=True)
    )
    mean = s1 / s0[:, None]
    covariance = s2 / s0[:, None, None] - np.einsum("di,dj->dij", mean, mean)
    return EventSteps(event_times, place, share, s0, mean, covariance, _sum_by(at, matrix[died], event_times.size))


def newton(matrix: np.ndarray, times: np.ndarray, events: np.ndarray, efron: bool = True) -> np.ndarray | None:
    """Coefficients (k,) by Newton steps, for bootstraps (ten times as fast as statsmodels); None if they diverge."""
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    beta = np.zeros(matrix.shape[1])
    for _ in range(MOST_NEWTON_STEPS):
        steps = event_steps(scaled, times, events, scaled @ beta, efron)
        step = np.linalg.lstsq(steps.information(), steps.score(), rcond=None)[0]
        step /= max(1.0, np.abs(scaled @ step).max() / 3.0)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            return beta / matrix.std(axis=0)
    return None


def _weighted(weight: np.ndarray, part: np.ndarray | None) -> np.ndarray:
    return weight if part is None else weight.reshape((-1,) + (1,) * (part.ndim - 1)) * part


def _sum_by(place: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    sums = np.zeros((size, *values.shape[1:]))
    np.add.at(sums, place, values)
    return sums
