"""The whole analysis of a cohort: from a table and a specification to every result, multiplicity and warnings."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from ..errors import InputError
from ..statistics.multiplicity import AdjustedPValues, adjust_p_values
from ..statistics.sample_size import EventsPerVariable
from .agreement import AgreementResult, agreement_result
from .association import CorrelationResult, CountsResult, correlation_result, counts_result
from .differences import GroupDifference, PairedDifference, group_difference, paired_difference
from .discrimination import NO_BOOTSTRAP, AucDifference, MarkerResult, auc_differences, candidates, marker_result
from .spec import CohortSpec
from .table import Table
from .values import CohortValues, cohort_values

SMALL_GROUP = 10
MUCH_MISSING = 0.05  # PROBAST asks for more than a count beyond
FAMILIES = ("group differences", "paired differences", "AUC comparisons", "correlations", "counts")

Progress = Callable[[str, float], None]
Doing = tuple[str, float]  # what is being done, and the fraction of the whole


@dataclass(frozen=True)
class TestOfFamily:
    """One p value among those that were looked at together.

    Attributes:
        family: the kind of table that it stands in; what: which row.
        holm, bonferroni, benjamini_hochberg: within the family; *_all over every test of the analysis.
    """

    family: str
    what: str
    method: str
    p: float | None
    n_family: int
    bonferroni: float | None
    holm: float | None
    benjamini_hochberg: float | None
    n_all: int
    bonferroni_all: float | None
    holm_all: float | None
    benjamini_hochberg_all: float | None


@dataclass(frozen=True)
class GroupSize:
    grouping: str
    names: tuple[str, str]
    n_positive: int
    n_negative: int
    n_missing: int
    events: EventsPerVariable | None


@dataclass(frozen=True)
class MissingCount:
    """Of one parameter: patients without a final value; by_group: (class name, missing, patients)."""

    parameter: str
    source: str
    n_missing: int
    by_group: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, eq=False)
class CohortAnalysis:
    """Everything that the table tells.

    Attributes:
        values: final values as used, for figures (never written with identifiers unless asked for).
        tests: every p value with its adjusted ones, in the order of the tables.
        warnings: what a reader must know, the gravest first.
    """

    spec: CohortSpec
    values: CohortValues
    group_sizes: tuple[GroupSize, ...]
    missing: tuple[MissingCount, ...]
    differences: tuple[GroupDifference, ...]
    pairs: tuple[PairedDifference, ...]
    markers: tuple[MarkerResult, ...]
    auc_differences: tuple[AucDifference, ...]
    correlations: tuple[CorrelationResult, ...]
    counts: tuple[CountsResult, ...]
    agreement: tuple[AgreementResult, ...]
    tests: tuple[TestOfFamily, ...]
    warnings: tuple[str, ...]

    @property
    def n(self) -> int:
        return self.values.n

    def test_of(self, family: str, what: str) -> TestOfFamily:
        return next(test for test in self.tests if (test.family, test.what) == (family, what))

    def markers_of(self, grouping: str) -> tuple[MarkerResult, ...]:
        return tuple(marker for marker in self.markers if marker.grouping == grouping)


def analyze_cohort(table: Table, spec: CohortSpec, progress: Progress = lambda _doing, _part: None) -> CohortAnalysis:
    """Run everything that the specification asks for.

    Args:
        progress: told what is being done and the fraction of the whole; may raise to stop.

    Raises:
        InputError: see ``values.cohort_values``; nothing is computed then.
    """
    steps = analysis_steps(table, spec)
    while True:
        try:
            progress(*next(steps))
        except StopIteration as done:
            return done.value


def analysis_steps(table: Table, spec: CohortSpec) -> Generator[Doing, None, CohortAnalysis]:
    """The same in steps, for a panel that must stay alive: yields what comes next, returns the analysis.

    Raises:
        InputError: see ``analyze_cohort``.
    """
    yield "Checking the table", 0.0
    values = cohort_values(table, spec)
    choices = spec.choices
    yield "Comparing groups", 0.05
    differences = [group_difference(each, group, choices) for group in values.groups for each in values.parameters]
    pairs = [paired_difference(values.of(first), values.of(second), choices) for first, second in spec.pairs]
    markers, comparisons = yield from _discrimination(values, spec)
    yield "Correlating", 0.85
    correlations = [
        correlation_result(values.of(name), values.of(spec.correlate_with), values.groups, choices)
        for name in spec.correlated_names()
    ]
    counts = [counts_result(values.group(rows), values.group(columns), choices) for rows, columns in spec.tables]
    yield "Measuring agreement", 0.9
    agreement = [_agreement(each, repeat, choices) for each in values.parameters for repeat in each.repeats]
    tests = _adjusted(_tests(differences, pairs, comparisons, correlations, counts), choices.alpha)
    sizes = tuple(_group_size(group, values, spec) for group in values.groups)
    missing = tuple(_missing(each, values) for each in values.parameters)
    analysis = CohortAnalysis(
        spec=spec,
        values=values,
        group_sizes=sizes,
        missing=missing,
        differences=tuple(differences),
        pairs=tuple(pairs),
        markers=tuple(markers),
        auc_differences=tuple(comparisons),
        correlations=tuple(correlations),
        counts=tuple(counts),
        agreement=tuple(agreement),
        tests=tests,
        warnings=(),
    )
    yield "Done", 1.0
    return _with_warnings(analysis, table)


def _discrimination(
    values: CohortValues, spec: CohortSpec
) -> Generator[Doing, None, tuple[list[MarkerResult], list[AucDifference]]]:
    used = tuple(each for each in values.parameters if each.parameter.roc)
    steps = [(group, each) for group in values.groups for each in used]
    markers = []
    for number, (group, each) in enumerate(steps):
        yield f"ROC of {each.parameter.name}", 0.1 + 0.7 * number / len(steps)
        markers.append(marker_result(each, group, spec.choices))
    yield "Comparing AUCs", 0.8
    comparisons = [found for group in values.groups for found in auc_differences(used, group, spec.choices)]
    return markers, comparisons


def _agreement(each, repeat, choices) -> AgreementResult:
    try:
        return agreement_result(each, repeat, choices)
    except InputError as error:
        raise InputError(error.what, where=f"{each.parameter.name}, {repeat.kind}", remedy=error.remedy) from None


def difference_name(found: GroupDifference) -> str:
    return f"{found.parameter}, {found.grouping}"


def pair_name(found: PairedDifference) -> str:
    return f"{found.first_name} against {found.second_name}"


def auc_difference_name(found: AucDifference) -> str:
    return f"{found.test.name_a} against {found.test.name_b}, {found.grouping}"


def correlation_name(found: CorrelationResult) -> str:
    return f"{found.parameter} with {found.other}"


def counts_name(found: CountsResult) -> str:
    return f"{found.row_grouping} by {found.column_grouping}"


def _tests(differences, pairs, comparisons, correlations, counts) -> list[tuple[str, str, str, float | None]]:
    """(family, what, method, p) of every test, in the order of the tables."""
    found = [(FAMILIES[0], difference_name(each), each.method, each.p) for each in differences]
    found += [(FAMILIES[1], pair_name(each), each.method, each.p) for each in pairs]
    found += [(FAMILIES[2], auc_difference_name(each), each.test.method, each.test.p) for each in comparisons]
    found += [
        (FAMILIES[3], correlation_name(each), getattr(each.correlation, each.reported).method, each.p)
        for each in correlations
    ]
    return found + [(FAMILIES[4], counts_name(each), each.method, each.p) for each in counts]


def _adjusted(tests: list[tuple[str, str, str, float | None]], alpha: float) -> tuple[TestOfFamily, ...]:
    everything = _adjust([p for *_, p in tests], alpha)
    within: dict[str, tuple[AdjustedPValues | None, list[int]]] = {}
    for family in FAMILIES:
        places = [i for i, test in enumerate(tests) if test[0] == family]
        within[family] = (_adjust([tests[i][3] for i in places], alpha), places)
    result = []
    for i, (family, what, method, p) in enumerate(tests):
        adjusted, places = within[family]
        own = _at(adjusted, places.index(i))
        result.append(TestOfFamily(family, what, method, p, *own, *_at(everything, i)))
    return tuple(result)


def _adjust(p_values: list[float | None], alpha: float) -> AdjustedPValues | None:
    return adjust_p_values(p_values, alpha=alpha) if any(p is not None for p in p_values) else None


def _at(adjusted: AdjustedPValues | None, i: int) -> tuple[int, float | None, float | None, float | None]:
    if adjusted is None:
        return 0, None, None, None
    return adjusted.n_tests, adjusted.bonferroni[i], adjusted.holm[i], adjusted.benjamini_hochberg[i]


def _group_size(group, values: CohortValues, spec: CohortSpec) -> GroupSize:
    n_markers = sum(each.parameter.roc for each in values.parameters)
    return GroupSize(
        grouping=group.grouping.name,
        names=group.grouping.names,
        n_positive=group.n_positive,
        n_negative=group.n_negative,
        n_missing=group.n_missing,
        events=candidates(n_markers, spec.covariates, group),
    )


def _missing(each, values: CohortValues) -> MissingCount:
    by_group = []
    for group in values.groups:
        for name, part in zip(group.grouping.names, group.split(each.final), strict=True):
            by_group.append((f"{group.grouping.name}: {name}", int((part != part).sum()), int(part.size)))
    return MissingCount(each.parameter.name, each.source, each.n_missing, tuple(by_group))


def _with_warnings(analysis: CohortAnalysis, table: Table) -> CohortAnalysis:
    return replace(analysis, warnings=tuple(dict.fromkeys((*table.notes, *_warnings(analysis)))))


def _warnings(analysis: CohortAnalysis):
    spec, choices = analysis.spec, analysis.spec.choices
    if not spec.id_column:
        yield "No column of patient identifiers was named: patients who stand twice in the table cannot be found."
    yield from _size_warnings(analysis)
    yield from _missing_warnings(analysis)
    yield from _multiplicity_warnings(analysis)
    yield from _choice_warnings(analysis)
    for marker in analysis.markers:
        where = f"ROC of {marker.parameter}, {marker.grouping}"
        notes = [note for note in (*marker.roc.warnings, *marker.notes) if note != NO_BOOTSTRAP]
        yield from (f"{where}: {note}." for note in notes if not _is_counted(note))
        if marker.parameter == spec.correlate_with:
            yield f"{where}: if the groups were made from it, its AUC says nothing."
    if any(NO_BOOTSTRAP in marker.notes for marker in analysis.markers):
        yield f"ROC: {NO_BOOTSTRAP}."
    if any(spec.parameter(marker.parameter).direction == "auto" for marker in analysis.markers):
        yield (
            "The direction of a marker (larger or smaller in the positive class) was found in these patients where the "
            "specification does not give it; an AUC is then at least about 0.5 even for a useless marker."
        )
    if analysis.markers:
        yield (
            "Cutoffs were chosen and judged on the same patients: the corrected sensitivity and specificity are what "
            "to expect of others, and only other patients can tell."
        )
    for found in analysis.correlations:
        yield from (f"{correlation_name(found)}: {note}." for note in found.warnings if not _is_counted(note))
    for found in analysis.counts:
        yield from (f"{counts_name(found)}: {note}." for note in found.warnings)
    for found in analysis.agreement:
        what = f"Agreement of {found.kind}, {found.parameter}"
        yield from (f"{what}: {note}." for note in found.warnings)
    if choices.confidence != 0.95 or choices.bootstrap_confidence != 0.95:
        yield (
            f"Not every interval is a 95 % one: {100 * choices.confidence:g} %, of the bootstrap "
            f"{100 * choices.bootstrap_confidence:g} %."
        )


def _is_counted(note: str) -> bool:
    """Missing values are told once, by parameter."""
    return "left out for missing" in note


def _size_warnings(analysis: CohortAnalysis):
    for size in analysis.group_sizes:
        for name, n in zip(size.names, (size.n_positive, size.n_negative), strict=True):
            if n < SMALL_GROUP:
                small = f"fewer than {SMALL_GROUP}; every number is very uncertain"
                yield f'{size.grouping}: {n} patients "{name}" ({small}).'
        if size.n_missing:
            yield f"{size.grouping}: {size.n_missing} of {analysis.n} patients have no label and count in no class."
        if size.events:
            yield from (f"{size.grouping}: {note}." for note in size.events.warnings)


def _missing_warnings(analysis: CohortAnalysis):
    for found in analysis.missing:
        if found.n_missing:
            share = found.n_missing / analysis.n
            much = f", more than {100 * MUCH_MISSING:g} %: those left may differ" if share > MUCH_MISSING else ""
            counts = f"{found.n_missing} of {analysis.n} patients"
            yield f"{found.parameter}: {counts} have no value ({100 * share:.0f} %{much})."


def _multiplicity_warnings(analysis: CohortAnalysis):
    alpha = analysis.spec.choices.alpha
    lost = [test for test in analysis.tests if test.p is not None and test.p < alpha and (test.holm or 0) >= alpha]
    if lost:
        names = "; ".join(f"{test.what} (p = {test.p:.3g}, Holm {test.holm:.3g})" for test in lost)
        yield f"Below {alpha:g} alone, not after Holm's adjustment within their table: {names}."


def _choice_warnings(analysis: CohortAnalysis):
    for found in analysis.differences:
        notes = [note for note in found.warnings if "disagree" in note]
        yield from (f"{difference_name(found)}: {note}." for note in notes)
    for found in analysis.pairs:
        notes = [note for note in found.warnings if not _is_counted(note)]
        yield from (f"{pair_name(found)}: {note}." for note in notes)
