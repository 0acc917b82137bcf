"""What every section with a long job shares: Apply that becomes Cancel, progress, and how a run ends."""

from slicer.i18n import tr as _

from .runner import Outcome, Runner
from .section import Section


class JobSection(Section):
    """Base of a section whose Apply button runs a job (an object with ``steps()``) in the background.

    A subclass sets the names below, and implements ``createJob``, ``jobNodes``, ``finishJob``, ``updateButtons`` and
    ``onModified``.

    Attributes:
        applyName, progressName, statusName: names of the Apply button, the progress bar and the status label in the UI.
        runningText: the status while it runs. failedText: a message with {error}, for defects.
    """

    applyName = progressName = ""
    runningText = ""

    def __init__(self, ui):
        super().__init__(ui)
        self._runner: Runner | None = None
        self._job = None
        self._nodesOfJob: list = []
        self.connectButton(self._applyButton, self.onApply)
        self._progressBar.setVisible(False)

    @property
    def _applyButton(self):
        return getattr(self.ui, self.applyName)

    @property
    def _progressBar(self):
        return getattr(self.ui, self.progressName)

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
