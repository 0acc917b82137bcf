"""A cohort as nodes: patients in, result tables and charts out, on the real scene."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from NPCResponseLib import headless
from NPCResponseLib.cohort.charts import charts
from NPCResponseLib.cohort.columns import Match, choose_columns
from NPCResponseLib.cohort.studies import STUDIES, with_choices, with_columns
from NPCResponseLib.cohort.table import NumberedRows, Table
from NPCResponseLib.cohort.tables import result_tables
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import cohort_job, cohort_nodes
from NPCResponseLib.mrml.files import save_scene

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def scene():
    headless.start()
    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


def analyzed(study="bold", node=None, outputs=None, columns=None, **choices):
    spec = with_choices(STUDIES[study], bootstrap_replicates=100, **choices)
    return cohort_job.CohortJob(node or cohort_job.add_example_cohort(study), spec, columns).run(outputs)


def rows_of(table) -> list[dict]:
    content = table.GetTable()
    names = cohort_nodes.column_names(table)
    return [
        {name: content.GetValueByName(row, name).ToString() for name in names} for row in range(table.GetNumberOfRows())
    ]


def series_of(chart) -> dict[str, np.ndarray]:
    """Points (n, 2) by name, without those that fill up a column."""
    found = {}
    for n in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(n)
        content = series.GetTableNode().GetTable()
        columns = [content.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName())]
        points = np.array([[column.GetValue(i) for i in range(column.GetNumberOfTuples())] for column in columns]).T
        found[series.GetName()] = points[~np.isnan(points).any(axis=1)]
    return found


def rename_column(node, old: str, new: str) -> None:
    node.GetTable().GetColumnByName(old).SetName(new)


# -- patients in --


def test_cells_of_every_kind_of_column_are_read_as_they_are(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "cohort")
    for name, column, values in (
        ("id", vtk.vtkStringArray(), ["A", "B"]),
        ("r2star", vtk.vtkDoubleArray(), [44.5, math.nan]),
        ("count", vtk.vtkIntArray(), [3, 4]),
        ("flag", vtk.vtkBitArray(), [1, 0]),
    ):
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        node.AddColumn(column)
    table = cohort_nodes.patients_of(node)
    assert table.labels("id") == ["A", "B"]
    np.testing.assert_array_equal(table.numbers("r2star"), [44.5, math.nan])
    np.testing.assert_array_equal(table.numbers("count"), [3, 4])
    assert table.labels("flag") == ["true", "false"]
    with pytest.raises(InputError, match="yes/no"):
        table.numbers("flag")


@pytest.mark.parametrize(("is_header", "row"), [(False, "row 3"), (True, "row 2")])
def test_rows_are_counted_as_the_table_view_does(scene, is_header, row):
    node = cohort_job.add_example_cohort("bold")
    node.SetUseColumnTitleAsColumnHeader(is_header)
    node.GetTable().GetColumnByName("r2star_pre_1").SetValue(1, "44,5")
    with pytest.raises(InputError, match=f'{row}, column r2star_pre_1: "44,5" has a decimal comma'):
        analyzed(node=node)


def test_table_without_columns_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "empty one")
    with pytest.raises(InputError, match="empty one: it has no columns"):
        cohort_nodes.patients_of(node)


def test_patients_of_a_file_do_not_change_by_being_saved(scene, tmp_path):
    columns = {
        "id": [2**60, 7],
        "pre": [44.123456789012, None],
        "whole": [2.0, 1e300],
        "group": ["RG", None],
        "typed": ["44.50", "x"],
    }
    cohort_nodes.add_patients(Table(columns, NumberedRows((2, 3))), "file")
    save_scene(tmp_path / "file.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "file.mrb"), True)
    table = cohort_nodes.patients_of(slicer.util.getFirstNodeByClassByName("vtkMRMLTableNode", "file"))
    assert table.labels("id") == [str(2**60), "7"]
    assert table.labels("group") == ["RG", ""]
    assert table.labels("whole") == ["2", "1e+300"]
    assert table.columns["typed"] == ["44.50", "x"]
    np.testing.assert_array_equal(table.numbers("pre"), [44.123456789012, math.nan])


# -- columns --


def test_same_names_win_and_similar_ones_are_marked():
    known = ("PatientID", "Response", "r2star_pre_1", "R2star pre 2", "r2star_post_1", "r2star-post-2")
    found = {choice.needed: choice for choice in choose_columns(STUDIES["bold"].columns(), known)}
    assert found["r2star_pre_1"].match is Match.EXACT
    assert (found["response"].column, found["response"].match) == ("Response", Match.NEAREST)
    assert found["r2star_pre_2"].column == "R2star pre 2"
    assert found["r2star_post_2"].column == "r2star-post-2"
    assert found["patient"].column == "PatientID"


@pytest.mark.parametrize("other", ["r2star_pre_3", "r2star_post_1b", "r2star_post_2", "age"])
def test_another_quantity_is_never_taken_for_a_missing_column(other):
    (choice,) = choose_columns(("r2star_pre_2",), (other,))
    assert (choice.column, choice.match) == ("", Match.NONE)


def test_one_column_is_not_guessed_twice():
    first, second = choose_columns(("response", "respons"), ("Response",))
    assert [first.column, second.column].count("Response") == 1


def test_column_read_under_another_name_is_a_warning_of_the_result(scene):
    node = cohort_job.add_example_cohort("bold")
    rename_column(node, "r2star_pre_1", "R2star pre 1")
    result = analyzed(node=node)
    assert any('"r2star_pre_1" was read from the column "R2star pre 1" (nearest name)' in w for w in
               result.analysis.warnings)  # fmt: skip


def test_chosen_column_is_used_and_a_doubled_one_refused(scene):
    node = cohort_job.add_example_cohort("bold")
    rename_column(node, "r2star_pre_1", "first reader")
    with pytest.raises(InputError, match='no column is chosen for "r2star_pre_1"'):
        analyzed(node=node)
    assert analyzed(node=node, columns={"r2star_pre_1": "first reader"}).analysis.n == 41
    with pytest.raises(InputError, match='"r2star_pre_2" is chosen for "r2star_pre_1" and "r2star_pre_2"'):
        analyzed(node=node, columns={"r2star_pre_1": "r2star_pre_2"})


def test_studies_are_those_of_the_commands_examples():
    from NPCResponseLib.commands.cohort_description import read_cohort_description
    from NPCResponseLib.commands.cohort_examples import SPECS

    assert set(SPECS) == set(STUDIES)
    for name, text in SPECS.items():
        spec, _form = read_cohort_description(Path("spec.yaml"), text=text)
        assert replace(spec, title="") == replace(STUDIES[name], title="")


def test_renaming_columns_changes_nothing_else():
    spec = STUDIES["asl"]
    there = with_columns(spec, {name: f"{name} x" for name in spec.columns()})
    assert there.columns() == tuple(f"{name} x" for name in spec.columns())
    assert with_columns(there, {f"{name} x": name for name in spec.columns()}) == spec


# -- results out --


@pytest.mark.parametrize("study", ["bold", "asl"])
def test_every_result_table_is_a_node_with_its_numbers(scene, study):
    result = analyzed(study)
    tables = {table.name: table for table in result_tables(result.analysis)}
    assert set(result.outputs.tables) == set(tables)
    for name, node in result.outputs.tables.items():
        assert node.GetName() == f"Example cohort {study.upper()} {tables[name].title}"
        assert cohort_nodes.column_names(node) == tables[name].columns
        assert node.GetNumberOfRows() == len(tables[name].rows)
        assert node.GetLocked()
        assert not any("nan" in cell.lower() for row in rows_of(node) for cell in row.values())
    rows = rows_of(result.outputs.tables["roc"])
    content = result.outputs.tables["roc"].GetTable()
    for number, marker in enumerate(result.analysis.markers):
        assert rows[number]["parameter"] == marker.parameter
        assert content.GetValueByName(number, "auc").ToDouble() == marker.roc.auc


def test_results_are_in_a_folder_beside_the_table(scene):
    node = cohort_job.add_example_cohort("bold")
    outputs = analyzed(node=node).outputs
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(each)) for each in outputs.nodes()}
    (folder,) = folders
    assert hierarchy.GetItemName(folder) == "Example cohort BOLD cohort"
    assert hierarchy.GetItemParent(folder) == hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    again = analyzed(node=node, outputs=outputs).outputs
    assert {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(each)) for each in again.nodes()} == folders


def test_running_again_updates_the_same_nodes(scene):
    node = cohort_job.add_example_cohort("asl")
    outputs = analyzed("asl", node).outputs
    nodes, count = outputs.nodes(), scene.GetNumberOfNodes()
    before = rows_of(outputs.tables["differences"])
    again = analyzed("asl", node, outputs, t_test="student").outputs
    assert again.nodes() == nodes
    assert scene.GetNumberOfNodes() == count
    assert rows_of(again.tables["differences"]) != before


def test_what_the_new_result_does_not_have_is_removed(scene):
    node = cohort_job.add_example_cohort("bold")
    outputs = analyzed(node=node).outputs
    chart = outputs.charts["agreement R2*pre, observers"]
    n_tables, n_series = (scene.GetNumberOfNodesByClass(name) for name in ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode"))
    spec = STUDIES["bold"]
    parameters = tuple(replace(p, observers=(), column=p.observers[0]) if p.observers else p for p in spec.parameters)
    without = replace(with_choices(spec, bootstrap_replicates=100), parameters=parameters)
    again = cohort_job.CohortJob(node, without).run(outputs).outputs
    assert "agreement" not in again.tables
    assert not scene.IsNodePresent(chart)
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == n_tables - 2 - 3, "two tables, data of three charts"
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == n_series - 9


def test_failure_leaves_nothing_behind(scene, monkeypatch):
    node = cohort_job.add_example_cohort("bold")
    job = cohort_job.CohortJob(node, with_choices(STUDIES["bold"], bootstrap_replicates=100))
    for _ in job.steps():
        pass
    count = scene.GetNumberOfNodes()

    def broken(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(cohort_nodes, "_write_chart", broken)
    with pytest.raises(ZeroDivisionError):
        job.finish()
    assert scene.GetNumberOfNodes() == count


def test_steps_touch_no_node(scene):
    node = cohort_job.add_example_cohort("bold")
    job = cohort_job.CohortJob(node, with_choices(STUDIES["bold"], bootstrap_replicates=100))
    count = scene.GetNumberOfNodes()
    fractions = list(job.steps())
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert scene.GetNumberOfNodes() == count


# -- charts --


def area(points: np.ndarray) -> float:
    """Under a polygon from left to right."""
    x, y = points[np.lexsort((points[:, 1], points[:, 0]))].T
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))


def test_area_under_the_drawn_curve_is_the_auc(scene):
    result = analyzed()
    series = series_of(result.outputs.charts["ROC response"])
    for marker in result.analysis.markers:
        points = series[f"{marker.parameter}: AUC {marker.roc.auc:.3f}"]
        assert area(points) == pytest.approx(marker.roc.auc, abs=1e-9)
        best = series[marker.roc.cutoff.rule(marker.parameter, marker.unit)]
        performance = marker.roc.cutoff.performance
        np.testing.assert_allclose(best, [[1 - performance.specificity.value, performance.sensitivity.value]])
    np.testing.assert_array_equal(series["Chance"], [[0, 0], [1, 1]])


def test_boxes_show_every_patient_and_the_quartiles(scene):
    result = analyzed()
    found = result.analysis.differences[0]
    series = series_of(result.outputs.charts[f"groups {found.parameter}, {found.grouping}"])
    group = result.analysis.values.group(found.grouping)
    parts = group.split(result.analysis.values.of(found.parameter).final)
    for at, (summary, values) in enumerate(zip((found.first, found.second), parts, strict=True), start=1):
        points = series[f"{summary.name} (n = {summary.n})"]
        np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(values))
        assert np.all(np.abs(points[:, 0] - at) < 0.2)
        box = series["Quartiles, median"]
        drawn = {round(y, 9) for x, y in box if abs(x - at) < 0.3}
        assert {round(v, 9) for v in (summary.q1, summary.median, summary.q3)} <= drawn
        assert max(drawn) <= values.max() + 1e-9 and min(drawn) >= values.min() - 1e-9


def test_line_of_a_correlation_goes_through_the_means(scene):
    result = analyzed("asl")
    found = result.analysis.correlations[0]
    series = series_of(result.outputs.charts[f"correlation {found.parameter}, {found.other}"])
    points = np.concatenate([series["partial response"], series["stable disease"]])
    assert len(points) == 55
    (x0, y0), (x1, y1) = series["Least squares"]
    at_mean = y0 + (y1 - y0) * (points[:, 0].mean() - x0) / (x1 - x0)
    assert at_mean == pytest.approx(points[:, 1].mean())


def test_bland_altman_limits_are_1_96_sd_from_the_bias(scene):
    result = analyzed()
    found = result.analysis.agreement[0]
    series = series_of(result.outputs.charts[f"agreement {found.parameter}, {found.kind}"])
    differences = series["Patients"][:, 1]
    limits = next(points for name, points in series.items() if name.startswith("Limits"))
    assert limits[:, 1].max() - differences.mean() == pytest.approx(1.96 * differences.std(ddof=1), rel=1e-4)


def test_pairs_are_one_line_each(scene):
    result = analyzed()
    (chart,) = (each for each in charts(result.analysis) if each.key.startswith("pairs"))
    patients = chart.series[0]
    assert patients.x.size == 3 * 41
    assert np.isnan(patients.x[2::3]).all() and np.isnan(patients.y[2::3]).all(), "the pen is lifted between patients"
    assert chart.title.startswith("R2*pre and R2*post: n = 41"), "before on the left"


def test_many_patients_are_thinned_out_and_the_chart_says_so():
    from NPCResponseLib.cohort.analysis import analyze_cohort
    from NPCResponseLib.cohort.spec import CohortSpec, Grouping, Parameter

    rng = np.random.default_rng(2)
    n = 8_000
    cells = {"group": ["a", "b"] * (n // 2), "x": rng.normal(size=n).tolist(), "y": rng.normal(size=n).tolist()}
    parameters = (Parameter("x", column="x"), Parameter("y", column="y"))
    spec = CohortSpec(parameters, (Grouping("g", "group", ("a",), ("b",)),), correlate_with="y")
    found = {chart.key: chart for chart in charts(analyze_cohort(Table(cells, NumberedRows(range(n))), spec))}
    scatter = found["correlation x, y"]
    assert sum(series.x.size for series in scatter.series if series.style == "points") == 3_000
    assert "3,000 drawn" in scatter.title
    assert max(series.x.size for series in found["ROC g"].series) <= 2_000


def test_series_of_somebody_else_stay_in_the_chart(scene):
    node = cohort_job.add_example_cohort("bold")
    outputs = analyzed(node=node).outputs
    chart = outputs.charts["ROC response"]
    own = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "drawn by the user")
    chart.AddAndObservePlotSeriesNodeID(own.GetID())
    analyzed(node=node, outputs=outputs)
    assert chart.HasPlotSeriesNodeID(own.GetID())


def test_result_survives_a_saved_scene(scene, tmp_path):
    result = analyzed()
    names = {key: node.GetName() for key, node in result.outputs.tables.items()}
    rows = {key: rows_of(node) for key, node in result.outputs.tables.items()}
    curve = series_of(result.outputs.charts["ROC response"])
    save_scene(tmp_path / "cohort.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "cohort.mrb"), True)
    for key, name in names.items():
        for saved, row in zip(rows[key], rows_of(slicer.util.getFirstNodeByName(name)), strict=True):
            assert [_rounded(cell) for cell in row.values()] == [_rounded(cell) for cell in saved.values()], key
    chart = slicer.util.getFirstNodeByClassByName("vtkMRMLPlotChartNode", "Example cohort BOLD ROC response")
    assert chart.GetXAxisRange() == (-0.02, 1.02)
    for name, points in series_of(chart).items():
        np.testing.assert_allclose(points, curve[name], atol=1e-5)


def _rounded(cell: str) -> str:
    try:
        return f"{float(cell):.5g}"
    except ValueError:
        return cell


# -- what Slicer has --


def test_analysis_needs_nothing_that_slicer_does_not_ship():
    code = """
import sys
for name in ("pandas", "statsmodels", "sklearn", "pydantic", "yaml", "typer", "openpyxl", "pyarrow", "matplotlib"):
    sys.modules[name] = None
from NPCResponseLib import headless
headless.start()
from NPCResponseLib.mrml import cohort_job
assert "scipy.stats" not in sys.modules, "start-up of the panel"
result = cohort_job.CohortJob(cohort_job.add_example_cohort("asl"), cohort_job.published_study("asl")).run()
from NPCResponseLib.cohort.decisions import decisions
from NPCResponseLib.report.cohort_text import verdict_sentences
print(len(result.outputs.tables), len(decisions(result.analysis)) > 10, len(verdict_sentences(result.analysis)) > 5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["13", "True", "True"]
