"""The Cohort tab over stand-in widgets on the real scene, with Slicer's own parameter nodes."""

import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import slicer

from NPCResponseLib.commands.cohort_examples import SPECS, write_example
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.files import save_scene
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    events,
    import_path,
    layout_manager,
    needs_slicer_source,
    panel,
    scene,
    slicer_python,
)

ROOT = Path(__file__).resolve().parents[1]
TREND = 5079
NEEDED, COLUMN, FOUND = range(3)
FILE_STUDY = 2


def analyze(panel):  # noqa: F811
    panel.ui.cohortAnalyzeButton.click()
    panel.events.pump()


def mapping(panel) -> dict[str, tuple[str, str]]:  # noqa: F811
    """For each needed column what the list shows."""
    table = panel.ui.cohortColumnsTable
    found = {}
    for row in range(table.rowCount):
        box = table.cellWidget(row, COLUMN)
        found[table.item(row, NEEDED).text()] = (box.itemText(box.currentIndex), table.item(row, FOUND).text())
    return found


def box_of(panel, needed: str):  # noqa: F811
    table = panel.ui.cohortColumnsTable
    row = next(n for n in range(table.rowCount) if table.item(n, NEEDED).text() == needed)
    return table.cellWidget(row, COLUMN)


def pick(box, text: str) -> None:
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n) == text)


def rename_column(panel, old: str, new: str) -> None:  # noqa: F811
    panel.values.cohortTable.GetTable().GetColumnByName(old).SetName(new)
    panel.widget.enter()


def answer(monkeypatch, **answers) -> None:
    """What the user chooses in file dialogs."""
    for name, path in answers.items():
        module = "section" if name == "chooseFileToSave" else "cohort_section"
        module = importlib.import_module(f"NPCResponseLib.widgets.{module}")
        monkeypatch.setattr(module, name, lambda *_arguments, path=path: str(path))


@pytest.fixture
def cohort(panel):  # noqa: F811
    """The BOLD example is chosen."""
    panel.ui.cohortExampleButton.click()
    return panel


# -- inputs --


@needs_slicer_source
def test_without_a_table_nothing_can_be_analyzed_and_the_panel_says_so(panel):  # noqa: F811
    ui = panel.ui
    assert not ui.cohortAnalyzeButton.enabled
    assert "Choose a table" in ui.cohortAnalyzeButton.toolTip
    assert "Choose a table" in ui.cohortStatusLabel.text
    assert not ui.cohortReportButton.enabled
    assert not ui.cohortShowResultsButton.enabled
    assert not ui.cohortColumnsTable.visible
    assert not ui.cohortShownTableComboBox.enabled


@needs_slicer_source
def test_example_is_chosen_and_ready(cohort):
    assert cohort.ui.cohortTableSelector.currentNode().GetName() == "Example cohort BOLD"
    assert cohort.ui.cohortTableFactsLabel.text == "41 rows, 6 columns"
    assert cohort.ui.cohortAnalyzeButton.enabled, cohort.ui.cohortAnalyzeButton.toolTip
    assert cohort.ui.cohortStatusLabel.text == ""
    shown = mapping(cohort)
    assert set(shown) == {"patient", "response", "r2star_pre_1", "r2star_pre_2", "r2star_post_1", "r2star_post_2"}
    assert all(name == column and found == "same name" for name, (column, found) in shown.items())


@needs_slicer_source
def test_example_is_that_of_the_chosen_study(panel):  # noqa: F811
    panel.ui.cohortStudyComboBox.currentIndex = 1
    panel.ui.cohortExampleButton.click()
    assert panel.values.cohortTable.GetName() == "Example cohort ASL"
    assert panel.ui.cohortAnalyzeButton.enabled, panel.ui.cohortAnalyzeButton.toolTip


@needs_slicer_source
def test_table_of_another_study_lists_what_is_missing(cohort):
    cohort.ui.cohortStudyComboBox.currentIndex = 1
    assert not cohort.ui.cohortAnalyzeButton.enabled
    assert 'no column is chosen for "residual"' in cohort.ui.cohortStatusLabel.text
    assert mapping(cohort)["tbf_pre_1"] == ("(none)", "⚠ missing")


@needs_slicer_source
def test_similar_column_is_proposed_marked_and_named(cohort):
    rename_column(cohort, "r2star_pre_1", "R2star pre 1")
    assert mapping(cohort)["r2star_pre_1"] == ("R2star pre 1", "⚠ similar: check")
    assert "Check these columns" in cohort.ui.cohortStatusLabel.text
    assert "r2star_pre_1" in cohort.ui.cohortStatusLabel.text
    analyze(cohort)
    assert cohort.messages == []
    assert "R2star pre 1" in cohort.values.cohortWarningsText
    assert "r2star_pre_1 = R2star pre 1 (nearest name)" in cohort.values.cohortDecisions


@needs_slicer_source
def test_user_says_which_column_it_is(cohort):
    rename_column(cohort, "r2star_pre_1", "first reader")
    assert mapping(cohort)["r2star_pre_1"] == ("(none)", "⚠ missing")
    assert not cohort.ui.cohortAnalyzeButton.enabled
    pick(box_of(cohort, "r2star_pre_1"), "first reader")
    assert dict(cohort.values.cohortColumns) == {"r2star_pre_1": "first reader"}
    assert mapping(cohort)["r2star_pre_1"] == ("first reader", "chosen")
    assert cohort.ui.cohortAnalyzeButton.enabled, cohort.ui.cohortAnalyzeButton.toolTip
    pick(box_of(cohort, "r2star_pre_1"), "(none)")
    assert not cohort.ui.cohortAnalyzeButton.enabled


@needs_slicer_source
def test_one_observer_is_enough_for_a_published_study_and_the_panel_says_so(cohort, monkeypatch, tmp_path):
    for name in ("r2star_pre_2", "r2star_post_2"):
        cohort.values.cohortTable.GetTable().RemoveColumnByName(name)
    cohort.widget.enter()
    assert mapping(cohort)["r2star_pre_2"] == ("(none)", "⚠ not given")
    analyze(cohort)
    assert cohort.messages == []
    assert "no second observer &quot;r2star_pre_2&quot;" in cohort.values.cohortWarningsText
    assert "agreement" not in dict(cohort.values.cohortTables)
    path = tmp_path / "mine.yaml"
    path.write_text(SPECS["bold"])
    answer(monkeypatch, chooseFile=path)
    cohort.ui.cohortSpecificationButton.click()
    assert not cohort.ui.cohortAnalyzeButton.enabled, "a file means what it says"
    assert mapping(cohort)["r2star_pre_2"] == ("(none)", "⚠ missing")


@needs_slicer_source
def test_boxes_stay_while_they_are_used(cohort):
    box = box_of(cohort, "r2star_pre_1")
    pick(box, "r2star_pre_2")
    assert box_of(cohort, "r2star_pre_1") is box, "a box that goes while its signal is handled crashes"
    assert "is chosen for" in cohort.ui.cohortStatusLabel.text, "one column for two"


# -- files --


@needs_slicer_source
@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "tsv"])
def test_table_from_a_file_becomes_the_chosen_node(panel, monkeypatch, tmp_path, ending):  # noqa: F811
    pandas = pytest.importorskip("pandas")
    table, _spec = write_example("bold", tmp_path)
    path = tmp_path / f"patients.{ending}"
    frame = pandas.read_csv(table)
    if ending == "xlsx":
        frame.to_excel(path, index=False)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if ending == "tsv" else ",", index=False)
    answer(monkeypatch, chooseFile=path)
    panel.ui.cohortLoadTableButton.click()
    assert panel.messages == []
    assert panel.values.cohortTable.GetName() == "patients"
    assert panel.ui.cohortTableFactsLabel.text == "41 rows, 6 columns"
    analyze(panel)
    assert panel.messages == []
    assert "AUC" in panel.values.cohortSummaryText


@needs_slicer_source
def test_file_that_is_no_table_is_one_message(panel, monkeypatch, tmp_path):  # noqa: F811
    path = tmp_path / "patients.csv"
    path.write_text("a;b;c\n1;2;3\n")
    answer(monkeypatch, chooseFile=path)
    panel.ui.cohortLoadTableButton.click()
    assert len(panel.messages) == 1
    assert "separated by semicolons" in panel.messages[0]
    assert panel.values.cohortTable is None


@needs_slicer_source
def test_what_the_reader_passed_over_is_told(panel, monkeypatch, tmp_path):  # noqa: F811
    table, _spec = write_example("bold", tmp_path)
    table.write_text(table.read_text() + "\n")
    answer(monkeypatch, chooseFile=table)
    panel.ui.cohortLoadTableButton.click()
    assert "1 empty row was passed over" in panel.ui.cohortStatusLabel.text


@needs_slicer_source
def test_folder_of_results_becomes_a_table(panel, monkeypatch, tmp_path):  # noqa: F811
    for number in (1, 2):
        folder = tmp_path / "study" / f"case{number}"
        folder.mkdir(parents=True)
        point = f'{{"name": "pre", "stage": "pre-treatment", "r2star": {{"value": {40 + number}.5}}}}'
        (folder / "result.json").write_text(f'{{"label": "p{number}", "time_points": [{point}], "recist": []}}')
    answer(monkeypatch, chooseFolder=tmp_path / "study")
    panel.ui.cohortLoadFolderButton.click()
    assert panel.messages == []
    node = panel.values.cohortTable
    assert node.GetName() == "study"
    assert node.GetTable().GetValueByName(1, "pre-treatment r2star_hz").ToDouble() == 42.5


@needs_slicer_source
def test_specification_file_is_kept_in_the_scene(cohort, monkeypatch, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPECS["bold"].replace("R2*pre", "First R2*"))
    answer(monkeypatch, chooseFile=path)
    cohort.ui.cohortSpecificationButton.click()
    path.unlink()
    assert cohort.ui.cohortStudyComboBox.currentIndex == FILE_STUDY
    assert cohort.ui.cohortSpecificationButton.text == "mine.yaml"
    analyze(cohort)
    assert cohort.messages == []
    assert "First R2*" in cohort.values.cohortSummaryText


@needs_slicer_source
def test_words_for_missing_cells_of_a_specification_hold_for_the_table(cohort, monkeypatch, tmp_path):
    cohort.values.cohortTable.GetTable().GetColumnByName("r2star_pre_1").SetValue(4, "NA")
    analyze(cohort)
    assert "row 6, column r2star_pre_1" in cohort.messages[0]
    path = tmp_path / "mine.yaml"
    path.write_text(SPECS["bold"] + "table: {missing: [NA]}\n")
    answer(monkeypatch, chooseFile=path)
    cohort.ui.cohortSpecificationButton.click()
    analyze(cohort)
    assert len(cohort.messages) == 1, cohort.messages
    assert "1 of 41 patients have no value" in cohort.values.cohortWarningsText


@needs_slicer_source
def test_faulty_specification_is_told_with_its_line_and_changes_nothing(cohort, monkeypatch, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPECS["bold"].replace("version: 1", "version: 1\nfoo: 2"))
    answer(monkeypatch, chooseFile=path)
    cohort.ui.cohortSpecificationButton.click()
    assert "line 4: foo: unknown field" in cohort.messages[0]
    assert cohort.values.cohortSpecification == ""
    assert cohort.ui.cohortStudyComboBox.currentIndex == 0


@needs_slicer_source
def test_study_from_a_file_without_a_file_says_so(cohort):
    assert not cohort.ui.cohortSpecificationButton.visible
    cohort.ui.cohortStudyComboBox.currentIndex = FILE_STUDY
    assert cohort.ui.cohortSpecificationButton.visible
    assert "no specification file is chosen" in cohort.ui.cohortStatusLabel.text


@needs_slicer_source
def test_packages_that_are_missing_are_asked_for_on_the_click_only(cohort, monkeypatch, tmp_path):
    module = importlib.import_module("NPCResponseLib.widgets.cohort_section")
    asked = []
    monkeypatch.setattr(
        module, "ensurePackages", lambda packages: not packages or (asked.append(dict(packages)), False)[1]
    )
    for name in ("patients.xlsx", "patients.parquet"):
        (tmp_path / name).write_text("")
        answer(monkeypatch, chooseFile=tmp_path / name)
        cohort.ui.cohortLoadTableButton.click()
        assert "not installed" in cohort.ui.cohortStatusLabel.text
    answer(monkeypatch, chooseFile=tmp_path / "spec.yaml")
    cohort.ui.cohortSpecificationButton.click()
    assert asked == [{"openpyxl": "openpyxl"}, {"pyarrow": "pyarrow"}, {"pydantic": "pydantic", "yaml": "PyYAML"}]
    assert cohort.messages == []


@needs_slicer_source
def test_scene_with_a_specification_opens_without_the_packages_for_it(cohort, monkeypatch):
    parameters = importlib.import_module("NPCResponseLib.widgets.cohort_parameters")
    monkeypatch.setattr(parameters, "missingPackages", lambda packages: ["pydantic"])
    cohort.values.cohortSpecification = SPECS["bold"]
    cohort.ui.cohortStudyComboBox.currentIndex = FILE_STUDY
    assert "packages that are not installed" in cohort.ui.cohortStatusLabel.text


# -- a run --


@needs_slicer_source
def test_analyze_writes_tables_and_charts_and_puts_them_into_words(cohort):
    analyze(cohort)
    assert cohort.messages == []
    values, ui = cohort.values, cohort.ui
    assert values.cohortTables["roc"].GetNumberOfRows() == 3
    assert values.cohortCharts["ROC response"].GetNumberOfPlotSeriesNodes() == 7, "chance, three curves, three cutoffs"
    assert "AUC" in ui.cohortSummaryTextLabel.text
    assert ui.cohortSummaryTextLabel.visible
    assert "Cutoffs were chosen and judged on the same patients" in ui.cohortWarningsTextLabel.text
    decisions = ui.cohortDecisionsTextEdit.toPlainText()
    assert "t-test of two groups: Student" in decisions
    assert "R2*post by response" in decisions
    assert ui.cohortStatusLabel.text == "41 patients analyzed."
    assert ui.cohortAnalyzeButton.text == "Analyze"
    assert not ui.cohortProgressBar.visible
    names = [ui.cohortShownTableComboBox.itemText(n) for n in range(ui.cohortShownTableComboBox.count)]
    assert names[ui.cohortShownTableComboBox.currentIndex] == "ROC analysis"
    assert ui.cohortShownChartComboBox.count == len(values.cohortCharts)


@needs_slicer_source
def test_running_again_updates_the_results(cohort, scene):  # noqa: F811
    analyze(cohort)
    nodes, count = dict(cohort.values.cohortTables), scene.GetNumberOfNodes()
    analyze(cohort)
    assert dict(cohort.values.cohortTables) == nodes
    assert scene.GetNumberOfNodes() == count


@needs_slicer_source
def test_choices_reach_the_result_and_are_told(cohort):
    analyze(cohort)
    before = cohort.values.cohortTables["differences"].GetTable().GetValueByName(1, "p").ToDouble()
    cohort.ui.cohortTTestComboBox.currentIndex = 2
    cohort.ui.cohortBootstrapComboBox.currentIndex = 1
    cohort.ui.cohortFinalValueComboBox.currentIndex = 2
    assert "Press Analyze again" in cohort.ui.cohortStatusLabel.text
    assert "Press Analyze again" in cohort.ui.cohortReportButton.toolTip
    analyze(cohort)
    assert cohort.messages == []
    decisions = cohort.values.cohortDecisions
    assert "t-test of two groups: Welch" in decisions
    assert "Bootstrap intervals: 90 %" in decisions
    assert "R2*pre: final value\n    mean of both observers" in decisions
    assert cohort.values.cohortTables["differences"].GetTable().GetValueByName(1, "p").ToDouble() != before


@needs_slicer_source
def test_changed_cell_outdates_the_result(cohort):
    analyze(cohort)
    cohort.values.cohortTable.GetTable().GetColumnByName("r2star_pre_1").SetValue(0, "40.0")
    cohort.values.cohortTable.GetTable().Modified()
    cohort.widget.enter()
    assert "Press Analyze again" in cohort.ui.cohortStatusLabel.text


@needs_slicer_source
def test_analyze_turns_into_cancel_and_canceling_writes_nothing(cohort, scene):  # noqa: F811
    count = scene.GetNumberOfNodes()
    cohort.ui.cohortAnalyzeButton.click()
    assert cohort.ui.cohortAnalyzeButton.text == "Cancel"
    assert not cohort.ui.cohortInputsCollapsibleButton.enabled
    cohort.ui.cohortAnalyzeButton.click()
    cohort.events.pump()
    assert cohort.ui.cohortAnalyzeButton.text == "Analyze"
    assert cohort.ui.cohortInputsCollapsibleButton.enabled
    assert "Canceled" in cohort.ui.cohortStatusLabel.text
    assert scene.GetNumberOfNodes() == count


@needs_slicer_source
def test_removing_the_table_while_it_runs_cancels(cohort, scene):  # noqa: F811
    cohort.ui.cohortAnalyzeButton.click()
    scene.RemoveNode(cohort.values.cohortTable)
    cohort.events.pump()
    assert cohort.values.cohortTable is None
    assert dict(cohort.values.cohortTables) == {}
    assert cohort.messages == []


@needs_slicer_source
def test_closing_the_scene_while_it_runs_cancels(cohort, scene):  # noqa: F811
    cohort.ui.cohortAnalyzeButton.click()
    scene.Clear(0)
    cohort.events.pump()
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    assert cohort.messages == []


@needs_slicer_source
@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("r2star_pre_1", "44,5", "row 3, column r2star_pre_1"),
        ("response", "XG", '"XG" is in neither class'),
        ("patient", "P01", 'patient "P01" stands 2 times'),
    ],
)
def test_users_mistake_is_one_message_without_traceback(cohort, caplog, column, cell, words):
    cohort.values.cohortTable.GetTable().GetColumnByName(column).SetValue(1, cell)
    analyze(cohort)
    assert len(cohort.messages) == 1
    assert words in cohort.messages[0]
    assert "Traceback" not in caplog.text
    assert dict(cohort.values.cohortTables) == {}


@needs_slicer_source
def test_defect_keeps_its_traceback_in_the_log(cohort, monkeypatch, caplog):
    job = importlib.import_module("NPCResponseLib.mrml.cohort_job").CohortJob

    def broken(_self):
        yield 0.1
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(job, "steps", broken)
    analyze(cohort)
    assert "deep inside" in cohort.messages[0]
    assert "ZeroDivisionError" in caplog.text


@needs_slicer_source
def test_result_table_as_input_is_refused_and_the_results_stay(cohort):
    analyze(cohort)
    patients, results = cohort.values.cohortTable, dict(cohort.values.cohortTables)
    cohort.ui.cohortTableSelector.setCurrentNode(results["roc"])
    assert "itself a result" in cohort.ui.cohortAnalyzeButton.toolTip
    assert not cohort.ui.cohortAnalyzeButton.enabled
    cohort.ui.cohortTableSelector.setCurrentNode(patients)
    assert cohort.ui.cohortAnalyzeButton.enabled
    assert dict(cohort.values.cohortTables) == results
    assert cohort.ui.cohortStatusLabel.text == ""


# -- results on screen --


@needs_slicer_source
def test_results_are_shown_and_the_boxes_choose_which(cohort, layout_manager):  # noqa: F811
    analyze(cohort)
    assert cohort.messages == []
    assert layout_manager.layout == TREND
    plot_view = slicer.mrmlScene.GetSingletonNode("NPCDecay", "vtkMRMLPlotViewNode")
    table_view = slicer.mrmlScene.GetSingletonNode("NPCTable", "vtkMRMLTableViewNode")
    values = cohort.values
    assert plot_view.GetPlotChartNodeID() == values.cohortCharts["ROC response"].GetID()
    assert table_view.GetTableNodeID() == values.cohortTables["roc"].GetID()
    pick(cohort.ui.cohortShownTableComboBox, "Agreement")
    pick(cohort.ui.cohortShownChartComboBox, "Groups R2*post, response")
    assert table_view.GetTableNodeID() == values.cohortTables["agreement"].GetID()
    assert plot_view.GetPlotChartNodeID() == values.cohortCharts["groups R2*post, response"].GetID()
    analyze(cohort)
    assert values.cohortShownTable == "agreement", "running again keeps what is shown"
    cohort.ui.cohortPreviousLayoutButton.click()
    assert layout_manager.layout == 2
    pick(cohort.ui.cohortShownTableComboBox, "Groups")
    assert layout_manager.layout == 2, "choosing does not change the layout"


@needs_slicer_source
def test_another_table_gets_its_own_results(cohort, scene):  # noqa: F811
    analyze(cohort)
    before = cohort.values.cohortTables["roc"]
    cohort.ui.cohortExampleButton.click()
    assert dict(cohort.values.cohortTables) == {}
    assert cohort.ui.cohortSummaryTextLabel.text == ""
    analyze(cohort)
    assert cohort.values.cohortTables["roc"] is not before
    assert scene.IsNodePresent(before)


@needs_slicer_source
def test_removed_results_are_forgotten_and_made_again(cohort, scene):  # noqa: F811
    analyze(cohort)
    scene.RemoveNode(cohort.values.cohortTables["roc"])
    assert "roc" not in dict(cohort.values.cohortTables)
    assert cohort.ui.cohortShownTableComboBox.currentIndex == -1
    analyze(cohort)
    assert cohort.messages == []
    assert cohort.values.cohortTables["roc"] is not None


@needs_slicer_source
def test_results_survive_saving_and_loading(cohort, scene, tmp_path):  # noqa: F811
    pick(box_of(cohort, "patient"), "patient")
    analyze(cohort)
    summary, decisions = cohort.values.cohortSummaryText, cohort.values.cohortDecisions
    save_scene(tmp_path / "cohort.mrb")
    scene.Clear(0)
    assert dict(cohort.values.cohortTables) == {}
    assert scene.ReadFromMRB(str(tmp_path / "cohort.mrb"), True)
    values = cohort.values
    assert (values.cohortSummaryText, values.cohortDecisions) == (summary, decisions)
    assert cohort.ui.cohortDecisionsTextEdit.toPlainText() == decisions
    assert values.cohortTables["roc"].GetNumberOfRows() == 3
    assert values.cohortTable.GetName() == "Example cohort BOLD"
    assert cohort.ui.cohortStatusLabel.text == "", "the results belong to what was loaded"
    assert "analysis of this session" in cohort.ui.cohortReportButton.toolTip
    count = scene.GetNumberOfNodes()
    analyze(cohort)
    assert values.cohortSummaryText == summary
    assert scene.GetNumberOfNodes() == count, "the loaded nodes are updated"
    assert cohort.ui.cohortReportButton.enabled


@needs_slicer_source
def test_panel_connects_again_after_reload(cohort):
    analyze(cohort)
    cohort.widget.cleanup()
    assert cohort.ui.cohortColumnsTable.rowCount == 0
    cohort.widget.setup()
    assert cohort.ui.cohortAnalyzeButton.enabled
    rename_column(cohort, "r2star_pre_1", "first reader")
    pick(box_of(cohort, "r2star_pre_1"), "first reader")
    assert cohort.ui.cohortAnalyzeButton.enabled, cohort.ui.cohortAnalyzeButton.toolTip


# -- the report --


@needs_slicer_source
def test_report_is_that_of_the_command(cohort, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    rename_column(cohort, "r2star_pre_1", "R2star pre 1")
    analyze(cohort)
    answer(monkeypatch, chooseFileToSave=tmp_path / "cohort.html")
    cohort.ui.cohortReportButton.click()
    assert cohort.messages == []
    text = (tmp_path / "cohort.html").read_text(encoding="utf-8")
    assert "R2* and response" in text
    assert "R2star pre 1" in text, "the column that was read under another name"
    assert "Xu et al. 2023" in text
    assert text.count("<svg") + text.count("data:image/svg") >= 4
    assert "P01" not in text, "no identifiers"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cohort.html"]
    assert "was saved" in cohort.ui.cohortStatusLabel.text


@needs_slicer_source
def test_report_that_cannot_be_written_is_one_message(cohort, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    analyze(cohort)
    answer(monkeypatch, chooseFileToSave=tmp_path / "no such folder" / "cohort.html")
    cohort.ui.cohortReportButton.click()
    assert "cannot be written" in cohort.messages[0]


# -- scripts --


def test_logic_analyzes_a_table_node(events):  # noqa: F811
    logic = importlib.import_module("NPCResponse").NPCResponseLogic()
    table = logic.loadCohortExample("asl")
    result = logic.analyzeCohort(table, "asl", bootstrap_replicates=100, t_test="student")
    assert result.analysis.n == 55
    assert result.analysis.spec.choices.t_test == "student"
    assert result.outputs.tables["counts"].GetNumberOfRows() == 2
    again = logic.analyzeCohort(table, "asl", outputs=result.outputs, bootstrap_replicates=100)
    assert again.outputs.nodes() == result.outputs.nodes()
    with pytest.raises(InputError, match='there is no study "pet"'):
        logic.analyzeCohort(table, "pet")


def test_console_example_of_the_cohort_works_when_pasted(events, capsys):  # noqa: F811
    module = importlib.import_module("NPCResponse")
    names = {"logic": module.NPCResponseLogic()}
    docstring = inspect.cleandoc(module.NPCResponseLogic.analyzeCohort.__doc__)
    example = docstring.split("::\n", 1)[1].split("\nArgs:")[0]
    exec(compile(textwrap.dedent(example), "<console>", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["R2*pre", "R2*post", "dR2*"]


def test_opening_the_panel_loads_no_statistics():
    code = """
import sys
from NPCResponseLib import headless
headless.start()
import pytest
from Testing import slicer_stand_in
slicer_stand_in.install(pytest.MonkeyPatch())
import NPCResponseLib.widgets.cohort_section
print(*[m for m in ("scipy.stats", "pandas", "statsmodels", "sklearn", "pydantic") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
