"""What each region is made of at a time point."""

from dataclasses import dataclass

from .patient import Response, TimePoint, choose


@dataclass(frozen=True)
class Tissue:
    """What a region is made of. Further contrasts add further fields.

    Attributes:
        s0: gradient-echo signal at echo time zero, in arbitrary units; viable tumor is 1000.
        r2star_hz: relaxation rate without macroscopic field gradients.
    """

    s0: float
    r2star_hz: float


_HEALTHY_TISSUES = {
    "air": Tissue(0, 0),
    "fat": Tissue(1350, 30),
    "muscle": Tissue(720, 35),
    "bone": Tissue(60, 250),
    "marrow": Tissue(850, 90),
    "brain": Tissue(950, 22),
    "brainstem": Tissue(900, 25),
    "fluid": Tissue(650, 5),
    "mucosa": Tissue(1050, 28),
    "gland": Tissue(1150, 40),
    "vessel": Tissue(1250, 20),
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
_DISEASE_S0 = {"viable_tumor": 1000, "necrosis": 1100, "node_left": 980, "node_right": 980}


def tissue_table(time_point: TimePoint | str = "pre", response: Response | str = "responder") -> dict[str, Tissue]:
    """Tissue of each region in REGION_NAMES at a time point; a copy, free to be changed and given to simulate_bold.

    Raises:
        InputError: a time point or response that does not exist.
    """
    rates = _DISEASE_R2STAR_HZ[choose(TimePoint, time_point), choose(Response, response)]
    return _HEALTHY_TISSUES | {name: Tissue(_DISEASE_S0[name], rate) for name, rate in rates.items()}
