"""Whose scans and contours all tabs work on: both scans, GTV and GTVr."""

from slicer.util import NodeModify

from NPCResponseLib.widgets.section import Section
from NPCResponseLib.widgets.segment_selection import SegmentSelection

GTV = ("gtvSegmentation", "gtvSegmentId", "")
GTVR = ("gtvrSegmentation", "gtvrSegmentId", "")
NODES = ("preVolume", "recurrenceVolume", GTV[0], GTVR[0])


class PatientSection(Section):
    """Links the segment selectors; the rest is linked by Slicer."""

    def __init__(self, ui):
        super().__init__(ui)
        self._values = None
        self._selections = (SegmentSelection(ui.gtvSegmentSelector, None, GTV),
                            SegmentSelection(ui.gtvrSegmentSelector, None, GTVR))  # fmt: skip

    def disconnectWidgets(self) -> None:
        super().disconnectWidgets()
        for selection in self._selections:
            selection.disconnectWidgets()

    def setParameterNode(self, parameterNode) -> None:
        self._values = None  # the first selector may change parameters before the second knows them
        for selection in self._selections:
            selection.setParameterNode(parameterNode)
        self._values = parameterNode

    def onModified(self) -> None:
        if self._values is not None:
            for selection in self._selections:
                selection.updateWidgets()

    def forgetNode(self, node) -> None:
        values = self._values
        if values is None:
            return
        with NodeModify(values.parameterNode):
            for name in NODES:
                if getattr(values, name) is node:
                    setattr(values, name, None)
            for segmentation, segmentId, _none in (GTV, GTVR):
                if getattr(values, segmentation) is None and getattr(values, segmentId):
                    setattr(values, segmentId, "")
