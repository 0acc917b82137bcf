"""Noise of magnitude images."""

import numpy as np


def rician(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a real signal with noise of this standard deviation in both channels; float32."""
    if not sigma:
        return np.abs(signal).astype(np.float32)
    real, imaginary = (np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32) for _ in range(2))
    return np.hypot(signal + real, imaginary)
