"""The four matrices against slow loops over voxels, and what must hold for any region."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCRadiomicsRiskLib.texture.glcm import cooccurrence_features, cooccurrence_matrices
from NPCRadiomicsRiskLib.texture.glrlm import run_length_features, run_length_matrices
from NPCRadiomicsRiskLib.texture.glszm import size_zone_features, size_zone_matrices
from NPCRadiomicsRiskLib.texture.ngtdm import ToneDifferences, tone_difference_features, tone_differences
from NPCRadiomicsRiskLib.texture.panel47 import TextureSettings, texture_panel
from NPCRadiomicsRiskLib.texture.region_levels import Matrix, RegionLevels

NEIGHBORS = [d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)]
FEW_EXAMPLES = settings(max_examples=25, deadline=None)


def laid_out(levels: np.ndarray, n_levels: int, *, dimensions: int = 3) -> RegionLevels:
    """A volume of levels, 0 outside the one region."""
    return RegionLevels.of([levels[levels > 0]], [levels > 0], n_levels, dimensions=dimensions)


def dense(matrix: Matrix) -> np.ndarray:
    array = np.zeros(matrix.shape)
    np.add.at(array, (matrix.rows - 1, matrix.columns - 1), matrix.values)
    return array


def weight_of(direction, weighted: bool) -> float:
    return math.hypot(*direction) if weighted else 1.0


def directions_of(dimensions: int):
    return [d for d in NEIGHBORS if dimensions == 3 or d[0] == 0]


def at(levels: np.ndarray, voxel) -> int:
    """Its level; 0 outside the region or the array."""
    return int(levels[voxel]) if all(0 <= x < n for x, n in zip(voxel, levels.shape, strict=True)) else 0


def moved(voxel, direction, steps: int = 1):
    return tuple(int(x + steps * d) for x, d in zip(voxel, direction, strict=True))


def slow_glcm(levels, n_levels, weighted, dimensions):
    matrix = np.zeros((n_levels, n_levels))
    for voxel in map(tuple, np.argwhere(levels)):
        for direction in directions_of(dimensions):
            other = at(levels, moved(voxel, direction))
            if other:
                matrix[levels[voxel] - 1, other - 1] += weight_of(direction, weighted)
    return matrix


def slow_glrlm(levels, n_levels, weighted, dimensions):
    matrix = np.zeros((n_levels, max(levels.shape)))
    for voxel in map(tuple, np.argwhere(levels)):
        for direction in (d for d in directions_of(dimensions) if d > (0, 0, 0)):
            if at(levels, moved(voxel, direction, -1)) == levels[voxel]:
                continue  # not where a run begins
            length = 1
            while at(levels, moved(voxel, direction, length)) == levels[voxel]:
                length += 1
            matrix[levels[voxel] - 1, length - 1] += weight_of(direction, weighted)
    return matrix[:, : np.flatnonzero(matrix.any(axis=0)).max() + 1]


def slow_glszm(levels, n_levels, dimensions):
    zones, seen = [], set()
    for voxel in map(tuple, np.argwhere(levels)):
        if voxel in seen:
            continue
        seen.add(voxel)
        todo, size = [voxel], 0
        while todo:
            here = todo.pop()
            size += 1
            for direction in directions_of(dimensions):
                other = moved(here, direction)
                if other not in seen and at(levels, other) == levels[voxel]:
                    seen.add(other)
                    todo.append(other)
        zones.append((levels[voxel], size))
    matrix = np.zeros((n_levels, max(size for _, size in zones)))
    for level, size in zones:
        matrix[level - 1, size - 1] += 1
    return matrix


def slow_ngtdm(levels, n_levels, weighted, dimensions):
    sums, counts = np.zeros(n_levels), np.zeros(n_levels)
    for voxel in map(tuple, np.argwhere(levels)):
        found = [(at(levels, moved(voxel, d)), 1 / weight_of(d, weighted)) for d in directions_of(dimensions)]
        found = [(level, weight) for level, weight in found if level]
        if found:
            mean = sum(level * weight for level, weight in found) / sum(weight for _, weight in found)
            sums[levels[voxel] - 1] += abs(levels[voxel] - mean)
            counts[levels[voxel] - 1] += 1
    return sums, counts


def random_levels(seed: int, n_levels: int = 4, shape=(4, 5, 6), filled: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, n_levels + 1, shape) * (rng.random(shape) < filled)
    levels[0, 0, 0] = levels[-1, -1, -1] = 1
    return levels


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed,filled", [(1, 1.0), (2, 0.7), (3, 0.15)])
def test_matrices_equal_slow_loops(seed, filled, weighted, dimensions):
    levels = random_levels(seed, filled=filled)
    found = laid_out(levels, 5, dimensions=dimensions)  # level 5 does not occur
    glcm, glrlm = cooccurrence_matrices(found, weighted=weighted)[0], run_length_matrices(found, weighted=weighted)[0]
    ngtdm = tone_differences(found, weighted=weighted)[0]
    np.testing.assert_allclose(dense(glcm), slow_glcm(levels, 5, weighted, dimensions), rtol=1e-12)
    np.testing.assert_allclose(dense(glrlm), slow_glrlm(levels, 5, weighted, dimensions), rtol=1e-12)
    np.testing.assert_array_equal(dense(size_zone_matrices(found)[0]), slow_glszm(levels, 5, dimensions))
    sums, counts = slow_ngtdm(levels, 5, weighted, dimensions)
    np.testing.assert_allclose(ngtdm.sums, sums, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(ngtdm.counts, counts)


def test_many_levels_are_counted_by_sorting_alike(monkeypatch):
    """Above a number of cells co-occurrences are sorted instead of counted in a table, runs likewise."""
    levels = random_levels(4)
    few, many = laid_out(levels, 4), laid_out(levels, 65_535)
    for make in (cooccurrence_matrices, run_length_matrices):
        small, large = make(few, weighted=True)[0], make(many, weighted=True)[0]
        np.testing.assert_array_equal(small.rows, large.rows)
        np.testing.assert_array_equal(small.columns, large.columns)
        np.testing.assert_allclose(small.values, large.values, rtol=1e-14)


def test_tone_differences_of_many_levels_in_parts(monkeypatch):
    rng = np.random.default_rng(5)
    found = ToneDifferences(rng.random(50) * 9, rng.integers(0, 7, 50).astype(float))
    whole = tone_difference_features(found)
    monkeypatch.setattr("NPCRadiomicsRiskLib.texture.ngtdm.MOST_PAIRS", 100)
    assert tone_difference_features(found) == pytest.approx(whole, rel=1e-12)


def test_long_runs_of_many_levels_take_little_memory():
    import tracemalloc

    levels = np.ones((3, 4, 800), dtype=int)
    levels[1] = 65_535
    found = laid_out(levels, 65_535)
    tracemalloc.start()
    matrix = run_length_matrices(found, weighted=True)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix.shape == (65_535, 800)
    assert peak < 50e6  # a table of every level and length would be 420 MB


# -- what must hold for any region --

volumes = st.builds(
    random_levels, st.integers(0, 10_000), st.integers(2, 6), st.tuples(*[st.integers(2, 5)] * 3), st.floats(0.2, 1)
)


def everything(levels: np.ndarray, n_levels: int = 6, toolbox: bool = True) -> dict[str, float]:
    found = laid_out(levels, n_levels)
    families = {
        "GLCM": cooccurrence_features(cooccurrence_matrices(found, weighted=toolbox)[0], toolbox=toolbox),
        "GLRLM": run_length_features(run_length_matrices(found, weighted=toolbox)[0], toolbox=toolbox),
        "GLSZM": size_zone_features(size_zone_matrices(found)[0], toolbox=toolbox),
        "NGTDM": tone_difference_features(tone_differences(found, weighted=toolbox)[0]),
    }
    return {f"{family}_{name}": value for family, values in families.items() for name, value in values.items()}


@FEW_EXAMPLES
@given(volumes, st.permutations([0, 1, 2]), st.sets(st.sampled_from([0, 1, 2])))
def test_axes_may_be_exchanged_and_flipped(levels, axes, flipped):
    """All directions count alike, so a rotated or mirrored region has the same texture.

    Unless it lies in a single slice, which has fewer directions than a single row or column of slices.
    """
    other = np.flip(levels.transpose(axes), tuple(flipped))
    assert everything(other) == pytest.approx(everything(levels), rel=1e-9, abs=1e-12, nan_ok=True)


@FEW_EXAMPLES
@given(volumes, st.booleans())
def test_sums(levels, weighted):
    found, n_voxels = laid_out(levels, 6), np.count_nonzero(levels)
    glcm = cooccurrence_matrices(found, weighted=weighted)[0]
    np.testing.assert_allclose(dense(glcm), dense(glcm).T, rtol=1e-12)
    n_pairs = sum(
        weight_of(d, weighted) for v in map(tuple, np.argwhere(levels)) for d in NEIGHBORS if at(levels, moved(v, d))
    )
    assert glcm.total == pytest.approx(n_pairs)
    glszm = size_zone_matrices(found)[0]
    assert (glszm.columns * glszm.values).sum() == n_voxels
    by_level = np.bincount(glszm.rows, weights=glszm.columns * glszm.values, minlength=7)[1:]
    np.testing.assert_array_equal(by_level, np.bincount(levels[levels > 0], minlength=7)[1:])
    # Every voxel lies in one run of each direction.
    glrlm = run_length_matrices(found, weighted=weighted)[0]
    per_voxel = sum(weight_of(d, weighted) for _step, d in found.steps)
    assert (glrlm.columns * glrlm.values).sum() == pytest.approx(n_voxels * per_voxel)
    assert glrlm.shape[1] <= max(levels.shape)
    assert glszm.shape[1] == glszm.columns.max()


@FEW_EXAMPLES
@given(volumes, st.integers(0, 1000))
def test_regions_together_equal_each_alone(levels, seed):
    """Also where they touch: nothing is counted across their border."""
    owner = np.random.default_rng(seed).integers(0, 3, levels.shape)
    owner[:, 0, 0], owner[:, 0, 1], owner[:, 1, 0] = 0, 1, 2  # none lies in a single slice: see the panel's test
    levels[:, :2, :2] = 1
    masks = [mask for mask in ((levels > 0) & (owner == n) for n in range(3)) if mask.any()]
    together = RegionLevels.of([levels[mask] for mask in masks], masks, 6, dimensions=3)
    for make in (
        lambda found: cooccurrence_matrices(found, weighted=True),
        lambda found: run_length_matrices(found, weighted=True),
        size_zone_matrices,
    ):
        for mask, found in zip(masks, make(together), strict=True):
            alone = make(RegionLevels.of([levels[mask]], [mask], 6, dimensions=3))[0]
            assert found.shape == alone.shape
            np.testing.assert_allclose(dense(found), dense(alone), rtol=1e-12)
    for mask, found in zip(masks, tone_differences(together, weighted=True), strict=True):
        alone = tone_differences(RegionLevels.of([levels[mask]], [mask], 6, dimensions=3), weighted=True)[0]
        np.testing.assert_allclose(found.sums, alone.sums, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(found.counts, alone.counts)


@FEW_EXAMPLES
@given(volumes)
def test_background_does_not_matter(levels):
    """A border of nothing around, as a crop less tight would have it."""
    assert everything(np.pad(levels, 2)) == pytest.approx(everything(levels), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("resampling", ["none", "corrected"])
def test_a_flat_region_is_the_same_whatever_else_is_measured(resampling):
    """A single slice has 4 directions for runs, not 13; it must not get more because another region is thick."""
    volume = np.random.default_rng(3).normal(size=(6, 12, 12))
    flat, other_flat, thick = np.zeros((3, *volume.shape), bool)
    flat[2, 2:7, 2:7], other_flat[4, 2:7, 2:7], thick[1:5, 8:, 2:9] = True, True, True
    settings = TextureSettings(resampling=resampling, n_levels=8)
    alone = texture_panel(volume, {"flat": flat}, (1, 1, 1), settings)["flat"].values
    for others in ({"thick": thick}, {"other": other_flat}):
        for regions in ({"flat": flat, **others}, {**others, "flat": flat}):
            found = texture_panel(volume, regions, (1, 1, 1), settings)["flat"].values
            assert found == pytest.approx(alone, rel=1e-12)


def test_two_dimensions_are_the_slices_merged():
    levels = random_levels(6)
    glcm = sum(slow_glcm(one[None], 4, True, 2) for one in levels)
    found = cooccurrence_matrices(laid_out(levels, 4, dimensions=2), weighted=True)[0]
    np.testing.assert_allclose(dense(found), glcm, rtol=1e-12)


# -- by hand --


def test_checkerboard_by_hand():
    """One slice of 2 x 2, levels 1 2 / 2 1: four side pairs 1-2, one diagonal 1-1, one 2-2."""
    levels = np.array([[[1, 2], [2, 1]]])
    matrix = cooccurrence_matrices(laid_out(levels, 2), weighted=True)[0]
    diagonal = 2 * math.sqrt(2)
    np.testing.assert_allclose(dense(matrix), [[diagonal, 4], [4, diagonal]], rtol=1e-14)
    features = cooccurrence_features(matrix, toolbox=True)
    total = 8 + 2 * diagonal
    assert features["Contrast"] == pytest.approx(8 / total)
    assert features["SumAverage"] == pytest.approx(3 / 2 / 4)
    # Of the matrix rounded to whole numbers: 3 4 / 4 3.
    assert features["Correlation"] == pytest.approx((6 - 8) / 14)
    zones = size_zone_matrices(laid_out(levels, 2))[0]
    np.testing.assert_array_equal(dense(zones), [[0, 1], [0, 1]])
    runs = run_length_matrices(laid_out(levels, 2), weighted=False)[0]
    # By level: single ones along rows and columns and the other diagonal, one pair along a diagonal.
    np.testing.assert_array_equal(dense(runs), [[6, 1], [6, 1]])


def test_cell_variance_counts_empty_cells():
    """The variance of g p over the cells of the matrix, not of the levels."""
    matrix = Matrix(np.array([1, 3]), np.array([1, 2]), np.array([1.0, 3.0]), (4, 2))
    cells = np.array([[0.25, 0], [0, 0], [0, 3 * 0.75], [0, 0]])
    assert run_length_features(matrix, toolbox=True)["GLV"] == pytest.approx(cells.var())
    sizes = np.array([[0.25, 0], [0, 0], [0, 2 * 0.75], [0, 0]])
    assert run_length_features(matrix, toolbox=True)["RLV"] == pytest.approx(sizes.var())
    levels = np.array([1, 3, 3, 3])
    assert run_length_features(matrix, toolbox=False)["GLV"] == pytest.approx(levels.var())
