"""Tumor blood flow from arterial spin labeling: Eq. 2 of Liu et al. 2022, or the general kinetic model.

Liu J et al., Insights Imaging 2022;13:114; the formula is that of Alsop et al., Magn Reson Med 2015;73:102-116. Nothing
is corrected silently: every number that enters the result is a :class:`Parameter` with its source.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from .asl_series import AslSeries
from .blood_flow_formula import continuous_flow_per_signal
from .kinetic_model import ModelBias, fit_kinetic_model, single_delay_bias
from .perfusion_images import Differences, ImagePairs, outlier_pairs, pair_images
from .perfusion_parameters import (
    KineticFacts,
    Parameter,
    PerfusionModel,
    PerfusionSettings,
    resolve_parameters,
    with_typed_delays,
)
from .voxel_status import StatusCode

__all__ = [
    "Parameter",
    "PerfusionMap",
    "PerfusionModel",
    "PerfusionQuality",
    "PerfusionSettings",
    "PerfusionStatus",
    "iter_quantify_perfusion",
    "quantify_perfusion",
    "tumor_blood_flow",
]

NEGATIVE_SE = 2.0  # below zero by so many standard errors: more than noise
SWAPPED_FRACTION = 0.6  # of voxels with negative flow: control and label are the other way round
M0_PERCENTILE = 98.0
PERCENTILE_SAMPLE = 200_000  # voxels are enough to know a percentile
CHUNK_VOXELS = 16_384


class PerfusionStatus(StatusCode):
    """What became of a voxel. 1 to 3 have no value (0 in every map); 4 and 5 keep it and carry a remark."""

    OK = 0
    LOW_M0 = 1
    NON_FINITE = 2
    NOT_FITTED = 3
    NEGATIVE = 4
    LATE_ARRIVAL = 5

    def label(self) -> str:
        return {
            PerfusionStatus.OK: "ok",
            PerfusionStatus.LOW_M0: "low M0",
            PerfusionStatus.NON_FINITE: "non-finite",
            PerfusionStatus.NOT_FITTED: "not fitted",
            PerfusionStatus.NEGATIVE: "negative flow",
            PerfusionStatus.LATE_ARRIVAL: "late arrival",
        }[self]

    @property
    def is_fitted(self) -> bool:
        return self in (PerfusionStatus.OK, PerfusionStatus.NEGATIVE, PerfusionStatus.LATE_ARRIVAL)

    @property
    def remedy(self) -> str:
        return {
            PerfusionStatus.NEGATIVE: "Check which images are control and label, and motion.",
            PerfusionStatus.LATE_ARRIVAL: "Longer delays would see the blood arrive.",
        }.get(self, "")


HAS_VALUE = np.array([code.is_fitted for code in PerfusionStatus])  # by status code


@dataclass(frozen=True)
class PerfusionQuality:
    """How much of the image the noise rules; of voxels with enough M0.

    Attributes:
        n_pairs, n_pairs_dropped: control-label pairs (or ready differences) that there are and that were left out.
        outlier_pairs: numbers (from 0) of pairs that deviate, dropped or not.
        negative_fraction: share of voxels with flow below zero.
        spatial_cov: standard deviation over mean of the flow.
        temporal_snr: median of mean over standard deviation of the repeated differences; None without repeats.
    """

    n_pairs: int
    n_pairs_dropped: int
    outlier_pairs: tuple[int, ...]
    negative_fraction: float | None
    spatial_cov: float | None
    temporal_snr: float | None
    n_mask_voxels: int


@dataclass(frozen=True)
class PerfusionMap:
    """Maps and facts of one quantification. Maps are KJI, float32, and 0 where a voxel has no value.

    Attributes:
        tbf_ml_per_100g_min: tumor blood flow.
        standard_error: of it, from the repeats (and from the fit for several delays); None without.
        status: uint8, one :class:`PerfusionStatus` per voxel.
        delta_m: mean control - label, in image units, unscaled; for several delays over all of them.
        m0: proton density image as it enters the formula; None for a vendor's flow map, as is delta_m.
        transit_time_ms, transit_time_se_ms: of several delays, else None.
        degrees_of_freedom: of the standard errors; nan without.
        model_bias: of a single delay, else None.
        formula: what was computed, with the numbers.
        parameters: every number that entered, with its source.
        warnings: sentences for the report.
    """

    tbf_ml_per_100g_min: np.ndarray
    standard_error: np.ndarray | None
    status: np.ndarray
    delta_m: np.ndarray | None
    m0: np.ndarray | None
    transit_time_ms: np.ndarray | None
    transit_time_se_ms: np.ndarray | None
    model: PerfusionModel
    parameters: tuple[Parameter, ...]
    quality: PerfusionQuality
    degrees_of_freedom: float
    model_bias: ModelBias | None
    formula: str
    warnings: tuple[str, ...] = ()


def tumor_blood_flow(
    delta_m: np.ndarray,
    m0: np.ndarray,
    *,
    post_labeling_delay_ms,
    label_duration_ms: float,
    t1_blood_ms: float = 1650.0,
    labeling_efficiency: float = 0.85,
    partition_coefficient_ml_per_g: float = 0.9,
) -> np.ndarray:
    """Eq. 2 of Liu et al. 2022, in mL/100g/min.

    Args:
        delta_m, m0: control - label, and the proton density image, in the same units; m0 must not be zero.
        post_labeling_delay_ms: a number, or an array that broadcasts (one per slice).

    Returns:
        The type of the images: float32 stays float32.
    """
    factor = continuous_flow_per_signal(
        post_labeling_delay_ms,
        label_duration_ms,
        t1_blood_ms,
        labeling_efficiency,
        partition_coefficient_ml_per_g,
    )
    return delta_m / m0 * np.asarray(factor, dtype=np.result_type(delta_m, m0))


def quantify_perfusion(
    series: AslSeries, settings: PerfusionSettings | None = None, mask: np.ndarray | None = None
) -> PerfusionMap:
    """All steps of :func:`iter_quantify_perfusion`."""
    steps = iter_quantify_perfusion(series, settings, mask)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def iter_quantify_perfusion(
    series: AslSeries, settings: PerfusionSettings | None = None, mask: np.ndarray | None = None
) -> Generator[float, None, PerfusionMap]:
    """Quantify blood flow, yielding the fraction done between pieces of some 10 ms.

    Args:
        series: images with roles; a flow map by the vendor passes through.
        settings: typed facts win over those of the series.
        mask: boolean KJI; voxels outside count as low M0. Default: M0 above a share of its 98th percentile.

    Returns:
        PerfusionMap, as the generator's value.

    Raises:
        InputError: roles, delay, label duration, scale or field strength that are needed and missing, or make no sense.
    """
    settings = settings or PerfusionSettings()
    images = pair_images(series)
    if images.flow is not None:
        return _vendor_map(series, images)
    images = with_typed_delays(images, settings.post_labeling_delay_ms, series.name)
    facts = resolve_parameters(series, settings, images)
    m0 = images.mean_m0()
    in_mask = _m0_mask(m0, settings.m0_threshold_fraction) if mask is None else mask & (m0 > 0)
    yield 0.05
    differences = Differences(images, facts.perfusion_scale)
    outliers, warnings = yield from _find_outliers(differences, in_mask)
    kept = differences.without(outliers) if settings.drop_outlier_pairs else differences
    corrected_m0 = np.where(in_mask, m0 / facts.m0_recovery, 0).astype(np.float32)
    maps = _Maps(series.shape_kji, in_mask, facts.model)
    slices = range(series.shape_kji[0])
    for k in slices:
        maps.quantify_slice(k, kept, corrected_m0[k], facts)
        yield 0.2 + 0.8 * (k + 1) / len(slices)
    quality = maps.quality(kept, differences.n_pairs, outliers)
    return PerfusionMap(
        tbf_ml_per_100g_min=maps.tbf,
        standard_error=maps.standard_error if maps.has_errors else None,
        status=maps.status,
        delta_m=maps.delta_m,
        m0=corrected_m0,
        transit_time_ms=maps.transit,
        transit_time_se_ms=maps.transit_se if maps.has_errors else None,
        model=facts.model,
        parameters=facts.parameters,
        quality=quality,
        degrees_of_freedom=maps.degrees_of_freedom,
        model_bias=_bias(facts),
        formula=_formula(facts),
        warnings=(*images.warnings, *facts.warnings, *warnings, *_flow_warnings(quality)),
    )


def _m0_mask(m0: np.ndarray, fraction: float) -> np.ndarray:
    """Voxels with so much proton density that a ratio to it means something."""
    sample = m0.ravel()[:: max(1, m0.size // PERCENTILE_SAMPLE)]
    sample = sample[sample > 0]
    return m0 > (fraction * np.percentile(sample, M0_PERCENTILE) if sample.size else 0)


def _find_outliers(differences: Differences, in_mask: np.ndarray):
    """Numbers of pairs that deviate, and a sentence about them."""
    outliers = yield from outlier_pairs(differences, in_mask)
    if not outliers:
        return (), ()
    numbers = ", ".join(str(n + 1) for n in outliers)
    return outliers, (f"Control-label pairs that deviate from the others: {numbers} (of {differences.n_pairs}).",)


class _Maps:
    """The maps while they are filled, slice by slice."""

    def __init__(self, shape, in_mask: np.ndarray, model: PerfusionModel):
        self.in_mask, self.model = in_mask, model
        self.tbf = np.zeros(shape, dtype=np.float32)
        self.standard_error = np.zeros(shape, dtype=np.float32)
        self.delta_m = np.zeros(shape, dtype=np.float32)
        self.status = np.where(in_mask, PerfusionStatus.OK, PerfusionStatus.LOW_M0).astype(np.uint8)
        is_kinetic = model is PerfusionModel.KINETIC
        self.transit = np.zeros(shape, dtype=np.float32) if is_kinetic else None
        self.transit_se = np.zeros(shape, dtype=np.float32) if is_kinetic else None
        self.has_errors, self.degrees_of_freedom = False, math.nan
        self._snr: list[np.ndarray] = []

    def quantify_slice(self, k: int, differences: Differences, m0: np.ndarray, facts: KineticFacts) -> None:
        voxels = self.in_mask[k]
        if not voxels.any():
            return
        stack = differences.of_slice(k, voxels)  # (pairs, n), in image units of the M0
        self.delta_m[k][voxels] = np.nan_to_num(stack.mean(axis=0), nan=0.0, posinf=0.0, neginf=0.0)
        signal = stack / m0[voxels]
        with np.errstate(invalid="ignore", over="ignore"):
            if self.model is PerfusionModel.KINETIC:
                flow, error, extra = self._fit(k, signal, differences, facts)
            else:
                flow, error, extra = self._single(k, signal, differences.images.m0_error(k, voxels), facts)
        finite = np.isfinite(flow)
        status = np.where(finite, extra, PerfusionStatus.NON_FINITE).astype(np.uint8)
        limit = -NEGATIVE_SE * error if self.has_errors else 0.0
        with np.errstate(invalid="ignore"):
            status[(status == PerfusionStatus.OK) & (flow < limit)] = PerfusionStatus.NEGATIVE
        self.status[k][voxels] = status
        usable = HAS_VALUE[status]
        self.tbf[k][voxels] = np.where(usable, flow, 0)
        self.standard_error[k][voxels] = np.where(usable & np.isfinite(error), error, 0)

    def _single(self, k: int, signal: np.ndarray, m0_relative_error, facts: KineticFacts):
        """Eq. 2 of the mean difference, and its standard error from the repeats."""
        factor = facts.flow_per_signal(k)
        n_pairs = len(signal)
        mean = signal.mean(axis=0)
        flow = np.float32(factor) * mean
        error = np.zeros(flow.shape, dtype=np.float32)
        if n_pairs > 1 and not facts.is_paired_by_means:
            spread = signal.std(axis=0, ddof=1)
            error = factor * np.hypot(spread / math.sqrt(n_pairs), mean * m0_relative_error)
            self._remember_snr(mean, spread)
            self.has_errors, self.degrees_of_freedom = True, n_pairs - 1.0
        return flow, error, np.zeros(flow.shape, dtype=np.uint8)

    def _fit(self, k: int, signal: np.ndarray, differences: Differences, facts: KineticFacts):
        """The general kinetic model, some thousand voxels at a time."""
        delays, group = np.unique(differences.delays_ms, return_inverse=True)
        n_repeats = np.bincount(group)
        means = np.stack([signal[group == n].mean(axis=0) for n in range(len(delays))]).astype(np.float64)
        within = sum(((signal[group == n] - means[n]) ** 2).sum(axis=0) for n in range(len(delays)))
        parts = []
        for start in range(0, signal.shape[1], CHUNK_VOXELS):
            part = slice(start, start + CHUNK_VOXELS)
            fit = fit_kinetic_model(
                np.nan_to_num(means[:, part]),
                delays + facts.slice_time_ms(k),
                facts.constants,
                n_repeats=n_repeats,
                within_sum_of_squares=within[part] if n_repeats.max() > 1 else None,
            )
            parts.append(fit)
        if n_repeats.max() > 1:
            pooled = np.sqrt(within / (n_repeats.sum() - len(delays)))
            self._remember_snr(means.mean(axis=0), pooled)
        flow, error, transit, transit_se, at_limit = (
            np.concatenate([getattr(fit, name) for fit in parts])
            for name in (
                "tbf_ml_per_100g_min",
                "tbf_se",
                "transit_time_ms",
                "transit_time_se_ms",
                "transit_time_at_limit",
            )
        )
        flow = np.where(np.isfinite(means).all(axis=0), flow, np.nan)
        self.degrees_of_freedom = parts[0].degrees_of_freedom
        self.has_errors = self.degrees_of_freedom > 0
        late = transit >= delays.max()
        extra = np.where(late, PerfusionStatus.LATE_ARRIVAL, PerfusionStatus.OK).astype(np.uint8)
        extra[~np.isfinite(error) & ~at_limit] = PerfusionStatus.NOT_FITTED
        voxels = self.in_mask[k]
        shown = np.isfinite(flow) & (extra != PerfusionStatus.NOT_FITTED)
        self.transit[k][voxels] = np.where(shown, transit, 0)
        self.transit_se[k][voxels] = np.where(shown & np.isfinite(transit_se), transit_se, 0)
        return flow, error, extra

    def _remember_snr(self, mean: np.ndarray, spread: np.ndarray) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = mean / spread
        self._snr.append(ratio[np.isfinite(ratio)])

    def quality(self, kept: Differences, n_pairs: int, outliers: Sequence[int]) -> PerfusionQuality:
        flow = self.tbf[HAS_VALUE[self.status]]
        mean = flow.mean(dtype=np.float64) if flow.size else 0.0
        ratios = np.concatenate(self._snr) if self._snr else np.empty(0)
        return PerfusionQuality(
            n_pairs=n_pairs,
            n_pairs_dropped=n_pairs - kept.n_pairs,
            outlier_pairs=tuple(outliers),
            negative_fraction=float(np.mean(flow < 0)) if flow.size else None,
            spatial_cov=float(flow.std(dtype=np.float64) / mean) if mean > 0 else None,
            temporal_snr=float(np.median(ratios)) if ratios.size else None,
            n_mask_voxels=int(np.count_nonzero(self.in_mask)),
        )


def _flow_warnings(quality: PerfusionQuality) -> tuple[str, ...]:
    if not quality.n_mask_voxels:
        return ("No voxel has enough M0: the map is empty. Check the M0 image.",)
    if quality.negative_fraction is not None and quality.negative_fraction > SWAPPED_FRACTION:
        return (
            f"{quality.negative_fraction:.0%} of the voxels have negative flow: control and label are probably "
            "swapped. Swap their roles.",
        )
    return ()


def _bias(facts: KineticFacts) -> ModelBias | None:
    if facts.model is not PerfusionModel.SINGLE_DELAY:
        return None
    return single_delay_bias(facts.delay_ms, facts.constants, lambda signal: signal * facts.flow_per_signal(None))


def _formula(facts: KineticFacts) -> str:
    constants = facts.constants
    efficiency = f"{constants.labeling_efficiency:.4g}"
    if facts.model is PerfusionModel.KINETIC:
        return (
            "Buxton 1998: (control - label)/M0 = 2 alpha f/lambda exp(-ATT/T1blood) [block of tau convolved with "
            f"exp(-t/T1')], 1/T1' = 1/T1tissue + f/lambda; alpha {efficiency}, lambda "
            f"{constants.partition_coefficient_ml_per_g:g}, T1blood {constants.t1_blood_ms:g} ms, T1tissue "
            f"{constants.t1_tissue_ms:g} ms, tau {constants.label_duration_ms:g} ms"
        )
    if facts.is_pulsed:
        return (
            "TBF = 6000 lambda (control - label) exp(TI/T1blood) / (2 alpha TI1 M0) = 6000 x "
            f"{constants.partition_coefficient_ml_per_g:g} x (control - label) x exp({facts.delay_ms:g}/"
            f"{constants.t1_blood_ms:g}) / (2 x {efficiency} x {constants.label_duration_ms / 1000:g} x M0)"
        )
    return (
        "TBF = 6000 lambda (control - label) exp(PLD/T1blood) / (2 alpha T1blood M0 (1 - exp(-tau/T1blood))) = 6000 x "
        f"{constants.partition_coefficient_ml_per_g:g} x (control - label) x exp({facts.delay_ms:g}/"
        f"{constants.t1_blood_ms:g}) / (2 x {efficiency} x {constants.t1_blood_ms / 1000:g} x M0 x (1 - exp(-"
        f"{constants.label_duration_ms:g}/{constants.t1_blood_ms:g})))"
    )


def _vendor_map(series: AslSeries, images: ImagePairs) -> PerfusionMap:
    """A flow map that the scanner computed: nothing is known of how, so nothing is corrected."""
    flow = images.flow.astype(np.float32)
    finite = np.isfinite(flow)
    status = np.where(finite, PerfusionStatus.OK, PerfusionStatus.NON_FINITE).astype(np.uint8)
    status[finite & (flow == 0)] = PerfusionStatus.LOW_M0
    status[finite & (flow < 0)] = PerfusionStatus.NEGATIVE
    values = np.nan_to_num(flow, nan=0.0, posinf=0.0, neginf=0.0)
    inside = values[status != PerfusionStatus.LOW_M0]
    mean = float(inside.mean()) if inside.size else 0.0
    quality = PerfusionQuality(
        n_pairs=0,
        n_pairs_dropped=0,
        outlier_pairs=(),
        negative_fraction=float(np.mean(inside < 0)) if inside.size else None,
        spatial_cov=float(inside.std() / mean) if mean > 0 else None,
        temporal_snr=None,
        n_mask_voxels=int(inside.size),
    )
    return PerfusionMap(
        tbf_ml_per_100g_min=values,
        standard_error=None,
        status=status,
        delta_m=None,
        m0=None,
        transit_time_ms=None,
        transit_time_se_ms=None,
        model=PerfusionModel.VENDOR_MAP,
        parameters=(),
        quality=quality,
        degrees_of_freedom=math.nan,
        model_bias=None,
        formula="as computed by the scanner",
        warnings=(
            *images.warnings,
            "The flow map was computed by the scanner: its formula and constants are not known here.",
        ),
    )
