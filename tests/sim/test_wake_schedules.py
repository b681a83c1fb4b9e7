"""Timers under schedules that a seed draws: crashes, restarts and passivations as they are due."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle

import greenroom
from greenroom.actors.session import events as happened
from greenroom.actors.session.entry import decode_entry
from greenroom.actors.session.fold import fold
from greenroom.actors.session.state import State, decode_genesis

SEEDS = range(80)
STEPS = 25
NAMES = "abc"


class SharedJournal(GatedJournal):
    """Outlives the processes that open it."""

    async def close(self) -> None:
        pass


class Life:
    """A session with timers, the processes that have it one after the other, and what it told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.clock, self.journal = ManualClock(), SharedJournal()
        self.told: Counter[str] = Counter()
        self.replies: list[greenroom.Reply[Any]] = []
        self.old: list[greenroom.Runtime] = []

    async def begin(self) -> None:
        self.runtime = await self._start()
        await self.runtime.create(user="ann", id="s")

    async def _start(self) -> greenroom.Runtime:
        self.seed += 1000
        runtime = greenroom.Runtime(
            self._tell,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(self.seed),
            idle_s=15.0,
            turn_attempts=2,
            max_restarts=1000,
        )
        await runtime.start()
        return runtime

    async def _tell(self, turn: greenroom.Turn) -> AsyncIterator[str]:
        await settle(self.rng.randrange(5))
        if turn.wake is not None:
            self.told[turn.wake.id] += 1
        yield "so be it"

    async def step(self) -> None:
        rng, session, journal = self.rng, self.runtime.session("s"), self.journal
        name = rng.choice(NAMES)
        match rng.choices(
            ("set", "cancel", "post", "leave", "fail", "restart", "hold"),
            (5, 1, 1, 3, 2, 2, 2),
        )[0]:
            case "set":
                every = rng.choice((None, None, 3.0, 10.0))
                after_s = rng.choice((0.0, 1.0, 4.0, 20.0))
                turn = rng.random() < 0.7
                self.replies.append(
                    session.wake_at("ann", after_s=after_s, name=name, every=every, turn=turn)
                )
            case "cancel":
                self.replies.append(session.cancel_wake("ann", name))
            case "post":
                self.replies.append(session.post("ann", "hi"))
            case "leave":
                self.runtime.passivate("s", force=rng.random() < 0.3)
            case "fail":
                written = rng.random() < 0.5
                error = greenroom.JournalFailed("?") if written else greenroom.NotWritten("full")
                journal.fail(error, written=written)
            case "restart":
                await self._restart()
            case "hold":
                journal.holding = not journal.holding
                if not journal.holding:
                    journal.let()
        if rng.random() < 0.7:
            await self.clock.advance(rng.choice((0.0, 0.5, 1.0, 3.0, 8.0)))
        else:
            await settle(rng.randrange(10))

    async def _restart(self) -> None:
        """Another process has the journal. The old one does not know, or has been stopped."""
        self.journal.let()
        if self.rng.random() < 0.5:
            await self.stop(self.runtime)
        else:
            self.old.append(self.runtime)
        self.runtime = await self._start()

    async def stop(self, runtime: greenroom.Runtime) -> None:
        stopping = asyncio.ensure_future(runtime.stop(budget_s=0.0))
        while not stopping.done():  # a session may be waiting to be started again
            await self.clock.advance(0.5)

    async def end(self) -> None:
        self.journal.heal()
        for runtime in self.old:
            await self.stop(runtime)
        await self.clock.advance(60.0)
        for name in NAMES:
            await self.runtime.session("s").cancel_wake("ann", name)
        await self.clock.advance(60.0)

    def events(self) -> list[Any]:
        return [decode_entry(body) for body in self.journal._records["s"].events]

    def check_row(self) -> None:
        """What the index says is what the events say, after whatever was written last."""
        record = self.journal._records["s"]
        state = State.at_creation(decode_genesis(record.genesis))
        fold(state, record.events)
        assert record.row.wake_ms == state.index_row().wake_ms


def check(life: Life) -> Counter[str]:
    """Each instant is told once, none early and none forgotten. Returns what happened how often."""
    timers, fired, counts = dict[str, int](), set[str](), Counter[str]()
    open_turns = dict[int, str]()
    for entry in life.events():
        match entry.event:
            case happened.WakeSet(name=name, due_ms=due_ms):
                timers[name] = due_ms
                fired.discard(f"{name}@{due_ms}")
            case happened.WakeCancelled(name=name, due_ms=due_ms):
                assert timers.pop(name) == due_ms
            case happened.WakeFired(name=name) as event:
                assert timers.pop(name) == event.due_ms <= entry.at_ms
                assert event.id not in fired
                fired.add(event.id)
                counts["fired"] += 1
                counts["late"] += entry.at_ms > event.due_ms + 1000
                counts["missed"] += event.missed > 0
                if event.next_ms is not None:
                    timers[name] = event.next_ms
                if event.turn:
                    counts["merged"] += event.turn in open_turns
                    open_turns[event.turn] = event.id
            case happened.TurnEnded(turn=turn, status="completed"):
                newest = open_turns.pop(turn)
                assert life.told[newest], f"turn {turn} was not told {newest}"
                counts["completed"] += 1
            case happened.TurnStarted(attempt=2):
                counts["again"] += 1
            case happened.TurnEnded(turn=turn):
                open_turns.pop(turn)
                counts["lost"] += 1
            case _:
                pass
    assert (timers, open_turns) == ({}, {})
    return counts


def test_each_instant_is_told_once_whatever_happens_as_it_is_due() -> None:
    async def scene(seed: int) -> Counter[str]:
        life = Life(seed)
        await life.begin()
        for _ in range(STEPS):
            await life.step()
            life.check_row()
        await life.end()
        life.check_row()
        counts = check(life)
        await life.stop(life.runtime)
        return counts

    total: Counter[str] = Counter()
    for seed in SEEDS:
        try:
            total += play(lambda seed=seed: scene(seed))  # type: ignore[misc]
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error

    rare = {"fired", "late", "missed", "completed", "again"} - {k for k, n in total.items() if n}
    assert not rare, f"never happened, so nothing is proved of it: {rare}, of {total}"
