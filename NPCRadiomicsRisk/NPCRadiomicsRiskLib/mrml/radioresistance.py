"""The radio-resistance map (exploratory) of a tumor as a volume node, and the suggested boost region as a segment."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace

import numpy as np
import slicer
import slicer.util

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import volumes
from NPCResponseLib.mrml.assessment_nodes import check_one_patient
from NPCResponseLib.mrml.hierarchy import place_beside
from NPCResponseLib.mrml.result_nodes import check_outputs, removed_on_failure
from NPCResponseLib.mrml.segments import segment_mask

from ..background import steps_of
from ..radioresistance.exploratory_map import (
    BoostRule,
    RadioresistanceMap,
    map_of_features,
    radioresistance_map,
    radius_of_mm,
)
from .images import read_image

KIND = volumes.MapKind(
    "radio-resistance (exploratory)",
    ("RadioResistance", "99NPC", "Exploratory radio-resistance score"),
    volumes.NO_UNIT,
    (0.0, 1.0),
)
BOOST, BOOST_COLOR = "Suggested boost (exploratory)", (0.95, 0.35, 0.75)


@dataclass
class MapOutputs:
    """Result nodes: before a run those to update, after it all of the result."""

    map: object = None
    segmentation: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True, eq=False)
class MapResult:
    """Attributes:
    map: arrays and words; its masks lie on the volume's grid.
    rule: how the suggested region was taken from the map.
    """

    map: RadioresistanceMap
    outputs: MapOutputs
    warnings: tuple[str, ...]
    rule: BoostRule


class MapJob:
    """One map.

    Args:
        volume: the pre-treatment scan.
        tumor: (segmentation node, segment ID): the GTV.
        radius_mm: half-width of the neighborhoods, rounded to voxels along each axis; None for the default.
        different_patients: the nodes' patient IDs differ on purpose.
        options: keyword arguments of :func:`NPCRadiomicsRiskLib.radioresistance.exploratory_map.radioresistance_map`.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self, volume, tumor: tuple, *, radius_mm: float | None = None, different_patients: bool = False, **options
    ):
        if not different_patients:
            check_one_patient({"the scan": [volume], "the segmentation": [tumor[0]]})
        self._image, self._volume, self._options = read_image(volume), volume, options
        if radius_mm is not None:
            self._options |= {"radius_voxels": radius_of_mm(radius_mm, self._image.spacing_mm_kji)}
        self._tumor = segment_mask(*tumor, volume)
        self._inputs = [volume, tumor[0]]
        self._map: RadioresistanceMap | None = None

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        self._map = yield from steps_of(
            lambda progress: radioresistance_map(
                self._image.array, self._tumor.mask, self._image.spacing_mm_kji, progress=progress, **self._options
            )
        )
        yield 1.0

    def run(self, outputs: MapOutputs | None = None, progress: Callable[[float], None] | None = None) -> MapResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    def finish(self, outputs: MapOutputs | None = None) -> MapResult:
        """Write the map and the boost segment.

        Raises:
            InputError: an output is also an input.
        """
        outputs = replace(outputs) if outputs else MapOutputs()
        check_outputs(outputs.nodes(), self._inputs)
        with removed_on_failure():
            outputs.map = volumes.write_map(self._map.map, KIND, self._image.name, self._volume, outputs.map)
            place_beside(outputs.map, self._volume)
            outputs.segmentation = write_boost(self._map.boost.mask, self._volume, outputs.segmentation)
        rule = self._options.get("boost_rule", BoostRule())
        return MapResult(self._map, outputs, (*self._image.warnings, *self._map.warnings), rule)


def with_boost(result: MapResult, rule: BoostRule, volume) -> MapResult:
    """Another suggested region from the same map, into the same nodes; nothing is computed anew but the region.

    Args:
        volume: the pre-treatment scan that the map was made of.

    Raises:
        InputError: the result's segmentation node is gone.
    """
    outputs = result.outputs
    if outputs.segmentation is None or outputs.segmentation.GetScene() is None:
        raise InputError("the segmentation of the suggested region is gone", remedy="Compute the map again")
    found = map_of_features(result.map.tumor_features, model=result.map.model, boost_rule=rule)
    write_boost(found.boost.mask, volume, outputs.segmentation)
    of_image = result.warnings[: len(result.warnings) - len(result.map.warnings)]
    return MapResult(found, outputs, (*of_image, *found.warnings), rule)


def write_boost(mask: np.ndarray, volume, node=None):
    """The suggested region as the one segment of its own segmentation, on the volume's grid."""
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} boost")
        )
        node.CreateDefaultDisplayNodes()
        place_beside(node, volume)
    with slicer.util.NodeModify(node):
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        parent = volume.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
        segmentation = node.GetSegmentation()
        segment_id = segmentation.GetSegmentIdBySegmentName(BOOST)
        segment_id = segment_id or segmentation.AddEmptySegment("boost", BOOST, BOOST_COLOR)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, volume)
    return node
