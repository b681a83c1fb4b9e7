"""One connection that follows one session, whatever its protocol."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from starlette.types import Message, Receive, Send

from ....actors.errors import GreenroomError, RuntimeClosed, text_of
from ....actors.kernel.reply import Reply
from ....actors.ports import Timer
from ....actors.session.items import Item
from ....actors.subscriber import SubscriberActor
from ..errors import Unauthenticated
from ..problems import problem_of
from ..veil import veiled
from . import codes
from .frames import Alive, CommandId, End, Error, Frame, Hello
from .hub import Hub
from .opening import Opening
from .rhythm import BEATS

HOLD: Final = 64
"""Events in hand with which a connection takes no more before they are on their way."""

PIECE: Final = 64 * 1024
"""Bytes from which on what has gathered is sent in more than one piece, so that no client meets a
message that is large only because many events have come together."""

SHUT_S: Final = 0.5
"""How long a connection that was cut has to take the reason for it."""

DAY_S: Final = 86_400.0

Out: TypeAlias = Item | Frame

T = TypeVar("T", bytes, str)

log = structlog.get_logger()


class Follower(ABC):
    """The sink of one subscription, and the coroutine that writes what it is given.

    At most `HOLD` events and one batch are in hand: while the other end takes nothing, `send`
    waits, the subscriber waits for that, and its place in the live log falls behind. So a slow
    reader costs no memory, and finds a gap if it is late; if it takes nothing at all for
    `stalled_s` it is cut.

    Beside `run` there are two tasks: one writes, and one reads what the other end says, and so
    hears of its leaving.
    """

    __slots__ = (
        "_code",
        "_due",
        "_expiry",
        "_gone",
        "_held",
        "_hub",
        "_out",
        "_patience",
        "_presence",
        "_principal",
        "_reading",
        "_ready",
        "_receive",
        "_send",
        "_sent_s",
        "_session",
        "_since_s",
        "_taken",
        "_wanted",
        "_warned",
    )

    def __init__(self, hub: Hub, asked: Opening, receive: Receive, send: Send) -> None:
        self._hub, self._principal, self._session = hub, asked.principal, asked.session
        self._receive, self._send = receive, send
        self._presence = asked.presence
        self._out: list[Out] = []  # in order; what is not yet on its way
        self._held = 0  # of these, events
        self._taken: Reply[None] | None = None  # what the subscriber waits for
        self._wanted: asyncio.Future[None] | None = None  # what the writer waits for
        self._ready = False  # there is something to write
        self._due = False  # the rhythm will say so
        self._code: int | None = None  # it ends with this code, when all is written
        self._gone = False  # the other end has
        self._sent_s = hub.clock.monotonic()
        self._since_s: float | None = None  # since when `send` waits
        self._patience: asyncio.Timeout | None = None
        self._expiry: Timer | None = None
        self._reading: Reply[SubscriberActor] | None = None
        self._warned = False  # that the server is about to stop

    # --- what a protocol is ---

    @abstractmethod
    async def begin(self) -> None:
        """Send what comes before the first frame."""

    @abstractmethod
    def message(self, each: Out) -> Message:
        """What is sent of this one alone; of an event it is one object for all readers."""

    @abstractmethod
    def messages(self, out: Sequence[Out]) -> Iterator[Message]:
        """What is sent of these, in order."""

    @abstractmethod
    def written(self) -> None:
        """What was in hand is on its way."""

    @abstractmethod
    async def listen(self) -> None:
        """Take what the other end says; return when it is gone."""

    @abstractmethod
    async def shut(self) -> None:
        """Send what comes after the last frame."""

    # --- its life ---

    async def follow(self, after: str | None, kinds: Iterable[str] | None) -> None:
        """Have a place in the session's live log.

        Raises whatever refuses it, as far as the user may know of it.
        """
        user = self._principal.user
        reading = self._reading = self._session.feed(user, self, after=after, kinds=kinds)
        try:
            reader = await reading
        except BaseException as error:
            self._stop_reading()
            if isinstance(error, Exception):
                raise await self._shown(error) from None
            raise
        hello = Hello(
            session=self._session.id,
            user=user,
            cursor=str(reader.began),
            heartbeat_s=self._hub.hall.settings.heartbeat_s,
        )
        self._out.insert(0, hello)
        self._ready = True

    async def _shown(self, error: Exception) -> Exception:
        """What whoever was refused may know of an error."""
        return await veiled(error, self._hub.hall.runtime, self._principal, self._session.id)

    async def run(self) -> None:
        """Write until it is over: once, after `follow`."""
        self._enter()
        writer = asyncio.create_task(self._write_all())
        listener = asyncio.create_task(self._listen())
        try:
            # In a task of its own: each waking goes through all coroutines that await each other,
            # and a server's and Starlette's are ten. It takes 4 us of 28 off a delivery
            # (tests/bench/web_fanout.py), and adds half a KiB to a connection.
            await writer
        finally:
            self._leave()
            writer.cancel()
            listener.cancel()
            await asyncio.gather(writer, listener, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            async with asyncio.timeout(None) as self._patience:
                await self.begin()
                await self._write()
        except TimeoutError:
            self._code = codes.TOO_SLOW
        except OSError:  # who sends to somebody who is gone is told so
            self._gone = True
        finally:
            self._patience = None
        if not self._gone and self._code is not None:
            with suppress(OSError):
                async with asyncio.timeout(SHUT_S):
                    await self.shut()

    def _enter(self) -> None:
        hub = self._hub
        hub.rhythm.add(self)
        hub.hall.connections.add(self)
        if self._presence:
            hub.come(self._session, self._principal.user)
        self._watch_expiry()

    def _leave(self) -> None:
        hub = self._hub
        self._code = self._code or codes.NORMAL
        self._stop_reading()
        hub.rhythm.remove(self)
        hub.hall.connections.remove(self)
        if self._presence:
            hub.go(self._session, self._principal.user)
        if self._expiry is not None:
            self._expiry.cancel()

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.on_done(_close)

    # --- the sink ---

    def deliver(self, items: Sequence[Item]) -> Reply[None] | None:
        """Take a batch; the next one follows when these are on their way, if they are many."""
        if self._code is not None:
            return None
        self._out.extend(items)
        self._held += len(items)
        if self._held >= HOLD:
            self._taken = Reply(self._hub.hall.runtime.dispatcher)
            self._wake()
            return self._taken
        self._be_due()
        return None

    def close(self, error: Exception | None) -> None:
        """Nothing more is to be read."""
        if self._code is not None:
            return
        reading, self._reading = self._reading, None  # it has left by itself
        over = None if error or reading is None else reading.result().over
        if over is not None:
            self.finish(codes.NORMAL, End(reason=over))
        elif isinstance(error, RuntimeClosed):
            self.end()
        else:
            self.fail(error or RuntimeError("the subscriber has failed"))

    # --- what is told beside events ---

    def say(self, frame: Frame) -> None:
        """Send a frame after all that is in hand."""
        if self._code is None:
            self._out.append(frame)
            self._be_due()

    def fail(self, error: Exception) -> None:
        """Say why it cannot go on, and end."""
        retryable = not isinstance(error, GreenroomError) or error.retryable
        code = codes.BROKEN if retryable else codes.FAILED
        self.finish(code, self._error(None, error))

    def finish(self, code: int, *last: Frame) -> None:
        """End, with these frames after all that is in hand."""
        if self._code is None:
            self._code = code
            self._out.extend(last)
            self._stop_reading()
            self._wake()

    def drain(self) -> None:
        """Say that the server is about to stop. What happens until it does is told, too."""
        if not self._warned:
            self._warned = True
            self.say(self._hub.draining())

    def end(self) -> None:
        """End, as the server stops."""
        self.drain()
        self.finish(codes.DRAINING)

    def vanish(self) -> None:
        """The other end is gone: write nothing more."""
        self._gone = True
        self._code = self._code or codes.NORMAL
        self._stop_reading()
        self._wake()
        if self._since_s is not None:
            self._cut()

    def _error(self, command: CommandId, error: Exception) -> Error:
        return Error(id=command, problem=problem_of(error, self._session.id))

    # --- the rhythm ---

    def flush(self) -> None:
        """What has gathered is to be sent."""
        self._due = False
        self._wake()

    def look(self, now_s: float) -> None:
        """Say that it is alive before it has been silent for too long; cut it if it has stalled."""
        settings = self._hub.hall.settings
        if self._since_s is not None:
            if now_s - self._since_s >= settings.stalled_s:
                self._cut()
        elif now_s - self._sent_s >= settings.heartbeat_s * (BEATS - 1) / BEATS:
            self.say(Alive())

    def _be_due(self) -> None:
        if not self._due:
            self._due = True
            self._hub.rhythm.due(self)

    def _watch_expiry(self) -> None:
        """Called again each day: the clock that people see may be set."""
        expires_s = self._principal.expires_s
        if expires_s is None:
            return
        left_s = expires_s - self._hub.clock.now_ms() / 1000
        if left_s <= 0:
            self.finish(codes.EXPIRED, self._error(None, Unauthenticated("expired")))
        else:
            self._expiry = self._hub.clock.call_later(min(left_s, DAY_S), self._watch_expiry)

    # --- the writer ---

    def _wake(self) -> None:
        self._ready = True
        wanted = self._wanted
        if wanted is not None and not wanted.done():
            wanted.set_result(None)

    def _cut(self) -> None:
        """Have the writer wait no more for a `send` that may never be done."""
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._gone:
            if not self._ready:
                self._wanted = loop.create_future()
                await self._wanted
                self._wanted = None
            self._ready = False
            is_last = self._code is not None
            # What is awaited here is paid for by every reader of every event: a coroutine between
            # this one and `send`, two looks at the clock and a message of its own for each reader
            # were a third of a delivery (tests/bench/web_fanout.py).
            if len(self._out) == 1:
                message = self.message(self._out.pop())
                self._held = 0
                self._since_s = self._hub.rhythm.now_s
                await self._send(message)
                self._sent()
            elif self._out:
                await self._put()
            if is_last:
                return

    async def _put(self) -> None:
        """Send all that is in hand, and let the subscriber go on."""
        out, self._out = self._out, []
        taken, self._taken = self._taken, None
        self._held = 0
        for message in self.messages(out):
            if self._gone:
                return
            self._since_s = self._hub.rhythm.now_s
            await self._send(message)
        self._sent()
        if taken is not None:
            taken.set(None)

    def _sent(self) -> None:
        self._sent_s, self._since_s = self._hub.rhythm.now_s, None
        self.written()

    async def _listen(self) -> None:
        try:
            await self.listen()
        except OSError:
            pass
        except Exception as error:
            log.error("stream_failed", session=self._session.id, error=text_of(error))
        finally:
            self.vanish()


def _close(reading: Reply[Any]) -> None:
    if reading.error is None:
        reading.result().close()


def pieces(parts: list[T]) -> Iterator[list[T]]:
    """The parts in order, as many together as are about `PIECE` long; each has one at least."""
    if len(parts) == 1:
        yield parts
        return
    first = size = 0
    for index, part in enumerate(parts):
        if size and size + len(part) > PIECE:
            yield parts[first:index]
            first, size = index, 0
        size += len(part)
    yield parts[first:]
