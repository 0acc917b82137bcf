"""Synthetic decays and the bound that no estimator can beat, shared by tests and benchmarks."""

import numpy as np
from scipy import integrate, special

PAPER_ECHO_TIMES_MS = (6.71, 13.42, 20.13, 26.84, 33.55)


def decays(r2star_hz: np.ndarray, s0: np.ndarray | float, echo_times_ms=PAPER_ECHO_TIMES_MS) -> list[np.ndarray]:
    """Noise-free magnitude images, one per echo."""
    return [np.asarray(s0) * np.exp(-te / 1000 * np.asarray(r2star_hz)) for te in echo_times_ms]


def rician(images: list[np.ndarray], sigma: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Magnitude of the images with Gaussian noise of this standard deviation in both channels; float32."""
    noise = [rng.normal(scale=sigma, size=(2, *np.shape(image))) for image in images]
    return [np.hypot(image + n[0], n[1]).astype(np.float32) for image, n in zip(images, noise, strict=True)]


def sinc_dephasing(images: list[np.ndarray], spread_hz: float, echo_times_ms=PAPER_ECHO_TIMES_MS) -> list[np.ndarray]:
    """The images as a linear through-slice gradient leaves them; spread_hz is the frequency range over the slice."""
    return [image * abs(np.sinc(spread_hz * te / 1000)) for image, te in zip(images, echo_times_ms, strict=True)]


def rician_information(amplitude: float) -> float:
    """Fisher information that one Rician magnitude (noise 1) holds about its amplitude."""
    m = np.linspace(1e-6, amplitude + 12, 20_001)
    density = np.exp(np.log(m) - (m - amplitude) ** 2 / 2 + np.log(special.ive(0, m * amplitude)))
    score = m * special.ive(1, m * amplitude) / special.ive(0, m * amplitude) - amplitude
    return integrate.trapezoid(density * score**2, m)


def cramer_rao_sd_hz(r2star_hz: float, snr: float, echo_times_ms=PAPER_ECHO_TIMES_MS) -> float:
    """Smallest standard deviation of an unbiased R2* from one voxel, S0 / sigma = snr at echo time zero."""
    te_s = np.asarray(echo_times_ms) / 1000
    amplitude = snr * np.exp(-te_s * r2star_hz)
    jacobian = np.stack([amplitude / snr, -te_s * amplitude])
    information = (jacobian * [rician_information(a) for a in amplitude]) @ jacobian.T
    return float(np.sqrt(np.linalg.inv(information)[1, 1]))
