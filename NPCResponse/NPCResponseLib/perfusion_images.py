"""Which image belongs to which: control and label by role and delay, M0, ready differences; and their subtraction."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .asl_series import AslRole, AslSeries
from .errors import InputError

MIN_PAIRS_FOR_OUTLIERS = 4
OUTLIER_Z = 3.5  # robust z score, as is usual with the median absolute deviation (Iglewicz and Hoaglin 1993)
MAD_TO_SD = 1.4826
# Motion and swallowing change the difference by a multiple; a deviation of so little is none, however alike the others.
MIN_OUTLIER_RATIO = 1.5


@dataclass(frozen=True)
class ImagePairs:
    """The images of a series by what they are for.

    Attributes:
        pairs: for each difference, its control and label image, or a ready difference and None.
        delays_ms: one per pair; None where the series does not tell.
        by_means: control and label cannot be paired one to one; each "pair" is the means of all of one delay.
        m0: proton density images; empty only with a flow map.
        flow: a vendor's flow map, if that is all there is.
        warnings: sentences for the report.
    """

    pairs: tuple[tuple[np.ndarray, np.ndarray | None], ...] = ()
    delays_ms: tuple[float | None, ...] = ()
    by_means: bool = False
    m0: tuple[np.ndarray, ...] = ()
    flow: np.ndarray | None = None
    warnings: tuple[str, ...] = field(default=())

    def mean_m0(self) -> np.ndarray:
        """float32, KJI; what is not finite is 0."""
        total = np.zeros(self.m0[0].shape, dtype=np.float32)
        for image in self.m0:
            total += image.astype(np.float32)
        return np.nan_to_num(total / np.float32(len(self.m0)), nan=0.0, posinf=0.0, neginf=0.0)

    def m0_error(self, k: int, voxels: np.ndarray) -> np.ndarray | float:
        """Relative standard error of M0 in a slice, from its repeats; 0 when there is one image and it is not known."""
        if len(self.m0) < 2:
            return 0.0
        stack = np.stack([image[k][voxels] for image in self.m0]).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            return stack.std(axis=0, ddof=1) / math.sqrt(len(stack)) / stack.mean(axis=0)


def pair_images(series: AslSeries) -> ImagePairs:
    """Sort a series by roles. Never by position: scanners interleave, block and reverse as they like.

    Raises:
        InputError: nothing to subtract, only one of control and label, no M0.
    """
    controls, labels = series.indices(AslRole.CONTROL), series.indices(AslRole.LABEL)
    ready, flows, m0 = (series.indices(role) for role in (AslRole.DIFFERENCE, AslRole.FLOW, AslRole.M0))
    where = series.name
    if flows and not (controls or labels or ready):
        return _flow(series, flows)
    if not (controls or labels or ready):
        raise InputError(
            "there is no control, label or difference image", where=where, remedy="Give them, or correct the roles"
        )
    if bool(controls) != bool(labels) and not ready:
        missing = "label" if controls else "control"
        raise InputError(f"there is no {missing} image", where=where, remedy="Give it, or correct the roles")
    if not m0:
        raise InputError(
            "the M0 (proton density) image is missing",
            where=where,
            remedy="Give it: without it there is no absolute flow. A control image without background suppression and "
            "with a long TR may be given as M0",
        )
    images = tuple(series.volumes[n] for n in m0)
    if controls and labels:
        found = _by_role(series, controls, labels)
        left_out = (
            (f"{len(ready)} ready difference images were not used: there are control and label.",) if ready else ()
        )
        return replace(found, m0=images, warnings=(*found.warnings, *left_out))
    return ImagePairs(
        pairs=tuple((series.volumes[n], None) for n in ready),
        delays_ms=tuple(series.post_labeling_delays_ms[n] for n in ready),
        m0=images,
    )


def _flow(series: AslSeries, flows: Sequence[int]) -> ImagePairs:
    if len(flows) > 1:
        raise InputError(f"there are {len(flows)} flow maps", where=series.name, remedy="Give one of them")
    return ImagePairs(flow=series.volumes[flows[0]])


def _by_role(series: AslSeries, controls: Sequence[int], labels: Sequence[int]) -> ImagePairs:
    """The n-th control with the n-th label of the same delay."""
    delays = series.post_labeling_delays_ms
    pairs, pair_delays, unequal = [], [], []
    for delay in dict.fromkeys(delays[n] for n in (*controls, *labels)):
        these = [n for n in controls if delays[n] == delay]
        those = [n for n in labels if delays[n] == delay]
        if not these or not those:
            missing = "label" if these else "control"
            at = "" if delay is None else f" at a delay of {delay:g} ms"
            raise InputError(
                f"there is no {missing} image{at}", where=series.name, remedy="Give it, or correct roles and delays"
            )
        if len(these) == len(those):
            pairs += [(series.volumes[c], series.volumes[label]) for c, label in zip(these, those, strict=True)]
            pair_delays += [delay] * len(these)
            continue
        unequal.append((len(these), len(those)))
        pairs.append((_mean(series, these), _mean(series, those)))
        pair_delays.append(delay)
    warnings = tuple(
        f"{n} control and {m} label images cannot be paired: their means were subtracted, without a standard error."
        for n, m in unequal
    )
    return ImagePairs(tuple(pairs), tuple(pair_delays), by_means=bool(unequal), warnings=warnings)


def _mean(series: AslSeries, indices: Sequence[int]) -> np.ndarray:
    return np.mean([series.volumes[n] for n in indices], axis=0, dtype=np.float32)


@dataclass(frozen=True)
class Differences:
    """Control - label of each pair, a slice at a time, so that they are never in memory all at once.

    Attributes:
        scale: what ready differences are divided by to be in the units of M0.
        kept: numbers of the pairs that count.
    """

    images: ImagePairs
    scale: float
    kept: tuple[int, ...] = ()

    def __post_init__(self):
        if not self.kept:
            object.__setattr__(self, "kept", tuple(range(len(self.images.pairs))))

    @property
    def n_pairs(self) -> int:
        return len(self.kept)

    @property
    def delays_ms(self) -> np.ndarray:
        return np.array([self.images.delays_ms[n] for n in self.kept], dtype=np.float64)

    def without(self, pairs: Sequence[int]) -> "Differences":
        """The same without some pairs; all of them, if nothing would be left of a delay."""
        kept = tuple(n for n in self.kept if n not in pairs)
        lost = {self.images.delays_ms[n] for n in self.kept} - {self.images.delays_ms[n] for n in kept}
        return self if lost or not kept else replace(self, kept=kept)

    def of_slice(self, k: int, voxels: np.ndarray) -> np.ndarray:
        """(pairs, n) float32 of the voxels of a slice. Converted first: unsigned integers must not wrap around."""
        rows = []
        for n in self.kept:
            first, second = self.images.pairs[n]
            values = first[k][voxels].astype(np.float32)
            if second is not None:
                values -= second[k][voxels].astype(np.float32)
            rows.append(values)
        stack = np.stack(rows)
        return stack if self.scale == 1 else stack / np.float32(self.scale)


def outlier_pairs(differences: Differences, in_mask: np.ndarray) -> Generator[float, None, tuple[int, ...]]:
    """Numbers of pairs whose difference deviates from the median of those of the same delay.

    The mean absolute deviation over the mask is compared between pairs by a robust z score. Fewer than four pairs of a
    delay cannot tell which one is odd.
    """
    delays = np.array([np.nan if delay is None else delay for delay in differences.images.delays_ms])
    groups = [np.flatnonzero((delays == delay) | (np.isnan(delays) & np.isnan(delay))) for delay in np.unique(delays)]
    groups = [group for group in groups if len(group) >= MIN_PAIRS_FOR_OUTLIERS]
    if not groups or differences.images.by_means:
        return ()
    deviation = np.zeros(len(delays))
    for k in range(len(in_mask)):
        if in_mask[k].any():
            stack = np.nan_to_num(differences.of_slice(k, in_mask[k]))
            for group in groups:
                center = np.median(stack[group], axis=0)
                deviation[group] += np.abs(stack[group] - center).sum(axis=1)
        yield 0.05 + 0.15 * (k + 1) / len(in_mask)
    odd: list[int] = []
    for group in groups:
        scores = deviation[group]
        usual = np.median(scores)
        spread = MAD_TO_SD * np.median(np.abs(scores - usual))
        odd += [int(n) for n in group[(scores - usual > OUTLIER_Z * spread) & (scores > MIN_OUTLIER_RATIO * usual)]]
    return tuple(sorted(odd))
