"""A folder of patients that ``npc-response assess`` has measured, as a table: one row per result.json."""

import json
from collections.abc import Iterator
from pathlib import Path

from ..cohort.table import Table
from ..errors import InputError

RESULT_NAME = "result.json"
VALUES = {"r2star": "r2star_hz", "tbf": "tbf_ml_per_100g_min"}
CHANGES = {"r2star_increase": "r2star_increase_hz", "tbf_decrease": "tbf_decrease_ml_per_100g_min"}


def read_result_folder(folder: Path) -> Table:
    """Every patient below a folder.

    Columns: "folder" (identifies the patient), "patient" (its label), and for each stage such as "pre-treatment" (a
    time point's name where the stage is "other"): "pre-treatment r2star_hz", "pre-treatment tbf_ml_per_100g_min",
    "3 months r2star_increase_hz", "3 months tbf_decrease_ml_per_100g_min", "3 months atrophy_percent",
    "3 months recist"; and the papers' groups, "group response-3-months".

    Raises:
        InputError: no result, one that is damaged, or two time points of the same stage in one patient.
    """
    paths = sorted(folder.rglob(RESULT_NAME))
    patients, others = {}, 0
    for path in paths:
        result = _read(path)
        if "time_points" in result and "recist" in result:
            name = path.parent.relative_to(folder).as_posix()
            patients[name] = dict(_cells(result, path))
        else:
            others += 1  # of another command
    if not patients:
        raise InputError(
            f"it holds no {RESULT_NAME} of npc-response assess", where=f"folder {folder}", remedy="Check the path"
        )
    names = dict.fromkeys(column for cells in patients.values() for column in cells)
    columns = {"folder": list(patients), **{name: [cells.get(name) for cells in patients.values()] for name in names}}
    notes = (f"{others} results of other commands in the folder were passed over.",) if others else ()
    return Table(columns, [f"folder {name}" for name in patients], f"folder {folder.name}", notes=notes)


def _read(path: Path) -> dict:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"it is damaged ({error})", where=str(path), remedy="Run npc-response assess again") from None
    return result if isinstance(result, dict) else {}


def _cells(result: dict, path: Path) -> Iterator[tuple[str, object]]:
    yield "patient", result.get("label")
    stages: dict[str, str] = {}
    for point in result["time_points"]:
        stage = point["name"] if point["stage"] == "other" else point["stage"]
        if stage in stages.values():
            raise InputError(f'two time points are "{stage}"', where=str(path), remedy="Tell them apart by their stage")
        stages[point["name"]] = stage
        for key, column in VALUES.items():
            if point.get(key):
                yield f"{stage} {column}", point[key]["value"]
    for found in result.get("changes", ()):
        column = CHANGES.get(found["change"]["quantity"])
        if column:
            yield f"{stages[found['time_point']]} {column}", found["change"]["measured"]["value"]
    yield from _atrophy(result, stages)
    for verdict in result.get("recist", ()):
        yield f"{stages[verdict['time_point']]} recist", verdict["category"]
    for group in result.get("groups", ()):
        yield f"group {group['grouping']}", group["group"]


def _atrophy(result: dict, stages: dict[str, str]) -> Iterator[tuple[str, object]]:
    """With several lesions each has its own column: which one is the tumor is not for us to say."""
    measured = [found for found in result.get("atrophy", ()) if found["lesion"]["atrophy"]]
    several = len({found["lesion"]["lesion"] for found in measured}) > 1
    for found in measured:
        suffix = f" {found['lesion']['lesion']}" if several else ""
        yield f"{stages[found['time_point']]} atrophy_percent{suffix}", found["lesion"]["atrophy"]["percent"]
