"""Images of an arterial spin labeling acquisition as one kind of file gives them, before the user's word is heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..asl_series import AslRole
from ..errors import InputError

# What a message calls an image.
ROLE_WORDS = {
    AslRole.CONTROL: "control",
    AslRole.LABEL: "label",
    AslRole.M0: "M0",
    AslRole.DIFFERENCE: "control - label",
    AslRole.FLOW: "flow map",
}
TYPED = "typed by the user"


@dataclass(frozen=True)
class Fact:
    """A value and where it was found, in words fit for a report."""

    value: Any
    source: str


@dataclass(frozen=True)
class AslImages:
    """What files say, nothing more.

    Attributes:
        volumes: KJI arrays of one shape, in the order of acquisition.
        labels: what a message calls each of them.
        roles: one per volume; None where the files do not tell.
        roles_source: where the roles were found; "" if nowhere.
        delays_ms: post-labeling delay of each volume, None where unknown or not applicable.
        facts: by name of a field of AslSeries, only what is known. Also "post_labeling_delays_ms", whose value is not
            used (``delays_ms`` has them) but whose source is.
        where: file or series, for messages.
    """

    volumes: tuple[np.ndarray, ...]
    labels: tuple[str, ...]
    roles: tuple[AslRole | None, ...]
    roles_source: str
    delays_ms: tuple[float | None, ...]
    ijk_to_ras: np.ndarray
    where: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    name: str = "ASL"
    warnings: tuple[str, ...] = ()

    def has(self, *roles: AslRole) -> bool:
        return any(role in self.roles for role in roles)


@dataclass(frozen=True)
class TypedFacts:
    """What the user typed; None where nothing."""

    roles: tuple[AslRole, ...] | None = None
    delays_ms: tuple[float, ...] | None = None
    label_duration_ms: float | None = None
    perfusion_scale: float | None = None


def parse_roles(roles: Sequence[AslRole | str] | None) -> tuple[AslRole, ...] | None:
    """Roles by their BIDS words, in any case.

    Raises:
        InputError: a word that names no role.
    """
    if roles is None:
        return None
    words = [roles] if isinstance(roles, (str, AslRole)) else list(roles)
    return tuple(word if isinstance(word, AslRole) else role_from_word(word) for word in words) or None


def role_from_word(word: str, where: str = "") -> AslRole:
    """Raises InputError for a word that names no role."""
    try:
        return AslRole(str(word).strip().lower())
    except ValueError as error:
        known = ", ".join(role.value for role in AslRole)
        raise InputError(
            f"“{str(word).strip()[:40]}” names no kind of ASL image", where=where, remedy=f"Use {known}"
        ) from error


def check_role_count(n_roles: int, n_volumes: int, where: str, source: str = "typed roles") -> None:
    """Raise InputError unless there is one role per volume."""
    if n_roles != n_volumes:
        raise InputError(
            f"{n_roles} {source} for {n_volumes} {'volume' if n_volumes == 1 else 'volumes'}",
            where=where,
            remedy="Give one role per volume, in the order of the volumes",
        )


def typed_over_found(
    typed: Sequence[AslRole], found: Sequence[AslRole | None], found_source: str
) -> tuple[tuple[AslRole, ...], str, tuple[str, ...]]:
    """The typed roles, their source, and a warning where the files say otherwise."""
    n_other = sum(role is not None and role is not word for word, role in zip(typed, found, strict=True))
    if not n_other:
        return tuple(typed), TYPED, ()
    said = f"{found_source} said otherwise of {n_other} {'volume' if n_other == 1 else 'volumes'}"
    return tuple(typed), f"{TYPED}; {said}", (f"The typed roles are used; {said}.",)


def names_of(paths: Sequence[Path]) -> str:
    """For messages: one file name, or the first and the last."""
    names = list(dict.fromkeys(path.name for path in paths))
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
