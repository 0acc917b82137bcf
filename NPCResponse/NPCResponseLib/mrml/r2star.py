"""From the nodes of a multi-echo series to R2* maps, a table and a plot: the job behind the panel and the command line.

    job = R2StarJob(series_node, R2StarSettings(), segmentation, segment_id)
    result = job.run()

The job reads and checks every node when it is made; its steps compute on arrays only; nodes are written at the end.
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..echo_series import EchoSeries
from ..errors import InputError
from ..fat_shift import fat_phase_warning
from ..measurement import Measurement
from ..region_decay import RegionDecay, region_decay
from ..relaxometry import R2StarFit, R2StarMethod, VoxelStatus, iter_fit_r2star
from ..rois import RoiStatistics, SliceRule, roi_statistics, usable_voxels
from . import field_map, r2star_rows, volumes
from .decay_plot import write_chart
from .echo_series import echo_series_from_nodes
from .hierarchy import place_beside
from .image_series import proxy_volume, reference_volume
from .measured_values import R2STAR, r2star_value, remember_value
from .measurements import write_table
from .regions import form_region, read_segments
from .result_nodes import check_outputs, removed_on_failure


@dataclass(frozen=True)
class R2StarSettings:
    """Choices of the user. Nothing here is read from the data.

    Attributes:
        method: estimator.
        echo_times_ms: typed echo times, in the order of the images; empty: those found in the data.
        noise_sigma: noise standard deviation in image units; None: estimated from the images.
        slice_rule: which slices of the segment count.
        erosion_mm: taken off the outline in each slice.
        saturation_level: signals at or above it are clipped; None: recognized by its plateau.
        use_phase: correct field gradients from the phase images of the series.
        keep_doubtful: measure voxels with a poor fit or a suspected field gradient, too; False leaves them out.
    """

    method: R2StarMethod = R2StarMethod.AUTO
    echo_times_ms: tuple[float, ...] = ()
    noise_sigma: float | None = None
    slice_rule: SliceRule = SliceRule.LARGEST_SLICE
    erosion_mm: float = 0.0
    saturation_level: float | None = None
    use_phase: bool = False
    keep_doubtful: bool = True

    def __post_init__(self):
        for name, value in (("noise level", self.noise_sigma), ("saturation level", self.saturation_level)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"the {name} must be a positive number, found {value:g}", remedy="Leave it out")
        if not (math.isfinite(self.erosion_mm) and self.erosion_mm >= 0):
            raise InputError(f"the erosion must not be negative, found {self.erosion_mm:g} mm", remedy="Give 0 or more")


@dataclass
class R2StarOutputs:
    """Result nodes. Before a run: nodes to update, None where a new one is wanted.

    After it: all nodes of the result. Table and chart are None without a segment, standard_error without one to show.
    """

    r2star: object = None
    t2star: object = None
    s0: object = None
    standard_error: object = None
    r_squared: object = None
    status: object = None
    table: object = None
    chart: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True)
class R2StarResult:
    """Everything that one run gave. Arrays are KJI on the grid of the series.

    Attributes:
        roi: statistics of R2* (Hz) over the region; None without a segment, and then the masks are None, too.
        roi_mask: the region after slice rule and erosion; used_mask: the voxels that the statistics rest on.
        segment_name, exclusion_names: as the user calls them.
        decay: mean signal of the used voxels per echo, with the mean of their fits.
        gradient_correction: what was done about field gradients, in a sentence; "" if nothing.
        measurements: rows of the result table.
        assumptions, warnings: sentences about this run, beside those of series, fit and roi.
        outputs: the nodes.
    """

    series: EchoSeries
    fit: R2StarFit
    settings: R2StarSettings
    outputs: R2StarOutputs
    roi: RoiStatistics | None = None
    roi_mask: np.ndarray | None = None
    used_mask: np.ndarray | None = None
    segment_name: str = ""
    exclusion_names: tuple[str, ...] = ()
    decay: RegionDecay | None = None
    gradient_correction: str = ""
    measurements: tuple[Measurement, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class R2StarJob:
    """One R2* measurement.

    Args:
        nodes: a sequence, multi-component or multi-volume node, or a list with one scalar volume per echo.
        segmentation, segment_id: the region to measure; without a segmentation there are maps only. Of a segmentation
            with one segment the ID may be left out.
        exclusion_ids: segments of the same segmentation that are left out.
        b0_map: volume node with off-resonance in Hz, on any grid.
        reading_warnings: what reading the images gave to tell, for the warnings of the result's series.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self,
        nodes,
        settings: R2StarSettings | None = None,
        segmentation=None,
        segment_id: str = "",
        exclusion_ids: Sequence[str] = (),
        b0_map=None,
        *,
        reading_warnings: Sequence[str] = (),
    ):
        self.settings = settings = settings or R2StarSettings()
        series = echo_series_from_nodes(nodes, settings.echo_times_ms or None)
        self.series = replace(series, warnings=(*reading_warnings, *series.warnings))
        self._reference = reference_volume(nodes)
        self._node_list = list(nodes) if isinstance(nodes, (list, tuple)) else [nodes]
        self._inputs = [*self._node_list, self._reference, *([b0_map] if b0_map else [])]
        self._field = self._read_field(b0_map)
        self._region = form_region(
            read_segments(segmentation, segment_id, exclusion_ids, self._reference),
            self._reference,
            slice_rule=settings.slice_rule,
            erosion_mm=settings.erosion_mm,
        )
        self._fit: R2StarFit | None = None
        self._roi: RoiStatistics | None = None

    # -- reading --

    def _read_field(self, b0_map) -> field_map.FieldCorrection:
        if b0_map is not None and self.settings.use_phase:
            raise InputError("a field map and the phase images both tell the field", remedy="Choose one of them")
        if b0_map is not None:
            return field_map.from_field_map(b0_map, self._reference, self.series)
        return field_map.from_phases(self.series) if self.settings.use_phase else field_map.FieldCorrection()

    # -- computing --

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        fit = yield from iter_fit_r2star(
            self.series.echoes,
            self.series.echo_times_ms,
            method=self.settings.method,
            noise_sigma=self.settings.noise_sigma,
            slice_frequency_spread_hz=self._field.spread_hz,
            saturation_level=self.settings.saturation_level,
        )
        if self._region is not None:
            self._roi = self._statistics(fit.r2star_hz, fit, fit.r2star_se_hz)
        self._fit = fit
        yield 1.0

    def _statistics(self, values: np.ndarray, fit: R2StarFit, standard_errors=None) -> RoiStatistics:
        has_errors = standard_errors is not None and not math.isnan(fit.degrees_of_freedom)
        try:
            return roi_statistics(
                values,
                self._region.mask,
                standard_errors=standard_errors if has_errors else None,
                status=fit.status,
                status_codes=VoxelStatus,
                exclusions=self._region.exclusion_masks(),
                keep_flagged=self.settings.keep_doubtful,
            )
        except InputError as error:
            raise InputError(error.what, where=f"segment {self._region.segment.name}", remedy=error.remedy) from error

    def _used_mask(self) -> np.ndarray:
        """The voxels that ``roi_statistics`` rests on."""
        return usable_voxels(
            self._region.mask,
            self._fit.status,
            self._region.exclusion_masks(),
            status_codes=VoxelStatus,
            keep_flagged=self.settings.keep_doubtful,
        )[0]

    def run(
        self, outputs: R2StarOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> R2StarResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    # -- writing --

    def finish(self, outputs: R2StarOutputs | None = None) -> R2StarResult:
        """Write the result into nodes, once all steps are done: into those of ``outputs``, new ones for the rest.

        If that fails, new nodes are removed again.

        Raises:
            InputError: an output is also an input.
        """
        if self._fit is None:
            raise RuntimeError("R2StarJob.finish() before the last of its steps")
        outputs = replace(outputs) if outputs else R2StarOutputs()
        check_outputs(outputs.nodes(), self._inputs)
        result = self._describe(outputs)
        with removed_on_failure():
            self._write_maps(outputs)
            self._write_region(outputs, result)
        return result

    def _describe(self, outputs: R2StarOutputs) -> R2StarResult:
        assumptions, warnings = self._remarks()
        result = R2StarResult(
            series=self.series,
            fit=self._fit,
            settings=self.settings,
            outputs=outputs,
            gradient_correction=self._field.sentence,
            assumptions=assumptions,
            warnings=warnings,
        )
        if self._roi is None:
            return result
        used = self._used_mask()
        result = replace(
            result,
            roi=self._roi,
            roi_mask=self._region.mask,
            used_mask=used,
            decay=region_decay(self.series.echoes, self._fit, used, self._field.spread_hz),
            segment_name=self._region.segment.name,
            exclusion_names=self._region.exclusion_names,
        )
        t2star = self._statistics(self._fit.t2star_ms, self._fit)
        rows = r2star_rows.measurement_rows(result, t2star, self._region)
        return replace(result, measurements=rows)

    def _write_maps(self, outputs: R2StarOutputs) -> None:
        fit, name, reference = self._fit, self.series.name, self._reference
        outputs.r2star = volumes.write_map(fit.r2star_hz, volumes.R2STAR, name, reference, outputs.r2star)
        outputs.t2star = volumes.write_map(fit.t2star_ms, volumes.T2STAR, name, reference, outputs.t2star)
        outputs.s0 = volumes.write_map(fit.s0, volumes.S0, name, reference, outputs.s0)
        if outputs.standard_error or not math.isnan(fit.degrees_of_freedom):
            outputs.standard_error = volumes.write_map(
                fit.r2star_se_hz, volumes.STANDARD_ERROR, name, reference, outputs.standard_error
            )
        outputs.r_squared = volumes.write_map(fit.r_squared, volumes.R_SQUARED, name, reference, outputs.r_squared)
        outputs.status = volumes.write_status_map(fit.status, volumes.R2STAR_STATUS, name, reference, outputs.status)
        for node in outputs.nodes():
            if node.IsA("vtkMRMLVolumeNode"):
                place_beside(node, self._sibling())

    def _write_region(self, outputs: R2StarOutputs, result: R2StarResult) -> None:
        """Table and chart. Old ones are emptied when there is no region: their numbers belong to other maps."""
        name = self.series.name
        if result.measurements or outputs.table:
            outputs.table = write_table(result.measurements, f"{name} R2* measurements", outputs.table)
            remember_value(outputs.table, R2STAR, r2star_value(result))
            place_beside(outputs.table, self._sibling())
        if result.roi or outputs.chart:
            title = ""
            if result.roi:
                title = f"{result.segment_name}: R2* {result.roi.mean:.1f} +/- {result.roi.mean_se:.1f} Hz"
            outputs.chart = write_chart(result.decay, f"{name} R2* decay", title, self._sibling(), outputs.chart)

    def _sibling(self):
        """The input that has a place in the subject hierarchy: a volume of the scene rather than a sequence."""
        first = self._node_list[0]
        return (proxy_volume(first) if first.IsA("vtkMRMLSequenceNode") else None) or first

    # -- what to know about the result --

    def _remarks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Assumptions and warnings."""
        assumptions, warnings = list(self._field.assumptions), list(self._field.warnings)
        if "typed by the user" in self.series.echo_times_source:
            assumptions.append("The echo times were typed, not read from the data.")
        if "taken as ms" in self.series.echo_times_source:
            assumptions.append("The echo times have no unit in the data; milliseconds were taken.")
        if self.series.field_strength_t is None:
            assumptions.append(
                "The field strength is unknown, so whether the echoes are in phase with fat was not checked."
            )
        else:
            warning = fat_phase_warning(self.series.echo_times_ms, self.series.field_strength_t)
            warnings += [warning] if warning else []
        return tuple(assumptions), tuple(warnings + (self._region.warnings() if self._region else []))
