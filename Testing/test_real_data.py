"""Real scans from ../shared, which is not part of the project: skipped, visibly, where it is absent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NPCResponseLib.readers import read_echo_series
from NPCResponseLib.relaxometry import R2StarMethod, fit_r2star

MEGRE = Path(__file__).parents[2] / "shared" / "data" / "megre"
T2_PHANTOM = MEGRE / "hazen_t2_phantom" / "site5_philips_3T" / "plate4"

# Row and column of the 14 spheres on plate 4 of the NIST system phantom as this scan shows them: the template of the
# phantom's analysis software hazen, turned by 1.5 degrees and shifted by (-3, 2) voxels, which centers it here.
TEMPLATE_CENTERS = [
    *[(56, 94), (62, 117), (81, 132), (105, 134), (125, 120), (133, 99), (127, 75)],
    *[(108, 60), (84, 59), (64, 72), (80, 81), (78, 111), (109, 113), (111, 82)],
]
TURN_DEGREES, SHIFT, RADIUS = 1.5, (-3.0, 2.0), 3.2
# T2 (ms) that hazen itself finds in these spheres, its gold values for this scan.
HAZEN_T2_MS = [625.5, 435.9, 309.3, 216.8, 149.7, 106.3, 74.3, 51.6, 35.7, 25.4, 16.5, 11.0, 7.1, 4.2]


def sphere_masks(shape: tuple[int, int]) -> list[np.ndarray]:
    angle, middle = np.deg2rad(TURN_DEGREES), np.array(shape) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centers = (np.array(TEMPLATE_CENTERS) - middle) @ turn.T + middle + SHIFT
    rows, columns = np.indices(shape)
    return [np.hypot(rows - row, columns - column) <= RADIUS for row, column in centers]


@pytest.mark.skipif(not T2_PHANTOM.is_dir(), reason=f"{T2_PHANTOM} is not here")
def test_t2_phantom_agrees_with_another_package():
    series = read_echo_series([T2_PHANTOM])
    # The first echo of a multi-spin-echo train lacks the stimulated echoes of the later ones.
    series = replace(series, echoes=series.echoes[1:], echo_times_ms=series.echo_times_ms[1:])
    signals = [
        np.array([echo[0][mask].mean() for mask in sphere_masks(series.shape_kji[1:])]).reshape(1, 1, -1)
        for echo in series.echoes
    ]
    fit = fit_r2star(signals, series.echo_times_ms, method=R2StarMethod.NLLS)
    difference = np.abs(fit.t2star_ms.reshape(-1) / HAZEN_T2_MS - 1)
    assert np.median(difference) <= 0.01
    assert difference.max() <= 0.05


@pytest.mark.skipif(not T2_PHANTOM.is_dir(), reason=f"{T2_PHANTOM} is not here")
def test_t2_phantom_agrees_voxel_by_voxel_with_the_default_fit():
    series = read_echo_series([T2_PHANTOM])
    fit = fit_r2star(series.echoes[1:], series.echo_times_ms[1:])
    t2_ms = np.array([1000 / fit.r2star_hz[0][mask].mean() for mask in sphere_masks(series.shape_kji[1:])])
    difference = np.abs(t2_ms / HAZEN_T2_MS - 1)
    assert fit.method is R2StarMethod.NOISE_FLOOR
    assert np.median(difference) <= 0.01
    assert difference.max() <= 0.05
