"""Sub-regions of a tumor as segments: GTV from before treatment, GTVr from the recurrence scan, GTVnr = GTV - GTVr.

job = SubRegionsJob((gtv_segmentation, gtv_id), (gtvr_segmentation, gtvr_id), transform=recurrence_to_pre)
result = job.run()
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.assessment_nodes import check_one_patient
from NPCResponseLib.mrml.geometry import linear_matrix, set_matrix, transform_points
from NPCResponseLib.mrml.hierarchy import place_beside
from NPCResponseLib.mrml.result_nodes import check_outputs, removed_on_failure
from NPCResponseLib.mrml.segments import NativeMask, native_mask

from ..background import steps_of
from ..subregions.division import GTV, GTVNR, GTVR, SubRegions, carry, divide
from ..subregions.dose_coverage import InField, in_field
from .images import read_image
from .tables import write_table

GTVR_OUTSIDE = "GTVr outside GTV"
# As in the figures of Akram 2020: GTVr red, GTVnr yellow, GTV green.
SEGMENT_COLORS = {
    GTV: (0.45, 0.85, 0.45),
    GTVR: (0.85, 0.15, 0.15),
    GTVNR: (0.95, 0.85, 0.20),
    GTVR_OUTSIDE: (0.65, 0.35, 0.75),
}
MARGIN_VOXELS = 2
MAX_GRID_VOXELS = 300_000_000


@dataclass(frozen=True)
class SubRegionSettings:
    """Choices of the user.

    Attributes:
        minimum_island_mm3: smaller pieces of a sub-region go to the other one, or away; 0 keeps everything.
        prescription_gy: of the dose; needed with a dose volume.
        isodose: fraction of the prescription that has to be reached.
        different_patients: the nodes' patient IDs differ on purpose.
    """

    minimum_island_mm3: float = 0.0
    prescription_gy: float | None = None
    isodose: float = 0.95
    different_patients: bool = False

    def __post_init__(self):
        if not (np.isfinite(self.minimum_island_mm3) and self.minimum_island_mm3 >= 0):
            raise InputError("the smallest island must not be negative", remedy="Give 0 mm3 or more")
        if not 0 < self.isodose <= 1.5:
            raise InputError(f"an isodose of {self.isodose:g} of the prescription makes no sense", remedy="Give 0.95")


@dataclass
class SubRegionOutputs:
    """Result nodes: before a run those to update, after it all: one segmentation and one table."""

    segmentation: object = None
    table: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True, eq=False)
class SubRegionsResult:
    """Attributes:
    regions: masks on the grid below.
    ijk_to_world: 4x4 of that grid: the GTV segmentation's own, grown to hold all of GTVr.
    in_field: where the recurrence is relative to the dose; None without a dose.
    """

    regions: SubRegions
    ijk_to_world: np.ndarray
    in_field: InField | None
    outputs: SubRegionOutputs
    notes: tuple[str, ...] = ()


class SubRegionsJob:
    """One division of a tumor. The segmentations are not changed.

    Args:
        gtv: (segmentation node, segment ID) drawn on the pre-treatment scan.
        gtvr: (segmentation node, segment ID) drawn on the recurrence scan.
        transform: node that takes the recurrence scan's world to the pre-treatment scan's: linear or not, a chain too.
            None: GTVr is already where it belongs. If GTVr's segmentation is under that transform, it is not applied
            twice.
        dose: volume node with the dose in Gy in the pre-treatment scan's world (or under its own transform).

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(self, gtv, gtvr, settings: SubRegionSettings | None = None, *, transform=None, dose=None):
        self.settings = settings = settings or SubRegionSettings()
        if gtv[0] is gtvr[0] and gtv[1] == gtvr[1]:
            raise InputError("GTV and GTVr are the same segment", remedy="Choose the recurrence's segment for GTVr")
        if not settings.different_patients:
            others = {"the dose": [dose]} if dose is not None else {}
            check_one_patient({"GTV": [gtv[0]], "GTVr": [gtvr[0]], **others})
        if dose is not None and not settings.prescription_gy:
            raise InputError("the prescribed dose is not known", remedy="Give it in Gy")
        self._inputs = [gtv[0], gtvr[0], *([dose] if dose is not None else [])]
        self._gtv, self._gtvr = native_mask(*gtv), native_mask(*gtvr)
        self._notes: list[str] = []
        self._matrix, self._warp = self._read_transform(transform, gtvr[0])
        self._dose = None if dose is None else read_image(dose)
        self._regions: SubRegions | None = None
        self._in_field: InField | None = None
        self._grid: NativeMask | None = None

    def _read_transform(self, transform, segmentation):
        """4x4 and None, or None and a vtk transform, from GTVr's world to GTV's."""
        if transform is None:
            return np.eye(4), None
        above = segmentation.GetParentTransformNode()
        while above is not None:
            if above is transform:
                self._notes.append(f"{segmentation.GetName()} is already under {transform.GetName()}.")
                return np.eye(4), None
            above = above.GetParentTransformNode()
        general = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(transform, None, general)
        matrix = linear_matrix(general)
        return (matrix, None) if matrix is not None else (None, general)

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        self._grid = self._grown_grid()
        yield 0.1
        gtvr = yield from self._carried(self._grid)
        yield 0.7
        settings = self.settings
        if self._dose is not None:  # first: of a recurrence outside the tumor this is all there is to tell
            self._in_field = in_field(
                self._dose.array,
                self._dose.ijk_to_world,
                gtvr,
                self._grid.ijk_to_ras,
                settings.prescription_gy,
                isodose=settings.isodose,
            )
        self._regions = self._divided(gtvr)
        yield 1.0

    def _divided(self, gtvr: np.ndarray) -> SubRegions:
        try:
            return divide(
                self._grid.mask, gtvr, self._grid.ijk_to_ras, minimum_island_mm3=self.settings.minimum_island_mm3
            )
        except InputError as error:
            found = self._in_field
            if found is None:
                raise
            told = f"{error.what} (relative to the dose it is {found.category}, {found.share_within:.0%} within)"
            raise InputError(told, where=error.where, remedy=error.remedy) from error

    def _grown_grid(self) -> NativeMask:
        """GTV on its own grid, with room for all of GTVr: what lies outside GTV is to be seen, too."""
        gtv = self._gtv
        corners = self._move(_corners_ras(self._gtvr))
        ras_to_ijk = np.linalg.inv(gtv.ijk_to_ras)
        corners_ijk = corners @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3]
        size = np.array(gtv.mask.shape[::-1])
        before = np.maximum(MARGIN_VOXELS - np.floor(corners_ijk.min(axis=0)), 0).astype(int)
        after = np.maximum(np.ceil(corners_ijk.max(axis=0)) + MARGIN_VOXELS + 1 - size, 0).astype(int)
        if np.prod((size + before + after).astype(float)) > MAX_GRID_VOXELS:
            raise InputError(
                "GTVr lies so far from GTV that no grid holds both",
                where="sub-regions",
                remedy="Align the scans first, or choose the right transform",
            )
        padding = [(int(b), int(a)) for b, a in zip(before[::-1], after[::-1], strict=True)]
        ijk_to_ras = gtv.ijk_to_ras.copy()
        ijk_to_ras[:3, 3] -= ijk_to_ras[:3, :3] @ before
        return NativeMask(np.pad(gtv.mask, padding), ijk_to_ras, gtv.name)

    def _carried(self, grid: NativeMask) -> Generator[float, None, np.ndarray]:
        if self._warp is None:
            carried = yield from steps_of(
                lambda _progress: carry(
                    self._gtvr.mask, self._gtvr.ijk_to_ras, grid.mask.shape, grid.ijk_to_ras, self._matrix, where="GTVr"
                )
            )
            self._notes += carried.warnings
            return carried.mask
        return _warped(self._gtvr, grid, self._warp)

    def _move(self, points_ras: np.ndarray) -> np.ndarray:
        if self._warp is not None:
            return transform_points(points_ras, self._warp)
        return points_ras @ self._matrix[:3, :3].T + self._matrix[:3, 3]

    def run(
        self, outputs: SubRegionOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> SubRegionsResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    def finish(self, outputs: SubRegionOutputs | None = None) -> SubRegionsResult:
        """Write the segments and the table.

        Raises:
            InputError: an output is also an input.
        """
        outputs = replace(outputs) if outputs else SubRegionOutputs()
        check_outputs(outputs.nodes(), self._inputs)
        result = SubRegionsResult(self._regions, self._grid.ijk_to_ras, self._in_field, outputs, tuple(self._notes))
        with removed_on_failure():
            outputs.segmentation = write_subregions(
                self._regions, self._grid.ijk_to_ras, "Sub-regions", outputs.segmentation, self._inputs[0]
            )
            rows = subregion_rows(result)
            columns = {title: [row[n] for row in rows] for n, title in enumerate(("What", "Value", "Unit"))}
            outputs.table = write_table(columns, "Sub-regions volumes", outputs.table, self._inputs[0])
        return result


def write_subregions(regions: SubRegions, ijk_to_world: np.ndarray, name: str, node=None, sibling=None):
    """The masks as segments of one segmentation: a new one, or ``node``, of which segments of these names are replaced.

    Segments are changed through Slicer's own functions, within one undo state, so that the Segment Editor can undo.
    """
    is_new = node is None
    if is_new:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
        node.CreateDefaultDisplayNodes()
        place_beside(node, sibling)
    masks = dict(regions.masks)
    if regions.gtvr_outside.any():
        masks[GTVR_OUTSIDE] = regions.gtvr_outside
    grid = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "NPC grid")
    try:
        with slicer.util.NodeModify(node):
            slicer.util.updateVolumeFromArray(grid, masks[GTV].astype(np.uint8))
            set_matrix(grid, ijk_to_world)
            node.SetAndObserveTransformNodeID(None)
            node.SetReferenceImageGeometryParameterFromVolumeNode(grid)
            for key in SEGMENT_COLORS:
                _replace_segment(node, key, masks.get(key), grid)
    finally:
        slicer.mrmlScene.RemoveNode(grid)
    if is_new:
        node.GetDisplayNode().SetSegmentOpacity2DFill(GTV, 0.0)  # an outline: GTVr and GTVnr fill it
    return node


def _replace_segment(node, name: str, mask: np.ndarray | None, grid) -> None:
    segmentation = node.GetSegmentation()
    segment_id = segmentation.GetSegmentIdBySegmentName(name)
    if mask is None:
        if segment_id:
            segmentation.RemoveSegment(segment_id)
        return
    segment_id = segment_id or segmentation.AddEmptySegment(name, name, SEGMENT_COLORS[name])
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, grid)


def subregion_rows(result: SubRegionsResult) -> list[tuple[str, str, str]]:
    """What, value, unit: volumes, overlap, dose coverage, and what to know about them."""
    regions = result.regions
    rows = [(f"Volume of {name}", f"{volume:.3f}", "cm3") for name, volume in regions.volumes_cm3.items()]
    rows += [
        (f"Volume of {GTVR} outside GTV", f"{regions.gtvr_outside_cm3:.3f}", "cm3"),
        (f"Share of {GTVR} outside GTV", f"{100 * regions.gtvr_outside_fraction:.1f}", "%"),
        ("Dice of GTV and GTVr", f"{regions.dice:.3f}", "1"),
        ("Jaccard of GTV and GTVr", f"{regions.jaccard:.3f}", "1"),
    ]
    rows.append(("Islands", regions.islands.rule, ""))
    found = result.in_field
    if found is not None:
        rows += [
            ("Recurrence relative to the dose", found.category, ""),
            (f"Share of GTVr within {found.isodose_gy:.1f} Gy", f"{100 * found.share_within_95:.1f}", "%"),
        ]
    warnings = (*regions.warnings, *(found.warnings if found else ()), *result.notes)
    return rows + [("Note", warning, "") for warning in warnings]


def _corners_ras(mask: NativeMask) -> np.ndarray:
    """The corners of the box that holds the mask's voxels."""
    found = np.argwhere(mask.mask)[:, ::-1]
    low, high = found.min(axis=0) - 0.5, found.max(axis=0) + 0.5
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), axis=-1).reshape(-1, 3)
    return corners @ mask.ijk_to_ras[:3, :3].T + mask.ijk_to_ras[:3, 3]


def _warped(mask: NativeMask, grid: NativeMask, warp) -> np.ndarray:
    """A mask through a warp, at the voxel centers of the grid: interpolated, inside where half or more is."""
    back = vtk.vtkGeneralTransform()
    back.Concatenate(warp)
    back.Inverse()
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in grid.mask.shape), indexing="ij"), axis=-1)[..., ::-1]
    points = indices.reshape(-1, 3) @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    moved = transform_points(points, back)
    ras_to_ijk = np.linalg.inv(mask.ijk_to_ras)
    moved_kji = (moved @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3])[:, ::-1]
    from scipy.ndimage import map_coordinates

    values = map_coordinates(mask.mask.astype(np.float32), moved_kji.T, order=1, mode="constant")
    return (values >= 0.5).reshape(grid.mask.shape)
