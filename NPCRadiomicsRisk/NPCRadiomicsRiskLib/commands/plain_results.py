"""Stability and size control of a patient as plain values and back: to send between processes and to keep in files."""

import dataclasses
import math

import numpy as np

from ..robustness.size_control import FeatureSizeControl, SizeControl
from ..robustness.stability import FeatureStability, MeasuredRegions, PatientStability


def plain_size_control(found: SizeControl | None) -> dict | None:
    """What JSON can hold: no NaN."""
    if found is None:
        return None
    return {
        "feature_names": list(found.feature_names),
        "reference": _plain_regions(found.reference),
        "divided": [_plain_regions(each) for each in found.divided],
        "features": [dataclasses.asdict(each) for each in found.features],
        "method": found.method,
        "warnings": list(found.warnings),
    }


def size_control_from(plain: dict) -> SizeControl:
    return SizeControl(
        feature_names=tuple(plain["feature_names"]),
        reference=_regions_from(plain["reference"]),
        divided=tuple(map(_regions_from, plain["divided"])),
        features=tuple(FeatureSizeControl(**each) for each in plain["features"]),
        method=plain["method"],
        warnings=tuple(plain["warnings"]),
    )


def plain_stability(found: PatientStability | None) -> dict | None:
    """What JSON can hold: no NaN."""
    if found is None:
        return None
    return {
        "feature_names": list(found.feature_names),
        "reference": _plain_regions(found.reference),
        "perturbed": [_plain_regions(each) for each in found.perturbed],
        "choices": [_plain_regions(each) for each in found.choices],
        "features": [dataclasses.asdict(each) for each in found.features],
        "method": list(found.method),
        "warnings": list(found.warnings),
    }


def stability_from(plain: dict) -> PatientStability:
    return PatientStability(
        feature_names=tuple(plain["feature_names"]),
        reference=_regions_from(plain["reference"]),
        perturbed=tuple(map(_regions_from, plain["perturbed"])),
        choices=tuple(map(_regions_from, plain["choices"])),
        features=tuple(FeatureStability(**each) for each in plain["features"]),
        method=tuple(plain["method"]),
        warnings=tuple(plain["warnings"]),
    )


def _plain_regions(found: MeasuredRegions) -> dict:
    plain = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    for side in ("recurrent", "nonrecurrent"):
        plain[side] = [None if math.isnan(value) else float(value) for value in plain[side]]
    return plain | {"changed_fraction": float(found.changed_fraction)}


def _regions_from(plain: dict) -> MeasuredRegions:
    sides = {
        side: np.array([math.nan if value is None else value for value in plain[side]], dtype=float)
        for side in ("recurrent", "nonrecurrent")
    }
    return MeasuredRegions(**{**plain, **sides})
