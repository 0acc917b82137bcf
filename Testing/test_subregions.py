"""Sub-regions of a tumor, and masks carried to another grid, against analytic shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from NPCRadiomicsRiskLib.subregions.division import GTV, GTVNR, GTVR, carry, carry_mask, divide
from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import resample

THICK = np.diag([0.7, 0.7, 5.0, 1.0])


def grid(spacing_ijk, shape_kji, angles_deg=(0, 0, 0), shift_mm=(0, 0, 0)) -> np.ndarray:
    """ijk_to_ras of a turned grid whose middle is at ``shift_mm``."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix() * spacing_ijk
    matrix[:3, 3] = shift_mm - matrix[:3, :3] @ (np.array(shape_kji[::-1]) - 1) / 2
    return matrix


def ellipsoid(shape_kji, ijk_to_ras, semi_axes_mm, center_ras=(0, 0, 0), turn=None) -> np.ndarray:
    ras = np.moveaxis(np.indices(shape_kji)[::-1], 0, -1) @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]
    along = (ras - center_ras) @ (np.eye(3) if turn is None else turn) / semi_axes_mm
    return np.sum(along**2, axis=-1) <= 1


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def box(shape, *slices) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[slices] = True
    return mask


# -- divide --


def test_a_tumor_is_divided_and_what_is_outside_is_reported():
    gtv = box((10, 20, 20), slice(2, 8), slice(4, 16), slice(4, 16))
    recurrence = box((10, 20, 20), slice(2, 8), slice(4, 16), slice(12, 18))
    regions = divide(gtv, recurrence, THICK)
    assert np.array_equal(regions.masks[GTVR] | regions.masks[GTVNR], gtv)
    assert not np.any(regions.masks[GTVR] & regions.masks[GTVNR])
    assert regions.masks[GTVR].sum() == 6 * 12 * 4 and regions.gtvr_outside.sum() == 6 * 12 * 2
    voxel_cm3 = 0.7 * 0.7 * 5 / 1000
    assert regions.volumes_cm3 == pytest.approx(
        {GTV: 864 * voxel_cm3, GTVR: 288 * voxel_cm3, GTVNR: 576 * voxel_cm3}, rel=1e-12
    )
    assert regions.gtvr_fraction == pytest.approx(1 / 3)
    assert regions.gtvr_outside_fraction == pytest.approx(1 / 3)
    assert regions.gtvr_outside_cm3 == pytest.approx(144 * voxel_cm3)
    assert regions.farthest_outside_mm == pytest.approx(2 * 0.7)
    assert regions.dice == pytest.approx(2 * 288 / (864 + 432)) and regions.jaccard == pytest.approx(288 / 1008)
    assert regions.hausdorff_mm == pytest.approx(8 * 0.7)
    assert regions.warnings == ()


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, (4, 5, 6)), arrays(bool, (4, 5, 6)), st.sampled_from([0.0, 1.0, 3.0, 10.0, 1e6]), st.floats(0.5, 2.0)
)
def test_the_parts_always_make_up_the_tumor(gtv, recurrence, minimum_mm3, edge_mm):
    before = gtv.copy(), recurrence.copy()
    try:
        regions = divide(gtv, recurrence, np.diag([edge_mm, edge_mm, edge_mm, 1]), minimum_island_mm3=minimum_mm3)
    except InputError:
        assert not (gtv & recurrence).any() or not (gtv & ~recurrence).any()
        return
    finally:
        assert np.array_equal(gtv, before[0]) and np.array_equal(recurrence, before[1])
    assert np.array_equal(regions.masks[GTVR] ^ regions.masks[GTVNR], gtv)
    assert regions.masks[GTVR].any() and regions.masks[GTVNR].any()
    assert regions.volumes_cm3[GTVR] + regions.volumes_cm3[GTVNR] == pytest.approx(regions.volumes_cm3[GTV])
    islands = regions.islands
    moved = int(np.count_nonzero(regions.masks[GTVR] != (gtv & recurrence)))
    assert moved <= islands.voxels_to_gtvr + islands.voxels_to_gtvnr
    assert minimum_mm3 > 0 or moved == 0


def island_case():
    """GTVr in the left half; one piece of GTVnr enclosed by it, one of GTVr in GTVnr, one of GTVnr far from all."""
    gtv = box((6, 20, 40), slice(1, 5), slice(2, 18), slice(2, 32))
    recurrence = box((6, 20, 40), slice(1, 5), slice(2, 18), slice(2, 16))
    recurrence[2, 8:10, 6:9] = False  # 6 voxels of GTVnr within GTVr
    recurrence[3, 10, 24:28] = True  # 4 voxels of GTVr within GTVnr
    gtv[2, 5:7, 36:38] = True  # 4 voxels of GTVnr that touch neither
    return gtv, recurrence


def test_islands_are_only_counted_unless_asked_for():
    gtv, recurrence = island_case()
    regions = divide(gtv, recurrence, THICK)
    assert np.array_equal(regions.masks[GTVR], gtv & recurrence)
    assert regions.islands.n_left == 3 and "3 pieces below 50 mm3" in regions.islands.rule


def test_small_islands_go_to_the_neighbor_they_touch():
    gtv, recurrence = island_case()
    regions = divide(gtv, recurrence, THICK, minimum_island_mm3=20.0)  # 8.2 voxels
    islands = regions.islands
    assert (islands.n_to_gtvr, islands.voxels_to_gtvr, islands.n_to_gtvnr, islands.voxels_to_gtvnr) == (1, 6, 1, 4)
    assert islands.n_left == 1
    assert regions.masks[GTVR][2, 8, 7] and regions.masks[GTVNR][3, 10, 25] and regions.masks[GTVNR][2, 5, 36]
    assert "1 piece (6 voxels) of GTVnr to GTVr" in islands.rule and "1 piece left" in islands.rule


def test_pieces_that_touch_at_a_corner_are_one():
    gtv = np.zeros((5, 5, 5), bool)
    gtv[1, 1, 1] = gtv[2, 2, 2] = gtv[3, 3, 3] = True
    recurrence = gtv & False
    recurrence[3, 3, 3] = True
    assert divide(gtv, recurrence, np.eye(4), minimum_island_mm3=1.5).islands.n_left == 0


@pytest.mark.parametrize(
    ("gtv", "recurrence", "words"),
    [
        (np.zeros((4, 4, 4)), np.ones((4, 4, 4)), "GTV is empty"),
        (np.ones((4, 4, 4)), np.zeros((4, 4, 4)), "GTVr is empty"),
        (box((4, 4, 9), ..., slice(2)), box((4, 4, 9), ..., slice(6, 8)), "wholly outside GTV, 3.5 mm from it"),
        (box((4, 4, 9), ..., slice(2, 4)), np.ones((4, 4, 9)), "covers the whole GTV"),
        (np.ones((4, 4, 4)), np.ones((4, 4, 5)), "shape"),
    ],
)
def test_what_has_no_two_parts_is_refused(gtv, recurrence, words):
    with pytest.raises(InputError, match=words):
        divide(gtv, recurrence, THICK)


def test_an_impossible_smallest_island_is_refused():
    with pytest.raises(InputError, match="0 or more"):
        divide(np.ones((3, 3, 3)), box((3, 3, 3), 1), np.eye(4), minimum_island_mm3=-1)


def test_small_regions_and_cut_tumors_are_told():
    regions = divide(box((4, 9, 9), 0), box((4, 9, 9), 0, slice(3)), np.eye(4))
    assert any("GTVr has only 27 voxels" in sentence for sentence in regions.warnings)
    assert any("border of the image" in sentence for sentence in regions.warnings)
    outside = divide(
        box((9, 20, 40), slice(2, 7), slice(5, 15), slice(2, 20)),
        box((9, 20, 40), slice(2, 7), slice(5, 15), slice(15, 38)),
        THICK,
    )
    assert any("78% of the recurrence lies outside GTV, up to 13 mm" in sentence for sentence in outside.warnings)


# -- carry_mask --


@pytest.mark.parametrize("seed", range(8))
def test_an_ellipsoid_on_thick_slices_keeps_volume_and_place(seed):
    rng = np.random.default_rng(seed)
    thick_shape, fine_shape = (16, 120, 120), (84, 84, 84)
    thick = grid((0.7, 0.7, 5.0), thick_shape, rng.uniform(-15, 15, 3), rng.uniform(-2, 2, 3))
    fine = grid((1.0, 1.0, 1.0), fine_shape)
    semi_axes_mm, turn = rng.uniform(10, 26, 3), Rotation.random(random_state=rng).as_matrix()
    moved = grid((1, 1, 1), (1, 1, 1), rng.uniform(-15, 15, 3), rng.uniform(-5, 5, 3))
    drawn = ellipsoid(thick_shape, thick, semi_axes_mm, turn=turn)
    true = ellipsoid(fine_shape, np.linalg.inv(moved) @ fine, semi_axes_mm, turn=turn)
    carried = carry(drawn, thick, fine_shape, fine, moved)
    assert carried.volume_cm3 == pytest.approx(carried.source_volume_cm3, rel=0.01)
    assert carried.volume_cm3 == pytest.approx(4 / 3 * np.pi * semi_axes_mm.prod() / 1000, rel=0.02)
    nearest = resample(drawn, thick, fine_shape, fine, moved, nearest=True)
    assert dice(carried.mask, true) > 0.965
    assert 1 - dice(carried.mask, true) < 0.5 * (1 - dice(nearest, true))  # half the voxels that are wrong, at most


@pytest.mark.parametrize("seed", range(6))
def test_the_volume_is_kept_on_a_thick_grid_too(seed):
    """From 5 mm slices to others of 5 mm, which meet a crescent here or there."""
    rng = np.random.default_rng(seed)
    shape = (16, 120, 120)
    source, target = (grid((0.7, 0.7, 5.0), shape, rng.uniform(-15, 15, 3), rng.uniform(-2.5, 2.5, 3)) for _ in "ab")
    drawn = ellipsoid(shape, source, (22, 18, 16)) & ~ellipsoid(shape, source, (16, 14, 14), (9, 3, 2))
    carried = carry(drawn, source, shape, target)
    assert carried.volume_cm3 == pytest.approx(carried.source_volume_cm3, rel=1e-3)
    assert carried.warnings == ()


def test_the_native_grid_is_left_alone():
    drawn = ellipsoid((9, 40, 40), grid((0.7, 0.7, 5), (9, 40, 40)), (8, 6, 14))
    carried = carry(drawn, THICK, drawn.shape, THICK)
    assert np.array_equal(carried.mask, drawn) and carried.mask is not drawn
    assert carried.level_mm == 0


def test_there_and_back_is_nearly_the_same():
    thick, shape = grid((0.7, 0.7, 5.0), (16, 120, 120)), (16, 120, 120)
    fine, fine_shape = grid((0.7, 0.7, 0.7), (100, 110, 110), (5, -8, 12)), (100, 110, 110)
    drawn = ellipsoid(shape, thick, (18, 24, 20), turn=Rotation.from_euler("y", 30, degrees=True).as_matrix())
    back = carry_mask(carry_mask(drawn, thick, fine_shape, fine), fine, shape, thick)
    assert dice(back, drawn) > 0.98


def test_a_single_slice_becomes_half_a_slice_thick_on_either_side():
    shape, fine_shape = (7, 60, 60), (60, 60, 60)
    thick, fine = grid((0.7, 0.7, 5.0), shape), grid((0.7, 0.7, 0.5), fine_shape)
    drawn = box(shape, 3, slice(20, 40), slice(20, 40))
    carried = carry(drawn, thick, fine_shape, fine)
    assert np.flatnonzero(carried.mask.any(axis=(1, 2))).size == pytest.approx(10, abs=2)
    assert carried.volume_cm3 == pytest.approx(carried.source_volume_cm3, rel=0.08)


def test_slices_along_any_axis():
    shape, fine_shape = (16, 90, 90), (90, 90, 90)
    thick, fine = grid((0.7, 0.7, 5.0), shape), grid((0.9, 0.9, 0.9), fine_shape)
    drawn = ellipsoid(shape, thick, (15, 18, 21))
    permuted = thick[:, [2, 0, 1, 3]]  # the slices' normal is now i
    other = carry(np.moveaxis(drawn, 0, 2), permuted, fine_shape, fine)
    assert np.array_equal(other.mask, carry(drawn, thick, fine_shape, fine).mask)


def test_what_the_grid_does_not_hold_is_told():
    fine = grid((1, 1, 1), (40, 40, 40), shift_mm=(10, 0, 0))
    drawn = ellipsoid((40, 60, 60), grid((1, 1, 1), (40, 60, 60)), (15, 15, 15))
    carried = carry(drawn, grid((1, 1, 1), (40, 60, 60)), (40, 40, 40), fine, where="GTVr")
    assert carried.outside_fraction == pytest.approx(0.074, abs=0.003)  # a cap 5 mm high: (h / R)^2 (3 - h / R) / 4
    assert any("of GTVr lies outside the other image" in sentence for sentence in carried.warnings)


@pytest.mark.parametrize(
    ("mask", "shift_mm", "words"),
    [
        (np.zeros((5, 9, 9)), 0, "empty"),
        (np.ones((9, 9)), 0, "three axes"),
        (np.ones((5, 9, 9)), 300, "wholly outside the other image"),
    ],
)
def test_what_cannot_be_carried_is_refused(mask, shift_mm, words):
    moved = np.eye(4)
    moved[0, 3] = shift_mm
    with pytest.raises(InputError, match=words):
        carry_mask(mask, THICK, (20, 20, 20), np.eye(4), moved)


def test_a_matrix_without_inverse_is_refused():
    with pytest.raises(InputError, match="matrix"):
        carry_mask(np.ones((3, 3, 3)), THICK, (5, 5, 5), np.eye(4), np.zeros((4, 4)))
