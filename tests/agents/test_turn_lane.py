"""The driver of turns: what is stopped stops or is given up on, limits, steering, causes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from theatre import ManualClock, Script, play, settle, take, texts

import greenroom
from greenroom.actors.session import events as happened
from greenroom.adapters.journals.memory import MemoryJournal


class Stubborn:
    """A pipeline that ignores its cancellation until it is let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.started: list[int] = []
        self.ended: list[int] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[str]:
        self.started.append(turn.id)
        yield f"turn {turn.id} "
        if turn.input.text == "cling":
            while not self.let_go.is_set():
                with suppress(asyncio.CancelledError):
                    await self.let_go.wait()
        yield "more"
        self.ended.append(turn.id)


@asynccontextmanager
async def house(
    pipeline: Stubborn, **settings: Any
) -> AsyncIterator[tuple[greenroom.Runtime, greenroom.Session, ManualClock]]:
    clock = ManualClock()
    async with greenroom.Runtime(pipeline, clock=clock, **settings) as runtime:
        try:
            yield runtime, await runtime.create(user="ann", id="s"), clock
        finally:
            pipeline.let_go.set()  # or the loop would wait for it for ever, after a failure


# --- stopped, or abandoned -----------------------------------------------------------------------


def test_a_cancelled_pipeline_is_said_to_have_stopped() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            events = session.events("ann")
            turn = await session.send("ann", "go")
            await settle()

            receipt = await turn.cancel()

            assert receipt.verdict == "won"
            assert await turn.stopped() == "stopped"
            assert script.closed == [1]
            heard = await take(events, 4)
            assert heard[-1].event == happened.TurnStopped(turn=1, attempt=1, how="stopped")
            result = await turn.result()
            assert (result.status, result.cause) == ("cancelled", "user")

    play(scene)


def test_a_pipeline_that_ignores_its_cancellation_is_abandoned_after_its_grace() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline, pipeline_grace_s=3.0) as (runtime, session, clock):
            turn = await session.send("ann", "cling")
            await settle()
            await turn.cancel()
            stopped = turn.stopped()

            await clock.advance(2.9)
            assert not stopped.done
            await clock.advance(0.2)

            assert await stopped == "abandoned"
            assert await turn.stopped() == "abandoned"
            assert runtime.stats.abandoned_pipelines == 1
            pipeline.let_go.set()
            await settle()
            assert texts(await session.transcript("ann")) == ["cling", "turn 1 "]

    play(scene)


def test_the_next_pipeline_waits_for_the_one_that_is_stopping() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline) as (_, session, _):
            await session.send("ann", "cling")
            await settle()
            second = await session.send("ann", "go on", policy="interrupt")
            await settle()
            assert pipeline.started == [1]

            pipeline.let_go.set()

            assert (await second.result()).text == "turn 2 more"
            assert pipeline.started == [1, 2]

    play(scene)


def test_in_the_mode_omni_the_next_pipeline_does_not_wait() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline) as (runtime, _, _):
            omni = greenroom.Settings(mode="omni")
            session = await runtime.create(user="ann", id="o", settings=omni)
            await session.send("ann", "cling")
            await settle()
            second = await session.send("ann", "go on", policy="interrupt")

            assert (await second.result()).text == "turn 2 more"
            assert pipeline.ended == [2]

    play(scene)


def test_the_next_pipeline_does_not_wait_for_one_that_is_given_up_on() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline) as (_, session, clock):
            await session.send("ann", "cling")
            await settle()
            second = await session.send("ann", "go on", policy="interrupt")

            await clock.advance(3.1)

            assert (await second.result()).text == "turn 2 more"
            pipeline.let_go.set()
            await settle()
            assert texts(await session.transcript("ann"))[1:] == [
                "turn 1 ",
                "go on",
                "turn 2 more",
            ]

    play(scene)


def test_a_turn_that_is_cancelled_while_it_waits_for_another_pipeline_never_begins() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline) as (_, session, _):
            await session.send("ann", "cling")
            await settle()
            second = await session.send("ann", "go on", policy="interrupt")
            assert (await second.cancel()).verdict == "won"
            third = await session.send("ann", "and on")
            pipeline.let_go.set()

            assert (await third.result()).status == "completed"
            assert pipeline.started == [1, 3]

    play(scene)


def test_a_session_whose_pipeline_is_stopping_does_not_leave_before() -> None:
    async def scene() -> None:
        pipeline = Stubborn()
        async with house(pipeline, idle_s=1.0, pipeline_grace_s=5.0) as (runtime, session, clock):
            turn = await session.send("ann", "cling")
            await settle()
            await turn.cancel()

            await clock.advance(3.0)
            assert runtime.resident == 1
            await clock.advance(6.0)
            assert runtime.resident == 0
            pipeline.let_go.set()

    play(scene)


def test_a_function_that_blocks_for_ever_ends_only_its_turn() -> None:
    async def scene() -> None:
        clock, gate, began = ManualClock(), threading.Event(), threading.Event()

        def blocking(turn: greenroom.Turn) -> str:
            if turn.input.text == "block":
                began.set()
                gate.wait()
                return "too late"
            return "fine"

        async with greenroom.Runtime(blocking, clock=clock) as runtime:
            bad, good = await runtime.create(user="ann"), await runtime.create(user="bob")
            turn = await bad.send("ann", "block")
            await asyncio.to_thread(began.wait)
            assert (await turn.cancel()).verdict == "won"
            await clock.advance(3.1)

            assert await turn.stopped() == "abandoned"
            for session, user in ((bad, "ann"), (good, "bob")):
                answered = await session.send(user, "hello")
                assert (await answered.result()).text == "fine"
            gate.set()
            assert texts(await bad.transcript("ann")) == ["block", "hello", "fine"]

    play(scene)


# --- limits --------------------------------------------------------------------------------------


def test_a_turn_that_takes_too_long_fails_and_says_so() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, turn_timeout_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "go")
            await settle()
            script.cue("s", 1, "so far", greenroom.ToolCall(name="look", id="a"))
            await clock.advance(9.0)
            script.cue("s", 1, "and on")

            await clock.advance(1.1)

            result = await turn.result()
            assert (result.status, result.cause) == ("failed", "timeout")
            assert result.reason == "TurnOverLimit: the turn took more than 10.0 seconds"
            assert result.text == "so farand on"
            assert script.closed == [1]

    play(scene)


def test_a_turn_that_falls_silent_fails_and_one_that_speaks_does_not() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, turn_silence_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "go")
            for word in ("one ", "two ", "three "):
                await clock.advance(9.0)
                script.cue("s", 1, word)
                await settle()
            result = turn.result()
            assert not result.done

            await clock.advance(10.1)

            assert (await result).status == "failed"
            assert "10.0 seconds of silence" in (await result).reason
            assert (await result).text == "one two three "

    play(scene)


def test_a_suspended_clock_of_one_turn_is_not_that_of_the_next() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, turn_timeout_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            for number in (1, 2):
                turn = await session.send("ann", "go")
                await clock.advance(6.0)
                script.cue("s", number, "done", None)
                assert (await turn.result()).status == "completed"

    play(scene)


@pytest.mark.parametrize(
    ("limits", "text", "why"),
    [
        ({"turn_max_outputs": 3}, "word " * 3, "3 outputs"),
        ({"turn_max_bytes": 20}, "word " * 4, "20 bytes of output"),
    ],
)
def test_a_turn_that_yields_too_much_fails_and_keeps_what_came_before(
    limits: dict[str, int], text: str, why: str
) -> None:
    async def chatty(turn: greenroom.Turn) -> AsyncIterator[str]:
        while True:
            yield "word "

    async def scene() -> None:
        async with greenroom.Runtime(chatty, **limits) as runtime:
            session = await runtime.create(user="ann")
            result = await (await session.send("ann", "go")).result()

            assert (result.status, result.text) == ("failed", text)
            assert why in result.reason
            assert runtime.stats.crashed == 0

    play(scene)


def test_what_a_journal_could_not_take_fails_the_turn_not_the_session() -> None:
    async def heavy(turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield greenroom.ToolCall(name="look", id="a")
        yield greenroom.ToolResult(value=["x" * 200_000] * 50, id="a")

    async def scene() -> None:
        async with greenroom.Runtime(heavy) as runtime:
            session = await runtime.create(user="ann")
            result = await (await session.send("ann", "go")).result()

            assert result.status == "failed"
            assert "bytes of output" in result.reason
            assert runtime.stats.crashed == 0

    play(scene)


# --- steering ------------------------------------------------------------------------------------


class Steered:
    """A pipeline that looks for steering at each cue, and says what it was handed."""

    def __init__(self) -> None:
        self.cues: asyncio.Queue[str] = asyncio.Queue()
        self.inputs: list[str] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.inputs.append(turn.input.text)
        while (cue := await self.cues.get()) != "end":
            yield f"{cue}: "
            handed = await turn.steering()
            yield ",".join(message.text for message in handed) + ". "


def test_a_running_turn_is_steered_at_its_next_safe_point() -> None:
    async def scene() -> None:
        pipeline = Steered()
        async with greenroom.Runtime(pipeline) as runtime:
            session = await runtime.create(user="ann")
            first = await session.send("ann", "go")
            steer = await session.send("ann", "left", policy="steer")
            assert (steer.id, steer.ahead, steer.waits_for) == (2, 1, "turn")
            for cue in ("one", "two", "end"):
                pipeline.cues.put_nowait(cue)

            assert (await first.result()).text == "one: left. two: . "
            assert await steer.result() == await first.result()
            assert pipeline.inputs == ["go"]
            spoken = texts(await session.transcript("ann"))
            assert spoken == ["go", "one: ", "left", "left. two: . "]

    play(scene)


def test_who_waits_for_a_turn_that_is_steered_away_is_answered() -> None:
    async def scene() -> None:
        pipeline = Steered()
        async with greenroom.Runtime(pipeline) as runtime:
            session = await runtime.create(user="ann")
            first = await session.send("ann", "go")
            waiting = (await session.send("ann", "left", policy="steer")).result()
            await settle()
            for cue in ("one", "end"):
                pipeline.cues.put_nowait(cue)

            assert await waiting == await first.result()

    play(scene)


def test_steering_that_comes_too_late_is_the_next_turn() -> None:
    async def scene() -> None:
        pipeline = Steered()
        async with greenroom.Runtime(pipeline) as runtime:
            session = await runtime.create(user="ann")
            first = await session.send("ann", "go")
            pipeline.cues.put_nowait("one")
            await settle()
            steer = await session.send("ann", "left", policy="steer")
            for cue in ("end", "end"):
                pipeline.cues.put_nowait(cue)

            assert (await first.result()).text == "one: . "
            assert (await steer.result()).turn == 2
            assert pipeline.inputs == ["go", "left"]

    play(scene)


def test_a_pipeline_in_a_thread_takes_its_steering_there() -> None:
    async def scene() -> None:
        asked, gate = threading.Event(), threading.Event()

        def blocking(turn: greenroom.Turn) -> str:
            asked.set()
            gate.wait()
            return ",".join(message.text for message in turn.steering().get())

        async with greenroom.Runtime(blocking) as runtime:
            session = await runtime.create(user="ann")
            first = await session.send("ann", "go")
            await asyncio.to_thread(asked.wait)
            await session.send("ann", "left", policy="steer")
            gate.set()

            assert (await first.result()).text == "left"

    play(scene)


def test_a_stopped_pipeline_is_handed_nothing() -> None:
    async def scene() -> None:
        asked: list[Any] = []

        async def late(turn: greenroom.Turn) -> AsyncIterator[str]:
            yield "one"
            try:
                await asyncio.Event().wait()
            finally:
                asked.append(await turn.steering())

        async with greenroom.Runtime(late) as runtime:
            session = await runtime.create(user="ann")
            first = await session.send("ann", "go")
            await settle()
            await session.send("ann", "left", policy="steer")
            await session.pause("ann")
            await first.cancel()
            await first.stopped()

            assert asked == [()]
            assert (await session.info()).queued_turns == [2]

    play(scene)


# --- causes --------------------------------------------------------------------------------------


def test_a_turn_that_a_drain_stopped_is_not_one_that_a_user_stopped() -> None:
    """Ask c.8: told from a user's cancel, and found lost by the next owner."""

    async def scene() -> None:
        journal = MemoryJournal()
        script = Script()
        runtime = greenroom.Runtime(script, journal=journal)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "go")
        await settle()
        script.cue("s", 1, "so far")
        await settle()
        report = await runtime.stop(budget_s=0.0)
        assert report.handed_back == ["s"]

        async with greenroom.Runtime(script, journal=journal) as next_one:
            result = await next_one.session("s").result(1)

            assert (result.status, result.cause, result.text) == ("lost", "drain", "so far")

    play(scene)


def test_every_cause_of_an_end_is_kept() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            turns = [await session.send("ann", "go")]
            turns.append(await session.send("ann", "no, go", policy="interrupt"))
            turns.append(await session.send("ann", "and wait"))
            await settle()
            await turns[1].cancel()
            await session.end("ann")

            results = [await turn.result() for turn in turns]

            assert [(result.status, result.cause) for result in results] == [
                ("superseded", "superseded"),
                ("cancelled", "user"),
                ("cancelled", "ended"),
            ]

    play(scene)


def test_a_running_turn_can_be_waited_for_though_a_later_one_has_ended() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            first, second = [await session.send("ann", text) for text in ("one", "two")]
            await second.cancel()
            result = first.result()
            await settle()
            assert not result.done

            script.cue("s", 1, "done", None)

            assert (await result).text == "done"

    play(scene)
