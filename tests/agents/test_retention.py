"""Ended sessions are kept for a time, and nothing of them stays on stage (spec A21, AX16)."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import Collection
from typing import Any

from rooms.hall import Ear, refused
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.ports import Stale
from greenroom.supervisor.expiry import STEP

DAY_S = 24 * 3600.0


class Watched(GatedJournal):
    """Notes each step of expiry, and fails or waits in it when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[str]] = []
        self.errors: list[Exception] = []
        self.going = asyncio.Event()
        self.going.set()

    async def stale(
        self, before_ms: int, *, limit: int, ended: bool, keep: Collection[str] = ()
    ) -> list[Stale]:
        await self.going.wait()
        if self.errors:
            raise self.errors.pop(0)
        found = await super().stale(before_ms, limit=limit, ended=ended, keep=keep)
        self.steps.append([stale.id for stale in found])
        return found


async def ended(runtime: greenroom.Runtime, name: str) -> None:
    session = await runtime.create(user="ann", id=name)
    await session.end("ann")
    assert await runtime.passivate(name)


async def listed(runtime: greenroom.Runtime) -> list[str]:
    return sorted(row.id for row in (await runtime.sessions()).rows)


def test_a21_an_ended_session_is_listed_until_its_time_is_over() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, ended_retention_s=2 * DAY_S) as runtime:
            await ended(runtime, "old")
            await runtime.create(user="ann", id="open")

            await clock.advance(2 * DAY_S - 1)
            assert await listed(runtime) == ["old", "open"]
            await clock.advance(3600.0)

            assert await listed(runtime) == ["open"]
            await refused(runtime.session("old").info(), greenroom.SessionNotFound)
            await refused(runtime.create(user="ann", id="old"), greenroom.SessionExists)
            await clock.advance(30 * DAY_S)
            assert await listed(runtime) == ["open"]

    play(scene)


def test_a21_what_ended_before_the_start_expires_too(store: Any) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            await ended(runtime, "old")
        clock.now_s += 8 * DAY_S
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            await ended(runtime, "new")
            assert await listed(runtime) == ["new", "old"]

            await clock.advance(61.0)
            assert runtime._keeper._round is not None
            await runtime._keeper._round

            assert await listed(runtime) == ["new"]

    play(scene)


def test_a21_a_session_on_stage_is_kept_until_it_has_left() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            clock=clock, ended_retention_s=DAY_S, idle_s=10 * DAY_S
        ) as runtime:
            await ended(runtime, "old")
            await runtime.session("old").info()  # reading is no activity, and wakes it

            await clock.advance(3 * DAY_S)
            assert await listed(runtime) == ["old"]
            assert (await runtime.session("old").info()).state == "ended"
            assert await runtime.passivate("old")
            await clock.advance(3600.0 + 1)

            assert await listed(runtime) == []

    play(scene)


def test_a21_a_session_that_is_being_woken_is_kept() -> None:
    async def scene() -> None:
        class Slow(Watched):
            waking = asyncio.Event()

            async def claim(self, session: str, **options: Any) -> Any:
                claimed = await super().claim(session, **options)
                if "create" not in options or options["create"] is None:
                    await self.waking.wait()
                return claimed

        clock, journal = ManualClock(), Slow()
        async with greenroom.Runtime(
            clock=clock, journal=journal, ended_retention_s=DAY_S
        ) as runtime:
            await ended(runtime, "old")
            info = runtime.session("old").info()
            await clock.advance(3 * DAY_S)
            assert await listed(runtime) == ["old"]

            journal.waking.set()

            assert (await info).state == "ended"

    play(scene)


def test_a21_a_step_is_bounded_and_the_next_one_follows_while_there_is_more() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), Watched()
        async with greenroom.Runtime(clock=clock, journal=journal) as runtime:
            for n in range(STEP + 5):
                await ended(runtime, f"s{n}")
        clock.now_s += 8 * DAY_S
        async with greenroom.Runtime(clock=clock, journal=journal) as runtime:
            await clock.advance(60.05)
            assert [len(step) for step in journal.steps] == [STEP]
            await clock.advance(0.1)

            assert [len(step) for step in journal.steps] == [STEP, 5]
            assert await listed(runtime) == []

    play(scene)


def test_a21_looking_is_as_rare_as_it_may_be() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), Watched()
        async with greenroom.Runtime(clock=clock, journal=journal):
            await clock.advance(DAY_S)

            assert len(journal.steps) == 24

    play(scene)


def test_a21_what_is_kept_for_ever_is_never_looked_for() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), Watched()
        async with greenroom.Runtime(
            clock=clock, journal=journal, ended_retention_s=math.inf
        ) as runtime:
            await ended(runtime, "old")
            await clock.advance(40 * DAY_S)

            assert journal.steps == []
            assert await listed(runtime) == ["old"]

    play(scene)


def test_a21_a_journal_that_fails_once_is_asked_again() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), Watched()
        journal.errors = [greenroom.NotWritten("full"), OSError("broken")]
        async with greenroom.Runtime(
            clock=clock, journal=journal, ended_retention_s=DAY_S
        ) as runtime:
            await ended(runtime, "old")

            await clock.advance(2 * DAY_S)

            assert journal.errors == []
            assert await listed(runtime) == []

    play(scene)


def test_a21_a_runtime_that_stops_looks_no_more() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), Watched()
        runtime = greenroom.Runtime(clock=clock, journal=journal)
        await runtime.start()
        journal.going.clear()
        await clock.advance(60.0)  # a step is under way

        await runtime.stop()
        journal.going.set()
        await clock.advance(DAY_S)

        assert len(journal.steps) == 0  # it found the journal closed

    play(scene)


def test_ax16_an_ended_session_leaves_the_stage_and_nothing_of_it_stays() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            ear = await Ear.of(session, "ann")
            await session.send("ann", "think")
            await session.submit("ann", greenroom.Shutdown())
            await clock.advance(6.0)
            box = runtime._directory.get("s")
            assert box is not None
            actor = weakref.ref(box.owner)  # type: ignore[arg-type]
            del box
            assert ear.ended

            await clock.advance(61.0)
            await settle()
            gc.collect()

            assert actor() is None
            assert (len(runtime._logs), len(runtime._directory), runtime.resident) == (0, 0, 0)
            supervisor = runtime._supervisor
            assert supervisor is not None
            assert (supervisor._places, supervisor.ledger.held()) == ({}, frozenset())

    play(scene)
