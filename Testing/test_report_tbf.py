"""The report of one blood flow measurement: number first, every parameter with its source, self-contained, nameless."""

import base64
import re
from dataclasses import replace
from datetime import datetime, timezone

import matplotlib
import numpy as np
import pytest

from NPCResponseLib import headless
from NPCResponseLib.asl_series import AslRole
from NPCResponseLib.mrml.asl_series import add_asl_series_to_scene
from NPCResponseLib.mrml.image_series import reference_volume
from NPCResponseLib.mrml.measured_values import tbf_value
from NPCResponseLib.mrml.sample_data import add_phantom_segmentation
from NPCResponseLib.mrml.segments import segment_id_by_name
from NPCResponseLib.mrml.tbf import TbfJob
from NPCResponseLib.perfusion import PerfusionModel, PerfusionStatus
from NPCResponseLib.phantom.asl import simulate_asl
from NPCResponseLib.phantom.grid import PhantomGrid
from NPCResponseLib.report import tbf_text
from NPCResponseLib.report.provenance import InputRecord, NameCloak, Provenance
from NPCResponseLib.report.tbf_report import TbfReport, render
from Testing.test_report import NOTICE, Page, flat

# The tumor lies in the middle of this slab.
GRID = PhantomGrid.axial((6, 78, 60), (4, 3, 3), center_ras=(0, 4, 2), slice_thickness_mm=4)
PROVENANCE = Provenance.now(
    [("--label-duration", "1500")],
    [InputRecord("image", ".nii.gz", "0f" * 32)],
    datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc),
)
DELAYS_MS = (500, 1000, 1500, 2000, 2500, 3000)


def measure(acquisition, *, with_region=True, series=None):
    """The result of the whole job, as the commands and the panel get it."""
    scene = headless.start()
    scene.Clear()
    node = add_asl_series_to_scene(series or acquisition.series)
    if not with_region:
        return TbfJob(node).run()
    segmentation = add_phantom_segmentation(acquisition, reference_volume(node), "regions")
    tumor, necrosis = (segment_id_by_name(segmentation, name) for name in ("tumor", "necrosis"))
    return TbfJob(node, None, segmentation, tumor, [necrosis]).run()


def page_of(result, **options) -> tuple[str, Page]:
    html = render(TbfReport(result, PROVENANCE, **options))
    return html, Page(html)


@pytest.fixture(scope="module")
def acquisition():
    return simulate_asl("pre", snr=150, n_pairs=4, grid=GRID)


@pytest.fixture(scope="module")
def single(acquisition):
    return measure(acquisition)


@pytest.fixture(scope="module")
def single_page(single):
    return page_of(single)


@pytest.fixture(scope="module")
def several():
    return measure(simulate_asl("pre", snr=300, n_pairs=2, grid=GRID, post_labeling_delays_ms=DELAYS_MS))


@pytest.fixture(scope="module")
def several_page(several):
    return page_of(several)


@pytest.fixture(scope="module")
def difference():
    """What GE's product sequence stores: one ready difference, so no repeats."""
    return measure(simulate_asl("pre", snr=150, grid=GRID, product_nex=3))


@pytest.fixture(scope="module")
def vendor_map(acquisition, single):
    flow = single.perfusion.tbf_ml_per_100g_min
    facts = {"volumes": (flow,), "roles": (AslRole.FLOW,), "post_labeling_delays_ms": (None,)}
    return measure(acquisition, series=replace(acquisition.series, **facts))


@pytest.fixture(scope="module")
def without_region(acquisition):
    return measure(acquisition, with_region=False)


@pytest.fixture(scope="module", params=["single", "several", "difference", "vendor_map", "without_region"])
def any_page(request):
    return page_of(request.getfixturevalue(request.param))


# -- every kind of result --


def test_page_is_well_formed_and_refers_to_nothing_outside_itself(any_page):
    html, page = any_page
    assert page.problems == [] and page.open == []
    assert len(page.images) >= 2
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in page.references)
    assert "script" not in html.lower()


def test_pictures_refer_to_nothing_outside_themselves(any_page):
    for image in any_page[1].images:
        svg = base64.b64decode(image["src"].split(",", 1)[1]).decode()
        targets = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert all(target.startswith(("#", "data:")) for target in targets), targets


def test_every_picture_has_a_text_of_its_own_for_those_who_cannot_see_it(any_page):
    texts = [image.get("alt", "") for image in any_page[1].images]
    assert all(len(text) > 20 for text in texts)
    assert len(set(texts)) == len(texts)


def test_research_notice_stands_at_top_and_bottom(any_page):
    text = flat(any_page[1].text)
    assert text.startswith(NOTICE) and text.endswith(NOTICE)


def test_verdict_comes_before_pictures_and_they_before_methods(any_page):
    html = any_page[0]
    assert html.index('class="verdict"') < html.index("<figure") < html.index("<h2>Methods") < html.index("<h2>Prov")


def test_every_citation_has_its_reference_and_every_reference_is_cited(any_page):
    html = any_page[0]
    methods = html[html.index("<h2>Methods") : html.index("<h2>Provenance")]
    body = methods.split("<h3>References")[0]
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", body)}
    assert cited == set(range(1, methods.count("<li>") - body.count("<li>") + 1))


@pytest.mark.parametrize(
    ("kind", "authors"),
    [
        ("single", {"Liu J", "Alsop DC", "Buxton RB"}),
        ("several", {"Liu J", "Buxton RB"}),
        ("vendor_map", {"Liu J"}),
    ],
)
def test_papers_cited_are_those_of_what_was_done(kind, authors, request):
    html = page_of(request.getfixturevalue(kind))[0]
    references = html.split("<h3>References")[1].split("</ol>")[0]
    assert set(re.findall(r"<li>(\w+ \w+)", references)) == authors


# -- the number --


@pytest.mark.parametrize("kind", ["single", "several", "difference", "vendor_map"])
def test_verdict_tells_the_number_that_a_response_is_judged_by(kind, request):
    result = request.getfixturevalue(kind)
    value = tbf_value(result)
    text = flat(page_of(result)[1].text).replace("\N{MINUS SIGN}", "-")
    low, high = value.interval()
    assert f"{value.value:.1f} mL/100 g/min" in text
    assert f"± {value.standard_error:.1f} mL/100 g/min standard error" in text
    assert f"95 % CI {low:.1f} to {high:.1f}" in text


def test_number_by_the_slices_is_that_of_the_paper_s_rule(single, single_page):
    by_slices = np.mean([part.mean for part in single.slice_means.by_slice])
    assert f"{by_slices:.1f} mL/100 g/min" in flat(single_page[1].text)
    assert "largest slice and its two neighbors" in single_page[1].text


def test_report_without_region_says_so_and_tells_no_number(without_region):
    text = flat(page_of(without_region)[1].text)
    assert "No region" in text and "no segmentation was given" in text
    assert "standard error 0" not in text and "95 % CI" not in text


def test_each_slice_of_the_region_is_told(single, several):
    for result in (single, several):
        html = page_of(result)[0]
        assert len(result.slice_means.by_slice) == 3
        for part in result.slice_means.by_slice:
            assert f"slice {part.slices_k[0] + 1}<" in html or f"<td>{part.slices_k[0] + 1}</td>" in html


# -- what it rests on --


@pytest.mark.parametrize("kind", ["single", "several", "difference"])
def test_every_parameter_stands_with_its_source(kind, request):
    result = request.getfixturevalue(kind)
    text = flat(page_of(result)[1].text)
    assert len(result.perfusion.parameters) > 5
    for parameter in result.perfusion.parameters:
        assert f"{parameter.value:.6g}" in text
    rows = re.findall(r"<tr( class=\"assumed\")?><td>(.*?)</td>.*?</tr>", page_of(result)[0], flags=re.DOTALL)
    marked = {name for assumed, name in rows if assumed}
    assert len(marked) == sum(parameter.assumed for parameter in result.perfusion.parameters) > 0


def test_parameter_that_the_user_typed_is_not_marked_as_assumed(single):
    typed = tuple(replace(parameter, source="typed", assumed=False) for parameter in single.perfusion.parameters)
    html = page_of(replace(single, perfusion=replace(single.perfusion, parameters=typed)))[0]
    assert 'class="assumed"' not in html
    assert html.count("<td>typed</td>") == len(typed)


def test_one_delay_tells_its_bias_and_several_their_fit(single_page, several_page):
    def texts(page):
        return " ".join(image["alt"] for image in page[1].images)

    assert "single-delay formula" in texts(single_page) and "each post-labeling delay" not in texts(single_page)
    assert "each post-labeling delay" in texts(several_page) and "single-delay formula" not in texts(several_page)
    assert "Buxton" in several_page[1].text


def test_numbers_of_the_formula_are_those_of_the_parameters(single_page):
    text = flat(single_page[1].text)
    assert "exp(2025/1650)" in text and "1500/1650" in text


def test_voxels_of_the_table_are_those_of_the_map(single, single_page):
    for status in (PerfusionStatus.OK, PerfusionStatus.LOW_M0):
        n = int(np.count_nonzero(single.perfusion.status == status))
        assert n > 0 and re.search(rf">{n:,}<|>{n}<", single_page[0])


def test_map_of_the_vendor_is_not_said_to_be_ours(vendor_map):
    text = flat(page_of(vendor_map)[1].text)
    assert vendor_map.perfusion.model is PerfusionModel.VENDOR_MAP
    assert "computed by the scanner" in text
    assert "Tumor blood flow was computed with the formula" not in text and "6000" not in text


def test_motion_is_shown_only_where_it_was_corrected(single, single_page):
    class Motion:
        mean_displacement_mm = np.linspace(0, 2, 9)
        exceeding = (8,)
        standard_error_factor = 1.0

    moved = page_of(replace(single, motion=Motion()))[1]
    assert any("Displacement" in image["alt"] for image in moved.images)
    assert not any("Displacement" in image["alt"] for image in single_page[1].images)
    assert "rigidly aligned" in moved.text and "rigidly aligned" not in single_page[1].text


# -- the grade --


def graded(result, **changes) -> str:
    return tbf_text.quality(replace(result, **changes)).grade


def test_grade_follows_the_noise(single):
    assert graded(single) == "good"
    assert graded(single, mean_se=0.2 * single.mean) == "limited"
    assert graded(single, mean_se=0.5 * single.mean) == "poor"


def test_flow_below_zero_is_never_good(single):
    assert graded(single, mean=-single.mean) == "limited"


@pytest.mark.parametrize(("share", "grade"), [(0.05, "good"), (0.3, "limited"), (0.6, "poor")])
def test_remarks_on_voxels_lower_the_grade(single, share, grade):
    status = single.perfusion.status.copy()
    used = np.flatnonzero(single.used_mask)
    status.flat[used] = PerfusionStatus.OK
    status.flat[used[: int(share * used.size)]] = PerfusionStatus.NEGATIVE
    assert graded(single, perfusion=replace(single.perfusion, status=status)) == grade


# -- manners --


def test_text_of_other_layers_is_escaped_and_cloaked(single, tmp_path):
    image = tmp_path / "DOE_JANE.nii.gz"
    image.touch()
    warned = replace(single, warnings=(f"Look <here> & there in {image}.",))
    html, page = page_of(warned, cloak=NameCloak([(image, "image")]))
    assert "Look <here> & there" in page.text and "<here>" not in html
    assert "DOE_JANE" not in html and str(tmp_path) not in html


def test_same_result_gives_the_same_file(single, single_page):
    assert page_of(single)[0] == single_page[0]


def test_drawing_leaves_the_settings_of_matplotlib_alone(single):
    before = dict(matplotlib.rcParams)
    page_of(single)
    assert dict(matplotlib.rcParams) == before


def test_published_cutoffs_are_no_part_of_the_report(single_page):
    assert not re.search(r"\b(137\.07|87\.031|57\.52|140\.87|82\.71|50\.94)\b", single_page[1].text)


# -- what the report must not claim --


@pytest.mark.parametrize("kind", ["difference", "vendor_map"])
def test_pairing_is_claimed_only_where_there_were_control_and_label(kind, request, single_page):
    assert "paired by their roles" in single_page[1].text
    assert "paired by their roles" not in page_of(request.getfixturevalue(kind))[1].text


@pytest.mark.parametrize("kind", ["difference", "vendor_map"])
def test_error_without_repeats_is_told_as_the_scatter_of_voxels_and_is_never_good(kind, request, single_page):
    result = request.getfixturevalue(kind)
    assert result.perfusion.standard_error is None
    assert "scatter of voxels" in flat(page_of(result)[1].text) and graded(result) == "limited"
    assert "scatter of voxels" not in flat(single_page[1].text)


@pytest.mark.parametrize("kind", ["difference", "vendor_map"])
def test_no_panel_for_a_standard_error_that_there_is_not(kind, request, single):
    from NPCResponseLib.report.map_figures import closeups
    from NPCResponseLib.report.tbf_report import map_pictures

    def titles(result):
        return [axes.get_title() for axes in closeups(map_pictures(result), 3).axes if axes.get_title()]

    assert titles(request.getfixturevalue(kind)) == ["TBF", "TBF, uniform colors", "Voxel status"]
    assert len(titles(single)) == 4


def test_negative_numbers_carry_minus_signs(single):
    text = flat(page_of(replace(single, mean=-single.mean))[1].text)
    assert f"\N{MINUS SIGN}{single.mean:.1f} mL/100 g/min" in text
    assert f"-{single.mean:.1f}" not in text


def test_formula_is_typeset_with_its_greek_letters(single_page):
    text = flat(single_page[1].text)
    assert "6000 × 0.9 × (control" in text and "T1blood" not in text
    assert "label duration (τ)" in text and "6000 λ (control" in text


def test_delays_share_a_row(several_page):
    assert ", ".join(str(delay) for delay in DELAYS_MS) in several_page[1].text


def test_histogram_of_fitted_signals_marks_the_verdict(several):
    from NPCResponseLib.report.map_figures import histogram
    from NPCResponseLib.report.tbf_figures import tbf_style

    values = several.perfusion.tbf_ml_per_100g_min[several.used_mask]
    figure = histogram(values, several.roi.mean, several.roi.median, tbf_style("", ""), fitted=several.mean)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == [f"mean {several.roi.mean:.1f}", f"result {several.mean:.1f}"]


def test_slices_are_told_with_voxels_and_error(single, several):
    for result in (single, several):
        text = flat(page_of(result)[1].text)
        parts = result.region_flow.by_slice if result.region_flow else ()
        told = [(part.k, part.tbf_ml_per_100g_min, part.tbf_se) for part in parts] or [
            (part.slices_k[0], part.mean, part.mean_se) for part in result.slice_means.by_slice
        ]
        for k, tbf, error in told:
            assert re.search(rf"\b{k + 1} \d+ \d+ {tbf:.1f} ± {error:.1f}\b", text)


def test_bias_of_one_delay_is_a_table(single, single_page):
    text = flat(single_page[1].text)
    bias = single.perfusion.model_bias
    for transit, ratios in zip(bias.transit_times_ms, bias.ratios, strict=True):
        assert f"{transit:g} ms " + " ".join(f"{ratio:.2f}" for ratio in ratios) in text
