"""Diameters as columns of Slicer's Segment Statistics module.

Slicer loads that module at start-up at a time of its own, so nothing of it is imported before
``registerSegmentStatisticsPlugin`` is called, at ``startupCompleted()``.
"""

import logging
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _

from ..diameters import DiameterMeasurement, Plane
from ..errors import InputError
from ..mrml.diameters import measure_segment

# Scenes and scripts refer to a measurement as "<class>.<key>": neither may change.
CLASS_NAME = "NPCDiametersSegmentStatisticsPlugin"
LONG_AXIS = ("103339001", "SCT", "Long Axis")
SHORT_AXIS = ("103340004", "SCT", "Short Axis")
MAXIMUM_3D_DIAMETER = ("L0JK", "IBSI", "Maximum 3D diameter")
MAXIMUM = ("56851009", "SCT", "Maximum")
MILLIMETER = ("mm", "UCUM", "millimeter")


@dataclass(frozen=True)
class Column:
    """A measurement as Segment Statistics describes it.

    Attributes:
        name: for machines, not translated; must differ from the names of other plugins.
        title: for people, translated.
        quantity, derivation: DICOM codes (value, scheme, meaning).
    """

    name: str
    title: str
    description: str
    quantity: tuple[str, str, str]
    derivation: tuple[str, str, str] | None = MAXIMUM


def columns() -> dict[str, Column]:
    """By key; in the language of the application at the time of the call."""
    planes = {Plane.AXIAL: _("axial"), Plane.CORONAL: _("coronal"), Plane.SAGITTAL: _("sagittal")}
    found = {}
    for plane, word in planes.items():
        found[f"{plane.value}_maximum_diameter_mm"] = Column(
            f"Maximum {plane.value} diameter mm",
            _("Maximum diameter ({plane})").format(plane=word),
            _("Longest diameter within one {plane} slice of the segment's own grid.").format(plane=word),
            LONG_AXIS,
        )
        found[f"{plane.value}_perpendicular_diameter_mm"] = Column(
            f"Perpendicular {plane.value} diameter mm",
            _("Perpendicular diameter ({plane})").format(plane=word),
            _("Longest chord at right angles to the maximum {plane} diameter, in its slice.").format(plane=word),
            SHORT_AXIS,
            None,
        )
    found["maximum_in_plane_diameter_mm"] = Column(
        "Maximum in-plane diameter mm",
        _("Maximum diameter (of the three planes)"),
        _("Largest of the axial, coronal and sagittal maximum diameters (maximum primary tumor diameter)."),
        LONG_AXIS,
    )
    found["maximum_3d_diameter_mm"] = Column(
        "Maximum 3D diameter mm",
        _("Maximum diameter (3D)"),
        _("Longest diameter of the segment in any direction."),
        MAXIMUM_3D_DIAMETER,
    )
    return found


DEFAULT_KEYS = (
    "axial_maximum_diameter_mm",
    "axial_perpendicular_diameter_mm",
    "coronal_maximum_diameter_mm",
    "sagittal_maximum_diameter_mm",
    "maximum_3d_diameter_mm",
)


def values(measurement: DiameterMeasurement) -> dict[str, float]:
    """The columns of a segment, in mm."""
    found = {}
    for plane in Plane:
        found[f"{plane.value}_maximum_diameter_mm"] = measurement.longest_in_plane[plane].length_mm
        found[f"{plane.value}_perpendicular_diameter_mm"] = measurement.perpendicular[plane].length_mm
    found["maximum_in_plane_diameter_mm"] = measurement.mptd.length_mm
    found["maximum_3d_diameter_mm"] = measurement.longest_3d.length_mm
    return found


def makePluginClass():
    """The plugin's class. Its base is known only to a running Slicer."""
    from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

    class NPCDiametersSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
        """Maximum diameters in the axial, coronal and sagittal plane and in 3-D, and those at right angles."""

        def __init__(self):
            super().__init__()
            self.name = "Diameters"
            self.title = _("Diameters")
            self.keys = list(columns())
            self.defaultKeys = list(DEFAULT_KEYS)

        def computeStatistics(self, segmentID):
            parameterNode = self.getParameterNode()
            requested = self.getRequestedKeys()
            segmentation = slicer.mrmlScene.GetNodeByID(parameterNode.GetParameter("Segmentation") or "")
            if not requested or segmentation is None:
                return {}
            try:
                found = values(measure_segment(segmentation, segmentID).measurement)
            except InputError:
                return {}  # an empty segment has an empty row
            return {key: found[key] for key in requested}

        def getMeasurementInfo(self, key):
            column = columns().get(key)
            if column is None:
                return None
            return self.createMeasurementInfo(
                name=column.name,
                title=column.title,
                description=column.description,
                units=_("mm"),
                quantityDicomCode=self._code(column.quantity),
                unitsDicomCode=self._code(MILLIMETER),
                derivationDicomCode=self._code(column.derivation) if column.derivation else None,
            )

        def _code(self, code):
            return self.createCodedEntry(*code, True)

    return NPCDiametersSegmentStatisticsPlugin


def registerSegmentStatisticsPlugin() -> None:
    """Offer the diameters in Segment Statistics, once; connect it to ``startupCompleted()``.

    Slicer compares classes, not names: after a reload of our module it would take the same plugin a second time.
    """
    try:
        from SegmentStatistics import SegmentStatisticsLogic

        if not any(plugin.__name__ == CLASS_NAME for plugin in SegmentStatisticsLogic.registeredPlugins):
            SegmentStatisticsLogic.registerPlugin(makePluginClass()())
    except Exception:  # start-up of the application must go on
        logging.exception("NPCResponse: the Segment Statistics plugin could not be registered")
