"""The greeting: once in the life of a session, whoever asks first (spec V13, VX15)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rooms.hall import Ear, refused, room, told
from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle, texts
from voice.booth import booth

import greenroom


async def welcome(turn: greenroom.Turn) -> AsyncIterator[str]:
    yield f"{turn.kind}:{turn.input.role}:{turn.input.text}"


def test_v13_the_first_caller_gets_the_turn_and_only_the_answer_is_kept() -> None:
    async def scene() -> None:
        async with room("bob", pipeline=welcome) as session:
            turn = await session.greet("bob", "be kind")
            assert turn is not None
            result = await turn.result()

            assert (result.status, result.text) == ("completed", "greeting:system:be kind")
            (line,) = await session.transcript("ann")
            assert isinstance(line, greenroom.Message)
            assert (line.role, line.text, line.turn) == ("assistant", result.text, turn.id)
            assert await session.greet("bob") is None
            assert await session.greet("ann", "again") is None
            assert len(await session.transcript("ann")) == 1

    play(scene)


def test_v13_room_clients_are_not_told_what_the_pipeline_was() -> None:
    async def scene() -> None:
        async with booth() as (session, _):
            await session.greet("ann", "a secret")

            assert "secret" not in str(await told(session))

    play(scene)


@pytest.mark.parametrize("seed", range(20))
def test_v13_exactly_one_of_many_callers_at_once_gets_the_turn(seed: int) -> None:
    async def scene() -> None:
        guests = [f"u{n}" for n in range(8)]
        dispatcher = LotteryDispatcher(seed)
        async with room(*guests, pipeline=welcome, dispatcher=dispatcher) as session:
            turns = await asyncio.gather(*(session.greet(user) for user in guests for _ in "ab"))

            assert len([turn for turn in turns if turn is not None]) == 1
            await session.settled()
            assert len(await session.transcript("ann")) == 1

    play(scene)


def test_v13_threads_that_call_at_once_get_one_turn() -> None:
    import threading

    with greenroom.Runtime.start_in_thread(welcome) as runtime:
        session = runtime.create(user="ann").get(timeout=20)
        turns: list[Any] = []
        start = threading.Barrier(8)

        def call() -> None:
            start.wait(20)
            turns.append(session.greet("ann").get(timeout=20))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert len(turns) == 8
        assert len([turn for turn in turns if turn is not None]) == 1


def test_v13_once_is_for_life_also_after_a_passivation() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(welcome, clock=clock, journal=journal, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            turn = await session.greet("ann")
            assert turn is not None
            await turn.result()
            await clock.advance(61.0)
            assert runtime.resident == 0

            assert await session.greet("ann") is None

    play(scene)


def test_v13_a_greeting_that_is_not_durable_is_not_used_up() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with room(pipeline=welcome, clock=clock, journal=journal) as session:
            journal.fail(greenroom.NotWritten("full"))
            with pytest.raises(greenroom.NotWritten):
                await session.greet("ann")
            await clock.advance(1.0)

            assert await session.greet("ann") is not None

    play(scene)


def test_v13_a_greeting_sent_again_under_its_key_gets_its_turn_again() -> None:
    async def scene() -> None:
        async with room(pipeline=welcome) as session:
            first = await session.greet("ann", key="k")
            again = await session.greet("ann", key="k")

            assert first is not None
            assert again is not None
            assert again.id == first.id
            assert await session.greet("ann", key="another") is None

    play(scene)


def test_v13_a_greeting_waits_for_the_running_turn() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await session.send("ann", "one")
            greeting = await session.greet("ann", "be kind")
            await session.send("ann", "two")
            assert greeting is not None
            assert (greeting.id, greeting.ahead, greeting.waits_for) == (2, 1, "turn")
            script.cue("s", 1, "1", None)
            await settle()
            assert script.turns[-1].kind == "greeting"
            assert texts(script.turns[-1].history) == ["one", "1"]
            script.cue("s", 2, "welcome", None)
            script.cue("s", 3, "2", None)
            await settle()

            assert texts(await session.transcript("ann")) == ["one", "1", "welcome", "two", "2"]

    play(scene)


def test_v13_readers_hear_what_kind_of_turn_starts() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            ear = await Ear.of(session, "ann", kinds=["turn.started"])
            await session.send("ann", "one")
            await session.greet("ann")
            script.cue("s", 1, None)
            await settle()

            assert [item.event.kind for item in ear.items] == ["answer", "greeting"]

    play(scene)


def test_vx15_a_greeting_that_fails_tells_so_and_stays_used_up() -> None:
    async def breaks(_: greenroom.Turn) -> AsyncIterator[str]:
        raise ValueError("no voice")
        yield ""

    async def scene() -> None:
        async with room(pipeline=breaks) as session:
            turn = await session.greet("ann")
            assert turn is not None
            result = await turn.result()

            assert (result.status, result.reason) == ("failed", "ValueError: no voice")
            assert await session.greet("ann") is None

    play(scene)


def test_vx15_a_greeting_can_be_cancelled_and_tells_so() -> None:
    async def scene() -> None:
        async with booth("bob") as (session, _):
            turn = await session.greet("ann")
            assert turn is not None

            assert (await turn.cancel()).verdict == "won"

            assert (await turn.result()).status == "cancelled"
            assert await session.greet("bob") is None

    play(scene)


def test_vx15_what_is_refused_is_not_used_up() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s", start=False)
            await refused(session.greet("ann"), greenroom.NoPipeline)
        async with greenroom.Runtime(welcome, journal=journal) as runtime:
            session = runtime.session("s")
            await refused(session.greet("ann"), greenroom.WrongState)
            await refused(session.greet("bob"), greenroom.NotMember)
            with pytest.raises(greenroom.InvalidInput):
                session.greet("ann", "x" * 300_000)
            await session.start("ann")

            assert await session.greet("ann") is not None

    play(scene)


def test_v13_the_first_greeting_is_activity() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(pipeline=welcome, clock=clock) as session:
            await clock.advance(5.0)

            await session.greet("ann")

            assert (await session.info()).active_ms == clock.now_ms()

    play(scene)


def test_v13_a_greeting_that_has_said_nothing_can_be_steered() -> None:
    async def listens(turn: greenroom.Turn) -> AsyncIterator[str]:
        if turn.kind == "greeting":
            await asked.wait()
            (message,) = await turn.steering()
            yield f"welcome: {message.text}"

    async def scene() -> None:
        async with booth(pipeline=listens) as (session, _):
            turn = await session.greet("ann", "be kind")
            assert turn is not None
            await session.send("ann", "what now?", policy="steer")
            await session.send("ann", "and then?")
            asked.set()

            assert (await turn.result()).text == "welcome: what now?"
            transcript = await session.transcript("ann")
            assert texts(transcript) == ["what now?", "welcome: what now?", "and then?"]
            assert [line.turn for line in transcript] == [1, 1, 3]

    asked = asyncio.Event()
    play(scene)
