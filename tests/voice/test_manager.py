"""How many sessions there are and for how long, and how the runtime stops (spec V28-V34)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents.workshop import Workshop, uses
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, echo, play, settle, texts

import greenroom
from greenroom.actors.session.messages import Mode


def test_v28_limits_and_times_are_settings_and_time_is_the_clock_s() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_sessions=2, idle_s=300.0) as runtime:
            for user in ("ann", "bob"):
                await (await runtime.create(user=user, id=user)).post(user, "hello")
            await clock.advance(290.0)
            await runtime.session("bob").post("bob", "still here")

            await clock.advance(10.5)  # no sweep has to come first: each is due at its own time
            assert runtime.resident == 1
            await clock.advance(290.0)

            assert runtime.resident == 0

    play(scene)


def test_v29_a_full_house_is_reported_before_a_taken_id() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, max_sessions=1) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            await settle()

            await refused(runtime.create(user="bob", id="s"), greenroom.CapacityError)
            script.cue("s", 1, None)
            await settle()

            await refused(runtime.create(user="bob", id="s"), greenroom.SessionExists)

    play(scene)


def test_v31_a_session_leaves_when_it_was_idle_for_longer_than_the_limit() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=300.0) as runtime:
            await runtime.create(user="ann")

            await clock.advance(300.0)
            assert runtime.resident == 1
            await clock.advance(0.002)

            assert runtime.resident == 0

    play(scene)


def test_vx7_what_comes_between_the_look_and_the_leaving_is_not_lost() -> None:
    """The source system read when a session was last active, and acted on it later."""

    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        async with greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await settle()
            clock.now_s += 61.0
            supervisor = runtime._supervisor
            assert supervisor is not None
            supervisor._ask_to_leave("s", Mode.IF_IDLE)
            turn = session.send("ann", "I am here")  # behind the order, before it is read

            result = await (await turn).result()

            assert (result.status, result.text) == ("completed", "with tools 1")
            assert runtime.stats.activated == 1
            assert shop.log == ["opened 1"]

    play(scene)


def test_vx8_a_running_turn_is_not_idle_however_long_it_takes() -> None:
    """The source system evicted a six-minute answer while it was being spoken."""

    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, idle_s=300.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "tell me everything")
            for _ in range(6):
                script.cue("s", 1, "more ")
                await clock.advance(60.0)
            assert (runtime.resident, runtime.stats.passivated) == (1, 0)

            script.cue("s", 1, None)
            assert (await turn.result()).text == "more " * 6
            await clock.advance(299.0)
            assert runtime.resident == 1
            await clock.advance(2.0)

            assert runtime.resident == 0

    play(scene)


@pytest.mark.parametrize("again", ["afterwards", "meanwhile"])
def test_v34_vx16_stopping_twice_is_harmless_and_gives_the_same_report(again: str) -> None:
    """In the source system it panicked."""

    async def scene() -> None:
        script = Script()
        runtime = greenroom.Runtime(script)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        turn = await session.send("ann", "think")
        result = turn.result()
        await settle()
        loop = asyncio.get_running_loop()
        stopping = [loop.create_task(runtime.stop())]
        await settle()
        if again == "meanwhile":
            stopping.append(loop.create_task(runtime.stop()))
            await settle()
        script.cue("s", 1, "thought", None)
        reports = [await stop for stop in stopping]
        reports.append(await runtime.stop())

        assert (await result).text == "thought"
        expected = greenroom.DrainReport(passivated=["s"], handed_back=[], left=[])
        assert reports == [expected] * len(reports)

    play(scene)


def test_v34_a_runtime_that_was_never_started_cannot_be_stopped() -> None:
    async def scene() -> None:
        with pytest.raises(greenroom.RuntimeClosed):
            await greenroom.Runtime().stop()

    play(scene)


def test_vx16_stopping_loses_no_conversation() -> None:
    """The source system's stop ended no session: what was live at shutdown was lost."""

    async def scene() -> None:
        journal, told = GatedJournal(), list[Any]()

        async def hook(snapshot: Any, reason: Any) -> None:
            told.append((snapshot.info.id, reason.value, texts(snapshot.transcript)))

        runtime = greenroom.Runtime(echo, journal=journal, on_end=hook, resources=Workshop())
        async with runtime:
            for name in ("one", "two"):
                session = await runtime.create(user="ann", id=name)
                await (await session.send("ann", f"hello {name}")).result()
            await runtime.stop()
            await runtime.stop()

        said = {name: [f"hello {name}", f"hello {name} "] for name in ("one", "two")}
        assert sorted(told) == [(name, "drained", said[name]) for name in ("one", "two")]
        await journal.open()
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            for name in ("one", "two"):
                assert texts(await runtime.session(name).transcript("ann")) == said[name]

    play(scene)
