"""The numbers that enter the quantification of blood flow: what the user types, what the data tell, what is assumed."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .asl_series import AslSeries, LabelingType
from .blood_flow_formula import continuous_flow_per_signal, pulsed_flow_per_signal
from .errors import InputError
from .kinetic_model import KineticConstants
from .perfusion_images import ImagePairs

PAPER = "default of Liu 2022"
T1_BLOOD_MS = {1.5: 1350.0, 3.0: 1650.0}
FIELD_TOLERANCE_T = 0.2
LARGEST_FIELD_T, LARGEST_SCALE = 30.0, 1e6  # beyond it is a slip of the pen
LABELING_EFFICIENCY = {LabelingType.PCASL: 0.85, LabelingType.CASL: 0.68, LabelingType.PASL: 0.98}
EFFICIENCY_SOURCE = {
    LabelingType.PCASL: PAPER,
    LabelingType.CASL: "default for CASL with an amplitude-modulated control (Wang 2005)",
    LabelingType.PASL: "default for PASL (Alsop 2015)",
}
PARTITION_COEFFICIENT_ML_PER_G = 0.9
T1_TISSUE_MS = 1200.0
T1_TISSUE_SOURCE = "assumed, as in the formula of GE's product"
BACKGROUND_SUPPRESSION_EFFICIENCY = 0.95
LONG_REPETITION_TIME_MS = 5000.0  # recovered by 98 % at a T1 of 1.2 s
SECONDS_BELOW = 10.0  # a time in ms that is smaller was given in seconds
M0_THRESHOLD_FRACTION = 0.3
# Lu et al., Magn Reson Med 2004;52:679-682: R1 of arterial blood at 3 T, per second.
R1_PER_HEMATOCRIT, R1_OF_PLASMA = 0.52, 0.38
HEMATOCRIT_MEASURED = (0.38, 0.46)  # where Lu et al. measured it
HEMATOCRIT_RANGE = (0.15, 0.65)  # of living patients


class PerfusionModel(enum.Enum):
    """How signals become flow. Values are words of tables and of published rules. Saved by name: never rename."""

    AUTO = "auto"
    SINGLE_DELAY = "single-delay"
    KINETIC = "general-kinetic-model"
    VENDOR_MAP = "vendor-map"

    def label(self) -> str:
        return {
            PerfusionModel.AUTO: "By the number of delays",
            PerfusionModel.SINGLE_DELAY: "Single delay (Eq. 2 of Liu 2022)",
            PerfusionModel.KINETIC: "General kinetic model (Buxton 1998)",
            PerfusionModel.VENDOR_MAP: "The scanner's own map",
        }[self]


@dataclass(frozen=True)
class PerfusionSettings:
    """Choices of the user. None: what the data tell, else the default, which is then reported as assumed.

    Attributes:
        post_labeling_delay_ms: one delay for all, or one per pair in their order. For PASL the inversion time.
        label_duration_ms: tau; for PASL the bolus duration. It has no default.
        hematocrit: fraction; gives T1 of blood at 3 T (Lu 2004) unless t1_blood_ms is given.
        labeling_efficiency: of the labeling alone; what suppression pulses cost comes on top.
        n_background_suppression_pulses: each leaves background_suppression_efficiency of the label.
        m0_repetition_time_ms: below 5 s M0 is corrected for saturation; 0 switches that off.
        m0_is_saturation_recovery: M0 follows a saturation pulse by that time (GE): corrected at any length.
        perfusion_scale: what ready differences are divided by (GE: 32 x NEX).
        slice_times_ms: delay of each slice's readout after the first; empty switches the correction off.
        t1_tissue_ms: for the saturation of M0 and for the kinetic model.
        m0_threshold_fraction: of the 98th percentile of M0; darker voxels are not quantified.
    """

    t1_blood_ms: float | None = None
    hematocrit: float | None = None
    labeling_efficiency: float | None = None
    background_suppression_efficiency: float = BACKGROUND_SUPPRESSION_EFFICIENCY
    n_background_suppression_pulses: int | None = None
    partition_coefficient_ml_per_g: float | None = None
    post_labeling_delay_ms: float | tuple[float, ...] | None = None
    label_duration_ms: float | None = None
    labeling_type: LabelingType | None = None
    m0_repetition_time_ms: float | None = None
    m0_is_saturation_recovery: bool | None = None
    perfusion_scale: float | None = None
    slice_times_ms: tuple[float, ...] | None = None
    field_strength_t: float | None = None
    t1_tissue_ms: float | None = None
    m0_threshold_fraction: float = M0_THRESHOLD_FRACTION
    drop_outlier_pairs: bool = False
    model: PerfusionModel = PerfusionModel.AUTO

    def __post_init__(self):
        for name in ("t1_blood_ms", "label_duration_ms", "t1_tissue_ms"):
            _check_time(getattr(self, name), name.replace("_ms", "").replace("_", " "))
        for delay in np.atleast_1d([] if self.post_labeling_delay_ms is None else self.post_labeling_delay_ms):
            _check_time(float(delay), "post-labeling delay")
        _check_range("labeling efficiency", self.labeling_efficiency, 0, 1)
        _check_range("background suppression efficiency", self.background_suppression_efficiency, 0, 1)
        _check_range("partition coefficient", self.partition_coefficient_ml_per_g, 0, 2)
        _check_range("perfusion scale", self.perfusion_scale, 0, LARGEST_SCALE)
        _check_range("field strength in tesla", self.field_strength_t, 0, LARGEST_FIELD_T)
        _check_range("share of M0", self.m0_threshold_fraction, 0, 1)
        low, high = HEMATOCRIT_RANGE
        if self.hematocrit is not None and not low <= self.hematocrit <= high:
            raise InputError(
                f"the hematocrit must be a fraction between {low:g} and {high:g}, found {self.hematocrit:g}",
                remedy="Give 0.42 for 42 %",
            )
        if self.n_background_suppression_pulses is not None and self.n_background_suppression_pulses < 0:
            raise InputError("there cannot be fewer than 0 background-suppression pulses")


def _check_time(value: float | None, name: str) -> None:
    if value is None:
        return
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"the {name} must be a positive time, found {value:g}", remedy="Give it in ms")
    if value < SECONDS_BELOW:
        raise InputError(
            f"the {name} of {value:g} ms looks like seconds", remedy=f"Give it in ms, as in {1000 * value:g}"
        )


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (low < value <= high):
        raise InputError(f"the {name} must be above {low:g} and at most {high:g}, found {value:g}")


@dataclass(frozen=True)
class Parameter:
    """A number that entered the result: what, how much, from where, and whether somebody merely assumed it."""

    name: str
    value: float
    unit: str
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class KineticFacts:
    """All numbers of one quantification.

    Attributes:
        delay_ms: the single delay, or nan for several.
        perfusion_scale: 1 for control and label.
        m0_recovery: share of M0 that its repetition time lets recover; M0 is divided by it.
    """

    model: PerfusionModel
    constants: KineticConstants
    delay_ms: float
    slice_times_ms: tuple[float, ...]
    perfusion_scale: float
    m0_recovery: float
    parameters: tuple[Parameter, ...]
    warnings: tuple[str, ...]
    is_paired_by_means: bool

    @property
    def is_pulsed(self) -> bool:
        return self.constants.labeling_type is LabelingType.PASL

    def slice_time_ms(self, k: int | None) -> float:
        return self.slice_times_ms[k] if self.slice_times_ms and k is not None else 0.0

    def flow_per_signal(self, k: int | None) -> float:
        """Flow per (control - label)/M0 in slice ``k``, or for the delay as it is given."""
        constants = self.constants
        formula = pulsed_flow_per_signal if self.is_pulsed else continuous_flow_per_signal
        return float(
            formula(
                self.delay_ms + self.slice_time_ms(k),
                constants.label_duration_ms,
                constants.t1_blood_ms,
                constants.labeling_efficiency,
                constants.partition_coefficient_ml_per_g,
            )
        )


def formula_in_words(facts: KineticFacts) -> str:
    """What is computed, with the numbers."""
    constants, alpha = facts.constants, f"{facts.constants.labeling_efficiency:.4g}"
    partition, t1_blood, tau = (
        f"{value:g}"
        for value in (constants.partition_coefficient_ml_per_g, constants.t1_blood_ms, constants.label_duration_ms)
    )
    if facts.model is PerfusionModel.KINETIC:
        text = (
            "Buxton 1998: (control - label)/M0 = 2 alpha f/lambda [block of tau, delayed by the transit time and "
            "decaying with T1blood, convolved with exp(-t/T1')], 1/T1' = 1/T1tissue + f/lambda; "
            f"alpha {alpha}, lambda {partition}, T1blood {t1_blood} ms, T1tissue {constants.t1_tissue_ms:g} ms, "
            f"tau {tau} ms"
        )
    elif facts.is_pulsed:
        text = (
            "TBF = 6000 lambda (control - label) exp(TI/T1blood) / (2 alpha TI1 M0) = 6000 x "
            f"{partition} x (control - label) x exp({facts.delay_ms:g}/{t1_blood}) / "
            f"(2 x {alpha} x {constants.label_duration_ms / 1000:g} x M0)"
        )
    else:
        text = (
            "TBF = 6000 lambda (control - label) exp(PLD/T1blood) / (2 alpha T1blood M0 (1 - exp(-tau/T1blood))) = "
            f"6000 x {partition} x (control - label) x exp({facts.delay_ms:g}/{t1_blood}) / "
            f"(2 x {alpha} x {constants.t1_blood_ms / 1000:g} x M0 x (1 - exp(-{tau}/{t1_blood})))"
        )
    if facts.m0_recovery != 1:
        text += f"; M0 = image / {facts.m0_recovery:.4g} for its saturation"
    if facts.perfusion_scale != 1:
        text += f"; control - label = image / {facts.perfusion_scale:g}"
    if facts.slice_times_ms:
        text += "; each slice with its own time of readout added to the delay"
    return text


def with_typed_delays(images: ImagePairs, typed: float | Sequence[float] | None, where: str) -> ImagePairs:
    """The pairs with the delays that the user typed: one for all, or one per pair.

    Raises:
        InputError: another number of delays.
    """
    if typed is None:
        return images
    delays = tuple(float(delay) for delay in np.atleast_1d(typed))
    n_pairs = len(images.pairs)
    if len(delays) == 1:
        delays *= n_pairs
    if len(delays) != n_pairs:
        raise InputError(
            f"{len(delays)} delays were given for {n_pairs} control-label pairs",
            where=where,
            remedy="Give one delay, or one per pair in their order",
        )
    return replace(images, delays_ms=delays)


def resolve_parameters(series: AslSeries, settings: PerfusionSettings, images: ImagePairs) -> KineticFacts:
    """Settle every number: typed, from the data, or a default that is reported as assumed.

    Raises:
        InputError: delay, label duration, field strength or scale that are needed and not known.
    """
    return _Resolver(series, settings, images).facts()


class _Resolver:
    """Collects parameters and warnings while the numbers are settled."""

    def __init__(self, series: AslSeries, settings: PerfusionSettings, images: ImagePairs):
        self.series, self.settings, self.images = series, settings, images
        self.parameters: list[Parameter] = []
        self.warnings: list[str] = []

    def facts(self) -> KineticFacts:
        delays = self._delays()
        labeling = self._labeling_type()
        label_duration_ms = self._label_duration(labeling)
        efficiency = self._efficiency(labeling)
        t1_blood_ms = self._t1_blood()
        partition = self._typed_or_default(
            "partition_coefficient_ml_per_g", "partition coefficient", PARTITION_COEFFICIENT_ML_PER_G, "mL/g",
            "assumed: the paper does not print it",
        )  # fmt: skip
        model = self._model(delays)
        t1_tissue_ms = self.settings.t1_tissue_ms or T1_TISSUE_MS
        m0_recovery = self._m0_recovery(t1_tissue_ms)
        if model is PerfusionModel.KINETIC or m0_recovery != 1:
            self._typed_or_default("t1_tissue_ms", "T1 of tissue", T1_TISSUE_MS, "ms", T1_TISSUE_SOURCE)
        constants = KineticConstants(
            label_duration_ms=label_duration_ms,
            t1_blood_ms=t1_blood_ms,
            t1_tissue_ms=t1_tissue_ms,
            labeling_efficiency=efficiency,
            partition_coefficient_ml_per_g=partition,
            labeling_type=labeling,
        )
        return KineticFacts(
            model=model,
            constants=constants,
            delay_ms=delays[0] if len(delays) == 1 else math.nan,
            slice_times_ms=self._slice_times(),
            perfusion_scale=self._scale(),
            m0_recovery=m0_recovery,
            parameters=tuple(self.parameters),
            warnings=tuple(self.warnings),
            is_paired_by_means=self.images.by_means,
        )

    # -- helpers --

    def _add(self, name: str, value: float, unit: str, source: str, assumed: bool = False) -> float:
        self.parameters.append(Parameter(name, float(value), unit, source, assumed))
        return float(value)

    def _source(self, attribute: str) -> str:
        return self.series.sources.get(attribute, "the data")

    def _typed_or_default(self, attribute: str, name: str, default: float, unit: str, source: str) -> float:
        typed = getattr(self.settings, attribute)
        if typed is not None:
            return self._add(name, typed, unit, "typed")
        return self._add(name, default, unit, source, assumed=True)

    def _typed_or_data(self, attribute: str):
        """The value and its source; None where neither tells."""
        typed = getattr(self.settings, attribute)
        if typed is not None:
            return typed, "typed"
        found = getattr(self.series, attribute)
        return found, self._source(attribute)

    def _missing(self, what: str, remedy: str) -> InputError:
        return InputError(what, where=self.series.name, remedy=remedy)

    # -- one by one --

    def _delays(self) -> list[float]:
        """The different delays, increasing."""
        found = self.images.delays_ms
        typed = self.settings.post_labeling_delay_ms is not None
        if any(delay is None for delay in found):
            raise self._missing(
                "the post-labeling delay is not in the data", "Give it in ms (the paper's protocol: 2025)"
            )
        delays = sorted(set(found))
        for delay in delays:
            _check_time(delay, "post-labeling delay")
        source = "typed" if typed else self._source("post_labeling_delays_ms")
        for number, delay in enumerate(delays, start=1):
            name = "post-labeling delay" if len(delays) == 1 else f"post-labeling delay {number}"
            self._add(name, delay, "ms", source)
        return delays

    def _labeling_type(self) -> LabelingType:
        labeling, _source = self._typed_or_data("labeling_type")
        if labeling is None:
            self.warnings.append("The data do not tell how blood was labeled: pseudo-continuous labeling is assumed.")
            return LabelingType.PCASL
        return labeling

    def _label_duration(self, labeling: LabelingType) -> float:
        value, source = self._typed_or_data("label_duration_ms")
        name = "bolus duration (TI1)" if labeling is LabelingType.PASL else "label duration (tau)"
        if value is None:
            raise self._missing(
                f"the {name} is not in the data and has no default: 1450 against 1800 ms changes the flow by 12 %",
                f"Give the {name} in ms; it is on the scanner's exam card",
            )
        _check_time(value, name)
        return self._add(name, value, "ms", source)

    def _efficiency(self, labeling: LabelingType) -> float:
        alpha, source = self._typed_or_data("labeling_efficiency")
        _check_range("labeling efficiency", alpha, 0, 1)
        if alpha is not None:
            self._add("labeling efficiency (alpha)", alpha, "", source)
        else:
            alpha = LABELING_EFFICIENCY[labeling]
            self._add("labeling efficiency (alpha)", alpha, "", EFFICIENCY_SOURCE[labeling], assumed=True)
        n_pulses, source = self._typed_or_data("n_background_suppression_pulses")
        if n_pulses is None:
            n_pulses = 0
            self._add("background-suppression pulses", 0, "", "not in the data; none assumed", assumed=True)
            self.warnings.append(
                "The data do not tell the number of background-suppression pulses; none is assumed. Each costs 5 % of "
                "the label, so that with four the flow is 23 % higher."
            )
        else:
            self._add("background-suppression pulses", n_pulses, "", source)
        if n_pulses:
            per_pulse = self.settings.background_suppression_efficiency
            is_default = per_pulse == BACKGROUND_SUPPRESSION_EFFICIENCY
            source = "default of Garcia 2005" if is_default else "typed"
            self._add("label left by each pulse", per_pulse, "", source, assumed=is_default)
            alpha *= per_pulse**n_pulses
            self._add("labeling efficiency with suppression", alpha, "", "computed")
        return float(alpha)

    def _t1_blood(self) -> float:
        settings = self.settings
        if settings.t1_blood_ms is not None:
            return self._add("T1 of blood", settings.t1_blood_ms, "ms", "typed")
        field, field_source = self._typed_or_data("field_strength_t")
        nominal = next((b0 for b0 in T1_BLOOD_MS if field and abs(field - b0) <= FIELD_TOLERANCE_T), None)
        if settings.hematocrit is not None:
            if nominal != 3.0:
                raise self._missing(
                    "T1 of blood from the hematocrit is known at 3 T only", "Give T1 of blood in ms instead"
                )
            low, high = HEMATOCRIT_MEASURED
            if not low <= settings.hematocrit <= high:
                self.warnings.append(
                    f"T1 of blood is extrapolated: it was measured for hematocrits of {low:g} to {high:g} (Lu 2004)."
                )
            t1_ms = 1000 / (R1_PER_HEMATOCRIT * settings.hematocrit + R1_OF_PLASMA)
            return self._add("T1 of blood", t1_ms, "ms", f"hematocrit {settings.hematocrit:g} (Lu 2004)")
        if nominal is None:
            told = f"at {field:g} T it" if field else "the field strength is not in the data, so it"
            raise self._missing(
                f"T1 of blood is needed: {told} has no default", "Give the field strength, or T1 of blood in ms"
            )
        source = f"{PAPER} at 3 T" if nominal == 3.0 else "default at 1.5 T (Alsop 2015)"
        return self._add(
            "T1 of blood", T1_BLOOD_MS[nominal], "ms", f"{source}; field from {field_source}", assumed=True
        )

    def _model(self, delays: Sequence[float]) -> PerfusionModel:
        chosen = self.settings.model
        if chosen is PerfusionModel.AUTO:
            chosen = PerfusionModel.SINGLE_DELAY if len(delays) == 1 else PerfusionModel.KINETIC
        if chosen is PerfusionModel.SINGLE_DELAY and len(delays) > 1:
            raise self._missing(
                f"the single-delay formula takes one delay, the series has {len(delays)}", "Choose the kinetic model"
            )
        if chosen is PerfusionModel.KINETIC and len(delays) == 1:
            raise self._missing("the kinetic model needs several delays, the series has one", "Choose a single delay")
        if chosen is PerfusionModel.KINETIC and len(delays) == 2:
            self.warnings.append("Two delays determine flow and transit time just barely: both depend on the noise.")
        return chosen

    def _slice_times(self) -> tuple[float, ...]:
        times, source = self._typed_or_data("slice_times_ms")
        if not times:
            return ()
        n_slices = self.series.shape_kji[0]
        if len(times) != n_slices:
            raise self._missing(
                f"{len(times)} slice times were given for {n_slices} slices", "Give one per slice, or none"
            )
        if not all(math.isfinite(time) and time >= 0 for time in times):
            raise self._missing("slice times must not be negative", "Give them in ms after the first slice")
        if 0 < max(times) < SECONDS_BELOW and n_slices > 1:
            raise self._missing(
                f"slice times up to {max(times):g} ms look like seconds", "Give them in ms after the first slice"
            )
        self._add("readout of the last slice after the first", max(times), "ms", source)
        return tuple(float(time) for time in times)

    def _m0_recovery(self, t1_tissue_ms: float) -> float:
        """1 - exp(-TR/T1), where the data or the user give a short repetition time."""
        time, source = self._typed_or_data("m0_repetition_time_ms")
        prepared, _source = self._typed_or_data("m0_is_saturation_recovery")
        if not time:
            if prepared and time is None:
                raise self._missing("the saturation time of M0 is not known", "Give the repetition time of M0 in ms")
            told = "correction switched off" if time == 0 else "not in the data; assumed to be long"
            return self._add("relaxed share of M0", 1, "", f"repetition time: {told}", assumed=time is None)
        _check_time(time, "repetition time of M0")
        self._add("saturation time of M0" if prepared else "repetition time of M0", time, "ms", source)
        is_long = time >= LONG_REPETITION_TIME_MS and not prepared
        share = 1.0 if is_long else -math.expm1(-time / t1_tissue_ms)
        return self._add("relaxed share of M0", share, "", "long repetition time" if is_long else "1 - exp(-TR/T1)")

    def _scale(self) -> float:
        is_ready = any(second is None for _first, second in self.images.pairs)
        if not is_ready:
            return 1.0
        scale, source = self._typed_or_data("perfusion_scale")
        if scale is None:
            raise self._missing(
                "how the difference image is scaled against M0 is not known",
                "Give the scale: 32 x NEX for a GE product image, 1 if it is plainly control - label",
            )
        return self._add("scale of the difference against M0", scale, "", source)
