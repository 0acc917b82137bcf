"""How much two regions of a tumor differ by their sizes alone: the tumor divided anew, at random, in the same sizes.

Many texture features depend on the number of voxels (NGTDM coarseness, strength and busyness most of all). In a tumor
of one tissue throughout, GTVr and GTVnr therefore differ as soon as one is smaller. What the difference between GTVr
and GTVnr has to exceed is not 0 but the difference between random parts of those sizes. Beyond the paper.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from ..heterogeneity.paired_values import MissingValue, PairedValues
from ..subregions.division import GTVNR, GTVR
from .stability import MeasuredRegions, Panel, attempted, measured_regions

FEWEST_FOR_P = 19  # random divisions; fewer cannot give p = 0.05


@dataclass(frozen=True)
class FeatureSizeControl:
    """One feature of one patient; None where not defined.

    Attributes:
        difference: GTVr - GTVnr; expected: mean over the random divisions; excess: difference - expected.
        low, high: the middle 95 % of the random divisions.
        p: how often a random division is as far from the expected value or farther, two-sided, (1 + k) / (1 + n); None
            with fewer than 19. Neighboring divisions overlap, so it says little of one patient alone.
        n: divisions with a value.
    """

    name: str
    difference: float | None
    expected: float | None
    excess: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int


@dataclass(frozen=True, eq=False)
class SizeControl:
    """Attributes:
    reference: as drawn; divided: one per random division. features: in the panel's order.
    """

    feature_names: tuple[str, ...]
    reference: MeasuredRegions
    divided: tuple[MeasuredRegions, ...]
    features: tuple[FeatureSizeControl, ...]
    method: str
    warnings: tuple[str, ...]

    def columns(self) -> dict[str, list]:
        """For a CSV file: column name to values."""
        names = ("name", "difference", "expected", "excess", "low", "high", "p", "n")
        return {("feature" if n == "name" else n): [getattr(each, n) for each in self.features] for n in names}


def random_divisions(
    gtv: np.ndarray, gtvr: np.ndarray, spacing_mm_kji: Sequence[float], n: int = 20, seed: int = 0
) -> Iterator[np.ndarray]:
    """Parts of the GTV with as many voxels as GTVr in it, each cut off by a plane of random direction.

    Directions come in opposite pairs.

    Args:
        gtv, gtvr: masks KJI.

    Raises:
        InputError: no GTVr in the GTV, or no rest; n < 1.
    """
    tumor = np.asarray(gtv) != 0
    wanted = int(np.count_nonzero(tumor & (np.asarray(gtvr) != 0)))
    if not 0 < wanted < np.count_nonzero(tumor):
        raise InputError("GTV must hold both GTVr and a rest", where="size control")
    if n < 1:
        raise InputError(f"{n} random divisions", where="size control", remedy="Give 1 or more")
    return _divisions(tumor, wanted, np.asarray(spacing_mm_kji, float), n, seed)


def _divisions(tumor: np.ndarray, wanted: int, spacing: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    points_mm = np.argwhere(tumor) * spacing
    for number in range(n):
        rng = np.random.default_rng([seed, number // 2])
        direction = rng.standard_normal(3) * (1 if number % 2 == 0 else -1)
        # A little noise, or planes along the grid would cut a row of voxels in the order of their numbers.
        along = points_mm @ (direction / np.linalg.norm(direction)) + 1e-3 * rng.standard_normal(len(points_mm))
        part = np.zeros(len(points_mm), bool)
        part[np.argpartition(along, -wanted)[-wanted:]] = True
        mask = np.zeros(tumor.shape, bool)
        mask[tumor] = part
        yield mask


def size_control(
    volume: np.ndarray,
    gtv: np.ndarray,
    gtvr: np.ndarray,
    spacing_mm_kji: Sequence[float],
    settings=None,
    *,
    n: int = 20,
    seed: int = 0,
    panel: Panel | None = None,
    progress: Callable[[float], None] | None = None,
) -> SizeControl:
    """Features of random divisions of one tumor beside those of GTVr and GTVnr; arguments as
    ``stability.feature_stability``.

    Raises:
        InputError: as ``random_divisions`` and the panel for the contours as drawn.
    """
    if panel is None:
        from ..texture.panel47 import TextureSettings, texture_panel

        panel, settings = texture_panel, settings or TextureSettings()
    report = progress or (lambda fraction: None)
    tumor = np.asarray(gtv) != 0
    recurrent = tumor & (np.asarray(gtvr) != 0)
    spacing = tuple(float(value) for value in spacing_mm_kji)
    parts = random_divisions(tumor, recurrent, spacing, n, seed)
    features = panel(volume, {GTVR: recurrent, GTVNR: tumor & ~recurrent}, spacing, settings)
    names = tuple(features[GTVR].values)
    reference = measured_regions(features, names, "", 0, "as drawn", 0.0)
    report(1 / (n + 1))
    divided = []
    for number, part in enumerate(parts):
        changed = np.count_nonzero(part != recurrent) / np.count_nonzero(tumor)
        facts = ("random division", number, f"random division {number + 1}", float(changed))
        regions = {GTVR: part, GTVNR: tumor & ~part}
        divided.append(attempted(panel, volume, regions, spacing, settings, names, facts))
        report((2 + number) / (n + 1))
    failed = [each.problem for each in divided if each.problem]
    warnings = (f"{len(failed)} of {n} random divisions gave no features: {failed[0]}.",) if failed else ()
    return SizeControl(
        feature_names=names,
        reference=reference,
        divided=tuple(divided),
        features=tuple(_feature(column, name, reference, divided) for column, name in enumerate(names)),
        method=f"{n} divisions of the GTV by planes of random direction (seed {seed}), each part with as many voxels "
        "as GTVr",
        warnings=warnings,
    )


def _feature(
    column: int, name: str, reference: MeasuredRegions, divided: Sequence[MeasuredRegions]
) -> FeatureSizeControl:
    difference = float(reference.differences[column])
    drawn = np.array([each.differences[column] for each in divided])
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(difference) or not drawn.size:
        return FeatureSizeControl(name, None if math.isnan(difference) else difference, *[None] * 5, n=drawn.size)
    expected = float(drawn.mean())
    low, high = (float(limit) for limit in np.quantile(drawn, [0.025, 0.975]))
    farther = np.count_nonzero(np.abs(drawn - expected) >= abs(difference - expected))
    p = (1 + farther) / (1 + drawn.size) if drawn.size >= FEWEST_FOR_P else None
    return FeatureSizeControl(name, difference, expected, difference - expected, low, high, p, drawn.size)


def excess_values(patients: Mapping[str, SizeControl]) -> PairedValues:
    """The differences of many patients beside those expected by size, for ``compare_subregions``.

    ``recurrent`` holds GTVr - GTVnr and ``nonrecurrent`` what random divisions of those sizes give, so that the
    comparison tests the excess.

    Raises:
        InputError: no patient, or patients with different features.
    """
    if not patients:
        raise InputError("no patient", where="size control")
    names = next(iter(patients.values())).feature_names
    for patient, found in patients.items():
        if found.feature_names != names:
            raise InputError("it has other features than the first patient", where=f"patient {patient}")
    sides = [
        np.array([[math.nan if (v := getattr(f, side)) is None else v for f in p.features] for p in patients.values()])
        for side in ("difference", "expected")
    ]
    missing = tuple(
        MissingValue(patient, GTVR, each.name, found.reference.reasons.get(each.name, "no value"))
        for patient, found in patients.items()
        for each in found.features
        if each.excess is None
    )
    note = "Tested is the excess of GTVr - GTVnr over random divisions of the tumor in the same sizes."
    return PairedValues(tuple(patients), names, *sides, missing=missing, notes=(note,))
