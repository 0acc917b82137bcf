"""Does a finite maximum-likelihood estimate exist? Answered by a linear program, not by watching a fit diverge."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

TOLERANCE = 1e-7  # of the linear programs, on columns scaled to one


class SeparationKind(Enum):
    NONE = "none"
    QUASI_COMPLETE = "quasi-complete"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Separation:
    """Whether some combination of predictors tells the outcome without a single mistake.

    Attributes:
        kind: complete (a gap between the classes), quasi-complete (they touch), or none.
        columns: indices of the columns of the matrix whose coefficients have no finite estimate.
    """

    kind: SeparationKind
    columns: tuple[int, ...]


def find_separation(matrix: np.ndarray, labels: np.ndarray) -> Separation:
    """Separation in logistic regression (Albert & Anderson 1984, Biometrika 71:1; linear program of Konis 2007).

    With s = +1 for events and -1 for others: maximize sum s_i x_i'b subject to s_i x_i'b >= 0 and |b| <= 1. A maximum
    above zero is a direction in which the likelihood never falls; the data are completely separated if in addition
    s_i x_i'b >= t for all i with a t > 0.

    Args:
        matrix: (n, k), intercept included; labels: (n,) of 0 and 1.
    """
    signed = _scaled(matrix) * np.where(labels == 1, 1.0, -1.0)[:, None]
    direction = _largest(signed.sum(axis=0), -signed)
    if signed.sum(axis=0) @ direction <= TOLERANCE * labels.size:
        return Separation(SeparationKind.NONE, ())
    columns = tuple(int(column) for column in np.flatnonzero(np.abs(direction) > TOLERANCE))
    n, k = signed.shape
    gap = _largest(np.append(np.zeros(k), 1.0), np.column_stack([-signed, np.ones(n)]))[-1]
    return Separation(SeparationKind.COMPLETE if gap > TOLERANCE else SeparationKind.QUASI_COMPLETE, columns)


def find_monotone_likelihood(matrix: np.ndarray, times: np.ndarray, events: np.ndarray) -> tuple[int, ...]:
    """Columns without a finite estimate in Cox regression; empty when all are finite.

    The partial likelihood never falls along b if at every event the patient with the event has the largest x'b of all
    still at risk (Bryson & Johnson 1981, Technometrics 23:381). Risk sets are nested, so one auxiliary value per event
    time, the largest x'b at risk, keeps the linear program small.

    Args:
        matrix: (n, k) predictors; times, events: (n,), events 1 or 0.
    """
    scaled = _scaled(matrix - matrix.mean(axis=0))
    n, k = scaled.shape
    event_times = np.unique(times[events == 1])
    m = event_times.size
    step = np.searchsorted(event_times, times, side="right") - 1  # the last event time that each patient reaches
    at_risk = step >= 0
    died = events == 1
    below = -_selector(step[at_risk], m)  # x_j'b <= M(step_j)
    above = _selector(step[died], m)  # M(t_i) <= x_i'b
    nested = sparse.diags_array([-np.ones(m), np.ones(m - 1)], offsets=[0, 1], shape=(m, m)).tocsr()[: m - 1]
    constraints = sparse.vstack(
        [
            sparse.hstack([sparse.csr_array(scaled[at_risk]), below]),
            sparse.hstack([sparse.csr_array(-scaled[died]), above]),
            sparse.hstack([sparse.csr_array((m - 1, k)), nested]),
        ]
    )
    order = np.argsort(-times, kind="stable")
    n_risk = np.searchsorted(-times[order], -times[died], side="right")
    risk_means = np.cumsum(scaled[order], axis=0)[n_risk - 1] / n_risk[:, None]
    gain = np.append((scaled[died] - risk_means).sum(axis=0), np.zeros(m))
    direction = _largest(gain, constraints, free=m)[:k]
    if gain[:k] @ direction <= TOLERANCE * n:
        return ()
    return tuple(int(column) for column in np.flatnonzero(np.abs(direction) > TOLERANCE))


def _largest(gain: np.ndarray, constraints: np.ndarray | sparse.csr_array, free: int = 0) -> np.ndarray:
    """The b with |b| <= 1 (the last ``free`` ones unbounded) and constraints @ b <= 0 that has the largest gain."""
    bounds = [(-1, 1)] * (gain.size - free) + [(None, None)] * free
    solution = linprog(-gain, A_ub=constraints, b_ub=np.zeros(constraints.shape[0]), bounds=bounds, method="highs")
    return solution.x if solution.success else np.zeros(gain.size)


def _selector(columns: np.ndarray, m: int) -> sparse.csr_array:
    """One row per entry with a one in its column, (len(columns), m)."""
    rows = np.arange(columns.size)
    return sparse.csr_array((np.ones(columns.size), (rows, columns)), shape=(columns.size, m))


def _scaled(matrix: np.ndarray) -> np.ndarray:
    largest = np.abs(matrix).max(axis=0)
    return matrix / np.where(largest > 0, largest, 1.0)
