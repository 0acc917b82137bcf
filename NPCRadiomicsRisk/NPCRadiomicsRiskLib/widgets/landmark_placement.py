"""Placing landmarks one after the other: a list of points that propose their names, and Slicer's place mode."""

import slicer
from slicer.i18n import tr as _


def startMarking(markups) -> str:
    """Let the next clicks in a slice view place the list's points; returns what to do, for the user."""
    names = unplacedNames(markups)
    slicer.modules.markups.logic().StartPlaceMode(bool(names or markups.GetNumberOfControlPoints() == 0), markups)
    if not names:
        return _("All proposed points are placed; click to add another one, and name it alike in both lists.")
    return _("Click on each of these points, right-click to stop: {names}.").format(names=", ".join(names))


def unplacedNames(markups) -> list[str]:
    """Names of points that wait for their place."""
    return [
        markups.GetNthControlPointLabel(n)
        for n in range(markups.GetNumberOfControlPoints())
        if markups.GetNthControlPointPositionStatus(n) != markups.PositionDefined
    ]
