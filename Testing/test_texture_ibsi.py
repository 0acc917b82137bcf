"""With weight 1 the panel equals the Image Biomarker Standardization Initiative on its digital phantom."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from NPCRadiomicsRiskLib.texture.panel47 import FEATURES, TextureSettings, texture_panel

PHANTOM = json.loads((Path(__file__).parent / "reference_texture" / "ibsi_digital_phantom.json").read_text())
TAGGED = [feature.name for feature in FEATURES if feature.ibsi_tag]
UNTAGGED = {"Intensity_Hyperskewness", "Intensity_Hyperflatness"}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "ibsi"


def panel(dimensions: int, weights: str = "ibsi"):
    settings = TextureSettings(
        resampling="none", outliers="none", quantization="uniform", n_levels=6, weights=weights, dimensions=dimensions
    )
    image, mask = np.array(PHANTOM["image_kji"]), np.array(PHANTOM["mask_kji"]) > 0
    return texture_panel(image, {"phantom": mask}, PHANTOM["spacing_mm"], settings)["phantom"]


def rounding(text: str) -> float:
    """Half a unit of the last of the three significant digits to which consensus values are given."""
    value = float(text)
    return 0.5001 * 10.0 ** (math.floor(math.log10(abs(value))) - 2)


def test_phantom_is_the_published_one():
    found = panel(3)
    assert found.n_voxels == 74
    assert sorted(np.unique(found.intensities)) == [1, 3, 4, 6]
    # Levels are the gray values: 1 to 6 in six equal steps.
    np.testing.assert_array_equal(found.levels, found.intensities)


def test_only_two_features_have_no_tag():
    assert {feature.name for feature in FEATURES if not feature.ibsi_tag} == UNTAGGED
    assert all(set(PHANTOM["values"][dimensions]) == set(TAGGED) for dimensions in "23")


@pytest.mark.parametrize("dimensions", [2, 3], ids=["2.5-D merged", "3-D merged"])
@pytest.mark.parametrize("name", TAGGED)
def test_consensus_value(name, dimensions):
    consensus = PHANTOM["values"][str(dimensions)][name]
    allowed = max(float(consensus["tolerance"]), rounding(consensus["value"]))
    assert panel(dimensions).values[name] == pytest.approx(float(consensus["value"]), abs=allowed), consensus["tag"]


def test_distance_weights_are_what_differs():
    """The switch matters: with the toolbox' weights the zones stay, co-occurrence, runs and neighborhoods do not."""
    ibsi, toolbox = panel(3).values, panel(3, "toolbox").values
    for name in ("GLSZM_SZE", "GLSZM_LZE", "GLSZM_GLN", "GLSZM_ZP", "Intensity_Mean", "Intensity_MAD"):
        assert toolbox[name] == pytest.approx(ibsi[name], rel=1e-12)
    for name in ("GLCM_Contrast", "GLCM_Energy", "GLRLM_SRE", "GLRLM_RP", "NGTDM_Coarseness", "NGTDM_Busyness"):
        assert toolbox[name] != pytest.approx(ibsi[name], rel=1e-3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/reference/ibsi is not there")
def test_toolbox_values_of_the_phantom():
    """The 40 features that an independent program computed in the toolbox' way on this phantom."""
    lines = (SHARED / "p1_vs_ibsi_digital_phantom.csv").read_text().splitlines()[1:]
    found = panel(3, "toolbox").values
    rows = [line.split(",") for line in lines]
    assert len(rows) == 40
    for family, name, _tag, value, *_ in rows:
        ours = next(ours for ours in found if ours.lower() == f"{family}_{name}".lower())
        assert found[ours] == pytest.approx(float(value), rel=1e-9), ours
