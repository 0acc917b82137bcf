"""Several segments of one segmentation, chosen in one widget: two parameters."""

from slicer.util import NodeModify

from NPCResponseLib.widgets.segment_selection import EXCLUSIONS_CHANGED, SEGMENTATION_CHANGED, existingSegmentIds


class RegionSelection:
    """Keeps a multi-selection segment selector in step with two parameters, by hand: no connector knows it.

    Args:
        selector: qMRMLSegmentSelectorWidget with multiSelection.
        names: the parameters: segmentation, IDs of the segments.
    """

    def __init__(self, selector, names: tuple[str, str]):
        self._selector, self._names, self._parameterNode = selector, names, None
        selector.connect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        selector.connect(EXCLUSIONS_CHANGED, self._onSegmentsChosen)

    def disconnectWidgets(self) -> None:
        self._selector.disconnect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        self._selector.disconnect(EXCLUSIONS_CHANGED, self._onSegmentsChosen)

    def _values(self) -> tuple[object, list[str]]:
        segmentation, segmentIds = (getattr(self._parameterNode, name) for name in self._names)
        return segmentation, existingSegmentIds(segmentation, segmentIds)

    def setParameterNode(self, parameterNode) -> None:
        self._parameterNode = parameterNode
        if parameterNode:
            self.updateWidgets()

    def updateWidgets(self) -> None:
        """Parameter node to widget, without an echo back."""
        segmentation, segmentIds = self._values()
        wasBlocked = self._selector.blockSignals(True)
        if self._selector.currentNode() is not segmentation:
            self._selector.setCurrentNode(segmentation)
        if segmentation is not None and sorted(self._selector.selectedSegmentIDs()) != sorted(segmentIds):
            self._selector.setSelectedSegmentIDs(segmentIds)
        self._selector.blockSignals(wasBlocked)

    def _onSegmentationChosen(self, *_unused) -> None:
        if self._parameterNode is None:
            return
        segmentation = self._selector.currentNode()
        kept = existingSegmentIds(segmentation, getattr(self._parameterNode, self._names[1]))
        with NodeModify(self._parameterNode.parameterNode):
            setattr(self._parameterNode, self._names[0], segmentation)
            setattr(self._parameterNode, self._names[1], kept)

    def _onSegmentsChosen(self, *_unused) -> None:
        if self._parameterNode is None or self._selector.currentNode() is not self._values()[0]:
            return
        segmentIds = list(self._selector.selectedSegmentIDs()) if self._selector.currentNode() is not None else []
        setattr(self._parameterNode, self._names[1], segmentIds)
