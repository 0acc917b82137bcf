"""The way back from a division: segments, table and words as they were before it. Lives as long as the panel. No Qt."""

import slicer
import vtk

MOST_STATES = 10


class DivisionHistory:
    """States of one result segmentation and of what belongs to it; another segmentation starts anew.

    What the first run has made from nothing goes away again.
    """

    def __init__(self):
        self._segmentation = self._history = None
        self._saved: list[tuple[object, object, dict[str, str]]] = []  # (table node, copy of its columns, words)
        self._made: list = []  # nodes of the first run

    def save(self, segmentation, table, texts: dict[str, str]) -> None:
        """Before a run writes into these nodes, or makes them (None)."""
        if segmentation is None or segmentation is not self._segmentation:
            self.clear()
        if segmentation is None:
            return
        if self._history is None:
            self._follow(segmentation)
        self._history.SaveState()
        copy = None
        if table is not None:
            copy = vtk.vtkTable()
            copy.DeepCopy(table.GetTable())
        self._saved = [*self._saved[-(MOST_STATES - 1) :], (table, copy, dict(texts))]

    def remember(self, outputs) -> None:
        """After a run: what it has made from nothing."""
        if self._segmentation is None:
            self._follow(outputs.segmentation)
            self._made = outputs.nodes()

    def _follow(self, segmentation) -> None:
        self._segmentation = segmentation
        self._history = slicer.vtkSegmentationHistory()
        self._history.SetMaximumNumberOfStates(MOST_STATES)
        self._history.SetSegmentation(segmentation.GetSegmentation())

    def canRestore(self, segmentation) -> bool:
        return segmentation is not None and segmentation is self._segmentation and bool(self._saved or self._made)

    def restore(self) -> dict[str, str]:
        """Go one step back; returns the words of that state."""
        if not self._saved:
            made = self._made
            self.clear()
            for node in made:
                if node.GetScene() is not None:
                    node.GetScene().RemoveNode(node)
            return {}
        with slicer.util.NodeModify(self._segmentation):
            self._history.RestorePreviousState()
        table, copy, texts = self._saved.pop()
        if copy is not None and table.GetScene() is not None:
            table.GetTable().DeepCopy(copy)
            table.Modified()
        return texts

    def forget(self, node) -> None:
        if node is self._segmentation:
            self.clear()

    def clear(self) -> None:
        if self._history is not None:
            self._history.SetSegmentation(None)
        self._segmentation = self._history = None
        self._saved, self._made = [], []
