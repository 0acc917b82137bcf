"""Labeling readers on the real brain beside the project (../shared/data, which is not part of it)."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from NPCResponseLib.asl_series import AslRole, LabelingType
from NPCResponseLib.readers import patient_fingerprint, read_asl_series

BRAIN = Path(__file__).resolve().parents[2] / "shared" / "data" / "asl" / "philips3t_3dpcasl_brain"
pytestmark = pytest.mark.skipif(not BRAIN.is_dir(), reason="../shared/data is not there")
ROLES = ("m0scan", "m0scan", "control", "label", "control", "label")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Unpacked: series 1901 (the scanner's map) and 1903 (the images), classic and enhanced."""
    root = tmp_path_factory.mktemp("brain")
    for layout in ("dicom_classic", "dicom_enhanced"):
        for path in (BRAIN / layout).glob("*.dcm.gz"):
            folder = root / layout / path.name[:4]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
    return root


def test_roles_and_facts_come_from_the_headers(folders):
    series = read_asl_series(folders / "dicom_classic" / "1903")
    assert tuple(role.value for role in series.roles) == ROLES
    assert series.shape_kji == (40, 96, 96)
    assert series.spacing_mm_kji == pytest.approx((4.0, 2.5, 2.5), abs=1e-4)
    assert (series.field_strength_t, series.m0_repetition_time_ms) == (3.0, 4250.0)
    assert series.labeling_type is LabelingType.PCASL
    # On the exam card only (1800 and 2000 ms).
    assert series.label_duration_ms is None
    assert set(series.post_labeling_delays_ms) == {None}
    assert "without background suppression" in series.warnings[0]
    assert not any("Elition" in sentence for sentence in series.warnings)


def test_classic_enhanced_and_converted_images_are_the_same(folders):
    classic = read_asl_series(folders / "dicom_classic" / "1903")
    enhanced = read_asl_series(folders / "dicom_enhanced" / "1903")
    converted = read_asl_series(BRAIN / "1903_WIP_SOURCE_-_3DpCASL_cl.nii.gz", roles=ROLES)
    assert classic.roles == enhanced.roles == converted.roles
    np.testing.assert_allclose(enhanced.ijk_to_ras, classic.ijk_to_ras, atol=1e-9)
    for one, other, third in zip(classic.volumes, enhanced.volumes, converted.volumes, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one[:, ::-1], third, rtol=1e-6)  # the converter turns the rows around
    assert classic.m0_repetition_time_ms == enhanced.m0_repetition_time_ms == converted.m0_repetition_time_ms
    assert classic.field_strength_t == converted.field_strength_t


@pytest.mark.parametrize("layout", ("dicom_classic", "dicom_enhanced"))
def test_the_scanners_map_is_flow(folders, layout):
    series = read_asl_series(folders / layout / "1901")
    assert series.roles == (AslRole.FLOW,)
    converted = read_asl_series(BRAIN / "1901_WIP_3DpCASL_cl.nii.gz")
    assert converted.roles == (AslRole.FLOW,)
    np.testing.assert_allclose(series.volumes[0][:, ::-1], converted.volumes[0], rtol=1e-6)
    m0 = read_asl_series(folders / layout / "1903").volumes[0]
    assert 15 < np.median(series.volumes[0][m0 > 0.25 * m0.max()]) < 60  # mL/100g/min of a head


def test_images_are_preferred_to_the_map_of_a_whole_export(folders):
    series = read_asl_series(folders / "dicom_classic")
    assert tuple(role.value for role in series.roles) == ROLES
    assert "Not used: series 1901 (3DpCASL): 1 volume, flow map." in series.warnings


def test_both_layouts_are_of_one_patient(folders):
    assert patient_fingerprint(folders / "dicom_classic" / "1901") == patient_fingerprint(folders / "dicom_enhanced")
