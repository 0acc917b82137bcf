"""The table that one patient gives and a cohort is made of: a row per patient and sub-region, a column per feature."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..subregions.division import GTVNR, GTVR
from ..texture.panel47 import FEATURE_NAMES, RegionFeatures

COLUMNS = ("patient", "region", "volume_cm3", "n_voxels", *FEATURE_NAMES)


def rows_of(patient: str, features: Mapping[str, RegionFeatures]) -> list[dict]:
    """One row for each sub-region; a refused feature is None."""
    return [
        {
            "patient": patient,
            "region": region,
            "volume_cm3": found.volume_cm3,
            "n_voxels": found.n_voxels,
            **{name: _known(found.values[name]) for name in FEATURE_NAMES},
        }
        for region, found in features.items()
        if region in (GTVR, GTVNR)
    ]


def write_rows(rows: Iterable[Mapping], path: Path) -> None:
    """CSV, UTF-8, 12 digits; an empty cell is a value that was refused."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)


def write_columns(columns: Mapping[str, list], path: Path) -> None:
    """CSV from columns by name."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
