"""What happens in a session as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from ....actors.session.items import Gap, Published
from ..problems import problem_of, response
from .follower import Follower, Out, pieces
from .frames import Alive, Draining, Frame, Hello, encode_json, kind
from .hub import RETRY_MS, Hub
from .opening import opening

_ALIVE: Final = b": alive\n\n"

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx holds back what it has, otherwise
]


class EventStream:
    """`GET /v1/sessions/{id}/events`, as a raw ASGI application.

    `?cursor=` (or `Last-Event-ID`, which goes before it) is where to go on: a cursor, `start`, or
    nothing for what happens from now on. `?kinds=message.posted,turn.ended` asks for these only,
    `?presence=true` shows the user as present meanwhile.

    The first event is `hello`, whose id is the place where reading begins. Each other one has as
    its id the cursor after it, and is called by its kind; `gap`, `draining`, `end` and `error` are
    frames as well. What is wrong before the first byte is an HTTP problem: 400 for a malformed
    cursor, 403 for that of another session, 404 for who takes no part. After `end` there is nothing
    to come back for: close the `EventSource`.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as place:
            try:
                stream = await self._opened(scope, receive, send, place)
            except Exception as error:
                problem = problem_of(error, scope["path_params"]["id"])
                await response(problem)(scope, receive, send)
                return
            await stream.run()

    async def _opened(
        self, scope: Scope, receive: Receive, send: Send, place: ExitStack
    ) -> _Stream:
        hub = self._hub
        asked = await opening(hub.hall, HTTPConnection(scope))
        place.enter_context(hub.hall.admit(asked.principal, asked.session.id))
        stream = _Stream(hub, asked, receive, send)
        await stream.follow(asked.after, asked.kinds)
        return stream


class _Stream(Follower):
    """One response. Several events go in one chunk of its body."""

    __slots__ = ()

    async def begin(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})

    def message(self, each: Out) -> Message:
        return {"type": "http.response.body", "body": self._chunk(each), "more_body": True}

    def messages(self, out: Sequence[Out]) -> Iterator[Message]:
        for chunks in pieces([self._chunk(each) for each in out]):
            yield {"type": "http.response.body", "body": b"".join(chunks), "more_body": True}

    def written(self) -> None:
        """Nobody waits for that."""

    async def listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def shut(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _chunk(self, each: Out) -> bytes:
        if isinstance(each, Published | Gap):
            return self._hub.encodings.chunk(each)
        if isinstance(each, Alive):
            return _ALIVE
        return _head(each) + b"data: " + encode_json(each) + b"\n\n"


def _head(frame: Frame) -> bytes:
    match frame:
        case Hello(cursor=cursor):
            return f"retry: {RETRY_MS}\nid: {cursor}\nevent: hello\n".encode()
        case Draining(retry_ms=retry_ms):
            return f"retry: {retry_ms}\nevent: draining\n".encode()
        case _:
            return f"event: {kind(frame)}\n".encode()
