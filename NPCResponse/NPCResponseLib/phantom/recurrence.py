"""A patient of the sub-region study: a scan before treatment, the scan at recurrence, the dose, and their truths.

After Akram et al. 2020: contrast-enhanced, fat-suppressed T1-weighted images of 0.7 x 0.7 x 5 mm, a T4 tumor, and a
recurrence within it that is outlined on a later scan of another protocol, with the head in another position. Of the
textures only the direction of the published differences is theirs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import InputError
from .anatomy import REGION_NAMES, Anatomy, shape_mask, skull_landmarks_ras
from .grid import PhantomGrid, rotation_about
from .noise import rician
from .recurrence_anatomy import Disease, disease_of, pose, recurrent_part, t4_tumor
from .recurrence_dose import PRESCRIPTION_GY, DosePlan, at_site, dose_grid
from .recurrence_texture import SubregionTexture, TextureTruth, TumorTexture
from .tissue import tissue_table

LARGEST_POSE_DEG, LARGEST_POSE_MM = 15.0, 20.0
LARGEST_NECK_DEG = 6.0  # of the cohort's patients
LARGEST_DIFFERENCE = 2.0
TUMOR = REGION_NAMES.index("viable_tumor")
N_SUBSLICES = 4  # parts of a slice that are averaged, so that surfaces are blurred as in a thick slice

# In a T1-weighted image after contrast agent without fat suppression, in arbitrary units; plausible and no more.
_RECURRENCE_SIGNAL = {
    "air": 0,
    "fat": 1500,
    "muscle": 430,
    "bone": 60,
    "marrow": 1050,
    "brain": 520,
    "brainstem": 560,
    "fluid": 150,
    "mucosa": 900,
    "gland": 980,
    "vessel": 700,
    "sinus": 0,
    "airway": 0,
    "viable_tumor": 0,  # see REGROWN
    "necrosis": 300,
    "node_left": 700,
    "node_right": 700,
}
RECURRENCE_SCALE = 0.37  # another scanner, another scale
BIAS = 0.18  # natural logarithm of the receive coil's shading, about this much per 100 mm

# Recurrent tumor enhances more and is finer and more even: the seven features of Akram et al. 2020, table 2, differ as
# printed there. (Most of them do so already because GTVr is the smaller part: see texture_difference=0.)
NONRECURRENT = SubregionTexture(mean=700, sd=120, correlation_length_mm=5.0, fine_length_mm=1.2, fine_share=0.35)
RECURRENT = SubregionTexture(mean=770, sd=80, correlation_length_mm=4.0, fine_length_mm=1.0, fine_share=0.6)
REGROWN = SubregionTexture(mean=760, sd=60, correlation_length_mm=4.0, fine_length_mm=1.5, fine_share=0.3)


@dataclass(frozen=True, eq=False)
class PhantomRecurrence:
    """Images of one patient and everything that is true of them.

    Attributes:
        pre, recurrence: float32 or int16, (slice, row, column), before treatment and at recurrence.
        pre_grid, recurrence_grid: their voxels, in the frame of each scan.
        position_ras: rigid 4x4; takes a point of the head as in the scan before treatment to where it is at recurrence.
            The transform to be found by registration, recurrence to before, is its inverse.
        masks_pre: boolean, on the grid of the first scan: GTV, GTVr (whole, also what lies outside GTV), GTVnr.
        masks_recurrence: boolean, on the grid of the scan at recurrence: GTVr.
        volumes_cm3: of the shapes, no voxels involved: GTV, GTVr, "GTVr inside GTV", "GTVr outside GTV", GTVnr.
        landmarks_pre_ras, landmarks_recurrence_ras: the same points of the skull in each scan, exact.
        dose_gy: float32 on ``dose_grid``, in the frame of the first scan.
        prescription_gy: dose to the tumor.
        within_95: share of GTVr that gets 95 % of the prescription or more.
        site: "in-field", "marginal" or "out-field".
        texture_truth: of "GTVr" (its part inside GTV) and "GTVnr" in the first scan.
        texture_difference: 0 if both have one texture.
        noise_sigma_pre, noise_sigma_recurrence: standard deviation of the noise in each channel.
    """

    pre: np.ndarray
    pre_grid: PhantomGrid
    recurrence: np.ndarray
    recurrence_grid: PhantomGrid
    position_ras: np.ndarray
    masks_pre: Mapping[str, np.ndarray]
    masks_recurrence: Mapping[str, np.ndarray]
    volumes_cm3: Mapping[str, float]
    landmarks_pre_ras: Mapping[str, np.ndarray]
    landmarks_recurrence_ras: Mapping[str, np.ndarray]
    dose_gy: np.ndarray
    dose_grid: PhantomGrid
    prescription_gy: float
    within_95: float
    site: str
    texture_truth: Mapping[str, TextureTruth]
    texture_difference: float
    noise_sigma_pre: float
    noise_sigma_recurrence: float
    name: str
    warnings: tuple[str, ...] = ("These are synthetic images of a digital phantom, not of a patient.",)

    @property
    def moving_to_fixed_ras(self) -> np.ndarray:
        """4x4 from the scan at recurrence to the one before treatment: what a registration should find."""
        return np.linalg.inv(self.position_ras)


def simulate_recurrence(
    *,
    seed: int = 0,
    pose_deg: float | Sequence[float] | None = None,
    pose_mm: float | Sequence[float] | None = None,
    pre_grid: PhantomGrid | None = None,
    recurrence_grid: PhantomGrid | None = None,
    snr: float | None = 40.0,
    texture: tuple[SubregionTexture, SubregionTexture] = (NONRECURRENT, RECURRENT),
    texture_difference: float = 1.0,
    tumor_size: float = 1.0,
    left: bool = False,
    recurrent_share: float = 0.25,
    outside_share: float = 0.08,
    site: str = "in-field",
    prescription_gy: float = PRESCRIPTION_GY,
    neck_deg: float = 0.0,
    n_subslices: int = N_SUBSLICES,
    as_integers: bool = False,
) -> PhantomRecurrence:
    """Both scans, the dose and the truth of one patient; the same seed gives the same patient.

    Args:
        pose_deg: how far the head is turned at recurrence: an angle, about an axis that the seed decides, or turns
            about R, A and S. None for an angle up to LARGEST_POSE_DEG that the seed decides.
        pose_mm: likewise how far it is shifted.
        pre_grid, recurrence_grid: default PhantomGrid.contoured_demo(), and a slightly oblique grid of another field of
            view.
        snr: signal of tumor over the noise standard deviation, in both scans; None for no noise.
        texture: what GTVnr and GTVr look like before treatment.
        texture_difference: 0 to paint both with the first, 1 for both as given, or anything between.
        tumor_size: diameters relative to a tumor of 40 cm3.
        left: the tumor grows to the left instead of the right.
        recurrent_share: volume of GTVr, as a fraction of GTV.
        outside_share: how much of GTVr lies outside GTV, roughly; for an in-field recurrence.
        site: "in-field", "marginal" or "out-field", by the share of GTVr within the 95 % isodose; the latter two lie
            partly or wholly outside the tumor.
        neck_deg: how far the neck is bent against the head at recurrence, about the R axis: there was a mask before,
            and now there is none. What belongs to the skull is not moved by it.
        n_subslices: parts of each slice that are averaged; 1 for images without partial volume.
        as_integers: round to int16 as scanners do.

    Raises:
        InputError: a site that does not exist, numbers that make no sense.
    """
    _check(snr, texture_difference, recurrent_share, outside_share, n_subslices)
    rng = [np.random.default_rng([seed, 20 + number]) for number in range(8)]  # one for each thing that is drawn
    pre_grid = pre_grid or PhantomGrid.contoured_demo()
    recurrence_grid = recurrence_grid or default_recurrence_grid()
    tumor = t4_tumor(size=tumor_size, left=left)
    plan = DosePlan(tumor, prescription_gy, rng[0].uniform(0, 2 * np.pi, 3))
    recurrent = at_site(recurrent_part(tumor, recurrent_share, outside_share, rng[1]), plan, site, left=left)
    disease = disease_of(tumor, recurrent)
    position_ras = _position(pose_deg, pose_mm, rng[2])

    textures = texture[0], texture[0].towards(texture[1], texture_difference)
    painted = TumorTexture(disease, *textures, rng[3])
    signal, masks_pre = _first_scan(disease, painted, pre_grid, n_subslices)
    sigma_pre = texture[0].mean / snr if snr else 0.0
    pre = rician(signal, sigma_pre, rng[4])

    in_head = recurrence_grid.seen_from(position_ras)
    base = np.array([_RECURRENCE_SIGNAL[name] for name in REGION_NAMES], dtype=np.float32)
    regrown = TumorTexture(disease, REGROWN, REGROWN, rng[5])
    signal = _painted(disease.at_recurrence(neck_deg), regrown, in_head, base, n_subslices)
    signal *= _shading(recurrence_grid, rng[6]) * np.float32(RECURRENCE_SCALE)
    sigma_recurrence = REGROWN.mean * RECURRENCE_SCALE / snr if snr else 0.0
    recurrence = rician(signal, sigma_recurrence, rng[7])

    landmarks = skull_landmarks_ras()
    grid = dose_grid(disease.points_ras[disease.in_gtv].mean(axis=0))
    return PhantomRecurrence(
        pre=np.rint(pre).astype(np.int16) if as_integers else pre,
        pre_grid=pre_grid,
        recurrence=np.rint(recurrence).astype(np.int16) if as_integers else recurrence,
        recurrence_grid=recurrence_grid,
        position_ras=position_ras,
        masks_pre=masks_pre,
        masks_recurrence={"GTVr": shape_mask(recurrent, in_head)},
        volumes_cm3=disease.volumes_cm3,
        landmarks_pre_ras=landmarks,
        landmarks_recurrence_ras={
            name: position_ras[:3, :3] @ point + position_ras[:3, 3] for name, point in landmarks.items()
        },
        dose_gy=plan.on(grid),
        dose_grid=grid,
        prescription_gy=prescription_gy,
        within_95=plan.share_within(disease.points_ras[disease.in_gtvr]),
        site=site,
        texture_truth=painted.truth(),
        texture_difference=texture_difference,
        noise_sigma_pre=sigma_pre,
        noise_sigma_recurrence=sigma_recurrence,
        name=f"sub-region patient {seed} (phantom)",
    )


def default_recurrence_grid() -> PhantomGrid:
    """Another field of view than the first scan's, a few degrees oblique."""
    return PhantomGrid.axial((24, 320, 288), (5, 0.7, 0.7), center_ras=(3, 8, -2), tilt_deg=(-7, 2, 3))


def _check(snr, texture_difference, recurrent_share, outside_share, n_subslices) -> None:
    if snr is not None and not (math.isfinite(snr) and snr > 0):
        raise InputError(f"the signal-to-noise ratio must be a positive number, found {snr:g}", where="phantom")
    if not 0 <= texture_difference <= LARGEST_DIFFERENCE:
        raise InputError(
            f"the texture difference goes from 0 to {LARGEST_DIFFERENCE:g}, found {texture_difference:g}",
            where="phantom",
        )
    if not 0.02 <= recurrent_share <= 0.8:
        raise InputError(f"GTVr takes 2 % to 80 % of GTV, found {recurrent_share:.0%}", where="phantom")
    if not 0 <= outside_share <= 0.5:
        raise InputError(f"up to half of GTVr may lie outside GTV, found {outside_share:.0%}", where="phantom")
    if n_subslices < 1:
        raise InputError(f"a slice has at least one part, found {n_subslices}", where="phantom")


def _position(pose_deg, pose_mm, rng: np.random.Generator) -> np.ndarray:
    """4x4 from what the caller gave; the seed decides the rest, in the same order whatever is given."""
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3)))
    angle, length = rng.uniform(0, (LARGEST_POSE_DEG, LARGEST_POSE_MM))
    for given, word in ((pose_deg, "turns"), (pose_mm, "shifts")):
        if given is not None and (np.size(given) not in (1, 3) or not np.isfinite(given).all()):
            raise InputError(f"a position is one finite number or three {word}, for R, A and S, found {given}")
    if np.size(pose_deg) == 3:
        rotation = rotation_about(*pose_deg)
    else:
        angle = angle if pose_deg is None else float(pose_deg)
        rotation = Rotation.from_rotvec(np.radians(angle) * axis).as_matrix()
    if np.size(pose_mm) == 3:
        shift = np.asarray(pose_mm, dtype=np.float64)
    else:
        shift = direction * (length if pose_mm is None else float(pose_mm))
    return pose(rotation, shift)


def _first_scan(disease: Disease, texture: TumorTexture, grid: PhantomGrid, n_subslices: int):
    """Signal, and masks by voxel centers."""
    base = np.array([tissue_table("pre")[name].enhanced_t1w for name in REGION_NAMES], dtype=np.float32)
    anatomy = disease.before()
    signal = _painted(anatomy, texture, grid, base, n_subslices)
    gtv = anatomy.labels_on(grid) == TUMOR
    gtvr = shape_mask(disease.recurrence, grid)
    return signal, {"GTV": gtv, "GTVr": gtvr, "GTVnr": gtv & ~gtvr}


def _painted(anatomy: Anatomy, texture: TumorTexture, grid: PhantomGrid, base: np.ndarray, n_subslices: int):
    """Signal, float32. Texture is taken at the center of each voxel: it is as stated on any grid, not averaged."""
    base = base.copy()
    base[TUMOR] = texture.drawn_from["GTVnr"].mean
    signal, share = _averaged(anatomy, grid, base, n_subslices)
    where = share > 0
    points_ras = np.argwhere(where)[:, ::-1] @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    signal[where] += share[where] * (texture.at(points_ras) - base[TUMOR]).astype(np.float32)
    return signal


def _averaged(anatomy: Anatomy, grid: PhantomGrid, base: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Signal and share of tumor, both float32, as means over n parts of each slice's thickness."""
    signal, share = np.zeros((2, *grid.shape_kji), dtype=np.float32)
    for part in range(n):
        offset = ((part + 0.5) / n - 0.5) * grid.slice_thickness_mm / grid.spacing_mm_kji[0]
        shifted = grid.ijk_to_ras.copy()
        shifted[:3, 3] += offset * grid.ijk_to_ras[:3, 2]
        labels = anatomy.labels_on(replace(grid, ijk_to_ras=shifted))
        signal += base[labels]
        share += labels == TUMOR
    return signal / np.float32(n), share / np.float32(n)


def _shading(grid: PhantomGrid, rng: np.random.Generator) -> np.ndarray:
    """Smooth factor of the receive coil, about 1; float32, shape of the grid."""
    slope = BIAS / 100 * rng.uniform(-1, 1, 3)
    curvature = BIAS / 100**2 * rng.uniform(-1.5, 0.5, 3)
    log = np.zeros(grid.shape_kji, dtype=np.float32)
    center = grid.ijk_to_ras @ [*(np.array(grid.shape_kji[::-1]) - 1) / 2, 1.0]
    for k in range(grid.shape_kji[0]):
        offset = (grid.slice_points_ras(k) - center[:3]).astype(np.float32)
        log[k] = offset @ slope.astype(np.float32) + np.square(offset) @ curvature.astype(np.float32)
    return np.exp(log)


def observed(landmarks_ras: Mapping[str, np.ndarray], sd_mm: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Landmarks as an observer would place them, with a normal error of this standard deviation along each axis."""
    rng = np.random.default_rng([seed, 27])
    return {name: point + rng.normal(scale=sd_mm, size=3) for name, point in landmarks_ras.items()}


def simulate_recurrence_cohort(
    n: int = 14, seed: int = 0, *, texture_difference: float = 1.0, **options
) -> Iterator[PhantomRecurrence]:
    """Patients whose tumors, textures, recurrences and positions differ.

    Every patient is the same whatever ``n`` is.

    Args:
        texture_difference: on average; patients have half of it to one and a half. 0 is 0 for all.
        options: as of simulate_recurrence, the same for all patients.
    """
    for number in range(n):
        rng = np.random.default_rng([seed, number, 28])
        drawn = {
            "tumor_size": rng.uniform(0.85, 1.12),
            "left": bool(rng.integers(2)),
            "recurrent_share": math.exp(rng.uniform(math.log(0.1), math.log(0.5))),
            "outside_share": rng.uniform(0.02, 0.15),
            "neck_deg": rng.uniform(-LARGEST_NECK_DEG, LARGEST_NECK_DEG),
            "texture_difference": min(texture_difference * rng.uniform(0.5, 1.5), LARGEST_DIFFERENCE),
        }
        brightness, contrast = np.exp(rng.normal(0, (0.06, 0.2)))
        drawn["texture"] = tuple(
            replace(texture, mean=brightness * texture.mean, sd=contrast * texture.sd)
            for texture in (NONRECURRENT, RECURRENT)
        )
        yield simulate_recurrence(seed=int(rng.integers(2**31)), **(drawn | options))
