"""Links between a parameter node and the panel, with connectors for types that Slicer does not link by itself.

Importing this file registers the connectors. Slicer re-imports a module file on Reload but not its packages, so nothing
is registered twice.
"""

import math
import re

import qt
import slicer
from slicer.parameterNodeWrapper import GuiConnector, parameterNodeGuiConnector

INVALID_TEXT_STYLE = "color: red"


class GuiLink:
    """A parameter node connected to the widgets that carry ``SlicerParameterName``, until ``disconnect``.

    Slicer before 5.12 leaves its observer on the node when the GUI is disconnected (PR 9063). Once Python has collected
    what that observer calls, the next change of the node crashes; so it is taken off here.
    """

    def __init__(self, parameterNode, ui):
        self._parameterNode, self._leftBehind = parameterNode, []
        cleansUp = hasattr(parameterNode, "_guiVtkObserverTags")
        if not cleansUp:
            addObserver = parameterNode.AddObserver

            def remember(*arguments):
                self._leftBehind.append(addObserver(*arguments))
                return self._leftBehind[-1]

            parameterNode.AddObserver = remember  # on this object only, hiding the method of its class
        self._tag = parameterNode.connectGui(ui)
        if not cleansUp:
            del parameterNode.AddObserver

    def disconnect(self) -> None:
        self._parameterNode.disconnectGui(self._tag)
        for observerTag in self._leftBehind:
            self._parameterNode.RemoveObserver(observerTag)


class _OneWidgetConnector(GuiConnector):
    """A connector for one widget class and one data type."""

    widgetClass: str
    signal: str
    dataType: type

    @classmethod
    def canRepresent(cls, widget, datatype) -> bool:
        return type(widget).__name__ == cls.widgetClass and datatype == cls.dataType

    @classmethod
    def create(cls, widget, datatype):
        return cls(widget) if cls.canRepresent(widget, datatype) else None

    def __init__(self, widget):
        super().__init__()
        self._widget = widget

    def _connect(self) -> None:
        self._widget.connect(self.signal, self.changed)

    def _disconnect(self) -> None:
        self._widget.disconnect(self.signal, self.changed)

    def widget(self):
        return self._widget


@parameterNodeGuiConnector
class LineEditToNumbers(_OneWidgetConnector):
    """Numbers in a line edit, separated by commas, semicolons, slashes or spaces.

    Text that is none turns red and becomes a single nan, so that whoever uses the numbers refuses them; the text stays
    for the user to mend.
    """

    widgetClass, signal, dataType = "QLineEdit", "editingFinished()", list[float]

    def read(self) -> list[float]:
        try:
            numbers = parseNumbers(self._widget.text)
        except ValueError:
            numbers = [math.nan]
        self._paint(numbers)
        return numbers

    def write(self, value) -> None:
        numbers = [float(number) for number in value]
        self._paint(numbers)
        text = formatNumbers(numbers)
        isShown = self._isUnreadable() if _hasNan(numbers) else text == self._widget.text
        if not isShown:  # writing an equal text would move the cursor
            self._widget.text = text

    def _paint(self, numbers: list[float]) -> None:
        self._widget.setStyleSheet(INVALID_TEXT_STYLE if _hasNan(numbers) else "")

    def _isUnreadable(self) -> bool:
        try:
            return _hasNan(parseNumbers(self._widget.text))
        except ValueError:
            return True


@parameterNodeGuiConnector
class CheckableNodes(_OneWidgetConnector):
    """The checked volumes of a checkable node list. Deleted nodes leave None in the parameter: dropped here."""

    widgetClass, signal = "qMRMLCheckableNodeComboBox", "checkedNodesChanged()"
    dataType = list[slicer.vtkMRMLScalarVolumeNode]

    def read(self) -> list:
        return list(self._widget.checkedNodes())

    def write(self, value) -> None:
        wanted = [node for node in value if node is not None]
        for node in self._widget.checkedNodes():
            if node not in wanted:
                self._widget.setCheckState(node, qt.Qt.Unchecked)
        for node in wanted:
            self._widget.setCheckState(node, qt.Qt.Checked)


def _hasNan(numbers: list[float]) -> bool:
    return any(math.isnan(number) for number in numbers)


def parseNumbers(text: str) -> list[float]:
    """ "6.71, 13.42" or "6.71 / 13.42 ms" as numbers.

    Raises:
        ValueError: something in the text is not a number.
    """
    text = re.sub(r"\bms\b", " ", text)
    return [float(part) for part in re.split(r"[\s,;/]+", text) if part]


def formatNumbers(numbers: list[float]) -> str:
    """Shortest text that reads back as the same numbers; %g would cut echo times to six digits."""
    return ", ".join(repr(number).removesuffix(".0") for number in numbers)
