"""Files of small simulated patients of the sub-region study: voxels so coarse that a run takes a second or two."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from NPCRadiomicsRiskLib.mrml.patient_files import write_linear_transform
from NPCResponseLib.phantom import PhantomGrid
from NPCResponseLib.phantom.recurrence import PhantomRecurrence, simulate_recurrence
from NPCResponseLib.registration import image_of

PRE_GRID = PhantomGrid.axial((24, 80, 80), (5.0, 1.8, 1.8), center_ras=(0, 4, -8))
RECURRENCE_GRID = PhantomGrid.axial((24, 80, 76), (5.0, 2.0, 2.0), center_ras=(3, 8, -2), tilt_deg=(-7, 2, 3))
FEW_LEVELS = ("--voxel-size-mm", "2.5", "--levels", "32")


@dataclass(frozen=True)
class PatientFiles:
    """Where the files of one patient are; the truth beside them."""

    folder: Path
    truth: PhantomRecurrence
    stem: str

    def path(self, name: str) -> Path:
        return self.folder / f"{self.stem}_{name}"

    def options(self, *without: str, **other) -> list[str]:
        """Of ``npc-radiomics subregions``: both scans, both contours and the true transform."""
        given = {
            "pre": self.path("pre.nrrd"),
            "gtv": self.path("gtv.nrrd"),
            "recurrence": self.path("recurrence.nrrd"),
            "gtvr": self.path("gtvr.nrrd"),
            "transform": self.path("true.tfm"),
        }
        given = {name: value for name, value in given.items() if name not in without} | other
        return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]

    def with_dose(self) -> list[str]:
        return ["--dose", str(self.path("dose.nrrd")), "--prescription-gy", f"{self.truth.prescription_gy:g}"]

    def with_landmarks(self) -> list[str]:
        before, later = self.path("landmarks_pre.csv"), self.path("landmarks_recurrence.csv")
        return ["--landmarks-pre", str(before), "--landmarks-recurrence", str(later)]


def simulated(seed: int = 3, **options) -> PhantomRecurrence:
    defaults = {"pose_deg": 6.0, "pose_mm": 8.0, "n_subslices": 2, "as_integers": True}
    return simulate_recurrence(seed=seed, pre_grid=PRE_GRID, recurrence_grid=RECURRENCE_GRID, **{**defaults, **options})


def write_patient(folder: Path, truth: PhantomRecurrence | None = None, stem: str = "P1") -> PatientFiles:
    """Every file of one patient."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = truth or simulated()
    files = PatientFiles(folder, truth, stem)
    write_image(files.path("pre.nrrd"), truth.pre, truth.pre_grid.ijk_to_ras)
    write_image(files.path("recurrence.nrrd"), truth.recurrence, truth.recurrence_grid.ijk_to_ras)
    write_image(files.path("dose.nrrd"), truth.dose_gy, truth.dose_grid.ijk_to_ras)
    write_image(files.path("gtv.nrrd"), truth.masks_pre["GTV"].astype(np.uint8), truth.pre_grid.ijk_to_ras)
    gtvr = truth.masks_recurrence["GTVr"].astype(np.uint8)
    write_image(files.path("gtvr.nrrd"), gtvr, truth.recurrence_grid.ijk_to_ras)
    on_pre = truth.masks_pre["GTVr"].astype(np.uint8)
    write_image(files.path("gtvr_on_pre.nrrd"), on_pre, truth.pre_grid.ijk_to_ras)
    write_linear_transform(truth.moving_to_fixed_ras, files.path("true.tfm"))
    write_points(files.path("landmarks_pre.csv"), truth.landmarks_pre_ras)
    write_points(files.path("landmarks_recurrence.csv"), truth.landmarks_recurrence_ras)
    return files


def write_image(path: Path, array: np.ndarray, ijk_to_ras: np.ndarray) -> Path:
    SimpleITK.WriteImage(image_of(array, ijk_to_ras), str(path), useCompression=True)
    return path


def write_points(path: Path, points_ras) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "r", "a", "s"])
        writer.writerows([name, *point] for name, point in points_ras.items())
    return path
