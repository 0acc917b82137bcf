"""Radiotherapy objects, images and segmentations from files, without a scene.

images          one image of any format, with its patient and frame of reference
segmentations   a segment or a label as a mask
rtstruct        contours of an RT structure set, and masks of them on any grid
rtdose          a dose grid in gray
spatial_registration   matrices between frames of reference (DICOM REG)
"""

from .images import Volume, check_same_patient, read_volume
from .rtdose import Dose, read_dose
from .rtstruct import RtStructures, Structure, mask_of, rasterized, read_structures
from .segmentations import Mask, read_mask, region_names
from .spatial_registration import SpatialRegistration, read_registration

__all__ = [
    "Dose",
    "Mask",
    "RtStructures",
    "SpatialRegistration",
    "Structure",
    "Volume",
    "check_same_patient",
    "mask_of",
    "rasterized",
    "read_dose",
    "read_mask",
    "read_registration",
    "read_structures",
    "read_volume",
    "region_names",
]
