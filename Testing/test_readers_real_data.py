"""Readers on the real data beside the project (../shared/data, which is not part of it)."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import read_echo_series, read_volume
from Testing.convert_fattyriot import convert

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")

PHANTOM, ASL = DATA / "megre" / "hazen_t2_phantom", DATA / "asl" / "philips3t_3dpcasl_brain"


@pytest.mark.parametrize("plate", ("plate4", "plate5"))
def test_philips_phantom_of_32_echoes(plate):
    series = read_echo_series(PHANTOM / "site5_philips_3T" / plate)
    assert series.echo_times_ms == tuple(8.0 * n for n in range(1, 33))
    assert series.echo_times_source == "DICOM (0018,0081)"
    assert series.shape_kji == (1, 192, 192)
    assert (series.field_strength_t, series.slice_thickness_mm, series.phases) == (3.0, 5.0, ())
    assert series.spacing_mm_kji == pytest.approx((40.0, 1.302083, 1.302083), abs=1e-5)
    assert series.warnings == ()
    assert float(series.echoes[0].max()) > 1000  # rescaled by 1.56


def test_two_plates_in_one_folder_are_two_slices():
    series = read_echo_series(PHANTOM / "site5_philips_3T")
    assert series.shape_kji == (2, 192, 192)
    np.testing.assert_array_equal(
        series.echoes[5][1], read_echo_series(PHANTOM / "site5_philips_3T" / "plate4").echoes[5][0]
    )


def test_ge_phantom_of_8_echoes_keeps_its_integers():
    series = read_echo_series(PHANTOM / "site3_ge" / "plate4")
    assert series.echo_times_ms == pytest.approx([9.64 * n for n in range(1, 9)])
    assert series.echoes[0].dtype == np.int16
    assert series.field_strength_t == 1.5


def test_plates_of_two_sites_together_are_listed_not_mixed():
    paths = [PHANTOM / "site3_ge" / "plate4", PHANTOM / "site5_philips_3T" / "plate4"]
    with pytest.raises(InputError, match=r"series 38 .* with 8 echoes, series 1901 .* with 32 echoes"):
        read_echo_series(paths)


def test_seven_tesla_magnitude_and_phase():
    """The header of this file carries a slope that does not belong to it; the phase is understood nevertheless."""
    series = read_echo_series(DATA / "megre" / "mriresearchtools", echo_times_ms=(4, 8, 12))
    assert series.shape_kji == (41, 51, 51)
    assert len(series.phases) == 3
    assert max(np.abs(phase).max() for phase in series.phases) == pytest.approx(np.pi, abs=0.002)
    assert "slope" in series.warnings[0]
    with pytest.raises(InputError, match="echo times of the 3 images are missing"):
        read_echo_series(DATA / "megre" / "mriresearchtools" / "Mag.nii.gz")


def test_head_and_neck_series_after_conversion(tmp_path):
    convert(DATA / "megre" / "fattyriot" / "16.mat", tmp_path)
    series = read_echo_series(tmp_path)
    assert series.echo_times_ms == pytest.approx((2.87, 6.07, 9.27, 12.47, 15.67))
    assert series.shape_kji == (3, 160, 208)
    assert series.field_strength_t == pytest.approx(1.494)
    assert len(series.phases) == 5
    mask, mask_to_ras = read_volume(tmp_path / "16_mask.nii.gz")
    assert int(mask.sum()) == 42658
    np.testing.assert_allclose(mask_to_ras, series.ijk_to_ras, atol=1e-6)
    # Head to feet along rows, back to front along columns.
    np.testing.assert_allclose(series.ijk_to_ras[:3, 0], (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(series.ijk_to_ras[:3, 1], (0, 0, -1), atol=1e-6)


@pytest.mark.parametrize("layout", ("dicom_enhanced", "dicom_classic"))
def test_perfusion_map_as_dicom_lies_where_an_independent_converter_puts_it(tmp_path, layout):
    """dcm2niix stores rows in the opposite order; the physical points and values must be the same."""
    for path in (ASL / layout).glob("1901_*"):
        shutil.copy(path, tmp_path)
    volume, ijk_to_ras = read_volume(tmp_path)
    reference = SimpleITK.ReadImage(str(ASL / "1901_WIP_3DpCASL_cl.nii.gz"))
    np.testing.assert_allclose(volume, SimpleITK.GetArrayFromImage(reference)[:, ::-1], rtol=1e-5, atol=1e-4)
    rows = volume.shape[1]
    for i, j, k in ((0, 0, 0), (95, 0, 0), (0, 95, 0), (10, 20, 39)):
        x, y, z = reference.TransformIndexToPhysicalPoint((i, rows - 1 - j, k))
        np.testing.assert_allclose(ijk_to_ras @ (i, j, k, 1), (-x, -y, z, 1), atol=0.01)


def test_a_perfusion_series_is_no_multi_echo_series():
    with pytest.raises(InputError, match="only one echo time per series") as refusal:
        read_echo_series(ASL / "dicom_enhanced")
    assert "series 1903 (WIP SOURCE - 3DpCASL): 240 magnitude images, TE 9 ms" in str(refusal.value)


def test_the_bids_example_gives_echo_times_and_inherits_the_field_strength(tmp_path):
    shutil.copytree(DATA / "bids_sidecars" / "qmri_megre", tmp_path / "bids", copy_function=shutil.copyfile)
    folder = tmp_path / "bids" / "sub-01" / "anat"
    folder.chmod(0o755)
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for number in range(1, 9):
        image = SimpleITK.GetImageFromArray(array + 100 * (9 - number))
        SimpleITK.WriteImage(image, str(folder / f"sub-01_echo-{number:02d}_MEGRE.nii.gz"))
    series = read_echo_series(folder)
    assert series.echo_times_ms[1] == 40.0  # sub-01_echo-02_MEGRE.json says 0.04
    assert len(series.echoes) == 8
    assert series.field_strength_t == 3.0
