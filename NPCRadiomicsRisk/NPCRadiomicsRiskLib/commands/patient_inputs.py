"""What one patient of the sub-region study consists of: files and what they hold, from options or a manifest row."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from NPCResponseLib.commands.options import check_paths
from NPCResponseLib.errors import InputError


@dataclass(frozen=True)
class PatientInputs:
    """Files of one patient. The fields are the columns of a manifest, and with hyphens the options of the command.

    Attributes:
        patient: label in tables and reports, chosen by the user; never read from a header.
        pre: pre-treatment image: a file, or a folder with one DICOM series.
        gtv, gtv_segment: segmentation, label image or RTSTRUCT with the tumor on ``pre``, and its segment's name or
            label; "" for the only one.
        recurrence: image at recurrence, or the planning CT on which GTVr was drawn; None if GTVr is already on ``pre``.
        gtvr, gtvr_segment: likewise, drawn on ``recurrence``.
        transform: files with linear transforms from the recurrence image to the pre-treatment image, applied one after
            the other (to the planning CT, from there to ``pre``), instead of an alignment.
        plan_transform: file with the transform from the planning CT to ``pre``, for contours and dose in its frame.
        landmarks_pre, landmarks_recurrence: the same points in both images (.mrk.json, .fcsv, .csv).
        dose, prescription_gy: RTDOSE or a volume in Gy in the frame of ``pre``.
    """

    patient: str
    pre: Path
    gtv: Path
    gtvr: Path
    recurrence: Path | None = None
    gtv_segment: str = ""
    gtvr_segment: str = ""
    transform: tuple[Path, ...] = ()
    plan_transform: Path | None = None
    landmarks_pre: Path | None = None
    landmarks_recurrence: Path | None = None
    dose: Path | None = None
    prescription_gy: float | None = None

    def check(self) -> None:
        """Refuse what no file can mend, before anything slow is loaded.

        Raises:
            InputError: a file that is not there, inputs that contradict each other.
        """
        if not self.patient.strip():
            raise InputError("the patient has no label", remedy="Give one of your own, such as P01")
        if not self.patient.isprintable():
            raise InputError("the patient's label holds a line break or the like", remedy="Give letters and numbers")
        check_paths(*self.paths())
        if (self.landmarks_pre is None) != (self.landmarks_recurrence is None):
            raise InputError("landmarks are given in one image only", remedy="Give both files, or neither")
        for option, given in (("a transform", self.transform), ("landmarks", self.landmarks_pre)):
            if given and self.recurrence is None:
                raise InputError(
                    f"{option} is given, but no recurrence image",
                    remedy="Add it, or leave the other out if GTVr is drawn on the pre-treatment image",
                )
        if (self.dose is None) != (self.prescription_gy is None):
            raise InputError(
                "a dose and its prescription belong together", remedy="Give both (--dose, --prescription-gy), or none"
            )
        if self.prescription_gy is not None and not (math.isfinite(self.prescription_gy) and self.prescription_gy > 0):
            raise InputError(f"the prescription must be a positive number of Gy, found {self.prescription_gy:g}")

    def paths(self) -> list[Path]:
        return [value for _label, value in self.labeled_paths()]

    def labeled_paths(self) -> list[tuple[str, Path]]:
        """Input files with the neutral names under which a report speaks of them."""
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else (value,)
            found += [(LABELS[field.name], path) for path in values if isinstance(path, Path)]
        return found


def refuse_to_replace(inputs: Iterable[Path], results: Iterable[Path]) -> None:
    """
    Raises:
        InputError: a result would be written where an input is, as when an earlier result is measured again.
    """
    written = {path.resolve() for path in results}
    for path in inputs:
        if path.resolve() in written:
            raise InputError("it is an input, and would be replaced", where=str(path), remedy="Choose another --output")


LABELS = {
    "pre": "pre-treatment image",
    "gtv": "GTV contour",
    "gtvr": "GTVr contour",
    "recurrence": "recurrence image",
    "transform": "transform",
    "plan_transform": "transform of the plan",
    "landmarks_pre": "landmarks before treatment",
    "landmarks_recurrence": "landmarks at recurrence",
    "dose": "dose",
}
PATH_COLUMNS = tuple(LABELS)
