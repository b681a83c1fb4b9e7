"""A refusal says when to come back: nobody needs to come twice, if nothing happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom


@asynccontextmanager
async def house(
    clock: ManualClock, script: Any = None, **options: Any
) -> AsyncIterator[greenroom.Runtime]:
    """A runtime that is stopped in the clock's time, whatever still runs in it."""
    runtime = greenroom.Runtime(script, clock=clock, idle_s=60.0, **options)
    await runtime.start()
    yield runtime
    stopping = asyncio.ensure_future(runtime.stop(budget_s=0.0))
    await clock.advance(10.0)
    await stopping


async def retry_s(runtime: greenroom.Runtime, user: str) -> float | None:
    error = await refused(runtime.create(user=user), greenroom.CapacityError)
    told: float | None = error.retry_after_s
    return told


@pytest.mark.parametrize("limits", [{"max_sessions_per_user": 2}, {"max_sessions_per_tenant": 2}])
def test_at_a_limit_of_its_own_one_waits_until_the_first_session_is_idle_for_too_long(
    limits: dict[str, int],
) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock, **limits) as runtime:
            first = await runtime.create(user="acme/ann", id="a")
            await clock.advance(10.0)
            await runtime.create(user="acme/ann", id="b")
            await clock.advance(20.0)
            await first.post("acme/ann", "still here")  # now b is the first to be idle
            await clock.advance(7.0)

            wait_s = await retry_s(runtime, "acme/ann")

            assert wait_s == pytest.approx(60.0 - 27.0, abs=0.1)
            await clock.advance(wait_s)
            assert await runtime.create(user="acme/ann")
            assert (runtime.stats.passivated, runtime.stats.turned_away) == (1, 1)

    play(scene)


def test_coming_back_earlier_is_of_no_use() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock, max_sessions_per_user=1) as runtime:
            await runtime.create(user="ann")

            wait_s = await retry_s(runtime, "ann")
            assert wait_s is not None
            await clock.advance(wait_s - 0.1)

            assert await retry_s(runtime, "ann") == pytest.approx(0.1, abs=0.02)

    play(scene)


def test_a_session_at_work_is_not_expected_to_be_idle() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with house(clock, script, max_sessions_per_user=2) as runtime:
            busy = await runtime.create(user="ann", id="a")
            await busy.send("ann", "think")
            await clock.advance(30.0)
            await runtime.create(user="ann", id="b")

            wait_s = await retry_s(runtime, "ann")

            assert wait_s == pytest.approx(60.0, abs=0.1)
            await clock.advance(wait_s)
            assert await runtime.create(user="ann", id="c")
            await runtime.session("c").send("ann", "think")
            assert await retry_s(runtime, "ann") is None

    play(scene)


def test_a_session_that_was_found_at_work_is_looked_at_later() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with house(clock, script, max_sessions_per_user=1) as runtime:
            session = await runtime.create(user="ann", id="a")
            await session.send("ann", "think")
            await clock.advance(70.0)  # the sweep has found it at work
            script.cue("a", 1, None)
            await clock.advance(5.0)

            wait_s = await retry_s(runtime, "ann")

            assert wait_s == pytest.approx(55.0, abs=0.1)
            await clock.advance(wait_s)
            assert await runtime.create(user="ann")

    play(scene)


def test_in_a_house_that_is_only_being_entered_a_slot_is_free_soon() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock, max_sessions=1) as runtime:
            entering = runtime.create(user="ann")

            wait_s = await retry_s(runtime, "bob")

            assert await entering
            assert wait_s is not None
            await clock.advance(wait_s)
            assert await runtime.create(user="bob")

    play(scene)


def test_a_session_that_restarts_makes_room_when_it_is_back() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        delays = {"restart_delay_s": 4.0, "max_restart_delay_s": 4.0}
        async with house(clock, max_sessions=1, journal=journal, **delays) as runtime:
            session = await runtime.create(user="ann")
            journal.fail(greenroom.NotWritten("full"))
            await refused(session.post("ann", "lost"), greenroom.NotWritten)
            await settle()
            await clock.advance(1.0)

            wait_s = await retry_s(runtime, "bob")

            assert wait_s is not None
            assert 3.0 < wait_s < 4.0
            await clock.advance(wait_s)
            assert await runtime.create(user="bob")

    play(scene)


def test_when_all_are_at_work_nobody_can_say() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with house(clock, script, max_sessions=1) as runtime:
            await (await runtime.create(user="ann", id="a")).send("ann", "think")

            assert await retry_s(runtime, "bob") is None

            script.cue("a", 1, None)
            await settle()
            assert await runtime.create(user="bob")

    play(scene)


def test_a_pipeline_that_is_stopping_has_its_grace() -> None:
    async def scene() -> None:
        clock = ManualClock()

        curtain = asyncio.Event()

        async def deaf(_: greenroom.Turn) -> Any:
            while not curtain.is_set():
                with suppress(asyncio.CancelledError):
                    await curtain.wait()
            yield ""

        try:
            async with house(clock, deaf, max_sessions=1, pipeline_grace_s=3.0) as runtime:
                session = await runtime.create(user="ann", id="a")
                await session.send("ann", "think")
                await settle()
                await session.interrupt("ann")

                wait_s = await retry_s(runtime, "bob")

                assert wait_s is not None
                await clock.advance(wait_s)
                assert await runtime.create(user="bob")
        finally:
            curtain.set()

    play(scene)
