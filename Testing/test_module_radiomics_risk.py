"""The module file NPCRadiomicsRisk for scripts: the console example, the self test, start-up, sample data."""

import functools
import importlib
import subprocess
import sys
import types
import unittest
from dataclasses import replace
from pathlib import Path

import pytest
import slicer

from NPCRadiomicsRiskLib.mrml import sample_data
from NPCResponseLib.errors import InputError
from Testing.test_slicer_module import (  # noqa: F401 - fixtures
    SLICER_SOURCE,
    SampleDataRecorder,
    SampleDataRecorderSince512,
    console_example,
    events,
    import_path,
    module_parent,
    needs_slicer_source,
    scene,
    slicer_python,
)

ROOT = Path(__file__).resolve().parents[1]
# The patient is simulated once for all tests: nodes copy its arrays.
sample_data.simulate_recurrence = functools.cache(sample_data.simulate_recurrence)
HEAVY = ("scipy.stats", "pandas", "sklearn", "matplotlib", "SimpleITK", "pydicom", "jinja2", "typer")


@pytest.fixture
def module(events):  # noqa: F811
    return importlib.import_module("NPCRadiomicsRisk")


def test_module_acknowledges_the_paper(module):
    parent = module_parent()
    module.NPCRadiomicsRisk(parent)
    assert "Akram" in parent.acknowledgementText
    assert "10.1371/journal.pone.0240043" in parent.acknowledgementText


@pytest.mark.parametrize("recorder", [SampleDataRecorder(), SampleDataRecorderSince512()], ids=["5.10", "5.12"])
def test_sample_data_is_registered_at_start_up_and_simulated_on_the_click(recorder, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=recorder))
    module.NPCRadiomicsRisk(module_parent())
    for callback in slicer.app.startupCallbacks:
        callback()
    (source,) = recorder.sources
    assert Path(source["thumbnailFileName"]).is_file()
    assert source["sampleName"] == "NPCRecurrencePhantom"
    assert source["uris"] == source["fileNames"] == source["nodeNames"] == [], "Slicer takes the length of each"
    patient = source["customDownloader"](source)
    for node, name in ((patient.gtv_segmentation, "GTV"), (patient.gtvr_segmentation, "GTVr")):
        assert node.GetSegmentation().GetSegmentIdBySegmentName(name)
    assert patient.pre_landmarks.GetNumberOfControlPoints() == patient.recurrence_landmarks.GetNumberOfControlPoints()
    assert slicer.util.arrayFromVolume(patient.dose).max() == pytest.approx(patient.prescription_gy, rel=0.2)


def test_start_up_survives_a_slicer_without_sample_data(module, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    module.registerRecurrenceSampleData()
    assert "sample data could not be registered" in caplog.text


@needs_slicer_source
def test_start_up_of_slicer_imports_nothing_heavy():
    """Every module file is imported when Slicer starts, whether somebody comes to it or not."""
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "NPCResponse")!r}, {str(ROOT / "NPCRadiomicsRisk")!r}]
from NPCResponseLib import headless
headless.start()
from Testing import slicer_stand_in
import pytest
with pytest.MonkeyPatch.context() as patch:
    slicer_stand_in.install(patch, Path({str(SLICER_SOURCE)!r}))
    before = set(sys.modules)
    import NPCRadiomicsRisk
    print(*[name for name in {HEAVY!r} if name in sys.modules and name not in before])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []


@pytest.fixture
def quick_alignment(monkeypatch):
    """Landmarks in place of the search, which takes half a minute: its own tests try it."""
    from NPCRadiomicsRiskLib.alignment import landmarks
    from NPCRadiomicsRiskLib.mrml import alignment
    from Testing.test_panel_subregions_align import an_alignment

    def align(*_scans, landmarks_fixed_ras=None, landmarks_moving_ras=None, **_options):
        if landmarks_fixed_ras is None:
            landmarks_fixed_ras, landmarks_moving_ras = align.landmarks
        matrix = landmarks.landmark_transform(landmarks_fixed_ras, landmarks_moving_ras)
        errors = landmarks.landmark_errors_mm(landmarks_fixed_ras, landmarks_moving_ras, matrix)
        found = an_alignment(matrix=matrix)
        return replace(found, quality=replace(found.quality, landmark_errors_mm=errors))

    simulate = sample_data.simulate_recurrence

    def remembered(**options):
        patient = simulate(**options)
        align.landmarks = patient.landmarks_pre_ras, patient.landmarks_recurrence_ras
        return patient

    monkeypatch.setattr(sample_data, "simulate_recurrence", remembered)
    monkeypatch.setattr(alignment, "align", align)


def test_console_example_works_when_pasted(module, quick_alignment, capsys):
    names, lines = {}, console_example(module.NPCRadiomicsRiskLogic).strip().splitlines()
    assert len(lines) == 6
    for line in lines:  # a console takes it line by line
        exec(compile(line, "<console>", "single"), names)
    assert float(capsys.readouterr().out) > 0


@needs_slicer_source
def test_self_test_of_the_module_passes(slicer_python, quick_alignment):  # noqa: F811
    module = importlib.import_module("NPCRadiomicsRisk")
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(module.NPCRadiomicsRiskTest)
    outcome = unittest.TestResult()
    suite.run(outcome)
    assert outcome.testsRun >= 3
    assert outcome.wasSuccessful(), "\n".join(text for _test, text in outcome.failures + outcome.errors)


def test_script_names_what_it_cannot_use(module):
    logic = module.NPCRadiomicsRiskLogic()
    patient = logic.loadRecurrencePhantom()
    with pytest.raises(InputError, match="same segment"):
        logic.divideTumor(patient.gtv_segmentation, patient.gtv_segmentation)
    with pytest.raises(InputError, match="prescribed dose"):
        logic.divideTumor(patient.gtv_segmentation, patient.gtvr_segmentation, dose=patient.dose)
    with pytest.raises(InputError, match="tumor"):
        logic.computeFeatures(patient.pre, patient.gtv_segmentation, ["tumor"])
    with pytest.raises(InputError, match="no segments GTV and GTVr"):
        logic.testStability(patient.pre, patient.gtv_segmentation)
