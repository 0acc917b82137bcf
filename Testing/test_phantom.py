"""The digital phantom: its geometry, its truths and its physics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, optimize

from NPCResponseLib import phantom
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import Ellipsoid, PhantomGrid, Tissue, simulate_bold
from NPCResponseLib.phantom.anatomy import COMPOSITE_REGIONS
from NPCResponseLib.phantom.bold import BOLD_ECHO_TIMES_MS

TE_S = np.array(BOLD_ECHO_TIMES_MS) / 1000
COURSES = [(time, response) for time in ("pre", "post") for response in ("responder", "non-responder")]
SMALL_GRID = PhantomGrid.axial((7, 60, 60), (6, 2, 2), center_ras=(8, 0, 0))


def log_linear_r2star_hz(echoes):
    """Ordinary least squares on the logarithm, exact without noise; written apart from the code under test."""
    return -np.polyfit(TE_S, np.log(np.reshape(echoes, (len(TE_S), -1)).astype(np.float64)), 1)[0]


def nlls_r2star_hz(echoes):
    """Mono-exponential non-linear least squares for one voxel."""
    start = (echoes[0] * 1.3, 50.0)
    return optimize.curve_fit(lambda te_s, s0, rate: s0 * np.exp(-te_s * rate), TE_S, echoes, p0=start)[0][1]


@pytest.fixture(scope="module")
def noise_free():
    return simulate_bold(snr=None)


# -- geometry --


@pytest.mark.parametrize(("time_point", "response"), COURSES)
def test_tumor_is_large_enough_for_a_region_of_interest_on_the_demo_grid(time_point, response):
    tumor = simulate_bold(time_point, response=response, snr=None).region_mask("tumor")
    assert tumor.sum(axis=(1, 2)).max() > 50
    assert ndimage.label(tumor, np.ones((3, 3, 3)))[1] == 1


@pytest.mark.parametrize(("time_point", "response"), COURSES)
def test_tumor_abuts_the_airway_and_holds_the_necrosis(time_point, response):
    acquisition = simulate_bold(time_point, response=response, snr=None)
    tumor, necrosis = acquisition.region_mask("tumor"), acquisition.region_mask("necrosis")
    in_plane = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)[:, None, None]
    beside = ndimage.binary_dilation(tumor, in_plane) & ~tumor
    assert np.count_nonzero(beside & acquisition.region_mask("airway")) >= 10
    assert necrosis.any()
    assert not np.any(ndimage.binary_dilation(necrosis, in_plane) & ~tumor)


def test_disease_is_on_the_side_its_name_says_in_ras(noise_free):
    def center_ras(region):
        ijk = np.argwhere(noise_free.region_mask(region)).mean(axis=0)[::-1]
        return noise_free.series.ijk_to_ras[:3, :3] @ ijk + noise_free.series.ijk_to_ras[:3, 3]

    assert center_ras("tumor")[0] > 5
    assert center_ras("node_right")[0] > 30
    assert center_ras("node_left")[0] < -30
    assert center_ras("node_right")[2] < center_ras("tumor")[2] - 30


def test_head_fits_into_the_demo_grid_and_has_the_size_of_a_head(noise_free):
    body = noise_free.labels > 0
    _, rows, columns = (np.flatnonzero(body.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    _, row_mm, column_mm = noise_free.grid.spacing_mm_kji
    assert 140 < np.ptp(columns) * column_mm < 170
    assert 185 < np.ptp(rows) * row_mm < 225
    border = np.ones(body.shape, dtype=bool)
    border[:, 1:-1, 1:-1] = False
    assert not np.any(body & border)


def test_response_shrinks_the_tumor_by_a_partial_response_and_stable_disease_does_not():
    def largest_diameter_mm(time_point, response):
        acquisition = simulate_bold(time_point, response=response, snr=None)
        sections = acquisition.region_mask("tumor")
        rows, columns = np.nonzero(sections[sections.sum(axis=(1, 2)).argmax()])
        points = np.column_stack([rows, columns]) * acquisition.grid.spacing_mm_kji[1:]
        return np.linalg.norm(points[:, None] - points[None], axis=-1).max()

    before = largest_diameter_mm("pre", "responder")
    assert largest_diameter_mm("pre", "non-responder") == before
    assert largest_diameter_mm("post", "responder") < 0.7 * before
    assert 0.8 * before < largest_diameter_mm("post", "non-responder") < before


def test_every_region_occurs_on_the_demo_grid(noise_free):
    assert set(np.unique(noise_free.labels)) == set(range(len(phantom.REGION_NAMES)))


def test_paper_grid_has_the_field_of_view_of_the_protocol():
    grid = PhantomGrid.paper()
    assert grid.shape_kji == (20, 218, 256)
    assert np.multiply(grid.shape_kji, grid.spacing_mm_kji) == pytest.approx((120, 270, 360))
    assert grid.slice_thickness_mm == 5


@given(
    tilt_deg=st.tuples(*[st.floats(-90, 90)] * 3),
    center_ras=st.tuples(*[st.floats(-120, 120)] * 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_a_point_in_space_has_one_label_on_any_oblique_grid(tilt_deg, center_ras, seed):
    """Grids label box by box; the same anatomy asked point by point must agree, also where shapes are cut or missed."""
    grid = PhantomGrid.axial((9, 24, 22), (6, 5, 4.5), center_ras=center_ras, tilt_deg=tilt_deg)
    anatomy = phantom.head_anatomy()
    kji = np.random.default_rng(seed).integers(0, grid.shape_kji, (400, 3))
    points_ras = kji[:, ::-1] @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    # Rounding may put a point on a surface on either side: such points (no more than a few) are not asked.
    nudged = [anatomy.labels_at(points_ras + shift) for shift in (-1e-6, 0.0, 1e-6)]
    clear = (nudged[0] == nudged[1]) & (nudged[1] == nudged[2])
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(anatomy.labels_on(grid)[tuple(kji[clear].T)], nudged[1][clear])


def test_axial_grid_runs_from_right_to_left_front_to_back_and_feet_to_head():
    grid = PhantomGrid.axial((5, 7, 9), (6, 3, 2), center_ras=(1, 2, 3))
    np.testing.assert_allclose(grid.ijk_to_ras[:3, :3], np.diag([-2, -3, 6]))
    np.testing.assert_allclose(grid.ijk_to_ras @ [4, 3, 2, 1], [1, 2, 3, 1])


def test_tilt_turns_about_r_then_a_then_s():
    grid = PhantomGrid.axial((5, 7, 9), (1, 1, 1), tilt_deg=(90, 0, 90))
    np.testing.assert_allclose(grid.slice_normal_ras, [1, 0, 0], atol=1e-12)  # S to -A to R


def test_slice_points_are_where_the_matrix_puts_them():
    grid = PhantomGrid.axial((4, 5, 6), (3, 2, 1), tilt_deg=(20, -30, 40))
    assert grid.slice_points_ras(3)[2, 1] == pytest.approx((grid.ijk_to_ras @ [1, 2, 3, 1])[:3])


@given(
    radii_mm=st.tuples(*[st.floats(7, 18)] * 3),
    pitch_deg=st.floats(-90, 90),
    yaw_deg=st.floats(-90, 90),
    exponent=st.sampled_from([2.0, 2.5, 4.0]),
)
@settings(max_examples=25, deadline=None)
def test_voxel_volume_of_a_shape_is_its_analytic_volume(radii_mm, pitch_deg, yaw_deg, exponent):
    """On 1 mm voxels; counting lattice points in a body this large is good to well within 2 %."""
    shape = Ellipsoid((0.3, -0.2, 0.1), radii_mm, pitch_deg, yaw_deg, exponent)
    grid = PhantomGrid.axial((66, 66, 66), (1, 1, 1), center_ras=(0, 0, 0))
    anatomy = phantom.Anatomy(outline=(shape,), parts=())
    assert np.count_nonzero(anatomy.labels_on(grid)) == pytest.approx(shape.volume_mm3, rel=0.02)


def test_tumor_volume_is_the_same_on_a_fine_an_oblique_and_a_thick_grid():
    anatomy = phantom.head_anatomy()
    tumor = [phantom.REGION_NAMES.index(name) for name in COMPOSITE_REGIONS["tumor"]]

    def volume_ml(grid):
        return np.isin(anatomy.labels_on(grid), tumor).sum() * grid.voxel_volume_mm3 / 1000

    fine = volume_ml(PhantomGrid.axial((90, 90, 90), (0.8, 0.8, 0.8), center_ras=(8, 0, 0)))
    oblique = PhantomGrid.axial((80, 80, 80), (1, 0.9, 1.1), center_ras=(8, 0, 0), tilt_deg=(25, -15, 40))
    assert volume_ml(oblique) == pytest.approx(fine, rel=0.01)
    assert volume_ml(PhantomGrid.demo()) == pytest.approx(fine, rel=0.05)


SLANTED = Ellipsoid((4, -3, 2), (5.2, 38, 22), pitch_deg=20, yaw_deg=-30)


@pytest.fixture(scope="module")
def slanted_surface_ras():
    u, v = np.meshgrid(np.linspace(0, np.pi, 300), np.linspace(0, 2 * np.pi, 600))
    sphere = np.stack([np.sin(u) * np.cos(v), np.sin(u) * np.sin(v), np.cos(u)], axis=-1).reshape(-1, 3)
    return np.linalg.solve(SLANTED.ras_to_unit[:, :3], (sphere - SLANTED.ras_to_unit[:, 3]).T).T


@given(point=st.tuples(*[st.floats(-60, 60)] * 3))
@settings(max_examples=50, deadline=None)
def test_distance_to_an_ellipsoid_is_that_to_its_nearest_surface_point(slanted_surface_ras, point):
    point = np.array(point)
    expected = 0 if SLANTED.contains(point) else np.linalg.norm(slanted_surface_ras - point, axis=1).min()
    # The sampled surface has a point within 0.3 mm of the nearest one, which may add as much right at the surface.
    assert expected - 0.3 < float(SLANTED.distance_mm(point)) < expected + 0.01


# -- truth --


@pytest.mark.parametrize(("time_point", "response"), COURSES)
def test_log_linear_fit_of_the_noise_free_images_recovers_the_truth_everywhere(time_point, response):
    acquisition = simulate_bold(time_point, response=response, snr=None, grid=SMALL_GRID)
    tissue = acquisition.truth_s0 > 0
    fitted = log_linear_r2star_hz([echo[tissue] for echo in acquisition.series.echoes])
    np.testing.assert_allclose(fitted, acquisition.truth_r2star_hz[tissue], atol=1e-3)
    assert not np.any([echo[~tissue] for echo in acquisition.series.echoes])


def test_truth_by_region_names_what_the_maps_hold(noise_free):
    for region, truth_hz in noise_free.truth_by_region.items():
        values = noise_free.truth_r2star_hz[noise_free.region_mask(region)]
        assert values.min() == values.max() == truth_hz == phantom.tissue_table()[region].r2star_hz
    assert not {"air", "sinus", "airway"} & set(noise_free.truth_by_region)


def test_r2star_rises_in_a_responder_and_falls_in_a_non_responder():
    """The direction and rough size of the paper's table 2: +16 Hz and -10 Hz."""

    def increase_hz(response):
        before, after = (simulate_bold(time, response=response, grid=SMALL_GRID) for time in ("pre", "post"))
        return after.truth_by_region["viable_tumor"] - before.truth_by_region["viable_tumor"]

    assert 10 < increase_hz("responder") < 20
    assert -15 < increase_hz("non-responder") < -5


def test_heterogeneous_tumor_keeps_its_mean_and_its_voxelwise_truth():
    acquisition = simulate_bold(snr=None, tumor_heterogeneity_hz=4)
    viable = acquisition.region_mask("viable_tumor")
    truth = acquisition.truth_r2star_hz[viable]
    assert truth.std() == pytest.approx(4, rel=0.4)
    assert truth.mean() == pytest.approx(44, abs=3)
    assert acquisition.truth_by_region["viable_tumor"] == pytest.approx(truth.mean(), abs=1e-3)
    assert np.ptp(acquisition.truth_r2star_hz[acquisition.region_mask("muscle")]) == 0
    fitted = log_linear_r2star_hz([echo[viable] for echo in acquisition.series.echoes])
    np.testing.assert_allclose(fitted, truth, atol=1e-3)


def test_tissues_can_be_replaced():
    tissues = phantom.tissue_table() | {"node_left": Tissue(500, 99)}
    acquisition = simulate_bold(tissues=tissues, snr=None)
    node = acquisition.region_mask("node_left")
    assert acquisition.series.echoes[0][node] == pytest.approx(500 * np.exp(-6.71e-3 * 99), rel=1e-5)


# -- noise --


@pytest.mark.parametrize("snr", [20, 100])
def test_air_has_rayleigh_noise_of_the_given_level(snr):
    acquisition = simulate_bold(snr=snr)
    assert acquisition.noise_sigma == pytest.approx(1000 / snr)
    for echo in acquisition.series.echoes:
        air = echo[acquisition.labels == 0].astype(np.float64)
        assert air.mean() / air.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.01)  # 1.913
        assert air.mean() == pytest.approx(acquisition.noise_sigma * np.sqrt(np.pi / 2), rel=0.01)


def test_noise_in_tumor_has_the_given_level_around_the_true_signal(noise_free):
    acquisition = simulate_bold(snr=50)
    viable = acquisition.region_mask("viable_tumor")
    noise = acquisition.series.echoes[0][viable] - noise_free.series.echoes[0][viable]
    assert noise.std() == pytest.approx(20, rel=0.08)
    assert noise.mean() == pytest.approx(20**2 / (2 * 744), abs=2)


def test_same_seed_same_images_other_seed_or_time_point_other_noise():
    first, again, other = (simulate_bold(seed=seed, grid=SMALL_GRID) for seed in (3, 3, 4))
    post = simulate_bold("post", seed=3, grid=SMALL_GRID)
    for one, two in zip(first.series.echoes, again.series.echoes, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.series.echoes[0], other.series.echoes[0])
    untouched = (first.labels == post.labels) & (first.labels == phantom.REGION_NAMES.index("muscle"))
    difference = first.series.echoes[0][untouched] - post.series.echoes[0][untouched]
    assert difference.std() == pytest.approx(np.sqrt(2) * first.noise_sigma, rel=0.1)


def test_phase_images_leave_the_magnitudes_as_they_are_in_distribution():
    without = simulate_bold(grid=SMALL_GRID, with_phase=False)
    given_too = simulate_bold(grid=SMALL_GRID, with_phase=True)
    assert without.series.phases == ()
    brain = without.region_mask("muscle")
    assert given_too.series.echoes[1][brain].mean() == pytest.approx(without.series.echoes[1][brain].mean(), rel=0.01)


def test_integer_images_are_the_rounded_ones():
    exact, rounded = (simulate_bold(grid=SMALL_GRID, as_integers=integers) for integers in (False, True))
    assert rounded.series.echoes[0].dtype == np.int16
    assert exact.series.echoes[0].dtype == np.float32
    assert np.abs(exact.series.echoes[0] - rounded.series.echoes[0]).max() <= 0.501


# -- field --

# Research notes, table 1c: Hz added to 50 Hz by a gradient through the slice, noise-free, five-echo NLLS.
GRADIENTS_UT_PER_M = (10, 25, 50, 75, 100, 150, 200)
ADDED_HZ = {
    3: (0.1, 0.6, 2.3, 5.1, 9.2, 20.8, 37.2),
    4: (0.2, 1.0, 4.1, 9.2, 16.4, 37.2, 62.6),
    5: (0.3, 1.6, 6.4, 14.4, 25.8, 56.2, 88.0),
    6: (0.4, 2.3, 9.2, 20.8, 37.2, 76.0, 124),
}


@pytest.mark.parametrize("thickness_mm", ADDED_HZ)
def test_gradient_adds_to_r2star_what_the_research_notes_measured(thickness_mm):
    for gradient, added_hz in zip(GRADIENTS_UT_PER_M, ADDED_HZ[thickness_mm], strict=True):
        signal = [
            abs(phantom.gradient_echo_signal(1000.0, 50.0, te, 17.0, gradient, thickness_mm))
            for te in BOLD_ECHO_TIMES_MS
        ]
        last_digit_hz = 0.1 if added_hz < 100 else 1.0  # as printed in the table
        assert nlls_r2star_hz(signal) - 50 == pytest.approx(added_hz, abs=0.51 * last_digit_hz)


def test_tumor_at_the_airway_reads_26_hz_too_much_at_100_ut_per_m():
    tissues = phantom.tissue_table() | {"viable_tumor": Tissue(1000, 50)}
    acquisition = simulate_bold(snr=None, peak_gradient_ut_per_m=100, tissues=tissues)
    viable = acquisition.region_mask("viable_tumor")
    surface = viable & (acquisition.gradient_ut_per_m > 99.9)
    assert np.count_nonzero(surface) > 20
    for voxel in np.argwhere(surface)[::40]:
        echoes = [float(echo[tuple(voxel)]) for echo in acquisition.series.echoes]
        assert nlls_r2star_hz(echoes) - 50 == pytest.approx(25.8, abs=0.2)
    far = acquisition.gradient_ut_per_m < 1
    brain = acquisition.region_mask("brain") & far
    fitted = log_linear_r2star_hz([echo[brain] for echo in acquisition.series.echoes])
    assert fitted == pytest.approx(22, abs=0.01)


def test_gradient_decays_with_the_distance_from_the_airway():
    grid = PhantomGrid.demo()
    anatomy = phantom.head_anatomy()
    gradient, _ = phantom.airway_field(anatomy, grid, 80)
    distance_mm = anatomy.distance_mm("airway", grid.slice_points_ras(9))
    assert gradient.max() == pytest.approx(80)
    np.testing.assert_allclose(gradient[9], 80 * np.exp(-((distance_mm / 15) ** 2)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("tilt_deg", [(0, 0, 0), (20, 10, -15)])
def test_slope_of_the_off_resonance_across_slices_is_the_gradient(tilt_deg):
    grid = PhantomGrid.axial((30, 30, 30), (1, 4, 4), center_ras=(5, 5, 0), tilt_deg=tilt_deg)
    gradient, b0_hz = phantom.airway_field(phantom.head_anatomy(), grid, 100)
    slope_ut_per_m = np.gradient(b0_hz, 1.0, axis=0)[1:-1] / 42.577478e-3
    error = np.abs(slope_ut_per_m - gradient[1:-1])
    assert np.percentile(error, 99) < 0.3
    assert error.max() < 3  # where two shapes of the airway meet, the gradient has a kink


def test_finite_differences_of_thick_slices_find_the_gradient_in_the_tumor():
    acquisition = simulate_bold(peak_gradient_ut_per_m=100)
    slope_ut_per_m = np.gradient(acquisition.b0_hz, 6.0, axis=0) / 42.577478e-3
    viable = acquisition.region_mask("viable_tumor")
    error = (slope_ut_per_m - acquisition.gradient_ut_per_m)[viable]
    assert np.sqrt(np.mean(error**2)) < 3


def test_off_resonance_belongs_to_a_point_in_space_not_to_the_slab():
    one = PhantomGrid.axial((9, 20, 20), (6, 5, 5), center_ras=(0, 0, 0))
    other = PhantomGrid.axial((3, 20, 20), (6, 5, 5), center_ras=(0, 0, 42))
    anatomy = phantom.head_anatomy()
    whole = phantom.airway_field(anatomy, one, 100)[1]
    beyond = phantom.airway_field(anatomy, other, 100)[1]
    overlap = PhantomGrid.axial((3, 20, 20), (6, 5, 5), center_ras=(0, 0, 18))
    np.testing.assert_allclose(phantom.airway_field(anatomy, overlap, 100)[1], whole[6:], atol=0.05)
    assert np.all(beyond[0] >= whole[-1] - 0.05)


def test_phase_images_advance_by_the_off_resonance():
    acquisition = simulate_bold(snr=None, peak_gradient_ut_per_m=60, with_phase=True, grid=SMALL_GRID)
    tissue = (acquisition.truth_s0 > 0) & (acquisition.gradient_ut_per_m < 60)
    for first, second, te in zip(acquisition.series.phases[:-1], acquisition.series.phases[1:], TE_S[:-1], strict=True):
        advance = second[tissue] - first[tissue] - 2 * np.pi * 6.71e-3 * acquisition.b0_hz[tissue]
        assert np.abs(np.angle(np.exp(1j * advance))).max() < 1e-3, te


def test_without_a_gradient_the_field_is_perfect(noise_free):
    assert not noise_free.b0_hz.any()
    assert not noise_free.gradient_ut_per_m.any()


# -- what it gives and what it refuses --


def test_series_carries_the_protocol_and_says_that_it_is_synthetic():
    grid = PhantomGrid.demo(tilt_deg=(10, 0, 5))
    acquisition = simulate_bold("post", grid=grid)
    series = acquisition.series
    assert series.echo_times_ms == (6.71, 13.42, 20.13, 26.84, 33.55)
    assert series.field_strength_t == 3.0
    assert series.slice_thickness_mm == 5.0
    assert series.spacing_mm_kji == pytest.approx((6, 270 / 218, 360 / 256))
    assert series.shape_kji == acquisition.labels.shape == acquisition.b0_hz.shape == grid.shape_kji
    np.testing.assert_array_equal(series.ijk_to_ras, grid.ijk_to_ras)
    assert any("synthetic" in warning for warning in series.warnings)


def test_tumor_mask_is_viable_tumor_and_necrosis(noise_free):
    union = noise_free.region_mask("viable_tumor") | noise_free.region_mask("necrosis")
    np.testing.assert_array_equal(noise_free.region_mask("tumor"), union)
    with pytest.raises(InputError, match=r"no region 'tonsil'.*necrosis"):
        noise_free.region_mask("tonsil")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"time_point": "later"}, "'later'.*'pre' or 'post'"),
        ({"response": "cured"}, "'cured'.*'responder'"),
        ({"snr": 0}, "signal-to-noise"),
        ({"snr": float("nan")}, "signal-to-noise"),
        ({"peak_gradient_ut_per_m": -1}, "gradient must not be negative"),
        ({"tumor_heterogeneity_hz": float("inf")}, "heterogeneity"),
        ({"echo_times_ms": (5, 5)}, "echo time"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        simulate_bold(**({"grid": SMALL_GRID} | arguments))


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 4)])
def test_a_grid_without_voxels_is_refused(shape):
    with pytest.raises(InputError, match="slices, rows and columns"):
        PhantomGrid(shape, np.eye(4))


def test_a_sheared_grid_is_refused():
    matrix = np.eye(4)
    matrix[0, 1] = 0.2
    with pytest.raises(InputError, match="right angles"):
        PhantomGrid((2, 2, 2), matrix)
