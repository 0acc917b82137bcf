"""The figures of an R2* report. Each function takes plain values and returns a matplotlib Figure."""

import numpy as np
from matplotlib.figure import Figure

from ..region_decay import RegionDecay
from ..relaxometry import VoxelStatus
from .figure_parts import axes_mm, figure_mm, nice_ceiling
from .map_figures import TITLE_PAD_OVER_LEGEND, MapStyle, legend_under_title

R2STAR_LABEL = "$R_2^*$ (Hz)"
STATUS_COLORS = {
    VoxelStatus.OK: "#D5DDE3",
    VoxelStatus.LOW_SIGNAL: "#2B2F33",
    VoxelStatus.NON_DECAYING: "#6A3D9A",
    VoxelStatus.NON_FINITE: "#000000",
    VoxelStatus.SATURATED: "#B2182B",
    VoxelStatus.POOR_FIT: "#F4A582",
    VoxelStatus.SUSPECTED_FIELD_GRADIENT: "#FDD835",
}
STATUS_HATCHES = {VoxelStatus.POOR_FIT: "....", VoxelStatus.SUSPECTED_FIELD_GRADIENT: "/////"}
R2STAR_STYLE = MapStyle(
    name="$R_2^*$",
    label=R2STAR_LABEL,
    limits=(0.0, 100.0),
    second_name="Standard error of $R_2^*$",
    second_label="SE (Hz)",
    status_colors=STATUS_COLORS,
    status_hatches=STATUS_HATCHES,
)


def decay_plot(decay: RegionDecay, *, width_mm: float = 88.0) -> Figure:
    """Mean signal of the region with the scatter of its voxels, the fitted curve, the noise floor; residuals below."""
    figure = figure_mm(width_mm, 72)
    main = axes_mm(figure, 14, 29, width_mm - 16, 33)
    main.errorbar(
        decay.echo_times_ms, decay.mean, yerr=decay.sd, fmt="o", color="#222222", ecolor="#777777", elinewidth=0.9,
        capsize=2.2, label="mean ± SD", zorder=3,
    )  # fmt: skip
    _draw_fit(figure, main, decay, width_mm)
    if decay.noise_sigma:
        main.axhline(decay.noise_sigma, color="#33658A", linewidth=1.0, linestyle=(0, (4, 2)), label="noise σ")
    main.set_xlim(0, decay.curve_times_ms[-1])
    main.set_ylim(0, 1.06 * max((decay.mean + decay.sd).max(), decay.curve[0]))
    main.set_ylabel("Signal (image units)")
    main.set_title("Decay in the region", pad=TITLE_PAD_OVER_LEGEND)
    main.grid(axis="y")
    handles, labels = main.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda n: not labels[n].startswith("mean"))
    legend_under_title(main, [handles[n] for n in order], [labels[n] for n in order])
    return figure


def _draw_fit(figure: Figure, main, decay: RegionDecay, width_mm: float) -> None:
    """The curve (dashed before the first echo, where nothing was measured) and the misfit below."""
    measured = decay.curve_times_ms >= decay.echo_times_ms[0]
    main.plot(decay.curve_times_ms, decay.curve, color="#B2182B", linewidth=1.0, linestyle=(0, (2, 2)))
    main.plot(decay.curve_times_ms[measured], decay.curve[measured], color="#B2182B", label="fit")
    main.tick_params(labelbottom=False)
    below = axes_mm(figure, 14, 10, width_mm - 16, 13)
    residual = 100 * (decay.mean - decay.fitted) / decay.mean[0]
    below.axhline(0, color="#B2182B", linewidth=0.9)
    below.plot(decay.echo_times_ms, residual, "o", color="#222222", markersize=3.5)
    reach = nice_ceiling(max(1.0, 1.15 * np.abs(residual).max()))
    below.set_ylim(-reach, reach)
    below.set_yticks([-reach, 0, reach], labels=[f"−{reach:g}", "0", f"{reach:g}"])
    below.set_ylabel("Misfit (%)")
    below.set_xlabel("Echo time (ms)")
    below.set_xlim(0, decay.curve_times_ms[-1])
    below.grid(axis="y")
    figure.align_ylabels([main, below])
