"""Making a session over a network on which an answer may be lost: once, however often asked."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ....actors.errors import IdempotencyConflict, NotMember, SessionExists
from ....actors.ports import SessionId
from ....actors.session.settings import Settings
from ....actors.session.state import Genesis, decode_genesis
from ....supervisor.session import Session
from ..call import Call
from ..errors import WrongShape

MIN_KEY: Final = 16


class NewSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a session admits people and turns, and what it retains; fixed when it is created."""


class NewSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session begins with.

    Without `id` it gets one of its own. `if_exists` says what happens if there is a session with
    that `id` already: it is an error, or it is returned, if the caller takes part in it.
    `user_name` is how its owner is shown. With `start` false it takes no messages until the host
    starts it. `context` and `memories` are what its participants share from the beginning.
    """

    id: str | None = None
    name: str = ""
    user_name: str | None = None
    start: bool = True
    settings: NewSettings = msgspec.field(default_factory=NewSettings)
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    memories: Annotated[list[str], Meta(max_length=10_000)] = msgspec.field(default_factory=list)
    if_exists: Literal["raise", "return"] = "raise"


async def created(call: Call, body: NewSession) -> Session:
    """The session that `body` asks for, and whether it was there, by the status of the call.

    Raises SessionExists, IdempotencyConflict and whatever the creation of a session may.
    """
    options = _options(call, body)
    if call.key is not None:
        return await _created_once(call, call.key, body, options)
    if body.id is None or body.if_exists == "raise":
        return await call.runtime.create(call.user, id=body.id, **options)
    if await call.runtime.find(body.id) is not None:
        call.status = 200
    return await _obtained(call, body.id, options)


async def _created_once(call: Call, key: str, body: NewSession, options: dict[str, Any]) -> Session:
    """A repeat finds the session that the first request has made, also after a restart.

    The id is the key's, so nothing else need be kept: what was asked for first is in the journal,
    as what the session began with.
    """
    id = _id_of(call.user, key) if body.id is None else body.id  # noqa: A001
    session = await _obtained(call, id, options)
    beginning = await call.runtime.journal.beginning(id)
    if not _is_asked_for(call.user, options, decode_genesis(beginning.genesis)):
        if body.id is None:
            raise IdempotencyConflict(id, key)
        if body.if_exists == "raise":
            raise SessionExists(id)
        call.status = 200
    return session


async def _obtained(call: Call, id: SessionId, options: dict[str, Any]) -> Session:  # noqa: A002
    """The session, made if there is none. Of somebody else's it is told that the id is taken."""
    try:
        return await call.runtime.get_or_create(call.user, id=id, **options)
    except NotMember:
        raise SessionExists(id) from None


def _options(call: Call, body: NewSession) -> dict[str, Any]:
    return {
        "name": body.name,
        "user_name": body.user_name or call.principal.name or None,
        "start": body.start,
        "settings": Settings(**msgspec.structs.asdict(body.settings)),
        "context": body.context,
        "memories": body.memories,
    }


def _id_of(user: str, key: str) -> SessionId:
    """The id of the session that `user` makes under `key`: always the same, and nobody else's.

    Whoever knows the id may ask to join, so the key may not be one that others guess.
    """
    if len(key) < MIN_KEY:
        limit = f"at least {MIN_KEY} characters, hard to guess, where it makes the session's id"
        raise WrongShape("Idempotency-Key", limit)
    named = f"{len(user)}:{user}{key}".encode()
    return f"k{blake2b(named, digest_size=16).hexdigest()}"


def _is_asked_for(user: str, options: dict[str, Any], genesis: Genesis) -> bool:
    """Whether a session that began so was asked for by `user` with these options.

    How its owner is shown is not compared: it may come from credentials, which are renewed.
    """
    return (
        genesis.owner == user
        and genesis.origin is None
        and genesis.name == options["name"]
        and genesis.started == options["start"]
        and genesis.settings == options["settings"]
        and genesis.context == options["context"]
        and genesis.memories == options["memories"]
    )
