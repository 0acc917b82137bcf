"""Local features against PyRadiomics' own feature maps (Testing/pyradiomics_local_texture.py)."""

import numpy as np
import pytest

from NPCRadiomicsRiskLib.texture.local_glcm import local_glcm
from NPCRadiomicsRiskLib.texture.local_glszm import PYRADIOMICS_FEATURES, local_glszm
from NPCRadiomicsRiskLib.texture.local_intensity import local_intensity
from NPCRadiomicsRiskLib.texture.local_ngtdm import local_ngtdm

from .pyradiomics_local_texture import cases, expected

EXPECTED = expected()


def our_columns(levels, mask, radius) -> dict[str, np.ndarray]:
    return {
        **local_glcm(levels, mask, radius).columns,
        **local_ngtdm(levels, mask, radius).columns,
        **local_glszm(levels, mask, radius, PYRADIOMICS_FEATURES).columns,
        **local_intensity(levels, mask, radius).columns,
    }


@pytest.mark.parametrize("case", EXPECTED)
def test_every_map_is_pyradiomics_to_1e_9(case):
    found, theirs = our_columns(*cases()[case]), EXPECTED[case]
    assert set(found) == set(theirs)
    assert len(theirs) == 16 + 5 + 16 + 4
    for name, values in theirs.items():
        compared = np.ones(len(values), bool)
        if name == "GLCM_JointAverage":
            # Its plain mean is NaN where one direction has no pair.
            compared = np.isfinite(values)
        if name == "NGTDM_Busyness":
            # i p_i = j p_j for all levels: a rounding error in the place of 0 is divided by there.
            compared = values < 1e9
            assert np.all(found[name][~compared] == 0)
        assert compared.mean() > 0.3
        np.testing.assert_allclose(
            found[name][compared], values[compared], rtol=1e-9, atol=1e-9, err_msg=name, equal_nan=True
        )


def test_the_reference_has_what_is_hard():
    """Neighborhoods of a single voxel and of a single level; a test without them would prove less."""
    theirs = EXPECTED["6 levels, radius 1"]
    assert np.isnan(theirs["GLCM_Contrast"]).any()
    assert (theirs["NGTDM_Coarseness"] == 1e6).any()
    assert (theirs["GLCM_Correlation"] == 1).any()
