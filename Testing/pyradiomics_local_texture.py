"""PyRadiomics' voxel-based feature maps of small images, kept in pyradiomics_local_texture.json.

To make the file again, in an environment with PyRadiomics 3.0.1 (source only: ``pip install "numpy<2" "setuptools<80"
wheel cython versioneer`` first, then ``pip install --no-build-isolation pyradiomics==3.0.1``), at the root of the
repository:

    python -m Testing.pyradiomics_local_texture
"""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("pyradiomics_local_texture.json")
SIGNIFICANT_DIGITS = 13
GLCM_FEATURES = (
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceVariance",
    "Id",
    "Idm",
    "InverseVariance",
    "SumSquares",
    "JointEnergy",
    "JointEntropy",
    "MaximumProbability",
)
# Class in PyRadiomics: prefix of our columns and the features compared; None: all that there are.
CLASSES = {
    "glcm": ("GLCM", GLCM_FEATURES),
    "ngtdm": ("NGTDM", None),
    "glszm": ("GLSZM", None),
    "firstorder": ("Intensity", ["Mean", "Variance", "Skewness", "Kurtosis"]),
}


def cases() -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """By name: gray levels (KJI, whole numbers from 1, which is present), mask and radius."""
    rng = np.random.default_rng(11)
    found = {}
    for name, n_levels, radius, roughness in (
        ("6 levels, radius 1", 6, 1, 1.0),
        ("147 levels, radius 1", 147, 1, 1.0),
        ("12 levels, smooth, radius 2", 12, 2, 0.25),
        ("40 levels, radius 3", 40, 3, 0.6),
    ):
        k, j, i = np.indices((5, 9, 8))
        mask = ((k - 2) / 2.2) ** 2 + ((j - 3.2) / 2.7) ** 2 + ((i - 3.4) / 2.6) ** 2 <= 1
        mask &= rng.random(mask.shape) < 0.9
        mask[2, 6:9, 3] = True  # a spur, one voxel thick
        mask[0, 0, 7] = True  # a voxel on its own
        values = np.sin(0.8 * i + 0.5 * k) + np.cos(0.6 * j) + roughness * rng.normal(size=mask.shape)
        values -= values[mask].min()
        levels = 1 + np.minimum((values / values[mask].max() * n_levels).astype(int), n_levels - 1)
        levels[mask & (j < 4) & (k > 1)] = 2  # a part without texture
        found[name] = (np.where(mask, levels, 1), mask, radius)
    return found


def maps_by_pyradiomics(levels: np.ndarray, mask: np.ndarray, radius: int, **wanted) -> dict[str, np.ndarray]:
    """Column name to values at the mask's voxels; ``wanted``: class to features, otherwise all of CLASSES."""
    import SimpleITK
    from radiomics import firstorder, glcm, glszm, ngtdm

    classes = {
        "glcm": glcm.RadiomicsGLCM,
        "ngtdm": ngtdm.RadiomicsNGTDM,
        "glszm": glszm.RadiomicsGLSZM,
        "firstorder": firstorder.RadiomicsFirstOrder,
    }
    image, label = SimpleITK.GetImageFromArray(levels.astype(float)), SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    settings = {"voxelBased": True, "kernelRadius": radius, "maskedKernel": True, "binWidth": 1, "voxelBatch": 2000}
    columns = {}
    for name, features in (wanted or {c: of_class for c, (_, of_class) in CLASSES.items()}).items():
        extractor = classes[name](image, label, **settings)
        for feature in features or [f for f, old in extractor.featureNames.items() if not old]:
            extractor.enableFeatureByName(feature)
        for feature, found in extractor.execute().items():
            columns[f"{CLASSES[name][0]}_{feature}"] = SimpleITK.GetArrayFromImage(found)[mask]
    return columns


def expected() -> dict[str, dict[str, np.ndarray]]:
    """The file's maps, by case and column; NaN where PyRadiomics has NaN."""
    content = json.loads(PATH.read_text())["maps"]
    return {case: {name: np.array(values, float) for name, values in of.items()} for case, of in content.items()}


def main() -> None:
    import radiomics

    def plain(values):
        return [float(f"{v:.{SIGNIFICANT_DIGITS}g}") if np.isfinite(v) else None for v in values]

    maps = {
        case: {name: plain(values) for name, values in maps_by_pyradiomics(*of).items()} for case, of in cases().items()
    }
    lines = [
        f"  {json.dumps(case)}: {{\n"
        + ",\n".join(
            f"   {json.dumps(name)}: {json.dumps(values, separators=(',', ':'))}" for name, values in of.items()
        )
        + "\n  }"
        for case, of in maps.items()
    ]
    software = json.dumps(f"PyRadiomics {radiomics.__version__}")
    PATH.write_text(f'{{\n "software": {software},\n "maps": {{\n' + ",\n".join(lines) + "\n }\n}\n")


if __name__ == "__main__":
    main()
