"""What a cohort analysis compares with what, and the choices that change its conclusions. Plain values only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..errors import InputError
from ..statistics.agreement import FORMS, GRADINGS, Limits
from ..statistics.comparison import Path, StudentOrWelch
from ..statistics.delong import Direction
from ..statistics.rank_tests import ExactOrAsymptotic
from ..statistics.samples import check_alpha, check_confidence

FinalValue = Literal["observer-1", "mean"]


@dataclass(frozen=True)
class Choices:
    """Everything that two statisticians may choose differently; written into every output.

    Attributes:
        t_test: the BOLD paper's p values are Student's, the ASL paper's Welch's.
        p_value: of rank tests; "auto" is R's rule (exact below 50 per group without ties).
        path: "normality" lets Shapiro-Wilk choose between t and rank tests.
        chi_squared: which test of a table is the reported one.
        correlation: which coefficient's p value counts as the test.
        auc_interval: "logit" keeps its coverage in small groups, "delong" is what pROC, SPSS and MedCalc print.
        confidence: of every interval but the bootstrap's; bootstrap_confidence of those.
        final_value: of a parameter read by two observers.
        quartile_type: 7 (R, NumPy) or 6 (SPSS).
        icc_form, icc_limits, icc_grading: which intraclass correlation is reported.
    """

    t_test: StudentOrWelch = "welch"
    p_value: ExactOrAsymptotic = "auto"
    path: Path = "normality"
    chi_squared: Literal["pearson", "yates", "fisher"] = "pearson"
    correlation: Literal["pearson", "spearman"] = "pearson"
    auc_interval: Literal["logit", "delong"] = "logit"
    confidence: float = 0.95
    bootstrap_confidence: float = 0.95
    bootstrap_replicates: int = 2000
    seed: int = 20260101
    alpha: float = 0.05
    final_value: FinalValue = "observer-1"
    quartile_type: int = 7
    icc_form: str = "ICC(2,1)"
    icc_limits: Limits = "mcgraw-wong"
    icc_grading: str = "xu2023"

    def __post_init__(self):
        check_confidence(self.confidence)
        check_alpha(self.alpha)
        if self.bootstrap_confidence not in (0.9, 0.95):
            raise InputError("bootstrap_confidence is 0.90 or 0.95", where="choices")
        _among(self.icc_form, FORMS, "icc_form")
        _among(self.icc_grading, GRADINGS, "icc_grading")
        _among(self.quartile_type, (6, 7), "quartile_type")

    def in_words(self) -> tuple[tuple[str, str], ...]:
        """The four visible choices first, then the others."""
        exact = {"auto": "exact below 50 per group without ties, else asymptotic (R's rule)"}
        path = {"normality": "by Shapiro-Wilk", "t": "always the t-test", "rank": "always the rank test"}
        return (
            ("t-test of two groups", self.t_test.capitalize()),
            ("p values of rank tests", exact.get(self.p_value, self.p_value)),
            ("Maximal log-rank cutoff", "not used (no survival times)"),
            (
                "Bootstrap intervals",
                f"{100 * self.bootstrap_confidence:g} %, {self.bootstrap_replicates} replicates, seed {self.seed}",
            ),
            ("t-test or rank test", path[self.path]),
            ("Reported test of counts", CHI_SQUARED_WORDS[self.chi_squared]),
            ("Reported correlation", self.correlation.capitalize()),
            ("Interval of an AUC", {"logit": "DeLong on the logit scale", "delong": "DeLong"}[self.auc_interval]),
            ("Other intervals", f"{100 * self.confidence:g} %"),
            ("Level of significance", f"{self.alpha:g}, two-sided"),
            ("Final value of two observers", FINAL_VALUE_WORDS[self.final_value]),
            ("Quartiles", {7: "type 7 (R, NumPy)", 6: "type 6 (SPSS)"}[self.quartile_type]),
            (
                "Intraclass correlation",
                f"{self.icc_form}, limits of {ICC_LIMITS_WORDS[self.icc_limits]}, grades of "
                f"{GRADINGS[self.icc_grading][0]}",
            ),
        )


CHI_SQUARED_WORDS = {
    "pearson": "Pearson's chi-squared without continuity correction",
    "yates": "chi-squared with continuity correction",
    "fisher": "Fisher's exact test",
}
FINAL_VALUE_WORDS = {"observer-1": "observer 1's", "mean": "mean of both"}
ICC_LIMITS_WORDS = {
    "mcgraw-wong": "McGraw and Wong",
    "shrout-fleiss": "Shrout and Fleiss",
    "generalized": "generalized inference",
}


@dataclass(frozen=True)
class Parameter:
    """One measured or derived quantity.

    Attributes:
        column: of the final value; or observers: one column per observer; or readings: two readings of one observer
            (may stand beside either). A parameter without any of them is a difference or an atrophy of two others.
        difference: names of two parameters, first - second.
        atrophy: names of two parameters, 100 (first - second) / first, in percent.
        direction: of the ROC; "above" if larger values mean the positive class.
        roc: False keeps it out of the ROC analysis (because the groups are made from it, say).
        final_value: None for that of the choices.
    """

    name: str
    unit: str = ""
    column: str = ""
    observers: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    atrophy: tuple[str, ...] = ()
    direction: Direction = "auto"
    roc: bool = True
    final_value: FinalValue | None = None

    def __post_init__(self):
        where = f"parameter {self.name}"
        sources = [bool(self.column), bool(self.observers), bool(self.difference), bool(self.atrophy)]
        if sum(sources) > 1 or not (any(sources) or self.readings):
            raise InputError("give one of column, observers, readings, difference and atrophy", where=where)
        if (self.difference or self.atrophy) and self.readings:
            raise InputError("readings of a derived parameter follow from those of its parts", where=where)
        for what in ("observers", "readings", "difference", "atrophy"):
            given = getattr(self, what)
            if given and (len(given) != 2 or given[0] == given[1]):
                raise InputError(f"{what} needs two different names", where=where)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parameters that this one is derived from."""
        return self.difference or self.atrophy

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def columns(self) -> tuple[str, ...]:
        return (*((self.column,) if self.column else ()), *self.observers, *self.readings)


@dataclass(frozen=True)
class Grouping:
    """Patients in two classes by the labels in a column.

    Attributes:
        positive, negative: labels of either class; the positive one is what a marker is to find.
        positive_name, negative_name: how reports call them.
    """

    name: str
    column: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    positive_name: str = ""
    negative_name: str = ""

    def __post_init__(self):
        where = f"group {self.name}"
        if not (self.positive and self.negative):
            raise InputError("labels of both classes are needed", where=where)
        both = [label for label in self.positive if label in self.negative]
        if both:
            raise InputError(f'"{both[0]}" stands in both classes', where=where)

    @property
    def names(self) -> tuple[str, str]:
        return self.positive_name or " or ".join(self.positive), self.negative_name or " or ".join(self.negative)


@dataclass(frozen=True)
class CohortSpec:
    """A whole analysis.

    Attributes:
        id_column: "" if the table has none (then duplicates cannot be found, and the result says so).
        pairs: names of two parameters each, compared as first - second in the same patients.
        correlate_with: a parameter (the atrophy rate), with which those in ``correlated`` (all others if empty) are
            correlated; "" for no correlations.
        tables: names of two groupings each, rows and columns of a table of counts.
        covariates: candidate predictors that were looked at beside the parameters, for events per variable.
    """

    parameters: tuple[Parameter, ...]
    groupings: tuple[Grouping, ...] = ()
    id_column: str = ""
    title: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    correlate_with: str = ""
    correlated: tuple[str, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()
    covariates: int = 0
    choices: Choices = field(default_factory=Choices)

    def __post_init__(self):
        if not self.parameters:
            raise InputError("there is no parameter to analyze", remedy="Name at least one")
        names = [parameter.name for parameter in self.parameters]
        groups = [grouping.name for grouping in self.groupings]
        for what, found in (("parameters", names), ("groups", groups)):
            twice = [name for name in found if found.count(name) > 1]
            if twice:
                raise InputError(f"two {what} are named {twice[0]}", remedy="Give each its own name")
        for number, parameter in enumerate(self.parameters):
            for part in parameter.parts:
                _among(part, names[:number], f"parameter {parameter.name}, which needs parameters named before it")
        for pair in self.pairs:
            _two(pair, names, "pairs")
        for pair in self.tables:
            _two(pair, groups, "tables")
        for name in (*self.correlated, *((self.correlate_with,) if self.correlate_with else ())):
            _among(name, names, "correlations")
        if self.correlated and not self.correlate_with:
            raise InputError("it is not said with what the parameters are to be correlated", where="correlations")
        if self.correlate_with in self.correlated:
            raise InputError(f"{self.correlate_with} cannot be correlated with itself", where="correlations")

    def parameter(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def correlated_names(self) -> tuple[str, ...]:
        if not self.correlate_with:
            return ()
        return self.correlated or tuple(p.name for p in self.parameters if p.name != self.correlate_with)

    def final_value(self, parameter: Parameter) -> FinalValue:
        return parameter.final_value or self.choices.final_value

    def columns(self) -> tuple[str, ...]:
        """Every column that is needed, each once."""
        wanted = [*((self.id_column,) if self.id_column else ()), *(grouping.column for grouping in self.groupings)]
        wanted += [column for parameter in self.parameters for column in parameter.columns()]
        return tuple(dict.fromkeys(wanted))


def _two(pair: tuple[str, str], names: Iterable[str], where: str) -> None:
    for name in pair:
        _among(name, names, where)
    if pair[0] == pair[1]:
        raise InputError(f"{pair[0]} cannot be compared with itself", where=where)


def _among(value, known: Iterable, where: str) -> None:
    known = tuple(known)
    if value not in known:
        remedy = f"Known are {', '.join(map(str, known))}" if known else ""
        raise InputError(f'there is no "{value}"', where=where, remedy=remedy)
