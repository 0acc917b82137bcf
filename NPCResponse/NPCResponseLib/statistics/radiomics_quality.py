"""Radiomics quality score (RQS 1.0, Lambin et al. 2017, Nat Rev Clin Oncol 14:749): 16 items, -8 to 36 points."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import InputError

MOST_POINTS = 36
POINTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "image_protocol": (0, 1, 2),
        "multiple_segmentations": (0, 1),
        "phantom_study": (0, 1),
        "multiple_time_points": (0, 1),
        "feature_reduction": (-3, 3),
        "multivariable_non_radiomics": (0, 1),
        "biological_correlates": (0, 1),
        "cutoff_analyses": (0, 1),
        "discrimination": (0, 1, 2),
        "calibration": (0, 1, 2),
        "prospective": (0, 7),
        "validation": (-5, 2, 3, 4, 5),
        "gold_standard": (0, 2),
        "clinical_utility": (0, 2),
        "cost_effectiveness": (0, 1),
        "open_science": (0, 1, 2, 3, 4),
    }
)


@dataclass(frozen=True)
class RadiomicsQuality:
    """Sum of the points and its share of 36 in percent (a negative sum is 0 %)."""

    method: str
    items: tuple[tuple[str, int], ...]
    total: int
    percent: float


def radiomics_quality_score(items: Mapping[str, int]) -> RadiomicsQuality:
    """Add up the points of all sixteen items.

    Raises:
        InputError: an item is lacking or unknown, or has a number of points that the score does not know.
    """
    for name in items:
        if name not in POINTS:
            raise InputError(f'no item named "{name}"', where="RQS", remedy=f"The items are {', '.join(POINTS)}")
    lacking = [name for name in POINTS if name not in items]
    if lacking:
        raise InputError(f"no points for {', '.join(lacking)}", where="RQS", remedy="Score all sixteen items")
    for name, allowed in POINTS.items():
        if items[name] not in allowed:
            choices = ", ".join(map(str, allowed))
            raise InputError(f"{items[name]} points are not possible", where=name, remedy=f"Choose among {choices}")
    total = int(sum(items[name] for name in POINTS))
    return RadiomicsQuality(
        method="radiomics quality score 1.0 (Lambin 2017)",
        items=tuple((name, int(items[name])) for name in POINTS),
        total=total,
        percent=100 * max(0, total) / MOST_POINTS,
    )
