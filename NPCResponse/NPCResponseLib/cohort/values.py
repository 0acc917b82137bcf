"""The final value of each parameter and the class of each patient, with everything that is missing counted."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..statistics.rank_tests import differences
from .spec import CohortSpec, Grouping, Parameter
from .table import Table

SMALLEST_GROUP = 3


@dataclass(frozen=True, eq=False)
class Repeated:
    """Two columns of the same quantity. ``kind`` is "observers" or "readings"."""

    kind: str
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, eq=False)
class ParameterValues:
    """Attributes:
    final: (n,) what every test uses, NaN missing.
    source: how it came about, in words.
    """

    parameter: Parameter
    final: np.ndarray
    source: str
    repeats: tuple[Repeated, ...] = ()

    def repeated(self, kind: str) -> Repeated | None:
        return next((repeat for repeat in self.repeats if repeat.kind == kind), None)

    @property
    def n_missing(self) -> int:
        return int(np.isnan(self.final).sum())


@dataclass(frozen=True, eq=False)
class GroupLabels:
    """Attributes:
    is_positive: (n,) 1, 0, or NaN where the label is empty.
    """

    grouping: Grouping
    is_positive: np.ndarray

    @property
    def n_positive(self) -> int:
        return int(np.sum(self.is_positive == 1))

    @property
    def n_negative(self) -> int:
        return int(np.sum(self.is_positive == 0))

    @property
    def n_missing(self) -> int:
        return int(np.isnan(self.is_positive).sum())

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return values[self.is_positive == 1], values[self.is_positive == 0]


@dataclass(frozen=True, eq=False)
class CohortValues:
    n: int
    ids: tuple[str, ...]
    parameters: tuple[ParameterValues, ...]
    groups: tuple[GroupLabels, ...]

    def of(self, name: str) -> ParameterValues:
        return next(values for values in self.parameters if values.parameter.name == name)

    def group(self, name: str) -> GroupLabels:
        return next(group for group in self.groups if group.grouping.name == name)


def cohort_values(table: Table, spec: CohortSpec) -> CohortValues:
    """Numbers and classes of every patient.

    Raises:
        InputError: missing column, duplicate patients, text among numbers, unknown label, a class with fewer than 3
            patients (of a parameter, too), a constant or empty parameter.
    """
    if table.n == 0:
        raise InputError("the table has no patient", where=table.source, remedy="Give at least one row per patient")
    table.require(spec.columns())
    ids = _ids(table, spec)
    groups = tuple(_labels(table, grouping) for grouping in spec.groupings)
    found: dict[str, ParameterValues] = {}
    for parameter in spec.parameters:
        found[parameter.name] = values = _values(table, spec, parameter, found)
        _check(values, groups, table)
    return CohortValues(table.n, ids, tuple(found.values()), groups)


def _ids(table: Table, spec: CohortSpec) -> tuple[str, ...]:
    if not spec.id_column:
        return ()
    ids = table.labels(spec.id_column)
    where = f"{table.source}, column {spec.id_column}"
    if "" in ids:
        raise InputError(
            f"{table.rows[ids.index('')]} has no patient", where=where, remedy="Give every row an identifier"
        )
    if len(set(ids)) < len(ids):
        name, count = Counter(ids).most_common(1)[0]
        places = [table.rows[i] for i, value in enumerate(ids) if value == name]
        shown = ", ".join(places[:3]) + (" and more" if count > 3 else "")
        raise InputError(
            f'patient "{name}" stands {count} times ({shown})', where=where, remedy="Keep one row per patient"
        )
    return tuple(ids)


def _labels(table: Table, grouping: Grouping) -> GroupLabels:
    classes = dict.fromkeys(grouping.positive, 1.0) | dict.fromkeys(grouping.negative, 0.0) | {"": np.nan}
    labels = table.labels(grouping.column)
    where = f"{table.source}, column {grouping.column}"
    for i, label in enumerate(labels):
        if label not in classes:
            raise InputError(
                f'{table.rows[i]}: "{label}" is in neither class of {grouping.name}',
                where=where,
                remedy=f"Known are {', '.join([*grouping.positive, *grouping.negative])}",
            )
    found = GroupLabels(grouping, np.array([classes[label] for label in labels]))
    sizes = dict(zip(grouping.names, (found.n_positive, found.n_negative), strict=True))
    for name, size in sizes.items():
        if size == 0:
            other = next(key for key in sizes if key != name)
            what = f'one class only: no patient is "{name}"' if sizes[other] else "no patient has a label"
            raise InputError(what, where=where, remedy="Two classes are needed")
        if size < SMALLEST_GROUP:
            raise InputError(
                f'{size} patient{"s are" if size > 1 else " is"} "{name}"', where=where,
                remedy=f"A group needs at least {SMALLEST_GROUP} patients",
            )  # fmt: skip
    return found


def _values(
    table: Table, spec: CohortSpec, parameter: Parameter, before: dict[str, ParameterValues]
) -> ParameterValues:
    if parameter.parts:
        return _derived(parameter, *(before[name] for name in parameter.parts))
    repeats = []
    for kind, columns in (("observers", parameter.observers), ("readings", parameter.readings)):
        if columns:
            repeats.append(Repeated(kind, *(table.numbers(column) for column in columns)))
    if parameter.column:
        final, source = table.numbers(parameter.column), f'column "{parameter.column}"'
    else:
        final, source = _final(repeats[0], spec.final_value(parameter))
    return ParameterValues(parameter, final, source, tuple(repeats))


def _final(repeat: Repeated, rule: str) -> tuple[np.ndarray, str]:
    """A mean needs both values: one of them alone would be another quantity."""
    first, both = ("observer 1", "both observers") if repeat.kind == "observers" else ("reading 1", "both readings")
    if rule == "mean":
        return (repeat.first + repeat.second) / 2, f"mean of {both}"
    return repeat.first, f"value of {first}"


def _derived(parameter: Parameter, first: ParameterValues, second: ParameterValues) -> ParameterValues:
    names = first.parameter.name, second.parameter.name
    source = f"{names[0]} - {names[1]}"
    if parameter.atrophy:
        source = f"100 ({source}) / {names[0]}"
        _require_positive(parameter, first)

    def derive(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 100 * (a - b) / a if parameter.atrophy else _difference(a, b)

    # What one observer measured before and after gives that observer's derived value.
    kinds = [repeat.kind for repeat in first.repeats if second.repeated(repeat.kind)]
    repeats = tuple(
        Repeated(kind, *(derive(getattr(first.repeated(kind), which), getattr(second.repeated(kind), which))
                         for which in ("first", "second")))
        for kind in kinds
    )  # fmt: skip
    final = derive(first.final, second.final)
    if parameter.atrophy and repeats and first.source == second.source and first.source.startswith("mean of both"):
        # The mean of two observers' rates, as the ASL paper averages "all parameters", not the rate of the means.
        final, source = (repeats[0].first + repeats[0].second) / 2, f"{source}, mean of both {repeats[0].kind}"
    return ParameterValues(parameter, final, source, repeats)


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Without the floating-point noise that would hide ties."""
    result = np.full(a.size, np.nan)
    both = ~(np.isnan(a) | np.isnan(b))
    if both.any():
        result[both] = differences(a[both], b[both])
    return result


def _require_positive(parameter: Parameter, before: ParameterValues) -> None:
    """Sizes before treatment divide, those of either observer, too."""
    for values in (before.final, *(part for repeat in before.repeats for part in (repeat.first, repeat.second))):
        bad = values[values <= 0]
        if bad.size:
            raise InputError(
                f"a shrinkage needs positive values before treatment, found {bad[0]:g}",
                where=f"parameter {parameter.name}",
                remedy=f"Check {before.parameter.name}",
            )


def _check(values: ParameterValues, groups: tuple[GroupLabels, ...], table: Table) -> None:
    name = values.parameter.name
    present = values.final[~np.isnan(values.final)]
    where = f"{table.source}, parameter {name} ({values.source})"
    if not present.size:
        raise InputError("no patient has a value", where=where, remedy="Leave the parameter out")
    if np.ptp(present) == 0:
        raise InputError(
            f"all {present.size} values are {present[0]:g}", where=where, remedy="Leave a constant parameter out"
        )
    for group in groups:
        for class_name, part in zip(group.grouping.names, group.split(values.final), strict=True):
            size = int(np.count_nonzero(~np.isnan(part)))
            if size < SMALLEST_GROUP:
                raise InputError(
                    f'{size} of {part.size} patients "{class_name}" have a value', where=where,
                    remedy=f"A group needs at least {SMALLEST_GROUP}; fill the values or leave the parameter out",
                )  # fmt: skip
