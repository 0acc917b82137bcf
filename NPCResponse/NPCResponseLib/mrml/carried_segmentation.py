"""A segmentation drawn at one time point, laid over the images of another by rigid registration."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..registration import RigidRegistration, register_rigid
from .geometry import as_vtk_matrix, matrix_of, world_matrix_above
from .hierarchy import place_beside
from .image_series import arrays_of


@dataclass(frozen=True)
class CarriedSegmentation:
    """A copy of the segmentation, under a linear transform that takes it to the other image.

    Attributes:
        segmentation, transform: new nodes; the transform can be fine-tuned by hand, the segments redrawn.
    """

    segmentation: object
    transform: object
    registration: RigidRegistration

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.registration.warnings


def carry_segmentation(segmentation, source_volume, target_volume, name: str = "") -> CarriedSegmentation:
    """Copy a segmentation from the image it was drawn on to another image of the same patient.

    Args:
        segmentation: drawn on ``source_volume``; not changed.
        source_volume, target_volume: volume nodes of the same anatomy; parent transforms must be linear.

    Raises:
        InputError: no image, a non-linear transform, images that do not overlap.
    """
    source_to_world, target_to_world = world_matrix_above(source_volume), world_matrix_above(target_volume)
    registration = register_rigid(
        next(arrays_of([target_volume])),
        matrix_of(target_volume),
        next(arrays_of([source_volume])),
        matrix_of(source_volume),
        initial_moving_to_fixed_ras=np.linalg.inv(target_to_world) @ source_to_world,
    )
    name = name or f"{segmentation.GetName()} carried to {target_volume.GetName()}"
    unique = slicer.mrmlScene.GenerateUniqueName
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", unique(f"{name} transform"))
    source_world_to_target_world = target_to_world @ registration.moving_to_fixed_ras @ np.linalg.inv(source_to_world)
    own_to_world = world_matrix_above(segmentation)
    transform.SetMatrixTransformToParent(as_vtk_matrix(source_world_to_target_world @ own_to_world))
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", unique(name))
    copy.CreateDefaultDisplayNodes()
    copy.GetSegmentation().DeepCopy(segmentation.GetSegmentation())
    copy.SetAndObserveTransformNodeID(transform.GetID())
    place_beside(copy, target_volume)
    return CarriedSegmentation(copy, transform, registration)
