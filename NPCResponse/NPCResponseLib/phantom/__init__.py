"""A digital phantom of a nasopharyngeal carcinoma before and after treatment: images whose truth is known.

Three separate parts, so that further contrasts share one geometry:

* anatomy: named regions made of analytic shapes in RAS millimeters, labeled on any grid (:class:`Anatomy`);
* tissue: what each region is made of at a time point, as a table (:func:`tissue_table`);
* acquisition: what a scanner makes of it (:func:`simulate_bold`).

All of it is synthetic. The geometry is drawn by hand to look like a nasopharynx study and belongs to no person; of the
tissue values only the tumor's R2* follows published group means, the others are plausible at 3 T and no more.
"""

from .anatomy import REGION_NAMES, SEGMENT_NAMES, Anatomy, Ellipsoid, Part, head_anatomy
from .bold import PhantomAcquisition, airway_field, gradient_echo_signal, simulate_bold
from .grid import PhantomGrid
from .patient import Response, TimePoint
from .tissue import Tissue, tissue_table

__all__ = [
    "REGION_NAMES",
    "SEGMENT_NAMES",
    "Anatomy",
    "Ellipsoid",
    "Part",
    "PhantomAcquisition",
    "PhantomGrid",
    "Response",
    "TimePoint",
    "Tissue",
    "airway_field",
    "gradient_echo_signal",
    "head_anatomy",
    "simulate_bold",
    "tissue_table",
]
