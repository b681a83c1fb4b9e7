"""One reader of a session's live log, and the sink it fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

import msgspec
import structlog

from .errors import GreenroomError, JournalUnavailable, text_of
from .kernel.actor import Actor
from .kernel.dispatcher import Dispatcher
from .kernel.mailbox import Mail
from .kernel.reply import Reply
from .kernel.tally import Tally
from .ports import Journal, Sink, UserId
from .session.about import addressee
from .session.cursor import Cursor
from .session.items import Gap, Lost, Published, stored
from .session.live import LiveLog
from .sinks import told_to_stop

BATCH: Final = 64
"""Events handed to a sink at once."""

PAGE: Final = 256
"""Events read from the journal at once while healing."""

log = structlog.get_logger()


class Delivered(msgspec.Struct, frozen=True):
    """The sink has taken what it was given."""


class Close(msgspec.Struct, frozen=True):
    """Stop reading."""

    error: Exception | None = None


_DELIVERED: Final = Delivered()


class SubscriberActor(Actor):
    """Reads one session's live log from a cursor on, at its own pace, into one sink.

    It holds a place in the log, never a copy of what is there. It hands on the `kinds` of events
    that are wanted, unless they are for somebody else, each with its own cursor; gaps always. When
    the place has been trimmed, or was in another epoch, it announces one `Gap`, reads every durable
    event since its cursor from the journal, and goes on live where the log begins (architecture,
    section 4). `began` is the place after which it has begun to read.
    """

    sink_failures: Final = Tally()
    """Batches for which any sink has raised, counted and logged."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        live: LiveLog,
        journal: Journal,
        user: UserId,
        sink: Sink,
        kinds: frozenset[type] | None = None,
    ) -> None:
        super().__init__(dispatcher, name=f"subscriber of {live.session}")
        self.user = user
        self._dispatcher = dispatcher
        self._live = live
        self._journal = journal
        self._sink = sink
        self._kinds = kinds  # None: every kind of event
        self._index = 0
        self._seen: Cursor | Published = Cursor(live.session, "", 0, 0, 0)
        self.began: Cursor = self._seen
        self._limit: int | None = None  # read nothing at or after this index
        self._cursor: Cursor | None = None  # where to heal from; None while reading live
        self._why: Lost = "trimmed"
        self._awake = False  # in the dispatcher's line
        self._busy = False  # the sink is, or the journal
        self._task: asyncio.Task[None] | None = None

    @property
    def over(self) -> Literal["ended", "left"] | None:
        """Why nothing more is to come, if so: the session has ended, or the user has left it."""
        if self._limit is not None:
            return "left"
        return "ended" if self._live.finished else None

    def begin(self, cursor: Cursor | None) -> None:
        """Take the place after `cursor`, or the end of the log, and start to read."""
        self._seen = self.began = cursor or self._live.cursor_at(self._live.next_index)
        where = self._live.next_index if cursor is None else self._live.locate(cursor)
        if isinstance(where, int):
            self._index = where
        else:
            self._cursor, self._why = cursor, where
        self._live.add(self)
        self._start_actor_loop()
        self.wake()

    def wake(self) -> None:
        # No message: a flag and a place in the dispatcher's line cost the publisher 0.12 us for
        # each reader, and a mailbox's lane 1.2 (tests/bench/fanout.py).
        if not self._awake:
            self._awake = True
            self._dispatcher.schedule(self)

    def run(self, throughput: int) -> bool:
        """Read on, when the dispatcher comes to it."""
        self._awake = False
        if not self.actor_inbox.closed:
            try:
                self._read()
            except BaseException as error:
                self._fail(error)
        if self._busy:  # a callback may have closed its own subscription: before its next item
            self.actor_inbox.run(throughput)
        return False

    def expel(self) -> None:
        if self._limit is None:  # a user who has come back and left again was away in between
            self._limit = self._live.next_index
        self.wake()

    def close(self, error: Exception | None = None) -> None:
        """Stop reading, from any thread; the sink is closed with `error`."""
        self.actor_inbox.signal(Close(error))

    def handle(self, mail: Mail) -> None:
        match mail.message:
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
        """The place is gone from the log since it was read last: heal from there."""
        if self._limit is not None:
            self._leave(None)
            return
        seen = self._seen
        self._cursor = seen.place if isinstance(seen, Published) else seen
        where = self._live.locate(self._cursor)
        self._why = "trimmed" if isinstance(where, int) else where
        self._read()

    def _deliver(self, items: list[Published]) -> None:
        self._seen = items[-1]
        first = self._index - len(items)
        if self._kinds is not None or first < self._live.directed_until:
            items = [item for item in items if self._wanted(item)]
        done = self._give(items) if items else None
        if done is None:
            self._go_on()
            return
        self._busy = True
        if isinstance(done, Reply):
            done.on_done(lambda _: self.actor_inbox.signal(_DELIVERED))
        else:
            self._spawn(partial(self._settle, done))

    def _go_on(self) -> None:
        """Fall asleep if that was all there is, and else read on after whoever waits."""
        live = self._live
        if self._index == live.next_index and self._limit is None and not live.finished:
            live.sleep(self)
        else:
            self.wake()

    def _wanted(self, item: Published) -> bool:
        event = item.event
        if self._kinds is not None and type(event) not in self._kinds:
            return False
        return addressee(event) in (None, self.user)

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
        """Announce the gap, deliver what the journal holds of it, and go on live after it.

        Another gap follows if the journal loses, meanwhile, what is still to be delivered.
        """
        live = self._live
        after = cursor.revision if live.knows(cursor) else 0
        index = live.first_after(after)
        latest = live.cursor_at(index)
        announced = False
        while self._stays and (after < latest.revision or not announced):
            items = await self._page(after, latest)
            if not self._stays:
                break
            healed = after == latest.revision or (bool(items) and items[0].revision == after + 1)
            if not (announced and healed):
                await self._hand([self._gap(cursor, latest, healed)])
                announced = True
            await self._hand([item for item in items if self._wanted(item)])
            after = items[-1].revision if items else latest.revision
            cursor = items[-1].place if items else latest
        if after < latest.revision or not announced:
            self._limit = index  # expelled meanwhile: what is live has a hole before it
        self._seen = latest
        self._index, self._cursor = index, None

    def _gap(self, cursor: Cursor, latest: Cursor, healed: bool) -> Gap:
        return Gap(
            session=latest.session,
            reason=self._why,
            requested=str(cursor),
            latest=str(latest),
            latest_revision=latest.revision,
            healed=healed,
        )

    async def _page(self, after: int, latest: Cursor) -> list[Published]:
        """Durable events after revision `after`, up to where the log begins, from the journal."""
        limit = min(PAGE, latest.revision - after)
        if limit == 0 or not self._live.recorded:
            return []
        page = await self._journal.read(latest.session, after=after, limit=limit)
        # The oldest may be no longer retained, and the page then reach into what is live.
        bodies = page.events[: max(latest.revision + 1 - page.first, 0)]
        items = [
            stored(body, revision, latest.session, latest.incarnation, healed=True)
            for revision, body in enumerate(bodies, page.first)
        ]
        if items and items[-1].revision == latest.revision:
            place = {"epoch": latest.epoch, "position": latest.position}
            items[-1] = msgspec.structs.replace(items[-1], **place)
        return items

    async def _hand(self, items: list[Any]) -> None:
        if not items or self.actor_inbox.closed:
            return
        if (done := self._give(items)) is not None:
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
