"""Two observers, or two readings of one: intraclass correlation, Bland-Altman, repeatability."""

from dataclasses import dataclass

import numpy as np

from ..repeatability import Repeatability
from ..statistics.agreement import IccAnalysis, IccForm, intraclass_correlation, repeatability_of
from ..statistics.bland_altman import BlandAltman, bland_altman
from .spec import Choices
from .values import ParameterValues, Repeated

KIND_WORDS = {"observers": ("observer 1", "observer 2"), "readings": ("reading 1", "reading 2")}
GOOD_ENOUGH = 0.75  # "excellent" in Xu et al. 2023; Koo & Li 2016 call it good


@dataclass(frozen=True)
class AgreementResult:
    """Attributes:
    kind: "observers" (between) or "readings" (within one observer).
    icc: all forms; form: the chosen one.
    repeatability: 1.96 sqrt(2) within-subject SD; None if the two never differ.
    """

    parameter: str
    unit: str
    kind: str
    icc: IccAnalysis
    form: IccForm
    bland_altman: BlandAltman
    repeatability: Repeatability | None
    final_value: str
    warnings: tuple[str, ...]


def agreement_result(values: ParameterValues, repeat: Repeated, choices: Choices) -> AgreementResult:
    """ICC and Bland-Altman of one parameter."""
    ratings = np.column_stack([repeat.first, repeat.second])
    icc = intraclass_correlation(ratings, grading=choices.icc_grading, confidence=choices.confidence)
    form = icc.form(choices.icc_form, choices.icc_limits)
    differences = bland_altman(
        repeat.first, repeat.second, confidence=choices.confidence, names=KIND_WORDS[repeat.kind]
    )
    are_equal = differences.sd == 0 and differences.bias == 0
    coefficient = None
    if not are_equal:
        coefficient, _ = repeatability_of(ratings, values.parameter.unit, confidence=choices.confidence)
    return AgreementResult(
        parameter=values.parameter.name,
        unit=values.parameter.unit,
        kind=repeat.kind,
        icc=icc,
        form=form,
        bland_altman=differences,
        repeatability=coefficient,
        final_value=values.source,
        warnings=tuple(dict.fromkeys((*icc.warnings, *differences.warnings, *_notes(values, repeat, form, are_equal)))),
    )


def _notes(values: ParameterValues, repeat: Repeated, form: IccForm, are_equal: bool) -> tuple[str, ...]:
    """The papers take one observer's value, or the mean, "if there was a good level of agreement"."""
    if are_equal:
        return (f"the two {repeat.kind} agree in every digit: was a column copied?",)
    if form.value is None:
        return ()
    if form.value <= GOOD_ENOUGH:
        return (
            f"{form.form} between {repeat.kind} is {form.value:.2f}, not above {GOOD_ENOUGH:g}: the papers' condition "
            f"for their rule ({values.source}) is not met",
        )
    if form.low is not None and form.low <= GOOD_ENOUGH:
        return (f"the lower limit of {form.form} between {repeat.kind} is {form.low:.2f}, not above {GOOD_ENOUGH:g}",)
    return ()
