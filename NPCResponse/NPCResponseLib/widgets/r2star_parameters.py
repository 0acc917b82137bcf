"""Between the panel's parameters and the R2* job: what is missing, what to run, and where the results go. No Qt."""

import enum
import re

import slicer
from slicer.i18n import tr as _
from slicer.util import NodeModify

from ..echo_times import format_echo_times
from ..errors import InputError
from ..mrml.echo_series import find_echo_times
from ..mrml.image_series import proxy_volume
from ..mrml.r2star import R2StarJob, R2StarOutputs, R2StarSettings
from . import result_text
from .job_parameters import JobParameters

OUTPUTS = {  # parameter: field of R2StarOutputs
    "r2starMap": "r2star",
    "t2starMap": "t2star",
    "s0Map": "s0",
    "standardErrorMap": "standard_error",
    "rSquaredMap": "r_squared",
    "statusMap": "status",
    "resultTable": "table",
    "decayChart": "chart",
}
INPUTS = ("boldSeries", "segmentation", "b0Map")
TEXTS = ("regionText", "voxelsText", "notesText")


class InputForm(enum.Enum):
    """In which form the echoes are in the scene. Saved by name: never rename a member."""

    SERIES = "series"
    VOLUMES = "volumes"

    def label(self) -> str:
        return {
            InputForm.SERIES: _("One sequence or multi-component volume"),
            InputForm.VOLUMES: _("One volume per echo"),
        }[self]


class QualityMap(enum.Enum):
    """What the second slice view shows. Values are parameters. Saved by name: never rename a member."""

    STANDARD_ERROR = "standardErrorMap"
    STATUS = "statusMap"
    R_SQUARED = "rSquaredMap"
    T2_STAR = "t2starMap"
    S0 = "s0Map"

    def label(self) -> str:
        return {
            QualityMap.STANDARD_ERROR: _("Standard error of R2*"),
            QualityMap.STATUS: _("Status of each voxel"),
            QualityMap.R_SQUARED: _("R² of the fit"),
            QualityMap.T2_STAR: _("T2*"),
            QualityMap.S0: _("S0 (signal at echo time 0)"),
        }[self]


class R2StarParameters(JobParameters):
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of the R2* section."""

    inputs, outputs, texts = INPUTS, OUTPUTS, TEXTS
    source, focus, mainOutput = "resultSource", "focusRas", "r2starMap"
    segmentation, segmentId, exclusionIds = "segmentation", "segmentId", "exclusionSegmentIds"

    # -- before a run --

    def inputNodes(self) -> list:
        """The node or nodes with the echoes; empty when none are chosen."""
        if self.values.inputForm is InputForm.SERIES:
            return [self.values.boldSeries] if self.values.boldSeries else []
        return sorted((node for node in self.values.boldVolumes if node is not None), key=_naturalOrder)

    def reasonNotReady(self) -> str:
        """Why a run cannot start, in one sentence; "" when it can."""
        values = self.values
        if not self.inputNodes():
            if values.inputForm is InputForm.SERIES:
                return _("Choose the BOLD series.")
            return _("Check the volumes of the BOLD series, one per echo.")
        try:
            self._echoTimes()
        except InputError as error:
            return str(error)
        if values.segmentation and not values.segmentId:
            return _("Choose the tumor segment, or no segmentation to make maps only.")
        if values.segmentId and values.segmentId in list(values.exclusionSegmentIds):
            return _("The tumor segment is also checked under Leave out.")
        outputs = [getattr(values, name) for name in OUTPUTS]
        if any(node in outputs for node in (*self.inputNodes(), values.b0Map, self.backgroundVolume()) if node):
            return _("An output is also an input; choose another one under Outputs.")
        maps = [node for node in outputs if node]
        if len(maps) > len(set(maps)):
            return _("The same node is chosen for two outputs.")
        return ""

    def describeEchoTimes(self) -> str:
        """The echo times that a run would use and where they come from, or what is wrong with them."""
        if not self.inputNodes():
            return ""
        try:
            times, source = self._echoTimes()
        except InputError as error:
            return str(error)
        return f"{format_echo_times(times)} ({source})"

    def _echoTimes(self):
        """Echo times (ms) and their source. Raises InputError."""
        return find_echo_times(self._series(), tuple(self.values.echoTimesMs) or None)

    def _series(self):
        """What the MRML layer takes: one node, or the list of volumes."""
        nodes = self.inputNodes()
        return nodes[0] if self.values.inputForm is InputForm.SERIES else nodes

    # -- run --

    def createJob(self) -> R2StarJob:
        """The job that the parameters describe; reads and checks everything. Raises InputError."""
        values = self.values
        settings = R2StarSettings(
            method=values.method,
            echo_times_ms=tuple(values.echoTimesMs),
            noise_sigma=values.noiseSigma or None,
            slice_rule=values.sliceRule,
            erosion_mm=values.erosionMm,
            saturation_level=values.saturationLevel or None,
            keep_doubtful=not values.leaveOutDoubtful,
        )
        if values.segmentation is None or not values.segmentId:
            return R2StarJob(self._series(), settings, b0_map=values.b0Map)
        return R2StarJob(
            self._series(),
            settings,
            segmentation=values.segmentation,
            segment_id=values.segmentId,
            exclusion_ids=list(values.exclusionSegmentIds),
            b0_map=values.b0Map,
        )

    def finishJob(self, job: R2StarJob):
        """Write results into the chosen output nodes, make those that are missing, and describe them in words."""
        values = self.values
        result = job.finish(R2StarOutputs(**self.outputNodes()))
        with NodeModify(values.parameterNode):
            self.keepOutputs(result.outputs)
            values.resultSource = self.inputNodes()[0]
            values.focusRas = result_text.centerOfRegionRas(result.roi_mask, result.outputs.r2star)
            values.regionText = result_text.regionText(result)
            values.voxelsText = result_text.voxelsText(result)
            values.notesText = result_text.notesText(result)
        return result

    def outcomeText(self, result) -> str:
        return result_text.outcomeText(result)

    # -- after a run --

    def backgroundVolume(self):
        """The first echo as a volume of the scene, else the S0 map: what maps are laid over."""
        nodes = self.inputNodes()
        if self.values.inputForm is InputForm.VOLUMES and nodes:
            return nodes[0]
        proxy = proxy_volume(nodes[0]) if nodes and nodes[0].IsA("vtkMRMLSequenceNode") else None
        return proxy or self.values.s0Map

    def selectFirstEcho(self) -> None:
        """Let the volume in the scene that shows the sequence show its first echo."""
        nodes = self.inputNodes()
        if nodes and nodes[0].IsA("vtkMRMLSequenceNode"):
            browser = slicer.modules.sequences.logic().GetFirstBrowserNodeForSequenceNode(nodes[0])
            if browser is not None:
                browser.SetSelectedItemNumber(0)

    def qualityNode(self):
        return getattr(self.values, self.values.qualityMap.value)

    def forgetNode(self, node) -> None:
        """Take a node that is about to be removed out of the parameters."""
        values = self.values
        with NodeModify(values.parameterNode):
            super().forgetNode(node)
            if node in list(values.boldVolumes):
                values.boldVolumes = [other for other in values.boldVolumes if other is not None and other is not node]


def _naturalOrder(node) -> list:
    """Names with numbers in counting order: echo 2 before echo 10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", node.GetName())]
