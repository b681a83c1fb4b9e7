"""Sessions: how they are made, looked at, and ended."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from ....actors.session.info import SessionInfo
from ....actors.session.settings import Settings
from ..call import Call
from ..endpoint import Endpoint, endpoint


class NewSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session begins with. Without `id` it gets a random one; `if_exists`: what happens if
    there is one with that id."""

    id: str | None = None
    name: str = ""
    user_name: str | None = None
    start: bool = True
    settings: Settings = msgspec.field(default_factory=Settings)
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    memories: list[str] = msgspec.field(default_factory=list)
    if_exists: Literal["raise", "return"] = "raise"


@endpoint("POST", "/v1/sessions", tag="sessions", status=201, raises=("exists", "capacity"))
async def create_session(call: Call, body: NewSession) -> SessionInfo:
    """Make a session with the caller as its owner and host."""
    options: dict[str, Any] = {
        "name": body.name,
        "user_name": body.user_name,
        "start": body.start,
        "settings": body.settings,
        "context": body.context,
        "memories": body.memories,
    }
    if body.id is not None and body.if_exists == "return":
        session = await call.runtime.get_or_create(call.user, id=body.id, **options)
    else:
        session = await call.runtime.create(call.user, id=body.id, **options)
    call.headers["location"] = f"/v1/sessions/{session.id}"
    return await session.info()


@endpoint("GET", "/v1/sessions/{id}", tag="sessions", raises=("not_found",))
async def get_session(call: Call, id: str) -> SessionInfo:  # noqa: A002
    """One session at a glance. For participants."""
    session = await call.membership(id)
    return await session.info()


ENDPOINTS: Final[tuple[Endpoint, ...]] = (create_session, get_session)
