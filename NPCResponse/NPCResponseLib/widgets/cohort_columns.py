"""The list of columns that a study needs: which column of the table each one is, to see and to change."""

import qt
from slicer.i18n import tr as _

from ..cohort.columns import Match

NEEDED, COLUMN, FOUND = range(3)


class ColumnEditor:
    """Shows choices in a table widget, and tells which one the user changes.

    Args:
        widget: QTableWidget with three columns: needed, column of the table, how it was found.
        onChosen: called with the needed column and the table's, "" for none.
    """

    def __init__(self, widget, onChosen):
        self._widget, self._onChosen, self._isUpdating = widget, onChosen, False
        self._needed, self._known = (), ()
        self._boxes = []

    def update(self, choices, known) -> None:
        """Show these choices among the table's columns."""
        self._isUpdating = True
        try:
            needed = tuple(choice.needed for choice in choices)
            if (needed, tuple(known)) != (self._needed, self._known):
                self._rebuild(needed, tuple(known))
            for row, choice in enumerate(choices):
                index = self._known.index(choice.column) + 1 if choice.column in self._known else 0
                self._boxes[row].currentIndex = index
                self._widget.item(row, FOUND).setText(matchText(choice))
        finally:
            self._isUpdating = False

    def _rebuild(self, needed, known) -> None:
        """Never while one of the boxes is being used: what it changes leaves both lists as they are."""
        self._needed, self._known = needed, known
        self._widget.setRowCount(0)  # takes the old boxes away
        self._widget.setRowCount(len(needed))
        self._boxes = []
        for row, name in enumerate(needed):
            for column in (NEEDED, FOUND):
                self._widget.setItem(row, column, qt.QTableWidgetItem(name if column == NEEDED else ""))
            box = qt.QComboBox()
            box.addItem(_("(none)"))
            for column in known:
                box.addItem(column)
            box.toolTip = _("The column of the table that holds {name}.").format(name=name)
            box.connect("currentIndexChanged(int)", lambda index, row=row: self._changed(row, index))
            self._widget.setCellWidget(row, COLUMN, box)
            self._boxes.append(box)
        self._widget.resizeColumnsToContents()

    def _changed(self, row: int, index: int) -> None:
        if not self._isUpdating and row < len(self._needed):
            self._onChosen(self._needed[row], self._known[index - 1] if index > 0 else "")

    def clear(self) -> None:
        """Let the boxes go, and with them what they call."""
        self._widget.setRowCount(0)
        self._needed, self._known, self._boxes = (), (), []


def matchText(choice) -> str:
    return {
        Match.EXACT: _("same name"),
        Match.NEAREST: _("⚠ similar: check"),
        Match.CHOSEN: _("chosen"),
        Match.NONE: _("⚠ not given") if choice.is_optional else _("⚠ missing"),
    }[choice.match]
