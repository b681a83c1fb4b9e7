"""P6: a crash in a handler loses at most the command in hand; the rest survive, in order."""

from __future__ import annotations

from typing import Any

import pytest
from theatre import GatedJournal, ManualClock, crash_on_boom, echo, play, settle, texts

import greenroom


@pytest.fixture
def booms(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_on_boom(monkeypatch)


@pytest.mark.usefixtures("booms")
def test_p06_a_crash_loses_only_the_command_in_hand() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(echo, journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            replies = [session.post("ann", text) for text in ("one", "boom", "two", "three")]

            await settle()
            await clock.advance(1.0)

            assert await replies[0]
            with pytest.raises(greenroom.PoisonCommand, match="Boom") as poison:
                await replies[1]
            assert poison.value.returned.text == "boom"
            assert await replies[2]
            assert await replies[3]
            assert texts(await session.transcript("ann")) == ["one", "two", "three"]
            assert (runtime.stats.restarted, runtime.stats.poisoned) == (2, 1)

    play(scene)


@pytest.mark.usefixtures("booms")
def test_p06_what_was_taken_before_the_crash_is_still_acknowledged() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(echo, journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            first = session.post("ann", "one")
            await settle()

            crashed = session.post("ann", "boom")
            later = session.post("ann", "two")
            await settle()
            assert not first.done
            assert not later.done
            journal.let()
            await settle()
            await clock.advance(1.0)

            assert (await first).revision == 1
            assert isinstance(crashed.error, greenroom.PoisonCommand)
            assert (await later).revision == 2

    play(scene)


@pytest.mark.usefixtures("booms")
def test_p06_a_turn_that_a_crash_interrupts_is_lost_and_whoever_waits_is_told() -> None:
    async def scene() -> None:
        clock = ManualClock()

        async def endless(turn: greenroom.Turn) -> Any:
            yield "thinking "
            await settle(10_000_000)

        async with greenroom.Runtime(endless, journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "hello")
            result = turn.result()
            await settle()

            session.post("ann", "boom")
            await settle()
            await clock.advance(1.0)

            ended = await result
            assert ended.status == "lost"
            assert "attempt 1" in ended.reason

    play(scene)
