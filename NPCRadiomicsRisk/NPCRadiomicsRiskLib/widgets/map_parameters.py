"""Between the panel's parameters and the exploratory map: what is missing, and where results go. No Qt."""

import functools
import json
from html import escape
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.errors import InputError
from NPCResponseLib.widgets.result_text import bullets, centerOfRegionRas

from ..mrml.radioresistance import MapJob, MapOutputs, MapResult, with_boost
from ..radioresistance.exploratory_map import BoostRule, LocalModel
from .choices import MapModel
from .section_parameters import SectionParameters

TEXTS = ("mapText", "mapNotesText")


class MapParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the tab Map."""

    outputs = {"mapNode": "map", "mapBoost": "segmentation"}
    texts = TEXTS
    sources, focus, mainOutput = ("mapResultVolume", "mapResultSegmentation"), "mapFocusRas", "mapNode"

    def sourceNodes(self) -> tuple:
        return self.values.preVolume, self.values.gtvSegmentation

    def nodesInUse(self) -> list:
        return self.inputNodes()

    def reasonNotReady(self) -> str:
        """Why there can be no map, in one sentence; "" when there can."""
        values = self.values
        if values.preVolume is None:
            return _("Choose the pre-treatment scan, under Patient.")
        if values.gtvSegmentation is None or not values.gtvSegmentId:
            return _("Choose the segment of the GTV, under Patient.")
        if any(node is not None and node in self.nodesInUse() for node in self.outputNodes().values()):
            return _("An output is also an input; choose another output.")
        try:
            self.model()
        except InputError as error:
            return str(error)
        return ""

    # -- the model --

    def model(self) -> LocalModel | None:
        """The trained model; None for the published directions.

        Raises:
            InputError: no file was chosen.
        """
        if self.values.mapModel is not MapModel.FILE:
            return None
        if not self.values.mapModelText:
            raise InputError("no model file is chosen", remedy="Choose one, or take the published directions")
        return parsedModel(self.values.mapModelText)

    def readModel(self, path: str) -> None:
        """Keep a model file's text, so that the scene holds all it needs.

        Raises:
            InputError: it is no model; nothing is kept then.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError("it cannot be read", where=Path(path).name, remedy="Choose a JSON file") from None
        parsedModel(text)
        with NodeModify(self.values.parameterNode):
            self.values.mapModelText, self.values.mapModelName = text, Path(path).name
            self.values.mapModel = MapModel.FILE

    # -- a run --

    def boostRule(self) -> BoostRule:
        return BoostRule(volume_share=self.values.mapBoostPercent / 100)

    def choices(self) -> list[tuple[str, str]]:
        values = self.values
        shown = [("--map", "")]
        if values.mapRadiusMm:
            shown.append(("radius mm:", f"{values.mapRadiusMm:g}"))
        if values.mapModel is MapModel.FILE:
            return [*shown, ("--map-model", "given")]
        return [*shown, ("gray levels of the map:", str(values.mapLevels))]

    def createJob(self) -> MapJob:
        """Raises InputError."""
        values, model = self.values, self.model()
        settings = model.settings if model is not None else {}
        self._sourcesOfJob = self.sourceNodes()
        return MapJob(
            values.preVolume,
            (values.gtvSegmentation, values.gtvSegmentId),
            radius_mm=values.mapRadiusMm or None,
            different_patients=values.differentPatients,
            n_levels=settings.get("n_levels", values.mapLevels),
            quantization=settings.get("quantization", "lloyd"),
            model=model,
            boost_rule=self.boostRule(),
        )

    def finishJob(self, job: MapJob) -> MapResult:
        """Write result nodes, and put the result into words."""
        result = job.finish(MapOutputs(**self.outputNodes()))
        with NodeModify(self.values.parameterNode):
            self.keepOutputs(result.outputs)
            self.keepSources(self._sourcesOfJob)
            self._tell(result)
        return result

    def turnBoost(self, result: MapResult) -> MapResult:
        """Another share of the tumor is suggested, from the same map.

        Raises:
            InputError: its segmentation is gone.
        """
        turned = with_boost(result, self.boostRule(), self.values.mapResultVolume)
        with NodeModify(self.values.parameterNode):
            self._tell(turned)
        return turned

    def isTurned(self, result: MapResult) -> bool:
        """Whether the slider asks for another share than the result has."""
        return not np.isclose(result.rule.volume_share, self.boostRule().volume_share)

    def _tell(self, result: MapResult) -> None:
        values, boost = self.values, result.map.boost
        values.mapFocusRas = centerOfRegionRas(boost.mask, result.outputs.map)
        values.mapText = "<br>".join((f"<b>{escape(boost.sentence)}</b>", escape(result.map.explanation)))
        values.mapNotesText = bullets(list(dict.fromkeys(result.warnings)))


@functools.lru_cache(maxsize=4)
def parsedModel(text: str) -> LocalModel:
    """A model from the text of its file.

    Raises:
        InputError: it is none.
    """
    try:
        content = json.loads(text)
    except ValueError:
        raise InputError("the model file is no JSON", remedy="Choose a file that npc-radiomics wrote") from None
    return LocalModel.from_dict(content)
