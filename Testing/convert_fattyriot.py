"""A case of the ISMRM 2012 water-fat challenge (MATLAB file) as NIfTI magnitude and phase with BIDS sidecars.

    python -m Testing.convert_fattyriot 16.mat OUTDIR

Writes ``16_part-mag_MEGRE.nii.gz`` and ``16_part-phase_MEGRE.nii.gz`` (4-D, one volume per echo), their sidecars, and
``16_mask.nii.gz`` (label 1: the region that the challenge scored). The file holds complex images (row, column, slice,
coil, echo), echo times in seconds, field strength in tesla and the mask, but **no voxel size and no orientation**. Both
are assumed here, from looking at case 16 (sagittal head and neck): rows run from head to feet, columns from back to
front, slices from left to right or right to left; 1 mm x 1 mm in plane (a cervical vertebra with its disc then measures
17 mm) and 5 mm between slices. R2* does not depend on them; volumes, distances and erosion do. The thickness of the
slices is left out of the sidecar, so that nothing is computed from a guess.
"""

import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.io import loadmat

ASSUMED_SPACING_MM = (1.0, 1.0, 5.0)  # i (columns), j (rows), k (slices)
# Columns are the directions of i, j, k in LPS: anterior, inferior, left.
ASSUMED_DIRECTION_LPS = (0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def convert(mat_path: Path, folder: Path) -> list[Path]:
    """Write magnitude, phase and mask of one case; returns the images written."""
    case = loadmat(mat_path)["imDataParams"][0, 0]
    images = np.asarray(case["images"])
    if images.ndim != 5 or images.shape[3] != 1:
        raise ValueError(f"{mat_path.name}: expected (row, column, slice, 1 coil, echo), found {images.shape}")
    echoes = [images[..., 0, echo].transpose(2, 0, 1) for echo in range(images.shape[-1])]
    sidecar = {
        "EchoTime": [round(float(time), 8) for time in np.ravel(case["TE"])],
        "MagneticFieldStrength": float(np.ravel(case["FieldStrength"])[0]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    stem = mat_path.stem
    parts = (("mag", np.abs, "arbitrary"), ("phase", np.angle, "rad"))
    written = [
        _write_series(folder / f"{stem}_part-{part}_MEGRE", map(of, echoes), sidecar, units)
        for part, of, units in parts
    ]
    written.append(folder / f"{stem}_mask.nii.gz")
    mask = (np.asarray(case["mask"]) > 0).astype(np.uint8).transpose(2, 0, 1)
    SimpleITK.WriteImage(_image(mask), str(written[-1]), True)
    return written


def _write_series(base: Path, echoes, sidecar: dict, units: str) -> Path:
    path = base.with_name(base.name + ".nii.gz")
    images = [_image(np.ascontiguousarray(echo, dtype=np.float32)) for echo in echoes]
    SimpleITK.WriteImage(SimpleITK.JoinSeries(images), str(path), True)
    base.with_name(base.name + ".json").write_text(json.dumps({**sidecar, "Units": units}, indent=2) + "\n")
    return path


def _image(array_kji: np.ndarray) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(array_kji)
    image.SetSpacing(ASSUMED_SPACING_MM)
    image.SetDirection(ASSUMED_DIRECTION_LPS)
    return image


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for output in convert(Path(sys.argv[1]), Path(sys.argv[2])):
        print(output)
