"""The tumor segment and the segments to exclude, chosen from one segmentation: two widgets, three parameters."""

from collections.abc import Callable, Iterable

from slicer.util import NodeModify

SEGMENTATION_CHANGED = "currentNodeChanged(vtkMRMLNode*)"
SEGMENT_CHANGED = "currentSegmentChanged(QString)"
EXCLUSIONS_CHANGED = "segmentSelectionChanged(QStringList)"


class SegmentSelection:
    """Keeps a single- and a multi-selection segment selector in step with ``segmentation``, ``segmentId`` and
    ``exclusionSegmentIds`` of a parameter node.

    By hand, because Slicer's GUI connectors do not know these widgets, and with checks that the widgets lack: a
    selector still tells the ID of a segment that is gone, and moves on when the chosen one is deleted.
    """

    def __init__(self, tumorSelector, exclusionSelector):
        self._tumor, self._exclusions = tumorSelector, exclusionSelector
        self._parameterNode = None
        tumorSelector.connect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        tumorSelector.connect(SEGMENT_CHANGED, self._onSegmentChosen)
        exclusionSelector.connect(EXCLUSIONS_CHANGED, self._onExclusionsChosen)

    def disconnectWidgets(self) -> None:
        """Before the panel goes away: a connection keeps its bound method, and with it this object, alive."""
        self._tumor.disconnect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        self._tumor.disconnect(SEGMENT_CHANGED, self._onSegmentChosen)
        self._exclusions.disconnect(EXCLUSIONS_CHANGED, self._onExclusionsChosen)

    def setParameterNode(self, parameterNode) -> None:
        self._parameterNode = parameterNode
        if parameterNode:
            self._chooseIn(parameterNode.segmentation, preferred=parameterNode.segmentId, guess=False)
            self.updateWidgets()

    def updateWidgets(self) -> None:
        """Parameter node to widgets, without an echo back."""
        segmentation, segmentId = self._parameterNode.segmentation, self._parameterNode.segmentId
        exclusionIds = list(self._parameterNode.exclusionSegmentIds)
        for selector in (self._tumor, self._exclusions):
            if selector.currentNode() is not segmentation:
                _silently(selector, selector.setCurrentNode, segmentation)
        if self._tumor.currentSegmentID() != segmentId:
            _silently(self._tumor, self._tumor.setCurrentSegmentID, segmentId)
        if sorted(self._exclusions.selectedSegmentIDs()) != sorted(exclusionIds):
            _silently(self._exclusions, self._exclusions.setSelectedSegmentIDs, exclusionIds)

    def _onSegmentationChosen(self, *_unused) -> None:
        if self._parameterNode:
            self._chooseIn(self._tumor.currentNode(), preferred=self._parameterNode.segmentId, guess=True)

    def _onSegmentChosen(self, *_unused) -> None:
        if not self._parameterNode or self._tumor.currentNode() is not self._parameterNode.segmentation:
            return
        previous = self._parameterNode.segmentId
        wasDeleted = previous and not existingSegmentIds(self._parameterNode.segmentation, [previous])
        # After a deletion the widget has picked a neighbor that nobody asked for.
        self._parameterNode.segmentId = "" if wasDeleted else self._tumor.currentSegmentID()

    def _onExclusionsChosen(self, *_unused) -> None:
        if self._parameterNode and self._exclusions.currentNode() is self._parameterNode.segmentation:
            self._parameterNode.exclusionSegmentIds = list(self._exclusions.selectedSegmentIDs())

    def _chooseIn(self, segmentation, preferred: str, guess: bool) -> None:
        """Keep what exists in ``segmentation``; with ``guess``, a lone segment is chosen."""
        kept = existingSegmentIds(segmentation, [preferred])
        if (
            not kept
            and guess
            and segmentation is not None
            and segmentation.GetSegmentation().GetNumberOfSegments() == 1
        ):
            kept = [segmentation.GetSegmentation().GetNthSegmentID(0)]
        exclusionIds = existingSegmentIds(segmentation, self._parameterNode.exclusionSegmentIds)
        with NodeModify(self._parameterNode.parameterNode):
            self._parameterNode.segmentation = segmentation
            self._parameterNode.segmentId = kept[0] if kept else ""
            self._parameterNode.exclusionSegmentIds = exclusionIds


def existingSegmentIds(segmentation, segmentIds: Iterable[str]) -> list[str]:
    """Those of the IDs that the segmentation (or None) still has."""
    if segmentation is None:
        return []
    return [segmentId for segmentId in segmentIds if segmentId and segmentation.GetSegmentation().GetSegment(segmentId)]


def _silently(widget, setter: Callable, value) -> None:
    wasBlocked = widget.blockSignals(True)
    setter(value)
    widget.blockSignals(wasBlocked)
