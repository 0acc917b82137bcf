"""The report: what a reader sees, that the file is self-contained and nameless, that pictures stand the right way."""

import base64
import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from NPCResponseLib.phantom import PhantomGrid, simulate_bold
from NPCResponseLib.region_decay import region_decay
from NPCResponseLib.relaxometry import R2StarMethod, VoxelStatus, fit_r2star
from NPCResponseLib.report import r2star_text
from NPCResponseLib.report.citations import Citing
from NPCResponseLib.report.figure_parts import border_segments, nice_ceiling
from NPCResponseLib.report.html import format_number, typeset
from NPCResponseLib.report.provenance import InputRecord, NameCloak, Provenance, file_extension, input_record
from NPCResponseLib.report.r2star_report import R2StarReport, render
from NPCResponseLib.report.slice_view import SliceView, window_around
from NPCResponseLib.rois import RoiStatistics, SliceRule, roi_statistics, select_slices

NOTICE = "Research use only; not for diagnosis"


@dataclass
class Row:
    what: str
    value: object
    unit: str
    n_used: int = 0
    n_excluded: int = 0


@pytest.fixture(scope="module")
def acquisition():
    # The tumor lies near the middle of this slab; coarse pixels keep the pictures small.
    return simulate_bold("pre", snr=40, grid=PhantomGrid.axial((6, 92, 64), (6.0, 2.5, 2.8)))


@pytest.fixture(scope="module")
def report(acquisition):
    series = acquisition.series
    fit = fit_r2star(series.echoes, series.echo_times_ms)
    tumor, necrosis = acquisition.region_mask("tumor"), acquisition.region_mask("necrosis")
    roi_mask = select_slices(tumor, SliceRule.LARGEST_SLICE)
    used = roi_mask & ~necrosis & (fit.r2star_hz > 0)
    roi = roi_statistics(
        fit.r2star_hz,
        roi_mask,
        standard_errors=fit.r2star_se_hz,
        status=fit.status,
        status_codes=VoxelStatus,
        exclusions={"necrosis": necrosis},
    )
    return R2StarReport(
        series=series,
        fit=fit,
        provenance=Provenance.now(
            [("--roi", "largest-slice")],
            [InputRecord("image", ".nii.gz", "0f" * 32)],
            datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc),
        ),
        roi=roi,
        roi_mask=roi_mask,
        used_mask=used,
        segment_name="tumor",
        slice_rule=SliceRule.LARGEST_SLICE,
        exclusion_names=("necrosis",),
        decay=region_decay(series.echoes, fit, used),
        measurements=[Row("R2* mean", roi.mean, "Hz"), Row("voxels used", float(roi.n_used), "voxels")],
        assumptions=("Echo times were assumed.",),
        warnings=("Look <here> & there.",),
    )


class Page(HTMLParser):
    """Collects what the tests ask about: visible text, images, references, headings; complains about bad nesting."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.text, self.images, self.references, self.open, self.problems = "", [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.references += [attributes[name] for name in ("src", "href", "srcset", "data") if name in attributes]
        if tag == "img":
            self.images.append(attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)
        if tag in ("td", "th"):
            self.text += " "

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


@pytest.fixture(scope="module")
def html(report):
    return render(report)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def flat(text: str) -> str:
    return " ".join(text.split())


# -- the page --


def test_page_is_well_formed_and_refers_to_nothing_outside_itself(html, page):
    assert page.problems == [] and page.open == []
    assert page.references and all(reference.startswith("data:") for reference in page.references)
    assert not re.search(r"https?://|@import|<script|<link|url\(", html)


def test_pictures_hold_no_outside_reference_either(page):
    for image in page.images:
        kind, _, data = image["src"].partition(";base64,")
        svg = base64.b64decode(data).decode()
        assert kind == "data:image/svg+xml"
        outside = [link for link in re.findall(r'(?:href|src)="([^"]+)"', svg) if not link.startswith(("#", "data:"))]
        assert outside == []


def test_every_picture_has_a_text_for_those_who_cannot_see_it_and_names_its_unit(page):
    assert len(page.images) == 4
    assert all("Hz" in image["alt"] or "ms" in image["alt"] for image in page.images)


def test_verdict_comes_before_pictures_tables_and_methods(html):
    order = [html.index(mark) for mark in ('class="value"', "<figure>", "<table", "Methods", "Provenance")]
    assert order == sorted(order)


def test_verdict_tells_mean_error_interval_and_voxels(report, page):
    roi, text = report.roi, flat(page.text)
    low, high = r2star_text.confidence_interval(roi)
    assert f"{roi.mean:.1f} Hz" in text
    assert f"± {roi.mean_se:.2f} Hz standard error" in text
    assert f"95 % CI {low:.1f} to {high:.1f} Hz" in text
    assert f"{roi.n_used} of {roi.n_roi} voxels in slice" in text
    assert f"Left out: {roi.n_excluded['segment necrosis']} segment necrosis" in text


def test_research_notice_stands_at_top_and_bottom(page):
    text = flat(page.text)
    assert text.startswith(NOTICE) and text.endswith(NOTICE)


def test_text_of_other_layers_is_escaped(html):
    assert "Look &lt;here&gt; &amp; there." in html and "<here>" not in html


def test_report_lists_assumptions_references_and_provenance(report, page):
    text = flat(page.text)
    for wanted in ("Echo times were assumed.", "Xu et al.", "Rician distribution", "0f" * 32, "--roi largest-slice"):
        assert wanted in text
    assert "2026-01-02 03:04 UTC" in text
    for package in ("numpy", "Python"):
        assert f"{package} {report.provenance.versions[package]}" in text


def test_published_cutoffs_are_no_part_of_the_report(page):
    assert "40.95" not in page.text and "5.50" not in page.text


def test_measurements_are_shown_with_their_units(report, page):
    assert f"R2* mean {format_number(report.roi.mean)} Hz" in flat(page.text)
    assert f"voxels used {report.roi.n_used} voxels" in flat(page.text)


def test_report_without_region_shows_maps_and_says_so(report):
    page = Page(render(replace(report, roi=None, roi_mask=None, used_mask=None, measurements=())))
    assert "no segmentation was given" in flat(page.text)
    assert len(page.images) == 2 and page.problems == []


def test_region_over_several_slices_gets_a_strip_of_all_of_them(report, acquisition):
    mask = acquisition.region_mask("tumor")
    used = mask & (report.fit.r2star_hz > 0)
    roi = roi_statistics(report.fit.r2star_hz, mask, status=report.fit.status, status_codes=VoxelStatus)
    assert len(roi.slices_k) > 1
    whole = replace(report, roi=roi, roi_mask=mask, used_mask=used, slice_rule=SliceRule.WHOLE_VOLUME)
    assert len(Page(render(whole)).images) == 5


def test_same_result_gives_the_same_file(report, html):
    assert render(report) == html


def test_drawing_leaves_the_settings_of_matplotlib_alone(report):
    before = dict(matplotlib.rcParams)
    render(report)
    assert dict(matplotlib.rcParams) == before


def test_correction_of_field_gradients_is_told_cited_and_no_longer_assumed_away(report):
    page = Page(render(replace(report, gradient_correction="Gradients were corrected with a B0 map.")))
    assert re.search(r"Gradients were corrected with a B0 map \[\d\]\.", page.text)
    assert "correct for background gradients" in page.text
    assert "field is even across each slice" not in page.text


# -- numbers and sentences --


def statistics(mean=50.0, se=0.5, n_used=400, n_roi=450, excluded=None):
    return RoiStatistics(mean, 5, mean, 47, 53, 42, 58, 30, 70, se, se, n_roi, n_used, excluded or {}, (3,))


def test_confidence_interval_of_the_mean_is_students():
    low, high = r2star_text.confidence_interval(statistics(n_used=10))
    assert (low, high) == pytest.approx((50 - 2.2622 * 0.5, 50 + 2.2622 * 0.5), abs=1e-3)  # t(9, 0.975) = 2.2622
    assert r2star_text.confidence_interval(statistics(n_used=1, se=0.0)) is None


def judged(report, status: VoxelStatus, share: float):
    """Quality of a region of 100 voxels, a third of the image, of which this share has this status."""
    shape = (1, 10, 30)
    codes = np.zeros(shape, dtype=np.uint8)
    codes.reshape(-1)[: round(100 * share)] = status
    fit = replace(report.fit, status=codes, r_squared=np.full(shape, 0.99, np.float32), noise_sigma=1.0)
    used = np.isin(codes, [s for s in VoxelStatus if s.is_fitted])
    used.reshape(-1)[100:] = False
    roi = statistics(n_used=int(used.sum()), n_roi=100)
    return r2star_text.region_quality(fit, used, roi, np.full(shape, 50.0))


def test_quality_is_good_when_nearly_all_voxels_are_ok(report):
    quality = judged(report, VoxelStatus.LOW_SIGNAL, 0.05)
    assert quality.grade == "good" and "95 % of 100 voxels" in quality.sentence


@pytest.mark.parametrize(("share", "grade"), [(0.3, "limited"), (0.7, "poor")])
def test_suspected_field_gradients_lower_the_grade_and_say_in_which_direction_they_err(report, share, grade):
    quality = judged(report, VoxelStatus.SUSPECTED_FIELD_GRADIENT, share)
    assert quality.grade == grade and "read too high" in quality.sentence


def test_decays_that_bend_all_over_the_image_are_not_blamed_on_a_field_gradient(report):
    codes = np.full((1, 10, 30), VoxelStatus.SUSPECTED_FIELD_GRADIENT, dtype=np.uint8)
    fit = replace(report.fit, status=codes, r_squared=np.full(codes.shape, 0.99, np.float32), noise_sigma=1.0)
    used = np.ones(codes.shape, dtype=bool)
    quality = r2star_text.region_quality(fit, used, statistics(n_used=300, n_roi=300), np.full(codes.shape, 50.0))
    assert quality.grade == "poor" and "no field gradient does that" in quality.sentence


def test_lost_voxels_lower_the_grade(report):
    quality = judged(report, VoxelStatus.LOW_SIGNAL, 0.6)
    assert quality.grade == "poor" and "60 of 100 voxels could not be fitted" in quality.sentence


@pytest.mark.parametrize("method", [method for method in R2StarMethod if method is not R2StarMethod.AUTO])
@pytest.mark.parametrize("rule", list(SliceRule))
def test_methods_cite_in_order_and_only_what_they_use(report, method, rule):
    text = r2star_text.methods(
        report.series,
        replace(report.fit, method=method),
        slice_rule=rule,
        erosion_mm=2.0,
        exclusion_names=("necrosis",),
        keep_doubtful=True,
        gradient_correction="",
    )
    cited = [int(number) for number in re.findall(r"\[(\d+)\]", " ".join(text.paragraphs))]
    assert list(dict.fromkeys(cited)) == list(range(1, len(text.keys) + 1))
    assert len(text.references()) == len(text.keys) and "xu2023" in text.keys
    assert "{" not in " ".join(text.paragraphs)


def test_numbers_keep_the_digits_that_mean_something():
    assert [format_number(v) for v in (0.12345, 43.5678, 123.456, 412, 376832, None, float("nan"), "text")] == [
        "0.123", "43.57", "123.5", "412", "376,832", "–", "–", "text",
    ]  # fmt: skip


def test_field_names_are_typeset_after_escaping():
    assert typeset("R2* < 5 & T2*") == "R<sub>2</sub>* &lt; 5 &amp; T<sub>2</sub>*"


def test_color_bars_end_at_round_numbers():
    assert [nice_ceiling(v) for v in (0.7, 1.0, 2.2, 37, 0.0, float("nan"))] == [1, 1, 2.5, 50, 1, 1]


# -- which way up --


def direction_matrix(i, j, k, spacing=(1.0, 2.0, 5.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([i, j, k], dtype=float).T * spacing
    return matrix


def test_axial_slice_stored_the_usual_way_is_shown_as_it_is():
    view = SliceView.of(direction_matrix((-1, 0, 0), (0, -1, 0), (0, 0, 1)))
    assert (view.transposed, view.flipped, view.marks, view.plane) == (
        False,
        (False, False),
        ("R", "L", "A", "P"),
        "axial",
    )
    assert view.pixel_mm == (2.0, 1.0)


def test_axial_slice_stored_in_ras_is_turned_to_patients_right_on_the_left_and_anterior_up():
    view = SliceView.of(direction_matrix((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    stored = np.zeros((4, 6))  # rows go to anterior, columns to the patient's right
    stored[3, 5] = 1  # most anterior, most right
    assert view.marks == ("R", "L", "A", "P")
    assert view.show(stored)[0, 0] == 1


def test_slice_with_rows_and_columns_exchanged_is_transposed():
    view = SliceView.of(direction_matrix((0, -1, 0), (-1, 0, 0), (0, 0, 1)))
    stored = np.zeros((4, 6))  # rows go to the left, columns to posterior
    stored[3, 0] = 1  # most left, most anterior
    assert view.marks == ("R", "L", "A", "P") and view.pixel_mm == (1.0, 2.0)
    assert view.show(stored).shape == (6, 4) and view.show(stored)[0, 3] == 1


@pytest.mark.parametrize(
    ("axes", "marks", "plane"),
    [
        (((-1, 0, 0), (0, 0, -1), (0, 1, 0)), ("R", "L", "S", "I"), "coronal"),
        (((0, 1, 0), (0, 0, 1), (1, 0, 0)), ("A", "P", "S", "I"), "sagittal"),
    ],
)
def test_other_planes_follow_the_radiological_convention(axes, marks, plane):
    view = SliceView.of(direction_matrix(*axes))
    assert (view.marks, view.plane) == (marks, plane)


def test_tilted_slice_gets_two_letters():
    tilt = np.deg2rad(30)
    j, k = (0, -np.cos(tilt), np.sin(tilt)), (0, np.sin(tilt), np.cos(tilt))
    view = SliceView.of(direction_matrix((-1, 0, 0), j, k))
    assert view.marks == ("R", "L", "AI", "PS") and view.plane == "axial"


def test_outline_of_one_pixel_is_its_four_borders():
    mask = np.zeros((3, 3), dtype=bool)
    mask[1, 2] = True  # row 1, column 2: corners at x 1.5 and 2.5, y 0.5 and 1.5
    corners = {point for segment in border_segments(mask) for point in segment}
    assert len(border_segments(mask)) == 4
    assert corners == {(1.5, 0.5), (2.5, 0.5), (1.5, 1.5), (2.5, 1.5)}


def test_closeup_at_the_edge_of_the_image_is_moved_inside_rather_than_cut():
    mask = np.zeros((50, 50), dtype=bool)
    mask[0:6, 20:30] = True
    window = window_around(mask, (1.0, 1.0), 10, square=True)
    assert (window.top, window.bottom - window.top, window.right - window.left) == (0, 30, 30)


# -- provenance --


def test_input_is_known_by_hash_and_extension_and_not_by_name(tmp_path):
    path = tmp_path / "DOE_JANE_19700101.nii.gz"
    path.write_bytes(b"abc")
    record = input_record(path, "image")
    # SHA-256 of "abc" from FIPS 180-2.
    assert record.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert "DOE" not in repr(record) and record.kind == ".nii.gz"


def test_folder_is_hashed_by_content_whatever_its_files_are_called(tmp_path):
    for folder, names in (("a", ("1", "2")), ("b", ("x", "y"))):
        (tmp_path / folder).mkdir()
        for name, content in zip(names, (b"one", b"two"), strict=True):
            (tmp_path / folder / name).write_bytes(content)
    first, second = input_record(tmp_path / "a", "image"), input_record(tmp_path / "b", "image")
    assert first == second and first.kind == "folder of 2 files"


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.nii.gz", ".nii.gz"), ("Doe.J.seg.nrrd", ".seg.nrrd"), ("IM1.1.2.840", "file"), ("x.DCM", ".dcm")],
)
def test_extension_holds_no_part_of_the_name(name, ending):
    assert file_extension(Path(name)) == ending


def test_cloak_takes_names_and_folders_of_inputs_out_of_any_sentence(tmp_path):
    path = tmp_path / "Doe^Jane" / "bold_doe.nii.gz"
    cloak = NameCloak([(path, "image")])
    assert cloak(f"{path}: no sidecar for bold_doe.nii.gz (bold_doe)") == "image: no sidecar for image (image)"
    assert "Doe" not in cloak(f"found {path.parent}/other.json")


def test_cloak_of_a_folder_hides_the_names_of_its_files(tmp_path):
    (tmp_path / "DOE_JANE_bold.nii.gz").touch()
    cloak = NameCloak([(tmp_path, "image")])
    assert cloak("DOE_JANE_bold.nii.gz has no thickness") == "a file of the image has no thickness"


def test_warnings_in_the_report_pass_the_cloak(report):
    cloak = NameCloak([(Path("/data/DOE_JANE.nii.gz"), "image")])
    page = Page(render(replace(report, warnings=("DOE_JANE.nii.gz has no thickness.",), cloak=cloak)))
    assert "image has no thickness." in page.text and "DOE" not in page.text


def test_braces_in_a_name_are_no_citation():
    citing = Citing.of(["Segment tumor{x} of {xu2023}, again {xu2023}, then {liu2022}."])
    assert citing.paragraphs == ("Segment tumor{x} of [1], again [1], then [2].",)
    assert citing.keys == ("xu2023", "liu2022")
