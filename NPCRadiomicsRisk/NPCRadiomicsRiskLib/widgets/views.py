"""What slice views show: layers and the place to look at. Without a main window nothing happens."""

import slicer

from NPCResponseLib.widgets.results_layout import TREND, ResultsLayout


def bringSlicesBack(layout: ResultsLayout) -> None:
    """The layout of charts and tables has no slice views: leave it before something is shown in them."""
    if layout.isShown(TREND):
        layout.restore()


def showLayers(background, foreground=None, opacity: float | None = None, focusRas=()) -> None:
    """An image in all slice views, perhaps with another over it."""
    slicer.util.setSliceViewerLayers(
        background=background,
        foreground=foreground,
        foregroundOpacity=opacity,
        fit=slicer.app.layoutManager() is not None,
    )
    lookAt(focusRas)


def lookAt(pointRas) -> None:
    """Bring a world point (RAS, mm) into all slice views; an empty one leaves them."""
    if len(pointRas) == 3:
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *pointRas, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def compositesShowing(foreground) -> list:
    """The slice views (composite nodes) that have a volume, or None, in front."""
    if foreground is None:
        return []
    scene, name = slicer.mrmlScene, "vtkMRMLSliceCompositeNode"
    composites = [scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))]
    return [composite for composite in composites if composite.GetForegroundVolumeID() == foreground.GetID()]


def setOpacity(foreground, opacity: float) -> None:
    for composite in compositesShowing(foreground):
        composite.SetForegroundOpacity(opacity)
