"""DICOM RT structure sets (as Eclipse, Pinnacle, RayStation, MIM export them): closed planar contours by name.

Read with pydicom alone: rt-utils needs OpenCV, and rounds contours to whole pixels of the referenced images, which must
be there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from NPCResponseLib.errors import InputError
from NPCResponseLib.readers import patient_fingerprint
from NPCResponseLib.readers.dicom_values import first_number, first_text, whole

from ..subregions.contours import RasterizedContours, rasterize
from .dicom_rt import check_frame, read_one

STORAGE_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_PLANAR = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
MAX_NAMES = 40


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure (ROI).

    Attributes:
        name: as written, without spaces around it and with single ones within.
        kind: RT ROI interpreted type, such as "GTV" or "EXTERNAL"; may be "".
        contours_ras: each (n, 3), mm.
        frame_of_reference_uid: "" if the file does not tell.
        plane_spacing_mm: usual distance of the planes of all structures of the file, for one with a single plane.
        warnings: what was left out.
    """

    name: str
    number: int
    kind: str
    contours_ras: tuple[np.ndarray, ...]
    frame_of_reference_uid: str
    plane_spacing_mm: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RtStructures:
    """A structure set.

    Attributes:
        structures: in the order of the file, also those without contours.
        frame_of_reference_uid: of the planning images; "" if there are several or none is told.
        series_uids: of the images that it was drawn on.
        patient_fingerprint: of the PatientID, see ``NPCResponseLib.readers``.
    """

    structures: tuple[Structure, ...]
    frame_of_reference_uid: str
    series_uids: tuple[str, ...]
    label: str
    patient_fingerprint: str | None
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(structure.name for structure in self.structures)

    def named(self, name: str) -> Structure:
        """The structure of that name; case, spaces and underscores only matter if several would do.

        Raises:
            InputError: none or several of that name, or the structure has no contours.
        """
        matching = [one for one in self.structures if one.name == plain_name(name)] or [
            one for one in self.structures if loose_name(one.name) == loose_name(name)
        ]
        drawn = [one for one in matching if one.contours_ras]
        if not matching:
            raise InputError(
                f"it has no structure {name!r}",
                where="structure set",
                remedy=f"Choose one of: {listed(one.name for one in self.structures if one.contours_ras)}",
            )
        if not drawn:
            raise InputError(
                f"structure {matching[0].name!r} has no contours",
                where="structure set",
                remedy=f"Choose one of: {listed(one.name for one in self.structures if one.contours_ras)}",
            )
        if len(drawn) > 1:
            raise InputError(
                f"{len(drawn)} structures are named like {name!r} ({listed(one.name for one in drawn)})",
                where="structure set",
                remedy="Give the name exactly, or rename them",
            )
        return drawn[0]


def read_structures(path: Path | str) -> RtStructures:
    """Read a structure set: a file, or a folder that holds exactly one.

    Raises:
        InputError: missing, damaged, no structure set, several, or without any contour.
    """
    file, dataset = read_one(path, STORAGE_CLASS, "RTSTRUCT", "RT structure set")
    contours = {_reference(item): item for item in dataset.get("ROIContourSequence") or ()}
    kinds = {
        _reference(item): first_text([item], "RTROIInterpretedType")
        for item in dataset.get("RTROIObservationsSequence") or ()
    }
    structures = [
        _structure(roi, contours.get(whole(first_number([roi], "ROINumber"))), kinds)
        for roi in dataset.get("StructureSetROISequence") or ()
    ]
    if not any(structure.contours_ras for structure in structures):
        raise InputError(
            "none of its structures has contours", where=file.name, remedy="Export the structure set with contours"
        )
    spacing_mm = _usual_spacing_mm(structures)
    frames = _frames_of(dataset, structures)
    return RtStructures(
        structures=tuple(_with_spacing(structure, spacing_mm, frames) for structure in structures),
        frame_of_reference_uid=frames[0] if len(frames) == 1 else "",
        series_uids=_series_of(dataset),
        label=first_text([dataset], "StructureSetLabel"),
        patient_fingerprint=patient_fingerprint(file),
        warnings=("Its structures have several frames of reference.",) if len(frames) > 1 else (),
    )


def mask_of(
    structure: Structure,
    shape_kji: tuple[int, int, int],
    ijk_to_ras: np.ndarray,
    *,
    grid_frame_uid: str | None = None,
    to_grid_ras: np.ndarray | None = None,
) -> np.ndarray:
    """The structure as a bool mask on a grid; see ``rasterized``."""
    return rasterized(structure, shape_kji, ijk_to_ras, grid_frame_uid=grid_frame_uid, to_grid_ras=to_grid_ras).mask


def rasterized(
    structure: Structure,
    shape_kji: tuple[int, int, int],
    ijk_to_ras: np.ndarray,
    *,
    grid_frame_uid: str | None = None,
    to_grid_ras: np.ndarray | None = None,
) -> RasterizedContours:
    """The structure on any grid, with its volumes and warnings.

    Args:
        shape_kji, ijk_to_ras: the grid.
        grid_frame_uid: frame of reference of the grid's image, if known.
        to_grid_ras: 4x4, takes a point of the structure's frame (the planning CT's) to the grid's; identity if None.

    Raises:
        InputError: another frame of reference and no transform; contours that cannot be used, or none on the grid.
    """
    if to_grid_ras is None:
        check_frame(structure.frame_of_reference_uid, grid_frame_uid, f"structure {structure.name}")
    found = rasterize(
        structure.contours_ras,
        shape_kji,
        ijk_to_ras,
        to_grid_ras=to_grid_ras,
        plane_spacing_mm=structure.plane_spacing_mm,
        where=f"structure {structure.name}",
    )
    object.__setattr__(found, "warnings", (*structure.warnings, *found.warnings))
    return found


# -- names --


def plain_name(name: str) -> str:
    return " ".join(str(name).split())


def loose_name(name: str) -> str:
    """For comparing: no case, spaces, underscores, hyphens."""
    return re.sub(r"[\s_\-]+", "", str(name)).casefold()


def listed(names: Iterable[str]) -> str:
    found = [name or "(no name)" for name in names]
    more = f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else ""
    return (", ".join(found[:MAX_NAMES]) or "none") + more


# -- items of the file --


def _reference(item: Dataset) -> int | None:
    return whole(first_number([item], "ReferencedROINumber"))


def _structure(roi: Dataset, item: Dataset | None, kinds: dict) -> Structure:
    number = whole(first_number([roi], "ROINumber"))
    name = plain_name(first_text([roi], "ROIName"))
    contours, left_out = [], {}
    for contour in (item.get("ContourSequence") or ()) if item is not None else ():
        kind = first_text([contour], "ContourGeometricType").upper()
        points = _points_ras(contour, name)
        if kind not in _PLANAR:
            left_out[kind or "no type"] = left_out.get(kind or "no type", 0) + 1
        elif len(points) >= 3:
            contours.append(points)
        else:
            left_out["fewer than three points"] = left_out.get("fewer than three points", 0) + 1
    told = "; ".join(f"{n} ({kind})" for kind, n in left_out.items())
    return Structure(
        name=name,
        number=number if number is not None else -1,
        kind=kinds.get(number, ""),
        contours_ras=tuple(contours),
        frame_of_reference_uid=first_text([roi], "ReferencedFrameOfReferenceUID"),
        warnings=(f"Contours of {name} that are no closed planar ones were left out: {told}.",) if told else (),
    )


def _points_ras(contour: Dataset, name: str) -> np.ndarray:
    """(n, 3); DICOM is LPS."""
    try:
        values = np.array([float(value) for value in contour.get("ContourData") or ()])
        points = values.reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise InputError(
            "a contour does not consist of points of three numbers",
            where=f"structure {name}",
            remedy="Export the structure set again",
        ) from error
    if not np.isfinite(points).all():
        raise InputError("a contour has points without a number", where=f"structure {name}", remedy="Export it again")
    return points * (-1, -1, 1)


def _usual_spacing_mm(structures: Iterable[Structure]) -> float | None:
    """Median distance of neighboring planes over all structures; axial planes only, others tell it themselves."""
    gaps = []
    for structure in structures:
        heights = np.unique([round(float(contour[:, 2].mean()), 2) for contour in structure.contours_ras])
        gaps.extend(gap for gap in np.diff(heights) if gap > 0.1)
    return float(np.median(gaps)) if gaps else None


def _with_spacing(structure: Structure, spacing_mm: float | None, frames: tuple[str, ...]) -> Structure:
    frame = structure.frame_of_reference_uid or (frames[0] if len(frames) == 1 else "")
    return Structure(
        structure.name,
        structure.number,
        structure.kind,
        structure.contours_ras,
        frame,
        spacing_mm,
        structure.warnings,
    )


def _frames_of(dataset: Dataset, structures: Iterable[Structure]) -> tuple[str, ...]:
    told = [structure.frame_of_reference_uid for structure in structures if structure.contours_ras]
    if not any(told):
        told = [
            first_text([item], "FrameOfReferenceUID")
            for item in dataset.get("ReferencedFrameOfReferenceSequence") or ()
        ]
    if not any(told):
        told = [first_text([dataset], "FrameOfReferenceUID")]
    return tuple(dict.fromkeys(uid for uid in told if uid))


def _series_of(dataset: Dataset) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            first_text([series], "SeriesInstanceUID")
            for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ()
            for study in frame.get("RTReferencedStudySequence") or ()
            for series in study.get("RTReferencedSeriesSequence") or ()
        )
    )
