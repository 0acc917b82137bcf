"""What every command tells of its result, to scripts and to people."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Results:
    """What a run tells: a JSON-ready dictionary, and lines for a person."""

    summary: dict
    lines: list[str]


def json_safe(value):
    """Plain Python numbers; what JSON cannot hold (NaN, infinity) becomes null."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
