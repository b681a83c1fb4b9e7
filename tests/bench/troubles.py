"""A full house, asked at a steady rate, and the trouble-makers that may be in it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import greenroom
from greenroom.actors.errors import GreenroomError, JournalFailed
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import Commit
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.load.histogram import Histogram

USER = "ann"

CRASHES_EVERY_S = 0.02
"""From the crash of the session that crashes in a loop to its restart."""

CALLED = 0.05
"""Messages for sessions that are not on stage, as a share of those for the healthy ones."""


class FailingJournal(SqliteJournal):
    """Tells one session, each time it writes, that nobody knows what became of that."""

    fails_for = ""

    def append(self, session: str, *rest: Any, **more: Any) -> Commit:
        if session != self.fails_for:
            return super().append(session, *rest, **more)
        commit: Commit = Reply()
        commit.set_error(JournalFailed("as it was told to"))
        return commit


async def hangs(_: Any) -> AsyncIterator[str]:
    """A pipeline that says a word, and then nothing any more."""
    yield "Well, "
    await asyncio.Event().wait()


class StalledSink:
    """Takes one batch, and is never done with it."""

    def __init__(self) -> None:
        self._never = asyncio.Event()

    def deliver(self, _: Sequence[Any]) -> Any:
        return self._never.wait()

    def close(self, _: Exception | None) -> None:
        self._never.set()


class FullHouse:
    """A runtime with as many sessions as it may hold: nine tenths of them healthy.

    The rest of its places are for `called`, five times as many sessions as there are places for
    them, so that each one that is called wakes, and another one has to leave; and for three others,
    who make trouble when `trouble` is true.
    """

    def __init__(self, folder: Path, sessions: int, **settings: Any) -> None:
        journal = FailingJournal(folder / "house.db")
        self.runtime = greenroom.Runtime(
            hangs,
            journal=journal,
            max_sessions=sessions,
            max_sessions_per_user=sessions,
            idle_s=3600.0,
            max_restarts=1_000_000,
            restart_delay_s=CRASHES_EVERY_S,
            max_restart_delay_s=CRASHES_EVERY_S,
            **settings,
        )
        self.journal = journal
        self.healthy: list[greenroom.Session] = []
        self.called: list[greenroom.Session] = []
        self.errors: Counter[str] = Counter()
        self.crashes = 0
        self._sessions = sessions
        self._texts = itertools.count()

    async def __aenter__(self) -> Self:
        await self.runtime.start()
        healthy = self._sessions * 9 // 10
        places = self._sessions - healthy
        self.called = await self._made(5 * places)
        self.crasher, self.hung, self.stalled = await self._made(3)
        self.healthy = await self._made(healthy)
        for session in self.called[:places]:  # the house is full from the beginning
            await session.post(USER, "here")
        self.journal.fails_for = self.crasher.id
        return self

    async def __aexit__(self, *_: object) -> None:
        self.journal.fails_for = ""
        await self.runtime.stop(budget_s=0.0)

    async def _made(self, count: int) -> list[greenroom.Session]:
        made: list[greenroom.Session] = []
        while len(made) < count:
            batch = min(500, count - len(made))
            made += [await reply for reply in [self.runtime.create(USER) for _ in range(batch)]]
        return made

    # --- asking ---

    async def asked(self, seconds: float, rate: float, *, trouble: bool) -> Histogram:
        """Post to the healthy ones in turn, `rate` times a second: how long each waited.

        A post waits from the moment at which it was due, so that a loop that is held up counts for
        all that it holds up. The loop is kept turning: it would else sleep a millisecond.
        """
        waited = Histogram()
        making = asyncio.create_task(self._make_trouble(rate)) if trouble else None
        asked, start = 0, time.perf_counter()
        while (now := time.perf_counter() - start) < seconds:
            while asked < now * rate:
                self._post(self.healthy[asked % len(self.healthy)], start + asked / rate, waited)
                asked += 1
            await asyncio.sleep(0)
        if making is not None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
        while waited.total < asked:
            await asyncio.sleep(0.001)
        return waited

    def _post(self, session: greenroom.Session, due: float, waited: Histogram) -> None:
        def done(reply: Reply[Any]) -> None:
            waited.add(time.perf_counter() - due)
            if reply.error is not None:
                self.errors[type(reply.error).__name__] += 1

        session.post(USER, f"message {next(self._texts)}").on_done(done)

    # --- trouble ---

    async def _make_trouble(self, rate: float) -> None:
        turn = await self.hung.send(USER, "are you there?")
        stalled = await self.stalled.subscribe(USER, StalledSink())
        try:
            await asyncio.gather(self._crash(), self._feed(rate / 50), self._call(rate * CALLED))
        finally:
            stalled.close()
            await turn.cancel()

    async def _crash(self) -> None:
        """Bring down one session as soon as it is up again."""
        while True:
            try:
                await self.crasher.post(USER, "boom")
            except GreenroomError:
                self.crashes += 1

    async def _feed(self, rate: float) -> None:
        """Give the stalled reader something to miss."""
        while True:
            await self.stalled.act(USER, "news")
            await asyncio.sleep(1 / rate)

    async def _call(self, rate: float) -> None:
        """Wake one session after the other, each of which takes the place of another."""
        for session in itertools.cycle(self.called):
            session.post(USER, "wake up").on_done(self._note)
            await asyncio.sleep(1 / rate)

    def _note(self, reply: Reply[Any]) -> None:
        if reply.error is not None:
            self.errors[type(reply.error).__name__] += 1
