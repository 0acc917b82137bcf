"""The report of one patient: its numbers are the assessment's, whatever is missing, and nobody's name is in it."""

import base64
import re
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from NPCResponseLib.assessment import PatientValues, Treatment, assess_patient
from NPCResponseLib.diameters import Plane, measure_diameters
from NPCResponseLib.measurement import Measurement
from NPCResponseLib.mrml.diameters import SegmentDiameters, diameter_rows
from NPCResponseLib.mrml.measured_values import lesion_measurement, r2star_value, tbf_value
from NPCResponseLib.mrml.r2star import R2StarOutputs, R2StarResult, R2StarSettings
from NPCResponseLib.mrml.tbf import TbfOutputs, TbfResult, TbfSettings
from NPCResponseLib.perfusion import PerfusionStatus, quantify_perfusion
from NPCResponseLib.phantom import PhantomGrid, simulate_bold
from NPCResponseLib.phantom.asl import simulate_asl
from NPCResponseLib.phantom.t1ce import simulate_t1ce
from NPCResponseLib.region_decay import region_decay
from NPCResponseLib.relaxometry import VoxelStatus, fit_r2star
from NPCResponseLib.repeatability import given_repeatability
from NPCResponseLib.report import patient_figures, patient_tables, patient_text
from NPCResponseLib.report.figure_parts import report_style
from NPCResponseLib.report.patient_report import PatientReport, TimePointResults, render, write_report
from NPCResponseLib.report.provenance import InputRecord, NameCloak, Provenance
from NPCResponseLib.report.slice_view import SliceView
from NPCResponseLib.response import Quantity
from NPCResponseLib.rois import SliceRule, mean_of_slice_means, roi_statistics, select_slices
from NPCResponseLib.time_points import LesionMeasurement, LesionStatus, MeasuredValue, Stage, TimePointValues

NOTICE = "Research use only; not for diagnosis"
PROVENANCE = Provenance.now(
    (), [InputRecord("pre BOLD", ".nii.gz", "0f" * 32)], datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
)


# -- a measured patient --


def bold_result(time_point: str) -> R2StarResult:
    acquisition = simulate_bold(time_point, snr=40, grid=PhantomGrid.axial((6, 92, 64), (6.0, 2.5, 2.8)))
    series = replace(acquisition.series, name=f"{time_point} BOLD", warnings=("The echoes are few.",))
    fit = fit_r2star(series.echoes, series.echo_times_ms)
    region = select_slices(acquisition.region_mask("tumor"), SliceRule.LARGEST_SLICE)
    necrosis = acquisition.region_mask("necrosis")
    roi = roi_statistics(
        fit.r2star_hz,
        region,
        standard_errors=fit.r2star_se_hz,
        status=fit.status,
        status_codes=VoxelStatus,
        exclusions={"necrosis": necrosis},
    )
    used = region & ~necrosis & (fit.r2star_hz > 0)
    return R2StarResult(
        series=series,
        fit=fit,
        settings=R2StarSettings(),
        outputs=R2StarOutputs(),
        roi=roi,
        roi_mask=region,
        used_mask=used,
        segment_name="tumor",
        exclusion_names=("necrosis",),
        decay=region_decay(series.echoes, fit, used),
    )


def asl_result(time_point: str) -> TbfResult:
    acquisition = simulate_asl(time_point, grid=PhantomGrid.axial((5, 46, 32), (6.0, 5.0, 5.6)), n_pairs=4)
    series = replace(acquisition.series, name=f"{time_point} ASL")
    perfusion = quantify_perfusion(series)
    region = select_slices(acquisition.region_mask("tumor"), SliceRule.LARGEST_SLICE_AND_NEIGHBORS)
    options = {
        "standard_errors": perfusion.standard_error,
        "status": perfusion.status,
        "status_codes": PerfusionStatus,
        "exclusions": {},
    }
    roi = roi_statistics(perfusion.tbf_ml_per_100g_min, region, **options)
    means = mean_of_slice_means(perfusion.tbf_ml_per_100g_min, region, **options)
    fitted = np.isin(perfusion.status, [status for status in PerfusionStatus if status.is_fitted])
    return TbfResult(
        series=series,
        perfusion=perfusion,
        settings=TbfSettings(),
        outputs=TbfOutputs(),
        mean=means.mean,
        mean_se=means.mean_se,
        degrees_of_freedom=perfusion.degrees_of_freedom,
        roi=roi,
        slice_means=means,
        roi_mask=region,
        used_mask=region & fitted,
        segment_name="tumor",
        assumptions=("labeling efficiency (alpha) 0.85 (assumed).",),
    )


def anatomy(time_point: str):
    """Diameters of the tumor, and the picture that they were measured on."""
    acquisition = simulate_t1ce(time_point, grid=PhantomGrid.axial((36, 92, 64), (2.0, 2.5, 2.8)))
    mask = acquisition.region_mask("tumor")
    measurement = measure_diameters(mask, acquisition.grid.ijk_to_ras)
    image = f"{time_point} T1"
    diameters = SegmentDiameters(measurement, "tumor", image, diameter_rows(measurement, "tumor", image))
    return diameters, (acquisition.volume, acquisition.grid.ijk_to_ras, mask)


@pytest.fixture(scope="module")
def results():
    """Pre and post, with everything."""
    measured = []
    for name, stage in (("pre", Stage.PRE), ("post", Stage.MONTH_3)):
        diameters, picture = anatomy(name)
        measured.append(
            TimePointResults(
                name=name,
                stage=stage,
                r2star=bold_result(name),
                tbf=asl_result(name),
                diameters=diameters,
                anatomy=picture,
            )
        )
    return tuple(measured)


def values_of(result: TimePointResults, **stated) -> TimePointValues:
    lesions = ()
    if result.diameters is not None:
        lesions = (lesion_measurement(LesionMeasurement("tumor"), result.diameters.measurement),)
    return TimePointValues(
        name=result.name,
        stage=result.stage,
        r2star=r2star_value(result.r2star) if result.r2star else None,
        tbf=tbf_value(result.tbf) if result.tbf else None,
        lesions=lesions,
        new_lesions=False,
        **stated,
    )


def report_of(results, values=None, **stated) -> PatientReport:
    values = [values_of(result) for result in results] if values is None else values
    rows = tuple(row for result in results if result.diameters for row in result.diameters.rows)
    return PatientReport(
        label="patient 7",
        assessment=assess_patient(PatientValues("patient 7", tuple(values), **stated)),
        time_points=tuple(results),
        provenance=PROVENANCE,
        measurements=rows,
    )


@pytest.fixture(scope="module")
def report(results):
    return report_of(results, treatment=Treatment(total_dose_gy=69.96, n_fractions=33))


class Page(HTMLParser):
    """Visible text, pictures and references of a page; nesting that is wrong."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.text, self.images, self.references, self.open, self.problems = "", [], [], [], []
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())

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
        if tag not in ("sub", "b"):
            self.text += " "

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


@pytest.fixture(scope="module")
def page(report):
    return Page(render(report))


def alternatives(page: Page) -> str:
    return " | ".join(image["alt"] for image in page.images)


def assert_sound(page: Page) -> None:
    """What holds for every report."""
    assert not page.problems and not page.open
    assert page.text.count(NOTICE) == 2
    assert not re.search(r"\b(None|nan|NaN|inf|True|False)\b", page.text)
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in page.references)
    assert all(len(image["alt"]) > 20 for image in page.images)


# -- the page --


def test_page_is_well_formed_and_holds_all_it_refers_to(page):
    assert_sound(page)
    for image in page.images:
        svg = base64.b64decode(image["src"].partition(",")[2]).decode("utf-8")
        targets = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert all(target.startswith(("#", "data:")) for target in targets)


def test_verdict_comes_first_and_names_the_category_with_its_numbers(report, page):
    verdict = report.assessment.recist[-1]
    assert verdict.category.value == "PR"
    head = page.text[: page.text.index("Values over time")]
    assert head.index("PR") < head.index("Partial response") < head.index("Atrophy rate")
    assert f"Sum of diameters −{abs(verdict.change_from_baseline_percent):.1f} %" in head
    assert f"from {verdict.baseline_sum_mm:.1f} to {verdict.sum_mm:.1f} mm" in head


def test_headline_numbers_are_those_of_the_assessment(report, page):
    head = page.text[: page.text.index("Values over time")]
    increase, decrease = (found.change.measured for found in report.assessment.changes)
    assert report.assessment.changes[0].change.quantity is Quantity.R2STAR_INCREASE
    for value in (increase, decrease):
        low, high = value.interval()
        assert f"{value.value:+.1f}".replace("-", "−") in head
        assert f"95 % CI {low:.1f} to {high:.1f}".replace("-", "−") in head
    rate = report.assessment.atrophy[0].lesion.atrophy
    reach = 1.959964 * rate.standard_error_percent
    assert f"{rate.percent:.1f} % 95 % CI {rate.percent - reach:.1f} to {rate.percent + reach:.1f}" in head


def test_changes_in_the_table_are_later_less_earlier_for_every_quantity(report, page):
    table = page.text[page.text.index("Values over time") : page.text.index("Prescribed dose")]
    for row in report.assessment.trend:
        assert f"{row.value:.1f}" in table
        if row.change_from_baseline is not None:
            assert f"{row.change_from_baseline:+.1f}".replace("-", "−") in table
            assert f"{row.percent_change_from_baseline:+.1f} %".replace("-", "−") in table
    fell = next(found.change.measured for found in report.assessment.changes if found.change.measured.unit != "Hz")
    low, high = fell.interval()
    assert fell.value > 0
    assert f"{-high:.1f} to {-low:.1f}".replace("-", "−") in table


def test_volume_and_dose_are_told(report, results, page):
    for result in results:
        assert f"{result.diameters.measurement.volume_ml:.1f}" in page.text
    dose = report.assessment.dose
    assert f"BED {dose.biologically_effective_dose_gy:.4g} Gy" in page.text
    assert f"EQD2 {dose.eqd2_gy:.4g} Gy" in page.text
    assert "33 fractions of 2.12 Gy" in page.text


def test_every_rule_stands_with_value_cutoff_side_and_doubts(report, page):
    section = page.text[page.text.index("Published rules Cutoffs") : page.text.index("Conditions not met")]
    for result in report.assessment.rules:
        assert f"{result.value:.1f}" in section
        assert f"> {result.cutoff:g}" in section
        assert result.predicted_class in section
        for sentence in result.conditions_not_met:
            assert sentence in page.text
    n_near = sum(result.near_cutoff for result in report.assessment.rules)
    assert section.count("near the cutoff") == n_near
    assert section.count("not met:") == sum(bool(result.conditions_not_met) for result in report.assessment.rules)


def test_letters_of_conditions_point_at_their_sentences(report):
    rows, notes = patient_tables.rule_rows(report.assessment)
    sentences = dict(notes)
    for row, result in zip(rows, report.assessment.rules, strict=True):
        told = [sentences[key] for key in row.broken.split(", ") if key]
        assert [sentence.split(": ", 1)[1] for sentence in told] == list(result.conditions_not_met)


def test_letters_go_on_after_z():
    assert [patient_tables.letter(n) for n in (0, 25, 26, 27, 51, 52, 702)] == ["a", "z", "aa", "ab", "az", "ba", "aaa"]


def test_lesions_stand_with_sums_nadir_and_reasons(report, page):
    section = page.text[page.text.index("Lesions Lesion") :]
    verdict = report.assessment.recist[-1]
    assert f"{verdict.nadir_sum_mm:.1f} at {verdict.nadir_time_point}" in section
    for reason in verdict.reasons:
        assert reason.replace("-", "−") in section.replace("-", "−")


def test_pictures_name_their_units_and_are_all_there(page):
    told = alternatives(page)
    for part in (
        "Anatomical image",
        "R2* map in Hz",
        "mL/100 g/min",
        "Mean signal",
        "cutoff",
        "time points",
        "transit",
    ):
        assert part in told


def test_bias_of_a_single_delay_is_told(report, results, page):
    sentence = results[0].tbf.perfusion.model_bias.sentence
    assert sentence.split(" for transit")[0] in page.text
    assert page.text.count(sentence.split(" for transit")[0]) == 1


def test_methods_cite_only_what_was_used(report, page):
    assert "Eisenhauer" in page.text and "Buxton" in page.text and "Alsop" in page.text and "Fowler" in page.text
    assert "Lencioni" not in page.text and "Bland" not in page.text


def test_what_cannot_be_told_is_said(report, page):
    assert report.assessment.cannot_be_told
    for sentence in report.assessment.cannot_be_told:
        assert sentence in page.text


def test_all_measurements_are_listed(report, page):
    assert f"{len(report.measurements)} rows" in page.text
    assert "Maximum 3D diameter" in page.text


def test_same_result_gives_the_same_file(report, tmp_path):
    for name in ("one.html", "two.html"):
        write_report(report, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


# -- warnings and assumptions --


def test_warning_of_several_images_is_told_once_with_its_place(report, page):
    assert report.unique_warnings().count("BOLD: The echoes are few.") == 1
    assert page.text.count("The echoes are few.") == 1


def test_warning_of_one_image_keeps_its_name(results):
    pre, post = results
    quiet = replace(pre.r2star, series=replace(pre.r2star.series, warnings=()))
    found = report_of([replace(pre, r2star=quiet), post]).unique_warnings()
    assert "post BOLD: The echoes are few." in found


def test_repeated_remarks_of_recist_are_told_once():
    kinds = {"RECIST 1.1": ["RECIST 1.1 at 40 Gy", "RECIST 1.1 at post"], "ASL": []}
    told = ["RECIST 1.1 at 40 Gy: A node is small.", "RECIST 1.1 at post: A node is small.", "Else: nothing."]
    placed = patient_text.placed([patient_text.split_place(sentence, kinds) for sentence in told], kinds)
    assert placed == ["RECIST 1.1: A node is small.", "Else: nothing."]


def test_assumptions_of_all_images_are_told_once(page):
    assert page.text.count("labeling efficiency (α) 0.85 (assumed).") == 1
    assert "ASL: labeling efficiency" in page.text
    assert "Intervals of diameters hold the digitization" in page.text


# -- names --


def test_names_of_files_go_under_the_cloak_everywhere(report, results):
    secret = Path("/archive/DOE_JANE/DOE_JANE_bold.nii.gz")
    pre = results[0]
    told = f"{secret} has a strange header."
    spoiled = replace(
        pre,
        r2star=replace(
            pre.r2star,
            warnings=(told,),
            assumptions=(told,),
            exclusion_names=("DOE_JANE_bold",),
            gradient_correction=told,
        ),
        tbf=replace(pre.tbf, assumptions=(told,)),
    )
    row = Measurement("R2* mean", 1.0, "Hz", "DOE_JANE_bold", "DOE_JANE_bold", "DOE_JANE_bold", told, told, 1, 0, "")
    html = render(
        replace(
            report,
            time_points=(spoiled, results[1]),
            warnings=(told,),
            measurements=(row,),
            cloak=NameCloak([(secret, "image 1")]),
        )
    )
    assert "DOE" not in html and "JANE" not in html
    assert "image 1 has a strange header." in html


def test_cloak_cannot_break_the_citations(report):
    html = render(replace(report, cloak=NameCloak([(Path("/data/liu2022.nii.gz"), "image 1")])))
    assert "Insights Imaging 2022;13:114" in html


def test_label_and_names_are_escaped(results):
    values = [replace(values_of(results[0]), name="<b>pre & $x$")]
    odd = replace(report_of([replace(results[0], name="<b>pre & $x$")], values), label="<i>7")
    html = render(odd)
    assert "<b>pre" not in html and "<i>7" not in html
    assert "&lt;i&gt;7" in html


# -- whatever is missing --


def without(result: TimePointResults, *parts: str) -> TimePointResults:
    return replace(result, **dict.fromkeys(parts))


@pytest.mark.parametrize(
    ("parts", "there", "missing"),
    [
        (("tbf", "diameters", "anatomy"), ("R2* map",), ("blood flow map", "Anatomical")),
        (("r2star", "diameters", "anatomy"), ("blood flow map",), ("R2* map", "Anatomical")),
        (("r2star", "tbf"), ("Anatomical",), ("R2* map", "blood flow map")),
        (("anatomy",), ("R2* map", "blood flow map"), ("Anatomical",)),
        (("diameters",), ("Anatomical",), ("longest diameter",)),
        (("r2star", "tbf", "anatomy"), ("Each quantity",), ("map",)),
    ],
)
def test_report_shows_what_there_is(results, parts, there, missing):
    page = Page(render(report_of([without(result, *parts) for result in results])))
    assert_sound(page)
    assert all(part in alternatives(page) for part in there)
    assert not any(part in alternatives(page) for part in missing)


def test_one_time_point_shows_values_and_no_change(results):
    page = Page(render(report_of(results[:1])))
    assert_sound(page)
    assert "Not told only one time point" in page.text
    assert f"{results[0].r2star.roi.mean:.1f} Hz 95 % CI" in page.text
    assert "Change" not in page.text[: page.text.index("Pictures")]


def test_no_lesions_means_no_recist_and_that_is_said(results):
    page = Page(render(report_of([without(result, "diameters", "anatomy") for result in results])))
    assert "Not told no lesions recorded at baseline" in page.text
    assert "Lesions Lesion" not in page.text


def test_maps_without_a_region(results):
    bare = [
        replace(
            without(result, "diameters"),
            anatomy=(*result.anatomy[:2], None),
            r2star=replace(result.r2star, roi=None, roi_mask=None, used_mask=None, decay=None),
            tbf=replace(result.tbf, roi=None, roi_mask=None, used_mask=None, mean=None, mean_se=None),
        )
        for result in results
    ]
    page = Page(render(report_of(bare)))
    assert_sound(page)
    assert "with the outline" not in alternatives(page)


def test_nothing_measured_at_all():
    report = report_of([TimePointResults("pre", Stage.PRE)], [TimePointValues("pre", Stage.PRE)])
    page = Page(render(report))
    assert_sound(page)
    assert not page.images


@pytest.fixture(scope="module")
def course(results):
    """Five time points with days, growth at the end, a lesion that goes, and a node by hand."""
    pre, post = (values_of(result) for result in results)
    names = (("pre", Stage.PRE, -3), ("40 Gy", Stage.MID, 28), ("end", Stage.END, 50), ("1 month", Stage.MONTH_1, 80))
    size = {"pre": 40.0, "40 Gy": 30.0, "end": 20.0, "1 month": 10.0, "late": 24.0}
    points = []
    for name, stage, day in (*names, ("late", Stage.MONTH_3, 140)):
        lesions = (
            LesionMeasurement("mass", longest_mm=size[name], diameter_se_mm=0.5, enhancing_mm=size[name] / 2),
            LesionMeasurement("node", "neck", is_node=True, short_axis_mm=16.0, longest_mm=20.0, is_manual=True),
            LesionMeasurement("second", longest_mm=12.0)
            if name in ("pre", "40 Gy")
            else LesionMeasurement("second", status=LesionStatus.ABSENT),
        )
        source = pre if name == "pre" else post
        points.append(
            replace(source, name=name, stage=stage, day=float(day), dose_gy=None, lesions=lesions, new_lesions=None)
        )
    shown = [results[0], *(replace(results[1], name=point.name, stage=point.stage) for point in points[1:])]
    return report_of(
        shown,
        points,
        repeatability={
            Quantity.R2STAR: given_repeatability(4.0, "Hz"),
            Quantity.TBF: given_repeatability(20.0, "%"),
            Quantity.MPTD: given_repeatability(3.0, "mm"),
        },
    )


def test_five_time_points_with_repeatability(course):
    page = Page(render(course))
    assert_sound(page)
    assert "Repeatability coefficients: R2* 4 Hz, Tumor blood flow 20 %, Maximum tumor diameter 3 mm." in page.text
    assert "mRECIST" in page.text and "Lencioni" in page.text and "Bland" in page.text
    assert "by hand" in page.text
    assert "late day 140" in page.text


def test_progression_is_told_from_the_smallest_sum(course):
    verdict = course.assessment.recist[-1]
    assert verdict.category.value == "PD"
    head = Page(render(course)).text
    head = head[: head.index("Values over time")]
    assert f"({verdict.change_from_nadir_mm:+.1f} mm) from the smallest sum" in head
    assert f"{verdict.nadir_sum_mm:.1f} mm at 1 month" in head
    assert "Course by RECIST 1.1: 40 Gy SD" in head


def test_time_points_are_shown_in_order_of_the_assessment(course):
    shuffled = replace(course, time_points=course.time_points[::-1])
    assert [point.name for point in shuffled.ordered()] == ["pre", "40 Gy", "end", "1 month", "late"]


def test_repeatability_in_percent_is_drawn_around_the_baseline(course):
    from NPCResponseLib.report.patient_report import _trends

    bands = {trend.rows[0].quantity: (trend.band, trend.rows[0].value) for trend in _trends(course.assessment)}
    (low, high), baseline = bands[Quantity.TBF]
    assert (low, high) == pytest.approx((0.8 * baseline, 1.2 * baseline))
    (low, high), baseline = bands[Quantity.R2STAR]
    assert (low, high) == pytest.approx((baseline - 4, baseline + 4))
    assert bands[Quantity.SUM_OF_DIAMETERS][0] is None


def test_lesion_that_is_gone_has_no_interval():
    gone = LesionMeasurement("tumor", status=LesionStatus.ABSENT)
    values = [
        TimePointValues("pre", Stage.PRE, lesions=(LesionMeasurement("tumor", longest_mm=30.0, diameter_se_mm=0.4),)),
        TimePointValues("post", Stage.MONTH_3, lesions=(gone,), new_lesions=False),
    ]
    report = report_of([TimePointResults("pre", Stage.PRE), TimePointResults("post", Stage.MONTH_3)], values)
    page = Page(render(report))
    assert_sound(page)
    assert "Complete response" in page.text and "no longer seen" in page.text
    assert not re.search(r"(?<!\d)0\.0 to 0\.0", page.text)


# -- rules in words --


@pytest.mark.parametrize(
    ("flow", "delay_ms", "told"),
    [
        (250.0, 2025.0, ["Published rules: 2 of 2 on the favorable side."]),
        (10.0, 2025.0, ["Published rules: 0 of 2 on the favorable side."]),
        (
            250.0,
            1000.0,
            [
                "Published rules: 2 of 2 on the favorable side; 2 used under conditions other than the paper's.",
                "No rule is both clear of its cutoff and used under its paper's conditions.",
            ],
        ),
    ],
)
def test_rules_are_counted_by_side_and_doubts(flow, delay_ms, told):
    value = MeasuredValue(flow, 1.0, "mL/100g/min", post_labeling_delay_ms=delay_ms)
    assessment = assess_patient(PatientValues("p", (TimePointValues("pre", Stage.PRE, tbf=value),)))
    assert patient_text.rules_sentences(assessment) == told


def test_only_rules_without_doubt_are_named():
    value = MeasuredValue(139.3, 0.8, "mL/100g/min")  # near the cutoff for residual tumor alone
    assessment = assess_patient(PatientValues("p", (TimePointValues("pre", Stage.PRE, tbf=value),)))
    assert [result.near_cutoff for result in assessment.rules] == [False, True]
    assert patient_text.rules_sentences(assessment) == [
        "Published rules: 1 of 2 on the favorable side; 1 is near the cutoff.",
        "Clear of the cutoff, no condition of the paper broken: partial response by Tumor blood flow before treatment.",
    ]


# -- pictures --


@pytest.mark.parametrize("plane", list(Plane))
def test_turned_volume_shows_its_plane_and_keeps_every_voxel_where_it_is(plane):
    grid = PhantomGrid.axial((5, 6, 7), (4.0, 2.0, 3.0))
    volume = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    turned, matrix = patient_figures.turned_to(plane, volume, grid.ijk_to_ras)
    assert SliceView.of(matrix).plane == plane.value
    k, j, i = 2, 1, 0
    here = np.argwhere(turned == volume[k, j, i])[0]
    np.testing.assert_allclose(matrix @ [*here[::-1], 1], grid.ijk_to_ras @ [i, j, k, 1])


@pytest.mark.parametrize("plane", list(Plane))
def test_drawn_diameter_lies_on_the_tumor_and_has_its_length(results, plane):
    result = results[0]
    diameter = result.diameters.measurement.longest_in_plane[plane]
    picture = patient_figures.anatomy_picture("pre", *result.anatomy, plane, diameter)
    for shown in (picture, *patient_figures.at_one_scale([picture])):
        (x0, y0), (x1, y1) = shown.line
        height_mm, width_mm = shown.view.pixel_mm
        assert np.hypot((x1 - x0) * width_mm, (y1 - y0) * height_mm) == pytest.approx(diameter.length_mm, rel=1e-6)
        rows, columns = np.nonzero(shown.outline)
        for x, y in shown.line:
            nearest = np.hypot((columns - x) * width_mm, (rows - y) * height_mm).min()
            assert nearest < 2.5  # millimeters, about a pixel


def test_pictures_share_one_scale_in_millimeters(results):
    pictures = [patient_figures.anatomy_picture(r.name, *r.anatomy) for r in results]
    sides = [
        [n * mm for n, mm in zip(p.shown.shape, p.view.pixel_mm, strict=True)]
        for p in patient_figures.at_one_scale(pictures)
    ]
    assert np.ptp(sides) <= max(pictures[0].view.pixel_mm)


def test_picture_at_the_edge_of_the_image_keeps_its_size_and_its_pixels():
    shown = np.arange(20.0).reshape(4, 5)
    focus = np.zeros((4, 5), bool)
    focus[0, 0] = True
    view = SliceView(False, (False, False), (1.0, 1.0), ("R", "L", "A", "P"), "axial")
    wide = patient_figures.Picture("wide", np.arange(400.0).reshape(20, 20), view, np.ones((20, 20), bool))
    small, _ = patient_figures.at_one_scale([patient_figures.Picture("small", shown, view, focus), wide], margin_mm=2.0)
    assert small.shown.shape == (20, 20)
    assert sorted(small.shown.compressed()) == sorted(shown.ravel())


def test_map_panels_are_all_drawn_at_the_limits_of_the_style(results):
    from NPCResponseLib.report.patient_report import _r2star_map
    from NPCResponseLib.report.r2star_figures import R2STAR_STYLE

    with report_style():
        figure = patient_figures.map_panels([_r2star_map(result) for result in results], R2STAR_STYLE)
    limits = [axes.images[0].get_clim() for axes in figure.axes if axes.images]
    assert limits == [R2STAR_STYLE.limits] * 4


def test_rule_figure_marks_value_cutoff_and_favorable_side(report):
    result = next(r for r in report.assessment.rules if r.rule.quantity is Quantity.R2STAR)
    value = patient_tables.rule_value(report.assessment, result)
    with report_style():
        figure = patient_figures.rules_plot([(result, value, "Xu 2023")])
    axes = figure.axes[0]
    tinted = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert tinted.x0 == pytest.approx(result.cutoff)
    marked = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    assert value.value in [pytest.approx(place) for place in marked]
    low, high = value.interval()
    assert axes.get_xlim()[0] < low < high < axes.get_xlim()[1]


def test_dollar_signs_and_long_names_are_drawn_as_they_are():
    assert patient_figures.plain("pre $ post") == r"pre \$ post"
    assert patient_figures.plain("a very long name indeed", 21) == "a very long…"


def test_zero_has_no_sign():
    assert patient_tables.fixed(-0.04) == "0.0"
    assert patient_tables.signed(-0.04) == "0.0"
    assert patient_tables.signed(1.26) == "+1.3"
