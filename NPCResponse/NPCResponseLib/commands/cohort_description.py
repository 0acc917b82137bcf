"""What a cohort analysis is to do, in a text file. YAML or JSON; a fault is told with its line.

version: 1
title: R2* and response
patient: id                       # column of identifiers; duplicates are refused
groups:
  - {name: response, column: group, positive: RG, negative: NRG}
parameters:
  - {name: R2*pre, unit: Hz, column: r2star_pre}
  - {name: R2*post, unit: Hz, observers: [r2star_post_1, r2star_post_2]}
  - {name: dR2*, unit: Hz, difference: [R2*post, R2*pre]}
paired: [[R2*post, R2*pre]]
choices: {t_test: student, final_value: observer-1}
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..cohort.spec import Choices, CohortSpec, Grouping, Parameter
from ..errors import InputError
from ..readers.cohort_table import TableFormat
from .described import DescribedPart, Text, fault, read_described

MOST_GROUPINGS = 6
Share = Annotated[float, Field(gt=0, lt=1)]


def _label(value):
    """YAML turns unquoted yes, no, on and off into true and false: the cells of the table would never match."""
    if isinstance(value, bool):
        raise ValueError('write labels such as yes, no, true and false in quotes: "yes"')
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return value


def _labels(value):
    return tuple(_label(item) for item in (value if isinstance(value, (list, tuple)) else (value,)))


Labels = Annotated[tuple[Text, ...], BeforeValidator(_labels), Field(min_length=1)]
Pair = tuple[Text, Text]


class TablePart(DescribedPart):
    """How the table is written, where that is not by the book."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    sheet: str = ""
    missing: Annotated[tuple[Text, ...], BeforeValidator(_labels)] = ()


class GroupPart(DescribedPart):
    """Two classes of patients by the labels of a column."""

    name: Text
    column: Text
    positive: Labels
    negative: Labels
    positive_name: str = ""
    negative_name: str = ""


class ParameterPart(DescribedPart):
    """A measured or derived quantity; see ``cohort.spec.Parameter``."""

    name: Text
    unit: str = ""
    column: str = ""
    observers: tuple[Text, ...] = ()
    readings: tuple[Text, ...] = ()
    difference: tuple[Text, ...] = ()
    atrophy: tuple[Text, ...] = ()
    direction: Literal["auto", "above", "below"] = "auto"
    roc: bool = True
    final_value: Literal["observer-1", "mean"] | None = None


class CorrelationPart(DescribedPart):
    """``with`` which parameter, and which ones (all others if none is named)."""

    with_: Annotated[Text, Field(alias="with")]
    parameters: tuple[Text, ...] = ()


class ChoicesPart(DescribedPart):
    """See ``cohort.spec.Choices``; what is not given keeps its default and is written out all the same."""

    t_test: Literal["student", "welch"] = Choices.t_test
    p_value: Literal["auto", "exact", "asymptotic"] = Choices.p_value
    path: Literal["normality", "t", "rank"] = Choices.path
    chi_squared: Literal["pearson", "yates", "fisher"] = Choices.chi_squared
    correlation: Literal["pearson", "spearman"] = Choices.correlation
    auc_interval: Literal["logit", "delong"] = Choices.auc_interval
    confidence: Share = Choices.confidence
    bootstrap_confidence: Share = Choices.bootstrap_confidence
    bootstrap_replicates: Annotated[int, Field(ge=100, le=100_000)] = Choices.bootstrap_replicates
    seed: Annotated[int, Field(ge=0)] = Choices.seed
    alpha: Share = Choices.alpha
    final_value: Literal["observer-1", "mean"] = Choices.final_value
    quartile_type: Literal[6, 7] = Choices.quartile_type
    icc_form: Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"] = Choices.icc_form
    icc_limits: Literal["mcgraw-wong", "shrout-fleiss", "generalized"] = Choices.icc_limits
    icc_grading: Literal["xu2023", "koo-li"] = Choices.icc_grading


class CohortDescription(DescribedPart):
    """A whole file."""

    version: Literal[1]
    title: str = ""
    table: TablePart = TablePart()
    patient: str = ""
    groups: Annotated[tuple[GroupPart, ...], Field(max_length=MOST_GROUPINGS)] = ()
    parameters: Annotated[tuple[ParameterPart, ...], Field(min_length=1)]
    paired: tuple[Pair, ...] = ()
    correlations: CorrelationPart | None = None
    counts: tuple[Pair, ...] = ()
    covariates: Annotated[int, Field(ge=0)] = 0
    choices: ChoicesPart = ChoicesPart()


def read_cohort_description(path: Path, text: str | None = None) -> tuple[CohortSpec, TableFormat]:
    """What to analyze, and how the table is written.

    Raises:
        InputError: with the line of the first fault.
    """
    if text is None and not path.is_file():
        raise InputError("no such file", where=str(path), remedy="Check the path")
    root, given = read_described(path, CohortDescription, first_fields="version, groups and parameters", text=text)

    def located(location: tuple, make):
        try:
            return make()
        except InputError as error:
            more = f" ({error.remedy})" if error.remedy else ""
            raise fault(path, root, location, f"{error.what}{more}") from None

    groups = tuple(
        located(("groups", n), lambda part=part: Grouping(**part.model_dump())) for n, part in enumerate(given.groups)
    )
    parameters = tuple(
        located(("parameters", n), lambda part=part: Parameter(**part.model_dump()))
        for n, part in enumerate(given.parameters)
    )
    choices = located(("choices",), lambda: Choices(**given.choices.model_dump()))
    try:
        spec = CohortSpec(
            parameters=parameters,
            groupings=groups,
            id_column=given.patient,
            title=given.title,
            pairs=given.paired,
            correlate_with=given.correlations.with_ if given.correlations else "",
            correlated=given.correlations.parameters if given.correlations else (),
            tables=given.counts,
            covariates=given.covariates,
            choices=choices,
        )
    except InputError as error:
        place = {"pairs": ("paired",), "tables": ("counts",), "correlations": ("correlations",)}
        more = f" ({error.remedy})" if error.remedy else ""
        where = place.get(error.where, ("parameters",))
        raise fault(path, root, where, f"{error.what}{more}") from None
    form = TableFormat(
        delimiter=given.table.delimiter,
        decimal_comma=given.table.decimal == ",",
        sheet=given.table.sheet,
        missing_words=given.table.missing,
    )
    return spec, form
