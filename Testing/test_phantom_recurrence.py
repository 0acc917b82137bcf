"""The phantom's patient of the sub-region study: two scans, a dose, and what is true of them."""

import itertools

import numpy as np
import pytest

from NPCResponseLib import phantom
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import PhantomGrid, SubregionTexture, observed, simulate_recurrence
from NPCResponseLib.phantom.anatomy import skull_landmarks_ras
from NPCResponseLib.phantom.recurrence import NONRECURRENT, RECURRENT
from NPCResponseLib.phantom.recurrence_anatomy import disease_of, recurrent_part, t4_tumor
from NPCResponseLib.phantom.recurrence_texture import TextureField, TumorTexture
from NPCResponseLib.registration import resample, rotation_angle_deg

# The tumor and what is next to it, in the voxels of the study.
SMALL = PhantomGrid.axial((22, 130, 130), (5, 0.7, 0.7), center_ras=(4, -2, 2))
SMALL_OBLIQUE = PhantomGrid.axial((24, 170, 170), (5, 0.7, 0.7), center_ras=(0, 0, 0), tilt_deg=(-7, 2, 3))

TINY = PhantomGrid.axial((2, 10, 10), (5, 0.7, 0.7), center_ras=(4, -2, 2))
DOWN_TO_THE_NECK = PhantomGrid.axial((28, 130, 170), (5, 0.7, 0.7), center_ras=(0, -2, -12))


def small(**options):
    return simulate_recurrence(**({"pre_grid": SMALL, "recurrence_grid": SMALL_OBLIQUE, "n_subslices": 1} | options))


@pytest.fixture(scope="module")
def patient():
    return small(seed=3)


@pytest.fixture(scope="module")
def at_rest():
    """Without noise, both scans on one grid, the head where it was."""
    return small(seed=2, snr=None, pose_deg=0, pose_mm=0, recurrence_grid=SMALL, recurrent_share=0.15)


def without_images(**options):
    return simulate_recurrence(**({"pre_grid": TINY, "recurrence_grid": TINY, "n_subslices": 1} | options))


def centers_ras(mask, grid):
    return np.argwhere(mask)[:, ::-1] @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]


def moved(points_ras, matrix):
    return points_ras @ matrix[:3, :3].T + matrix[:3, 3]


# -- position and landmarks --


def test_head_is_turned_and_shifted_as_asked():
    for seed in range(2):
        position = without_images(seed=seed, pose_deg=12, pose_mm=18).position_ras
        assert rotation_angle_deg(position) == pytest.approx(12, abs=1e-6)
        np.testing.assert_allclose(position[:3, :3] @ position[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(position[:3, :3]) == pytest.approx(1)
        pivot = np.array([0.0, -25.0, -20.0])
        assert np.linalg.norm(moved(pivot, position) - pivot) == pytest.approx(18, abs=1e-9)
    given = without_images(pose_deg=(0, 0, 90), pose_mm=(1, 2, 3)).position_ras
    np.testing.assert_allclose(moved(np.array([10.0, -25, -20]), given), [1, -13, -17], atol=1e-9)
    np.testing.assert_allclose(without_images(pose_deg=0, pose_mm=0).position_ras, np.eye(4), atol=1e-12)


def test_positions_that_the_seed_decides_keep_to_the_study_s_range():
    positions = [without_images(seed=seed).position_ras for seed in range(3)]
    assert all(rotation_angle_deg(position) <= 15 for position in positions)
    assert len({position.tobytes() for position in positions}) == 3


def test_landmarks_are_the_same_points_of_the_skull_in_both_scans(patient):
    for name, before in patient.landmarks_pre_ras.items():
        later = patient.landmarks_recurrence_ras[name]
        np.testing.assert_allclose(moved(later, patient.moving_to_fixed_ras), before, atol=1e-9)
        assert np.linalg.norm(before) < 50
    assert np.linalg.matrix_rank(np.stack(list(patient.landmarks_pre_ras.values())) - [0, 0, 1]) == 3


def test_landmarks_are_where_the_anatomy_has_them():
    """At the center of a bone or a sinus, or at the end of one: just within it is one thing, just beyond another."""
    disease = disease_of(t4_tumor(), recurrent_part(t4_tumor(), 0.25, 0.08, np.random.default_rng(0)))
    for anatomy in (disease.before(), disease.at_recurrence(), disease.at_recurrence(neck_deg=6)):

        def tissue(name, *offset, anatomy=anatomy):
            return phantom.REGION_NAMES[anatomy.labels_at(skull_landmarks_ras()[name] + offset)]

        assert tissue("left pterygoid process", 0, 0, 0) == "bone"
        assert tissue("right pterygoid process", 0, 0, 0) == "bone"
        assert tissue("sphenoid sinus", 0, 0, 0) == "sinus"
        assert tissue("hard palate", 0, 0.5, 0) == "bone" != tissue("hard palate", 0, -0.5, 0)
        assert tissue("left atlas", 0, 0, 0) == tissue("right atlas", 0, 0, 0) == "marrow"


def test_observers_err_by_what_is_stated(patient):
    errors = [
        np.array(list(observed(patient.landmarks_pre_ras, 1.5, seed).values()))
        - np.array(list(patient.landmarks_pre_ras.values()))
        for seed in range(60)
    ]
    assert np.std(errors) == pytest.approx(1.5, rel=0.05)
    again = observed(patient.landmarks_pre_ras, 1.5, 7)
    assert all(
        np.array_equal(again[name], point) for name, point in observed(patient.landmarks_pre_ras, 1.5, 7).items()
    )


def test_true_transform_lays_one_scan_over_the_other():
    """Air and bone, dark in both, without noise; a wrong sign would leave little of the overlap."""
    both = simulate_recurrence(seed=5, snr=None, pose_deg=14, pose_mm=18, n_subslices=1)
    fixed, moving = both.pre_grid, both.recurrence_grid
    brought = resample(
        both.recurrence, moving.ijk_to_ras, fixed.shape_kji, fixed.ijk_to_ras, both.moving_to_fixed_ras, extend=True
    )
    points = centers_ras(np.ones(fixed.shape_kji, bool), fixed).reshape(*fixed.shape_kji, 3)
    face = np.linalg.norm(points - (0, 40, 0), axis=-1) < 45
    dark = [image[face] < 0.12 * np.percentile(image[face], 90) for image in (both.pre, brought)]
    assert 2 * np.count_nonzero(dark[0] & dark[1]) / sum(map(np.count_nonzero, dark)) > 0.8


# -- tumor and recurrence --


def test_volumes_of_masks_are_those_of_the_shapes(patient):
    voxel_cm3 = SMALL.voxel_volume_mm3 / 1000
    for name in ("GTV", "GTVr", "GTVnr"):
        assert np.count_nonzero(patient.masks_pre[name]) * voxel_cm3 == pytest.approx(
            patient.volumes_cm3[name], rel=0.03
        )
    later = patient.masks_recurrence["GTVr"]
    assert np.count_nonzero(later) * voxel_cm3 == pytest.approx(patient.volumes_cm3["GTVr"], rel=0.03)
    inside = patient.masks_pre["GTVr"] & patient.masks_pre["GTV"]
    assert np.count_nonzero(inside) * voxel_cm3 == pytest.approx(patient.volumes_cm3["GTVr inside GTV"], rel=0.04)


def test_volumes_counted_are_those_in_closed_form():
    tumor = t4_tumor()
    shape = recurrent_part(tumor, 0.3, 0.1, np.random.default_rng(1))
    counted = disease_of(tumor, shape).volumes_cm3
    assert counted["GTVr"] == pytest.approx(shape.volume_mm3 / 1000, rel=5e-3)
    alone = disease_of((tumor[0],), tumor[0].grown(-3)).volumes_cm3
    assert alone["GTV"] == pytest.approx(tumor[0].volume_mm3 / 1000, rel=5e-3)
    assert alone["GTVr outside GTV"] == 0 and alone["GTVr"] == alone["GTVr inside GTV"]


def test_tumor_is_one_of_40_cm3_of_which_a_part_comes_back(patient):
    volumes = patient.volumes_cm3
    assert volumes["GTV"] == pytest.approx(40, rel=0.05)
    assert volumes["GTVr"] == pytest.approx(0.25 * volumes["GTV"], rel=0.03)
    assert volumes["GTVr outside GTV"] == pytest.approx(0.08 * volumes["GTVr"], abs=0.03 * volumes["GTVr"])
    assert volumes["GTVr inside GTV"] + volumes["GTVnr"] == pytest.approx(volumes["GTV"])
    masks = patient.masks_pre
    assert (masks["GTVr"] & ~masks["GTV"]).any()
    np.testing.assert_array_equal(masks["GTVnr"], masks["GTV"] & ~masks["GTVr"])


def test_recurrence_lies_in_the_later_scan_where_the_head_took_it(patient):
    before = centers_ras(patient.masks_pre["GTVr"], SMALL)
    later = centers_ras(patient.masks_recurrence["GTVr"], SMALL_OBLIQUE)
    np.testing.assert_allclose(moved(before, patient.position_ras).mean(axis=0), later.mean(axis=0), atol=0.25)
    spread = [np.cov(points.T) for points in (moved(before, patient.position_ras), later)]
    np.testing.assert_allclose(*spread, atol=2.5)


def test_tumor_shows_before_and_only_its_recurrence_later(at_rest):
    both = at_rest
    gtv, gtvr = both.masks_pre["GTV"], both.masks_pre["GTVr"]
    np.testing.assert_array_equal(gtvr, both.masks_recurrence["GTVr"])
    labels = phantom.head_anatomy().labels_on(SMALL)
    muscle = (labels == phantom.REGION_NAMES.index("muscle")) & ~gtv & ~gtvr
    assert both.pre[gtv].mean() > 1.5 * both.pre[muscle].mean()
    assert both.recurrence[gtvr].mean() > 1.4 * both.recurrence[muscle].mean()
    airway = (labels == phantom.REGION_NAMES.index("airway")) & gtv & ~gtvr
    assert airway.sum() > 50 and both.recurrence[airway].max() == 0 < both.pre[airway].min()


def test_protocols_differ_in_fat_and_in_scale(at_rest):
    both = at_rest
    fat = (phantom.head_anatomy().labels_on(SMALL) == phantom.REGION_NAMES.index("fat")) & ~both.masks_pre["GTV"]
    fat &= ~both.masks_pre["GTVr"]
    assert both.pre[fat].mean() < 0.4 * both.pre[both.masks_pre["GTV"]].mean()
    assert both.recurrence[fat].mean() > 1.5 * both.recurrence[both.masks_recurrence["GTVr"]].mean()
    assert both.recurrence.max() < 0.8 * both.pre.max()
    assert 0.005 < np.std(both.recurrence[fat]) / both.recurrence[fat].mean() < 0.15  # the coil's shading


def test_surfaces_are_blurred_across_a_slice_but_not_what_lies_within():
    sharp, thick = (small(seed=2, snr=None, recurrence_grid=TINY, n_subslices=n) for n in (1, 3))
    np.testing.assert_array_equal(sharp.masks_pre["GTV"], thick.masks_pre["GTV"])
    same = np.isclose(sharp.pre, thick.pre, rtol=1e-5)
    assert 0.5 < same.mean() < 0.97
    gtv = sharp.masks_pre["GTV"]
    core = gtv[:-2] & gtv[1:-1] & gtv[2:]
    assert same[1:-1][core].mean() > 0.95


def test_bent_neck_moves_the_spine_and_not_the_skull():
    disease = disease_of(t4_tumor(), recurrent_part(t4_tumor(), 0.25, 0.08, np.random.default_rng(0)))
    straight, bent = (disease.at_recurrence(neck_deg=angle).labels_on(phantom.PhantomGrid.demo()) for angle in (0, 6))
    points = centers_ras(np.ones(straight.shape, bool), phantom.PhantomGrid.demo()).reshape(*straight.shape, 3)
    changed = straight != bent
    neck = (points[..., 2] < -45) & (points[..., 1] < 0)
    skull = (np.linalg.norm(points - (0, 15, 10), axis=-1) < 35) & (points[..., 2] > -5)
    assert changed[neck].mean() > 0.03
    assert changed[skull].mean() < 0.002


# -- dose --


def dose_at_voxels(patient, mask, grid):
    brought = resample(patient.dose_gy, patient.dose_grid.ijk_to_ras, grid.shape_kji, grid.ijk_to_ras)
    return brought[mask]


def test_dose_covers_the_tumor_and_falls_off(patient):
    assert patient.dose_grid.spacing_mm_kji == pytest.approx((3, 3, 3))
    in_tumor = dose_at_voxels(patient, patient.masks_pre["GTV"], SMALL)
    assert in_tumor.min() >= 0.95 * 70 and in_tumor.max() <= 1.07 * 70
    points = centers_ras(np.ones(patient.dose_gy.shape, bool), patient.dose_grid)
    far = np.linalg.norm(points - centers_ras(patient.masks_pre["GTV"], SMALL).mean(axis=0), axis=1) > 70
    assert patient.dose_gy.reshape(-1)[far].max() < 0.35 * 70
    steps = [np.abs(np.diff(patient.dose_gy, axis=axis)).max() for axis in range(3)]
    assert max(steps) < 12  # Gy in 3 mm: no sharper than linacs are


@pytest.mark.parametrize(
    ("site", "low", "high"), [("in-field", 0.95, 1), ("marginal", 0.2, 0.95), ("out-field", 0, 0.2)]
)
def test_recurrence_in_and_out_of_the_field(site, low, high):
    left = site == "marginal"
    patient = small(seed=4, site=site, left=left, pre_grid=DOWN_TO_THE_NECK)
    assert low <= patient.within_95 <= high
    doses = dose_at_voxels(patient, patient.masks_pre["GTVr"], patient.pre_grid)
    assert np.mean(doses >= 0.95 * 70) == pytest.approx(patient.within_95, abs=0.03)
    assert patient.masks_recurrence["GTVr"].any() and patient.site == site
    assert np.sign(centers_ras(patient.masks_pre["GTV"], patient.pre_grid)[:, 0].mean()) == (-1 if left else 1)


# -- texture --


def test_sub_regions_have_the_texture_that_is_stated():
    patient = small(seed=1, snr=None, recurrence_grid=TINY)
    masks = {"GTVr": patient.masks_pre["GTVr"] & patient.masks_pre["GTV"], "GTVnr": patient.masks_pre["GTVnr"]}
    for name, mask in masks.items():
        truth = patient.texture_truth[name]
        assert patient.pre[mask].mean() == pytest.approx(truth.mean, abs=0.05 * truth.sd)
        assert patient.pre[mask].std() == pytest.approx(truth.sd, rel=0.05)
    assert patient.texture_truth["GTVr"].sd < 0.8 * patient.texture_truth["GTVnr"].sd


def test_waves_are_drawn_from_the_stated_field():
    """Mean, spread and covariance at a distance, over many draws; against exp(-r^2 / (2 L^2))."""
    texture = SubregionTexture(500, 50, 6.0, 1.5, 0.4)
    points = np.array([(0.0, 0, 0), (1, 0, 0), (0, 3, 0), (0, 0, 6), (7, 7, 7)]) + 5
    values = np.array(
        [TextureField.drawn((1, 2, 3), np.random.default_rng(seed)).at(points, texture) for seed in range(4000)]
    )
    assert values.mean() == pytest.approx(500, abs=2)
    covariance = np.cov(values.T)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.testing.assert_allclose(covariance, texture.covariance(distances), atol=0.06 * 50**2)
    assert texture.covariance(0.0) == pytest.approx(2500)


def test_texture_is_a_function_of_space_whatever_the_grid(patient):
    """Every third slice of the finer grid lies on a slice of the other."""
    fine = PhantomGrid.axial((64, 130, 130), (5 / 3, 0.7, 0.7), center_ras=(4, -2, 2))
    np.testing.assert_allclose(fine.ijk_to_ras[:3, 3], SMALL.ijk_to_ras[:3, 3])
    coarse, other = (small(seed=3, snr=None, pre_grid=grid, recurrence_grid=TINY) for grid in (SMALL, fine))
    np.testing.assert_allclose(coarse.pre, other.pre[::3], rtol=1e-3)


def test_no_difference_paints_the_whole_tumor_alike():
    patient = without_images(seed=6, texture_difference=0)
    drawn = {name: truth.drawn_from for name, truth in patient.texture_truth.items()}
    assert drawn["GTVr"] == drawn["GTVnr"] == NONRECURRENT
    disease = disease_of(t4_tumor(), recurrent_part(t4_tumor(), 0.25, 0.08, np.random.default_rng(0)))
    rng = np.random.default_rng
    same, whole = (TumorTexture(disease, NONRECURRENT, NONRECURRENT, rng(2)), TextureField)
    points = disease.points_ras[disease.in_gtv]
    field = whole.drawn(points.mean(axis=0), rng(2))
    np.testing.assert_allclose(same.at(points), field.at(points, NONRECURRENT), atol=0.01)


def test_differences_in_between():
    half = NONRECURRENT.towards(RECURRENT, 0.5)
    assert (half.mean, half.sd) == ((700 + 770) / 2, (120 + 80) / 2)
    assert NONRECURRENT.towards(RECURRENT, 0.0) == NONRECURRENT and NONRECURRENT.towards(RECURRENT, 1) == RECURRENT


# -- the same patient again, other patients, bad input --


def test_seed_noise_and_integers(patient):
    again, clean, other = small(seed=3), small(seed=3, snr=None), small(seed=4, recurrence_grid=TINY)
    np.testing.assert_array_equal(again.pre, patient.pre)
    np.testing.assert_array_equal(again.recurrence, patient.recurrence)
    np.testing.assert_array_equal(again.dose_gy, patient.dose_gy)
    assert not np.array_equal(other.pre, patient.pre) and clean.noise_sigma_pre == 0
    bright = patient.masks_pre["GTV"]
    assert (patient.pre - clean.pre)[bright].std() == pytest.approx(700 / 40, rel=0.05)
    bright = patient.masks_recurrence["GTVr"]
    noise = (patient.recurrence - clean.recurrence)[bright].std()
    assert noise == pytest.approx(patient.noise_sigma_recurrence, rel=0.05)
    rounded = small(seed=3, as_integers=True, recurrence_grid=TINY)
    assert rounded.pre.dtype == rounded.recurrence.dtype == np.int16
    assert np.abs(rounded.pre - patient.pre).max() <= 0.501


def test_position_leaves_the_first_scan_alone(patient):
    elsewhere = small(seed=3, pose_deg=3, pose_mm=1, neck_deg=4, recurrence_grid=TINY)
    np.testing.assert_array_equal(elsewhere.pre, patient.pre)
    assert elsewhere.texture_truth == patient.texture_truth


def test_cohort():
    options = {"pre_grid": SMALL, "recurrence_grid": SMALL_OBLIQUE, "n_subslices": 1}
    patients = list(phantom.simulate_recurrence_cohort(3, seed=2, **options))
    volumes = [patient.volumes_cm3["GTV"] for patient in patients]
    assert len(set(volumes)) == 3 and min(volumes) > 20 and max(volumes) < 65
    for one, another in itertools.combinations(patients, 2):
        assert not np.allclose(one.position_ras, another.position_ras)
    sooner = next(iter(phantom.simulate_recurrence_cohort(1, seed=2, **options)))
    np.testing.assert_array_equal(sooner.pre, patients[0].pre)
    assert len({patient.texture_difference for patient in patients}) == 3
    tiny = options | {"pre_grid": TINY, "recurrence_grid": TINY}
    alike = next(iter(phantom.simulate_recurrence_cohort(1, texture_difference=0, **tiny)))
    assert alike.texture_truth["GTVr"].drawn_from == alike.texture_truth["GTVnr"].drawn_from
    assert all(patient.within_95 >= 0.95 and patient.masks_recurrence["GTVr"].any() for patient in patients)


def test_grid_of_the_study():
    grid = PhantomGrid.contoured()
    assert grid.shape_kji == (44, 512, 512) and grid.spacing_mm_kji == pytest.approx((5, 0.7, 0.7))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr": 0}, "signal-to-noise"),
        ({"site": "elsewhere"}, "'elsewhere'"),
        ({"texture_difference": -1}, "texture difference"),
        ({"recurrent_share": 0.9}, "GTVr takes"),
        ({"outside_share": 0.7}, "half of GTVr"),
        ({"tumor_size": 3}, "size from"),
        ({"n_subslices": 0}, "at least one part"),
        ({"pose_deg": (1, 2)}, "three turns"),
        ({"pose_mm": float("nan")}, "finite"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        without_images(**options)
