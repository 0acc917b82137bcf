"""Magnetic field gradients through the slice: the largest error of R2* beside air, corrected if known, else suspected.

A linear gradient over an ideal rectangular slice multiplies the signal by |sinc(spread x TE)|, where ``spread`` is the
difference of precession frequency between the slice's two faces. At 100 uT/m over 5 mm that is 21 Hz, which raises an
R2* of 50 Hz by 26 Hz when it is ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from .decay_estimators import FitQuality

# One in twenty patches without a gradient may be suspected; nine voxels of SNR 50 then find 100 uT/m at R2* 50 Hz in
# more than nine patches of ten.
FALSE_ALARM_RATE = 0.05
# The noise level is an estimate and Rician noise is skewed, which adds some false alarms to the nominal ones.
TEST_LEVEL = 0.042
# A gradient that shifts R2* by less than this is of no consequence, however certain it is.
MIN_RELEVANT_SHIFT_HZ = 0.5


def dephasing(spread_hz: np.ndarray, echo_times_ms: Sequence[float]) -> np.ndarray:
    """Signal left by a linear field gradient: |sinc(spread x TE)|; shape (n_echoes, n_voxels).

    Kept above 1e-3 so that a voxel at a zero of the sinc is only without weight, not without a number.
    """
    te_s = np.asarray(echo_times_ms, dtype=np.float64) / 1000.0
    return np.maximum(np.abs(np.sinc(np.multiply.outer(te_s, spread_hz))), 1e-3)


def slice_frequency_spread_from_b0(b0_hz: np.ndarray, slice_spacing_mm: float, slice_thickness_mm: float) -> np.ndarray:
    """Frequency difference across each slice, from a field map (slice, row, column) in Hz.

    Central differences between neighboring slices (one-sided at the ends), scaled from the distance between slices to
    the excited thickness. Zero for a single slice.
    """
    if b0_hz.shape[0] < 2:
        return np.zeros_like(b0_hz, dtype=np.float32)
    gradient_hz_per_mm = np.gradient(np.nan_to_num(b0_hz.astype(np.float32)), slice_spacing_mm, axis=0)
    return gradient_hz_per_mm * np.float32(slice_thickness_mm)


def slice_frequency_spread_from_phase(
    echoes: Sequence[np.ndarray],
    phases: Sequence[np.ndarray],
    echo_times_ms: Sequence[float],
    slice_spacing_mm: float,
    slice_thickness_mm: float,
) -> np.ndarray:
    """Frequency difference across each slice, from the phase images (radians) of the echoes.

    The phase gained between the first two echoes is the field; its *difference between neighboring slices* is taken as
    the angle of a complex product, so nothing needs unwrapping as long as neighboring slices differ by less than
    1 / (2 x echo spacing) (75 Hz at 6.71 ms). Later echo pairs of the same spacing are added, weighted by their signal.
    """
    n_slices = echoes[0].shape[0]
    if n_slices < 2:
        return np.zeros_like(echoes[0], dtype=np.float32)
    te_s = np.asarray(echo_times_ms, dtype=np.float64) / 1000.0
    spacing_s = te_s[1] - te_s[0]
    gain = np.zeros(echoes[0].shape, dtype=np.complex64)
    for first in range(len(echoes) - 1):
        if abs(te_s[first + 1] - te_s[first] - spacing_s) < 0.01 * spacing_s:
            weight = np.nan_to_num(echoes[first].astype(np.float32)) * np.nan_to_num(
                echoes[first + 1].astype(np.float32)
            )
            gain += weight * np.exp(1j * np.nan_to_num(phases[first + 1] - phases[first])).astype(np.complex64)
    # Angle of the step to the next slice; at inner slices the mean of the steps on both sides.
    step_hz = np.angle(gain[1:] * np.conj(gain[:-1])) / (2 * np.pi * spacing_s)
    per_slice_hz = np.empty(gain.shape, dtype=np.float32)
    per_slice_hz[0], per_slice_hz[-1] = step_hz[0], step_hz[-1]
    per_slice_hz[1:-1] = (step_hz[1:] + step_hz[:-1]) / 2
    return per_slice_hz * np.float32(slice_thickness_mm / slice_spacing_mm)


@dataclass(frozen=True)
class CurvatureEvidence:
    """Evidence per voxel of a concave logarithm of the signal; flat float32 maps, 0 where there was no fit.

    Attributes:
        maps: ``score`` and ``information`` of a term -c u^2 in the exponent, ``shift_hz`` the shift of R2* per unit c;
            and, only where the noise is unknown, ``residual``: what the fit with curvature leaves over. Signals are in
            the fit's own scale.
    """

    maps: dict[str, np.ndarray]

    @classmethod
    def empty(cls, n_voxels: int, noise_known: bool) -> "CurvatureEvidence":
        names = ("score", "information", "shift_hz") + (() if noise_known else ("residual",))
        return cls(dict(zip(names, np.zeros((len(names), n_voxels), dtype=np.float32), strict=True)))

    def part(self, start: int, stop: int) -> "CurvatureEvidence":
        """A view of some of the voxels."""
        return CurvatureEvidence({name: values[start:stop] for name, values in self.maps.items()})

    def store(self, usable: np.ndarray | slice, fitted: np.ndarray, quality: FitQuality, range_s: float) -> None:
        """Takes the evidence of the usable voxels; those that were not fitted get none."""
        values = {
            "score": quality.curvature_score,
            "information": quality.curvature_information,
            "shift_hz": quality.curvature_to_rate / range_s,
        }
        if "residual" in self.maps:
            explained = quality.curvature_score**2 / np.maximum(quality.curvature_information, 1e-30)
            values["residual"] = np.maximum(quality.residual_power - explained, 0)
        unfit = np.flatnonzero(~(fitted & np.isfinite(values["score"] + values["information"])))
        for name, value in values.items():
            value[unfit] = 0
            self.maps[name][usable] = value


def suspect_field_gradient(
    evidence: CurvatureEvidence, plane_shape: tuple[int, int], noise_sigma: float | None, n_echoes: int
) -> np.ndarray:
    """Voxels whose 3 x 3 in-plane neighborhood decays faster and faster, as dephasing makes it.

    A sinc bends ln S downwards; relaxation does not. One voxel seldom tells (power 0.65 at SNR 50, R2* 50 Hz and
    100 uT/m), nine together do. Pooled score over root of pooled information is a standard normal deviate without a
    gradient.

    Args:
        evidence: of one or more whole planes.
        plane_shape: rows and columns of a plane.
        noise_sigma: in the scale of the evidence, or None: then the neighborhood's own residual stands in.

    Returns:
        Boolean array, flat like the evidence.
    """
    planes = {name: values.reshape(-1, *plane_shape) for name, values in evidence.maps.items()}
    return _suspect_in_plane(planes, noise_sigma, n_echoes).reshape(-1)


def _suspect_in_plane(maps: dict[str, np.ndarray], noise_sigma: float | None, n_echoes: int) -> np.ndarray:
    score, information = _pool_3x3(maps["score"]), _pool_3x3(maps["information"])
    with np.errstate(divide="ignore", invalid="ignore"):
        if noise_sigma:
            least_score = special.ndtri(1 - TEST_LEVEL) * noise_sigma * np.sqrt(information)
        else:
            n_fitted = _pool_3x3((maps["information"] > 0).astype(np.float32))
            noise_power = _pool_3x3(maps["residual"]) / (n_fitted * (n_echoes - 3))
            least_score = special.stdtrit(9 * (n_echoes - 3), 1 - TEST_LEVEL) * np.sqrt(noise_power * information)
        relevant = score * maps["shift_hz"] > MIN_RELEVANT_SHIFT_HZ * information
    return (score > least_score) & relevant & (maps["information"] > 0)


def _pool_3x3(values: np.ndarray) -> np.ndarray:
    """Sum over the in-plane 3 x 3 neighborhood; voxels beyond the edge count as 0."""
    rows = values.copy()
    rows[..., 1:, :] += values[..., :-1, :]
    rows[..., :-1, :] += values[..., 1:, :]
    pooled = rows.copy()
    pooled[..., 1:] += rows[..., :-1]
    pooled[..., :-1] += rows[..., 1:]
    return pooled
