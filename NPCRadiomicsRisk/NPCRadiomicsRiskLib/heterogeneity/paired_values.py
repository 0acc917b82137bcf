"""Features of the two sub-regions of many patients, side by side; what is missing is kept with its reason."""

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.cohort.table import Table, missing_column
from NPCResponseLib.errors import InputError

from ..subregions.division import GTV, GTVNR, GTVR

PATIENT, REGION, VOLUME, VOXELS = "patient", "region", "volume_cm3", "n_voxels"
REGIONS = (GTVR, GTVNR)  # the order of pairs: recurrent first
EMPTY = "empty cell: refused or not measured"


@dataclass(frozen=True)
class MissingValue:
    """A value that is not there, and why."""

    patient: str
    region: str
    feature: str
    reason: str


@dataclass(frozen=True, eq=False)
class PairedValues:
    """n patients, f features.

    Attributes:
        recurrent, nonrecurrent: (n, f) float64, NaN where missing.
        missing: each of those NaN with its reason.
        volumes_cm3, n_voxels: (n, 2) of the recurrent and the non-recurrent region, NaN where unknown; None if not
            given.
        notes: what was passed over in reading.
    """

    patients: tuple[str, ...]
    feature_names: tuple[str, ...]
    recurrent: np.ndarray
    nonrecurrent: np.ndarray
    missing: tuple[MissingValue, ...] = ()
    volumes_cm3: np.ndarray | None = None
    n_voxels: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.patients)

    def only(self, feature_names: Sequence[str]) -> "PairedValues":
        """Some of the features.

        Raises:
            InputError: a name that is not there (with the nearest one) or given twice.
        """
        names = _checked_names(feature_names)
        for name in names:
            if name not in self.feature_names:
                raise missing_column(name, self.feature_names, "features")
        columns = [self.feature_names.index(name) for name in names]
        return dataclasses.replace(
            self,
            feature_names=names,
            recurrent=self.recurrent[:, columns],
            nonrecurrent=self.nonrecurrent[:, columns],
            missing=tuple(each for each in self.missing if each.feature in names),
        )

    @property
    def differences(self) -> np.ndarray:
        """(n, f) recurrent - non-recurrent."""
        return self.recurrent - self.nonrecurrent

    @property
    def log_volume_ratio(self) -> np.ndarray | None:
        """(n,) natural logarithm of recurrent / non-recurrent volume."""
        return None if self.volumes_cm3 is None else np.log(self.volumes_cm3[:, 0] / self.volumes_cm3[:, 1])


def paired_values(
    table: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]],
    feature_names: Sequence[str],
    *,
    refused: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] | None = None,
    volumes_cm3: Mapping[str, tuple[float, float]] | None = None,
    n_voxels: Mapping[str, tuple[int, int]] | None = None,
) -> PairedValues:
    """Gather dictionaries of features, as ``texture_panel`` gives them.

    Args:
        table: patient to (features of the recurrent region, of the non-recurrent one); NaN or None is missing.
        refused: patient to (feature to reason, the same for the other region).
        volumes_cm3, n_voxels: patient to (recurrent, non-recurrent).

    Raises:
        InputError: no patient or feature, a feature that no patient has, an infinite value, a volume that is not
            positive.
    """
    names = _checked_names(feature_names)
    if not table:
        raise InputError("no patient", where="sub-regions", remedy="Give the features of two patients or more")
    known = sorted({feature for pair in table.values() for region in pair for feature in region})
    for name in names:
        if name not in known:
            raise missing_column(name, known, "features")
    values = np.full((2, len(table), len(names)), np.nan)
    missing = []
    for row, (patient, pair) in enumerate(table.items()):
        if len(pair) != 2:
            raise InputError("two sub-regions are needed, the recurrent one first", where=f"patient {patient}")
        for side, region in enumerate(REGIONS):
            reasons = refused[patient][side] if refused and patient in refused else {}
            for column, name in enumerate(names):
                value, reason = _value(pair[side], name, reasons, f"patient {patient}, {region}, {name}")
                values[side, row, column] = value
                if reason:
                    missing.append(MissingValue(str(patient), region, name, reason))
    patients = tuple(str(patient) for patient in table)
    return PairedValues(
        patients,
        names,
        *values,
        missing=tuple(missing),
        volumes_cm3=_pairs(volumes_cm3, table, "volume"),
        n_voxels=_pairs(n_voxels, table, "number of voxels"),
    )


def _checked_names(feature_names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(feature_names)
    if not names:
        raise InputError("no feature is named", where="sub-regions")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f'the feature "{name}" is named twice', where="sub-regions")
    return names


def _value(features: Mapping[str, float], name: str, reasons: Mapping[str, str], where: str) -> tuple[float, str]:
    """(value, reason why it is missing or nothing)."""
    if name not in features:
        return math.nan, reasons.get(name, "not among this patient's features")
    value = features[name]
    if value is None or math.isnan(value):
        return math.nan, reasons.get(name, "no number, without a reason given")
    if math.isinf(value):
        raise InputError("infinite value", where=where, remedy="Correct it or leave it empty")
    return float(value), ""


def _pairs(given: Mapping | None, table: Mapping, what: str) -> np.ndarray | None:
    if given is None:
        return None
    pairs = np.array([given.get(patient, (np.nan, np.nan)) for patient in table], float)
    for patient, pair in zip(table, pairs, strict=True):
        if not all(math.isnan(value) or 0 < value < math.inf for value in pair):
            raise InputError(f"the {what} must be positive, found {pair[0]:g} and {pair[1]:g}", where=str(patient))
    return pairs


def paired_values_from_rows(
    *tables: Table | Sequence[Mapping[str, object]], feature_names: Sequence[str] | None = None
) -> PairedValues:
    """From tables with one row per patient and sub-region, as ``npc-radiomics subregions`` writes them.

    Columns: patient, region ("GTVr" or "GTVnr"), volume_cm3, n_voxels, then one per feature. An empty cell is a value
    that was refused. Rows of "GTV" are passed over, as are other columns.

    Args:
        tables: as ``readers.cohort_table.read_table`` gives them (cells as text), or lists of rows as dictionaries.
        feature_names: columns to take; the 47 of the panel if None.

    Raises:
        InputError: no row, a missing column (with the nearest name), text or infinite values among the numbers (row and
            column named), an unknown region, a region given twice, a patient without one of the two.
    """
    if feature_names is None:
        from ..texture.panel47 import FEATURE_NAMES

        feature_names = FEATURE_NAMES
    names = _checked_names(feature_names)
    tables = [given if isinstance(given, Table) else _table_of(given) for given in tables]
    found: dict[str, dict[str, tuple[Table, int]]] = {}
    n_whole = 0
    for table in tables:
        table.require((PATIENT, REGION, *names))
        n_whole += _place_rows(table, found)
    if not found:
        raise InputError("no row of a sub-region", where="features", remedy="Give one row per patient and region")
    values = np.full((2, len(found), len(names)), np.nan)
    sizes = {column: np.full((len(found), 2), np.nan) for column in (VOLUME, VOXELS)}
    missing = []
    for row, (patient, regions) in enumerate(found.items()):
        _require_both(patient, regions)
        for side, region in enumerate(REGIONS):
            table, i = regions[region]
            cells = [table.numbers(name)[i] for name in names]
            values[side, row] = cells
            missing += [
                MissingValue(patient, region, name, EMPTY)
                for name, cell in zip(names, cells, strict=True)
                if math.isnan(cell)
            ]
            for column, numbers in sizes.items():
                numbers[row, side] = _size(table, column, i)
    known = {column: numbers for column, numbers in sizes.items() if not np.isnan(numbers).all()}
    return PairedValues(
        tuple(found),
        names,
        *values,
        missing=tuple(missing),
        volumes_cm3=known.get(VOLUME),
        n_voxels=known.get(VOXELS),
        notes=_reading_notes(tables, names, n_whole),
    )


def _table_of(rows: Sequence[Mapping[str, object]]) -> Table:
    if not rows:
        raise InputError("it has no row", where="features", remedy="Give one row per patient and region")
    columns = dict.fromkeys(column for row in rows for column in row)
    labels = [f"row {number}" for number in range(1, len(rows) + 1)]
    return Table({column: [row.get(column) for row in rows] for column in columns}, labels, "features")


def _place_rows(table: Table, found: dict[str, dict[str, tuple[Table, int]]]) -> int:
    """Note where each sub-region of each patient is; how many rows of whole tumors were passed over."""
    n_whole = 0
    for i, (patient, region) in enumerate(zip(table.labels(PATIENT), table.labels(REGION), strict=True)):
        if not patient:
            raise InputError(f"{table.rows[i]}, column {PATIENT}: empty", where=table.source, remedy="Name the patient")
        if region == GTV:
            n_whole += 1
            continue
        if region not in REGIONS:
            raise _no_region(table, i, region)
        regions = found.setdefault(patient, {})
        if region in regions:
            other, j = regions[region]
            raise InputError(
                f'{table.rows[i]}: {region} of patient "{patient}" is already in {other.source}, {other.rows[j]}',
                where=table.source,
                remedy="Keep one of the two rows, or give the patients different names",
            )
        regions[region] = (table, i)
    return n_whole


def _no_region(table: Table, i: int, region: str) -> InputError:
    folded = {name.casefold(): name for name in REGIONS}
    nearest = difflib.get_close_matches(region.casefold(), list(folded), n=1)
    remedy = f'Did you mean "{folded[nearest[0]]}"?' if nearest else f"Write {GTVR} or {GTVNR}"
    what = f'"{region}" is no sub-region' if region else "empty"
    return InputError(f"{table.rows[i]}, column {REGION}: {what}", where=table.source, remedy=remedy)


def _require_both(patient: str, regions: Mapping[str, tuple[Table, int]]) -> None:
    for region, other in (REGIONS, REGIONS[::-1]):
        if region not in regions:
            table, i = regions[other]
            raise InputError(
                f'patient "{patient}" has a row for {other} ({table.rows[i]}) and none for {region}',
                where=table.source,
                remedy="Add the row, or take the patient out: pairs need both",
            )


def _size(table: Table, column: str, i: int) -> float:
    if column not in table.columns:
        return math.nan
    value = float(table.numbers(column)[i])
    if value <= 0:
        raise InputError(
            f"{table.rows[i]}, column {column}: {value:g} is not positive",
            where=table.source,
            remedy="Correct it or leave it empty",
        )
    return value


def _reading_notes(tables: Sequence[Table], names: Sequence[str], n_whole: int) -> tuple[str, ...]:
    notes = [note for table in tables for note in table.notes]
    if n_whole:
        notes.append(f"{n_whole} row{'s' if n_whole > 1 else ''} of the whole {GTV} passed over.")
    expected = {PATIENT, REGION, VOLUME, VOXELS, *names}
    other = dict.fromkeys(column for table in tables for column in table.columns if column not in expected)
    if other:
        notes.append(f"Columns passed over: {', '.join(other)}.")
    for column in (VOLUME, VOXELS):
        lacking = [table.source for table in tables if column not in table.columns]
        if lacking:
            notes.append(f'No column "{column}" in {", ".join(dict.fromkeys(lacking))}.')
    return tuple(dict.fromkeys(notes))
