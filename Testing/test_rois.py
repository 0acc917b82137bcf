"""Slice rules, erosion and statistics of regions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from NPCResponseLib.errors import InputError
from NPCResponseLib.relaxometry import VoxelStatus
from NPCResponseLib.rois import (
    SliceRule,
    erode_in_plane_mm,
    largest_slice,
    mean_of_slice_means,
    roi_statistics,
    select_slices,
    usable_voxels,
)

MASKS = arrays.arrays(bool, (5, 6, 7)).filter(np.any)


@pytest.fixture
def cone():
    """Areas 4, 16, 36, 16 in slices 1 to 4 of 6."""
    mask = np.zeros((6, 10, 10), dtype=bool)
    for k, half in ((1, 1), (2, 2), (3, 3), (4, 2)):
        mask[k, 5 - half : 5 + half, 5 - half : 5 + half] = True
    return mask


def test_largest_slice_is_the_paper_s_section(cone):
    assert largest_slice(cone) == 3
    assert np.flatnonzero(select_slices(cone, SliceRule.LARGEST_SLICE).any(axis=(1, 2))).tolist() == [3]
    assert np.flatnonzero(select_slices(cone, SliceRule.LARGEST_SLICE_AND_NEIGHBORS).any(axis=(1, 2))).tolist() == [
        2,
        3,
        4,
    ]
    assert (select_slices(cone, SliceRule.WHOLE_VOLUME) == cone).all()


def test_neighbors_stop_at_the_edge_of_the_image():
    mask = np.zeros((3, 4, 4), dtype=bool)
    mask[0] = True
    mask[1, :2] = True
    kept = select_slices(mask, SliceRule.LARGEST_SLICE_AND_NEIGHBORS)
    assert np.flatnonzero(kept.any(axis=(1, 2))).tolist() == [0, 1]


@given(MASKS, st.sampled_from(SliceRule))
def test_a_rule_keeps_part_of_the_mask_and_the_largest_slice_whole(mask, rule):
    kept = select_slices(mask, rule)
    k = largest_slice(mask)
    assert not (kept & ~mask).any()
    assert (kept[k] == mask[k]).all()


@pytest.mark.parametrize("rule", SliceRule)
def test_an_empty_mask_is_refused(rule):
    with pytest.raises(InputError, match="empty"):
        select_slices(np.zeros((2, 3, 3), dtype=bool), rule)


def test_erosion_is_in_millimeters_in_the_plane():
    mask = np.zeros((3, 20, 20), dtype=bool)
    mask[:, 5:15, 5:15] = True
    eroded = erode_in_plane_mm(mask, (6.0, 1.0, 2.0), 2.0)
    # A voxel stays if its center is more than 2 mm from the nearest one outside: two rows of 1 mm, one column of 2 mm.
    expected = np.zeros_like(mask)
    expected[:, 7:13, 6:14] = True
    assert (eroded == expected).all()
    assert (erode_in_plane_mm(mask, (6.0, 1.0, 1.0), 0.0) == mask).all()


@given(MASKS, st.floats(0.1, 5))
def test_erosion_never_adds(mask, distance_mm):
    assert not (erode_in_plane_mm(mask, (5.0, 1.0, 1.0), distance_mm) & ~mask).any()


def test_statistics_are_those_of_numpy():
    rng = np.random.default_rng(0)
    values, roi = rng.normal(50, 5, (3, 20, 20)), np.zeros((3, 20, 20), dtype=bool)
    roi[1, 5:15, 5:15] = True
    result = roi_statistics(values, roi)
    sample = values[roi]
    assert result.mean == pytest.approx(sample.mean())
    assert result.sd == pytest.approx(sample.std(ddof=1))
    assert (result.median, result.q1, result.q3) == pytest.approx(tuple(np.percentile(sample, [50, 25, 75])))
    assert result.mean_se == pytest.approx(sample.std(ddof=1) / 10)
    assert (result.n_roi, result.n_used, result.slices_k) == (100, 100, (1,))


def test_the_mean_s_standard_error_respects_the_fit_s():
    values, roi = np.full((1, 10, 10), 50.0), np.ones((1, 10, 10), dtype=bool)
    result = roi_statistics(values, roi, standard_errors=np.full(values.shape, 3.0))
    assert result.fit_se == pytest.approx(0.3)
    assert result.mean_se == pytest.approx(0.3)  # the voxels agree by chance; the fit knows better


def test_every_voxel_is_accounted_for_once():
    values, roi = np.full((1, 10, 10), 50.0), np.ones((1, 10, 10), dtype=bool)
    status = np.zeros(values.shape, dtype=np.uint8)
    status[0, 0] = VoxelStatus.LOW_SIGNAL
    status[0, 1, :4] = VoxelStatus.POOR_FIT
    necrosis = np.zeros(values.shape, dtype=bool)
    necrosis[0, :2, :2] = True
    kept = roi_statistics(values, roi, status=status, status_codes=VoxelStatus, exclusions={"necrosis": necrosis})
    assert kept.n_excluded == {"segment necrosis": 4, "low signal": 8}
    assert kept.n_used + sum(kept.n_excluded.values()) == kept.n_roi
    strict = roi_statistics(
        values, roi, status=status, status_codes=VoxelStatus, exclusions={"necrosis": necrosis}, keep_flagged=False
    )
    assert strict.n_excluded == {"segment necrosis": 4, "low signal": 8, "poor fit": 2}


def test_small_and_unfit_regions_are_warned_of():
    values, roi = np.full((1, 5, 5), 50.0), np.ones((1, 5, 5), dtype=bool)
    status = np.zeros(values.shape, dtype=np.uint8)
    status[0, :2] = VoxelStatus.NON_DECAYING
    warnings = " ".join(roi_statistics(values, roi, status=status, status_codes=VoxelStatus).warnings)
    assert "Only 15 voxels" in warnings
    assert "10 of 25 voxels of the region could not be fitted" in warnings


def test_a_region_without_usable_voxels_is_refused_with_the_reason():
    values, roi = np.zeros((1, 3, 3)), np.ones((1, 3, 3), dtype=bool)
    with pytest.raises(InputError, match=r"no voxel .*\(9 low signal\)"):
        roi_statistics(
            values, roi, status=np.full(values.shape, VoxelStatus.LOW_SIGNAL, dtype=np.uint8), status_codes=VoxelStatus
        )


def test_false_alarms_of_the_gradient_check_are_no_news_but_more_than_that_is():
    values, roi = np.full((1, 20, 20), 50.0), np.ones((1, 20, 20), dtype=bool)
    status = np.zeros(values.shape, dtype=np.uint8)
    status[0, :2, :15] = VoxelStatus.SUSPECTED_FIELD_GRADIENT  # 7.5 % of 400 voxels
    assert not roi_statistics(values, roi, status=status, status_codes=VoxelStatus).warnings
    status[0, :10] = VoxelStatus.SUSPECTED_FIELD_GRADIENT
    (warning,) = roi_statistics(values, roi, status=status, status_codes=VoxelStatus).warnings
    assert warning.startswith("200 of 400 used voxels: suspected field gradient")
    assert "field map" in warning


def test_usable_voxels_are_those_of_the_statistics():
    values, roi = np.full((1, 10, 10), 50.0), np.ones((1, 10, 10), dtype=bool)
    status = np.zeros(values.shape, dtype=np.uint8)
    status[0, 0] = VoxelStatus.LOW_SIGNAL
    status[0, 1] = VoxelStatus.POOR_FIT
    for keep_flagged in (True, False):
        used, n_excluded = usable_voxels(roi, status, status_codes=VoxelStatus, keep_flagged=keep_flagged)
        result = roi_statistics(values, roi, status=status, status_codes=VoxelStatus, keep_flagged=keep_flagged)
        assert np.count_nonzero(used) == result.n_used
        assert n_excluded == result.n_excluded


def test_mean_of_slice_means_weighs_slices_alike():
    """Liu 2022: the mean of three ROI means, not of the pooled voxels."""
    values = np.zeros((3, 4, 4))
    roi = np.zeros(values.shape, dtype=bool)
    values[0], values[1], values[2] = 10.0, 20.0, 60.0
    roi[0, :1, :2] = roi[1, :2] = roi[2, :1, :1] = True  # 2, 8 and 1 voxels

    means = mean_of_slice_means(values, roi, standard_errors=np.full(values.shape, 2.0))

    assert means.mean == pytest.approx(30.0)
    assert roi_statistics(values, roi).mean == pytest.approx((20 + 160 + 60) / 11)
    assert [part.n_used for part in means.by_slice] == [2, 8, 1]
    assert means.mean_se == pytest.approx(np.sqrt(4 / 2 + 4 / 8 + 4 / 1) / 3)


def test_a_slice_that_is_all_excluded_does_not_count():
    values = np.stack([np.full((3, 3), level) for level in (10.0, 20.0)])
    roi = np.ones(values.shape, dtype=bool)
    necrosis = np.zeros(values.shape, dtype=bool)
    necrosis[1] = True
    assert mean_of_slice_means(values, roi, exclusions={"necrosis": necrosis}).mean == 10.0
    with pytest.raises(InputError, match="no voxel"):
        mean_of_slice_means(values, roi, exclusions={"necrosis": roi})
