"""The voxels on which the phantom is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError

# Protocol of Xu et al., BMC Medical Imaging 2023;23:69: axial, 5 mm slices with a gap of 1 mm, field of view 360 mm x
# 270 mm, matrix 256 x 218.
SLICE_THICKNESS_MM = 5.0
SLICE_SPACING_MM = 6.0
PIXEL_SPACING_MM_JI = (270 / 218, 360 / 256)


@dataclass(frozen=True, eq=False)
class PhantomGrid:
    """Where the voxels are.

    Attributes:
        shape_kji: slices, rows, columns.
        ijk_to_ras: 4x4, voxel index (i, j, k) to RAS millimeters; axes at right angles, of either handedness.
        slice_thickness_mm: excited thickness, at most the spacing of the slices when there is a gap.

    Raises:
        InputError: a shape without voxels, axes that are not at right angles, a thickness that is not positive.
    """

    shape_kji: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    slice_thickness_mm: float = SLICE_THICKNESS_MM

    def __post_init__(self):
        axes = self.ijk_to_ras[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if len(self.shape_kji) != 3 or min(self.shape_kji) < 1:
            raise InputError(f"a grid needs slices, rows and columns, found {tuple(self.shape_kji)}")
        if not (lengths.all() and np.allclose((axes / lengths).T @ (axes / lengths), np.eye(3), atol=1e-6)):
            raise InputError("the axes of the grid are not at right angles", remedy="Give a rotation and spacings")
        if not self.slice_thickness_mm > 0:
            raise InputError(f"the slice thickness must be positive, found {self.slice_thickness_mm:g} mm")

    @classmethod
    def axial(
        cls,
        shape_kji: tuple[int, int, int],
        spacing_mm_kji: tuple[float, float, float],
        *,
        center_ras: Sequence[float] = (0.0, 4.0, -14.0),
        tilt_deg: Sequence[float] = (0.0, 0.0, 0.0),
        slice_thickness_mm: float = SLICE_THICKNESS_MM,
    ) -> "PhantomGrid":
        """Slices from feet to head, rows from front to back, columns from right to left, as scanners store them.

        Args:
            center_ras: the middle of the grid.
            tilt_deg: rotations about the R, then the A, then the S axis, through the middle, for oblique slices.
        """
        rotation = rotation_about(*tilt_deg)
        axes = rotation @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(spacing_mm_kji[::-1])
        ijk_to_ras = np.eye(4)
        ijk_to_ras[:3, :3] = axes
        ijk_to_ras[:3, 3] = np.asarray(center_ras) - axes @ ((np.array(shape_kji[::-1]) - 1) / 2)
        return cls(tuple(shape_kji), ijk_to_ras, slice_thickness_mm)

    @classmethod
    def demo(cls, tilt_deg: Sequence[float] = (0.0, 0.0, 0.0)) -> "PhantomGrid":
        """The paper's voxels on a field of view that just holds the head, and 16 slices: quick to make and to fit."""
        return cls.axial((16, 184, 128), (SLICE_SPACING_MM, *PIXEL_SPACING_MM_JI), tilt_deg=tilt_deg)

    @classmethod
    def paper(cls, n_slices: int = 20) -> "PhantomGrid":
        """The paper's field of view and matrix."""
        return cls.axial((n_slices, 218, 256), (SLICE_SPACING_MM, *PIXEL_SPACING_MM_JI))

    @classmethod
    def asl(cls) -> "PhantomGrid":
        """Liu et al. 2022: field of view 24 cm, 36 slices of 4 mm without gap, frontal sinus to oropharynx.

        The matrix is a choice: the paper's sequence reads spirals.
        """
        return cls.axial((36, 128, 128), (4, 1.875, 1.875), center_ras=(0, 4, 8), slice_thickness_mm=4)

    @classmethod
    def asl_demo(cls, tilt_deg: Sequence[float] = (0.0, 0.0, 0.0)) -> "PhantomGrid":
        """The paper's slices where the disease is, with larger pixels on a field of view that just holds the head."""
        return cls.axial((24, 78, 60), (4, 3, 3), center_ras=(0, 4, -16), tilt_deg=tilt_deg, slice_thickness_mm=4)

    @classmethod
    def t1ce(cls) -> "PhantomGrid":
        """Field of view, matrix and slices of the anatomical images of Liu et al. 2022 (3-D T1, BRAVO)."""
        return cls.axial((120, 256, 256), (1.2, 0.9375, 0.9375), center_ras=(0, 4, 8), slice_thickness_mm=1.2)

    @classmethod
    def t1ce_demo(cls, tilt_deg: Sequence[float] = (0.0, 0.0, 0.0)) -> "PhantomGrid":
        """Fine enough for diameters, quick to make and to register."""
        return cls.axial((56, 228, 164), (2, 1, 1), center_ras=(0, 4, -16), tilt_deg=tilt_deg, slice_thickness_mm=2)

    @classmethod
    def contoured(cls) -> "PhantomGrid":
        """Akram et al. 2020: axial, 0.7 x 0.7 x 5 mm, 512 x 512, 44 slices and more."""
        return cls.axial((44, 512, 512), (5, 0.7, 0.7), center_ras=(0, 4, -40))

    @classmethod
    def contoured_demo(cls) -> "PhantomGrid":
        """The same voxels on a field of view that just holds the head, and slices from eyebrow to jaw."""
        return cls.axial((26, 340, 236), (5, 0.7, 0.7), center_ras=(0, 4, -8))

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)[::-1])

    @property
    def voxel_volume_mm3(self) -> float:
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    @property
    def slice_normal_ras(self) -> np.ndarray:
        """Unit vector in the direction of increasing slice number."""
        axis = self.ijk_to_ras[:3, 2]
        return axis / np.linalg.norm(axis)

    def seen_from(self, position_ras: np.ndarray) -> "PhantomGrid":
        """The same voxels as seen from a head that moved: its 4x4 takes a point of the head to where it is now."""
        return replace(self, ijk_to_ras=np.linalg.inv(position_ras) @ self.ijk_to_ras)

    def divided(self, n: int) -> "PhantomGrid":
        """Each voxel in n parts along each axis."""
        part_to_whole = np.diag([1 / n, 1 / n, 1 / n, 1.0])
        part_to_whole[:3, 3] = 0.5 / n - 0.5
        return replace(self, shape_kji=tuple(n * m for m in self.shape_kji), ijk_to_ras=self.ijk_to_ras @ part_to_whole)

    def slice_points_ras(self, slice_number: float) -> np.ndarray:
        """Voxel centers of one slice, or of a plane between slices; shape (rows, columns, 3)."""
        _, n_rows, n_columns = self.shape_kji
        columns, rows, corner = self.ijk_to_ras[:3, 0], self.ijk_to_ras[:3, 1], self.ijk_to_ras[:3, 3]
        along_i = np.multiply.outer(np.arange(n_columns), columns)
        along_j = np.multiply.outer(np.arange(n_rows), rows)
        return corner + slice_number * self.ijk_to_ras[:3, 2] + along_j[:, None] + along_i[None]


def rotation_about(about_r_deg: float, about_a_deg: float, about_s_deg: float) -> np.ndarray:
    """3x3 rotation about the R axis, then A, then S."""
    (cr, ca, cs), (sr, sa, ss) = (f(np.deg2rad([about_r_deg, about_a_deg, about_s_deg])) for f in (np.cos, np.sin))
    about_r = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_a = np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])
    about_s = np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])
    return about_s @ about_a @ about_r
