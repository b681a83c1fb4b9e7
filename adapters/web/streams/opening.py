"""What both kinds of streams are asked for, and who may have them."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import HTTPConnection

from ....supervisor.session import Session
from ..errors import WrongShape
from ..hall import Hall
from ..principal import Principal

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks to follow which session: from `after` on, and with which events.

    With `presence` the room is shown that the user is there while the stream is open.
    """

    principal: Principal
    session: Session
    after: str | None
    kinds: tuple[str, ...] | None
    presence: bool


async def opening(hall: Hall, connection: HTTPConnection) -> Opening:
    """What is asked for.

    `Last-Event-ID` goes before `?cursor=`: a browser that connects again by itself sends the
    address that it has begun with, and the header of where it is. Whether the session is there,
    and lets the user read, is not looked at yet.

    Raises InvalidInput, and what `Hall.principal` does.
    """
    principal = await hall.principal(connection, stream=True)
    session = hall.runtime.session(connection.path_params["id"])
    query = connection.query_params
    kinds = query.get("kinds")
    presence = query.get("presence", "false")
    if presence not in _BOOLEANS:
        raise WrongShape("presence", "true or false")
    return Opening(
        principal=principal,
        session=session,
        after=connection.headers.get("last-event-id") or query.get("cursor") or None,
        kinds=None if kinds is None else tuple(kind for kind in kinds.split(",") if kind),
        presence=_BOOLEANS[presence],
    )
