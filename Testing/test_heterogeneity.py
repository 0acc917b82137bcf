"""Recurrent against non-recurrent regions: numbers by hand and by scipy, planted and absent effects, and the paper."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from NPCRadiomicsRiskLib.heterogeneity.comparison import (
    compare_subregions,
    detectable_dz,
    fewest_for_wilcoxon,
    smallest_wilcoxon_p,
)
from NPCRadiomicsRiskLib.heterogeneity.paired_values import EMPTY, paired_values, paired_values_from_rows
from NPCRadiomicsRiskLib.heterogeneity.published_subregions import consistency, published_subregions
from NPCRadiomicsRiskLib.heterogeneity.tables import tables
from NPCRadiomicsRiskLib.heterogeneity.volume_relation import relate_to_volume
from NPCResponseLib.errors import InputError
from NPCResponseLib.readers.cohort_table import TableFormat, read_table
from NPCResponseLib.statistics.published_numbers import FACTS_FILE

SEVEN = tuple(each.name for each in published_subregions().features)
OTHERS = tuple(f"Other_{number}" for number in range(40))
FEATURES = SEVEN + OTHERS


def cohort(n=14, effects=None, seed=0, features=FEATURES, skewed=()):
    """Patient to the pair of dictionaries; effects in SD of the differences, exactly."""
    rng = np.random.default_rng(seed)
    base = rng.normal(10, 2, (n, len(features)))
    differences = rng.normal(0, 1, (n, len(features)))
    for column, name in enumerate(features):
        if name in skewed:
            differences[:, column] = np.exp(2 * differences[:, column])
        differences[:, column] -= differences[:, column].mean()
        differences[:, column] /= differences[:, column].std(ddof=1)
        differences[:, column] += (effects or {}).get(name, 0.0)
    return {
        f"REC{row + 1:03d}": (
            dict(zip(features, base[row] + differences[row], strict=True)),
            dict(zip(features, base[row], strict=True)),
        )
        for row in range(n)
    }


def columns(table, name):
    return np.array([[pair[side][name] for pair in table.values()] for side in (0, 1)])


# -- the numbers --


def test_a_feature_has_the_numbers_of_the_hand_and_of_scipy():
    # Differences 1, 2, 3, 4, 5, 6: mean 3.5, SD sqrt(3.5), t = 3.5 / sqrt(3.5 / 6) = sqrt(21).
    table = {f"P{d}": ({"a": 10.0 + d}, {"a": 10.0}) for d in range(1, 7)}
    found = compare_subregions(table, ["a"]).feature("a")
    assert found.difference.mean == 3.5
    assert found.difference.sd == pytest.approx(math.sqrt(3.5), rel=1e-14)
    assert found.statistic == pytest.approx(math.sqrt(21), rel=1e-12)
    assert found.p == pytest.approx(stats.ttest_1samp(range(1, 7), 0).pvalue, rel=1e-12)
    assert found.p_wilcoxon_exact == found.smallest_p == 2 / 2**6
    assert found.normality.p == pytest.approx(stats.shapiro(range(1, 7)).pvalue, rel=1e-5)
    assert found.effect_size.value == pytest.approx(3.5 / math.sqrt(3.5), rel=1e-12)
    assert found.effect_size.low < found.effect_size.value < found.effect_size.high
    assert found.rank_biserial == 1
    interval = stats.ttest_1samp(range(1, 7), 0).confidence_interval()
    assert (found.difference_low, found.difference_high) == pytest.approx(tuple(interval), rel=1e-12)


def test_normality_of_the_differences_decides_the_test():
    table = cohort(effects=dict.fromkeys(FEATURES, 0.3), skewed=("NGTDM_Strength",))
    analysis = compare_subregions(table, FEATURES)
    by_rank = 0
    for each in analysis.features:
        x, y = columns(table, each.name)
        normal = stats.shapiro(x - y).pvalue >= 0.05
        assert each.statistic_name == ("t" if normal else "V"), each.name
        expected = stats.ttest_rel(x, y) if normal else stats.wilcoxon(x - y, method="exact")
        assert each.p == pytest.approx(expected.pvalue, rel=1e-9)
        by_rank += not normal
    assert by_rank >= 1
    strength = analysis.feature("NGTDM_Strength")
    assert strength.method.startswith("Wilcoxon") and strength.method.endswith("exact p")
    assert "Not shown to be normal: the differences; hence a rank test." in strength.decision


@pytest.mark.parametrize(("test", "name"), [("t", "t"), ("wilcoxon", "V")])
def test_a_test_can_be_chosen_beforehand(test, name):
    analysis = compare_subregions(cohort(skewed=("Other_1",)), FEATURES, test=test)
    assert {each.statistic_name for each in analysis.features} == {name}
    assert "chosen beforehand" in analysis.decisions[1]


def test_corrections_count_every_feature():
    table = cohort(effects={"NGTDM_Busyness": -1.7, "Other_5": 0.9}, seed=3)
    analysis = compare_subregions(table, FEATURES)
    assert analysis.n_tests == 47 and analysis.threshold == 0.05 / 47
    p = np.array([each.p for each in analysis.features])
    assert [each.p_bonferroni for each in analysis.features] == pytest.approx(np.minimum(1, 47 * p), rel=1e-12)
    assert [each.p_benjamini_hochberg for each in analysis.features] == pytest.approx(
        stats.false_discovery_control(p), rel=1e-12
    )
    order = np.argsort(p)
    holm = np.empty(47)
    holm[order] = np.minimum(1, np.maximum.accumulate((47 - np.arange(47)) * p[order]))
    assert [each.p_holm for each in analysis.features] == pytest.approx(holm, rel=1e-12)
    for correction, kind in (("bonferroni", "p_bonferroni"), ("holm", "p_holm"), ("bh", "p_benjamini_hochberg")):
        found = compare_subregions(table, FEATURES, correction=correction)
        assert found.significant == tuple(each.name for each in found.features if getattr(each, kind) < 0.05)
        assert "NGTDM_Busyness" in found.significant


def test_planted_effects_are_found_with_their_directions_and_nothing_else():
    directions = {each.name: each.cohens_dz for each in published_subregions().features if each.name != "GLSZM_LZE"}
    analysis = compare_subregions(cohort(effects=directions, seed=1), FEATURES)
    assert set(analysis.significant) == set(directions)
    for name, dz in directions.items():
        found = analysis.feature(name)
        assert found.effect_size.value == pytest.approx(dz, rel=1e-9)
        assert found.direction_agrees is True
        assert found.p == pytest.approx(2 * stats.t.sf(abs(dz) * math.sqrt(14), 13), rel=1e-6)
    assert analysis.feature("Other_0").published is None and analysis.feature("Other_0").direction_agrees is None
    against = compare_subregions(cohort(effects={"NGTDM_Busyness": 1.8}, seed=1), FEATURES)
    assert against.feature("NGTDM_Busyness").direction_agrees is False
    assert any("opposite" in warning and "NGTDM_Busyness" in warning for warning in against.warnings)


def test_without_effects_the_chance_of_any_finding_is_below_alpha():
    # Without correction 46 % of the runs would find something.
    names = [f"F{number}" for number in range(12)]
    rng = np.random.default_rng(5)
    hits, runs = 0, 20
    for _ in range(runs):
        values = rng.normal(size=(2, 14, 12))
        table = {
            str(row): tuple(dict(zip(names, values[side, row], strict=True)) for side in (0, 1)) for row in range(14)
        }
        hits += bool(compare_subregions(table, names, test="wilcoxon").significant)
    assert hits <= stats.binom.isf(1e-4, runs, 0.05)


# -- correlations, boxes and components --


def test_the_matrix_is_pearson_of_the_differences_masked_at_five_percent():
    effects = dict.fromkeys(SEVEN, 2.5)
    table = cohort(effects=effects, seed=2)
    for pair in table.values():  # two features that go together, one of them in other units
        pair[0]["GLSZM_ZSV"] = 1e-6 * pair[0]["GLSZM_GLV"]
        pair[1]["GLSZM_ZSV"] = 1e-6 * pair[1]["GLSZM_GLV"]
    analysis = compare_subregions(table, FEATURES)
    assert analysis.shown == analysis.significant and set(SEVEN) <= set(analysis.significant)
    names, masked = analysis.correlations.names, analysis.masked_correlations()
    for i, first in enumerate(names):
        for j, second in enumerate(names[:i]):
            d = [np.subtract(*columns(table, name)) for name in (first, second)]
            expected = stats.pearsonr(*d)
            assert analysis.correlations.r[i][j] == pytest.approx(expected.statistic, abs=1e-9)
            assert (masked[i][j] is not None) == (expected.pvalue < 0.05) == analysis.correlations.significant[i][j]
            assert masked[i][j] == masked[j][i]
    assert masked[names.index("GLSZM_ZSV")][names.index("GLSZM_GLV")] == pytest.approx(1)
    assert all(masked[i][i] == 1 for i in range(len(names)))


def test_components_are_of_all_regions_standardized():
    table = cohort(effects=dict.fromkeys(SEVEN, 3.0), seed=4)
    analysis = compare_subregions(table, FEATURES, shown=SEVEN)
    found = analysis.components
    matrix = np.concatenate([[[pair[side][name] for name in SEVEN] for pair in table.values()] for side in (0, 1)])
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0, ddof=1)
    eigenvalues, vectors = np.linalg.eigh(standard.T @ standard / 27)
    assert found.pca.explained == pytest.approx(eigenvalues[::-1] / 7, rel=1e-10)
    scores = standard @ vectors[:, -1]
    mine = np.array(found.pca.scores)[:, 0]
    assert mine == pytest.approx(scores * np.sign(scores @ mine), rel=1e-9, abs=1e-9)
    assert found.regions[0] == ("REC001", "GTVr") and found.regions[14] == ("REC001", "GTVnr")
    assert len(found.regions) == 28 and not found.left_out
    rest = mine[14:]
    outside = [f"REC{n + 1:03d}" for n in range(14) if mine[n] < rest.min() or mine[n] > rest.max()]
    assert list(found.beyond) == outside
    assert found.spread["GTVr"][0] == pytest.approx(mine[:14].std(ddof=1))
    assert any("no proof" in warning for warning in analysis.warnings)


@pytest.mark.parametrize("effects", [{}, {"NGTDM_Busyness": -2.0}])
def test_fewer_than_two_features_give_no_components_and_a_sentence(effects):
    analysis = compare_subregions(cohort(effects=effects, seed=6), FEATURES)
    assert len(analysis.significant) == len(effects)
    assert analysis.components is None and analysis.correlations is None and analysis.masked_correlations() == ()
    word = f"Only {analysis.significant[0]} is" if effects else "No feature is"
    assert any(warning.startswith(f"{word} significant") and "no principal" in warning for warning in analysis.warnings)
    assert compare_subregions(cohort(effects=effects, seed=6), FEATURES, shown=SEVEN).components is not None


def test_boxes_are_tukeys():
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 30]
    table = {f"P{n}": ({"a": float(v)}, {"a": 1.0}) for n, v in enumerate(values)}
    box, other = compare_subregions(table, ["a"]).boxes[0].boxes
    assert (box.region, box.n, box.q1, box.median, box.q3) == ("GTVr", 10, 3.25, 5.5, 7.75)
    assert (box.low, box.high, box.outliers) == (1, 9, (("P9", 30.0),))
    assert (other.q1, other.q3, other.low, other.high, other.outliers) == (1, 1, 1, 1, ())


# -- honesty --


def test_a_missing_value_leaves_its_feature_only_and_is_counted_with_its_reason():
    table = cohort()
    whole = compare_subregions(table, FEATURES)
    table["REC003"][0]["GLSZM_ZSV"] = math.nan
    del table["REC004"][1]["Other_2"]
    values = paired_values(table, FEATURES, refused={"REC003": ({"GLSZM_ZSV": "one voxel"}, {})})
    analysis = compare_subregions(values)
    assert (analysis.feature("GLSZM_ZSV").n, analysis.feature("GLSZM_ZSV").n_missing) == (13, 1)
    assert analysis.n == 14 and analysis.feature("GLSZM_GLV") == whole.feature("GLSZM_GLV")
    found = {(each.patient, each.region, each.feature, each.reason) for each in analysis.missing}
    assert found == {
        ("REC003", "GTVr", "GLSZM_ZSV", "one voxel"),
        ("REC004", "GTVnr", "Other_2", "not among this patient's features"),
    }
    (warning,) = (warning for warning in analysis.warnings if "missing" in warning)
    assert "2 values missing in 2 patients and 2 features" in warning and "one voxel: 1" in warning
    x, y = columns({name: pair for name, pair in table.items() if name != "REC003"}, "GLSZM_ZSV")
    assert analysis.feature("GLSZM_ZSV").p == pytest.approx(stats.ttest_rel(x, y).pvalue, rel=1e-9)


def test_a_region_with_a_gap_leaves_the_components_with_a_sentence():
    table = cohort(effects=dict.fromkeys(SEVEN, 3.0))
    table["REC002"][0]["GLSZM_GLV"] = None
    analysis = compare_subregions(table, FEATURES, shown=SEVEN)
    assert analysis.components.left_out == (("REC002", "GTVr"),) and len(analysis.components.regions) == 27
    assert any("GTVr of REC002" in warning for warning in analysis.warnings)


def test_ten_pairs_cannot_be_significant_by_wilcoxon_after_bonferroni_and_eleven_can():
    assert [fewest_for_wilcoxon(0.05 / m) for m in (1, 47)] == [6, 11]
    assert smallest_wilcoxon_p(10) > 0.05 / 47 > smallest_wilcoxon_p(11)
    for n, reachable in ((10, False), (11, True)):
        table = cohort(n=n, effects={"Other_3": 50.0}, seed=8)
        analysis = compare_subregions(table, FEATURES, test="wilcoxon")
        found = analysis.feature("Other_3")
        assert found.p == found.smallest_p == stats.wilcoxon(np.subtract(*columns(table, "Other_3"))).pvalue
        assert found.significant is reachable
        assert any("could not become significant" in w and "11 pairs" in w for w in analysis.warnings) != reachable
    by_rate = compare_subregions(
        cohort(n=6, effects=dict.fromkeys(FEATURES, 50.0)), FEATURES, test="wilcoxon", correction="bh"
    )
    assert len(by_rate.significant) == 47
    assert not any("could not become significant" in warning for warning in by_rate.warnings)


def test_the_difference_that_a_cohort_can_find_has_the_power_stated():
    dz = detectable_dz(14, 0.05 / 47)
    rng = np.random.default_rng(0)
    p = stats.ttest_1samp(rng.normal(dz, 1, (20_000, 14)), 0, axis=1).pvalue
    assert np.mean(p < 0.05 / 47) == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 20_000))
    assert detectable_dz(2, 0.05) is None


def test_equal_differences_are_told_apart_from_none():
    table = {
        f"P{n}": ({"same": 1.5 * n, "shifted": n + 0.25}, {"same": 1.5 * n, "shifted": float(n)}) for n in range(12)
    }
    analysis = compare_subregions(table, ["same", "shifted"])
    same, shifted = analysis.features
    assert same.p is None and not same.significant and same.p_bonferroni is None
    assert any("no pair differs" in warning for warning in same.warnings)
    assert any("No test for same" in warning for warning in analysis.warnings)
    assert shifted.p_paired_t is None and shifted.effect_size.value is None
    assert any("all differences are equal (0.25)" in warning for warning in shifted.warnings)
    assert analysis.n_tests == 2 and shifted.p_bonferroni == 2 * shifted.p  # the feature without a test counts


def test_a_feature_with_a_single_pair_is_kept_without_a_test():
    table = cohort(n=12, effects={"b": 2.0}, features=("a", "b"))
    for patient in list(table)[1:]:
        table[patient][1]["a"] = math.nan
    analysis = compare_subregions(table, ("a", "b"))
    first, second = analysis.features
    assert (first.n, first.n_missing, first.p, first.significant, first.method) == (1, 11, None, False, "no test")
    assert second.p_bonferroni == 2 * second.p and second.significant
    assert any("No test for a" in warning for warning in analysis.warnings)


def test_differences_that_follow_the_volume_are_reported():
    rng = np.random.default_rng(2)
    ratio = rng.uniform(-2.5, -0.3, 14)
    table, volumes = {}, {}
    for n in range(14):
        table[f"P{n}"] = (
            {"size": 5 - 2 * ratio[n] + rng.normal(0, 0.1), "tissue": 3 + rng.normal(0, 0.3)},
            {"size": 5.0, "tissue": 0.0},
        )
        volumes[f"P{n}"] = (20 * math.exp(ratio[n]), 20.0)
    analysis = compare_subregions(table, ["size", "tissue"], volumes_cm3=volumes)
    size, tissue = analysis.features
    assert size.significant and tissue.significant
    x, y = columns(table, "size")
    line = stats.linregress(ratio, x - y)
    assert size.volume.r == pytest.approx(line.rvalue, rel=1e-9) and size.volume.p == pytest.approx(
        line.pvalue, rel=1e-6
    )
    assert size.volume.at_equal_volumes == pytest.approx(line.intercept, rel=1e-9, abs=1e-12)
    reach = stats.t.isf(0.025, 12) * line.intercept_stderr
    assert size.volume.high - size.volume.at_equal_volumes == pytest.approx(reach, rel=1e-9)
    assert size.volume.low < 0 < size.volume.high and size.volume.extrapolated
    assert tissue.volume.low > 2 and not tissue.volume.follows_volume
    assert analysis.n_recurrent_smaller == 14
    assert any("smaller than GTVnr in 14 of 14 patients" in warning for warning in analysis.warnings)
    assert any("cannot be told apart without extrapolation" in warning for warning in analysis.warnings)
    assert any("1 significant feature (size) correlate" in warning for warning in analysis.warnings)
    assert any("No volumes were given" in warning for warning in compare_subregions(table, ["size"]).warnings)


def test_volumes_of_some_patients_and_equal_ratios():
    assert relate_to_volume(np.array([1.0, 2, 4]), np.array([0.5, 0.5, 0.5]), 0.95).r is None
    assert relate_to_volume(np.array([1.0, np.nan]), np.array([np.nan, 1.0]), 0.95).n == 0
    found = relate_to_volume(np.array([1.0, 2, 4, 3, np.nan]), np.array([-1.0, 0.5, np.nan, 0.2, 1.0]), 0.95)
    assert found.n == 3 and found.r is not None and found.at_equal_volumes is None


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(1e-9, 1e9), seed=st.integers(0, 1000), shift=st.floats(-100, 100), order=st.permutations(range(12))
)
def test_units_and_the_order_of_patients_change_no_p_value(scale, seed, shift, order):
    table = cohort(n=12, effects={"b": 1.0}, features=("a", "b"), seed=seed)
    patients = list(table)
    other = {
        patients[n]: tuple(
            {name: scale * (value + shift) for name, value in side.items()} for side in table[patients[n]]
        )
        for n in order
    }
    first, second = (compare_subregions(each, ("a", "b")) for each in (table, other))
    for name in ("a", "b"):
        assert second.feature(name).p == pytest.approx(first.feature(name).p, rel=1e-6)
        assert second.feature(name).difference.mean == pytest.approx(
            scale * first.feature(name).difference.mean, rel=1e-6, abs=1e-9 * scale
        )


def test_swapping_the_regions_turns_every_sign():
    table = cohort(effects={"NGTDM_Busyness": -1.5})
    swapped = {name: pair[::-1] for name, pair in table.items()}
    for one, other in zip(*(compare_subregions(t, FEATURES).features for t in (table, swapped)), strict=True):
        assert other.p == pytest.approx(one.p, rel=1e-9)
        assert other.difference.mean == pytest.approx(-one.difference.mean, rel=1e-9, abs=1e-12)


# -- the paper --


def test_the_printed_p_values_follow_from_the_printed_means():
    found = consistency()
    assert len(found) == 6 and all(result.status == "consistent" for result in found.values())


def test_wilcoxons_printed_p_is_a_possible_one():
    counts = np.ones(1)
    for rank in range(1, 15):
        counts = np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))
    possible = 2 * np.cumsum(counts) / 2**14
    fits = [v for v in range(20) if round(possible[v], 4) == 0.0009]
    assert fits == [4] and published_subregions().feature("GLSZM_LZE").p == "0.0009"


def test_the_published_resource_agrees_with_the_paper_checker():
    facts = json.loads(FACTS_FILE.read_text(encoding="utf-8"))["facts"]
    checked = {
        (check["mean"], check["sd"], check["n"], check["p"])
        for fact in facts
        if fact["paper"] == "akram2020"
        for check in fact["checks"]
        if check["check"] == "paired_t"
    }
    published = published_subregions()
    mine = {
        (e.mean_text, e.sd_text, published.n_patients, e.p) for e in published.features if e.test == "paired t-test"
    }
    assert mine == checked
    assert [each.name for each in published.features if each.direction < 0] == [
        "GLSZM_LZE", "Intensity_Variance", "NGTDM_Busyness",
    ]  # fmt: skip


def test_the_published_features_are_those_of_the_panel():
    from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, PUBLISHED_SIGNIFICANT

    assert set(PUBLISHED_SIGNIFICANT) == set(SEVEN) <= set(FEATURE_NAMES)
    assert published_subregions().n_features == len(FEATURE_NAMES)


# -- tables from files --


def written(tmp_path, text, name="features.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_table(path, TableFormat(), None)


HEADER = "patient,region,volume_cm3,n_voxels,GLSZM_GLV,NGTDM_Strength\n"


def test_rows_become_pairs(tmp_path):
    table = written(
        tmp_path,
        HEADER + "B,GTVnr,20,800,1,2\nB,GTVr,5,200,3,\nA,GTVr,7.5,300,5,6\nA,GTVnr,30,900,7,8\nA,GTV,37.5,1200,0,0\n",
    )
    values = paired_values_from_rows(table, feature_names=("NGTDM_Strength", "GLSZM_GLV"))
    assert values.patients == ("B", "A")
    np.testing.assert_array_equal(values.recurrent, [[np.nan, 3], [6, 5]])
    np.testing.assert_array_equal(values.nonrecurrent, [[2, 1], [8, 7]])
    np.testing.assert_array_equal(values.volumes_cm3, [[5, 20], [7.5, 30]])
    np.testing.assert_array_equal(values.n_voxels, [[200, 800], [300, 900]])
    assert [(m.patient, m.region, m.feature, m.reason) for m in values.missing] == [
        ("B", "GTVr", "NGTDM_Strength", EMPTY)
    ]
    assert values.notes == ("1 row of the whole GTV passed over.",)


def test_one_file_per_patient_and_lists_of_rows(tmp_path):
    tables = [
        written(tmp_path, HEADER + f"{name},GTVr,5,1,{n},2\n{name},GTVnr,20,1,1,2\n", f"{name}.csv")
        for n, name in enumerate("ABC")
    ]
    rows = [{"patient": "D", "region": region, "GLSZM_GLV": 4.0, "note": "x"} for region in ("GTVnr", "GTVr")]
    values = paired_values_from_rows(*tables, rows, feature_names=("GLSZM_GLV",))
    assert values.patients == ("A", "B", "C", "D") and values.recurrent[:, 0].tolist() == [0, 1, 2, 4]
    assert np.isnan(values.volumes_cm3[3]).all()
    assert any("note" in note for note in values.notes) and any("volume_cm3" in note for note in values.notes)
    assert compare_subregions(values).n == 4


def test_what_the_command_writes_is_read_back(tmp_path):
    from NPCRadiomicsRiskLib.commands.feature_rows import rows_of, write_rows
    from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, TextureSettings, texture_panel

    rng = np.random.default_rng(0)
    volume = rng.normal(100, 10, (6, 20, 20))
    mask = np.zeros(volume.shape, bool)
    mask[1:5, 3:17, 3:10] = True
    other = np.zeros_like(mask)
    other[1:5, 3:17, 10:17] = True
    features = texture_panel(volume, {"GTVr": mask, "GTVnr": other}, (1.0, 1.0, 1.0), TextureSettings(n_levels=16))
    path = tmp_path / "features.csv"
    write_rows(rows_of("REC001", features), path)
    values = paired_values_from_rows(read_table(path, TableFormat(), None))
    assert values.feature_names == FEATURE_NAMES and values.patients == ("REC001",)
    np.testing.assert_allclose(
        values.recurrent[0], [features["GTVr"].values[name] for name in FEATURE_NAMES], rtol=1e-11
    )
    assert values.n_voxels.tolist() == [[features["GTVr"].n_voxels, features["GTVnr"].n_voxels]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("A,GTVr,5,1,x,2\nA,GTVnr,5,1,1,2\n", 'row 2, column GLSZM_GLV: "x" is no number'),
        ("A,GTVr,5,1,1,inf\nA,GTVnr,5,1,1,2\n", "row 2, column NGTDM_Strength"),
        ("A,GTVR,5,1,1,2\n", 'row 2, column region: "GTVR" is no sub-region. Did you mean "GTVr"'),
        ("A,,5,1,1,2\n", "row 2, column region: empty. Write GTVr or GTVnr"),
        (",GTVr,5,1,1,2\n", "row 2, column patient: empty"),
        ("A,GTVr,5,1,1,2\nA,GTVr,5,1,1,2\n", 'row 3: GTVr of patient "A" is already in features.csv, row 2'),
        ("A,GTVr,5,1,1,2\n", 'patient "A" has a row for GTVr (row 2) and none for GTVnr'),
        ("A,GTVr,-5,1,1,2\nA,GTVnr,5,1,1,2\n", "row 2, column volume_cm3: -5 is not positive"),
        ("A,GTV,5,1,1,2\n", "no row of a sub-region"),
    ],
)
def test_faults_of_a_table_are_named_with_row_and_column(tmp_path, rows, message):
    with pytest.raises(InputError) as caught:
        paired_values_from_rows(written(tmp_path, HEADER + rows), feature_names=("GLSZM_GLV", "NGTDM_Strength"))
    assert message in str(caught.value)


def test_a_misspelled_column_is_answered_with_the_nearest(tmp_path):
    table = written(tmp_path, "patient,region,NGTDM_Strenght\nA,GTVr,1\nA,GTVnr,2\n")
    with pytest.raises(InputError, match=r'no column "NGTDM_Strength".*Did you mean "NGTDM_Strenght"'):
        paired_values_from_rows(table, feature_names=("NGTDM_Strength",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_names": ["NGTDM_Busynes"]}, 'Did you mean "NGTDM_Busyness"'),
        ({"feature_names": ["Other_1", "Other_1"]}, "named twice"),
        ({"feature_names": None}, "no feature is named"),
        ({"alpha": 1.5}, "alpha"),
        ({"correction": "sidak"}, '"sidak" is no correction'),
        ({"test": "sign"}, '"sign" is no test'),
        ({"shown": ["Other_99"]}, 'no column "Other_99"'),
        ({"volumes_cm3": {"REC001": (0, 4)}}, "volume must be positive"),
        ({"table": {}}, "no patient"),
        ({"table": dict([*cohort(n=2).items()][:1])}, "1 patient: a comparison of pairs needs 2"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    arguments = {"table": cohort(n=3), "feature_names": FEATURES} | change
    with pytest.raises(InputError) as caught:
        compare_subregions(arguments.pop("table"), arguments.pop("feature_names"), **arguments)
    assert message in str(caught.value)


def test_an_infinite_value_is_refused_and_inputs_stay_as_they_are():
    table = cohort(n=4)
    table["REC002"][1]["Other_7"] = math.inf
    with pytest.raises(InputError, match="REC002, GTVnr, Other_7: infinite"):
        compare_subregions(table, FEATURES)
    values = paired_values(cohort(n=4), FEATURES)
    before = values.recurrent.copy()
    compare_subregions(values)
    np.testing.assert_array_equal(values.recurrent, before)


# -- tables of results --


def test_tables_carry_the_numbers_and_the_notes():
    table = cohort(effects=dict.fromkeys(SEVEN, 2.5), seed=9)
    table["REC001"][0]["Other_1"] = None
    volumes = {name: (5.0 + n, 20.0) for n, name in enumerate(table)}
    analysis = compare_subregions(table, FEATURES, volumes_cm3=volumes)
    found = {each.name: each for each in tables(analysis)}
    assert set(found) == {
        "comparison", "significant", "correlations", "components", "loadings", "scores", "boxes", "missing",
    }  # fmt: skip
    for each in found.values():
        assert each.title and all(len(row) == len(each.columns) for row in each.rows)
        json.dumps([each.columns, each.rows, each.notes], allow_nan=False)
    comparison = found["comparison"]
    row = dict(zip(comparison.columns, comparison.rows[0], strict=True))
    first = analysis.features[0]
    assert (row["feature"], row["mean_difference"], row["p"]) == (first.name, first.difference.mean, first.p)
    assert row["published_mean"] == 0.0406 and row["significant"] == "yes"
    assert row["r_with_log_volume"] == first.volume.r
    assert comparison.notes == (*analysis.decisions, *analysis.warnings)
    assert [row[0] for row in found["significant"].rows] == list(analysis.significant)
    assert len(found["scores"].rows) == 28 and found["missing"].rows[0][:3] == ("REC001", "GTVr", "Other_1")


def test_two_patients_give_tables_without_nan():
    analysis = compare_subregions(cohort(n=2), FEATURES)
    for each in tables(analysis):
        json.dumps([each.rows, each.notes], allow_nan=False)
    assert not analysis.significant
