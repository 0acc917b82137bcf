"""Principal components by singular value decomposition, with everything a scree plot and a biplot need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .model_data import complete, left_out, numbers


@dataclass(frozen=True)
class PrincipalComponents:
    """Components in order of falling variance; the largest absolute loading of each is positive.

    Attributes:
        method, variables, n, n_missing, warnings.
        scaled: whether columns were divided by their SD (n - 1) first.
        center, scale: (p,) what was subtracted and divided by (scale is empty if not scaled).
        sdev: (k,) standard deviations, k = min(n - 1, p); explained, cumulative: shares of the whole variance.
        loadings: k rows of p values, one component each (prcomp's rotation, transposed).
        scores: n rows of k values, for the patients used; used_rows: which rows those are, counted from 0.
        kaiser_components: components with variance above one (for scaled columns, else None).
        biplot_arrows: p rows (first, second component): loading times sdev, the correlation with the component if
            scaled; empty with fewer than two components.
    """

    method: str
    variables: tuple[str, ...]
    n: int
    n_missing: int
    scaled: bool
    center: tuple[float, ...]
    scale: tuple[float, ...]
    sdev: tuple[float, ...]
    explained: tuple[float, ...]
    cumulative: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    used_rows: tuple[int, ...]
    kaiser_components: int | None
    biplot_arrows: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]


def principal_components(columns: Mapping[str, Sequence], *, scaled: bool = True) -> PrincipalComponents:
    """Components of numeric columns (n,) over patients without gaps: X = U S V', loadings V, scores U S.

    Raises:
        InputError: fewer than two columns or complete patients, or a constant column when scaling.
    """
    named = {str(name): numbers(column, str(name)) for name, column in columns.items()}
    if len(named) < 2:
        raise InputError("principal components need two columns or more")
    used = complete(*named.values())
    matrix = np.column_stack(list(named.values()))[used]
    if matrix.shape[0] < 2:
        raise InputError(f"{matrix.shape[0]} complete patients", remedy="Leave out columns that are mostly empty")
    center, scale = matrix.mean(axis=0), matrix.std(axis=0, ddof=1)
    constant = [name for name, column in zip(named, matrix.T, strict=True) if np.ptp(column) == 0]
    if scaled and constant:
        raise InputError(f"constant: {', '.join(constant)}", remedy="Leave it out, or do not scale")
    if len(constant) == len(named):
        raise InputError("no column varies: there is nothing to explain", where=", ".join(constant))
    standard = (matrix - center) / scale if scaled else matrix - center
    left, singular, loadings = np.linalg.svd(standard, full_matrices=False)
    k = min(matrix.shape[0] - 1, matrix.shape[1])
    singular, loadings = singular[:k], loadings[:k]
    signs = np.sign(loadings[np.arange(k), np.abs(loadings).argmax(axis=1)])
    loadings, scores = loadings * signs[:, None], left[:, :k] * singular * signs
    sdev = singular / np.sqrt(matrix.shape[0] - 1)
    explained = sdev**2 / np.sum(standard.var(axis=0, ddof=1))
    return PrincipalComponents(
        method=f"principal components of {'standardized' if scaled else 'centered'} columns (SVD)",
        variables=tuple(named),
        n=matrix.shape[0],
        n_missing=int(np.count_nonzero(~used)),
        scaled=scaled,
        center=tuple(center.tolist()),
        scale=tuple(scale.tolist()) if scaled else (),
        sdev=tuple(sdev.tolist()),
        explained=tuple(explained.tolist()),
        cumulative=tuple(np.cumsum(explained).tolist()),
        loadings=tuple(tuple(row) for row in loadings.tolist()),
        scores=tuple(tuple(row) for row in scores.tolist()),
        used_rows=tuple(np.flatnonzero(used).tolist()),
        kaiser_components=int(np.count_nonzero(sdev**2 > 1 + 1e-12)) if scaled else None,
        biplot_arrows=tuple(tuple(row) for row in (loadings[:2] * sdev[:2, None]).T.tolist()) if k > 1 else (),
        warnings=_warnings(used, k, len(named)),
    )


def project(components: PrincipalComponents, columns: Mapping[str, Sequence]) -> np.ndarray:
    """Scores (n, k) of other patients on the same components; NaN where a value is missing.

    Raises:
        InputError: a column is lacking.
    """
    for name in components.variables:
        if name not in columns:
            raise InputError(f'no column named "{name}"', remedy="Give every variable of the components")
    matrix = np.column_stack([numbers(columns[name], name) for name in components.variables])
    standard = matrix - np.array(components.center)
    if components.scaled:
        standard = standard / np.array(components.scale)
    return standard @ np.array(components.loadings).T


def _warnings(used: np.ndarray, k: int, p: int) -> tuple[str, ...]:
    notes = list(left_out(used))
    if k < p:
        notes.append(f"more variables than patients: only {k} of {p} components exist")
    return tuple(notes)
