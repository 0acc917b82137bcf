"""Python packages that Slicer does not ship: looked for, and installed on a click if the user agrees."""

import importlib
import importlib.util
from collections.abc import Mapping

import slicer
from slicer.i18n import tr as _

REPORT = {"matplotlib": "matplotlib", "jinja2": "jinja2"}  # name to import: name to install
SPECIFICATION = {"pydantic": "pydantic", "yaml": "PyYAML"}
SPREADSHEET, PARQUET = {"openpyxl": "openpyxl"}, {"pyarrow": "pyarrow"}


def missingPackages(packages: Mapping[str, str]) -> list[str]:
    """Names to install of those that cannot be imported."""
    return [toInstall for name, toInstall in packages.items() if importlib.util.find_spec(name) is None]


def ensurePackages(packages: Mapping[str, str], requester: str = "NPC Response") -> bool:
    """Whether the packages are there; what is missing is installed if the user agrees.

    Args:
        requester: who needs them, for the question.
    """
    missing = missingPackages(packages)
    if not missing:
        return True
    try:
        from slicer import packaging  # since Slicer 5.12; asks by itself. Nothing imports it at start-up.
    except ImportError:
        packaging = None
    if packaging is not None:
        try:
            packaging.pip_ensure(missing, requester=requester)
        except RuntimeError:
            return False  # the user declined
    else:
        question = _("This needs the Python packages {names}. Install them now?").format(names=", ".join(missing))
        if not slicer.util.confirmOkCancelDisplay(question):
            return False
        slicer.util.pip_install(missing)
    importlib.invalidate_caches()
    return not missingPackages(packages)
