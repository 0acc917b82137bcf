"""Many patients, one after the other or on several cores; what is done is kept, so that a run can go on later.

A patient that fails is told and left out; it does not stop the others.
"""

import concurrent.futures
import concurrent.futures.process
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from NPCResponseLib import __version__
from NPCResponseLib.errors import InputError

from .patient_inputs import PatientInputs
from .patient_measurement import MeasurementChoice


@dataclass(frozen=True)
class PatientOutcome:
    """What became of one patient; plain values.

    Attributes:
        rows: of the feature table; empty if it failed.
        failure: why, in one sentence; "" if it did not.
        warnings: sentences.
        summary: alignment, volumes, dose, for the overview table.
        stability, size_control: see ``plain_results``; None if they were not asked for.
    """

    patient: str
    rows: list[dict]
    failure: str = ""
    warnings: tuple[str, ...] = ()
    summary: dict | None = None
    stability: dict | None = None
    size_control: dict | None = None


def run_cohort(
    patients: Sequence[PatientInputs],
    choice: MeasurementChoice,
    *,
    n_jobs: int,
    kept: Path | None,
    check: Callable[[], None],
) -> Iterator[tuple[int, PatientOutcome]]:
    """Measure every patient; yields (position, outcome) as they are done.

    Args:
        n_jobs: processes.
        kept: folder in which outcomes are kept, one file each; found there, a patient is not measured again. None to
            keep nothing.
        check: called often; what it raises ends the run.
    """
    _make_kept_folder(kept)
    waiting = []
    for position, inputs in enumerate(patients):
        found = _read_kept(kept, inputs, choice)
        if found is not None:
            yield position, found
        else:
            waiting.append((position, inputs))
    if n_jobs <= 1 or len(waiting) <= 1:
        for position, inputs in waiting:
            check()
            outcome = measure_one(inputs, choice, check)
            _keep(kept, inputs, choice, outcome)
            yield position, outcome
        return
    yield from _on_processes(waiting, choice, n_jobs, kept, check)


def _on_processes(waiting, choice: MeasurementChoice, n_jobs: int, kept: Path | None, check):
    """Spawned, not forked: threads of VTK and ITK do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    n_jobs = min(n_jobs, len(waiting))
    with concurrent.futures.ProcessPoolExecutor(n_jobs, mp_context=context, initializer=begin_worker) as pool:
        running = {pool.submit(measure_one, inputs, choice): (position, inputs) for position, inputs in waiting}
        try:
            while running:
                done, _ = concurrent.futures.wait(running, timeout=0.2, return_when="FIRST_COMPLETED")
                check()
                for future in done:
                    position, inputs = running.pop(future)
                    outcome = future.result()
                    _keep(kept, inputs, choice, outcome)
                    yield position, outcome
        except concurrent.futures.process.BrokenProcessPool:
            raise InputError(
                "a process that measured a patient was ended from outside, perhaps for lack of memory",
                remedy="Use fewer --jobs; with --keep nothing is measured twice",
            ) from None
        except BaseException:  # also a generator that nobody wants to go on with
            _stop_at_once(pool)
            raise


def begin_worker() -> None:
    """Ctrl-C reaches every process of a terminal; the first one decides and ends the others. None outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody would: a worker of a process that was killed waits for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _stop_at_once(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    """Without waiting for the patients that are being measured."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def measure_one(
    inputs: PatientInputs, choice: MeasurementChoice, check: Callable[[], None] = lambda: None
) -> PatientOutcome:
    """One patient in a scene of its own; a user's mistake becomes its failure, a defect of ours is raised."""
    from NPCResponseLib import headless
    from NPCResponseLib.report.provenance import NameCloak

    headless.start().Clear(0)
    from ..patient_overview import overview_of, warnings_of
    from .feature_rows import rows_of
    from .patient_measurement import measure_patient
    from .plain_results import plain_size_control, plain_stability

    cloak = NameCloak([(path, label) for label, path in inputs.labeled_paths()])  # names of files may identify
    try:
        measured = measure_patient(inputs, choice, lambda _doing, _part: None, check)
    except InputError as error:
        return PatientOutcome(inputs.patient, [], failure=cloak(str(error)))
    finally:
        headless.start().Clear(0)
    warnings = tuple(map(cloak, warnings_of(measured)))
    return PatientOutcome(
        inputs.patient,
        rows_of(inputs.patient, measured.features.features),
        warnings=warnings,
        summary=overview_of(measured),
        stability=plain_stability(measured.stability),
        size_control=plain_size_control(measured.size_control),
    )


# -- what is kept --


def _kept_path(folder: Path, inputs: PatientInputs, choice: MeasurementChoice) -> Path:
    """Its name changes with the files, the choices and the software's version, so that nothing stale is taken."""
    stamps = [(str(path.resolve()), _stamp(path)) for path in inputs.paths()]
    described = json.dumps([stamps, asdict(inputs), asdict(choice), __version__], default=str, sort_keys=True)
    return folder / f"{hashlib.sha256(described.encode()).hexdigest()[:24]}.json"


def _stamp(path: Path) -> list:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]


def _read_kept(folder: Path | None, inputs: PatientInputs, choice: MeasurementChoice) -> PatientOutcome | None:
    if folder is None:
        return None
    try:
        stored = json.loads(_kept_path(folder, inputs, choice).read_text(encoding="utf-8"))
        return PatientOutcome(**{**stored, "warnings": tuple(stored["warnings"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or damaged: then it is measured again


def _keep(folder: Path | None, inputs: PatientInputs, choice: MeasurementChoice, outcome: PatientOutcome) -> None:
    """Write aside, then rename. A failure is not kept: the next run tries again."""
    if folder is None or outcome.failure:
        return
    path = _kept_path(folder, inputs, choice)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        aside.write_text(json.dumps(asdict(outcome)) + "\n", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise _unwritable(folder, error) from error


def _make_kept_folder(folder: Path | None) -> None:
    """Before anything is measured that could not be kept."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"results cannot be kept there ({error.strerror})", where=str(folder), remedy="Choose another --keep"
    )
