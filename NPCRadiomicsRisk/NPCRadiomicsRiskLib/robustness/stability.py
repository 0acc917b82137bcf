"""Which differences between the sub-regions survive an error of contour or alignment, and the choice of quantization.

One patient: every feature under perturbed contours; how far it moves, and whether the difference GTVr - GTVnr keeps its
sign. Many patients: intraclass correlations over the perturbations, see the module ``cohort_stability``.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from NPCResponseLib.errors import InputError

from ..subregions.division import GTVNR, GTVR
from .contour_perturbation import KINDS, PerturbationSizes, perturbed_masks

SURVIVES, MOSTLY = 0.95, 0.8  # share of the perturbations of the worst kind in which the difference keeps its sign
GRADES = ("survives", "mostly", "does not survive", "no difference", "not defined")
QUANTIZATIONS = ("lloyd", "equal", "uniform")

Panel = Callable[..., Mapping[str, object]]


@dataclass(frozen=True, eq=False)
class MeasuredRegions:
    """The features of both regions under one condition.

    Attributes:
        kind: of ``contour_perturbation.KINDS``, "quantization", or "" for contours and settings as given.
        number: within the kind; words: what was done. changed_fraction: of the GTV's voxels.
        recurrent, nonrecurrent: (f,) NaN where missing; reasons: feature to why.
        problem: why nothing could be measured.
    """

    kind: str
    number: int
    words: str
    changed_fraction: float
    recurrent: np.ndarray
    nonrecurrent: np.ndarray
    reasons: dict[str, str]
    problem: str = ""

    @property
    def differences(self) -> np.ndarray:
        return self.recurrent - self.nonrecurrent


@dataclass(frozen=True)
class FeatureStability:
    """One feature of one patient; None where not defined.

    Attributes:
        recurrent, nonrecurrent, difference: with contours as drawn.
        n, n_without: perturbations with and without a value; reason: of those without.
        change_recurrent, change_nonrecurrent: root mean square change under perturbation / |value|.
        spread: root mean square change of the difference, in the feature's unit; relative_spread: / |difference|.
        same_sign: share of the perturbations in which the difference keeps its sign; by_kind: the same for each kind.
        n_choices, n_choices_same_sign: choices of quantization with a value, and those with the same sign.
        grade: by the kind with the smallest share: "survives" (95 % or more), "mostly" (80 %), "does not survive".
    """

    name: str
    recurrent: float | None
    nonrecurrent: float | None
    difference: float | None
    n: int
    n_without: int
    reason: str
    change_recurrent: float | None
    change_nonrecurrent: float | None
    spread: float | None
    relative_spread: float | None
    same_sign: float | None
    by_kind: dict[str, float]
    n_choices: int
    n_choices_same_sign: int
    grade: str


@dataclass(frozen=True, eq=False)
class PatientStability:
    """Attributes:
    reference: with contours and settings as given.
    perturbed: one per perturbation; choices: one per choice of quantization.
    features: in the panel's order.
    """

    feature_names: tuple[str, ...]
    reference: MeasuredRegions
    perturbed: tuple[MeasuredRegions, ...]
    choices: tuple[MeasuredRegions, ...]
    features: tuple[FeatureStability, ...]
    method: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.kind for each in self.perturbed))

    def columns(self) -> dict[str, list]:
        """For a CSV file: column name to values."""
        plain = [field.name for field in dataclasses.fields(FeatureStability) if field.name not in ("name", "by_kind")]
        columns = {"feature": [each.name for each in self.features]}
        columns |= {name: [getattr(each, name) for each in self.features] for name in plain}
        for kind in self.kinds:
            columns[f"same_sign_{kind.replace(' ', '_')}"] = [each.by_kind.get(kind) for each in self.features]
        return columns

    def rows(self) -> list[tuple[str, ...]]:
        """For people: the header, then a row per feature."""
        header = ("Feature", "Difference", "Spread", "Same sign", *map(_capital, self.kinds), "Quantization", "Verdict")
        return [header, *(self._row(each) for each in self.features)]

    def _row(self, each: FeatureStability) -> tuple[str, ...]:
        choices = f"{each.n_choices_same_sign} of {each.n_choices}" if each.n_choices else "-"
        by_kind = (_percent(each.by_kind.get(kind)) for kind in self.kinds)
        return (
            each.name, _number(each.difference), _number(each.spread), _percent(each.same_sign), *by_kind, choices,
            each.grade,
        )  # fmt: skip


def feature_stability(
    volume: np.ndarray,
    gtv: np.ndarray,
    gtvr: np.ndarray,
    spacing_mm_kji: Sequence[float],
    settings=None,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    n: int = 5,
    seed: int = 0,
    sizes: PerturbationSizes | None = None,
    choices: Mapping[str, object] | None = None,
    panel: Panel | None = None,
    progress: Callable[[float], None] | None = None,
) -> PatientStability:
    """Measure one patient's features again under perturbed contours and other quantizations.

    Args:
        volume: KJI; gtv, gtvr: masks on its grid, see ``perturbed_masks``.
        settings: of the panel; its defaults if None.
        n: perturbations of each kind.
        choices: words to settings to compare with; None for the usual ones (the other quantizers, half the levels,
            levels shared by the regions or not), empty for none.
        panel: (volume, {"GTVr": mask, "GTVnr": mask}, spacing, settings) to region to an object with ``values`` and
            ``refused``; the 47-feature panel if None.
        progress: told the fraction done.

    Raises:
        InputError: what ``perturbed_masks`` and the panel refuse for the contours as drawn.
    """
    if panel is None:
        from ..texture.panel47 import TextureSettings, texture_panel

        panel, settings = texture_panel, settings or TextureSettings()
    report = progress or (lambda fraction: None)
    tumor, recurrence = np.asarray(gtv) != 0, np.asarray(gtvr) != 0
    spacing = tuple(float(value) for value in spacing_mm_kji)
    perturbations = perturbed_masks(tumor, recurrence, spacing, kinds, n, seed, sizes=sizes)
    choices = quantization_choices(settings) if choices is None else choices
    n_steps = 1 + len(tuple(dict.fromkeys([kinds] if isinstance(kinds, str) else kinds))) * n + len(choices)
    drawn = {GTVR: tumor & recurrence, GTVNR: tumor & ~recurrence}
    features = panel(volume, drawn, spacing, settings)
    names = tuple(features[GTVR].values)
    reference = measured_regions(features, names, "", 0, "as drawn", 0.0)
    report(1 / n_steps)
    perturbed = []
    for each in perturbations:
        facts = (each.kind, each.number, each.words, each.changed_fraction)
        regions = {GTVR: each.gtvr, GTVNR: each.gtvnr}
        perturbed.append(attempted(panel, volume, regions, spacing, settings, names, facts, each.problem))
        report((1 + len(perturbed)) / n_steps)
    chosen = []
    for number, (words, other) in enumerate(choices.items()):
        facts = ("quantization", number, words, 0.0)
        chosen.append(attempted(panel, volume, drawn, spacing, other, names, facts))
        report((1 + len(perturbed) + len(chosen)) / n_steps)
    return PatientStability(
        feature_names=names,
        reference=reference,
        perturbed=tuple(perturbed),
        choices=tuple(chosen),
        features=tuple(_feature(column, names, reference, perturbed, chosen) for column in range(len(names))),
        method=_method_words(perturbed, chosen, n, seed),
        warnings=_warnings(reference, perturbed, chosen),
    )


def quantization_choices(settings) -> dict[str, object]:
    """The usual alternatives to some texture settings, in words; none for settings that do not quantize."""
    fields = {field.name for field in dataclasses.fields(settings)} if dataclasses.is_dataclass(settings) else set()
    if not {"quantization", "n_levels", "levels_shared"} <= fields:
        return {}
    found = {
        f"{name} quantization": dataclasses.replace(settings, quantization=name)
        for name in QUANTIZATIONS
        if name != settings.quantization
    }
    for divisor in (2, 4):
        levels = settings.n_levels // divisor
        if levels >= 4:
            found[f"{levels} levels"] = dataclasses.replace(settings, n_levels=levels)
    words = "levels of each region alone" if settings.levels_shared else "levels shared by both regions"
    found[words] = dataclasses.replace(settings, levels_shared=not settings.levels_shared)
    return found


def attempted(panel, volume, regions, spacing, settings, names, facts, problem: str = "") -> MeasuredRegions:
    """A condition under which nothing can be measured is a result, too."""
    if not problem:
        try:
            return measured_regions(panel(volume, regions, spacing, settings), names, *facts)
        except InputError as error:
            problem = str(error).rstrip(".")
    nothing = np.full(len(names), np.nan)
    return MeasuredRegions(*facts, nothing, nothing.copy(), {}, problem)


def measured_regions(features: Mapping, names: Sequence[str], kind: str, number: int, words: str, changed: float):
    recurrent, rest = (
        np.array([_finite(features[region].values.get(name)) for name in names]) for region in (GTVR, GTVNR)
    )
    reasons = {
        name: f"{region}: {reason}"
        for region in (GTVR, GTVNR)
        for name, reason in getattr(features[region], "refused", {}).items()
    }
    return MeasuredRegions(kind, number, words, changed, recurrent, rest, reasons)


def _finite(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _feature(
    column: int,
    names: Sequence[str],
    reference: MeasuredRegions,
    perturbed: Sequence[MeasuredRegions],
    choices: Sequence[MeasuredRegions],
) -> FeatureStability:
    name = names[column]
    recurrent, rest = float(reference.recurrent[column]), float(reference.nonrecurrent[column])
    difference = recurrent - rest
    measured = [each for each in perturbed if not math.isnan(each.differences[column])]
    without = [each for each in perturbed if math.isnan(each.differences[column])]
    reason = reference.reasons.get(name, "")
    if not reason and without:
        reason = "; ".join(dict.fromkeys(each.problem or each.reasons.get(name, "no number") for each in without))
    defined = not math.isnan(difference) and bool(measured)
    spread = changes = None
    if defined:
        changes = [
            _root_mean_square([getattr(each, side)[column] - value for each in measured])
            for side, value in (("recurrent", recurrent), ("nonrecurrent", rest))
        ]
        spread = _root_mean_square([each.differences[column] - difference for each in measured])
    has_sign = defined and difference != 0
    kept = [(each.kind, bool(each.differences[column] * difference > 0)) for each in measured] if has_sign else []
    by_kind = {
        kind: float(np.mean([same for k, same in kept if k == kind]))
        for kind in dict.fromkeys(kind for kind, _ in kept)
    }
    signs = [each.differences[column] * difference > 0 for each in choices if has_sign]
    known = [each for each in choices if has_sign and not math.isnan(each.differences[column])]
    return FeatureStability(
        name=name,
        recurrent=_known(recurrent),
        nonrecurrent=_known(rest),
        difference=_known(difference),
        n=len(measured),
        n_without=len(without),
        reason=reason,
        change_recurrent=_ratio(changes[0], recurrent) if defined else None,
        change_nonrecurrent=_ratio(changes[1], rest) if defined else None,
        spread=spread,
        relative_spread=_ratio(spread, difference) if defined else None,
        same_sign=float(np.mean([same for _, same in kept])) if kept else None,
        by_kind=by_kind,
        n_choices=len(known),
        n_choices_same_sign=int(np.count_nonzero(signs)),
        grade=_grade(min(by_kind.values(), default=None), defined and difference == 0),
    )


def _grade(smallest_share: float | None, is_zero: bool) -> str:
    if smallest_share is None:
        return GRADES[3] if is_zero else GRADES[4]
    return GRADES[0] if smallest_share >= SURVIVES else GRADES[1] if smallest_share >= MOSTLY else GRADES[2]


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.linalg.norm(values) / math.sqrt(len(values)))


def _ratio(part: float, whole: float) -> float | None:
    return part / abs(whole) if whole else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _method_words(perturbed, choices, n: int, seed: int) -> tuple[str, ...]:
    words = [f"{n} perturbations of each kind, seed {seed}."]
    for kind in dict.fromkeys(each.kind for each in perturbed):
        changed = [each.changed_fraction for each in perturbed if each.kind == kind]
        share = 100 * float(np.mean(changed))
        words.append(f"{_capital(kind)}: {KINDS[kind]}; {share:.1f} % of the GTV's voxels changed region on average.")
    if choices:
        words.append(f"Quantization compared with: {', '.join(each.words for each in choices)}.")
    words.append(
        f"A difference survives if it keeps its sign in {100 * SURVIVES:.0f} % of the perturbations of every kind; "
        "spread is the root mean square change from the contours as drawn. One patient gives no intraclass correlation."
    )
    return tuple(words)


def _warnings(reference: MeasuredRegions, perturbed, choices) -> tuple[str, ...]:
    notes = []
    failed = [each for each in (*perturbed, *choices) if each.problem]
    if failed:
        reasons = "; ".join(dict.fromkeys(f"{each.kind}, {each.words}: {each.problem}" for each in failed[:4]))
        more = f"; and {len(failed) - 4} more" if len(failed) > 4 else ""
        notes.append(f"{len(failed)} of {len(perturbed) + len(choices)} conditions gave no features ({reasons}{more}).")
    idle = [
        kind
        for kind in dict.fromkeys(each.kind for each in perturbed)
        if not any(each.changed_fraction for each in perturbed if each.kind == kind)
    ]
    if idle:
        notes.append(f"No voxel changed region by {', '.join(idle)}: too small for this grid, so it shows nothing.")
    if reference.reasons:
        notes.append(f"No stability of features refused for the contours as drawn: {', '.join(reference.reasons)}.")
    return tuple(notes)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
