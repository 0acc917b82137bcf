"""A root where R looks for it: Brent's search with R's steps and R's tolerance, to repeat values that R prints."""

import math
from collections.abc import Callable

import numpy as np


def root_search(ends: tuple[float, float], function: Callable[[float], float], tolerance: float) -> float:
    """Root by Brent's method (Brent 1973, chapter 4) within an absolute tolerance, ends of the range included.

    The steps are those of the classic ``zeroin``, which R uses, so that R's value is found and not only one as good.
    """
    a, b = ends
    fa, fb = float(function(a)), float(function(b))
    if fa <= 0:
        return a
    if fb >= 0:
        return b
    c, fc = a, fa
    for _ in range(1000):
        last_step = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        reach = 2 * np.finfo(float).eps * abs(b) + tolerance / 2
        half = (c - b) / 2
        if abs(half) <= reach or fb == 0:
            return b
        step = half
        if abs(last_step) >= reach and abs(fa) > abs(fb):
            step = _interpolated_step(a, b, c, fa, fb, fc, last_step, reach)
        if abs(step) < reach:
            step = math.copysign(reach, step)
        a, fa = b, fb
        b += step
        fb = float(function(b))
        if (fb > 0) == (fc > 0):
            c, fc = a, fa
    return b


def _interpolated_step(
    a: float, b: float, c: float, fa: float, fb: float, fc: float, last_step: float, reach: float
) -> float:
    """Secant or inverse quadratic step, or bisection if that would leave the bracket or hardly shrink it."""
    width = c - b
    if a == c:
        ratio = fb / fa
        p, q = width * ratio, 1 - ratio
    else:
        q, t, r = fa / fc, fb / fc, fb / fa
        p = r * (width * q * (q - t) - (b - a) * (t - 1))
        q = (q - 1) * (t - 1) * (r - 1)
    if p > 0:
        q = -q
    else:
        p = -p
    if p < 0.75 * width * q - abs(reach * q) / 2 and p < abs(last_step * q / 2):
        return p / q
    return width / 2
