"""An arterial spin labeling acquisition as plain values: what readers and nodes give, what quantification takes."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


class AslRole(enum.Enum):
    """What a volume is. Values are the words of BIDS (aslcontext.tsv)."""

    CONTROL = "control"
    LABEL = "label"
    M0 = "m0scan"
    DIFFERENCE = "deltam"  # perfusion-weighted: control - label, or the scanner's product image
    FLOW = "cbf"  # flow computed by the vendor, mL/100g/min


class LabelingType(enum.Enum):
    """How blood is labeled. Values are the words of BIDS (ArterialSpinLabelingType)."""

    PCASL = "PCASL"
    CASL = "CASL"
    PASL = "PASL"


@dataclass(frozen=True)
class AslSeries:
    """Volumes of one arterial spin labeling acquisition, all on one grid, with the facts that quantification needs.

    A fact that the data do not tell is None: the user is asked, nothing is guessed here.

    Attributes:
        volumes: KJI arrays of one shape, in the order of acquisition; proton density (M0) images included, also when
            they come from a scan of their own.
        roles: one per volume.
        post_labeling_delays_ms: one per volume; None where it does not apply (M0) or is unknown. For PASL the
            inversion time.
        ijk_to_ras: 4x4, voxel index (i, j, k) to RAS millimeters.
        labeling_type: None when unknown.
        label_duration_ms: tau; for PASL the bolus duration (TI1). None when unknown: it has no default.
        labeling_efficiency: alpha of the labeling alone, as the data state it.
        field_strength_t: B0 in tesla.
        m0_repetition_time_ms: repetition time of the M0 images; a short one leaves them partly saturated.
        m0_is_saturation_recovery: the M0 images follow a saturation pulse by m0_repetition_time_ms (GE product).
        n_background_suppression_pulses: 0 when there is no suppression, None when unknown.
        slice_times_ms: delay of each slice's readout after the first one's (2-D readouts), one per slice; None for 3-D
            readouts or when unknown.
        perfusion_scale: factor by which DIFFERENCE volumes are scaled against M0 (GE: 32 x NEX); None when unknown or
            not applicable. 1.0 when known to be unscaled.
        manufacturer: as in the data.
        sources: where each fact above was found, by attribute name ("label_duration_ms": "DICOM (0018,9258)").
        name: short label for nodes and reports; never a patient's name.
        warnings: sentences for the report about what was found or assumed while reading.
    """

    volumes: tuple[np.ndarray, ...]
    roles: tuple[AslRole, ...]
    post_labeling_delays_ms: tuple[float | None, ...]
    ijk_to_ras: np.ndarray
    labeling_type: LabelingType | None = None
    label_duration_ms: float | None = None
    labeling_efficiency: float | None = None
    field_strength_t: float | None = None
    m0_repetition_time_ms: float | None = None
    m0_is_saturation_recovery: bool = False
    n_background_suppression_pulses: int | None = None
    slice_times_ms: tuple[float, ...] | None = None
    perfusion_scale: float | None = None
    manufacturer: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    name: str = "ASL"
    warnings: tuple[str, ...] = ()

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        return self.volumes[0].shape

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        """Distance between voxel centers along k, j, i."""
        return tuple(float(length) for length in np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)[::-1])

    def indices(self, role: AslRole) -> tuple[int, ...]:
        """Positions of the volumes of one role, in the order of acquisition."""
        return tuple(n for n, found in enumerate(self.roles) if found is role)
