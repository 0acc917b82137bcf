"""Features of many patients under perturbed contours: intraclass correlations, and whether the tests still hold."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.agreement import IccForm, intraclass_correlation

from ..heterogeneity.comparison import compare_subregions
from ..heterogeneity.paired_values import PairedValues
from .stability import MeasuredRegions, PatientStability

FORM, LIMITS = "ICC(2,1)", "generalized"
QUANTIZATION_FORM, QUANTIZATION_LIMITS = "ICC(3,1)", "mcgraw-wong"
GRADING = "koo-li"
SIDES = ("recurrent", "nonrecurrent")
FEWEST_PATIENTS = 3


@dataclass(frozen=True)
class CohortFeatureStability:
    """One feature over the patients; None where not defined.

    Attributes:
        recurrent, nonrecurrent, difference: ICC(2,1), absolute agreement of single contours, over the contours as drawn
            and all perturbations; with limits, grade, and the grade of the lower limit, which should decide.
        by_kind: kind of perturbation to the ICC(2,1) of the difference over the contours as drawn and that kind.
        quantization: ICC(3,1), consistency, of the difference over the choices of quantization: their values need not
            be equal, the patients' order should be.
        n: patients with all values; n_without the others.
        n_same_sign: patients whose difference survives, see ``stability.SURVIVES``.
        significant: with the contours as drawn; share_significant: of the perturbations in which the test of the whole
            cohort is significant with the same direction. None if not asked for.
    """

    name: str
    n: int
    n_without: int
    recurrent: IccForm | None
    nonrecurrent: IccForm | None
    difference: IccForm | None
    by_kind: dict[str, IccForm]
    quantization: IccForm | None
    n_same_sign: int
    significant: bool | None
    share_significant: float | None


@dataclass(frozen=True)
class CohortStability:
    """Attributes:
    patients, kinds, n_perturbations; features in the panel's order.
    method: which form of the correlation and why, in sentences.
    """

    patients: tuple[str, ...]
    kinds: tuple[str, ...]
    n_perturbations: int
    features: tuple[CohortFeatureStability, ...]
    method: tuple[str, ...]
    warnings: tuple[str, ...]

    def feature(self, name: str) -> CohortFeatureStability:
        """
        Raises:
            InputError: no such feature.
        """
        for each in self.features:
            if each.name == name:
                return each
        raise InputError(f'no feature "{name}" was perturbed')


def cohort_stability(
    patients: Mapping[str, PatientStability],
    *,
    with_tests: bool = True,
    progress: Callable[[float], None] | None = None,
    **choices,
) -> CohortStability:
    """Agreement of each feature over the perturbations.

    Perturbation number j of a kind has the same size in every patient, so the perturbations are raters that all
    patients share: two-way random, absolute agreement, single (Shrout & Fleiss' ICC(2,1)).

    Args:
        patients: name to ``feature_stability``, all with the same features and perturbations.
        with_tests: repeat ``compare_subregions`` for each perturbation; ``choices`` are its options.

    Raises:
        InputError: fewer than three patients, or patients that were not perturbed alike.
    """
    _check(patients)
    first = next(iter(patients.values()))
    names, n_perturbations = first.feature_names, len(first.perturbed)
    report = progress or (lambda fraction: None)
    n_steps = len(names) + (1 + n_perturbations if with_tests else 0)
    tests = [[None] * len(names)]
    if with_tests:
        tests = []
        for j in range(-1, n_perturbations):
            tests.append(_significance(patients, j, choices))
            report(len(tests) / n_steps)
    features = []
    for column in range(len(names)):
        features.append(_feature(patients, column, [row[column] for row in tests]))
        report((n_steps - len(names) + len(features)) / n_steps)
    return CohortStability(
        patients=tuple(patients),
        kinds=first.kinds,
        n_perturbations=n_perturbations,
        features=tuple(features),
        method=_method_words(n_perturbations, with_tests),
        warnings=_warnings(patients, features),
    )


def _check(patients: Mapping[str, PatientStability]) -> None:
    if len(patients) < FEWEST_PATIENTS:
        raise InputError(
            f"{len(patients)} patient{'' if len(patients) == 1 else 's'}: an intraclass correlation over perturbations "
            f"needs {FEWEST_PATIENTS}",
            where="stability",
            remedy="Look at the signs and the spread of the single patient instead",
        )
    (first_name, first), *others = patients.items()
    for name, other in others:
        for what in ("feature_names", "perturbed", "choices"):
            if _conditions(first, what) != _conditions(other, what):
                word = {"feature_names": "features", "perturbed": "perturbations", "choices": "quantizations"}[what]
                raise InputError(
                    f'patients "{first_name}" and "{name}" have different {word}',
                    where="stability",
                    remedy="Perturb every patient with the same kinds, number and settings",
                )


def _conditions(patient: PatientStability, what: str):
    found = getattr(patient, what)
    if what == "feature_names":
        return found
    return [(each.kind, each.number, each.words if what == "choices" else "") for each in found]


def _significance(patients: Mapping[str, PatientStability], j: int, choices: Mapping) -> list[int]:
    """For each feature the sign of its mean difference if significant, else 0; j = -1 for contours as drawn."""
    regions = [each.reference if j < 0 else each.perturbed[j] for each in patients.values()]
    names = next(iter(patients.values())).feature_names
    sides = (np.array([getattr(each, side) for each in regions]) for side in SIDES)
    values = PairedValues(tuple(patients), names, *sides)
    found = compare_subregions(values, **choices).features
    return [int(np.sign(each.difference.mean)) if each.significant else 0 for each in found]


def _feature(patients: Mapping[str, PatientStability], column: int, signs: list) -> CohortFeatureStability:
    some = list(patients.values())
    conditions = [[each.reference, *each.perturbed] for each in some]
    tables = {side: _table(conditions, side, column) for side in (*SIDES, "differences")}
    forms = {side: _icc(table, FORM, LIMITS) for side, table in tables.items()}
    by_kind = {}
    for kind in some[0].kinds:
        chosen = [[each.reference, *(p for p in each.perturbed if p.kind == kind)] for each in some]
        if found := _icc(_table(chosen, "differences", column), FORM, LIMITS):
            by_kind[kind] = found
    quantized = _table([[each.reference, *each.choices] for each in some], "differences", column)
    n = int(np.count_nonzero(~np.isnan(tables["differences"]).any(axis=1)))
    reference, *perturbed = signs
    return CohortFeatureStability(
        name=some[0].feature_names[column],
        n=n,
        n_without=len(some) - n,
        recurrent=forms["recurrent"],
        nonrecurrent=forms["nonrecurrent"],
        difference=forms["differences"],
        by_kind=by_kind,
        quantization=_icc(quantized, QUANTIZATION_FORM, QUANTIZATION_LIMITS),
        n_same_sign=sum(each.features[column].grade == "survives" for each in some),
        significant=None if reference is None else bool(reference),
        share_significant=float(np.mean([sign == reference for sign in perturbed])) if reference else None,
    )


def _table(conditions: list[list[MeasuredRegions]], side: str, column: int) -> np.ndarray:
    """(patients, conditions)."""
    return np.array([[getattr(each, side)[column] for each in row] for row in conditions])


def _icc(table: np.ndarray, form: str, limits: str) -> IccForm | None:
    complete = table[~np.isnan(table).any(axis=1)]
    if complete.shape[0] < FEWEST_PATIENTS or complete.shape[1] < 2:
        return None
    if not np.ptp(complete, axis=0).any():  # all patients alike: nothing to tell apart
        return None
    # The ICC has no unit: a table of 1e-7 and one of 1e7 are judged alike.
    scaled = complete / np.abs(complete).max()
    found = intraclass_correlation(scaled.tolist(), grading=GRADING).form(form, limits)
    return found if found.value is not None and math.isfinite(found.value) else None


def _method_words(n_perturbations: int, with_tests: bool) -> tuple[str, ...]:
    words = [
        f"ICC(2,1): two-way random, absolute agreement, single contour, over the contours as drawn and "
        f"{n_perturbations} perturbations; generalized confidence limits, which cover also where perturbations shift "
        "the values.",
        "Graded after Koo & Li 2016; a feature should be judged by the lower limit.",
        "Quantization: ICC(3,1), consistency, since other levels give other values by definition.",
    ]
    if with_tests:
        words.append("Tests: the whole comparison repeated, each perturbation being applied to all patients at once.")
    return tuple(words)


def _warnings(patients: Mapping[str, PatientStability], features) -> tuple[str, ...]:
    notes = [f"{name}: {warning}" for name, each in patients.items() for warning in each.warnings]
    lacking = [each for each in features if each.n_without]
    if lacking:
        most = max(lacking, key=lambda each: each.n_without)
        notes.append(
            f"{len(lacking)} features lack a value under some perturbation in some patient (at most "
            f"{most.n_without} of {len(patients)} patients, {most.name}); those patients are "
            "left out of that feature's correlation."
        )
    if len(patients) < 30:
        notes.append(f"{len(patients)} patients (fewer than 30): the limits of the correlations are wide.")
    return tuple(notes)
