"""A result of this session with what it rests on: a report must not mix results that do not belong together. No Qt."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True, eq=False)
class SessionRecord:
    """What is remembered of a run.

    Attributes:
        result: what the job returned.
        basis: the record of the result that this one was computed from; None if it is none of this session.
        remark: what is to be known about the basis; "" if nothing.
        choices: what was chosen, as pairs of the options of ``npc-radiomics`` and their values.
    """

    result: object
    basis: Optional["SessionRecord"] = None
    remark: str = ""
    choices: tuple[tuple[str, str], ...] = ()


def result_of(record: SessionRecord | None):
    return record.result if record is not None else None
