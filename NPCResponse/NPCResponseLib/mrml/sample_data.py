"""The digital phantom as nodes: the sample data of the Slicer module, and of tests."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..phantom import SEGMENT_NAMES, TimePoint, simulate_bold
from .echo_series import add_echo_series_to_scene
from .hierarchy import place_beside
from .image_series import reference_volume

SEGMENT_COLORS = {
    "tumor": (0.94, 0.78, 0.19),
    "necrosis": (0.55, 0.35, 0.65),
    "airway": (0.40, 0.80, 0.95),
    "node_left": (0.45, 0.75, 0.35),
    "node_right": (0.30, 0.60, 0.25),
}


@dataclass(frozen=True)
class PhantomNodes:
    """A simulated patient in the scene: a five-echo series and a segmentation before and after treatment."""

    pre: object
    pre_segmentation: object
    post: object
    post_segmentation: object


def add_phantom_to_scene(snr: float = 50.0, peak_gradient_ut_per_m: float = 0.0) -> PhantomNodes:
    """Simulate both time points; arguments as in :func:`NPCResponseLib.phantom.simulate_bold`."""
    nodes = {}
    for time_point in TimePoint:
        acquisition = simulate_bold(time_point, snr=snr, peak_gradient_ut_per_m=peak_gradient_ut_per_m)
        series = add_echo_series_to_scene(acquisition.series)
        segmentation = add_phantom_segmentation(
            acquisition, reference_volume(series), f"{acquisition.series.name} regions"
        )
        place_beside(segmentation, series)
        nodes |= {time_point.value: series, f"{time_point.value}_segmentation": segmentation}
    return PhantomNodes(**nodes)


def add_phantom_segmentation(acquisition, reference, name: str):
    """A segmentation node with the regions that a radiologist would draw, on the grid of a volume node."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for segment in SEGMENT_NAMES:
        mask = acquisition.region_mask(segment).astype(np.uint8)
        segment_id = node.GetSegmentation().AddEmptySegment(segment, segment, SEGMENT_COLORS[segment])
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, reference)
    return node
