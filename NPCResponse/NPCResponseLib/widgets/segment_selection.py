"""The tumor segment and the segments to exclude, chosen from one segmentation: two widgets, three parameters."""

from collections.abc import Callable, Iterable

from slicer.util import NodeModify

SEGMENTATION_CHANGED = "currentNodeChanged(vtkMRMLNode*)"
SEGMENT_CHANGED = "currentSegmentChanged(QString)"
EXCLUSIONS_CHANGED = "segmentSelectionChanged(QStringList)"
PARAMETERS = ("segmentation", "segmentId", "exclusionSegmentIds")


class SegmentSelection:
    """Keeps a single- and, if there is one, a multi-selection segment selector in step with three parameters.

    By hand, because Slicer's GUI connectors do not know these widgets, and with checks that the widgets lack: a
    selector still tells the ID of a segment that is gone, and moves on when the chosen one is deleted.

    Args:
        tumorSelector, exclusionSelector: qMRMLSegmentSelectorWidget; the second, which may be None, shows the
            segmentation of the first.
        names: the parameters: segmentation, ID of the segment, IDs of the segments that are left out.
    """

    def __init__(self, tumorSelector, exclusionSelector, names=PARAMETERS):
        self._tumor, self._exclusions = tumorSelector, exclusionSelector
        self._names = names
        self._parameterNode = None
        tumorSelector.connect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        tumorSelector.connect(SEGMENT_CHANGED, self._onSegmentChosen)
        if exclusionSelector is not None:
            exclusionSelector.connect(EXCLUSIONS_CHANGED, self._onExclusionsChosen)

    def disconnectWidgets(self) -> None:
        """Before the panel goes away: a connection keeps its bound method, and with it this object, alive."""
        self._tumor.disconnect(SEGMENTATION_CHANGED, self._onSegmentationChosen)
        self._tumor.disconnect(SEGMENT_CHANGED, self._onSegmentChosen)
        if self._exclusions is not None:
            self._exclusions.disconnect(EXCLUSIONS_CHANGED, self._onExclusionsChosen)

    # -- the parameters --

    @property
    def _segmentation(self):
        return getattr(self._parameterNode, self._names[0])

    @property
    def _segmentId(self) -> str:
        return getattr(self._parameterNode, self._names[1])

    @_segmentId.setter
    def _segmentId(self, segmentId: str) -> None:
        setattr(self._parameterNode, self._names[1], segmentId)

    @property
    def _exclusionIds(self) -> list[str]:
        return list(getattr(self._parameterNode, self._names[2])) if self._exclusions is not None else []

    @_exclusionIds.setter
    def _exclusionIds(self, segmentIds: list[str]) -> None:
        if self._exclusions is not None:
            setattr(self._parameterNode, self._names[2], segmentIds)

    # -- both ways --

    def setParameterNode(self, parameterNode) -> None:
        self._parameterNode = parameterNode
        if parameterNode:
            self._chooseIn(self._segmentation, preferred=self._segmentId, guess=False)
            self.updateWidgets()

    def updateWidgets(self) -> None:
        """Parameter node to widgets, without an echo back."""
        segmentation, segmentId, exclusionIds = self._segmentation, self._segmentId, self._exclusionIds
        for selector in (self._tumor, self._exclusions):
            if selector is not None and selector.currentNode() is not segmentation:
                _silently(selector, selector.setCurrentNode, segmentation)
        if self._tumor.currentSegmentID() != segmentId:
            _silently(self._tumor, self._tumor.setCurrentSegmentID, segmentId)
        if self._exclusions is None:
            return
        if self._exclusions is not None and sorted(self._exclusions.selectedSegmentIDs()) != sorted(exclusionIds):
            _silently(self._exclusions, self._exclusions.setSelectedSegmentIDs, exclusionIds)

    def _onSegmentationChosen(self, *_unused) -> None:
        if self._parameterNode:
            self._chooseIn(self._tumor.currentNode(), preferred=self._segmentId, guess=True)

    def _onSegmentChosen(self, *_unused) -> None:
        if not self._parameterNode or self._tumor.currentNode() is not self._segmentation:
            return
        previous = self._segmentId
        wasDeleted = previous and not existingSegmentIds(self._segmentation, [previous])
        # After a deletion the widget has picked a neighbor that nobody asked for.
        self._segmentId = "" if wasDeleted else self._tumor.currentSegmentID()

    def _onExclusionsChosen(self, *_unused) -> None:
        if self._parameterNode and self._exclusions.currentNode() is self._segmentation:
            self._exclusionIds = list(self._exclusions.selectedSegmentIDs())

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
        exclusionIds = existingSegmentIds(segmentation, self._exclusionIds)
        with NodeModify(self._parameterNode.parameterNode):
            setattr(self._parameterNode, self._names[0], segmentation)
            self._segmentId = kept[0] if kept else ""
            self._exclusionIds = exclusionIds


def existingSegmentIds(segmentation, segmentIds: Iterable[str]) -> list[str]:
    """Those of the IDs that the segmentation (or None) still has."""
    if segmentation is None:
        return []
    return [segmentId for segmentId in segmentIds if segmentId and segmentation.GetSegmentation().GetSegment(segmentId)]


def _silently(widget, setter: Callable, value) -> None:
    wasBlocked = widget.blockSignals(True)
    setter(value)
    widget.blockSignals(wasBlocked)
