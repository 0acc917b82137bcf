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
OUTLIER_SAMPLE = 20_000  # voxels tell well enough whether a pair is odd
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
        """float32, KJI; as the images not finite here and there."""
        total = self.m0[0].astype(np.float32)
        for image in self.m0[1:]:
            total += image
        return total if len(self.m0) == 1 else total / np.float32(len(self.m0))

    def m0_error(self, k: int, voxels: np.ndarray) -> np.ndarray | float:
        """Relative standard error of M0 in a slice, from its repeats; 0 when there is one image and it is not known."""
        if len(self.m0) < 2:
            return 0.0
        stack = np.stack([image[k][voxels] for image in self.m0]).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return stack.std(axis=0, ddof=1) / math.sqrt(len(stack)) / stack.mean(axis=0)


def pair_images(series: AslSeries) -> ImagePairs:
    """Sort a series by roles. Never by position: scanners interleave, block and reverse as they like.

    Raises:
        InputError: images of different shapes, nothing to subtract, only one of control and label, no M0.
    """
    _check_shapes(series)
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


def _check_shapes(series: AslSeries) -> None:
    shapes = {volume.shape for volume in series.volumes}
    if len(shapes) > 1:
        found = " and ".join(" x ".join(str(length) for length in reversed(shape)) for shape in sorted(shapes))
        raise InputError(
            f"the images differ in size ({found})", where=series.name, remedy="Resample them to one grid first"
        )
    n_volumes = len(series.volumes)
    for what, values in (("roles", series.roles), ("delays", series.post_labeling_delays_ms)):
        if len(values) != n_volumes:
            raise InputError(
                f"{len(values)} {what} were given for {n_volumes} images",
                where=series.name,
                remedy="Give one per image",
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

    def of_slice(self, k: int, voxels: np.ndarray | None = None) -> np.ndarray:
        """(pairs, n) float32, voxels of a slice (all, or those of a boolean mask) in the units of M0."""
        shape = self.images.pairs[self.kept[0]][0][k].shape
        stack = np.empty((self.n_pairs, *shape), dtype=np.float32)
        for image, n in zip(stack, self.kept, strict=True):
            self._subtract(n, k, image)
        return stack.reshape(self.n_pairs, -1) if voxels is None else stack[:, voxels]

    def at(self, indices_kji: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        """(pairs, n) float32, some voxels of all slices."""
        stack = np.empty((self.n_pairs, len(indices_kji[0])), dtype=np.float32)
        for row, n in zip(stack, self.kept, strict=True):
            self._subtract(n, indices_kji, row)
        return stack

    def _subtract(self, n: int, part, out: np.ndarray) -> None:
        """Of a pair. In floating point from the start: unsigned integers would wrap around, and float64 images keep
        their digits until the large common signal is gone."""
        first, second = self.images.pairs[n]
        if second is None:
            out[...] = first[part]
        else:
            precision = np.result_type(first, second, np.float32)
            np.subtract(first[part], second[part], out=out, dtype=precision, casting="same_kind")
        if self.scale != 1:
            out /= np.float32(self.scale)


def outlier_pairs(differences: Differences, in_mask: np.ndarray) -> Generator[float, None, tuple[int, ...]]:
    """Numbers of pairs whose difference deviates from the median of those of the same delay.

    The mean absolute deviation over a sample of the mask is compared between pairs by a robust z score. Fewer than four
    pairs of a delay cannot tell which one is odd.
    """
    delays = differences.delays_ms
    groups = [np.flatnonzero(delays == delay) for delay in np.unique(delays)]
    groups = [group for group in groups if len(group) >= MIN_PAIRS_FOR_OUTLIERS]
    if not groups or differences.images.by_means or not in_mask.any():
        return ()
    inside = np.flatnonzero(in_mask)
    sample = np.unravel_index(inside[:: max(1, inside.size // OUTLIER_SAMPLE)], in_mask.shape)
    odd: list[int] = []
    for done, group in enumerate(groups, start=1):
        stack = replace(differences, kept=tuple(int(n) for n in group)).at(sample)
        stack = stack[:, np.isfinite(stack).all(axis=0)]
        if stack.size:
            odd += [int(n) for n in group[_deviates(stack)]]
        yield 0.05 + 0.15 * done / len(groups)
    return tuple(sorted(odd))


def _deviates(stack: np.ndarray) -> np.ndarray:
    """Which rows are unlike the others."""
    scores = np.abs(stack - np.median(stack, axis=0)).mean(axis=1, dtype=np.float64)
    usual = np.median(scores)
    spread = MAD_TO_SD * np.median(np.abs(scores - usual))
    return (scores - usual > OUTLIER_Z * spread) & (scores > MIN_OUTLIER_RATIO * usual)
