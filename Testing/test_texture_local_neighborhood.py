"""Sliding neighborhoods: sums, chunks, maps, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from NPCRadiomicsRiskLib.texture import local_neighborhood
from NPCRadiomicsRiskLib.texture.local_glcm import local_glcm
from NPCRadiomicsRiskLib.texture.local_glszm import local_glszm
from NPCRadiomicsRiskLib.texture.local_intensity import local_intensity
from NPCRadiomicsRiskLib.texture.local_neighborhood import neighborhoods, radius_per_axis, sliding_sum
from NPCRadiomicsRiskLib.texture.local_ngtdm import local_ngtdm
from NPCResponseLib.errors import InputError


def case(seed=0, shape=(5, 6, 7), n_levels=5):
    rng = np.random.default_rng(seed)
    return rng.integers(1, n_levels + 1, shape), rng.random(shape) < 0.6


@given(width=st.integers(1, 12), extra=st.integers(0, 5), seed=st.integers(0, 100))
def test_sliding_sums_are_sums_of_slices(width, extra, seed):
    image = np.random.default_rng(seed).integers(-50, 50, (3, width + extra))
    truth = np.stack([image[:, i : i + width].sum(axis=1) for i in range(extra + 1)], axis=1)
    np.testing.assert_array_equal(sliding_sum(image, width, 1), truth)


def all_columns(levels, mask, radius) -> dict[str, np.ndarray]:
    functions = local_glcm, local_ngtdm, local_glszm, local_intensity
    return {name: values for work in functions for name, values in work(levels, mask, radius).columns.items()}


def test_small_chunks_give_the_same(monkeypatch):
    levels, mask = case()
    whole = all_columns(levels, mask, 2)
    monkeypatch.setattr(local_neighborhood, "CHUNK_BYTES", 20_000)
    for name, values in all_columns(levels, mask, 2).items():
        np.testing.assert_array_equal(values, whole[name], err_msg=name)


def test_what_is_outside_the_tumor_does_not_matter():
    levels, mask = case()
    other = np.where(mask, levels, np.nan)
    wide = tuple(np.pad(image, 4, constant_values=fill) for image, fill in ((levels, 99), (mask, False)))
    truth = all_columns(levels, mask, 1)
    for found in (all_columns(other, mask, 1), all_columns(*wide, 1)):
        for name, values in found.items():
            np.testing.assert_array_equal(values, truth[name], err_msg=name)


def test_axes_are_alike():
    levels, mask = case(n_levels=9)
    order = (2, 0, 1)
    turned = all_columns(levels.transpose(order), mask.transpose(order), (0, 1, 2))
    for name, values in all_columns(levels, mask, (1, 2, 0)).items():
        image = np.zeros(mask.shape)
        image[mask] = values
        np.testing.assert_allclose(turned[name], image.transpose(order)[mask.transpose(order)], rtol=1e-9, atol=1e-12)


def test_inputs_are_left_as_they_are():
    levels, mask = case()
    levels.setflags(write=False)
    mask.setflags(write=False)
    all_columns(levels, mask, 1)


def test_columns_are_maps_when_asked_for():
    levels, mask = case()
    found = local_intensity(levels * 10.0, mask, 1, ["Mean"])
    assert list(found) == ["Intensity_Mean"]
    assert len(found) == 1
    image = found["Intensity_Mean"]
    assert image.shape == mask.shape
    assert image.dtype == np.float32
    assert (image[~mask] == 0).all()
    np.testing.assert_allclose(image[mask], found.columns["Intensity_Mean"], rtol=1e-6)


def test_constant_intensities_have_no_moments():
    mask = np.ones((3, 3, 3), bool)
    found = local_intensity(np.full(mask.shape, 0.1), mask, 1).columns
    np.testing.assert_allclose(found["Intensity_Mean"], 0.1)
    for name in ("Variance", "Skewness", "Kurtosis"):
        assert (found[f"Intensity_{name}"] == 0).all()


@pytest.mark.parametrize("radius", [0, -1, 1.5, True, (1, 2), (0, 0, 0), "2"])
def test_radii_that_make_no_neighborhood(radius):
    with pytest.raises(InputError, match="neighborhood of radius"):
        radius_per_axis(radius)


def test_bad_input_is_told():
    levels, mask = case()
    with pytest.raises(InputError, match="mask is empty"):
        neighborhoods(np.zeros((3, 3, 3), bool), 1)
    with pytest.raises(InputError, match="mask has 2 dimensions"):
        neighborhoods(mask[0], 1)
    with pytest.raises(InputError, match="do not fit the mask"):
        neighborhoods(mask, 1, levels[1:])
    for wrong in (levels - 1, levels + 0.5, np.where(levels == 1, np.nan, levels), levels * 20_000):
        with pytest.raises(InputError, match="whole numbers from 1"):
            neighborhoods(mask, 1, wrong)
    with pytest.raises(InputError, match="more than 32768 voxels"):
        neighborhoods(mask, 16)
    with pytest.raises(InputError, match="not all numbers"):
        local_intensity(np.where(levels == 1, np.nan, levels), mask)
    with pytest.raises(InputError, match="does not fit the mask"):
        local_intensity(levels[1:], mask)
    with pytest.raises(InputError, match="no local intensity feature 'Entropy'"):
        local_intensity(levels, mask, 1, ["Entropy"])
