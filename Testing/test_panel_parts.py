"""The parts that the panel is made of, one by one: runner, connectors, texts."""

import importlib
import types

import numpy as np
import pytest

from NPCResponseLib.echo_series import EchoSeries
from NPCResponseLib.relaxometry import VoxelStatus, fit_r2star
from NPCResponseLib.rois import SliceRule, roi_statistics
from Testing import slicer_stand_in
from Testing.test_slicer_module import forget_modules


@pytest.fixture
def widgets(monkeypatch):
    """Imports a file of NPCResponseLib.widgets over stand-ins; ``widgets.events`` is the event queue."""
    forget_modules()
    events = slicer_stand_in.install(monkeypatch)
    yield types.SimpleNamespace(
        events=events, load=lambda name: importlib.import_module(f"NPCResponseLib.widgets.{name}")
    )
    forget_modules()


# -- runner --


class Clock:
    """Every look at it is 30 ms later than the one before."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.03
        return self.seconds


class Recorder:
    def __init__(self):
        self.progress, self.outcomes = [], []

    def onProgress(self, fraction):
        self.progress.append(fraction)

    def onDone(self, outcome, error):
        self.outcomes.append((outcome.name, error))


def steps(n: int, log: list | None = None):
    try:
        for i in range(1, n + 1):
            yield i / n
    finally:
        if log is not None:
            log.append("closed")


def make_runner(widgets, generator):
    recorder = Recorder()
    runner = widgets.load("runner").Runner(generator, recorder.onProgress, recorder.onDone, clock=Clock())
    runner.start()
    return runner, recorder


def test_runner_returns_to_the_event_loop_between_slices_of_work_and_finishes_once(widgets):
    runner, recorder = make_runner(widgets, steps(6))
    widgets.events.pumpOnce()
    assert recorder.progress == [pytest.approx(2 / 6)], "two steps of 30 ms fill a slice of 50 ms"
    assert runner.isRunning
    widgets.events.pump()
    assert recorder.progress == sorted(recorder.progress)
    assert recorder.outcomes == [("FINISHED", None)]
    assert not runner.isRunning


def test_canceling_stops_at_once_closes_the_work_and_reports_once(widgets):
    log = []
    runner, recorder = make_runner(widgets, steps(100, log))
    widgets.events.pumpOnce()
    runner.cancel()
    runner.cancel()
    assert log == ["closed"]
    widgets.events.pump()
    assert recorder.outcomes == [("CANCELED", None)]
    assert len(recorder.progress) == 1


def test_canceling_before_the_first_step_does_no_work(widgets):
    runner, recorder = make_runner(widgets, steps(3))
    runner.cancel()
    widgets.events.pump()
    assert recorder.progress == []
    assert recorder.outcomes == [("CANCELED", None)]


def test_canceling_from_the_progress_callback_is_possible(widgets):
    runner, recorder = make_runner(widgets, steps(100))
    runner._onProgress = lambda fraction: runner.cancel()
    widgets.events.pump()
    assert recorder.outcomes == [("CANCELED", None)]


def test_exception_in_the_work_is_handed_over(widgets):
    def failing():
        yield 0.1
        raise ValueError("no signal")

    _runner, recorder = make_runner(widgets, failing())
    widgets.events.pump()
    ((outcome, error),) = recorder.outcomes
    assert outcome == "FAILED"
    assert str(error) == "no signal"


# -- numbers in a line edit --


@pytest.mark.parametrize(
    "text",
    [
        "6.71, 13.42, 20.13",
        "6.71;13.42;20.13",
        "6.71 / 13.42 / 20.13 ms",
        " 6.71  13.42\t20.13 ",
    ],
)
def test_echo_times_are_read_however_people_separate_them(widgets, text):
    assert widgets.load("connectors").parseNumbers(text) == [6.71, 13.42, 20.13]


@pytest.mark.parametrize("text", ["6.71, x", "6.71 .. 13.42", "6,71a"])
def test_unreadable_numbers_are_refused(widgets, text):
    with pytest.raises(ValueError, match="could not convert"):
        widgets.load("connectors").parseNumbers(text)


def test_no_text_means_no_numbers(widgets):
    assert widgets.load("connectors").parseNumbers("  ") == []


@pytest.mark.parametrize("numbers", [[6.71, 13.42], [2.0, 100.0], [0.1 + 0.2, 1e-7, 33.5512345678]])
def test_numbers_survive_being_shown_and_read_back(widgets, numbers):
    connectors = widgets.load("connectors")
    assert connectors.parseNumbers(connectors.formatNumbers(numbers)) == numbers


# -- results in words --


@pytest.fixture
def result():
    """A small noise-free fit of R2* 40 Hz, with one voxel of no signal in its region."""
    times_ms = (6.71, 13.42, 20.13, 26.84, 33.55)
    shape = (2, 8, 8)
    s0 = np.full(shape, 1000.0)
    s0[1, 2, 2] = 0.0
    echoes = tuple((s0 * np.exp(-40e-3 * time)).astype(np.float32) for time in times_ms)
    series = EchoSeries(echoes, times_ms, "sequence index", np.eye(4), name="<BOLD> pre", warnings=("From a test.",))
    fit = fit_r2star(echoes, times_ms)
    roi_mask = np.zeros(shape, dtype=bool)
    roi_mask[1, 1:5, 1:5] = True
    roi = roi_statistics(
        fit.r2star_hz, roi_mask, standard_errors=fit.r2star_se_hz, status=fit.status, status_codes=VoxelStatus
    )
    return types.SimpleNamespace(
        series=series,
        fit=fit,
        roi=roi,
        roi_mask=roi_mask,
        settings=types.SimpleNamespace(slice_rule=SliceRule.LARGEST_SLICE),
        warnings=("From a test.", "Twice is once."),
        segment_name="tumor & edge",
        gradient_correction="Nothing was corrected.",
        assumptions=("Milliseconds were taken.",),
    )


def test_region_text_tells_number_spread_and_where(widgets, result):
    text = widgets.load("result_text").regionText(result)
    assert text.startswith("<b>40.0 ± 0.0 Hz</b>")
    assert "slice with the largest area" in text
    assert "slice 2" in text, "slices are counted from 1"
    assert "tumor &amp; edge" in text
    assert "&lt;BOLD&gt; pre" in text, "names are no HTML"


def test_region_text_without_a_tumor_says_so(widgets, result):
    result.roi = None
    assert "No tumor segment" in widgets.load("result_text").regionText(result)


def test_voxels_text_counts_what_was_left_out(widgets, result):
    text = widgets.load("result_text").voxelsText(result)
    assert "15 of 16 voxels used" in text
    assert "1 excluded: low signal" in text
    assert "ok 99.2 %" in text


def test_few_voxels_are_not_shown_as_none(widgets):
    share = widgets.load("result_text")._share
    assert share(0.0004) == "&lt;0.1 %"
    assert share(0.416) == "41.6 %"


def test_notes_tell_method_echo_times_and_each_warning_once(widgets, result):
    text = widgets.load("result_text").notesText(result)
    assert "6.71 / 13.42 / 20.13 / 26.84 / 33.55 ms (sequence index)" in text
    assert result.fit.method.label() in text
    assert "Milliseconds were taken." in text
    assert text.count("From a test.") == 1
    assert "Twice is once." in text


def test_outcome_is_one_line_with_the_number_of_warnings(widgets, result):
    text = widgets.load("result_text").outcomeText(result)
    assert text.startswith("R2* 40.0 ± 0.0 Hz in 15 voxels.")
    assert "\n" not in text
    assert f"Warnings: {2 + len(result.roi.warnings) + len(result.fit.warnings)}" in text
