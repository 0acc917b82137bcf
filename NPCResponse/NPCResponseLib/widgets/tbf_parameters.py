"""Between the panel's parameters and the blood flow job: what is missing, what to run, where results go. No Qt."""

import enum
import re
from html import escape

from slicer.i18n import tr as _
from slicer.util import NodeModify

from ..asl_series import AslRole, AslSeries, LabelingType
from ..errors import InputError
from ..mrml.asl_series import asl_series_from_nodes
from ..mrml.image_series import count_images, images_of, proxy_volume
from ..mrml.tbf import TbfJob, TbfOutputs, TbfSettings
from ..perfusion import PerfusionSettings
from ..perfusion_images import pair_images
from ..perfusion_parameters import Parameter, resolve_parameters, with_typed_delays
from ..readers.asl_images import parse_roles
from . import result_text, tbf_result_text
from .job_parameters import JobParameters

OUTPUTS = {  # parameter: field of TbfOutputs
    "aslTbfMap": "tbf",
    "aslStandardErrorMap": "standard_error",
    "aslTransitTimeMap": "transit_time",
    "aslStatusMap": "status",
    "aslDeltaMap": "delta_m",
    "aslM0Map": "m0",
    "aslTransform": "transform",
    "aslTable": "table",
}
INPUTS = ("aslSeries", "aslDifference", "aslFlow", "aslM0", "aslAnatomy", "aslSegmentation")
TEXTS = ("aslRegionText", "aslVoxelsText", "aslNotesText")
ALARM = '<span style="color:#C62828">{}</span>'  # readable on light and dark panels
FROM_DATA = -1  # of the number of pulses, for which 0 is an answer


class AslInputForm(enum.Enum):
    """What the images are. Saved by name: never rename a member."""

    SERIES = "series"
    DIFFERENCE = "difference"
    FLOW = "flow"

    def label(self) -> str:
        return {
            AslInputForm.SERIES: _("Control, label and M0"),
            AslInputForm.DIFFERENCE: _("Difference and M0"),
            AslInputForm.FLOW: _("Flow map from the scanner"),
        }[self]


class AslLabeling(enum.Enum):
    """How blood is labeled, or that the data tell. Saved by name: never rename a member."""

    FROM_DATA = ""
    PCASL = "PCASL"
    CASL = "CASL"
    PASL = "PASL"

    def label(self) -> str:
        return {
            AslLabeling.FROM_DATA: _("From the data, else pCASL"),
            AslLabeling.PCASL: _("Pseudo-continuous (pCASL)"),
            AslLabeling.CASL: _("Continuous (CASL)"),
            AslLabeling.PASL: _("Pulsed (PASL)"),
        }[self]


class AslQualityMap(enum.Enum):
    """What the second slice view shows. Values are parameters. Saved by name: never rename a member."""

    STANDARD_ERROR = "aslStandardErrorMap"
    STATUS = "aslStatusMap"
    TRANSIT_TIME = "aslTransitTimeMap"
    DELTA_M = "aslDeltaMap"
    M0 = "aslM0Map"

    def label(self) -> str:
        return {
            AslQualityMap.STANDARD_ERROR: _("Standard error of TBF"),
            AslQualityMap.STATUS: _("Status of each voxel"),
            AslQualityMap.TRANSIT_TIME: _("Transit time"),
            AslQualityMap.DELTA_M: _("Mean difference (control - label)"),
            AslQualityMap.M0: _("M0 (proton density)"),
        }[self]


class TbfParameters(JobParameters):
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of the blood flow section."""

    inputs, outputs, texts = INPUTS, OUTPUTS, TEXTS
    source, focus, mainOutput = "aslResultSource", "aslFocusRas", "aslTbfMap"
    segmentation, segmentId, exclusionIds = "aslSegmentation", "aslSegmentId", "aslExclusionSegmentIds"

    # -- before a run --

    def _images(self):
        """The node with the images, or None."""
        values = self.values
        return {
            AslInputForm.SERIES: values.aslSeries,
            AslInputForm.DIFFERENCE: values.aslDifference,
            AslInputForm.FLOW: values.aslFlow,
        }[values.aslInputForm]

    def inputNodes(self) -> list:
        node = self._images()
        return [node] if node is not None else []

    def nodesInUse(self) -> list:
        """All nodes that a run reads."""
        nodes = (*self.inputNodes(), self._m0(), self.values.aslAnatomy)
        return [node for node in nodes if node is not None]

    def _m0(self):
        return None if self.values.aslInputForm is AslInputForm.FLOW else self.values.aslM0

    def reasonNotReady(self) -> str:
        """Why a run cannot start, in one sentence; "" when it can."""
        values = self.values
        if not self.inputNodes():
            return {
                AslInputForm.SERIES: _("Choose the ASL series."),
                AslInputForm.DIFFERENCE: _("Choose the difference image."),
                AslInputForm.FLOW: _("Choose the flow map."),
            }[values.aslInputForm]
        try:
            self._facts(self._series())
        except InputError as error:
            return str(error)
        if values.aslSegmentation and not values.aslSegmentId:
            return _("Choose the tumor segment, or no segmentation to make maps only.")
        if values.aslSegmentId and values.aslSegmentId in list(values.aslExclusionSegmentIds):
            return _("The tumor segment is also checked under Leave out.")
        outputs = [getattr(values, name) for name in OUTPUTS]
        if any(node in outputs for node in self.nodesInUse()):
            return _("An output is also an input; choose another one under Outputs.")
        chosen = [node for node in outputs if node]
        if len(chosen) > len(set(chosen)):
            return _("The same node is chosen for two outputs.")
        return ""

    def describeFacts(self) -> str:
        """What the images and the user tell (HTML), with what is missing in red."""
        if not self.inputNodes():
            return ""
        lines = []
        try:
            series = self._series()
            lines.append(tbf_result_text.imagesText(series))
            lines += tbf_result_text.parameterLines(self._facts(series))
        except InputError as error:
            lines.append(ALARM.format(escape(str(error))))
        return "<br>".join(lines)

    def _series(self) -> AslSeries:
        """The images as a run would take them. Raises InputError."""
        return asl_series_from_nodes(self._images(), self._roles(), self._m0())

    def _facts(self, series: AslSeries) -> tuple[Parameter, ...]:
        """Every number that a run would use. Raises InputError for what is missing or makes no sense."""
        settings = self._perfusionSettings()
        pairs = pair_images(series)
        if pairs.flow is not None:
            return ()
        pairs = with_typed_delays(pairs, settings.post_labeling_delay_ms, series.name)
        return resolve_parameters(series, settings, pairs).parameters

    def _roles(self) -> tuple[AslRole, ...]:
        """What the user says of each image; empty: what the node knows. Raises InputError."""
        values = self.values
        n_images = count_images(images_of(self._images()))
        if values.aslInputForm is AslInputForm.FLOW:
            return (AslRole.FLOW,) * n_images
        if values.aslInputForm is AslInputForm.DIFFERENCE:
            return (AslRole.DIFFERENCE,) * n_images
        return repeatRoles(parseRoles(values.aslRoles), n_images)

    def chooseLoaded(self, series) -> None:
        """A series that was just loaded becomes the input; its roles are its own, not those typed for another."""
        with NodeModify(self.values.parameterNode):
            self.values.aslInputForm = AslInputForm.SERIES
            self.values.aslSeries = series
            self.values.aslRoles = ""

    # -- run --

    def _perfusionSettings(self) -> PerfusionSettings:
        """Typed numbers; what is left at its special value is None. Raises InputError."""
        values = self.values
        delays = tuple(values.aslDelaysMs)
        return PerfusionSettings(
            t1_blood_ms=values.aslT1BloodMs or None,
            hematocrit=values.aslHematocrit or None,
            labeling_efficiency=values.aslEfficiency or None,
            n_background_suppression_pulses=None if values.aslPulses == FROM_DATA else values.aslPulses,
            partition_coefficient_ml_per_g=values.aslPartitionCoefficient or None,
            post_labeling_delay_ms=delays or None,
            label_duration_ms=values.aslLabelDurationMs or None,
            labeling_type=LabelingType(values.aslLabeling.value) if values.aslLabeling.value else None,
            m0_repetition_time_ms=values.aslM0RepetitionTimeMs or None,
            perfusion_scale=values.aslPerfusionScale or None,
            field_strength_t=values.aslFieldStrengthT or None,
            t1_tissue_ms=values.aslT1TissueMs or None,
            drop_outlier_pairs=values.aslDropOutlierPairs,
        )

    def createJob(self) -> TbfJob:
        """The job that the parameters describe; reads and checks everything. Raises InputError."""
        values = self.values
        settings = TbfSettings(
            perfusion=self._perfusionSettings(),
            roles=self._roles(),
            slice_rule=values.aslSliceRule,
            average=values.aslAverage,
            erosion_mm=values.aslErosionMm,
            correct_motion=values.aslCorrectMotion,
            keep_doubtful=not values.aslLeaveOutDoubtful,
        )
        common = {"m0_volume": self._m0(), "anatomy": values.aslAnatomy}
        if values.aslSegmentation is None or not values.aslSegmentId:
            return TbfJob(self._images(), settings, **common)
        return TbfJob(
            self._images(),
            settings,
            segmentation=values.aslSegmentation,
            segment_id=values.aslSegmentId,
            exclusion_ids=list(values.aslExclusionSegmentIds),
            **common,
        )

    def finishJob(self, job: TbfJob):
        """Write results into the chosen output nodes, make those that are missing, and describe them in words."""
        values = self.values
        result = job.finish(TbfOutputs(**self.outputNodes()))
        with NodeModify(values.parameterNode):
            self.keepOutputs(result.outputs)
            values.aslResultSource = self._images()
            values.aslFocusRas = result_text.centerOfRegionRas(result.roi_mask, result.outputs.tbf)
            values.aslRegionText = tbf_result_text.regionText(result)
            values.aslVoxelsText = tbf_result_text.voxelsText(result)
            values.aslNotesText = tbf_result_text.notesText(result)
        return result

    def outcomeText(self, result) -> str:
        return tbf_result_text.outcomeText(result)

    # -- after a run --

    def backgroundVolume(self):
        """What maps are laid over: the anatomy if they were registered to it, else M0, else an image of the series."""
        values, node = self.values, self._images()
        if values.aslAnatomy is not None and values.aslTransform is not None:
            return values.aslAnatomy
        proxy = proxy_volume(node) if node is not None and node.IsA("vtkMRMLSequenceNode") else None
        return values.aslM0Map or proxy

    def qualityNode(self):
        return getattr(self.values, self.values.aslQualityMap.value)


def parseRoles(text: str) -> tuple[AslRole, ...]:
    """Roles as people type them: words of BIDS, separated by commas, semicolons or spaces. Raises InputError."""
    words = [word for word in re.split(r"[\s,;/]+", text) if word]
    return parse_roles(words) or ()


def repeatRoles(roles: tuple[AslRole, ...], n_images: int) -> tuple[AslRole, ...]:
    """A pattern made as long as the series: M0 images at its beginning stand once, the rest is repeated.

    Raises:
        InputError: the pattern does not end with the series.
    """
    if not roles or len(roles) == n_images:
        return roles
    n_once = next((n for n, role in enumerate(roles) if role is not AslRole.M0), 0)
    repeated, n_left = roles[n_once:], n_images - n_once
    if n_left <= 0 or n_left % len(repeated):
        raise InputError(
            f"{len(roles)} roles do not fit {n_images} images", remedy="Give one per image, or a pattern that repeats"
        )
    return roles[:n_once] + repeated * (n_left // len(repeated))
