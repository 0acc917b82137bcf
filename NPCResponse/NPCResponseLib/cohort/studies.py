"""The two functional papers' analyses as specifications, for tables with their columns under any names."""

import dataclasses
from collections.abc import Collection, Mapping

from .spec import Choices, CohortSpec, Grouping, Parameter

HERTZ, FLOW = "Hz", "mL/100g/min"

# Xu et al. 2023: R2* and response to chemoradiotherapy. The paper's p values are Student's; its rule for two observers
# is the first one's value.
BOLD = CohortSpec(
    title="R2* and response",
    id_column="patient",
    groupings=(Grouping("response", "response", ("RG",), ("NRG",), "responding group", "non-responding group"),),
    parameters=(
        Parameter("R2*pre", HERTZ, observers=("r2star_pre_1", "r2star_pre_2"), direction="below"),
        Parameter("R2*post", HERTZ, observers=("r2star_post_1", "r2star_post_2"), direction="above"),
        Parameter("dR2*", HERTZ, difference=("R2*post", "R2*pre"), direction="above"),
    ),
    pairs=(("R2*post", "R2*pre"),),
    choices=Choices(t_test="student"),
)
# Liu et al. 2022: tumor blood flow. Welch's p values, the mean of two observers, no continuity correction. The groups
# of response are made from the atrophy rate, so it is no marker.
ASL = CohortSpec(
    title="Tumor blood flow and early response",
    id_column="patient",
    groupings=(
        Grouping("response at 40 Gy", "response", ("PR",), ("SD",), "partial response", "stable disease"),
        Grouping("residual tumor", "residual", ("no",), ("yes",), "non-residual", "residual"),
    ),
    parameters=(
        Parameter("Pre-TBF", FLOW, observers=("tbf_pre_1", "tbf_pre_2"), direction="above"),
        Parameter("Post-TBF", FLOW, observers=("tbf_post_1", "tbf_post_2"), direction="above"),
        Parameter("dTBF", FLOW, difference=("Pre-TBF", "Post-TBF"), direction="above"),
        Parameter("Pre-MPTD", "mm", observers=("mptd_pre_1", "mptd_pre_2"), roc=False),
        Parameter("Post-MPTD", "mm", observers=("mptd_post_1", "mptd_post_2"), roc=False),
        Parameter("Atrophy rate", "%", atrophy=("Pre-MPTD", "Post-MPTD"), roc=False),
    ),
    pairs=(("Pre-TBF", "Post-TBF"),),
    correlate_with="Atrophy rate",
    correlated=("Pre-TBF", "Post-TBF", "dTBF"),
    tables=(("response at 40 Gy", "residual tumor"),),
    choices=Choices(final_value="mean"),
)
STUDIES = {"bold": BOLD, "asl": ASL}


def with_columns(spec: CohortSpec, names: Mapping[str, str]) -> CohortSpec:
    """The same analysis of a table that calls its columns otherwise.

    Args:
        names: for columns of the specification those of the table; what is not in it keeps its name.
    """

    def renamed(column: str) -> str:
        return names.get(column, column)

    def of_parameter(parameter: Parameter) -> Parameter:
        return dataclasses.replace(
            parameter,
            column=renamed(parameter.column),
            observers=tuple(map(renamed, parameter.observers)),
            readings=tuple(map(renamed, parameter.readings)),
        )

    return dataclasses.replace(
        spec,
        id_column=renamed(spec.id_column),
        groupings=tuple(dataclasses.replace(group, column=renamed(group.column)) for group in spec.groupings),
        parameters=tuple(map(of_parameter, spec.parameters)),
    )


def second_observers(spec: CohortSpec) -> tuple[str, ...]:
    """Columns that an analysis can do without: then the first observer's value is the final one."""
    return tuple(parameter.observers[1] for parameter in spec.parameters if parameter.observers)


def without_second_observers(spec: CohortSpec, missing: Collection[str]) -> CohortSpec:
    """The same analysis where these columns of second observers are not there."""

    def of_parameter(parameter: Parameter) -> Parameter:
        if not (parameter.observers and parameter.observers[1] in missing):
            return parameter
        return dataclasses.replace(parameter, column=parameter.observers[0], observers=())

    return dataclasses.replace(spec, parameters=tuple(map(of_parameter, spec.parameters)))


def with_choices(spec: CohortSpec, **choices) -> CohortSpec:
    """The same analysis with other choices (fields of ``Choices``)."""
    return dataclasses.replace(spec, choices=dataclasses.replace(spec.choices, **choices))
