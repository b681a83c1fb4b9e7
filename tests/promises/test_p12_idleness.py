"""P12: idleness counts what the documentation says it counts."""

from __future__ import annotations

from theatre import ManualClock, Script, play, settle

import greenroom


def test_p12_idle_means_longer_than_the_limit() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            await runtime.create(user="ann")

            await clock.advance(60.0)
            assert runtime.resident == 1
            await clock.advance(0.01)

            assert runtime.resident == 0

    play(scene)


def test_p12_a_command_counts_and_a_question_does_not() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")

            await clock.advance(40.0)
            await session.post("ann", "I am here")
            await clock.advance(40.0)
            assert runtime.resident == 1
            await session.info()
            await session.transcript("ann")
            events = session.events("ann")
            await clock.advance(20.1)

            assert runtime.resident == 0
            events.close()

    play(scene)


def test_p12_a_turn_counts_when_it_ends() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            await clock.advance(200.0)

            script.cue("s", 1, None)
            await settle()
            await clock.advance(59.0)
            assert runtime.resident == 1
            await clock.advance(62.0)

            assert runtime.resident == 0

    play(scene)
