"""The client: a program's sessions, on a server."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from ...actors.errors import ConfigError, SessionNotFound
from ...actors.kernel.reply import Reply
from ...actors.ports import Clock, IndexRow, SessionId, SessionPage, UserId
from ...actors.session import values
from ...actors.session.info import SessionInfo
from ...actors.session.records import SessionRecords
from ...actors.session.secret import Secret
from ...actors.session.settings import Settings
from ...supervisor.handles.base import follow
from ...supervisor.session import Session
from ..system import SystemClock, new_id
from ..web.places import token_of
from .errors import NotRemote, NotYou
from .house import House
from .link import Link
from .request import Request, as_

PATIENCE_S: Final = 60.0


class _Me(msgspec.Struct):
    user: str
    scopes: list[str]


class _Rows(msgspec.Struct):
    rows: list[IndexRow]
    next: str | None = None


_info: Final = as_(SessionInfo)
_rows: Final = as_(_Rows)


class Client(House):
    """Sessions that a server hosts, with the interface of a `greenroom.Runtime`.

        async with greenroom.client.Client("http://127.0.0.1:8000", token="...") as runtime:
            session = await runtime.create(user="ada")

    Its sessions are `greenroom.Session`s, and every method of theirs means the same, with these
    differences. All is done in the name of the user whose `token` it is: another `user` is refused
    with `NotYou`, before anything is sent. In a session in which that user takes no part everything
    is refused with `SessionNotFound`, as if there were none. What only the session's own process
    can do is refused with `NotRemote`: to keep it awake, to give it a token, and to look at frames.
    Of an error the fields are told that the network tells, and others are None.

    What is asked of one session is sent in the order of the calls, each when the one before has
    been answered; what waits, such as `Turn.result`, holds up nothing. Waiting for nothing but the
    network, a session so takes one command in each round trip; sessions do not wait for each other.
    Methods may be called from any thread, and replies be taken there with `get()`.

    What certainly has not been done is sent again for `patience_s` seconds, with growing pauses, as
    when the server restarts; then it is refused with `Unreachable`. A command that breaks off with
    its connection is sent again if it has a `key`, and so is done once; without one, the reply
    raises `OutcomeUnknown`. Events are read on with the last cursor, over as many connections as it
    takes: none is lost or doubled, and a gap is told as it is by a runtime.

    `clock`, `new_id` (as of a `Runtime`), `draw` (numbers from 0 to 1, for the pauses) and
    `transport` (of HTTP requests, for httpx) are for tests.

    Entering asks the server who the user is. It raises Unauthenticated, or Unreachable. Leaving
    waits until all that was asked has been sent, and answered, unless by an exception. Raises
    ConfigError.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | Secret | None = None,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
        new_id: Callable[[int], str] = new_id,
        draw: Callable[[], float] = random.random,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError("address", address, "as in http://127.0.0.1:8000")
        if type(patience_s) not in (int, float) or not patience_s >= 0:
            raise ConfigError("patience_s", patience_s, "a number of seconds, from 0")
        shown = token.reveal() if isinstance(token, Secret) else token
        link = Link(
            address,
            shown,
            clock=clock or SystemClock(),
            draw=draw,
            patience_s=patience_s,
            transport=transport,
        )
        super().__init__(link, new_id)
        self.scopes: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Client of {self._link.address} for {self.user}>"

    @property
    def is_operator(self) -> bool:
        """Whether the user runs the house."""
        return "operator" in self.scopes

    async def __aenter__(self) -> Self:
        self._begin()
        try:
            me: _Me = await self._link.ask(Request(method="GET", path="/v1/me", to=as_(_Me)))
        except BaseException:
            await self._end(orderly=False)
            await self._link.close()
            raise
        self._link.user, self.scopes = me.user, frozenset(me.scopes)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._end(orderly=exc_type is None)
        finally:
            await self._link.close()

    # --- how sessions begin ---

    def create(
        self,
        user: UserId,
        *,
        id: SessionId | None = None,  # noqa: A002
        name: str = "",
        user_name: str | None = None,
        start: bool = True,
        settings: Settings | None = None,
        context: dict[str, Any] | None = None,
        memories: Sequence[str] = (),
        token: Secret | None = None,
    ) -> Reply[Session]:
        """Make a session with `user` as its owner and host, as `Runtime.create` does.

        Without `id` it is made once, though the connection breaks meanwhile.
        """
        body = _genesis(id, name, user_name, start, settings, context, memories)
        # The server makes the id of a key that nobody can guess: a repeat finds the same session.
        key = self._new_id(16) if id is None else None
        return self._make(user, body, token, key, is_safe=False)

    def get_or_create(
        self,
        user: UserId,
        *,
        id: SessionId,  # noqa: A002
        token: Secret | None = None,
        name: str = "",
        user_name: str | None = None,
        start: bool = True,
        settings: Settings | None = None,
        context: dict[str, Any] | None = None,
        memories: Sequence[str] = (),
    ) -> Reply[Session]:
        """The session `id`, made with `user` as its owner and host if there is none.

        One that is somebody else's, in which `user` takes no part, is refused with SessionExists.
        """
        body = _genesis(id, name, user_name, start, settings, context, memories)
        return self._make(user, body | {"if_exists": "return"}, token, None, is_safe=True)

    def _make(
        self,
        user: UserId,
        body: dict[str, Any],
        token: Secret | None,
        key: str | None,
        *,
        is_safe: bool,
    ) -> Reply[Session]:
        user = values.name(user, "user")
        request = Request(
            method="POST",
            path="/v1/sessions",
            json=body,
            key=key,
            to=lambda answer: _info(answer).id,
            is_safe=is_safe,
        )
        if token is not None:
            refused: Reply[Session] = Reply(self.dispatcher)
            refused.set_error(NotRemote("a session's token"))
            return refused
        lane = body.get("id", "")
        return self._requested(lane, request, user, to=self.session, apart=not lane)

    def delete(self, session: SessionId, user: UserId, archive: bool = True) -> Reply[bool]:
        """Delete a session in the name of `user`: True. False if there is none (any more)."""
        return follow(self.session(session).delete(user, archive), self.dispatcher, _deleted)

    # --- what there is ---

    async def sessions(
        self,
        owner: UserId | None = None,
        state: str | None = None,
        *,
        limit: int = 100,
        after: IndexRow | None = None,
    ) -> SessionPage:
        """A page of the sessions that the user owns, most recently updated first: nobody else's
        are shown. 1,000 of them at most."""
        self._require_me(owner)
        query = {
            "state": state,
            "limit": limit,
            "after": None if after is None else token_of(after),
        }
        told = await self._listed(query)
        return SessionPage(rows=told.rows, more=told.next is not None)

    async def sessions_of(self, user: UserId) -> list[IndexRow]:
        """The active and paused sessions that `user` takes part in, most recently updated first."""
        self._require_me(user)
        rows: list[IndexRow] = []
        after: str | None = None
        while True:
            told = await self._listed({"role": "member", "limit": 1000, "after": after})
            rows += [row for row in told.rows if row.state in ("active", "paused")]
            if told.next is None:
                return rows
            after = told.next

    async def find(self, id: SessionId) -> IndexRow | None:  # noqa: A002
        """One session as listings show it; None if there is none in which the user takes part."""
        session = self.session(id)
        try:
            info = await session.info()
            records = await session.records(self.user)
        except SessionNotFound:
            return None
        return _row(info, records)

    async def owner_of(self, id: SessionId) -> UserId | None:  # noqa: A002
        """Who made the session; None if there is none in which the user takes part."""
        row = await self.find(id)
        return None if row is None else row.owner

    async def may_access(self, user: UserId, id: SessionId) -> bool:  # noqa: A002
        """Whether the user owns the session."""
        self._require_me(user)
        return await self.owner_of(id) == user

    async def _listed(self, query: dict[str, Any]) -> _Rows:
        request = Request(method="GET", path="/v1/sessions", query=query, to=_rows)
        told: _Rows = await self._requested("", request, None, apart=True)
        return told

    def _require_me(self, user: UserId | None) -> None:
        if user is not None and values.name(user, "user") != self.user:
            raise NotYou(user, me=self.user)


def _genesis(
    id: SessionId | None,  # noqa: A002
    name: str,
    user_name: str | None,
    start: bool,
    settings: Settings | None,
    context: dict[str, Any] | None,
    memories: Sequence[str],
) -> dict[str, Any]:
    """What a session begins with. Raises InvalidInput."""
    body: dict[str, Any] = {
        "name": values.text(name, "name", max_bytes=values.MAX_NAME * 4),
        "start": start,
        "context": values.plain({} if context is None else context, "context"),
        "memories": [values.name(memory, "memories") for memory in memories],
    }
    if id is not None:
        body["id"] = values.session_id(id)
    if user_name is not None:
        body["user_name"] = values.name(user_name, "user_name")
    if settings is not None:
        body["settings"] = settings
    return body


def _row(info: SessionInfo, records: SessionRecords) -> IndexRow:
    return IndexRow(
        id=info.id,
        owner=info.owner,
        name=info.name,
        state=info.state,
        created_ms=info.created_ms,
        updated_ms=info.updated_ms,
        participants=len(info.participants),
        messages=info.messages,
        events=info.events,
        title=records.title,
        language=records.language,
        interactions=records.interactions,
        feedback=sum(records.feedback.values()),
    )


def _deleted(done: Reply[Any]) -> bool:
    return not isinstance(done.error, SessionNotFound) and bool(done.result())
