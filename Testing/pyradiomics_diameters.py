"""PyRadiomics' diameters of a few masks, kept in pyradiomics_diameters.json so that no test needs PyRadiomics.

To make the file again, in an environment with PyRadiomics 3.0.1 (source only: numpy<2, setuptools, wheel and cython
first, then ``pip install --no-build-isolation pyradiomics==3.0.1``), at the root of the repository:

    python -m Testing.pyradiomics_diameters
"""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("pyradiomics_diameters.json")
# Plane: PyRadiomics' name of the largest diameter in it, on an image whose axes are those of the patient.
FEATURES = {
    "axial": "Maximum2DDiameterSlice",
    "coronal": "Maximum2DDiameterColumn",
    "sagittal": "Maximum2DDiameterRow",
    "3d": "Maximum3DDiameter",
}


def masks() -> dict[str, tuple[np.ndarray, tuple[float, float, float]]]:
    """By name: mask (KJI) and spacing (mm, IJK)."""
    rng = np.random.default_rng(20)
    corner = np.zeros((5, 9, 8), bool)
    corner[1:3, 2:7, 1:4] = corner[3, 2:4, 1:7] = True
    blob = np.zeros((14, 30, 34), bool)
    for _ in range(6):
        blob |= ellipsoid(blob.shape, rng.uniform(0.3, 0.7, 3), rng.uniform(2, 7, 3), rng.uniform(0, np.pi))
    scattered = rng.random((6, 12, 10)) < 0.05
    ball = ellipsoid((21, 21, 21), (0.5, 0.5, 0.5), (8.3, 8.3, 8.3), 0)
    return {
        "one voxel": (np.pad(np.ones((1, 1, 1), bool), 1), (0.7, 0.9, 3.0)),
        "box": (np.pad(np.ones((4, 6, 9), bool), 1), (1.0, 1.5, 2.0)),
        "corner": (corner, (1.0, 0.8, 4.0)),
        "ball": (ball, (1.0, 1.0, 1.0)),
        "rotated ellipsoid, thick slices": (
            ellipsoid((12, 40, 40), (0.52, 0.48, 0.51), (4.2, 8.6, 15.3), 0.6),
            (0.5, 0.5, 3.0),
        ),
        "lobulated": (blob, (0.9, 0.7, 2.2)),
        "scattered": (scattered, (1.1, 0.6, 2.0)),
    }


def ellipsoid(shape_kji, center_fraction_kji, semi_axes_kji, angle: float) -> np.ndarray:
    """Rotated about the slice normal; semi-axes in voxels."""
    k, j, i = (
        index - fraction * (size - 1)
        for index, fraction, size in zip(np.indices(shape_kji), center_fraction_kji, shape_kji, strict=True)
    )
    along, across = i * np.cos(angle) + j * np.sin(angle), j * np.cos(angle) - i * np.sin(angle)
    semi_k, semi_j, semi_i = semi_axes_kji
    return (k / semi_k) ** 2 + (across / semi_j) ** 2 + (along / semi_i) ** 2 <= 1


def measure_with_pyradiomics(mask: np.ndarray, spacing_mm) -> dict[str, float]:
    import SimpleITK
    from radiomics.shape import RadiomicsShape

    label = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    label.SetSpacing(spacing_mm)
    extractor = RadiomicsShape(SimpleITK.Cast(label, SimpleITK.sitkFloat32), label, label=1)
    extractor.enableAllFeatures()
    found = extractor.execute()
    return {plane: float(found[feature]) for plane, feature in FEATURES.items()}


def main() -> None:
    import radiomics

    values = {name: measure_with_pyradiomics(*mask) for name, mask in masks().items()}
    content = {"software": f"PyRadiomics {radiomics.__version__}", "diameters_mm": values}
    PATH.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
