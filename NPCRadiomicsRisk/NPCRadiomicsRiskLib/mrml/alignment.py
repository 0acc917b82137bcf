"""The recurrence scan laid over the pre-treatment scan: volume and markups nodes in, a linear transform node out.

job = AlignmentJob(pre_volume, recurrence_volume, region=(gtv_segmentation, gtv_segment_id))
result = job.run()
recurrence_volume.SetAndObserveTransformNodeID(result.outputs.transform.GetID())   # only if you want to see it
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.assessment_nodes import check_one_patient
from NPCResponseLib.mrml.geometry import as_vtk_matrix, linear_matrix, set_matrix
from NPCResponseLib.mrml.hierarchy import place_beside
from NPCResponseLib.mrml.result_nodes import check_outputs, removed_on_failure
from NPCResponseLib.mrml.segments import native_mask
from NPCResponseLib.registration import resample

from ..alignment.rigid_alignment import Alignment, Box, align, assess_given
from ..background import steps_of
from .images import Image, is_under, matrix_below, read_image
from .tables import write_table

DEFAULT_REGION_SIZE_MM = (120.0, 120.0, 110.0)


@dataclass(frozen=True)
class AlignmentSettings:
    """Choices of the user.

    Attributes:
        region_size_mm: R, A, S extent of the volume of interest around the middle of the region's segment.
        seed: of the perturbed starts.
        different_patients: the nodes' patient IDs differ on purpose.
    """

    region_size_mm: tuple[float, float, float] = DEFAULT_REGION_SIZE_MM
    seed: int = 0
    different_patients: bool = False

    def __post_init__(self):
        if not all(np.isfinite(size) and size > 0 for size in self.region_size_mm):
            raise InputError("the size of the volume of interest must be positive", remedy="Give millimeters above 0")


@dataclass
class AlignmentOutputs:
    """Result nodes. Before a run: nodes to update, None where a new one is wanted. After it: all nodes of the result.

    Attributes:
        transform: linear, from the moving scan's world to the fixed scan's.
        aligned: a copy of the moving scan on the grid of the fixed one.
        table: what the quality report says.
    """

    transform: object = None
    aligned: object = None
    table: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True, eq=False)
class AlignmentResult:
    """Attributes:
    alignment: matrix and quality, in world coordinates.
    aligned: the moving scan on the fixed grid, KJI.
    """

    alignment: Alignment
    fixed: Image
    moving: Image
    aligned: np.ndarray
    outputs: AlignmentOutputs


class AlignmentJob:
    """One alignment. The scans themselves are not moved.

    Args:
        fixed, moving: volume nodes: the pre-treatment scan, and the recurrence scan or planning CT.
        region: what must fit: (segmentation node, segment ID), around whose middle the volume of interest lies, or a
            markups ROI node. Without one the whole of the scans is compared, necks and jaws included.
        fixed_landmarks, moving_landmarks: markups nodes with points of the same names.
        given_transform: a linear transform node from elsewhere or tuned by hand, from the moving scan's world to the
            fixed one's; then nothing is searched for, its quality is told. What is under it (the moving scan, its
            landmarks) counts as if it were not.
        shown_under: the transform of an earlier run, under which the moving scan and its landmarks may be shown;
            likewise it does not count.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self,
        fixed,
        moving,
        settings: AlignmentSettings | None = None,
        *,
        region=None,
        fixed_landmarks=None,
        moving_landmarks=None,
        given_transform=None,
        shown_under=None,
    ):
        self.settings = settings = settings or AlignmentSettings()
        if fixed is moving:
            raise InputError("both scans are the same volume", remedy="Choose two")
        if not settings.different_patients:
            drawn = [region[0]] if isinstance(region, tuple) else []
            check_one_patient({"the pre-treatment scan": [fixed, *drawn], "the recurrence scan": [moving]})
        below = given_transform if given_transform is not None else shown_under
        if is_under(fixed, below):
            raise InputError(
                "it is under the transform that moves the other scan",
                where=f"volume {fixed.GetName()}",
                remedy="Take it out from under the transform, in Transforms",
            )
        self.fixed, self.moving = read_image(fixed), read_image(moving, below)
        self._inputs = [fixed, moving]
        self._box = _box_of(region, settings.region_size_mm)
        self._landmarks = _landmarks_of(fixed_landmarks, moving_landmarks, below)
        self._given = None if given_transform is None else linear_world_matrix(given_transform)
        self._given_node = given_transform
        self._alignment: Alignment | None = None
        self._aligned: np.ndarray | None = None

    @property
    def middle_ras(self) -> tuple[float, float, float] | None:
        """Of the volume of interest; None without one."""
        return self._box.center_ras if self._box is not None else None

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        self._alignment = yield from steps_of(self._compute)
        self._aligned = resample(
            self.moving.array,
            self.moving.ijk_to_world,
            self.fixed.array.shape,
            self.fixed.ijk_to_world,
            self._alignment.moving_to_fixed_ras,
        )
        yield 1.0

    def _compute(self, progress: Callable[[float], None]) -> Alignment:
        scans = (self.fixed.array, self.fixed.ijk_to_world, self.moving.array, self.moving.ijk_to_world)
        fixed_points, moving_points = self._landmarks
        options = {
            "region_ras": self._box,
            "landmarks_fixed_ras": fixed_points,
            "landmarks_moving_ras": moving_points,
            "progress": progress,
        }
        if self._given is not None:
            return assess_given(*scans, self._given, **options)
        return align(*scans, seed=self.settings.seed, **options)

    def run(
        self, outputs: AlignmentOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> AlignmentResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    def finish(self, outputs: AlignmentOutputs | None = None) -> AlignmentResult:
        """Write transform, aligned copy and quality table.

        Raises:
            InputError: an output is also an input.
        """
        outputs = replace(outputs) if outputs else AlignmentOutputs()
        outputs_to_check = [node for node in outputs.nodes() if node is not self._given_node]
        check_outputs(outputs_to_check, self._inputs)
        fixed_node = self._inputs[0]
        name = f"{self.moving.name} to {self.fixed.name}"
        with removed_on_failure():
            outputs.transform = self._given_node or self._write_transform(outputs.transform, name)
            outputs.aligned = self._write_aligned(outputs.aligned, f"{self.moving.name} aligned", fixed_node)
            outputs.table = write_table(quality_columns(self._alignment), f"{name} quality", outputs.table, fixed_node)
        return AlignmentResult(self._alignment, self.fixed, self.moving, self._aligned, outputs)

    def _write_transform(self, node, name: str):
        node = node or slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLLinearTransformNode", slicer.mrmlScene.GenerateUniqueName(name)
        )
        node.SetMatrixTransformToParent(as_vtk_matrix(self._alignment.moving_to_fixed_ras))
        node.SetAndObserveTransformNodeID(None)
        return node

    def _write_aligned(self, node, name: str, fixed_node):
        is_new = node is None
        node = node or slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name)
        )
        with slicer.util.NodeModify(node):
            slicer.util.updateVolumeFromArray(node, self._aligned)
            set_matrix(node, self.fixed.ijk_to_world)
            node.SetAndObserveTransformNodeID(None)
        if is_new:
            node.CreateDefaultDisplayNodes()
            place_beside(node, fixed_node)
        return node


def quality_columns(alignment: Alignment) -> dict[str, list[str]]:
    """The quality report as two columns of text."""
    rows = quality_rows(alignment)
    return {"What": [what for what, _value in rows], "Value": [value for _what, value in rows]}


def quality_rows(alignment: Alignment) -> list[tuple[str, str]]:
    """What was found and how far it can be trusted, for people."""
    verdict = "yes" if alignment.reliable else "NO: " + " ".join(alignment.reasons)
    rows = [("Reliable", verdict), *alignment.quality.rows(), ("Found from the start", alignment.start)]
    rows += [("Warning", warning) for warning in alignment.warnings]
    return rows


def linear_world_matrix(transform) -> np.ndarray:
    """4x4 of a transform node with everything above it.

    Raises:
        InputError: it is not linear.
    """
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(transform, None, to_world)
    matrix = linear_matrix(to_world)
    if matrix is None:
        raise InputError(
            "it is not linear", where=f"transform {transform.GetName()}", remedy="Choose a rigid or affine transform"
        )
    return matrix


def _box_of(region, size_mm: tuple[float, float, float]) -> Box | None:
    if region is None:
        return None
    if isinstance(region, tuple):
        segment = native_mask(*region)
        indices = np.argwhere(segment.mask)[:, ::-1]
        low, high = indices.min(axis=0), indices.max(axis=0)
        middle = segment.ijk_to_ras[:3, :3] @ ((low + high) / 2) + segment.ijk_to_ras[:3, 3]
        return Box(center_ras=tuple(middle), size_mm=size_mm)
    bounds = [0.0] * 6
    region.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    if not (np.isfinite(bounds).all() and (high > low).all()):
        raise InputError("it has no extent", where=f"region {region.GetName()}", remedy="Draw the region of interest")
    return Box(center_ras=tuple((low + high) / 2), size_mm=tuple(high - low))


def _landmarks_of(fixed, moving, below=None) -> tuple[dict | None, dict | None]:
    """Points by name in the world; only those that both nodes have."""
    if fixed is None and moving is None:
        return None, None
    if fixed is None or moving is None:
        raise InputError("landmarks are given in one scan only", remedy="Mark the same points in both, or in neither")
    return points_by_name(fixed), points_by_name(moving, below)


def points_by_name(markups, below=None) -> dict[str, np.ndarray]:
    """Defined control points of a markups node in world RAS; of a node under ``below``, as they are without it.

    Slicer names new points "<list>-1", "<list>-2", ...: of such names only the number counts, so that two lists fit.

    Raises:
        InputError: two points of the same name.
    """
    points: dict[str, np.ndarray] = {}
    to_world = matrix_below(markups, below)
    for index in range(markups.GetNumberOfControlPoints()):
        if markups.GetNthControlPointPositionStatus(index) != markups.PositionDefined:
            continue
        label = markups.GetNthControlPointLabel(index).strip()
        name = label.removeprefix(f"{markups.GetName()}-").casefold() or str(index + 1)
        if name in points:
            raise InputError(
                f"two points are called {label}", where=f"landmarks {markups.GetName()}", remedy="Rename one"
            )
        own = np.array(markups.GetNthControlPointPosition(index))
        points[name] = to_world[:3, :3] @ own + to_world[:3, 3]
    return points
