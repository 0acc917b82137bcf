"""Files and folders that the user chooses."""

import qt
import slicer


def chooseFiles(title: str, nameFilter: str) -> list[str]:
    """One or more existing files; empty when the user cancels."""
    dialog = _dialog(title)
    dialog.setFileMode(qt.QFileDialog.ExistingFiles)
    dialog.setNameFilter(nameFilter)
    return _chosen(dialog)


def chooseFile(title: str, nameFilter: str) -> str:
    """One existing file; "" when the user cancels."""
    dialog = _dialog(title)
    dialog.setFileMode(qt.QFileDialog.ExistingFile)
    dialog.setNameFilter(nameFilter)
    return next(iter(_chosen(dialog)), "")


def chooseFolder(title: str) -> str:
    """An existing folder; "" when the user cancels."""
    dialog = _dialog(title)
    dialog.setFileMode(qt.QFileDialog.Directory)
    dialog.setOption(qt.QFileDialog.ShowDirsOnly, True)
    return next(iter(_chosen(dialog)), "")


def chooseFileToSave(title: str, name: str, nameFilter: str) -> str:
    """A file to be written; "" when the user cancels. The dialog asks before an old one is replaced."""
    dialog = _dialog(title)
    dialog.setFileMode(qt.QFileDialog.AnyFile)
    dialog.setAcceptMode(qt.QFileDialog.AcceptSave)
    dialog.setNameFilter(nameFilter)
    dialog.setDefaultSuffix(name.rpartition(".")[2])
    dialog.selectFile(name)
    return next(iter(_chosen(dialog)), "")


def _dialog(title: str):
    dialog = qt.QFileDialog(slicer.util.mainWindow(), title)
    if slicer.app.testingEnabled():  # a test cannot see, nor close, a dialog of the operating system
        dialog.setOption(qt.QFileDialog.DontUseNativeDialog, True)
    return dialog


def _chosen(dialog) -> list[str]:
    accepted = dialog.exec_()
    paths = list(dialog.selectedFiles()) if accepted else []
    dialog.deleteLater()
    return paths
