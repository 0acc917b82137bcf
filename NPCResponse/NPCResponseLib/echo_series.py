"""A multi-echo gradient-echo acquisition as plain values: what readers and MRML nodes give and what the fit takes."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class EchoSeries:
    """Magnitude images of one slab at several echo times, with the facts that the fit needs.

    Attributes:
        echoes: one array per echo, each KJI (slice, row, column), same shape, in the order of ``echo_times_ms``.
        echo_times_ms: echo times in ms; empty when nothing told them (the user must).
        echo_times_source: where they come from, in words fit for a report ("DICOM (0018,0081)").
        ijk_to_ras: 4x4, voxel index (i, j, k) to RAS millimetres.
        field_strength_t: B0 in tesla, or None when unknown.
        slice_thickness_mm: excited thickness (not the spacing between slices), or None when unknown.
        phases: phase images in radians, one per echo, or empty.
        name: short label for nodes and reports; never a patient's name.
        warnings: sentences for the report about what was found or assumed while reading.
    """

    echoes: tuple[np.ndarray, ...]
    echo_times_ms: tuple[float, ...]
    echo_times_source: str
    ijk_to_ras: np.ndarray
    field_strength_t: float | None = None
    slice_thickness_mm: float | None = None
    phases: tuple[np.ndarray, ...] = ()
    name: str = "BOLD"
    warnings: tuple[str, ...] = field(default=())

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        return self.echoes[0].shape

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        """Distance between voxel centres along k, j, i."""
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)[::-1])
