"""From the nodes of an arterial spin labeling series to a tumor blood flow map, a table and an overlay.

    job = TbfJob(series_node, TbfSettings(PerfusionSettings(label_duration_ms=1500)), segmentation, segment_id)
    result = job.run()

The job reads and checks every node when it is made; its steps compute on arrays only; nodes are written at the end.
"""

import enum
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import slicer
import vtk

from ..asl_motion import MotionCorrection, iter_correct_motion
from ..asl_series import AslRole, AslSeries
from ..errors import InputError
from ..measurement import Measurement
from ..perfusion import PerfusionMap, PerfusionModel, PerfusionSettings, PerfusionStatus, iter_quantify_perfusion
from ..region_flow import RegionFlow, fit_region_flow
from ..registration import RigidRegistration, register_rigid, resample
from ..rois import (
    RoiStatistics,
    SliceMeans,
    SliceRule,
    mean_of_slice_means,
    roi_statistics,
    usable_voxels,
)
from . import tbf_rows, volumes
from .asl_series import asl_series_from_nodes
from .geometry import as_vtk_matrix, linear_matrix, matrix_of, transform_between
from .hierarchy import place_beside
from .image_series import arrays_of, proxy_volume, reference_volume
from .measured_values import TBF, remember_value, tbf_value
from .measurements import write_table
from .regions import Region, Segments, form_region, read_segments
from .result_nodes import check_outputs, removed_on_failure

# Shares of the whole work, for the progress bar.
MOTION_SHARE, REGISTRATION_SHARE = 0.6, 0.3


class RoiAverage(enum.Enum):
    """How voxels become one number. Values are the command line's words. Saved by name: never rename a member."""

    MEAN_OF_SLICES = "mean-of-slices"
    POOLED = "pooled"

    def label(self) -> str:
        return {
            RoiAverage.MEAN_OF_SLICES: "Mean of the slices' means",
            RoiAverage.POOLED: "Mean of all voxels",
        }[self]


@dataclass(frozen=True)
class TbfSettings:
    """Choices of the user. Nothing here is read from the data.

    Attributes:
        perfusion: what quantification needs beside the images.
        roles: what each image is, if the nodes do not know.
        slice_rule, average: which slices count and how they become one number; the defaults are Liu 2022's.
        erosion_mm: taken off the outline in each slice.
        correct_motion: align control and label images with M0 first.
        keep_doubtful: measure voxels that carry a remark (negative flow, late arrival), too. Negative flow is mostly
            noise; leaving it out makes the mean too high.
    """

    perfusion: PerfusionSettings = field(default_factory=PerfusionSettings)
    roles: tuple[AslRole, ...] = ()
    slice_rule: SliceRule = SliceRule.LARGEST_SLICE_AND_NEIGHBORS
    average: RoiAverage = RoiAverage.MEAN_OF_SLICES
    erosion_mm: float = 0.0
    correct_motion: bool = False
    keep_doubtful: bool = True

    def __post_init__(self):
        if not (math.isfinite(self.erosion_mm) and self.erosion_mm >= 0):
            raise InputError(f"the erosion must not be negative, found {self.erosion_mm:g} mm", remedy="Give 0 or more")


@dataclass
class TbfOutputs:
    """Result nodes. Before a run: nodes to update, None where a new one is wanted. After it: all nodes of the result.

    The table is None without a segment, standard_error and transit_time where there is none to show, transform without
    an anatomical image.
    """

    tbf: object = None
    standard_error: object = None
    transit_time: object = None
    delta_m: object = None
    m0: object = None
    status: object = None
    table: object = None
    transform: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True)
class TbfResult:
    """Everything that one run gave. Arrays are KJI on the grid of the series.

    Attributes:
        series: the images that were quantified, after motion correction.
        mean, mean_se: tumor blood flow by the rule of the settings (mL/100g/min); None without a segment, as are roi,
            slice_means and the masks. Of several delays it is the fit of the slices' mean signals, region_flow.
        degrees_of_freedom: of mean_se.
        roi: statistics of all voxels together.
        slice_means: the means of the slices.
        roi_mask: the region after slice rule and erosion; used_mask: the voxels that the statistics rest on.
        segment_name, exclusion_names: as the user calls them.
        registration: of the series to the anatomical image, if one was given.
        measurements: rows of the result table.
        assumptions, warnings: sentences about this run, beside those of series and perfusion.
        outputs: the nodes.
    """

    series: AslSeries
    perfusion: PerfusionMap
    settings: TbfSettings
    outputs: TbfOutputs
    mean: float | None = None
    mean_se: float | None = None
    degrees_of_freedom: float | None = None
    region_flow: RegionFlow | None = None
    roi: RoiStatistics | None = None
    slice_means: SliceMeans | None = None
    roi_mask: np.ndarray | None = None
    used_mask: np.ndarray | None = None
    segment_name: str = ""
    exclusion_names: tuple[str, ...] = ()
    motion: MotionCorrection | None = None
    registration: RigidRegistration | None = None
    measurements: tuple[Measurement, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Anatomy:
    """The anatomical image to register to, as it was when the job was made."""

    image: np.ndarray
    ijk_to_ras: np.ndarray
    start: np.ndarray  # from the series' RAS to the image's
    to_world: np.ndarray  # from the image's RAS to the world


class TbfJob:
    """One tumor blood flow measurement.

    Args:
        nodes: a sequence, multi-component or multi-volume node, or a list of scalar volumes with roles in the settings:
            all images of the series; or a perfusion-weighted difference and M0; or a vendor's flow map.
        segmentation, segment_id: the region to measure; without a segmentation there are maps only. Of a segmentation
            with one segment the ID may be left out.
        exclusion_ids: segments of the same segmentation that are left out (necrosis, air, vessels).
        m0_volume: M0 image on the grid of the series, if it is not among ``nodes``.
        anatomy: anatomical volume (T1). The series is registered to it, the maps are shown over it, and the region is
            taken to be drawn on it.
        reading_warnings, reading_sources: what reading the images gave to tell, and where facts were found.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self,
        nodes,
        settings: TbfSettings | None = None,
        segmentation=None,
        segment_id: str = "",
        exclusion_ids: Sequence[str] = (),
        m0_volume=None,
        anatomy=None,
        *,
        reading_warnings: Sequence[str] = (),
        reading_sources: Mapping[str, str] | None = None,
    ):
        self.settings = settings = settings or TbfSettings()
        series = asl_series_from_nodes(nodes, settings.roles, m0_volume)
        self.series = replace(
            series,
            warnings=(*reading_warnings, *series.warnings),
            sources={**series.sources, **(reading_sources or {})},
        )
        self._reference = reference_volume(nodes)
        self._node_list = list(nodes) if isinstance(nodes, (list, tuple)) else [nodes]
        self._inputs = [*self._node_list, self._reference, *(node for node in (m0_volume, anatomy) if node)]
        self._anatomy = self._read_anatomy(anatomy) if anatomy is not None else None
        self._segments = read_segments(segmentation, segment_id, exclusion_ids, anatomy or self._reference)
        self._region = None if self._anatomy else self._form_region(self._segments)
        self._perfusion: PerfusionMap | None = None
        self._motion: MotionCorrection | None = None
        self._registration: RigidRegistration | None = None

    # -- reading --

    def _read_anatomy(self, anatomy) -> _Anatomy:
        if anatomy.GetImageData() is None:
            raise InputError("there is no image in it", where=f"node {anatomy.GetName()}", remedy="Choose another")
        start = linear_matrix(transform_between(self._reference, anatomy))
        world = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(anatomy.GetParentTransformNode(), None, world)
        to_world = linear_matrix(world)
        if start is None or to_world is None:
            raise InputError(
                "the series or the anatomical image is under a non-linear transform, on which a rigid registration "
                "cannot build",
                where=f"volume {anatomy.GetName()}",
                remedy="Take it off that transform",
            )
        return _Anatomy(next(arrays_of([anatomy])), matrix_of(anatomy), start, to_world)

    def _form_region(self, segments: Segments | None) -> Region | None:
        settings = self.settings
        return form_region(segments, self._reference, slice_rule=settings.slice_rule, erosion_mm=settings.erosion_mm)

    # -- computing --

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        done = 0.0
        series = self.series
        if self.settings.correct_motion:
            self._motion = yield from _scaled(iter_correct_motion(series), done, done + MOTION_SHARE)
            series, done = self._motion.series, MOTION_SHARE
        if self._anatomy:
            yield done
            self._register(series)
            done += REGISTRATION_SHARE
        self._perfusion = yield from _scaled(iter_quantify_perfusion(series, self.settings.perfusion), done, 1.0)
        self.series = series
        yield 1.0

    def _register(self, series: AslSeries) -> None:
        """Move the series' best anatomical image to the anatomy, and the region back to the series."""
        anatomy = self._anatomy
        self._registration = registration = register_rigid(
            anatomy.image,
            anatomy.ijk_to_ras,
            _anatomical_mean(series),
            series.ijk_to_ras,
            initial_moving_to_fixed_ras=anatomy.start,
        )
        if self._segments is None:
            return
        back = np.linalg.inv(registration.moving_to_fixed_ras)

        def move(mask: np.ndarray) -> np.ndarray:
            return (
                resample(
                    mask.astype(np.uint8), anatomy.ijk_to_ras, series.shape_kji, series.ijk_to_ras, back, nearest=True
                )
                > 0
            )

        self._region = self._form_region(self._segments.on_grid(move))

    def run(self, outputs: TbfOutputs | None = None, progress: Callable[[float], None] | None = None) -> TbfResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    # -- measuring --

    def _statistics_options(self, standard_errors: np.ndarray | None = None) -> dict:
        return {
            "standard_errors": standard_errors,
            "status": self._perfusion.status,
            "status_codes": PerfusionStatus,
            "exclusions": self._region.exclusion_masks(),
            "keep_flagged": self.settings.keep_doubtful,
        }

    def _measure(self, result: TbfResult) -> TbfResult:
        perfusion, region = self._perfusion, self._region
        options = self._statistics_options(perfusion.standard_error)
        values = perfusion.tbf_ml_per_100g_min
        try:
            roi = roi_statistics(values, region.mask, **options)
        except InputError as error:
            raise InputError(error.what, where=f"segment {region.segment.name}", remedy=error.remedy) from error
        slice_means = mean_of_slice_means(values, region.mask, **options)
        used = usable_voxels(
            region.mask,
            perfusion.status,
            region.exclusion_masks(),
            status_codes=PerfusionStatus,
            keep_flagged=self.settings.keep_doubtful,
        )[0]
        flow = self._region_flow(used)
        if flow is not None:
            mean, mean_se, degrees = flow.tbf_ml_per_100g_min, flow.tbf_se, flow.degrees_of_freedom
        elif self.settings.average is RoiAverage.MEAN_OF_SLICES:
            mean, mean_se, degrees = slice_means.mean, slice_means.mean_se, roi.n_used - 1.0
        else:
            mean, mean_se, degrees = roi.mean, roi.mean_se, roi.n_used - 1.0
        if self._motion is not None and flow is None:  # interpolation makes the noise of neighbors alike
            mean_se *= self._motion.standard_error_factor
        result = replace(
            result,
            mean=mean,
            mean_se=mean_se,
            degrees_of_freedom=degrees,
            region_flow=flow,
            roi=roi,
            slice_means=slice_means,
            roi_mask=region.mask,
            used_mask=used,
            segment_name=region.segment.name,
            exclusion_names=region.exclusion_names,
        )
        return replace(result, measurements=tbf_rows.measurement_rows(result, region, self._transit_time()))

    def _region_flow(self, used: np.ndarray) -> RegionFlow | None:
        """Of several delays, when slices are averaged."""
        by_slices = self.settings.average is RoiAverage.MEAN_OF_SLICES
        if self._perfusion.model is not PerfusionModel.KINETIC or not by_slices:
            return None
        dropped = self._perfusion.quality.outlier_pairs if self.settings.perfusion.drop_outlier_pairs else ()
        return fit_region_flow(self.series, self.settings.perfusion, used, dropped)

    def _transit_time(self) -> RoiStatistics | None:
        perfusion = self._perfusion
        if perfusion.transit_time_ms is None:
            return None
        options = self._statistics_options(perfusion.transit_time_se_ms)
        return roi_statistics(perfusion.transit_time_ms, self._region.mask, **options)

    # -- writing --

    def finish(self, outputs: TbfOutputs | None = None) -> TbfResult:
        """Write the result into nodes, once all steps are done: into those of ``outputs``, new ones for the rest.

        If that fails, new nodes are removed again.

        Raises:
            InputError: an output is also an input, or nothing is left of the region.
        """
        if self._perfusion is None:
            raise RuntimeError("TbfJob.finish() before the last of its steps")
        outputs = replace(outputs) if outputs else TbfOutputs()
        check_outputs(outputs.nodes(), self._inputs)
        result = self._describe(outputs)
        with removed_on_failure():
            self._write_maps(outputs)
            if result.measurements or outputs.table:
                outputs.table = write_table(result.measurements, f"{self.series.name} TBF measurements", outputs.table)
                remember_value(outputs.table, TBF, tbf_value(result))
                place_beside(outputs.table, self._sibling())
        return result

    def _describe(self, outputs: TbfOutputs) -> TbfResult:
        assumed = tuple(
            f"{parameter.name} {parameter.value:g} {parameter.unit} ({parameter.source})."
            for parameter in self._perfusion.parameters
            if parameter.assumed
        )
        if self._perfusion.standard_error is not None and len(self.series.indices(AslRole.M0)) == 1:
            assumed += ("The standard error does not contain the noise of M0: there is one M0 image.",)
        result = TbfResult(
            series=self.series,
            perfusion=self._perfusion,
            settings=self.settings,
            outputs=outputs,
            motion=self._motion,
            registration=self._registration,
            assumptions=assumed,
            warnings=self._warnings(),
        )
        return self._measure(result) if self._region else result

    def _warnings(self) -> tuple[str, ...]:
        motion = self._motion.warnings if self._motion else ()
        registration = self._registration.warnings if self._registration else ()
        return (*motion, *registration, *(self._region.warnings() if self._region else ()))

    def _write_maps(self, outputs: TbfOutputs) -> None:
        perfusion, name, reference = self._perfusion, self.series.name, self._reference
        for attribute, array, kind in (
            ("tbf", perfusion.tbf_ml_per_100g_min, volumes.TBF),
            ("standard_error", perfusion.standard_error, volumes.TBF_STANDARD_ERROR),
            ("transit_time", perfusion.transit_time_ms, volumes.TRANSIT_TIME),
            ("delta_m", perfusion.delta_m, volumes.DELTA_M),
            ("m0", perfusion.m0, volumes.M0),
        ):
            node = getattr(outputs, attribute)
            if array is None:  # an old map would show numbers of another run
                array = np.zeros(self.series.shape_kji, dtype=np.float32) if node else None
            if array is not None:
                setattr(outputs, attribute, volumes.write_map(array, kind, name, reference, node))
        outputs.status = volumes.write_status_map(perfusion.status, volumes.TBF_STATUS, name, reference, outputs.status)
        if self._registration:
            self._write_transform(outputs)
        for node in outputs.nodes():
            if node.IsA("vtkMRMLVolumeNode"):
                place_beside(node, self._sibling())

    def _write_transform(self, outputs: TbfOutputs) -> None:
        """A linear transform above the maps (never above the user's images) that lays them over the anatomy."""
        name = f"{self.series.name} to anatomy"
        node = outputs.transform or slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLLinearTransformNode", slicer.mrmlScene.GenerateUniqueName(name)
        )
        to_world = self._anatomy.to_world @ self._registration.moving_to_fixed_ras
        node.SetMatrixTransformToParent(as_vtk_matrix(to_world))
        outputs.transform = node
        for output in outputs.nodes():
            if output.IsA("vtkMRMLVolumeNode"):
                output.SetAndObserveTransformNodeID(node.GetID())

    def _sibling(self):
        """The input that has a place in the subject hierarchy: a volume of the scene rather than a sequence."""
        first = self._node_list[0]
        return (proxy_volume(first) if first.IsA("vtkMRMLSequenceNode") else None) or first


def _scaled(steps: Generator, low: float, high: float) -> Generator[float, None, object]:
    """The steps of a part of the work, their fractions fitted into that of the whole."""
    while True:
        try:
            fraction = next(steps)
        except StopIteration as stop:
            return stop.value
        yield low + (high - low) * fraction


def _anatomical_mean(series: AslSeries) -> np.ndarray:
    """The image of the series that shows most anatomy: M0, else control, else whatever there is."""
    for role in (AslRole.M0, AslRole.CONTROL, AslRole.LABEL, AslRole.DIFFERENCE, AslRole.FLOW):
        indices = series.indices(role)
        if indices:
            return np.mean([series.volumes[n] for n in indices], axis=0, dtype=np.float32)
    raise InputError("the series has no images")
