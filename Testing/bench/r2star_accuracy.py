"""Bias, precision and coverage of the R2* estimators with Rician noise, noise level found by the fit itself."""

import numpy as np

from NPCResponseLib.relaxometry import R2StarFit, R2StarMethod, fit_r2star
from Testing.simulation import PAPER_ECHO_TIMES_MS, cramer_rao_sd_hz, decays, rician

from .peers import tedana_curve_fit
from .table import markdown_table

BANDS_HZ = np.arange(30.0, 101.0, 10.0)
SHAPE = (20, 100, 400)
PEER_VOXELS_PER_BAND = 500


def simulate(snr: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """(truth, echoes): bands of R2* beside a strip of air (truth 0)."""
    truth = np.broadcast_to(np.repeat(BANDS_HZ, SHAPE[2] // BANDS_HZ.size), SHAPE).copy()
    truth[:, :4] = 0
    echoes = decays(truth, np.where(truth > 0, snr, 0.0))
    return truth, rician(echoes, 1.0, np.random.default_rng(int(snr)))


def summary(errors: dict[float, np.ndarray], snr: float) -> tuple[str, str, str]:
    """Mean bias at 30-70 and 80-100 Hz, and root mean square error over the Cramer-Rao bound at 30-70 Hz."""
    slow = [hz for hz in errors if hz <= 70]
    bias = {hz: error.mean() for hz, error in errors.items()}
    ratio = np.mean([np.sqrt(np.mean(errors[hz] ** 2)) / cramer_rao_sd_hz(hz, snr) for hz in slow])
    return (
        f"{np.mean([bias[hz] for hz in slow]):+.2f}",
        f"{np.mean([bias[hz] for hz in errors if hz > 70]):+.2f}",
        f"{ratio:.3f}",
    )


def errors_of(values: np.ndarray, truth: np.ndarray) -> dict[float, np.ndarray]:
    return {hz: (values[(truth == hz) & (values > 0)] - hz).astype(float) for hz in BANDS_HZ}


def coverage(fit: R2StarFit, truth: np.ndarray) -> str:
    used = (truth > 0) & (truth <= 70) & (fit.r2star_hz > 0)
    inside = np.abs(fit.r2star_hz - truth)[used] <= fit.confidence_factor() * fit.r2star_se_hz[used]
    return f"{100 * inside.mean():.1f} %"


def report() -> str:
    rows = []
    for snr in (20, 50, 100):
        truth, echoes = simulate(snr)
        for method in R2StarMethod:
            if method is R2StarMethod.NOISE_FLOOR:
                continue  # what AUTO runs here
            fit = fit_r2star(echoes, PAPER_ECHO_TIMES_MS, method=method)
            name = f"{fit.method.label()} (default)" if method is R2StarMethod.AUTO else fit.method.label()
            rows.append((str(snr), name, *summary(errors_of(fit.r2star_hz, truth), snr), coverage(fit, truth)))
        few = np.concatenate([np.flatnonzero(truth.reshape(-1) == hz)[:PEER_VOXELS_PER_BAND] for hz in BANDS_HZ])
        peer = tedana_curve_fit([echo.reshape(-1)[few] for echo in echoes], PAPER_ECHO_TIMES_MS)
        rows.append((str(snr), "tedana curve fit", *summary(errors_of(peer, truth.reshape(-1)[few]), snr), "-"))
    head = ("SNR", "estimator", "bias 30-70 Hz", "bias 80-100 Hz", "RMSE / CRLB 30-70 Hz", "95 % interval covers")
    return markdown_table(head, rows)
