"""Field gradients across the slice, from a field map node or from the phase images of a series."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..echo_series import EchoSeries
from ..errors import InputError
from ..field_gradient import slice_frequency_spread_from_b0, slice_frequency_spread_from_phase
from .geometry import as_vtk_matrix, matrix_of, resample, transform_between

HERTZ_CODES = ("Hz", "/s", "1/s", "s-1")
SMALL_UNCOVERED_FRACTION = 0.01


@dataclass(frozen=True)
class FieldCorrection:
    """What the fit gets to know about the field.

    Attributes:
        spread_hz: off-resonance difference across the slice thickness, KJI on the grid of the series; None: not known.
        sentence: what was done, for a methods section; "" if nothing.
        assumptions, warnings: sentences for the report.
    """

    spread_hz: np.ndarray | None = None
    sentence: str = ""
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def from_field_map(b0_map, reference_volume, series: EchoSeries) -> FieldCorrection:
    """Correction from a volume node with off-resonance in Hz, on any grid; parent transforms are honored.

    Raises:
        InputError: it has no image, another unit, no values on the series, or the series has one slice.
    """
    _check_several_slices(series)
    where = f"field map {b0_map.GetName()}"
    if b0_map.GetImageData() is None or b0_map.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError(
            "there is no scalar image in it", where=where, remedy="Choose a map of the off-resonance in Hz"
        )
    unit = b0_map.GetVoxelValueUnits()
    if unit and unit.GetCodeValue() and unit.GetCodeValue() not in HERTZ_CODES:
        raise InputError(f"its unit is {unit.GetCodeValue()}", where=where, remedy="Convert it to Hz")
    b0_hz, covered = _on_grid_of(b0_map, reference_volume)
    covered &= np.isfinite(b0_hz)
    if not covered.any():
        raise InputError(
            f"it does not cover {reference_volume.GetName()}", where=where, remedy="Choose a map of this scan"
        )
    if not b0_hz[covered].any():  # also what is left of a map of NaN, which NIfTI readers turn into 0
        raise InputError("it is zero on the whole image", where=where, remedy="Check its export")
    thickness_mm, assumptions = _thickness(series)
    spread_hz = slice_frequency_spread_from_b0(b0_hz, series.spacing_mm_kji[0], thickness_mm)
    spread_hz[~_has_covered_neighbors(covered)] = 0  # no gradient is known there; an edge of the map is none
    if not (unit and unit.GetCodeValue()):
        assumptions += ("The field map names no unit; Hz was taken.",)
    uncovered = 1 - float(covered.mean())
    warnings = ()
    if uncovered > SMALL_UNCOVERED_FRACTION:
        warnings = (
            f"The field map leaves {100 * uncovered:.0f} % of the image uncovered; nothing was corrected there.",
        )
    sentence = (
        "The dephasing by a linear field gradient across the slice, from a field map, was part of the model "
        "(sinc, for a rectangular slice profile)."
    )
    return FieldCorrection(spread_hz, sentence, assumptions, warnings)


def from_phases(series: EchoSeries) -> FieldCorrection:
    """Correction from the phase images that belong to a series.

    Raises:
        InputError: it has none, or one slice.
    """
    _check_several_slices(series)
    if not series.phases:
        raise InputError(
            "there are no phase images",
            where=series.name,
            remedy="Give them, or a field map, or switch the correction off",
        )
    thickness_mm, assumptions = _thickness(series)
    spread_hz = slice_frequency_spread_from_phase(
        series.echoes, series.phases, series.echo_times_ms, series.spacing_mm_kji[0], thickness_mm
    )
    sentence = (
        "The dephasing by a linear field gradient across the slice, from the phase difference between neighboring "
        "slices, was part of the model (sinc, for a rectangular slice profile)."
    )
    return FieldCorrection(spread_hz, sentence, assumptions)


def _check_several_slices(series: EchoSeries) -> None:
    """The gradient through a slice is found from its neighbors; without any, nothing would be corrected."""
    if series.shape_kji[0] < 2:
        raise InputError(
            "it has one slice, and the field gradient through it cannot be found",
            where=series.name,
            remedy="Give a series of several slices, or leave the correction off",
        )


def _thickness(series: EchoSeries) -> tuple[float, tuple[str, ...]]:
    if series.slice_thickness_mm:
        return series.slice_thickness_mm, ()
    spacing_mm = series.spacing_mm_kji[0]
    return spacing_mm, (
        f"The slice thickness is unknown; the distance between slices ({spacing_mm:g} mm) was taken for it.",
    )


def _on_grid_of(b0_map, reference_volume) -> tuple[np.ndarray, np.ndarray]:
    """The map's values at the voxels of a volume (trilinear), and where it has any."""
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(b0_map.GetImageData())
    image.SetGeometryFromImageToWorldMatrix(as_vtk_matrix(matrix_of(b0_map)))
    transform = transform_between(b0_map, reference_volume)
    b0_hz = resample(image, reference_volume, transform, linear=True).astype(np.float32)
    presence = slicer.vtkOrientedImageData()
    presence.DeepCopy(image)
    presence.GetPointData().GetScalars().Fill(1)
    return b0_hz, resample(presence, reference_volume, transform, linear=False) > 0


def _has_covered_neighbors(covered: np.ndarray) -> np.ndarray:
    """Voxels whose gradient rests on covered voxels only: their own and the slices next to it."""
    inner = covered.copy()
    inner[1:] &= covered[:-1]
    inner[:-1] &= covered[1:]
    return inner
