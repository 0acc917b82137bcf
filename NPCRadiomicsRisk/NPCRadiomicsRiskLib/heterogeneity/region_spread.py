"""How regions lie in the space of several features, and how one feature spreads in both kinds of region."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.statistics.pca import PrincipalComponents, principal_components

from .paired_values import REGIONS, PairedValues

WHISKER = 1.5  # box lengths


@dataclass(frozen=True)
class Box:
    """One box of a box plot.

    Attributes:
        q1, median, q3: quartiles of type 7. low, high: last values within 1.5 box lengths.
        outliers: (patient, value) beyond.
    """

    region: str
    n: int
    q1: float
    median: float
    q3: float
    low: float
    high: float
    outliers: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FeatureBoxes:
    """One feature; boxes of recurrent and non-recurrent regions, without a box where there is no value."""

    name: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class RegionComponents:
    """Principal components over the regions of both kinds.

    Attributes:
        pca: variables, loadings, explained variance; ``pca.scores`` has one row per entry of ``regions``.
        regions: (patient, "GTVr" or "GTVnr").
        left_out: regions that lack a value.
        spread: region to SD of its scores on the first two components.
        beyond: patients whose recurrent region lies outside the range of the non-recurrent ones on the first component.
    """

    pca: PrincipalComponents
    regions: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]
    spread: dict[str, tuple[float, ...]]
    beyond: tuple[str, ...]

    def scores_of(self, region: str) -> np.ndarray:
        """(n, k) scores of one kind of region."""
        return np.array([s for s, (_, kind) in zip(self.pca.scores, self.regions, strict=True) if kind == region])


def region_components(values: PairedValues, names: Sequence[str]) -> tuple[RegionComponents | None, tuple[str, ...]]:
    """Components of some features, standardized over all 2 n regions; None with a sentence where there are none."""
    if len(names) < 2:
        return None, ()
    columns = [values.feature_names.index(name) for name in names]
    matrix = np.concatenate([values.recurrent[:, columns], values.nonrecurrent[:, columns]])
    regions = [(patient, region) for region in REGIONS for patient in values.patients]
    used = ~np.isnan(matrix).any(axis=1)
    left_out = tuple(region for region, keep in zip(regions, used, strict=True) if not keep)
    constant = [name for name, column in zip(names, matrix[used].T, strict=True) if column.size and not np.ptp(column)]
    if np.count_nonzero(used) < 3 or constant:
        reason = f"{', '.join(constant)} constant" if constant else f"{int(used.sum())} regions with all values"
        return None, (f"No principal components: {reason}.",)
    pca = principal_components(dict(zip(names, matrix.T, strict=True)))
    kept = tuple(region for region, keep in zip(regions, used, strict=True) if keep)
    found = RegionComponents(pca, kept, left_out, _spread(pca, kept), _beyond(pca, kept))
    notes = [
        "The features of the principal components were chosen for differing between the two kinds of region: that "
        "these lie apart is how they were chosen, no proof that new tumors could be told apart."
    ]
    if left_out:
        words = ", ".join(f"{region} of {patient}" for patient, region in left_out)
        notes.append(f"Left out of the principal components for missing values: {words}.")
    return found, tuple(notes)


def _spread(pca: PrincipalComponents, regions) -> dict[str, tuple[float, ...]]:
    spread = {}
    for kind in REGIONS:
        rows = np.array([score[:2] for score, (_, region) in zip(pca.scores, regions, strict=True) if region == kind])
        if len(rows) > 1:
            spread[kind] = tuple(rows.std(axis=0, ddof=1).tolist())
    return spread


def _beyond(pca: PrincipalComponents, regions) -> tuple[str, ...]:
    first = [(score[0], patient, kind) for score, (patient, kind) in zip(pca.scores, regions, strict=True)]
    rest = [score for score, _, kind in first if kind == REGIONS[1]]
    if not rest:
        return ()
    return tuple(
        patient for score, patient, kind in first if kind == REGIONS[0] and not min(rest) <= score <= max(rest)
    )


def feature_boxes(values: PairedValues) -> tuple[FeatureBoxes, ...]:
    """For every feature."""
    return tuple(
        FeatureBoxes(
            name,
            tuple(
                box
                for region, table in zip(REGIONS, (values.recurrent, values.nonrecurrent), strict=True)
                if (box := _box(region, table[:, column], values.patients))
            ),
        )
        for column, name in enumerate(values.feature_names)
    )


def _box(region: str, column: np.ndarray, patients: Sequence[str]) -> Box | None:
    present = column[~np.isnan(column)]
    if not present.size:
        return None
    q1, median, q3 = (float(q) for q in np.quantile(present, [0.25, 0.5, 0.75]))
    reach = WHISKER * (q3 - q1)
    within = present[(present >= q1 - reach) & (present <= q3 + reach)]
    outliers = tuple(
        (patient, float(value))
        for patient, value in zip(patients, column, strict=True)
        if value < q1 - reach or value > q3 + reach
    )
    return Box(region, present.size, q1, median, q3, float(within.min()), float(within.max()), outliers)
