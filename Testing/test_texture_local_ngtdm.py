"""Local NGTDM features against a matrix made neighborhood by neighborhood."""

import itertools

import numpy as np
import pytest

from NPCRadiomicsRiskLib.texture.local_ngtdm import LOCAL_NGTDM_FEATURES, local_ngtdm
from NPCResponseLib.errors import InputError

EPS = np.spacing(1.0)


def tone_features(levels: dict[tuple, int], definition: str) -> dict[str, float]:
    """From the voxels of one neighborhood by the sums over pairs of levels, as the definitions are written."""
    n, s = {}, {}
    for voxel, level in levels.items():
        around = [tuple(np.add(voxel, step)) for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
        around = [a for a in around if a in levels]
        if not around and definition == "toolbox":
            continue
        weights = [1.0 if definition == "pyradiomics" else np.linalg.norm(np.subtract(a, voxel)) ** -1 for a in around]
        mean = np.average([levels[a] for a in around], weights=weights) if around else level
        n[level] = n.get(level, 0) + 1
        s[level] = s.get(level, 0) + abs(level - mean)
    if not n:
        return {**dict.fromkeys(LOCAL_NGTDM_FEATURES, np.nan), "Complexity": 0.0, "Strength": 0.0}
    total, present = sum(n.values()), sorted(n)
    p = {i: n[i] / total for i in present}
    pairs = list(itertools.product(present, present))
    ps, sum_s = sum(p[i] * s[i] for i in present), sum(s.values())
    eps = EPS if definition == "toolbox" else 0
    otherwise = np.nan if definition == "toolbox" else 0.0
    spread = sum(p[i] * p[j] * (i - j) ** 2 for i, j in pairs)
    busy = sum(abs(i * n[i] - j * n[j]) for i, j in pairs) / total
    strong = sum((p[i] + p[j]) * (i - j) ** 2 for i, j in pairs)
    return {
        "Coarseness": 1 / (ps + eps) if ps + eps else 1e6,
        "Contrast": spread * sum_s / total / (len(p) * (len(p) - 1)) if len(p) > 1 else otherwise,
        "Busyness": ps / busy if busy else otherwise,
        "Complexity": sum(abs(i - j) * (p[i] * s[i] + p[j] * s[j]) / (p[i] + p[j]) for i, j in pairs) / total,
        "Strength": strong / (sum_s + eps) if sum_s + eps else 0.0,
    }


def brute_force(levels, mask, radius, definition) -> dict[str, np.ndarray]:
    inside = {tuple(v): int(levels[tuple(v)]) for v in np.argwhere(mask)}
    rows = []
    for voxel in inside:
        box = {v: level for v, level in inside.items() if np.all(np.abs(np.subtract(v, voxel)) <= radius)}
        rows.append(tone_features(box, definition))
    return {name: np.array([row[name] for row in rows]) for name in LOCAL_NGTDM_FEATURES}


@pytest.mark.parametrize("definition", ["pyradiomics", "toolbox"])
@pytest.mark.parametrize("n_levels", [1, 3, 40])
@pytest.mark.parametrize("radius", [(1, 1, 1), (0, 1, 2), (2, 2, 2)])
def test_equal_to_the_sums_of_each_neighborhood(radius, n_levels, definition):
    rng = np.random.default_rng(5)
    levels, mask = rng.integers(1, n_levels + 1, (4, 4, 5)), rng.random((4, 4, 5)) < 0.5
    mask[:, :, 2] = False
    mask[0, 0, 2] = True
    found = local_ngtdm(levels, mask, radius, definition=definition)
    for name, values in brute_force(levels, mask, radius, definition).items():
        np.testing.assert_allclose(found.columns[f"NGTDM_{name}"], values, rtol=1e-9, atol=1e-12, err_msg=name)
        assert np.isnan(values).any() == (f"NGTDM_{name}" in found.undefined)


def test_values_that_the_toolbox_has_none_of_are_named():
    levels, mask = np.full((3, 3, 9), 4), np.ones((3, 3, 9), bool)
    levels[0, 0, 0] = 5
    found = local_ngtdm(levels, mask, 1, definition="toolbox")
    busyness = found.columns["NGTDM_Busyness"].reshape(mask.shape)
    assert np.isnan(busyness[:, :, 2:]).all()
    assert np.isfinite(busyness[:2, :2, :2]).all()
    assert set(found.undefined) == {"NGTDM_Busyness", "NGTDM_Contrast"}
    assert "single level" in found.undefined["NGTDM_Busyness"]


def test_bad_input_is_told():
    levels, mask = np.full((3, 4, 5), 7), np.ones((3, 4, 5), bool)
    with pytest.raises(InputError, match="no local NGTDM feature 'XYZ'"):
        local_ngtdm(levels, mask, 1, ["XYZ"])
    with pytest.raises(InputError, match="no local NGTDM definition 'IBSI'"):
        local_ngtdm(levels, mask, 1, definition="IBSI")
