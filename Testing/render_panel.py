"""Draw a module's .ui with plain Qt, as it would look in Slicer: ``python -m Testing.render_panel panel.ui out.png``.

Slicer's own widgets are replaced by stand-ins of about their look and size. Exit code 77: Qt cannot draw here.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree

CANNOT_DRAW = 77
PANEL_WIDTH = 420

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
try:
    from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
except ImportError as error:
    print(f"Qt cannot be loaded: {error}", file=sys.stderr)
    sys.exit(CANNOT_DRAW)


class ctkCollapsibleButton(QtWidgets.QWidget):  # noqa: N801 - named as in the .ui
    """A header with an arrow; its children are hidden when collapsed."""

    HEADER_PX = 24

    def showEvent(self, event):
        if self.layout() is not None:
            self.layout().setContentsMargins(12, self.HEADER_PX + 6, 6, 6)
        if self.isCollapsed():
            for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly):
                child.setVisible(False)
            self.setFixedHeight(self.HEADER_PX)
        super().showEvent(event)

    def isCollapsed(self) -> bool:
        return bool(self.property("collapsed"))

    def paintEvent(self, _event):
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width() - 1, self.HEADER_PX - 1)
        painter.fillRect(header, self.palette().button().color().darker(105))
        painter.setPen(self.palette().mid().color())
        painter.drawRect(header)
        painter.setPen(self.palette().text().color())
        arrow = (
            "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
            if self.isCollapsed()
            else "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
        )
        painter.drawText(header.adjusted(8, 0, 0, 0), QtCore.Qt.AlignVCenter, f"{arrow}  {self.property('text')}")


class ctkSliderWidget(QtWidgets.QWidget):  # noqa: N801
    """A slider, and a spin box with its value."""

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider, self._box = QtWidgets.QSlider(QtCore.Qt.Horizontal, self), QtWidgets.QDoubleSpinBox(self)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)

    def showEvent(self, event):
        low, high, value = (float(self.property(name) or 0) for name in ("minimum", "maximum", "value"))
        self._slider.setRange(0, 100)
        self._slider.setValue(round(100 * (value - low) / max(high - low, 1e-9)))
        self._box.setDecimals(int(self.property("decimals") or 0))
        self._box.setRange(low, high)
        self._box.setSuffix(self.property("suffix") or "")
        self._box.setValue(value)
        super().showEvent(event)


class qMRMLWidget(QtWidgets.QWidget):  # noqa: N801
    mrmlSceneChanged = QtCore.Signal("vtkMRMLScene*")

    @QtCore.Slot("vtkMRMLScene*")
    def setMRMLScene(self, _scene):
        pass


class qMRMLNodeComboBox(QtWidgets.QComboBox):  # noqa: N801
    @QtCore.Slot("vtkMRMLScene*")
    def setMRMLScene(self, _scene):
        pass

    def showEvent(self, event):
        self.addItem(self.property("noneDisplay") or "None")
        super().showEvent(event)


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):  # noqa: N801
    pass


class qMRMLSegmentSelectorWidget(qMRMLWidget):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)

    def showEvent(self, event):
        if self.layout().count() == 0:
            if self.property("segmentationNodeSelectorVisible") is not False:
                nodes = QtWidgets.QComboBox(self)
                nodes.addItem("None")
                self.layout().addWidget(nodes)
            self.layout().addWidget(QtWidgets.QLabel("No node is selected", self))
        super().showEvent(event)


STAND_INS = (
    ctkCollapsibleButton,
    ctkSliderWidget,
    qMRMLWidget,
    qMRMLNodeComboBox,
    qMRMLCheckableNodeComboBox,
    qMRMLSegmentSelectorWidget,
)


def load_panel(ui_path: str) -> QtWidgets.QWidget:
    """The widget tree of a .ui file.

    Raises:
        ValueError: the file names a custom widget that has no stand-in.
    """
    known = {stand_in.__name__ for stand_in in STAND_INS}
    custom = {element.text for element in ElementTree.parse(ui_path).iterfind(".//customwidget/class")}
    if custom - known:
        raise ValueError(f"{ui_path}: no stand-in for {', '.join(sorted(custom - known))}")
    loader = QtUiTools.QUiLoader()
    for stand_in in STAND_INS:
        loader.registerCustomWidget(stand_in)
    return loader.load(ui_path)


def fill(panel: QtWidgets.QWidget, texts: dict[str, str]) -> None:
    """Put texts into widgets by object name, as the module would at run time; "" hides, a list fills a combo box."""
    for name, text in texts.items():
        widget = panel.findChild(QtWidgets.QWidget, name)
        if text == "":
            widget.setVisible(False)
        elif isinstance(widget, QtWidgets.QComboBox):
            widget.addItem(text)
        else:
            widget.setProperty("text", text)


def _height(panel: QtWidgets.QWidget) -> int:
    """What all of the panel needs at its width; a tab widget knows no height for a width, its pages do."""
    for tabs in panel.findChildren(QtWidgets.QTabWidget):
        page = tabs.currentWidget().layout()
        page.activate()
        inner = page.totalHeightForWidth(PANEL_WIDTH - 8)
        tabs.setMinimumHeight(max(inner, page.totalSizeHint().height()) + tabs.tabBar().sizeHint().height() + 8)
    return max(panel.layout().totalHeightForWidth(PANEL_WIDTH), panel.layout().totalSizeHint().height())


def render(
    ui_path: str, png_path: str, texts: dict[str, str] | None = None, expanded: bool = False, tab: int = 0
) -> None:
    """Write the panel as a PNG, with one of its tabs in front, and all sections open if ``expanded``."""
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    app.setStyle("Fusion")
    panel = load_panel(ui_path)
    fill(panel, texts or {})
    if expanded:
        for section in panel.findChildren(ctkCollapsibleButton):
            section.setProperty("collapsed", False)
    for tabs in panel.findChildren(QtWidgets.QTabWidget):
        tabs.setCurrentIndex(tab)
    panel.setFixedWidth(PANEL_WIDTH)
    panel.show()
    for _ in range(2):  # section headers add their margins when shown
        panel.layout().activate()
        panel.setFixedHeight(_height(panel))
        app.processEvents()
    if not panel.grab().save(png_path):
        raise OSError(f"{png_path} cannot be written")


if __name__ == "__main__":
    chosen = [int(argument.removeprefix("--tab=")) for argument in sys.argv if argument.startswith("--tab=")]
    render(sys.argv[1], sys.argv[2], expanded="--expanded" in sys.argv, tab=chosen[0] if chosen else 0)
