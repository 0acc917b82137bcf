"""The 47 features of a tumor's sub-regions: a volume and segments in, a table and overlaid histograms out.

job = FeaturesJob(pre_volume, {"GTVr": (segmentation, "GTVr"), "GTVnr": (segmentation, "GTVnr")})
result = job.run()
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.assessment_nodes import check_one_patient
from NPCResponseLib.mrml.result_nodes import check_outputs, removed_on_failure
from NPCResponseLib.mrml.segments import segment_mask

from ..background import steps_of
from ..texture.panel47 import (
    FEATURES,
    PUBLISHED_SIGNIFICANT,
    RegionFeatures,
    TextureSettings,
    intensity_histograms,
    texture_panel,
)
from .images import Image, read_image
from .subregions import GTVNR, GTVR, SEGMENT_COLORS
from .tables import add_series, new_chart, write_table

N_BINS = 64
OTHER_COLOR = (0.35, 0.35, 0.35)


@dataclass
class FeatureOutputs:
    """Result nodes: before a run those to update, after it all of the result."""

    table: object = None
    histogram_table: object = None
    chart: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True, eq=False)
class FeaturesResult:
    """Attributes:
    features: of each region, by its name.
    edges, densities: the histograms on one intensity scale.
    image, masks: what was measured, on the image's grid.
    compared: the same with gray levels shared by the regions where ``features`` has each region's own, or the other way
        round; None unless asked for.
    """

    features: dict[str, RegionFeatures]
    settings: TextureSettings
    edges: np.ndarray
    densities: dict[str, np.ndarray]
    warnings: tuple[str, ...]
    outputs: FeatureOutputs
    image: Image
    masks: dict[str, np.ndarray]
    compared: dict[str, RegionFeatures] | None = None


class FeaturesJob:
    """One run of the 47-feature panel.

    Args:
        volume: the pre-treatment scan.
        regions: by name (GTVr, GTVnr): segmentation node and segment ID.
        compare_levels: compute once more with gray levels shared by the regions if ``settings`` gives each its own, or
            the other way round.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self,
        volume,
        regions: Mapping[str, tuple],
        settings: TextureSettings | None = None,
        *,
        different_patients: bool = False,
        compare_levels: bool = False,
    ):
        if not regions:
            raise InputError("no region is given", remedy="Choose at least one segment")
        self.settings = settings or TextureSettings()
        if not different_patients:
            segmentations = [segmentation for segmentation, _segment in regions.values()]
            check_one_patient({"the scan": [volume], "the segmentation": segmentations})
        self._image = read_image(volume)
        self._volume = volume
        masks = {name: segment_mask(*region, volume) for name, region in regions.items()}
        self._masks = {name: found.mask for name, found in masks.items()}
        self._warnings = [*self._image.warnings] + [
            f"{found.outside_fraction:.0%} of {name} lies outside the image and is not measured."
            for name, found in masks.items()
            if found.outside_fraction > 0.005
        ]
        self._features: dict[str, RegionFeatures] | None = None
        self._compare_levels, self._compared = compare_levels, None

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        share = 0.5 if self._compare_levels else 1.0
        self._features = yield from self._panel(self.settings, 0.0, share)
        if self._compare_levels:
            other = replace(self.settings, levels_shared=not self.settings.levels_shared)
            self._compared = yield from self._panel(other, share, share)
        yield 1.0

    def _panel(self, settings: TextureSettings, done: float, share: float):
        """One run, as a part of all that is to be done."""
        image = self._image
        return steps_of(
            lambda report: texture_panel(
                image.array,
                self._masks,
                image.spacing_mm_kji,
                settings,
                progress=lambda fraction: report(done + share * fraction),
            )
        )

    def run(
        self, outputs: FeatureOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> FeaturesResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    def finish(self, outputs: FeatureOutputs | None = None) -> FeaturesResult:
        """Write the tables and the chart.

        Raises:
            InputError: an output is also an input.
        """
        outputs = replace(outputs) if outputs else FeatureOutputs()
        check_outputs(outputs.nodes(), [self._volume])
        edges, densities = intensity_histograms(self._features, N_BINS)
        name, sibling = self._image.name, self._volume
        with removed_on_failure():
            outputs.table = write_table(
                feature_columns(self._features, self._compared), f"{name} sub-region features", outputs.table, sibling
            )
            outputs.histogram_table = write_table(
                histogram_columns(edges, densities), f"{name} histograms", outputs.histogram_table, sibling
            )
            outputs.chart = self._write_chart(outputs, list(densities))
        warnings = [*self._warnings] + [
            f"{region}: {warning}" for region, found in self._features.items() for warning in found.warnings
        ]
        return FeaturesResult(
            self._features, self.settings, edges, densities, tuple(warnings), outputs, self._image, self._masks,
            self._compared,
        )  # fmt: skip

    def _write_chart(self, outputs: FeatureOutputs, regions: list[str]):
        name = self._image.name
        chart = new_chart(
            f"{name} histogram chart",
            title="Intensity of the sub-regions",
            x="Intensity (image units)",
            y="Density (area 1)",
            chart=outputs.chart,
            sibling=self._volume,
        )
        for region in regions:
            color = SEGMENT_COLORS.get(region, OTHER_COLOR)
            add_series(chart, outputs.histogram_table, region, ("Intensity", region), color, line=True)
        return chart


def feature_columns(
    features: Mapping[str, RegionFeatures], compared: Mapping[str, RegionFeatures] | None = None
) -> dict[str, list]:
    """One row per feature; the difference is GTVr - GTVnr, as in the paper.

    Args:
        compared: the same with the other kind of gray levels (each region's own, or shared).
    """
    columns: dict[str, list] = {
        "Feature": [feature.name for feature in FEATURES],
        "Meaning": [feature.label for feature in FEATURES],
    }
    for region, found in features.items():
        columns[region] = [_known(found.values[feature.name]) for feature in FEATURES]
    if GTVR in features and GTVNR in features:
        recurrent, other = features[GTVR].values, features[GTVNR].values
        columns["GTVr - GTVnr"] = [_known(recurrent[feature.name] - other[feature.name]) for feature in FEATURES]
        if compared is not None:
            recurrent, other = compared[GTVR].values, compared[GTVNR].values
            columns["The same with other levels"] = [_known(recurrent[f.name] - other[f.name]) for f in FEATURES]
            columns["Same direction"] = [direction_holds(features, compared, f.name) for f in FEATURES]
    columns["Significant in Akram 2020"] = [feature.name in PUBLISHED_SIGNIFICANT for feature in FEATURES]
    columns["Definition"] = [feature.definition for feature in FEATURES]
    columns["Remark"] = [
        "; ".join(f"{region}: {found.refused[feature.name]}" for region, found in features.items()
                  if feature.name in found.refused)
        for feature in FEATURES
    ]  # fmt: skip
    return columns


def direction_of(features: Mapping[str, RegionFeatures], name: str) -> int | None:
    """Sign of GTVr - GTVnr of a feature; None where one has no value."""
    difference = features[GTVR].values[name] - features[GTVNR].values[name]
    return int(np.sign(difference)) if np.isfinite(difference) else None


def direction_holds(
    features: Mapping[str, RegionFeatures], compared: Mapping[str, RegionFeatures], name: str
) -> bool | None:
    """Whether the difference has one sign with each region's own levels and with shared ones; None if not known."""
    first, second = direction_of(features, name), direction_of(compared, name)
    return None if first is None or second is None else first == second


def histogram_columns(edges: np.ndarray, densities: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Bin centers, and the density of each region."""
    return {"Intensity": ((edges[:-1] + edges[1:]) / 2).tolist()} | {
        region: density.tolist() for region, density in densities.items()
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
