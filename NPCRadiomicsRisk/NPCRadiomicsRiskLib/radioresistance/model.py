"""A combination of local features learned from tumors whose recurrent part is known.

Ridge logistic regression of "in GTVr" on the normal scores of the seven features. Every tumor weighs the same, and so
do its recurrent part and the rest, however large they are; voxels of one tumor are no independent observations, so
there are no p-values, and what the model is worth is told by patients that were left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.special import expit

from NPCResponseLib.errors import InputError

from .features import PUBLISHED_DIRECTIONS, LocalSettings, TumorFeatures

FORMAT = "NPCRadiomicsRisk local model 1"
FEWEST_PATIENTS = 3
FEW_PATIENTS = 10
FEWEST_VOXELS = 20
LARGEST_SAMPLE = 3000  # voxels of each part of a tumor
RADIUS_TOLERANCE = 0.5
# With other ones, the same score means something else.
COMPARED_SETTINGS = {"n_levels": "gray levels", "quantization": "quantization", "clip_outliers": "clipping of outliers"}


@dataclass(frozen=True, eq=False)
class TrainingTumor:
    """A tumor whose recurrent part is known.

    Attributes:
        patient: name; tumors of one patient are left out together.
        features: of the whole tumor (GTV).
        recurrent: boolean KJI, GTVr on the same grid; what lies outside the GTV is left aside.
    """

    patient: str
    features: TumorFeatures
    recurrent: np.ndarray


@dataclass(frozen=True)
class LocalModel:
    """Coefficients on normal scores, with what they are worth. Plain values throughout, for JSON.

    Attributes:
        coefficients: feature to log odds per unit of its normal score.
        intercept: log odds at a typical voxel, with both parts weighing the same.
        penalty: of the squared coefficients, in units of patients.
        n_patients: that it was trained on.
        auc_by_patient: patient to AUC of the model trained on the other patients: recurrent voxels against the others
            of the same tumor.
        rule_auc_by_patient: the same with the published rule, which needed no training.
        settings: levels, quantization and clipping of the features it was trained on.
        box_mm: size of the neighborhood along K, J, I, mean of the patients.
        warnings: each a sentence.
    """

    coefficients: dict[str, float]
    intercept: float
    penalty: float
    n_patients: int
    auc_by_patient: dict[str, float]
    rule_auc_by_patient: dict[str, float]
    settings: dict[str, object]
    box_mm: tuple[float, float, float]
    warnings: tuple[str, ...]

    @property
    def cross_validated_auc(self) -> float:
        """Mean over the patients, each left out once."""
        return float(np.mean(list(self.auc_by_patient.values())))

    @property
    def rule_auc(self) -> float:
        return float(np.mean(list(self.rule_auc_by_patient.values())))

    def to_dict(self) -> dict:
        """For JSON."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping) -> "LocalModel":
        """The inverse of :meth:`to_dict`.

        Raises:
            InputError: another format, damaged, or features that this version does not compute.
        """
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise InputError("this is no local model of NPCRadiomicsRisk", remedy=f'Give a file of format "{FORMAT}"')
        values = {name: content.get(name) for name in cls.__dataclass_fields__}
        missing = [name for name, value in values.items() if value is None]
        if missing:
            raise InputError(f"the local model lacks {', '.join(missing)}", remedy="Train it again")
        damaged = [name for name, is_sound in _SOUND.items() if not is_sound(values[name])]
        if damaged:
            raise InputError(f"{damaged[0]} of the local model makes no sense", remedy="Train it again")
        unknown = [name for name in values["coefficients"] if name not in PUBLISHED_DIRECTIONS]
        if unknown:
            raise InputError(f"the local model needs the feature {unknown[0]}, which there is none of")
        return cls(**{**values, "box_mm": tuple(values["box_mm"]), "warnings": tuple(values["warnings"])})

    def log_odds(self, features: TumorFeatures) -> np.ndarray:
        """Of each tumor voxel (n,)."""
        return self.intercept + sum(beta * features.scores[name] for name, beta in self.coefficients.items())

    def misfits(self, features: TumorFeatures) -> tuple[str, ...]:
        """What differs between these features and those of the training, each a sentence.

        Raises:
            InputError: another number of levels or another quantization, with which scores mean something else.
        """
        for name, words in COMPARED_SETTINGS.items():
            trained, here = self.settings.get(name), getattr(features.settings, name)
            if trained != here:
                raise InputError(
                    f"the model was trained with {words} {trained}, and the features have {here}",
                    remedy="Compute the features with the model's settings",
                )
        off = [abs(a / b - 1) for a, b in zip(features.box_mm, self.box_mm, strict=True)]
        if max(off) > RADIUS_TOLERANCE:
            here, there = (" x ".join(f"{s:.3g}" for s in box[::-1]) for box in (features.box_mm, self.box_mm))
            return (f"The neighborhood here measures {here} mm, that of the model's training {there} mm.",)
        return ()


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _are_numbers(value) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _is_box(value) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 3 and all(_is_number(size) and size > 0 for size in value)


def _are_sentences(value) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(sentence, str) for sentence in value)


# What a file that somebody edited must still hold.
_SOUND = {
    "coefficients": _are_numbers,
    "intercept": _is_number,
    "penalty": _is_number,
    "n_patients": _is_number,
    "auc_by_patient": _are_numbers,
    "rule_auc_by_patient": _are_numbers,
    "settings": lambda value: isinstance(value, Mapping),
    "box_mm": _is_box,
    "warnings": _are_sentences,
}


def train_model(
    tumors: Sequence[TrainingTumor], *, penalty: float = 1.0, seed: int = 0, largest_sample: int = LARGEST_SAMPLE
) -> LocalModel:
    """Train on tumors whose recurrent part is known; each patient is left out once to tell what it is worth.

    Args:
        tumors: at least three patients'.
        penalty: of the squared coefficients; each patient's likelihood weighs 1.
        seed: of the choice of voxels where a part has more than ``largest_sample``.

    Raises:
        InputError: too few patients, a part without enough voxels, features computed with different settings.
    """
    if not 0 < penalty < np.inf:
        raise InputError(f"a penalty of {penalty} is none", remedy="Give a positive number, such as 1")
    patients = list(dict.fromkeys(tumor.patient for tumor in tumors))
    if len(patients) < FEWEST_PATIENTS:
        raise InputError(
            f"{len(patients)} patients are too few to train a model",
            remedy=f"Give at least {FEWEST_PATIENTS}, better {FEW_PATIENTS} or more",
        )
    _check_settings(tumors)
    rng = np.random.default_rng(seed)
    samples = {name: [_sample(t, rng, largest_sample) for t in tumors if t.patient == name] for name in patients}
    aucs = {}
    for name in patients:
        beta = _fit([s for other in patients if other != name for s in samples[other]], penalty)
        aucs[name] = _mean_auc(samples[name], beta)
    everything = [s for name in patients for s in samples[name]]
    beta = _fit(everything, penalty)
    rule = np.array([0.0, *PUBLISHED_DIRECTIONS.values()])
    first = tumors[0].features.settings
    model = LocalModel(
        coefficients=dict(zip(PUBLISHED_DIRECTIONS, beta[1:].tolist(), strict=True)),
        intercept=float(beta[0]),
        penalty=float(penalty),
        n_patients=len(patients),
        auc_by_patient=aucs,
        rule_auc_by_patient={name: _mean_auc(samples[name], rule) for name in patients},
        settings={name: getattr(first, name) for name in COMPARED_SETTINGS},
        box_mm=tuple(np.mean([tumor.features.box_mm for tumor in tumors], axis=0).tolist()),
        warnings=(),
    )
    return replace(model, warnings=_judged(model))


def _judged(model: LocalModel) -> tuple[str, ...]:
    found = []
    if model.n_patients < FEW_PATIENTS:
        found.append(f"The model was trained on {model.n_patients} patients only; its AUC is very uncertain.")
    if model.cross_validated_auc < 0.5:
        found.append("In patients that were left out the model is worse than chance: do not use it.")
    elif model.cross_validated_auc <= model.rule_auc:
        found.append(
            f"In patients that were left out the model (AUC {model.cross_validated_auc:.2f}) is no better than the "
            f"published directions alone ({model.rule_auc:.2f})."
        )
    return tuple(found)


def _check_settings(tumors: Sequence[TrainingTumor]) -> None:
    def comparable(settings: LocalSettings):
        return [getattr(settings, name) for name in COMPARED_SETTINGS]

    first = tumors[0]
    for tumor in tumors:
        if comparable(tumor.features.settings) != comparable(first.features.settings):
            raise InputError(
                f"features of {tumor.patient} were computed with other settings than those of {first.patient}",
                remedy="Compute all with the same levels and quantization",
            )
        if np.shape(tumor.recurrent) != tumor.features.tumor_mask.shape:
            raise InputError(
                f"GTVr of shape {np.shape(tumor.recurrent)} does not fit the tumor's {tumor.features.tumor_mask.shape}",
                where=tumor.patient,
                remedy="Carry it to the tumor's grid first",
            )


def _sample(tumor: TrainingTumor, rng: np.random.Generator, largest: int) -> tuple[np.ndarray, ...]:
    """Design (rows, 1 + features), outcome (rows,) and weights that add up to 1/2 in each part."""
    recurrent = (np.asarray(tumor.recurrent) != 0)[tumor.features.tumor_mask]
    rows, weights = [], []
    for part, words in ((recurrent, "GTVr"), (~recurrent, "the tumor without GTVr")):
        voxels = np.flatnonzero(part)
        if len(voxels) < FEWEST_VOXELS:
            raise InputError(
                f"{words} has {len(voxels)} voxels in the tumor, fewer than {FEWEST_VOXELS}",
                where=tumor.patient,
                remedy="Leave this patient out",
            )
        chosen = np.sort(rng.choice(voxels, largest, replace=False)) if len(voxels) > largest else voxels
        rows.append(chosen)
        weights.append(np.full(len(chosen), 0.5 / len(chosen)))
    rows = np.concatenate(rows)
    design = np.column_stack([np.ones(len(rows)), *(tumor.features.scores[f][rows] for f in PUBLISHED_DIRECTIONS)])
    return design, recurrent[rows].astype(float), np.concatenate(weights)


def _fit(samples, penalty: float) -> np.ndarray:
    """Maximize sum w log-likelihood - penalty |beta|^2 / 2 by Newton steps, halved while they do not improve."""
    design, outcome, weights = (np.concatenate(parts) for parts in zip(*samples, strict=True))
    ridge = penalty * np.diag([0.0, *np.ones(design.shape[1] - 1)])

    def loss(beta):
        odds = design @ beta
        return np.sum(weights * (np.maximum(odds, 0) + np.log1p(np.exp(-np.abs(odds))) - outcome * odds)) + (
            beta @ ridge @ beta / 2
        )

    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(design @ beta)
        gradient = design.T @ (weights * (p - outcome)) + ridge @ beta
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-6:
            size /= 2
        beta = beta - size * step
        if np.abs(step).max() < 1e-10:
            break
    return beta


def _mean_auc(samples, beta: np.ndarray) -> float:
    return float(np.mean([auc(design @ beta, outcome > 0) for design, outcome, _ in samples]))


def auc(values: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs of a positive and a negative in which the positive has the higher value, ties half."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    n_positive = int(np.sum(positive))
    n_negative = len(values) - n_positive
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
