"""Facts about an image from the JSON file beside it, as the Brain Imaging Data Structure (BIDS) defines them.

Sidecar of ``x.nii.gz`` is ``x.json``; in a BIDS data set also the files that apply by its inheritance principle, from
the folder of the image up to the one that holds ``dataset_description.json``. BIDS gives EchoTime in seconds.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .components import Component, from_image_type, from_word
from .file_discovery import IMAGE_SUFFIXES

# No echo of a clinical scan is later than half a second, and none in milliseconds comes before it.
LONGEST_ECHO_TIME_S = 0.5
_LEVELS_UP = 4  # session, subject, data set, with one to spare
# The JSON files of a data set that describe no image.
_NO_SIDECARS = {"dataset_description", "participants"}


@dataclass(frozen=True)
class SidecarFacts:
    """What the sidecars say; None or empty where they are silent."""

    echo_times_s: tuple[float, ...] = ()
    field_strength_t: float | None = None
    slice_thickness_mm: float | None = None
    component: Component | None = None
    manufacturer: str = ""
    units: str = ""


def stem_of(path: Path) -> str:
    """File name without the suffix of an image format (``.nii.gz`` is one suffix)."""
    name = path.name
    for suffix in (".seq.nrrd", *IMAGE_SUFFIXES):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def read_sidecar_facts(image_path: Path) -> SidecarFacts:
    """Facts from all sidecars of an image; the nearest one wins.

    Raises:
        InputError: a sidecar that is no JSON object, or a value that is no number.
    """
    facts, where = sidecar_values(image_path), stem_of(image_path) + ".json"
    return SidecarFacts(
        echo_times_s=_echo_times(facts.get("EchoTime"), where),
        field_strength_t=_positive(facts, "MagneticFieldStrength", where),
        slice_thickness_mm=_positive(facts, "SliceThickness", where),
        component=_component(facts),
        manufacturer=str(facts.get("Manufacturer") or ""),
        units=str(facts.get("Units") or ""),
    )


def sidecar_values(image_path: Path) -> dict:
    """All that the sidecars say, numbers as float; the nearest one wins.

    Raises:
        InputError: a sidecar that is no JSON object.
    """
    values: dict = {}
    for path in _sidecars(image_path):
        values.update(_read_object(path))
    return values


def repeated_values(image_path: Path, key: str) -> list:
    """All values of a key at the top level of the image's own sidecar: JSON lets a key come twice, and tools do so."""
    path = image_path.with_name(stem_of(image_path) + ".json")
    if not path.is_file():
        return []
    found: list = []

    def keep(pairs):
        found[:] = [value for name, value in pairs if name == key]  # the outermost object comes last
        return dict(pairs)

    json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=keep)
    return found


def data_set_folders(image_path: Path) -> list[Path]:
    """From the image's folder up to the root of its BIDS data set; only the image's own if there is none."""
    folders = list(image_path.absolute().parents)[:_LEVELS_UP]
    for n, folder in enumerate(folders):
        if (folder / "dataset_description.json").is_file():
            return folders[: n + 1]
    return folders[:1]


def echo_times_ms(facts: SidecarFacts, where: str) -> tuple[float, ...]:
    """Echo times in ms.

    Raises:
        InputError: they cannot be seconds. They are not converted on suspicion: 8 may be 8 ms as well as a slip.
    """
    if any(time_s > LONGEST_ECHO_TIME_S for time_s in facts.echo_times_s):
        shown = " / ".join(f"{time_s:g}" for time_s in facts.echo_times_s)
        raise InputError(
            f"EchoTime {shown} looks like milliseconds, a BIDS sidecar gives seconds",
            where=where,
            remedy="Correct the sidecar, or type the echo times in milliseconds",
        )
    return tuple(round(time_s * 1000, 6) for time_s in facts.echo_times_s)


def _sidecars(image_path: Path) -> list[Path]:
    """Existing sidecars, those of the widest scope first."""
    own = image_path.with_name(stem_of(image_path) + ".json")
    inherited = []
    for folder in data_set_folders(image_path):
        inherited = [path for path in sorted(folder.glob("*.json")) if _applies(path, image_path)] + inherited
    return [path for path in inherited if path != own] + ([own] if own.is_file() else [])


def _applies(json_path: Path, image_path: Path) -> bool:
    """Inheritance: same suffix (MEGRE), and no entity (echo-2) that the image's name does not have."""
    *entities, suffix = json_path.stem.split("_")
    *image_entities, image_suffix = stem_of(image_path).split("_")
    if json_path.stem in _NO_SIDECARS or suffix != image_suffix:
        return False
    return set(entities) <= set(image_entities) and all(re.fullmatch(r"[a-zA-Z]+-.+", entity) for entity in entities)


def _read_object(path: Path) -> dict:
    try:
        # All numbers as float: an integer of hundreds of digits becomes infinity, which the checks below refuse.
        content = json.loads(path.read_text(encoding="utf-8-sig"), parse_int=float)
    except (ValueError, RecursionError) as error:  # covers wrong JSON and wrong encoding
        raise InputError("it is not valid JSON", where=path.name, remedy="Correct or remove it") from error
    except OSError as error:
        raise InputError("it cannot be read", where=path.name, remedy="Check the permissions") from error
    if not isinstance(content, dict):
        raise InputError("it holds no JSON object of facts", where=path.name, remedy="Correct or remove it")
    return content


def _echo_times(value, where: str) -> tuple[float, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(_is_number(item) for item in values):
        raise InputError(
            f"EchoTime must be a number or a list of numbers in seconds, found {json.dumps(value)[:60]}",
            where=where,
            remedy="Correct the sidecar",
        )
    return tuple(float(item) for item in values)


def _positive(facts: dict, key: str, where: str) -> float | None:
    value = facts.get(key)
    if value is None:
        return None
    if not _is_number(value) or not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{key} must be a positive number, found {json.dumps(value)[:60]}",
            where=where,
            remedy="Correct the sidecar",
        )
    return float(value)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _component(facts: dict) -> Component | None:
    said = from_word(facts.get("ComplexImageComponent") or "")
    image_type = facts.get("ImageType")
    return said or (from_image_type(image_type) if isinstance(image_type, list) else None)
