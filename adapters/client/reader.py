"""One reader of a session's events, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NoReturn
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ...actors.errors import GreenroomError, RuntimeClosed
from ...actors.ports import SessionId, Sink, Timer
from ...actors.session.items import Item
from ..web.errors import Unauthenticated
from ..web.streams import codes
from ..web.streams.frames import (
    JSON,
    Alive,
    Draining,
    End,
    Error,
    EventFrame,
    GapFrame,
    Hello,
    decode_json,
    item,
)
from . import problems
from .errors import ServerFailed
from .link import CONNECT_S, Link, told_to_wait, tries_again
from .problems import Told

MAX_BYTES: Final = 64 << 20
"""Of one message of the server: several times the largest event, escaped."""

SILENT: Final = 2
"""Heartbeats that may be missed before a connection is taken for lost."""


class Broken(Exception):
    """The connection is gone. Another one may be had, in `retry_s` seconds at the earliest."""

    def __init__(self, why: str, retry_s: float = 0.0) -> None:
        self.why, self.retry_s = why, retry_s


class Reader:
    """Fills a sink with what follows a cursor, as a subscriber in the session's own process does.

    A connection that breaks, or on which nothing is heard for too long, is made again, with the
    last cursor: nothing is lost or doubled by it, and where something is no longer to be had, the
    sink is given the gap. It ends with the session, with the user's membership, and with what
    another connection would not help against. `began` is the cursor after which it has begun.
    """

    def __init__(
        self,
        link: Link,
        session: SessionId,
        sink: Sink,
        cursor: str | None,
        kinds: Sequence[str] | None,
    ) -> None:
        self._link, self._session, self._sink = link, session, sink
        self._cursor, self._kinds = cursor, kinds
        self._backoff = link.backoff()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._waits_s: float | None = None  # since when it waits to hear something
        self.began = ""
        self.over: Literal["ended", "left"] | None = None
        self.task = self._loop.create_task(self._run())

    async def opened(self) -> Reader:
        """Itself, when reading has begun. Raises whatever refuses it."""
        await asyncio.shield(self._opened)
        return self

    def close(self) -> None:
        """Stop reading. May be called from any thread."""
        with suppress(RuntimeError):  # the loop is closed, and so is all that ran there
            self._loop.call_soon_threadsafe(self.task.cancel)

    async def _run(self) -> None:
        error: Exception | None = None
        try:
            while self.over is None:
                try:
                    await self._connected()
                except Broken as broken:
                    if self._backoff.is_over:
                        raise self._link.unreachable(broken.why) from None
                    await self._backoff.pause(broken.retry_s)
        except asyncio.CancelledError:
            pass
        except Exception as failure:
            error = failure
        if not self._opened.done():
            self._opened.set_exception(error or RuntimeClosed("stopped"))
            self._opened.exception()  # nobody need ask
        self._sink.close(error)

    async def _connected(self) -> None:
        """One connection. Returns when the session is over; raises Broken, or what ends it all."""
        connection = await self._connect()
        watch = _Watch(self, connection)
        try:
            await self._read(connection, watch)
        finally:
            watch.stop()
            connection.transport.abort()
            await connection.wait_closed()

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                self._address(),
                additional_headers=self._link.headers,
                subprotocols=[JSON],  # type: ignore[list-item]
                compression=None,
                ping_interval=None,  # heartbeats are the stream's own
                open_timeout=CONNECT_S,
                max_size=MAX_BYTES,
            )
        except InvalidStatus as refused:
            response = refused.response
            told = problems.read(bytes(response.body or b""), response.status_code)
            after = response.headers.get("retry-after", "")
            if tries_again(told, after, may_repeat=True):
                raise Broken(told.detail, told_to_wait(told, after)) from None
            raise self._link.error_of(told) from None
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            raise Broken(f"{type(error).__name__} {error}".strip()) from None

    def _address(self) -> str:
        query = {"cursor": self._cursor, "kinds": self._kinds and ",".join(self._kinds)}
        given = urlencode({name: value for name, value in query.items() if value})
        base = "ws" + self._link.address.removeprefix("http")
        return f"{base}/v1/sessions/{self._session}/ws?{given}"

    async def _read(self, connection: ClientConnection, watch: _Watch) -> None:
        told: Any = None
        retry_s = 0.0
        while True:
            try:
                self._waits_s = self._link.clock.monotonic()
                message = await connection.recv()
                self._waits_s = None
            except ConnectionClosed as closed:
                self._closed(closed, told, retry_s)
            items: list[Item] = []
            for frame in _frames(message):
                match frame:
                    case EventFrame() | GapFrame():
                        items.append(item(frame))
                    case Hello():
                        self._begin(frame)
                        watch.start(frame.heartbeat_s * SILENT)
                    case Draining(retry_ms=retry_ms):
                        retry_s = retry_ms / 1000
                    case Error(problem=problem):
                        told = problem
                    case End(reason=reason):
                        self.over = reason
                    case Alive():
                        self._backoff.reset()
                    case _:
                        pass
            if items:
                await self._deliver(items)
            if self.over is not None:
                return

    def _begin(self, hello: Hello) -> None:
        if not self._opened.done():
            self.began = self._cursor = hello.cursor
            self._opened.set_result(None)

    async def _deliver(self, items: Sequence[Item]) -> None:
        taken = self._sink.deliver(items)
        self._cursor = items[-1].cursor
        self._backoff.reset()
        if taken is not None:
            await taken

    def _closed(self, closed: ConnectionClosed, told: Any, retry_s: float) -> NoReturn:
        """Raises Broken, or why no other connection would help."""
        code = 1006 if closed.rcvd is None else closed.rcvd.code
        if code == codes.EXPIRED:
            raise Unauthenticated("expired")
        if code >= codes.FAILED:
            raise self._error(told, code)
        raise Broken(f"closed with {code}", retry_s)

    def _error(self, told: Any, code: int) -> GreenroomError:
        if told is None:
            return ServerFailed(code, code=None, detail="the stream was closed")
        return self._link.error_of(msgspec.convert(told, Told))

    @property
    def silent_s(self) -> float:
        """For how long it has waited to hear something."""
        since_s = self._waits_s
        return 0.0 if since_s is None else self._link.clock.monotonic() - since_s

    def look_again(self, after_s: float, look: Any) -> Timer:
        """Have a look at it later."""
        return self._link.clock.call_later(after_s, look)


class _Watch:
    """Cuts a connection on which nothing is heard: its other end may be gone without a word."""

    def __init__(self, reader: Reader, connection: ClientConnection) -> None:
        self._reader, self._connection = reader, connection
        self._most_s = 0.0
        self._timer: Timer | None = None

    def start(self, most_s: float) -> None:
        """Cut it after `most_s` seconds of silence."""
        self.stop()
        self._most_s = most_s
        self._timer = self._reader.look_again(most_s, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left_s = self._most_s - self._reader.silent_s
        if left_s <= 0:
            self._connection.transport.abort()
        else:
            self._timer = self._reader.look_again(left_s, self._look)


def _frames(message: str | bytes) -> Sequence[Any]:
    try:
        return decode_json(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerFailed(0, code=None, detail=f"a message that cannot be read: {error}") from None
