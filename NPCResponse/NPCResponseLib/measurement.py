"""A measured number with everything needed to recompute it, and tables of such numbers as text files."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from . import __version__
from .errors import InputError
from .whole_file import written_aside

SOFTWARE = f"NPCImaging {__version__}"
DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Measurement:
    """One number: what it is, where it was measured, how, and from how many voxels.

    Attributes:
        what: the quantity and statistic, "R2* mean".
        value, unit: the number, and its unit as UCUM writes it ("Hz", "ms", "mL").
        image, segment, roi_rule: where; the image series, the segment, and which part of it.
        method: how; the estimator or the rule.
        parameters: settings that a repetition needs, as "name: value; ...".
        n_used, n_excluded: voxels that the number rests on, and voxels of the region left out.
        excluded_reasons: why they were left out, as "reason: count; ...".
        software_version: name and version of this software.
    """

    what: str
    value: float
    unit: str
    image: str
    segment: str
    roi_rule: str
    method: str
    parameters: str
    n_used: int
    n_excluded: int
    excluded_reasons: str
    software_version: str = SOFTWARE


COLUMN_NAMES = tuple(field.name for field in fields(Measurement))


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words: "segment necrosis: 12; low signal: 3"."""
    return "; ".join(f"{reason}: {count}" for reason, count in counts.items())


def write_measurements(measurements: Iterable[Measurement], path: Path | str) -> None:
    """Write rows as CSV (.csv) or tab-separated text (.tsv), UTF-8, with a header; an old file is replaced at the end.

    Raises:
        InputError: another ending, or a place that cannot be written.
    """
    path = Path(path)
    delimiter = DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        raise InputError("a table is written as .csv or .tsv", where=str(path), remedy="Give the file such an ending")
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(COLUMN_NAMES)
        writer.writerows(map(_cells, measurements))


def _cells(measurement: Measurement) -> list[str]:
    """Numbers to ten digits: more than they mean, few enough to read."""
    return [f"{cell:.10g}" if isinstance(cell, float) else str(cell) for cell in astuple(measurement)]
