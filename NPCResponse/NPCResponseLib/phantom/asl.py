"""What a scanner makes of it: arterial spin labeling images of the phantom, with all that is true of them.

Tissue takes up labeled blood by the general kinetic model with its own T1 and transit time. Eq. 2, the published
formula for one delay, is not that model's inverse: what it would give without any noise is told beside the truth.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ..asl_series import AslRole, AslSeries, LabelingType
from ..errors import InputError
from ..kinetic_model import KineticConstants, gkm_difference_signal
from .anatomy import REGION_NAMES, Anatomy, head_anatomy, means_by_region, region_mask
from .grid import PhantomGrid, rotation_about
from .heterogeneity import vary_smoothly
from .noise import rician
from .patient import Response, TimePoint, choose
from .tissue import Tissue, tissue_table

# Protocol of Liu et al., Insights into Imaging 2022;13:114: 3 T, delay 2025 ms, NEX 3. The paper prints no label
# duration and no number of pairs: these are choices.
POST_LABELING_DELAY_MS, LABEL_DURATION_MS, N_PAIRS = 2025.0, 1500.0, 8
FIELD_STRENGTH_T = 3.0
T1_BLOOD_MS, LABELING_EFFICIENCY, PARTITION_COEFFICIENT = 1650.0, 0.85, 0.9
# Two inversions, the first four times as long before the readout as the second, both on the labeled blood's way.
SUPPRESSION_TIME_RATIO, N_SUPPRESSION_PULSES, SUPPRESSION_EFFICIENCY = 4.0, 2, 0.95
# GE's product images: the difference times 32 times NEX, and M0 by saturation recovery.
PRODUCT_SCALE, SATURATION_RECOVERY_MS = 32.0, 2000.0
PIVOT_RAS = (0.0, -25.0, -20.0)  # the head turns about the upper spine


@dataclass(frozen=True, eq=False)
class PhantomAsl:
    """A simulated series and everything that is true of it. Maps are (slice, row, column) on the grid of the series.

    Attributes:
        series: the images, as a reader would give them.
        grid: their voxels.
        labels: uint8, index into ``region_names``; of the first volume, as are the maps.
        truth_tbf: true blood flow, mL/100g/min, float32; 0 in air.
        truth_transit_time_ms, truth_m0: float32; 0 in air. M0 fully relaxed.
        truth_by_region: mean true flow of each region with voxels and signal.
        eq2_by_region: what Eq. 2 with the constants of the simulation makes of the same regions without noise, at the
            longest delay, with all that the sequence adds (scaling, saturation, losses to suppression) undone: its
            difference from the truth is the model's alone.
        noise_sigma: standard deviation of the noise in each channel, in units of M0; 0 for noise-free images.
        motion_ras: per volume 4x4, takes a point of the head in the first volume to where it is in this one.
    """

    series: AslSeries
    grid: PhantomGrid
    labels: np.ndarray
    region_names: tuple[str, ...]
    truth_tbf: np.ndarray
    truth_transit_time_ms: np.ndarray
    truth_m0: np.ndarray
    truth_by_region: dict[str, float]
    eq2_by_region: dict[str, float]
    noise_sigma: float
    motion_ras: tuple[np.ndarray, ...]

    def region_mask(self, name: str) -> np.ndarray:
        """Boolean mask of a region; "tumor" is the whole outline as a radiologist draws it, necrosis included.

        Raises:
            InputError: no such region.
        """
        return region_mask(self.labels, name)


def simulate_asl(
    time_point: TimePoint | str = "pre",
    *,
    response: Response | str = "responder",
    snr: float | None = 150.0,
    seed: int = 0,
    grid: PhantomGrid | None = None,
    post_labeling_delays_ms: Sequence[float] = (POST_LABELING_DELAY_MS,),
    label_duration_ms: float = LABEL_DURATION_MS,
    n_pairs: int = N_PAIRS,
    motion_mm: float = 0.0,
    background_suppression: float | None = None,
    product_nex: int | None = None,
    n_subvoxels: int | None = None,
    position_ras: np.ndarray | None = None,
    tumor_heterogeneity: float = 0.0,
    as_integers: bool = False,
    tissues: Mapping[str, Tissue] | None = None,
) -> PhantomAsl:
    """A pseudo-continuous ASL series of the phantom: M0, then pairs of control and label, with Rician noise.

    The same seed gives the same images; time points differ in their noise.

    Args:
        snr: M0 of viable tumor over the noise standard deviation; None for no noise.
        grid: default PhantomGrid.asl_demo().
        post_labeling_delays_ms: one, or several different ones for a multi-delay series.
        n_pairs: of control and label, at each delay.
        motion_mm: root mean square over the volumes of the shift of the head, in any direction; it turns as well, by as
            many degrees about its pivot. M0 is at rest, every other volume has a position of its own.
        background_suppression: what two inversion pulses leave of viable tumor's signal in control and label, as a
            fraction of M0; other tissues keep what their T1 lets them. None: no suppression.
        product_nex: give what GE's product sequence stores instead of pairs: one difference image, averaged over so
            many, times 32 times that number, and a saturation-recovery M0.
        n_subvoxels: points along each axis of a voxel whose signals it averages. None: 1 (the center, borders are
            hard) at rest, 3 with motion, for no interpolation brings hard borders back to where they were.
        position_ras: rigid 4x4, where the head lies in the first volume; takes a point of the head as in the other
            images to where it is here. Identity if None.
        tumor_heterogeneity: standard deviation of a smooth variation of flow within viable tumor, mL/100g/min.
        as_integers: round to int16 as scanners do.
        tissues: instead of tissue_table(time_point, response).

    Raises:
        InputError: an unknown time point or response, or numbers that make no sense.
    """
    time_point, response = choose(TimePoint, time_point), choose(Response, response)
    delays_ms = tuple(float(delay) for delay in post_labeling_delays_ms)
    _check(snr, delays_ms, label_duration_ms, n_pairs, motion_mm, background_suppression, product_nex)
    tissues = tissues or tissue_table(time_point, response)
    grid = grid or PhantomGrid.asl_demo()
    sequence = _Sequence(label_duration_ms, background_suppression, product_nex, tissues)
    head = _Head(head_anatomy(time_point, response), tissues, tumor_heterogeneity, seed, sequence)
    frames = _product_frames(delays_ms) if product_nex else _pair_frames(delays_ms, n_pairs)
    motions = _motions(len(frames), motion_mm, seed)
    noise_sigma = tissues["viable_tumor"].s0 / snr if snr else 0.0
    rng = np.random.default_rng([seed, list(TimePoint).index(time_point), 3])
    position_ras = np.eye(4) if position_ras is None else position_ras
    at_rest = head.seen_on(grid.seen_from(position_ras))
    n_subvoxels = n_subvoxels or (3 if motion_mm else 1)

    volumes, still = [], {}
    for frame, motion in zip(frames, motions, strict=True):
        if motion_mm or frame not in still:
            still[frame] = head.signal_on(grid, motion @ position_ras, n_subvoxels, *frame)
        image = rician(still[frame], noise_sigma * sequence.noise_scale(frame[0]), rng)
        volumes.append(np.rint(image).astype(np.int16) if as_integers else image)
    return PhantomAsl(
        series=_series(volumes, frames, grid, sequence, f"ASL {time_point.value} (phantom)"),
        grid=grid,
        labels=at_rest.labels,
        region_names=REGION_NAMES,
        truth_tbf=at_rest.tbf,
        truth_transit_time_ms=at_rest.map_of("transit_time_ms") * (at_rest.m0 > 0),
        truth_m0=at_rest.m0,
        truth_by_region=means_by_region(at_rest.tbf, at_rest.labels, at_rest.m0 > 0),
        eq2_by_region=means_by_region(at_rest.eq2_tbf(max(delays_ms)), at_rest.labels, at_rest.m0 > 0),
        noise_sigma=noise_sigma,
        motion_ras=motions,
    )


# -- the protocol --


@dataclass(frozen=True)
class _Sequence:
    label_duration_ms: float
    background_suppression: float | None
    product_nex: int | None
    tissues: Mapping[str, Tissue]

    @property
    def n_suppression_pulses(self) -> int:
        return 0 if self.background_suppression is None else N_SUPPRESSION_PULSES

    @property
    def efficiency(self) -> float:
        """Of labeling, less what the suppression pulses take."""
        return LABELING_EFFICIENCY * SUPPRESSION_EFFICIENCY**self.n_suppression_pulses

    @property
    def perfusion_scale(self) -> float | None:
        return PRODUCT_SCALE * self.product_nex if self.product_nex else None

    def m0_fraction(self, tissue: Tissue) -> float:
        return 1 - math.exp(-SATURATION_RECOVERY_MS / tissue.t1_ms) if self.product_nex else 1.0

    def static_fraction(self, tissue: Tissue, delay_ms: float) -> float:
        """What control and label hold of M0."""
        if self.background_suppression is None:
            return 1.0
        since_saturation_ms = self.label_duration_ms + delay_ms
        t1_ms = self.tissues["viable_tumor"].t1_ms
        latest = t1_ms * math.log(SUPPRESSION_TIME_RATIO) / (SUPPRESSION_TIME_RATIO - 1)  # the most it can suppress
        bounds = 0.0, min(latest, since_saturation_ms / SUPPRESSION_TIME_RATIO)
        aims = [_recovered(t1_ms, bound, since_saturation_ms) - self.background_suppression for bound in bounds]
        if aims[0] < 0 or aims[1] > 0:
            raise InputError(
                f"two pulses cannot leave {self.background_suppression:g} of viable tumor's signal", where="phantom"
            )
        before_readout_ms = optimize.brentq(
            lambda t: _recovered(t1_ms, t, since_saturation_ms) - self.background_suppression, *bounds
        )
        return abs(_recovered(tissue.t1_ms, before_readout_ms, since_saturation_ms))

    def noise_scale(self, role: AslRole) -> float:
        """Noise of a volume relative to that of a single image."""
        return self.perfusion_scale * math.sqrt(2 / self.product_nex) if role is AslRole.DIFFERENCE else 1.0


def _recovered(t1_ms: float, before_readout_ms: float, since_saturation_ms: float) -> float:
    """Longitudinal magnetization at readout after a saturation and two perfect inversions, as a fraction of M0."""
    second, first, saturation = (
        math.exp(-time_ms / t1_ms)
        for time_ms in (before_readout_ms, SUPPRESSION_TIME_RATIO * before_readout_ms, since_saturation_ms)
    )
    return 1 - 2 * second + 2 * first - saturation


def _pair_frames(delays_ms: Sequence[float], n_pairs: int) -> list[tuple[AslRole, float | None]]:
    pairs = [(role, delay) for delay in delays_ms for _ in range(n_pairs) for role in (AslRole.CONTROL, AslRole.LABEL)]
    return [(AslRole.M0, None), *pairs]


def _product_frames(delays_ms: Sequence[float]) -> list[tuple[AslRole, float | None]]:
    return [*((AslRole.DIFFERENCE, delay) for delay in delays_ms), (AslRole.M0, None)]


def _series(volumes, frames, grid: PhantomGrid, sequence: _Sequence, name: str) -> AslSeries:
    product = sequence.product_nex is not None
    facts = ("labeling_type", "label_duration_ms", "labeling_efficiency", "field_strength_t")
    return AslSeries(
        volumes=tuple(volumes),
        roles=tuple(role for role, _ in frames),
        post_labeling_delays_ms=tuple(delay for _, delay in frames),
        ijk_to_ras=grid.ijk_to_ras.copy(),
        labeling_type=LabelingType.PCASL,
        label_duration_ms=sequence.label_duration_ms,
        labeling_efficiency=LABELING_EFFICIENCY,
        field_strength_t=FIELD_STRENGTH_T,
        m0_repetition_time_ms=SATURATION_RECOVERY_MS if product else None,
        m0_is_saturation_recovery=product,
        n_background_suppression_pulses=sequence.n_suppression_pulses,
        perfusion_scale=sequence.perfusion_scale,
        manufacturer="GE" if product else "",
        sources=dict.fromkeys((*facts, "post_labeling_delays_ms"), "digital phantom"),
        name=name,
        warnings=("These are synthetic images of a digital phantom, not of a patient.",),
    )


# -- the head in front of it --


@dataclass(frozen=True, eq=False)
class _Head:
    anatomy: Anatomy
    tissues: Mapping[str, Tissue]
    heterogeneity: float
    seed: int
    sequence: _Sequence

    def signal_on(
        self, grid: PhantomGrid, position_ras: np.ndarray, n_subvoxels: int, role: AslRole, delay_ms: float | None
    ) -> np.ndarray:
        """Noise-free image of the head in a position: the voxels move instead, so nothing is interpolated."""
        fine = self.seen_on(grid.divided(n_subvoxels).seen_from(position_ras)).signal(role, delay_ms)
        blocks = [part for size in grid.shape_kji for part in (size, n_subvoxels)]
        return fine.reshape(blocks).mean(axis=(1, 3, 5))

    def seen_on(self, grid: PhantomGrid) -> "_View":
        labels = self.anatomy.labels_on(grid)
        tbf = _table(self.tissues, lambda tissue: tissue.tbf_ml_per_100g_min)[labels]
        if self.heterogeneity:
            vary_smoothly(tbf, labels == REGION_NAMES.index("viable_tumor"), grid, self.heterogeneity, self.seed)
        return _View(self.tissues, self.sequence, labels, tbf)


@dataclass(frozen=True, eq=False)
class _View:
    """Noise-free maps of a head in one position."""

    tissues: Mapping[str, Tissue]
    sequence: _Sequence
    labels: np.ndarray
    tbf: np.ndarray

    def map_of(self, attribute: str) -> np.ndarray:
        return _table(self.tissues, lambda tissue: getattr(tissue, attribute))[self.labels]

    @property
    def m0(self) -> np.ndarray:
        return self.map_of("s0")

    def signal(self, role: AslRole, delay_ms: float | None) -> np.ndarray:
        if role is AslRole.M0:
            return self.m0 * _table(self.tissues, self.sequence.m0_fraction)[self.labels]
        if role is AslRole.DIFFERENCE:
            return self.difference(delay_ms, self.sequence.efficiency) * np.float32(self.sequence.perfusion_scale)
        static = _table(self.tissues, lambda tissue: self.sequence.static_fraction(tissue, delay_ms))[self.labels]
        control = self.m0 * static
        return control if role is AslRole.CONTROL else control - self.difference(delay_ms, self.sequence.efficiency)

    def difference(self, delay_ms: float, efficiency: float) -> np.ndarray:
        """Control less label; float32."""

        def of_m0(tissue: Tissue, tbf) -> np.ndarray:
            constants = KineticConstants(
                label_duration_ms=self.sequence.label_duration_ms,
                t1_blood_ms=T1_BLOOD_MS,
                t1_tissue_ms=tissue.t1_ms,
                labeling_efficiency=efficiency,
                partition_coefficient_ml_per_g=PARTITION_COEFFICIENT,
            )
            return gkm_difference_signal(tbf, tissue.transit_time_ms, delay_ms, constants)

        fraction = _table(self.tissues, lambda tissue: float(of_m0(tissue, tissue.tbf_ml_per_100g_min)))[self.labels]
        varying = self.labels == REGION_NAMES.index("viable_tumor")
        fraction[varying] = of_m0(self.tissues["viable_tumor"], self.tbf[varying])
        return self.m0 * fraction

    def eq2_tbf(self, delay_ms: float) -> np.ndarray:
        """Eq. 2 of Liu 2022, written apart from the code that quantifies; float32."""
        delay, tau, t1_blood = delay_ms / 1000, self.sequence.label_duration_ms / 1000, T1_BLOOD_MS / 1000
        factor = 6000 * PARTITION_COEFFICIENT * math.exp(delay / t1_blood)
        factor /= 2 * LABELING_EFFICIENCY * t1_blood * (1 - math.exp(-tau / t1_blood))
        difference = self.difference(delay_ms, LABELING_EFFICIENCY)
        return np.divide(factor * difference, self.m0, out=np.zeros_like(difference), where=self.m0 > 0)


def _table(tissues: Mapping[str, Tissue], value: Callable[[Tissue], float]) -> np.ndarray:
    """A value of each region, to be looked up by label; float32."""
    return np.array([value(tissues[name]) for name in REGION_NAMES], dtype=np.float32)


def _motions(n_volumes: int, motion_mm: float, seed: int) -> tuple[np.ndarray, ...]:
    """A position of the head per volume, the first at rest; 4x4 each."""
    rng = np.random.default_rng([seed, 4])
    shifts_mm = rng.normal(scale=motion_mm / math.sqrt(3), size=(n_volumes, 3))
    turns_deg = rng.normal(scale=motion_mm / math.sqrt(3), size=(n_volumes, 3))
    motions = [np.eye(4)]
    for shift_mm, turn_deg in zip(shifts_mm[1:], turns_deg[1:], strict=True):
        motion = np.eye(4)
        motion[:3, :3] = rotation_about(*turn_deg)
        motion[:3, 3] = PIVOT_RAS + shift_mm - motion[:3, :3] @ PIVOT_RAS
        motions.append(motion)
    return tuple(motions)


def _check(snr, delays_ms, label_duration_ms, n_pairs, motion_mm, background_suppression, product_nex) -> None:
    for what, value in (
        ("signal-to-noise ratio", 1.0 if snr is None else snr),
        ("label duration", label_duration_ms),
        ("number of pairs", n_pairs),
        ("number of averages", 1 if product_nex is None else product_nex),
        ("background suppression", 1.0 if background_suppression is None else background_suppression),
        *(("post-labeling delay", delay) for delay in delays_ms),
    ):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"the {what} must be a positive number, found {value:g}", where="phantom")
    if not delays_ms:
        raise InputError("there is no post-labeling delay", where="phantom", remedy="Give at least one")
    if not (math.isfinite(motion_mm) and motion_mm >= 0):
        raise InputError(f"the motion must not be negative, found {motion_mm:g}", where="phantom")
