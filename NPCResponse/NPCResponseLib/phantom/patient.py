"""Who is simulated: when, and how the tumor takes the treatment."""

import enum

from ..errors import InputError


class TimePoint(enum.Enum):
    """Before chemoradiotherapy, or after it.

    One patient has to do for two papers: after is R2* as within a week of the end, blood flow as at 40 Gy, size as at
    three months.
    """

    PRE = "pre"
    POST = "post"


class Response(enum.Enum):
    """Whether the tumor shrinks by a partial response of RECIST 1.1 (responder) or stays stable."""

    RESPONDER = "responder"
    NON_RESPONDER = "non-responder"


def choose(kind: type[enum.Enum], value):
    try:
        return kind(value)
    except ValueError:
        allowed = " or ".join(repr(member.value) for member in kind)
        raise InputError(f"the phantom knows no {value!r}", remedy=f"Choose {allowed}") from None
