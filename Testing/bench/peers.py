"""What the fit is compared with: tedana's curve fit, and the loop over voxels that other packages run."""

import contextlib
import io
import logging

import numpy as np
from scipy.optimize import curve_fit


def tedana_curve_fit(echoes: list[np.ndarray], echo_times_ms: tuple[float, ...]) -> np.ndarray:
    """R2* (Hz) by tedana's ``fit_monoexponential``; echoes are flat arrays."""
    from tedana.decay import fit_monoexponential

    logging.getLogger("tedana").setLevel(logging.ERROR)
    data = np.stack(echoes, axis=1)[:, :, None].astype(np.float64)
    all_echoes = np.full(len(data), len(echo_times_ms))
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        t2star = fit_monoexponential(data, list(echo_times_ms), all_echoes, report=False, n_threads=1)[0]
    # tedana up to 25 returned and took milliseconds alike; the median tells the unit without a version check.
    t2star_s = t2star / 1000 if np.nanmedian(t2star) > 1 else t2star
    return 1 / t2star_s


def scipy_curve_fit_loop(echoes: list[np.ndarray], echo_times_ms: tuple[float, ...]) -> np.ndarray:
    """R2* (Hz) by ``scipy.optimize.curve_fit`` in a loop over voxels, as UKAT, qmrpy and asltk do."""
    te_s = np.asarray(echo_times_ms) / 1000
    signals = np.stack(echoes, axis=1).astype(np.float64)

    def model(te, s0, r2star):
        return s0 * np.exp(-te * r2star)

    return np.array([curve_fit(model, te_s, signal, p0=(signal[0], 30.0))[0][1] for signal in signals])
