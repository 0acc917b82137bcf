"""The exploratory map: its features against the panel's own code, its rule, its region and a trained combination."""

import json
import time

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from scipy.optimize import minimize
from scipy.special import expit, ndtr, ndtri

from NPCRadiomicsRiskLib.radioresistance.boost import suggest_boost
from NPCRadiomicsRiskLib.radioresistance.exploratory_map import (
    EXPLORATORY,
    PUBLISHED_DIRECTIONS,
    BoostRule,
    LocalModel,
    LocalSettings,
    TrainingTumor,
    local_tumor_features,
    map_of_features,
    radioresistance_map,
    radius_of_mm,
    train_model,
)
from NPCRadiomicsRiskLib.radioresistance.features import groups_of_similar_size, normal_scores
from NPCRadiomicsRiskLib.radioresistance.model import _fit, _sample, auc
from NPCRadiomicsRiskLib.texture.glszm import size_zone_features, size_zone_matrices
from NPCRadiomicsRiskLib.texture.histogram import intensity_features
from NPCRadiomicsRiskLib.texture.ngtdm import tone_difference_features, tone_differences
from NPCRadiomicsRiskLib.texture.quantization import quantize
from NPCRadiomicsRiskLib.texture.region_levels import RegionLevels
from NPCResponseLib.errors import InputError

SPACING = (3.0, 1.0, 1.0)
SHAPE = (9, 28, 30)


def ellipsoid(shape=SHAPE) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((a - (n - 1) / 2) / (0.45 * n)) ** 2 for a, n in zip(axes, shape, strict=True)) <= 1


def two_textures(seed: int, *, differ: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, tumor, and its half of high I, which is brighter and smoother: most of the published signs hold there.

    Not all do: in small neighborhoods ZSV and LZE rise together, while Table 2 has them of opposite signs.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=SHAPE)
    smooth = gaussian_filter(rng.normal(size=SHAPE), (0.7, 1.5, 1.5))
    smooth /= smooth.std()
    tumor = ellipsoid()
    half = tumor & (np.arange(SHAPE[2]) >= SHAPE[2] // 2)
    image = np.where(half, 1 + smooth, noise) if differ else noise
    return 500 + 100 * image, tumor, half


def toolbox_features(image, levels, neighborhood, n_levels) -> dict[str, float]:
    """The seven features of one region by the code of the 47-feature panel."""
    region = RegionLevels.of([levels[neighborhood]], [neighborhood], n_levels, dimensions=3)
    zones = size_zone_features(size_zone_matrices(region)[0], toolbox=True)
    tones = tone_difference_features(tone_differences(region, weighted=True)[0])
    moments = intensity_features(image[neighborhood], toolbox=True)
    of_family = {"GLSZM": zones, "NGTDM": tones, "Intensity": moments}
    return {name: of_family[name.split("_")[0]][name.split("_")[1]] for name in PUBLISHED_DIRECTIONS}


def test_local_features_are_the_panels_features_of_each_neighborhood():
    image, tumor, _ = two_textures(1)
    settings = LocalSettings(radius_voxels=(1, 2, 2), n_levels=12, clip_outliers=False)
    found = local_tumor_features(image, tumor, SPACING, settings).local
    levels = np.zeros(SHAPE, int)
    levels[tumor] = quantize(image[tumor], "lloyd", 12)
    voxels = np.argwhere(tumor)
    for row in np.random.default_rng(0).choice(len(voxels), 40, replace=False):
        k, j, i = voxels[row]
        neighborhood = np.zeros(SHAPE, bool)
        neighborhood[max(0, k - 1) : k + 2, max(0, j - 2) : j + 3, max(0, i - 2) : i + 3] = True
        for name, value in toolbox_features(image, levels, neighborhood & tumor, 12).items():
            assert found.columns[name][row] == pytest.approx(value, rel=1e-9), name


def test_normal_scores_are_those_of_mean_ranks_within_groups():
    values = np.array([3.0, 1.0, 1.0, np.nan, 10.0, 20.0])
    groups = np.array([0, 0, 0, 0, 1, 1])
    expected = [*ndtri([2.5 / 3, 1 / 3, 1 / 3]), 0, *ndtri([0.25, 0.75])]
    np.testing.assert_allclose(normal_scores(values, groups), expected, atol=1e-15)
    assert (normal_scores(np.full(5, 7.0), np.zeros(5)) == 0).all()


def test_groups_hold_similar_counts_and_enough_voxels():
    counts = np.random.default_rng(2).integers(1, 28, 3000)
    counts[:1500] = 27
    groups = groups_of_similar_size(counts)
    assert np.bincount(groups).min() >= 150
    assert set(groups[counts == 27]) == {0}
    order = np.argsort(counts)
    assert (np.diff(groups[order]) <= 0).all()
    assert set(groups_of_similar_size(np.arange(30))) == {0}


def test_the_rim_of_a_uniform_texture_does_not_stand_out():
    image, tumor, _ = two_textures(3, differ=False)
    found = radioresistance_map(image, tumor, SPACING, radius_voxels=(1, 2, 2))
    filled = found.tumor_features.neighborhood_voxels
    raw = np.corrcoef(found.features.columns["NGTDM_Coarseness"], filled)[0, 1]
    assert raw < -0.7
    assert abs(np.corrcoef(found.map[tumor], filled)[0, 1]) < 0.1


def test_the_part_with_the_published_signs_is_found():
    image, tumor, half = two_textures(4)
    found = radioresistance_map(image, tumor, SPACING)
    assert found.map.dtype == np.float32
    assert (found.map[~tumor] == 0).all()
    assert ((found.map[tumor] > 0) & (found.map[tumor] < 1)).all()
    assert np.median(found.map[half]) > 0.55 > 0.45 > np.median(found.map[tumor & ~half])
    assert found.boost.mask[half].sum() > 0.85 * found.boost.mask.sum() > 0
    assert found.warnings[0] == EXPLORATORY
    assert "7 x 7 x 9 mm (32 gray levels, lloyd)" in found.explanation
    assert set(found.features) == set(PUBLISHED_DIRECTIONS)


def test_a_knob_turns_without_computing_features_again(monkeypatch):
    image, tumor, _ = two_textures(5)
    features = local_tumor_features(image, tumor, SPACING)
    monkeypatch.setattr("NPCRadiomicsRiskLib.radioresistance.features.local_glszm", None)
    only = {name: float(name == "NGTDM_Busyness") for name in PUBLISHED_DIRECTIONS}
    start = time.perf_counter()
    found = map_of_features(features, weights=only, boost_rule=BoostRule(volume_share=0.4))
    assert time.perf_counter() - start < 0.5
    np.testing.assert_allclose(found.map[tumor], ndtr(-features.scores["NGTDM_Busyness"]), rtol=1e-6)
    assert 0.25 < found.boost.share <= 0.41


def test_the_map_follows_no_gain_and_offset_of_the_scanner():
    image, tumor, _ = two_textures(6)
    truth = radioresistance_map(image, tumor, SPACING, quantization="uniform")
    found = radioresistance_map(3.0 * image - 700, tumor, SPACING, quantization="uniform")
    np.testing.assert_allclose(found.map, truth.map, atol=2e-3)


def test_progress_rises_to_the_end():
    image, tumor, _ = two_textures(7)
    told = []
    radioresistance_map(image, tumor, SPACING, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


class TestBoost:
    tumor = np.pad(np.ones((4, 20, 20), bool), 2)
    spacing = (2.0, 1.0, 1.0)

    def values(self) -> np.ndarray:
        """High in a block of 4 x 6 x 6 voxels and in one lone voxel."""
        image = np.random.default_rng(0).random(self.tumor.shape) * 0.1
        image[2:6, 4:10, 4:10] += 1
        image[3, 18, 18] += 2
        return image[self.tumor]

    def test_the_highest_share_without_small_islands(self):
        rule = BoostRule(volume_share=145 / 1600, smoothing_mm=0, smallest_island_mm3=10)
        found = suggest_boost(self.values(), self.tumor, self.spacing, rule)
        assert found.mask.sum() == 4 * 6 * 6
        assert found.mask[2:6, 4:10, 4:10].all()
        assert (found.n_islands, found.n_dropped) == (1, 1)
        assert found.volume_cm3 == pytest.approx(0.288)
        assert found.dropped_cm3 == pytest.approx(0.002)
        assert found.share == pytest.approx(0.09)
        assert found.sentence == (
            "The 9.06 % of the tumor with the highest values, less 1 islands below 10 mm3 (0.002 cm3): 0.29 cm3 in "
            "1 part, 9.0 % of the tumor."
        )
        kept = suggest_boost(self.values(), self.tumor, self.spacing, BoostRule(145 / 1600, 0, 0))
        assert kept.mask.sum() == 145

    def test_smoothing_takes_no_value_from_outside(self):
        constant = suggest_boost(np.full(1600, 0.7), self.tumor, self.spacing)
        assert not constant.mask.any()
        assert constant.sentence == "No region is suggested: the map has the same value in the whole tumor."
        assert np.isnan(constant.threshold)
        smoothed = suggest_boost(self.values(), self.tumor, self.spacing, BoostRule(0.1, 2.0, 50))
        assert smoothed.mask[2:6, 4:10, 4:10].mean() > 0.75
        assert label(smoothed.mask)[1] == 1

    def test_ties_and_nothing_left_are_told(self):
        values = np.repeat([0.0, 1.0], [600, 1000])
        assert (
            "share the lowest value" in suggest_boost(values, self.tumor, self.spacing, BoostRule(0.1, 0)).warnings[0]
        )
        tiny = suggest_boost(self.values(), self.tumor, self.spacing, BoostRule(0.01, 0, 500))
        assert not tiny.mask.any()
        assert "smaller than the smallest island" in tiny.warnings[0]

    @pytest.mark.parametrize("wrong", [{"volume_share": 0}, {"volume_share": 1.0}, {"smoothing_mm": -1}])
    def test_rules_that_are_none(self, wrong):
        with pytest.raises(InputError):
            BoostRule(**wrong)

    def test_values_of_another_tumor(self):
        with pytest.raises(InputError, match="10 values of a map do not fit a mask of 1600 voxels"):
            suggest_boost(np.zeros(10), self.tumor, self.spacing)


@pytest.fixture(scope="module")
def tumors() -> list[TrainingTumor]:
    settings = LocalSettings(radius_voxels=(1, 2, 2), n_levels=16)
    found = []
    for seed in range(4):
        image, tumor, half = two_textures(10 + seed)
        found.append(TrainingTumor(f"P{seed}", local_tumor_features(image, tumor, SPACING, settings), half))
    return found


class TestModel:
    def test_it_tells_known_parts_apart_in_patients_left_out(self, tumors):
        model = train_model(tumors)
        assert list(model.auc_by_patient) == ["P0", "P1", "P2", "P3"]
        assert model.cross_validated_auc > 0.9
        assert 0.5 < model.rule_auc < model.cross_validated_auc
        assert "4 patients only" in model.warnings[0]
        found = map_of_features(tumors[0].features, model=model)
        inside = tumors[0].features.tumor_mask
        assert np.median(found.map[tumors[0].recurrent]) > 0.5 > np.median(found.map[inside & ~tumors[0].recurrent])
        assert found.weights == model.coefficients
        assert "trained on 4 patients" in found.explanation

    def test_labels_without_meaning_are_worth_nothing(self, tumors):
        rng = np.random.default_rng(3)
        shuffled = [TrainingTumor(t.patient, t.features, rng.random(SHAPE) < 0.5) for t in tumors]
        model = train_model(shuffled)
        assert abs(model.cross_validated_auc - 0.5) < 0.05

    def test_the_auc_of_a_patient_is_that_of_a_model_of_the_others(self, tumors):
        of_others, first = train_model(tumors[1:]), tumors[0]
        inside = first.features.tumor_mask
        alone = auc(of_others.log_odds(first.features), first.recurrent[inside])
        assert train_model(tumors).auc_by_patient["P0"] == pytest.approx(alone, rel=1e-12)

    def test_all_tumors_of_a_patient_are_left_out_together(self, tumors):
        again = TrainingTumor("P0", tumors[1].features, tumors[1].recurrent)
        model = train_model(
            [tumors[0], again, *tumors[2:], TrainingTumor("P4", tumors[1].features, tumors[1].recurrent)]
        )
        assert model.n_patients == 4
        others = train_model([*tumors[2:], TrainingTumor("P4", tumors[1].features, tumors[1].recurrent)])
        aucs = [auc(others.log_odds(t.features), t.recurrent[t.features.tumor_mask]) for t in (tumors[0], again)]
        assert model.auc_by_patient["P0"] == pytest.approx(np.mean(aucs), rel=1e-12)

    @pytest.mark.parametrize("penalty", [0.01, 1.0])
    def test_coefficients_maximize_the_penalized_likelihood(self, tumors, penalty):
        samples = [_sample(tumor, np.random.default_rng(0), 300) for tumor in tumors]
        design, outcome, weights = (np.concatenate(parts) for parts in zip(*samples, strict=True))
        assert weights.sum() == pytest.approx(4)
        assert weights[outcome == 1].sum() == pytest.approx(2)

        def loss(beta):
            p = expit(design @ beta)
            likelihood = outcome * np.log(p) + (1 - outcome) * np.log1p(-p)
            return penalty * np.sum(beta[1:] ** 2) / 2 - np.sum(weights * likelihood)

        theirs = minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-8}).x
        found = _fit(samples, penalty)
        assert loss(found) <= loss(theirs) + 1e-12
        np.testing.assert_allclose(found, theirs, atol=1e-4)

    def test_same_seed_same_model_and_json_and_back(self, tumors):
        model = train_model(tumors, largest_sample=200)
        assert train_model(tumors, largest_sample=200) == model
        assert train_model(tumors, largest_sample=200, seed=1) != model
        assert LocalModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model

    def test_what_it_was_not_trained_for(self, tumors):
        model = train_model(tumors)
        image, tumor, _ = two_textures(20)
        other = local_tumor_features(image, tumor, SPACING, LocalSettings(radius_voxels=(1, 2, 2), n_levels=24))
        with pytest.raises(InputError, match="trained with gray levels 16, and the features have 24"):
            map_of_features(other, model=model)
        with pytest.raises(InputError, match="own weights"):
            map_of_features(tumors[0].features, model=model, weights={"GLSZM_LZE": 2.0})
        wide = local_tumor_features(image, tumor, SPACING, LocalSettings(radius_voxels=(1, 5, 5), n_levels=16))
        assert any("training" in warning for warning in map_of_features(wide, model=model).warnings)

    def test_bad_input_is_told(self, tumors):
        with pytest.raises(InputError, match="2 patients are too few"):
            train_model(tumors[:2])
        with pytest.raises(InputError, match="P0: GTVr has 0 voxels"):
            train_model([TrainingTumor("P0", tumors[0].features, np.zeros(SHAPE, bool)), *tumors[1:]])
        with pytest.raises(InputError, match="P0: GTVr of shape"):
            train_model([TrainingTumor("P0", tumors[0].features, np.ones((2, 2, 2))), *tumors[1:]])
        with pytest.raises(InputError, match="penalty"):
            train_model(tumors, penalty=0)
        with pytest.raises(InputError, match="no local model"):
            LocalModel.from_dict({"format": "something else"})
        content = train_model(tumors).to_dict()
        with pytest.raises(InputError, match="lacks intercept"):
            LocalModel.from_dict({**content, "intercept": None})

    @pytest.mark.parametrize(
        "damage",
        [
            {"intercept": "0.3"}, {"coefficients": {"NGTDM_Busyness": "x"}}, {"coefficients": [1.0]},
            {"box_mm": [5.0, 5.0]}, {"box_mm": [5.0, 5.0, 0.0]}, {"warnings": [3]}, {"settings": 4},
            {"auc_by_patient": {"P0": None}}, {"penalty": float("nan")},
        ],
    )  # fmt: skip
    def test_a_model_that_somebody_edited_is_told(self, tumors, damage):
        content = train_model(tumors).to_dict() | damage
        with pytest.raises(InputError, match=f"{next(iter(damage))} of the local model makes no sense"):
            LocalModel.from_dict(content)

    def test_auc_counts_pairs(self):
        values, positive = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])
        assert auc(values, positive) == pytest.approx(3.5 / 4)


def test_warnings_of_neighborhoods_that_do_not_fit():
    image, tumor, _ = two_textures(8)

    def warnings(mask, settings, spacing=SPACING):
        return " ".join(local_tumor_features(image, mask, spacing, settings).warnings)

    assert warnings(tumor, LocalSettings()) == ""
    assert "far from a cube" in warnings(tumor, LocalSettings(radius_voxels=1))
    assert "more gray levels (32) than voxels in a neighborhood (27)" in warnings(tumor, LocalSettings(radius_voxels=1))
    small = np.zeros(SHAPE, bool)
    small[4:6, 10:15, 10:15] = True
    found = warnings(small, LocalSettings(n_levels=4))
    assert "The tumor has 50 voxels, fewer than 10 neighborhoods" in found
    assert "larger than the tumor is thick" in found
    parts = tumor.copy()
    parts[:, :, 13:16] = False
    parts[:, :, 16:] &= np.arange(SHAPE[1])[:, None] % 6 < 2
    assert "separate parts" in warnings(parts, LocalSettings(radius_voxels=(2, 2, 2)))


def test_radius_of_a_length():
    assert radius_of_mm(3.0, (5.0, 0.7, 0.7)) == (1, 4, 4)
    assert radius_of_mm(3.0, (3.0, 0.5, 0.5)) == (1, 6, 6)


def test_bad_input_is_told():
    image, tumor, _ = two_textures(9)
    with pytest.raises(InputError, match="mask is empty"):
        radioresistance_map(image, np.zeros(SHAPE, bool), SPACING)
    with pytest.raises(InputError, match="single intensity"):
        radioresistance_map(np.full(SHAPE, 5.0), tumor, SPACING)
    with pytest.raises(InputError, match="not all numbers"):
        radioresistance_map(np.full(SHAPE, np.nan), tumor, SPACING)
    with pytest.raises(InputError, match="does not fit"):
        radioresistance_map(image[1:], tumor, SPACING)
    with pytest.raises(InputError, match="no voxel size"):
        radioresistance_map(image, tumor, (1.0, 0.0, 1.0))
    with pytest.raises(InputError, match="1 gray levels"):
        radioresistance_map(image, tumor, SPACING, n_levels=1)
    with pytest.raises(InputError, match="no quantization 'otsu'"):
        radioresistance_map(image, tumor, SPACING, quantization="otsu")
    features = local_tumor_features(image, tumor, SPACING)
    for wrong in ({"GLSZM_XYZ": 1.0}, {"GLSZM_LZE": -1.0}, dict.fromkeys(PUBLISHED_DIRECTIONS, 0.0)):
        with pytest.raises(InputError):
            map_of_features(features, weights=wrong)
