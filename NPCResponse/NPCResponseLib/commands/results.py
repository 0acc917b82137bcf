"""What every command tells of its result, to scripts and to people."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..measurement import Measurement
from ..report.provenance import Provenance

RESEARCH_USE = "Research use only; not for diagnosis."


@dataclass(frozen=True)
class Results:
    """What a run tells: a JSON-ready dictionary, and lines for a person."""

    summary: dict
    lines: list[str]


def json_safe(value):
    """Plain Python numbers; what JSON cannot hold (NaN, infinity) becomes null."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def heading(provenance: Provenance) -> dict:
    """What every summary begins with."""
    return {
        "software": {"name": "NPCImaging", "version": provenance.software_version},
        "created": provenance.created.isoformat(timespec="seconds"),
        "research_use_only": True,
    }


def inputs_of(provenance: Provenance) -> list[dict]:
    """Input files by neutral label and checksum, never by name."""
    return [{"label": each.label, "kind": each.kind, "sha256": each.sha256} for each in provenance.inputs]


def options_of(provenance: Provenance) -> list[str]:
    """Options as they are typed."""
    return [" ".join(filter(None, pair)) for pair in provenance.parameters]


def measurements_of(rows: Sequence[Measurement]) -> list[dict]:
    """What was measured in how many voxels."""
    names = ("what", "value", "unit", "n_used", "n_excluded")
    return [{name: getattr(row, name) for name in names} for row in rows]


def lines_with_warnings(lines: Sequence[str], warnings: Sequence[str]) -> list[str]:
    """For a terminal: what was found, what to mind, and what it is not for."""
    return [*lines, *(f"Warning: {warning}" for warning in warnings), RESEARCH_USE]


def write_index(summary: dict, folder: Path, name: str) -> None:
    """Add the names of all files of the folder to the summary, and write it there as JSON."""
    summary["files"] = sorted([entry.name for entry in folder.iterdir()] + [name])
    (folder / name).write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
