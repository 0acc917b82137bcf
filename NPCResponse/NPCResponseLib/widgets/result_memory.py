"""Results of this session by the table node that holds their numbers: a report needs their images, a scene keeps none.

No Qt.
"""


class ResultMemory:
    """The latest result of each table node, until the node goes."""

    def __init__(self):
        self._results: dict[str, object] = {}

    def keep(self, table, result) -> None:
        if table is not None:
            self._results[table.GetID()] = result

    def of(self, table):
        """The result behind a table node (or None); None if it was made in another session."""
        return self._results.get(table.GetID()) if table is not None else None

    def forget(self, node) -> None:
        self._results.pop(node.GetID(), None)

    def clear(self) -> None:
        """Another scene gives the same IDs to other nodes."""
        self._results.clear()
