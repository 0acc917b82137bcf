"""Biologically effective dose of a fractionated treatment (linear-quadratic model), and what a stated dose implies."""

import math
from dataclasses import dataclass

from .errors import InputError

TUMOR_ALPHA_BETA_GY = 10.0  # Liu et al. 2022, Eq. 1; late-reacting tissue: usually 3


@dataclass(frozen=True)
class DoseSummary:
    """A treatment's dose in the units in which treatments are compared.

    Attributes:
        biologically_effective_dose_gy: D (1 + d / (alpha/beta)).
        eqd2_gy: the dose in fractions of 2 Gy with the same effect.
        formula: the computation with its numbers.
        assumptions: sentences on what was not given.
    """

    total_dose_gy: float
    n_fractions: int
    dose_per_fraction_gy: float
    alpha_beta_gy: float
    biologically_effective_dose_gy: float
    eqd2_gy: float
    formula: str
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImpliedFractionation:
    """What number of fractions a stated biologically effective dose implies.

    Attributes:
        n_fractions: as computed, not rounded.
        n_fractions_range: the numbers that the stated doses' rounding allows.
        whole_n_fractions: the whole number in that range, or None if there is none.
        dose_per_fraction_gy: total dose / n_fractions.
        remark: one sentence.
    """

    total_dose_gy: float
    biologically_effective_dose_gy: float
    alpha_beta_gy: float
    n_fractions: float
    n_fractions_range: tuple[float, float]
    whole_n_fractions: int | None
    dose_per_fraction_gy: float
    remark: str


def biologically_effective_dose_gy(
    total_dose_gy: float,
    *,
    n_fractions: int | None = None,
    dose_per_fraction_gy: float | None = None,
    alpha_beta_gy: float = TUMOR_ALPHA_BETA_GY,
) -> float:
    """BED = D (1 + d / (alpha/beta)): Liu et al. 2022, Eq. 1 (the linear-quadratic model of Fowler 1989).

    Args:
        total_dose_gy: D.
        n_fractions, dose_per_fraction_gy: one of the two, or both if they agree; d = D / n.

    Raises:
        InputError: neither or contradicting ones given, or a number that is not positive.
    """
    fraction_gy = fraction_dose_gy(total_dose_gy, n_fractions, dose_per_fraction_gy)
    _refuse_unless_positive(alpha_beta_gy, "alpha/beta")
    return total_dose_gy * (1 + fraction_gy / alpha_beta_gy)


def eqd2_gy(
    total_dose_gy: float,
    *,
    n_fractions: int | None = None,
    dose_per_fraction_gy: float | None = None,
    alpha_beta_gy: float = TUMOR_ALPHA_BETA_GY,
) -> float:
    """Dose in 2-Gy fractions of the same effect, D (d + alpha/beta) / (2 + alpha/beta); arguments as for BED."""
    fraction_gy = fraction_dose_gy(total_dose_gy, n_fractions, dose_per_fraction_gy)
    _refuse_unless_positive(alpha_beta_gy, "alpha/beta")
    return total_dose_gy * (fraction_gy + alpha_beta_gy) / (2 + alpha_beta_gy)


def fraction_dose_gy(total_dose_gy: float, n_fractions: int | None, dose_per_fraction_gy: float | None) -> float:
    """
    Raises:
        InputError: neither or contradicting ones given, or a number that is not positive.
    """
    _refuse_unless_positive(total_dose_gy, "the total dose")
    if n_fractions is None and dose_per_fraction_gy is None:
        raise InputError(
            "the number of fractions and the dose per fraction are missing",
            where=f"radiation dose {total_dose_gy:g} Gy",
            remedy="Give one of the two",
        )
    if n_fractions is not None:
        _refuse_unless_positive(n_fractions, "the number of fractions", remedy="Count the fractions")
        if n_fractions != int(n_fractions):
            raise InputError(f"the number of fractions is a whole number, found {n_fractions:g}")
    if dose_per_fraction_gy is not None:
        _refuse_unless_positive(dose_per_fraction_gy, "the dose per fraction")
        if dose_per_fraction_gy > total_dose_gy * (1 + 1e-9):
            raise InputError(
                f"the dose per fraction ({dose_per_fraction_gy:g} Gy) is larger than the total ({total_dose_gy:g} Gy)",
                remedy="Give doses in gray",
            )
    if n_fractions is None:
        return dose_per_fraction_gy
    implied_gy = total_dose_gy / n_fractions
    # Doses per fraction are quoted to a hundredth of a gray (33 x 2.12 Gy for 70 Gy): they must agree to that.
    if dose_per_fraction_gy is not None and abs(implied_gy - dose_per_fraction_gy) > 0.01:
        raise InputError(
            f"{n_fractions} fractions of {dose_per_fraction_gy:g} Gy are {n_fractions * dose_per_fraction_gy:g} Gy, "
            f"not {total_dose_gy:g} Gy",
            remedy="Give two of the three numbers",
        )
    return implied_gy


def summarize_dose(
    total_dose_gy: float,
    *,
    n_fractions: int | None = None,
    dose_per_fraction_gy: float | None = None,
    alpha_beta_gy: float | None = None,
) -> DoseSummary:
    """BED and EQD2 of a treatment with the computation in words.

    Args:
        alpha_beta_gy: None takes the paper's 10 Gy and says so.
    """
    assumptions = []
    if alpha_beta_gy is None:
        alpha_beta_gy = TUMOR_ALPHA_BETA_GY
        assumptions.append(f"alpha/beta is assumed to be {alpha_beta_gy:g} Gy, as in Liu et al. 2022.")
    given = {"n_fractions": n_fractions, "dose_per_fraction_gy": dose_per_fraction_gy}
    fraction_gy = fraction_dose_gy(total_dose_gy, **given)
    effective_gy = biologically_effective_dose_gy(total_dose_gy, **given, alpha_beta_gy=alpha_beta_gy)
    equivalent_gy = eqd2_gy(total_dose_gy, **given, alpha_beta_gy=alpha_beta_gy)
    if n_fractions is None:
        n_fractions = round(total_dose_gy / fraction_gy)
        if abs(n_fractions * fraction_gy - total_dose_gy) > 0.01 * n_fractions:
            assumptions.append(
                f"{total_dose_gy:g} Gy is no whole number of fractions of {fraction_gy:g} Gy; {n_fractions} is nearest."
            )
    formula = (
        f"BED = {total_dose_gy:g} Gy x (1 + {fraction_gy:.4g} Gy / {alpha_beta_gy:g} Gy) = {effective_gy:.4g} Gy; "
        f"EQD2 = {total_dose_gy:g} Gy x ({fraction_gy:.4g} + {alpha_beta_gy:g}) / (2 + {alpha_beta_gy:g}) = "
        f"{equivalent_gy:.4g} Gy"
    )
    return DoseSummary(
        float(total_dose_gy),
        int(n_fractions),
        float(fraction_gy),
        float(alpha_beta_gy),
        float(effective_gy),
        float(equivalent_gy),
        formula,
        tuple(assumptions),
    )


def implied_fractionation(
    total_dose_gy: float,
    effective_dose_gy: float,
    *,
    alpha_beta_gy: float = TUMOR_ALPHA_BETA_GY,
    rounding_gy: float = 0.005,
) -> ImpliedFractionation:
    """The number of fractions that turns a total dose into a stated biologically effective dose.

    From BED = D (1 + D / (n alpha/beta)): n = D^2 / (alpha/beta (BED - D)).

    Args:
        effective_dose_gy: the stated BED.
        rounding_gy: half of the last printed digit of the BED.

    Raises:
        InputError: a BED that is not larger than the dose, or a number that is not positive.
    """
    _refuse_unless_positive(total_dose_gy, "the total dose")
    _refuse_unless_positive(alpha_beta_gy, "alpha/beta")
    excess_gy = effective_dose_gy - total_dose_gy
    if not excess_gy > rounding_gy:
        raise InputError(
            f"a biologically effective dose is larger than the dose, found {effective_dose_gy:g} for "
            f"{total_dose_gy:g} Gy",
            remedy="Check both numbers",
        )
    fewest, fractions, most = (
        total_dose_gy**2 / (alpha_beta_gy * excess)
        for excess in (excess_gy + rounding_gy, excess_gy, excess_gy - rounding_gy)
    )
    # A whole number counts as in range when floating-point noise alone keeps it out.
    whole = math.floor(most * (1 + 1e-9))
    whole = whole if whole >= fewest * (1 - 1e-9) else None
    said = f"{whole} fractions" if whole else f"{fractions:.2f} fractions, which is no whole number"
    fraction_gy = total_dose_gy / (whole or fractions)
    return ImpliedFractionation(
        float(total_dose_gy),
        float(effective_dose_gy),
        float(alpha_beta_gy),
        fractions,
        (fewest, most),
        whole,
        fraction_gy,
        f"A biologically effective dose of {effective_dose_gy:g} Gy for {total_dose_gy:g} Gy implies {said} "
        f"({fraction_gy:.3f} Gy each) at alpha/beta {alpha_beta_gy:g} Gy.",
    )


def _refuse_unless_positive(number: float, what: str, remedy: str = "Give it in gray") -> None:
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{what} must be a positive number, found {number:g}", remedy=remedy)
