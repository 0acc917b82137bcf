"""Reports of sub-regions: self-contained, safe with any label, no names of files, figures that show what they say."""

import dataclasses
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from NPCRadiomicsRiskLib.commands.patient_inputs import PatientInputs
from NPCRadiomicsRiskLib.commands.patient_measurement import MeasurementChoice, measure_patient
from NPCRadiomicsRiskLib.commands.subregions_results import build_report
from NPCRadiomicsRiskLib.commands.texture_options import TextureChoice
from NPCRadiomicsRiskLib.heterogeneity.comparison import compare_subregions
from NPCRadiomicsRiskLib.heterogeneity.paired_values import PairedValues
from NPCRadiomicsRiskLib.heterogeneity.tables import tables
from NPCRadiomicsRiskLib.report import (
    heterogeneity_figures,
    heterogeneity_report,
    subregions_figures,
    subregions_report,
)
from NPCRadiomicsRiskLib.report.planes import MARKS, Plane, gray
from NPCRadiomicsRiskLib.robustness.cohort_size_control import cohort_size_control
from NPCRadiomicsRiskLib.robustness.size_control import FeatureSizeControl, SizeControl
from NPCRadiomicsRiskLib.robustness.stability import MeasuredRegions
from NPCRadiomicsRiskLib.texture.panel47 import FEATURE_NAMES, PUBLISHED_SIGNIFICANT
from NPCResponseLib import headless
from NPCResponseLib.report.provenance import Provenance
from Testing.subregion_files import write_patient

# -- planes --


def grid(angles_deg, spacing, origin) -> np.ndarray:
    """ijk to RAS of an oblique grid."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix() @ np.diag(spacing)
    matrix[:3, 3] = origin
    return matrix


angles = st.tuples(*[st.floats(-60, 60)] * 3)


@settings(max_examples=25, deadline=None)
@given(angles, st.tuples(*[st.floats(0.6, 5.0)] * 3), st.sampled_from(list(MARKS)))
def test_plane_of_an_oblique_image_shows_the_patient_s_own_axes(angles_deg, spacing, name):
    """An image whose voxels hold a linear function of R, A and S shows that function wherever it reaches."""
    shape = (24, 26, 28)
    matrix = grid(angles_deg, spacing, (0, 0, 0))
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)  # around the origin
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)[..., ::-1]
    ras = indices @ matrix[:3, :3].T + matrix[:3, 3]
    slope = np.array([1.0, -0.5, 0.25])
    plane = Plane.through(np.zeros(3), name, 6.0, 0.75)
    found = plane.sample(ras @ slope + 500, matrix)
    np.testing.assert_allclose(found, plane.points_ras @ slope + 500, atol=1e-2)
    assert plane.sample_mask(np.ones(shape, bool), matrix).all()
    far = Plane.through(np.array([5000.0, 0, 0]), name, 6.0, 0.75)
    assert not far.sample(ras @ slope + 500, matrix).any()


@pytest.mark.parametrize(("name", "right", "up"), [("axial", "L", "A"), ("coronal", "L", "S"), ("sagittal", "P", "S")])
def test_directions_on_the_screen_are_those_of_radiologists(name, right, up):
    plane = Plane.through(np.zeros(3), name, 10.0, 1.0)
    letters = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    for letter, step in ((right, plane.points_ras[0, 1] - plane.points_ras[0, 0]),
                         (up, plane.points_ras[0, 0] - plane.points_ras[1, 0])):  # fmt: skip
        axis, sign = letters[letter]
        assert step[axis] * sign == pytest.approx(1.0)
    assert MARKS[name][1] == right and MARKS[name][2] == up
    assert plane.points_ras[5, 5] == pytest.approx(np.zeros(3))


def test_pictures_are_centered_on_the_tumor_and_go_through_the_recurrence():
    center, through = (1.0, 2.0, 3.0), (10.0, 20.0, 30.0)
    assert subregions_figures.in_plane(center, through, "axial").tolist() == [1, 2, 30]
    assert subregions_figures.in_plane(center, through, "coronal").tolist() == [1, 20, 3]
    assert subregions_figures.in_plane(center, through, "sagittal").tolist() == [10, 2, 3]
    assert subregions_figures.in_plane(center, None, "axial").tolist() == [1, 2, 3]


def test_gray_scale_leaves_air_black_and_does_not_hang_on_one_voxel():
    image = np.linspace(0, 100, 10_000).reshape(100, 100)
    image[50, 50] = 1e6
    shown = gray(image)
    assert shown.min() == 0 and shown.max() == 1 and shown[0, 0] == 0
    assert np.median(shown) == pytest.approx(0.5, abs=0.02)
    assert not gray(np.zeros((4, 4))).any()


def test_outlines_and_borders_are_drawn_where_the_regions_are():
    """A cube in the middle of a picture of 60 mm, 0.5 mm per pixel."""
    matrix = grid((0, 0, 0), (1, 1, 1), (-30, -30, -30))
    cube = np.zeros((60, 60, 60), bool)
    cube[20:40, 20:40, 20:40] = True
    image = np.where(cube, 800.0, 200.0)
    figure = subregions_figures.regions_figure(
        image, matrix, {"GTV": cube, "GTVr": cube}, matrix, (0.0, 0.0, 0.0), None, 60.0
    )
    assert len(figure.axes) == 3 and [axes.get_title() for axes in figure.axes] == ["Axial", "Coronal", "Sagittal"]
    for axes in figure.axes:
        corners = np.concatenate([path.vertices for part in axes.collections for path in part.get_paths()])
        # Voxels from -10.5 to 9.5 mm, in an image that is turned: right of the patient is left.
        assert corners.min(axis=0) == pytest.approx([40, 40], abs=2.5)
        assert corners.max(axis=0) == pytest.approx([80, 80], abs=2.5)
    shifted = matrix.copy()
    shifted[:3, 3] += (7.0, 0.0, 0.0)
    back = np.eye(4)
    back[:3, 3] = (-7.0, 0.0, 0.0)
    figure = subregions_figures.alignment_figure(image, matrix, image, shifted, back, (0.0, 0.0, 0.0), 60.0)
    assert len(figure.axes) == 6
    (line,) = (line for line in figure.axes[3].get_lines())
    borders = np.array(line.get_data()).T
    assert borders.min(axis=0) == pytest.approx([40, 40], abs=3) and borders.max(axis=0) == pytest.approx(
        [80, 80], abs=3
    )


# -- one patient --


class Outside(HTMLParser):
    """Collects what a page would load from elsewhere, and scripts."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "srcset") and not (value or "").startswith("data:"):
                self.found.append((tag, name, value))


def assert_self_contained(html: str) -> None:
    parser = Outside()
    parser.feed(html)
    assert parser.found == [] and "script" not in parser.tags and "link" not in parser.tags
    assert "@import" not in html and not re.search(r"url\((?!['\"]?data:)", html)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """GTVr is drawn on the pre-treatment image; the label and the files' names are malicious."""
    headless.start().Clear(0)
    files = write_patient(tmp_path_factory.mktemp("reports") / "LI_NA", stem="LI_NA_1980")
    inputs = PatientInputs(
        patient="{{ 7*7 }} <script>alert(1)</script> & {% raw %}",
        pre=files.path("pre.nrrd"),
        gtv=files.path("gtv.nrrd"),
        gtvr=files.path("gtvr_on_pre.nrrd"),
        dose=files.path("dose.nrrd"),
        prescription_gy=70.0,
    )
    choice = MeasurementChoice(
        texture=TextureChoice(voxel_size_mm=2.5, n_levels=16), with_map=True, n_stability=1, n_size_control=2
    )
    measured = measure_patient(inputs, choice, lambda *_: None, lambda: None)
    measured = dataclasses.replace(measured, warnings=(f"{files.path('pre.nrrd').name}: a remark <b>.",))
    return build_report(measured, choice)


@pytest.fixture(scope="module")
def html(report):
    return subregions_report.render(report)


def test_report_is_one_file_that_loads_nothing_and_runs_nothing(html):
    assert_self_contained(html)
    assert html.count('src="data:image/svg+xml') + html.count("src='data:image/svg+xml") >= 3


def test_label_is_text_and_never_markup_or_template(html):
    assert "{{ 7*7 }} &lt;script&gt;alert(1)&lt;/script&gt; &amp; {% raw %}" in html
    assert "<script>alert" not in html and "49 <" not in html


def test_report_names_no_file_and_quotes_warnings_safely(html):
    text = re.sub(r"base64,[^\"]+", "", html)
    assert "LI_NA" not in text and "1980" not in text
    assert "a remark &lt;b&gt;." in text


def test_report_says_verdict_before_pictures_and_ends_with_provenance(html):
    places = [html.index(word) for word in ("GTVr in GTV", "<img", "All 47 features", "Methods", "Provenance")]
    assert places == sorted(places)
    assert (html.count("Research use only; not for diagnosis") >= 2 and "@page" in html) or "@media print" in html


def test_report_has_every_feature_with_its_meaning_and_the_published_seven(report, html):
    rows = subregions_report.family_rows(report.measured.features.features)
    assert sum(len(features) for _family, features in rows) == 47
    published = subregions_report.published_rows(report.measured.features.features, report.measured.size_control)
    assert [row["name"] for row in published] == list(PUBLISHED_SIGNIFICANT)
    for row in published:
        assert row["difference"] == pytest.approx(row["recurrent"] - row["other"])
        assert row["here"] == ("higher" if row["difference"] > 0 else "lower")
        assert row["agrees"] == (row["here"] == row["published"])
    assert "Random parts" in html and "cut at random from this tumor" in html


def test_report_without_map_dose_or_controls_has_no_empty_sections(report):
    bare = dataclasses.replace(
        report.measured, map=None, stability=None, size_control=None,
        subregions=dataclasses.replace(report.measured.subregions, in_field=None),
    )  # fmt: skip
    html = subregions_report.render(dataclasses.replace(report, measured=bare))
    for word in ("radio-resistance", "Stability", "Random parts", "isodose", "Quality of the alignment", "None"):
        assert word not in re.sub(r"base64,[^\"]+", "", html), word
    assert "nan" not in re.sub(r"<style.*?</style>|base64,[^\"]+", "", html, flags=re.DOTALL).lower().split()


def test_random_parts_are_told_with_their_range_and_what_lies_beyond():
    each = FeatureSizeControl("NGTDM_Busyness", -0.5, -0.1, -0.4, -0.2, 0.0, None, 10)
    assert subregions_report._random_parts(each) == "-0.1 (-0.2 to 0)" and subregions_report._is_beyond(each)
    assert not subregions_report._is_beyond(dataclasses.replace(each, difference=-0.15))
    # Less of a difference than size gives: the direction shown is not confirmed.
    assert not subregions_report._is_beyond(dataclasses.replace(each, difference=-0.05, low=-0.2, high=-0.1))
    assert subregions_report._random_parts(None) == "–" and not subregions_report._is_beyond(None)


# -- a cohort --


def cohort_values(n: int = 14, seed: int = 0) -> PairedValues:
    """Every feature: Coarseness differs by size alone, Mean by tissue, the rest not."""
    rng = np.random.default_rng(seed)
    recurrent, rest = rng.normal(0, 1, (2, n, 47))
    for name in ("Intensity_Mean", "NGTDM_Coarseness", "NGTDM_Strength"):
        recurrent[:, FEATURE_NAMES.index(name)] += 6
    names = tuple(f"<P{number}> & {{{{x}}}}" for number in range(n))
    return PairedValues(names, FEATURE_NAMES, recurrent, rest)


def size_controls(values: PairedValues) -> dict[str, SizeControl]:
    """Random parts: Coarseness differs as much, Strength twice as much, nothing else."""
    expected = np.zeros(47)
    expected[FEATURE_NAMES.index("NGTDM_Coarseness")] = 6
    expected[FEATURE_NAMES.index("NGTDM_Strength")] = 12
    found = {}
    for row, patient in enumerate(values.patients):
        regions = MeasuredRegions("", 0, "as drawn", 0.0, values.recurrent[row], values.nonrecurrent[row], {})
        features = tuple(
            FeatureSizeControl(name, d, e, d - e, e - 1, e + 1, None, 4)
            for name, d, e in zip(FEATURE_NAMES, regions.differences.tolist(), expected.tolist(), strict=True)
        )
        found[patient] = SizeControl(FEATURE_NAMES, regions, (regions,) * 4, features, "4 divisions", ())
    return found


@pytest.fixture(scope="module")
def cohort():
    values = cohort_values()
    analysis = compare_subregions(values)
    beyond = cohort_size_control(size_controls(values), analysis)
    report = heterogeneity_report.HeterogeneityReport(
        analysis=analysis,
        tables=[*tables(analysis), beyond.table()],
        figures=heterogeneity_figures.draw(analysis, values),
        failures=[("<Q> {{y}}", "GTV is <empty> & {%")],
        patient_warnings=[("<R>", "a <b>remark</b>")],
        settings=None,
        provenance=Provenance.now([("--alpha", "0.05")]),
        size_control=beyond,
    )
    return SimpleNamespace(values=values, beyond=beyond, report=report, html=heterogeneity_report.render(report))


def test_features_are_sorted_by_what_size_explains(cohort):
    assert cohort.beyond.beyond_size == ("Intensity_Mean",)
    assert cohort.beyond.size_alone == ("NGTDM_Coarseness",)
    assert cohort.beyond.opposite == ("NGTDM_Strength",)
    rows = {row["name"]: row["beyond"] for row in heterogeneity_report.beyond_rows(cohort.beyond)}
    assert rows["Intensity Mean"] == "yes" and rows["NGTDM Coarseness"] == "no" and rows["NGTDM Strength"] == "opposite"
    assert rows["GLSZM ZSV"] == "–"


def test_verdict_of_a_cohort_tells_what_size_explains(cohort):
    told = " ".join(cohort.report.verdict())
    assert "3 of 47 features differ significantly" in told
    assert "1 of these 3 stay significant beyond size" in told
    assert "size of the regions alone may explain NGTDM Coarseness." in told
    assert "the other way round for NGTDM Strength." in told
    assert "Of the 7 features of the publication none differ beyond size" in told
    assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in cohort.report.verdict())


def test_cohort_report_is_self_contained_and_safe_with_any_label(cohort):
    assert_self_contained(cohort.html)
    for label in ("&lt;Q&gt; {{y}}", "GTV is &lt;empty&gt; &amp; {%", "&lt;R&gt;", "a &lt;b&gt;remark&lt;/b&gt;"):
        assert label in cohort.html
    assert "<Q>" not in cohort.html and "<b>remark" not in cohort.html


def test_figures_of_a_cohort_show_every_pair(cohort):
    drawn = {each.name: each.figure for each in cohort.report.figures}
    assert set(drawn) == {"pairs", "effects", "correlations", "components"}
    panel = drawn["pairs"].axes[0]
    lines = [line for line in panel.get_lines() if line.get_color() == "#BBBBBB"]
    assert len(lines) == cohort.values.n
    name = panel.get_title(loc="left").split("\n")[0].replace(" ", "_")
    column = cohort.values.feature_names.index(name)
    shown = np.array([line.get_ydata() for line in lines])
    np.testing.assert_allclose(shown[:, 0], cohort.values.recurrent[:, column])
    np.testing.assert_allclose(shown[:, 1], cohort.values.nonrecurrent[:, column])
    assert len(drawn["effects"].axes[0].get_yticklabels()) == 47


def test_cohort_without_a_finding_still_has_a_report():
    values = cohort_values(6)
    analysis = compare_subregions(values, alpha=1e-12)
    report = heterogeneity_report.HeterogeneityReport(
        analysis=analysis, tables=tables(analysis), figures=heterogeneity_figures.draw(analysis, values), failures=[],
        patient_warnings=[], settings=None, provenance=Provenance.now(),
    )  # fmt: skip
    html = heterogeneity_report.render(report)
    assert report.verdict()[0].startswith("None of 47 features differ")
    assert "smallest p are shown" in html and "Beyond the sizes" not in html
