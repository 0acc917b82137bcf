"""Which column of a table is meant by a name of the specification. Only a proposal: whoever uses it must show it."""

import difflib
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError

ALIKE = 0.8  # difflib's ratio; below, two names are rather two quantities than two spellings
# Names that differ in one of these are different quantities, however alike they look.
TELLING_WORDS = ("pre", "post", "before", "after", "left", "right")


class Match(enum.Enum):
    """How a column was found."""

    EXACT = "same name"
    NEAREST = "nearest name"
    CHOSEN = "chosen"
    NONE = "none"


@dataclass(frozen=True)
class ColumnChoice:
    """Attributes:
    needed: the specification's name. column: the table's; "" for none.
    is_optional: the analysis can do without.
    """

    needed: str
    column: str
    match: Match
    is_optional: bool = False

    @property
    def differs(self) -> bool:
        return bool(self.column) and self.column != self.needed


def choose_columns(
    needed: Sequence[str],
    known: Sequence[str],
    chosen: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
) -> tuple[ColumnChoice, ...]:
    """For each needed column what somebody chose, else the same name, else the nearest of those nobody else has.

    Args:
        chosen: by hand; a column that the table does not have counts as not chosen.
        optional: those of the needed ones that may be missing.
    """
    chosen = {name: column for name, column in (chosen or {}).items() if name in needed and column in known}
    found = dict(chosen)
    found |= {name: name for name in needed if name not in chosen and name in known}
    matches = {name: Match.CHOSEN if name in chosen and chosen[name] != name else Match.EXACT for name in found}
    pairs = [(_likeness(name, column), name, column) for name in needed for column in known if name not in found]
    for likeness, name, column in sorted(pairs, key=lambda pair: -pair[0]):
        if likeness >= ALIKE and name not in found and column not in found.values():
            found[name], matches[name] = column, Match.NEAREST
    return tuple(
        ColumnChoice(name, found.get(name, ""), matches.get(name, Match.NONE), name in optional) for name in needed
    )


def check_columns(choices: Sequence[ColumnChoice], source: str) -> None:
    """
    Raises:
        InputError: a column that is missing, or one that is chosen twice.
    """
    for choice in choices:
        if not (choice.column or choice.is_optional):
            raise InputError(f'no column is chosen for "{choice.needed}"', where=source, remedy="Choose one")
    seen: dict[str, str] = {}
    for choice in choices:
        if choice.column and choice.column in seen:
            both = f'"{seen[choice.column]}" and "{choice.needed}"'
            raise InputError(
                f'the column "{choice.column}" is chosen for {both}', where=source, remedy="Choose another"
            )
        seen[choice.column] = choice.needed


def notes_on_columns(choices: Sequence[ColumnChoice]) -> tuple[str, ...]:
    """A sentence for each column that is called otherwise in the table, and for each that is missing."""
    renamed = (
        f'"{choice.needed}" was read from the column "{choice.column}" ({choice.match.value}).'
        for choice in choices
        if choice.differs
    )
    missing = (
        f'The table has no second observer "{choice.needed}": the first one\'s value counts, without agreement.'
        for choice in choices
        if not choice.column
    )
    return (*renamed, *missing)


def _likeness(first: str, second: str) -> float:
    """0 to 1; 0 for names with other numbers or other telling words in them."""
    plain = ["".join(re.findall(r"[^\W_]+", name.casefold())) for name in (first, second)]
    telling = [(re.findall(r"\d+", each), [word for word in TELLING_WORDS if word in each]) for each in plain]
    if telling[0] != telling[1]:
        return 0.0
    return 1.0 if plain[0] == plain[1] else difflib.SequenceMatcher(None, *plain).ratio()
