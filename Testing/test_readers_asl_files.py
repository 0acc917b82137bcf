"""Arterial spin labeling from NIfTI with BIDS sidecars: roles, times, M0 apart, and what not to trust."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCResponseLib.asl_series import AslRole, LabelingType
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import patient_fingerprint, read_asl_series

EXAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "bids_sidecars"
SHAPE = (3, 4, 5)
CURATED = {
    "Manufacturer": "Philips",
    "MagneticFieldStrength": 3,
    "ArterialSpinLabelingType": "PCASL",
    "PostLabelingDelay": 1.8,
    "LabelingDuration": 1.65,
    "BackgroundSuppression": True,
    "BackgroundSuppressionNumberPulses": 2,
    "M0Type": "Separate",
    "RepetitionTimePreparation": 4.2,
}


def write_image(path, n_volumes=1, shape=SHAPE, spacing=(2.0, 2.0, 5.0), seed=0):
    """Volumes that differ from each other, KJI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volumes = np.random.default_rng(seed).integers(100, 200, (n_volumes, *shape)).astype(np.int16)
    if n_volumes == 1:
        image = SimpleITK.GetImageFromArray(volumes[0])
    else:
        image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(volume) for volume in volumes])
    image.SetSpacing((*spacing, 1.0)[: image.GetDimension()])
    SimpleITK.WriteImage(image, str(path))
    return volumes


def write_bids(folder, types, sidecar=None, name="sub-01", **image):
    volumes = write_image(folder / f"{name}_asl.nii.gz", len(types), **image)
    (folder / f"{name}_aslcontext.tsv").write_text("\n".join(["volume_type", *types]) + "\n")
    (folder / f"{name}_asl.json").write_text(json.dumps(CURATED if sidecar is None else sidecar))
    return volumes


def write_m0(folder, name="sub-01", sidecar=None, **image):
    volumes = write_image(folder / f"{name}_m0scan.nii.gz", seed=1, **image)
    (folder / f"{name}_m0scan.json").write_text(json.dumps(sidecar or {"RepetitionTimePreparation": 9}))
    return volumes


def refusal(paths, **typed):
    with pytest.raises(InputError) as caught:
        read_asl_series(paths, **typed)
    return str(caught.value)


# -- BIDS --


@pytest.mark.parametrize("named", ("file", "folder"))
def test_context_sidecar_and_separate_m0(tmp_path, named):
    volumes = write_bids(tmp_path, ["control", "label", "label", "control"])
    m0 = write_m0(tmp_path)
    series = read_asl_series(tmp_path if named == "folder" else tmp_path / "sub-01_asl.nii.gz")
    assert [role.value for role in series.roles] == ["m0scan", "control", "label", "label", "control"]
    for found, volume in zip(series.volumes, [*m0, *volumes], strict=True):
        np.testing.assert_array_equal(found, volume)
        assert found.dtype == np.int16
    assert series.post_labeling_delays_ms == (None, 1800.0, 1800.0, 1800.0, 1800.0)
    assert (series.label_duration_ms, series.labeling_type) == (1650.0, LabelingType.PCASL)
    assert (series.field_strength_t, series.n_background_suppression_pulses) == (3.0, 2)
    assert (series.m0_repetition_time_ms, series.m0_is_saturation_recovery) == (9000.0, False)
    assert series.sources["roles"] == "aslcontext.tsv; M0 images of their own"
    assert series.sources["label_duration_ms"] == "LabelingDuration in the sidecar"
    assert series.manufacturer == "Philips"
    assert series.warnings == ()


def test_intended_for_finds_an_m0_of_another_name(tmp_path):
    write_bids(tmp_path, ["control", "label"], name="sub-01_run-2")
    target = {"IntendedFor": ["bids::sub-01/perf/sub-01_run-2_asl.nii.gz"], "RepetitionTimePreparation": 7}
    write_m0(tmp_path, "sub-01_acq-long", target)
    write_m0(tmp_path, "sub-01_acq-other", {"IntendedFor": "perf/sub-01_run-1_asl.nii.gz"})
    series = read_asl_series(tmp_path)
    assert (len(series.indices(AslRole.M0)), series.m0_repetition_time_ms) == (1, 7000.0)


def test_one_delay_per_volume_with_zero_for_m0(tmp_path):
    sidecar = {**CURATED, "PostLabelingDelay": [0, 1.0, 1.0, 2.5, 2.5], "LabelingDuration": [0, 1.5, 1.5, 1.5, 1.5]}
    sidecar["RepetitionTimePreparation"] = [10, 4, 4, 4, 4]
    write_bids(tmp_path, ["m0scan", "control", "label", "control", "label"], sidecar)
    series = read_asl_series(tmp_path)
    assert series.post_labeling_delays_ms == (None, 1000.0, 1000.0, 2500.0, 2500.0)
    assert (series.label_duration_ms, series.m0_repetition_time_ms) == (1500.0, 10000.0)


def test_pulsed_labeling_has_bolus_and_inversion_time(tmp_path):
    pulsed = {"ArterialSpinLabelingType": "PASL", "PostLabelingDelay": 1.8, "BolusCutOffFlag": True}
    write_bids(tmp_path, ["control", "label"], {**pulsed, "BolusCutOffDelayTime": [0.7, 1.6]})
    series = read_asl_series(tmp_path)
    assert (series.labeling_type, series.label_duration_ms) == (LabelingType.PASL, 700.0)
    assert series.post_labeling_delays_ms == (1800.0, 1800.0)


def test_pulsed_labeling_in_the_converters_own_words(tmp_path):
    write_image(tmp_path / "x.nii.gz", 2)
    facts = converted("Siemens", ArterialSpinLabelingType="PASL", BolusDuration=0.7, InversionTime=1.99)
    (tmp_path / "x.json").write_text(json.dumps(facts))
    series = read_asl_series(tmp_path, roles=["control", "label"])
    assert (series.label_duration_ms, series.post_labeling_delays_ms) == (700.0, (1990.0, 1990.0))


@pytest.mark.parametrize("value", (None, 3, True, [], [None], {}, ["elsewhere_asl.nii.gz"]))
def test_odd_intended_for_is_no_match(tmp_path, value):
    write_bids(tmp_path, ["control", "label"])
    write_m0(tmp_path, "sub-01_acq-other", {"IntendedFor": value})
    assert read_asl_series(tmp_path).indices(AslRole.M0) == ()


@pytest.mark.parametrize(("direction", "expected"), (("k", (0.0, 80.0, 40.0)), ("k-", (40.0, 80.0, 0.0))))
def test_slice_times_count_from_the_first_slice_read(tmp_path, direction, expected):
    timing = {"MRAcquisitionType": "2D", "SliceTiming": [0.01, 0.09, 0.05], "SliceEncodingDirection": direction}
    write_bids(tmp_path, ["control", "label"], {**CURATED, **timing})
    assert read_asl_series(tmp_path).slice_times_ms == expected


def test_no_suppression_is_zero_pulses_and_efficiency_is_read(tmp_path):
    sidecar = {"BackgroundSuppression": False, "LabelingEfficiency": 0.88}
    write_bids(tmp_path, ["control", "label"], sidecar)
    series = read_asl_series(tmp_path)
    assert (series.n_background_suppression_pulses, series.labeling_efficiency) == (0, 0.88)


def test_volumes_without_radio_frequency_are_left_out(tmp_path):
    volumes = write_bids(tmp_path, ["noRF", "m0scan", "control", "label", "n/a"])
    series = read_asl_series(tmp_path)
    assert [role.value for role in series.roles] == ["m0scan", "control", "label"]
    np.testing.assert_array_equal(series.volumes[2], volumes[3])
    assert "2 volumes that aslcontext.tsv calls noRF or n/a are left out." in series.warnings


def test_ge_product_in_bids(tmp_path):
    write_bids(tmp_path, ["m0scan", "deltam"], {**CURATED, "Manufacturer": "GE", "M0Type": "Included"})
    series = read_asl_series(tmp_path)
    assert (series.m0_repetition_time_ms, series.m0_is_saturation_recovery) == (2000.0, True)
    assert series.perfusion_scale is None  # 32 x NEX or scaled already: the user knows
    assert series.post_labeling_delays_ms == (None, 1800.0)
    assert read_asl_series(tmp_path, perfusion_scale=96).perfusion_scale == 96.0


@pytest.mark.parametrize(
    ("m0_facts", "time_ms", "is_recovery"),
    (({"Manufacturer": "GE", "RepetitionTime": 4.8}, 2000.0, True), ({"RepetitionTimePreparation": 8}, 8000.0, False)),
)
def test_ge_density_apart_is_a_saturation_recovery_unless_its_sidecar_knows(tmp_path, m0_facts, time_ms, is_recovery):
    write_image(tmp_path / "pw.nii.gz")
    (tmp_path / "pw.json").write_text(json.dumps({"Manufacturer": "GE MEDICAL SYSTEMS"}))
    write_image(tmp_path / "pd.nii.gz", seed=1)
    (tmp_path / "pd.json").write_text(json.dumps(m0_facts))
    series = read_asl_series(tmp_path / "pw.nii.gz", roles=["deltam"], m0_paths=tmp_path / "pd.nii.gz")
    assert (series.m0_repetition_time_ms, series.m0_is_saturation_recovery) == (time_ms, is_recovery)


def test_sidecars_are_inherited_within_a_data_set(tmp_path):
    folder = tmp_path / "sub-01" / "perf"
    write_bids(folder, ["control", "label"], {"PostLabelingDelay": 2.0})
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / "asl.json").write_text(json.dumps({"LabelingDuration": 1.5, "PostLabelingDelay": 1.0}))
    (folder / "sub-01_aslcontext.tsv").rename(tmp_path / "aslcontext.tsv")
    series = read_asl_series(folder)
    assert (series.label_duration_ms, series.post_labeling_delays_ms) == (1500.0, (2000.0, 2000.0))


# -- the delay that is none --


def converted(manufacturer, **facts):
    return {"Manufacturer": manufacturer, "ConversionSoftware": "dcm2niix", **facts}


@pytest.mark.parametrize(
    ("sidecar", "delay"),
    (
        (converted("Siemens", SoftwareVersions="syngo MR XA30", PostLabelingDelay=1.8), None),
        (converted("Siemens", SoftwareVersions="syngo MR XA30", PostLabelingDelay=1.8, LabelingDuration=1.8), None),
        (converted("Philips", PostLabelingDelay=1.65), None),
        (converted("Siemens", SoftwareVersions="syngo MR E11", PostLabelingDelay=1.5), 1500.0),
        (converted("GE", PostLabelingDelay=2.025, LabelingDuration=1.45), 2025.0),
        (converted("Philips", PostLabelingDelay=1.65, BackgroundSuppression=True), 1650.0),
        ({"Manufacturer": "Siemens", "PostLabelingDelay": 1.8}, 1800.0),
    ),
)
def test_delay_that_the_converter_may_have_copied_is_asked_for(tmp_path, sidecar, delay):
    write_image(tmp_path / "x.nii.gz", 2)
    (tmp_path / "x.json").write_text(json.dumps(sidecar))
    series = read_asl_series(tmp_path, roles=["control", "label"])
    assert series.post_labeling_delays_ms == (delay, delay)
    assert any("may be the label duration" in sentence for sentence in series.warnings) == (delay is None)
    typed = read_asl_series(tmp_path, roles=["control", "label"], post_labeling_delays_ms=2000)
    assert typed.post_labeling_delays_ms == (2000.0, 2000.0)


@pytest.mark.parametrize(("second", "delay"), ((2.0, None), (1.8, 1800.0)))
def test_delay_that_comes_twice(tmp_path, second, delay):
    """dcm2niix writes the key once from the protocol and once from the label duration."""
    write_image(tmp_path / "x.nii.gz", 2)
    (tmp_path / "x.json").write_text(
        '{"ConversionSoftware": "dcm2niix", "Manufacturer": "Siemens", "SoftwareVersions": "syngo MR XA30",\n'
        f'"PostLabelingDelay": 1.8, "LabelingDuration": 1.8, "PostLabelingDelay": {second}}}'
    )
    series = read_asl_series(tmp_path, roles=["control", "label"])
    assert series.post_labeling_delays_ms == (delay, delay)
    assert any("two post-labeling delays, 1.8 and 2.0 s" in sentence for sentence in series.warnings) == (delay is None)


def test_repetition_time_that_the_converter_wrote_in_milliseconds(tmp_path):
    write_image(tmp_path / "x.nii.gz", 3)
    facts = converted("Siemens", RepetitionTimePreparation=2540, RepetitionTime=2.54)
    (tmp_path / "x.json").write_text(json.dumps(facts))
    assert read_asl_series(tmp_path, roles=["m0scan", "control", "label"]).m0_repetition_time_ms == 2540.0


# -- without context --


def test_single_files_by_name_or_by_typed_roles(tmp_path):
    weighted, density = write_image(tmp_path / "pw.nii.gz", seed=3), write_image(tmp_path / "pd.nii.gz", seed=4)
    series = read_asl_series(
        tmp_path / "pw.nii.gz", roles=["deltam"], m0_paths=tmp_path / "pd.nii.gz", perfusion_scale=96
    )
    assert series.roles == (AslRole.M0, AslRole.DIFFERENCE)
    np.testing.assert_array_equal(series.volumes[0], density[0])
    np.testing.assert_array_equal(series.volumes[1], weighted[0])
    for role in ("control", "label", "m0"):
        write_image(tmp_path / "named" / f"patient_{role}.nrrd", seed=5)
    named = read_asl_series(tmp_path / "named")
    assert named.roles == (AslRole.M0, AslRole.CONTROL, AslRole.LABEL)


def test_typed_roles_win_over_a_context_and_both_are_named(tmp_path):
    write_bids(tmp_path, ["control", "label"])
    series = read_asl_series(tmp_path, roles=["label", "control"])
    assert series.roles == (AslRole.LABEL, AslRole.CONTROL)
    assert series.sources["roles"] == "typed by the user; aslcontext.tsv said otherwise of 2 volumes"


def test_scale_slopes_in_a_sidecar_tell_flow_from_difference(tmp_path):
    facts = {"Manufacturer": "Philips", "ImageType": ["ORIGINAL", "PRIMARY", "PERFUSION", "FFE"]}
    for slope, role in ((0.1, AslRole.FLOW), (0.12, AslRole.DIFFERENCE)):
        write_image(tmp_path / "map.nii.gz")
        scales = {"PhilipsRescaleSlope": slope, "PhilipsScaleSlope": 1 / slope}
        (tmp_path / "map.json").write_text(json.dumps({**facts, **scales}))
        assert read_asl_series(tmp_path).roles == (role,)


def test_other_files_have_no_fingerprint(tmp_path):
    write_bids(tmp_path, ["control", "label"])
    assert patient_fingerprint(tmp_path) is None


# -- refusals --


def test_context_must_fit(tmp_path):
    write_bids(tmp_path, ["control", "label", "control"])
    context = tmp_path / "sub-01_aslcontext.tsv"
    context.write_text("volume_type\ncontrol\nlabel\n")
    assert refusal(tmp_path) == (
        "sub-01_aslcontext.tsv: 2 rows for 3 volumes. Give one role per volume, in the order of the volumes."
    )
    context.write_text("volume_type\ncontrol\ntag\ncontrol\n")
    assert "“tag” names no kind of ASL image" in refusal(tmp_path)
    context.write_text("type\ncontrol\n")
    assert "no column volume_type" in refusal(tmp_path)
    context.write_text("volume_type\ncontrol\ncontrol\nm0scan\n")
    assert "there is no label image (only control, M0)" in refusal(tmp_path)
    context.write_text("volume_type\nm0scan\nm0scan\nlabel\n")
    assert "there is no control image" in refusal(tmp_path)
    context.unlink()
    assert "nothing tells which volumes are control, label and M0" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    (
        ({"PostLabelingDelay": 1800}, "1800 looks like milliseconds"),
        ({"LabelingDuration": 1650}, "1650 looks like milliseconds"),
        ({"PostLabelingDelay": [1.8, 1.8, 1.8]}, "3 values for 2 volumes"),
        ({"PostLabelingDelay": "1.8"}, "must be a number of seconds"),
        ({"PostLabelingDelay": -1}, "must be a number of seconds"),
        ({"LabelingDuration": [1.4, 1.8]}, "differs between volumes (1400, 1800 ms)"),
        ({"SliceTiming": [0, 0.1], "MRAcquisitionType": "2D"}, "2 values for 3 slices"),
        ({"ArterialSpinLabelingType": "VSASL"}, "is not known"),
        ({"LabelingEfficiency": 85}, "between 0 and 1"),
        ({"BackgroundSuppressionNumberPulses": 1.5}, "a whole number"),
        ({"MagneticFieldStrength": 0}, "positive"),
    ),
)
def test_sidecars_that_cannot_be(tmp_path, facts, sentence):
    write_bids(tmp_path, ["control", "label"], {**CURATED, **facts})
    message = refusal(tmp_path)
    assert sentence in message
    assert message.startswith("sub-01_asl.json: ")


def test_m0_on_another_grid_names_both(tmp_path):
    write_bids(tmp_path, ["control", "label"])
    write_m0(tmp_path, shape=(3, 4, 6), spacing=(2.0, 2.0, 4.0))
    message = refusal(tmp_path)
    assert "6 x 4 x 3 voxels of 2 x 2 x 4 mm" in message
    assert "5 x 4 x 3 voxels of 2 x 2 x 5 mm" in message


def test_several_acquisitions_subjects_and_truncated_files(tmp_path):
    write_bids(tmp_path, ["control", "label"], name="sub-01_run-1")
    write_bids(tmp_path, ["control", "label"], name="sub-01_run-2")
    assert "several acquisitions are in the folder" in refusal(tmp_path)
    path = tmp_path / "sub-01_run-1_asl.nii.gz"
    write_m0(tmp_path, "sub-77")
    message = refusal(path, m0_paths=tmp_path / "sub-77_m0scan.nii.gz")
    assert "different subjects" in message
    assert "77" not in message
    path.write_bytes(path.read_bytes()[:60])
    assert "damaged or incomplete" in refusal(path)


def test_images_of_zeros_are_refused(tmp_path):
    write_bids(tmp_path, ["control", "label"])
    SimpleITK.WriteImage(SimpleITK.Image((5, 4, 3, 2), SimpleITK.sitkInt16), str(tmp_path / "sub-01_asl.nii.gz"))
    assert "all 2 images are zero" in refusal(tmp_path)


@settings(max_examples=40, deadline=None)
@given(types=st.lists(st.sampled_from(["control", "label", "m0scan", "deltam", "cbf"]), min_size=1, max_size=8))
def test_whatever_the_context_says_is_what_comes_back_or_refused(tmp_path_factory, types):
    folder = tmp_path_factory.mktemp("context")
    volumes = write_bids(folder, types)
    usable = {"deltam", "cbf"} & set(types) or {"control", "label"} <= set(types)
    if not usable:
        assert "there is no" in refusal(folder)
        return
    series = read_asl_series(folder)
    assert [role.value for role in series.roles] == types
    for found, volume in zip(series.volumes, volumes, strict=True):
        np.testing.assert_array_equal(found, volume)
    for role, delay in zip(types, series.post_labeling_delays_ms, strict=True):
        assert delay == (None if role in ("m0scan", "cbf") else 1800.0)


# -- the examples of the standard --


def example(tmp_path, name, n_slices):
    (source,) = (EXAMPLES / name).glob("sub-*/perf")
    folder = tmp_path / source.parent.name / "perf"
    shutil.copytree(source, folder)
    (context,) = folder.glob("*_aslcontext.tsv")
    n_volumes = len(context.read_text().split()) - 1
    stem = context.name.removesuffix("_aslcontext.tsv")
    write_image(folder / f"{stem}_asl.nii.gz", n_volumes, (n_slices, 4, 5))
    if (folder / f"{stem}_m0scan.json").is_file():
        write_image(folder / f"{stem}_m0scan.nii.gz", 1, (n_slices, 4, 5))
    return read_asl_series(folder)


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "n_slices", "n_volumes", "labeling", "duration", "delays", "pulses", "m0_time"),
    (
        ("asl001", 4, 2, "PCASL", 1450.0, {2025.0}, 4, 2000.0),
        ("asl002", 20, 71, "PCASL", 1800.0, {2000.0}, 2, 9000.0),
        ("asl003", 4, 21, "PASL", 700.0, {300.0 * n for n in range(1, 11)}, 2, 6000.0),
        ("asl004", 24, 97, "PCASL", 1400.0, {250.0 * n for n in range(1, 7)}, 2, 4800.0),
        ("asl005", 4, 17, "PCASL", 1800.0, {2000.0}, 4, 4950.0),
    ),
)
def test_examples_of_the_standard(tmp_path, name, n_slices, n_volumes, labeling, duration, delays, pulses, m0_time):
    series = example(tmp_path, name, n_slices)
    assert len(series.volumes) == n_volumes
    assert series.roles[0] is AslRole.M0
    assert (series.labeling_type, series.label_duration_ms) == (LabelingType(labeling), duration)
    assert set(series.post_labeling_delays_ms) == {None, *delays}
    assert (series.n_background_suppression_pulses, series.m0_repetition_time_ms) == (pulses, m0_time)
    assert series.m0_is_saturation_recovery == (name == "asl001")
    assert (series.slice_times_ms is not None) == (name in ("asl002", "asl004"))
    if series.slice_times_ms:
        assert (series.slice_times_ms[0], len(series.slice_times_ms)) == (0.0, n_slices)
