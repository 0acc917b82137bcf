"""What each region is made of at a time point."""

from dataclasses import dataclass, replace

from .patient import Response, TimePoint, choose


@dataclass(frozen=True)
class Tissue:
    """What a region is made of. Further contrasts add further fields.

    Attributes:
        s0: gradient-echo signal at echo time zero and M0 of the ASL images, in arbitrary units; viable tumor is 1000.
        r2star_hz: relaxation rate without macroscopic field gradients.
        t1_ms: longitudinal relaxation time at 3 T, without contrast agent.
        tbf_ml_per_100g_min: true blood flow.
        transit_time_ms: from the labeling plane to the tissue.
        enhanced_t1w: signal in a fat-suppressed T1-weighted image after contrast agent, in arbitrary units.
    """

    s0: float
    r2star_hz: float
    t1_ms: float = 1500.0
    tbf_ml_per_100g_min: float = 0.0
    transit_time_ms: float = 1500.0
    enhanced_t1w: float = 0.0


# Plausible at 3 T and no more. Vessels are lumen: blood that passes through is no tissue's flow and is not simulated.
_HEALTHY_TISSUES = {
    "air": Tissue(0, 0),
    "fat": Tissue(1350, 30, t1_ms=380, tbf_ml_per_100g_min=3, enhanced_t1w=190),
    "muscle": Tissue(720, 35, t1_ms=1400, tbf_ml_per_100g_min=8, enhanced_t1w=340),
    "bone": Tissue(60, 250, t1_ms=500, enhanced_t1w=30),
    "marrow": Tissue(850, 90, t1_ms=600, tbf_ml_per_100g_min=10, enhanced_t1w=170),
    "brain": Tissue(950, 22, t1_ms=1200, tbf_ml_per_100g_min=50, transit_time_ms=1300, enhanced_t1w=400),
    "brainstem": Tissue(900, 25, t1_ms=1100, tbf_ml_per_100g_min=40, transit_time_ms=1200, enhanced_t1w=420),
    "fluid": Tissue(650, 5, t1_ms=4000, enhanced_t1w=90),
    "mucosa": Tissue(1050, 28, t1_ms=1500, tbf_ml_per_100g_min=60, transit_time_ms=1600, enhanced_t1w=820),
    "gland": Tissue(1150, 40, t1_ms=1100, tbf_ml_per_100g_min=45, transit_time_ms=1400, enhanced_t1w=560),
    "vessel": Tissue(1250, 20, t1_ms=1650, transit_time_ms=800, enhanced_t1w=1000),
    "sinus": Tissue(0, 0),
    "airway": Tissue(0, 0),
}
# R2* of viable tumor: group means of Xu et al. 2023, table 2, rounded to whole Hz. The paper gives none for necrosis or
# nodes: theirs are invented.
_DISEASE_R2STAR_HZ = {
    (TimePoint.PRE, Response.RESPONDER): {"viable_tumor": 44, "necrosis": 15, "node_left": 38, "node_right": 40},
    (TimePoint.POST, Response.RESPONDER): {"viable_tumor": 58, "necrosis": 15, "node_left": 48, "node_right": 51},
    (TimePoint.PRE, Response.NON_RESPONDER): {"viable_tumor": 48, "necrosis": 15, "node_left": 41, "node_right": 44},
    (TimePoint.POST, Response.NON_RESPONDER): {"viable_tumor": 38, "necrosis": 15, "node_left": 36, "node_right": 37},
}
# Blood flow of viable tumor: group means of Liu et al. 2022, table 4 (not those in its text, which do not pool to the
# printed overall means), partial response (n = 36) and stable disease (n = 19), before treatment and at 40 Gy. They
# came from Eq. 2; here they are the true flow. Flow of necrosis and nodes is invented.
_TUMOR_TBF = {
    (TimePoint.PRE, Response.RESPONDER): 155.59,
    (TimePoint.POST, Response.RESPONDER): 86.73,
    (TimePoint.PRE, Response.NON_RESPONDER): 129.87,
    (TimePoint.POST, Response.NON_RESPONDER): 79.36,
}
# Transit times are shorter than the published delay and, like T1, the same before and after treatment.
_DISEASE = {
    "viable_tumor": Tissue(1000, 0, t1_ms=1500, transit_time_ms=1700, enhanced_t1w=700),
    "necrosis": Tissue(1100, 0, t1_ms=2500, transit_time_ms=1900, enhanced_t1w=240),
    "node_left": Tissue(980, 0, t1_ms=1400, transit_time_ms=1500, enhanced_t1w=620),
    "node_right": Tissue(980, 0, t1_ms=1400, transit_time_ms=1500, enhanced_t1w=620),
}
_TBF_RELATIVE_TO_TUMOR = {"viable_tumor": 1.0, "necrosis": 0.04, "node_left": 0.6, "node_right": 0.7}


def tissue_table(time_point: TimePoint | str = "pre", response: Response | str = "responder") -> dict[str, Tissue]:
    """Tissue of each region in REGION_NAMES at a time point; a copy, free to be changed and given to a simulation.

    Raises:
        InputError: a time point or response that does not exist.
    """
    course = choose(TimePoint, time_point), choose(Response, response)
    disease = {
        name: replace(
            tissue,
            r2star_hz=_DISEASE_R2STAR_HZ[course][name],
            tbf_ml_per_100g_min=_TUMOR_TBF[course] * _TBF_RELATIVE_TO_TUMOR[name],
        )
        for name, tissue in _DISEASE.items()
    }
    return _HEALTHY_TISSUES | disease
