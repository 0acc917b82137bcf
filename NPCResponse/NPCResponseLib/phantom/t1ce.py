"""A fine T1-weighted image after contrast agent, to outline and measure lesions on, with their true diameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..errors import InputError
from .anatomy import REGION_NAMES, head_anatomy, region_mask
from .grid import PhantomGrid
from .noise import rician
from .patient import Response, TimePoint, choose
from .tissue import Tissue, tissue_table
from .true_diameters import TrueDiameters, true_diameters

MEASURED_REGIONS = ("tumor", "viable_tumor", "node_left", "node_right")


@dataclass(frozen=True, eq=False)
class PhantomT1:
    """A simulated image and everything that is true of it.

    Attributes:
        volume: float32 or int16, (slice, row, column).
        grid: its voxels.
        labels: uint8, index into ``region_names``.
        truth: diameters and volume of each of MEASURED_REGIONS, in the planes of the image's own slices. "tumor" is the
            whole outline with its necrosis. Viable tumor, the enhancing part, surrounds it: its outline is the same,
            its volume is not.
        noise_sigma: standard deviation of the noise in each channel; 0 for a noise-free image.
        name, warnings: as of a series.
    """

    volume: np.ndarray
    grid: PhantomGrid
    labels: np.ndarray
    region_names: tuple[str, ...]
    truth: dict[str, TrueDiameters]
    noise_sigma: float
    name: str
    warnings: tuple[str, ...] = ("This is a synthetic image of a digital phantom, not of a patient.",)

    def region_mask(self, name: str) -> np.ndarray:
        """Boolean mask of a region; "tumor" is the whole outline as a radiologist draws it, necrosis included.

        Raises:
            InputError: no such region.
        """
        return region_mask(self.labels, name)


def simulate_t1ce(
    time_point: TimePoint | str = "pre",
    *,
    response: Response | str = "responder",
    snr: float | None = 40.0,
    seed: int = 0,
    grid: PhantomGrid | None = None,
    position_ras: np.ndarray | None = None,
    as_integers: bool = False,
    tissues: Mapping[str, Tissue] | None = None,
) -> PhantomT1:
    """A contrast-enhanced, fat-suppressed T1-weighted image of the phantom with Rician noise.

    The same seed gives the same image; time points differ in their noise.

    Args:
        snr: signal of viable tumor over the noise standard deviation; None for no noise.
        grid: default PhantomGrid.t1ce_demo().
        position_ras: rigid 4x4, where the head lies at this visit; takes a point of the head as in the other images to
            where it is now. Identity if None.
        as_integers: round to int16 as scanners do.
        tissues: instead of tissue_table(time_point, response).

    Raises:
        InputError: an unknown time point or response, a level of noise that makes no sense.
    """
    time_point, response = choose(TimePoint, time_point), choose(Response, response)
    if snr is not None and not (math.isfinite(snr) and snr > 0):
        raise InputError(f"the signal-to-noise ratio must be a positive number, found {snr:g}", where="phantom")
    tissues = tissues or tissue_table(time_point, response)
    grid = grid or PhantomGrid.t1ce_demo()
    in_head = grid if position_ras is None else grid.seen_from(position_ras)
    anatomy = head_anatomy(time_point, response)
    labels = anatomy.labels_on(in_head)
    signal = np.array([tissues[name].enhanced_t1w for name in REGION_NAMES], dtype=np.float32)[labels]
    noise_sigma = tissues["viable_tumor"].enhanced_t1w / snr if snr else 0.0
    volume = rician(signal, noise_sigma, np.random.default_rng([seed, list(TimePoint).index(time_point), 5]))
    axes_ras = _slice_normals_ras(in_head)
    return PhantomT1(
        volume=np.rint(volume).astype(np.int16) if as_integers else volume,
        grid=grid,
        labels=labels,
        region_names=REGION_NAMES,
        truth={region: true_diameters(anatomy, region, axes_ras) for region in MEASURED_REGIONS},
        noise_sigma=noise_sigma,
        name=f"T1 CE {time_point.value} (phantom)",
    )


def _slice_normals_ras(grid: PhantomGrid) -> np.ndarray:
    """3x3 unit columns: the grid's directions, ordered by which of R, A, S they come nearest to."""
    axes = grid.ijk_to_ras[:3, :3] / np.linalg.norm(grid.ijk_to_ras[:3, :3], axis=0)
    return axes[:, linear_sum_assignment(-np.abs(axes))[1]]
