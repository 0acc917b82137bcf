"""Placing landmarks one after the other: a list of points that propose their names, and Slicer's place mode."""

import slicer
from slicer.i18n import tr as _

from NPCResponseLib.mrml.hierarchy import place_beside

# Bone that both scans show.
LANDMARK_NAMES = ("left pterygoid process", "right pterygoid process", "clivus", "vomer", "sella", "odontoid process")


def addLandmarks(name: str, scan):
    """A new list of points that wait for their place, in a scan's world: under the transform that the scan is under."""
    markups = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name)
    )
    markups.CreateDefaultDisplayNodes()
    for label in LANDMARK_NAMES:
        markups.UnsetNthControlPointPosition(markups.AddControlPoint(0, 0, 0, label))
    markups.SetAndObserveTransformNodeID(scan.GetTransformNodeID())
    place_beside(markups, scan)
    return markups


def startMarking(markups) -> str:
    """Let the next clicks in a slice view place the list's points; returns what to do, for the user."""
    names = unplacedNames(markups)
    logic = slicer.modules.markups.logic()
    logic.SetActiveList(markups)
    logic.StartPlaceMode(True)
    if not names:
        return _("All proposed points are placed. Click to add another; name it alike in both lists.")
    return _("Click on: {names}. Right-click to stop; points that are not placed do not count.").format(
        names=", ".join(names)
    )


def unplacedNames(markups) -> list[str]:
    """Names of points that wait for their place."""
    return [
        markups.GetNthControlPointLabel(n)
        for n in range(markups.GetNumberOfControlPoints())
        if markups.GetNthControlPointPositionStatus(n) != markups.PositionDefined
    ]
