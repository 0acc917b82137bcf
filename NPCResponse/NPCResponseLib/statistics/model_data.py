"""What a regression sees: columns of a patient table turned into a matrix, patients with gaps counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

FEW_EVENTS_PER_PARAMETER = 10.0  # Peduzzi 1996, J Clin Epidemiol 49:1373: a rule of thumb, so a warning, not an error

MOST_TICK_VALUES = 10
# Sums of fourth powers of everything between, and of differences in its last digit, are floating-point numbers.
LARGEST, SMALLEST = 1e70, 1e-60
NO_SPREAD = 1e-10  # of the largest value: predictors that vary less hold rounding errors and no information


@dataclass(frozen=True)
class Variable:
    """One predictor as the model knows it.

    Attributes:
        name: column name.
        levels: the categories in order, the first being the reference; empty for a continuous variable.
        minimum, maximum: range in the patients used (continuous only, else NaN).
        values: the distinct values of a continuous variable that has ten or fewer, for the ticks of an axis.
    """

    name: str
    levels: tuple[str, ...]
    minimum: float
    maximum: float
    values: tuple[float, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of its columns: "age", or "stage=3", "stage=4"."""
        return tuple(f"{self.name}={level}" for level in self.levels[1:]) if self.levels else (self.name,)


@dataclass(frozen=True)
class ModelData:
    """Complete patients only.

    Attributes:
        matrix: (n used, n terms) predictors, without intercept.
        outcomes: one array per outcome, (n used,).
        variables: the predictors; ``terms`` are the names of the columns of ``matrix``.
        used: (n given,) True where nothing was missing.
        missing_by_column: how many patients lack each column (only columns that lack some).
    """

    matrix: np.ndarray
    outcomes: tuple[np.ndarray, ...]
    variables: tuple[Variable, ...]
    used: np.ndarray
    missing_by_column: tuple[tuple[str, int], ...]

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(term for variable in self.variables for term in variable.terms)

    @property
    def n_missing(self) -> int:
        return int(np.count_nonzero(~self.used))

    def missing_warnings(self) -> tuple[str, ...]:
        """One sentence when patients were left out, naming the columns."""
        if not self.n_missing:
            return ()
        columns = ", ".join(f"{name} {count}" for name, count in self.missing_by_column)
        return (f"{self.n_missing} of {self.used.size} patients left out for missing values ({columns})",)


def numbers(values: Sequence, name: str, *, smallest: float = SMALLEST) -> np.ndarray:
    """A column of floats; None and NaN are missing.

    Args:
        smallest: what one value of a column that is not all zero must reach; 0 for probabilities.

    Raises:
        InputError: text among the numbers (row and column named), values that are infinite, too large or all too small
            to be squared, or not one-dimensional.
    """
    given = np.asarray(values)
    if given.ndim != 1:
        raise InputError("one value per patient is needed", where=name, remedy="Give a one-dimensional column")
    if given.dtype.kind in "biuf":
        column = given.astype(np.float64)
    else:
        column = np.array([_number(cell, row, name) for row, cell in enumerate(given.tolist())], dtype=np.float64)
    if np.isinf(column).any():
        row = int(np.flatnonzero(np.isinf(column))[0]) + 1
        raise InputError("infinite value", where=f"column {name}, row {row}", remedy="Correct it or leave it empty")
    _refuse_sizes(column, name, smallest)
    return column


def _refuse_sizes(column: np.ndarray, name: str, smallest: float) -> None:
    sizes = np.nan_to_num(np.abs(column))
    largest = float(sizes.max(initial=0.0))
    if largest > LARGEST:
        raise InputError(
            f"{column[sizes.argmax()]:g} is too large to compute with",
            where=f"column {name}, row {sizes.argmax() + 1}",
            remedy="Correct it or leave it empty",
        )
    if 0 < largest < smallest:
        raise InputError(
            f"no value is larger than {largest:g}, too small to compute with",
            where=f"column {name}",
            remedy="Choose another unit",
        )


def _number(cell: object, row: int, name: str) -> float:
    if _is_missing(cell):
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise InputError(
            f'"{cell}" is not a number', where=f"column {name}, row {row + 1}", remedy="Correct it or leave it empty"
        ) from None


def _is_missing(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()) or str(cell) == "<NA>"


def binary(values: Sequence, name: str = "outcome") -> np.ndarray:
    """A column of 0, 1 and NaN (missing) from booleans or 0/1 numbers.

    Raises:
        InputError: another value, named with its row.
    """
    column = numbers(values, name)
    wrong = ~(np.isnan(column) | (column == 0) | (column == 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{column[row]:g} is neither 0 nor 1",
            where=f"column {name}, row {row + 1}",
            remedy="Code the outcome as 1 (event) and 0 (no event)",
        )
    return column


def both_classes(labels: np.ndarray, name: str = "outcome") -> None:
    """Refuse one class only.

    Raises:
        InputError: no patient, or all in one class.
    """
    if labels.size == 0:
        raise InputError("no patient with all values", where=name, remedy="Check for columns that are mostly empty")
    if labels.min() == labels.max():
        raise InputError(
            f"all {labels.size} complete patients are in class {labels[0]:g}",
            where=name,
            remedy="Two classes are needed",
        )


def complete(*columns: np.ndarray) -> np.ndarray:
    """True where no column is NaN; all of shape (n,).

    Raises:
        InputError: columns of different lengths.
    """
    if len({column.size for column in columns}) > 1:
        lengths = ", ".join(str(column.size) for column in columns)
        raise InputError(f"columns of different lengths ({lengths})", remedy="Give one value per patient in each")
    return ~np.any([np.isnan(column) for column in columns], axis=0)


def model_data(
    predictors: Mapping[str, Sequence],
    outcomes: Mapping[str, np.ndarray],
    factors: Sequence[str] = (),
) -> ModelData:
    """Build the matrix of a regression from columns (a mapping, or a table whose ``items()`` are its columns).

    Columns of words are categories, columns of numbers continuous unless named in ``factors``; a word among numbers is
    an error, so that a typing mistake does not become a category. The first category in sorted order is the reference
    (treatment coding, as in R).

    Args:
        predictors: name to column, (n,).
        outcomes: name to column of floats, (n,); NaN is missing.
        factors: numeric columns to be taken as categories.

    Raises:
        InputError: unknown factor, columns of different lengths, constant predictor, or predictors that are sums of
            others (named).
    """
    given = {str(name): np.asarray(column) for name, column in predictors.items()}
    if not given:
        raise InputError("no predictor", remedy="Name at least one column")
    for name in factors:
        if name not in given:
            raise InputError(f'no predictor named "{name}"', remedy=f"Choose among {', '.join(given)}")
    columns = {
        name: categories(column) if _is_factor(name, column, factors) else numbers(column, name)
        for name, column in given.items()
    }
    for name, column in {**columns, **outcomes}.items():
        if column.shape != next(iter(outcomes.values())).shape:
            raise InputError(f"{column.size} values, but the outcome has another number", where=f"column {name}")
    missing = {name: missing_cells(column) for name, column in {**columns, **outcomes}.items()}
    used = ~np.any(list(missing.values()), axis=0)
    variables = tuple(_variable(name, column[used]) for name, column in columns.items())
    matrix = design_matrix(variables, {name: column[used] for name, column in columns.items()})
    data = ModelData(
        matrix=matrix,
        outcomes=tuple(column[used] for column in outcomes.values()),
        variables=variables,
        used=used,
        missing_by_column=tuple((name, int(flags.sum())) for name, flags in missing.items() if flags.any()),
    )
    dependent = dependent_column(matrix)
    if dependent is not None:
        raise InputError(
            "follows exactly from the other predictors (or there are more predictors than patients)",
            where=data.terms[dependent],
            remedy="Leave one of them out",
        )
    return data


def design_matrix(variables: Sequence[Variable], columns: Mapping[str, Sequence]) -> np.ndarray:
    """Columns of new patients as the fitted model codes them: (n, n terms); rows with a missing value are NaN.

    Raises:
        InputError: missing column, or a category that the model has not seen.
    """
    parts = []
    for variable in variables:
        if variable.name not in columns:
            raise InputError(f'no column named "{variable.name}"', remedy="Give every predictor of the model")
        values = np.asarray(columns[variable.name])
        parts.append(_indicators(variable, values) if variable.levels else numbers(values, variable.name)[:, None])
    return np.hstack(parts)


def _indicators(variable: Variable, values: np.ndarray) -> np.ndarray:
    labels = categories(values)
    missing = missing_cells(labels)
    unknown = sorted(set(labels[~missing]) - set(variable.levels))
    if unknown:
        raise InputError(
            f"category {unknown[0]} was not among those of the model", where=f"column {variable.name}",
            remedy=f"Known are {', '.join(variable.levels)}",
        )  # fmt: skip
    coded = np.column_stack([labels == level for level in variable.levels[1:]]).astype(np.float64)
    coded[missing] = np.nan
    return coded


def _is_factor(name: str, column: np.ndarray, factors: Sequence[str]) -> bool:
    if name in factors:
        return True
    words = [cell for cell in column.tolist() if not _is_missing(cell)] if column.dtype.kind in "OUST" else []
    return bool(words) and not any(_parses(cell) for cell in words)


def _parses(cell: object) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def categories(column: np.ndarray) -> np.ndarray:
    """Labels as text, "" where missing; whole numbers without decimals."""
    return np.array(["" if _is_missing(cell) else _label(cell) for cell in column.tolist()], dtype=object)


def _label(cell: object) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell).strip()


def missing_cells(column: np.ndarray) -> np.ndarray:
    return column == "" if column.dtype == object else np.isnan(column)


def _variable(name: str, column: np.ndarray) -> Variable:
    if column.size == 0:
        raise InputError("no patient with all values", where=name, remedy="Check for columns that are mostly empty")
    if column.dtype == object:
        variable = Variable(name, tuple(sorted(set(column), key=_natural)), np.nan, np.nan)
        constant = len(variable.levels) < 2
    else:
        variable = _continuous(name, column)
        reach = max(abs(variable.minimum), abs(variable.maximum))
        constant = variable.maximum - variable.minimum <= NO_SPREAD * reach
    if constant:
        raise InputError(f"constant in the {column.size} complete patients", where=name, remedy="Leave it out")
    return variable


def _continuous(name: str, column: np.ndarray) -> Variable:
    distinct = np.unique(column)
    values = tuple(distinct.tolist()) if distinct.size <= MOST_TICK_VALUES else ()
    return Variable(name, (), float(distinct[0]), float(distinct[-1]), values)


def _natural(label: str) -> tuple[int, float, str]:
    """Numbers in their order, then words."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def dependent_column(matrix: np.ndarray) -> int | None:
    """The first column that a constant and the ones before it predict exactly: it has no coefficient of its own."""
    centered = matrix - matrix.mean(axis=0)
    scaled = centered / np.where((spread := centered.std(axis=0)) > 0, spread, 1.0)
    basis = np.empty((matrix.shape[0], 0))
    for index, column in enumerate(scaled.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        norm = np.linalg.norm(rest)
        if norm < 1e-8 * np.sqrt(column.size):
            return index
        basis = np.hstack([basis, (rest / norm)[:, None]])
    return None


def left_out(used: np.ndarray) -> tuple[str, ...]:
    """A sentence for ``warnings`` when some patients lack a value."""
    missing = np.count_nonzero(~used)
    return (f"{missing} of {used.size} patients left out for missing values",) if missing else ()


def few_events_warning(events: int, n: int, parameters: int) -> tuple[float, tuple[str, ...]]:
    """Events (of the rarer class) per parameter, with a warning below ten."""
    ratio = min(events, n - events) / parameters
    if ratio >= FEW_EVENTS_PER_PARAMETER:
        return ratio, ()
    return ratio, (f"{ratio:.1f} events per parameter: below {FEW_EVENTS_PER_PARAMETER:g}, expect optimism",)
