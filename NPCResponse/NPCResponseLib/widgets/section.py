"""What every section of the panel shares: buttons that can be let go, texts that hide when empty, errors, reports."""

import logging
from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from .file_choice import chooseFileToSave
from .packages import REPORT, ensurePackages


class Section:
    """Base of a section. A subclass sets the names below and implements ``setParameterNode`` and ``onModified``.

    Attributes:
        statusName: name of the status label in the UI. failedText: a message with {error}, for defects.
        moduleName: in front of what goes to the log.
    """

    statusName = failedText = ""
    moduleName = "NPCResponse"

    def __init__(self, ui):
        self.ui = ui
        self._connections: list[tuple[object, str, object]] = []

    def connectButton(self, button, slot) -> None:
        """Connect a button until ``disconnectWidgets``."""
        self.connectWidget(button, "clicked(bool)", slot)

    def connectWidget(self, widget, signal: str, slot) -> None:
        """Connect a signal until ``disconnectWidgets``."""
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def disconnectWidgets(self) -> None:
        """Before the panel goes away: a connection keeps its bound method, and with it this object, alive."""
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections.clear()

    @property
    def _statusLabel(self):
        return getattr(self.ui, self.statusName)

    # -- for subclasses --

    def setParameterNode(self, parameterNode) -> None:
        """A new parameter node, already connected to the widgets, or None while scenes come and go."""
        raise NotImplementedError

    def onModified(self) -> None:
        """Some parameter changed."""
        raise NotImplementedError

    def forgetNode(self, node) -> None:
        """A node is about to be removed."""
        raise NotImplementedError

    # -- shared --

    def showTexts(self, values, names) -> None:
        """Hide the rows of result texts that are empty; a text ``x`` has the widgets ``xTitle`` and ``xLabel``."""
        for name in names:
            self.showRow(name, bool(getattr(values, name)), ("Title", "Label"))

    def showRow(self, stem: str, isVisible: bool, endings: tuple[str, ...]) -> None:
        for ending in endings:
            getattr(self.ui, stem + ending).setVisible(isVisible)

    def showError(self, error: Exception) -> None:
        """A user's mistake is shown as it is; anything else is our defect and keeps its traceback in the log."""
        message = str(error)
        if not isinstance(error, InputError):
            message = self.failedText.format(error=error)
            logging.error("%s: %s", self.moduleName, message, exc_info=error)
        self._statusLabel.text = message
        slicer.util.errorDisplay(message, windowTitle=self.windowTitle())

    def saveReport(self, name: str, write: Callable[[str], None]) -> None:
        """Ask for a file, see to the packages that reports need, and let ``write`` make the file; the status tells."""
        path = chooseFileToSave(_("Save the report"), name, "HTML (*.html)")
        if not path:
            return
        try:
            if not ensurePackages(REPORT, self.windowTitle()):
                self._statusLabel.text = _("No report was saved: its packages are not installed.")
                return
            with slicer.util.WaitCursor():
                write(path)
        except Exception as error:  # noqa: BLE001 - sorted by showError
            self.showError(error)
            return
        self._statusLabel.text = _("The report was saved: {path}").format(path=path)

    def windowTitle(self) -> str:
        """Of messages."""
        return _("NPC Response")


def enable(button, reasonNot: str, toolTip: str) -> None:
    """Enable a button unless there is a reason not to; its tool tip then tells the reason."""
    button.enabled = not reasonNot
    button.toolTip = reasonNot or toolTip
