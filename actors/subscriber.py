"""One reader of a session's live log, and the sink it fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from pykka._envelope import Envelope

from .errors import GreenroomError, JournalUnavailable, MailboxClosed, text_of
from .kernel.actor import Actor
from .kernel.dispatcher import Dispatcher
from .kernel.mailbox import Mail
from .kernel.reply import Reply
from .kernel.tally import Tally
from .ports import Journal, Sink, UserId
from .session.cursor import Cursor
from .session.events import decode_entry
from .session.live import Gap, LiveLog, Published
from .sinks import told_to_stop

BATCH: Final = 64
"""Events handed to a sink at once."""

PAGE: Final = 256
"""Events read from the journal at once while healing."""

log = structlog.get_logger()


class Wake(msgspec.Struct, frozen=True):
    """Look at the live log."""


class Delivered(msgspec.Struct, frozen=True):
    """The sink has taken what it was given."""


class Close(msgspec.Struct, frozen=True):
    """Stop reading."""

    error: Exception | None = None


_WAKE: Final = Envelope(Wake())
_DELIVERED: Final = Delivered()


class SubscriberActor(Actor):
    """Reads one session's live log from a cursor on, at its own pace, into one sink.

    It holds a place in the log, never a copy of what is there. When the place has been trimmed,
    or was in another epoch, it announces one `Gap`, reads every durable event since its cursor
    from the journal, and goes on live where the log begins (architecture, section 4).
    """

    sink_failures: Final = Tally()
    """Batches for which any sink has raised, counted and logged."""

    def __init__(
        self, dispatcher: Dispatcher, live: LiveLog, journal: Journal, user: UserId, sink: Sink
    ) -> None:
        super().__init__(dispatcher, name=f"subscriber of {live.session}")
        self.user = user
        self._live = live
        self._journal = journal
        self._sink = sink
        self._index = 0
        self._seen = Cursor(live.session, "", 0, 0, 0)
        self._limit: int | None = None  # read nothing at or after this index
        self._cursor: Cursor | None = None  # where to heal from; None while reading live
        self._why: Any = "trimmed"
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, cursor: Cursor | None) -> None:
        """Take the place after `cursor`, or the end of the log, and start to read."""
        self._seen = cursor or self._live.cursor_at(self._live.next_index)
        where = self._live.next_index if cursor is None else self._live.locate(cursor)
        if isinstance(where, int):
            self._index = where
        else:
            self._cursor, self._why = cursor, where
        self._live.readers.append(self)
        self._start_actor_loop()
        self.wake()

    def wake(self) -> None:
        # One shared envelope: a publication allocates nothing for its readers.
        try:
            self.actor_inbox.put_system(_WAKE)
        except MailboxClosed:
            self._live.remove(self)

    def expel(self) -> None:
        if self._limit is None:  # a user who has come back and left again was away in between
            self._limit = self._live.next_index
        self.wake()

    def close(self, error: Exception | None = None) -> None:
        """Stop reading, from any thread; the sink is closed with `error`."""
        self.actor_inbox.signal(Close(error))

    def handle(self, mail: Mail) -> None:
        match mail.message:
            case Wake():
                self._read()
            case Delivered():
                self._busy = False
                self._read()
            case Close(error=error):
                self._leave(error)
            case _:
                super().handle(mail)

    def on_failure(self, *_: object) -> None:
        self._live.remove(self)
        self._sink.close(None)

    def _read(self) -> None:
        """Hand the next batch to the sink, or fall asleep, or leave."""
        if self._busy:
            return
        if self._cursor is not None:
            self._spawn(partial(self._heal, self._cursor))
            return
        limit = BATCH if self._limit is None else min(BATCH, self._limit - self._index)
        items = self._live.read(self._index, limit) if limit > 0 else []
        if items is None:
            self._lag()
        elif items:
            self._index += len(items)
            self._deliver(items)
        elif limit <= 0 or self._live.finished:
            self._leave(None)
        else:
            self._live.sleep(self)

    def _lag(self) -> None:
        """The place has been trimmed while the sink was slow: heal from what was read last."""
        if self._limit is not None:
            self._leave(None)
            return
        self._cursor, self._why = self._seen, "trimmed"
        self._read()

    def _deliver(self, items: list[Published]) -> None:
        last = items[-1]
        self._seen = Cursor(
            last.session, last.incarnation, last.epoch, last.revision, last.position
        )
        done = self._give(items)
        if done is None:
            self.wake()
            return
        self._busy = True
        if isinstance(done, Reply):
            done.on_done(lambda _: self.actor_inbox.signal(_DELIVERED))
        else:
            self._spawn(partial(self._settle, done))

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        self._busy = True
        self._task = asyncio.get_running_loop().create_task(self._run(work))

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except GreenroomError as error:
            self.close(error)
        except Exception as error:
            log.error("subscriber_failed", actor=self.actor_urn, error=text_of(error))
            self.close(JournalUnavailable(self._live.session, why=text_of(error)))
        else:
            self.actor_inbox.signal(_DELIVERED)

    def _give(self, items: list[Any]) -> Awaitable[None] | None:
        """Hand a batch to the sink. Whatever it raises costs that batch only (promise P17)."""
        try:
            return self._sink.deliver(items)
        except BaseException as error:
            self._count(error)
            return None

    async def _settle(self, done: Awaitable[None]) -> None:
        try:
            await done
        except BaseException as error:
            if told_to_stop():
                raise asyncio.CancelledError from None
            self._count(error)

    def _count(self, error: BaseException) -> None:
        SubscriberActor.sink_failures.add()
        with suppress(BaseException):  # a log that fails must not keep the reader from the rest
            log.error("sink_failed", actor=self.actor_urn, error=text_of(error))

    async def _heal(self, cursor: Cursor) -> None:
        """Announce the gap, deliver what the journal holds of it, and go on live after it."""
        live = self._live
        known = cursor.incarnation in ("", live.incarnation) and cursor.revision <= live.revision
        index = live.first_index
        latest = live.cursor_at(index)
        after = cursor.revision if known else 0
        gap = Gap(
            reason=self._why,
            requested=str(cursor),
            latest=str(latest),
            healed=after < latest.revision,
        )
        await self._hand([gap])
        while after < latest.revision and self._stays:
            after = await self._heal_page(after, latest)
        if after < latest.revision:
            self._limit = index  # expelled meanwhile: what is live has a hole before it
        self._seen = latest
        self._index, self._cursor = index, None

    async def _heal_page(self, after: int, latest: Cursor) -> int:
        limit = min(PAGE, latest.revision - after)
        page = await self._journal.read(latest.session, after=after, limit=limit)
        # The oldest may be no longer retained, and the page then reach into what is live.
        bodies = page.events[: max(latest.revision + 1 - page.first, 0)]
        items = []
        for revision, body in enumerate(bodies, page.first):
            entry = decode_entry(body)
            last = revision == latest.revision
            items.append(
                Published(
                    event=entry.event,
                    at_ms=entry.at_ms,
                    revision=revision,
                    epoch=latest.epoch if last else 0,
                    position=latest.position if last else 0,
                    session=latest.session,
                    incarnation=latest.incarnation,
                    healed=True,
                )
            )
        if not self._stays:
            return after
        if not items:
            return latest.revision
        await self._hand(items)
        return page.first + len(items) - 1

    async def _hand(self, items: list[Any]) -> None:
        if not self.actor_inbox.closed and (done := self._give(items)) is not None:
            await self._settle(done)

    @property
    def _stays(self) -> bool:
        return self._limit is None and not self.actor_inbox.closed

    def _leave(self, error: Exception | None) -> None:
        self._live.remove(self)
        if self._task is not None:
            # Not before it has begun: the coroutine of a callback would never be awaited.
            asyncio.get_running_loop().call_soon(self._task.cancel)
        self._sink.close(error)
        self.actor_inbox.close()
