"""Pipelines that follow each other: numbers, cancels, waiting (spec V09-V12, V14, VX1-VX5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from rooms.hall import Ear, room
from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle, texts
from voice.booth import booth

import greenroom

# --- beginning -----------------------------------------------------------------------------------


def test_v09_v12_turns_count_from_one_and_the_current_one_can_be_read() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            assert (await session.info()).running_turn is None
            for number in (1, 2, 3):
                turn = await session.send("ann", "?")
                assert turn.id == number
                assert (await session.info()).running_turn == number
                script.cue("s", number, None)
                await turn.result()
            assert (await session.info()).running_turn is None

    play(scene)


def test_v09_a_turn_can_be_cancelled_from_the_moment_it_has_a_number() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            ear = await Ear.of(session, "ann")
            sending = session.send("ann", "?")

            receipt = await session.interrupt("ann")  # its pipeline has had no step yet
            script.cue("s", 1, "never said", None)
            await settle()

            assert (receipt.verdict, receipt.turn) == ("won", 1)
            assert (await sending).id == 1
            assert ear.kinds[:3] == ["message.posted", "turn.started", "turn.ended"]
            assert "text.streamed" not in ear.kinds
            assert script.turns == []

    play(scene)


def test_v09_the_start_and_the_end_of_a_pipeline_are_activity() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(two_steps, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            await session.send("ann", "one")
            await session.send("ann", "two")
            at_ms = clock.now_ms()
            await clock.advance(59.0)
            assert (await session.info()).active_ms == at_ms
            steps["one"].set()
            await settle()
            assert (await session.info()).running_turn == 2
            assert (await session.info()).active_ms == at_ms + 59_000
            await clock.advance(30.0)
            steps["two"].set()
            await clock.advance(59.0)
            assert runtime.resident == 1
            await clock.advance(2.0)
            assert runtime.resident == 0

    async def two_steps(turn: greenroom.Turn) -> AsyncIterator[str]:
        await steps[turn.input.text].wait()
        yield ""

    steps = {"one": asyncio.Event(), "two": asyncio.Event()}
    play(scene)


# --- finishing -----------------------------------------------------------------------------------


class Stubborn:
    """Its first turn ignores being cancelled. Each turn goes on when the test lets it."""

    def __init__(self) -> None:
        self.let = {turn: asyncio.Event() for turn in (1, 2)}
        self.cancelled: list[int] = []
        self.done: list[int] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield f"{turn.id} "
        while not self.let[turn.id].is_set():
            try:
                await self.let[turn.id].wait()
            except asyncio.CancelledError:
                self.cancelled.append(turn.id)
                if turn.id > 1:
                    raise
        self.done.append(turn.id)
        yield greenroom.Message(text="done")


@pytest.mark.parametrize("mode", ["standard", "omni"])
def test_v10_the_end_of_an_old_pipeline_is_ignored(mode: Any) -> None:
    async def scene() -> None:
        pipeline, clock = Stubborn(), ManualClock()
        async with booth(pipeline=pipeline, clock=clock, mode=mode) as (session, _):
            await session.send("ann", "one")
            await settle()
            second = await session.send("ann", "two", policy="interrupt")
            await clock.advance(4.0)  # more than a pipeline may take to stop

            pipeline.let[1].set()
            await settle()
            assert pipeline.done == [1]
            assert (await session.info()).running_turn == 2
            pipeline.let[2].set()

            assert (await second.result()).text == "2 done"
            assert (await session.result(1)).status == "superseded"
            said = texts(await session.transcript("ann"))
            assert said == ["one", "1 ", "two", "2 ", "done"]

    play(scene)


@pytest.mark.parametrize("mode", ["standard", "omni"])
def test_vx3_an_old_pipeline_that_ends_leaves_the_cancel_of_its_successor(mode: Any) -> None:
    """It ends between the start of the next one and the cancel of that."""

    async def scene() -> None:
        pipeline, clock = Stubborn(), ManualClock()
        async with booth(pipeline=pipeline, clock=clock, mode=mode) as (session, _):
            await session.send("ann", "one")
            await settle()
            second = await session.send("ann", "two", policy="interrupt")
            await clock.advance(4.0)
            pipeline.let[1].set()
            await settle()
            assert (pipeline.done, 2 in pipeline.cancelled) == ([1], False)

            receipt = await second.cancel()
            await settle()

            assert (receipt.verdict, receipt.turn) == ("won", 2)
            assert pipeline.cancelled[-1] == 2
            pipeline.let[2].set()
            await settle()
            assert pipeline.done == [1]

    play(scene)


def test_v10_vx1_finishing_twice_is_harmless() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            ear = await Ear.of(session, "ann", kinds=["turn.ended"])
            turn = await session.send("ann", "?")
            script.cue("s", 1, "!")

            ends = await asyncio.gather(turn.cancel(), turn.cancel(), session.interrupt("ann"))
            await settle()

            assert len(ear.items) == 1
            assert [receipt.verdict for receipt in ends].count("won") == 1
            assert (await turn.result()).status == "cancelled"

    play(scene)


@pytest.mark.parametrize("seed", range(20))
def test_vx1_however_an_end_and_a_cancel_meet_there_is_one_end(seed: int) -> None:
    async def scene() -> None:
        async with booth(dispatcher=LotteryDispatcher(seed)) as (session, script):
            ear = await Ear.of(session, "ann", kinds=["turn.ended"])
            turn = await session.send("ann", "?")
            script.cue("s", 1, "!", None)
            await settle(seed)

            receipts = await asyncio.gather(turn.cancel(), turn.cancel())
            result = await turn.result()
            await settle()

            assert len(ear.items) == 1
            won = [receipt.verdict for receipt in receipts].count("won")
            assert won == (result.status == "cancelled")
            assert (await session.info()).running_turn is None

    play(scene)


def test_vx2_the_cancel_of_a_finished_pipeline_is_dead() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            completed = await session.send("ann", "one")
            script.cue("s", 1, "1", None)
            await completed.result()
            failed = await session.send("ann", "two")
            script.cue("s", 2, ValueError("no"))
            await failed.result()
            running = await session.send("ann", "three")
            await settle()

            assert (await completed.cancel()).verdict == "completion_won"
            assert (await failed.cancel()).verdict == "already_ended"
            await settle()

            assert (await session.info()).running_turn == running.id
            assert script.closed == [1, 2]

    play(scene)


async def hangs(_: greenroom.Turn) -> AsyncIterator[str]:
    await asyncio.Event().wait()
    yield ""


# --- waiting -------------------------------------------------------------------------------------


def test_v14_nothing_to_wait_for_is_settled_at_once() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            assert await session.settled() is True
            assert await session.settled(0) is True
            script.cue("s", 1, "!", None)
            await (await session.send("ann", "?")).result()
            assert await session.settled() is True
            await session.end("ann")
            assert await session.settled() is True

    play(scene)


def test_v14_a_wait_tells_done_from_timeout_and_blocks_nobody() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock) as (session, script):
            await session.send("ann", "?")
            short, long, ever = session.settled(3.0), session.settled(10), session.settled()
            assert await session.settled(0) is False
            await session.post("ann", "meanwhile")
            await clock.advance(2.9)
            assert not short.done

            await clock.advance(0.2)
            assert await short is False
            assert not long.done
            script.cue("s", 1, "!", None)
            await settle()

            assert await long is True
            assert await ever is True
            before = greenroom.Reply.late_sets.count
            await clock.advance(10.0)  # the timer of the one that is answered is gone
            assert greenroom.Reply.late_sets.count == before

    play(scene)


def test_vx4_a_waiter_is_released_when_its_turn_is_superseded() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock, mode="omni") as (session, script):
            await session.send("ann", "one")
            waiting = session.settled(60.0)
            await settle()
            script.cue("s", 2, "still speaking")

            await session.send("ann", "two", policy="interrupt")
            await settle()

            assert waiting.done
            assert await waiting is True
            assert (await session.info()).running_turn == 2

    play(scene)


def test_vx4_the_end_of_a_waiting_turn_releases_nobody() -> None:
    async def scene() -> None:
        async with booth() as (session, _):
            await session.send("ann", "one")
            queued = await session.send("ann", "two")
            waiting = session.settled()

            await queued.cancel()
            await settle()

            assert not waiting.done

    play(scene)


def test_vx5_what_comes_after_the_time_is_up_is_still_attached() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock) as (session, script):
            await session.send("ann", "?")
            waiting = session.settled(3.0)
            await clock.advance(3.1)
            assert await waiting is False
            assert texts(await session.transcript("ann")) == ["?"]

            again = session.settled(3.0)
            script.cue("s", 1, "the last message", None)

            assert await again is True
            assert texts(await session.transcript("ann")) == ["?", "the last message"]

    play(scene)


def test_vx5_settled_means_durable() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with booth(clock=clock, journal=journal) as (session, script):
            await session.send("ann", "?")
            waiting, short = session.settled(), session.settled(3.0)
            await settle()
            journal.holding = True
            script.cue("s", 1, "!", None)
            await clock.advance(3.1)

            assert not waiting.done
            assert await short is False
            journal.let()
            await settle()
            assert await waiting is True

    play(scene)


def test_v14_a_wait_goes_on_in_the_next_activation() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(hangs, clock=clock, journal=journal, turn_attempts=2)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "?")
            await settle()
            short, long = session.settled(5.0), session.settled(60.0)
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            with suppress(greenroom.GreenroomError):
                await session.post("ann", "lost")
            await clock.advance(1.0)
            assert (await session.info()).running_turn == 1  # its second attempt
            assert not short.done
            await clock.advance(4.1)
            assert await short is False

            await session.interrupt("ann")

            assert await long is True

    play(scene)


def test_ax16_a_wait_that_another_activation_has_answered_leaves_no_timer_behind() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(hangs, clock=clock, turn_attempts=2) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "?")
            waiting = session.settled(1e6)
            await settle()
            assert await runtime.passivate("s", force=True)
            await session.info()
            await settle()
            assert clock.last_due_s > 1e5

            await session.interrupt("ann")

            assert await waiting is True
            assert clock.last_due_s < 1e5

    play(scene)


def test_v14_the_time_is_up_also_while_the_session_is_away() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(
            hangs,
            clock=clock,
            journal=journal,
            restart_delay_s=3.0,
            restart_jitter=0.0,
            turn_attempts=2,
        )
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "?")
            short, long = session.settled(2.0), session.settled(5.0)
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            with suppress(greenroom.GreenroomError):
                await session.post("ann", "lost")

            await clock.advance(2.1)
            assert short.done
            assert await short is False
            await clock.advance(1.0)
            assert (await session.info()).running_turn == 1
            await clock.advance(2.0)
            assert long.done
            assert await long is False
            await session.interrupt("ann")

    play(scene)


def test_v14_a_turn_that_waits_for_an_approval_is_not_over() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock) as (session, script):
            await session.send("ann", "?")
            script.cue("s", 1, greenroom.RequestApproval(calls=[greenroom.ToolCall(name="pay")]))
            await settle()
            assert (await session.info()).approval is not None

            waiting = session.settled(3.0)
            await clock.advance(3.1)

            assert await waiting is False

    play(scene)


def test_vx4_a_wait_for_a_turn_that_is_lost_is_over_though_the_next_one_runs() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with booth(clock=clock, journal=journal) as (session, _):
            await session.send("ann", "one")
            await session.send("ann", "two")
            waiting = session.settled()
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            with suppress(greenroom.GreenroomError):
                await session.post("ann", "lost")
            await clock.advance(1.0)

            assert waiting.done
            assert await waiting is True
            info = await session.info()
            assert info.running_turn == 2
            assert (await session.result(1)).status == "lost"

    play(scene)


@pytest.mark.parametrize("timeout_s", [-1, float("nan"), float("inf"), "3", True])
def test_v14_a_timeout_is_a_number_of_seconds(timeout_s: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.settled(timeout_s)
            assert refusal.value.field == "timeout_s"

    play(scene)
