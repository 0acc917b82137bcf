"""The seven features of the intensities themselves (Akram et al. 2020, table 1)."""

import numpy as np

NAMES = ("Mean", "Variance", "Skewness", "Kurtosis", "MAD", "Hyperskewness", "Hyperflatness")


def intensity_features(values: np.ndarray, *, toolbox: bool) -> dict[str, float]:
    """Moments of gray values; NaN for standardized moments of values that are all the same, or of one value.

    Mean; Variance; Skewness, Kurtosis, Hyperskewness, Hyperflatness = 3rd to 6th central moment over the population's
    standard deviation to that power; MAD = mean absolute deviation from the mean.

    Args:
        toolbox: Variance with n - 1, Kurtosis not less 3, as statistics software has them; the paper does not say.
            Else IBSI's: variance with n, excess kurtosis.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if not n:
        return dict.fromkeys(NAMES, np.nan)
    constant = values.min() == values.max()
    mean = values[0] if constant else values.mean()  # a sum's rounding would be the deviation of constant values
    d = values - mean
    variance = float((d * d).mean())
    standardized = _standardized_moments(d)
    sample_variance = variance * n / (n - 1) if n > 1 else 0.0
    return {
        "Mean": float(mean),
        "Variance": sample_variance if toolbox else variance,
        "Skewness": standardized[0],
        "Kurtosis": standardized[1] if toolbox else standardized[1] - 3,
        "MAD": float(np.abs(d).mean()),
        "Hyperskewness": standardized[2],
        "Hyperflatness": standardized[3],
    }


def _standardized_moments(d: np.ndarray) -> list[float]:
    """The 3rd to 6th of deviations from the mean; of these in their own unit, lest their powers leave the numbers."""
    unit = np.abs(d).max()
    if not unit > 0:
        return [np.nan] * 4
    z = d / unit
    z /= np.sqrt((z * z).mean())
    power, moments = z * z, []
    for _ in range(4):
        power *= z
        moments.append(float(power.mean()))
    return moments


def with_other_divisors(values: np.ndarray, moments: dict[str, float]) -> dict[str, float]:
    """The seven in small letters, beside what they are with other divisors: the paper does not say which it took.

    variance_pop: with n. ..._samplestd: over the sample's standard deviation, which has n - 1.
    """
    n = len(values)
    ratio = np.sqrt((n - 1) / n) if n else np.nan
    return {
        "n": float(n),
        **{name.lower(): value for name, value in moments.items()},
        "variance_pop": float(np.var(values)) if n else np.nan,
        "hyperskewness_samplestd": float(moments["Hyperskewness"] * ratio**5),
        "hyperflatness_samplestd": float(moments["Hyperflatness"] * ratio**6),
    }


def level_features(values: np.ndarray, n_bins: int) -> dict[str, float]:
    """The TextureToolbox' own three: population moments of the number (1..n_bins) of n equal bins, kurtosis less 3.

    They are not in the panel.
    """
    values = np.asarray(values, dtype=np.float64)
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    if not high > low:
        return {"Variance": 0.0, "Skewness": np.nan, "Kurtosis": np.nan}
    half = (high - low) / n_bins / 2
    centers = np.linspace(low + half, high - half, n_bins)
    # A value on the border of two bins belongs to the lower one, as in MATLAB's hist.
    bins = np.searchsorted((centers[1:] + centers[:-1]) / 2, values, side="left")
    p, number = np.bincount(bins, minlength=n_bins) / len(values), np.arange(1, n_bins + 1)
    d = number - (number * p).sum()
    variance = float((d**2 * p).sum())
    return {
        "Variance": variance,
        "Skewness": float((d**3 * p).sum() / variance**1.5),
        "Kurtosis": float((d**4 * p).sum() / variance**2 - 3),
    }
