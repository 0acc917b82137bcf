"""Local GLCM features against a matrix made voxel by voxel, and against PyRadiomics' own feature maps."""

import itertools

import numpy as np
import pytest

from NPCRadiomicsRiskLib.texture.local_glcm import LOCAL_GLCM_FEATURES, local_glcm
from NPCRadiomicsRiskLib.texture.local_neighborhood import DIRECTIONS
from NPCResponseLib.errors import InputError


def matrix_features(p: np.ndarray) -> dict[str, float]:
    """From the normalized symmetric matrix, by the definitions' double sums."""
    i, j = np.indices(p.shape) + 1.0
    mean = np.sum(i * p)
    variance = np.sum((i - mean) ** 2 * p)
    s, d = i + j - 2 * mean, np.abs(i - j)
    positive = p[p > 0]
    return {
        "Autocorrelation": np.sum(i * j * p),
        "JointAverage": mean,
        "ClusterProminence": np.sum(s**4 * p),
        "ClusterShade": np.sum(s**3 * p),
        "ClusterTendency": np.sum(s**2 * p),
        "Contrast": np.sum(d**2 * p),
        "Correlation": np.sum((i - mean) * (j - mean) * p) / variance if variance > 1e-12 else 1.0,
        "DifferenceAverage": np.sum(d * p),
        "DifferenceVariance": np.sum(d**2 * p) - np.sum(d * p) ** 2,
        "Id": np.sum(p / (1 + d)),
        "Idm": np.sum(p / (1 + d**2)),
        "InverseVariance": np.sum(p[d > 0] / d[d > 0] ** 2),
        "SumSquares": variance,
        "JointEnergy": np.sum(p**2),
        "JointEntropy": -np.sum(positive * np.log2(positive)),
        "MaximumProbability": p.max(),
    }


def brute_force(levels: np.ndarray, mask: np.ndarray, radius: tuple[int, int, int]) -> dict[str, np.ndarray]:
    n_levels = levels[mask].max()
    rows = []
    for voxel in np.argwhere(mask):
        inside = [
            tuple(voxel + offset)
            for offset in itertools.product(*(range(-r, r + 1) for r in radius))
            if np.all(voxel + offset >= 0) and np.all(voxel + offset < mask.shape) and mask[tuple(voxel + offset)]
        ]
        by_direction = []
        for step in DIRECTIONS:
            counts = np.zeros((n_levels, n_levels))
            for first in inside:
                second = tuple(np.add(first, step))
                if second in inside:
                    counts[levels[first] - 1, levels[second] - 1] += 1
            if counts.any():
                by_direction.append(matrix_features((counts + counts.T) / (2 * counts.sum())))
        rows.append({name: np.mean([f[name] for f in by_direction] or [np.nan]) for name in LOCAL_GLCM_FEATURES})
    return {name: np.array([row[name] for row in rows]) for name in LOCAL_GLCM_FEATURES}


def small_case(seed: int, n_levels: int, shape=(3, 4, 5), filled=0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(1, n_levels + 1, shape), rng.random(shape) < filled


@pytest.mark.parametrize("n_levels", [1, 3, 40])
@pytest.mark.parametrize("radius", [(1, 1, 1), (0, 1, 2)])
def test_equal_to_matrices_made_voxel_by_voxel(radius, n_levels):
    levels, mask = small_case(3, n_levels)
    found = local_glcm(levels, mask, radius)
    truth = brute_force(levels, mask, radius)
    assert set(found.columns) == {f"GLCM_{name}" for name in truth}
    for name, values in truth.items():
        np.testing.assert_allclose(found.columns[f"GLCM_{name}"], values, rtol=1e-10, atol=1e-10, err_msg=name)


def test_central_moments_do_not_cancel_far_from_the_mean():
    """A shift of all levels changes no central moment, also where its power is 10^10 times the moment."""
    levels, mask = small_case(4, 2)
    names = ["ClusterProminence", "ClusterShade", "ClusterTendency", "Correlation", "SumSquares", "Contrast"]
    low, high = (local_glcm(shifted, mask, 1, names).columns for shifted in (levels, levels + 1000))
    for name in low:
        np.testing.assert_allclose(high[name], low[name], rtol=1e-12, atol=1e-12, err_msg=name)


def test_a_voxel_without_neighbors_has_no_value_and_a_reason():
    levels, mask = small_case(5, 4, filled=0.0)
    mask[0, 0, 0] = mask[2, 2, 2] = mask[2, 2, 3] = True
    found = local_glcm(levels, mask, 1, ["Contrast", "JointEntropy"])
    assert np.isnan(found.columns["GLCM_Contrast"]).tolist() == [True, False, False]
    assert found.undefined["GLCM_JointEntropy"].startswith("1 voxels without a neighbor")
    assert set(found.undefined) == set(found.columns)


def test_old_names_mean_the_same():
    levels, mask = small_case(6, 5)
    assert set(local_glcm(levels, mask, 1, ["Dissimilarity", "Homogeneity"]).columns) == {
        "GLCM_DifferenceAverage",
        "GLCM_Id",
    }


def test_bad_input_is_told():
    levels, mask = small_case(7, 5)
    with pytest.raises(InputError, match="no local GLCM feature 'MCC'"):
        local_glcm(levels, mask, 1, ["MCC"])
    with pytest.raises(InputError, match="60000 gray levels are too many for sums of their 4th powers"):
        local_glcm(np.full(mask.shape, 60_000), mask, 1)
    local_glcm(np.full(mask.shape, 60_000), mask, 1, ["Contrast", "JointEntropy"])
