"""Draws the extension's icons (128x128 PNG): ``python Resources/draw_icons.py``. The pictures are our own."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse, FancyBboxPatch, Polygon

ROOT = Path(__file__).resolve().parents[1]
ICON_PX, SUPERSAMPLING = 128, 4
NIGHT, HEAD, AIRWAY, WHITE = "#14233C", "#7F93AE", "#14233C", "#FFFFFF"
HABITATS = ("#2C7FD6", "#F2C230", "#E0383E")
BLUE_TO_RED = matplotlib.colors.LinearSegmentedColormap.from_list(
    "blue-red", ["#2C5FD6", "#35B3C9", "#F2C230", "#E0383E"]
)


def canvas():
    """A rounded dark square, axes from 0 to 1."""
    size = ICON_PX * SUPERSAMPLING / 100
    figure = plt.figure(figsize=(size, size), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    axes.add_patch(
        FancyBboxPatch((0.05, 0.05), 0.9, 0.9, boxstyle="round,pad=0.03,rounding_size=0.16", fc=NIGHT, ec="none")
    )
    return figure, axes


def tumor_outline() -> np.ndarray:
    """A lobed closed curve behind the airway, (n, 2)."""
    angle = np.linspace(0, 2 * np.pi, 200)
    radius = 0.165 + 0.02 * np.cos(3 * angle + 0.6) + 0.012 * np.sin(5 * angle)
    return np.stack((0.47 + 1.2 * radius * np.cos(angle), 0.50 + 0.95 * radius * np.sin(angle)), axis=1)


def draw_head(axes) -> None:
    """An axial section: head, airway in front of (above) the tumor, spine below."""
    axes.add_patch(Ellipse((0.5, 0.53), 0.72, 0.80, fc=HEAD, ec=WHITE, lw=7))
    axes.add_patch(Ellipse((0.5, 0.76), 0.13, 0.20, fc=AIRWAY, ec="none"))
    axes.add_patch(Ellipse((0.5, 0.25), 0.16, 0.12, fc="#C9D3E0", ec="none"))


def fill_tumor(axes, colors: np.ndarray, colormap) -> None:
    outline = Polygon(tumor_outline(), closed=True, fc="none", ec=WHITE, lw=6)
    axes.add_patch(outline)
    image = axes.imshow(
        colors, extent=(0.22, 0.72, 0.28, 0.72), origin="lower", cmap=colormap, interpolation="bicubic", zorder=1.5
    )
    image.set_clip_path(outline)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="auto")


def heat() -> np.ndarray:
    """A hypoxic core: values 0..1 on a grid."""
    y, x = np.mgrid[-1:1:60j, -1:1:60j]
    return np.exp(-((x - 0.15) ** 2 + (y + 0.1) ** 2) / 0.22) * 0.9 + 0.12 * (x + 1) / 2


def habitats() -> np.ndarray:
    """Three sub-regions, 0, 1, 2."""
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    regions = np.where(x + 0.5 * np.sin(2.5 * y) < -0.12, 0, 1)
    regions[(x - 0.45) ** 2 + (y - 0.1) ** 2 < 0.14] = 2
    return regions


def draw_decay(axes) -> None:
    """Five echoes and their exponential fit, low across the picture."""
    time = np.linspace(0, 1, 100)
    axes.plot(
        0.12 + 0.76 * time, 0.13 + 0.36 * np.exp(-2.6 * time), color=NIGHT, lw=22, solid_capstyle="round", zorder=3
    )
    axes.plot(
        0.12 + 0.76 * time, 0.13 + 0.36 * np.exp(-2.6 * time), color=WHITE, lw=10, solid_capstyle="round", zorder=4
    )
    echoes = np.linspace(0.05, 0.95, 5)
    axes.scatter(
        0.12 + 0.76 * echoes, 0.13 + 0.36 * np.exp(-2.6 * echoes), s=620, c="#F2C230", ec=NIGHT, lw=5, zorder=5
    )


def draw_risk(axes) -> None:
    """Two survival steps that part."""
    for levels, color in (((0.42, 0.38, 0.35, 0.33), HABITATS[0]), ((0.42, 0.30, 0.20, 0.13), HABITATS[2])):
        x, y = np.repeat(np.linspace(0.12, 0.88, 5), 2)[1:-1], np.repeat(levels, 2)
        axes.plot(x, y, color=WHITE, lw=21, solid_joinstyle="round", zorder=3)
        axes.plot(x, y, color=color, lw=12, solid_joinstyle="round", zorder=4)


def save(figure, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, transparent=True)
    plt.close(figure)
    Image.open(path).resize((ICON_PX, ICON_PX), Image.Resampling.LANCZOS).save(path, optimize=True)


def main() -> None:
    habitat_colors = matplotlib.colors.ListedColormap(HABITATS)
    for path, colors, colormap, overlay in (
        ("Resources/NPCImaging.png", heat(), BLUE_TO_RED, None),
        ("NPCResponse/Resources/Icons/NPCResponse.png", heat(), BLUE_TO_RED, draw_decay),
        ("NPCRadiomicsRisk/Resources/Icons/NPCRadiomicsRisk.png", habitats(), habitat_colors, draw_risk),
    ):
        figure, axes = canvas()
        draw_head(axes)
        fill_tumor(axes, colors, colormap)
        if overlay:
            overlay(axes)
        save(figure, ROOT / path)


if __name__ == "__main__":
    main()
