"""Exploratory: a map of where a tumor looks like the parts that recurred, and a region that could be boosted.

The rule, for every voxel of the tumor:

1. The seven features of Table 2 of Akram 2020 in a box around the voxel, as normal scores within this tumor
   (:mod:`radioresistance_features`).
2. Their mean, each with the sign of its published difference (recurrent part minus the rest), or weighted as the user
   likes; or the log odds of a model trained on the user's own tumors (``model.py``).
3. The map is the standard normal distribution function of the mean, or the model's probability: between 0 and 1, 0.5 at
   a voxel that is typical of this tumor. It says nothing about how one tumor compares with another.
4. The suggested region is the stated share of the tumor where the smoothed map is highest, without small islands
   (:mod:`radioresistance_boost`).

Steps 2 to 4 take a moment and step 1 seconds, so features are kept: :func:`map_of_features` turns a knob.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from NPCResponseLib.errors import InputError

from ..texture.local_neighborhood import LocalFeatures, Radius
from .boost import BoostRule, BoostSuggestion, suggest_boost
from .features import (
    PUBLISHED_DIRECTIONS,
    LocalSettings,
    TumorFeatures,
    local_tumor_features,
    radius_of_mm,
)
from .model import LocalModel, TrainingTumor, train_model

__all__ = [
    "EXPLORATORY",
    "PUBLISHED_DIRECTIONS",
    "BoostRule",
    "BoostSuggestion",
    "LocalFeatures",
    "LocalModel",
    "LocalSettings",
    "RadioresistanceMap",
    "TrainingTumor",
    "TumorFeatures",
    "combined_values",
    "local_tumor_features",
    "map_of_features",
    "radioresistance_map",
    "radius_of_mm",
    "train_model",
]

DEFAULT_BOOST_RULE = BoostRule()
EXPLORATORY = (
    "Exploratory, not for treatment decisions: the published features compare whole regions of 14 patients, partly of "
    "different size; that they hold in small neighborhoods has not been shown."
)


@dataclass(frozen=True, eq=False)
class RadioresistanceMap:
    """A map and what it was made of.

    Attributes:
        map: float32 KJI, 0 to 1 in the tumor with 0.5 typical of it, 0 outside.
        boost: the suggested region; its ``mask`` is boolean KJI.
        tumor_features: to turn knobs with (:func:`map_of_features`).
        weights: feature to its signed weight in the mean, or to the model's coefficient.
        model: None if the published directions were used.
        explanation: how the map was made, in one sentence.
        warnings: the exploratory nature first, each a sentence.
    """

    map: np.ndarray
    boost: BoostSuggestion
    tumor_features: TumorFeatures
    weights: dict[str, float]
    model: LocalModel | None
    explanation: str
    warnings: tuple[str, ...]

    @property
    def features(self) -> LocalFeatures:
        """Name to local map of each feature (KJI, float32), made when asked for."""
        return self.tumor_features.local


def radioresistance_map(
    volume: np.ndarray,
    tumor_mask: np.ndarray,
    spacing_mm_kji: tuple[float, float, float],
    *,
    radius_voxels: Radius | None = None,
    n_levels: int = 32,
    quantization: str = "lloyd",
    model: LocalModel | None = None,
    weights: Mapping[str, float] | None = None,
    boost_rule: BoostRule = DEFAULT_BOOST_RULE,
    progress: Callable[[float], None] | None = None,
) -> RadioresistanceMap:
    """Map of a tumor from its image.

    Args:
        volume: intensities KJI (pre-treatment).
        tumor_mask: boolean KJI, the GTV.
        spacing_mm_kji: voxel size along slices, rows and columns.
        radius_voxels, n_levels, quantization: see :class:`LocalSettings`.
        model, weights, boost_rule: see :func:`map_of_features`.
        progress: told the fraction done.

    Raises:
        InputError: see :func:`local_tumor_features` and :func:`map_of_features`.
    """
    settings = LocalSettings(radius_voxels=radius_voxels, n_levels=n_levels, quantization=quantization)
    features = local_tumor_features(volume, tumor_mask, spacing_mm_kji, settings, progress=progress)
    return map_of_features(features, model=model, weights=weights, boost_rule=boost_rule)


def map_of_features(
    features: TumorFeatures,
    *,
    model: LocalModel | None = None,
    weights: Mapping[str, float] | None = None,
    boost_rule: BoostRule = DEFAULT_BOOST_RULE,
) -> RadioresistanceMap:
    """Map and suggested region from features that are there already: fast enough to turn a knob and look.

    Args:
        model: combines the features; None: the mean with the published signs.
        weights: without a model, feature to its weight (0 or more; the published sign is kept), 1 for those not named.

    Raises:
        InputError: both model and weights, unknown or negative weights or none above 0, a model of other settings.
    """
    values, signed = combined_values(features, model=model, weights=weights)
    boost = suggest_boost(values, features.tumor_mask, features.spacing_mm_kji, boost_rule)
    misfits = model.misfits(features) if model else ()
    of_model = model.warnings if model else ()
    warnings = (EXPLORATORY, *features.warnings, *misfits, *of_model, *boost.warnings)
    explanation = _explanation(features, model, weights)
    return RadioresistanceMap(features.local.map_of(values), boost, features, signed, model, explanation, warnings)


def combined_values(
    features: TumorFeatures, *, model: LocalModel | None = None, weights: Mapping[str, float] | None = None
) -> tuple[np.ndarray, dict[str, float]]:
    """Values (n,) of the map at the tumor's voxels, and the signed weight of each feature."""
    if model is not None:
        if weights:
            raise InputError("a model has its own weights", remedy="Give either a model or weights")
        model.misfits(features)
        return expit(model.log_odds(features)), dict(model.coefficients)
    weights = dict(weights or {})
    unknown = [name for name in weights if name not in PUBLISHED_DIRECTIONS]
    if unknown:
        raise InputError(f"{unknown[0]} is none of the features", remedy=f"Known: {tuple(PUBLISHED_DIRECTIONS)}")
    signed = {name: sign * float(weights.get(name, 1.0)) for name, sign in PUBLISHED_DIRECTIONS.items()}
    total = sum(abs(weight) for weight in signed.values())
    if not all(0 <= weights.get(name, 1.0) < np.inf for name in signed) or total == 0:
        raise InputError("weights of features must be 0 or more, and not all 0", remedy="Leave the sign to Table 2")
    mean = sum(weight * features.scores[name] for name, weight in signed.items()) / total
    return ndtr(mean), signed


def _explanation(features: TumorFeatures, model: LocalModel | None, weights: Mapping[str, float] | None) -> str:
    box = " x ".join(f"{size:.3g}" for size in features.box_mm[::-1])
    settings = features.settings
    around = (
        f"seven features in boxes of {box} mm ({settings.n_levels} gray levels, {settings.quantization}), ranked among "
        "the tumor's voxels with similarly filled boxes"
    )
    if model is None:
        how = "their weighted mean" if weights else "their mean"
        return f"{around[0].upper()}{around[1:]}; {how} with the signs of Table 2 of Akram 2020, 0.5 being typical."
    return (
        f"{around[0].upper()}{around[1:]}; probability of a model trained on {model.n_patients} patients (AUC in "
        f"patients left out {model.cross_validated_auc:.2f})."
    )
