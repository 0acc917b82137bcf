"""The report of a patient from the panel: the same as ``npc-radiomics subregions`` writes. No Qt."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.segments import native_mask, segment_mask
from NPCResponseLib.whole_file import written_aside
from NPCResponseLib.widgets.result_memory import ResultMemory

from ..mrml.alignment import AlignmentResult
from ..mrml.features import FeaturesResult
from ..mrml.images import Image
from ..mrml.radioresistance import MapResult
from ..mrml.subregions import GTVR_OUTSIDE, SubRegionsResult
from ..subregions.division import GTV, GTVNR, GTVR
from .session_record import SessionRecord, result_of

REGION_NAMES = (GTV, GTVR, GTVNR, GTVR_OUTSIDE)  # words of the report, also where a node is called so
INPUT_KIND = "volume node"


@dataclass(frozen=True, eq=False)
class SessionMeasurement:
    """What the report shows of a patient; the fields are those of ``commands.patient_measurement.PatientMeasurement``.

    Attributes:
        alignment, map, stability: None if they were not made, or do not belong to the rest.
        warnings: what was left out, and why.
    """

    alignment: AlignmentResult | None
    subregions: SubRegionsResult
    features: FeaturesResult
    map: MapResult | None
    stability: object
    warnings: tuple[str, ...]
    size_control: None = None  # takes many measurements; the command makes it


class SubRegionsReportParameters:
    """Reads an ``NPCRadiomicsRiskParameterNode`` and what the session remembers, on behalf of the report."""

    def __init__(self, parameterNode, memory: ResultMemory):
        self.values, self._memory = parameterNode, memory

    def reasonNotReady(self) -> str:
        """Why there can be no report, in one sentence; "" when there can."""
        measured = self._measured()
        if measured is None:
            return _("Divide the tumor and compute the features of its parts first, in this session.")
        if not {GTVR, GTVNR} <= set(measured.result.features):
            return _("The report is about GTVr and GTVnr: compute their features, not those of other segments.")
        if measured.basis is None:
            return _("Divide the tumor in this session, then compute the features.")
        if measured.basis is not self._memory.of(self.values.divideTable):
            return _("The tumor was divided again since: compute the features again.")
        aligned, current = measured.basis.basis, self._memory.of(self.values.alignTable)
        if aligned is not None and aligned is not current:
            return _("The alignment was changed since: divide the tumor and compute the features again.")
        return ""

    def _measured(self) -> SessionRecord | None:
        return self._memory.of(self.values.featureTable)

    def makeReport(self):
        """The report as a value.

        Raises:
            InputError: there can be none; or the segments are not those that were divided and measured.
        """
        from NPCResponseLib.report.provenance import Provenance

        from ..report.subregions_report import SubRegionsReport

        reason = self.reasonNotReady()
        if reason:
            raise InputError(reason.rstrip("."))
        records = self._records()
        measured = self._measurement(records)
        self._checkSegments(measured)
        options = [pair for record in records if record is not None for pair in record.choices]
        return SubRegionsReport(
            measured=measured,
            provenance=Provenance.now(dict.fromkeys(options), inputRecords(measured)),
            title=self.values.cohortPatient.strip(),
            cloak=namesTakenOut(self._namesOf(measured)),
        )

    def _records(self) -> tuple[SessionRecord | None, ...]:
        """Alignment, division, features, map, stability; None for what was not made or belongs to other inputs."""
        measured = self._measured()
        mapped = self._memory.of(self.values.mapNode)
        isMapOfIt = (
            mapped is not None
            and self.values.mapResultVolume is self.values.featureResultVolume
            and _isOfTumor(mapped.result, measured.result)
        )
        tested = self._memory.of(self.values.stabilityTable)
        return (
            measured.basis.basis,
            measured.basis,
            measured,
            mapped if isMapOfIt else None,
            tested if tested is not None and _belongs(tested, measured) else None,
        )

    def _measurement(self, records) -> SessionMeasurement:
        aligned, divided, measured, mapped, tested = records
        features, warnings = measured.result, [divided.remark]
        if self.values.mapNode is not None and mapped is None:
            warnings.append(_("The map is left out: it is of another scan, tumor or session."))
        if self.values.stabilityTable is not None and tested is None:
            warnings.append(
                _("The stability test is left out: it is of other segments or settings, or an earlier session.")
            )
        return SessionMeasurement(
            alignment=result_of(aligned),
            subregions=divided.result,
            features=features,
            map=result_of(mapped),
            stability=tested.result.stability if tested is not None else None,
            warnings=tuple(filter(None, warnings)),
        )

    def _checkSegments(self, measured: SessionMeasurement) -> None:
        """Refuse segments that somebody has edited: volumes and pictures would be of others than the features."""
        subregions, features = measured.subregions, measured.features
        segmentation, volume = subregions.outputs.segmentation, self.values.featureResultVolume
        segments = segmentation.GetSegmentation()
        for name in (GTV, GTVR, GTVNR):
            segmentId = segments.GetSegmentIdBySegmentName(name)
            if not segmentId or not _isSameRegion(
                native_mask(segmentation, segmentId), subregions.regions.masks[name], subregions.ijk_to_world
            ):
                raise InputError(
                    f"{name} was changed after the tumor was divided",
                    remedy="Undo that, or change the contours that were drawn, and divide and compute again",
                )
            seen = features.masks.get(name)
            if seen is not None and not np.array_equal(segment_mask(segmentation, segmentId, volume).mask, seen):
                raise InputError(f"{name} lies elsewhere in the image than when it was measured",
                                 remedy="Compute the features again")  # fmt: skip

    def _namesOf(self, measured: SessionMeasurement) -> dict[str, str]:
        """Names of nodes, of now and of when they were read, with what a report calls them."""
        values, aligned = self.values, measured.alignment
        named = [
            (values.preVolume, "pre-treatment scan"),
            (values.recurrenceVolume, "recurrence scan"),
            (values.featureResultVolume, "image that was measured"),
            (values.gtvSegmentation, "contour of GTV"),
            (values.gtvrSegmentation, "contour of GTVr"),
            (values.alignTransform, "transform"),
            (values.alignGiven, "transform"),
            (values.divideTransform, "transform"),
            (values.divideDose, "dose"),
            (values.alignPreLandmarks, "landmarks before treatment"),
            (values.alignRecurrenceLandmarks, "landmarks at recurrence"),
        ]
        names = {node.GetName(): label for node, label in reversed(named) if node is not None}
        names |= {measured.features.image.name: "image that was measured"}
        if aligned is not None:
            names |= {aligned.fixed.name: "pre-treatment scan", aligned.moving.name: "recurrence scan"}
        return {name: label for name, label in names.items() if name and name not in REGION_NAMES}


def saveReport(parameters: SubRegionsReportParameters, path: str) -> None:
    """Write the report of what the session holds.

    Raises:
        InputError: there can be none, or the file cannot be written.
    """
    from ..report.subregions_report import write_report

    report = parameters.makeReport()
    with written_aside(path) as aside:
        write_report(report, aside)


def inputRecords(measured: SessionMeasurement) -> list:
    """Hashes of the images' values, in place of files."""
    from NPCResponseLib.report.provenance import InputRecord

    images = {"image that was measured": measured.features.image}
    if measured.alignment is not None:
        images |= {"pre-treatment scan": measured.alignment.fixed, "recurrence scan": measured.alignment.moving}
    return [InputRecord(label, INPUT_KIND, hashOf(image)) for label, image in images.items()]


def hashOf(image: Image) -> str:
    """Of voxel values and where they lie."""
    digest = hashlib.sha256(np.ascontiguousarray(image.array).tobytes())
    digest.update(np.round(image.ijk_to_world, 4).tobytes())
    return digest.hexdigest()


def namesTakenOut(names: dict[str, str]) -> Callable[[str], str]:
    """A function that replaces whole names in a text: a node is often called as its patient."""
    if not names:
        return str
    longestFirst = sorted(names, key=len, reverse=True)
    pattern = re.compile(r"(?<![\w-])(" + "|".join(re.escape(name) for name in longestFirst) + r")(?![\w-])")
    return lambda text: pattern.sub(lambda found: f"the {names[found[0]]}", text)


def _belongs(tested: SessionRecord, measured: SessionRecord) -> bool:
    """Whether a test of stability is of the same division, with the same settings of the features."""
    sameSettings = set(measured.choices) == {pair for pair in tested.choices if pair[0] != "--stability"}
    return tested.basis is measured.basis and sameSettings


def _isOfTumor(found: MapResult, features: FeaturesResult) -> bool:
    """Whether a map is of the tumor that was measured; both are on the image's grid."""
    tumor = features.masks[GTVR] | features.masks[GTVNR]
    return np.array_equal(found.map.tumor_features.tumor_mask, tumor)


def _isSameRegion(found, mask: np.ndarray, ijkToWorld: np.ndarray) -> bool:
    """Whether a segment (NativeMask) has just the voxels of a mask."""
    toMask = np.linalg.inv(ijkToWorld) @ found.ijk_to_ras
    exact = np.argwhere(found.mask)[:, ::-1] @ toMask[:3, :3].T + toMask[:3, 3]
    voxels = np.rint(exact).astype(int)[:, ::-1]
    isInside = ((voxels >= 0) & (voxels < mask.shape)).all()
    return bool(
        isInside
        and np.allclose(exact, np.rint(exact), atol=0.1)
        and len(voxels) == np.count_nonzero(mask)
        and mask[tuple(voxels.T)].all()
    )
