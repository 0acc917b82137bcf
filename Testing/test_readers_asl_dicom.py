"""Arterial spin labeling from DICOM as Siemens, Philips and GE write it: roles, facts, scale, and refusals."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from NPCResponseLib.asl_series import AslRole, LabelingType
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import patient_fingerprint, read_asl_series
from Testing.dicom_factory import (
    PATIENT_ID,
    AslScan,
    Scan,
    save,
    write_classic,
    write_enhanced,
    write_mosaics,
)

PHILIPS_ROLES = ("m0scan", "m0scan", "control", "label", "control", "label")
PHILIPS_SCALE = 0.0075  # of the factory


def words(series):
    return [role.value for role in series.roles]


def write_xa(folder, scan, series_uid="1.2.3.4.5"):
    """As XA: one multi-frame file per volume."""
    scan.series_uid = series_uid
    for n in range(len(scan.roles)):
        write_enhanced(folder / f"{97 - n}.dcm", scan, echoes=[n])
    return folder


# -- Siemens --


def test_xa_tells_roles_times_and_slice_times(tmp_path):
    scan = AslScan(readout_ms=37.5, roles=("m0scan", "label", "control", "label", "control"), repetition_time_ms=4800.0)
    series = read_asl_series(write_xa(tmp_path, scan))
    assert words(series) == list(scan.roles)
    for n, volume in enumerate(series.volumes):
        np.testing.assert_array_equal(volume, scan.volume(n))
        assert volume.dtype == np.uint16  # as stored
    np.testing.assert_allclose(series.ijk_to_ras, scan.ijk_to_ras(), atol=1e-6)
    assert series.post_labeling_delays_ms == (None, 2000.0, 2000.0, 2000.0, 2000.0)
    assert (series.label_duration_ms, series.labeling_type) == (1800.0, LabelingType.PCASL)
    assert series.m0_repetition_time_ms == 4800.0
    assert series.slice_times_ms == (0.0, 37.5, 75.0, 112.5)
    assert series.sources["label_duration_ms"] == "DICOM (0018,9258)"
    assert series.sources["roles"] == "ASL Context (0018,9257)"
    assert "sPostLabelingDelay" in series.sources["post_labeling_delays_ms"]
    assert (series.perfusion_scale, series.n_background_suppression_pulses) == (None, None)
    assert series.warnings == ()


def test_label_duration_is_never_taken_for_the_delay(tmp_path):
    """(0018,9258) alone: the delay stays unknown."""
    scan = AslScan(protocol="no protocol")
    series = read_asl_series(write_xa(tmp_path, scan))
    assert series.label_duration_ms == 1800.0
    assert series.post_labeling_delays_ms == (None,) * 5


def test_several_delays_in_the_protocol_are_listed_not_assigned(tmp_path):
    protocol = (
        "### ASCCONV BEGIN ###\nsAsl.ulDelayArraySize = 2\nsAsl.sPostLabelingDelay[0] = 1000000\n"
        "sAsl.sPostLabelingDelay[1] = 2500000\n### ASCCONV END ###"
    )
    series = read_asl_series(write_xa(tmp_path, AslScan(protocol=protocol)))
    assert set(series.post_labeling_delays_ms) == {None}
    assert "1000, 2500 ms" in " ".join(series.warnings)


def test_mosaics_of_older_siemens_with_typed_roles_and_m0_apart(tmp_path):
    protocol = (
        '### ASCCONV BEGIN ###\ntSequenceFileName = ""%SiemensSeq%\\ep2d_pasl""\nalTI[0] = 700000\nalTI[2] = 1800000\n'
        "### ASCCONV END ###"
    )
    scan = AslScan(
        roles=("", "", "", ""), n_slices=5, readout_ms=40.0, protocol=protocol, description="perfusion", series_number=9
    )
    calibration = AslScan(roles=("m0scan",), n_slices=5, readout_ms=40.0, repetition_time_ms=6000.0, series_number=8)
    write_mosaics(tmp_path / "asl", scan)
    write_mosaics(tmp_path / "m0", calibration)
    with pytest.raises(InputError, match=r"headers do not tell which images are control and label .*4 volumes"):
        read_asl_series(tmp_path / "asl")
    series = read_asl_series(tmp_path / "asl", m0_paths=tmp_path / "m0", roles=["Control", "label"] * 2)
    assert words(series) == ["m0scan", "control", "label", "control", "label"]
    np.testing.assert_array_equal(series.volumes[0], calibration.volume(0))
    np.testing.assert_array_equal(series.volumes[3], scan.volume(2))
    np.testing.assert_allclose(series.ijk_to_ras, scan.ijk_to_ras(), atol=1e-6)
    assert series.slice_times_ms == (0.0, 40.0, 80.0, 120.0, 160.0)
    assert (series.labeling_type, series.label_duration_ms) == (LabelingType.PASL, 700.0)
    assert series.post_labeling_delays_ms == (None, 1800.0, 1800.0, 1800.0, 1800.0)
    assert series.m0_repetition_time_ms == 6000.0


# -- Philips --


def write_philips(folder, scan, layout):
    if layout == "classic":
        write_classic(folder, scan)
    else:
        write_enhanced(folder / "all.dcm", scan)
    return folder


@pytest.mark.parametrize("layout", ("classic", "enhanced"))
@pytest.mark.parametrize("order", (PHILIPS_ROLES, ("m0scan", "m0scan", "label", "control", "label", "control")))
def test_philips_m0_pair_is_recognized_and_pairs_go_by_label_type(tmp_path, layout, order):
    scan = AslScan(vendor="philips", roles=order)
    series = read_asl_series(write_philips(tmp_path, scan, layout))
    assert words(series) == list(PHILIPS_ROLES)  # within a dynamic control comes first, wherever it was written
    for n, role in enumerate(order):
        k = n if role == series.roles[n].value else n + (1 if n % 2 == 0 else -1)
        np.testing.assert_allclose(series.volumes[k], scan.volume(n) / PHILIPS_SCALE, rtol=1e-6)
    assert series.sources["roles"] == "Philips label type (2005,1429); M0 by its signal"
    assert "dynamic of their own with 3 times the signal" in series.warnings[0]
    assert (series.label_duration_ms, series.post_labeling_delays_ms) == (None, (None,) * 6)  # not in the header
    assert series.sources["labeling_type"].startswith("the name of the protocol")


def test_eight_controls_then_eight_labels_are_told_by_label_type(tmp_path):
    """Instance numbers put all controls first: position would pair a control with a control."""
    roles = ("m0scan", "control", "control", "m0scan", "label", "label")

    def edit(dataset, _component, n, _k):
        dataset.TemporalPositionIdentifier = n % 3 + 1
        if roles[n] == "m0scan":
            block = dataset.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
            block.add_new(0x29, "CS", "CONTROL" if n == 0 else "LABEL")

    scan = AslScan(vendor="philips", roles=roles, edit=edit)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    assert words(series) == ["m0scan", "m0scan", "control", "label", "control", "label"]
    for k, n in enumerate((0, 3, 1, 4, 2, 5)):
        np.testing.assert_allclose(series.volumes[k], scan.volume(n) / PHILIPS_SCALE, rtol=1e-6)


def test_without_background_suppression_no_image_is_called_m0(tmp_path):
    scan = AslScan(vendor="philips", roles=("control", "label") * 3)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    assert words(series) == ["control", "label"] * 3
    assert series.warnings == ()


def test_philips_scale_slopes_make_series_comparable(tmp_path):
    """Control and label of other slopes: (raw x RS + RI) / (RS x SS)."""
    rescale = lambda n: (1.5 + n, 0.0, 1.0 / (1.5 + n))  # noqa: E731
    scan = AslScan(vendor="philips", roles=("control", "label", "control", "label"), rescale=rescale)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    for n, volume in enumerate(series.volumes):
        np.testing.assert_allclose(volume, scan.volume(n), atol=0.51 * (1.5 + n))


@pytest.mark.parametrize(("slope", "role"), ((0.1, AslRole.FLOW), (0.1234, AslRole.DIFFERENCE)))
@pytest.mark.parametrize("layout", ("classic", "enhanced"))
def test_philips_map_is_flow_by_its_fixed_slope_else_a_difference(tmp_path, slope, role, layout):
    scan = AslScan(vendor="philips", roles=("cbf",), rescale=lambda n: (slope, 0.0, 1 / slope))
    series = read_asl_series(write_philips(tmp_path, scan, layout))
    assert series.roles == (role,)
    np.testing.assert_allclose(series.volumes[0], scan.volume(0), atol=slope)
    assert series.post_labeling_delays_ms == (None,)


def test_flow_in_units_of_the_real_world_mapping(tmp_path):
    def edit_file(dataset):
        unit = Dataset()
        unit.CodeValue, unit.CodeMeaning = "ml/(100.g.min)", "Milliliter per 100 gram per minute"
        mapping = Dataset()
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.5, 2.0
        mapping.MeasurementUnitsCodeSequence = Items([unit])
        dataset.RealWorldValueMappingSequence = Items([mapping])

    scan = AslScan(vendor="ge", roles=("deltam",), edit_file=edit_file)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    assert series.roles == (AslRole.FLOW,)
    np.testing.assert_allclose(series.volumes[0], 0.5 * scan.volume(0) + 2, rtol=1e-6)


def test_multiple_delays_of_philips_are_volumes_of_their_own_and_asked_for(tmp_path):
    roles = ("control", "label") * 4

    def edit(dataset, _component, n, k):
        dataset.TemporalPositionIdentifier = n // 4 + 1
        dataset.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x08, "IS", str(n // 2 % 2 + 1))
        dataset.TriggerTime = 300.0 + 250 * (n // 2 % 2) + 40 * k

    scan = AslScan(vendor="philips", roles=roles, edit=edit)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    assert words(series) == ["control", "control", "label", "label"] * 2
    assert set(series.post_labeling_delays_ms) == {None}
    assert "300, 550 ms" in " ".join(series.warnings)
    typed = read_asl_series(tmp_path, post_labeling_delays_ms=[300, 550] * 4)
    assert typed.post_labeling_delays_ms == (300.0, 550.0) * 4


# -- GE --


def test_ge_product_gives_perfusion_weighted_image_density_scale_and_times(tmp_path):
    scan = AslScan(vendor="ge", roles=("deltam", "m0scan"), label_duration_ms=1450.0, delay_ms=2025.0)
    write_classic(tmp_path, scan)
    series = read_asl_series(tmp_path)
    by_role = dict(zip(series.roles, series.volumes, strict=True))
    np.testing.assert_array_equal(by_role[AslRole.DIFFERENCE], scan.volume(0))
    np.testing.assert_array_equal(by_role[AslRole.M0], scan.volume(1))
    assert series.perfusion_scale == 96.0
    assert "32 x 3 excitations (0027,1062)" in series.sources["perfusion_scale"]
    assert (series.m0_repetition_time_ms, series.m0_is_saturation_recovery) == (2000.0, True)
    assert (series.label_duration_ms, series.labeling_type) == (1450.0, LabelingType.PCASL)
    delays = dict(zip(series.roles, series.post_labeling_delays_ms, strict=True))
    assert delays == {AslRole.DIFFERENCE: 2025.0, AslRole.M0: None}


def test_ge_density_in_a_series_of_its_own_is_found(tmp_path):
    weighted = AslScan(vendor="ge", roles=("deltam",), series_number=4)
    density = AslScan(vendor="ge", roles=("m0scan",), series_number=5)
    write_classic(tmp_path / "a", weighted)
    write_classic(tmp_path / "b", density)
    series = read_asl_series(tmp_path)
    assert words(series) == ["m0scan", "deltam"]
    np.testing.assert_array_equal(series.volumes[0], density.volume(0))


def test_old_ge_software_has_another_scale_so_it_is_asked_for(tmp_path):
    def edit_file(dataset):
        dataset.SoftwareVersions = ["15", "LX", "MR Software release:15.0_M4_0910.a"]

    write_classic(tmp_path, AslScan(vendor="ge", roles=("deltam", "m0scan"), edit_file=edit_file))
    assert read_asl_series(tmp_path).perfusion_scale is None
    assert read_asl_series(tmp_path, perfusion_scale=45.0).perfusion_scale == 45.0


def test_flow_map_beside_the_images_is_left_out_and_alone_is_read(tmp_path):
    def edit(dataset, *_):
        dataset.ImageType = ["DERIVED", "PRIMARY", "CBF", "CBF"]

    write_classic(tmp_path / "raw", AslScan(vendor="ge", roles=("deltam", "m0scan"), series_number=4))
    flow = AslScan(vendor="ge", roles=("cbf",), series_number=5, edit=edit)
    write_classic(tmp_path / "map", flow)
    both = read_asl_series(tmp_path)
    assert sorted(words(both)) == ["deltam", "m0scan"]
    assert "Not used: series 5 (pCASL): 1 volume, flow map." in both.warnings
    alone = read_asl_series(tmp_path / "map")
    assert words(alone) == ["cbf"]
    np.testing.assert_array_equal(alone.volumes[0], flow.volume(0))


# -- typed values --


def test_typed_values_win_and_both_are_named(tmp_path):
    scan = AslScan(roles=("m0scan", "control", "label"))
    write_xa(tmp_path, scan)
    series = read_asl_series(
        tmp_path, roles=("m0scan", "label", "control"), post_labeling_delays_ms=1525, label_duration_ms=1650
    )
    assert words(series) == ["m0scan", "label", "control"]
    assert series.post_labeling_delays_ms == (None, 1525.0, 1525.0)
    assert series.label_duration_ms == 1650.0
    assert series.sources["label_duration_ms"] == "typed by the user; DICOM (0018,9258) said 1800"
    assert "said 2000 ms" in series.sources["post_labeling_delays_ms"]
    assert series.sources["roles"].startswith("typed by the user; ASL Context (0018,9257) said otherwise of 2")


def test_delays_one_per_volume_with_or_without_m0(tmp_path):
    write_xa(tmp_path, AslScan(roles=("m0scan", "control", "label")))
    for typed in ([1000, 1000], [0, 1000, 1000]):
        assert read_asl_series(tmp_path, post_labeling_delays_ms=typed).post_labeling_delays_ms == (None, 1000, 1000)
    with pytest.raises(InputError, match="4 post-labeling delays for 3 volumes"):
        read_asl_series(tmp_path, post_labeling_delays_ms=[1, 2, 3, 4])
    with pytest.raises(InputError, match="must be a positive number"):
        read_asl_series(tmp_path, post_labeling_delays_ms=[-5])


def test_typed_flow_explains_a_map_that_the_header_does_not(tmp_path):
    def edit(group, *_):
        del group.MRArterialSpinLabelingSequence
        group.MRImageFrameTypeSequence[0].FrameType = ["DERIVED", "PRIMARY", "ASL", "RCBF"]

    scan = AslScan(roles=("cbf",), edit=edit)
    write_xa(tmp_path, scan)
    with pytest.raises(InputError, match="do not tell"):
        read_asl_series(tmp_path)
    assert words(read_asl_series(tmp_path, roles=["cbf"])) == ["cbf"]


# -- refusals --


def refusal(paths, **typed):
    with pytest.raises(InputError) as caught:
        read_asl_series(paths, **typed)
    assert PATIENT_ID not in str(caught.value)
    return str(caught.value)


def test_roles_must_fit_the_volumes(tmp_path):
    write_xa(tmp_path, AslScan())
    assert "2 typed roles for 5 volumes" in refusal(tmp_path, roles=["control", "label"])
    assert "names no kind of ASL image" in refusal(tmp_path, roles=["control", "lable", "m0scan", "m0scan", "m0scan"])
    assert "there is no label image" in refusal(tmp_path, roles=["m0scan"] + ["control"] * 4)
    assert "there is no control image" in refusal(tmp_path, roles=["m0scan"] + ["label"] * 4)


def test_m0_of_another_geometry_is_refused_with_both(tmp_path):
    write_xa(tmp_path / "asl", AslScan(roles=("control", "label")))
    write_xa(tmp_path / "m0", AslScan(roles=("m0scan",), columns=7, pixel_spacing_mm=(1.5, 1.0)), "1.2.9")
    message = refusal(tmp_path / "asl", m0_paths=tmp_path / "m0")
    assert "7 x 6 x 4 voxels of 1 x 1.5 x 5.5 mm" in message
    assert "5 x 6 x 4 voxels of 1.25 x 1.5 x 5.5 mm" in message
    assert "resample" in message


def test_m0_given_apart_replaces_that_of_the_series(tmp_path):
    write_xa(tmp_path / "asl", AslScan(repetition_time_ms=4000.0))
    better = AslScan(roles=("m0scan",), repetition_time_ms=9000.0, origin_lps=(-40.0, 12.5, 77.0))
    write_xa(tmp_path / "m0", better, "1.2.9")
    series = read_asl_series(tmp_path / "asl", m0_paths=[tmp_path / "m0"])
    assert words(series) == ["m0scan", "control", "label", "control", "label"]
    assert series.m0_repetition_time_ms == 9000.0
    assert any("used instead of" in sentence for sentence in series.warnings)


def test_other_patients_are_refused_without_naming_them(tmp_path):
    def other(dataset):
        dataset.PatientID = "SOMEBODY-ELSE"

    write_xa(tmp_path / "asl", AslScan(roles=("control", "label")))
    write_xa(tmp_path / "m0", AslScan(roles=("m0scan",), edit_file=other), "1.2.9")
    message = refusal(tmp_path / "asl", m0_paths=tmp_path / "m0")
    assert "different patients (PatientID differs)" in message
    assert "SOMEBODY" not in message
    assert "different patients" in refusal(tmp_path)


def test_two_acquisitions_are_listed(tmp_path):
    write_xa(tmp_path / "a", AslScan(roles=("control", "label"), series_number=4), "1.2.4")
    write_xa(tmp_path / "b", AslScan(roles=("control", "label"), series_number=5), "1.2.5")
    message = refusal(tmp_path)
    assert "series 4 (pCASL): 2 volumes, control/label; series 5" in message


def test_missing_slice_names_the_volume(tmp_path):
    drop = lambda group, part, n, k: not (n == 3 and k == 1)  # noqa: E731
    write_classic(tmp_path, AslScan(vendor="philips", roles=PHILIPS_ROLES, edit=drop, n_slices=6))
    assert "volume 4 (label) lacks 1 slice" in refusal(tmp_path)
    drop_last = lambda group, part, n, k: not (n == 3 and k == 3)  # noqa: E731
    write_classic(tmp_path / "x", AslScan(vendor="philips", roles=PHILIPS_ROLES, edit=drop_last))
    assert "volume 4 (label) has 3 slices" in refusal(tmp_path / "x")


def test_mixed_matrix_sizes_are_refused(tmp_path):
    write_xa(tmp_path, AslScan(roles=("control", "label")))
    larger = AslScan(roles=("m0scan", "m0scan", "control"), rows=8)
    larger.series_uid = "1.2.3.4.5"
    write_enhanced(tmp_path / "larger.dcm", larger, echoes=[2])
    assert "5 x 8 x 4 voxels instead of 5 x 6 x 4" in refusal(tmp_path)


def test_truncated_files_and_frames_without_headers(tmp_path):
    path = write_enhanced(tmp_path / "x.dcm", AslScan(vendor="philips", roles=PHILIPS_ROLES))
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    assert "damaged or incomplete" in refusal(path)
    path.write_bytes(content[: len(content) // 2])
    assert "24 frames, but headers of" in refusal(path)
    dataset = pydicom.dcmread(write_enhanced(path, AslScan(vendor="philips", roles=PHILIPS_ROLES)))
    dataset.PerFrameFunctionalGroupsSequence = Items(list(dataset.PerFrameFunctionalGroupsSequence)[:-2])
    save(dataset, path)
    assert "24 frames, but headers of 22" in refusal(path)


def test_an_ordinary_series_is_no_labeling(tmp_path):
    write_classic(tmp_path, Scan())
    assert "do not tell which images are control and label (series 5 (BOLD)" in refusal(tmp_path)


# -- whose images --


def test_fingerprints_tell_patients_apart_and_nothing_else(tmp_path):
    def other(dataset):
        dataset.PatientID = "HOSP-77124"

    def nobody(dataset):
        del dataset.PatientID

    write_classic(tmp_path / "bold", Scan())
    write_xa(tmp_path / "asl", AslScan())
    write_xa(tmp_path / "other", AslScan(edit_file=other))
    write_xa(tmp_path / "nobody", AslScan(edit_file=nobody))
    print_of = patient_fingerprint(tmp_path / "bold")
    assert print_of == patient_fingerprint(tmp_path / "asl")
    assert print_of != patient_fingerprint(tmp_path / "other")
    assert patient_fingerprint(tmp_path / "nobody") is None
    assert PATIENT_ID not in print_of
    assert patient_fingerprint(tmp_path / "asl", b"key") == patient_fingerprint(tmp_path / "bold", b"key") != print_of
    with pytest.raises(InputError, match="different patients"):
        patient_fingerprint(tmp_path)
