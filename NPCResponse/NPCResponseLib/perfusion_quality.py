"""How much of a blood flow map the noise rules, tallied while the map is filled."""

import math
from dataclasses import dataclass

import numpy as np

# Where most voxels have negative flow, and so much that noise does not explain the mean, control and label are swapped.
SWAPPED_FRACTION, SWAPPED_Z = 0.5, -6.0
SNR_SAMPLE = 4_000  # voxels of a slice are enough for the median over all slices


@dataclass(frozen=True)
class PerfusionQuality:
    """How much of the image the noise rules; of voxels with enough M0.

    Attributes:
        n_pairs, n_pairs_dropped: control-label pairs (or ready differences) that there are and that were left out.
        outlier_pairs: numbers (from 0) of pairs that deviate, dropped or not.
        negative_fraction: share of voxels with flow below zero.
        spatial_cov: standard deviation over mean of the flow.
        temporal_snr: median of mean over standard deviation of the repeated differences; None without repeats.
        mean_flow_z: mean flow of these voxels over its standard error, from their scatter.
    """

    n_pairs: int
    n_pairs_dropped: int
    outlier_pairs: tuple[int, ...]
    negative_fraction: float | None
    spatial_cov: float | None
    temporal_snr: float | None
    n_mask_voxels: int
    mean_flow_z: float | None = None


class Tally:
    """Sums over voxels with a value, so that no second pass over the maps is needed."""

    def __init__(self):
        self.n = self.n_negative = 0
        self.total = self.squares = 0.0
        self.ratios: list[np.ndarray] = []

    def add(self, flow: np.ndarray, usable: np.ndarray) -> None:
        """A slice of the map, 0 where there is no value."""
        values = flow.reshape(-1)
        self.n += int(np.count_nonzero(usable))
        self.n_negative += int(np.count_nonzero(values < 0))
        self.total += float(values.sum(dtype=np.float64))
        self.squares += float(np.einsum("v,v->", values, values, dtype=np.float64))

    def remember_snr(self, mean: np.ndarray, spread: np.ndarray, voxels: np.ndarray) -> None:
        step = max(1, voxels.size // SNR_SAMPLE)
        some = slice(None, None, step)
        ratio = (mean[some] / spread[some])[voxels[some]]
        self.ratios.append(ratio[np.isfinite(ratio)])

    def quality(self, n_pairs: int, n_dropped: int, outliers: tuple[int, ...], n_mask_voxels: int) -> PerfusionQuality:
        ratios = np.concatenate(self.ratios) if self.ratios else np.empty(0)
        mean = self.total / self.n if self.n else 0.0
        spread = math.sqrt(max(0.0, self.squares / self.n - mean**2)) if self.n else 0.0
        return PerfusionQuality(
            n_pairs=n_pairs,
            n_pairs_dropped=n_dropped,
            outlier_pairs=outliers,
            negative_fraction=self.n_negative / self.n if self.n else None,
            spatial_cov=spread / mean if mean > 0 else None,
            temporal_snr=float(np.median(ratios)) if ratios.size else None,
            n_mask_voxels=n_mask_voxels,
            mean_flow_z=mean * math.sqrt(self.n) / spread if spread else None,
        )


def pair_warnings(quality: PerfusionQuality) -> tuple[str, ...]:
    if not quality.outlier_pairs:
        return ()
    numbers = ", ".join(str(n + 1) for n in quality.outlier_pairs)
    left_out = "They were left out" if quality.n_pairs_dropped else "They were kept"
    return (f"Control-label pairs that deviate from the others: {numbers} (of {quality.n_pairs}). {left_out}.",)


def flow_warnings(quality: PerfusionQuality) -> tuple[str, ...]:
    if not quality.n_mask_voxels:
        return ("No voxel has enough M0: the map is empty. Check the M0 image.",)
    is_negative = quality.negative_fraction is not None and quality.negative_fraction > SWAPPED_FRACTION
    if is_negative and (quality.mean_flow_z is None or quality.mean_flow_z < SWAPPED_Z):
        return (
            f"{quality.negative_fraction:.0%} of the voxels have negative flow: control and label are probably "
            "swapped. Swap their roles.",
        )
    return ()
