"""What every section with a long job shares: Apply that becomes Cancel, progress, and how errors are shown."""

import logging

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from .runner import Outcome, Runner


class JobSection:
    """Base of a section whose Apply button runs a job (an object with ``steps()``) in the background.

    A subclass sets the names below, and implements ``createJob``, ``jobNodes``, ``finishJob``, ``updateButtons`` and
    ``onModified``.

    Attributes:
        applyName, progressName, statusName: names of the Apply button, the progress bar and the status label in the UI.
        runningText: the status while it runs. failedText: a message with {error}, for defects.
    """

    applyName = progressName = statusName = ""
    runningText = failedText = ""

    def __init__(self, ui):
        self.ui = ui
        self._runner: Runner | None = None
        self._job = None
        self._nodesOfJob: list = []
        self._buttons: list[tuple[object, object]] = []
        self.connectButton(self._applyButton, self.onApply)
        self._progressBar.setVisible(False)

    def connectButton(self, button, slot) -> None:
        """Connect a button until ``disconnectWidgets``."""
        button.connect("clicked(bool)", slot)
        self._buttons.append((button, slot))

    def disconnectWidgets(self) -> None:
        """Before the panel goes away: a connection keeps its bound method, and with it this object, alive."""
        for button, slot in self._buttons:
            button.disconnect("clicked(bool)", slot)
        self._buttons.clear()

    @property
    def _applyButton(self):
        return getattr(self.ui, self.applyName)

    @property
    def _progressBar(self):
        return getattr(self.ui, self.progressName)

    @property
    def _statusLabel(self):
        return getattr(self.ui, self.statusName)

    @property
    def isRunning(self) -> bool:
        return self._runner is not None

    # -- for subclasses --

    def createJob(self):
        """The job that the parameters describe, or None to do nothing. May raise."""
        raise NotImplementedError

    def jobNodes(self) -> list:
        """Nodes without which a run makes no sense: when one goes, the run is canceled."""
        raise NotImplementedError

    def finishJob(self, job) -> str:
        """Write and show the results of a job whose steps are done; returns the status. May raise."""
        raise NotImplementedError

    def updateButtons(self) -> str:
        """Enable what can be pressed; returns why Apply cannot, or ""."""
        raise NotImplementedError

    # -- a run --

    def onApply(self, *_unused) -> None:
        if self._runner is not None:
            self.cancel()
            return
        try:
            self._job = self.createJob()
        except Exception as error:  # noqa: BLE001 - sorted into the user's mistakes and our defects by showError
            self.showError(error)
            return
        if self._job is None:
            return
        self._nodesOfJob = self.jobNodes()
        self._progressBar.setValue(0)
        self._progressBar.setVisible(True)
        self._statusLabel.text = self.runningText
        self._runner = Runner(self._job.steps(), self.onProgress, self.onDone)
        self._runner.start()
        self.updateButtons()

    def cancel(self) -> None:
        if self._runner is not None:
            self._runner.cancel()

    def cancelIfUsing(self, node) -> None:
        """A node is about to be removed."""
        if node in self._nodesOfJob:
            self.cancel()

    def onProgress(self, fraction: float) -> None:
        self._progressBar.setValue(round(100 * fraction))

    def onDone(self, outcome: Outcome, error: Exception | None) -> None:
        """The run stopped: write and show the results, or say why there are none."""
        job, self._job, self._nodesOfJob, self._runner = self._job, None, [], None
        self._progressBar.setVisible(False)
        if outcome is Outcome.CANCELED:
            self._statusLabel.text = _("Canceled. Nothing was written.")
        elif outcome is Outcome.FAILED:
            self.showError(error)
        else:
            try:
                self._statusLabel.text = self.finishJob(job)
            except Exception as failure:  # noqa: BLE001 - sorted by showError
                self.showError(failure)
        self.updateButtons()

    def showError(self, error: Exception) -> None:
        """A user's mistake is shown as it is; anything else is our defect and keeps its traceback in the log."""
        message = str(error)
        if not isinstance(error, InputError):
            message = self.failedText.format(error=error)
            logging.error("NPCResponse: %s", message, exc_info=error)
        self._statusLabel.text = message
        slicer.util.errorDisplay(message, windowTitle=_("NPC Response"))


def enable(button, reasonNot: str, toolTip: str) -> None:
    """Enable a button unless there is a reason not to; its tool tip then tells the reason."""
    button.enabled = not reasonNot
    button.toolTip = reasonNot or toolTip
