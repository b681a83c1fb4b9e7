"""A small, crowded runtime in which everything goes wrong, and a record of what everybody saw."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from theatre import GatedJournal, LotteryDispatcher, ManualClock, settle

import greenroom
from greenroom.actors.ports import Claim
from greenroom.actors.session.fold import restore
from greenroom.actors.session.state import State

USERS = ("ann", "bob", "eve")
SESSIONS = ("s0", "s1", "s2", "s3", "s4")
MAX_SESSIONS, MAX_PER_USER = 3, 2


class Reader:
    """Reads a session, leaving and coming back with its cursor; notes every item."""

    def __init__(self, company: Company, name: str) -> None:
        self.company, self.name = company, name
        self.items: list[Any] = []
        self._subscription: greenroom.Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    def attach(self) -> None:
        """Come back with the cursor of the last item seen, or from the beginning."""
        if self._task is not None and not self._task.done():
            return
        after = self.items[-1].cursor if self.items else greenroom.START
        session = self.company.runtime.session(self.name)
        self._subscription = session.events(owner_of(self.name), after=after)
        self._task = asyncio.get_running_loop().create_task(self._read(self._subscription))

    async def detach(self) -> None:
        """Leave, with whatever had been seen by then."""
        if self._task is not None and self._subscription is not None:
            self._subscription.close()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, subscription: greenroom.Subscription) -> None:
        rng = self.company.rng
        try:
            async for item in subscription:
                self.items.append(item)
                await settle(rng.choice((0, 0, 0, 5)))
        except greenroom.GreenroomError:
            return


class Company:
    """Users, sessions, readers and a runtime; `act` does one random thing that may happen."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.journal = GatedJournal()
        self.runtime = greenroom.Runtime(
            self._answer,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            max_sessions=MAX_SESSIONS,
            max_sessions_per_user=MAX_PER_USER,
            idle_s=5.0,
            live_events=8,
            max_restarts=1000,
            restart_window_s=10.0,
            turn_attempts=2,
            snapshot_bytes=400,
            **options,
        )
        self.sent: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self.readers = [Reader(self, name) for name in SESSIONS]

    def check(self) -> None:
        """P14, at every moment: no limit is exceeded."""
        supervisor = self.runtime._supervisor
        assert supervisor is not None
        assert supervisor.ledger.in_use <= MAX_SESSIONS
        assert all(len(supervisor.ledger.owned_by(user)) <= MAX_PER_USER for user in USERS)

    async def act(self) -> None:
        """One thing that somebody does, or that goes wrong."""
        name = self.rng.choice(SESSIONS)
        session, user = self.runtime.session(name), owner_of(name)
        match self.rng.randrange(16):
            case 0 | 1:
                self.runtime.create(user=user, id=name)
            case 2 | 3 | 4:
                self._note(name, session.post(user, self._text(name)))
            case 5 | 6 | 7:
                policy = self.rng.choice(("enqueue", "enqueue", "interrupt", "reject"))
                self._note(name, session.send(user, self._text(name), policy=policy))
            case 8:
                session.interrupt(user)
            case 9 | 10:
                await self.clock.advance(self.rng.choice([0.01, 0.1, 3.0, 6.0]))
            case 11:
                await settle(self.rng.randrange(1, 12))
            case 12:
                self._note(name, session.post(user, f"boom {self._text(name)}"))
            case 13:
                self._trouble_the_journal()
            case 14:
                self.reader(name).attach()
            case 15:
                await self.reader(name).detach()

    async def come_to_rest(self) -> None:
        """Let all that is under way end, and every reader catch up."""
        for _ in range(2):
            self.journal.heal()
            for _ in range(30):
                await self.clock.advance(1.0)
            for name in SESSIONS:
                await self._catch_up(name)

    def state(self, name: str) -> State | None:
        """The session by its journal alone."""
        record = self.journal._records.get(name)
        if record is None:
            return None
        claim = Claim(
            epoch=0,
            revision=len(record.events),
            genesis=record.genesis,
            snapshot=None,
            events=record.events,
            end=None,
        )
        return restore(claim, name)

    def reader(self, name: str) -> Reader:
        return self.readers[SESSIONS.index(name)]

    async def _catch_up(self, name: str) -> None:
        """A reader that has seen the last durable event has seen all there was."""
        if self.state(name) is None:
            return
        reader = self.reader(name)
        for _ in range(20):
            reader.attach()
            await settle(200)
            state = self.state(name)
            assert state is not None
            seen = [item.revision for item in reader.items if is_durable(item)]
            if (seen[-1] if seen else 0) == state.revision:
                return
            await self.clock.advance(1.0)
        raise AssertionError(f"{name}: its reader never caught up")

    def _text(self, name: str) -> str:
        return f"{name}-{len(self.sent[name])}"

    def _note(self, name: str, reply: Any) -> None:
        self.sent[name].append((self._text(name), reply))

    def _trouble_the_journal(self) -> None:
        match self.rng.randrange(5):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"))
            case 2:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 3:
                self.journal.holding = True
            case 4:
                self.journal.let()

    async def _answer(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield "hm "
        await settle(self.rng.randrange(4))
        yield greenroom.ToolCall(name="look", arguments={"at": turn.input.text})
        await settle(self.rng.randrange(3))
        if self.rng.random() < 0.3:
            raise ValueError("a tool broke")
        yield greenroom.ToolResult(value=1)
        yield "done"


def owner_of(name: str) -> str:
    return USERS[SESSIONS.index(name) % len(USERS)]


def is_durable(item: Any) -> bool:
    return not isinstance(item, greenroom.Gap) and item.durable
