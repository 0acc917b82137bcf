"""The report of one patient's sub-regions: a self-contained HTML file, verdict first, that prints well on A4."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NPCResponseLib.report import html
from NPCResponseLib.report.figure_parts import report_style, svg_data_uri
from NPCResponseLib.report.provenance import Provenance

from ..mrml.alignment import quality_rows
from ..mrml.subregions import subregion_rows
from ..patient_overview import warnings_of
from ..subregions.division import GTV, GTVNR, GTVR
from ..texture.panel47 import FEATURES, PUBLISHED_SIGNIFICANT
from . import subregions_figures as figures
from . import subregions_text as text

TEMPLATE_FOLDER = Path(__file__).parent
# Sign of recurrent minus non-recurrent in table 2 of Akram 2020.
PUBLISHED_DIRECTION = {
    "GLSZM_GLV": 1,
    "GLSZM_ZSV": 1,
    "GLSZM_LZE": -1,
    "Intensity_Variance": -1,
    "NGTDM_Busyness": -1,
    "NGTDM_Coarseness": 1,
    "NGTDM_Strength": 1,
}
FAMILY_TITLES = {
    "Intensity": "Intensity histogram",
    "GLCM": "Gray-level co-occurrence (GLCM)",
    "GLRLM": "Gray-level run length (GLRLM)",
    "GLSZM": "Gray-level size zone (GLSZM)",
    "NGTDM": "Neighborhood gray-tone difference (NGTDM)",
}


@dataclass(frozen=True, eq=False)
class SubRegionsReport:
    """What one report shows.

    Attributes:
        measured: a ``PatientMeasurement``: alignment, subregions, features, map, stability, size_control, warnings.
        title: the user's label of the patient.
        cloak: applied to every text that another layer wrote, to take file names out.
    """

    measured: object
    provenance: Provenance
    title: str = ""
    cloak: Callable[[str], str] = str

    def unique_warnings(self) -> list[str]:
        return [self.cloak(warning) for warning in warnings_of(self.measured)]


def render(report: SubRegionsReport) -> str:
    """The report as HTML text."""
    measured = report.measured
    alignment = measured.alignment.alignment if measured.alignment else None
    return html.render(
        "subregions.html.jinja",
        folder=TEMPLATE_FOLDER,
        report=report,
        measured=measured,
        alignment=alignment,
        volumes=measured.subregions.regions.volumes_cm3,
        verdict=text.verdict(measured),
        controlled=measured.size_control,
        published=published_rows(measured.features.features, measured.size_control),
        pictures=_pictures(measured),
        quality=[(what, report.cloak(value)) for what, value in quality_rows(alignment)] if alignment else [],
        regions=[row for row in subregion_rows(measured.subregions) if row[0] != "Note"],
        families=family_rows(measured.features.features),
        stability=stability_rows(measured.stability) if measured.stability else [],
        warnings=report.unique_warnings(),
        methods=text.methods(measured),
        assumptions=text.assumptions(measured),
    )


def write_report(report: SubRegionsReport, path: Path) -> None:
    """Write the report as one UTF-8 file."""
    path.write_text(render(report), encoding="utf-8")


def published_rows(features, size_control=None) -> list[dict]:
    """The seven features of the paper's table 2 with their direction here and there, and what size alone gives."""
    controlled = {each.name: each for each in size_control.features} if size_control else {}
    recurrent, other = features[GTVR].values, features[GTVNR].values
    rows = []
    for name in PUBLISHED_SIGNIFICANT:
        difference = recurrent[name] - other[name]
        known = bool(np.isfinite(difference))
        rows.append(
            {
                "name": name,
                "recurrent": recurrent[name],
                "other": other[name],
                "difference": difference,
                "random": _random_parts(controlled.get(name)),
                "beyond": _is_beyond(controlled.get(name)),
                "here": ("higher" if difference > 0 else "lower" if difference < 0 else "equal") if known else "–",
                "published": "higher" if PUBLISHED_DIRECTION[name] > 0 else "lower",
                "agrees": known and np.sign(difference) == PUBLISHED_DIRECTION[name],
            }
        )
    return rows


def _random_parts(each) -> str:
    if each is None or each.expected is None:
        return "–"
    return f"{each.expected:.3g} ({each.low:.3g} to {each.high:.3g})"


def _is_beyond(each) -> bool:
    """In its own direction outside the middle 95 % of the random divisions: a smaller difference is not confirmed."""
    if each is None or each.low is None:
        return False
    return each.difference > max(each.high, 0) or each.difference < min(each.low, 0)


def stability_rows(stability) -> list[dict]:
    """Every feature in few words; all kinds of perturbation are in the file."""
    rows = []
    for each in stability.features:
        worst = min(each.by_kind, key=each.by_kind.get) if each.by_kind else ""
        rows.append(
            {
                "name": each.name.replace("_", " "),
                "difference": math.nan if each.difference is None else each.difference,
                "spread": math.nan if each.spread is None else each.spread,
                "same_sign": "–" if each.same_sign is None else f"{100 * each.same_sign:.0f} %",
                "worst": f"{worst} {100 * each.by_kind[worst]:.0f} %" if worst and each.by_kind[worst] < 1 else "–",
                "choices": f"{each.n_choices_same_sign} of {each.n_choices}" if each.n_choices else "–",
                "grade": each.grade,
            }
        )
    return rows


def family_rows(features) -> list[tuple[str, list[dict]]]:
    """All features by family."""
    families: dict[str, list[dict]] = {}
    for feature in FEATURES:
        refused = [f"{region}: {found.refused[feature.name]}" for region, found in features.items()
                   if feature.name in found.refused]  # fmt: skip
        families.setdefault(feature.family, []).append(
            {
                "name": feature.name.split("_", 1)[1],
                "label": feature.label,
                "values": [features[region].values[feature.name] for region in (GTVR, GTVNR)],
                "difference": features[GTVR].values[feature.name] - features[GTVNR].values[feature.name],
                "published": feature.name in PUBLISHED_SIGNIFICANT,
                "remark": "; ".join(refused),
            }
        )
    return [(FAMILY_TITLES.get(family, family), rows) for family, rows in families.items()]


def _pictures(measured) -> dict[str, str]:
    """Data URIs by name."""
    regions, to_ras = measured.subregions.regions, measured.subregions.ijk_to_world
    image = measured.features.image
    middle, through = _middle_ras(regions.masks[GTV], to_ras), _center_ras(regions.masks[GTVR], to_ras)
    size_mm = _size_mm(regions.masks[GTV], to_ras)
    with report_style():
        drawn = {
            "regions": figures.regions_figure(
                image.array, image.ijk_to_world, regions.masks, to_ras, middle, through, size_mm
            ),
            "histogram": figures.histogram_figure(measured.features.edges, measured.features.densities),
        }
        if measured.alignment is not None:
            found = measured.alignment
            drawn["alignment"] = figures.alignment_figure(
                found.fixed.array,
                found.fixed.ijk_to_world,
                found.moving.array,
                found.moving.ijk_to_world,
                found.alignment.moving_to_fixed_ras,
                middle,
            )
        if measured.map is not None:
            found = measured.map.map
            drawn["map"] = figures.map_figure(
                image.array, found.map, found.boost.mask, image.ijk_to_world, middle, through, size_mm
            )
        return {name: svg_data_uri(figure) for name, figure in drawn.items()}


def _center_ras(mask: np.ndarray, to_ras: np.ndarray) -> np.ndarray:
    """The middle of a mask."""
    middle = np.argwhere(mask)[:, ::-1].mean(axis=0)
    return to_ras[:3, :3] @ middle + to_ras[:3, 3]


def _middle_ras(mask: np.ndarray, to_ras: np.ndarray) -> np.ndarray:
    """The middle of what a mask spans."""
    found = np.argwhere(mask)[:, ::-1] @ to_ras[:3, :3].T + to_ras[:3, 3]
    return (found.min(axis=0) + found.max(axis=0)) / 2


def _size_mm(mask: np.ndarray, to_ras: np.ndarray, margin_mm: float = 30.0) -> float:
    """Side of a square that shows the whole tumor."""
    found = np.argwhere(mask)[:, ::-1] @ to_ras[:3, :3].T
    return float(np.clip((found.max(axis=0) - found.min(axis=0)).max() + margin_mm, 60.0, 160.0))
