"""Draws the sample data's thumbnails and the extension's picture from the phantom; figures, not captures of Slicer.

Run as ``python Resources/draw_sample_pictures.py``.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from NPCResponseLib.phantom import simulate_bold
from NPCResponseLib.phantom.recurrence import simulate_recurrence
from NPCResponseLib.relaxometry import fit_r2star, predict_signal
from NPCResponseLib.rois import largest_slice, roi_statistics

ROOT = Path(__file__).resolve().parents[1]
THUMBNAIL = ROOT / "NPCResponse/Resources/Icons/NPCPhantom.png"
RECURRENCE_THUMBNAIL = ROOT / "NPCRadiomicsRisk/Resources/Icons/NPCRecurrencePhantom.png"
SCREENSHOT = ROOT / "Resources/Screenshots/NPCResponse-R2star.png"
BLUE_TO_RED = LinearSegmentedColormap.from_list("blue-red", ["#2C5FD6", "#35B3C9", "#F2C230", "#E0383E"])
INK, PAPER, TUMOR = "#E8EEF6", "#101A2B", "#FFFFFF"
GTV_COLOR, GTVR_COLOR = "#73D973", "#F03A3A"
R2STAR_RANGE_HZ = (0, 80)


def show_slice(axes, image, pixel_mm, **options):
    """One axial slice, right side of the patient on the left, as radiologists look at it."""
    rows, columns = image.shape
    return axes.imshow(image, extent=(0, columns * pixel_mm[1], rows * pixel_mm[0], 0), **options)


def overlay_map(axes, acquisition, fit, k):
    """R2* over the first echo with the tumor's outline; returns the colored image."""
    pixel_mm = acquisition.grid.spacing_mm_kji[1:]
    echo = acquisition.series.echoes[0][k]
    show_slice(axes, echo, pixel_mm, cmap="gray", vmax=np.percentile(echo, 99.5))
    fitted = np.ma.masked_where(fit.r2star_hz[k] <= 0, fit.r2star_hz[k])
    vmin, vmax = R2STAR_RANGE_HZ
    colored = show_slice(axes, fitted, pixel_mm, cmap=BLUE_TO_RED, vmin=vmin, vmax=vmax, alpha=0.75)
    outline = acquisition.region_mask("tumor")[k].astype(float)
    rows, columns = outline.shape
    x, y = (np.arange(columns) + 0.5) * pixel_mm[1], (np.arange(rows) + 0.5) * pixel_mm[0]
    axes.contour(x, y, outline, [0.5], colors=TUMOR, linewidths=2)
    axes.set_aspect("equal")
    axes.axis("off")
    return colored


def draw_thumbnail(acquisition, fit, k) -> None:
    figure = plt.figure(figsize=(2.6, 2.8), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    overlay_map(axes, acquisition, fit, k)
    THUMBNAIL.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(THUMBNAIL, facecolor=PAPER)
    plt.close(figure)


def draw_recurrence_thumbnail(patient) -> None:
    """The scan from before treatment around the tumor, with GTV and GTVr."""
    pixel_mm = patient.pre_grid.spacing_mm_kji[1:]
    k = largest_slice(patient.masks_pre["GTV"] & patient.masks_pre["GTVr"])
    rows, columns = np.nonzero(patient.masks_pre["GTV"][k])
    x, y = (np.arange(n) + 0.5 for n in patient.pre[k].shape[::-1])
    figure = plt.figure(figsize=(2.6, 2.8), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    show_slice(axes, patient.pre[k], pixel_mm, cmap="gray", vmax=np.percentile(patient.pre[k], 99.8))
    for name, color in (("GTV", GTV_COLOR), ("GTVr", GTVR_COLOR)):
        outline = patient.masks_pre[name][k].astype(float)
        axes.contour(x * pixel_mm[1], y * pixel_mm[0], outline, [0.5], colors=color, linewidths=2)
    middle = columns.mean() * pixel_mm[1], rows.mean() * pixel_mm[0]
    axes.set(xlim=(middle[0] - 55, middle[0] + 55), ylim=(middle[1] + 60, middle[1] - 60), aspect="equal")
    axes.axis("off")
    figure.savefig(RECURRENCE_THUMBNAIL, facecolor=PAPER)
    plt.close(figure)


def draw_decay(axes, acquisition, fit, roi, statistics) -> None:
    """Mean tumor signal with its spread, and the curve of the mean parameters."""
    times = np.array(fit.echo_times_ms)
    signals = np.stack([echo[roi] for echo in acquisition.series.echoes])
    fine = np.linspace(0, times[-1] * 1.1, 100)
    curve = predict_signal(fit.s0[roi].mean(), statistics.mean, fine, fit.noise_sigma)
    axes.plot(fine, curve, color="#F2C230", lw=2.5, label=f"fit: {statistics.mean:.1f} ± {statistics.mean_se:.1f} Hz")
    axes.errorbar(
        times,
        signals.mean(axis=1),
        signals.std(axis=1),
        fmt="o",
        color=INK,
        ms=7,
        capsize=4,
        label="tumor, mean and SD",
    )
    axes.set(xlabel="Echo time (ms)", ylabel="Signal (a.u.)", ylim=(0, None), xlim=(0, fine[-1]), facecolor=PAPER)
    axes.legend(facecolor=PAPER, edgecolor="none", labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw_screenshot(acquisition, fit, k) -> None:
    roi = np.zeros(fit.status.shape, dtype=bool)
    roi[k] = acquisition.region_mask("tumor")[k] & ~acquisition.region_mask("necrosis")[k]
    statistics = roi_statistics(fit.r2star_hz, roi, standard_errors=fit.r2star_se_hz, status=fit.status)
    with plt.rc_context(
        {"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK}
    ):
        figure = plt.figure(figsize=(12, 5.6), dpi=100, facecolor=PAPER)
        colored = overlay_map(figure.add_axes((0.01, 0.02, 0.40, 0.90)), acquisition, fit, k)
        bar = figure.colorbar(colored, cax=figure.add_axes((0.425, 0.15, 0.015, 0.65)), extend="max")
        bar.set_label("R2* (Hz)")
        draw_decay(figure.add_axes((0.56, 0.14, 0.41, 0.74)), acquisition, fit, roi, statistics)
        figure.text(
            0.02,
            0.95,
            "R2* of a simulated nasopharyngeal carcinoma (digital phantom, SNR 50)",
            fontsize=14,
            va="center",
        )
        SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(SCREENSHOT, facecolor=PAPER)
        plt.close(figure)


def main() -> None:
    acquisition = simulate_bold("pre", snr=50)
    fit = fit_r2star(acquisition.series.echoes, acquisition.series.echo_times_ms)
    k = largest_slice(acquisition.region_mask("tumor"))
    draw_thumbnail(acquisition, fit, k)
    draw_screenshot(acquisition, fit, k)
    draw_recurrence_thumbnail(simulate_recurrence(pose_deg=8, pose_mm=12))


if __name__ == "__main__":
    main()
