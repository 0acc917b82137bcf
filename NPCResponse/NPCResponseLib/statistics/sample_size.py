"""How many patients a conclusion needs: events per variable, power for AUCs, shrinkage of a model to come."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from ..errors import InputError
from .roc import hanley_mcneil_se

LARGEST_SAMPLE = 10_000_000
FEW_EVENTS, VERY_FEW_EVENTS = 10.0, 5.0  # per candidate parameter (Peduzzi 1996; PROBAST 4.1)
EXTERNAL_EVENTS = 100  # of either class for an external validation (Vergouwe 2005)
SMALL_GROUP = 20


@dataclass(frozen=True)
class EventsPerVariable:
    """Patients of the rarer class per candidate parameter.

    Attributes:
        n_parameters: candidates, not only those that were selected.
        verdict: "enough", "few" (below 10) or "far too few" (below 5).
    """

    method: str
    n_events: int
    n_non_events: int
    n_parameters: int
    events_per_variable: float
    verdict: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Power:
    """Power of a test, and how many patients it would take.

    Attributes:
        power: chance to find the assumed difference with the given patients, two-sided at ``alpha``.
        n_positive_needed, n_negative_needed: for ``target_power`` at the same ratio; None if no difference is assumed.
    """

    method: str
    power: float
    alpha: float
    n_positive: int
    n_negative: int
    target_power: float
    n_positive_needed: int | None
    n_negative_needed: int | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ModelSampleSize:
    """Riley's criteria for developing a prediction model of a yes/no outcome.

    Attributes:
        r2_cox_snell: anticipated; r2_cox_snell_maximum: what the prevalence allows.
        n_for_shrinkage: expected shrinkage at least ``shrinkage``; n_for_optimism: apparent and adjusted Nagelkerke R2
            no more than 0.05 apart; n_for_prevalence: overall risk known to 0.05. n is the largest of the three.
        events, events_per_parameter: at that n.
    """

    method: str
    n: int
    n_for_shrinkage: int
    n_for_optimism: int
    n_for_prevalence: int
    events: float
    events_per_parameter: float
    n_parameters: int
    prevalence: float
    r2_cox_snell: float
    r2_cox_snell_maximum: float
    shrinkage: float


def events_per_variable(n_events: int, n_non_events: int, n_parameters: int) -> EventsPerVariable:
    """
    Args:
        n_parameters: all candidate coefficients (a category of k levels has k - 1), selected or not.

    Raises:
        InputError: negative counts or no parameter.
    """
    if min(n_events, n_non_events) < 0 or n_parameters < 1:
        raise InputError("events per variable need counts of both classes and at least one parameter")
    ratio = min(n_events, n_non_events) / n_parameters
    verdict = "enough" if ratio >= FEW_EVENTS else "few" if ratio >= VERY_FEW_EVENTS else "far too few"
    notes = ()
    if verdict != "enough":
        notes = (f"{ratio:.1f} events per candidate parameter ({verdict}): expect optimism, shrink or use fewer",)
    return EventsPerVariable(
        f"patients of the rarer class / candidate parameters; {FEW_EVENTS:g} are a rule of thumb",
        n_events,
        n_non_events,
        n_parameters,
        ratio,
        verdict,
        notes,
    )


def small_sample_warnings(
    group_sizes: Sequence[int], names: Sequence[str], *, external: bool = False
) -> tuple[str, ...]:
    """What a reader should be told about groups of these sizes.

    Args:
        external: the patients validate a finished rule; then 100 of either class are asked for.
    """
    notes = [
        f"{name}: {n} patients (fewer than {SMALL_GROUP}): estimates are very uncertain"
        for n, name in zip(group_sizes, names, strict=True)
        if n < SMALL_GROUP
    ]
    if external and min(group_sizes) < EXTERNAL_EVENTS:
        notes.append(f"external validation with fewer than {EXTERNAL_EVENTS} in a class is imprecise")
    return tuple(notes)


def auc_power(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    null_auc: float = 0.5,
    alpha: float = 0.05,
    target_power: float = 0.8,
) -> Power:
    """Power to tell an AUC from another value, two-sided (Hanley & McNeil 1982, with the variance under either value).

    Raises:
        InputError: AUCs or levels out of range, empty groups.
    """
    _check_levels(alpha, target_power)
    _check_auc(auc)
    _check_auc(null_auc)

    def power(n1: int, n0: int) -> float:
        null_se, se = hanley_mcneil_se(null_auc, n1, n0), hanley_mcneil_se(auc, n1, n0)
        return _two_sided_power(auc - null_auc, null_se, se, alpha)

    return _with_needed(
        f"AUC {auc:g} against {null_auc:g}, two-sided at {alpha:g}, Hanley-McNeil standard errors",
        power,
        n_positive,
        n_negative,
        alpha,
        target_power,
        auc == null_auc,
    )


def auc_difference_power(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    correlation: float = 0.0,
    alpha: float = 0.05,
    target_power: float = 0.8,
) -> Power:
    """Power to tell two AUCs apart, two-sided (Hanley & McNeil 1983, Radiology 148:839).

    Var(A - B) = SE_A^2 + SE_B^2 - 2 r SE_A SE_B.

    Args:
        correlation: of the two AUCs, 0 for different patients; for two markers of the same patients it is
            covariance / (SE_A SE_B), which DeLong's test gives.

    Raises:
        InputError: AUCs, correlation or levels out of range, empty groups.
    """
    _check_levels(alpha, target_power)
    _check_auc(auc_a)
    _check_auc(auc_b)
    if not -1 < correlation < 1:
        raise InputError(f"the correlation of two AUCs must lie between -1 and 1, found {correlation:g}")

    def power(n1: int, n0: int) -> float:
        a, b = hanley_mcneil_se(auc_a, n1, n0), hanley_mcneil_se(auc_b, n1, n0)
        null = hanley_mcneil_se((auc_a + auc_b) / 2, n1, n0) * math.sqrt(2 * (1 - correlation))
        return _two_sided_power(auc_a - auc_b, null, math.sqrt(a * a + b * b - 2 * correlation * a * b), alpha)

    return _with_needed(
        f"AUC {auc_a:g} against {auc_b:g}, correlation {correlation:g}, two-sided at {alpha:g}, "
        "Hanley-McNeil standard errors",
        power,
        n_positive,
        n_negative,
        alpha,
        target_power,
        auc_a == auc_b,
    )


def model_sample_size(
    n_parameters: int,
    prevalence: float,
    *,
    r2_cox_snell: float | None = None,
    c_statistic: float | None = None,
    shrinkage: float = 0.9,
) -> ModelSampleSize:
    """Patients needed to develop a prediction model (Riley et al. 2019, Stat Med 38:1276; 2020, BMJ 368:m441).

    n >= p / ((S - 1) ln(1 - R2 / S)); the optimism criterion sets S = R2 / (R2 + 0.05 max R2); overall risk to 0.05.

    Args:
        n_parameters: candidate coefficients. prevalence: share with the outcome.
        r2_cox_snell, c_statistic: one of the two, from an earlier study; the C statistic is turned into R2 by
            ``r2_from_c_statistic``.

    Raises:
        InputError: neither or both given, or numbers out of range.
    """
    if (r2_cox_snell is None) == (c_statistic is None):
        raise InputError("give the anticipated Cox-Snell R2 or the C statistic, one of the two")
    if n_parameters < 1 or not 0 < prevalence < 1 or not 0 < shrinkage < 1:
        raise InputError("a sample size needs a parameter, a prevalence and a shrinkage between 0 and 1")
    r2 = r2_from_c_statistic(c_statistic, prevalence) if r2_cox_snell is None else r2_cox_snell
    entropy = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    maximum = 1 - math.exp(2 * entropy)
    if not 0 < r2 < maximum * (1 - 1e-9):
        raise InputError(f"Cox-Snell R2 must lie between 0 and {maximum:.3g} at this prevalence, found {r2:g}")
    if r2 >= shrinkage:
        raise InputError(f"Cox-Snell R2 of {r2:g} is not below the shrinkage {shrinkage:g}")
    sizes = (
        _n_for_shrinkage(n_parameters, r2, shrinkage),
        _n_for_shrinkage(n_parameters, r2, r2 / (r2 + 0.05 * maximum)),
        math.ceil((1.96 / 0.05) ** 2 * prevalence * (1 - prevalence)),
    )
    n = max(sizes)
    return ModelSampleSize(
        f"Riley's three criteria, shrinkage {shrinkage:g}",
        n,
        *sizes,
        n * prevalence,
        n * prevalence / n_parameters,
        n_parameters,
        prevalence,
        r2,
        maximum,
        shrinkage,
    )


def expected_shrinkage(n: int, n_parameters: int, r2_cox_snell: float) -> float:
    """Shrinkage S that n patients allow: the solution of n = p / ((S - 1) ln(1 - R2 / S)), R2 the honest one.

    Raises:
        InputError: numbers out of range, or so few patients that there is no solution.
    """
    if n < 2 or n_parameters < 1 or not 0 < r2_cox_snell < 1 - 1e-8:
        raise InputError("expected shrinkage needs patients, parameters and R2 between 0 and 1")

    def surplus(s: float) -> float:
        return n_parameters / ((s - 1) * math.log(1 - r2_cox_snell / s)) - n

    # n needed rises with S, from almost 0 at S = R2 to infinity at S = 1.
    ends = r2_cox_snell * (1 + 1e-9), 1 - 1e-12
    if surplus(ends[0]) >= 0:
        raise InputError(f"{n} patients are too few for {n_parameters} parameters", remedy="Use fewer parameters")
    return float(optimize.brentq(surplus, *ends))


def r2_from_c_statistic(c_statistic: float, prevalence: float) -> float:
    """Cox-Snell R2 of a well calibrated model with this C statistic (Riley et al. 2021, Stat Med 40:859).

    The linear predictor is normal with equal variance in both classes, sqrt(2) Phi^-1(C) SDs apart; there the logistic
    model holds exactly, and R2 = 1 - exp(2 (null - model log-likelihood) / n) by integration.

    Raises:
        InputError: C not between 0.5 and 1, prevalence not between 0 and 1.
    """
    if not 0.5 < c_statistic < 1 or not 0 < prevalence < 1:
        raise InputError("the C statistic must lie between 0.5 and 1, the prevalence between 0 and 1")
    apart = math.sqrt(2) * float(special.ndtri(c_statistic))
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    base = math.log(prevalence / (1 - prevalence)) - apart**2 / 2
    events = float(weights @ special.log_expit(base + apart * (nodes + apart)))
    others = float(weights @ special.log_expit(-(base + apart * nodes)))
    model = prevalence * events + (1 - prevalence) * others
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return 1 - math.exp(2 * (null - model))


def _n_for_shrinkage(n_parameters: int, r2: float, shrinkage: float) -> int:
    return math.ceil(n_parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))


def _two_sided_power(difference: float, null_se: float, se: float, alpha: float) -> float:
    reach = float(stats.norm.isf(alpha / 2)) * null_se
    if se == 0:
        return 1.0 if abs(difference) > reach else 0.0
    return float(stats.norm.sf((reach - difference) / se) + stats.norm.cdf((-reach - difference) / se))


def _with_needed(
    method: str, power, n_positive: int, n_negative: int, alpha: float, target: float, no_difference: bool
) -> Power:
    if min(n_positive, n_negative) < 1:
        raise InputError("power needs patients in both classes")
    achieved = power(n_positive, n_negative)
    needed = None if no_difference else _needed(power, n_positive, n_negative, target)
    notes = [] if achieved >= target else [f"power {achieved:.2f} is below {target:g}"]
    notes.append("the observed difference as the true one overstates the power (post-hoc power)")
    return Power(method, achieved, alpha, n_positive, n_negative, target, *(needed or (None, None)), tuple(notes))


def _needed(power, n_positive: int, n_negative: int, target: float) -> tuple[int, int] | None:
    """Smallest multiple of the group sizes that reaches the power."""

    def sizes(factor: float) -> tuple[int, int]:
        return max(2, math.ceil(n_positive * factor)), max(2, math.ceil(n_negative * factor))

    high = 1.0
    while power(*sizes(high)) < target:
        high *= 2
        if sum(sizes(high)) > LARGEST_SAMPLE:
            return None
    low = 0.0
    while sum(sizes(high)) > sum(sizes(low)) and high - low > 1e-4 / max(n_positive, n_negative):
        middle = (low + high) / 2
        low, high = (middle, high) if power(*sizes(middle)) < target else (low, middle)
    return sizes(high)


def _check_levels(alpha: float, target_power: float) -> None:
    if not (0 < alpha < 1 and 0 < target_power < 1):
        raise InputError("alpha and power must lie between 0 and 1")


def _check_auc(auc: float) -> None:
    if not 0 < auc < 1:
        raise InputError(f"an assumed AUC must lie between 0 and 1, found {auc:g}")
