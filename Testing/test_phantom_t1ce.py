"""The phantom's contrast-enhanced image, and the true diameters of what it shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCResponseLib import phantom
from NPCResponseLib.diameters import Plane, measure_diameters
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom import Anatomy, Ellipsoid, Part, PhantomGrid, simulate_t1ce, true_diameters
from NPCResponseLib.phantom.grid import rotation_about

SMALL_GRID = PhantomGrid.axial((40, 60, 100), (2, 1, 1), center_ras=(0, -8, -20))


def lesion(*shapes):
    return Anatomy(outline=(Ellipsoid((0, 0, 0), (500, 500, 500)),), parts=tuple(Part("node_left", s) for s in shapes))


# -- true diameters against closed forms --


def test_ellipsoid_along_the_axes():
    truth = true_diameters(lesion(Ellipsoid((3, -4, 5), (6, 8, 11))), "node_left")
    assert truth.longest_in_plane_mm[Plane.AXIAL] == pytest.approx(16, abs=0.01)
    assert truth.longest_in_plane_mm[Plane.CORONAL] == pytest.approx(22, abs=0.01)
    assert truth.longest_in_plane_mm[Plane.SAGITTAL] == pytest.approx(22, abs=0.01)
    assert truth.short_axis_mm == pytest.approx(12, abs=0.01)
    assert truth.perpendicular_mm[Plane.SAGITTAL] == pytest.approx(16, abs=0.01)
    assert truth.longest_3d_mm == truth.mptd_mm == pytest.approx(22, abs=0.01)
    assert truth.volume_ml == pytest.approx(4 / 3 * np.pi * 6 * 8 * 11 / 1000, rel=2e-3)


@given(
    radii_mm=st.tuples(*[st.floats(4, 20)] * 3),
    pitch_deg=st.floats(-80, 80),
    yaw_deg=st.floats(-80, 80),
    center_ras=st.tuples(*[st.floats(-40, 40)] * 3),
)
@settings(max_examples=15, deadline=None)
def test_rotated_ellipsoid(radii_mm, pitch_deg, yaw_deg, center_ras):
    """Parallel sections of an ellipsoid are similar and largest through its center: their axes are eigenvalues."""
    shape = Ellipsoid(center_ras, radii_mm, pitch_deg, yaw_deg)
    truth = true_diameters(lesion(shape), "node_left")
    assert truth.longest_3d_mm == pytest.approx(2 * max(radii_mm), abs=0.01)
    quadric = shape.ras_to_unit[:, :3].T @ shape.ras_to_unit[:, :3]
    for plane in Plane:
        inside = [axis for axis in range(3) if axis != plane.normal_axis]
        small, large = 2 / np.sqrt(np.linalg.eigvalsh(quadric[np.ix_(inside, inside)])[::-1])
        assert truth.longest_in_plane_mm[plane] == pytest.approx(large, abs=0.01)
        if large - small > 0.5:  # else which of the two is longest is a matter of rounding
            assert truth.perpendicular_mm[plane] == pytest.approx(small, abs=0.01)


def test_union_of_two_balls():
    """Longest through both centers; across the larger one. In a slice through a tilted pair, only what it cuts."""
    truth = true_diameters(lesion(Ellipsoid((0, 0, 0), (6, 6, 6)), Ellipsoid((10, 0, 0), (4, 4, 4))), "node_left")
    for plane in (Plane.AXIAL, Plane.CORONAL):
        assert truth.longest_in_plane_mm[plane] == pytest.approx(20, abs=0.01)
        assert truth.perpendicular_mm[plane] == pytest.approx(12, abs=0.01)
    assert truth.longest_in_plane_mm[Plane.SAGITTAL] == pytest.approx(12, abs=0.01)
    tilted = true_diameters(lesion(Ellipsoid((0, 0, 0), (6, 6, 6)), Ellipsoid((6, 0, 8), (4, 4, 4))), "node_left")
    assert tilted.longest_3d_mm == pytest.approx(20, abs=0.01)
    heights = np.linspace(4, 6, 2001)  # both balls are cut here
    expected = (6 + np.sqrt(36 - heights**2) + np.sqrt(16 - (heights - 8) ** 2)).max()
    assert tilted.longest_in_plane_mm[Plane.AXIAL] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("region", ["tumor", "node_right"])
def test_diameters_of_the_patient_are_those_of_densely_sampled_surfaces(region):
    """Points 0.3 mm apart on all surfaces, in layers of 0.1 mm; their widths in directions 2 degrees apart."""
    anatomy = phantom.head_anatomy()
    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, 160), np.linspace(0, 2 * np.pi, 320))
    sphere = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    points = np.concatenate(
        [
            np.linalg.solve(shape.ras_to_unit[:, :3], (sphere.reshape(-1, 3) - shape.ras_to_unit[:, 3]).T).T
            for shape in anatomy.shapes_of(region)
        ]
    )
    truth = true_diameters(anatomy, region)
    directions = np.stack([np.cos(angles := np.radians(np.arange(0, 180, 2))), np.sin(angles)])
    for plane in Plane:
        layers = np.round(points[:, plane.normal_axis] / 0.1).astype(int)
        order = np.argsort(layers, kind="stable")
        along = np.delete(points, plane.normal_axis, axis=1)[order].astype(np.float32) @ directions.astype(np.float32)
        starts = np.flatnonzero(np.diff(layers[order], prepend=layers.min() - 1))
        longest = (np.maximum.reduceat(along, starts) - np.minimum.reduceat(along, starts)).max()
        assert truth.longest_in_plane_mm[plane] == pytest.approx(longest, abs=0.2)


def test_truth_in_the_planes_of_an_oblique_image():
    """A head that turned with its image shows the same; seen by an upright image it does not."""
    turn = np.eye(4)
    turn[:3, :3] = rotation_about(20, -10, 15)
    upright = simulate_t1ce(grid=SMALL_GRID, snr=None)
    both = PhantomGrid(SMALL_GRID.shape_kji, turn @ SMALL_GRID.ijk_to_ras)
    turned = simulate_t1ce(grid=both, position_ras=turn, snr=None)
    assert np.mean(turned.volume != upright.volume) < 1e-4  # voxels right on a surface may fall on either side
    alone = simulate_t1ce(grid=SMALL_GRID, position_ras=turn, snr=None)
    for plane in Plane:
        expected = upright.truth["tumor"].longest_in_plane_mm[plane]
        assert turned.truth["tumor"].longest_in_plane_mm[plane] == pytest.approx(expected, abs=0.01)
        assert abs(alone.truth["tumor"].longest_in_plane_mm[plane] - expected) > 0.1
    assert alone.truth["tumor"].longest_3d_mm == pytest.approx(upright.truth["tumor"].longest_3d_mm, abs=0.01)


# -- the patient --


@pytest.fixture(scope="module")
def image():
    return simulate_t1ce(grid=SMALL_GRID)


def test_measured_on_the_image_diameters_are_true_within_half_a_voxel(image):
    for region, truth in image.truth.items():
        measured = measure_diameters(image.region_mask(region), image.grid.ijk_to_ras)
        tolerance_mm = {Plane.AXIAL: 0.5, Plane.CORONAL: 1.0, Plane.SAGITTAL: 1.0}  # slices of 2 mm
        for plane, diameter in measured.longest_in_plane.items():
            error = diameter.length_mm - truth.longest_in_plane_mm[plane]
            assert abs(error) < max(tolerance_mm[plane], 2 * diameter.standard_error_mm), (region, plane)
        assert measured.volume_ml == pytest.approx(truth.volume_ml, rel=0.03)


@pytest.mark.parametrize(("response", "factor"), [("responder", 0.62), ("non-responder", 0.95)])
def test_lesions_shrink_by_the_same_factor_in_every_diameter(response, factor):
    before, after = (simulate_t1ce(time, response=response, grid=SMALL_GRID).truth for time in ("pre", "post"))
    for region, truth in before.items():
        for plane in Plane:
            expected = factor * truth.longest_in_plane_mm[plane]
            assert after[region].longest_in_plane_mm[plane] == pytest.approx(expected, abs=0.01)
        assert after[region].volume_ml == pytest.approx(factor**3 * truth.volume_ml, rel=0.01)


def test_course_is_one_that_recist_can_judge(image):
    """A measurable tumor, a node that is a target (short axis of 15 mm or more) and one that is not."""
    assert image.truth["tumor"].longest_in_plane_mm[Plane.AXIAL] == image.truth["tumor"].mptd_mm > 40
    assert image.truth["node_right"].short_axis_mm == pytest.approx(16, abs=0.01)
    assert image.truth["node_left"].short_axis_mm == pytest.approx(11, abs=0.01)


def test_viable_tumor_enhances_around_necrosis_that_does_not(image):
    means = {name: image.volume[image.region_mask(name)].mean() for name in ("viable_tumor", "necrosis", "muscle")}
    assert means["viable_tumor"] > 1.5 * means["muscle"] > 1.5 * means["necrosis"]
    viable, whole = image.truth["viable_tumor"], image.truth["tumor"]
    assert viable.longest_in_plane_mm == whole.longest_in_plane_mm
    necrosis_ml = whole.volume_ml - viable.volume_ml
    assert necrosis_ml == pytest.approx(4 / 3 * np.pi * 5.5 * 4 * 7 / 1000, rel=0.02)


def test_noise_seed_and_integers(image):
    clean, again, other = (simulate_t1ce(grid=SMALL_GRID, snr=snr, seed=s) for snr, s in ((None, 0), (40, 0), (40, 1)))
    viable = image.region_mask("viable_tumor")
    assert (image.volume - clean.volume)[viable].std() == pytest.approx(700 / 40, rel=0.05)
    np.testing.assert_array_equal(image.volume, again.volume)
    assert not np.array_equal(image.volume, other.volume)
    rounded = simulate_t1ce(grid=SMALL_GRID, as_integers=True).volume
    assert rounded.dtype == np.int16 and np.abs(rounded - image.volume).max() <= 0.501


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="signal-to-noise"):
        simulate_t1ce(snr=-1)
    with pytest.raises(InputError, match="'later'"):
        simulate_t1ce("later")
    with pytest.raises(InputError, match="no region 'tonsil'"):
        simulate_t1ce(grid=SMALL_GRID).region_mask("tonsil")
