"""DICOM series of four vendors, classic and enhanced: pixels, echo times, geometry, phase and scaling."""

import gzip

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import read_echo_series, read_volume
from Testing.dicom_factory import ECHO_TIMES_MS, VENDORS, Scan, save, write_classic, write_enhanced


def write(folder, scan, layout):
    if layout == "enhanced":
        write_enhanced(folder / "multiframe.dcm", scan)
    elif layout == "one enhanced file per echo":
        for echo in range(len(scan.echo_times_ms)):
            write_enhanced(folder / f"e{9 - echo}.dcm", scan, echoes=[echo])
    else:
        write_classic(folder, scan, series_per_echo=layout == "one series per echo")
    return folder


def phase_error(series, scan):
    return max(
        np.abs(np.angle(np.exp(1j * (series.phases[echo] - scan.phases(echo))))).max()
        for echo in range(len(scan.echo_times_ms))
    )


LAYOUTS = ("one series", "one series per echo", "enhanced", "one enhanced file per echo")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_and_layout_gives_pixels_times_geometry_and_phase(tmp_path, vendor, layout):
    scan = Scan(vendor=vendor, components=("M", "P"))
    series = read_echo_series(write(tmp_path, scan, layout))
    assert series.echo_times_ms == ECHO_TIMES_MS
    assert series.echo_times_source == ("DICOM (0018,9082)" if "enhanced" in layout else "DICOM (0018,0081)")
    for echo, image in enumerate(series.echoes):
        np.testing.assert_array_equal(image, np.round(scan.magnitudes(echo)))
        assert image.dtype == (np.int16 if vendor == "ge" else np.uint16)  # as stored: nothing rescales it
    np.testing.assert_allclose(series.ijk_to_ras, scan.ijk_to_ras(), atol=1e-6)
    assert (series.field_strength_t, series.slice_thickness_mm) == (3.0, 5.0)
    assert series.spacing_mm_kji == pytest.approx((5.5, 1.5, 1.25))
    # Philips' milliradians have a slope of six digits: 3.2 mrad at the ends of the range.
    assert phase_error(series, scan) < (0.004 if vendor == "philips" else 0.0009)
    assert series.warnings == ()


@pytest.mark.parametrize("layout", ("one series", "enhanced"))
@pytest.mark.parametrize("vendor", VENDORS)
def test_real_and_imaginary_become_magnitude_and_phase(tmp_path, vendor, layout):
    scan = Scan(vendor=vendor, components=("R", "I"))
    series = read_echo_series(write(tmp_path, scan, layout))
    for echo, image in enumerate(series.echoes):
        np.testing.assert_allclose(image, scan.magnitudes(echo), atol=0.75)  # two parts, each rounded to an integer
    assert phase_error(series, scan) < 0.003
    assert "real and imaginary" in series.warnings[0]


def test_ge_with_all_four_parts_in_one_series_uses_magnitude_and_phase(tmp_path):
    scan = Scan(vendor="ge", components=("R", "M", "I", "P"))
    series = read_echo_series(write(tmp_path, scan, "one series"))
    np.testing.assert_array_equal(series.echoes[2], np.round(scan.magnitudes(2)))
    assert phase_error(series, scan) < 0.001


def test_phase_in_a_series_of_its_own_is_found(tmp_path):
    write_classic(tmp_path, Scan(components=("M",), series_number=5))
    scan = Scan(components=("P",), series_number=6, description="BOLD_PHA")
    write_classic(tmp_path, scan)
    series = read_echo_series(tmp_path)
    assert phase_error(series, scan) < 0.001
    assert series.warnings == ()


def test_geometry_is_that_of_gdcm(tmp_path):
    """An independent reader of one echo: same physical points for the same values, up to the frame (LPS)."""
    scan = Scan(echo_times_ms=(6.71, 13.42))
    write_classic(tmp_path, scan, series_per_echo=True)
    reader = SimpleITK.ImageSeriesReader()
    by_series = [reader.GetGDCMSeriesFileNames(str(tmp_path), uid) for uid in reader.GetGDCMSeriesIDs(str(tmp_path))]
    first = next(names for names in by_series if float(pydicom.dcmread(names[0]).EchoTime) == 6.71)
    reader.SetFileNames(first)
    reference, series = reader.Execute(), read_echo_series(tmp_path)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(reference), series.echoes[0])
    for index in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (1, 2, 3)):
        x, y, z = reference.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(series.ijk_to_ras @ [*index, 1], (-x, -y, z, 1), atol=1e-4)


def test_slices_that_run_against_the_normal_are_sorted_along_it(tmp_path):
    """Feet-to-head and head-to-feet numbering of the same slices give the same volume."""
    names = write_classic(tmp_path, Scan())
    for n, path in enumerate(names):
        path.rename(tmp_path / f"{len(names) - n:04d}.dcm")
    np.testing.assert_array_equal(read_echo_series(tmp_path).echoes[0], np.round(Scan().magnitudes(0)))


def test_files_named_one_by_one_are_the_same_as_their_folder(tmp_path):
    paths = write_classic(tmp_path, Scan())
    one, other = read_echo_series(paths[::-1]), read_echo_series(str(tmp_path))
    np.testing.assert_array_equal(one.echoes, other.echoes)
    assert one.echo_times_ms == other.echo_times_ms


def test_nested_folders_and_files_that_are_no_images_do_not_disturb(tmp_path):
    write_classic(tmp_path / "A" / "B", Scan())
    (tmp_path / "report.txt").write_text("text")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 64)
    (tmp_path / "empty").write_bytes(b"")
    assert len(read_echo_series(tmp_path).echoes) == 5


def test_gzipped_files_are_read(tmp_path):
    for path in write_classic(tmp_path, Scan(n_slices=2)):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_echo_series(tmp_path).shape_kji == (2, 6, 5)


def test_files_without_preamble_are_read(tmp_path):
    """As some archives and old exports write them: implicit VR, from the first element on."""
    for path in write_classic(tmp_path, Scan(vendor="ge", components=("M", "P"))):
        dataset = pydicom.dcmread(path)
        bare = pydicom.Dataset()
        bare.update({element.tag: element for element in dataset})
        if pydicom.__version_info__[0] == "2":
            bare.is_little_endian, bare.is_implicit_VR = True, True
            pydicom.dcmwrite(path, bare, write_like_original=True)
        else:
            pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    series = read_echo_series(tmp_path)
    np.testing.assert_array_equal(series.echoes[1], np.round(Scan().magnitudes(1)))
    assert phase_error(series, Scan()) < 0.001  # GE's private number decoded from bytes


def test_implicit_vr_keeps_private_scale_and_type(tmp_path):
    scan = Scan(vendor="philips", components=("M", "P"), rescale=lambda echo: (1.25, 0.0, 0.01 * (echo + 1)))
    for path in write_classic(tmp_path, scan):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        if pydicom.__version_info__[0] == "2":
            dataset.is_implicit_VR = True
        dataset.save_as(str(path))
    assert "scale slopes" in " ".join(read_echo_series(tmp_path).warnings)


def test_rle_compression_is_decoded(tmp_path):
    for path in write_classic(tmp_path, Scan(n_slices=2)):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(str(path))
    np.testing.assert_array_equal(read_echo_series(tmp_path).echoes[0], np.round(Scan(n_slices=2).magnitudes(0)))


@pytest.mark.parametrize("enhanced", (False, True))
def test_each_image_is_rescaled_with_its_own_slope(tmp_path, enhanced):
    """Raw pixels alone would give a wrong R2*: the slope of every echo is another."""
    scan = Scan(rescale=lambda echo: (0.5 + 0.1 * echo, -3.0, None))
    series = read_echo_series(write(tmp_path, scan, "enhanced" if enhanced else "one series"))
    for echo, image in enumerate(series.echoes):
        np.testing.assert_allclose(image, scan.magnitudes(echo), atol=0.5)
    assert series.echoes[0].dtype == np.float32
    assert any("Rescale slopes differ" in warning for warning in series.warnings)


@pytest.mark.parametrize("enhanced", (False, True))
def test_philips_scale_slopes_that_differ_between_echoes_are_undone(tmp_path, enhanced):
    """FP = (raw x RS + RI) / (RS x SS): display values here fall by half per echo on top of the decay."""

    def rescale(echo):
        return 1.5, 0.0, 0.01 * 2.0**-echo

    scan = Scan(vendor="philips", rescale=rescale)
    displayed = [scan.magnitudes(echo) for echo in range(5)]
    series = read_echo_series(write(tmp_path, scan, "enhanced" if enhanced else "one series"))
    for echo, image in enumerate(series.echoes):
        np.testing.assert_allclose(image, displayed[echo] / (1.5 * rescale(echo)[2]), rtol=0.003)
    assert any("(2005,100E)" in warning for warning in series.warnings)


def test_one_philips_scale_for_all_echoes_changes_nothing(tmp_path):
    scan = Scan(vendor="philips", rescale=lambda echo: (1.5, 0.0, 0.01))
    series = read_echo_series(write(tmp_path, scan, "one series"))
    np.testing.assert_allclose(series.echoes[0], scan.magnitudes(0), atol=0.76)
    assert series.warnings == ()


def test_ge_with_one_echo_time_everywhere_is_refused_unless_typed(tmp_path):
    def same_time(dataset, component, echo, k):
        dataset.EchoTime = 6.71

    scan = Scan(vendor="ge", edit=same_time)
    write(tmp_path, scan, "one series")
    with pytest.raises(InputError, match=r"6\.71 ms occurs 5 times"):
        read_echo_series(tmp_path)
    series = read_echo_series(tmp_path, echo_times_ms=ECHO_TIMES_MS)
    np.testing.assert_array_equal(series.echoes[4], np.round(scan.magnitudes(4)))
    assert series.echo_times_source == "typed by the user; images in the order of their echo numbers (0018,0086)"
    assert any("assigned by echo number" in warning for warning in series.warnings)


def test_typed_times_without_a_known_order_of_echoes_are_refused(tmp_path):
    def silent(dataset, component, echo, k):
        del dataset.EchoTime, dataset.EchoNumbers

    write(tmp_path, Scan(edit=silent, echo_times_ms=(5.0, 10.0)), "one series per echo")
    with pytest.raises(InputError) as refusal:
        read_echo_series(tmp_path, echo_times_ms=(5.0, 10.0))
    assert "echo" in str(refusal.value)


def test_missing_echo_times_are_told(tmp_path):
    def silent(dataset, component, echo, k):
        del dataset.EchoTime

    write(tmp_path, Scan(edit=silent), "one series")
    with pytest.raises(InputError, match="echo times of the 5 images are missing"):
        read_echo_series(tmp_path)
    assert read_echo_series(tmp_path, echo_times_ms=ECHO_TIMES_MS).echo_times_ms == ECHO_TIMES_MS


def test_typed_echo_times_win_and_the_contradiction_is_reported(tmp_path):
    write(tmp_path, Scan(), "one series")
    series = read_echo_series(tmp_path, echo_times_ms=(5, 10, 15, 20, 25))
    assert series.echo_times_ms == (5.0, 10.0, 15.0, 20.0, 25.0)
    assert series.echo_times_source == (
        "typed by the user; DICOM (0018,0081) said 6.71 / 13.42 / 20.13 / 26.84 / 33.55 ms"
    )
    assert any("typed echo times are used" in warning for warning in series.warnings)
    same = read_echo_series(tmp_path, echo_times_ms=ECHO_TIMES_MS)
    assert (same.echo_times_source, same.warnings) == ("typed by the user", ())


def test_rounding_of_echo_times_between_slices_makes_no_further_echo(tmp_path):
    def rounded(dataset, component, echo, k):
        dataset.EchoTime = f"{float(dataset.EchoTime) + 0.001 * (k % 2):.3f}"

    assert len(read_echo_series(write(tmp_path, Scan(edit=rounded), "one series")).echoes) == 5


def test_field_strength_in_gauss_or_from_the_frequency_is_marked(tmp_path):
    def gauss(dataset, component, echo, k):
        dataset.MagneticFieldStrength = "15000"

    def frequency(dataset, component, echo, k):
        del dataset.MagneticFieldStrength
        dataset.ImagingFrequency = "127.765"

    series = read_echo_series(write(tmp_path / "a", Scan(edit=gauss), "one series"))
    assert series.field_strength_t == 1.5
    assert any("gauss" in warning for warning in series.warnings)
    series = read_echo_series(write(tmp_path / "b", Scan(edit=frequency), "one series"))
    assert series.field_strength_t == pytest.approx(3.0, abs=0.01)
    assert any("frequency" in warning for warning in series.warnings)


def test_given_slice_thickness_overrides_the_header(tmp_path):
    write(tmp_path, Scan(), "one series")
    assert read_echo_series(tmp_path, slice_thickness_mm=3).slice_thickness_mm == 3.0
    with pytest.raises(InputError, match="slice thickness must be a positive number"):
        read_echo_series(tmp_path, slice_thickness_mm=-1)


def test_phase_of_unknown_units_is_dropped_with_a_warning(tmp_path):
    def odd_units(dataset, component, echo, k):
        if component == "P":
            dataset.RescaleSlope, dataset.RescaleIntercept = "0.1", "17"

    series = read_echo_series(write(tmp_path, Scan(components=("M", "P"), edit=odd_units), "one series"))
    assert series.phases == ()
    assert any("phase images are not used" in warning for warning in series.warnings)


def test_an_incomplete_set_of_phase_images_is_dropped_with_a_warning(tmp_path):
    def lost(dataset, component, echo, k):
        return not (component == "P" and echo == 3 and k == 1)

    series = read_echo_series(write(tmp_path, Scan(components=("M", "P"), edit=lost), "one series"))
    assert series.phases == ()
    assert any("Phase images" in warning for warning in series.warnings)


def test_a_dicom_field_map_is_a_volume(tmp_path):
    def as_map(dataset, component, echo, k):
        dataset.ImageType = ["DERIVED", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED"]
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-500"

    scan = Scan(echo_times_ms=(6.71,), edit=as_map)
    write(tmp_path, scan, "one series")
    volume, ijk_to_ras = read_volume(tmp_path)
    assert volume.dtype == np.float32
    np.testing.assert_allclose(volume, np.round(scan.magnitudes(0)) * 0.5 - 500)
    np.testing.assert_allclose(ijk_to_ras, scan.ijk_to_ras(), atol=1e-6)


def test_several_volumes_are_no_volume(tmp_path):
    write(tmp_path, Scan(), "one series")
    with pytest.raises(InputError, match="5 volumes found"):
        read_volume(tmp_path)


def test_a_single_slice_takes_its_step_from_the_header(tmp_path):
    series = read_echo_series(write(tmp_path, Scan(n_slices=1), "one series"))
    assert series.shape_kji == (1, 6, 5)
    assert series.spacing_mm_kji[0] == pytest.approx(5.5)


def test_the_patient_is_in_no_text(tmp_path):
    def careless(dataset, component, echo, k):
        dataset.SeriesDescription = "BOLD Zhangsan"

    folder = tmp_path / "scans"
    series = read_echo_series(write(folder, Scan(edit=careless), "one series"))
    assert series.name == "BOLD"
    write_classic(folder, Scan(series_number=9, edit=careless), prefix="x")
    with pytest.raises(
        InputError, match="several multi-echo series found: series 5 with 5 echoes, series 9"
    ) as refusal:
        read_echo_series(folder)
    for text in (str(refusal.value), repr(series.warnings), series.name):
        assert "zhangsan" not in text.lower()
        assert "77123" not in text


def test_saving_again_with_pydicom_changes_nothing(tmp_path):
    """The factory's own save is what all of this rests on."""
    path = write_classic(tmp_path, Scan(n_slices=1))[0]
    dataset = pydicom.dcmread(path)
    save(dataset, path)
    assert pydicom.dcmread(path).EchoTime == dataset.EchoTime


def test_lossless_jpeg_is_decoded_without_further_packages(tmp_path):
    """What archives use most; pydicom alone cannot, GDCM inside SimpleITK can."""
    for path in write_classic(tmp_path, Scan(vendor="philips", n_slices=2, rescale=lambda echo: (1.5, 0.0, 0.01))):
        dataset, writer = pydicom.dcmread(path), SimpleITK.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(tmp_path / "compressed.tmp.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(SimpleITK.GetImageFromArray(dataset.pixel_array[np.newaxis]))
        compressed = pydicom.dcmread(tmp_path / "compressed.tmp.dcm")
        dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
        dataset["PixelData"] = compressed["PixelData"]
        dataset.save_as(str(path))
    (tmp_path / "compressed.tmp.dcm").unlink()
    scan = Scan(n_slices=2)
    for echo, image in enumerate(read_echo_series(tmp_path).echoes):
        np.testing.assert_allclose(image, scan.magnitudes(echo), atol=0.76)


def test_two_phase_series_that_both_fit_are_not_guessed_between(tmp_path):
    write_classic(tmp_path, Scan(series_number=5))
    for number in (6, 7):
        write_classic(tmp_path, Scan(components=("P",), series_number=number))
    series = read_echo_series(tmp_path)
    assert series.phases == ()
    assert any("Phase images" in warning for warning in series.warnings)


def test_phase_of_a_scanner_that_writes_one_echo_time_is_matched_by_echo_number(tmp_path):
    def same_time(dataset, component, echo, k):
        dataset.EchoTime = 6.71

    scan = Scan(vendor="ge", components=("M", "P"), edit=same_time)
    write_classic(tmp_path, scan)
    assert phase_error(read_echo_series(tmp_path, echo_times_ms=ECHO_TIMES_MS), scan) < 0.001


def test_echoes_from_series_of_different_names_are_reported(tmp_path):
    for number, (time, name) in enumerate(((5.0, "early"), (10.0, "late"))):
        write_classic(tmp_path, Scan(echo_times_ms=(time,), description=name, series_number=number))
    assert read_echo_series(tmp_path).warnings == (
        "The echoes were put together from series 0 (early), series 1 (late), which share protocol and geometry.",
    )


def test_magnitude_and_phase_of_every_echo_in_series_of_their_own(tmp_path):
    scan = Scan(components=("P",), series_number=20, description="BOLD_Pha")
    write_classic(tmp_path, scan, series_per_echo=True)
    write_classic(tmp_path, Scan(series_number=10), series_per_echo=True)
    series = read_echo_series(tmp_path)
    assert phase_error(series, scan) < 0.001
    assert series.warnings == ()


def test_series_of_one_echo_each_that_all_tell_the_first_echo_time(tmp_path):
    def same_time(dataset, component, echo, k):
        dataset.EchoTime = 6.71

    write_classic(tmp_path, Scan(vendor="ge", edit=same_time), series_per_echo=True)
    with pytest.raises(InputError, match=r"6\.71 ms occurs 5 times"):
        read_echo_series(tmp_path)
    series = read_echo_series(tmp_path, echo_times_ms=ECHO_TIMES_MS)
    np.testing.assert_array_equal(series.echoes[3], np.round(Scan().magnitudes(3)))
