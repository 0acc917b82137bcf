"""Gray values to levels: each algorithm against its definition in plain words."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from NPCRadiomicsRiskLib.texture.quantization import ALGORITHMS, lloyd_borders, quantize
from NPCResponseLib.errors import InputError

FEW_EXAMPLES = settings(max_examples=40, deadline=None)
values = arrays(np.float64, st.integers(2, 60), elements=st.integers(-300, 300).map(float)).filter(
    lambda x: x.min() < x.max()
)
noise = np.random.default_rng(1).normal(500, 100, 3000)


def test_uniform_rounds_to_equal_steps():
    np.testing.assert_array_equal(quantize(np.arange(9.0), "uniform", 9), np.arange(1, 10))
    # Four levels at 0, 3, 6, 9: the end levels are half as wide.
    np.testing.assert_array_equal(quantize(np.arange(10.0), "uniform", 4), [1, 1, 2, 2, 2, 3, 3, 3, 4, 4])


@pytest.mark.parametrize("n_levels", [4, 12, 32, 50, 256])
@pytest.mark.parametrize("extent", [22, 30, 44, 126, 1001])
def test_uniform_puts_whole_numbers_on_a_border_up(extent, n_levels):
    """In whole numbers, without any rounding error: 2 (n - 1) x + extent over 2 extent, rounded down."""
    x = np.arange(extent + 1)
    expected = (2 * (n_levels - 1) * x + extent) // (2 * extent) + 1
    np.testing.assert_array_equal(quantize(x + 17.0, "uniform", n_levels), expected)


def slow_equal(x: np.ndarray, n: int) -> np.ndarray:
    """As the description has it, bin by bin."""
    scaled = (x - x.min()) / (x.max() - x.min())
    bins = np.floor(255 * scaled + 0.5).astype(int)
    counts = np.bincount(bins, minlength=256)
    level_of_bin, total = np.zeros(256, int), len(x)
    for b in range(256):
        tolerance = 0 if b in (0, 255) else counts[b] / 2
        errors = []
        for k in range(1, n + 1):
            error = total * k / n - counts[: b + 1].sum() + tolerance
            errors.append(total if error < -total * np.sqrt(np.finfo(float).eps) else error)
        level_of_bin[b] = int(np.argmin(errors))
    levels = level_of_bin[bins]
    return np.searchsorted(np.unique(levels), levels) + 1


@pytest.mark.parametrize("n_levels", [3, 16, 50])
def test_equal_follows_its_description(n_levels):
    for x in (noise[:200], np.round(noise[:90] / 40), noise[:80] ** 3, np.clip(noise[:90], 420, 540)):
        np.testing.assert_array_equal(quantize(x, "equal", n_levels), slow_equal(x, n_levels))


def test_equal_spreads_voxels_evenly():
    """Levels of as many voxels each, up to the size of the 256 bins to which values are reduced first."""
    levels = quantize(np.random.default_rng(2).random(25_600), "equal", 16)
    counts = np.bincount(levels)[1:]
    assert len(counts) == 16
    assert np.all(np.abs(counts - 1600) < 150)


def slow_borders(x: np.ndarray, n: int) -> np.ndarray:
    """Lloyd's iteration, cell by cell."""
    x = np.sort(x)
    codes = x[0] + (np.arange(n) + 0.5) * (x[-1] - x[0]) / n

    def cells(borders):
        outer = [-np.inf, *borders, np.inf]
        return [x[(x > low) & (x <= high)] for low, high in itertools.pairwise(outer)]

    last = 0.0
    while True:
        borders = (codes[1:] + codes[:-1]) / 2
        groups = cells(borders)
        error = sum(((group - code) ** 2).sum() for group, code in zip(groups, codes, strict=True)) / len(x)
        if error <= 1e-16 or abs(error - last) / error <= 1e-7:
            return borders
        last = error
        edges = [x[0], *borders, x[-1]]
        codes = np.sort(
            [group.mean() if len(group) else (edges[i] + edges[i + 1]) / 2 for i, group in enumerate(groups)]
        )


@pytest.mark.parametrize("n_levels", [2, 5, 16, 64])
def test_lloyd_follows_its_description(n_levels):
    x = (noise - noise.min()) / np.ptp(noise)
    borders = lloyd_borders(np.sort(x), n_levels)
    np.testing.assert_allclose(borders, slow_borders(x, n_levels), rtol=1e-9)
    levels = quantize(x, "lloyd", n_levels)
    np.testing.assert_array_equal(levels, 1 + np.sum(x[:, None] > borders, axis=1))


def test_lloyd_of_two_lumps():
    """Two levels separate two lumps, however many voxels are in each."""
    x = np.concatenate([np.linspace(0, 1, 50), np.linspace(9, 10, 5)])
    np.testing.assert_array_equal(quantize(x, "lloyd", 2), [1] * 50 + [2] * 5)


def test_lloyd_is_better_than_equal_steps():
    """Its purpose: the smallest mean squared error."""

    def error(levels):
        means = np.bincount(levels, weights=noise) / np.maximum(np.bincount(levels), 1)
        return np.mean((noise - means[levels]) ** 2)

    assert error(quantize(noise, "lloyd", 16)) < 0.9 * error(quantize(noise, "uniform", 16))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@FEW_EXAMPLES
@given(x=values, n_levels=st.sampled_from([2, 3, 8, 256, 5000]))
@example(x=np.array([0.0, -1.0, -1.0]), n_levels=2)
def test_levels_keep_the_order_of_the_values(algorithm, x, n_levels):
    levels = quantize(x, algorithm, n_levels)
    assert levels.dtype == np.int32
    assert levels.min() == 1
    assert levels.max() <= n_levels
    assert levels[x.argmax()] == levels.max()
    assert levels.max() > 1 or algorithm == "equal"  # which gives two values one level if most voxels have the lower
    ordered = np.argsort(x, kind="stable")
    assert np.all(np.diff(levels[ordered]) >= 0)
    for value in np.unique(x):
        assert len(np.unique(levels[x == value])) == 1
    if algorithm != "equal":
        assert levels.max() == n_levels


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@FEW_EXAMPLES
@given(x=values, scale=st.sampled_from([0.25, 2.0, 1024.0]), shift=st.integers(-5000, 5000))
def test_levels_do_not_depend_on_scale_and_offset(algorithm, x, scale, shift):
    """Powers of two and whole numbers, so that no value is rounded."""
    np.testing.assert_array_equal(quantize(scale * (x + shift), algorithm, 32), quantize(x, algorithm, 32))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_shape_is_kept_and_input_not_written_to(algorithm):
    given_ = noise[:24].reshape(2, 3, 4).astype(np.float32)
    given_.flags.writeable = False
    assert quantize(given_, algorithm, 8).shape == (2, 3, 4)


@pytest.mark.parametrize("algorithm,expected", [("lloyd", [1, 256]), ("uniform", [1, 256]), ("equal", [1, 2])])
def test_two_values(algorithm, expected):
    np.testing.assert_array_equal(np.unique(quantize([3.0, 7.0, 7.0, 3.0, 7.0], algorithm, 256)), expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("x", [np.ones(5), np.array([2.0]), np.array([])], ids=["constant", "one", "none"])
def test_values_without_difference_are_refused(algorithm, x):
    with pytest.raises(InputError, match="all values are the same"):
        quantize(x, algorithm, 8)


@pytest.mark.parametrize("n_levels", [1, 0, -3, 65_536, 8.0, "8", None])
def test_senseless_numbers_of_levels_are_refused(n_levels):
    with pytest.raises(InputError, match="number of gray levels must be from 2 to 65535"):
        quantize(noise, "uniform", n_levels)


def test_unknown_algorithm_is_refused():
    with pytest.raises(InputError, match=r"no quantization 'kmeans'.*lloyd, equal, uniform"):
        quantize(noise, "kmeans", 8)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_largest_number_of_levels(algorithm):
    levels = quantize(noise[:500], algorithm, 65_535)
    assert levels.max() == (65_535 if algorithm != "equal" else len(np.unique(levels)))
