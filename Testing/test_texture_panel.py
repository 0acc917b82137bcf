"""The panel against the TextureToolbox: 15 cases of the project, all 44 if the shared folder is there."""

import json
from pathlib import Path

import numpy as np
import pytest

from NPCRadiomicsRiskLib.texture.histogram import intensity_features
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings, texture_panel

OWN = Path(__file__).parent / "reference_texture" / "toolbox"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "texture_toolbox" / "public"
# Measured on all 44: levels all the same, matrices 4e-11, features 2e-12. The bars are 0.5 % of the voxels, 1e-9 and
# 1e-6; tests as loose as those would miss a feature whose definition is off by a little.
FEATURE_RTOL = 1e-10
MATRIX_ATOL = 1e-9
SHARE_OF_TIES = 0.005
# Half of the digits of a difference that is 0 but for rounding (skewness of symmetric values).
NOTHING = 1e-12


def settings_of(options: dict) -> TextureSettings:
    return TextureSettings(
        resampling="toolbox",
        voxel_size_mm=None if options["scale"] == "pixelW" else float(options["scale"]),
        outliers="3 sd" if options["scanType"] == "MRscan" else "none",
        quantization=options["quantAlgo"].lower(),
        n_levels=options["Ng"],
    )


def kji(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 0, 1)


def run_case(case: Path):
    reference = json.loads((case / "features.json").read_text())
    options = reference["options"]
    with np.load(case / "input.npz") as given:
        volume, mask = kji(given["volume"]), kji(given["mask"]) > 0
    spacing = (options["sliceS"], options["pixelW"], options["pixelW"])
    return reference, texture_panel(volume, {"region": mask}, spacing, settings_of(options))["region"]


def expected_features(reference: dict) -> dict[str, float | None]:
    """Of the panel, by our names."""
    by_lower = {name.lower(): name for name in FEATURE_NAMES}
    expected = {}
    for family, values in reference["features"].items():
        for name, value in values.items():
            ours = by_lower.get(f"{'intensity' if family == 'Histogram' else family.lower()}_{name.lower()}")
            if ours:
                expected[ours] = value
    return expected


def check_levels(case: Path, found) -> int:
    """Returns how many voxels have another level."""
    with np.load(case / "quantized.npz") as arrays:
        quantized, prepared = kji(arrays["quantized"]), kji(arrays["prepared"])
    levels = np.zeros(found.prepared.mask.shape, dtype=int)
    levels[found.prepared.mask] = found.levels
    assert levels.shape == quantized.shape
    inside = np.isfinite(prepared)
    np.testing.assert_array_equal(found.prepared.mask, inside)
    np.testing.assert_allclose(found.intensities, prepared[inside], rtol=1e-12)
    n_others = int(np.count_nonzero(levels != quantized))
    assert n_others <= SHARE_OF_TIES * found.n_voxels
    return n_others


def check_matrices(case: Path, found) -> None:
    with np.load(case / "matrices.npz") as arrays:
        if found.matrices.glcm is None:
            assert not any(arrays[f"{name}_vals"].any() for name in ("GLCM", "GLRLM", "GLSZM"))
            return
        for name in ("GLCM", "GLRLM", "GLSZM"):
            ours, shape = getattr(found.matrices, name.lower()), tuple(arrays[f"{name}_shape"])
            assert ours.shape == shape, name
            expected, dense = np.zeros(shape), np.zeros(shape)
            expected[arrays[f"{name}_rows"], arrays[f"{name}_cols"]] = arrays[f"{name}_vals"]
            dense[ours.rows - 1, ours.columns - 1] = ours.values
            np.testing.assert_allclose(dense, expected, rtol=0, atol=MATRIX_ATOL, err_msg=name)
        np.testing.assert_allclose(found.matrices.ngtdm.sums, arrays["NGTDM"].ravel(), rtol=0, atol=MATRIX_ATOL)
        np.testing.assert_array_equal(found.matrices.ngtdm.counts, arrays["countValid"].ravel())


def check_case(case: Path) -> None:
    reference, found = run_case(case)
    assert set(found.values) == set(FEATURE_NAMES)
    assert set(found.refused) == {name for name, value in found.values.items() if np.isnan(value)}
    if reference["error"]:
        # The toolbox fails with an index out of bounds; there are no levels, and we say why.
        assert {name for name in FEATURE_NAMES if not name.startswith("Intensity")} <= set(found.refused)
        assert set(found.refused.values()) == {"all voxels have one value"}
        return
    n_others = check_levels(case, found)
    # Voxels without a level do not count there.
    assert np.count_nonzero(found.levels) == reference["roi_voxels_after_prepare"]
    assert found.n_native_voxels == reference["mask_voxels"]
    if not n_others:  # with other levels these can't be equal
        check_matrices(case, found)
    rtol = FEATURE_RTOL if not n_others else 0.05
    expected = expected_features(reference)
    assert set(expected) == set(FEATURE_NAMES)
    for name, value in expected.items():
        if value is None:
            assert name in found.refused
        else:
            assert found.values[name] == pytest.approx(value, rel=rtol, abs=NOTHING), name


@pytest.mark.parametrize("name", sorted(folder.name for folder in OWN.iterdir()))
def test_equals_the_toolbox(name):
    check_case(OWN / name)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/reference/texture_toolbox is not there")
@pytest.mark.parametrize("name", sorted(folder.name for folder in SHARED.iterdir()) if SHARED.is_dir() else [])
def test_equals_the_toolbox_on_the_shared_cases(name):
    check_case(SHARED / name)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/reference/texture_toolbox is not there")
def test_own_cases_are_those_of_the_shared_folder():
    for case in OWN.iterdir():
        for file in case.iterdir():
            assert file.read_bytes() == (SHARED / case.name / file.name).read_bytes()


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6 + 0.1])
def test_constant_values_have_no_moments_whatever_their_sum_rounds_to(value):
    found = intensity_features(np.full(1000, value), toolbox=True)
    assert (found["Mean"], found["Variance"], found["MAD"]) == (value, 0, 0)
    assert all(np.isnan(found[name]) for name in ("Skewness", "Kurtosis", "Hyperskewness", "Hyperflatness"))
