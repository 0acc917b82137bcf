"""The widgets that show and change one time point of a patient."""

import qt
import slicer

from ..mrml.measured_values import DIAMETERS, QUANTITY_ATTRIBUTE, R2STAR, TBF
from ..time_points import Stage
from .connectors import INVALID_TEXT_STYLE
from .response_parameters import Answer, ResponseParameters, existing

TABLE_CLASS = "vtkMRMLTableNode"
EDITED = (
    "responseNameLineEdit",
    "responseStageComboBox",
    "responseDayLineEdit",
    "responseDoseLineEdit",
    "responseR2StarTableSelector",
    "responseTbfTableSelector",
    "responseLesionTablesSelector",
    "responseNewLesionsComboBox",
    "responseResidualComboBox",
)


class TimePointEditor:
    """Keeps widgets in step with the time point that is being edited. By hand: which one that is, changes.

    Args:
        connect: called with (widget, signal, slot), keeps the connection until the panel goes.
    """

    def __init__(self, ui, connect):
        self._ui, self._isUpdating, self._offered = ui, False, set()
        self._parameters: ResponseParameters | None = None
        for box, members in self._choices():
            for member in members:
                box.addItem(member.label())
        for selector, quantity in self._tableSelectors():  # of all tables only those that hold such a result
            selector.addAttribute(TABLE_CLASS, QUANTITY_ATTRIBUTE, quantity)
        connect(ui.responseTimePointComboBox, "currentIndexChanged(int)", self._onSelected)
        connect(ui.responseNameLineEdit, "editingFinished()", self._onName)
        connect(ui.responseStageComboBox, "currentIndexChanged(int)", self._onStage)
        connect(ui.responseDayLineEdit, "editingFinished()", self._onDay)
        connect(ui.responseDoseLineEdit, "editingFinished()", self._onDose)
        connect(ui.responseR2StarTableSelector, "currentNodeChanged(vtkMRMLNode*)", self._onR2StarTable)
        connect(ui.responseTbfTableSelector, "currentNodeChanged(vtkMRMLNode*)", self._onTbfTable)
        connect(ui.responseLesionTablesSelector, "checkedNodesChanged()", self._onLesionTables)
        connect(ui.responseNewLesionsComboBox, "currentIndexChanged(int)", self._onNewLesions)
        connect(ui.responseResidualComboBox, "currentIndexChanged(int)", self._onResidual)

    def _tableSelectors(self):
        ui = self._ui
        return (
            (ui.responseR2StarTableSelector, R2STAR),
            (ui.responseTbfTableSelector, TBF),
            (ui.responseLesionTablesSelector, DIAMETERS),
        )

    def _choices(self):
        ui = self._ui
        return (
            (ui.responseStageComboBox, tuple(Stage)),
            (ui.responseNewLesionsComboBox, tuple(Answer)),
            (ui.responseResidualComboBox, tuple(Answer)),
        )

    def setParameters(self, parameters: ResponseParameters | None) -> None:
        """The parameters to edit, or None while scenes come and go."""
        self._parameters = parameters

    # -- parameters to widgets --

    def update(self) -> None:
        """Show the time points, and the one that is being edited."""
        self._isUpdating = True
        try:
            self._refreshOffers()
            self._showNames()
            point = self._parameters.current()
            for name in EDITED:
                getattr(self._ui, name).enabled = point is not None
            if point is not None:
                self._show(point)
        finally:
            self._isUpdating = False

    def _refreshOffers(self) -> None:
        """A selector looks at the attributes of a node when it comes; ours get them when they are filled."""
        tables = slicer.util.getNodesByClass(TABLE_CLASS)
        offered = {(table.GetID(), table.GetAttribute(QUANTITY_ATTRIBUTE)) for table in tables}
        if offered != self._offered:
            self._offered = offered
            for selector, _quantity in self._tableSelectors():
                selector.sortFilterProxyModel().invalidate()

    def _showNames(self) -> None:
        box, names = self._ui.responseTimePointComboBox, [point.name for point in self._parameters.timePoints()]
        if [box.itemText(n) for n in range(box.count)] != names:
            box.clear()
            for name in names:
                box.addItem(name)
        box.currentIndex = min(self._parameters.values.responseCurrent, len(names) - 1)
        box.enabled = bool(names)

    def _show(self, point) -> None:
        ui = self._ui
        _setText(ui.responseNameLineEdit, point.name)
        for edit, number in ((ui.responseDayLineEdit, point.day), (ui.responseDoseLineEdit, point.doseGy)):
            if not _isNumber(edit.text) or _parse(edit.text) != number:
                _setText(edit, "" if number is None else f"{number:g}")
                edit.setStyleSheet("")
        members = (point.stage, point.newLesions, point.residualTumor)
        for (box, choices), member in zip(self._choices(), members, strict=True):
            box.currentIndex = choices.index(member)
        for selector, node in (
            (ui.responseR2StarTableSelector, point.r2starTable),
            (ui.responseTbfTableSelector, point.tbfTable),
        ):
            if selector.currentNode() is not node:
                selector.setCurrentNode(node)
        wanted = existing(point.lesionTables)
        checked = list(ui.responseLesionTablesSelector.checkedNodes())
        for node in (*checked, *wanted):
            if (node in checked) != (node in wanted):
                state = qt.Qt.Checked if node in wanted else qt.Qt.Unchecked
                ui.responseLesionTablesSelector.setCheckState(node, state)

    # -- widgets to parameters --

    def _onSelected(self, index: int) -> None:
        if not self._isUpdating and self._parameters is not None:
            self._parameters.select(index)

    def _change(self, **fields) -> None:
        """Each widget changes its own field only: what another one cannot show must not get lost."""
        if not self._isUpdating and self._parameters is not None:
            self._parameters.change(**fields)

    def _onName(self) -> None:
        self._change(name=self._ui.responseNameLineEdit.text.strip())

    def _onStage(self, index: int) -> None:
        self._change(stage=tuple(Stage)[index])

    def _onNewLesions(self, index: int) -> None:
        self._change(newLesions=tuple(Answer)[index])

    def _onResidual(self, index: int) -> None:
        self._change(residualTumor=tuple(Answer)[index])

    def _onDay(self) -> None:
        self._changeNumber("day", self._ui.responseDayLineEdit)

    def _onDose(self) -> None:
        self._changeNumber("doseGy", self._ui.responseDoseLineEdit)

    def _changeNumber(self, name: str, edit) -> None:
        """Text that is no number turns red and changes nothing; it stays for the user to mend."""
        isNumber = _isNumber(edit.text)
        edit.setStyleSheet("" if isNumber else INVALID_TEXT_STYLE)
        if isNumber:
            self._change(**{name: _parse(edit.text)})

    def _onR2StarTable(self, *_unused) -> None:
        self._change(r2starTable=self._ui.responseR2StarTableSelector.currentNode())

    def _onTbfTable(self, *_unused) -> None:
        self._change(tbfTable=self._ui.responseTbfTableSelector.currentNode())

    def _onLesionTables(self) -> None:
        self._change(lesionTables=list(self._ui.responseLesionTablesSelector.checkedNodes()))


def _isNumber(text: str) -> bool:
    """Whether a text is a number, or empty for one that is not known."""
    try:
        _parse(text)
    except ValueError:
        return False
    return True


def _parse(text: str) -> float | None:
    """
    Raises:
        ValueError: no number.
    """
    text = text.strip().replace(",", ".")
    if not text:
        return None
    number = float(text)
    if not abs(number) < float("inf"):
        raise ValueError(text)
    return number


def _setText(edit, text: str) -> None:
    if edit.text != text:  # writing an equal text would move the cursor
        edit.text = text
