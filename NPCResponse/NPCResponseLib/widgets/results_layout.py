"""The layouts that show a result: a map over its image, a quality map beside it, a plot and a table below."""

import slicer

LAYOUT_ID = 5077  # layouts are told apart by number; core ones stay below 1000
MAP_VIEW, QUALITY_VIEW = "Red", "NPCQuality"
PLOT_VIEW, TABLE_VIEW = "NPCDecay", "NPCTable"
MAP_OPACITY = 0.7
OUTLINE_ONLY = 0.0  # a filled segment would tint the map under it
LAYER_FLAGS = (
    slicer.vtkMRMLSliceCompositeNode.BackgroundVolumeFlag
    | slicer.vtkMRMLSliceCompositeNode.ForegroundVolumeFlag
    | slicer.vtkMRMLSliceCompositeNode.LabelVolumeFlag
)

_SLICE_VIEW = """
<item><view class="vtkMRMLSliceNode" singletontag="{tag}">
<property name="orientation" action="default">Axial</property>
<property name="viewlabel" action="default">{label}</property>
<property name="viewcolor" action="default">{color}</property></view></item>"""
_OTHER_VIEW = """
<item><view class="{node}" singletontag="{tag}">
<property name="viewlabel" action="default">{label}</property></view></item>"""

_SLICES = (
    '<item splitSize="600"><layout type="horizontal">'
    + _SLICE_VIEW.format(tag=MAP_VIEW, label="R", color="#F34A33")
    + _SLICE_VIEW.format(tag=QUALITY_VIEW, label="Q", color="#6EB04B")
    + "</layout></item>"
)
_PLOT = _OTHER_VIEW.format(node="vtkMRMLPlotViewNode", tag=PLOT_VIEW, label="P")
_TABLE = _OTHER_VIEW.format(node="vtkMRMLTableViewNode", tag=TABLE_VIEW, label="T")
_FRAME = (
    '<layout type="vertical" split="true">{}<item splitSize="400"><layout type="horizontal">{}</layout></item></layout>'
)
# The arrangements by their number, which scenes save: never change one.
MAPS_AND_PLOT, MAPS, TREND, MAPS_ONLY = LAYOUT_ID, LAYOUT_ID + 1, LAYOUT_ID + 2, LAYOUT_ID + 3
LAYOUTS = {
    MAPS_AND_PLOT: _FRAME.format(_SLICES, _PLOT + _TABLE),
    MAPS: _FRAME.format(_SLICES, _TABLE),
    TREND: f'<layout type="vertical" split="true">{_PLOT}{_TABLE}</layout>',
    MAPS_ONLY: f'<layout type="vertical" split="true">{_SLICES}</layout>',
}


def registerLayout() -> None:
    """Make the layouts known. A scene saves only their numbers, so they must be known before such a scene is loaded."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    layoutNode = manager.layoutLogic().GetLayoutNode()
    for layoutId, xml in LAYOUTS.items():
        if layoutNode.IsLayoutDescription(layoutId):
            layoutNode.SetLayoutDescription(layoutId, xml)
        else:
            layoutNode.AddLayoutDescription(layoutId, xml)


class ResultsLayout:
    """Shows results and goes back to the layout from before. Without a main window it does nothing.

    One object for all sections, so that going from one's results to another's does not lose the layout from before.
    """

    def __init__(self):
        self._previousLayout: int | None = None
        self._changedFills: list[tuple[str, float]] = []  # (display node ID, opacity of the segments' fill before)
        self._qualityId: str | None = None

    @property
    def isAvailable(self) -> bool:
        return slicer.app.layoutManager() is not None

    def isShown(self, layoutId: int) -> bool:
        return self.isAvailable and slicer.app.layoutManager().layout == layoutId

    def show(
        self, layoutId: int, *, background=None, mapNode=None, qualityNode=None, segmentation=None, chart=None,
        table=None, focusRas=(),
    ) -> None:  # fmt: skip
        """Switch to a layout and fill its views. Nodes may be None; ``focusRas`` is the point to look at."""
        if not self.isAvailable:
            return
        self._switchLayout(layoutId)
        showMap(MAP_VIEW, background, mapNode)
        self._qualityId = _id(qualityNode)
        showMap(QUALITY_VIEW, background, qualityNode)
        _showIn(PLOT_VIEW, "vtkMRMLPlotViewNode", "SetPlotChartNodeID", chart)
        _showIn(TABLE_VIEW, "vtkMRMLTableViewNode", "SetTableNodeID", table)
        self._outline(segmentation)
        lookAt(background or mapNode, focusRas)

    def showTrend(self, chart, table) -> None:
        """Switch to the layout of a patient's course, which has no slice views."""
        if self.isAvailable:
            self._switchLayout(TREND)
            _showIn(PLOT_VIEW, "vtkMRMLPlotViewNode", "SetPlotChartNodeID", chart)
            _showIn(TABLE_VIEW, "vtkMRMLTableViewNode", "SetTableNodeID", table)

    def showQuality(self, background, qualityNode) -> None:
        """Another map for the second view; nothing happens while the same one is asked for."""
        hasChanged = self.isAvailable and _id(qualityNode) != self._qualityId
        if hasChanged and showMap(QUALITY_VIEW, background, qualityNode):
            self._qualityId = _id(qualityNode)

    def restore(self) -> None:
        """Back to the layout and the segment display from before :meth:`show`; to the usual one if there is none."""
        for displayNodeId, opacity in self._changedFills:
            displayNode = slicer.mrmlScene.GetNodeByID(displayNodeId)
            if displayNode:
                displayNode.SetOpacity2DFill(opacity)
        self._changedFills.clear()
        if any(self.isShown(layoutId) for layoutId in LAYOUTS):
            # After Reload, or in a scene that was saved so, nobody knows what was there before.
            usual = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
            slicer.app.layoutManager().setLayout(usual if self._previousLayout is None else self._previousLayout)

    def _switchLayout(self, layoutId: int) -> None:
        registerLayout()
        manager = slicer.app.layoutManager()
        if manager.layout == layoutId:
            # The number may come from a scene that was loaded before the layout was known; else this does nothing.
            manager.layoutLogic().GetLayoutNode().SetViewArrangement(layoutId)
            return
        if manager.layout not in LAYOUTS:
            self._previousLayout = manager.layout
        manager.setLayout(layoutId)

    def _outline(self, segmentation) -> None:
        displayNode = segmentation.GetDisplayNode() if segmentation else None
        if displayNode is None or displayNode.GetOpacity2DFill() == OUTLINE_ONLY:
            return
        self._changedFills.append((displayNode.GetID(), displayNode.GetOpacity2DFill()))
        displayNode.SetOpacity2DFill(OUTLINE_ONLY)


def showMap(viewName: str, background, mapNode) -> bool:
    """Lay a map over an image in one slice view, and let its color legend appear there only.

    Returns:
        False if there is no such view: at the end of an import, those of the loaded layout are still to be made.
    """
    widget = slicer.app.layoutManager().sliceWidget(viewName)
    if widget is None:
        return False
    composite = widget.mrmlSliceCompositeNode()
    isLabelMap = mapNode is not None and mapNode.IsA("vtkMRMLLabelMapVolumeNode")
    composite.SetBackgroundVolumeID(_id(background))
    composite.SetForegroundVolumeID(None if isLabelMap else _id(mapNode))
    composite.SetForegroundOpacity(MAP_OPACITY)
    composite.SetLabelVolumeID(_id(mapNode) if isLabelMap else None)
    composite.SetLabelOpacity(MAP_OPACITY)
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(mapNode) if mapNode is not None else None
    if legend is not None:
        legend.SetViewNodeIDs([widget.mrmlSliceNode().GetID()])
        legend.SetVisibility(True)
    _updateLegends(composite)
    widget.sliceController().fitSliceToBackground()
    return True


def _updateLegends(composite) -> None:
    """Let the color legends of a view follow its layers.

    Slicer does that only while a user changes the layers, which it tells by these flags. Otherwise the legend of a map
    that was here stays, and one that is older than the view never appears.
    """
    composite.SetInteractionFlags(LAYER_FLAGS)
    composite.Modified()
    composite.SetInteractionFlags(0)


def lookAt(volume, pointRas) -> None:
    """Turn both slice views into the volume's own planes and bring a world point (RAS, mm) into view."""
    for viewName in (MAP_VIEW, QUALITY_VIEW):
        widget = slicer.app.layoutManager().sliceWidget(viewName)
        if widget is None:
            continue
        sliceNode = widget.mrmlSliceNode()
        if volume is not None:
            sliceNode.RotateToVolumePlane(volume)
            widget.sliceController().fitSliceToBackground()
        if len(pointRas) == 3:
            sliceNode.JumpSliceByOffsetting(*pointRas)
            widget.sliceLogic().SnapSliceOffsetToIJK()


def _showIn(tag: str, className: str, setter: str, node) -> None:
    """A node, or None, in the plot or table view, if the layout has made that view."""
    view = slicer.mrmlScene.GetSingletonNode(tag, className)
    if view is not None:
        getattr(view, setter)(_id(node))


def _id(node) -> str | None:
    return node.GetID() if node is not None else None
