"""The digital phantom as nodes: the sample data of the Slicer module, and of tests."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..phantom import SEGMENT_NAMES, TimePoint, simulate_asl, simulate_bold, simulate_t1ce
from .asl_series import add_asl_series_to_scene
from .echo_series import add_echo_series_to_scene
from .geometry import set_matrix
from .hierarchy import place_beside
from .image_series import DISPLAY_PERCENTILES, reference_volume

SEGMENT_COLORS = {
    "tumor": (0.94, 0.78, 0.19),
    "necrosis": (0.55, 0.35, 0.65),
    "airway": (0.40, 0.80, 0.95),
    "node_left": (0.45, 0.75, 0.35),
    "node_right": (0.30, 0.60, 0.25),
}


ASL_SNR_RATIO = 3.0  # larger voxels, and a 3-D readout


@dataclass(frozen=True)
class PhantomNodes:
    """A simulated patient in the scene, before (pre) and after (post) treatment.

    Attributes:
        pre, pre_segmentation: five-echo BOLD series (sequence), and the regions as drawn on it.
        pre_asl: labeling series with M0, control and label (sequence).
        pre_t1, pre_t1_segmentation: contrast-enhanced T1 image (volume), and the regions as drawn on it.
    """

    pre: object
    pre_segmentation: object
    pre_asl: object
    pre_t1: object
    pre_t1_segmentation: object
    post: object
    post_segmentation: object
    post_asl: object
    post_t1: object
    post_t1_segmentation: object


def add_phantom_to_scene(snr: float = 50.0, peak_gradient_ut_per_m: float = 0.0) -> PhantomNodes:
    """Simulate both time points; arguments as in :func:`NPCResponseLib.phantom.simulate_bold`."""
    nodes = {}
    for time_point in TimePoint:
        name = time_point.value
        acquisition = simulate_bold(time_point, snr=snr, peak_gradient_ut_per_m=peak_gradient_ut_per_m)
        series = add_echo_series_to_scene(acquisition.series)
        nodes |= {name: series, f"{name}_segmentation": _add_regions(acquisition, series, acquisition.series.name)}
        nodes[f"{name}_asl"] = add_asl_series_to_scene(simulate_asl(time_point, snr=ASL_SNR_RATIO * snr).series)
        image = simulate_t1ce(time_point, snr=snr)
        volume = _add_volume(image)
        nodes |= {f"{name}_t1": volume, f"{name}_t1_segmentation": _add_regions(image, volume, image.name)}
    return PhantomNodes(**nodes)


def _add_volume(image):
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(image.name)
    )
    slicer.util.updateVolumeFromArray(node, image.volume)
    set_matrix(node, image.grid.ijk_to_ras)
    node.CreateDefaultDisplayNodes()
    low, high = np.percentile(image.volume, DISPLAY_PERCENTILES)
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevelMinMax(float(low), float(max(high, low + 1)))
    place_beside(node, None)
    return node


def _add_regions(acquisition, series, name: str):
    segmentation = add_phantom_segmentation(acquisition, reference_volume(series), f"{name} regions")
    place_beside(segmentation, series)
    return segmentation


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
