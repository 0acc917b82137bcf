"""The digital phantom with a recurrence as nodes: the sample data of the Slicer module, and of tests."""

from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util

from NPCResponseLib.mrml.geometry import set_matrix
from NPCResponseLib.mrml.hierarchy import place_beside
from NPCResponseLib.mrml.image_series import DISPLAY_PERCENTILES
from NPCResponseLib.phantom.recurrence import PhantomRecurrence, simulate_recurrence

from ..subregions.division import GTV, GTVR
from .subregions import SEGMENT_COLORS

# Large enough to be off by what patients are, small enough to find.
POSE_DEG, POSE_MM = 8.0, 12.0
DOSE_UNIT = ("Gy", "UCUM", "Gy")


@dataclass(frozen=True)
class RecurrenceNodes:
    """A simulated patient in the scene.

    Attributes:
        pre, recurrence: contrast-enhanced T1 images (volumes) from before treatment and at recurrence.
        gtv_segmentation, gtvr_segmentation: with one segment each, "GTV" on the first scan and "GTVr" on the second.
        pre_landmarks, recurrence_landmarks: the same points of the skull in each scan.
        dose: in Gy, over the first scan. prescription_gy: to the tumor.
    """

    pre: object
    recurrence: object
    gtv_segmentation: object
    gtvr_segmentation: object
    pre_landmarks: object
    recurrence_landmarks: object
    dose: object
    prescription_gy: float


def add_recurrence_phantom_to_scene(**options) -> RecurrenceNodes:
    """Simulate one patient; options as in :func:`NPCResponseLib.phantom.recurrence.simulate_recurrence`."""
    return add_recurrence_to_scene(simulate_recurrence(**({"pose_deg": POSE_DEG, "pose_mm": POSE_MM} | options)))


def add_recurrence_to_scene(patient: PhantomRecurrence) -> RecurrenceNodes:
    """A patient that was simulated already."""
    pre = _add_volume(patient.pre, patient.pre_grid, "Before treatment (phantom)")
    recurrence = _add_volume(patient.recurrence, patient.recurrence_grid, "At recurrence (phantom)")
    dose = _add_volume(patient.dose_gy, patient.dose_grid, "Dose (phantom)")
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning(*DOSE_UNIT)
    dose.SetVoxelValueUnits(unit)
    dose.GetDisplayNode().SetWindowLevelMinMax(0.0, float(patient.dose_gy.max()))
    return RecurrenceNodes(
        pre,
        recurrence,
        _add_segmentation(patient.masks_pre[GTV], pre, GTV),
        _add_segmentation(patient.masks_recurrence[GTVR], recurrence, GTVR),
        _add_landmarks(patient.landmarks_pre_ras, pre, "Landmarks before (phantom)"),
        _add_landmarks(patient.landmarks_recurrence_ras, recurrence, "Landmarks at recurrence (phantom)"),
        dose,
        float(patient.prescription_gy),
    )


def _add_volume(array: np.ndarray, grid, name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    slicer.util.updateVolumeFromArray(node, array)
    set_matrix(node, grid.ijk_to_ras)
    node.CreateDefaultDisplayNodes()
    low, high = np.percentile(array, DISPLAY_PERCENTILES)
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevelMinMax(float(low), float(max(high, low + 1)))
    place_beside(node, None)
    return node


def _add_segmentation(mask: np.ndarray, volume, segment: str):
    name = f"{segment} (phantom)"
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment_id = node.GetSegmentation().AddEmptySegment(segment, segment, SEGMENT_COLORS[segment])
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, volume)
    place_beside(node, volume)
    return node


def _add_landmarks(points_ras, volume, name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    for label, point in points_ras.items():
        node.AddControlPoint(*(float(x) for x in point), label)
    node.SetDisplayVisibility(False)  # each list belongs to one of two scans, which do not lie over each other
    place_beside(node, volume)
    return node
