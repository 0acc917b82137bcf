"""Tumor blood flow from arterial spin labeling: Eq. 2 of Liu et al. 2022, or the general kinetic model.

Liu J et al., Insights Imaging 2022;13:114; the formula is that of Alsop et al., Magn Reson Med 2015;73:102-116. Nothing
is corrected silently: every number that enters the result is a :class:`Parameter` with its source.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from scipy import special

from .asl_series import AslSeries
from .blood_flow_formula import continuous_flow_per_signal
from .errors import InputError
from .kinetic_model import KineticFit, ModelBias, fit_kinetic_model, single_delay_bias
from .perfusion_images import Differences, ImagePairs, outlier_pairs, pair_images
from .perfusion_parameters import (
    KineticFacts,
    Parameter,
    PerfusionModel,
    PerfusionSettings,
    formula_in_words,
    resolve_parameters,
    with_typed_delays,
)
from .perfusion_quality import PerfusionQuality, Tally, flow_warnings, pair_warnings
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
M0_PERCENTILE = 98.0
PERCENTILE_SAMPLE = 200_000  # voxels are enough to know a percentile
FIT_CHUNK_VOXELS = 512  # the search of more would not stay in the processor's cache
EARLY_FRACTION = 0.25  # of voxels with flow: worth a sentence


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
class PerfusionMap:
    """Maps and facts of one quantification. Maps are KJI, float32, and 0 where a voxel has no value.

    Attributes:
        tbf_ml_per_100g_min: tumor blood flow.
        standard_error: of it, from the repeats (and from the fit for several delays); None without. It contains the
            noise of M0 where that was repeated, else not.
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

    def confidence_factor(self, level: float = 0.95) -> float:
        """Half-width of a voxel's confidence interval in standard errors, by Student's t; nan without any."""
        return float(special.stdtrit(self.degrees_of_freedom, 0.5 + level / 2))


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
    in_mask = _usable_m0(m0, settings.m0_threshold_fraction, mask)
    yield 0.05
    differences = Differences(images, facts.perfusion_scale)
    outliers = yield from outlier_pairs(differences, in_mask)
    kept = differences.without(outliers) if settings.drop_outlier_pairs else differences
    maps = _Maps(kept, m0, in_mask, facts)
    n_slices = series.shape_kji[0]
    for k in range(n_slices):
        for share in maps.quantify_slice(k):
            yield 0.2 + 0.8 * (k + share) / n_slices
    quality = maps.quality(differences.n_pairs, outliers)
    has_errors = not math.isnan(maps.degrees_of_freedom)
    return PerfusionMap(
        tbf_ml_per_100g_min=maps.tbf,
        standard_error=maps.standard_error if has_errors else None,
        status=maps.status,
        delta_m=maps.delta_m,
        m0=maps.m0,
        transit_time_ms=maps.transit,
        transit_time_se_ms=maps.transit_se if has_errors else None,
        model=facts.model,
        parameters=facts.parameters,
        quality=quality,
        degrees_of_freedom=maps.degrees_of_freedom,
        model_bias=_bias(facts),
        formula=formula_in_words(facts),
        warnings=(
            *images.warnings,
            *facts.warnings,
            *pair_warnings(quality),
            *maps.warnings(),
            *flow_warnings(quality),
        ),
    )


def _usable_m0(m0: np.ndarray, fraction: float, mask: np.ndarray | None) -> np.ndarray:
    """Voxels with so much proton density that a ratio to it means something; or those of a given mask with any."""
    if mask is not None:
        if np.shape(mask) != m0.shape:
            raise InputError("the mask differs in size from the images", remedy="Resample it to their grid first")
        return np.asarray(mask, dtype=bool) & (m0 > 0) & (m0 < np.inf)
    sample = m0.ravel()[:: max(1, m0.size // PERCENTILE_SAMPLE)]
    sample = sample[(sample > 0) & (sample < np.inf)]
    return (m0 > (fraction * np.percentile(sample, M0_PERCENTILE) if sample.size else 0)) & (m0 < np.inf)


class _Maps:
    """The maps while they are filled, slice by slice."""

    def __init__(self, differences: Differences, m0: np.ndarray, in_mask: np.ndarray, facts: KineticFacts):
        self.differences, self.in_mask, self.facts = differences, in_mask, facts
        shape, is_kinetic = m0.shape, facts.model is PerfusionModel.KINETIC
        self.tbf, self.standard_error, self.delta_m = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        self.transit, self.transit_se = (np.zeros(shape, dtype=np.float32) if is_kinetic else None for _ in range(2))
        self.m0 = np.where(in_mask, m0, np.float32(0))
        if facts.m0_recovery != 1:
            self.m0 /= np.float32(facts.m0_recovery)
        self.status = np.full(shape, PerfusionStatus.LOW_M0, dtype=np.uint8)
        self.status[~np.isfinite(m0)] = PerfusionStatus.NON_FINITE
        self.degrees_of_freedom = self._degrees_of_freedom()
        self._tally = Tally()
        self._n_with_flow = self._n_early = 0

    def _degrees_of_freedom(self) -> float:
        """Of the standard errors; nan where nothing tells them."""
        n_parameters = 2 if self.facts.model is PerfusionModel.KINETIC else 1
        free = self.differences.n_pairs - n_parameters
        return float(free) if free > 0 and not self.facts.is_paired_by_means else math.nan

    def quantify_slice(self, k: int) -> Generator[float, None, None]:
        """Fill slice ``k``, yielding the share of it that is done."""
        if self.in_mask[k].any():
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                if self.facts.model is PerfusionModel.KINETIC:
                    yield from self._fit(k)
                else:
                    self._single(k)
        yield 1.0

    # -- one delay --

    def _single(self, k: int) -> None:
        """Eq. 2 of the mean difference, and its standard error from the repeats; the whole slice at once."""
        voxels = self.in_mask[k].reshape(-1)
        stack = self.differences.of_slice(k)
        n_pairs = len(stack)
        mean = stack[0] if n_pairs == 1 else stack.mean(axis=0)
        per_signal = np.float32(self.facts.flow_per_signal(k)) / self.m0[k].reshape(-1)  # inf outside of the mask
        flow, error = mean * per_signal, None
        if not math.isnan(self.degrees_of_freedom):
            if n_pairs > 1:
                stack -= mean
            spread = np.sqrt(np.einsum("pv,pv->v", stack, stack) / np.float32(n_pairs - 1))
            error = spread * (per_signal / np.float32(math.sqrt(n_pairs)))
            error = self._with_m0_error(k, flow, error)
            self._tally.remember_snr(mean, spread, voxels)
        status = np.zeros(flow.shape, dtype=np.uint8)
        self._store(k, np.where(voxels, flow, 0), error, mean, status)

    def _with_m0_error(self, k: int, flow: np.ndarray, error: np.ndarray) -> np.ndarray:
        if len(self.differences.images.m0) < 2:
            return error
        everywhere = np.ones(self.in_mask[k].shape, dtype=bool)
        return np.hypot(error, flow * self.differences.images.m0_error(k, everywhere)).astype(np.float32)

    def _store(self, k: int, flow, error, delta_m, status) -> None:
        """Arrays of all voxels of the slice; ``status`` of those in the mask, before flow is looked at."""
        voxels = self.in_mask[k].reshape(-1)
        status[~np.isfinite(flow)] = PerfusionStatus.NON_FINITE
        limit = np.float32(0) if error is None else -np.float32(NEGATIVE_SE) * error
        status[(status == PerfusionStatus.OK) & (flow < limit)] = PerfusionStatus.NEGATIVE
        usable = voxels & HAS_VALUE[status]
        shape = self.in_mask[k].shape
        np.copyto(self.tbf[k], flow.reshape(shape), where=usable.reshape(shape), casting="same_kind")
        np.copyto(self.delta_m[k], delta_m.reshape(shape), where=(voxels & np.isfinite(delta_m)).reshape(shape))
        if error is not None:
            shown = (usable & np.isfinite(error)).reshape(shape)
            np.copyto(self.standard_error[k], error.reshape(shape), where=shown, casting="same_kind")
        np.copyto(self.status[k], status.reshape(shape), where=self.in_mask[k])
        self._tally.add(self.tbf[k], usable)

    # -- several delays --

    def _fit(self, k: int) -> Generator[float, None, None]:
        """The general kinetic model, some thousand voxels at a time."""
        inside = np.flatnonzero(self.in_mask[k])
        stack = self.differences.of_slice(k)[:, inside]
        delta_m = stack.mean(axis=0)
        stack = stack / self.m0[k].reshape(-1)[inside]
        delays, group = np.unique(self.differences.delays_ms, return_inverse=True)
        n_repeats = np.bincount(group)
        means = np.stack([stack[group == n].mean(axis=0, dtype=np.float64) for n in range(len(delays))])
        within = sum(((stack[group == n] - means[n]) ** 2).sum(axis=0) for n in range(len(delays)))
        has_repeats = n_repeats.max() > 1
        if has_repeats:
            spread = np.sqrt(within / (n_repeats.sum() - len(delays)))
            self._tally.remember_snr(means.mean(axis=0), spread, np.ones(spread.shape, dtype=bool))
        finite = np.isfinite(means).all(axis=0)
        fits = []
        for start in range(0, inside.size, FIT_CHUNK_VOXELS):
            part = slice(start, start + FIT_CHUNK_VOXELS)
            fits.append(
                fit_kinetic_model(
                    np.where(finite[part], means[:, part], 0),
                    delays + self.facts.slice_time_ms(k),
                    self.facts.constants,
                    n_repeats=n_repeats,
                    within_sum_of_squares=np.where(finite[part], within[part], 0) if has_repeats else None,
                )
            )
            yield part.stop / (inside.size + FIT_CHUNK_VOXELS)
        self._store_fit(k, inside, fits, finite, delta_m)

    def _store_fit(self, k: int, inside, fits: list[KineticFit], finite, delta_m) -> None:
        flow, flow_se, transit, transit_se, at_limit, is_late, is_early = (
            np.concatenate([getattr(fit, name) for fit in fits])
            for name in (
                *("tbf_ml_per_100g_min", "tbf_se", "transit_time_ms", "transit_time_se_ms"),
                *("transit_time_at_limit", "is_late", "is_early"),
            )
        )
        status = np.where(is_late, PerfusionStatus.LATE_ARRIVAL, PerfusionStatus.OK).astype(np.uint8)
        has_errors = not math.isnan(self.degrees_of_freedom)
        if has_errors:
            status[~np.isfinite(flow_se) & ~at_limit] = PerfusionStatus.NOT_FITTED
        status[~np.isfinite(flow)] = PerfusionStatus.NOT_FITTED
        shown = finite & (status != PerfusionStatus.NOT_FITTED)
        has_flow = shown & (flow > NEGATIVE_SE * flow_se) if has_errors else shown
        self._n_with_flow += np.count_nonzero(has_flow)
        self._n_early += np.count_nonzero(has_flow & is_early)
        flow = np.where(finite, flow, np.nan)

        def spread_out(values, where=True):
            whole = np.zeros(self.in_mask[k].size, dtype=np.float32)
            whole[inside] = np.where(where, values, 0)
            return whole

        shape = self.in_mask[k].shape
        self.transit[k] = spread_out(transit, shown).reshape(shape)
        self.transit_se[k] = spread_out(transit_se, shown & np.isfinite(transit_se)).reshape(shape)
        error = self._with_m0_error(k, spread_out(flow), spread_out(flow_se)) if has_errors else None
        self._store(k, spread_out(flow), error, spread_out(delta_m), spread_out(status).astype(np.uint8))

    # -- all --

    def quality(self, n_pairs: int, outliers: tuple[int, ...]) -> PerfusionQuality:
        n_dropped = n_pairs - self.differences.n_pairs
        return self._tally.quality(n_pairs, n_dropped, outliers, int(np.count_nonzero(self.in_mask)))

    def warnings(self) -> tuple[str, ...]:
        found = []
        if self._n_early > EARLY_FRACTION * max(1, self._n_with_flow):
            found.append(
                f"In {self._n_early / self._n_with_flow:.0%} of the voxels with flow blood arrived before the shortest "
                "delay: their transit time is hardly known, their flow to some percent. Shorter delays would tell."
            )
        return tuple(found)


def _bias(facts: KineticFacts) -> ModelBias | None:
    if facts.model is not PerfusionModel.SINGLE_DELAY:
        return None
    return single_delay_bias(facts.delay_ms, facts.constants, lambda signal: signal * facts.flow_per_signal(None))


def _vendor_map(series: AslSeries, images: ImagePairs) -> PerfusionMap:
    """A flow map that the scanner computed: nothing is known of how, so nothing is corrected."""
    flow = images.flow.astype(np.float32)
    finite = np.isfinite(flow)
    status = np.where(finite, PerfusionStatus.OK, PerfusionStatus.NON_FINITE).astype(np.uint8)
    status[finite & (flow == 0)] = PerfusionStatus.LOW_M0
    status[finite & (flow < 0)] = PerfusionStatus.NEGATIVE
    values = np.nan_to_num(flow, nan=0.0, posinf=0.0, neginf=0.0)
    tally, inside = Tally(), status != PerfusionStatus.LOW_M0
    tally.add(values, inside & finite)
    quality = tally.quality(0, 0, (), int(np.count_nonzero(inside)))
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
