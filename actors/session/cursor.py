"""The opaque place in a session's events from which a reader goes on."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ..errors import InvalidCursor, WrongSession
from ..ports import SessionId

START: Final = "start"
"""The cursor before everything: reading after it gives the session from its beginning."""

_PREFIX: Final = "gr1"
# Python's int() also takes other digits, '1_0', ' 7' and '-1'; a cursor has one spelling.
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_MAX: Final = 2**64 - 1


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """A place after one event: revision `revision`, position `position` of epoch `epoch`.

    Epoch 0 means that the event was read from the journal: its position is not known.
    `incarnation` tells a session from an earlier one of the same id in a store that was lost.
    """

    session: SessionId
    incarnation: str
    epoch: int
    revision: int
    position: int

    def __repr__(self) -> str:
        return f"<Cursor {self}>"

    def __str__(self) -> str:
        return (
            f"{_PREFIX}.{self.epoch}.{self.revision}.{self.position}"
            f".{self.incarnation}.{self.session}"
        )


def parse(token: object, session: SessionId) -> Cursor:
    """The cursor that `token` spells, which must be one of `session`.

    Raises:
        InvalidCursor: greenroom has not issued it; the error says which part is wrong.
        WrongSession: it belongs to another session.
    """
    if token == START:
        return Cursor(session, "", 0, 0, 0)
    if not isinstance(token, str) or not token.startswith(_PREFIX + "."):
        raise InvalidCursor(token, f"'start' or a token beginning with {_PREFIX}.")
    parts = token.split(".", 5)
    if len(parts) != 6 or not parts[5]:
        raise InvalidCursor(token, "complete: its session id is missing")
    epoch, revision, position = (
        _number(token, part, what)
        for part, what in zip(parts[1:4], ("epoch", "revision", "position"), strict=True)
    )
    if parts[5] != session:
        raise WrongSession(expected=session, actual=parts[5])
    return Cursor(session, parts[4], epoch, revision, position)


def _number(token: str, part: str, what: str) -> int:
    if not _DECIMAL.fullmatch(part) or (number := int(part)) > _MAX:
        raise InvalidCursor(token, f"written with a plain decimal {what} below 2^64")
    return number
