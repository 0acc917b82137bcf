"""``npc-radiomics features`` as scripts meet it: files of every kind in, JSON and arrays out, refusals in one line."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name

from NPCRadiomicsRiskLib import commands
from NPCRadiomicsRiskLib.commands import feature_files, texture_options
from NPCRadiomicsRiskLib.texture import panel47, quantization
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings, texture_panel
from Testing.test_command_line import snapshot

CASES = Path(__file__).parent / "reference_texture" / "toolbox"
SPACING = (5.0, 0.7, 0.7)
SPACING_OPTIONS = ("--pixel-width-mm", "0.7", "--slice-spacing-mm", "5")
VOLUME = np.random.default_rng(0).normal(400, 60, (6, 12, 14)).astype(np.float32)
LABELS = np.zeros(VOLUME.shape, np.uint8)
LABELS[1:5, 2:9, 3:10] = 1
LABELS[2:4, 9:11, 4:9] = 2
FAMILIES = {"Histogram", "Global", "GLCM", "GLRLM", "GLSZM", "NGTDM"}


@pytest.fixture
def run(capsys):
    def in_process(*arguments) -> SimpleNamespace:
        capsys.readouterr()
        code = commands.run(["features", *map(str, arguments)])
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=captured.out, stderr=captured.err)

    return in_process


def refused(done, *fragments: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("npc-radiomics: error: ")
    for fragment in fragments:
        assert fragment.lower() in lines[0].lower()


def write_image(array: np.ndarray, path: Path, spacing_ijk=(0.7, 0.7, 5.0), origin=(-10.0, 20.0, 30.0)) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_ijk)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return path


def write_segmentation(labels: np.ndarray, path: Path, first_kji=(0, 0, 0)) -> Path:
    """As Slicer saves it: segments with names, on a part of the image's grid."""
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((0.7, 0.7, 5.0))
    k, j, i = first_kji
    image.SetOrigin((-10 + 0.7 * i, 20 + 0.7 * j, 30 + 5.0 * k))
    for number, name in enumerate(("GTV", "GTVr")):
        values = {"ID": f"Segment_{number + 1}", "Name": name, "LabelValue": str(number + 1), "Layer": "0"}
        for key, value in values.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    sitk.WriteImage(image, str(path), True)
    return path


@pytest.fixture
def npz(tmp_path) -> Path:
    path = tmp_path / "case.npz"
    np.savez(path, volume=VOLUME.transpose(1, 2, 0), mask=(LABELS == 1).transpose(1, 2, 0))
    return path


@pytest.fixture
def nrrd(tmp_path) -> Path:
    return write_image(VOLUME, tmp_path / "t1.nrrd")


def expected(label: int = 1, **choices) -> dict[str, float]:
    return texture_panel(VOLUME, {"r": label == LABELS}, SPACING, TextureSettings(**choices))["r"].values


def values_of(summary: dict) -> dict[str, float]:
    """By the panel's names."""
    by_lower = {name.lower(): name for name in FEATURE_NAMES}
    found = {}
    for family, values in summary["features"].items():
        for name, value in values.items():
            ours = by_lower.get(f"{'intensity' if family == 'Histogram' else family}_{name}".lower())
            if ours:
                found[ours] = value
    return found


def assert_measured(done, label: int = 1, **choices) -> dict:
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert values_of(summary) == pytest.approx(expected(label, **choices), rel=1e-6)
    return summary


# -- inputs --


def test_npz(run, npz):
    assert_measured(run("--volume", npz, "--mask", npz, *SPACING_OPTIONS))


def test_npz_of_one_slice(run, tmp_path):
    path = tmp_path / "flat.npz"
    np.savez(path, volume=VOLUME[2], mask=LABELS[2] > 0)
    done = run("--volume", path, "--mask", path, *SPACING_OPTIONS, "--resampling", "none")
    assert done.returncode == 0
    assert json.loads(done.stdout)["quantized_shape"] == [9, 7, 1]


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_images_with_label_maps(run, tmp_path, ending):
    """Spacing is the header's; of several labels one must be named."""
    volume = write_image(VOLUME, tmp_path / f"t1{ending}")
    labels = write_image(LABELS, tmp_path / f"labels{ending}")
    one = write_image((LABELS == 2).astype(np.uint8), tmp_path / f"one{ending}")
    refused(run("--volume", volume, "--mask", labels), "several labels (1, 2)")
    assert_measured(run("--volume", volume, "--mask", labels, "--segment", "1"))
    assert_measured(run("--volume", volume, "--mask", one), label=2)


def test_mixed_formats_on_one_grid(run, tmp_path, nrrd):
    labels = write_image(LABELS, tmp_path / "labels.nii.gz")
    assert_measured(run("--volume", nrrd, "--mask", labels, "--segment", "2"), label=2)


def test_slicer_segmentation(run, tmp_path, nrrd):
    path = write_segmentation(LABELS, tmp_path / "tumor.seg.nrrd")
    refused(run("--volume", nrrd, "--mask", path), "several segments (GTV, GTVr)")
    assert_measured(run("--volume", nrrd, "--mask", path, "--segment", "GTVr"), label=2)


def test_slicer_segmentation_of_a_part_of_the_grid(run, tmp_path, nrrd):
    """Slicer saves the box around the segments only."""
    path = write_segmentation(LABELS[1:5, 2:11, 3:10], tmp_path / "tumor.seg.nrrd", first_kji=(1, 2, 3))
    assert_measured(run("--volume", nrrd, "--mask", path, "--segment", "GTV"))


@pytest.mark.parametrize(
    "spacing,origin,message",
    [
        ((0.7, 0.7, 4.0), (-10, 20, 30), "another grid"),
        ((0.7, 0.7, 5.0), (-10.35, 20, 30), "another grid"),
        ((0.702, 0.7, 5.0), (-10, 20, 30), "another grid"),
        ((0.7, 0.7, 5.0), (-10, 20 - 3 * 0.7, 30), "reaches beyond the image"),
        ((0.7, 0.7, 5.0), (-10, 20, 30 + 2 * 5.0), "reaches beyond the image"),
    ],
)
def test_a_mask_of_another_grid_is_refused(run, tmp_path, nrrd, spacing, origin, message):
    path = write_image((LABELS == 1).astype(np.uint8), tmp_path / "mask.nrrd", spacing, origin)
    refused(run("--volume", nrrd, "--mask", path), "mask.nrrd", message)


@pytest.mark.parametrize("order", ["RAS", "LAI", "PIR", "ASL", "RSA", "SPR"])
def test_axes_of_a_file_may_have_any_order_and_direction(run, tmp_path, order):
    """Of the image, and of the mask alone: the same voxels give the same numbers."""
    for array, name in ((VOLUME, "t1.nrrd"), ((LABELS == 1).astype(np.uint8), "mask.nrrd")):
        image = sitk.ReadImage(str(write_image(array, tmp_path / name)))
        sitk.WriteImage(sitk.DICOMOrient(image, order), str(tmp_path / f"turned_{name}"))
    for volume in ("turned_t1.nrrd", "t1.nrrd"):
        summary = assert_measured(run("--volume", tmp_path / volume, "--mask", tmp_path / "turned_mask.nrrd"))
        assert summary["quantized_shape"] == [7, 7, 29]


def test_spacing_options_follow_the_slices(run, tmp_path):
    """Typed lengths are those of slices and pixels, wherever the file has its slices."""
    for array, name in ((VOLUME, "t1.nrrd"), ((LABELS == 1).astype(np.uint8), "mask.nrrd")):
        write_image(array.transpose(1, 0, 2), tmp_path / name, (0.5, 4.0, 0.5))
    done = run("--volume", tmp_path / "t1.nrrd", "--mask", tmp_path / "mask.nrrd", *SPACING_OPTIONS)
    assert assert_measured(done)["settings"]["spacing_mm_kji"] == list(SPACING)


@pytest.mark.parametrize("ending", ["nrrd", "npz"])
def test_a_constant_image_has_its_answer_in_every_format(run, tmp_path, ending):
    constant, mask = np.full_like(VOLUME, 300), (LABELS == 1).astype(np.uint8)
    if ending == "npz":
        np.savez(tmp_path / "case.npz", volume=constant.transpose(1, 2, 0), mask=mask.transpose(1, 2, 0))
        paths = [tmp_path / "case.npz"] * 2
    else:
        paths = [write_image(constant, tmp_path / "t1.nrrd"), write_image(mask, tmp_path / "mask.nrrd")]
    done = run("--volume", paths[0], "--mask", paths[1], *(SPACING_OPTIONS if ending == "npz" else ()))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["refused"]) == 44


def test_spacing_options_stand_in_for_the_header(run, tmp_path):
    volume = write_image(VOLUME, tmp_path / "t1.nrrd", (1, 1, 1))
    mask = write_image((LABELS == 1).astype(np.uint8), tmp_path / "mask.nrrd", (1, 1, 1))
    summary = assert_measured(run("--volume", volume, "--mask", mask, *SPACING_OPTIONS))
    assert summary["settings"]["spacing_mm_kji"] == list(SPACING)


def test_oblique_images_keep_their_spacing(run, tmp_path):
    paths = []
    for array, name in ((VOLUME, "t1.nrrd"), ((LABELS == 1).astype(np.uint8), "mask.nrrd")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.7, 0.7, 5.0))
        angle = 0.3
        c, s = math.cos(angle), math.sin(angle)
        image.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
        sitk.WriteImage(image, str(tmp_path / name))
        paths.append(tmp_path / name)
    assert_measured(run("--volume", paths[0], "--mask", paths[1]))


# -- options --


@pytest.mark.parametrize(
    "options,choices",
    [
        ((), {}),
        (("--resampling", "none"), {"resampling": "none"}),
        (("--resampling", "toolbox", "--outliers", "none"), {"resampling": "toolbox", "outliers": "none"}),
        (("--voxel-size-mm", "1.1"), {"voxel_size_mm": 1.1}),
        (("--quantization", "Equal", "--levels", "32"), {"quantization": "equal", "n_levels": 32}),
        (("--weights", "ibsi", "--2d"), {"weights": "ibsi", "dimensions": 2}),
        # The toolbox' words ask for its numbers.
        (("--scan-type", "MRscan"), {"resampling": "toolbox"}),
        (("--scan-type", "Other", "--scale", "pixelW"), {"resampling": "toolbox", "outliers": "none"}),
        (("--scale", "1", "--resampling", "corrected"), {"voxel_size_mm": 1.0}),
    ],
)
def test_options_are_the_settings(run, npz, options, choices):
    done = run("--panel", "toolbox47", "--volume", npz, "--mask", npz, *SPACING_OPTIONS, *options)
    summary = assert_measured(done, **choices)
    settings = TextureSettings(**choices)
    assert {name: summary["settings"][name] for name in vars(settings)} == vars(settings)


def test_choices_of_the_options_are_those_of_the_engine():
    def names(choices):
        return tuple(choice.value.replace("-", " ") for choice in choices)

    assert names(texture_options.ResamplingName) == panel47.RESAMPLING
    assert names(texture_options.OutlierName) == panel47.OUTLIER_RULES
    assert names(texture_options.QuantizationName) == quantization.ALGORITHMS
    assert names(texture_options.WeightsName) == panel47.WEIGHTS
    assert texture_options.TextureChoice().settings() == TextureSettings()


# -- results --


def reference_options(case: Path) -> list[str]:
    options = json.loads((case / "features.json").read_text())["options"]
    return [
        "--scan-type", options["scanType"], "--pixel-width-mm", repr(options["pixelW"]),
        "--slice-spacing-mm", repr(options["sliceS"]), "--scale", str(options["scale"]),
        "--quantization", options["quantAlgo"], "--levels", str(options["Ng"]),
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(folder.name for folder in CASES.iterdir()))
def test_reference_cases_from_file_to_file(run, tmp_path, name):
    """The layout of every output is that of the reference values: names, order of axes, zero-based triplets, nulls."""
    case = CASES / name
    reference = json.loads((case / "features.json").read_text())
    out = [tmp_path / file for file in ("features.json", "quantized.npz", "matrices.npz")]
    done = run(
        "--panel", "toolbox47", "--volume", case / "input.npz", "--mask", case / "input.npz", *reference_options(case),
        "-o", out[0], "--save-quantized", out[1], "--save-matrices", out[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in out}
    summary = json.loads(out[0].read_text())
    assert set(summary["features"]) == FAMILIES
    if reference["error"]:
        assert len(summary["refused"]) == 44
        return
    for family, values in reference["features"].items():
        for feature, value in values.items():
            if feature == "_nonfinite":
                assert set(summary["features"][family]["_nonfinite"]) == set(value)
            else:
                found = summary["features"][family][feature]
                assert found == (None if value is None else pytest.approx(value, rel=1e-10, abs=1e-12)), feature
    with np.load(out[1]) as ours, np.load(case / "quantized.npz") as theirs:
        np.testing.assert_array_equal(ours["quantized"], theirs["quantized"])
        assert ours["quantized"].dtype == np.uint16
        np.testing.assert_allclose(ours["prepared"], theirs["prepared"], rtol=1e-12)
    if summary["levels_present"]:
        with np.load(out[2]) as ours, np.load(case / "matrices.npz") as theirs:
            assert set(ours) == set(theirs)
            for key in theirs:
                found = ours[key].ravel()
                if not key.endswith(("_vals", "_rows", "_cols")):
                    np.testing.assert_allclose(found, theirs[key].ravel(), atol=1e-9)
            for matrix in ("GLCM", "GLRLM", "GLSZM"):
                dense = []
                for arrays in (ours, theirs):
                    dense.append(np.zeros(tuple(arrays[f"{matrix}_shape"])))
                    dense[-1][arrays[f"{matrix}_rows"], arrays[f"{matrix}_cols"]] = arrays[f"{matrix}_vals"]
                np.testing.assert_allclose(*dense, rtol=0, atol=1e-9)


def test_summary_says_what_was_done(run, npz):
    summary = json.loads(run("--volume", npz, "--mask", npz, *SPACING_OPTIONS).stdout)
    assert summary["research_use_only"] is True
    assert summary["panel"] == "toolbox47"
    assert summary["mask_voxels"] == int((LABELS == 1).sum())
    assert summary["volume_cm3"] == pytest.approx((LABELS == 1).sum() * 5 * 0.7**2 / 1000)
    assert summary["voxel_size_mm_kji"] == [0.7, 0.7, 0.7]
    assert set(summary["definitions"]) == set(FEATURE_NAMES)
    assert summary["refused"] == {}
    low, high = summary["level_min_max"]
    assert 1 <= low < high <= 256


def test_warnings_and_refusals_are_in_the_summary(run, tmp_path):
    path = tmp_path / "one.npz"
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    np.savez(path, volume=np.arange(125.0).reshape(5, 5, 5), mask=mask)
    summary = json.loads(run("--volume", path, "--mask", path, *SPACING_OPTIONS, "--resampling", "none").stdout)
    assert summary["refused"]["GLCM_Energy"] == "the region is a single voxel"
    assert summary["features"]["GLCM"]["Energy"] is None
    assert summary["features"]["GLCM"]["_nonfinite"]["Energy"] == "nan"
    assert summary["level_min_max"] is None
    assert any("Only 1 voxel was analyzed" in warning for warning in summary["warnings"])


def test_eight_bit_images_are_told(run, tmp_path):
    volume = write_image(np.clip(VOLUME / 4, 0, 255).astype(np.uint8), tmp_path / "t1.nrrd")
    mask = write_image((LABELS == 1).astype(np.uint8), tmp_path / "mask.nrrd")
    summary = json.loads(run("--volume", volume, "--mask", mask).stdout)
    assert any("8" in warning for warning in summary["warnings"])


def test_output_and_print(run, npz, tmp_path):
    arguments = ("--volume", npz, "--mask", npz, *SPACING_OPTIONS)
    printed = run(*arguments).stdout
    both = run(*arguments, "-o", tmp_path / "a.json", "--json")
    assert both.stdout == printed == (tmp_path / "a.json").read_text()


def test_files_are_replaced_only_by_force(run, npz, tmp_path):
    for option in ("--output", "--save-quantized", "--save-matrices"):
        path = tmp_path / option.strip("-")
        path.write_text("precious")
        arguments = ("--volume", npz, "--mask", npz, *SPACING_OPTIONS, option, path)
        refused(run(*arguments), str(path), "there already", "--force")
        assert path.read_text() == "precious"
        assert run(*arguments, "--force").returncode == 0
        assert path.read_bytes() != b"precious"


def test_inputs_are_never_replaced(run, npz):
    before = npz.read_bytes()
    for option in ("--output", "--save-quantized", "--save-matrices"):
        done = run("--volume", npz, "--mask", npz, *SPACING_OPTIONS, option, npz, "--force")
        refused(done, "it is an input")
        assert npz.read_bytes() == before


def test_two_results_in_one_file_are_refused(run, npz, tmp_path):
    same = tmp_path / "x.npz"
    arguments = ("--save-quantized", same, "--save-matrices", tmp_path / "." / "x.npz")
    refused(run("--volume", npz, "--mask", npz, *SPACING_OPTIONS, *arguments), "two results would go to one file")


def test_nothing_is_half_written(run, npz, tmp_path, monkeypatch):
    """All files or none, and no remains, also if the last one fails."""

    def fail(found, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "q.npz").write_text("old")
    before = snapshot(tmp_path)
    monkeypatch.setattr(feature_files, "_write_matrices", fail)
    done = run(
        "--volume", npz, "--mask", npz, *SPACING_OPTIONS, "--force", "-o", tmp_path / "f.json",
        "--save-quantized", tmp_path / "q.npz", "--save-matrices", tmp_path / "m.npz",
    )  # fmt: skip
    refused(done, "m.npz", "No space left on device")
    assert snapshot(tmp_path) == before


# -- refusals --


def saved(tmp_path, **arrays) -> tuple[str, ...]:
    path = tmp_path / "case.npz"
    np.savez(path, **arrays)
    return ("--volume", path, "--mask", path, *SPACING_OPTIONS)


@pytest.mark.parametrize(
    "arrays,fragments",
    [
        ({"volume": VOLUME}, ("no array 'mask'", "it has: volume")),
        ({"volume": VOLUME, "mask": LABELS[:3]}, ("mask has shape (3, 12, 14) and the image (6, 12, 14)",)),
        ({"volume": VOLUME, "mask": LABELS * 0}, ("array mask", "empty")),
        ({"volume": VOLUME[None], "mask": LABELS}, ("rows x columns x slices",)),
        ({"volume": VOLUME + 0j, "mask": LABELS}, ("array volume must be", "complex64")),
        ({"volume": VOLUME.astype(object), "mask": LABELS}, ("no NPZ file of numbers",)),
        ({"volume": np.where(LABELS == 2, np.nan, VOLUME), "mask": LABELS > 0}, ("region mask: 20 of its voxels",)),
    ],
    ids=["no mask", "shape", "empty", "4-D", "complex", "objects", "NaN"],
)  # fmt: skip
def test_bad_arrays_are_refused(run, tmp_path, arrays, fragments):
    refused(run(*saved(tmp_path, **arrays)), *fragments)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4 and nothing more", "cut"])
def test_damaged_npz_is_refused(run, npz, content):
    npz.write_bytes(npz.read_bytes()[:900] if content == "cut" else content)
    refused(run("--volume", npz, "--mask", npz, *SPACING_OPTIONS), "case.npz", "no NPZ file")


def test_labels_of_an_npz_are_chosen_as_those_of_an_image(run, tmp_path):
    arguments = saved(tmp_path, volume=VOLUME.transpose(1, 2, 0), mask=LABELS.transpose(1, 2, 0))
    refused(run(*arguments), "several labels (1, 2)")
    assert_measured(run(*arguments, "--segment", "2"), label=2)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_a_mask_of_other_numbers_is_refused(run, tmp_path, value):
    """Not taken for a region because it is not 0."""
    mask = np.where(LABELS == 1, 1.0, 0.0)
    mask[0, 0, 0] = value
    arguments = saved(tmp_path, volume=VOLUME.transpose(1, 2, 0), mask=mask.transpose(1, 2, 0))
    refused(run(*arguments), "no whole numbers")


def test_npz_needs_spacing(run, npz):
    refused(run("--volume", npz, "--mask", npz), "does not tell its spacing", "--pixel-width-mm", "--slice-spacing-mm")
    refused(run("--volume", npz, "--mask", npz, "--pixel-width-mm", "1"), "does not tell its spacing")


def test_npz_and_image_do_not_go_together(run, npz, nrrd):
    refused(run("--volume", nrrd, "--mask", npz, *SPACING_OPTIONS), "t1.nrrd", "both be NPZ, or neither")


@pytest.mark.parametrize(
    "options,fragments",
    [
        (("--levels", "1"), ("from 2 to 65535, found 1",)),
        (("--levels", "many"), ("--levels",)),
        (("--quantization", "log"), ("--quantization", "lloyd")),
        (("--panel", "all"), ("--panel", "toolbox47")),
        (("--scale", "wide"), ("--scale", "'wide' is no scale")),
        (("--scale", "-1"), ("voxel size must be a positive number",)),
        (("--scale", "1", "--voxel-size-mm", "1"), ("say the same",)),
        (("--scan-type", "PETscan"), ("--scan-type", "MRscan or Other")),
        (("--voxel-size-mm", "500"), ("region mask", "lost between voxels of 500 mm")),
        (("--voxel-size-mm", "0.001"), ("choose larger voxels",)),
        (("--pixel-width-mm", "nan"), ("--pixel-width-mm must be a positive number",)),
        (("--slice-spacing-mm", "0"), ("--slice-spacing-mm must be a positive number",)),
        (("-o", "nowhere/f.json"), ("folder does not exist",)),
        (("-o", "."), ("the output is a folder",)),
        (("--unknown",), ("--unknown",)),
    ],
)
def test_wrong_options_are_refused(run, npz, tmp_path, monkeypatch, options, fragments):
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    refused(run("--volume", npz, "--mask", npz, *SPACING_OPTIONS, *options), *fragments)
    assert snapshot(tmp_path) == before


def test_missing_and_unreadable_files_are_refused(run, tmp_path, nrrd):
    refused(run("--volume", tmp_path / "nix.nrrd", "--mask", nrrd), "no such file")
    broken = tmp_path / "broken.nrrd"
    broken.write_text("hello")
    refused(run("--volume", broken, "--mask", nrrd), "broken.nrrd")
    refused(run("--volume", nrrd, "--mask", nrrd), "no whole numbers", "label image")
    color = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(color, str(tmp_path / "color.nrrd"))
    refused(run("--volume", tmp_path / "color.nrrd", "--mask", nrrd), "color.nrrd", "color image")
    empty = write_image(LABELS * 0, tmp_path / "empty.nrrd")
    refused(run("--volume", nrrd, "--mask", empty), "empty.nrrd", "empty")
