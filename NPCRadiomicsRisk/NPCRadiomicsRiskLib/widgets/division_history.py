"""The way back from a division: segments and table as they were before it. Lives as long as the panel. No Qt."""

from dataclasses import dataclass

import slicer
import vtk

MOST_STATES = 10


@dataclass(frozen=True, eq=False)
class _Before:
    """What a run is about to change.

    Attributes:
        segments: a vtkSegmentationHistory of its own: one for all states would count only those that changed a segment,
            and drop the oldest when the first is restored.
        table, columns: the table node and a copy of its columns; None without a table.
        state: whatever else belongs to it.
    """

    segments: object
    table: object
    columns: object
    state: object


class DivisionHistory:
    """States of one result segmentation and of what belongs to it; another segmentation starts anew.

    What the first run has made from nothing goes away again.
    """

    def __init__(self):
        self._segmentation = None
        self._saved: list[_Before] = []
        self._made: list = []  # nodes of the first run

    def save(self, segmentation, table, state) -> None:
        """Before a run writes into these nodes, or makes them (None).

        Args:
            state: anything else that belongs to them, to be given back as it is.
        """
        if segmentation is None or segmentation is not self._segmentation:
            self.clear()
        if segmentation is None:
            return
        self._segmentation = segmentation
        segments = slicer.vtkSegmentationHistory()
        segments.SetSegmentation(segmentation.GetSegmentation())
        segments.SaveState()
        columns = None
        if table is not None:
            columns = vtk.vtkTable()
            columns.DeepCopy(table.GetTable())
        self._saved.append(_Before(segments, table, columns, state))
        if len(self._saved) > MOST_STATES:  # the first run is out of reach, so what it has made stays
            self._saved.pop(0).segments.SetSegmentation(None)
            self._made = []

    def remember(self, outputs) -> None:
        """After a run: what it has made from nothing."""
        if self._segmentation is None:
            self._segmentation = outputs.segmentation
            self._made = outputs.nodes()

    def canRestore(self, segmentation) -> bool:
        return segmentation is not None and segmentation is self._segmentation and bool(self._saved or self._made)

    def restore(self):
        """Go one step back; returns the state that was saved with it, None if there was nothing before."""
        if not self._saved:
            made = self._made
            self.clear()
            for node in made:
                if node.GetScene() is not None:
                    node.GetScene().RemoveNode(node)
            return None
        before = self._saved.pop()
        if before.segments.IsRestorePreviousStateAvailable():  # else nothing was changed since
            with slicer.util.NodeModify(self._segmentation):
                before.segments.RestorePreviousState()
        before.segments.SetSegmentation(None)
        if before.columns is not None and before.table.GetScene() is not None:
            before.table.GetTable().DeepCopy(before.columns)
            before.table.Modified()
        return before.state

    def takeBack(self) -> None:
        """A run has failed: what it may have written into the saved nodes is undone."""
        if self._saved:
            self.restore()

    def forget(self, node) -> None:
        if node is self._segmentation:
            self.clear()

    def clear(self) -> None:
        for before in self._saved:
            before.segments.SetSegmentation(None)
        self._segmentation = None
        self._saved, self._made = [], []
