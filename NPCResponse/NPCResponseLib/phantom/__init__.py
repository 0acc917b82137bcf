"""A digital phantom of a nasopharyngeal carcinoma before and after treatment: images whose truth is known.

Three separate parts, so that further contrasts share one geometry:

* anatomy: named regions made of analytic shapes in RAS millimeters, labeled on any grid (:class:`Anatomy`);
* tissue: what each region is made of at a time point, as a table (:func:`tissue_table`);
* acquisition: what a scanner makes of it (:func:`simulate_bold`, :func:`simulate_asl`, :func:`simulate_t1ce`,
  :func:`simulate_recurrence`).

All of it is synthetic. The geometry is drawn by hand to look like a nasopharynx study and belongs to no person; of the
tissue values only the tumor's R2* and blood flow follow published group means, the others are plausible at 3 T and no
more.
"""

from .anatomy import REGION_NAMES, SEGMENT_NAMES, Anatomy, Ellipsoid, Part, head_anatomy
from .asl import PhantomAsl, simulate_asl
from .bold import PhantomAcquisition, airway_field, gradient_echo_signal, simulate_bold
from .grid import PhantomGrid
from .patient import Response, TimePoint
from .recurrence import (
    PhantomRecurrence,
    default_recurrence_grid,
    observed,
    simulate_recurrence,
    simulate_recurrence_cohort,
)
from .recurrence_texture import SubregionTexture, TextureTruth
from .t1ce import PhantomT1, simulate_t1ce
from .tissue import Tissue, tissue_table
from .true_diameters import TrueDiameters, true_diameters

__all__ = [
    "REGION_NAMES",
    "SEGMENT_NAMES",
    "Anatomy",
    "Ellipsoid",
    "Part",
    "PhantomAcquisition",
    "PhantomAsl",
    "PhantomGrid",
    "PhantomRecurrence",
    "PhantomT1",
    "Response",
    "SubregionTexture",
    "TextureTruth",
    "TimePoint",
    "Tissue",
    "TrueDiameters",
    "airway_field",
    "default_recurrence_grid",
    "gradient_echo_signal",
    "head_anatomy",
    "observed",
    "simulate_asl",
    "simulate_bold",
    "simulate_recurrence",
    "simulate_recurrence_cohort",
    "simulate_t1ce",
    "tissue_table",
    "true_diameters",
]
