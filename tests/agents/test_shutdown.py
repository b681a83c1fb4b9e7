"""Shutting a session down (spec A14, A16, AX2, AX3): closed at once, ended in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from rooms.hall import Ear, refused, room
from theatre import GatedJournal, LotteryDispatcher, ManualClock, Script, play, settle

import greenroom


class Deaf:
    """A pipeline that never ends, and does not listen before the curtain is down."""

    curtain = "up"

    async def __call__(self, _: greenroom.Turn) -> AsyncIterator[str]:
        yield "hm"
        while self.curtain == "up":
            with suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()


def test_a16_a_running_turn_may_finish_and_then_the_session_ends() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            ear = await Ear.of(session, "ann")
            running, queued = [await session.send("ann", text) for text in ("one", "two")]

            assert (await session.shutdown("ann")).revision > 0

            for late in (session.post("ann", "late"), session.send("ann", "late")):
                await refused(late, greenroom.SessionEnded)
            result = queued.result()
            await settle()
            assert result.done, "it waits for nothing any more"
            ended = await result
            assert (ended.status, ended.cause) == ("cancelled", "ended")
            assert (await session.info()).state == "active"
            script.cue("s", 1, "done", None)
            assert (await running.result()).status == "completed"
            assert (await session.info()).state == "ended"
            await settle()
            closing = ear.kinds.index("session.closing")
            assert ear.kinds[closing + 1 :] == [
                "turn.ended",
                "text.streamed",
                "message.posted",
                "turn.ended",
                "session.ended",
            ]
            assert ear.items[closing].event.grace_s == 5.0
            assert ear.ended

    play(scene)


def test_a16_a_turn_that_outlasts_the_grace_is_cancelled() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            turn = await session.send("ann", "think")
            script.cue("s", 1, "half a")
            await session.shutdown("ann")

            await clock.advance(4.9)
            assert (await session.info()).state == "active"
            await clock.advance(0.2)

            assert (await session.info()).state == "ended"
            result = await turn.result()
            assert (result.status, result.cause, result.text) == ("cancelled", "ended", "half a")
            await clock.advance(60.0)

    play(scene)


def test_ax16_a_session_that_is_gone_leaves_no_timer_of_its_grace_behind() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            turn = await session.send("ann", "one")
            await session.shutdown("ann", grace_s=1e6)
            await settle()
            assert clock.last_due_s > 1e5
            script.cue(session.id, turn.id, None)
            await turn.result()

            await session.delete("ann")

            assert clock.last_due_s < 1e5

    play(scene)


@pytest.mark.parametrize("grace_s", [0, 0.5, 30])
def test_a16_the_grace_is_the_caller_s_choice(grace_s: float) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(pipeline=Script(), clock=clock) as session:
            await session.send("ann", "think")
            await session.shutdown("ann", grace_s)
            await clock.advance(max(grace_s - 0.1, 0))
            assert (await session.info()).state == ("active" if grace_s else "ended")

            await clock.advance(0.2)

            assert (await session.info()).state == "ended"

    play(scene)


@pytest.mark.parametrize("grace_s", [-1, float("inf"), float("nan"), "5", None, True])
def test_a16_a_grace_that_is_none_is_refused_and_changes_nothing(grace_s: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.shutdown("ann", grace_s)

            assert refusal.value.field == "grace_s"
            assert (await session.info()).revision == 0

    play(scene)


@pytest.mark.parametrize("state", ["created", "active", "paused"])
def test_a16_without_a_running_turn_the_session_ends_at_once(state: str) -> None:
    async def scene() -> None:
        async with room(started=state != "created", pipeline=Script()) as session:
            if state == "paused":
                await session.pause("ann")

            await session.shutdown("ann")

            assert (await session.info()).state == "ended"

    play(scene)


def test_a16_only_the_host_shuts_down_and_a_second_time_changes_nothing() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", pipeline=Script(), clock=clock) as session:
            await session.send("ann", "think")
            for user in ("bob", "eve"):
                await refused(session.shutdown(user), greenroom.NotHost, user=user)
            first = await session.shutdown("ann", 2.0)

            again = await session.shutdown("ann", 60.0)

            assert again.revision == first.revision
            await clock.advance(2.1)
            ended = await session.info()
            assert ended.state == "ended"
            assert (await session.shutdown("ann")).revision == ended.revision

    play(scene)


def test_a16_a_host_who_cannot_wait_ends_it() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", pipeline=Script(), clock=clock) as session:
            turn = await session.send("ann", "think")
            await session.shutdown("ann")
            await session.transfer_host("ann", "bob")

            await session.end("bob")

            assert (await turn.result()).cause == "ended"
            assert (await session.info()).state == "ended"
            await clock.advance(10.0)  # the grace that is over has nothing left to end

    play(scene)


def test_ax2_a_pipeline_that_hangs_holds_up_nobody_and_keeps_no_slot() -> None:
    async def scene() -> None:
        clock, deaf = ManualClock(), Deaf()
        async with greenroom.Runtime(deaf, clock=clock, max_sessions_per_user=1) as runtime:
            hung = await runtime.create(user="ann", id="hung")
            other = await runtime.create(user="bob", id="other")
            await hung.send("ann", "think")
            await settle()

            accepted = hung.shutdown("ann")
            for _ in range(100):  # no time passes
                await other.post("bob", "we go on")
            assert (await accepted).revision > 0
            await refused(runtime.create(user="ann"), greenroom.CapacityError, scope="per_user")
            await clock.advance(5.1)
            deaf.curtain = "down"  # it is given up on; the test itself must end

            assert (await hung.info()).state == "ended"
            assert (await runtime.find("hung")).state == "ended"  # type: ignore[union-attr]
            assert await runtime.create(user="ann")

    play(scene)


def test_ax3_a_message_to_a_session_that_is_dead_is_rejected() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(pipeline=Script(), clock=clock) as session:
            await session.send("ann", "think")
            await session.shutdown("ann")
            await clock.advance(6.0)
            revision = (await session.info()).revision

            await refused(session.send("ann", "still there?"), greenroom.SessionEnded)

            assert (await session.info()).revision == revision

    play(scene)


def test_a16_a_session_found_closing_by_a_new_activation_ends() -> None:
    async def scene() -> None:
        script, clock, journal = Script(), ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(script, clock=clock, journal=journal, turn_attempts=3)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "think")
        await session.shutdown("ann", 600.0)
        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=1.0))
        await clock.advance(2.0)
        assert (await stopping).handed_back == ["s"]

        await journal.open()
        async with greenroom.Runtime(script, clock=clock, journal=journal) as owner:
            session = owner.session("s")
            result = await session.result(1)

            assert result.status == "lost"
            assert (await session.info()).state == "ended"
            await refused(session.send("ann", "hello?"), greenroom.SessionEnded)
        assert [turn.id for turn in script.turns] == [1]

    play(scene)


def test_a16_a_grace_that_is_over_too_late_changes_nothing() -> None:
    async def scene() -> None:
        script, clock, journal = Script(), ManualClock(), GatedJournal()
        async with greenroom.Runtime(script, clock=clock, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            await session.shutdown("ann", 5.0)
            await clock.advance(4.0)
            script.cue("s", 1, None)
            assert (await turn.result()).status == "completed"
            assert (await session.info()).state == "ended"
            revision = (await session.info()).revision
            assert await runtime.passivate("s")
            await session.info()

            await clock.advance(2.0)

            assert (await session.info()).revision == revision

    play(scene)


def test_a12_an_ended_session_has_recorded_what_became_of_its_turns(store: Any) -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, journal=store()) as runtime:
            session = await runtime.create(user="ann", id="s")
            ear = await Ear.of(session, "ann")
            await session.send("ann", "think")
            await settle()

            await session.end("ann")

            await settle()
            assert script.closed == [1]
            assert ear.ended
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert (await session.info()).state == "ended"
            result = await session.result(1)
            assert (result.status, result.cause) == ("cancelled", "ended")

    play(scene)


# --- the race ------------------------------------------------------------------------------------

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=60, deadline=None, derandomize=True)
SENDERS = ("ann", "bob", "eve")


async def answer(turn: greenroom.Turn) -> AsyncIterator[str]:
    await settle(turn.id % 3)
    yield "yes"


class Race:
    """Three people submit while the host ends the session, in an order that a seed draws."""

    def __init__(self, seed: int, how: str) -> None:
        self.rng, self.how = random.Random(seed), how
        self.clock, self.journal = ManualClock(), GatedJournal()
        self.runtime = greenroom.Runtime(
            answer, journal=self.journal, clock=self.clock, dispatcher=LotteryDispatcher(seed)
        )
        self.turns: list[greenroom.Turn] = []
        self.results: list[Any] = []
        self.refused: list[Exception] = []

    async def run(self) -> Ear:
        session = await self.runtime.create(user="ann", id="s")
        for user in SENDERS[1:]:
            await session.join(user)
        ear = await Ear.of(session, "ann")
        senders = [self._send(session, user) for user in SENDERS]
        await asyncio.gather(*senders, self._end(session))
        await settle(300)
        await self.clock.advance(20.0)
        return ear

    async def _send(self, session: greenroom.Session, user: str) -> None:
        for _ in range(4):
            await settle(self.rng.randrange(6))
            try:
                turn: Any = (await session.submit(user, greenroom.UserInput("hm"))).answer
            except greenroom.GreenroomError as error:
                self.refused.append(error)
            else:
                self.turns.append(turn)
                self.results.append(turn.result())

    async def _end(self, session: greenroom.Session) -> None:
        await settle(self.rng.randrange(60))
        if self.how == "shutdown":
            await session.submit("ann", greenroom.Shutdown())
        else:
            await session.delete("ann")


@SCHEDULES
@given(seed=SEEDS)
def test_a14_every_accepted_submission_has_one_outcome_when_the_session_shuts_down(
    seed: int,
) -> None:
    async def scene() -> None:
        race = Race(seed, "shutdown")
        async with race.runtime:
            ear = await race.run()

            ids = [turn.id for turn in race.turns]
            assert len(ids) + len(race.refused) == 12
            assert all(type(error) is greenroom.SessionEnded for error in race.refused)
            assert all(reply.done for reply in race.results), "a result never came"
            told = {(await reply).turn: (await reply).status for reply in race.results}
            assert sorted(told) == sorted(ids)
            ended = [item.event for item in ear.items if "status" in _fields(item)]
            assert sorted(event.turn for event in ended) == sorted(ids), "not one end each"
            assert {event.turn: event.status for event in ended} == told
            assert set(told.values()) <= {"completed", "cancelled"}
            assert (await race.runtime.session("s").info()).state == "ended"
            assert ear.kinds[-1] == "session.ended"

    play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_a14_every_accepted_submission_has_one_outcome_when_the_session_is_deleted(
    seed: int,
) -> None:
    async def scene() -> None:
        race = Race(seed, "delete")
        async with race.runtime:
            ear = await race.run()

            ids = [turn.id for turn in race.turns]
            assert len(ids) + len(race.refused) == 12
            gone = (greenroom.SessionEnded, greenroom.SessionNotFound)
            assert all(isinstance(error, gone) for error in race.refused)
            assert all(reply.done for reply in race.results), "a result never came"
            ended = [item.event for item in ear.items if "status" in _fields(item)]
            assert sorted(event.turn for event in ended) == sorted(ids), "not one end each"
            assert ear.kinds[-1] == "session.ended"
            assert race.runtime.resident == 0

    play(scene)


def _fields(item: Any) -> tuple[str, ...]:
    return tuple(getattr(item.event, "__struct_fields__", ()))
