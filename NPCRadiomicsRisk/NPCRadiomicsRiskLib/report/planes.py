"""Planes through a point of the patient, sampled in true millimeters: images and masks as they are drawn."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# The axes (R, A, S) that point right and down on the screen: right of the patient on the left, anterior or superior up.
SCREEN_AXES = {
    "axial": (np.array([-1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])),
    "coronal": (np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])),
    "sagittal": (np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, -1.0])),
}
MARKS = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}


@dataclass(frozen=True, eq=False)
class Plane:
    """Attributes:
    name: axial, coronal or sagittal.
    points_ras: (rows, columns, 3), from the upper left.
    pixel_mm: side of a pixel.
    """

    name: str
    points_ras: np.ndarray
    pixel_mm: float

    @classmethod
    def through(cls, center_ras: np.ndarray, name: str, size_mm: float, pixel_mm: float) -> "Plane":
        """A square around a point."""
        right, down = SCREEN_AXES[name]
        offsets = np.arange(-size_mm / 2, size_mm / 2 + pixel_mm / 2, pixel_mm)
        points = np.asarray(center_ras) + offsets[:, None, None] * down + offsets[None, :, None] * right
        return cls(name, points, pixel_mm)

    def sample(self, values: np.ndarray, ijk_to_ras: np.ndarray, *, order: int = 1) -> np.ndarray:
        """Values of a KJI array on the plane; 0 outside."""
        ras_to_ijk = np.linalg.inv(ijk_to_ras)
        ijk = self.points_ras @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3]
        return ndimage.map_coordinates(
            values.astype(np.float32), np.moveaxis(ijk[..., ::-1], -1, 0), order=order, mode="constant"
        )

    def sample_mask(self, mask: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
        """Boolean: inside where half or more of the neighbors is."""
        return self.sample(mask, ijk_to_ras) >= 0.5


def gray(image: np.ndarray) -> np.ndarray:
    """0..1 between the 2nd and the 99th percentile of what is not empty."""
    present = image[image > 0]
    if not present.size:
        return np.zeros(image.shape)
    low, high = np.percentile(present, (2, 99))
    return np.clip((image - low) / max(high - low, 1e-9), 0, 1)
