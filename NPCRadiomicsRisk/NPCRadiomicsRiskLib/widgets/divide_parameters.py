"""Between the panel's parameters and the division of a tumor: what is missing, and where results go. No Qt."""

from html import escape

import numpy as np
from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.errors import InputError
from NPCResponseLib.widgets.result_text import bullets

from ..mrml.alignment import linear_world_matrix
from ..mrml.subregions import SubRegionOutputs, SubRegionSettings, SubRegionsJob, SubRegionsResult
from ..subregions.division import GTV, GTVNR, GTVR
from .align_parameters import AlignParameters
from .choices import TransformUse
from .section_parameters import SectionParameters
from .session_record import SessionRecord

SAME_TRANSFORM = 1e-4  # largest difference of two matrices that are taken for the same (mm)
TEXTS = ("divideVolumesText", "divideDoseText", "divideNotesText")


class DivideParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the tab Sub-regions."""

    inputs = ("divideTransform", "divideDose")
    outputs = {"divideSegmentation": "segmentation", "divideTable": "table"}
    texts = TEXTS
    remarkOfJob = ""  # what is to be known about the transform
    sources, focus, mainOutput = ("divideResultGtv", "divideResultGtvr"), "divideFocusRas", "divideTable"

    def sourceNodes(self) -> tuple:
        return self.values.gtvSegmentation, self.values.gtvrSegmentation

    def transform(self):
        """The node that moves GTVr; None if nothing does."""
        use = self.values.divideTransformUse
        if use is TransformUse.ALIGN:
            return AlignParameters(self.values).transform()
        return self.values.divideTransform if use is TransformUse.CHOSEN else None

    def nodesInUse(self) -> list:
        nodes = (*self.sourceNodes(), self.transform(), self.values.divideDose)
        return [node for node in nodes if node is not None]

    def reasonNotReady(self) -> str:
        """Why the tumor cannot be divided, in one sentence; "" when it can."""
        values = self.values
        if values.gtvSegmentation is None or not values.gtvSegmentId:
            return _("Choose the segment of the GTV, under Patient.")
        if values.gtvrSegmentation is None or not values.gtvrSegmentId:
            return _("Choose the segment of GTVr, under Patient.")
        if values.divideTransformUse is TransformUse.ALIGN and self.transform() is None:
            return _("There is no transform yet: align the scans first, or tell what else moves GTVr.")
        if values.divideTransformUse is TransformUse.CHOSEN and self.transform() is None:
            return _("Choose the transform that moves GTVr.")
        if values.divideDose is not None and values.dividePrescriptionGy <= 0:
            return _("Give the prescribed dose.")
        if any(node is not None and node in self.nodesInUse() for node in self.outputNodes().values()):
            return _("An output is also an input; choose another output.")
        return ""

    def choices(self) -> list[tuple[str, str]]:
        values = self.values
        shown = [("--smallest-island", f"{values.divideIslandMm3:g}")]
        if values.divideDose is not None:
            shown += [("--prescription-gy", f"{values.dividePrescriptionGy:g}"),
                      ("isodose %:", f"{values.divideIsodosePercent:g}")]  # fmt: skip
        return shown + ([("--allow-different-patients", "")] if values.differentPatients else [])

    def alignmentUsed(self, record: SessionRecord | None) -> tuple[SessionRecord | None, str]:
        """The alignment that a division rests on, if it is this one of this session; else what is to be said of that.

        Args:
            record: of the alignment that the panel shows.
        """
        transform = self.transform()
        if transform is None:
            return None, ""  # GTVr is in place
        if record is None or record.result.outputs.transform is not transform:
            return None, _("GTVr was moved by a transform whose quality was not assessed in this session.")
        if not isAsAssessed(transform, record.result.alignment):
            return None, _("GTVr was moved by a transform that was changed after its quality was assessed.")
        return record, ""

    def createJob(self) -> SubRegionsJob:
        """Raises InputError."""
        values = self.values
        settings = SubRegionSettings(
            minimum_island_mm3=values.divideIslandMm3,
            prescription_gy=values.dividePrescriptionGy or None,
            isodose=values.divideIsodosePercent / 100,
            different_patients=values.differentPatients,
        )
        self._sourcesOfJob = self.sourceNodes()
        self._doubt = AlignParameters(values).doubt() if values.divideTransformUse is TransformUse.ALIGN else ""
        return SubRegionsJob(
            (values.gtvSegmentation, values.gtvSegmentId),
            (values.gtvrSegmentation, values.gtvrSegmentId),
            settings,
            transform=self.transform(),
            dose=values.divideDose,
        )

    def finishJob(self, job: SubRegionsJob) -> SubRegionsResult:
        """Write result nodes, and put the result into words."""
        result = job.finish(SubRegionOutputs(**self.outputNodes()))
        values = self.values
        with NodeModify(values.parameterNode):
            self.keepOutputs(result.outputs)
            self.keepSources(self._sourcesOfJob)
            values.divideFocusRas = middleRas(result)
            values.divideVolumesText = volumesText(result)
            values.divideDoseText = doseText(result)
            values.divideNotesText = notesText(result, (self._doubt, self.remarkOfJob))
        return result

    def savedTexts(self) -> dict[str, str]:
        return {name: getattr(self.values, name) for name in TEXTS}

    def restoreTexts(self, texts: dict[str, str]) -> None:
        with NodeModify(self.values.parameterNode):
            for name in TEXTS:
                setattr(self.values, name, texts.get(name, ""))


def isAsAssessed(transform, alignment) -> bool:
    """Whether nobody has tuned the transform, or put it under another, since its quality was told."""
    try:
        matrix = linear_world_matrix(transform)
    except InputError:
        return False
    return np.allclose(matrix, alignment.moving_to_fixed_ras, atol=SAME_TRANSFORM)


def middleRas(result: SubRegionsResult) -> list[float]:
    """Middle of GTVr inside GTV in world coordinates (RAS, mm)."""
    middle = np.argwhere(result.regions.masks[GTVR]).mean(axis=0)[::-1]
    return [float(x) for x in result.ijk_to_world[:3, :3] @ middle + result.ijk_to_world[:3, 3]]


def volumesText(result: SubRegionsResult) -> str:
    """Volumes (HTML), and how GTVr lies to GTV."""
    regions = result.regions
    volumes = regions.volumes_cm3
    lines = [
        _("GTV: {volume:.2f} cm³").format(volume=volumes[GTV]),
        "<b>"
        + _("GTVr: {volume:.2f} cm³ ({share:.0f} % of GTV)").format(
            volume=volumes[GTVR], share=100 * regions.gtvr_fraction
        )
        + "</b>",
        _("GTVnr: {volume:.2f} cm³").format(volume=volumes[GTVNR]),
    ]
    if regions.gtvr_outside_cm3 > 0:
        text = _("GTVr outside of GTV: {volume:.2f} cm³ ({share:.0f} % of the recurrence, up to {far:.1f} mm away)")
        lines.append(
            text.format(
                volume=regions.gtvr_outside_cm3,
                share=100 * regions.gtvr_outside_fraction,
                far=regions.farthest_outside_mm,
            )
        )
    return "<br>".join(lines)


def doseText(result: SubRegionsResult) -> str:
    """Where the recurrence arose relative to the dose (HTML); "" without a dose."""
    found = result.in_field
    if found is None:
        return ""
    names = {"in-field": _("In-field"), "marginal": _("Marginal"), "out-field": _("Out of field")}
    lines = [
        f"<b>{escape(names.get(found.category, found.category))}</b>",
        _(
            "{share:.1f} % of the recurrence gets {isodose:.1f} Gy or more ({percent:g} % of {prescription:g} Gy)."
        ).format(
            share=100 * found.share_within,
            isodose=found.isodose_gy,
            percent=100 * found.isodose,
            prescription=found.prescription_gy,
        ),
        _("With the dose shifted by 2 mm: {low:.1f} to {high:.1f} %.").format(
            low=100 * found.share_range[0], high=100 * found.share_range[1]
        ),
    ]
    return "<br>".join(lines)


def notesText(result: SubRegionsResult, doubts) -> str:
    """Doubts about the transform, what became of islands, and every warning (HTML)."""
    warnings = (*result.regions.warnings, *(result.in_field.warnings if result.in_field else ()))
    notes = [*doubts, result.regions.islands.rule, *result.notes, *warnings]
    return bullets([note for note in dict.fromkeys(notes) if note])
