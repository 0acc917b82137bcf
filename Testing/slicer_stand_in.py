"""Enough of Slicer's application around slicer-core to run the module files: Qt widgets without a screen.

MRML is always the real one. ``install`` puts inert ``qt`` and ``ctk`` modules in place, widget classes that hold values
and emit signals, and an event queue that tests pump by hand. Slicer's own Python (parameterNodeWrapper,
ScriptedLoadableModule) comes from a checkout of Slicer when one is given, else from small stand-ins that are good for
logic only.
"""

import contextlib
import inspect
import sys
import types
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import slicer
import slicer.util


class Signal:
    """A PythonQt signal: calls its slots with as many arguments as they take."""

    def __init__(self, owner):
        self._owner, self._slots = owner, []

    def connect(self, slot) -> None:
        self._slots.append(slot)

    def disconnect(self, slot) -> None:
        self._slots.remove(slot)

    def emit(self, *arguments) -> None:
        if self._owner.isBlocked:
            return
        for slot in list(self._slots):
            parameters = inspect.signature(slot).parameters.values()
            takesAll = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
            slot(*(arguments if takesAll else arguments[: len(parameters)]))


class Widget:
    """Base of all widgets: Qt properties are attributes, dynamic ones are asked for by name."""

    def __init__(self):
        self.isBlocked, self._signals, self._properties = False, {}, {}
        self.enabled, self.visible, self.toolTip, self.styleSheet = True, True, "", ""

    def signal(self, signature: str) -> Signal:
        return self._signals.setdefault(signature.split("(")[0], Signal(self))

    def connect(self, signature: str, slot) -> None:
        self.signal(signature).connect(slot)

    def disconnect(self, signature: str, slot) -> None:
        self.signal(signature).disconnect(slot)

    def __getattr__(self, name: str):
        if name.endswith(("Changed", "clicked", "toggled", "editingFinished")) and not name.startswith("_"):
            return self.signal(name)
        raise AttributeError(f"{type(self).__name__} stand-in has no {name}")

    def blockSignals(self, isBlocked: bool) -> bool:
        wasBlocked, self.isBlocked = self.isBlocked, isBlocked
        return wasBlocked

    def property(self, name: str):
        return self._properties.get(name)

    def setVisible(self, isVisible: bool) -> None:
        self.visible = bool(isVisible)

    def setStyleSheet(self, text: str) -> None:
        self.styleSheet = text


def valueProperty(name: str, signal: str, convert=lambda widget, value: value):
    """A Qt property that emits a signal when it changes."""

    def setter(widget, value):
        value = convert(widget, value)
        if value != getattr(widget, f"_{name}"):
            setattr(widget, f"_{name}", value)
            widget.signal(signal).emit(value)

    return property(lambda widget: getattr(widget, f"_{name}"), setter)


def asText(_widget, value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"QString expected, got {type(value).__name__}")
    return value


class QLabel(Widget):
    def __init__(self):
        super().__init__()
        self._text = ""

    text = valueProperty("text", "linkActivated", asText)


class QLineEdit(Widget):
    def __init__(self):
        super().__init__()
        self._text = ""

    text = valueProperty("text", "textChanged", asText)

    def typeIn(self, text: str) -> None:
        """What a user does: new text, then Return."""
        self.text = text
        self.editingFinished.emit()


class QPushButton(Widget):
    def __init__(self):
        super().__init__()
        self.text, self.checkable, self.checked = "", False, False

    def click(self) -> None:
        if self.enabled:
            self.checked = self.checkable and not self.checked
            self.clicked.emit(self.checked)


class QCheckBox(Widget):
    def __init__(self):
        super().__init__()
        self.text, self._checked = "", False

    checked = valueProperty("checked", "stateChanged", lambda _box, value: bool(value))

    def click(self) -> None:
        if self.enabled:
            self.checked = not self.checked
            self.clicked.emit(self.checked)


class QComboBox(Widget):
    def __init__(self):
        super().__init__()
        self._items, self._currentIndex = [], -1

    currentIndex = valueProperty("currentIndex", "currentIndexChanged")

    @property
    def count(self) -> int:
        return len(self._items)

    def itemText(self, index: int) -> str:
        return self._items[index]

    def clear(self) -> None:
        self._items = []
        self.currentIndex = -1

    def addItem(self, text: str) -> None:
        self._items.append(asText(self, text))
        if self.currentIndex < 0:
            self.currentIndex = 0


class QDoubleSpinBox(Widget):
    def __init__(self):
        super().__init__()
        self.minimum, self.maximum, self.decimals, self.singleStep, self._value = 0.0, 99.99, 2, 1.0, 0.0

    value = valueProperty(
        "value", "valueChanged", lambda box, value: round(min(max(value, box.minimum), box.maximum), box.decimals)
    )


class SliderWidget(QDoubleSpinBox):
    """ctkSliderWidget: a slider with a spin box."""


class QSpinBox(Widget):
    def __init__(self):
        super().__init__()
        self.minimum, self.maximum, self.singleStep, self._value = 0, 99, 1, 0

    value = valueProperty("value", "valueChanged", lambda box, value: int(min(max(value, box.minimum), box.maximum)))

    def setRange(self, minimum: int, maximum: int) -> None:
        self.minimum, self.maximum = minimum, maximum


class QTextEdit(Widget):
    def __init__(self):
        super().__init__()
        self._plainText, self.readOnly = "", False

    plainText = valueProperty("plainText", "textChanged", asText)

    def toPlainText(self) -> str:
        return self.plainText

    def setPlainText(self, text: str) -> None:
        self.plainText = text


class QTableWidgetItem:
    def __init__(self, text: str = ""):
        self._text = asText(None, text)

    def text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        self._text = asText(None, text)


class QTableWidget(Widget):
    """Items and widgets by place; those of rows that go are gone."""

    def __init__(self):
        super().__init__()
        self.rowCount, self._items, self._widgets = 0, {}, {}

    def setRowCount(self, count: int) -> None:
        self.rowCount = count
        self._items = {place: item for place, item in self._items.items() if place[0] < count}
        self._widgets = {place: widget for place, widget in self._widgets.items() if place[0] < count}

    def setItem(self, row: int, column: int, item: QTableWidgetItem) -> None:
        self._items[row, column] = item

    def item(self, row: int, column: int) -> QTableWidgetItem | None:
        return self._items.get((row, column))

    def setCellWidget(self, row: int, column: int, widget: Widget) -> None:
        self._widgets[row, column] = widget

    def cellWidget(self, row: int, column: int) -> Widget | None:
        return self._widgets.get((row, column))

    def resizeColumnsToContents(self) -> None:
        """Sizes cannot be seen here."""


class QProgressBar(Widget):
    def __init__(self):
        super().__init__()
        self.value = 0

    def setValue(self, value: int) -> None:
        self.value = value


class CollapsibleButton(Widget):
    def __init__(self):
        super().__init__()
        self.collapsed = False


class ProxyModel:
    """What a node selector offers. The real one looks at a node's attributes when it comes or when told to."""

    def __init__(self):
        self.timesInvalidated = 0

    def invalidate(self) -> None:
        self.timesInvalidated += 1


class NodeComboBox(Widget):
    """One node or none; a node of a class that it does not offer becomes none, as in the real one."""

    def __init__(self):
        super().__init__()
        self._node, self._nodeTypes, self.showChildNodeTypes, self._attributes = None, (), True, {}
        self._proxyModel = ProxyModel()

    def sortFilterProxyModel(self) -> ProxyModel:
        return self._proxyModel

    @property
    def nodeTypes(self) -> tuple:
        return self._nodeTypes

    @nodeTypes.setter
    def nodeTypes(self, nodeTypes) -> None:
        self._nodeTypes = tuple(nodeTypes)
        self.setCurrentNode(self._node)

    def addAttribute(self, _nodeType: str, name: str, value: str) -> None:
        self._attributes[name] = value

    def currentNode(self):
        return self._node

    def _offers(self, node) -> bool:
        if any(node.GetAttribute(name) != value for name, value in self._attributes.items()):
            return False
        types = self.nodeTypes or ("vtkMRMLNode",)
        return node.GetClassName() in types or (self.showChildNodeTypes and any(node.IsA(name) for name in types))

    def setCurrentNode(self, node) -> None:
        if node is not None and not self._offers(node):
            node = None
        if node is not self._node:
            self._node = node
            self.currentNodeChanged.emit(node)


class CheckableNodeComboBox(Widget):
    def __init__(self):
        super().__init__()
        self._checked, self._proxyModel = [], ProxyModel()

    def sortFilterProxyModel(self) -> ProxyModel:
        return self._proxyModel

    def addAttribute(self, _nodeType: str, name: str, value: str) -> None:
        """What is offered cannot be seen here."""

    def checkedNodes(self) -> tuple:
        return tuple(self._checked)

    def setCheckState(self, node, state: int) -> None:
        if (node in self._checked) != bool(state):
            self._checked = [*self._checked, node] if state else [other for other in self._checked if other is not node]
            self.checkedNodesChanged.emit()


class SegmentSelector(NodeComboBox):
    """Keeps IDs of segments that are gone, as the real one does."""

    def __init__(self):
        super().__init__()
        self._segmentId, self._selected = "", ()

    def currentSegmentID(self) -> str:
        return self._segmentId

    def setCurrentSegmentID(self, segmentId: str) -> None:
        if self._node is not None and segmentId != self._segmentId:
            self._segmentId = segmentId
            self.currentSegmentChanged.emit(segmentId)

    def selectedSegmentIDs(self) -> tuple:
        return tuple(self._selected)

    def setSelectedSegmentIDs(self, segmentIds) -> None:
        if self._node is None:
            return
        existing = tuple(i for i in segmentIds if self._node.GetSegmentation().GetSegment(i))
        if existing != self._selected:
            self._selected = existing
            self.segmentSelectionChanged.emit(existing)


class EventQueue:
    """QTimer.singleShot without a clock: what was asked for runs when a test pumps."""

    def __init__(self):
        self._waiting = []

    def singleShot(self, _milliseconds: int, slot) -> None:
        self._waiting.append(slot)

    def pump(self, at_most: int = 10_000) -> None:
        for _ in range(at_most):
            if not self._waiting:
                return
            self._waiting.pop(0)()
        raise AssertionError("the event queue never empties")

    def pumpOnce(self) -> None:
        self._waiting.pop(0)()


class Application:
    """slicer.app without a main window."""

    def __init__(self):
        self.startupCallbacks = []

    def connect(self, signature: str, slot) -> None:
        assert signature == "startupCompleted()"
        self.startupCallbacks.append(slot)

    def layoutManager(self):
        return None

    def moduleManager(self):
        return Widget()

    def translate(self, _context: str, text: str) -> str:
        return text

    def testingEnabled(self) -> bool:
        return True


QT_CLASSES = (
    QLabel, QLineEdit, QPushButton, QCheckBox, QComboBox, QDoubleSpinBox, QSpinBox, QProgressBar, QTextEdit,
    QTableWidget,
)  # fmt: skip
UI_CLASSES = {cls.__name__: cls for cls in QT_CLASSES} | {
    "ctkCollapsibleButton": CollapsibleButton,
    "ctkSliderWidget": SliderWidget,
    "qMRMLNodeComboBox": NodeComboBox,
    "qMRMLCheckableNodeComboBox": type("qMRMLCheckableNodeComboBox", (CheckableNodeComboBox,), {}),
    "qMRMLSegmentSelectorWidget": SegmentSelector,
}


class AnyClass(types.ModuleType):
    """A module in which every capitalized or ctk-/q- name is a class of its own, never the class of a widget in use."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        created = type(name, (Widget,), {})
        setattr(self, name, created)
        return created


def widgets_of(ui_path: Path) -> types.SimpleNamespace:
    """Stand-ins for every named widget of a .ui file, as slicer.util.childWidgetVariables gives the real ones."""
    ui = types.SimpleNamespace()
    for element in ElementTree.parse(ui_path).getroot().iter("widget"):
        widget = UI_CLASSES.get(element.get("class"), Widget)()
        for item in element.iterfind("property"):
            value = item[0].text or ""
            if item.get("stdset") == "0":
                widget._properties[item.get("name")] = value
            elif item.get("name") == "text":
                widget.text = value
            elif item.get("name") == "nodeTypes":
                widget.nodeTypes = [name.text for name in item.iter("string")]
            elif item.get("name") == "showChildNodeTypes":
                widget.showChildNodeTypes = value == "true"
            elif item.get("name") == "checkable":
                widget.checkable = value == "true"
            elif item.get("name") in ("minimum", "maximum", "singleStep", "decimals"):
                setattr(widget, item.get("name"), float(value) if "." in value else int(value))
        setattr(ui, element.get("name"), widget)
    return ui


def install(monkeypatch, slicer_source: Path | None = None) -> EventQueue:
    """Make ``import qt, ctk`` and Slicer's Python modules work until the test ends; returns the event queue.

    Args:
        slicer_source: a checkout of Slicer, whose Base/Python is then used as it is.
    """
    queue = EventQueue()
    qt, ctk = AnyClass("qt"), AnyClass("ctk")
    for cls in QT_CLASSES:
        setattr(qt, cls.__name__, cls)
    qt.QTimer = types.SimpleNamespace(singleShot=queue.singleShot)
    qt.QTableWidgetItem = QTableWidgetItem
    ctk.ctkSliderWidget = SliderWidget
    qt.Qt = types.SimpleNamespace(Checked=2, Unchecked=0)
    monkeypatch.setitem(sys.modules, "qt", qt)
    monkeypatch.setitem(sys.modules, "ctk", ctk)
    monkeypatch.setattr(slicer, "app", Application(), raising=False)
    monkeypatch.setattr(slicer.util, "WaitCursor", contextlib.nullcontext, raising=False)
    for name in ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"):
        monkeypatch.setattr(slicer, name, type(name, (Widget,), {}), raising=False)
    monkeypatch.setattr(slicer, "qMRMLNodeComboBox", NodeComboBox, raising=False)
    if slicer_source:
        python = slicer_source / "Base" / "Python" / "slicer"
        monkeypatch.setattr(slicer, "__path__", [*slicer.__path__, str(python)])
        monkeypatch.setattr(slicer.util, "settingsValue", lambda key, default, converter=None: default)
    else:
        for module in (_i18n(), _scripted_loadable_module(), _parameter_node_wrapper()):
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setattr(slicer, module.__name__.split(".")[1], module, raising=False)
    return queue


def _module(name: str, **contents) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    return module


def _i18n() -> types.ModuleType:
    return _module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text)


def _scripted_loadable_module() -> types.ModuleType:
    names = ("ScriptedLoadableModule", "ScriptedLoadableModuleWidget", "ScriptedLoadableModuleLogic")
    bases = {name: type(name, (), {"__init__": lambda self, parent=None: None}) for name in names}
    return _module("slicer.ScriptedLoadableModule", ScriptedLoadableModuleTest=unittest.TestCase, **bases)


def _parameter_pack(cls):
    """A class whose fields are given by keyword, else as the class has them, else None."""

    def init(self, **fields):
        for name in cls.__annotations__:
            setattr(self, name, fields.get(name, getattr(cls, name, None)))

    cls.__init__ = init
    return cls


def _parameter_node_wrapper() -> types.ModuleType:
    return _module(
        "slicer.parameterNodeWrapper",
        parameterNodeWrapper=lambda cls: cls,
        parameterPack=_parameter_pack,
        WithinRange=lambda low, high: (low, high),
        parameterNodeGuiConnector=lambda cls: cls,
        GuiConnector=object,
    )
