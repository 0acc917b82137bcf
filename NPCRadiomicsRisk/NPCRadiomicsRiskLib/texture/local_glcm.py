"""Local gray level co-occurrence (GLCM) features, at a cost that does not depend on the number of gray levels.

Definitions: PyRadiomics 3.0.1, voxel-based with ``maskedKernel`` (glcm.py, "symmetricalGLCM", distance 1): the feature
of each of the 13 directions' symmetric matrix, then the mean over the directions that have any pair. There is no matrix
here, though:

* A feature sum_ij f(i, j) p(i, j) is the mean of f over the pairs of neighbors, so the box sum of an image of f, one
  per direction. Sums of whole powers are whole numbers, and central moments are taken from them about the nearest whole
  number, so that nothing cancels.
* Entropy, energy and maximum need how often each pair occurs: codes of the pairs in a neighborhood are sorted, and
  runs of equal codes are the counts (:mod:`local_pair_counts`).

JointAverage is one exception to being equal: PyRadiomics' plain mean is NaN where one direction has no pair (its other
features use nanmean); here it is the mean over the others, too.
"""

from collections.abc import Iterable

import numpy as np

from NPCResponseLib.errors import InputError

from .local_neighborhood import LocalFeatures, Neighborhoods, Radius, neighborhoods
from .local_pair_counts import COUNT_FEATURES, pair_count_features

MOMENT_FEATURES = (
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceVariance",
    "Id",
    "Idm",
    "InverseVariance",
    "SumSquares",
)
LOCAL_GLCM_FEATURES = MOMENT_FEATURES + COUNT_FEATURES
ALIASES = {"Dissimilarity": "DifferenceAverage", "Homogeneity": "Id"}
NO_PAIR = "voxels without a neighbor in the tumor within their neighborhood"
# Powers of the pair images that a feature needs: s = i + j, d = |i - j|.
NEEDS = {
    "Autocorrelation": ("s2", "d2"),
    "JointAverage": ("s1",),
    "ClusterProminence": ("s1", "s2", "s3", "s4"),
    "ClusterShade": ("s1", "s2", "s3"),
    "ClusterTendency": ("s1", "s2"),
    "Contrast": ("d2",),
    "Correlation": ("s1", "s2", "d2"),
    "DifferenceAverage": ("d1",),
    "DifferenceVariance": ("d1", "d2"),
    "Id": ("id",),
    "Idm": ("idm",),
    "InverseVariance": ("iv",),
    "SumSquares": ("s1", "s2", "d2"),
}
PAIR_IMAGES = {
    "s1": lambda s, d: s,
    "s2": lambda s, d: s**2,
    "s3": lambda s, d: s**3,
    "s4": lambda s, d: s**4,
    "d1": lambda s, d: d,
    "d2": lambda s, d: d**2,
    "id": lambda s, d: 1 / (1.0 + d),
    "idm": lambda s, d: 1 / (1.0 + d**2),
    "iv": lambda s, d: np.where(d > 0, 1 / np.maximum(d, 1) ** 2.0, 0),
}


def local_glcm(
    levels: np.ndarray,
    tumor_mask: np.ndarray,
    radius: Radius = 1,
    features: Iterable[str] = LOCAL_GLCM_FEATURES,
) -> LocalFeatures:
    """Local GLCM features, equal to PyRadiomics' feature maps.

    Args:
        levels: gray levels KJI, whole numbers from 1.
        tumor_mask: boolean KJI.
        radius: half-width of the neighborhood in voxels.
        features: of LOCAL_GLCM_FEATURES, or their old names "Dissimilarity" and "Homogeneity".

    Returns:
        Columns "GLCM_<feature>"; NaN at voxels that have no pair of neighbors in their neighborhood.

    Raises:
        InputError: unknown feature, levels or mask that cannot be used.
    """
    names = tuple(dict.fromkeys(ALIASES.get(name, name) for name in features))
    unknown = [name for name in names if name not in LOCAL_GLCM_FEATURES]
    if unknown:
        raise InputError(f"there is no local GLCM feature {unknown[0]!r}", remedy=f"Known: {LOCAL_GLCM_FEATURES}")
    around = neighborhoods(tumor_mask, radius, levels)
    _check_powers(around, names)
    totals = {name: np.zeros(around.n_voxels) for name in names}
    n_directions = np.zeros(around.n_voxels)
    counted = [name for name in names if name in COUNT_FEATURES]
    for step in around.steps():
        # Neighborhoods without a pair have no value; their zeros are replaced by 1 and the result by 0.
        first, second = around.pair_ends(around.levels, step)
        pairs = (first > 0) & (second > 0)
        n_pairs = around.box_sum(pairs.astype(np.int64), step)
        present = n_pairs > 0
        n_directions += present
        of_direction = _moments(around, step, first, second, pairs, np.maximum(n_pairs, 1), names)
        of_direction |= pair_count_features(around, step, first, second, pairs, n_pairs, counted)
        for name, values in of_direction.items():
            totals[name] += np.where(present, values, 0)
    some = n_directions > 0
    columns = {
        f"GLCM_{name}": np.where(some, total / np.maximum(n_directions, 1), np.nan) for name, total in totals.items()
    }
    undefined = {} if some.all() else dict.fromkeys(columns, f"{np.sum(~some)} {NO_PAIR}")
    return LocalFeatures(columns, np.asarray(tumor_mask) != 0, around.radius_kji, undefined)


def _check_powers(around: Neighborhoods, names: tuple[str, ...]) -> None:
    """Whole numbers of 64 bits hold the sums of powers, with room for the shift of their origin."""
    power = max((int(need[1]) for name in names for need in NEEDS.get(name, ()) if need[0] == "s"), default=1)
    if 16 * (2.0 * around.largest_level) ** power * np.prod(around.box) >= 2.0**63:
        raise InputError(
            f"{around.largest_level} gray levels are too many for sums of their {power}th powers",
            remedy="Quantize to fewer levels, or leave ClusterProminence and ClusterShade out",
        )


def _moments(around: Neighborhoods, step, first, second, pairs, n, names) -> dict[str, np.ndarray]:
    """Features (n_voxels,) that are moments of the pairs of one direction."""
    needed = {need for name in names for need in NEEDS.get(name, ())}
    if not needed:
        return {}
    s, d = first + second, np.abs(first - second)
    sums = {key: around.box_sum(np.where(pairs, PAIR_IMAGES[key](s, d), 0), step) for key in needed}
    return {name: FORMULAS[name](sums, n) for name in names if name in FORMULAS}


def _central_sum_moment(sums: dict[str, np.ndarray], n: np.ndarray, power: int) -> np.ndarray:
    """Mean of (s - mean of s)^power over the pairs, from exact whole sums about the whole number next to the mean."""
    origin = (2 * sums["s1"] + n) // (2 * n)
    about = [n, sums["s1"] - origin * n, sums["s2"] - 2 * origin * sums["s1"] + origin**2 * n]
    if power >= 3:
        about.append(sums["s3"] - 3 * origin * sums["s2"] + 3 * origin**2 * sums["s1"] - origin**3 * n)
    if power >= 4:
        lower = -4 * origin * sums["s3"] + 6 * origin**2 * sums["s2"] - 4 * origin**3 * sums["s1"] + origin**4 * n
        about.append(sums["s4"] + lower)
    raw = [moment / n for moment in about]
    shift = raw[1]
    if power == 2:
        return (about[2] * n - about[1] ** 2) / n**2.0
    if power == 3:
        return raw[3] - 3 * shift * raw[2] + 2 * shift**3
    return raw[4] - 4 * shift * raw[3] + 6 * shift**2 * raw[2] - 3 * shift**4


def _variance_and_covariance(sums: dict[str, np.ndarray], n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the levels i and j of the symmetric matrix: (Var s +- mean d^2) / 4, since s and d are uncorrelated in it."""
    of_sum, of_difference = _central_sum_moment(sums, n, 2), sums["d2"] / n
    return (of_sum + of_difference) / 4, (of_sum - of_difference) / 4


def _correlation(sums: dict[str, np.ndarray], n: np.ndarray) -> np.ndarray:
    """1 where there is a single level, as PyRadiomics has it."""
    variance, covariance = _variance_and_covariance(sums, n)
    flat = variance == 0
    return np.where(flat, 1, covariance / (np.where(flat, 1, variance)))


FORMULAS = {
    "Autocorrelation": lambda m, n: (m["s2"] - m["d2"]) / (4.0 * n),
    "JointAverage": lambda m, n: m["s1"] / (2.0 * n),
    "ClusterProminence": lambda m, n: _central_sum_moment(m, n, 4),
    "ClusterShade": lambda m, n: _central_sum_moment(m, n, 3),
    "ClusterTendency": lambda m, n: _central_sum_moment(m, n, 2),
    "Contrast": lambda m, n: m["d2"] / n,
    "Correlation": _correlation,
    "DifferenceAverage": lambda m, n: m["d1"] / n,
    "DifferenceVariance": lambda m, n: (m["d2"] * n - m["d1"] ** 2) / n**2.0,
    "Id": lambda m, n: m["id"] / n,
    "Idm": lambda m, n: m["idm"] / n,
    "InverseVariance": lambda m, n: m["iv"] / n,
    "SumSquares": lambda m, n: _variance_and_covariance(m, n)[0],
}
