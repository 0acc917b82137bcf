"""Between the panel's parameters and the 47 features: what is missing, and where results go. No Qt."""

from html import escape

from slicer.i18n import tr as _
from slicer.util import NodeModify

from NPCResponseLib.widgets.result_text import STATUS_COLORS, bullets
from NPCResponseLib.widgets.segment_selection import existingSegmentIds

from ..heterogeneity.published_subregions import published_subregions
from ..mrml.features import FeatureOutputs, FeaturesJob, FeaturesResult, direction_holds, direction_of
from ..subregions.division import GTVNR, GTVR
from ..texture.panel47 import TextureSettings
from .choices import LevelsUse
from .section_parameters import SectionParameters
from .session_record import SessionRecord

TEXTS = ("featureDirectionsText", "featureNotesText")
ARROWS = {1: "▲", -1: "▼", 0: "=", None: "?"}
FEW_VOXELS = 1000  # of either region; below, texture follows size more than anything else


class FeatureParameters(SectionParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of the tab Features."""

    inputs = ("featureVolume", "featureSegmentation")
    outputs = {"featureTable": "table", "featureHistogramTable": "histogram_table", "featureChart": "chart"}
    texts = TEXTS
    sources, mainOutput = ("featureResultVolume",), "featureTable"

    def volume(self):
        """The image that is measured: the one chosen, else the pre-treatment scan."""
        return self.values.featureVolume or self.values.preVolume

    def sourceNodes(self) -> tuple:
        return (self.volume(),)

    def regions(self) -> dict[str, tuple]:
        """Segmentation and segment ID by region: those chosen, else GTVr and GTVnr as the tumor was divided."""
        values = self.values
        chosen = existingSegmentIds(values.featureSegmentation, values.featureSegmentIds)
        if chosen:
            return namedSegments(values.featureSegmentation, chosen)
        return self.subRegions()

    def subRegions(self) -> dict[str, tuple]:
        """GTVr and GTVnr as the tumor was divided; empty if it was not."""
        segmentation = self.values.divideSegmentation
        if segmentation is None:
            return {}
        ids = {name: segmentation.GetSegmentation().GetSegmentIdBySegmentName(name) for name in (GTVR, GTVNR)}
        return {name: (segmentation, segmentId) for name, segmentId in ids.items()} if all(ids.values()) else {}

    def nodesInUse(self) -> list:
        nodes = [self.volume(), *(segmentation for segmentation, _segmentId in self.regions().values())]
        return [node for node in nodes if node is not None]

    def reasonNotReady(self) -> str:
        """Why nothing can be measured, in one sentence; "" when it can."""
        if self.volume() is None:
            return _("Choose the pre-treatment scan, under Patient, or another image.")
        if self.values.featureSegmentation is not None and not self.values.featureSegmentIds:
            return _("Choose at least one segment, or no segmentation.")
        if not self.regions():
            return _("Divide the tumor first, or choose segments to measure.")
        return ""

    def settings(self) -> TextureSettings:
        """Raises InputError."""
        values = self.values
        return TextureSettings(
            resampling=values.featureResampling.value,
            voxel_size_mm=values.featureVoxelMm or None,
            outliers=values.featureOutliers.value,
            quantization=values.featureQuantization.value,
            n_levels=values.featureLevels,
            levels_shared=values.featureLevelsUse is LevelsUse.SHARED,
            weights=values.featureWeights.value,
            dimensions=values.featureDimensions.value,
        )

    def choices(self) -> list[tuple[str, str]]:
        """Those of the panel of features; raises InputError."""
        return textureOptions(self.settings())

    def divisionUsed(self, record: SessionRecord | None) -> SessionRecord | None:
        """The division that a measurement rests on, if it is this one of this session.

        Args:
            record: of the division that the panel shows.
        """
        if record is None or not {GTVR, GTVNR} <= set(self.regions()):
            return None
        measured = {self.regions()[name][0] for name in (GTVR, GTVNR)}
        return record if measured == {record.result.outputs.segmentation} else None

    def createJob(self) -> FeaturesJob:
        """Raises InputError."""
        values = self.values
        self._sourcesOfJob = self.sourceNodes()
        return FeaturesJob(
            self.volume(),
            self.regions(),
            self.settings(),
            different_patients=values.differentPatients,
            compare_levels=values.featureLevelsUse is LevelsUse.BOTH,
        )

    def finishJob(self, job: FeaturesJob) -> FeaturesResult:
        """Write result nodes, and put the result into words."""
        result = job.finish(FeatureOutputs(**self.outputNodes()))
        with NodeModify(self.values.parameterNode):
            self.keepOutputs(result.outputs)
            self.keepSources(self._sourcesOfJob)
            self.values.featureDirectionsText = directionsText(result)
            self.values.featureNotesText = notesText(result)
        return result


def textureOptions(settings: TextureSettings) -> list[tuple[str, str]]:
    """Settings as one would type them after ``npc-radiomics``."""
    size = settings.voxel_size_mm
    shown = [
        ("--resampling", settings.resampling),
        ("--voxel-size-mm", "" if size is None else f"{size:g}"),
        ("--outliers", settings.outliers.replace(" ", "-")),
        ("--quantization", settings.quantization),
        ("--levels", str(settings.n_levels)),
        ("--weights", settings.weights),
    ]
    flags = (("--shared-levels", settings.levels_shared), ("--2d", settings.dimensions == 2))
    return [(option, value) for option, value in shown if value] + [(option, "") for option, on in flags if on]


def namedSegments(segmentation, segmentIds) -> dict[str, tuple]:
    """Segments by name; a name that comes twice gets a number."""
    found: dict[str, tuple] = {}
    for segmentId in segmentIds:
        name = segmentation.GetSegmentation().GetSegment(segmentId).GetName()
        unique, number = name, 2
        while unique in found:
            unique, number = f"{name} ({number})", number + 1
        found[unique] = (segmentation, segmentId)
    return found


def directionsText(result: FeaturesResult) -> str:
    """The paper's significant features here and there (HTML), with the count that agrees first."""
    features = result.features
    if GTVR not in features or GTVNR not in features:
        names = ", ".join(escape(name) for name in features)
        return _("Measured: {names}. The paper compares GTVr with GTVnr.").format(names=names)
    published = published_subregions().features
    agree = sum(direction_of(features, each.name) == each.direction for each in published)
    headline = _("{count} of {total} differ in the direction of the paper").format(count=agree, total=len(published))
    titles = [_("Feature"), GTVR, GTVNR, _("here"), _("paper")]
    if result.compared is not None:
        titles.append(_("other levels"))
    rows = "".join(_directionRow(result, each) for each in published)
    head = "".join(f'<th align="left">{escape(title)}&nbsp;&nbsp;</th>' for title in titles)
    return f"<b>{escape(headline)}</b><table><tr>{head}</tr>{rows}</table>"


def _directionRow(result: FeaturesResult, published) -> str:
    features, name = result.features, published.name
    direction = direction_of(features, name)
    color = STATUS_COLORS[direction == published.direction]
    cells = [
        escape(name.replace("_", " ")),
        *(f"{features[region].values[name]:.4g}" for region in (GTVR, GTVNR)),
        f'<span style="color:{color}">{ARROWS[direction]}</span>',
        ARROWS[published.direction],
    ]
    if result.compared is not None:
        holds = direction_holds(features, result.compared, name)
        cells.append({True: _("same"), False: _("turns"), None: "?"}[holds])
    return "<tr>" + "".join(f"<td>{cell}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>"


def notesText(result: FeaturesResult) -> str:
    """Voxels, which features turn around with other levels, and every warning (HTML)."""
    features = result.features
    voxels = ", ".join(f"{name} {found.n_voxels}" for name, found in features.items())
    notes = [_("Voxels measured: {voxels}").format(voxels=voxels)]
    if min(found.n_voxels for found in features.values()) < FEW_VOXELS:
        notes.append(_("Few voxels: texture then follows the size of a region more than its structure."))
    if result.compared is not None and GTVR in features and GTVNR in features:
        turned = [n for n in features[GTVR].values if direction_holds(features, result.compared, n) is False]
        notes.append(
            _("With own and with shared levels, {count} of {total} differences change direction: {names}").format(
                count=len(turned), total=len(features[GTVR].values), names=", ".join(turned) or _("none")
            )
        )
    refused = {name for found in features.values() for name in found.refused}
    if refused:
        text = _("{count} features have no value in a region; the table says why.")
        notes.append(text.format(count=len(refused)))
    return bullets(list(dict.fromkeys([*notes, *result.warnings])))
