"""What the header of one image tells of arterial spin labeling: the standard's attributes and the vendors' own.

=========  ============================================================================================
DICOM      (0018,9250) how blood is labeled, (0018,9257) what the image is, (0018,9258) label duration in ms, in the
           slab item, (0018,925F) bolus cut-off of pulsed labeling. There is no attribute for the delay.
Philips    (2005,1429) LABEL or CONTROL, (2001,1008) number of the delay; the M0 pair is marked alike. Nothing else.
GE         (0043,10A3) and (0043,10A4) tell perfusion-weighted image from proton density, (0043,10A5) label duration in
           ms, (0018,0082) delay in ms, (0027,1062) number of excitations.
Siemens    see ``asl_siemens``.
=========  ============================================================================================
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset

from ..asl_series import AslRole, LabelingType
from .asl_images import Fact
from .asl_mosaics import MosaicFacts, mosaic_facts
from .asl_siemens import protocol_facts, protocol_of
from .dicom_values import (
    first_number,
    first_text,
    first_value,
    positive,
    private_number,
    private_text,
    whole,
    words,
)

_CONTEXTS = {"M_ZERO_SCAN": AslRole.M0, "LABEL": AslRole.LABEL, "CONTROL": AslRole.CONTROL}
_PHILIPS_LABELS = {"LABEL": AslRole.LABEL, "CONTROL": AslRole.CONTROL}
_CONTRASTS = {
    "PSEUDOCONTINUOUS": LabelingType.PCASL,
    "CONTINUOUS": LabelingType.CASL,
    "PULSED": LabelingType.PASL,
}
# What operators call it. "pcasl" and "pseudo" come first: the rest is part of them.
_NAMES = (
    (re.compile(r"pcasl|pseudo-?_? ?continuous", re.IGNORECASE), LabelingType.PCASL),
    (re.compile(r"(?<![a-z])casl", re.IGNORECASE), LabelingType.CASL),
    (re.compile(r"(?<![a-z])pasl|(?<![a-z])pulsed ?_?asl", re.IGNORECASE), LabelingType.PASL),
)
# Element (2005,xx29) of another block of the same vendor means something else, so only this one is asked.
_PHILIPS_LABEL_CREATORS, _PHILIPS_PHASE_CREATORS = ("Philips MR Imaging DD 005",), ("Philips Imaging DD 001",)
_PHILIPS_LABEL, _PHILIPS_PHASE = (0x2005, 0x29), (0x2001, 0x08)
_GE_PARAMETERS, _GE_IMAGE = ("GEMS_PARM_01",), ("GEMS_IMAG_01",)
_GE_CONTRAST, _GE_TECHNIQUE, _GE_DURATION, _GE_EXCITATIONS = (0x43, 0xA3), (0x43, 0xA4), (0x43, 0xA5), (0x27, 0x62)
# GE scales its perfusion-weighted image by this factor for each excitation, which are added up, not averaged.
GE_SCALE = 32.0
# Up to this release the factor was another one.
_LAST_OLD_GE_RELEASE = 15
_EPOCH = datetime(2000, 1, 1)
# "ml/(100.g.min)", "mL/min/100g": the same words in any order.
_FLOW_UNITS = re.compile(r"(?=.*\bml)(?=.*100)(?=.*min)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class AslMarks:
    """Facts of one image; None or empty where its header is silent.

    ``facts`` are by name of a field of AslSeries; "post_labeling_delays_ms" is a single number here. ``time_s`` is the
    start of the readout on a clock of its own, for differences only.
    """

    context: AslRole | None = None
    philips_label: AslRole | None = None
    philips_phase: int | None = None
    ge_technique: str = ""
    image_type: tuple[str, ...] = ()
    repetition_time_ms: float | None = None
    trigger_time_ms: float | None = None
    acquisition_number: int | None = None
    instance_number: int | None = None
    time_s: float | None = None
    is_2d: bool | None = None
    flow_scale: tuple[float, float] | None = None
    is_labeled: bool = False
    mosaic: MosaicFacts | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class MarksReader:
    """Reads marks; the protocol of a Siemens series, which is long, once per series."""

    def __init__(self):
        self._protocols: dict[str, tuple[dict[str, Fact], tuple[str, ...]]] = {}

    def __call__(self, sources: Sequence[Dataset]) -> AslMarks:
        dataset = sources[-1]
        ge_technique, image_type = _ge_technique(sources), _image_type(sources)
        contrast = first_text(sources, "ArterialSpinLabelingContrast")
        context = _CONTEXTS.get(first_text(sources, "ASLContext").upper())
        protocol, warnings = self._protocol(dataset)
        facts = {**_named(dataset), **protocol, **_standard(sources, contrast), **_ge(sources, ge_technique)}
        return AslMarks(
            context=context,
            philips_label=_PHILIPS_LABELS.get(private_text(sources, _PHILIPS_LABEL, _PHILIPS_LABEL_CREATORS).upper()),
            philips_phase=whole(private_number(sources, _PHILIPS_PHASE, _PHILIPS_PHASE_CREATORS, "<i")),
            ge_technique=ge_technique,
            image_type=image_type,
            repetition_time_ms=positive(first_number(sources, "RepetitionTime")),
            trigger_time_ms=first_number(sources, "TriggerTime"),
            acquisition_number=whole(first_number(sources, "AcquisitionNumber")),
            instance_number=whole(first_number(sources, "InstanceNumber")),
            time_s=_time_s(sources),
            is_2d={"2D": True, "3D": False}.get(first_text(sources, "MRAcquisitionType").upper()),
            flow_scale=_flow_scale(sources),
            is_labeled=bool(context or contrast or ge_technique or "MRArterialSpinLabelingSequence" in dataset),
            mosaic=mosaic_facts(dataset) if "MOSAIC" in image_type else None,
            facts=facts,
            warnings=warnings,
        )

    def _protocol(self, dataset: Dataset) -> tuple[dict[str, Fact], tuple[str, ...]]:
        if not first_text([dataset], "Manufacturer").upper().startswith("SIEMENS"):
            return {}, ()
        uid = first_text([dataset], "SeriesInstanceUID")
        if uid not in self._protocols:
            self._protocols[uid] = protocol_facts(protocol_of(dataset))
        return self._protocols[uid]


def labeling_type_in_name(text: str) -> LabelingType | None:
    """What the name of a protocol says, if it says one thing."""
    return next((kind for pattern, kind in _NAMES if pattern.search(text)), None)


# -- standard --


def _standard(sources: Sequence[Dataset], contrast: str) -> dict[str, Fact]:
    facts = {}
    labeling_type = _CONTRASTS.get(contrast.upper())
    if labeling_type:
        facts["labeling_type"] = Fact(labeling_type, "DICOM (0018,9250)")
    nested = [*sources, *_nested(sources, "ASLSlabSequence")]
    duration = positive(first_number(nested, "ASLPulseTrainDuration"))
    if labeling_type is LabelingType.PASL:
        cutoff = [*sources, *_nested(sources, "ASLBolusCutoffTimingSequence")]
        bolus = positive(first_number(cutoff, "ASLBolusCutoffDelayTime"))
        return {**facts, "label_duration_ms": Fact(bolus, "DICOM (0018,925F)")} if bolus else facts
    return {**facts, "label_duration_ms": Fact(duration, "DICOM (0018,9258)")} if duration else facts


def _nested(sources: Sequence[Dataset], keyword: str) -> list[Dataset]:
    return [item for source in sources for item in (source.get(keyword) or [])]


def _named(dataset: Dataset) -> dict[str, Fact]:
    for keyword, tag in (("ProtocolName", "(0018,1030)"), ("SeriesDescription", "(0008,103E)")):
        labeling_type = labeling_type_in_name(first_text([dataset], keyword))
        if labeling_type:
            return {"labeling_type": Fact(labeling_type, f"the name of the protocol, DICOM {tag}")}
    return {}


def _image_type(sources: Sequence[Dataset]) -> tuple[str, ...]:
    """The words of Image Type and Frame Type together, after the two that tell original and primary."""
    dataset = sources[-1]
    frame_type, image_type = words(first_value(sources, "FrameType")), words(dataset.get("ImageType"))
    # Philips repeats a classic Image Type in a private item, which says more than the enhanced one.
    private = [words(source.get("ImageType")) for source in sources[:-1] if "ImageType" in source]
    said = [*image_type[:1], *frame_type[2:], *image_type[2:], *(word for item in private for word in item[2:])]
    return tuple(dict.fromkeys(str(word).strip().upper() for word in said))


def _time_s(sources: Sequence[Dataset]) -> float | None:
    """Time of the readout in seconds; in classic files without the date, so midnight is a jump."""
    stamp = first_text(sources, "FrameAcquisitionDateTime")
    if stamp:
        try:
            layout = "%Y%m%d%H%M%S.%f" if "." in stamp else "%Y%m%d%H%M%S"
            return (datetime.strptime(re.split(r"[+-]", stamp)[0], layout) - _EPOCH).total_seconds()
        except ValueError:
            return None
    clock = first_text(sources, "AcquisitionTime").replace(":", "")
    if not re.fullmatch(r"\d{6}(\.\d*)?", clock):
        return None
    return int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + float(clock[4:])


def _flow_scale(sources: Sequence[Dataset]) -> tuple[float, float] | None:
    """Slope and intercept of a real-world mapping whose unit is that of flow."""
    mappings = [*sources, *_nested(sources, "RealWorldValueMappingSequence")]
    for mapping in mappings:
        slope = first_number([mapping], "RealWorldValueSlope")
        units = mapping.get("MeasurementUnitsCodeSequence") or []
        said = " ".join(first_text(list(units), keyword) for keyword in ("CodeValue", "CodeMeaning"))
        if slope and _FLOW_UNITS.search(said):
            return slope, first_number([mapping], "RealWorldValueIntercept") or 0.0
    return None


# -- GE --


def _ge_technique(sources: Sequence[Dataset]) -> str:
    """In words such as "3D pulsed continuous ASL technique"; the contrast where there is none."""
    if not first_text(sources[-1:], "Manufacturer").upper().startswith("GE"):
        return ""
    technique = private_text(sources, _GE_TECHNIQUE, _GE_PARAMETERS)
    return (technique or private_text(sources, _GE_CONTRAST, _GE_PARAMETERS)).lower()


def ge_role(technique: str) -> AslRole | None:
    """The product sequence names its two images by technique: proton density is "continuous" only."""
    if re.search(r"pulsed continuous|pseudo-?continuous", technique):
        return AslRole.DIFFERENCE
    return AslRole.M0 if "continuous" in technique else None


def _ge(sources: Sequence[Dataset], technique: str) -> dict[str, Fact]:
    if not technique:
        return {}
    duration = positive(private_number(sources, _GE_DURATION, _GE_PARAMETERS, "<i"))
    facts = {"label_duration_ms": Fact(duration, "GE (0043,10A5)")} if duration else {}
    if ge_role(technique) is AslRole.M0:
        return facts
    delay = positive(first_number(sources, "InversionTime"))
    if delay:
        facts["post_labeling_delays_ms"] = Fact(delay, "DICOM (0018,0082) Inversion Time, GE's delay")
    if ge_role(technique) is AslRole.DIFFERENCE:
        facts["labeling_type"] = Fact(LabelingType.PCASL, "GE (0043,10A3) and (0043,10A4)")
        facts.update(_ge_scale(sources))
    return facts


def _ge_scale(sources: Sequence[Dataset]) -> dict[str, Fact]:
    release = re.search(r"release\D*(\d+)|^(\d+)", first_text(sources, "SoftwareVersions").lower())
    if release and int(release[1] or release[2]) <= _LAST_OLD_GE_RELEASE:
        return {}
    excitations = positive(private_number(sources, _GE_EXCITATIONS, _GE_IMAGE, "<i"))
    tag = "(0027,1062)"
    if not excitations:
        excitations, tag = positive(first_number(sources, "NumberOfAverages")), "(0018,0083)"
    if not excitations:
        return {}
    return {"perfusion_scale": Fact(GE_SCALE * excitations, f"GE: {GE_SCALE:g} x {excitations:g} excitations {tag}")}
