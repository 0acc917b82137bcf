"""Where a result comes from: software, versions, inputs by hash, parameters; without names of persons or folders."""

import hashlib
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from .. import __version__

PACKAGES = ("numpy", "scipy", "SimpleITK", "pydicom", "slicer-core", "matplotlib")
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class InputRecord:
    """One input of a measurement.

    Attributes:
        label: what it is ("image 1", "segmentation"); a file's name only if its owner asked for it.
        kind: the file's extension, or "folder of 120 files".
        sha256: of the file's bytes; of a folder, of its files' sorted hashes.
    """

    label: str
    kind: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What the foot of a report says. ``parameters`` are (name, value) pairs as the user would type them."""

    created: datetime
    parameters: tuple[tuple[str, str], ...] = ()
    inputs: tuple[InputRecord, ...] = ()
    software_version: str = __version__
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def now(
        cls,
        parameters: Iterable[tuple[str, str]] = (),
        inputs: Iterable[InputRecord] = (),
        created: datetime | None = None,
    ) -> "Provenance":
        return cls(
            created=created or datetime.now(timezone.utc),
            parameters=tuple(parameters),
            inputs=tuple(inputs),
            versions=installed_versions(),
        )


def installed_versions() -> dict[str, str]:
    """Versions of Python, the machine's kind, and the packages that a number may depend on."""
    versions = {"Python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # inside Slicer some of them belong to the application and have no metadata
    return versions


def input_record(path: Path, label: str) -> InputRecord:
    """Hash a file, or all files below a folder; the file's name is not kept."""
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
        together = hashlib.sha256("\n".join(sorted(_sha256(file) for file in files)).encode("ascii"))
        return InputRecord(label, f"folder of {len(files)} files", together.hexdigest())
    return InputRecord(label, file_extension(path), _sha256(path))


def file_extension(path: Path) -> str:
    """ ".nii.gz" and ".seg.nrrd" whole; any other extension alone, so that no part of a dotted name slips through."""
    name = path.name.lower()
    double = next((ending for ending in (".nii.gz", ".seg.nrrd", ".seg.nhdr") if name.endswith(ending)), None)
    if double:
        return double
    suffix = path.suffix.lower()
    # "IM0001.1.2.840..." and the like are no extensions.
    return suffix if suffix[1:].isalpha() and len(suffix) <= 6 else "file"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


class NameCloak:
    """Replaces the names of input files and of their folders by neutral labels in any text of a report.

    A warning from a reader may name the file it is about, and a file's name often holds a patient's.
    """

    def __init__(self, paths: Sequence[tuple[Path, str]]):
        hidden: dict[str, str] = {}
        for path, label in paths:
            for text in (str(path), str(path.resolve()), path.name, path.resolve().name, _stem(path)):
                hidden.setdefault(text, label)
            for folder in path.resolve().parents:
                if folder.name:
                    hidden.setdefault(f"{folder}/", "")
            for file in path.rglob("*") if path.is_dir() else ():
                hidden.setdefault(file.name, f"a file of the {label}")
                hidden.setdefault(_stem(file), f"a file of the {label}")
        # Longest first, so that a path goes before the name it ends with; very short names would hit ordinary words.
        self._hidden = sorted(
            ((text, label) for text, label in hidden.items() if len(text) > 3), key=lambda e: -len(e[0])
        )

    def __call__(self, text: str) -> str:
        for hidden, label in self._hidden:
            text = text.replace(hidden, label)
        return text


def _stem(path: Path) -> str:
    """The name without its extension, which stays recognizable in a sidecar's name."""
    extension = file_extension(path)
    return path.name[: -len(extension)] if path.name.lower().endswith(extension) else path.name
