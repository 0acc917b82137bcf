"""Local GLSZM features against zones found neighborhood by neighborhood with SciPy."""

import numpy as np
import pytest
from scipy.ndimage import label

from NPCRadiomicsRiskLib.texture.local_glszm import LOCAL_GLSZM_FEATURES, TOOLBOX_NAMES, local_glszm
from NPCRadiomicsRiskLib.texture.local_zones import neighbor_blocks, zone_labels
from NPCResponseLib.errors import InputError


def zone_features(levels: np.ndarray, mask: np.ndarray, n_declared: int) -> dict[str, float]:
    """Of one neighborhood, from its matrix of levels and sizes."""
    matrix = np.zeros((n_declared, mask.sum()))
    for level in np.unique(levels[mask]):
        zones, n_zones = label((levels == level) & mask, np.ones((3, 3, 3)))
        for zone in range(1, n_zones + 1):
            matrix[level - 1, np.sum(zones == zone) - 1] += 1
    matrix = matrix[:, : np.flatnonzero(matrix.any(axis=0))[-1] + 1]
    i, j = np.indices(matrix.shape) + 1.0
    p, n = matrix / matrix.sum(), matrix.sum()
    of_level, of_size = p.sum(axis=1), p.sum(axis=0)
    return {
        "SmallAreaEmphasis": np.sum(p / j**2),
        "LargeAreaEmphasis": np.sum(p * j**2),
        "GrayLevelNonUniformity": n * np.sum(of_level**2),
        "GrayLevelNonUniformityNormalized": np.sum(of_level**2),
        "SizeZoneNonUniformity": n * np.sum(of_size**2),
        "SizeZoneNonUniformityNormalized": np.sum(of_size**2),
        "ZonePercentage": n / mask.sum(),
        "GrayLevelVariance": np.sum(p * (i - np.sum(p * i)) ** 2),
        "ZoneVariance": np.sum(p * (j - np.sum(p * j)) ** 2),
        "ZoneEntropy": -np.sum(p[p > 0] * np.log2(p[p > 0])),
        "LowGrayLevelZoneEmphasis": np.sum(p / i**2),
        "HighGrayLevelZoneEmphasis": np.sum(p * i**2),
        "SmallAreaLowGrayLevelEmphasis": np.sum(p / i**2 / j**2),
        "SmallAreaHighGrayLevelEmphasis": np.sum(p * i**2 / j**2),
        "LargeAreaLowGrayLevelEmphasis": np.sum(p / i**2 * j**2),
        "LargeAreaHighGrayLevelEmphasis": np.sum(p * i**2 * j**2),
        "GLV": np.var(i * p),
        "ZSV": np.var(j * p),
    }


def brute_force(levels, mask, radius, n_declared) -> dict[str, np.ndarray]:
    rows = []
    for voxel in np.argwhere(mask):
        box = tuple(slice(max(0, v - r), v + r + 1) for v, r in zip(voxel, radius, strict=True))
        rows.append(zone_features(levels[box], mask[box], n_declared))
    return {name: np.array([row[name] for row in rows]) for name in LOCAL_GLSZM_FEATURES}


@pytest.mark.parametrize("n_levels", [1, 2, 6, 60])
@pytest.mark.parametrize("radius", [(1, 1, 1), (0, 1, 2), (3, 3, 3)])
def test_equal_to_the_zones_of_each_neighborhood(radius, n_levels):
    rng = np.random.default_rng(8)
    levels, mask = rng.integers(1, n_levels + 1, (4, 6, 7)), rng.random((4, 6, 7)) < 0.7
    found = local_glszm(levels, mask, radius, n_levels=n_levels + 3)
    for name, values in brute_force(levels, mask, radius, n_levels + 3).items():
        np.testing.assert_allclose(found.columns[f"GLSZM_{name}"], values, rtol=1e-10, atol=1e-13, err_msg=name)
    assert not found.undefined


def test_toolbox_names_are_the_same_columns():
    levels = np.random.default_rng(1).integers(1, 5, (3, 4, 5))
    mask = np.ones(levels.shape, bool)
    found = local_glszm(levels, mask, 1, [*TOOLBOX_NAMES, *TOOLBOX_NAMES.values()])
    for short, long in TOOLBOX_NAMES.items():
        np.testing.assert_array_equal(found.columns[f"GLSZM_{short}"], found.columns[f"GLSZM_{long}"])


def test_a_spiral_is_one_zone():
    """Its ends are far apart along the zone, so labels need many rounds."""
    plane = np.array([[1, 1, 1, 1, 1], [2, 2, 2, 2, 1], [1, 1, 1, 2, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]])
    labels = zone_labels(plane.reshape(-1, 1).astype(np.uint16), neighbor_blocks((1, 5, 5)))
    np.testing.assert_array_equal(labels[:, 0].reshape(5, 5), np.where(plane == 1, 0, 5))


def test_bad_input_is_told():
    levels, mask = np.full((3, 4, 5), 7), np.ones((3, 4, 5), bool)
    with pytest.raises(InputError, match="no local GLSZM feature 'XYZ'"):
        local_glszm(levels, mask, 1, ["XYZ"])
    with pytest.raises(InputError, match="6 gray levels were declared, and the tumor has level 7"):
        local_glszm(levels, mask, 1, n_levels=6)
